/* Every bit of an entry means what the CPU's manual says, and what we give to those it leaves to us: any that is flipped is seen. */
#include <string.h>

#include "flat.h"
#include "manual.h"

#define READ_ONLY (PT_READ | PT_USER)

static const unsigned permissions[] = {
	0, PT_READ, PT_READ | PT_WRITE, PT_READ | PT_EXEC, PT_READ | PT_WRITE | PT_EXEC,
};

/* ---- a leaf says what it was made to say ------------------------------------------------------ */

static void permits(const struct pt_fmt *f, pt_entry e, unsigned flags)
{
	static const unsigned accesses[] = {PT_READ, PT_WRITE, PT_EXEC};
	unsigned user = flags & PT_USER;

	for (unsigned i = 0; i < ARRAY_SIZE(accesses); i++) {
		unsigned access = accesses[i];

		/* Where software makes leaves dirty, it has to be asked first. */
		if (access == PT_WRITE && !f->hardware_dirty && !(flags & PT_DIRTY))
			must(!f->permits(e, f->no_limit, access | user));
		else
			must_be(f->permits(e, f->no_limit, access | user), (flags & access) != 0);
		if (!user)
			must(!f->permits(e, f->no_limit, access | PT_USER));
	}
}

/* Accessed, and dirty after a store, as far as hardware does that. */
static void touched(const struct pt_fmt *f, unsigned level, pt_entry e, unsigned flags)
{
	unsigned young = f->hardware_young ? PT_YOUNG : 0, dirty = f->hardware_dirty ? PT_DIRTY : 0;

	must_be(manual_read(f, level, f->touch(e, PT_READ)).flags, flags | young);
	if (flags & PT_WRITE)
		must_be(manual_read(f, level, f->touch(e, PT_WRITE)).flags, flags | young | dirty);
}

static void one_leaf(const struct pt_fmt *f, unsigned level, unsigned flags)
{
	pt_entry e = f->leaf(level, flags);
	struct manual m = manual_read(f, level, e);

	if (m.kind != MANUAL_LEAF || m.flags != flags || f->flags(level, e) != flags || m.address)
		test_fail(__FILE__, __LINE__,
			  "%s, level %u, flags %#x: entry %#lx; flags() %#x, by the manual %#x, %s",
			  f->name, level, flags, (unsigned long)e, f->flags(level, e), m.flags,
			  m.bad ? m.bad : "fine");
	must(pt_is_leaf(f, e, level) && !pt_is_marker(e) && !(level && pt_is_table(f, e)));
	must(!(e & f->unused));
	must_be((e & f->special) != 0, (flags & PT_SPECIAL) != 0);
	must_be((e & f->soft_dirty) != 0, (flags & PT_SOFT_DIRTY) != 0);
	must_be((e & f->uffd_wp) != 0, (flags & PT_UFFD_WP) != 0);
	must_be((e & f->young) != 0, (flags & PT_YOUNG) != 0);
	if (flags & PT_PERMISSIONS) {
		permits(f, e, flags);
		touched(f, level, e, flags);
	}
}

static void all_leaves(const struct pt_fmt *f)
{
	unsigned known = manual_flags(f);

	for (unsigned level = 0; level <= PT_PUD; level++)
		for (unsigned p = 0; p < ARRAY_SIZE(permissions); p++)
			for (unsigned flags = 0; flags <= known; flags++)
				if (!(flags & ~known))
					one_leaf(f, level, flags | permissions[p]);
}

/* ---- a flipped bit is seen -------------------------------------------------------------------- */

static void map(struct flat *fl, uint64_t i, unsigned level, unsigned flags)
{
	uint64_t n = pt_pages(&fl->fmt, level);

	must_be(pt_insert(&fl->t.pt, flat_va(fl, i), level, i, flags), 0);
	flat_map(fl, i, n, i, flags, level);
}

static int mark(struct pt_walk *w, uint64_t va, pt_entry *e)
{
	(void)va;
	*e = *(pt_entry *)w->arg;
	return 0;
}

static void put_marker(struct flat *fl, uint64_t i, pt_entry marker)
{
	static const struct pt_walk_ops ops = {.install = mark};

	must_be(pt_walk(&fl->t.pt, flat_va(fl, i), 1, &ops, NULL, &marker), 0);
	fl->next[i].marker = (uint8_t)(marker >> 12);
}

/* Leaves of each level with few flags and with all, each marker, and tables at every level. */
static void make_tree(struct flat *fl)
{
	unsigned all = manual_flags(&fl->fmt);
	uint64_t large = pt_pages(&fl->fmt, PT_PUD), small = pt_pages(&fl->fmt, PT_PMD);

	fl->folios = 0;
	for (unsigned p = 0; p < 3; p++) {
		map(fl, p, PT_PTE, permissions[p + 1]);
		map(fl, small + p, PT_PTE, (permissions[p] & ~PT_WRITE) | all);
	}
	put_marker(fl, 2 * small, PT_GUARD);
	put_marker(fl, 2 * small + 1, PT_POISON);
	put_marker(fl, 2 * small + 3, PT_GUARD | PT_POISON);
	map(fl, large, PT_PMD, PT_READ | PT_WRITE | PT_DIRTY);
	map(fl, large + small, PT_PMD, READ_ONLY | all);
	map(fl, large + 2 * small, PT_PMD, 0);
	map(fl, 2 * large, PT_PUD, READ_ONLY);
	map(fl, 3 * large, PT_PUD, all);
	map(fl, fl->n - 1, PT_PTE, READ_ONLY);
	memcpy(fl->page, fl->next, fl->n * sizeof *fl->page);
}

/* Hardware sets that one where it likes. */
static bool only_young(const struct pt_fmt *f, unsigned level, pt_entry e, pt_entry flipped)
{
	struct manual was = manual_read(f, level, e), is = manual_read(f, level, flipped);

	return was.kind == MANUAL_TABLE && is.kind == MANUAL_TABLE && was.address == is.address &&
	       was.flags != is.flags;
}

static void flip_entry(struct flat *fl, unsigned level, pt_slot *slot)
{
	pt_entry e = load_relaxed(slot);

	for (unsigned bit = 0; bit < 64; bit++) {
		pt_entry flipped = e ^ 1ull << bit;

		store_relaxed(slot, flipped);
		if (!flat_differs(fl) && !only_young(&fl->fmt, level, e, flipped))
			test_fail(__FILE__, __LINE__,
				  "%s, level %u: entry %#lx without a difference from %#lx",
				  fl->fmt.name, level, (unsigned long)flipped, (unsigned long)e);
		store_relaxed(slot, e);
	}
}

static void flip_table(struct flat *fl, uint64_t offset, unsigned level)
{
	pt_slot *slot = (pt_slot *)(void *)(fl->t.pt.arena + offset);

	for (unsigned i = 0; i < pt_entries(&fl->fmt); i++) {
		struct manual m = manual_read(&fl->fmt, level, load_relaxed(slot + i));

		flip_entry(fl, level, slot + i);
		if (m.kind == MANUAL_TABLE)
			flip_table(fl, m.address - fl->t.pt.table_base, level - 1);
	}
}

static void flips(const struct pt_fmt *f)
{
	/* So that there is room for each kind beside the other. */
	struct pt_fmt tiny = tables_tiny(f, f->levels == 3 ? 3 : 2);
	struct flat fl;
	const char *why;

	flat_make(&fl, &tiny, 1);
	make_tree(&fl);
	if ((why = flat_differs(&fl)))
		test_fail(__FILE__, __LINE__, "%s: %s", f->name, why);
	flip_table(&fl, fl.t.pt.root, f->levels - 1u);
	memcpy(fl.held, fl.page, fl.n * sizeof *fl.held);
	flat_check(&fl);
	flat_end(&fl);
}

int main(void)
{
	for (unsigned i = 0; i < tables_format_count; i++) {
		all_leaves(tables_formats[i]);
		flips(tables_formats[i]);
	}
	return 0;
}
