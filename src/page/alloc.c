/* Push, take, split and their repair; see alloc.h and docs/protocol.md section 5. */
#include "page/alloc.h"

#include "base/clock.h"
#include "base/err.h"
#include "page/index.h"

/* That get memory at once, all of them in one word of a bitmap. */
#define FILL_BLOCKS   64u
#define DETAIL_BLOCKS 8u

static void set_pending(struct pages *p, enum page_pending kind, uint64_t head, uint64_t word)
{
	struct page_zone *z = p->zone;

	store_relaxed(&z->head, head);
	store_relaxed(&z->order, word_order(word));
	store_relaxed(&z->generation, word_generation(word));
	store_release(&z->kind, (uint64_t)kind);
	step("alloc: pending");
}

static void clear_pending(struct pages *p)
{
	step("alloc: done");
	store_release(&p->zone->kind, (uint64_t)PENDING_NONE);
}

/* The block has a page in quarantine: found by the discarder, and when it went there. Before the word says so: who sees the
 * page there sees a time that is not older. */
static void quarantine_put(struct pages *p, uint64_t pfn)
{
	uint64_t block = page_block(p, pfn);

	store_relaxed(&p->block[block].quarantined, clock_mono());
	hbitmap_set(&p->quarantine, block);
}

static void clear_left(struct pages *p, uint64_t pfn, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		store_relaxed(&page_at(p, pfn + i)->left, 0);
}

/* Pages that are free by their words go into the index. */
static void free_pages(struct pages *p, uint64_t pfn, uint64_t n)
{
	clear_left(p, pfn, n);
	step("alloc: left bytes cleared");
	index_put(p, pfn, n);
}

/* ---- push ------------------------------------------------------------------------------------------ */

/* What a dead slot held goes to quarantine, everything else is free. */
static uint64_t pushed(uint64_t w)
{
#ifdef PF_BREAK_NO_QUARANTINE
	w &= ~WORD_Q;
#endif
	w &= ~WORD_P;
	return w & WORD_Q ? word_with_state(w, PAGE_QUARANTINE)
			  : word_with_state(w & ~WORD_ORDER, PAGE_FREE);
}

static void finish_push(struct pages *p)
{
	uint64_t head = load_relaxed(&p->zone->head), order = load_relaxed(&p->zone->order);
	struct page *page = page_at(p, head);
	uint64_t w = load_acquire(&page->word), new;

	do {
		if (!word_is_unheld(w, PAGE_ORPHAN))
			break;
		new = pushed(w);
		if (word_state(new) == PAGE_QUARANTINE)
			quarantine_put(p, head);
	} while (!cas(&page->word, &w, new)); /* a recount may have changed R */
	step("alloc: pushed");
	w = load_acquire(&page->word);
	if (word_state(w) == PAGE_FREE) {
		free_pages(p, head, 1ul << order);
	} else if (word_state(w) == PAGE_QUARANTINE) {
		clear_left(p, head, 1ul << order);
	}
	clear_pending(p);
}

/* ---- take ------------------------------------------------------------------------------------------ */

/* The index follows the word. A page that is still FREE here was not taken: its next generation makes the record of a taker
 * that died before its CAS mean nothing. */
static void finish_take(struct pages *p)
{
	uint64_t head = load_relaxed(&p->zone->head), order = load_relaxed(&p->zone->order);
	struct page *page = page_at(p, head);
	uint64_t w = load_acquire(&page->word);

	if (word_state(w) == PAGE_FREE) {
#ifndef PF_BREAK_REPAIR_NO_BUMP
		if (word_generation(w) != load_relaxed(&p->zone->generation))
			cas(&page->word, &w, word_begin(w, PAGE_FREE, 0, 0));
#endif
		index_put(p, head, 1ul << order);
	} else {
		index_take(p, head, 1ul << order);
	}
	clear_pending(p);
}

/* ---- split ------------------------------------------------------------------------------------------ */

/* The largest aligned run of pages from `pfn` on that are members and not published yet, within [.., end). */
static unsigned member_order(const struct pages *p, uint64_t pfn, uint64_t end)
{
	unsigned order = 0;

	while (order < BLOCK_ORDER) {
		uint64_t half = 1ul << order;

		if ((pfn - p->first) & half || pfn + 2 * half > end)
			break;
		for (uint64_t i = 0; i < half; i++)
			if (load_relaxed(&page_at(p, pfn + half + i)->left))
				return order;
		order++;
	}
	return order;
}

/* A folio of pages that stay in the file. The label first, so that who finds the folio finds what it is part of. */
static void publish_member(struct pages *p, uint64_t head, uint64_t pfn, unsigned order, uint64_t q)
{
	struct page *of = page_at(p, head), *page = page_at(p, pfn);

	store_relaxed(&page->index, load_relaxed(&of->index) + (pfn - head));
	store_relaxed(&page->ino, load_relaxed(&of->ino));
	store_relaxed(&page->igen, load_relaxed(&of->igen));
	store_release(&page->word, word_begin(load_relaxed(&page->word), PAGE_IN_FILE, order, q));
	step("split: member published");
}

/* Pages that left, from `pfn` on: all that follow each other are free, or with Q one is in quarantine. Returns how many. */
static uint64_t free_left(struct pages *p, uint64_t pfn, uint64_t end, uint64_t q)
{
	struct page *page = page_at(p, pfn);
	uint64_t n = 1;

	if (q) {
		quarantine_put(p, pfn);
		store_release(&page->word,
			      word_begin(load_relaxed(&page->word), PAGE_QUARANTINE, 0, q));
	} else {
		while (pfn + n < end && load_relaxed(&page_at(p, pfn + n)->left) &&
		       word_state(load_relaxed(&page_at(p, pfn + n)->word)) == PAGE_FREE)
			n++;
		index_put(p, pfn, n);
	}
	step("split: page freed");
	return n;
}

static void split_pages(struct pages *p, uint64_t head, uint64_t end)
{
	uint64_t q = load_relaxed(&page_at(p, head)->word) & WORD_Q, left_q = q, member_q = q;

#ifdef PF_BREAK_SPLIT_FORGETS_Q
	left_q = 0;
#endif
#ifdef PF_BREAK_MEMBER_DROPS_Q
	member_q = 0;
#endif
	for (uint64_t pfn = head; pfn < end;) {
		struct page *page = page_at(p, pfn);
		uint64_t w = load_acquire(&page->word);
		unsigned order;

		if (word_state(w) != PAGE_FREE) {
			pfn += 1ul << word_order(w);
		} else if (load_relaxed(&page->left)) {
			pfn += free_left(p, pfn, end, left_q);
		} else {
			order = member_order(p, pfn, end);
			publish_member(p, head, pfn, order, member_q);
			pfn += 1ul << order;
		}
	}
}

/* The left bytes of published folios are their own by now; all others are over. */
static void clear_split(struct pages *p, uint64_t head, uint64_t end)
{
	for (uint64_t pfn = head; pfn < end;) {
		uint64_t w = load_acquire(&page_at(p, pfn)->word);

		if (word_state(w) == PAGE_IN_FILE || word_state(w) == PAGE_ORPHAN) {
			pfn += 1ul << word_order(w);
			continue;
		}
		store_relaxed(&page_at(p, pfn)->left, 0);
		pfn++;
	}
}

static void finish_split(struct pages *p)
{
	uint64_t head = load_relaxed(&p->zone->head), order = load_relaxed(&p->zone->order);
	uint64_t end = head + (1ul << order);
	struct page *page = page_at(p, head);
	uint64_t w = load_acquire(&page->word);

	if (load_relaxed(&p->zone->kind) == PENDING_SPLIT) {
		while (word_generation(w) == load_relaxed(&p->zone->generation) &&
		       word_state(w) != PAGE_FREE) {
			if (!word_is_unheld(w, PAGE_IN_FILE)) {
				clear_pending(p); /* somebody got it */
				return;
			}
			/* Q stays in the head's word until the end: noted in pending it could be older than this. */
			cas(&page->word, &w,
			    word_with_state(w, PAGE_FREE) & ~(WORD_P | WORD_ORDER));
			w = load_acquire(&page->word);
		}
		step("split: head is free");
		split_pages(p, head, end);
#ifndef PF_BREAK_NO_CLEAR_PHASE
		store_release(&p->zone->kind, (uint64_t)PENDING_CLEAR);
#endif
		step("split: clearing");
	}
	clear_split(p, head, end);
	clear_pending(p);
}

/* ---- discard ---------------------------------------------------------------------------------------- */

static void finish_discard(struct pages *p)
{
	uint64_t head = load_relaxed(&p->zone->head), order = load_relaxed(&p->zone->order);
	struct page *page = page_at(p, head);
	uint64_t w = load_acquire(&page->word);

	if (word_state(w) == PAGE_QUARANTINE)
		cas(&page->word, &w, word_with_state(w, PAGE_FREE) & ~(WORD_Q | WORD_ORDER));
	step("discard: word is free");
	free_pages(p, head, 1ul << order);
	clear_pending(p);
}

/* ---- the lock --------------------------------------------------------------------------------------- */

static void finish(struct pages *p)
{
	switch ((enum page_pending)load_acquire(&p->zone->kind)) {
	case PENDING_NONE:
		break;
	case PENDING_PUSH:
		finish_push(p);
		break;
	case PENDING_TAKE:
		finish_take(p);
		break;
	case PENDING_SPLIT:
	case PENDING_CLEAR:
		finish_split(p);
		break;
	case PENDING_DISCARD:
		finish_discard(p);
		break;
	}
}

/* An operation changes one block's bits; its class and bitmaps may be half changed whether pending is set or just cleared. */
static void repair(struct pages *p)
{
	uint64_t head = load_relaxed(&p->zone->head);

	if (!page_in_zone(p, head))
		return;
	if (hbitmap_test(&p->filled, page_block(p, head)))
		index_repair(p, page_block(p, head));
	finish(p);
	hbitmap_repair(&p->filled, page_block(p, head));
}

/* Who could not get the lock left folios that are due and counted up limbo. The count is taken back after the look, by CAS: a
 * folio may have come meanwhile, and a looker may be killed. */
static void look_after_limbo(struct pages *p)
{
	uint64_t v = load_acquire(&p->rt->header->limbo);

	if (likely(!v))
		return;
#ifndef PF_BREAK_SCAN_FORGETS
	for (uint64_t b = hbitmap_next(&p->filled, 0); b < p->blocks;
	     b = hbitmap_next(&p->filled, b + 1))
		for (uint64_t i = 0; i < BLOCK_PAGES; i++)
			alloc_settle(p, p->first + b * BLOCK_PAGES + i);
#endif
	cas(&p->rt->header->limbo, &v, 0);
}

static int finish_lock(struct pages *p, int rc)
{
	if (rc < 0)
		return rc;
#ifdef PF_BREAK_NO_REPAIR
	(void)repair;
#else
	if (rc == RT_LOCK_REPAIR)
		repair(p);
#endif
	look_after_limbo(p);
	return 0;
}

int alloc_lock(struct rt_self *me, struct pages *p)
{
	return finish_lock(p, rt_lock(me, &p->zone->lock));
}

/* Not waited for where somebody has waited in vain: who gets it next looks after all that is in limbo. */
static int lock_or_limbo(struct rt_self *me, struct pages *p)
{
	return load_acquire(&p->rt->header->limbo) ? finish_lock(p, rt_trylock(me, &p->zone->lock))
						   : alloc_lock(me, p);
}

void alloc_unlock(struct rt_self *me, struct pages *p)
{
	rt_unlock(me, &p->zone->lock);
}

void alloc_settle(struct pages *p, uint64_t head)
{
	uint64_t w = load_acquire(&page_at(p, head)->word);

	if (word_is_unheld(w, PAGE_ORPHAN)) {
		set_pending(p, PENDING_PUSH, head, w);
		finish_push(p);
	} else if (word_is_unheld(w, PAGE_IN_FILE) && w & WORD_P) {
		set_pending(p, PENDING_SPLIT, head, w);
		finish_split(p);
	}
}

void alloc_discard(struct pages *p, uint64_t head)
{
	uint64_t w = load_acquire(&page_at(p, head)->word);

	if (word_state(w) != PAGE_QUARANTINE)
		return;
	set_pending(p, PENDING_DISCARD, head, w);
	finish_discard(p);
}

void page_finish(struct rt_self *me, struct pages *p, uint64_t head)
{
	uint64_t w = load_acquire(&page_at(p, head)->word);

	if (word_count(w) ||
	    (word_state(w) != PAGE_ORPHAN && !(word_state(w) == PAGE_IN_FILE && w & WORD_P)))
		return;
	if (lock_or_limbo(me, p) < 0) {
		atomic_fetch_add_explicit(&p->rt->header->limbo, 1, memory_order_acq_rel);
		return;
	}
	alloc_settle(p, head);
	alloc_unlock(me, p);
}

int page_repair(struct rt_self *me, struct pages *p)
{
	int rc = alloc_lock(me, p);

	if (rc == 0)
		alloc_unlock(me, p);
	return rc;
}

/* ---- taking ----------------------------------------------------------------------------------------- */

static bool is_detailed(const struct pages *p, uint64_t block)
{
	return load_acquire(&p->block[block].detailed);
}

int alloc_fill(struct pages *p, uint64_t block, uint64_t blocks)
{
	uint64_t first = align_down(block, blocks), end = MIN(first + blocks, p->blocks);

	return rt_fill(p->rt, &p->block[first], (end - first) * sizeof *p->block);
}

int alloc_detail(struct pages *p, uint64_t block)
{
	uint64_t first = align_down(block, DETAIL_BLOCKS),
		 end = MIN(first + DETAIL_BLOCKS, p->blocks);
	int rc = is_detailed(p, block) ? 0
				       : rt_fill(p->rt, &p->map[first * BLOCK_PAGES],
						 (end - first) * BLOCK_PAGES * sizeof *p->map);

	for (uint64_t b = first; b < end && rc == 0; b++)
		store_release(&p->block[b].detailed, 1);
	return rc;
}

int page_detail(struct pages *p, uint64_t pfn)
{
	return alloc_detail(p, page_block(p, pfn));
}

void alloc_mark_filled(struct pages *p, uint64_t block, uint64_t blocks)
{
	uint64_t first = align_down(block, blocks), end = MIN(first + blocks, p->blocks);

	store_relaxed(&p->zone->head, p->first + block * BLOCK_PAGES); /* for repair() */
	for (uint64_t b = first; b < end; b++)
		hbitmap_set(&p->filled, b);
}

struct wanted {
	unsigned order;
	uint64_t goal, avoid; /* a page, or 0; a block */
	bool used;            /* in a block that is partly used, other than `avoid` */
	uint32_t ino, igen;
	uint64_t index;
};

/* The lock is held, and the pages found have descriptors. Memory is reserved without the lock. */
static int64_t find_filled(struct rt_self *me, struct pages *p, const struct wanted *w)
{
	unsigned order = w->order;

	for (;;) {
		uint64_t pfn = w->used ? index_search_used(p, order, w->avoid)
				       : index_search(p, order, w->goal);
		uint64_t block = page_block(p, pfn);
		bool filled;
		int rc;

		if (!pfn) {
			alloc_unlock(me, p);
			return err(PF_ENOSPACE, NULL);
		}
		filled = hbitmap_test(&p->filled, block);
		if (likely(filled && (order == BLOCK_ORDER || is_detailed(p, block))))
			return (int64_t)pfn;
		alloc_unlock(me, p);
		rc = alloc_fill(p, block, FILL_BLOCKS);
		if (rc == 0 && order < BLOCK_ORDER)
			rc = alloc_detail(p, block);
		if (rc == 0)
			rc = alloc_lock(me, p);
		if (rc < 0)
			return rc;
		alloc_mark_filled(p, block, FILL_BLOCKS);
	}
}

static void set_record(struct rt_record *r, uint64_t pfn, unsigned order, uint32_t generation,
		       uint32_t ino, uint64_t index)
{
	store_relaxed(&r->generation, generation);
	store_relaxed(&r->head, pfn);
	store_relaxed(&r->index, index);
	store_relaxed(&r->ino, ino);
	store_relaxed(&r->pages, 1u << order);
	store_release(&r->set, (uint32_t)RT_RECORD_ALLOC);
	step("take: record");
}

static int64_t take(struct rt_self *me, struct pages *p, const struct wanted *wanted)
{
	int rc = alloc_lock(me, p);
	int64_t pfn = rc < 0 ? rc : find_filled(me, p, wanted);
	struct page *page;
	uint64_t w, new;

	if (pfn < 0)
		return pfn;
	page = page_at(p, (uint64_t)pfn);
	w = load_acquire(&page->word);
	CHECK(word_state(w) == PAGE_FREE);
	new = word_begin(w, PAGE_IN_FILE, wanted->order, 0);
	set_pending(p, PENDING_TAKE, (uint64_t)pfn, new);
	set_record(&me->row->page, (uint64_t)pfn, wanted->order, word_generation(new), wanted->ino,
		   wanted->index);
	store_relaxed(&page->index, wanted->index);
	store_relaxed(&page->ino, wanted->ino);
	store_relaxed(&page->igen, wanted->igen);
	cas(&page->word, &w, new); /* nobody else changes a FREE word */
	step("take: taken");
	finish_take(p);
	alloc_unlock(me, p);
	return pfn;
}

int64_t page_take(struct rt_self *me, struct pages *p, unsigned order, uint64_t goal, uint32_t ino,
		  uint32_t igen, uint64_t index)
{
	struct wanted wanted = {.order = order,
				.goal = goal,
				.ino = ino,
				.igen = igen,
				.index = index};

	return take(me, p, &wanted);
}

int64_t page_take_used(struct rt_self *me, struct pages *p, unsigned order, uint64_t avoid,
		       uint32_t ino, uint32_t igen, uint64_t index)
{
	struct wanted wanted = {.order = order,
				.avoid = avoid,
				.used = true,
				.ino = ino,
				.igen = igen,
				.index = index};

	return take(me, p, &wanted);
}

uint64_t page_find_run(struct pages *p, uint64_t n, uint64_t *length)
{
	struct hbitmap *whole = &p->by_class[PAGE_CLASSES - 1];
	uint64_t best = 0, best_length = 0;

	for (uint64_t b = hbitmap_next(whole, 0); b < p->blocks && best_length < n;) {
		uint64_t end = b + 1;

		while (end < p->blocks && end - b < n && hbitmap_test(whole, end))
			end++;
		if (end - b > best_length) {
			best_length = end - b;
			best = p->first + b * BLOCK_PAGES;
		}
		b = hbitmap_next(whole, end);
	}
	*length = best_length;
	return best;
}
