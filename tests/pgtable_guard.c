/* A guard stays where it is until it is removed or its address is unmapped: whatever is done to pages around it, and whoever populates the range meanwhile. */
#include <pthread.h>

#include "base/err.h"
#include "tables.h"
#include "test.h"

#define FLAGS (PT_READ | PT_WRITE | PT_USER)
#define VA    0x40000000ull /* where a leaf of 1 GiB could be */
#define AT(n) (VA + (n)*PAGE_BYTES)

/* Takes pages away as whoever serves the range does, and does more, where a test asks for that. */
struct zapper {
	struct pt *pt;
	unsigned calls;
	uint64_t va, pages; /* of the last call */
	unsigned come_back; /* so many times, pages are populated again at once */
	uint64_t again;     /* there */
	int fails;          /* with this error */
};

static int zap(void *arg, uint64_t va, uint64_t pages)
{
	struct zapper *z = arg;

	z->calls++;
	z->va = va;
	z->pages = pages;
	if (z->fails)
		return z->fails;
	/* The tree is not locked. */
	must_be(pt_unmap(z->pt, va, pages, PT_KEEP_GUARDS, NULL), 0);
	if (z->come_back) {
		z->come_back--;
		must_be(pt_map(z->pt, z->again, 9, 1, FLAGS, PT_PTE), 0);
	}
	return 0;
}

static pt_entry entry_at(struct pt *pt, uint64_t va)
{
	struct pt_leaf leaf;

	must(pt_lookup(pt, va, &leaf) >= 0);
	return leaf.entry;
}

static unsigned guards(struct pt *pt, uint64_t va, uint64_t pages)
{
	unsigned n = 0;

	for (uint64_t i = 0; i < pages; i++)
		n += entry_at(pt, va + i * PAGE_BYTES) == PT_GUARD;
	return n;
}

static bool mapped(struct pt *pt, uint64_t va)
{
	return pt_lookup(pt, va, &(struct pt_leaf){0}) == 1;
}

static void empty(struct tables *t)
{
	must_be(pt_unmap(&t->pt, VA, 4096, 0, NULL), 0);
	must_be(pt_settle(&t->pt, 0), 0);
	must_be((long)t->in_use, 1);
}

static void install(struct pt *pt, uint64_t n, uint64_t pages)
{
	struct zapper z = {.pt = pt};

	must_be(pt_guard_install(pt, AT(n), pages, zap, &z), 0);
	must_be(guards(pt, AT(n), pages), pages);
}

/* ---- installing and removing ------------------------------------------------------------------ */

/* Nobody is asked to take away what is not there, and a guard may be there already. */
static void on_nothing(struct tables *t)
{
	struct zapper z = {.pt = &t->pt};

	must_be(pt_guard_install(&t->pt, AT(3), 4, zap, &z), 0);
	must_be(pt_guard_install(&t->pt, AT(1), 8, zap, &z), 0);
	must_be(z.calls, 0);
	must_be(guards(&t->pt, AT(0), 10), 8);
	must_be(pt_guard_remove(&t->pt, AT(2), 6), 0);
	must_be(guards(&t->pt, AT(0), 10), 2);
	must_be(entry_at(&t->pt, AT(1)) == PT_GUARD && entry_at(&t->pt, AT(8)) == PT_GUARD, true);
	must_be(pt_guard_remove(&t->pt, AT(0), 10), 0);
	must_be(pt_settle(&t->pt, 0), 0);
	must_be((long)t->in_use, 1);
}

/* What is mapped in the range goes first, and what is beside it stays: large leaves, too. */
static void on_pages(struct tables *t)
{
	struct pt *pt = &t->pt;
	uint64_t large = pt_pages(pt->fmt, PT_PMD);
	struct zapper z = {.pt = pt};

	must_be(pt_map(pt, VA, 0, 3 * large, FLAGS, PT_PMD), 0);
	must_be(pt_guard_install(pt, AT(large - 1), large + 2, zap, &z), 0);
	must_be(z.calls, 1);
	must(z.va == AT(large - 1) && z.pages == large + 2);
	must_be(guards(pt, VA, 3 * large), large + 2);
	must(mapped(pt, AT(large - 2)) && mapped(pt, AT(2 * large + 1)));
	/* A leaf that was not cut stays what it is. */
	must_be(pt_guard_remove(pt, VA, 3 * large), 0);
	must(!guards(pt, VA, 3 * large) && !mapped(pt, AT(large)));
	must(mapped(pt, VA) && mapped(pt, AT(3 * large - 1)));
	empty(t);
}

/* Somebody populates the range between zap() and the walk: a few times it starts again, then its caller does. */
static void retries(struct tables *t)
{
	for (unsigned back = 0; back < 6; back++) {
		struct zapper z = {.pt = &t->pt, .come_back = back, .again = AT(5)};
		int rc;

		must_be(pt_map(&t->pt, AT(2), 7, 1, FLAGS, PT_PTE), 0);
		rc = pt_guard_install(&t->pt, VA, 8, zap, &z);
		must_be(rc, back < 3 ? 0 : -PF_EAGAIN);
		must_be(z.calls, MIN(back + 1, 3));
		must_be(guards(&t->pt, VA, 8), back < 3 ? 8 : 5);
		must_be(mapped(&t->pt, AT(5)), back >= 3);
		empty(t);
	}
}

/* Guards that were made until it failed stay; nothing else is left of it. */
static void fails(struct tables *t)
{
	struct zapper z = {.pt = &t->pt, .fails = -EDOM};
	uint64_t large = pt_pages(t->pt.fmt, PT_PMD);

	must_be(pt_map(&t->pt, AT(5), 7, 1, FLAGS, PT_PTE), 0);
	must_be(pt_guard_install(&t->pt, AT(2), 6, zap, &z), -EDOM);
	must_be(guards(&t->pt, VA, 8), 3);
	must(mapped(&t->pt, AT(5)));
	empty(t);
	/* Tables for the first page, and none for what is behind its table. */
	t->left = t->pt.fmt->levels - 1u;
	must_be(pt_guard_install(&t->pt, AT(large - 2), 4, zap, &z), -ENOMEM);
	t->left = UINT64_MAX;
	must_be(guards(&t->pt, VA, 2 * large), 2);
	must_be((long)t->pt.tables, t->pt.fmt->levels);
	must_be(pt_guard_install(&t->pt, 0x1001, 1, zap, &z), -PF_ERANGE);
	must_be(pt_guard_remove(&t->pt, VA, 0), -PF_ERANGE);
	empty(t);
}

/* ---- what guards live through ----------------------------------------------------------------- */

/* They are there for whoever populates, finds, or runs on the tree. */
static void in_the_way(struct tables *t)
{
	struct pt *pt = &t->pt;
	uint64_t large = pt_pages(pt->fmt, PT_PMD);
	struct pt_translation tr;
	struct pt_leaf leaf;

	install(pt, 2, 1);
	must_be(pt_map(pt, VA, 0, 4, FLAGS, PT_PUD), -PF_EGUARDED);
	must(!mapped(pt, VA));
	must_be(pt_insert(pt, AT(2), PT_PTE, 0, FLAGS), -PF_EGUARDED);
	must_be(pt_insert(pt, VA, PT_PMD, 0, FLAGS), -PF_EGUARDED);
	must_be(pt_map(pt, VA, 0, 2, FLAGS, PT_PUD), 0);
	must_be(pt_map(pt, AT(3), 3, large - 3, FLAGS, PT_PUD), 0);
	must_be(pt_collapse(pt, VA, PT_PMD, NULL), -PF_EPTLEAF);
	must_be(pt_folio_walk_start(pt, AT(2), PT_WALK_SPECIAL, &leaf), 0);
	must_be(pt_translate(pt, AT(2), PT_READ | PT_USER, &tr), 0);
	must_be(tr.outcome, PT_NOT_PRESENT);
	must_be(guards(pt, VA, large), 1);
	empty(t);
}

static void lives(struct tables *t)
{
	struct pt *pt = &t->pt;

	must_be(pt_map(pt, VA, 0, 8, FLAGS, PT_PTE), 0);
	install(pt, 2, 3);
	must_be(pt_protect(pt, VA, 8, PT_READ, NULL), 5);
	must_be(pt_write_protect(pt, VA, 8, NULL), 5);
	must(pt_collect_dirty(pt, VA, 8, NULL, NULL) >= 0);
	must(pt_clear_young(pt, VA, 8, NULL, NULL) >= 0);
	must_be(guards(pt, VA, 8), 3);
	/* Pages go, addresses stay: what is left holds the tables. */
	must_be(pt_unmap(pt, VA, 8, PT_KEEP_GUARDS, NULL), 0);
	must_be(guards(pt, VA, 8), 3);
	must(!mapped(pt, VA));
	/* They move with the range. */
	must_be(pt_move(pt, VA, AT(64), 8, NULL), 0);
	must_be(guards(pt, VA, 8), 0);
	must_be(guards(pt, AT(66), 3), 3);
	must_be(pt_map(pt, VA, 0, 8, FLAGS, PT_PTE), 0);
	must_be(pt_move(pt, VA, AT(64), 8, NULL), -PF_EGUARDED);
	/* Addresses go. */
	must_be(pt_unmap(pt, AT(66), 3, 0, NULL), 0);
	must_be(guards(pt, AT(64), 8), 0);
	empty(t);
}

/* The copy has them, and each removes its own. */
static void copied(struct tables *t)
{
	struct pt *pt = &t->pt;
	struct tables child;

	tables_make(&child, pt->fmt, 4096, pt->pages);
	install(pt, 2, 3);
	must_be(pt_map(pt, AT(9), 0, 1, FLAGS, PT_PTE), 0);
	must_be(pt_copy(&child.pt, pt, VA, 16, 0, NULL), 0);
	must_be(guards(&child.pt, VA, 16), 3);
	must_be(pt_guard_remove(&child.pt, VA, 16), 0);
	must_be(guards(&child.pt, VA, 16), 0);
	must(mapped(&child.pt, AT(9)));
	must_be(guards(pt, VA, 16), 3);
	must_be(pt_copy(&child.pt, pt, VA, 9, 0, NULL), 0);
	must_be(pt_copy(&child.pt, pt, VA, 9, 0, NULL), -PF_EGUARDED);
	must_be(pt_destroy(&child.pt, NULL), 0);
	tables_end(&child);
	empty(t);
}

/* Poison goes with the page, and is told before a guard; a guard under it stays one. */
static void poison(struct tables *t)
{
	struct pt *pt = &t->pt;

	install(pt, 2, 2);
	must_be(pt_poison(pt, AT(2)), 0);
	must_be(pt_poison(pt, AT(5)), 0);
	must_be(pt_map(pt, AT(2), 0, 1, FLAGS, PT_PTE), -PF_EPOISONED);
	must_be(pt_map(pt, AT(3), 0, 1, FLAGS, PT_PTE), -PF_EGUARDED);
	must_be(pt_unmap(pt, VA, 8, PT_KEEP_GUARDS, NULL), 0);
	must_be(guards(pt, VA, 8), 2);
	must_be((long)entry_at(pt, AT(5)), 0);
	must_be(pt_poison(pt, AT(2)), 0);
	must_be(pt_guard_remove(pt, VA, 8), 0);
	must_be((long)entry_at(pt, AT(2)), PT_POISON);
	must_be(pt_map(pt, AT(6), 0, 1, FLAGS, PT_PTE), 0);
	must_be(pt_poison(pt, AT(6)), -PF_EMAPPED);
	empty(t);
}

/* A page of zeros is special: it is found, of no folio, and never made part of a larger leaf. */
static void special(struct tables *t)
{
	struct pt *pt = &t->pt;
	uint64_t large = pt_pages(pt->fmt, PT_PMD);
	struct pt_leaf leaf;

	must_be(pt_map(pt, VA, 0, large, PT_READ | PT_USER | PT_SPECIAL, PT_PTE), 0);
	must_be(pt_lookup(pt, VA, &leaf), 1);
	must(pt->fmt->flags(0, leaf.entry) & PT_SPECIAL);
	must_be(pt_folio_walk_start(pt, VA, 0, &leaf), 0);
	must_be(pt_folio_walk_start(pt, VA, PT_WALK_SPECIAL, &leaf), 1);
	pt_folio_walk_end(pt);
	must_be(pt_collapse(pt, VA, PT_PMD, NULL), -PF_EPTLEAF);
	install(pt, 1, 2);
	must_be(guards(pt, VA, large), 2);
	empty(t);
}

/* ---- somebody populates all the time ---------------------------------------------------------- */

struct populating {
	struct pt *pt;
	_Atomic bool stop;
};

static void *populate(void *arg)
{
	struct populating *p = arg;

	for (uint64_t i = 0; !load_acquire(&p->stop); i++) {
		int rc = pt_map(p->pt, AT(i % 8), i % 8, 1, FLAGS, PT_PTE);

		must(rc == 0 || rc == -PF_EMAPPED || rc == -PF_EGUARDED);
	}
	return NULL;
}

static void populated(struct tables *t)
{
	struct populating p = {.pt = &t->pt};
	pthread_t thread;

	must_be(pthread_create(&thread, NULL, populate, &p), 0);
	for (unsigned i = 0; i < 200; i++) {
		struct zapper z = {.pt = &t->pt};
		int rc;

		while ((rc = pt_guard_install(&t->pt, VA, 8, zap, &z)) == -PF_EAGAIN)
			;
		must_be(rc, 0);
		/* From now on nobody gets in. */
		must_be(guards(&t->pt, VA, 8), 8);
		must_be(pt_guard_remove(&t->pt, VA, 8), 0);
	}
	store_release(&p.stop, true);
	pthread_join(thread, NULL);
	empty(t);
}

int main(void)
{
	for (unsigned i = 0; i < tables_format_count; i++) {
		struct tables t;

		tables_make(&t, tables_formats[i], 4096, 4096);
		on_nothing(&t);
		on_pages(&t);
		retries(&t);
		fails(&t);
		in_the_way(&t);
		lives(&t);
		copied(&t);
		poison(&t);
		special(&t);
		populated(&t);
		must_be(pt_destroy(&t.pt, NULL), 0);
		tables_end(&t);
	}
	return 0;
}
