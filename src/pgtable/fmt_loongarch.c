/*
 * LoongArch, 64 bits (LoongArch reference manual volume 1, 5.4 and 7.5): 4 KiB pages, 4 levels, one root for both halves of the addresses. docs/pgtable.md has every bit.
 *
 * This CPU's TLB is refilled by software, with two instructions that know the format: lddir goes down a level, ldpte loads leaves. An
 * entry that leads to a table is its bare address, so there is room for no bit beside it, and no table is at address 0. What lddir takes for a
 * leaf is told by HUGE. PRESENT, WRITE and MODIFIED are software's; hardware faults where V (accessed) or, at a store, D
 * (writable and modified) is clear, and software sets them. Bits from the width of addresses up to 60 are dropped when the TLB is
 * filled: 59, once devmap, is uffd-wp, and 58 soft-dirty.
 */
#include "pgtable/fmt.h"

#define V          (1ull << 0)
#define D          (1ull << 1)
#define PLV_USER   (0x3ull << 2) /* 0: for the supervisor */
#define CACHED     (0x1ull << 4) /* MAT: coherent cached */
#define HUGE       (1ull << 6)   /* above level 0: a leaf */
#define PRESENT    (1ull << 7)
#define WRITE      (1ull << 8)
#define MODIFIED   (1ull << 9)
#define PROTNONE   (1ull << 10)
#define SPECIAL    (1ull << 11)
#define ADDRESS    0x0000fffffffff000ull
#define SOFT_DIRTY (1ull << 58)
#define UFFD_WP    (1ull << 59)
#define NR         (1ull << 61)
#define NX         (1ull << 62)

static pt_entry leaf(unsigned level, unsigned flags)
{
	pt_entry e = CACHED | (level ? HUGE : 0);

	e |= flags & PT_PERMISSIONS ? PRESENT : PROTNONE;
	e |= flags & (PT_READ | PT_WRITE) ? 0 : NR;
	e |= flags & PT_WRITE ? WRITE : 0;
	e |= flags & PT_EXEC ? 0 : NX;
	e |= flags & PT_USER ? PLV_USER : 0;
	e |= flags & PT_YOUNG ? V : 0;
	if (flags & PT_DIRTY)
		e |= flags & PT_WRITE ? MODIFIED | D : MODIFIED;
	e |= flags & PT_SPECIAL ? SPECIAL : 0;
	e |= flags & PT_SOFT_DIRTY ? SOFT_DIRTY : 0;
	e |= flags & PT_UFFD_WP ? UFFD_WP : 0;
	return e;
}

static unsigned flags(unsigned level, pt_entry e)
{
	unsigned flags = 0;

	(void)level;
	if (e & PRESENT)
		flags = (e & NR ? 0 : PT_READ) | (e & WRITE ? PT_WRITE : 0) |
			(e & NX ? 0 : PT_EXEC);
	flags |= e & PLV_USER ? PT_USER : 0;
	flags |= e & V ? PT_YOUNG : 0;
	flags |= e & MODIFIED ? PT_DIRTY : 0;
	flags |= e & SPECIAL ? PT_SPECIAL : 0;
	flags |= e & SOFT_DIRTY ? PT_SOFT_DIRTY : 0;
	flags |= e & UFFD_WP ? PT_UFFD_WP : 0;
	return flags;
}

/* Tables take nothing away. */
static uint64_t limit(uint64_t limits, pt_entry e)
{
	(void)e;
	return limits;
}

/* There is no way to keep the supervisor from pages of users. */
static bool permits(pt_entry e, uint64_t limits, unsigned access)
{
	(void)limits;
	if ((access & PT_USER) && (e & PLV_USER) != PLV_USER)
		return false;
	if (access & PT_WRITE)
		return e & D;
	return !(e & (access & PT_EXEC ? NX : NR));
}

static pt_entry touch(pt_entry leaf, unsigned access)
{
	(void)access;
	return leaf;
}

const struct pt_fmt pt_loongarch = {
	.name = "LoongArch",
	.levels = 4,
	.index_bits = 9,
	.top_leaf = PT_PUD,
	.sign = true,
	.address_bits = 48,
	.address_shift = 0,
	.address = ADDRESS,
	.valid = PRESENT,
	.protnone = PROTNONE,
	.table_mask = HUGE,
	.table_value = 0,
	.table_bits = 0,
	.young = V,
	.special = SPECIAL,
	.soft_dirty = SOFT_DIRTY,
	.uffd_wp = UFFD_WP,
	.hardware_young = false,
	.hardware_dirty = false,
	.leaf = leaf,
	.flags = flags,
	.limit = limit,
	.permits = permits,
	.touch = touch,
};
