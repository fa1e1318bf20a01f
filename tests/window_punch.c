/* A hole under a window that can be written has pages again when the call that made it returns, in all processes; where there are none, SIGBUS, until there are and something changes there. */
/* test: suite=short timeout=60 */
#include <setjmp.h>
#include <signal.h>
#include <string.h>

#include "pool.h"

#define MIB (1ul << 20)

static const char *path;
static int ready, go;
static sigjmp_buf back;

static void on_bus(int signal)
{
	siglongjmp(back, signal);
}

static bool raises(volatile char *at)
{
	if (sigsetjmp(back, 1))
		return true;
	*at = *at;
	return false;
}

static volatile char *map(pf_pool *pool, pf_file **file)
{
	void *window;

	OK(pf_open(pool, "file", PF_O_RDWR, 0, file));
	OK(pf_window_map(*file, NULL, 4 * MIB, PF_MAP_READ | PF_MAP_WRITE, 0, &window));
	return window;
}

static int look(void *arg)
{
	volatile char *at;
	pf_pool *pool;
	pf_file *file;

	(void)arg;
	OK(pf_pool_open(path, 0, &pool));
	at = map(pool, &file);
	at[MIB] = 1;
	test_gate_open(ready);
	test_gate_wait(go);
	must(!raises(at + MIB) && at[MIB] == 0);
	at[MIB + 1] = 'c';
	OK(pf_close(file));
	OK(pf_pool_close(pool));
	return 0;
}

static void with_space(void)
{
	pf_pool *pool = pool_open(path);
	pid_t child = test_fork(look, NULL);
	volatile char *at;
	pf_file *file;

	test_gate_wait(ready);
	at = map(pool, &file);
	must_be(at[MIB], 1);
	OK(pf_punch(file, MIB, PF_PAGE_SIZE, PF_DETACH, 0));
	must(!raises(at + MIB) && at[MIB] == 0);
	at[MIB] = 'p';
	must_be(at[MIB], 'p');
	at[MIB] = 0;
	test_gate_open(go);
	must_be(test_wait(child, TEST_PATIENCE), 0);
	must_be(at[MIB + 1], 'c');
	OK(pf_close(file));
	OK(pf_pool_close(pool));
}

static void fill_pool(pf_pool *pool)
{
	static char bytes[PF_PAGE_SIZE];
	pf_file *file;

	OK(pf_open(pool, "rest", PF_O_RDWR | PF_O_CREATE, 0600, &file));
	while (pf_append(file, bytes, sizeof bytes) > 0)
		;
	OK(pf_close(file));
}

/* Pages that are folios of their own: what leaves is free when nobody holds it. */
static volatile char *map_singles(pf_pool *pool, pf_file **file)
{
	void *window;

	OK(pf_open(pool, "singles", PF_O_RDWR | PF_O_CREATE, 0600, file));
	for (unsigned i = 8; i-- > 0;)
		must_be(pf_write(*file, "x", 1, i * PF_PAGE_SIZE), 1);
	OK(pf_window_map(*file, NULL, 8 * PF_PAGE_SIZE, PF_MAP_READ | PF_MAP_WRITE, 0, &window));
	return window;
}

static void punch_page(pf_file *file, unsigned page)
{
	OK(pf_punch(file, page * PF_PAGE_SIZE, PF_PAGE_SIZE, PF_DETACH, 0));
}

static void without_space(void)
{
	pf_pool *pool = pool_open(path);
	volatile char *at;
	pf_file *file;
	pf_pin *pin;

	at = map_singles(pool, &file);
	fill_pool(pool);
	/* The page that went is enough. */
	punch_page(file, 0);
	must(!raises(at) && at[0] == 0);
	/* It is kept by a pin, and there is no other. */
	OK(pf_pin_file(file, 2 * PF_PAGE_SIZE, PF_PAGE_SIZE, PF_PIN_LONGTERM, &pin));
	punch_page(file, 2);
	must(raises(at + 2 * PF_PAGE_SIZE) && !raises(at + PF_PAGE_SIZE));
	OK(pf_unpin(pin));
	punch_page(file, 4);
	must(!raises(at + 4 * PF_PAGE_SIZE) && at[4 * PF_PAGE_SIZE] == 0);
	must(!raises(at + 2 * PF_PAGE_SIZE) && at[2 * PF_PAGE_SIZE] == 0);
	OK(pf_close(file));
	pool_check(pool, "full");
	OK(pf_pool_close(pool));
}

int main(void)
{
	pf_pool *pool;

	path = pool_make("p", 32);
	ready = test_gate();
	go = test_gate();
	signal(SIGBUS, on_bus);
	pool = pool_open(path);
	pattern_file(pool, "file", 4 * MIB, 1);
	with_space();
	without_space();
	pool_empty(pool, "punched");
	OK(pf_pool_close(pool));
	return 0;
}
