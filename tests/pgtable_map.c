/* Mapping takes the largest leaves that fit, refuses what is mapped, leaves no trace when it fails; unmapping gives every table back. */
#include "base/err.h"
#include "base/sys.h"
#include "tables.h"
#include "test.h"

#define MB2   512ull    /* pages */
#define GB1   262144ull /* pages */
#define FLAGS (PT_READ | PT_WRITE | PT_USER)

static struct {
	unsigned gone[3];
	unsigned split;
} seen;

static void gone(void *arg, uint64_t va, unsigned level, pt_entry leaf)
{
	(void)arg, (void)va, (void)leaf;
	seen.gone[level]++;
}

static int split(void *arg, uint64_t va, unsigned level, pt_entry leaf)
{
	(void)arg, (void)va, (void)level, (void)leaf;
	seen.split++;
	return 0;
}

static const struct pt_gather count = {.gone = gone, .split = split};

static void must_map(struct pt *pt, uint64_t va, unsigned level, uint64_t pfn)
{
	struct pt_leaf leaf;

	must_be(pt_lookup(pt, va, &leaf), 1);
	must_be(leaf.level, level);
	must_be(leaf.pfn, pfn);
	must_be(pt->fmt->flags(level, leaf.entry), FLAGS);
	must(pt_leaf_same(pt, &leaf));
}

static void largest_leaves(struct tables *t)
{
	struct pt *pt = &t->pt;
	uint64_t va = 0x40000000 - 0x201000; /* one page and 2 MiB before a multiple of 1 GiB */

	must_be(pt_map(pt, va, 2 * GB1 - MB2 - 1, 1 + MB2 + GB1 + MB2 + 3, FLAGS, PT_PUD), 0);
	must_map(pt, va, PT_PTE, 2 * GB1 - MB2 - 1);
	must_map(pt, va + 0x1000, PT_PMD, 2 * GB1 - MB2);
	must_map(pt, va + 0x3000, PT_PMD, 2 * GB1 - MB2 + 2);
	must_map(pt, 0x40000000 + 0x12345000, PT_PUD, 2 * GB1 + 0x12345);
	must_map(pt, 0x80000000 + 0x5000, PT_PMD, 3 * GB1 + 5);
	must_map(pt, 0x80000000 + 0x202000, PT_PTE, 3 * GB1 + MB2 + 2);
	must_be(pt_lookup(pt, 0x80000000 + 0x203000, &(struct pt_leaf){0}), 0);
	must_be(pt_map(pt, 0x60000000, 5, 1, FLAGS, PT_PUD), -PF_EMAPPED);
	must_be(pt_insert(pt, 0x60000000, PT_PMD, 5, FLAGS), -PF_EPTLEAF);
	must_be((long)t->in_use, pt->fmt->levels == 4 ? 6 : pt->fmt->levels == 5 ? 7 : 5);

	must_be(pt_unmap(pt, 0x40000000 + 0x12345000, 1, 0, &count), 0);
	must_be(seen.split, 2);
	must_be(seen.gone[0], 1);
	must_be(pt_lookup(pt, 0x40000000 + 0x12345000, &(struct pt_leaf){0}), 0);
	must_map(pt, 0x40000000 + 0x12344000, PT_PTE, 2 * GB1 + 0x12344);
	must_map(pt, 0x40000000 + 0x12600000, PT_PMD, 2 * GB1 + 0x12600);
	must_be(pt_unmap(pt, va, 1 + MB2 + GB1 + MB2 + 3, 0, &count), 0);
	must_be(seen.gone[0], 1 + 511 + 1 + 3);
	must_be(seen.gone[1], 511 + 2);
	must_be(pt_settle(pt, 0), 0);
	must_be((long)t->in_use, 1);
}

static void no_trace(struct tables *t)
{
	struct pt *pt = &t->pt;

	for (uint64_t left = 0; left < pt->fmt->levels + 1u; left++) {
		t->left = left;
		must_be(pt_map(pt, 0x7fe00000, 1, MB2 + 1, FLAGS, PT_PUD), -ENOMEM);
		t->left = UINT64_MAX;
		must_be(pt_unmap(pt, 0x7fe00000, MB2 + 1, 0, NULL), 0);
		must_be(pt_settle(pt, 0), 0);
		must_be((long)t->in_use, 1);
	}
}

/* Memory of the process, for what a tree remembers, ends: the same, and afterwards it can be done. */
static void no_memory(struct tables *t)
{
	struct pt *pt = &t->pt;
	unsigned failed = 0;

	for (uint64_t i = 0; i < 200; i++) {
		uint64_t va = 0x40000000 + (i << 21), tables = pt->tables;
		int rc;

		sys_fail_nth(1, ENOMEM);
		rc = pt_map(pt, va, i, 1, FLAGS, PT_PUD);
		sys_fail_nth(0, 0);
		if (rc == 0)
			continue;
		must_be(rc, -ENOMEM);
		must_be((long)pt->tables, (long)tables);
		must_be((long)t->in_use, (long)tables);
		must_be(pt_map(pt, va, i, 1, FLAGS, PT_PUD), 0);
		failed++;
	}
	must(failed >= 3);
	sys_fail_nth(1, ENOMEM);
	must_be(pt_check(pt, &(struct report){0}), -ENOMEM);
	sys_fail_nth(0, 0);
	must_be(pt_unmap(pt, 0x40000000, GB1, 0, NULL), 0);
	must_be(pt_settle(pt, 0), 0);
	must_be((long)t->in_use, 1);
}

static void bad_input(struct tables *t)
{
	struct pt *pt = &t->pt;
	const struct pt_fmt *f = pt->fmt;
	uint64_t end = 1ull << (pt_shift(f, f->levels) - f->sign);

	must_be(pt_map(pt, 0x1001, 0, 1, FLAGS, PT_PUD), -PF_ERANGE);
	must_be(pt_map(pt, 0x1000, 0, 0, FLAGS, PT_PUD), -PF_ERANGE);
	must_be(pt_map(pt, end - 0x1000, 0, 2, FLAGS, PT_PUD), -PF_ERANGE);
	must_be(pt_map(pt, end, 0, 1, FLAGS, PT_PUD), -PF_ERANGE);
	must_be(pt_map(pt, 0x1000, 0, UINT64_MAX, FLAGS, PT_PUD), -PF_ERANGE);
	must_be(pt_map(pt, 0x1000, pt->pages, 1, FLAGS, PT_PUD), -PF_ERANGE);
	must_be(pt_map(pt, 0x1000, 1, pt->pages, FLAGS, PT_PUD), -PF_ERANGE);
	must_be(pt_insert(pt, 0, PT_P4D, 0, FLAGS), -PF_EPTLEAF);
	must_be(pt_lookup(pt, end, &(struct pt_leaf){0}), -PF_ERANGE);
	t->folio_level = PT_PTE;
	must_be(pt_insert(pt, 0, PT_PMD, 0, FLAGS), -PF_EPTLEAF);
	t->folio_level = PT_PUD;
	must_be((long)t->in_use, 1);
	must_be(pt_map(pt, end - 0x1000, 7, 1, FLAGS, PT_PUD), 0);
	must_map(pt, end - 0x1000, PT_PTE, 7);
	must_be(pt_unmap(pt, 0, end / PAGE_BYTES, 0, NULL), 0);
	must_be(pt_settle(pt, 0), 0);
}

static void readers_inside(struct tables *t)
{
	struct pt *pt = &t->pt;
	struct pt_leaf leaf;

	must_be(pt_map(pt, 0x7000, 3, 1, FLAGS, PT_PUD), 0);
	must_be(pt_lookup(pt, 0x7000, &leaf), 1);
	t->busy = true;
	must_be(pt_unmap(pt, 0x7000, 1, 0, NULL), 0);
	must_be(pt_settle(pt, 0), pt->fmt->levels - 1);
	must(!pt_leaf_same(pt, &leaf));
	must_be((long)load_acquire(leaf.slot), 0);
	t->busy = false;
	must_be(pt_settle(pt, 0), 0);
	must_be((long)t->in_use, 1);
}

int main(void)
{
	struct tables t;

	for (unsigned i = 0; i < tables_format_count; i++) {
		seen.split = seen.gone[0] = seen.gone[1] = seen.gone[2] = 0;
		tables_make(&t, tables_formats[i], 4096, 4 * GB1);
		largest_leaves(&t);
		no_memory(&t);
		no_trace(&t);
		bad_input(&t);
		readers_inside(&t);
		must_be(pt_map(&t.pt, 0x7000, 3, 70000, FLAGS, PT_PUD), 0);
		must_be(pt_destroy(&t.pt, NULL), 0);
		tables_end(&t);
	}
	return 0;
}
