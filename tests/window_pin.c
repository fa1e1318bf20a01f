/*
 * Pins by address: what may be pinned, in which pieces, with which labels, and that unpinning gives back exactly what pinning took. Each function is named for the rule of
 * Linux's GUP that it is about (E1 to E15, K27, K36, K39), or says what is ours.
 */
/* test: suite=short timeout=60 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/sys.h"
#include "file/pool.h"
#include "pool.h"

#define PAGE  PF_PAGE_SIZE
#define MIB   (1ul << 20)
#define PAGES 560ul /* a folio of 512 pages, and what is left in smaller ones */
#define RW    (PF_MAP_READ | PF_MAP_WRITE)

static pf_pool *pool;
static pf_file *file;
static uint8_t *window; /* on all of it, and 2 pages more */

static uint32_t count_at(const void *address)
{
	struct pages *p = &pool->layout.pages;
	uint64_t head, word;
	struct pt_leaf leaf;

	must_be(pt_lookup(&pool->layout.space->pt, (uintptr_t)address, &leaf), 1);
	must(page_head(p, leaf.pfn, BLOCK_ORDER, &head, &word));
	return word_count(word);
}

static pf_pin *must_pin(const void *address, uint64_t length, unsigned flags)
{
	pf_pin *pin = NULL;

	OK(pf_window_pin(pool, address, length, flags, &pin));
	return pin;
}

/* Nothing is held afterwards that was not before. */
static void refuses(const void *address, uint64_t length, unsigned flags, int wanted)
{
	pf_pin *pin = NULL;

	must_be(pf_window_pin(pool, address, length, flags, &pin), wanted);
	must(!pin);
}

static void must_refuse(const void *address, uint64_t length, unsigned flags, int wanted)
{
	refuses(address, length, flags, wanted);
	pool_check(pool, "refused");
}

struct seen {
	unsigned pins;
	struct pf_holder first, last;
	bool first_is_f;
};

static int see(void *arg, const struct pf_holder *h)
{
	struct seen *seen = arg;

	if (h->kind != PF_HOLD_PIN && h->kind != PF_HOLD_LONGTERM)
		return 0;
	seen->last = *h;
	if (!seen->pins++) {
		seen->first = *h;
		/* The name is there only during this call. */
		seen->first_is_f = h->name && !strcmp(h->name, "f");
	}
	return 0;
}

static struct seen pins(void)
{
	struct seen seen = {0};

	OK(pf_holders(pool, see, &seen));
	return seen;
}

/* ---- what is pinned ---------------------------------------------------------------------------------- */

static void must_have(const pf_pin *pin, uint64_t id, uint64_t offset, uint64_t length)
{
	size_t count;
	const struct pf_chunk *c = pf_pin_chunks(pin, &count);

	for (size_t i = 0; i < count; i++) {
		must_be(pattern_differs(c[i].address, c[i].length, id, offset), c[i].length);
		must(c[i].address == pool->layout.pages.data + c[i].offset);
		offset += c[i].length;
		length -= c[i].length;
	}
	must_be(length, 0);
}

/* E7, E5: leaves of every size; any bytes; one count more on each folio, none afterwards (E14, K36). */
static void each_range(void)
{
	static const struct {
		uint64_t offset, length;
	} rows[] = {{0, 1},
		    {0, PAGE},
		    {4095, 2},
		    {100, 3 * PAGE},
		    {0, 2 * MIB},
		    {2 * MIB - 1, 2},
		    {2 * MIB - PAGE, 5 * PAGE + 1},
		    {2 * MIB + PAGE, 7 * PAGE},
		    {1, PAGES * PAGE - 1},
		    {PAGES * PAGE - 1, 1}};

	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		const uint8_t *at = window + rows[i].offset;
		uint32_t before = count_at(at);
		pf_pin *pin = must_pin(at, rows[i].length, i % 2 ? PF_PIN_WRITE : 0);
		struct seen seen = pins();

		must_have(pin, 1, rows[i].offset, rows[i].length);
		must_be(count_at(at), before + 1);
		must(seen.first_is_f);
		must_be(seen.pins, 1);
		must_be(seen.first.offset, rows[i].offset);
		must_be(seen.first.length, rows[i].length);
		pool_check(pool, "pinned");
		OK(pf_unpin(pin));
		must_be(count_at(at), before);
		pool_check(pool, "unpinned");
	}
}

/* Leaves of single pages that go on in memory are one piece; with a hole between, two. */
static void small_leaves(void)
{
	size_t count;
	pf_pin *pin;

	OK(pt_split(&pool->layout.space->pt, (uintptr_t)window, PT_PTE, NULL));
	pin = must_pin(window + 10, 512 * PAGE - 20, PF_PIN_LONGTERM);
	must_have(pin, 1, 10, 512 * PAGE - 20);
	pf_pin_chunks(pin, &count);
	must_be(count, 1);
	must_be(pins().pins, 1);
	must_be(pins().first.kind, PF_HOLD_LONGTERM);
	OK(pf_unpin(pin));
}

/* Windows side by side, on pages that go on in memory: each piece says whose it is. */
static void two_files(void)
{
	pf_file *other;
	uint8_t *at;
	void *second;
	pf_pin *pin;

	pattern_file(pool, "g", PAGE, 2);
	OK(pf_open(pool, "g", PF_O_RDWR, 0, &other));
	OK(pf_window_map(file, NULL, 2 * PAGE, RW, 3 * PAGE, (void **)&at));
	OK(pf_window_map(other, at + PAGE, PAGE, RW | PF_MAP_FIXED, 0, &second));
	pin = must_pin(at + 5, 2 * PAGE - 5, 0);
	must_be(pins().pins, 2);
	must(pins().first.inode != pins().last.inode);
	OK(pf_unpin(pin));
	OK(pf_window_unmap(pool, at, 2 * PAGE));
	OK(pf_close(other));
	OK(pf_unlink(pool, "g"));
}

/* ---- what is not ------------------------------------------------------------------------------------- */

/* E5, E11: the leaf says whether it may be read, or written. */
static void e5_permission(void)
{
	OK(pf_window_protect(pool, window + PAGE, PAGE, PF_MAP_READ));
	must_refuse(window + PAGE, PAGE, PF_PIN_WRITE, -EFAULT);
	must_refuse(window, 3 * PAGE, PF_PIN_WRITE, -EFAULT);
	OK(pf_unpin(must_pin(window, 3 * PAGE, 0)));
	OK(pf_window_protect(pool, window + PAGE, PAGE, 0));
	must_refuse(window + PAGE, PAGE, 0, -EFAULT);
	OK(pf_window_protect(pool, window + PAGE, PAGE, RW));
	OK(pf_unpin(must_pin(window + PAGE, PAGE, PF_PIN_WRITE)));
}

/* E9, but all or nothing: a part of it is not there. */
static void e9_partial(void)
{
	must_refuse(window + PAGES * PAGE - PAGE, 2 * PAGE, 0,
		    -EFAULT); /* past the end of the file */
	must_refuse(window + PAGES * PAGE, 1, 0, -EFAULT);
	must_refuse(window + (PAGES + 2) * PAGE - 1, 2, 0, -EFAULT); /* past the window */
	must_refuse(window - 1, 2, 0, -EFAULT);
	must_refuse(NULL, 1, 0, -EFAULT);
	must_refuse((void *)(1ul << 63), 1, 0, -EFAULT);
}

/* E4, E12, K39: the zero page is mapped by special leaves, whose pfn no pool has (K6): nothing is counted, and a chunk of it there cannot be. */
static void k39_zero_page(void)
{
	pf_file *holes;
	uint8_t *at;

	OK(pf_open(pool, "h", PF_O_RDWR | PF_O_CREATE, 0600, &holes));
	OK(pf_truncate(holes, 4 * MIB, PF_DETACH, 0));
	must_be(pf_write(holes, "x", 1, PAGE), 1);
	OK(pf_window_map(holes, NULL, 4 * MIB, PF_MAP_READ, 0, (void **)&at));
	for (unsigned i = 0; i < 1000; i++) {
		pf_pin *pin;

		must_be(pf_window_pin(pool, at + 2 * MIB, 2 * MIB, 0, &pin), -PF_EHOLE);
		must_be(pf_window_pin(pool, at + PAGE, 2 * PAGE, 0, &pin), -PF_EHOLE);
	}
	must_refuse(at, PAGE, PF_PIN_WRITE, -EFAULT);
	OK(pf_unpin(must_pin(at + PAGE, PAGE, 0)));
	OK(pf_window_unmap(pool, at, 4 * MIB));
	OK(pf_close(holes));
	OK(pf_unlink(pool, "h"));
}

/* E1, K27: a leaf whose page nobody holds. It is tried a few times, and then that is the answer. */
static void e1_count_of_zero(void)
{
	uint8_t *at = window + 2048 * PAGE;
	struct pt *pt = &pool->layout.space->pt;
	struct pages *p = &pool->layout.pages;
	struct pt_leaf leaf;
	pf_file *idle;
	pf_pin *pin;
	pf_map *map;
	uint64_t pfn;

	pattern_file(pool, "i", PAGE, 3);
	OK(pf_open(pool, "i", PF_O_RDWR, 0, &idle));
	OK(pf_map_file(idle, 0, PAGE, PF_MAP_WRITE, &map));
	pfn = p->first + (uint64_t)((uint8_t *)pf_map_address(map) - p->data) / PAGE;
	OK(pt_map(pt, (uintptr_t)at, pfn, 1, PT_READ | PT_USER, PT_PTE));
	pin = must_pin(at, PAGE, 0);
	OK(pf_unmap(map));
	must_be(count_at(at), 1);
	OK(pf_unpin(pin));
	refuses(at, PAGE, 0, -PF_EAGAIN); /* the check would find this leaf */
	must_be(count_at(at), 0);
	OK(pt_unmap(pt, (uintptr_t)at, 1, 0, NULL));
	must_be(pt_lookup(pt, (uintptr_t)at, &leaf), 0);
	OK(pf_close(idle));
	OK(pf_unlink(pool, "i"));
}

static void wrong_arguments(void)
{
	must_refuse(window, 0, 0, -PF_ERANGE);
	must_refuse(window, UINT64_MAX, 0, -PF_ERANGE);
	must_refuse(window, 1, 1, -PF_EFLAGS);
	must_refuse(window, 1, 0x80, -PF_EFLAGS);
}

static void without_memory(void)
{
	pf_pin *pin;
	int rc = -1;
	long calls = 1;

	for (; rc < 0; calls++) {
		sys_fail_nth(calls, ENOMEM);
		rc = pf_window_pin(pool, window, PAGES * PAGE, 0, &pin);
		sys_fail_nth(0, 0);
		must(rc == 0 || rc == -ENOMEM);
	}
	must(calls > 2);
	OK(pf_unpin(pin));
}

/* A pin keeps its bytes when the window has gone, and the file; and the process has no space when it had no window. */
static void outlives(void)
{
	pf_pin *pin = must_pin(window + 7, 3 * MIB / 2, 0);

	OK(pf_window_unmap(pool, window, (PAGES + 2) * PAGE));
	must_refuse(window, 1, 0, -EFAULT);
	OK(pf_close(file));
	OK(pf_unlink(pool, "f"));
	must_have(pin, 1, 7, 3 * MIB / 2);
	pool_check(pool, "a pin is left");
	OK(pf_unpin(pin));
	pool_empty(pool, "all given back");
}

int main(void)
{
	pool = pool_open(pool_make("p", 64));
	must_refuse((void *)(16 * MIB), 1, 0, -EFAULT);
	pattern_file(pool, "f", PAGES * PAGE, 1);
	OK(pf_open(pool, "f", PF_O_RDWR, 0, &file));
	OK(pf_window_map(file, NULL, (PAGES + 2) * PAGE, RW, 0, (void **)&window));
	each_range();
	small_leaves();
	two_files();
	e5_permission();
	e9_partial();
	k39_zero_page();
	e1_count_of_zero();
	wrong_arguments();
	without_memory();
	outlives();
	OK(pf_pool_close(pool));
	return 0;
}
