/*
 * A model of a tree of files: plain lists in this process's memory, as slow and as simple as can be, that says for each call what is to
 * come of it: the errno, or the result. The rules are those of Linux, in the order in which Linux looks at them.
 *
 * A call is a record (tree_call), and so is its answer, so that the same call goes to the model, to a pool (tree_pool_call()) and to a
 * directory of the host's (tree_host_call()). Whoever compares them calls tree_compare(), which knows which times may have changed.
 */
#ifndef TREE_H
#define TREE_H

#include <stddef.h>

#include "pinfold.h"
#include "test.h"

enum tree_op {
	TREE_OPEN,
	TREE_CLOSE,
	TREE_READ,
	TREE_WRITE,
	TREE_APPEND,
	TREE_TRUNCATE,
	TREE_FSTAT,
	TREE_STAT,
	TREE_ACCESS,
	TREE_MKDIR,
	TREE_RMDIR,
	TREE_UNLINK,
	TREE_LINK,
	TREE_LINK_FILE,
	TREE_SYMLINK,
	TREE_READLINK,
	TREE_RENAME,
	TREE_LIST,
	TREE_SETATTR,
	TREE_SETXATTR,
	TREE_GETXATTR,
	TREE_LISTXATTR,
	TREE_REMOVEXATTR,
	TREE_OPS
};

#define TREE_PATH    5000      /* some are too long */
#define TREE_BYTES   (1 << 18) /* of an answer; no file is larger */
#define TREE_HANDLES 8u        /* the last is for who looks at everything */

struct tree_call {
	enum tree_op op;
	const struct pf_caller *caller;
	char path[TREE_PATH],
		other[TREE_PATH]; /* other: the new name; what a symbolic link is to say */
	char name[300];           /* of an extended attribute */
	unsigned handle;          /* of an open file: 0 .. TREE_HANDLES - 1 */
	unsigned flags, mode;     /* PF_...; mode also for TREE_ACCESS */
	uint64_t offset, length;  /* length: also of what is written, and new sizes */
	uint8_t fill;             /* which bytes are written: tree_fill() */
	struct pf_setattr attr;
};

struct tree_node;

struct tree_answer {
	long rc; /* 0 or positive, or a negative errno */
	struct pf_stat stat;
	const struct tree_node *node; /* the model's: whose stat it is */
	bool either; /* the model's: two things are wrong, and any of them may be said */
	size_t length;
	char bytes[TREE_BYTES]; /* what was read; a list: sorted, "d name" and NUL for each */
};

/* ---- the model ---- */

struct tree;
/* With an empty root directory, of this owner. */
struct tree *tree_new(uint32_t uid, uint32_t gid);
void tree_free(struct tree *tree);
void tree_call(struct tree *tree, const struct tree_call *call, struct tree_answer *answer);
/* The host has other rules for this call (fs.protected_hardlinks, no PF_LINK_REPLACE), or must not do it (flags, which would outlive the test). */
bool tree_host_differs(struct tree *tree, const struct tree_call *call);
/* A path is too long for a pool with what the links on it say; other systems have other limits. */
bool tree_too_long(struct tree *tree, const struct tree_call *call);
bool tree_is_open(const struct tree *tree, unsigned handle);
/* Of an open one: PF_O_... and the size of its file. */
unsigned tree_handle_flags(const struct tree *tree, unsigned handle);
uint64_t tree_handle_size(const struct tree *tree, unsigned handle);
/* How many files, directories and links there are. */
unsigned tree_nodes(const struct tree *tree);
/* A path that leads to something, without links on the way. path: TREE_PATH bytes. */
void tree_pick(const struct tree *tree, struct test_random *r, char *path);
/* All handles are closed, without a call. */
void tree_close_all(struct tree *tree);
/* Calls `each` for every path, directories before what is in them. */
void tree_each(struct tree *tree, void (*each)(void *arg, const char *path, uint32_t mode),
	       void *arg);

enum tree_side { TREE_POOL, TREE_HOST, TREE_SIDES };
/* The model's answer and another's: NULL, or what is different. */
const char *tree_compare(struct tree *tree, const struct tree_call *call,
			 const struct tree_answer *model, const struct tree_answer *other,
			 enum tree_side side);
/* One line about a call. In a static buffer. */
const char *tree_text(const struct tree_call *call);

/* ---- others ---- */

void tree_fill(void *to, size_t length, uint8_t fill);

struct tree_pool {
	pf_pool *pool;
	pf_file *file[TREE_HANDLES];
};
void tree_pool_call(struct tree_pool *p, const struct tree_call *call, struct tree_answer *answer);

/* A process whose root directory is an empty one on tmpfs. NULL: this user cannot have that; says why. */
struct tree_host;
struct tree_host *tree_host_start(void);
void tree_host_call(struct tree_host *host, const struct tree_call *call,
		    struct tree_answer *answer);
void tree_host_stop(struct tree_host *host);

#endif
