/* Truncation and punch beside holders: DETACH never waits, TRY refuses and names a holder, WAIT waits, also for a holder that is killed. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "pool.h"

#define MIB (1ul << 20)

static const char *path;
static int ready, give_back;

/* Holds pages of "file" until told, or for ever. */
static int hold(void *until_told)
{
	pf_pool *pool = pool_open(path);
	pf_file *f;
	pf_pin *pin;

	OK(pf_open(pool, "file", PF_O_RDONLY, 0, &f));
	OK(pf_pin_file(f, MIB, 8192, 0, &pin));
	test_gate_open(ready);
	test_gate_wait(give_back);
	(void)until_told;
	OK(pf_unpin(pin));
	OK(pf_close(f));
	OK(pf_pool_close(pool));
	return 0;
}

struct waiter {
	pf_pool *pool;
	int result;
};

static int wait_for_holder(void *arg)
{
	pf_pool *pool = pool_open(path);
	pf_file *f;

	(void)arg;
	OK(pf_open(pool, "file", PF_O_RDWR, 0, &f));
	test_gate_open(ready);
	OK(pf_truncate(f, 0, PF_WAIT, -1));
	OK(pf_close(f));
	OK(pf_pool_close(pool));
	return 0;
}

static pid_t start_holder(void)
{
	pid_t pid = test_fork(hold, NULL);

	test_gate_wait(ready);
	return pid;
}

static void refusals(pf_pool *pool)
{
	char pid_text[32];
	pid_t holder = start_holder();
	struct pf_stat before, after;
	pf_file *f;

	OK(pf_open(pool, "file", PF_O_RDWR, 0, &f));
	OK(pf_stat(f, &before));
	must_be(pf_truncate(f, 0, PF_TRY, 0), -PF_EHELD);
	snprintf(pid_text, sizeof pid_text, "process %d", (int)holder);
	must(strstr(pf_message(), pid_text));
	must_be(pf_punch(f, 0, 2 * MIB, PF_TRY, 0), -PF_EHELD);
	must_be(pf_truncate(f, 0, PF_WAIT, 20), -PF_EHELDTIME);
	must(strstr(pf_message(), pid_text));
	OK(pf_stat(f, &after));
	must_be(after.size, before.size);
	must_be(after.allocated, before.allocated);
	/* Another range of the same file is free, and so is the range again. */
	OK(pf_truncate(f, 3 * MIB, PF_TRY, 0));
	must_be(pf_write(f, "x", 1, MIB), 1);
	OK(pf_truncate(f, 0, PF_DETACH, 0));
	must_be(pool_info(pool).pages_orphan > 0, 1);
	test_gate_open(give_back);
	must_be(test_wait(holder, TEST_PATIENCE), 0);
	must_be(pool_info(pool).pages_orphan, 0);
	OK(pf_close(f));
}

/* The waiter ends when the holder gives back, and when the holder is killed. */
static void waiting(pf_pool *pool, bool killed)
{
	pid_t holder, waiter;

	pattern_file(pool, "file", 4 * MIB, 1);
	holder = start_holder();
	waiter = test_fork(wait_for_holder, NULL);
	test_gate_wait(ready);
	if (killed) {
		test_kill(holder);
	} else {
		test_gate_open(give_back);
		must_be(test_wait(holder, TEST_PATIENCE), 0);
	}
	must_be(test_wait(waiter, TEST_PATIENCE), 0);
	pool_check(pool, killed ? "waiting for a killed holder" : "waiting for a holder");
}

/* Killed while it waits, with the range locked: the next one gets it. */
static void waiter_killed(pf_pool *pool)
{
	pid_t holder, waiter;
	pf_file *f;

	pattern_file(pool, "file", 4 * MIB, 1);
	holder = start_holder();
	waiter = test_fork(wait_for_holder, NULL);
	test_gate_wait(ready);
	OK(pf_open(pool, "file", PF_O_RDWR, 0, &f));
	test_kill(waiter);
	must_be(pf_write(f, "x", 1, 0), 1);
	OK(pf_truncate(f, 0, PF_DETACH, 0));
	test_kill(holder);
	OK(pf_close(f));
	pool_check(pool, "a killed waiter");
}

int main(void)
{
	pf_pool *pool;

	path = pool_make("pool", 32);
	ready = test_gate();
	give_back = test_gate();
	pool = pool_open(path);
	pattern_file(pool, "file", 4 * MIB, 1);
	refusals(pool);
	waiting(pool, false);
	waiting(pool, true);
	waiter_killed(pool);
	pool_empty(pool, "all");
	OK(pf_pool_close(pool));
	return 0;
}
