/* While idle folios move, who reads, writes, maps and pins the files sees their bytes; what is held stays where it is. */
/* test: suite=short timeout=120 */
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pool.h"

#define PAGE   PF_PAGE_SIZE
#define FILES  24u
#define PAGES  40u
#define USERS  3u
#define OTHERS 80u

static const char *path;

static pf_file *open_file(pf_pool *pool, unsigned i)
{
	char name[16];
	pf_file *file;

	snprintf(name, sizeof name, "f%u", i);
	OK(pf_open(pool, name, PF_O_RDWR | PF_O_CREATE, 0644, &file));
	return file;
}

/* A page says which it is, of which file, and how often its one writer has written it. Each file has one writer, so what that wrote last is there. */
static void stamp(uint64_t *page, unsigned file, unsigned index, uint64_t times)
{
	for (unsigned i = 0; i < PAGE / 8; i++)
		page[i] = (uint64_t)file << 48 | (uint64_t)index << 32 | times;
}

static uint64_t times_of(const uint64_t *page, unsigned file, unsigned index)
{
	for (unsigned i = 0; i < PAGE / 8; i++) {
		uint64_t w = __atomic_load_n(&page[i], __ATOMIC_RELAXED);

		if (w >> 32 != ((uint64_t)file << 16 | index))
			test_fail(__FILE__, __LINE__, "page %u of file %u says %lx", index, file,
				  (unsigned long)w);
	}
	return page[0] & 0xffffffff;
}

static void store(uint64_t *page, unsigned file, unsigned index, uint64_t times)
{
	for (unsigned i = 0; i < PAGE / 8; i++)
		__atomic_store_n(&page[i], (uint64_t)file << 48 | (uint64_t)index << 32 | times,
				 __ATOMIC_RELAXED);
}

/* Of this user's own files: what was written last is there, by whatever way. */
static void own(pf_file *file, unsigned i, uint64_t *times, struct test_random *r)
{
	static uint64_t page[PAGE / 8];
	unsigned index = (unsigned)test_below(r, PAGES);
	pf_map *map;

	switch (test_below(r, 4)) {
	case 0: /* somewhere else */
		OK(pf_punch(file, index * PAGE, PAGE, PF_DETACH, 0));
		/* fallthrough */
	case 1:
		stamp(page, i, index, ++times[index]);
		must_be(pf_write(file, page, PAGE, index * PAGE), PAGE);
		break;
	case 2:
		must_be(pf_read(file, page, PAGE, index * PAGE), PAGE);
		must_be(times_of(page, i, index), times[index]);
		break;
	default:
		OK(pf_map_file(file, index * PAGE, PAGE, PF_MAP_READ | PF_MAP_WRITE, &map));
		must_be(times_of(pf_map_address(map), i, index), times[index]);
		store(pf_map_address(map), i, index, ++times[index]);
		must_be(times_of(pf_map_address(map), i, index), times[index]);
		OK(pf_unmap(map));
	}
}

/* A pinned page stays where it is, and its bytes are the file's. */
static void pinned(pf_file *file, unsigned i, struct test_random *r)
{
	unsigned index = (unsigned)test_below(r, PAGES);
	const struct pf_chunk *chunk;
	pf_pin *pin, *again;
	size_t n;

	OK(pf_pin_file(file, index * PAGE, PAGE, 0, &pin));
	chunk = pf_pin_chunks(pin, &n);
	times_of(chunk->address, i, index);
	if (test_below(r, 4) == 0)
		sched_yield();
	OK(pf_pin_file(file, index * PAGE, PAGE, 0, &again));
	must(pf_pin_chunks(again, &n)->address == chunk->address);
	OK(pf_unpin(again));
	OK(pf_unpin(pin));
}

static int user(void *arg)
{
	unsigned me = *(unsigned *)arg, rounds = 0;
	struct test_random r = {getpid() * 7919ul};
	static uint64_t times[FILES][PAGES];
	pf_pool *pool = pool_open(path);
	pf_file *files[FILES];

	for (unsigned i = me; i < FILES; i += USERS)
		files[i] = open_file(pool, i);
	while (test_time_left(0.5)) {
		unsigned i = me + USERS * (unsigned)test_below(&r, FILES / USERS);

		own(files[i], i, times[i], &r);
		if (++rounds % 8 == 0)
			pinned(files[i], i, &r);
	}
	for (unsigned i = me; i < FILES; i += USERS)
		OK(pf_close(files[i]));
	OK(pf_pool_close(pool));
	return 0;
}

/* Their pages lie scattered over all blocks, between those of other files. */
static void make_files(pf_pool *pool)
{
	static uint64_t page[PAGE / 8];
	static char bytes[64 * PAGE];
	pf_file *file;

	for (unsigned index = 0; index < PAGES; index++) {
		for (unsigned i = 0; i < FILES; i++) {
			file = open_file(pool, i);
			stamp(page, i, index, 0);
			must_be(pf_write(file, page, PAGE, index * PAGE), PAGE);
			OK(pf_close(file));
		}
		file = open_file(pool, FILES + index);
		must_be(pf_write(file, bytes, sizeof bytes, 0), sizeof bytes);
		OK(pf_close(file));
	}
}

/* Files of all sizes come and go between those pages, so that there is always something to be brought together. */
static void disturb(pf_pool *pool, struct test_random *r)
{
	static char bytes[64 * PAGE];

	for (unsigned n = 0; n < 30; n++) {
		unsigned i = FILES + (unsigned)test_below(r, OTHERS);
		pf_file *file = open_file(pool, i);
		char name[16];

		if (test_below(r, 2)) {
			pf_write(file, bytes, PAGE + test_below(r, 64 * PAGE - PAGE), 0);
		} else {
			snprintf(name, sizeof name, "f%u", i);
			OK(pf_unlink(pool, name));
		}
		OK(pf_close(file));
	}
}

int main(void)
{
	struct test_random r = {test_seed()};
	unsigned number[USERS], rounds = 0;
	uint64_t moved = 0;
	pid_t pids[USERS];
	pf_pool *pool;

	path = pool_make("pool", 24);
	pool = pool_open(path);
	make_files(pool);
	for (unsigned i = 0; i < USERS; i++) {
		number[i] = i;
		pids[i] = test_fork(user, &number[i]);
	}
	while (test_time_left(0.5)) {
		struct pf_compacted result;

		disturb(pool, &r);
		OK(pf_compact(pool, UINT64_MAX, &result));
		moved += result.moved / PAGE;
		rounds++;
	}
	for (unsigned i = 0; i < USERS; i++)
		must_be(test_wait(pids[i], TEST_PATIENCE), 0);
	pool_check(pool, "at the end");
	printf("%u compactions moved %lu pages\n", rounds, (unsigned long)moved);
	must(moved);
	OK(pf_pool_close(pool));
	return 0;
}
