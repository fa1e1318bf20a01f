/* Finding what maps an address, without a lock, while others change the tree. */
#include "pgtable/inner.h"

#define RETRIES \
	8u /* of a lookup whose tables change under it, before it reports what it saw last */

/* The entry for va, and the one above it. */
static int descend(const struct pt *pt, uint64_t va, struct pt_leaf *leaf)
{
	const struct pt_fmt *f = pt->fmt;
	unsigned level = f->levels - 1u, shift = pt_shift(f, level), mask = pt_entries(f) - 1;
	uint64_t table = pt->root;

	leaf->upper = NULL;
	leaf->upper_entry = 0;
	for (;;) {
		pt_slot *slot = (pt_slot *)(void *)(pt->arena + table) + (va >> shift & mask);
		/* Pairs with the release of who linked a table: it was zero, or filled, before. */
		pt_entry e = load_acquire(slot);

		if (!level || !pt_is_table(f, e)) {
			leaf->slot = slot;
			leaf->entry = e;
			leaf->level = level;
			return 0;
		}
		table = pt_table_offset(pt, e);
		if (unlikely(!pt_in_arena(pt, table)))
			return pt_bad(pt, va, level, e);
		leaf->upper = slot;
		leaf->upper_entry = e;
		level--;
		shift -= f->index_bits;
	}
}

static inline bool upper_same(const struct pt *pt, const struct pt_leaf *leaf)
{
	return !leaf->upper ||
	       !((load_acquire(leaf->upper) ^ leaf->upper_entry) & ~pt->fmt->table_young);
}

/* 1, 0 or an error for the entry that was found. */
static int found(const struct pt *pt, uint64_t va, struct pt_leaf *leaf)
{
	const struct pt_fmt *f = pt->fmt;

	if (pt_is_leaf(f, leaf->entry, leaf->level)) {
		uint64_t inside = (va & (pt_bytes(f, leaf->level) - 1)) / PAGE_BYTES;

		leaf->pfn = pt_leaf_pfn(pt, leaf->entry, leaf->level) + inside;
		return likely(leaf->pfn < pt->pages) ? 1 : pt_bad(pt, va, leaf->level, leaf->entry);
	}
	if (!leaf->entry || (!leaf->level && pt_is_marker(leaf->entry)))
		return 0;
	return pt_bad(pt, va, leaf->level, leaf->entry);
}

int pt_lookup(const struct pt *pt, uint64_t va, struct pt_leaf *leaf)
{
	if (unlikely(!pt_canonical(pt->fmt, va)))
		return err(PF_ERANGE, "%s has no address %#lx", pt->fmt->name, (unsigned long)va);
	for (unsigned i = 0;; i++) {
		int rc = descend(pt, va, leaf);

		/* The table was in the tree after its entry was loaded, so the entry was. Else it may be one of a table that
		 * had left: once more. A tree that changes at each of so many tries is being emptied there. */
		if (likely(rc == 0 && upper_same(pt, leaf)))
			return found(pt, va, leaf);
		if (rc < 0 && (!leaf->upper || upper_same(pt, leaf)))
			return rc;
		if (i == RETRIES) {
			leaf->entry = 0;
			return 0;
		}
	}
}

bool pt_leaf_same(const struct pt *pt, const struct pt_leaf *leaf)
{
	const struct pt_fmt *f = pt->fmt;
	/* Hardware sets accessed and dirty; whoever clears them changes nothing that a reference depends on. */
	pt_entry now = load_acquire(leaf->slot), changed = now ^ leaf->entry;

	if (changed && !pt_is_leaf(f, now, leaf->level))
		return false;
	if (changed && (f->flags(leaf->level, now) ^ f->flags(leaf->level, leaf->entry)) &
			       ~(PT_YOUNG | PT_DIRTY | PT_SOFT_DIRTY))
		return false;
	return !((changed & f->address)) && upper_same(pt, leaf);
}

int pt_folio_walk_start(struct pt *pt, uint64_t va, unsigned how, struct pt_leaf *leaf)
{
	pthread_mutex_lock(&pt->lock);
	int rc = pt_lookup(pt, va, leaf);

	if (rc == 1 && !(how & PT_WALK_SPECIAL) && (leaf->entry & pt->fmt->special))
		rc = 0;
	if (rc != 1)
		pthread_mutex_unlock(&pt->lock);
	return rc;
}

void pt_folio_walk_end(struct pt *pt)
{
	pthread_mutex_unlock(&pt->lock);
}
