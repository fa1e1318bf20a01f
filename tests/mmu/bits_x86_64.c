/* x86-64: Intel SDM volume 3, 4.5; with CR4.PGE, CR4.PKE and CR4.CET clear, EFER.NXE set. */
#include "bits.h"

#define P  MMU_BITS(0, 0)
#define RW MMU_BITS(1, 1)
#define US MMU_BITS(2, 2)
#define A  MMU_BITS(5, 5)
#define D  MMU_BITS(6, 6)
#define PS MMU_BITS(7, 7)
#define NX MMU_BITS(63, 63)

const struct mmu_bits mmu_bits_x86_64[] = {
	{MMU_IN_TABLE | MMU_IN_LEAF, P, MMU_LEADS, "present"},
	{MMU_IN_TABLE, RW | US | NX, MMU_RESTRICTS, "permissions"},
	{MMU_IN_LEAF, RW | US | NX, MMU_ACTS, "permissions"},
	{MMU_IN_TABLE | MMU_IN_LEAF, MMU_BITS(3, 4), MMU_UNJUDGED, "how memory is cached"},
	{MMU_IN_TABLE | MMU_IN_LEAF, A, MMU_ACTS, "accessed"},
	{MMU_IN_TABLE, D, MMU_IGNORED, "of leaves only"},
	{MMU_IN_LEAF, D, MMU_ACTS, "dirty"},
	{MMU_IN_TABLE | MMU_IN_LARGE, PS, MMU_LEADS, "leaf or table"},
	{MMU_IN_PTE, PS, MMU_UNJUDGED, "how memory is cached"},
	{MMU_IN_TABLE, MMU_BITS(8, 8), MMU_UNJUDGED,
	 "Intel's ignore it; AMD's fault on it in upper levels"},
	{MMU_IN_TABLE, MMU_BITS(9, 11), MMU_IGNORED, "software's"},
	{MMU_IN_LEAF, MMU_BITS(8, 8), MMU_UNJUDGED, "global: survives what nothing here flushes"},
	{MMU_IN_LEAF, MMU_BITS(9, 11), MMU_IGNORED, "software's"},
	{MMU_IN_TABLE | MMU_IN_PTE, MMU_BITS(12, 51), MMU_LEADS, "address"},
	{MMU_IN_LARGE, MMU_BITS(12, 12), MMU_UNJUDGED, "how memory is cached"},
	{MMU_IN_PMD, MMU_BITS(13, 20), MMU_ACTS, "reserved"},
	{MMU_IN_PMD, MMU_BITS(21, 51), MMU_LEADS, "address"},
	{MMU_IN_PUD, MMU_BITS(13, 29), MMU_ACTS, "reserved"},
	{MMU_IN_PUD, MMU_BITS(30, 51), MMU_LEADS, "address"},
	{MMU_IN_TABLE | MMU_IN_LEAF, MMU_BITS(52, 58), MMU_IGNORED, "software's"},
	{MMU_IN_TABLE, MMU_BITS(59, 62), MMU_IGNORED, "software's"},
	{MMU_IN_LEAF, MMU_BITS(59, 62), MMU_IGNORED, "protection keys, which are off"},
	{MMU_IN_NONE, P, MMU_LEADS, "present"},
	{MMU_IN_NONE, ~P, MMU_IGNORED, "software's: the entry is not present"},
	{0, 0, 0, NULL},
};
