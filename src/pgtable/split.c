/*
 * Splitting and collapsing. A leaf becomes a table of leaves one level down, for the same pages with the same flags. The table is filled before it is
 * linked, and linked by compare-exchange: when hardware has set accessed or dirty meanwhile, it is filled again.
 *
 * A table of leaves that could be one becomes that in one store. Hardware may set accessed or dirty in the old ones until then: they are read again
 * afterwards, and what they say is added.
 */
#include "pgtable/inner.h"

static void fill(const struct pt *pt, uint64_t table, unsigned level, pt_entry leaf)
{
	const struct pt_fmt *f = pt->fmt;
	pt_entry e = f->leaf(level - 1, f->flags(level, leaf)) |
		     pt_with_address(f, pt_leaf_address(f, leaf, level));
	pt_entry more = pt_with_address(f, pt_bytes(f, level - 1));
	pt_slot *slot = pt_slot_at(pt, table, 0, level - 1);

	for (unsigned i = 0; i < pt_entries(f); i++)
		store_relaxed(slot + i, e + i * more);
}

/* What is accessed below says so above: else who looks for accessed leaves would not look here. */
static uint64_t above(const struct pt_fmt *f, unsigned level, pt_entry leaf)
{
	return f->flags(level, leaf) & PT_YOUNG ? f->table_young : 0;
}

int pt_split_slot(struct pt *pt, uint64_t va, pt_slot *slot, unsigned level,
		  const struct pt_gather *gather)
{
	pt_entry leaf = load_acquire(slot);
	uint64_t table;
	int rc;

	if (!pt_leaf_inside(pt, leaf, level))
		return pt_bad(pt, va, level, leaf);
	if ((rc = pt_table_new(pt, &table)) < 0)
		return rc;
	if (gather && gather->split &&
	    (rc = gather->split(gather->arg, align_down(va, pt_bytes(pt->fmt, level)), level,
				leaf)) < 0) {
		pt_table_drop(pt, table);
		return rc;
	}
	do
		fill(pt, table, level, leaf);
	while (!cas(slot, &leaf, pt_table_entry(pt, table) | above(pt->fmt, level, leaf)));
	return 0;
}

int pt_split_locked(struct pt *pt, uint64_t va, unsigned level, const struct pt_gather *gather)
{
	for (;;) {
		unsigned at = level;
		pt_slot *slot;
		int rc = pt_seek(pt, va, false, &at, &slot);

		if (rc < 0 || at == level || !load_relaxed(slot))
			return rc;
		if ((rc = pt_split_slot(pt, va, slot, at, gather)) < 0)
			return rc;
	}
}

int pt_split(struct pt *pt, uint64_t va, unsigned level, const struct pt_gather *gather)
{
	int rc = pt_range_check(pt, align_down(va, PAGE_BYTES), 1);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&pt->lock);
	rc = pt_split_locked(pt, va, level, gather);
	pthread_mutex_unlock(&pt->lock);
	return rc;
}

/* ---- collapsing ------------------------------------------------------------------------------- */

#define MERGED (PT_YOUNG | PT_DIRTY) /* what may differ, and adds up */

/* Flags of the leaf that a table of leaves at `level` - 1 becomes, and its first page; or an error. */
static long one_leaf(const struct pt *pt, uint64_t table, unsigned level, uint64_t va,
		     uint64_t *pfn)
{
	const struct pt_fmt *f = pt->fmt;
	pt_slot *slot = pt_slot_at(pt, table, 0, level - 1);
	unsigned flags = 0;

	for (unsigned i = 0; i < pt_entries(f); i++) {
		pt_entry e = load_acquire(slot + i);
		unsigned said = f->flags(level - 1, e);

		if (!pt_is_leaf(f, e, level - 1))
			return err(PF_EPTLEAF, "address %#lx, entry %u is no leaf",
				   (unsigned long)va, i);
		if (!i) {
			flags = said;
			*pfn = pt_leaf_pfn(pt, e, level - 1);
		}
		if (!pt_leaf_inside(pt, e, level - 1))
			return pt_bad(pt, va, level - 1, e);
		if (((said ^ flags) & ~MERGED) || (said & (PT_SPECIAL | PT_UFFD_WP)) ||
		    pt_leaf_pfn(pt, e, level - 1) != *pfn + i * pt_pages(f, level - 1))
			return err(PF_EPTLEAF, "address %#lx, entry %u is not as those before it",
				   (unsigned long)va, i);
		flags |= said & MERGED;
	}
	return flags;
}

static int collapse(struct pt *pt, uint64_t va, unsigned level, const struct pt_gather *gather)
{
	const struct pt_fmt *f = pt->fmt;
	unsigned at = level;
	uint64_t pfn = 0, table;
	pt_slot *slot;
	int rc = pt_seek(pt, va, false, &at, &slot);
	pt_entry e = rc < 0 ? 0 : load_acquire(slot);
	pt_entry before;
	long flags;

	if (rc < 0)
		return rc;
	if (at != level || !pt_is_table(f, e))
		return err(PF_EPTLEAF, "no table at address %#lx, level %u", (unsigned long)va,
			   level);
	table = pt_table_offset(pt, e);
	if (!pt_table_ours(pt, table))
		return pt_bad(pt, va, level, e);
	if ((flags = one_leaf(pt, table, level, va, &pfn)) < 0)
		return (int)flags;
	if (!pt_leaf_fits(pt, va, pfn, level))
		return err(PF_EPTLEAF, "level %u, address %#lx, page %lu", level, (unsigned long)va,
			   (unsigned long)pfn);
	e = pt_leaf_entry(pt, level, pfn, (unsigned)flags);
	store_release(slot, e);
	if ((flags = one_leaf(pt, table, level, va, &pfn)) > 0)
		pt_change_slot(pt, slot, level, 0, (unsigned)flags & MERGED, &before);
	pt_table_defer(pt, table);
	if (gather && gather->collapsed)
		gather->collapsed(gather->arg, va, level, e);
	return 0;
}

int pt_collapse(struct pt *pt, uint64_t va, unsigned level, const struct pt_gather *gather)
{
	int rc;

	if (!level || level > MIN(pt->fmt->top_leaf, PT_PUD))
		return err(PF_EPTLEAF, "%s has no leaf of tables at level %u", pt->fmt->name,
			   level);
	va = align_down(va, pt_bytes(pt->fmt, level));
	if ((rc = pt_range_check(pt, va, 1)) < 0)
		return rc;
	pthread_mutex_lock(&pt->lock);
	rc = collapse(pt, va, level, gather);
	pthread_mutex_unlock(&pt->lock);
	return rc;
}
