/* The live check sees what is wrong with windows: a word of a table, a record or a folio is changed at a time, and the check names it; undone, it is clean. */
/* test: suite=short timeout=60 */
#include <stdio.h>
#include <string.h>

#include "handmade.h"
#include "mm/mm.h"

#define MIB (1ul << 20)

static pf_pool *pool;
static struct rt *rt;
static struct space *space;
static struct pages *p;

struct seen {
	const char *text; /* that a violation of rule "window" is to say */
	unsigned named;
	char last[200];
};

static void note(void *arg, const char *rule, const char *text)
{
	struct seen *seen = arg;

	if (seen->text && strcmp(rule, "window") == 0 && strstr(text, seen->text))
		seen->named++;
	snprintf(seen->last, sizeof seen->last, "%s: %s", rule, text);
}

static void clean(const char *when)
{
	struct seen seen = {0};

	if (OK(pf_check(pool, note, &seen)))
		test_fail(__FILE__, __LINE__, "%s: %s", when, seen.last);
}

static void names(const char *text)
{
	struct seen seen = {.text = text};

	OK(pf_check(pool, note, &seen));
	if (!seen.named)
		test_fail(__FILE__, __LINE__, "the check does not say that %s, but: %s", text,
			  seen.last);
}

/* The word gets another value; the check says so; the word is as before and the check finds nothing. */
static void change(_Atomic uint64_t *word, uint64_t to, const char *text)
{
	uint64_t was = load_acquire(word);

	must(was != to);
	store_release(word, to);
	names(text);
	store_release(word, was);
	clean(text);
}

static void *map(const char *name, unsigned flags, uint64_t length)
{
	pf_file *file;
	void *window;

	OK(pf_open(pool, name, PF_O_RDWR, 0, &file));
	OK(pf_window_map(file, NULL, length, flags, 0, &window));
	OK(pf_close(file));
	return window;
}

static pt_slot *leaf_of(const void *at, struct pt_leaf *leaf)
{
	must_be(pt_lookup(&space->pt, (uintptr_t)at, leaf), 1);
	return leaf->slot;
}

/* The leaf as it would be of that page, with more flags. */
static pt_entry entry_of(const struct pt_leaf *leaf, uint64_t pfn, unsigned more)
{
	const struct pt_fmt *f = space->pt.fmt;

	return f->leaf(leaf->level, f->flags(leaf->level, leaf->entry) | more) |
	       pt_with_address(f, space->pt.media_base + pfn * PAGE_BYTES);
}

static struct rt_vma *record_of(const void *at)
{
	struct rt_cursor c = {0};
	struct rt_vma *vma;

	while ((vma = rt_next_vma(rt, &c)))
		if (load_acquire(&vma->start) == (uintptr_t)at / PAGE_BYTES)
			return vma;
	test_fail(__FILE__, __LINE__, "no record of %p", at);
}

static struct rt_hold *hold_of(uint64_t pfn)
{
	struct rt_cursor c = {0};
	struct rt_hold *hold;

	while ((hold = rt_next_hold(rt, &c)))
		if (rt_range_pfn(load_acquire(&hold->range)) == pfn)
			return hold;
	test_fail(__FILE__, __LINE__, "no hold of page %lu", (unsigned long)pfn);
}

static uint64_t free_pfn(uint64_t near)
{
	uint64_t first = align_down(near - p->first, BLOCK_PAGES) + p->first;

	for (uint64_t pfn = first; pfn < first + BLOCK_PAGES; pfn++) {
		uint64_t head, word;

		if (!page_head(p, pfn, 0, &head, &word))
			return pfn;
	}
	test_fail(__FILE__, __LINE__, "no free page beside a used one");
}

static void leaves(const char *window)
{
	struct pt_leaf leaf, next;
	pt_slot *slot = leaf_of(window, &leaf), *second = leaf_of(window + PAGE_BYTES, &next);
	_Atomic uint64_t *word;

	change(slot, 0, "a hold of a window has no leaf");
	change(slot, next.entry, "a leaf shows what no hold of a window is for");
	change(second, entry_of(&next, free_pfn(next.pfn), 0), "a leaf maps a page that is free");
	change(second, entry_of(&next, 1, 0), "a leaf maps what is no page");
	change(second, entry_of(&next, next.pfn, PT_SPECIAL), "a leaf is special, or of the zero");
	change(second, entry_of(&next, space_zero(p), 0), "a leaf is special, or of the zero");
	word = &page_at(p, leaf.pfn)->word;
	change(word, load_acquire(word) - 1, "a leaf maps a page whose count is 0");
}

static void zeros(const char *window)
{
	struct pt_leaf leaf;
	pt_slot *slot = leaf_of(window, &leaf);

	must(leaf.pfn >= space_zero(p));
	change(slot, entry_of(&leaf, leaf.pfn, PT_WRITE), "the zero page is writable");
	change(slot, entry_of(&leaf, free_pfn(p->first), 0), "a leaf is special, or of the zero");
}

static void records(const char *window)
{
	struct rt_vma *vma = record_of(window);
	struct pt_leaf leaf;
	struct rt_hold *hold;

	leaf_of(window, &leaf);
	hold = hold_of(leaf.pfn);
	change(&vma->file, 0, "a leaf is in no window");
	change(&vma->start, load_acquire(&vma->start) + 1, "a leaf is in no window");
	change(&vma->pages, load_acquire(&vma->pages) - 1, "a leaf is in no window");
	change(&vma->index, 1, "a leaf shows what no hold of a window is for");
	change(&vma->file, load_acquire(&vma->file) + 1,
	       "a leaf shows what no hold of a window is for");
	change(&hold->index, 1, "a leaf shows what no hold of a window is for");
	change(&hold->range, 0, "a leaf shows what no hold of a window is for");
	store_release(&hold->kind, (uint32_t)PF_HOLD_PIN);
	names("a leaf shows what no hold of a window is for");
	store_release(&hold->kind, (uint32_t)PF_HOLD_WINDOW);
	clean("a window's hold");
}

/* What is stale is still to be looked at: it may hold what it does not map. */
static void stale(const char *window)
{
	struct rt_vma *vma = record_of(window);
	struct pt_leaf leaf;
	pt_slot *slot = leaf_of(window, &leaf);
	pt_entry was = load_acquire(slot);

	store_release(slot, 0);
	store_release(&vma->stale, rt_stale(0, 1));
	clean("a stale window");
	store_release(slot, was);
	store_release(&vma->stale, 0);
}

static void nobodys(void)
{
	struct rt_slot *slot = rt_slot_at(rt, rt_slots_used(rt));

	atomic_fetch_add_explicit(&rt->header->slots_used, 1, memory_order_acq_rel);
	clean("a slot that nobody has");
	change(&slot->root, load_acquire(&rt_slot_at(rt, rt->slot)->root),
	       "which nobody has, has 0 windows and page tables");
	store_release(&slot->chunks[RT_CHUNK_VMAS],
		      load_acquire(&rt_slot_at(rt, rt->slot)->chunks[RT_CHUNK_VMAS]));
	names("windows and no page tables");
	store_release(&slot->chunks[RT_CHUNK_VMAS], 0);
	change(&rt_slot_at(rt, rt->slot)->root, 7, "the tables cannot be walked");
}

int main(void)
{
	char *small, *big, *hole;
	pf_file *file;

	pool = pool_open(pool_make("check", 32));
	rt = pool->layout.rt;
	p = &pool->layout.pages;
	pattern_file(pool, "small", 3 * PAGE_BYTES, 1);
	pattern_file(pool, "big", 4 * MIB, 2);
	OK(pf_open(pool, "hole", PF_O_RDWR | PF_O_CREATE, 0600, &file));
	OK(pf_truncate(file, 2 * PAGE_BYTES, 0, 0));
	OK(pf_close(file));
	small = map("small", PF_MAP_READ | PF_MAP_WRITE, 3 * PAGE_BYTES);
	big = map("big", PF_MAP_READ, 4 * MIB);
	hole = map("hole", PF_MAP_READ, 2 * PAGE_BYTES);
	space = pool->layout.space;
	clean("windows");
	leaves(small);
	zeros(hole);
	records(small);
	records(big);
	stale(small);
	nobodys();
	OK(pf_window_unmap(pool, small, 3 * PAGE_BYTES));
	OK(pf_window_unmap(pool, big, 4 * MIB));
	OK(pf_window_unmap(pool, hole, 2 * PAGE_BYTES));
	clean("no windows");
	OK(pf_pool_close(pool));
	return 0;
}
