/* How often a process that allocates and frees as fast as it can has the allocator's lock when it is stopped: measured and printed. */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

#include "file/pool.h"
#include "pool.h"

static const char *path;
static int ready;

static int churn(void *arg)
{
	pf_pool *pool = pool_open(path);
	pf_file *file;

	(void)arg;
	OK(pf_open(pool, "file", PF_O_RDWR | PF_O_CREATE, 0644, &file));
	test_gate_open(ready);
	for (;;) {
		OK(pf_allocate(file, 0, 64 * 4096, 0));
		OK(pf_truncate(file, 0, PF_DETACH, 0));
	}
}

static bool has_lock(pf_pool *pool, pid_t pid)
{
	struct rt *rt = pool->layout.rt;
	rt_owner owner = load_acquire(&pool->layout.pages.zone->lock.owner);

	return owner && load_relaxed(&rt_slot_at(rt, rt_owner_slot(owner))->pid) == (uint32_t)pid;
}

int main(void)
{
	struct test_random r = {test_seed()};
	unsigned long stops = 0, hits = 0;
	pf_pool *pool;
	pid_t pid;

	path = pool_make("pool", 32);
	ready = test_gate();
	pool = pool_open(path);
	pid = test_fork(churn, NULL);
	test_gate_wait(ready);
	while (test_time_left(0.5)) {
		struct timespec moment = {.tv_nsec = (long)test_below(&r, 1000000)};

		nanosleep(&moment, NULL); /* a random moment, nothing waits for it */
		must(kill(pid, SIGSTOP) == 0);
		test_wait_stopped(pid);
		stops++;
		hits += has_lock(pool, pid);
		must(kill(pid, SIGCONT) == 0);
	}
	printf("%lu of %lu stops hit the allocator lock (%.1f %%), in a process that does nothing but allocate and free\n",
	       hits, stops, 100.0 * (double)hits / (double)stops);
	must(stops > 10);
	test_kill(pid);
	pool_empty(pool, "stops");
	OK(pf_pool_close(pool));
	return 0;
}
