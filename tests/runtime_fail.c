/* Whichever system call or allocation fails in attach: no file, no descriptor and no slot stays behind, and the next attach works. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/sys.h"
#include "media.h"
#include "test.h"

static const char *path;

static const int errors[] = {ENOSPC, EMFILE, ENOMEM, EIO};

/* Number of slots in use, seen by somebody who stays in. */
static unsigned live(struct media *m)
{
	unsigned n = 0;

	for (unsigned slot = 0; slot < rt_slots_used(m->rt); slot++)
		n += media_slot(m, slot) != RT_SLOT_FREE;
	return n;
}

static unsigned alone(int error)
{
	unsigned fds = test_fds();
	struct media m;
	long n = 1;

	for (;; n++) {
		int rc;

		sys_fail_nth(n, error);
		rc = media_attach(path, 0, &m);
		if (sys_calls() < n)
			break;
		sys_fail_nth(0, 0);
		if (rc == 0)
			media_detach(&m); /* it could do without */
		must_be(media_files(test_dir()), 0);
		must_be(test_fds(), fds);
	}
	sys_fail_nth(0, 0);
	media_detach(&m);
	return (unsigned)n - 1;
}

static unsigned beside_another(int error)
{
	struct media m, in;
	unsigned fds;
	long n = 1;

	must_be(media_attach(path, 0, &in), 0);
	fds = test_fds();
	for (;; n++) {
		int rc;

		media_builds = 0;
		sys_fail_nth(n, error);
		rc = media_attach(path, 0, &m);
		if (sys_calls() < n)
			break;
		sys_fail_nth(0, 0);
		must_be(media_builds, 0);
		if (rc == 0)
			media_detach(&m);
		must_be(live(&in), 1);
		must_be(media_files(test_dir()), 1);
		must_be(test_fds(), fds);
	}
	sys_fail_nth(0, 0);
	must_be(live(&in), 2);
	media_detach(&m);
	media_detach(&in);
	must_be(media_files(test_dir()), 0);
	return (unsigned)n - 1;
}

static int get_killed(struct media *m)
{
	(void)m;
	return raise(SIGKILL);
}

static int open_and_close(void *arg)
{
	struct media m;

	must_be(media_attach(arg, 0, &m), 0);
	media_reap(&m);
	media_detach(&m);
	return 0;
}

/* Its last user was killed closing it: a call that fails is no reason to make another one. */
static void after_a_kill(int error)
{
	struct media m;
	long n = 1;

	for (int rc = -1; rc < 0; n++) {
		media_in_finish = get_killed;
		must_be(test_in_child(open_and_close, (void *)path), 256 + SIGKILL);
		media_in_finish = NULL;
		sys_fail_nth(n, error);
		rc = media_attach(path, 0, &m);
		if (sys_calls() >= n && rc == 0)
			rc = -1, media_reap(&m), media_detach(&m);
		sys_fail_nth(0, 0);
	}
	must_be(media_builds, 0);
	media_reap(&m);
	media_detach(&m);
	must_be(media_files(test_dir()), 0);
}

/* Records: an error, and the thread goes on with what it has. */
static void records(int error)
{
	struct rt_hold *holds[2 * RT_HOLDS];
	struct media m;
	struct rt_self *me;
	unsigned n = 0;

	must_be(media_attach(path, 0, &m), 0);
	me = media_self(&m);
	for (unsigned i = 0; i < 2 * RT_HOLDS; i++) {
		sys_fail_nth(1, error);
		holds[n] = rt_hold_get(me);
		sys_fail_nth(0, 0);
		n += holds[n] != NULL;
	}
	must(n < 2 * RT_HOLDS);
	while (n < 2 * RT_HOLDS)
		must((holds[n++] = rt_hold_get(me)) != NULL);
	for (unsigned i = 0; i < n; i++)
		for (unsigned j = 0; j < i; j++)
			must(holds[i] != holds[j]);
	while (n)
		rt_hold_put(me, holds[--n]);
	media_detach(&m);
}

int main(void)
{
	path = media_make("pool");
	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
		printf("%s: %u calls alone, %u beside another\n", strerror(errors[i]),
		       alone(errors[i]), beside_another(errors[i]));
		records(errors[i]);
		media_builds = 0;
		after_a_kill(errors[i]);
	}
	return 0;
}
