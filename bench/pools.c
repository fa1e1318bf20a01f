/* Opening and attaching to pools, and the memory that they take beside the media. */
#include "bench.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

static double run_attach(void *arg)
{
	const char *path = arg;
	uint64_t begin = clock_mono();
	pf_pool *pool;
	double t;

	if (pf_pool_open(path, 0, &pool) < 0)
		die("attach");
	t = ns_since(begin);
	pf_pool_close(pool);
	return t;
}

void bench_attach(void)
{
	struct pf_mkfs_options o = {.size = 16 * GIB, .flags = PF_MKFS_SPARSE};
	struct figure f;
	char path[128];
	pf_pool *pool;

	snprintf(path, sizeof path, "%s/pool16g", pool_dir);
	if (pf_mkfs(path, &o) < 0)
		die("mkfs");
	f = measure(run_attach, path, ROUNDS);
	row("open_16g", "ms", 1e6, f, "limit", 1e9);
	if (pf_pool_open(path, 0, &pool) < 0)
		die("attach");
	f = measure(run_attach, path, ROUNDS * 5);
	row("attach_16g", "ms", 1e6, f, "limit", 1e6);
	pf_pool_close(pool);
	unlink(path);
}

static void memory_row(const char *name, double ours, double limit)
{
	row(name, "KiB", 1024, (struct figure){ours, 0}, "limit", limit);
}

/* What the runtime grows by for each process more, here each attach more. */
static double memory_of_a_slot(const char *path, pf_pool *pool)
{
	enum { MORE = 64 };
	pf_pool *more[MORE];
	struct pf_info before, after;

	pf_info(pool, &before);
	for (int i = 0; i < MORE; i++)
		if (pf_pool_open(path, 0, &more[i]) < 0)
			die("attach");
	pf_info(pool, &after);
	for (int i = 0; i < MORE; i++)
		pf_pool_close(more[i]);
	return ((double)after.runtime_bytes - (double)before.runtime_bytes) / MORE;
}

void bench_memory(void)
{
	struct pf_mkfs_options o = {.size = GIB},
			       huge = {.size = 1024 * GIB, .flags = PF_MKFS_SPARSE};
	struct pf_info info;
	char path[128];
	pf_pool *pool;
	pf_file *file;

	snprintf(path, sizeof path, "%s/pool1g", pool_dir);
	if (pf_mkfs(path, &o) < 0 || pf_pool_open(path, 0, &pool) < 0 || pf_info(pool, &info) < 0 ||
	    pf_open(pool, "all", PF_O_RDWR | PF_O_CREATE, 0644, &file) < 0 ||
	    pf_allocate(file, 0, info.pages_free * 4096, 0) < 0 || pf_info(pool, &info) < 0)
		die("fill");
	memory_row("runtime_1g_full", (double)info.runtime_bytes,
		   0.017 * (double)GIB + (double)MIB);
	memory_row("runtime_slot", memory_of_a_slot(path, pool), 65536);
	pf_pool_close(pool);
	unlink(path);
	if (pf_mkfs(path, &huge) < 0 || pf_pool_open(path, 0, &pool) < 0 ||
	    pf_info(pool, &info) < 0)
		die("1 TiB");
	memory_row("runtime_1t_empty", (double)info.runtime_bytes, 64.0 * (double)MIB);
	pf_pool_close(pool);
	unlink(path);
}
