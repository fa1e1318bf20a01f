/*
 * Hold and handle records of this process. Which of them are unused is known to this process alone; the records are shared. A thread keeps
 * one hold at hand, so that a pin and its unpin touch no list.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/err.h"
#include "base/futex.h"
#include "base/sys.h"
#include "runtime/local.h"

/* Local mutex, here and below. */
static bool make_room(struct rt_free_list *list, size_t records)
{
	size_t room = MAX(2 * list->room, records);
	void **at;

	if (records <= list->room)
		return true;
	at = sys_realloc(list->at, room * sizeof *at);
	if (!at)
		return false;
	list->at = at;
	list->room = room;
	return true;
}

/* There is room for every record. */
static void push(struct rt_free_list *list, void *record)
{
	CHECK(list->count < list->room);
	list->at[list->count++] = record;
}

static void push_chunk(struct rt_free_list *list, struct rt_chunk *chunk, enum rt_chunk_type type,
		       unsigned per_chunk)
{
	for (unsigned i = per_chunk; i-- > 0;)
		push(list, type == RT_CHUNK_HOLDS     ? (void *)&chunk->holds[i]
			   : type == RT_CHUNK_HANDLES ? (void *)&chunk->handles[i]
			   : type == RT_CHUNK_FLOCKS  ? (void *)&chunk->flocks[i]
						      : (void *)&chunk->vmas[i]);
}

static void *pop(struct rt_free_list *list)
{
	return list->count ? list->at[--list->count] : NULL;
}

/* Room for all records first, so that giving them back cannot fail. */
static int add_chunk(struct rt_self *me, struct rt_free_list *list, enum rt_chunk_type type,
		     unsigned per_chunk)
{
	struct rt_chunk *chunk;
	int rc;

	if (!make_room(list, list->total + per_chunk))
		return err(ENOMEM, "records");
	chunk = arena_chunk(me, me->rt->slot, type, &rc);
	if (!chunk)
		return rc;
	list->total += per_chunk;
	push_chunk(list, chunk, type, per_chunk);
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
	push(list, record);
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

void rt_mail(struct rt *rt, unsigned slot)
{
	_Atomic uint32_t *mail = &rt_slot_at(rt, slot)->mail;

	atomic_fetch_add_explicit(mail, 1, memory_order_acq_rel);
	futex_wake(mail);
}

/* Stored before the mail is counted: who reads the count before it looks finds either. */
void rt_hold_want(struct rt *rt, unsigned slot, struct rt_hold *hold)
{
	store_release(&hold->wanted, 1);
	rt_mail(rt, slot);
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
	rt_handle *handle = me->free_handle;

	if (likely(handle)) {
		me->free_handle = NULL;
		return handle;
	}
	return get(me, &me->rt->local->handles, RT_CHUNK_HANDLES, RT_HANDLES);
}

void rt_handle_put(struct rt_self *me, rt_handle *handle)
{
	if (likely(!me->free_handle))
		me->free_handle = handle;
	else
		put(me, &me->rt->local->handles, (void *)handle);
}

struct rt_flock *rt_flock_get(struct rt_self *me)
{
	return get(me, &me->rt->local->flocks, RT_CHUNK_FLOCKS, RT_FLOCKS);
}

void rt_flock_put(struct rt_self *me, struct rt_flock *flock)
{
	put(me, &me->rt->local->flocks, flock);
}

struct rt_vma *rt_vma_get(struct rt_self *me)
{
	return get(me, &me->rt->local->vmas, RT_CHUNK_VMAS, RT_VMAS);
}

void rt_vma_put(struct rt_self *me, struct rt_vma *vma)
{
	put(me, &me->rt->local->vmas, vma);
}

void rt_vmas_free(struct rt *rt, unsigned slot)
{
	for (struct rt_chunk *c = rt_chunks(rt, slot, RT_CHUNK_VMAS); c; c = rt_chunk_next(rt, c))
		for (unsigned i = 0; i < RT_VMAS; i++)
			store_release(&c->vmas[i].file, 0);
}

void record_keep(struct rt_self *me)
{
	if (me->free_hold)
		push(&me->rt->local->holds, me->free_hold);
	if (me->free_handle)
		push(&me->rt->local->handles, (void *)me->free_handle);
}

/* Without memory for the list, the records stay unused until the slot's next process. */
static void adopt(struct rt *rt, struct rt_free_list *list, enum rt_chunk_type type,
		  unsigned per_chunk)
{
	list->count = list->total = 0;
	for (struct rt_chunk *c = rt_chunks(rt, rt->slot, type); c; c = rt_chunk_next(rt, c)) {
		if (!make_room(list, list->total + per_chunk))
			return;
		list->total += per_chunk;
		push_chunk(list, c, type, per_chunk);
	}
}

void record_adopt(struct rt *rt)
{
	row_unspend(rt);
	adopt(rt, &rt->local->holds, RT_CHUNK_HOLDS, RT_HOLDS);
	adopt(rt, &rt->local->handles, RT_CHUNK_HANDLES, RT_HANDLES);
	adopt(rt, &rt->local->flocks, RT_CHUNK_FLOCKS, RT_FLOCKS);
	adopt(rt, &rt->local->vmas, RT_CHUNK_VMAS, RT_VMAS);
}
