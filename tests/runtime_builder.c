/* Who opens or closes a pool may be killed meanwhile, or stopped: the next one starts over, or is told whom it waits for. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "media.h"
#include "test.h"

static const char *path;
static int gate;
static int with; /* signal */

static int get_it(void)
{
	test_gate_open(gate);
	raise(with);
	return 0;
}

static int get_it_building(struct rt_self *me)
{
	(void)me;
	return get_it();
}

static int get_it_closing(struct media *m)
{
	(void)m;
	return get_it();
}

static int open_and_close(void *arg)
{
	struct media m;

	(void)arg;
	must_be(media_attach(path, 0, &m), 0);
	media_detach(&m);
	return 0;
}

static void in_and_out(unsigned builds)
{
	struct media m;

	media_builds = 0;
	must_be(media_attach(path, 0, &m), 0);
	must_be(media_builds, builds);
	media_reap(&m);
	media_detach(&m);
	must_be(media_files(test_dir()), 0);
}

static pid_t start(bool building, int signal)
{
	pid_t pid;

	with = signal;
	media_in_build = building ? get_it_building : NULL;
	media_in_finish = building ? NULL : get_it_closing;
	pid = test_fork(open_and_close, NULL);
	media_in_build = NULL;
	media_in_finish = NULL;
	test_gate_wait(gate);
	return pid;
}

static void killed(bool building)
{
	must_be(test_wait(start(building, SIGKILL), TEST_PATIENCE), 256 + SIGKILL);
	in_and_out(building); /* a closer's runtime is as good as it was */
}

static void stopped(bool building)
{
	pid_t pid = start(building, SIGSTOP);
	uint64_t begin;
	struct media m;
	char name[32];

	test_wait_stopped(pid);
	snprintf(name, sizeof name, "process %d", (int)pid);
	media_limit_ms = 50;
	begin = clock_mono();
	must_be(media_attach(path, 0, &m), -PF_EBUILDING);
	must(clock_mono() - begin < 4000000000u); /* less than the default */
	must(strstr(pf_message(), name) != NULL);
	must_be(media_attach(path, MEDIA_RDONLY, &m), -PF_EBUILDING);
	media_limit_ms = 5000;
	must_be(media_files(test_dir()), 1);
	kill(pid, SIGCONT);
	must_be(test_wait(pid, TEST_PATIENCE), 0);
	in_and_out(1);
}

static void stopped_then_killed(bool building)
{
	pid_t pid = start(building, SIGSTOP);

	test_wait_stopped(pid);
	test_kill(pid);
	in_and_out(building);
}

static int refuse(struct rt_self *me)
{
	(void)me;
	return -PF_ECORRUPT;
}

static void failing(void)
{
	struct media m;
	unsigned fds = test_fds();

	media_in_build = refuse;
	must_be(media_attach(path, 0, &m), -PF_ECORRUPT);
	media_in_build = NULL;
	must_be(media_files(test_dir()), 0);
	must_be(test_fds(), fds);
	in_and_out(1);
}

int main(void)
{
	path = media_make("pool");
	gate = test_gate();
	for (int building = 0; building < 2; building++) {
		killed(building);
		stopped(building);
		stopped_then_killed(building);
	}
	failing();
	return 0;
}
