/* The death of a process that held 1 GiB: seen, reaped, and its memory back from quarantine. */
#include "bench.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "file/pool.h"

struct deaths {
	struct bed *bed;
	double seen, quarantine;
};

static pid_t start_holder(struct bed *b, const char *name)
{
	int ready[2];
	pid_t pid;
	char c;

	if (pipe(ready) < 0)
		die("pipe");
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		pf_pool *pool;
		pf_file *file;
		pf_pin *pin;

		if (pf_pool_open(b->path, PF_POOL_NO_THREAD, &pool) < 0 ||
		    pf_open(pool, name, PF_O_RDWR, 0, &file) < 0 ||
		    pf_pin_file(file, 0, GIB, 0, &pin) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	if (read(ready[0], &c, 1) != 1)
		die("holder");
	close(ready[0]);
	close(ready[1]);
	return pid;
}

/* From proof of death to everything given back. The pool has no service thread here, or it would be faster. */
static double run_reap(void *arg)
{
	struct deaths *d = arg;
	struct rt *rt = d->bed->pool->layout.rt;
	pid_t pid = start_holder(d->bed, "file");
	unsigned slot = rt_slots_used(rt) - 1;
	uint64_t begin;
	double t;

	while (slot && load_relaxed(&rt_slot_at(rt, slot)->pid) != (uint32_t)pid)
		slot--;
	begin = clock_mono();
	kill(pid, SIGKILL);
	while (!rt_slot_dead(rt, slot))
		sched_yield();
	d->seen = ns_since(begin);
	begin = clock_mono();
	if (pf_reap(d->bed->pool) != 1)
		die("reap");
	t = ns_since(begin);
	waitpid(pid, NULL, 0);
	return t;
}

static double run_quarantine(void *arg)
{
	struct deaths *d = arg;
	struct bed *b = d->bed;
	uint64_t begin;
	pf_file *file;
	pid_t pid;

	file = make_file(b->pool, "file", GIB);
	pid = start_holder(b, "file");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (pf_reap(b->pool) < 0 || pf_truncate(file, 0, PF_DETACH, 0) < 0)
		die("truncate");
	begin = clock_mono();
	if (pf_reap(b->pool) < 0)
		die("reap");
	pf_close(file);
	return ns_since(begin);
}

void bench_death(struct bed *b)
{
	struct deaths d = {.bed = b};
	struct figure f;

	/* Without the service thread, which would do the work in between. */
	pf_pool_close(b->pool);
	b->pool = open_pool(b->path, false, PF_POOL_NO_THREAD);
	pf_close(make_file(b->pool, "file", GIB));
	f = measure(run_reap, &d, ROUNDS);
	row("reap", "ms", 1e6, f, "limit", 10e6);
	row("death_seen", "ms", 1e6, (struct figure){d.seen, 0}, "limit", 64e6);
	f = measure(run_quarantine, &d, 3);
	row("leave_quarantine", "ms", 1e6, f, "limit", 1e9);
	pf_unlink(b->pool, "file");
}
