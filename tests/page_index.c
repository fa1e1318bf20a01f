/* The free index of pages finds what plain arrays of booleans have: classes, aligned runs, the place near a goal; also after a writer that died. */
#include <stdlib.h>
#include <string.h>

#include "page/index.h"
#include "test.h"

#define BLOCKS 70u /* more than a word of a bitmap */
#define FIRST  1024u
#define PAGES  (BLOCKS * BLOCK_PAGES)

static struct pages p;
static bool is_free[PAGES];
static struct test_random r;

/* ---- the oracle ------------------------------------------------------------------------------------- */

static bool run_is_free(const bool *block, unsigned at, unsigned order)
{
	for (unsigned i = 0; i < 1u << order; i++)
		if (!block[at + i])
			return false;
	return true;
}

static unsigned slow_find(const bool *block, unsigned order, unsigned from)
{
	for (unsigned at = (unsigned)align_up(from, 1u << order); at < BLOCK_PAGES;
	     at += 1u << order)
		if (run_is_free(block, at, order))
			return at;
	return BLOCK_PAGES;
}

static unsigned slow_class(const bool *block)
{
	for (int order = BLOCK_ORDER; order >= 0; order--)
		if (slow_find(block, (unsigned)order, 0) < BLOCK_PAGES)
			return (unsigned)order + 1;
	return 0;
}

/* At the goal or behind it in its block; else in the first block of the smallest class that has room. */
static uint64_t slow_search(unsigned order, uint64_t goal)
{
	uint64_t best = 0;
	unsigned best_class = PAGE_CLASSES;

	if (goal >= FIRST && goal < FIRST + PAGES) {
		uint64_t start = align_down(goal - FIRST, BLOCK_PAGES);
		unsigned at = slow_find(is_free + start, order, (unsigned)(goal - FIRST - start));

		if (at < BLOCK_PAGES)
			return FIRST + start + at;
	}
	for (uint64_t b = 0; b < BLOCKS; b++) {
		const bool *block = is_free + b * BLOCK_PAGES;
		unsigned class = slow_class(block);

		if (class > order && class < best_class) {
			best_class = class;
			best = FIRST + b * BLOCK_PAGES + slow_find(block, order, 0);
		}
	}
	return best;
}

/* ---- one block's bits ------------------------------------------------------------------------------- */

static void compare_bits(const bool *block)
{
	uint64_t bits[8] = {0};

	for (unsigned i = 0; i < BLOCK_PAGES; i++)
		bits[i / 64] |= (uint64_t)block[i] << i % 64;
	must_be(index_class(bits), slow_class(block));
	for (unsigned order = 0; order <= BLOCK_ORDER; order++) {
		unsigned from = (unsigned)test_below(&r, BLOCK_PAGES);

		must_be(index_find(bits, order, 0), slow_find(block, order, 0));
		must_be(index_find(bits, order, from), slow_find(block, order, from));
	}
}

/* Every aligned run alone, whole and without its last page; then bits by chance, from few to nearly all. */
static void every_run(void)
{
	bool block[BLOCK_PAGES];

	for (unsigned order = 0; order <= BLOCK_ORDER; order++) {
		for (unsigned at = 0; at < BLOCK_PAGES; at += 1u << order) {
			memset(block, 0, sizeof block);
			memset(block + at, 1, 1u << order);
			compare_bits(block);
			block[at + (1u << order) - 1] = false;
			compare_bits(block);
		}
	}
	for (unsigned i = 0; i < 500; i++) {
		for (unsigned n = 0; n < BLOCK_PAGES; n++)
			block[n] = test_below(&r, 500) < i;
		compare_bits(block);
	}
}

/* ---- many blocks ------------------------------------------------------------------------------------ */

static void make_pages(void)
{
	p = (struct pages){.first = FIRST, .count = PAGES, .blocks = BLOCKS};
	p.block = calloc(BLOCKS, sizeof *p.block);
	p.class = calloc(BLOCKS, 1);
	must(p.block && p.class);
	for (unsigned c = 1; c < PAGE_CLASSES; c++)
		hbitmap_open(&p.by_class[c], BLOCKS, calloc(1, hbitmap_bytes(BLOCKS)));
	hbitmap_open(&p.quarantine, BLOCKS, calloc(1, hbitmap_bytes(BLOCKS)));
}

static void change(uint64_t at, uint64_t n, bool free)
{
	memset(is_free + at, free, n);
	(free ? index_put : index_take)(&p, FIRST + at, n);
}

static void compare_block(uint64_t block)
{
	unsigned class = slow_class(is_free + block * BLOCK_PAGES);
	uint64_t bits[8];

	index_bits(&p, block, bits);
	for (unsigned i = 0; i < BLOCK_PAGES; i++)
		must_be(bits[i / 64] >> i % 64 & 1, is_free[block * BLOCK_PAGES + i]);
	must_be(load_relaxed(&p.class[block]), class);
	for (unsigned c = 1; c < PAGE_CLASSES; c++) {
		must_be(hbitmap_test(&p.by_class[c], block), c == class);
		must(hbitmap_check(&p.by_class[c]));
	}
}

/* Its bit in the list of a class has changed, the levels above have not. */
static void half_listed(unsigned class, uint64_t block)
{
	_Atomic uint64_t *word = &p.by_class[class].level[0][block / 64];

	store_relaxed(word, load_relaxed(word) ^ 1ull << block % 64);
}

/* What a writer leaves that died somewhere between its bits and the last of the bitmaps. */
static void half_changed(uint64_t block)
{
	uint64_t at = block * BLOCK_PAGES + test_below(&r, BLOCK_PAGES);

	if (load_relaxed(&p.class[block]) == PAGE_CLASSES - 1)
		return; /* its bits say nothing */
	is_free[at] = !is_free[at];
	store_relaxed(&p.block[block].free[at % BLOCK_PAGES / 64],
		      load_relaxed(&p.block[block].free[at % BLOCK_PAGES / 64]) ^ 1ull << at % 64);
	if (test_below(&r, 2))
		half_listed(1 + (unsigned)test_below(&r, PAGE_CLASSES - 1), block);
	index_repair(&p, block);
}

/* Runs as large as a folio, or as an unaligned piece of one. */
static void random_change(void)
{
	uint64_t block = test_below(&r, BLOCKS), at, n;
	unsigned order = (unsigned)test_below(&r, BLOCK_ORDER + 1);

	n = 1ull << order;
	at = align_down(test_below(&r, BLOCK_PAGES), n);
	if (test_below(&r, 4) == 0) {
		at = test_below(&r, BLOCK_PAGES);
		n = 1 + test_below(&r, BLOCK_PAGES - at);
	}
	if (test_below(&r, 16) == 0)
		half_changed(block);
	else if (test_below(&r, 4) == 0)
		change(block * BLOCK_PAGES, BLOCK_PAGES, true);
	else
		change(block * BLOCK_PAGES + at, n, test_below(&r, 2));
	compare_block(block);
}

/* The first longest run of whole blocks, of at most n. */
static void compare_run(uint64_t n)
{
	uint64_t best = 0, best_length = 0, length;

	for (uint64_t b = 0; b < BLOCKS; b++) {
		uint64_t end = b;

		while (end < BLOCKS && end - b < n &&
		       slow_class(is_free + end * BLOCK_PAGES) == PAGE_CLASSES - 1)
			end++;
		if (end - b > best_length) {
			best = FIRST + b * BLOCK_PAGES;
			best_length = end - b;
		}
	}
	must_be(page_find_run(&p, n, &length), best);
	must_be(length, best_length);
}

static void compare_searches(void)
{
	for (unsigned order = 0; order <= BLOCK_ORDER; order++) {
		uint64_t goal = FIRST + test_below(&r, PAGES);

		must_be(index_search(&p, order, 0), slow_search(order, 0));
		must_be(index_search(&p, order, goal), slow_search(order, goal));
		must_be(index_search(&p, order, FIRST + PAGES), slow_search(order, 0));
	}
	compare_run(1 + test_below(&r, 8));
}

/* Which pages a new runtime finds in use. */
static void built(void)
{
	for (uint64_t b = 0; b < BLOCKS; b++) {
		uint64_t start = b * BLOCK_PAGES, at = test_below(&r, BLOCK_PAGES);
		uint64_t n = 1 + test_below(&r, BLOCK_PAGES - at);

		change(start, BLOCK_PAGES, true);
		index_begin(&p, b);
		memset(is_free + start + at, 0, n);
		index_used(&p, FIRST + start + at, n);
		index_end(&p, b);
		compare_block(b);
	}
	compare_searches();
}

int main(void)
{
	r.state = test_seed();
	every_run();
	make_pages();
	for (unsigned i = 0; i < 300 && test_time_left(0.5); i++) {
		for (unsigned n = 0; n < 20; n++)
			random_change();
		compare_searches();
	}
	built();
	return 0;
}
