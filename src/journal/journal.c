/* Redo transactions in lanes, see journal.h. */
#include "journal/journal.h"

#include <sched.h>

#include "base/broken.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/crc.h"
#include "base/err.h"
#include "base/step.h"
#include "format/super_format.h"

#define RECORDS_AT 64u
#define LOOKS      1000u        /* at a lane before what it has is taken for real */
#define REPLAYING  (1ull << 31) /* in an owner word: that row replays a dead one's lane */
#define UNSUMMED   (1ull << 31) /* in a commit word: written on a volatile device */

/* As in a transaction: copied as they are. */
struct record {
	_Atomic uint64_t offset, value;
};
_Static_assert(sizeof(struct record) == sizeof(((struct journal_tx *)0)->word[0]), "a record");

static _Atomic uint64_t *commit_word(const struct journal *j, unsigned lane)
{
	return (_Atomic uint64_t *)(j->meta + j->lanes_offset + (uint64_t)lane * LANE_BYTES);
}

static struct record *records(_Atomic uint64_t *commit)
{
	return (struct record *)((uint8_t *)commit + RECORDS_AT);
}

static uint64_t commit_value(const void *r, unsigned count, unsigned sequence)
{
	uint32_t sum = crc32c(sequence, r, count * sizeof(struct record));

	return count | (uint64_t)sequence << 16 | (uint64_t)sum << 32;
}

/* How many records a committed transaction has; 0: none, or torn. */
static unsigned committed(_Atomic uint64_t *commit)
{
	uint64_t word = load_acquire(commit);
	unsigned count = word & 0xffff;

	if (!count || count > JOURNAL_WORDS)
		return 0;
	if (word & UNSUMMED)
		return word == (count | UNSUMMED) ? count : 0;
	if (!broken(PF_BREAK_LANE_NO_SUM) &&
	    word != commit_value(records(commit), count, word >> 16 & 0x7fff))
		return 0;
	return count;
}

uint64_t journal_load(struct journal *j, const struct journal_tx *tx, _Atomic uint64_t *address)
{
	uint64_t offset = (uint64_t)((uint8_t *)address - j->meta);

	for (unsigned i = tx->count; i-- > 0;)
		if (tx->word[i].offset == offset)
			return tx->word[i].value;
	return load_acquire(address);
}

/* ---- committing ------------------------------------------------------------------------------------ */

static bool take_lane(struct journal *j, struct rt_self *me, unsigned lane)
{
	rt_owner nobody = 0;

	return !load_relaxed(&j->owners->owner[lane]) &&
	       cas(&j->owners->owner[lane], &nobody, me->owner);
}

/* Another than it had last; a new row begins where other processes' cache lines are not. */
static unsigned borrow_any(struct journal *j, struct rt_self *me)
{
	unsigned hint = load_relaxed(&me->row->lane);
	unsigned first = hint ? hint - 1 : rt_owner_slot(me->owner) * 8 + rt_owner_row(me->owner);

	for (;; journal_settle(j, me, false), sched_yield())
		for (unsigned i = 0; i < j->lanes; i++) {
			unsigned lane = (first + i) % j->lanes;

			if (take_lane(j, me, lane)) {
				store_relaxed(&me->row->lane, lane + 1);
				return lane;
			}
		}
}

static unsigned borrow(struct journal *j, struct rt_self *me)
{
	unsigned hint = load_relaxed(&me->row->lane);

	return likely(hint && hint <= j->lanes && take_lane(j, me, hint - 1)) ? hint - 1
									      : borrow_any(j, me);
}

/* What was replayed or applied is there, and the lane is clear: it is nobody's. */
static void give_back(struct journal *j, unsigned lane)
{
	if (broken(PF_BREAK_LANE_CLEAR_FENCE))
		store_release(&j->owners->owner[lane], 0);
	else
		dev_drain_and_store(j->dev, &j->owners->owner[lane], 0);
}

static bool has_sums(const struct journal *j)
{
	return j->dev->persist != NULL;
}

/* Neighbours in one cache line are written back together: the line is, after the last of them. */
static void write_back(struct journal *j, const struct record *r, unsigned count)
{
	uint64_t next = count ? load_relaxed(&r->offset) : 0, offset;

	for (unsigned i = 0; i < count; i++) {
		offset = next;
		next = i + 1 < count ? load_relaxed(&r[i + 1].offset) : ~offset;
		if ((next ^ offset) / 64)
			dev_persist(j->dev, j->meta + offset, 8);
	}
}

/* In the order they were added: readers without a lock may rely on it. */
static void apply(struct journal *j, const struct record *r, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		media_word(j->dev, (_Atomic uint64_t *)(j->meta + load_relaxed(&r[i].offset)),
			   load_relaxed(&r[i].value));
		step("journal: applied one");
	}
	if (has_sums(j) && !broken(PF_BREAK_LANE_APPLY_FLUSH))
		write_back(j, r, count);
	if (!broken(PF_BREAK_LANE_SECOND_FENCE))
		dev_drain(j->dev);
}

/* The fence that makes it certain is the one that gives the lane back. */
static void clear(struct journal *j, _Atomic uint64_t *commit)
{
	media_word(j->dev, commit, 0);
	if (!broken(PF_BREAK_LANE_CLEAR_FLUSH))
		dev_persist(j->dev, commit, 8);
	step("journal: cleared");
}

/* Records and commit word may reach the device in any order: the sum tells. */
static void write_lane(struct journal *j, const struct journal_tx *tx, _Atomic uint64_t *commit)
{
	size_t bytes = tx->count * sizeof(struct record);
	uint64_t word = tx->count | UNSUMMED;

	media_words(j->dev, &records(commit)->offset, &tx->word->offset, bytes / 8);
	step("journal: records");
	if (has_sums(j))
		word = commit_value(tx->word, tx->count, tx->me->owner & 0x7fff);
	media_word(j->dev, commit, word);
	if (!broken(PF_BREAK_LANE_COMMIT_FLUSH))
		dev_persist(j->dev, commit, 8);
	if (!broken(PF_BREAK_LANE_RECORD_FLUSH))
		dev_persist(j->dev, records(commit), bytes);
	if (!broken(PF_BREAK_LANE_FIRST_FENCE))
		dev_drain(j->dev);
	step("journal: committed");
}

void journal_commit(struct journal *j, struct journal_tx *tx)
{
	_Atomic uint64_t *commit;
	unsigned lane;

	if (!tx->count)
		return;
	lane = borrow(j, tx->me);
	commit = commit_word(j, lane);
	step("journal: lane");
	media_begin(j->dev);
	if (broken(PF_BREAK_LANE_APPLY_FIRST))
		apply(j, (const struct record *)tx->word, tx->count);
	write_lane(j, tx, commit);
	if (broken(PF_BREAK_LANE_CLEAR_FIRST))
		clear(j, commit);
	apply(j, records(commit), tx->count);
	clear(j, commit);
	media_end(j->dev);
	give_back(j, lane);
	tx->count = 0;
}

/* ---- the dead -------------------------------------------------------------------------------------- */

static void replay(struct journal *j, unsigned lane)
{
	_Atomic uint64_t *commit = commit_word(j, lane);

	media_begin(j->dev);
	apply(j, records(commit), committed(commit));
	clear(j, commit);
	media_end(j->dev);
}

/* False: a living row is replaying it. */
static bool settle_lane(struct journal *j, struct rt_self *me, unsigned lane)
{
	_Atomic rt_owner *owner = &j->owners->owner[lane];
	rt_owner was = load_acquire(owner);

	if (!was || was == me->owner)
		return true;
	if (!rt_owner_dead(j->rt, was & ~REPLAYING))
#ifdef PF_BREAK_LANE_NO_WAIT
		return true;
#else
		return !(was & REPLAYING); /* its own transaction is its own business */
#endif
#ifndef PF_BREAK_LANE_NO_TAKEOVER
	if (!cas(owner, &was, me->owner | REPLAYING))
		return settle_lane(j, me, lane); /* somebody else did */
#endif
	step("journal: taken over");
	replay(j, lane);
	give_back(j, lane);
	return true;
}

/* Looks whether the replayer was killed, which nobody may have noticed yet. */
static void look_after(struct journal *j, unsigned lane)
{
	rt_owner owner = load_acquire(&j->owners->owner[lane]);

	if (owner)
		rt_slot_bury(j->rt, rt_owner_slot(owner));
	sched_yield();
}

bool journal_settle(struct journal *j, struct rt_self *me, bool wait)
{
	uint64_t end = clock_mono() + 1000000ull * me->rt->lock_limit_ms;
	bool settled = true;

	for (unsigned lane = 0; lane < j->lanes; lane++) {
		bool done = settle_lane(j, me, lane);

		for (; !done && wait && clock_mono() < end; done = settle_lane(j, me, lane))
			look_after(j, lane);
		settled &= done;
	}
	return settled;
}

/* ---- power cuts ------------------------------------------------------------------------------------ */

/* Places that a transaction may change: not the superblocks, the use record or the lanes. */
static bool may_change(uint64_t offset, uint64_t meta_bytes, uint64_t lanes_end)
{
	return offset % 8 == 0 &&
	       ((offset >= COUNTERS_OFFSET && offset < COUNTERS_OFFSET + PAGE_BYTES) ||
		(offset >= lanes_end && offset < meta_bytes));
}

bool journal_inspect(const void *lane, unsigned n, uint64_t meta_bytes, uint64_t lanes_end,
		     struct report *report)
{
	_Atomic uint64_t *commit = (_Atomic uint64_t *)lane;
	unsigned count = committed(commit);

	for (unsigned i = 0; i < count; i++) {
		uint64_t offset = load_relaxed(&records(commit)[i].offset);

		if (!may_change(offset, meta_bytes, lanes_end)) {
			report_violation(
				report, "journal",
				"lane %u, record %u changes byte %lu, which is not metadata", n, i,
				(unsigned long)offset);
			return false;
		}
	}
	return count != 0;
}

void journal_words(const void *lane, void (*each)(void *arg, uint64_t offset, uint64_t value),
		   void *arg)
{
	_Atomic uint64_t *commit = (_Atomic uint64_t *)lane;
	unsigned count = committed(commit);

	for (unsigned i = 0; i < count; i++)
		each(arg, load_relaxed(&records(commit)[i].offset),
		     load_relaxed(&records(commit)[i].value));
}

static void keep_text(void *arg, const char *rule, const char *text)
{
	(void)arg;
	err(PF_ECORRUPT, "%s: %s", rule, text);
}

int journal_recover(struct journal *j)
{
	uint64_t lanes_end = j->lanes_offset + (uint64_t)j->lanes * LANE_BYTES;
	struct report report = {.each = keep_text};
	int replayed = 0;

	for (unsigned lane = 0; lane < j->lanes; lane++) {
		_Atomic uint64_t *commit = commit_word(j, lane);

		if (!load_relaxed(commit))
			continue;
		if (has_sums(j) && load_relaxed(commit) & UNSUMMED)
			report_violation(&report, "journal",
					 "lane %u has no checksum, as on a volatile device", lane);
		if (journal_inspect(commit, lane, j->meta_bytes, lanes_end, &report))
			replayed++;
		if (report.violations)
			return -PF_ECORRUPT;
		replay(j, lane);
	}
	dev_drain(j->dev);
	return replayed;
}

/* ---- the live check -------------------------------------------------------------------------------- */

/* Whoever takes it meanwhile shows, before or after. */
static bool lane_is_stray(struct journal *j, unsigned lane)
{
	return !load_acquire(&j->owners->owner[lane]) && load_acquire(commit_word(j, lane)) &&
	       !load_acquire(&j->owners->owner[lane]);
}

void journal_check(struct journal *j, struct report *report)
{
	for (unsigned i = 0; i < j->lanes; i++) {
		unsigned look = 0;

		while (look < LOOKS && lane_is_stray(j, i)) {
			look++;
			sched_yield();
		}
		if (look == LOOKS)
			report_violation(report, "journal",
					 "lane %u has a transaction, but nobody has the lane", i);
	}
}
