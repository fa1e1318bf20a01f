/* Plain files: tmpfs, where the file is the memory; and, by request and volatile, disk files. */
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/err.h"
#include "base/sys.h"
#include "dev/dev_common.h"

static bool on_tmpfs(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

static bool probe(int fd, const struct stat *st)
{
	(void)fd;
	return S_ISREG(st->st_mode);
}

static int open_file(struct dev *dev, const struct stat *st)
{
	dev->size = align_down((uint64_t)st->st_size, PAGE_BYTES);
	dev->granule = PAGE_BYTES;
	dev->durability = on_tmpfs(dev->fd) ? DEV_VOLATILE : DEV_CACHED;
	dev->can_discard = dev->durability == DEV_VOLATILE && !dev->readonly;
	return 0;
}

static const char *huge_hint(const struct dev *dev)
{
	return on_tmpfs(dev->fd)
		       ? "mount a tmpfs with huge=advise (or: mount -o remount,huge=advise /dev/shm) and make the pool there"
		       : "use a pool on tmpfs with huge=advise, or on hugetlbfs";
}

const struct dev_ops dev_file = {
	.name = "file",
	.probe = probe,
	.open = open_file,
	.make = common_make,
	.discard = common_discard,
	.huge_hint = huge_hint,
};
