/* Getting and giving back references on a file's pages, see dax.h. */
#include "base/err.h"
#include "dax/dax.h"

#define FETCHED                 4u /* lines of the first page */
#define RETRIES_BEFORE_SETTLING 4u
#define RETRIES                 10000000u /* each is a change by somebody else, unless the runtime is damaged */

/* `any`: entries that were never written are as good as others. */
static bool wanted(entry_t e, bool any)
{
	return entry_kind(e) == ENTRY_LEAF || (any && e);
}

/* An order-9 leaf speaks for the rest of its folio, any other for its page. */
static uint64_t pages_of(entry_t e, uint64_t pfn)
{
	return entry_order(e) == BLOCK_ORDER ? BLOCK_PAGES - (pfn & (BLOCK_PAGES - 1)) : 1;
}

/* Always, but of what was found in a node that has been freed meanwhile. */
static bool has_descriptor(struct pages *p, uint64_t pfn)
{
	return hbitmap_test(&p->filled, page_block(p, pfn));
}

/* The pages from `index` on that are contiguous in memory, by their entries: at most max pages and RT_FOLIOS folios. */
static int look_up(struct fs *fs, struct pages *p, uint32_t ino, uint64_t index, uint64_t max,
		   struct dax_run *run, bool any, unsigned *hint)
{
	entry_t e = fs_entry(fs, ino, index, &run->pfn);
	unsigned folios = 1;

	run->pages = 0;
	if (!wanted(e, any) || !page_in_zone(p, run->pfn))
		return -PF_EHOLE;
	if (unlikely(!has_descriptor(p, run->pfn)))
		return -PF_EAGAIN;
	*hint = MIN(entry_order(e), (unsigned)BLOCK_ORDER);
	for (;;) {
		uint64_t folio = 1ull << entry_order(e), next;

		run->pages += pages_of(e, run->pfn + run->pages);
		if (run->pages >= max) {
			run->pages = max;
			return 0;
		}
		if (!((run->pfn + run->pages) & (folio - 1)) && ++folios > RT_FOLIOS)
			return 0;
		e = fs_entry(fs, ino, index + run->pages, &next);
		if (!wanted(e, any) || next != run->pfn + run->pages || !page_in_zone(p, next) ||
		    (next % BLOCK_PAGES == 0 && !has_descriptor(p, next)))
			return 0;
	}
}

static void count_down(struct rt_self *me, struct pages *p, uint64_t pfn, uint64_t end)
{
	if (pfn < end)
		page_down_range(me, p, pfn, end - pfn, false);
}

/* Counts each folio of the run. The run is cut where more folios come than one record may cover. */
static int count_up(struct rt_self *me, struct pages *p, struct dax_run *run, unsigned hint)
{
	uint64_t pfn = run->pfn, end = run->pfn + run->pages, head, word;

	for (unsigned folios = 0; pfn < end; folios++) {
		int rc;

		if (folios == RT_FOLIOS) {
			run->pages = pfn - run->pfn;
			return 0;
		}
		rc = page_up(p, pfn, hint, &head, &word);
		if (unlikely(rc < 0)) {
			count_down(me, p, run->pfn, pfn);
			return rc;
		}
		hint = word_order(word);
		pfn = head + (1ull << hint);
	}
	return 0;
}

static bool all_there(struct fs *fs, uint32_t ino, uint64_t index, const struct dax_run *run,
		      bool any)
{
	for (uint64_t i = 0; i < run->pages;) {
		uint64_t pfn;
		entry_t e = fs_entry(fs, ino, index + i, &pfn);

		if (!wanted(e, any) || pfn != run->pfn + i)
			return false;
		i += pages_of(e, pfn);
	}
	return true;
}

/* The second look: no part of the range is locked, and every page of the run is still where it was. In this order: a range whose owner died is
 * unlocked after what it had committed is in place. */
static bool still_there(struct rt_self *me, struct fs *fs, uint32_t ino, uint64_t index,
			const struct dax_run *run, bool any)
{
#ifdef PF_BREAK_NO_REVALIDATE
	(void)me, (void)fs, (void)ino, (void)index, (void)run, (void)any;
	return true;
#endif
	if (unlikely(load_acquire(&fs_state(fs, ino)->range_owner)) &&
	    dax_range_locked(me, fs, ino, index, index + run->pages - 1))
		return false;
	return all_there(fs, ino, index, run, any);
}

/* The descriptor, and the first bytes, which are wanted next: their translations and lines are fetched at the same time. */
static void fetch(const struct pages *p, uint64_t pfn, unsigned hint)
{
	__builtin_prefetch(page_at(p, align_down(pfn, 1ull << hint)), 1);
	for (unsigned line = 0; line < FETCHED; line++)
		__builtin_prefetch((const uint8_t *)page_address(p, pfn) + 64ul * line);
}

static int try_hold(struct rt_self *me, struct fs *fs, struct pages *p, uint32_t ino,
		    uint64_t index, uint64_t max, _Atomic uint64_t *account, struct dax_run *run,
		    bool any)
{
	unsigned hint = 0;
	int rc = look_up(fs, p, ino, index, max, run, any, &hint);

	if (rc < 0)
		return rc;
	fetch(p, run->pfn, hint);
	rt_enter(me, run->pfn, run->pages);
	rc = count_up(me, p, run, hint);
	if (likely(rc == 0)) {
#ifdef PF_BREAK_LEAVE_EARLY
		rt_leave(me);
#endif
		step("get: look again");
		if (likely(still_there(me, fs, ino, index, run, any))) {
			store_release(account, rt_range(run->pfn, run->pages));
			step("get: accounted");
		} else {
			page_down_range(me, p, run->pfn, run->pages, false);
			rc = -PF_EAGAIN;
		}
	}
	rt_leave(me);
	return rc;
}

static int hold(struct rt_self *me, struct fs *fs, struct pages *p, uint32_t ino, uint64_t index,
		uint64_t max, _Atomic uint64_t *account, struct dax_run *run, bool any)
{
	for (unsigned tries = 1;; tries++) {
		int rc = try_hold(me, fs, p, ino, index, max, account, run, any);

		if (likely(rc != -PF_EAGAIN))
			return rc;
		rc = dax_wait_range(me, fs, ino, index, index + max - 1);
		if (tries == RETRIES)
			rc = err(PF_ERUNCORRUPT, "page %lu of inode %u never stays where it is",
				 (unsigned long)index, ino);
		if (rc == 0 && tries % RETRIES_BEFORE_SETTLING == 0)
			rc = page_repair(me, p);
		if (rc < 0)
			return rc;
	}
}

int dax_hold(struct rt_self *me, struct fs *fs, struct pages *p, uint32_t ino, uint64_t index,
	     uint64_t max, _Atomic uint64_t *account, struct dax_run *run)
{
	return hold(me, fs, p, ino, index, max, account, run, false);
}

int dax_try_hold(struct rt_self *me, struct fs *fs, struct pages *p, uint32_t ino, uint64_t index,
		 uint64_t max, _Atomic uint64_t *account, struct dax_run *run)
{
	return try_hold(me, fs, p, ino, index, max, account, run, false);
}

int dax_hold_any(struct rt_self *me, struct fs *fs, struct pages *p, uint32_t ino, uint64_t index,
		 uint64_t max, _Atomic uint64_t *account, struct dax_run *run)
{
	return hold(me, fs, p, ino, index, max, account, run, true);
}

void dax_drop(struct rt_self *me, struct pages *p, _Atomic uint64_t *account, bool dead)
{
	uint64_t range = load_relaxed(account);

	if (!range)
		return;
	rt_enter(me, rt_range_pfn(range), rt_range_pages(range));
#ifdef PF_BREAK_REAP_NO_INTENT
	if (dead)
		rt_leave(me);
#endif
	range = swap(account, 0);
	step("put: un-accounted");
	if (likely(range))
		page_down_range(me, p, rt_range_pfn(range), rt_range_pages(range), dead);
	rt_leave(me);
}

/* ---- dividing a hold --------------------------------------------------------------------------------- */

/* Each folio of a range that is held, once more; or none. */
static int count_held(struct rt_self *me, struct pages *p, uint64_t first, uint64_t end)
{
	unsigned hint = BLOCK_ORDER;

	for (uint64_t pfn = first; pfn < end;) {
		uint64_t head, word;
		int rc = page_up_held(p, pfn, hint, &head, &word);

		if (rc < 0) {
			count_down(me, p, first, pfn);
			return rc;
		}
		hint = word_order(word);
		pfn = head + (1ull << hint);
	}
	return 0;
}

/* From the first folio on that begins at `pfn` or behind it. */
static uint64_t next_folio(const struct pages *p, uint64_t pfn)
{
	uint64_t head, word;

	return page_head(p, pfn, BLOCK_ORDER, &head, &word) && head < pfn
		       ? head + (1ull << word_order(word))
		       : pfn;
}

/* The rest is counted and accounted for before the hold becomes shorter, so that at any moment the count is at least what is accounted for. */
static int divide(struct rt_self *me, struct pages *p, _Atomic uint64_t *account, uint64_t range,
		  uint64_t pages, _Atomic uint64_t *rest)
{
	uint64_t first = rt_range_pfn(range), cut = first + pages;
	uint64_t end = first + rt_range_pages(range), expected = range;
	int rc = count_held(me, p, cut, end);

	if (rc < 0)
		return rc;
	step("divide: counted");
	store_release(rest, rt_range(cut, end - cut));
	step("divide: rest accounted");
	if (!cas(account, &expected, rt_range(first, pages))) {
		if (swap(rest, 0))
			count_down(me, p, cut, end);
		return -PF_EAGAIN;
	}
	step("divide: shortened");
	/* A folio on both sides of the cut is held by both. */
	count_down(me, p, next_folio(p, cut), end);
	return 0;
}

int dax_split(struct rt_self *me, struct pages *p, _Atomic uint64_t *account, uint64_t pages,
	      _Atomic uint64_t *rest)
{
	uint64_t range = load_relaxed(account);
	int rc;

	if (!range)
		return -PF_EAGAIN;
	CHECK(pages && pages < rt_range_pages(range));
	rt_enter(me, rt_range_pfn(range), rt_range_pages(range));
	rc = divide(me, p, account, range, pages, rest);
	rt_leave(me);
	return rc;
}
