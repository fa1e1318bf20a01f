/*
 * Kernel work that outlives a killed process, see outlive.h. The disk's bytes are 0xd5 throughout, those of the file that gets the pages
 * afterwards are zeros with a stamp every 512 bytes: one sector that arrives late shows.
 */
#include "outlive.h"

#include <fcntl.h>
#include <liburing.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "pool.h"

#define MIB       (1ul << 20)
#define HELD      (64 * MIB)
#define READ      (1 * MIB) /* of one request */
#define READS     96u       /* more than the held bytes: some buffers are read into twice */
#define DISK_BYTE 0xd5
#define PIPE_PAGE 4096u

enum { GO_ON = 0, NO_RING = 10, NO_DIRECT };

struct outlive {
	const char *pool, *scratch;
	bool unlinked; /* before the kill; otherwise it is a file still when its process is reaped */
	unsigned complete; /* requests, when the child killed itself */
	unsigned fixed;    /* buffers that were registered; the others are pinned for each read */
	int pipe;          /* end that the child writes */
};

/* ---- the file that gets the pages -------------------------------------------------------------------- */

struct filled {
	pf_file *file;
	pf_pin *pin;
	const struct pf_chunk *chunk;
	size_t chunks;
};

static void fill_all(pf_pool *pool, struct filled *f)
{
	uint64_t bytes = pool_info(pool).pages_free * PF_PAGE_SIZE, at = 0;

	must(bytes >= HELD);
	OK(pf_open(pool, "next", PF_O_RDWR | PF_O_CREATE, 0644, &f->file));
	OK(pf_allocate(f->file, 0, bytes, 0));
	OK(pf_pin_file(f->file, 0, bytes, PF_PIN_WRITE, &f->pin));
	f->chunk = pf_pin_chunks(f->pin, &f->chunks);
	for (size_t c = 0; c < f->chunks; c++)
		for (size_t i = 0; i < f->chunk[c].length; i += 512, at += 512)
			*(volatile uint64_t *)((char *)f->chunk[c].address + i) = ~at;
	must_be(at, bytes);
}

static void verify(const struct filled *f, const char *when)
{
	uint64_t at = 0;

	for (size_t c = 0; c < f->chunks; c++)
		for (size_t i = 0; i < f->chunk[c].length; i += 8, at += 8) {
			uint64_t is = *(volatile uint64_t *)((char *)f->chunk[c].address + i);

			if (is != (at % 512 ? 0 : ~at))
				test_fail(__FILE__, __LINE__,
					  "%s: byte %lu of the next file is not its own: %lx", when,
					  (unsigned long)at, (unsigned long)is);
		}
}

static void give_up(pf_pool *pool, struct filled *f, const char *what)
{
	OK(pf_unpin(f->pin));
	OK(pf_close(f->file));
	pool_empty(pool, what);
}

/* ---- disk reads ------------------------------------------------------------------------------------- */

/* On the disk file system, where the builds are; without a name, so that nothing is left of it however the test ends. */
static const char *make_scratch(void)
{
	static char path[512];
	const char *dir = getenv("PF_BUILD_DIR");
	char *bytes = malloc(READ);
	int fd;

	snprintf(path, sizeof path, "%s/outlive.XXXXXX", dir ? dir : ".");
	fd = mkostemp(path, O_CLOEXEC);
	must(fd >= 0 && bytes);
	memset(bytes, DISK_BYTE, READ);
	for (unsigned i = 0; i < READS; i++)
		must(write(fd, bytes, READ) == (ssize_t)READ);
	must(fsync(fd) == 0 && unlink(path) == 0);
	free(bytes);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return path;
}

/* Every byte of the scratch file, past the page cache: what the disk was asked for before is over then, or nearly. */
static void read_scratch(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	void *bytes;

	must(fd >= 0 && posix_memalign(&bytes, PF_PAGE_SIZE, READ) == 0);
	for (unsigned i = 0; i < READS; i++)
		must(pread(fd, bytes, READ, (off_t)(i * READ)) == (ssize_t)READ);
	close(fd);
	free(bytes);
}

/* Reads that the scratch file's disk has in flight, whoever wants them; 0 if the system does not say. */
static unsigned disk_reads(const char *scratch)
{
	char path[64];
	struct stat st;
	unsigned n = 0;
	FILE *f;

	must(stat(scratch, &st) == 0);
	snprintf(path, sizeof path, "/sys/dev/block/%u:%u/inflight", major(st.st_dev),
		 minor(st.st_dev));
	f = fopen(path, "re");
	if (f && fscanf(f, "%u", &n) != 1)
		n = 0;
	if (f)
		fclose(f);
	return n;
}

static pf_pin *pin_new_file(struct outlive *o, pf_pool *pool)
{
	pf_file *file;
	pf_pin *pin;

	OK(pf_open(pool, "target", PF_O_RDWR | PF_O_CREATE, 0644, &file));
	OK(pf_allocate(file, 0, HELD, 0));
	OK(pf_pin_file(file, 0, HELD, PF_PIN_WRITE | PF_PIN_LONGTERM, &pin));
	if (o->unlinked)
		OK(pf_unlink(pool, "target"));
	return pin;
}

static unsigned make_iov(pf_pin *pin, struct iovec *iov)
{
	size_t chunks;
	const struct pf_chunk *chunk = pf_pin_chunks(pin, &chunks);
	unsigned n = 0;

	for (size_t c = 0; c < chunks; c++)
		for (size_t at = 0; at + READ <= chunk[c].length; at += READ)
			iov[n++] = (struct iovec){(char *)chunk[c].address + at, READ};
	must_be(n, HELD / READ);
	return n;
}

/* As many as may be locked. */
static unsigned register_buffers(struct io_uring *ring, const struct iovec *iov, unsigned n)
{
	while (n && io_uring_register_buffers(ring, iov, n) < 0)
		n /= 2;
	return n;
}

static void prepare_read(struct outlive *o, struct io_uring *ring, int fd, const struct iovec *iov,
			 unsigned i)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	unsigned buffer = i % (HELD / READ);

	if (buffer < o->fixed)
		io_uring_prep_read_fixed(sqe, fd, iov[buffer].iov_base, READ, i * READ,
					 (int)buffer);
	else
		io_uring_prep_read(sqe, fd, iov[buffer].iov_base, READ, i * READ);
}

static int read_and_die(void *arg)
{
	struct outlive *o = arg;
	pf_pool *pool = pool_open(o->pool);
	struct iovec iov[HELD / READ];
	unsigned n = make_iov(pin_new_file(o, pool), iov);
	struct io_uring ring;
	int fd = open(o->scratch, O_RDONLY | O_DIRECT | O_CLOEXEC);

	if (fd < 0)
		return NO_DIRECT;
	if (io_uring_queue_init(128, &ring, 0) < 0)
		return NO_RING;
	o->fixed = register_buffers(&ring, iov, n);
	for (unsigned i = 0; i < READS; i++)
		prepare_read(o, &ring, fd, iov, i);
	must_be(io_uring_submit(&ring), READS);
	o->complete = io_uring_cq_ready(&ring);
	kill(getpid(), SIGKILL);
	return 1;
}

static bool refused(int status)
{
	if (status == NO_DIRECT)
		skip_part("the disk file system has no O_DIRECT");
	if (status == NO_RING)
		skip_part("io_uring is refused");
	return status >= NO_RING && status <= NO_DIRECT;
}

/* False: refused. */
static bool read_round(struct outlive *o, pf_pool *pool, unsigned *in_flight, unsigned *after_reap)
{
	struct filled f;
	int status = test_wait(test_fork(read_and_die, o), TEST_PATIENCE);

	if (refused(status))
		return false;
	must_be(status, 256 + SIGKILL);
	OK(pf_reap(pool));
	if (!o->unlinked)
		OK(pf_unlink(pool, "target"));
	OK(pf_reap(pool)); /* what left its file after the first is out of quarantine now */
	*after_reap = disk_reads(o->scratch);
	fill_all(pool, &f);
	*in_flight = READS - o->complete;
	verify(&f, "at once");
	read_scratch(o->scratch);
	for (unsigned looks = 0; disk_reads(o->scratch) && looks < 20; looks++)
		read_scratch(o->scratch);
	verify(&f, "when the reads were over");
	give_up(pool, &f, "reads of the dead");
	return true;
}

struct tally {
	unsigned rounds, few, late, least;
};

/* A round in which the disk was quicker than the kill does not count: fewer than the held bytes were in flight. */
static bool tally_round(struct outlive *o, pf_pool *pool, struct tally *t)
{
	unsigned in_flight, after_reap;

	o->unlinked = t->rounds % 2 == 0;
	if (!read_round(o, pool, &in_flight, &after_reap))
		return false;
	if (in_flight * READ < HELD) {
		t->few++;
		return true;
	}
	t->rounds++;
	t->late += after_reap > 0;
	t->least = in_flight < t->least ? in_flight : t->least;
	return true;
}

static void print_tally(const struct outlive *o, const struct tally *t)
{
	printf("%u rounds with at least %u MiB of reads in flight at the kill (%u with less), into %u MiB of registered buffers; the disk still read after the reap in %u\n",
	       t->rounds, t->rounds ? t->least : 0, t->few, o->fixed, t->late);
	if (t->few && !t->rounds)
		skip_part("the disk is too quick");
	if (t->rounds && o->fixed < HELD / READ)
		skip_part("only %u MiB of buffers may be registered (ulimit -l)", o->fixed);
}

void outlive_reads(unsigned rounds, double share)
{
	struct outlive *o =
		mmap(NULL, sizeof *o, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct tally t = {.least = READS};
	pf_pool *pool;

	must(o != MAP_FAILED);
	o->pool = pool_make("outlive", 96);
	o->scratch = make_scratch();
	pool = pool_open(o->pool);
	while (tally_round(o, pool, &t) && t.rounds < rounds && t.few < 2 * rounds &&
	       test_time_left(share))
		;
	print_tally(o, &t);
	OK(pf_pool_close(pool));
	must(unlink(o->pool) == 0);
	munmap(o, sizeof *o);
}

/* ---- a pipe ----------------------------------------------------------------------------------------- */

static int splice_and_die(void *arg)
{
	struct outlive *o = arg;
	pf_pool *pool = pool_open(o->pool);
	size_t chunks, left = 8 * PIPE_PAGE;
	const struct pf_chunk *chunk = pf_pin_chunks(pin_new_file(o, pool), &chunks);
	struct iovec iov = {chunk[0].address, left};

	must(chunk[0].length >= left);
	pattern_fill(iov.iov_base, left, 7, 0);
	while (left) {
		ssize_t n = vmsplice(o->pipe, &iov, 1, 0);

		must(n > 0);
		left -= (size_t)n;
		iov = (struct iovec){(char *)iov.iov_base + n, left};
	}
	kill(getpid(), SIGKILL);
	return 1;
}

static void pipe_round(struct outlive *o, pf_pool *pool)
{
	char bytes[8 * PIPE_PAGE];
	struct filled f;
	int ends[2];
	size_t got = 0;

	must(pipe2(ends, O_CLOEXEC) == 0);
	o->pipe = ends[1];
	must_be(test_wait(test_fork(splice_and_die, o), TEST_PATIENCE), 256 + SIGKILL);
	close(ends[1]);
	OK(pf_reap(pool));
	if (!o->unlinked)
		OK(pf_unlink(pool, "target"));
	OK(pf_reap(pool));
	fill_all(pool, &f);
	while (got < sizeof bytes) {
		ssize_t n = read(ends[0], bytes + got, sizeof bytes - got);

		must(n > 0);
		got += (size_t)n;
	}
	close(ends[0]);
	must_be(pattern_differs(bytes, sizeof bytes, 7, 0), sizeof bytes);
	verify(&f, "after the pipe was read");
	give_up(pool, &f, "a pipe of the dead");
}

void outlive_pipe(unsigned rounds, double share)
{
	struct outlive o = {.pool = pool_make("pipe", 96)};
	pf_pool *pool = pool_open(o.pool);
	unsigned done = 0;

	do {
		o.unlinked = done % 2 == 0;
		pipe_round(&o, pool);
	} while (++done < rounds && test_time_left(share));
	printf("%u rounds of pages in a pipe\n", done);
	OK(pf_pool_close(pool));
	must(unlink(o.pool) == 0);
}
