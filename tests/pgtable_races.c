/* Readers in threads beside one that maps, unmaps, splits, collapses, moves: none finds what was cleared before it looked, or a table that was freed. */
/* test: suite=short timeout=120 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "tables.h"
#include "test.h"

#define READERS   2u
#define PLACES    4u
#define SETTLE_NS 1000000u
#define FLAGS     (PT_READ | PT_WRITE | PT_USER)

/* Each place is what one leaf of level 1 maps. Generation g of place p maps the pages from pfn_of(p, g) on: no two generations of the last
 * GENERATIONS have a page in common. */
#define GENERATIONS 64ull

static struct tables tables;
static _Atomic uint64_t made[PLACES], cleared[PLACES];
static _Atomic uint64_t inside[READERS]; /* odd: the reader is in the tree */
static uint64_t noted[READERS];
static _Atomic bool done;
static _Atomic uint64_t found;

static uint64_t span(void)
{
	return pt_pages(tables.pt.fmt, 1);
}

static uint64_t pfn_of(unsigned place, uint64_t generation)
{
	return (place * GENERATIONS + generation % GENERATIONS) * span();
}

static uint64_t address(unsigned place)
{
	return pt_bytes(tables.pt.fmt, 1) * (2 * place + 1);
}

/* ---- readers that the tree waits for ---- */

static int note(void *arg)
{
	(void)arg;
	memory_fence(memory_order_seq_cst);
	for (unsigned i = 0; i < READERS; i++)
		noted[i] = load_acquire(&inside[i]);
	return 0;
}

static bool gone(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < READERS; i++)
		if (noted[i] % 2 && load_acquire(&inside[i]) == noted[i])
			return false;
	return true;
}

static void look(unsigned place, uint64_t page)
{
	uint64_t before = load_acquire(&cleared[place]), after;
	struct pt_leaf leaf;
	int rc = pt_lookup(&tables.pt, address(place) + page * PAGE_BYTES, &leaf);

	after = load_acquire(&made[place]);
	must(rc >= 0);
	if (!rc)
		return;
	atomic_fetch_add_explicit(&found, 1, memory_order_relaxed);
	for (uint64_t g = before + 1; g <= after && g <= before + GENERATIONS; g++)
		if (leaf.pfn == pfn_of(place, g) + page)
			return;
	test_fail(__FILE__, __LINE__, "place %u page %lu is %lu: of no generation %lu to %lu",
		  place, (unsigned long)page, (unsigned long)leaf.pfn, (unsigned long)before + 1,
		  (unsigned long)after);
}

static int see(struct pt_walk *walk, uint64_t va, pt_slot *slot, pt_entry e)
{
	(void)va, (void)slot;
	must(!e || pt_is_marker(e) || pt_is_leaf(walk->pt->fmt, e, PT_PTE));
	return 0;
}

static void *reader(void *arg)
{
	static const struct pt_walk_ops ops = {.pte = see};
	unsigned number = (unsigned)(uintptr_t)arg;
	struct test_random random = {number + 1};

	while (!load_acquire(&done)) {
		store_fence(&inside[number], load_relaxed(&inside[number]) + 1);
		for (unsigned i = 0; i < 20; i++)
			look((unsigned)test_below(&random, PLACES), test_below(&random, span()));
		must_be(pt_walk(&tables.pt, 0, 2 * PLACES * span(), &ops, NULL, NULL), 0);
		store_release(&inside[number], load_relaxed(&inside[number]) + 1);
	}
	return NULL;
}

/* ---- the writer ---- */

static int zap(void *arg, uint64_t va, uint64_t pages)
{
	(void)arg;
	return pt_unmap(&tables.pt, va, pages, PT_KEEP_GUARDS, NULL);
}

static void clear(unsigned place, uint64_t g)
{
	must_be(pt_unmap(&tables.pt, address(place), span(), 0, NULL), 0);
	store_release(&cleared[place], g);
}

static void change(struct test_random *r)
{
	struct pt *pt = &tables.pt;
	unsigned place = (unsigned)test_below(r, PLACES);
	uint64_t g = load_relaxed(&made[place]), va = address(place);
	uint64_t page = va + test_below(r, span()) * PAGE_BYTES, aside = va - pt_bytes(pt->fmt, 1);
	int rc;

	/* A reader that does not run keeps them all. */
	while (tables.in_use > tables.bytes / PAGE_BYTES / 2)
		pt_settle(pt, SETTLE_NS);
	if (g == load_relaxed(&cleared[place])) {
		store_release(&made[place], g + 1);
		must_be(pt_map(pt, va, pfn_of(place, g + 1), span(), FLAGS,
			       (unsigned)test_below(r, 2)),
			0);
		return;
	}
	switch (test_below(r, 8)) {
	case 0:
		clear(place, g);
		break;
	case 1:
		must_be(pt_unmap(pt, page, 1, 0, NULL), 0);
		break;
	case 2:
		must_be(pt_split(pt, page, PT_PTE, NULL), 0);
		break;
	case 3:
		rc = pt_collapse(pt, va, PT_PMD, NULL);
		must(rc == 0 || rc == -PF_EPTLEAF);
		break;
	case 4:
		must(pt_protect(pt, page, 1, test_below(r, 2) ? PT_READ : FLAGS, NULL) >= 0);
		break;
	case 5:
		must_be(pt_guard_install(pt, page, 1, zap, NULL), 0);
		break;
	case 6:
		/* There, and back: the whole table, or the leaf. */
		must_be(pt_move(pt, va, aside, span(), NULL), 0);
		must_be(pt_move(pt, aside, va, span(), NULL), 0);
		break;
	default:
		pt_settle(pt, 0);
	}
}

static void violation(void *arg, const char *rule, const char *text)
{
	(void)arg;
	test_fail(__FILE__, __LINE__, "%s: %s", rule, text);
}

static void race(const struct pt_fmt *f, double share)
{
	struct report report = {.each = violation};
	struct test_random random = {test_seed()};
	struct pt_memory memory;
	pthread_t thread[READERS];

	tables_make(&tables, f, 4096, PLACES * GENERATIONS * pt_pages(f, 1));
	memory = *tables.pt.memory;
	memory.note = note;
	memory.gone = gone;
	tables.pt.memory = &memory;
	memset(made, 0, sizeof made);
	memset(cleared, 0, sizeof cleared);
	store_release(&done, false);
	for (unsigned i = 0; i < READERS; i++)
		must(!pthread_create(&thread[i], NULL, reader, (void *)(uintptr_t)i));
	while (test_time_left(share))
		change(&random);
	store_release(&done, true);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(thread[i], NULL);
	must_be((long)pt_settle(&tables.pt, 0), 0);
	must_be(pt_check(&tables.pt, &report), 0);
	must_be(pt_destroy(&tables.pt, NULL), 0);
	tables_end(&tables);
}

int main(void)
{
	struct pt_fmt tiny = tables_tiny(&pt_x86_64, 2);

	race(&pt_x86_64, 0.5);
	race(&tiny, 1);
	printf("%lu lookups found something\n", (unsigned long)found);
	must(found > 1000);
	return 0;
}
