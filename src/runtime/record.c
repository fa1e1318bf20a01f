/*
 * Hold and handle records of this process. Which of them are unused is known to this process alone; the records are shared. A thread keeps
 * one hold at hand, so that a pin and its unpin touch no list.
 */
#include <stdlib.h>

#include "base/err.h"
#include "base/sys.h"
#include "runtime/local.h"

/* Local mutex. */
static bool push(struct rt_free_list *list, void *record)
{
	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : 128;
		void **at = sys_realloc(list->at, room * sizeof *at);

		if (!at)
			return false;
		list->at = at;
		list->room = room;
	}
	list->at[list->count++] = record;
	return true;
}

static void *pop(struct rt_free_list *list)
{
	return list->count ? list->at[--list->count] : NULL;
}

/* Room for a chunk's records first, so that giving them back cannot fail. */
static int add_chunk(struct rt_self *me, struct rt_free_list *list, enum rt_chunk_type type,
		     unsigned per_chunk)
{
	size_t room = list->room + MAX(per_chunk, 128u);
	void **at = sys_realloc(list->at, room * sizeof *at);
	struct rt_chunk *chunk;
	int rc;

	if (!at)
		return err(ENOMEM, "records");
	list->at = at;
	list->room = room;
	chunk = arena_chunk(me, me->rt->slot, type, &rc);
	if (!chunk)
		return rc;
	for (unsigned i = per_chunk; i-- > 0;)
		push(list, type == RT_CHUNK_HOLDS ? (void *)&chunk->holds[i]
						  : (void *)&chunk->handles[i]);
	return 0;
}

static void *get(struct rt_self *me, struct rt_free_list *list, enum rt_chunk_type type,
		 unsigned per_chunk)
{
	pthread_mutex_t *mutex = &me->rt->local->mutex;
	void *record;
	int rc = 0;

	pthread_mutex_lock(mutex);
	if (!list->count)
		rc = add_chunk(me, list, type, per_chunk);
	record = rc < 0 ? NULL : pop(list);
	pthread_mutex_unlock(mutex);
	if (rc < 0)
		self_fail(rc);
	return record;
}

static void put(struct rt_self *me, struct rt_free_list *list, void *record)
{
	pthread_mutex_t *mutex = &me->rt->local->mutex;

	pthread_mutex_lock(mutex);
	push(list, record); /* there is room: it came from here */
	pthread_mutex_unlock(mutex);
}

struct rt_hold *rt_hold_get(struct rt_self *me)
{
	struct rt_hold *hold = me->free_hold;

	if (likely(hold)) {
		me->free_hold = NULL;
		return hold;
	}
	return get(me, &me->rt->local->holds, RT_CHUNK_HOLDS, RT_HOLDS);
}

void rt_hold_put(struct rt_self *me, struct rt_hold *hold)
{
	if (likely(!me->free_hold))
		me->free_hold = hold;
	else
		put(me, &me->rt->local->holds, hold);
}

rt_handle *rt_handle_get(struct rt_self *me)
{
	return get(me, &me->rt->local->handles, RT_CHUNK_HANDLES, RT_HANDLES);
}

void rt_handle_put(struct rt_self *me, rt_handle *handle)
{
	put(me, &me->rt->local->handles, (void *)handle);
}

void record_adopt(struct rt *rt)
{
	struct rt_local *local = rt->local;

	local->holds.count = local->handles.count = 0;
	for (struct rt_chunk *c = rt_chunks(rt, rt->slot, RT_CHUNK_HOLDS); c;
	     c = rt_chunk_next(rt, c))
		for (unsigned i = 0; i < RT_HOLDS; i++)
			push(&local->holds, &c->holds[i]);
	for (struct rt_chunk *c = rt_chunks(rt, rt->slot, RT_CHUNK_HANDLES); c;
	     c = rt_chunk_next(rt, c))
		for (unsigned i = 0; i < RT_HANDLES; i++)
			push(&local->handles, (void *)&c->handles[i]);
}
