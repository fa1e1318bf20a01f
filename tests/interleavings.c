/*
 * Two or three processes meet at the steps where a safeguard of the protocol is needed: each test here fails when that safeguard is taken
 * out of the code (meson -Dbreak=NAME; the name stands beside the test).
 */
/* test: suite=short timeout=60 */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/step.h"
#include "file/pool.h"
#include "pool.h"

#ifdef PF_STEPS
#define PAGE     PF_PAGE_SIZE
#define MIB      (1ul << 20)
#define LIMIT_MS 20u

/* A process that stops at a step, or dies there. */
struct actor {
	void (*setup)(pf_pool *pool);
	int (*run)(pf_pool *pool);
	const char *step;
	bool dies;
	int result; /* of run */
	int reached, go, finished;
	pid_t pid;
};

static const char *path;
static pf_pool *pool;
static struct actor *actors; /* shared */
static struct actor *acting;
static unsigned count;

/* ---- actors ----------------------------------------------------------------------------------------- */

static void at_step(const char *name)
{
	if (strcmp(name, acting->step))
		return;
	step_hook = NULL;
	if (acting->dies)
		kill(getpid(), SIGKILL);
	test_gate_open(acting->reached);
	test_gate_wait(acting->go);
}

static int act(void *arg)
{
	pf_pool *mine = pool_open(path);

	acting = arg;
	pf_pool_set_lock_limit(mine, LIMIT_MS);
	if (acting->setup)
		acting->setup(mine);
	step_hook = at_step;
	acting->result = acting->run(mine);
	step_hook = NULL;
	test_gate_open(acting->finished);
	while (pause()) /* it keeps what it holds */
		;
	return 0;
}

static struct actor *start(void (*setup)(pf_pool *), int (*run)(pf_pool *), const char *step,
			   bool dies)
{
	struct actor *a = &actors[count++];

	*a = (struct actor){setup, run, step, dies, 0, test_gate(), test_gate(), test_gate(), 0};
	a->pid = test_fork(act, a);
	return a;
}

/* It is dead, at that step. */
static void die_at(void (*setup)(pf_pool *), int (*run)(pf_pool *), const char *step)
{
	struct actor *a = start(setup, run, step, true);

	must_be(test_wait(a->pid, TEST_PATIENCE), 256 + SIGKILL);
	a->pid = 0;
}

/* It is at that step. */
static struct actor *stop_at(void (*setup)(pf_pool *), int (*run)(pf_pool *), const char *step)
{
	struct actor *a = start(setup, run, step, false);

	test_gate_wait(a->reached);
	return a;
}

/* It goes on, to its end: the result. */
static int finish(struct actor *a)
{
	test_gate_open(a->go);
	test_gate_wait(a->finished);
	return a->result;
}

/* ---- what they do ------------------------------------------------------------------------------------ */

static pf_file *a_file;
static pf_pin *a_pin;

static void open_a(pf_pool *mine)
{
	OK(pf_open(mine, "a", PF_O_RDWR, 0, &a_file));
}

static int pin_a(pf_pool *mine)
{
	(void)mine;
	return pf_pin_file(a_file, 0, PAGE, 0, &a_pin);
}

/* Its pages have left already. */
static void pin_and_unlink_a(pf_pool *mine)
{
	open_a(mine);
	OK(pf_pin_file(a_file, 0, 4 * PAGE, 0, &a_pin));
	OK(pf_unlink(mine, "a"));
	OK(pf_close(a_file));
}

static int unpin_a(pf_pool *mine)
{
	(void)mine;
	return pf_unpin(a_pin);
}

static int shorten_a(pf_pool *mine)
{
	(void)mine;
	return pf_truncate(a_file, 0, PF_DETACH, 0);
}

static int stretch_a(pf_pool *mine)
{
	(void)mine;
	return pf_truncate(a_file, 100 * PAGE, PF_DETACH, 0);
}

static int append_to_a(pf_pool *mine)
{
	char page[PAGE] = {0};

	(void)mine;
	return (int)pf_append(a_file, page, sizeof page);
}

static int wait_for_a(pf_pool *mine)
{
	(void)mine;
	return pf_truncate(a_file, 0, PF_WAIT, -1);
}

/* ---- the pool before and after -------------------------------------------------------------------------- */

static void fill(const char *name, uint64_t leave)
{
	uint64_t pages = pool_info(pool).pages_free - leave;
	pf_file *f;

	OK(pf_open(pool, name, PF_O_RDWR | PF_O_CREATE, 0600, &f));
	OK(pf_allocate(f, 0, pages * PAGE, 0));
	OK(pf_close(f));
	must_be(pool_info(pool).pages_free, leave);
}

/* All that is free becomes "b", and stays what is written. */
static void take_all_as_b(void)
{
	uint64_t pages = pool_info(pool).pages_free;

	must(pages > 0 && pages < 64);
	pattern_file(pool, "b", pages * PAGE, 6);
	must_be(pool_info(pool).pages_free, 0);
}

static void verify_b(void)
{
	static char bytes[64 * PAGE];
	pf_file *f;
	ssize_t n;

	OK(pf_open(pool, "b", PF_O_RDONLY, 0, &f));
	n = OK(pf_read(f, bytes, sizeof bytes, 0));
	must_be(pattern_differs(bytes, (size_t)n, 6, 0), n);
	OK(pf_close(f));
}

static int count_holder(void *arg, const struct pf_holder *holder)
{
	*(unsigned *)arg += holder->alive;
	return 0;
}

static unsigned holders(void)
{
	unsigned n = 0;

	OK(pf_holders(pool, count_holder, &n));
	return n;
}

static void test(void (*body)(void), const char *name)
{
	path = pool_make("pool", 8);
	pool = pool_open(path);
	pf_pool_set_lock_limit(pool, LIMIT_MS);
	pattern_file(pool, "a", 4 * PAGE, 5);
	body();
	for (unsigned i = 0; i < count; i++) {
		if (actors[i].pid)
			test_kill(actors[i].pid);
		close(actors[i].reached);
		close(actors[i].go);
		close(actors[i].finished);
	}
	count = 0;
	pool_check(pool, name);
	pool_empty(pool, name);
	OK(pf_pool_close(pool));
	must(unlink(path) == 0);
	printf("%s\n", name);
}

/* ---- holds ------------------------------------------------------------------------------------------ */

/* no_revalidate: between look-up and count the page has become another file's. */
static void page_of_another_file(void)
{
	struct actor *getter;

	fill("fill", 0);
	getter = stop_at(open_a, pin_a, "enter: intent");
	open_a(pool);
	OK(shorten_a(pool));
	OK(pf_close(a_file));
	take_all_as_b();
	must_be(finish(getter), -PF_EHOLE);
	verify_b();
}

/* no_wait, leave_early: a recount while a living process has counted and not accounted. */
static void recount_beside_a_get(void)
{
	struct actor *getter;

	die_at(open_a, pin_a, "get: counted");
	getter = stop_at(open_a, pin_a, "get: look again");
	OK(pf_reap(pool));
	OK(finish(getter));
	pool_check(pool, "a recount beside a get");
	must_be(holders(), 1);
}

/* ignore_flag: a get while somebody recounts. */
static void get_beside_a_recount(void)
{
	struct actor *getter, *recounter;

	die_at(open_a, pin_a, "get: counted");
	recounter = stop_at(NULL, pf_reap, "recount: words loaded");
	getter = stop_at(open_a, pin_a, "get: counted");
	OK(finish(recounter));
	OK(finish(getter));
	pool_check(pool, "a get beside a recount");
	must_be(holders(), 1);
}

/* recount_forgets: what a process may have held when it died goes to quarantine, also if its hold was un-accounted already. */
static void recounted_pages_are_quarantined(void)
{
	struct pf_region region;

	OK(pf_regions(pool, &region, 1)); /* so that they stay there */
	die_at(pin_and_unlink_a, unpin_a, "put: un-accounted");
	OK(pf_reap(pool));
	must_be(pool_info(pool).pages_quarantine, 4);
	OK(pf_pool_close(pool));
	pool = pool_open(path);
}

static void pin_big_and_shorten_it(pf_pool *mine)
{
	OK(pf_open(mine, "big", PF_O_RDWR, 0, &a_file));
	OK(pf_pin_file(a_file, 0, 2 * MIB, 0, &a_pin));
	OK(pf_truncate(a_file, MIB, PF_DETACH, 0));
}

/* split_forgets_q, member_drops_q: both halves of what a dead process held, that which has left and that which stayed. */
static void split_pages_are_quarantined(void)
{
	struct pf_region region;

	OK(pf_regions(pool, &region, 1));
	pattern_file(pool, "big", 2 * MIB, 7);
	die_at(pin_big_and_shorten_it, unpin_a, "enter: intent");
	OK(pf_reap(pool));
	must_be(pool_info(pool).pages_quarantine, MIB / PAGE);
	OK(pf_unlink(pool, "big"));
	must_be(pool_info(pool).pages_quarantine, 2 * MIB / PAGE);
	OK(pf_pool_close(pool));
	pool = pool_open(path);
}

static _Atomic bool is_put;

/* Sleeps at the word as long as it is waited for: 0 when woken, EAGAIN if the last put came first, ETIMEDOUT. */
static void *sleep_at_word(void *word)
{
	struct timespec limit = {.tv_sec = 5};
	uint64_t w;

	while (!((w = load_acquire((_Atomic uint64_t *)word)) & WORD_W)) {
		if (load_acquire(&is_put))
			return (void *)(uintptr_t)EAGAIN;
		sched_yield();
	}
	if (syscall(SYS_futex, word, FUTEX_WAIT, (uint32_t)w, &limit, NULL, 0) == 0)
		return NULL;
	return (void *)(uintptr_t)errno;
}

/* What the last put does while somebody waits: the result of sleep_at_word(). */
static int put_while_waited_for(void)
{
	struct pages *p = &pool->layout.pages;
	struct actor *waiter;
	pthread_t sleeper;
	size_t chunks;
	uint64_t pfn;
	void *result;

	pattern_file(pool, "a", 4 * PAGE, 5);
	open_a(pool);
	OK(pin_a(pool));
	pfn = p->first + pf_pin_chunks(a_pin, &chunks)->offset / PAGE;
	store_release(&is_put, false);
	waiter = start(open_a, wait_for_a, "", false);
	must(pthread_create(&sleeper, NULL, sleep_at_word, &page_at(p, pfn)->word) == 0);
	while (!(load_acquire(&page_at(p, pfn)->word) & WORD_W))
		sched_yield();
	for (double end = now() + 0.002; now() < end;) /* it falls asleep, most of the time */
		sched_yield();
	OK(unpin_a(pool));
	store_release(&is_put, true);
	must(pthread_join(sleeper, &result) == 0);
	test_gate_wait(waiter->finished);
	test_kill(waiter->pid);
	waiter->pid = 0;
	OK(pf_close(a_file));
	return (int)(uintptr_t)result;
}

/* no_wake: who waits would sleep until it looks by itself. */
static void last_put_wakes(void)
{
	int result = EAGAIN;

	for (unsigned tries = 0; result == EAGAIN && tries < 30; tries++)
		result = put_while_waited_for();
	must_be(result, 0);
}

/* ---- pages ------------------------------------------------------------------------------------------ */

/* rel_no_gen: a dead truncation is resolved when its page is in another file. */
static void late_release(void)
{
	fill("fill", 0);
	die_at(open_a, shorten_a, "remove: done");
	take_all_as_b();
	OK(pf_reap(pool));
	pool_check(pool, "a late release");
	verify_b();
}

/* repair_no_bump: a dead allocation is resolved when its page is in another file. */
static void late_allocation(void)
{
	fill("fill", 1);
	die_at(open_a, append_to_a, "take: record");
	take_all_as_b();
	OK(pf_reap(pool));
	pool_check(pool, "a late allocation");
	verify_b();
}

static void open_big(pf_pool *mine)
{
	OK(pf_open(mine, "big", PF_O_RDWR, 0, &a_file));
}

static int shorten_big(pf_pool *mine)
{
	(void)mine;
	return pf_truncate(a_file, MIB / 2, PF_DETACH, 0);
}

/* no_hold: the last put of another splits a folio while a part of it is leaving. */
static void split_beside_a_release(void)
{
	struct actor *remover;

	pattern_file(pool, "big", 2 * MIB, 7);
	pin_big_and_shorten_it(pool);
	OK(pf_close(a_file));
	remover = stop_at(open_big, shorten_big, "remove: committed");
	OK(pf_unpin(a_pin));
	OK(finish(remover));
	pool_check(pool, "a split beside a release");
}

/* holds_first: the hold that keeps a folio in one piece is given back when its part has left. */
static void dead_release_of_a_part(void)
{
	uint64_t free = pool_info(pool).pages_free;

	pattern_file(pool, "big", 2 * MIB, 7);
	die_at(open_big, shorten_big, "remove: committed");
	OK(pf_reap(pool));
	must_be(pool_info(pool).pages_free, free - MIB / 2 / PAGE);
}

/* no_clear_phase: killed when a folio has been split and its marks are gone. */
static void killed_after_a_split(void)
{
	uint64_t free = pool_info(pool).pages_free;

	pattern_file(pool, "big", 2 * MIB, 7);
	die_at(pin_big_and_shorten_it, unpin_a, "alloc: done");
	OK(pf_reap(pool));
	pool_check(pool, "a kill after a split");
	must_be(pool_info(pool).pages_free, free - MIB / PAGE);
}

/* scan_forgets: a last put that cannot have the allocator's lock leaves the folio to whoever has it next. */
static void put_without_the_lock(void)
{
	uint64_t free = pool_info(pool).pages_free;
	struct actor *taker;

	pin_and_unlink_a(pool);
	pattern_file(pool, "a", PAGE, 8);
	taker = stop_at(open_a, append_to_a, "take: record");
	OK(pf_unpin(a_pin));
	must_be(finish(taker), PAGE);
	OK(pf_wait_space(pool, 1, 0));
	pool_check(pool, "a put without the lock");
	must_be(pool_info(pool).pages_free, free + 4 - 2);
}

/* no_resolve: a page that was taken for a file and did not become part of it. */
static void unfinished_allocation(void)
{
	uint64_t free = pool_info(pool).pages_free;

	die_at(open_a, append_to_a, "allocate: filled");
	OK(pf_reap(pool));
	must_be(pool_info(pool).pages_free, free);
}

/* A transaction is replayed late, when the file has changed again. */
static void late_replay(const char *step)
{
	struct actor *replayer;
	struct pf_stat stat;
	int rc;

	die_at(open_a, stretch_a, "journal: committed");
	replayer = stop_at(NULL, pf_reap, step);
	rc = pf_open(pool, "a", PF_O_RDWR, 0, &a_file);
	if (rc == 0)
		OK(pf_truncate(a_file, 7, PF_DETACH, 0));
	OK(finish(replayer));
	if (rc < 0) {
		open_a(pool);
		OK(pf_truncate(a_file, 7, PF_DETACH, 0));
	}
	OK(pf_stat(a_file, &stat));
	must_be(stat.size, 7);
	OK(pf_close(a_file));
}

/* lane_no_wait */
static void replay_taken_over(void)
{
	late_replay("journal: taken over");
}

/* lane_no_takeover */
static void replay_begun(void)
{
	late_replay("journal: applied one");
}

/* ---- slots ------------------------------------------------------------------------------------------ */

/* A slow reaper, the slot reaped by another, and its next process, which keeps its hold. */
static void slow_reaper(const char *step)
{
	struct actor *reaper, *next;

	die_at(open_a, pin_a, "leave: intent 0");
	reaper = stop_at(NULL, pf_reap, step);
	OK(pf_reap(pool));
	next = start(open_a, pin_a, "", false);
	test_gate_wait(next->finished);
	OK(finish(reaper));
	pool_check(pool, step);
	must_be(holders(), 1);
	must_be(pool_info(pool).processes, 3);
}

/* no_epoch */
static void slow_declaration_of_death(void)
{
	slow_reaper("slot: seen dead");
}

/* no_recheck */
static void slow_reap_lock(void)
{
	slow_reaper("reap: dead slot");
}

/* no_reap_lock */
static void slow_reap(void)
{
	slow_reaper("reap: locked");
}

int main(void)
{
	test_dir();
	actors = mmap(NULL, 64 * sizeof *actors, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	must(actors != MAP_FAILED);
	test(page_of_another_file, "a page that became another file's is not held");
	test(recount_beside_a_get, "a recount waits for a get");
	test(get_beside_a_recount, "a get waits for a recount");
	test(recounted_pages_are_quarantined, "what a recount gives back is quarantined");
	test(split_pages_are_quarantined, "both halves of a split are quarantined");
	test(last_put_wakes, "the last put wakes who waits");
	test(late_release, "a late release does nothing");
	test(unfinished_allocation, "an unfinished allocation is given back");
	test(late_allocation, "a late allocation does nothing");
	test(split_beside_a_release, "a folio is not split while a part of it leaves");
	test(dead_release_of_a_part, "a dead release of a part is finished");
	test(killed_after_a_split, "what has been split is not split again");
	test(put_without_the_lock, "a put without the allocator's lock is made up for");
	test(replay_taken_over, "a late replay does nothing");
	test(replay_begun, "one replays at a time");
	test(slow_declaration_of_death, "a slot's next process is not declared dead");
	test(slow_reap_lock, "a slot's next process is not reaped");
	test(slow_reap, "one reaps at a time");
	return 0;
}
#else
int main(void)
{
	skip("this build has no steps; make test-debug has");
}
#endif
