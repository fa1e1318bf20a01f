/*
 * Metadata: superblock, inodes, names, the map from a file's page index to pfn. It changes by transactions
 * only; what is needed beside the media (locks, open counts, which nodes are in use) is in the runtime and is
 * rebuilt from the media when the pool is opened.
 *
 * Locks are taken by the callers (layout, file): "inode" is fs_inode.lock, of a directory for what is in it. "names" is fs->shared->names: who has it may move
 * a directory to another parent. Readers of the map, of attributes and of names take none.
 */
#ifndef FS_FS_H
#define FS_FS_H

#include "base/check.h"
#include "dev/media.h"
#include "format/dir_format.h"
#include "format/super_format.h"
#include "journal/journal.h"
#include "runtime/lock.h"

/* Beside an inode, in region RT_INODES, filled in chunks as numbers are used. Letters as in runtime/types.h;
 * [i] under the inode's lock. */
struct fs_inode {
	struct rt_lock lock;
	_Atomic uint64_t opens;       /* [i] handle records of all slots that name it */
	_Atomic uint64_t layout;      /* [i] + 1 whenever pages have left it; read without lock */
	_Atomic uint64_t range_owner; /* [i] who has locked entries (WAIT, TRY); 0: nobody */
	_Atomic uint64_t range_first, range_last; /* [i] page indexes, stored before range_owner */
	_Atomic uint64_t unsettled; /* [i] what a dead owner left is still to be repaired */
	_Atomic uint64_t
		sequence; /* [i] of a directory: odd while it changes; its low half is a futex */
	_Atomic uint32_t watched; /* [s] 1: somebody sleeps until the sequence changes, or did */
	_Atomic uint32_t
		windows; /* [s] changes with each window of it that begins; 0: it has none */
	_Atomic uint64_t
		flocks; /* [s] the low half, a futex, counts file locks that ended; see file/flock.c */
};

/* Start of region RT_NODES; the node and inode bitmaps follow. */
struct fs_shared {
	struct journal_lanes lanes;
	struct rt_lock names; /* a directory moves to another parent */
	struct rt_lock meta;  /* the node bitmap; how many inodes are in use */
	_Atomic uint64_t
		names_unsettled; /* under names; what a dead owner left is still to be repaired */
	_Atomic uint64_t
		inode_cursor; /* the next inodes to look at for free ones, a group at a time */
	_Atomic uint64_t nodes_free; /* under meta; counted again by repairs */
	_Atomic uint64_t
		leftovers; /* counts unnamed files that nobody has open and that are still there: see fs_next_unfinished() */
	_Atomic uint64_t node_cursor; /* under meta; where to look for a free node first */
};

/* What fs_build() saw that is still to be done. */
struct fs_left {
	bool unfinished; /* fs_next_unfinished() finds something */
	bool past_end;   /* a file has pages past its end */
};

struct fs {
	struct dev *dev;
	struct rt *rt;
	struct super_format super;
	uint8_t *meta;               /* media bytes [0, data_offset) in this process */
	struct inode_format *inodes; /* the table */
	uint8_t *nodes;
	struct counters_format *counters;
	struct journal journal;
	struct fs_shared *shared;
	struct fs_inode *states; /* region RT_INODES */
	_Atomic uint32_t cursor; /* this process's: the next inode to look at, of 64 */
	struct fs_left left;     /* of the process that built the runtime */
};

/* ---- making, opening ----------------------------------------------------------------------------- */

/* Writes a new file system to the first bytes of `dev`, which reads as zeros there; `meta` is its metadata zone,
 * mapped writable. `super` comes from super_layout(). The root directory belongs to uid and gid. The superblock is written last. */
void fs_mkfs(struct dev *dev, void *meta, struct super_format *super, uint32_t uid, uint32_t gid);
/* Adds what fs needs to the regions of a plan (RT_INODES, RT_NODES). */
void fs_plan(const struct super_format *super, struct rt_plan *plan);
/* Fills in `fs` for this process; rt is attached, or being built. */
void fs_open(struct fs *fs, struct dev *dev, struct rt *rt, void *meta,
	     const struct super_format *super);
/* Builds the runtime's part: replays the journal, checks every inode, name, node and entry once, finds which nodes
 * are used (what a kill left half done stays for the caller, see fs_next_unfinished), and calls `used` for each run of pages a file has: contiguous in file and memory, order is the entries' hint.
 * -PF_ECORRUPT with the place, or what `used` returned. */
int fs_build(struct fs *fs, struct rt_self *me,
	     int (*used)(void *arg, uint64_t pfn, uint64_t pages, unsigned order, uint32_t ino,
			 uint32_t igen, uint64_t index),
	     void *arg);
/* The next inode at or after *ino that is UNNAMED, EVICTING or SHRINKING: what a kill or power cut left; 0: none. */
uint32_t fs_next_unfinished(struct fs *fs, uint32_t ino);

static inline struct fs_inode *fs_state(struct fs *fs, uint32_t ino)
{
	return &fs->states[ino];
}

/* Numbers below this were ever used (their fs_inode is filled). */
uint32_t fs_inodes_high(struct fs *fs);
uint64_t fs_inodes_free(struct fs *fs);

/* ---- attributes ---------------------------------------------------------------------------------- */

/* Without a lock. -PF_ECORRUPT, also while a transaction of a dead process is half applied: who takes the inode's lock settles it. */
int fs_attr(struct fs *fs, uint32_t ino, struct inode_attr *attr);
/* One word of the attributes, without a lock and without checking the rest. */
uint64_t fs_size(struct fs *fs, uint32_t ino);
uint32_t fs_generation(struct fs *fs, uint32_t ino);
/* The alignment of a device, in bytes: inode_device_align(). 0: any other inode. Once it is a device, it is one until it is removed. */
uint64_t fs_device(struct fs *fs, uint32_t ino);
/* It has a name, and nothing of it is unfinished: what nearly all inodes are nearly always. */
static inline bool fs_is_settled(struct fs *fs, uint32_t ino)
{
	uint64_t state = load_acquire(&fs->inodes[ino].state);

	return (state & 0xff) == INODE_NAMED && !(state >> 8 & INODE_BUSY);
}

/* The type in its mode: S_IFREG, S_IFDIR, S_IFLNK, or 0. */
uint32_t fs_type(struct fs *fs, uint32_t ino);
bool fs_is_file(struct fs *fs, uint32_t ino);
bool fs_is_directory(struct fs *fs, uint32_t ino);
/* The directory in which it was named last; of a directory, its parent. 0: not known. */
uint32_t fs_parent(struct fs *fs, uint32_t ino);
/* Each word as it is at some moment. */
void fs_owner(struct fs *fs, uint32_t ino, uint32_t *mode, uint32_t *uid, uint32_t *gid);
static inline void fs_times(struct fs *fs, uint32_t ino, uint64_t *atime, uint64_t *mtime,
			    uint64_t *ctime)
{
	*atime = load_acquire(&fs->inodes[ino].atime);
	*mtime = load_acquire(&fs->inodes[ino].mtime);
	*ctime = load_acquire(&fs->inodes[ino].ctime);
}
/* Adds the changed attributes to a transaction, once for each inode. Inode lock. */
void fs_attr_set(struct fs *fs, struct journal_tx *tx, uint32_t ino, const struct inode_attr *attr);

/* Handle records that name this inode, of every process that is alive or not yet reaped. */
uint64_t fs_count_opens(struct fs *fs, uint32_t ino);

struct xattr_page;
/* The extended attributes, as they were at some moment. No lock: -PF_EAGAIN and -PF_ECORRUPT may mean that they were changing. */
int fs_xattr_read(struct fs *fs, uint32_t ino, struct xattr_page *page);
/* They become what the page says: one transaction, with ctime. reserve: from the nodes that removals may take. Inode lock. -PF_ENOMETA, errors of rt_lock(). */
int fs_xattr_write(struct fs *fs, struct rt_self *me, uint32_t ino, struct xattr_page *page,
		   bool reserve);

/* ---- inode numbers ------------------------------------------------------------------------------- */

/* A number that seems to be free; who gets its lock looks again with fs_is_free(). -PF_ENOINODES, -PF_ERUNSPACE, errors of rt_lock(). */
int64_t fs_pick(struct fs *fs, struct rt_self *me);
bool fs_is_free(struct fs *fs, uint32_t ino);
/* After its record has changed hands in a transaction: what is kept beside it says so too. May be repeated. Inode lock. */
void fs_note_use(struct fs *fs, uint32_t ino);

/* ---- directories --------------------------------------------------------------------------------- */

/* Where an entry is, and what it says. Good while the directory's lock is held and fs_dir_room() is not called. */
struct fs_place {
	uint64_t node;
	unsigned granule;
	struct dir_name name;
};

/* The inode that has this name in `dir`, or 0, and its generation. No lock: *sure tells whether "0" can be trusted; if not, ask again under the lock. A found inode
 * had this name at some moment during the call. `length`: 1 to PF_NAME_MAX. */
uint32_t fs_dir_lookup(struct fs *fs, uint32_t dir, const char *name, size_t length, uint32_t *igen,
		       bool *sure);
/* The same with the directory's lock. */
bool fs_dir_find(struct fs *fs, uint32_t dir, const char *name, size_t length,
		 struct fs_place *place);
/* Room for one more entry with this name, in transactions of their own. Directory's lock. -PF_ENOMETA, errors of rt_lock(). */
int fs_dir_room(struct fs *fs, struct rt_self *me, uint32_t dir, const char *name, size_t length);
/* Adds an entry to `tx`, after fs_dir_room(); gives it its key. -PF_ENOMETA. */
int fs_dir_add(struct fs *fs, struct journal_tx *tx, uint32_t dir, struct dir_name *name);
void fs_dir_remove(struct fs *fs, struct journal_tx *tx, const struct fs_place *place);
/* The name leads to another inode. */
void fs_dir_set(struct fs *fs, struct journal_tx *tx, const struct fs_place *place, uint32_t ino,
		uint32_t igen, uint32_t type);
/* Around a transaction that changes entries: lookups without a lock look again. */
void fs_dir_begin(struct fs *fs, uint32_t dir);
/* Whether the directory's names are others than at `seen`, a sequence; if not, sleeps at most `ms` until they are, or a signal comes, and looks again. *now: the
 * sequence; odd, and the result false, while it changes. No lock. */
bool fs_dir_watch(struct fs *fs, uint32_t dir, uint64_t seen, unsigned ms, uint64_t *now);
void fs_dir_end(struct fs *fs, uint32_t dir);
/* Entries with keys >= `key` that are in one bucket, in order of their keys: returns how many (FS_DIR_READ at most), and in *next the first key that is not looked at yet;
 * 1 << DIR_KEY_BITS: that was all. No lock; *sure false: the directory was changing, ask again, or under its lock. */
#define FS_DIR_READ (DIR_GRANULES - DIR_FIRST)
unsigned fs_dir_read(struct fs *fs, uint32_t dir, uint64_t key, struct dir_name *names,
		     uint64_t *next, bool *sure);

/* ---- names --------------------------------------------------------------------------------------- */

/* Each is one transaction, after what makes room for it. The caller has the locks of all inodes that are named, has looked that they are what they are taken for, and calls
 * fs_note_use() for a new inode. Errors: -PF_ENOMETA, -PF_ECORRUPT, -EMLINK, errors of rt_lock(); nothing has changed then. */

/* What is to be made: a free inode. */
struct fs_new {
	uint32_t ino, dir; /* dir 0: it gets no name */
	const char *name;
	size_t length;
	uint32_t mode, uid, gid; /* mode with its type */
	const char *target;      /* of a symbolic link, with NUL */
};
int fs_make(struct fs *fs, struct rt_self *me, const struct fs_new *new);
/* Another name for `ino`, which may have none. replaced: what has the name now and loses it, or 0. */
int fs_link(struct fs *fs, struct rt_self *me, uint32_t dir, const char *name, size_t length,
	    uint32_t ino, uint32_t replaced);
/* Takes a name away; an inode without names is UNNAMED. */
int fs_unlink(struct fs *fs, struct rt_self *me, uint32_t dir, const struct fs_place *place);
struct fs_rename {
	uint32_t from_dir, to_dir;
	const char *from, *to; /* names */
	size_t from_length, to_length;
	bool exchange;
};
/* `to` loses its name if it is there. */
int fs_rename(struct fs *fs, struct rt_self *me, const struct fs_rename *r);
/* What a symbolic link says: its length, `target` has room for PF_PATH_MAX + 1 bytes. No lock; -PF_EAGAIN: it was changing or has gone; -PF_ECORRUPT. */
int fs_link_read(struct fs *fs, uint32_t ino, char *target);

/* The path of an inode by the name that it was given last, also one that it has lost since, without the first '/'. False: it is not known. No lock; what changes
 * meanwhile may give a path that never was. size: at least 2. */
bool fs_path(struct fs *fs, uint32_t ino, uint32_t igen, char *buffer, size_t size);

/* ---- the map ------------------------------------------------------------------------------------- */

/* The entry that maps page `index`: a leaf, written or not, or 0. No lock; acquire. For an order-9 leaf of a level-1 node, *pfn is the page
 * at `index` itself, not the block's first.
 * Entries were checked when the pool was opened (fs_build) and are trusted from then on. The order of an
 * entry of a level-0 node is at most 8: order 9 means a leaf of level 1. */
entry_t fs_entry(struct fs *fs, uint32_t ino, uint64_t index, uint64_t *pfn);
/* The first index >= `index` and < `end` that has an entry; `end` if none. Skips empty nodes. No lock. */
uint64_t fs_next_entry(struct fs *fs, uint32_t ino, uint64_t index, uint64_t end);
/* The first index >= `index` and < `end` whose page was written: has a LEAF entry; `end` if none. No lock. */
uint64_t fs_next_data(struct fs *fs, uint32_t ino, uint64_t index, uint64_t end);
/* The first index >= `index` and < `end` that has none or an UNWRITTEN one; `end` if none. No lock. */
uint64_t fs_next_blank(struct fs *fs, uint32_t ino, uint64_t index, uint64_t end);
/* How many pages from `index` on, at most `max`, have no entry. */
uint64_t fs_hole(struct fs *fs, uint32_t ino, uint64_t index, uint64_t max);
/* The first index >= `index` and < `end` that has no entry; `end` if none. No lock. */
uint64_t fs_next_hole(struct fs *fs, uint32_t ino, uint64_t index, uint64_t end);
/* Pages in the file. No lock. */
uint64_t fs_pages(struct fs *fs, uint32_t ino);

/* Adds a folio's entries, LEAF or UNWRITTEN, to `tx`: pages [index, + 2^order) map pfn...; both aligned to 2^order if order is 9. Makes the nodes that
 * are missing (each in a transaction of its own, empty nodes do no harm). The range has no entries. Inode lock. One
 * call per transaction: nodes are made beside it.
 * -PF_ENOMETA. An order-9 folio at a block-aligned index is one leaf if no level-0 node stands there. */
int fs_entry_add(struct fs *fs, struct journal_tx *tx, uint32_t ino, uint64_t index, unsigned order,
		 enum entry_kind kind, uint64_t pfn);
/* Adds to `tx` that UNWRITTEN entries from `index` on become leaves: of at most `pages` pages, in one node or in the inode; an order-9 one
 * whole. Returns how many entries. Inode lock. */
uint64_t fs_entry_written(struct fs *fs, struct journal_tx *tx, uint32_t ino, uint64_t index,
			  uint64_t pages);
/* The file has pages, all of them named in the inode. */
bool fs_is_inline(struct fs *fs, uint32_t ino);
/* Adds to `tx` that such a file has an order-9 folio, LEAF at page 0, instead: a root over the inline entries, which are then to be removed one by
 * one. -PF_ENOMETA. Inode lock; fs_node_linked() after the commit. */
int fs_entry_move(struct fs *fs, struct journal_tx *tx, uint32_t ino, uint64_t pfn);
/* What such a move has left: an inline entry under a root. The inode's `unsettled` is set then, and who locks it removes them. */
bool fs_inline_left(struct fs *fs, uint32_t ino, uint64_t *index, uint64_t *pfn);
void fs_inline_remove(struct fs *fs, struct journal_tx *tx, uint32_t ino, uint64_t index,
		      uint64_t pages);
/* An entry of the file maps page `index` to `pfn`, also one that a move has left. */
bool fs_has_page(struct fs *fs, uint32_t ino, uint64_t index, uint64_t pfn);
/* Adds the removal of pages [index, + pages) to `tx`, all entries of one folio. A part of an order-9 leaf: makes a level-0 node
 * with what stays, which may take from the reserve that other operations leave. Inode lock. -PF_ENOMETA. */
int fs_entry_remove(struct fs *fs, struct journal_tx *tx, uint32_t ino, uint64_t index,
		    uint64_t pages);
/* Adds to `tx` that entries of pages [index, + pages), which are in one node or in the inode and none of order 9, lead to pfn...; else they stay as they are. Inode lock. */
void fs_entry_replace(struct fs *fs, struct journal_tx *tx, uint32_t ino, uint64_t index,
		      uint64_t pages, uint64_t pfn);
/* The largest order of a folio that may be added at a block-aligned index: 8 where a level-0 node stands already. */
unsigned fs_order_limit(struct fs *fs, uint32_t ino, uint64_t index);
/* The transaction that fs_entry_remove() made has been committed: a node that it took is part of the map. */
void fs_node_linked(struct rt_self *me);
/* Frees the node of the block that page `index` is in, if no page of the block is in the file. Inode lock. Errors of rt_lock(). */
int fs_prune(struct fs *fs, struct rt_self *me, uint32_t ino, uint64_t index);
/* Frees the nodes of a file that has no leaves. Inode lock. Errors of rt_lock(). */
int fs_map_free(struct fs *fs, struct rt_self *me, uint32_t ino);
/* Frees all nodes of an EVICTING inode that has no leaves left, then the inode itself (state FREE). Killed in
 * between, it is done again. Inode lock; a word of the inode bitmap changes by an atomic and. Errors: of
 * rt_lock(), -PF_ECORRUPT; what has not been freed then stays for another call. */
int fs_evict(struct fs *fs, struct rt_self *me, uint32_t ino);
/* Settles a dead row's node record: a node that no map refers to is given back. Under the lock of record.ino.
 * Errors of rt_lock(), and the record stays. */
int fs_node_resolve(struct fs *fs, struct rt_self *me, struct rt_row *row);

/* ---- checking ------------------------------------------------------------------------------------ */

/* Media only: superblocks, use record, counters, lanes, inodes, directories and their names, links, attributes, maps, pages in two places. `base` is the whole image or its first
 * `length` bytes, mapped for reading. Changes nothing; ends on every input. */
void fs_check_media(const void *base, uint64_t length, struct report *report);
/* The runtime's part against the media, at rest for what is locked: node bitmap, inode bitmap, open counts (against handle records); and the names that inodes
 * should have against those in directories, which are all below the root. */
void fs_check_runtime(struct fs *fs, struct rt_self *me, struct report *report);
/* An inode without name that nobody has open, and of which nobody knows that it is still to go. Takes its lock; whoever takes it to change the inode makes it go. */
void fs_check_left(struct fs *fs, struct rt_self *me, uint32_t ino, struct report *report);

#endif
