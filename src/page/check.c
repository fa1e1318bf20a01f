/*
 * The page module's rules, on a pool in use. What the allocator lock protects is compared under it, a block at a time; counts are
 * compared with the accounting without stopping anybody: a difference counts only when it is still there, the same, while no section
 * touches the folio.
 */
#include <sched.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/sys.h"
#include "page/alloc.h"
#include "page/index.h"
#include "page/sum.h"

#define LOOKS 1000 /* at a difference before it is taken for unsettled */

/* ---- the index ------------------------------------------------------------------------------------- */

struct words {
	uint64_t in_use[8]; /* pages of folios in use */
	bool quarantined;
};

static void check_word(uint64_t pfn, uint64_t w, struct report *report)
{
	if (word_state(w) == PAGE_FREE && word_count(w))
		report_violation(report, "count", "free page %lu has count %u", (unsigned long)pfn,
				 word_count(w));
	if (w & WORD_W && !word_count(w))
		report_violation(report, "count", "page %lu is waited for but nobody holds it",
				 (unsigned long)pfn);
	if (word_state(w) == PAGE_QUARANTINE && word_count(w))
		report_violation(report, "quarantine", "page %lu in quarantine has count %u",
				 (unsigned long)pfn, word_count(w));
	if (word_state(w) != PAGE_FREE && pfn & ((1ull << word_order(w)) - 1))
		report_violation(report, "folio",
				 "page %lu heads a folio of order %u but is not aligned to it",
				 (unsigned long)pfn, word_order(w));
}

/* Tails of a folio in use are FREE in their own words. */
static void check_tails(struct pages *p, uint64_t head, uint64_t pages, struct words *words,
			struct report *report)
{
	for (uint64_t i = 0; i < pages; i++) {
		uint64_t at = (head - p->first + i) % BLOCK_PAGES;

		words->in_use[at / 64] |= 1ull << at % 64;
		if (i && word_state(load_acquire(&page_at(p, head + i)->word)) != PAGE_FREE)
			report_violation(
				report, "folio",
				"page %lu is in the folio of page %lu and in one of its own",
				(unsigned long)(head + i), (unsigned long)head);
	}
}

static void check_words(struct pages *p, uint64_t block, struct words *words, struct report *report)
{
	uint64_t first = p->first + block * BLOCK_PAGES;

	*words = (struct words){0};
	for (uint64_t i = 0; i < BLOCK_PAGES;) {
		uint64_t w = load_acquire(&page_at(p, first + i)->word), pages = 1;

		check_word(first + i, w, report);
		if (word_state(w) != PAGE_FREE) {
			pages = MIN(1ull << MIN(word_order(w), 9u), BLOCK_PAGES - i);
			check_tails(p, first + i, pages, words, report);
			words->quarantined |= word_state(w) == PAGE_QUARANTINE;
		} else if (load_relaxed(&page_at(p, first + i)->left)) {
			report_violation(report, "left", "free page %lu is marked as left",
					 (unsigned long)(first + i));
		}
		i += pages;
	}
}

static void check_index(struct pages *p, uint64_t block, const struct words *words,
			struct report *report)
{
	unsigned class = load_relaxed(&p->class[block]);
	uint64_t bits[8];

	index_bits(p, block, bits);
	for (unsigned i = 0; i < BLOCK_PAGES; i++) {
		bool free = bits[i / 64] >> i % 64 & 1, used = words->in_use[i / 64] >> i % 64 & 1;

		if (free == used)
			report_violation(report, "allocator", "page %lu is %s",
					 (unsigned long)(p->first + block * BLOCK_PAGES + i),
					 free ? "in use and in the free index"
					      : "neither in use nor in the free index");
	}
	if (class != index_class(bits))
		report_violation(report, "allocator", "block %lu has class %u, its bits say %u",
				 (unsigned long)block, class, index_class(bits));
	for (unsigned c = 1; c < PAGE_CLASSES; c++)
		if (hbitmap_test(&p->by_class[c], block) != (c == class))
			report_violation(report, "allocator",
					 "block %lu of class %u is%s on the list of class %u",
					 (unsigned long)block, class, c == class ? " not" : "", c);
	if (words->quarantined && !hbitmap_test(&p->quarantine, block))
		report_violation(report, "quarantine",
				 "block %lu has quarantined pages but is not on the list",
				 (unsigned long)block);
}

static void check_blocks(struct rt_self *me, struct pages *p, struct report *report)
{
	for (uint64_t b = 0; b < p->blocks; b++) {
		struct words words = {0};

		if (alloc_lock(me, p) < 0)
			return; /* a stopped process has it: it says nothing about the pool */
		if (hbitmap_test(&p->filled, b))
			check_words(p, b, &words, report);
		check_index(p, b, &words, report);
		alloc_unlock(me, p);
	}
	if (alloc_lock(me, p) < 0)
		return;
	for (unsigned c = 1; c < PAGE_CLASSES; c++)
		if (!hbitmap_check(&p->by_class[c]))
			report_violation(report, "allocator",
					 "the levels of class %u's list differ", c);
	if (!hbitmap_check(&p->quarantine) || !hbitmap_check(&p->filled))
		report_violation(report, "allocator", "the levels of a block list differ");
	alloc_unlock(me, p);
}

/* ---- counts ---------------------------------------------------------------------------------------- */

/* Somebody, alive or not yet reaped, may be changing this block, or moving a page of it. */
static bool in_flight(struct pages *p, uint64_t first)
{
	uint64_t intent = rt_intent(first, BLOCK_PAGES);
	struct rt_cursor c = {0};
	struct rt_row *row;

	while ((row = rt_next_row(p->rt, &c))) {
		uint64_t moving = load_acquire(&row->page.head),
			 from = load_acquire(&row->node.head);

		if (sum_overlap(load_acquire(&row->intent), intent))
			return true;
		if (load_acquire(&row->page.set) && moving - first < BLOCK_PAGES)
			return true;
		if (rt_record_moves(load_acquire(&row->node.set)) && from - first < BLOCK_PAGES)
			return true;
	}
	return load_acquire(&p->rt->header->limbo) != 0;
}

static bool same_words(struct pages *p, const struct page_sum *s)
{
	for (uint64_t i = 0; i < BLOCK_PAGES; i++)
		if (s->word[i] && load_acquire(&page_at(p, s->first + i)->word) != s->word[i])
			return false;
	return true;
}

static bool due(uint64_t w)
{
	return word_is_unheld(w, PAGE_ORPHAN) || (word_is_unheld(w, PAGE_IN_FILE) && w & WORD_P);
}

static bool differs(const struct page_sum *s)
{
	for (uint64_t i = 0; i < BLOCK_PAGES; i++)
		if (s->word[i] && (word_count(s->word[i]) != s->count[i] || due(s->word[i])))
			return true;
	return false;
}

static void report_block(const struct page_sum *s, struct report *report)
{
	for (uint64_t i = 0; i < BLOCK_PAGES; i++) {
		uint64_t w = s->word[i];

		if (!w)
			continue;
		if (word_count(w) != s->count[i])
			report_violation(report, "count",
					 "folio %lu has count %u, its holds are %u",
					 (unsigned long)(s->first + i), word_count(w), s->count[i]);
		if (due(w))
			report_violation(report, "leak",
					 "folio %lu is held by nobody and in no file, and not free",
					 (unsigned long)(s->first + i));
	}
}

/* A torn look can show a difference that never was; the same one three times, with unchanged words and nothing in flight before
 * and after, is real. */
static void check_block_counts(struct pages *p, uint64_t first, struct report *report)
{
	struct page_sum s;
	unsigned seen = 0;

	for (unsigned look = 0; look < LOOKS && seen < 3; look++) {
		bool quiet = !in_flight(p, first);

		sum_begin(&s, p, first);
		sum_accounting(&s);
		if (!differs(&s))
			return;
		quiet = quiet && same_words(p, &s) && !in_flight(p, first);
		seen = quiet ? seen + 1 : 0;
		if (seen < 3)
			sched_yield();
	}
	if (seen == 3)
		report_block(&s, report);
}

/* Where holds are, so that a whole pool is compared with one pass over the accounting: a difference per block. */
static void note_range(struct pages *p, bool *look, uint64_t range)
{
	uint64_t pfn = rt_range_pfn(range), n = rt_range_pages(range);

	if (!range || !page_in_zone(p, pfn) || n > p->count - (pfn - p->first))
		return;
	for (uint64_t b = page_block(p, pfn); b <= page_block(p, pfn + n - 1); b++)
		look[b] = true;
}

static int note_folio(void *arg, const struct page_folio *f)
{
	struct {
		struct pages *p;
		bool *look;
	} *note = arg;

	if (word_count(f->word) || due(f->word))
		note->look[page_block(note->p, f->head)] = true;
	return 0;
}

static void check_counts(struct pages *p, struct report *report)
{
	struct rt_cursor c = {0};
	struct rt_hold *hold;
	struct {
		struct pages *p;
		bool *look;
	} note = {p, sys_calloc(p->blocks, 1)};

	if (!note.look) {
		report_violation(report, "check", "no memory to compare counts");
		return;
	}
	while ((hold = rt_next_hold(p->rt, &c)))
		note_range(p, note.look, load_acquire(&hold->range));
	page_each_folio(p, note_folio, &note);
	for (uint64_t b = 0; b < p->blocks; b++)
		if (note.look[b] && hbitmap_test(&p->filled, b))
			check_block_counts(p, p->first + b * BLOCK_PAGES, report);
	free(note.look);
}

void page_check(struct rt_self *me, struct pages *p, struct report *report)
{
	check_blocks(me, p, report);
	check_counts(p, report);
}
