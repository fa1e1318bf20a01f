/*
 * A process stopped anywhere in an operation delays nobody who does not need its locks: attach, reap, pins and maps of other files, who.
 * Who needs a lock of its gets -PF_ESTOPPED, naming it, within the limit, and nothing has changed. It goes on by SIGCONT or by SIGKILL.
 */
/* test: suite=short timeout=120 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/step.h"
#include "file/pool.h"
#include "ops.h"

#define LIMIT_MS 40u    /* for locks */
#define HARD_MS  1000.0 /* for anything */
#define PAGE     PF_PAGE_SIZE

/* Shared with the process that stops. */
struct stop {
	const char *path;
	const struct op *op;
	long at; /* step; 0: before the operation */
	char where[64];
};

static struct stop *stop;
static struct pf_pool *pool;

/* ---- the process that stops -------------------------------------------------------------------------- */

#ifdef PF_STEPS
static long steps_left;

static void stop_at(const char *name)
{
	if (--steps_left == 0) {
		snprintf(stop->where, sizeof stop->where, "%s", name);
		kill(getpid(), SIGSTOP);
	}
}
#endif

static int stopping(void *unused)
{
	struct op_state s = {0};

	(void)unused;
	ops_setup(stop->op, stop->path, &s);
	if (stop->at == 0)
		kill(getpid(), SIGSTOP);
#ifdef PF_STEPS
	steps_left = stop->at;
	step_hook = stop_at;
#endif
	stop->op->run(&s);
#ifdef PF_STEPS
	step_hook = NULL;
#endif
	_exit(0);
}

/* True when it is stopped, false when it came to its end. */
static bool is_stopped(pid_t pid)
{
	int status;

	must(waitpid(pid, &status, WUNTRACED) == pid);
	if (WIFSTOPPED(status))
		return true;
	must_be(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
	return false;
}

/* ---- what others do meanwhile -------------------------------------------------------------------------- */

enum action { ATTACH, REAP, PIN, MAP, WHO, NEEDS_LOCK, REAP_BLOCKED, ACTIONS };

static const char *const action_names[ACTIONS] =
	{"attach", "reap", "pin", "map", "who", "who needs its lock", "reap, its locks needed"};
static double slowest[ACTIONS];
static unsigned done[ACTIONS];

static void took(enum action action, double since)
{
	double ms = (now() - since) * 1e3;

	if (ms > HARD_MS)
		test_fail(__FILE__, __LINE__, "%s took %.1f ms: %s stopped at %s",
			  action_names[action], ms, stop->op->name, stop->where);
	slowest[action] = ms > slowest[action] ? ms : slowest[action];
	done[action]++;
}

static bool is_locked(const struct rt_lock *lock)
{
	return load_acquire(&lock->owner) != 0;
}

static void attach(void)
{
	double since = now();
	pf_pool *second;

	OK(pf_pool_open(stop->path, PF_POOL_NO_THREAD, &second));
	took(ATTACH, since);
	OK(pf_pool_close(second));
}

/* A third process held pages of a file that the stopped one has nothing to do with. */
static void reap(pid_t third, bool blocked)
{
	enum action action = blocked ? REAP_BLOCKED : REAP;
	double since;
	int rc;

	test_kill(third);
	since = now();
	rc = pf_reap(pool);
	took(action, since);
	if (!blocked)
		must_be(rc, 1);
}

static int count_one(void *arg, const struct pf_holder *holder)
{
	(void)holder;
	++*(unsigned *)arg;
	return 0;
}

static void hold_others(pf_file *other)
{
	double since = now();
	unsigned holders = 0;
	pf_map *map;
	pf_pin *pin;

	OK(pf_pin_file(other, 0, 4 * PAGE, PF_PIN_LONGTERM, &pin));
	took(PIN, since);
	since = now();
	OK(pf_map_file(other, 0, PAGE, PF_MAP_WRITE, &map));
	took(MAP, since);
	since = now();
	OK(pf_holders(pool, count_one, &holders));
	took(WHO, since);
	must(holders >= 2);
	OK(pf_unmap(map));
	OK(pf_unpin(pin));
}

/* The call did not get a lock, and says which and who has it. */
static void was_stopped(long rc, pid_t pid, const char *lock)
{
	char process[32];

	must_be(rc, -PF_ESTOPPED);
	snprintf(process, sizeof process, "process %d", (int)pid);
	if (!strstr(pf_message(), process) || !strstr(pf_message(), lock))
		test_fail(__FILE__, __LINE__, "not named: %s, %s", process, lock);
}

static uint32_t inode_of(pf_file *file)
{
	struct pf_stat stat;

	OK(pf_stat(file, &stat));
	return (uint32_t)stat.inode;
}

/* "a" is locked by the stopped process. */
static void needs_lock(pf_file *a, uint32_t ino, pid_t pid)
{
	struct pf_stat before = {0}, after = {0};
	char lock[32];
	double since;
	int rc;

	snprintf(lock, sizeof lock, "lock of inode %u", ino);
	rc = pf_stat(a, &before);
	if (rc < 0) /* its record was being changed */
		was_stopped(rc, pid, lock);
	since = now();
	was_stopped(pf_truncate(a, 100 * PAGE, PF_DETACH, 0), pid, lock);
	took(NEEDS_LOCK, since);
	since = now();
	was_stopped(pf_append(a, "x", 1), pid, lock);
	took(NEEDS_LOCK, since);
	must_be(pf_stat(a, &after), rc);
	must_be(after.size, before.size);
	must_be(after.allocated, before.allocated);
}

/* The allocator's lock is the stopped process's: "another" gets no page, and loses none. */
static void needs_allocator(pf_file *other, pid_t pid)
{
	struct pf_stat before, after;
	double since = now();

	OK(pf_stat(other, &before));
	was_stopped(pf_append(other, "x", 1), pid, "allocator lock");
	took(NEEDS_LOCK, since);
	OK(pf_stat(other, &after));
	must_be(after.size, before.size);
}

/* ---- one stop ---------------------------------------------------------------------------------------- */

static int hold_other(void *gate)
{
	pf_pool *mine = pool_open(stop->path);
	pf_file *other;
	pf_pin *pin;

	OK(pf_open(mine, "another", PF_O_RDONLY, 0, &other));
	OK(pf_pin_file(other, PAGE, 2 * PAGE, PF_PIN_LONGTERM, &pin));
	test_gate_open(*(int *)gate);
	for (;;)
		pause();
}

struct round {
	pf_file *a, *other;
	uint32_t ino; /* of "a" */
	pid_t neighbour, third, pid;
};

static void begin(struct round *r, const struct op *op, int gate)
{
	ops_prepare(pool);
	pattern_file(pool, "another", 8 * PAGE, 5);
	OK(pf_open(pool, "a", PF_O_RDWR, 0, &r->a));
	r->ino = inode_of(r->a);
	OK(pf_open(pool, "another", PF_O_RDWR, 0, &r->other));
	r->neighbour = ops_neighbour(stop->path, op->neighbour);
	r->third = test_fork(hold_other, &gate);
	test_gate_wait(gate);
	if (op->dead)
		test_kill(ops_neighbour(stop->path, OPS_HOLDER));
}

static void end(struct round *r, bool stopped, bool kill_it)
{
	if (stopped && kill_it)
		test_kill(r->pid);
	else if (stopped) {
		must(kill(r->pid, SIGCONT) == 0);
		must_be(test_wait(r->pid, TEST_PATIENCE), 0);
	} else {
		test_kill(r->third);
	}
	OK(pf_append(r->other, "x", 1));
	OK(pf_append(r->a, "x", 1));
	OK(pf_truncate(r->a, PAGE, PF_DETACH, 0));
	OK(pf_close(r->a));
	OK(pf_close(r->other));
	if (r->neighbour)
		test_kill(r->neighbour);
	pool_empty(pool, stop->op->name);
}

static unsigned inode_stops, allocator_stops;

/* False if the operation has fewer steps. */
static bool one_stop(const struct op *op, long at, bool kill_it)
{
	static int gate = -1;
	bool stopped, allocator;
	struct round r;

	if (gate < 0)
		gate = test_gate();
	stop->op = op;
	stop->at = at;
	strcpy(stop->where, "its beginning");
	begin(&r, op, gate);
	r.pid = test_fork(stopping, NULL);
	stopped = is_stopped(r.pid);
	if (stopped) {
		struct pages *p = &pool->layout.pages;

		allocator = is_locked(&p->zone->lock);
		attach();
		hold_others(r.other);
		reap(r.third, allocator || is_locked(&p->zone->discard) || op->dead);
		if (is_locked(&fs_state(&pool->layout.fs, r.ino)->lock)) {
			needs_lock(r.a, r.ino, r.pid);
			inode_stops++;
		}
		if (allocator) {
			needs_allocator(r.other, r.pid);
			allocator_stops++;
		}
	}
	end(&r, stopped, kill_it);
	return stopped;
}

static void report(unsigned stops)
{
	printf("%u stops, %u with the lock of the file, %u with the allocator's\n", stops,
	       inode_stops, allocator_stops);
	for (unsigned i = 0; i < ACTIONS; i++)
		if (done[i])
			printf("%-24s %5u times, slowest %6.2f ms\n", action_names[i], done[i],
			       slowest[i]);
}

int main(void)
{
	long *most = calloc(ops_count, sizeof *most);
	struct test_random r;
	unsigned stops = 0;

	stop = mmap(NULL, sizeof *stop, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(stop != MAP_FAILED && most);
	stop->path = pool_make("pool", 16);
	pool = pool_open(stop->path);
	pf_pool_set_lock_limit(pool, LIMIT_MS);
	r.state = test_seed();
#ifdef PF_STEPS
	for (unsigned i = 0; i < ops_count; i++)
		most[i] = 60;
#else
	skip_part("this build has no steps; make test-debug has");
#endif
	while (test_time_left(0.8)) {
		unsigned i = (unsigned)test_below(&r, ops_count);
		long at = (long)test_below(&r, (uint64_t)most[i] + 1);

		if (one_stop(&ops[i], at, test_below(&r, 2)))
			stops++;
		else if (at <= most[i])
			most[i] = at - 1;
	}
	report(stops);
	must(stops > 0);
	OK(pf_pool_close(pool));
	free(most);
	return 0;
}
