/* Spaces: the arena as memory for page tables, and readers of other processes' tables. */
#include <sched.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/sys.h"
#include "mm/mm.h"

#define FORMAT(name) &name,
static const struct pt_fmt *const formats[] = {PT_FORMATS(FORMAT)};
#undef FORMAT

/* A slot's root: the offset of the highest table, a multiple of 4096, and below that the format's number + 1. */
static uint64_t root_word(const struct pt *pt)
{
	uint64_t number = 0;

	while (formats[number] != pt->fmt)
		number++;
	return pt->root | (number + 1);
}

static const struct pt_fmt *root_format(uint64_t root)
{
	uint64_t number = root % PAGE_BYTES;

	return number && number <= ARRAY_SIZE(formats) ? formats[number - 1] : NULL;
}

static const struct pt_fmt *host_format(void)
{
#if defined __aarch64__
	return &pt_aarch64;
#elif defined __riscv
	return &pt_sv48;
#else
	return &pt_x86_64;
#endif
}

/* ---- memory for the owner's tables ---- */

static int table_alloc(void *arg, uint64_t *offset)
{
	struct space *s = arg;
	struct rt_self *me = rt_self_get(s->rt);

	return me ? rt_table_get(me, offset) : rt_self_error();
}

static void table_free(void *arg, uint64_t offset)
{
	struct space *s = arg;
	struct rt_self *me = rt_self_get(s->rt);

	/* Without a row it stays the slot's, and goes with that. */
	if (me)
		rt_table_put(me, offset);
}

static bool table_ours(void *arg, uint64_t offset)
{
	struct space *s = arg;

	return rt_table_is_of(s->rt, s->rt->slot, offset);
}

static int note(void *arg)
{
	struct space *s = arg;

	return rt_walkers_note(s->rt, s->rt->slot, &s->walkers);
}

static bool gone(void *arg)
{
	struct space *s = arg;

	return rt_walkers_gone(s->rt, &s->walkers);
}

/* All folios of a larger leaf are those of a device, which is one piece at a multiple of its alignment. */
static bool is_device_at(const struct space *s, uint64_t head, unsigned order)
{
	const struct page *page = page_at(s->pages, head);

	return s->fs && fs_device(s->fs, load_relaxed(&page->ino)) >= PAGE_BYTES << order &&
	       !(load_relaxed(&page->index) & ((1ull << order) - 1));
}

static bool fits(void *arg, uint64_t pfn, unsigned level)
{
	const struct space *s = arg;
	uint64_t head, word;
	unsigned order = level * s->pt.fmt->index_bits;

	if (pfn >= space_zero(s->pages))
		return pfn + (1ull << order) <= space_zero(s->pages) + BLOCK_PAGES;
	if (!page_in_zone(s->pages, pfn) || !page_head(s->pages, pfn, order, &head, &word))
		return false;
	return pfn + (1ull << order) <= head + (1ull << word_order(word)) ||
	       (order > BLOCK_ORDER && head == pfn && is_device_at(s, head, order));
}

static const struct pt_memory arena = {.alloc = table_alloc,
				       .free = table_free,
				       .ours = table_ours,
				       .note = note,
				       .gone = gone,
				       .fits = fits};

static void describe(struct pt *pt, struct rt *rt, const struct pages *pages,
		     const struct pt_fmt *fmt)
{
	*pt = (struct pt){
		.fmt = fmt,
		.arena = rt_arena(rt),
		.arena_bytes = rt_arena_bytes(rt),
		.table_base = SPACE_TABLES,
		.media_base = SPACE_MEDIA,
		.pages = space_zero(pages) + BLOCK_PAGES,
	};
}

/* ---- the owner's ---- */

int space_make(struct rt_self *me, struct pages *pages, const struct pt_fmt *fmt,
	       struct space **space)
{
	struct rt *rt = me->rt;
	struct space *s = sys_calloc(1, sizeof *s);
	int rc;

	if (!s)
		return err(ENOMEM, "space");
	s->rt = rt;
	s->pages = pages;
	describe(&s->pt, rt, pages, fmt ? fmt : host_format());
	s->pt.memory = &arena;
	s->pt.arg = s;
	rc = pt_make(&s->pt);
	if (rc < 0) {
		free(s);
		return rc;
	}
	store_release(&rt_slot_at(rt, rt->slot)->root, root_word(&s->pt));
	*space = s;
	return 0;
}

size_t space_settle(struct space *space)
{
	return pt_settle(&space->pt, SPACE_SETTLE_NS);
}

static bool wait_for_readers(struct rt *rt, unsigned slot, struct rt_walkers *walkers)
{
	uint64_t until = clock_mono() + SPACE_SETTLE_NS;

	if (rt_walkers_note(rt, slot, walkers) < 0)
		return false;
	while (!rt_walkers_gone(rt, walkers)) {
		if (clock_mono() >= until)
			return false;
		sched_yield();
	}
	return true;
}

void space_end(struct rt_self *me, struct space *s, const struct pt_gather *gather)
{
	const struct pt_fmt *f = s->pt.fmt;
	uint64_t half = 1ull << (pt_shift(f, f->levels) - f->sign);

	store_release(&rt_slot_at(me->rt, me->rt->slot)->root, 0);
	pt_unmap(&s->pt, 0, half / PAGE_BYTES, 0, gather);
	if (f->sign)
		pt_unmap(&s->pt, -half, half / PAGE_BYTES, 0, gather);
	if (wait_for_readers(me->rt, me->rt->slot, &s->walkers))
		pt_destroy(&s->pt, NULL);
	else
		pt_close(&s->pt);
	free(s->walkers.at);
	free(s);
}

/* ---- everybody's ---- */

int space_enter(struct rt_self *me, const struct pages *pages, unsigned slot, struct pt *view)
{
	const struct pt_fmt *fmt;
	uint64_t root;

	rt_walk_begin(me, slot);
	root = load_acquire(&rt_slot_at(me->rt, slot)->root);
	fmt = root_format(root);
	if (!fmt || root >= rt_arena_bytes(me->rt)) {
		space_leave(me);
		return root ? err(PF_EPAGETABLE, "slot %u, root %#lx", slot, (unsigned long)root)
			    : 0;
	}
	describe(view, me->rt, pages, fmt);
	view->root = align_down(root, PAGE_BYTES);
	return 1;
}

void space_leave(struct rt_self *me)
{
	rt_walk_end(me);
}

bool space_reap(struct rt_self *me, unsigned slot)
{
	struct rt_walkers walkers = {0};
	bool gone;

	store_release(&rt_slot_at(me->rt, slot)->root, 0);
	gone = wait_for_readers(me->rt, slot, &walkers);
	if (gone)
		rt_tables_free(me->rt, slot);
	free(walkers.at);
	return gone;
}

void space_check(struct rt *rt, struct report *report)
{
	uint64_t lost, used = rt_tables_used(rt, &lost);

	if (lost)
		report_violation(report, "page table", "%lu of %lu tables belong to no process",
				 (unsigned long)lost, (unsigned long)used);
}
