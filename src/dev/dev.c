/* Devices: finding out what kind one is, making, opening, mapping, locking. What differs between kinds is in dev_<kind>.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/sys.h"
#include "dev/dev_common.h"

/* The first whose probe says yes has the device; dev_file takes every other regular file. */
static const struct dev_ops *const kinds[] = {&dev_devdax, &dev_hugetlbfs, &dev_memfd, &dev_fsdax,
					      &dev_file};

const char *dev_sysfs(void)
{
	const char *dir = getenv("PINFOLD_SYSFS");

	return dir && *dir ? dir : "/sys";
}

const char *dev_durability_name(enum dev_durability d)
{
	static const char *const names[] = {"volatile", "persistent", "cached"};

	return names[d];
}

/* 0 and dev->ops, or an error. */
static int find_kind(struct dev *dev, const struct stat *st)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		int rc = kinds[i]->probe(dev->fd, st);

		if (rc < 0)
			return rc;
		if (rc) {
			dev->ops = kinds[i];
			return 0;
		}
	}
	return err(PF_ENODEV, "%s", dev->path);
}

static int identify(struct dev *dev)
{
	struct stat st;
	int rc;

	if (sys_fstat(dev->fd, &st) < 0)
		return err_errno("%s: fstat", dev->path);
	rc = find_kind(dev, &st);
	if (rc < 0)
		return rc;
	dev->identity.device = st.st_dev;
	dev->identity.inode = st.st_ino;
	dev->identity.rdev = st.st_rdev;
	return dev->ops->open(dev, &st);
}

static int accept_durability(struct dev *dev, bool volatile_ok)
{
	if (dev->durability != DEV_CACHED)
		return 0;
	if (!volatile_ok)
		return err(PF_ECACHED, "%s", dev->path);
	dev->durability = DEV_VOLATILE;
	dev->page_cache = true;
	return 0;
}

/* Takes the descriptor over, also when it fails. */
static int start(int fd, const char *path, bool readonly, bool volatile_ok, struct dev **out)
{
	struct dev *dev = sys_calloc(1, sizeof *dev);
	int rc;

	if (!dev) {
		sys_close(fd);
		return err(ENOMEM, "%s", path);
	}
	dev->fd = fd;
	dev->readonly = readonly;
	snprintf(dev->path, sizeof dev->path, "%s", path);
	common_fork_add(dev);
	rc = identify(dev);
	if (rc == 0)
		rc = accept_durability(dev, volatile_ok);
	if (rc < 0) {
		dev_close(dev);
		return rc;
	}
	*out = dev;
	return 0;
}

/* Nonblocking, so that a fifo or a terminal is refused and not waited for. */
static int open_flags(bool readonly)
{
	return (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
}

int dev_open(const char *path, bool readonly, bool volatile_ok, struct dev **dev)
{
	int fd = sys_open(path, open_flags(readonly), 0);

	return fd < 0 ? err_errno("%s", path) : start(fd, path, readonly, volatile_ok, dev);
}

int dev_open_fd(int fd, bool readonly, bool volatile_ok, struct dev **dev)
{
	char link[64], path[256];
	ssize_t n;
	int own;

	common_fd_path(fd, link, sizeof link);
	own = sys_open(link, open_flags(readonly), 0);
	if (own < 0 && fcntl(fd, F_GETFD) < 0)
		return err_errno("descriptor %d", fd);
	if (own < 0)
		return err_errno("descriptor %d: opening it again as %s", fd, link);
	n = readlink(link, path, sizeof path - 1);
	path[MAX(n, 0)] = 0;
	return start(own, strncmp(path, "/memfd:", 7) ? path : "memfd", readonly, volatile_ok, dev);
}

/* ---- making ----------------------------------------------------------------------------------------- */

static int size_device(struct dev *dev, uint64_t bytes, bool sparse)
{
	if (dev->ops->make)
		return dev->ops->make(dev, bytes, sparse);
	return bytes > dev->size
		       ? err(PF_ESHORT, "%s has %lu bytes", dev->path, (unsigned long)dev->size)
		       : 0;
}

/* Takes the descriptor over, also when it fails. */
static int make_on(int fd, const char *path, uint64_t bytes, bool sparse, bool volatile_ok,
		   struct dev **out)
{
	struct dev *dev;
	int rc = start(fd, path, false, volatile_ok, &dev);

	if (rc < 0)
		return rc;
	rc = size_device(dev, bytes, sparse);
	if (rc < 0)
		dev_close(dev);
	else
		*out = dev;
	return rc;
}

/* A device node is used as it is; what else is there already is not touched. */
static int make_on_node(const char *path, uint64_t bytes, bool volatile_ok, struct dev **dev)
{
	struct stat st = {.st_mode = 0}; /* of a link to nothing */
	int fd;

	if (sys_stat(path, &st) < 0 && errno != ENOENT)
		return err_errno("%s", path);
	if (!S_ISCHR(st.st_mode))
		return err(PF_EEXISTPOOL, "%s", path);
	fd = sys_open(path, open_flags(false), 0);
	return fd < 0 ? err_errno("%s", path) : make_on(fd, path, bytes, false, volatile_ok, dev);
}

int dev_make(const char *path, uint64_t bytes, bool sparse, bool volatile_ok, struct dev **dev)
{
	int fd = sys_open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666), rc;

	if (fd < 0)
		return errno == EEXIST ? make_on_node(path, bytes, volatile_ok, dev)
				       : err_errno("%s", path);
	rc = make_on(fd, path, bytes, sparse, volatile_ok, dev);
	if (rc < 0)
		unlink(path);
	return rc;
}

int dev_make_memfd(uint64_t bytes, bool sparse, struct dev **dev)
{
	int fd = sys_memfd_create("pinfold-pool", MFD_CLOEXEC);

	return fd < 0 ? err_errno("memfd_create") : make_on(fd, "memfd", bytes, sparse, false, dev);
}

void dev_close(struct dev *dev)
{
	if (!dev)
		return;
	common_fork_remove(dev);
	sys_close(dev->fd);
	free(dev);
}

/* ---- mapping ---------------------------------------------------------------------------------------- */

int dev_reserve_addresses(uint64_t length, uint64_t align, void **address)
{
	uint64_t room = length + align;
	uint8_t *all, *at;

	if (room < length)
		return err(ENOMEM, "%lu MiB of addresses", (unsigned long)(length >> 20));
	all = sys_mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (all == MAP_FAILED)
		return err_errno("%lu MiB of addresses", (unsigned long)(room >> 20));
	at = (uint8_t *)align_up((uint64_t)(uintptr_t)all, align);
	if (at > all)
		sys_munmap(all, (size_t)(at - all));
	if (all + room > at + length)
		sys_munmap(at + length, (size_t)(all + room - (at + length)));
	*address = at;
	return 0;
}

/* A failure leaves the range as it was, reserved. */
static int map_at(struct dev *dev, uint64_t offset, uint64_t length, int prot, void *address)
{
	int flags = (dev->ops->map_flags ? dev->ops->map_flags : MAP_SHARED) | MAP_FIXED;
	void *at = sys_mmap(address, length, prot, flags, dev->fd, (off_t)offset);

	if (at == MAP_FAILED)
		return err_errno("%s: mmap of %lu MiB", dev->path, (unsigned long)(length >> 20));
	if (sys_madvise(at, length, MADV_DONTFORK) < 0) {
		int rc = err_errno("%s: madvise", dev->path);

		mmap(at, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
		     -1, 0);
		return rc;
	}
	/* Only a wish: without huge pages the mapping is as right, and slower. */
	if (offset % BLOCK_BYTES == 0 && length >= BLOCK_BYTES)
		madvise(at, length, MADV_HUGEPAGE);
	return 0;
}

int dev_map(struct dev *dev, uint64_t offset, uint64_t length, int prot, void *address,
	    void **mapped)
{
	void *at = address;
	int rc = 0;

	if (!at)
		rc = dev_reserve_addresses(length,
					   MAX(dev->granule,
					       length >= BLOCK_BYTES ? BLOCK_BYTES : PAGE_BYTES),
					   &at);
	if (rc == 0) {
		rc = map_at(dev, offset, length, prot, at);
		if (rc < 0 && !address)
			sys_munmap(at, length);
	}
	if (rc == 0)
		*mapped = at;
	return rc;
}

int dev_discard(struct dev *dev, uint64_t offset, uint64_t length)
{
	if (!dev->can_discard)
		return err(EOPNOTSUPP, "%s: discard", dev->path);
	return dev->ops->discard(dev, offset, length);
}

void dev_touch(void *address, size_t length)
{
	madvise(address, length, MADV_POPULATE_WRITE);
}

/* ---- the media's lock ------------------------------------------------------------------------------- */

/* From /proc/locks: "1: FLOCK  ADVISORY  WRITE 4711 00:1a:4242 0 EOF". 0: not known. */
static unsigned lock_holder(struct dev *dev)
{
	unsigned pid, found = 0, major_, minor_;
	unsigned long inode;
	char line[256];
	FILE *f = fopen("/proc/locks", "re");

	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "%*d: FLOCK %*s WRITE %u %x:%x:%lu", &pid, &major_, &minor_,
			   &inode) == 4 &&
		    inode == dev->identity.inode && makedev(major_, minor_) == dev->identity.device)
			found = pid;
	if (f)
		fclose(f);
	return found;
}

static int locked_by_other(struct dev *dev)
{
	unsigned pid = lock_holder(dev);

	return pid ? err(PF_EBUILDING, "%s: process %u", dev->path, pid)
		   : err(PF_EBUILDING, "%s", dev->path);
}

int dev_lock(struct dev *dev, unsigned ms)
{
	uint64_t end = clock_mono() + ms * 1000000ull;

	for (;;) {
		struct timespec pause = {.tv_nsec = 1000000};

		if (sys_flock(dev->fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_errno("%s: flock", dev->path);
		if (clock_mono() >= end)
			return locked_by_other(dev);
		nanosleep(&pause, NULL);
	}
}

void dev_unlock(struct dev *dev)
{
	flock(dev->fd, LOCK_UN);
}
