/* Between the files of fs/ only. */
#ifndef FS_INNER_H
#define FS_INNER_H

#include "fs/fs.h"

#define FS_CHUNK 512u /* inodes whose runtime states get memory at once */

/* Where the bitmaps are, behind fs_shared. */
static inline _Atomic uint64_t *inner_node_bits(struct fs *fs)
{
	return (_Atomic uint64_t *)((uint8_t *)fs->shared + align_up(sizeof *fs->shared, 64));
}

static inline _Atomic uint64_t *inner_inode_bits(struct fs *fs)
{
	return inner_node_bits(fs) + div_up(fs->super.nodes, 64);
}

static inline bool inner_bit(const _Atomic uint64_t *bits, uint64_t n)
{
	return load_relaxed(&bits[n / 64]) >> n % 64 & 1;
}

static inline void inner_set_bit(_Atomic uint64_t *bits, uint64_t n)
{
	atomic_fetch_or_explicit(&bits[n / 64], 1ull << n % 64, memory_order_acq_rel);
}

static inline void inner_clear_bit(_Atomic uint64_t *bits, uint64_t n)
{
	atomic_fetch_and_explicit(&bits[n / 64], ~(1ull << n % 64), memory_order_acq_rel);
}

static inline _Atomic uint64_t *inner_node(struct fs *fs, uint64_t node)
{
	return (_Atomic uint64_t *)(fs->nodes + node * PAGE_BYTES);
}

/* Pages that one entry of a node of this level maps: 512^level. */
static inline uint64_t inner_span(unsigned level)
{
	return 1ull << 9 * level;
}

static inline unsigned inner_slot(uint64_t index, unsigned level)
{
	return index >> 9 * level & (NODE_ENTRIES - 1);
}

/* inode.c: gives the states of [from, to) memory and initialises their locks. */
int inner_fill_states(struct fs *fs, uint32_t from, uint32_t to);

/* names.c: the root directory of a new file system. */
void inner_make_root(struct dev *dev, struct inode_format *inodes, uint32_t uid, uint32_t gid);

/* inode.c: what a record says that is free, and remembers for whoever asks what it was. */
void inner_attr_free(struct inode_attr *attr);

/* node.c */
/* The node bitmap's lock, repaired if its owner died: 0, or an error of rt_lock(). */
int inner_lock_meta(struct fs *fs, struct rt_self *me);
/* A free node, zeroed, named by the row's node record as being for (ino, first index, level). The reserve is for removals. -PF_ENOMETA. */
int64_t inner_node_take(struct fs *fs, struct rt_self *me, uint32_t ino, uint64_t index,
			unsigned level, bool reserve);
/* The node at *entry, which maps from `index` on: unlinked in a transaction, then given back. Or an error of rt_lock(). */
int inner_node_free(struct fs *fs, struct rt_self *me, uint32_t ino, uint64_t index,
		    _Atomic uint64_t *entry);

/* The same with a transaction that takes away whatever names it. */
int inner_node_release(struct fs *fs, struct rt_self *me, uint32_t ino, uint64_t index,
		       unsigned level, uint64_t node, struct journal_tx *tx);

/* A free node that is to take the place of `old` (0: of none), named by the record together with it; not zeroed. The meta lock is held until
 * inner_node_replaced(), which commits the transaction that names the new node instead of the old one, and gives the old one back. Only for index XATTR_INDEX. -PF_ENOMETA, errors of
 * rt_lock(): then nothing is held. */
int64_t inner_node_replace(struct fs *fs, struct rt_self *me, uint32_t ino, uint64_t index,
			   uint64_t old, bool reserve);
void inner_node_replaced(struct fs *fs, struct rt_self *me, struct journal_tx *tx);

/* dir.c */
/* Gives all nodes of an EVICTING directory back. Inode lock. */
int inner_dir_free(struct fs *fs, struct rt_self *me, uint32_t dir);
/* The trie of a directory refers to `node` on the way to `key`. Inode lock. */
bool inner_dir_refers(struct fs *fs, uint32_t dir, uint64_t key, uint64_t node);

/* The entry with this key that leads to this inode, or led there and has not been written over. No lock. */
bool inner_dir_name(struct fs *fs, uint32_t dir, uint64_t key, uint32_t ino, uint32_t igen,
		    struct dir_name *name);

/* link.c */
/* Adds what a new symbolic link says to a transaction, and sets attr->size and link_crc. -PF_ENOMETA, errors of rt_lock(). */
int inner_link_write(struct fs *fs, struct journal_tx *tx, uint32_t ino, struct inode_attr *attr,
		     const char *target);
/* That transaction was committed (rc 0), or given up: then the node goes back. */
void inner_link_done(struct fs *fs, struct rt_self *me, int rc);
/* Of an EVICTING link: its node. */
int inner_link_free(struct fs *fs, struct rt_self *me, uint32_t ino);

/* xattr.c: the node of an EVICTING inode. */
int inner_xattr_free(struct fs *fs, struct rt_self *me, uint32_t ino);

/* map.c: the entry that is the table of `level` for page `index`, or the one on the way to it where the way ends. */
_Atomic uint64_t *inner_table_entry(struct fs *fs, uint32_t ino, uint64_t index, unsigned level);

/* A word that a committed transaction has not stored yet. */
struct walk_late {
	uint64_t offset, value, order;
};

/* What is known of an inode, in few bytes: names lead to inodes in no order. */
struct walk_known {
	uint32_t generation, nlink;
	uint32_t names; /* that lead to it, as directories say */
	uint8_t state;  /* enum inode_state, or WALK_DAMAGED */
	uint8_t type;   /* S_IFMT of its mode, >> 12 */
	uint8_t way;    /* of a directory, at the end: whether it is below the root */
	uint8_t unused;
};
#define WALK_DAMAGED 0xffu

/* walk.c: looks at every record of the media once: inodes and what they have in order of their numbers, then directories. */
struct walk {
	const struct super_format *super;
	const uint8_t *meta;
	struct report *report;
	uint32_t high;          /* of the counters */
	uint32_t at;            /* the inode that is looked at */
	struct walk_late *late; /* sorted by offset, each once; freed at the end */
	size_t late_count;
	uint64_t *nodes_seen, *pages_seen; /* bitmaps */
	struct walk_known *known;          /* of each inode */
	bool unfinished, past_end;         /* there are such: see fs.h */
	bool moved; /* a file has a tree, and inline entries that were moved into it */
	int (*used)(void *arg, uint64_t pfn, uint64_t pages, unsigned order, uint32_t ino,
		    uint32_t igen, uint64_t index);
	void *arg;
	int rc; /* of `used` */
};
int inner_walk_begin(struct walk *w);
void inner_walk(struct walk *w);
void inner_walk_end(struct walk *w);
/* A word, a page as they will be when committed transactions have been replayed; the page perhaps in `copy`. */
uint64_t inner_walk_late(const struct walk *w, const _Atomic uint64_t *at);
static inline uint64_t inner_walk_word(const struct walk *w, const _Atomic uint64_t *at)
{
	return likely(!w->late_count) ? load_relaxed(at) : inner_walk_late(w, at);
}
const void *inner_walk_page(const struct walk *w, uint64_t node, void *copy);
int inner_walk_read(const struct walk *w, uint32_t ino, struct inode_attr *attr);
const struct inode_format *inner_walk_inode(const struct walk *w, uint32_t ino);
/* The node is one, and nothing else named it before; reports otherwise, for the inode. */
bool inner_walk_node(struct walk *w, uint32_t ino, uint64_t node);
/* walk_dir.c: all of a directory; and at the end, that every inode has the names it says, and every directory is below the root. */
void inner_walk_dir(struct walk *w, uint32_t ino, const struct inode_attr *attr);
void inner_walk_links(struct walk *w);

#endif
