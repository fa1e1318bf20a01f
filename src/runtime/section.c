/* A section meets a recount: it steps back until the flag is gone. docs/protocol.md section 3. */
#include <sched.h>

#include "base/clock.h"
#include "runtime/section.h"

#define FLAG_PATIENCE_NS \
	10000000ull /* a flag that stays the same for longer is taken from its owner */

bool rt_recounter_dead(struct rt *rt, uint64_t flag)
{
	unsigned slot = (unsigned)(flag & 0xffff) - 1;
	uint64_t word = load_acquire(&rt_slot_at(rt, slot)->word);

	return rt_slot_state(word) != RT_SLOT_LIVE ||
	       (rt_slot_epoch(word) & 0xffff) != (flag >> 16 & 0xffff);
}

/* From the value seen to 0: another recount has another value. */
static void wait_for_flag(struct rt *rt)
{
	_Atomic uint64_t *word = &rt->header->recount;
	uint64_t flag = load_acquire(word), seen = clock_mono();

	for (uint64_t now; flag; flag = now) {
		now = load_acquire(word);
		if (now != flag)
			seen = clock_mono();
		else if (clock_mono() - seen > FLAG_PATIENCE_NS || rt_recounter_dead(rt, flag))
			cas(word, &now, 0);
		else
			sched_yield();
	}
}

void rt_enter_slow(struct rt_self *me, uint64_t intent)
{
	do {
		store_release(&me->row->intent, 0);
		wait_for_flag(me->rt);
		store_fence(&me->row->intent, intent);
	} while (load_acquire(&me->rt->header->recount));
}
