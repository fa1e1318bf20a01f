/* Inodes and names: attributes, allocation of inode numbers, chains of names. */
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/step.h"
#include "fs/inner.h"

#define NUMBERS_TRIED 64u /* whose locks are not to be had, before the dead are reaped */

/* ---- attributes ------------------------------------------------------------------------------------ */

int fs_attr(struct fs *fs, uint32_t ino, struct inode_attr *attr)
{
	return inode_read(&fs->inodes[ino], attr);
}

uint64_t fs_size(struct fs *fs, uint32_t ino)
{
	return load_acquire(&fs->inodes[ino].size);
}

uint32_t fs_generation(struct fs *fs, uint32_t ino)
{
	return load_acquire(&fs->inodes[ino].state) >> 32;
}

static void set_word(struct fs *fs, struct journal_tx *tx, _Atomic uint64_t *at, uint64_t value)
{
	if (journal_load(&fs->journal, tx, at) != value)
		journal_word(&fs->journal, tx, at, value);
}

/* The checksum last: a reader that sees it has seen the others. */
void fs_attr_set(struct fs *fs, struct journal_tx *tx, uint32_t ino, const struct inode_attr *attr)
{
	_Atomic uint64_t *at = &fs->inodes[ino].crc;
	uint64_t words[INODE_WORDS];

	inode_words(attr, words);
	for (unsigned i = 1; i < INODE_WORDS; i++)
		set_word(fs, tx, &at[i], words[i]);
	set_word(fs, tx, &at[0], words[0]);
}

/* ---- numbers --------------------------------------------------------------------------------------- */

int inner_fill_states(struct fs *fs, uint32_t from, uint32_t to)
{
	int rc = rt_fill(fs->rt, &fs->states[from], (to - from) * sizeof *fs->states);

	for (uint32_t ino = from; ino < to && rc == 0; ino++)
		rt_lock_init(&fs->states[ino].lock, RT_LOCK_INODE, ino);
	return rc;
}

/* More numbers come into use. Killed in between, it is done again: nobody uses their states yet. */
static int raise_high(struct fs *fs, struct rt_self *me)
{
	uint32_t high = fs_inodes_high(fs),
		 next = (uint32_t)MIN((uint64_t)high + FS_CHUNK, fs->super.inodes);
	struct journal_tx tx;
	int rc = high == next ? err(PF_ENOINODES, "%u", high - 1)
			      : inner_fill_states(fs, high, next);

	if (rc < 0)
		return rc;
	journal_begin(&tx, me);
	journal_word(&fs->journal, &tx, &fs->counters->inodes_high, number32(next));
	journal_commit(&fs->journal, &tx);
	return 0;
}

static bool is_free(struct fs *fs, uint32_t ino)
{
	return (load_acquire(&fs->inodes[ino].state) & 0xff) == INODE_FREE;
}

/* In [from, to): the bit says it may be free, the record decides. */
static uint32_t find_free(struct fs *fs, uint32_t from, uint32_t to)
{
	while (from < to) {
		uint64_t rest = ~load_relaxed(&inner_inode_bits(fs)[from / 64]) >> from % 64;

		if (!rest) {
			from = (from / 64 + 1) * 64;
			continue;
		}
		from += (unsigned)__builtin_ctzll(rest);
		if (from < to && is_free(fs, from))
			return from;
		from++;
	}
	return 0;
}

static uint64_t used_numbers(struct fs *fs)
{
	uint64_t used = 0;

	for (uint64_t i = 0; i < div_up(fs_inodes_high(fs), 64); i++)
		used += (unsigned)__builtin_popcountll(load_relaxed(&inner_inode_bits(fs)[i]));
	return used;
}

uint64_t fs_inodes_free(struct fs *fs)
{
	return fs->super.inodes - used_numbers(fs);
}

/* The cursor is at the end: new numbers if more than half of the old ones are in use, else round to the first. */
static int64_t wrap(struct fs *fs, struct rt_self *me)
{
	uint32_t high = fs_inodes_high(fs), ino = 0;
	bool more = high < fs->super.inodes;
	int rc;

	if (!more || used_numbers(fs) <= high / 2)
		ino = find_free(fs, 1, high);
	if (ino || !more)
		return ino ? (int64_t)ino
			   : err(PF_ENOINODES, "%lu", (unsigned long)fs->super.inodes - 1);
	rc = raise_high(fs, me);
	if (rc == 0)
		return high;
	ino = find_free(fs, 1, high);
	return ino ? (int64_t)ino : rc;
}

/* Round and round, so that a number is not used again soon and its old name can still be told. */
static int64_t pick_number(struct fs *fs, struct rt_self *me)
{
	uint32_t cursor = (uint32_t)load_relaxed(&fs->shared->inode_cursor);
	int64_t ino = find_free(fs, cursor, fs_inodes_high(fs));

	if (!ino)
		ino = wrap(fs, me);
	if (ino > 0)
		store_relaxed(&fs->shared->inode_cursor, (uint64_t)ino + 1);
	return ino;
}

/* A creator died: a record that has a name may lack its bit. Only those: they keep their name while we have the lock. The bit of one that
 * is being evicted is cleared by who evicts it, before its record is free, and must not come back. */
void fs_names_repair(struct fs *fs, struct rt_self *me)
{
	(void)me;
	for (uint32_t ino = 1; ino < fs_inodes_high(fs); ino++)
		if ((load_acquire(&fs->inodes[ino].state) & 0xff) == INODE_NAMED)
			inner_set_bit(inner_inode_bits(fs), ino);
	store_release(&fs->shared->names_sequence,
		      align_up(load_relaxed(&fs->shared->names_sequence), 2));
}

/* ---- names ----------------------------------------------------------------------------------------- */

int fs_name_check(const char *name)
{
	size_t length = name ? strnlen(name, PF_NAME_MAX + 1) : 0;

	if (!length || length > PF_NAME_MAX || strchr(name, '/') || !strcmp(name, ".") ||
	    !strcmp(name, ".."))
		return err(PF_ENAME, "%.64s", name ? name : "(null)");
	return (int)length;
}

static _Atomic uint64_t *bucket_of(struct fs *fs, const char *name, size_t length)
{
	return &fs->names[name_hash(name, length) & (fs->super.names - 1)];
}

/* Without its lock: only a candidate. */
static bool name_is(struct fs *fs, uint32_t ino, const char *name, size_t length)
{
	struct inode_format *inode = &fs->inodes[ino];
	uint64_t words[32];

	if ((load_acquire(&inode->state) & 0xff) != INODE_NAMED ||
	    load_acquire(&inode->gid_name) >> 32 != length)
		return false;
	for (unsigned i = 0; i < 32; i++)
		words[i] = load_acquire(&inode->name[i]);
	return !memcmp(words, name, length);
}

uint32_t fs_lookup(struct fs *fs, const char *name, bool *sure)
{
	uint64_t sequence = load_acquire(&fs->shared->names_sequence);
	size_t length = strlen(name);
	_Atomic uint64_t *link = bucket_of(fs, name, length);
	uint32_t high = fs_inodes_high(fs), ino;

	for (uint32_t n = 0;
	     n < high && number32_read(load_acquire(link), &ino) && ino && ino < high; n++) {
		if (name_is(fs, ino, name, length)) {
			*sure = true;
			return ino;
		}
		link = &fs->inodes[ino].next;
	}
	/* All loads above are acquire loads. Pairs with begin_change(): who read a word stored after it sees the sequence odd, or a later one. */
	*sure = !(sequence & 1) && load_relaxed(&fs->shared->names_sequence) == sequence;
	return 0;
}

/* Chains change between these two; lookups that find nothing meanwhile are not sure. */
static void begin_change(struct fs *fs)
{
	/* An atomic or with acquire: no store of the chains comes before it. */
	atomic_fetch_or_explicit(&fs->shared->names_sequence, 1, memory_order_acq_rel);
}

static void end_change(struct fs *fs)
{
	store_release(&fs->shared->names_sequence,
		      align_up(load_relaxed(&fs->shared->names_sequence), 2));
}

static void chain_add(struct fs *fs, struct journal_tx *tx, uint32_t ino, const char *name)
{
	_Atomic uint64_t *bucket = bucket_of(fs, name, strlen(name));

	set_word(fs, tx, &fs->inodes[ino].next, journal_load(&fs->journal, tx, bucket));
	set_word(fs, tx, bucket, number32(ino));
}

static void chain_remove(struct fs *fs, struct journal_tx *tx, uint32_t ino,
			 const struct inode_attr *attr)
{
	_Atomic uint64_t *link = bucket_of(fs, attr->name, attr->name_length);
	uint32_t next;

	for (uint32_t n = 0; n < fs->super.inodes; n++) {
		if (!number32_read(journal_load(&fs->journal, tx, link), &next) || !next)
			return;
		if (next == ino) {
			set_word(fs, tx, link,
				 journal_load(&fs->journal, tx, &fs->inodes[ino].next));
			return;
		}
		link = &fs->inodes[next].next;
	}
}

static void new_attr(struct fs *fs, uint32_t ino, const char *name, uint32_t mode, uint32_t uid,
		     uint32_t gid, struct inode_attr *attr)
{
	*attr = (struct inode_attr){.state = INODE_NAMED,
				    .generation = fs_generation(fs, ino) + 1,
				    .mode = mode,
				    .uid = uid,
				    .gid = gid,
				    .name_length = (unsigned)strlen(name)};
	memcpy(attr->name, name, attr->name_length);
	attr->mtime = attr->ctime = attr->btime = clock_now();
}

/* A free record under its lock. Whoever freed it may have died with the transaction half applied: settling that later would write the old record over
 * the new one. Such a number is passed over; the lock says so, or the word that a repair is still to be done. */
static bool lock_free(struct fs *fs, struct rt_self *me, uint32_t ino)
{
	struct fs_inode *state = fs_state(fs, ino);
	int rc = rt_trylock(me, &state->lock);

	if (rc < 0)
		return false;
	if (rc == RT_LOCK_REPAIR)
		store_release(&state->unsettled, 1);
	if (!load_relaxed(&state->unsettled) && is_free(fs, ino))
		return true;
	rt_unlock(me, &state->lock);
	return false;
}

static int64_t pick_locked(struct fs *fs, struct rt_self *me)
{
	for (unsigned tries = 0; tries < NUMBERS_TRIED; tries++) {
		int64_t ino = pick_number(fs, me);

		if (ino < 0 || lock_free(fs, me, (uint32_t)ino))
			return ino;
	}
	return -PF_EAGAIN;
}

int64_t fs_create(struct fs *fs, struct rt_self *me, const char *name, uint32_t mode, uint32_t uid,
		  uint32_t gid)
{
	int64_t ino = pick_locked(fs, me);
	struct inode_attr attr;
	struct journal_tx tx;

	if (ino < 0)
		return ino;
	new_attr(fs, (uint32_t)ino, name, mode, uid, gid, &attr);
	store_relaxed(&fs_state(fs, (uint32_t)ino)->opens, 0);
	begin_change(fs);
	journal_begin(&tx, me);
	fs_attr_set(fs, &tx, (uint32_t)ino, &attr);
	chain_add(fs, &tx, (uint32_t)ino, name);
	journal_commit(&fs->journal, &tx);
	step("fs: created");
	inner_set_bit(inner_inode_bits(fs), (uint64_t)ino);
	end_change(fs);
	rt_unlock(me, &fs_state(fs, (uint32_t)ino)->lock);
	return ino;
}

static void add_unlink(struct fs *fs, struct journal_tx *tx, uint32_t ino)
{
	struct inode_attr attr;

	if (fs_attr(fs, ino, &attr) < 0)
		return;
	chain_remove(fs, tx, ino, &attr);
	attr.state = INODE_UNNAMED;
	attr.ctime = clock_now();
	fs_attr_set(fs, tx, ino, &attr);
}

void fs_unlink(struct fs *fs, struct rt_self *me, uint32_t ino)
{
	struct journal_tx tx;

	begin_change(fs);
	journal_begin(&tx, me);
	add_unlink(fs, &tx, ino);
	journal_commit(&fs->journal, &tx);
	step("fs: unlinked");
	end_change(fs);
}

void fs_rename(struct fs *fs, struct rt_self *me, uint32_t ino, const char *to, uint32_t replaced)
{
	struct inode_attr attr;
	struct journal_tx tx;

	if (fs_attr(fs, ino, &attr) < 0)
		return;
	begin_change(fs);
	journal_begin(&tx, me);
	if (replaced)
		add_unlink(fs, &tx, replaced);
	chain_remove(fs, &tx, ino, &attr);
	attr.name_length = (unsigned)strlen(to);
	memset(attr.name, 0, sizeof attr.name);
	memcpy(attr.name, to, attr.name_length);
	attr.ctime = clock_now();
	fs_attr_set(fs, &tx, ino, &attr);
	chain_add(fs, &tx, ino, to);
	journal_commit(&fs->journal, &tx);
	step("fs: renamed");
	end_change(fs);
}

int fs_list(struct fs *fs, int (*each)(void *arg, uint32_t ino, const struct inode_attr *attr),
	    void *arg)
{
	int rc = 0;

	for (uint32_t ino = 1; ino < fs_inodes_high(fs) && rc == 0; ino++) {
		struct inode_attr attr;

		if ((load_acquire(&fs->inodes[ino].state) & 0xff) != INODE_NAMED)
			continue;
		if (fs_attr(fs, ino, &attr) < 0)
			rc = each(arg, ino, NULL);
		else if (attr.state == INODE_NAMED)
			rc = each(arg, ino, &attr);
	}
	return rc;
}
