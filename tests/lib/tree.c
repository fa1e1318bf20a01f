/* The model of a tree: nodes and the calls on them, see tree.h. */
#include "tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/clock.h"
#include "tree_inner.h"

/* ---- nodes --------------------------------------------------------------------------------------------- */

void tree_touch(struct tree *t, struct tree_time *time, bool maybe)
{
	for (unsigned side = 0; side < TREE_SIDES; side++) {
		if (!maybe)
			time->maybe[side] = false;
		else if (!time->fresh[side])
			time->maybe[side] = true;
		time->fresh[side] = true;
	}
	time->later = maybe && time->set;
	if (!maybe || !time->from)
		time->from = t->now;
	if (!maybe)
		time->set = 0;
}

static void changed(struct tree *t, struct tree_node *node)
{
	tree_touch(t, &node->mtime, false);
	tree_touch(t, &node->ctime, false);
}

static struct tree_node *node_new(struct tree *t, uint32_t mode, uint32_t uid, uint32_t gid)
{
	struct tree_node *node = calloc(1, sizeof *node);

	must(node);
	node->mode = mode;
	node->uid = uid;
	node->gid = gid;
	node->nlink = S_ISDIR(mode) ? 2 : 1;
	t->nodes++;
	tree_touch(t, &node->atime, false);
	changed(t, node);
	return node;
}

static void node_free(struct tree_node *node)
{
	while (node->xattrs) {
		struct tree_xattr *x = node->xattrs;

		node->xattrs = x->next;
		free(x->value);
		free(x);
	}
	free(node->entries);
	free(node->bytes);
	free(node);
}

static void node_release(struct tree *t, struct tree_node *node)
{
	if (node->nlink || node->opens)
		return;
	t->nodes--;
	node_free(node);
}

static void entry_add(struct tree *t, struct tree_node *dir, const char *name,
		      struct tree_node *node)
{
	if (dir->count == dir->room) {
		dir->room = dir->room * 2 + 8;
		dir->entries = realloc(dir->entries, dir->room * sizeof *dir->entries);
		must(dir->entries);
	}
	snprintf(dir->entries[dir->count].name, 256, "%s", name);
	dir->entries[dir->count++].node = node;
	if (S_ISDIR(node->mode)) {
		node->parent = dir;
		dir->nlink++;
	}
	changed(t, dir);
}

static void entry_remove(struct tree *t, struct tree_node *dir, const char *name)
{
	struct tree_entry *entry = tree_lookup(dir, name);

	if (S_ISDIR(entry->node->mode)) {
		entry->node->parent = NULL;
		dir->nlink--;
	}
	*entry = dir->entries[--dir->count];
	changed(t, dir);
}

/* What has lost a name. */
static void name_lost(struct tree *t, struct tree_node *node)
{
	node->nlink = S_ISDIR(node->mode) ? 0 : node->nlink - 1;
	tree_touch(t, &node->ctime, S_ISDIR(node->mode));
	if (S_ISDIR(node->mode))
		tree_touch(t, &node->mtime, true);
	node_release(t, node);
}

struct tree *tree_new(uint32_t uid, uint32_t gid)
{
	struct tree *t = calloc(1, sizeof *t);

	must(t);
	t->root = node_new(t, S_IFDIR | 01777, uid, gid);
	return t;
}

static void free_below(struct tree_node *dir)
{
	for (unsigned i = 0; i < dir->count; i++) {
		struct tree_node *node = dir->entries[i].node;

		if (S_ISDIR(node->mode))
			free_below(node);
		else if (--node->nlink == 0)
			node_free(node);
	}
	node_free(dir);
}

void tree_free(struct tree *t)
{
	tree_close_all(t);
	free_below(t->root);
	free(t);
}

void tree_drop_bits(struct tree_node *node, const struct pf_caller *who, bool of_owner)
{
	bool may = who->uid == 0 || tree_in_group(who, node->gid);

	if (!S_ISREG(node->mode) && !of_owner)
		return;
	if (!of_owner && who->uid == 0)
		return;
	node->mode &= ~(uint32_t)S_ISUID;
	if (node->mode & S_IXGRP || !may)
		node->mode &= ~(uint32_t)S_ISGID;
}

/* ---- making ---------------------------------------------------------------------------------------------- */

/* A node by the rules of its directory. */
static struct tree_node *make(struct tree *t, const struct pf_caller *who,
			      const struct tree_node *dir, uint32_t mode)
{
	uint32_t gid = who->gid;

	if (dir->mode & S_ISGID) {
		gid = dir->gid;
		if (S_ISDIR(mode))
			mode |= S_ISGID;
	}
	if (!S_ISDIR(mode) && (mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && who->uid &&
	    !tree_in_group(who, gid))
		mode &= ~(uint32_t)S_ISGID;
	return node_new(t, mode, who->uid, gid);
}

/* A name may come into the directory. */
static int may_create(const struct tree_node *dir, const struct pf_caller *who)
{
	return dir->nlink ? tree_permit(dir, who, W_OK | X_OK) : -ENOENT;
}

/* Where the path's last name is to be made. directory: "name/" will do. */
static int walk_to_make(struct tree *t, const struct tree_call *c, const char *path, bool directory,
			struct tree_walk *w)
{
	int rc = tree_walk(t, c->caller, path, TREE_PARENT, w);

	if (rc < 0)
		return rc;
	if (w->last != TREE_NAME || w->node)
		return -EEXIST;
	return w->slash && !directory ? -ENOENT : 0;
}

static long make_directory(struct tree *t, const struct tree_call *c)
{
	struct tree_walk w;
	int rc = walk_to_make(t, c, c->path, true, &w);

	if (rc == 0)
		rc = may_create(w.dir, c->caller);
	if (rc == 0)
		entry_add(t, w.dir, w.name, make(t, c->caller, w.dir, S_IFDIR | (c->mode & 01777)));
	return rc;
}

static long make_symlink(struct tree *t, const struct tree_call *c)
{
	size_t length = strlen(c->other);
	struct tree_node *node;
	struct tree_walk w;
	int rc;

	if (!length)
		return -ENOENT;
	if (length > PF_PATH_MAX)
		return -ENAMETOOLONG;
	rc = walk_to_make(t, c, c->path, false, &w);
	if (rc == 0)
		rc = may_create(w.dir, c->caller);
	if (rc < 0)
		return rc;
	node = make(t, c->caller, w.dir, S_IFLNK | 0777);
	node->bytes = (uint8_t *)strdup(c->other);
	node->size = length;
	entry_add(t, w.dir, w.name, node);
	return 0;
}

/* ---- removing -------------------------------------------------------------------------------------------- */

/* The name may go from the directory. */
static int may_delete(const struct tree_node *dir, const struct tree_node *node,
		      const struct pf_caller *who)
{
	int rc = tree_permit(dir, who, W_OK | X_OK);

	if (rc < 0)
		return rc;
	if (dir->flags & PF_FLAG_APPEND || node->flags)
		return -EPERM;
	if (dir->mode & S_ISVTX && !tree_owns(who, node) && !tree_owns(who, dir))
		return -EPERM;
	return 0;
}

static long remove_directory(struct tree *t, const struct tree_call *c)
{
	struct tree_walk w;
	int rc = tree_walk(t, c->caller, c->path, TREE_PARENT, &w);

	if (rc < 0)
		return rc;
	if (w.last != TREE_NAME)
		return w.last == TREE_DOTDOT ? -ENOTEMPTY : w.last == TREE_DOT ? -EINVAL : -EBUSY;
	if (!w.node)
		return -ENOENT;
	rc = may_delete(w.dir, w.node, c->caller);
	if (rc < 0)
		return rc;
	if (!S_ISDIR(w.node->mode))
		return -ENOTDIR;
	if (w.node->count)
		return -ENOTEMPTY;
	entry_remove(t, w.dir, w.name);
	name_lost(t, w.node);
	return 0;
}

static long unlink_name(struct tree *t, const struct tree_call *c)
{
	struct tree_walk w;
	int rc = tree_walk(t, c->caller, c->path, TREE_PARENT, &w);

	if (rc < 0)
		return rc;
	if (w.last != TREE_NAME)
		return -EISDIR;
	if (!w.node)
		return -ENOENT;
	if (w.slash)
		return S_ISDIR(w.node->mode) ? -EISDIR : -ENOTDIR;
	rc = may_delete(w.dir, w.node, c->caller);
	if (rc < 0)
		return rc;
	if (S_ISDIR(w.node->mode))
		return -EISDIR;
	entry_remove(t, w.dir, w.name);
	name_lost(t, w.node);
	return 0;
}

/* ---- linking --------------------------------------------------------------------------------------------- */

static int link_allowed(const struct tree_node *node)
{
	if (node->flags)
		return -EPERM;
	if (S_ISDIR(node->mode))
		return -EPERM;
	return !node->nlink && !node->linkable ? -ENOENT : 0;
}

static long link_node(struct tree *t, const struct tree_call *c, struct tree_node *node,
		      const struct tree_walk *to)
{
	int rc = may_create(to->dir, c->caller);

	if (rc == 0)
		rc = link_allowed(node);
	if (rc < 0)
		return rc;
	node->nlink++;
	node->linkable = false;
	tree_touch(t, &node->ctime, false);
	entry_add(t, to->dir, to->name, node);
	return 0;
}

static long link_name(struct tree *t, const struct tree_call *c, struct tree_answer *a)
{
	struct tree_walk from, to;
	int rc = tree_find(t, c->caller, c->path, TREE_NOFOLLOW, &from);
	int other = walk_to_make(t, c, c->other, false, &to);

	a->either = rc < 0 && other < 0;
	if (rc < 0 || other < 0)
		return rc < 0 ? rc : other;
	return link_node(t, c, from.node, &to);
}

/* What has the name is to lose it. */
static long link_over(struct tree *t, const struct tree_call *c, struct tree_node *node,
		      const struct tree_walk *to)
{
	struct tree_node *replaced = to->node;
	int rc = may_create(to->dir, c->caller);

	if (rc == 0)
		rc = link_allowed(node);
	if (rc < 0 || replaced == node)
		return rc;
	rc = may_delete(to->dir, replaced, c->caller);
	if (rc == 0 && S_ISDIR(replaced->mode))
		rc = -EISDIR;
	if (rc < 0)
		return rc;
	entry_remove(t, to->dir, to->name);
	name_lost(t, replaced);
	return link_node(t, c, node, to);
}

static long link_file(struct tree *t, const struct tree_call *c, struct tree_answer *a)
{
	struct tree_node *node = t->handle[c->handle].node;
	struct tree_walk to;
	int rc = walk_to_make(t, c, c->other, false, &to);

	a->either = S_ISDIR(node->mode);
	if (rc == -EEXIST && c->flags & PF_LINK_REPLACE && to.last == TREE_NAME && !to.slash)
		return link_over(t, c, node, &to);
	return rc < 0 ? rc : link_node(t, c, node, &to);
}

/* ---- renaming -------------------------------------------------------------------------------------------- */

/* `below` is `node` or under it. */
static bool is_below(const struct tree_node *below, const struct tree_node *node)
{
	for (; below; below = below->parent)
		if (below == node)
			return true;
	return false;
}

/* What the two paths alone tell. */
static int check_ends(const struct tree_walk *from, const struct tree_walk *to, unsigned flags)
{
	bool exchange = flags & PF_RENAME_EXCHANGE;

	if (!from->node)
		return -ENOENT;
	if (to->node && flags & PF_RENAME_NOREPLACE)
		return -EEXIST;
	if (exchange && !to->node)
		return -ENOENT;
	if (exchange && !S_ISDIR(to->node->mode) && to->slash)
		return -ENOTDIR;
	if (!S_ISDIR(from->node->mode) && (from->slash || (!exchange && to->slash)))
		return -ENOTDIR;
	if (S_ISDIR(from->node->mode) && is_below(to->dir, from->node))
		return -EINVAL;
	if (to->node && S_ISDIR(to->node->mode) && is_below(from->dir, to->node))
		return exchange ? -EINVAL : -ENOTEMPTY;
	return 0;
}

static int check_target(const struct tree_walk *from, const struct tree_walk *to,
			const struct pf_caller *who, bool exchange)
{
	bool directory = S_ISDIR(from->node->mode);
	int rc;

	if (!to->node)
		return may_create(to->dir, who);
	rc = may_delete(to->dir, to->node, who);
	if (rc < 0 || exchange)
		return rc;
	if (directory && !S_ISDIR(to->node->mode))
		return -ENOTDIR;
	return !directory && S_ISDIR(to->node->mode) ? -EISDIR : 0;
}

static int check_rename(const struct tree_walk *from, const struct tree_walk *to,
			const struct pf_caller *who, bool exchange)
{
	int rc = may_delete(from->dir, from->node, who);

	if (rc == 0)
		rc = check_target(from, to, who, exchange);
	if (rc == 0 && from->dir != to->dir && S_ISDIR(from->node->mode))
		rc = tree_permit(from->node, who, W_OK);
	if (rc == 0 && from->dir != to->dir && exchange && S_ISDIR(to->node->mode))
		rc = tree_permit(to->node, who, W_OK);
	if (rc == 0 && !exchange && to->node && to->node->count)
		rc = -ENOTEMPTY;
	return rc;
}

static void move(struct tree *t, const struct tree_walk *from, const struct tree_walk *to,
		 bool exchange)
{
	struct tree_node *moved = from->node, *other = to->node;

	entry_remove(t, from->dir, from->name);
	if (other)
		entry_remove(t, to->dir, to->name);
	entry_add(t, to->dir, to->name, moved);
	tree_touch(t, &moved->ctime, false);
	if (other && exchange) {
		entry_add(t, from->dir, from->name, other);
		tree_touch(t, &other->ctime, false);
	} else if (other) {
		name_lost(t, other);
	}
}

static long rename_name(struct tree *t, const struct tree_call *c, struct tree_answer *a)
{
	bool exchange = c->flags & PF_RENAME_EXCHANGE;
	struct tree_walk from, to;
	int rc, other;

	if (exchange && c->flags & PF_RENAME_NOREPLACE)
		return -EINVAL;
	rc = tree_walk(t, c->caller, c->path, TREE_PARENT, &from);
	other = tree_walk(t, c->caller, c->other, TREE_PARENT, &to);
	a->either = (rc < 0 || from.last != TREE_NAME || !from.node) &&
		    (other < 0 || to.last != TREE_NAME);
	if (rc < 0 || other < 0)
		return rc < 0 ? rc : other;
	if (from.last != TREE_NAME)
		return -EBUSY;
	if (to.last != TREE_NAME)
		return c->flags & PF_RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	rc = check_ends(&from, &to, c->flags);
	if (rc < 0 || from.node == to.node)
		return rc;
	rc = check_rename(&from, &to, c->caller, exchange);
	if (rc == 0)
		move(t, &from, &to, exchange);
	return rc;
}

/* ---- open files -------------------------------------------------------------------------------------------- */

static void resize(struct tree *t, struct tree_node *node, size_t size, const struct pf_caller *who)
{
	bool same = node->size == size;

	must(size <= TREE_BYTES);
	if (!node->bytes)
		node->bytes = calloc(1, TREE_BYTES);
	must(node->bytes);
	if (size < node->size)
		memset(node->bytes + size, 0, node->size - size);
	node->size = size;
	tree_touch(t, &node->mtime, same);
	tree_touch(t, &node->ctime, same);
	tree_drop_bits(node, who, false);
}

static int may_open(const struct tree_node *node, const struct tree_call *c)
{
	bool write = c->flags & PF_O_RDWR;
	int rc;

	if (c->flags & PF_O_DIRECTORY && !S_ISDIR(node->mode))
		return -ENOTDIR;
	if (c->flags & PF_O_PATH)
		return 0;
	if (S_ISLNK(node->mode))
		return -ELOOP;
	if (S_ISDIR(node->mode) && write)
		return -EISDIR;
	rc = tree_permit(node, c->caller, R_OK | (write ? W_OK : 0));
	if (rc == 0 && write && node->flags & PF_FLAG_APPEND &&
	    (!(c->flags & PF_O_APPEND) || c->flags & PF_O_TRUNC))
		rc = -EPERM;
	return rc;
}

static long open_node(struct tree *t, const struct tree_call *c, struct tree_node *node)
{
	node->opens++;
	t->handle[c->handle] = (struct tree_handle){node, c->flags};
	return 0;
}

static long open_nameless(struct tree *t, const struct tree_call *c)
{
	struct tree_node *node;
	struct tree_walk w;
	int rc = tree_find(t, c->caller, c->path,
			   c->flags & PF_O_NOFOLLOW ? TREE_NOFOLLOW : TREE_FOLLOW, &w);

	if (rc < 0)
		return rc;
	if (!S_ISDIR(w.node->mode))
		return -ENOTDIR;
	rc = tree_permit(w.node, c->caller, W_OK | X_OK);
	if (rc < 0)
		return rc;
	node = make(t, c->caller, w.node, S_IFREG | (c->mode & 07777));
	node->nlink = 0;
	node->linkable = true;
	return open_node(t, c, node);
}

static long open_new(struct tree *t, const struct tree_call *c, struct tree_walk *w)
{
	struct tree_node *node;
	int rc = may_create(w->dir, c->caller);

	if (rc < 0)
		return rc;
	node = make(t, c->caller, w->dir, S_IFREG | (c->mode & 07777));
	entry_add(t, w->dir, w->name, node);
	return open_node(t, c, node);
}

static long open_file(struct tree *t, const struct tree_call *c, struct tree_answer *a)
{
	bool create = c->flags & PF_O_CREATE, exclusive = c->flags & PF_O_EXCL;
	bool slash = *c->path && c->path[strlen(c->path) - 1] == '/';
	bool follow = !(c->flags & PF_O_NOFOLLOW) && !exclusive && !(create && slash);
	struct tree_walk w;
	int rc;

	if (c->flags & PF_O_TMPFILE)
		return open_nameless(t, c);
	t->joined = 0;
	rc = tree_walk(t, c->caller, c->path,
		       follow   ? TREE_FOLLOW
		       : create ? TREE_PARENT
				: TREE_NOFOLLOW,
		       &w);
	/* Linux looks at these in an order of its own, which has no meaning. */
	a->either = create && (slash || w.slash || (rc < 0 && t->joined) ||
			       (w.node && S_ISLNK(w.node->mode)));
	if (rc < 0)
		return rc;
	if (create && w.last == TREE_NAME && w.slash)
		return -EISDIR; /* whatever there is */
	if (w.node && create && exclusive)
		return -EEXIST;
	if (!w.node)
		return create ? open_new(t, c, &w) : -ENOENT;
	if (create && S_ISDIR(w.node->mode))
		return -EISDIR;
	if (w.slash && !S_ISDIR(w.node->mode))
		return -ENOTDIR;
	rc = may_open(w.node, c);
	if (rc < 0)
		return rc;
	if (c->flags & PF_O_TRUNC)
		resize(t, w.node, 0, c->caller);
	return open_node(t, c, w.node);
}

static long close_handle(struct tree *t, unsigned n)
{
	struct tree_handle *h = &t->handle[n];
	struct tree_node *node = h->node;

	node->opens--;
	*h = (struct tree_handle){0};
	node_release(t, node);
	return 0;
}

static void read_bytes(struct tree *t, const struct tree_call *c, struct tree_answer *a)
{
	struct tree_node *node = t->handle[c->handle].node;

	if (S_ISDIR(node->mode)) {
		a->rc = -EISDIR;
		return;
	}
	if (c->offset < node->size) {
		a->length = MIN(c->length, node->size - c->offset);
		memcpy(a->bytes, node->bytes + c->offset, a->length);
	}
	tree_touch(t, &node->atime, true);
	a->rc = (long)a->length;
}

static long write_bytes(struct tree *t, const struct tree_call *c, bool append)
{
	struct tree_handle *h = &t->handle[c->handle];
	struct tree_node *node = h->node;
	uint64_t offset = append || h->flags & PF_O_APPEND ? node->size : c->offset;

	if (node->flags & PF_FLAG_IMMUTABLE ||
	    (node->flags & PF_FLAG_APPEND && offset != node->size))
		return -EPERM;
	resize(t, node, MAX(node->size, offset + c->length), c->caller);
	tree_fill(node->bytes + offset, c->length, c->fill);
	changed(t, node);
	return (long)c->length;
}

static long truncate_file(struct tree *t, const struct tree_call *c)
{
	struct tree_node *node = t->handle[c->handle].node;

	if (node->flags)
		return -EPERM;
	resize(t, node, c->length, c->caller);
	return 0;
}

/* ---- looking ------------------------------------------------------------------------------------------------ */

static void fill_stat(const struct tree_node *node, struct tree_answer *a)
{
	a->node = node;
	a->stat = (struct pf_stat){
		.size = S_ISDIR(node->mode) ? node->count : node->size,
		.mode = node->mode,
		.uid = node->uid,
		.gid = node->gid,
		.nlink = node->nlink,
		.flags = node->flags,
	};
}

static long stat_path(struct tree *t, const struct tree_call *c, struct tree_answer *a)
{
	struct tree_walk w;
	int rc = tree_find(t, c->caller, c->path,
			   c->flags & PF_O_NOFOLLOW ? TREE_NOFOLLOW : TREE_FOLLOW, &w);

	if (rc == 0)
		fill_stat(w.node, a);
	return rc;
}

static long access_path(struct tree *t, const struct tree_call *c)
{
	struct tree_walk w;
	int rc = tree_find(t, c->caller, c->path, TREE_FOLLOW, &w);

	return rc < 0 ? rc : tree_permit(w.node, c->caller, (int)c->mode);
}

static long read_link(struct tree *t, const struct tree_call *c, struct tree_answer *a)
{
	struct tree_walk w;
	int rc = tree_find(t, c->caller, c->path, TREE_NOFOLLOW, &w);

	if (rc < 0)
		return rc;
	if (!S_ISLNK(w.node->mode))
		return -EINVAL;
	a->length = MIN(c->length, w.node->size);
	memcpy(a->bytes, w.node->bytes, a->length);
	tree_touch(t, &w.node->atime, true);
	return (long)a->length;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct tree_entry *)a)->name, ((const struct tree_entry *)b)->name);
}

static long list(struct tree *t, const struct tree_call *c, struct tree_answer *a)
{
	struct tree_walk w;
	int rc = tree_find(t, c->caller, c->path, TREE_FOLLOW, &w);

	if (rc < 0)
		return rc;
	if (!S_ISDIR(w.node->mode))
		return -ENOTDIR;
	rc = tree_permit(w.node, c->caller, R_OK);
	if (rc < 0)
		return rc;
	if (w.node->count)
		qsort(w.node->entries, w.node->count, sizeof *w.node->entries, by_name);
	for (unsigned i = 0; i < w.node->count; i++)
		a->length += 1 + (size_t)snprintf(a->bytes + a->length, TREE_BYTES - a->length,
						  "%06o %s", w.node->entries[i].node->mode & S_IFMT,
						  w.node->entries[i].name);
	tree_touch(t, &w.node->atime, true);
	return w.node->count;
}

/* ---- calls ------------------------------------------------------------------------------------------------- */

static void call_path(struct tree *t, const struct tree_call *c, struct tree_answer *a)
{
	static long (*const calls[TREE_OPS])(struct tree *, const struct tree_call *) = {
		[TREE_ACCESS] = access_path,     [TREE_MKDIR] = make_directory,
		[TREE_RMDIR] = remove_directory, [TREE_UNLINK] = unlink_name,
		[TREE_SYMLINK] = make_symlink,   [TREE_TRUNCATE] = truncate_file,
	};
	static long (*const answers[TREE_OPS])(struct tree *, const struct tree_call *,
					       struct tree_answer *) = {
		[TREE_OPEN] = open_file,      [TREE_STAT] = stat_path,     [TREE_LINK] = link_name,
		[TREE_READLINK] = read_link,  [TREE_RENAME] = rename_name, [TREE_LIST] = list,
		[TREE_LINK_FILE] = link_file,
	};

	a->rc = calls[c->op] ? calls[c->op](t, c) : answers[c->op](t, c, a);
}

void tree_call(struct tree *t, const struct tree_call *c, struct tree_answer *a)
{
	a->rc = 0;
	a->length = 0;
	a->node = NULL;
	a->either = false;
	t->now = clock_now();
	switch (c->op) {
	case TREE_CLOSE:
		a->rc = close_handle(t, c->handle);
		break;
	case TREE_READ:
		read_bytes(t, c, a);
		break;
	case TREE_WRITE:
	case TREE_APPEND:
		a->rc = write_bytes(t, c, c->op == TREE_APPEND);
		break;
	case TREE_FSTAT:
		fill_stat(t->handle[c->handle].node, a);
		break;
	case TREE_SETATTR:
		tree_setattr(t, c, a);
		break;
	case TREE_SETXATTR:
	case TREE_GETXATTR:
	case TREE_LISTXATTR:
	case TREE_REMOVEXATTR:
		tree_xattr_call(t, c, a);
		break;
	default:
		call_path(t, c, a);
	}
}

bool tree_host_differs(struct tree *t, const struct tree_call *c)
{
	struct tree_walk w;

	if (c->op == TREE_LINK_FILE)
		return c->flags ||
		       (c->caller->uid && t->handle[c->handle].node->uid != c->caller->uid);
	if (c->op == TREE_LINK)
		return c->caller->uid && tree_find(t, c->caller, c->path, TREE_NOFOLLOW, &w) == 0 &&
		       w.node->uid != c->caller->uid;
	return c->op == TREE_SETATTR && c->attr.set & PF_SET_FLAGS;
}

bool tree_too_long(struct tree *t, const struct tree_call *c)
{
	static const struct pf_caller anybody;
	struct tree_walk w;

	t->joined = 0;
	tree_walk(t, &anybody, c->path, TREE_FOLLOW, &w);
	tree_walk(t, &anybody, c->other, TREE_FOLLOW, &w);
	return t->joined > PF_PATH_MAX;
}

bool tree_is_open(const struct tree *t, unsigned handle)
{
	return t->handle[handle].node;
}

unsigned tree_handle_flags(const struct tree *t, unsigned handle)
{
	return t->handle[handle].flags;
}

uint64_t tree_handle_size(const struct tree *t, unsigned handle)
{
	return t->handle[handle].node->size;
}

unsigned tree_nodes(const struct tree *t)
{
	return t->nodes;
}

void tree_pick(const struct tree *t, struct test_random *r, char *path)
{
	const struct tree_node *at = t->root;

	*path = 0;
	while (S_ISDIR(at->mode) && at->count && test_below(r, 4)) {
		const struct tree_entry *e = &at->entries[test_below(r, at->count)];

		path += sprintf(path, "/%s", e->name);
		at = e->node;
		if (strlen(e->name) > 200 && test_below(r, 4))
			break;
	}
	if (at == t->root)
		strcpy(path, "/");
}

void tree_close_all(struct tree *t)
{
	for (unsigned i = 0; i < TREE_HANDLES; i++)
		if (t->handle[i].node)
			close_handle(t, i);
}

static void each_below(struct tree_node *dir, const char *path,
		       void (*each)(void *arg, const char *path, uint32_t mode), void *arg)
{
	for (unsigned i = 0; i < dir->count; i++) {
		struct tree_node *node = dir->entries[i].node;
		char *below;

		must(asprintf(&below, "%s/%s", path, dir->entries[i].name) > 0);
		each(arg, below, node->mode);
		if (S_ISDIR(node->mode))
			each_below(node, below, each, arg);
		free(below);
	}
}

void tree_each(struct tree *t, void (*each)(void *arg, const char *path, uint32_t mode), void *arg)
{
	each(arg, "/", t->root->mode);
	each_below(t->root, "", each, arg);
}

void tree_fill(void *to, size_t length, uint8_t fill)
{
	for (size_t i = 0; i < length; i++)
		((uint8_t *)to)[i] = (uint8_t)(fill + i * 31 + i / 251);
}
