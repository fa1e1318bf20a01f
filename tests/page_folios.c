/*
 * Folios that one process takes, counts up and down, releases whole and in part, and gives to quarantine are what a plain list of pages and holds
 * says: who is head, which pages are free, which wait, and page_check() finds nothing.
 */
#include "base/err.h"
#include "folios.h"
#include "test.h"

#define BLOCKS 6u
#define PAGES  (BLOCKS * BLOCK_PAGES)
#define HOLDS  64u
#define INO    7u

/* What a page is, as anybody would write it down. The folio of a free page is 0. */
struct model_page {
	uint32_t folio; /* a number, new for each folio */
	bool member;
	bool waits;     /* in quarantine */
	bool dead_held; /* its folio: a dead process had a hold on it */
	uint64_t index; /* in the file */
};

struct model_hold {
	uint64_t pfn; /* 0: unused */
	struct rt_hold *record;
};

static struct folios f;
static struct test_random r;
static struct model_page model[PAGES];
static struct model_hold holds[HOLDS];
static uint32_t folios;

static struct model_page *at(uint64_t pfn)
{
	return &model[pfn - f.pages.first];
}

static uint64_t random_pfn(void)
{
	return f.pages.first + test_below(&r, PAGES);
}

static unsigned holds_on(uint32_t folio)
{
	unsigned n = 0;

	for (unsigned i = 0; i < HOLDS; i++)
		n += holds[i].pfn && at(holds[i].pfn)->folio == folio;
	return n;
}

static bool has_member(uint64_t first, uint64_t end)
{
	for (uint64_t i = first; i < end; i++)
		if (at(i)->member)
			return true;
	return false;
}

/* The pages of a folio: they are contiguous. */
static void extent_of(uint64_t pfn, uint64_t *first, uint64_t *end)
{
	uint32_t folio = at(pfn)->folio;

	for (*first = pfn; *first > f.pages.first && at(*first - 1)->folio == folio; --*first)
		;
	for (*end = pfn + 1; *end < f.pages.first + PAGES && at(*end)->folio == folio; ++*end)
		;
}

static bool is_free_run(uint64_t pfn, unsigned order)
{
	for (uint64_t i = 0; i < 1u << order; i++)
		if (at(pfn + i)->folio)
			return false;
	return true;
}

static bool has_room(unsigned order)
{
	for (uint64_t pfn = f.pages.first; pfn < f.pages.first + PAGES; pfn += 1u << order)
		if (is_free_run(pfn, order))
			return true;
	return false;
}

/* ---- what is expected when the last hold has gone ----------------------------------------------------- */

static void free_page(uint64_t pfn)
{
	bool waits = at(pfn)->dead_held;

	*at(pfn) = (struct model_page){.folio = waits ? ++folios : 0, .waits = waits};
}

/* Members stay, in folios as large as alignment allows: their borders are asked for, and must be right. */
static void split_members(uint64_t first, uint64_t end, uint32_t old)
{
	for (uint64_t pfn = first; pfn < end;) {
		uint64_t head, word;

		if (at(pfn)->folio != old) {
			pfn++;
			continue;
		}
		must(page_head(&f.pages, pfn, BLOCK_ORDER, &head, &word));
		must_be(head, pfn);
		must(pfn + (1ull << word_order(word)) <= end);
		folios++;
		for (uint64_t i = 0; i < 1ull << word_order(word); i++) {
			must_be(at(pfn + i)->folio, old);
			at(pfn + i)->folio = folios;
		}
		pfn += 1ull << word_order(word);
	}
}

/* Nobody holds the folio any more: what is not a member of the file leaves. */
static void settle(uint64_t pfn)
{
	uint32_t folio = at(pfn)->folio;
	uint64_t first, end, members = 0;

	extent_of(pfn, &first, &end);
	for (uint64_t i = first; i < end; i++)
		members += at(i)->member;
	if (members == end - first)
		return;
	if (members == 0 && at(pfn)->dead_held) {
		for (uint64_t i = first; i < end; i++)
			at(i)->waits = true; /* whole, as it is */
		return;
	}
	for (uint64_t i = first; i < end; i++)
		if (!at(i)->member)
			free_page(i);
	split_members(first, end, folio);
}

/* ---- operations --------------------------------------------------------------------------------------- */

static void take(void)
{
	unsigned order = (unsigned)test_below(&r, BLOCK_ORDER + 1);
	uint64_t goal = test_below(&r, 2) ? random_pfn() : 0, index = test_random(&r) >> 30, head,
		 word;
	int64_t pfn = page_take(f.me, &f.pages, order, goal, INO, 1, index);

	if (pfn == -PF_ENOSPACE) {
		must(!has_room(order));
		return;
	}
	must(pfn > 0 && (uint64_t)pfn % (1u << order) == 0 && is_free_run((uint64_t)pfn, order));
	must_be(load_relaxed(&f.me->row->page.head), pfn);
	store_release(&f.me->row->page.set, (uint32_t)RT_RECORD_NONE);
	folios++;
	for (uint64_t i = 0; i < 1u << order; i++)
		*at((uint64_t)pfn + i) =
			(struct model_page){.folio = folios, .member = true, .index = index + i};
	must(page_head(&f.pages, (uint64_t)pfn, 0, &head, &word));
	must_be(word_order(word), order);
}

static void get(void)
{
	uint64_t pfn = random_pfn(), head, word, first, end;
	struct model_hold *hold = &holds[test_below(&r, HOLDS)];
	int rc;

	if (hold->pfn)
		return;
	hold->record = rt_hold_get(f.me);
	must(hold->record);
	rt_enter(f.me, pfn, 1);
	rc = page_up(&f.pages, pfn, (unsigned)test_below(&r, BLOCK_ORDER + 1), &head, &word);
	if (rc == 0)
		store_release(&hold->record->range, rt_range(pfn, 1));
	rt_leave(f.me);
	extent_of(pfn, &first, &end);
	must_be(rc, has_member(first, end) ? 0 : -PF_EAGAIN);
	if (rc < 0) {
		rt_hold_put(f.me, hold->record);
		return;
	}
	must_be(head, first);
	must_be(1ull << word_order(word), end - first);
	must_be(word_count(word), holds_on(at(pfn)->folio) + 1);
	hold->pfn = pfn;
}

/* As a process gives its hold back, or as one that reaps it. */
static void put_one(struct model_hold *hold)
{
	bool dead = test_below(&r, 8) == 0;
	uint64_t pfn = hold->pfn, head, word, first, end;

	must(page_head(&f.pages, pfn, BLOCK_ORDER, &head, &word));
	rt_enter(f.me, pfn, 1);
	store_release(&hold->record->range, 0);
	if (test_below(&r, 2))
		page_down(f.me, &f.pages, head, dead);
	else
		page_down_range(f.me, &f.pages, pfn, 1, dead);
	rt_leave(f.me);
	rt_hold_put(f.me, hold->record);
	hold->pfn = 0;
	extent_of(pfn, &first, &end);
	for (uint64_t i = first; i < end; i++)
		at(i)->dead_held |= dead;
	if (holds_on(at(pfn)->folio) == 0)
		settle(pfn);
}

static void put(void)
{
	struct model_hold *hold = &holds[test_below(&r, HOLDS)];

	if (hold->pfn)
		put_one(hold);
}

static void release(void)
{
	uint64_t pfn = random_pfn(), first, end;
	uint32_t generation;

	if (!at(pfn)->folio || at(pfn)->waits)
		return;
	extent_of(pfn, &first, &end);
	for (uint64_t i = first; i < end; i++)
		if (!at(i)->member)
			return;
	generation = word_generation(load_relaxed(&page_at(&f.pages, first)->word));
	rt_enter(f.me, first, end - first);
	page_release(f.me, &f.pages, first, generation - 1); /* of an earlier folio: nothing */
	must_be(word_state(load_relaxed(&page_at(&f.pages, first)->word)), PAGE_IN_FILE);
	page_release(f.me, &f.pages, first, generation);
	page_release(f.me, &f.pages, first, generation); /* may be repeated */
	rt_leave(f.me);
	for (uint64_t i = first; i < end; i++)
		at(i)->member = false;
	if (holds_on(at(first)->folio) == 0)
		settle(first);
}

/* Of a held folio. */
static void release_part(void)
{
	struct model_hold *hold = &holds[test_below(&r, HOLDS)];
	uint64_t first, end, from, n;

	if (!hold->pfn)
		return;
	extent_of(hold->pfn, &first, &end);
	from = first + test_below(&r, end - first);
	n = 1 + test_below(&r, end - from);
	must_be(page_detail(&f.pages, from), 0);
	for (uint64_t i = from; i < from + n; i++)
		if (!at(i)->member)
			return;
	rt_enter(f.me, first, end - first);
	page_release_part(&f.pages, first, from, n);
	rt_leave(f.me);
	for (uint64_t i = from; i < from + n; i++)
		at(i)->member = false;
}

static void discard(void)
{
	int64_t waiting = 0;

	for (uint64_t i = 0; i < PAGES; i++) {
		waiting += model[i].waits;
		if (model[i].waits)
			model[i] = (struct model_page){0};
	}
	must_be(page_discard(f.me, &f.pages), waiting);
}

/* ---- comparing ---------------------------------------------------------------------------------------- */

static void compare_page(uint64_t pfn)
{
	const struct model_page *m = at(pfn);
	uint64_t head, word, first, end;

	must_be(page_head(&f.pages, pfn, 0, &head, &word), m->folio != 0);
	if (!m->folio)
		return;
	extent_of(pfn, &first, &end);
	if (m->waits) {
		must_be(word_state(word), PAGE_QUARANTINE);
		return;
	}
	must_be(head, first);
	must_be(word_count(word), holds_on(m->folio));
	if (m->member) {
		must_be(word_state(word), PAGE_IN_FILE);
		must_be(load_relaxed(&page_at(&f.pages, head)->index) + (pfn - head), m->index);
		must_be(load_relaxed(&page_at(&f.pages, head)->ino), INO);
	}
}

static void compare(void)
{
	struct page_stat stat, wanted = {0};

	for (uint64_t i = 0; i < PAGES; i++) {
		const struct model_page *m = &model[i];

		*(!m->folio   ? &wanted.free
		  : m->waits  ? &wanted.quarantine
		  : m->member ? &wanted.member
			      : &wanted.orphan) += 1;
	}
	page_stat(&f.pages, &stat);
	must_be(stat.free, wanted.free);
	must_be(stat.member, wanted.member);
	must_be(stat.orphan, wanted.orphan);
	must_be(stat.quarantine, wanted.quarantine);
	for (unsigned i = 0; i < 200; i++)
		compare_page(random_pfn());
	folios_check(&f);
}

static void (*const operations[])(void) = {take, get, get, put, put, release, release_part};

int main(void)
{
	r.state = test_seed();
	folios_open(&f, BLOCKS);
	for (unsigned round = 0; round < 300 || test_time_left(0.1); round++) {
		for (unsigned i = 0; i < 50; i++)
			operations[test_below(&r, ARRAY_SIZE(operations))]();
		if (test_below(&r, 20) == 0)
			discard();
		compare();
	}
	for (unsigned i = 0; i < HOLDS; i++)
		if (holds[i].pfn)
			put_one(&holds[i]);
	compare();
	folios_close(&f);
	return 0;
}
