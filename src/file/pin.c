/* Pins, and the region that their chunks refer to. */
#include <stdlib.h>

#include "base/err.h"
#include "base/sys.h"
#include "file/hold.h"

struct pf_pin {
	struct pf_pool *pool;
	struct hold_set set;
	size_t count;
	struct pf_chunk *chunks; /* `one`, or allocated */
	struct pf_chunk one;
};

/* Pieces that go on where the one before ended are one chunk. */
static size_t merge(const struct hold_request *r, const struct hold_set *set,
		    struct pf_chunk *chunks)
{
	struct pages *p = &r->file->pool->layout.pages;
	uint64_t left = r->length, skip = r->offset % PAGE_BYTES;
	size_t n = 0;

	for (size_t i = 0; i < set->count; i++) {
		uint64_t offset = (set->piece[i].pfn - p->first) * PAGE_BYTES + skip;
		uint64_t length = MIN(set->piece[i].pages * PAGE_BYTES - skip, left);

		if (n && chunks[n - 1].offset + chunks[n - 1].length == offset)
			chunks[n - 1].length += length;
		else
			chunks[n++] = (struct pf_chunk){0, offset, p->data + offset, length};
		left -= length;
		skip = 0;
	}
	return n;
}

static int make_chunks(const struct hold_request *r, struct pf_pin *pin)
{
	pin->chunks = &pin->one;
	if (pin->set.count > 1) {
		pin->chunks = sys_malloc(pin->set.count * sizeof *pin->chunks);
		if (!pin->chunks)
			return err(ENOMEM, "pin");
	}
	pin->count = merge(r, &pin->set, pin->chunks);
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
	if (flags & ~(PF_PIN_WRITE | PF_PIN_LONGTERM))
		return err(PF_EFLAGS, "pin flags %x", flags);
	pin = sys_malloc(sizeof *pin);
	if (!pin)
		return err(ENOMEM, "pin");
	pin->pool = file->pool;
	rc = hold_take(me, &r, &pin->set);
	if (rc == 0) {
		rc = make_chunks(&r, pin);
		if (rc < 0)
			hold_give_back(me, file->pool, &pin->set);
	}
	if (rc < 0) {
		free(pin);
		return rc;
	}
	*out = pin;
	return 0;
}

const struct pf_chunk *pf_pin_chunks(const pf_pin *pin, size_t *count)
{
	*count = pin->count;
	return pin->chunks;
}

int pf_unpin(pf_pin *pin)
{
	struct rt_self *me;

	if (!pin)
		return 0;
	me = pool_self(pin->pool);
	if (!me)
		return rt_self_error();
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
