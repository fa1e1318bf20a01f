/* How many pages are in which state. */
#include "page/index.h"

uint64_t page_left(const struct pages *p, uint64_t head, uint64_t word)
{
	uint64_t pages = 1ull << word_order(word), n = 0;

	if (word_state(word) == PAGE_ORPHAN)
		return pages;
	if (word_state(word) != PAGE_IN_FILE || !(word & WORD_P))
		return 0;
	for (uint64_t i = 0; i < pages; i++)
		n += load_relaxed(&page_at(p, head + i)->left) != 0;
	return n;
}

static int each_in_block(struct pages *p, uint64_t block,
			 int (*each)(void *, const struct page_folio *), void *arg)
{
	uint64_t first = p->first + block * BLOCK_PAGES;

	for (uint64_t i = 0; i < BLOCK_PAGES;) {
		struct page *page = page_at(p, first + i);
		struct page_folio f = {.head = first + i, .word = load_acquire(&page->word)};
		int rc;

		if (word_state(f.word) == PAGE_FREE) {
			i++;
			continue;
		}
		f.left = page_left(p, f.head, f.word);
		f.ino = load_relaxed(&page->ino);
		f.igen = load_relaxed(&page->igen);
		rc = each(arg, &f);
		if (rc)
			return rc;
		i += 1ull << word_order(f.word);
	}
	return 0;
}

int page_each_folio(struct pages *p, int (*each)(void *arg, const struct page_folio *folio),
		    void *arg)
{
	int rc = 0;

	for (uint64_t b = hbitmap_next(&p->filled, 0); b < p->blocks && rc == 0;
	     b = hbitmap_next(&p->filled, b + 1))
		if (load_acquire(&p->class[b]) != PAGE_CLASSES - 1)
			rc = each_in_block(p, b, each, arg);
	return rc;
}

static int count_folio(void *arg, const struct page_folio *f)
{
	uint64_t pages = 1ull << word_order(f->word);
	struct page_stat *stat = arg;

	switch (word_state(f->word)) {
	case PAGE_IN_FILE:
		stat->member += pages - f->left;
		stat->orphan += f->left;
		break;
	case PAGE_ORPHAN:
		stat->orphan += pages;
		break;
	case PAGE_QUARANTINE:
		stat->quarantine += pages;
		break;
	case PAGE_FREE:
		break;
	}
	return 0;
}

uint64_t page_free_count(struct pages *p)
{
	uint64_t n = hbitmap_count(&p->by_class[PAGE_CLASSES - 1]) * BLOCK_PAGES;

	for (uint64_t b = hbitmap_next(&p->filled, 0); b < p->blocks;
	     b = hbitmap_next(&p->filled, b + 1))
		if (load_relaxed(&p->class[b]) != PAGE_CLASSES - 1)
			for (unsigned i = 0; i < 8; i++)
				n += (unsigned)__builtin_popcountll(
					load_relaxed(&p->block[b].free[i]));
	return n;
}

void page_stat(struct pages *p, struct page_stat *stat)
{
	*stat = (struct page_stat){.free = page_free_count(p)};
	page_each_folio(p, count_folio, stat);
}
