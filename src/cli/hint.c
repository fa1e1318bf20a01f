/* Hints at the end of messages. */
#include "cli/hint.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cli/cli.h"

#define RUNTIME_BYTES (1u << 20) /* what the first users of a small pool need */

static char text[2 * PATH_MAX + 256];

static const char *hint(const char *format, ...) __attribute__((format(printf, 1, 2)));

static const char *hint(const char *format, ...)
{
	va_list args;

	strcpy(text, "; ");
	va_start(args, format);
	vsnprintf(text + 2, sizeof text - 2, format, args);
	va_end(args);
	return text;
}

/* ---- what is there --------------------------------------------------------------------------------- */

static bool is_type(const char *path, mode_t type)
{
	struct stat st;

	return stat(path, &st) == 0 && (st.st_mode & S_IFMT) == type;
}

static bool is_pool(const char *path)
{
	return is_type(path, S_IFREG) && pf_in_use(path) >= 0;
}

/* The directory that the path is in. */
static void directory_of(const char *path, char directory[PATH_MAX])
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	while (n && path[n - 1] != '/')
		n--;
	while (n > 1 && path[n - 1] == '/')
		n--;
	snprintf(directory, PATH_MAX, "%.*s", n ? (int)n : 1, n ? path : ".");
}

/* "POOL/path", "POOL:path", "POOL:": how long POOL is, a pool; 0: there is none in it. */
static size_t pool_prefix(const char *typed)
{
	char prefix[PATH_MAX];

	for (size_t i = 1; typed[i] && i < sizeof prefix; i++) {
		if (typed[i] != '/' && typed[i] != ':')
			continue;
		memcpy(prefix, typed, i);
		prefix[i] = 0;
		if (is_pool(prefix))
			return i;
	}
	return 0;
}

/* What was typed, as it is written. */
static const char *well_written(const char *typed, size_t pool)
{
	const char *rest = typed + pool;

	rest += strspn(rest, ":/");
	return hint("write %.*s:/%s", (int)pool, typed, rest);
}

/* ---- operands -------------------------------------------------------------------------------------- */

const char *hint_operand(const char *operand)
{
	size_t pool;

	if (is_pool(operand))
		return hint("it is a pool, and what is in it is %s:/", operand);
	pool = pool_prefix(operand);
	return pool ? well_written(operand, pool)
		    : hint("what is in a pool is written as in /dev/shm/pool:/models/a.bin");
}

/* ---- pools ----------------------------------------------------------------------------------------- */

static const char *hint_owner(const struct stat *st)
{
	const struct passwd *pw = getpwuid(st->st_uid);
	char number[16];

	snprintf(number, sizeof number, "%u", st->st_uid);
	return hint(
		"it belongs to %s and has mode %03o: its file's owner and mode say who may use a pool",
		pw ? pw->pw_name : number, st->st_mode & 07777);
}

static const char *hint_nothing(const char *path)
{
	char directory[PATH_MAX];

	directory_of(path, directory);
	return is_type(directory, S_IFDIR) ? hint("'pinfold mkfs %s --size 1G' makes a pool", path)
					   : hint("there is no directory %s", directory);
}

const char *hint_pool(const char *path)
{
	size_t pool = pool_prefix(path);
	struct stat st;

	if (pool && !strcmp(command_name(), "ls"))
		return well_written(path, pool);
	if (pool)
		return hint("%s takes the pool alone: %.*s", command_name(), (int)pool, path);
	if (stat(path, &st) < 0)
		return errno == ENOENT ? hint_nothing(path) : "";
	if (S_ISDIR(st.st_mode))
		return hint("a pool is one file: 'pinfold mkfs %s/pool --size 1G' makes one", path);
	if (access(path, R_OK | W_OK) == 0)
		return "";
	return errno == EACCES  ? hint_owner(&st)
	       : errno == EROFS ? hint("who opens a pool writes into it, that it is in use")
				: "";
}

const char *hint_new_pool(const char *path)
{
	size_t pool = pool_prefix(path), n = strlen(path);
	char directory[PATH_MAX];

	directory_of(path, directory);
	if (is_pool(path))
		return hint("it is a pool: 'pinfold ls %s' says what is in it", path);
	if (pool)
		return hint("%.*s is a pool already", (int)pool, path);
	if (n && path[n - 1] == '/')
		return hint("a pool is one file, as %spool", path);
	if (!is_type(directory, S_IFDIR))
		return hint("there is no directory %s", directory);
	return access(directory, W_OK) < 0 && errno == EACCES
		       ? hint("you may not make files in %s, but in /dev/shm", directory)
		       : "";
}

const char *hint_room(const char *path)
{
	(void)path;
	return hint("take a smaller --size, or another file system: 'df -h' shows their room");
}

const char *hint_no_runtime(void)
{
	const char *directory = getenv("PINFOLD_RUNTIME_DIR");
	struct statvfs vfs;

	if (!directory || !*directory)
		directory = "/dev/shm";
	return statvfs(directory, &vfs) == 0 && vfs.f_bavail * vfs.f_frsize < RUNTIME_BYTES
		       ? directory
		       : NULL;
}

/* ---- names in a pool ------------------------------------------------------------------------------- */

const char *hint_missing(pf_pool *pool, const char *pool_path, const char *path)
{
	char directory[PATH_MAX];
	struct pf_stat st;

	directory_of(path, directory);
	while (strlen(directory) > 1 &&
	       (pf_stat_path(pool, directory, 0, &st) < 0 || !S_ISDIR(st.mode))) {
		char child[PATH_MAX];

		strcpy(child, directory);
		directory_of(child, directory);
	}
	return hint("'pinfold ls %s:%s' lists what is there", pool_path,
		    *directory == '/' ? directory : "/");
}

/* ---- words ----------------------------------------------------------------------------------------- */

/* Equal but for one letter more, less, another or two that changed places. */
bool hint_similar(const char *typed, const char *word)
{
	size_t n = 0, a = strlen(typed), b = strlen(word);

	while (typed[n] && typed[n] == word[n])
		n++;
	if (a == b)
		return !typed[n] || !strcmp(typed + n + 1, word + n + 1) ||
		       (typed[n] == word[n + 1] && typed[n + 1] == word[n] &&
			!strcmp(typed + n + 2, word + n + 2));
	return a == b + 1 ? !strcmp(typed + n + 1, word + n)
			  : a + 1 == b && !strcmp(typed + n, word + n + 1);
}
