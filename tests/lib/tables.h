/* A tree of page tables in memory of this process, for tests: an arena that counts what it hands out. */
#ifndef TEST_TABLES_H
#define TEST_TABLES_H

#include "pgtable/pgtable.h"

struct tables {
	struct pt pt;
	uint64_t bytes;  /* of the arena */
	bool *used;      /* by page of the arena */
	uint64_t in_use; /* pages handed out */
	uint64_t next;
	uint64_t left; /* pages that may still be handed out; more than there are: no limit */
	unsigned folio_level; /* no leaf above it fits */
	bool busy;            /* a reader is inside: gone() says no */
	unsigned notes;       /* calls of note() */
};

/* An arena of `pages` pages, between two that nobody may touch, and an empty tree of format `f` over `pfns` pages of media in it. Tables and media have addresses that fit every format. */
void tables_make(struct tables *t, const struct pt_fmt *f, uint64_t pages, uint64_t pfns);
/* The tree must be freed to the last table by pt_destroy(). */
void tables_end(struct tables *t);

/* ---- formats ---- */

/* What a test that holds for every format goes through: all of PT_FORMATS. */
extern const struct pt_fmt *const tables_formats[];
extern const unsigned tables_format_count;
/* The format with a table of 1 << index_bits entries: addresses are short, and ends of tables everywhere. */
struct pt_fmt tables_tiny(const struct pt_fmt *f, unsigned index_bits);

#endif
