/*
 * The arena: pages of 4 KiB, chunks for rows, holds and handles of slots, and page tables (table.c). It only grows. Under a robust lock; `arena_pending` says
 * which slot's chain is about to get the chunk at `arena_next`, or which pages are about to be free tables, so a kill loses none: the
 * next locker finishes that or leaves it.
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

static void free_tables(struct rt *rt, uint64_t pending)
{
	uint64_t at = pending & ((1ull << 48) - 1), n = pending >> 48 & 0x7fff;
	rt_table_word *word = rt_table_words(rt) + (at - rt->header->arena_start) / PAGE_BYTES;

	for (uint32_t none = 0; n--; none = 0)
		cas(word++, &none, RT_TABLE);
}

/* The pending chunk is at the head of its chain: then only the cursor is behind. If it is not, it was never linked. True: there are free tables that
 * there were not. */
static bool repair(struct rt *rt)
{
	struct rt_header *h = rt->header;
	uint64_t pending = load_acquire(&h->arena_pending), next = load_acquire(&h->arena_next);
	bool tables = false;

	if (pending & RT_PENDING_TABLES) {
		tables = next != (pending & ((1ull << 48) - 1));
		if (tables)
			free_tables(rt, pending);
	} else if (pending) {
		struct rt_slot *slot = rt_slot_at(rt, (unsigned)(pending & 0xffffffff) - 1);

		if (load_acquire(&slot->chunks[pending >> 32]) == next)
			store_release(&h->arena_next, next + RT_CHUNK);
	}
	store_release(&h->arena_pending, 0);
	return tables;
}

/* Memory for `pages` more, and for their words. */
static int reserve(struct rt *rt, uint64_t pages)
{
	struct rt_header *h = rt->header;
	uint64_t filled = load_relaxed(&h->arena_filled), bytes;
	int rc;

	if (load_relaxed(&h->arena_next) + pages * PAGE_BYTES <= filled)
		return 0;
	bytes = MIN(MAX(ARENA_STEP, pages * PAGE_BYTES), h->arena_end - filled);
	if (load_relaxed(&h->arena_next) + pages * PAGE_BYTES > filled + bytes)
		return err(PF_ERUNSPACE,
			   "the arena for threads, holds, handles and page tables is full");
	rc = rt_fill(rt, rt_table_words(rt) + (filled - h->arena_start) / PAGE_BYTES,
		     bytes / PAGE_BYTES * sizeof(rt_table_word));
	if (rc == 0)
		rc = rt_fill(rt, rt->base + filled, bytes);
	if (rc == 0)
		store_release(&h->arena_filled, filled + bytes);
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
	*rc = reserve(rt, 1);
	if (*rc == 0)
		chunk = link_chunk(rt, slot, type);
	rt_unlock(me, &rt->header->arena_lock);
	return chunk;
}

static void add_tables(struct rt *rt)
{
	struct rt_header *h = rt->header;
	uint64_t at = load_relaxed(&h->arena_next);
	uint64_t pending = RT_PENDING_TABLES | (uint64_t)RT_TABLES_BATCH << 48 | at;

	store_release(&h->arena_pending, pending);
	step("arena: tables pending");
	store_release(&h->arena_next, at + RT_TABLES_BATCH * PAGE_BYTES);
	step("arena: tables moved on");
	free_tables(rt, pending);
	step("arena: tables free");
	store_release(&h->arena_pending, 0);
}

int arena_tables(struct rt_self *me)
{
	struct rt *rt = me->rt;
	int rc = rt_lock(me, &rt->header->arena_lock);
	bool found = rc == RT_LOCK_REPAIR && repair(rt);

	if (rc < 0)
		return rc;
	rc = found ? 0 : reserve(rt, RT_TABLES_BATCH);
	if (rc == 0 && !found)
		add_tables(rt);
	rt_unlock(me, &rt->header->arena_lock);
	return rc;
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
