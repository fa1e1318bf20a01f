/*
 * The tree of the demonstration: a directory of the host, in memory as a sorted list, and its copy in a pool.
 *
 * Whatever its processes do to the copy, a path in it says what belongs there: the path of the source, where any component may end in '~'
 * and a digit. So "a~1/b" is what "a/b" is in the source, or the beginning of it.
 */
#ifndef RUN_TREE_H
#define RUN_TREE_H

#include <pinfold.h>
#include <stddef.h>
#include <sys/stat.h>

#define PATH_BYTES 4096

struct entry {
	char *name; /* path below the root of the tree */
	char *target;
	mode_t mode; /* type, and permissions that the copy has */
	size_t size;
};

struct tree {
	const char *root;
	struct entry *entry; /* by name, so what is below a directory is together */
	size_t count, files, directories, links, skipped;
	size_t bytes;                 /* of files, in whole pages */
	const struct entry **by_size; /* the files, largest first */
	const struct entry **small;   /* directories with few entries below */
	size_t small_count;
};

/* Reads the tree below `root`, at most `budget` bytes of it. 0, or -1 with errno. */
int tree_read(struct tree *t, const char *root, size_t budget);
/* The bytes of a file in the source, malloced; NULL if it cannot be read. */
char *tree_bytes(const struct tree *t, const struct entry *e);

/* Makes the entry in the pool, with directories on the way; a file appears whole, and replaces what has its name. An error of pinfold, or -EIO. */
int tree_put(const struct tree *t, pf_pool *pool, const struct entry *e);
/* All that is below the directory, and itself. */
int tree_put_below(const struct tree *t, pf_pool *pool, const struct entry *directory);
/* Removes what is at the path, and below it. Others may do the same. */
void tree_remove(pf_pool *pool, const char *path);

struct difference {
	unsigned long bytes; /* pieces of files that are not those of the source */
	unsigned long
		names; /* entries that do not belong there, or have another type, mode, target or size */
	unsigned long seen; /* entries */
};
/* Compares all of the pool. Before `whole`, names may have '~' and digits, files may be shorter, and entries be missing. */
int tree_compare(const struct tree *t, pf_pool *pool, int whole, struct difference *d);
/* Removes what has a '~' and a digit at the end of its name, with what is below it. `path`: "" for all of the pool. */
int tree_remove_strays(pf_pool *pool, const char *path);

#endif
