/* A process with windows is killed: its windows are nobody's when its slot is reaped, and nothing is wrong, held or left of its page tables. */
/* test: suite=short timeout=60 */
#include <unistd.h>

#include "file/pool.h"
#include "mm/mm.h"
#include "pool.h"

#define MIB (1ul << 20)

static const char *path;
static int ready;

static int have_windows(void *arg)
{
	pf_pool *pool = pool_open(path);
	pf_file *file;
	void *window;

	(void)arg;
	OK(pf_open(pool, "file", PF_O_RDWR, 0, &file));
	for (unsigned i = 0; i < 100; i++)
		OK(pf_window_map(file, NULL, MIB, PF_MAP_READ | PF_MAP_WRITE, i % 4 * MIB,
				 &window));
	OK(pf_unlink(pool, "file"));
	test_gate_open(ready);
	pause();
	return 1;
}

static unsigned windows(struct rt *rt)
{
	struct rt_cursor c = {0};
	unsigned n = 0;

	while (rt_next_vma(rt, &c))
		n++;
	return n;
}

int main(void)
{
	uint64_t lost, before;
	struct rt *rt;
	pf_pool *pool;
	pid_t child;

	path = pool_make("killed", 64);
	ready = test_gate();
	pool = pool_open(path);
	rt = pool->layout.rt;
	before = pool_info(pool).pages_free;
	pattern_file(pool, "file", 4 * MIB, 1);
	child = test_fork(have_windows, NULL);
	test_gate_wait(ready);
	must(windows(rt) == 100 && rt_tables_used(rt, &lost) > 0);
	pool_check(pool, "a process with windows");
	test_kill(child);
	must_be(OK(pf_reap(pool)), 1);
	must_be(windows(rt), 0);
	must_be(rt_tables_used(rt, &lost), 0);
	must_be(pool_info(pool).pages_free, before);
	pool_empty(pool, "a killed process with windows");
	OK(pf_pool_close(pool));
	return 0;
}
