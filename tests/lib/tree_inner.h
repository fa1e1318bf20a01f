/* The model's nodes, see tree.h. Between tree.c, tree_walk.c and tree_attr.c only. */
#ifndef TREE_INNER_H
#define TREE_INNER_H

#include "tree.h"

struct tree_time {
	uint64_t from;          /* it is at least this, where it is new */
	bool later;             /* or perhaps changed since it was set */
	uint64_t set;           /* or this; 0: nobody set it */
	bool fresh[TREE_SIDES]; /* has changed since it was seen there */
	bool maybe[TREE_SIDES]; /* or has not */
	uint64_t seen[TREE_SIDES];
};

struct tree_entry {
	char name[256];
	struct tree_node *node;
};

struct tree_xattr {
	char name[256];
	uint8_t *value;
	size_t length;
	struct tree_xattr *next;
};

struct tree_node {
	uint32_t mode, uid, gid, nlink, flags;
	unsigned opens;
	bool linkable;              /* was made without a name, to get one */
	struct tree_node *parent;   /* of a directory; NULL: it was removed */
	struct tree_entry *entries; /* of a directory */
	unsigned count, room;
	uint8_t *bytes; /* of a file; what a link says, with NUL */
	size_t size;
	struct tree_xattr *xattrs;
	struct tree_time atime, mtime, ctime;
	uint64_t inode[TREE_SIDES], generation[TREE_SIDES]; /* 0: not seen yet */
};

struct tree_handle {
	struct tree_node *node;
	unsigned flags;
};

struct tree {
	struct tree_node *root;
	uint64_t now; /* before this call */
	unsigned nodes;
	size_t joined; /* the longest path that a link gave */
	struct tree_handle handle[TREE_HANDLES];
};

/* Where a path leads. */
struct tree_walk {
	struct tree_node *dir, *node; /* node NULL: not there */
	char name[256];
	enum { TREE_NAME, TREE_DOT, TREE_DOTDOT, TREE_ROOT } last;
	bool slash;
};

/* Whether a symbolic link at the end is followed: no, not even for a '/' after it; for that only; yes. */
enum tree_follow { TREE_PARENT, TREE_NOFOLLOW, TREE_FOLLOW };
/* 0, or a negative errno. A last component that is not there is no error. */
int tree_walk(struct tree *t, const struct pf_caller *who, const char *path,
	      enum tree_follow follow, struct tree_walk *w);
/* The same, and then it is -ENOENT. */
int tree_find(struct tree *t, const struct pf_caller *who, const char *path,
	      enum tree_follow follow, struct tree_walk *w);

struct tree_entry *tree_lookup(struct tree_node *dir, const char *name);
bool tree_in_group(const struct pf_caller *who, uint32_t gid);
bool tree_owns(const struct pf_caller *who, const struct tree_node *node);
/* R_OK, W_OK, X_OK: 0, -EACCES, -EPERM for what is immutable. */
int tree_permit(const struct tree_node *node, const struct pf_caller *who, int want);
void tree_touch(struct tree *t, struct tree_time *time, bool maybe);
/* Set-uid and set-gid bits go when bytes or the owner change. */
void tree_drop_bits(struct tree_node *node, const struct pf_caller *who, bool of_owner);

void tree_setattr(struct tree *t, const struct tree_call *c, struct tree_answer *a);
void tree_xattr_call(struct tree *t, const struct tree_call *c, struct tree_answer *a);

#endif
