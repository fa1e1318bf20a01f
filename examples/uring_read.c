/*
 * Read from disk straight into files of a pool: the pool's memory is registered with io_uring once, then a pin of any range of any file is a piece of that
 * registration. No page cache on the pool's side, no copy, no registration per file.
 *
 *   uring_read POOL FILE...    each FILE becomes a file of the same name in the pool, then is compared
 */
#include <fcntl.h>
#include <liburing.h>
#include <pinfold.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH 32u
#define BLOCK (256u << 10)
#define PIECE (1ull << 30) /* a registered buffer has at most so many bytes */

static void die(const char *what, int error)
{
	fprintf(stderr, "uring_read: %s: %s\n", what, error ? strerror(error) : pf_message());
	exit(1);
}

/* The pool's regions, in pieces that io_uring takes. Returns 0 if the locked-memory limit does not allow it: then reads name addresses. */
static unsigned register_pool(struct io_uring *ring, pf_pool *pool)
{
	struct pf_region region;
	struct iovec iov[64];
	unsigned n = 0;

	if (pf_regions(pool, &region, 1) != 1)
		die("regions", 0);
	for (size_t at = 0; at < region.length && n < 64; at += PIECE)
		iov[n++] = (struct iovec){(char *)region.address + at,
					  region.length - at < PIECE ? region.length - at : PIECE};
	return io_uring_register_buffers(ring, iov, n) == 0 ? n : 0;
}

struct reading {
	struct io_uring *ring;
	unsigned registered;
	int fd;
	const struct pf_chunk *chunk;
	size_t chunks, inside; /* bytes of the chunk that are under way */
	uint64_t at, size;     /* in the file */
};

/* One more read, if there is one. */
static int submit_one(struct reading *r)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(r->ring);
	uint64_t offset = r->chunk->offset + r->inside, piece = offset / PIECE;
	uint64_t n = r->chunk->length - r->inside;
	char *to = (char *)r->chunk->address + r->inside;

	if (n > BLOCK)
		n = BLOCK;
	if (n > (piece + 1) * PIECE - offset)
		n = (piece + 1) * PIECE - offset;
	if (!sqe)
		return 0;
	if (piece < r->registered)
		io_uring_prep_read_fixed(sqe, r->fd, to, (unsigned)n, r->at, (int)piece);
	else
		io_uring_prep_read(sqe, r->fd, to, (unsigned)n, r->at);
	io_uring_sqe_set_data64(sqe, n);
	r->at += n;
	r->inside += n;
	if (r->inside == r->chunk->length) {
		r->chunk++;
		r->chunks--;
		r->inside = 0;
	}
	return 1;
}

/* All of it, DEPTH reads at a time. The pin is kept by the caller until this has returned: no read is under way then. */
static void read_all(struct reading *r)
{
	unsigned flying = 0;
	struct io_uring_cqe *cqe;

	while (r->chunks || flying) {
		while (r->chunks && flying < DEPTH && submit_one(r))
			flying++;
		if (io_uring_submit_and_wait(r->ring, 1) < 0)
			die("io_uring", EIO);
		while (io_uring_peek_cqe(r->ring, &cqe) == 0) {
			if (cqe->res < 0 || (uint64_t)cqe->res != cqe->user_data)
				die("read", cqe->res < 0 ? -cqe->res : EIO);
			io_uring_cqe_seen(r->ring, cqe);
			flying--;
		}
	}
}

static void copy_in(struct io_uring *ring, unsigned registered, pf_pool *pool, const char *path)
{
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	struct reading r = {.ring = ring, .registered = registered};
	struct stat st;
	pf_file *file;
	pf_pin *pin;

	r.fd = open(path, O_RDONLY | O_CLOEXEC);
	if (r.fd < 0 || fstat(r.fd, &st) < 0)
		die(path, errno);
	r.size = (uint64_t)st.st_size;
	if (pf_open(pool, name, PF_O_RDWR | PF_O_CREATE | PF_O_TRUNC, 0644, &file) < 0)
		die(name, 0);
	if (r.size) {
		/* The pin allocates the pages: unwritten memory is zeroed first, as I/O may fill less than a page. */
		if (pf_truncate(file, r.size, PF_DETACH, 0) < 0 ||
		    pf_pin_file(file, 0, r.size, PF_PIN_WRITE, &pin) < 0)
			die(name, 0);
		r.chunk = pf_pin_chunks(pin, &r.chunks);
		read_all(&r);
		pf_unpin(pin);
	}
	close(r.fd);
	pf_close(file);
}

static void compare(pf_pool *pool, const char *path)
{
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	char ours[4096], theirs[4096];
	uint64_t at = 0;
	pf_file *file;
	FILE *f = fopen(path, "rb");
	size_t n;

	if (!f || pf_open(pool, name, PF_O_RDONLY, 0, &file) < 0)
		die(name, 0);
	while ((n = fread(theirs, 1, sizeof theirs, f)) > 0) {
		if (pf_read(file, ours, n, at) != (ssize_t)n || memcmp(ours, theirs, n)) {
			fprintf(stderr, "uring_read: %s differs at byte %lu\n", name,
				(unsigned long)at);
			exit(1);
		}
		at += n;
	}
	printf("%s: %lu bytes, the same\n", name, (unsigned long)at);
	fclose(f);
	pf_close(file);
}

int main(int argc, char **argv)
{
	struct io_uring ring;
	unsigned registered;
	pf_pool *pool;
	int rc;

	if (argc < 3 || pf_pool_open(argv[1], 0, &pool) < 0) {
		fprintf(stderr, "%s\n", argc < 3 ? "usage: uring_read POOL FILE..." : pf_message());
		return 1;
	}
	rc = io_uring_queue_init(DEPTH, &ring, 0);
	if (rc < 0) {
		fprintf(stderr, "skip: io_uring: %s\n", strerror(-rc));
		return 77;
	}
	registered = register_pool(&ring, pool);
	puts(registered ? "the pool is registered once"
			: "the locked-memory limit is too small to register the pool (ulimit -l)");
	for (int i = 2; i < argc; i++)
		copy_in(&ring, registered, pool, argv[i]);
	io_uring_queue_exit(&ring);
	for (int i = 2; i < argc; i++)
		compare(pool, argv[i]);
	return pf_pool_close(pool) < 0;
}
