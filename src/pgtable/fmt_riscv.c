/*
 * RISC-V, Sv39, Sv48 and Sv57 (privileged architecture, 12.4 and 12.5), with accessed and dirty set by hardware (Svadu). docs/pgtable.md has every bit.
 *
 * A valid entry with none of R, W and X leads to a table, at any level; so a leaf that permits nothing keeps R, without V. D may stay set where W
 * is clear: it is the dirty bit of both. Bit 9, once devmap, is uffd-wp. There is no bit for soft-dirty: what is left is reserved for
 * extensions, and hardware faults on it. Bit 8 is `special` in a leaf, and `foreign` in an entry of the root.
 */
#include "pgtable/fmt.h"

#define V        (1ull << 0)
#define R        (1ull << 1)
#define W        (1ull << 2)
#define X        (1ull << 3)
#define U        (1ull << 4)
#define G        (1ull << 5) /* without V: protnone */
#define A        (1ull << 6)
#define D        (1ull << 7)
#define SPECIAL  (1ull << 8)
#define UFFD_WP  (1ull << 9)
#define ADDRESS  0x003ffffffffffc00ull
#define RESERVED 0xffc0000000000000ull /* N, PBMT, and what nobody has defined */

static pt_entry leaf(unsigned level, unsigned flags)
{
	pt_entry e = flags & PT_PERMISSIONS ? V : G | R;

	(void)level;
	e |= flags & PT_READ ? R : 0;
	e |= flags & PT_WRITE ? R | W : 0; /* W alone is reserved */
	e |= flags & PT_EXEC ? X : 0;
	e |= flags & PT_USER ? U : 0;
	e |= flags & PT_YOUNG ? A : 0;
	e |= flags & PT_DIRTY ? D : 0;
	e |= flags & PT_SPECIAL ? SPECIAL : 0;
	e |= flags & PT_UFFD_WP ? UFFD_WP : 0;
	return e;
}

static unsigned flags(unsigned level, pt_entry e)
{
	unsigned flags = 0;

	(void)level;
	if (e & V)
		flags = (e & R ? PT_READ : 0) | (e & W ? PT_WRITE : 0) | (e & X ? PT_EXEC : 0);
	flags |= e & U ? PT_USER : 0;
	flags |= e & A ? PT_YOUNG : 0;
	flags |= e & D ? PT_DIRTY : 0;
	flags |= e & SPECIAL ? PT_SPECIAL : 0;
	flags |= e & UFFD_WP ? PT_UFFD_WP : 0;
	return flags;
}

/* A table below the last level; what may be written and not read. */
static bool malformed(unsigned level, pt_entry leaf)
{
	(void)level;
	return !(leaf & (R | W | X)) || (leaf & (R | W)) == W;
}

/* Tables take nothing away. */
static uint64_t limit(uint64_t limits, pt_entry e)
{
	(void)e;
	return limits;
}

/* With MXR clear. The supervisor never executes pages of users. */
static bool permits(pt_entry e, uint64_t limits, unsigned access)
{
	(void)limits;
	if (access & PT_USER ? !(e & U) : (e & U) && (access & (PT_EXEC | PT_STRICT)))
		return false;
	if (access & PT_EXEC)
		return e & X;
	return e & (access & PT_WRITE ? W : R);
}

static pt_entry touch(pt_entry leaf, unsigned access)
{
	return leaf | A | (access & PT_WRITE ? D : 0);
}

#define RISCV(a_name, a_levels)                                                                \
	{                                                                                      \
		.name = a_name, .levels = a_levels, .index_bits = 9, .top_leaf = a_levels - 1, \
		.sign = true, .address_bits = 56, .address_shift = 2, .address = ADDRESS,      \
		.valid = V, .protnone = G, .table_mask = V | R | W | X, .table_value = V,      \
		.table_bits = V, .table_reserved = RESERVED | D | A | U,                       \
		.leaf_reserved = RESERVED, .misaligned = ADDRESS, .malformed = malformed,      \
		.young = A, .special = SPECIAL, .uffd_wp = UFFD_WP, .foreign = SPECIAL,        \
		.hardware_young = true, .hardware_dirty = true, .leaf = leaf, .flags = flags,  \
		.limit = limit, .permits = permits, .touch = touch,                            \
	}

const struct pt_fmt pt_sv39 = RISCV("RISC-V Sv39", 3);
const struct pt_fmt pt_sv48 = RISCV("RISC-V Sv48", 4);
const struct pt_fmt pt_sv57 = RISCV("RISC-V Sv57", 5);
