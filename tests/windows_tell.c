/* Who changes a file marks the windows that show it as stale and waits for their processes: not for one that is stopped, dead, without windows, or did not answer before. */
/* test: suite=short timeout=60 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/futex.h"
#include "base/step.h"
#include "handmade.h"

#define BLOCK  BLOCK_PAGES
#define ROUNDS 200

static const char *path;
static pf_pool *pool;
static uint32_t file, second;
static int ready, go;

static uint64_t stale_of(struct rt_vma *vma)
{
	return load_acquire(&vma->stale);
}

static uint32_t windows(void)
{
	return load_acquire(&fs_state(&pool->layout.fs, file)->windows);
}

/* ---- what is marked ------------------------------------------------------------------------------------ */

static void hulls(void)
{
	struct rt_vma *low = handmade_window(pool, file, 0, 8 * BLOCK),
		      *high = handmade_window(pool, file, 100 * BLOCK, BLOCK),
		      *strange = handmade_window(pool, second, 0, 8 * BLOCK);

	must(handmade_tell(pool, file, 5 * BLOCK + 3, 5 * BLOCK + 4));
	must_be(stale_of(low), rt_stale(5 * BLOCK, 6 * BLOCK));
	must_be(stale_of(high), 0);
	must(handmade_tell(pool, file, 2 * BLOCK, 2 * BLOCK + 1));
	must_be(stale_of(low), rt_stale(2 * BLOCK, 6 * BLOCK));
	/* The page before a window, and the one behind it. */
	must(!handmade_tell(pool, file, 99 * BLOCK, 100 * BLOCK));
	must(!handmade_tell(pool, file, 101 * BLOCK, FILE_PAGES_MAX));
	must_be(stale_of(high), 0);
	must_be(stale_of(strange), 0);
	must(windows());
	must(handmade_tell(pool, file, 100 * BLOCK, FILE_PAGES_MAX));
	must_be(stale_of(high), rt_stale(100 * BLOCK, FILE_PAGES_MAX));
	handmade_retire(pool, low, NULL);
	must(handmade_tell(pool, file, 0, FILE_PAGES_MAX));
	handmade_retire(pool, high, NULL);
	/* A look that finds none ends it, until the next one comes. */
	must(!handmade_tell(pool, file, 0, FILE_PAGES_MAX));
	must_be(windows(), 0);
	must(load_acquire(&fs_state(&pool->layout.fs, second)->windows));
	low = handmade_window(pool, file, 0, 1);
	must(handmade_tell(pool, file, 0, 1));
	handmade_retire(pool, low, NULL);
	handmade_retire(pool, strange, NULL);
}

#ifdef PF_STEPS
static struct rt_vma *spare, *window;
static const char *at;
static unsigned times;

/* Another record takes over the window, one that the teller has looked at already. */
static void moves(const char *name)
{
	struct rt_vma *old = window;

	if (strcmp(name, at) != 0 || times++)
		return;
	rt_vma_put(pool_self(pool), spare);
	window = handmade_window(pool, file, 0, BLOCK);
	must(window == spare);
	handmade_retire(pool, old, window);
}

static void replaced(const char *step)
{
	struct rt_vma *a = rt_vma_get(pool_self(pool)), *b = rt_vma_get(pool_self(pool));

	must(a && b);
	times = 0;
	at = step;
	spare = MIN(a, b);
	rt_vma_put(pool_self(pool), MAX(a, b));
	window = handmade_window(pool, file, 0, BLOCK);
	must(window == MAX(a, b));
	step_hook = moves;
	must(handmade_tell(pool, file, 0, 1));
	step_hook = NULL;
	must_be(times > 0, 1);
	must_be(stale_of(window), rt_stale(0, 1));
	handmade_retire(pool, window, NULL);
}

static void bumps(const char *name)
{
	if (strcmp(name, "tell: looked") == 0)
		atomic_fetch_add(&fs_state(&pool->layout.fs, file)->windows, 1);
}

/* Records that change faster than they can be looked through. */
static void lost(void)
{
	struct rt_self *me = pool_self(pool);
	struct rt_vma *far = handmade_window(pool, file, 100 * BLOCK, BLOCK),
		      *strange = handmade_window(pool, second, 0, BLOCK);

	step_hook = bumps;
	must(handmade_tell(pool, file, 0, 1));
	step_hook = NULL;
	must_be(stale_of(far), 0);
	mm_find_lost(me);
	must_be(stale_of(far), rt_stale(0, FILE_PAGES_MAX));
	must_be(stale_of(strange), rt_stale(0, FILE_PAGES_MAX));
	handmade_retire(pool, far, NULL);
	far = handmade_window(pool, file, 100 * BLOCK, BLOCK);
	mm_find_lost(me);
	must_be(stale_of(far), 0);
	handmade_retire(pool, far, NULL);
	handmade_retire(pool, strange, NULL);
}
#endif

/* ---- who is waited for ---------------------------------------------------------------------------------- */

/* Beside a window of its own, what an owner does. */
struct owner {
	bool answers;
	bool unmaps;
	unsigned rounds;
};

/* Takes what is stale, then says so; or only goes away. */
static int own(void *arg)
{
	const struct owner *o = arg;
	pf_pool *mine = pool_open(path);
	struct rt_self *me = pool_self(mine);
	struct rt_slot *slot = rt_slot_at(me->rt, me->rt->slot);
	struct rt_vma *vma = handmade_window(mine, file, 0, BLOCK);
	uint32_t last = load_acquire(&slot->mail);

	test_gate_open(ready);
	for (unsigned i = 0; i < o->rounds;) {
		uint32_t mail = load_acquire(&slot->mail);

		if (mail == last) {
			futex_wait(&slot->mail, mail, 100);
			continue;
		}
		last = mail;
		i++;
		if (o->unmaps)
			handmade_retire(mine, vma, NULL);
		else
			must(swap(&vma->stale, 0));
		if (o->answers)
			mm_seen(me, mail);
	}
	test_gate_wait(go);
	if (!o->unmaps)
		mm_seen(me, load_acquire(&slot->mail));
	test_gate_open(ready);
	test_gate_wait(go);
	return 0;
}

struct other {
	pid_t pid;
	struct rt_slot *slot;
	struct rt_vma *vma;
};

static struct other start(const struct owner *o)
{
	struct other other = {.pid = test_fork(own, (void *)o)};
	struct rt_cursor c = {0};

	test_gate_wait(ready);
	other.vma = rt_next_vma(pool->layout.rt, &c);
	other.slot = rt_slot_at(pool->layout.rt, c.slot);
	must(other.vma && load_relaxed(&other.slot->pid) == (uint32_t)other.pid);
	return other;
}

/* Milliseconds that it waits. */
static double tell_and_wait(void)
{
	uint64_t begun;

	must(handmade_tell(pool, file, 0, 1));
	begun = clock_mono();
	mm_wait_told(pool_self(pool));
	return (double)(clock_mono() - begun) / 1e6;
}

static void stop(struct other *other)
{
	test_kill(other->pid);
	OK(pf_reap(pool));
	must_be(load_acquire(&other->vma->file), 0);
	must(!handmade_tell(pool, file, 0, 1));
}

/* When the wait is over, the owner has looked: the window is not stale. */
static void answered(void)
{
	struct owner o = {.answers = true, .rounds = ROUNDS};
	struct other other = start(&o);
	unsigned late = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		tell_and_wait();
		late += stale_of(other.vma) != 0;
	}
	must_be(late, 0);
	must_be(load_acquire(&other.slot->deaf), 0);
	stop(&other);
}

static void stopped(void)
{
	struct owner o = {.rounds = ~0u};
	struct other other = start(&o);
	double best = 1e9;

	kill(other.pid, SIGSTOP);
	test_wait_stopped(other.pid);
	for (unsigned i = 0; i < 5; i++) {
		double ms;

		store_release(&other.slot->deaf, 0);
		ms = tell_and_wait();
		best = MIN(best, ms);
	}
	must(best < MM_TELL_NS / 2e6);
	must(stale_of(other.vma));
	kill(other.pid, SIGCONT);
	stop(&other);
}

/* Dead, and nobody has said so. */
static void dead(void)
{
	struct owner o = {.rounds = ~0u};
	struct other other = start(&o);

	must(handmade_tell(pool, file, 0, 1));
	test_kill(other.pid);
	mm_wait_told(pool_self(pool));
	must_be(load_acquire(&other.slot->deaf), 0);
	must_be(rt_slot_state(load_acquire(&other.slot->word)), RT_SLOT_DEAD);
	OK(pf_reap(pool));
}

/* Waited for once, and again after it has looked. */
static void deaf(void)
{
	struct owner o = {0};
	struct other other = start(&o);
	double best = 1e9;

	must(tell_and_wait() >= MM_TELL_NS / 1e6);
	must(load_acquire(&other.slot->deaf));
	for (unsigned i = 0; i < 5; i++) {
		double ms = tell_and_wait();

		best = MIN(best, ms);
	}
	must(best < MM_TELL_NS / 2e6);
	test_gate_open(go);
	test_gate_wait(ready);
	must_be(load_acquire(&other.slot->deaf), 0);
	must(tell_and_wait() >= MM_TELL_NS / 1e6);
	stop(&other);
}

/* What it had goes while it is waited for: it need not say anything. */
static void unmapping(void)
{
	struct owner o = {.unmaps = true, .rounds = 1};
	struct other other = start(&o);

	tell_and_wait();
	must_be(load_acquire(&other.slot->deaf), 0);
	must_be(load_acquire(&other.vma->file), 0);
	stop(&other);
}

/* A process that comes into a slot has not to answer for the one before. */
static void slot_again(void)
{
	struct owner silent = {0}, o = {.answers = true, .rounds = 1};
	struct other other = start(&silent);

	must(tell_and_wait() >= MM_TELL_NS / 1e6);
	stop(&other);
	other = start(&o);
	must_be(load_acquire(&other.slot->seen), load_acquire(&other.slot->mail));
	must_be(load_acquire(&other.slot->deaf), 0);
	tell_and_wait();
	must_be(stale_of(other.vma), 0);
	stop(&other);
}

int main(void)
{
	path = pool_make("pool", 16);
	pool = pool_open(path);
	pattern_file(pool, "file", 8192, 1);
	pattern_file(pool, "other", 8192, 2);
	file = handmade_inode(pool, "file");
	second = handmade_inode(pool, "other");
	ready = test_gate();
	go = test_gate();
	hulls();
#ifdef PF_STEPS
	replaced("tell: seen");
	replaced("tell: marked");
	lost();
#endif
	answered();
	stopped();
	dead();
	deaf();
	unmapping();
	slot_again();
	pool_check(pool, "told");
	OK(pf_pool_close(pool));
	return 0;
}
