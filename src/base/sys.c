/* System calls and allocations, each of which a test can make fail. */
#include "base/sys.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/stand_in.h"

static _Atomic long calls, fail_at;
static _Atomic int fail_with;

void sys_fail_nth(long n, int error)
{
	atomic_store(&fail_with, error);
	atomic_store(&fail_at, n);
	atomic_store(&calls, 0);
}

long sys_calls(void)
{
	return atomic_load(&calls);
}

/* Not a cancellation point: locks and memory would stay with a thread that ends in a call of ours. */
#define whole(call)                                                           \
	__extension__({                                                       \
		int whole_state;                                              \
		__typeof__(call) whole_rc;                                    \
                                                                              \
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &whole_state); \
		whole_rc = (call);                                            \
		pthread_setcancelstate(whole_state, NULL);                    \
		whole_rc;                                                     \
	})

static int fails(void)
{
	long n = atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed) + 1;

	if (n != atomic_load_explicit(&fail_at, memory_order_relaxed))
		return 0;
	errno = atomic_load(&fail_with);
	return 1;
}

/* A stand-in's refusal, if it is one. */
static int refused(int error)
{
	if (error)
		errno = error;
	return error;
}

int sys_open(const char *path, int flags, mode_t mode)
{
	return fails() ? -1 : whole(open(path, flags, mode));
}

int sys_openat(int dir, const char *name, int flags, mode_t mode)
{
	return fails() ? -1 : whole(openat(dir, name, flags, mode));
}

int sys_close(int fd)
{
	return whole(close(fd));
}

int sys_fcntl(int fd, int command, void *argument)
{
	return fails() ? -1 : fcntl(fd, command, argument);
}

int sys_flock(int fd, int operation)
{
	return fails() ? -1 : flock(fd, operation);
}

int sys_fstat(int fd, struct stat *st)
{
	if (fails() || fstat(fd, st) < 0)
		return -1;
	stand_in_stat(st);
	return 0;
}

int sys_stat(const char *path, struct stat *st)
{
	if (fails() || stat(path, st) < 0)
		return -1;
	stand_in_stat(st);
	return 0;
}

int sys_ftruncate(int fd, off_t length)
{
	return fails() || refused(stand_in_refuses_io(fd)) ? -1 : ftruncate(fd, length);
}

int sys_fallocate(int fd, int mode, off_t offset, off_t length)
{
	int rc;

	if (fails() || refused(stand_in_refuses_fallocate(fd, mode)))
		return -1;
	do
		rc = whole(fallocate(fd, mode, offset, length));
	while (rc < 0 && errno == EINTR); /* tmpfs gives up, and undoes, for any signal */
	return rc;
}

int sys_unlinkat(int dir, const char *name, int flags)
{
	return fails() ? -1 : unlinkat(dir, name, flags);
}

int sys_memfd_create(const char *name, unsigned flags)
{
	return fails() ? -1 : memfd_create(name, flags);
}

ssize_t sys_pread(int fd, void *buffer, size_t length, off_t offset)
{
	return fails() || refused(stand_in_refuses_io(fd))
		       ? -1
		       : whole(pread(fd, buffer, length, offset));
}

ssize_t sys_pwrite(int fd, const void *buffer, size_t length, off_t offset)
{
	return fails() || refused(stand_in_refuses_io(fd))
		       ? -1
		       : whole(pwrite(fd, buffer, length, offset));
}

void *sys_mmap(void *address, size_t length, int prot, int flags, int fd, off_t offset)
{
	if (fails() || refused(stand_in_refuses_mmap(fd, address, length, offset, &flags)))
		return MAP_FAILED;
#ifdef __SANITIZE_THREAD__
	/* To ThreadSanitizer mmap(2) stores to all of the range, which races with who looks at a window whose pages are exchanged. */
	if (flags & MAP_FIXED) /* NOLINTNEXTLINE(performance-no-int-to-ptr) */
		return (void *)syscall(SYS_mmap, address, length, prot, flags, fd, offset);
#endif
	return mmap(address, length, prot, flags, fd, offset);
}

int sys_munmap(void *address, size_t length)
{
	return munmap(address, length);
}

int sys_madvise(void *address, size_t length, int advice)
{
	return fails() ? -1 : madvise(address, length, advice);
}

void *sys_malloc(size_t bytes)
{
	return fails() ? NULL : malloc(bytes);
}

void *sys_calloc(size_t count, size_t bytes)
{
	return fails() ? NULL : calloc(count, bytes);
}

void *sys_realloc(void *old, size_t bytes)
{
	return fails() ? NULL : realloc(old, bytes);
}

void *sys_grow(void *at, size_t *room, size_t bytes)
{
	size_t more = *room ? 2 * *room : 16;
	void *grown = sys_realloc(at, more * bytes);

	if (grown)
		*room = more;
	return grown;
}
