/* Looking up, attributes, and what answers have in common. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/mount.h"

/* ---- answers --------------------------------------------------------------------------------------- */

/* What is no caller's fault is said in the log. */
static bool is_notable(int64_t rc)
{
	return rc == -PF_ECORRUPT || rc == -PF_ERUNCORRUPT || rc == -PF_ESTOPPED ||
	       rc == -PF_ELOCKTIME || rc == -PF_ERUNSPACE;
}

void answer_error(fuse_req_t req, int64_t rc)
{
	if (is_notable(rc))
		mount_say("%s", pf_message());
	fuse_reply_err(req, rc < 0 ? pf_errno((int)rc) : 0);
}

static struct timespec time_of(uint64_t ns)
{
	return (struct timespec){(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
}

void answer_stat(const struct pf_stat *from, struct stat *to)
{
	const struct mount_options *o = &mount_self.options;

	memset(to, 0, sizeof *to);
	to->st_ino = from->inode;
	to->st_mode = from->mode;
	to->st_nlink = from->nlink;
	to->st_uid = o->has_uid ? o->uid : from->uid;
	to->st_gid = o->has_gid ? o->gid : from->gid;
	to->st_size = (off_t)from->size;
	to->st_blksize = PF_PAGE_SIZE;
	to->st_blocks = (blkcnt_t)(from->allocated / 512);
	to->st_atim = time_of(from->atime_ns);
	to->st_mtim = time_of(from->mtime_ns);
	to->st_ctim = time_of(from->ctime_ns);
}

void answer_entry(const struct node *node, const struct pf_stat *stat, struct fuse_entry_param *e)
{
	*e = (struct fuse_entry_param){
		.ino = node->inode,
		.generation = stat->generation,
		.attr_timeout = mount_self.options.attr_timeout,
		.entry_timeout = mount_self.options.entry_timeout,
	};
	answer_stat(stat, &e->attr);
}

void answer_own(pf_file *file, struct pf_stat *stat)
{
	const struct mount_options *o = &mount_self.options;
	struct pf_setattr attr = {.set = (o->has_uid ? PF_SET_UID : 0) |
					 (o->has_gid ? PF_SET_GID : 0),
				  .uid = o->uid,
				  .gid = o->gid};

	if (attr.set && pf_setattr(file, &attr) == 0)
		pf_stat(file, stat);
}

/* ---- operations ------------------------------------------------------------------------------------ */

/* One that is not there is looked up twice, see absent.c. *told: the kernel may believe it, who answers by *turn. */
static int lookup(struct node *dir, const char *name, struct node **node, struct pf_stat *stat,
		  bool *told, uint64_t *turn)
{
	int rc = node_lookup(dir, name, node, stat);

	*told = rc == -PF_ENOFILE && mount_self.options.negative_timeout > 0 &&
		absent_note(dir, name, turn);
	return *told ? node_lookup(dir, name, node, stat) : rc;
}

void look_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct node *dir = node_of(parent), *node;
	struct fuse_entry_param e;
	struct caller who;
	struct pf_stat stat;
	uint64_t turn;
	bool told;
	int rc;

	caller_begin(&who, req);
	do
		rc = lookup(dir, name, &node, &stat, &told, &turn);
	while (caller_again(&who, rc));
	caller_end(&who);
	if (rc == 0) {
		watch_told(node, &stat);
		answer_entry(node, &stat, &e);
		fuse_reply_entry(req, &e);
	} else if (rc == -PF_ENOFILE && told) {
		absent_answer(req, dir, turn);
	} else {
		answer_error(req, rc);
	}
}

void look_forget(fuse_req_t req, fuse_ino_t number, uint64_t lookups)
{
	node_forget(number, lookups);
	fuse_reply_none(req);
}

void look_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		node_forget(forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

void look_getattr(fuse_req_t req, fuse_ino_t number, struct fuse_file_info *fi)
{
	struct node *node = node_of(number);
	struct pf_stat stat;
	struct stat st;
	int rc = pf_stat(node->file, &stat);

	(void)fi;
	if (rc < 0) {
		answer_error(req, rc);
		return;
	}
	watch_told(node, &stat);
	answer_stat(&stat, &st);
	fuse_reply_attr(req, &st, mount_self.options.attr_timeout);
}

void look_readlink(fuse_req_t req, fuse_ino_t number)
{
	char target[PF_PATH_MAX + 1];
	ssize_t n = pf_readlinkat(node_of(number)->file, "", target, PF_PATH_MAX);

	if (n < 0) {
		answer_error(req, n);
		return;
	}
	target[n] = 0;
	fuse_reply_readlink(req, target);
}
