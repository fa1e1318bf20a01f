/* Opening: where the descriptors are, and which pages are free when the runtime is new. */
#include "page/alloc.h"
#include "page/index.h"

#define BUILD_BLOCKS 1024u /* that get memory at once while a runtime is built */

static size_t zone_bytes(uint64_t blocks)
{
	return sizeof(struct page_zone) + align_up(blocks, 64) +
	       (PAGE_CLASSES - 1 + 2) * hbitmap_bytes(blocks);
}

void page_plan(uint64_t count, struct rt_plan *plan)
{
	uint64_t blocks = count / BLOCK_PAGES;

	plan->region[RT_ZONE].bytes = zone_bytes(blocks);
	plan->region[RT_ZONE].filled = true;
	plan->region[RT_BLOCKS].bytes = blocks * sizeof(struct block);
	plan->region[RT_MEMMAP].bytes = count * sizeof(struct page);
}

void page_open(struct pages *p, struct rt *rt, struct dev *dev, uint64_t first, uint64_t count,
	       uint8_t *data)
{
	uint8_t *at = rt_region(rt, RT_ZONE);
	struct hbitmap *maps[PAGE_CLASSES - 1 + 2];
	unsigned n = 0;

	*p = (struct pages){.rt = rt,
			    .dev = dev,
			    .first = first,
			    .count = count,
			    .blocks = count / BLOCK_PAGES,
			    .data = data,
			    .quarantine_ns = 30000000000ull};
	p->map = rt_region(rt, RT_MEMMAP);
	p->block = rt_region(rt, RT_BLOCKS);
	p->zone = (struct page_zone *)at;
	at += sizeof *p->zone;
	p->class = (_Atomic uint8_t *)at;
	at += align_up(p->blocks, 64);
	for (unsigned c = 1; c < PAGE_CLASSES; c++)
		maps[n++] = &p->by_class[c];
	maps[n++] = &p->filled;
	maps[n++] = &p->quarantine;
	for (unsigned i = 0; i < n; i++) {
		hbitmap_open(maps[i], p->blocks, at);
		at += hbitmap_bytes(p->blocks);
	}
}

void page_build(struct pages *p)
{
	rt_lock_init(&p->zone->lock, RT_LOCK_ALLOC, 0);
	rt_lock_init(&p->zone->discard, RT_LOCK_DISCARD, 0);
	for (uint64_t b = 0; b < p->blocks; b++)
		store_relaxed(&p->class[b], PAGE_CLASSES - 1);
	hbitmap_fill(&p->by_class[PAGE_CLASSES - 1]);
}

static int build_filled(struct pages *p, uint64_t block, unsigned order)
{
	int rc = 0;

	if (!hbitmap_test(&p->filled, block)) {
		rc = alloc_fill(p, block, BUILD_BLOCKS);
		if (rc == 0)
			alloc_mark_filled(p, block, BUILD_BLOCKS);
	}
	if (rc == 0 && load_relaxed(&p->class[block]) == PAGE_CLASSES - 1)
		index_begin(p, block);
	return rc == 0 && order < BLOCK_ORDER ? alloc_detail(p, block) : rc;
}

int page_build_used(struct pages *p, uint64_t pfn, uint64_t n, unsigned order, uint32_t ino,
		    uint32_t igen, uint64_t index)
{
	for (uint64_t end = pfn + n; pfn < end;) {
		unsigned o = MIN(order, (unsigned)BLOCK_ORDER);
		struct page *page;
		int rc;

		while (o && ((pfn & ((1ull << o) - 1)) || pfn + (1ull << o) > end))
			o--;
		rc = build_filled(p, page_block(p, pfn), o);
		if (rc < 0)
			return rc;
		page = page_at(p, pfn);
		store_relaxed(&page->index, index);
		store_relaxed(&page->ino, ino);
		store_relaxed(&page->igen, igen);
		store_release(&page->word, word_begin(0, PAGE_IN_FILE, o, 0));
		index_used(p, pfn, 1ul << o);
		pfn += 1ull << o;
		index += 1ull << o;
	}
	return 0;
}

/* Those that nothing was put into are as page_build() left them: wholly free. */
void page_build_end(struct pages *p)
{
	for (uint64_t b = hbitmap_next(&p->filled, 0); b < p->blocks;
	     b = hbitmap_next(&p->filled, b + 1))
		if (load_relaxed(&p->class[b]) != PAGE_CLASSES - 1)
			index_end(p, b);
}
