/*
 * Pages of the arena for page tables, and who is reading them.
 *
 * Each page of the arena has a word that says whether it is a table, and whose. It becomes somebody's and nobody's by one CAS, so whatever a
 * kill interrupts, a table is free or belongs to a slot, and who reaps the slot frees all that are its. New ones come in batches
 * (arena.c); free ones are found by looking from a hint on.
 *
 * A table that left its tree may still have a reader inside, in any process. A reader says so in its row, with a full fence, before it
 * loads the root; who wants to use tables again notes, behind a full fence, who is reading, and waits until each of these has said
 * something else, or is dead. Nothing is asked of who comes later: the tables were out of its reach before it came.
 */
#include <string.h>

#include "base/check.h"
#include "base/err.h"
#include "base/step.h"
#include "base/sys.h"
#include "runtime/local.h"

static uint64_t pages_used(struct rt *rt)
{
	struct rt_header *h = rt->header;

	return (load_acquire(&h->arena_next) - h->arena_start) / PAGE_BYTES;
}

/* A free table among pages from..to, made this slot's. */
static bool claim(struct rt_self *me, uint64_t from, uint64_t to, uint64_t *page)
{
	rt_table_word *word = rt_table_words(me->rt);

	for (uint64_t i = from; i < to; i++) {
		uint32_t free = RT_TABLE;

		if (load_relaxed(&word[i]) == RT_TABLE &&
		    cas(&word[i], &free, RT_TABLE | (me->rt->slot + 1))) {
			*page = i;
			return true;
		}
	}
	return false;
}

int rt_table_get(struct rt_self *me, uint64_t *offset)
{
	_Atomic uint64_t *hint = &me->rt->local->table_hint;
	uint64_t from = load_relaxed(hint), page;
	int rc;

	while (!claim(me, from, pages_used(me->rt), &page)) {
		if (from)
			from = 0;
		else if ((rc = arena_tables(me)) < 0)
			return rc;
	}
	step("table: claimed");
	store_relaxed(hint, page + 1);
	*offset = page * PAGE_BYTES;
	memset(rt_arena(me->rt) + *offset, 0, PAGE_BYTES);
	return 0;
}

bool rt_table_is_of(struct rt *rt, unsigned slot, uint64_t offset)
{
	uint64_t page = offset / PAGE_BYTES;

	return page < pages_used(rt) &&
	       load_relaxed(&rt_table_words(rt)[page]) == (RT_TABLE | (slot + 1));
}

void rt_table_put(struct rt_self *me, uint64_t offset)
{
	_Atomic uint64_t *hint = &me->rt->local->table_hint;
	uint64_t page = offset / PAGE_BYTES;
	uint32_t ours = RT_TABLE | (me->rt->slot + 1);

	CHECK(page < pages_used(me->rt));
	if (page >= pages_used(me->rt) || !cas(&rt_table_words(me->rt)[page], &ours, RT_TABLE))
		return;
	if (page < load_relaxed(hint))
		store_relaxed(hint, page);
}

void rt_tables_free(struct rt *rt, unsigned slot)
{
	rt_table_word *word = rt_table_words(rt);
	uint64_t n = pages_used(rt);

	store_release(&rt_slot_at(rt, slot)->root, 0);
	for (uint64_t i = 0; i < n; i++) {
		uint32_t its = RT_TABLE | (slot + 1);

		if (load_relaxed(&word[i]) == its)
			cas(&word[i], &its, RT_TABLE);
	}
}

uint64_t rt_tables_of(struct rt *rt, unsigned slot)
{
	rt_table_word *word = rt_table_words(rt);
	uint64_t n = pages_used(rt), its = 0;

	for (uint64_t i = 0; i < n; i++)
		its += load_relaxed(&word[i]) == (RT_TABLE | (slot + 1));
	return its;
}

uint64_t rt_tables_used(struct rt *rt, uint64_t *lost)
{
	rt_table_word *word = rt_table_words(rt);
	uint64_t n = pages_used(rt), used = 0;

	*lost = 0;
	for (uint64_t i = 0; i < n; i++) {
		uint32_t w = load_acquire(&word[i]);
		unsigned slot = (w & 0xffff) - 1;

		if (!(w & 0xffff))
			continue;
		used++;
		*lost +=
			slot >= RT_SLOTS ||
			(rt_slot_state(load_acquire(&rt_slot_at(rt, slot)->word)) == RT_SLOT_FREE &&
			 load_acquire(&word[i]) == w);
	}
	return used;
}

/* ---- readers ---------------------------------------------------------------------------------- */

int rt_walkers_note(struct rt *rt, unsigned slot, struct rt_walkers *w)
{
	struct rt_cursor c = {0};
	struct rt_row *row;

	w->count = 0;
	memory_fence(memory_order_seq_cst); /* pairs with rt_walk_begin() */
	while ((row = rt_next_row(rt, &c))) {
		uint64_t walks = load_acquire(&row->walks);

		if ((walks & 0xffff) != slot + 1)
			continue;
		if (w->count == w->room) {
			struct rt_walker *grown = sys_grow(w->at, &w->room, sizeof *grown);

			if (!grown)
				return -ENOMEM;
			w->at = grown;
		}
		w->at[w->count++] = (struct rt_walker){row, walks, c.slot};
	}
	return 0;
}

/* Asks the kernel about a process only if nothing else says that it has left. */
static bool gone(struct rt *rt, const struct rt_walker *w)
{
	return load_acquire(&w->row->walks) != w->walks ||
	       load_acquire(&w->row->state) != RT_ROW_LIVE || rt_slot_bury(rt, w->slot) ||
	       rt_slot_state(load_acquire(&rt_slot_at(rt, w->slot)->word)) == RT_SLOT_FREE;
}

bool rt_walkers_gone(struct rt *rt, struct rt_walkers *w)
{
	while (w->count && gone(rt, &w->at[w->count - 1]))
		w->count--;
	return !w->count;
}
