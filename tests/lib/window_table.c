/* See window_table.h. */
#include "window_table.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/clock.h"
#include "test.h"
#include "window.h"

#define SCRIPT_MAX 4000u
#define MAX_SAID   20u
#define OTHER      "b: "
#define END        "!" /* of a script */
#define LATE_NS    5000000000ull
#define NO_SUCH    "?" /* the answer when it has no such thing */

static const struct window_fs *const all[] = {&window_tmpfs, &window_memfd,  &window_hugetlb,
					      &window_pool,  &window_pumped, &window_huge_pool};

static struct {
	const struct window_fs *fs;
	struct window_known *knowns;
	unsigned cases, steps, left_out, differences;
	int talk[2]; /* to each of the two processes */
	pid_t pid[2];
} run;

/* ---- processes ------------------------------------------------------------------------------------------- */

static int obey(void *arg)
{
	int fd = *(int *)arg;
	char step[SCRIPT_MAX], out[WINDOW_OUT];
	ssize_t n;

	window_enter(run.fs);
	while ((n = recv(fd, step, sizeof step - 1, 0)) > 0) {
		step[n] = 0;
		*out = 0;
		if (!strcmp(step, END))
			window_leave(run.fs);
		else if (!window_step(run.fs, step, out))
			*out = 0;
		if (!*out)
			strcpy(out, NO_SUCH);
		must(send(fd, out, strlen(out), 0) > 0);
	}
	return 0;
}

static void start_processes(void)
{
	for (unsigned i = 0; i < 2; i++) {
		int pair[2];

		must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
		run.talk[i] = pair[0];
		run.pid[i] = test_fork(obey, &pair[1]);
		close(pair[1]);
	}
}

static void end_processes(void)
{
	for (unsigned i = 0; i < 2; i++) {
		test_kill(run.pid[i]);
		close(run.talk[i]);
	}
}

static const char *ask(unsigned process, const char *step)
{
	static char out[WINDOW_OUT + 1];
	struct pollfd p = {.fd = run.talk[process], .events = POLLIN};
	ssize_t n;

	must(send(run.talk[process], step, strlen(step), 0) > 0);
	if (poll(&p, 1, TEST_PATIENCE) != 1)
		test_fail(__FILE__, __LINE__, "%s: does not return: %s", run.fs->name, step);
	n = recv(run.talk[process], out, WINDOW_OUT, 0);
	if (n <= 0)
		test_fail(__FILE__, __LINE__, "%s: its process died in: %s", run.fs->name, step);
	out[n] = 0;
	return out;
}

/* ---- differences that are meant ---------------------------------------------------------------------------- */

static bool is_host(void)
{
	return run.fs == &window_tmpfs || run.fs == &window_memfd || run.fs == &window_hugetlb;
}

static bool is_huge(void)
{
	return run.fs == &window_hugetlb || run.fs == &window_huge_pool;
}

static bool of_this_fs(const char *fs)
{
	return !strcmp(fs, run.fs->name) || (!strcmp(fs, "host") && is_host()) ||
	       (!strcmp(fs, "pools") && !is_host()) || (!strcmp(fs, "huge") && is_huge());
}

static bool matches(const char *pattern, const char *text)
{
	size_t n = strlen(pattern);

	return n && pattern[n - 1] == '*' ? !strncmp(pattern, text, n - 1) : !strcmp(pattern, text);
}

static bool known(const struct window_row *row, const char *step, const char *expected,
		  const char *got)
{
	for (struct window_known *k = run.knowns; k->fs; k++)
		if (of_this_fs(k->fs) && matches(k->step, step) && matches(k->expected, expected) &&
		    matches(k->got, got) && (!k->row || !strcmp(k->row, row->name))) {
			k->seen++;
			return true;
		}
	return false;
}

/* ---- one script -------------------------------------------------------------------------------------------- */

/* False: what comes is not to be looked at. */
static bool one_step(const struct window_row *row, char *step)
{
	char *equals = strstr(step, " = ");
	const char *expected = equals ? equals + 3 : "ok", *got;
	bool other = !strncmp(step, OTHER, strlen(OTHER));

	if (equals)
		*equals = 0;
	got = ask(other, step + (other ? strlen(OTHER) : 0));
	if (!strcmp(got, NO_SUCH)) {
		run.left_out++;
		return false;
	}
	run.steps++;
	if (!strcmp(got, expected))
		return true;
	if (known(row, step, expected, got))
		return false;
	/* On a machine with much else to do another process may take longer than it is waited for. */
	if (other && !is_host() && !strncmp(step + strlen(OTHER), "show", 4)) {
		for (uint64_t end = clock_mono() + LATE_NS;
		     clock_mono() < end && strcmp(got, expected);)
			got = ask(other, step + strlen(OTHER));
		if (!strcmp(got, expected))
			return true;
	}
	if (run.differences++ < MAX_SAID)
		printf("%s: %s\n  %s\n    must give: %s\n    %s: %s\n", row->name, row->script,
		       step, expected, run.fs->name, got);
	return false;
}

static void one_row(const struct window_row *row)
{
	char script[SCRIPT_MAX];
	char *step = script, *next;

	if (row->small && is_huge())
		return;
	must(strlen(row->script) < SCRIPT_MAX);
	strcpy(script, row->script);
	run.cases++;
	for (; step; step = next) {
		next = strstr(step, WINDOW_SPLIT);
		if (next) {
			*next = 0;
			next += strlen(WINDOW_SPLIT);
		}
		if (!one_step(row, step))
			break;
	}
	if (strstr(row->script, OTHER))
		ask(1, END);
	ask(0, END);
}

static bool wanted(const char *what, const char *name)
{
	const char *only = getenv(what);

	return !only || strstr(name, only);
}

/* What is said to differ here, and does not. */
static unsigned unseen(void)
{
	unsigned n = 0;

	for (struct window_known *k = run.knowns; k->fs; k++) {
		if (of_this_fs(k->fs) && !k->seen && !k->maybe && !getenv("PF_WINDOW_ROW")) {
			printf("%s: no longer differs: %s (%s)\n", run.fs->name, k->step, k->why);
			n++;
		}
		k->seen = 0;
	}
	return n;
}

/* PF_WINDOW_FS and PF_WINDOW_ROW: parts of names, for those alone. */
void window_table(const struct window_row *rows, struct window_known *knowns)
{
	unsigned differences = 0;

	run.knowns = knowns;
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		run.fs = all[i];
		run.cases = run.steps = run.left_out = run.differences = 0;
		if (!wanted("PF_WINDOW_FS", run.fs->name) || (run.fs->start && !run.fs->start()))
			continue;
		start_processes();
		for (const struct window_row *row = rows; row->name; row++)
			if (wanted("PF_WINDOW_ROW", row->name))
				one_row(row);
		end_processes();
		run.differences += unseen();
		printf("%-10s %u rows, %u steps, %u rows are for others, %u differences\n",
		       run.fs->name, run.cases, run.steps, run.left_out, run.differences);
		fflush(stdout);
		differences += run.differences;
	}
	must_be(differences, 0);
}
