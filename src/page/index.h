/*
 * The free index: which pages are free, found by size. Only page/ includes this; all under the allocator lock.
 *
 * A block of 2 MiB has a bit per page. Its class is the largest free, naturally aligned order in it, + 1; a
 * hierarchical bitmap per class finds the blocks of a class. So the free blocks of the buddy system are implied
 * by bits and never merged or split by hand. Every change is "bits of one block, then its class, then the bitmaps",
 * each step made from the one before: a change that was cut off anywhere is finished by doing it again.
 */
#ifndef PAGE_INDEX_H
#define PAGE_INDEX_H

#include "page/page.h"

/* Largest free aligned order + 1 in 512 bits. */
unsigned index_class(const uint64_t bits[8]);
/* The first aligned run of 2^order set bits at or after `from`, below 512; 512 if none. */
unsigned index_find(const uint64_t bits[8], unsigned order, unsigned from);
/* The block's free bits as they are, whatever its class. */
void index_bits(const struct pages *p, uint64_t block, uint64_t bits[8]);
/* Pages [pfn, + n) of one block are free from now on, or not. May be repeated. */
void index_put(struct pages *p, uint64_t pfn, uint64_t n);
void index_take(struct pages *p, uint64_t pfn, uint64_t n);
/* While a runtime is built: a block of which pages are used is begun, its pages are marked one by one, and at the end it gets its class. */
void index_begin(struct pages *p, uint64_t block);
void index_used(struct pages *p, uint64_t pfn, uint64_t n);
void index_end(struct pages *p, uint64_t block);
/* After a writer died while it changed this block. */
void index_repair(struct pages *p, uint64_t block);
/* A pfn where 2^order pages are free, near `goal` (0: anywhere); 0: none. */
uint64_t index_search(struct pages *p, unsigned order, uint64_t goal);

/* The same in a block that is partly used, and not in block `avoid`. */
uint64_t index_search_used(struct pages *p, unsigned order, uint64_t avoid);

#endif
