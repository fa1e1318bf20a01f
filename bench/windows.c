/* Windows: 1 GiB of them beside plain mmap of the same kind of file; what a truncation takes from another process; ten thousand of them. */
#include "bench.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define POOL_BYTES (GIB + 64 * MIB)
#define PAIRS      15
#define MANY       10000u
#define SLICE      1000u /* of them, that are timed together */

struct place {
	const char *peer;
	char path[128]; /* of the pool */
	pf_pool *pool;
	pf_file *file;
	int fd;
};

static void make_place(struct place *p, const char *peer, const char *directory, int fd)
{
	struct pf_mkfs_options o = {.size = POOL_BYTES};

	*p = (struct place){.peer = peer, .fd = fd};
	snprintf(p->path, sizeof p->path, "%s/windows", directory);
	if (pf_mkfs(p->path, &o) < 0)
		die(p->path);
	p->pool = open_pool(p->path, false, 0);
}

static void remove_place(struct place *p)
{
	pf_pool_close(p->pool);
	unlink(p->path);
}

static void touch(const volatile char *at)
{
	for (size_t i = 0; i < GIB; i += 4096)
		(void)at[i];
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Each round is one of ours and one of the peer's; `ours` and `peer` get the medians, the result is that of their ratios. */
static struct figure in_pairs(double (*our)(struct place *), double (*its)(struct place *),
			      struct place *p, int pairs, struct figure *ours, double *peer)
{
	double a[PAIRS], b[PAIRS], ratio[PAIRS], scale[2] = {0};

	our(p);
	its(p);
	for (int i = 0; i < pairs; i++) {
		a[i] = our(p);
		b[i] = its(p);
		ratio[i] = a[i] / b[i];
	}
	qsort(a, (size_t)pairs, sizeof *a, compare);
	qsort(b, (size_t)pairs, sizeof *b, compare);
	qsort(ratio, (size_t)pairs, sizeof *ratio, compare);
	scale[0] = a[pairs / 2];
	scale[1] = ratio[pairs / 2];
	*ours = (struct figure){scale[0], (a[pairs * 3 / 4] - a[pairs / 4]) / scale[0] * 100};
	*peer = b[pairs / 2];
	return (struct figure){scale[1],
			       (ratio[pairs * 3 / 4] - ratio[pairs / 4]) / scale[1] * 100};
}

/* ---- map, populate, touch, unmap ---- */

static double run_window(struct place *p)
{
	uint64_t begin = clock_mono();
	void *at;

	if (pf_window_map(p->file, NULL, GIB, PF_MAP_READ | PF_MAP_WRITE | PF_MAP_POPULATE, 0,
			  &at) < 0)
		die("window");
	touch(at);
	if (pf_window_unmap(p->pool, at, GIB) < 0)
		die("window");
	return ns_since(begin);
}

static double run_mmap(struct place *p)
{
	uint64_t begin = clock_mono();
	void *at = mmap(NULL, GIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, p->fd, 0);

	if (at == MAP_FAILED)
		die("mmap");
	touch(at);
	munmap(at, GIB);
	return ns_since(begin);
}

static void window_1g(const char *peer, const char *directory, int fd)
{
	struct figure ours, ratio;
	struct place p;
	double plain;

	make_place(&p, peer, directory, fd);
	p.file = make_file(p.pool, "file", GIB);
	ratio = in_pairs(run_window, run_mmap, &p, PAIRS, &ours, &plain);
	row("window_1g", "ms", 1e6, ours, peer, plain);
	printf("%-24s %12.3f of plain mmap's time, each beside the other (limit 1.2)  +-%.0f%%\n",
	       "", ratio.median, ratio.spread / 2);
	pf_close(p.file);
	remove_place(&p);
}

/* ---- revoke ---- */

struct watcher {
	pid_t pid;
	int ask, answer;
};

/* Maps the file anew whenever it is asked to. */
static void watch(const char *path, int ask, int answer)
{
	pf_pool *pool = open_pool(path, false, 0);
	pf_file *file = open_file(pool, "file", PF_O_RDWR);
	void *at = NULL;
	char c;

	while (read(ask, &c, 1) == 1) {
		if (at && pf_window_unmap(pool, at, GIB) < 0)
			die("window");
		if (pf_window_map(file, NULL, GIB, PF_MAP_READ | PF_MAP_WRITE | PF_MAP_POPULATE, 0,
				  &at) < 0)
			die("window");
		if (write(answer, &c, 1) != 1)
			die("pipe");
	}
	_exit(0);
}

static struct watcher start_watcher(const char *path)
{
	int ask[2], answer[2];
	struct watcher w;

	if (pipe(ask) < 0 || pipe(answer) < 0)
		die("pipe");
	fflush(NULL);
	w = (struct watcher){fork(), ask[1], answer[0]};
	if (w.pid == 0) {
		close(ask[1]);
		watch(path, ask[0], answer[1]);
	}
	close(ask[0]);
	close(answer[1]);
	return w;
}

static void end_watcher(struct watcher *w)
{
	close(w->ask);
	waitpid(w->pid, NULL, 0);
	close(w->answer);
}

static struct watcher watcher;

/* A truncation to 0 of what another process has mapped: when it returns, that has nothing any more. */
static double run_revoke(struct place *p)
{
	uint64_t begin;
	char c = 'm';
	double t;

	pf_close(make_file(p->pool, "file", GIB));
	if (write(watcher.ask, &c, 1) != 1 || read(watcher.answer, &c, 1) != 1)
		die("the other process");
	begin = clock_mono();
	if (pf_truncate(p->file, 0, PF_DETACH, 0) < 0)
		die("truncate");
	t = ns_since(begin);
	return t;
}

static double run_munmap(struct place *p)
{
	void *at = mmap(NULL, GIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, p->fd, 0);
	uint64_t begin;

	if (at == MAP_FAILED)
		die("mmap");
	begin = clock_mono();
	munmap(at, GIB);
	return ns_since(begin);
}

static void revoke_1g(const char *peer, const char *directory, int fd)
{
	bool huge = strcmp(peer, "tmpfs") != 0;
	struct figure ours, ratio;
	struct place p;
	char what[32];
	double plain;

	make_place(&p, peer, directory, fd);
	p.file = make_file(p.pool, "file", GIB);
	watcher = start_watcher(p.path);
	ratio = in_pairs(run_revoke, run_munmap, &p, 9, &ours, &plain);
	snprintf(what, sizeof what, "revoke_1g%s", huge ? "_huge" : "");
	row(what, "ms", 1e6, ours, peer, plain);
	if (huge)
		row(what, "ms", 1e6, ours, "limit", 5e6);
	else
		printf("%-24s %12.3f of plain munmap's time, each beside the other (limit 1.2)  +-%.0f%%\n",
		       "", ratio.median, ratio.spread / 2);
	end_watcher(&watcher);
	pf_close(p.file);
	remove_place(&p);
}

/* ---- many ---- */

static void *window_at[MANY];

/* Every second page of a file, so that none becomes one with its neighbour. */
static void map_many(struct place *p, unsigned first)
{
	for (unsigned i = first; i < first + SLICE; i++)
		if (pf_window_map(p->file, NULL, 4096, PF_MAP_READ | PF_MAP_WRITE,
				  (uint64_t)i * 8192, &window_at[i]) < 0)
			die("window");
}

static void unmap_many(struct place *p, unsigned first)
{
	for (unsigned i = first; i < first + SLICE; i++)
		if (pf_window_unmap(p->pool, window_at[i], 4096) < 0)
			die("window");
}

static void run_many(void *arg, double *ns)
{
	struct place *p = arg;

	for (unsigned first = 0; first < MANY; first += SLICE) {
		uint64_t begin = clock_mono();

		map_many(p, first);
		if (first == 0)
			ns[0] = ns_since(begin) / SLICE;
		ns[1] = ns_since(begin) / SLICE;
	}
	for (unsigned first = 0; first < MANY; first += SLICE) {
		uint64_t begin = clock_mono();

		unmap_many(p, first);
		if (first == 0)
			ns[2] = ns_since(begin) / SLICE;
		ns[3] = ns_since(begin) / SLICE;
	}
}

static void maps_10k(void)
{
	static struct runner runner;
	struct place p;

	make_place(&p, "tmpfs", pool_dir, -1);
	p.file = make_file(p.pool, "file", MANY * 8192ul);
	runner = (struct runner){.run = run_many, .arg = &p};
	take_turns(&runner, 1, 4, ROUNDS);
	row("maps_10k", "us", 1e3, runner.part[1], "first 1000", runner.part[0].median);
	row("maps_10k_unmap", "us", 1e3, runner.part[2], "last 1000", runner.part[3].median);
	pf_close(p.file);
	remove_place(&p);
}

void bench_windows(void)
{
	beside_peers(GIB, POOL_BYTES, window_1g);
	beside_peers(GIB, POOL_BYTES, revoke_1g);
	maps_10k();
}
