/* Cells in batches: an address space each, and six jobs. The kinds take turns in being first, as accesses change what later ones find. */
#include "cells.h"

#include <string.h>

#include "base/bits.h"
#include "test.h"

#define FRAME 0x1005000u /* at this offset in memory, and from rules->va */
#define KINDS 6u
#define BATCH 512u

struct batch {
	struct mmu *m;
	const struct cells_rules *rules;
	const struct cells_cell *cells;
	struct path {
		uint64_t *at, made; /* where the entry is, what it was */
	} path[BATCH][CELLS_LEVELS];
	uint64_t page; /* offset of the next table */
};

/* Tables of cell i; the offset of the root. */
static uint64_t build(struct batch *b, unsigned i)
{
	const struct cells_cell *c = &b->cells[i];
	const struct cells_rules *rules = b->rules;
	uint64_t root = b->page, va = rules->va + FRAME, ram = b->m->arch->ram_base;

	for (unsigned level = rules->levels; level-- > c->level;) {
		uint64_t *table = (void *)(b->m->ram + b->page);
		uint64_t *entry = &table[va >> (12 + 9 * level) & 511];
		uint64_t leaf = align_down(ram + FRAME, 1ull << (12 + 9 * level));

		b->page += 4096;
		memset(table, 0, 4096);
		*entry = c->entry[level] | rules->address(level == c->level ? leaf : ram + b->page);
		b->path[i][level] = (struct path){entry, *entry};
	}
	return root;
}

static void add_jobs(struct batch *b, unsigned i, uint64_t turn)
{
	static const uint64_t kinds[KINDS] = {
		MMU_LOAD,  MMU_LOAD | MMU_USER,  MMU_FETCH | MMU_USER,
		MMU_STORE, MMU_STORE | MMU_USER, MMU_FETCH,
	};

	for (unsigned k = 0; k < KINDS; k++) {
		uint64_t kind = kinds[(k + turn) % KINDS];
		bool store = (kind & MMU_KIND) == MMU_STORE;

		b->m->jobs[i * KINDS + k] =
			(struct mmu_job){.va = b->rules->va + FRAME + (store ? 8 : 0),
					 .kind = kind,
					 .value = k};
	}
}

static bool right_value(const struct mmu *m, const struct mmu_job *job, const struct mmu_result *r)
{
	switch (job->kind & MMU_KIND) {
	case MMU_LOAD:
		return r->value == m->arch->frame(FRAME >> 12);
	case MMU_FETCH:
		return r->value == FRAME >> 12;
	default:
		return true;
	}
}

/* True: it went well, and the leaf is what it is then. */
static bool check_job(struct batch *b, unsigned i, unsigned j, uint64_t *leaf)
{
	const struct cells_cell *c = &b->cells[i];
	const struct mmu_job *job = &b->m->jobs[j];
	const struct mmu_result *r = &b->m->results[j];
	struct mmu_verdict v = b->m->arch->verdict(job, r);
	unsigned wanted = b->rules->wanted(c, job->kind, *leaf);

	if ((v.outcomes & wanted) && v.outcomes == MMU_OK && right_value(b->m, job, r)) {
		*leaf = b->rules->touched(c, job->kind, *leaf);
		return true;
	}
	if ((v.outcomes & wanted) && v.outcomes != MMU_OK &&
	    (v.level < 0 || v.level == (int)c->level))
		return false;
	test_fail(
		__FILE__, __LINE__,
		"%s, %s: level %u, leaf %#lx, above it %#lx, control %#lx %#lx, kind %lu: wanted %u, "
		"cause %#lx, address %#lx, value %#lx, pc %#lx",
		b->m->arch->name, b->m->mode->name, c->level, (unsigned long)*leaf,
		(unsigned long)c->entry[c->level + 1], (unsigned long)c->control[0],
		(unsigned long)c->control[1], (unsigned long)job->kind, wanted,
		(unsigned long)r->cause, (unsigned long)r->address, (unsigned long)r->value,
		(unsigned long)r->pc);
}

static void check_entry(const struct batch *b, unsigned i, unsigned level, uint64_t wanted,
			uint64_t either)
{
	const struct path *p = &b->path[i][level];

	if ((*p->at | either) == (wanted | either))
		return;
	test_fail(__FILE__, __LINE__,
		  "%s, %s: leaf at level %u, control %#lx %#lx: an entry at level %u was %#lx; "
		  "wanted %#lx afterwards, found %#lx",
		  b->m->arch->name, b->m->mode->name, b->cells[i].level,
		  (unsigned long)b->cells[i].control[0], (unsigned long)b->cells[i].control[1],
		  level, (unsigned long)p->made, (unsigned long)wanted, (unsigned long)*p->at);
}

static void check_cell(struct batch *b, unsigned i)
{
	unsigned level = b->cells[i].level;
	uint64_t leaf = b->path[i][level].made, above = b->rules->touched_above;
	bool used = false;

	for (unsigned k = 0; k < KINDS; k++)
		used |= check_job(b, i, i * KINDS + k, &leaf);
	check_entry(b, i, level, leaf, 0);
	/* Of what was refused, entries above it may have been touched. */
	while (++level < b->rules->levels)
		check_entry(b, i, level, b->path[i][level].made | above, used ? 0 : above);
}

static void try_batch(struct mmu *m, const struct cells_rules *rules,
		      const struct cells_cell *cells, unsigned count, uint64_t turn)
{
	static struct batch b;

	b = (struct batch){.m = m, .rules = rules, .cells = cells, .page = MMU_FREE};
	for (unsigned i = 0; i < count; i++) {
		struct mmu_space *s = &m->spaces[i];

		*s = (struct mmu_space){.first = (uint64_t)i * KINDS, .count = KINDS};
		memcpy(s->control, cells[i].control, sizeof s->control);
		s->root = m->arch->ram_base + build(&b, i);
		add_jobs(&b, i, turn + i);
	}
	must(b.page <= FRAME);
	mmu_run(m, count);
	for (unsigned i = 0; i < count; i++)
		check_cell(&b, i);
}

void cells_try(struct mmu *m, const struct cells_rules *rules, const struct cells_cell *cells,
	       size_t count)
{
	uint64_t frame = m->arch->frame(FRAME >> 12);

	memcpy(m->ram + FRAME, &frame, sizeof frame);
	/* Steps of a batch are no multiple of KINDS, so that a cell's neighbours begin otherwise each time. */
	for (size_t i = 0; i < count; i += BATCH)
		try_batch(m, rules, cells + i, (unsigned)MIN(count - i, BATCH), i / BATCH);
}
