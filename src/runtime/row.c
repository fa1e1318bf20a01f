/*
 * Rows: one per thread that calls us. A thread finds its row through a cache in thread-local memory, which is valid for one attach
 * (rt->id is never used twice), and gives it back when it ends.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/step.h"
#include "base/sys.h"
#include "runtime/local.h"

#define CACHED 4u /* attaches that a thread uses at once without a search */
#define SPENT \
	UINT32_MAX /* tid of a free row that has no further thread while its process has the slot */

static _Thread_local struct {
	uint64_t id;
	struct rt_self *self;
} cache[CACHED] __attribute__((tls_model("initial-exec")));
static _Thread_local int last_error;

static pthread_key_t at_exit;
static pthread_once_t once = PTHREAD_ONCE_INIT;

int rt_self_error(void)
{
	return last_error;
}

void self_fail(int code)
{
	last_error = code;
}

/* Every row of this thread, in all attaches: they go when the thread does. A destructor that runs later may call us again: it gets
 * another row, and this is called once more. */
static void thread_ends(void *unused)
{
	uint32_t tid = (uint32_t)syscall(SYS_gettid);

	(void)unused;
	memset(cache, 0, sizeof cache);
	pthread_mutex_lock(&local_all);
	for (struct rt *rt = local_first; rt; rt = rt->local->next) {
		struct rt_self **at = &rt->local->selves, *me;

		if (rt_forked(rt))
			continue;
		pthread_mutex_lock(&rt->local->mutex);
		while ((me = *at)) {
			if (load_relaxed(&me->row->tid) == tid) {
				*at = me->next;
				row_release(me);
				free(me);
			} else {
				at = &me->next;
			}
		}
		pthread_mutex_unlock(&rt->local->mutex);
	}
	pthread_mutex_unlock(&local_all);
}

static void make_key(void)
{
	pthread_key_create(&at_exit, thread_ends);
}

/* `tid` of the next thread that may have it: 0, or SPENT. */
static void clear(struct rt_row *row, uint32_t tid)
{
	store_relaxed(&row->intent, 0);
	store_relaxed(&row->read_hold, 0);
	store_relaxed(&row->lane, 0);
	for (size_t i = 0; i < ARRAY_SIZE(row->inodes); i++)
		store_relaxed(&row->inodes[i], 0);
	store_relaxed(&row->page.set, 0);
	store_relaxed(&row->node.set, 0);
	store_relaxed(&row->reaps, 0);
	store_relaxed(&row->walks, 0);
	store_relaxed(&row->tid, tid);
	store_release(&row->state, (uint32_t)RT_ROW_FREE);
}

void rt_row_free(struct rt_row *row)
{
	clear(row, 0);
}

/* Locks may still name the row as their dead owner: who takes one marks the row as dead, which must not be another thread's by then. */
void rt_row_settle(struct rt_row *row)
{
	clear(row, SPENT);
}

bool row_clean(const struct rt_row *row)
{
	return !load_acquire(&row->intent) && !load_acquire(&row->read_hold) &&
	       !load_acquire(&row->page.set) && !load_acquire(&row->node.set) &&
	       !load_acquire(&row->reaps) && !load_acquire(&row->inodes[0]) &&
	       !load_acquire(&row->inodes[1]) && !load_acquire(&row->inodes[2]) &&
	       !load_acquire(&row->inodes[3]);
}

void row_unspend(struct rt *rt)
{
	for (struct rt_chunk *c = rt_chunks(rt, rt->slot, RT_CHUNK_ROWS); c;
	     c = rt_chunk_next(rt, c))
		for (unsigned i = 0; i < RT_ROWS; i++)
			if (load_relaxed(&c->rows[i].tid) == SPENT)
				rt_row_free(&c->rows[i]);
}

/* A thread that was cancelled inside a call leaves a row that others must settle. */
bool row_release(struct rt_self *me)
{
	bool clean = !me->locks && row_clean(me->row);

	record_keep(me);
	if (clean)
		rt_row_free(me->row);
	else
		store_release(&me->row->state, (uint32_t)RT_ROW_DEAD);
	return clean;
}

struct rt_row *local_row(struct rt *rt, unsigned slot, unsigned number)
{
	struct rt_chunk *newest = rt_chunks(rt, slot, RT_CHUNK_ROWS); /* once: the chain grows */
	unsigned chunks = 0;

	for (struct rt_chunk *c = newest; c; c = rt_chunk_next(rt, c))
		chunks++;
	for (struct rt_chunk *c = newest; c; c = rt_chunk_next(rt, c))
		if (--chunks == number / RT_ROWS)
			return &c->rows[number % RT_ROWS];
	return NULL;
}

static bool claim(struct rt_self *me, unsigned number)
{
	struct rt_row *row = local_row(me->rt, me->rt->slot, number);
	uint32_t state = load_relaxed(&row->state);

	if (state != RT_ROW_FREE || load_relaxed(&row->tid) == SPENT ||
	    !cas(&row->state, &state, (uint32_t)RT_ROW_LIVE))
		return false;
	store_relaxed(&row->tid, (uint32_t)syscall(SYS_gettid));
	me->row = row;
	me->owner = rt_owner_make(me->rt->slot, number, me->rt->epoch);
	return true;
}

static unsigned count_rows(struct rt *rt)
{
	unsigned n = 0;

	for (struct rt_chunk *c = rt_chunks(rt, rt->slot, RT_CHUNK_ROWS); c;
	     c = rt_chunk_next(rt, c))
		n += RT_ROWS;
	return n;
}

/* Local mutex. The arena lock is taken with an owner word of our slot and a row that does not exist: it only names the process. */
static int find_row(struct rt_self *me)
{
	int rc;

	for (;;) {
		unsigned n = count_rows(me->rt);

		for (unsigned i = 0; i < n; i++)
			if (claim(me, i))
				return 0;
		if (n + RT_ROWS > RT_ROWS_MAX)
			return err(PF_ETOOMANY, "%u threads", n);
		me->owner = rt_owner_make(me->rt->slot, 0xffff, me->rt->epoch);
		if (!arena_chunk(me, me->rt->slot, RT_CHUNK_ROWS, &rc))
			return rc;
	}
}

static struct rt_self *make_self(struct rt *rt)
{
	struct rt_self *me = sys_calloc(1, sizeof *me);
	int rc;

	if (!me) {
		last_error = err(ENOMEM, "thread");
		return NULL;
	}
	me->rt = rt;
	pthread_mutex_lock(&rt->local->mutex);
	rc = find_row(me);
	if (rc == 0) {
		me->next = rt->local->selves;
		rt->local->selves = me;
	}
	pthread_mutex_unlock(&rt->local->mutex);
	if (rc < 0) {
		last_error = rc;
		free(me);
		return NULL;
	}
	pthread_once(&once, make_key);
	pthread_setspecific(at_exit, me);
	return me;
}

/* This thread's, if it has one and lost it from its cache. */
static struct rt_self *search(struct rt *rt)
{
	uint32_t tid = (uint32_t)syscall(SYS_gettid);
	struct rt_self *me;

	pthread_mutex_lock(&rt->local->mutex);
	for (me = rt->local->selves; me; me = me->next)
		if (load_relaxed(&me->row->tid) == tid &&
		    load_relaxed(&me->row->state) == RT_ROW_LIVE)
			break;
	pthread_mutex_unlock(&rt->local->mutex);
	return me;
}

static struct rt_self *self_slow(struct rt *rt)
{
	struct rt_self *me;

	if (rt_forked(rt)) {
		local_leave(rt);
		last_error = err(PF_EFORKED, NULL);
		return NULL;
	}
	me = search(rt);
	if (!me)
		me = make_self(rt);
	if (!me)
		return NULL;
	cache[rt->id % CACHED].id = rt->id;
	cache[rt->id % CACHED].self = me;
	return me;
}

struct rt_self *rt_self_get(struct rt *rt)
{
	if (likely(cache[rt->id % CACHED].id == rt->id && *rt->alive))
		return cache[rt->id % CACHED].self;
	return self_slow(rt);
}

/* ---- the rows of all slots --------------------------------------------------------------------------- */

/* The next slot that is not FREE, with its chunks of one type. */
static bool next_slot(struct rt *rt, struct rt_cursor *c, enum rt_chunk_type type)
{
	if (c->begun)
		c->slot++;
	c->begun = true;
	for (; c->slot < rt_slots_used(rt); c->slot++) {
		c->word = load_acquire(&rt_slot_at(rt, c->slot)->word);
		c->chunk = rt_chunks(rt, c->slot, type);
		c->i = 0;
		if (rt_slot_state(c->word) != RT_SLOT_FREE && c->chunk)
			return true;
	}
	c->chunk = NULL;
	return false;
}

static bool next_place(struct rt *rt, struct rt_cursor *c, enum rt_chunk_type type,
		       unsigned per_chunk)
{
	if (c->chunk && c->i < per_chunk)
		return true;
	c->i = 0;
	if (c->chunk)
		c->chunk = rt_chunk_next(rt, c->chunk);
	return c->chunk || next_slot(rt, c, type);
}

struct rt_row *rt_next_row(struct rt *rt, struct rt_cursor *c)
{
	while (next_place(rt, c, RT_CHUNK_ROWS, RT_ROWS)) {
		struct rt_row *row = &c->chunk->rows[c->i++];

		if (load_acquire(&row->state) != RT_ROW_FREE)
			return row;
	}
	return NULL;
}

struct rt_hold *rt_next_hold(struct rt *rt, struct rt_cursor *c)
{
	while (next_place(rt, c, RT_CHUNK_HOLDS, RT_HOLDS)) {
		struct rt_hold *hold = &c->chunk->holds[c->i++];

		if (load_acquire(&hold->range))
			return hold;
	}
	return NULL;
}

struct rt_flock *rt_next_flock(struct rt *rt, struct rt_cursor *c)
{
	while (next_place(rt, c, RT_CHUNK_FLOCKS, RT_FLOCKS)) {
		struct rt_flock *flock = &c->chunk->flocks[c->i++];

		if (load_acquire(&flock->file))
			return flock;
	}
	return NULL;
}

struct rt_vma *rt_next_vma(struct rt *rt, struct rt_cursor *c)
{
	while (next_place(rt, c, RT_CHUNK_VMAS, RT_VMAS)) {
		struct rt_vma *vma = &c->chunk->vmas[c->i++];

		if (load_acquire(&vma->file))
			return vma;
	}
	return NULL;
}

void rt_row_bury(struct rt *rt, rt_owner owner)
{
	unsigned slot = rt_owner_slot(owner);
	uint32_t live = RT_ROW_LIVE;
	struct rt_row *row;

	rt_slot_bury(rt, slot);
	if (rt_slot_epoch(load_acquire(&rt_slot_at(rt, slot)->word)) != rt_owner_epoch(owner))
		return;
	row = local_row(rt, slot, rt_owner_row(owner));
	if (!row || !cas(&row->state, &live, (uint32_t)RT_ROW_DEAD))
		return;
	/* Reaped and taken by another process meanwhile: the row is that one's, and lives. */
	if (rt_slot_epoch(load_acquire(&rt_slot_at(rt, slot)->word)) != rt_owner_epoch(owner)) {
		uint32_t dead = RT_ROW_DEAD;

		cas(&row->state, &dead, (uint32_t)RT_ROW_LIVE);
	}
}
