/*
 * A batch of random spaces, judged: the machine does the jobs in its memory; pt_translate() says for each what must come of it, on a copy of the tables
 * (`shadow`), in which the accessed and dirty bits are set as they should be. What the two differ in is an objection:
 *   - an access that went well and should not have, or the other way round, or another reason, or another level of it
 *   - a load or fetch that arrived elsewhere; a store that is not where it should be, or is where it should not
 *   - an entry that is not as in the shadow afterwards
 * Upper entries of a walk that ended in a fault may be accessed or not: architectures leave that open.
 */
#ifndef MMU_BATCH_H
#define MMU_BATCH_H

#include "space.h"

#define BATCH_JOBS       24u /* of a space */
#define BATCH_DEVIATIONS 16u
#define BATCH_OUTCOMES   6u

struct batch {
	struct mmu *m;
	uint64_t seed;
	/* Makes entries that the machine sees wrong, before it runs; how many. NULL: they are as they were built. */
	unsigned (*spoil)(void *arg, const struct space *s);
	void *arg;
	bool only_loads;
	uint64_t first_table; /* offset of the first table of a batch; 0 */

	uint64_t spaces, jobs, spoiled; /* of all batches */
	/* What we said, by number of the bit in enum mmu_outcome. */
	uint64_t outcomes[BATCH_OUTCOMES];
	uint64_t objections;
	char objection[3000];                 /* the first */
	uint64_t tolerated[BATCH_DEVIATIONS]; /* or avoided */

	/* Of this batch: */
	struct space_arena arena;
	unsigned count;
	struct space *space;
	uint8_t *shadow;         /* of the arena */
	uint8_t *built, *before; /* with spoil: the arena before it, and after it */
	uint64_t (*stored)[2];   /* what is in the second and in the last word of each frame */
	struct batch_may *may;
	unsigned may_count;
};

const char *batch_outcome(unsigned outcomes);
/* The machine is started and stopped by the caller. */
void batch_make(struct batch *b, struct mmu *m, uint64_t seed);
void batch_end(struct batch *b);
/* As batch_make() does it: for when the machine may have written where it should not. */
void batch_fill_frames(struct batch *b);
/* So many spaces, or fewer if there is no memory for more; their seeds are those of the spaces from `number` on. How many. */
unsigned batch_run(struct batch *b, uint64_t number, unsigned spaces);
/* All spaces first .. first + spaces - 1. */
void batch_run_all(struct batch *b, uint64_t first, uint64_t spaces);

#endif
