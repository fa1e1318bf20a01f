/*
 * Mode, owner, times, flags and extended attributes change and refuse to change as those of a file, a directory and a symbolic link on the host's tmpfs
 * do, whoever asks.
 */
/* test: suite=short timeout=120 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "pool.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const char *const names[] = {"file", "directory", "link"};
static const uid_t ids[] = {0, 1001, 1002, 1003};
static const char *const attributes[] = {"user.a", "user.b",    "security.c",
					 "user.",  "trustee.d", "user.long"};

static pf_pool *pool;
static pf_file *files[COUNT(names)];
static int fds[COUNT(names)]; /* the host's, opened by root; -1: a link has none */
static char host[COUNT(names)][512];
static struct test_random chance;
static struct pf_caller caller;
static gid_t group;

static void make_all(void)
{
	const char *dir = test_path("host");

	must(chmod(test_dir(), 0711) == 0);
	must(mkdir(dir, 0700) == 0 && chmod(dir, 0777) == 0);
	for (size_t i = 0; i < COUNT(names); i++)
		snprintf(host[i], sizeof host[i], "%s/%s", dir, names[i]);
	fds[0] = (int)OK(open(host[0], O_RDWR | O_CREAT | O_CLOEXEC, 0644));
	must(mkdir(host[1], 0755) == 0);
	fds[1] = (int)OK(open(host[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	must(symlink("file", host[2]) == 0);
	fds[2] = -1;
	OK(pf_open(pool, names[0], PF_O_RDWR | PF_O_CREATE, 0644, &files[0]));
	OK(pf_mkdir(pool, names[1], 0755));
	OK(pf_open(pool, names[1], PF_O_DIRECTORY, 0, &files[1]));
	OK(pf_symlink(pool, "file", names[2]));
	OK(pf_open(pool, names[2], PF_O_PATH | PF_O_NOFOLLOW, 0, &files[2]));
	/* umask, and the group of the directory, are the process's. */
	for (size_t i = 0; i < COUNT(names); i++) {
		struct pf_setattr set = {.set = PF_SET_UID | PF_SET_GID, .uid = 0, .gid = 0};

		OK(pf_setattr(files[i], &set));
		must(lchown(host[i], 0, 0) == 0);
	}
	must(chmod(host[0], 0644) == 0 && chmod(host[1], 0755) == 0);
}

static void become(uid_t uid, gid_t gid, gid_t other)
{
	group = other;
	caller = (struct pf_caller){uid, gid, &group, 1};
	pf_act_as(&caller);
	must(setgroups(1, &other) == 0);
	must(setegid(gid) == 0);
	must(seteuid(uid) == 0);
}

static void become_root(void)
{
	must(seteuid(0) == 0);
	must(setegid(0) == 0);
}

/* ---- operations: each returns the host's errno, and in *rc what we say --------------------------------- */

static int set_mode(size_t i, int *rc)
{
	struct pf_setattr set = {.set = PF_SET_MODE, .mode = (uint32_t)test_below(&chance, 010000)};

	*rc = pf_setattr(files[i], &set);
	if (fds[i] < 0)
		return EOPNOTSUPP; /* chmod(2) would follow it */
	return chmod(host[i], set.mode) < 0 ? errno : 0;
}

static int set_owner(size_t i, int *rc)
{
	struct pf_setattr set = {.set = 0,
				 .uid = ids[test_below(&chance, COUNT(ids))],
				 .gid = ids[test_below(&chance, COUNT(ids))]};
	unsigned which = 1 + (unsigned)test_below(&chance, 3);

	set.set = (which & 1 ? PF_SET_UID : 0) | (which & 2 ? PF_SET_GID : 0);
	*rc = pf_setattr(files[i], &set);
	return lchown(host[i], which & 1 ? set.uid : (uid_t)-1, which & 2 ? set.gid : (gid_t)-1) < 0
		       ? errno
		       : 0;
}

static uint64_t pick_time(unsigned kind, struct timespec *t)
{
	*t = (struct timespec){(time_t)test_below(&chance, 1000),
			       (long)test_below(&chance, 1000000000)};
	if (kind == 0)
		t->tv_nsec = UTIME_OMIT;
	if (kind == 1)
		t->tv_nsec = UTIME_NOW;
	return kind == 1 ? PF_NOW : (uint64_t)t->tv_sec * 1000000000 + (uint64_t)t->tv_nsec;
}

static int set_times(size_t i, int *rc)
{
	unsigned a = (unsigned)test_below(&chance, 3), m = (unsigned)test_below(&chance, 3);
	struct pf_setattr set = {.set = 0};
	struct timespec t[2];

	if (a == 0 && m == 0)
		a = m = 1;
	set.set = (a ? PF_SET_ATIME : 0) | (m ? PF_SET_MTIME : 0);
	set.atime_ns = pick_time(a, &t[0]);
	set.mtime_ns = pick_time(m, &t[1]);
	*rc = pf_setattr(files[i], &set);
	return utimensat(AT_FDCWD, host[i], t, AT_SYMLINK_NOFOLLOW) < 0 ? errno : 0;
}

/* Rare, and soon gone again. */
static int set_flags(size_t i, int *rc)
{
	struct pf_setattr set = {.set = PF_SET_FLAGS, .flags = (uint32_t)test_below(&chance, 12)};
	int flags;

	if (set.flags > 3)
		set.flags = 0;
	if (fds[i] < 0) {
		*rc = 0;
		return 0;
	}
	*rc = pf_setattr(files[i], &set);
	must(ioctl(fds[i], FS_IOC_GETFLAGS, &flags) == 0);
	flags &= ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
	flags |= (set.flags & PF_FLAG_IMMUTABLE ? FS_IMMUTABLE_FL : 0) |
		 (set.flags & PF_FLAG_APPEND ? FS_APPEND_FL : 0);
	return ioctl(fds[i], FS_IOC_SETFLAGS, &flags) < 0 ? errno : 0;
}

static int set_attribute(size_t i, int *rc)
{
	const char *name = attributes[test_below(&chance, COUNT(attributes))];
	unsigned flags = (unsigned)test_below(&chance, 6);
	char value[64];
	size_t size = test_below(&chance, sizeof value);

	flags = flags > 3 ? 0 : flags;
	for (size_t k = 0; k < size; k++)
		value[k] = (char)test_random(&chance);
	*rc = pf_setxattr(files[i], name, value, size, flags);
	return lsetxattr(host[i], name, value, size,
			 (flags & PF_XATTR_CREATE ? XATTR_CREATE : 0) |
				 (flags & PF_XATTR_REPLACE ? XATTR_REPLACE : 0)) < 0
		       ? errno
		       : 0;
}

static int remove_attribute(size_t i, int *rc)
{
	const char *name = attributes[test_below(&chance, COUNT(attributes))];

	*rc = pf_removexattr(files[i], name);
	return lremovexattr(host[i], name) < 0 ? errno : 0;
}

static int get_attribute(size_t i, int *rc)
{
	const char *name = attributes[test_below(&chance, COUNT(attributes))];
	size_t size = test_below(&chance, 64);
	char ours[64] = {0}, theirs[64] = {0};
	ssize_t n = lgetxattr(host[i], name, theirs, size);
	int error = n < 0 ? errno : 0;

	*rc = (int)pf_getxattr(files[i], name, ours, size);
	if (n >= 0) {
		must_be(*rc, n);
		must(!size || !memcmp(ours, theirs, (size_t)n));
		*rc = 0;
	}
	return error;
}

static const struct {
	const char *name;
	int (*run)(size_t i, int *rc);
} ops[] = {{"mode", set_mode},
	   {"owner", set_owner},
	   {"times", set_times},
	   {"flags", set_flags},
	   {"attribute", set_attribute},
	   {"attribute", set_attribute},
	   {"no attribute", remove_attribute},
	   {"its value", get_attribute}};

/* ---- comparing ----------------------------------------------------------------------------------------- */

static bool same_time(struct timespec host_time, uint64_t ours)
{
	uint64_t theirs = (uint64_t)host_time.tv_sec * 1000000000 + (uint64_t)host_time.tv_nsec;

	/* Given ones are before 1970-01-01 00:17; now is nearly the same. */
	return theirs == ours || (theirs > 1000000000000 && ours > 1000000000000);
}

static unsigned names_in(const char *list, ssize_t length)
{
	unsigned n = 0;

	for (ssize_t i = 0; i < length; i++)
		n += !list[i];
	return n;
}

static void compare(size_t i, uint64_t before)
{
	char ours[512], theirs[512];
	struct pf_stat st;
	struct stat host_st;
	ssize_t n = llistxattr(host[i], theirs, sizeof theirs);

	must(n >= 0);
	OK(pf_stat(files[i], &st));
	must(lstat(host[i], &host_st) == 0);
	must_be(st.mode, host_st.st_mode);
	must_be(st.uid, host_st.st_uid);
	must_be(st.gid, host_st.st_gid);
	must(same_time(host_st.st_atim, st.atime_ns));
	must(same_time(host_st.st_mtim, st.mtime_ns));
	must(st.ctime_ns >= before);
	must_be(OK(pf_listxattr(files[i], NULL, 0)), n);
	must_be(OK(pf_listxattr(files[i], ours, sizeof ours)), n);
	must_be(names_in(ours, n), names_in(theirs, n));
}

static void one_operation(void)
{
	size_t i = test_below(&chance, COUNT(names)), op = test_below(&chance, COUNT(ops));
	uid_t uid = ids[test_below(&chance, COUNT(ids))];
	gid_t gid = ids[test_below(&chance, COUNT(ids))];
	struct pf_stat st;
	int rc, error;

	OK(pf_stat(files[i], &st));
	become(uid, gid, ids[test_below(&chance, COUNT(ids))]);
	error = ops[op].run(i, &rc);
	become_root();
	if (pf_errno(rc) != error)
		test_fail(__FILE__, __LINE__,
			  "%s of %s by %u:%u,%u: %s, here %s (mode %o, owner %u:%u, flags %x)",
			  ops[op].name, names[i], uid, gid, group, strerror(error), pf_strerror(rc),
			  st.mode, st.uid, st.gid, st.flags);
	compare(i, st.ctime_ns);
}

static void clear_flags(void)
{
	struct pf_setattr none = {.set = PF_SET_FLAGS};
	int flags = 0;

	OK(pf_setattr(files[0], &none));
	OK(pf_setattr(files[1], &none));
	must(ioctl(fds[0], FS_IOC_SETFLAGS, &flags) == 0);
	must(ioctl(fds[1], FS_IOC_SETFLAGS, &flags) == 0);
	must(chmod(host[1], 0700) == 0);
}

int main(void)
{
	unsigned long n = 0;

	if (geteuid() != 0)
		skip("only root can be others");
	test_dir();
	pool = pool_open(pool_make("pool", 16));
	make_all();
	chance.state = test_seed();
	for (; n < 2000 || test_time_left(0.5); n++)
		one_operation();
	pf_act_as(NULL); /* root */
	clear_flags();
	pool_check(pool, "attributes");
	printf("%lu operations\n", n);
	for (size_t i = 0; i < COUNT(names); i++)
		OK(pf_close(files[i]));
	pool_empty(pool, "attributes");
	OK(pf_pool_close(pool));
	return 0;
}
