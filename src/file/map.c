/* Direct maps: pointers into the linear mapping of the data zone, with a hold behind them. No system call, never revoked. */
#include <stdlib.h>

#include "base/err.h"
#include "base/sys.h"
#include "file/hold.h"

struct pf_map {
	struct pf_pool *pool;
	void *address;
	uint64_t length;
	_Atomic uint64_t *layout; /* of the inode: changes when pages leave it */
	uint64_t layout_then;
	struct hold_set set;
};

/* One piece of memory: each piece goes on where the one before ended. */
static int check_one_piece(const struct hold_set *set)
{
	uint64_t pages = set->piece[0].pages, longest = 0, run = pages;
	bool one = true;

	for (size_t i = 1; i < set->count; i++) {
		bool follows = set->piece[i - 1].pfn + set->piece[i - 1].pages == set->piece[i].pfn;

		one = one && follows;
		longest = MAX(longest, run);
		run = follows ? run + set->piece[i].pages : set->piece[i].pages;
	}
	longest = MAX(longest, run);
	return one ? 0
		   : err(PF_ENOTCONTIG, "the longest piece has %lu bytes",
			 (unsigned long)(longest * PAGE_BYTES));
}

static int take(struct rt_self *me, const struct hold_request *r, struct pf_map *map)
{
	struct pages *p = &r->file->pool->layout.pages;
	uint8_t *data;
	int rc;

	/* Before the hold: pages that leave after it make the map stale. */
	map->layout = &fs_state(&r->file->pool->layout.fs, r->file->ino)->layout;
	map->layout_then = load_acquire(map->layout);
	rc = hold_take(me, r, &map->set);
	if (rc < 0)
		return rc;
	rc = check_one_piece(&map->set);
	data = rc < 0 ? NULL : pool_data(r->file->pool, r->write);
	if (rc == 0 && !data)
		rc = err(ENOMEM, "no addresses for a read-only mapping of the pool");
	if (rc < 0) {
		hold_give_back(me, r->file->pool, &map->set);
		return rc;
	}
	map->address =
		data + (map->set.piece[0].pfn - p->first) * PAGE_BYTES + r->offset % PAGE_BYTES;
	return 0;
}

int pf_map_file(pf_file *file, uint64_t offset, uint64_t length, unsigned flags, pf_map **out)
{
	struct hold_request r = {file, offset, length, flags & PF_MAP_WRITE, PF_HOLD_MAP};
	struct rt_self *me = pool_self(file->pool);
	struct pf_map *map;
	int rc;

	if (!me)
		return rt_self_error();
	if (!flags || flags & ~(PF_MAP_READ | PF_MAP_WRITE))
		return err(PF_EFLAGS, "map flags %x", flags);
	map = sys_malloc(sizeof *map);
	if (!map)
		return err(ENOMEM, "map");
	map->pool = file->pool;
	map->length = length;
	rc = take(me, &r, map);
	if (rc < 0) {
		free(map);
		return rc;
	}
	*out = map;
	return 0;
}

void *pf_map_address(const pf_map *map)
{
	return map->address;
}

uint64_t pf_map_length(const pf_map *map)
{
	return map->length;
}

int pf_map_stale(const pf_map *map)
{
	if (unlikely(rt_forked(map->pool->layout.rt)))
		return err(PF_EFORKED, NULL);
	return load_acquire(map->layout) != map->layout_then;
}

int pf_unmap(pf_map *map)
{
	struct rt_self *me;

	if (!map)
		return 0;
	me = pool_self(map->pool);
	if (!me)
		return rt_self_error();
	hold_give_back(me, map->pool, &map->set);
	free(map);
	return 0;
}
