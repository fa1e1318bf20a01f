/* The calls of tree.h on a pool, and on the host's tmpfs by a process of its own whose root directory is there. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tree.h"

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Strings one behind the other, each with its NUL, in order. from: where they begin in the names, after a type. */
static void sort_strings(char *bytes, size_t length, size_t from)
{
	static char copy[TREE_BYTES];
	static char *names[TREE_BYTES / 2];
	size_t count = 0, to = 0;

	memcpy(copy, bytes, length);
	for (size_t at = 0; at < length; at += strlen(copy + at) + 1)
		names[count++] = copy + at + from;
	if (count)
		qsort(names, count, sizeof *names, by_text);
	for (size_t i = 0; i < count; i++)
		to += (size_t)sprintf(bytes + to, "%s", names[i] - from) + 1;
}

/* ---- a pool ----------------------------------------------------------------------------------------------- */

#define TYPE_CHARS 7 /* "100000 ", "040000 " */

static long pool_list(pf_pool *pool, const struct tree_call *c, struct tree_answer *a)
{
	struct pf_entry entry = {.cursor = 0};
	pf_file *file;
	long rc = pf_open(pool, c->path, PF_O_DIRECTORY, 0, &file), count = 0;

	if (rc < 0)
		return rc;
	while ((rc = pf_readdir(file, entry.cursor, &entry)) == 1) {
		a->length += 1 + (size_t)snprintf(a->bytes + a->length, TREE_BYTES - a->length,
						  "%06o %s", entry.type, entry.name);
		count++;
	}
	pf_close(file);
	sort_strings(a->bytes, a->length, TYPE_CHARS);
	return rc < 0 ? rc : count;
}

static long pool_xattr(pf_file *file, const struct tree_call *c, struct tree_answer *a)
{
	static char value[TREE_BYTES];
	long rc;

	switch (c->op) {
	case TREE_SETXATTR:
		tree_fill(value, c->length, c->fill);
		return pf_setxattr(file, c->name, value, c->length, c->flags);
	case TREE_GETXATTR:
		rc = pf_getxattr(file, c->name, a->bytes, c->length);
		a->length = rc > 0 && c->length ? (size_t)rc : 0;
		return rc;
	case TREE_LISTXATTR:
		rc = pf_listxattr(file, a->bytes, TREE_BYTES);
		a->length = rc > 0 ? (size_t)rc : 0;
		sort_strings(a->bytes, a->length, 0);
		return rc;
	default:
		return pf_removexattr(file, c->name);
	}
}

/* Through a handle that only names the file. */
static long pool_attributes(pf_pool *pool, const struct tree_call *c, struct tree_answer *a)
{
	unsigned nofollow = (c->op == TREE_SETATTR ? c->flags : c->mode) & PF_O_NOFOLLOW;
	pf_file *file;
	long rc = pf_open(pool, c->path, PF_O_PATH | nofollow, 0, &file);

	if (rc < 0)
		return rc;
	rc = c->op == TREE_SETATTR ? pf_setattr(file, &c->attr) : pool_xattr(file, c, a);
	pf_close(file);
	return rc;
}

static long pool_bytes(pf_file *file, const struct tree_call *c, struct tree_answer *a)
{
	static char bytes[TREE_BYTES];
	long rc;

	switch (c->op) {
	case TREE_READ:
		rc = pf_read(file, a->bytes, c->length, c->offset);
		a->length = rc > 0 ? (size_t)rc : 0;
		return rc;
	case TREE_WRITE:
		tree_fill(bytes, c->length, c->fill);
		return pf_write(file, bytes, c->length, c->offset);
	case TREE_APPEND:
		tree_fill(bytes, c->length, c->fill);
		return pf_append(file, bytes, c->length);
	case TREE_TRUNCATE:
		return pf_truncate(file, c->length, PF_DETACH, 0);
	case TREE_FSTAT:
		return pf_stat(file, &a->stat);
	default:
		return pf_link_file(file, c->other, c->flags);
	}
}

static long pool_names(pf_pool *pool, const struct tree_call *c, struct tree_answer *a)
{
	long rc;

	switch (c->op) {
	case TREE_STAT:
		return pf_stat_path(pool, c->path, c->flags, &a->stat);
	case TREE_ACCESS:
		return pf_access(pool, c->path, (int)c->mode);
	case TREE_MKDIR:
		return pf_mkdir(pool, c->path, c->mode);
	case TREE_RMDIR:
		return pf_rmdir(pool, c->path);
	case TREE_UNLINK:
		return pf_unlink(pool, c->path);
	case TREE_LINK:
		return pf_link(pool, c->path, c->other);
	case TREE_SYMLINK:
		return pf_symlink(pool, c->other, c->path);
	case TREE_READLINK:
		rc = pf_readlink(pool, c->path, a->bytes, c->length);
		a->length = rc > 0 ? (size_t)rc : 0;
		return rc;
	case TREE_RENAME:
		return pf_rename(pool, c->path, c->other, c->flags);
	case TREE_LIST:
		return pool_list(pool, c, a);
	default:
		return pool_attributes(pool, c, a);
	}
}

void tree_pool_call(struct tree_pool *p, const struct tree_call *c, struct tree_answer *a)
{
	long rc;

	a->length = 0;
	pf_act_as(c->caller);
	switch (c->op) {
	case TREE_OPEN:
		rc = pf_open(p->pool, c->path, c->flags, c->mode, &p->file[c->handle]);
		break;
	case TREE_CLOSE:
		rc = pf_close(p->file[c->handle]);
		break;
	case TREE_READ:
	case TREE_WRITE:
	case TREE_APPEND:
	case TREE_TRUNCATE:
	case TREE_FSTAT:
	case TREE_LINK_FILE:
		rc = pool_bytes(p->file[c->handle], c, a);
		break;
	default:
		rc = pool_names(p->pool, c, a);
	}
	pf_act_as(NULL);
	a->rc = rc < 0 ? -pf_errno((int)rc) : rc;
}

/* ---- the host: in the process that does the calls ---------------------------------------------------------- */

static int proc_fd; /* /proc/self/fd, from outside of its root */
static int host_fd[TREE_HANDLES];

static int host_open(const struct tree_call *c)
{
	static const struct {
		unsigned pf;
		int host;
	} flags[] = {{PF_O_RDWR, O_RDWR},           {PF_O_CREATE, O_CREAT},
		     {PF_O_EXCL, O_EXCL},           {PF_O_TRUNC, O_TRUNC},
		     {PF_O_DIRECTORY, O_DIRECTORY}, {PF_O_NOFOLLOW, O_NOFOLLOW},
		     {PF_O_PATH, O_PATH},           {PF_O_TMPFILE, O_TMPFILE},
		     {PF_O_APPEND, O_APPEND}};
	int all = O_CLOEXEC, fd;

	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		if (c->flags & flags[i].pf)
			all |= flags[i].host;
	fd = open(c->path, all, c->mode);
	if (fd >= 0)
		host_fd[c->handle] = fd;
	return fd < 0 ? -1 : 0;
}

static void fill_stat(const struct stat *st, struct pf_stat *stat)
{
	*stat = (struct pf_stat){
		.inode = st->st_ino,
		.size = (uint64_t)st->st_size,
		.atime_ns =
			(uint64_t)st->st_atim.tv_sec * 1000000000u + (uint64_t)st->st_atim.tv_nsec,
		.mtime_ns =
			(uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec,
		.ctime_ns =
			(uint64_t)st->st_ctim.tv_sec * 1000000000u + (uint64_t)st->st_ctim.tv_nsec,
		.mode = st->st_mode,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.nlink = (uint32_t)st->st_nlink,
	};
}

static int host_stat(const struct tree_call *c, struct tree_answer *a)
{
	struct stat st;
	int rc = c->op == TREE_FSTAT ? fstat(host_fd[c->handle], &st)
				     : fstatat(AT_FDCWD, c->path, &st,
					       c->flags & PF_O_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0);

	fill_stat(&st, &a->stat);
	return rc;
}

static long host_list(const struct tree_call *c, struct tree_answer *a)
{
	int fd = open(c->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	long count = 0;

	if (!dir)
		return -1;
	while ((e = readdir(dir)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
			a->length += 1 + (size_t)snprintf(a->bytes + a->length,
							  TREE_BYTES - a->length, "%06o %s",
							  (unsigned)DTTOIF(e->d_type), e->d_name);
			count++;
		}
	closedir(dir);
	sort_strings(a->bytes, a->length, TYPE_CHARS);
	return count;
}

static int host_set_flags(const struct tree_call *c)
{
	long flags = (c->attr.flags & PF_FLAG_IMMUTABLE ? FS_IMMUTABLE_FL : 0) |
		     (c->attr.flags & PF_FLAG_APPEND ? FS_APPEND_FL : 0);
	int fd = open(c->path, O_RDONLY | O_CLOEXEC), rc;

	if (fd < 0)
		return -1;
	rc = ioctl(fd, FS_IOC_SETFLAGS, &flags);
	close(fd);
	return rc;
}

static struct timespec host_time(const struct pf_setattr *set, unsigned which, uint64_t ns)
{
	if (!(set->set & which))
		return (struct timespec){0, UTIME_OMIT};
	if (ns == PF_NOW)
		return (struct timespec){0, UTIME_NOW};
	return (struct timespec){(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
}

/* One of the groups of attributes at a time. */
static int host_setattr(const struct tree_call *c)
{
	int flags = c->flags & PF_O_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0;
	const struct pf_setattr *s = &c->attr;
	struct timespec times[2] = {host_time(s, PF_SET_ATIME, s->atime_ns),
				    host_time(s, PF_SET_MTIME, s->mtime_ns)};

	if (s->set & PF_SET_FLAGS)
		return host_set_flags(c);
	if (s->set & PF_SET_MODE)
		return fchmodat(AT_FDCWD, c->path, s->mode & 07777, flags);
	if (s->set & (PF_SET_UID | PF_SET_GID))
		return fchownat(AT_FDCWD, c->path, s->set & PF_SET_UID ? s->uid : (uid_t)-1,
				s->set & PF_SET_GID ? s->gid : (gid_t)-1, flags);
	return utimensat(AT_FDCWD, c->path, times, flags);
}

static long host_xattr(const struct tree_call *c, struct tree_answer *a)
{
	static char value[TREE_BYTES];
	bool nofollow = c->mode & PF_O_NOFOLLOW;
	int flags = (c->flags & PF_XATTR_CREATE ? XATTR_CREATE : 0) |
		    (c->flags & PF_XATTR_REPLACE ? XATTR_REPLACE : 0);
	long rc;

	switch (c->op) {
	case TREE_SETXATTR:
		tree_fill(value, c->length, c->fill);
		return (nofollow ? lsetxattr : setxattr)(c->path, c->name, value, c->length, flags);
	case TREE_GETXATTR:
		rc = (nofollow ? lgetxattr : getxattr)(c->path, c->name, a->bytes, c->length);
		a->length = rc > 0 && c->length ? (size_t)rc : 0;
		return rc;
	case TREE_LISTXATTR:
		rc = (nofollow ? llistxattr : listxattr)(c->path, a->bytes, XATTR_LIST_MAX);
		a->length = rc > 0 ? (size_t)rc : 0;
		sort_strings(a->bytes, a->length, 0);
		return rc;
	default:
		return (nofollow ? lremovexattr : removexattr)(c->path, c->name);
	}
}

static int host_rename(const struct tree_call *c)
{
	unsigned flags = (c->flags & PF_RENAME_NOREPLACE ? RENAME_NOREPLACE : 0) |
			 (c->flags & PF_RENAME_EXCHANGE ? RENAME_EXCHANGE : 0);

	return renameat2(AT_FDCWD, c->path, AT_FDCWD, c->other, flags);
}

static int host_link_file(const struct tree_call *c)
{
	char number[16];

	snprintf(number, sizeof number, "%d", host_fd[c->handle]);
	return linkat(proc_fd, number, AT_FDCWD, c->other, AT_SYMLINK_FOLLOW);
}

static long host_bytes(const struct tree_call *c, struct tree_answer *a)
{
	static char bytes[TREE_BYTES];
	int fd = host_fd[c->handle];
	long rc;

	switch (c->op) {
	case TREE_READ:
		rc = pread(fd, a->bytes, c->length, (off_t)c->offset);
		a->length = rc > 0 ? (size_t)rc : 0;
		return rc;
	case TREE_WRITE:
		tree_fill(bytes, c->length, c->fill);
		return pwrite(fd, bytes, c->length, (off_t)c->offset);
	case TREE_APPEND:
		tree_fill(bytes, c->length, c->fill);
		return pwrite(fd, bytes, c->length, lseek(fd, 0, SEEK_END));
	default:
		return ftruncate(fd, (off_t)c->length);
	}
}

static long host_names(const struct tree_call *c, struct tree_answer *a)
{
	long rc;

	switch (c->op) {
	case TREE_ACCESS:
		return faccessat(AT_FDCWD, c->path, (int)c->mode, AT_EACCESS);
	case TREE_MKDIR:
		return mkdir(c->path, c->mode);
	case TREE_RMDIR:
		return rmdir(c->path);
	case TREE_UNLINK:
		return unlink(c->path);
	case TREE_LINK:
		return link(c->path, c->other);
	case TREE_LINK_FILE:
		return host_link_file(c);
	case TREE_SYMLINK:
		return symlink(c->other, c->path);
	case TREE_READLINK:
		rc = readlink(c->path, a->bytes, c->length);
		a->length = rc > 0 ? (size_t)rc : 0;
		return rc;
	default:
		return host_rename(c);
	}
}

static long host_one(const struct tree_call *c, struct tree_answer *a)
{
	switch (c->op) {
	case TREE_OPEN:
		return host_open(c);
	case TREE_CLOSE:
		return close(host_fd[c->handle]);
	case TREE_READ:
	case TREE_WRITE:
	case TREE_APPEND:
	case TREE_TRUNCATE:
		return host_bytes(c, a);
	case TREE_STAT:
	case TREE_FSTAT:
		return host_stat(c, a);
	case TREE_LIST:
		return host_list(c, a);
	case TREE_SETATTR:
		return host_setattr(c);
	case TREE_SETXATTR:
	case TREE_GETXATTR:
	case TREE_LISTXATTR:
	case TREE_REMOVEXATTR:
		return host_xattr(c, a);
	default:
		return host_names(c, a);
	}
}

/* For this call, and back. */
static void become(const struct pf_caller *who)
{
	must(seteuid(0) == 0);
	must(setgroups(who->group_count, who->groups) == 0 && setegid(who->gid) == 0);
	must(seteuid(who->uid) == 0);
	must(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0); /* becoming somebody else takes it away */
}

/* ---- the host: both processes ------------------------------------------------------------------------------ */

struct tree_host {
	struct tree_call call;
	struct tree_answer answer;
	struct pf_caller caller;
	gid_t groups[16];
	int ready, done;
	bool works;
	pid_t pid;
	const char *dir;
};

static bool write_map(const char *path, unsigned id)
{
	FILE *f = fopen(path, "we");
	bool ok = f && fprintf(f, "%u %u 1", id, id) > 0;

	return f && fclose(f) == 0 && ok;
}

static bool deny_groups(void)
{
	FILE *f = fopen("/proc/self/setgroups", "we");
	bool ok = f && fputs("deny", f) >= 0;

	return f && fclose(f) == 0 && ok;
}

/* A name space in which this user is what he is, but may change his root directory. */
static bool own_name_space(void)
{
	unsigned uid = geteuid(), gid = getegid();

	return unshare(CLONE_NEWUSER) == 0 && write_map("/proc/self/uid_map", uid) &&
	       deny_groups() && write_map("/proc/self/gid_map", gid);
}

static bool enter(const char *dir)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};
	bool root = geteuid() == 0;

	proc_fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	umask(0);
	if (proc_fd < 0 || (!root && !own_name_space()) || chroot(dir) < 0 || chdir("/") < 0)
		return false;
	return root || syscall(SYS_capset, &header, none) == 0;
}

static int serve(void *arg)
{
	struct tree_host *h = arg;
	bool root = geteuid() == 0;

	h->works = enter(h->dir);
	test_gate_open(h->done);
	while (h->works) {
		long rc;

		test_gate_wait(h->ready);
		h->answer.length = 0;
		if (root)
			become(&h->caller);
		errno = 0;
		rc = host_one(&h->call, &h->answer);
		h->answer.rc = rc < 0 ? -errno : rc;
		test_gate_open(h->done);
	}
	return 0;
}

struct tree_host *tree_host_start(void)
{
	static unsigned number;
	struct tree_host *h =
		mmap(NULL, sizeof *h, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	must(h != MAP_FAILED);
	h->dir = test_path("host-%u", number++);
	h->ready = test_gate();
	h->done = test_gate();
	must(mkdir(h->dir, 0777) == 0 && chmod(h->dir, 01777) == 0);
	h->pid = test_fork(serve, h);
	test_gate_wait(h->done);
	if (h->works)
		return h;
	skip_part("%s",
		  "the host's side needs another root directory, which this user cannot have");
	tree_host_stop(h);
	return NULL;
}

void tree_host_call(struct tree_host *h, const struct tree_call *c, struct tree_answer *a)
{
	h->call = *c;
	h->caller = *c->caller;
	must(h->caller.group_count <= sizeof h->groups / sizeof *h->groups);
	if (h->caller.group_count)
		memcpy(h->groups, c->caller->groups, h->caller.group_count * sizeof *h->groups);
	h->caller.groups = h->groups;
	test_gate_open(h->ready);
	test_gate_wait(h->done);
	a->rc = h->answer.rc;
	a->stat = h->answer.stat;
	a->length = h->answer.length;
	memcpy(a->bytes, h->answer.bytes, a->length);
}

void tree_host_stop(struct tree_host *h)
{
	test_kill(h->pid);
	munmap(h, sizeof *h);
}
