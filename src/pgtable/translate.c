/*
 * The walk as hardware does it, over whatever is in the tables: ours, or what somebody made of them. At each level the entry is, in this order
 *
 *   not valid             -> NOT_PRESENT: none, a marker, a leaf that permits nothing
 *   a table               -> RESERVED_BIT if it has one; else down, with what it takes away from permissions
 *   a leaf                -> RESERVED_BIT if it has one, or hardware has no leaf there; NOT_ACCESSED if it is not young and
 *                            the CPU leaves that to software; FORBIDDEN; or it translates
 *
 * which is the order in which CPUs look, where they tell these from each other.
 */
#include "pgtable/inner.h"

/* Bits of an address that this machine does not have. */
static uint64_t too_high(const struct pt *pt)
{
	if (!pt->fmt->width_faults || !pt->physical_bits)
		return 0;
	return pt_with_address(pt->fmt, UINT64_MAX << pt->physical_bits);
}

static bool refused(const struct pt *pt, pt_entry leaf, unsigned level)
{
	const struct pt_fmt *f = pt->fmt;
	uint64_t below_size = pt_with_address(f, pt_bytes(f, level) - 1);

	return level > f->top_leaf || (leaf & (f->leaf_reserved | too_high(pt))) ||
	       (level && (leaf & f->misaligned & below_size)) ||
	       (f->malformed && f->malformed(level, leaf));
}

static enum pt_outcome of_leaf(const struct pt *pt, pt_entry e, unsigned level, uint64_t limits,
			       unsigned access)
{
	const struct pt_fmt *f = pt->fmt;

	if (!(e & f->valid))
		return PT_NOT_PRESENT;
	if (refused(pt, e, level))
		return PT_RESERVED_BIT;
	if (!f->hardware_young && !(e & f->young))
		return PT_NOT_ACCESSED;
	return f->permits(e, limits, access) ? PT_OK : PT_FORBIDDEN;
}

static void translated(const struct pt_fmt *f, uint64_t va, unsigned access,
		       struct pt_translation *t)
{
	pt_entry leaf = t->entry[t->level];

	t->address = pt_leaf_address(f, leaf, t->level) | (va & (pt_bytes(f, t->level) - 1));
	t->after[t->level] = f->touch(leaf, access);
	for (unsigned level = t->level + 1; level < f->levels; level++)
		t->after[level] |= f->table_young;
}

int pt_translate(const struct pt *pt, uint64_t va, unsigned access, struct pt_translation *t)
{
	const struct pt_fmt *f = pt->fmt;
	uint64_t table = pt->root, limits = f->no_limit;

	*t = (struct pt_translation){.outcome = PT_BAD_ADDRESS, .level = f->levels - 1u};
	if (!pt_canonical(f, va))
		return 0;
	for (unsigned level = t->level;; level--) {
		pt_slot *slot = pt_slot_at(pt, table, va, level);
		/* Pairs with the release of who linked a table. */
		pt_entry e = load_acquire(slot);

		t->level = level;
		t->slot[level] = slot;
		t->entry[level] = t->after[level] = e;
		if (!level || !pt_is_table(f, e)) {
			t->outcome = of_leaf(pt, e, level, limits, access);
			if (t->outcome == PT_OK)
				translated(f, va, access, t);
			return 0;
		}
		t->outcome = PT_RESERVED_BIT;
		if (e & (f->table_reserved | too_high(pt)))
			return 0;
		limits = f->limit(limits, e);
		table = pt_table_offset(pt, e);
		if (!pt_in_arena(pt, table))
			return pt_bad(pt, va, level, e);
	}
}
