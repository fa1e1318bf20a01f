/*
 * The rules of windows, of all living processes, beside them. A look at a slot is: its records of windows, then the leaves of its tables, then its hold records. A leaf and
 * the record that holds its page are compared as runs of a file: what page, which page of the file. Each page is to be in as many leaves as in records.
 *
 * The order in which owners make and end windows (mm.h) says what a torn look can show. A leaf whose page nothing holds is never there; so it is enough that the look was not
 * torn: what differs is the same three times, and the file got no window and lost no page between them. A hold without leaves, or leaves without a window (it moves), are there for
 * a moment, under the owner's lock of its space. They count only if the owner has answered mail between the looks, or, being ourselves, let go of the lock. Who is stopped
 * is not judged by that.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/sys.h"
#include "mm/mm.h"

#define LOOKS       100 /* at a slot in which something differs, before it is taken for unsettled */
#define DIFFERENCES 32  /* that one look remembers */

enum what {
	NO_WINDOW,
	NOT_HELD,
	NOT_MAPPED,
	NOT_IN_USE,
	NOT_COUNTED,
	NOT_A_PAGE,
	NOT_ZERO,
	ZERO_WRITABLE,
	BAD_TABLES
};

static const char *const says[] = {
	[NO_WINDOW] = "a leaf is in no window",
	[NOT_HELD] = "a leaf shows what no hold of a window is for",
	[NOT_MAPPED] = "a hold of a window has no leaf",
	[NOT_IN_USE] = "a leaf maps a page that is free",
	[NOT_COUNTED] = "a leaf maps a page whose count is 0",
	[NOT_A_PAGE] = "a leaf maps what is no page",
	[NOT_ZERO] = "a leaf is special, or of the zero page, and not both",
	[ZERO_WRITABLE] = "the zero page is writable",
	[BAD_TABLES] = "the tables cannot be walked",
};

/* `stamp` changes when the file gets a window or loses pages. */
struct difference {
	enum what what;
	uint32_t ino;
	uint64_t va, pfn, stamp;
};

struct differences {
	size_t count;
	struct difference at[DIFFERENCES];
};

struct vma_part {
	uint64_t start, end; /* addresses */
	uint64_t file, index;
	bool stale;
};

/* A page of a file in some leaves and some records begins, or ends, here. Pages of a run have the same index - pfn. */
struct edge {
	uint64_t file, delta, pfn, va;
	int leaves, holds;
};

struct array {
	void *at;
	size_t count, room;
};

struct look {
	struct rt_self *me;
	struct fs *fs;
	const struct pages *pages;
	unsigned slot;
	struct pt view;
	struct array vmas, edges;
	bool deaf; /* its owner does not answer: what may be there for a moment is no difference */
	struct differences found;
};

static void *add(struct array *a, size_t bytes)
{
	if (a->count == a->room) {
		void *at = sys_grow(a->at, &a->room, bytes);

		if (!at)
			return NULL;
		a->at = at;
	}
	return (char *)a->at + a->count++ * bytes;
}

/* ---- differences ------------------------------------------------------------------------------------ */

static bool may_pass(enum what what)
{
	return what == NO_WINDOW || what == NOT_MAPPED;
}

static void differs(struct look *l, enum what what, uint64_t file, uint64_t va, uint64_t pfn)
{
	if (l->found.count < DIFFERENCES && !(l->deaf && may_pass(what)))
		l->found.at[l->found.count++] =
			(struct difference){what, (uint32_t)file, va, pfn, 0};
}

/* The file of a page, for its stamp; 0: it is in none. */
static uint64_t file_of(const struct look *l, uint64_t pfn)
{
	uint64_t head, word;

	if (!page_in_zone(l->pages, pfn) ||
	    !hbitmap_test(&l->pages->filled, page_block(l->pages, pfn)) ||
	    !page_head(l->pages, pfn, BLOCK_ORDER, &head, &word))
		return 0;
	return load_relaxed(&page_at(l->pages, head)->ino);
}

static void stamp(struct look *l)
{
	memory_fence(memory_order_seq_cst);
	for (size_t i = 0; i < l->found.count; i++) {
		struct difference *d = &l->found.at[i];
		uint32_t ino = d->ino;

		if (ino && ino < fs_inodes_high(l->fs))
			d->stamp = (uint64_t)load_acquire(&fs_state(l->fs, ino)->windows) << 32 ^
				   load_acquire(&fs_state(l->fs, ino)->layout);
	}
}

static bool is_in(const struct differences *all, const struct difference *d)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct difference *e = &all->at[i];

		if (e->what == d->what && e->ino == d->ino && e->va == d->va && e->pfn == d->pfn &&
		    e->stamp == d->stamp)
			return true;
	}
	return false;
}

/* Those that are in both. */
static void keep_same(struct differences *kept, const struct differences *now)
{
	size_t n = 0;

	for (size_t i = 0; i < kept->count; i++)
		if (is_in(now, &kept->at[i]))
			kept->at[n++] = kept->at[i];
	kept->count = n;
}

static void report_all(unsigned slot, const struct differences *all, struct report *report)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct difference *d = &all->at[i];

		report_violation(report, "window", "slot %u: %s: address %#lx, page %lu, inode %u",
				 slot, says[d->what], (unsigned long)d->va, (unsigned long)d->pfn,
				 d->ino);
	}
}

/* ---- windows and holds ------------------------------------------------------------------------------ */

static int by_start(const void *a, const void *b)
{
	const struct vma_part *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static int collect_vmas(struct look *l)
{
	struct rt *rt = l->me->rt;

	for (struct rt_chunk *c = rt_chunks(rt, l->slot, RT_CHUNK_VMAS); c;
	     c = rt_chunk_next(rt, c))
		for (unsigned i = 0; i < RT_VMAS; i++) {
			struct rt_vma *r = &c->vmas[i];
			uint64_t file = load_acquire(&r->file);
			struct vma_part *v;

			if (!file)
				continue;
			v = add(&l->vmas, sizeof *v);
			if (!v)
				return err(ENOMEM, "check");
			v->file = file;
			v->start = load_relaxed(&r->start) * PAGE_BYTES;
			v->end = v->start + load_relaxed(&r->pages) * PAGE_BYTES;
			v->index = load_relaxed(&r->index);
			v->stale =
				load_relaxed(&r->stale) || load_relaxed(&r->flags) & MM_VMA_EVICT;
		}
	if (l->vmas.count)
		qsort(l->vmas.at, l->vmas.count, sizeof(struct vma_part), by_start);
	return 0;
}

/* The window that `va` is in. */
static const struct vma_part *vma_at(const struct look *l, uint64_t va)
{
	const struct vma_part *v = l->vmas.at;
	size_t first = 0, end = l->vmas.count;

	while (first < end) {
		size_t middle = (first + end) / 2;

		if (v[middle].start <= va)
			first = middle + 1;
		else
			end = middle;
	}
	return first && va < v[first - 1].end ? &v[first - 1] : NULL;
}

static bool is_stale(const struct look *l, uint64_t file)
{
	const struct vma_part *v = l->vmas.at;

	if (load_acquire(&rt_slot_at(l->me->rt, l->slot)->lost))
		return true;
	for (size_t i = 0; i < l->vmas.count; i++)
		if (v[i].file == file && v[i].stale)
			return true;
	return false;
}

static int add_run(struct look *l, struct edge first, uint64_t pages)
{
	struct edge *last = l->edges.count ? (struct edge *)l->edges.at + l->edges.count - 1 : NULL;
	struct edge *e;

	/* Leaves that go on where the last one ended. */
	if (last && first.leaves && last->leaves == -first.leaves && last->file == first.file &&
	    last->delta == first.delta && last->pfn == first.pfn && last->va == first.va) {
		last->pfn += pages;
		last->va += pages * PAGE_BYTES;
		return 0;
	}
	for (int i = 0; i < 2; i++) {
		e = add(&l->edges, sizeof *e);
		if (!e)
			return err(ENOMEM, "check");
		*e = first;
		first.pfn += pages;
		first.va += pages * PAGE_BYTES;
		first.leaves = -first.leaves;
		first.holds = -first.holds;
	}
	return 0;
}

static int collect_holds(struct look *l)
{
	struct rt *rt = l->me->rt;

	for (struct rt_chunk *c = rt_chunks(rt, l->slot, RT_CHUNK_HOLDS); c;
	     c = rt_chunk_next(rt, c))
		for (unsigned i = 0; i < RT_HOLDS; i++) {
			struct rt_hold *h = &c->holds[i];
			uint64_t range = load_acquire(&h->range), pfn = rt_range_pfn(range);
			struct edge e = {.pfn = pfn, .holds = 1};

			if (!range || load_relaxed(&h->kind) != PF_HOLD_WINDOW)
				continue;
			e.file = (uint64_t)load_relaxed(&h->igen) << 32 | load_relaxed(&h->ino);
			e.delta = load_relaxed(&h->index) - pfn;
			if (add_run(l, e, rt_range_pages(range)) < 0)
				return -ENOMEM;
		}
	return 0;
}

/* ---- leaves ----------------------------------------------------------------------------------------- */

/* The zero page: nobody counts it. */
static void check_zero(struct look *l, uint64_t va, uint64_t pfn, uint64_t pages, unsigned flags)
{
	uint64_t zero = space_zero(l->pages);

	if (pfn < zero || pfn + pages > zero + BLOCK_PAGES || !(flags & PT_SPECIAL))
		differs(l, NOT_ZERO, 0, va, pfn);
	if (flags & PT_WRITE)
		differs(l, ZERO_WRITABLE, 0, va, pfn);
}

static void check_pages(struct look *l, uint64_t va, uint64_t pfn, uint64_t pages)
{
	for (uint64_t i = 0, next; i < pages; i = next) {
		uint64_t at = pfn + i, head, word;

		next = i + 1;
		if (!page_in_zone(l->pages, at)) {
			differs(l, NOT_A_PAGE, 0, va + i * PAGE_BYTES, at);
			return;
		}
		if (!hbitmap_test(&l->pages->filled, page_block(l->pages, at)) ||
		    !page_head(l->pages, at, BLOCK_ORDER, &head, &word)) {
			differs(l, NOT_IN_USE, 0, va + i * PAGE_BYTES, at);
			continue;
		}
		if (!word_count(word))
			differs(l, NOT_COUNTED, load_relaxed(&page_at(l->pages, head)->ino),
				va + i * PAGE_BYTES, at);
		next = head + (1ull << word_order(word)) - pfn;
	}
}

static int leaf(struct look *l, uint64_t va, unsigned level, pt_entry e)
{
	const struct pt_fmt *f = l->view.fmt;
	uint64_t pfn = (pt_leaf_address(f, e, level) - l->view.media_base) / PAGE_BYTES;
	uint64_t pages = pt_pages(f, level);
	unsigned flags = f->flags(level, e);

	if (flags & PT_SPECIAL || pfn >= space_zero(l->pages)) {
		check_zero(l, va, pfn, pages, flags);
		return 0;
	}
	check_pages(l, va, pfn, pages);
	while (pages) {
		const struct vma_part *v = vma_at(l, va);
		uint64_t n, index;

		if (!v) {
			differs(l, NO_WINDOW, file_of(l, pfn), va, pfn);
			return 0;
		}
		n = MIN(pages, (v->end - va) / PAGE_BYTES);
		index = v->index + (va - v->start) / PAGE_BYTES;
		if (add_run(l, (struct edge){v->file, index - pfn, pfn, va, 1, 0}, n) < 0)
			return -ENOMEM;
		pages -= n;
		pfn += n;
		va += n * PAGE_BYTES;
	}
	return 0;
}

static int upper(struct pt_walk *w, uint64_t va, unsigned level, pt_entry e)
{
	if (!pt_is_leaf(w->pt->fmt, e, level))
		return 0;
	w->action = PT_CONTINUE;
	return leaf(w->arg, va, level, e);
}

static int on_pud(struct pt_walk *w, uint64_t va, uint64_t last, pt_slot *slot, pt_entry e)
{
	(void)last;
	(void)slot;
	return upper(w, va, PT_PUD, e);
}

static int on_pmd(struct pt_walk *w, uint64_t va, uint64_t last, pt_slot *slot, pt_entry e)
{
	(void)last;
	(void)slot;
	return upper(w, va, PT_PMD, e);
}

static int on_pte(struct pt_walk *w, uint64_t va, pt_slot *slot, pt_entry e)
{
	(void)slot;
	return pt_is_leaf(w->pt->fmt, e, PT_PTE) ? leaf(w->arg, va, PT_PTE, e) : 0;
}

static int collect_leaves(struct look *l)
{
	static const struct pt_walk_ops ops = {.pud = on_pud, .pmd = on_pmd, .pte = on_pte};
	int rc = space_enter(l->me, l->pages, l->slot, &l->view);

	if (rc == 1) {
		const struct pt_fmt *f = l->view.fmt;
		uint64_t half = 1ull << (pt_shift(f, f->levels) - f->sign);

		rc = pt_walk(&l->view, 0, half / PAGE_BYTES, &ops, NULL, l);
		if (rc == 0 && f->sign)
			rc = pt_walk(&l->view, -half, half / PAGE_BYTES, &ops, NULL, l);
		space_leave(l->me);
	}
	if (rc != -PF_EPAGETABLE)
		return rc;
	differs(l, BAD_TABLES, 0, 0, 0);
	return 0;
}

/* ---- comparing -------------------------------------------------------------------------------------- */

static int by_page(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;

	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	if (x->delta != y->delta)
		return x->delta < y->delta ? -1 : 1;
	return (x->pfn > y->pfn) - (x->pfn < y->pfn);
}

/* Between two edges all pages are in as many leaves, and in as many records. */
static void compare(struct look *l)
{
	struct edge *e = l->edges.at;
	int leaves = 0, holds = 0;
	uint64_t page_0 = 0; /* where page 0 would be, by the last leaf */

	if (l->edges.count)
		qsort(e, l->edges.count, sizeof *e, by_page);
	for (size_t i = 0; i < l->edges.count; i++) {
		leaves += e[i].leaves;
		holds += e[i].holds;
		if (e[i].leaves)
			page_0 = e[i].va - e[i].pfn * PAGE_BYTES;
		if (leaves == holds || (i + 1 < l->edges.count && !by_page(&e[i], &e[i + 1])))
			continue;
		if (leaves > holds)
			differs(l, NOT_HELD, e[i].file, page_0 + e[i].pfn * PAGE_BYTES, e[i].pfn);
		else if (!is_stale(l, e[i].file))
			differs(l, NOT_MAPPED, e[i].file, 0, e[i].pfn);
	}
}

/* A look; its differences are in l->found. -ENOMEM. */
static int look(struct look *l)
{
	int rc;

	l->vmas.count = l->edges.count = l->found.count = 0;
	rc = collect_vmas(l);
	if (rc >= 0)
		rc = collect_leaves(l);
	if (rc >= 0)
		rc = collect_holds(l);
	if (rc < 0)
		return rc;
	compare(l);
	stamp(l);
	return 0;
}

/* ---- slots ------------------------------------------------------------------------------------------ */

static bool any_may_pass(const struct differences *d)
{
	for (size_t i = 0; i < d->count; i++)
		if (may_pass(d->at[i].what))
			return true;
	return false;
}

/* Whatever its owner was doing with its windows when this was called, it is doing no more. False: it does not say so. */
static bool settle(struct rt_self *me, struct space *own, unsigned number)
{
	struct rt_slot *slot = rt_slot_at(me->rt, number);
	bool told = me->told;
	uint32_t mail;

	if (number == me->rt->slot) {
		if (!own)
			return false;
		pthread_mutex_lock(&own->lock);
		pthread_mutex_unlock(&own->lock);
		return true;
	}
	rt_mail(me->rt, number);
	mail = load_acquire(&slot->mail);
	mm_wait_told(me);
	me->told = told;
	return (int32_t)(load_acquire(&slot->seen) - mail) >= 0;
}

static bool is_live(struct rt *rt, unsigned slot, uint64_t word)
{
	return rt_slot_state(word) == RT_SLOT_LIVE && !rt_slot_bury(rt, slot) &&
	       load_acquire(&rt_slot_at(rt, slot)->word) == word;
}

static int check_live(struct look *l, struct space *own, uint64_t word, struct report *report)
{
	struct differences kept = {0};
	unsigned seen = 0;
	int rc;

	l->deaf = false;
	for (unsigned looks = 0; looks < LOOKS && seen < 3; looks++) {
		if (any_may_pass(&kept) && !settle(l->me, own, l->slot))
			l->deaf = true;
		rc = look(l);
		if (rc < 0 || !l->found.count || !is_live(l->me->rt, l->slot, word))
			return rc;
		if (seen)
			keep_same(&kept, &l->found);
		seen++;
		if (!kept.count) {
			kept = l->found;
			seen = 1;
		}
		sched_yield();
	}
	if (seen == 3)
		report_all(l->slot, &kept, report);
	return 0;
}

/* A slot that nobody has is empty. */
static void check_free(struct rt *rt, unsigned number, uint64_t word, struct report *report)
{
	struct rt_slot *slot = rt_slot_at(rt, number);
	uint64_t root = load_acquire(&slot->root);
	unsigned long windows = 0;

	for (struct rt_chunk *c = rt_chunks(rt, number, RT_CHUNK_VMAS); c; c = rt_chunk_next(rt, c))
		for (unsigned i = 0; i < RT_VMAS; i++)
			windows += load_acquire(&c->vmas[i].file) != 0;
	if ((root || windows) && load_acquire(&slot->word) == word)
		report_violation(report, "window",
				 "slot %u, which nobody has, has %lu windows and %s", number,
				 windows, root ? "page tables" : "no page tables");
}

int mm_check(struct rt_self *me, struct fs *fs, const struct pages *pages, struct space *own,
	     struct report *report)
{
	struct look *l = sys_calloc(1, sizeof *l);
	struct rt *rt = me->rt;
	int rc = 0;

	if (!l)
		return err(ENOMEM, "check");
	*l = (struct look){.me = me, .fs = fs, .pages = pages};
	for (l->slot = 0; rc >= 0 && l->slot < rt_slots_used(rt); l->slot++) {
		uint64_t word = load_acquire(&rt_slot_at(rt, l->slot)->word);

		if (rt_slot_state(word) == RT_SLOT_FREE)
			check_free(rt, l->slot, word, report);
		else if (is_live(rt, l->slot, word))
			rc = check_live(l, own, word, report);
	}
	free(l->vmas.at);
	free(l->edges.at);
	free(l);
	return rc < 0 ? rc : 0;
}
