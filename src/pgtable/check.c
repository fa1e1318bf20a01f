/* Whether a tree is as the functions of this module leave one. Slow, and believes nothing: each table is noted when it is seen. */
#include <stdlib.h>

#include "base/sys.h"
#include "pgtable/inner.h"

struct look {
	struct pt *pt;
	struct report *report;
	bool *seen; /* by page of the arena */
	uint64_t tables;
};

static void wrong(struct look *l, const char *what, uint64_t va, unsigned level, pt_entry e)
{
	report_violation(l->report, "page table", "%s: address %#lx, level %u: entry %#lx", what,
			 (unsigned long)va, level, (unsigned long)e);
}

static void look_leaf(struct look *l, uint64_t va, unsigned level, pt_entry e)
{
	const struct pt *pt = l->pt;
	const struct pt_fmt *f = pt->fmt;
	uint64_t pfn = pt_leaf_pfn(pt, e, level);

	if (!pt_leaf_inside(pt, e, level))
		wrong(l, "pages past the end", va, level, e);
	else if (level > PT_PUD || !pt_leaf_fits(pt, va, pfn, level))
		wrong(l, "a leaf larger than its folio", va, level, e);
	if ((pt_as_valid(f, e) & f->leaf_reserved) || (e & f->unused))
		wrong(l, "a bit that no leaf has", va, level, e);
	if ((f->flags(level, e) & (PT_UFFD_WP | PT_WRITE)) == (PT_UFFD_WP | PT_WRITE))
		wrong(l, "tracked and writable", va, level, e);
	if (pt_leaf_entry(pt, level, pfn, f->flags(level, e)) != e)
		wrong(l, "not as it is written", va, level, e);
}

/* The table that an entry leads to, if it is one of this tree and was not seen. */
static bool look_table(struct look *l, uint64_t va, unsigned level, pt_entry e, uint64_t *below)
{
	*below = pt_table_offset(l->pt, e);
	if (!pt_table_ours(l->pt, *below)) {
		wrong(l, "a table outside the arena, or not of this tree", va, level, e);
		return false;
	}
	if (l->seen[*below / PAGE_BYTES]) {
		wrong(l, "a table twice in the tree", va, level, e);
		return false;
	}
	if ((e & l->pt->fmt->table_reserved) || (e & l->pt->fmt->unused))
		wrong(l, "a bit that no table entry has", va, level, e);
	return true;
}

static void look_through(struct look *l, uint64_t table, unsigned level, uint64_t va)
{
	const struct pt_fmt *f = l->pt->fmt;
	pt_slot *slot = pt_slot_at(l->pt, table, 0, level);
	unsigned half = level == f->levels - 1u && f->sign ? pt_entries(f) / 2 : pt_entries(f);
	bool empty = true;
	uint64_t below;

	l->tables++;
	l->seen[table / PAGE_BYTES] = true;
	for (unsigned i = 0; i < pt_entries(f); i++, va += pt_bytes(f, level)) {
		pt_entry e = load_acquire(slot + i);

		if (i == half)
			va -= 1ull << pt_shift(f, f->levels);
		empty &= !e;
		if (!e || pt_foreign(l->pt, e, level))
			continue;
		if (pt_is_leaf(f, e, level))
			look_leaf(l, va, level, e);
		else if (level && pt_is_table(f, e) && look_table(l, va, level, e, &below))
			look_through(l, below, level - 1, va);
		else if (!(level ? pt_is_table(f, e) : pt_is_marker(e)))
			wrong(l, "neither leaf nor table nor marker", va, level, e);
	}
	if (empty && table != l->pt->root)
		wrong(l, "a table without an entry", va - (1ull << pt_shift(f, level + 1)), level,
		      0);
}

int pt_check(struct pt *pt, struct report *report)
{
	struct look l = {.pt = pt,
			 .report = report,
			 .seen = sys_calloc(pt->arena_bytes / PAGE_BYTES, 1)};

	if (!l.seen)
		return -ENOMEM;
	pthread_mutex_lock(&pt->lock);
	look_through(&l, pt->root, pt->fmt->levels - 1u, 0);
	if (pt->memory && l.tables != pt->tables)
		report_violation(report, "page table",
				 "%lu tables are in the tree, %lu were given to it",
				 (unsigned long)l.tables, (unsigned long)pt->tables);
	pthread_mutex_unlock(&pt->lock);
	free(l.seen);
	return 0;
}
