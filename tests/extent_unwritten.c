/* Allocated and never written: reads as zeros without memory being touched, becomes data page by page or folio by folio, and is kept past the end when asked for. */
/* test: suite=short timeout=60 */
#include <errno.h>
#include <string.h>

#include "pool.h"

#define PAGE PF_PAGE_SIZE
#define MIB  (1ul << 20)

static pf_pool *pool;
static const char *path;
static char bytes[4 * MIB];

static pf_file *new_file(const char *name)
{
	pf_file *file;

	OK(pf_open(pool, name, PF_O_RDWR | PF_O_CREATE | PF_O_TRUNC, 0644, &file));
	return file;
}

static uint64_t allocated(pf_file *file)
{
	struct pf_stat stat;

	OK(pf_stat(file, &stat));
	return stat.allocated;
}

static uint64_t size_of(pf_file *file)
{
	struct pf_stat stat;

	OK(pf_stat(file, &stat));
	return stat.size;
}

/* A file of `id` that goes, so that free memory is not zeros. */
static void dirty(void)
{
	for (unsigned i = 0; i < 20; i++)
		pattern_file(pool, "dirt", 2 * MIB + i * PAGE, 99);
	OK(pf_unlink(pool, "dirt"));
}

static void is_zero(pf_file *file, uint64_t from, uint64_t to)
{
	for (; from < to; from += PAGE) {
		must_be(pf_read(file, bytes, PAGE, from), PAGE);
		for (unsigned i = 0; i < PAGE; i++)
			must_be(bytes[i], 0);
	}
}

static void one_write(uint64_t at, uint64_t length, uint64_t size)
{
	pf_file *file = new_file("f");

	OK(pf_allocate(file, 0, size, 0));
	must_be(size_of(file), size);
	must_be(allocated(file), size);
	must_be(pf_seek(file, 0, PF_SEEK_HOLE), 0);
	must_be(pf_seek(file, 0, PF_SEEK_DATA), -ENXIO);
	is_zero(file, 0, size);
	pattern_fill(bytes, length, 5, at);
	must_be(pf_write(file, bytes, length, at), length);
	must_be(allocated(file), size);
	is_zero(file, 0, at / PAGE * PAGE);
	is_zero(file, (at + length + PAGE - 1) / PAGE * PAGE, size);
	must_be(pf_read(file, bytes, length, at), length);
	must_be(pattern_differs(bytes, length, 5, at), length);
	OK(pf_close(file));
	pool_check(pool, "a write into unwritten pages");
}

static void one_map(unsigned flags)
{
	pf_file *file = new_file("f");
	pf_map *map;
	const char *at;

	OK(pf_allocate(file, 0, 2 * MIB + 5 * PAGE, 0));
	OK(pf_map_file(file, 3 * PAGE, MIB, flags, &map));
	at = pf_map_address(map);
	for (unsigned i = 0; i < MIB; i++)
		must_be(at[i], 0);
	must_be(pf_seek(file, 0, PF_SEEK_DATA), 0);
	must_be(pf_seek(file, 0, PF_SEEK_HOLE), 2 * MIB);
	if (flags & PF_MAP_WRITE)
		pattern_fill(pf_map_address(map), MIB, 6, 0);
	OK(pf_unmap(map));
	if (flags & PF_MAP_WRITE) {
		must_be(pf_read(file, bytes, MIB, 3 * PAGE), MIB);
		must_be(pattern_differs(bytes, MIB, 6, 0), MIB);
	}
	OK(pf_close(file));
	pool_check(pool, "a map of unwritten pages");
}

static void read_only(void)
{
	pf_file *file = new_file("f");
	pf_pool *other;
	pf_pin *pin;

	OK(pf_allocate(file, 0, 10 * PAGE, 0));
	OK(pf_close(file));
	OK(pf_pool_open(path, PF_POOL_RDONLY, &other));
	OK(pf_open(other, "f", PF_O_RDONLY, 0, &file));
	is_zero(file, 0, 10 * PAGE);
	must_be(pf_pin_file(file, 0, PAGE, 0, &pin), -PF_EHOLE);
	OK(pf_close(file));
	OK(pf_pool_close(other));
	OK(pf_open(pool, "f", PF_O_RDONLY, 0, &file));
	OK(pf_pin_file(file, 0, PAGE, 0, &pin));
	OK(pf_unpin(pin));
	OK(pf_close(file));
}

static void keep_size(void)
{
	pf_file *file = new_file("f");

	must_be(pf_append(file, "abc", 3), 3);
	OK(pf_allocate(file, 0, 3 * MIB, PF_ALLOC_KEEP_SIZE));
	must_be(size_of(file), 3);
	must_be(pf_seek(file, 3, PF_SEEK_DATA), -ENXIO);
	OK(pf_close(file));
	OK(pf_open(pool, "f", PF_O_RDWR, 0, &file));
	must_be(allocated(file) >= 3 * MIB, 1);
	/* It grows over them, by an append and by a size. */
	pattern_fill(bytes, 100000, 8, 0);
	must_be(pf_append(file, bytes, 100000), 100000);
	OK(pf_truncate(file, 2 * MIB + 100, PF_DETACH, 0));
	OK(pf_close(file));
	OK(pf_open(pool, "f", PF_O_RDWR, 0, &file));
	must_be(allocated(file) >= 3 * MIB, 1);
	must_be(pf_read(file, bytes, 100003, 0), 100003);
	must_be(pattern_differs(bytes + 3, 100000, 8, 0), 100000);
	is_zero(file, 102400, 2 * MIB);
	/* A file that does not grow gives them back. */
	OK(pf_truncate(file, 2 * MIB, PF_DETACH, 0));
	must_be(allocated(file), 2 * MIB);
	OK(pf_close(file));
	pool_check(pool, "kept pages");
}

static void zeros(void)
{
	pf_file *file = new_file("f");

	pattern_fill(bytes, 3 * MIB, 3, 0);
	must_be(pf_write(file, bytes, 3 * MIB, 0), 3 * MIB);
	OK(pf_punch(file, 5 * PAGE, PAGE, PF_DETACH, 0));
	OK(pf_allocate(file, 100, MIB, PF_ALLOC_ZERO));
	must_be(size_of(file), 3 * MIB);
	must_be(pf_read(file, bytes, 3 * MIB, 0), 3 * MIB);
	must_be(pattern_differs(bytes, 100, 3, 0), 100);
	for (unsigned i = 100; i < 100 + MIB; i++)
		must_be(bytes[i], 0);
	must_be(pattern_differs(bytes + 100 + MIB, 2 * MIB - 100, 3, 100 + MIB), 2 * MIB - 100);
	OK(pf_close(file));
}

/* Truncate, punch and unlink see them as pages. */
static void leaves(void)
{
	pf_file *file = new_file("f");

	OK(pf_allocate(file, 0, 4 * MIB, 0));
	OK(pf_punch(file, MIB, PAGE, PF_DETACH, 0));
	must_be(allocated(file), 4 * MIB - PAGE);
	must_be(pf_write(file, "x", 1, MIB - PAGE), 1);
	must_be(pf_seek(file, 0, PF_SEEK_DATA), MIB - PAGE);
	must_be(pf_seek(file, MIB - PAGE, PF_SEEK_HOLE), MIB);
	OK(pf_truncate(file, 3 * MIB + PAGE, PF_DETACH, 0));
	must_be(allocated(file), 3 * MIB);
	OK(pf_truncate(file, 4 * MIB, PF_DETACH, 0));
	must_be(pf_seek(file, MIB, PF_SEEK_DATA), -ENXIO);
	OK(pf_close(file));
	pool_check(pool, "unwritten pages leave");
}

/* All of it is there when the pool is opened anew, and fsck accepts it. */
static void again(void)
{
	pf_file *file = new_file("f");
	uint64_t before;

	OK(pf_allocate(file, 0, 3 * MIB, 0));
	must_be(pf_write(file, "x", 1, 2 * MIB), 1);
	before = allocated(file);
	OK(pf_close(file));
	OK(pf_pool_close(pool));
	must_be(pf_fsck(path, NULL, NULL), 0);
	pool = pool_open(path);
	OK(pf_open(pool, "f", PF_O_RDONLY, 0, &file));
	must_be(allocated(file), before);
	must_be(pf_seek(file, 0, PF_SEEK_DATA), 2 * MIB);
	OK(pf_sync(file));
	OK(pf_close(file));
}

int main(void)
{
	test_dir();
	path = pool_make("p", 64);
	pool = pool_open(path);
	dirty();
	one_write(0, 1, 10 * PAGE);
	one_write(5000, 10000, 10 * PAGE);
	one_write(5000, 100, 2 * MIB);
	one_write(2 * MIB - 10, 20, 4 * MIB);
	one_write(PAGE, PAGE, MIB);
	one_map(PF_MAP_READ);
	one_map(PF_MAP_WRITE);
	read_only();
	keep_size();
	zeros();
	leaves();
	again();
	pool_empty(pool, "unwritten pages");
	OK(pf_pool_close(pool));
	return 0;
}
