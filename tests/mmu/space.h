/*
 * Random address spaces in a machine's memory, built through pgtable as anybody would: leaves of all sizes, holes, guards, pages that permit
 * nothing, in a few places that are near each other, so that tables are shared and ends meet. Then some entries are changed by hand:
 * table entries take permissions away, and bits that must not be set are.
 */
#ifndef MMU_SPACE_H
#define MMU_SPACE_H

#include "bits.h"
#include "machine.h"
#include "pgtable/pgtable.h"
#include "test.h"

/* The second half of memory is frames. A frame's number is its offset in pages. */
#define SPACE_FRAMES      (MMU_RAM / 2)
/* The arena of all trees. */
#define SPACE_TABLES      MMU_FREE
#define SPACE_TABLE_BYTES (SPACE_FRAMES - SPACE_TABLES)

#define SPACE_SPOTS 32

struct space_arena {
	uint64_t next; /* offset of the first table that was not handed out */
	bool small;    /* no leaves of 1 GiB, of which parts map the stub's memory */
};

struct space {
	struct pt pt;
	uint64_t seed;
	bool strict;          /* runs with mode->strict */
	uint64_t first, last; /* its tables are in the arena between these offsets */
	struct space_spot {
		uint64_t va, bytes;
	} spots[SPACE_SPOTS]; /* where something was done */
	unsigned spot_count;
	struct space_arena *arena;
};

/* An empty one, whose tables come from arena->next on. */
void space_make(struct space *s, struct mmu *m, struct space_arena *arena);
bool space_may_be_strict(const struct mmu_mode *mode);
/* Builds one, with tables from arena->next on; what freed tables leave is rubbish. */
void space_build(struct space *s, struct mmu *m, struct space_arena *arena, struct test_random *r);
/* Its tables stay as they are, until the arena is used again. */
void space_end(struct space *s);
/* Changes some entries, of bits by which no machine that we agree with goes astray. Not all of them are changed. */
void space_distort(struct space *s, const struct mmu_mode *mode, struct test_random *r);
/* A page worth a look: mostly at an end of something, sometimes where nothing is, or where there are no addresses. */
uint64_t space_address(const struct space *s, struct test_random *r);
/* The range, or a part of it, is the stub's. */
bool space_hidden(const struct mmu_mode *mode, uint64_t first, uint64_t last);

/* The entry for va at this level, or NULL if the tables end above it. */
pt_slot *space_slot(const struct pt *pt, uint64_t va, unsigned level);

#endif
