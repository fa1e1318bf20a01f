/*
 * Watching a directory. Its sequence in the runtime changes with its names, and is slept for as a futex. Who sleeps wakes by itself several times a
 * second, as one who died in the middle of a change wakes nobody: then taking the lock repairs what that one left.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/err.h"
#include "file/path.h"

#define LOOK_MS 200u

/* What is asked about is there, and what a dead process left is settled. */
static int check(pf_file *dir, struct rt_self *me, bool changing)
{
	struct layout *l = &dir->pool->layout;
	struct inode_attr attr;
	int rc;

	if (changing) {
		rc = layout_lock(me, l, dir->ino);
		if (rc < 0)
			return rc;
		layout_unlock(me, l, dir->ino);
	}
	rc = path_attr(me, l, dir->ino, &attr);
	return rc == 0 && attr.state != INODE_NAMED ? err(PF_ENOFILE, "the directory was removed")
						    : rc;
}

/* Milliseconds of the next sleep; 0: the time is over. */
static unsigned next_sleep(uint64_t begin, int timeout_ms)
{
	uint64_t waited = (clock_mono() - begin) / 1000000;

	if (timeout_ms < 0)
		return LOOK_MS;
	return waited >= (unsigned)timeout_ms ? 0 : (unsigned)MIN(timeout_ms - waited, LOOK_MS);
}

/* A token is a sequence + 2: none is 0. */
int pf_watch(pf_file *dir, uint64_t *seen, int timeout_ms)
{
	struct rt_self *me = pool_self(dir->pool);
	uint64_t begin = clock_mono(), now = 0;
	int rc = me ? 0 : rt_self_error();

	if (rc == 0 && !dir->directory)
		rc = dir->data ? err(PF_ENOTDIR, "inode %u", dir->ino) : handle_no_data(dir);
	while (rc == 0) {
		unsigned ms = *seen ? next_sleep(begin, timeout_ms) : 0;

		errno = 0;
		if (fs_dir_watch(&dir->pool->layout.fs, dir->ino, *seen - 2, ms, &now))
			break;
		if (errno == EINTR)
			return err(EINTR, "watch");
		rc = check(dir, me, now & 1);
		if (rc == 0 && *seen && !ms)
			return 0;
	}
	if (rc < 0 || (rc = check(dir, me, false)) < 0)
		return rc;
	*seen = now + 2;
	return 1;
}
