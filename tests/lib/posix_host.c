/* The calls of posix.h as system calls. */
#include "posix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <linux/falloc.h>

#include "test.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static int root = -1, here = -1;
static const char *outer; /* where the script is in "in" */
static int fds[POSIX_FDS] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
static pid_t running;
static char bytes[1 << 20];

static int rc(long result)
{
	return result < 0 ? -errno : 0;
}

/* A number of bytes, or an error. */
static int count(struct posix_call *c, long result)
{
	if (result >= 0)
		snprintf(c->out, POSIX_OUT, "%ld", result);
	return rc(result);
}

static int fd_of(const struct posix_call *c, unsigned i)
{
	return fds[posix_fd(c, i)];
}

void posix_host_at(const char *dir)
{
	if (root >= 0)
		close(root);
	root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 || fchdir(root) < 0)
		test_fail(__FILE__, __LINE__, "%s: %s", dir, root < 0 ? "open" : "chdir");
}

static void enter(const char *dir)
{
	outer = dir;
	must(fchdir(root) == 0);
	must(mkdir(dir, 0755) == 0);
	must(chdir(dir) == 0);
	must(mkdir("in", 0755) == 0);
	must(chmod("in", 0777) == 0);
	must(chdir("in") == 0);
	here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(here >= 0);
}

static void stop_running(void)
{
	if (running > 0) {
		kill(running, SIGKILL);
		test_wait(running, TEST_PATIENCE);
	}
	running = 0;
}

static void leave(void)
{
	stop_running();
	for (unsigned i = 0; i < POSIX_FDS; i++)
		if (fds[i] >= 0)
			close(fds[i]), fds[i] = -1;
	close(here);
	must(fchdir(root) == 0);
	must(chmod(outer, 0755) == 0);
	must(chdir(outer) == 0);
	must(rmdir("in") == 0);
	must(fchdir(root) == 0);
	must(rmdir(outer) == 0);
}

/* ---- opening ---- */

static const char *const flag_names[] = {"r",      "w",   "rw",       "creat", "excl", "trunc",
					 "append", "dir", "nofollow", "path",  "tmp"};
static const unsigned flag_values[] = {O_RDONLY,   O_WRONLY, O_RDWR,   O_CREAT,
				       O_EXCL,     O_TRUNC,  O_APPEND, O_DIRECTORY,
				       O_NOFOLLOW, O_PATH,   O_TMPFILE};

static int do_open(struct posix_call *c)
{
	unsigned at = posix_fd(c, 1);
	unsigned flags =
		posix_flags(posix_word(c, 3, "r"), flag_names, flag_values, COUNT(flag_values));
	int fd = open(c->w[2], (int)(flags | O_CLOEXEC), posix_mode(c, 4));

	if (fd < 0)
		return -errno;
	if (fds[at] >= 0)
		close(fds[at]);
	fds[at] = fd;
	return 0;
}

static int do_create(struct posix_call *c)
{
	mode_t mode = posix_mode(c, 2);
	int fd = open(c->w[1], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode), error;

	if (fd < 0)
		return -errno;
	error = rc(fchmod(fd, mode));
	close(fd);
	return error;
}

static int do_close(struct posix_call *c)
{
	int fd = fd_of(c, 1);

	fds[posix_fd(c, 1)] = -1;
	return rc(close(fd));
}

/* ---- bytes ---- */

static int do_read(struct posix_call *c)
{
	ssize_t n = read(fd_of(c, 1), bytes, posix_number(c, 2));

	if (n >= 0)
		posix_show(c, bytes, (size_t)n);
	return rc(n);
}

static int do_pread(struct posix_call *c)
{
	ssize_t n = pread(fd_of(c, 1), bytes, posix_number(c, 3), (off_t)posix_number(c, 2));

	if (n >= 0)
		posix_show(c, bytes, (size_t)n);
	return rc(n);
}

static int do_write(struct posix_call *c)
{
	size_t n = posix_bytes(c, 2, bytes, sizeof bytes);

	return count(c, write(fd_of(c, 1), bytes, n));
}

static int do_pwrite(struct posix_call *c)
{
	size_t n = posix_bytes(c, 3, bytes, sizeof bytes);

	return count(c, pwrite(fd_of(c, 1), bytes, n, (off_t)posix_number(c, 2)));
}

static int do_truncate(struct posix_call *c)
{
	return rc(truncate(c->w[1], (off_t)posix_number(c, 2)));
}

static int do_ftruncate(struct posix_call *c)
{
	return rc(ftruncate(fd_of(c, 1), (off_t)posix_number(c, 2)));
}

static const char *const alloc_names[] = {"alloc", "keep", "punch", "zero"};
static const unsigned alloc_values[] = {0, FALLOC_FL_KEEP_SIZE,
					FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					FALLOC_FL_ZERO_RANGE};

static int do_fallocate(struct posix_call *c)
{
	unsigned mode = posix_flags(c->w[2], alloc_names, alloc_values, COUNT(alloc_values));
	off_t at = (off_t)posix_number(c, 3), length = (off_t)posix_number(c, 4);
	int fd = fd_of(c, 1), error = rc(fallocate(fd, (int)mode, at, length));

	/* What tmpfs does not have: the same in two steps. */
	if (error == -EOPNOTSUPP && mode & FALLOC_FL_ZERO_RANGE) {
		error = rc(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, length));
		if (error == 0)
			error = rc(fallocate(fd, (int)mode & FALLOC_FL_KEEP_SIZE, at, length));
	}
	return error;
}

static int do_seek(struct posix_call *c)
{
	const char *what = c->w[2];
	int whence = !strcmp(what, "data")   ? SEEK_DATA
		     : !strcmp(what, "hole") ? SEEK_HOLE
		     : !strcmp(what, "end")  ? SEEK_END
		     : !strcmp(what, "cur")  ? SEEK_CUR
					     : SEEK_SET;

	return count(c, lseek(fd_of(c, 1), (off_t)posix_number(c, 3), whence));
}

static int do_copy(struct posix_call *c)
{
	off_t from = (off_t)posix_number(c, 2), to = (off_t)posix_number(c, 4);

	return count(c,
		     copy_file_range(fd_of(c, 1), &from, fd_of(c, 3), &to, posix_number(c, 5), 0));
}

static int do_sync(struct posix_call *c)
{
	return rc(fsync(fd_of(c, 1)));
}

/* ---- names ---- */

static int do_mkdir(struct posix_call *c)
{
	return rc(mkdir(c->w[1], c->n > 2 ? posix_mode(c, 2) : 0755));
}

static int do_rmdir(struct posix_call *c)
{
	return rc(rmdir(c->w[1]));
}

static int do_unlink(struct posix_call *c)
{
	return rc(unlink(c->w[1]));
}

static int do_link(struct posix_call *c)
{
	return rc(link(c->w[1], c->w[2]));
}

/* As a process without CAP_DAC_READ_SEARCH does it. */
static int do_linkfd(struct posix_call *c)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd_of(c, 1));
	return rc(linkat(AT_FDCWD, path, AT_FDCWD, c->w[2], AT_SYMLINK_FOLLOW));
}

static int do_symlink(struct posix_call *c)
{
	return rc(symlink(c->w[1], c->w[2]));
}

static int do_readlink(struct posix_call *c)
{
	ssize_t n = readlink(c->w[1], bytes, c->n > 2 ? posix_number(c, 2) : PF_PATH_MAX);

	if (n >= 0)
		posix_show(c, bytes, (size_t)n);
	return rc(n);
}

static const char *const rename_names[] = {"plain", "noreplace", "exchange"};
static const unsigned rename_values[] = {0, RENAME_NOREPLACE, RENAME_EXCHANGE};

static int do_rename(struct posix_call *c)
{
	unsigned flags = posix_flags(posix_word(c, 3, "plain"), rename_names, rename_values,
				     COUNT(rename_values));

	return rc(renameat2(AT_FDCWD, c->w[1], AT_FDCWD, c->w[2], flags));
}

static int list(const char *path, void (*each)(void *arg, const char *name, unsigned type),
		void *arg)
{
	DIR *dir = opendir(path);
	struct dirent *e;

	if (!dir)
		return -errno;
	while ((e = readdir(dir)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			each(arg, e->d_name, DTTOIF(e->d_type));
	closedir(dir);
	return 0;
}

/* From each place in the directory the same entry comes again. */
static int do_seekdir(struct posix_call *c)
{
	static long place[4096];
	struct posix_names names = {0};
	DIR *dir = opendir(c->w[1]);
	struct dirent *e;

	if (!dir)
		return -errno;
	for (place[0] = telldir(dir); (e = readdir(dir)); place[names.n] = telldir(dir))
		posix_add_name(&names, e->d_name, 0);
	for (unsigned i = names.n; i-- > 0;) {
		seekdir(dir, place[i]);
		e = readdir(dir);
		if (!e || strcmp(e->d_name, names.name[i]))
			test_fail(__FILE__, __LINE__, "entry %u: %s, not %s", i,
				  e ? e->d_name : "the end", names.name[i]);
	}
	rewinddir(dir);
	must(readdir(dir));
	snprintf(c->out, POSIX_OUT, "%u", names.n - 2);
	posix_free_names(&names);
	closedir(dir);
	return 0;
}

/* ---- attributes ---- */

static int stat_of(const char *path, struct stat *st)
{
	return rc(lstat(path, st));
}

static void allow(void)
{
	must(fchmod(here, 0777) == 0);
}

static int set_mode(const char *path, mode_t mode)
{
	return rc(chmod(path, mode));
}

static int remove_path(const char *path, bool directory)
{
	return rc(directory ? rmdir(path) : unlink(path));
}

static int show(struct posix_call *c, int error, const struct stat *st)
{
	if (error < 0)
		return -errno;
	posix_show_stat(c, st);
	return 0;
}

static int do_stat(struct posix_call *c)
{
	struct stat st;

	return show(c, stat(c->w[1], &st), &st);
}

static int do_lstat(struct posix_call *c)
{
	struct stat st;

	return show(c, lstat(c->w[1], &st), &st);
}

static int do_fstat(struct posix_call *c)
{
	struct stat st;

	return show(c, fstat(fd_of(c, 1), &st), &st);
}

static int do_access(struct posix_call *c)
{
	static const char *const names[] = {"f", "r", "w", "x"};
	static const unsigned values[] = {F_OK, R_OK, W_OK, X_OK};

	return rc(faccessat(AT_FDCWD, c->w[1], (int)posix_flags(c->w[2], names, values, 4),
			    AT_EACCESS));
}

static int do_chmod(struct posix_call *c)
{
	return rc(chmod(c->w[1], posix_mode(c, 2)));
}

static int do_fchmod(struct posix_call *c)
{
	return rc(fchmod(fd_of(c, 1), posix_mode(c, 2)));
}

static int do_chown(struct posix_call *c)
{
	return rc(chown(c->w[1], (uid_t)posix_number(c, 2), (gid_t)posix_number(c, 3)));
}

static int do_lchown(struct posix_call *c)
{
	return rc(lchown(c->w[1], (uid_t)posix_number(c, 2), (gid_t)posix_number(c, 3)));
}

static int do_fchown(struct posix_call *c)
{
	return rc(fchown(fd_of(c, 1), (uid_t)posix_number(c, 2), (gid_t)posix_number(c, 3)));
}

static int set_times(struct posix_call *c, int dir, const char *path, int flags)
{
	struct timespec t[2] = {posix_time(c->w[2]), posix_time(c->w[3])};

	return rc(path ? utimensat(dir, path, t, flags) : futimens(dir, t));
}

static int do_utime(struct posix_call *c)
{
	return set_times(c, AT_FDCWD, c->w[1], 0);
}

static int do_lutime(struct posix_call *c)
{
	return set_times(c, AT_FDCWD, c->w[1], AT_SYMLINK_NOFOLLOW);
}

static int do_futime(struct posix_call *c)
{
	return set_times(c, fd_of(c, 1), NULL, 0);
}

static int do_setx(struct posix_call *c)
{
	static const char *const names[] = {"any", "create", "replace"};
	static const unsigned values[] = {0, XATTR_CREATE, XATTR_REPLACE};
	size_t n = posix_bytes(c, 3, bytes, sizeof bytes);

	return rc(setxattr(c->w[1], c->w[2], bytes, n,
			   (int)posix_flags(posix_word(c, 4, "any"), names, values, 3)));
}

static int do_getx(struct posix_call *c)
{
	ssize_t n = getxattr(c->w[1], c->w[2], bytes, c->n > 3 ? posix_number(c, 3) : 4096);

	if (n >= 0 && c->n > 3)
		snprintf(c->out, POSIX_OUT, "%zd", n);
	else if (n >= 0)
		posix_show(c, bytes, (size_t)n);
	return rc(n);
}

static int do_listx(struct posix_call *c)
{
	ssize_t n = listxattr(c->w[1], bytes, c->n > 2 ? posix_number(c, 2) : 65536);

	return count(c, n);
}

static int do_rmx(struct posix_call *c)
{
	return rc(removexattr(c->w[1], c->w[2]));
}

/* ---- programs ---- */

static int do_program(struct posix_call *c)
{
	int from = open("/bin/cat", O_RDONLY | O_CLOEXEC);
	int to = open(c->w[1], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	ssize_t n;

	must(from >= 0 && to >= 0);
	while ((n = read(from, bytes, sizeof bytes)) > 0)
		must(write(to, bytes, (size_t)n) == n);
	must(fchmod(to, 0755) == 0);
	close(from);
	return rc(close(to));
}

static int wait_for_ever(void *arg)
{
	struct posix_call *c = ((void **)arg)[0];
	int *ends = ((void **)arg)[1], error;

	dup2(ends[0], 0);
	execl(c->w[1], "cat", NULL);
	error = errno;
	if (write(ends[1], &error, sizeof error) < 0)
		return 1;
	return 1;
}

/* Runs it, until the script is over. */
static int do_run(struct posix_call *c)
{
	int in[2], out[2], error = 0, ends[2];
	void *arg[2] = {c, ends};

	must(pipe2(in, 0) == 0 && pipe2(out, O_CLOEXEC) == 0);
	ends[0] = in[0];
	ends[1] = out[1];
	running = test_fork(wait_for_ever, arg);
	close(out[1]);
	if (read(out[0], &error, sizeof error) < 0)
		error = errno;
	close(out[0]);
	close(in[0]);
	close(in[1]);
	/* It has what is open here, until it is gone. */
	if (error) {
		test_wait(running, TEST_PATIENCE);
		running = 0;
	}
	return -error;
}

const struct posix_fs posix_host =
	{.name = "tmpfs",
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
						   {"copy", do_copy},
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
						   {"program", do_program},
						   {"run", do_run},
						   {NULL, NULL}}};
