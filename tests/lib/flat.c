#include "flat.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include <stdio.h>

#define SPLIT_FAILS (-EIO)
#define COPY_FAILS  (-EREMOTEIO)

/* ---- which page is where ---------------------------------------------------------------------- */

uint64_t flat_va(const struct flat *fl, uint64_t i)
{
	unsigned p = i >= fl->piece[0].pages;

	return fl->piece[p].va + (i - (p ? fl->piece[0].pages : 0)) * PAGE_BYTES;
}

uint64_t flat_index(const struct flat *fl, uint64_t va)
{
	uint64_t before = 0;

	for (unsigned p = 0; p < fl->pieces; p++) {
		uint64_t inside = (va - fl->piece[p].va) / PAGE_BYTES;

		if (inside < fl->piece[p].pages)
			return before + inside;
		before += fl->piece[p].pages;
	}
	return fl->n;
}

uint64_t flat_first(const struct flat *fl, uint64_t i)
{
	return i >= fl->piece[0].pages ? fl->piece[0].pages : 0;
}

uint64_t flat_behind(const struct flat *fl, uint64_t i)
{
	return i >= fl->piece[0].pages ? fl->n : fl->piece[0].pages;
}

uint64_t flat_leaf(const struct flat *fl, uint64_t i, unsigned level)
{
	return i - flat_va(fl, i) / PAGE_BYTES % pt_pages(&fl->fmt, level);
}

static void set_pieces(struct flat *fl)
{
	const struct pt_fmt *f = &fl->fmt;
	uint64_t half = 1ull << (pt_shift(f, f->levels) - f->sign);
	uint64_t end = f->sign ? 0 : half; /* of the highest page */
	uint64_t gb = pt_bytes(f, PT_PUD), mb = pt_bytes(f, PT_PMD);

	fl->pieces = 2;
	if (f->index_bits < 9) {
		fl->piece[0] = (struct flat_piece){0, half / PAGE_BYTES};
		fl->piece[1] = (struct flat_piece){-half, f->sign ? half / PAGE_BYTES : 0};
	} else {
		fl->piece[0] = (struct flat_piece){gb - 2 * mb - 3 * PAGE_BYTES,
						   (gb + 4 * mb + 7 * PAGE_BYTES) / PAGE_BYTES};
		fl->piece[1] = (struct flat_piece){end - mb - 5 * PAGE_BYTES, mb / PAGE_BYTES + 5};
	}
	fl->n = fl->piece[0].pages + fl->piece[1].pages;
}

/* ---- the array -------------------------------------------------------------------------------- */

/* The level of the folio that a page is in, and with it all that its leaf of this level would map, is a matter of chance. */
bool flat_fits(const struct flat *fl, uint64_t pfn, unsigned level)
{
	struct test_random large = {fl->folios ^ pfn / pt_pages(&fl->fmt, PT_PUD)};
	struct test_random small = {~fl->folios ^ pfn / pt_pages(&fl->fmt, PT_PMD)};

	if (!level || !fl->folios || test_below(&large, 2))
		return true;
	return level == PT_PMD && test_below(&small, 4);
}

void flat_map(struct flat *fl, uint64_t i, uint64_t n, uint64_t pfn, unsigned flags,
	      unsigned max_level)
{
	while (n) {
		uint64_t page = flat_va(fl, i) / PAGE_BYTES, pages;
		unsigned level = PT_PUD + 1;

		do
			pages = pt_pages(&fl->fmt, --level);
		while (level && (level > max_level || pages > n || page % pages || pfn % pages ||
				 !flat_fits(fl, pfn, level)));
		for (uint64_t p = 0; p < pages; p++)
			fl->next[i + p] = (struct flat_page){.pfn = (uint32_t)(pfn + p),
							     .flags = (uint16_t)flags,
							     .level = (uint8_t)level};
		i += pages;
		pfn += pages;
		n -= pages;
	}
}

void flat_split(struct flat *fl, uint64_t i)
{
	uint8_t level = fl->next[i].level;
	uint64_t from = flat_leaf(fl, i, level);

	for (uint64_t p = 0; p < pt_pages(&fl->fmt, level); p++)
		fl->next[from + p].level = level - 1;
	fl->splits++;
}

static void cut_before(struct flat *fl, uint64_t i)
{
	while (i < fl->n && fl->next[i].level != FLAT_NONE &&
	       flat_leaf(fl, i, fl->next[i].level) != i)
		flat_split(fl, i);
}

void flat_cut(struct flat *fl, uint64_t i, uint64_t n)
{
	cut_before(fl, i);
	/* No leaf goes on from one piece into the other. */
	if (i + n < flat_behind(fl, i))
		cut_before(fl, i + n);
}

void flat_clear(struct flat *fl, uint64_t i, uint64_t n, bool keep_guards)
{
	for (uint64_t p = i; p < i + n; p++) {
		uint8_t guard = fl->next[p].marker & PT_GUARD >> 12;

		fl->next[p] =
			(struct flat_page){.level = FLAT_NONE, .marker = keep_guards ? guard : 0};
	}
}

/* ---- what leaves say ---- */

enum { TOLD_WANTED = 1, TOLD_DONE };

static unsigned changed(unsigned flags, const struct pt_change *change)
{
	if (change->only && !(flags & change->only))
		return flags;
	flags = (flags & ~change->clear) | change->set;
	/* What is tracked is not writable, nor is what cannot be read. */
	return flags & PT_UFFD_WP || !(flags & PT_READ) ? flags & ~PT_WRITE : flags;
}

long flat_change(struct flat *fl, uint64_t i, uint64_t n, const struct pt_change *change)
{
	uint64_t pages;
	long count = 0;

	memset(fl->told, 0, fl->n);
	if (!change->whole)
		flat_cut(fl, i, n);
	for (uint64_t p = i; p < i + n; p += pages) {
		struct flat_page *page = fl->next + p;
		unsigned now = changed(page->flags, change);

		pages = 1;
		if (page->level == FLAT_NONE)
			continue;
		p = flat_leaf(fl, p, page->level);
		pages = pt_pages(&fl->fmt, page->level);
		if (now == page->flags)
			continue;
		fl->told[p] = change->each ? TOLD_WANTED : 0;
		count++;
		for (uint64_t q = p; q < p + pages; q++)
			fl->next[q].flags = (uint16_t)now;
	}
	return count;
}

void flat_told(void *arg, uint64_t va, unsigned level, pt_entry before)
{
	struct flat *fl = arg;
	uint64_t i = flat_index(fl, va);

	must(i < fl->n);
	must_be(fl->told[i], TOLD_WANTED);
	must_be(fl->next[i].level, level);
	must_be(fl->page[i].flags, fl->fmt.flags(level, before));
	fl->told[i] = TOLD_DONE;
}

void flat_all_told(const struct flat *fl)
{
	must(!memchr(fl->told, TOLD_WANTED, fl->n));
}

bool flat_collapse(struct flat *fl, uint64_t i, unsigned level)
{
	const unsigned merged = PT_YOUNG | PT_DIRTY;
	uint64_t pages = pt_pages(&fl->fmt, level);
	struct flat_page first = fl->next[i];
	unsigned flags = first.flags;

	for (uint64_t p = 0; p < pages; p++) {
		const struct flat_page *page = fl->next + i + p;

		if (page->level != level - 1 || page->pfn != first.pfn + p ||
		    ((page->flags ^ first.flags) & ~merged))
			return false;
		flags |= page->flags;
	}
	if (first.pfn % pages || !flat_fits(fl, first.pfn, level) ||
	    flags & (PT_SPECIAL | PT_UFFD_WP))
		return false;
	for (uint64_t p = 0; p < pages; p++) {
		fl->next[i + p].level = (uint8_t)level;
		fl->next[i + p].flags = (uint16_t)flags;
	}
	return true;
}

void flat_move(struct flat *fl, uint64_t i, uint64_t j, uint64_t n)
{
	uint64_t distance = (flat_va(fl, i) - flat_va(fl, j)) / PAGE_BYTES;

	flat_cut(fl, i, n);
	for (uint64_t p = i; p < i + n; p++)
		while (fl->next[p].level != FLAT_NONE &&
		       distance % pt_pages(&fl->fmt, fl->next[p].level))
			flat_split(fl, p);
	memcpy(fl->next + j, fl->next + i, n * sizeof *fl->next);
	flat_clear(fl, i, n, false);
}

/* ---- tables ---- */

uint64_t flat_tables(const struct flat *fl, const struct flat_page *page)
{
	const struct pt_fmt *f = &fl->fmt;
	uint64_t last[PT_LEVELS + 1], tables = 1, pages;

	memset(last, 0xff, sizeof last);
	for (uint64_t i = 0; i < fl->n; i += pages) {
		unsigned level = page[i].level;

		pages = 1;
		if (level == FLAT_NONE && !page[i].marker)
			continue;
		level = level == FLAT_NONE ? 0 : level;
		pages = pt_pages(f, level);
		for (; level < f->levels - 1u; level++) {
			uint64_t where = flat_va(fl, i) >> pt_shift(f, level + 1);

			tables += where != last[level];
			last[level] = where;
		}
	}
	return tables;
}

/* ---- who counts references -------------------------------------------------------------------- */

static void must_hold(struct flat *fl, uint64_t i, unsigned level, pt_entry leaf)
{
	struct pt *pt = &fl->t.pt;
	uint64_t pfn = (pt_leaf_address(pt->fmt, leaf, level) - pt->media_base) / PAGE_BYTES;

	for (uint64_t p = 0; p < pt_pages(pt->fmt, level); p++)
		if (i + p >= fl->n || fl->held[i + p].level != level ||
		    fl->held[i + p].pfn != pfn + p)
			test_fail(__FILE__, __LINE__,
				  "%s, %s: told of a leaf at page %lu, level %u", pt->fmt->name,
				  fl->doing, (unsigned long)i, level);
}

static void hold(struct flat *fl, uint64_t i, uint64_t n, unsigned level)
{
	for (uint64_t p = i; p < i + n; p++)
		fl->held[p].level = (uint8_t)level;
}

static void gone(void *arg, uint64_t va, unsigned level, pt_entry leaf)
{
	struct flat *fl = arg;
	uint64_t i = flat_index(fl, va);

	must_hold(fl, i, level, leaf);
	hold(fl, i, pt_pages(&fl->fmt, level), FLAT_NONE);
}

static int split(void *arg, uint64_t va, unsigned level, pt_entry leaf)
{
	struct flat *fl = arg;
	uint64_t i = flat_index(fl, va);

	if (!fl->splits_left)
		return err(-SPLIT_FAILS, NULL);
	fl->splits_left--;
	must_hold(fl, i, level, leaf);
	hold(fl, i, pt_pages(&fl->fmt, level), level - 1);
	return 0;
}

static void collapsed(void *arg, uint64_t va, unsigned level, pt_entry leaf)
{
	struct flat *fl = arg;
	uint64_t i = flat_index(fl, va), pages = pt_pages(&fl->fmt, level);

	for (uint64_t p = 0; p < pages; p++)
		must_be(fl->held[i + p].level, level - 1);
	hold(fl, i, pages, level);
	must_hold(fl, i, level, leaf);
}

static int copy(void *arg, uint64_t va, unsigned level, pt_entry leaf)
{
	struct flat *fl = arg;
	struct pt *pt = &fl->t.pt;
	uint64_t i = flat_index(fl, va);
	uint64_t pfn = (pt_leaf_address(pt->fmt, leaf, level) - pt->media_base) / PAGE_BYTES;

	if (!fl->copies_left)
		return err(-COPY_FAILS, NULL);
	fl->copies_left--;
	for (uint64_t p = 0; p < pt_pages(pt->fmt, level); p++) {
		must_be(fl->held[i + p].level, FLAT_NONE);
		fl->held[i + p].level = (uint8_t)level;
		fl->held[i + p].pfn = (uint32_t)(pfn + p);
	}
	return 0;
}

/* ---- making ----------------------------------------------------------------------------------- */

static bool by_chance(void *arg, uint64_t pfn, unsigned level)
{
	return flat_fits((struct flat *)arg, pfn, level);
}

static struct flat_page *pages(uint64_t n)
{
	struct flat_page *page = calloc(n, sizeof *page);

	must(page);
	for (uint64_t i = 0; i < n; i++)
		page[i].level = FLAT_NONE;
	return page;
}

void flat_make(struct flat *fl, const struct pt_fmt *f, uint64_t seed)
{
	*fl = (struct flat){
		.fmt = *f,
		.r = {seed},
		.splits_left = UINT64_MAX,
		.copies_left = UINT64_MAX,
	};
	set_pieces(fl);
	fl->page = pages(fl->n);
	fl->next = pages(fl->n);
	fl->held = pages(fl->n);
	fl->told = calloc(fl->n, 1);
	fl->gather = (struct pt_gather){gone, split, collapsed, copy, fl};
	/* Room for all tables, and as many that wait until nobody is in them. */
	tables_make(&fl->t, &fl->fmt, 4096, 2 * fl->n);
	fl->memory = *fl->t.pt.memory;
	fl->memory.fits = by_chance;
	/* Where nobody but who changes the tree ever walks it, tables are freed at once. */
	if (!test_below(&fl->r, 4))
		fl->memory.note = NULL;
	fl->folios = test_below(&fl->r, 4) ? test_random(&fl->r) : 0;
	fl->t.pt.memory = &fl->memory;
}

void flat_end(struct flat *fl)
{
	snprintf(fl->doing, sizeof fl->doing, "pt_destroy");
	must_be(pt_destroy(&fl->t.pt, &fl->gather), 0);
	for (uint64_t i = 0; i < fl->n; i++)
		must_be(fl->held[i].level, FLAT_NONE);
	tables_end(&fl->t);
	free(fl->page);
	free(fl->next);
	free(fl->held);
	free(fl->told);
}
