/* One leaf put into a window: what must hold, what a leaf that is there already gains or refuses, and the zero page, which nobody counts (linux: vmf_insert_page_mkwrite, _pmd, _pud; D1-D10, K8, K9, K40). */
/* test: suite=short timeout=60 */
#include <errno.h>
#include <stdio.h>

#include "file/pool.h"
#include "mm/inner.h"
#include "pool.h"

#define MIB (1ul << 20)

static pf_pool *pool;
static struct space *s;
static const struct vma *v;
static uint64_t pfn; /* of 2 MiB that the file has in one folio */

static unsigned count_of(uint64_t page)
{
	uint64_t head, word;

	must(page_head(s->pages, page, BLOCK_ORDER, &head, &word));
	return word_count(word);
}

static void clear(void)
{
	OK(pt_unmap(&s->pt, v->at.start, BLOCK_PAGES, 0, NULL));
}

static unsigned flags_at(uint64_t va, unsigned *level, uint64_t *page)
{
	struct pt_leaf leaf;

	if (OK(pt_lookup(&s->pt, va, &leaf)) == 0)
		return 0;
	*level = leaf.level;
	*page = leaf.pfn;
	return s->pt.fmt->flags(leaf.level, leaf.entry);
}

/* What one insertion does where `first` has been inserted before it (-1: nothing; ZERO: the zero page). */
#define NONE (-1)
#define ZERO (-2)

struct row {
	const char *name;
	unsigned level;
	long first; /* page of the folio that is there already */
	bool first_write;
	long page, address; /* pages of the folio, and of the window */
	bool write;
	int rc;
	long is; /* page that is mapped then */
	bool dirty;
	unsigned warns;
};

static const struct row rows[] = {
	{"D1 outside the window", PT_PTE, NONE, false, 0, BLOCK_PAGES, true, -EFAULT, NONE, 0, 0},
	{"D2 none, read", PT_PTE, NONE, false, 3, 3, false, 0, 3, false, 0},
	{"D2 none, write", PT_PTE, NONE, false, 3, 3, true, 0, 3, true, 0},
	{"D3 another is there, read", PT_PTE, 4, false, 3, 3, false, 0, 4, false, 0},
	{"D4 the same, write", PT_PTE, 3, false, 3, 3, true, 0, 3, true, 0},
	{"D4 K40 another, write", PT_PTE, 4, false, 3, 3, true, -EFAULT, 4, false, 1},
	{"D4 K40 zero, write", PT_PTE, ZERO, false, 3, 3, true, -EFAULT, ZERO, false, 0},
	{"D5 not in the window", PT_PMD, NONE, false, 0, 1, true, -EFAULT, NONE, 0, 0},
	{"D7 none, read", PT_PMD, NONE, false, 0, 0, false, 0, 0, false, 0},
	{"D7 none, write", PT_PMD, NONE, false, 0, 0, true, 0, 0, true, 0},
	{"D6 the same, write", PT_PMD, 0, false, 0, 0, true, 0, 0, true, 0},
	{"D6 K40 huge zero, write", PT_PMD, ZERO, false, 0, 0, true, 0, ZERO, false, 0},
	{"D8 larger than the window", PT_PUD, NONE, false, 0, 0, true, -EFAULT, NONE, 0, 0},
};

/* Zero leaves as insert_zeros() makes them: this window can be written. */
static void put_first(const struct row *r, uint64_t va)
{
	if (r->first == ZERO)
		OK(insert_zeros(s, v, va, va + pt_bytes(s->pt.fmt, r->level)));
	else if (r->first != NONE)
		must_be(mm_insert(s, v, va, r->level, pfn + (uint64_t)r->first, r->first_write), 0);
}

static void check_leaf(const struct row *r, uint64_t va)
{
	unsigned level = 0, flags;
	uint64_t page = 0;

	flags = flags_at(va, &level, &page);
	must((flags == 0) == (r->is == NONE));
	if (r->is == NONE)
		return;
	must_be(level, r->level);
	/* K8: pages of files are not special; K9: the zero page is. */
	must_be(!!(flags & PT_SPECIAL), r->is == ZERO);
	must(r->is == ZERO ? page >= space_zero(s->pages) : page == pfn + (uint64_t)r->is);
	must_be(!!(flags & PT_DIRTY), r->dirty);
	must(!r->dirty || (flags & PT_YOUNG && flags & PT_WRITE));
}

static void run(const struct row *r)
{
	uint64_t va = v->at.start + (uint64_t)r->address * PF_PAGE_SIZE, warnings;
	unsigned count = count_of(pfn);

	clear();
	put_first(r, va);
	warnings = s->warnings;
	must_be(mm_insert(s, v, va, r->level, pfn + (uint64_t)r->page, r->write), r->rc);
	must_be(s->warnings - warnings, r->warns);
	if (va < v->at.end)
		check_leaf(r, va);
	/* References are of the pieces. */
	must_be(count_of(pfn), count);
}

/* What nobody holds, what is no page of the pool, and what is in no folio of that size. */
static void refused(uint64_t single)
{
	uint64_t va = v->at.start, free_page = pfn + 4 * BLOCK_PAGES;

	clear();
	must_be(mm_insert(s, v, va, PT_PTE, free_page, true), -EINVAL);
	must_be(mm_insert(s, v, va, PT_PTE, space_zero(s->pages), true), -EINVAL);
	must_be(mm_insert(s, v, va, PT_PMD, single, true), -EINVAL);
	must_be(mm_insert(s, v, va, PT_PUD + 1, pfn, true), -PF_EPTLEAF);
	must_be(mm_insert_zero(s, v, va, PT_PTE), -EINVAL);
	must_be(mm_insert_zero(s, v, va, PT_PUD), -PF_EPTLEAF);
}

/* K9, in a window that is only read: also twice, and not where something else is. */
static void zeros(const struct vma *read)
{
	unsigned level, flags, holds = count_of(pfn);
	uint64_t page;

	for (unsigned at = PT_PTE; at <= PT_PMD; at++) {
		OK(pt_unmap(&s->pt, read->at.start, BLOCK_PAGES, 0, NULL));
		must_be(mm_insert_zero(s, read, read->at.start, at), 0);
		must_be(mm_insert_zero(s, read, read->at.start, at), 0);
		flags = flags_at(read->at.start, &level, &page);
		must(flags & PT_SPECIAL && !(flags & PT_WRITE) && level == at);
		must(page >= space_zero(s->pages));
	}
	must_be(mm_insert_zero(s, read, read->at.end, PT_PTE), -EFAULT);
	must_be(count_of(pfn), holds);
}

static const struct vma *map(const char *name, unsigned flags, uint64_t length, uint64_t *first)
{
	struct pt_leaf leaf;
	pf_file *file;
	void *window;

	OK(pf_open(pool, name, PF_O_RDWR, 0, &file));
	OK(pf_window_map(file, NULL, length, flags, 0, &window));
	OK(pf_close(file));
	s = load_acquire(&pool->layout.space);
	must_be(pt_lookup(&s->pt, (uintptr_t)window, &leaf), 1);
	*first = leaf.pfn;
	return vma_find(s, (uintptr_t)window);
}

int main(void)
{
	const struct vma *read;
	uint64_t single, any;

	pool = pool_open(pool_make("p", 32));
	pattern_file(pool, "large", 2 * MIB, 1);
	pattern_file(pool, "small", PF_PAGE_SIZE, 2);
	pattern_file(pool, "read", 2 * MIB, 3);
	map("small", PF_MAP_READ | PF_MAP_WRITE, PF_PAGE_SIZE, &single);
	read = map("read", PF_MAP_READ, 2 * MIB, &any);
	v = map("large", PF_MAP_READ | PF_MAP_WRITE, 2 * MIB, &pfn);
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		printf("%s\n", rows[i].name);
		fflush(stdout);
		run(&rows[i]);
	}
	refused(single);
	zeros(read);
	OK(pf_pool_close(pool));
	return 0;
}
