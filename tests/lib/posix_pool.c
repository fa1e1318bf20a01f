/*
 * The calls of posix.h as calls of the library, in paths from a directory that is open. What a kernel does before it asks a file
 * system is done here: positions of descriptors, and calls that need a descriptor for writing.
 */
#include "posix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static pf_pool *pool;
static pf_file *here;
static char here_name[64];
static struct open_file {
	pf_file *file;
	unsigned flags;
	uint64_t at;
} fds[POSIX_FDS];
static char bytes[1 << 20];

static int rc(long result)
{
	return result < 0 ? -pf_errno((int)result) : 0;
}

static int count(struct posix_call *c, long result)
{
	if (result >= 0)
		snprintf(c->out, POSIX_OUT, "%ld", result);
	return rc(result);
}

void posix_pool_is(pf_pool *p)
{
	pool = p;
}

static void allow(void)
{
	struct pf_setattr set = {.set = PF_SET_MODE, .mode = 0777};

	must(pf_setattr(here, &set) == 0);
}

static void enter(const char *dir)
{
	snprintf(here_name, sizeof here_name, "%s/in", dir);
	must(pf_mkdir(pool, dir, 0755) == 0 && pf_mkdir(pool, here_name, 0755) == 0);
	must(pf_open(pool, here_name, PF_O_PATH, 0, &here) == 0);
	allow();
}

static void leave(void)
{
	char *outer;

	for (unsigned i = 0; i < POSIX_FDS; i++) {
		must(pf_close(fds[i].file) == 0);
		fds[i] = (struct open_file){0};
	}
	must(pf_close(here) == 0);
	must(asprintf(&outer, "%.*s", (int)strcspn(here_name, "/"), here_name) > 0);
	must(pf_open(pool, outer, PF_O_PATH, 0, &here) == 0);
	allow();
	must(pf_close(here) == 0 && pf_rmdir(pool, here_name) == 0 && pf_rmdir(pool, outer) == 0);
	free(outer);
}

/* What the path leads to, to be closed. */
static int find(const char *path, unsigned flags, pf_file **file)
{
	return rc(pf_openat(here, path, PF_O_PATH | flags, 0, file));
}

static int done(pf_file *file, long result)
{
	must(pf_close(file) == 0);
	return rc(result);
}

/* ---- opening ---- */

static const char *const flag_names[] = {"r",      "w",   "rw",       "creat", "excl", "trunc",
					 "append", "dir", "nofollow", "path",  "tmp"};
static const unsigned flag_values[] = {PF_O_RDONLY,   PF_O_RDWR | PF_O_WRONLY,
				       PF_O_RDWR,     PF_O_CREATE,
				       PF_O_EXCL,     PF_O_TRUNC,
				       PF_O_APPEND,   PF_O_DIRECTORY,
				       PF_O_NOFOLLOW, PF_O_PATH,
				       PF_O_TMPFILE};

static int do_open(struct posix_call *c)
{
	struct open_file *fd = &fds[posix_fd(c, 1)], new = {0};
	int error;

	new.flags = posix_flags(posix_word(c, 3, "r"), flag_names, flag_values, COUNT(flag_values));
	error = rc(pf_openat(here, c->w[2], new.flags, posix_mode(c, 4), &new.file));
	if (error < 0)
		return error;
	must(pf_close(fd->file) == 0);
	*fd = new;
	return 0;
}

static int do_create(struct posix_call *c)
{
	struct pf_setattr set = {.set = PF_SET_MODE, .mode = posix_mode(c, 2)};
	pf_file *file;
	int error = rc(pf_openat(here, c->w[1], PF_O_RDWR | PF_O_WRONLY | PF_O_CREATE | PF_O_EXCL,
				 set.mode, &file));

	return error < 0 ? error : done(file, pf_setattr(file, &set));
}

static int do_close(struct posix_call *c)
{
	struct open_file *fd = &fds[posix_fd(c, 1)];
	int error = fd->file ? rc(pf_close(fd->file)) : -EBADF;

	*fd = (struct open_file){0};
	return error;
}

/* ---- bytes ---- */

/* The file, if more can be done with it than fstat(), and, if `write`, it is open for that; or NULL. */
static struct open_file *fd_for(const struct posix_call *c, unsigned i, bool write)
{
	struct open_file *fd = &fds[posix_fd(c, i)];

	return fd->file && !(fd->flags & PF_O_PATH) && !(write && !(fd->flags & PF_O_RDWR)) ? fd
											    : NULL;
}

/* A kernel looks at numbers first. */
static bool negative(const struct posix_call *c, unsigned i)
{
	return (long)posix_number(c, i) < 0;
}

static int read_at(struct posix_call *c, struct open_file *fd, uint64_t at, uint64_t *to)
{
	ssize_t n = pf_read(fd->file, bytes, posix_number(c, c->n - 1), at);

	if (n >= 0)
		posix_show(c, bytes, (size_t)n);
	if (n > 0)
		*to = at + (uint64_t)n;
	return rc(n);
}

static int do_read(struct posix_call *c)
{
	struct open_file *fd = fd_for(c, 1, false);

	return fd ? read_at(c, fd, fd->at, &fd->at) : -EBADF;
}

static int do_pread(struct posix_call *c)
{
	struct open_file *fd = fd_for(c, 1, false);
	uint64_t unused;

	if (fd && negative(c, 2))
		return -EINVAL;
	return fd ? read_at(c, fd, posix_number(c, 2), &unused) : -EBADF;
}

static int do_write(struct posix_call *c)
{
	struct open_file *fd = fd_for(c, 1, true);
	size_t n = posix_bytes(c, 2, bytes, sizeof bytes);
	struct pf_stat st;
	ssize_t done;

	if (!fd)
		return -EBADF;
	done = pf_write(fd->file, bytes, n, fd->at);
	if (done > 0) {
		must(pf_stat(fd->file, &st) == 0);
		fd->at = fd->flags & PF_O_APPEND ? st.size : fd->at + (uint64_t)done;
	}
	return count(c, done);
}

static int do_pwrite(struct posix_call *c)
{
	struct open_file *fd = fd_for(c, 1, true);
	size_t n = posix_bytes(c, 3, bytes, sizeof bytes);

	if (fd && negative(c, 2))
		return -EINVAL;
	return fd ? count(c, pf_write(fd->file, bytes, n, posix_number(c, 2))) : -EBADF;
}

static int do_truncate(struct posix_call *c)
{
	pf_file *file;
	int error = rc(pf_openat(here, c->w[1], PF_O_RDWR | PF_O_WRONLY, 0, &file));

	if (error == 0 && negative(c, 2))
		return done(file, -EINVAL);
	return error < 0 ? error : done(file, pf_truncate(file, posix_number(c, 2), PF_DETACH, 0));
}

static int do_ftruncate(struct posix_call *c)
{
	struct open_file *fd = fd_for(c, 1, false);

	if (!fd)
		return -EBADF;
	return fd_for(c, 1, true) && !negative(c, 2)
		       ? rc(pf_truncate(fd->file, posix_number(c, 2), PF_DETACH, 0))
		       : -EINVAL;
}

static int do_fallocate(struct posix_call *c)
{
	static const char *const names[] = {"alloc", "keep", "zero", "punch"};
	static const unsigned values[] = {0, PF_ALLOC_KEEP_SIZE, PF_ALLOC_ZERO, 0};
	struct open_file *fd = fd_for(c, 1, true);
	uint64_t at = posix_number(c, 3), length = posix_number(c, 4);

	if (!fd)
		return -EBADF;
	if (negative(c, 3) || negative(c, 4))
		return -EINVAL;
	if (!strcmp(c->w[2], "punch"))
		return rc(pf_punch(fd->file, at, length, PF_DETACH, 0));
	return rc(pf_allocate(fd->file, at, length, posix_flags(c->w[2], names, values, 4)));
}

static int do_seek(struct posix_call *c)
{
	struct open_file *fd = fd_for(c, 1, false);
	uint64_t to = posix_number(c, 3);
	int64_t at = 0;
	struct pf_stat st;

	if (!fd)
		return -EBADF;
	if (!strcmp(c->w[2], "data") || !strcmp(c->w[2], "hole"))
		at = pf_seek(fd->file, to, *c->w[2] == 'd' ? PF_SEEK_DATA : PF_SEEK_HOLE);
	else if (negative(c, 3))
		return -EINVAL;
	else if (!strcmp(c->w[2], "end"))
		at = pf_stat(fd->file, &st) < 0 ? -EBADF : (int64_t)(st.size + to);
	else
		at = (int64_t)(!strcmp(c->w[2], "cur") ? fd->at + to : to);
	if (at >= 0)
		fd->at = (uint64_t)at;
	return count(c, at);
}

static int do_sync(struct posix_call *c)
{
	struct open_file *fd = fd_for(c, 1, false);

	return fd ? rc(pf_sync(fd->file)) : -EBADF;
}

/* ---- names ---- */

static int do_mkdir(struct posix_call *c)
{
	return rc(pf_mkdirat(here, c->w[1], c->n > 2 ? posix_mode(c, 2) : 0755));
}

static int do_rmdir(struct posix_call *c)
{
	return rc(pf_unlinkat(here, c->w[1], PF_UNLINK_DIRECTORY));
}

static int do_unlink(struct posix_call *c)
{
	return rc(pf_unlinkat(here, c->w[1], 0));
}

static int do_link(struct posix_call *c)
{
	return rc(pf_linkat(here, c->w[1], here, c->w[2]));
}

static int do_linkfd(struct posix_call *c)
{
	struct open_file *fd = fd_for(c, 1, false);

	return fd ? rc(pf_link_fileat(fd->file, here, c->w[2], 0)) : -EBADF;
}

static int do_symlink(struct posix_call *c)
{
	return rc(pf_symlinkat(c->w[1], here, c->w[2]));
}

static int do_readlink(struct posix_call *c)
{
	/* An empty path is what is open itself. */
	ssize_t n = !*c->w[1] ? -ENOENT
			      : pf_readlinkat(here, c->w[1], bytes,
					      c->n > 2 ? posix_number(c, 2) : PF_PATH_MAX);

	if (n >= 0)
		posix_show(c, bytes, (size_t)n);
	return rc(n);
}

static int do_rename(struct posix_call *c)
{
	static const char *const names[] = {"plain", "noreplace", "exchange"};
	static const unsigned values[] = {0, PF_RENAME_NOREPLACE, PF_RENAME_EXCHANGE};

	return rc(pf_renameat(here, c->w[1], here, c->w[2],
			      posix_flags(posix_word(c, 3, "plain"), names, values, 3)));
}

static int list(const char *path, void (*each)(void *arg, const char *name, unsigned type),
		void *arg)
{
	struct pf_entry e = {.cursor = 0};
	pf_file *dir;
	int error = rc(pf_openat(here, path, PF_O_DIRECTORY, 0, &dir)), got;

	if (error < 0)
		return error;
	while ((got = pf_readdir(dir, e.cursor, &e)) > 0)
		each(arg, e.name, e.type);
	return done(dir, got);
}

static int do_seekdir(struct posix_call *c)
{
	static uint64_t place[4096];
	struct posix_names names = {0};
	struct pf_entry e = {.cursor = 0};
	pf_file *dir;
	int error = rc(pf_openat(here, c->w[1], PF_O_DIRECTORY, 0, &dir));

	if (error < 0)
		return error;
	while (pf_readdir(dir, place[names.n] = e.cursor, &e) > 0)
		posix_add_name(&names, e.name, 0);
	for (unsigned i = names.n; i-- > 0;) {
		must(pf_readdir(dir, place[i], &e) == 1);
		must(!strcmp(e.name, names.name[i]));
	}
	snprintf(c->out, POSIX_OUT, "%u", names.n);
	posix_free_names(&names);
	return done(dir, 0);
}

/* ---- attributes ---- */

static struct timespec time_of(uint64_t ns)
{
	return (struct timespec){(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
}

static void to_stat(const struct pf_stat *from, struct stat *st)
{
	*st = (struct stat){.st_ino = from->inode,
			    .st_mode = from->mode,
			    .st_nlink = from->nlink,
			    .st_uid = from->uid,
			    .st_gid = from->gid,
			    .st_size = (off_t)from->size,
			    .st_blocks = (blkcnt_t)(from->allocated / 512),
			    .st_atim = time_of(from->atime_ns),
			    .st_mtim = time_of(from->mtime_ns),
			    .st_ctim = time_of(from->ctime_ns)};
}

static int stat_of(const char *path, struct stat *st)
{
	struct pf_stat ours;
	int error = rc(pf_statat(here, path, PF_O_NOFOLLOW, &ours));

	if (error == 0)
		to_stat(&ours, st);
	return error;
}

static int set_mode(const char *path, mode_t mode)
{
	struct pf_setattr set = {.set = PF_SET_MODE, .mode = mode};
	pf_file *file;
	int error = find(path, PF_O_NOFOLLOW, &file);

	return error < 0 ? error : done(file, pf_setattr(file, &set));
}

static int remove_path(const char *path, bool directory)
{
	return rc(pf_unlinkat(here, path, directory ? PF_UNLINK_DIRECTORY : 0));
}

static int show(struct posix_call *c, int result, const struct pf_stat *ours)
{
	struct stat st;

	if (result < 0)
		return rc(result);
	to_stat(ours, &st);
	posix_show_stat(c, &st);
	return 0;
}

static int do_stat(struct posix_call *c)
{
	struct pf_stat st;

	return show(c, pf_statat(here, c->w[1], 0, &st), &st);
}

static int do_lstat(struct posix_call *c)
{
	struct pf_stat st;

	return show(c, pf_statat(here, c->w[1], PF_O_NOFOLLOW, &st), &st);
}

static int do_fstat(struct posix_call *c)
{
	pf_file *file = fds[posix_fd(c, 1)].file;
	struct pf_stat st;

	return file ? show(c, pf_stat(file, &st), &st) : -EBADF;
}

/* pf_access() takes paths from the root. */
static int do_access(struct posix_call *c)
{
	static const char *const names[] = {"f", "r", "w", "x"};
	static const unsigned values[] = {F_OK, R_OK, W_OK, X_OK};
	size_t long_before = strlen(here_name) + 1;
	char *path;
	int error;

	if (!*c->w[1] || strlen(c->w[1]) + long_before > PF_PATH_MAX)
		return !*c->w[1] ? -ENOENT : strlen(c->w[1]) > PF_PATH_MAX ? -ENAMETOOLONG : 0;
	must(asprintf(&path, "%s/%s", here_name, c->w[1]) > 0);
	error = rc(pf_access(pool, path, (int)posix_flags(c->w[2], names, values, 4)));
	free(path);
	return error;
}

static int set_by_path(struct posix_call *c, unsigned flags, const struct pf_setattr *set)
{
	pf_file *file;
	int error = find(c->w[1], flags, &file);

	return error < 0 ? error : done(file, pf_setattr(file, set));
}

static int set_by_fd(struct posix_call *c, const struct pf_setattr *set)
{
	struct open_file *fd = fd_for(c, 1, false);

	return fd ? rc(pf_setattr(fd->file, set)) : -EBADF;
}

static int do_chmod(struct posix_call *c)
{
	struct pf_setattr set = {.set = PF_SET_MODE, .mode = posix_mode(c, 2)};

	return set_by_path(c, 0, &set);
}

static int do_fchmod(struct posix_call *c)
{
	struct pf_setattr set = {.set = PF_SET_MODE, .mode = posix_mode(c, 2)};

	return set_by_fd(c, &set);
}

static struct pf_setattr owner_of(const struct posix_call *c)
{
	struct pf_setattr set = {.uid = (uint32_t)posix_number(c, 2),
				 .gid = (uint32_t)posix_number(c, 3)};

	set.set = (set.uid != ~0u ? PF_SET_UID : 0) | (set.gid != ~0u ? PF_SET_GID : 0);
	return set;
}

static int do_chown(struct posix_call *c)
{
	struct pf_setattr set = owner_of(c);

	return set_by_path(c, 0, &set);
}

static int do_lchown(struct posix_call *c)
{
	struct pf_setattr set = owner_of(c);

	return set_by_path(c, PF_O_NOFOLLOW, &set);
}

static int do_fchown(struct posix_call *c)
{
	struct pf_setattr set = owner_of(c);

	return set_by_fd(c, &set);
}

static uint64_t ns_of(struct timespec t)
{
	return t.tv_nsec == UTIME_NOW ? PF_NOW
				      : (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static struct pf_setattr times_of(const struct posix_call *c)
{
	struct timespec a = posix_time(c->w[2]), m = posix_time(c->w[3]);
	struct pf_setattr set = {.atime_ns = ns_of(a), .mtime_ns = ns_of(m)};

	set.set = (a.tv_nsec != UTIME_OMIT ? PF_SET_ATIME : 0) |
		  (m.tv_nsec != UTIME_OMIT ? PF_SET_MTIME : 0);
	return set;
}

static int do_utime(struct posix_call *c)
{
	struct pf_setattr set = times_of(c);

	return set_by_path(c, 0, &set);
}

static int do_lutime(struct posix_call *c)
{
	struct pf_setattr set = times_of(c);

	return set_by_path(c, PF_O_NOFOLLOW, &set);
}

static int do_futime(struct posix_call *c)
{
	struct pf_setattr set = times_of(c);

	return set_by_fd(c, &set);
}

static int do_setx(struct posix_call *c)
{
	static const char *const names[] = {"any", "create", "replace"};
	static const unsigned values[] = {0, PF_XATTR_CREATE, PF_XATTR_REPLACE};
	size_t n = posix_bytes(c, 3, bytes, sizeof bytes);
	pf_file *file;
	int error = find(c->w[1], 0, &file);

	if (error < 0)
		return error;
	return done(file, pf_setxattr(file, c->w[2], bytes, n,
				      posix_flags(posix_word(c, 4, "any"), names, values, 3)));
}

static int do_getx(struct posix_call *c)
{
	pf_file *file;
	int error = find(c->w[1], 0, &file);
	ssize_t n;

	if (error < 0)
		return error;
	n = pf_getxattr(file, c->w[2], bytes, c->n > 3 ? posix_number(c, 3) : 4096);
	if (n >= 0 && c->n > 3)
		snprintf(c->out, POSIX_OUT, "%zd", n);
	else if (n >= 0)
		posix_show(c, bytes, (size_t)n);
	return done(file, n);
}

static int do_listx(struct posix_call *c)
{
	pf_file *file;
	int error = find(c->w[1], 0, &file);
	ssize_t n;

	if (error < 0)
		return error;
	n = pf_listxattr(file, bytes, c->n > 2 ? posix_number(c, 2) : 65536);
	if (n >= 0)
		snprintf(c->out, POSIX_OUT, "%zd", n);
	return done(file, n);
}

static int do_rmx(struct posix_call *c)
{
	pf_file *file;
	int error = find(c->w[1], 0, &file);

	return error < 0 ? error : done(file, pf_removexattr(file, c->w[2]));
}

const struct posix_fs posix_pool =
	{.name = "library",
	 .enter = enter,
	 .leave = leave,
	 .stat = stat_of,
	 .allow = allow,
	 .set_mode = set_mode,
	 .remove = remove_path,
	 .list = list,
	 .verbs = (const struct posix_verb_name[]){{"open", do_open},
						   {"create", do_create},
						   {"close", do_close},
						   {"read", do_read},
						   {"pread", do_pread},
						   {"write", do_write},
						   {"pwrite", do_pwrite},
						   {"truncate", do_truncate},
						   {"ftruncate", do_ftruncate},
						   {"fallocate", do_fallocate},
						   {"seek", do_seek},
						   {"sync", do_sync},
						   {"mkdir", do_mkdir},
						   {"rmdir", do_rmdir},
						   {"unlink", do_unlink},
						   {"link", do_link},
						   {"linkfd", do_linkfd},
						   {"symlink", do_symlink},
						   {"readlink", do_readlink},
						   {"rename", do_rename},
						   {"seekdir", do_seekdir},
						   {"stat", do_stat},
						   {"lstat", do_lstat},
						   {"fstat", do_fstat},
						   {"access", do_access},
						   {"chmod", do_chmod},
						   {"fchmod", do_fchmod},
						   {"chown", do_chown},
						   {"lchown", do_lchown},
						   {"fchown", do_fchown},
						   {"utime", do_utime},
						   {"lutime", do_lutime},
						   {"futime", do_futime},
						   {"setx", do_setx},
						   {"getx", do_getx},
						   {"listx", do_listx},
						   {"rmx", do_rmx},
						   {NULL, NULL}}};
