/* A process killed at any step of attach and detach: whoever comes next gets in, and nothing is left behind. */
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "format/use_format.h"
#include "media.h"
#include "test.h"

static const char *path;
static int fds[2] = {-1, -1}; /* of a memfd pool */
static unsigned at;           /* step at which the child is killed */

static int attach(struct media *m)
{
	return fds[0] < 0 ? media_attach(path, 0, m) : media_attach_fds(fds[0], fds[1], m);
}

static int victim(void *arg)
{
	struct media m;

	(void)arg;
	media_signal_at("", at, SIGKILL);
	must_be(attach(&m), 0);
	media_reap(&m);
	media_detach(&m);
	return 0;
}

/* True while there was such a step. */
static bool kill_at(unsigned step)
{
	int status;

	at = step;
	status = test_in_child(victim, NULL);
	must(status == 0 || status == 256 + SIGKILL);
	return status != 0;
}

static void reap_others(struct media *m)
{
	media_reap(m);
	for (unsigned slot = 0; slot < rt_slots_used(m->rt); slot++)
		must(slot == m->rt->slot || media_slot(m, slot) == RT_SLOT_FREE);
}

/* Somebody gets in, reaps, and is the last one out. */
static void survivor(void)
{
	struct media m;

	must_be(attach(&m), 0);
	reap_others(&m);
	must_be(use_read(m.head)->state, USE_OPEN);
	media_detach(&m);
	must_be(media_files(test_dir()), 0);
}

static unsigned alone(void)
{
	unsigned step = 1;

	for (; kill_at(step); step++)
		survivor();
	return step;
}

static int get_killed(struct media *m)
{
	(void)m;
	return raise(SIGKILL);
}

/* The runtime is there, left by one that was killed. */
static unsigned after_another(void)
{
	unsigned step = 1;
	bool killed = true;

	for (; killed; step++) {
		media_in_finish = get_killed;
		must(kill_at(0));
		media_in_finish = NULL;
		killed = kill_at(step);
		survivor();
	}
	return step;
}

static unsigned beside_another(void)
{
	unsigned step = 1;
	bool killed = true;

	for (; killed; step++) {
		struct media m;

		must_be(attach(&m), 0);
		killed = kill_at(step);
		reap_others(&m);
		media_detach(&m);
		must_be(media_files(test_dir()), 0);
	}
	return step;
}

static int not_yet(struct media *m)
{
	(void)m;
	return 1;
}

/* The last one out leaves the runtime to the next: it is not clean. */
static unsigned unfinished(void)
{
	unsigned step = 1;
	bool killed = true;

	for (; killed; step++) {
		struct media m;

		media_in_finish = not_yet;
		killed = kill_at(step);
		media_in_finish = NULL;
		must_be(attach(&m), 0);
		if (!killed)
			must_be(media_builds, 0);
		media_builds = 0;
		media_reap(&m);
		media_detach(&m);
		must_be(media_files(test_dir()), 0);
	}
	return step;
}

static void all(const char *kind)
{
	printf("%s: killed at each of %u, %u, %u, %u steps\n", kind, alone(), after_another(),
	       beside_another(), unfinished());
}

int main(void)
{
	if (!media_has_steps())
		skip("a build without steps");
	path = media_make("pool");
	all("file");
	fds[0] = memfd_create("media", MFD_CLOEXEC);
	must_be(ftruncate(fds[0], 65536), 0);
	must_be(rt_make_memfd(&fds[1]), 0);
	all("memfd");
	return 0;
}
