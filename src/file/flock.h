/* Records of file locks (struct rt_flock), as flock.c and deadlock.c use them. */
#ifndef FILE_FLOCK_H
#define FILE_FLOCK_H

#include "file/pool.h"

/* rt_flock.kind */
#define FLOCK_TYPE  0x3u /* enum pf_lock_type */
#define FLOCK_WHOLE 0x4u /* PF_LOCK_FLOCK */
#define FLOCK_WAITS 0x8u /* no lock: its owner waits for this one */

/* A lock that somebody would have. */
struct flock_want {
	struct layout *l;
	struct rt_self *me;
	uint32_t ino;
	uint64_t file; /* as in rt_flock */
	uint64_t first, last, owner;
	unsigned slot;        /* whose owner */
	uint32_t type, space; /* space: FLOCK_WHOLE, or 0 */
	uint32_t pid;
	struct rt_flock *wait; /* its record as a wait, or NULL */
};

/* Somebody else's lock that is in the way, the next one from the cursor on, or NULL. Those of the dead are not there. Inode lock. */
struct rt_flock *flock_conflict(const struct flock_want *w, struct rt_cursor *c);
/* True if a wait of ours is the youngest of a circle of owners that wait for each other, so that it would never end. Takes inode locks, one after the
 * other, and blocks for these; if it cannot have one, it is false. */
bool flock_deadlock(struct rt_self *me, struct layout *l, struct rt_flock *wait);

#endif
