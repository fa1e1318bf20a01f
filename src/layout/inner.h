/* Between the files of layout/ only. */
#ifndef LAYOUT_INNER_H
#define LAYOUT_INNER_H

#include "layout/layout.h"

/* Ends a truncation or eviction that somebody left. Inode lock. */
int inner_finish(struct rt_self *me, struct layout *l, uint32_t ino);
/* Empties pages [first, last] of holds as the policy says, with their entries locked when it returns 0 (but for PF_DETACH). Inode lock, which it
 * gives up and takes again while it waits; on failure the inode is unlocked. */
int inner_break(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t first, uint64_t last,
		struct layout_break how);
/* Somebody but windows holds a page of [first, last], whose entries are locked. */
bool inner_busy(struct layout *l, uint32_t ino, uint64_t first, uint64_t last);
/* Somebody does, or a window shows one. */
bool inner_held(struct layout *l, uint32_t ino, uint64_t first, uint64_t last);
/* The inline entries that layout_move() left go. Inode lock. */
int inner_finish_move(struct rt_self *me, struct layout *l, uint32_t ino);
/* The lock of a named file, if nobody has it and nothing of it is left to be finished; -PF_EAGAIN. Never waits, settles nothing: may be called with the lock of another inode. */
int inner_trylock_idle(struct rt_self *me, struct layout *l, uint32_t ino);
/* The bytes of `pages` pages at pfn, which are to be at `index`: as `fill` says, or zeros. */
void inner_initialise(struct layout *l, const struct layout_fill *fill, uint64_t pfn,
		      uint64_t index, uint64_t pages, unsigned order);
/* A folio that was taken for a file and never became part of it. Clears the page record. Inode lock. */
void inner_give_back(struct rt_self *me, struct layout *l, uint64_t pfn);
/* The end of what inner_break() began. */
void inner_unbreak(struct rt_self *me, struct layout *l, uint32_t ino, struct layout_break how);

#endif
