/*
 * Changing what leaves say: permissions, what is tracked, accessed and dirty. One pass over a range does all of it, told by a `struct pt_change`
 * which flags go and come. Hardware may set accessed and dirty at any moment, so each change is a compare-exchange.
 *
 * Accessed bits have two levels where the format sets them in tables, too: a table that is not young has not been walked since that was
 * cleared, so nothing below it is. Who makes a young leaf says so above it (pt_touch()).
 */
#include "pgtable/inner.h"

bool pt_change_slot(struct pt *pt, pt_slot *slot, unsigned level, unsigned clear, unsigned set,
		    pt_entry *before)
{
	const struct pt_fmt *f = pt->fmt;
	pt_entry now;

	*before = load_acquire(slot);
	do {
		unsigned flags = (f->flags(level, *before) & ~clear) | set;

		/* Nor does a leaf that permits nothing become one that permits stores alone. */
		if ((flags & PT_UFFD_WP) || !(flags & PT_READ))
			flags &= ~PT_WRITE;
		now = f->leaf(level, flags) |
		      pt_with_address(f, pt_leaf_address(f, *before, level));
		if (now == *before)
			return false;
	} while (!cas(slot, before, now));
	return true;
}

struct pass {
	struct pt *pt;
	const struct pt_change *change;
	bool young;      /* it looks for accessed leaves, and for nothing else */
	uint64_t visits; /* tables that may still be entered */
	long changed;
	int rc;
};

/* A leaf of pages that there are. */
static bool believable(struct pass *p, pt_entry e, unsigned level, uint64_t va)
{
	if (pt_is_leaf(p->pt->fmt, e, level) && pt_leaf_inside(p->pt, e, level))
		return true;
	p->rc = pt_bad(p->pt, va, level, e);
	return false;
}

static void pass_leaf(struct pass *p, pt_slot *slot, unsigned level, uint64_t va)
{
	const struct pt_change *c = p->change;
	const struct pt_fmt *f = p->pt->fmt;
	pt_entry before = load_relaxed(slot);

	if (!believable(p, before, level, va) || (c->only && !(f->flags(level, before) & c->only)))
		return;
	if (!pt_change_slot(p->pt, slot, level, c->clear, c->set, &before))
		return;
	p->changed++;
	if (c->set & PT_YOUNG)
		pt_touch(p->pt, va);
	/* What was exchanged, which need not be what was looked at first. */
	if (believable(p, before, level, va) && c->each)
		c->each(c->arg, align_down(va, pt_bytes(f, level)), level, before);
}

/* Nothing below was accessed. One that is in the range whole is cleared before what is below it is looked at: who walks it meanwhile sets it again. */
static bool skip_old(struct pass *p, pt_slot *slot, pt_entry e, bool whole)
{
	uint64_t bit = p->young ? p->pt->fmt->table_young : 0;

	if (!bit)
		return false;
	if (!(e & bit))
		return true;
	if (whole)
		atomic_fetch_and_explicit(slot, ~bit, memory_order_acq_rel);
	return false;
}

static void pass_table(struct pass *p, uint64_t table, unsigned level, uint64_t va, uint64_t last)
{
	const struct pt_fmt *f = p->pt->fmt;
	pt_slot *slot = pt_slot_at(p->pt, table, va, level);
	unsigned n = pt_index(f, last, level) - pt_index(f, va, level) + 1;

	for (; n--; slot++) {
		pt_entry e = load_acquire(slot);
		uint64_t end = va | (pt_bytes(f, level) - 1);
		bool whole = va == align_down(va, pt_bytes(f, level)) && end <= last;

		if (pt_is_leaf(f, e, level)) {
			pass_leaf(p, slot, level, va);
		} else if (level && pt_is_table(f, e) && !pt_foreign(p->pt, e, level)) {
			uint64_t below = pt_table_offset(p->pt, e);

			if (!pt_table_ours(p->pt, below) || !p->visits)
				p->rc = pt_bad(p->pt, va, level, e);
			else if (!skip_old(p, slot, e, whole) && p->visits--)
				pass_table(p, below, level - 1, va, MIN(end, last));
		} else if (e && !(level ? pt_is_table(f, e) : pt_is_marker(e))) {
			p->rc = pt_bad(p->pt, va, level, e);
		}
		va = end + 1;
	}
}

static long change_range(struct pt *pt, uint64_t va, uint64_t pages, const struct pt_change *change,
			 bool young, const struct pt_gather *gather)
{
	struct pass p = {pt, change, young, pt->arena_bytes / PAGE_BYTES, 0, 0};
	uint64_t last = va + pages * PAGE_BYTES - 1;
	int rc = pt_range_check(pt, va, pages);

	if (rc < 0 || (rc = pt_flags_check(pt, change->clear | change->set | change->only)) < 0)
		return rc;
	pthread_mutex_lock(&pt->lock);
	if (!change->whole)
		rc = pt_cut(pt, va, last, gather);
	if (rc == 0) {
		pass_table(&p, pt->root, pt->fmt->levels - 1u, va, last);
		rc = p.rc;
	}
	pthread_mutex_unlock(&pt->lock);
	return rc < 0 ? rc : p.changed;
}

long pt_change(struct pt *pt, uint64_t va, uint64_t pages, const struct pt_change *change,
	       const struct pt_gather *gather)
{
	return change_range(pt, va, pages, change, false, gather);
}

long pt_protect(struct pt *pt, uint64_t va, uint64_t pages, unsigned permissions,
		const struct pt_gather *gather)
{
	const struct pt_change c = {.clear = PT_PERMISSIONS, .set = permissions & PT_PERMISSIONS};

	return pt_change(pt, va, pages, &c, gather);
}

long pt_write_protect(struct pt *pt, uint64_t va, uint64_t pages, const struct pt_gather *gather)
{
	static const struct pt_change c = {.clear = PT_WRITE, .set = PT_UFFD_WP};

	return pt_change(pt, va, pages, &c, gather);
}

long pt_write_unprotect(struct pt *pt, uint64_t va, uint64_t pages, bool write,
			const struct pt_gather *gather)
{
	const struct pt_change c = {.clear = PT_UFFD_WP,
				    .set = write ? PT_WRITE : 0,
				    .only = PT_UFFD_WP};

	return pt_change(pt, va, pages, &c, gather);
}

long pt_clear_soft_dirty(struct pt *pt, uint64_t va, uint64_t pages)
{
	static const struct pt_change c = {.clear = PT_SOFT_DIRTY | PT_WRITE,
					   .only = PT_SOFT_DIRTY,
					   .whole = true};

	return pt_change(pt, va, pages, &c, NULL);
}

/* Takes one flag away, and tells of each leaf that had it. */
static long collect(struct pt *pt, uint64_t va, uint64_t pages, unsigned flag,
		    void (*each)(void *arg, uint64_t va, unsigned level, pt_entry before),
		    void *arg)
{
	const struct pt_change c = {.clear = flag,
				    .only = flag,
				    .whole = true,
				    .each = each,
				    .arg = arg};

	return change_range(pt, va, pages, &c, flag == PT_YOUNG, NULL);
}

long pt_collect_dirty(struct pt *pt, uint64_t va, uint64_t pages,
		      void (*each)(void *arg, uint64_t va, unsigned level, pt_entry before),
		      void *arg)
{
	return collect(pt, va, pages, PT_DIRTY, each, arg);
}

long pt_clear_young(struct pt *pt, uint64_t va, uint64_t pages,
		    void (*each)(void *arg, uint64_t va, unsigned level, pt_entry before),
		    void *arg)
{
	return collect(pt, va, pages, PT_YOUNG, each, arg);
}
