/* How full the pool is, and why. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "file/pool.h"

static unsigned count_processes(struct rt *rt)
{
	unsigned n = 0;

	for (unsigned s = 0; s < rt_slots_used(rt); s++)
		n += rt_slot_state(load_acquire(&rt_slot_at(rt, s)->word)) == RT_SLOT_LIVE &&
		     !rt_slot_dead(rt, s);
	return n;
}

int pf_info(pf_pool *pool, struct pf_info *info)
{
	struct layout *l = &pool->layout;
	struct page_stat stat;

	if (!pool_self(pool))
		return rt_self_error();
	page_stat(&l->pages, &stat);
	*info = (struct pf_info){
		.size = l->fs.super.bytes,
		.pages_total = l->pages.count,
		.pages_free = stat.free,
		.pages_member = stat.member,
		.pages_orphan = stat.orphan,
		.pages_quarantine = stat.quarantine,
		.inodes_total = l->fs.super.inodes - 2, /* 0, and the root directory */
		.inodes_free = fs_inodes_free(&l->fs),
		.granule = pool->dev->granule,
		.host_page_size = dev_host_page_size(pool->data),
		.runtime_bytes = rt_memory(l->rt),
		.processes = count_processes(l->rt),
		.device = pool->dev->ops->name,
		.durability = dev_durability_name(pool->dev->durability),
	};
	if (info->host_page_size < BLOCK_BYTES)
		info->huge_hint = pool->dev->ops->huge_hint(pool->dev);
	snprintf(info->runtime_path, sizeof info->runtime_path, "%s", l->rt->path);
	return 0;
}

int pf_statfs(pf_pool *pool, struct pf_statfs *statfs)
{
	struct layout *l = &pool->layout;

	if (!pool_self(pool))
		return rt_self_error();
	*statfs = (struct pf_statfs){
		.block_size = PAGE_BYTES,
		.pages_total = l->pages.count,
		.pages_free = page_free_count(&l->pages),
		.inodes_total = l->fs.super.inodes - 2, /* 0, and the root directory */
		.inodes_free = fs_inodes_free(&l->fs),
		.name_max = PF_NAME_MAX,
		.flags = pool->readonly ? PF_STATFS_RDONLY : 0,
	};
	statfs->pages_available = statfs->pages_free;
	memcpy(&statfs->id, l->fs.super.uuid, sizeof statfs->id);
	return 0;
}

/* ---- a full pool ----------------------------------------------------------------------------------- */

struct top {
	uint64_t bytes;
	pid_t pid;
	char command[17];
};

/* The process with the largest single hold. */
static int find_top(void *arg, const struct pf_holder *holder)
{
	struct top *top = arg;

	if (holder->bytes > top->bytes) {
		top->bytes = holder->bytes;
		top->pid = holder->pid;
		snprintf(top->command, sizeof top->command, "%s", holder->command);
	}
	return 0;
}

int space_full(struct pf_pool *pool, int rc, uint64_t wanted)
{
	struct top top = {0};
	struct page_stat stat;
	char hold[96] = "nobody holds anything";

	if (rc != -PF_ENOSPACE)
		return rc;
	page_stat(&pool->layout.pages, &stat);
	pf_holders(pool, find_top, &top);
	if (top.bytes)
		snprintf(hold, sizeof hold, "the largest hold is %lu KiB of process %d (%s)",
			 (unsigned long)(top.bytes / 1024), (int)top.pid, top.command);
	return err(PF_ENOSPACE,
		   "%lu KiB wanted, %lu KiB free, %lu KiB orphaned, %lu KiB in quarantine, %s",
		   (unsigned long)(wanted + 1023) / 1024, (unsigned long)stat.free * 4,
		   (unsigned long)stat.orphan * 4, (unsigned long)stat.quarantine * 4, hold);
}

/* ---- what a process keeps -------------------------------------------------------------------------- */

/* Pages of the folios that a hold touches which are in no file. */
static uint64_t orphans_of(const struct pages *p, uint64_t range)
{
	uint64_t pfn = rt_range_pfn(range), end = pfn + rt_range_pages(range), n = 0, head, word;

	while (range && pfn < end && page_head(p, pfn, BLOCK_ORDER, &head, &word)) {
		n += page_left(p, head, word);
		pfn = head + (1ull << word_order(word));
	}
	return n;
}

int space_check_orphans(struct pf_pool *pool)
{
	struct rt *rt = pool->layout.rt;
	uint64_t pages = 0;

	if (likely(!pool->orphan_limit))
		return 0;
	for (struct rt_chunk *c = rt_chunks(rt, rt->slot, RT_CHUNK_HOLDS); c;
	     c = rt_chunk_next(rt, c))
		for (unsigned i = 0; i < RT_HOLDS; i++)
			pages += orphans_of(&pool->layout.pages, load_acquire(&c->holds[i].range));
	if (pages * PAGE_BYTES <= pool->orphan_limit)
		return 0;
	return err(PF_EORPHANS, "%lu KiB, %lu KiB allowed", (unsigned long)pages * 4,
		   (unsigned long)(pool->orphan_limit / 1024));
}

int pf_wait_space(pf_pool *pool, uint64_t bytes, int timeout_ms)
{
	uint64_t end = timeout_ms < 0 ? ~0ull : clock_mono() + (uint64_t)timeout_ms * 1000000u;
	struct timespec pause = {.tv_nsec = 2000000};
	struct rt_self *me = pool_self(pool);

	if (!me)
		return rt_self_error();
	for (;;) {
		if (page_free_count(&pool->layout.pages) * PAGE_BYTES >= bytes)
			return 0;
		reap_pass(pool, me, NULL);
		if (page_free_count(&pool->layout.pages) * PAGE_BYTES >= bytes)
			return 0;
		if (clock_mono() > end)
			return space_full(pool, -PF_ENOSPACE, bytes);
		nanosleep(&pause, NULL);
	}
}
