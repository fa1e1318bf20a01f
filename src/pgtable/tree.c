/*
 * Trees: making and freeing them, and the tables that come into them and leave.
 *
 * A table that left is kept in `deferred` until no reader can be in it. The first `noted` of them wait for those whom
 * note() remembered; what leaves later waits for the next note(). So readers who come and go without end delay
 * nothing: only who was inside then matters. Room for a table in `deferred` is made when it is allocated, so that
 * nothing can fail when it leaves.
 */
#include <sched.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/sys.h"
#include "pgtable/inner.h"

int pt_bad(const struct pt *pt, uint64_t va, unsigned level, pt_entry e)
{
	return err(PF_EPAGETABLE, "%s, address %#lx, level %u: entry %#lx", pt->fmt->name,
		   (unsigned long)va, level, (unsigned long)e);
}

int pt_range_check(const struct pt *pt, uint64_t va, uint64_t pages)
{
	const struct pt_fmt *f = pt->fmt;
	uint64_t half = 1ull << (pt_shift(f, f->levels) - f->sign), last;

	if (va % PAGE_BYTES || !pages)
		return err(PF_ERANGE, "address %#lx, %lu pages", (unsigned long)va,
			   (unsigned long)pages);
	last = va + (pages - 1) * PAGE_BYTES;
	if (pages > half / PAGE_BYTES || !pt_canonical(f, va) || va / half != last / half)
		return err(PF_ERANGE, "%s has no addresses %#lx to %#lx in one piece", f->name,
			   (unsigned long)va, (unsigned long)last);
	return 0;
}

int pt_flags_check(const struct pt *pt, unsigned flags)
{
	unsigned lost = flags & ~pt_can(pt->fmt);

	return lost ? err(PF_EPTCAN, "%s, flags %#x", pt->fmt->name, lost) : 0;
}

/* ---- tables ----------------------------------------------------------------------------------- */

int pt_table_new(struct pt *pt, uint64_t *offset)
{
	struct pt_deferred *d = &pt->deferred;

	if (d->count + pt->tables >= d->room) {
		uint64_t *grown = sys_grow(d->offset, &d->room, sizeof *grown);

		if (!grown)
			return -ENOMEM;
		d->offset = grown;
	}
	int rc = pt->memory->alloc(pt->arg, offset);

	if (rc == 0)
		pt->tables++;
	return rc;
}

void pt_table_drop(struct pt *pt, uint64_t offset)
{
	pt->tables--;
	pt->memory->free(pt->arg, offset);
}

void pt_table_defer(struct pt *pt, uint64_t offset)
{
	struct pt_deferred *d = &pt->deferred;

	/* A circle, through the table that is in use as long as the tree. */
	if (offset == pt->root)
		return;
	if (!pt->memory->note) {
		pt_table_drop(pt, offset);
		return;
	}
	/* Two entries lead to one table: nobody here did that. It stays with who hands out the arena. */
	if (d->count == d->room || !pt->tables)
		return;
	pt->tables--;
	d->offset[d->count++] = offset;
}

int pt_link(struct pt *pt, pt_slot *slot, uint64_t *offset)
{
	int rc = pt_table_new(pt, offset);

	/* Pairs with the acquire of who walks: the table is zero before it is seen. */
	if (rc == 0)
		store_release(slot, pt_table_entry(pt, *offset));
	return rc;
}

int pt_seek(struct pt *pt, uint64_t va, bool make, unsigned *level, pt_slot **slot)
{
	uint64_t table = pt->root;
	unsigned at = pt->fmt->levels - 1u;

	for (;; at--) {
		*slot = pt_slot_at(pt, table, va, at);
		pt_entry e = load_acquire(*slot);
		int rc;

		if (pt_foreign(pt, e, at))
			return err(PF_EMAPPED, "address %#lx is in somebody else's table",
				   (unsigned long)va);
		if (at == *level)
			return 0;
		if (!e && make) {
			if ((rc = pt_link(pt, *slot, &table)) < 0)
				return rc;
		} else if (pt_is_table(pt->fmt, e)) {
			table = pt_table_offset(pt, e);
			if (!pt_table_ours(pt, table))
				return pt_bad(pt, va, at, e);
		} else if (!e || pt_is_leaf(pt->fmt, e, at)) {
			*level = at;
			return 0;
		} else {
			return pt_bad(pt, va, at, e);
		}
	}
}

void pt_touch(struct pt *pt, uint64_t va)
{
	const struct pt_fmt *f = pt->fmt;

	for (unsigned level = f->table_young ? f->levels - 1u : 0; level; level--) {
		unsigned at = level;
		pt_slot *slot;

		if (pt_seek(pt, va, false, &at, &slot) < 0 || !pt_is_table(f, load_relaxed(slot)))
			return;
		atomic_fetch_or_explicit(slot, f->table_young, memory_order_relaxed);
	}
}

/* ---- freeing what left ------------------------------------------------------------------------ */

static void free_noted(struct pt *pt)
{
	struct pt_deferred *d = &pt->deferred;

	for (size_t i = 0; i < d->noted; i++)
		pt->memory->free(pt->arg, d->offset[i]);
	d->count -= d->noted;
	for (size_t i = 0; i < d->count; i++)
		d->offset[i] = d->offset[i + d->noted];
	d->noted = 0;
}

/* True while there is something that could be freed now. */
static bool settle_once(struct pt *pt)
{
	struct pt_deferred *d = &pt->deferred;

	if (d->noted && pt->memory->gone(pt->arg))
		free_noted(pt);
	else if (d->noted || !d->count || pt->memory->note(pt->arg) < 0)
		return false;
	else
		d->noted = d->count;
	return true;
}

size_t pt_settle(struct pt *pt, uint64_t limit_ns)
{
	uint64_t until = clock_mono() + limit_ns;
	size_t left;

	for (;;) {
		pthread_mutex_lock(&pt->lock);
		while (settle_once(pt))
			;
		left = pt->deferred.count;
		pthread_mutex_unlock(&pt->lock);
		if (!left || clock_mono() >= until)
			return left;
		sched_yield();
	}
}

/* ---- trees ------------------------------------------------------------------------------------ */

static bool addressable(const struct pt *pt, uint64_t base, uint64_t bytes)
{
	uint8_t most = pt->fmt->address_bits, has = pt->physical_bits;
	uint64_t limit = 1ull << (has ? MIN(has, most) : most);

	return base % PAGE_BYTES == 0 && base <= limit && bytes <= limit - base;
}

static int begin(struct pt *pt)
{
	/* Where a table's entry is its bare address, address 0 would be none. */
	if ((!pt->fmt->table_bits && !pt->table_base) || pt->arena_bytes % PAGE_BYTES ||
	    !addressable(pt, pt->table_base, pt->arena_bytes) ||
	    pt->pages > 1ull << (64 - PAGE_SHIFT - 1) ||
	    !addressable(pt, pt->media_base, pt->pages * PAGE_BYTES))
		return err(PF_EPTADDRESS, "%s: tables at %#lx + %#lx, pages at %#lx + %#lx",
			   pt->fmt->name, (unsigned long)pt->table_base,
			   (unsigned long)pt->arena_bytes, (unsigned long)pt->media_base,
			   (unsigned long)(pt->pages * PAGE_BYTES));
	pthread_mutex_init(&pt->lock, NULL);
	pt->tables = 0;
	pt->deferred = (struct pt_deferred){0};
	return 0;
}

int pt_open(struct pt *pt)
{
	if (pt->root % PAGE_BYTES || !pt_in_arena(pt, pt->root))
		return err(PF_EPAGETABLE, "%s: the root at offset %#lx of %#lx", pt->fmt->name,
			   (unsigned long)pt->root, (unsigned long)pt->arena_bytes);
	return begin(pt);
}

int pt_make(struct pt *pt)
{
	int rc = begin(pt);

	if (rc == 0 && (rc = pt_table_new(pt, &pt->root)) < 0)
		pt_close(pt);
	return rc;
}

int pt_destroy(struct pt *pt, const struct pt_gather *gather)
{
	const struct pt_fmt *f = pt->fmt;
	uint64_t half = 1ull << (pt_shift(f, f->levels) - f->sign);
	int lower = pt_unmap_locked(pt, 0, half - 1, 0, gather);
	int upper = f->sign ? pt_unmap_locked(pt, -half, UINT64_MAX, 0, gather) : 0;

	for (size_t i = 0; i < pt->deferred.count; i++)
		pt->memory->free(pt->arg, pt->deferred.offset[i]);
	pt_table_drop(pt, pt->root);
	pt_close(pt);
	return lower < 0 ? lower : upper;
}

void pt_close(struct pt *pt)
{
	free(pt->deferred.offset);
	pt->deferred = (struct pt_deferred){0};
	pthread_mutex_destroy(&pt->lock);
}
