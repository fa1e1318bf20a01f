/* cat, truncate, punch: what is done with an open file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/glob.h"

/* ---- cat ------------------------------------------------------------------------------------------- */

static int write_all(const char *bytes, size_t length)
{
	while (length) {
		ssize_t n = write(STDOUT_FILENO, bytes, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return complain("standard output: %s", strerror(errno));
		bytes += n;
		length -= (size_t)n;
	}
	return EXIT_FINE;
}

static int cat(pf_file *file, const char *what)
{
	enum { CHUNK = 1 << 20 };
	char *buffer = malloc(CHUNK);
	uint64_t at = 0;
	ssize_t n = 1;
	int rc = buffer ? EXIT_FINE : complain("no memory");

	while (rc == EXIT_FINE && (n = pf_read(file, buffer, CHUNK, at)) > 0) {
		rc = write_all(buffer, (size_t)n);
		at += (uint64_t)n;
	}
	free(buffer);
	return n < 0 ? complain_pf(what) : rc;
}

/* Opens the file and runs `use` on it. */
static int with_file(const struct place *place, unsigned flags,
		     int (*use)(pf_file *file, const char *name))
{
	pf_file *file;
	int rc;

	if (pf_open(place->pool, place->path, flags, 0, &file) < 0)
		return complain_pf(place->path);
	rc = use(file, place->path);
	pf_close(file);
	return rc;
}

static int run_cat(const struct options *o, char **operands, int count)
{
	struct matches m;
	int rc = glob_operands(operands, count, OPERAND_FILES, place_in_pool, &m);

	(void)o;
	for (size_t i = 0; i < m.count && rc == EXIT_FINE; i++)
		rc = with_file(&m.match[i].place, PF_O_RDONLY, cat);
	matches_free(&m);
	return rc;
}

const struct command cmd_cat = {"cat",
				"",
				1,
				-1,
				run_cat,
				"writes files of a pool to standard output\n"
				"usage: pinfold cat POOL:/path...\n"
				"Example: pinfold cat /dev/shm/pool:/model.bin | sha256sum"};

/* ---- truncate, punch --------------------------------------------------------------------------------- */

static const struct options *given;
static uint64_t new_size;

/* The operand has to be one file. */
static int change_file(char *operand, int (*change)(pf_file *file, const char *name))
{
	struct place place;
	int rc = glob_one_operand(operand, &place);

	if (rc != EXIT_FINE)
		return rc;
	rc = with_file(&place, PF_O_RDWR, change);
	free(place.path);
	return rc;
}

static int truncate_file(pf_file *file, const char *name)
{
	return pf_truncate(file, new_size, given->policy, (int)given->timeout_ms) < 0
		       ? complain_pf(name)
		       : EXIT_FINE;
}

static int run_truncate(const struct options *o, char **operands, int count)
{
	(void)count;
	given = o;
	if (!parse_size(operands[1], &new_size))
		return complain_usage("'%s' is not a size", operands[1]);
	return change_file(operands[0], truncate_file);
}

const struct command cmd_truncate =
	{"truncate",
	 "policy timeout",
	 2,
	 2,
	 run_truncate,
	 "sets the size of a file\n"
	 "usage: pinfold truncate POOL:/path SIZE [--policy detach|wait|try] [--timeout MS]\n"
	 "Never waits, unless asked to: held pages leave the file and stay with their holders.\n"
	 "Example: pinfold truncate /dev/shm/pool:/log 64M"};

static int punch_file(pf_file *file, const char *name)
{
	struct pf_stat stat;
	uint64_t length = given->length;

	if (pf_stat(file, &stat) < 0)
		return complain_pf(name);
	if (!given->has_length)
		length = stat.size > given->offset ? stat.size - given->offset : 0;
	return pf_punch(file, given->offset, length, given->policy, (int)given->timeout_ms) < 0
		       ? complain_pf(name)
		       : EXIT_FINE;
}

static int run_punch(const struct options *o, char **operands, int count)
{
	(void)count;
	given = o;
	return change_file(operands[0], punch_file);
}

const struct command cmd_punch = {
	"punch",
	"offset length policy timeout",
	1,
	1,
	run_punch,
	"makes a hole in a file, which reads as zeros\n"
	"usage: pinfold punch POOL:/path [--offset N] [--length N] [--policy detach|wait|try] [--timeout MS]\n"
	"Example: pinfold punch /dev/shm/pool:/log --offset 0 --length 16M"};
