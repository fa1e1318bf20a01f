/* Places: each operation for the host, and for a pool. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/place.h"

/* ---- paths ----------------------------------------------------------------------------------------- */

int place_any(char *operand, struct place *place)
{
	char *pool;

	*place = (struct place){.path = operand};
	if (!split_operand(operand, &pool, &place->path))
		return EXIT_FINE;
	place->pool = keep_pool(pool);
	return place->pool ? EXIT_FINE : EXIT_FAILED;
}

int place_in_pool(char *operand, struct place *place)
{
	int rc = place_any(operand, place);

	if (rc == EXIT_FINE && !place->pool)
		return complain_operand(operand);
	return rc;
}

bool place_child(const struct place *directory, const char *name, struct place *child)
{
	size_t n = strlen(directory->path);

	child->pool = directory->pool;
	if (asprintf(&child->path, "%s%s%s", directory->path,
		     n && directory->path[n - 1] == '/' ? "" : "/", name) >= 0)
		return true;
	child->path = NULL;
	complain("no memory");
	return false;
}

/* Without the slashes at its end, of which a root keeps one. */
static size_t trimmed_length(const char *path)
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	return n;
}

char *last_component(const char *path)
{
	size_t end = trimmed_length(path), begin = end;

	while (begin && path[begin - 1] != '/')
		begin--;
	if (begin == end || (end - begin == 2 && !memcmp(path + begin, "..", 2)))
		return strdup(".");
	return strndup(path + begin, end - begin);
}

char *parent_path(const char *path)
{
	size_t n = trimmed_length(path);

	while (n && path[n - 1] != '/')
		n--;
	return n ? strndup(path, n) : strdup(".");
}

int complain_at(const struct place *place, int error)
{
	if (place->pool && error != -ENOMEM)
		return complain_pf(place->path);
	return complain("%s: %s", place->path, strerror(-error));
}

/* ---- what is there --------------------------------------------------------------------------------- */

static struct timespec to_timespec(uint64_t ns)
{
	return (struct timespec){(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
}

static struct stat to_stat(const struct pf_stat *s)
{
	return (struct stat){
		.st_ino = s->inode,
		.st_mode = s->mode,
		.st_nlink = s->nlink,
		.st_uid = s->uid,
		.st_gid = s->gid,
		.st_size = (off_t)s->size,
		.st_blocks = (blkcnt_t)(s->allocated / 512),
		.st_atim = to_timespec(s->atime_ns),
		.st_mtim = to_timespec(s->mtime_ns),
	};
}

int place_stat(const struct place *place, bool follow, struct stat *st)
{
	struct pf_stat s;
	int rc;

	if (!place->pool)
		return (follow ? stat(place->path, st) : lstat(place->path, st)) < 0 ? -errno : 0;
	rc = pf_stat_path(place->pool, place->path, follow ? 0 : PF_O_NOFOLLOW, &s);
	if (rc < 0)
		return -pf_errno(rc);
	*st = to_stat(&s);
	return 0;
}

int file_stat(pf_file *file, struct stat *st)
{
	struct pf_stat s;
	int rc = pf_stat(file, &s);

	if (rc == 0)
		*st = to_stat(&s);
	return rc;
}

bool place_same(const struct place *a, const struct stat *sa, const struct place *b,
		const struct stat *sb)
{
	return a->pool == b->pool && sa->st_dev == sb->st_dev && sa->st_ino == sb->st_ino;
}

bool place_is_directory(const struct place *place)
{
	struct stat st;

	return place_stat(place, true, &st) == 0 && S_ISDIR(st.st_mode);
}

/* ---- entries --------------------------------------------------------------------------------------- */

int names_take(struct names *names, char *name)
{
	size_t n = names->count;
	char **more = names->name;

	if (name && !(n & (n - 1)))
		more = realloc(names->name, (n ? 2 * n : 1) * sizeof *more);
	if (!name || !more) {
		free(name);
		return -ENOMEM;
	}
	names->name = more;
	names->name[names->count++] = name;
	return 0;
}

static int names_on_host(const char *path, struct names *names)
{
	DIR *dir = opendir(path);
	struct dirent *d;
	int rc = 0;

	if (!dir)
		return -errno;
	while (rc == 0 && (errno = 0, d = readdir(dir)))
		if (strcmp(d->d_name, ".") && strcmp(d->d_name, ".."))
			rc = names_take(names, strdup(d->d_name));
	if (rc == 0)
		rc = -errno;
	closedir(dir);
	return rc;
}

static int names_in_pool(const struct place *place, struct names *names)
{
	struct pf_entry e = {0};
	pf_file *dir;
	int rc = pf_open(place->pool, place->path, PF_O_RDONLY | PF_O_DIRECTORY, 0, &dir);

	if (rc < 0)
		return -pf_errno(rc);
	while ((rc = pf_readdir(dir, e.cursor, &e)) > 0 &&
	       (rc = names_take(names, strdup(e.name))) == 0)
		;
	if (rc < 0 && rc != -ENOMEM)
		rc = -pf_errno(rc);
	pf_close(dir);
	return rc;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void names_sort(struct names *names)
{
	if (names->count)
		qsort(names->name, names->count, sizeof *names->name, by_name);
}

int place_names(const struct place *place, struct names *names)
{
	int rc;

	*names = (struct names){0};
	rc = place->pool ? names_in_pool(place, names) : names_on_host(place->path, names);
	names_sort(names);
	return rc;
}

void names_free(struct names *names)
{
	while (names->count)
		free(names->name[--names->count]);
	free(names->name);
	names->name = NULL;
}

int place_each(const struct place *directory,
	       int (*each)(const void *arg, const struct place *place), const void *arg)
{
	struct names names;
	int worst = EXIT_FINE, error = place_names(directory, &names);

	if (error < 0 && error != -ENOENT)
		worst = complain_at(directory, error);
	for (size_t i = 0; i < names.count; i++) {
		struct place place;

		if (!place_child(directory, names.name[i], &place)) {
			worst = EXIT_FAILED;
			break;
		}
		if (each(arg, &place) != EXIT_FINE)
			worst = EXIT_FAILED;
		free(place.path);
	}
	names_free(&names);
	return worst;
}

/* ---- changes --------------------------------------------------------------------------------------- */

static int result(const struct place *place, int rc)
{
	if (rc >= 0)
		return 0;
	return place->pool ? -pf_errno(rc) : -errno;
}

int place_mkdir(const struct place *place, mode_t mode)
{
	return result(place, place->pool
				     ? pf_mkdir(place->pool, place->path, mode & ~creation_mask())
				     : mkdir(place->path, mode));
}

int place_unlink(const struct place *place)
{
	return result(place,
		      place->pool ? pf_unlink(place->pool, place->path) : unlink(place->path));
}

int place_link(const struct place *from, const struct place *to)
{
	return result(to, to->pool ? pf_link(to->pool, from->path, to->path)
				   : link(from->path, to->path));
}

int place_symlink(const struct place *place, const char *target)
{
	return result(place, place->pool ? pf_symlink(place->pool, target, place->path)
					 : symlink(target, place->path));
}

int place_readlink(const struct place *place, char **target)
{
	char text[PF_PATH_MAX + 1];
	ssize_t n = place->pool ? pf_readlink(place->pool, place->path, text, sizeof text - 1)
				: readlink(place->path, text, sizeof text - 1);

	*target = NULL;
	if (n < 0)
		return result(place, (int)n);
	*target = strndup(text, (size_t)n);
	return *target ? 0 : -ENOMEM;
}

static uint64_t to_ns(const struct timespec *t)
{
	return t->tv_sec < 0 ? 0 : (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec;
}

/* chown(2) takes set-uid bits away, hence the mode last. */
static int set_on_host(const char *path, const struct stat *st, bool owner_and_times)
{
	const struct timespec times[] = {st->st_atim, st->st_mtim};
	mode_t mode = st->st_mode & 07777;

	if (owner_and_times && lchown(path, st->st_uid, st->st_gid) < 0) {
		if (errno != EPERM)
			return -errno;
		mode &= 01777;
	}
	if (!S_ISLNK(st->st_mode) && chmod(path, mode) < 0)
		return -errno;
	if (owner_and_times && utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

int file_set(pf_file *file, const struct stat *st, bool owner_and_times)
{
	struct pf_setattr owner = {PF_SET_UID | PF_SET_GID, .uid = st->st_uid, .gid = st->st_gid};
	struct pf_setattr a = {
		.set = (S_ISLNK(st->st_mode) ? 0 : PF_SET_MODE) |
		       (owner_and_times ? PF_SET_ATIME | PF_SET_MTIME : 0),
		.mode = st->st_mode & 07777,
		.atime_ns = to_ns(&st->st_atim),
		.mtime_ns = to_ns(&st->st_mtim),
	};
	int rc = owner_and_times ? pf_setattr(file, &owner) : 0;

	if (rc == -PF_EPERM)
		a.mode &= 01777;
	else if (rc < 0)
		return rc;
	return a.set ? pf_setattr(file, &a) : 0;
}

int place_set(const struct place *place, const struct stat *st, bool owner_and_times)
{
	pf_file *file;
	int rc;

	if (!place->pool)
		return set_on_host(place->path, st, owner_and_times);
	rc = pf_open(place->pool, place->path, PF_O_PATH | PF_O_NOFOLLOW, 0, &file);
	if (rc == 0) {
		rc = file_set(file, st, owner_and_times);
		pf_close(file);
	}
	return result(place, rc);
}
