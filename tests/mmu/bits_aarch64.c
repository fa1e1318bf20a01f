/* AArch64: Arm ARM D8.3, stage 1 of EL1 and EL0 outside the secure world, 4 KiB granule, 48 bits; accessed and dirty set by hardware, or by software. */
#include "bits.h"

#define VALID  MMU_BITS(0, 0)
#define TYPE   MMU_BITS(1, 1)
#define ATTR   MMU_BITS(2, 4)
#define NS     MMU_BITS(5, 5)
#define AP     MMU_BITS(6, 7)
#define SH     MMU_BITS(8, 9)
#define AF     MMU_BITS(10, 10)
#define NG     MMU_BITS(11, 11)
#define GP     MMU_BITS(50, 50)
#define DBM    MMU_BITS(51, 51)
#define CONTIG MMU_BITS(52, 52)
#define XN     MMU_BITS(53, 54)

/* Where the manual says RES0. */
static const char must_be_0[] = "must be 0, and nothing has to look";

/* All but DBM. */
#define ROWS                                                                                    \
	{MMU_IN_TABLE | MMU_IN_LEAF, VALID, MMU_ACTS, "valid"},                                 \
		{MMU_IN_TABLE | MMU_IN_LARGE, TYPE, MMU_LEADS, "leaf or table"},                \
		{MMU_IN_PTE, TYPE, MMU_ACTS, "a page; without it nothing"},                     \
		{MMU_IN_TABLE, MMU_BITS(2, 11), MMU_IGNORED, "software's"},                     \
		{MMU_IN_TABLE, MMU_BITS(12, 47), MMU_LEADS, "address"},                         \
		{MMU_IN_TABLE, MMU_BITS(48, 50), MMU_UNJUDGED, must_be_0},                      \
		{MMU_IN_TABLE, MMU_BITS(51, 58), MMU_IGNORED, "software's"},                    \
		{MMU_IN_TABLE, MMU_BITS(59, 62), MMU_RESTRICTS, "PXNTable, UXNTable, APTable"}, \
		{MMU_IN_TABLE, MMU_BITS(63, 63), MMU_IGNORED, "NSTable, of the secure world"},  \
		{MMU_IN_LEAF, ATTR, MMU_UNJUDGED, "how memory is cached"},                      \
		{MMU_IN_LEAF, NS, MMU_IGNORED, "of the secure world"},                          \
		{MMU_IN_LEAF, AP, MMU_ACTS, "permissions"},                                     \
		{MMU_IN_LEAF, SH, MMU_UNJUDGED, "how memory is shared"},                        \
		{MMU_IN_LEAF, AF, MMU_ACTS, "accessed"},                                        \
		{MMU_IN_LEAF, NG, MMU_UNJUDGED,                                                 \
		 "not global: nothing here tells address spaces apart"},                        \
		{MMU_IN_PTE, MMU_BITS(12, 47), MMU_LEADS, "address"},                           \
		{MMU_IN_PMD, MMU_BITS(12, 20), MMU_UNJUDGED, must_be_0},                        \
		{MMU_IN_PMD, MMU_BITS(21, 47), MMU_LEADS, "address"},                           \
		{MMU_IN_PUD, MMU_BITS(12, 29), MMU_UNJUDGED, must_be_0},                        \
		{MMU_IN_PUD, MMU_BITS(30, 47), MMU_LEADS, "address"},                           \
		{MMU_IN_LEAF, MMU_BITS(48, 49), MMU_UNJUDGED, must_be_0},                       \
		{MMU_IN_LEAF, GP, MMU_UNJUDGED, "where branches may go: these here are none"},  \
		{MMU_IN_LEAF, CONTIG, MMU_UNJUDGED, "a hint"},                                  \
		{MMU_IN_LEAF, XN, MMU_ACTS, "permissions"},                                     \
		{MMU_IN_LEAF, MMU_BITS(55, 58), MMU_IGNORED, "software's"},                     \
		{MMU_IN_LEAF, MMU_BITS(59, 63), MMU_IGNORED, "of features that are off"},       \
		{MMU_IN_NONE, VALID, MMU_LEADS, "valid"},                                       \
		{MMU_IN_NONE, ~VALID, MMU_IGNORED, "software's: the entry is not valid"},

const struct mmu_bits mmu_bits_aarch64[] = {
	ROWS{MMU_IN_LEAF, DBM, MMU_ACTS, "hardware may make it writable"},
	{0, 0, 0, NULL},
};

const struct mmu_bits mmu_bits_aarch64_soft[] = {
	ROWS{MMU_IN_LEAF, DBM, MMU_IGNORED, "of a feature that is off"},
	{0, 0, 0, NULL},
};
