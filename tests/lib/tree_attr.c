/* Attributes in the model, and comparing what it says with what others say, see tree.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/clock.h"
#include "tree_inner.h"

#define TIMES (PF_SET_ATIME | PF_SET_MTIME)

/* ---- setattr -------------------------------------------------------------------------------------------- */

/* Both times become now. */
static bool is_touch(const struct pf_setattr *set)
{
	return (set->set & TIMES) == TIMES && set->atime_ns == PF_NOW && set->mtime_ns == PF_NOW;
}

static int may_set_owner(const struct tree_node *node, const struct pf_caller *who,
			 const struct pf_setattr *set)
{
	bool owner = who->uid == node->uid;

	if (who->uid == 0)
		return 0;
	if (set->set & PF_SET_UID && !(owner && set->uid == node->uid))
		return -EPERM;
	if (set->set & PF_SET_GID &&
	    !(owner && (set->gid == node->gid || tree_in_group(who, set->gid))))
		return -EPERM;
	return 0;
}

static int may_set(const struct tree_node *node, const struct pf_caller *who,
		   const struct pf_setattr *set)
{
	int rc;

	if (node->flags & PF_FLAG_IMMUTABLE && set->set & ~PF_SET_FLAGS)
		return -EPERM;
	if (node->flags & PF_FLAG_APPEND && set->set & ~PF_SET_FLAGS && !is_touch(set))
		return -EPERM;
	rc = may_set_owner(node, who, set);
	if (rc == 0 && set->set & (PF_SET_MODE | PF_SET_FLAGS) && !tree_owns(who, node))
		rc = -EPERM;
	if (rc == 0 && set->set & PF_SET_FLAGS && who->uid && set->flags != node->flags)
		rc = -EPERM;
	if (rc == 0 && set->set & TIMES && !tree_owns(who, node))
		rc = is_touch(set) ? tree_permit(node, who, W_OK) : -EPERM;
	return rc;
}

static void set_time(struct tree *t, struct tree_time *time, uint64_t ns)
{
	tree_touch(t, time, false);
	time->set = ns == PF_NOW ? 0 : ns;
}

static void set_all(struct tree *t, struct tree_node *node, const struct pf_caller *who,
		    const struct pf_setattr *set)
{
	if (set->set & (PF_SET_UID | PF_SET_GID) && !S_ISDIR(node->mode))
		tree_drop_bits(node, who, true);
	if (set->set & PF_SET_UID)
		node->uid = set->uid;
	if (set->set & PF_SET_GID)
		node->gid = set->gid;
	if (set->set & PF_SET_MODE) {
		node->mode = (node->mode & S_IFMT) | (set->mode & 07777);
		if (who->uid && !tree_in_group(who, node->gid))
			node->mode &= ~(uint32_t)S_ISGID;
	}
	if (set->set & PF_SET_FLAGS)
		node->flags = set->flags;
	if (set->set & PF_SET_ATIME)
		set_time(t, &node->atime, set->atime_ns);
	if (set->set & PF_SET_MTIME)
		set_time(t, &node->mtime, set->mtime_ns);
	tree_touch(t, &node->ctime, false);
}

static enum tree_follow follow_of(const struct tree_call *c)
{
	return c->flags & PF_O_NOFOLLOW ? TREE_NOFOLLOW : TREE_FOLLOW;
}

void tree_setattr(struct tree *t, const struct tree_call *c, struct tree_answer *a)
{
	struct tree_walk w;

	a->rc = tree_find(t, c->caller, c->path, follow_of(c), &w);
	if (a->rc == 0 && S_ISLNK(w.node->mode) && c->attr.set & (PF_SET_MODE | PF_SET_FLAGS))
		a->rc = -EOPNOTSUPP;
	if (a->rc == 0)
		a->rc = may_set(w.node, c->caller, &c->attr);
	if (a->rc == 0)
		set_all(t, w.node, c->caller, &c->attr);
}

/* ---- extended attributes --------------------------------------------------------------------------------- */

static bool begins(const char *name, const char *prefix)
{
	return !strncmp(name, prefix, strlen(prefix));
}

static int check_name(const char *name)
{
	if (!begins(name, "user.") && !begins(name, "security."))
		return -EOPNOTSUPP;
	return strchr(name, '.')[1] ? 0 : -EINVAL;
}

static int may_change(const struct tree_node *node, const struct tree_call *c)
{
	bool user = begins(c->name, "user.");

	if (node->flags)
		return -EPERM;
	if (begins(c->name, "security."))
		return c->caller->uid ? -EPERM : 0;
	if (user && S_ISLNK(node->mode))
		return -EPERM;
	if (user && S_ISDIR(node->mode) && node->mode & S_ISVTX && !tree_owns(c->caller, node))
		return -EPERM;
	return tree_permit(node, c->caller, W_OK);
}

static int may_get(const struct tree_node *node, const struct tree_call *c)
{
	if (begins(c->name, "security."))
		return 0;
	if (begins(c->name, "user.") && S_ISLNK(node->mode))
		return -ENODATA;
	return tree_permit(node, c->caller, R_OK);
}

static struct tree_xattr **find(struct tree_node *node, const char *name)
{
	struct tree_xattr **x = &node->xattrs;

	while (*x && strcmp((*x)->name, name) != 0)
		x = &(*x)->next;
	return x;
}

static int set_xattr(struct tree_node *node, const struct tree_call *c)
{
	struct tree_xattr **place = find(node, c->name), *x = *place;

	if (x && c->flags & PF_XATTR_CREATE)
		return -EEXIST;
	if (!x && c->flags & PF_XATTR_REPLACE)
		return -ENODATA;
	if (!x) {
		x = *place = calloc(1, sizeof *x);
		must(x);
		strcpy(x->name, c->name);
	}
	x->value = realloc(x->value, c->length + 1);
	must(x->value);
	x->length = c->length;
	tree_fill(x->value, c->length, c->fill);
	return 0;
}

static int remove_xattr(struct tree_node *node, const struct tree_call *c)
{
	struct tree_xattr **place = find(node, c->name), *x = *place;

	if (!x)
		return -ENODATA;
	*place = x->next;
	free(x->value);
	free(x);
	return 0;
}

static long get_xattr(struct tree_node *node, const struct tree_call *c, struct tree_answer *a)
{
	const struct tree_xattr *x = *find(node, c->name);

	if (!x)
		return -ENODATA;
	if (c->length && c->length < x->length)
		return -ERANGE;
	if (c->length) {
		memcpy(a->bytes, x->value, x->length);
		a->length = x->length;
	}
	return (long)x->length;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static long list_xattrs(const struct tree_node *node, struct tree_answer *a)
{
	const char *names[64];
	unsigned count = 0;

	for (const struct tree_xattr *x = node->xattrs; x; x = x->next)
		names[count++] = x->name;
	if (count)
		qsort(names, count, sizeof *names, by_text);
	for (unsigned i = 0; i < count; i++)
		a->length += 1 + (size_t)snprintf(a->bytes + a->length, TREE_BYTES - a->length,
						  "%s", names[i]);
	return (long)a->length;
}

static long change_xattr(struct tree *t, struct tree_node *node, const struct tree_call *c)
{
	int rc = may_change(node, c);

	if (rc == 0)
		rc = check_name(c->name);
	if (rc == 0)
		rc = c->op == TREE_SETXATTR ? set_xattr(node, c) : remove_xattr(node, c);
	if (rc == 0)
		tree_touch(t, &node->ctime, false);
	return rc;
}

void tree_xattr_call(struct tree *t, const struct tree_call *c, struct tree_answer *a)
{
	struct tree_walk w;

	if (c->op != TREE_LISTXATTR && (!*c->name || strlen(c->name) > 255)) {
		a->rc = -ERANGE;
		a->either = true;
		return;
	}
	a->rc = tree_find(t, c->caller, c->path,
			  c->mode & PF_O_NOFOLLOW ? TREE_NOFOLLOW : TREE_FOLLOW, &w);
	if (a->rc < 0)
		return;
	if (c->op == TREE_LISTXATTR) {
		a->rc = list_xattrs(w.node, a);
		return;
	}
	if (c->op != TREE_GETXATTR) {
		a->rc = change_xattr(t, w.node, c);
		return;
	}
	a->rc = may_get(w.node, c);
	if (a->rc == 0)
		a->rc = check_name(c->name);
	if (a->rc == 0)
		a->rc = get_xattr(w.node, c, a);
}

/* ---- comparing -------------------------------------------------------------------------------------------- */

#define COARSE 20000000u /* nanoseconds by which a clock for files may lag behind */

static bool time_fits(struct tree_time *time, uint64_t is, enum tree_side side, bool loose)
{
	bool was = is == time->seen[side] && time->seen[side];
	bool now = is + COARSE >= time->from && is <= clock_now() + COARSE;
	bool is_new = time->set ? is == time->set || (time->later && now) : now;
	bool fits = time->fresh[side] ? is_new || (time->maybe[side] && was) : was;

	if (!fits && loose)
		fits = now;
	time->fresh[side] = time->maybe[side] = false;
	time->seen[side] = is;
	return fits;
}

static const char *compare_times(struct tree_node *node, const struct pf_stat *stat,
				 enum tree_side side)
{
	if (!time_fits(&node->ctime, stat->ctime_ns, side, false))
		return "ctime";
	if (!time_fits(&node->mtime, stat->mtime_ns, side, false))
		return "mtime";
	return time_fits(&node->atime, stat->atime_ns, side, true) ? NULL : "atime";
}

static const char *compare_stat(const struct tree_answer *model, const struct tree_answer *other,
				enum tree_side side)
{
	struct tree_node *node = (struct tree_node *)(uintptr_t)model->node;
	const struct pf_stat *is = &other->stat, *wanted = &model->stat;

	if (is->mode != wanted->mode)
		return "mode";
	if (is->uid != wanted->uid || is->gid != wanted->gid)
		return "owner or group";
	if (is->nlink != wanted->nlink)
		return "nlink";
	if (is->size != wanted->size && !(side == TREE_HOST && S_ISDIR(is->mode)))
		return "size";
	if (is->flags != wanted->flags && side == TREE_POOL)
		return "flags";
	if (!node->inode[side]) {
		node->inode[side] = is->inode;
		node->generation[side] = is->generation;
	}
	if (node->inode[side] != is->inode || node->generation[side] != is->generation)
		return "inode or generation";
	return compare_times(node, is, side);
}

const char *tree_compare(struct tree *tree, const struct tree_call *call,
			 const struct tree_answer *model, const struct tree_answer *other,
			 enum tree_side side)
{
	(void)tree;
	if (model->rc < 0 && other->rc < 0 && model->either)
		return NULL;
	if (model->rc != other->rc)
		return "result";
	if (model->length != other->length ||
	    memcmp(model->bytes, other->bytes, model->length) != 0)
		return "bytes";
	if (model->rc == 0 && (call->op == TREE_STAT || call->op == TREE_FSTAT))
		return compare_stat(model, other, side);
	return NULL;
}

const char *tree_text(const struct tree_call *c)
{
	static const char *const names[TREE_OPS] = {
		"open",    "close",    "read",     "write",     "append",      "truncate",
		"fstat",   "stat",     "access",   "mkdir",     "rmdir",       "unlink",
		"link",    "linkfile", "symlink",  "readlink",  "rename",      "list",
		"setattr", "setxattr", "getxattr", "listxattr", "removexattr",
	};
	static char text[2048];

	snprintf(
		text, sizeof text,
		"%s uid %u gid %u \"%.300s\" \"%.300s\" %s h%u flags %x mode %o at %lu length %lu set %x "
		"(%o %u %u %x %lx %lx)",
		names[c->op], c->caller->uid, c->caller->gid, c->path, c->other, c->name, c->handle,
		c->flags, c->mode, (unsigned long)c->offset, (unsigned long)c->length, c->attr.set,
		c->attr.mode, c->attr.uid, c->attr.gid, c->attr.flags,
		(unsigned long)c->attr.atime_ns, (unsigned long)c->attr.mtime_ns);
	return text;
}
