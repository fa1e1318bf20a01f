/* A pool is closed while a stopped process has the lock of a file that is open in it: that handle is given back by who reaps, and nothing is kept. */
/* test: suite=short timeout=60 */
#include <signal.h>
#include <string.h>

#include "base/step.h"
#include "pool.h"

#ifdef PF_STEPS
static void stop_at(const char *name)
{
	if (!strcmp(name, "truncate: size"))
		raise(SIGSTOP);
}

static int truncates(void *arg)
{
	pf_pool *pool = pool_open(arg);
	pf_file *file;

	OK(pf_open(pool, "f", PF_O_RDWR, 0, &file));
	step_hook = stop_at;
	OK(pf_truncate(file, 4096, PF_DETACH, 0));
	step_hook = NULL;
	OK(pf_pool_close(pool));
	return 0;
}

static void close_beside(const char *path, pf_pool *survivor)
{
	pf_pool *pool = pool_open(path);
	pf_file *file;
	pid_t pid;

	OK(pf_open(pool, "f", PF_O_RDONLY, 0, &file));
	pid = test_fork(truncates, (void *)path);
	test_wait_stopped(pid);
	pf_pool_set_lock_limit(pool, 50);
	must_be(pf_pool_close(pool), 0);
	must(kill(pid, SIGCONT) == 0);
	must_be(test_wait(pid, TEST_PATIENCE), 0);
	pool_check(survivor, "closed beside a stopped process");
}
#endif

int main(void)
{
#ifdef PF_STEPS
	const char *path = pool_make("pool", 16);
	pf_pool *survivor = pool_open(path);

	pattern_file(survivor, "f", 100000, 1);
	close_beside(path, survivor);
	pool_empty(survivor, "closed beside a stopped process");
	OK(pf_pool_close(survivor));
	return 0;
#else
	skip("%s", "this build has no steps; make test-debug has");
#endif
}
