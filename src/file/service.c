/* The service thread, see service.h. */
#include "file/service.h"

#include <errno.h>
#include <signal.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/futex.h"
#include "file/window.h"

#define PERIOD_MS 200u

/* Of all processes one looks in each period: a thousand that each looked at a thousand would do nothing else. */
static bool our_turn(struct rt *rt)
{
	uint64_t last = load_relaxed(&rt->header->swept), time = clock_mono();

	return time - last >= PERIOD_MS * 1000000u && cas(&rt->header->swept, &last, time);
}

/* What filling holes of ours changes is not waited for: those who are to see it may be waiting for us. */
void service_look(struct pf_pool *pool, struct rt_self *me)
{
	uint32_t mail = load_acquire(&rt_slot_at(me->rt, me->rt->slot)->mail);

	pin_notify(pool);
	windows_sync(pool, me);
	me->told = false;
	mm_seen(me, mail);
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
		if (me)
			service_look(pool, me);
		if (me && !pool->readonly && our_turn(pool->layout.rt))
			reap_pass(pool, me, NULL);
		else if (me && !pool->readonly)
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

/* Mail that nobody has looked at, or none until the time is over. */
static int wait_for_mail(struct rt_slot *slot, int timeout_ms)
{
	uint64_t end = timeout_ms < 0 ? ~0ull : clock_mono() + (uint64_t)timeout_ms * 1000000u;

	for (;;) {
		uint32_t mail = load_acquire(&slot->mail);
		uint64_t time = clock_mono();

		if (mail != load_acquire(&slot->seen))
			return 1;
		if (time >= end)
			return 0;
		if (futex_wait(&slot->mail, mail,
			       (unsigned)MIN((end - time) / 1000000 + 1, PERIOD_MS)) == EINTR)
			return err(EINTR, "pump");
	}
}

int pf_pump(pf_pool *pool, int timeout_ms)
{
	struct rt_self *me = pool_self(pool);
	int rc = me ? wait_for_mail(rt_slot_at(me->rt, me->rt->slot), timeout_ms) : rt_self_error();

	if (rc > 0)
		service_look(pool, me);
	return rc;
}
