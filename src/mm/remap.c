/*
 * Windows move, grow and shrink. All or nothing: what is to come is made first, beside what there is: the part that is more as a window of its own, then, if it moves, the host's mappings and
 * the leaves at the new addresses. When the old addresses are given up, nothing can fail any more.
 */
#include <errno.h>

#include "base/err.h"
#include "mm/inner.h"

struct remap {
	struct rt_self *me;
	struct space *s;
	const struct mm_remap *r;
	struct mm_need *need;
	struct vma *v; /* the old range is this whole vma */
	uint64_t to;   /* the new address */
	uint64_t keep; /* bytes that it has before and after */
};

static uint64_t more(const struct remap *m)
{
	return m->r->new_length - m->keep;
}

/* ---- what is more ------------------------------------------------------------------------------------ */

/* The addresses are reserved: a vma that shows what comes next in the file. */
static int grow(struct remap *m, struct vma *new)
{
	const struct vma *v = m->v;

	new->at.start = m->to + m->keep;
	new->at.end = m->to + m->r->new_length;
	new->index = vma_index(v, v->at.end);
	new->flags = v->flags;
	new->may_write = v->may_write;
	new->file = v->file;
	vma_insert(m->s, new);
	vma_inherit(new, v);
	return vma_sync(m->me, m->s, new, m->need);
}

static int grow_in_place(struct remap *m)
{
	struct host *h = &m->s->host;
	int rc = 0;
	struct vma *new = vma_new(m->me, &rc);
	uint64_t at = m->v->at.end;

	if (!new)
		return rc;
	rc = h->ops->reserve(h, at, more(m), m->v->file->granule, true, false, &at);
	if (rc < 0) {
		vma_free(m->me, new);
		return rc;
	}
	m->to = m->r->address;
	rc = grow(m, new);
	if (rc < 0)
		vma_end(m->me, m->s, new);
	return rc;
}

/* ---- moving ------------------------------------------------------------------------------------------ */

/* Pieces are where they were, and `by` further. */
static void shift(struct space *s, uint64_t va, uint64_t end, uint64_t by)
{
	struct piece *list = piece_take(s, va, end);

	while (list) {
		struct piece *p = list;

		list = piece_next(p);
		p->at.start += by;
		p->at.end += by;
		range_insert(&s->pieces, &p->at);
	}
}

/* The host shows it at the new addresses, too, and the leaves are there. */
static int copy_and_move(struct remap *m)
{
	struct space *s = m->s;
	uint64_t from = m->v->at.start, by = m->to - from;
	uint64_t done;
	int rc = pieces_show(s, from, from + m->keep, by, m->v->flags, &done);

	return rc < 0 ? rc : pt_move(&s->pt, from, m->to, m->keep / PAGE_BYTES, NULL);
}

/* `new` takes over what the vma has, in its place. */
static int move(struct remap *m, struct vma *new)
{
	struct space *s = m->s;
	struct vma *v = m->v;
	uint64_t from = v->at.start;
	int rc = copy_and_move(m);

	if (rc < 0)
		return rc;
	rc = s->host.ops->release(&s->host, from, v->at.end - from);
	if (rc < 0) {
		pt_move(&s->pt, m->to, from, m->keep / PAGE_BYTES, NULL);
		return rc;
	}
	shift(s, from, from + m->keep, m->to - from);
	space_clear(m->me, s, from, v->at.end);
	new->at.start = m->to;
	new->at.end = m->to + m->keep;
	new->index = v->index;
	new->flags = v->flags;
	new->may_write = v->may_write;
	new->file = v->file;
	vma_insert(s, new);
	vma_inherit(new, v);
	vma_remove_to(m->me, s, v, new);
	return 0;
}

static int find_room(struct remap *m)
{
	const struct mm_remap *r = m->r;
	struct mm_place place = {.file = m->v->file,
				 .index = m->v->index,
				 .pages = r->new_length / PAGE_BYTES,
				 .wish = r->to,
				 .fixed = r->fixed,
				 .replace = true};
	int rc = 0;

	if (r->fixed)
		rc = space_carve(m->me, m->s, r->to, r->to + r->new_length);
	if (rc == 0)
		rc = space_reserve(m->s, &place, &m->to);
	if (rc == 0)
		space_forget(m->me, m->s, m->to, m->to + r->new_length);
	return rc;
}

/* Both vmas are in the space, or are freed. */
static int move_to_room(struct remap *m, struct vma *moved, struct vma *longer)
{
	struct host *h = &m->s->host;
	int rc = find_room(m);

	if (rc < 0) {
		if (longer)
			vma_free(m->me, longer);
		vma_free(m->me, moved);
		return rc;
	}
	rc = longer ? grow(m, longer) : 0;
	if (rc == 0)
		rc = move(m, moved);
	if (rc == 0)
		return 0;
	if (longer)
		vma_end(m->me, m->s, longer);
	h->ops->release(h, m->to, longer ? m->keep : m->r->new_length);
	vma_free(m->me, moved);
	return rc;
}

/* The old range becomes a vma of its own, which moves. */
static int move_part(struct remap *m)
{
	const struct mm_remap *r = m->r;
	struct vma *moved, *longer = NULL;
	int rc = space_carve(m->me, m->s, r->address, r->address + r->length);

	if (rc == 0)
		rc = piece_cut(m->me, m->s, r->address + m->keep);
	if (rc < 0)
		return rc;
	m->v = vma_find(m->s, r->address);
	moved = vma_new(m->me, &rc);
	if (!moved)
		return rc;
	if (more(m)) {
		longer = vma_new(m->me, &rc);
		if (!longer) {
			vma_free(m->me, moved);
			return rc;
		}
	}
	return move_to_room(m, moved, longer);
}

static int remap(struct remap *m, uint64_t *va)
{
	const struct mm_remap *r = m->r;
	uint64_t end = r->address + r->length;
	int rc = -PF_EMAPPED;

	*va = r->address;
	if (!r->fixed && r->new_length <= r->length)
		return r->new_length == r->length
			       ? 0
			       : space_unmap(m->me, m->s, r->address + r->new_length, end);
	if (!r->fixed && m->v->at.end == end)
		rc = grow_in_place(m);
	if (rc != -PF_EMAPPED)
		return rc;
	if (!r->may_move)
		return err(ENOMEM, "something is behind %#lx", (unsigned long)end);
	rc = move_part(m);
	*va = m->to;
	return rc;
}

static int check(const struct remap *m)
{
	const struct vma *v = m->v;
	uint64_t end = m->r->address + m->r->length, index;

	if (!v || v->at.start > m->r->address || v->at.end < end)
		return err(EFAULT, "%#lx to %#lx is not in one window",
			   (unsigned long)m->r->address, (unsigned long)end);
	if ((m->r->address | m->r->length | m->r->new_length | (m->r->fixed ? m->r->to : 0)) %
	    v->file->granule)
		return err(PF_EALIGN, "a window that is cut at multiples of %lu only",
			   (unsigned long)v->file->granule);
	index = vma_index(v, m->r->address);
	if (m->r->new_length / PAGE_BYTES > FILE_PAGES_MAX - index)
		return err(PF_ERANGE, "%lu bytes from page %lu on", (unsigned long)m->r->new_length,
			   (unsigned long)index);
	return 0;
}

int mm_remap(struct rt_self *me, struct space *s, const struct mm_remap *r, struct mm_need *need,
	     uint64_t *va)
{
	struct remap m = {.me = me,
			  .s = s,
			  .r = r,
			  .need = need,
			  .keep = MIN(r->length, r->new_length)};
	int rc;

	pthread_mutex_lock(&s->lock);
	mm_find_lost(me);
	m.v = vma_find(s, r->address);
	rc = check(&m);
	if (rc == 0)
		rc = remap(&m, va);
	vma_merge_range(me, s, r->address, r->address + r->length);
	if (rc == 0)
		vma_merge_range(me, s, *va, *va + r->new_length);
	if (r->fixed)
		vma_merge_range(me, s, r->to, r->to + r->new_length);
	pthread_mutex_unlock(&s->lock);
	return rc;
}
