/*
 * A file system by itself, in a memfd: media and runtime, but no pages; what its maps name is anything in the data zone. Each
 * process that uses it opens it for itself; a child of who made it may.
 */
#ifndef TEST_BOX_H
#define TEST_BOX_H

#include "fs/fs.h"

struct box {
	int media_fd, runtime_fd;
	struct dev *dev; /* this process's, while open */
	struct super_format super;
	uint8_t *meta;
	struct rt *rt;
	struct rt_self *me;
	struct fs fs;
	struct box_run *runs; /* what fs_build told, when this process built it */
	size_t run_count;
};

struct box_run {
	uint64_t pfn, pages, index;
	uint32_t ino, igen;
	unsigned order;
};

/* Sparse, of `bytes`; nodes 0: as mkfs does it, else so many. */
void box_make(struct box *box, uint64_t bytes, uint64_t inodes, uint64_t nodes);
/* Attaches; the first one builds. An error of rt_attach(). */
int box_try_open(struct box *box);
void box_open(struct box *box);
/* Detaches; the last one marks the media clean, and the next to open builds anew. */
void box_close(struct box *box);
void box_end(struct box *box);

/* Operations as layout/ does them, without locks. The file is in the root directory and new, or the test fails. */
uint32_t box_create(struct box *box, const char *name);
/* The same in any directory, of any type; target: of a symbolic link. */
uint32_t box_make_inode(struct box *box, uint32_t dir, const char *name, uint32_t mode,
			const char *target);
/* What the name leads to; 0: nothing. */
uint32_t box_find(struct box *box, uint32_t dir, const char *name);
void box_unlink(struct box *box, uint32_t dir, const char *name);
/* Maps data page `page` (counted from the first of the data zone) and what follows it; the error of fs_entry_add(). */
int box_add(struct box *box, uint32_t ino, uint64_t index, unsigned order, uint64_t page);
void box_cut(struct box *box, uint32_t ino, uint64_t index, uint64_t pages);
/* Its pages are gone: takes its name, if it has one, and evicts it. */
void box_evict(struct box *box, uint32_t ino);

/* First page of the data zone. */
uint64_t box_first_pfn(const struct box *box);
/* Buries dead slots and settles what they left: lanes, names, node records. As file/reap.c does, for this much. */
void box_reap(struct box *box);
/* fs_check_media and fs_check_runtime find nothing. Fails the test otherwise, saying what. */
void box_check(struct box *box);
/* Calls fs_check_media on bytes; returns the number of violations and keeps the first one's rule and text. */
unsigned long box_fsck(const void *base, uint64_t length, char *rule, size_t rule_size, char *text,
		       size_t text_size);

/* Kills this process at the nth step from now on; -1: never. Without steps in this build: false. */
bool box_kill_at(long n);
/* How many steps there were since then. */
long box_steps(void);

#endif
