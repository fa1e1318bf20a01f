/* The host's own mappings for scripts of windows: a file on tmpfs, a memfd, huge pages of hugetlbfs. See window.h. */
#include "window.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kinds.h"
#include "test.h"

#define PAGE 4096ul
#define HUGE (2ul << 20)

static uint64_t unit = PAGE;
static int fds[WINDOW_FILES], pipe_fds[2] = {-1, -1};
static const char *dir; /* of the files; NULL: they are memfds, */
static struct {
	pid_t pid;
	int fd[WINDOW_FILES];
} * memfds; /* which the second process finds here */

static int failed(long rc)
{
	return rc < 0 ? -errno : 0;
}

/* ---- files --------------------------------------------------------------------------------------------- */

static bool start_tmpfs(void)
{
	dir = test_path("host");
	must(mkdir(dir, 0700) == 0 || errno == EEXIST);
	return true;
}

static bool start_memfd(void)
{
	dir = NULL;
	memfds = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(memfds != MAP_FAILED);
	return true;
}

bool window_huge_start(void)
{
	static int have = -1;
	struct kind *kind = kinds;

	while (strcmp(kind->name, "hugetlbfs"))
		must(++kind < kinds + kinds_count);
	if (have < 0)
		have = kind->start(kind);
	return have;
}

static bool start_hugetlb(void)
{
	if (!window_huge_start())
		return false;
	dir = test_path("huge");
	return true;
}

static void enter_small(void)
{
	unit = PAGE;
	memset(fds, -1, sizeof fds);
}

static void enter_huge(void)
{
	unit = HUGE;
	memset(fds, -1, sizeof fds);
}

static uint64_t get_unit(void)
{
	return unit;
}

static const char *path_of(unsigned f)
{
	static char path[2][512];
	static unsigned next;
	char *to = path[next++ % 2];

	if (dir)
		snprintf(to, sizeof path[0], "%s/%c", dir, 'a' + (char)f);
	else
		snprintf(to, sizeof path[0], "/proc/%d/fd/%d", (int)memfds->pid, memfds->fd[f]);
	return to;
}

static int open_again(unsigned f, bool write)
{
	int fd = open(path_of(f), (write ? O_RDWR : O_RDONLY) | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fds[f] >= 0)
		close(fds[f]);
	fds[f] = fd;
	return 0;
}

static int fd_of(unsigned f)
{
	if (fds[f] < 0)
		must_be(open_again(f, true), 0);
	return fds[f];
}

static int make(unsigned f, uint64_t size)
{
	must(fds[f] < 0);
	if (dir) {
		fds[f] = open(path_of(f), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	} else {
		fds[f] = memfd_create("window", MFD_CLOEXEC);
		memfds->pid = getpid();
		memfds->fd[f] = fds[f];
	}
	must(fds[f] >= 0);
	return failed(ftruncate(fds[f], (off_t)size));
}

/* hugetlbfs has no write(2). */
static int fill(unsigned f, uint64_t offset, const void *bytes, size_t length)
{
	char *at = mmap(NULL, length, PROT_WRITE, MAP_SHARED, fd_of(f), (off_t)offset);

	if (at == MAP_FAILED)
		return -errno;
	memcpy(at, bytes, length);
	return failed(munmap(at, length));
}

static int close_file(unsigned f)
{
	int rc = failed(close(fds[f]));

	fds[f] = -1;
	return rc;
}

static int unlink_file(unsigned f)
{
	return dir ? failed(unlink(path_of(f))) : -ENOSYS;
}

static int replace(unsigned from, unsigned to)
{
	return dir ? failed(rename(path_of(from), path_of(to))) : -ENOSYS;
}

static int64_t size(unsigned f)
{
	struct stat st;

	return fstat(fd_of(f), &st) < 0 ? -errno : st.st_size;
}

static ssize_t read_file(unsigned f, void *to, size_t length, uint64_t offset)
{
	ssize_t n = pread(fd_of(f), to, length, (off_t)offset);

	return n < 0 ? -errno : n;
}

static ssize_t write_file(unsigned f, const void *from, size_t length, uint64_t offset)
{
	ssize_t n = pwrite(fd_of(f), from, length, (off_t)offset);

	return n < 0 ? -errno : n;
}

static int truncate_file(unsigned f, uint64_t bytes)
{
	return failed(ftruncate(fd_of(f), (off_t)bytes));
}

static int punch(unsigned f, uint64_t offset, uint64_t length)
{
	return failed(fallocate(fd_of(f), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
				(off_t)length));
}

static int allocate(unsigned f, uint64_t offset, uint64_t length)
{
	return failed(fallocate(fd_of(f), 0, (off_t)offset, (off_t)length));
}

/* ---- mappings ------------------------------------------------------------------------------------------ */

static int prot_of(unsigned flags)
{
	return (flags & WINDOW_READ ? PROT_READ : 0) | (flags & WINDOW_WRITE ? PROT_WRITE : 0) |
	       (flags & WINDOW_EXEC ? PROT_EXEC : 0);
}

static int map(unsigned f, char *at, uint64_t length, unsigned flags, uint64_t offset, char **got)
{
	int how = MAP_SHARED | (flags & WINDOW_POPULATE ? MAP_POPULATE : 0);

	if (flags & WINDOW_FIXED)
		how |= flags & WINDOW_NOREPLACE ? MAP_FIXED_NOREPLACE : MAP_FIXED;
	*got = mmap(at, length, prot_of(flags), how, fd_of(f), (off_t)offset);
	return *got == MAP_FAILED ? -errno : 0;
}

static int unmap(char *at, uint64_t length)
{
	return failed(munmap(at, length));
}

static int protect(char *at, uint64_t length, unsigned flags)
{
	return failed(mprotect(at, length, prot_of(flags)));
}

static int remap(char *at, uint64_t length, uint64_t new_length, unsigned flags, char *to,
		 char **got)
{
	int how = (flags & WINDOW_MAYMOVE ? MREMAP_MAYMOVE : 0) |
		  (flags & WINDOW_TO ? MREMAP_FIXED : 0);

	*got = mremap(at, length, new_length, how, to);
	return *got == MAP_FAILED ? -errno : 0;
}

static int sync_range(char *at, uint64_t length)
{
	return failed(msync(at, length, MS_SYNC));
}

static unsigned file_of(unsigned long ino)
{
	struct stat st;

	for (unsigned f = 0; f < WINDOW_FILES; f++)
		if (fds[f] >= 0 && fstat(fds[f], &st) == 0 && st.st_ino == ino)
			return f;
	return WINDOW_FILES;
}

static int list(char *from, char *to,
		void (*each)(void *arg, char *at, uint64_t length, unsigned flags, unsigned f,
			     uint64_t offset),
		void *arg)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long start, end, offset, ino;
	char line[600], prot[5];

	must(maps != NULL);
	while (fgets(line, sizeof line, maps)) {
		must(sscanf(line, "%lx-%lx %4s %lx %*s %lu", &start, &end, prot, &offset, &ino) ==
		     5);
		if (start >= (uintptr_t)from && start < (uintptr_t)to &&
		    file_of(ino) < WINDOW_FILES)
			each(arg, (char *)start, end - start,
			     (prot[0] == 'r' ? WINDOW_READ : 0) |
				     (prot[1] == 'w' ? WINDOW_WRITE : 0) |
				     (prot[2] == 'x' ? WINDOW_EXEC : 0),
			     file_of(ino), offset);
	}
	fclose(maps);
	return 0;
}

/* ---- holds --------------------------------------------------------------------------------------------- */

/* In a pipe, as what splice(2) moves is. */
static int put_in_pipe(const char *at)
{
	struct iovec iov = {(void *)(uintptr_t)at, PAGE};

	must(pipe_fds[0] < 0 && pipe2(pipe_fds, O_CLOEXEC) == 0);
	return vmsplice(pipe_fds[1], &iov, 1, 0) < 0 ? -errno : 0;
}

static int drop(void)
{
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	pipe_fds[0] = pipe_fds[1] = -1;
	return 0;
}

static int hold(unsigned f, uint64_t offset)
{
	uint64_t begin = offset / unit * unit;
	char *at = mmap(NULL, unit, PROT_READ, MAP_SHARED, fd_of(f), (off_t)begin);
	int rc;

	if (at == MAP_FAILED)
		return -errno;
	rc = put_in_pipe(at + (offset - begin));
	munmap(at, unit);
	if (rc < 0)
		drop();
	return rc;
}

/* A copy of what is in the pipe: that stays. */
static int held(uint64_t *first, uint64_t *last)
{
	static uint64_t page[PAGE / 8];
	int copy[2];

	must(pipe2(copy, O_CLOEXEC) == 0);
	must(tee(pipe_fds[0], copy[1], PAGE, 0) == PAGE);
	must(read(copy[0], page, PAGE) == PAGE);
	close(copy[0]);
	close(copy[1]);
	*first = page[0];
	*last = page[PAGE / 8 - 1];
	return 0;
}

static int pin(char *at, bool write)
{
	uint64_t word;
	struct iovec own = {&word, 8}, there = {at, 8};

	if (!write) {
		int rc = put_in_pipe(at);

		drop();
		return rc;
	}
	if (process_vm_readv(getpid(), &own, 1, &there, 1, 0) < 0)
		return -errno;
	return process_vm_writev(getpid(), &own, 1, &there, 1, 0) < 0 ? -errno : 0;
}

static uint64_t word_of(const char *path, uint64_t index)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t word = 0;

	if (fd < 0)
		return UINT64_MAX;
	must(pread(fd, &word, 8, (off_t)(index * 8)) == 8);
	close(fd);
	return word;
}

#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_PFN     ((1ull << 55) - 1)

static int count(char *at)
{
	uint64_t entry = word_of("/proc/self/pagemap", (uintptr_t)at / PAGE), n;

	if (!(entry & PAGEMAP_PRESENT))
		return 0;
	n = entry & PAGEMAP_PFN ? word_of("/proc/kpagecount", entry & PAGEMAP_PFN) : UINT64_MAX;
	return n == UINT64_MAX ? -ENOSYS : (int)n; /* not root */
}

static void leave(void)
{
	if (pipe_fds[0] >= 0)
		drop();
	for (unsigned f = 0; f < WINDOW_FILES; f++) {
		if (dir)
			unlink(path_of(f));
		if (fds[f] >= 0)
			close_file(f);
	}
}

#define HOST(name_, start_, enter_)                                                                \
	{                                                                                          \
		.name = (name_), .start = (start_), .enter = (enter_), .unit = get_unit,           \
		.make = make, .fill = fill, .reopen = open_again, .close = close_file,             \
		.unlink = unlink_file, .replace = replace, .map = map, .unmap = unmap,             \
		.protect = protect, .remap = remap, .sync = sync_range, .size = size,              \
		.read = read_file, .write = write_file, .truncate = truncate_file, .punch = punch, \
		.allocate = allocate, .hold = hold, .held = held, .drop = drop, .pin = pin,        \
		.count = count, .list = list, .leave = leave                                       \
	}

const struct window_fs window_tmpfs = HOST("tmpfs", start_tmpfs, enter_small);
const struct window_fs window_memfd = HOST("memfd", start_memfd, enter_small);
const struct window_fs window_hugetlb = HOST("hugetlbfs", start_hugetlb, enter_huge);
