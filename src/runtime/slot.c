/*
 * Slots: attached processes. Claiming takes the liveness lock first, an OFD lock on the slot's byte of the runtime's file, and the
 * word by CAS after it: between the two the slot is FREE with a lock that goes with the process. models/slot.pml.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/step.h"
#include "base/sys.h"
#include "runtime/local.h"

static struct flock byte_of(unsigned slot, short type)
{
	return (struct flock){.l_type = type,
			      .l_whence = SEEK_SET,
			      .l_start = RT_LIVENESS + slot,
			      .l_len = 1};
}

static void label(struct rt_slot *s)
{
	uint64_t command[2] = {0};
	int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, command, sizeof command - 1);

	if (fd >= 0)
		close(fd);
	if (n > 0 && ((char *)command)[n - 1] == '\n')
		((char *)command)[n - 1] = 0;
	store_relaxed(&s->command[0], command[0]);
	store_relaxed(&s->command[1], command[1]);
	store_relaxed(&s->pid, (uint32_t)getpid());
	store_relaxed(&s->since, clock_now());
	store_relaxed(&s->registered, 0);
	store_relaxed(&s->retry, 0);
	store_relaxed(&s->died, 0);
	/* No window yet that mail for the process before this one could be about. */
	store_relaxed(&s->seen, load_relaxed(&s->mail));
	store_relaxed(&s->deaf, 0);
	store_relaxed(&s->lost, 0);
}

static void note_used(struct rt *rt, unsigned slot)
{
	uint64_t used = load_acquire(&rt->header->slots_used);

	while (used <= slot && !cas(&rt->header->slots_used, &used, slot + 1))
		;
}

/* The lock is ours; the word decides. slots_used first: who becomes LIVE must be found. */
static bool claim_word(struct rt *rt, unsigned slot)
{
	struct rt_slot *s = rt_slot_at(rt, slot);
	uint64_t word = load_acquire(&s->word);

	if (rt_slot_state(word) != RT_SLOT_FREE)
		return false;
	label(s);
	note_used(rt, slot);
	step("slot: locked");
	if (!cas(&s->word, &word, rt_slot_word(RT_SLOT_LIVE, rt_slot_epoch(word))))
		return false;
	rt->slot = slot;
	rt->epoch = rt_slot_epoch(word);
	return true;
}

int slot_claim(struct rt *rt)
{
	for (unsigned slot = 0; slot < RT_SLOTS; slot++) {
		struct flock lock = byte_of(slot, F_WRLCK);

		if (rt_slot_state(load_acquire(&rt_slot_at(rt, slot)->word)) != RT_SLOT_FREE)
			continue;
		if (sys_fcntl(rt->fd, F_OFD_SETLK, &lock) < 0) {
			if (errno == EAGAIN || errno == EACCES)
				continue;
			return err_errno("%s: liveness lock", rt->path);
		}
		if (claim_word(rt, slot))
			return 0;
		lock.l_type = F_UNLCK;
		fcntl(rt->fd, F_OFD_SETLK, &lock);
	}
	return err(PF_ETOOMANY, "%u", RT_SLOTS);
}

bool slot_ours(struct rt *rt)
{
	return load_acquire(&rt_slot_at(rt, rt->slot)->word) ==
	       rt_slot_word(RT_SLOT_LIVE, rt->epoch);
}

void slot_release(struct rt *rt)
{
	struct flock lock = byte_of(rt->slot, F_UNLCK);
	uint64_t word = rt_slot_word(RT_SLOT_LIVE, rt->epoch);

	cas(&rt_slot_at(rt, rt->slot)->word, &word, rt_slot_word(RT_SLOT_FREE, rt->epoch + 1));
	fcntl(rt->fd, F_OFD_SETLK, &lock);
}

bool slots_empty(struct rt *rt)
{
	for (unsigned s = 0; s < rt_slots_used(rt); s++)
		if (rt_slot_state(load_acquire(&rt_slot_at(rt, s)->word)) != RT_SLOT_FREE)
			return false;
	return true;
}

/* Our descriptor is still on the runtime's file: a program that closed all that it found may have another file there, which has no
 * locks. Our own lock is safe from that, the mapping keeps its open description. */
static bool sees_locks(struct rt *rt)
{
	struct stat st;

	return fstat(rt->fd, &st) == 0 && st.st_ino == rt->inode && st.st_dev == rt->device;
}

bool rt_slot_dead(struct rt *rt, unsigned slot)
{
	struct flock lock = byte_of(slot, F_WRLCK);

	if (slot == rt->slot)
		return false;
	return fcntl(rt->fd, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_UNLCK && sees_locks(rt);
}

bool rt_slot_bury(struct rt *rt, unsigned slot)
{
	struct rt_slot *s = rt_slot_at(rt, slot);
	uint64_t word = load_acquire(&s->word);

	if (rt_slot_state(word) == RT_SLOT_LIVE && rt_slot_dead(rt, slot)) {
		step("slot: seen dead");
#ifdef PF_BREAK_NO_EPOCH
		word = load_acquire(&s->word);
#endif
		if (cas(&s->word, &word, rt_slot_word(RT_SLOT_DEAD, rt_slot_epoch(word)))) {
			store_relaxed(&s->died, clock_mono());
			return true;
		}
	}
	return rt_slot_state(word) == RT_SLOT_DEAD;
}

bool rt_owner_dead(struct rt *rt, rt_owner owner)
{
	uint64_t word = load_acquire(&rt_slot_at(rt, rt_owner_slot(owner))->word);
	struct rt_row *row;

	if (rt_slot_epoch(word) != rt_owner_epoch(owner) || rt_slot_state(word) != RT_SLOT_LIVE)
		return true;
	row = local_row(rt, rt_owner_slot(owner), rt_owner_row(owner));
	return row && load_acquire(&row->state) != RT_ROW_LIVE;
}

bool rt_reap_lock(struct rt_self *me, unsigned slot, uint32_t epoch)
{
	struct rt_slot *s = rt_slot_at(me->rt, slot);
	rt_owner reaper = load_acquire(&s->reaper);

#ifdef PF_BREAK_NO_REAP_LOCK
	(void)epoch;
	return true;
#endif
	while (!reaper ||
	       (rt_slot_bury(me->rt, rt_owner_slot(reaper)), rt_owner_dead(me->rt, reaper))) {
		store_release(&me->row->reaps, slot + 1);
		if (!cas(&s->reaper, &reaper, me->owner))
			continue;
#ifdef PF_BREAK_NO_RECHECK
		(void)epoch;
#else
		/* Again: it may have been emptied and taken by another process meanwhile. */
		if (load_acquire(&s->word) != rt_slot_word(RT_SLOT_DEAD, epoch)) {
			rt_reap_unlock(me, slot);
			return false;
		}
#endif
		return true;
	}
	if (reaper != me->owner)
		store_release(&me->row->reaps, 0);
	return false;
}

void rt_reap_unlock(struct rt_self *me, unsigned slot)
{
	rt_owner owner = me->owner;

	cas(&rt_slot_at(me->rt, slot)->reaper, &owner, 0);
	store_release(&me->row->reaps, 0);
}

void rt_slot_free(struct rt_self *me, unsigned slot)
{
	struct rt_slot *s = rt_slot_at(me->rt, slot);
	uint64_t word = load_acquire(&s->word);

	for (struct rt_chunk *c = rt_chunks(me->rt, slot, RT_CHUNK_ROWS); c;
	     c = rt_chunk_next(me->rt, c))
		for (unsigned i = 0; i < RT_ROWS; i++)
			rt_row_free(&c->rows[i]);
	step("slot: rows free");
	cas(&s->word, &word, rt_slot_word(RT_SLOT_FREE, rt_slot_epoch(word) + 1));
}
