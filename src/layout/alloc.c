/*
 * Allocation into a file: take a folio (the row's record names it), fill it, commit the entries, clear the record. A page is
 * never part of a file before it has its contents, so no file shows another's old data: what is not filled is UNWRITTEN, or lies past the end.
 *
 * A file that grows in order has whole order-9 folios, allocated ahead of its end; layout_trim() takes back what it did not grow over. Its first pages,
 * which are in the inode, move into the first such folio (layout_move).
 */
#include <string.h>

#include "base/broken.h"
#include "base/err.h"
#include "layout/inner.h"

#define RUN_BLOCKS    512u               /* a run of 1 GiB is as good as any longer one */
#define BUSY_LOOKS    1000               /* at pages that are read for an instant */
#define COMPACT_PAGES (2u * BLOCK_PAGES) /* that move at most, so that one whole block is free */
#define COMPACT_REST \
	7u /* whole blocks that are wanted after that was in vain, before it is tried again */

/* ---- where ------------------------------------------------------------------------------------------ */

/* The largest folio whose place in the file is aligned as it must be in memory, and that is not more than is wanted. */
static unsigned best_order(struct layout *l, uint32_t ino, uint64_t index, uint64_t n)
{
	unsigned order = log2_down(n);

	if (index)
		order = MIN(order, (unsigned)__builtin_ctzll(index));
	return order < BLOCK_ORDER ? order : fs_order_limit(&l->fs, ino, index);
}

/* The block of the file that begins at `index` has no pages, and may have one folio for all. */
static bool block_is_hole(struct layout *l, uint32_t ino, uint64_t index)
{
	return index % BLOCK_PAGES == 0 &&
	       fs_next_entry(&l->fs, ino, index, index + BLOCK_PAGES) == index + BLOCK_PAGES &&
	       fs_order_limit(&l->fs, ino, index) == BLOCK_ORDER;
}

/* Where the file would go on in memory. A large piece goes where much is free: at the beginning of that, or, if another file has grown into the way of this
 * one, so far behind it that both have room. */
static uint64_t goal_for(struct layout *l, uint32_t ino, uint64_t index, uint64_t n, bool ahead)
{
	uint64_t pfn = 0, run, length;
	bool goes_on = index && fs_entry(&l->fs, ino, index - 1, &pfn);

	if (n < BLOCK_PAGES && !ahead)
		return goes_on ? pfn + 1 : 0;
	if (goes_on && page_whole_block(&l->pages, pfn + 1))
		return pfn + 1;
	run = page_find_run(&l->pages, ahead ? RUN_BLOCKS : div_up(n, BLOCK_PAGES), &length);
	if (ahead && goes_on)
		run += length / 2 * BLOCK_PAGES;
	return run;
}

/* A whole block, made free if there is none. Where that was tried in vain, the next ones do without. */
static int64_t take_block(struct rt_self *me, struct layout *l, uint64_t goal, uint32_t ino,
			  uint64_t index)
{
	uint32_t igen = fs_generation(&l->fs, ino), rest = load_relaxed(&l->rest);
	int64_t pfn = page_take(me, &l->pages, BLOCK_ORDER, goal, ino, igen, index);
	uint64_t budget = COMPACT_PAGES;

	if (likely(pfn != -PF_ENOSPACE))
		return pfn;
	if (rest) {
		store_relaxed(&l->rest, rest - 1);
		return pfn;
	}
	if (layout_compact(me, l, ino, 1, &budget) > 0)
		return page_take(me, &l->pages, BLOCK_ORDER, 0, ino, igen, index);
	store_relaxed(&l->rest, COMPACT_REST);
	return pfn;
}

/* As large as there is, but not larger than `order`. */
static int64_t take_at_most(struct rt_self *me, struct layout *l, unsigned *order, uint64_t goal,
			    uint32_t ino, uint64_t index)
{
	int64_t pfn;

	for (;; --*order) {
		pfn = *order == BLOCK_ORDER ? take_block(me, l, goal, ino, index)
					    : page_take(me, &l->pages, *order, goal, ino,
							fs_generation(&l->fs, ino), index);
		if (pfn != -PF_ENOSPACE || *order == 0)
			return pfn;
	}
}

/* It never became part of the file. */
void inner_give_back(struct rt_self *me, struct layout *l, uint64_t pfn)
{
	rt_enter(me, pfn, 1);
	page_release(me, &l->pages, pfn, load_relaxed(&me->row->page.generation));
	rt_leave(me);
	store_release(&me->row->page.set, (uint32_t)RT_RECORD_NONE);
}

/* ---- folios ----------------------------------------------------------------------------------------- */

/* Page faults of a whole block at once, by who is about to store to all of it. */
static void touch(struct pages *p, uint64_t pfn)
{
	uint64_t block = (pfn - p->first) / BLOCK_PAGES, bit = 1ull << block % 64;

	if (p->touched && !(atomic_fetch_or(&p->touched[block / 64], bit) & bit))
		dev_touch(page_address(p, pfn), BLOCK_BYTES);
}

void inner_initialise(struct layout *l, const struct layout_fill *fill, uint64_t pfn,
		      uint64_t index, uint64_t pages, unsigned order)
{
	void *to = page_address(&l->pages, pfn);

	if (fill && fill->unwritten)
		return;
	if (order == BLOCK_ORDER)
		touch(&l->pages, pfn);
	if (fill && fill->fill) {
		fill->fill(fill->arg, to, index, PAGE_BYTES * pages);
	} else {
		media_zero(l->pages.dev, to, PAGE_BYTES * pages);
		if (!broken(PF_BREAK_DATA_FLUSH))
			dev_persist(l->pages.dev, to, PAGE_BYTES * pages);
	}
	if (!broken(PF_BREAK_DATA_FENCE))
		dev_drain(l->pages.dev);
	step("allocate: filled");
}

/* One folio at `index`, for at most n pages; returns how many it has. */
static int64_t allocate_folio(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t index,
			      uint64_t n, uint64_t goal, const struct layout_fill *fill)
{
	bool ahead = fill && fill->ahead && n < BLOCK_PAGES && block_is_hole(l, ino, index);
	unsigned order = ahead ? BLOCK_ORDER : best_order(l, ino, index, n);
	int64_t pfn = ahead ? take_block(me, l, goal, ino, index) : -PF_ENOSPACE;
	struct journal_tx tx;
	int rc;

	if (pfn == -PF_ENOSPACE) {
		order = best_order(l, ino, index, n);
		pfn = take_at_most(me, l, &order, goal, ino, index);
	}
	if (pfn < 0)
		return pfn;
	inner_initialise(l, fill, (uint64_t)pfn, index, MIN(n, 1ull << order), order);
	journal_begin(&tx, me);
	rc = fs_entry_add(&l->fs, &tx, ino, index, order,
			  fill && fill->unwritten ? ENTRY_UNWRITTEN : ENTRY_LEAF, (uint64_t)pfn);
	if (rc < 0) {
		inner_give_back(me, l, (uint64_t)pfn);
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
	for (uint64_t end = index + n; index < end;) {
		bool ahead = fill && fill->ahead && index % BLOCK_PAGES == 0;
		int64_t pages = allocate_folio(me, l, ino, index, end - index,
					       goal_for(l, ino, index, end - index, ahead), fill);

		*done = index;
		if (pages < 0)
			return (int)pages;
		index += (uint64_t)pages;
	}
	*done = index;
	return 0;
}

int layout_allocate(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t index, uint64_t n,
		    const struct layout_fill *fill, uint64_t *done)
{
	uint64_t first = index, end = index + n;
	int rc = 0;

	*done = index;
	if (dax_range_locked(me, &l->fs, ino, index, end - 1))
		return -PF_EAGAIN;
	while (index < end && rc == 0) {
		uint64_t hole = fs_hole(&l->fs, ino, index, end - index);

		rc = hole ? fill_hole(me, l, ino, index, hole, fill, done) : 0;
		if (rc == 0)
			*done = index = fs_next_hole(&l->fs, ino, index + hole, end);
	}
	mm_tell(me, &l->fs, ino, first, *done);
	return rc;
}

/* ---- what was never written ------------------------------------------------------------------------- */

/* The entry at `index` becomes a leaf: its pages before `end` get their bytes first. Returns the first page behind what was looked at. */
static uint64_t write_entry(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t index,
			    uint64_t end, uint64_t known, const struct layout_fill *fill)
{
	uint64_t pfn, first = index, pages = 1, count;
	entry_t e = fs_entry(&l->fs, ino, index, &pfn);
	struct journal_tx tx;

	if (entry_kind(e) != ENTRY_UNWRITTEN)
		return index + 1;
	if (entry_order(e) == BLOCK_ORDER) {
		first = align_down(index, BLOCK_PAGES);
		pfn -= index - first;
		pages = BLOCK_PAGES;
	} else {
		uint64_t next;

		while (index + pages < MIN(end, align_up(index + 1, BLOCK_PAGES)) &&
		       entry_kind(fs_entry(&l->fs, ino, index + pages, &next)) == ENTRY_UNWRITTEN &&
		       next == pfn + pages)
			pages++;
	}
	count = MIN(first + pages, MAX(known, end)) - first;
	inner_initialise(l, fill, pfn, first, count, pages == BLOCK_PAGES ? BLOCK_ORDER : 0);
	journal_begin(&tx, me);
	fs_entry_written(&l->fs, &tx, ino, index, pages);
	journal_commit(&l->fs.journal, &tx);
	step("allocate: written");
	return first + pages;
}

void layout_written(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t index,
		    uint64_t end, const struct layout_fill *fill)
{
	uint64_t known = div_up(fs_size(&l->fs, ino), PAGE_BYTES), first = index;

	while ((index = fs_next_entry(&l->fs, ino, index, end)) < end)
		index = write_entry(me, l, ino, index, end, known, fill);
	mm_tell(me, &l->fs, ino, align_down(first, BLOCK_PAGES), align_up(end, BLOCK_PAGES));
}

/* ---- from the inode into a folio --------------------------------------------------------------------- */

static void copy_inline(struct layout *l, uint32_t ino, uint64_t pfn)
{
	uint8_t *to = page_address(&l->pages, pfn);

	for (uint64_t i = 0; i < INLINE_ENTRIES; i++, to += PAGE_BYTES) {
		uint64_t from;
		entry_t e = fs_entry(&l->fs, ino, i, &from);

		if (entry_kind(e) == ENTRY_LEAF)
			media_bytes(l->pages.dev, to, page_address(&l->pages, from), PAGE_BYTES);
		else
			media_zero(l->pages.dev, to, PAGE_BYTES);
	}
	if (!broken(PF_BREAK_MOVE_FLUSH))
		dev_persist(l->pages.dev, page_address(&l->pages, pfn),
			    INLINE_ENTRIES * PAGE_BYTES);
	dev_drain(l->pages.dev);
	step("move: copied");
}

/* The range is locked and nobody holds its pages. */
static int move_locked(struct rt_self *me, struct layout *l, uint32_t ino)
{
	uint64_t length, goal = page_find_run(&l->pages, RUN_BLOCKS, &length);
	int64_t pfn = take_block(me, l, goal, ino, 0);
	struct journal_tx tx;
	int rc;

	if (pfn < 0)
		return (int)pfn;
	copy_inline(l, ino, (uint64_t)pfn);
	journal_begin(&tx, me);
	rc = fs_entry_move(&l->fs, &tx, ino, (uint64_t)pfn);
	if (rc < 0) {
		inner_give_back(me, l, (uint64_t)pfn);
		return rc;
	}
	journal_commit(&l->fs.journal, &tx);
	step("move: committed");
	fs_node_linked(me);
	store_release(&me->row->page.set, (uint32_t)RT_RECORD_NONE);
	mm_tell(me, &l->fs, ino, 0, BLOCK_PAGES);
	return inner_finish_move(me, l, ino);
}

int layout_move(struct rt_self *me, struct layout *l, uint32_t ino)
{
	int rc = 0, looks = 0;

	if (!fs_is_inline(&l->fs, ino) || fs_device(&l->fs, ino) ||
	    fs_next_entry(&l->fs, ino, INLINE_ENTRIES, FILE_PAGES_MAX) < FILE_PAGES_MAX ||
	    dax_lock_range(me, &l->fs, ino, 0, INLINE_ENTRIES - 1) < 0)
		return 0;
	while (looks < BUSY_LOOKS && inner_held(l, ino, 0, INLINE_ENTRIES - 1)) {
		looks++;
		cpu_relax();
	}
	if (looks < BUSY_LOOKS)
		rc = move_locked(me, l, ino);
	dax_unlock_range(me, &l->fs, ino);
	return rc == -PF_ENOSPACE || rc == -PF_ENOMETA ? 0 : rc;
}
