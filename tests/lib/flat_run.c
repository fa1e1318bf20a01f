/* Random operations. Each is worked out in the array's `next`, and becomes `page` if the tree says that it was done. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "flat.h"
#include "manual.h"

#define doing(fl, ...) snprintf((fl)->doing, sizeof(fl)->doing, __VA_ARGS__)
#define ul(x)          ((unsigned long)(x))

/* ---- chance ----------------------------------------------------------------------------------- */

/* One of n. */
static bool one_in(struct flat *fl, uint64_t n)
{
	return !test_below(&fl->r, n);
}

static unsigned some_level(struct flat *fl)
{
	return (unsigned)test_below(&fl->r, 3);
}

/* A page, mostly near where leaves of some level begin and end. */
static uint64_t some_page(struct flat *fl)
{
	uint64_t i = test_below(&fl->r, fl->n), at = flat_leaf(fl, i, some_level(fl));

	if (one_in(fl, 3) || at < flat_first(fl, i) || at >= fl->n)
		return i;
	if (one_in(fl, 2))
		return at;
	at += test_below(&fl->r, 5) - 2;
	return at < flat_behind(fl, i) && at >= flat_first(fl, i) ? at : i;
}

/* How many pages from i on, in the same piece. */
static uint64_t some_pages(struct flat *fl, uint64_t i)
{
	uint64_t room = flat_behind(fl, i) - i, n = 1;

	switch (test_below(&fl->r, 5)) {
	case 0:
		n = 1 + test_below(&fl->r, 8);
		break;
	case 1:
		n = pt_pages(&fl->fmt, some_level(fl)) + test_below(&fl->r, 3) - 1;
		break;
	case 2:
		n = (1 + test_below(&fl->r, 3)) * pt_pages(&fl->fmt, some_level(fl));
		break;
	case 3:
		n = 1 + test_below(&fl->r, room);
		break;
	default:
		break;
	}
	return n ? MIN(n, room) : 1;
}

/* The first of n pages, mostly so that large leaves can map them at i. */
static uint64_t some_pfn(struct flat *fl, uint64_t i, uint64_t n)
{
	uint64_t pfn = test_below(&fl->r, fl->t.pt.pages - n + 1), unit, wanted;

	if (one_in(fl, 4))
		return pfn;
	unit = pt_pages(&fl->fmt, 1 + (unsigned)test_below(&fl->r, 2));
	wanted = flat_va(fl, i) / PAGE_BYTES % unit;
	pfn = align_down(pfn, unit) + wanted;
	return pfn + n <= fl->t.pt.pages ? pfn : wanted;
}

static unsigned some_flags(struct flat *fl)
{
	static const unsigned permissions[] = {
		0,
		PT_READ,
		PT_READ | PT_WRITE,
		PT_READ | PT_WRITE,
		PT_READ | PT_EXEC,
		PT_READ | PT_WRITE | PT_EXEC,
	};
	unsigned may = permissions[test_below(&fl->r, ARRAY_SIZE(permissions))];
	/* Three quarters of the leaves are ordinary: those can be collapsed. */
	unsigned rare = one_in(fl, 4) ? PT_SPECIAL | PT_UFFD_WP : 0;
	unsigned flags = (unsigned)test_random(&fl->r) & manual_flags(&fl->fmt);

	flags &= PT_USER | PT_YOUNG | PT_DIRTY | PT_SOFT_DIRTY | rare;
	return flags | (flags & PT_UFFD_WP ? may & ~PT_WRITE : may);
}

/* ---- one operation ---------------------------------------------------------------------------- */

/* What may fail fails, now and then. */
static void begin(struct flat *fl)
{
	memcpy(fl->next, fl->page, fl->n * sizeof *fl->page);
	fl->splits = 0;
	fl->t.left = one_in(fl, 4) ? test_below(&fl->r, 6) : UINT64_MAX;
	fl->splits_left = one_in(fl, 16) ? test_below(&fl->r, 4) : UINT64_MAX;
	fl->copies_left = one_in(fl, 4) ? test_below(&fl->r, 10) : UINT64_MAX;
	fl->quiet = one_in(fl, 8);
	if (fl->quiet)
		fl->splits_left = UINT64_MAX;
}

static const struct pt_gather *gather(struct flat *fl)
{
	return fl->quiet ? NULL : &fl->gather;
}

/* An operation failed after it had split leaves, perhaps: they map what they did. */
static void look_again(struct flat *fl)
{
	for (uint64_t i = 0; i < fl->n; i++) {
		struct flat_page *page = fl->page + i;
		struct pt_leaf leaf;

		if (page->level == FLAT_NONE || page->level == 0)
			continue;
		must_be(pt_lookup(&fl->t.pt, flat_va(fl, i), &leaf), 1);
		must(leaf.level <= page->level);
		page->level = (uint8_t)leaf.level;
	}
}

static void end(struct flat *fl, bool done)
{
	fl->t.left = UINT64_MAX;
	if (done) {
		struct flat_page *page = fl->page;

		fl->page = fl->next;
		fl->next = page;
	} else {
		look_again(fl);
	}
	for (uint64_t i = 0; fl->quiet && i < fl->n; i++)
		fl->held[i] = fl->page[i];
}

/* The end of one that needs fl->splits and so many tables. */
static void end_with_splits(struct flat *fl, long rc, uint64_t left, uint64_t splits_left,
			    uint64_t tables)
{
	if (rc == -ENOMEM)
		must(tables > left);
	else if (rc == -EIO)
		must(fl->splits > splits_left);
	else if (rc < 0)
		test_fail(__FILE__, __LINE__, "%s, %s: %ld", fl->fmt.name, fl->doing, rc);
	else
		must(tables <= left && fl->splits <= splits_left);
	end(fl, rc >= 0);
}

/* What mapping says of n pages: 0, or the error for the first that is taken. */
static int taken(const struct flat *fl, uint64_t i, uint64_t n)
{
	for (uint64_t p = i; p < i + n; p++) {
		if (fl->page[p].level != FLAT_NONE)
			return -PF_EMAPPED;
		if (fl->page[p].marker)
			return fl->page[p].marker & PT_POISON >> 12 ? -PF_EPOISONED : -PF_EGUARDED;
	}
	return 0;
}

static void end_map(struct flat *fl, int rc, int wanted, uint64_t left, uint64_t i, uint64_t n)
{
	if (!wanted && !fl->loose && flat_tables(fl, fl->next) - flat_tables(fl, fl->page) > left)
		wanted = -ENOMEM;
	if (rc != wanted && !(fl->loose && rc == -ENOMEM))
		test_fail(__FILE__, __LINE__, "%s, %s: %d, not %d", fl->fmt.name, fl->doing, rc,
			  wanted);
	if (rc == 0)
		memcpy(fl->held + i, fl->next + i, n * sizeof *fl->held);
	end(fl, rc == 0);
}

static void op_map(struct flat *fl)
{
	uint64_t i = some_page(fl), n = some_pages(fl, i), pfn = some_pfn(fl, i, n);
	uint64_t left = fl->t.left;
	unsigned flags = some_flags(fl), max_level = (unsigned)test_below(&fl->r, PT_LEVELS);
	int wanted = taken(fl, i, n);

	doing(fl, "pt_map(%#lx, %#lx, %lu, %#x, %u), %lu tables", ul(flat_va(fl, i)), ul(pfn),
	      ul(n), flags, max_level, ul(left));
	if (!wanted)
		flat_map(fl, i, n, pfn, flags, max_level);
	end_map(fl, pt_map(&fl->t.pt, flat_va(fl, i), pfn, n, flags, max_level), wanted, left, i,
		n);
}

/* A page for a leaf of this level, at which it is mostly aligned and all in the array. */
static bool leaf_at(struct flat *fl, unsigned level, uint64_t *i)
{
	uint64_t from = flat_leaf(fl, *i, level);

	if (!one_in(fl, 4) && from < fl->n)
		*i = from;
	return *i >= flat_first(fl, *i) && *i + pt_pages(&fl->fmt, level) <= flat_behind(fl, *i);
}

static void op_insert(struct flat *fl)
{
	unsigned level = some_level(fl), flags = some_flags(fl);
	uint64_t i = test_below(&fl->r, fl->n), n = pt_pages(&fl->fmt, level), pfn;
	uint64_t left = fl->t.left;
	int wanted;

	if (!leaf_at(fl, level, &i))
		return;
	pfn = some_pfn(fl, i, n);
	doing(fl, "pt_insert(%#lx, %u, %#lx, %#x), %lu tables", ul(flat_va(fl, i)), level, ul(pfn),
	      flags, ul(left));
	if (i != flat_leaf(fl, i, level) || pfn % n || !flat_fits(fl, pfn, level))
		wanted = -PF_EPTLEAF;
	else if ((wanted = taken(fl, i, n)) == 0)
		flat_map(fl, i, n, pfn, flags, level);
	end_map(fl, pt_insert(&fl->t.pt, flat_va(fl, i), level, pfn, flags), wanted, left, i, n);
}

static void op_unmap(struct flat *fl)
{
	uint64_t i = some_page(fl), n = some_pages(fl, i);
	uint64_t left = fl->t.left, splits_left = fl->splits_left;
	bool keep = one_in(fl, 2);

	doing(fl, "pt_unmap(%#lx, %lu, %d), %lu tables", ul(flat_va(fl, i)), ul(n), keep, ul(left));
	flat_cut(fl, i, n);
	flat_clear(fl, i, n, keep);
	end_with_splits(fl,
			pt_unmap(&fl->t.pt, flat_va(fl, i), n, keep ? PT_KEEP_GUARDS : 0,
				 gather(fl)),
			left, splits_left, fl->splits);
}

static void op_split(struct flat *fl)
{
	uint64_t i = some_page(fl), left = fl->t.left, splits_left = fl->splits_left;
	unsigned level = some_level(fl);

	doing(fl, "pt_split(%#lx, %u), %lu tables", ul(flat_va(fl, i)), level, ul(left));
	while (fl->next[i].level != FLAT_NONE && fl->next[i].level > level)
		flat_split(fl, i);
	end_with_splits(fl, pt_split(&fl->t.pt, flat_va(fl, i), level, gather(fl)), left,
			splits_left, fl->splits);
}

/* A CPU reads or writes. */
static void op_touch(struct flat *fl)
{
	uint64_t i = some_page(fl), from = flat_leaf(fl, i, fl->page[i].level & 3);
	bool write = one_in(fl, 2);
	struct pt_leaf leaf;
	unsigned flags;

	if (pt_lookup(&fl->t.pt, flat_va(fl, i), &leaf) != 1 ||
	    !fl->fmt.permits(leaf.entry, fl->fmt.no_limit, write ? PT_WRITE : PT_READ))
		return;
	doing(fl, "a CPU's %s of %#lx", write ? "store" : "load", ul(flat_va(fl, i)));
	store_relaxed(leaf.slot, fl->fmt.touch(leaf.entry, write ? PT_WRITE : PT_READ));
	if (leaf.upper)
		atomic_fetch_or(leaf.upper, fl->fmt.table_young);
	flags = (fl->fmt.hardware_young ? PT_YOUNG : 0) |
		(write && fl->fmt.hardware_dirty ? PT_DIRTY : 0);
	for (uint64_t p = 0; p < pt_pages(&fl->fmt, leaf.level); p++)
		fl->next[from + p].flags |= (uint16_t)flags;
	end(fl, true);
}

static void op_settle(struct flat *fl)
{
	doing(fl, "pt_settle");
	must_be(fl->t.busy && fl->t.pt.deferred.count, pt_settle(&fl->t.pt, 0) > 0);
	end(fl, true);
}

/* ---- all -------------------------------------------------------------------------------------- */

static void (*const ops[])(struct flat *fl) = {
	op_map,   op_map,   op_map,   op_insert, op_insert,
	op_unmap, op_unmap, op_split, op_touch,  op_settle,
};

static void operation(struct flat *fl)
{
	if (one_in(fl, 16) || fl->t.pt.deferred.count > 1000)
		fl->t.busy = !fl->t.busy && fl->t.pt.deferred.count <= 1000;
	begin(fl);
	ops[test_below(&fl->r, ARRAY_SIZE(ops))](fl);
	if (fl->t.pt.deferred.count > 1000) {
		fl->t.busy = false;
		must_be(pt_settle(&fl->t.pt, 0), 0);
	}
	flat_check(fl);
}

static unsigned long round_of(const struct pt_fmt *f, unsigned operations, double share,
			      struct test_random *r)
{
	struct flat fl;
	unsigned done = 0;

	flat_make(&fl, f, test_random(r));
	while (done < operations && (done < 8 || test_time_left(share))) {
		operation(&fl);
		done++;
	}
	flat_end(&fl);
	return done;
}

void flat_run(double share)
{
	struct test_random r = {test_seed()};
	unsigned long tiny = 0, whole = 0;

	do {
		for (unsigned i = 0; i < tables_format_count; i++) {
			const struct pt_fmt *f = tables_formats[i];
			struct pt_fmt two = tables_tiny(f, 2), three = tables_tiny(f, 3);

			tiny += round_of(&two, 300, share, &r);
			tiny += round_of(&three, 50, share, &r);
			whole += round_of(f, 8, share, &r);
		}
	} while (test_time_left(share));
	printf("%lu operations on tiny tables, %lu on those of CPUs\n", tiny, whole);
}
