/* What else there is: 1 GiB each of tmpfs, with and without huge pages, and of hugetlbfs, see bench.h. */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define OLD_MAX 32u

enum peer { TMPFS, TMPFS_HUGE, HUGETLBFS, PEERS };

static const char *const peer_names[PEERS] = {"tmpfs", "tmpfs-huge", "hugetlbfs"};
static int peer_fd[PEERS] = {-1, -1, -1};
static char
	*old_huge_pages; /* shared with the process that started this one; empty: as they were */

static void write_huge_pages(const char *text)
{
	int fd = open("/proc/sys/vm/nr_hugepages", O_WRONLY);

	if (fd >= 0) {
		(void)!write(fd, text, strlen(text));
		close(fd);
	}
}

void restore_peers(void)
{
	if (old_huge_pages[0])
		write_huge_pages(old_huge_pages);
	old_huge_pages[0] = 0;
}

void prepare_peers(void)
{
	old_huge_pages =
		mmap(NULL, OLD_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (old_huge_pages == MAP_FAILED)
		die("mmap");
}

/* For one peer's time: what the machine had set aside stays, and some more come. */
static void set_huge_pages(size_t bytes)
{
	int fd = open("/proc/sys/vm/nr_hugepages", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, old_huge_pages, OLD_MAX - 1);
	char text[32];

	old_huge_pages[n < 0 ? 0 : n] = 0;
	if (fd >= 0)
		close(fd);
	snprintf(text, sizeof text, "%lu", strtoul(old_huge_pages, NULL, 10) + bytes / (2 * MIB));
	write_huge_pages(text);
}

static int make_peer(const char *name, const char *type, const char *options)
{
	char path[128];
	int fd;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	if (type && (mkdir(path, 0700) < 0 || mount("none", path, type, 0, options) < 0))
		return -1;
	snprintf(path, sizeof path, type ? "%s/%s/file" : "%s/%s-file", dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	unlink(path);
	return fd;
}

/* In a mount namespace of our own, so that nothing stays. */
void make_peers(void)
{
	peer_fd[TMPFS] = make_peer("tmpfs", NULL, NULL);
	if (unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0) {
		peer_fd[TMPFS_HUGE] = make_peer("huge", "tmpfs", "huge=always");
		peer_fd[HUGETLBFS] = make_peer("hugetlbfs", "hugetlbfs", "pagesize=2M");
	}
	for (int p = 0; p < PEERS; p++)
		if (peer_fd[p] < 0)
			printf("no %s here: %s\n", peer_names[p], strerror(errno));
}

/* mmap, touch, munmap. */
double peer_map(void *arg)
{
	struct peer_range *r = arg;
	uint64_t begin = clock_mono();
	volatile char *at = mmap(NULL, r->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);

	if (at == MAP_FAILED)
		die("mmap");
	for (size_t i = 0; i < r->bytes; i += 4096)
		(void)at[i];
	munmap((void *)(uintptr_t)at, r->bytes);
	return ns_since(begin);
}

/* Registering the mapping with io_uring, which pins its pages; and giving it back. */
double peer_register(void *arg)
{
	struct peer_range *r = arg;
	struct io_uring ring;
	struct iovec iov = {mmap(NULL, r->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0),
			    r->bytes};
	uint64_t begin;
	double t;

	if (iov.iov_base == MAP_FAILED || io_uring_queue_init(8, &ring, 0) < 0)
		die("io_uring");
	begin = clock_mono();
	errno = -io_uring_register_buffers(&ring, &iov, 1);
	t = errno ? -1 : ns_since(begin);
	io_uring_queue_exit(&ring);
	munmap(iov.iov_base, r->bytes);
	return t;
}

double peer_truncate(void *arg)
{
	struct peer_range *r = arg;
	uint64_t begin;
	double t;

	if (fallocate(r->fd, 0, 0, (off_t)r->bytes) < 0)
		die("fallocate");
	begin = clock_mono();
	if (ftruncate(r->fd, 0) < 0)
		die("ftruncate");
	t = ns_since(begin);
	if (ftruncate(r->fd, (off_t)r->bytes) < 0 || fallocate(r->fd, 0, 0, (off_t)r->bytes) < 0)
		die("fallocate");
	return t;
}

/* Again while what a closed ring leaves to this thread interrupts it. */
static int give_memory(const struct peer_range *r)
{
	int rc = ftruncate(r->fd, (off_t)r->bytes);

	while (rc == 0 && (rc = fallocate(r->fd, 0, 0, (off_t)r->bytes)) < 0 && errno == EINTR)
		rc = 0;
	return rc;
}

void against_peers(const char *name, const char *unit, double scale, struct figure ours,
		   double (*peer)(void *), size_t bytes, int rounds)
{
	for (int p = 0; p < PEERS; p++) {
		struct peer_range r = {peer_fd[p], bytes};

		if (r.fd < 0)
			continue;
		if (p == HUGETLBFS)
			set_huge_pages(bytes);
		if (give_memory(&r) < 0)
			printf("%s: no memory for %s: %s\n", name, peer_names[p], strerror(errno));
		else if (peer(&r) < 0)
			printf("%s: %s: %s\n", name, peer_names[p], strerror(errno));
		else
			row(name, unit, scale, ours, peer_names[p],
			    measure(peer, &r, rounds).median);
		if (ftruncate(r.fd, 0) < 0)
			die("ftruncate");
		if (p == HUGETLBFS)
			restore_peers();
	}
}

/* Where its files are: its own mount, or for tmpfs that of all. */
static const char *peer_directory(int p)
{
	static const char *const names[PEERS] = {NULL, "huge", "hugetlbfs"};
	static char path[128];

	snprintf(path, sizeof path, names[p] ? "%s/%s" : "%s", dir, names[p]);
	return path;
}

void beside_peers(size_t bytes, size_t pool_bytes,
		  void (*run)(const char *peer, const char *directory, int fd))
{
	for (int p = 0; p < PEERS; p++) {
		struct peer_range r = {peer_fd[p], bytes};

		if (r.fd < 0)
			continue;
		if (p == HUGETLBFS)
			set_huge_pages(bytes + pool_bytes);
		if (give_memory(&r) < 0)
			printf("no memory for %s: %s\n", peer_names[p], strerror(errno));
		else
			run(peer_names[p], peer_directory(p), r.fd);
		if (ftruncate(r.fd, 0) < 0)
			die("ftruncate");
		if (p == HUGETLBFS)
			restore_peers();
	}
}

void remove_peers(void)
{
	char path[128];

	for (int p = 0; p < PEERS; p++)
		if (peer_fd[p] >= 0)
			close(peer_fd[p]);
	snprintf(path, sizeof path, "%s/huge", dir);
	umount2(path, MNT_DETACH);
	rmdir(path);
	snprintf(path, sizeof path, "%s/hugetlbfs", dir);
	umount2(path, MNT_DETACH);
	rmdir(path);
}
