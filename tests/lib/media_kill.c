/* Kills in attach and detach, see media_kill.h. */
#include "media_kill.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/clock.h"
#include "format/use_format.h"
#include "media.h"
#include "test.h"

static const char *path;
static int fds[2] = {-1, -1}; /* of a memfd pool */

static int attach(struct media *m)
{
	return fds[0] < 0 ? media_attach(path, 0, m) : media_attach_fds(fds[0], fds[1], m);
}

/* ---- counting instructions --------------------------------------------------------------------------- */

/* From one of the steps on, the processor traps after each instruction; this is slow, so only some hundreds are counted. */
#if defined __x86_64__ && defined PF_STEPS && !defined __SANITIZE_THREAD__ && \
	!defined __SANITIZE_ADDRESS__
#define CAN_COUNT true
#define TRAP_FLAG 0x100 /* of the flags register */
#else
#define CAN_COUNT false
#endif

#define STEPS 40u /* about as many as a visit has */
#define INSTRUCTIONS \
	400u /* about as many as from a step to the next, without what the C library does */

static unsigned kill_step, kill_at; /* of the next victim; 0: none */

static void count(int signal, siginfo_t *info, void *context)
{
	static unsigned counted;

	(void)info;
#if CAN_COUNT
	if (signal == SIGUSR1)
		((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
#endif
	(void)context;
	if (signal == SIGTRAP && ++counted == kill_at)
		kill(getpid(), SIGKILL);
}

/* Comes, makes a row and a record, reaps, and goes. */
static int visit(void *unused)
{
	struct sigaction action = {.sa_sigaction = count, .sa_flags = SA_SIGINFO};
	struct media m;

	(void)unused;
	must(sigaction(SIGTRAP, &action, NULL) == 0);
	must(sigaction(SIGUSR1, &action, NULL) == 0);
	if (kill_step)
		media_signal_at("", kill_step, SIGUSR1);
	must_be(attach(&m), 0);
	must(rt_hold_get(media_self(&m)) != NULL);
	media_reap(&m);
	media_detach(&m);
	return 0;
}

/* ---- kills ------------------------------------------------------------------------------------------- */

/* Somebody gets in, reaps, and is the last one out. */
static void survivor(struct media *m)
{
	if (!m->rt)
		must_be(attach(m), 0);
	must(rt_hold_get(media_self(m)) != NULL);
	media_reap(m);
	for (unsigned slot = 0; slot < rt_slots_used(m->rt); slot++)
		must(slot == m->rt->slot || media_slot(m, slot) == RT_SLOT_FREE);
	must_be(use_read(m->head)->state, USE_OPEN);
	media_detach(m);
	must_be(media_files(test_dir()), 0);
}

static int get_killed(struct media *m)
{
	(void)m;
	return raise(SIGKILL);
}

/* 0: the victim is alone. 1: somebody is in. 2: a runtime was left by one killed in closing it. */
static bool one(unsigned kind, unsigned step, unsigned n)
{
	struct media m = {0};
	int status;

	if (kind == 1)
		must_be(attach(&m), 0);
	if (kind == 2) {
		media_in_finish = get_killed;
		must_be(test_in_child(visit, NULL), 256 + SIGKILL);
		media_in_finish = NULL;
	}
	kill_step = step;
	kill_at = n;
	status = test_in_child(visit, NULL);
	must(status == 0 || status == 256 + SIGKILL);
	kill_step = 0;
	survivor(&m);
	return status != 0;
}

static void some(const char *device, double seconds)
{
	struct test_random r = {test_seed()};
	uint64_t end = clock_mono() + (uint64_t)(seconds * 1e9);
	unsigned kills = 0;

	while (clock_mono() < end)
		kills += one((unsigned)test_below(&r, 3), 1 + (unsigned)test_below(&r, STEPS),
			     1 + (unsigned)test_below(&r, INSTRUCTIONS));
	printf("%s: %u kills\n", device, kills);
}

void media_kill_instructions(double seconds)
{
	if (!CAN_COUNT)
		skip("a build without steps, or with a sanitizer, or another processor");
	path = media_make("pool");
	some("file", seconds / 2);
	fds[0] = memfd_create("media", MFD_CLOEXEC);
	must_be(ftruncate(fds[0], 65536), 0);
	must_be(rt_make_memfd(&fds[1]), 0);
	some("memfd", seconds / 2);
}
