/*
 * Locks on bytes of files, for programs to agree by: nothing here looks at them when bytes are read or written.
 *
 * A lock is a record in its process's slot. Records of a file change under the file's inode lock, so who has that sees all of them, of all
 * processes, as they are. Locks of one owner never overlap: a new one cuts those that it meets, and joins those that say the same.
 * Those of a dead process are not there, whether it was reaped or not.
 *
 * A wait of an owner that has a number is a record, too, in which nobody but deadlock.c sees anything.
 *
 * Who waits sleeps on the inode's `flocks` word: its low half counts changes, bit 63 says that somebody sleeps. It wakes by itself several
 * times a second, to see whether who has the lock is dead.
 */
#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/futex.h"
#include "file/flock.h"

#define LOOK_MS  200u
#define SLEEPERS (1ull << 63)
#define OWN      (1ull << 63) /* owners that are handles */

static int want(pf_file *file, const struct pf_lock *lock, struct flock_want *w)
{
	*w = (struct flock_want){
		.l = &file->pool->layout,
		.me = pool_self(file->pool),
		.ino = file->ino,
		.file = (uint64_t)file->igen << 32 | file->ino,
		.first = lock->offset,
		.last = lock->length ? lock->offset + lock->length - 1 : UINT64_MAX,
		/* A handle's record stays where it is as long as the file is open. */
		.owner = lock->owner ? lock->owner & ~OWN : (uint64_t)(uintptr_t)file->handle | OWN,
		.slot = file->pool->layout.rt->slot,
		.type = lock->type,
		.space = lock->flags & PF_LOCK_FLOCK ? FLOCK_WHOLE : 0,
		.pid = (uint32_t)(lock->pid ? lock->pid : getpid()),
	};
	if (!w->me)
		return rt_self_error();
	if (lock->type > PF_LOCK_EXCLUSIVE || lock->flags & ~(PF_LOCK_FLOCK | PF_LOCK_AGAIN))
		return err(PF_EFLAGS, "lock: %u, %x", lock->type, lock->flags);
	if (!file->data && !file->directory)
		return handle_no_data(file);
	if (w->last < w->first)
		return err(PF_ERANGE, "lock: %lu bytes at %lu", (unsigned long)lock->length,
			   (unsigned long)lock->offset);
	if (w->space) {
		w->first = 0;
		w->last = UINT64_MAX;
	}
	return 0;
}

static bool same_space(const struct flock_want *w, const struct rt_flock *r)
{
	return load_acquire(&r->file) == w->file &&
	       (load_relaxed(&r->kind) & ~FLOCK_TYPE) == w->space;
}

static bool overlaps(const struct flock_want *w, const struct rt_flock *r)
{
	return load_relaxed(&r->first) <= w->last && load_relaxed(&r->last) >= w->first;
}

struct rt_flock *flock_conflict(const struct flock_want *w, struct rt_cursor *c)
{
	struct rt *rt = w->l->rt;
	struct rt_flock *r;

	while ((r = rt_next_flock(rt, c)))
		if (same_space(w, r) && overlaps(w, r) &&
		    (w->type == PF_LOCK_EXCLUSIVE ||
		     (load_relaxed(&r->kind) & FLOCK_TYPE) == PF_LOCK_EXCLUSIVE) &&
		    (c->slot != w->slot || load_relaxed(&r->owner) != w->owner) &&
		    !rt_slot_bury(rt, c->slot))
			return r;
	return NULL;
}

/* Inode lock. The first one. */
static struct rt_flock *conflict(const struct flock_want *w)
{
	struct rt_cursor c = {0};

	return flock_conflict(w, &c);
}

/* ---- changing --------------------------------------------------------------------------------- */

/* The number of the wait first: who has read another field's new value sees it, too (is_there() of deadlock.c). */
static void store(const struct flock_want *w, struct rt_flock *r, uint64_t first, uint64_t last,
		  uint32_t kind, uint64_t wait)
{
	store_relaxed(&r->wait, wait);
	memory_fence(memory_order_release);
	store_relaxed(&r->first, first);
	store_relaxed(&r->last, last);
	store_relaxed(&r->owner, w->owner);
	store_relaxed(&r->kind, kind);
	store_relaxed(&r->pid, w->pid);
	store_release(&r->file, w->file);
}

static void drop(const struct flock_want *w, struct rt_flock *r)
{
	store_release(&r->file, 0);
	rt_flock_put(w->me, r);
}

/* What is left of a lock of ours where the new one is not. *spare is used up if it is two pieces. */
static void cut(const struct flock_want *w, struct rt_flock *r, struct rt_flock **spare)
{
	uint64_t first = load_relaxed(&r->first), last = load_relaxed(&r->last);

	if (first < w->first && last > w->last) {
		store(w, *spare, w->last + 1, last, load_relaxed(&r->kind), 0);
		*spare = NULL;
	}
	if (first < w->first)
		store_release(&r->last, w->first - 1);
	else if (last > w->last)
		store_release(&r->first, w->last + 1);
	else
		drop(w, r);
}

/* Says the same, and is or touches where the new one is: that becomes both. */
static bool joins(const struct flock_want *w, const struct rt_flock *r, uint64_t *first,
		  uint64_t *last)
{
	uint64_t from = load_relaxed(&r->first), to = load_relaxed(&r->last);

	if ((load_relaxed(&r->kind) & FLOCK_TYPE) != w->type || (from && from - 1 > w->last) ||
	    (w->first && to < w->first - 1))
		return false;
	*first = MIN(*first, from);
	*last = MAX(*last, to);
	return true;
}

/* Inode lock. What this owner has becomes what is wanted; `spare` are two unused records. */
static void change(const struct flock_want *w, struct rt_flock *spare[2])
{
	struct rt *rt = w->l->rt;
	uint64_t first = w->first, last = w->last;

	for (struct rt_chunk *c = rt_chunks(rt, rt->slot, RT_CHUNK_FLOCKS); c;
	     c = rt_chunk_next(rt, c))
		for (unsigned i = 0; i < RT_FLOCKS; i++) {
			struct rt_flock *r = &c->flocks[i];

			if (!same_space(w, r) || load_relaxed(&r->owner) != w->owner)
				continue;
			if (w->type != PF_LOCK_NONE && joins(w, r, &first, &last))
				drop(w, r);
			else if (overlaps(w, r))
				cut(w, r, &spare[0]);
		}
	if (w->type != PF_LOCK_NONE) {
		store(w, spare[1], first, last, w->type | w->space, 0);
		spare[1] = NULL;
	}
}

static void wake(struct layout *l, uint32_t ino)
{
	_Atomic uint64_t *word = &fs_state(&l->fs, ino)->flocks;

	if (atomic_fetch_add_explicit(word, 1, memory_order_acq_rel) & SLEEPERS) {
		atomic_fetch_and_explicit(word, ~SLEEPERS, memory_order_acq_rel);
		futex_wake(word);
	}
}

/* ---- waiting ---------------------------------------------------------------------------------- */

/* Owners with numbers, for bytes. */
static bool is_looked_for(const struct flock_want *w)
{
	return !(w->owner & OWN) && !w->space;
}

/* Inode lock. From now on others see that this owner waits. */
static void begin_wait(const struct flock_want *w)
{
	_Atomic uint64_t *waits = &w->l->rt->header->waits;

	if (!w->wait || load_relaxed(&w->wait->file))
		return;
	store_relaxed(&w->wait->looked, 0);
	store(w, w->wait, w->first, w->last, w->type | FLOCK_WAITS,
	      atomic_fetch_add_explicit(waits, 1, memory_order_relaxed) + 1);
}

static void end_wait(struct flock_want *w)
{
	if (w->wait)
		drop(w, w->wait);
	w->wait = NULL;
}

/* The wait that an earlier call with PF_LOCK_AGAIN has begun, or NULL. */
static struct rt_flock *find_wait(const struct flock_want *w)
{
	struct rt *rt = w->l->rt;

	for (struct rt_chunk *c = rt_chunks(rt, rt->slot, RT_CHUNK_FLOCKS); c;
	     c = rt_chunk_next(rt, c))
		for (unsigned i = 0; i < RT_FLOCKS; i++) {
			struct rt_flock *r = &c->flocks[i];

			if (load_acquire(&r->file) == w->file &&
			    load_relaxed(&r->kind) == (w->type | FLOCK_WAITS) &&
			    load_relaxed(&r->owner) == w->owner &&
			    load_relaxed(&r->first) == w->first &&
			    load_relaxed(&r->last) == w->last)
				return r;
		}
	return NULL;
}

static bool never_ends(const struct flock_want *w)
{
	uint64_t now = clock_mono();

	if (!w->wait || now < load_relaxed(&w->wait->looked) + LOOK_MS * 1000000ull)
		return false;
	store_relaxed(&w->wait->looked, now);
	return flock_deadlock(w->me, w->l, w->wait);
}

/* 0; 1: somebody is in the way, and *seen is what to sleep for; an error. */
static int try(const struct flock_want *w, struct rt_flock *spare[2], uint32_t *seen)
{
	_Atomic uint64_t *word = &fs_state(&w->l->fs, w->ino)->flocks;
	struct rt_flock *other;
	int rc = layout_lock(w->me, w->l, w->ino);

	if (rc < 0)
		return rc;
	other = w->type == PF_LOCK_NONE ? NULL : conflict(w);
	if (other) {
		begin_wait(w);
		*seen = (uint32_t)atomic_fetch_or_explicit(word, SLEEPERS, memory_order_acq_rel);
		err(PF_ELOCKED, "inode %u: process %u has bytes %lu to %lu", w->ino,
		    load_relaxed(&other->pid), (unsigned long)load_relaxed(&other->first),
		    (unsigned long)load_relaxed(&other->last));
	} else {
		change(w, spare);
		if (w->wait)
			store_release(&w->wait->file, 0);
		wake(w->l, w->ino);
	}
	layout_unlock(w->me, w->l, w->ino);
	return other != NULL;
}

/* Until the file's locks have changed, or it is time to look again. -EINTR: a signal came. */
static int sleep_for(const struct flock_want *w, uint32_t seen, unsigned ms)
{
	errno = 0;
	futex_wait(&fs_state(&w->l->fs, w->ino)->flocks, seen, MIN(ms, LOOK_MS));
	return errno == EINTR ? err(EINTR, "lock") : 0;
}

/* `waits`: it gets a record as a wait when somebody is in the way, with which it tries once more. */
static int acquire(struct flock_want *w, struct rt_flock *spare[2], int timeout_ms, bool waits)
{
	uint64_t begin = clock_mono();
	uint32_t seen;
	int rc;

	while ((rc = try(w, spare, &seen)) == 1) {
		uint64_t waited = (clock_mono() - begin) / 1000000;

		if (waits && !w->wait) {
			w->wait = rt_flock_get(w->me);
			if (!w->wait)
				return rt_self_error();
			continue;
		}
		if (never_ends(w))
			return err(PF_EDEADLOCK, "inode %u: bytes %lu to %lu", w->ino,
				   (unsigned long)w->first, (unsigned long)w->last);
		if (timeout_ms >= 0 && waited >= (unsigned)timeout_ms)
			return -PF_ELOCKED;
		rc = sleep_for(w, seen,
			       timeout_ms < 0 ? LOOK_MS : (unsigned)timeout_ms - (unsigned)waited);
		if (rc < 0)
			return rc;
	}
	return rc;
}

int pf_lock(pf_file *file, const struct pf_lock *lock, int timeout_ms)
{
	struct rt_flock *spare[2] = {NULL, NULL};
	struct flock_want w;
	int rc = want(file, lock, &w);
	bool again = lock->flags & PF_LOCK_AGAIN, waits;

	if (rc == 0 && again && timeout_ms)
		rc = err(PF_EFLAGS, "lock: again, and %d ms", timeout_ms);
	if (rc < 0)
		return rc;
	waits = (again || timeout_ms) && is_looked_for(&w);
	w.wait = again && waits ? find_wait(&w) : NULL;
	for (unsigned i = 0; i < 2 && rc == 0; i++)
		if (!(spare[i] = rt_flock_get(w.me)))
			rc = rt_self_error();
	if (rc == 0)
		rc = acquire(&w, spare, timeout_ms, waits);
	if (rc == 0 && w.owner & OWN)
		store_relaxed(&file->locked, true);
	if (!again || rc != -PF_ELOCKED)
		end_wait(&w);
	for (unsigned i = 0; i < 2; i++)
		if (spare[i])
			rt_flock_put(w.me, spare[i]);
	return rc;
}

int pf_lock_give_up(pf_file *file, const struct pf_lock *lock)
{
	struct flock_want w;
	int rc = want(file, lock, &w);

	if (rc == 0) {
		w.wait = find_wait(&w);
		end_wait(&w);
	}
	return rc;
}

int pf_lock_test(pf_file *file, struct pf_lock *lock)
{
	struct rt_flock *other;
	struct flock_want w;
	int rc = want(file, lock, &w);

	if (rc < 0 || (rc = layout_lock(w.me, w.l, w.ino)) < 0)
		return rc;
	other = conflict(&w);
	if (other) {
		uint64_t first = load_relaxed(&other->first), last = load_relaxed(&other->last);

		lock->type = load_relaxed(&other->kind) & FLOCK_TYPE;
		lock->pid = (pid_t)load_relaxed(&other->pid);
		lock->offset = first;
		lock->length = last == UINT64_MAX ? 0 : last - first + 1;
	} else {
		lock->type = PF_LOCK_NONE;
	}
	layout_unlock(w.me, w.l, w.ino);
	return 0;
}

/* ---- endings ---------------------------------------------------------------------------------- */

void flock_close(pf_file *file)
{
	for (unsigned space = 0; space < 2; space++) {
		struct pf_lock all = {.flags = space ? PF_LOCK_FLOCK : 0};
		struct rt_flock *spare[2] = {NULL, NULL};
		struct flock_want w;

		/* All of it: nothing is cut in two. */
		if (want(file, &all, &w) == 0)
			change(&w, spare);
	}
	wake(&file->pool->layout, file->ino);
}

void flock_drop(struct layout *l, unsigned slot)
{
	struct rt *rt = l->rt;

	for (struct rt_chunk *c = rt_chunks(rt, slot, RT_CHUNK_FLOCKS); c; c = rt_chunk_next(rt, c))
		for (unsigned i = 0; i < RT_FLOCKS; i++) {
			uint32_t ino = (uint32_t)swap(&c->flocks[i].file, 0);

			if (ino && ino < fs_inodes_high(&l->fs))
				wake(l, ino);
		}
}
