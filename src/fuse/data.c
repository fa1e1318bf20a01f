/* Open files: opening, creating, closing. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuse/mount.h"

enum {
	FOR_EXEC = 0x20, /* the kernel's FMODE_EXEC among open flags */
	LOOKS = 100      /* at a name that comes and goes */
};

/* ---- handles --------------------------------------------------------------------------------------- */

static struct handle *opened;
static pthread_mutex_t opened_mutex = PTHREAD_MUTEX_INITIALIZER;

static void link_handle(struct handle *handle)
{
	pthread_mutex_lock(&opened_mutex);
	handle->next = opened;
	handle->link = &opened;
	if (opened)
		opened->link = &handle->next;
	opened = handle;
	pthread_mutex_unlock(&opened_mutex);
}

static void unlink_handle(struct handle *handle)
{
	pthread_mutex_lock(&opened_mutex);
	*handle->link = handle->next;
	if (handle->next)
		handle->next->link = handle->link;
	pthread_mutex_unlock(&opened_mutex);
}

struct handle *handle_new(pf_file *file, struct node *node, uid_t uid)
{
	struct handle *handle = calloc(1, sizeof *handle);

	if (!handle)
		return NULL;
	*handle = (struct handle){.file = file, .node = node, .uid = uid};
	pthread_mutex_init(&handle->mutex, NULL);
	link_handle(handle);
	return handle;
}

void handle_drop(struct handle *handle)
{
	unlink_handle(handle);
	lock_drop(handle);
	if (handle->mappable)
		atomic_fetch_sub(&handle->node->mappable, 1);
	node_close(handle->file);
	limit_give(handle->uid);
	pthread_mutex_destroy(&handle->mutex);
	free(handle);
}

void handle_drop_all(void)
{
	while (opened)
		handle_drop(opened);
}

/* ---- open ------------------------------------------------------------------------------------------ */

static int wanted(int flags)
{
	int want = flags & O_TRUNC ? W_OK : 0;

	if ((flags & O_ACCMODE) == O_RDONLY)
		return want | (flags & FOR_EXEC ? X_OK : R_OK);
	return want | W_OK | ((flags & O_ACCMODE) == O_RDWR ? R_OK : 0);
}

/*
 * The library's flags. Permissions were checked: who may only write opens for reading, too, as the kernel reads a page of
 * which it writes a part. Appending is said at each write, since the kernel also writes mapped pages through any handle; but
 * a file that only grows is not opened for writing without.
 */
static unsigned flags_of(int flags, const struct pf_stat *stat)
{
	bool write = (flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC;

	return (write ? PF_O_RDWR : PF_O_RDONLY) |
	       (write && flags & O_APPEND && stat->flags & PF_FLAG_APPEND ? PF_O_APPEND : 0);
}

/* As the caller, whose set-uid bits and the like a truncation takes away. */
static int truncate_opened(struct caller *who, struct node *node, pf_file *file)
{
	struct watch_change change = watch_before_bytes(node);
	int rc;

	caller_as_self(who);
	rc = pf_truncate(file, 0, PF_DETACH, 0);
	watch_after_bytes(node, change);
	return rc;
}

static int open_node(struct caller *who, struct node *node, int flags, pf_file **file)
{
	struct pf_stat stat;
	int rc = pf_stat(node->file, &stat);

	if (rc == 0)
		rc = caller_may(who, &stat, wanted(flags));
	if (rc < 0)
		return rc;
	caller_as_server();
	rc = pf_reopen(node->file, flags_of(flags, &stat), file);
	caller_as_self(who);
	if (rc == 0 && flags & O_TRUNC) {
		rc = truncate_opened(who, node, *file);
		if (rc < 0)
			node_close(*file);
	}
	return rc;
}

/*
 * A handle, counted; the file is closed if there is none. What is appended goes past the kernel's pages, which it would come
 * through in pieces, one for each page, and others could append between them.
 */
static int make_handle(struct node *node, pf_file *file, uid_t uid, struct fuse_file_info *fi)
{
	struct handle *handle;
	struct pf_stat stat;
	int rc = limit_take(uid);

	handle = rc == 0 ? handle_new(file, node, uid) : NULL;
	if (!handle) {
		if (rc == 0)
			limit_give(uid);
		node_close(file);
		return rc < 0 ? rc : -ENOMEM;
	}
	handle->mappable = (fi->flags & O_ACCMODE) == O_RDWR;
	if (handle->mappable)
		atomic_fetch_add(&node->mappable, 1);
	fi->fh = (uintptr_t)handle;
	fi->direct_io = fi->flags & O_APPEND && (fi->flags & O_ACCMODE) != O_RDONLY;
	fi->keep_cache = pf_stat(file, &stat) == 0 && watch_open(node, &stat);
	return 0;
}

/*
 * Somebody else has replaced or removed the file that the kernel finds by this name: ESTALE lets the kernel look the name up
 * again. Only once, because it may have been found by /proc/self/fd, where it needs no name.
 */
static bool lost_its_name(struct node *node)
{
	struct pf_stat stat;
	bool lost;

	if (pf_stat(node->file, &stat) < 0 || stat.nlink)
		return false;
	pthread_mutex_lock(&node->mutex);
	lost = !node->stale_told;
	node->stale_told = true;
	pthread_mutex_unlock(&node->mutex);
	return lost;
}

void data_open(fuse_req_t req, fuse_ino_t number, struct fuse_file_info *fi)
{
	struct node *node = node_of(number);
	struct caller who;
	pf_file *file;
	int rc;

	if (lost_its_name(node)) {
		fuse_reply_err(req, ESTALE);
		return;
	}
	caller_begin(&who, req);
	do
		rc = open_node(&who, node, fi->flags, &file);
	while (caller_again(&who, rc));
	caller_end(&who);
	if (rc == 0)
		rc = make_handle(node, file, fuse_req_ctx(req)->uid, fi);
	if (rc < 0)
		answer_error(req, rc);
	else if (fuse_reply_open(req, fi) < 0)
		handle_drop(handle_of(fi)); /* the caller was interrupted */
}

/* ---- create ---------------------------------------------------------------------------------------- */

/* What is made: its node, told to the kernel once more, and the file to be its handle's. */
struct made {
	struct node *node;
	pf_file *file;
	struct pf_stat stat;
};

/* The name is not there: a new file. */
static int make(struct node *dir, const char *name, mode_t mode, struct made *made)
{
	pf_file *path;
	int rc = pf_openat(dir->file, name, PF_O_RDWR | PF_O_CREATE | PF_O_EXCL, mode, &made->file);

	if (rc < 0)
		return rc;
	caller_as_server();
	rc = pf_reopen(made->file, PF_O_PATH, &path);
	if (rc == 0)
		rc = pf_stat(path, &made->stat);
	if (rc < 0) {
		node_close(made->file);
		return rc;
	}
	answer_own(path, &made->stat);
	made->node = node_for(path, &made->stat, dir, name);
	if (made->node)
		return 0;
	node_close(made->file);
	return -ENOMEM;
}

/* The name is there: opened as by open(). */
static int take(struct caller *who, struct node *dir, const char *name, int flags,
		struct made *made)
{
	int rc = node_lookup(dir, name, &made->node, &made->stat);

	if (rc < 0)
		return rc;
	rc = S_ISDIR(made->stat.mode)   ? -PF_EISDIR
	     : S_ISLNK(made->stat.mode) ? -PF_ELOOP
					: open_node(who, made->node, flags, &made->file);
	if (rc < 0)
		node_forget(made->node->inode, 1);
	else
		pf_stat(made->file, &made->stat);
	return rc;
}

static int make_or_take(struct caller *who, struct node *dir, const char *name, mode_t mode,
			int flags, struct made *made)
{
	int rc = -PF_ENOFILE;

	for (unsigned i = 0; i < LOOKS && rc == -PF_ENOFILE; i++) {
		bool clean = watch_before(dir);

		caller_as_self(who);
		rc = make(dir, name, mode, made);
		watch_after(dir, clean);
		caller_as_self(who);
		if (rc != -PF_EFILEEXISTS || flags & O_EXCL)
			return rc;
		rc = take(who, dir, name, flags, made);
	}
	return rc;
}

/* A new file without a name. What O_TMPFILE made is what a name can be given to, so that is the node's file. */
static int make_nameless(struct node *dir, mode_t mode, int flags, struct made *made)
{
	pf_file *file;
	int rc = pf_openat(dir->file, ".", PF_O_RDWR | PF_O_TMPFILE, mode, &file);

	(void)flags;
	if (rc < 0)
		return rc;
	caller_as_server();
	rc = pf_reopen(file, PF_O_RDWR, &made->file);
	if (rc == 0)
		rc = pf_stat(file, &made->stat);
	if (rc < 0) {
		node_close(file);
		return rc;
	}
	answer_own(file, &made->stat);
	made->node = node_for(file, &made->stat, NULL, NULL);
	if (made->node) {
		made->node->stale_told = true; /* it is right that it has no name */
		return 0;
	}
	node_close(made->file);
	return -ENOMEM;
}

static int create(fuse_req_t req, struct node *dir, const char *name, mode_t mode,
		  const struct fuse_file_info *fi, struct made *made)
{
	struct caller who;
	int rc;

	caller_begin(&who, req);
	if (mode & S_ISGID)
		caller_groups(&who);
	do {
		caller_as_self(&who);
		if (*name == '/') /* raw.c */
			rc = make_nameless(dir, mode, fi->flags, made);
		else
			rc = make_or_take(&who, dir, name, mode, fi->flags, made);
	} while (caller_again(&who, rc));
	caller_end(&who);
	return rc;
}

void data_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		 struct fuse_file_info *fi)
{
	struct fuse_entry_param e;
	struct made made;
	int rc = create(req, node_of(parent), name, mode, fi, &made);

	if (rc < 0) {
		answer_error(req, rc);
		return;
	}
	rc = make_handle(made.node, made.file, fuse_req_ctx(req)->uid, fi);
	if (rc < 0) {
		node_forget(made.node->inode, 1);
		answer_error(req, rc);
		return;
	}
	watch_told(made.node, &made.stat);
	answer_entry(made.node, &made.stat, &e);
	if (fuse_reply_create(req, &e, fi) < 0) {
		handle_drop(handle_of(fi));
		node_forget(made.node->inode, 1);
	}
}

/* ---- closing --------------------------------------------------------------------------------------- */

void data_release(fuse_req_t req, fuse_ino_t number, struct fuse_file_info *fi)
{
	(void)number;
	lock_release(handle_of(fi), fi);
	handle_drop(handle_of(fi));
	fuse_reply_err(req, 0);
}

void data_fsync(fuse_req_t req, fuse_ino_t number, int datasync, struct fuse_file_info *fi)
{
	(void)number;
	(void)datasync;
	answer_error(req, pf_sync(handle_of(fi)->file));
}
