/* What leaves say: permissions, write-protection, dirty and accessed bits change in the range and nowhere else; what is not young is not looked into. */
#include "base/err.h"
#include "tables.h"
#include "test.h"

#define MB2   512ull /* pages */
#define VA    0x40000000ull
#define FLAGS (PT_READ | PT_WRITE | PT_USER)

static struct {
	unsigned leaves;
	uint64_t va;
	unsigned level;
} told;

static void each(void *arg, uint64_t va, unsigned level, pt_entry before)
{
	(void)arg, (void)before;
	told.leaves++;
	told.va = va;
	told.level = level;
}

static unsigned flags_at(struct pt *pt, uint64_t va)
{
	struct pt_leaf leaf;

	must_be(pt_lookup(pt, va, &leaf), 1);
	return pt->fmt->flags(leaf.level, leaf.entry);
}

/* As hardware does for an access. */
static void access(struct pt *pt, uint64_t va, unsigned access)
{
	struct pt_leaf leaf;

	must_be(pt_lookup(pt, va, &leaf), 1);
	atomic_store(leaf.slot, pt->fmt->touch(leaf.entry, access));
	if (leaf.upper)
		atomic_fetch_or(leaf.upper, pt->fmt->table_young);
	must(pt_leaf_same(pt, &leaf));
}

static void permissions(struct pt *pt)
{
	must_be(pt_protect(pt, VA + 0x5000, 3, PT_READ, NULL), 3);
	must_be(flags_at(pt, VA + 0x4000), FLAGS);
	must_be(flags_at(pt, VA + 0x5000), PT_READ | PT_USER);
	must_be(flags_at(pt, VA + 0x8000), FLAGS);
	must_be(pt_protect(pt, VA + 0x5000, 3, PT_READ, NULL), 0);
	must_be(pt_protect(pt, VA + 0x5000, 1, 0, NULL), 1);
	must_be(flags_at(pt, VA + 0x5000), PT_USER);
	must_be(pt_protect(pt, VA, MB2, PT_READ | PT_WRITE, NULL), 3);
	must_be(pt_collapse(pt, VA, PT_PMD, NULL), 0);
	must_be(flags_at(pt, VA), FLAGS);
}

static void tracking(struct pt *pt)
{
	must_be(pt_write_protect(pt, VA, 2 * MB2, NULL), 2);
	must_be(flags_at(pt, VA), (FLAGS & ~PT_WRITE) | PT_UFFD_WP);
	must_be(pt_protect(pt, VA, 2 * MB2, PT_READ | PT_WRITE, NULL), 0);
	must_be(pt_write_unprotect(pt, VA + MB2 * PAGE_BYTES, 1, true, NULL), 1);
	must_be(flags_at(pt, VA + MB2 * PAGE_BYTES), FLAGS);
	must_be(flags_at(pt, VA + MB2 * PAGE_BYTES + 0x1000), (FLAGS & ~PT_WRITE) | PT_UFFD_WP);
	must_be(pt_write_unprotect(pt, VA, 2 * MB2, true, NULL), 1 + 511);
	must_be(pt_collapse(pt, VA + MB2 * PAGE_BYTES, PT_PMD, NULL), 0);
}

static void dirty(struct pt *pt)
{
	access(pt, VA + 0x7000, PT_WRITE);
	must_be(flags_at(pt, VA), FLAGS | PT_YOUNG | PT_DIRTY);
	/* Dirty stays known when nobody may write any more. */
	must_be(pt_protect(pt, VA, MB2, PT_READ, NULL), 1);
	must_be(flags_at(pt, VA), PT_READ | PT_USER | PT_YOUNG | PT_DIRTY);
	told.leaves = 0;
	must_be(pt_collect_dirty(pt, VA + 0x1000, 1, each, NULL), 1);
	must_be(told.leaves, 1);
	must_be((long)told.va, VA);
	must_be(told.level, PT_PMD);
	must_be(pt_collect_dirty(pt, VA, 2 * MB2, each, NULL), 0);
	must_be(pt_protect(pt, VA, MB2, PT_READ | PT_WRITE, NULL), 1);
}

static void young(struct pt *pt)
{
	uint64_t small = VA + 4 * MB2 * PAGE_BYTES;

	must_be(pt_map(pt, small, 7, 5, FLAGS | PT_YOUNG, PT_PUD), 0);
	must_be(pt_clear_young(pt, VA, 8 * MB2, NULL, NULL), 6); /* and the one of dirty() */
	must_be(pt_clear_young(pt, VA, 8 * MB2, NULL, NULL), 0);
	told.leaves = 0;
	access(pt, small + 0x2000, PT_READ);
	must_be(pt_clear_young(pt, small + 0x1000, 1, each, NULL), 0);
	must_be(pt_clear_young(pt, small + 0x2000, 1, each, NULL), 1);
	must_be(told.leaves, 1);
	must_be(pt_change(pt, small, 5, &(struct pt_change){.set = PT_YOUNG}, NULL), 5);
	must_be(pt_clear_young(pt, VA, 8 * MB2, NULL, NULL), 5);
	if (pt->fmt->table_young) {
		struct pt_leaf leaf;

		/* A leaf that is young below a table that is not: hardware never leaves that, so nobody looks. */
		must_be(pt_lookup(pt, small, &leaf), 1);
		atomic_store(leaf.slot, pt->fmt->touch(leaf.entry, PT_READ));
		must_be(pt_clear_young(pt, VA, 8 * MB2, NULL, NULL), 0);
	}
	must_be(pt_unmap(pt, small, 5, 0, NULL), 0);
}

static void soft_dirty(struct pt *pt)
{
	const struct pt_change make = {.set = PT_SOFT_DIRTY};

	if (!pt->fmt->soft_dirty) {
		must_be(pt_change(pt, VA, MB2, &make, NULL), -PF_EPTCAN);
		must_be(pt_clear_soft_dirty(pt, VA, MB2), -PF_EPTCAN);
		return;
	}
	must_be(pt_change(pt, VA, MB2, &make, NULL), 1);
	must_be(pt_clear_soft_dirty(pt, VA, 2 * MB2), 1);
	must_be(flags_at(pt, VA), FLAGS & ~PT_WRITE);
	must_be(pt_protect(pt, VA, MB2, PT_READ | PT_WRITE, NULL), 1);
}

static void violation(void *arg, const char *rule, const char *text)
{
	(void)arg;
	test_fail(__FILE__, __LINE__, "%s: %s", rule, text);
}

int main(void)
{
	const struct pt_fmt *formats[] = {&pt_x86_64, &pt_x86_64_la57};
	struct report report = {.each = violation};
	struct tables t;

	for (unsigned i = 0; i < ARRAY_SIZE(formats); i++) {
		tables_make(&t, formats[i], 4096, 4 * MB2);
		must_be(pt_map(&t.pt, VA, MB2, 2 * MB2, FLAGS, PT_PUD), 0);
		permissions(&t.pt);
		tracking(&t.pt);
		dirty(&t.pt);
		young(&t.pt);
		soft_dirty(&t.pt);
		must_be(pt_check(&t.pt, &report), 0);
		must_be(pt_destroy(&t.pt, NULL), 0);
		tables_end(&t);
	}
	return 0;
}
