/* hugetlbfs: huge pages set aside by the administrator; the granule is their size. Also memfds of them. */
#include <errno.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include "base/err.h"
#include "dev/dev_common.h"

static const char more_pages[] =
	"set more huge pages aside: echo N > /proc/sys/vm/nr_hugepages, or "
	"/sys/kernel/mm/hugepages/*/nr_hugepages for another size";

static int probe(int fd, const struct stat *st)
{
	return common_is_on(fd, st, HUGETLBFS_MAGIC);
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

static int make_huge(struct dev *dev, uint64_t bytes, bool sparse)
{
	int rc = common_make(dev, bytes, sparse);

	return rc == -ENOSPC || rc == -ENOMEM ? err(-rc, "%s: %lu pages of %lu KiB; %s", dev->path,
						    (unsigned long)div_up(bytes, dev->granule),
						    (unsigned long)(dev->granule >> 10), more_pages)
					      : rc;
}

static const char *huge_hint(const struct dev *dev)
{
	return dev->granule >= BLOCK_BYTES ? NULL : "mount hugetlbfs with pagesize=2M";
}

const struct dev_ops dev_hugetlbfs = {
	.name = "hugetlbfs",
	.probe = probe,
	.open = open_huge,
	.make = make_huge,
	.discard = common_discard,
	.huge_hint = huge_hint,
};
