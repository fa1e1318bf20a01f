/*
 * Files on a DAX file system: memory that the file system gives out, without a page cache. MAP_SYNC, granted at a first mapping, is the
 * promise that what was written back is not lost; without it the file is an ordinary disk file.
 */
#include "base/err.h"
#include "base/sys.h"
#include "dev/dev_common.h"

#define FSDAX_FLAGS (MAP_SHARED_VALIDATE | MAP_SYNC)

/* Only a refusal says that it is something else: a lack of memory must not make it one. */
static int probe(int fd, const struct stat *st)
{
	void *page;

	if (!S_ISREG(st->st_mode))
		return 0;
	page = sys_mmap(NULL, PAGE_BYTES, PROT_READ, FSDAX_FLAGS, fd, 0);
	if (page == MAP_FAILED)
		return errno == EOPNOTSUPP || errno == EINVAL || errno == ENODEV
			       ? 0
			       : err_errno("mmap with MAP_SYNC");
	sys_munmap(page, PAGE_BYTES);
	return 1;
}

static int open_fsdax(struct dev *dev, const struct stat *st)
{
	dev->size = align_down((uint64_t)st->st_size, PAGE_BYTES);
	dev->granule = PAGE_BYTES;
	common_persistent(dev);
	return 0;
}

static const char *huge_hint(const struct dev *dev)
{
	(void)dev;
	return "align the file system's extents to 2 MiB (for ext4: -E stride=512,stripe_width=512)";
}

const struct dev_ops dev_fsdax = {
	.name = "fsdax",
	.probe = probe,
	.open = open_fsdax,
	.make = common_make,
	.map_flags = FSDAX_FLAGS,
	.huge_hint = huge_hint,
};
