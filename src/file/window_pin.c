/*
 * Pins by address: what a window of this process shows, held by the leaves that map it and not by the file. No lock is taken.
 *
 *   1. The leaves of a run, contiguous in memory, are looked up.   2. Section: each folio is counted once more, if somebody holds it.
 *   3. The leaves are looked at again, and whether that part of the file is locked.   4. The record is accounted for.   (docs/protocol.md section 4, get by address)
 *
 * A window lets go of a page in the order host, leaf, record. So a leaf that is the same after the count was there when the page was held, and the count keeps the page from being free. One that has
 * changed meanwhile: the count is taken back, and whoever waits for it is woken by that; then once more, a few times.
 *
 * The tree is this process's own, but another thread may be unmapping in it, and a table that it unlinks would become one of another place: so the walk is announced, as one in
 * the tables of another process is, and ends after the leaves have been looked at again.
 *
 * What cannot be pinned so may only be about to change: the window is stale, or a thread is making it anew. So windows are brought up to date, and then it is tried under the
 * space's lock, where each of them is whole. That answer is the last, but that others may be changing the pages themselves, for some more tries.
 */
#include "base/err.h"
#include "file/hold.h"
#include "file/window.h"

#define FAST_TRIES    4u /* at one place, while others change it */
#define SLOW_TRIES    8u
#define PAGES_AT_ONCE (RT_FOLIOS * BLOCK_PAGES)

struct walk {
	struct rt_self *me;
	struct pf_pool *pool;
	struct space *space;
	struct pages *pages;
	const struct pt *pt; /* the space's */
	unsigned wants;      /* of the leaves: PT_READ, PT_WRITE */
};

/* What is contiguous in memory at an address. */
struct run {
	uint64_t va, pfn, pages;
	struct pt_leaf leaf; /* the first */
	uint64_t whole;      /* pages of the run that it maps */
	uint32_t ino, igen;
	uint64_t index;
	bool locked; /* somebody was emptying that part of the file */
};

/* The leaf at an address, if it is one that permits it. A leaf that is special maps zeros, which are in no folio: its pfn is not looked at. */
static int look(const struct walk *w, uint64_t va, struct pt_leaf *leaf)
{
	int rc = pt_lookup(w->pt, va, leaf);
	unsigned flags;

	if (unlikely(rc <= 0))
		return rc < 0 && rc != -PF_ERANGE ? rc : -EFAULT;
	flags = w->pt->fmt->flags(leaf->level, leaf->entry);
	if (unlikely((flags & w->wants) != w->wants))
		return -EFAULT;
	if (unlikely(flags & PT_SPECIAL))
		return -PF_EHOLE;
	if (unlikely(!page_in_zone(w->pages, leaf->pfn) ||
		     !hbitmap_test(&w->pages->filled, page_block(w->pages, leaf->pfn))))
		return err(PF_EPAGETABLE, "%#lx leads to page %lu", (unsigned long)va,
			   (unsigned long)leaf->pfn);
	return 0;
}

/* Pages from an address to the end of the leaf there. */
static uint64_t pages_of(const struct walk *w, uint64_t va, const struct pt_leaf *leaf)
{
	return (pt_bytes(w->pt->fmt, leaf->level) -
		(va & (pt_bytes(w->pt->fmt, leaf->level) - 1))) /
	       PAGE_BYTES;
}

/* From run->va on, at most `max` pages: leaves that go on where the one before ended. */
static int look_up(const struct walk *w, uint64_t max, struct run *run)
{
	int rc = look(w, run->va, &run->leaf);

	if (unlikely(rc < 0))
		return rc;
	run->pfn = run->leaf.pfn;
	run->whole = run->pages = MIN(pages_of(w, run->va, &run->leaf), max);
	for (unsigned leaves = 1; run->pages < max && leaves < RT_FOLIOS; leaves++) {
		uint64_t va = run->va + run->pages * PAGE_BYTES;
		struct pt_leaf leaf;

		if (look(w, va, &leaf) < 0 || leaf.pfn != run->pfn + run->pages)
			break;
		run->pages = MIN(run->pages + pages_of(w, va, &leaf), max);
	}
	return 0;
}

/* The folio's page at run->pfn + `at` belongs to the file and place that the run began with. */
static bool goes_on(const struct walk *w, struct run *run, uint64_t at, uint64_t head)
{
	const struct page *page = page_at(w->pages, head);
	uint64_t index = load_relaxed(&page->index) + (run->pfn + at - head);

	if (!at) {
		run->ino = load_relaxed(&page->ino);
		run->igen = load_relaxed(&page->igen);
		run->index = index;
	}
	return load_relaxed(&page->ino) == run->ino && load_relaxed(&page->igen) == run->igen &&
	       index == run->index + at;
}

/* Each folio once more. The run ends where another file begins, or more folios come than one record may cover. */
static int count_up(const struct walk *w, struct run *run)
{
	unsigned hint = run->leaf.level ? BLOCK_ORDER : 0;

	for (uint64_t at = 0, folios = 0; at < run->pages; folios++) {
		uint64_t head, word;
		int rc = folios < RT_FOLIOS
				 ? page_up_held(w->pages, run->pfn + at, hint, &head, &word)
				 : 0;

		if (unlikely(rc < 0)) {
			if (at)
				page_down_range(w->me, w->pages, run->pfn, at, false);
			return rc;
		}
		if (folios == RT_FOLIOS || !goes_on(w, run, at, head)) {
			if (folios < RT_FOLIOS)
				page_down(w->me, w->pages, head, false);
			run->pages = at;
			return 0;
		}
		hint = word_order(word);
		at = head + (1ull << hint) - run->pfn;
	}
	return 0;
}

/* The second look, at every leaf. */
static bool still_there(const struct walk *w, const struct run *run)
{
	if (unlikely(!pt_leaf_same(w->pt, &run->leaf)))
		return false;
	for (uint64_t at = run->whole; at < run->pages;) {
		uint64_t va = run->va + at * PAGE_BYTES;
		struct pt_leaf leaf;

		if (look(w, va, &leaf) < 0 || leaf.pfn != run->pfn + at)
			return false;
		at += pages_of(w, va, &leaf);
	}
	return true;
}

struct request {
	uint64_t start, end; /* addresses */
	unsigned wants;
	enum pf_hold_kind kind;
};

static void label(struct rt_hold *record, const struct request *r, const struct run *run)
{
	bool first = run->va <= r->start, last = run->va + run->pages * PAGE_BYTES >= r->end;

	hold_label(record, run->ino, run->igen, run->index, r->kind,
		   first ? (uint32_t)(r->start % PAGE_BYTES) : 0,
		   last ? (uint32_t)((r->end - 1) % PAGE_BYTES) : (uint32_t)PAGE_BYTES - 1);
}

/* Somebody empties that part of the file of holds, and may have looked at this folio's already. Not if the pages have left the file, as its number may be another's. */
static bool range_locked(const struct walk *w, const struct run *run)
{
	struct fs *fs = &w->pool->layout.fs;

	return unlikely(load_acquire(&fs_state(fs, run->ino)->range_owner)) &&
	       fs_generation(fs, run->ino) == run->igen &&
	       dax_range_locked(w->me, fs, run->ino, run->index, run->index + run->pages - 1);
}

static int count_and_account(const struct walk *w, const struct request *r, struct run *run,
			     struct rt_hold *record)
{
	int rc = count_up(w, run);

	if (unlikely(rc < 0))
		return rc;
	step("get: look again");
	run->locked = range_locked(w, run);
	if (unlikely(run->locked || !still_there(w, run))) {
		page_down_range(w->me, w->pages, run->pfn, run->pages, false);
		return -PF_EAGAIN;
	}
	label(record, r, run);
	store_release(&record->range, rt_range(run->pfn, run->pages));
	step("get: accounted");
	return 0;
}

/* One piece, from run->va on. */
static int try_run(const struct walk *w, const struct request *r, struct run *run,
		   struct rt_hold *record)
{
	int rc;

	rt_walk_begin(w->me, w->me->rt->slot);
	rc = look_up(w, MIN(div_up(r->end - run->va, PAGE_BYTES), PAGES_AT_ONCE), run);
	if (likely(rc == 0)) {
		rt_enter(w->me, run->pfn, run->pages);
		rc = count_and_account(w, r, run, record);
		rt_leave(w->me);
	}
	rt_walk_end(w->me);
	return rc;
}

static bool may_change(int rc)
{
	return rc == -EFAULT || rc == -PF_EHOLE || rc == -PF_EAGAIN;
}

static int try_slowly(const struct walk *w, const struct request *r, struct run *run,
		      struct rt_hold *record)
{
	int rc = -PF_EAGAIN;

	for (unsigned tries = 0; rc == -PF_EAGAIN && tries < SLOW_TRIES; tries++) {
		rc = run->locked ? dax_wait_range(w->me, &w->pool->layout.fs, run->ino, run->index,
						  run->index + run->pages - 1)
				 : 0;
		if (rc == 0)
			rc = windows_sync(w->pool, w->me);
		if (rc >= 0)
			rc = page_repair(w->me, w->pages);
		if (rc < 0)
			return rc;
		pthread_mutex_lock(&w->space->lock);
		rc = try_run(w, r, run, record);
		pthread_mutex_unlock(&w->space->lock);
	}
	return rc;
}

static int take_run(const struct walk *w, const struct request *r, struct run *run,
		    struct hold_set *set)
{
	int rc;
	struct hold_piece *piece = hold_add(w->me, set, &rc);

	if (!piece)
		return rc;
	rc = -PF_EAGAIN;
	for (unsigned tries = 0; rc == -PF_EAGAIN && tries < FAST_TRIES; tries++)
		rc = try_run(w, r, run, piece->record);
	if (unlikely(may_change(rc)))
		rc = try_slowly(w, r, run, piece->record);
	if (unlikely(rc < 0)) {
		rt_hold_put(w->me, piece->record);
		return rc;
	}
	piece->pfn = run->pfn;
	piece->pages = run->pages;
	set->count++;
	return 0;
}

static int failed(int rc, uint64_t va)
{
	return may_change(rc) ? err(-rc, "pin at %#lx", (unsigned long)va) : rc;
}

static int take_all(struct rt_self *me, struct pf_pool *pool, const struct request *r,
		    struct hold_set *set)
{
	struct space *space = load_acquire(&pool->layout.space);
	struct walk w = {me, pool, space, &pool->layout.pages, space ? &space->pt : NULL, r->wants};
	struct run run = {.va = align_down(r->start, PAGE_BYTES)};
	int rc = space ? 0 : -EFAULT;

	set->count = set->room = 0;
	set->piece = NULL;
	while (rc == 0 && run.va < r->end) {
		rc = take_run(&w, r, &run, set);
		run.va += rc == 0 ? run.pages * PAGE_BYTES : 0;
	}
	if (rc < 0)
		hold_give_back(me, pool, set);
	return rc < 0 ? failed(rc, run.va) : 0;
}

int pf_window_pin(pf_pool *pool, const void *address, uint64_t length, unsigned flags, pf_pin **out)
{
	struct request r = {(uintptr_t)address, (uintptr_t)address + length,
			    PT_READ | (flags & PF_PIN_WRITE ? PT_WRITE : 0),
			    flags & PF_PIN_LONGTERM ? PF_HOLD_LONGTERM : PF_HOLD_PIN};
	struct rt_self *me = pool_self(pool);
	struct pf_pin *pin;
	int rc;

	if (!me)
		return rt_self_error();
	rc = pin_new(pool, flags, &pin);
	if (rc < 0)
		return rc;
	rc = !length || r.end < r.start
		     ? err(PF_ERANGE, "pin of %lu bytes at %p", (unsigned long)length, address)
		     : space_check_orphans(pool);
	if (rc == 0)
		rc = take_all(me, pool, &r, &pin->set);
	windows_settle(pool, me);
	return pin_end(me, pin, rc, r.start % PAGE_BYTES, length, out);
}
