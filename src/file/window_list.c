/* Which windows a process has, from its records and its page tables, without stopping it. */
#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/sys.h"
#include "file/pool.h"

/* A record, as it was. */
struct seen {
	uint64_t start, pages, index, file; /* in pages */
	bool stale;
	uint32_t flags;
};

struct list {
	struct seen *at;
	size_t count, room;
};

/* `lost`: its process is to look at all of its windows. */
static bool read_record(struct rt_vma *r, bool lost, struct seen *s)
{
	s->file = load_acquire(&r->file);
	s->start = load_relaxed(&r->start);
	s->pages = load_relaxed(&r->pages);
	s->index = load_relaxed(&r->index);
	s->stale = load_relaxed(&r->stale) || lost;
	s->flags = load_relaxed(&r->flags);
	memory_fence(memory_order_acquire);
	return s->file && load_relaxed(&r->file) == s->file;
}

static int add(struct list *l, const struct seen *s)
{
	if (l->count == l->room) {
		struct seen *grown = sys_grow(l->at, &l->room, sizeof *l->at);

		if (!grown)
			return err(ENOMEM, "windows");
		l->at = grown;
	}
	l->at[l->count++] = *s;
	return 0;
}

static int read_slot(struct rt *rt, unsigned slot, struct list *l)
{
	bool lost = load_acquire(&rt_slot_at(rt, slot)->lost);
	struct seen s;
	int rc = 0;

	for (struct rt_chunk *c = rt_chunks(rt, slot, RT_CHUNK_VMAS); c && rc == 0;
	     c = rt_chunk_next(rt, c))
		for (unsigned i = 0; i < RT_VMAS && rc == 0; i++)
			if (read_record(&c->vmas[i], lost, &s))
				rc = add(l, &s);
	return rc;
}

static int by_address(const void *a, const void *b)
{
	uint64_t x = ((const struct seen *)a)->start, y = ((const struct seen *)b)->start;

	return (x > y) - (x < y);
}

/* ---- leaves --------------------------------------------------------------------------------------- */

static void count(struct pt_walk *walk, uint64_t va, uint64_t last, unsigned level, pt_entry e)
{
	struct pf_window *w = walk->arg;

	if (!pt_is_leaf(walk->pt->fmt, e, level))
		return;
	w->leaf[level]++;
	w->resident += last - va + 1;
	walk->action = PT_CONTINUE;
}

static int count_pud(struct pt_walk *walk, uint64_t va, uint64_t last, pt_slot *slot, pt_entry e)
{
	(void)slot;
	count(walk, va, last, PT_PUD, e);
	return 0;
}

static int count_pmd(struct pt_walk *walk, uint64_t va, uint64_t last, pt_slot *slot, pt_entry e)
{
	(void)slot;
	count(walk, va, last, PT_PMD, e);
	return 0;
}

static int count_pte(struct pt_walk *walk, uint64_t va, pt_slot *slot, pt_entry e)
{
	(void)slot;
	count(walk, va, va + PAGE_BYTES - 1, PT_PTE, e);
	return 0;
}

static int count_leaves(struct rt_self *me, struct layout *l, unsigned slot, struct pf_window *w)
{
	static const struct pt_walk_ops ops = {.pud = count_pud,
					       .pmd = count_pmd,
					       .pte = count_pte};
	struct pt view;
	int rc = space_enter(me, &l->pages, slot, &view);

	if (rc <= 0)
		return rc;
	rc = pt_walk(&view, w->address, w->length / PAGE_BYTES, &ops, NULL, w);
	space_leave(me);
	return rc;
}

/* ---- telling -------------------------------------------------------------------------------------- */

struct tell {
	struct rt_self *me;
	struct layout *l;
	int (*each)(void *arg, const struct pf_window *window);
	void *arg;
};

/* A file that was removed keeps what its path was for as long as somebody has it open. */
static const char *name_of(struct fs *fs, uint32_t ino, uint32_t igen, char path[PF_PATH_MAX + 1])
{
	struct inode_attr attr;

	if (fs_attr(fs, ino, &attr) < 0 || attr.state != INODE_NAMED)
		return NULL;
	return fs_path(fs, ino, igen, path, PF_PATH_MAX + 1) ? path : NULL;
}

static int tell(const struct tell *t, unsigned slot, const struct seen *s)
{
	uint32_t ino = (uint32_t)s->file, igen = s->file >> 32;
	char path[PF_PATH_MAX + 1];
	struct pf_window w = {
		.address = s->start * PAGE_BYTES,
		.length = s->pages * PAGE_BYTES,
		.flags = s->flags & (PF_MAP_READ | PF_MAP_WRITE | PF_MAP_EXEC),
		.inode = ino,
		.offset = s->index * PAGE_BYTES,
		.stale = s->stale || (s->flags & (MM_VMA_EVICT | MM_VMA_EVICTED)) == MM_VMA_EVICT,
		.evicted = s->flags & MM_VMA_EVICT,
	};
	int rc = count_leaves(t->me, t->l, slot, &w);

	if (rc < 0)
		return rc;
	w.name = name_of(&t->l->fs, ino, igen, path);
	return t->each(t->arg, &w);
}

static int tell_slot(const struct tell *t, unsigned slot)
{
	struct list l = {0};
	int rc = read_slot(t->l->rt, slot, &l);

	if (l.count)
		qsort(l.at, l.count, sizeof *l.at, by_address);
	for (size_t i = 0; i < l.count && rc == 0; i++)
		rc = tell(t, slot, &l.at[i]);
	free(l.at);
	return rc;
}

/* A process has a slot for each time that it opened the pool. */
int pf_windows(pf_pool *pool, pid_t pid, int (*each)(void *arg, const struct pf_window *window),
	       void *arg)
{
	struct tell t = {pool_self(pool), &pool->layout, each, arg};
	struct rt *rt = pool->layout.rt;
	bool found = false;
	int rc = t.me ? 0 : rt_self_error();

	for (unsigned slot = 0; slot < rt_slots_used(rt) && rc == 0; slot++) {
		struct rt_slot *s = rt_slot_at(rt, slot);

		if (rt_slot_state(load_acquire(&s->word)) != RT_SLOT_LIVE ||
		    (pid_t)load_relaxed(&s->pid) != pid)
			continue;
		found = true;
		rc = tell_slot(&t, slot);
	}
	return rc || found ? rc : err(ESRCH, "process %d does not have the pool open", (int)pid);
}
