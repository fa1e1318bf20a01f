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

/* ---- AArch64: Arm ARM, D8.3, VMSAv8-64 descriptors of stage 1 with a granule of 4 KiB -------------- */

static struct manual arm_table(pt_entry e)
{
	if (bits(e, 11, 2) || bits(e, 63, 48))
		return bad("a table with a bit that nobody sets");
	return (struct manual){MANUAL_TABLE, bits(e, 47, 12), 0, NULL};
}

static struct manual arm_leaf(pt_entry e)
{
	bool user = bit(e, 6), read_only = bit(e, 7), modifier = bit(e, 51), saved = bit(e, 55);
	bool pxn = bit(e, 53), uxn = bit(e, 54);
	unsigned flags = 0;

	if (bits(e, 5, 2) || bits(e, 9, 8) != 3ull << 8 || !bit(e, 11))
		return bad("not inner shareable normal memory of one address space");
	if (bits(e, 50, 48) || bit(e, 52) || bits(e, 63, 59))
		return bad("a leaf with a bit that nobody sets");
	if (user ? !pxn : !uxn)
		return bad("the other mode may execute it");
	if (bit(e, 0))
		flags = PT_READ | (modifier ? PT_WRITE : 0) | (pxn && uxn ? 0 : PT_EXEC);
	else if (modifier || !pxn || !uxn)
		return bad("a leaf that permits nothing, with permissions");
	if (!read_only && !modifier)
		return bad("dirty state that hardware would not manage");
	if (saved && modifier)
		return bad("dirty by software, and writable");
	flags |= user ? PT_USER : 0;
	flags |= bit(e, 10) ? PT_YOUNG : 0;
	flags |= !read_only || saved ? PT_DIRTY : 0;
	flags |= bit(e, 56) ? PT_SPECIAL : 0;
	flags |= bit(e, 57) ? PT_SOFT_DIRTY : 0;
	flags |= bit(e, 58) ? PT_UFFD_WP : 0;
	return (struct manual){MANUAL_LEAF, bits(e, 47, 12), flags, NULL};
}

static struct manual arm(unsigned level, pt_entry e)
{
	if (level && bit(e, 0) && bit(e, 1))
		return arm_table(e);
	if (level ? bit(e, 1) : !bit(e, 1))
		return bad("a page above the last level, or a block there");
	if (level > 2)
		return bad("no block is that large");
	return arm_leaf(e);
}

/* ---- RISC-V: privileged architecture, Sv39, Sv48, Sv57 --------------------------------------------- */

static struct manual riscv(unsigned level, pt_entry e)
{
	bool v = bit(e, 0), r = bit(e, 1), w = bit(e, 2), x = bit(e, 3);
	uint64_t address = bits(e, 53, 10) << 2;
	unsigned flags = 0;

	if (bits(e, 63, 54))
		return bad("reserved bits");
	if (v && !r && !w && !x) {
		if (!level || bits(e, 9, 4))
			return bad("a table with a bit that nobody sets");
		return (struct manual){MANUAL_TABLE, address, 0, NULL};
	}
	if (level > 2)
		return bad("no leaf is that large");
	if (v ? bit(e, 5) || (w && !r) : !bit(e, 5) || !r || w || x)
		return bad("neither a leaf nor one that permits nothing");
	if (v)
		flags = (r ? PT_READ : 0) | (w ? PT_WRITE : 0) | (x ? PT_EXEC : 0);
	flags |= bit(e, 4) ? PT_USER : 0;
	flags |= bit(e, 6) ? PT_YOUNG : 0;
	flags |= bit(e, 7) ? PT_DIRTY : 0;
	flags |= bit(e, 8) ? PT_SPECIAL : 0;
	flags |= bit(e, 9) ? PT_UFFD_WP : 0;
	return (struct manual){MANUAL_LEAF, address, flags, NULL};
}

/* ---- LoongArch: reference manual volume 1, 5.4.2, table 5.4; the bits that lddir and ldpte leave to software are ours ---- */

static struct manual loongarch_leaf(pt_entry e)
{
	bool present = bit(e, 7), w = bit(e, 8), modified = bit(e, 9), nr = bit(e, 61);
	bool nx = bit(e, 62);
	unsigned flags = 0;

	if (bits(e, 5, 4) != 1ull << 4 || (bits(e, 3, 2) && bits(e, 3, 2) != 3ull << 2))
		return bad("not coherent cached memory of user or supervisor");
	if (bits(e, 57, 48) || bit(e, 60) || bit(e, 63))
		return bad("a leaf with a bit that nobody sets");
	if (present == bit(e, 10) || (!present && (w || !nr || !nx)))
		return bad("neither a leaf nor one that permits nothing");
	if (bit(e, 1) != (w && modified))
		return bad("stores go through unseen, or not at all");
	if (present)
		flags = (nr ? 0 : PT_READ) | (w ? PT_WRITE : 0) | (nx ? 0 : PT_EXEC);
	flags |= bit(e, 2) ? PT_USER : 0;
	flags |= bit(e, 0) ? PT_YOUNG : 0;
	flags |= modified ? PT_DIRTY : 0;
	flags |= bit(e, 11) ? PT_SPECIAL : 0;
	flags |= bit(e, 58) ? PT_SOFT_DIRTY : 0;
	flags |= bit(e, 59) ? PT_UFFD_WP : 0;
	return (struct manual){MANUAL_LEAF, bits(e, 47, 12), flags, NULL};
}

static struct manual loongarch(unsigned level, pt_entry e)
{
	if (level && !bit(e, 6)) {
		if (bits(e, 11, 0) || bits(e, 63, 48))
			return bad("a table's entry is its address");
		return (struct manual){MANUAL_TABLE, e, 0, NULL};
	}
	if (level > 2 || (!level && bit(e, 6)))
		return bad("a large leaf where none is, or global");
	return loongarch_leaf(e);
}

/* ---- all -------------------------------------------------------------------------------------- */

#define ALL (PT_USER | PT_YOUNG | PT_DIRTY | PT_SPECIAL | PT_SOFT_DIRTY | PT_UFFD_WP)

static const struct {
	const struct pt_fmt *fmt;
	struct manual (*read)(unsigned level, pt_entry e);
	unsigned flags;
} readers[] = {
	{&pt_x86_64, x86, ALL},
	{&pt_aarch64, arm, ALL},
	{&pt_sv39, riscv, ALL & ~PT_SOFT_DIRTY},
	{&pt_loongarch, loongarch, ALL},
};

/* All of one CPU have its functions, tiny ones too. */
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
