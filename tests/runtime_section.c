/* A section meets a recount: it steps back while the flag is set, and takes the flag from a recounter that is dead or too slow. */
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "media.h"
#include "runtime/section.h"
#include "test.h"

static struct media m;
static const char *path;
static _Atomic uint32_t entered;
static struct rt_row *_Atomic row;

static uint64_t flag_of(unsigned slot, uint32_t epoch, uint32_t sequence)
{
	return (uint64_t)sequence << 32 | (uint64_t)(epoch & 0xffff) << 16 | (slot + 1);
}

static void *enter(void *arg)
{
	struct rt_self *me = media_self(&m);

	store_release(&row, me->row);
	rt_enter(me, 512, 1024);
	must_be(rt_intent_pfn(load_relaxed(&me->row->intent)), 512);
	must_be(rt_intent_pages(load_relaxed(&me->row->intent)), 1024);
	store_release(&entered, 1);
	rt_leave(me);
	must_be(load_relaxed(&me->row->intent), 0);
	return arg;
}

/* Enters with this flag set, which somebody must clear; how long it took, in ns. */
static uint64_t with_flag(uint64_t flag)
{
	uint64_t begin = clock_mono();

	store_release(&m.rt->header->recount, flag);
	enter(NULL);
	must_be(load_acquire(&m.rt->header->recount), 0);
	return clock_mono() - begin;
}

/* A recounter that goes on to the next one every millisecond is at work: nothing is taken from it, and the intent stays clear. */
static void waits_for_the_living(void)
{
	uint32_t sequence = 1;
	uint64_t flag = flag_of(m.rt->slot, m.rt->epoch, sequence);
	pthread_t thread;

	store_release(&entered, 0);
	store_release(&m.rt->header->recount, flag);
	must(pthread_create(&thread, NULL, enter, NULL) == 0);
	while (!load_acquire(&row))
		usleep(100);
	for (unsigned i = 0; i < 50; i++) {
		uint64_t next = flag_of(m.rt->slot, m.rt->epoch, ++sequence);

		usleep(1000);
		if (!cas(&m.rt->header->recount, &flag, next))
			break; /* this thread did not run for 10 ms: taken */
		must_be(load_acquire(&entered), 0);
		flag = next;
	}
	cas(&m.rt->header->recount, &flag, 0);
	must(pthread_join(thread, NULL) == 0);
	must_be(load_acquire(&entered), 1);
}

static int die(void *arg)
{
	struct media own;

	must_be(media_attach(path, 0, &own), 0);
	store_relaxed(&own.shared->words[0], own.rt->slot);
	store_relaxed(&own.shared->words[1], own.rt->epoch);
	return raise(*(int *)arg);
}

static void takes_from_the_dead(void)
{
	int signal = SIGKILL;
	unsigned slot;
	uint32_t epoch;

	must_be(test_in_child(die, &signal), 256 + SIGKILL);
	slot = (unsigned)load_relaxed(&m.shared->words[0]);
	epoch = (uint32_t)load_relaxed(&m.shared->words[1]);
	must(with_flag(flag_of(slot, epoch, 1)) >= 10000000); /* nobody has seen it dead yet */
	must(rt_slot_bury(m.rt, slot));
	with_flag(flag_of(slot, epoch, 2));
	must_be(media_reap(&m), 1);
	with_flag(flag_of(slot, epoch, 3));
}

int main(void)
{
	path = media_make("pool");
	must_be(media_attach(path, 0, &m), 0);
	with_flag(0);
	must(with_flag(flag_of(m.rt->slot, m.rt->epoch, 7)) >= 10000000);
	waits_for_the_living();
	takes_from_the_dead();
	media_detach(&m);
	return 0;
}
