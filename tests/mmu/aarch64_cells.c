/*
 * The AArch64 machine is right before it judges: every cell of what the Arm ARM permits and refuses at stage 1, on tables made here by hand.
 * Leaves of each size; AP, UXN, PXN, AF and DBM in the leaf, APTable, UXNTable and PXNTable above it; with and without hardware's
 * setting of AF and of dirty, and PAN.
 */
#include "arch.h"
#include "cells.h"
#include "test.h"

#define VALID   1ull
#define TABLE   2ull /* above level 0 */
#define PAGE    2ull /* at level 0 */
#define AP_USER (1ull << 6)
#define AP_RO   (1ull << 7)
#define INNER   (3ull << 8) /* shareable */
#define AF      (1ull << 10)
#define DBM     (1ull << 51)
#define PXN     (1ull << 53)
#define UXN     (1ull << 54)

#define PXN_TABLE    (1ull << 59)
#define UXN_TABLE    (1ull << 60)
#define AP_TABLE_EL1 (1ull << 61) /* nothing below is EL0's */
#define AP_TABLE_RO  (1ull << 62)

#define TCR_HA (1ull << 39)
#define TCR_HD (1ull << 40)
#define PAN    (1ull << 22)

static uint64_t address(uint64_t address)
{
	return address;
}

/* Hardware may make a store of it: then it counts as writable, before the first store too. */
static bool dirty_by_hardware(const struct cells_cell *c, uint64_t leaf)
{
	return (c->control[0] & TCR_HA) && (c->control[0] & TCR_HD) && (leaf & DBM);
}

/* Direct permissions of EL1 and EL0, without WXN (Arm ARM D8.4). */
static bool permitted(const struct cells_cell *c, uint64_t kind, uint64_t leaf)
{
	uint64_t above = c->entry[c->level + 1];
	bool user = (leaf & AP_USER) && !(above & AP_TABLE_EL1);
	bool writable = !(above & AP_TABLE_RO) && (!(leaf & AP_RO) || dirty_by_hardware(c, leaf));

	switch (kind) {
	case MMU_LOAD:
		return !user || !(c->control[1] & PAN);
	case MMU_STORE:
		return writable && (!user || !(c->control[1] & PAN));
	case MMU_FETCH: /* never what EL0 may write */
		return !(leaf & PXN) && !(above & PXN_TABLE) && !(user && writable);
	case MMU_LOAD | MMU_USER:
		return user;
	case MMU_STORE | MMU_USER:
		return user && writable;
	default: /* it need not be readable */
		return !(leaf & UXN) && !(above & UXN_TABLE);
	}
}

static unsigned wanted(const struct cells_cell *c, uint64_t kind, uint64_t leaf)
{
	if (!(leaf & AF) && !(c->control[0] & TCR_HA))
		return MMU_ACCESS_FLAG;
	if (permitted(c, kind, leaf))
		return MMU_OK;
	/* QEMU 7.2 lets EL1 fetch what EL0 may write, as long as hardware has not made it dirty. */
	if (kind == MMU_FETCH && (leaf & AP_RO) && dirty_by_hardware(c, leaf) &&
	    permitted(c, kind, leaf & ~DBM))
		return MMU_PERMISSION | MMU_OK;
	return MMU_PERMISSION;
}

static uint64_t touched(const struct cells_cell *c, uint64_t kind, uint64_t leaf)
{
	(void)c;
	return (leaf | AF) & ~((kind & MMU_KIND) == MMU_STORE ? AP_RO : 0);
}

/* All of one size with these control words. */
static void try_all(struct mmu *m, unsigned level, uint64_t tcr, uint64_t pan)
{
	static const uint64_t leaf_bits[] = {AP_USER, AP_RO, AF, DBM, PXN, UXN};
	static const uint64_t table_bits[] = {PXN_TABLE, UXN_TABLE, AP_TABLE_EL1, AP_TABLE_RO};
	static struct cells_cell cells[1024];
	static const struct cells_rules rules = {
		.levels = 4,
		.va = 0x7f4000000000,
		.address = address,
		.wanted = wanted,
		.touched = touched,
	};

	for (unsigned n = 0; n < 1024; n++) {
		struct cells_cell *c = &cells[n];

		*c = (struct cells_cell){
			.level = level,
			.entry = {[1] = VALID | TABLE, [2] = VALID | TABLE, [3] = VALID | TABLE},
			.control = {tcr, pan}};
		c->entry[level] = VALID | INNER | (level ? 0 : PAGE);
		for (unsigned i = 0; i < 6; i++)
			c->entry[level] |= n & 1u << i ? leaf_bits[i] : 0;
		for (unsigned i = 0; i < 4; i++)
			c->entry[level + 1] |= n & 64u << i ? table_bits[i] : 0;
	}
	cells_try(m, &rules, cells, 1024);
}

int main(void)
{
	static const uint64_t sets[] = {0, TCR_HA, TCR_HA | TCR_HD};
	const struct mmu_mode *mode = mmu_aarch64.modes;
	uint64_t tcr = mode->control[0] & ~(TCR_HA | TCR_HD);
	const char *why;
	struct mmu *m;

	test_dir();
	m = mmu_start(&mmu_aarch64, mode, &why);
	if (!m)
		skip("%s: %s", mmu_aarch64.name, why);
	for (unsigned level = 0; level < 3; level++)
		for (unsigned i = 0; i < 3; i++)
			for (unsigned pan = 0; pan < 2; pan++)
				try_all(m, level, tcr | sets[i], pan ? PAN : 0);
	mmu_stop(m);
	return 0;
}
