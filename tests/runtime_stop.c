/* A process that is stopped at any step of attach and detach, beside another: nobody else who comes or goes waits for it. */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "media.h"
#include "test.h"

static const char *path;

static int stops(void *arg)
{
	struct media m;

	media_signal_at("", *(unsigned *)arg, SIGSTOP);
	must_be(media_attach(path, 0, &m), 0);
	media_detach(&m);
	return 0;
}

/* True if it stopped. */
static bool stopped(pid_t pid)
{
	siginfo_t info;

	must(waitid(P_PID, (id_t)pid, &info, WSTOPPED | WEXITED | WNOWAIT) == 0);
	return info.si_code == CLD_STOPPED;
}

/* Longest of some attaches with detaches, ns. */
static uint64_t others(void)
{
	uint64_t longest = 0;

	for (unsigned i = 0; i < 3; i++) {
		uint64_t begin = clock_mono();
		struct media m;

		must_be(media_attach(path, 0, &m), 0);
		must_be(media_reap(&m), 0);
		media_detach(&m);
		longest = MAX(longest, clock_mono() - begin);
	}
	return longest;
}

int main(void)
{
	uint64_t longest = 0;
	struct media m;
	bool more = true;
	unsigned step = 1;

	if (!media_has_steps())
		skip("a build without steps");
	path = media_make("pool");
	must_be(media_attach(path, 0, &m), 0);
	for (; more; step++) {
		pid_t pid = test_fork(stops, &step);

		more = stopped(pid);
		if (more)
			longest = MAX(longest, others());
		kill(pid, SIGCONT);
		must_be(test_wait(pid, TEST_PATIENCE), 0);
	}
	media_detach(&m);
	must_be(media_files(test_dir()), 0);
	printf("stopped at each of %u steps; attach, reap and detach took at most %lu us\n",
	       step - 2, (unsigned long)(longest / 1000));
	must(longest < 900000000); /* a lock is waited for longer */
	return 0;
}
