/*
 * The accounting of one block: how many holds of all slots touch each folio. Only page/ includes this; used by
 * recounts and by the check.
 */
#ifndef PAGE_SUM_H
#define PAGE_SUM_H

#include "page/page.h"

struct page_sum {
	struct pages *p;
	uint64_t first;              /* pfn of the block */
	uint64_t word[BLOCK_PAGES];  /* of heads, loaded before the sum; 0: no head here */
	uint32_t count[BLOCK_PAGES]; /* at heads */
};

/* Loads the words. */
void sum_begin(struct page_sum *s, struct pages *p, uint64_t first);
/* Adds up hold records and read holds of every slot that is not FREE. */
void sum_accounting(struct page_sum *s);
/* Two intents name a page in common. */
bool sum_overlap(uint64_t a, uint64_t b);

#endif
