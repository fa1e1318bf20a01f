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

#define MOST (1ul << 20)
#define FDS  8u
#define LOG  40u
#define PAGE 4096ul

static struct {
	const char *what, *path;
	pf_pool *pool; /* NULL: system calls */
	struct {
		int fd;
		pf_file *file;
	} open[FDS];
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

static void model_size(uint64_t to)
{
	if (to < x.size)
		memset(x.model + to, 0, x.size - to);
	x.size = to;
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

static void open_fd(unsigned i)
{
	if (x.pool) {
		OK(pf_open(x.pool, x.path, PF_O_RDWR | PF_O_CREATE, 0644, &x.open[i].file));
	} else {
		x.open[i].fd = open(x.path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
		must(x.open[i].fd >= 0);
	}
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
	note("reopen", i, 0, 0);
	close_fd(i);
	open_fd(i);
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

/* Looks at what is mapped, and stores into it if it is shared. */
static void do_map(unsigned i)
{
	uint64_t at = some_offset(), n = some_length(at), first = at / PAGE * PAGE;
	bool shared = below(3), store = below(2);
	pf_map *map = NULL;
	uint8_t *bytes;

	if (at >= x.size)
		return;
	n = n < x.size - at ? n : x.size - at;
	note(shared ? store ? "map and store" : "map" : "private map", i, at, n);
	if (x.pool) {
		if (pf_map_file(x.open[i].file, at, n, PF_MAP_READ | PF_MAP_WRITE, &map) < 0)
			return; /* it is not one piece */
		bytes = pf_map_address(map);
	} else {
		bytes = mmap(NULL, at - first + n, PROT_READ | PROT_WRITE,
			     shared ? MAP_SHARED : MAP_PRIVATE, x.open[i].fd, (off_t)first);
		must(bytes != MAP_FAILED);
		bytes += at - first;
	}
	same_bytes("mapped", bytes, at, n);
	if (store && (shared || !x.pool)) {
		fill(n);
		memcpy(bytes, x.bytes, n);
		if (shared)
			model_write(at, n);
		if (!x.pool && below(2))
			must(msync(bytes - (at - first), at - first + n, MS_SYNC) == 0);
	}
	if (x.pool)
		OK(pf_unmap(map));
	else
		must(munmap(bytes - (at - first), at - first + n) == 0);
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
	static void (*const all[])(unsigned) = {do_read,  do_read,  do_read,     do_write,
						do_write, do_write, do_append,   do_truncate,
						do_punch, do_punch, do_allocate, do_copy,
						do_map,   do_map,   do_map,      do_reopen,
						do_dup,   do_seek,  do_sync};

	for (unsigned i = 0; i < FDS; i++)
		open_fd(i);
	for (x.calls = 0; x.calls < calls; x.calls++) {
		unsigned i = (unsigned)below(FDS);

		if (x.size > MOST - 100 * PAGE && !below(4))
			do_truncate(i);
		else
			all[below(sizeof all / sizeof *all)](i);
		check_size((unsigned)below(FDS));
	}
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
