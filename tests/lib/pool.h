/* Pools for tests: made, checked, emptied; bytes that tell which file and offset they belong to. */
#ifndef TEST_POOL_H
#define TEST_POOL_H

#include <stddef.h>

#include "pinfold.h"
#include "test.h"

/* The call does not fail; gives its result. */
#define OK(x)                                                                \
	__extension__({                                                      \
		long ok_rc = (long)(x);                                      \
		if (ok_rc < 0)                                               \
			test_fail(__FILE__, __LINE__, "%s: %ld", #x, ok_rc); \
		ok_rc;                                                       \
	})

/* A new pool of so many MiB in the test's directory; its path. */
const char *pool_make(const char *name, unsigned mib);
/* Opened without a service thread. */
pf_pool *pool_open(const char *path);
/* Reaps; then no rule is violated, or the test fails naming `what`. */
void pool_check(pf_pool *pool, const char *what);
/* Removes all files and directories; then nothing is wrong and every page and inode is free. */
void pool_empty(pf_pool *pool, const char *what);
struct pf_info pool_info(pf_pool *pool);

/* The pattern of file `id` at byte `offset`: different in every page of every file. */
void pattern_fill(void *to, size_t length, uint64_t id, uint64_t offset);
/* The first byte that differs from it, or `length`. */
size_t pattern_differs(const void *bytes, size_t length, uint64_t id, uint64_t offset);
/* A file of that pattern. */
void pattern_file(pf_pool *pool, const char *name, size_t length, uint64_t id);

/* Seconds on a clock that does not go back. */
double now(void);

#endif
