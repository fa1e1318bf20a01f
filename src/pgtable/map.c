/*
 * Mapping. A range is looked over first, so that one that meets something leaves no trace, and then filled table by table: a run of
 * entries of one level in one table at a time. When memory ends on the way, what was mapped goes again.
 */
#include "pgtable/inner.h"

/* ---- what is there already ---- */

struct over {
	uint64_t va, last;
	uint64_t visits; /* tables that may still be entered */
	bool bare;       /* a table that is in the range whole has no entry */
};

static int taken(const struct pt *pt, uint64_t va, unsigned level, pt_entry e)
{
	if (!level && pt_is_marker(e))
		return err(e & PT_POISON ? PF_EPOISONED : PF_EGUARDED, "address %#lx",
			   (unsigned long)va);
	if (pt_is_leaf(pt->fmt, e, level) || pt_foreign(pt, e, level))
		return err(PF_EMAPPED, "address %#lx", (unsigned long)va);
	return pt_bad(pt, va, level, e);
}

/* 0 if nothing is mapped from over->va to over->last. */
static int empty_table(const struct pt *pt, struct over *over, uint64_t table, unsigned level)
{
	uint64_t bytes = pt_bytes(pt->fmt, level);
	pt_slot *slot = pt_slot_at(pt, table, over->va, level);

	for (unsigned i = pt_index(pt->fmt, over->va, level); i < pt_entries(pt->fmt);
	     i++, slot++) {
		pt_entry e = load_relaxed(slot);
		uint64_t start = over->va, next = align_down(start, bytes) + bytes;

		if (e && (!level || !pt_is_table(pt->fmt, e) || pt_foreign(pt, e, level)))
			return taken(pt, over->va, level, e);
		if (e) {
			uint64_t below = pt_table_offset(pt, e);
			int rc;

			if (!pt_table_ours(pt, below) || !over->visits--)
				return pt_bad(pt, over->va, level, e);
			if ((rc = empty_table(pt, over, below, level - 1)) < 0)
				return rc;
			over->bare |= !(start & (bytes - 1)) && next - 1 <= over->last;
		}
		if (next - 1 >= over->last)
			return 0;
		over->va = next;
	}
	return 0;
}

int pt_empty(struct pt *pt, uint64_t va, uint64_t last)
{
	struct over over = {va, last, pt->arena_bytes / PAGE_BYTES, false};
	int rc = empty_table(pt, &over, pt->root, pt->fmt->levels - 1u);

	/* A callback of a walk may have taken out its last entry: what is mapped now may need its place. */
	if (rc == 0 && over.bare)
		pt_prune(pt, va, last);
	return rc;
}

/* ---- filling ---- */

bool pt_leaf_fits(const struct pt *pt, uint64_t va, uint64_t pfn, unsigned level)
{
	uint64_t address = pt->media_base + pfn * PAGE_BYTES;

	return !((va | address) & (pt_bytes(pt->fmt, level) - 1)) &&
	       (!level || !pt->memory->fits || pt->memory->fits(pt->arg, pfn, level));
}

/* The level of the first leaf of a range. */
static unsigned largest_leaf(const struct pt *pt, uint64_t va, uint64_t pfn, uint64_t pages,
			     unsigned max_level)
{
	unsigned level = MIN(max_level, MIN(pt->fmt->top_leaf, PT_PUD));

	while (level && (pages < pt_pages(pt->fmt, level) || !pt_leaf_fits(pt, va, pfn, level)))
		level--;
	return level;
}

/* As many pages as go into one table at this level, of `pages`. */
static int fill(struct pt *pt, uint64_t va, uint64_t pfn, uint64_t pages, unsigned level,
		unsigned flags)
{
	unsigned room = pt_entries(pt->fmt) - pt_index(pt->fmt, va, level), at = level;
	uint64_t n = level ? 1 : MIN(pages, room);
	pt_entry e = pt_leaf_entry(pt, level, pfn, flags);
	pt_entry more = pt_with_address(pt->fmt, pt_bytes(pt->fmt, level));
	pt_slot *slot;
	int rc = pt_seek(pt, va, true, &at, &slot);

	if (rc < 0)
		return rc;
	for (uint64_t i = 0; i < n; i++)
		store_release(slot + i, e + i * more);
	return (int)n;
}

static int map_range(struct pt *pt, uint64_t va, uint64_t pfn, uint64_t pages, unsigned flags,
		     unsigned max_level)
{
	uint64_t done = 0;

	while (done < pages) {
		uint64_t at = va + done * PAGE_BYTES;
		unsigned level = largest_leaf(pt, at, pfn + done, pages - done, max_level);
		int n = fill(pt, at, pfn + done, pages - done, level, flags);

		if (n < 0) {
			/* The first page that is not mapped, too: there are tables for it, perhaps. */
			pt_unmap_locked(pt, va, at + PAGE_BYTES - 1, 0, NULL);
			return n;
		}
		if (flags & PT_YOUNG)
			pt_touch(pt, at);
		done += (uint64_t)n * pt_pages(pt->fmt, level);
	}
	return 0;
}

static int check_pages(const struct pt *pt, uint64_t pfn, uint64_t pages)
{
	if (pfn < pt->pages && pages <= pt->pages - pfn)
		return 0;
	return err(PF_ERANGE, "pages %lu + %lu of %lu", (unsigned long)pfn, (unsigned long)pages,
		   (unsigned long)pt->pages);
}

int pt_map(struct pt *pt, uint64_t va, uint64_t pfn, uint64_t pages, unsigned flags,
	   unsigned max_level)
{
	int rc = pt_range_check(pt, va, pages);

	if (rc < 0 || (rc = check_pages(pt, pfn, pages)) < 0 ||
	    (rc = pt_flags_check(pt, flags)) < 0)
		return rc;
	pthread_mutex_lock(&pt->lock);
	rc = pt_empty(pt, va, va + pages * PAGE_BYTES - 1);
	if (rc == 0)
		rc = map_range(pt, va, pfn, pages, flags, max_level);
	pthread_mutex_unlock(&pt->lock);
	return rc;
}

int pt_insert(struct pt *pt, uint64_t va, unsigned level, uint64_t pfn, unsigned flags)
{
	uint64_t pages;
	int rc;

	if (level > MIN(pt->fmt->top_leaf, PT_PUD))
		return err(PF_EPTLEAF, "%s has no leaf at level %u", pt->fmt->name, level);
	pages = pt_pages(pt->fmt, level);
	if ((rc = pt_range_check(pt, va, pages)) < 0 || (rc = check_pages(pt, pfn, pages)) < 0 ||
	    (rc = pt_flags_check(pt, flags)) < 0)
		return rc;
	if (!pt_leaf_fits(pt, va, pfn, level))
		return err(PF_EPTLEAF, "level %u, address %#lx, page %lu", level, (unsigned long)va,
			   (unsigned long)pfn);
	pthread_mutex_lock(&pt->lock);
	rc = pt_empty(pt, va, va + pages * PAGE_BYTES - 1);
	if (rc == 0)
		rc = map_range(pt, va, pfn, pages, flags, level);
	pthread_mutex_unlock(&pt->lock);
	return rc;
}
