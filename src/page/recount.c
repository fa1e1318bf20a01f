/*
 * Recount: a dead row's intent says which counts it may have left too high. Their counts are made what the accounting of all
 * slots adds up to, while living rows are kept out of those folios. docs/protocol.md section 9, models/stopped.pml.
 *
 * The recounter may be stopped anywhere, and others then take the flag away from it. It notices by looking at the flag after the
 * sum, and what it may do late is right because its own intent kept others from recounting the same folios.
 */
#include <sched.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/futex.h"
#include "page/sum.h"

#define RECOUNT_WAIT_NS 10000000ull /* for living rows that are inside */

static bool flag_take(struct rt_self *me, uint64_t *flag)
{
	struct rt_header *h = me->rt->header;
	uint64_t old = load_acquire(&h->recount);
	uint64_t n = atomic_fetch_add_explicit(&h->recounts, 1, memory_order_relaxed);

	*flag = n << 32 | (uint64_t)(me->rt->epoch & 0xffff) << 16 | (me->rt->slot + 1);
	return (!old || rt_recounter_dead(me->rt, old)) && cas(&h->recount, &old, *flag);
}

static bool flag_is_ours(struct rt *rt, uint64_t flag)
{
	return load_acquire(&rt->header->recount) == flag;
}

static void flag_clear(struct rt *rt, uint64_t flag)
{
	cas(&rt->header->recount, &flag, 0);
}

/* That row has left the range, or will never: it died and gets a recount of its own. */
static bool is_out(struct rt *rt, struct rt_row *row, const struct rt_cursor *c, uint64_t intent)
{
	return !sum_overlap(load_acquire(&row->intent), intent) ||
	       load_relaxed(&row->state) == RT_ROW_DEAD ||
	       load_acquire(&rt_slot_at(rt, c->slot)->word) != c->word;
}

/* Waits until no living row but ours is inside the range. False: one is for too long. */
static bool living_are_out(struct rt_self *me, uint64_t intent)
{
	uint64_t deadline = clock_mono() + RECOUNT_WAIT_NS;
	struct rt_cursor c = {0};
	struct rt_row *row;

#ifdef PF_BREAK_NO_WAIT
	return true;
#endif
	while ((row = rt_next_row(me->rt, &c))) {
		if (row == me->row || rt_slot_state(c.word) != RT_SLOT_LIVE)
			continue;
		while (!is_out(me->rt, row, &c, intent)) {
			if (clock_mono() > deadline)
				return false;
			sched_yield();
		}
	}
	return true;
}

/* count := sum. False: the flag is not ours any more. A count above the sum was a dead slot's, hence Q. */
static bool store_count(struct page_sum *s, uint64_t i, uint64_t flag)
{
	struct page *page = page_at(s->p, s->first + i);
	uint64_t w = s->word[i], new;

	do {
		if (!flag_is_ours(s->p->rt, flag))
			return false;
		step("recount: flag is ours");
		new = word_next_recount(word_with_count(w, s->count[i]) & ~WORD_W);
#ifndef PF_BREAK_RECOUNT_FORGETS
		if (s->count[i] < word_count(w))
			new |= WORD_Q;
#endif
	} while (!cas(&page->word, &w, new));
	return true;
}

static bool recount_block(struct rt_self *me, struct pages *p, uint64_t first, uint64_t flag)
{
	struct page_sum s;

	sum_begin(&s, p, first);
	step("recount: words loaded");
	sum_accounting(&s);
	/* Pairs with the thief's CAS and fence: a sum that has a later section comes with a flag that is gone. */
	memory_fence(memory_order_acquire);
	for (uint64_t i = 0; i < BLOCK_PAGES; i++) {
		if (!s.word[i])
			continue;
		if (!store_count(&s, i, flag))
			return false;
		step("recount: counted");
		futex_wake(&page_at(p, first + i)->word);
		page_finish(me, p, first + i);
	}
	return true;
}

static bool recount_range(struct rt_self *me, struct pages *p, uint64_t intent, uint64_t flag)
{
	uint64_t end = rt_intent_pfn(intent) + rt_intent_pages(intent);

	for (uint64_t first = rt_intent_pfn(intent); first < end; first += BLOCK_PAGES)
		if (page_in_zone(p, first) && hbitmap_test(&p->filled, page_block(p, first)) &&
		    !recount_block(me, p, first, flag))
			return false;
	return true;
}

int page_recount(struct rt_self *me, struct pages *p, struct rt_row *dead)
{
	uint64_t intent = load_acquire(&dead->intent), flag;
	bool done;

	if (!intent)
		return 0;
#ifdef PF_BREAK_NO_RECOUNT
	store_release(&dead->intent, 0);
	return 0;
#endif
	if (!flag_take(me, &flag))
		return -PF_EAGAIN;
	step("recount: flag");
	store_fence(&me->row->intent, intent); /* announced; the fence pairs with rt_enter's */
	step("recount: announced");
	done = living_are_out(me, intent) && recount_range(me, p, intent, flag);
	if (done)
		store_release(&dead->intent, 0);
	step("recount: dead row's intent 0");
	store_release(&me->row->intent, 0);
	flag_clear(p->rt, flag);
	return done ? 0 : -PF_EAGAIN;
}
