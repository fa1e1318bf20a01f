/* More than a thousand processes attached at once; then all of them are killed. And one process that takes every slot. */
/* test: suite=long timeout=120 parallel=no */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "media.h"
#include "test.h"

#define PROCESSES 1100

static const char *path;
static int in;

static int stay(void *arg)
{
	struct media m;
	int rc;

	must_be(media_attach(path, 0, &m), 0);
	rc = rt_lock(media_self(&m), &m.shared->locks[0]);
	must_be(rc, 0);
	rt_unlock(media_self(&m), &m.shared->locks[0]);
	must(rt_hold_get(media_self(&m)) != NULL);
	atomic_fetch_add(&m.shared->users, 1);
	test_gate_open(in);
	while (pause())
		;
	return *(int *)arg;
}

static void processes(void)
{
	static pid_t pids[PROCESSES];
	unsigned live = 0;
	struct media m;

	must_be(media_attach(path, 0, &m), 0);
	for (unsigned i = 0; i < PROCESSES; i++)
		pids[i] = test_fork(stay, NULL);
	for (unsigned i = 0; i < PROCESSES; i++)
		test_gate_wait(in);
	must_be(load_acquire(&m.shared->users), PROCESSES);
	for (unsigned slot = 0; slot < rt_slots_used(m.rt); slot++)
		live += media_slot(&m, slot) == RT_SLOT_LIVE && !rt_slot_dead(m.rt, slot);
	must_be(live, PROCESSES + 1);
	printf("%d processes: %lu KiB of runtime\n", PROCESSES + 1,
	       (unsigned long)(rt_memory(m.rt) / 1024));
	for (unsigned i = 0; i < PROCESSES; i++)
		must(kill(pids[i], SIGKILL) == 0);
	for (unsigned i = 0; i < PROCESSES; i++)
		must_be(test_wait(pids[i], TEST_PATIENCE), 256 + SIGKILL);
	must_be(media_reap(&m), PROCESSES);
	media_detach(&m);
	must_be(media_files(test_dir()), 0);
}

/* Two descriptors each. */
static bool room_for(unsigned attaches)
{
	struct rlimit limit;

	must(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = limit.rlim_max;
	must(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	return limit.rlim_cur > 2 * attaches + 64;
}

static void every_slot(void)
{
	struct media *all = calloc(RT_SLOTS + 1, sizeof *all);
	unsigned n = 0;
	int rc;

	if (!room_for(RT_SLOTS)) {
		skip_part("every slot: the limit on open files is too low");
		free(all);
		return;
	}
	while ((rc = media_attach(path, 0, &all[n])) == 0 && n < RT_SLOTS)
		n++;
	must_be(rc, -PF_ETOOMANY);
	must_be(n, RT_SLOTS);
	media_detach(&all[--n]);
	must_be(media_attach(path, 0, &all[n]), 0);
	for (n++; n > 0;)
		media_detach(&all[--n]);
	free(all);
	must_be(media_files(test_dir()), 0);
}

int main(void)
{
	path = media_make("pool");
	in = test_gate();
	processes();
	every_slot();
	return 0;
}
