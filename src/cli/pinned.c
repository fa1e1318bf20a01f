/*
 * Disk to pinned pages. The file is taken in blocks of 2 MiB, an order-9 folio each where the pool has them; a few blocks are pinned at a time,
 * and while the device fills some, the pages of the next are zeroed and pinned. A block is unpinned when its read is complete; a process that is
 * killed meanwhile leaves pins, and the pool keeps their memory away from others until the host cannot write to it any more.
 *
 * Which way: what is in the page cache goes through the buffer, as that is faster than any disk; what is not is read past the cache (O_DIRECT), which
 * spares the copy and leaves the cache to others. From the cache into pinned pages is no faster than through the buffer, as new pages are zeroed before they are pinned:
 * so that is done only if it is asked for. A persistent pool wants its bytes written back, which pf_write() does and a device's stores do not.
 *
 * From which size on was measured by scripts/cp-ways.py (2026-11-28, 2 CPUs, virtual disk with ext4, Linux 6.18, others at work on it; medians of 7 rounds,
 * microseconds a file):
 *
 *	KiB                         64   128   256   512  1024  2048  4096  8192 16384
 *	cold, from disk            190   289   483   950  1874  3006  4671  9203 18113
 *	cold, through the buffer   220   343   513   937  2016  3516  7245 11657 18574
 *	warm, through the buffer    81   144   232   459  1051  1905  3091  5446 11648
 *	warm, from the cache        85   159   314   624  1561  1622  3375  5505 11649
 *
 * At 64 KiB it depends on the run which of the first two is faster; from 128 KiB on the disk is, or is behind by less than the runs scatter (512 KiB).
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cli/pinned.h"

#define PAGE     4096u
#define BLOCK    (2u << 20)
#define DEPTH    8u
#define WORTH_IT (128u << 10) /* bytes; see above */

const char *const way_names[WAYS] = {"copy", "cached", "disk", "auto"};

struct block {
	pf_pin *pin; /* NULL: not under way */
	uint64_t at, length;
	struct iovec iov[BLOCK / PAGE + 1];
};

struct reading {
	struct io_uring ring;
	int fd;
	pf_file *file;
	uint64_t next, end; /* what is to be read */
	uint64_t failed;    /* the first byte that was not read, UINT64_MAX: none yet */
	unsigned flying;
	struct block block[DEPTH];
};

/* ---- the choice ------------------------------------------------------------------------------------ */

/* Whether the byte is in the page cache; where the host cannot say, it is. */
static bool is_cached(int fd, uint64_t at)
{
	struct iovec one = {(char[1]){0}, 1};

	return preadv2(fd, &one, 1, (off_t)at, RWF_NOWAIT) >= 0 || errno != EAGAIN;
}

/* A descriptor that reads past the page cache into any page, or -1. */
static int open_direct(int fd, const char *path)
{
	struct statx x;
	struct stat before, now;
	int direct;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &x) < 0 ||
	    !(x.stx_mask & STATX_DIOALIGN) || !x.stx_dio_mem_align || x.stx_dio_mem_align > PAGE ||
	    x.stx_dio_offset_align > PAGE)
		return -1;
	direct = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC | O_NONBLOCK);
	if (direct >= 0 && (fstat(fd, &before) < 0 || fstat(direct, &now) < 0 ||
			    before.st_dev != now.st_dev || before.st_ino != now.st_ino)) {
		close(direct);
		return -1;
	}
	return direct;
}

/* By samples. A small file has one: asking has the host begin to read around what is not there. */
static bool mostly_cached(int fd, uint64_t at, uint64_t end)
{
	unsigned samples = end - at < 1 << 20 ? 1 : 4, cached = 0;

	for (unsigned i = 0; i < samples; i++)
		cached += is_cached(fd, at + (end - 1 - at) / samples * i);
	return 2 * cached >= samples;
}

/* The pool stays open to the end of the program, and all copies go to one. */
static bool is_volatile(pf_pool *pool)
{
	static pf_pool *asked;
	static bool answer;
	struct pf_info info;

	if (pool != asked) /* pf_info() takes as long as copying 100 KiB */
		answer = pf_info(pool, &info) == 0 && !strcmp(info.durability, "volatile");
	asked = pool;
	return answer;
}

static enum way choose_way(pf_pool *pool, enum way wanted, uint64_t at, uint64_t end)
{
	if (at % PAGE || end <= at || wanted == WAY_COPY ||
	    (wanted == WAY_AUTO && end - at < WORTH_IT) || !is_volatile(pool))
		return WAY_COPY;
	return wanted;
}

/* ---- reading --------------------------------------------------------------------------------------- */

static void fail_at(struct reading *r, uint64_t at)
{
	r->failed = at < r->failed ? at : r->failed;
}

/* Pins the next block and sends the read of it off. False: it could not be pinned. */
static bool begin_block(struct reading *r, struct block *b)
{
	uint64_t length = BLOCK - r->next % BLOCK;
	const struct pf_chunk *chunk;
	struct io_uring_sqe *sqe;
	size_t n;

	length = length < r->end - r->next ? length : r->end - r->next;
	if (pf_pin_file(r->file, r->next, length, PF_PIN_WRITE, &b->pin) < 0) {
		b->pin = NULL;
		return false;
	}
	/* After the pin: what has been taken from the ring is submitted, whatever is in it. */
	sqe = io_uring_get_sqe(&r->ring);
	if (!sqe) {
		pf_unpin(b->pin);
		b->pin = NULL;
		return false;
	}
	chunk = pf_pin_chunks(b->pin, &n);
	for (size_t i = 0; i < n; i++)
		b->iov[i] = (struct iovec){chunk[i].address, chunk[i].length};
	b->at = r->next;
	b->length = length;
	io_uring_prep_readv(sqe, r->fd, b->iov, (unsigned)n, b->at);
	io_uring_sqe_set_data(sqe, b);
	r->next += length;
	r->flying++;
	return true;
}

static void end_block(struct reading *r, const struct io_uring_cqe *cqe)
{
	struct block *b = io_uring_cqe_get_data(cqe);

	if (cqe->res < 0 || (uint64_t)cqe->res != b->length)
		fail_at(r, b->at);
	pf_unpin(b->pin);
	b->pin = NULL;
	r->flying--;
}

/* As many as there is room for; none after a failure. */
static void begin_blocks(struct reading *r)
{
	for (unsigned i = 0; i < DEPTH && r->next < r->end && r->failed == UINT64_MAX; i++) {
		if (r->block[i].pin)
			continue;
		if (begin_block(r, &r->block[i]))
			io_uring_submit(&r->ring);
		else
			fail_at(r, r->next);
	}
}

/* Everything before it has been read. */
static uint64_t complete_to(const struct reading *r)
{
	uint64_t at = r->next < r->failed ? r->next : r->failed;

	for (unsigned i = 0; i < DEPTH; i++)
		if (r->block[i].pin && r->block[i].at < at)
			at = r->block[i].at;
	return at;
}

/* No read is under way when this returns. */
static void read_blocks(struct reading *r, bool (*tell)(uint64_t at))
{
	struct io_uring_cqe *cqe;

	do {
		begin_blocks(r);
		if (r->flying && io_uring_submit_and_wait(&r->ring, 1) < 0)
			sched_yield(); /* interrupted, or the host is short of memory */
		while (io_uring_peek_cqe(&r->ring, &cqe) == 0) {
			end_block(r, cqe);
			io_uring_cqe_seen(&r->ring, cqe);
		}
		if (!tell(complete_to(r)))
			fail_at(r, r->next);
	} while (r->flying || (r->next < r->end && r->failed == UINT64_MAX));
}

/* Some hosts let rings be made, and not be used. */
static bool ring_works(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int n;

	io_uring_prep_nop(io_uring_get_sqe(ring));
	while ((n = io_uring_submit_and_wait(ring, 1)) == -EINTR)
		;
	if (n < 0 || io_uring_peek_cqe(ring, &cqe) < 0)
		return false;
	io_uring_cqe_seen(ring, cqe);
	return true;
}

static bool make_ring(struct io_uring *ring)
{
	if (io_uring_queue_init(DEPTH, ring, 0) < 0)
		return false;
	if (ring_works(ring))
		return true;
	io_uring_queue_exit(ring);
	return false;
}

/* One for all files: making a ring takes longer than copying a file of some 100 KiB. NULL: the host refuses it. */
static struct reading *get_reading(void)
{
	static struct reading *made;
	static bool refused;

	if (!made && !refused) {
		made = calloc(1, sizeof *made);
		if (made && !make_ring(&made->ring)) {
			free(made);
			made = NULL;
		}
		refused = !made;
	}
	return made;
}

/* What the way reads from: a descriptor to be closed, `fd` itself, or -1: the way cannot be taken. */
static int open_source(enum way way, int fd, const char *path, uint64_t at, uint64_t end)
{
	if (way == WAY_CACHED)
		return fd;
	return way == WAY_AUTO && mostly_cached(fd, at, end) ? -1 : open_direct(fd, path);
}

void read_pinned(int fd, const char *path, pf_pool *pool, pf_file *file, enum way wanted,
		 uint64_t *at, uint64_t end, bool (*tell)(uint64_t at), const char **told)
{
	enum way way = choose_way(pool, wanted, *at, end - end % PAGE);
	int source = way == WAY_COPY ? -1 : open_source(way, fd, path, *at, end);
	struct reading *r = source < 0 ? NULL : get_reading();
	uint64_t begin = *at;

	if (r) {
		r->fd = source;
		r->file = file;
		r->next = begin;
		r->end = end - end % PAGE;
		r->failed = UINT64_MAX;
		read_blocks(r, tell);
		*at = complete_to(r);
	}
	if (*at > begin)
		*told = source == fd ? "read from the page cache into pinned pages"
				     : "read from disk into pinned pages";
	if (source >= 0 && source != fd)
		close(source);
}
