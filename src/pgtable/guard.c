/*
 * Markers: entries of level 0 that map nothing and say something. A guard stays until it is removed or its address is unmapped; poison goes
 * with the page.
 *
 * Installing is a walk that makes tables and fills what is none. It stops at the first page that is mapped; zap() takes the pages away, with no
 * lock held, since it has to reach who maps them elsewhere; then the walk starts again. Whoever populates the range between zap() and the
 * walk makes it start once more: TRIES times.
 */
#include "pgtable/inner.h"

#define TRIES 3

static int mapped_large(struct pt_walk *walk, uint64_t va, uint64_t last, pt_slot *slot, pt_entry e)
{
	(void)va, (void)last, (void)slot;
	return !pt_is_table(walk->pt->fmt, e);
}

static int is_guard(struct pt_walk *walk, uint64_t va, pt_slot *slot, pt_entry e)
{
	(void)walk, (void)va, (void)slot;
	return !(pt_is_marker(e) && (e & PT_GUARD));
}

static int make_guard(struct pt_walk *walk, uint64_t va, pt_entry *e)
{
	(void)walk, (void)va;
	*e = PT_GUARD;
	return 0;
}

int pt_guard_install(struct pt *pt, uint64_t va, uint64_t pages,
		     int (*zap)(void *arg, uint64_t va, uint64_t pages), void *arg)
{
	static const struct pt_walk_ops install = {.pud = mapped_large,
						   .pmd = mapped_large,
						   .pte = is_guard,
						   .install = make_guard};

	for (unsigned i = 0; i < TRIES; i++) {
		int rc = pt_walk(pt, va, pages, &install, NULL, NULL);

		if (rc <= 0)
			return rc;
		if ((rc = zap(arg, va, pages)) < 0)
			return rc;
	}
	int rc = pt_walk(pt, va, pages, &install, NULL, NULL);

	return rc <= 0 ? rc
		       : err(PF_EAGAIN, "guards from %#lx: pages came back", (unsigned long)va);
}

static int behind_large(struct pt_walk *walk, uint64_t va, uint64_t last, pt_slot *slot, pt_entry e)
{
	(void)va, (void)last, (void)slot;
	if (!pt_is_table(walk->pt->fmt, e))
		walk->action = PT_CONTINUE;
	return 0;
}

static int no_guard(struct pt_walk *walk, uint64_t va, pt_slot *slot, pt_entry e)
{
	(void)walk, (void)va;
	if (pt_is_marker(e) && (e & PT_GUARD))
		store_release(slot, e & ~PT_GUARD);
	return 0;
}

int pt_guard_remove(struct pt *pt, uint64_t va, uint64_t pages)
{
	static const struct pt_walk_ops remove = {.pud = behind_large,
						  .pmd = behind_large,
						  .pte = no_guard};
	int rc = pt_range_check(pt, va, pages);
	uint64_t last = va + pages * PAGE_BYTES - 1;

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&pt->lock);
	rc = pt_walk_locked(pt, va, last, &remove, NULL, NULL);
	pt_prune(pt, va, last);
	pthread_mutex_unlock(&pt->lock);
	return rc;
}

int pt_poison(struct pt *pt, uint64_t va)
{
	unsigned level = PT_PTE;
	pt_slot *slot;
	int rc = pt_range_check(pt, va, 1);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&pt->lock);
	rc = pt_seek(pt, va, true, &level, &slot);
	pt_entry e = rc < 0 ? 0 : load_relaxed(slot);

	if (rc < 0)
		pt_prune(pt, va, va + PAGE_BYTES - 1);
	else if (level || pt_is_leaf(pt->fmt, e, level))
		rc = err(PF_EMAPPED, "address %#lx", (unsigned long)va);
	else if (e && !pt_is_marker(e))
		rc = pt_bad(pt, va, level, e);
	else
		store_release(slot, e | PT_POISON);
	pthread_mutex_unlock(&pt->lock);
	return rc;
}
