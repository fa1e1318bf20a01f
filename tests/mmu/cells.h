/* What a machine's manuals say, cell by cell, on tables made by hand: seen before the machine judges tables of ours. */
#ifndef MMU_CELLS_H
#define MMU_CELLS_H

#include "machine.h"

#define CELLS_LEVELS 5

/* One address, and the entries that lead to it. */
struct cells_cell {
	unsigned level;                   /* of the leaf; 0: a page */
	uint64_t entry[CELLS_LEVELS + 1]; /* by level, without addresses; above the root 0 */
	uint64_t control[MMU_CONTROLS];
};

struct cells_rules {
	unsigned levels;
	/* Cells are some way behind it. As far from a multiple of the largest leaf as memory is from 0. */
	uint64_t va;
	uint64_t (*address)(uint64_t address); /* as an entry has it */
	/* What the machine may say of such an access: one of enum mmu_outcome, or a set where machines are known to differ. */
	unsigned (*wanted)(const struct cells_cell *c, uint64_t kind, uint64_t leaf);
	/* The leaf as it is after an access that went well, and bits that the entries above it have then. */
	uint64_t (*touched)(const struct cells_cell *c, uint64_t kind, uint64_t leaf);
	uint64_t touched_above;
};

/* Tries all cells, each with every kind of access, one after the other. Fails the test at the first that the machine does not do as wanted. */
void cells_try(struct mmu *m, const struct cells_rules *rules, const struct cells_cell *cells,
	       size_t count);

#endif
