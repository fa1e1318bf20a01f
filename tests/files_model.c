/* Files behave as a plain array of bytes per name does: random reads, writes, sizes, holes, renames and removals against it. */
/* test: suite=short timeout=120 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"

#define NAMES 5
#define MAX   (3ul << 20)
#define ROUND 400 /* operations before everything is compared */

struct model {
	unsigned char *bytes; /* NULL: there is no such file */
	size_t size;
};

static struct model model[NAMES];
static struct test_random r;
static pf_pool *pool;

static const char *name_of(unsigned i)
{
	static const char *const names[NAMES] = {"a", "bb", "a file with a longer name", ".hidden",
						 "\xc3\xa9t\xc3\xa9"};

	return names[i];
}

static size_t some_offset(size_t max)
{
	switch (test_below(&r, 4)) {
	case 0:
		return test_below(&r, max / 4096 + 1) * 4096;
	case 1:
		return test_below(&r, max < 70000 ? max + 1 : 70000);
	default:
		return test_below(&r, max + 1);
	}
}

/* NULL when the model has no such file; then the pool must not have it either. */
static pf_file *open_it(unsigned i)
{
	pf_file *f = NULL;

	if (model[i].bytes)
		OK(pf_open(pool, name_of(i), PF_O_RDWR, 0, &f));
	else
		must_be(pf_open(pool, name_of(i), PF_O_RDWR, 0, &f), -PF_ENOFILE);
	return f;
}

static void create(unsigned i)
{
	pf_file *f;
	int rc = pf_open(pool, name_of(i), PF_O_RDWR | PF_O_CREATE | PF_O_EXCL, 0640, &f);

	must_be(rc, model[i].bytes ? -PF_EFILEEXISTS : 0);
	if (rc == 0) {
		model[i].bytes = calloc(1, MAX);
		model[i].size = 0;
		OK(pf_close(f));
	}
}

static void write_it(unsigned i, bool append)
{
	static unsigned char data[MAX];
	size_t offset = append ? model[i].size : some_offset(MAX - 1),
	       length = 1 + some_offset(MAX - 1) / 3;
	pf_file *f = open_it(i);

	if (!f)
		return;
	if (offset + length > MAX)
		length = MAX - offset;
	for (size_t k = 0; k < length; k++)
		data[k] = (unsigned char)(k * 31 + r.state);
	must_be(append ? pf_append(f, data, length) : pf_write(f, data, length, offset), length);
	memcpy(model[i].bytes + offset, data, length);
	if (offset + length > model[i].size)
		model[i].size = offset + length;
	OK(pf_close(f));
}

static void truncate_it(unsigned i)
{
	size_t size = some_offset(MAX);
	pf_file *f = open_it(i);

	if (!f)
		return;
	OK(pf_truncate(f, size, (enum pf_policy)test_below(&r, 3), 1000));
	if (size < model[i].size)
		memset(model[i].bytes + size, 0, model[i].size - size);
	model[i].size = size;
	OK(pf_close(f));
}

static void punch_it(unsigned i)
{
	size_t offset = some_offset(MAX - 1), length = 1 + some_offset(MAX - 1) / 2;
	pf_file *f = open_it(i);

	if (!f)
		return;
	OK(pf_punch(f, offset, length, (enum pf_policy)test_below(&r, 3), 1000));
	memset(model[i].bytes + offset, 0, offset + length > MAX ? MAX - offset : length);
	OK(pf_close(f));
}

static void allocate_it(unsigned i)
{
	size_t offset = some_offset(MAX / 2), length = 1 + some_offset(MAX / 2 - 1);
	pf_file *f = open_it(i);

	if (!f)
		return;
	OK(pf_allocate(f, offset, length, 0));
	if (offset + length > model[i].size)
		model[i].size = offset + length;
	OK(pf_close(f));
}

static void unlink_it(unsigned i)
{
	must_be(pf_unlink(pool, name_of(i)), model[i].bytes ? 0 : -PF_ENOFILE);
	free(model[i].bytes);
	model[i] = (struct model){0};
}

static void rename_it(unsigned i, unsigned to)
{
	must_be(pf_rename(pool, name_of(i), name_of(to), 0), model[i].bytes ? 0 : -PF_ENOFILE);
	if (i == to || !model[i].bytes)
		return;
	free(model[to].bytes);
	model[to] = model[i];
	model[i] = (struct model){0};
}

/* A map of what is there shows the same bytes. */
static void map_it(unsigned i)
{
	pf_file *f = open_it(i);
	size_t offset, length;
	pf_map *map;

	if (!f || !model[i].size) {
		if (f)
			OK(pf_close(f));
		return;
	}
	offset = test_below(&r, model[i].size);
	length = 1 + test_below(&r, model[i].size - offset);
	if (pf_map_file(f, offset, length, PF_MAP_READ, &map) == 0) {
		must(!memcmp(pf_map_address(map), model[i].bytes + offset, length));
		must(!pf_map_stale(map));
		OK(pf_unmap(map));
	}
	OK(pf_close(f));
}

static void step(void)
{
	unsigned i = (unsigned)test_below(&r, NAMES);

	switch (test_below(&r, 12)) {
	case 0:
	case 1:
		create(i);
		break;
	case 2:
	case 3:
		write_it(i, false);
		break;
	case 4:
		write_it(i, true && model[i].size < MAX);
		break;
	case 5:
		truncate_it(i);
		break;
	case 6:
	case 7:
		punch_it(i);
		break;
	case 8:
		allocate_it(i);
		break;
	case 9:
		map_it(i);
		break;
	case 10:
		if (test_below(&r, 4) == 0)
			unlink_it(i);
		break;
	default:
		rename_it(i, (unsigned)test_below(&r, NAMES));
	}
}

static void compare(void)
{
	static unsigned char data[MAX + 1];

	for (unsigned i = 0; i < NAMES; i++) {
		pf_file *f = open_it(i);
		struct pf_stat stat;
		ssize_t n;

		if (!f)
			continue;
		OK(pf_stat(f, &stat));
		must_be(stat.size, model[i].size);
		n = OK(pf_read(f, data, sizeof data, 0));
		must_be(n, model[i].size);
		for (size_t k = 0; k < (size_t)n; k++)
			if (data[k] != model[i].bytes[k])
				test_fail(__FILE__, __LINE__, "%s: byte %zu is %d, not %d",
					  name_of(i), k, data[k], model[i].bytes[k]);
		OK(pf_close(f));
	}
}

int main(void)
{
	const char *path = pool_make("pool", 64);
	unsigned long steps = 0;

	r.state = test_seed();
	pool = pool_open(path);
	while (test_time_left(1.0)) {
		for (unsigned i = 0; i < ROUND; i++)
			step();
		steps += ROUND;
		compare();
		pool_check(pool, "random operations");
		if (steps % (4 * ROUND) == 0) { /* as it is on the media */
			OK(pf_pool_close(pool));
			pool = pool_open(path);
			compare();
		}
	}
	for (unsigned i = 0; i < NAMES; i++)
		if (model[i].bytes)
			unlink_it(i);
	pool_empty(pool, "random operations");
	OK(pf_pool_close(pool));
	printf("%lu operations\n", steps);
	return 0;
}
