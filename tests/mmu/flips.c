/*
 * The judges would notice: each bit of each kind of entry, by the tables of bits.h, is made wrong in what the machine sees, as if the format encoded it so.
 * A machine must object where hardware acts by the bit, and must not where hardware leaves it to software.
 *
 *   mmu_flips MACHINE
 */
#include <stdio.h>
#include <string.h>

#include "batch.h"
#include "machines.h"

/* Tables from 12 to 16 MiB: one wrong bit of an address leads from there to no memory of the stub's. */
#define FIRST_TABLE (0xc00000 - SPACE_TABLES)
#define SPACES      4u    /* of a batch */
#define FEW         60u   /* batches after which a machine that has not objected will not */
#define MANY        2000u /* the same, where it should */

struct flip {
	unsigned kind;
	uint64_t bits; /* flipped in each entry of the kind */
	bool some;     /* not all of them, but some by chance */
	struct test_random r;
};

static unsigned flip_table(struct flip *flip, const struct pt *pt, uint64_t table, unsigned level)
{
	const struct pt_fmt *f = pt->fmt;
	pt_slot *slot = (pt_slot *)(void *)(pt->arena + table);
	unsigned flipped = 0;

	for (unsigned i = 0; i < pt_entries(f); i++, slot++) {
		pt_entry e = load_relaxed(slot);
		unsigned kind = mmu_kind_of(f, e, level);
		uint64_t below = pt_address(f, e) - pt->table_base;

		if (kind == MMU_IN_TABLE && below < pt->arena_bytes)
			flipped += flip_table(flip, pt, below, level - 1);
		if (kind != flip->kind)
			continue;
		store_relaxed(slot,
			      e ^ (flip->some ? flip->bits & test_random(&flip->r) : flip->bits));
		flipped++;
	}
	return flipped;
}

static unsigned spoil(void *arg, const struct space *s)
{
	return flip_table(arg, &s->pt, s->pt.root, s->pt.fmt->levels - 1u);
}

static const char *kind_name(unsigned kind)
{
	static const char *const names[] = {"tables", "leaves at level 0", "leaves at level 1",
					    "leaves at level 2", "what is not valid"};

	return names[__builtin_ctz(kind)];
}

/* Runs until the machine objects, or enough. */
static void run(struct batch *b, struct flip *flip, unsigned batches, bool only_loads)
{
	uint64_t number = b->spaces;

	b->only_loads = only_loads;
	b->arg = flip;
	b->objections = b->spoiled = 0;
	for (unsigned i = 0; i < batches && !b->objections; i++)
		number += batch_run(b, number, SPACES);
	if (!b->spoiled)
		test_fail(__FILE__, __LINE__, "%s: there were no %s", b->m->mode->name,
			  kind_name(flip->kind));
}

static void must_object(struct batch *b, const struct mmu_bits *row, unsigned kind, uint64_t bit)
{
	struct flip flip = {.kind = kind, .bits = bit};

	run(b, &flip, MANY, row->effect == MMU_LEADS);
	if (!b->objections)
		test_fail(__FILE__, __LINE__, "%s: nobody objects to a wrong bit %d in %s (%s)",
			  b->m->mode->name, __builtin_ctzll(bit), kind_name(kind), row->what);
	/* It may have taken something for a table that is none, and written to it. */
	batch_fill_frames(b);
}

static void must_not_object(struct batch *b, unsigned kind, uint64_t bits)
{
	struct flip flip = {.kind = kind, .bits = bits, .some = true, .r = {b->seed}};

	run(b, &flip, FEW, false);
	if (b->objections)
		test_fail(__FILE__, __LINE__, "%s: software's bits %#lx are in %s:\n%s",
			  b->m->mode->name, (unsigned long)bits, kind_name(kind), b->objection);
}

/* KVM gives up on tables and pages that are not in memory. */
static bool may_flip(const struct mmu_arch *arch, const struct mmu_bits *row)
{
	return arch->command || row->effect != MMU_LEADS;
}

struct count {
	unsigned acted, ignored, unjudged;
};

/* Of one kind: bit by bit, and then those that software owns, all at once. */
static void flip_kind(struct batch *b, unsigned kind, struct count *count)
{
	uint64_t seen = 0, ignored = 0;

	/* A wrong walk may take a leaf for a table, and set accessed there: it must not be where the stub is. */
	b->arena.small = kind != MMU_IN_PUD;
	for (const struct mmu_bits *row = b->m->mode->bits; row->kinds; row++) {
		if (!(row->kinds & kind))
			continue;
		must(!(seen & row->mask));
		seen |= row->mask;
		if (row->effect == MMU_IGNORED)
			ignored |= row->mask;
		else if (row->effect == MMU_UNJUDGED || !may_flip(b->m->arch, row))
			count->unjudged += (unsigned)__builtin_popcountll(row->mask);
		else
			for (uint64_t left = row->mask; left; left &= left - 1, count->acted++)
				must_object(b, row, kind, left & -left);
	}
	must(seen == UINT64_MAX);
	count->ignored += (unsigned)__builtin_popcountll(ignored);
	if (ignored)
		must_not_object(b, kind, ignored);
}

static void say_unjudged(const struct mmu_arch *arch, const struct mmu_mode *mode)
{
	char text[2000] = "";

	for (const struct mmu_bits *row = mode->bits; row->kinds; row++)
		if ((row->effect == MMU_UNJUDGED || !may_flip(arch, row)) &&
		    !strstr(text, row->what))
			snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s",
				 *text ? "; " : "", row->what);
	skip_part("%s, bits that cannot be judged: %s", mode->name, text);
}

static bool flip_mode(const struct mmu_arch *arch, const struct mmu_mode *mode)
{
	unsigned top = arch->no_leaf_at ? arch->no_leaf_at : PT_PUD + 1;
	struct count count = {0};
	const char *why;
	struct mmu *m = mmu_start(arch, mode, &why);
	struct batch b;

	if (!m) {
		skip_part("%s, %s: %s", arch->name, mode->name, why);
		return false;
	}
	batch_make(&b, m, test_seed());
	b.spoil = spoil;
	b.first_table = FIRST_TABLE;
	flip_kind(&b, MMU_IN_TABLE, &count);
	for (unsigned level = 0; level < top; level++)
		flip_kind(&b, MMU_IN_PTE << level, &count);
	flip_kind(&b, MMU_IN_NONE, &count);
	printf("%s, %s: of %u bits hardware acts by, and objects; %u it ignores; %u are not judged\n",
	       arch->name, mode->name, count.acted, count.ignored, count.unjudged);
	say_unjudged(arch, mode);
	mmu_stop(m);
	batch_end(&b);
	return true;
}

int main(int argc, char **argv)
{
	must(argc == 2);
	return machines_each(argv[1], flip_mode);
}
