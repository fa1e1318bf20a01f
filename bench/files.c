/*
 * Files: opening one of 10,000 and looking at its attributes, beside tmpfs; reading, beside tmpfs where the bytes are in the CPU's caches and
 * beside memcpy of the same pages where they are not; writing in place beside memcpy, appending beside tmpfs.
 *
 * The best memcpy is the best of three: the C library's, rep movsb, stores that go past the caches. For a persistent pool each of them also brings
 * its bytes to the media.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "bench.h"
#include "file/pool.h"

#define PRESENT 10000
#define OPENS   10000
#define PASSES  5 /* in a round */
#define READS   100000
#define RANDOM  50000
#define LARGE   256
#define APPENDS 2048

static struct bed bed;
static const char *suffix_now;
static int tmpfs_fd, small_fd, append_fd;
static pf_file *small, *append_file;
static uint8_t *mapped; /* bed.file */
static uint8_t buffer[MIB] __attribute__((aligned(4096)));
static uint64_t random_state = 88172645463325252;

static void name_of(char *name, size_t size)
{
	snprintf(name, size, "d/present%u", (unsigned)(next_random(&random_state) % PRESENT));
}

/* ---- opening, attributes --------------------------------------------------------------------------- */

static void run_names(double *ns, int (*each)(const char *name))
{
	static char names[OPENS][24];
	uint64_t begin;

	for (unsigned i = 0; i < OPENS; i++)
		name_of(names[i], sizeof names[i]);
	begin = clock_mono();
	for (unsigned i = 0; i < PASSES * OPENS; i++)
		if (each(names[i % OPENS]) < 0)
			die(names[i % OPENS]);
	*ns = ns_since(begin) / (PASSES * OPENS);
}

static int our_open(const char *name)
{
	pf_file *file;

	return pf_open(bed.pool, name, PF_O_RDWR, 0, &file) < 0 ? -1 : pf_close(file);
}

static int tmpfs_open(const char *name)
{
	int fd = openat(tmpfs_fd, name, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -1 : close(fd);
}

static int our_stat(const char *name)
{
	struct pf_stat st;

	return pf_stat_path(bed.pool, name, 0, &st);
}

static int tmpfs_stat(const char *name)
{
	struct stat st;

	return fstatat(tmpfs_fd, name, &st, 0);
}

static void run_our_open(void *arg, double *ns)
{
	(void)arg;
	run_names(ns, our_open);
}

static void run_tmpfs_open(void *arg, double *ns)
{
	(void)arg;
	run_names(ns, tmpfs_open);
}

static void run_our_stat(void *arg, double *ns)
{
	(void)arg;
	run_names(ns, our_stat);
}

static void run_tmpfs_stat(void *arg, double *ns)
{
	(void)arg;
	run_names(ns, tmpfs_stat);
}

/* ---- reading --------------------------------------------------------------------------------------- */

static void run_read_4k(void *arg, double *ns)
{
	uint64_t begin = clock_mono();

	(void)arg;
	for (unsigned i = 0; i < READS; i++)
		if (pf_read(small, buffer, 4096, 0) != 4096)
			die("read");
	*ns = ns_since(begin) / READS;
}

static void run_tmpfs_read_4k(void *arg, double *ns)
{
	uint64_t begin = clock_mono();

	(void)arg;
	for (unsigned i = 0; i < READS; i++)
		if (pread(small_fd, buffer, 4096, 0) != 4096)
			die("pread");
	*ns = ns_since(begin) / READS;
}

static uint64_t random_offset(size_t unit)
{
	return next_random(&random_state) % (GIB / unit) * unit;
}

static void run_read_random(void *arg, double *ns)
{
	uint64_t begin = clock_mono();

	(void)arg;
	for (unsigned i = 0; i < RANDOM; i++)
		if (pf_read(bed.file, buffer, 4096, random_offset(4096)) != 4096)
			die("read");
	*ns = ns_since(begin) / RANDOM;
}

static void run_copy_random(void *arg, double *ns)
{
	uint64_t begin = clock_mono();

	(void)arg;
	for (unsigned i = 0; i < RANDOM; i++) {
		memcpy(buffer, mapped + random_offset(4096), 4096);
		__asm__ volatile("" ::: "memory");
	}
	*ns = ns_since(begin) / RANDOM;
}

static void run_read_large(void *arg, double *ns)
{
	uint64_t begin = clock_mono();

	(void)arg;
	for (unsigned i = 0; i < LARGE; i++)
		if (pf_read(bed.file, buffer, MIB, random_offset(MIB)) != (ssize_t)MIB)
			die("read");
	*ns = ns_since(begin) / LARGE;
}

/* ---- memcpy ---------------------------------------------------------------------------------------- */

struct copier {
	void (*copy)(void *to, const void *from, size_t length);
	bool past_caches; /* nothing is to be written back */
	bool write;
};

static void copy_plain(void *to, const void *from, size_t length)
{
	memcpy(to, from, length);
}

#ifdef __x86_64__
static void copy_rep(void *to, const void *from, size_t length)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(length)::"memory");
}

/* Whole cache lines. */
static void copy_past(void *to, const void *from, size_t length)
{
	const __m128i *f = from;
	__m128i *t = to;

	for (size_t i = 0; i < length / sizeof *t; i += 4) {
		__m128i a = _mm_load_si128(f + i), b = _mm_load_si128(f + i + 1),
			c = _mm_load_si128(f + i + 2), d = _mm_load_si128(f + i + 3);

		_mm_stream_si128(t + i, a);
		_mm_stream_si128(t + i + 1, b);
		_mm_stream_si128(t + i + 2, c);
		_mm_stream_si128(t + i + 3, d);
	}
	_mm_sfence();
}
#endif

static struct copier copiers[] = {
	{copy_plain, false, false},
#ifdef __x86_64__
	{copy_rep, false, false},
	{copy_past, true, false},
#endif
};
#define COPIERS (sizeof copiers / sizeof *copiers)

static void run_copy_large(void *arg, double *ns)
{
	const struct copier *c = arg;
	uint64_t begin = clock_mono();

	for (unsigned i = 0; i < LARGE; i++) {
		uint8_t *at = mapped + random_offset(MIB);

		c->copy(c->write ? at : buffer, c->write ? buffer : at, MIB);
		if (c->write && !c->past_caches) {
			dev_persist(bed.pool->dev, at, MIB);
			dev_drain(bed.pool->dev);
		}
	}
	*ns = ns_since(begin) / LARGE;
}

/* ---- writing --------------------------------------------------------------------------------------- */

static void run_write_large(void *arg, double *ns)
{
	uint64_t begin = clock_mono();

	(void)arg;
	for (unsigned i = 0; i < LARGE; i++)
		if (pf_write(bed.file, buffer, MIB, random_offset(MIB)) != (ssize_t)MIB)
			die("write");
	*ns = ns_since(begin) / LARGE;
}

static void run_append(void *arg, double *ns)
{
	uint64_t begin;

	(void)arg;
	if (pf_truncate(append_file, 0, PF_DETACH, 0) < 0)
		die("truncate");
	begin = clock_mono();
	for (unsigned i = 0; i < APPENDS; i++)
		if (pf_append(append_file, buffer, 4096) != 4096)
			die("append");
	*ns = ns_since(begin) / APPENDS;
}

static void run_tmpfs_append(void *arg, double *ns)
{
	uint64_t begin;

	(void)arg;
	if (ftruncate(append_fd, 0) < 0)
		die("ftruncate");
	begin = clock_mono();
	for (unsigned i = 0; i < APPENDS; i++)
		if (write(append_fd, buffer, 4096) != 4096)
			die("write");
	*ns = ns_since(begin) / APPENDS;
}

/* ---- rows ------------------------------------------------------------------------------------------ */

static void against(const char *name, const char *unit, double scale,
		    void (*ours)(void *, double *), const char *peer,
		    void (*theirs)(void *, double *))
{
	struct runner r[2] = {{.run = ours}, {.run = theirs}};
	char text[48];

	take_turns(r, 2, 1, ROUNDS);
	snprintf(text, sizeof text, "%s%s", name, suffix_now);
	row(text, unit, scale, r[0].part[0], peer, r[1].part[0].median);
}

static void against_copiers(const char *name, void (*ours)(void *, double *), bool write)
{
	struct runner r[1 + COPIERS] = {{.run = ours}};
	char text[48];
	double best;

	for (unsigned i = 0; i < COPIERS; i++) {
		copiers[i].write = write;
		r[1 + i].run = run_copy_large;
		r[1 + i].arg = &copiers[i];
	}
	take_turns(r, 1 + COPIERS, 1, ROUNDS);
	best = r[1].part[0].median;
	for (unsigned i = 1; i < COPIERS; i++)
		best = MIN(best, r[1 + i].part[0].median);
	snprintf(text, sizeof text, "%s%s", name, suffix_now);
	row(text, "us", 1e3, r[0].part[0], "best memcpy", best);
}

static void fill_tmpfs(void)
{
	char path[128], name[32];

	snprintf(path, sizeof path, "%s/files-tmpfs", dir);
	if (mkdir(path, 0755) < 0 || (tmpfs_fd = open(path, O_RDONLY | O_DIRECTORY)) < 0 ||
	    mkdirat(tmpfs_fd, "d", 0755) < 0)
		die(path);
	for (unsigned i = 0; i < PRESENT; i++) {
		snprintf(name, sizeof name, "d/present%u", i);
		close(openat(tmpfs_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0644));
	}
	small_fd = openat(tmpfs_fd, "small", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	append_fd = openat(tmpfs_fd, "append", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (write(small_fd, buffer, 4096) != 4096 || append_fd < 0)
		die("tmpfs");
}

static void remove_tmpfs(void)
{
	char path[128], name[32];

	close(small_fd);
	close(append_fd);
	unlinkat(tmpfs_fd, "small", 0);
	unlinkat(tmpfs_fd, "append", 0);
	for (unsigned i = 0; i < PRESENT; i++) {
		snprintf(name, sizeof name, "d/present%u", i);
		unlinkat(tmpfs_fd, name, 0);
	}
	unlinkat(tmpfs_fd, "d", AT_REMOVEDIR);
	close(tmpfs_fd);
	snprintf(path, sizeof path, "%s/files-tmpfs", dir);
	rmdir(path);
}

/* Touches every page of the large file in this process, as the peers' memory. */
static void fill_ours(bool persistent)
{
	char name[32];
	pf_map *map;

	make_pool("files", GIB + 192 * MIB, 16384, false, bed.path);
	bed.pool = open_pool(bed.path, persistent, 0);
	bed.file = make_file(bed.pool, "file", GIB);
	if (pf_map_file(bed.file, 0, GIB, PF_MAP_READ | PF_MAP_WRITE, &map) < 0)
		die("file");
	mapped = pf_map_address(map);
	memset(mapped, 1, GIB);
	pf_unmap(map);
	if (pf_mkdir(bed.pool, "d", 0755) < 0)
		die("d");
	for (unsigned i = 0; i < PRESENT; i++) {
		snprintf(name, sizeof name, "d/present%u", i);
		pf_close(open_file(bed.pool, name, PF_O_RDWR | PF_O_CREATE));
	}
	small = open_file(bed.pool, "small", PF_O_RDWR | PF_O_CREATE);
	append_file = open_file(bed.pool, "append", PF_O_RDWR | PF_O_CREATE);
	if (pf_write(small, buffer, 4096, 0) != 4096)
		die("small");
}

void bench_files(bool persistent, const char *suffix)
{
	suffix_now = suffix;
	memset(buffer, 1, sizeof buffer);
	fill_tmpfs();
	fill_ours(persistent);
	against("open", "ns", 1, run_our_open, "tmpfs", run_tmpfs_open);
	against("stat", "ns", 1, run_our_stat, "tmpfs", run_tmpfs_stat);
	against("read_4k", "ns", 1, run_read_4k, "tmpfs", run_tmpfs_read_4k);
	against("read_4k_random", "ns", 1, run_read_random, "memcpy", run_copy_random);
	against_copiers("read_1m", run_read_large, false);
	against_copiers("write_1m", run_write_large, true);
	against("append_4k", "ns", 1, run_append, "tmpfs", run_tmpfs_append);
	pf_close(small);
	pf_close(append_file);
	pf_close(bed.file);
	pf_pool_close(bed.pool);
	unlink(bed.path);
	remove_tmpfs();
}
