/*
 * Quarantine: pages that a dead process held, which the kernel may still read or write for it (disk reads in flight, pages in
 * a pipe). Where the device can, their memory is replaced: the kernel keeps the old page, the file gets a new one. Otherwise,
 * and while a living process has registered the whole pool elsewhere (its registration would keep the old memory), they wait.
 *
 * The discard lock is held over the system calls, the allocator lock is not. A page is looked at after the discard lock was
 * taken, so that nobody frees it meanwhile; killed in between, it is still in quarantine and is done again.
 */
#include "base/clock.h"
#include "base/err.h"
#include "page/alloc.h"

struct run {
	uint64_t head, pages;
};

/* The quarantined pages of a block as runs of whole folios; returns how many runs. */
static unsigned find_runs(const struct pages *p, uint64_t block, struct run runs[BLOCK_PAGES])
{
	uint64_t first = p->first + block * BLOCK_PAGES;
	unsigned n = 0;

	for (uint64_t i = 0; i < BLOCK_PAGES;) {
		uint64_t w = load_acquire(&page_at(p, first + i)->word), pages = 1;

		if (word_state(w) != PAGE_FREE)
			pages = 1ul << word_order(w);
		if (word_state(w) == PAGE_QUARANTINE) {
			if (n && runs[n - 1].head + runs[n - 1].pages == first + i)
				runs[n - 1].pages += pages;
			else
				runs[n++] = (struct run){first + i, pages};
		}
		i += pages;
	}
	return n;
}

static bool somebody_registered(struct rt *rt)
{
	for (unsigned s = 0; s < rt_slots_used(rt); s++)
		if (rt_slot_state(load_acquire(&rt_slot_at(rt, s)->word)) == RT_SLOT_LIVE &&
		    load_acquire(&rt_slot_at(rt, s)->registered))
			return true;
	return false;
}

/* Replaces the memory of the runs. -PF_EAGAIN: they have to wait. */
static int replace(struct pages *p, const struct run *runs, unsigned n)
{
	int rc = 0;

	if (!p->dev->can_discard || somebody_registered(p->rt))
		return -PF_EAGAIN;
	for (unsigned i = 0; i < n; i++)
		if (runs[i].head * PAGE_BYTES % p->dev->granule ||
		    runs[i].pages * PAGE_BYTES % p->dev->granule)
			return -PF_EAGAIN;
	for (unsigned i = 0; i < n && rc == 0; i++)
		rc = dev_discard(p->dev, runs[i].head * PAGE_BYTES, runs[i].pages * PAGE_BYTES);
	return rc;
}

static int64_t free_runs(struct rt_self *me, struct pages *p, uint64_t block,
			 const struct run *runs, unsigned n)
{
	struct run left[BLOCK_PAGES];
	int64_t freed = 0;
	int rc = alloc_lock(me, p);

	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < n; i++) {
		for (uint64_t pfn = runs[i].head; pfn < runs[i].head + runs[i].pages;) {
			uint64_t pages = 1ul << word_order(load_acquire(&page_at(p, pfn)->word));

			alloc_discard(p, pfn);
			pfn += pages;
			freed += (int64_t)pages;
		}
	}
	if (find_runs(p, block, left) == 0) {
		store_relaxed(&p->zone->head, p->first + block * BLOCK_PAGES); /* for repair() */
		hbitmap_clear(&p->quarantine, block);
	}
	alloc_unlock(me, p);
	return freed;
}

static int64_t discard_block(struct rt_self *me, struct pages *p, uint64_t block)
{
	struct run runs[BLOCK_PAGES];
	unsigned n = find_runs(p, block, runs);
	uint64_t since = load_relaxed(&p->block[block].quarantined); /* not before the look */
	int rc = replace(p, runs, n);

	step("discard: memory replaced");
	if (rc == -PF_EAGAIN && clock_mono() - since >= p->quarantine_ns)
		rc = 0;
	if (rc == -PF_EAGAIN)
		return 0;
	return rc < 0 ? rc : free_runs(me, p, block, runs, n);
}

int64_t page_discard(struct rt_self *me, struct pages *p)
{
	int64_t freed = 0, rc;

	if (hbitmap_next(&p->quarantine, 0) == p->blocks)
		return 0;
	rc = rt_lock(
		me,
		&p->zone->discard); /* nothing to repair: what a dead discarder left is in quarantine */
	if (rc < 0)
		return rc;
	for (uint64_t b = hbitmap_next(&p->quarantine, 0); b < p->blocks && rc >= 0;
	     b = hbitmap_next(&p->quarantine, b + 1)) {
		rc = discard_block(me, p, b);
		freed += MAX(rc, 0);
	}
	rt_unlock(me, &p->zone->discard);
	return rc < 0 ? rc : freed;
}
