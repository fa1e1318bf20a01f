/* Making, removing and moving names. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/mount.h"

/* The kernel is told what is there by this name now; the call that made it has succeeded. */
static void answer_found(fuse_req_t req, struct node *dir, const char *name, bool made)
{
	struct fuse_entry_param e;
	struct pf_stat stat;
	struct node *node;
	int rc;

	caller_as_server();
	rc = node_lookup(dir, name, &node, &stat);
	if (rc < 0) {
		answer_error(req, rc);
		return;
	}
	if (made)
		answer_own(node->file, &stat);
	watch_told(node, &stat);
	answer_entry(node, &stat, &e);
	if (fuse_reply_entry(req, &e) < 0)
		node_forget(node->inode, 1);
}

/* ---- making ---------------------------------------------------------------------------------------- */

/* What is to be made: of which type, and of a symbolic link what it says. */
static int make_once(struct node *dir, const char *name, mode_t mode, const char *target)
{
	pf_file *file;
	int rc;

	if (S_ISDIR(mode))
		return pf_mkdirat(dir->file, name, mode & 07777);
	if (S_ISLNK(mode))
		return pf_symlinkat(target, dir->file, name);
	rc = pf_openat(dir->file, name, PF_O_RDWR | PF_O_CREATE | PF_O_EXCL, mode & 07777, &file);
	if (rc == 0)
		node_close(file);
	return rc;
}

static void make(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		 const char *target)
{
	struct node *dir = node_of(parent);
	bool clean = watch_before(dir);
	struct caller who;
	int rc;

	caller_begin(&who, req);
	if (mode & S_ISGID)
		caller_groups(&who);
	do
		rc = make_once(dir, name, mode, target);
	while (caller_again(&who, rc));
	caller_end(&who);
	watch_after(dir, clean);
	if (rc < 0)
		answer_error(req, rc);
	else
		answer_found(req, dir, name, true);
}

void names_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device)
{
	(void)device;
	if (S_ISREG(mode))
		make(req, parent, name, mode, NULL);
	else
		fuse_reply_err(req, EPERM); /* a pool has no pipes, sockets and devices */
}

void names_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	make(req, parent, name, S_IFDIR | mode, NULL);
}

void names_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	make(req, parent, name, S_IFLNK | 0777, target);
}

void names_link(fuse_req_t req, fuse_ino_t number, fuse_ino_t parent, const char *name)
{
	struct node *node = node_of(number), *dir = node_of(parent);
	bool dir_clean = watch_before(dir), clean = watch_before(node);
	struct caller who;
	int rc;

	caller_begin(&who, req);
	do
		rc = pf_link_fileat(node->file, dir->file, name, 0);
	while (caller_again(&who, rc));
	caller_end(&who);
	watch_after(dir, dir_clean);
	watch_after(node, clean);
	if (rc < 0)
		answer_error(req, rc);
	else
		answer_found(req, dir, name, false);
}

/* ---- removing and moving --------------------------------------------------------------------------- */

/* Of what is known by this name. NULL: nothing. One more lookup is counted, to be given back by let_go(). */
struct touched {
	struct node *node;
	bool clean;
};

static struct touched touch(struct node *dir, const char *name)
{
	struct touched t = {NULL, false};
	struct pf_stat stat;

	caller_as_server();
	if (pf_statat(dir->file, name, PF_O_NOFOLLOW, &stat) == 0)
		t.node = node_known(&stat);
	if (t.node)
		t.clean = watch_before(t.node);
	return t;
}

/* It was touched by the mount itself, and is there by that name now (or nowhere). */
static void let_go(struct touched t, const struct node *dir, const char *name, bool done)
{
	if (!t.node)
		return;
	if (done) {
		watch_after(t.node, t.clean);
		node_found_at(t.node, dir, name);
	}
	node_forget(t.node->inode, 1);
}

static void remove_name(fuse_req_t req, fuse_ino_t parent, const char *name, unsigned flags)
{
	struct node *dir = node_of(parent);
	bool clean = watch_before(dir);
	struct touched victim = touch(dir, name);
	struct caller who;
	int rc;

	caller_begin(&who, req);
	do
		rc = pf_unlinkat(dir->file, name, flags);
	while (caller_again(&who, rc));
	caller_end(&who);
	watch_after(dir, clean);
	let_go(victim, NULL, NULL, rc == 0);
	answer_error(req, rc);
}

void names_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_name(req, parent, name, 0);
}

void names_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_name(req, parent, name, PF_UNLINK_DIRECTORY);
}

static int rename_as(fuse_req_t req, struct node *from, const char *name, struct node *to,
		     const char *new_name, unsigned flags)
{
	unsigned pf_flags = (flags & RENAME_NOREPLACE ? PF_RENAME_NOREPLACE : 0) |
			    (flags & RENAME_EXCHANGE ? PF_RENAME_EXCHANGE : 0);
	struct caller who;
	int rc;

	if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	caller_begin(&who, req);
	do
		rc = pf_renameat(from->file, name, to->file, new_name, pf_flags);
	while (caller_again(&who, rc));
	caller_end(&who);
	return rc;
}

void names_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
		  const char *new_name, unsigned flags)
{
	struct node *from = node_of(parent), *to = node_of(new_parent);
	bool from_clean = watch_before(from), to_clean = watch_before(to);
	struct touched moved = touch(from, name), replaced = touch(to, new_name);
	bool exchange = flags & RENAME_EXCHANGE;
	int rc = rename_as(req, from, name, to, new_name, flags);

	watch_after(from, from_clean);
	watch_after(to, to_clean);
	let_go(replaced, exchange ? from : NULL, name, rc == 0);
	let_go(moved, to, new_name, rc == 0);
	answer_error(req, rc);
}
