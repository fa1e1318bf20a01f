/*
 * Giving back what the dead held. docs/protocol.md section 9. Anybody may reap, several at a time; nothing here waits for a lock that a
 * living process has: what cannot be done now leaves the slot DEAD, and is tried again after a pause that grows.
 */
#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/step.h"
#include "file/service.h"
#include "mm/mm.h"

#define RETRY_FIRST_NS 1000000ull
#define RETRY_MAX_NS   200000000ull

/* ---- rows ------------------------------------------------------------------------------------------ */

/* The inode locks it had: whoever takes one next resolves what the row left. That is us, or somebody who has it now. */
static bool settle_inodes(struct rt_self *me, struct layout *l, struct rt_row *row)
{
	for (size_t i = 0; i < ARRAY_SIZE(row->inodes); i++) {
		uint32_t ino = load_acquire(&row->inodes[i]);

		if (!ino)
			continue;
		if (ino >= fs_inodes_high(&l->fs))
			continue;
		if (layout_trylock(me, l, ino) < 0)
			return false;
		layout_unlock(me, l, ino);
		store_release(&row->inodes[i], 0);
	}
	return !load_acquire(&row->page.set) && !load_acquire(&row->node.set);
}

static bool settle_rows(struct rt_self *me, struct layout *l, unsigned slot)
{
	for (struct rt_chunk *c = rt_chunks(l->rt, slot, RT_CHUNK_ROWS); c;
	     c = rt_chunk_next(l->rt, c))
		for (unsigned i = 0; i < RT_ROWS; i++)
			if (load_acquire(&c->rows[i].state) != RT_ROW_FREE &&
			    !settle_inodes(me, l, &c->rows[i]))
				return false;
	return true;
}

/* Counts that its intents leave in doubt. */
static bool recount_rows(struct rt_self *me, struct layout *l, unsigned slot)
{
	for (struct rt_chunk *c = rt_chunks(l->rt, slot, RT_CHUNK_ROWS); c;
	     c = rt_chunk_next(l->rt, c))
		for (unsigned i = 0; i < RT_ROWS; i++)
			if (page_recount(me, &l->pages, &c->rows[i]) < 0)
				return false;
	return true;
}

/* ---- handles and holds ------------------------------------------------------------------------------- */

static int drop_handle(struct rt_self *me, struct layout *l, rt_handle *handle, bool wait)
{
	uint32_t ino = (uint32_t)load_acquire(handle);
	int rc;

	if (!ino)
		return 0;
	rc = wait ? layout_lock(me, l, ino) : layout_trylock(me, l, ino);
	if (rc < 0)
		return rc;
	rc = handle_drop(me, l, handle);
	layout_unlock(me, l, ino);
	return rc;
}

static int drop_handles(struct rt_self *me, struct layout *l, unsigned slot, bool wait)
{
	for (struct rt_chunk *c = rt_chunks(l->rt, slot, RT_CHUNK_HANDLES); c;
	     c = rt_chunk_next(l->rt, c))
		for (unsigned i = 0; i < RT_HANDLES; i++) {
			int rc = drop_handle(me, l, &c->handles[i], wait);

			if (rc < 0)
				return rc;
		}
	return 0;
}

static void drop_holds(struct rt_self *me, struct layout *l, unsigned slot, bool dead)
{
	for (struct rt_chunk *c = rt_chunks(l->rt, slot, RT_CHUNK_HOLDS); c;
	     c = rt_chunk_next(l->rt, c))
		for (unsigned i = 0; i < RT_HOLDS; i++)
			dax_drop(me, &l->pages, &c->holds[i].range, dead);
}

static void drop_read_holds(struct rt_self *me, struct layout *l, unsigned slot)
{
	for (struct rt_chunk *c = rt_chunks(l->rt, slot, RT_CHUNK_ROWS); c;
	     c = rt_chunk_next(l->rt, c))
		for (unsigned i = 0; i < RT_ROWS; i++)
			dax_drop(me, &l->pages, &c->rows[i].read_hold, true);
}

/* ---- a slot ---------------------------------------------------------------------------------------- */

/* The names lock, if the dead one had it: a living owner is left alone. */
static void settle_names(struct rt_self *me, struct layout *l)
{
	if (layout_trylock_names(me, l) == 0)
		layout_unlock_names(me, l);
}

static bool empty_slot(struct rt_self *me, struct layout *l, unsigned slot)
{
	if (page_repair(me, &l->pages) < 0)
		return false;
#ifdef PF_BREAK_HOLDS_FIRST
	drop_holds(me, l, slot, true);
	drop_read_holds(me, l, slot);
#endif
	settle_names(me, l);
	if (!journal_settle(&l->fs.journal, me, false) || !settle_rows(me, l, slot))
		return false;
	step("reap: rows settled");
	if (drop_handles(me, l, slot, false) < 0)
		return false;
	/* Records are resolved by now: a hold that keeps a folio whole is not given back before. */
	drop_holds(me, l, slot, true);
	drop_read_holds(me, l, slot);
	flock_drop(l, slot);
	rt_vmas_free(l->rt, slot);
	step("reap: holds dropped");
	return recount_rows(me, l, slot) && space_reap(me, slot);
}

static void try_later(struct rt_slot *s)
{
	uint64_t now = clock_mono(), waited = now - load_relaxed(&s->died);

	store_relaxed(&s->retry, now + MIN(MAX(waited / 4, RETRY_FIRST_NS), RETRY_MAX_NS));
}

static bool reap_slot(struct rt_self *me, struct layout *l, unsigned slot, bool now)
{
	struct rt_slot *s = rt_slot_at(l->rt, slot);
	uint32_t epoch;
	bool done;

	step("reap: dead slot");
	epoch = rt_slot_epoch(load_acquire(&s->word));
	if ((!now && clock_mono() < load_relaxed(&s->retry)) || !rt_reap_lock(me, slot, epoch))
		return false;
	step("reap: locked");
	done = empty_slot(me, l, slot);
	if (done)
		rt_slot_free(me, slot);
	else
		try_later(s);
	rt_reap_unlock(me, slot);
	return done;
}

/* ---- our own --------------------------------------------------------------------------------------- */

static bool is_busy(struct rt_row *row)
{
	for (size_t i = 0; i < ARRAY_SIZE(row->inodes); i++)
		if (load_acquire(&row->inodes[i]))
			return true;
	return load_acquire(&row->intent) || load_acquire(&row->read_hold) ||
	       load_acquire(&row->page.set) || load_acquire(&row->node.set) ||
	       load_acquire(&row->reaps);
}

/* Its thread ended in the middle of something: it will not execute another instruction, and its robust locks have been passed on. The
 * row is looked at again after that: it may have been given back, and be another thread's by now. A row that still names a thread that
 * is gone stays as it is. */
static void bury_if_gone(struct rt_row *row)
{
	uint32_t tid = load_acquire(&row->tid), live = RT_ROW_LIVE;

	if (tid && is_busy(row) && syscall(SYS_tgkill, getpid(), tid, 0) < 0 && errno == ESRCH &&
	    load_acquire(&row->tid) == tid && is_busy(row))
		cas(&row->state, &live, (uint32_t)RT_ROW_DEAD);
}

/* Threads of ours that died inside a call. Only their own process does this, one thread at a time: the others see rows of a living slot. */
void reap_threads(struct pf_pool *pool, struct rt_self *me)
{
	struct layout *l = &pool->layout;
	uint32_t free = 0;

	if (!cas(&pool->in_reap, &free, 1))
		return;
	for (struct rt_chunk *c = rt_chunks(l->rt, l->rt->slot, RT_CHUNK_ROWS); c;
	     c = rt_chunk_next(l->rt, c))
		for (unsigned i = 0; i < RT_ROWS; i++) {
			struct rt_row *row = &c->rows[i];

			bury_if_gone(row);
			if (load_acquire(&row->state) != RT_ROW_DEAD ||
			    page_repair(me, &l->pages) < 0 ||
			    !journal_settle(&l->fs.journal, me, false) ||
			    !settle_inodes(me, l, row))
				continue;
			dax_drop(me, &l->pages, &row->read_hold, true);
			if (page_recount(me, &l->pages, row) == 0)
				rt_row_settle(row);
		}
	store_release(&pool->in_reap, 0);
}

int reap_own(struct pf_pool *pool, struct rt_self *me)
{
	drop_holds(me, &pool->layout, pool->layout.rt->slot, false);
	flock_drop(&pool->layout, pool->layout.rt->slot);
	return drop_handles(me, &pool->layout, pool->layout.rt->slot, true);
}

/* ---- passes ---------------------------------------------------------------------------------------- */

/* Unnamed files whose last handle a read-only process closed: taking their lock removes them. Who is in the way leaves it to the next pass. */
static void sweep(struct rt_self *me, struct layout *l)
{
	uint64_t v = load_acquire(&l->fs.shared->leftovers);
	bool all = true;

	if (likely(!v))
		return;
	for (uint32_t ino = fs_next_unfinished(&l->fs, 1); ino;
	     ino = fs_next_unfinished(&l->fs, ino + 1))
		if (layout_trylock(me, l, ino) == 0)
			layout_unlock(me, l, ino);
		else
			all = false;
	/* After the look, as the looker may be killed; by CAS, as another may have come. */
	if (all)
		cas(&l->fs.shared->leftovers, &v, 0);
}

/* A read-only process gives nothing back for others: that changes the media. */
static int pass(struct pf_pool *pool, struct rt_self *me, unsigned *left, bool now)
{
	struct layout *l = &pool->layout;
	unsigned dead = 0;
	int reaped = 0;
	int64_t rc;

	if (left)
		*left = 0;
	if (pool->readonly)
		return 0;
	reap_threads(pool, me);
	sweep(me, l);
	for (unsigned slot = 0; slot < rt_slots_used(l->rt); slot++) {
		if (slot == l->rt->slot || !rt_slot_bury(l->rt, slot))
			continue;
		if (reap_slot(me, l, slot, now))
			reaped++;
		else
			dead++;
	}
	rc = page_discard(me, &l->pages);
	if (left)
		*left = dead;
	return rc < 0 ? (int)rc : reaped;
}

int reap_pass(struct pf_pool *pool, struct rt_self *me, unsigned *left)
{
	return pass(pool, me, left, false);
}

bool reap_helps(struct pf_pool *pool, struct rt_self *me, int rc, unsigned *tries)
{
	if ((rc != -PF_EREAP && rc != -PF_ENOSPACE && rc != -PF_EAGAIN) || *tries >= 1000)
		return false;
	if (rc == -PF_ENOSPACE && *tries)
		return false;
	++*tries;
	if (rc == -PF_ENOSPACE && !pool->readonly)
		layout_trim_all(me, &pool->layout);
	if (pass(pool, me, NULL, true) <= 0)
		sched_yield(); /* to who is in the way of reaping */
	return true;
}

/* A slot that stays dead because a living process is in the way is left after the time limit. */
int pf_reap(pf_pool *pool)
{
	struct rt_self *me = pool_self(pool);
	uint64_t end = clock_mono() + pool->layout.rt->lock_limit_ms * 1000000ull;
	unsigned left = 0;
	int reaped = 0, rc;

	if (!me)
		return rt_self_error();
	service_look(pool, me);
	do {
		rc = pass(pool, me, &left, true);
		if (rc < 0)
			return rc;
		reaped += rc;
		if (left)
			nanosleep(&(struct timespec){.tv_nsec = RETRY_FIRST_NS}, NULL);
	} while (left && clock_mono() < end);
	return reaped;
}
