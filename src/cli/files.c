/* ls, cat, mv, rm, truncate, punch. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

/* An operand that has to be a file in a pool. */
static bool need_file(char *operand, char **pool, char **name)
{
	if (split_operand(operand, pool, name) && **name)
		return true;
	complain_usage("'%s' is not POOL:/name", operand);
	return false;
}

/* ---- ls -------------------------------------------------------------------------------------------- */

struct entry {
	char *name;
	struct pf_stat stat;
};

struct listing {
	struct entry *entry;
	size_t count;
};

static int note_file(void *arg, const char *name, const struct pf_stat *stat)
{
	struct listing *l = arg;
	size_t n = l->count;

	if (!(n & (n - 1))) {
		struct entry *more = realloc(l->entry, (n ? 2 * n : 1) * sizeof *more);

		if (!more)
			return 1;
		l->entry = more;
	}
	l->entry[n] = (struct entry){strdup(name), *stat};
	l->count += l->entry[n].name != NULL;
	return !l->entry[n].name;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static json_t *entry_json(const struct entry *e)
{
	const struct pf_stat *s = &e->stat;
	char mode[8];

	snprintf(mode, sizeof mode, "%04o", s->mode & 07777);
	return json_pack("{s:o, s:I, s:I, s:I, s:s, s:s, s:i, s:i}", "name", json_text(e->name),
			 "inode", (json_int_t)s->inode, "size", (json_int_t)s->size, "allocated",
			 (json_int_t)s->allocated, "mtime", timestamp(s->mtime_ns), "mode", mode,
			 "uid", (int)s->uid, "gid", (int)s->gid);
}

static int print_listing(const struct listing *l, bool json)
{
	json_t *files = json ? json_array() : NULL;

	for (size_t i = 0; i < l->count; i++) {
		const struct entry *e = &l->entry[i];

		if (json)
			json_array_append_new(files, entry_json(e));
		else
			printf("%12lu %12s  %s  %s\n", (unsigned long)e->stat.size,
			       human(e->stat.allocated), timestamp(e->stat.mtime_ns),
			       printable(e->name));
	}
	return json ? print_json(json_pack("{s:i, s:o}", "schema", 1, "files", files))
		    : finish_output();
}

static int list(pf_pool *pool, const char *path, bool json)
{
	struct listing l = {0};
	int rc = pf_list(pool, "/", note_file, &l);

	if (rc > 0)
		rc = complain("no memory");
	else if (rc < 0)
		rc = complain_pf(path);
	if (rc == 0) {
		if (l.count)
			qsort(l.entry, l.count, sizeof *l.entry, by_name);
		rc = print_listing(&l, json);
	}
	while (l.count)
		free(l.entry[--l.count].name);
	free(l.entry);
	return rc;
}

/* POOL or POOL:/ */
static int run_ls(const struct options *o, char **operands, int count)
{
	char *path = operands[0], *name = NULL;
	pf_pool *pool;
	int rc;

	(void)count;
	if (split_operand(operands[0], &path, &name) && *name)
		return complain_usage("a pool has no directories; write '%s'", path);
	pool = open_pool(path, PF_POOL_NO_THREAD);
	if (!pool)
		return EXIT_FAILED;
	rc = list(pool, path, o->json);
	pf_pool_close(pool);
	return rc;
}

const struct command cmd_ls =
	{"ls",
	 "j",
	 1,
	 1,
	 run_ls,
	 "lists the files of a pool by name: size, memory, time of change, name\n"
	 "usage: pinfold ls POOL[:/] [--json]\n"
	 "Example: pinfold ls /dev/shm/pool"};

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

/* Opens POOL:/name and runs `use` on it. */
static int with_file(char *operand, unsigned flags, int (*use)(pf_file *file, const char *name))
{
	char *path, *name;
	pf_pool *pool;
	pf_file *file;
	int rc;

	if (!need_file(operand, &path, &name))
		return EXIT_USAGE;
	pool = keep_pool(path);
	if (!pool)
		return EXIT_FAILED;
	if (pf_open(pool, name, flags, 0, &file) < 0) {
		rc = complain_pf(name);
	} else {
		rc = use(file, name);
		pf_close(file);
	}
	return rc;
}

static int run_cat(const struct options *o, char **operands, int count)
{
	int rc = EXIT_FINE;

	(void)o;
	for (int i = 0; i < count && rc == EXIT_FINE; i++)
		rc = with_file(operands[i], PF_O_RDONLY, cat);
	return rc;
}

const struct command cmd_cat = {"cat",
				"",
				1,
				-1,
				run_cat,
				"writes files of a pool to standard output\n"
				"usage: pinfold cat POOL:/name...\n"
				"Example: pinfold cat /dev/shm/pool:/model.bin | sha256sum"};

/* ---- mv -------------------------------------------------------------------------------------------- */

static int run_mv(const struct options *o, char **operands, int count)
{
	char *path, *from, *other, *to;
	pf_pool *pool;
	int rc;

	(void)o, (void)count;
	if (!need_file(operands[0], &path, &from) || !need_file(operands[1], &other, &to))
		return EXIT_USAGE;
	if (strcmp(path, other))
		return complain("from pool %s to pool %s: use cp and rm", path, other);
	pool = open_pool(path, PF_POOL_NO_THREAD);
	if (!pool)
		return EXIT_FAILED;
	rc = pf_rename(pool, from, to, 0) < 0 ? complain_pf(from) : EXIT_FINE;
	pf_pool_close(pool);
	return rc;
}

const struct command cmd_mv =
	{"mv",
	 "",
	 2,
	 2,
	 run_mv,
	 "renames a file; one that has the new name is replaced in the same step\n"
	 "usage: pinfold mv POOL:/name POOL:/newname\n"
	 "Example: pinfold mv /dev/shm/pool:/model.new /dev/shm/pool:/model.bin"};

/* ---- rm -------------------------------------------------------------------------------------------- */

static int rm_one(char *operand)
{
	char *path, *name;
	pf_pool *pool;

	if (!need_file(operand, &path, &name))
		return EXIT_USAGE;
	pool = keep_pool(path);
	if (!pool)
		return EXIT_FAILED;
	return pf_unlink(pool, name) < 0 ? complain_pf(name) : EXIT_FINE;
}

static int run_rm(const struct options *o, char **operands, int count)
{
	int worst = EXIT_FINE;

	(void)o;
	for (int i = 0; i < count; i++) {
		int rc = rm_one(operands[i]);

		worst = rc > worst ? rc : worst;
	}
	return worst;
}

const struct command cmd_rm =
	{"rm",
	 "",
	 1,
	 -1,
	 run_rm,
	 "removes files; who holds their pages keeps them until it gives them back\n"
	 "usage: pinfold rm POOL:/name...\n"
	 "Example: pinfold rm /dev/shm/pool:/model.old"};

/* ---- truncate, punch --------------------------------------------------------------------------------- */

static const struct options *given;
static uint64_t new_size;

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
	return with_file(operands[0], PF_O_RDWR, truncate_file);
}

const struct command cmd_truncate =
	{"truncate",
	 "Pt",
	 2,
	 2,
	 run_truncate,
	 "sets the size of a file\n"
	 "usage: pinfold truncate POOL:/name SIZE [--policy detach|wait|try] [--timeout MS]\n"
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
	return with_file(operands[0], PF_O_RDWR, punch_file);
}

const struct command cmd_punch = {
	"punch",
	"onPt",
	1,
	1,
	run_punch,
	"makes a hole in a file, which reads as zeros\n"
	"usage: pinfold punch POOL:/name [--offset N] [--length N] [--policy detach|wait|try] [--timeout MS]\n"
	"Example: pinfold punch /dev/shm/pool:/log --offset 0 --length 16M"};
