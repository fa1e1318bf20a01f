/* Page tables that other processes read: no entry is found that was cleared before, no table is used again under a reader, and the dead leave none. */
/* test: suite=short timeout=120 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/step.h"
#include "file/pool.h"
#include "mm/mm.h"
#include "pool.h"

#define BLOCKS 16ull /* of 2 MiB, in one file of the pool */
#define PLACES 8ull  /* where they are mapped */
#define VA     0x40000000ull

/* Generation g of place v maps block (7 v + g) mod BLOCKS. */
static struct shared {
	_Atomic uint64_t
		made[PLACES]; /* the newest generation that is, or is about to be, mapped */
	_Atomic uint64_t cleared[PLACES]; /* the newest that is wholly unmapped */
	_Atomic uint64_t lookups, hits, done;
	_Atomic uint64_t root_slot;
} * shared;

static const char *path;
static uint64_t first_block; /* its pfn */
static int ready, go;

static struct rt *runtime(pf_pool *pool)
{
	return pool->layout.rt;
}

static uint64_t tables(pf_pool *pool)
{
	uint64_t lost, used = rt_tables_used(runtime(pool), &lost);

	must_be((long)lost, 0);
	return used;
}

static uint64_t block_of(uint64_t place, uint64_t generation)
{
	return first_block + (7 * place + generation) % BLOCKS * BLOCK_PAGES;
}

static uint64_t address(uint64_t place)
{
	return VA + place * BLOCK_BYTES;
}

static struct space *make_space(pf_pool *pool)
{
	struct space *space;

	OK(space_make(pool_self(pool), &pool->layout.pages, NULL, &space));
	store_release(&shared->root_slot, runtime(pool)->slot);
	return space;
}

/* ---- a writer and its readers ---- */

static void change(struct space *s, struct test_random *r, uint64_t place)
{
	uint64_t g = load_relaxed(&shared->made[place]), va = address(place);
	uint64_t page = test_below(r, BLOCK_PAGES) * PAGE_BYTES;
	int rc;

	if (g == load_relaxed(&shared->cleared[place])) {
		store_release(&shared->made[place], g + 1);
		OK(pt_map(&s->pt, va, block_of(place, g + 1), BLOCK_PAGES,
			  PT_READ | PT_WRITE | PT_USER, test_below(r, 2) ? PT_PMD : PT_PTE));
		return;
	}
	switch (test_below(r, 6)) {
	case 0:
		OK(pt_unmap(&s->pt, va, BLOCK_PAGES, 0, NULL));
		store_release(&shared->cleared[place], g);
		break;
	case 1:
		OK(pt_unmap(&s->pt, va + page, 1, 0, NULL));
		break;
	case 2:
		OK(pt_split(&s->pt, va + page, PT_PTE, NULL));
		break;
	case 3:
		rc = pt_collapse(&s->pt, va, PT_PMD, NULL);
		must(rc == 0 || rc == -PF_EPTLEAF);
		break;
	case 4:
		OK(pt_protect(&s->pt, va, BLOCK_PAGES,
			      test_below(r, 2) ? PT_READ : PT_READ | PT_WRITE, NULL));
		break;
	default:
		space_settle(s);
	}
}

static int writer(void *arg)
{
	struct test_random random = {test_seed()};
	pf_pool *pool = pool_open(path);
	struct space *s = make_space(pool);

	(void)arg;
	test_gate_open(ready);
	while (!load_acquire(&shared->done))
		change(s, &random, test_below(&random, PLACES));
	space_end(pool_self(pool), s, NULL);
	OK(pf_pool_close(pool));
	return 0;
}

static void look(const struct pt *view, uint64_t va)
{
	uint64_t place = (va - VA) / BLOCK_BYTES, page = va % BLOCK_BYTES / PAGE_BYTES, made;
	uint64_t cleared = load_acquire(&shared->cleared[place]);
	struct pt_leaf leaf;
	int found = pt_lookup(view, va, &leaf);

	made = load_acquire(&shared->made[place]);
	atomic_fetch_add(&shared->lookups, 1);
	if (!found)
		return;
	must_be(found, 1);
	atomic_fetch_add(&shared->hits, 1);
	for (uint64_t g = cleared + 1; g <= made && g <= cleared + BLOCKS; g++)
		if (leaf.pfn == block_of(place, g) + page)
			return;
	test_fail(__FILE__, __LINE__, "page %lu at %#lx: no generation of %lu to %lu",
		  (unsigned long)leaf.pfn, (unsigned long)va, (unsigned long)cleared + 1,
		  (unsigned long)made);
}

static int count_leaf(struct pt_walk *walk, uint64_t va, uint64_t last, pt_slot *slot, pt_entry e)
{
	(void)va, (void)last, (void)slot;
	if (pt_is_leaf(walk->pt->fmt, e, PT_PMD))
		walk->action = PT_CONTINUE;
	return 0;
}

static int count_pte(struct pt_walk *walk, uint64_t va, pt_slot *slot, pt_entry e)
{
	(void)va, (void)slot;
	must(!e || pt_is_leaf(walk->pt->fmt, e, PT_PTE));
	return 0;
}

static int reader(void *arg)
{
	static const struct pt_walk_ops ops = {.pmd = count_leaf, .pte = count_pte};
	struct test_random random = {test_seed() + (uintptr_t)arg};
	pf_pool *pool = pool_open(path);
	struct pt view;

	while (!load_acquire(&shared->done)) {
		if (space_enter(pool_self(pool), &pool->layout.pages,
				(unsigned)load_acquire(&shared->root_slot), &view) != 1)
			continue;
		for (int i = 0; i < 50; i++)
			look(&view, VA + test_below(&random, PLACES * BLOCK_PAGES) * PAGE_BYTES);
		must_be(pt_walk(&view, VA, PLACES * BLOCK_PAGES, &ops, NULL, NULL), 0);
		space_leave(pool_self(pool));
	}
	OK(pf_pool_close(pool));
	return 0;
}

/* The writer ends, or is killed in the middle of something. */
static void race(pf_pool *pool, bool killed, double share)
{
	pid_t w, r[2];
	double end = now() + test_seconds() * share;

	for (uint64_t i = 0; i < PLACES; i++)
		store_relaxed(&shared->cleared[i], load_relaxed(&shared->made[i]));
	store_relaxed(&shared->done, 0);
	w = test_fork(writer, NULL);
	test_gate_wait(ready);
	for (uintptr_t i = 0; i < 2; i++)
		r[i] = test_fork(reader, (void *)(i + 1));
	while (now() < end || load_relaxed(&shared->hits) < 1000)
		usleep(1000);
	if (killed)
		test_kill(w);
	store_release(&shared->done, 1);
	for (int i = 0; i < 2; i++)
		must_be(test_wait(r[i], TEST_PATIENCE), 0);
	if (!killed)
		must_be(test_wait(w, TEST_PATIENCE), 0);
	pool_check(pool, killed ? "the writer was killed" : "the writer ended");
	must_be((long)tables(pool), 0);
}

/* ---- a reader that is stopped, or dies, inside ---- */

static int stops_inside(void *arg)
{
	pf_pool *pool = pool_open(path);
	struct pt_leaf leaf;
	struct pt view;

	(void)arg;
	must_be(space_enter(pool_self(pool), &pool->layout.pages,
			    (unsigned)load_acquire(&shared->root_slot), &view),
		1);
	must_be(pt_lookup(&view, VA, &leaf), 1);
	test_gate_open(ready);
	raise(SIGSTOP);
	must_be((long)load_acquire(leaf.slot), 0);
	must(!pt_leaf_same(&view, &leaf));
	space_leave(pool_self(pool));
	test_gate_open(ready);
	test_gate_wait(go);
	OK(pf_pool_close(pool));
	return 0;
}

static void stopped_reader(pf_pool *pool, bool dies)
{
	struct space *s = make_space(pool);
	uint64_t had;
	pid_t pid;

	OK(pt_map(&s->pt, VA, first_block, 1, PT_READ | PT_USER, PT_PTE));
	had = tables(pool);
	pid = test_fork(stops_inside, NULL);
	test_gate_wait(ready);
	test_wait_stopped(pid);
	OK(pt_unmap(&s->pt, VA, 1, 0, NULL));
	must_be((long)space_settle(s), (long)had - 1);
	/* Tables made now are others. */
	OK(pt_map(&s->pt, VA, first_block, 1, PT_READ | PT_USER, PT_PTE));
	must_be((long)tables(pool), (long)(2 * had - 1));
	OK(pt_unmap(&s->pt, VA, 1, 0, NULL));
	if (dies) {
		test_kill(pid);
	} else {
		must(kill(pid, SIGCONT) == 0);
		test_gate_wait(ready);
	}
	must_be((long)space_settle(s), 0);
	must_be((long)tables(pool), 1);
	if (!dies) {
		test_gate_open(go);
		must_be(test_wait(pid, TEST_PATIENCE), 0);
	}
	space_end(pool_self(pool), s, NULL);
	pool_check(pool, "a reader was stopped");
	must_be((long)tables(pool), 0);
}

/* ---- an owner that dies ---- */

static int dies_with_tables(void *arg)
{
	pf_pool *pool = pool_open(path);
	struct space *s = make_space(pool);

	(void)arg;
	OK(pt_map(&s->pt, VA, first_block, 5, PT_READ | PT_USER, PT_PTE));
	test_gate_open(ready);
	for (;;)
		pause();
}

/* Its tables stay readable until it is reaped, and it is not reaped while somebody reads them. */
static void dead_owner(pf_pool *pool)
{
	pid_t owner = test_fork(dies_with_tables, NULL);
	struct pt_leaf leaf;
	struct pt view;

	test_gate_wait(ready);
	must_be(space_enter(pool_self(pool), &pool->layout.pages,
			    (unsigned)load_acquire(&shared->root_slot), &view),
		1);
	test_kill(owner);
	must_be(pt_lookup(&view, VA + 4 * PAGE_BYTES, &leaf), 1);
	must_be((long)leaf.pfn, (long)first_block + 4);
	pf_pool_set_lock_limit(pool, 20);
	must_be(pf_reap(pool), 0);
	must_be(pt_lookup(&view, VA + 4 * PAGE_BYTES, &leaf), 1);
	space_leave(pool_self(pool));
	must_be(pf_reap(pool), 1);
	must_be((long)tables(pool), 0);
	must_be(space_enter(pool_self(pool), &pool->layout.pages,
			    (unsigned)load_acquire(&shared->root_slot), &view),
		0);
	pf_pool_set_lock_limit(pool, 1000);
	pool_check(pool, "an owner of tables died");
}

/* ---- killed while it takes memory ---- */

#ifdef PF_STEPS
static const char *die_at;

static void die(const char *name)
{
	if (!strcmp(name, die_at))
		kill(getpid(), SIGKILL);
}

static int dies_at_step(void *arg)
{
	pf_pool *pool = pool_open(path);
	struct space *s;

	die_at = arg;
	step_hook = die;
	OK(space_make(pool_self(pool), &pool->layout.pages, NULL, &s));
	for (uint64_t i = 0; i < 2 * RT_TABLES_BATCH; i++)
		OK(pt_map(&s->pt, VA + i * BLOCK_BYTES, first_block, 1, PT_READ, PT_PTE));
	return 0;
}

/* Nothing is lost: what the dead one took, or was about to, is what the next one gets. */
static void killed_at_steps(pf_pool *pool)
{
	static const char *const steps[] = {"arena: tables pending", "arena: tables moved on",
					    "arena: tables free", "table: claimed"};
	struct rt_self *me = pool_self(pool);
	uint64_t offset[4 * RT_TABLES_BATCH], before;

	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		/* All that are free are taken, so that the child needs new ones. */
		unsigned n = 0, more = 0;

		for (before = load_relaxed(&me->rt->header->arena_next);
		     load_relaxed(&me->rt->header->arena_next) == before; n++)
			OK(rt_table_get(me, &offset[n % ARRAY_SIZE(offset)]));
		for (; n % RT_TABLES_BATCH; n++)
			OK(rt_table_get(me, &offset[n % ARRAY_SIZE(offset)]));
		must_be(test_wait(test_fork(dies_at_step, (void *)steps[i]), TEST_PATIENCE),
			256 + SIGKILL);
		pool_check(pool, steps[i]);
		must_be((long)rt_tables_of(me->rt, me->rt->slot), (long)tables(pool));
		before = load_relaxed(&me->rt->header->arena_next);
		for (; load_relaxed(&me->rt->header->arena_next) == before; more++)
			OK(rt_table_get(me, &offset[0]));
		printf("killed at '%s': %u tables until new ones were needed\n", steps[i],
		       more - 1);
		must(more - 1 >= (i ? RT_TABLES_BATCH : 0));
		rt_tables_free(me->rt, me->rt->slot);
	}
}
#else
static void killed_at_steps(pf_pool *pool)
{
	(void)pool;
	skip_part("%s", "kills at steps of the arena: this build has none; make test-debug has");
}
#endif

int main(void)
{
	pf_pool *pool;
	pf_file *file;
	pf_map *map;

	path = pool_make("pool", 64);
	pool = pool_open(path);
	OK(pf_open(pool, "f", PF_O_RDWR | PF_O_CREATE, 0644, &file));
	OK(pf_allocate(file, 0, BLOCKS * BLOCK_BYTES, 0));
	OK(pf_map_file(file, 0, BLOCKS * BLOCK_BYTES, PF_MAP_READ, &map));
	first_block =
		(uint64_t)((const uint8_t *)pf_map_address(map) - pool->data_read) / PAGE_BYTES +
		pool->layout.pages.first;
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	must(shared != MAP_FAILED);
	ready = test_gate();
	go = test_gate();
	stopped_reader(pool, false);
	stopped_reader(pool, true);
	dead_owner(pool);
	killed_at_steps(pool);
	race(pool, false, 0.3);
	race(pool, true, 0.3);
	printf("%lu lookups, %lu found something\n", (unsigned long)load_relaxed(&shared->lookups),
	       (unsigned long)load_relaxed(&shared->hits));
	pf_unmap(map);
	OK(pf_close(file));
	OK(pf_pool_close(pool));
	return 0;
}
