/*
 * From a page of a file to a reference on it: look the entry up, count, look again, account. No lock is taken; a range of a
 * file that WAIT or TRY has locked is waited for. docs/protocol.md section 4.
 */
#ifndef DAX_DAX_H
#define DAX_DAX_H

#include "fs/fs.h"
#include "page/page.h"

/* What a file's pages are held through; the hold is one run, contiguous in the file and in memory. */
struct dax_run {
	uint64_t pfn;   /* of the first page */
	uint64_t pages; /* >= 1 */
};

/* Takes a hold on pages [index, + max) of the file, as many of them as are written, in one piece and at most RT_FOLIOS folios,
 * and stores rt_range() of them in *account (a hold record's range, or the row's read_hold), which was 0. 0, or -PF_EHOLE:
 * page `index` has no entry, or one that is unwritten; -PF_EHOLDS; -PF_ESTOPPED: a stopped process has the range locked. */
int dax_hold(struct rt_self *me, struct fs *fs, struct pages *p, uint32_t ino, uint64_t index,
	     uint64_t max, _Atomic uint64_t *account, struct dax_run *run);
/* The same for who does not look at the bytes: of pages that were never written too. */
int dax_hold_any(struct rt_self *me, struct fs *fs, struct pages *p, uint32_t ino, uint64_t index,
		 uint64_t max, _Atomic uint64_t *account, struct dax_run *run);
/* As dax_hold(), once: -PF_EAGAIN where that would wait for a locked range or look again. Waits for nobody, so it may be called under a lock that who locks the
 * range may want: the caller gives that up, waits by dax_wait_range(), and tries again; after several tries in vain it calls page_repair() too. */
int dax_try_hold(struct rt_self *me, struct fs *fs, struct pages *p, uint32_t ino, uint64_t index,
		 uint64_t max, _Atomic uint64_t *account, struct dax_run *run);
/* Divides a hold of this process, of more than `pages` pages: *account keeps its first `pages`, *rest, which was 0, accounts for the others. Each then counts once on
 * each folio that it touches. 0; or, and nothing has changed, -PF_EHOLDS, -PF_EAGAIN: *account was given back meanwhile. Waits for nobody. */
int dax_split(struct rt_self *me, struct pages *p, _Atomic uint64_t *account, uint64_t pages,
	      _Atomic uint64_t *rest);
/* Gives a hold back: whoever exchanges *account with 0 counts down, so one hold is given back once. `dead`: it was a dead slot's. */
void dax_drop(struct rt_self *me, struct pages *p, _Atomic uint64_t *account, bool dead);

/* Locks the entries of pages [first, last] of an inode: no get of them succeeds from here on. Inode lock; -PF_EAGAIN if another
 * range of it is locked already. Unlocking needs no lock. */
int dax_lock_range(struct rt_self *me, struct fs *fs, uint32_t ino, uint64_t first, uint64_t last);
void dax_unlock_range(struct rt_self *me, struct fs *fs, uint32_t ino);
/* Part of [first, last] is locked by somebody else than us. */
bool dax_range_locked(struct rt_self *me, struct fs *fs, uint32_t ino, uint64_t first,
		      uint64_t last);
/* Waits, in slices, until it is not; the lock of a dead owner is taken away. -PF_ESTOPPED, -PF_ELOCKTIME. No inode lock. */
int dax_wait_range(struct rt_self *me, struct fs *fs, uint32_t ino, uint64_t first, uint64_t last);

#endif
