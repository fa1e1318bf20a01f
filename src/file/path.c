/*
 * Paths. The walk takes no locks: each step is a lookup in a directory, whose generation is looked at again afterwards, so that it was
 * that directory at that moment. What changes meanwhile elsewhere on the path may or may not be seen, as with any file system.
 */
#include "file/path.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "file/attr.h"

#define LINKS_MAX 40u
#define RESTARTS  1000u /* of walks on which a directory went away */
#define LOOKUPS   8u    /* without a lock, in a directory that is changing */

struct walk {
	struct pf_pool *pool;
	struct rt_self *me;
	struct layout *l;
	struct path *path;
	const pf_file *from; /* NULL: the root */
	const char *whole;   /* as it was given, for messages */
	const char *rest;
	enum path_follow follow;
	unsigned text; /* which of path->text is to be used next */
};

int path_attr(struct rt_self *me, struct layout *l, uint32_t ino, struct inode_attr *attr)
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

/* It may be searched. */
static int check_directory(struct walk *w, uint32_t ino)
{
	uint32_t mode, uid, gid;

	fs_owner(&w->l->fs, ino, &mode, &uid, &gid);
	if ((mode & S_IFMT) != S_IFDIR)
		return err(PF_ENOTDIR, "%s", w->whole);
	if (unlikely(!caller_may(caller_of(w->pool), mode, uid, gid, X_OK)))
		return err(PF_EACCESS, "%s: inode %u has mode %o, owner %u, group %u", w->whole,
			   ino, mode & 07777, uid, gid);
	return 0;
}

/* Under the directory's lock, when it changed at each look. */
static int look_locked(struct walk *w, uint32_t *ino, uint32_t *igen)
{
	struct path *p = w->path;
	struct fs_place place;
	int rc = layout_lock(w->me, w->l, p->dir);

	if (rc < 0)
		return rc;
	*ino = *igen = 0;
	if (fs_is_directory(&w->l->fs, p->dir) &&
	    fs_dir_find(&w->l->fs, p->dir, p->name, p->length, &place)) {
		*ino = place.name.ino;
		*igen = place.name.igen;
	}
	layout_unlock(w->me, w->l, p->dir);
	return 0;
}

static int look_up(struct walk *w)
{
	struct path *p = w->path;
	bool sure = false;
	int rc = 0;

	for (unsigned i = 0; i < LOOKUPS && !sure; i++)
		p->ino = fs_dir_lookup(&w->l->fs, p->dir, p->name, p->length, &p->igen, &sure);
	if (unlikely(!sure))
		rc = look_locked(w, &p->ino, &p->igen);
	if (rc == 0 && unlikely(fs_generation(&w->l->fs, p->dir) != p->dir_igen))
		return -PF_EAGAIN;
	if (rc == 0 && p->ino) {
		/* Who locks it next need not wait for it then. */
		__builtin_prefetch(fs_state(&w->l->fs, p->ino), 1);
		p->type = fs_type(&w->l->fs, p->ino);
		if (unlikely(fs_generation(&w->l->fs, p->ino) != p->igen))
			return -PF_EAGAIN;
	}
	return rc;
}

/* Into the directory that was found. */
static void enter(struct path *p)
{
	p->dir = p->ino;
	p->dir_igen = p->igen;
}

static void enter_root(struct walk *w)
{
	w->path->dir = ROOT_INO;
	w->path->dir_igen = fs_generation(&w->l->fs, ROOT_INO);
}

static int enter_parent(struct walk *w)
{
	struct path *p = w->path;
	struct inode_attr attr;
	int rc = path_attr(w->me, w->l, p->dir, &attr);

	if (rc < 0)
		return rc;
	if (attr.generation != p->dir_igen)
		return -PF_EAGAIN;
	if (attr.state != INODE_NAMED)
		return err(PF_ENOFILE, "%s", w->whole);
	p->dir = attr.parent;
	p->dir_igen = fs_generation(&w->l->fs, attr.parent);
	return 0;
}

/* What the link says, and then the rest, is to be walked. */
static int follow_link(struct walk *w)
{
	struct path *p = w->path;
	char *text = p->text[w->text];
	size_t rest = strlen(w->rest);
	int length;

	if (++p->links > LINKS_MAX)
		return err(PF_ELOOP, "%s", w->whole);
	length = fs_link_read(&w->l->fs, p->ino, text);
	if (length == -PF_ECORRUPT) { /* or half changed by a dead process */
		struct inode_attr attr;

		length = path_attr(w->me, w->l, p->ino, &attr);
		if (length == 0)
			length = -PF_EAGAIN;
	}
	if (length < 0)
		return length;
	attr_set_atime(w->pool, w->me, p->ino);
	if ((size_t)length + rest > PF_PATH_MAX)
		return err(PF_ENAME, "%s", w->whole);
	memcpy(text + length, w->rest, rest + 1);
	w->text ^= 1;
	w->rest = text;
	if (*text == '/')
		enter_root(w);
	return 0;
}

/* The directory itself is where the path leads. */
static void end_at(struct path *p, enum path_last last)
{
	p->ino = p->dir;
	p->igen = p->dir_igen;
	p->type = S_IFDIR;
	p->last = last;
	p->slash = false;
	p->name = "";
	p->length = 0;
}

static const char *skip_slashes(const char *text)
{
	while (*text == '/')
		text++;
	return text;
}

/* One component. 1: it was the last. */
static int step_on(struct walk *w)
{
	struct path *p = w->path;
	const char *next;
	bool last;
	int rc;

	p->name = w->rest;
	w->rest = strchrnul(p->name, '/');
	p->length = (size_t)(w->rest - p->name);
	next = skip_slashes(w->rest);
	last = !*next;
	p->slash = last && next != w->rest;
	rc = check_directory(w, p->dir);
	if (rc < 0)
		return rc;
	if (p->length > PF_NAME_MAX)
		return err(PF_ENAME, "%.64s...", p->name);
	if (p->name[0] == '.' && p->length <= 2 && (p->length == 1 || p->name[1] == '.')) {
		enum path_last dots = p->length == 1 ? PATH_DOT : PATH_DOTDOT;

		rc = dots == PATH_DOTDOT ? enter_parent(w) : 0;
		if (rc == 0 && last)
			end_at(p, dots);
		w->rest = next;
		return rc < 0 ? rc : last;
	}
	rc = look_up(w);
	if (rc < 0)
		return rc;
	if (p->ino && p->type == S_IFLNK &&
	    (!last || w->follow == PATH_FOLLOW || (p->slash && w->follow != PATH_AS_NAME))) {
		rc = follow_link(w);
		w->rest = skip_slashes(w->rest);
		return rc < 0 ? rc : !*w->rest ? (end_at(p, PATH_ROOT), 1) : 0;
	}
	w->rest = next;
	if (last) {
		p->last = PATH_NAME;
		return 1;
	}
	if (!p->ino)
		return err(PF_ENOFILE, "%s", w->whole);
	enter(p);
	return 0;
}

static int walk_once(struct walk *w)
{
	int rc = 0;

	w->rest = skip_slashes(w->whole);
	w->text = w->path->links = 0;
	w->path->slash = false;
	enter_root(w);
	if (w->from && *w->whole != '/') {
		w->path->dir = w->from->ino;
		w->path->dir_igen = w->from->igen;
	}
	if (!*w->rest) {
		end_at(w->path, PATH_ROOT);
		return 0;
	}
	while (rc == 0)
		rc = step_on(w);
	return rc < 0 ? rc : 0;
}

int path_walk(struct pf_pool *pool, struct rt_self *me, const pf_file *from, const char *name,
	      enum path_follow follow, struct path *path)
{
	struct walk w = {.pool = pool,
			 .me = me,
			 .l = &pool->layout,
			 .path = path,
			 .from = from,
			 .whole = name,
			 .follow = follow};
	size_t length = name ? strnlen(name, PF_PATH_MAX + 1) : 0;
	int rc = -PF_EAGAIN;

	if (!length)
		return err(PF_ENOFILE, "\"\"");
	if (length > PF_PATH_MAX)
		return err(PF_ENAME, "%.64s...", name);
	for (unsigned i = 0; i < RESTARTS && rc == -PF_EAGAIN; i++)
		rc = walk_once(&w);
	if (rc == 0 && follow != PATH_AS_NAME && path->slash && path->ino && path->type != S_IFDIR)
		return err(PF_ENOTDIR, "%s", name);
	return rc == -PF_EAGAIN ? err(PF_EAGAIN, "%s", name) : rc;
}

int path_find(struct pf_pool *pool, struct rt_self *me, const pf_file *from, const char *name,
	      enum path_follow follow, struct path *path)
{
	int rc = path_walk(pool, me, from, name, follow, path);

	return rc == 0 && !path->ino ? err(PF_ENOFILE, "%s", name) : rc;
}

bool path_again(struct pf_pool *pool, struct rt_self *me, int rc, struct path_tries *tries)
{
	return (rc == -PF_EAGAIN && ++tries->looks < PATH_LOOKS) ||
	       (rc < 0 && reap_helps(pool, me, rc, &tries->reaps));
}
