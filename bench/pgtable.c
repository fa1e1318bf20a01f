/*
 * Page tables: mapping and unmapping 1 GiB with leaves of each size, finding a page, walking a range. Peers: Linux's own tables for a file on
 * tmpfs (mmap with MAP_POPULATE, munmap); four dependent loads through the same number of tables as plain pointers, which is what finding costs at
 * least; and a loop over the entries of as many tables.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "file/pool.h"
#include "mm/mm.h"

#define PAGES   (GIB / 4096)
#define VA      0x7f0000000000ull /* a multiple of 1 GiB */
#define LOOKUPS 1000000u
#define FLAGS   (PT_READ | PT_WRITE | PT_USER | PT_YOUNG | PT_DIRTY)

static struct space *space;
static struct pt_memory memory;
static uint64_t random_state = 0x2545f4914f6cdd1d;
static uint32_t *order; /* pages, to be looked up in this order */

static void map_all(unsigned level)
{
	if (pt_map(&space->pt, VA, 0, PAGES, FLAGS, level) < 0)
		die("pt_map");
}

static void unmap_all(void)
{
	if (pt_unmap(&space->pt, VA, PAGES, 0, NULL) < 0)
		die("pt_unmap");
	space_settle(space);
}

static void run_map(void *arg, double *ns)
{
	uint64_t begin = clock_mono();

	map_all(*(unsigned *)arg);
	unmap_all();
	*ns = ns_since(begin);
}

static void run_mmap(void *arg, double *ns)
{
	uint64_t begin = clock_mono();
	void *at =
		mmap(NULL, GIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, *(int *)arg, 0);

	if (at == MAP_FAILED || munmap(at, GIB) < 0)
		die("mmap");
	*ns = ns_since(begin);
}

static void run_lookup(void *arg, double *ns)
{
	uint64_t begin = clock_mono(), found = 0;
	struct pt_leaf leaf;

	(void)arg;
	for (unsigned i = 0; i < LOOKUPS; i++) {
		/* Each depends on the one before, as the loads of the peer do. */
		if (pt_lookup(&space->pt, VA + order[i + found] * 4096ull, &leaf) != 1)
			die("pt_lookup");
		found = leaf.pfn >> 63;
	}
	*ns = ns_since(begin) / LOOKUPS;
}

static void run_lookup_remote(void *arg, double *ns)
{
	struct rt_self *me = arg;
	uint64_t begin = clock_mono();
	struct pt_leaf leaf;
	struct pt view;

	for (unsigned i = 0; i < LOOKUPS; i++) {
		if (space_enter(me, space->pages, me->rt->slot, &view) != 1)
			die("space_enter");
		view.pages = PAGES;
		if (pt_lookup(&view, VA + order[i] * 4096ull, &leaf) != 1)
			die("pt_lookup");
		space_leave(me);
	}
	*ns = ns_since(begin) / LOOKUPS;
}

/* ---- the same, as plain pointers ---- */

#define PLAIN_TABLES 515u

static void **plain_root, **plain_next;

/* In memory of the same kind as the arena: a file on tmpfs. */
static void **plain_table(void)
{
	void **table = plain_next;

	plain_next += 512;
	return table;
}

static void plain_make(void)
{
	char path[128];
	int fd;

	snprintf(path, sizeof path, "%s/plain", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	unlink(path);
	if (fd < 0 || ftruncate(fd, PLAIN_TABLES * 4096) < 0)
		die(path);
	plain_next = mmap(NULL, PLAIN_TABLES * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (plain_next == MAP_FAILED)
		die("mmap");
	close(fd);
	plain_root = plain_table();
	for (uint64_t page = 0; page < PAGES; page++) {
		uint64_t va = VA + page * 4096;
		void **table = plain_root;

		for (unsigned shift = 39; shift > 12; shift -= 9) {
			void **slot = &table[va >> shift & 511];

			if (!*slot)
				*slot = plain_table();
			table = *slot;
		}
		table[va >> 12 & 511] = (void *)(uintptr_t)(page + 1);
	}
}

static void *plain_lookup(uint64_t va)
{
	void **table = plain_root;

	table = table[va >> 39 & 511];
	table = table[va >> 30 & 511];
	table = table[va >> 21 & 511];
	return table[va >> 12 & 511];
}

static void run_plain(void *arg, double *ns)
{
	uint64_t begin = clock_mono(), found = 0;

	(void)arg;
	for (unsigned i = 0; i < LOOKUPS; i++) {
		void *p = plain_lookup(VA + order[i + found] * 4096ull);

		if (!p)
			die("plain");
		found = (uintptr_t)p >> 63;
	}
	*ns = ns_since(begin) / LOOKUPS;
}

/* ---- walking ---- */

static int count(struct pt_walk *walk, uint64_t va, pt_slot *slot, pt_entry e)
{
	(void)va, (void)slot;
	*(uint64_t *)walk->arg += e != 0;
	return 0;
}

static void run_walk(void *arg, double *ns)
{
	static const struct pt_walk_ops ops = {.pte = count};
	uint64_t begin = clock_mono(), n = 0;

	(void)arg;
	if (pt_walk(&space->pt, VA, PAGES, &ops, NULL, &n) || n != PAGES)
		die("pt_walk");
	*ns = ns_since(begin) / PAGES;
}

static void run_loop(void *arg, double *ns)
{
	uint64_t begin = clock_mono(), n = 0;

	(void)arg;
	for (uint64_t page = 0; page < PAGES; page += 512) {
		uint64_t va = VA + page * 4096;
		void *volatile *table = ((void ***)((
			void **)plain_root[va >> 39 & 511])[va >> 30 & 511])[va >> 21 & 511];

		for (unsigned i = 0; i < 512; i++)
			n += table[i] != NULL;
	}
	if (n != PAGES)
		die("plain");
	*ns = ns_since(begin) / PAGES;
}

/* ---- the rows ---- */

static void bench_mapping(void)
{
	static const char *const names[] = {"pt_map_1g_4k", "pt_map_1g_2m", "pt_map_1g_1g"};
	unsigned levels[] = {PT_PTE, PT_PMD, PT_PUD};
	char path[128];
	int fd;
	struct runner r[] = {{.run = run_map, .arg = &levels[0]},
			     {.run = run_map, .arg = &levels[1]},
			     {.run = run_map, .arg = &levels[2]},
			     {.run = run_mmap, .arg = &fd}};

	snprintf(path, sizeof path, "%s/pages", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	unlink(path);
	if (fd < 0 || ftruncate(fd, GIB) < 0)
		die(path);
	take_turns(r, 4, 1, ROUNDS);
	close(fd);
	for (unsigned i = 0; i < 3; i++) {
		row(names[i], i == 2 ? "ns" : "us", i == 2 ? 1 : 1e3, r[i].part[0], "tmpfs",
		    r[3].part[0].median);
		printf("  that is %.1f million pages of 4 KiB in a second\n",
		       PAGES / r[i].part[0].median * 1e3);
	}
}

static void bench_reading(struct rt_self *me)
{
	struct runner r[] = {{.run = run_lookup},
			     {.run = run_lookup_remote, .arg = me},
			     {.run = run_plain},
			     {.run = run_walk},
			     {.run = run_loop}};

	order = malloc(LOOKUPS * sizeof *order);
	if (!order)
		die("memory");
	for (unsigned i = 0; i < LOOKUPS; i++)
		order[i] = (uint32_t)(next_random(&random_state) % PAGES);
	plain_make();
	map_all(PT_PTE);
	take_turns(r, 5, 1, SHORT_ROUNDS);
	row("pt_lookup", "ns", 1, r[0].part[0], "pointers", r[2].part[0].median);
	row("pt_lookup_enter", "ns", 1, r[1].part[0], "pointers", r[2].part[0].median);
	row("pt_walk_entry", "ns", 1, r[3].part[0], "loop", r[4].part[0].median);
	printf("  that is %.0f million entries in a second\n", 1e3 / r[3].part[0].median);
	unmap_all();
	free(order);
}

void bench_pgtable(void)
{
	char path[128];
	pf_pool *pool;
	struct rt_self *me;
	uint64_t lost;

	/* Nothing is stored in the pool: its pages are only named. */
	make_pool("pgtable", GIB + 64 * MIB, 0, true, path);
	pool = open_pool(path, false, 0);
	me = pool_self(pool);
	if (!me || space_make(me, &pool->layout.pages, NULL, &space) < 0)
		die("space");
	memory = *space->pt.memory;
	memory.fits = NULL;
	space->pt.memory = &memory;
	bench_mapping();
	bench_reading(me);
	map_all(PT_PTE);
	printf("pt_memory: %lu tables for %lu pages\n",
	       (unsigned long)rt_tables_used(me->rt, &lost), PAGES);
	unmap_all();
	space_end(me, space, NULL);
	pf_pool_close(pool);
	unlink(path);
}
