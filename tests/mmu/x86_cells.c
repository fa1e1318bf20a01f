/*
 * The machines are right before they judge: every cell of what the x86-64 manuals permit and refuse, on tables made here by hand. Leaves of
 * each size; writable, user and no-execute in the leaf and in the root; loads, stores and fetches by supervisor and user, with and without WP, SMEP and SMAP.
 */
#include <string.h>

#include "arch.h"
#include "cells.h"
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

static uint64_t address(uint64_t address)
{
	return address;
}

static uint64_t bits_of(unsigned n)
{
	return (n & 1 ? W : 0) | (n & 2 ? U : 0) | (n & 4 ? NX : 0);
}

static unsigned levels_of(const struct cells_cell *c)
{
	return c->control[X86_CR4] & CR4_LA57 ? 5 : 4;
}

/* The manuals' rule. */
static bool permitted(const struct cells_cell *c, uint64_t kind, uint64_t leaf)
{
	uint64_t root = c->entry[levels_of(c) - 1], both = leaf & root;
	uint64_t access = kind & MMU_KIND, cr4 = c->control[X86_CR4];
	bool user_page = both & U, nx = (leaf | root) & NX;

	if (kind & MMU_USER && !user_page)
		return false;
	if (access == MMU_STORE && !(both & W) && (kind & MMU_USER || c->control[X86_CR0] & CR0_WP))
		return false;
	if (access == MMU_FETCH && nx)
		return false;
	if (!(kind & MMU_USER) && user_page)
		return !(cr4 & (access == MMU_FETCH ? CR4_SMEP : CR4_SMAP));
	return true;
}

static unsigned wanted(const struct cells_cell *c, uint64_t kind, uint64_t leaf)
{
	return permitted(c, kind, leaf) ? MMU_OK : MMU_PERMISSION;
}

static uint64_t touched(const struct cells_cell *c, uint64_t kind, uint64_t leaf)
{
	(void)c;
	return leaf | A | ((kind & MMU_KIND) == MMU_STORE ? D : 0);
}

/* All of one size with these control registers. */
static void try_all(struct mmu *m, unsigned level, uint64_t cr0, uint64_t cr4)
{
	static struct cells_cell cells[64];
	struct cells_rules rules = {
		.va = 0x7f4000000000,
		.address = address,
		.wanted = wanted,
		.touched = touched,
		.touched_above = A,
	};

	for (unsigned n = 0; n < 64; n++) {
		struct cells_cell *c = &cells[n];

		*c = (struct cells_cell){.level = level,
					 .entry = {P | W | U, P | W | U, P | W | U, P | W | U}};
		memcpy(c->control, m->mode->control, sizeof c->control);
		c->control[X86_CR0] ^= cr0;
		c->control[X86_CR4] ^= cr4;
		rules.levels = levels_of(c);
		c->entry[rules.levels - 1] = P | bits_of(n >> 3);
		c->entry[level] = P | bits_of(n & 7) | (level ? PS : 0);
	}
	cells_try(m, &rules, cells, 64);
}

static bool try_machine(const struct mmu_arch *arch, const struct mmu_mode *mode,
			unsigned max_level)
{
	const char *why;
	struct mmu *m = mmu_start(arch, mode, &why);

	if (!m) {
		skip_part("%s, %s: %s", arch->name, mode->name, why);
		return false;
	}
	for (unsigned level = 0; level <= max_level; level++)
		for (unsigned i = 0; i < 8; i++)
			try_all(m, level, i & 1 ? CR0_WP : 0,
				(i & 2 ? CR4_SMEP : 0) | (i & 4 ? CR4_SMAP : 0));
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
