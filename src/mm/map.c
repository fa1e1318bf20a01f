/* Calls on ranges of addresses: windows come and go. */
#include <stdlib.h>

#include "base/err.h"
#include "mm/inner.h"

/* ---- carving -------------------------------------------------------------------------------------- */

/* No vma is on both sides of va. */
static int carve_at(struct rt_self *me, struct space *s, uint64_t va)
{
	struct vma *v = vma_find(s, va), *behind;
	int rc = vma_check_cut(v, va);

	if (rc == 0)
		rc = piece_cut(me, s, va);
	if (rc < 0 || !v || v->at.start >= va)
		return rc;
	behind = vma_new(me, &rc);
	if (behind)
		vma_split(s, v, va, behind);
	return rc;
}

int space_carve(struct rt_self *me, struct space *s, uint64_t va, uint64_t end)
{
	int rc = carve_at(me, s, va);

	if (rc == 0)
		rc = carve_at(me, s, end);
	if (rc < 0)
		vma_merge_range(me, s, va, end);
	return rc;
}

void space_clear(struct rt_self *me, struct space *s, uint64_t va, uint64_t end)
{
	struct piece *pieces = piece_take(s, va, end);

	if (!pieces)
		return;
	pt_unmap(&s->pt, va, (end - va) / PAGE_BYTES, 0, NULL);
	piece_free_list(me, s, pieces);
}

/* ---- ending --------------------------------------------------------------------------------------- */

/* Pieces that go on in the next vma are cut: that one may have to stay. */
int vma_end(struct rt_self *me, struct space *s, struct vma *v)
{
	int rc = piece_cut(me, s, v->at.end);

	if (rc == 0)
		rc = s->host.ops->release(&s->host, v->at.start, v->at.end - v->at.start);
	if (rc < 0)
		return rc;
	space_clear(me, s, v->at.start, v->at.end);
	vma_remove(me, s, v);
	return 0;
}

int space_unmap(struct rt_self *me, struct space *s, uint64_t va, uint64_t end)
{
	struct vma *v;
	int rc = space_carve(me, s, va, end);

	while (rc == 0 && (v = vma_find(s, va)) && v->at.start < end)
		rc = vma_end(me, s, v);
	if (rc < 0)
		vma_merge_range(me, s, va, end);
	return rc;
}

int mm_unmap(struct rt_self *me, struct space *s, uint64_t va, uint64_t end)
{
	int rc;

	pthread_mutex_lock(&s->lock);
	rc = space_unmap(me, s, va, end);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

/* ---- mapping -------------------------------------------------------------------------------------- */

/* Addresses at which large leaves are possible where the file has them: both begin at the same place of a block. */
int space_reserve(struct space *s, const struct mm_place *m, uint64_t *va)
{
	uint64_t length = m->pages * PAGE_BYTES, align = m->file->granule, skew;
	struct host *h = &s->host;
	int rc;

	if (m->fixed)
		return h->ops->reserve(h, m->wish, length, align, true, m->replace, va);
	if (length >= BLOCK_BYTES)
		align = MAX(align, BLOCK_BYTES);
	skew = m->index * PAGE_BYTES & (align - 1);
	rc = h->ops->reserve(h, m->wish, length + skew, align, false, false, va);
	if (rc == 0 && skew) {
		h->ops->release(h, *va, skew);
		*va += skew;
	}
	return rc;
}

void space_forget(struct rt_self *me, struct space *s, uint64_t va, uint64_t end)
{
	struct vma *v;

	space_clear(me, s, va, end);
	while ((v = vma_find(s, va)) && v->at.start < end)
		vma_remove(me, s, v);
}

static int place(struct rt_self *me, struct space *s, const struct mm_place *m, struct vma *v)
{
	uint64_t length = m->pages * PAGE_BYTES, va;
	int rc = 0;

	if (m->fixed && m->replace)
		rc = space_carve(me, s, m->wish, m->wish + length);
	if (rc == 0)
		rc = space_reserve(s, m, &va);
	if (rc < 0)
		return rc;
	space_forget(me, s, va, va + length);
	v->at.start = va;
	v->at.end = va + length;
	v->index = m->index;
	v->flags = m->flags;
	v->may_write = m->may_write;
	v->file = m->file;
	vma_insert(s, v);
	file_put(s, m->file); /* the caller's use */
	return 0;
}

int mm_map(struct rt_self *me, struct space *s, const struct mm_place *m, uint64_t *va)
{
	int rc = 0;
	struct vma *v = vma_new(me, &rc);

	if (!v)
		return rc;
	pthread_mutex_lock(&s->lock);
	mm_find_lost(me);
	rc = place(me, s, m, v);
	if (rc == 0) {
		*va = v->at.start;
		vma_merge_range(me, s, *va, *va);
	} else {
		vma_merge_range(me, s, m->wish, m->wish + m->pages * PAGE_BYTES);
		vma_free(me, v);
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

/* ---- beginning and end ---------------------------------------------------------------------------- */

void mm_begin(struct space *s, struct fs *fs, const struct host *host)
{
	pthread_mutex_init(&s->lock, NULL);
	s->fs = fs;
	s->host = *host;
	s->granule = host->dev->granule;
}

void mm_end(struct rt_self *me, struct space *s)
{
	struct vma *v;
	struct piece *p;
	struct vma_file *file;

	for (v = (struct vma *)s->vmas.first; v; v = vma_next(v))
		s->host.ops->release(&s->host, v->at.start, v->at.end - v->at.start);
	while ((p = (struct piece *)s->pieces.first))
		space_clear(me, s, p->at.start, p->at.end);
	while ((v = (struct vma *)s->vmas.first))
		vma_remove(me, s, v);
	while ((file = (struct vma_file *)s->files.first)) {
		range_remove(&s->files, &file->at);
		free(file);
	}
	host_end(&s->host);
	pthread_mutex_destroy(&s->lock);
}
