/* RISC-V: privileged specification, 4.3 to 4.6 (Sv39, Sv48, Sv57), without Svnapot and Svpbmt. */
#include "bits.h"

#define V   MMU_BITS(0, 0)
#define R   MMU_BITS(1, 1)
#define W   MMU_BITS(2, 2)
#define X   MMU_BITS(3, 3)
#define U   MMU_BITS(4, 4)
#define G   MMU_BITS(5, 5)
#define A   MMU_BITS(6, 6)
#define D   MMU_BITS(7, 7)
#define RSW MMU_BITS(8, 9)

const struct mmu_bits mmu_bits_riscv64[] = {
	{MMU_IN_TABLE | MMU_IN_LEAF, V, MMU_ACTS, "valid"},
	{MMU_IN_TABLE, R | W | X, MMU_LEADS, "all 0: a table"},
	{MMU_IN_TABLE, U | A | D, MMU_ACTS, "reserved"},
	/* Without R, W and X a leaf is a table. Then its frame is one, in which nothing is valid but by chance. */
	{MMU_IN_LEAF, R | W | X | U, MMU_ACTS, "permissions"},
	{MMU_IN_TABLE | MMU_IN_LEAF, G, MMU_UNJUDGED, "global: survives what nothing here flushes"},
	{MMU_IN_LEAF, A, MMU_ACTS, "accessed"},
	{MMU_IN_LEAF, D, MMU_ACTS, "dirty"},
	{MMU_IN_TABLE | MMU_IN_LEAF, RSW, MMU_IGNORED, "software's"},
	{MMU_IN_TABLE | MMU_IN_PTE, MMU_BITS(10, 53), MMU_LEADS, "address"},
	{MMU_IN_PMD, MMU_BITS(10, 18), MMU_ACTS, "a page inside the leaf: misaligned"},
	{MMU_IN_PMD, MMU_BITS(19, 53), MMU_LEADS, "address"},
	{MMU_IN_PUD, MMU_BITS(10, 27), MMU_ACTS, "a page inside the leaf: misaligned"},
	{MMU_IN_PUD, MMU_BITS(28, 53), MMU_LEADS, "address"},
	{MMU_IN_TABLE | MMU_IN_LEAF, MMU_BITS(54, 60), MMU_ACTS, "reserved"},
	{MMU_IN_TABLE | MMU_IN_LEAF, MMU_BITS(61, 62), MMU_ACTS, "of Svpbmt, which is off"},
	{MMU_IN_TABLE | MMU_IN_LEAF, MMU_BITS(63, 63), MMU_ACTS, "of Svnapot, which is off"},
	{MMU_IN_NONE, V, MMU_LEADS, "valid"},
	{MMU_IN_NONE, ~V, MMU_IGNORED, "software's: the entry is not valid"},
	{0, 0, 0, NULL},
};
