/* Which blocks are used least: candidates to be emptied. */
#include "page/index.h"

static unsigned count_free(const struct pages *p, uint64_t block)
{
	uint64_t bits[8];
	unsigned n = 0;

	index_bits(p, block, bits);
	for (unsigned i = 0; i < 8; i++)
		n += (unsigned)__builtin_popcountll(bits[i]);
	return n;
}

/* In its place in the list, which has `n`, at most `max`. */
static unsigned insert(struct page_sparse *sparse, unsigned n, unsigned max, struct page_sparse new)
{
	unsigned at = n;

	while (at && sparse[at - 1].free < new.free)
		at--;
	if (at == max)
		return n;
	n = MIN(n + 1, max);
	for (unsigned i = n - 1; i > at; i--)
		sparse[i] = sparse[i - 1];
	sparse[at] = new;
	return n;
}

unsigned page_sparse(struct pages *p, _Atomic uint64_t *cursor, struct page_sparse *sparse,
		     unsigned max, uint64_t *free)
{
	uint64_t block = load_relaxed(cursor), looks = MIN(p->blocks, PAGE_SPARSE_BLOCKS);
	unsigned n = 0;

	*free = 0;
	for (; looks; looks--, block++) {
		struct page_sparse new;
		unsigned class;

		block = block < p->blocks ? block : 0;
		class = load_relaxed(&p->class[block]);
		if (!class || class == PAGE_CLASSES - 1)
			continue;
		new = (struct page_sparse){block, count_free(p, block)};
		*free += new.free;
		n = insert(sparse, n, max, new);
	}
	store_relaxed(cursor, p->blocks > PAGE_SPARSE_BLOCKS ? block : 0);
	return n;
}

uint64_t page_whole_blocks(const struct pages *p)
{
	uint64_t n = 0;

	for (uint64_t b = 0; b < p->blocks; b++)
		n += load_relaxed(&p->class[b]) == PAGE_CLASSES - 1;
	return n;
}
