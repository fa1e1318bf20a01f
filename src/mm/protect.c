/* What may be done in a range of addresses; and making what was stored there last. */
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
	rc = vma_check_cut(v, va);
	if (rc == 0)
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
	int rc = pieces_show(s, v->at.start, v->at.end, 0, flags, &done);

	if (rc < 0) {
		pieces_show(s, v->at.start, done, 0, v->flags, &done);
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

int mm_persist(struct space *s, uint64_t va, uint64_t end)
{
	uint64_t at = va;
	struct vma *v;

	pthread_mutex_lock(&s->lock);
	for (v = vma_find(s, va); v && v->at.start <= at && at < end; v = vma_next(v))
		at = v->at.end;
	for (struct piece *p = piece_find(s, va); p && p->at.start < end; p = piece_next(p)) {
		uint64_t from = MAX(va, p->at.start), to = MIN(end, p->at.end);

		if (p->kind == PIECE_PAGES)
			dev_persist(s->host.dev,
				    (uint8_t *)page_address(s->pages, p->pfn) +
					    (from - p->at.start),
				    to - from);
	}
	pthread_mutex_unlock(&s->lock);
	return at < end ? err(ENOMEM, "no window at %#lx", (unsigned long)at) : 0;
}
