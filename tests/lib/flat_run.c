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
	if (!wanted && flat_tables(fl, fl->next) - flat_tables(fl, fl->page) > left)
		wanted = -ENOMEM;
	if (rc != wanted)
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

/* All that a piece of the array has: no table is left of it. */
static void op_wipe(struct flat *fl)
{
	uint64_t i = flat_first(fl, some_page(fl)), n = flat_behind(fl, i) - i;

	doing(fl, "pt_unmap(%#lx, %lu)", ul(flat_va(fl, i)), ul(n));
	flat_clear(fl, i, n, false);
	must_be(pt_unmap(&fl->t.pt, flat_va(fl, i), n, 0, gather(fl)), 0);
	end(fl, true);
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

static void collapse(struct flat *fl, uint64_t i, unsigned level)
{
	uint64_t n = pt_pages(&fl->fmt, level);

	if (i >= fl->n || i + n > flat_behind(fl, i))
		return;
	doing(fl, "pt_collapse(%#lx, %u)", ul(flat_va(fl, i)), level);
	must_be(pt_collapse(&fl->t.pt, flat_va(fl, i) + test_below(&fl->r, n) * PAGE_BYTES, level,
			    gather(fl)),
		flat_collapse(fl, i, level) ? 0 : -PF_EPTLEAF);
	end(fl, true);
}

static void op_collapse(struct flat *fl)
{
	unsigned level = 1 + (unsigned)test_below(&fl->r, 2);

	collapse(fl, flat_leaf(fl, some_page(fl), level), level);
}

/* A CPU reads or writes, as far as it may. */
static void touch(struct flat *fl, uint64_t i)
{
	unsigned access = (one_in(fl, 2) ? PT_WRITE : PT_READ) | (fl->page[i].flags & PT_USER);
	struct pt_change change = {.whole = true};
	struct pt_translation t;

	doing(fl, "access %#x to %#lx", access, ul(flat_va(fl, i)));
	must_be(pt_translate(&fl->t.pt, flat_va(fl, i), access, &t), 0);
	if (t.outcome != PT_OK)
		return;
	for (unsigned level = t.level; level < fl->fmt.levels; level++)
		store_relaxed(t.slot[level], t.after[level]);
	change.set = (fl->fmt.hardware_young ? PT_YOUNG : 0) |
		     (access & PT_WRITE && fl->fmt.hardware_dirty ? PT_DIRTY : 0);
	flat_change(fl, i, 1, &change);
	end(fl, true);
}

static void op_touch(struct flat *fl)
{
	touch(fl, some_page(fl));
}

/* A leaf is split, some of what it became is accessed, and it is made whole again, if it can be. */
static void op_there_and_back(struct flat *fl)
{
	uint64_t i = some_page(fl);
	unsigned level = fl->page[i].level;

	if (level == FLAT_NONE || !level)
		return;
	doing(fl, "pt_split(%#lx, %u)", ul(flat_va(fl, i)), level - 1);
	fl->t.left = fl->splits_left = UINT64_MAX;
	flat_split(fl, i);
	must_be(pt_split(&fl->t.pt, flat_va(fl, i), level - 1, gather(fl)), 0);
	end(fl, true);
	begin(fl);
	touch(fl, i);
	begin(fl);
	collapse(fl, flat_leaf(fl, i, level), level);
}

/* ---- what leaves say ---- */

/* The calls that have a name. */
struct named {
	const char *name;
	struct pt_change change;
	long (*call)(struct flat *fl, uint64_t va, uint64_t n);
};

static long protect_none(struct flat *fl, uint64_t va, uint64_t n)
{
	return pt_protect(&fl->t.pt, va, n, 0, gather(fl));
}

static long protect_read(struct flat *fl, uint64_t va, uint64_t n)
{
	return pt_protect(&fl->t.pt, va, n, PT_READ, gather(fl));
}

static long protect_all(struct flat *fl, uint64_t va, uint64_t n)
{
	return pt_protect(&fl->t.pt, va, n, PT_PERMISSIONS, gather(fl));
}

static long track(struct flat *fl, uint64_t va, uint64_t n)
{
	return pt_write_protect(&fl->t.pt, va, n, gather(fl));
}

static long untrack(struct flat *fl, uint64_t va, uint64_t n)
{
	return pt_write_unprotect(&fl->t.pt, va, n, false, gather(fl));
}

static long untrack_write(struct flat *fl, uint64_t va, uint64_t n)
{
	return pt_write_unprotect(&fl->t.pt, va, n, true, gather(fl));
}

static long clear_soft_dirty(struct flat *fl, uint64_t va, uint64_t n)
{
	return pt_clear_soft_dirty(&fl->t.pt, va, n);
}

static long collect_dirty(struct flat *fl, uint64_t va, uint64_t n)
{
	return pt_collect_dirty(&fl->t.pt, va, n, flat_told, fl);
}

static long clear_young(struct flat *fl, uint64_t va, uint64_t n)
{
	return pt_clear_young(&fl->t.pt, va, n, flat_told, fl);
}

#define WITH(a_clear, a_set, a_only)                           \
	{                                                      \
		.clear = a_clear, .set = a_set, .only = a_only \
	}
#define WHOLE(a_clear, a_each)                                                                 \
	{                                                                                      \
		.clear = a_clear, .only = (a_clear) & ~PT_WRITE, .whole = true, .each = a_each \
	}

static const struct named names[] = {
	{"pt_protect to none", WITH(PT_PERMISSIONS, 0, 0), protect_none},
	{"pt_protect to read", WITH(PT_PERMISSIONS, PT_READ, 0), protect_read},
	{"pt_protect to all", WITH(PT_PERMISSIONS, PT_PERMISSIONS, 0), protect_all},
	{"pt_write_protect", WITH(PT_WRITE, PT_UFFD_WP, 0), track},
	{"pt_write_unprotect", WITH(PT_UFFD_WP, 0, PT_UFFD_WP), untrack},
	{"pt_write_unprotect, write", WITH(PT_UFFD_WP, PT_WRITE, PT_UFFD_WP), untrack_write},
	{"pt_clear_soft_dirty", WHOLE(PT_SOFT_DIRTY | PT_WRITE, NULL), clear_soft_dirty},
	{"pt_collect_dirty", WHOLE(PT_DIRTY, flat_told), collect_dirty},
	{"pt_clear_young", WHOLE(PT_YOUNG, flat_told), clear_young},
};

static void end_change(struct flat *fl, long rc, long wanted, uint64_t left, uint64_t splits_left)
{
	if (rc >= 0) {
		must_be(rc, wanted);
		flat_all_told(fl);
	}
	end_with_splits(fl, rc, left, splits_left, fl->splits);
}

static void op_named(struct flat *fl)
{
	const struct named *named = names + test_below(&fl->r, ARRAY_SIZE(names));
	uint64_t i = some_page(fl), n = some_pages(fl, i);
	uint64_t left = fl->t.left, splits_left = fl->splits_left;
	long wanted;

	doing(fl, "%s(%#lx, %lu), %lu tables", named->name, ul(flat_va(fl, i)), ul(n), ul(left));
	if ((named->change.clear | named->change.set) & ~PT_PERMISSIONS & ~manual_flags(&fl->fmt)) {
		must_be(named->call(fl, flat_va(fl, i), n), -PF_EPTCAN);
		return;
	}
	wanted = flat_change(fl, i, n, &named->change);
	end_change(fl, named->call(fl, flat_va(fl, i), n), wanted, left, splits_left);
}

static void op_change(struct flat *fl)
{
	uint64_t i = some_page(fl), n = some_pages(fl, i);
	uint64_t left = fl->t.left, splits_left = fl->splits_left;
	unsigned can = manual_flags(&fl->fmt);
	struct pt_change change = {
		.clear = (unsigned)test_random(&fl->r) & (can | PT_WRITE | PT_EXEC),
		.set = (unsigned)test_random(&fl->r) & (unsigned)test_random(&fl->r) &
		       (can | PT_WRITE | PT_READ),
		.only = one_in(fl, 2) ? 0 : (unsigned)test_random(&fl->r) & can,
		.whole = one_in(fl, 2),
		.each = flat_told,
		.arg = fl,
	};
	long wanted = flat_change(fl, i, n, &change);

	doing(fl, "pt_change(%#lx, %lu, clear %#x, set %#x, only %#x, %d), %lu tables",
	      ul(flat_va(fl, i)), ul(n), change.clear, change.set, change.only, change.whole,
	      ul(left));
	end_change(fl, pt_change(&fl->t.pt, flat_va(fl, i), n, &change, gather(fl)), wanted, left,
		   splits_left);
}

/* ---- markers ---- */

static int zap(void *arg, uint64_t va, uint64_t pages)
{
	struct flat *fl = arg;

	return pt_unmap(&fl->t.pt, va, pages, PT_KEEP_GUARDS, gather(fl));
}

/* Guards stay that were made until it failed, and nothing is back that went. */
static void half_guarded(struct flat *fl, uint64_t i, uint64_t n)
{
	for (uint64_t p = i; p < i + n; p++) {
		struct flat_page *page = fl->page + p;
		struct pt_leaf leaf;

		if (pt_lookup(&fl->t.pt, flat_va(fl, p), &leaf) == 1)
			continue;
		must(!(page->marker & 1) || leaf.entry & PT_GUARD);
		must(!leaf.entry || leaf.entry == PT_GUARD || leaf.entry >> 12 == page->marker);
		*page = (struct flat_page){.level = FLAT_NONE,
					   .marker = (uint8_t)(leaf.entry >> 12)};
	}
}

static void op_guard(struct flat *fl)
{
	uint64_t i = some_page(fl), n = some_pages(fl, i), left = fl->t.left;
	bool in_the_way = false;
	int rc;

	doing(fl, "pt_guard_install(%#lx, %lu), %lu tables", ul(flat_va(fl, i)), ul(n), ul(left));
	for (uint64_t p = i; p < i + n; p++)
		in_the_way |= fl->page[p].level != FLAT_NONE || fl->page[p].marker == 2;
	if (in_the_way) {
		flat_cut(fl, i, n);
		flat_clear(fl, i, n, true);
	}
	for (uint64_t p = i; p < i + n; p++)
		fl->next[p].marker |= PT_GUARD >> 12;
	rc = pt_guard_install(&fl->t.pt, flat_va(fl, i), n, zap, fl);
	if (rc == -ENOMEM || rc == -EIO) {
		must(left != UINT64_MAX || rc == -EIO);
		half_guarded(fl, i, n);
	} else {
		must_be(rc, 0);
	}
	end(fl, rc == 0);
}

static void op_unguard(struct flat *fl)
{
	uint64_t i = some_page(fl), n = some_pages(fl, i);

	doing(fl, "pt_guard_remove(%#lx, %lu)", ul(flat_va(fl, i)), ul(n));
	for (uint64_t p = i; p < i + n; p++)
		fl->next[p].marker &= (uint8_t) ~(PT_GUARD >> 12);
	must_be(pt_guard_remove(&fl->t.pt, flat_va(fl, i), n), 0);
	end(fl, true);
}

static void op_poison(struct flat *fl)
{
	uint64_t i = some_page(fl), left = fl->t.left;
	int wanted = fl->page[i].level == FLAT_NONE ? 0 : -PF_EMAPPED;

	doing(fl, "pt_poison(%#lx), %lu tables", ul(flat_va(fl, i)), ul(left));
	if (!wanted)
		fl->next[i].marker |= PT_POISON >> 12;
	if (!wanted && flat_tables(fl, fl->next) - flat_tables(fl, fl->page) > left)
		wanted = -ENOMEM;
	must_be(pt_poison(&fl->t.pt, flat_va(fl, i)), wanted);
	end(fl, !wanted);
}

/* ---- moving and copying ---- */

static bool resources(long rc)
{
	return rc == -ENOMEM || rc == -EIO || rc == -EREMOTEIO;
}

static void op_move(struct flat *fl)
{
	uint64_t i = some_page(fl), n = some_pages(fl, i), j = some_page(fl);
	uint64_t left = fl->t.left, splits_left = fl->splits_left;
	int wanted, rc;

	if (one_in(fl, 2))
		j = flat_leaf(fl, j, PT_PMD) + i - flat_leaf(fl, i, PT_PMD);
	if (j >= fl->n || j + n > flat_behind(fl, j))
		return;
	doing(fl, "pt_move(%#lx, %#lx, %lu), %lu tables", ul(flat_va(fl, i)), ul(flat_va(fl, j)),
	      ul(n), ul(left));
	wanted = i < j + n && j < i + n ? -PF_ERANGE : taken(fl, j, n);
	if (!wanted)
		flat_move(fl, i, j, n);
	rc = pt_move(&fl->t.pt, flat_va(fl, i), flat_va(fl, j), n, gather(fl));
	if (rc == 0) {
		must(fl->splits <= left && fl->splits <= splits_left);
		memcpy(fl->held + j, fl->held + i, n * sizeof *fl->held);
		for (uint64_t p = i; p < i + n; p++)
			fl->held[p].level = FLAT_NONE;
	}
	if (rc == -ENOMEM ? left == UINT64_MAX : rc != -EIO && rc != wanted)
		test_fail(__FILE__, __LINE__, "%s, %s: %d, not %d", fl->fmt.name, fl->doing, rc,
			  wanted);
	end(fl, rc == 0);
}

struct both {
	struct flat *to, *from;
};

static void copy_gone(void *arg, uint64_t va, unsigned level, pt_entry leaf)
{
	struct flat *to = ((struct both *)arg)->to;

	to->gather.gone(to, va, level, leaf);
}

static int copy_split(void *arg, uint64_t va, unsigned level, pt_entry leaf)
{
	struct flat *from = ((struct both *)arg)->from;

	return from->gather.split(from, va, level, leaf);
}

static int copy_copy(void *arg, uint64_t va, unsigned level, pt_entry leaf)
{
	struct flat *to = ((struct both *)arg)->to;

	return to->gather.copy(to, va, level, leaf);
}

/* Originals lost PT_WRITE until it failed. */
static void half_copied(struct flat *fl, uint64_t i, uint64_t n)
{
	for (uint64_t p = i; p < i + n; p++) {
		struct pt_leaf leaf;

		if (pt_lookup(&fl->t.pt, flat_va(fl, p), &leaf) == 1 &&
		    !(fl->fmt.flags(leaf.level, leaf.entry) & PT_WRITE))
			fl->page[p].flags &= (uint16_t)~PT_WRITE;
	}
}

static void copy(struct flat *to, struct flat *fl, uint64_t i, uint64_t n)
{
	struct both both = {to, fl};
	const struct pt_gather told = {.gone = copy_gone,
				       .split = copy_split,
				       .copy = copy_copy,
				       .arg = &both};
	bool private = one_in(fl, 2);
	int wanted = taken(to, i, n), rc;

	begin(fl);
	fl->quiet = false;
	begin(to);
	to->quiet = false;
	doing(fl, "pt_copy(%#lx, %lu, %d), %lu and %lu tables", ul(flat_va(fl, i)), ul(n), private,
	      ul(fl->t.left), ul(to->t.left));
	memcpy(to->doing, fl->doing, sizeof to->doing);
	flat_cut(fl, i, n);
	for (uint64_t p = i; !wanted && p < i + n; p++) {
		if (private)
			fl->next[p].flags &= (uint16_t)~PT_WRITE;
		to->next[p] = fl->next[p];
		to->next[p].flags &= (uint16_t) ~(PT_YOUNG | (private ? 0 : PT_DIRTY));
	}
	rc = pt_copy(&to->t.pt, &fl->t.pt, flat_va(fl, i), n, private ? PT_COPY_PRIVATE : 0, &told);
	if (resources(rc))
		half_copied(fl, i, private ? n : 0);
	else
		must_be(rc, wanted);
	end(fl, rc == 0);
	end(to, rc == 0);
}

static void operation_on(struct flat *fl, void (*op)(struct flat *fl));

/* To a tree that has something already, in half of the cases. */
static void op_copy(struct flat *fl)
{
	struct flat to;

	flat_make(&to, &fl->fmt, test_random(&fl->r));
	to.t.pt.fmt = fl->t.pt.fmt;
	to.folios = fl->folios;
	if (one_in(fl, 2))
		operation_on(&to, op_map);
	for (unsigned times = 1 + (unsigned)test_below(&fl->r, 3); times; times--) {
		uint64_t i = some_page(fl);

		copy(&to, fl, i, some_pages(fl, i));
		flat_check(&to);
	}
	flat_end(&to);
}

static void op_settle(struct flat *fl)
{
	uint64_t in_use = fl->t.in_use;
	size_t waiting = fl->t.pt.deferred.count, left;

	doing(fl, "pt_settle");
	left = pt_settle(&fl->t.pt, 0);
	must_be(left, fl->t.busy ? waiting : 0);
	must_be((long)(in_use - fl->t.in_use), (long)(waiting - left));
	end(fl, true);
}

/* ---- all -------------------------------------------------------------------------------------- */

static void (*const ops[])(struct flat *fl) = {
	op_map,
	op_map,
	op_map,
	op_map,
	op_map,
	op_insert,
	op_insert,
	op_insert,
	op_unmap,
	op_unmap,
	op_split,
	op_split,
	op_touch,
	op_touch,
	op_touch,
	op_collapse,
	op_collapse,
	op_collapse,
	op_named,
	op_named,
	op_change,
	op_guard,
	op_guard,
	op_wipe,
	op_there_and_back,
	op_there_and_back,
	op_unguard,
	op_poison,
	op_move,
	op_move,
	op_copy,
	op_settle,
};

static void operation_on(struct flat *fl, void (*op)(struct flat *fl))
{
	begin(fl);
	op(fl);
	fl->t.left = fl->splits_left = UINT64_MAX;
	flat_check(fl);
}

static void operation(struct flat *fl)
{
	if (one_in(fl, 16))
		fl->t.busy = !fl->t.busy;
	operation_on(fl, ops[test_below(&fl->r, ARRAY_SIZE(ops))]);
	if (fl->t.pt.deferred.count > 1000) {
		fl->t.busy = false;
		must_be(pt_settle(&fl->t.pt, 0), 0);
	}
}

static unsigned long round_of(const struct pt_fmt *f, unsigned operations, double share,
			      struct test_random *r)
{
	struct flat fl;
	unsigned done = 0;

	flat_make(&fl, f, test_random(r));
	while (done < operations && (done < 2 || test_time_left(share))) {
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
	/* Where there is little time, which of them have most of it is a matter of chance. */
	uint64_t first = test_below(&r, tables_format_count);

	do {
		for (unsigned i = 0; i < tables_format_count; i++) {
			const struct pt_fmt *f = tables_formats[(first + i) % tables_format_count];
			struct pt_fmt two = tables_tiny(f, 2), three = tables_tiny(f, 3);

			tiny += round_of(&two, 300, share, &r);
			tiny += round_of(&three, 50, share, &r);
			whole += round_of(f, 8, share, &r);
		}
	} while (test_time_left(share));
	printf("%lu operations on tiny tables, %lu on those of CPUs\n", tiny, whole);
}
