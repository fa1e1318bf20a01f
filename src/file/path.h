/* From a path to an inode. Between the files of file/ only. */
#ifndef FILE_PATH_H
#define FILE_PATH_H

#include "file/caller.h"

enum path_last { PATH_NAME, PATH_DOT, PATH_DOTDOT, PATH_ROOT };

/* Where a path leads: what its last component is, in which directory. Nothing is locked: whoever changes something locks the inodes and looks again. */
struct path {
	uint32_t dir, dir_igen; /* for PATH_NAME: where the name is or would be */
	const char *name;       /* in the path that was given, or in text */
	size_t length;
	uint32_t ino, igen; /* 0: the name is not there */
	uint32_t type;      /* of ino: S_IFREG, S_IFDIR, S_IFLNK */
	enum path_last last;
	bool slash; /* something followed that only a directory can have: "name/" */
	unsigned links;
	char text[2][PF_PATH_MAX + 1]; /* paths through symbolic links */
};

/* Whether a symbolic link at the end is followed: not even when a '/' comes after it, as where a name is made or removed; only then; always. */
enum path_follow { PATH_AS_NAME, PATH_NOFOLLOW, PATH_FOLLOW };

/* From a directory that is open, or from the root (NULL). 0, or an error; a last component that is not there is none. */
int path_walk(struct pf_pool *pool, struct rt_self *me, const pf_file *from, const char *name,
	      enum path_follow follow, struct path *path);
/* The same, and a last component that is not there is -PF_ENOFILE. */
int path_find(struct pf_pool *pool, struct rt_self *me, const pf_file *from, const char *name,
	      enum path_follow follow, struct path *path);
#define PATH_LOOKS 1000u /* at a path whose end changes each time */

/* For an operation on paths that came back with `rc`: true if it is to be done once more, because what a walk found has changed (-PF_EAGAIN), or because reaping helped. */
struct path_tries {
	unsigned looks, reaps; /* 0 at first */
};
bool path_again(struct pf_pool *pool, struct rt_self *me, int rc, struct path_tries *tries);
/* Attributes without a lock; but a record that a dead process left half changed is whole only after its lock was taken. */
int path_attr(struct rt_self *me, struct layout *l, uint32_t ino, struct inode_attr *attr);

#endif
