/*
 * From a page to what maps it: the leaves of all spaces, at each level. Pages have no list of them. A folio says which page of which file it is, the records of windows say at
 * which addresses that is shown, and the tables of their spaces what is there: so do kernels for files, by the file's index.
 *
 * What is found may be gone a moment later, and a window that is still to be brought up to date may show another page: only a leaf that maps the page now is told of.
 */
#include "base/err.h"
#include "mm/mm.h"

/* A counted leaf maps pages of one folio, all of them if it is a large one (several folios, if they are of a device file); the zero page is none. */
static bool is_sane(const struct pages *p, const struct pt *view, const struct pt_leaf *leaf)
{
	uint64_t pages = pt_pages(view->fmt, leaf->level), first = align_down(leaf->pfn, pages);
	uint64_t head, word;

	if (!page_in_zone(p, first) || !page_in_zone(p, first + pages - 1))
		return false;
	if (!page_head(p, leaf->pfn, BLOCK_ORDER, &head, &word) || !word_count(word))
		return false;
	return pages == 1 || pages > BLOCK_PAGES || pages <= 1ull << word_order(word);
}

/* What maps page `pfn` at `va` in a slot's tables. 1, 0: something else, or nothing; -PF_EPAGETABLE: what is there cannot be. */
static int leaf_at(struct rt_self *me, const struct pages *p, unsigned slot, uint64_t va,
		   uint64_t pfn, struct mm_mapping *m)
{
	struct pt_leaf leaf;
	struct pt view;
	int rc = space_enter(me, p, slot, &view);

	if (rc <= 0)
		return rc;
	rc = pt_lookup(&view, va, &leaf);
	if (rc == 1 && (leaf.pfn != pfn || view.fmt->flags(leaf.level, leaf.entry) & PT_SPECIAL))
		rc = 0;
	/* Its own table first: what it was put in for may have gone since. */
	if (rc == 1 && !is_sane(p, &view, &leaf))
		rc = pt_leaf_same(&view, &leaf)
			     ? err(PF_EPAGETABLE,
				   "slot %u maps page %lu at %#lx by a leaf of %lu bytes", slot,
				   (unsigned long)pfn, (unsigned long)va,
				   (unsigned long)pt_bytes(view.fmt, leaf.level))
			     : 0;
	if (rc == 1)
		*m = (struct mm_mapping){slot, va, pt_bytes(view.fmt, leaf.level),
					 view.fmt->flags(leaf.level, leaf.entry)};
	space_leave(me);
	return rc;
}

int mm_rmap(struct rt_self *me, const struct pages *p, uint64_t pfn,
	    int (*each)(void *arg, const struct mm_mapping *m), void *arg)
{
	struct rt_cursor c = {0};
	uint64_t head, word, file, index;
	struct rt_vma *vma;
	int rc = 0;

	if (!page_in_zone(p, pfn) || !hbitmap_test(&p->filled, page_block(p, pfn)) ||
	    !page_head(p, pfn, BLOCK_ORDER, &head, &word))
		return 0;
	file = (uint64_t)load_relaxed(&page_at(p, head)->igen) << 32 |
	       load_relaxed(&page_at(p, head)->ino);
	index = load_relaxed(&page_at(p, head)->index) + pfn - head;
	while (rc == 0 && (vma = rt_next_vma(me->rt, &c))) {
		uint64_t at = index - load_relaxed(&vma->index);
		struct mm_mapping m;

		if (load_relaxed(&vma->file) != file || at >= load_relaxed(&vma->pages))
			continue;
		rc = leaf_at(me, p, c.slot, (load_relaxed(&vma->start) + at) * PAGE_BYTES, pfn, &m);
		if (rc > 0)
			rc = each(arg, &m);
	}
	return rc;
}
