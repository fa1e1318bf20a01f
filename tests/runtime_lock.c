/* Locks whose owner is killed, stopped, or slow: the next one repairs, or is told the process and the lock within the limit. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "media.h"
#include "test.h"

static const char *path;
static int has_it, give_back;
static struct media m;

static int hold_lock(void *arg)
{
	struct media own;
	struct rt_self *me;
	int *wanted = arg;

	must_be(media_attach(path, 0, &own), 0);
	me = media_self(&own);
	must_be(rt_lock(me, &own.shared->locks[3]), *wanted);
	test_gate_open(has_it);
	test_gate_wait(give_back);
	rt_unlock(me, &own.shared->locks[3]);
	media_detach(&own);
	return 0;
}

/* The same, and its name is not stored yet. */
static int hold_nameless(void *arg)
{
	struct media own;

	must_be(media_attach(path, 0, &own), 0);
	must_be(rt_lock(media_self(&own), &own.shared->locks[3]), 0);
	store_release(&own.shared->locks[3].owner, 0);
	test_gate_open(has_it);
	test_gate_wait(give_back);
	rt_unlock(media_self(&own), &own.shared->locks[3]);
	media_detach(&own);
	return *(int *)arg;
}

static pid_t start(int (*run)(void *arg), int wanted)
{
	pid_t pid = test_fork(run, &wanted);

	test_gate_wait(has_it);
	return pid;
}

static void take(int wanted)
{
	must_be(rt_lock(media_self(&m), &m.shared->locks[3]), wanted);
	must_be(load_relaxed(&m.shared->locks[3].owner), media_self(&m)->owner);
	rt_unlock(media_self(&m), &m.shared->locks[3]);
}

static void owner_killed(void)
{
	rt_owner owner;
	pid_t pid = start(hold_lock, 0);

	owner = load_relaxed(&m.shared->locks[3].owner);
	must(!rt_owner_dead(m.rt, owner));
	must_be(rt_trylock(media_self(&m), &m.shared->locks[3]), -PF_EAGAIN);
	test_kill(pid);
	take(RT_LOCK_REPAIR);
	must(rt_owner_dead(m.rt, owner));
	must_be(media_slot(&m, rt_owner_slot(owner)), RT_SLOT_DEAD);
	take(0);
	must_be(media_reap(&m), 1);
	must(rt_owner_dead(m.rt, owner));
}

static void repairer_killed(void)
{
	test_kill(start(hold_lock, 0));
	test_kill(start(hold_lock, RT_LOCK_REPAIR));
	must_be(rt_trylock(media_self(&m), &m.shared->locks[3]), RT_LOCK_REPAIR);
	rt_unlock(media_self(&m), &m.shared->locks[3]);
	take(0);
	must_be(media_reap(&m), 2);
}

static void told(int code, pid_t pid)
{
	char name[64];
	uint64_t begin = clock_mono();

	must_be(rt_lock(media_self(&m), &m.shared->locks[3]), code);
	must(clock_mono() - begin < 5000000000u);
	snprintf(name, sizeof name, "lock of inode 3, which process %d has", (int)pid);
	must(strstr(pf_message(), name) != NULL);
}

static void owner_stopped(int (*run)(void *arg))
{
	pid_t pid = start(run, 0);

	m.rt->lock_limit_ms = 50;
	kill(pid, SIGSTOP);
	test_wait_stopped(pid);
	told(-PF_ESTOPPED, pid);
	told(-PF_ESTOPPED, pid);
	m.rt->lock_limit_ms = 1000;
	kill(pid, SIGCONT);
	test_gate_open(give_back);
	take(0);
	must_be(test_wait(pid, TEST_PATIENCE), 0);
}

static void owner_stopped_then_killed(void)
{
	pid_t pid = start(hold_lock, 0);

	m.rt->lock_limit_ms = 50;
	kill(pid, SIGSTOP);
	test_wait_stopped(pid);
	told(-PF_ESTOPPED, pid);
	m.rt->lock_limit_ms = 1000;
	test_kill(pid);
	take(RT_LOCK_REPAIR);
	media_reap(&m);
}

static void owner_slow(void)
{
	pid_t pid = start(hold_lock, 0);

	m.rt->lock_limit_ms = 2;
	told(-PF_ELOCKTIME, pid);
	m.rt->lock_limit_ms = 1000;
	test_gate_open(give_back);
	take(0);
	must_be(test_wait(pid, TEST_PATIENCE), 0);
}

int main(void)
{
	path = media_make("pool");
	has_it = test_gate();
	give_back = test_gate();
	must_be(media_attach(path, 0, &m), 0);
	take(0);
	owner_killed();
	repairer_killed();
	owner_stopped(hold_lock);
	owner_stopped(hold_nameless);
	owner_stopped_then_killed();
	owner_slow();
	media_detach(&m);
	must_be(media_files(test_dir()), 0);
	return 0;
}
