/* Pieces: what is at the addresses of windows, and the references behind it. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/sys.h"
#include "mm/inner.h"

static void label(struct rt_hold *record, uint32_t ino, uint32_t igen)
{
	store_relaxed(&record->wanted, 0);
	store_relaxed(&record->since, clock_coarse());
	store_relaxed(&record->ino, ino);
	store_relaxed(&record->igen, igen);
	store_relaxed(&record->kind, (uint32_t)PF_HOLD_WINDOW);
	store_relaxed(&record->first_byte, 0);
	store_relaxed(&record->last_byte, (uint32_t)PAGE_BYTES - 1);
}

static struct piece *make(struct rt_self *me, enum piece_kind kind, uint32_t ino, uint32_t igen,
			  int *rc)
{
	struct piece *p = sys_malloc(sizeof *p);

	if (!p) {
		*rc = err(ENOMEM, "piece of a window");
		return NULL;
	}
	p->kind = kind;
	p->record = NULL;
	if (kind != PIECE_PAGES)
		return p;
	p->record = rt_hold_get(me);
	if (!p->record) {
		*rc = rt_self_error();
		free(p);
		return NULL;
	}
	label(p->record, ino, igen);
	return p;
}

struct piece *piece_new(struct rt_self *me, const struct vma *v, enum piece_kind kind, int *rc)
{
	return make(me, kind, v->file->ino, v->file->igen, rc);
}

void piece_free(struct rt_self *me, struct space *s, struct piece *p)
{
	if (p->record) {
		dax_drop(me, s->pages, &p->record->range, false);
		rt_hold_put(me, p->record);
	}
	free(p);
}

void piece_free_list(struct rt_self *me, struct space *s, struct piece *list)
{
	while (list) {
		struct piece *p = list;

		list = piece_next(p);
		piece_free(me, s, p);
	}
}

/* ---- cutting -------------------------------------------------------------------------------------- */

/* The record of what is behind va, which `p` had. */
static int divide(struct rt_self *me, struct space *s, struct piece *p, struct piece *behind,
		  uint64_t pages)
{
	struct rt_hold *from = p->record, *to = behind->record;

	store_relaxed(&to->since, load_relaxed(&from->since));
	store_relaxed(&to->index, load_relaxed(&from->index) + pages);
	behind->pfn = p->pfn + pages;
	return dax_split(me, s->pages, &from->range, pages, &to->range);
}

static int cut(struct rt_self *me, struct space *s, struct piece *p, uint64_t va)
{
	struct rt_hold *r = p->record;
	struct piece *behind;
	int rc;

	behind = make(me, p->kind, r ? load_relaxed(&r->ino) : 0, r ? load_relaxed(&r->igen) : 0,
		      &rc);
	if (!behind)
		return rc;
	if (r) {
		rc = divide(me, s, p, behind, (va - p->at.start) / PAGE_BYTES);
		if (rc < 0) {
			piece_free(me, s, behind);
			return rc;
		}
	}
	behind->at.start = va;
	behind->at.end = p->at.end;
	p->at.end = va;
	range_insert(&s->pieces, &behind->at);
	return 0;
}

/* Leaves become smaller until none is on both sides. */
int leaf_cut(struct space *s, uint64_t va)
{
	struct pt_leaf leaf;
	int rc;

	while ((rc = pt_lookup(&s->pt, va, &leaf)) == 1) {
		if (!leaf.level || !(va & (pt_bytes(s->pt.fmt, leaf.level) - 1)))
			return 0;
		rc = pt_split(&s->pt, va, leaf.level - 1, NULL);
		if (rc < 0)
			return rc;
	}
	return rc;
}

int piece_cut(struct rt_self *me, struct space *s, uint64_t va)
{
	struct piece *p = piece_find(s, va);
	int rc;

	if (!p || p->at.start >= va)
		return 0;
	rc = p->kind == PIECE_BUS ? 0 : leaf_cut(s, va);
	return rc < 0 ? rc : cut(me, s, p, va);
}

struct piece *piece_take(struct space *s, uint64_t va, uint64_t end)
{
	struct piece *list = NULL, **last = &list, *p;

	while ((p = piece_find(s, va)) && p->at.start < end) {
		va = p->at.end;
		range_remove(&s->pieces, &p->at);
		p->at.next = NULL;
		*last = p;
		last = (struct piece **)&p->at.next;
	}
	return list;
}

/* ---- showing -------------------------------------------------------------------------------------- */

static int show(struct space *s, const struct piece *p, uint64_t va, uint64_t end, uint64_t by,
		unsigned flags)
{
	uint64_t pfn = p->pfn + (va - p->at.start) / PAGE_BYTES;
	struct host *h = &s->host;
	int prot = vma_prot(flags);

	if (p->kind == PIECE_PAGES)
		return h->ops->map(h, va + by, end - va, pfn * PAGE_BYTES, prot);
	return p->kind == PIECE_ZEROS ? h->ops->zeros(h, va + by, end - va, prot)
				      : h->ops->sigbus(h, va + by, end - va, prot);
}

static bool goes_on(const struct piece *p, const struct piece *next, uint64_t end)
{
	return next && next->at.start == p->at.end && p->at.end < end && next->kind == p->kind &&
	       (p->kind != PIECE_PAGES ||
		p->pfn + (p->at.end - p->at.start) / PAGE_BYTES == next->pfn);
}

int pieces_show(struct space *s, uint64_t va, uint64_t end, uint64_t by, unsigned flags,
		uint64_t *done)
{
	struct piece *p = piece_find(s, va);
	int rc = 0;

	for (*done = va; rc == 0 && p && p->at.start < end; p = piece_next(p)) {
		const struct piece *first = p;
		uint64_t from = MAX(va, first->at.start);

		while (goes_on(p, piece_next(p), end))
			p = piece_next(p);
		rc = show(s, first, from, MIN(p->at.end, end), by, flags);
		if (rc == 0)
			*done = MIN(p->at.end, end);
	}
	return rc;
}
