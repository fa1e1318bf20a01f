/*
 * The walk over a range, with callbacks by level (struct pt_walk_ops). Each entry above level 0 goes through these steps:
 *
 *   none           -> a table is made for it if the walk installs; else it is a hole, and done
 *   the callback   -> which may end the walk, or say CONTINUE (done) or AGAIN (from the start)
 *   nothing below  -> nobody wants what is below, and nothing is to be installed in it: done
 *   a leaf         -> split if somebody below wants to see it and the walk may; a walk that only installs leaves it alone
 *   a table        -> down into it
 *
 * The entry that leads down is loaded once, after the callback, and the table taken from that value. Where it is no more what the callback was asked
 * about, the walk starts at the entry again: a leaf that came after a table went is neither split nor skipped unseen.
 */
#include "pgtable/inner.h"

static int walk_pte_table(struct pt_walk *w, uint64_t table, uint64_t va, uint64_t last)
{
	const struct pt_walk_ops *ops = w->ops;
	pt_slot *slot = pt_slot_at(w->pt, table, va, PT_PTE);
	uint64_t n = (last - va) / PAGE_BYTES + 1;

	for (; n--; slot++, va += PAGE_BYTES) {
		pt_entry e = load_acquire(slot);
		int rc = 0;

		if (!e && ops->install) {
			rc = ops->install(w, va, &e);
			if (rc == 0 && e)
				store_release(slot, e);
			else
				w->bare = true;
		} else if (ops->pte) {
			rc = ops->pte(w, va, slot, e);
		}
		if (rc)
			return rc;
	}
	return 0;
}

static int call(struct pt_walk *w, uint64_t va, uint64_t last, unsigned level, pt_slot *slot,
		pt_entry e)
{
	w->action = PT_SUBTREE;
	if (level == PT_PMD && w->ops->pmd)
		return w->ops->pmd(w, va, last, slot, e);
	if (level == PT_PUD && w->ops->pud)
		return w->ops->pud(w, va, last, slot, e);
	return 0;
}

/* Somebody has a callback for levels below. */
static bool wanted_below(const struct pt_walk_ops *ops, unsigned level)
{
	return ops->pte || (level > PT_PMD && ops->pmd) || (level > PT_PUD && ops->pud);
}

/* Results of these: how the walk goes on, or a negative error. */
enum { DOWN, BEHIND, ONCE_MORE };

/* Once more, but not without end: somebody may change an entry whenever it is looked at. */
static int once_more(struct pt_walk *w, uint64_t va, unsigned level, pt_entry e)
{
	if (!w->visits)
		return pt_bad(w->pt, va, level, e);
	w->visits--;
	return ONCE_MORE;
}

/* Not what the callback was asked about: none, a table where a leaf was or the reverse, a leaf of other pages. */
static bool another(const struct pt_fmt *f, pt_entry seen, pt_entry now)
{
	return !now || pt_is_table(f, seen) != pt_is_table(f, now) ||
	       (!pt_is_table(f, now) && ((seen ^ now) & f->address));
}

/* A reader may be in a table that is not the tree's any more. */
static bool may_enter(const struct pt_walk *w, uint64_t table)
{
	bool changes = w->ops->install || w->ops->split;

	return changes ? pt_table_ours(w->pt, table) : pt_in_arena(w->pt, table);
}

/* An entry that was seen, and nobody dealt with: what there is to go down into. */
static int open_entry(struct pt_walk *w, uint64_t va, unsigned level, pt_slot *slot, pt_entry seen,
		      uint64_t *table)
{
	const struct pt_fmt *f = w->pt->fmt;
	pt_entry e = load_acquire(slot);

	if (another(f, seen, e))
		return once_more(w, va, level, e);
	if (pt_is_table(f, e)) {
		if (pt_foreign(w->pt, e, level))
			return BEHIND;
		*table = pt_table_offset(w->pt, e);
		if (!may_enter(w, *table) || !w->visits)
			return pt_bad(w->pt, va, level, e);
		w->visits--;
		return DOWN;
	}
	if (!pt_is_leaf(f, e, level))
		return pt_bad(w->pt, va, level, e);
	if (!w->ops->split || !wanted_below(w->ops, level))
		return BEHIND;
	int rc = pt_split_slot(w->pt, va, slot, level, w->gather);

	return rc < 0 ? rc : ONCE_MORE;
}

static int walk_table(struct pt_walk *w, uint64_t table, unsigned level, uint64_t va,
		      uint64_t last);

static int walk_entry(struct pt_walk *w, pt_slot *slot, unsigned level, uint64_t va, uint64_t last)
{
	uint64_t below;
	int rc;

	do {
		pt_entry e = load_acquire(slot);

		if (!e && !w->ops->install)
			return w->ops->hole ? w->ops->hole(w, va, last, level) : 0;
		if (!e && (rc = pt_link(w->pt, slot, &below)) < 0) {
			w->bare = true;
			return rc;
		}
		if (!e)
			return walk_table(w, below, level - 1, va, last);
		if (pt_foreign(w->pt, e, level))
			return 0;
		if ((rc = call(w, va, last, level, slot, e)))
			return rc;
		if (w->action == PT_CONTINUE)
			return 0;
		if (w->action == PT_AGAIN) {
			rc = ONCE_MORE;
			continue;
		}
		if (!wanted_below(w->ops, level) && !w->ops->install)
			return 0;
		rc = open_entry(w, va, level, slot, e, &below);
	} while (rc == ONCE_MORE);
	return rc == DOWN ? walk_table(w, below, level - 1, va, last) : rc < 0 ? rc : 0;
}

static int walk_table(struct pt_walk *w, uint64_t table, unsigned level, uint64_t va, uint64_t last)
{
	const struct pt_fmt *f = w->pt->fmt;
	unsigned to = pt_index(f, last, level);
	pt_slot *slot = pt_slot_at(w->pt, table, 0, level);

	if (level == PT_PTE)
		return walk_pte_table(w, table, va, last);
	for (unsigned i = pt_index(f, va, level); i <= to; i++) {
		uint64_t end = va | (pt_bytes(f, level) - 1);
		int rc = walk_entry(w, slot + i, level, va, MIN(end, last));

		if (rc)
			return rc;
		va = end + 1;
	}
	return 0;
}

int pt_walk_locked(struct pt *pt, uint64_t va, uint64_t last, const struct pt_walk_ops *ops,
		   const struct pt_gather *gather, void *arg)
{
	struct pt_walk walk = {
		.pt = pt,
		.ops = ops,
		.gather = gather,
		.arg = arg,
		.visits = pt->arena_bytes / PAGE_BYTES,
	};
	int rc = walk_table(&walk, pt->root, pt->fmt->levels - 1u, va, last);

	/* Tables were made in which nothing came. */
	if (walk.bare)
		pt_prune(pt, va, last);
	return rc;
}

int pt_walk(struct pt *pt, uint64_t va, uint64_t pages, const struct pt_walk_ops *ops,
	    const struct pt_gather *gather, void *arg)
{
	bool changes = ops->install || ops->split;
	int rc = pt_range_check(pt, va, pages);

	if (rc < 0)
		return rc;
	if (changes)
		pthread_mutex_lock(&pt->lock);
	rc = pt_walk_locked(pt, va, va + pages * PAGE_BYTES - 1, ops, gather, arg);
	if (changes)
		pthread_mutex_unlock(&pt->lock);
	return rc;
}
