/*
 * Telling windows that what they show has changed, and waiting until they show what is. See mm.h.
 *
 * A teller has no lock of the windows' owners, so records come and go while it looks through them. What is published after it began bumps the inode's count of windows: if that has
 * changed when the look is over, it looks again. So a part of a window that another record took over, between the places where it was and where it is, is not missed. An owner that publishes
 * faster than can be looked through is told that it is lost: all its windows are stale.
 */
#include "base/clock.h"
#include "base/futex.h"
#include "mm/mm.h"

#define LOOKS    16u /* at records that change, before their owners are lost */
#define SLICE_MS 2u  /* of sleep, after which deaths and stops are looked for */

struct tell {
	struct rt *rt;
	uint64_t file, first, end, stale;
	bool found; /* some are stale */
	bool any;   /* the file has windows */
};

static bool is_live(struct rt *rt, unsigned slot)
{
	return rt_slot_state(load_acquire(&rt_slot_at(rt, slot)->word)) == RT_SLOT_LIVE;
}

static bool shows(struct tell *t, struct rt_vma *vma)
{
	uint64_t index;

	if (load_acquire(&vma->file) != t->file)
		return false;
	t->any = true;
	step("tell: seen");
	index = load_relaxed(&vma->index);
	return index < t->end && index + load_relaxed(&vma->pages) > t->first;
}

/* Exchanged, also if it says so already: whoever gave the record up took what was there before, or has made the inode's count another. */
static void mark(struct rt_vma *vma, uint64_t stale)
{
	uint64_t old = load_acquire(&vma->stale);

	while (!cas(&vma->stale, &old, rt_stale_hull(old, stale)))
		;
	step("tell: marked");
}

static bool mark_slot(struct tell *t, unsigned slot)
{
	bool any = false;

	for (struct rt_chunk *c = rt_chunks(t->rt, slot, RT_CHUNK_VMAS); c;
	     c = rt_chunk_next(t->rt, c))
		for (unsigned i = 0; i < RT_VMAS; i++)
			if (shows(t, &c->vmas[i])) {
				mark(&c->vmas[i], t->stale);
				any = true;
			}
	return any;
}

/* Our own windows are brought up to date by this thread. */
static void mail(struct rt *rt, unsigned slot)
{
	if (slot != rt->slot)
		rt_mail(rt, slot);
}

static void mark_all(struct tell *t)
{
	for (unsigned slot = 0; slot < rt_slots_used(t->rt); slot++)
		if (is_live(t->rt, slot) && mark_slot(t, slot)) {
			mail(t->rt, slot);
			t->found = true;
		}
}

/* Pairs with the exchange in mm_find_lost(), by the mail that comes behind it. */
static void want_all(struct rt *rt, unsigned slot, uint32_t what)
{
	atomic_fetch_or_explicit(&rt_slot_at(rt, slot)->lost, what, memory_order_release);
}

static void all_lost(struct tell *t)
{
	for (unsigned slot = 0; slot < rt_slots_used(t->rt); slot++)
		if (is_live(t->rt, slot) && rt_chunks(t->rt, slot, RT_CHUNK_VMAS)) {
			want_all(t->rt, slot, MM_ALL_STALE);
			mail(t->rt, slot);
		}
	t->found = t->any = true;
}

void mm_tell(struct rt_self *me, struct fs *fs, uint32_t ino, uint64_t first, uint64_t end)
{
	struct tell t = {.rt = me->rt, .first = first, .end = end};
	_Atomic uint32_t *windows = &fs_state(fs, ino)->windows;
	uint32_t then = 0, now;

	if (first >= end)
		return;
	/* Pairs with the fence of who publishes a window, or makes it longer, before it looks at entries and size. */
	memory_fence(memory_order_seq_cst);
	now = load_acquire(windows);
	if (likely(!now))
		return;
	t.file = (uint64_t)fs_generation(fs, ino) << 32 | ino;
	t.stale = rt_stale(first, end);
	for (unsigned looks = 0; looks < LOOKS; looks++) {
		then = now;
		mark_all(&t);
		step("tell: looked");
		/* Pairs with that fence, too: marks are seen by who gives a record up, or its new one by us. */
		memory_fence(memory_order_seq_cst);
		now = load_acquire(windows);
		if (now == then)
			break;
	}
	if (now != then)
		all_lost(&t);
	if (t.found)
		me->told = true;
	if (!t.any)
		cas(windows, &then, 0);
}

static void find(struct rt_vma *vma, uint32_t what)
{
	if (what & MM_ALL_EVICT)
		atomic_fetch_or_explicit(&vma->flags, MM_VMA_EVICT, memory_order_relaxed);
	if (what & MM_ALL_STALE)
		mark(vma, rt_stale(0, FILE_PAGES_MAX));
}

void mm_find_lost(struct rt_self *me)
{
	struct rt *rt = me->rt;
	_Atomic uint32_t *lost = &rt_slot_at(rt, rt->slot)->lost;
	uint32_t what = likely(!load_relaxed(lost)) ? 0 : swap(lost, 0);

	if (likely(!what))
		return;
	for (struct rt_chunk *c = rt_chunks(rt, rt->slot, RT_CHUNK_VMAS); c;
	     c = rt_chunk_next(rt, c))
		for (unsigned i = 0; i < RT_VMAS; i++)
			if (load_relaxed(&c->vmas[i].file))
				find(&c->vmas[i], what);
}

void mm_evict(struct rt_self *me, unsigned slot)
{
	/* Without page tables it has no windows, and none that it makes later is meant. */
	if (!is_live(me->rt, slot) || !load_acquire(&rt_slot_at(me->rt, slot)->root))
		return;
	want_all(me->rt, slot, MM_ALL_EVICT);
	mail(me->rt, slot);
	me->told = true;
}

/* ---- waiting ---------------------------------------------------------------------------------------- */

static bool is_before(_Atomic uint32_t *seen, uint32_t mail)
{
	return (int32_t)(load_acquire(seen) - mail) < 0;
}

void mm_seen(struct rt_self *me, uint32_t mail)
{
	struct rt_slot *slot = rt_slot_at(me->rt, me->rt->slot);
	uint32_t seen = load_relaxed(&slot->seen), deaf = load_acquire(&slot->deaf);

	/* Another thread may have seen more. */
	while ((int32_t)(seen - mail) < 0)
		if (cas(&slot->seen, &seen, mail)) {
			futex_wake(&slot->seen);
			break;
		}
	if (deaf && !is_before(&slot->seen, deaf))
		cas(&slot->deaf, &deaf, 0);
}

static bool has_windows(struct rt *rt, unsigned slot)
{
	for (struct rt_chunk *c = rt_chunks(rt, slot, RT_CHUNK_VMAS); c; c = rt_chunk_next(rt, c))
		for (unsigned i = 0; i < RT_VMAS; i++)
			if (load_acquire(&c->vmas[i].file))
				return true;
	return false;
}

/* Nobody has waited in vain for mail that it has not seen yet. */
static bool hears(struct rt_slot *slot)
{
	uint32_t deaf = load_acquire(&slot->deaf);

	return !deaf || !is_before(&slot->seen, deaf);
}

/* What does not answer is not waited for again before it has. 0 is nothing. */
static void give_up(struct rt_slot *slot, uint32_t mail)
{
	store_release(&slot->deaf, mail ? mail : 1);
}

/* Until its windows are what their files were when this mail was sent. */
static void wait_for(struct rt *rt, unsigned number, uint32_t mail, uint64_t until)
{
	struct rt_slot *slot = rt_slot_at(rt, number);
	uint64_t word = load_acquire(&slot->word), now;

	while (is_before(&slot->seen, mail) && has_windows(rt, number)) {
		uint32_t seen = load_acquire(&slot->seen);

		now = clock_mono();
		if (now < until && is_before(&slot->seen, mail))
			futex_wait(&slot->seen, seen,
				   MIN(SLICE_MS, (unsigned)((until - now) / 1000000) + 1));
		if (!is_before(&slot->seen, mail) || rt_slot_bury(rt, number) ||
		    load_acquire(&slot->word) != word)
			return;
		if (clock_mono() >= until || rt_pid_stopped(load_relaxed(&slot->pid))) {
			give_up(slot, mail);
			return;
		}
	}
}

void mm_wait_told(struct rt_self *me)
{
	uint64_t until = clock_mono() + MM_TELL_NS;
	struct rt *rt = me->rt;

	me->told = false;
	for (unsigned slot = 0; slot < rt_slots_used(rt); slot++) {
		struct rt_slot *s = rt_slot_at(rt, slot);
		uint32_t mail = load_acquire(&s->mail);

		if (slot != rt->slot && is_live(rt, slot) && is_before(&s->seen, mail) && hears(s))
			wait_for(rt, slot, mail, until);
	}
}
