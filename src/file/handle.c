/*
 * Open files and names. A handle is a record in the slot, published and counted under the inode's lock; an unnamed file goes with the last
 * one. Names are found without a lock, and looked at again under the lock of what was found.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/step.h"
#include "base/sys.h"
#include "file/pool.h"

#define LOOKUPS 1000 /* a name that changes hands at each look */

/* ---- handles --------------------------------------------------------------------------------------- */

/* An unnamed file that nobody has open goes. If it cannot go now, or a read-only process must leave it, the next one that reaps removes it. */
static int evict(struct rt_self *me, struct layout *l, uint32_t ino)
{
	int rc = l->readonly ? 0 : layout_evict(me, l, ino);

	if (l->readonly || rc < 0)
		atomic_fetch_add_explicit(&l->fs.shared->leftovers, 1, memory_order_acq_rel);
	return rc;
}

int handle_drop(struct rt_self *me, struct layout *l, rt_handle *handle)
{
	uint32_t ino = (uint32_t)load_acquire(handle);
	struct fs_inode *state = fs_state(&l->fs, ino);
	struct inode_attr attr;
	int rc;

	if (!ino)
		return 0;
	store_release(handle, 0);
	step("handle: dropped");
	store_release(&state->opens, load_relaxed(&state->opens) - 1);
	rc = fs_attr(&l->fs, ino, &attr);
	if (rc == 0 && attr.state == INODE_UNNAMED && load_relaxed(&state->opens) == 0)
		rc = evict(me, l, ino);
	return rc;
}

/* Inode lock. */
static void handle_publish(struct layout *l, struct pf_file *file)
{
	struct fs_inode *state = fs_state(&l->fs, file->ino);

	store_release(file->handle, (uint64_t)file->igen << 32 | file->ino);
	step("handle: published");
	store_release(&state->opens, load_relaxed(&state->opens) + 1);
}

static bool has_name(struct layout *l, uint32_t ino, const char *name, struct inode_attr *attr)
{
	return fs_attr(&l->fs, ino, attr) == 0 && attr->state == INODE_NAMED &&
	       !strcmp(attr->name, name);
}

/* The inode of that name, locked; 0: there is none. Error: negative. */
static int64_t lock_by_name(struct rt_self *me, struct layout *l, const char *name)
{
	for (unsigned look = 0; look < LOOKUPS; look++) {
		struct inode_attr attr;
		bool sure;
		uint32_t ino = fs_lookup(&l->fs, name, &sure);
		int rc;

		if (!ino && sure)
			return 0;
		if (!ino) { /* the chain was changing */
			rc = layout_lock_names(me, l);
			if (rc < 0)
				return rc;
			ino = fs_lookup(&l->fs, name, &sure);
			layout_unlock_names(me, l);
			if (!ino)
				return 0;
		}
		rc = layout_lock(me, l, ino);
		if (rc < 0)
			return rc;
		if (has_name(l, ino, name, &attr))
			return ino;
		layout_unlock(me, l, ino);
	}
	return err(PF_EAGAIN, "%s", name);
}

/* With the names locked: the inode of that name, locked; made if it is not there. */
static int64_t create_by_name(struct rt_self *me, struct layout *l, const char *name, mode_t mode,
			      bool exclusive)
{
	int64_t ino;
	bool sure;
	int rc = layout_lock_names(me, l);

	if (rc < 0)
		return rc;
	ino = fs_lookup(&l->fs, name, &sure);
	if (ino && exclusive)
		ino = err(PF_EFILEEXISTS, "%s", name);
	else if (!ino)
		ino = fs_create(&l->fs, me, name, mode & 07777, geteuid(), getegid());
	if (ino > 0) {
		rc = layout_lock(me, l, (uint32_t)ino);
		if (rc < 0)
			ino = rc;
	}
	layout_unlock_names(me, l);
	return ino;
}

static int64_t find_or_create(struct rt_self *me, struct layout *l, const char *name,
			      unsigned flags, mode_t mode)
{
	int64_t ino = flags & PF_O_EXCL ? 0 : lock_by_name(me, l, name);

	if (ino == 0 && flags & PF_O_CREATE)
		ino = create_by_name(me, l, name, mode, flags & PF_O_EXCL);
	return ino ? ino : err(PF_ENOFILE, "%s", name);
}

static int check_open(pf_pool *pool, const char *name, unsigned flags)
{
	int rc = fs_name_check(name);

	if (rc < 0)
		return rc;
	if (flags & ~(PF_O_RDWR | PF_O_CREATE | PF_O_EXCL | PF_O_TRUNC) ||
	    (flags & PF_O_EXCL && !(flags & PF_O_CREATE)) ||
	    (flags & PF_O_TRUNC && !(flags & PF_O_RDWR)))
		return err(PF_EFLAGS, "open %s: %x", name, flags);
	if (pool->readonly && flags & (PF_O_RDWR | PF_O_CREATE))
		return err(PF_EREADONLY, "%s", name);
	return 0;
}

static void link_file(struct pf_file *file)
{
	struct pf_pool *pool = file->pool;

	pthread_mutex_lock(&pool->mutex);
	file->next = pool->files;
	file->link = &pool->files;
	if (file->next)
		file->next->link = &file->next;
	pool->files = file;
	pthread_mutex_unlock(&pool->mutex);
}

static void unlink_file(struct pf_file *file)
{
	struct pf_pool *pool = file->pool;

	pthread_mutex_lock(&pool->mutex);
	*file->link = file->next;
	if (file->next)
		file->next->link = file->link;
	pthread_mutex_unlock(&pool->mutex);
}

static int open_locked(struct rt_self *me, struct pf_pool *pool, struct pf_file *file,
		       const char *name, unsigned flags, mode_t mode)
{
	struct layout *l = &pool->layout;
	unsigned tries = 0;
	int64_t ino;

	do {
		ino = find_or_create(me, l, name, flags, mode);
	} while (ino < 0 && reap_helps(pool, me, (int)ino, &tries));
	if (ino < 0)
		return (int)ino;
	file->ino = (uint32_t)ino;
	file->igen = fs_generation(&l->fs, file->ino);
	handle_publish(l, file);
	layout_unlock(me, l, file->ino);
	return 0;
}

int pf_open(pf_pool *pool, const char *name, unsigned flags, mode_t mode, pf_file **out)
{
	struct rt_self *me = pool_self(pool);
	struct pf_file *file;
	int rc = me ? check_open(pool, name, flags) : rt_self_error();

	if (rc < 0)
		return rc;
	file = sys_calloc(1, sizeof *file);
	if (!file)
		return err(ENOMEM, "open %s", name);
	file->pool = pool;
	file->writable = flags & PF_O_RDWR;
	file->handle = rt_handle_get(me);
	if (!file->handle) {
		free(file);
		return rt_self_error();
	}
	rc = open_locked(me, pool, file, name, flags, mode);
	if (rc < 0) {
		rt_handle_put(me, file->handle);
		free(file);
		return rc;
	}
	link_file(file);
	if (flags & PF_O_TRUNC)
		rc = pf_truncate(file, 0, PF_DETACH, 0);
	if (rc < 0)
		pf_close(file);
	else
		*out = file;
	return rc;
}

int pf_close(pf_file *file)
{
	struct rt_self *me;
	int rc;

	if (!file)
		return 0;
	me = pool_self(file->pool);
	if (!me)
		return rt_self_error();
	rc = layout_lock(me, &file->pool->layout, file->ino);
	if (rc < 0)
		return rc; /* still open: a stopped process has the lock */
	rc = handle_drop(me, &file->pool->layout, file->handle);
	layout_unlock(me, &file->pool->layout, file->ino);
	rt_handle_put(me, file->handle);
	unlink_file(file);
	free(file);
	return rc;
}

/* ---- names ----------------------------------------------------------------------------------------- */

static int evict_if_unused(struct rt_self *me, struct layout *l, uint32_t ino)
{
	return load_relaxed(&fs_state(&l->fs, ino)->opens) ? 0 : evict(me, l, ino);
}

/* The inode of that name, locked, which has lost it; or an error. Names lock. */
static int64_t unlink_locked(struct rt_self *me, struct layout *l, const char *name)
{
	bool sure;
	uint32_t ino = fs_lookup(&l->fs, name, &sure);
	int rc = ino ? layout_lock(me, l, ino) : err(PF_ENOFILE, "%s", name);

	if (rc < 0)
		return rc;
	fs_unlink(&l->fs, me, ino);
	return ino;
}

static int begin_names(struct pf_pool *pool, struct rt_self **me)
{
	*me = pool_self(pool);
	if (!*me)
		return rt_self_error();
	if (pool->readonly)
		return err(PF_EREADONLY, NULL);
	return layout_lock_names(*me, &pool->layout);
}

int pf_unlink(pf_pool *pool, const char *name)
{
	struct rt_self *me;
	int64_t ino;
	int rc = fs_name_check(name);

	if (rc >= 0)
		rc = begin_names(pool, &me);
	if (rc < 0)
		return rc;
	ino = unlink_locked(me, &pool->layout, name);
	layout_unlock_names(me, &pool->layout);
	if (ino < 0)
		return (int)ino;
	/* Pages go without the names lock, as that may take long. */
	rc = evict_if_unused(me, &pool->layout, (uint32_t)ino);
	layout_unlock(me, &pool->layout, (uint32_t)ino);
	return rc;
}

/* Both inodes locked, lower number first. `b` may be 0. */
static int lock_two(struct rt_self *me, struct layout *l, uint32_t a, uint32_t b)
{
	uint32_t first = b && b < a ? b : a, second = first == a ? b : a;
	int rc = layout_lock(me, l, first);

	if (rc == 0 && second) {
		rc = layout_lock(me, l, second);
		if (rc < 0)
			layout_unlock(me, l, first);
	}
	return rc;
}

/* Returns the inode that lost the name `to`, locked; 0: none did; or an error. Names lock. */
static int64_t rename_locked(struct rt_self *me, struct layout *l, const char *from, const char *to)
{
	bool sure;
	uint32_t ino = fs_lookup(&l->fs, from, &sure), replaced = fs_lookup(&l->fs, to, &sure);
	int rc;

	if (!ino)
		return err(PF_ENOFILE, "%s", from);
	if (ino == replaced)
		return 0;
	rc = lock_two(me, l, ino, replaced);
	if (rc < 0)
		return rc;
	fs_rename(&l->fs, me, ino, to, replaced);
	layout_unlock(me, l, ino);
	return replaced;
}

int pf_rename(pf_pool *pool, const char *from, const char *to, unsigned flags)
{
	struct rt_self *me;
	int64_t replaced;
	int rc = fs_name_check(from);

	if (rc >= 0)
		rc = fs_name_check(to);
	if (rc >= 0 && flags)
		rc = err(PF_EFLAGS, "rename: %x", flags);
	if (rc >= 0)
		rc = begin_names(pool, &me);
	if (rc < 0)
		return rc;
	replaced = rename_locked(me, &pool->layout, from, to);
	layout_unlock_names(me, &pool->layout);
	if (replaced <= 0)
		return (int)replaced;
	rc = evict_if_unused(me, &pool->layout, (uint32_t)replaced);
	layout_unlock(me, &pool->layout, (uint32_t)replaced);
	return rc;
}

/* ---- attributes ------------------------------------------------------------------------------------ */

static void fill_stat(struct layout *l, uint32_t ino, const struct inode_attr *attr,
		      struct pf_stat *stat)
{
	*stat = (struct pf_stat){
		.inode = ino,
		.generation = attr->generation,
		.size = attr->size,
		.allocated = fs_pages(&l->fs, ino) * PAGE_BYTES,
		.mtime_ns = attr->mtime,
		.ctime_ns = attr->ctime,
		.btime_ns = attr->btime,
		.mode = S_IFREG | attr->mode,
		.uid = attr->uid,
		.gid = attr->gid,
		.nlink = attr->state == INODE_NAMED,
	};
}

/* Without a lock; but a record that a dead process left half changed is whole only after its lock was taken. */
static int read_attr(struct rt_self *me, struct layout *l, uint32_t ino, struct inode_attr *attr)
{
	int rc = fs_attr(&l->fs, ino, attr);

	if (likely(rc == 0))
		return 0;
	rc = layout_lock(me, l, ino);
	if (rc < 0)
		return rc;
	rc = fs_attr(&l->fs, ino, attr);
	layout_unlock(me, l, ino);
	return rc;
}

int pf_stat(pf_file *file, struct pf_stat *stat)
{
	struct rt_self *me = pool_self(file->pool);
	struct inode_attr attr;
	int rc = me ? read_attr(me, &file->pool->layout, file->ino, &attr) : rt_self_error();

	if (rc == 0)
		fill_stat(&file->pool->layout, file->ino, &attr, stat);
	return rc;
}

struct list {
	struct rt_self *me;
	struct layout *l;
	int (*each)(void *arg, const char *name, const struct pf_stat *stat);
	void *arg;
};

static int list_one(void *arg, uint32_t ino, const struct inode_attr *attr)
{
	struct list *list = arg;
	struct inode_attr settled;
	struct pf_stat stat;

	if (!attr) {
		int rc = read_attr(list->me, list->l, ino, &settled);

		if (rc < 0 || settled.state != INODE_NAMED)
			return rc;
		attr = &settled;
	}
	fill_stat(list->l, ino, attr, &stat);
	return list->each(list->arg, attr->name, &stat);
}

int pf_list(pf_pool *pool, const char *path,
	    int (*each)(void *arg, const char *name, const struct pf_stat *stat), void *arg)
{
	struct list list = {pool_self(pool), &pool->layout, each, arg};

	if (strcmp(path, "/"))
		return err(PF_ENOFILE, "%s", path);
	return list.me ? fs_list(&pool->layout.fs, list_one, &list) : rt_self_error();
}
