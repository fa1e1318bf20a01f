/* Paths that begin at an open directory lead where the host's do: each call beside the system call of that name, on a tree like it on tmpfs. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool.h"

static pf_pool *pool;
static pf_file *root, *sub, *gone, *plain;
static int host_root, host_sub, host_gone, host_plain;

static int host(long rc)
{
	return rc < 0 ? errno : 0;
}

static int ours(long rc)
{
	return rc < 0 ? pf_errno((int)rc) : 0;
}

static void must_be_same(int line, const char *what, int a, int b)
{
	if (a != b)
		test_fail(__FILE__, line, "%s: %s, the host says %s", what, strerror(a),
			  strerror(b));
}

#define SAME(what, pool_call, host_call) \
	must_be_same(__LINE__, what, ours(pool_call), host(host_call))

static const char *const paths[] = {"f",    "../f", "d",      "d/f",   "./d/../f", "",  ".",
				    "..",   "none", "none/f", "f/",    "d/",       "l", "l/f",
				    "loop", "/",    "/f",     "a/b/c", "out"};

static long open_host(int dir, const char *path, int flags)
{
	char absolute[PF_PATH_MAX + 1];
	int fd;

	/* The pool's root is the root of its paths. */
	if (*path == '/') {
		snprintf(absolute, sizeof absolute, "%s/tree/%s", test_dir(), path);
		path = absolute;
	}
	fd = openat(dir, path, flags, 0644);
	if (fd >= 0)
		close(fd);
	return fd;
}

static long open_pool(pf_file *dir, const char *path, unsigned flags)
{
	pf_file *file;
	int rc = pf_openat(dir, path, flags, 0644, &file);

	return rc < 0 ? rc : pf_close(file);
}

static void opening(pf_file *dir, int host_dir)
{
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		const char *p = paths[i];
		struct pf_stat ps;
		struct stat hs;

		SAME(p, open_pool(dir, p, PF_O_PATH), open_host(host_dir, p, O_PATH));
		SAME(p, open_pool(dir, p, PF_O_RDONLY), open_host(host_dir, p, O_RDONLY));
		SAME(p, open_pool(dir, p, PF_O_PATH | PF_O_NOFOLLOW),
		     open_host(host_dir, p, O_PATH | O_NOFOLLOW));
		SAME(p, open_pool(dir, p, PF_O_RDONLY | PF_O_DIRECTORY),
		     open_host(host_dir, p, O_RDONLY | O_DIRECTORY));
		if (*p == '/')
			continue;
		SAME(p, pf_statat(dir, p, 0, &ps), fstatat(host_dir, p, &hs, 0));
		SAME(p, pf_statat(dir, p, PF_O_NOFOLLOW, &ps),
		     fstatat(host_dir, p, &hs, AT_SYMLINK_NOFOLLOW));
	}
}

static void changing(pf_file *dir, int host_dir)
{
	char a[64], b[64];

	SAME("mkdir", pf_mkdirat(dir, "new", 0755), mkdirat(host_dir, "new", 0755));
	SAME("mkdir again", pf_mkdirat(dir, "new", 0755), mkdirat(host_dir, "new", 0755));
	SAME("symlink", pf_symlinkat("target", dir, "new/l"),
	     symlinkat("target", host_dir, "new/l"));
	memset(a, 0, sizeof a);
	memset(b, 0, sizeof b);
	SAME("readlink", pf_readlinkat(dir, "new/l", a, sizeof a),
	     readlinkat(host_dir, "new/l", b, sizeof b));
	must(!strcmp(a, b));
	SAME("create", open_pool(dir, "new/f", PF_O_RDWR | PF_O_CREATE),
	     open_host(host_dir, "new/f", O_RDWR | O_CREAT));
	SAME("link", pf_linkat(dir, "new/f", root, "linked"),
	     linkat(host_dir, "new/f", host_root, "linked", 0));
	SAME("link again", pf_linkat(dir, "new/f", root, "linked"),
	     linkat(host_dir, "new/f", host_root, "linked", 0));
	SAME("rename", pf_renameat(root, "linked", dir, "renamed", 0),
	     renameat(host_root, "linked", host_dir, "renamed"));
	SAME("rename into itself", pf_renameat(dir, "new", dir, "new/new", 0),
	     renameat(host_dir, "new", host_dir, "new/new"));
	SAME("unlink a directory", pf_unlinkat(dir, "new", 0), unlinkat(host_dir, "new", 0));
	SAME("remove what is not empty", pf_unlinkat(dir, "new", PF_UNLINK_DIRECTORY),
	     unlinkat(host_dir, "new", AT_REMOVEDIR));
	SAME("unlink", pf_unlinkat(dir, "new/f", 0), unlinkat(host_dir, "new/f", 0));
	SAME("unlink", pf_unlinkat(dir, "renamed", 0), unlinkat(host_dir, "renamed", 0));
	SAME("unlink", pf_unlinkat(dir, "new/l", 0), unlinkat(host_dir, "new/l", 0));
	SAME("rmdir", pf_unlinkat(dir, "new", PF_UNLINK_DIRECTORY),
	     unlinkat(host_dir, "new", AT_REMOVEDIR));
	SAME("rmdir a file", pf_unlinkat(dir, "f", PF_UNLINK_DIRECTORY),
	     unlinkat(host_dir, "f", AT_REMOVEDIR));
}

static void reopening(void)
{
	pf_file *path, *file, *link;
	char bytes[8];

	OK(pf_openat(sub, "f", PF_O_PATH, 0, &path));
	OK(pf_unlinkat(sub, "f", 0));
	OK(pf_reopen(path, PF_O_RDWR, &file));
	must_be(pf_write(file, "bytes", 5, 0), 5);
	OK(pf_close(path));
	OK(pf_reopen(file, PF_O_RDONLY, &path));
	must_be(pf_read(path, bytes, sizeof bytes, 0), 5);
	must_be(pf_write(path, "x", 1, 0), -PF_EREADONLY);
	must_be(pf_reopen(path, PF_O_RDONLY | PF_O_DIRECTORY, &link), -PF_ENOTDIR);
	must_be(pf_reopen(path, PF_O_RDWR | PF_O_CREATE, &link), -PF_EFLAGS);
	OK(pf_close(path));
	OK(pf_close(file));
	OK(pf_openat(root, "l", PF_O_PATH | PF_O_NOFOLLOW, 0, &link));
	must_be(pf_readlinkat(link, "", bytes, sizeof bytes), 3);
	must(!memcmp(bytes, "sub", 3));
	must_be(pf_reopen(link, PF_O_RDONLY, &file), -PF_ELOOP);
	OK(pf_close(link));
}

static void make_trees(void)
{
	const char *path = test_path("tree");

	must(!mkdir(path, 0755));
	host_root = open(path, O_PATH | O_DIRECTORY);
	must(host_root >= 0);
	must(!mkdirat(host_root, "sub", 0755) && !mkdirat(host_root, "sub/d", 0755) &&
	     !mkdirat(host_root, "gone", 0755) && !symlinkat("sub", host_root, "l") &&
	     !symlinkat("loop", host_root, "loop") && !symlinkat("../sub", host_root, "sub/l") &&
	     !symlinkat("loop", host_root, "sub/loop"));
	must(open_host(host_root, "f", O_CREAT | O_RDWR) >= 0 &&
	     open_host(host_root, "sub/f", O_CREAT | O_RDWR) >= 0 &&
	     open_host(host_root, "sub/d/f", O_CREAT | O_RDWR) >= 0);
	OK(pf_open(pool, "/", PF_O_PATH, 0, &root));
	OK(pf_mkdirat(root, "sub", 0755));
	OK(pf_mkdirat(root, "sub/d", 0755));
	OK(pf_mkdirat(root, "gone", 0755));
	OK(pf_symlinkat("sub", root, "l"));
	OK(pf_symlinkat("loop", root, "loop"));
	OK(pf_symlinkat("../sub", root, "sub/l"));
	OK(pf_symlinkat("loop", root, "sub/loop"));
	OK(open_pool(root, "f", PF_O_CREATE | PF_O_RDWR));
	OK(open_pool(root, "sub/f", PF_O_CREATE | PF_O_RDWR));
	OK(open_pool(root, "sub/d/f", PF_O_CREATE | PF_O_RDWR));
	OK(pf_openat(root, "sub", PF_O_RDONLY, 0, &sub));
	OK(pf_openat(root, "gone", PF_O_PATH, 0, &gone));
	OK(pf_openat(root, "f", PF_O_PATH, 0, &plain));
	host_sub = openat(host_root, "sub", O_RDONLY);
	host_gone = openat(host_root, "gone", O_PATH);
	host_plain = openat(host_root, "f", O_PATH);
	OK(pf_unlinkat(root, "gone", PF_UNLINK_DIRECTORY));
	must(host_sub >= 0 && host_gone >= 0 && host_plain >= 0 &&
	     !unlinkat(host_root, "gone", AT_REMOVEDIR));
}

int main(void)
{
	pool = pool_open(pool_make("pool", 16));
	make_trees();
	opening(sub, host_sub);
	opening(plain, host_plain);
	changing(sub, host_sub);
	changing(root, host_root);
	changing(gone, host_gone);
	reopening();
	pf_close(root);
	pf_close(sub);
	pf_close(gone);
	pf_close(plain);
	pool_empty(pool, "paths from directories");
	OK(pf_pool_close(pool));
	return 0;
}
