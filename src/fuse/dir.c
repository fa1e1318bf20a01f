/*
 * Reading directories. The kernel's offset of an entry is the library's cursor after it; before all of them come "." and
 * "..", with the offsets 1 and 2, which no cursor has but by a chance of 2^-59.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuse/mount.h"

enum { AFTER_DOT = 1, AFTER_DOTS = 2 };

/* ---- opening --------------------------------------------------------------------------------------- */

static int open_directory(struct caller *who, struct node *node, pf_file **file,
			  struct pf_stat *stat)
{
	int rc = pf_stat(node->file, stat);

	if (rc == 0)
		rc = caller_may(who, stat, R_OK);
	if (rc < 0)
		return rc;
	caller_as_server();
	rc = pf_reopen(node->file, PF_O_RDONLY | PF_O_DIRECTORY, file);
	caller_as_self(who);
	return rc;
}

static void set_listed(struct node *node)
{
	pthread_mutex_lock(&node->mutex);
	node->listed_ns = mount_now();
	pthread_mutex_unlock(&node->mutex);
}

/*
 * The kernel has the attributes of what is in a directory from reading it. So it keeps what it has read as long as these: then
 * reading once more is cheaper than to ask for each.
 */
static bool listed_lately(struct node *node)
{
	uint64_t timeout = (uint64_t)(mount_self.options.attr_timeout * 1e9);
	bool lately;

	pthread_mutex_lock(&node->mutex);
	lately = node->listed_ns && mount_now() - node->listed_ns < timeout;
	pthread_mutex_unlock(&node->mutex);
	return lately;
}

void dir_open(fuse_req_t req, fuse_ino_t number, struct fuse_file_info *fi)
{
	uid_t uid = fuse_req_ctx(req)->uid;
	struct node *node = node_of(number);
	struct handle *handle = NULL;
	struct caller who;
	struct pf_stat stat;
	pf_file *file;
	int rc = limit_take(uid);

	if (rc < 0) {
		answer_error(req, rc);
		return;
	}
	caller_begin(&who, req);
	do
		rc = open_directory(&who, node, &file, &stat);
	while (caller_again(&who, rc));
	caller_end(&who);
	if (rc == 0) {
		handle = handle_new(file, node, uid);
		if (!handle)
			node_close(file);
	}
	if (!handle) {
		limit_give(uid);
		answer_error(req, rc < 0 ? rc : -ENOMEM);
		return;
	}
	fi->fh = (uintptr_t)handle;
	fi->cache_readdir = true;
	fi->keep_cache = watch_open(node, &stat) && listed_lately(node);
	if (fuse_reply_open(req, fi) < 0)
		handle_drop(handle);
}

void dir_release(fuse_req_t req, fuse_ino_t number, struct fuse_file_info *fi)
{
	data_release(req, number, fi);
}

void dir_fsync(fuse_req_t req, fuse_ino_t number, int datasync, struct fuse_file_info *fi)
{
	data_fsync(req, number, datasync, fi);
}

/* ---- reading --------------------------------------------------------------------------------------- */

/* An answer that is being filled. */
struct listing {
	fuse_req_t req;
	struct handle *handle;
	char *bytes;
	size_t size, used;
	bool plus;
};

/* False: no room. */
static bool add(struct listing *l, const char *name, const struct fuse_entry_param *e, off_t next)
{
	char *at = l->bytes + l->used;
	size_t room = l->size - l->used;
	size_t n = l->plus ? fuse_add_direntry_plus(l->req, at, room, name, e, next)
			   : fuse_add_direntry(l->req, at, room, name, &e->attr, next);

	if (n > room)
		return false;
	l->used += n;
	return true;
}

/* "." and "..", of which the kernel wants the type alone. The parent's number is not said: nobody may ask for it by this. */
static bool add_dots(struct listing *l, uint64_t *cursor)
{
	struct fuse_entry_param e = {
		.attr = {.st_mode = S_IFDIR, .st_ino = l->handle->node->inode}};

	if (*cursor == 0) {
		if (!add(l, ".", &e, AFTER_DOT))
			return false;
		*cursor = AFTER_DOT;
	}
	if (*cursor == AFTER_DOT) {
		pthread_mutex_lock(&l->handle->node->mutex);
		if (l->handle->node->parent)
			e.attr.st_ino = l->handle->node->parent;
		pthread_mutex_unlock(&l->handle->node->mutex);
		if (!add(l, "..", &e, AFTER_DOTS))
			return false;
		*cursor = AFTER_DOTS;
	}
	return true;
}

/* With its attributes, as a lookup; without them if it has gone meanwhile, or may not be searched. */
static bool add_plus(struct listing *l, const struct pf_entry *entry)
{
	struct fuse_entry_param e = {.attr = {.st_mode = entry->type, .st_ino = entry->inode}};
	struct node *node = NULL;
	struct pf_stat stat;
	bool done;

	if (node_lookup(l->handle->node, entry->name, &node, &stat) == 0) {
		watch_told(node, &stat);
		answer_entry(node, &stat, &e);
	} else {
		node = NULL;
	}
	done = add(l, entry->name, &e, (off_t)entry->cursor);
	if (!done && node)
		node_forget(node->inode, 1);
	return done;
}

static bool add_entry(struct listing *l, const struct pf_entry *entry)
{
	struct fuse_entry_param e = {.attr = {.st_mode = entry->type, .st_ino = entry->inode}};

	return l->plus ? add_plus(l, entry) : add(l, entry->name, &e, (off_t)entry->cursor);
}

/* 0, or an error. */
static int fill(struct listing *l, uint64_t cursor)
{
	struct pf_entry entry;
	int rc = 1;

	if (!add_dots(l, &cursor))
		return 0;
	if (cursor == AFTER_DOTS)
		cursor = 0;
	while (rc == 1) {
		rc = pf_readdir(l->handle->file, cursor, &entry);
		if (rc == 1 && !add_entry(l, &entry))
			break;
		cursor = entry.cursor;
	}
	return rc < 0 ? rc : 0;
}

static void list(fuse_req_t req, size_t size, off_t offset, struct fuse_file_info *fi, bool plus)
{
	struct listing l = {.req = req, .handle = handle_of(fi), .size = size, .plus = plus};
	struct caller who;
	int rc = -ENOMEM;

	if (offset == 0)
		set_listed(l.handle->node);
	l.bytes = malloc(size);
	if (l.bytes) {
		caller_begin(&who, req);
		if (plus && who.label.uid)
			caller_groups(&who);
		pthread_mutex_lock(&l.handle->mutex);
		rc = fill(&l, (uint64_t)offset);
		pthread_mutex_unlock(&l.handle->mutex);
		caller_end(&who);
	}
	if (rc < 0 && !l.used)
		answer_error(req, rc);
	else
		fuse_reply_buf(req, l.bytes, l.used);
	free(l.bytes);
}

void dir_read(fuse_req_t req, fuse_ino_t number, size_t size, off_t offset,
	      struct fuse_file_info *fi)
{
	(void)number;
	list(req, size, offset, fi, false);
}

void dir_read_plus(fuse_req_t req, fuse_ino_t number, size_t size, off_t offset,
		   struct fuse_file_info *fi)
{
	(void)number;
	list(req, size, offset, fi, true);
}
