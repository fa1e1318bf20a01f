/* Windows on devices are made and cut at multiples of the device's alignment only, and their leaves are as large as that: what is refused changes nothing. */
/* test: suite=short timeout=60 */
#include <string.h>

#include "file/pool.h"
#include "mm/mm.h"
#include "pool.h"

#define PAGE PF_PAGE_SIZE
#define MIB  (1ul << 20)
#define SIZE (6 * MIB)
#define RW   (PF_MAP_READ | PF_MAP_WRITE)

static pf_pool *pool;
static uint8_t bytes[SIZE];

static pf_file *open_file(const char *name)
{
	pf_file *file;

	OK(pf_open(pool, name, PF_O_RDWR, 0, &file));
	return file;
}

static void leaves_are(const uint8_t *window, unsigned level)
{
	struct pt_leaf leaf;

	for (uint64_t at = 0; at < SIZE; at += PAGE) {
		must_be(pt_lookup(&pool->layout.space->pt, (uintptr_t)window + at, &leaf), 1);
		must_be(leaf.level, level);
	}
}

static int count(void *arg, const struct mm_mapping *m)
{
	++*(unsigned *)arg;
	must(m->bytes);
	return 0;
}

/* The page there is found from its number, too, in one window. */
static void found(const uint8_t *address)
{
	struct pt_leaf leaf;
	unsigned n = 0;

	must_be(pt_lookup(&pool->layout.space->pt, (uintptr_t)address, &leaf), 1);
	must_be(mm_rmap(pool_self(pool), &pool->layout.pages, leaf.pfn, count, &n), 0);
	must_be(n, 1);
}

/* Stores there are the device's bytes, and pins by address find them. */
static void shows(pf_file *file, uint8_t *window, uint64_t id)
{
	pf_pin *pin;

	pattern_fill(window, SIZE, id, 0);
	must_be(pf_read(file, bytes, SIZE, 0), SIZE);
	must_be(pattern_differs(bytes, SIZE, id, 0), SIZE);
	OK(pf_window_pin(pool, window + PAGE, SIZE - PAGE, PF_PIN_WRITE, &pin));
	OK(pf_unpin(pin));
	found(window);
	found(window + 5 * MIB + PAGE);
	pool_check(pool, "a window on a device");
}

static void pages(void)
{
	pf_file *file = open_file("pages");
	void *w;

	OK(pf_window_map(file, NULL, SIZE - 1, RW, 0, &w));
	leaves_are(w, PT_PTE);
	shows(file, w, 1);
	OK(pf_window_unmap(pool, (uint8_t *)w + PAGE, PAGE));
	OK(pf_window_unmap(pool, w, SIZE));
	OK(pf_close(file));
}

static void not_made(pf_file *file, uint8_t *reserved)
{
	void *w;

	must_be(pf_window_map(file, NULL, 2 * MIB, RW, PAGE, &w), -PF_EALIGN);
	must_be(pf_window_map(file, NULL, 2 * MIB, RW, MIB, &w), -PF_EALIGN);
	must_be(pf_window_map(file, NULL, PAGE, RW, 0, &w), -PF_EALIGN);
	must_be(pf_window_map(file, NULL, 3 * MIB, RW, 0, &w), -PF_EALIGN);
	must_be(pf_window_map(file, reserved + PAGE, 2 * MIB, RW | PF_MAP_FIXED, 0, &w),
		-PF_EALIGN);
	must_be(pf_window_map(file, reserved + MIB, 2 * MIB, RW | PF_MAP_FIXED, 0, &w), -PF_EALIGN);
}

static void not_cut(uint8_t *w)
{
	pf_file *other = open_file("other");
	void *got;

	must_be(pf_window_unmap(pool, w, PAGE), -PF_EALIGN);
	must_be(pf_window_unmap(pool, w + MIB, 5 * MIB), -PF_EALIGN);
	must_be(pf_window_protect(pool, w, MIB, PF_MAP_READ), -PF_EALIGN);
	must_be(pf_window_protect(pool, w + PAGE, SIZE - PAGE, PF_MAP_READ), -PF_EALIGN);
	must_be(pf_window_remap(pool, w, SIZE, MIB, 0, NULL, &got), -PF_EALIGN);
	must_be(pf_window_remap(pool, w + MIB, 2 * MIB, 2 * MIB, PF_REMAP_MAYMOVE, NULL, &got),
		-PF_EALIGN);
	must_be(pf_window_remap(pool, w, 2 * MIB, 3 * MIB, PF_REMAP_MAYMOVE, NULL, &got),
		-PF_EALIGN);
	must_be(pf_window_map(other, w + 3 * MIB, PAGE, RW | PF_MAP_FIXED, 0, &got), -PF_EALIGN);
	OK(pf_close(other));
}

static void blocks(void)
{
	pf_file *file = open_file("blocks");
	void *w, *moved;

	OK(pf_window_map(file, NULL, SIZE, RW, 0, &w));
	must_be((uintptr_t)w % (2 * MIB), 0);
	leaves_are(w, PT_PMD);
	shows(file, w, 2);
	not_made(file, w);
	not_cut(w);
	leaves_are(w, PT_PMD);
	shows(file, w, 3);
	must_be(pf_window_remap(pool, w, SIZE, SIZE, PF_REMAP_MAYMOVE, NULL, &moved), 0);
	OK(pf_window_protect(pool, (uint8_t *)w + 2 * MIB, 2 * MIB, PF_MAP_READ));
	leaves_are(w, PT_PMD);
	OK(pf_window_unmap(pool, (uint8_t *)w + 2 * MIB, 2 * MIB));
	OK(pf_window_unmap(pool, w, SIZE));
	OK(pf_close(file));
	pool_check(pool, "none left");
}

int main(void)
{
	pool = pool_open(pool_make("pool", 48));
	OK(pf_device_make(pool, "pages", SIZE, PAGE, 0600));
	OK(pf_device_make(pool, "blocks", SIZE, 2 * MIB, 0600));
	pattern_file(pool, "other", 2 * PAGE, 1);
	pages();
	blocks();
	pool_empty(pool, "devices with windows");
	OK(pf_pool_close(pool));
	return 0;
}
