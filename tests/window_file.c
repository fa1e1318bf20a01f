/* A window shows the file: bytes that were written before and after, through the file or through another window, in large and small pieces; also when the file is closed and removed. */
/* test: suite=short timeout=60 */
#include <stdlib.h>
#include <string.h>

#include "pool.h"

#define MIB (1ul << 20)

static void same(const void *window, size_t length, uint64_t id, uint64_t offset)
{
	must_be(pattern_differs(window, length, id, offset), length);
}

static void reads(pf_pool *pool, const char *name, size_t length)
{
	pf_file *file;
	void *window;

	pattern_file(pool, name, length, 1);
	OK(pf_open(pool, name, 0, 0, &file));
	OK(pf_window_map(file, NULL, length, PF_MAP_READ, 0, &window));
	same(window, length, 1, 0);
	OK(pf_close(file));
	OK(pf_unlink(pool, name));
	same(window, length, 1, 0);
	OK(pf_window_unmap(pool, window, length));
	pool_empty(pool, name);
}

/* What is stored through one window is read through another, and through the file. */
static void writes(pf_pool *pool)
{
	size_t length = 3 * MIB + 5 * PF_PAGE_SIZE;
	uint8_t *a, *b, *bytes = malloc(length);
	pf_file *file;

	OK(pf_open(pool, "w", PF_O_RDWR | PF_O_CREATE, 0600, &file));
	OK(pf_truncate(file, length, PF_DETACH, 0));
	OK(pf_window_map(file, NULL, length, PF_MAP_READ | PF_MAP_WRITE, 0, (void **)&a));
	OK(pf_window_map(file, NULL, MIB, PF_MAP_READ | PF_MAP_POPULATE, MIB, (void **)&b));
	for (size_t i = 0; i < length; i++)
		must(a[i] == 0);
	pattern_fill(a, length, 2, 0);
	same(b, MIB, 2, MIB);
	must_be(pf_read(file, bytes, length, 0), length);
	same(bytes, length, 2, 0);
	must_be(pf_write(file, "x", 1, MIB + 7), 1);
	must(a[MIB + 7] == 'x' && b[7] == 'x');
	OK(pf_close(file));
	OK(pf_window_unmap(pool, a, length));
	OK(pf_window_unmap(pool, b, MIB));
	free(bytes);
	pool_empty(pool, "writes");
}

int main(void)
{
	pf_pool *pool = pool_open(pool_make("p", 64));

	reads(pool, "page", 1);
	reads(pool, "small", 5 * PF_PAGE_SIZE + 17);
	reads(pool, "large", 9 * MIB + 17);
	writes(pool);
	OK(pf_pool_close(pool));
	return 0;
}
