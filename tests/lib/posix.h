/*
 * File-system calls as short texts, "rename a b noreplace; open 0 b r", that are made on the host, on a mount or in a pool, and
 * whose outcomes are texts too, to be compared: the errno's name, or what the call gave.
 *
 * A word "@255" is a name of 255 bytes, "%4095/f" a path of 4095 bytes that leads to f, "''" an empty path. A step may end in
 * "!ENOENT": that is its errno on the host, or "!?": whatever that says; without it the step succeeds there. Descriptors are
 * numbers 0 to 9. "as a" goes on as another user (root, a, b, c), "mark p; tick; ...; moved p" says which times of p have
 * changed since, "tree" is all that is there with its attributes.
 */
#ifndef TEST_POSIX_H
#define TEST_POSIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "pinfold.h"

#define POSIX_STEPS 96u
#define POSIX_FDS   10u

struct posix_call {
	unsigned n;
	char *w[8]; /* the call and its words */
	char *out;  /* what it gives, at most POSIX_OUT with its NUL */
};
#define POSIX_OUT 6000u

/* 0, or -errno. */
typedef int posix_verb(struct posix_call *c);

struct posix_fs {
	const char *name;
	void (*enter)(const char *dir); /* makes this directory, in it "in", 0777, and goes there */
	void (*leave)(void);            /* closes all; the directory is empty, and goes */
	const struct posix_verb_name {
		const char *name;
		posix_verb *call;
	} * verbs;                                      /* the last has no name */
	int (*stat)(const char *path, struct stat *st); /* not followed; 0, or -errno */
	void (*allow)(void); /* all in the directory of the script, by its owner */
	int (*set_mode)(const char *path, mode_t mode);
	int (*remove)(const char *path, bool directory);
	/* Calls `each` for every entry. */
	int (*list)(const char *path, void (*each)(void *arg, const char *name, unsigned type),
		    void *arg);
};

extern const struct posix_fs posix_host, posix_pool;
/* Where posix_host works from now on: its directories are made there. */
void posix_host_at(const char *dir);
/* The pool of posix_pool. */
void posix_pool_is(pf_pool *pool);

/* What each step of a script gave, and the tree at the end. */
struct posix_outcome {
	unsigned steps;
	char *step[POSIX_STEPS], *got[POSIX_STEPS];
};
/* Runs a script in a new directory `dir` as `user`. False: this file system does not have one of its calls. */
bool posix_run(const struct posix_fs *fs, const char *dir, const char *user, const char *script,
	       struct posix_outcome *o);
void posix_free(struct posix_outcome *o);
/* The first step whose errno is not what the script says, or NULL. */
const char *posix_unexpected(const struct posix_outcome *o);
/* From now on calls are made as this user; root in the end. */
void posix_as(const char *user);

/* ---- for the file systems ---- */

const char *posix_word(const struct posix_call *c, unsigned i, const char *otherwise);
unsigned long posix_number(const struct posix_call *c, unsigned i);
/* A mode in octal, 0644 if there is none. */
mode_t posix_mode(const struct posix_call *c, unsigned i);
unsigned posix_fd(const struct posix_call *c, unsigned i);
/* Bytes as text: runs are counted, NUL is "0". */
void posix_show(struct posix_call *c, const void *bytes, size_t length);
/* The bytes that a call is to write: its word, or "x*5000". */
size_t posix_bytes(const struct posix_call *c, unsigned i, char *bytes, size_t size);
void posix_show_stat(struct posix_call *c, const struct stat *st);
/* The sum of `values` of the words "a,b" among `names`. */
unsigned posix_flags(const char *words, const char *const names[], const unsigned values[],
		     size_t n);
/* "now", "omit" or seconds. */
struct timespec posix_time(const char *word);
/* Names that list gives, one after the other. */
struct posix_names {
	unsigned n;
	char *name[4096];
};
void posix_add_name(void *names, const char *name, unsigned type);
void posix_free_names(struct posix_names *names);

#endif
