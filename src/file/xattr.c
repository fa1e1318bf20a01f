/*
 * Extended attributes: who may, and getting, setting, listing, removing. "user." belongs to who may read or write the file; "security." is changed by uid 0 and
 * told to everybody, for a kernel that decides by it whom it lets in. Reading takes no lock, but for the last of many looks.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "format/xattr_format.h"
#include "file/caller.h"

#define LOOKS 100u

/* ---- what may be done ----------------------------------------------------------------------------------- */

static bool begins(const char *name, const char *prefix)
{
	return !strncmp(name, prefix, strlen(prefix));
}

static int check_length(const char *name)
{
	size_t length = strnlen(name, XATTR_NAME_MAX + 1);

	return length && length <= XATTR_NAME_MAX
		       ? 0
		       : err(ERANGE, "the name of an attribute has 1 to 255 bytes");
}

/* After who may is decided, as elsewhere. */
static int check_prefix(const char *name)
{
	if (!begins(name, "user.") && !begins(name, "security."))
		return err(EOPNOTSUPP, "%s", name);
	return strchr(name, '.')[1] ? 0 : err(EINVAL, "%s", name);
}

static bool has_user(const struct inode_attr *attr)
{
	return (attr->mode & S_IFMT) != S_IFLNK;
}

static int check_get(pf_file *file, const char *name, const struct inode_attr *attr)
{
	int rc = 0;

	if (begins(name, "user.") && !has_user(attr))
		return err(ENODATA, "%s", name);
	if (!begins(name, "security."))
		rc = caller_check(file->pool, file->ino, attr, R_OK);
	return rc < 0 ? rc : check_prefix(name);
}

static int check_user(pf_file *file, const char *name, const struct inode_attr *attr)
{
	if (!has_user(attr))
		return err(PF_EPERM, "%s of a symbolic link", name);
	if (S_ISDIR(attr->mode) && attr->mode & S_ISVTX &&
	    !caller_owns(caller_of(file->pool), attr->uid))
		return err(PF_EPERM, "%s of another user's sticky directory", name);
	return 0;
}

static int check_change(pf_file *file, const char *name, const struct inode_attr *attr)
{
	int rc = 0;

	if (attr->flags & (INODE_IMMUTABLE | INODE_APPEND))
		return err(PF_EPERM, "inode %u is immutable or append-only", file->ino);
	if (begins(name, "security.")) {
		rc = caller_of(file->pool)->uid ? err(PF_EPERM, "%s", name) : 0;
	} else {
		rc = begins(name, "user.") ? check_user(file, name, attr) : 0;
		if (rc == 0)
			rc = caller_check(file->pool, file->ino, attr, W_OK);
	}
	return rc < 0 ? rc : check_prefix(name);
}

/* ---- reading -------------------------------------------------------------------------------------------- */

static int read_once(pf_file *file, struct inode_attr *attr, struct xattr_page *page)
{
	struct fs *fs = &file->pool->layout.fs;
	int rc = fs_attr(fs, file->ino, attr);

	return rc < 0 ? rc : fs_xattr_read(fs, file->ino, page);
}

static int read_all(pf_file *file, struct rt_self *me, struct inode_attr *attr,
		    struct xattr_page *page)
{
	struct layout *l = &file->pool->layout;
	int rc;

	for (unsigned i = 0; i < LOOKS; i++) {
		rc = read_once(file, attr, page);
		if (rc != -PF_EAGAIN && rc != -PF_ECORRUPT)
			return rc;
	}
	rc = layout_lock(me, l, file->ino);
	if (rc < 0)
		return rc;
	rc = read_once(file, attr, page);
	layout_unlock(me, l, file->ino);
	return rc;
}

ssize_t pf_getxattr(pf_file *file, const char *name, void *value, size_t size)
{
	struct rt_self *me = pool_self(file->pool);
	struct inode_attr attr;
	struct xattr_page page;
	struct xattr x;
	int rc = me ? check_length(name) : rt_self_error();

	if (rc == 0)
		rc = read_all(file, me, &attr, &page);
	if (rc == 0)
		rc = check_get(file, name, &attr);
	if (rc < 0)
		return rc;
	if (!xattr_find(&page, name, &x))
		return err(ENODATA, "%s", name);
	if (size && size < x.value_length)
		return err(ERANGE, "%s has %u bytes", name, x.value_length);
	if (size)
		memcpy(value, x.value, x.value_length);
	return (ssize_t)x.value_length;
}

ssize_t pf_listxattr(pf_file *file, char *names, size_t size)
{
	struct rt_self *me = pool_self(file->pool);
	struct xattr x = {0};
	struct inode_attr attr;
	struct xattr_page page;
	size_t length = 0;
	int rc = me ? read_all(file, me, &attr, &page) : rt_self_error();

	if (rc < 0)
		return rc;
	for (; xattr_next(&page, &x); length += x.name_length + 1) {
		if (!size)
			continue;
		if (x.name_length + 1 > size - length)
			return err(ERANGE, "%u attributes", page.count);
		memcpy(names + length, x.name, x.name_length);
		names[length + x.name_length] = 0;
	}
	return (ssize_t)length;
}

/* ---- changing ------------------------------------------------------------------------------------------- */

struct change {
	const char *name;
	const void *value; /* NULL: it goes */
	size_t size;
	unsigned flags;
};

static int change_page(const struct change *c, struct xattr_page *page)
{
	struct xattr x;
	bool there = xattr_find(page, c->name, &x);

	if (there && c->flags & PF_XATTR_CREATE)
		return err(EEXIST, "%s", c->name);
	if (!there && (!c->value || c->flags & PF_XATTR_REPLACE))
		return err(ENODATA, "%s", c->name);
	if (there)
		xattr_remove(page, &x);
	if (c->value && !xattr_add(page, c->name, c->value, c->size))
		return err(E2BIG, "%s: %lu bytes", c->name, (unsigned long)c->size);
	return 0;
}

static int change_locked(pf_file *file, struct rt_self *me, const struct change *c)
{
	struct inode_attr attr;
	struct xattr_page page;
	int rc = read_once(file, &attr, &page);

	if (rc == 0)
		rc = check_change(file, c->name, &attr);
	if (rc == 0)
		rc = change_page(c, &page);
	return rc < 0 ? rc
		      : fs_xattr_write(&file->pool->layout.fs, me, file->ino, &page, !c->value);
}

static int run(pf_file *file, const struct change *c)
{
	struct rt_self *me = pool_self(file->pool);
	struct layout *l = &file->pool->layout;
	unsigned tries = 0;
	int rc = me ? check_length(c->name) : rt_self_error();

	if (rc == 0 && file->pool->readonly)
		rc = err(PF_EREADONLY, "%s", c->name);
	if (rc < 0)
		return rc;
	do {
		rc = layout_lock(me, l, file->ino);
		if (rc == 0) {
			rc = change_locked(file, me, c);
			layout_unlock(me, l, file->ino);
		}
	} while (rc < 0 && reap_helps(file->pool, me, rc, &tries));
	return rc;
}

int pf_setxattr(pf_file *file, const char *name, const void *value, size_t size, unsigned flags)
{
	struct change c = {name, value ? value : "", value ? size : 0, flags};

	if (flags & ~(PF_XATTR_CREATE | PF_XATTR_REPLACE))
		return err(PF_EFLAGS, "attribute: %x", flags);
	return run(file, &c);
}

int pf_removexattr(pf_file *file, const char *name)
{
	struct change c = {.name = name};

	return run(file, &c);
}
