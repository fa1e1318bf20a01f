/* The map of a file is what a plain array says, whatever folios are added and removed; opening anew finds the same. */
/* test: suite=short timeout=120 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "box.h"
#include "test.h"

#define BLOCKS 6u
#define PAGES  (BLOCKS * BLOCK_PAGES)

struct model {
	uint64_t pfn[PAGES]; /* 0: hole */
	uint8_t order[PAGES];
	bool used[PAGES]; /* pages of the data zone */
};

static struct box box;
static struct model model;
static struct test_random chance;
static uint64_t where; /* index of the model's first page in the file */
static uint32_t ino;

/* ---- the slow oracle -------------------------------------------------------------------------------- */

static void compare_entry(uint64_t i)
{
	uint64_t pfn = 0;
	entry_t e = fs_entry(&box.fs, ino, where + i, &pfn);

	if (!!e != !!model.pfn[i] || (e && pfn != model.pfn[i]))
		test_fail(__FILE__, __LINE__, "page %lu: pfn %lu, wanted %lu",
			  (unsigned long)(where + i), (unsigned long)(e ? pfn : 0),
			  (unsigned long)model.pfn[i]);
}

static uint64_t model_next(uint64_t from, bool hole)
{
	while (from < PAGES && !model.pfn[from] != hole)
		from++;
	return from;
}

static void compare(void)
{
	uint64_t pages = 0;

	for (uint64_t i = 0; i < PAGES; i++) {
		compare_entry(i);
		pages += model.pfn[i] != 0;
	}
	for (unsigned n = 0; n < 50; n++) {
		uint64_t i = test_below(&chance, PAGES);

		must_be(fs_next_entry(&box.fs, ino, where + i, where + PAGES) - where,
			model_next(i, false));
		must_be(fs_next_hole(&box.fs, ino, where + i, where + PAGES) - where,
			model_next(i, true));
		must_be(fs_hole(&box.fs, ino, where + i, PAGES - i), model_next(i, false) - i);
	}
	must_be(fs_pages(&box.fs, ino), pages);
}

/* ---- changes ---------------------------------------------------------------------------------------- */

static bool range_is_hole(uint64_t index, uint64_t n)
{
	return model_next(index, false) >= index + n;
}

/* Aligned free pages of the data zone; 0: none found. */
static uint64_t find_pages(unsigned order)
{
	uint64_t n = 1ul << order;

	for (unsigned tries = 0; tries < 200; tries++) {
		uint64_t at = align_down(test_below(&chance, PAGES), n), i = 0;

		while (i < n && !model.used[at + i])
			i++;
		if (i == n)
			return box_first_pfn(&box) + at;
	}
	return 0;
}

static void set_pages(uint64_t index, unsigned order, uint64_t pfn)
{
	for (uint64_t i = 0; i < 1ul << order; i++) {
		model.pfn[index + i] = pfn + i;
		model.order[index + i] = (uint8_t)order;
		model.used[pfn - box_first_pfn(&box) + i] = true;
	}
}

static void add_some(void)
{
	unsigned order = (unsigned)test_below(&chance, BLOCK_ORDER + 1);
	uint64_t index = align_down(test_below(&chance, PAGES), 1ul << order), pfn;
	struct journal_tx tx;

	if (order == BLOCK_ORDER)
		order = fs_order_limit(&box.fs, ino, where + index);
	pfn = find_pages(order);
	if (!pfn || !range_is_hole(index, 1ul << order))
		return;
	journal_begin(&tx, box.me);
	must_be(fs_entry_add(&box.fs, &tx, ino, where + index, order, ENTRY_LEAF, pfn), 0);
	compare_entry(index); /* nothing before the commit */
	journal_commit(&box.fs.journal, &tx);
	set_pages(index, order, pfn);
}

/* A piece of what one call added. */
static void remove_some(void)
{
	uint64_t index = model_next(test_below(&chance, PAGES), false), n = 1, most;
	struct journal_tx tx;

	if (index == PAGES)
		return;
	most = 1 + test_below(&chance, test_below(&chance, 2) ? BLOCK_PAGES : 8);
	while (n < most && (index + n) % BLOCK_PAGES &&
	       model.pfn[index + n] == model.pfn[index] + n &&
	       model.order[index + n] == model.order[index])
		n++;
	journal_begin(&tx, box.me);
	must_be(fs_entry_remove(&box.fs, &tx, ino, where + index, n), 0);
	compare_entry(index);
	journal_commit(&box.fs.journal, &tx);
	fs_node_linked(box.me);
	for (uint64_t i = index; i < index + n; i++) {
		model.used[model.pfn[i] - box_first_pfn(&box)] = false;
		model.pfn[i] = 0;
	}
}

/* fs_build told each page once, where it is. */
static void compare_runs(void)
{
	static uint64_t told[PAGES];

	memset(told, 0, sizeof told);
	for (size_t r = 0; r < box.run_count; r++)
		for (uint64_t i = 0; i < box.runs[r].pages; i++) {
			must_be(box.runs[r].ino, ino);
			must(box.runs[r].index + i - where < PAGES);
			must(!told[box.runs[r].index + i - where]);
			told[box.runs[r].index + i - where] = box.runs[r].pfn + i;
		}
	must(!memcmp(told, model.pfn, sizeof told));
}

static void evict(void)
{
	for (uint64_t i; (i = model_next(0, false)) < PAGES; model.pfn[i] = 0)
		box_cut(&box, ino, where + i, 1);
	must_be(fs_pages(&box.fs, ino), 0);
	box_evict(&box, ino);
	memset(&model, 0, sizeof model);
}

static void round_at(uint64_t at, unsigned steps)
{
	uint64_t nodes = load_relaxed(&box.fs.shared->nodes_free);

	ino = box_create(&box, "file");
	where = at;
	for (unsigned i = 0; i < steps; i++) {
		if (test_below(&chance, 5) < 3)
			add_some();
		else
			remove_some();
		if (i % 20 == 0)
			compare();
	}
	compare();
	box_check(&box);
	box_close(&box);
	box_open(&box); /* builds anew */
	compare_runs();
	compare();
	box_check(&box);
	evict();
	must_be(load_relaxed(&box.fs.shared->nodes_free), nodes);
	box_check(&box);
}

int main(void)
{
	static const uint64_t places[] = {0,
					  0,
					  0,
					  512,
					  512 * 511,
					  512 * 512,
					  512ul * 512 * 512 - 1024,
					  1ul << 39,
					  FILE_PAGES_MAX - PAGES};

	test_dir();
	chance.state = test_seed();
	box_make(&box, 64 << 20, 0, 0);
	must(box.super.data_pages >= PAGES);
	box_open(&box);
	box_create(&box, "other"); /* the root directory has its bucket from here on */
	do
		for (size_t i = 0; i < ARRAY_SIZE(places); i++)
			round_at(places[i], 60 + (unsigned)test_below(&chance, 200));
	while (test_time_left(1));
	box_end(&box);
	return 0;
}
