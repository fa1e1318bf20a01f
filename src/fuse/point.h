/* The mount point, before and after. */
#ifndef FUSE_POINT_H
#define FUSE_POINT_H

#include "fuse/mount.h"

/* Makes pool and directory absolute, and sees that one can be mounted at the other; a mount of a pool that is there without the
 * process that served it is cleared away. 0, or the exit code for what was complained of. */
int point_prepare(struct mount_options *o);
/* The kernel writes what it has not written yet. */
void point_sync(const char *directory);

#endif
