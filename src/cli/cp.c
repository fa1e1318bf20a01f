/*
 * cp: files into a pool, out of it, and within. A copy is made under a temporary name and renamed when it is whole, so nobody finds
 * half a file under the final name.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

enum { CHUNK = 4 << 20 };

/* Ctrl-C removes the temporary file, too. */
static volatile sig_atomic_t interrupted;

static void on_signal(int signal)
{
	(void)signal;
	interrupted = 1;
}

/* Without SA_RESTART: a read that waits ends. */
static void catch_signals(void)
{
	struct sigaction sa = {.sa_handler = on_signal};

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* ---- into a pool ----------------------------------------------------------------------------------- */

/* From a descriptor; the size is known only of regular files, and then one piece of memory is tried for. */
static int copy_in(pf_file *to, int from, uint64_t size, const char *what)
{
	char *buffer = malloc(CHUNK);
	uint64_t at = 0;
	ssize_t n = 1;
	int rc = buffer ? EXIT_FINE : complain("no memory");

	if (rc == EXIT_FINE && size && pf_allocate(to, 0, size, 0) < 0)
		rc = complain_pf(what);
	while (rc == EXIT_FINE && (n = read(from, buffer, CHUNK)) != 0) {
		ssize_t written;

		if (interrupted)
			rc = complain("interrupted");
		else if (n < 0)
			rc = complain("%s: %s", what, strerror(errno));
		else if ((written = pf_write(to, buffer, (size_t)n, at)) != n)
			rc = written < 0 ? complain_pf(what)
					 : complain("%s: the pool is full", what);
		else
			at += (uint64_t)n;
	}
	free(buffer);
	if (rc == EXIT_FINE && at != size && pf_truncate(to, at, PF_DETACH, 0) < 0)
		rc = complain_pf(what);
	return rc;
}

static int publish(pf_pool *pool, int from, const struct stat *st, const char *what,
		   const char *name)
{
	char temporary[TEMPORARY_NAME];
	pf_file *file;
	int rc;

	temporary_name(temporary);
	if (pf_open(pool, temporary, PF_O_RDWR | PF_O_CREATE | PF_O_EXCL, st->st_mode & 0777,
		    &file) < 0)
		return complain_pf(name);
	rc = copy_in(file, from, S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0, what);
	if (pf_close(file) < 0 && rc == EXIT_FINE)
		rc = complain_pf(name);
	if (rc == EXIT_FINE && pf_rename(pool, temporary, name, 0) < 0)
		rc = complain_pf(name);
	if (rc != EXIT_FINE)
		pf_unlink(pool, temporary);
	return rc;
}

static int cp_in(const char *from, pf_pool *pool, const char *name)
{
	struct stat st;
	int fd = open(from, O_RDONLY | O_CLOEXEC), rc;

	if (fd < 0)
		return complain("%s: %s", from, strerror(errno));
	if (fstat(fd, &st) < 0)
		rc = complain("%s: %s", from, strerror(errno));
	else if (S_ISDIR(st.st_mode))
		rc = complain("%s is a directory; a pool has files only", from);
	else
		rc = publish(pool, fd, &st, from, *name ? name : base_name(from));
	close(fd);
	return rc;
}

/* ---- out of a pool --------------------------------------------------------------------------------- */

static int write_all(int fd, const char *bytes, size_t length)
{
	while (length) {
		ssize_t n = write(fd, bytes, length);

		if (n < 0 && (errno != EINTR || interrupted))
			return -1;
		bytes += n > 0 ? n : 0;
		length -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int copy_out(pf_file *from, int to, const char *what)
{
	char *buffer = malloc(CHUNK);
	uint64_t at = 0;
	ssize_t n = 1;
	int rc = buffer ? EXIT_FINE : complain("no memory");

	while (rc == EXIT_FINE && (n = pf_read(from, buffer, CHUNK, at)) > 0) {
		if (interrupted)
			rc = complain("interrupted");
		else if (write_all(to, buffer, (size_t)n) < 0)
			rc = complain("%s: %s", what, strerror(errno));
		at += (uint64_t)n;
	}
	free(buffer);
	return n < 0 ? complain_pf(what) : rc;
}

static void target_path(const char *to, const char *name, char *path, size_t size)
{
	struct stat st;

	if (stat(to, &st) == 0 && S_ISDIR(st.st_mode))
		snprintf(path, size, "%s/%s", to, name);
	else
		snprintf(path, size, "%s", to);
}

/* A pool is a file: "cp POOL:/a POOL", with ":/" forgotten, would write over all that is in it. */
static bool is_pool(const char *path)
{
	struct stat st;
	int rc;

	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	rc = pf_in_use(path);
	return rc >= 0 || rc == -PF_EVERSION || rc == -PF_ECORRUPT;
}

static int cp_out(pf_pool *pool, const char *name, const char *to)
{
	char path[4096];
	struct pf_stat stat;
	pf_file *file;
	int fd, rc;

	if (pf_open(pool, name, PF_O_RDONLY, 0, &file) < 0)
		return complain_pf(name);
	target_path(to, name, path, sizeof path);
	if (is_pool(path)) {
		pf_close(file);
		return complain("%s is a pool; to copy into it write '%s:/'", path, path);
	}
	fd = pf_stat(file, &stat) < 0
		     ? -1
		     : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, stat.mode & 0777);
	if (fd < 0) {
		rc = complain("%s: %s", path, strerror(errno));
	} else {
		rc = copy_out(file, fd, path);
		if (close(fd) < 0 && rc == EXIT_FINE)
			rc = complain("%s: %s", path, strerror(errno));
	}
	pf_close(file);
	return rc;
}

/* ---- within pools ---------------------------------------------------------------------------------- */

static int copy_between(pf_file *from, pf_file *to, const char *what)
{
	char *buffer = malloc(CHUNK);
	uint64_t at = 0;
	ssize_t n = 1;
	int rc = buffer ? EXIT_FINE : complain("no memory");

	while (rc == EXIT_FINE && (n = pf_read(from, buffer, CHUNK, at)) > 0) {
		ssize_t written = interrupted ? n : pf_write(to, buffer, (size_t)n, at);

		if (interrupted)
			rc = complain("interrupted");
		else if (written != n)
			rc = written < 0 ? complain_pf(what)
					 : complain("%s: the pool is full", what);
		at += (uint64_t)n;
	}
	free(buffer);
	return n < 0 ? complain_pf(what) : rc;
}

static int cp_within(pf_pool *from_pool, const char *from_name, pf_pool *pool, const char *name)
{
	char temporary[TEMPORARY_NAME];
	struct pf_stat stat;
	pf_file *from, *to;
	int rc;

	if (pf_open(from_pool, from_name, PF_O_RDONLY, 0, &from) < 0)
		return complain_pf(from_name);
	temporary_name(temporary);
	if (pf_stat(from, &stat) < 0 ||
	    pf_open(pool, temporary, PF_O_RDWR | PF_O_CREATE | PF_O_EXCL, stat.mode & 0777, &to) <
		    0) {
		rc = complain_pf(name);
	} else {
		rc = stat.size && pf_allocate(to, 0, stat.size, 0) < 0
			     ? complain_pf(name)
			     : copy_between(from, to, name);
		pf_close(to);
		if (rc == EXIT_FINE && pf_rename(pool, temporary, *name ? name : from_name, 0) < 0)
			rc = complain_pf(name);
		if (rc != EXIT_FINE)
			pf_unlink(pool, temporary);
	}
	pf_close(from);
	return rc;
}

/* ---- which ----------------------------------------------------------------------------------------- */

static int cp_from_pool(char *pool_path, const char *name, pf_pool *to_pool, const char *to)
{
	pf_pool *pool = keep_pool(pool_path);

	if (!pool)
		return EXIT_FAILED;
	if (!*name)
		return complain_usage("'%s:/' names no file", pool_path);
	return to_pool ? cp_within(pool, name, to_pool, to) : cp_out(pool, name, to);
}

static int cp_one(char *from, pf_pool *to_pool, const char *to)
{
	char *pool, *name;

	if (split_operand(from, &pool, &name))
		return cp_from_pool(pool, name, to_pool, to);
	return to_pool ? cp_in(from, to_pool, to)
		       : complain_usage("neither '%s' nor '%s' is POOL:/name", from, to);
}

static int run_cp(const struct options *o, char **operands, int count)
{
	char *to = operands[count - 1], *path, *name;
	pf_pool *pool = NULL;
	int worst = EXIT_FINE;

	(void)o;
	if (split_operand(to, &path, &name)) {
		if (count > 2 && *name)
			return complain_usage("several files go to a pool, '%s:/', not to one name",
					      path);
		pool = open_pool(path, PF_POOL_NO_THREAD);
		if (!pool)
			return EXIT_FAILED;
		remove_leftovers(pool);
		to = name;
	}
	catch_signals();
	for (int i = 0; i < count - 1 && !interrupted; i++) {
		int rc = cp_one(operands[i], pool, to);

		worst = rc > worst ? rc : worst;
	}
	pf_pool_close(pool);
	return worst;
}

const struct command cmd_cp = {
	"cp",
	"",
	2,
	-1,
	run_cp,
	"copies files into a pool, out of it, or within\n"
	"usage: pinfold cp FILE... POOL:/[name]\n"
	"       pinfold cp POOL:/name... FILE-OR-DIRECTORY\n"
	"A file appears under its name when it is whole; one that was there is replaced in one step.\n"
	"A local path with ':/' in it is written with './' in front.\n"
	"Example: pinfold cp model.bin /dev/shm/pool:/model.bin"};
