/* The accounting of one block, see sum.h. */
#include "page/sum.h"

bool sum_overlap(uint64_t a, uint64_t b)
{
	uint64_t a0 = rt_intent_pfn(a), b0 = rt_intent_pfn(b);

	return a && b && a0 < b0 + rt_intent_pages(b) && b0 < a0 + rt_intent_pages(a);
}

void sum_begin(struct page_sum *s, struct pages *p, uint64_t first)
{
	uint64_t skip = 0;

	s->p = p;
	s->first = first;
	for (uint64_t i = 0; i < BLOCK_PAGES; i++) {
		uint64_t w = skip ? 0 : load_acquire(&page_at(p, first + i)->word);

		s->count[i] = 0;
		s->word[i] = word_state(w) == PAGE_FREE ? 0 : w;
		if (s->word[i])
			skip = 1ul << word_order(w);
		skip -= skip != 0;
	}
}

/* One hold counts once on each folio it touches. */
static void add_range(struct page_sum *s, uint64_t range)
{
	uint64_t lo = MAX(rt_range_pfn(range), s->first) - s->first;
	uint64_t hi =
		MIN(rt_range_pfn(range) + rt_range_pages(range), s->first + BLOCK_PAGES) - s->first;
	uint64_t head = lo;

	while (head && !s->word[head])
		head--;
	if (s->word[head] && head + (1ul << word_order(s->word[head])) > lo)
		lo = head; /* the folio that the range begins in */
	while (lo < hi) {
		s->count[lo]++;
		lo += s->word[lo] ? 1ul << word_order(s->word[lo]) : 1;
	}
}

static void add(struct page_sum *s, uint64_t range)
{
	if (range && rt_range_pfn(range) < s->first + BLOCK_PAGES &&
	    rt_range_pfn(range) + rt_range_pages(range) > s->first)
		add_range(s, range);
}

void sum_accounting(struct page_sum *s)
{
	struct rt_cursor holds = {0}, rows = {0};
	struct rt_hold *hold;
	struct rt_row *row;

	while ((hold = rt_next_hold(s->p->rt, &holds)))
		add(s, load_acquire(&hold->range));
	while ((row = rt_next_row(s->p->rt, &rows)))
		add(s, load_acquire(&row->read_hold));
}
