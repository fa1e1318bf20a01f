/*
 * A plain tree in memory that knows what had completed: what a file system must be after a power cut is compared with it. And operations, made on a pool and
 * on such a tree.
 */
#ifndef TEST_POWER_TREE_H
#define TEST_POWER_TREE_H

#include "power.h"

#define TREE_NODES 200u
#define TREE_NAMES 400u
#define TREE_ROOT  0u

struct tree_node {
	uint32_t type; /* S_IFREG, S_IFDIR, S_IFLNK; 0: not used */
	uint32_t mode, nlink;
	uint64_t size;          /* of `bytes` too; of a link: of what it says */
	const uint8_t *bytes;   /* what a file has, what a link says */
	const uint8_t *or_else; /* not NULL: each byte may be this one instead */
	const char *value;      /* of "user.test"; NULL: there is none */
};

struct tree_name {
	unsigned dir, node;
	uint64_t hash; /* of the name */
	const char *name;
};

/* Names, bytes and values are never changed and are kept to the end of the test: copying the struct copies the tree. */
struct tree {
	unsigned nodes, names; /* as far as they were used */
	struct tree_node node[TREE_NODES];
	struct tree_name name[TREE_NAMES];
};

void tree_init(struct tree *tree);
/* All that tree_*() allocated is freed. */
void tree_end(void);
/* The image has what the tree has and nothing else. */
bool tree_is(const struct tree *tree, const struct power_image *image, char why[200]);

enum op_kind {
	OP_CREATE,
	OP_MKDIR,
	OP_SYMLINK,
	OP_TMPFILE, /* written, then named */
	OP_PUBLISH, /* the same, over what is there */
	OP_LINK,
	OP_UNLINK,
	OP_RMDIR,
	OP_RENAME, /* also over what is there */
	OP_EXCHANGE,
	OP_WRITE,
	OP_APPEND,
	OP_TRUNCATE,
	OP_PUNCH,
	OP_ALLOCATE,
	OP_ALLOCATE_KEEP,
	OP_ALLOCATE_ZERO,
	OP_CHMOD,
	OP_SETXATTR,
	OP_REMOVEXATTR,
	OP_COMPACT,
	OP_KINDS
};

struct op {
	enum op_kind kind;
	char path[PF_PATH_MAX + 1], to[PF_PATH_MAX + 1];
	uint64_t offset, length; /* of bytes; of what a link says, of a value; a mode */
	uint64_t fill;           /* which bytes */
};

void op_print(const struct op *op);
/* On the pool; it succeeds, or the test fails. */
void op_run(pf_pool *pool, const struct op *op);
/* The tree after it; *middle: as it may be before it is complete, beside what it was. */
void op_model(const struct op *op, struct tree *tree, struct tree *middle);
/* One that will succeed, on this tree; sizes of files up to `bytes`. */
void op_random(struct op *op, struct tree *tree, struct test_random *chance, uint64_t bytes);

#endif
