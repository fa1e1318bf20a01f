/* A process may have a space of each format, and what it mapped is found by who reads the space of its slot. */
#include "base/err.h"
#include "file/pool.h"
#include "mm/mm.h"
#include "pool.h"
#include "tables.h"

#define VA 0x40000000ull

static void one(pf_pool *pool, const struct pt_fmt *f)
{
	struct pages *pages = &pool->layout.pages;
	struct rt_self *me = pool_self(pool);
	struct space *space;
	struct pt_leaf leaf;
	struct pt_translation t;
	struct pt view;

	OK(space_make(me, pages, f, &space));
	OK(pt_map(&space->pt, VA, pages->first + 7, 1, PT_READ | PT_YOUNG, PT_PTE));
	must_be(space_enter(me, pages, me->rt->slot, &view), 1);
	must(view.fmt == f);
	must_be(pt_lookup(&view, VA, &leaf), 1);
	must_be(leaf.pfn, pages->first + 7);
	OK(pt_translate(&view, VA + 5, PT_READ, &t));
	must_be(t.outcome, PT_OK);
	must_be(t.address, SPACE_MEDIA + (pages->first + 7) * PAGE_BYTES + 5);
	space_leave(me);
	space_end(me, space, NULL);
	must_be(space_enter(me, pages, me->rt->slot, &view), 0);
}

int main(void)
{
	pf_pool *pool = pool_open(pool_make("pool", 16));

	for (unsigned i = 0; i < tables_format_count; i++)
		one(pool, tables_formats[i]);
	OK(pf_pool_close(pool));
	return 0;
}
