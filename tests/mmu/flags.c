/*
 * What a leaf is asked to permit is what a machine lets through: each set of flags, in leaves of each size, against every kind of access,
 * by the meaning of the flags alone, whatever bits the format makes of them. And with formats that encode one bit wrongly, the machine objects.
 *
 *   mmu_flags MACHINE
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "machines.h"
#include "space.h"

#define KINDS 6u
#define VA    0x1540000000u /* a multiple of 1 GiB that every format has, and no stub needs */

struct trial {
	struct space space;
	unsigned level, flags;
	uint64_t va, frame; /* frame: offset of what va is to lead to */
};

static struct trial trials[MMU_MAX_SPACES];

/* How a format's leaves are made wrong: a bit is never set, always, or the other way round. */
enum { NEVER, ALWAYS, INVERTED, WAYS };
static const char *const way_names[] = {"never set", "always set", "inverted"};

static struct {
	const struct pt_fmt *right;
	uint64_t bit;
	unsigned kinds; /* in leaves of these (bits.h) */
	int way;
	unsigned differed; /* leaves that became others */
} wrong;

static pt_entry wrong_leaf(unsigned level, unsigned flags)
{
	uint64_t bit = wrong.kinds & MMU_IN_PTE << level ? wrong.bit : 0;
	pt_entry e = wrong.right->leaf(level, flags);
	pt_entry made = wrong.way == NEVER ? e & ~bit : wrong.way == ALWAYS ? e | bit : e ^ bit;

	wrong.differed += made != e;
	return made;
}

/* ---- what flags mean ---- */

static bool permitted(const struct mmu_arch *arch, const struct trial *t, uint64_t kind)
{
	const struct pt_fmt *f = wrong.right;
	static const unsigned needs[] = {PT_READ, PT_WRITE, PT_EXEC};
	bool users = t->flags & PT_USER, fetch = (kind & MMU_KIND) == MMU_FETCH;

	if (!(t->flags & needs[kind & MMU_KIND]))
		return false;
	if (!f->hardware_young && !(t->flags & PT_YOUNG))
		return false;
	if (!f->hardware_dirty && (kind & MMU_KIND) == MMU_STORE && !(t->flags & PT_DIRTY))
		return false;
	if (kind & MMU_USER)
		return users;
	return !users || (!t->space.strict && (!fetch || arch->runs_users));
}

/* ---- trials ---- */

/* False: the format cannot say these flags. */
static bool build(struct mmu *m, struct trial *t, struct space_arena *arena,
		  const struct pt_fmt *fmt, bool strict)
{
	uint64_t pfn = (t->level == PT_PUD ? 0 : SPACE_FRAMES) / PAGE_BYTES;
	int rc;

	space_make(&t->space, m, arena);
	t->space.strict = strict;
	t->space.pt.fmt = fmt;
	t->va = VA + (t->level == PT_PUD ? SPACE_FRAMES : 0);
	t->frame = SPACE_FRAMES;
	rc = pt_insert(&t->space.pt, VA, t->level, pfn, t->flags);
	must(rc == 0 || rc == -PF_EPTCAN);
	return rc == 0;
}

static void add_jobs(struct mmu *m, unsigned i, bool only_loads)
{
	static const uint64_t kinds[KINDS] = {
		MMU_LOAD,
		MMU_LOAD | MMU_USER,
		MMU_FETCH,
		MMU_FETCH | MMU_USER,
		MMU_STORE | MMU_USER,
		MMU_STORE,
	};
	const struct trial *t = &trials[i];

	m->spaces[i] = (struct mmu_space){
		.root = t->space.pt.table_base + t->space.pt.root,
		.first = (uint64_t)i * KINDS,
		.count = only_loads ? 2 : KINDS,
	};
	if (t->space.strict)
		memcpy(m->spaces[i].control, m->mode->strict, sizeof m->mode->strict);
	for (unsigned k = 0; k < KINDS; k++)
		m->jobs[i * KINDS + k] = (struct mmu_job){
			.va = t->va + ((kinds[k] & MMU_KIND) == MMU_STORE ? 8 : 0),
			.kind = kinds[k],
			.value = i,
		};
}

/* The nth set of flags; those that hardware does not know by chance. */
static unsigned flags_of(unsigned n, struct test_random *r)
{
	static const unsigned permissions[] = {0, PT_READ, PT_READ | PT_WRITE, PT_READ | PT_EXEC,
					       PT_PERMISSIONS};
	unsigned flags = permissions[n / 8];

	flags |= (n & 1 ? PT_USER : 0) | (n & 2 ? PT_YOUNG : 0) | (n & 4 ? PT_DIRTY : 0);
	flags |= (test_below(r, 2) ? PT_SPECIAL : 0) | (test_below(r, 2) ? PT_SOFT_DIRTY : 0);
	return flags | (test_below(r, 2) && !(flags & PT_WRITE) ? PT_UFFD_WP : 0);
}
#define SETS 40u

/* All sets of flags, in leaves of all sizes; half of them are only loaded from, so that nothing makes them dirty. */
static unsigned build_all(struct mmu *m, const struct pt_fmt *fmt, struct test_random *r,
			  bool only_loads)
{
	unsigned top = m->arch->no_leaf_at ? m->arch->no_leaf_at : PT_PUD + 1, count = 0;
	struct space_arena arena = {0};

	for (unsigned n = 0; n < SETS * top * 4; n++) {
		unsigned variant = n / SETS / top;
		struct trial *t = &trials[count];

		*t = (struct trial){.level = n / SETS % top, .flags = flags_of(n % SETS, r)};
		if (variant & 1 && !space_may_be_strict(m->mode))
			continue;
		if (build(m, t, &arena, fmt, variant & 1))
			add_jobs(m, count++, only_loads || variant & 2);
		space_end(&t->space);
	}
	return count;
}
_Static_assert(SETS *(PT_PUD + 1) * 4 <= MMU_MAX_SPACES, "all at once");

/* NULL: as it should be. */
static const char *judge_job(struct mmu *m, const struct trial *t, uint64_t i)
{
	const struct mmu_job *job = &m->jobs[i];
	const struct mmu_result *r = &m->results[i];
	unsigned outcomes = m->arch->verdict(job, r).outcomes;
	unsigned number = (unsigned)(t->frame / PAGE_BYTES);

	if (!permitted(m->arch, t, job->kind))
		return outcomes & (MMU_PERMISSION | MMU_NOT_PRESENT | MMU_ACCESS_FLAG) ? NULL
										       : "no fault";
	if (!(outcomes & MMU_OK))
		return "a fault";
	switch (job->kind & MMU_KIND) {
	case MMU_LOAD:
		return r->value == m->arch->frame(number) ? NULL : "something else was loaded";
	case MMU_FETCH:
		return r->value == number ? NULL : "a fetch arrived elsewhere";
	default:
		return NULL;
	}
}

/* Accessed and dirty, by the meaning of what is in the leaf then. */
static const char *judge_flags(struct mmu *m, const struct trial *t, const struct mmu_space *s)
{
	struct pt right = t->space.pt;
	unsigned want = t->flags, got;
	pt_slot *slot;

	right.fmt = wrong.right;
	for (uint64_t i = s->first; i < s->first + s->count; i++) {
		bool fine = permitted(m->arch, t, m->jobs[i].kind);

		want |= fine ? PT_YOUNG : 0;
		want |= fine && (m->jobs[i].kind & MMU_KIND) == MMU_STORE ? PT_DIRTY : 0;
	}
	slot = space_slot(&right, t->va, t->level);
	got = slot ? wrong.right->flags(t->level, load_relaxed(slot)) : 0;
	return got == want ? NULL : "the leaf says something else then";
}

static const char *judge_trial(struct mmu *m, const struct trial *t, const struct mmu_space *s,
			       uint64_t *job)
{
	const char *what = NULL;

	for (*job = s->first; *job < s->first + s->count; ++*job)
		if ((what = judge_job(m, t, *job)))
			return what;
	*job = s->first;
	return judge_flags(m, t, s);
}

/* The first objection, in words, or NULL. */
static const char *judge_all(struct mmu *m, unsigned count)
{
	static char text[500];

	for (unsigned i = 0; i < count; i++) {
		const struct trial *t = &trials[i];
		uint64_t job;
		const char *what = judge_trial(m, t, &m->spaces[i], &job);

		if (!what)
			continue;
		snprintf(text, sizeof text,
			 "level %u, flags %#x%s: %s; access %lu, cause %#lx, value %#lx, pc %#lx",
			 t->level, t->flags, t->space.strict ? ", strict" : "", what,
			 (unsigned long)m->jobs[job].kind, (unsigned long)m->results[job].cause,
			 (unsigned long)m->results[job].value, (unsigned long)m->results[job].pc);
		return text;
	}
	return NULL;
}

/* ---- formats, right and wrong ---- */

static void fill_frame(struct mmu *m)
{
	uint64_t first = m->arch->frame(SPACE_FRAMES / PAGE_BYTES);

	memset(m->ram + SPACE_FRAMES, 0, PAGE_BYTES);
	memcpy(m->ram + SPACE_FRAMES, &first, sizeof first);
}

static const char *run(struct mmu *m, const struct pt_fmt *fmt, bool only_loads)
{
	struct test_random r = {test_seed()};
	unsigned count;

	wrong.differed = 0;
	fill_frame(m);
	count = build_all(m, fmt, &r, only_loads);
	mmu_run(m, count);
	return judge_all(m, count);
}

/* True: it is another format, and the machine objects. */
static bool must_object(struct mmu *m, const struct mmu_bits *row, uint64_t bit, int way)
{
	struct pt_fmt fmt = *wrong.right;
	const char *objection;

	wrong.bit = bit;
	wrong.kinds = row->kinds;
	wrong.way = way;
	fmt.leaf = wrong_leaf;
	objection = run(m, &fmt, row->effect == MMU_LEADS);
	if (wrong.differed && !objection)
		test_fail(__FILE__, __LINE__, "%s: bit %d of leaves (%s) is %s, and nobody objects",
			  m->mode->name, __builtin_ctzll(bit), row->what, way_names[way]);
	return wrong.differed;
}

/* Each bit that hardware acts by, and that flags decide. How many wrong formats there were. */
static unsigned try_wrong(struct mmu *m)
{
	unsigned objected = 0;

	for (const struct mmu_bits *row = m->mode->bits; row->kinds; row++) {
		bool acts = row->effect == MMU_ACTS || row->effect == MMU_LEADS;
		uint64_t left = row->mask & ~m->mode->fmt->address;

		for (; acts && row->kinds & MMU_IN_LEAF && left; left &= left - 1)
			for (int way = 0; way < WAYS; way++)
				objected += must_object(m, row, left & -left, way);
	}
	return objected;
}

/* The same of entries that lead to tables, which must take away nothing. */
static unsigned try_wrong_tables(struct mmu *m)
{
	unsigned objected = 0;

	wrong.bit = 0;
	for (const struct mmu_bits *row = m->mode->bits; row->kinds; row++) {
		uint64_t left = row->effect == MMU_RESTRICTS ? row->mask : 0;

		for (; left; left &= left - 1, objected++) {
			struct pt_fmt fmt = *wrong.right;

			fmt.table_bits ^= left & -left;
			if (!run(m, &fmt, false))
				test_fail(__FILE__, __LINE__,
					  "%s: bit %d of tables is wrong, and nobody objects",
					  m->mode->name, __builtin_ctzll(left));
		}
	}
	return objected;
}

static bool try_mode(const struct mmu_arch *arch, const struct mmu_mode *mode)
{
	const char *why, *objection;
	struct mmu *m = mmu_start(arch, mode, &why);
	unsigned objected;

	if (!m) {
		skip_part("%s, %s: %s", arch->name, mode->name, why);
		return false;
	}
	wrong.right = mode->fmt;
	objection = run(m, mode->fmt, false);
	if (objection)
		test_fail(__FILE__, __LINE__, "%s, %s: %s", arch->name, mode->name, objection);
	objected = try_wrong(m) + try_wrong_tables(m);
	printf("%s, %s: as the flags say; objects to %u wrong formats\n", arch->name, mode->name,
	       objected);
	fflush(stdout);
	mmu_stop(m);
	return true;
}

int main(int argc, char **argv)
{
	must(argc == 2);
	return machines_each(argv[1], try_mode);
}
