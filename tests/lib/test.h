/*
 * What every test uses: a directory on tmpfs, assertions that print where and why, children with a
 * deadline, gates to wait at instead of sleeping, seeded random numbers. A test is a main() that returns 0,
 * or fails (exit 1), or skips (exit 77). A failing child ends with status 1, which its parent asserts.
 */
#ifndef TEST_TEST_H
#define TEST_TEST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- assertions ---- */

/* Ends the test (a child: this child) unless x. Prints pf_message() too. */
#define must(x) ((x) ? (void)0 : test_fail(__FILE__, __LINE__, "%s", #x))
/* The same for numbers: prints both. `wanted` is 0, a size, -PF_ESHORT ... */
#define must_be(got, wanted) \
	test_must_be(__FILE__, __LINE__, #got, (long)(got), #wanted, (long)(wanted))

void test_fail(const char *file, int line, const char *format, ...)
	__attribute__((noreturn, format(printf, 3, 4)));
void test_must_be(const char *file, int line, const char *got_text, long got,
		  const char *wanted_text, long wanted);

/* "skip: why", then the whole test ends with 77 (skip) or goes on without this part (skip_part). */
void skip(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
void skip_part(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- files ---- */

/* A new directory on tmpfs, made at the first call, removed when this process ends however it ends.
 * From then on PINFOLD_RUNTIME_DIR is this directory. Call it first in main(), before threads. */
const char *test_dir(void);
/* test_dir()/name, formatted; in one of 16 buffers used in turn by this thread. */
const char *test_path(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A file with these bytes (replaces an older one); where the directory is, it may not be. */
void test_write_file(const char *path, const void *bytes, size_t length);
/* Descriptors that this process has open. */
unsigned test_fds(void);
/* Names in a directory, without "." and "..". */
unsigned test_names(const char *dir);

/* ---- time and chance ---- */

/* PF_TEST_SECONDS: how long a random test may go on; 5 if unset. */
unsigned test_seconds(void);
/* False once `share` of test_seconds() are over since the first call, e.g. 0.5. */
bool test_time_left(double share);
/* PF_TEST_SEED, or something new; prints "seed: N" when first called. */
uint64_t test_seed(void);

struct test_random {
	uint64_t state; /* the seed; any value will do */
};
uint64_t test_random(struct test_random *r);
/* 0 .. n - 1; n > 0 */
uint64_t test_below(struct test_random *r, uint64_t n);

/* ---- children ---- */

/* How long anything here waits before the test fails, in milliseconds. */
#define TEST_PATIENCE 60000u

/* A child that calls run(arg) and ends with its result. It is killed when the thread that made it ends. */
pid_t test_fork(int (*run)(void *arg), void *arg);
/* Waits for a child: its exit status, or 256 + the signal that ended it. Fails after `ms`. */
int test_wait(pid_t pid, unsigned ms);
/* Both: the exit status. */
int test_in_child(int (*run)(void *arg), void *arg);
/* kill -9, and waits until it is gone (all its threads, descriptors and locks). */
void test_kill(pid_t pid);
/* Waits until a child that was sent SIGSTOP has stopped. */
void test_wait_stopped(pid_t pid);

/* A gate, shared with children made later: each open lets one wait through, whichever came first. */
int test_gate(void);
void test_gate_open(int gate);
void test_gate_wait(int gate);
/* True if it was open (and passes it), does not wait. */
bool test_gate_try(int gate);

#endif
