/* A process's windows are taken away: they raise SIGBUS until they are unmapped, however they were divided, moved and protected, and their pages are free. The final break does that to all, says who
 * holds what, and ends when that was given back. */
/* test: suite=short timeout=60 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <unistd.h>

#include "base/sys.h"
#include "pool.h"

#define MIB  (1ul << 20)
#define PAGE PF_PAGE_SIZE
#define RW   (PF_MAP_READ | PF_MAP_WRITE)
#define MOVE (PF_REMAP_MAYMOVE | PF_REMAP_FIXED)

static const char *path;
static pf_pool *pool;
static int ready, go;
static sigjmp_buf back;

static void on_bus(int signal)
{
	siglongjmp(back, signal);
}

static bool raises(const volatile uint8_t *at)
{
	if (sigsetjmp(back, 1))
		return true;
	(void)*at;
	return false;
}

static uint8_t *map(pf_pool *in, uint64_t length)
{
	pf_file *file;
	void *window;

	OK(pf_open(in, "file", PF_O_RDWR, 0, &file));
	OK(pf_window_map(file, NULL, length, RW, 0, &window));
	OK(pf_close(file));
	return window;
}

static pf_pool *open_with_thread(void)
{
	pf_pool *mine;

	OK(pf_pool_open(path, 0, &mine));
	return mine;
}

static void resize(uint64_t size)
{
	pf_file *file;

	OK(pf_open(pool, "file", PF_O_RDWR, 0, &file));
	OK(pf_truncate(file, size, PF_DETACH, 0));
	OK(pf_close(file));
}

/* ---- what is seen of it -------------------------------------------------------------------------------- */

struct seen {
	unsigned windows, evicted, stale, holds, reports;
	uint64_t resident;
	pid_t pid;
};

static int note_window(void *arg, const struct pf_window *w)
{
	struct seen *s = arg;

	s->windows++;
	s->evicted += w->evicted != 0;
	s->stale += w->stale != 0;
	s->resident += w->resident;
	return 0;
}

static struct seen windows_of(pid_t pid)
{
	struct seen s = {0};

	OK(pf_windows(pool, pid, note_window, &s));
	return s;
}

static int note_window_hold(void *arg, const struct pf_holder *h)
{
	struct seen *s = arg;

	must_be(h->pid, s->pid);
	must_be(h->kind, PF_HOLD_WINDOW);
	s->holds++;
	return 0;
}

static int count_of(void *arg, const struct pf_holder *h)
{
	struct seen *s = arg;

	s->holds += h->pid == s->pid;
	return 0;
}

static unsigned holds_of(pid_t pid)
{
	struct seen s = {.pid = pid};

	OK(pf_holders(pool, count_of, &s));
	return s.holds;
}

/* ---- another process's windows --------------------------------------------------------------------------- */

static int has_window(void *arg)
{
	pf_pool *mine = open_with_thread();
	uint8_t *at = map(mine, 4 * MIB);

	(void)arg;
	must(at[0] && at[3 * MIB]);
	test_gate_open(ready);
	test_gate_wait(go);
	for (unsigned i = 0; i < 4; i++)
		must(raises(at + i * MIB));
	OK(pf_window_unmap(mine, at, 4 * MIB));
	at = map(mine, 4 * MIB);
	must(!raises(at));
	at[3 * MIB] = 17;
	must_be(at[3 * MIB], 17);
	OK(pf_pool_close(mine));
	return 0;
}

static void revoked(void)
{
	uint64_t free_before;
	struct pf_info info;
	struct seen s;
	pid_t child;

	resize(0);
	free_before = pool_info(pool).pages_free;
	pattern_file(pool, "file", 4 * MIB, 1);
	child = test_fork(has_window, NULL);
	test_gate_wait(ready);
	s = windows_of(child);
	must_be(s.evicted, 0);
	must_be(s.resident, 4 * MIB);
	must_be(pf_evict(pool, child, -1, NULL, NULL), 0);
	s = windows_of(child);
	must_be(s.windows, 1);
	must_be(s.evicted, 1);
	must_be(s.stale, 0);
	must_be(s.resident, 0);
	resize(0);
	info = pool_info(pool);
	must_be(info.pages_orphan, 0);
	must_be(info.pages_free, free_before);
	resize(4 * MIB); /* it stays evicted */
	test_gate_open(go);
	must_be(test_wait(child, TEST_PATIENCE), 0);
}

/* It keeps them while it is stopped, and no longer. */
static void stopped(void)
{
	struct seen s = {0};

	pattern_file(pool, "file", 4 * MIB, 1);
	s.pid = test_fork(has_window, NULL);
	test_gate_wait(ready);
	kill(s.pid, SIGSTOP);
	test_wait_stopped(s.pid);
	must(pf_evict(pool, s.pid, 10, note_window_hold, &s) > 0);
	must(s.holds);
	must_be(windows_of(s.pid).evicted, 0);
	must_be(windows_of(s.pid).stale, 1);
	kill(s.pid, SIGCONT);
	while (holds_of(s.pid))
		sched_yield();
	must_be(windows_of(s.pid).evicted, 1);
	test_gate_open(go);
	must_be(test_wait(s.pid, TEST_PATIENCE), 0);
}

static int pumps(void *arg)
{
	pf_pool *mine = pool_open(path);
	uint8_t *at = map(mine, MIB), *later;

	(void)arg;
	pf_pump(mine, 0);
	test_gate_open(ready);
	test_gate_wait(go);
	must(!raises(at));
	later = map(mine, MIB);
	must_be(pf_pump(mine, 0), 1);
	must(raises(at));
	must(!raises(later));
	OK(pf_pool_close(mine));
	return 0;
}

/* What is mapped after somebody wanted the windows, and before that was seen, is not meant. */
static void pumped(void)
{
	struct seen s = {0};

	pattern_file(pool, "file", 4 * MIB, 1);
	s.pid = test_fork(pumps, NULL);
	test_gate_wait(ready);
	must(pf_evict(pool, s.pid, 0, note_window_hold, &s) > 0);
	test_gate_open(go);
	must_be(test_wait(s.pid, TEST_PATIENCE), 0);
}

/* ---- our own -------------------------------------------------------------------------------------------- */

/* In parts, of which one is gone and one has moved; and changed afterwards. */
static void own(void)
{
	uint8_t *at, *moved, *again;
	struct seen s;

	pattern_file(pool, "file", 6 * MIB, 1);
	at = map(pool, 4 * MIB);
	OK(pf_window_protect(pool, at + MIB, PAGE, PF_MAP_READ));
	OK(pf_window_unmap(pool, at + 2 * MIB, PAGE));
	OK(pf_window_remap(pool, at + 3 * MIB, MIB, MIB, MOVE, map(pool, MIB), (void **)&moved));
	must_be(pf_evict(pool, getpid(), 0, NULL, NULL), 0);
	s = windows_of(getpid());
	must_be(s.evicted, s.windows);
	must_be(s.resident, 0);
	must(raises(at) && raises(at + MIB) && raises(at + 2 * MIB + PAGE) && raises(moved));
	OK(pf_window_protect(pool, at, MIB, PF_MAP_READ));
	OK(pf_window_unmap(pool, at + MIB / 2, PAGE));
	OK(pf_window_remap(pool, moved, MIB, 2 * MIB, MOVE, map(pool, 2 * MIB), (void **)&moved));
	must(raises(at) && raises(at + MIB / 2 + PAGE) && raises(moved) && raises(moved + MIB));
	resize(0);
	resize(6 * MIB); /* looked at again, and no other for that */
	s = windows_of(getpid());
	must_be(s.evicted, s.windows);
	must(raises(at) && raises(at + MIB / 2 + PAGE) && raises(moved) && raises(moved + MIB));
	again = map(pool, 4 * MIB);
	must(!raises(again) && !raises(again + 3 * MIB));
	must_be(holds_of(getpid()) > 0, 1);
	OK(pf_window_unmap(pool, again, 4 * MIB));
	must_be(holds_of(getpid()), 0);
	OK(pf_window_unmap(pool, at, 3 * MIB));
	OK(pf_window_unmap(pool, moved, 2 * MIB));
}

/* ---- the final break -------------------------------------------------------------------------------------- */

static int has_pin(void *arg)
{
	pf_pool *mine = open_with_thread();
	uint8_t *at = map(mine, MIB);
	pf_file *file;
	pf_pin *pin;

	(void)arg;
	OK(pf_open(mine, "file", PF_O_RDONLY, 0, &file));
	OK(pf_pin_file(file, 2 * MIB, PAGE, 0, &pin));
	test_gate_open(ready);
	test_gate_wait(go);
	must(raises(at));
	OK(pf_unpin(pin));
	test_gate_wait(go);
	OK(pf_pool_close(mine));
	return 0;
}

static int note_pin(void *arg, const struct pf_holder *h)
{
	struct seen *s = arg;

	must_be(h->pid, s->pid);
	must_be(h->kind, PF_HOLD_PIN);
	s->reports++;
	return 0;
}

/* As note_pin(); who forgot it remembers. */
static int remind(void *arg, const struct pf_holder *h)
{
	note_pin(arg, h);
	test_gate_open(go);
	return 0;
}

/* A forgotten pin is named, and waited for: no longer than was said, and no longer than it lasts. */
static void K35_reports_and_goes_on(void)
{
	struct seen s = {0};
	uint8_t *at;

	pattern_file(pool, "file", 4 * MIB, 1);
	at = map(pool, MIB);
	s.pid = test_fork(has_pin, NULL);
	test_gate_wait(ready);
	must_be(pf_evict_all(pool, 0, note_pin, &s), 1);
	must_be(s.reports, 1);
	must(raises(at));
	OK(pf_window_unmap(pool, at, MIB));
	must_be(pf_evict_all(pool, -1, remind, &s), 0);
	must_be(s.reports, 2);
	must_be(windows_of(s.pid).evicted, 1);
	test_gate_open(go);
	must_be(test_wait(s.pid, TEST_PATIENCE), 0);
}

static int fails_to_map(void *arg)
{
	pf_pool *mine = open_with_thread();
	pf_file *file;
	void *window;
	int rc;

	(void)arg;
	OK(pf_window_unmap(mine, map(mine, MIB), MIB)); /* it has a space */
	OK(pf_open(mine, "file", PF_O_RDWR, 0, &file));
	for (long n = 1;; n++) {
		sys_fail_nth(n, ENOMEM);
		rc = pf_window_map(file, NULL, 4 * MIB, RW, 0, &window);
		sys_fail_nth(0, 0);
		if (rc == 0)
			break;
	}
	OK(pf_window_unmap(mine, window, 4 * MIB));
	test_gate_open(ready);
	test_gate_wait(go);
	OK(pf_close(file));
	OK(pf_pool_close(mine));
	return 0;
}

/* A window that could not be mapped, wherever that failed, leaves nothing that the final break would wait for. */
static void K12_failed_mapping(void)
{
	pid_t child;

	pattern_file(pool, "file", 4 * MIB, 1);
	child = test_fork(fails_to_map, NULL);
	test_gate_wait(ready);
	must_be(pf_evict_all(pool, 0, NULL, NULL), 0);
	test_gate_open(go);
	must_be(test_wait(child, TEST_PATIENCE), 0);
}

int main(void)
{
	signal(SIGBUS, on_bus);
	path = pool_make("pool", 32);
	ready = test_gate();
	go = test_gate();
	pool = pool_open(path);
	pattern_file(pool, "file", 4 * MIB, 1);
	revoked();
	stopped();
	pumped();
	own();
	K35_reports_and_goes_on();
	K12_failed_mapping();
	OK(pf_unlink(pool, "file"));
	pool_empty(pool, "evicted");
	OK(pf_pool_close(pool));
	return 0;
}
