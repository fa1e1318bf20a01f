/*
 * The bytes of one file. A file that comes into a pool has no name until it is whole, so nobody finds half of it, and who kills the copier
 * leaves nothing. Holes stay holes.
 *
 * Bytes of a pool are memory: they are pinned and written from where they are, to other pages or to a file of the host, with no buffer between.
 * Those of the host come as pinned.h has it, or through a buffer, as do those for a pipe, whose reader must not decide how long pages are pinned.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "cli/copy.h"
#include "cli/pinned.h"
#include "cli/progress.h"

enum { CHUNK = 4 << 20 };

static volatile sig_atomic_t interrupted;
static bool pool_full; /* what comes next would not find room either */

/* A signal that comes just before a call that waits does not end it: so another one follows. */
static void on_signal(int signal)
{
	const struct itimerval soon = {.it_value.tv_usec = 100000};

	(void)signal;
	interrupted = 1;
	setitimer(ITIMER_REAL, &soon, NULL);
}

/* Without SA_RESTART: a read that waits ends. What is ignored stays so: nohup(1) wants it. */
void catch_interruptions(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGALRM};
	struct sigaction sa = {.sa_handler = on_signal}, old;

	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		if (sigaction(signals[i], NULL, &old) == 0 &&
		    (old.sa_handler != SIG_IGN || signals[i] == SIGALRM))
			sigaction(signals[i], &sa, NULL);
}

bool copying_ends(void)
{
	return interrupted || pool_full;
}

int copying_ended(int rc)
{
	if (rc != EXIT_FINE || !interrupted)
		return rc;
	return complain("interrupted");
}

int complain_target(const struct place *to, int error)
{
	pool_full |= to->pool && error == -ENOSPC;
	return complain_at(to, error);
}

/* ---- streams --------------------------------------------------------------------------------------- */

/* An open file of either side. Those of the host are read and written in order, for pipes. */
struct stream {
	const struct place *place;
	pf_file *file;
	int fd;
	uint64_t at; /* of a descriptor */
	bool is_regular;
	enum way wanted;  /* how bytes are to come into pinned pages */
	const char *told; /* how they did, or left them; NULL: through a buffer */
};

/* A write or an allocation that failed with a code of the library; 0: it was short. Of a file in a pool nothing is left, it never had a name. */
static int complain_space(const struct place *to, int rc)
{
	const char *why = rc < 0 ? pf_message() : pf_strerror(PF_ENOSPACE);
	bool named = strstr(why, to->path);

	if (rc < 0 && pf_errno(rc) != ENOSPC)
		return complain_pf(to->path);
	pool_full = true;
	return complain("%s%s%s; it was not copied: remove files, or take a larger pool",
			named ? "" : to->path, named ? "" : ": ", why);
}

/* A file of the host is written in place: what has arrived stays, as with cp(1). */
static int complain_half(const struct stream *to, int error)
{
	if (!to->is_regular)
		return complain_at(to->place, error);
	return complain("%s: %s; what is there is not whole%s", to->place->path, strerror(-error),
			error == -ENOSPC ? ": make room and copy it again" : "");
}

static int complain_interrupted(const struct stream *to)
{
	return complain("interrupted; '%s' %s", to->place->path,
			to->file ? "was not copied" : "is not whole");
}

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
		if (n < 0 && interrupted)
			return complain_interrupted(s);
		return n < 0 ? complain_half(s, (int)n) : EXIT_FINE;
	}
	n = pf_write(s->file, bytes, length, at);
	return n == (ssize_t)length ? EXIT_FINE : complain_space(s->place, n < 0 ? (int)n : 0);
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
	progress_at(at);
	return !interrupted;
}

/* ---- copying --------------------------------------------------------------------------------------- */

/* From *at to `end` out of the pages of a pool. Stops where they cannot be pinned: others have made a hole, or cut the file. */
static int copy_pages(struct stream *from, struct stream *to, uint64_t *at, uint64_t end)
{
	int rc = EXIT_FINE;

	while (rc == EXIT_FINE && *at < end && !interrupted) {
		uint64_t length = end - *at < CHUNK ? end - *at : CHUNK;
		const struct pf_chunk *chunk;
		pf_pin *pin;
		size_t n;

		if (pf_pin_file(from->file, *at, length, 0, &pin) < 0)
			break;
		chunk = pf_pin_chunks(pin, &n);
		for (size_t i = 0; i < n && rc == EXIT_FINE; *at += chunk[i++].length)
			rc = stream_write(to, chunk[i].address, chunk[i].length, *at);
		pf_unpin(pin);
		from->told = to->file ? "copied from page to page" : "written from pinned pages";
		goes_on(*at);
	}
	return rc;
}

static int copy_buffered(struct stream *from, struct stream *to, char *buffer, uint64_t *at,
			 uint64_t end)
{
	int rc = EXIT_FINE;

	while (rc == EXIT_FINE && *at < end) {
		uint64_t left = end - *at;
		ssize_t n = stream_read(from, buffer, left < CHUNK ? (size_t)left : CHUNK, *at);

		if (interrupted)
			return complain_interrupted(to);
		if (n < 0)
			return complain_at(from->place, (int)n);
		if (n == 0)
			break;
		rc = stream_write(to, buffer, (size_t)n, *at);
		*at += (uint64_t)n;
		goes_on(*at);
	}
	return rc;
}

/* From *at to `end`, or to the end of the file. What is below `covered` the target's size covers already. */
static int copy_range(struct stream *from, struct stream *to, char *buffer, uint64_t *at,
		      uint64_t end, uint64_t covered)
{
	uint64_t pinned = end < covered ? end : covered;
	int rc = EXIT_FINE;

	if (from->file && (to->file || to->is_regular))
		rc = copy_pages(from, to, at, pinned);
	else if (from->is_regular && to->file)
		read_pinned(from->fd, from->place->path, to->place->pool, to->file, from->wanted,
			    at, pinned, goes_on, &from->told);
	return rc == EXIT_FINE ? copy_buffered(from, to, buffer, at, end) : rc;
}

static int set_length(struct stream *to, uint64_t length)
{
	int rc;

	if (!to->file)
		return ftruncate(to->fd, (off_t)length) < 0 ? complain_half(to, -errno) : EXIT_FINE;
	rc = pf_truncate(to->file, length, PF_DETACH, 0);
	return rc < 0 ? complain_space(to->place, rc) : EXIT_FINE;
}

/* Into a pool one piece of memory is tried for. */
static int allocate(struct stream *to, uint64_t at, uint64_t end)
{
	int rc = to->file && end > at ? pf_allocate(to->file, at, end - at, 0) : 0;

	return rc < 0 ? complain_space(to->place, rc) : EXIT_FINE;
}

static uint64_t size_now(const struct stream *s)
{
	struct stat st;

	return (s->file ? file_stat(s->file, &st) : fstat(s->fd, &st)) < 0 ? 0
									   : (uint64_t)st.st_size;
}

/* What the source loses meanwhile the copy does not get; what it gains behind its end neither. */
static int copy_with_holes(struct stream *from, struct stream *to, char *buffer, uint64_t size)
{
	uint64_t at = 0, data = 0, end, now;
	int rc = to->file ? set_length(to, size) : EXIT_FINE;

	while (rc == EXIT_FINE && at == data && next_data(from, &data, &end) && data < size) {
		at = data;
		end = end < size ? end : size;
		rc = allocate(to, at, end);
		if (rc == EXIT_FINE)
			rc = copy_range(from, to, buffer, &at, end, size);
		data = end;
	}
	if (rc != EXIT_FINE)
		return rc;
	now = size_now(from);
	if (now < size)
		size = now > at ? now : at;
	return set_length(to, size);
}

static int copy_whole(struct stream *from, struct stream *to, char *buffer, uint64_t size)
{
	uint64_t at = 0;
	int rc = allocate(to, 0, size);

	if (rc == EXIT_FINE)
		rc = copy_range(from, to, buffer, &at, UINT64_MAX, size);
	return rc == EXIT_FINE && at < size && to->file ? set_length(to, at) : rc;
}

static int copy_bytes(struct stream *from, struct stream *to, const struct stat *st)
{
	uint64_t size = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0;
	bool holes = size && (to->file || to->is_regular) &&
		     (from->file || (uint64_t)st->st_blocks * 512 < size);
	char *buffer = malloc(CHUNK);
	int rc;

	if (!buffer)
		return complain("no memory");
	from->is_regular = S_ISREG(st->st_mode);
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

/* As onto a device of the host: the bytes go over those that are there, and what the copy does not reach stays. */
static int into_device(struct stream *from, const struct place *to)
{
	struct stream stream = {.place = to, .fd = -1};
	char *buffer = malloc(CHUNK);
	int rc = buffer ? pf_open(to->pool, to->path, PF_O_RDWR, 0, &stream.file) : -ENOMEM;
	ssize_t n = 0;

	if (rc < 0) {
		free(buffer);
		return buffer ? complain_pf(to->path) : complain("no memory");
	}
	rc = EXIT_FINE;
	for (uint64_t at = 0; rc == EXIT_FINE; at += (uint64_t)n) {
		n = stream_read(from, buffer, CHUNK, at);
		if (n <= 0)
			break;
		if (pf_write(stream.file, buffer, (size_t)n, at) < 0)
			rc = complain_pf(to->path);
	}
	if (n < 0)
		rc = complain_at(from->place, (int)n);
	free(buffer);
	pf_close(stream.file);
	return rc;
}

/* It is a device, and there is room for the copy, or its size is not known: *rc 0; or it is complained of. */
static bool is_device(const struct place *to, const struct stat *st, int *rc)
{
	struct pf_stat s;

	*rc = EXIT_FINE;
	if (pf_stat_path(to->pool, to->path, 0, &s) < 0 || !s.device)
		return false;
	if (S_ISREG(st->st_mode) && (uint64_t)st->st_size > s.size)
		*rc = complain("%s is a device of %lu bytes, and does not grow", to->path,
			       (unsigned long)s.size);
	return true;
}

static int into_pool(const struct options *o, struct stream *from, const struct stat *st,
		     const struct place *to, const struct stat *replaced)
{
	struct stream stream = {.place = to, .fd = -1};
	char *directory;
	int rc;

	if (replaced && is_device(to, st, &rc))
		return rc == EXIT_FINE ? into_device(from, to) : rc;
	directory = parent_path(to->path);
	if (!directory)
		return complain("no memory");
	rc = pf_open(to->pool, directory, PF_O_RDWR | PF_O_TMPFILE,
		     st->st_mode & 0777 & ~creation_mask(), &stream.file);
	free(directory);
	if (rc < 0)
		return complain_space(to, rc);
	rc = copy_bytes(from, &stream, st);
	if (rc == EXIT_FINE)
		rc = set_attributes(o, stream.file, to, st, replaced);
	if (rc == EXIT_FINE) {
		int linked = pf_link_file(stream.file, to->path, PF_LINK_REPLACE);

		rc = linked < 0 ? complain_space(to, linked) : EXIT_FINE;
	}
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
	struct stream stream = {.place = to, .is_regular = !replaced || S_ISREG(replaced->st_mode)};
	int rc;

	if (is_pool(to->path, replaced))
		return complain("%s is a pool; to copy into it write '%s:/'", to->path, to->path);
	stream.fd = open_target(o, to->path, st->st_mode);
	if (stream.fd < 0)
		return complain_at(to, -errno);
	if (isatty(stream.fd))
		progress_stop();
	rc = copy_bytes(from, &stream, st);
	if (close(stream.fd) < 0 && rc == EXIT_FINE)
		rc = complain_half(&stream, -errno);
	if (rc == EXIT_FINE && o->preserve) {
		int error = place_set(to, st, true);

		rc = error < 0 ? complain_at(to, error) : EXIT_FINE;
	}
	return rc;
}

/* A path as it may be printed: control characters are '?'. */
static void print_path(const char *path)
{
	putchar('\'');
	for (; *path; path++)
		putchar(iscntrl((unsigned char)*path) ? '?' : *path);
	putchar('\'');
}

void tell_copied(const struct place *from, const struct place *to, const char *how)
{
	progress_hide();
	print_path(from->path);
	fputs(" -> ", stdout);
	print_path(to->path);
	printf("%s%s\n", how ? ": " : "", how ? how : "");
}

int copy_file(const struct options *o, const struct place *from, const struct place *to,
	      const struct stat *replaced)
{
	struct stream stream = {.place = from, .fd = -1, .wanted = (enum way)o->way};
	struct stat st;
	int rc;

	if (from->pool)
		rc = pf_open(from->pool, from->path, PF_O_RDONLY, 0, &stream.file);
	else
		rc = stream.fd = open(from->path, O_RDONLY | O_CLOEXEC);
	if (rc < 0)
		return complain_at(from, from->pool ? rc : -errno);
	/* What was looked at before may have been replaced. */
	rc = from->pool ? file_stat(stream.file, &st) : fstat(stream.fd, &st);
	if (rc < 0)
		rc = complain_at(from, from->pool ? rc : -errno);
	else
		rc = (to->pool ? into_pool : onto_host)(o, &stream, &st, to, replaced);
	if (from->pool)
		pf_close(stream.file);
	else
		close(stream.fd);
	if (rc == EXIT_FINE && o->verbose)
		tell_copied(from, to, stream.told ? stream.told : "copied");
	return rc;
}
