/*
 * The machines are right before they judge: every cell of what the x86-64 manuals permit and refuse, on tables made here by hand. Leaves of
 * each size; writable, user and no-execute in the leaf and above it; loads, stores and fetches by supervisor and user, with and without WP, SMEP and SMAP.
 */
#include <string.h>

#include "arch.h"
#include "stub_x86_64.h"
#include "test.h"

#define P  1ull
#define W  2ull
#define U  4ull
#define A  0x20ull
#define D  0x40ull
#define PS 0x80ull
#define NX (1ull << 63)

#define CR0_WP   0x10000u
#define CR4_SMEP 0x100000u
#define CR4_SMAP 0x200000u
#define CR4_LA57 0x1000u

#define FRAME 0x1000000u /* at this offset from a 1 GiB border, in memory and in every space */
#define VA    (0x7f4000000000u + FRAME)
#define KINDS 6u

struct cell {
	unsigned level;      /* of the leaf */
	uint64_t leaf, root; /* W, U, NX */
	uint64_t *path[5];   /* entries by level */
	unsigned levels;
};

static uint64_t bits_of(unsigned n)
{
	return (n & 1 ? W : 0) | (n & 2 ? U : 0) | (n & 4 ? NX : 0);
}

/* Tables of this cell, from *page on; the address of the root. */
static uint64_t build(struct mmu *m, struct cell *c, uint64_t *page)
{
	uint64_t root = *page;

	for (unsigned level = c->levels; level-- > c->level;) {
		uint64_t *table = (void *)(m->ram + *page);
		uint64_t *entry = &table[VA >> (12 + 9 * level) & 511];

		*page += 4096;
		memset(table, 0, 4096);
		*entry = *page | P | (level == c->levels - 1 ? c->root : W | U);
		if (level == c->level)
			*entry = (FRAME >> (12 + 9 * level) << (12 + 9 * level)) | P | c->leaf |
				 (level ? PS : 0);
		c->path[level] = entry;
	}
	return root;
}

/* The manuals' rule. */
static bool permitted(const struct cell *c, const uint64_t *control, uint64_t kind)
{
	uint64_t both = c->leaf & c->root, access = kind & MMU_KIND;
	bool user_page = both & U, nx = (c->leaf | c->root) & NX;

	if (kind & MMU_USER && !user_page)
		return false;
	if (access == MMU_STORE && !(both & W) && (kind & MMU_USER || control[X86_CR0] & CR0_WP))
		return false;
	if (access == MMU_FETCH && nx)
		return false;
	if (!(kind & MMU_USER) && user_page)
		return !(control[X86_CR4] & (access == MMU_FETCH ? CR4_SMEP : CR4_SMAP));
	return true;
}

static void add_jobs(struct mmu *m, unsigned first)
{
	static const uint64_t kinds[KINDS] = {
		MMU_LOAD,
		MMU_FETCH,
		MMU_LOAD | MMU_USER,
		MMU_FETCH | MMU_USER,
		MMU_STORE | MMU_USER,
		MMU_STORE,
	};

	for (unsigned i = 0; i < KINDS; i++) {
		bool store = (kinds[i] & MMU_KIND) == MMU_STORE;

		m->jobs[first + i] = (struct mmu_job){.va = VA + (store ? 8 : 0),
						      .kind = kinds[i],
						      .value = first + i};
	}
}

static void check_job(struct mmu *m, const struct cell *c, unsigned space, unsigned i)
{
	const struct mmu_job *job = &m->jobs[i];
	const struct mmu_result *r = &m->results[i];
	bool fine = permitted(c, m->spaces[space].control, job->kind);
	uint64_t value = (job->kind & MMU_KIND) == MMU_LOAD    ? m->arch->frame(FRAME >> 12)
			 : (job->kind & MMU_KIND) == MMU_FETCH ? FRAME >> 12
							       : 0;

	if (m->arch->verdict(job, r).outcomes != (fine ? MMU_OK : MMU_PERMISSION) ||
	    (fine && r->value != value))
		test_fail(
			__FILE__, __LINE__,
			"%s, %s: level %u, leaf %#lx, root %#lx, cr0 %#lx, cr4 %#lx, kind %lu: wanted %s, "
			"cause %#lx, address %#lx, value %#lx, pc %#lx",
			m->arch->name, m->mode->name, c->level, (unsigned long)c->leaf,
			(unsigned long)c->root, (unsigned long)m->spaces[space].control[X86_CR0],
			(unsigned long)m->spaces[space].control[X86_CR4], (unsigned long)job->kind,
			fine ? "it permitted" : "it refused", (unsigned long)r->cause,
			(unsigned long)r->address, (unsigned long)r->value, (unsigned long)r->pc);
}

static void check_cell(struct mmu *m, const struct cell *c, unsigned space)
{
	const struct mmu_space *s = &m->spaces[space];
	bool used = false, stored = false;

	for (uint64_t i = s->first; i < s->first + s->count; i++) {
		bool fine = permitted(c, s->control, m->jobs[i].kind);

		check_job(m, c, space, (unsigned)i);
		used |= fine;
		stored |= fine && (m->jobs[i].kind & MMU_KIND) == MMU_STORE;
	}
	must_be(!!(*c->path[c->level] & A), used);
	must_be(!!(*c->path[c->level] & D), stored);
	for (unsigned level = c->level + 1; used && level < c->levels; level++)
		must(*c->path[level] & A);
}

static void try_cells(struct mmu *m, uint64_t cr0, uint64_t cr4, unsigned max_level)
{
	static struct cell cells[3 * 64];
	uint64_t page = MMU_FREE;
	unsigned n = 0;

	for (unsigned level = 0; level <= max_level; level++) {
		for (unsigned bits = 0; bits < 64; bits++, n++) {
			struct mmu_space *s = &m->spaces[n];
			struct cell *c = &cells[n];

			*c = (struct cell){.level = level,
					   .leaf = bits_of(bits & 7),
					   .root = bits_of(bits >> 3),
					   .levels = m->mode->control[X86_CR4] & CR4_LA57 ? 5 : 4};
			*s = (struct mmu_space){.first = (uint64_t)n * KINDS, .count = KINDS};
			memcpy(s->control, m->mode->control, sizeof s->control);
			s->control[X86_CR0] ^= cr0;
			s->control[X86_CR4] ^= cr4;
			s->root = build(m, c, &page);
			add_jobs(m, n * KINDS);
		}
	}
	must(page < FRAME);
	mmu_run(m, n);
	for (unsigned i = 0; i < n; i++)
		check_cell(m, &cells[i], i);
}

static bool try_machine(const struct mmu_arch *arch, const struct mmu_mode *mode,
			unsigned max_level)
{
	const char *why;
	struct mmu *m = mmu_start(arch, mode, &why);
	uint64_t frame = arch->frame(FRAME >> 12);

	if (!m) {
		skip_part("%s, %s: %s", arch->name, mode->name, why);
		return false;
	}
	memcpy(m->ram + FRAME, &frame, sizeof frame);
	for (unsigned i = 0; i < 8; i++)
		try_cells(m, i & 1 ? CR0_WP : 0, (i & 2 ? CR4_SMEP : 0) | (i & 4 ? CR4_SMAP : 0),
			  max_level);
	mmu_stop(m);
	return true;
}

int main(void)
{
	unsigned tried = 0;

	test_dir();
	for (const struct mmu_mode *mode = mmu_x86_64.modes; mode->name; mode++)
		tried += try_machine(&mmu_x86_64, mode, 2);
	for (const struct mmu_mode *mode = mmu_kvm.modes; mode->name; mode++)
		tried += try_machine(&mmu_kvm, mode, 1);
	return tried ? 0 : 77;
}
