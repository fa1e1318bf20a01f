/*
 * Leaves for what pieces hold. One leaf alone, mm_insert(), is what a fault would make, and keeps the rules of the kernel's functions for pages, PMDs and PUDs of DAX files: nothing
 * outside the vma, nothing that nobody holds, a leaf that is there already only gains what a store needs. insert_pages() does the same for runs of pages where nothing is.
 *
 * No leaf counts anything: the piece's record does. Leaves of pages of files are ordinary, and those of the zero page special, so that who finds one by address takes no reference on it.
 */
#include <errno.h>
#include <sys/mman.h>

#include "base/err.h"
#include "mm/inner.h"

int vma_prot(unsigned flags)
{
	return (flags & PF_MAP_READ ? PROT_READ : 0) | (flags & PF_MAP_WRITE ? PROT_WRITE : 0) |
	       (flags & PF_MAP_EXEC ? PROT_EXEC : 0);
}

unsigned vma_permissions(unsigned flags)
{
	return (flags & PF_MAP_READ ? PT_READ : 0) | (flags & PF_MAP_WRITE ? PT_WRITE : 0) |
	       (flags & PF_MAP_EXEC ? PT_EXEC : 0);
}

/* What can be written is taken as written: nobody is told of the first store. */
static unsigned leaf_flags(const struct vma *v)
{
	return PT_USER | vma_permissions(v->flags) |
	       (v->flags & PF_MAP_WRITE ? PT_YOUNG | PT_DIRTY : 0);
}

static int check(const struct space *s, const struct vma *v, uint64_t va, unsigned level,
		 uint64_t pfn)
{
	uint64_t bytes, head, word;
	unsigned order;

	if (level > MIN(s->pt.fmt->top_leaf, PT_PUD))
		return err(PF_EPTLEAF, "%s has no leaf at level %u", s->pt.fmt->name, level);
	bytes = pt_bytes(s->pt.fmt, level);
	if (va < v->at.start || va >= v->at.end || v->at.end - va < bytes)
		return err(EFAULT, "%lu bytes at %#lx are not in the window", (unsigned long)bytes,
			   (unsigned long)va);
	order = log2_down(bytes / PAGE_BYTES);
	if (!page_in_zone(s->pages, pfn) || !page_head(s->pages, pfn, order, &head, &word) ||
	    !word_count(word) || word_order(word) < order)
		return err(EINVAL, "page %lu is not held, or not in a folio of order %u",
			   (unsigned long)pfn, order);
	return 0;
}

static void upgrade(struct space *s, const struct vma *v, uint64_t va, unsigned level)
{
	const struct pt_change change = {.set = PT_YOUNG | PT_DIRTY |
						(vma_permissions(v->flags) & PT_WRITE)};

	pt_change(&s->pt, va, pt_pages(s->pt.fmt, level), &change, NULL);
}

/* Something is there already. */
static int meet(struct space *s, const struct vma *v, uint64_t va, unsigned level, uint64_t pfn,
		bool write, const struct pt_leaf *leaf)
{
	bool zero = s->pt.fmt->flags(leaf->level, leaf->entry) & PT_SPECIAL;

	if (!write)
		return 0;
	if (leaf->pfn == pfn && !zero) {
		if (leaf->level == level)
			upgrade(s, v, va, level);
		return 0;
	}
	s->warnings += !zero;
	return level ? 0 : err(EFAULT, "another page is at %#lx", (unsigned long)va);
}

int mm_insert(struct space *s, const struct vma *v, uint64_t va, unsigned level, uint64_t pfn,
	      bool write)
{
	unsigned flags = leaf_flags(v);
	struct pt_leaf leaf;
	int rc = check(s, v, va, level, pfn);

	if (rc < 0)
		return rc;
	if (!write)
		flags &= ~(PT_YOUNG | PT_DIRTY);
	rc = pt_lookup(&s->pt, va, &leaf);
	if (rc < 0)
		return rc;
	return rc ? meet(s, v, va, level, pfn, write, &leaf)
		  : pt_insert(&s->pt, va, level, pfn, flags);
}

int mm_insert_zero(struct space *s, const struct vma *v, uint64_t va, unsigned level)
{
	struct pt_leaf leaf;
	int rc;

	if (level > PT_PMD)
		return err(PF_EPTLEAF, "the zero page has no leaf at level %u", level);
	if (va < v->at.start || va >= v->at.end || v->at.end - va < pt_bytes(s->pt.fmt, level))
		return err(EFAULT, "address %#lx is not in the window", (unsigned long)va);
	if (v->flags & PF_MAP_WRITE)
		return err(EINVAL, "a window that can be written shows no zero page");
	rc = pt_lookup(&s->pt, va, &leaf);
	return rc ? MIN(rc, 0)
		  : pt_insert(&s->pt, va, level,
			      space_zero(s->pages) + va / PAGE_BYTES % BLOCK_PAGES,
			      PT_USER | PT_SPECIAL | vma_permissions(v->flags));
}

/* ---- runs ----------------------------------------------------------------------------------------- */

int insert_pages(struct space *s, const struct vma *v, uint64_t va, uint64_t pfn, uint64_t pages)
{
	if (pages == 1)
		return mm_insert(s, v, va, PT_PTE, pfn, v->flags & PF_MAP_WRITE);
	return pt_map(&s->pt, va, pfn, pages, leaf_flags(v), PT_PUD);
}

int insert_zeros(struct space *s, const struct vma *v, uint64_t va, uint64_t end)
{
	unsigned flags = PT_USER | PT_SPECIAL | vma_permissions(v->flags);
	uint64_t from = va;

	while (va < end) {
		uint64_t next = MIN(align_down(va, BLOCK_BYTES) + BLOCK_BYTES, end);
		uint64_t pfn = space_zero(s->pages) + va / PAGE_BYTES % BLOCK_PAGES;
		int rc = pt_map(&s->pt, va, pfn, (next - va) / PAGE_BYTES, flags, PT_PMD);

		if (rc < 0) {
			pt_unmap(&s->pt, from, (end - from) / PAGE_BYTES, 0, NULL);
			return rc;
		}
		va = next;
	}
	return 0;
}
