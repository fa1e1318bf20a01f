/*
 * Owners of file locks that wait for each other. Each wait is a record beside those of the locks, with what its owner would have and
 * with a number, higher than those of all that began before. Who waits follows them: who has a lock in the way of this wait, what does that
 * one wait for in turn, and so on. If that leads back to who asks, nobody of them will ever go on, and the one whose wait is
 * the youngest gives up; so it is one alone.
 *
 * Locks and waits of a file are looked at under its inode lock, one file after the other, and may have changed when the next is looked
 * at. So a circle is looked at twice, in the same order. A wait that is there both times, with its number, was there all the time between, and its
 * owner, which waits, gave no lock back meanwhile: what the second look sees was so for the whole circle when that look began.
 *
 * The youngest may look before an older one has its record; it looks again several times a second while it waits.
 */
#include "file/flock.h"

enum {
	WAITS = 64,  /* that are followed: circles through more are not found */
	HOLDERS = 32 /* of locks in the way of one wait */
};

struct holder {
	unsigned slot;
	uint64_t owner;
};

struct wait {
	struct rt_flock *record;
	uint64_t number;
	struct holder who;
	unsigned from; /* the wait that this one's owner is in the way of */
};

/* waits[0] is who asks. */
struct search {
	struct rt_self *me;
	struct layout *l;
	struct wait waits[WAITS];
	unsigned count;
};

/* What it waits for. False: it is over; what was read is of this wait if the record has its number afterwards (store() of flock.c). */
static bool is_there(const struct search *s, const struct wait *wait, struct flock_want *w)
{
	const struct rt_flock *r = wait->record;
	uint64_t file = load_acquire(&r->file);
	uint32_t kind = load_relaxed(&r->kind);

	*w = (struct flock_want){
		.l = s->l,
		.me = s->me,
		.ino = (uint32_t)file,
		.file = file,
		.first = load_relaxed(&r->first),
		.last = load_relaxed(&r->last),
		.owner = load_relaxed(&r->owner),
		.slot = wait->who.slot,
		.type = kind & FLOCK_TYPE,
		.space = kind & FLOCK_WHOLE,
	};
	memory_fence(memory_order_acquire);
	return file && load_relaxed(&r->wait) == wait->number && w->owner == wait->who.owner &&
	       w->ino < fs_inodes_high(&s->l->fs);
}

/* Who has a lock in its way: how many, at most HOLDERS. */
static unsigned find_holders(const struct search *s, const struct wait *wait,
			     struct holder *holders)
{
	struct rt_cursor c = {0};
	struct flock_want w;
	struct rt_flock *r;
	unsigned n = 0;

	if (!is_there(s, wait, &w) || layout_lock(s->me, s->l, w.ino) < 0)
		return 0;
	if (is_there(s, wait, &w))
		while (n < HOLDERS && (r = flock_conflict(&w, &c)))
			holders[n++] = (struct holder){c.slot, load_relaxed(&r->owner)};
	layout_unlock(s->me, s->l, w.ino);
	return n;
}

static bool is_among(unsigned slot, uint64_t owner, const struct holder *holders, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (holders[i].slot == slot && holders[i].owner == owner)
			return true;
	return false;
}

static bool is_known(const struct search *s, uint64_t number)
{
	for (unsigned i = 0; i < s->count; i++)
		if (s->waits[i].number == number)
			return true;
	return false;
}

/* What these wait for. */
static void follow(struct search *s, unsigned from, const struct holder *holders, unsigned n)
{
	struct rt_cursor c = {0};
	struct rt_flock *r;

	while (n && s->count < WAITS && (r = rt_next_flock(s->me->rt, &c))) {
		uint64_t owner = load_relaxed(&r->owner), number = load_relaxed(&r->wait);

		if (load_relaxed(&r->kind) & FLOCK_WAITS && is_among(c.slot, owner, holders, n) &&
		    !is_known(s, number))
			s->waits[s->count++] =
				(struct wait){r, number, (struct holder){c.slot, owner}, from};
	}
}

/* Of the circle that wait `last` closes. */
static bool is_youngest(const struct search *s, unsigned last)
{
	for (unsigned i = last; i; i = s->waits[i].from)
		if (s->waits[i].number > s->waits[0].number)
			return false;
	return true;
}

/* The second look, from waits[0] on. */
static bool is_confirmed(const struct search *s, unsigned last)
{
	unsigned circle[WAITS + 1], n = 0;

	circle[n++] = 0;
	for (unsigned i = last; i; i = s->waits[i].from)
		circle[n++] = i;
	circle[n] = 0;
	while (n--) {
		const struct wait *wait = &s->waits[circle[n + 1]];
		const struct holder *by = &s->waits[circle[n]].who;
		struct holder holders[HOLDERS];

		if (!is_among(by->slot, by->owner, holders, find_holders(s, wait, holders)))
			return false;
	}
	return true;
}

bool flock_deadlock(struct rt_self *me, struct layout *l, struct rt_flock *wait)
{
	struct search s = {.me = me, .l = l, .count = 1};
	struct wait *mine = &s.waits[0];
	struct holder holders[HOLDERS];

	*mine = (struct wait){wait, load_relaxed(&wait->wait),
			      (struct holder){me->rt->slot, load_relaxed(&wait->owner)}, 0};
	for (unsigned i = 0; i < s.count; i++) {
		unsigned n = find_holders(&s, &s.waits[i], holders);

		if (is_among(mine->who.slot, mine->who.owner, holders, n) && is_youngest(&s, i) &&
		    is_confirmed(&s, i))
			return true;
		follow(&s, i, holders, n);
	}
	return false;
}
