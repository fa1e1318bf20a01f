/*
 * Bytes. A read pins the range and lets the kernel copy from the pool's memory: one copy. What cannot be pinned, because
 * it has a hole, goes through a buffer of the thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fuse/mount.h"

enum {
	PIECES = 64,          /* of memory in one answer: more than that is copied */
	COPY_MAX = 16u << 20, /* bytes that one copy_file_range() moves before it answers */
	PIN_MIN = 16u << 10,  /* bytes below which a pin costs more than copying once more */
};

/* ---- a buffer of each thread ----------------------------------------------------------------------- */

static _Thread_local struct {
	char *bytes;
	size_t size;
} buffer;
static pthread_key_t buffer_key;
static pthread_once_t buffer_once = PTHREAD_ONCE_INIT;

static void make_key(void)
{
	pthread_key_create(&buffer_key, free);
}

static char *buffer_of(size_t size)
{
	if (size <= buffer.size)
		return buffer.bytes;
	pthread_once(&buffer_once, make_key);
	free(buffer.bytes);
	buffer.bytes = malloc(size);
	buffer.size = buffer.bytes ? size : 0;
	pthread_setspecific(buffer_key, buffer.bytes);
	return buffer.bytes;
}

/* ---- read ------------------------------------------------------------------------------------------ */

/* The bytes are in the answer when this returns: the kernel has copied them. False: they are in too many pieces. */
static bool answer_pinned(fuse_req_t req, const pf_pin *pin)
{
	struct iovec iov[PIECES];
	size_t count;
	const struct pf_chunk *chunks = pf_pin_chunks(pin, &count);

	if (count > PIECES)
		return false;
	for (size_t i = 0; i < count; i++)
		iov[i] = (struct iovec){chunks[i].address, chunks[i].length};
	fuse_reply_iov(req, iov, (int)count);
	return true;
}

static bool read_pinned(fuse_req_t req, pf_file *file, size_t size, uint64_t offset)
{
	struct pf_stat stat;
	pf_pin *pin;
	bool done;
	char byte;

	if (size < PIN_MIN || pf_stat(file, &stat) < 0 || offset >= stat.size)
		return false;
	if (size > stat.size - offset)
		size = (size_t)(stat.size - offset);
	if (pf_pin_file(file, offset, size, 0, &pin) < 0)
		return false;
	/* For the time of access, as a pin is no read; before the answer, after which the file may be closed. */
	pf_read(file, &byte, 1, offset);
	done = answer_pinned(req, pin);
	pf_unpin(pin);
	return done;
}

void io_read(fuse_req_t req, fuse_ino_t number, size_t size, off_t offset,
	     struct fuse_file_info *fi)
{
	pf_file *file = handle_of(fi)->file;
	char *bytes;
	ssize_t n;

	(void)number;
	if (read_pinned(req, file, size, (uint64_t)offset))
		return;
	bytes = buffer_of(size);
	n = bytes ? pf_read(file, bytes, size, (uint64_t)offset) : -ENOMEM;
	if (n < 0)
		answer_error(req, n);
	else
		fuse_reply_buf(req, bytes, (size_t)n);
}

/* ---- write ----------------------------------------------------------------------------------------- */

/* The kernel took this offset for the file's end, and has the bytes there; if others have appended, it is not. */
static void check_appended(struct node *node, uint64_t offset, size_t size)
{
	struct pf_stat stat;

	if (pf_stat(node->file, &stat) < 0 || stat.size != offset + size)
		watch_wrong(node);
}

static ssize_t write_bytes(struct handle *handle, const char *bytes, size_t size, off_t offset,
			   bool append, struct watch_change change)
{
	ssize_t n = append ? pf_append(handle->file, bytes, size)
			   : pf_write(handle->file, bytes, size, (uint64_t)offset);

	watch_after_bytes(handle->node, change);
	if (append && n > 0)
		check_appended(handle->node, (uint64_t)offset, (size_t)n);
	return n;
}

void io_write(fuse_req_t req, fuse_ino_t number, const char *bytes, size_t size, off_t offset,
	      struct fuse_file_info *fi)
{
	struct handle *handle = handle_of(fi);
	struct watch_change change = watch_before_bytes(handle->node);
	struct caller who;
	ssize_t n;

	(void)number;
	if (fi->writepage) { /* mapped pages: nobody in particular */
		n = write_bytes(handle, bytes, size, offset, false, change);
	} else {
		caller_begin(&who, req);
		n = write_bytes(handle, bytes, size, offset, fi->flags & O_APPEND, change);
		caller_end(&who);
	}
	if (n < 0)
		answer_error(req, n);
	else
		fuse_reply_write(req, (size_t)n);
}

/* ---- the rest -------------------------------------------------------------------------------------- */

static int allocate(pf_file *file, int mode, uint64_t offset, uint64_t length)
{
	unsigned keep = mode & FALLOC_FL_KEEP_SIZE ? PF_ALLOC_KEEP_SIZE : 0;

	switch (mode & ~FALLOC_FL_KEEP_SIZE) {
	case 0:
		return pf_allocate(file, offset, length, keep);
	case FALLOC_FL_ZERO_RANGE:
		return pf_allocate(file, offset, length, keep | PF_ALLOC_ZERO);
	case FALLOC_FL_PUNCH_HOLE:
		return keep ? pf_punch(file, offset, length, PF_DETACH, 0) : -EOPNOTSUPP;
	default:
		return -EOPNOTSUPP;
	}
}

void io_fallocate(fuse_req_t req, fuse_ino_t number, int mode, off_t offset, off_t length,
		  struct fuse_file_info *fi)
{
	struct handle *handle = handle_of(fi);
	struct watch_change change = watch_before_bytes(handle->node);
	struct caller who;
	int rc;

	(void)number;
	caller_begin(&who, req);
	rc = allocate(handle->file, mode, (uint64_t)offset, (uint64_t)length);
	caller_end(&who);
	watch_after_bytes(handle->node, change);
	answer_error(req, rc);
}

/* Writes what the chunks have, as far as there is room. Bytes, or an error and nothing was written. */
static ssize_t write_chunks(pf_file *to, uint64_t offset, const struct pf_chunk *chunks,
			    size_t count)
{
	ssize_t done = 0;

	for (size_t i = 0; i < count; i++) {
		ssize_t n =
			pf_write(to, chunks[i].address, chunks[i].length, offset + (uint64_t)done);

		if (n < 0)
			return done ? done : n;
		done += n;
		if ((uint64_t)n < chunks[i].length)
			break;
	}
	return done;
}

enum { STEP = 1u << 20 };

/* One piece, through a buffer: there are holes in it. */
static ssize_t copy_buffered(pf_file *from, uint64_t from_offset, pf_file *to, uint64_t to_offset,
			     size_t length)
{
	char *bytes = buffer_of(STEP);
	ssize_t n =
		bytes ? pf_read(from, bytes, length < STEP ? length : STEP, from_offset) : -ENOMEM;

	return n > 0 ? pf_write(to, bytes, (size_t)n, to_offset) : n;
}

static ssize_t copy_piece(pf_file *from, uint64_t from_offset, pf_file *to, uint64_t to_offset,
			  size_t length)
{
	const struct pf_chunk *chunks;
	size_t count;
	pf_pin *pin;
	ssize_t n;

	if (pf_pin_file(from, from_offset, length, 0, &pin) < 0)
		return copy_buffered(from, from_offset, to, to_offset, length);
	chunks = pf_pin_chunks(pin, &count);
	n = write_chunks(to, to_offset, chunks, count);
	pf_unpin(pin);
	return n;
}

/* Fewer bytes than asked for when the source ends, the pool is full, or it is enough for once. */
static ssize_t copy(pf_file *from, uint64_t from_offset, pf_file *to, uint64_t to_offset,
		    size_t length)
{
	struct pf_stat stat;
	ssize_t n = pf_stat(from, &stat);
	size_t done = 0;

	if (n < 0)
		return n;
	if (from_offset >= stat.size)
		return 0;
	if (length > stat.size - from_offset)
		length = (size_t)(stat.size - from_offset);
	if (length > COPY_MAX)
		length = COPY_MAX;
	while (done < length) {
		size_t piece = length - done < STEP ? length - done : STEP;

		n = copy_piece(from, from_offset + done, to, to_offset + done, piece);
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done ? (ssize_t)done : n;
}

void io_copy(fuse_req_t req, fuse_ino_t from, off_t from_offset, struct fuse_file_info *from_fi,
	     fuse_ino_t to, off_t to_offset, struct fuse_file_info *to_fi, size_t length, int flags)
{
	struct handle *source = handle_of(from_fi), *target = handle_of(to_fi);
	struct watch_change change = watch_before_bytes(target->node);
	struct caller who;
	ssize_t n;

	(void)from;
	(void)to;
	(void)flags;
	caller_begin(&who, req);
	n = copy(source->file, (uint64_t)from_offset, target->file, (uint64_t)to_offset, length);
	caller_end(&who);
	watch_after_bytes(target->node, change);
	if (n < 0)
		answer_error(req, n);
	else
		fuse_reply_write(req, (size_t)n);
}
