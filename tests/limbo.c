/* A process is stopped with the allocator's lock: a put of many folios that are to be freed waits for it once, not for each; all are freed later. */
/* test: suite=short timeout=60 */
#include <signal.h>
#include <string.h>

#include "base/step.h"
#include "pool.h"

#define FOLIOS 100
#define LIMIT  200u /* ms */

#ifdef PF_STEPS
static void stop_at(const char *name)
{
	if (!strcmp(name, "alloc: pending"))
		raise(SIGSTOP);
}

static int appends(void *arg)
{
	pf_pool *pool = pool_open(arg);
	pf_file *file;

	OK(pf_open(pool, "other", PF_O_RDWR | PF_O_CREATE, 0644, &file));
	step_hook = stop_at;
	OK(pf_append(file, "x", 1));
	step_hook = NULL;
	OK(pf_pool_close(pool));
	return 0;
}

/* Pages with holes between, each a folio of its own; pinned, then without a file. */
static void pin_orphans(pf_pool *pool, pf_pin *pin[FOLIOS])
{
	pf_file *file;

	OK(pf_open(pool, "f", PF_O_RDWR | PF_O_CREATE, 0644, &file));
	for (unsigned i = 0; i < FOLIOS; i++) {
		OK(pf_write(file, "y", 1, i * 8192));
		OK(pf_pin_file(file, i * 8192, 1, 0, &pin[i]));
	}
	OK(pf_truncate(file, 0, PF_DETACH, 0));
	OK(pf_close(file));
}

static void put_beside(const char *path, pf_pool *pool)
{
	pf_pin *pin[FOLIOS];
	double begun;
	pid_t pid;

	pin_orphans(pool, pin);
	pid = test_fork(appends, (void *)path);
	test_wait_stopped(pid);
	begun = now();
	for (unsigned i = 0; i < FOLIOS; i++)
		must_be(pf_unpin(pin[i]), 0);
	must(now() - begun < FOLIOS * LIMIT / 1000.0 / 4);
	must_be(pool_info(pool).pages_orphan, FOLIOS);
	must(kill(pid, SIGCONT) == 0);
	must_be(test_wait(pid, TEST_PATIENCE), 0);
}
#endif

int main(void)
{
#ifdef PF_STEPS
	const char *path = pool_make("pool", 16);
	pf_pool *pool = pool_open(path);

	pf_pool_set_lock_limit(pool, LIMIT);
	put_beside(path, pool);
	pool_empty(pool, "many puts beside a stopped process");
	OK(pf_pool_close(pool));
	return 0;
#else
	skip("%s", "this build has no steps; make test-debug has");
#endif
}
