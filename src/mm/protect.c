/* What may be done in a range of addresses. */
#include <errno.h>

#include "base/err.h"
#include "mm/inner.h"

/* No vma and no leaf is on both sides of va; a piece may be. */
static int part_at(struct rt_self *me, struct space *s, uint64_t va)
{
	struct vma *v = vma_find(s, va), *behind;
	int rc;

	if (!v || v->at.start >= va)
		return 0;
	rc = leaf_cut(s, va);
	if (rc < 0)
		return rc;
	behind = vma_new(me, &rc);
	if (behind)
		vma_split(s, v, va, behind);
	return rc;
}

/* Before stores are allowed: the first hole of what the vma shows of its file, as far as it goes. */
static int holes(const struct space *s, const struct vma *v, struct mm_need *need)
{
	uint64_t file_end = div_up(fs_size(s->fs, v->file->ino), PAGE_BYTES);
	uint64_t end = MIN(vma_index(v, v->at.end), file_end), at;

	if (v->index >= end)
		return 0;
	at = fs_next_blank(s->fs, v->file->ino, v->index, end);
	*need = (struct mm_need){v->file->ino, v->file->igen, at, end - at};
	return at < end ? -PF_EHOLE : 0;
}

/* The host shows what it showed, in [va, end), as `flags` say. */
static int show_piece(struct space *s, const struct piece *p, uint64_t va, uint64_t end,
		      unsigned flags)
{
	uint64_t pfn = p->pfn + (va - p->at.start) / PAGE_BYTES;
	struct host *h = &s->host;
	int prot = vma_prot(flags);

	if (p->kind == PIECE_PAGES)
		return h->ops->map(h, va, end - va, pfn * PAGE_BYTES, prot);
	return p->kind == PIECE_ZEROS ? h->ops->zeros(h, va, end - va, prot)
				      : h->ops->sigbus(h, va, end - va, prot);
}

static bool goes_on(const struct piece *p, const struct piece *next, uint64_t end)
{
	return next && next->at.start == p->at.end && p->at.end < end && next->kind == p->kind &&
	       (p->kind != PIECE_PAGES ||
		p->pfn + (p->at.end - p->at.start) / PAGE_BYTES == next->pfn);
}

/* Up to `end`, or where it failed, *done. */
static int show_range(struct space *s, uint64_t va, uint64_t end, unsigned flags, uint64_t *done)
{
	struct piece *p = piece_find(s, va);
	int rc = 0;

	for (*done = va; rc == 0 && p && p->at.start < end; p = piece_next(p)) {
		const struct piece *first = p;
		uint64_t from = MAX(va, first->at.start);

		while (goes_on(p, piece_next(p), end))
			p = piece_next(p);
		rc = show_piece(s, first, from, MIN(p->at.end, end), flags);
		if (rc == 0)
			*done = MIN(p->at.end, end);
	}
	return rc;
}

static void change_leaves(struct space *s, uint64_t va, uint64_t end, unsigned flags)
{
	for (struct piece *p = piece_find(s, va); p && p->at.start < end; p = piece_next(p)) {
		uint64_t from = MAX(va, p->at.start), to = MIN(end, p->at.end);
		struct pt_change change = {.clear = PT_PERMISSIONS, .set = vma_permissions(flags)};

		if (p->kind == PIECE_ZEROS)
			change.set &= ~PT_WRITE;
		else if (flags & PF_MAP_WRITE)
			change.set |= PT_YOUNG | PT_DIRTY;
		if (p->kind != PIECE_BUS)
			pt_change(&s->pt, from, (to - from) / PAGE_BYTES, &change, NULL);
	}
}

/* A range that is one vma. */
static int protect(struct space *s, struct vma *v, unsigned flags)
{
	uint64_t done;
	int rc = show_range(s, v->at.start, v->at.end, flags, &done);

	if (rc < 0) {
		show_range(s, v->at.start, done, v->flags, &done);
		return rc;
	}
	change_leaves(s, v->at.start, v->at.end, flags);
	vma_set_flags(v, flags);
	return 0;
}

/* The part of a vma that is in [va, end). */
static int protect_part(struct rt_self *me, struct space *s, uint64_t va, uint64_t end,
			unsigned flags, struct mm_need *need)
{
	struct vma *v = vma_find(s, va);
	int rc;

	if (v->flags == flags)
		return 0;
	if (flags & PF_MAP_WRITE && !v->may_write)
		return err(PF_EREADONLY, "inode %u", v->file->ino);
	rc = part_at(me, s, va);
	if (rc == 0)
		rc = part_at(me, s, end);
	if (rc < 0)
		return rc;
	v = vma_find(s, va);
	if (flags & PF_MAP_WRITE)
		rc = holes(s, v, need);
	return rc < 0 ? rc : protect(s, v, flags);
}

int mm_protect(struct rt_self *me, struct space *s, uint64_t va, uint64_t end, unsigned flags,
	       struct mm_need *need)
{
	uint64_t at = va;
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	while (rc == 0 && at < end) {
		struct vma *v = vma_find(s, at);
		uint64_t to;

		if (!v || v->at.start > at) {
			rc = err(ENOMEM, "no window at %#lx", (unsigned long)at);
			break;
		}
		to = MIN(end, v->at.end);
		rc = protect_part(me, s, at, to, flags, need);
		at = rc < 0 ? at : to;
	}
	vma_merge_range(me, s, va, end);
	pthread_mutex_unlock(&s->lock);
	return rc;
}
