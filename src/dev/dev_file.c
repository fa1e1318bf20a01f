/* Plain files: tmpfs, where the file is the memory; and, by request and volatile, disk files. */
#include <linux/magic.h>

#include "dev/dev_common.h"

static int probe(int fd, const struct stat *st)
{
	(void)fd;
	return S_ISREG(st->st_mode);
}

/* What a punched page of a disk file becomes is up to the disk's file system, so a disk file's pages wait. */
static int open_file(struct dev *dev, const struct stat *st)
{
	bool memory = common_is_on(dev->fd, st, TMPFS_MAGIC);

	dev->size = align_down((uint64_t)st->st_size, PAGE_BYTES);
	dev->granule = PAGE_BYTES;
	dev->durability = memory ? DEV_VOLATILE : DEV_CACHED;
	dev->can_discard = memory && !dev->readonly;
	dev->fault_huge = memory;
	return 0;
}

static const char *huge_hint(const struct dev *dev)
{
	return dev->fault_huge
		       ? "let its tmpfs give huge pages (mount -o remount,huge=advise, or huge=always), "
			 "then make the pool anew"
		       : "make the pool on a tmpfs mounted with huge=advise, or on hugetlbfs";
}

const struct dev_ops dev_file = {
	.name = "file",
	.probe = probe,
	.open = open_file,
	.make = common_make,
	.discard = common_discard,
	.huge_hint = huge_hint,
};
