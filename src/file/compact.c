/* Compaction on demand of who has the pool open; allocation asks for it by itself (layout/alloc.c). */
#include "base/err.h"
#include "file/pool.h"

#define STEP_BLOCKS 16u /* that are to become free in one go */

/* From block to block of the whole pool, as often as that brings something. */
static int64_t compact_once(struct rt_self *me, struct layout *l, uint64_t blocks, uint64_t *moved)
{
	uint64_t looks = div_up(l->pages.blocks, PAGE_SPARSE_BLOCKS);
	int64_t freed = 0;

	for (; looks && freed == 0; looks--) {
		uint64_t budget = (uint64_t)BLOCK_PAGES * STEP_BLOCKS, left = budget;

		freed = layout_compact(me, l, 0, MIN(blocks, STEP_BLOCKS), &left);
		*moved += budget - left;
	}
	return freed;
}

int pf_compact(pf_pool *pool, uint64_t bytes, struct pf_compacted *result)
{
	struct rt_self *me = pool_self(pool);
	struct layout *l = &pool->layout;
	uint64_t wanted = div_up(MIN(bytes, l->pages.count * PAGE_BYTES), BLOCK_BYTES), moved = 0;
	uint64_t before = page_whole_blocks(&l->pages), now = before;
	int64_t freed = 1;

	if (!me)
		return rt_self_error();
	if (pool->readonly)
		return err(PF_EREADONLY, "compaction");
	while (now < wanted && freed > 0) {
		freed = compact_once(me, l, wanted - now, &moved);
		now = page_whole_blocks(&l->pages);
	}
	*result =
		(struct pf_compacted){moved * PAGE_BYTES, before * BLOCK_BYTES, now * BLOCK_BYTES};
	return freed < 0 ? (int)freed : 0;
}
