/*
 * What the hardware makes of each bit of each kind of entry, by its manual: the tables that flips are driven by. Every bit of every kind is in exactly one
 * row. This is said a second time here, apart from the formats of src/pgtable, so that these can be held against it.
 */
#ifndef MMU_BITS_H
#define MMU_BITS_H

#include <stdint.h>

#include "pgtable/fmt.h"

enum mmu_kind {
	MMU_IN_TABLE = 1, /* an entry that leads to a table */
	MMU_IN_PTE = 2,   /* leaves, by level */
	MMU_IN_PMD = 4,
	MMU_IN_PUD = 8,
	MMU_IN_NONE = 16, /* not valid: none, markers, leaves that permit nothing */
	MMU_IN_LARGE = MMU_IN_PMD | MMU_IN_PUD,
	MMU_IN_LEAF = MMU_IN_PTE | MMU_IN_LARGE,
};

enum mmu_effect {
	MMU_ACTS, /* hardware acts by it: a judge must object when it is wrong */
	MMU_RESTRICTS, /* the same, and it only takes permissions away: a tree of ours may have it set in tables */
	MMU_LEADS, /* the same, and the address or the kind of the entry depends on it: nothing is stored while it is wrong */
	MMU_IGNORED,  /* hardware does not look at it: a judge must not object */
	MMU_UNJUDGED, /* hardware acts by it, but not so that this could be seen here */
};

struct mmu_bits {
	unsigned kinds;
	uint64_t mask;
	enum mmu_effect effect;
	const char *what; /* the bits are; of MMU_UNJUDGED: why */
};

/* The last row has kinds 0. One for each format, in a file of its own. */
extern const struct mmu_bits mmu_bits_x86_64[], mmu_bits_aarch64[], mmu_bits_aarch64_soft[];
extern const struct mmu_bits mmu_bits_riscv64[];

/* What an entry is to the hardware: one of enum mmu_kind; 0: a table or a leaf that must not be at this level. */
static inline unsigned mmu_kind_of(const struct pt_fmt *f, pt_entry e, unsigned level)
{
	if (!(e & f->valid))
		return MMU_IN_NONE;
	if (level && pt_is_table(f, e))
		return MMU_IN_TABLE;
	return level <= PT_PUD && pt_is_leaf(f, e, level) ? MMU_IN_PTE << level : 0;
}

/* Bits first to last. */
#define MMU_BITS(first, last) ((~0ull >> (63 - (last) + (first))) << (first))

#endif
