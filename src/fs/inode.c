/* Inodes: attributes, allocation of their numbers. */
#include <sys/stat.h>

#include "base/err.h"
#include "base/step.h"
#include "fs/inner.h"

#define GROUP 512u /* inodes whose bits are a cache line */

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

uint64_t fs_device(struct fs *fs, uint32_t ino)
{
	return inode_device_align((uint32_t)(load_acquire(&fs->inodes[ino].state) >> 8));
}

uint32_t fs_type(struct fs *fs, uint32_t ino)
{
	return load_acquire(&fs->inodes[ino].mode_uid) & S_IFMT;
}

bool fs_is_file(struct fs *fs, uint32_t ino)
{
	return fs_type(fs, ino) == S_IFREG;
}

bool fs_is_directory(struct fs *fs, uint32_t ino)
{
	return fs_type(fs, ino) == S_IFDIR;
}

uint32_t fs_parent(struct fs *fs, uint32_t ino)
{
	return (uint32_t)load_acquire(&fs->inodes[ino].parent);
}

void fs_owner(struct fs *fs, uint32_t ino, uint32_t *mode, uint32_t *uid, uint32_t *gid)
{
	uint64_t mode_uid = load_acquire(&fs->inodes[ino].mode_uid);

	*mode = (uint32_t)mode_uid;
	*uid = mode_uid >> 32;
	*gid = (uint32_t)load_acquire(&fs->inodes[ino].gid_nlink);
}

static void set_word(struct fs *fs, struct journal_tx *tx, _Atomic uint64_t *at, uint64_t value)
{
	if (load_relaxed(at) != value)
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

bool fs_is_free(struct fs *fs, uint32_t ino)
{
	return (load_acquire(&fs->inodes[ino].state) & 0xff) == INODE_FREE;
}

void fs_note_use(struct fs *fs, uint32_t ino)
{
	if (fs_is_free(fs, ino))
		inner_clear_bit(inner_inode_bits(fs), ino);
	else
		inner_set_bit(inner_inode_bits(fs), ino);
}

/* More numbers come into use. Killed in between, it is done again: nobody uses their states yet. Node lock. */
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
	store_release(&fs->shared->inode_cursor, align_down(high, 64));
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

/* How many numbers a process takes at a time: a cache line of their bits, so that several processes do not write to one, when there are enough. */
static uint32_t group_of(uint32_t high)
{
	return high < 8 * GROUP ? 64 : GROUP;
}

/* From `from` to the end of its group: the bit says it may be free, the record decides. 0: none. */
static uint32_t find_free(struct fs *fs, uint32_t from)
{
	uint32_t high = fs_inodes_high(fs), group = group_of(high);
	uint32_t end = MIN(align_down(from, group) + group, high);

	while (from < end) {
		uint64_t rest = ~load_relaxed(&inner_inode_bits(fs)[from / 64]) >> from % 64;

		if (!rest) {
			from = align_down(from, 64) + 64;
			continue;
		}
		from += (unsigned)__builtin_ctzll(rest);
		if (from < end && fs_is_free(fs, from))
			return from;
		from++;
	}
	return 0;
}

/* The end of the numbers: new ones if more than half of the old ones are in use, or all, else round to the first. */
static int wrap(struct fs *fs, struct rt_self *me, bool all_used)
{
	int rc = inner_lock_meta(fs, me);
	uint32_t high;

	if (rc < 0)
		return rc;
	high = fs_inodes_high(fs);
	if (load_relaxed(&fs->shared->inode_cursor) >= high) { /* nobody else did */
		store_release(&fs->shared->inode_cursor, 0);
		if (all_used || (high < fs->super.inodes && used_numbers(fs) > high / 2))
			rc = raise_high(fs, me);
		if (!all_used)
			rc = 0;
	}
	rt_unlock(me, &fs->shared->meta);
	return rc;
}

/* Round and round, so that a number is not used again soon; a process takes a group at a time, so that several do not meet. */
int64_t fs_pick(struct fs *fs, struct rt_self *me)
{
	uint64_t groups = 0, all = div_up(fs->super.inodes, 64) + 1;

	for (;;) {
		uint32_t ino = find_free(fs, load_relaxed(&fs->cursor)), group;
		uint64_t next;
		int rc = 0;

		group = group_of(fs_inodes_high(fs));
		if (ino) {
			store_relaxed(&fs->cursor,
				      ino % group == group - 1 ? fs->super.inodes : ino + 1);
			return ino;
		}
		next = atomic_fetch_add_explicit(&fs->shared->inode_cursor, group,
						 memory_order_acq_rel);
		if (next < fs_inodes_high(fs))
			store_relaxed(&fs->cursor, MAX((uint32_t)next, 1u));
		else
			rc = wrap(fs, me, groups > div_up(fs_inodes_high(fs), group));
		if (rc < 0)
			return rc;
		if (++groups > 2 * all)
			return err(PF_ENOINODES, "%lu", (unsigned long)fs->super.inodes - 1);
	}
}

/* ---- evicting -------------------------------------------------------------------------------------- */

static int free_nodes(struct fs *fs, struct rt_self *me, uint32_t ino,
		      const struct inode_attr *attr)
{
	uint32_t type = attr->mode & S_IFMT;
	int rc = type == S_IFDIR   ? inner_dir_free(fs, me, ino)
		 : type == S_IFLNK ? inner_link_free(fs, me, ino)
				   : fs_map_free(fs, me, ino);

	return rc == 0 && attr->xattr ? inner_xattr_free(fs, me, ino) : rc;
}

void inner_attr_free(struct inode_attr *attr)
{
	attr->state = INODE_FREE;
	attr->flags = attr->mode = attr->link_crc = 0;
	attr->size = 0;
}

static void commit_free(struct fs *fs, struct rt_self *me, uint32_t ino, struct inode_attr *attr)
{
	struct journal_tx tx;

	journal_begin(&tx, me);
	for (unsigned i = 0; i < INLINE_ENTRIES && (attr->mode & S_IFMT) == S_IFLNK; i++)
		set_word(fs, &tx, &fs->inodes[ino].inlined[i], 0);
	inner_attr_free(attr);
	fs_attr_set(fs, &tx, ino, attr);
	journal_commit(&fs->journal, &tx);
}

int fs_evict(struct fs *fs, struct rt_self *me, uint32_t ino)
{
	struct inode_attr attr;
	int rc = fs_attr(fs, ino, &attr);

	if (rc == 0)
		rc = free_nodes(fs, me, ino, &attr);
	if (rc == 0)
		rc = fs_attr(fs, ino, &attr);
	if (rc < 0)
		return rc;
	/* Whoever finds the bit clear looks at the record too, and a kill in between leaves an inode that is evicted again. */
	inner_clear_bit(inner_inode_bits(fs), ino);
	step("fs: inode bit cleared");
	commit_free(fs, me, ino, &attr);
	step("fs: evicted");
	return 0;
}
