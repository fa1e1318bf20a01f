/*
 * Vmas, and their records, by which other processes know of them. What is told of a range while it goes from one record to another is not lost: mm.h, "Nobody changes
 * another process's windows".
 */
#include "mm/inner.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/step.h"
#include "base/sys.h"

struct vma *vma_new(struct rt_self *me, int *rc)
{
	struct vma *v = sys_calloc(1, sizeof *v);

	if (!v) {
		*rc = err(ENOMEM, "window");
		return NULL;
	}
	v->record = rt_vma_get(me);
	if (!v->record) {
		*rc = rt_self_error();
		free(v);
		return NULL;
	}
	return v;
}

void vma_free(struct rt_self *me, struct vma *v)
{
	rt_vma_put(me, v->record);
	free(v);
}

/* ---- records -------------------------------------------------------------------------------------- */

/* Who tells of changes looks again; who changed the file before finds that there are windows. Never 0, which says that there are none. */
static void count_up(struct space *s, uint32_t ino)
{
	_Atomic uint32_t *windows = &fs_state(s->fs, ino)->windows;

	while (atomic_fetch_add_explicit(windows, 1, memory_order_acq_rel) == UINT32_MAX)
		;
	/* Pairs with that of mm_tell(): what it changed is seen when the file is looked at next, or it sees the record. */
	memory_fence(memory_order_seq_cst);
}

static void publish(struct space *s, const struct vma *v)
{
	struct rt_vma *r = v->record;

	store_relaxed(&r->start, v->at.start / PAGE_BYTES);
	store_relaxed(&r->pages, (v->at.end - v->at.start) / PAGE_BYTES);
	store_relaxed(&r->index, v->index);
	store_relaxed(&r->stale, 0);
	store_relaxed(&r->since, clock_coarse());
	store_relaxed(&r->flags, (uint32_t)v->flags);
	store_release(&r->file, (uint64_t)v->file->igen << 32 | v->file->ino);
	step("window: published");
	count_up(s, v->file->ino);
}

void vma_mark_stale(struct rt_vma *r, uint64_t stale)
{
	uint64_t was = load_relaxed(&r->stale);

	while (!cas(&r->stale, &was, rt_stale_hull(was, stale)))
		;
}

static void retire(struct rt_vma *r, struct rt_vma *heir)
{
	uint64_t stale;

	store_release(&r->file, 0);
	step("window: retired");
	/* Pairs with who tells: it marks the record before this, or finds that it is none. */
	memory_fence(memory_order_seq_cst);
	stale = swap(&r->stale, 0);
	if (heir && stale)
		vma_mark_stale(heir, stale);
}

/* ---- vmas ----------------------------------------------------------------------------------------- */

void vma_insert(struct space *s, struct vma *v)
{
	v->file->users++;
	range_insert(&s->vmas, &v->at);
	publish(s, v);
}

/* It is in no tree any more. */
static void end(struct rt_self *me, struct space *s, struct vma *v, const struct vma *heir)
{
	retire(v->record, heir ? heir->record : NULL);
	file_put(s, v->file);
	vma_free(me, v);
}

void vma_remove_to(struct rt_self *me, struct space *s, struct vma *v, struct vma *heir)
{
	range_remove(&s->vmas, &v->at);
	end(me, s, v, heir);
}

void vma_remove(struct rt_self *me, struct space *s, struct vma *v)
{
	vma_remove_to(me, s, v, NULL);
}

void vma_resize(struct space *s, struct vma *v, uint64_t end)
{
	bool grows = end > v->at.end;

	v->at.end = end;
	store_release(&v->record->pages, (end - v->at.start) / PAGE_BYTES);
	if (grows)
		count_up(s, v->file->ino);
}

/* Set by this process only, under the space's lock. */
static uint32_t eviction(const struct vma *v)
{
	return load_relaxed(&v->record->flags) & (MM_VMA_EVICT | MM_VMA_EVICTED);
}

void vma_inherit(struct vma *v, const struct vma *from)
{
	atomic_fetch_or_explicit(&v->record->flags, eviction(from), memory_order_relaxed);
}

int vma_check_cut(const struct vma *v, uint64_t va)
{
	return v && v->at.start < va && va % v->file->granule
		       ? err(PF_EALIGN, "a window is cut at %#lx, not at a multiple of %lu",
			     (unsigned long)va, (unsigned long)v->file->granule)
		       : 0;
}

void vma_split(struct space *s, struct vma *v, uint64_t va, struct vma *behind)
{
	uint64_t stale;

	behind->at.start = va;
	behind->at.end = v->at.end;
	behind->index = vma_index(v, va);
	behind->flags = v->flags;
	behind->may_write = v->may_write;
	behind->file = v->file;
	v->at.end = va; /* first: ranges do not overlap */
	vma_insert(s, behind);
	vma_inherit(behind, v);
	store_release(&v->record->pages, (va - v->at.start) / PAGE_BYTES);
	stale = load_acquire(&v->record->stale);
	if (stale)
		vma_mark_stale(behind->record, stale);
}

static bool alike(const struct vma *a, const struct vma *b)
{
	return a->at.end == b->at.start && a->file == b->file && a->flags == b->flags &&
	       a->may_write == b->may_write && vma_index(a, a->at.end) == b->index &&
	       eviction(a) == eviction(b);
}

void vma_merge_range(struct rt_self *me, struct space *s, uint64_t va, uint64_t last)
{
	struct vma *v = (struct vma *)range_before(&s->vmas, va);

	if (!v)
		v = (struct vma *)s->vmas.first;
	while (v && v->at.start <= last) {
		struct vma *next = vma_next(v);

		if (!next || !alike(v, next)) {
			v = next;
			continue;
		}
		range_remove(&s->vmas, &next->at);
		vma_resize(s, v, next->at.end);
		end(me, s, next, v);
	}
}

void vma_set_flags(struct vma *v, unsigned flags)
{
	uint32_t was = load_relaxed(&v->record->flags);

	v->flags = flags;
	while (!cas(&v->record->flags, &was,
		    (was & (MM_VMA_EVICT | MM_VMA_EVICTED)) | (uint32_t)flags))
		;
}
