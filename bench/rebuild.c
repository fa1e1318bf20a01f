/*
 * Opening a pool whose users were all killed and whose runtime is gone, as after a power cut: every inode, name, node and extent is looked at, and
 * free space is built from them. In nanoseconds for an extent; at least 3 million in a second are wanted.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define LIMIT_NS (1e9 / 3e6)

struct rebuild {
	char path[128];
	unsigned extents;
	double *ns; /* shared: from the process that opened it */
};

static char runtime[128];

static void remove_runtime(void)
{
	DIR *d = opendir(runtime);
	struct dirent *e;
	char path[512];

	while (d && (e = readdir(d))) {
		snprintf(path, sizeof path, "%s/%s", runtime, e->d_name);
		unlink(path);
	}
	if (d)
		closedir(d);
}

/* In a process that is killed while it has the pool open. */
static void open_and_die(struct rebuild *r, void (*then)(struct rebuild *r, pf_pool *pool))
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		uint64_t begin = clock_mono();
		pf_pool *pool = open_pool(r->path, false, PF_POOL_FORCE | PF_POOL_NO_THREAD);

		*r->ns = ns_since(begin);
		if (then)
			then(r, pool);
		kill(getpid(), SIGKILL);
	}
	waitpid(pid, NULL, 0);
	remove_runtime();
}

static void run(void *arg, double *ns)
{
	struct rebuild *r = arg;

	open_and_die(r, NULL);
	*ns = *r->ns / r->extents;
}

/* ---- what is in the pool --------------------------------------------------------------------------- */

/* Every second page of some files. */
static void fill_pages(struct rebuild *r, pf_pool *pool)
{
	const unsigned files = 8;
	char name[40];

	for (unsigned f = 0; f < files; f++) {
		pf_file *file;

		snprintf(name, sizeof name, "pages%u", f);
		file = open_file(pool, name, PF_O_RDWR | PF_O_CREATE);
		for (uint64_t i = 0; i < r->extents / files; i++)
			if (pf_allocate(file, 2 * i * 4096, 4096, 0) < 0)
				die(name);
		pf_close(file);
	}
}

static void fill_small(struct rebuild *r, pf_pool *pool)
{
	char name[40];

	for (unsigned i = 0; i < r->extents; i++) {
		pf_file *file;

		snprintf(name, sizeof name, "small%u", i);
		file = open_file(pool, name, PF_O_RDWR | PF_O_CREATE);
		if (pf_allocate(file, 0, 4096, 0) < 0)
			die(name);
		pf_close(file);
	}
}

static void fill_large(struct rebuild *r, pf_pool *pool)
{
	pf_file *file = open_file(pool, "large", PF_O_RDWR | PF_O_CREATE);

	if (pf_allocate(file, 0, r->extents * 2 * MIB, 0) < 0)
		die("large");
	pf_close(file);
}

/* ---- rows ------------------------------------------------------------------------------------------ */

static void bench_one(const char *name, unsigned extents, uint64_t size, uint64_t inodes,
		      void (*fill)(struct rebuild *r, pf_pool *pool))
{
	struct rebuild r = {.extents = extents};
	struct runner runner = {.run = run, .arg = &r};

	r.ns = mmap(NULL, sizeof *r.ns, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r.ns == MAP_FAILED)
		die("mmap");
	make_pool("rebuild", size, inodes, true, r.path);
	open_and_die(&r, fill);
	take_turns(&runner, 1, 1, ROUNDS);
	row(name, "ns", 1, runner.part[0], "limit", LIMIT_NS);
	unlink(r.path);
	munmap(r.ns, sizeof *r.ns);
}

void bench_rebuild(void)
{
	snprintf(runtime, sizeof runtime, "%s/runtime", dir);
	if (mkdir(runtime, 0700) < 0)
		die(runtime);
	setenv("PINFOLD_RUNTIME_DIR", runtime, 1);
	bench_one("rebuild_pages", 200000, 3 * GIB, 0, fill_pages);
	bench_one("rebuild_small_files", 200000, 3 * GIB, 210000, fill_small);
	bench_one("rebuild_order_9", 100000, 200 * GIB, 0, fill_large);
	rmdir(runtime);
	setenv("PINFOLD_RUNTIME_DIR", dir, 1);
}
