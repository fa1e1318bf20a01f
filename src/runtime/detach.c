/*
 * Detach. The last one out, whose slot is FREE by then, takes the media's lock, goes to CLOSING, full fence, and looks at the slots again:
 * of a joiner and a closer one sees the other. Ending a runtime marks the media clean first and removes the file last.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/step.h"
#include "base/sys.h"
#include "runtime/attach.h"

/* Every row is free, and every handle and table was given back: a stopped process may have the lock that is needed for one, or be reading the other. */
static bool slot_settled(struct rt *rt)
{
	if (rt_tables_of(rt, rt->slot))
		return false;
	for (struct rt_chunk *c = rt_chunks(rt, rt->slot, RT_CHUNK_ROWS); c;
	     c = rt_chunk_next(rt, c))
		for (unsigned i = 0; i < RT_ROWS; i++)
			if (load_acquire(&c->rows[i].state) != RT_ROW_FREE)
				return false;
	for (struct rt_chunk *c = rt_chunks(rt, rt->slot, RT_CHUNK_HANDLES); c;
	     c = rt_chunk_next(rt, c))
		for (unsigned i = 0; i < RT_HANDLES; i++)
			if (load_acquire(&c->handles[i]))
				return false;
	return true;
}

bool attach_release_rows(struct rt *rt)
{
	struct rt_self *me;

	pthread_mutex_lock(&local_all); /* threads that end meanwhile */
	pthread_mutex_lock(&rt->local->mutex);
	while ((me = rt->local->selves)) {
		rt->local->selves = me->next;
		row_release(me);
		free(me);
	}
	pthread_mutex_unlock(&rt->local->mutex);
	pthread_mutex_unlock(&local_all);
	return slot_settled(rt);
}

/* Media lock, CLOSING, and nobody else is in. */
static void end(struct rt *rt, int (*finish)(void *arg, struct rt_self *me), void *arg)
{
	const struct use_format *open = use_read(rt->head);
	struct rt_self *me = rt_self_get(rt);
	struct use_format use;

	if (!open || !me || finish(arg, me) != 0) {
		store_release(&rt->header->state, RT_READY);
		return;
	}
	step("detach: finished");
	use = *open;
	use.state = USE_CLEAN;
	attach_write_use(rt, use);
	step("detach: clean");
	store_release(&rt->header->state, RT_GONE);
	if (rt->path[0])
		unlink(rt->path);
}

/* Our slot is FREE. Of two that leave at once the later one sees that nobody is in. */
static void end_if_last(struct rt *rt, int (*finish)(void *arg, struct rt_self *me), void *arg)
{
	uint64_t state = RT_READY;

	if (!slots_empty(rt) || dev_lock(rt->dev, rt->lock_limit_ms) < 0)
		return;
	step("detach: alone");
	if (cas(&rt->header->state, &state, RT_CLOSING)) {
		store_relaxed(&rt->header->builder, (uint64_t)getpid());
		memory_fence(memory_order_seq_cst); /* pairs with a joiner's */
		step("detach: closing");
		if (slots_empty(rt) && slot_claim(rt) == 0) {
			local_renew(rt);
			record_adopt(rt);
			end(rt, finish, arg);
			if (attach_release_rows(rt))
				slot_release(rt);
		} else {
			store_release(&rt->header->state, RT_READY);
		}
	}
	dev_unlock(rt->dev);
}

void rt_detach(struct rt *rt, int (*finish)(void *arg, struct rt_self *me), void *arg)
{
	int cancel;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	if (!rt_forked(rt)) {
		if (attach_release_rows(rt)) {
			slot_release(rt);
			step("detach: slot free");
			memory_fence(memory_order_seq_cst);
			if (rt->head)
				end_if_last(rt, finish, arg);
		}
		attach_unmap(rt); /* and with it the liveness lock */
	}
	local_close(rt);
	pthread_setcancelstate(cancel, NULL);
	free(rt);
}
