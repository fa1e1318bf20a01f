/* Who holds what. Reads records of all slots without a lock and without stopping anybody. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/sys.h"
#include "file/pool.h"

/* The file's path while its inode's generation is still that one: also after it was unlinked, until the number is used again. */
static const char *name_of(struct fs *fs, uint32_t ino, uint32_t igen, char path[PF_PATH_MAX + 1])
{
	return fs_path(fs, ino, igen, path, PF_PATH_MAX + 1) ? path : NULL;
}

static void command_of(const struct rt_slot *slot, char command[17])
{
	uint64_t words[2] = {load_relaxed(&slot->command[0]), load_relaxed(&slot->command[1])};

	memcpy(command, words, 16);
	command[16] = 0;
}

struct tell {
	struct layout *l;
	int (*each)(void *arg, const struct pf_holder *holder);
	void *arg;
};

/* Where the holder's tables have the first page of a window. */
struct find_leaf {
	unsigned slot;
	struct pf_holder *holder;
};

static int note_leaf(void *arg, const struct mm_mapping *m)
{
	struct find_leaf *f = arg;

	if (m->slot != f->slot)
		return 0;
	f->holder->address = m->va;
	f->holder->leaf = m->bytes;
	return 1;
}

static void find_leaf(struct layout *l, unsigned slot, uint64_t pfn, struct pf_holder *h)
{
	struct find_leaf f = {slot, h};
	struct rt_self *me = rt_self_get(l->rt);

	if (me)
		mm_rmap(me, &l->pages, pfn, note_leaf, &f);
}

static int tell(const struct tell *t, const struct rt_cursor *c, uint64_t range,
		struct pf_holder *h, uint32_t ino, uint32_t igen)
{
	struct rt_slot *slot = rt_slot_at(t->l->rt, c->slot);
	char command[17], path[PF_PATH_MAX + 1];

	command_of(slot, command);
	h->pid = (pid_t)load_relaxed(&slot->pid);
	h->command = command;
	h->alive = rt_slot_state(c->word) == RT_SLOT_LIVE && !rt_slot_dead(t->l->rt, c->slot);
	h->inode = ino;
	h->name = name_of(&t->l->fs, ino, igen, path);
	h->bytes = page_folio_bytes(&t->l->pages, rt_range_pfn(range), rt_range_pages(range));
	return t->each(t->arg, h);
}

static int tell_hold(const struct tell *t, const struct rt_cursor *c, struct rt_hold *hold)
{
	uint64_t range = load_acquire(&hold->range), pages = rt_range_pages(range), first, last;
	struct pf_holder h = {.kind = (enum pf_hold_kind)load_relaxed(&hold->kind)};

	if (!range)
		return 0;
	first = load_relaxed(&hold->first_byte);
	last = load_relaxed(&hold->last_byte);
	h.offset = load_relaxed(&hold->index) * PAGE_BYTES + first;
	h.length = (pages - 1) * PAGE_BYTES + last + 1 - first;
	h.since_ns = load_relaxed(&hold->since);
	if (h.kind == PF_HOLD_WINDOW)
		find_leaf(t->l, c->slot, rt_range_pfn(range), &h);
	return tell(t, c, range, &h, load_relaxed(&hold->ino), load_relaxed(&hold->igen));
}

static int tell_read(const struct tell *t, const struct rt_cursor *c, struct rt_row *row)
{
	uint64_t range = load_acquire(&row->read_hold), head, word;
	struct pf_holder h = {.kind = PF_HOLD_READ, .length = rt_range_pages(range) * PAGE_BYTES};
	struct page *page;

	if (!range || !page_head(&t->l->pages, rt_range_pfn(range), BLOCK_ORDER, &head, &word))
		return 0;
	page = page_at(&t->l->pages, head);
	h.offset = (load_relaxed(&page->index) + rt_range_pfn(range) - head) * PAGE_BYTES;
	return tell(t, c, range, &h, load_relaxed(&page->ino), load_relaxed(&page->igen));
}

int pf_holders(pf_pool *pool, int (*each)(void *arg, const struct pf_holder *holder), void *arg)
{
	struct tell t = {&pool->layout, each, arg};
	struct rt_cursor holds = {0}, rows = {0};
	struct rt_hold *hold;
	struct rt_row *row;
	int rc = 0;

	if (!pool_self(pool))
		return rt_self_error();
	while (rc == 0 && (hold = rt_next_hold(t.l->rt, &holds)))
		rc = tell_hold(&t, &holds, hold);
	while (rc == 0 && (row = rt_next_row(t.l->rt, &rows)))
		rc = tell_read(&t, &rows, row);
	return rc;
}

/* ---- asking for what is held ------------------------------------------------------------------------- */

/* Asks for all that slots of this process hold, if `ask`; returns how many holds there are. */
static unsigned count_holds(struct rt *rt, pid_t pid, bool ask)
{
	struct rt_cursor c = {0};
	struct rt_hold *hold;
	unsigned n = 0;

	while ((hold = rt_next_hold(rt, &c))) {
		if (load_relaxed(&rt_slot_at(rt, c.slot)->pid) != (uint32_t)pid)
			continue;
		n++;
		if (ask)
			rt_hold_want(rt, c.slot, hold);
	}
	return n;
}

static bool has_pool_open(struct rt *rt, pid_t pid)
{
	for (unsigned s = 0; s < rt_slots_used(rt); s++)
		if (rt_slot_state(load_acquire(&rt_slot_at(rt, s)->word)) != RT_SLOT_FREE &&
		    load_relaxed(&rt_slot_at(rt, s)->pid) == (uint32_t)pid)
			return true;
	return false;
}

struct of_process {
	pid_t pid;
	int (*each)(void *arg, const struct pf_holder *holder);
	void *arg;
};

static int tell_of(void *arg, const struct pf_holder *holder)
{
	struct of_process *p = arg;

	return holder->pid == p->pid && holder->kind != PF_HOLD_READ ? p->each(p->arg, holder) : 0;
}

int pf_evict(pf_pool *pool, pid_t pid, int timeout_ms,
	     int (*each)(void *arg, const struct pf_holder *holder), void *arg)
{
	uint64_t end = timeout_ms < 0 ? ~0ull : clock_mono() + (uint64_t)timeout_ms * 1000000u;
	struct timespec pause = {.tv_nsec = 2000000};
	struct of_process of = {pid, each, arg};
	struct rt *rt = pool->layout.rt;
	unsigned left;
	int rc = 0;

	if (!pool_self(pool))
		return rt_self_error();
	if (!has_pool_open(rt, pid))
		return err(ESRCH, "process %d does not have the pool open", (int)pid);
	left = count_holds(rt, pid, true);
	while (left && clock_mono() < end) {
		nanosleep(&pause, NULL);
		reap_pass(pool, pool_self(pool), NULL); /* it may have been killed */
		left = count_holds(rt, pid, false);
	}
	if (left && each)
		rc = pf_holders(pool, tell_of, &of);
	return rc ? rc : (int)left;
}

/* ---- orphans --------------------------------------------------------------------------------------- */

struct orphans {
	struct {
		uint32_t ino, igen;
		uint64_t pages;
	} * file;
	size_t count, room;
};

static int note(struct orphans *o, uint32_t ino, uint32_t igen, uint64_t pages)
{
	size_t i = 0;

	while (i < o->count && (o->file[i].ino != ino || o->file[i].igen != igen))
		i++;
	if (i == o->room) {
		void *at = sys_grow(o->file, &o->room, sizeof *o->file);

		if (!at)
			return err(ENOMEM, "orphans");
		o->file = at;
	}
	if (i == o->count) {
		o->file[i].ino = ino;
		o->file[i].igen = igen;
		o->file[i].pages = 0;
		o->count++;
	}
	o->file[i].pages += pages;
	return 0;
}

static int note_folio(void *arg, const struct page_folio *f)
{
	return f->left ? note(arg, f->ino, f->igen, f->left) : 0;
}

int pf_orphans(pf_pool *pool, int (*each)(void *arg, const struct pf_orphan *orphan), void *arg)
{
	struct orphans o = {0};
	char path[PF_PATH_MAX + 1];
	int rc;

	if (!pool_self(pool))
		return rt_self_error();
	rc = page_each_folio(&pool->layout.pages, note_folio, &o);
	for (size_t i = 0; i < o.count && rc == 0; i++) {
		struct pf_orphan orphan = {o.file[i].pages * PAGE_BYTES, o.file[i].ino,
					   name_of(&pool->layout.fs, o.file[i].ino, o.file[i].igen,
						   path)};

		rc = each(arg, &orphan);
	}
	free(o.file);
	return rc;
}
