/* One piece of free memory, for a device. */
#include "page/index.h"

static bool all_whole(const struct pages *p, uint64_t block, uint64_t blocks)
{
	for (uint64_t b = block; b < block + blocks; b++)
		if (load_relaxed(&p->class[b]) != PAGE_CLASSES - 1)
			return false;
	return true;
}

uint64_t page_find_piece(struct pages *p, uint64_t n, uint64_t align)
{
	uint64_t blocks = div_up(n, BLOCK_PAGES), step = MAX(align / BLOCK_PAGES, 1ull);
	uint64_t first = p->first / BLOCK_PAGES, block = align_up(first, step) - first;

	if (n < BLOCK_PAGES && align < BLOCK_PAGES)
		return index_search(p, n > 1 ? log2_down(n - 1) + 1 : 0, 0);
	for (; block + blocks <= p->blocks; block += step)
		if (all_whole(p, block, blocks))
			return p->first + block * BLOCK_PAGES;
	return 0;
}
