/*
 * Spaces: the page tables of an attached process, in the runtime's arena, where every other process can walk them, also when their
 * owner is dead.
 *
 * The slot's `root` says where the tree is and what format it has. Tables have physical addresses from SPACE_TABLES on, by their offset in
 * the arena; pages of the pool from SPACE_MEDIA on.
 *
 * Only the owner changes its space, and after its death nobody: who reaps the slot takes all tables at once (space_reap()). Any process
 * reads any space, between space_enter() and space_leave(): no table that it finds there is used for something else before it has
 * left. A reader that is stopped there delays nothing: the tables it may be in stay allocated until it leaves or dies.
 */
#ifndef MM_MM_H
#define MM_MM_H

#include "page/page.h"
#include "pgtable/pgtable.h"

#define SPACE_TABLES (1ull << 30) /* not 0, which is no table where entries are bare addresses */
#define SPACE_MEDIA  (2ull << 30) /* physical address of pfn 0: above any arena */
#define SPACE_SETTLE_NS \
	10000000ull /* that an owner waits for readers before it lets unlinked tables be */

struct space {
	struct pt pt;
	struct rt *rt;
	struct pages *pages;
	struct rt_walkers walkers;
};

/* Makes the space of this process, which has none: in the host's format, if `fmt` is NULL. One thread.
 * Errors: -ENOMEM, -PF_ERUNSPACE, -PF_EPTADDRESS, those of rt_lock(). */
int space_make(struct rt_self *me, struct pages *pages, const struct pt_fmt *fmt,
	       struct space **space);
/* Frees it with all its tables; `gather` is told of the leaves that are left. Waits for readers at most SPACE_SETTLE_NS; tables in which one is still
 * go back when the slot does. */
void space_end(struct rt_self *me, struct space *space, const struct pt_gather *gather);
/* Unlinked tables that no reader can be in are used again. How many have to wait. */
size_t space_settle(struct space *space);

/* Reads the space of a slot: `view` is for pt_lookup(), pt_translate() and pt_walk() without install and split, by this thread, until space_leave(). A
 * thread is in one space at a time. 1: it has one; 0: it has none, and nothing is to be left. -PF_EPAGETABLE: its root says nothing. */
int space_enter(struct rt_self *me, const struct pages *pages, unsigned slot, struct pt *view);
void space_leave(struct rt_self *me);

/* All tables of a dead slot become free. False: somebody is reading them; try again later. Reap lock. */
bool space_reap(struct rt_self *me, unsigned slot);
/* Tables that belong to no process. */
void space_check(struct rt *rt, struct report *report);

#endif
