/* pf_regions() does not return while memory is being replaced that a registration would keep: it waits for the discarder, or names it. */
/* test: suite=short timeout=60 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/step.h"
#include "pool.h"

#ifdef PF_STEPS
static void stop_at(const char *name)
{
	if (!strcmp(name, "discard: memory replaced"))
		raise(SIGSTOP);
}

static int holds(void *arg)
{
	pf_pool *pool = pool_open(arg);
	pf_file *file;
	pf_pin *pin;

	OK(pf_open(pool, "f", PF_O_RDWR, 0, &file));
	OK(pf_pin_file(file, 0, 4096, 0, &pin));
	OK(pf_truncate(file, 0, PF_DETACH, 0));
	raise(SIGKILL);
	return 0;
}

static int discards(void *arg)
{
	pf_pool *pool = pool_open(arg);

	step_hook = stop_at;
	must_be(pf_reap(pool), 1);
	step_hook = NULL;
	OK(pf_pool_close(pool));
	return 0;
}

static void register_beside(const char *path, pf_pool *pool)
{
	struct pf_region region;
	pid_t pid;

	must_be(test_in_child(holds, (void *)path), 256 + SIGKILL);
	pid = test_fork(discards, (void *)path);
	test_wait_stopped(pid);
	must_be(pf_regions(pool, &region, 1), -PF_ESTOPPED);
	must(kill(pid, SIGCONT) == 0);
	must_be(test_wait(pid, TEST_PATIENCE), 0);
	must_be(pf_regions(pool, &region, 1), 1);
}
#endif

int main(void)
{
#ifdef PF_STEPS
	const char *path = pool_make("pool", 16);
	pf_pool *pool = pool_open(path);

	pf_pool_set_lock_limit(pool, 100);
	pattern_file(pool, "f", 8192, 1);
	register_beside(path, pool);
	pool_empty(pool, "registered");
	OK(pf_pool_close(pool));
	return 0;
#else
	skip("%s", "this build has no steps; make test-debug has");
#endif
}
