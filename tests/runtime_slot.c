/* Slots: two reapers of one dead process, a slow one of them, a killed one, and the slot's next process. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/step.h"
#include "media.h"
#include "test.h"

/* Two attaches of this process are two reapers. */
static struct media first, second;
static const char *path;
static int gate;
static unsigned slot;
static uint32_t epoch;

static int die(void *arg)
{
	struct media m;

	must_be(media_attach(path, 0, &m), 0);
	media_self(&m);
	*(int *)arg = 0;
	test_gate_open(gate);
	pause();
	return 0;
}

static unsigned used_slot(pid_t pid)
{
	for (unsigned s = 0; s < rt_slots_used(first.rt); s++)
		if (media_slot(&first, s) == RT_SLOT_LIVE &&
		    load_relaxed(&rt_slot_at(first.rt, s)->pid) == (uint32_t)pid)
			return s;
	test_fail(__FILE__, __LINE__, "process %d has no slot", (int)pid);
}

static pid_t another(void)
{
	int arg = 1;
	pid_t pid = test_fork(die, &arg);

	test_gate_wait(gate);
	return pid;
}

static void a_dead_slot(void)
{
	pid_t pid = another();

	slot = used_slot(pid);
	epoch = rt_slot_epoch(load_acquire(&rt_slot_at(first.rt, slot)->word));
	must(!rt_slot_bury(first.rt, slot));
	test_kill(pid);
	must(rt_slot_dead(first.rt, slot));
	must_be(media_slot(&first, slot), RT_SLOT_LIVE);
}

static void one_at_a_time(void)
{
	struct rt_self *a = media_self(&first), *b = media_self(&second);

	a_dead_slot();
	must(rt_slot_bury(first.rt, slot) && rt_slot_bury(second.rt, slot));
	must(rt_reap_lock(a, slot, epoch));
	must(!rt_reap_lock(b, slot, epoch));
	rt_reap_unlock(a, slot);
	must(rt_reap_lock(b, slot, epoch));
	must(!rt_reap_lock(a, slot, epoch));
	rt_slot_free(b, slot);
	rt_reap_unlock(b, slot);
	must_be(media_slot(&first, slot), RT_SLOT_FREE);
	must_be(rt_slot_epoch(load_acquire(&rt_slot_at(first.rt, slot)->word)), epoch + 1);
}

/* Comes to the reap lock when the slot has been reaped, and again when another process has it, alive and dead. */
static void too_late(void)
{
	struct rt_self *b = media_self(&second);
	uint32_t old;
	pid_t pid;

	a_dead_slot();
	old = epoch;
	must_be(media_reap(&first), 1);
	must(!rt_reap_lock(b, slot, old));
	pid = another();
	must_be(used_slot(pid), slot);
	must(!rt_reap_lock(b, slot, old));
	must(!rt_reap_lock(b, slot, old + 1));
	test_kill(pid);
	must(rt_slot_bury(first.rt, slot));
	must(!rt_reap_lock(b, slot, old));
	must(load_relaxed(&rt_slot_at(first.rt, slot)->reaper) == 0);
	must_be(media_reap(&first), 1);
}

static int reap_and_die(void *arg)
{
	struct media m;
	uint32_t e = *(uint32_t *)arg;

	must_be(media_attach(path, 0, &m), 0);
	must(rt_slot_bury(m.rt, slot));
	must(rt_reap_lock(media_self(&m), slot, e));
	raise(SIGKILL);
	return 0;
}

static void reaper_killed(void)
{
	struct rt_self *a = media_self(&first);

	a_dead_slot();
	must_be(test_in_child(reap_and_die, &epoch), 256 + SIGKILL);
	must(rt_reap_lock(a, slot, epoch));
	rt_slot_free(a, slot);
	rt_reap_unlock(a, slot);
	must_be(media_reap(&first), 1); /* the reaper */
}

#ifdef PF_STEPS
static pid_t next_process;

/* Between the probe and the CAS of one reaper, another reaps and the slot gets a new process. */
static void overtake(const char *name)
{
	if (strcmp(name, "slot: seen dead"))
		return;
	step_hook = NULL;
	must_be(media_reap(&second), 1);
	next_process = another();
	must_be(used_slot(next_process), slot);
}

static void slow_reaper(void)
{
	a_dead_slot();
	step_hook = overtake;
	must(!rt_slot_bury(first.rt, slot));
	must_be(media_slot(&first, slot), RT_SLOT_LIVE);
	test_kill(next_process);
	must_be(media_reap(&first), 1);
}
#else
static void slow_reaper(void)
{
	skip_part("a slow reaper: a build without steps");
}
#endif

static void our_own(void)
{
	must(!rt_slot_dead(first.rt, first.rt->slot));
	must(!rt_slot_bury(first.rt, first.rt->slot));
	must(!rt_slot_dead(second.rt, first.rt->slot));
	must_be(media_reap(&first), 0);
}

int main(void)
{
	path = media_make("pool");
	gate = test_gate();
	must_be(media_attach(path, 0, &first), 0);
	must_be(media_attach(path, 0, &second), 0);
	our_own();
	one_at_a_time();
	too_late();
	reaper_killed();
	slow_reaper();
	media_detach(&second);
	media_detach(&first);
	must_be(media_files(test_dir()), 0);
	return 0;
}
