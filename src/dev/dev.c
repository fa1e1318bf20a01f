/* Devices: finding out what kind one is, making, opening, mapping, locking. What differs between kinds is in dev_<kind>.c. */
#include "dev/dev.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/sys.h"

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

static const struct dev_ops *kind_of(int fd, const struct stat *st)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i]->probe(fd, st))
			return kinds[i];
	return NULL;
}

static int identify(struct dev *dev)
{
	struct stat st;

	if (sys_fstat(dev->fd, &st) < 0)
		return err_errno("%s: fstat", dev->path);
	dev->ops = kind_of(dev->fd, &st);
	if (!dev->ops)
		return err(PF_ENODEV, "%s", dev->path);
	dev->identity.device = st.st_dev;
	dev->identity.inode = st.st_ino;
	dev->identity.rdev = st.st_rdev;
	return dev->ops->open(dev, &st);
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
	rc = identify(dev);
	if (rc == 0 && dev->durability == DEV_CACHED) {
		if (volatile_ok)
			dev->durability = DEV_VOLATILE;
		else
			rc = err(PF_ECACHED, "%s", path);
	}
	if (rc < 0) {
		dev_close(dev);
		return rc;
	}
	*out = dev;
	return 0;
}

int dev_open(const char *path, bool readonly, bool volatile_ok, struct dev **dev)
{
	int fd = sys_open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK, 0);

	return fd < 0 ? err_errno("%s", path) : start(fd, path, readonly, volatile_ok, dev);
}

int dev_open_fd(int fd, bool readonly, bool volatile_ok, struct dev **dev)
{
	char path[64];
	int own;

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	own = sys_open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC, 0);
	if (own < 0)
		return err_errno("descriptor %d", fd);
	return start(own, "memfd", readonly, volatile_ok, dev);
}

static int make_file(struct dev *dev, uint64_t bytes, bool sparse)
{
	if (!dev->ops->make)
		return bytes > dev->size ? err(PF_ESHORT, "%s has %lu bytes", dev->path,
					       (unsigned long)dev->size)
					 : 0;
	return dev->ops->make(dev, bytes, sparse);
}

int dev_make(const char *path, uint64_t bytes, bool sparse, bool volatile_ok, struct dev **dev)
{
	struct stat st;
	int fd, rc;

	if (stat(path, &st) == 0 && S_ISCHR(st.st_mode)) {
		rc = dev_open(path, false, volatile_ok, dev);
		if (rc == 0 && (rc = make_file(*dev, bytes, sparse)) < 0)
			dev_close(*dev);
		return rc;
	}
	fd = sys_open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return errno == EEXIST ? err(PF_EEXISTPOOL, "%s", path) : err_errno("%s", path);
	rc = start(fd, path, false, volatile_ok, dev);
	if (rc == 0 && (rc = make_file(*dev, bytes, sparse)) < 0)
		dev_close(*dev);
	if (rc < 0)
		unlink(path);
	return rc;
}

int dev_make_memfd(uint64_t bytes, bool sparse, struct dev **dev)
{
	int fd = sys_memfd_create("pinfold-pool", MFD_CLOEXEC), rc;

	if (fd < 0)
		return err_errno("memfd_create");
	rc = start(fd, "memfd", false, false, dev);
	if (rc == 0 && (rc = make_file(*dev, bytes, sparse)) < 0)
		dev_close(*dev);
	return rc;
}

void dev_close(struct dev *dev)
{
	if (!dev)
		return;
	sys_close(dev->fd);
	free(dev);
}

/* ---- mapping ---------------------------------------------------------------------------------------- */

int dev_reserve_addresses(uint64_t length, uint64_t align, void **address)
{
	uint64_t room = length + align;
	uint8_t *all = sys_mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
				-1, 0),
		*at;

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

static int map_at(struct dev *dev, uint64_t offset, uint64_t length, int prot, void *address)
{
	int flags = (dev->ops->map_flags ? dev->ops->map_flags : MAP_SHARED) | MAP_FIXED;
	void *at = sys_mmap(address, length, prot, flags, dev->fd, (off_t)offset);

	if (at == MAP_FAILED)
		return err_errno("%s: mmap of %lu MiB", dev->path, (unsigned long)(length >> 20));
	if (sys_madvise(at, length, MADV_DONTFORK) < 0)
		return err_errno("%s: madvise", dev->path);
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
	if (!dev->ops->discard)
		return err(EOPNOTSUPP, "%s: discard", dev->path);
	return dev->ops->discard(dev, offset, length);
}

/* ---- the media's lock ------------------------------------------------------------------------------- */

int dev_lock(struct dev *dev, unsigned ms)
{
	uint64_t end = clock_mono() + ms * 1000000ull;

	for (;;) {
		struct timespec pause = {.tv_nsec = 1000000};

		if (sys_flock(dev->fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_errno("%s: flock", dev->path);
		if (clock_mono() > end)
			return err(PF_EBUILDING, "%s", dev->path);
		nanosleep(&pause, NULL);
	}
}

void dev_unlock(struct dev *dev)
{
	flock(dev->fd, LOCK_UN);
}
