/*
 * Which pages a file has: allocation, truncation, punching, and breaking layouts before pages leave. Everything here that
 * changes a file holds its inode lock, and whoever gets that lock from a dead owner first finishes what the dead left.
 *
 * Truncation: 1. break by policy; 2. one transaction: the new size and SHRINKING; 3. zero the tail of the last page; 4. pages leave,
 * a folio at a time: record, transaction that removes the entries, page word, record cleared; 5. SHRINKING off. Killed
 * after 2, the next locker goes on at 3. An inode without name and handles is evicted in the same way.
 */
#ifndef LAYOUT_LAYOUT_H
#define LAYOUT_LAYOUT_H

#include "mm/mm.h"

struct layout {
	struct rt *rt;
	bool readonly; /* the media is not mapped writable: what the dead left is for others to settle */
	struct fs fs;
	struct pages pages;
	struct space *_Atomic space; /* of this process: NULL before its first window */
	_Atomic uint64_t sparse;     /* block at which compaction looks next */
	_Atomic uint32_t rest;       /* whole blocks that are wanted before it is tried again */
};

/* ---- locks ------------------------------------------------------------------------------------- */

/* The inode's lock, everything a dead owner left being settled. 0, or an error of rt_lock. try: -PF_EAGAIN instead of waiting. */
int layout_lock(struct rt_self *me, struct layout *l, uint32_t ino);
int layout_trylock(struct rt_self *me, struct layout *l, uint32_t ino);
void layout_unlock(struct rt_self *me, struct layout *l, uint32_t ino);
/* The lock of an inode that is free. -PF_EAGAIN: the free numbers are what dead processes were freeing, to be reaped first; errors of fs_pick(). */
int64_t layout_lock_new(struct rt_self *me, struct layout *l);
/* Several locks, in the one order in which they may be taken: all or none. Numbers may be 0 or the same; afterwards the set has each once. */
struct layout_set {
	unsigned count;
	uint32_t ino[4];
};
int layout_lock_set(struct rt_self *me, struct layout *l, struct layout_set *set);
void layout_unlock_set(struct rt_self *me, struct layout *l, const struct layout_set *set);
/* The lock under which directories move to other parents. */
int layout_lock_names(struct rt_self *me, struct layout *l);
int layout_trylock_names(struct rt_self *me, struct layout *l);
void layout_unlock_names(struct rt_self *me, struct layout *l);

/* ---- pages into files ---------------------------------------------------------------------------- */

/* Fills new pages before they become part of the file: `bytes` at `to` are pages from `index` on, and are written back too. NULL: zeros. */
struct layout_fill {
	void (*fill)(void *arg, void *to, uint64_t index, uint64_t bytes);
	void *arg;
	bool unwritten; /* they are not filled, and say that they read as zeros */
	bool ahead; /* the file grows in order: a block of it may get a whole folio, of which only the pages asked for are filled. The others are past the end */
};

/* Every page of [index, + n) that the file lacks is allocated. Inode lock. On failure *done is the first page that is still
 * missing, and what was allocated stays. -PF_ENOSPACE, -PF_ENOMETA, errors of locks; -PF_EAGAIN: part of it is locked by WAIT. */
int layout_allocate(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t index, uint64_t n,
		    const struct layout_fill *fill, uint64_t *done);

/* Unwritten entries of pages [index, end) become leaves; of their pages, those before `end` and before the end of the file are filled first. Inode lock. */
void layout_written(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t index,
		    uint64_t end, const struct layout_fill *fill);
/* The file's pages, if it has none but those in its inode, all before its end, and if nobody holds them, move into an order-9 folio with which it can grow. Does
 * nothing otherwise, also without space. Inode lock; errors of locks. */
int layout_move(struct rt_self *me, struct layout *l, uint32_t ino);

/* A file that has no pages becomes a device of `size` bytes, a multiple of `align`: fs_device(). Inode lock. On failure it has none again. -PF_ENOPIECE, -PF_ENOMETA, errors of locks. */
int layout_device(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t size,
		  uint64_t align);

/* ---- compaction ----------------------------------------------------------------------------------- */

/* Moves folios that nobody holds, other than those of devices, until `blocks` more blocks are wholly free, as far as that goes; *budget: pages that it may move, and then how many are left of them. `own`: a file whose
 * lock the caller has, or 0; others' are only tried, and no holder is waited for. The row has no record set. Returns how many blocks became free; errors of rt_lock() and rt_fill(). */
int64_t layout_compact(struct rt_self *me, struct layout *l, uint32_t own, uint64_t blocks,
		       uint64_t *budget);

/* ---- pages out of files -------------------------------------------------------------------------- */

struct layout_break {
	enum pf_policy policy;
	uint64_t deadline; /* CLOCK_MONOTONIC ns; ~0: none. For PF_WAIT */
};

/* Sets the size. No inode lock held. -PF_EHELD, -PF_EHELDTIME, -PF_EREAP, errors of locks. */
int layout_truncate(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t size,
		    struct layout_break how);
/* Bytes [offset, + length) read as zeros, whole pages leave. The same. */
int layout_punch(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t offset,
		 uint64_t length, struct layout_break how);
/* Pages [first, end) leave the file, whoever holds them. Inode lock. */
int layout_remove(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t first, uint64_t end);
/* Pages past the end leave that nobody has asked for; not while somebody waits for holders of them, nor where a folio cannot be divided for want of metadata or of the runtime's memory.
 * Inode lock. Errors of locks. */
int layout_trim(struct rt_self *me, struct layout *l, uint32_t ino);
/* The same for all files, but for those that somebody has locked: space is short. No inode lock held. */
void layout_trim_all(struct rt_self *me, struct layout *l);
/* Bytes [offset, + length) read as zeros: those of pages that were written are zeroed in place. Inode lock. */
void layout_zero(struct layout *l, uint32_t ino, uint64_t offset, uint64_t length);
/* Before the size grows from `size` to `to`: what lies between reads as zeros. Inode lock. */
void layout_extend(struct layout *l, uint32_t ino, uint64_t size, uint64_t to);
/* An UNNAMED inode that nobody has open: its pages leave, then it is free. Inode lock. */
int layout_evict(struct rt_self *me, struct layout *l, uint32_t ino);

#endif
