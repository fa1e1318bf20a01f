/* Windows grow, where they are or elsewhere, and show what comes next in the file; a part of one moves away from the rest; what cannot be done changes nothing. */
/* test: suite=short timeout=60 */
#include <errno.h>
#include <string.h>

#include "pool.h"

#define PAGE PF_PAGE_SIZE
#define MIB  (1ul << 20)

static pf_pool *pool;

static void same(const void *window, size_t length, uint64_t offset)
{
	must_be(pattern_differs(window, length, 1, offset), length);
}

static uint8_t *map(const char *name, uint64_t length, unsigned flags, uint64_t offset)
{
	pf_file *file;
	void *window;

	OK(pf_open(pool, name, PF_O_RDWR, 0, &file));
	OK(pf_window_map(file, NULL, length, PF_MAP_READ | flags, offset, &window));
	OK(pf_close(file));
	return window;
}

/* What was behind it has gone: it can have it back. */
static void grows_in_place(void)
{
	uint8_t *w = map("a", 5 * MIB, 0, 0);
	void *got;

	OK(pf_window_unmap(pool, w + MIB, 4 * MIB));
	must_be(pf_window_remap(pool, w, MIB, 3 * MIB, 0, NULL, &got), 0);
	must(got == w);
	same(w, 3 * MIB, 0);
	must_be(pf_window_remap(pool, w, 3 * MIB, PAGE, 0, NULL, &got), 0);
	same(w, PAGE, 0);
	OK(pf_window_unmap(pool, w, PAGE));
}

static void moves_to_grow(void)
{
	uint8_t *w = map("a", 4 * MIB, 0, MIB);
	void *got;

	/* Its middle: what is behind it is in the way. */
	must_be(pf_window_remap(pool, w + MIB, MIB, 2 * MIB, 0, NULL, &got), -ENOMEM);
	same(w, 4 * MIB, MIB);
	must_be(pf_window_remap(pool, w + MIB, MIB, 3 * MIB, PF_REMAP_MAYMOVE, NULL, &got), 0);
	must(got != w + MIB);
	same(got, 3 * MIB, 2 * MIB);
	same(w, MIB, MIB);
	same(w + 2 * MIB, 2 * MIB, 3 * MIB);
	OK(pf_window_unmap(pool, got, 3 * MIB));
	OK(pf_window_unmap(pool, w, 4 * MIB));
}

/* Holes over which it grows get pages, if it can be written. */
static void grows_over_holes(void)
{
	uint8_t *w = map("sparse", PAGE, PF_MAP_WRITE, 0);
	void *got;

	must_be(pf_window_remap(pool, w, PAGE, 4 * MIB, PF_REMAP_MAYMOVE, NULL, &got), 0);
	memset(got, 7, 4 * MIB);
	OK(pf_window_unmap(pool, got, 4 * MIB));
}

static void refusals(void)
{
	uint8_t *w = map("a", 4 * PAGE, 0, 0);
	void *got;

	must_be(pf_window_remap(pool, w, 0, PAGE, 0, NULL, &got), -PF_ERANGE);
	must_be(pf_window_remap(pool, w, PAGE, 0, 0, NULL, &got), -PF_ERANGE);
	must_be(pf_window_remap(pool, w + 1, PAGE, PAGE, 0, NULL, &got), -PF_EALIGN);
	must_be(pf_window_remap(pool, w, 5 * PAGE, PAGE, 0, NULL, &got), -EFAULT);
	must_be(pf_window_remap(pool, w, PAGE, PAGE, PF_REMAP_FIXED, w + PAGE, &got), -PF_EFLAGS);
	must_be(pf_window_remap(pool, w, 2 * PAGE, 2 * PAGE, PF_REMAP_FIXED | PF_REMAP_MAYMOVE,
				w + PAGE, &got),
		-PF_ERANGE);
	same(w, 4 * PAGE, 0);
	must_be(pf_window_sync(pool, w, 4 * PAGE), 0);
	must_be(pf_window_sync(pool, w, 5 * PAGE), -ENOMEM);
	OK(pf_window_unmap(pool, w, 4 * PAGE));
}

int main(void)
{
	pf_file *sparse;

	pool = pool_open(pool_make("p", 64));
	pattern_file(pool, "a", 8 * MIB, 1);
	OK(pf_open(pool, "sparse", PF_O_RDWR | PF_O_CREATE, 0600, &sparse));
	OK(pf_truncate(sparse, 4 * MIB, PF_DETACH, 0));
	OK(pf_close(sparse));
	grows_in_place();
	moves_to_grow();
	grows_over_holes();
	refusals();
	pool_empty(pool, "remap");
	OK(pf_pool_close(pool));
	return 0;
}
