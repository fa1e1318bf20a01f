#include "handmade.h"

#include <string.h>

uint32_t handmade_inode(pf_pool *pool, const char *name)
{
	uint32_t igen, ino;
	bool sure;

	ino = fs_dir_lookup(&pool->layout.fs, ROOT_INO, name, strlen(name), &igen, &sure);
	must(ino);
	return ino;
}

struct rt_vma *handmade_window(pf_pool *pool, uint32_t ino, uint64_t index, uint64_t pages)
{
	struct fs *fs = &pool->layout.fs;
	struct rt_vma *vma = rt_vma_get(pool_self(pool));

	must(vma);
	store_relaxed(&vma->start, 1ul << 20);
	store_relaxed(&vma->pages, pages);
	store_relaxed(&vma->index, index);
	store_relaxed(&vma->stale, 0);
	store_release(&vma->file, (uint64_t)fs_generation(fs, ino) << 32 | ino);
	while (!(atomic_fetch_add(&fs_state(fs, ino)->windows, 1) + 1))
		;
	memory_fence(memory_order_seq_cst);
	return vma;
}

void handmade_retire(pf_pool *pool, struct rt_vma *vma, struct rt_vma *heir)
{
	uint64_t stale, old;

	store_release(&vma->file, 0);
	memory_fence(memory_order_seq_cst);
	stale = swap(&vma->stale, 0);
	old = heir && stale ? load_acquire(&heir->stale) : 0;
	while (heir && stale && !cas(&heir->stale, &old, rt_stale_hull(old, stale)))
		;
	rt_vma_put(pool_self(pool), vma);
}

bool handmade_tell(pf_pool *pool, uint32_t ino, uint64_t first, uint64_t end)
{
	struct rt_self *me = pool_self(pool);

	must_be(layout_lock(me, &pool->layout, ino), 0);
	me->told = false;
	mm_tell(me, &pool->layout.fs, ino, first, end);
	layout_unlock(me, &pool->layout, ino);
	return me->told;
}
