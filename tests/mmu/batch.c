/* See batch.h. */
#include "batch.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/err.h"

#define MAX_SPACES 200u
#define SPACE_ROOM (256 * PAGE_BYTES) /* more than the tables of any one space */
#define MAX_MAY    (MMU_MAX_JOBS * PT_LEVELS)
#define LAST_WORD  (PAGE_BYTES - 8)
#define LOW_BYTES  0x10000u /* the first of memory, which nobody writes while the machine runs */

struct batch_may {
	const pt_slot *slot; /* in the shadow */
	uint64_t bits;       /* that the machine's entry may have beside those of the shadow's */
	int deviation;       /* that allows it; -1: the architecture does */
};

/* ---- what is ours to say ---- */

struct ours {
	struct pt_translation t;
	enum mmu_outcome outcome;
	bool leaf;        /* found, whether it may be used or not */
	uint64_t address; /* there, from the start of memory */
};

static unsigned access_of(const struct space *s, uint64_t kind)
{
	static const unsigned access[] = {PT_READ, PT_WRITE, PT_EXEC};

	return access[kind & MMU_KIND] | (kind & MMU_USER ? PT_USER : 0) |
	       (s->strict ? PT_STRICT : 0);
}

/* False: the tables lead out of the arena. */
static bool translate(const struct pt *pt, uint64_t va, unsigned access, struct ours *o)
{
	static const enum mmu_outcome outcomes[] = {
		[PT_OK] = MMU_OK,
		[PT_NOT_PRESENT] = MMU_NOT_PRESENT,
		[PT_FORBIDDEN] = MMU_PERMISSION,
		[PT_RESERVED_BIT] = MMU_RESERVED,
		[PT_NOT_ACCESSED] = MMU_ACCESS_FLAG,
		[PT_BAD_ADDRESS] = MMU_BAD_ADDRESS,
	};
	pt_entry leaf;

	*o = (struct ours){.outcome = 0};
	if (pt_translate(pt, va, access, &o->t) < 0)
		return false;
	o->outcome = outcomes[o->t.outcome];
	leaf = o->t.entry[o->t.level];
	o->leaf = leaf & pt->fmt->valid && pt_is_leaf(pt->fmt, leaf, o->t.level);
	if (o->leaf)
		o->address = pt_leaf_address(pt->fmt, leaf, o->t.level) +
			     (va & (pt_bytes(pt->fmt, o->t.level) - 1)) - pt->media_base;
	return true;
}

static struct pt in_shadow(const struct batch *b, const struct space *s)
{
	struct pt pt = s->pt;

	pt.arena = b->shadow;
	return pt;
}

static bool applies(const struct mmu_deviation *d, uint64_t kind, const struct ours *o)
{
	return d->ours & o->outcome && (d->level < 0 || d->level == (int)o->t.level) &&
	       (!d->only || d->only(kind, o->t.entry[o->t.level]));
}

/* The one of this kind that applies; -1: none. */
static int deviation(const struct batch *b, bool young, uint64_t kind, const struct ours *o)
{
	const struct mmu_deviation *d = b->m->arch->deviations;

	for (unsigned i = 0; d[i].reason; i++) {
		must(i < BATCH_DEVIATIONS);
		if (d[i].young == young && applies(&d[i], kind, o))
			return (int)i;
	}
	return -1;
}

static void allow(struct batch *b, const pt_slot *slot, uint64_t bits, int by)
{
	if (!(~load_relaxed(slot) & bits))
		return;
	must(b->may_count < MAX_MAY);
	b->may[b->may_count++] = (struct batch_may){slot, bits, by};
}

/* A walk that ended in a fault: what entries may be after it. */
static void may_touch(struct batch *b, const struct pt *pt, const struct ours *o, int young)
{
	for (unsigned level = o->t.level; level < pt->fmt->levels; level++) {
		if (!o->t.slot[level])
			continue;
		if (level > o->t.level)
			allow(b, o->t.slot[level], pt->fmt->table_young, -1);
		else if (young >= 0)
			allow(b, o->t.slot[level], pt->fmt->young, young);
	}
}

/* The shadow's entries are as they should be after this access. */
static void touch(struct batch *b, const struct pt *pt, uint64_t kind, const struct ours *o)
{
	if (o->outcome != MMU_OK)
		return may_touch(b, pt, o, deviation(b, true, kind, o));
	for (unsigned level = o->t.level; level < pt->fmt->levels; level++)
		store_relaxed(o->t.slot[level], o->t.after[level]);
}

/* ---- objections ---- */

static void describe(char **to, size_t *room, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void describe(char **to, size_t *room, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(*to, *room, format, args);
	va_end(args);
	n = MIN(n, (int)*room - 1);
	*to += n;
	*room -= (size_t)n;
}

static void describe_path(const struct batch *b, const struct space *s, uint64_t va, char **to,
			  size_t *room)
{
	struct pt shadow = in_shadow(b, s);

	for (unsigned level = s->pt.fmt->levels; level--;) {
		pt_slot *ours = space_slot(&shadow, va, level);
		pt_slot *theirs = space_slot(&s->pt, va, level);

		describe(to, room, "\n  level %u:", level);
		if (ours)
			describe(to, room, " ours %#018lx", (unsigned long)load_relaxed(ours));
		if (theirs)
			describe(to, room, " theirs %#018lx", (unsigned long)load_relaxed(theirs));
	}
}

const char *batch_outcome(unsigned outcomes)
{
	static const char *const names[] = {"fine",     "not present", "no permission",
					    "reserved", "access flag", "no address"};

	return outcomes ? names[__builtin_ctz(outcomes)] : "something else";
}

/* The machine does not agree. `o` may be NULL, for what no one job is to blame for. */
static void object(struct batch *b, unsigned space, const char *what, unsigned job,
		   const struct ours *o)
{
	const struct space *s = &b->space[space];
	const struct mmu_result *r = &b->m->results[job];
	char *to = b->objection;
	size_t room = sizeof b->objection;

	if (b->objections++)
		return;
	describe(&to, &room, "%s, %s: %s; space with seed %lu%s", b->m->arch->name,
		 b->m->mode->name, what, (unsigned long)s->seed, s->strict ? ", strict" : "");
	if (!o)
		return;
	describe(&to, &room, "\n  %s %s at %#lx (job %u of %lu + %lu)",
		 b->m->jobs[job].kind & MMU_USER ? "user's" : "supervisor's",
		 &"load\0 store\0fetch"[6 * (b->m->jobs[job].kind & MMU_KIND)],
		 (unsigned long)b -> m -> jobs[job].va, job,
		 (unsigned long)b->m->spaces[space].first,
		 (unsigned long)b->m->spaces[space].count);
	describe(&to, &room, "\n  ours: %s at level %u, address %#lx", batch_outcome(o->outcome),
		 o->t.level, (unsigned long)o->t.address);
	describe(&to, &room, "\n  theirs: %s; cause %#lx, address %#lx, value %#lx, pc %#lx",
		 batch_outcome(b->m->arch->verdict(&b->m->jobs[job], r).outcomes),
		 (unsigned long)r->cause, (unsigned long)r->address, (unsigned long)r->value,
		 (unsigned long)r->pc);
	describe_path(b, s, b->m->jobs[job].va, &to, &room);
}

/* ---- jobs ---- */

static bool is_frame(uint64_t address)
{
	return address >= SPACE_FRAMES && address < MMU_RAM;
}

/* No memory can be there: the machine is to refuse it, and no harm is done whatever it does. */
static bool is_nowhere(const struct batch *b, uint64_t address)
{
	return b->m->physical_bits && (address + b->m->arch->ram_base) >> b->m->physical_bits;
}

/* The machine may do it: what is read there is known, nothing there is needed. Also if it should not do it, but might. */
static bool is_safe(const struct batch *b, const struct ours *o, uint64_t kind)
{
	return !o->leaf || is_nowhere(b, o->address) || is_frame(o->address) ||
	       ((kind & MMU_KIND) == MMU_LOAD && o->address < LOW_BYTES);
}

/* The machine is known to go astray there. */
static bool is_avoided(struct batch *b, uint64_t kind, const struct ours *o)
{
	int by = deviation(b, false, kind, o);

	if (by >= 0)
		b->tolerated[by]++;
	return by >= 0;
}

static bool make_job(struct batch *b, const struct space *s, struct test_random *r,
		     struct mmu_job *job)
{
	static const unsigned offsets[] = {0, 8, LAST_WORD};
	uint64_t kind = b->only_loads ? MMU_LOAD : test_below(r, 3), va = space_address(s, r);
	struct ours o;

	if (kind != MMU_FETCH)
		va += offsets[kind == MMU_LOAD ? test_below(r, 3) : 1 + test_below(r, 2)];
	kind |= test_below(r, 2) ? MMU_USER : 0;
	*job = (struct mmu_job){.va = va, .kind = kind, .value = test_random(r)};
	if (space_hidden(b->m->mode, va, va) || !translate(&s->pt, va, access_of(s, kind), &o))
		return false;
	/* There would be more holes than pages. */
	if (o.outcome == MMU_NOT_PRESENT && test_below(r, 4))
		return false;
	return is_safe(b, &o, kind) && !is_avoided(b, kind, &o);
}

static void add_jobs(struct batch *b, unsigned i, struct test_random *r, uint64_t *jobs)
{
	struct mmu_space *space = &b->m->spaces[i];
	unsigned tries = 4 * BATCH_JOBS;

	*space = (struct mmu_space){.root = b->space[i].pt.table_base + b->space[i].pt.root,
				    .first = *jobs};
	if (b->space[i].strict)
		memcpy(space->control, b->m->mode->strict, sizeof space->control);
	while (tries-- && space->count < BATCH_JOBS)
		space->count += make_job(b, &b->space[i], r, &b->m->jobs[*jobs + space->count]);
	*jobs += space->count;
}

/* ---- what came of them ---- */

static uint64_t *word(struct batch *b, uint64_t address)
{
	return (uint64_t *)(void *)(b->m->ram + address);
}

/* What a load finds in memory. */
static uint64_t loaded(struct batch *b, uint64_t address)
{
	uint64_t offset = address % PAGE_BYTES, frame = address / PAGE_BYTES;

	if (!is_frame(address))
		return *word(b, address);
	if (!offset)
		return b->m->arch->frame((unsigned)frame);
	return b->stored[frame][offset == LAST_WORD];
}

/* What pins and reads by address is the page that hardware takes. (Leaves above level 2 are not ours: they begin before the media.) */
static bool is_found(const struct pt *pt, uint64_t va, const struct ours *o)
{
	struct pt_leaf leaf;

	return o->t.level > PT_PUD ||
	       (pt_lookup(pt, va, &leaf) == 1 && leaf.pfn == o->address / PAGE_BYTES);
}

static void check_arrival(struct batch *b, unsigned space, unsigned i, const struct ours *o)
{
	const struct mmu_job *job = &b->m->jobs[i];
	uint64_t value = b->m->results[i].value;

	switch (job->kind & MMU_KIND) {
	case MMU_LOAD:
		if (value != loaded(b, o->address))
			object(b, space, "a load found something else", i, o);
		break;
	case MMU_STORE:
		b->stored[o->address / PAGE_BYTES][o->address % PAGE_BYTES == LAST_WORD] =
			job->value;
		break;
	default:
		if (value != o->address / PAGE_BYTES)
			object(b, space, "a fetch arrived elsewhere", i, o);
	}
}

static void check_job(struct batch *b, unsigned space, unsigned i)
{
	const struct mmu_job *job = &b->m->jobs[i];
	unsigned access = access_of(&b->space[space], job->kind);
	struct pt shadow = in_shadow(b, &b->space[space]);
	struct mmu_verdict v = b->m->arch->verdict(job, &b->m->results[i]);
	struct ours o;

	if (!translate(&shadow, job->va, access, &o))
		return object(b, space, "our walk left the arena", i, &o);
	b->jobs++;
	b->outcomes[__builtin_ctz(o.outcome)]++;
	touch(b, &shadow, job->kind, &o);
	if (!(v.outcomes & o.outcome))
		object(b, space, "another outcome", i, &o);
	else if (o.outcome == MMU_OK && !is_found(&shadow, job->va, &o))
		object(b, space, "pt_lookup() finds another page", i, &o);
	else if (o.outcome == MMU_OK)
		check_arrival(b, space, i, &o);
	else if (v.level >= 0 && v.level != (int)o.t.level)
		object(b, space, "at another level", i, &o);
}

static bool may_be(struct batch *b, const pt_slot *slot, uint64_t extra)
{
	for (unsigned i = 0; i < b->may_count; i++) {
		const struct batch_may *may = &b->may[i];

		if (may->slot != slot || extra & ~may->bits)
			continue;
		if (may->deviation >= 0)
			b->tolerated[may->deviation]++;
		return true;
	}
	return false;
}

/* The jobs that walk through an entry of the shadow, for the objection to it. */
static void describe_walkers(const struct batch *b, unsigned space, const pt_slot *slot, char *to,
			     size_t room)
{
	const struct mmu_space *s = &b->m->spaces[space];
	struct pt shadow = in_shadow(b, &b->space[space]);
	struct ours o;

	for (uint64_t i = s->first; i < s->first + s->count; i++) {
		const struct mmu_job *job = &b->m->jobs[i];

		for (unsigned level = 0; level < PT_LEVELS; level++) {
			if (level >= shadow.fmt->levels ||
			    space_slot(&shadow, job->va, level) != slot)
				continue;
			translate(&shadow, job->va, access_of(&b->space[space], job->kind), &o);
			describe(&to, &room,
				 "\n  job %lu: kind %lu at %#lx, entry at level %u: %s at %u",
				 (unsigned long)i, (unsigned long)job->kind, (unsigned long)job->va,
				 level, batch_outcome(o.outcome), o.t.level);
		}
	}
}

/* What the machine has done to this entry is what it should have, and nothing else. */
static void check_entry(struct batch *b, unsigned space, uint64_t offset)
{
	uint64_t theirs = *word(b, SPACE_TABLES + offset);
	uint64_t ours = *(uint64_t *)(void *)(b->shadow + offset);
	char text[1500];
	int n;

	if (b->spoil)
		theirs ^= *(uint64_t *)(void *)(b->built + offset) ^
			  *(uint64_t *)(void *)(b->before + offset);
	if (theirs == ours || may_be(b, (pt_slot *)(void *)(b->shadow + offset), theirs ^ ours))
		return;
	n = snprintf(text, sizeof text, "an entry is %#018lx, not %#018lx", (unsigned long)theirs,
		     (unsigned long)ours);
	if (!b->objections)
		describe_walkers(b, space, (pt_slot *)(void *)(b->shadow + offset), text + n,
				 sizeof text - (size_t)n);
	object(b, space, text, 0, NULL);
}

static const uint64_t *words(const uint8_t *arena, uint64_t offset)
{
	return (const uint64_t *)(const void *)(arena + offset);
}

/* No entry of this page needs a look. */
static bool is_as_ours(const struct batch *b, uint64_t page)
{
	const uint64_t *theirs = words(b->m->ram + SPACE_TABLES, page),
		       *ours = words(b->shadow, page);
	const uint64_t *built = words(b->built, page), *before = words(b->before, page);
	uint64_t other = 0;

	if (!b->spoil)
		return !memcmp(theirs, ours, PAGE_BYTES);
	for (unsigned i = 0; i < PAGE_BYTES / 8; i++)
		other |= theirs[i] ^ ours[i] ^ built[i] ^ before[i];
	return !other;
}

static void check_tables(struct batch *b, unsigned space)
{
	const struct space *s = &b->space[space];

	for (uint64_t page = s->first; page < s->last; page += PAGE_BYTES) {
		if (is_as_ours(b, page))
			continue;
		for (uint64_t offset = page; offset < page + PAGE_BYTES; offset += 8)
			check_entry(b, space, offset);
	}
}

/* A store that went astray is in some frame. */
static void check_frames(struct batch *b)
{
	for (uint64_t frame = SPACE_FRAMES / PAGE_BYTES; frame < MMU_RAM / PAGE_BYTES; frame++) {
		uint64_t *at = word(b, frame * PAGE_BYTES);

		if (at[1] != b->stored[frame][0] || at[511] != b->stored[frame][1])
			object(b, 0,
			       "a store is not where it should be (in any space of the batch)", 0,
			       NULL);
		b->stored[frame][0] = at[1];
		b->stored[frame][1] = at[511];
	}
}

/* ---- batches ---- */

static void build(struct batch *b, uint64_t number, uint64_t *jobs)
{
	struct space *s = &b->space[b->count];
	struct test_random r = {b->seed + number};

	space_build(s, b->m, &b->arena, &r);
	s->seed = b->seed + number;
	space_distort(s, b->m->mode, &r);
	add_jobs(b, b->count, &r, jobs);
	b->count++;
}

static void copy_tables(const struct batch *b, uint8_t *to)
{
	memcpy(to + b->first_table, b->m->ram + SPACE_TABLES + b->first_table,
	       b->arena.next - b->first_table);
}

static void spoil(struct batch *b)
{
	copy_tables(b, b->built);
	for (unsigned i = 0; i < b->count; i++)
		b->spoiled += b->spoil(b->arg, &b->space[i]);
	copy_tables(b, b->before);
}

unsigned batch_run(struct batch *b, uint64_t number, unsigned spaces)
{
	uint64_t jobs = 0;

	b->arena.next = b->first_table;
	b->may_count = b->count = 0;
	while (b->count < MIN(spaces, MAX_SPACES) &&
	       b->arena.next + SPACE_ROOM <= SPACE_TABLE_BYTES)
		build(b, number + b->count, &jobs);
	copy_tables(b, b->shadow);
	if (b->spoil)
		spoil(b);
	mmu_run(b->m, b->count);
	for (unsigned i = 0; i < b->count; i++) {
		const struct mmu_space *space = &b->m->spaces[i];

		b->may_count = 0;
		for (uint64_t job = space->first; job < space->first + space->count; job++)
			check_job(b, i, (unsigned)job);
		check_tables(b, i);
		pt_close(&b->space[i].pt);
	}
	if (!b->only_loads)
		check_frames(b);
	for (unsigned i = 0; i < b->count; i++)
		space_end(&b->space[i]);
	b->spaces += b->count;
	return b->count;
}

void batch_run_all(struct batch *b, uint64_t first, uint64_t spaces)
{
	for (uint64_t done = 0; done < spaces;)
		done += batch_run(b, first + done, (unsigned)MIN(spaces - done, MAX_SPACES));
}

static void *memory(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED);
	return p;
}

void batch_fill_frames(struct batch *b)
{
	for (uint64_t frame = SPACE_FRAMES / PAGE_BYTES; frame < MMU_RAM / PAGE_BYTES; frame++) {
		uint64_t *at = word(b, frame * PAGE_BYTES);

		at[0] = b->m->arch->frame((unsigned)frame);
		b->stored[frame][0] = at[1];
		b->stored[frame][1] = at[511];
	}
}

void batch_make(struct batch *b, struct mmu *m, uint64_t seed)
{
	*b = (struct batch){
		.m = m,
		.seed = seed,
		.space = calloc(MAX_SPACES, sizeof *b->space),
		.shadow = memory(SPACE_TABLE_BYTES),
		.built = memory(SPACE_TABLE_BYTES),
		.before = memory(SPACE_TABLE_BYTES),
		.stored = memory(MMU_RAM / PAGE_BYTES * sizeof *b->stored),
		.may = memory(MAX_MAY * sizeof *b->may),
	};
	must(b->space);
	batch_fill_frames(b);
}

void batch_end(struct batch *b)
{
	free(b->space);
	munmap(b->shadow, SPACE_TABLE_BYTES);
	munmap(b->built, SPACE_TABLE_BYTES);
	munmap(b->before, SPACE_TABLE_BYTES);
	munmap(b->stored, MMU_RAM / PAGE_BYTES * sizeof *b->stored);
	munmap(b->may, MAX_MAY * sizeof *b->may);
}
