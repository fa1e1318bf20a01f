/* The service thread, see service.h. */
#include "file/service.h"

#include <signal.h>

#include "base/clock.h"
#include "base/futex.h"

#define PERIOD_MS 200u

/* Of all processes one looks in each period: a thousand that each looked at a thousand would do nothing else. */
static bool our_turn(struct rt *rt)
{
	uint64_t last = load_relaxed(&rt->header->swept), time = clock_mono();

	return time - last >= PERIOD_MS * 1000000u && cas(&rt->header->swept, &last, time);
}

static void *serve(void *arg)
{
	struct pf_pool *pool = arg;
	struct rt *rt = pool->layout.rt;
	struct rt_self *me;

	while (!load_acquire(&pool->stop)) {
		_Atomic uint32_t *mail = &rt_slot_at(rt, rt->slot)->mail;
		uint32_t seen = load_acquire(mail);

		me = pool_self(pool);
		pin_notify(pool);
		if (me && our_turn(pool->layout.rt))
			reap_pass(pool, me, NULL);
		else if (me)
			reap_threads(pool, me);
		if (!load_acquire(&pool->stop))
			futex_wait(mail, seen, PERIOD_MS);
	}
	return NULL;
}

/* Signals are for the program's own threads. */
void service_start(struct pf_pool *pool)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pool->has_service = pthread_create(&pool->service, NULL, serve, pool) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void service_stop(struct pf_pool *pool)
{
	if (!pool->has_service)
		return;
	store_release(&pool->stop, 1);
	rt_mail(pool->layout.rt, pool->layout.rt->slot);
	pthread_join(pool->service, NULL);
	pool->has_service = false;
}
