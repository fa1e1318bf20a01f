/*
 * Making windows what their files are. A range is looked at from its beginning on: what is there is compared with what the file has there now, and where they differ, a new piece takes
 * the place of the old ones. New pieces that continue each other are shown by the host in one step.
 *
 * A piece comes: reference, leaves, host. What it takes the place of goes after that: the host shows it no more, no leaf has it, its reference is given back.
 */
#include <stdlib.h>

#include "base/err.h"
#include "mm/inner.h"

struct sync {
	struct rt_self *me;
	struct space *s;
	struct vma *v;
	struct mm_need *need;
	enum mm_lack lack;
	bool lacks;       /* pages that it gave up */
	uint64_t at, end; /* still to be looked at */
	/* New pieces, which the host does not show yet, and what it still shows there. */
	enum piece_kind kind;
	uint64_t from, to, pfn;
	struct piece *old;
};

/* ---- what the file has ------------------------------------------------------------------------------- */

/* Pages before this are before the end of the file: whole granules. */
static uint64_t file_end(const struct sync *y)
{
	return align_up(fs_size(y->s->fs, y->v->file->ino), y->v->file->granule) / PAGE_BYTES;
}

/* Pages of a piece from y->at on, at most `max`, that are the file's there. */
static uint64_t pages_alike(const struct sync *y, const struct piece *p, uint64_t index,
			    uint64_t max)
{
	uint64_t pfn = p->pfn + (y->at - p->at.start) / PAGE_BYTES, n = 0;

	while (n < max) {
		uint64_t is;
		entry_t e = fs_entry(y->s->fs, y->v->file->ino, index + n, &is);

		if (entry_kind(e) != ENTRY_LEAF || is != pfn + n)
			break;
		n += entry_order(e) == BLOCK_ORDER ? BLOCK_PAGES - is % BLOCK_PAGES : 1;
	}
	return MIN(n, max);
}

/* Pages from `index` on, at most `max`, that have no bytes: whole granules. */
static uint64_t hole(const struct sync *y, uint64_t index, uint64_t max)
{
	uint64_t data = fs_next_data(y->s->fs, y->v->file->ino, index, index + max);

	return align_down(data - index, y->v->file->granule / PAGE_BYTES);
}

/* What is to be at y->at; pages of the file as far as they may go, *max. */
static enum piece_kind wanted(const struct sync *y, uint64_t *max, bool *missing)
{
	uint64_t index = vma_index(y->v, y->at), end = file_end(y), n;

	*missing = false;
	if (index >= end || vma_evicted(y->v))
		return PIECE_BUS;
	*max = MIN(*max, end - index);
	n = hole(y, index, *max);
	if (!n)
		return PIECE_PAGES;
	*max = n;
	if (!(y->v->flags & PF_MAP_WRITE))
		return PIECE_ZEROS;
	*missing = true;
	return PIECE_BUS;
}

/* ---- new pieces --------------------------------------------------------------------------------------- */

static int show(struct sync *y)
{
	struct host *h = &y->s->host;
	uint64_t length = y->to - y->from;
	int prot = vma_prot(y->v->flags);

	if (y->kind == PIECE_PAGES)
		return h->ops->map(h, y->from, length, y->pfn * PAGE_BYTES, prot);
	return y->kind == PIECE_ZEROS ? h->ops->zeros(h, y->from, length, prot)
				      : h->ops->sigbus(h, y->from, length, prot);
}

static void put_back(struct space *s, struct piece *list)
{
	while (list) {
		struct piece *p = list;

		list = piece_next(p);
		range_insert(&s->pieces, &p->at);
	}
}

static void unmap_leaves(struct space *s, uint64_t va, uint64_t end)
{
	pt_unmap(&s->pt, va, (end - va) / PAGE_BYTES, 0, NULL);
}

/* The host shows what is new. When it cannot, that goes, and what it still shows stays held, without leaves. */
static int flush(struct sync *y)
{
	struct piece *gone = y->old;
	int rc = 0;

	if (y->from == y->to)
		return 0;
	rc = show(y);
	if (rc < 0) {
		unmap_leaves(y->s, y->from, y->to);
		gone = piece_take(y->s, y->from, y->to);
		put_back(y->s, y->old);
		y->at = y->from;
	}
	piece_free_list(y->me, y->s, gone);
	y->old = NULL;
	y->from = y->to;
	return rc;
}

/* `new` goes on where the pieces that are to be shown end, if there are any. */
static bool goes_on(const struct sync *y, const struct piece *new)
{
	return y->from == y->to ||
	       (y->kind == new->kind && y->to == new->at.start &&
		(new->kind != PIECE_PAGES || y->pfn + (y->to - y->from) / PAGE_BYTES == new->pfn));
}

static void add_run(struct sync *y, const struct piece *new, struct piece *old)
{
	struct piece **last = &y->old;

	if (y->from == y->to) {
		y->kind = new->kind;
		y->from = new->at.start;
		y->pfn = new->pfn;
	}
	y->to = y->at = new->at.end;
	while (*last)
		last = (struct piece **)&(*last)->at.next;
	*last = old;
}

static int leaves(struct space *s, const struct vma *v, const struct piece *p)
{
	if (p->kind == PIECE_PAGES)
		return insert_pages(s, v, p->at.start, p->pfn,
				    (p->at.end - p->at.start) / PAGE_BYTES);
	return p->kind == PIECE_ZEROS ? insert_zeros(s, v, p->at.start, p->at.end) : 0;
}

/* Where `new` is to be, it takes the place of what is there. */
static int replace(struct sync *y, struct piece *new)
{
	struct space *s = y->s;
	struct piece *old;
	int rc = goes_on(y, new) ? 0 : flush(y);

	if (rc == 0)
		rc = piece_cut(y->me, s, new->at.start);
	if (rc == 0)
		rc = piece_cut(y->me, s, new->at.end);
	if (rc < 0)
		return rc;
	old = piece_take(s, new->at.start, new->at.end);
	if (old)
		unmap_leaves(s, new->at.start, new->at.end);
	rc = leaves(s, y->v, new);
	if (rc < 0) {
		put_back(s, old);
		return rc;
	}
	range_insert(&s->pieces, &new->at);
	add_run(y, new, old);
	return 0;
}

/* ---- looking at the file ------------------------------------------------------------------------------ */

static int need(struct sync *y, int code, uint64_t index, uint64_t pages)
{
	*y->need = (struct mm_need){y->v->file->ino, y->v->file->igen, index, pages};
	return code;
}

/* A device of larger pages shows them whole: they are in one folio. */
static bool whole(const struct sync *y, uint64_t index)
{
	uint64_t pfn, pages = y->v->file->granule / PAGE_BYTES;
	entry_t e = fs_entry(y->s->fs, y->v->file->ino, index, &pfn);

	return pages == 1 || (entry_kind(e) == ENTRY_LEAF && entry_order(e) == BLOCK_ORDER &&
			      pfn % BLOCK_PAGES == 0);
}

/* Takes a reference on as many of the pages as it can. */
static int hold(struct sync *y, struct piece *new, uint64_t *pages)
{
	struct space *s = y->s;
	uint64_t index = vma_index(y->v, y->at);
	struct dax_run run;
	int rc;

	if (!whole(y, index))
		return need(y, -PF_EGRANULE, index, y->v->file->granule / PAGE_BYTES);
	store_relaxed(&new->record->index, index);
	rc = dax_try_hold(y->me, s->fs, s->pages, y->v->file->ino, index, *pages,
			  &new->record->range, &run);
	/* It changed since it was looked at. */
	if (rc == -PF_EHOLE || rc == -PF_EAGAIN)
		return need(y, -PF_EAGAIN, index, 1);
	if (rc < 0)
		return rc;
	new->pfn = run.pfn;
	*pages = run.pages;
	return 0;
}

static int make(struct sync *y, enum piece_kind kind, uint64_t pages)
{
	struct piece *new;
	int rc = 0;

	new = piece_new(y->me, y->v, kind, &rc);
	if (!new)
		return rc;
	if (kind == PIECE_PAGES)
		rc = hold(y, new, &pages);
	new->at.start = y->at;
	new->at.end = y->at + pages *PAGE_BYTES;
	if (rc == 0)
		rc = replace(y, new);
	if (rc < 0)
		piece_free(y->me, y->s, new);
	return rc;
}

static int missing_pages(struct sync *y)
{
	uint64_t index = vma_index(y->v, y->at);
	uint64_t max = MIN((y->end - y->at) / PAGE_BYTES, file_end(y) - index);

	return need(y, -PF_EHOLE, index, MAX(hole(y, index, max), 1));
}

/* One piece: what is at y->at stays, or something else comes. */
static int step_on(struct sync *y)
{
	struct piece *p = piece_find(y->s, y->at);
	uint64_t end = y->end, max, n;
	enum piece_kind kind;
	bool missing;

	if (p && p->at.start > y->at) {
		end = MIN(end, p->at.start);
		p = NULL;
	}
	if (p)
		end = MIN(end, p->at.end);
	max = (end - y->at) / PAGE_BYTES;
	kind = wanted(y, &max, &missing);
	if (missing && y->lack == MM_LACK_TELL)
		return missing_pages(y);
	y->lacks |= missing;
	if (p && p->kind == kind) {
		n = kind == PIECE_PAGES ? pages_alike(y, p, vma_index(y->v, y->at), max) : max;
		y->at += n * PAGE_BYTES;
		if (n)
			return 0;
	}
	return make(y, kind, max);
}

/* SIGBUS from y->at on, as far as that can be done. */
static void fail(struct sync *y)
{
	struct space *s = y->s;
	struct piece *new, *old;
	int rc;

	new = piece_new(y->me, y->v, PIECE_BUS, &rc);
	if (!new)
		return;
	y->kind = PIECE_BUS;
	y->from = new->at.start = y->at;
	y->to = new->at.end = y->end;
	if (piece_cut(y->me, s, y->at) < 0 || piece_cut(y->me, s, y->end) < 0 || show(y) < 0) {
		free(new);
		return;
	}
	old = piece_take(s, y->at, y->end);
	unmap_leaves(s, y->at, y->end);
	range_insert(&s->pieces, &new->at);
	piece_free_list(y->me, s, old);
}

static bool is_need(int rc)
{
	return rc == -PF_EHOLE || rc == -PF_EAGAIN || rc == -PF_EGRANULE;
}

static int sync_range(struct sync *y)
{
	int rc = 0, last;

	y->from = y->to = y->at;
	while (rc == 0 && y->at < y->end) {
		rc = step_on(y);
		if (rc == -PF_EGRANULE && y->lack != MM_LACK_TELL) {
			y->lacks = true;
			rc = make(y, PIECE_BUS, y->v->file->granule / PAGE_BYTES);
		}
	}
	last = flush(y);
	if (last < 0 && (rc == 0 || is_need(rc)))
		rc = last;
	if (rc < 0 && !is_need(rc))
		fail(y);
	return rc;
}

/* ---- calls -------------------------------------------------------------------------------------------- */

int vma_sync(struct rt_self *me, struct space *s, struct vma *v, struct mm_need *need)
{
	struct sync y =
		{.me = me, .s = s, .v = v, .need = need, .at = v->at.start, .end = v->at.end};

	return sync_range(&y);
}

int mm_sync(struct rt_self *me, struct space *s, uint64_t va, uint64_t pages, struct mm_need *need)
{
	uint64_t end = va + pages * PAGE_BYTES;
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	for (struct vma *v = vma_find(s, va); rc == 0 && v && v->at.start < end; v = vma_next(v)) {
		struct sync y = {.me = me,
				 .s = s,
				 .v = v,
				 .need = need,
				 .at = MAX(va, v->at.start),
				 .end = MIN(end, v->at.end)};

		rc = sync_range(&y);
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

/* The part of a vma that shows these blocks of its file; the whole, if it is to be evicted. */
static bool stale_part(const struct vma *v, uint64_t stale, struct sync *y)
{
	uint64_t pages = (v->at.end - v->at.start) / PAGE_BYTES;
	uint64_t first = MAX(rt_stale_first(stale), v->index);
	uint64_t end = MIN(rt_stale_end(stale), v->index + pages);

	if (vma_evicted(v)) {
		first = v->index;
		end = first + pages;
	}
	y->at = v->at.start + (first - v->index) * PAGE_BYTES;
	y->end = v->at.start + (end - v->index) * PAGE_BYTES;
	return first < end;
}

static bool to_evict(const struct vma *v)
{
	return (load_relaxed(&v->record->flags) & (MM_VMA_EVICT | MM_VMA_EVICTED)) == MM_VMA_EVICT;
}

/* Taken before the file is looked at: what is told from then on is for the next time. */
static int sync_vma(struct sync *y)
{
	struct rt_vma *r = y->v->record;
	bool evict = to_evict(y->v);
	uint64_t stale = load_relaxed(&r->stale) ? swap(&r->stale, 0) : 0;
	int rc;

	if (!stale && !evict)
		return 0;
	rc = stale_part(y->v, stale, y) ? sync_range(y) : 0;
	if (is_need(rc)) {
		vma_mark_stale(r, stale);
		return y->lack == MM_LACK_TELL ? rc : 1;
	}
	if (y->lacks && y->lack == MM_LACK_KEEP)
		vma_mark_stale(r, stale);
	/* What could not be done is tried again with the next mail. */
	if (evict && rc == 0)
		atomic_fetch_or_explicit(&r->flags, MM_VMA_EVICTED, memory_order_release);
	return 1;
}

int mm_sync_stale(struct rt_self *me, struct space *s, enum mm_lack lack, struct mm_need *need)
{
	bool any = false;
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	mm_find_lost(me);
	for (struct vma *v = (struct vma *)s->vmas.first; rc >= 0 && v; v = vma_next(v)) {
		struct sync y = {.me = me, .s = s, .v = v, .need = need, .lack = lack};

		rc = sync_vma(&y);
		any |= rc > 0;
	}
	pthread_mutex_unlock(&s->lock);
	return rc < 0 ? rc : any;
}
