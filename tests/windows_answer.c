/* A call that takes pages out of a file returns when windows of other processes show that: by their service thread, or by pf_pump() where there is none. */
/* test: suite=short timeout=60 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "handmade.h"

#define MIB (1ul << 20)

static const char *path;
static int ready, go;
static sigjmp_buf back;

static void on_bus(int signal)
{
	siglongjmp(back, signal);
}

static bool raises(const volatile char *at)
{
	if (sigsetjmp(back, 1))
		return true;
	(void)*at;
	return false;
}

static int look(void *arg)
{
	unsigned flags = *(unsigned *)arg;
	pf_pool *pool;
	pf_file *file;
	void *window;
	volatile char *at;

	signal(SIGBUS, on_bus);
	OK(pf_pool_open(path, flags, &pool));
	OK(pf_open(pool, "file", PF_O_RDONLY, 0, &file));
	OK(pf_window_map(file, NULL, 4 * MIB, PF_MAP_READ, 0, &window));
	at = window;
	must(at[0] && at[3 * MIB]);
	if (flags)
		must_be(pf_pump(pool, 0), 0);
	test_gate_open(ready);
	if (flags)
		must_be(pf_pump(pool, -1), 1);
	test_gate_wait(go);
	must_be(at[0], 0);
	must(at[MIB]);
	must(!raises(at + 3 * MIB));
	test_gate_open(ready);
	if (flags)
		must_be(pf_pump(pool, -1), 1);
	test_gate_wait(go);
	must(raises(at + 3 * MIB));
	must(at[MIB]);
	OK(pf_close(file));
	OK(pf_pool_close(pool));
	return 0;
}

static void answers(unsigned flags)
{
	pf_pool *pool = pool_open(path);
	pid_t child = test_fork(look, &flags);
	pf_file *file;

	test_gate_wait(ready);
	OK(pf_open(pool, "file", PF_O_RDWR, 0, &file));
	OK(pf_punch(file, 0, 4096, PF_DETACH, 0));
	test_gate_open(go);
	test_gate_wait(ready);
	OK(pf_truncate(file, 2 * MIB, PF_DETACH, 0));
	test_gate_open(go);
	must_be(test_wait(child, TEST_PATIENCE), 0);
	OK(pf_close(file));
	pool_check(pool, "answered");
	OK(pf_pool_close(pool));
}

static void on_alarm(int signal)
{
	(void)signal;
}

static void interrupted(void)
{
	struct sigaction action = {.sa_handler = on_alarm};
	pf_pool *pool = pool_open(path);

	must_be(sigaction(SIGALRM, &action, NULL), 0);
	alarm(1);
	must_be(pf_pump(pool, -1), -EINTR);
	OK(pf_pool_close(pool));
}

int main(void)
{
	pf_pool *pool;

	path = pool_make("pool", 32);
	ready = test_gate();
	go = test_gate();
	for (unsigned flags = 0; flags <= PF_POOL_NO_THREAD; flags += PF_POOL_NO_THREAD) {
		pool = pool_open(path);
		pattern_file(pool, "file", 4 * MIB, 1);
		OK(pf_pool_close(pool));
		answers(flags);
	}
	interrupted();
	return 0;
}
