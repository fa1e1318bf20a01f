/* Processes that open the pool, use it a moment and close it, some of them killed: each opening works, also as the first or beside the last
 * close, and finds files whole; in the end nothing is wrong or lost. */
/* test: timeout=120 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "media.h"
#include "pool.h"

#define WORKERS    3u
#define FILE_BYTES (1u << 20)

static const char *path;
static unsigned number; /* of this worker */

static void kept_is_whole(pf_pool *pool)
{
	static char bytes[FILE_BYTES];
	pf_file *f;

	OK(pf_open(pool, "kept", PF_O_RDONLY, 0, &f));
	must_be(pf_read(f, bytes, FILE_BYTES, 0), FILE_BYTES);
	must_be(pattern_differs(bytes, FILE_BYTES, 1, 0), FILE_BYTES);
	OK(pf_close(f));
}

/* Replaces its own file by rename, holding pages of the old one. */
static void replace_own(pf_pool *pool, struct test_random *r)
{
	char name[16], new_name[16];
	pf_file *f;
	pf_pin *pin;
	int rc;

	snprintf(name, sizeof name, "own-%u", number);
	snprintf(new_name, sizeof new_name, "new-%u", number);
	OK(pf_open(pool, new_name, PF_O_RDWR | PF_O_CREATE | PF_O_TRUNC, 0600, &f));
	OK(pf_allocate(f, 0, PF_PAGE_SIZE * (1 + test_below(r, 64)), 0));
	OK(pf_pin_file(f, 0, PF_PAGE_SIZE, PF_PIN_WRITE, &pin));
	OK(pf_rename(pool, new_name, name, 0));
	if (test_below(r, 2)) {
		rc = pf_unlink(pool, name);
		must(rc == 0);
	}
	OK(pf_unpin(pin));
	OK(pf_close(f));
}

static int worker(void *arg)
{
	struct test_random r = {test_seed() + (uint64_t)getpid()};
	pf_pool *pool;

	for (;;) {
		OK(pf_pool_open(path, test_below(&r, 2) ? PF_POOL_NO_THREAD : 0, &pool));
		kept_is_whole(pool);
		for (uint64_t n = test_below(&r, 4); n-- > 0;)
			replace_own(pool, &r);
		OK(pf_pool_close(pool));
	}
	return *(int *)arg;
}

static pid_t start(unsigned n)
{
	number = n;
	return test_fork(worker, NULL);
}

/* A worker that ends by itself failed. */
static unsigned kill_at_random(void)
{
	struct test_random r = {test_seed()};
	pid_t pids[WORKERS];
	unsigned kills = 0;

	for (unsigned i = 0; i < WORKERS; i++)
		pids[i] = start(i);
	for (; test_time_left(0.6); kills++) {
		unsigned i = (unsigned)test_below(&r, WORKERS);
		struct timespec pause = {.tv_nsec = (long)test_below(&r, 10000000)};

		nanosleep(&pause, NULL);
		test_kill(pids[i]);
		pids[i] = start(i);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		test_kill(pids[i]);
	return kills;
}

int main(void)
{
	pf_pool *pool;

	path = pool_make("pool", 32);
	pool = pool_open(path);
	pattern_file(pool, "kept", FILE_BYTES, 1);
	OK(pf_pool_close(pool));
	test_time_left(0.6);
	test_seed();
	printf("%u kills\n", kill_at_random());
	pool = pool_open(path);
	pool_check(pool, "kills");
	kept_is_whole(pool);
	pool_empty(pool, "kills");
	OK(pf_pool_close(pool));
	must_be(media_files(test_dir()), 0);
	must_be(pf_fsck(path, NULL, NULL), 0);
	return 0;
}
