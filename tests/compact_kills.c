/* A process that is killed anywhere in a compaction leaves every file with its bytes, and no page lost or kept. */
/* test: suite=short timeout=120 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/step.h"
#include "pool.h"

#define PAGE  PF_PAGE_SIZE
#define FILES 40u
#define MOST  64u /* pages of a file */

/* What is at each page of each file: 0: a hole, or never written; 1: the file's pattern. */
static char there[FILES][MOST];
static const char *path;

static pf_file *open_file(pf_pool *pool, unsigned i)
{
	char name[16];
	pf_file *file;

	snprintf(name, sizeof name, "f%u", i);
	OK(pf_open(pool, name, PF_O_RDWR | PF_O_CREATE, 0644, &file));
	return file;
}

static void punch(pf_pool *pool, unsigned i, uint64_t from, uint64_t n)
{
	pf_file *file = open_file(pool, i);

	OK(pf_punch(file, from * PAGE, n * PAGE, PF_DETACH, 0));
	memset(&there[i][from], 0, n);
	OK(pf_close(file));
}

static void write_pages(pf_pool *pool, unsigned i, uint64_t from, uint64_t n)
{
	pf_file *file = open_file(pool, i);
	char *bytes = malloc(n * PAGE);

	pattern_fill(bytes, n * PAGE, i, from * PAGE);
	if (pf_write(file, bytes, n * PAGE, from * PAGE) == (ssize_t)(n * PAGE))
		memset(&there[i][from], 1, n);
	free(bytes);
	OK(pf_close(file));
}

/* Blocks full of folios of all sizes, some of them never written; then a part of everything goes. */
static void scatter(pf_pool *pool, struct test_random *chance)
{
	memset(there, 0, sizeof there);
	for (unsigned i = 0; i < FILES; i++) {
		pf_file *file = open_file(pool, i);

		OK(pf_truncate(file, MOST * PAGE, PF_DETACH, 0));
		pf_allocate(file, 0, MOST * PAGE, 0); /* as long as there is space */
		OK(pf_close(file));
		write_pages(pool, i, 0, 1 + test_below(chance, MOST));
	}
	for (unsigned n = 0; n < 5 * FILES; n++) {
		uint64_t from = test_below(chance, MOST), pages = 1 + test_below(chance, 6);

		punch(pool, (unsigned)test_below(chance, FILES), from,
		      pages < MOST - from ? pages : MOST - from);
	}
}

static void look(pf_pool *pool)
{
	static char bytes[PAGE], zeros[PAGE];

	for (unsigned i = 0; i < FILES; i++) {
		pf_file *file = open_file(pool, i);

		for (unsigned page = 0; page < MOST; page++) {
			must_be(pf_read(file, bytes, PAGE, page * PAGE), PAGE);
			if (there[i][page])
				must_be(pattern_differs(bytes, PAGE, i, page * PAGE), PAGE);
			else
				must(memcmp(bytes, zeros, PAGE) == 0);
		}
		OK(pf_close(file));
	}
}

#ifdef PF_STEPS
static long steps_left;

static void count_step(const char *name)
{
	(void)name;
	if (--steps_left == 0)
		kill(getpid(), SIGKILL);
}
#endif

static int compact(void *arg)
{
	const long *steps = arg;
	pf_pool *pool = pool_open(path);
	struct pf_compacted result;

	(void)steps;
#ifdef PF_STEPS
	steps_left = *steps;
	step_hook = count_step;
#endif
	OK(pf_compact(pool, UINT64_MAX, &result));
#ifdef PF_STEPS
	step_hook = NULL;
#endif
	must(result.whole_after >= result.whole_before);
	OK(pf_pool_close(pool));
	_exit(result.whole_after > result.whole_before ? 0 : 3);
}

/* Killed again and again, each time some steps later, until it comes to its end. Returns kills. */
static unsigned kill_through(pf_pool *pool, struct test_random *chance)
{
	unsigned kills = 0;
	int status;

	for (;;) {
		long steps = 1 + (long)test_below(chance, test_below(chance, 2) ? 40 : 4000);

		status = test_wait(test_fork(compact, &steps), TEST_PATIENCE);
		if (status != 256 + SIGKILL)
			break;
		kills++;
		pool_check(pool, "killed");
		if (kills % 8 == 0)
			look(pool);
	}
	must(status == 0 || status == 3);
	pool_check(pool, "compacted");
	look(pool);
	return kills;
}

int main(void)
{
	struct test_random chance = {test_seed()};
	unsigned kills = 0, rounds = 0;
	pf_pool *pool;

	path = pool_make("pool", 16);
	pool = pool_open(path);
	while (rounds == 0 || test_time_left(0.7)) {
		scatter(pool, &chance);
		look(pool);
		kills += kill_through(pool, &chance);
		pool_empty(pool, "compacted");
		rounds++;
	}
	OK(pf_pool_close(pool));
	pool = pool_open(path);
	pool_check(pool, "opened again");
	OK(pf_pool_close(pool));
	printf("%u rounds, %u kills\n", rounds, kills);
	return 0;
}
