/* What each format says in an entry is read back at every level; no bit of software's is one that hardware looks at; nothing is taken for something else. */
#include "base/err.h"
#include "tables.h"
#include "test.h"

#define FLAGS 0x200u /* combinations of flags */

/* Bits first to last. */
#define BITS(first, last) ((~0ull >> (63 - (last) + (first))) << (first))

/* By the manuals, not by the formats. */
static const struct format {
	const struct pt_fmt *fmt;
	uint64_t free_in_leaf, free_in_table; /* what hardware ignores */
	uint64_t saved_dirty; /* dirty, in a leaf that cannot be written; 0: hardware's own bit */
	uint64_t was_devmap;
	unsigned cannot; /* flags without a bit */
	unsigned top_leaf;
	bool exec_alone; /* without reading */
	bool hardware_ad, table_young;
} formats[] = {
#define X86 BITS(9, 11) | BITS(52, 58), BITS(8, 11) | BITS(52, 62), BITS(58, 58), BITS(57, 57)
	{&pt_x86_64, X86, 0, PT_PUD, false, true, true},
	{&pt_x86_64_la57, X86, 0, PT_PUD, false, true, true},
#define ARM BITS(55, 58) | BITS(63, 63), BITS(2, 11) | BITS(52, 58), BITS(55, 55), BITS(57, 57)
	{&pt_aarch64, ARM, 0, PT_PUD, false, true, false},
	{&pt_aarch64_soft, ARM, 0, PT_PUD, false, false, false},
#define RISCV BITS(8, 9), BITS(8, 9), 0, BITS(9, 9), PT_SOFT_DIRTY
	{&pt_sv39, RISCV, PT_PUD, true, true, false},
	{&pt_sv48, RISCV, PT_P4D, true, true, false},
	{&pt_sv57, RISCV, PT_PGD, true, true, false},
#define LOONG BITS(7, 11) | BITS(48, 60), 0, BITS(9, 9), BITS(59, 59)
	{&pt_loongarch, LOONG, 0, PT_PUD, true, false, false},
};

#define must_of(t, x) ((x) ? (void)0 : test_fail(__FILE__, __LINE__, "%s: %s", (t)->fmt->name, #x))

static unsigned said(const struct format *t, unsigned flags)
{
	if (flags & PT_WRITE || (flags & PT_EXEC && !t->exec_alone))
		flags |= PT_READ;
	return flags & ~t->cannot;
}

/* ---- leaves ---- */

static bool reserved(const struct pt_fmt *f, unsigned level, pt_entry e)
{
	uint64_t below = level ? pt_with_address(f, pt_bytes(f, level) - 1) : 0;

	return (e & (f->leaf_reserved | (f->misaligned & below))) ||
	       (f->malformed && f->malformed(level, e));
}

static void leaf_is_that(const struct format *t, unsigned level, unsigned flags, uint64_t address)
{
	const struct pt_fmt *f = t->fmt;
	pt_entry e = f->leaf(level, flags) | pt_with_address(f, address);

	must_of(t, f->flags(level, e) == said(t, flags));
	must_of(t, f->leaf(level, said(t, flags)) == f->leaf(level, flags));
	must_of(t, pt_leaf_address(f, e, level) == address);
	must_of(t, pt_is_leaf(f, e, level));
	must_of(t, !level || !pt_is_table(f, e));
	must_of(t, !pt_is_marker(e));
	must_of(t, !(e & f->unused));
	must_of(t, !reserved(f, level, pt_as_valid(f, e)));
	must_of(t, !(e & f->valid) == !(flags & PT_PERMISSIONS));
	must_of(t, !(e & f->valid) || !(flags & PT_YOUNG) == !(e & f->young));
}

static void leaves(const struct format *t)
{
	const struct pt_fmt *f = t->fmt;

	must_of(t, f->top_leaf == t->top_leaf);
	for (unsigned level = 0; level <= f->top_leaf; level++)
		for (unsigned flags = 0; flags < FLAGS; flags++) {
			leaf_is_that(t, level, flags, 0);
			for (unsigned bit = pt_shift(f, level); bit < f->address_bits; bit++)
				leaf_is_that(t, level, flags, 1ull << bit);
			leaf_is_that(t, level, flags,
				     (1ull << f->address_bits) - pt_bytes(f, level));
		}
}

/* ---- what software has for itself ---- */

static bool one_bit(uint64_t mask)
{
	return mask && !(mask & (mask - 1));
}

/* The bit is there when the flag is, hardware ignores it, and no other flag has it. */
static void one_flag(const struct format *t, uint64_t bit, unsigned flag, uint64_t *taken)
{
	const struct pt_fmt *f = t->fmt;

	must_of(t, !bit == !!(t->cannot & flag));
	if (!bit)
		return;
	must_of(t, one_bit(bit) && !(bit & ~t->free_in_leaf) && !(bit & *taken));
	*taken |= bit;
	for (unsigned flags = 0; flags < FLAGS; flags++)
		must_of(t, (f->leaf(0, flags ^ flag) ^ f->leaf(0, flags)) == bit);
}

static void software_bits(const struct format *t)
{
	const struct pt_fmt *f = t->fmt;
	uint64_t taken = t->saved_dirty | f->unused;

	one_flag(t, f->special, PT_SPECIAL, &taken);
	one_flag(t, f->soft_dirty, PT_SOFT_DIRTY, &taken);
	one_flag(t, f->uffd_wp, PT_UFFD_WP, &taken);
	must_of(t, !(taken & ~t->free_in_leaf));
	must_of(t, (taken & t->was_devmap) == t->was_devmap);
	if (t->saved_dirty)
		must_of(t,
			(f->leaf(0, PT_READ | PT_DIRTY) ^ f->leaf(0, PT_READ)) == t->saved_dirty);
	must_of(t, !(f->foreign & ~t->free_in_table));
	must_of(t, !f->foreign == !t->free_in_table);
}

/* ---- the rest ---- */

static void tables_are_that(const struct format *t)
{
	const struct pt_fmt *f = t->fmt;
	uint64_t also[] = {0, f->table_young, f->foreign, f->table_young | f->foreign};

	must_of(t, !f->table_young == !t->table_young);
	for (unsigned bit = PAGE_SHIFT; bit < f->address_bits; bit++)
		for (unsigned i = 0; i < ARRAY_SIZE(also); i++) {
			pt_entry e = f->table_bits | pt_with_address(f, 1ull << bit) | also[i];

			must_of(t, pt_is_table(f, e));
			must_of(t, pt_address(f, e) == 1ull << bit);
			must_of(t, !(e & (f->table_reserved | f->unused)));
			must_of(t, f->limit(f->no_limit, e) == f->no_limit);
			for (unsigned level = 1; level < f->levels; level++)
				must_of(t, !pt_is_leaf(f, e, level));
		}
	must_of(t, !pt_is_table(f, 0) && !pt_is_leaf(f, 0, 0) && !pt_is_leaf(f, 0, 1));
}

static void markers(const struct format *t)
{
	const pt_entry kinds[] = {PT_GUARD, PT_POISON, PT_GUARD | PT_POISON};

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		must_of(t, pt_is_marker(kinds[i]));
		must_of(t, !(kinds[i] & (t->fmt->valid | t->fmt->protnone)));
		must_of(t, !pt_is_leaf(t->fmt, kinds[i], 0));
	}
}

/* What hardware permits and sets is what the flags say. */
static void accesses(const struct format *t)
{
	const struct pt_fmt *f = t->fmt;

	for (unsigned flags = 1; flags < FLAGS; flags++) {
		pt_entry e = f->leaf(0, flags), none = f->no_limit;
		unsigned has = said(t, flags), needs = PT_WRITE | (t->hardware_ad ? 0 : PT_DIRTY);
		unsigned made = t->hardware_ad ? PT_YOUNG : 0;

		if (!(has & PT_PERMISSIONS))
			continue;
		must_of(t, f->permits(e, none, PT_READ) == !!(has & PT_READ));
		must_of(t, f->permits(e, none, PT_WRITE) == ((has & needs) == needs));
		must_of(t, f->permits(e, none, PT_READ | PT_USER) ==
				   ((has & PT_READ) && (has & PT_USER)));
		must_of(t, f->permits(e, none, PT_EXEC | PT_USER) ==
				   ((has & PT_EXEC) && (has & PT_USER)));
		must_of(t, (has & PT_USER) || f->permits(e, none, PT_EXEC) == !!(has & PT_EXEC));
		must_of(t, f->flags(0, f->touch(e, PT_READ)) == (has | made));
		if (has & PT_WRITE)
			must_of(t, f->flags(0, f->touch(e, PT_WRITE)) ==
					   (has | made | (made ? PT_DIRTY : 0)));
		must_of(t, f->leaf(0, f->flags(0, f->touch(e, PT_READ))) == f->touch(e, PT_READ));
	}
}

static void what_it_cannot(const struct format *t)
{
	struct tables tables;
	struct pt *pt = &tables.pt;
	const struct pt_change change = {.set = t->cannot};
	struct pt refused;

	must_of(t, pt_can(t->fmt) == (FLAGS - 1 - t->cannot));
	must_of(t, t->fmt->hardware_young == t->hardware_ad &&
			   t->fmt->hardware_dirty == t->hardware_ad);
	tables_make(&tables, t->fmt, 16, 16);
	must_be(pt_map(pt, 0x1000, 0, 1, PT_READ, PT_PTE), 0);
	must_be(pt_map(pt, 0x3000, 0, 1, FLAGS, PT_PTE), -PF_EPTCAN);
	if (t->cannot) {
		must_be(pt_map(pt, 0x2000, 0, 1, PT_READ | t->cannot, PT_PTE), -PF_EPTCAN);
		must_be(pt_insert(pt, 0x2000, PT_PTE, 0, PT_READ | t->cannot), -PF_EPTCAN);
		must_be(pt_change(pt, 0x1000, 1, &change, NULL), -PF_EPTCAN);
		must_be(pt_clear_soft_dirty(pt, 0x1000, 1), -PF_EPTCAN);
	}
	refused = *pt;
	refused.physical_bits = 20;
	must_be(pt_make(&refused), -PF_EPTADDRESS);
	refused.physical_bits = 0;
	refused.media_base = 1ull << t->fmt->address_bits;
	must_be(pt_make(&refused), -PF_EPTADDRESS);
	refused.media_base = 0;
	refused.table_base = 0;
	if (!t->fmt->table_bits)
		must_be(pt_make(&refused), -PF_EPTADDRESS);
	must_be(pt_destroy(pt, NULL), 0);
	tables_end(&tables);
}

int main(void)
{
	must_be(ARRAY_SIZE(formats), tables_format_count);
	for (unsigned i = 0; i < ARRAY_SIZE(formats); i++) {
		leaves(&formats[i]);
		software_bits(&formats[i]);
		tables_are_that(&formats[i]);
		markers(&formats[i]);
		accesses(&formats[i]);
		what_it_cannot(&formats[i]);
	}
	return 0;
}
