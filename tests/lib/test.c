/*
 * The fixture, see test.h. The directory is removed at exit; if the process ends otherwise, by a janitor: a
 * process of its own that waits for the end of a pipe whose other end the test and its children have open.
 */
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pinfold.h"

static pid_t main_process; /* set by test_fork, in the parent; 0: there are no children */
static char directory[64];
static pid_t directory_owner;

/* ---- assertions ---- */

static void end(int status) __attribute__((noreturn));
static void end(int status)
{
	fflush(NULL);
	if (main_process && main_process != getpid())
		_exit(status);
	exit(status);
}

void test_fail(const char *file, int line, const char *format, ...)
{
	va_list args;

	flockfile(stderr);
	fprintf(stderr, "%s:%d: ", file, line);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n  errno: %s; pf_message: %s\n", strerror(errno), pf_message());
	funlockfile(stderr);
	end(1);
}

void test_must_be(const char *file, int line, const char *got_text, long got,
		  const char *wanted_text, long wanted)
{
	if (got != wanted)
		test_fail(file, line, "%s is %ld, not %ld (%s)", got_text, got, wanted,
			  wanted_text);
}

static void say_skip(const char *format, va_list args)
{
	printf("skip: ");
	vprintf(format, args);
	printf("\n");
	fflush(stdout);
}

void skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say_skip(format, args);
	va_end(args);
	end(77);
}

void skip_part(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say_skip(format, args);
	va_end(args);
}

/* ---- files ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st, (void)type, (void)where;
	remove(path);
	return 0;
}

static void remove_directory(void)
{
	nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static void at_exit(void)
{
	if (directory_owner == getpid())
		remove_directory();
}

/* The janitor is nobody's child, so that a test may wait for "any child". */
static void start_janitor(void)
{
	int ends[2];
	pid_t pid;
	char byte;

	must(pipe2(ends, O_CLOEXEC) == 0);
	pid = fork();
	must(pid >= 0);
	if (pid > 0) {
		close(ends[0]);
		must(waitpid(pid, NULL, 0) == pid);
		return;
	}
	if (fork() == 0) {
		setsid();
		dup2(ends[0], 0);
		close_range(1, ~0u, 0);
		while (read(0, &byte, 1) < 0 && errno == EINTR)
			;
		remove_directory();
	}
	_exit(0);
}

const char *test_dir(void)
{
	if (directory[0])
		return directory;
	strcpy(directory, "/dev/shm/pinfold-test.XXXXXX");
	if (!mkdtemp(directory))
		skip("no directory on tmpfs: %s: %s", directory, strerror(errno));
	directory_owner = getpid();
	start_janitor();
	atexit(at_exit);
	setenv("PINFOLD_RUNTIME_DIR", directory, 1);
	return directory;
}

const char *test_path(const char *format, ...)
{
	static _Thread_local char paths[16][512];
	static _Thread_local unsigned next;
	char *path = paths[next++ % 16];
	int n = snprintf(path, sizeof paths[0], "%s/", test_dir());
	va_list args;

	va_start(args, format);
	vsnprintf(path + n, sizeof paths[0] - (size_t)n, format, args);
	va_end(args);
	return path;
}

void test_write_file(const char *path, const void *bytes, size_t length)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	must(fd >= 0);
	must(write(fd, bytes, length) == (ssize_t)length);
	close(fd);
}

unsigned test_names(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	unsigned n = 0;

	must(dir != NULL);
	while ((entry = readdir(dir)))
		n += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
	closedir(dir);
	return n;
}

unsigned test_fds(void)
{
	return test_names("/proc/self/fd") - 1; /* less the one that looks */
}

/* ---- time and chance ---- */

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

unsigned test_seconds(void)
{
	const char *text = getenv("PF_TEST_SECONDS");

	return text && atoi(text) > 0 ? (unsigned)atoi(text) : 5;
}

bool test_time_left(double share)
{
	static double start;

	if (start == 0)
		start = now();
	return now() < start + share * test_seconds();
}

uint64_t test_seed(void)
{
	static uint64_t seed;
	const char *text = getenv("PF_TEST_SEED");

	if (seed)
		return seed;
	seed = text ? strtoull(text, NULL, 0) : (uint64_t)(now() * 1e9) ^ (uint64_t)getpid() << 40;
	printf("seed: %lu\n", (unsigned long)seed);
	fflush(stdout);
	return seed;
}

/* splitmix64 */
uint64_t test_random(struct test_random *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint64_t test_below(struct test_random *r, uint64_t n)
{
	return test_random(r) % n;
}

/* ---- children ---- */

pid_t test_fork(int (*run)(void *arg), void *arg)
{
	pid_t parent = getpid(), pid;

	if (!main_process)
		main_process = parent;
	fflush(NULL);
	pid = fork();
	must(pid >= 0);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	end(run(arg));
}

int test_wait(pid_t pid, unsigned ms)
{
	struct pollfd p = {.fd = pidfd_open(pid, 0), .events = POLLIN};
	int status, n;

	must(p.fd >= 0);
	do
		n = poll(&p, 1, (int)ms);
	while (n < 0 && errno == EINTR);
	close(p.fd);
	if (n == 0) {
		kill(pid, SIGKILL);
		test_fail(__FILE__, __LINE__, "child %d does not end", (int)pid);
	}
	must(waitpid(pid, &status, 0) == pid);
	return WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
}

int test_in_child(int (*run)(void *arg), void *arg)
{
	return test_wait(test_fork(run, arg), TEST_PATIENCE);
}

void test_kill(pid_t pid)
{
	must(kill(pid, SIGKILL) == 0);
	must_be(test_wait(pid, TEST_PATIENCE), 256 + SIGKILL);
}

void test_wait_stopped(pid_t pid)
{
	int status;

	must(waitpid(pid, &status, WUNTRACED) == pid);
	must(WIFSTOPPED(status));
}

int test_gate(void)
{
	int gate = eventfd(0, EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK);

	must(gate >= 0);
	return gate;
}

void test_gate_open(int gate)
{
	uint64_t one = 1;

	must(write(gate, &one, sizeof one) == sizeof one);
}

bool test_gate_try(int gate)
{
	uint64_t one;

	return read(gate, &one, sizeof one) == sizeof one;
}

void test_gate_wait(int gate)
{
	struct pollfd p = {.fd = gate, .events = POLLIN};
	double end_time = now() + TEST_PATIENCE * 1e-3;

	while (!test_gate_try(gate)) {
		if (now() > end_time)
			test_fail(__FILE__, __LINE__, "nobody opens the gate");
		poll(&p, 1, 1000);
	}
}
