/* Threads get rows and give them back when they end; one that ends inside a call leaves a dead row in a living slot. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "media.h"
#include "test.h"

#define THREADS 200

/* Sanitizers want to know of every thread's end. */
#if defined __SANITIZE_THREAD__ || defined __SANITIZE_ADDRESS__
static const bool may_end_raw = false;
#else
static const bool may_end_raw = true;
#endif

/* AddressSanitizer of gcc 12 takes what a cancelled thread leaves on its stack for an error. */
#ifdef __SANITIZE_ADDRESS__
static const bool may_be_cancelled = false;
#else
static const bool may_be_cancelled = true;
#endif

static struct media m;
static pthread_barrier_t barrier;

static unsigned rows(enum rt_row_state state)
{
	unsigned n = 0;

	for (struct rt_chunk *c = rt_chunks(m.rt, m.rt->slot, RT_CHUNK_ROWS); c;
	     c = rt_chunk_next(m.rt, c))
		for (unsigned i = 0; i < RT_ROWS; i++)
			n += load_acquire(&c->rows[i].state) == state;
	return n;
}

static uint64_t arena(void)
{
	return load_acquire(&m.rt->header->arena_next);
}

static void run(void *(*each)(void *arg), unsigned threads)
{
	pthread_t ids[THREADS];

	for (unsigned i = 0; i < threads; i++)
		must(pthread_create(&ids[i], NULL, each, NULL) == 0);
	for (unsigned i = 0; i < threads; i++)
		must(pthread_join(ids[i], NULL) == 0);
}

static void *use(void *arg)
{
	struct rt_self *me = media_self(&m);
	struct rt_hold *hold = rt_hold_get(me);
	rt_handle *handle = rt_handle_get(me);

	must(hold && handle && me == media_self(&m));
	must_be(load_relaxed(&me->row->tid), syscall(SYS_gettid));
	pthread_barrier_wait(&barrier);
	must_be(load_relaxed(&me->row->tid), syscall(SYS_gettid));
	rt_hold_put(me, hold);
	rt_handle_put(me, handle);
	return arg;
}

/* However many come and go, the records of the first 200 are enough. */
static void many(void)
{
	uint64_t used;

	pthread_barrier_init(&barrier, NULL, THREADS);
	run(use, THREADS);
	must_be(rows(RT_ROW_LIVE), 1);
	used = arena();
	for (unsigned i = 0; i < 3; i++)
		run(use, THREADS);
	must_be(rows(RT_ROW_LIVE), 1);
	must_be(arena(), used);
	pthread_barrier_destroy(&barrier);
}

static pthread_key_t later;

static void call_again(void *arg)
{
	must(media_self(&m)->row != arg);
	must_be(load_acquire(&media_self(&m)->row->state), RT_ROW_LIVE);
}

static void *with_destructor(void *arg)
{
	pthread_setspecific(later, &later);
	media_self(&m);
	return arg;
}

/* Destructors that run after ours may call. */
static void destructors(void)
{
	pthread_key_create(&later, call_again);
	run(with_destructor, 10);
	must_be(rows(RT_ROW_LIVE), 1);
	pthread_key_delete(later);
}

static void *many_attaches(void *arg)
{
	struct media others[6];
	struct rt_self *selves[6], *me = media_self(&m);

	for (unsigned i = 0; i < 6; i++) {
		must_be(media_attach(arg ? arg : test_path("pool"), 0, &others[i]), 0);
		selves[i] = media_self(&others[i]);
	}
	for (unsigned i = 0; i < 12; i++)
		must(media_self(&others[i % 6]) == selves[i % 6]);
	must(media_self(&m) == me);
	for (unsigned i = 0; i < 6; i++)
		media_detach(&others[i]);
	return NULL;
}

static void *use_alone(void *arg)
{
	media_self(&m);
	return arg;
}

static bool row_is_clean(const struct rt_row *row)
{
	return !load_acquire(&row->intent) && !load_acquire(&row->reaps);
}

static void *ends_in_a_call(void *arg)
{
	store_fence(&media_self(&m)->row->intent, rt_intent(0, 1));
	return arg;
}

static void *ends_raw(void *arg)
{
	must_be(rt_lock(media_self(&m), &m.shared->locks[3]), 0);
	syscall(SYS_exit, 0);
	return arg;
}

static void settle(void)
{
	for (struct rt_chunk *c = rt_chunks(m.rt, m.rt->slot, RT_CHUNK_ROWS); c;
	     c = rt_chunk_next(m.rt, c))
		for (unsigned i = 0; i < RT_ROWS; i++)
			if (load_acquire(&c->rows[i].state) == RT_ROW_DEAD)
				rt_row_settle(&c->rows[i]);
}

static void raw_end(void)
{
	struct rt_self *me = media_self(&m);

	run(ends_raw, 1);
	must_be(rt_lock(me, &m.shared->locks[3]), RT_LOCK_REPAIR);
	must_be(rows(RT_ROW_DEAD), 1);
	rt_unlock(me, &m.shared->locks[3]);
	must_be(rt_lock(me, &m.shared->locks[3]), 0);
	rt_unlock(me, &m.shared->locks[3]);
	settle();
}

static bool came_through;

/* Attach, records and detach have no cancellation points, at which locks and memory would be lost. */
static void *is_cancelled(void *arg)
{
	struct media own;

	pthread_cancel(pthread_self());
	must_be(media_attach(arg, 0, &own), 0);
	for (unsigned i = 0; i < 20 * RT_HOLDS; i++)
		must(rt_hold_get(media_self(&own)) != NULL);
	media_detach(&own);
	must(rt_hold_get(media_self(&m)) != NULL);
	came_through = true;
	pthread_testcancel();
	return NULL;
}

static void cancelled(void)
{
	void *result;
	pthread_t id;

	must(pthread_create(&id, NULL, is_cancelled, (void *)(uintptr_t)test_path("pool")) == 0);
	must(pthread_join(id, &result) == 0);
	must(came_through && result == PTHREAD_CANCELED);
	must_be(rows(RT_ROW_LIVE), 1);
}

static void *ends_with_lock(void *arg)
{
	must_be(rt_lock(media_self(&m), &m.shared->locks[3]), 0);
	return arg;
}

/* Its row was settled before the next one takes the lock: that one marks the row as dead, which nobody has. */
static void settled_before_the_lock(void)
{
	run(ends_with_lock, 1);
	must_be(rows(RT_ROW_DEAD), 1);
	settle();
	pthread_barrier_init(&barrier, NULL, 11);
	pthread_t ids[10];
	for (unsigned i = 0; i < 10; i++)
		must(pthread_create(&ids[i], NULL, use, NULL) == 0);
	while (rows(RT_ROW_LIVE) != 11)
		sched_yield();
	must_be(rt_lock(media_self(&m), &m.shared->locks[3]), RT_LOCK_REPAIR);
	rt_unlock(media_self(&m), &m.shared->locks[3]);
	must_be(rows(RT_ROW_DEAD), 0);
	pthread_barrier_wait(&barrier);
	for (unsigned i = 0; i < 10; i++)
		must(pthread_join(ids[i], NULL) == 0);
	pthread_barrier_destroy(&barrier);
	must_be(rows(RT_ROW_DEAD), 0);
}

static unsigned dead_slot;

static void *ends_reaping(void *arg)
{
	uint64_t word = load_acquire(&rt_slot_at(m.rt, dead_slot)->word);

	must(rt_reap_lock(media_self(&m), dead_slot, rt_slot_epoch(word)));
	return arg;
}

static int attach_and_die(void *arg)
{
	struct media own;

	must_be(media_attach(arg, 0, &own), 0);
	return raise(SIGKILL);
}

/* A thread that ends having a slot's reap lock: the lock comes back, also when another thread has its row. */
static void reaping(void)
{
	uint64_t word;

	must_be(test_in_child(attach_and_die, (void *)(uintptr_t)test_path("pool")), 256 + SIGKILL);
	for (dead_slot = 0; !rt_slot_bury(m.rt, dead_slot); dead_slot++)
		must(dead_slot < rt_slots_used(m.rt));
	word = load_acquire(&rt_slot_at(m.rt, dead_slot)->word);
	run(ends_reaping, 1);
	must_be(rows(RT_ROW_DEAD), 1);
	settle();
	run(use_alone, 1);
	must(rt_reap_lock(media_self(&m), dead_slot, rt_slot_epoch(word)));
	must(!rt_reap_lock(media_self(&m), dead_slot, rt_slot_epoch(word)));
	rt_slot_free(media_self(&m), dead_slot);
	rt_reap_unlock(media_self(&m), dead_slot);
	must(row_is_clean(media_self(&m)->row));
}

static void dead_rows(struct media *other)
{
	run(ends_in_a_call, 1);
	must_be(rows(RT_ROW_DEAD), 1);
	must_be(rows(RT_ROW_LIVE), 1);
	settle();
	if (may_end_raw)
		raw_end();
	must_be(rows(RT_ROW_LIVE), 1);
	must(!rt_slot_bury(other->rt, m.rt->slot));
}

/* Such a row that nobody has settled at the end: the slot is left to who reaps it. */
static void detached_in_a_call(struct media *other)
{
	unsigned slot = m.rt->slot;

	run(ends_in_a_call, 1);
	media_detach(&m);
	must_be(media_slot(other, slot), RT_SLOT_LIVE);
	must(rt_slot_bury(other->rt, slot));
	must_be(media_reap(other), 1);
}

int main(void)
{
	const char *path = media_make("pool");
	struct media other;

	must_be(media_attach(path, 0, &m), 0);
	must_be(media_attach(path, 0, &other), 0);
	media_self(&m);
	many();
	destructors();
	run(many_attaches, 1);
	if (may_be_cancelled)
		cancelled();
	dead_rows(&other);
	settled_before_the_lock();
	reaping();
	detached_in_a_call(&other);
	media_detach(&other);
	must_be(media_files(test_dir()), 0);
	return 0;
}
