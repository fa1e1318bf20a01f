/*
 * x86-64, 4 and 5 levels (Intel SDM volume 3, 4.5). docs/pgtable.md has every bit.
 *
 * A leaf that is dirty and not writable would be shadow stack to a CPU that has it: then the hardware's dirty bit is
 * clear and SAVED_DIRTY is set. The same bit in an entry of the root is `foreign`. Bit 57, once devmap, is free.
 */
#include "pgtable/fmt.h"

#define P           (1ull << 0)
#define RW          (1ull << 1)
#define US          (1ull << 2)
#define A           (1ull << 5)
#define D           (1ull << 6)
#define PS          (1ull << 7) /* above level 0: a leaf */
#define G           (1ull << 8) /* without P: protnone */
#define SPECIAL     (1ull << 9)
#define UFFD_WP     (1ull << 10)
#define SOFT_DIRTY  (1ull << 11)
#define PAT         (1ull << 12) /* of a leaf above level 0: no bit of its address */
#define ADDRESS     0x000ffffffffff000ull
#define FREED       (1ull << 57)
#define SAVED_DIRTY (1ull << 58)
#define NX          (1ull << 63)

static pt_entry leaf(unsigned level, unsigned flags)
{
	pt_entry e = level ? PS : 0;

	e |= flags & PT_PERMISSIONS ? P : G;
	e |= flags & PT_WRITE ? RW : 0;
	e |= flags & PT_EXEC ? 0 : NX;
	e |= flags & PT_USER ? US : 0;
	e |= flags & PT_YOUNG ? A : 0;
	e |= flags & PT_DIRTY ? (flags & PT_WRITE ? D : SAVED_DIRTY) : 0;
	e |= flags & PT_SPECIAL ? SPECIAL : 0;
	e |= flags & PT_SOFT_DIRTY ? SOFT_DIRTY : 0;
	e |= flags & PT_UFFD_WP ? UFFD_WP : 0;
	return e;
}

static unsigned flags(unsigned level, pt_entry e)
{
	unsigned flags = 0;

	(void)level;
	if (e & P)
		flags = PT_READ | (e & RW ? PT_WRITE : 0) | (e & NX ? 0 : PT_EXEC);
	flags |= e & US ? PT_USER : 0;
	flags |= e & A ? PT_YOUNG : 0;
	flags |= e & (D | SAVED_DIRTY) ? PT_DIRTY : 0;
	flags |= e & SPECIAL ? PT_SPECIAL : 0;
	flags |= e & SOFT_DIRTY ? PT_SOFT_DIRTY : 0;
	flags |= e & UFFD_WP ? PT_UFFD_WP : 0;
	return flags;
}

/* Writable and for users only if every entry says so; not executable if one does. */
static uint64_t limit(uint64_t limits, pt_entry e)
{
	return (limits & e & (RW | US)) | ((limits | e) & NX);
}

/* With CR0.WP and EFER.NXE set. */
static bool permits(pt_entry leaf, uint64_t limits, unsigned access)
{
	pt_entry e = limit(limits, leaf);

	if (access & PT_USER ? !(e & US) : (e & US) && (access & PT_STRICT))
		return false;
	if (access & PT_WRITE)
		return e & RW;
	return !(access & PT_EXEC) || !(e & NX);
}

static pt_entry touch(pt_entry leaf, unsigned access)
{
	return leaf | A | (access & PT_WRITE ? D : 0);
}

#define X86_64(a_name, a_levels)                                                               \
	{                                                                                      \
		.name = a_name, .levels = a_levels, .index_bits = 9, .top_leaf = PT_PUD,       \
		.sign = true, .address_bits = 52, .address_shift = 0, .address = ADDRESS,      \
		.valid = P, .protnone = G, .table_mask = P | PS, .table_value = P,             \
		.table_bits = P | RW | US, .misaligned = ADDRESS & ~PAT, .width_faults = true, \
		.young = A, .table_young = A, .special = SPECIAL, .soft_dirty = SOFT_DIRTY,    \
		.uffd_wp = UFFD_WP, .foreign = SAVED_DIRTY, .unused = FREED,                   \
		.hardware_young = true, .hardware_dirty = true, .leaf = leaf, .flags = flags,  \
		.no_limit = RW | US, .limit = limit, .permits = permits, .touch = touch,       \
	}

const struct pt_fmt pt_x86_64 = X86_64("x86-64", 4);
const struct pt_fmt pt_x86_64_la57 = X86_64("x86-64 with 5 levels", 5);
