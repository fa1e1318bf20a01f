/*
 * The slow and obvious page table: an array with what each page of a part of the address space maps. flat_run() does random
 * operations on a tree and on such an array, and compares all of both after each. Beside that, an array has what who counts
 * references was told: it must be the same.
 *
 * Geometry is either a CPU's, where the array covers a leaf of the highest level with what is beside it and the
 * last pages of the address space, or tiny, where it covers all there is.
 */
#ifndef TEST_FLAT_H
#define TEST_FLAT_H

#include "tables.h"
#include "test.h"

#define FLAT_NONE 0xffu /* level of what is not mapped */

struct flat_page {
	uint32_t pfn;
	uint16_t flags;
	uint8_t level;  /* of the leaf that maps it */
	uint8_t marker; /* PT_GUARD, PT_POISON >> 12 */
};

struct flat {
	struct tables t;
	struct pt_fmt fmt;
	struct pt_memory memory;
	struct pt_gather gather;
	struct flat_piece {
		uint64_t va, pages;
	} piece[2]; /* pages of the array, in this order */
	unsigned pieces;
	uint64_t n; /* pages in all */
	struct flat_page *page;
	struct flat_page *next; /* what an operation is to make of it */
	struct flat_page *held; /* pfn and level: by what `gather` was told */
	uint8_t *told;          /* first pages of leaves: TOLD_WANTED, TOLD_DONE */
	struct test_random r;
	uint64_t folios;      /* which leaves fit into their folio */
	uint64_t splits;      /* of leaves, that the operation under way needs */
	uint64_t splits_left; /* until gather->split() fails */
	uint64_t copies_left; /* until gather->copy() fails */
	bool quiet;           /* `gather` is not given: `held` follows by itself */
	char doing[200];
};

/* A tree of this format, and its array. */
void flat_make(struct flat *fl, const struct pt_fmt *f, uint64_t seed);
/* Frees the tree; gather->gone() must have been told of every leaf. */
void flat_end(struct flat *fl);

/* ---- the array ---- */

uint64_t flat_va(const struct flat *fl, uint64_t i);
/* fl->n: not in the array. */
uint64_t flat_index(const struct flat *fl, uint64_t va);
/* The piece that page i is in: its first page, and the first behind it. */
uint64_t flat_first(const struct flat *fl, uint64_t i);
uint64_t flat_behind(const struct flat *fl, uint64_t i);
/* The first page of the leaf at `level` that would map page i. */
uint64_t flat_leaf(const struct flat *fl, uint64_t i, unsigned level);
/* Tables that a tree of these pages has, with the root. */
uint64_t flat_tables(const struct flat *fl, const struct flat_page *page);

/* What is to happen to fl->next: */
void flat_map(struct flat *fl, uint64_t i, uint64_t n, uint64_t pfn, unsigned flags,
	      unsigned max_level);
/* The leaf that maps page i becomes leaves one level down. */
void flat_split(struct flat *fl, uint64_t i);
/* No leaf is partly in the n pages. */
void flat_cut(struct flat *fl, uint64_t i, uint64_t n);
void flat_clear(struct flat *fl, uint64_t i, uint64_t n, bool keep_guards);
/* Flags of leaves with pages in these n. How many changed. */
long flat_change(struct flat *fl, uint64_t i, uint64_t n, const struct pt_change *change);
/* It can be one leaf at `level` with what is beside it, and becomes that. */
bool flat_collapse(struct flat *fl, uint64_t i, unsigned level);
/* What is at the n pages goes to page j and those behind it. */
void flat_move(struct flat *fl, uint64_t i, uint64_t j, uint64_t n);
bool flat_fits(const struct flat *fl, uint64_t pfn, unsigned level);

/* For pt_change.each, with the array as arg: told of what flat_change() wants. flat_all_told(): of all of it. */
void flat_told(void *arg, uint64_t va, unsigned level, pt_entry before);
void flat_all_told(const struct flat *fl);

/* ---- comparing (flat_check.c) ---- */

/* NULL: the tree, read as the manuals say, is what the array says. Otherwise the first difference; in a static buffer. */
const char *flat_differs(struct flat *fl);
/* That, and pt_lookup() and pt_walk() of all pages, what was told of leaves, and the tables in use. */
void flat_check(struct flat *fl);

/* ---- random operations (flat_run.c) ---- */

/* Makes, changes and frees trees of every format, and tiny ones, for this share of test_seconds(). */
void flat_run(double share);

#endif
