/*
 * Allocation into a file: take a folio (the row's record names it), fill it, commit the entries, clear the record. A page is
 * never part of a file before it has its contents, so no file shows another's old data.
 */
#include <string.h>

#include "base/err.h"
#include "layout/inner.h"

/* The largest folio whose place in the file is aligned as it must be in memory, and that is not more than is wanted. */
static unsigned best_order(struct layout *l, uint32_t ino, uint64_t index, uint64_t n)
{
	unsigned order = log2_down(n);

	if (index)
		order = MIN(order, (unsigned)__builtin_ctzll(index));
	return order < BLOCK_ORDER ? order : fs_order_limit(&l->fs, ino, index);
}

/* Where the file would go on in memory; for a large piece without a neighbour, where much is free. */
static uint64_t goal_for(struct layout *l, uint32_t ino, uint64_t index, uint64_t n)
{
	uint64_t pfn;

	if (index && fs_entry(&l->fs, ino, index - 1, &pfn))
		return pfn + 1;
	return n > BLOCK_PAGES ? page_find_run(&l->pages, div_up(n, BLOCK_PAGES)) : 0;
}

/* As large as there is, but not larger than `order`. */
static int64_t take_at_most(struct rt_self *me, struct layout *l, unsigned *order, uint64_t goal,
			    uint32_t ino, uint64_t index)
{
	int64_t pfn;

	for (;; --*order) {
		pfn = page_take(me, &l->pages, *order, goal, ino, fs_generation(&l->fs, ino),
				index);
		if (pfn != -PF_ENOSPACE || *order == 0)
			return pfn;
	}
}

/* It never became part of the file. */
static void give_back(struct rt_self *me, struct layout *l, uint64_t pfn)
{
	rt_enter(me, pfn, 1);
	page_release(me, &l->pages, pfn, load_relaxed(&me->row->page.generation));
	rt_leave(me);
	store_release(&me->row->page.set, (uint32_t)RT_RECORD_NONE);
}

static void initialise(struct layout *l, const struct layout_fill *fill, uint64_t pfn,
		       uint64_t index, unsigned order)
{
	void *to = page_address(&l->pages, pfn);

	if (fill && fill->fill)
		fill->fill(fill->arg, to, index, PAGE_BYTES << order);
	else
		memset(to, 0, PAGE_BYTES << order);
	dev_persist(l->pages.dev, to, PAGE_BYTES << order);
	step("allocate: filled");
}

/* One folio at `index`; returns how many pages it has. */
static int64_t allocate_folio(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t index,
			      unsigned order, uint64_t goal, const struct layout_fill *fill)
{
	int64_t pfn = take_at_most(me, l, &order, goal, ino, index);
	struct journal_tx tx;
	int rc;

	if (pfn < 0)
		return pfn;
	initialise(l, fill, (uint64_t)pfn, index, order);
	journal_begin(&tx, me);
	rc = fs_entry_add(&l->fs, &tx, ino, index, order, (uint64_t)pfn);
	if (rc < 0) {
		give_back(me, l, (uint64_t)pfn);
		return rc;
	}
	journal_commit(&l->fs.journal, &tx);
	step("allocate: committed");
	store_release(&me->row->page.set, (uint32_t)RT_RECORD_NONE);
	return 1ll << order;
}

/* A run of missing pages. */
static int fill_hole(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t index, uint64_t n,
		     const struct layout_fill *fill, uint64_t *done)
{
	uint64_t goal = goal_for(l, ino, index, n);

	for (uint64_t end = index + n; index < end;) {
		int64_t pages = allocate_folio(me, l, ino, index,
					       best_order(l, ino, index, end - index), goal, fill);
		uint64_t pfn;

		*done = index;
		if (pages < 0)
			return (int)pages;
		goal = fs_entry(&l->fs, ino, index + (uint64_t)pages - 1, &pfn) ? pfn + 1 : 0;
		index += (uint64_t)pages;
	}
	*done = index;
	return 0;
}

int layout_allocate(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t index, uint64_t n,
		    const struct layout_fill *fill, uint64_t *done)
{
	uint64_t end = index + n;

	*done = index;
	if (dax_range_locked(me, &l->fs, ino, index, end - 1))
		return -PF_EAGAIN;
	while (index < end) {
		uint64_t hole = fs_hole(&l->fs, ino, index, end - index);
		int rc = hole ? fill_hole(me, l, ino, index, hole, fill, done) : 0;

		if (rc < 0)
			return rc;
		index = fs_next_hole(&l->fs, ino, index + hole, end);
		*done = index;
	}
	return 0;
}
