/* Holds on a range of a file, see hold.h. */
#include "file/hold.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/sys.h"
#include "file/window.h"

static struct hold_piece *add_piece(struct hold_set *set)
{
	if (set->count == 0 && set->room == 0) {
		set->piece = &set->one;
		set->room = 1;
	} else if (set->count == set->room) {
		size_t room = 4 * set->room;
		struct hold_piece *at =
			sys_realloc(set->piece == &set->one ? NULL : set->piece, room * sizeof *at);

		if (!at)
			return NULL;
		if (set->piece == &set->one)
			*at = set->one;
		set->piece = at;
		set->room = room;
	}
	return &set->piece[set->count];
}

struct hold_piece *hold_add(struct rt_self *me, struct hold_set *set, int *rc)
{
	struct hold_piece *piece = add_piece(set);

	if (!piece) {
		*rc = err(ENOMEM, "hold");
		return NULL;
	}
	piece->record = rt_hold_get(me);
	if (!piece->record) {
		*rc = rt_self_error();
		return NULL;
	}
	return piece;
}

void hold_label(struct rt_hold *record, uint32_t ino, uint32_t igen, uint64_t index,
		enum pf_hold_kind kind, uint32_t first_byte, uint32_t last_byte)
{
	store_relaxed(&record->wanted, 0);
	store_relaxed(&record->index, index);
	store_relaxed(&record->since, clock_coarse());
	store_relaxed(&record->ino, ino);
	store_relaxed(&record->igen, igen);
	store_relaxed(&record->kind, (uint32_t)kind);
	store_relaxed(&record->first_byte, first_byte);
	store_relaxed(&record->last_byte, last_byte);
}

static int take_piece(struct rt_self *me, const struct hold_request *r, struct hold_set *set,
		      uint64_t index, uint64_t pages)
{
	struct layout *l = &r->file->pool->layout;
	struct dax_run run;
	int rc;
	struct hold_piece *piece = hold_add(me, set, &rc);

	if (!piece)
		return rc;
	hold_label(piece->record, r->file->ino, r->file->igen, index, r->kind,
		   (uint32_t)(index == r->offset / PAGE_BYTES ? r->offset % PAGE_BYTES : 0),
		   (uint32_t)((r->offset + r->length - 1) % PAGE_BYTES));
	rc = dax_hold(me, &l->fs, &l->pages, r->file->ino, index, pages, &piece->record->range,
		      &run);
	if (rc < 0) {
		rt_hold_put(me, piece->record);
		return rc;
	}
	if (index + run.pages <= (r->offset + r->length - 1) / PAGE_BYTES)
		store_relaxed(&piece->record->last_byte, (uint32_t)PAGE_BYTES - 1);
	piece->pfn = run.pfn;
	piece->pages = run.pages;
	set->count++;
	return 0;
}

/* Pages that were never written get their zeros; missing ones are allocated, for a writable hold. A range that somebody waits for is waited for without the
 * lock. */
static int fill(struct rt_self *me, const struct hold_request *r, uint64_t index, uint64_t pages)
{
	struct layout *l = &r->file->pool->layout;
	int rc = layout_lock(me, l, r->file->ino);

	if (rc < 0)
		return rc;
	if (r->write)
		rc = io_fill(me, l, r->file->ino, index, index + pages);
	else if (dax_range_locked(me, &l->fs, r->file->ino, index, index + pages - 1))
		rc = -PF_EAGAIN;
	if (rc == 0)
		layout_written(me, l, r->file->ino, index, index + pages, NULL);
	layout_unlock(me, l, r->file->ino);
	if (rc == -PF_EAGAIN) {
		rc = dax_wait_range(me, &l->fs, r->file->ino, index, index + pages - 1);
		return rc < 0 ? rc : -PF_EAGAIN;
	}
	return rc;
}

/* What cannot be held as it is: -PF_EHOLE stays for a read-only hold of a hole. */
static int make_ready(struct rt_self *me, const struct hold_request *r, uint64_t index,
		      uint64_t pages)
{
	struct layout *l = &r->file->pool->layout;
	uint64_t pfn;

	if (r->write || (!l->readonly && fs_entry(&l->fs, r->file->ino, index, &pfn)))
		return fill(me, r, index, pages);
	return err(PF_EHOLE, "inode %u at byte %lu", r->file->ino,
		   (unsigned long)(index * PAGE_BYTES));
}

static int take_all(struct rt_self *me, const struct hold_request *r, struct hold_set *set)
{
	uint64_t index = r->offset / PAGE_BYTES, end = (r->offset + r->length - 1) / PAGE_BYTES + 1;

	while (index < end) {
		int rc = take_piece(me, r, set, index, end - index);

		if (likely(rc == 0)) {
			index += set->piece[set->count - 1].pages;
			continue;
		}
		if (rc == -PF_EHOLE)
			rc = make_ready(me, r, index, end - index);
		if (rc < 0 && rc != -PF_EAGAIN)
			return rc;
	}
	return 0;
}

static int check(const struct hold_request *r)
{
	uint64_t size = fs_size(&r->file->pool->layout.fs, r->file->ino);

	if (unlikely(!r->file->readable))
		return handle_no_data(r->file);
	if (!r->length || r->offset >= size || r->length > align_up(size, PAGE_BYTES) - r->offset)
		return err(PF_ERANGE, "%lu bytes at %lu of a file of %lu", (unsigned long)r->length,
			   (unsigned long)r->offset, (unsigned long)size);
	if (r->write && !r->file->writable)
		return err(PF_EREADONLY, "inode %u", r->file->ino);
	return 0;
}

int hold_take(struct rt_self *me, const struct hold_request *request, struct hold_set *set)
{
	struct pf_pool *pool = request->file->pool;
	unsigned tries = 0;
	int rc = check(request);

	set->count = set->room = 0;
	set->piece = NULL;
	if (rc == 0)
		rc = space_check_orphans(pool);
	if (rc < 0)
		return rc;
	for (;;) {
		rc = take_all(me, request, set);
		if (unlikely(me->told))
			windows_settle(pool, me);
		/* The file may have been cut meanwhile, and have other pages past its end now. */
		if (likely(rc == 0) && likely((rc = check(request)) == 0))
			return 0;
		hold_give_back(me, pool, set);
		if (!reap_helps(pool, me, rc, &tries))
			return space_full(pool, rc, request->length);
	}
}

void hold_give_back(struct rt_self *me, struct pf_pool *pool, struct hold_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		dax_drop(me, &pool->layout.pages, &set->piece[i].record->range, false);
		rt_hold_put(me, set->piece[i].record);
	}
	if (set->piece != &set->one)
		free(set->piece);
	set->count = set->room = 0;
	set->piece = NULL;
}
