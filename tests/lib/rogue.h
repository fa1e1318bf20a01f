/*
 * Page tables that somebody damaged who may write to the arena: a process that went mad, or means harm. Whatever is in them, each
 * function ends, stays inside the arena, says -PF_EPAGETABLE where it meets it, and tells who counts references only of pages that there are.
 */
#ifndef TEST_ROGUE_H
#define TEST_ROGUE_H

#include "tables.h"
#include "test.h"

#define ROGUE_BYSTANDERS 4

struct rogue {
	struct tables t;
	struct pt_memory memory; /* takes back what was never given */
	struct pt_gather gather;
	struct test_random r;
	uint64_t told;                        /* leaves, by `gather` */
	uint64_t bystander[ROGUE_BYSTANDERS]; /* offsets of pages of the arena that are no tables */
	bool ending;                          /* the root may go */
	char doing[120];
};

/* An empty tree of this format, in an arena of so many pages. */
void rogue_make(struct rogue *ro, const struct pt_fmt *f, uint64_t pages, uint64_t seed);
/* What follows is called so if it does not end, or tells what it should not. */
void rogue_begin(struct rogue *ro, const char *doing);
/* Takes all out and frees it: says so if something was bad. */
int rogue_end(struct rogue *ro);
/* Every function on it, at va and around it, in an order by chance. */
void rogue_use(struct rogue *ro, uint64_t va);
/* One entry of a table in use becomes something else, by chance. */
void rogue_damage(struct rogue *ro, struct test_random *r);
/* One function, on some part of the tree. */
void rogue_use_some(struct rogue *ro);
/* Some pages, in some places. */
void rogue_populate(struct rogue *ro);
/* Where the entry for va is, at this level, or where a leaf or none is met above it. */
pt_slot *rogue_slot(struct rogue *ro, uint64_t va, unsigned level);
/* An entry that leads to the table at this offset, which may lie outside the arena. */
pt_entry rogue_table(const struct rogue *ro, uint64_t offset);
/* A leaf of pages from pfn on, which there may not be. */
pt_entry rogue_leaf(const struct rogue *ro, unsigned level, uint64_t pfn);

/* Random trees of every format, random damage, random use, for this share of test_seconds(). */
void rogue_run(double share);

#endif
