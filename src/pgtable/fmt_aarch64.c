/*
 * AArch64, stage 1 for EL1 and EL0 (Arm ARM, D8): 4 KiB granule, 4 levels, 48 bits, the half that TTBR0 translates. Manuals count levels from the root:
 * their level 3 is our 0. docs/pgtable.md has every bit.
 *
 * Dirty is the absence of RO, AP[2]: a leaf that may be written has DBM, and RO until somebody writes to it; then hardware takes RO away.
 * A leaf that is dirty and not writable has SAVED_DIRTY. The same bit in an entry of the root is `foreign`. Bit 57, once devmap, is soft-dirty.
 * Neither mode may execute pages of the other.
 *
 * A CPU without hardware management of these two bits (FEAT_HAFDBS), or with it switched off, ignores DBM, and faults where AF is clear: the
 * second descriptor. There, software sets AF and takes RO away, by what flags() says.
 */
#include "pgtable/fmt.h"

#define VALID       (1ull << 0)
#define TYPE        (1ull << 1)   /* a table; at level 0 a page. Without it: a block */
#define EL0         (1ull << 6)   /* AP[1] */
#define RO          (1ull << 7)   /* AP[2] */
#define INNER       (0x3ull << 8) /* SH: inner shareable. AttrIndx is 0: normal memory */
#define AF          (1ull << 10)
#define NG          (1ull << 11) /* of one address space. Without VALID: protnone */
#define ADDRESS     0x0000fffffffff000ull
#define DBM         (1ull << 51)
#define PXN         (1ull << 53)
#define UXN         (1ull << 54)
#define SAVED_DIRTY (1ull << 55)
#define SPECIAL     (1ull << 56)
#define SOFT_DIRTY  (1ull << 57)
#define UFFD_WP     (1ull << 58)

/* In an entry that leads to a table: what nothing below it may do. */
#define NO_EXEC_EL1 (1ull << 59)
#define NO_EXEC_EL0 (1ull << 60)
#define NO_EL0      (1ull << 61)
#define NO_WRITE    (1ull << 62)
#define LIMITS      (NO_EXEC_EL1 | NO_EXEC_EL0 | NO_EL0 | NO_WRITE)

static pt_entry leaf(unsigned level, unsigned flags)
{
	pt_entry e = INNER | NG | RO | PXN | UXN | (level ? 0 : TYPE);

	e |= flags & PT_PERMISSIONS ? VALID : 0;
	e |= flags & PT_USER ? EL0 : 0;
	if (flags & PT_EXEC)
		e ^= flags & PT_USER ? UXN : PXN;
	if (flags & PT_WRITE)
		e |= DBM;
	if (flags & PT_DIRTY)
		e ^= flags & PT_WRITE ? RO : SAVED_DIRTY;
	e |= flags & PT_YOUNG ? AF : 0;
	e |= flags & PT_SPECIAL ? SPECIAL : 0;
	e |= flags & PT_SOFT_DIRTY ? SOFT_DIRTY : 0;
	e |= flags & PT_UFFD_WP ? UFFD_WP : 0;
	return e;
}

static unsigned flags(unsigned level, pt_entry e)
{
	unsigned flags = 0;

	(void)level;
	if (e & VALID)
		flags = PT_READ | ((e & DBM) || !(e & RO) ? PT_WRITE : 0) |
			(e & (e & EL0 ? UXN : PXN) ? 0 : PT_EXEC);
	flags |= e & EL0 ? PT_USER : 0;
	flags |= e & AF ? PT_YOUNG : 0;
	flags |= !(e & RO) || (e & SAVED_DIRTY) ? PT_DIRTY : 0;
	flags |= e & SPECIAL ? PT_SPECIAL : 0;
	flags |= e & SOFT_DIRTY ? PT_SOFT_DIRTY : 0;
	flags |= e & UFFD_WP ? PT_UFFD_WP : 0;
	return flags;
}

static bool malformed(unsigned level, pt_entry leaf)
{
	return !level && !(leaf & TYPE);
}

static uint64_t limit(uint64_t limits, pt_entry e)
{
	return limits | (e & LIMITS);
}

/* What EL0 may write, EL1 does not execute. EL0 may execute what it may not read. */
static bool permits_fetch(pt_entry e, uint64_t limits, bool el0_writes, unsigned access)
{
	if (access & PT_USER)
		return !(e & UXN) && !(limits & NO_EXEC_EL0);
	return !(e & PXN) && !(limits & NO_EXEC_EL1) && !el0_writes;
}

static bool permits_if(pt_entry e, uint64_t limits, unsigned access, bool writable)
{
	bool el0 = (e & EL0) && !(limits & NO_EL0);

	writable &= !(limits & NO_WRITE);
	if (access & PT_EXEC)
		return permits_fetch(e, limits, el0 && writable, access);
	if (access & PT_USER ? !el0 : el0 && (access & PT_STRICT))
		return false;
	return !(access & PT_WRITE) || writable;
}

static bool permits(pt_entry e, uint64_t limits, unsigned access)
{
	return permits_if(e, limits, access, (e & DBM) || !(e & RO));
}

static bool permits_soft(pt_entry e, uint64_t limits, unsigned access)
{
	return permits_if(e, limits, access, !(e & RO));
}

static pt_entry touch(pt_entry leaf, unsigned access)
{
	leaf |= AF;
	return (access & PT_WRITE) && (leaf & DBM) ? leaf & ~RO : leaf;
}

static pt_entry touch_soft(pt_entry leaf, unsigned access)
{
	(void)access;
	return leaf;
}

#define AARCH64(a_name, a_hardware, a_permits, a_touch)                                          \
	{                                                                                        \
		.name = a_name, .levels = 4, .index_bits = 9, .top_leaf = PT_PUD, .sign = false, \
		.address_bits = 48, .address_shift = 0, .address = ADDRESS, .valid = VALID,      \
		.protnone = NG, .table_mask = VALID | TYPE, .table_value = VALID | TYPE,         \
		.table_bits = VALID | TYPE, .width_faults = true, .malformed = malformed,        \
		.young = AF, .special = SPECIAL, .soft_dirty = SOFT_DIRTY, .uffd_wp = UFFD_WP,   \
		.foreign = SAVED_DIRTY, .hardware_young = a_hardware,                            \
		.hardware_dirty = a_hardware, .leaf = leaf, .flags = flags, .no_limit = 0,       \
		.limit = limit, .permits = a_permits, .touch = a_touch,                          \
	}

const struct pt_fmt pt_aarch64 = AARCH64("AArch64", true, permits, touch);
const struct pt_fmt pt_aarch64_soft =
	AARCH64("AArch64 with accessed and dirty by software", false, permits_soft, touch_soft);
