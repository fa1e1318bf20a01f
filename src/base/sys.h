/*
 * Every system call and allocation that can fail goes through here, so that a test can make the Nth
 * one fail. Names and results are those of the call without "sys_". None is a cancellation point.
 */
#ifndef BASE_SYS_H
#define BASE_SYS_H

#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>

/* The Nth call from now on in this process fails with `error` (and only that one); 0: none. */
void sys_fail_nth(long n, int error);
/* How many calls there were since sys_fail_nth() was called. */
long sys_calls(void);

int sys_open(const char *path, int flags, mode_t mode);
int sys_openat(int dir, const char *name, int flags, mode_t mode);
int sys_close(int fd); /* never made to fail */
int sys_fcntl(int fd, int command, void *argument);
int sys_flock(int fd, int operation);
int sys_fstat(int fd, struct stat *st);
int sys_stat(const char *path, struct stat *st);
int sys_ftruncate(int fd, off_t length);
int sys_fallocate(int fd, int mode, off_t offset, off_t length);
int sys_unlinkat(int dir, const char *name, int flags);
int sys_memfd_create(const char *name, unsigned flags);
ssize_t sys_pread(int fd, void *buffer, size_t length, off_t offset);
ssize_t sys_pwrite(int fd, const void *buffer, size_t length, off_t offset);
void *sys_mmap(void *address, size_t length, int prot, int flags, int fd, off_t offset);
int sys_munmap(void *address, size_t length); /* never made to fail */
int sys_madvise(void *address, size_t length, int advice);
void *sys_malloc(size_t bytes);
void *sys_calloc(size_t count, size_t bytes);
void *sys_realloc(void *old, size_t bytes);
/* An array of *room elements of `bytes` each, which gets room for twice as many (16 at first). NULL: `at` and *room are as they were. */
void *sys_grow(void *at, size_t *room, size_t bytes);

#endif
