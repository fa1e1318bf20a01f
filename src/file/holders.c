/* Who holds what. Reads records of all slots without a lock and without stopping anybody. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/sys.h"
#include "file/window.h"

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

/* Whose holds: all processes', or one's. */
struct whose {
	bool all, reads; /* reads, too */
	uint32_t pid;
	unsigned but; /* slot + 1 that is left out; 0: none */
};

static bool is_of(struct rt *rt, unsigned slot, const struct whose *whose)
{
	return slot + 1 != whose->but &&
	       (whose->all || load_relaxed(&rt_slot_at(rt, slot)->pid) == whose->pid);
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

static int tell_holds(pf_pool *pool, const struct whose *whose,
		      int (*each)(void *arg, const struct pf_holder *holder), void *arg)
{
	struct tell t = {&pool->layout, each, arg};
	struct rt_cursor holds = {0}, rows = {0};
	struct rt_hold *hold;
	struct rt_row *row;
	int rc = 0;

	while (rc == 0 && (hold = rt_next_hold(t.l->rt, &holds)))
		if (is_of(t.l->rt, holds.slot, whose))
			rc = tell_hold(&t, &holds, hold);
	while (rc == 0 && whose->reads && (row = rt_next_row(t.l->rt, &rows)))
		if (is_of(t.l->rt, rows.slot, whose))
			rc = tell_read(&t, &rows, row);
	return rc;
}

int pf_holders(pf_pool *pool, int (*each)(void *arg, const struct pf_holder *holder), void *arg)
{
	const struct whose everybody = {.all = true, .reads = true};

	return pool_self(pool) ? tell_holds(pool, &everybody, each, arg) : rt_self_error();
}

/* ---- asking for what is held ------------------------------------------------------------------------- */

#define AGAIN_NS 1000000000ull

struct eviction {
	pf_pool *pool;
	struct whose whose;
	int timeout_ms;
	int (*each)(void *arg, const struct pf_holder *holder);
	void *arg;
};

/* How many holds those have. */
static unsigned count_holds(struct rt *rt, const struct whose *whose)
{
	struct rt_cursor holds = {0}, rows = {0};
	struct rt_row *row;
	unsigned n = 0;

	while (rt_next_hold(rt, &holds))
		n += is_of(rt, holds.slot, whose);
	while (whose->reads && (row = rt_next_row(rt, &rows)))
		n += load_acquire(&row->read_hold) && is_of(rt, rows.slot, whose);
	return n;
}

/* Notices to pins; windows end. */
static void ask(const struct eviction *e)
{
	struct rt_self *me = pool_self(e->pool);
	struct rt *rt = me->rt;
	struct rt_cursor c = {0};
	struct rt_hold *hold;

	while ((hold = rt_next_hold(rt, &c)))
		if (is_of(rt, c.slot, &e->whose) && load_relaxed(&hold->kind) != PF_HOLD_WINDOW)
			rt_hold_want(rt, c.slot, hold);
	for (unsigned s = 0; s < rt_slots_used(rt); s++)
		if (is_of(rt, s, &e->whose))
			mm_evict(me, s);
	windows_settle(e->pool, me);
}

static int report(const struct eviction *e)
{
	return e->each ? tell_holds(e->pool, &e->whose, e->each, e->arg) : 0;
}

/* Of all processes: says after a second who holds what, and asks again each second who came since. */
static int wait_for_holders(const struct eviction *e, unsigned *left)
{
	uint64_t begun = clock_mono(), again = begun + AGAIN_NS;
	uint64_t end = e->timeout_ms < 0 ? ~0ull : begun + (uint64_t)e->timeout_ms * 1000000u;
	struct timespec pause = {.tv_nsec = 2000000};
	bool reported = false;
	int rc = 0;

	while ((*left = count_holds(e->pool->layout.rt, &e->whose)) && clock_mono() < end) {
		nanosleep(&pause, NULL);
		reap_pass(e->pool, pool_self(e->pool), NULL); /* they may have been killed */
		if (!e->whose.all || clock_mono() < again)
			continue;
		again += AGAIN_NS;
		if (!reported && (rc = report(e)))
			return rc;
		reported = true;
		ask(e);
	}
	return 0;
}

static int evict(const struct eviction *e)
{
	unsigned left;
	int rc;

	ask(e);
	rc = wait_for_holders(e, &left);
	if (rc == 0 && left)
		rc = report(e);
	return rc ? rc : (int)left;
}

static bool has_pool_open(struct rt *rt, const struct whose *whose)
{
	for (unsigned s = 0; s < rt_slots_used(rt); s++)
		if (rt_slot_state(load_acquire(&rt_slot_at(rt, s)->word)) != RT_SLOT_FREE &&
		    is_of(rt, s, whose))
			return true;
	return false;
}

int pf_evict(pf_pool *pool, pid_t pid, int timeout_ms,
	     int (*each)(void *arg, const struct pf_holder *holder), void *arg)
{
	struct eviction e = {pool, {.pid = (uint32_t)pid}, timeout_ms, each, arg};

	if (!pool_self(pool))
		return rt_self_error();
	if (!has_pool_open(pool->layout.rt, &e.whose))
		return err(ESRCH, "process %d does not have the pool open", (int)pid);
	return evict(&e);
}

int pf_evict_all(pf_pool *pool, int timeout_ms,
		 int (*each)(void *arg, const struct pf_holder *holder), void *arg)
{
	struct rt_self *me = pool_self(pool);
	struct eviction e = {pool, {.all = true, .reads = true}, timeout_ms, each, arg};

	if (!me)
		return rt_self_error();
	e.whose.but = me->rt->slot + 1;
	mm_evict(me, me->rt->slot);
	return evict(&e);
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
