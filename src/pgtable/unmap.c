/*
 * Unmapping. First the leaves that the ends of the range cut are split: that needs memory, and when there is none nothing has changed. Then
 * one pass takes out what is in the range, and every table in which nothing is left. An entry that nobody here wrote is
 * taken out and told at the end.
 */
#include "pgtable/inner.h"

struct sweep {
	struct pt *pt;
	const struct pt_gather *gather;
	bool keep_guards, only_tables;
	uint64_t visits; /* tables that may still be entered */
	int rc;
};

static bool sweep_table(struct sweep *s, uint64_t table, unsigned level, uint64_t va,
			uint64_t last);

/* Takes out an entry. False: it stays. */
static bool sweep_entry(struct sweep *s, pt_slot *slot, unsigned level, uint64_t va, uint64_t last)
{
	const struct pt_fmt *f = s->pt->fmt;
	pt_entry e = load_acquire(slot);

	if (level && pt_is_table(f, e)) {
		uint64_t below = pt_table_offset(s->pt, e);

		if (pt_foreign(s->pt, e, level))
			return false;
		if (pt_table_ours(s->pt, below) && s->visits) {
			s->visits--;
			if (!sweep_table(s, below, level - 1, va, last))
				return false;
			/* Pairs with the acquire of who looks again at the entry above. */
			store_release(slot, 0);
			pt_table_defer(s->pt, below);
			return true;
		}
	}
	if (s->only_tables)
		return !e;
	if (!level && pt_is_marker(e) && (e & PT_GUARD) && s->keep_guards) {
		store_release(slot, PT_GUARD);
		return false;
	}
	/* What hardware set until now is in what comes out. */
	e = swap(slot, 0);
	if (pt_is_leaf(f, e, level) && pt_leaf_inside(s->pt, e, level))
		pt_gone(s->gather, align_down(va, pt_bytes(f, level)), level, e);
	else if (level || !pt_is_marker(e))
		s->rc = pt_bad(s->pt, va, level, e);
	return true;
}

/* Takes out what is between va and last, which are in one table. True: nothing is left in it. */
static bool sweep_table(struct sweep *s, uint64_t table, unsigned level, uint64_t va, uint64_t last)
{
	const struct pt_fmt *f = s->pt->fmt;
	unsigned from = pt_index(f, va, level), to = pt_index(f, last, level);
	pt_slot *slot = pt_slot_at(s->pt, table, 0, level);
	bool empty = true;

	for (unsigned i = from; i <= to; i++) {
		uint64_t end = va | (pt_bytes(f, level) - 1);

		if (load_relaxed(slot + i))
			empty &= sweep_entry(s, slot + i, level, va, MIN(end, last));
		va = end + 1;
	}
	for (unsigned i = 0; empty && i < pt_entries(f); i++)
		empty = (i >= from && i <= to) || !load_relaxed(slot + i);
	return empty;
}

static int cut(struct pt *pt, uint64_t va, const struct pt_gather *gather)
{
	const struct pt_fmt *f = pt->fmt;

	for (;;) {
		unsigned at = PT_PTE;
		pt_slot *slot;
		int rc = pt_seek(pt, va, false, &at, &slot);

		/* What is not ours, or bad, is for the pass that comes. */
		if (rc < 0 || !load_relaxed(slot) || !(va & (pt_bytes(f, at) - 1)) ||
		    !pt_leaf_inside(pt, load_relaxed(slot), at))
			return 0;
		if ((rc = pt_split_slot(pt, va, slot, at, gather)) < 0)
			return rc;
	}
}

int pt_cut(struct pt *pt, uint64_t va, uint64_t last, const struct pt_gather *gather)
{
	int rc = cut(pt, va, gather);

	return rc == 0 && pt_canonical(pt->fmt, last + 1) ? cut(pt, last + 1, gather) : rc;
}

int pt_unmap_locked(struct pt *pt, uint64_t va, uint64_t last, unsigned how,
		    const struct pt_gather *gather)
{
	struct sweep s = {
		.pt = pt,
		.gather = gather,
		.keep_guards = how & PT_KEEP_GUARDS,
		.visits = pt->arena_bytes / PAGE_BYTES,
	};
	int rc = pt_cut(pt, va, last, gather);

	if (rc < 0)
		return rc;
	sweep_table(&s, pt->root, pt->fmt->levels - 1u, va, last);
	return s.rc;
}

void pt_prune(struct pt *pt, uint64_t va, uint64_t last)
{
	struct sweep s = {.pt = pt, .only_tables = true, .visits = pt->arena_bytes / PAGE_BYTES};

	sweep_table(&s, pt->root, pt->fmt->levels - 1u, va, last);
}

int pt_unmap(struct pt *pt, uint64_t va, uint64_t pages, unsigned how,
	     const struct pt_gather *gather)
{
	int rc = pt_range_check(pt, va, pages);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&pt->lock);
	rc = pt_unmap_locked(pt, va, va + pages * PAGE_BYTES - 1, how, gather);
	pthread_mutex_unlock(&pt->lock);
	return rc;
}
