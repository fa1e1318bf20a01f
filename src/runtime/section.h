/*
 * Sections: the instructions between setting and clearing a row's intent, in which counts and accounting
 * of the folios in its range may change. A recount of such folios waits for the section; a section waits
 * for any recount. docs/protocol.md section 3.
 *
 * In a section: no lock but the allocator's, no access to user memory, no waiting for the flag.
 */
#ifndef RUNTIME_SECTION_H
#define RUNTIME_SECTION_H

#include "base/step.h"
#include "runtime/runtime.h"

/* Somebody recounts: steps back, waits until the flag is 0, sets the intent again. */
void rt_enter_slow(struct rt_self *me, uint64_t intent);
/* The process that set this recount flag is dead: anybody may take the flag from it. */
bool rt_recounter_dead(struct rt *rt, uint64_t flag);

/* Pages [pfn, pfn + pages), at most RT_FOLIOS folios. Pairs with the fence of a recount after it announced
 * itself: one of the two sees the other. */
static inline void rt_enter(struct rt_self *me, uint64_t pfn, uint64_t pages)
{
	uint64_t intent = rt_intent(pfn, pages);

#ifndef PF_BREAK_NO_INTENT
	store_fence(&me->row->intent, intent);
#endif
	step("enter: intent");
#ifndef PF_BREAK_IGNORE_FLAG
	if (unlikely(load_acquire(&me->rt->header->recount)))
		rt_enter_slow(me, intent);
#else
	(void)intent;
#endif
}

/* Pairs with the recounter's acquire load of the intent: it then sees count and accounting. */
static inline void rt_leave(struct rt_self *me)
{
	store_release(&me->row->intent, 0);
	step("leave: intent 0");
}

#endif
