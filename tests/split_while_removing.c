/* A folio that its last holder's put splits, after a removal has found it whole and before the removal holds it: no page is lost or freed twice. */
#include <string.h>

#include "base/step.h"
#include "pool.h"

#ifdef PF_STEPS
#define PAGE 4096ul

static const char *path;
static int ready, let_go, gone;

static int hold(void *arg)
{
	pf_pool *pool = pool_open(path);
	pf_file *file;
	pf_pin *pin;

	(void)arg;
	OK(pf_open(pool, "file", PF_O_RDONLY, 0, &file));
	OK(pf_pin_file(file, 300 * PAGE, PAGE, 0, &pin));
	test_gate_open(ready);
	test_gate_wait(let_go);
	OK(pf_unpin(pin));
	test_gate_open(gone);
	OK(pf_close(file));
	OK(pf_pool_close(pool));
	return 0;
}

/* Once: the holder gives its pin back now. */
static void at_step(const char *name)
{
	if (strcmp(name, "remove: found"))
		return;
	step_hook = NULL;
	test_gate_open(let_go);
	test_gate_wait(gone);
}

/* Pages `from` to `to` are punched out of a folio of which some have left already. */
static void one(pf_pool *pool, uint64_t from, uint64_t to)
{
	static char bytes[512 * PAGE];
	pf_file *file;
	pid_t pid;

	pattern_file(pool, "file", sizeof bytes, 5);
	pid = test_fork(hold, NULL);
	test_gate_wait(ready);
	OK(pf_open(pool, "file", PF_O_RDWR, 0, &file));
	OK(pf_truncate(file, 450 * PAGE, PF_DETACH, 0)); /* P: the unpin will split */
	step_hook = at_step;
	OK(pf_punch(file, from * PAGE, (to - from) * PAGE, PF_DETACH, 0));
	must(!step_hook);
	must_be(test_wait(pid, TEST_PATIENCE), 0);
	pool_check(pool, "a punch");
	must_be(pool_info(pool).pages_member, 450 - (to - from));
	must_be(pf_read(file, bytes, from * PAGE, 0), from * PAGE);
	must_be(pattern_differs(bytes, from * PAGE, 5, 0), from * PAGE);
	OK(pf_close(file));
	pool_empty(pool, "a punch");
}

int main(void)
{
	static const uint64_t ranges[][2] = {{1, 449},   {100, 300}, {0, 256},
					     {255, 257}, {256, 450}, {7, 8}};
	pf_pool *pool;

	path = pool_make("pool", 32);
	ready = test_gate();
	let_go = test_gate();
	gone = test_gate();
	pool = pool_open(path);
	for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
		one(pool, ranges[i][0], ranges[i][1]);
	OK(pf_pool_close(pool));
	return 0;
}
#else
int main(void)
{
	skip("this build has no steps; make test-debug has");
}
#endif
