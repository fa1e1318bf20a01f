/*
 * The RISC-V machine is right before it judges: every cell of what the privileged specification permits and refuses, on tables made here by
 * hand. Sv39, Sv48 and Sv57; leaves of each size, up to 256 TiB; R, W, X, U, A and D in the leaf, U, A and D in the entry above it; S-mode and
 * U-mode, SUM and MXR.
 */
#include "arch.h"
#include "cells.h"
#include "test.h"

#define V 1ull
#define R 2ull
#define W 4ull
#define X 8ull
#define U 16ull
#define A 64ull
#define D 128ull

#define SUM (1ull << 18)
#define MXR (1ull << 19)

static uint64_t address(uint64_t address)
{
	return address >> 2;
}

static bool permitted(const struct cells_cell *c, uint64_t kind, uint64_t leaf)
{
	uint64_t status = c->control[1];
	bool user = kind & MMU_USER, fetch = (kind & MMU_KIND) == MMU_FETCH;

	if (user ? !(leaf & U) : (leaf & U) && (fetch || !(status & SUM)))
		return false;
	switch (kind & MMU_KIND) {
	case MMU_LOAD:
		return leaf & (status & MXR ? R | X : R);
	case MMU_STORE:
		return leaf & W;
	default:
		return leaf & X;
	}
}

static unsigned wanted(const struct cells_cell *c, uint64_t kind, uint64_t leaf)
{
	if (c->entry[c->level + 1] & (U | A | D))
		return MMU_RESERVED;
	if (!(leaf & (R | W | X))) /* a table: of zeros, and not at level 0 */
		return c->level && !(leaf & (U | A | D)) ? MMU_NOT_PRESENT : MMU_RESERVED;
	if ((leaf & W) && !(leaf & R))
		return MMU_RESERVED;
	return permitted(c, kind, leaf) ? MMU_OK : MMU_PERMISSION;
}

static uint64_t touched(const struct cells_cell *c, uint64_t kind, uint64_t leaf)
{
	(void)c;
	return leaf | A | ((kind & MMU_KIND) == MMU_STORE ? D : 0);
}

/* All of one size with this mstatus. */
static void try_all(struct mmu *m, unsigned levels, unsigned level, uint64_t mstatus)
{
	static const uint64_t bits[] = {R, W, X, U, A, D}, above[] = {0, U, A, D};
	static struct cells_cell cells[256];
	unsigned count = level < levels - 1 ? 256 : 64;
	struct cells_rules rules = {
		.levels = levels,
		.va = (5ull << (9 * levels + 3)) + m->arch->ram_base,
		.address = address,
		.wanted = wanted,
		.touched = touched,
	};

	for (unsigned n = 0; n < count; n++) {
		struct cells_cell *c = &cells[n];

		*c = (struct cells_cell){.level = level,
					 .entry = {V, V, V, V, V},
					 .control = {m->mode->control[0], mstatus}};
		for (unsigned i = 0; i < 6; i++)
			c->entry[level] |= n & 1u << i ? bits[i] : 0;
		/* No table: there is no memory at 0. */
		c->entry[level] |= level > 2 && !(n & 7) ? R : 0;
		c->entry[level + 1] |= above[n / 64];
	}
	cells_try(m, &rules, cells, count);
}

static bool try_mode(const struct mmu_mode *mode, unsigned levels)
{
	const char *why;
	struct mmu *m = mmu_start(&mmu_riscv64, mode, &why);

	if (!m) {
		skip_part("%s, %s: %s", mmu_riscv64.name, mode->name, why);
		return false;
	}
	for (unsigned level = 0; level < levels; level++)
		for (unsigned i = 0; i < 4; i++)
			try_all(m, levels, level, (i & 1 ? SUM : 0) | (i & 2 ? MXR : 0));
	mmu_stop(m);
	return true;
}

int main(void)
{
	const struct mmu_mode *modes = mmu_riscv64.modes;
	unsigned tried = 0;

	test_dir();
	for (unsigned i = 0; modes[i].name; i++)
		tried += try_mode(&modes[i], 3 + i);
	return tried ? 0 : 77;
}
