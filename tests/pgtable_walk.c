/* A walk calls back for what is there, once and in order; goes on, again or down as it is told; splits only when it is wanted, and never to install. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "tables.h"
#include "test.h"

/*
 * Each walk leaves a line of what it called:
 *   D table at level 2   d leaf there     (pud)
 *   M table at level 1   m leaf there     (pmd)
 *   p leaf   . none      g marker         (pte)
 *   0 1 2 3 4            a hole, by level
 *   +                    install
 *   s                    gather->split()
 */
static struct trace {
	struct pt *pt;
	char seen[400];
	size_t n;
	char act_on; /* at the callback with this letter ... */
	enum pt_action act;
	int stop;
	int (*do_it)(struct trace *t, uint64_t va, pt_slot *slot); /* or NULL */
	unsigned times;                                            /* ... so many times */
	uint64_t va;                                               /* of the last callback */
	pt_entry entry;                                            /* what install() stores */
	unsigned installs;                                         /* until that fails */
} trace;

static int note(struct trace *t, char what, uint64_t va)
{
	must(t->n + 1 < sizeof t->seen);
	t->seen[t->n++] = what;
	t->va = va;
	return 0;
}

static int act(struct pt_walk *w, char what, uint64_t va, pt_slot *slot)
{
	struct trace *t = w->arg;

	note(t, what, va);
	if (what != t->act_on || !t->times)
		return 0;
	t->times--;
	w->action = t->act;
	if (t->do_it)
		return t->do_it(t, va, slot);
	return t->stop;
}

static int on_pud(struct pt_walk *w, uint64_t va, uint64_t last, pt_slot *slot, pt_entry e)
{
	must(last >= va);
	must_be(w->action, PT_SUBTREE);
	return act(w, pt_is_table(w->pt->fmt, e) ? 'D' : 'd', va, slot);
}

static int on_pmd(struct pt_walk *w, uint64_t va, uint64_t last, pt_slot *slot, pt_entry e)
{
	must(last >= va);
	must_be(w->action, PT_SUBTREE);
	return act(w, pt_is_table(w->pt->fmt, e) ? 'M' : 'm', va, slot);
}

static int on_pte(struct pt_walk *w, uint64_t va, pt_slot *slot, pt_entry e)
{
	return act(w, pt_is_leaf(w->pt->fmt, e, 0) ? 'p' : e ? 'g' : '.', va, slot);
}

static int on_hole(struct pt_walk *w, uint64_t va, uint64_t last, unsigned level)
{
	(void)last;
	return act(w, (char)('0' + (int)level), va, NULL);
}

static int on_install(struct pt_walk *w, uint64_t va, pt_entry *e)
{
	struct trace *t = w->arg;

	*e = t->entry;
	if (!t->installs--)
		return -EDOM;
	return act(w, '+', va, NULL);
}

static int on_split(void *arg, uint64_t va, unsigned level, pt_entry leaf)
{
	(void)level, (void)leaf;
	return note(arg, 's', va);
}

static int no_split(void *arg, uint64_t va, unsigned level, pt_entry leaf)
{
	(void)arg, (void)va, (void)level, (void)leaf;
	return -EDQUOT;
}

/* ---- which callbacks -------------------------------------------------------------------------- */

#define PUD     0x01u
#define PMD     0x02u
#define PTE     0x04u
#define HOLE    0x08u
#define INSTALL 0x10u
#define SPLIT   0x20u

static struct pt_walk_ops with(unsigned which)
{
	return (struct pt_walk_ops){
		.pud = which & PUD ? on_pud : NULL,
		.pmd = which & PMD ? on_pmd : NULL,
		.pte = which & PTE ? on_pte : NULL,
		.hole = which & HOLE ? on_hole : NULL,
		.install = which & INSTALL ? on_install : NULL,
		.split = which & SPLIT,
	};
}

/* Tables of four entries; in the table at level 2 that begins at `base`: */
#define BASE  (1ull << 16)      /* a table, in which are: */
#define LEAF1 (BASE + 0x0000u)  /*   a leaf of 4 pages */
#define TABLE (BASE + 0x4000u)  /*   a table: a leaf, none, a guard, a leaf */
#define HOLE1 (BASE + 0x8000u)  /*   none */
#define LEAF2 (BASE + 0x10000u) /* a leaf of 16 pages */
#define HOLE2 (BASE + 0x20000u)
#define PAGES 16u /* of an entry at level 2 */

#define FLAGS (PT_READ | PT_WRITE | PT_USER)

static int guard(struct pt_walk *w, uint64_t va, pt_entry *e)
{
	(void)w, (void)va;
	*e = PT_GUARD;
	return 0;
}

static void make(struct tables *t, const struct pt_fmt *f)
{
	static const struct pt_walk_ops guards = {.install = guard};

	tables_make(t, f, 64, 256);
	must_be(pt_insert(&t->pt, LEAF1, PT_PMD, 4, FLAGS), 0);
	must_be(pt_insert(&t->pt, TABLE, PT_PTE, 1, FLAGS), 0);
	must_be(pt_insert(&t->pt, TABLE + 0x3000, PT_PTE, 2, FLAGS), 0);
	must_be(pt_walk(&t->pt, TABLE + 0x2000, 1, &guards, NULL, NULL), 0);
	must_be(pt_insert(&t->pt, LEAF2, PT_PUD, 16, FLAGS), 0);
}

static void end(struct tables *t)
{
	must_be(pt_destroy(&t->pt, NULL), 0);
	tables_end(t);
}

static void begin(struct tables *t)
{
	trace = (struct trace){.pt = &t->pt, .installs = UINT32_MAX};
}

static void must_see(const char *wanted)
{
	trace.seen[trace.n] = '\0';
	if (strcmp(trace.seen, wanted))
		test_fail(__FILE__, __LINE__, "%s: the walk saw %s, not %s", trace.pt->fmt->name,
			  trace.seen, wanted);
}

static int walk(unsigned which, uint64_t va, uint64_t pages)
{
	const struct pt_gather gather = {.split = on_split, .arg = &trace};
	struct pt_walk_ops ops = with(which);

	return pt_walk(trace.pt, va, pages, &ops, &gather, &trace);
}

/* All of the table at BASE, the leaf behind it, and the hole behind that. */
static const struct which {
	unsigned which;
	const char *seen;
} which[] = {
	{PUD | PMD | PTE | HOLE, "DmMp.gp11d2"},
	{PUD | PMD | PTE, "DmMp.gpd"},
	{PUD | PMD, "DmMd"},
	{PUD | HOLE, "Dd2"}, /* nobody wants what is below */
	{PUD, "Dd"},
	{PMD | HOLE, "mM112"},
	{PMD, "mM"},
	{PTE | HOLE, "p.gp112"},
	{PTE, "p.gp"},
	{0, ""},
	/* Splitting: only where somebody below wants to see. The callback sees the leaf, and then the table. */
	{PUD | SPLIT, "Dd"},
	{PUD | PMD | SPLIT, "DmMdsDmmmm"},
	{PMD | SPLIT, "mMsmmmm"},
	{PTE | SPLIT, "spppp"
		      "p.gp"
		      "sspppp"
		      "spppp"
		      "spppp"
		      "spppp"},
	/* Installing: tables are made, leaves stay. */
	{INSTALL, "+"
		  "++++++++"
		  "++++++++++++++++"},
	{PTE | INSTALL, "p+gp"
			"++++++++"
			"++++++++++++++++"},
	{HOLE | INSTALL, "+"
			 "++++++++"
			 "++++++++++++++++"},
	{PUD | PMD | INSTALL, "DmM+"
			      "++++++++"
			      "d"
			      "++++++++++++++++"},
	/* Both: leaves are split only for who wants to see them. */
	{INSTALL | SPLIT, "+"
			  "++++++++"
			  "++++++++++++++++"},
	{PTE | INSTALL | SPLIT, "spppp"
				"p+gp"
				"++++++++"
				"sspppp"
				"spppp"
				"spppp"
				"spppp"
				"++++++++++++++++"},
};

static void callbacks(const struct pt_fmt *f)
{
	struct tables t;

	for (unsigned i = 0; i < ARRAY_SIZE(which); i++) {
		make(&t, f);
		begin(&t);
		trace.entry = PT_POISON;
		must_be(walk(which[i].which, BASE, 3 * PAGES), 0);
		must_see(which[i].seen);
		end(&t);
	}
}

/* Holes alone are no reason to go down: those of the root are told. */
static void only_holes(struct tables *t)
{
	for (unsigned split = 0; split <= SPLIT; split += SPLIT) {
		begin(t);
		must_be(walk(HOLE | split, BASE, 3 * PAGES), 0);
		must_see(t->pt.fmt->levels == 3 ? "2" : "");
	}
}

/* The part of the range that an entry maps, and only that. */
static void ranges(struct tables *t)
{
	static const struct {
		uint64_t va, pages;
		const char *seen;
	} cases[] = {
		{LEAF1 + 0x1000, 1, "Dm"},   {LEAF1 + 0x3000, 2, "DmMp"},
		{TABLE + 0x1000, 1, "DM."},  {TABLE + 0x2000, 2, "DMgp"},
		{TABLE + 0x3000, 2, "DMp1"}, {HOLE1 + 0x1000, 1, "D1"},
		{HOLE1 + 0x3000, 6, "D11d"}, {LEAF2 + 0x7000, 1, "d"},
		{LEAF2 + 0xf000, 2, "d2"},   {HOLE2 + 0x4000, 3, "2"},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		begin(t);
		must_be(walk(PUD | PMD | PTE | HOLE, cases[i].va, cases[i].pages), 0);
		must_see(cases[i].seen);
	}
}

/* A hole is of the level at which nothing is. */
static void depths(const struct pt_fmt *f)
{
	char wanted[20] = "";
	struct tables t;

	tables_make(&t, f, 64, 256);
	begin(&t);
	must_be(walk(PTE | HOLE, 0, 1), 0);
	snprintf(wanted, sizeof wanted, "%u", f->levels - 1u);
	must_see(wanted);
	must_be(pt_insert(&t.pt, 0, PT_PTE, 0, FLAGS), 0);
	for (unsigned level = 1; level < f->levels; level++) {
		begin(&t);
		/* The last page of the table at this level. */
		must_be(walk(PTE | HOLE,
			     pt_bytes(f, level + 1) / (level + 1u == f->levels && f->sign ? 2 : 1) -
				     0x1000,
			     1),
			0);
		snprintf(wanted, sizeof wanted, "%u", level);
		must_see(wanted);
	}
	end(&t);
}

/* ---- what a callback says --------------------------------------------------------------------- */

static void actions(struct tables *t)
{
	begin(t);
	trace.act_on = 'D', trace.times = 1, trace.act = PT_CONTINUE;
	must_be(walk(PUD | PMD | PTE | HOLE, BASE, 3 * PAGES), 0);
	must_see("Dd2");

	begin(t);
	trace.act_on = 'M', trace.times = 1, trace.act = PT_CONTINUE;
	must_be(walk(PUD | PMD | PTE | HOLE, BASE, 3 * PAGES), 0);
	must_see("DmM11d2");

	begin(t);
	trace.act_on = 'M', trace.times = 3, trace.act = PT_AGAIN;
	must_be(walk(PUD | PMD | PTE | HOLE, BASE, 3 * PAGES), 0);
	must_see("DmMMMMp.gp11d2");

	begin(t);
	trace.act_on = 'd', trace.times = 2, trace.act = PT_AGAIN;
	must_be(walk(PUD | PMD | PTE | HOLE, BASE, 3 * PAGES), 0);
	must_see("DmMp.gp11ddd2");

	/* A callback that deals with a leaf keeps it from being split. */
	begin(t);
	trace.act_on = 'm', trace.times = 1, trace.act = PT_CONTINUE;
	must_be(walk(PMD | PTE | SPLIT, BASE, PAGES), 0);
	must_see("mMp.gp");
}

/* Any callback can end it: with an error, or with a reason of its own. */
static void stops(struct tables *t)
{
	static const struct {
		char at;
		const char *seen;
	} cases[] = {
		{'D', "D"},        {'m', "Dm"},         {'M', "DmM"},
		{'p', "DmMp"},     {'.', "DmMp."},      {'g', "DmMp.g"},
		{'1', "DmMp.gp1"}, {'d', "DmMp.gp11d"}, {'2', "DmMp.gp11d2"},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		for (int stop = -EDOM; stop <= 7; stop += EDOM + 7) {
			begin(t);
			trace.act_on = cases[i].at, trace.times = 1, trace.stop = stop;
			must_be(walk(PUD | PMD | PTE | HOLE, BASE, 3 * PAGES), stop);
			must_see(cases[i].seen);
		}
	}
	begin(t);
	must_be(walk(PTE, BASE + 1, 1), -PF_ERANGE);
	must_be(walk(PTE, BASE, 0), -PF_ERANGE);
	must_see("");
}

/* ---- installing, and splitting ---------------------------------------------------------------- */

static void must_be_at(uint64_t va, pt_entry e, unsigned level)
{
	struct pt_leaf leaf;

	must(pt_lookup(trace.pt, va, &leaf) >= 0);
	must_be((long)leaf.entry, (long)e);
	must_be(leaf.level, level);
}

/* What was installed until an error stays; what was not leaves no table. */
static void install(const struct pt_fmt *f)
{
	struct tables t;
	uint64_t before;

	make(&t, f);
	before = t.pt.tables;
	/* Nothing is to be there. */
	begin(&t);
	must_be(walk(INSTALL, BASE, 3 * PAGES), 0);
	must_be((long)t.pt.tables, (long)before);
	/* What is in its place afterwards is found. */
	must_be(pt_insert(&t.pt, HOLE2, PT_PMD, 4, FLAGS), 0);
	must_be(pt_unmap(&t.pt, HOLE2, 4, 0, NULL), 0);
	must_be((long)t.pt.tables, (long)before);

	begin(&t);
	trace.entry = PT_GUARD, trace.installs = 3;
	must_be(walk(INSTALL, HOLE2, PAGES), -EDOM);
	must_see("+++");
	must_be_at(HOLE2 + 0x2000, PT_GUARD, 0);
	must_be_at(HOLE2 + 0x3000, 0, 0);
	must_be((long)t.pt.tables, (long)before + 2);
	must_be(pt_unmap(&t.pt, HOLE2, PAGES, 0, NULL), 0);

	/* Memory ends on the way: one table of two, then none. */
	for (uint64_t left = 0; left < 2; left++) {
		begin(&t);
		t.left = left;
		trace.entry = PT_GUARD;
		must_be(walk(INSTALL, HOLE2, PAGES), -ENOMEM);
		t.left = UINT64_MAX;
		must_see("");
		must_be((long)t.pt.tables, (long)before);
	}
	end(&t);
}

/* Callbacks take out all that is below an entry: what is mapped, moved or copied to its place then is found. */
static int take_out(struct pt_walk *w, uint64_t va, pt_slot *slot, pt_entry e)
{
	(void)w, (void)va, (void)e;
	store_release(slot, 0);
	return 0;
}

static void hollow(struct tables *t, uint64_t va, uint64_t pages)
{
	static const struct pt_walk_ops ops = {.pte = take_out, .split = true};

	must_be(pt_map(&t->pt, va, 0, pages, FLAGS, PT_PTE), 0);
	must_be(pt_walk(&t->pt, va, pages, &ops, NULL, NULL), 0);
}

static void in_place_of_nothing(const struct pt_fmt *f)
{
	pt_entry large = f->leaf(PT_PMD, FLAGS);
	struct tables t, to;
	uint64_t before;

	tables_make(&t, f, 64, 256);
	tables_make(&to, f, 64, 256);
	begin(&t);
	hollow(&t, LEAF1, 4);
	must_be(pt_insert(&t.pt, LEAF1, PT_PMD, 0, FLAGS), 0);
	large |= pt_with_address(f, t.pt.media_base);
	must_be_at(LEAF1 + 0x3000, large, PT_PMD);
	before = t.pt.tables;
	hollow(&t, HOLE2 + 0x4000, 4);
	must_be(pt_move(&t.pt, LEAF1, HOLE2 + 0x4000, 4, NULL), 0);
	must_be_at(HOLE2 + 0x7000, large, PT_PMD);
	must_be_at(LEAF1, 0, PT_PUD);
	must_be((long)t.pt.tables, (long)before);
	hollow(&to, HOLE2, PAGES);
	must_be(pt_copy(&to.pt, &t.pt, HOLE2, PAGES, 0, NULL), 0);
	must_be((long)to.pt.tables, (long)before);
	trace.pt = &to.pt;
	must_be_at(HOLE2 + 0x7000, large, PT_PMD);
	end(&t);
	end(&to);
}

/* The leaf is what it was, if it cannot be split. */
static void no_splits(const struct pt_fmt *f)
{
	const struct pt_gather refuses = {.split = no_split};
	struct pt_walk_ops ops = with(PTE | SPLIT);
	struct pt_leaf before;
	struct tables t;

	make(&t, f);
	begin(&t);
	must_be(pt_lookup(&t.pt, LEAF1, &before), 1);
	t.left = 0;
	must_be(walk(PTE | SPLIT, LEAF1, 1), -ENOMEM);
	t.left = UINT64_MAX;
	must_be(pt_walk(&t.pt, LEAF1, 1, &ops, &refuses, &trace), -EDQUOT);
	must_see("");
	must_be_at(LEAF1, before.entry, PT_PMD);
	must_be((long)(t.in_use - t.pt.deferred.count), (long)t.pt.tables);
	end(&t);
}

/* ---- an entry that changes between the callback and the descent ------------------------------ */

/*
 * The leaf at a slot was split and the range populated again by somebody else; or the other way round. What a walk has
 * tested is not what is there when it goes down.
 */
static pt_entry replacement;

static int replace(struct trace *t, uint64_t va, pt_slot *slot)
{
	(void)t, (void)va;
	replacement = swap(slot, replacement);
	return 0;
}

static const struct change {
	char at; /* when this callback is called, what is at its entry becomes ... */
	enum { NONE, OTHER_LEAF, OTHER_TABLE } becomes;
	unsigned which;
	uint64_t va;
	const char *seen;
} changes[] = {
	/* A table goes, and a leaf comes: it is seen as one, not read as a table. */
	{'M', OTHER_LEAF, PMD | PTE | HOLE, TABLE, "Mm"},
	{'M', OTHER_LEAF, PMD | PTE | HOLE | SPLIT, TABLE, "MmsMpppp"},
	{'M', NONE, PMD | PTE | HOLE, TABLE, "M1"},
	{'M', OTHER_TABLE, PMD | PTE | HOLE, TABLE, "M...."},
	/* A leaf goes: what comes is neither split nor skipped unseen. */
	{'m', OTHER_LEAF, PMD | PTE | HOLE | SPLIT, LEAF1, "mmsMpppp"},
	{'m', OTHER_TABLE, PMD | PTE | HOLE, LEAF1, "mM...."},
	{'m', OTHER_TABLE, PMD | PTE | HOLE | SPLIT, LEAF1, "mM...."},
	{'m', NONE, PMD | PTE | HOLE, LEAF1, "m1"},
	{'m', NONE, PMD | PTE | INSTALL, LEAF1, "m++++"},
	/* The same a level up. */
	{'d', OTHER_TABLE, PUD | PMD | PTE | HOLE, LEAF2, "dD1"},
	{'d', NONE, PUD | PMD | PTE | HOLE, LEAF2, "d2"},
	{'D', OTHER_LEAF, PUD | PMD | PTE | HOLE, BASE, "Dd"},
	{'D', NONE, PUD | PMD | PTE | HOLE, BASE, "D2"},
};

static unsigned level_of(const struct change *c)
{
	return c->at == 'm' || c->at == 'M' ? PT_PMD : PT_PUD;
}

/* A leaf of other pages, or an empty table, as an entry in place of the one at va. */
static pt_entry other(struct tables *t, const struct change *c)
{
	const struct pt_fmt *f = t->pt.fmt;
	uint64_t offset;

	if (c->becomes == NONE)
		return 0;
	if (c->becomes == OTHER_LEAF)
		return f->leaf(level_of(c), FLAGS) |
		       pt_with_address(f, t->pt.media_base + 128 * PAGE_BYTES);
	must_be(t->pt.memory->alloc(t, &offset), 0);
	t->pt.tables++;
	return f->table_bits | pt_with_address(f, t->pt.table_base + offset);
}

/* A table that is not in the tree is put back, to be freed. */
static void put_back(struct tables *t, uint64_t va, unsigned level)
{
	struct pt_leaf leaf;

	must_be(pt_unmap(&t->pt, va, pt_pages(t->pt.fmt, level), 0, NULL), 0);
	if (!pt_is_table(t->pt.fmt, replacement))
		return;
	must_be(pt_insert(&t->pt, va, level, 128, FLAGS), 0);
	must_be(pt_lookup(&t->pt, va, &leaf), 1);
	store_release(leaf.slot, replacement);
}

static void changing(const struct pt_fmt *f)
{
	for (unsigned i = 0; i < ARRAY_SIZE(changes); i++) {
		const struct change *c = changes + i;
		struct tables t;

		make(&t, f);
		begin(&t);
		replacement = other(&t, c);
		trace.act_on = c->at, trace.times = 1, trace.do_it = replace;
		trace.entry = PT_GUARD;
		must_be(walk(c->which, c->va, 4), 0);
		must_see(c->seen);
		put_back(&t, c->va, level_of(c));
		end(&t);
	}
}

/* Somebody changes it each time it is looked at: the walk ends. */
static int flip(struct trace *t, uint64_t va, pt_slot *slot)
{
	(void)t, (void)va;
	t->n = 0;
	t->act_on = t->act_on == 'm' ? 'M' : 'm';
	replacement = swap(slot, replacement);
	return 0;
}

static void without_end(const struct pt_fmt *f)
{
	static const struct change table = {'m', OTHER_TABLE, 0, 0, ""};
	struct tables t;

	make(&t, f);
	begin(&t);
	replacement = other(&t, &table);
	trace.act_on = 'm', trace.times = UINT32_MAX, trace.do_it = flip;
	must_be(walk(PMD | PTE, LEAF1, 1), -PF_EPAGETABLE);
	put_back(&t, LEAF1, PT_PMD);
	end(&t);
}

int main(void)
{
	for (unsigned i = 0; i < tables_format_count; i++) {
		struct pt_fmt f = tables_tiny(tables_formats[i], 2);
		struct tables t;

		/* Half a root of four entries would be too small. */
		f.sign &= f.levels > 3;
		callbacks(&f);
		depths(&f);
		make(&t, &f);
		only_holes(&t);
		ranges(&t);
		actions(&t);
		stops(&t);
		end(&t);
		install(&f);
		in_place_of_nothing(&f);
		no_splits(&f);
		changing(&f);
		without_end(&f);
	}
	return 0;
}
