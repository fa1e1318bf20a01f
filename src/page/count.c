/* References: finding a folio's head, counting up and down, membership, waiting. docs/protocol.md sections 4, 6, 7. */
#include "base/clock.h"
#include "base/err.h"
#include "base/futex.h"
#include "page/page.h"

/* ---- heads ------------------------------------------------------------------------------------------ */

bool page_head_search(const struct pages *p, uint64_t pfn, uint64_t *head, uint64_t *word)
{
	for (unsigned order = 0; order <= BLOCK_ORDER; order++)
		if (page_head_at(p, pfn, order, head, word))
			return true;
	return false;
}

/* ---- up and down ------------------------------------------------------------------------------------ */

int page_up(struct pages *p, uint64_t pfn, unsigned hint, uint64_t *head, uint64_t *word)
{
	uint64_t w;

	if (unlikely(!page_head(p, pfn, hint, head, &w)))
		return -PF_EAGAIN;
	do {
		if (unlikely(word_state(w) != PAGE_IN_FILE || pfn - *head >= 1ull << word_order(w)))
			return -PF_EAGAIN;
		if (unlikely(word_count(w) == WORD_COUNT_MAX))
			return err(PF_EHOLDS, "page %lu", (unsigned long)pfn);
	} while (!cas(&page_at(p, *head)->word, &w, w + 1));
	*word = w + 1;
	step("get: counted");
	return 0;
}

int page_up_held(struct pages *p, uint64_t pfn, unsigned hint, uint64_t *head, uint64_t *word)
{
	uint64_t w;

	if (unlikely(!page_head(p, pfn, hint, head, &w)))
		return -PF_EAGAIN;
	do {
		if (unlikely(!word_count(w) || pfn - *head >= 1ull << word_order(w)))
			return -PF_EAGAIN;
		if (unlikely(word_count(w) == WORD_COUNT_MAX))
			return err(PF_EHOLDS, "page %lu", (unsigned long)pfn);
	} while (!cas(&page_at(p, *head)->word, &w, w + 1));
	*word = w + 1;
	step("get: counted");
	return 0;
}

static void wake(struct pages *p, uint64_t head)
{
#ifndef PF_BREAK_NO_WAKE
	futex_wake(&page_at(p, head)->word);
#else
	(void)p, (void)head;
#endif
}

void page_down(struct rt_self *me, struct pages *p, uint64_t head, bool dead)
{
	struct page *page = page_at(p, head);
	uint64_t w = load_relaxed(&page->word), new;

	(void)dead;
	do {
		CHECK(word_count(w) > 0);
		new = word_with_count(w, word_count(w) - 1) & ~WORD_W;
#ifndef PF_BREAK_REAP_FORGETS
		if (dead)
			new |= WORD_Q;
#endif
	} while (!cas(&page->word, &w, new));
	step("put: counted down");
	if (unlikely(w & WORD_W))
		wake(p, head);
	if (word_count(new) == 0 && unlikely(word_state(new) == PAGE_ORPHAN || new &WORD_P))
		page_finish(me, p, head);
}

void page_down_range(struct rt_self *me, struct pages *p, uint64_t pfn, uint64_t n, bool dead)
{
	unsigned hint = BLOCK_ORDER;

	for (uint64_t end = pfn + n; pfn < end;) {
		uint64_t head, w;

		if (!page_head(p, pfn, hint, &head, &w)) {
			CHECK(!"a held page has a folio");
			pfn++;
			continue;
		}
		hint = word_order(w);
		pfn = head + (1ull << hint);
		page_down(me, p, head, dead);
	}
}

uint64_t page_folio_bytes(const struct pages *p, uint64_t pfn, uint64_t n)
{
	uint64_t bytes = 0, head, w;

	for (uint64_t end = pfn + n; pfn < end;) {
		if (page_head(p, pfn, BLOCK_ORDER, &head, &w)) {
			bytes += PAGE_BYTES << word_order(w);
			pfn = head + (1ull << word_order(w));
		} else {
			bytes += PAGE_BYTES;
			pfn++;
		}
	}
	return bytes;
}

/* ---- leaving a file ---------------------------------------------------------------------------------- */

void page_release(struct rt_self *me, struct pages *p, uint64_t head, uint32_t generation)
{
	struct page *page = page_at(p, head);
	uint64_t w = load_acquire(&page->word);

#ifdef PF_BREAK_REL_NO_GEN
	generation = word_generation(w);
#endif
	while (word_state(w) == PAGE_IN_FILE && word_generation(w) == generation) {
		if (cas(&page->word, &w, word_with_state(w, PAGE_ORPHAN)))
			break;
	}
	step("release: orphan");
	w = load_acquire(&page->word);
	if (word_state(w) == PAGE_ORPHAN && word_generation(w) == generation)
		page_finish(me, p, head);
}

static bool all_left(const struct pages *p, uint64_t head, unsigned order)
{
	for (uint64_t i = 0; i < 1ull << order; i++)
		if (!load_relaxed(&page_at(p, head + i)->left))
			return false;
	return true;
}

void page_release_part(struct pages *p, uint64_t head, uint64_t pfn, uint64_t n)
{
	struct page *page = page_at(p, head);
	uint64_t w = load_acquire(&page->word), new;
	bool all;

	for (uint64_t i = 0; i < n; i++)
		store_relaxed(&page_at(p, pfn + i)->left, 1);
	step("release: left bytes");
	all = all_left(p, head, word_order(w));
	do {
		new = w | WORD_P;
		if (all)
			new = word_with_state(new, PAGE_ORPHAN);
	} while (!cas(&page->word, &w, new));
	step("release: P");
}

/* ---- waiting ---------------------------------------------------------------------------------------- */

int page_busy(struct pages *p, uint64_t head, bool wait, uint32_t *low)
{
	struct page *page = page_at(p, head);
	uint64_t w = load_relaxed(&page->word), new;

	do {
		new = word_count(w) && wait ? w | WORD_W : w;
	} while (!cas(&page->word, &w, new));
	*low = (uint32_t) new;
	return word_count(new) != 0;
}

void page_wait(struct pages *p, uint64_t head, uint32_t low, unsigned ms)
{
	futex_wait(&page_at(p, head)->word, low, ms);
}
