/* The tree of the demonstration: reading the source, putting it into the pool, comparing. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run_tree.h"

#define ENTRIES_MAX 50000
#define BIGGEST     (64ul << 20) /* of one source file */
#define FEW         40           /* entries below a directory that is moved and removed */

/* ---- the source ------------------------------------------------------------------------------------ */

static struct tree *reading; /* nftw() has no argument for it */
static size_t room;

/* Whether the name would be taken for one that a process made. */
static int has_suffix(const char *name, size_t length)
{
	return length > 1 && name[length - 2] == '~' && name[length - 1] >= '0' &&
	       name[length - 1] <= '9';
}

static int fits(const struct tree *t, const char *name, const char *path, int type,
		const struct stat *st)
{
	const char *last = strrchr(name, '/');

	last = last ? last + 1 : name;
	if (t->count == ENTRIES_MAX || strlen(name) > PATH_BYTES / 2 ||
	    strlen(last) > PF_NAME_MAX - 2 || has_suffix(last, strlen(last)))
		return 0;
	if (type == FTW_F)
		return S_ISREG(st->st_mode) && (size_t)st->st_size <= BIGGEST &&
		       t->bytes + (size_t)st->st_size <= room && access(path, R_OK) == 0;
	return type == FTW_D || type == FTW_SL;
}

static char *read_target(const char *path)
{
	char text[PF_PATH_MAX + 1];
	ssize_t n = readlink(path, text, sizeof text - 1);

	return n > 0 ? strndup(text, (size_t)n) : NULL;
}

static int add_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	struct tree *t = reading;
	const char *name = path + strlen(t->root) + 1;
	struct entry *e = &t->entry[t->count];

	if (!ftw->level)
		return FTW_CONTINUE;
	if (!fits(t, name, path, type, st)) {
		t->skipped++;
		return type == FTW_D ? FTW_SKIP_SUBTREE : FTW_CONTINUE;
	}
	*e = (struct entry){.name = strdup(name), .mode = st->st_mode & (S_IFMT | 0777)};
	if (type == FTW_SL)
		e->target = read_target(path);
	if (!e->name || (type == FTW_SL && !e->target))
		return FTW_STOP;
	e->mode |= type == FTW_D ? 0700 : type == FTW_F ? 0600 : 0;
	e->size = type == FTW_F ? (size_t)st->st_size : 0;
	t->bytes += (e->size + PF_PAGE_SIZE - 1) & ~(size_t)(PF_PAGE_SIZE - 1);
	t->files += type == FTW_F;
	t->directories += type == FTW_D;
	t->links += type == FTW_SL;
	t->count++;
	return FTW_CONTINUE;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static int larger_first(const void *a, const void *b)
{
	const struct entry *x = *(const struct entry *const *)a;
	const struct entry *y = *(const struct entry *const *)b;

	return x->size < y->size ? 1 : x->size > y->size ? -1 : strcmp(x->name, y->name);
}

/* Where the name is, seen from what is below the directory: < 0 before that, 0 in it. */
static int beside(const char *name, const struct entry *directory)
{
	size_t length = strlen(directory->name);
	int order = strncmp(name, directory->name, length);

	return order ? order : (unsigned char)name[length] - '/';
}

/* How many entries are below it; they begin at *first. */
static size_t below(const struct tree *t, const struct entry *directory, size_t *first)
{
	size_t at = (size_t)(directory - t->entry), end;

	while (at < t->count && beside(t->entry[at].name, directory) < 0)
		at++;
	*first = end = at;
	while (end < t->count && !beside(t->entry[end].name, directory))
		end++;
	return end - at;
}

static int index_entries(struct tree *t)
{
	size_t files = 0, first, n;

	qsort(t->entry, t->count, sizeof *t->entry, by_name);
	t->by_size = calloc(t->files + 1, sizeof *t->by_size);
	t->small = calloc(t->directories + 1, sizeof *t->small);
	if (!t->by_size || !t->small)
		return -1;
	for (size_t i = 0; i < t->count; i++)
		if (S_ISREG(t->entry[i].mode)) {
			t->by_size[files++] = &t->entry[i];
		} else if (S_ISDIR(t->entry[i].mode)) {
			n = below(t, &t->entry[i], &first);
			if (n && n <= FEW)
				t->small[t->small_count++] = &t->entry[i];
		}
	qsort(t->by_size, t->files, sizeof *t->by_size, larger_first);
	return 0;
}

int tree_read(struct tree *t, const char *root, size_t budget)
{
	struct stat st;

	*t = (struct tree){.root = root, .entry = calloc(ENTRIES_MAX, sizeof *t->entry)};
	reading = t;
	room = budget;
	if (stat(root, &st) == 0 && !S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		return -1;
	}
	if (!t->entry || nftw(root, add_entry, 16, FTW_PHYS | FTW_ACTIONRETVAL) != 0)
		return -1;
	return index_entries(t);
}

static int open_source(const struct tree *t, const struct entry *e)
{
	char path[2 * PATH_BYTES];

	snprintf(path, sizeof path, "%s/%s", t->root, e->name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

char *tree_bytes(const struct tree *t, const struct entry *e)
{
	char *bytes = malloc(e->size + 1);
	int fd = open_source(t, e);
	size_t at = 0;

	while (bytes && fd >= 0 && at < e->size) {
		ssize_t n = read(fd, bytes + at, e->size - at);

		if (n <= 0)
			break;
		at += (size_t)n;
	}
	if (fd >= 0)
		close(fd);
	if (fd >= 0 && at == e->size)
		return bytes;
	free(bytes);
	return NULL;
}

/* ---- into the pool --------------------------------------------------------------------------------- */

/* The directory that the name is in: "" is the root. */
static void parent_of(const char *name, char parent[PATH_BYTES])
{
	const char *slash = strrchr(name, '/');

	snprintf(parent, PATH_BYTES, "/%.*s", slash ? (int)(slash - name) : 0, name);
}

static const struct entry *find(const struct tree *t, const char *name)
{
	struct entry key = {.name = (char *)name};

	return bsearch(&key, t->entry, t->count, sizeof *t->entry, by_name);
}

/* Without a name until it is whole: who is killed here leaves nothing. */
static int put_file(const struct tree *t, pf_pool *pool, const struct entry *e)
{
	char parent[PATH_BYTES], *bytes = tree_bytes(t, e);
	pf_file *file;
	int rc;

	if (!bytes)
		return -EIO;
	parent_of(e->name, parent);
	rc = pf_open(pool, parent, PF_O_RDWR | PF_O_TMPFILE, e->mode & 0777, &file);
	if (rc == 0) {
		if (e->size)
			rc = pf_allocate(file, 0, e->size, 0);
		if (rc == 0 && pf_write(file, bytes, e->size, 0) != (ssize_t)e->size)
			rc = -EIO;
		if (rc == 0)
			rc = pf_link_file(file, e->name, PF_LINK_REPLACE);
		pf_close(file);
	}
	free(bytes);
	return rc;
}

static int put(const struct tree *t, pf_pool *pool, const struct entry *e)
{
	int rc;

	if (S_ISREG(e->mode))
		return put_file(t, pool, e);
	rc = S_ISDIR(e->mode) ? pf_mkdir(pool, e->name, e->mode & 0777)
			      : pf_symlink(pool, e->target, e->name);
	return rc == -PF_EFILEEXISTS ? 0 : rc;
}

int tree_put(const struct tree *t, pf_pool *pool, const struct entry *e)
{
	int rc = put(t, pool, e);
	char parent[PATH_BYTES];
	const struct entry *directory;

	if (rc != -PF_ENOFILE)
		return rc;
	parent_of(e->name, parent);
	directory = find(t, parent + 1);
	rc = directory ? tree_put(t, pool, directory) : rc;
	return rc < 0 ? rc : put(t, pool, e);
}

int tree_put_below(const struct tree *t, pf_pool *pool, const struct entry *directory)
{
	size_t first, n = below(t, directory, &first);
	int rc = tree_put(t, pool, directory);

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = tree_put(t, pool, &t->entry[first + i]);
	return rc;
}

/* Calls `each` with the path and type of everything in a directory ("": the root), which `each` may remove. Negative: it ends. */
static int for_entries(pf_pool *pool, const char *path,
		       int (*each)(void *arg, pf_pool *pool, const char *path, mode_t type),
		       void *arg)
{
	struct pf_entry e = {0};
	pf_file *directory;
	int rc = pf_open(pool, *path ? path : "/", PF_O_RDONLY | PF_O_DIRECTORY, 0, &directory);
	char *child = malloc(PATH_BYTES);

	if (rc == 0) {
		while (child && (rc = pf_readdir(directory, e.cursor, &e)) > 0) {
			snprintf(child, PATH_BYTES, "%s%s%s", path, *path ? "/" : "", e.name);
			rc = each(arg, pool, child, e.type);
			if (rc < 0)
				break;
		}
		pf_close(directory);
	}
	free(child);
	return rc;
}

static int remove_each(void *arg, pf_pool *pool, const char *path, mode_t type)
{
	(void)arg, (void)type;
	tree_remove(pool, path);
	return 0;
}

void tree_remove(pf_pool *pool, const char *path)
{
	if (pf_unlink(pool, path) != -PF_EISDIR)
		return;
	for_entries(pool, path, remove_each, NULL);
	pf_rmdir(pool, path);
}

/* ---- comparing ------------------------------------------------------------------------------------- */

struct comparison {
	const struct tree *tree;
	struct difference *difference;
	int whole;
};

/* The name in the source of what is at `path`. */
static void source_name(const char *path, char name[PATH_BYTES])
{
	size_t n = 0;

	for (; *path; path++) {
		if (has_suffix(path, strcspn(path, "/") == 2 ? 2 : 0)) {
			path++;
			continue;
		}
		name[n++] = *path;
	}
	name[n] = 0;
}

static void compare_bytes(struct comparison *c, pf_pool *pool, const char *path,
			  const struct entry *e, size_t size)
{
	char *wanted = tree_bytes(c->tree, e), *is = malloc(size + 1);
	pf_file *file;

	if (!wanted || !is || pf_open(pool, path, PF_O_RDONLY, 0, &file) < 0) {
		c->difference->names++;
	} else {
		if (pf_read(file, is, size, 0) != (ssize_t)size || memcmp(is, wanted, size))
			c->difference->bytes++;
		pf_close(file);
	}
	free(wanted);
	free(is);
}

static int same_target(pf_pool *pool, const char *path, const char *target)
{
	char text[PF_PATH_MAX + 1];
	ssize_t n = pf_readlink(pool, path, text, sizeof text);

	return n == (ssize_t)strlen(target) && !memcmp(text, target, (size_t)n);
}

static int same_entry(const struct comparison *c, pf_pool *pool, const char *path,
		      const struct entry *e, const struct pf_stat *s)
{
	if (S_ISLNK(e->mode))
		return S_ISLNK(s->mode) && same_target(pool, path, e->target);
	if (s->mode != e->mode)
		return 0;
	return S_ISDIR(e->mode) || s->size == e->size || (!c->whole && s->size < e->size);
}

static int compare_entry(void *arg, pf_pool *pool, const char *path, mode_t type)
{
	struct comparison *c = arg;
	char *name = malloc(PATH_BYTES);
	const struct entry *e;
	struct pf_stat s;

	(void)type;
	if (!name)
		return -ENOMEM;
	source_name(path, name);
	e = c->whole && strcmp(name, path) ? NULL : find(c->tree, name);
	free(name);
	c->difference->seen++;
	if (!e || pf_stat_path(pool, path, PF_O_NOFOLLOW, &s) < 0 ||
	    !same_entry(c, pool, path, e, &s)) {
		printf("does not belong there: %s\n", path);
		c->difference->names++;
		return 0;
	}
	if (S_ISREG(e->mode))
		compare_bytes(c, pool, path, e, s.size);
	return S_ISDIR(e->mode) ? for_entries(pool, path, compare_entry, c) : 0;
}

int tree_compare(const struct tree *t, pf_pool *pool, int whole, struct difference *d)
{
	struct comparison c = {t, d, whole};
	int rc;

	*d = (struct difference){0};
	rc = for_entries(pool, "", compare_entry, &c);
	if (rc == 0 && whole && d->seen != t->count)
		d->names += d->seen < t->count ? t->count - d->seen : 1;
	return rc;
}

static int remove_stray(void *arg, pf_pool *pool, const char *path, mode_t type)
{
	(void)arg;
	if (has_suffix(path, strlen(path)))
		tree_remove(pool, path);
	else if (S_ISDIR(type))
		return tree_remove_strays(pool, path);
	return 0;
}

int tree_remove_strays(pf_pool *pool, const char *path)
{
	return for_entries(pool, path, remove_stray, NULL);
}
