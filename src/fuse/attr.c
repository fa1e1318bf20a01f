/* Attributes, extended attributes, the file system as a whole. */
#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fuse/mount.h"

/* ---- setattr --------------------------------------------------------------------------------------- */

static uint64_t ns_of(const struct timespec *t)
{
	return t->tv_sec < 0 ? 0 : (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec;
}

/* truncate(): a file that is not open, or not by this caller. */
static int resize_by_name(struct caller *who, struct node *node, uint64_t size)
{
	struct pf_stat stat;
	pf_file *file;
	int rc = pf_stat(node->file, &stat);

	if (rc == 0)
		rc = caller_may(who, &stat, W_OK);
	if (rc < 0)
		return rc;
	caller_as_server();
	rc = pf_reopen(node->file, PF_O_RDWR, &file);
	caller_as_self(who);
	if (rc < 0)
		return rc;
	rc = pf_truncate(file, size, PF_DETACH, 0);
	node_close(file);
	return rc;
}

static int resize(struct caller *who, struct node *node, uint64_t size, struct fuse_file_info *fi)
{
	return fi ? pf_truncate(handle_of(fi)->file, size, PF_DETACH, 0)
		  : resize_by_name(who, node, size);
}

static struct pf_setattr changes(const struct stat *attr, int which)
{
	struct pf_setattr set = {.mode = attr->st_mode & 07777,
				 .uid = attr->st_uid,
				 .gid = attr->st_gid,
				 .atime_ns = ns_of(&attr->st_atim),
				 .mtime_ns = ns_of(&attr->st_mtim)};

	if (which & FUSE_SET_ATTR_MODE)
		set.set |= PF_SET_MODE;
	if (which & FUSE_SET_ATTR_UID)
		set.set |= PF_SET_UID;
	if (which & FUSE_SET_ATTR_GID)
		set.set |= PF_SET_GID;
	if (which & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_ATIME_NOW))
		set.set |= PF_SET_ATIME;
	if (which & (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW))
		set.set |= PF_SET_MTIME;
	if (which & FUSE_SET_ATTR_ATIME_NOW)
		set.atime_ns = PF_NOW;
	if (which & FUSE_SET_ATTR_MTIME_NOW)
		set.mtime_ns = PF_NOW;
	return set;
}

/* Where all files are shown as one user's, only that one can be set. */
static int check_owner(const struct stat *attr, int *which)
{
	const struct mount_options *o = &mount_self.options;

	if (o->has_uid && *which & FUSE_SET_ATTR_UID) {
		if (attr->st_uid != o->uid)
			return -EPERM;
		*which &= ~FUSE_SET_ATTR_UID;
	}
	if (o->has_gid && *which & FUSE_SET_ATTR_GID) {
		if (attr->st_gid != o->gid)
			return -EPERM;
		*which &= ~FUSE_SET_ATTR_GID;
	}
	return 0;
}

/*
 * chown(2) of nobody to nobody says nothing that is to be set, and is a change all the same, which anybody may make, but for set-ids that
 * it takes away. The kernel asks for the same before somebody writes to a file with set-ids, who need not be the owner: the write
 * takes them away then.
 */
static int change_nothing(struct caller *who, struct node *node)
{
	struct pf_setattr set = {.set = PF_SET_UID | PF_SET_GID};
	struct pf_stat stat;
	int rc = pf_stat(node->file, &stat);
	bool special = rc == 0 && S_ISREG(stat.mode) && stat.mode & (S_ISUID | S_ISGID);

	if (rc < 0)
		return rc;
	set.uid = stat.uid;
	set.gid = stat.gid;
	if (!special)
		caller_as_server();
	rc = pf_setattr(node->file, &set);
	caller_as_self(who);
	return special && rc == -PF_EPERM ? 0 : rc;
}

static int change(struct caller *who, struct node *node, const struct stat *attr, int which,
		  struct fuse_file_info *fi)
{
	struct pf_setattr set;
	int rc = check_owner(attr, &which);

	if (rc == 0 && which & FUSE_SET_ATTR_SIZE)
		rc = attr->st_size < 0 ? -EINVAL : resize(who, node, (uint64_t)attr->st_size, fi);
	set = changes(attr, which);
	if (rc == 0 && set.set)
		rc = pf_setattr(node->file, &set);
	return rc;
}

void attr_setattr(fuse_req_t req, fuse_ino_t number, struct stat *attr, int which,
		  struct fuse_file_info *fi)
{
	struct node *node = node_of(number);
	bool bytes = which & (FUSE_SET_ATTR_SIZE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID);
	bool clean = bytes ? watch_before_bytes(node).clean : watch_before(node);
	struct caller who;
	int rc;

	caller_begin(&who, req);
	if (which & FUSE_SET_ATTR_MODE && attr->st_mode & S_ISGID)
		caller_groups(&who);
	do
		rc = which ? change(&who, node, attr, which, fi) : change_nothing(&who, node);
	while (caller_again(&who, rc));
	caller_end(&who);
	watch_after(node, clean);
	if (rc < 0)
		answer_error(req, rc);
	else
		look_getattr(req, number, fi);
}

/* ---- the file system ------------------------------------------------------------------------------- */

void attr_statfs(fuse_req_t req, fuse_ino_t number)
{
	struct pf_statfs from;
	struct statvfs to = {0};
	int rc = pf_statfs(mount_self.pool, &from);

	(void)number;
	if (rc < 0) {
		answer_error(req, rc);
		return;
	}
	to.f_bsize = to.f_frsize = from.block_size;
	to.f_blocks = from.pages_total;
	to.f_bfree = from.pages_free;
	to.f_bavail = from.pages_available;
	to.f_files = from.inodes_total;
	to.f_ffree = to.f_favail = from.inodes_free;
	to.f_namemax = from.name_max;
	to.f_fsid = from.id;
	fuse_reply_statfs(req, &to);
}

void attr_access(fuse_req_t req, fuse_ino_t number, int mask)
{
	struct node *node = node_of(number);
	struct caller who;
	struct pf_stat stat;
	int rc = pf_stat(node->file, &stat);

	caller_begin(&who, req);
	if (rc == 0)
		do
			rc = caller_may(&who, &stat, mask & (R_OK | W_OK | X_OK));
		while (caller_again(&who, rc));
	caller_end(&who);
	if (rc == 0 && mask & W_OK && stat.flags & PF_FLAG_IMMUTABLE)
		rc = -PF_EPERM;
	answer_error(req, rc);
}

/* ---- extended attributes --------------------------------------------------------------------------- */

void attr_setxattr(fuse_req_t req, fuse_ino_t number, const char *name, const char *value,
		   size_t size, int flags)
{
	struct node *node = node_of(number);
	unsigned pf_flags = (flags & XATTR_CREATE ? PF_XATTR_CREATE : 0) |
			    (flags & XATTR_REPLACE ? PF_XATTR_REPLACE : 0);
	bool clean = watch_before(node);
	struct caller who;
	int rc;

	caller_begin(&who, req);
	do
		rc = pf_setxattr(node->file, name, value, size, pf_flags);
	while (caller_again(&who, rc));
	caller_end(&who);
	watch_after(node, clean);
	atomic_store_explicit(&node->plain, false, memory_order_relaxed);
	answer_error(req, rc);
}

/* A value or names, `n` of them; or how many there are, when the caller has no room and only asks. */
static void answer_bytes(fuse_req_t req, const char *bytes, ssize_t n, size_t room)
{
	if (n < 0)
		answer_error(req, n);
	else if (room)
		fuse_reply_buf(req, bytes, (size_t)n);
	else
		fuse_reply_xattr(req, (size_t)n);
}

enum { ROOM = 4096 }; /* what one file has fits */

void attr_getxattr(fuse_req_t req, fuse_ino_t number, const char *name, size_t size)
{
	struct node *node = node_of(number);
	char value[ROOM];
	struct caller who;
	ssize_t n;

	caller_begin(&who, req);
	do
		n = pf_getxattr(node->file, name, value, size < ROOM ? size : ROOM);
	while (caller_again(&who, n));
	caller_end(&who);
	answer_bytes(req, value, n, size);
}

void attr_listxattr(fuse_req_t req, fuse_ino_t number, size_t size)
{
	char names[ROOM];
	ssize_t n = pf_listxattr(node_of(number)->file, names, size < ROOM ? size : ROOM);

	answer_bytes(req, names, n, size);
}

void attr_removexattr(fuse_req_t req, fuse_ino_t number, const char *name)
{
	struct node *node = node_of(number);
	bool clean = watch_before(node);
	struct caller who;
	int rc;

	caller_begin(&who, req);
	do
		rc = pf_removexattr(node->file, name);
	while (caller_again(&who, rc));
	caller_end(&who);
	watch_after(node, clean);
	answer_error(req, rc);
}

/* ---- chattr and lsattr ----------------------------------------------------------------------------- */

static int get_flags(struct node *node, unsigned *flags)
{
	struct pf_stat stat;
	int rc = pf_stat(node->file, &stat);

	if (rc == 0)
		*flags = (stat.flags & PF_FLAG_IMMUTABLE ? FS_IMMUTABLE_FL : 0) |
			 (stat.flags & PF_FLAG_APPEND ? FS_APPEND_FL : 0);
	return rc;
}

static int set_flags(fuse_req_t req, struct node *node, unsigned flags)
{
	struct pf_setattr set = {.set = PF_SET_FLAGS,
				 .flags = (flags & FS_IMMUTABLE_FL ? PF_FLAG_IMMUTABLE : 0) |
					  (flags & FS_APPEND_FL ? PF_FLAG_APPEND : 0)};
	bool clean = watch_before(node);
	struct caller who;
	int rc;

	if (flags & ~(unsigned)(FS_IMMUTABLE_FL | FS_APPEND_FL))
		return -EOPNOTSUPP;
	caller_begin(&who, req);
	rc = pf_setattr(node->file, &set);
	caller_end(&who);
	watch_after(node, clean);
	return rc;
}

void attr_ioctl(fuse_req_t req, fuse_ino_t number, unsigned command, void *argument,
		struct fuse_file_info *fi, unsigned flags, const void *in, size_t in_size,
		size_t out_size)
{
	struct node *node = node_of(number);
	unsigned value = 0;
	int rc = -ENOTTY;

	(void)argument;
	(void)fi;
	(void)flags;
	if (command == FS_IOC_GETFLAGS && out_size >= sizeof value) {
		rc = get_flags(node, &value);
		if (rc == 0) {
			fuse_reply_ioctl(req, 0, &value, sizeof value);
			return;
		}
	} else if (command == FS_IOC_SETFLAGS && in_size >= sizeof value) {
		memcpy(&value, in, sizeof value);
		rc = set_flags(req, node, value);
		if (rc == 0) {
			fuse_reply_ioctl(req, 0, NULL, 0);
			return;
		}
	}
	answer_error(req, rc);
}
