/*
 * Threads count a folio up and down while it leaves its file: nobody gets it afterwards, the last to go frees it once, and who waits for it to be idle is
 * woken. And a thread that ended between its count and its accounting: the recount takes it back.
 */
#include <pthread.h>
#include <sched.h>

#include "base/clock.h"
#include "base/err.h"
#include "folios.h"
#include "test.h"

#define THREADS 3u
#define ROUNDS  100u
#define ORDER   3u
#define PAGES   (1u << ORDER)
#define WAIT_MS 20000u

static struct folios f;
static pthread_barrier_t barrier;
static uint64_t head;             /* of this round's folio; 0: the last round is over */
static _Atomic uint64_t released; /* it has left its file */
static _Atomic uint64_t shut;     /* nobody gets it, as while its entry is locked */
static _Atomic uint64_t gets;

static bool get(struct rt_self *me, uint64_t pfn)
{
	uint64_t found, word;
	bool late = load_acquire(&released) != 0;
	int rc;

	rt_enter(me, pfn, 1);
	rc = page_up(&f.pages, pfn, BLOCK_ORDER, &found, &word);
	rt_leave(me);
	if (rc < 0) {
		must_be(rc, -PF_EAGAIN);
		return false;
	}
	must(!late);
	must_be(found, head);
	must(word_count(word) >= 1 && word_count(word) <= THREADS + 1);
	return true;
}

static void put(struct rt_self *me, uint64_t pfn)
{
	rt_enter(me, pfn, 1);
	page_down_range(me, &f.pages, pfn, 1, false);
	rt_leave(me);
}

/* What it holds is neither freed nor counted by less than that. */
static void look(void)
{
	uint64_t word = load_acquire(&page_at(&f.pages, head)->word);

	must(word_count(word) >= 1);
	must(word_state(word) == PAGE_IN_FILE || word_state(word) == PAGE_ORPHAN);
	atomic_fetch_add_explicit(&gets, 1, memory_order_relaxed);
}

/* In each round until it is not to be had any more. */
static void *use(void *arg)
{
	struct rt_self *me = rt_self_get(f.rt);

	must(me);
	for (;;) {
		pthread_barrier_wait(&barrier);
		if (!head)
			return arg;
		for (uint64_t i = 0; !load_acquire(&shut) && get(me, head + i % PAGES); i++) {
			look();
			put(me, head + i % PAGES);
		}
		pthread_barrier_wait(&barrier);
	}
}

/* Somebody who wants it idle marks it, and sleeps until who puts it last wakes him. */
static void wait_for_idle(void)
{
	uint64_t begin = clock_mono();
	uint32_t low;

	store_release(&shut, 1);
	while (page_busy(&f.pages, head, true, &low))
		page_wait(&f.pages, head, low, WAIT_MS);
	must(clock_mono() - begin < WAIT_MS * 1000000ull);
}

/* Held meanwhile, so that one thread alone finds that it is to be freed. */
static void leave_file(uint32_t generation)
{
	uint64_t found, word;

	rt_enter(f.me, head, PAGES);
	must_be(page_up(&f.pages, head, 0, &found, &word), 0);
	page_release(f.me, &f.pages, head, generation);
	rt_leave(f.me);
	store_release(&released, 1);
	put(f.me, head);
}

static void round_of(unsigned number)
{
	uint32_t generation;
	int64_t pfn = page_take(f.me, &f.pages, ORDER, 0, 1, 1, 0);

	must(pfn > 0);
	generation = load_relaxed(&f.me->row->page.generation);
	store_release(&f.me->row->page.set, (uint32_t)RT_RECORD_NONE);
	head = (uint64_t)pfn;
	store_release(&released, 0);
	store_release(&shut, 0);
	store_relaxed(&gets, 0);
	pthread_barrier_wait(&barrier);
	while (load_relaxed(&gets) < 100)
		sched_yield();
	if (number % 2)
		wait_for_idle();
	leave_file(generation);
	pthread_barrier_wait(&barrier);
	must_be(word_state(load_acquire(&page_at(&f.pages, head)->word)), PAGE_FREE);
	must_be(page_free_count(&f.pages), f.blocks * BLOCK_PAGES);
}

static void race(void)
{
	pthread_t threads[THREADS];

	must(pthread_barrier_init(&barrier, NULL, THREADS + 1) == 0);
	for (unsigned i = 0; i < THREADS; i++)
		must(pthread_create(&threads[i], NULL, use, NULL) == 0);
	for (unsigned i = 0; i < ROUNDS; i++)
		round_of(i);
	head = 0;
	pthread_barrier_wait(&barrier);
	for (unsigned i = 0; i < THREADS; i++)
		must(pthread_join(threads[i], NULL) == 0);
	folios_check(&f);
}

/* Counted, not accounted: what a thread leaves that ends here. */
static void *count_and_end(void *row)
{
	struct rt_self *me = rt_self_get(f.rt);
	uint64_t found, word;

	must(me);
	*(struct rt_row **)row = me->row;
	rt_enter(me, head, 1);
	must_be(page_up(&f.pages, head, 0, &found, &word), 0);
	return NULL;
}

static uint64_t word_now(void)
{
	return load_acquire(&page_at(&f.pages, head)->word);
}

static void recount(void)
{
	struct rt_hold *hold = rt_hold_get(f.me);
	uint64_t found, word;
	struct rt_row *row;
	pthread_t thread;

	must(hold);
	head = (uint64_t)page_take(f.me, &f.pages, 0, 0, 1, 1, 0);
	store_release(&f.me->row->page.set, (uint32_t)RT_RECORD_NONE);
	rt_enter(f.me, head, 1);
	must_be(page_up(&f.pages, head, 0, &found, &word), 0);
	store_release(&hold->range, rt_range(head, 1));
	rt_leave(f.me);
	must(pthread_create(&thread, NULL, count_and_end, &row) == 0);
	must(pthread_join(thread, NULL) == 0);
	must_be(load_acquire(&row->state), RT_ROW_DEAD);
	must_be(word_count(word_now()), 2);
	must_be(page_recount(f.me, &f.pages, row), 0);
	must_be(word_count(word_now()), 1);
	must(word_now() & WORD_Q); /* the kernel may still use what it was taken for */
	must_be(load_acquire(&row->intent), 0);
	rt_row_settle(row);
	folios_check(&f);
}

int main(void)
{
	folios_open(&f, 2);
	race();
	recount();
	folios_close(&f);
	return 0;
}
