/* pt_translate() says of each kind of entry, at each level, what the CPU's manual says: outcome, level, address, and which bits hardware leaves set. */
#include <string.h>

#include "base/err.h"
#include "tables.h"
#include "test.h"

#define VA   0x12345678000ull
#define VA39 0x1345678000ull

#define R  PT_READ
#define W  PT_WRITE
#define X  PT_EXEC
#define U  PT_USER
#define S  PT_STRICT
#define A  PT_YOUNG
#define D  PT_DIRTY
#define RW (R | W)
#define RX (R | X)

#define BIT(n) (1ull << (n))

/* A leaf with `flags` at `leaf`; in the entry at level `at` on the way to it, `flip` is turned over. */
static const struct cell {
	const struct pt_fmt *fmt;
	unsigned leaf, flags, at;
	uint64_t flip;
	unsigned access;
	enum pt_outcome outcome;
	unsigned level;
} cells[] = {
#define F &pt_x86_64
	{F, 0, RW | U, 0, 0, R, PT_OK, 0},
	{F, 0, RW | U, 0, 0, W | U, PT_OK, 0},
	{F, 0, RW | U, 0, 0, R | S, PT_FORBIDDEN, 0},
	{F, 0, RX | U, 0, 0, X, PT_OK, 0},
	{F, 0, RX | U, 0, 0, X | S, PT_FORBIDDEN, 0},
	{F, 0, RX, 0, 0, X | S, PT_OK, 0},
	{F, 0, RW, 0, 0, R | U, PT_FORBIDDEN, 0},
	{F, 0, R, 0, 0, W, PT_FORBIDDEN, 0},
	{F, 0, RW | U, 0, 0, X | U, PT_FORBIDDEN, 0},
	{F, 0, U, 0, 0, R, PT_NOT_PRESENT, 0},
	{F, 2, U, 0, 0, R, PT_NOT_PRESENT, 2},
	{F, 0, RW | U, 0, BIT(0), R, PT_NOT_PRESENT, 0},
	{F, 0, RW | U, 1, BIT(0), R, PT_NOT_PRESENT, 1},
	{F, 0, RW | U, 3, BIT(0), R, PT_NOT_PRESENT, 3},
	{F, 0, RW | U, 1, BIT(1), W | U, PT_FORBIDDEN, 0},
	{F, 0, RW | U, 3, BIT(1), W | U, PT_FORBIDDEN, 0},
	{F, 0, RW | U, 3, BIT(1), R | U, PT_OK, 0},
	{F, 1, RW | U, 2, BIT(2), R | U, PT_FORBIDDEN, 1},
	{F, 1, RW | U, 2, BIT(2), W | S, PT_OK, 1},
	{F, 2, RX | U, 3, BIT(63), X, PT_FORBIDDEN, 2},
	{F, 0, RX | U, 1, BIT(63), R, PT_OK, 0},
	{F, 0, R, 3, BIT(7), R, PT_RESERVED_BIT, 3},
	{F, 1, R, 1, BIT(12), R, PT_OK, 1},
	{F, 1, R, 1, BIT(13), R, PT_RESERVED_BIT, 1},
	{F, 1, R, 1, BIT(20), W, PT_RESERVED_BIT, 1},
	{F, 2, R, 2, BIT(29), R, PT_RESERVED_BIT, 2},
	{F, 0, R, 0, BIT(48), R, PT_RESERVED_BIT, 0},
	{F, 1, R, 1, BIT(51), R, PT_RESERVED_BIT, 1},
	{F, 1, R, 2, BIT(50), R, PT_RESERVED_BIT, 2},
	{F, 1, U, 1, BIT(50), R, PT_NOT_PRESENT, 1},
	{F, 1, R | U, 3, BIT(58), R, PT_OK, 1},
#undef F
#define F &pt_x86_64_la57
	{F, 0, RW | U, 4, BIT(1), W | U, PT_FORBIDDEN, 0},
	{F, 0, RW | U, 4, BIT(7), R, PT_RESERVED_BIT, 4},
	{F, 0, RW | U, 3, BIT(7), R, PT_RESERVED_BIT, 3},
	{F, 2, RW | U, 4, 0, W | U, PT_OK, 2},
#undef F
#define F &pt_aarch64
	{F, 0, RW | U, 0, 0, R, PT_OK, 0},
	{F, 0, RW | U, 0, 0, W | U, PT_OK, 0},
	{F, 1, RW | U | D, 0, 0, W | U, PT_OK, 1},
	{F, 0, RW | U, 0, 0, R | S, PT_FORBIDDEN, 0},
	{F, 0, RX | U, 0, 0, X | U, PT_OK, 0},
	{F, 0, RX | U, 0, 0, X, PT_FORBIDDEN, 0},
	{F, 0, RX | U, 0, BIT(53), X | S, PT_OK, 0},
	{F, 0, RW | U, 0, BIT(53), X, PT_FORBIDDEN, 0},
	{F, 0, RW | U, 1, BIT(62), R | U, PT_OK, 0},
	{F, 0, RX, 0, 0, X, PT_OK, 0},
	{F, 0, RX, 0, 0, X | U, PT_FORBIDDEN, 0},
	{F, 0, R, 0, 0, W, PT_FORBIDDEN, 0},
	{F, 0, RW, 0, 0, R | U, PT_FORBIDDEN, 0},
	{F, 0, U | A, 0, 0, R, PT_NOT_PRESENT, 0},
	{F, 2, RW | U, 3, BIT(0), R, PT_NOT_PRESENT, 3},
	{F, 0, R, 0, BIT(1), R, PT_RESERVED_BIT, 0},
	{F, 0, R, 3, BIT(1), R, PT_RESERVED_BIT, 3},
	{F, 1, RW | U, 2, BIT(61), R | U, PT_FORBIDDEN, 1},
	{F, 1, RW | U, 2, BIT(61), W | S, PT_OK, 1},
	{F, 0, RW | U, 3, BIT(62), W, PT_FORBIDDEN, 0},
	{F, 0, RX | U, 1, BIT(60), X | U, PT_FORBIDDEN, 0},
	{F, 0, RX, 1, BIT(60), X, PT_OK, 0},
	{F, 0, RX, 1, BIT(59), X, PT_FORBIDDEN, 0},
	{F, 1, R, 1, BIT(13), R, PT_OK, 1},
	{F, 0, R, 0, BIT(47), R, PT_RESERVED_BIT, 0},
	{F, 0, R, 1, BIT(46), R, PT_RESERVED_BIT, 1},
	{F, 0, R, 3, BIT(55), R, PT_OK, 0},
#undef F
#define F &pt_aarch64_soft
	{F, 0, RW | U, 0, 0, R, PT_NOT_ACCESSED, 0},
	{F, 1, RW | U, 0, 0, X, PT_NOT_ACCESSED, 1},
	{F, 0, RW | U | A, 0, 0, R, PT_OK, 0},
	{F, 0, RW | U | A, 0, 0, W, PT_FORBIDDEN, 0},
	{F, 0, RW | U | A | D, 0, 0, W, PT_OK, 0},
	{F, 0, U | A, 0, 0, R, PT_NOT_PRESENT, 0},
	{F, 0, R, 0, BIT(1), R, PT_RESERVED_BIT, 0},
#undef F
#define F &pt_sv39
	{F, 0, RW | U, 0, 0, R, PT_OK, 0},
	{F, 1, RW | U, 0, 0, W | U, PT_OK, 1},
	{F, 2, RW | U, 0, 0, R | S, PT_FORBIDDEN, 2},
	{F, 0, RX | U, 0, 0, X | U, PT_OK, 0},
	{F, 0, RX | U, 0, 0, X, PT_FORBIDDEN, 0},
	{F, 0, X, 0, 0, X, PT_OK, 0},
	{F, 0, X, 0, 0, R, PT_FORBIDDEN, 0},
	{F, 0, R, 0, 0, W, PT_FORBIDDEN, 0},
	{F, 0, RW, 0, 0, R | U, PT_FORBIDDEN, 0},
	{F, 1, U, 0, 0, R, PT_NOT_PRESENT, 1},
	{F, 0, R, 0, BIT(1), R, PT_RESERVED_BIT, 0},
	{F, 0, RW, 0, BIT(1), W, PT_RESERVED_BIT, 0},
	{F, 0, R, 0, BIT(54), R, PT_RESERVED_BIT, 0},
	{F, 1, R, 1, BIT(63), R, PT_RESERVED_BIT, 1},
	{F, 1, R, 1, BIT(18), R, PT_RESERVED_BIT, 1},
	{F, 2, R, 2, BIT(27), R, PT_RESERVED_BIT, 2},
	{F, 0, R, 0, BIT(53), R, PT_OK, 0},
	{F, 0, R, 1, BIT(4), R, PT_RESERVED_BIT, 1},
	{F, 0, R, 1, BIT(6), R, PT_RESERVED_BIT, 1},
	{F, 0, R, 2, BIT(7), R, PT_RESERVED_BIT, 2},
	{F, 0, R, 2, BIT(60), R, PT_RESERVED_BIT, 2},
	{F, 0, R, 2, BIT(8), R, PT_OK, 0},
	{F, 0, R, 2, BIT(0), R, PT_NOT_PRESENT, 2},
#undef F
	{&pt_sv48, 2, RW | U, 3, 0, W | U, PT_OK, 2},
	{&pt_sv48, 2, RW | U, 3, BIT(1), R, PT_RESERVED_BIT, 3},
	{&pt_sv57, 0, RW | U, 4, 0, W | U, PT_OK, 0},
	{&pt_sv57, 0, RW | U, 4, BIT(4), R, PT_RESERVED_BIT, 4},
#define F &pt_loongarch
	{F, 0, RW | U, 0, 0, R, PT_NOT_ACCESSED, 0},
	{F, 1, RW | U | A, 0, 0, R | S, PT_OK, 1},
	{F, 0, RW | U | A, 0, 0, W, PT_FORBIDDEN, 0},
	{F, 2, RW | U | A | D, 0, 0, W, PT_OK, 2},
	{F, 0, RW | A, 0, 0, R | U, PT_FORBIDDEN, 0},
	{F, 0, X | A, 0, 0, R, PT_FORBIDDEN, 0},
	{F, 0, RX | A, 0, 0, X, PT_OK, 0},
	{F, 0, RW | A, 0, 0, X, PT_FORBIDDEN, 0},
	{F, 0, U | A, 0, 0, R, PT_NOT_PRESENT, 0},
#undef F
};

static uint64_t address_in(const struct pt_fmt *f)
{
	return f->levels == 3 ? VA39 : VA;
}

/* Accessed and dirty are added where the access went well, and nowhere else. */
static bool touched(const struct pt_fmt *f, unsigned access, const struct pt_translation *t)
{
	bool ok = t->outcome == PT_OK;

	for (unsigned level = 0; level < PT_LEVELS; level++) {
		pt_entry was = t->entry[level], is = t->after[level];

		if (!t->slot[level] != (level < t->level || level >= f->levels))
			return false;
		if (t->slot[level] && load_relaxed(t->slot[level]) != was)
			return false;
		if (is != (!ok                 ? was
			   : level == t->level ? f->touch(was, access)
			   : level > t->level  ? was | (t->slot[level] ? f->table_young : 0)
					       : 0))
			return false;
	}
	return true;
}

static void try(const struct cell *c, unsigned n)
{
	const struct pt_fmt *f = c->fmt;
	uint64_t bytes = pt_bytes(f, c->leaf), va = align_down(address_in(f), bytes);
	uint64_t inside = bytes / 2 + 0x123, leads;
	struct pt_translation t;
	struct tables tables;
	struct pt *pt = &tables.pt;
	pt_slot *slot;

	tables_make(&tables, f, 64, 4 * pt_pages(f, c->leaf));
	pt->physical_bits = 46;
	must_be(pt_insert(pt, va, c->leaf, pt_pages(f, c->leaf), c->flags), 0);
	must_be(pt_translate(pt, va, R, &t), 0);
	slot = t.slot[MAX(c->at, c->leaf)];
	atomic_fetch_xor(slot, c->flip);
	must_be(pt_translate(pt, va + inside, c->access, &t), 0);
	if (t.outcome != c->outcome || t.level != c->level)
		test_fail(__FILE__, __LINE__, "cell %u, %s: outcome %d at level %u", n, f->name,
			  t.outcome, t.level);
	leads = pt->media_base + bytes;
	if (c->at == c->leaf)
		leads ^= align_down(pt_address(f, c->flip), bytes);
	must_be(t.address, t.outcome == PT_OK ? leads + inside : 0);
	if (!touched(f, c->access, &t))
		test_fail(__FILE__, __LINE__, "cell %u, %s: accessed and dirty", n, f->name);
	atomic_fetch_xor(slot, c->flip);
	must_be(pt_destroy(pt, NULL), 0);
	tables_end(&tables);
}

/* ---- what is the same in all formats ---- */

static void outcome(struct pt *pt, uint64_t va, enum pt_outcome wanted, unsigned level)
{
	struct pt_translation t;

	must_be(pt_translate(pt, va, R, &t), 0);
	if (t.outcome != wanted || t.level != level)
		test_fail(__FILE__, __LINE__, "%s, address %#lx: outcome %d at level %u",
			  pt->fmt->name, (unsigned long)va, t.outcome, t.level);
}

static void bad_addresses(struct pt *pt)
{
	const struct pt_fmt *f = pt->fmt;
	unsigned root = f->levels - 1u, bits = pt_shift(f, f->levels);
	uint64_t end = 1ull << (bits - f->sign);

	outcome(pt, end - 1, PT_NOT_PRESENT, root);
	outcome(pt, end, PT_BAD_ADDRESS, root);
	outcome(pt, 1ull << 63, PT_BAD_ADDRESS, root);
	outcome(pt, -end - 1, PT_BAD_ADDRESS, root);
	outcome(pt, -end, f->sign ? PT_NOT_PRESENT : PT_BAD_ADDRESS, root);
	outcome(pt, UINT64_MAX, f->sign ? PT_NOT_PRESENT : PT_BAD_ADDRESS, root);
}

static void holes_and_markers(struct pt *pt)
{
	uint64_t va = address_in(pt->fmt);

	must_be(pt_map(pt, va, 1, 1, R | A, PT_PTE), 0);
	outcome(pt, va + 0x1000, PT_NOT_PRESENT, PT_PTE);
	outcome(pt, va + 0x200000, PT_NOT_PRESENT, PT_PMD);
	outcome(pt, va + 0x40000000, PT_NOT_PRESENT, PT_PUD);
	must_be(pt_poison(pt, va + 0x1000), 0);
	outcome(pt, va, PT_OK, PT_PTE);
	outcome(pt, va + 0x1000, PT_NOT_PRESENT, PT_PTE);
}

static void outside(struct pt *pt)
{
	const struct pt_fmt *f = pt->fmt;
	struct pt_translation t;
	uint64_t va = address_in(f);
	pt_entry was;

	must_be(pt_translate(pt, va, R, &t), 0);
	was = load_relaxed(t.slot[1]);
	store_relaxed(t.slot[1],
		      f->table_bits | pt_with_address(f, pt->table_base + pt->arena_bytes));
	must_be(pt_translate(pt, va, R, &t), -PF_EPAGETABLE);
	store_relaxed(t.slot[1], f->table_bits | pt_with_address(f, pt->table_base - PAGE_BYTES));
	must_be(pt_translate(pt, va, R, &t), -PF_EPAGETABLE);
	store_relaxed(t.slot[1], was);
}

/* RISC-V alone takes leaves above those of 1 GiB, of which we make none. */
static void larger(struct pt *pt)
{
	const struct pt_fmt *f = pt->fmt;

	for (unsigned level = PT_P4D; level < f->levels; level++) {
		uint64_t va = align_down(address_in(f), pt_bytes(f, level));
		struct pt_translation t;
		pt_entry was;

		must_be(pt_translate(pt, va, R, &t), 0);
		was = load_relaxed(t.slot[level]);
		store_relaxed(t.slot[level], f->leaf(level, R | A));
		outcome(pt, va, level <= f->top_leaf ? PT_OK : PT_RESERVED_BIT, level);
		store_relaxed(t.slot[level], was);
	}
}

int main(void)
{
	struct tables tables;

	for (unsigned i = 0; i < ARRAY_SIZE(cells); i++)
		try(&cells[i], i);
	for (unsigned i = 0; i < tables_format_count; i++) {
		tables_make(&tables, tables_formats[i], 64, 16);
		bad_addresses(&tables.pt);
		holes_and_markers(&tables.pt);
		outside(&tables.pt);
		larger(&tables.pt);
		must_be(pt_destroy(&tables.pt, NULL), 0);
		tables_end(&tables);
	}
	return 0;
}
