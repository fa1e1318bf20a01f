/* Attributes, and reading directories. Neither takes a lock but where a dead process left something half changed. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/sys.h"
#include "file/attr.h"
#include "file/path.h"

static void fill_stat(struct layout *l, uint32_t ino, const struct inode_attr *attr,
		      struct pf_stat *stat)
{
	*stat = (struct pf_stat){
		.inode = ino,
		.generation = attr->generation,
		.size = attr->size,
		.allocated = fs_pages(&l->fs, ino) * PAGE_BYTES,
		.atime_ns = attr->atime,
		.mtime_ns = attr->mtime,
		.ctime_ns = attr->ctime,
		.btime_ns = attr->btime,
		.mode = attr->mode,
		.uid = attr->uid,
		.gid = attr->gid,
		.nlink = attr->nlink,
		.flags = (attr->flags & INODE_IMMUTABLE ? PF_FLAG_IMMUTABLE : 0) |
			 (attr->flags & INODE_APPEND ? PF_FLAG_APPEND : 0),
		.device = inode_device_align(attr->flags),
	};
}

int pf_stat(pf_file *file, struct pf_stat *stat)
{
	struct rt_self *me = pool_self(file->pool);
	struct inode_attr attr;
	int rc = me ? path_attr(me, &file->pool->layout, file->ino, &attr) : rt_self_error();

	if (rc == 0)
		fill_stat(&file->pool->layout, file->ino, &attr, stat);
	return rc;
}

/* The attributes of what the path leads to. */
static int find_attr(pf_pool *pool, struct rt_self *me, const pf_file *from, const char *name,
		     enum path_follow follow, struct path *path, struct inode_attr *attr)
{
	int rc;

	for (unsigned looks = 0; looks < PATH_LOOKS; looks++) {
		rc = path_find(pool, me, from, name, follow, path);
		if (rc == 0)
			rc = path_attr(me, &pool->layout, path->ino, attr);
		if (rc < 0 || (attr->generation == path->igen && attr->state != INODE_FREE))
			return rc;
	}
	return err(PF_EAGAIN, "%s", name);
}

static int stat_path(pf_pool *pool, const pf_file *from, const char *name, unsigned flags,
		     struct pf_stat *stat)
{
	struct rt_self *me = pool_self(pool);
	struct inode_attr attr;
	struct path path;
	int rc = me ? 0 : rt_self_error();

	if (rc == 0 && flags & ~PF_O_NOFOLLOW)
		rc = err(PF_EFLAGS, "stat: %x", flags);
	if (rc == 0)
		rc = find_attr(pool, me, from, name,
			       flags & PF_O_NOFOLLOW ? PATH_NOFOLLOW : PATH_FOLLOW, &path, &attr);
	if (rc == 0)
		fill_stat(&pool->layout, path.ino, &attr, stat);
	return rc;
}

int pf_stat_path(pf_pool *pool, const char *name, unsigned flags, struct pf_stat *stat)
{
	return stat_path(pool, NULL, name, flags, stat);
}

int pf_statat(pf_file *dir, const char *name, unsigned flags, struct pf_stat *stat)
{
	return stat_path(dir->pool, dir, name, flags, stat);
}

int pf_access(pf_pool *pool, const char *name, int mode)
{
	struct rt_self *me = pool_self(pool);
	struct inode_attr attr;
	struct path path;
	int rc = me ? 0 : rt_self_error();

	if (rc == 0 && mode & ~(R_OK | W_OK | X_OK))
		rc = err(PF_EFLAGS, "access: %x", mode);
	if (rc == 0)
		rc = find_attr(pool, me, NULL, name, PATH_FOLLOW, &path, &attr);
	if (rc == 0 && mode & W_OK && pool->readonly)
		rc = err(PF_EREADONLY, "%s", name);
	return rc < 0 ? rc : caller_check(pool, path.ino, &attr, mode);
}

/* ---- directories --------------------------------------------------------------------------------------- */

/* Names of one bucket, as they were at some moment: readdir gives them one by one. */
struct file_batch {
	uint64_t from, next; /* keys: entries in [from, next) are these */
	unsigned count;
	struct dir_name names[FS_DIR_READ];
};

#define READS 8u /* of a directory that is changing, before its lock is taken */

static int read_bucket(pf_file *file, struct rt_self *me, uint64_t key, struct file_batch *b)
{
	struct layout *l = &file->pool->layout;
	bool sure = false;
	int rc;

	attr_accessed(file, me);
	for (unsigned i = 0; i < READS && !sure; i++)
		b->count = fs_dir_read(&l->fs, file->ino, key, b->names, &b->next, &sure);
	if (!sure) {
		rc = layout_lock(me, l, file->ino);
		if (rc < 0)
			return rc;
		b->count = fs_dir_read(&l->fs, file->ino, key, b->names, &b->next, &sure);
		layout_unlock(me, l, file->ino);
	}
	b->from = key;
	return 0;
}

static int check_readdir(pf_file *file, struct rt_self *me)
{
	if (!me)
		return rt_self_error();
	if (!file->directory)
		return file->data ? err(PF_ENOTDIR, "inode %u", file->ino) : handle_no_data(file);
	if (!file->batch) {
		file->batch = sys_malloc(sizeof *file->batch);
		if (!file->batch)
			return err(ENOMEM, "reading a directory");
		file->batch->from = file->batch->next = 0;
	}
	return 0;
}

/* A cursor is the key of the entry that was given last. From the beginning: what the batch has may be old. */
int pf_readdir(pf_file *file, uint64_t cursor, struct pf_entry *entry)
{
	struct rt_self *me = pool_self(file->pool);
	int rc = check_readdir(file, me);
	struct file_batch *b = file->batch;
	uint64_t key = cursor + 1;

	if (rc == 0 && (!cursor || key < b->from || key >= b->next))
		rc = key < 1ull << DIR_KEY_BITS ? read_bucket(file, me, key, b) : 0;
	while (rc == 0 && key < 1ull << DIR_KEY_BITS) {
		for (unsigned i = 0; i < b->count; i++)
			if (b->names[i].key >= key) {
				*entry = (struct pf_entry){b->names[i].name, b->names[i].ino,
							   b->names[i].type, b->names[i].key};
				return 1;
			}
		key = b->next;
		if (key < 1ull << DIR_KEY_BITS)
			rc = read_bucket(file, me, key, b);
	}
	return rc;
}

/* What `each` removes, or others, is not there any more when its attributes are looked at. */
static int list_one(pf_file *directory, struct rt_self *me, const struct pf_entry *e,
		    int (*each)(void *arg, const char *name, const struct pf_stat *stat), void *arg)
{
	struct layout *l = &directory->pool->layout;
	struct inode_attr attr;
	struct pf_stat stat;
	int rc = path_attr(me, l, (uint32_t)e->inode, &attr);

	if (rc < 0)
		return rc;
	if (attr.state != INODE_NAMED)
		return 0;
	fill_stat(l, (uint32_t)e->inode, &attr, &stat);
	return each(arg, e->name, &stat);
}

int pf_list(pf_pool *pool, const char *path,
	    int (*each)(void *arg, const char *name, const struct pf_stat *stat), void *arg)
{
	struct pf_entry entry = {.cursor = 0};
	pf_file *directory;
	int rc = pf_open(pool, path, PF_O_DIRECTORY, 0, &directory), closed;

	if (rc < 0)
		return rc;
	while (rc == 0 && (rc = pf_readdir(directory, entry.cursor, &entry)) == 1)
		rc = list_one(directory, pool_self(pool), &entry, each, arg);
	closed = pf_close(directory);
	return rc ? rc : closed;
}
