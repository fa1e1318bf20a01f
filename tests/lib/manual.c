#include "manual.h"

#include "test.h"

static struct manual bad(const char *why)
{
	return (struct manual){.kind = MANUAL_BAD, .bad = why};
}

static bool bit(pt_entry e, unsigned n)
{
	return e >> n & 1;
}

/* Bits high to low, in their place. */
static uint64_t bits(pt_entry e, unsigned high, unsigned low)
{
	uint64_t from = e >> low << low;

	return high == 63 ? from : from & ((1ull << (high + 1)) - 1);
}

/* ---- x86-64: Intel SDM volume 3, tables 4-15 to 4-20 ------------------------------------------ */

static struct manual x86_table(unsigned level, pt_entry e)
{
	if (level >= 3 && bit(e, 7))
		return bad("bit 7 is reserved");
	if (!bit(e, 1) || !bit(e, 2))
		return bad("a table that takes permissions away");
	if (bits(e, 4, 3) || bits(e, 11, 6) || bits(e, 63, 52))
		return bad("a table with a bit that nobody sets");
	return (struct manual){MANUAL_TABLE, bits(e, 51, 12), bit(e, 5) ? PT_YOUNG : 0, NULL};
}

static struct manual x86_leaf(pt_entry e)
{
	bool writable = bit(e, 1), saved_dirty = bit(e, 58);
	unsigned flags = 0;

	if (bit(e, 0))
		flags = PT_READ | (writable ? PT_WRITE : 0) | (bit(e, 63) ? 0 : PT_EXEC);
	else if (writable || !bit(e, 63))
		return bad("a leaf that permits nothing, with permissions");
	if (bit(e, 0) && bit(e, 8))
		return bad("global");
	if (bit(e, 6) && !writable)
		return bad("shadow stack");
	if (saved_dirty && writable)
		return bad("dirty twice");
	if (bits(e, 4, 3) || bits(e, 57, 52) || bits(e, 62, 59))
		return bad("a leaf with a bit that nobody sets");
	flags |= bit(e, 2) ? PT_USER : 0;
	flags |= bit(e, 5) ? PT_YOUNG : 0;
	flags |= bit(e, 6) || saved_dirty ? PT_DIRTY : 0;
	flags |= bit(e, 9) ? PT_SPECIAL : 0;
	flags |= bit(e, 10) ? PT_UFFD_WP : 0;
	flags |= bit(e, 11) ? PT_SOFT_DIRTY : 0;
	return (struct manual){MANUAL_LEAF, bits(e, 51, 12), flags, NULL};
}

static struct manual x86(unsigned level, pt_entry e)
{
	bool large = level && bit(e, 7);

	if (!bit(e, 0) && !bit(e, 8))
		return bad("not present, and nothing else");
	if (!level && bit(e, 7))
		return bad("PAT");
	if (level && !large)
		return bit(e, 0) ? x86_table(level, e) : bad("a table that is not present");
	if (level > 2)
		return bad("no leaf is that large");
	return x86_leaf(e);
}

/* ---- all -------------------------------------------------------------------------------------- */

#define ALL (PT_USER | PT_YOUNG | PT_DIRTY | PT_SPECIAL | PT_SOFT_DIRTY | PT_UFFD_WP)

static const struct {
	const struct pt_fmt *fmt;
	struct manual (*read)(unsigned level, pt_entry e);
	unsigned flags;
} readers[] = {
	{&pt_x86_64, x86, ALL},
	{&pt_x86_64_la57, x86, ALL},
};

/* Tiny ones have the functions of the format that they were made from. */
static unsigned reader(const struct pt_fmt *f)
{
	for (unsigned i = 0; i < ARRAY_SIZE(readers); i++)
		if (readers[i].fmt->leaf == f->leaf)
			return i;
	test_fail(__FILE__, __LINE__, "nobody read the manual of %s", f->name);
}

unsigned manual_flags(const struct pt_fmt *f)
{
	return readers[reader(f)].flags;
}

struct manual manual_read(const struct pt_fmt *f, unsigned level, pt_entry e)
{
	struct manual m;

	if (!e)
		return (struct manual){.kind = MANUAL_NONE};
	/* Bit 12: guard; bit 13: poison. */
	if (!level && !bits(e, 63, 14) && !bits(e, 11, 0))
		return (struct manual){MANUAL_MARKER, 0, (unsigned)e, NULL};
	m = readers[reader(f)].read(level, e);
	if (m.kind == MANUAL_LEAF && m.address % (4096ull << level * f->index_bits))
		return bad("a leaf that is not aligned");
	return m;
}
