/*
 * A process dies in the middle of a transaction and the one that replays it is stopped: who needs that file gets -PF_ESTOPPED, again and
 * again and changing nothing; other files, stat and list of them go on; after SIGCONT all is well.
 */
/* test: suite=short timeout=60 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/step.h"
#include "pinfold.h"
#include "test.h"

#define LIMIT 100u /* ms */

static const char *path;

#ifdef PF_STEPS
static const char *wanted;
static int signal_then;

static void act_at(const char *name)
{
	if (wanted && !strcmp(name, wanted)) {
		wanted = NULL;
		raise(signal_then);
	}
}
#endif

static bool act(const char *name, int number)
{
#ifdef PF_STEPS
	wanted = name;
	signal_then = number;
	step_hook = act_at;
	return true;
#else
	(void)name;
	(void)number;
	return false;
#endif
}

static pf_pool *open_pool(void)
{
	pf_pool *pool;

	must_be(pf_pool_open(path, PF_POOL_NO_THREAD, &pool), 0);
	pf_pool_set_lock_limit(pool, LIMIT);
	return pool;
}

/* Killed after the first word of the size and times was stored. */
static int dies(void *arg)
{
	pf_pool *pool = open_pool();
	pf_file *file;

	(void)arg;
	must_be(pf_open(pool, "torn", PF_O_RDWR, 0, &file), 0);
	act("journal: applied one", SIGKILL);
	pf_truncate(file, 100000, PF_DETACH, 0);
	return 1;
}

static int replays(void *arg)
{
	pf_pool *pool = open_pool();

	(void)arg;
	act("journal: taken over", SIGSTOP);
	pf_reap(pool);
	return 0;
}

static void make_files(pf_pool *pool, pf_file **torn)
{
	pf_file *file;

	must_be(pf_open(pool, "whole", PF_O_RDWR | PF_O_CREATE, 0600, &file), 0);
	must_be(pf_close(file), 0);
	must_be(pf_open(pool, "torn", PF_O_RDWR | PF_O_CREATE, 0600, torn), 0);
	must_be(pf_write(*torn, "bytes", 5, 0), 5);
}

static void others_go_on(pf_pool *pool)
{
	uint64_t begin = clock_mono();
	pf_file *file;

	must_be(pf_open(pool, "whole", PF_O_RDWR, 0, &file), 0);
	must_be(pf_write(file, "more", 4, 0), 4);
	must_be(pf_close(file), 0);
	must_be(pf_open(pool, "new", PF_O_RDWR | PF_O_CREATE, 0600, &file), 0);
	must_be(pf_close(file), 0);
	must_be(pf_unlink(pool, "new"), 0);
	must(clock_mono() - begin < LIMIT * 1000000ull);
}

static void violated(void *arg, const char *rule, const char *text)
{
	(void)arg;
	fprintf(stderr, "%s: %s\n", rule, text);
}

int main(void)
{
	struct pf_mkfs_options options = {.size = 16 << 20};
	struct pf_stat stat;
	pf_file *torn;
	pf_pool *pool;
	pid_t replayer;

	test_dir();
	path = test_path("pool");
	if (!act(NULL, 0))
		skip("this build has no steps");
	must_be(pf_mkfs(path, &options), 0);
	pool = open_pool();
	make_files(pool, &torn);
	must_be(test_wait(test_fork(dies, NULL), TEST_PATIENCE), 256 + SIGKILL);
	replayer = test_fork(replays, NULL);
	test_wait_stopped(replayer);

	for (unsigned i = 0; i < 3; i++) {
		must_be(pf_truncate(torn, 7, PF_DETACH, 0), -PF_ESTOPPED);
		must_be(pf_stat(torn, &stat), -PF_ESTOPPED);
		others_go_on(pool);
	}
	must(kill(replayer, SIGCONT) == 0);
	must_be(test_wait(replayer, TEST_PATIENCE), 0);
	must_be(pf_stat(torn, &stat), 0);
	must_be(stat.size, 100000);
	must_be(pf_truncate(torn, 7, PF_DETACH, 0), 0);
	pf_reap(pool);
	must_be(pf_check(pool, violated, NULL), 0);
	must_be(pf_close(torn), 0);
	must_be(pf_pool_close(pool), 0);
	must_be(pf_fsck(path, violated, NULL), 0);
	return 0;
}
