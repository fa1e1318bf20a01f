/* A device of 1 GiB at a multiple of 1 GiB: a window on it is one PUD leaf, is made and cut nowhere but at 1 GiB, and shows the device's bytes. */
/* test: suite=short timeout=120 */
#include <stdio.h>
#include <string.h>

#include "file/pool.h"
#include "mm/mm.h"
#include "pool.h"

#define PAGE PF_PAGE_SIZE
#define MIB  (1ul << 20)
#define GIB  (1ul << 30)
#define RW   (PF_MAP_READ | PF_MAP_WRITE)

static pf_pool *pool;

/* The pool's file is sparse: the device has pages, and little else. */
static void need_memory(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	unsigned long kib = 0;
	char line[128];

#ifdef __SANITIZE_THREAD__
	skip("ThreadSanitizer would shadow each byte of 1 GiB");
#endif
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "MemAvailable: %lu kB", &kib) == 1)
			break;
	if (f)
		fclose(f);
	if (kib < 2 * (GIB >> 10))
		skip("%lu MiB of memory are available, and 2048 are needed", kib >> 10);
}

static void one_leaf(const uint8_t *window)
{
	struct pt_leaf leaf;

	for (uint64_t at = 0; at < GIB; at += 34 * MIB + PAGE) {
		must_be(pt_lookup(&pool->layout.space->pt, (uintptr_t)window + at, &leaf), 1);
		must_be(leaf.level, PT_PUD);
		must_be((leaf.pfn - at / PAGE) % (GIB / PAGE), 0);
	}
}

static void shows(pf_file *file, uint8_t *window)
{
	uint8_t bytes[64];
	pf_pin *pin;

	for (uint64_t at = 0; at < GIB; at += 255 * MIB + 64) {
		must(window[at] == 0);
		pattern_fill(window + at, sizeof bytes, 1, at);
		must_be(pf_read(file, bytes, sizeof bytes, at), sizeof bytes);
		must_be(pattern_differs(bytes, sizeof bytes, 1, at), sizeof bytes);
	}
	OK(pf_window_pin(pool, window + MIB, GIB - MIB, PF_PIN_WRITE, &pin));
	OK(pf_unpin(pin));
}

static void refused(pf_file *file, uint8_t *window)
{
	void *got;

	must_be(pf_window_map(file, NULL, 2 * MIB, RW, 0, &got), -PF_EALIGN);
	must_be(pf_window_map(file, NULL, GIB, RW, 2 * MIB, &got), -PF_EALIGN);
	must_be(pf_window_unmap(pool, window, 2 * MIB), -PF_EALIGN);
	must_be(pf_window_protect(pool, window + 2 * MIB, 2 * MIB, PF_MAP_READ), -PF_EALIGN);
	must_be(pf_window_remap(pool, window, GIB, 2 * MIB, 0, NULL, &got), -PF_EALIGN);
	must_be(pf_truncate(file, 0, PF_DETACH, 0), -PF_EDEVICE);
}

int main(void)
{
	struct pf_stat stat;
	const char *path;
	pf_file *file;
	void *window;

	need_memory();
	path = pool_make("pool", 3 * 1024);
	pool = pool_open(path);
	OK(pf_device_make(pool, "device", GIB, GIB, 0600));
	OK(pf_open(pool, "device", PF_O_RDWR, 0, &file));
	OK(pf_stat(file, &stat));
	must(stat.device == GIB && stat.size == GIB && stat.allocated == GIB);
	OK(pf_window_map(file, NULL, GIB, RW, 0, &window));
	must_be((uintptr_t)window % GIB, 0);
	one_leaf(window);
	shows(file, window);
	refused(file, window);
	one_leaf(window);
	OK(pf_window_protect(pool, window, GIB, PF_MAP_READ));
	one_leaf(window);
	pool_check(pool, "a window of 1 GiB");
	OK(pf_window_unmap(pool, window, GIB));
	OK(pf_close(file));
	OK(pf_pool_close(pool));
	must_be(pf_fsck(path, NULL, NULL), 0);
	pool = pool_open(path);
	pool_empty(pool, "a device of 1 GiB");
	OK(pf_pool_close(pool));
	return 0;
}
