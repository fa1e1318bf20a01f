/* The path of an inode, from what it remembers of its last name; for people, not for opening. */
#include <stdio.h>
#include <string.h>

#include "fs/inner.h"

/* Puts "/name" before what is in the buffer from *at on. False: no room. */
static bool put_before(char *buffer, size_t *at, const struct dir_name *name)
{
	if (*at < name->length + 1u)
		return false;
	*at -= name->length;
	memcpy(buffer + *at, name->name, name->length);
	buffer[--*at] = '/';
	return true;
}

bool fs_path(struct fs *fs, uint32_t ino, uint32_t igen, char *buffer, size_t size)
{
	size_t at = size - 1;
	struct inode_attr attr;
	struct dir_name name;

	buffer[at] = 0;
	if (!ino || ino >= fs_inodes_high(fs) || fs_attr(fs, ino, &attr) < 0 ||
	    attr.generation != igen)
		return false;
	for (unsigned depth = 0; ino != ROOT_INO; depth++) {
		if (!attr.parent || attr.parent >= fs_inodes_high(fs) || depth == PF_PATH_MAX / 2 ||
		    !inner_dir_name(fs, attr.parent, attr.key, ino, attr.generation, &name) ||
		    !put_before(buffer, &at, &name))
			return false;
		ino = attr.parent;
		if (fs_attr(fs, ino, &attr) < 0)
			return false;
	}
	if (buffer[at] == '/')
		at++; /* without the first one */
	memmove(buffer, buffer + at, size - at);
	return true;
}
