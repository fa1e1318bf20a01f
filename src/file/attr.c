/*
 * Changing attributes, by the rules of chmod(2), chown(2) and utimensat(2): all that is asked for, or nothing, in one transaction. Who may is decided under the
 * inode's lock, by what the inode is then.
 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/step.h"
#include "file/attr.h"

#define KNOWN    (PF_SET_MODE | PF_SET_UID | PF_SET_GID | PF_SET_ATIME | PF_SET_MTIME | PF_SET_FLAGS)
#define TIMES    (PF_SET_ATIME | PF_SET_MTIME)
#define NO_ID    UINT32_MAX
#define SETTABLE (INODE_IMMUTABLE | INODE_APPEND)
#define DAY      86400000000000ull

/* ---- beside other operations -------------------------------------------------------------------------- */

/* Inode lock. */
static void commit(struct fs *fs, struct rt_self *me, uint32_t ino, const struct inode_attr *attr)
{
	struct journal_tx tx;

	journal_begin(&tx, me);
	fs_attr_set(fs, &tx, ino, attr);
	journal_commit(&fs->journal, &tx);
	step("attr: set");
}

static uint32_t without_setid(const struct pf_caller *caller, const struct inode_attr *attr)
{
	uint32_t mode = attr->mode & ~(uint32_t)S_ISUID;

	if ((mode & S_IXGRP) || (caller->uid && !caller_in_group(caller, attr->gid)))
		mode &= ~(uint32_t)S_ISGID;
	return mode;
}

uint32_t attr_written_mode(const struct pf_caller *caller, const struct inode_attr *attr)
{
	bool special = attr->mode & (S_ISUID | S_ISGID);

	return caller->uid && special ? without_setid(caller, attr) : attr->mode;
}

int attr_strip(const pf_file *file, struct rt_self *me)
{
	const struct pf_caller *caller = caller_of(file->pool);
	struct layout *l = &file->pool->layout;
	struct inode_attr attr;
	uint32_t mode, uid, gid;
	int rc;

	fs_owner(&l->fs, file->ino, &mode, &uid, &gid);
	if (likely(!(mode & (S_ISUID | S_ISGID))) || !caller->uid)
		return 0;
	rc = layout_lock(me, l, file->ino);
	if (rc < 0)
		return rc;
	rc = fs_attr(&l->fs, file->ino, &attr);
	mode = rc == 0 ? attr_written_mode(caller, &attr) : 0;
	if (rc == 0 && mode != attr.mode && !(attr.flags & SETTABLE)) {
		attr.mode = mode;
		attr.ctime = clock_coarse();
		commit(&l->fs, me, file->ino, &attr);
	}
	layout_unlock(me, l, file->ino);
	return rc;
}

/* Since the last change nobody has looked, or for a day. */
static bool is_old(const struct inode_attr *attr, uint64_t now)
{
	return now != attr->atime && (attr->atime <= attr->mtime || attr->atime <= attr->ctime ||
				      now - attr->atime >= DAY);
}

void attr_set_atime(struct pf_pool *pool, struct rt_self *me, uint32_t ino)
{
	struct layout *l = &pool->layout;
	struct inode_attr attr;
	uint64_t now = clock_coarse();

	fs_times(&l->fs, ino, &attr.atime, &attr.mtime, &attr.ctime);
	if (pool->readonly || !is_old(&attr, now) || layout_trylock(me, l, ino) < 0)
		return;
	if (fs_attr(&l->fs, ino, &attr) == 0 && attr.state != INODE_FREE && is_old(&attr, now)) {
		attr.atime = now;
		commit(&l->fs, me, ino, &attr);
	}
	layout_unlock(me, l, ino);
}

/* ---- who may ------------------------------------------------------------------------------------------ */

static int refuse(uint32_t ino, const char *what)
{
	return err(PF_EPERM, "%s of inode %u", what, ino);
}

/* Both times become now: that is what writing could do. Any other time is the owner's to give. */
static bool is_touch(const struct pf_setattr *set)
{
	return (set->set & TIMES) == TIMES && set->atime_ns == PF_NOW && set->mtime_ns == PF_NOW;
}

/* Of an append-only inode only that may change which appends change. */
static int check_flags(uint32_t ino, const struct inode_attr *attr, const struct pf_setattr *set)
{
	unsigned others = set->set & ~PF_SET_FLAGS;

	if (attr->flags & INODE_IMMUTABLE && others)
		return refuse(ino, "immutable: attributes");
	if (attr->flags & INODE_APPEND && (others & ~TIMES || (others && !is_touch(set))))
		return refuse(ino, "append-only: attributes");
	return 0;
}

static int check_owners(const struct pf_caller *caller, uint32_t ino, const struct inode_attr *attr,
			const struct pf_setattr *set)
{
	if (caller->uid == 0)
		return 0;
	if (set->set & PF_SET_UID && (caller->uid != attr->uid || set->uid != attr->uid))
		return refuse(ino, "owner");
	if (set->set & PF_SET_GID &&
	    (caller->uid != attr->uid ||
	     (set->gid != attr->gid && !caller_in_group(caller, set->gid))))
		return refuse(ino, "group");
	return 0;
}

static int check_times(const struct pf_caller *caller, uint32_t ino, const struct inode_attr *attr,
		       const struct pf_setattr *set)
{
	if (!(set->set & TIMES) || caller_owns(caller, attr->uid))
		return 0;
	if (!is_touch(set))
		return refuse(ino, "times");
	if (!caller_may(caller, attr->mode, attr->uid, attr->gid, W_OK))
		return err(PF_EACCESS, "times of inode %u", ino);
	return 0;
}

static uint32_t flags_of(const struct pf_setattr *set)
{
	return (set->flags & PF_FLAG_IMMUTABLE ? INODE_IMMUTABLE : 0) |
	       (set->flags & PF_FLAG_APPEND ? INODE_APPEND : 0);
}

static int check_allowed(const struct pf_caller *caller, uint32_t ino,
			 const struct inode_attr *attr, const struct pf_setattr *set)
{
	int rc = check_flags(ino, attr, set);

	if (rc == 0 && (attr->mode & S_IFMT) == S_IFLNK && set->set & (PF_SET_MODE | PF_SET_FLAGS))
		rc = err(EOPNOTSUPP, "a symbolic link has neither mode nor flags");
	if (rc == 0)
		rc = check_owners(caller, ino, attr, set);
	if (rc == 0 && set->set & PF_SET_MODE && !caller_owns(caller, attr->uid))
		rc = refuse(ino, "mode");
	if (rc == 0)
		rc = check_times(caller, ino, attr, set);
	if (rc == 0 && set->set & PF_SET_FLAGS && caller->uid &&
	    (caller->uid != attr->uid || flags_of(set) != (attr->flags & SETTABLE)))
		rc = refuse(ino, "flags");
	return rc;
}

/* ---- changing ----------------------------------------------------------------------------------------- */

static void set_owners(const struct pf_caller *caller, struct inode_attr *attr,
		       const struct pf_setattr *set)
{
	if (!(set->set & (PF_SET_UID | PF_SET_GID)))
		return;
	if ((attr->mode & S_IFMT) != S_IFDIR)
		attr->mode = without_setid(caller, attr);
	if (set->set & PF_SET_UID)
		attr->uid = set->uid;
	if (set->set & PF_SET_GID)
		attr->gid = set->gid;
}

static void set_mode(const struct pf_caller *caller, struct inode_attr *attr,
		     const struct pf_setattr *set)
{
	if (!(set->set & PF_SET_MODE))
		return;
	attr->mode = (attr->mode & S_IFMT) | (set->mode & 07777);
	if (caller->uid && !caller_in_group(caller, attr->gid))
		attr->mode &= ~(uint32_t)S_ISGID;
}

static void change(const struct pf_caller *caller, struct inode_attr *attr,
		   const struct pf_setattr *set)
{
	uint64_t now = clock_coarse();

	set_owners(caller, attr, set);
	set_mode(caller, attr, set);
	if (set->set & PF_SET_FLAGS)
		attr->flags = (attr->flags & ~SETTABLE) | flags_of(set);
	if (set->set & PF_SET_ATIME)
		attr->atime = set->atime_ns == PF_NOW ? now : set->atime_ns;
	if (set->set & PF_SET_MTIME)
		attr->mtime = set->mtime_ns == PF_NOW ? now : set->mtime_ns;
	attr->ctime = now;
}

static int set_locked(pf_file *file, struct rt_self *me, const struct pf_setattr *set)
{
	const struct pf_caller *caller = caller_of(file->pool);
	struct fs *fs = &file->pool->layout.fs;
	struct inode_attr attr;
	int rc = fs_attr(fs, file->ino, &attr);

	if (rc == 0)
		rc = check_allowed(caller, file->ino, &attr, set);
	if (rc < 0 || !set->set)
		return rc;
	change(caller, &attr, set);
	commit(fs, me, file->ino, &attr);
	return 0;
}

static int check_setattr(const pf_file *file, const struct pf_setattr *set)
{
	if (set->set & ~KNOWN ||
	    (set->set & PF_SET_FLAGS && set->flags & ~(PF_FLAG_IMMUTABLE | PF_FLAG_APPEND)))
		return err(PF_EFLAGS, "attributes: %x, flags %x", set->set, set->flags);
	if ((set->set & PF_SET_UID && set->uid == NO_ID) ||
	    (set->set & PF_SET_GID && set->gid == NO_ID))
		return err(EINVAL, "owner or group %u", NO_ID);
	return file->pool->readonly ? err(PF_EREADONLY, "inode %u", file->ino) : 0;
}

int pf_setattr(pf_file *file, const struct pf_setattr *set)
{
	struct rt_self *me = pool_self(file->pool);
	struct layout *l = &file->pool->layout;
	unsigned tries = 0;
	int rc = me ? check_setattr(file, set) : rt_self_error();

	if (rc < 0)
		return rc;
	do {
		rc = layout_lock(me, l, file->ino);
		if (rc == 0) {
			rc = set_locked(file, me, set);
			layout_unlock(me, l, file->ino);
		}
	} while (rc < 0 && reap_helps(file->pool, me, rc, &tries));
	return rc;
}
