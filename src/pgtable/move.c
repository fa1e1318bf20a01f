/*
 * Moving and copying. Both first do all that may fail: leaves that cannot stay whole are split, and tables are made. Then entries go over, in
 * the largest units that both places are aligned to; a whole table moves by its entry.
 */
#include "pgtable/inner.h"

/* A step of a move: what is at `from` goes to `to`. */
struct step {
	uint64_t from, to, left; /* bytes still to go */
	unsigned level;          /* of the unit */
	pt_slot *slot;           /* where it is now; none: nothing is there */
};

/* The largest unit that a step can take. */
static unsigned unit(const struct pt *pt, const struct step *s)
{
	unsigned level = MIN(pt->fmt->levels - 1u, PT_PUD);

	while (level && (((s->from | s->to) & (pt_bytes(pt->fmt, level) - 1)) ||
			 s->left < pt_bytes(pt->fmt, level)))
		level--;
	return level;
}

/* Finds what is at `from`; splits a leaf there that is larger than the unit. */
static int look(struct pt *pt, struct step *s, const struct pt_gather *gather)
{
	unsigned want = unit(pt, s);

	for (;;) {
		int rc;

		s->level = want;
		if ((rc = pt_seek(pt, s->from, false, &s->level, &s->slot)) < 0)
			return rc;
		if (s->level == want || !load_relaxed(s->slot))
			return 0;
		if ((rc = pt_split_slot(pt, s->from, s->slot, s->level, gather)) < 0)
			return rc;
	}
}

static void advance(const struct pt *pt, struct step *s)
{
	uint64_t bytes = pt_bytes(pt->fmt, s->level);
	uint64_t n = MIN(s->left, bytes - (s->from & (bytes - 1)));

	s->from += n;
	s->to += n;
	s->left -= n;
}

/* Splits, and makes the tables at `to`. */
static int prepare(struct pt *pt, struct step s, const struct pt_gather *gather)
{
	for (; s.left; advance(pt, &s)) {
		unsigned level;
		pt_slot *there;
		int rc = look(pt, &s, gather);

		level = s.level;
		if (rc == 0 && load_relaxed(s.slot))
			rc = pt_seek(pt, s.to, true, &level, &there);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void move_unit(struct pt *pt, struct step *s)
{
	unsigned level = s->level;
	pt_slot *there;

	if (pt_seek(pt, s->to, false, &level, &there) < 0 || level != s->level)
		return; /* prepare() made it: nobody but we changes the tree */
	/* Who holds a table and looks again at what led to it must find that gone. */
	store_release(there, swap(s->slot, 0));
	pt_touch(pt, s->to);
}

static int move_locked(struct pt *pt, struct step all, const struct pt_gather *gather)
{
	uint64_t from_last = all.from + all.left - 1, to_last = all.to + all.left - 1;
	int rc = pt_cut(pt, all.from, from_last, gather);

	if (rc < 0 || (rc = pt_empty(pt, all.to, to_last)) < 0)
		return rc;
	if ((rc = prepare(pt, all, gather)) == 0)
		for (struct step s = all; s.left; advance(pt, &s))
			if (look(pt, &s, gather) == 0 && load_relaxed(s.slot))
				move_unit(pt, &s);
	pt_prune(pt, all.from, from_last);
	pt_prune(pt, all.to, to_last);
	return rc;
}

int pt_move(struct pt *pt, uint64_t from, uint64_t to, uint64_t pages,
	    const struct pt_gather *gather)
{
	int rc = pt_range_check(pt, from, pages);

	if (rc < 0 || (rc = pt_range_check(pt, to, pages)) < 0)
		return rc;
	if (from - to < pages * PAGE_BYTES || to - from < pages * PAGE_BYTES)
		return err(PF_ERANGE, "%lu pages at %#lx and %#lx overlap", (unsigned long)pages,
			   (unsigned long)from, (unsigned long)to);
	pthread_mutex_lock(&pt->lock);
	rc = move_locked(pt, (struct step){.from = from, .to = to, .left = pages * PAGE_BYTES},
			 gather);
	pthread_mutex_unlock(&pt->lock);
	return rc;
}

/* ---- copying ---------------------------------------------------------------------------------- */

struct copy {
	struct pt *to;
	const struct pt_gather *gather;
	unsigned how;
};

/* What the copy of a leaf is; for a private one the original loses its write permission, too. */
static pt_entry copy_of(struct pt_walk *walk, const struct copy *c, unsigned level, pt_slot *slot,
			pt_entry e)
{
	const struct pt_fmt *f = walk->pt->fmt;
	unsigned lost = PT_YOUNG | PT_DIRTY;
	/* Of the pages that `gather` was told of. */
	uint64_t pages = pt_with_address(f, pt_leaf_address(f, e, level));

	if (c->how & PT_COPY_PRIVATE) {
		pt_change_slot(walk->pt, slot, level, PT_WRITE, 0, &e);
		lost = PT_YOUNG | PT_WRITE;
	}
	return f->leaf(level, f->flags(level, e) & ~lost) | pages;
}

static int copy_entry(struct pt_walk *walk, uint64_t va, unsigned level, pt_slot *slot, pt_entry e)
{
	const struct copy *c = walk->arg;
	bool leaf = pt_is_leaf(walk->pt->fmt, e, level);
	unsigned at = level;
	pt_slot *there;
	int rc;

	if (!e || (!leaf && level))
		return 0;
	if (leaf ? !pt_leaf_inside(walk->pt, e, level) : !pt_is_marker(e))
		return pt_bad(walk->pt, va, level, e);
	walk->action = PT_CONTINUE;
	if ((rc = pt_seek(c->to, va, true, &at, &there)) < 0)
		return rc;
	if (leaf) {
		if (c->gather && c->gather->copy &&
		    (rc = c->gather->copy(c->gather->arg, va, level, e)) < 0)
			return rc;
		e = copy_of(walk, c, level, slot, e);
	}
	store_release(there, e);
	return 0;
}

static int copy_pud(struct pt_walk *walk, uint64_t va, uint64_t last, pt_slot *slot, pt_entry e)
{
	(void)last;
	return copy_entry(walk, va, PT_PUD, slot, e);
}

static int copy_pmd(struct pt_walk *walk, uint64_t va, uint64_t last, pt_slot *slot, pt_entry e)
{
	(void)last;
	return copy_entry(walk, va, PT_PMD, slot, e);
}

static int copy_pte(struct pt_walk *walk, uint64_t va, pt_slot *slot, pt_entry e)
{
	return copy_entry(walk, va, PT_PTE, slot, e);
}

static int copy_locked(struct pt *to, struct pt *from, uint64_t va, uint64_t last, unsigned how,
		       const struct pt_gather *gather)
{
	static const struct pt_walk_ops ops = {.pud = copy_pud, .pmd = copy_pmd, .pte = copy_pte};
	struct copy copy = {to, gather, how};
	int rc = pt_empty(to, va, last);

	if (rc < 0 || (rc = pt_cut(from, va, last, gather)) < 0)
		return rc;
	rc = pt_walk_locked(from, va, last, &ops, NULL, &copy);
	if (rc < 0)
		pt_unmap_locked(to, va, last, 0, gather);
	return rc;
}

int pt_copy(struct pt *to, struct pt *from, uint64_t va, uint64_t pages, unsigned how,
	    const struct pt_gather *gather)
{
	struct pt *first = to < from ? to : from, *second = to < from ? from : to;
	int rc = pt_range_check(from, va, pages);

	CHECK(to != from && to->fmt == from->fmt && to->media_base == from->media_base);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&first->lock);
	pthread_mutex_lock(&second->lock);
	rc = copy_locked(to, from, va, va + pages * PAGE_BYTES - 1, how, gather);
	pthread_mutex_unlock(&second->lock);
	pthread_mutex_unlock(&first->lock);
	return rc;
}
