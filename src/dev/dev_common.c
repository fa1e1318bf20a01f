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
#include <linux/magic.h>
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

/* What the machine can still give, in bytes: free memory and swap, less a sixteenth that keeps it alive. ~0: it does not say. */
static uint64_t memory_left(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	unsigned long kb, available = 0, swap = 0;
	bool known = false;
	char line[128];

	while (f && fgets(line, sizeof line, f)) {
		if (sscanf(line, "MemAvailable: %lu", &kb) == 1) {
			available = kb;
			known = true;
		} else if (sscanf(line, "SwapFree: %lu", &kb) == 1) {
			swap = kb;
		}
	}
	if (f)
		fclose(f);
	return known ? (available - available / 16 + swap) * 1024 : ~0ull;
}

/* A tmpfs gives out more than the machine has, and then processes are killed for want of memory: so it is asked before. */
static int check_room(const struct dev *dev, uint64_t bytes)
{
	struct statfs fs;
	uint64_t memory;

	if (fstatfs(dev->fd, &fs) < 0)
		return err_errno("%s: statfs", dev->path);
	if (fs.f_blocks && bytes / (uint64_t)fs.f_bsize > fs.f_bavail)
		return err(ENOSPC, "%s: %lu MiB wanted, its file system has %lu MiB free",
			   dev->path, (unsigned long)(bytes >> 20),
			   (unsigned long)((uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize >> 20));
	memory = fs.f_type == TMPFS_MAGIC ? memory_left() : ~0ull;
	if (bytes > memory)
		return err(ENOSPC, "%s: %lu MiB wanted, the machine has %lu MiB of memory left",
			   dev->path, (unsigned long)(bytes >> 20), (unsigned long)(memory >> 20));
	return 0;
}

int common_make(struct dev *dev, uint64_t bytes, bool sparse)
{
	int rc = 0;

	if (bytes == 0 || bytes > INT64_MAX - dev->granule)
		return err(PF_EPOOLSIZE, "%s: %lu bytes", dev->path, (unsigned long)bytes);
	bytes = align_up(bytes, dev->granule);
	if (!sparse)
		rc = check_room(dev, bytes);
	if (rc < 0)
		return rc;
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
