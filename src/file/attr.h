/* Attributes that other operations change beside their own work. Between the files of file/ only. */
#ifndef FILE_ATTR_H
#define FILE_ATTR_H

#include "file/caller.h"

/* The mode of a regular file after `caller` has written to it: anybody but uid 0 takes set-uid away, and set-gid of what the group may execute, or from files of a group that
 * is not the caller's. */
uint32_t attr_written_mode(const struct pf_caller *caller, const struct inode_attr *attr);
/* The same in a transaction of its own, before something else changes; most often there is nothing to do. No inode lock held. Errors of locks. */
int attr_strip(const pf_file *file, struct rt_self *me);

/* The inode was read: its time of access becomes now, if it is not after its last changes or a day old. Not in a read-only pool, nor if somebody has the inode's
 * lock. No inode lock held. */
void attr_set_atime(struct pf_pool *pool, struct rt_self *me, uint32_t ino);

#define ATTR_READS 64u /* of a handle, between looks at a clock that tell whether a day is over */

/* The same for a handle, in a few loads when there is nothing to do. */
static inline void attr_accessed(pf_file *file, struct rt_self *me)
{
	uint64_t atime, mtime, ctime;
	uint32_t reads = load_relaxed(&file->reads);

	fs_times(&file->pool->layout.fs, file->ino, &atime, &mtime, &ctime);
	store_relaxed(&file->reads, reads + 1);
	if (unlikely(atime <= mtime || atime <= ctime || reads % ATTR_READS == 0))
		attr_set_atime(file->pool, me, file->ino);
}

#endif
