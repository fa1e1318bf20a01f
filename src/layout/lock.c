/*
 * Inode locks, and what their dead owners left: journal lanes, layout records, locked ranges, open counts, a truncation or
 * eviction that was under way. docs/protocol.md sections 6, 8 and 9, L2.
 */
#include "layout/inner.h"

#include "base/err.h"

#define NUMBERS_TRIED 64u /* whose locks are not to be had, before the dead are reaped */

/* The row says which inodes it locks before it does, so that its reaper finds them. */
static void note(struct rt_self *me, uint32_t have, uint32_t want)
{
	for (size_t i = 0; i < ARRAY_SIZE(me->row->inodes); i++)
		if (load_relaxed(&me->row->inodes[i]) == have) {
			store_release(&me->row->inodes[i], want);
			return;
		}
	CHECK(!"a row locks four inodes at most");
}

/* The file has the page where the record says: its transaction happened (ALLOC), or did not (RELEASE, PART). */
static bool still_has(struct layout *l, struct rt_record *r)
{
	return fs_has_page(&l->fs, load_relaxed(&r->ino), load_relaxed(&r->index),
			   load_relaxed(&r->head));
}

/* Part of a folio: its dead remover's hold keeps it whole, or it was never taken and nothing happened. */
static void resolve_part(struct layout *l, struct rt_record *r)
{
	uint64_t pfn = load_relaxed(&r->head), head, word;

	if (page_head(&l->pages, pfn, BLOCK_ORDER, &head, &word) && word_count(word) &&
	    word_generation(word) == load_relaxed(&r->generation))
		page_release_part(&l->pages, head, pfn, load_relaxed(&r->pages));
}

static void resolve_page(struct rt_self *me, struct layout *l, struct rt_record *r)
{
	uint64_t pfn = load_relaxed(&r->head);
	uint32_t set = load_relaxed(&r->set);

	if (!still_has(l, r) && page_in_zone(&l->pages, pfn)) {
		rt_enter(me, pfn, 1);
		if (set == RT_RECORD_PART || set == RT_RECORD_MOVE_PART)
			resolve_part(l, r);
		else
			page_release(me, &l->pages, pfn, load_relaxed(&r->generation));
		rt_leave(me);
	}
	step("resolve: done");
	store_release(&r->set, (uint32_t)RT_RECORD_NONE);
}

/* Records of every dead row that name this inode, not only the last owner's: that may have been a reaper that died before it got to
 * the others. */
static void resolve_rows(struct rt_self *me, struct layout *l, uint32_t ino)
{
	struct rt_cursor c = {0};
	struct rt_row *row;
	uint32_t node;

	while ((row = rt_next_row(l->rt, &c))) {
		if (!rt_row_dead(row, c.word))
			continue;
		if (load_acquire(&row->page.set) && load_relaxed(&row->page.ino) == ino)
			resolve_page(me, l, &row->page);
		node = load_acquire(&row->node.set);
		if (node && load_relaxed(&row->node.ino) == ino) {
			if (rt_record_moves(node))
				resolve_page(me, l, &row->node);
			else
				fs_node_resolve(&l->fs, me, row);
		}
	}
}

/* A stopped process is replaying what the dead left: nothing under this lock may change before it has. */
static int settle_lanes(struct rt_self *me, struct layout *l)
{
	return journal_settle(&l->fs.journal, me, true)
		       ? 0
		       : err(PF_ESTOPPED, "it replays a transaction of a dead one");
}

static int repair(struct rt_self *me, struct layout *l, uint32_t ino)
{
	struct fs_inode *state = fs_state(&l->fs, ino);
	uint64_t owner;
	int rc = settle_lanes(me, l);

	if (rc < 0)
		return rc;
	step("repair: lanes settled");
#ifdef PF_BREAK_NO_RESOLVE
	(void)resolve_rows;
#else
	resolve_rows(me, l, ino);
#endif
	rc = inner_finish_move(me, l, ino);
	if (rc < 0)
		return rc;
	/* Whatever the dead owner had changed, and told nobody. */
	mm_tell(me, &l->fs, ino, 0, FILE_PAGES_MAX);
	owner = load_acquire(&state->range_owner);
	if (owner && rt_owner_dead(l->rt, owner))
		store_release(&state->range_owner, 0);
	store_release(&state->opens, fs_count_opens(&l->fs, ino));
	fs_note_use(&l->fs, ino);
	fs_dir_end(&l->fs, ino);
	if (load_relaxed(&state->opens) == 0 && fs_is_settled(&l->fs, ino) &&
	    fs_is_file(&l->fs, ino))
		rc = layout_trim(me, l, ino);
	if (rc == 0)
		store_release(&state->unsettled, 0);
	return rc;
}

static int cannot_settle(const char *what)
{
	return err(
		PF_EREADONLY,
		"a process that was killed left %s half changed; a process that has the pool open for writing settles it",
		what);
}

/* What this changes is not the caller's doing, who may not look after windows: the service thread does, for those of this process. */
static int settle(struct rt_self *me, struct layout *l, uint32_t ino)
{
	bool told = me->told;
	int rc = 0;

	me->told = false;
	if (load_relaxed(&fs_state(&l->fs, ino)->unsettled))
		rc = l->readonly ? cannot_settle("a file") : repair(me, l, ino);
	if (rc == 0 && !fs_is_settled(&l->fs, ino) && !l->readonly)
		rc = inner_finish(me, l, ino);
	if (me->told)
		rt_mail(l->rt, l->rt->slot);
	me->told |= told;
	return rc;
}

/* That the owner died is told once; the word tells who comes later, if the repair could not be done. */
static int finish_lock(struct rt_self *me, struct layout *l, uint32_t ino, int rc)
{
	_Atomic uint64_t *unsettled = &fs_state(&l->fs, ino)->unsettled;

	if (rc < 0) {
		note(me, ino, 0);
		return rc;
	}
	if (rc == RT_LOCK_REPAIR)
		store_release(unsettled, 1);
	rc = 0;
	if (unlikely(load_relaxed(unsettled) || !fs_is_settled(&l->fs, ino)))
		rc = settle(me, l, ino);
	if (rc < 0)
		layout_unlock(me, l, ino);
	return rc;
}

int layout_lock(struct rt_self *me, struct layout *l, uint32_t ino)
{
	note(me, 0, ino);
	return finish_lock(me, l, ino, rt_lock(me, &fs_state(&l->fs, ino)->lock));
}

int layout_trylock(struct rt_self *me, struct layout *l, uint32_t ino)
{
	note(me, 0, ino);
	return finish_lock(me, l, ino, rt_trylock(me, &fs_state(&l->fs, ino)->lock));
}

int inner_trylock_idle(struct rt_self *me, struct layout *l, uint32_t ino)
{
	struct fs_inode *state = fs_state(&l->fs, ino);
	int rc;

	note(me, 0, ino);
	rc = rt_trylock(me, &state->lock);
	if (rc == RT_LOCK_REPAIR)
		store_release(&state->unsettled, 1);
	if (rc >= 0 && !load_relaxed(&state->unsettled) && fs_is_settled(&l->fs, ino) &&
	    fs_is_file(&l->fs, ino))
		return 0;
	if (rc >= 0)
		rt_unlock(me, &state->lock);
	note(me, ino, 0);
	return -PF_EAGAIN;
}

void layout_unlock(struct rt_self *me, struct layout *l, uint32_t ino)
{
	rt_unlock(me, &fs_state(&l->fs, ino)->lock);
	note(me, ino, 0);
}

/* A number that is free. That of somebody whose death is not settled yet is passed over: what it left may be a record half freed, which settling would write over
 * a new one. */
static bool lock_free(struct rt_self *me, struct layout *l, uint32_t ino)
{
	struct fs_inode *state = fs_state(&l->fs, ino);
	int rc;

	note(me, 0, ino);
	rc = rt_trylock(me, &state->lock);
	if (rc == RT_LOCK_REPAIR)
		store_release(&state->unsettled, 1);
	if (rc >= 0 && !load_relaxed(&state->unsettled) && fs_is_free(&l->fs, ino)) {
		store_relaxed(&state->opens, 0);
		return true;
	}
	if (rc >= 0)
		rt_unlock(me, &state->lock);
	note(me, ino, 0);
	return false;
}

int64_t layout_lock_new(struct rt_self *me, struct layout *l)
{
	for (unsigned tries = 0; tries < NUMBERS_TRIED; tries++) {
		int64_t ino = fs_pick(&l->fs, me);

		if (ino < 0 || lock_free(me, l, (uint32_t)ino))
			return ino;
	}
	return -PF_EAGAIN;
}

int layout_lock_set(struct rt_self *me, struct layout *l, struct layout_set *set)
{
	unsigned n = 0, i;
	int rc = 0;

	/* In order of their numbers, each once. */
	for (i = 1; i < set->count; i++)
		for (unsigned k = i; k > 0 && set->ino[k - 1] > set->ino[k]; k--) {
			uint32_t swapped = set->ino[k];

			set->ino[k] = set->ino[k - 1];
			set->ino[k - 1] = swapped;
		}
	for (i = 0; i < set->count; i++)
		if (set->ino[i] && (!n || set->ino[n - 1] != set->ino[i]))
			set->ino[n++] = set->ino[i];
	set->count = n;
	for (i = 0; i < n && rc == 0; i++)
		rc = layout_lock(me, l, set->ino[i]);
	if (rc < 0)
		while (--i > 0)
			layout_unlock(me, l, set->ino[i - 1]);
	return rc;
}

void layout_unlock_set(struct rt_self *me, struct layout *l, const struct layout_set *set)
{
	for (unsigned i = set->count; i-- > 0;)
		layout_unlock(me, l, set->ino[i]);
}

static int repair_names(struct rt_self *me, struct layout *l, int rc)
{
	_Atomic uint64_t *unsettled = &l->fs.shared->names_unsettled;

	if (rc < 0)
		return rc;
	if (rc == RT_LOCK_REPAIR)
		store_release(unsettled, 1);
	if (likely(!load_relaxed(unsettled)))
		return 0;
	rc = l->readonly ? cannot_settle("the names") : settle_lanes(me, l);
	if (rc < 0) {
		layout_unlock_names(me, l);
		return rc;
	}
	store_release(unsettled, 0);
	return 0;
}

int layout_lock_names(struct rt_self *me, struct layout *l)
{
	return repair_names(me, l, rt_lock(me, &l->fs.shared->names));
}

int layout_trylock_names(struct rt_self *me, struct layout *l)
{
	return repair_names(me, l, rt_trylock(me, &l->fs.shared->names));
}

void layout_unlock_names(struct rt_self *me, struct layout *l)
{
	rt_unlock(me, &l->fs.shared->names);
}
