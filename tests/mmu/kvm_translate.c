/*
 * KVM's own walk (KVM_TRANSLATE) finds in random address spaces what pt_translate() finds, in both halves of the addresses: whether there is
 * a translation, where it leads, and which entries are accessed. What may be done there it does not say: judge.c asks the processor.
 *
 *   mmu_kvm_translate SPACES
 */
#include <stdio.h>
#include <stdlib.h>

#include "arch.h"
#include "base/clock.h"
#include "space.h"

#define ADDRESSES 24u /* of a space */

static uint64_t asked, found;

static void fail(const struct space *s, uint64_t va, const struct pt_translation *ours, bool theirs,
		 uint64_t address)
{
	test_fail(
		__FILE__, __LINE__,
		"%s, space with seed %lu, address %#lx: ours: outcome %d at level %u, %#lx, entry %#lx; "
		"KVM: %s, %#lx",
		s->pt.fmt->name, (unsigned long)s->seed, (unsigned long)va, (int)ours->outcome,
		ours->level, (unsigned long)ours->address, (unsigned long)ours->entry[ours->level],
		theirs ? "translated" : "not translated", (unsigned long)address);
}

static void ask(struct mmu *m, const struct space *s, uint64_t va)
{
	struct pt_translation ours;
	uint64_t address;
	bool theirs;

	/* The upper bits of an address are for the processor to look at. */
	if (pt_translate(&s->pt, va, PT_READ, &ours) < 0 || ours.outcome == PT_BAD_ADDRESS)
		return;
	/* There may be no leaves of 1 GiB. */
	if (ours.outcome == PT_OK && ours.level >= mmu_kvm.no_leaf_at)
		return;
	theirs = mmu_kvm_translate(m, va, &address);
	if (theirs != (ours.outcome == PT_OK) || (theirs && address != ours.address))
		fail(s, va, &ours, theirs, address);
	for (unsigned level = ours.level; theirs && level < s->pt.fmt->levels; level++)
		must_be(load_relaxed(ours.slot[level]), ours.after[level]);
	asked++;
	found += theirs;
}

int main(int argc, char **argv)
{
	struct mmu_mode mode = mmu_kvm.modes[0];
	uint64_t seed = test_seed(), start, spaces;
	struct mmu *m;
	const char *why;

	must(argc == 2);
	spaces = strtoul(argv[1], NULL, 0);
	test_dir();
	mode.hidden_first = mode.hidden_last = 0;
	m = mmu_start(&mmu_kvm, &mode, &why);
	if (!m)
		skip("%s: %s", mmu_kvm.name, why);
	start = clock_mono();
	for (uint64_t n = 0; n < spaces; n++) {
		struct test_random r = {seed + n};
		struct space_arena arena = {0};
		struct space s;

		space_build(&s, m, &arena, &r);
		s.seed = seed + n;
		space_distort(&s, &mode, &r);
		mmu_kvm_use(m, s.pt.table_base + s.pt.root);
		for (unsigned i = 0; i < ADDRESSES; i++)
			ask(m, &s, space_address(&s, &r));
		space_end(&s);
	}
	printf("%lu spaces, %.0f per second, %lu addresses, %lu translated\n",
	       (unsigned long)spaces, (double)spaces * 1e9 / (double)(clock_mono() - start),
	       (unsigned long)asked, (unsigned long)found);
	mmu_stop(m);
	return 0;
}
