/* How files that are written in order lie: one run of whole order-9 folios, also when they begin small; small files and closed ones have no page too many. */
/* test: suite=short timeout=120 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"

#define PAGE PF_PAGE_SIZE
#define MIB  (1ul << 20)

static pf_pool *pool;
static char bytes[MIB];

static uint64_t allocated(pf_file *file)
{
	struct pf_stat stat;

	OK(pf_stat(file, &stat));
	return stat.allocated;
}

static pf_file *new_file(const char *name)
{
	pf_file *file;

	OK(pf_open(pool, name, PF_O_RDWR | PF_O_CREATE, 0644, &file));
	return file;
}

static void grow(pf_file *file, uint64_t id, uint64_t from, uint64_t to, uint64_t step)
{
	for (uint64_t at = from; at < to; at += step) {
		pattern_fill(bytes, step, id, at);
		must_be(pf_append(file, bytes, step), step);
	}
}

/* Chunks of 2 MiB at most are counted together where they go on in memory. */
static size_t pieces(pf_file *file, uint64_t length)
{
	size_t n;
	pf_pin *pin;

	OK(pf_pin_file(file, 0, length, 0, &pin));
	pf_pin_chunks(pin, &n);
	OK(pf_unpin(pin));
	return n;
}

static void is_one_run(pf_file *file, uint64_t id, uint64_t length)
{
	pf_map *map;

	OK(pf_map_file(file, 0, length, PF_MAP_READ, &map));
	must_be(pattern_differs(pf_map_address(map), length, id, 0), length);
	must_be((uintptr_t)pf_map_address(map) % (2 * MIB), 0);
	OK(pf_unmap(map));
}

static void one(uint64_t step, uint64_t length)
{
	pf_file *file = new_file("f");

	pool_check(pool, "empty");
	grow(file, step, 0, length, step);
	is_one_run(file, step, length);
	OK(pf_close(file));
	OK(pf_open(pool, "f", PF_O_RDONLY, 0, &file));
	must_be(allocated(file), length);
	is_one_run(file, step, length);
	OK(pf_close(file));
	pool_check(pool, "a file that grew");
	pool_empty(pool, "a file that grew");
}

/* Each has few pieces, of many blocks. */
static void two(void)
{
	pf_file *a = new_file("a"), *b = new_file("b");
	uint64_t length = 64 * MIB;

	for (uint64_t at = 0; at < length; at += MIB / 4) {
		grow(a, 1, at, at + MIB / 4, PAGE);
		grow(b, 2, at, at + MIB / 4, PAGE * 16);
	}
	printf("two files of 64 MiB: %zu and %zu pieces\n", pieces(a, length), pieces(b, length));
	must(pieces(a, length) <= 4 && pieces(b, length) <= 4);
	OK(pf_close(a));
	OK(pf_close(b));
	pool_check(pool, "two files that grew");
	pool_empty(pool, "two files that grew");
}

static void small(void)
{
	pf_file *file = new_file("s");

	for (unsigned pages = 1; pages <= 16; pages++) {
		pattern_fill(bytes, PAGE, 4, (pages - 1) * PAGE);
		must_be(pf_append(file, bytes, PAGE), PAGE);
		must_be(allocated(file), pages * PAGE);
	}
	must_be(pf_append(file, "x", 1), 1);
	must_be(allocated(file), 2 * MIB);
	OK(pf_close(file));
	OK(pf_open(pool, "s", PF_O_RDWR, 0, &file));
	must_be(allocated(file), 17 * PAGE);
	must_be(pf_read(file, bytes, 17 * PAGE, 0), 16 * PAGE + 1);
	must_be(pattern_differs(bytes, 16 * PAGE, 4, 0), 16 * PAGE);
	OK(pf_close(file));
	pool_check(pool, "a small file");
	pool_empty(pool, "a small file");
}

/* Who holds a page keeps it where it is: the file does without a folio. */
static void held(void)
{
	pf_file *file = new_file("h");
	pf_map *map;

	grow(file, 7, 0, 16 * PAGE, PAGE);
	OK(pf_map_file(file, 3 * PAGE, PAGE, PF_MAP_WRITE, &map));
	grow(file, 7, 16 * PAGE, MIB, PAGE);
	strcpy(pf_map_address(map), "seen");
	must_be(pf_map_stale(map), 0);
	must_be(pf_read(file, bytes, 5, 3 * PAGE), 5);
	must(!strcmp(bytes, "seen"));
	OK(pf_unmap(map));
	must_be(allocated(file), MIB);
	OK(pf_close(file));
	pool_check(pool, "a file that grew while held");
	pool_empty(pool, "a file that grew while held");
}

/* What was there before does not show, whatever makes the file longer over pages that it had in advance. */
static void advance(void)
{
	pf_file *file;

	pattern_file(pool, "dirt", 2 * MIB, 9);
	OK(pf_unlink(pool, "dirt"));
	file = new_file("f");
	grow(file, 5, 0, 20 * PAGE, PAGE);
	must_be(pf_append(file, "x", 1), 1);
	OK(pf_truncate(file, 30 * PAGE + 5, PF_DETACH, 0));
	must_be(pf_write(file, "x", 1, 50 * PAGE + 9), 1);
	OK(pf_allocate(file, 0, 60 * PAGE, 0));
	must_be(pf_read(file, bytes, 60 * PAGE, 0), 60 * PAGE);
	must_be(pattern_differs(bytes, 20 * PAGE, 5, 0), 20 * PAGE);
	for (unsigned i = 20 * PAGE; i < 60 * PAGE; i++)
		must_be(bytes[i], i == 20 * PAGE || i == 50 * PAGE + 9 ? 'x' : 0);
	OK(pf_close(file));
	pool_empty(pool, "pages in advance");
}

/* Pages in advance are given up when there are no others. */
static void short_of_space(void)
{
	struct pf_info info = pool_info(pool);
	pf_file *file = new_file("f"), *other = new_file("o");

	grow(file, 5, 0, 20 * PAGE, PAGE);
	OK(pf_allocate(other, 0, (info.pages_free - 20) * PAGE, 0));
	must_be(pool_info(pool).pages_free, 0);
	must_be(allocated(file), 20 * PAGE);
	must_be(pf_append(file, "x", 1), -PF_ENOSPACE);
	OK(pf_close(file));
	OK(pf_close(other));
	pool_empty(pool, "pages in advance");
}

int main(void)
{
	test_dir();
	pool = pool_open(pool_make("p", 256));
	one(PAGE, 8 * MIB);
	one(16 * PAGE, 64 * MIB);
	one(MIB, 200 * MIB);
	one(PAGE, 3 * MIB + 5 * PAGE);
	two();
	small();
	held();
	advance();
	short_of_space();
	OK(pf_pool_close(pool));
	return 0;
}
