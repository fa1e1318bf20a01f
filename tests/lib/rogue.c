#include "rogue.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "manual.h"

#define PFNS     4096u
#define PATIENCE 30u /* seconds for one call, which needs a moment */
#define FLAGS    (PT_READ | PT_WRITE | PT_USER | PT_YOUNG)

/* ---- memory and references that look before they believe -------------------------------------- */

/* What else is in the arena: words that are no entries, and words that could be none. */
static uint64_t bystander_word(unsigned i)
{
	return i % 2 ? 0 : 0x5a5a5a5a5a5a5a5a;
}

static bool is_bystander(const struct rogue *ro, uint64_t offset)
{
	for (unsigned i = 0; i < ROGUE_BYSTANDERS; i++)
		if (ro->bystander[i] == offset)
			return true;
	return false;
}

static void take_back(void *arg, uint64_t offset)
{
	struct rogue *ro = arg;
	struct tables *t = &ro->t;

	must(offset % PAGE_BYTES == 0 && offset < t->bytes);
	must(offset != t->pt.root || ro->ending);
	must(!is_bystander(ro, offset));
	if (!t->used[offset / PAGE_BYTES])
		return;
	t->used[offset / PAGE_BYTES] = false;
	t->in_use--;
}

static bool ours(void *arg, uint64_t offset)
{
	struct rogue *ro = arg;

	return ro->t.used[offset / PAGE_BYTES] && !is_bystander(ro, offset);
}

static uint64_t *bystander_words(const struct rogue *ro, unsigned i)
{
	return (uint64_t *)(void *)(ro->t.pt.arena + ro->bystander[i]);
}

static void make_bystanders(struct rogue *ro)
{
	for (unsigned i = 0; i < ROGUE_BYSTANDERS; i++) {
		must_be(ro->memory.alloc(&ro->t, &ro->bystander[i]), 0);
		for (unsigned at = 0; at < PAGE_BYTES / 8; at++)
			bystander_words(ro, i)[at] = bystander_word(at);
	}
}

static void bystanders_unharmed(const struct rogue *ro)
{
	for (unsigned i = 0; i < ROGUE_BYSTANDERS; i++)
		for (unsigned at = 0; at < PAGE_BYTES / 8; at++)
			must(bystander_words(ro, i)[at] == bystander_word(at));
}

static void must_be_pages(struct rogue *ro, uint64_t va, unsigned level, pt_entry leaf)
{
	const struct pt *pt = &ro->t.pt;
	uint64_t pfn = (pt_leaf_address(pt->fmt, leaf, level) - pt->media_base) / PAGE_BYTES;

	ro->told++;
	if (level >= PT_LEVELS || pfn >= pt->pages || pt_pages(pt->fmt, level) > pt->pages - pfn)
		test_fail(__FILE__, __LINE__, "%s, %s: told of page %#lx at %#lx, level %u",
			  pt->fmt->name, ro->doing, (unsigned long)pfn, (unsigned long)va, level);
}

static void gone(void *arg, uint64_t va, unsigned level, pt_entry leaf)
{
	must_be_pages(arg, va, level, leaf);
}

static int about_to(void *arg, uint64_t va, unsigned level, pt_entry leaf)
{
	must_be_pages(arg, va, level, leaf);
	return 0;
}

void rogue_make(struct rogue *ro, const struct pt_fmt *f, uint64_t pages, uint64_t seed)
{
	*ro = (struct rogue){.r = {seed}};
	tables_make(&ro->t, f, pages, PFNS);
	ro->memory = *ro->t.pt.memory;
	ro->memory.free = take_back;
	ro->memory.ours = ours;
	ro->t.pt.memory = &ro->memory;
	make_bystanders(ro);
	ro->gather = (struct pt_gather){gone, about_to, gone, about_to, ro};
}

void rogue_begin(struct rogue *ro, const char *doing)
{
	snprintf(ro->doing, sizeof ro->doing, "%s", doing);
	alarm(PATIENCE);
}

/* Tables that no entry leads to any more are whoever hands out the arena's to find. */
int rogue_end(struct rogue *ro)
{
	int rc;

	rogue_begin(ro, "pt_destroy");
	ro->ending = true;
	rc = pt_destroy(&ro->t.pt, &ro->gather);
	alarm(0);
	bystanders_unharmed(ro);
	ro->t.in_use = 0;
	tables_end(&ro->t);
	return rc;
}

pt_entry rogue_table(const struct rogue *ro, uint64_t offset)
{
	return ro->t.pt.fmt->table_bits |
	       pt_with_address(ro->t.pt.fmt, ro->t.pt.table_base + offset);
}

pt_entry rogue_leaf(const struct rogue *ro, unsigned level, uint64_t pfn)
{
	return ro->t.pt.fmt->leaf(level, FLAGS) |
	       pt_with_address(ro->t.pt.fmt, ro->t.pt.media_base + pfn * PAGE_BYTES);
}

pt_slot *rogue_slot(struct rogue *ro, uint64_t va, unsigned level)
{
	const struct pt *pt = &ro->t.pt;
	uint64_t table = pt->root;

	for (unsigned at = pt->fmt->levels - 1u;; at--) {
		pt_slot *slot = (pt_slot *)(void *)(pt->arena + table) + pt_index(pt->fmt, va, at);
		struct manual m = manual_read(pt->fmt, at, load_relaxed(slot));

		if (at == level || m.kind != MANUAL_TABLE)
			return slot;
		table = m.address - pt->table_base;
	}
}

/* ---- every function --------------------------------------------------------------------------- */

/* What may come of it. */
static void allowed(struct rogue *ro, long rc)
{
	static const int errors[] = {PF_EPAGETABLE, PF_EMAPPED, PF_EGUARDED, PF_EPOISONED,
				     PF_EPTLEAF,    PF_EPTCAN,  PF_EAGAIN,   ENOMEM};

	for (unsigned i = 0; i < ARRAY_SIZE(errors); i++)
		if (rc >= 0 || rc == -errors[i])
			return;
	test_fail(__FILE__, __LINE__, "%s, %s: %ld", ro->t.pt.fmt->name, ro->doing, rc);
}

/* Entries that a walk visits. */
struct count {
	uint64_t entries;
};

static int count_upper(struct pt_walk *w, uint64_t va, uint64_t last, pt_slot *slot, pt_entry e)
{
	must((uint8_t *)slot >= w->pt->arena &&
	     (uint8_t *)slot < w->pt->arena + w->pt->arena_bytes);
	must(last >= va);
	(void)e;
	((struct count *)w->arg)->entries++;
	return 0;
}

static int count_pte(struct pt_walk *w, uint64_t va, pt_slot *slot, pt_entry e)
{
	return count_upper(w, va, va, slot, e);
}

static int fill(struct pt_walk *w, uint64_t va, pt_entry *e)
{
	(void)w, (void)va;
	*e = PT_GUARD;
	return 0;
}

/* The part of the half in which va is that follows it, or less. */
static uint64_t pages_from(struct rogue *ro, uint64_t va, bool few)
{
	const struct pt_fmt *f = ro->t.pt.fmt;
	uint64_t half = 1ull << (pt_shift(f, f->levels) - f->sign);
	uint64_t room = (half - (va & (half - 1))) / PAGE_BYTES;

	return 1 + test_below(&ro->r, few && room > 64 ? 64 : room);
}

static void use_walk(struct rogue *ro, uint64_t va)
{
	struct pt *pt = &ro->t.pt;
	struct pt_walk_ops ops = {.pud = count_upper, .pmd = count_upper, .pte = count_pte};
	struct count count = {0};
	bool changes = !test_below(&ro->r, 4);

	ops.split = changes;
	ops.install = changes ? fill : NULL;
	allowed(ro, pt_walk(pt, va, pages_from(ro, va, changes), &ops, &ro->gather, &count));
	/* No more tables than there are, and what was split. */
	must(count.entries <= 4 * pt->arena_bytes / PAGE_BYTES * pt_entries(pt->fmt));
}

static void use_find(struct rogue *ro, uint64_t va)
{
	struct pt *pt = &ro->t.pt;
	struct pt_translation t;
	struct pt_leaf leaf;
	int rc = pt_lookup(pt, va, &leaf);

	allowed(ro, rc);
	must(rc != 1 || leaf.pfn < pt->pages);
	if (rc == 1)
		pt_leaf_same(pt, &leaf);
	allowed(ro, pt_translate(pt, va, PT_READ | PT_USER, &t));
	if ((rc = pt_folio_walk_start(pt, va, 0, &leaf)) == 1)
		pt_folio_walk_end(pt);
	allowed(ro, rc);
}

static void each(void *arg, uint64_t va, unsigned level, pt_entry before)
{
	must_be_pages(arg, va, level, before);
}

static void use_change(struct rogue *ro, uint64_t va)
{
	struct pt *pt = &ro->t.pt;
	uint64_t n = pages_from(ro, va, test_below(&ro->r, 2));

	allowed(ro, pt_clear_young(pt, va, n, each, ro));
	allowed(ro, pt_collect_dirty(pt, va, n, each, ro));
	allowed(ro, pt_clear_soft_dirty(pt, va, n));
	allowed(ro, pt_protect(pt, va, n, PT_READ, &ro->gather));
}

static void use_shape(struct rogue *ro, uint64_t va)
{
	struct pt *pt = &ro->t.pt;

	allowed(ro, pt_split(pt, va, (unsigned)test_below(&ro->r, 3), &ro->gather));
	allowed(ro, pt_collapse(pt, va, 1 + (unsigned)test_below(&ro->r, 2), &ro->gather));
}

static int zap(void *arg, uint64_t va, uint64_t pages)
{
	struct rogue *ro = arg;

	return pt_unmap(&ro->t.pt, va, pages, PT_KEEP_GUARDS, &ro->gather);
}

static void use_markers(struct rogue *ro, uint64_t va)
{
	struct pt *pt = &ro->t.pt;
	uint64_t n = pages_from(ro, va, true);

	allowed(ro, pt_guard_install(pt, va, n, zap, ro));
	allowed(ro, pt_poison(pt, va));
	allowed(ro, pt_guard_remove(pt, va, n));
}

static void use_map(struct rogue *ro, uint64_t va)
{
	uint64_t n = pages_from(ro, va, true);

	allowed(ro, pt_map(&ro->t.pt, va, test_below(&ro->r, PFNS - n), n, FLAGS, PT_PUD));
}

static void use_move(struct rogue *ro, uint64_t va)
{
	const struct pt_fmt *f = ro->t.pt.fmt;
	uint64_t n = pages_from(ro, va, true), to = va ^ pt_bytes(f, f->levels - 1u);

	uint64_t last = to + (n - 1) * PAGE_BYTES;

	/* In one half. */
	if (pt_canonical(f, to) && pt_canonical(f, last) && (to ^ last) >> 63 == 0)
		allowed(ro, pt_move(&ro->t.pt, va, to, n, &ro->gather));
}

static void use_copy(struct rogue *ro, uint64_t va)
{
	struct rogue to;

	rogue_make(&to, ro->t.pt.fmt, 64, 1);
	allowed(ro, pt_copy(&to.t.pt, &ro->t.pt, va, pages_from(ro, va, true), PT_COPY_PRIVATE,
			    &ro->gather));
	must_be(rogue_end(&to), 0);
}

static void use_unmap(struct rogue *ro, uint64_t va)
{
	allowed(ro,
		pt_unmap(&ro->t.pt, va, pages_from(ro, va, test_below(&ro->r, 2)), 0, &ro->gather));
	pt_settle(&ro->t.pt, 0);
}

static void use_check(struct rogue *ro, uint64_t va)
{
	struct report report = {0};

	(void)va;
	must_be(pt_check(&ro->t.pt, &report), 0);
}

static const struct {
	const char *name;
	void (*use)(struct rogue *ro, uint64_t va);
} uses[] = {
	{"walk", use_walk},   {"find", use_find},       {"change", use_change},
	{"shape", use_shape}, {"markers", use_markers}, {"map", use_map},
	{"move", use_move},   {"copy", use_copy},       {"unmap", use_unmap},
	{"check", use_check},
};

static void use_one(struct rogue *ro, unsigned i, uint64_t va)
{
	snprintf(ro->doing, sizeof ro->doing, "%s at %#lx", uses[i].name, (unsigned long)va);
	alarm(PATIENCE);
	uses[i].use(ro, va);
	alarm(0);
}

void rogue_use(struct rogue *ro, uint64_t va)
{
	unsigned first = (unsigned)test_below(&ro->r, ARRAY_SIZE(uses));

	/* What does not change the tree, before all else. */
	use_find(ro, va);
	for (unsigned i = 0; i < ARRAY_SIZE(uses); i++)
		use_one(ro, (first + i) % ARRAY_SIZE(uses), va);
}

/* ---- by chance -------------------------------------------------------------------------------- */

static uint64_t some_va(struct rogue *ro)
{
	const struct pt_fmt *f = ro->t.pt.fmt;
	unsigned bits = pt_shift(f, f->levels);
	uint64_t va = test_random(&ro->r) & ((1ull << bits) - PAGE_BYTES);

	/* Mostly where something is. */
	if (test_below(&ro->r, 4))
		va &= 8 * pt_bytes(f, PT_PMD) - 1;
	return f->sign && va >> (bits - 1) ? va | UINT64_MAX << (bits - 1) : va;
}

static pt_entry some_entry(struct rogue *ro, struct test_random *r, unsigned level, pt_entry was)
{
	uint64_t pages = ro->t.bytes / PAGE_BYTES;

	switch (test_below(r, 8)) {
	case 0:
	case 1:
		return was ^ 1ull << test_below(r, 64);
	case 2:
		return test_random(r);
	case 3:
		return rogue_table(ro, ro->t.pt.root);
	case 4:
		return rogue_table(ro, test_below(r, pages) * PAGE_BYTES);
	case 5:
		return rogue_table(ro, (pages + test_below(r, 3)) * PAGE_BYTES);
	case 6:
		return rogue_leaf(ro, level, PFNS - 2 + test_below(r, 4));
	default:
		return rogue_leaf(ro, level, test_below(r, 2 * PFNS));
	}
}

/* One entry of a table in use, mostly one that says something. */
void rogue_damage(struct rogue *ro, struct test_random *r)
{
	uint64_t pages = ro->t.bytes / PAGE_BYTES, page = test_below(r, pages);
	unsigned entries = pt_entries(ro->t.pt.fmt), at, level;
	pt_slot *slot;

	for (uint64_t i = 0; i < pages && !ours(ro, page * PAGE_BYTES); i++)
		page = (page + 1) % pages;
	slot = (pt_slot *)(void *)(ro->t.pt.arena + page * PAGE_BYTES);
	at = (unsigned)test_below(r, entries);
	for (unsigned i = 0; i < entries && !load_relaxed(slot + at); i++)
		at = (at + 1) % entries;
	level = (unsigned)test_below(r, ro->t.pt.fmt->levels);
	store_relaxed(slot + at, some_entry(ro, r, level, load_relaxed(slot + at)));
}

void rogue_populate(struct rogue *ro)
{
	for (unsigned i = 0; i < 6; i++) {
		uint64_t va = some_va(ro), n = pages_from(ro, va, true);

		allowed(ro, pt_map(&ro->t.pt, va, test_below(&ro->r, PFNS - n), n, FLAGS, PT_PUD));
	}
}

void rogue_use_some(struct rogue *ro)
{
	use_one(ro, (unsigned)test_below(&ro->r, ARRAY_SIZE(uses)), some_va(ro));
}

static void one(const struct pt_fmt *f, struct test_random *r)
{
	struct rogue ro;

	rogue_make(&ro, f, 64, test_random(r));
	rogue_populate(&ro);
	for (unsigned i = 0; i < 12; i++) {
		for (uint64_t n = test_below(&ro.r, 4); n; n--)
			rogue_damage(&ro, &ro.r);
		rogue_use_some(&ro);
	}
	rogue_end(&ro);
}

void rogue_run(double share)
{
	struct test_random r = {test_seed()};
	unsigned long trees = 0;

	do {
		for (unsigned i = 0; i < tables_format_count; i++) {
			struct pt_fmt two = tables_tiny(tables_formats[i], 2);
			struct pt_fmt three = tables_tiny(tables_formats[i], 3);

			one(&two, &r);
			one(&three, &r);
			one(tables_formats[i], &r);
			trees += 3;
		}
	} while (test_time_left(share));
	printf("%lu damaged trees\n", trees);
}
