/* Page tables that somebody damaged: every function ends, stays inside the arena, and says so. */
#include "base/err.h"
#include "rogue.h"

#define FLAGS (PT_READ | PT_USER)
#define VA    0x5000ull
#define PFNS  4096u /* pages that there are */

/* ---- damage, case by case --------------------------------------------------------------------- */

static pt_entry behind_arena(struct rogue *ro, unsigned level)
{
	(void)level;
	return rogue_table(ro, ro->t.bytes);
}

static pt_entry far_away(struct rogue *ro, unsigned level)
{
	(void)level;
	return rogue_table(ro, 1ull << 40);
}

static pt_entry before_arena(struct rogue *ro, unsigned level)
{
	(void)level;
	return rogue_table(ro, -PAGE_BYTES);
}

/* A page of the arena that is no table: as a reader finds it, and nobody writes to it. */
static pt_entry bystander(struct rogue *ro, unsigned level)
{
	(void)level;
	return rogue_table(ro, ro->bystander[0]);
}

static pt_entry root(struct rogue *ro, unsigned level)
{
	(void)level;
	return rogue_table(ro, ro->t.pt.root);
}

/* The table in which the entry is. */
static pt_entry itself(struct rogue *ro, unsigned level)
{
	uint64_t in = (uint64_t)((uint8_t *)rogue_slot(ro, VA, level) - ro->t.pt.arena);

	return rogue_table(ro, align_down(in, PAGE_BYTES));
}

/* What the entry beside it leads to, too. */
static pt_entry twice(struct rogue *ro, unsigned level)
{
	return load_relaxed(rogue_slot(ro, VA, level) + 1);
}

static pt_entry past_the_end(struct rogue *ro, unsigned level)
{
	return rogue_leaf(ro, level, align_up(PFNS, pt_pages(ro->t.pt.fmt, level)));
}

/* As if media began later. */
static pt_entry before_media(struct rogue *ro, unsigned level)
{
	return rogue_leaf(ro, level, -pt_pages(ro->t.pt.fmt, level));
}

static pt_entry high_leaf(struct rogue *ro, unsigned level)
{
	return rogue_leaf(ro, level, 0);
}

static pt_entry garbage(struct rogue *ro, unsigned level)
{
	(void)ro, (void)level;
	return 1ull << 40;
}

static pt_entry marker(struct rogue *ro, unsigned level)
{
	(void)ro, (void)level;
	return PT_GUARD;
}

#define BAD (-PF_EPAGETABLE)
#define ANY 1000 /* what it is depends on what the table is read as */

static const struct damage {
	const char *name;
	pt_entry (*entry)(struct rogue *ro, unsigned level);
	unsigned level;
	int lookup, walk, unmap;
	unsigned told; /* leaves that unmapping finds */
} damages[] = {
	{"a table behind the arena", behind_arena, PT_PMD, BAD, BAD, BAD, 1},
	{"a table behind the arena", behind_arena, PT_PUD, BAD, BAD, BAD, 0},
	{"a table far away", far_away, PT_PMD, BAD, BAD, BAD, 1},
	{"a table before the arena", before_arena, PT_PMD, BAD, BAD, BAD, 1},
	{"what is no table", bystander, PT_PMD, ANY, ANY, BAD, 1},
	{"what is no table", bystander, PT_PUD, ANY, ANY, BAD, 0},
	{"the root", root, PT_PMD, ANY, ANY, ANY, ANY},
	{"the root", root, PT_PUD, ANY, ANY, ANY, ANY},
	{"itself", itself, PT_PMD, ANY, ANY, ANY, ANY},
	{"itself", itself, PT_PUD, ANY, ANY, ANY, ANY},
	{"a table twice", twice, PT_PMD, 1, 0, 0, 1},
	{"pages past the end", past_the_end, PT_PTE, BAD, 0, BAD, 1},
	{"pages past the end", past_the_end, PT_PMD, BAD, 0, BAD, 1},
	{"pages past the end", past_the_end, PT_PUD, BAD, 0, BAD, 0},
	{"pages before the first", before_media, PT_PTE, BAD, 0, BAD, 1},
	{"pages before the first", before_media, PT_PMD, BAD, 0, BAD, 1},
	{"a leaf that is too large", high_leaf, PT_P4D, BAD, BAD, BAD, 0},
	{"neither leaf nor marker", garbage, PT_PTE, BAD, 0, BAD, 1},
	{"a marker above", marker, PT_PMD, BAD, BAD, BAD, 1},
	{"a marker above", marker, PT_PUD, BAD, BAD, BAD, 0},
};

static int pass(struct pt_walk *w, uint64_t va, pt_slot *slot, pt_entry e)
{
	(void)w, (void)va, (void)slot, (void)e;
	return 0;
}

static void expect(const struct rogue *ro, const struct damage *d, const char *call, int got,
		   int wanted)
{
	if (wanted != ANY && got != wanted)
		test_fail(__FILE__, __LINE__, "%s, %s at level %u, %s: %d, not %d",
			  ro->t.pt.fmt->name, d->name, d->level, call, got, wanted);
}

/* A page at VA, and one in the next table at level 0; then an entry on the way to the first is replaced. */
static void make(struct rogue *ro, const struct pt_fmt *f, const struct damage *d)
{
	rogue_make(ro, f, 64, test_seed());
	must_be(pt_map(&ro->t.pt, VA, 7, 1, FLAGS, PT_PTE), 0);
	must_be(pt_map(&ro->t.pt, VA + pt_bytes(f, PT_PMD), 9, 1, FLAGS, PT_PTE), 0);
	store_relaxed(rogue_slot(ro, VA, d->level), d->entry(ro, d->level));
}

static uint64_t lower_half(const struct pt_fmt *f)
{
	return 1ull << (pt_shift(f, f->levels) - f->sign - PAGE_SHIFT);
}

static void readers(struct rogue *ro, const struct damage *d)
{
	static const struct pt_walk_ops ops = {.pte = pass};
	struct pt *pt = &ro->t.pt;
	struct report report = {0};
	struct pt_leaf leaf;

	expect(ro, d, "lookup", pt_lookup(pt, VA, &leaf), d->lookup);
	expect(ro, d, "walk", pt_walk(pt, VA, 1, &ops, NULL, NULL), d->walk);
	must_be(pt_check(pt, &report), 0);
	must(report.violations);
}

/* Afterwards all is as new, but for tables that nothing leads to. */
static void take_out(struct rogue *ro, const struct damage *d)
{
	struct pt *pt = &ro->t.pt;
	uint64_t pages = lower_half(pt->fmt);
	struct pt_leaf leaf;

	ro->told = 0;
	expect(ro, d, "unmap", pt_unmap(pt, 0, pages, 0, &ro->gather), d->unmap);
	expect(ro, d, "leaves", (int)ro->told, (int)d->told);
	must_be(pt_settle(pt, 0), 0);
	must_be(pt_unmap(pt, 0, pages, 0, &ro->gather), 0);
	must_be(pt_map(pt, VA, 3, 64, FLAGS, PT_PUD), 0);
	must_be(pt_lookup(pt, VA, &leaf), 1);
	must_be(leaf.pfn, 3);
}

static void damaged(const struct pt_fmt *f)
{
	for (unsigned i = 0; i < ARRAY_SIZE(damages); i++) {
		const struct damage *d = damages + i;
		struct rogue ro;

		if (d->level >= f->levels || (d->level == PT_P4D && f->top_leaf >= PT_P4D))
			continue;
		make(&ro, f, d);
		readers(&ro, d);
		take_out(&ro, d);
		must_be(rogue_end(&ro), 0);
		/* And with everything that there is to call, in an order by chance. */
		for (unsigned order = 0; order < 4; order++) {
			make(&ro, f, d);
			rogue_use(&ro, VA);
			rogue_end(&ro);
		}
	}
}

/* ---- circles ---------------------------------------------------------------------------------- */

/* Every entry of three tables leads to one of them: as many ways down as an address space has pages. */
static void weave(struct rogue *ro)
{
	const struct pt_fmt *f = ro->t.pt.fmt;
	uint64_t table[3] = {ro->t.pt.root};

	must_be(ro->memory.alloc(&ro->t, &table[1]), 0);
	must_be(ro->memory.alloc(&ro->t, &table[2]), 0);
	for (unsigned i = 0; i < 3; i++) {
		pt_slot *slot = (pt_slot *)(void *)(ro->t.pt.arena + table[i]);

		for (unsigned at = 0; at < pt_entries(f); at++)
			store_relaxed(slot + at, rogue_table(ro, table[at % 3]));
	}
}

static void circles(const struct pt_fmt *f)
{
	static const struct pt_walk_ops ops = {.pte = pass};
	uint64_t pages = lower_half(f);
	struct report report = {0};
	struct pt_leaf leaf;
	struct rogue ro;
	struct pt *pt = &ro.t.pt;

	rogue_make(&ro, f, 64, 1);
	weave(&ro);
	rogue_begin(&ro, "a circle");
	must_be(pt_lookup(pt, VA, &leaf), BAD);
	must_be(pt_walk(pt, 0, pages, &ops, NULL, NULL), BAD);
	must_be(pt_clear_young(pt, 0, pages, NULL, NULL) > 0, false);
	must_be(pt_protect(pt, 0, pages, PT_READ, NULL), BAD);
	must_be(pt_guard_remove(pt, 0, pages), BAD);
	must(pt_map(pt, 0, 0, 16, FLAGS, PT_PUD) < 0);
	must_be(pt_check(pt, &report), 0);
	must(report.violations);
	must_be(pt_unmap(pt, 0, pages, 0, &ro.gather), BAD);
	must_be(ro.told, 0);
	must(rogue_end(&ro) <= 0);
}

/* ---- while it is used ------------------------------------------------------------------------- */

#ifdef __SANITIZE_THREAD__
#define SCRIBBLE 0
#else
#define SCRIBBLE 1
#endif

struct scribbler {
	struct rogue *ro;
	struct test_random r;
	_Atomic bool stop;
};

static void *scribble(void *arg)
{
	struct scribbler *s = arg;

	while (!load_acquire(&s->stop))
		rogue_damage(s->ro, &s->r);
	return NULL;
}

/* Entries change whenever they are looked at. */
static void scribbled(const struct pt_fmt *f)
{
	struct rogue ro;
	struct scribbler s = {.ro = &ro, .r = {test_seed()}};
	pthread_t thread;

	rogue_make(&ro, f, 64, test_seed());
	rogue_populate(&ro);
	must_be(pthread_create(&thread, NULL, scribble, &s), 0);
	for (unsigned i = 0; i < 200; i++)
		rogue_use_some(&ro);
	store_release(&s.stop, true);
	pthread_join(thread, NULL);
	rogue_end(&ro);
}

/* ---- the tree of a dead process --------------------------------------------------------------- */

/* Who reaps it is told of all leaves; the tables stay with who hands out the arena. */
static void reaped(const struct pt_fmt *f)
{
	struct rogue ro;
	struct pt dead;
	uint64_t in_use;

	rogue_make(&ro, f, 64, 1);
	must_be(pt_map(&ro.t.pt, VA, 7, 40, FLAGS, PT_PUD), 0);
	in_use = ro.t.in_use;
	dead = ro.t.pt;
	dead.root = ro.t.bytes;
	must_be(pt_open(&dead), -PF_EPAGETABLE);
	dead.root = ro.t.pt.root + 8;
	must_be(pt_open(&dead), -PF_EPAGETABLE);
	dead.root = ro.t.pt.root;
	dead.memory = NULL;
	must_be(pt_open(&dead), 0);
	must_be(pt_lookup(&dead, VA, &(struct pt_leaf){0}), 1);
	pt_close(&dead);
	dead.memory = &ro.memory;
	must_be(pt_open(&dead), 0);
	must_be(pt_unmap(&dead, 0, lower_half(f), 0, &ro.gather), 0);
	must(ro.told);
	must_be((long)ro.t.in_use, (long)in_use);
	must_be(pt_lookup(&dead, VA, &(struct pt_leaf){0}), 0);
	pt_close(&dead);
	rogue_end(&ro);
}

int main(void)
{
	for (unsigned i = 0; i < tables_format_count; i++) {
		struct pt_fmt tiny = tables_tiny(tables_formats[i], 3);

		damaged(&tiny);
		damaged(tables_formats[i]);
		circles(tables_formats[i]);
		if (SCRIBBLE) {
			scribbled(&tiny);
			scribbled(tables_formats[i]);
		}
		reaped(tables_formats[i]);
	}
	if (!SCRIBBLE)
		skip_part("ThreadSanitizer objects to who writes into what others are handed");
	rogue_run(0.3);
	return 0;
}
