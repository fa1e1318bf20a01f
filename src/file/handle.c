/*
 * Open files. A handle is a record in the slot, published and counted under the inode's lock; an unnamed file goes with the last
 * one. A file is found without a lock, and looked at again under its lock.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/step.h"
#include "base/sys.h"
#include "file/names.h"
#include "file/window.h"

/* ---- handles --------------------------------------------------------------------------------------- */

/* An unnamed file that nobody has open goes. If it cannot go now, or a read-only process must leave it, the next one that reaps removes it. */
static int evict(struct rt_self *me, struct layout *l, uint32_t ino)
{
	int rc = l->readonly ? 0 : layout_evict(me, l, ino);

	if (l->readonly || rc < 0)
		atomic_fetch_add_explicit(&l->fs.shared->leftovers, 1, memory_order_acq_rel);
	return rc;
}

int handle_evict(struct rt_self *me, struct layout *l, uint32_t ino)
{
	struct inode_attr attr;
	int rc = likely(fs_is_settled(&l->fs, ino)) ? 1 : fs_attr(&l->fs, ino, &attr);

	if (rc || attr.state != INODE_UNNAMED || load_relaxed(&fs_state(&l->fs, ino)->opens))
		return MIN(rc, 0);
	return evict(me, l, ino);
}

int handle_drop(struct rt_self *me, struct layout *l, rt_handle *handle)
{
	uint32_t ino = (uint32_t)load_acquire(handle);
	struct fs_inode *state = fs_state(&l->fs, ino);

	if (!ino)
		return 0;
	store_release(handle, 0);
	step("handle: dropped");
	store_release(&state->opens, load_relaxed(&state->opens) - 1);
	if (load_relaxed(&state->opens) == 0 && fs_is_settled(&l->fs, ino) &&
	    fs_is_file(&l->fs, ino) && !l->readonly)
		return layout_trim(me, l, ino);
	return handle_evict(me, l, ino);
}

int handle_no_data(const struct pf_file *file)
{
	if (file->directory)
		return err(PF_EISDIR, "inode %u", file->ino);
	return err(EBADF, "inode %u was opened with %s", file->ino,
		   file->data ? "PF_O_WRONLY" : "PF_O_PATH");
}

void handle_publish(struct layout *l, rt_handle *handle, uint32_t ino, uint32_t igen)
{
	struct fs_inode *state = fs_state(&l->fs, ino);

	store_release(handle, (uint64_t)igen << 32 | ino);
	step("handle: published");
	store_release(&state->opens, load_relaxed(&state->opens) + 1);
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

/* ---- opening --------------------------------------------------------------------------------------- */

#define KNOWN                                                                                \
	(PF_O_RDWR | PF_O_CREATE | PF_O_EXCL | PF_O_TRUNC | PF_O_DIRECTORY | PF_O_NOFOLLOW | \
	 PF_O_PATH | PF_O_TMPFILE | PF_O_APPEND | PF_O_WRONLY)

static int check_open(pf_pool *pool, const char *path, unsigned flags)
{
	bool write = flags & PF_O_RDWR, create = flags & PF_O_CREATE;

	if (flags & ~KNOWN || (flags & PF_O_EXCL && !(flags & (PF_O_CREATE | PF_O_TMPFILE))) ||
	    (flags & (PF_O_TRUNC | PF_O_APPEND | PF_O_TMPFILE | PF_O_WRONLY) && !write) ||
	    (flags & PF_O_PATH && flags & ~(PF_O_PATH | PF_O_DIRECTORY | PF_O_NOFOLLOW)) ||
	    (flags & PF_O_DIRECTORY && (create || write)) || (flags & PF_O_TMPFILE && create))
		return err(PF_EFLAGS, "open %s: %x", path, flags);
	if (pool->readonly && (write || create))
		return err(PF_EREADONLY, "%s", path);
	return 0;
}

struct open {
	struct pf_pool *pool;
	struct rt_self *me;
	const pf_file *dir; /* where the path begins; NULL: the root */
	const char *path;
	unsigned flags;
	mode_t mode;
	struct pf_file *file;
	bool made; /* it was not there before */
};

/* What the flags ask for, of this inode. */
static int check_inode(const struct open *o, uint32_t ino, const struct inode_attr *attr)
{
	uint32_t type = attr->mode & S_IFMT;
	bool write = o->flags & PF_O_RDWR;
	int rc;

	if (o->flags & PF_O_DIRECTORY && type != S_IFDIR)
		return err(PF_ENOTDIR, "%s", o->path);
	if (o->flags & PF_O_PATH)
		return 0;
	if (type == S_IFLNK)
		return err(PF_ELOOP, "%s", o->path);
	if (type == S_IFDIR && (write || o->flags & PF_O_CREATE))
		return err(PF_EISDIR, "%s", o->path);
	rc = caller_check(o->pool, ino, attr,
			  (o->flags & PF_O_WRONLY ? 0 : R_OK) | (write ? W_OK : 0));
	if (rc < 0)
		return rc;
	if (write && attr->flags & INODE_APPEND &&
	    (!(o->flags & PF_O_APPEND) || o->flags & PF_O_TRUNC))
		return err(PF_EPERM, "%s", o->path);
	return 0;
}

/* Locked: the handle names it from now on. */
static void take(const struct open *o, uint32_t ino, uint32_t igen)
{
	o->file->ino = ino;
	o->file->igen = igen;
	o->file->data = !(o->flags & PF_O_PATH) && fs_is_file(&o->pool->layout.fs, ino);
	o->file->readable = o->file->data && !(o->flags & PF_O_WRONLY);
	o->file->directory = !(o->flags & PF_O_PATH) && fs_is_directory(&o->pool->layout.fs, ino);
	handle_publish(&o->pool->layout, o->file->handle, ino, igen);
}

/* What the path led to: if it is not that any more, -PF_EAGAIN. */
static int open_found(const struct open *o, const struct path *p)
{
	struct layout *l = &o->pool->layout;
	struct inode_attr attr;
	int rc = layout_lock(o->me, l, p->ino);

	if (rc < 0)
		return rc;
	rc = fs_attr(&l->fs, p->ino, &attr);
	if (rc == 0 && (attr.generation != p->igen || attr.state != INODE_NAMED))
		rc = -PF_EAGAIN;
	if (rc == 0)
		rc = check_inode(o, p->ino, &attr);
	if (rc == 0)
		take(o, p->ino, p->igen);
	layout_unlock(o->me, l, p->ino);
	return rc;
}

static int open_new(struct open *o, const struct path *p)
{
	struct names_new new = {.pool = o->pool, .me = o->me, .mode = S_IFREG | (o->mode & 07777)};
	struct layout *l = &o->pool->layout;
	int64_t ino = names_make(&new, p);

	if (ino < 0)
		return (int)ino;
	take(o, (uint32_t)ino, fs_generation(&l->fs, (uint32_t)ino));
	layout_unlock(o->me, l, (uint32_t)ino);
	o->made = true;
	return 0;
}

/* A new file that has no name, for a directory that the caller may write to. */
static int open_nameless(const struct open *o, const struct path *p)
{
	struct names_new new = {.pool = o->pool, .me = o->me, .mode = S_IFREG | (o->mode & 07777)};
	struct layout *l = &o->pool->layout;
	int64_t ino;

	if (p->type != S_IFDIR)
		return err(PF_ENOTDIR, "%s", o->path);
	ino = names_make_nameless(&new, p->ino, p->igen);
	if (ino < 0)
		return (int)ino;
	o->file->nameless = !(o->flags & PF_O_EXCL);
	take(o, (uint32_t)ino, fs_generation(&l->fs, (uint32_t)ino));
	layout_unlock(o->me, l, (uint32_t)ino);
	return 0;
}

/* What may make a file takes the name as it is where a link would not do, and where a '/' says that it is to be a directory. */
static enum path_follow follow_of(const struct open *o)
{
	bool create = o->flags & PF_O_CREATE;
	size_t length = create && o->path ? strlen(o->path) : 0;

	if (create &&
	    (o->flags & (PF_O_EXCL | PF_O_NOFOLLOW) || (length && o->path[length - 1] == '/')))
		return PATH_AS_NAME;
	return o->flags & PF_O_NOFOLLOW ? PATH_NOFOLLOW : PATH_FOLLOW;
}

static int open_once(struct open *o, struct path *p)
{
	int rc = path_walk(o->pool, o->me, o->dir, o->path, follow_of(o), p);

	if (rc < 0)
		return rc;
	if (o->flags & PF_O_CREATE && p->slash)
		return err(PF_EISDIR, "%s", o->path);
	if (p->ino && o->flags & PF_O_EXCL && o->flags & PF_O_CREATE)
		return err(PF_EFILEEXISTS, "%s", o->path);
	if (o->flags & PF_O_TMPFILE && p->ino)
		return open_nameless(o, p);
	if (p->ino)
		return open_found(o, p);
	return o->flags & PF_O_CREATE ? open_new(o, p) : err(PF_ENOFILE, "%s", o->path);
}

static __attribute__((noinline)) int open_file(struct open *o)
{
	struct path_tries tries = {0};
	struct path path;
	int rc;

	do {
		rc = open_once(o, &path);
	} while (path_again(o->pool, o->me, rc, &tries));
	return rc == -PF_EAGAIN ? err(PF_EAGAIN, "%s", o->path) : rc;
}

static int new_file(struct rt_self *me, pf_pool *pool, unsigned flags, struct pf_file **out)
{
	struct pf_file *file = sys_calloc(1, sizeof *file);

	if (!file)
		return err(ENOMEM, "file");
	file->pool = pool;
	file->writable = flags & PF_O_RDWR;
	file->append = flags & PF_O_APPEND;
	file->handle = rt_handle_get(me);
	if (!file->handle) {
		free(file);
		return rt_self_error();
	}
	*out = file;
	return 0;
}

/* `find` takes what is to be opened. */
static int open_by(struct open o, int (*find)(struct open *o), pf_file **out)
{
	unsigned flags = o.flags;
	int rc = o.me ? check_open(o.pool, o.path, flags) : rt_self_error();

	if (rc < 0)
		return rc;
	rc = new_file(o.me, o.pool, flags, &o.file);
	if (rc < 0)
		return rc;
	rc = find(&o);
	if (rc < 0) {
		rt_handle_put(o.me, o.file->handle);
		free(o.file);
		return rc;
	}
	link_file(o.file);
	if (flags & PF_O_TRUNC && !o.made)
		rc = pf_truncate(o.file, 0, PF_DETACH, 0);
	if (rc < 0)
		pf_close(o.file);
	else
		*out = o.file;
	return rc;
}

int pf_open(pf_pool *pool, const char *path, unsigned flags, mode_t mode, pf_file **out)
{
	struct open o = {pool, pool_self(pool), NULL, path, flags, mode, NULL, false};

	return open_by(o, open_file, out);
}

int pf_openat(pf_file *dir, const char *path, unsigned flags, mode_t mode, pf_file **out)
{
	struct open o = {dir->pool, pool_self(dir->pool), dir, path, flags, mode, NULL, false};

	return open_by(o, open_file, out);
}

/* The handle keeps the inode what it is, with or without a name. */
static int open_same(struct open *o)
{
	struct layout *l = &o->pool->layout;
	struct inode_attr attr;
	int rc = layout_lock(o->me, l, o->dir->ino);

	if (rc < 0)
		return rc;
	rc = fs_attr(&l->fs, o->dir->ino, &attr);
	if (rc == 0)
		rc = check_inode(o, o->dir->ino, &attr);
	if (rc == 0)
		take(o, o->dir->ino, o->dir->igen);
	layout_unlock(o->me, l, o->dir->ino);
	return rc;
}

int pf_reopen(pf_file *file, unsigned flags, pf_file **out)
{
	struct open o = {file->pool, pool_self(file->pool), file, "the open file", flags, 0, NULL,
			 false};

	if (flags & (PF_O_CREATE | PF_O_TMPFILE))
		return err(PF_EFLAGS, "reopen: %x", flags);
	return open_by(o, open_same, out);
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
	if (load_relaxed(&file->locked))
		flock_close(file);
	rc = handle_drop(me, &file->pool->layout, file->handle);
	layout_unlock(me, &file->pool->layout, file->ino);
	windows_settle(file->pool, me);
	rt_handle_put(me, file->handle);
	unlink_file(file);
	free(file->batch);
	free(file);
	return rc;
}
