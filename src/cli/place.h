/*
 * A place: a path in a pool, or on the host. What goes both ways, as copies do, is written once for places. Functions return 0 or a
 * negative errno, which complain_at() puts into words.
 */
#ifndef CLI_PLACE_H
#define CLI_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "pinfold.h"

struct place {
	pf_pool *pool; /* NULL: on the host */
	char *path;
};

/* From an operand, which is changed; the pool is kept open. EXIT_FINE, or complains: EXIT_FAILED. */
int place_any(char *operand, struct place *place);
/* The same for what has to be in a pool; EXIT_USAGE: it is not POOL:/path. */
int place_in_pool(char *operand, struct place *place);

/* The place `name` in the directory; false without memory (complained of). The path is the caller's to free. */
bool place_child(const struct place *directory, const char *name, struct place *child);
/* The last component of a path without the slashes behind it, malloced; "." for a root, "." and "..". */
char *last_component(const char *path);
/* The directory that the last component is in, malloced: "." or "/" if there is no other. */
char *parent_path(const char *path);

/* The last failure, of this place. Returns EXIT_FAILED. */
int complain_at(const struct place *place, int error);

/* st_dev and st_ino tell files of one side apart; st_blocks is memory in 512 bytes. */
int place_stat(const struct place *place, bool follow, struct stat *st);
/* The same of an open file of a pool, with the result of pf_stat(). */
int file_stat(pf_file *file, struct stat *st);
/* Whether two places that were looked at are one file. */
bool place_same(const struct place *a, const struct stat *sa, const struct place *b,
		const struct stat *sb);
bool place_is_directory(const struct place *place);

struct names {
	char **name;
	size_t count;
};
/* The entries of a directory but "." and "..", sorted. To be freed in any case. */
int place_names(const struct place *place, struct names *names);
void names_free(struct names *names);
/* `name` is malloced and belongs to `names` now; -ENOMEM also for NULL. */
int names_take(struct names *names, char *name);
/* By their bytes. */
void names_sort(struct names *names);

/* Calls `each` for every entry of a directory, with a path of its own, and goes on when one fails; EXIT_FAILED if one did, or if the directory cannot be read, which is said.
 * One that is gone by now has no entries. */
int place_each(const struct place *directory,
	       int (*each)(const void *arg, const struct place *place), const void *arg);

int place_mkdir(const struct place *place, mode_t mode);
int place_unlink(const struct place *place);
/* Another name for `from`, which is on the same side. */
int place_link(const struct place *from, const struct place *to);
int place_symlink(const struct place *place, const char *target);
/* What the link says, malloced, into *target. */
int place_readlink(const struct place *place, char **target);
/* Mode (unless it is a symbolic link), and with `owner_and_times` those too: an owner who may not be set stays, without set-uid bits. */
int place_set(const struct place *place, const struct stat *st, bool owner_and_times);
/* The same for an open file of a pool, with its result. */
int file_set(pf_file *file, const struct stat *st, bool owner_and_times);

#endif
