/*
 * The figures: what pinfold costs beside what else there is, measured in the same run. Prints a table and writes a list of
 * {name, unit, ours, peer, peer_value, ratio, spread} to the file named. ratio: how many times better than the peer; spread: (largest -
 * smallest) / median of our rounds, in percent. Peers that the machine does not have (huge tmpfs, hugetlbfs: root) are left out, and said.
 *
 *   bench JSON-FILE
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <liburing.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "file/pool.h"

#define MIB    (1ul << 20)
#define GIB    (1ul << 30)
#define ROUNDS 9

static char dir[] = "/dev/shm/pinfold-bench.XXXXXX";
static json_t *rows;

static void die(const char *what)
{
	fprintf(stderr, "bench: %s: %s (%s)\n", what, pf_message(), strerror(errno));
	exit(1);
}

/* ---- measuring ------------------------------------------------------------------------------------- */

struct figure {
	double median, spread;
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* `run(arg)` gives the nanoseconds of one round; the first round warms and does not count. */
static struct figure measure(double (*run)(void *arg), void *arg, int rounds)
{
	double t[ROUNDS * 8];

	run(arg);
	for (int i = 0; i < rounds; i++)
		t[i] = run(arg);
	qsort(t, (size_t)rounds, sizeof *t, compare);
	return (struct figure){t[rounds / 2], t[rounds / 2] > 0
						      ? (t[rounds - 1] - t[0]) / t[rounds / 2] * 100
						      : 0};
}

static void row(const char *name, const char *unit, double scale, struct figure ours,
		const char *peer, double peer_ns)
{
	double a = ours.median / scale, b = peer_ns / scale, ratio = a > 0 ? b / a : 0;

	printf("%-17s %12.3f %-4s  %-11s %12.3f %10.1fx  +-%.0f%%\n", name, a, unit, peer, b, ratio,
	       ours.spread / 2);
	json_array_append_new(rows, json_pack("{s:s, s:s, s:f, s:s, s:f, s:f, s:f}", "name", name,
					      "unit", unit, "ours", a, "peer", peer, "peer_value",
					      b, "ratio", ratio, "spread", ours.spread));
}

static double ns_since(uint64_t begin)
{
	return (double)(clock_mono() - begin);
}

/* ---- peers ----------------------------------------------------------------------------------------- */

enum peer { TMPFS, TMPFS_HUGE, HUGETLBFS, PEERS };

static const char *const peer_names[PEERS] = {"tmpfs", "tmpfs-huge", "hugetlbfs"};
static int peer_fd[PEERS] = {-1, -1, -1};
static char old_huge_pages[32];

static void write_huge_pages(const char *text)
{
	int fd = open("/proc/sys/vm/nr_hugepages", O_WRONLY);

	if (fd >= 0) {
		(void)!write(fd, text, strlen(text));
		close(fd);
	}
}

static void restore_huge_pages(void)
{
	if (old_huge_pages[0])
		write_huge_pages(old_huge_pages);
}

static int make_peer(const char *name, const char *type, const char *options)
{
	char path[128];
	int fd;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	if (type && (mkdir(path, 0700) < 0 || mount("none", path, type, 0, options) < 0))
		return -1;
	snprintf(path, sizeof path, type ? "%s/%s/file" : "%s/%s-file", dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	unlink(path);
	if (fd >= 0 && (ftruncate(fd, GIB) < 0 || fallocate(fd, 0, 0, GIB) < 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* In a mount namespace of our own, so that nothing stays. */
static void make_peers(void)
{
	int fd = open("/proc/sys/vm/nr_hugepages", O_RDONLY);

	peer_fd[TMPFS] = make_peer("tmpfs", NULL, NULL);
	if (unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0) {
		peer_fd[TMPFS_HUGE] = make_peer("huge", "tmpfs", "huge=always");
		if (fd >= 0 && read(fd, old_huge_pages, sizeof old_huge_pages - 1) > 0 &&
		    atoi(old_huge_pages) < 600) {
			atexit(restore_huge_pages);
			write_huge_pages("600");
		} else {
			old_huge_pages[0] = 0;
		}
		peer_fd[HUGETLBFS] = make_peer("hugetlbfs", "hugetlbfs", "pagesize=2M");
	}
	if (fd >= 0)
		close(fd);
	for (int p = 0; p < PEERS; p++)
		if (peer_fd[p] < 0)
			printf("no %s here: %s\n", peer_names[p], strerror(errno));
}

struct peer_range {
	int fd;
	size_t bytes;
};

/* mmap, touch, munmap. */
static double peer_map(void *arg)
{
	struct peer_range *r = arg;
	uint64_t begin = clock_mono();
	volatile char *at = mmap(NULL, r->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);

	if (at == MAP_FAILED)
		die("mmap");
	for (size_t i = 0; i < r->bytes; i += 4096)
		(void)at[i];
	munmap((void *)(uintptr_t)at, r->bytes);
	return ns_since(begin);
}

/* Registering the mapping with io_uring, which pins its pages; and giving it back. */
static double peer_register(void *arg)
{
	struct peer_range *r = arg;
	struct io_uring ring;
	struct iovec iov = {mmap(NULL, r->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0),
			    r->bytes};
	uint64_t begin;
	double t;

	if (iov.iov_base == MAP_FAILED || io_uring_queue_init(8, &ring, 0) < 0)
		die("io_uring");
	begin = clock_mono();
	if (io_uring_register_buffers(&ring, &iov, 1) < 0)
		die("io_uring registration");
	t = ns_since(begin);
	io_uring_queue_exit(&ring);
	munmap(iov.iov_base, r->bytes);
	return t;
}

static double peer_truncate(void *arg)
{
	struct peer_range *r = arg;
	uint64_t begin;
	double t;

	if (fallocate(r->fd, 0, 0, (off_t)r->bytes) < 0)
		die("fallocate");
	begin = clock_mono();
	if (ftruncate(r->fd, 0) < 0)
		die("ftruncate");
	t = ns_since(begin);
	if (ftruncate(r->fd, (off_t)r->bytes) < 0 || fallocate(r->fd, 0, 0, (off_t)r->bytes) < 0)
		die("fallocate");
	return t;
}

static void against_peers(const char *name, const char *unit, double scale, struct figure ours,
			  double (*peer)(void *), size_t bytes, int rounds)
{
	for (int p = 0; p < PEERS; p++) {
		struct peer_range r = {peer_fd[p], bytes};

		if (r.fd >= 0)
			row(name, unit, scale, ours, peer_names[p],
			    measure(peer, &r, rounds).median);
	}
}

/* ---- ours ------------------------------------------------------------------------------------------ */

struct bed {
	char path[128];
	pf_pool *pool;
	pf_file *file; /* 1 GiB in order-9 folios */
};

static void make_bed(struct bed *b)
{
	struct pf_mkfs_options o = {.size = 2560 * MIB};

	snprintf(b->path, sizeof b->path, "%s/pool", dir);
	if (pf_mkfs(b->path, &o) < 0 || pf_pool_open(b->path, 0, &b->pool) < 0 ||
	    pf_open(b->pool, "file", PF_O_RDWR | PF_O_CREATE, 0644, &b->file) < 0 ||
	    pf_allocate(b->file, 0, GIB, 0) < 0)
		die("pool");
}

#define REPEAT 100000

static double run_ref_pair(void *arg)
{
	struct bed *b = arg;
	struct rt_self *me = pool_self(b->pool);
	struct layout *l = &b->pool->layout;
	struct dax_run run;
	uint64_t begin = clock_mono();

	for (int i = 0; i < REPEAT; i++) {
		if (dax_hold(me, &l->fs, &l->pages, b->file->ino, 0, 1, &me->row->read_hold, &run) <
		    0)
			die("hold");
		dax_drop(me, &l->pages, &me->row->read_hold, false);
	}
	return ns_since(begin) / REPEAT;
}

static double run_atomic_pair(void *arg)
{
	_Atomic uint64_t *word = arg;
	uint64_t begin = clock_mono();

	for (int i = 0; i < REPEAT; i++) {
		atomic_fetch_add(word, 1);
		atomic_fetch_sub(word, 1);
	}
	return ns_since(begin) / REPEAT;
}

static double run_pin_2m(void *arg)
{
	struct bed *b = arg;
	uint64_t begin = clock_mono();
	pf_pin *pin;

	for (int i = 0; i < REPEAT; i++) {
		if (pf_pin_file(b->file, 0, 2 * MIB, 0, &pin) < 0)
			die("pin");
		pf_unpin(pin);
	}
	return ns_since(begin) / REPEAT;
}

static double run_map(struct bed *b, size_t bytes, int repeat)
{
	uint64_t begin = clock_mono();
	pf_map *map;

	for (int i = 0; i < repeat; i++) {
		if (pf_map_file(b->file, 0, bytes, PF_MAP_READ, &map) < 0)
			die("map");
		pf_unmap(map);
	}
	return ns_since(begin) / repeat;
}

static double run_map_2m(void *arg)
{
	return run_map(arg, 2 * MIB, REPEAT);
}

static double run_map_1g(void *arg)
{
	return run_map(arg, GIB, 200);
}

static double run_pin_1g(void *arg)
{
	struct bed *b = arg;
	uint64_t begin = clock_mono();
	pf_pin *pin;

	for (int i = 0; i < 200; i++) {
		if (pf_pin_file(b->file, 0, GIB, PF_PIN_LONGTERM | PF_PIN_WRITE, &pin) < 0)
			die("pin");
		pf_unpin(pin);
	}
	return ns_since(begin) / 200;
}

/* The pool was registered once: a pin is all that is left to do. */
static double run_dma_ready(void *arg)
{
	struct bed *b = arg;
	uint64_t begin = clock_mono();
	size_t count;
	pf_pin *pin;
	double t;

	if (pf_pin_file(b->file, 0, GIB, PF_PIN_LONGTERM | PF_PIN_WRITE, &pin) < 0)
		die("pin");
	if (!pf_pin_chunks(pin, &count)->length)
		die("chunks");
	t = ns_since(begin);
	pf_unpin(pin);
	return t;
}

static double truncate_file(struct bed *b, bool held)
{
	pf_pin *pin = NULL;
	uint64_t begin;
	pf_file *file;
	double t;

	if (pf_open(b->pool, "victim", PF_O_RDWR | PF_O_CREATE, 0644, &file) < 0 ||
	    pf_allocate(file, 0, GIB, 0) < 0 || (held && pf_pin_file(file, 0, GIB, 0, &pin) < 0))
		die("victim");
	begin = clock_mono();
	if (pf_truncate(file, 0, PF_DETACH, 0) < 0)
		die("truncate");
	t = ns_since(begin);
	pf_unpin(pin);
	pf_close(file);
	return t;
}

static double run_truncate(void *arg)
{
	return truncate_file(arg, false);
}

static double run_truncate_held(void *arg)
{
	return truncate_file(arg, true);
}

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

/* ---- death ----------------------------------------------------------------------------------------- */

struct deaths {
	struct bed *bed;
	double seen, quarantine;
};

static pid_t start_holder(struct bed *b, const char *name)
{
	int ready[2];
	pid_t pid;
	char c;

	if (pipe(ready) < 0)
		die("pipe");
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		pf_pool *pool;
		pf_file *file;
		pf_pin *pin;

		if (pf_pool_open(b->path, PF_POOL_NO_THREAD, &pool) < 0 ||
		    pf_open(pool, name, PF_O_RDWR, 0, &file) < 0 ||
		    pf_pin_file(file, 0, GIB, 0, &pin) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	if (read(ready[0], &c, 1) != 1)
		die("holder");
	close(ready[0]);
	close(ready[1]);
	return pid;
}

/* From proof of death to everything given back. The pool has no service thread here, or it would be faster. */
static double run_reap(void *arg)
{
	struct deaths *d = arg;
	struct rt *rt = d->bed->pool->layout.rt;
	pid_t pid = start_holder(d->bed, "file");
	unsigned slot = rt_slots_used(rt) - 1;
	uint64_t begin;
	double t;

	while (slot && load_relaxed(&rt_slot_at(rt, slot)->pid) != (uint32_t)pid)
		slot--;
	begin = clock_mono();
	kill(pid, SIGKILL);
	while (!rt_slot_dead(rt, slot))
		sched_yield();
	d->seen = ns_since(begin);
	begin = clock_mono();
	if (pf_reap(d->bed->pool) != 1)
		die("reap");
	t = ns_since(begin);
	waitpid(pid, NULL, 0);
	return t;
}

static double run_quarantine(void *arg)
{
	struct deaths *d = arg;
	struct bed *b = d->bed;
	uint64_t begin;
	pf_file *file;
	pid_t pid;

	if (pf_open(b->pool, "victim", PF_O_RDWR | PF_O_CREATE, 0644, &file) < 0 ||
	    pf_allocate(file, 0, GIB, 0) < 0)
		die("victim");
	pid = start_holder(b, "victim");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (pf_reap(b->pool) < 0 || pf_truncate(file, 0, PF_DETACH, 0) < 0)
		die("truncate");
	begin = clock_mono();
	if (pf_reap(b->pool) < 0)
		die("reap");
	pf_close(file);
	return ns_since(begin);
}

/* ---- groups ---------------------------------------------------------------------------------------- */

static void bench_references(struct bed *b)
{
	static _Atomic uint64_t word;
	struct figure f = measure(run_ref_pair, b, ROUNDS);

	row("ref_pair", "ns", 1, f, "atomic pair", measure(run_atomic_pair, &word, ROUNDS).median);
	f = measure(run_pin_2m, b, ROUNDS);
	row("pin_extent", "ns", 1, f, "limit", 150);
	against_peers("pin_extent", "ns", 1, f, peer_map, 2 * MIB, ROUNDS);
	f = measure(run_map_2m, b, ROUNDS);
	row("map_2m", "ns", 1, f, "limit", 250);
	against_peers("map_2m", "ns", 1, f, peer_map, 2 * MIB, ROUNDS);
	f = measure(run_map_1g, b, ROUNDS);
	row("map_1g", "us", 1e3, f, "limit", 50e3);
	against_peers("map_1g", "us", 1e3, f, peer_map, GIB, 5);
	f = measure(run_pin_1g, b, ROUNDS);
	against_peers("pin_1g", "us", 1e3, f, peer_register, GIB, 5);
	f = measure(run_dma_ready, b, ROUNDS * 5);
	against_peers("dma_ready_1g", "us", 1e3, f, peer_register, GIB, 5);
}

static void bench_truncation(struct bed *b)
{
	struct figure f = measure(run_truncate, b, ROUNDS);

	against_peers("truncate_1g", "us", 1e3, f, peer_truncate, GIB, 5);
	f = measure(run_truncate_held, b, ROUNDS);
	against_peers("truncate_1g_held", "us", 1e3, f, peer_truncate, GIB, 5);
}

static void bench_attach(void)
{
	struct pf_mkfs_options o = {.size = 16 * GIB, .flags = PF_MKFS_SPARSE};
	struct figure f;
	char path[128];
	pf_pool *pool;

	snprintf(path, sizeof path, "%s/pool16g", dir);
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

static void bench_death(struct bed *b)
{
	struct deaths d = {.bed = b};
	struct figure f;

	/* Without the service thread, which would do the work in between. */
	pf_close(b->file);
	pf_pool_close(b->pool);
	if (pf_pool_open(b->path, PF_POOL_NO_THREAD, &b->pool) < 0)
		die("pool");
	f = measure(run_reap, &d, ROUNDS);
	row("reap", "ms", 1e6, f, "limit", 10e6);
	row("death_seen", "ms", 1e6, (struct figure){d.seen, 0}, "limit", 64e6);
	f = measure(run_quarantine, &d, 3);
	row("leave_quarantine", "ms", 1e6, f, "limit", 1e9);
	if (pf_open(b->pool, "file", PF_O_RDWR, 0, &b->file) < 0)
		die("file");
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

static void bench_memory(void)
{
	struct pf_mkfs_options o = {.size = GIB},
			       huge = {.size = 1024 * GIB, .flags = PF_MKFS_SPARSE};
	struct pf_info info;
	char path[128];
	pf_pool *pool;
	pf_file *file;

	snprintf(path, sizeof path, "%s/pool1g", dir);
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

static void clean_up(void)
{
	char path[128];

	snprintf(path, sizeof path, "%s/pool", dir);
	unlink(path);
	for (int p = 0; p < PEERS; p++)
		if (peer_fd[p] >= 0)
			close(peer_fd[p]);
	snprintf(path, sizeof path, "%s/huge", dir);
	umount2(path, MNT_DETACH);
	rmdir(path);
	snprintf(path, sizeof path, "%s/hugetlbfs", dir);
	umount2(path, MNT_DETACH);
	rmdir(path);
	if (rmdir(dir) < 0)
		fprintf(stderr, "bench: %s: %s\n", dir, strerror(errno));
}

int main(int argc, char **argv)
{
	struct bed bed;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 2 || !mkdtemp(dir))
		die("usage: bench JSON-FILE");
	setenv("PINFOLD_RUNTIME_DIR", dir, 1);
	rows = json_array();
	make_peers();
	make_bed(&bed);
	printf("%-17s %12s %-4s  %-11s %12s %11s  spread\n", "figure", "pinfold", "", "peer", "",
	       "better");
	bench_references(&bed);
	bench_truncation(&bed);
	bench_death(&bed);
	bench_attach();
	bench_memory();
	pf_close(bed.file);
	pf_pool_close(bed.pool);
	clean_up();
	if (json_dump_file(rows, argv[1], JSON_INDENT(1)) < 0)
		die(argv[1]);
	return 0;
}
