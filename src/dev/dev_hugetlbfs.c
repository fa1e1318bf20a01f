/* hugetlbfs: huge pages set aside by the administrator; the granule is their size. */
#include <linux/magic.h>
#include <sys/vfs.h>

#include "base/err.h"
#include "dev/dev_common.h"

static bool probe(int fd, const struct stat *st)
{
	struct statfs fs;

	return S_ISREG(st->st_mode) && fstatfs(fd, &fs) == 0 && fs.f_type == HUGETLBFS_MAGIC;
}

static int open_huge(struct dev *dev, const struct stat *st)
{
	struct statfs fs;

	if (fstatfs(dev->fd, &fs) < 0)
		return err_errno("%s: statfs", dev->path);
	dev->granule = (uint64_t)fs.f_bsize;
	dev->size = align_down((uint64_t)st->st_size, dev->granule);
	dev->durability = DEV_VOLATILE;
	dev->can_discard = !dev->readonly;
	return 0;
}

static const char *huge_hint(const struct dev *dev)
{
	(void)dev;
	return NULL;
}

const struct dev_ops dev_hugetlbfs = {
	.name = "hugetlbfs",
	.probe = probe,
	.open = open_huge,
	.make = common_make,
	.discard = common_discard,
	.huge_hint = huge_hint,
};
