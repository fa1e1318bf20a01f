/* What makes inodes. Between the files of file/ only. */
#ifndef FILE_NAMES_H
#define FILE_NAMES_H

#include "file/path.h"

struct names_new {
	struct pf_pool *pool;
	struct rt_self *me;
	uint32_t mode;      /* with its type, before the directory's rules */
	const char *target; /* of a symbolic link */
};

/* A new inode where the path's last name is not there. Returns its number, with its lock; -PF_EAGAIN: something has changed since the path was walked. */
int64_t names_make(const struct names_new *new, const struct path *path);
/* The same without a name, for a directory. */
int64_t names_make_nameless(const struct names_new *new, uint32_t dir, uint32_t dir_igen);

#endif
