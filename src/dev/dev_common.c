/*
 * What several kinds of device do alike, see dev_common.h.
 *
 * Reserving. fallocate gives tmpfs files and memfds huge pages only where the mount says huge=always; where
 * it says huge=advise, the first fault in a mapping with MADV_HUGEPAGE does. So a page of each block is
 * touched first through such a mapping, and fallocate fills in what is left and says when there is too
 * little. It works in chunks, because a signal makes it give back all that the call had reserved.
 */
#include "dev/dev_common.h"

#include <linux/falloc.h>
#include <stdio.h>
#include <sys/vfs.h>

#include "base/err.h"
#include "base/sys.h"

#define CHUNK_BYTES (64ul << 20)

void common_fd_path(int fd, char *path, size_t size)
{
	snprintf(path, size, "/proc/self/fd/%d", fd);
}

bool common_is_on(int fd, const struct stat *st, unsigned long magic)
{
	struct statfs fs;

	return S_ISREG(st->st_mode) && fstatfs(fd, &fs) == 0 && (unsigned long)fs.f_type == magic;
}

/* 512-byte blocks that the file takes; 0 if that cannot be told. */
static uint64_t blocks_taken(const struct dev *dev)
{
	struct stat st;

	return sys_fstat(dev->fd, &st) < 0 ? 0 : (uint64_t)st.st_blocks;
}

/* Faults a page of each whole block in, until the host is seen to give small pages. A wish: nothing fails. */
static void fault_huge(struct dev *dev, uint64_t offset, uint64_t length)
{
	uint64_t start = align_up(offset, BLOCK_BYTES),
		 end = align_down(offset + length, BLOCK_BYTES);
	void *mapped;

	if (start >= end ||
	    dev_map(dev, start, end - start, PROT_READ | PROT_WRITE, NULL, &mapped) < 0)
		return;
	for (uint64_t at = 0; at < end - start; at += BLOCK_BYTES) {
		uint64_t before = blocks_taken(dev);

		if (madvise((uint8_t *)mapped + at, PAGE_BYTES, MADV_POPULATE_WRITE) < 0 ||
		    blocks_taken(dev) - before < BLOCK_BYTES / 512)
			break;
	}
	sys_munmap(mapped, end - start);
}

static int allocate(struct dev *dev, uint64_t offset, uint64_t length)
{
	int rc;

	do
		rc = sys_fallocate(dev->fd, 0, (off_t)offset, (off_t)length);
	while (rc < 0 && errno == EINTR);
	return rc;
}

int common_reserve(struct dev *dev, uint64_t offset, uint64_t length)
{
	uint64_t chunk = MAX(CHUNK_BYTES, dev->granule);

	if (dev->fault_huge)
		fault_huge(dev, offset, length);
	for (uint64_t at = 0; at < length; at += chunk)
		if (allocate(dev, offset + at, MIN(chunk, length - at)) < 0)
			return err_errno("%s: reserving %lu MiB", dev->path,
					 (unsigned long)(length >> 20));
	return 0;
}

int common_make(struct dev *dev, uint64_t bytes, bool sparse)
{
	int rc = 0;

	if (bytes == 0 || bytes > INT64_MAX - dev->granule)
		return err(PF_EPOOLSIZE, "%s: %lu bytes", dev->path, (unsigned long)bytes);
	bytes = align_up(bytes, dev->granule);
	if (sys_ftruncate(dev->fd, (off_t)bytes) < 0)
		return err_errno("%s: size %lu MiB", dev->path, (unsigned long)(bytes >> 20));
	if (!sparse)
		rc = common_reserve(dev, 0, bytes);
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
	return common_reserve(dev, offset, length);
}
