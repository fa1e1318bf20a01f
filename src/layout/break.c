/*
 * Breaking layouts: before pages leave a file, nobody may be using them, as far as the policy asks for that. docs/protocol.md section 7.
 *
 * TRY and WAIT lock the entries of the range first: no new hold of it succeeds from then on. Then they look at every folio with
 * a read-modify-write of its word, which settles the order with a get that is on its way. WAIT sleeps on the word without the
 * inode's lock; the range stays locked, which keeps everybody else from its pages. Windows are in nobody's way: they are told when
 * the pages have left, and keep them until then.
 */
#include "layout/inner.h"

#include "base/clock.h"
#include "base/err.h"

#define SLICE_MS   20u       /* of sleep, after which deaths are looked for */
#define SECTION_NS 10000000u /* that somebody may be in a section */
#define LOOKS \
	1000 /* TRY: at a count without accounting, which a failing get holds for an instant */

struct busy {
	uint64_t head;
	uint64_t pages;
	uint32_t low;
};

static bool touches(uint64_t pfn, uint64_t pages, const struct busy *busy)
{
	return pages && pfn < busy->head + busy->pages && pfn + pages > busy->head;
}

static bool range_touches(uint64_t range, const struct busy *busy)
{
	return touches(rt_range_pfn(range), rt_range_pages(range), busy);
}

/* Somebody's accounting touches the folio, but for windows: *pid is one of them. */
static bool holder_of(struct layout *l, const struct busy *busy, unsigned *pid)
{
	struct rt_cursor c = {0}, d = {0};
	struct rt_hold *hold;
	struct rt_row *row;

	while ((hold = rt_next_hold(l->rt, &c))) {
		*pid = load_relaxed(&rt_slot_at(l->rt, c.slot)->pid);
		if (range_touches(load_acquire(&hold->range), busy) &&
		    load_relaxed(&hold->kind) != PF_HOLD_WINDOW)
			return true;
	}
	while ((row = rt_next_row(l->rt, &d))) {
		*pid = load_relaxed(&rt_slot_at(l->rt, d.slot)->pid);
		if (range_touches(load_acquire(&row->read_hold), busy))
			return true;
	}
	return false;
}

/* Whoever was counting or accounting there when this was called has left since. False: somebody does not, who is stopped or dead. */
static bool sections_end(struct layout *l, const struct busy *busy)
{
	uint64_t until = clock_mono() + SECTION_NS;
	struct rt_cursor c = {0};
	struct rt_row *row;

	memory_fence(memory_order_seq_cst); /* pairs with rt_enter() */
	while ((row = rt_next_row(l->rt, &c))) {
		uint64_t intent = load_acquire(&row->intent);

		if (!touches(rt_intent_pfn(intent), rt_intent_pages(intent), busy))
			continue;
		while (load_acquire(&row->intent) == intent) {
			if (clock_mono() >= until)
				return false;
			cpu_relax();
		}
	}
	return true;
}

/* A held folio that only windows show is not busy: they let go of it when they are told. Who had taken a hold before the range was locked has accounted for it when the sections of that time are over;
 * who takes one later finds the range locked. So then the accounting says all. */
static bool only_windows(struct layout *l, uint32_t ino, const struct busy *busy)
{
	unsigned pid;

	if (likely(!load_acquire(&fs_state(&l->fs, ino)->windows)))
		return false;
	return sections_end(l, busy) && !holder_of(l, busy, &pid);
}

/* The first folio of [first, last] that is held, by others than windows unless `windows`. */
static bool find_held(struct layout *l, uint32_t ino, uint64_t first, uint64_t last, bool wait,
		      bool windows, struct busy *busy)
{
	for (uint64_t i = fs_next_entry(&l->fs, ino, first, last + 1); i <= last;
	     i = fs_next_entry(&l->fs, ino, i + 1, last + 1)) {
		uint64_t pfn, word;

		if (!fs_entry(&l->fs, ino, i, &pfn) ||
		    !page_head(&l->pages, pfn, BLOCK_ORDER, &busy->head, &word))
			continue;
		busy->pages = 1ull << word_order(word);
		if (page_busy(&l->pages, busy->head, wait, &busy->low) &&
		    (windows || !only_windows(l, ino, busy)))
			return true;
		/* Where parts have left, other folios may have come; and it may have been split meanwhile. */
		if (!(word & WORD_P))
			i += busy->pages - (pfn - busy->head) - 1;
	}
	return false;
}

static bool find_busy(struct layout *l, uint32_t ino, uint64_t first, uint64_t last, bool wait,
		      struct busy *busy)
{
	return find_held(l, ino, first, last, wait, false, busy);
}

bool inner_busy(struct layout *l, uint32_t ino, uint64_t first, uint64_t last)
{
	struct busy busy;

	return find_busy(l, ino, first, last, false, &busy);
}

bool inner_held(struct layout *l, uint32_t ino, uint64_t first, uint64_t last)
{
	struct busy busy;

	return find_held(l, ino, first, last, false, true, &busy);
}

/* A process is dead whose holds have not been given back, and it is time to try that. */
static bool somebody_died(struct layout *l)
{
	for (unsigned s = 0; s < rt_slots_used(l->rt); s++)
		if (rt_slot_bury(l->rt, s) &&
		    clock_mono() >= load_relaxed(&rt_slot_at(l->rt, s)->retry))
			return true;
	return false;
}

static int held(struct layout *l, uint32_t ino, const struct busy *busy, int code)
{
	unsigned pid = 0;

	holder_of(l, busy, &pid);
	return err(code, "pages of inode %u are held by process %u ('pinfold who' lists all)", ino,
		   pid);
}

static int try_break(struct layout *l, uint32_t ino, uint64_t first, uint64_t last)
{
	struct busy busy;
	unsigned pid;

	for (unsigned look = 0; find_busy(l, ino, first, last, false, &busy); look++) {
		if (holder_of(l, &busy, &pid) || look == LOOKS)
			return somebody_died(l) ? -PF_EREAP : held(l, ino, &busy, PF_EHELD);
		cpu_relax();
	}
	return 0;
}

/* Who has asked for that is told that the folio is wanted. */
static void tell_holders(struct layout *l, const struct busy *busy)
{
	struct rt_cursor c = {0};
	struct rt_hold *hold;

	while ((hold = rt_next_hold(l->rt, &c)))
		if (range_touches(load_acquire(&hold->range), busy) && !load_relaxed(&hold->wanted))
			rt_hold_want(l->rt, c.slot, hold);
}

static int wait_break(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t first,
		      uint64_t last, uint64_t deadline)
{
	uint64_t told = 0; /* whose holders know */
	struct busy busy;

	while (find_busy(l, ino, first, last, true, &busy)) {
		uint64_t now = clock_mono(),
			 left = deadline > now ? (deadline - now) / 1000000 + 1 : 0;
		int rc;

		layout_unlock(me, l, ino);
		if (deadline <= now)
			return held(l, ino, &busy, PF_EHELDTIME);
		if (busy.head != told)
			tell_holders(l, &busy);
		told = busy.head;
		page_wait(&l->pages, busy.head, busy.low, (unsigned)MIN(left, SLICE_MS));
		if (somebody_died(l))
			return -PF_EREAP;
		rc = layout_lock(me, l, ino);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Another one's locked range is waited for without the inode's lock. On failure the inode is unlocked. */
static int wait_unlocked(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t first,
			 uint64_t last)
{
	int rc;

	layout_unlock(me, l, ino);
	rc = dax_wait_range(me, &l->fs, ino, first, last);
	return rc < 0 ? rc : layout_lock(me, l, ino);
}

static int lock_range(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t first,
		      uint64_t last)
{
	int rc = 0;

	while (rc == 0 && dax_lock_range(me, &l->fs, ino, first, last) < 0)
		rc = wait_unlocked(me, l, ino, 0, ~0ull);
	return rc;
}

static int wait_for_others(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t first,
			   uint64_t last)
{
	int rc = 0;

	while (rc == 0 && dax_range_locked(me, &l->fs, ino, first, last))
		rc = wait_unlocked(me, l, ino, first, last);
	return rc;
}

int inner_break(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t first, uint64_t last,
		struct layout_break how)
{
	int rc;

	if (how.policy == PF_DETACH)
		return wait_for_others(me, l, ino, first, last);
	rc = lock_range(me, l, ino, first, last);
	if (rc < 0)
		return rc;
	if (how.policy == PF_WAIT) {
		rc = wait_break(me, l, ino, first, last, how.deadline);
	} else {
		rc = try_break(l, ino, first, last);
		if (rc < 0)
			layout_unlock(me, l, ino);
	}
	if (rc < 0)
		dax_unlock_range(me, &l->fs, ino);
	return rc;
}

void inner_unbreak(struct rt_self *me, struct layout *l, uint32_t ino, struct layout_break how)
{
	if (how.policy != PF_DETACH)
		dax_unlock_range(me, &l->fs, ino);
}
