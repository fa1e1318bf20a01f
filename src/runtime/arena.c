/*
 * The arena: chunks of 4 KiB for rows, holds and handles of slots. It only grows. Under a robust lock; `arena_pending` says which slot's
 * chain is about to get the chunk at `arena_next`, so a kill loses none: the next locker links it or leaves it.
 */
#include "base/err.h"
#include "base/step.h"
#include "base/sys.h"
#include "runtime/local.h"

#define ARENA_STEP 65536u /* memory reserved at a time */

void arena_init(struct rt_header *h)
{
	store_relaxed(&h->arena_next, h->arena_start);
	store_relaxed(&h->arena_filled, h->arena_start);
	rt_lock_init(&h->arena_lock, RT_LOCK_ARENA, 0);
}

/* The pending chunk is at the head of its chain: then only the cursor is behind. If it is not, it was never linked. */
static void repair(struct rt *rt)
{
	struct rt_header *h = rt->header;
	uint64_t pending = load_acquire(&h->arena_pending), next = load_acquire(&h->arena_next);

	if (pending) {
		struct rt_slot *slot = rt_slot_at(rt, (unsigned)(pending & 0xffffffff) - 1);

		if (load_acquire(&slot->chunks[pending >> 32]) == next)
			store_release(&h->arena_next, next + RT_CHUNK);
	}
	store_release(&h->arena_pending, 0);
}

static int reserve(struct rt *rt)
{
	struct rt_header *h = rt->header;
	uint64_t filled = load_relaxed(&h->arena_filled),
		 step_bytes = MIN(ARENA_STEP, h->arena_end - filled);
	int rc;

	if (load_relaxed(&h->arena_next) < filled)
		return 0;
	if (!step_bytes)
		return err(PF_ERUNSPACE, "the arena for threads, holds and handles is full");
	rc = rt_fill(rt, rt->base + filled, step_bytes);
	if (rc == 0)
		store_release(&h->arena_filled, filled + step_bytes);
	return rc;
}

/* The arena's memory is zero where it was never used, and every chunk is used once: nothing to clear. */
static struct rt_chunk *link_chunk(struct rt *rt, unsigned slot, enum rt_chunk_type type)
{
	struct rt_header *h = rt->header;
	uint64_t at = load_relaxed(&h->arena_next);
	struct rt_chunk *chunk = rt_chunk_at(rt, at);
	_Atomic uint64_t *chain = &rt_slot_at(rt, slot)->chunks[type];

	chunk->type = type;
	chunk->slot = slot;
	store_release(&chunk->next, load_relaxed(chain));
	store_release(&h->arena_pending, (uint64_t)type << 32 | (slot + 1));
	step("arena: pending");
	store_release(chain, at);
	step("arena: linked");
	store_release(&h->arena_next, at + RT_CHUNK);
	step("arena: moved on");
	store_release(&h->arena_pending, 0);
	return chunk;
}

struct rt_chunk *arena_chunk(struct rt_self *me, unsigned slot, enum rt_chunk_type type, int *rc)
{
	struct rt *rt = me->rt;
	struct rt_chunk *chunk = NULL;

	*rc = rt_lock(me, &rt->header->arena_lock);
	if (*rc < 0)
		return NULL;
	if (*rc == RT_LOCK_REPAIR)
		repair(rt);
	*rc = reserve(rt);
	if (*rc == 0)
		chunk = link_chunk(rt, slot, type);
	rt_unlock(me, &rt->header->arena_lock);
	return chunk;
}

int rt_fill(struct rt *rt, void *address, size_t bytes)
{
	uint64_t from = align_down((uint64_t)((uint8_t *)address - rt->base), PAGE_BYTES);
	uint64_t to = align_up((uint64_t)((uint8_t *)address - rt->base) + bytes, PAGE_BYTES);

	if (sys_fallocate(rt->fd, 0, (off_t)from, (off_t)(to - from)) < 0)
		return err(PF_ERUNSPACE, "%s: %lu KiB more", rt->path[0] ? rt->path : "memfd",
			   (unsigned long)((to - from) / 1024));
	/* Reserved already: this only saves page faults later. */
	sys_madvise(rt->base + from, to - from, MADV_POPULATE_WRITE);
	return 0;
}

uint64_t rt_memory(struct rt *rt)
{
	struct stat st;

	return fstat(rt->fd, &st) < 0 ? 0 : (uint64_t)st.st_blocks * 512;
}
