/* memfds: memory with a descriptor and no name, given to children. */
#include <linux/magic.h>
#include <string.h>
#include <unistd.h>

#include "dev/dev_common.h"

/* The kernel calls its file "/memfd:<name>", on a tmpfs that is mounted nowhere. */
static int probe(int fd, const struct stat *st)
{
	char link[64], target[64];
	ssize_t n;

	if (!common_is_on(fd, st, TMPFS_MAGIC))
		return 0;
	common_fd_path(fd, link, sizeof link);
	n = readlink(link, target, sizeof target);
	return n > 7 && !strncmp(target, "/memfd:", 7);
}

static int open_memfd(struct dev *dev, const struct stat *st)
{
	dev->size = align_down((uint64_t)st->st_size, PAGE_BYTES);
	dev->granule = PAGE_BYTES;
	dev->durability = DEV_VOLATILE;
	dev->can_discard = !dev->readonly;
	dev->fault_huge = true;
	return 0;
}

static const char *huge_hint(const struct dev *dev)
{
	(void)dev;
	return "let memfds have huge pages (echo advise > "
	       "/sys/kernel/mm/transparent_hugepage/shmem_enabled), then make the pool anew";
}

const struct dev_ops dev_memfd = {
	.name = "memfd",
	.probe = probe,
	.open = open_memfd,
	.make = common_make,
	.discard = common_discard,
	.huge_hint = huge_hint,
};
