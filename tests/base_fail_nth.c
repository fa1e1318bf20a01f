/* The Nth system call or allocation fails as asked, that one only, and calls are counted. */
#include <errno.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/sys.h"
#include "test.h"

static struct stat st;
static int fd;

static bool ok(void *p)
{
	free(p);
	return p != NULL;
}

static bool map_and_advise(void)
{
	void *at = sys_mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool mapped = at != MAP_FAILED && sys_madvise(at, 4096, MADV_DONTFORK) == 0;

	if (at != MAP_FAILED)
		sys_munmap(at, 4096);
	return mapped;
}

static bool open_and_close(int new)
{
	return new >= 0 && sys_close(new) == 0;
}

/* One after the other, as if there were no failure; a bit per call says whether it worked. */
static unsigned calls(void)
{
	unsigned i = 0, worked = 0;
	char byte = 1;

#define CALL(x) worked |= (unsigned)(x) << i++
	CALL(open_and_close(sys_open(test_path("new"), O_RDWR | O_CREAT | O_CLOEXEC, 0600)));
	CALL(open_and_close(sys_openat(AT_FDCWD, test_dir(), O_RDONLY | O_CLOEXEC, 0)));
	CALL(open_and_close(sys_memfd_create("m", MFD_CLOEXEC)));
	CALL(sys_fcntl(fd, F_GETFL, NULL) >= 0);
	CALL(sys_flock(fd, LOCK_EX) == 0);
	CALL(sys_fstat(fd, &st) == 0);
	CALL(sys_stat(test_dir(), &st) == 0);
	CALL(sys_ftruncate(fd, 8192) == 0);
	CALL(sys_fallocate(fd, 0, 0, 8192) == 0);
	CALL(sys_pwrite(fd, &byte, 1, 0) == 1);
	CALL(sys_pread(fd, &byte, 1, 0) == 1);
	CALL(ok(sys_malloc(1)));
	CALL(ok(sys_calloc(1, 1)));
	CALL(ok(sys_realloc(NULL, 1)));
	CALL(map_and_advise());
	return worked;
#undef CALL
}

#define ALL       0x7fffu
#define ALL_CALLS 16 /* the last makes two */

int main(void)
{
	unsigned fds;

	fd = open(test_path("file"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	must(fd >= 0);
	fds = test_fds();
	sys_fail_nth(0, 0);
	must_be(calls(), ALL);
	must_be(sys_calls(), ALL_CALLS);
	for (int n = 1; n <= ALL_CALLS; n++) {
		sys_fail_nth(n, ENFILE);
		must_be(calls(), ALL & ~(1u << MIN(n - 1, 14)));
		must(sys_calls() >= ALL_CALLS - 1);
		must_be(test_fds(), fds);
	}
	sys_fail_nth(1, EDOM);
	errno = 0;
	must_be(sys_flock(fd, LOCK_UN), -1);
	must_be(errno, EDOM);
	must_be(sys_unlinkat(AT_FDCWD, test_path("file"), 0), 0);
	sys_fail_nth(1, EROFS);
	must_be(sys_unlinkat(AT_FDCWD, test_path("new"), 0), -1);
	must_be(errno, EROFS);
	return 0;
}
