/* A directory that is watched: no change is missed, nobody wakes for nothing, and who dies in the middle of a change is not waited for. */
/* test: suite=short timeout=120 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/step.h"
#include "pool.h"

#define NAMES 900u

static const char *path;
static int ready;

static void tokens(pf_pool *pool)
{
	pf_file *dir, *file, *by_name;
	uint64_t seen = 0;
	double begin;

	OK(pf_mkdir(pool, "d", 0755));
	OK(pf_open(pool, "d", PF_O_RDONLY, 0, &dir));
	must_be(pf_watch(dir, &seen, -1), 1);
	must_be(pf_watch(dir, &seen, 0), 0);
	begin = now();
	must_be(pf_watch(dir, &seen, 30), 0);
	must(now() - begin >= 0.03);
	pattern_file(pool, "d/a", 10, 1);
	must_be(pf_watch(dir, &seen, -1), 1);
	/* Bytes and attributes are no names. */
	OK(pf_open(pool, "d/a", PF_O_RDWR, 0, &file));
	must_be(pf_write(file, "x", 1, 0), 1);
	must_be(pf_watch(dir, &seen, 0), 0);
	OK(pf_rename(pool, "d/a", "d/b", 0));
	must_be(pf_watch(dir, &seen, 0), 1);
	OK(pf_link(pool, "d/b", "c"));
	must_be(pf_watch(dir, &seen, 0), 0);
	OK(pf_unlink(pool, "d/b"));
	must_be(pf_watch(dir, &seen, 0), 1);
	must_be(pf_watch(file, &seen, 0), -PF_ENOTDIR);
	OK(pf_open(pool, "d", PF_O_PATH, 0, &by_name));
	must_be(pf_watch(by_name, &seen, 0), -EBADF);
	OK(pf_rmdir(pool, "d"));
	must_be(pf_watch(dir, &seen, -1), -PF_ENOFILE);
	OK(pf_unlink(pool, "c"));
	OK(pf_close(by_name));
	OK(pf_close(file));
	OK(pf_close(dir));
}

/* Counts what is there after each wake, until all are. Each name is there before the sequence that says so. */
static int waits_for_all(void *arg)
{
	pf_pool *pool = pool_open(path);
	unsigned there = 0;
	uint64_t seen = 0;
	pf_file *dir;

	(void)arg;
	OK(pf_open(pool, "all", PF_O_RDONLY, 0, &dir));
	test_gate_open(ready);
	while (there < NAMES) {
		struct pf_entry entry = {.cursor = 0};

		must_be(pf_watch(dir, &seen, (int)TEST_PATIENCE), 1);
		for (there = 0; OK(pf_readdir(dir, entry.cursor, &entry)) == 1;)
			there++;
	}
	OK(pf_close(dir));
	OK(pf_pool_close(pool));
	return 0;
}

static void no_change_is_missed(pf_pool *pool)
{
	pid_t pid[3];

	OK(pf_mkdir(pool, "all", 0755));
	for (int i = 0; i < 3; i++)
		pid[i] = test_fork(waits_for_all, NULL);
	for (int i = 0; i < 3; i++)
		test_gate_wait(ready);
	for (unsigned i = 0; i < NAMES; i++) {
		char name[32];
		pf_file *file;

		snprintf(name, sizeof name, "all/%u", i);
		OK(pf_open(pool, name, PF_O_RDWR | PF_O_CREATE, 0644, &file));
		OK(pf_close(file));
		if (i % 64 == 0)
			usleep(100); /* so that some sleep, and some are looking */
	}
	for (int i = 0; i < 3; i++)
		must_be(test_wait(pid[i], TEST_PATIENCE), 0);
}

static void nothing(int signal)
{
	(void)signal;
}

static void interrupted(pf_pool *pool)
{
	struct sigaction sa = {.sa_handler = nothing};
	struct itimerval soon = {.it_value.tv_usec = 20000};
	uint64_t seen = 0;
	pf_file *dir;

	OK(pf_open(pool, "all", PF_O_RDONLY, 0, &dir));
	must_be(pf_watch(dir, &seen, -1), 1);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	must_be(pf_watch(dir, &seen, -1), -EINTR);
	OK(pf_close(dir));
}

#ifdef PF_STEPS
static void die(const char *name)
{
	if (!strcmp(name, "journal: applied one"))
		kill(getpid(), SIGKILL);
}

static int dies_in_a_change(void *arg)
{
	pf_pool *pool = pool_open(path);

	(void)arg;
	step_hook = die;
	pf_unlink(pool, "all/7");
	return 0;
}

static void dead_changer(pf_pool *pool)
{
	uint64_t seen = 0;
	struct pf_stat stat;
	pf_file *dir;

	OK(pf_open(pool, "all", PF_O_RDONLY, 0, &dir));
	must_be(pf_watch(dir, &seen, -1), 1);
	must_be(test_wait(test_fork(dies_in_a_change, NULL), TEST_PATIENCE), 256 + SIGKILL);
	must_be(pf_watch(dir, &seen, -1), 1);
	must_be(pf_stat_path(pool, "all/7", 0, &stat), -PF_ENOFILE);
	OK(pf_close(dir));
}
#endif

int main(void)
{
	pf_pool *pool;

	path = pool_make("pool", 32);
	pool = pool_open(path);
	ready = test_gate();
	tokens(pool);
	no_change_is_missed(pool);
	interrupted(pool);
#ifdef PF_STEPS
	dead_changer(pool);
#endif
	pool_empty(pool, "watched");
	OK(pf_pool_close(pool));
	return 0;
}
