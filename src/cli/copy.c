/*
 * The bytes of one file. A file that comes into a pool has no name until it is whole, so nobody finds half of it, and who kills the copier
 * leaves nothing. Holes stay holes.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/copy.h"
#include "cli/pinned.h"

enum { CHUNK = 4 << 20 };

static volatile sig_atomic_t interrupted;
static bool pool_full; /* what comes next would not find room either */

static void on_signal(int signal)
{
	(void)signal;
	interrupted = 1;
}

/* Without SA_RESTART: a read that waits ends. */
void catch_interruptions(void)
{
	struct sigaction sa = {.sa_handler = on_signal};

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
}

bool copying_ends(void)
{
	return interrupted || pool_full;
}

static int complain_full(const char *path)
{
	pool_full = true;
	return complain("%s: the pool is full", path);
}

/* A write or an allocation that failed. */
static int complain_space(const char *path, int rc)
{
	pool_full |= rc == -PF_ENOSPACE || rc == -PF_ENOMETA || rc == -PF_ENOINODES;
	return complain_pf(path);
}

/* ---- streams --------------------------------------------------------------------------------------- */

/* An open file of either side. Those of the host are read and written in order, for pipes. */
struct stream {
	const struct place *place;
	pf_file *file;
	int fd;
	uint64_t at;          /* of a descriptor */
	enum way wanted, way; /* how bytes come into pinned pages, and how the last of them did */
	bool is_regular;
};

static int seek_to(struct stream *s, uint64_t at)
{
	if (s->at != at && lseek(s->fd, (off_t)at, SEEK_SET) < 0)
		return -errno;
	s->at = at;
	return 0;
}

static ssize_t stream_read(struct stream *s, char *buffer, size_t length, uint64_t at)
{
	ssize_t n;

	if (s->file) {
		n = pf_read(s->file, buffer, length, at);
		return n < 0 ? -pf_errno((int)n) : n;
	}
	n = seek_to(s, at);
	if (n == 0)
		n = read(s->fd, buffer, length);
	s->at += n > 0 ? (uint64_t)n : 0;
	return n < 0 ? -errno : n;
}

static int write_all(struct stream *s, const char *bytes, size_t length)
{
	while (length) {
		ssize_t n = write(s->fd, bytes, length);

		if (n < 0 && (errno != EINTR || interrupted))
			return -errno;
		bytes += n > 0 ? n : 0;
		length -= n > 0 ? (size_t)n : 0;
		s->at += n > 0 ? (uint64_t)n : 0;
	}
	return 0;
}

/* EXIT_FINE, or complains. */
static int stream_write(struct stream *s, const char *bytes, size_t length, uint64_t at)
{
	ssize_t n;

	if (!s->file) {
		n = seek_to(s, at);
		n = n < 0 ? n : write_all(s, bytes, length);
		return n < 0 ? complain_at(s->place, (int)n) : EXIT_FINE;
	}
	n = pf_write(s->file, bytes, length, at);
	if (n < 0)
		return complain_space(s->place->path, (int)n);
	return n == (ssize_t)length ? EXIT_FINE : complain_full(s->place->path);
}

/* The next bytes that are no hole, from *at to *end; false: there are none. */
static bool next_data(const struct stream *s, uint64_t *at, uint64_t *end)
{
	int64_t data, hole;

	if (s->file) {
		data = pf_seek(s->file, *at, PF_SEEK_DATA);
		hole = data < 0 ? data : pf_seek(s->file, (uint64_t)data, PF_SEEK_HOLE);
	} else {
		data = lseek(s->fd, (off_t)*at, SEEK_DATA);
		hole = data < 0 ? data : lseek(s->fd, data, SEEK_HOLE);
		lseek(s->fd, (off_t)s->at, SEEK_SET);
	}
	*at = (uint64_t)data;
	*end = (uint64_t)hole;
	return data >= 0 && hole > data;
}

static bool goes_on(uint64_t at)
{
	(void)at;
	return !interrupted;
}

/* ---- copying --------------------------------------------------------------------------------------- */

/* From *at to `end`, or to the end of the file. What is below `covered` the target's size covers already. */
static int copy_range(struct stream *from, struct stream *to, char *buffer, uint64_t *at,
		      uint64_t end, uint64_t covered)
{
	int rc = EXIT_FINE;

	if (from->is_regular && to->file)
		from->way = read_pinned(from->fd, from->place->path, to->place->pool, to->file,
					from->wanted, at, end < covered ? end : covered, goes_on);
	while (rc == EXIT_FINE && *at < end) {
		uint64_t left = end - *at;
		ssize_t n = stream_read(from, buffer, left < CHUNK ? (size_t)left : CHUNK, *at);

		if (interrupted)
			return complain("interrupted");
		if (n < 0)
			return complain_at(from->place, (int)n);
		if (n == 0)
			break;
		rc = stream_write(to, buffer, (size_t)n, *at);
		*at += (uint64_t)n;
	}
	return rc;
}

static int set_length(struct stream *to, uint64_t length)
{
	if (to->file)
		return pf_truncate(to->file, length, PF_DETACH, 0) < 0
			       ? complain_pf(to->place->path)
			       : EXIT_FINE;
	return ftruncate(to->fd, (off_t)length) < 0 ? complain_at(to->place, -errno) : EXIT_FINE;
}

static int copy_with_holes(struct stream *from, struct stream *to, char *buffer, uint64_t size)
{
	uint64_t at = 0, end;
	int rc = to->file ? set_length(to, size) : EXIT_FINE;

	while (rc == EXIT_FINE && next_data(from, &at, &end))
		rc = copy_range(from, to, buffer, &at, end, size);
	return rc == EXIT_FINE ? set_length(to, size) : rc;
}

/* Into a pool one piece of memory is tried for. */
static int copy_whole(struct stream *from, struct stream *to, char *buffer, uint64_t size)
{
	uint64_t at = 0;
	int rc = to->file && size ? pf_allocate(to->file, 0, size, 0) : 0;

	if (rc < 0)
		return complain_space(to->place->path, rc);
	rc = copy_range(from, to, buffer, &at, UINT64_MAX, size);
	return rc == EXIT_FINE && at < size && to->file ? set_length(to, at) : rc;
}

static int copy_bytes(struct stream *from, struct stream *to, const struct stat *st, bool seekable)
{
	uint64_t size = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0;
	bool holes = seekable && size && (uint64_t)st->st_blocks * 512 < size;
	char *buffer = malloc(CHUNK);
	int rc;

	if (!buffer)
		return complain("no memory");
	from->is_regular = !from->file && S_ISREG(st->st_mode);
	rc = (holes ? copy_with_holes : copy_whole)(from, to, buffer, size);
	free(buffer);
	return rc;
}

/* ---- targets --------------------------------------------------------------------------------------- */

/* Mode and owner that the copy gets. */
static int set_attributes(const struct options *o, pf_file *file, const struct place *to,
			  const struct stat *st, const struct stat *replaced)
{
	struct stat wanted = *st;

	if (!o->preserve && replaced)
		wanted = *replaced;
	if ((o->preserve || replaced) && file_set(file, &wanted, o->preserve) < 0)
		return complain_pf(to->path);
	return EXIT_FINE;
}

static int into_pool(const struct options *o, struct stream *from, const struct stat *st,
		     const struct place *to, const struct stat *replaced)
{
	struct stream stream = {.place = to, .fd = -1};
	char *directory = parent_path(to->path);
	int rc;

	if (!directory)
		return complain("no memory");
	rc = pf_open(to->pool, directory, PF_O_RDWR | PF_O_TMPFILE,
		     st->st_mode & 0777 & ~creation_mask(), &stream.file);
	free(directory);
	if (rc < 0)
		return complain_space(to->path, rc);
	rc = copy_bytes(from, &stream, st, true);
	if (rc == EXIT_FINE)
		rc = set_attributes(o, stream.file, to, st, replaced);
	if (rc == EXIT_FINE && pf_link_file(stream.file, to->path, PF_LINK_REPLACE) < 0)
		rc = complain_pf(to->path);
	if (pf_close(stream.file) < 0 && rc == EXIT_FINE)
		rc = complain_pf(to->path);
	return rc;
}

/* A pool is a file: "cp POOL:/a POOL", with ":/" forgotten, would write over all that is in it. */
static bool is_pool(const char *path, const struct stat *st)
{
	int rc;

	if (!st || !S_ISREG(st->st_mode))
		return false;
	rc = pf_in_use(path);
	return rc >= 0 || rc == -PF_EVERSION || rc == -PF_ECORRUPT;
}

static int open_target(const struct options *o, const char *path, mode_t mode)
{
	int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
	int fd = open(path, flags, mode & 0777);

	if (fd < 0 && o->force && errno != ENOENT && unlink(path) == 0)
		fd = open(path, flags | O_EXCL, mode & 0777);
	return fd;
}

static int onto_host(const struct options *o, struct stream *from, const struct stat *st,
		     const struct place *to, const struct stat *replaced)
{
	struct stream stream = {.place = to};
	int rc;

	if (is_pool(to->path, replaced))
		return complain("%s is a pool; to copy into it write '%s:/'", to->path, to->path);
	stream.fd = open_target(o, to->path, st->st_mode);
	if (stream.fd < 0)
		return complain_at(to, -errno);
	rc = copy_bytes(from, &stream, st, !replaced || S_ISREG(replaced->st_mode));
	if (close(stream.fd) < 0 && rc == EXIT_FINE)
		rc = complain_at(to, -errno);
	if (rc == EXIT_FINE && o->preserve) {
		int error = place_set(to, st, true);

		rc = error < 0 ? complain_at(to, error) : EXIT_FINE;
	}
	return rc;
}

static void tell_copied(const struct place *from, const struct place *to, enum way way)
{
	static const char *const told[] = {"copied", "read from the page cache into pinned pages",
					   "read from disk into pinned pages"};

	printf("'%s' -> '%s': %s\n", printable(from->path), printable(to->path), told[way]);
}

int copy_file(const struct options *o, const struct place *from, const struct stat *st,
	      const struct place *to, const struct stat *replaced)
{
	struct stream stream = {.place = from, .fd = -1, .wanted = (enum way)o->way};
	int rc;

	if (from->pool)
		rc = pf_open(from->pool, from->path, PF_O_RDONLY, 0, &stream.file);
	else
		rc = stream.fd = open(from->path, O_RDONLY | O_CLOEXEC);
	if (rc < 0)
		return complain_at(from, from->pool ? rc : -errno);
	rc = (to->pool ? into_pool : onto_host)(o, &stream, st, to, replaced);
	if (from->pool)
		pf_close(stream.file);
	else
		close(stream.fd);
	if (rc == EXIT_FINE && o->verbose)
		tell_copied(from, to, stream.way);
	return rc;
}
