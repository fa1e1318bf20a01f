/* What several kinds of device do alike, see dev_common.h. */
#include "dev/dev_common.h"

#include <linux/falloc.h>
#include <stdio.h>

#include "base/err.h"
#include "base/sys.h"

void common_fd_path(int fd, char *path, size_t size)
{
	snprintf(path, size, "/proc/self/fd/%d", fd);
}

static int reserve(struct dev *dev, uint64_t offset, uint64_t length)
{
	if (sys_fallocate(dev->fd, 0, (off_t)offset, (off_t)length) < 0)
		return err_errno("%s: reserving %lu MiB", dev->path, (unsigned long)(length >> 20));
	return 0;
}

int common_make(struct dev *dev, uint64_t bytes, bool sparse)
{
	int rc = 0;

	bytes = align_up(bytes, dev->granule);
	if (sys_ftruncate(dev->fd, (off_t)bytes) < 0)
		return err_errno("%s: size %lu MiB", dev->path, (unsigned long)(bytes >> 20));
	if (!sparse)
		rc = reserve(dev, 0, bytes);
	if (rc == 0)
		dev->size = bytes;
	return rc;
}

int common_discard(struct dev *dev, uint64_t offset, uint64_t length)
{
	if (sys_fallocate(dev->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
			  (off_t)length) < 0)
		return err_errno("%s: discarding %lu KiB", dev->path,
				 (unsigned long)(length >> 10));
	return reserve(dev, offset, length);
}
