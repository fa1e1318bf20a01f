/* Comparing: a reader of the tree that follows the manuals, and the functions under test. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "flat.h"
#include "manual.h"

/* ---- as the manuals say ----------------------------------------------------------------------- */

struct reading {
	struct flat *fl;
	uint64_t tables, pages, markers;
	bool young; /* a leaf was, since this was cleared */
	char why[300];
};

static const char *differ(struct reading *rd, uint64_t va, unsigned level, pt_entry e,
			  const char *format, ...) __attribute__((format(printf, 5, 6)));

static const char *differ(struct reading *rd, uint64_t va, unsigned level, pt_entry e,
			  const char *format, ...)
{
	va_list ap;
	int n = snprintf(rd->why, sizeof rd->why,
			 "address %#lx, level %u, entry %#lx: ", (unsigned long)va, level,
			 (unsigned long)e);

	va_start(ap, format);
	vsnprintf(rd->why + n, sizeof rd->why - (size_t)n, format, ap);
	va_end(ap);
	return rd->why;
}

static const char *read_leaf(struct reading *rd, uint64_t va, unsigned level, pt_entry e,
			     struct manual m)
{
	struct flat *fl = rd->fl;
	uint64_t pages = pt_pages(&fl->fmt, level), i = flat_index(fl, va);
	uint64_t pfn = (m.address - fl->t.pt.media_base) / PAGE_BYTES;

	if (i + pages > fl->n)
		return differ(rd, va, level, e, "is not in the array");
	for (uint64_t p = 0; p < pages; p++) {
		const struct flat_page *page = fl->page + i + p;

		if (page->level != level || page->pfn != pfn + p || page->flags != m.flags)
			return differ(rd, va + p * PAGE_BYTES, level, e,
				      "page %#lx, flags %#x; in the array level %u, page %#x, "
				      "flags %#x",
				      (unsigned long)(pfn + p), m.flags, page->level, page->pfn,
				      page->flags);
	}
	rd->pages += pages;
	rd->young |= m.flags & PT_YOUNG;
	return NULL;
}

static const char *read_marker(struct reading *rd, uint64_t va, pt_entry e, struct manual m)
{
	uint64_t i = flat_index(rd->fl, va);

	if (i >= rd->fl->n || rd->fl->page[i].marker != m.flags >> 12)
		return differ(rd, va, 0, e, "another marker in the array");
	rd->markers++;
	return NULL;
}

static const char *read_table(struct reading *rd, uint64_t offset, unsigned level, uint64_t va);

/* Who looks for accessed leaves looks only where tables are. */
static const char *read_below(struct reading *rd, uint64_t va, unsigned level, pt_entry e,
			      struct manual m)
{
	struct flat *fl = rd->fl;
	uint64_t below = m.address - fl->t.pt.table_base;
	bool young = rd->young;
	const char *why;

	if (below >= fl->t.bytes || !fl->t.used[below / PAGE_BYTES])
		return differ(rd, va, level, e, "no table is there");
	rd->young = false;
	if ((why = read_table(rd, below, level - 1, va)))
		return why;
	if (rd->young && fl->fmt.table_young && !(m.flags & PT_YOUNG))
		return differ(rd, va, level, e, "accessed below, and not here");
	rd->young |= young;
	return NULL;
}

static const char *read_entry(struct reading *rd, uint64_t va, unsigned level, pt_entry e)
{
	struct manual m = manual_read(&rd->fl->fmt, level, e);

	switch (m.kind) {
	case MANUAL_NONE:
		return NULL;
	case MANUAL_LEAF:
		return read_leaf(rd, va, level, e, m);
	case MANUAL_MARKER:
		return read_marker(rd, va, e, m);
	case MANUAL_TABLE:
		return read_below(rd, va, level, e, m);
	default:
		return differ(rd, va, level, e, "%s", m.bad);
	}
}

static const char *read_table(struct reading *rd, uint64_t offset, unsigned level, uint64_t va)
{
	const struct pt_fmt *f = &rd->fl->fmt;
	const pt_slot *slot = (const pt_slot *)(void *)(rd->fl->t.pt.arena + offset);
	unsigned root = f->levels - 1u, entries = pt_entries(f);

	/* A circle ends here, too. */
	if (++rd->tables > rd->fl->t.pt.tables)
		return differ(rd, va, level, 0, "more tables than there are");
	for (unsigned i = 0; i < PAGE_BYTES / sizeof *slot; i++, va += pt_bytes(f, level)) {
		const char *why;

		if (level == root && f->sign && i == entries / 2)
			va = -(entries / 2 * pt_bytes(f, level));
		if (i >= entries && slot[i])
			return differ(rd, va, level, slot[i], "behind the end of the table");
		if (i < entries && (why = read_entry(rd, va, level, load_relaxed(slot + i))))
			return why;
	}
	return NULL;
}

const char *flat_differs(struct flat *fl)
{
	static struct reading rd;
	uint64_t pages = 0, markers = 0;
	const char *why;

	rd = (struct reading){.fl = fl};
	if ((why = read_table(&rd, fl->t.pt.root, fl->fmt.levels - 1u, 0)))
		return why;
	for (uint64_t i = 0; i < fl->n; i++) {
		pages += fl->page[i].level != FLAT_NONE;
		markers += fl->page[i].marker != 0;
	}
	if (pages != rd.pages || markers != rd.markers)
		return differ(&rd, 0, 0, 0, "%lu pages of %lu, %lu markers of %lu",
			      (unsigned long)rd.pages, (unsigned long)pages,
			      (unsigned long)rd.markers, (unsigned long)markers);
	if (rd.tables != fl->t.pt.tables)
		return differ(&rd, 0, 0, 0, "%lu tables of %lu", (unsigned long)rd.tables,
			      (unsigned long)fl->t.pt.tables);
	return NULL;
}

/* ---- as the functions under test say ---------------------------------------------------------- */

#define fail(...) test_fail(__FILE__, __LINE__, __VA_ARGS__)

/* What is at page i, by an entry that a walk or a lookup found. */
static void same(const struct flat *fl, uint64_t i, unsigned level, pt_entry e, uint64_t pfn)
{
	const struct flat_page *page = fl->page + i;
	bool mapped = page->level != FLAT_NONE;

	if (i < fl->n && mapped == pt_is_leaf(&fl->fmt, e, level) &&
	    (mapped ? page->level == level && page->pfn == pfn &&
			      page->flags == fl->fmt.flags(level, e)
		    : (uint64_t)page->marker << 12 == e))
		return;
	fail("%s, %s: address %#lx is at level %u, page %#lx, entry %#lx; in the array level %u, "
	     "page %#x, flags %#x, marker %u",
	     fl->fmt.name, fl->doing, (unsigned long)flat_va(fl, i), level, (unsigned long)pfn,
	     (unsigned long)e, page->level, page->pfn, page->flags, page->marker);
}

static void look_up(const struct flat *fl, uint64_t i, uint64_t inside)
{
	struct pt_leaf leaf;
	bool mapped = fl->page[i].level != FLAT_NONE;

	if (pt_lookup(&fl->t.pt, flat_va(fl, i) + inside, &leaf) != mapped ||
	    !pt_leaf_same(&fl->t.pt, &leaf))
		fail("%s, %s: lookup of %#lx", fl->fmt.name, fl->doing,
		     (unsigned long)flat_va(fl, i));
	same(fl, i, leaf.level, leaf.entry, leaf.pfn);
}

/* What a CPU says of an access: by what the leaf says. */
static enum pt_outcome outcome(const struct flat *fl, const struct flat_page *page, unsigned access)
{
	unsigned flags = page->level == FLAT_NONE ? 0 : page->flags;

	if (!(flags & PT_PERMISSIONS))
		return PT_NOT_PRESENT;
	if (!fl->fmt.hardware_young && !(flags & PT_YOUNG))
		return PT_NOT_ACCESSED;
	if (access & PT_WRITE && !fl->fmt.hardware_dirty && !(flags & PT_DIRTY))
		return PT_FORBIDDEN;
	return access & ~flags ? PT_FORBIDDEN : PT_OK;
}

/* By users, or by the supervisor to what is not of users; the rest differs between CPUs. */
static void translate(struct flat *fl, uint64_t i, uint64_t inside)
{
	const struct flat_page *page = fl->page + i;
	unsigned access = 1u << test_below(&fl->r, 3);
	struct pt_translation t;

	if (page->flags & PT_USER || test_below(&fl->r, 2))
		access |= PT_USER;
	must_be(pt_translate(&fl->t.pt, flat_va(fl, i) + inside, access, &t), 0);
	if (t.outcome != outcome(fl, page, access) ||
	    (page->level != FLAT_NONE && t.level != page->level) ||
	    (t.outcome == PT_OK &&
	     t.address != fl->t.pt.media_base + page->pfn * PAGE_BYTES + inside))
		fail("%s, %s: access %#x to %#lx, flags %#x: outcome %d at level %u, not %d",
		     fl->fmt.name, fl->doing, access, (unsigned long)flat_va(fl, i), page->flags,
		     t.outcome, t.level, outcome(fl, page, access));
}

/* Special leaves are of no folio. */
static void folio_walk(struct flat *fl, uint64_t i)
{
	const struct flat_page *page = fl->page + i;
	struct pt_leaf leaf;
	bool mapped = page->level != FLAT_NONE, special = page->flags & PT_SPECIAL;
	unsigned how = test_below(&fl->r, 2) ? PT_WALK_SPECIAL : 0;

	if (pt_folio_walk_start(&fl->t.pt, flat_va(fl, i), how, &leaf) !=
	    (mapped && (how || !special)))
		fail("%s, %s: folio walk to %#lx", fl->fmt.name, fl->doing,
		     (unsigned long)flat_va(fl, i));
	if (!mapped || (!how && special))
		return;
	must_be(leaf.pfn, page->pfn);
	must_be(pthread_mutex_trylock(&fl->t.pt.lock), EBUSY);
	pt_folio_walk_end(&fl->t.pt);
}

static void look_up_all(struct flat *fl)
{
	uint64_t step = 1 + fl->n / 2048;

	for (uint64_t i = test_below(&fl->r, step); i < fl->n; i += step) {
		look_up(fl, i, test_below(&fl->r, PAGE_BYTES));
		translate(fl, i, test_below(&fl->r, PAGE_BYTES));
	}
	folio_walk(fl, test_below(&fl->r, fl->n));
}

/* A walk meets every page of its range once, in order. */
struct tour {
	struct flat *fl;
	uint64_t next; /* the page that is to come */
	uint64_t behind;
};

static uint64_t tour_pfn(const struct tour *tour, uint64_t va, unsigned level, pt_entry e)
{
	const struct pt *pt = &tour->fl->t.pt;
	uint64_t inside = va & (pt_bytes(pt->fmt, level) - 1);

	return (pt_leaf_address(pt->fmt, e, level) + inside - pt->media_base) / PAGE_BYTES;
}

static void tour_pages(struct tour *tour, uint64_t va, uint64_t last, unsigned level, pt_entry e)
{
	struct flat *fl = tour->fl;

	if (va != flat_va(fl, tour->next) || last < va || last % PAGE_BYTES != PAGE_BYTES - 1)
		fail("%s, %s: the walk is at %#lx to %#lx, and should be at %#lx", fl->fmt.name,
		     fl->doing, (unsigned long)va, (unsigned long)last,
		     (unsigned long)flat_va(fl, tour->next));
	for (uint64_t n = (last - va) / PAGE_BYTES + 1; n; n--, va += PAGE_BYTES) {
		must(tour->next < tour->behind);
		same(fl, tour->next++, level, e, tour_pfn(tour, va, level, e));
	}
}

static int tour_upper(struct pt_walk *w, uint64_t va, uint64_t last, unsigned level, pt_entry e)
{
	if (pt_is_table(w->pt->fmt, e))
		return 0;
	tour_pages(w->arg, va, last, level, e);
	w->action = PT_CONTINUE;
	return 0;
}

static int tour_pud(struct pt_walk *w, uint64_t va, uint64_t last, pt_slot *slot, pt_entry e)
{
	(void)slot;
	return tour_upper(w, va, last, PT_PUD, e);
}

static int tour_pmd(struct pt_walk *w, uint64_t va, uint64_t last, pt_slot *slot, pt_entry e)
{
	(void)slot;
	return tour_upper(w, va, last, PT_PMD, e);
}

static int tour_pte(struct pt_walk *w, uint64_t va, pt_slot *slot, pt_entry e)
{
	(void)slot;
	tour_pages(w->arg, va, va + PAGE_BYTES - 1, PT_PTE, e);
	return 0;
}

static int tour_hole(struct pt_walk *w, uint64_t va, uint64_t last, unsigned level)
{
	tour_pages(w->arg, va, last, level, 0);
	return 0;
}

static void walk(struct flat *fl, uint64_t i, uint64_t behind)
{
	static const struct pt_walk_ops ops = {
		.pud = tour_pud,
		.pmd = tour_pmd,
		.pte = tour_pte,
		.hole = tour_hole,
	};
	struct tour tour = {fl, i, behind};

	must_be(pt_walk(&fl->t.pt, flat_va(fl, i), behind - i, &ops, NULL, &tour), 0);
	must(tour.next == behind);
}

/* All of it, or what a piece of the array has. */
static void walk_all(struct flat *fl)
{
	uint64_t end = fl->piece[0].pages;
	uint64_t from = test_below(&fl->r, end);

	walk(fl, 0, end);
	walk(fl, from, from + 1 + test_below(&fl->r, end - from));
	if (end < fl->n)
		walk(fl, end, fl->n);
}

static void check_held(const struct flat *fl)
{
	for (uint64_t i = 0; i < fl->n; i++) {
		const struct flat_page *page = fl->page + i, *held = fl->held + i;

		if (held->level != page->level ||
		    (page->level != FLAT_NONE && held->pfn != page->pfn))
			fail("%s, %s: address %#lx: told of page %#x, level %u; in the array %#x, "
			     "level %u",
			     fl->fmt.name, fl->doing, (unsigned long)flat_va(fl, i), held->pfn,
			     held->level, page->pfn, page->level);
	}
}

static void complain(void *arg, const char *rule, const char *text)
{
	const struct flat *fl = arg;

	fail("%s, %s: pt_check(): %s: %s", fl->fmt.name, fl->doing, rule, text);
}

void flat_check(struct flat *fl)
{
	const char *why = flat_differs(fl);
	uint64_t tables = flat_tables(fl, fl->page);
	struct report report = {.each = complain, .arg = fl};

	if (why)
		fail("%s, %u index bits, %s: %s", fl->fmt.name, fl->fmt.index_bits, fl->doing, why);
	check_held(fl);
	look_up_all(fl);
	walk_all(fl);
	must_be(pt_check(&fl->t.pt, &report), 0);
	if (fl->t.pt.tables != tables)
		fail("%s, %s: %lu tables where %lu are enough", fl->fmt.name, fl->doing,
		     (unsigned long)fl->t.pt.tables, (unsigned long)tables);
	must_be((long)fl->t.in_use, (long)(fl->t.pt.tables + fl->t.pt.deferred.count));
}
