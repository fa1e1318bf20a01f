/* Pins, and the region that their chunks refer to. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/sys.h"
#include "file/hold.h"

/* Pieces that go on where the one before ended are one chunk. */
static size_t merge(struct pf_pin *pin, uint64_t skip, uint64_t length)
{
	struct pages *p = &pin->pool->layout.pages;
	struct pf_chunk *chunks = pin->chunks;
	uint64_t left = length;
	size_t n = 0;

	for (size_t i = 0; i < pin->set.count; i++) {
		const struct hold_piece *piece = &pin->set.piece[i];
		uint64_t offset = (piece->pfn - p->first) * PAGE_BYTES + skip;
		uint64_t bytes = MIN(piece->pages * PAGE_BYTES - skip, left);

		if (n && chunks[n - 1].offset + chunks[n - 1].length == offset)
			chunks[n - 1].length += bytes;
		else
			chunks[n++] = (struct pf_chunk){0, offset, p->data + offset, bytes};
		left -= bytes;
		skip = 0;
	}
	return n;
}

static int make_chunks(struct pf_pin *pin, uint64_t skip, uint64_t length)
{
	pin->chunks = &pin->one;
	if (pin->set.count > 1) {
		pin->chunks = sys_malloc(pin->set.count * sizeof *pin->chunks);
		if (!pin->chunks)
			return err(ENOMEM, "pin");
	}
	pin->count = merge(pin, skip, length);
	return 0;
}

int pin_new(struct pf_pool *pool, unsigned flags, struct pf_pin **pin)
{
	if (flags & ~(PF_PIN_WRITE | PF_PIN_LONGTERM))
		return err(PF_EFLAGS, "pin flags %x", flags);
	*pin = sys_malloc(sizeof **pin);
	if (!*pin)
		return err(ENOMEM, "pin");
	(*pin)->pool = pool;
	(*pin)->notice = -1;
	return 0;
}

int pin_end(struct rt_self *me, struct pf_pin *pin, int rc, uint64_t skip, uint64_t length,
	    pf_pin **out)
{
	if (rc == 0) {
		rc = make_chunks(pin, skip, length);
		if (rc < 0)
			hold_give_back(me, pin->pool, &pin->set);
	}
	if (rc < 0) {
		free(pin);
		return rc;
	}
	*out = pin;
	return 0;
}

int pf_pin_file(pf_file *file, uint64_t offset, uint64_t length, unsigned flags, pf_pin **out)
{
	struct hold_request r = {file, offset, length, flags & PF_PIN_WRITE,
				 flags & PF_PIN_LONGTERM ? PF_HOLD_LONGTERM : PF_HOLD_PIN};
	struct rt_self *me = pool_self(file->pool);
	struct pf_pin *pin;
	int rc;

	if (!me)
		return rt_self_error();
	rc = pin_new(file->pool, flags, &pin);
	if (rc < 0)
		return rc;
	rc = hold_take(me, &r, &pin->set);
	return pin_end(me, pin, rc, offset % PAGE_BYTES, length, out);
}

const struct pf_chunk *pf_pin_chunks(const pf_pin *pin, size_t *count)
{
	*count = pin->count;
	return pin->chunks;
}

/* ---- notices --------------------------------------------------------------------------------------- */

static void forget(struct pf_pin *pin)
{
	if (pin->notice < 0)
		return;
	pthread_mutex_lock(&pin->pool->mutex);
	*pin->link = pin->next;
	if (pin->next)
		pin->next->link = pin->link;
	pthread_mutex_unlock(&pin->pool->mutex);
	sys_close(pin->notice);
	pin->notice = -1;
}

int pf_pin_notice(pf_pin *pin, int eventfd)
{
	struct pf_pool *pool = pin->pool;
	int own;

	if (!pool_self(pool))
		return rt_self_error();
	own = eventfd < 0 ? -1 : fcntl(eventfd, F_DUPFD_CLOEXEC, 0);
	if (eventfd >= 0 && own < 0)
		return err_errno("notice: descriptor %d", eventfd);
	forget(pin);
	if (own < 0)
		return 0;
	pin->notice = own;
	pthread_mutex_lock(&pool->mutex);
	pin->next = pool->notified;
	pin->link = &pool->notified;
	if (pin->next)
		pin->next->link = &pin->next;
	pool->notified = pin;
	pthread_mutex_unlock(&pool->mutex);
	pin_notify(pool); /* it may have been wanted before */
	return 0;
}

/* Any piece of it. */
static bool take_wanted(struct pf_pin *pin)
{
	bool wanted = false;

	for (size_t i = 0; i < pin->set.count; i++)
		wanted |= swap(&pin->set.piece[i].record->wanted, 0);
	return wanted;
}

void pin_notify(struct pf_pool *pool)
{
	uint64_t one = 1;

	pthread_mutex_lock(&pool->mutex);
	for (struct pf_pin *pin = pool->notified; pin; pin = pin->next)
		if (take_wanted(pin) && write(pin->notice, &one, sizeof one) < 0)
			continue; /* the counter is full, which says it already */
	pthread_mutex_unlock(&pool->mutex);
}

int pf_unpin(pf_pin *pin)
{
	struct rt_self *me;

	if (!pin)
		return 0;
	me = pool_self(pin->pool);
	if (!me)
		return rt_self_error();
	forget(pin);
	hold_give_back(me, pin->pool, &pin->set);
	if (pin->chunks != &pin->one)
		free(pin->chunks);
	free(pin);
	return 0;
}

int pf_regions(pf_pool *pool, struct pf_region *regions, unsigned max)
{
	struct rt_lock *discard = &pool->layout.pages.zone->discard;
	struct rt_self *me = pool_self(pool);
	int rc;

	if (!me)
		return rt_self_error();
	store_release(&rt_slot_at(me->rt, me->rt->slot)->registered, 1);
	/* A discarder that had looked before is done when its lock can be had. */
	rc = rt_lock(me, discard);
	if (rc < 0)
		return rc;
	rt_unlock(me, discard);
	if (max)
		regions[0] = (struct pf_region){pool->data, pool->data_bytes};
	return 1;
}
