/* See space.h. */
#include "space.h"

#include <string.h>

#include "base/err.h"

#define GB  (1ull << 30)
#define MB2 (1ull << 21)

/* ---- memory of tables ---- */

static int take(void *arg, uint64_t *offset)
{
	struct space *s = arg;

	must(s->arena->next + PAGE_BYTES <= SPACE_TABLE_BYTES);
	*offset = s->arena->next;
	s->arena->next += PAGE_BYTES;
	memset(s->pt.arena + *offset, 0, PAGE_BYTES);
	return 0;
}

static void give(void *arg, uint64_t offset)
{
	struct space *s = arg;

	memset(s->pt.arena + offset, 0xa5, PAGE_BYTES);
}

static const struct pt_memory memory = {.alloc = take, .free = give};

/* ---- where ---- */

bool space_hidden(const struct mmu_mode *mode, uint64_t first, uint64_t last)
{
	return mode->hidden_last && first <= mode->hidden_last && last >= mode->hidden_first;
}

static uint64_t canonical(const struct pt_fmt *f, uint64_t va)
{
	unsigned unused = 64 - pt_shift(f, f->levels);

	return f->sign ? (uint64_t)((int64_t)(va << unused) >> unused) : va << unused >> unused;
}

/* A multiple of 1 GiB: at an end of the addresses, near another, or anywhere. */
static uint64_t anchor(const struct pt_fmt *f, struct test_random *r, uint64_t near)
{
	uint64_t all = 1ull << pt_shift(f, f->levels);

	switch (test_below(r, 8)) {
	case 0:
		return 0;
	case 1:
		return canonical(f, (f->sign ? all / 2 : all) - GB);
	case 2:
		return canonical(f, all / 2);
	case 3:
		return canonical(f, all - GB);
	case 4:
	case 5:
		return canonical(f, near + GB * (test_below(r, 3) - 1));
	default:
		return canonical(f, test_random(r) & ~(GB - 1));
	}
}

/* Pages at which tables begin and end are more likely than others. */
static uint64_t inside(struct test_random *r, uint64_t unit)
{
	uint64_t units = GB / unit;

	switch (test_below(r, 6)) {
	case 0:
		return 0;
	case 1:
		return GB - unit;
	case 2:
		return (MB2 - unit) % GB / unit * unit;
	case 3:
		return MB2;
	default:
		return test_below(r, units) * unit;
	}
}

static void remember(struct space *s, uint64_t va, uint64_t bytes)
{
	struct space_spot *spot = &s->spots[s->spot_count % SPACE_SPOTS];

	*spot = (struct space_spot){va, bytes};
	s->spot_count++;
}

static const struct space_spot *some_spot(const struct space *s, struct test_random *r)
{
	return &s->spots[test_below(r, MIN(s->spot_count, SPACE_SPOTS))];
}

/* Some pages where something was done. */
struct part {
	uint64_t va, pages;
};

static struct part some_part(const struct space *s, struct test_random *r)
{
	const struct space_spot *spot = some_spot(s, r);
	uint64_t all = spot->bytes / PAGE_BYTES;
	uint64_t pages = all <= 600 && test_below(r, 4) == 0 ? all : 1 + test_below(r, MIN(all, 5));

	return (struct part){spot->va + test_below(r, all - pages + 1) * PAGE_BYTES, pages};
}

/* ---- what ---- */

static unsigned random_flags(struct test_random *r)
{
	uint64_t x = test_random(r);
	unsigned flags = x & 7 ? PT_READ | (x & 0x18 ? PT_WRITE : 0) : 0;

	flags |= (x & 0x60 ? PT_EXEC : 0) | (x & 0x180 ? PT_USER : 0);
	flags |= (x & 0x200 ? PT_YOUNG : 0) | (x & 0x400 ? PT_DIRTY : 0);
	flags |= (x & 0x1800 ? 0 : PT_SPECIAL) | (x & 0x6000 ? 0 : PT_SOFT_DIRTY);
	return flags | (x & 0x18000 ? 0 : PT_UFFD_WP);
}

/* What a random call may answer, besides success. */
static void may_be(long rc)
{
	must(rc >= 0 || rc == -PF_EMAPPED || rc == -PF_EGUARDED || rc == -PF_EPOISONED ||
	     rc == -PF_EPTLEAF || rc == -PF_EPTCAN);
}

static void insert(struct space *s, uint64_t va, unsigned level, uint64_t address,
		   struct test_random *r)
{
	may_be(pt_insert(&s->pt, va, level, address / PAGE_BYTES, random_flags(r)));
	remember(s, va, pt_bytes(s->pt.fmt, level));
}

static void insert_large(struct space *s, struct test_random *r, uint64_t at)
{
	insert(s, at + inside(r, MB2), PT_PMD,
	       SPACE_FRAMES + test_below(r, SPACE_FRAMES / MB2) * MB2, r);
}

static void map(struct space *s, struct test_random *r, uint64_t at)
{
	uint64_t va = at + inside(r, PAGE_BYTES);
	uint64_t pages = 1 + test_below(r, test_below(r, 8) ? 20 : 600);
	uint64_t pfn = SPACE_FRAMES / PAGE_BYTES + test_below(r, SPACE_FRAMES / PAGE_BYTES - 2048);

	/* So that a large leaf fits, sometimes. */
	if (test_below(r, 3) == 0)
		pfn = align_down(pfn, BLOCK_PAGES) + va / PAGE_BYTES % BLOCK_PAGES;
	pages = MIN(pages, (GB - va % GB) / PAGE_BYTES);
	may_be(pt_map(&s->pt, va, pfn, pages, random_flags(r), (unsigned)test_below(r, 3)));
	remember(s, va, pages * PAGE_BYTES);
}

static void unmap(struct space *s, struct test_random *r, uint64_t at)
{
	struct part p = some_part(s, r);

	(void)at;
	may_be(pt_unmap(&s->pt, p.va, p.pages, test_below(r, 2) ? PT_KEEP_GUARDS : 0, NULL));
	remember(s, p.va, p.pages * PAGE_BYTES);
}

static void split(struct space *s, struct test_random *r, uint64_t at)
{
	struct part p = some_part(s, r);

	(void)at;
	may_be(pt_split(&s->pt, p.va, (unsigned)test_below(r, 2), NULL));
	if (test_below(r, 2))
		may_be(pt_collapse(&s->pt, p.va, PT_PMD, NULL));
	remember(s, p.va, PAGE_BYTES);
}

static void protect(struct space *s, struct test_random *r, uint64_t at)
{
	struct part p = some_part(s, r);

	(void)at;
	may_be(pt_protect(&s->pt, p.va, p.pages, random_flags(r) & PT_PERMISSIONS, NULL));
	remember(s, p.va, p.pages * PAGE_BYTES);
}

/* What is watched is made clean, old or read-only. */
static void watch(struct space *s, struct test_random *r, uint64_t at)
{
	struct part p = some_part(s, r);

	(void)at;
	switch (test_below(r, 5)) {
	case 0:
		return may_be(pt_write_protect(&s->pt, p.va, p.pages, NULL));
	case 1:
		return may_be(pt_write_unprotect(&s->pt, p.va, p.pages, test_below(r, 2), NULL));
	case 2:
		return may_be(pt_clear_soft_dirty(&s->pt, p.va, p.pages));
	case 3:
		return may_be(pt_collect_dirty(&s->pt, p.va, p.pages, NULL, NULL));
	default:
		return may_be(pt_clear_young(&s->pt, p.va, p.pages, NULL, NULL));
	}
}

static int zap(void *arg, uint64_t va, uint64_t pages)
{
	return pt_unmap(&((struct space *)arg)->pt, va, pages, PT_KEEP_GUARDS, NULL);
}

static void guard(struct space *s, struct test_random *r, uint64_t at)
{
	struct part p = some_part(s, r);

	(void)at;
	if (test_below(r, 4) == 0)
		may_be(pt_poison(&s->pt, p.va));
	else
		may_be(pt_guard_install(&s->pt, p.va, p.pages, zap, s));
	if (test_below(r, 4) == 0)
		may_be(pt_guard_remove(&s->pt, p.va, 1));
	remember(s, p.va, p.pages * PAGE_BYTES);
}

static void move(struct space *s, struct test_random *r, uint64_t at)
{
	struct part p = some_part(s, r);
	uint64_t bytes = p.pages * PAGE_BYTES, offset = inside(r, PAGE_BYTES);
	uint64_t to = at + MIN(offset, GB - bytes);

	if (to - p.va < bytes || p.va - to < bytes)
		return;
	may_be(pt_move(&s->pt, p.va, to, p.pages, NULL));
	remember(s, to, bytes);
}

typedef void change(struct space *s, struct test_random *r, uint64_t at);

/* Some in the GiB at `at`, where that is the place for something new; the others where something is. */
static change *const changes[] = {
	insert_large, insert_large, insert_large, map,   map,     map,   map,
	map,          unmap,        split,        guard, protect, watch, move,
};

bool space_may_be_strict(const struct mmu_mode *mode)
{
	return mode->strict[0] | mode->strict[1] | mode->strict[2] | mode->strict[3];
}

/* Leaves of 1 GiB come first, while there is room; they begin at the start of memory, and only what exists of it is looked at. */
static void fill(struct space *s, struct mmu *m, struct test_random *r, uint64_t at)
{
	bool huge = !s->arena->small && (!m->arch->no_leaf_at || m->arch->no_leaf_at > PT_PUD);

	remember(s, at, PAGE_BYTES);
	if (huge && test_below(r, 4) == 0)
		insert(s, at, PT_PUD, 0, r);
	for (uint64_t n = 1 + test_below(r, 6); n; n--)
		changes[test_below(r, ARRAY_SIZE(changes))](s, r, at);
}

void space_make(struct space *s, struct mmu *m, struct space_arena *arena)
{
	*s = (struct space){
		.arena = arena,
		.first = arena->next,
		.pt =
			{
				.fmt = m->mode->fmt,
				.arena = m->ram + SPACE_TABLES,
				.arena_bytes = SPACE_TABLE_BYTES,
				.table_base = m->arch->ram_base + SPACE_TABLES,
				.media_base = m->arch->ram_base,
				.physical_bits = m->physical_bits,
				.pages = GB /
					 PAGE_BYTES, /* more than there is: for leaves of 1 GiB */
				.memory = &memory,
				.arg = s,
			},
	};
	must_be(pt_make(&s->pt), 0);
}

void space_build(struct space *s, struct mmu *m, struct space_arena *arena, struct test_random *r)
{
	uint64_t at = canonical(m->mode->fmt, test_random(r) & ~(GB - 1));

	space_make(s, m, arena);
	s->strict = space_may_be_strict(m->mode) && test_below(r, 2);
	for (uint64_t n = 1 + test_below(r, 3); n; n--) {
		do
			at = anchor(m->mode->fmt, r, at);
		while (space_hidden(m->mode, at, at + GB - 1));
		fill(s, m, r, at);
	}
	s->last = arena->next;
}

void space_end(struct space *s)
{
	pt_close(&s->pt);
}

/* ---- by hand ---- */

pt_slot *space_slot(const struct pt *pt, uint64_t va, unsigned level)
{
	const struct pt_fmt *f = pt->fmt;
	uint64_t table = pt->root;

	for (unsigned at = f->levels - 1u;; at--) {
		pt_slot *slot = (pt_slot *)(void *)(pt->arena + table) + pt_index(f, va, at);
		pt_entry e = load_relaxed(slot);

		if (at == level)
			return slot;
		if (!(e & f->valid) || !pt_is_table(f, e))
			return NULL;
		table = pt_address(f, e) - pt->table_base;
		if (table >= pt->arena_bytes)
			return NULL;
	}
}

/* The bits that have this effect in such an entry and that may be changed in a tree that is judged. */
static uint64_t bits_of(const struct space *s, const struct mmu_bits *bits, unsigned kind,
			enum mmu_effect effect, struct test_random *r)
{
	const struct pt_fmt *f = s->pt.fmt;
	uint64_t mask = 0, address = 0;

	for (; bits->kinds; bits++)
		mask |= bits->kinds & kind && bits->effect == effect ? bits->mask : 0;
	if (effect != MMU_LEADS)
		return mask;
	/* It must not lead into tables of another space, but may lead where no memory can be. */
	if (s->pt.physical_bits && test_below(r, 2))
		address = pt_with_address(f, UINT64_MAX << s->pt.physical_bits);
	return mask & (~f->address | address);
}

static uint64_t some_bit(uint64_t mask, struct test_random *r)
{
	for (uint64_t n = mask ? test_below(r, (unsigned)__builtin_popcountll(mask)) : 0; n; n--)
		mask &= mask - 1;
	return mask & -mask;
}

/* A table's entry has become a leaf: with an address that it can have, and looked at where memory is then, since that is not to be what is wrong with it. */
static void align_leaf(struct space *s, pt_slot *slot, uint64_t va, unsigned level)
{
	const struct pt_fmt *f = s->pt.fmt;
	uint64_t size = pt_bytes(f, level), address = align_down(s->pt.media_base, size);

	*slot = (*slot & ~f->address) | pt_with_address(f, address);
	remember(s, align_down(va, size) + s->pt.media_base - address, GB);
}

static void distort(struct space *s, const struct mmu_mode *mode, enum mmu_effect effect,
		    struct test_random *r)
{
	const struct pt_fmt *f = mode->fmt;
	const struct space_spot *spot = some_spot(s, r);
	uint64_t va = spot->va + test_below(r, spot->bytes);
	unsigned level = (unsigned)test_below(r, f->levels);
	pt_slot *slot = space_slot(&s->pt, va, level);
	unsigned kind = slot ? mmu_kind_of(f, *slot, level) : 0;

	if (!slot)
		return;
	*slot ^= some_bit(bits_of(s, mode->bits, kind, effect, r), r);
	if (kind == MMU_IN_TABLE && *slot & f->valid && !pt_is_table(f, *slot) && test_below(r, 2))
		align_leaf(s, slot, va, level);
}

void space_distort(struct space *s, const struct mmu_mode *mode, struct test_random *r)
{
	static const enum mmu_effect rare[] = {MMU_ACTS, MMU_LEADS, MMU_IGNORED};

	for (uint64_t n = test_below(r, 6); n > 2; n--)
		distort(s, mode, MMU_RESTRICTS, r);
	for (uint64_t n = test_below(r, 8); n > 4; n--)
		distort(s, mode, rare[test_below(r, ARRAY_SIZE(rare))], r);
}

/* ---- looking ---- */

uint64_t space_address(const struct space *s, struct test_random *r)
{
	const struct pt_fmt *f = s->pt.fmt;
	const struct space_spot *spot = some_spot(s, r);
	uint64_t page = spot->va + align_down(test_below(r, spot->bytes), PAGE_BYTES);

	/* Where a leaf of 1 GiB has frames. */
	if (spot->bytes == GB && test_below(r, 4))
		return spot->va + SPACE_FRAMES + page % SPACE_FRAMES;
	switch (test_below(r, 16)) {
	case 0:
		return canonical(f, align_down(test_random(r), PAGE_BYTES));
	case 1: /* not an address at all, mostly */
		return page ^ 1ull << (pt_shift(f, f->levels) - 1 +
				       test_below(r, 65 - pt_shift(f, f->levels)));
	case 2:
		return spot->va - PAGE_BYTES;
	case 3:
		return spot->va + spot->bytes;
	case 4:
	case 5:
	case 6:
		return spot->va;
	case 7:
	case 8:
	case 9:
		return spot->va + spot->bytes - PAGE_BYTES;
	default:
		return page;
	}
}
