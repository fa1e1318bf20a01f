/* An old pool still has order-9 folios: filled to four fifths, and what it has replaced three times over, or as far as the budget goes, at least nine of ten new files of 2 MiB are one. */
/* test: suite=short timeout=120 */
#include <stdio.h>
#include <string.h>

#include "pool.h"

#define PAGE      PF_PAGE_SIZE
#define MIB       (1ul << 20)
#define POOL_MIB  128u
#define FILES     4096u
#define MAX_BYTES (512ul * 1024)

static struct {
	uint64_t bytes, id; /* 0: there is none */
} files[FILES];
static pf_pool *pool;
static uint64_t next_id = 1;
static char bytes[2 * MIB];

static const char *name_of(unsigned i)
{
	static char name[32];

	snprintf(name, sizeof name, "f%u", i);
	return name;
}

static uint64_t used(void)
{
	struct pf_info info = pool_info(pool);

	return (info.pages_total - info.pages_free) * PAGE;
}

/* From 1 page to MAX_BYTES; small ones are more than large ones. */
static uint64_t some_size(struct test_random *chance)
{
	uint64_t most = PAGE << test_below(chance, 8);

	return most + test_below(chance, most / PAGE) * PAGE;
}

/* Written whole, or in pieces. */
static bool make(unsigned i, struct test_random *chance)
{
	uint64_t size = some_size(chance), step = test_below(chance, 2) ? size : 3 * PAGE;
	pf_file *file;
	bool made = true;

	files[i].id = next_id++;
	OK(pf_open(pool, name_of(i), PF_O_RDWR | PF_O_CREATE, 0644, &file));
	for (uint64_t at = 0; at < size && made; at += step) {
		uint64_t n = size - at < step ? size - at : step;

		pattern_fill(bytes, n, files[i].id, at);
		made = pf_write(file, bytes, n, at) == (ssize_t)n;
	}
	OK(pf_close(file));
	if (made)
		files[i].bytes = size;
	else
		OK(pf_unlink(pool, name_of(i)));
	return made;
}

static void is_whole(unsigned i)
{
	pf_file *file;

	OK(pf_open(pool, name_of(i), PF_O_RDONLY, 0, &file));
	must_be(pf_read(file, bytes, sizeof bytes, 0), files[i].bytes);
	must_be(pattern_differs(bytes, files[i].bytes, files[i].id, 0), files[i].bytes);
	OK(pf_close(file));
}

static void drop(unsigned i)
{
	is_whole(i);
	OK(pf_unlink(pool, name_of(i)));
	files[i].bytes = 0;
}

/* Until so much was made, or that share of the budget is over. */
static void age(struct test_random *chance, uint64_t full, uint64_t churn, double share)
{
	uint64_t made = 0, now_used = used();

	while (made < churn && test_time_left(share)) {
		unsigned i = (unsigned)test_below(chance, FILES);

		if (files[i].bytes) {
			if (now_used + MAX_BYTES < full)
				continue;
			now_used -= files[i].bytes;
			drop(i);
		} else if (now_used < full && make(i, chance)) {
			now_used += files[i].bytes;
			made += files[i].bytes;
		}
	}
}

static bool is_one_folio(unsigned i)
{
	pf_file *file;
	pf_map *map;
	bool one = false;
	char name[32];

	snprintf(name, sizeof name, "new%u", i);
	pattern_fill(bytes, sizeof bytes, i, 7);
	OK(pf_open(pool, name, PF_O_RDWR | PF_O_CREATE, 0644, &file));
	must_be(pf_write(file, bytes, sizeof bytes, 0), sizeof bytes);
	if (pf_map_file(file, 0, sizeof bytes, PF_MAP_READ, &map) == 0) {
		one = (uintptr_t)pf_map_address(map) % (2 * MIB) == 0;
		OK(pf_unmap(map));
	}
	OK(pf_close(file));
	return one;
}

int main(void)
{
	const char *path = pool_make("pool", POOL_MIB);
	struct test_random chance = {test_seed()};
	struct pf_compacted nothing;
	struct pf_info info;
	unsigned want, got = 0, whole;
	uint64_t full;

	pool = pool_open(path);
	info = pool_info(pool);
	full = info.pages_total * PAGE / 5 * 4;
	age(&chance, full, full, 1e9); /* it becomes full, however long that takes */
	age(&chance, full, 3 * full, 0.7);
	OK(pf_compact(pool, 0, &nothing));
	info = pool_info(pool);
	want = (unsigned)(info.pages_free * PAGE / (2 * MIB) * 3 / 4);
	whole = (unsigned)(nothing.whole_before / (2 * MIB));
	for (unsigned i = 0; i < want; i++)
		got += is_one_folio(i);
	printf("%u%% full: before, %u pieces of 2 MiB were free; of %u new files of 2 MiB, %u have one\n",
	       100u - (unsigned)(info.pages_free * 100 / info.pages_total), whole, want, got);
	for (unsigned i = 0; i < FILES; i++)
		if (files[i].bytes)
			is_whole(i);
	pool_check(pool, "old");
	must(got * 10 >= want * 9);
	OK(pf_pool_close(pool));
	return 0;
}
