/* A forked child has nothing where its parent's windows are, and cannot call; the parent's windows go on. */
/* test: suite=short timeout=60 */
#include <signal.h>

#include "pool.h"

#define MIB (1ul << 20)

static pf_pool *pool;
static pf_file *file;
static volatile char *at;

static int touches(void *arg)
{
	(void)arg;
	signal(SIGSEGV, SIG_DFL);
	return at[0];
}

static int calls(void *arg)
{
	void *window = (void *)(uintptr_t)at; /* NOLINT(performance-no-int-to-ptr) */
	pf_pin *pin;

	(void)arg;
	must_be(pf_window_map(file, NULL, MIB, PF_MAP_READ, 0, &window), -PF_EFORKED);
	must_be(pf_window_unmap(pool, window, MIB), -PF_EFORKED);
	must_be(pf_window_protect(pool, window, MIB, PF_MAP_READ), -PF_EFORKED);
	must_be(pf_window_remap(pool, window, MIB, 2 * MIB, PF_REMAP_MAYMOVE, NULL, &window),
		-PF_EFORKED);
	must_be(pf_window_sync(pool, window, MIB), -PF_EFORKED);
	must_be(pf_window_pin(pool, window, MIB, 0, &pin), -PF_EFORKED);
	must_be(pf_pool_close(pool), -PF_EFORKED);
	return 0;
}

int main(void)
{
	void *window;

	pool = pool_open(pool_make("p", 32));
	pattern_file(pool, "a", 4 * MIB, 1);
	OK(pf_open(pool, "a", PF_O_RDWR, 0, &file));
	OK(pf_window_map(file, NULL, 4 * MIB, PF_MAP_READ | PF_MAP_WRITE, 0, &window));
	at = window;
	must_be(test_in_child(touches, NULL), 256 + SIGSEGV);
	must_be(test_in_child(calls, NULL), 0);
	must_be(pattern_differs(window, 4 * MIB, 1, 0), 4 * MIB);
	at[MIB] = 'p';
	OK(pf_window_protect(pool, window, MIB, PF_MAP_READ));
	OK(pf_window_unmap(pool, window, 4 * MIB));
	OK(pf_close(file));
	pool_empty(pool, "forked");
	OK(pf_pool_close(pool));
	return 0;
}
