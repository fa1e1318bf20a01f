/* See fsx.h. */
#include "fsx.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mounted.h"
#include "pool.h"

#define MOST   (1ul << 20)
#define FDS    8u
#define MAPS   4u
#define MAPPED 16u /* pages of a map at most */
#define LOG    40u
#define PAGE   4096ul

/* A map that stays while other calls are made. */
struct kept {
	uint8_t *at; /* NULL: there is none */
	pf_map *map; /* through the library: a direct map */
	uint64_t offset, length;
	/* Private: the pages that were stored to, which are this map's own from then on, and what they have. */
	bool is_private, own[MAPPED];
	uint8_t bytes[MAPPED * PAGE];
};

static struct {
	const char *what, *path;
	pf_pool *pool; /* NULL: system calls */
	struct {
		int fd;
		pf_file *file;
	} open[FDS];
	struct kept maps[MAPS];
	struct test_random r;
	uint64_t seed;
	unsigned long calls;
	uint8_t model[MOST], bytes[MOST];
	uint64_t size;
	char log[LOG][100];
} x;

static uint64_t below(uint64_t n)
{
	return test_below(&x.r, n);
}

static void note(const char *call, unsigned fd, uint64_t at, uint64_t length)
{
	snprintf(x.log[x.calls % LOG], sizeof x.log[0], "%lu: %s by %u: %#lx, %#lx; size %#lx",
		 x.calls, call, fd, (unsigned long)at, (unsigned long)length,
		 (unsigned long)x.size);
}

static void wrong(const char *why, uint64_t at, uint64_t got, uint64_t wanted)
{
	for (unsigned i = 0; i < LOG; i++)
		if (x.log[(x.calls + 1 + i) % LOG][0])
			printf("  %s\n", x.log[(x.calls + 1 + i) % LOG]);
	fflush(stdout);
	test_fail(__FILE__, __LINE__, "%s, seed %lu, call %lu: %s at %#lx: %#lx, not %#lx", x.what,
		  (unsigned long)x.seed, x.calls, why, (unsigned long)at, (unsigned long)got,
		  (unsigned long)wanted);
}

static void same_number(const char *why, int64_t got, uint64_t wanted)
{
	if (got != (int64_t)wanted)
		wrong(why, 0, (uint64_t)got, wanted);
}

static void same_bytes(const char *why, const uint8_t *got, uint64_t at, uint64_t length)
{
	uint64_t i = 0;

	if (!memcmp(got, x.model + at, length))
		return;
	while (got[i] == x.model[at + i])
		i++;
	wrong(why, at + i, got[i], x.model[at + i]);
}

/* ---- places ---- */

static uint64_t some_offset(void)
{
	uint64_t at = below(3) ? below(below(2) ? 5 * PAGE : MOST)
			       : x.size - (x.size ? below(x.size < 9000 ? x.size : 9000) : 0);

	return (below(3) ? at : at / PAGE * PAGE) % MOST;
}

static uint64_t some_length(uint64_t at)
{
	uint64_t n = 1 + below(below(4) ? 3 * PAGE : 40 * PAGE);

	if (!below(3))
		n = n / PAGE * PAGE + PAGE;
	return n < MOST - at ? n : MOST - at;
}

/* New bytes, in x.bytes. */
static void fill(uint64_t length)
{
	uint64_t word = test_random(&x.r);

	for (uint64_t i = 0; i < length; i++)
		x.bytes[i] = (uint8_t)((word >> i % 56) + i * 7) | 1;
}

/* What a file loses, private maps lose with it, but for the page that it ends in. */
static void model_size(uint64_t to)
{
	if (to < x.size)
		memset(x.model + to, 0, x.size - to);
	x.size = to;
	for (struct kept *k = x.maps; k < x.maps + MAPS; k++)
		for (unsigned i = 0; i < MAPPED; i++)
			k->own[i] = k->own[i] && k->offset + i * PAGE < to;
}

static void model_write(uint64_t at, uint64_t length)
{
	memcpy(x.model + at, x.bytes, length);
	x.size = at + length > x.size ? at + length : x.size;
}

static void model_zero(uint64_t at, uint64_t length)
{
	if (at < x.size)
		memset(x.model + at, 0, at + length < x.size ? length : x.size - at);
}

/* ---- calls ---- */

/* Not every host has O_DIRECT. */
static void open_fd(unsigned i, bool cut, bool direct)
{
	int flags = O_RDWR | O_CREAT | O_CLOEXEC | (cut ? O_TRUNC : 0);

	if (x.pool) {
		OK(pf_open(x.pool, x.path, PF_O_RDWR | PF_O_CREATE | (cut ? PF_O_TRUNC : 0), 0644,
			   &x.open[i].file));
		return;
	}
	x.open[i].fd = direct ? open(x.path, flags | O_DIRECT, 0644) : -1;
	if (x.open[i].fd < 0)
		x.open[i].fd = open(x.path, flags, 0644);
	must(x.open[i].fd >= 0);
}

static void close_fd(unsigned i)
{
	if (x.pool)
		OK(pf_close(x.open[i].file));
	else
		must(close(x.open[i].fd) == 0);
}

static void do_reopen(unsigned i)
{
	bool cut = !below(8), direct = !below(4);

	note(cut ? "reopen, cut" : direct ? "reopen, direct" : "reopen", i, 0, 0);
	close_fd(i);
	open_fd(i, cut, direct);
	if (cut)
		model_size(0);
}

static void do_dup(unsigned i)
{
	unsigned j = (unsigned)below(FDS);

	note("dup", i, j, 0);
	if (i == j)
		return;
	close_fd(j);
	if (x.pool)
		OK(pf_reopen(x.open[i].file, PF_O_RDWR, &x.open[j].file));
	else
		must((x.open[j].fd = fcntl(x.open[i].fd, F_DUPFD_CLOEXEC, 0)) >= 0);
}

static void do_read(unsigned i)
{
	uint64_t at = some_offset(), n = some_length(at);
	uint64_t there = at >= x.size ? 0 : n < x.size - at ? n : x.size - at;

	note("read", i, at, n);
	same_number("bytes read",
		    x.pool ? pf_read(x.open[i].file, x.bytes, n, at)
			   : pread(x.open[i].fd, x.bytes, n, (off_t)at),
		    there);
	same_bytes("read", x.bytes, at, there);
}

static void do_write(unsigned i)
{
	uint64_t at = some_offset(), n = some_length(at);

	note("write", i, at, n);
	fill(n);
	same_number("bytes written",
		    x.pool ? pf_write(x.open[i].file, x.bytes, n, at)
			   : pwrite(x.open[i].fd, x.bytes, n, (off_t)at),
		    n);
	model_write(at, n);
}

static void do_append(unsigned i)
{
	uint64_t n = some_length(x.size < MOST ? x.size : MOST);
	int fd;

	if (!n)
		return;
	note("append", i, x.size, n);
	fill(n);
	if (x.pool) {
		same_number("bytes appended", pf_append(x.open[i].file, x.bytes, n), n);
	} else {
		fd = open(x.path, O_WRONLY | O_APPEND | O_CLOEXEC);
		must(fd >= 0);
		same_number("bytes appended", write(fd, x.bytes, n), n);
		close(fd);
	}
	model_write(x.size, n);
}

static void do_truncate(unsigned i)
{
	uint64_t to = below(8) ? some_offset() : 0;

	note("truncate", i, to, 0);
	same_number("truncate",
		    x.pool ? pf_truncate(x.open[i].file, to, PF_DETACH, 0)
			   : ftruncate(x.open[i].fd, (off_t)to),
		    0);
	model_size(to);
}

static void do_punch(unsigned i)
{
	uint64_t at = some_offset(), n = some_length(at);

	note("punch", i, at, n);
	same_number("punch",
		    x.pool ? pf_punch(x.open[i].file, at, n, PF_DETACH, 0)
			   : fallocate(x.open[i].fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				       (off_t)at, (off_t)n),
		    0);
	model_zero(at, n);
}

/* Nor has every host a zero range; then nothing was done. */
static void do_allocate(unsigned i)
{
	uint64_t at = some_offset(), n = some_length(at);
	bool keep = below(2), zero = below(2);
	int mode = (keep ? FALLOC_FL_KEEP_SIZE : 0) | (zero ? FALLOC_FL_ZERO_RANGE : 0);
	int rc;

	note(zero ? "zero range" : "allocate", i, at, n);
	rc = x.pool ? pf_allocate(x.open[i].file, at, n,
				  (keep ? PF_ALLOC_KEEP_SIZE : 0) | (zero ? PF_ALLOC_ZERO : 0))
		    : fallocate(x.open[i].fd, mode, (off_t)at, (off_t)n);
	if (!x.pool && rc < 0 && errno == EOPNOTSUPP && zero)
		return;
	same_number("allocate", rc, 0);
	if (zero)
		model_zero(at, n);
	if (!keep && at + n > x.size)
		x.size = at + n;
}

static void do_copy(unsigned i)
{
	uint64_t from = some_offset(), n = some_length(from), to = some_offset();
	off_t in = (off_t)from, out = (off_t)to;
	unsigned j = (unsigned)below(FDS);
	ssize_t done;

	n = n < MOST - to ? n : MOST - to;
	if (x.pool || (from < to + n && to < from + n))
		return;
	note("copy", i, from, to);
	done = copy_file_range(x.open[i].fd, &in, x.open[j].fd, &out, n, 0);
	n = from >= x.size ? 0 : n < x.size - from ? n : x.size - from;
	if (done < 0 || (uint64_t)done > n || (n && !done))
		wrong("copied", from, (uint64_t)done, n);
	memcpy(x.bytes, x.model + from, (size_t)done);
	if (done)
		model_write(to, (uint64_t)done);
}

/* ---- maps ---- */

static struct kept *some_map(void)
{
	return &x.maps[below(MAPS)];
}

/* What can be touched of a map: whole pages, up to that in which the file ends; of a direct map its bytes. */
static uint64_t touchable(const struct kept *k)
{
	uint64_t end = k->map ? x.size : (x.size + PAGE - 1) / PAGE * PAGE;

	return k->at && k->offset < end ? end - k->offset < k->length ? end - k->offset : k->length
					: 0;
}

static void compare_map(const struct kept *k, uint64_t from, uint64_t to)
{
	for (uint64_t next; from < to; from = next) {
		bool own = k->own[from / PAGE];

		next = from / PAGE * PAGE + PAGE;
		next = next < to ? next : to;
		if (!own)
			same_bytes(k->is_private ? "mapped privately" : "mapped", k->at + from,
				   k->offset + from, next - from);
		else if (memcmp(k->at + from, k->bytes + from, next - from) != 0)
			wrong("a private page", k->offset + from, 0, 0);
	}
}

static void drop_map(struct kept *k)
{
	if (k->map)
		OK(pf_unmap(k->map));
	else if (k->at)
		must(munmap(k->at, k->length) == 0);
	memset(k, 0, sizeof *k);
}

/* A direct map shows what the file has as long as no page of it has left. */
static bool is_shown(struct kept *k)
{
	if (k->map && pf_map_stale(k->map) == 1)
		drop_map(k);
	return k->at;
}

static void map_bytes(unsigned i, struct kept *k, uint64_t at, uint64_t n)
{
	if (at < x.size)
		n = n < x.size - at ? n : x.size - at;
	if (at >= x.size ||
	    pf_map_file(x.open[i].file, at, n, PF_MAP_READ | PF_MAP_WRITE, &k->map) < 0)
		return; /* or it is not one piece */
	*k = (struct kept){.at = pf_map_address(k->map), .map = k->map, .offset = at, .length = n};
}

/* Also past the end of the file. */
static void map_pages(unsigned i, struct kept *k, uint64_t at, uint64_t n)
{
	*k = (struct kept){.offset = at / PAGE * PAGE, .is_private = below(2)};
	k->length = (n + PAGE - 1) / PAGE * PAGE;
	k->at = mmap(NULL, k->length, PROT_READ | PROT_WRITE,
		     k->is_private ? MAP_PRIVATE : MAP_SHARED, x.open[i].fd, (off_t)k->offset);
	must(k->at != MAP_FAILED);
}

static void do_map(unsigned i)
{
	uint64_t at = some_offset(), n = 1 + below(MAPPED * PAGE);
	struct kept *k = some_map();

	drop_map(k);
	if (x.pool)
		map_bytes(i, k, at, n);
	else
		map_pages(i, k, at, n);
	note(k->is_private ? "map privately" : "map", i, at, n);
	compare_map(k, 0, touchable(k));
}

static void do_look(unsigned i)
{
	struct kept *k = some_map();

	if (!is_shown(k))
		return;
	note("look at a map", i, k->offset, k->length);
	compare_map(k, 0, touchable(k));
}

/* The file has these bytes, or this map alone. */
static void model_store(struct kept *k, uint64_t from, uint64_t n)
{
	if (!k->is_private) {
		model_write(k->offset + from, n);
		return;
	}
	for (uint64_t p = from / PAGE; p <= (from + n - 1) / PAGE; p++)
		if (!k->own[p]) {
			k->own[p] = true;
			memcpy(k->bytes + p * PAGE, x.model + k->offset + p * PAGE, PAGE);
		}
	memcpy(k->bytes + from, x.bytes, n);
}

static void do_store(unsigned i)
{
	struct kept *k = some_map();
	uint64_t from, n, end;

	if (!is_shown(k) || k->offset >= x.size)
		return;
	end = x.size - k->offset < k->length ? x.size - k->offset : k->length;
	from = below(end);
	n = 1 + below(end - from);
	note(k->is_private ? "store privately" : "store", i, k->offset + from, n);
	fill(n);
	memcpy(k->at + from, x.bytes, n);
	model_store(k, from, n);
	if (!x.pool && !below(4))
		must(msync(k->at, k->length, below(2) ? MS_SYNC : MS_ASYNC) == 0);
}

/* What is said to be a hole reads as zeros; the first that is none is data. */
static void do_seek(unsigned i)
{
	uint64_t at = some_offset();
	int64_t data;

	if (at >= x.size)
		return;
	note("seek", i, at, 0);
	if (x.pool)
		data = pf_seek(x.open[i].file, at, PF_SEEK_DATA);
	else
		data = lseek(x.open[i].fd, (off_t)at, SEEK_DATA);
	if (data < 0)
		data = (int64_t)x.size;
	if ((uint64_t)data < at || (uint64_t)data > x.size)
		wrong("seek", at, (uint64_t)data, at);
	for (uint64_t k = at; k < (uint64_t)data; k++)
		if (x.model[k])
			wrong("a hole", k, 0, x.model[k]);
}

static void do_sync(unsigned i)
{
	note("sync", i, 0, 0);
	same_number("sync", x.pool ? pf_sync(x.open[i].file) : fsync(x.open[i].fd), 0);
}

static void check_size(unsigned i)
{
	struct pf_stat stat;
	struct stat st;

	if (x.pool)
		OK(pf_stat(x.open[i].file, &stat));
	else
		must(fstat(x.open[i].fd, &st) == 0);
	same_number("the size", (int64_t)(x.pool ? stat.size : (uint64_t)st.st_size), x.size);
}

static void run(unsigned long calls)
{
	static void (*const all[])(
		unsigned) = {do_read,   do_read,     do_read,  do_write,    do_write, do_write,
			     do_append, do_truncate, do_punch, do_allocate, do_copy,  do_map,
			     do_look,   do_look,     do_store, do_store,    do_store, do_reopen,
			     do_dup,    do_seek,     do_sync};

	for (unsigned i = 0; i < FDS; i++)
		open_fd(i, false, false);
	for (x.calls = 0; x.calls < calls; x.calls++) {
		unsigned i = (unsigned)below(FDS);

		if (x.size > MOST - 100 * PAGE && !below(4))
			do_truncate(i);
		else
			all[below(sizeof all / sizeof *all)](i);
		check_size((unsigned)below(FDS));
	}
	for (unsigned i = 0; i < MAPS; i++)
		drop_map(&x.maps[i]);
	for (unsigned i = 0; i < FDS; i++)
		close_fd(i);
}

static void begin(const char *what, pf_pool *pool, const char *path, uint64_t seed)
{
	memset(&x, 0, sizeof x);
	x.what = what;
	x.pool = pool;
	x.path = path;
	x.seed = x.r.state = seed;
}

void fsx_host(const char *what, const char *path, uint64_t seed, unsigned long calls)
{
	begin(what, NULL, path, seed);
	run(calls);
	must(unlink(path) == 0);
}

void fsx_pool(const char *what, pf_pool *pool, const char *path, uint64_t seed, unsigned long calls)
{
	begin(what, pool, path, seed);
	run(calls);
	OK(pf_unlink(pool, path));
}

int fsx_all(double share)
{
	const char *cannot = mounted_cannot(), *at = NULL, *path;
	uint64_t seed;
	unsigned rounds = 0;
	pf_pool *pool;

	test_dir();
	seed = test_seed();
	path = strdup(pool_make("pool", 64));
	pool = pool_open(path);
	if (cannot)
		skip_part("%s", cannot);
	else
		at = mounted_at(path, "mount", "");
	do {
		fsx_host("tmpfs", test_path("f"), seed, 1000);
		fsx_pool("library", pool, "f", seed, 1000);
		if (at)
			fsx_host("mount", test_path("mount/g"), seed, 1000);
		seed++;
		rounds++;
	} while (test_time_left(share));
	pool_check(pool, "random calls");
	if (at)
		mounted_end();
	printf("%u rounds of 1000 calls each\n", rounds);
	OK(pf_pool_close(pool));
	must_be(pf_fsck(path, NULL, NULL), 0);
	return 0;
}
