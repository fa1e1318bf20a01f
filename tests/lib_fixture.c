/* The fixture of the tests itself: children, deadlines, gates, and a directory that always goes away. */
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int return_arg(void *arg)
{
	return *(int *)arg;
}

static int fail_in_child(void *arg)
{
	(void)arg;
	if (!freopen("/dev/null", "w", stderr))
		return 2;
	must(!"this child fails");
	return 0;
}

static int wait_at_gate(void *arg)
{
	test_gate_wait(*(int *)arg);
	return 7;
}

static int wait_for_ever(void *arg)
{
	test_gate_open(*(int *)arg);
	while (pause())
		;
	return 0;
}

static void children(void)
{
	int three = 3, gate = test_gate();
	pid_t pid;

	must_be(test_in_child(return_arg, &three), 3);
	must_be(test_in_child(fail_in_child, NULL), 1);
	pid = test_fork(wait_at_gate, &gate);
	test_gate_open(gate);
	must_be(test_wait(pid, TEST_PATIENCE), 7);
	must(!test_gate_try(gate));
	pid = test_fork(wait_for_ever, &gate);
	test_gate_wait(gate);
	kill(pid, SIGSTOP);
	test_wait_stopped(pid);
	test_kill(pid);
	close(gate);
}

/* A process of its own that makes the directory, tells its name, and is killed. */
static void directory_goes(int how)
{
	char name[64] = "";
	int ends[2];
	pid_t pid;

	must(pipe(ends) == 0);
	pid = fork();
	if (pid == 0) {
		test_write_file(test_path("file"), "x", 1);
		must(mkdir(test_path("sub"), 0777) == 0);
		test_write_file(test_path("sub/%d", 1), "x", 1);
		must_be(test_names(test_dir()), 2);
		must(write(ends[1], test_dir(), strlen(test_dir())) > 0);
		if (how == 0)
			exit(0);
		raise(how);
	}
	close(ends[1]);
	must(read(ends[0], name, sizeof name - 1) > 0);
	must(waitpid(pid, NULL, 0) == pid);
	while (access(name, F_OK) == 0) /* meson's time limit is the deadline */
		usleep(1000);
	close(ends[0]);
}

int main(void)
{
	struct test_random a = {5}, b = {5};
	unsigned fds = test_fds();

	directory_goes(0);
	directory_goes(SIGKILL);
	directory_goes(SIGTERM);
	must_be(test_fds(), fds);
	children();
	must_be(test_fds(), fds);
	must(test_random(&a) == test_random(&b) && test_below(&a, 3) < 3);
	must(test_time_left(1) && !test_time_left(0));
	return 0;
}
