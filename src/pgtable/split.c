/*
 * Splitting: a leaf becomes a table of leaves one level down, for the same pages with the same flags. The table is filled before it is
 * linked, and linked by compare-exchange: when hardware has set accessed or dirty meanwhile, it is filled again.
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

int pt_split_slot(struct pt *pt, uint64_t va, pt_slot *slot, unsigned level,
		  const struct pt_gather *gather)
{
	pt_entry leaf = load_acquire(slot);
	uint64_t table;
	int rc = pt_table_new(pt, &table);

	if (rc < 0)
		return rc;
	if (gather && gather->split &&
	    (rc = gather->split(gather->arg, align_down(va, pt_bytes(pt->fmt, level)), level,
				leaf)) < 0) {
		pt_table_drop(pt, table);
		return rc;
	}
	do
		fill(pt, table, level, leaf);
	while (!cas(slot, &leaf, pt_table_entry(pt, table)));
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
