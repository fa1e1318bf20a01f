/* The free index, see index.h. */
#include "page/index.h"

/* Bit i of the result: bits i .. i + 2^order - 1 of a word are set and i is a multiple of 2^order. order <= 6. */
static uint64_t aligned_runs(uint64_t word, unsigned order)
{
	static const uint64_t aligned[7] = {~0ull,
					    0x5555555555555555,
					    0x1111111111111111,
					    0x0101010101010101,
					    0x0001000100010001,
					    0x0000000100000001,
					    1};

	for (unsigned i = 0; i < order; i++)
		word &= word >> (1u << i);
	return word & aligned[order];
}

/* Of orders 6 to 9: words [first, + 2^(order - 6)) are all ones. */
static bool words_full(const uint64_t bits[8], unsigned first, unsigned order)
{
	for (unsigned i = 0; i < 1u << (order - 6); i++)
		if (bits[first + i] != ~0ull)
			return false;
	return true;
}

static unsigned class_within_words(const uint64_t bits[8])
{
	for (int order = 5; order >= 0; order--)
		for (unsigned i = 0; i < 8; i++)
			if (aligned_runs(bits[i], (unsigned)order))
				return (unsigned)order + 1;
	return 0;
}

unsigned index_class(const uint64_t bits[8])
{
	uint64_t any = 0;

	for (unsigned i = 0; i < 8; i++)
		any |= bits[i];
	if (!any)
		return 0;
	for (unsigned order = BLOCK_ORDER; order >= 6; order--)
		for (unsigned i = 0; i < 8; i += 1u << (order - 6))
			if (words_full(bits, i, order))
				return order + 1;
	return class_within_words(bits);
}

unsigned index_find(const uint64_t bits[8], unsigned order, unsigned from)
{
	if (order >= 6) {
		for (unsigned i = (unsigned)div_up(from, 1u << order) << (order - 6); i < 8;
		     i += 1u << (order - 6))
			if (words_full(bits, i, order))
				return i * 64;
		return BLOCK_PAGES;
	}
	for (unsigned i = from / 64; i < 8; i++) {
		uint64_t runs = aligned_runs(bits[i], order);

		if (i == from / 64)
			runs &= ~0ull << from % 64;
		if (runs)
			return i * 64 + (unsigned)__builtin_ctzll(runs);
	}
	return BLOCK_PAGES;
}

void index_bits(const struct pages *p, uint64_t block, uint64_t bits[8])
{
	bool all = load_relaxed(&p->class[block]) == PAGE_CLASSES - 1;

	for (unsigned i = 0; i < 8; i++)
		bits[i] = all ? ~0ull : load_relaxed(&p->block[block].free[i]);
}

/* Bits are in place; the class and the bitmaps follow. The block is in the new class's bitmap before it leaves the
 * old one, so that it can be found at any instruction. */
static void reclass(struct pages *p, uint64_t block, const uint64_t bits[8])
{
	unsigned old = load_relaxed(&p->class[block]), new = index_class(bits);

	if (old == new)
		return;
	if (new)
		hbitmap_set(&p->by_class[new], block);
	step("index: in the new class");
	store_release(&p->class[block], (uint8_t) new);
	step("index: class stored");
	if (old)
		hbitmap_clear(&p->by_class[old], block);
}

static void store_bits(struct pages *p, uint64_t block, const uint64_t bits[8])
{
	for (unsigned i = 0; i < 8; i++)
		store_release(&p->block[block].free[i], bits[i]);
	step("index: bits stored");
	reclass(p, block, bits);
}

/* The bits of pages [first, + n) of a block that are in its word i. */
static uint64_t word_mask(unsigned first, uint64_t n, unsigned i)
{
	unsigned lo = MAX(first, i * 64) - i * 64;
	unsigned hi = (unsigned)MIN(first + n, (i + 1) * 64ul) - i * 64;

	return (hi == 64 ? ~0ull : (1ull << hi) - 1) & ~0ull << lo;
}

static void change(struct pages *p, uint64_t pfn, uint64_t n, bool free)
{
	uint64_t block = page_block(p, pfn), bits[8];
	unsigned first = (unsigned)((pfn - p->first) % BLOCK_PAGES);

	CHECK(first + n <= BLOCK_PAGES);
	index_bits(p, block, bits);
	for (unsigned i = first / 64; i * 64 < first + n; i++) {
		uint64_t mask = word_mask(first, n, i);

		bits[i] = free ? bits[i] | mask : bits[i] & ~mask;
	}
	store_bits(p, block, bits);
}

void index_put(struct pages *p, uint64_t pfn, uint64_t n)
{
	change(p, pfn, n, true);
}

void index_take(struct pages *p, uint64_t pfn, uint64_t n)
{
	change(p, pfn, n, false);
}

/* ---- building ---- */

void index_begin(struct pages *p, uint64_t block)
{
	for (unsigned i = 0; i < 8; i++)
		store_relaxed(&p->block[block].free[i], ~0ull);
	store_relaxed(&p->class[block], 0);
	hbitmap_clear(&p->by_class[PAGE_CLASSES - 1], block);
}

void index_used(struct pages *p, uint64_t pfn, uint64_t n)
{
	_Atomic uint64_t *free = p->block[page_block(p, pfn)].free;
	unsigned first = (unsigned)((pfn - p->first) % BLOCK_PAGES);

	for (unsigned i = first / 64; i * 64 < first + n; i++)
		store_relaxed(&free[i], load_relaxed(&free[i]) & ~word_mask(first, n, i));
}

void index_end(struct pages *p, uint64_t block)
{
	uint64_t bits[8];

	index_bits(p, block, bits);
	reclass(p, block, bits);
}

void index_repair(struct pages *p, uint64_t block)
{
	uint64_t bits[8];
	unsigned class;

	index_bits(p, block, bits);
	store_bits(p, block, bits);
	class = load_relaxed(&p->class[block]);
	for (unsigned c = 1; c < PAGE_CLASSES; c++) {
		if (c == class)
			hbitmap_set(&p->by_class[c], block);
		else
			hbitmap_clear(&p->by_class[c], block);
		hbitmap_repair(&p->by_class[c], block);
	}
	hbitmap_repair(&p->quarantine, block);
}

/* In the goal's block: exactly there, or the next place behind it. */
static uint64_t search_near(struct pages *p, unsigned order, uint64_t goal)
{
	uint64_t block = page_block(p, goal), bits[8];
	unsigned at = (unsigned)((goal - p->first) % BLOCK_PAGES);

	if (load_relaxed(&p->class[block]) <= order)
		return 0;
	index_bits(p, block, bits);
	at = index_find(bits, order, at);
	return at == BLOCK_PAGES ? 0 : p->first + block * BLOCK_PAGES + at;
}

uint64_t index_search(struct pages *p, unsigned order, uint64_t goal)
{
	uint64_t bits[8], pfn = goal && page_in_zone(p, goal) ? search_near(p, order, goal) : 0;

	/* The smallest class that has room: large free runs stay whole. */
	for (unsigned c = order + 1; !pfn && c < PAGE_CLASSES; c++) {
		uint64_t block = hbitmap_next(&p->by_class[c], 0);

		if (block == p->blocks)
			continue;
		index_bits(p, block, bits);
		pfn = p->first + block * BLOCK_PAGES + index_find(bits, order, 0);
	}
	return pfn;
}

uint64_t index_search_used(struct pages *p, unsigned order, uint64_t avoid)
{
	uint64_t bits[8];

	for (unsigned c = order + 1; c < PAGE_CLASSES - 1; c++) {
		uint64_t block = hbitmap_next(&p->by_class[c], 0);

		if (block == avoid)
			block = hbitmap_next(&p->by_class[c], block + 1);
		if (block == p->blocks)
			continue;
		index_bits(p, block, bits);
		return p->first + block * BLOCK_PAGES + index_find(bits, order, 0);
	}
	return 0;
}
