/* Kills inside operations, see kill.h. */
#include "kill.h"

#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/step.h"

struct run {
	const struct op *op;
	const char *path;
	bool alone;
	long at;                /* the instruction or step to die at */
	uint64_t before, after; /* ops_names() without the operation, and with all of it */
};

/* ---- afterwards -------------------------------------------------------------------------------------- */

struct shown {
	uint64_t bytes;
	bool stale;
};

static int add_window(void *arg, const struct pf_window *w)
{
	struct shown *s = arg;

	s->bytes += w->resident;
	s->stale |= w->stale != 0;
	return 0;
}

/* The window of a process that lives on shows what "a" has now, though who changed that is dead: soon, as its service thread does it. */
static void window_shows_file(pf_pool *pool, pid_t neighbour, const char *what)
{
	double end = now() + TEST_PATIENCE * 1e-3;
	struct pf_stat stat;
	struct shown s;

	if (pf_stat_path(pool, "a", 0, &stat) < 0)
		return;
	do {
		s = (struct shown){0};
		OK(pf_windows(pool, neighbour, add_window, &s));
		if (now() > end)
			test_fail(__FILE__, __LINE__,
				  "%s: the neighbour's window shows %lu bytes, \"a\" has %lu%s",
				  what, (unsigned long)s.bytes, (unsigned long)stat.allocated,
				  s.stale ? " (stale)" : "");
	} while (s.stale || s.bytes != stat.allocated);
}

static void survive(const struct run *run, pf_pool *pool, pid_t neighbour)
{
	pf_pool *own = pool ? pool : pool_open(run->path);
	char what[160];
	uint64_t names;

	snprintf(what, sizeof what, "%s, killed at %ld%s", run->op->name, run->at,
		 run->alone ? ", alone" : "");
	pool_check(own, what);
	if (run->op->neighbour == OPS_WATCHER)
		window_shows_file(own, neighbour, what);
	names = ops_names(own);
	if (names != run->before && names != run->after)
		test_fail(__FILE__, __LINE__, "%s: the names are neither as before nor as after",
			  what);
	if (neighbour)
		test_kill(neighbour);
	pool_empty(own, what);
	ops_prepare(own);
	if (!pool)
		OK(pf_pool_close(own));
}

/* ---- beforehand -------------------------------------------------------------------------------------- */

static int whole(void *arg)
{
	struct run *run = arg;
	struct op_state s = {0};

	ops_setup(run->op, run->path, &s);
	if (run->at)
		run->op->run(&s);
	return raise(SIGKILL);
}

/* The names when none of the operation happened (run->at 0), or all of it. */
static uint64_t names_of(struct run *run)
{
	pid_t neighbour = ops_neighbour(run->path, run->op->neighbour);
	uint64_t names;
	pf_pool *pool;

	if (run->op->dead)
		test_kill(ops_neighbour(run->path, OPS_HOLDER));
	must_be(test_in_child(whole, run), 256 + SIGKILL);
	pool = pool_open(run->path);
	pool_check(pool, run->op->name);
	names = ops_names(pool);
	if (neighbour)
		test_kill(neighbour);
	pool_empty(pool, run->op->name);
	ops_prepare(pool);
	OK(pf_pool_close(pool));
	return names;
}

/* ---- by instruction ---------------------------------------------------------------------------------- */

static int traced(void *arg)
{
	struct run *run = arg;
	struct op_state s = {0};

	ops_setup(run->op, run->path, &s);
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	run->op->run(&s);
	raise(SIGSTOP);
	_exit(0);
}

/* Steps the child `n` times: false when it came to its end before. */
static bool step_child(pid_t pid, long n)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		test_fail(__FILE__, __LINE__, "the child did not stop: status %x", status);
	for (long i = 0; i < n; i++) {
		ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
		if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
			test_fail(__FILE__, __LINE__, "the child ended by itself: status %x",
				  status);
		if (WSTOPSIG(status) == SIGSTOP)
			return false;
	}
	return true;
}

static bool kill_at_instruction(struct run *run, pf_pool *pool)
{
	pid_t neighbour = ops_neighbour(run->path, run->op->neighbour), dead, pid;
	bool inside;

	if (run->op->dead) {
		dead = ops_neighbour(run->path, OPS_HOLDER);
		test_kill(dead);
	}
	pid = test_fork(traced, run);
	inside = step_child(pid, run->at);
	test_kill(pid);
	survive(run, pool, neighbour);
	return inside;
}

/* From one end of the operation to the other at this stride: false when the time was over before. */
static bool one_pass(struct run *run, pf_pool *pool, unsigned stride, double end,
		     struct test_random *r, unsigned *kills,
		     bool (*kill_at)(struct run *, pf_pool *))
{
	bool inside = true;

	run->at = 1 + (long)test_below(r, stride);
	for (; inside && now() < end; run->at += stride, ++*kills)
		inside = kill_at(run, pool);
	return !inside;
}

/* Wide strides first, then narrower ones: however long the operation is and however short the time, all of it is looked at. stretch 0: steps. */
static void one_op(struct run *run, pf_pool *pool, unsigned stretch, double end,
		   struct test_random *r, bool (*kill_at)(struct run *, pf_pool *),
		   const char *unit)
{
	unsigned stride = stretch ? run->op->stride * stretch : 1, kills = 0, finest = 0;

	run->before = names_of(run);
	run->at = 1;
	run->after = names_of(run);
	for (unsigned wider = stretch ? 256 : 16; wider > 0; wider /= 4) {
		if (!one_pass(run, pool, stride * wider, end, r, &kills, kill_at))
			break;
		finest = stride * wider;
	}
	if (finest)
		printf("%-45s %6u kills, every %u %s\n", run->op->name, kills, finest, unit);
	else
		printf("%-45s %6u kills, up to %ld %s\n", run->op->name, kills, run->at, unit);
	fflush(stdout);
}

static void each_op(double seconds, unsigned stretch, bool alone,
		    bool (*kill_at)(struct run *, pf_pool *), const char *unit)
{
	const char *path = pool_make(alone ? "alone" : "kill", 32);
	pf_pool *pool = pool_open(path);
	double end = now() + seconds;
	struct test_random r = {test_seed()};

	ops_prepare(pool);
	if (alone) {
		OK(pf_pool_close(pool));
		pool = NULL;
	}
	for (unsigned i = 0; i < ops_count; i++) {
		struct run run = {&ops[i], path, alone, 0, 0, 0};

		one_op(&run, pool, stretch, now() + (end - now()) / (ops_count - i), &r, kill_at,
		       unit);
	}
	if (pool)
		OK(pf_pool_close(pool));
}

void kill_instructions(double seconds, unsigned stretch, bool alone)
{
	each_op(seconds, stretch, alone, kill_at_instruction, "instructions");
}

/* ---- by step ----------------------------------------------------------------------------------------- */

#ifdef PF_STEPS
static long steps_left;

static void count_step(const char *name)
{
	(void)name;
	if (--steps_left == 0)
		kill(getpid(), SIGKILL);
}

static int stepped(void *arg)
{
	struct run *run = arg;
	struct op_state s = {0};

	ops_setup(run->op, run->path, &s);
	steps_left = run->at;
	step_hook = count_step;
	run->op->run(&s);
	step_hook = NULL;
	_exit(0);
}

static bool kill_at_step(struct run *run, pf_pool *pool)
{
	pid_t neighbour = ops_neighbour(run->path, run->op->neighbour);
	int status;

	if (run->op->dead)
		test_kill(ops_neighbour(run->path, OPS_HOLDER));
	status = test_wait(test_fork(stepped, run), TEST_PATIENCE);
	must(status == 0 || status == 256 + SIGKILL);
	survive(run, pool, neighbour);
	return status != 0;
}
#endif

void kill_steps(double seconds, bool alone)
{
#ifdef PF_STEPS
	each_op(seconds, 0, alone, kill_at_step, "steps");
#else
	(void)seconds, (void)alone;
	skip("%s", "this build has no steps; make test-debug has");
#endif
}
