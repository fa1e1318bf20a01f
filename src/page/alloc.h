/*
 * The allocator: push, take and split under one robust lock. Only page/ includes this.
 *
 * Each operation looks at the word first, writes `pending` (its kind last), and then finishes what pending says. Finishing is
 * one function, which the repair after a dead owner calls too: whatever point it was left at, doing it again completes it.
 */
#ifndef PAGE_ALLOC_H
#define PAGE_ALLOC_H

#include "page/page.h"

/* 0, or an error of rt_lock. Repairs first if the last owner died; then looks after limbo. */
int alloc_lock(struct rt_self *me, struct pages *p);
void alloc_unlock(struct rt_self *me, struct pages *p);
/* Under the lock: pushes a folio that is (ORPHAN, 0), splits one that is (IN_FILE, 0, P), leaves any other. */
void alloc_settle(struct pages *p, uint64_t head);
/* Under the lock: a quarantined folio becomes free. */
void alloc_discard(struct pages *p, uint64_t head);
/* Gives the descriptor of this block, and of its neighbours, memory: of `blocks`, a power of 2. No lock; then, under the lock or while a runtime is built,
 * alloc_mark_filled(). -PF_ERUNSPACE. */
int alloc_fill(struct pages *p, uint64_t block, uint64_t blocks);
void alloc_mark_filled(struct pages *p, uint64_t block, uint64_t blocks);
/* Gives the descriptors of the pages of a filled block, and of its neighbours, memory. No lock. -PF_ERUNSPACE. */
int alloc_detail(struct pages *p, uint64_t block);

#endif
