/*
 * Locked ranges: what WAIT and TRY put on entries while they see whether their pages are held. One per inode at a time, by owner, in
 * words of fs_inode: first and last are stored before the owner, and mean something while the owner word stays the same.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/futex.h"
#include "dax/dax.h"

#define SLICE_MS 10u

int dax_lock_range(struct rt_self *me, struct fs *fs, uint32_t ino, uint64_t first, uint64_t last)
{
	struct fs_inode *state = fs_state(fs, ino);
	uint64_t owner = load_acquire(&state->range_owner);

	if (owner && !rt_owner_dead(me->rt, owner))
		return -PF_EAGAIN;
	store_release(&state->range_owner, 0);
	store_relaxed(&state->range_first, first);
	store_relaxed(&state->range_last, last);
	/* Pairs with the look at the range after a get's CAS, through the read-modify-writes of the folio word. The fence is for pages whose
	 * folio is being split: who saw them before they were published is before any get of them. */
	store_release(&state->range_owner, me->owner);
	memory_fence(memory_order_seq_cst);
	step("break: range locked");
	return 0;
}

void dax_unlock_range(struct rt_self *me, struct fs *fs, uint32_t ino)
{
	_Atomic uint64_t *word = &fs_state(fs, ino)->range_owner;
	uint64_t owner = me->owner;

	if (cas(word, &owner, 0))
		futex_wake(word);
}

bool dax_range_locked(struct rt_self *me, struct fs *fs, uint32_t ino, uint64_t first,
		      uint64_t last)
{
	struct fs_inode *state = fs_state(fs, ino);
	uint64_t owner = load_acquire(&state->range_owner), again;
	bool overlap;

	while (unlikely(owner && owner != me->owner)) {
		overlap = load_acquire(&state->range_first) <= last &&
			  load_acquire(&state->range_last) >= first;
		again = load_acquire(&state->range_owner);
		if (again == owner)
			return overlap;
		owner = again;
	}
	return false;
}

/* The owner is dead: its lock goes, after what it committed is in place: pages that it moved are found where they are. */
static bool steal(struct rt_self *me, struct fs *fs, _Atomic uint64_t *word)
{
	uint64_t owner = load_acquire(word);

	rt_slot_bury(me->rt, rt_owner_slot(owner));
	if (!rt_owner_dead(me->rt, owner))
		return false;
	if (!fs->dev->readonly && !journal_settle(&fs->journal, me, true))
		return false;
	return cas(word, &owner, 0);
}

/* The limit is over for a stopped waiter, RT_PATIENCE times the limit for one that runs: it may wait for a hold of our own. */
static int give_up(struct rt_self *me, rt_owner owner, uint32_t ino, uint64_t begun)
{
	unsigned pid = load_relaxed(&rt_slot_at(me->rt, rt_owner_slot(owner))->pid);
	uint64_t limit = me->rt->lock_limit_ms * 1000000ull, waited = clock_mono() - begun;
	bool stopped = waited > limit && rt_pid_stopped(pid);

	if (!stopped && waited <= RT_PATIENCE * limit)
		return 0;
	return err(stopped ? PF_ESTOPPED : PF_ELOCKTIME,
		   "a range of inode %u, which process %u empties, waiting for its holders", ino,
		   pid);
}

int dax_wait_range(struct rt_self *me, struct fs *fs, uint32_t ino, uint64_t first, uint64_t last)
{
	_Atomic uint64_t *word = &fs_state(fs, ino)->range_owner;
	uint64_t begun = clock_mono();
	int rc;

	while (dax_range_locked(me, fs, ino, first, last)) {
		uint64_t owner = load_acquire(word);

		if (!owner || steal(me, fs, word))
			continue;
		rc = give_up(me, owner, ino, begun);
		if (rc < 0)
			return rc;
		/* The low half: slot and row of the owner. */
		futex_wait(word, (uint32_t)owner, SLICE_MS);
	}
	return 0;
}
