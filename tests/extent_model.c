/* A file that is written, grown, cut, punched, allocated, mapped and closed in any order has the bytes of a plain array, whatever its pages had before. */
/* test: suite=short timeout=120 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"

#define PAGE PF_PAGE_SIZE
#define MIB  (1ul << 20)
#define MOST (5 * MIB)

static struct test_random chance;
static pf_pool *pool;
static const char *path;
static pf_file *file;
static uint8_t model[MOST], bytes[MOST];
static uint64_t size;
static unsigned char next;

/* Often near the borders of pages, folios, and what an inode can name. */
static uint64_t some_offset(void)
{
	static const uint64_t borders[] = {0, PAGE, 16 * PAGE, 17 * PAGE, 2 * MIB, 4 * MIB};
	uint64_t at = borders[test_below(&chance, 6)] + test_below(&chance, 3 * PAGE);

	if (test_below(&chance, 3) == 0)
		at = test_below(&chance, MOST);
	if (test_below(&chance, 2))
		at -= at % PAGE;
	return at;
}

static uint64_t some_length(uint64_t at)
{
	uint64_t most = test_below(&chance, 4) ? 3 * PAGE : 3 * MIB;
	uint64_t n = 1 + test_below(&chance, most);

	if (test_below(&chance, 3) == 0)
		n = n / PAGE * PAGE + PAGE;
	return at >= MOST ? 0 : at + n > MOST ? MOST - at : n;
}

static void set_size(uint64_t to)
{
	if (to < size)
		memset(model + to, 0, size - to);
	size = to;
}

static void some_write(bool append)
{
	uint64_t at = append ? size : some_offset(), n = some_length(at);

	if (!n)
		return;
	memset(bytes, ++next | 1, n);
	must_be(append ? pf_append(file, bytes, n) : pf_write(file, bytes, n, at), n);
	memcpy(model + at, bytes, n);
	size = at + n > size ? at + n : size;
}

/* What is mapped of the last page behind the end is zeros, if nobody held it when the file was cut. */
static void look_behind(void)
{
	pf_map *map;
	uint64_t at = size / PAGE * PAGE;

	if (size == at || pf_map_file(file, at, PAGE, PF_MAP_READ, &map) < 0)
		return;
	for (uint64_t i = size - at; i < PAGE; i++)
		must_be(((const uint8_t *)pf_map_address(map))[i], 0);
	OK(pf_unmap(map));
}

static void some_truncate(void)
{
	uint64_t to = test_below(&chance, 6) ? some_offset() : 0;

	if (to > MOST)
		return;
	OK(pf_truncate(file, to, (enum pf_policy)test_below(&chance, 3), 1000));
	set_size(to);
	look_behind();
}

static void some_punch(void)
{
	uint64_t at = some_offset(), n = some_length(at);

	if (!n)
		return;
	OK(pf_punch(file, at, n, PF_DETACH, 0));
	if (at < size)
		memset(model + at, 0, at + n < size ? n : size - at);
}

static void some_allocate(void)
{
	uint64_t at = some_offset(), n = some_length(at);
	unsigned flags = (unsigned)test_below(&chance, 4);

	if (!n)
		return;
	OK(pf_allocate(file, at, n, flags));
	if (flags & PF_ALLOC_ZERO && at < size)
		memset(model + at, 0, at + n < size ? n : size - at);
	if (!(flags & PF_ALLOC_KEEP_SIZE) && at + n > size)
		size = at + n;
}

static void some_map(void)
{
	uint64_t at = some_offset(), n = some_length(at);
	pf_pin *pin;
	const struct pf_chunk *chunk;
	size_t count;

	if (at >= size || !n)
		return;
	n = at + n > size ? size - at : n;
	OK(pf_pin_file(file, at, n, PF_PIN_WRITE, &pin));
	chunk = pf_pin_chunks(pin, &count);
	next++;
	for (size_t i = 0; i < count; i++) {
		must(!memcmp(chunk[i].address, model + at, chunk[i].length));
		memset(chunk[i].address, next | 1, chunk[i].length);
		memset(model + at, next | 1, chunk[i].length);
		at += chunk[i].length;
	}
	OK(pf_unpin(pin));
}

static void some_dirt(void)
{
	pattern_file(pool, "dirt", 100000 + test_below(&chance, 3 * MIB), 9);
	OK(pf_unlink(pool, "dirt"));
}

static void reopen(bool all)
{
	OK(pf_close(file));
	if (all) {
		OK(pf_pool_close(pool));
		if (pf_fsck(path, NULL, NULL))
			test_fail(__FILE__, __LINE__, "fsck finds something");
		pool = pool_open(path);
	}
	OK(pf_open(pool, "f", PF_O_RDWR, 0, &file));
}

static void compare(void)
{
	struct pf_stat stat;
	size_t i = 0;

	OK(pf_stat(file, &stat));
	must_be(stat.size, size);
	must_be(pf_read(file, bytes, MOST, 0), size);
	while (i < size && bytes[i] == model[i])
		i++;
	if (i < size)
		test_fail(__FILE__, __LINE__, "byte %zu of %lu is %u, not %u", i,
			  (unsigned long)size, bytes[i], model[i]);
}

static const char *step(void)
{
	switch (test_below(&chance, 16)) {
	case 0:
	case 1:
	case 2:
		return some_write(false), "write";
	case 3:
	case 4:
	case 5:
		return some_write(true), "append";
	case 6:
	case 7:
	case 8:
		return some_truncate(), "truncate";
	case 9:
		return some_punch(), "punch";
	case 10:
	case 11:
		return some_allocate(), "allocate";
	case 12:
		return some_map(), "map";
	case 13:
		return some_dirt(), "dirt";
	case 14:
		return look_behind(), "look";
	default:
		return reopen(test_below(&chance, 5) == 0), "reopen";
	}
}

int main(void)
{
	unsigned long steps = 0;

	test_dir();
	chance.state = test_seed();
	path = pool_make("p", 24);
	pool = pool_open(path);
	while (test_time_left(1)) {
		memset(model, 0, sizeof model);
		size = 0;
		OK(pf_open(pool, "f", PF_O_RDWR | PF_O_CREATE, 0644, &file));
		for (unsigned i = 0; i < 40; i++, steps++) {
			const char *what = step();

			if (getenv("PF_TEST_TRACE"))
				printf("%lu %s: %lu\n", steps, what, (unsigned long)size);
			compare();
		}
		pool_check(pool, "random extents");
		OK(pf_close(file));
		OK(pf_unlink(pool, "f"));
	}
	printf("%lu steps\n", steps);
	pool_empty(pool, "random extents");
	OK(pf_pool_close(pool));
	return 0;
}
