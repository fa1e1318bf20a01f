/* Who asked is told how far the first opening of a pool has come; the second to open has nothing to do, and after NULL nobody is told. */
#include <stdio.h>
#include <string.h>

#include "pool.h"

#define FILES 3000u

struct told {
	unsigned calls;
	uint64_t total;
};

static void report(void *arg, const char *what, uint64_t done, uint64_t total)
{
	struct told *told = arg;

	must(!strcmp(what, "inodes") || !strcmp(what, "directories"));
	must(done <= total);
	told->calls++;
	told->total = total;
}

int main(void)
{
	struct told told = {0, 0};
	struct pf_mkfs_options o = {.size = 64 << 20, .inodes = 4000};
	pf_pool *pool, *second;
	const char *path;
	char name[16];
	pf_file *file;

	test_dir();
	path = test_path("pool");
	OK(pf_mkfs(path, &o));
	pool = pool_open(path);
	for (unsigned i = 0; i < FILES; i++) {
		snprintf(name, sizeof name, "%u", i);
		OK(pf_open(pool, name, PF_O_RDWR | PF_O_CREATE, 0644, &file));
		OK(pf_close(file));
	}
	OK(pf_pool_close(pool));
	pf_on_progress(report, &told);
	pool = pool_open(path);
	must(told.calls > 0 && told.total > FILES);
	told.calls = 0;
	second = pool_open(path);
	must_be(told.calls, 0);
	OK(pf_pool_close(second));
	OK(pf_pool_close(pool));
	pf_on_progress(NULL, NULL);
	pool = pool_open(path);
	must_be(told.calls, 0);
	OK(pf_pool_close(pool));
	return 0;
}
