/*
 * Names: making, linking, renaming, removing. Each operation walks its paths without locks, takes the locks of all inodes it will change in order of
 * their numbers, and looks again: are they what the walk found? If not, it begins anew. Then it checks who may, and is one transaction in fs/.
 */
#include "file/names.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/step.h"
#include "file/attr.h"
#include "file/window.h"

/* ---- what may be done --------------------------------------------------------------------------------- */

static int check_same(struct pf_pool *pool, uint32_t dir, uint32_t igen, struct inode_attr *attr)
{
	int rc = fs_attr(&pool->layout.fs, dir, attr);

	if (rc < 0)
		return rc;
	if (attr->generation != igen || (attr->mode & S_IFMT) != S_IFDIR)
		return -PF_EAGAIN;
	return attr->state == INODE_NAMED ? 0 : err(PF_ENOFILE, "directory %u was removed", dir);
}

/* Names may come into the directory and go. */
static int check_directory(struct pf_pool *pool, uint32_t dir, const struct inode_attr *attr)
{
	return caller_check(pool, dir, attr, W_OK | X_OK);
}

/* The name that leads to `ino` may go from the directory. */
static int check_removal(struct pf_pool *pool, const struct inode_attr *dir, uint32_t ino)
{
	const struct pf_caller *caller = caller_of(pool);
	struct inode_attr attr;
	int rc = fs_attr(&pool->layout.fs, ino, &attr);

	if (rc < 0)
		return rc;
	if (dir->flags & INODE_APPEND || attr.flags & (INODE_APPEND | INODE_IMMUTABLE))
		return err(PF_EPERM, "inode %u or its directory is append-only or immutable", ino);
	if (dir->mode & S_ISVTX && !caller_owns(caller, attr.uid) && !caller_owns(caller, dir->uid))
		return err(PF_EPERM, "inode %u is another user's, in a sticky directory", ino);
	return 0;
}

/* The directory is still that, and the name leads where the walk found that it does, or still is not there. Its lock. */
static int look_again(struct pf_pool *pool, const struct path *p, struct inode_attr *dir,
		      struct fs_place *place)
{
	int rc = check_same(pool, p->dir, p->dir_igen, dir);
	bool there = rc == 0 && fs_dir_find(&pool->layout.fs, p->dir, p->name, p->length, place);

	if (rc == 0 && (there != (p->ino != 0) ||
			(there && (place->name.ino != p->ino || place->name.igen != p->igen))))
		return -PF_EAGAIN;
	return rc;
}

/* ---- making ------------------------------------------------------------------------------------------- */

/* Owner and mode by the rules of its directory. */
static void inherit(const struct names_new *new, const struct inode_attr *dir, struct fs_new *made)
{
	const struct pf_caller *caller = caller_of(new->pool);
	bool directory = (new->mode &S_IFMT) == S_IFDIR;

	made->mode = new->mode;
	made->uid = caller->uid;
	made->gid = caller->gid;
	if (dir->mode & S_ISGID) {
		made->gid = dir->gid;
		if (directory)
			made->mode |= S_ISGID;
	}
	if (!directory && (made->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
	    caller->uid && !caller_in_group(caller, made->gid))
		made->mode &= ~(uint32_t)S_ISGID;
}

/* The directory's lock. */
static int64_t make(const struct names_new *new, struct fs_new *made)
{
	struct layout *l = &new->pool->layout;
	int64_t ino = layout_lock_new(new->me, l);
	int rc;

	if (ino < 0)
		return ino;
	made->ino = (uint32_t)ino;
	rc = fs_make(&l->fs, new->me, made);
	step("names: made");
	if (rc == 0)
		fs_note_use(&l->fs, made->ino);
	else
		layout_unlock(new->me, l, made->ino);
	return rc < 0 ? rc : ino;
}

int64_t names_make(const struct names_new *new, const struct path *path)
{
	struct fs_new made = {.dir = path->dir,
			      .name = path->name,
			      .length = path->length,
			      .target = new->target};
	struct layout *l = &new->pool->layout;
	struct inode_attr dir;
	struct fs_place place;
	int64_t ino = layout_lock(new->me, l, path->dir);

	if (ino < 0)
		return ino;
	ino = look_again(new->pool, path, &dir, &place);
	if (ino == 0)
		ino = check_directory(new->pool, path->dir, &dir);
	if (ino == 0) {
		inherit(new, &dir, &made);
		ino = make(new, &made);
	}
	layout_unlock(new->me, l, path->dir);
	return ino;
}

int64_t names_make_nameless(const struct names_new *new, uint32_t dir, uint32_t dir_igen)
{
	struct layout *l = &new->pool->layout;
	struct fs_new made = {0};
	struct inode_attr attr;
	int64_t ino = layout_lock(new->me, l, dir);

	if (ino < 0)
		return ino;
	ino = check_same(new->pool, dir, dir_igen, &attr);
	if (ino == 0)
		ino = check_directory(new->pool, dir, &attr);
	layout_unlock(new->me, l, dir);
	if (ino < 0)
		return ino;
	inherit(new, &attr, &made);
	return make(new, &made);
}

/* ---- operations ------------------------------------------------------------------------------------------- */

struct op {
	struct pf_pool *pool;
	struct rt_self *me;
	struct layout *l;
	unsigned flags;
	pf_file *from_dir, *to_dir; /* where the paths begin; NULL: the root */
	const char *from, *to;
	const char *target;
	uint32_t mode;
	pf_file *file;
};

/* Again while what the walk found changes, and after reaping where that helps. */
static int run(struct op *o, int (*once)(struct op *o))
{
	struct path_tries tries = {0};
	int rc;

	o->me = pool_self(o->pool);
	if (!o->me)
		return rt_self_error();
	if (o->pool->readonly)
		return err(PF_EREADONLY, "%s", o->to);
	o->l = &o->pool->layout;
	do {
		rc = once(o);
	} while (path_again(o->pool, o->me, rc, &tries));
	windows_settle(o->pool, o->me);
	return rc == -PF_EAGAIN ? err(PF_EAGAIN, "%s", o->to) : rc;
}

/* All of the set but `ino`, which may go: that takes long. */
static int finish_removal(struct op *o, const struct layout_set *set, uint32_t ino)
{
	int rc;

	for (unsigned i = set->count; i-- > 0;)
		if (set->ino[i] != ino)
			layout_unlock(o->me, o->l, set->ino[i]);
	if (!ino)
		return 0;
	/* Who watches it shall see that it is gone. */
	if (fs_is_directory(&o->l->fs, ino)) {
		fs_dir_begin(&o->l->fs, ino);
		fs_dir_end(&o->l->fs, ino);
	}
	rc = handle_evict(o->me, o->l, ino);
	layout_unlock(o->me, o->l, ino);
	return rc;
}

/* ---- making: directories and symbolic links ---- */

static int make_once(struct op *o)
{
	struct names_new new = {o->pool, o->me, o->mode, o->target};
	struct path path;
	int64_t ino = path_walk(o->pool, o->me, o->to_dir, o->to, PATH_AS_NAME, &path);

	if (ino < 0)
		return (int)ino;
	if (path.ino)
		return err(PF_EFILEEXISTS, "%s", o->to);
	if (path.slash && (o->mode & S_IFMT) != S_IFDIR)
		return err(PF_ENOFILE, "%s", o->to);
	ino = names_make(&new, &path);
	if (ino < 0)
		return (int)ino;
	layout_unlock(o->me, o->l, (uint32_t)ino);
	return 0;
}

static int make_directory(struct op o, mode_t mode)
{
	o.mode = S_IFDIR | (mode & 01777);
	return run(&o, make_once);
}

int pf_mkdir(pf_pool *pool, const char *path, mode_t mode)
{
	return make_directory((struct op){.pool = pool, .to = path}, mode);
}

int pf_mkdirat(pf_file *dir, const char *path, mode_t mode)
{
	return make_directory((struct op){.pool = dir->pool, .to_dir = dir, .to = path}, mode);
}

static int make_link(struct op o, const char *target)
{
	size_t length = target ? strnlen(target, PF_PATH_MAX + 1) : 0;

	o.target = target;
	o.mode = S_IFLNK | 0777;

	if (!length)
		return err(PF_ENOFILE, "a symbolic link that says nothing");
	if (length > PF_PATH_MAX)
		return err(PF_ENAME, "%.64s...", target);
	return run(&o, make_once);
}

int pf_symlink(pf_pool *pool, const char *target, const char *path)
{
	return make_link((struct op){.pool = pool, .to = path}, target);
}

int pf_symlinkat(const char *target, pf_file *dir, const char *path)
{
	return make_link((struct op){.pool = dir->pool, .to_dir = dir, .to = path}, target);
}

/* ---- removing ---- */

static int check_end(const struct path *p, bool directory, const char *name)
{
	if (p->last == PATH_NAME && p->slash && !directory)
		return err(p->type == S_IFDIR ? PF_EISDIR : PF_ENOTDIR, "%s", name);
	if (p->last == PATH_NAME)
		return 0;
	if (!directory)
		return err(PF_EISDIR, "%s", name);
	if (p->last == PATH_ROOT)
		return err(EBUSY, "%s is the root directory", name);
	return p->last == PATH_DOT ? err(EINVAL, "%s", name) : err(PF_ENOTEMPTY, "%s", name);
}

/* All locks. */
static int remove_locked(struct op *o, const struct path *p)
{
	bool directory = (o->mode & S_IFMT) == S_IFDIR;
	struct inode_attr dir;
	struct fs_place place;
	int rc = look_again(o->pool, p, &dir, &place);

	if (rc == 0)
		rc = check_directory(o->pool, p->dir, &dir);
	if (rc == 0)
		rc = check_removal(o->pool, &dir, p->ino);
	if (rc < 0)
		return rc;
	if (directory != (place.name.type == S_IFDIR))
		return err(directory ? PF_ENOTDIR : PF_EISDIR, "%s", o->to);
	if (directory && fs_size(&o->l->fs, p->ino))
		return err(PF_ENOTEMPTY, "%s", o->to);
	return fs_unlink(&o->l->fs, o->me, p->dir, &place);
}

static int remove_once(struct op *o)
{
	struct layout_set set = {2, {0}};
	struct path p;
	int rc = path_find(o->pool, o->me, o->to_dir, o->to, PATH_AS_NAME, &p);

	if (rc == 0)
		rc = check_end(&p, (o->mode & S_IFMT) == S_IFDIR, o->to);
	if (rc < 0)
		return rc;
	set.ino[0] = p.dir;
	set.ino[1] = p.ino;
	rc = layout_lock_set(o->me, o->l, &set);
	if (rc < 0)
		return rc;
	rc = remove_locked(o, &p);
	if (rc == 0)
		return finish_removal(o, &set, p.ino);
	layout_unlock_set(o->me, o->l, &set);
	return rc;
}

int pf_rmdir(pf_pool *pool, const char *path)
{
	struct op o = {.pool = pool, .to = path, .mode = S_IFDIR};

	return run(&o, remove_once);
}

int pf_unlink(pf_pool *pool, const char *path)
{
	struct op o = {.pool = pool, .to = path, .mode = S_IFREG};

	return run(&o, remove_once);
}

int pf_unlinkat(pf_file *dir, const char *path, unsigned flags)
{
	struct op o = {.pool = dir->pool,
		       .to_dir = dir,
		       .to = path,
		       .mode = flags & PF_UNLINK_DIRECTORY ? S_IFDIR : S_IFREG};

	return flags & ~PF_UNLINK_DIRECTORY ? err(PF_EFLAGS, "unlink: %x", flags)
					    : run(&o, remove_once);
}

/* ---- linking ---- */

/* Replaced: a file that has the name now. */
static int check_replaced(struct op *o, const struct inode_attr *dir, const struct path *to)
{
	int rc = check_removal(o->pool, dir, to->ino);

	return rc == 0 && to->type == S_IFDIR ? err(PF_EISDIR, "%s", o->to) : rc;
}

/* All locks. */
static int link_locked(struct op *o, uint32_t ino, uint32_t igen, const struct path *to)
{
	struct inode_attr dir, attr;
	struct fs_place place;
	int rc = look_again(o->pool, to, &dir, &place);

	if (rc == 0)
		rc = check_directory(o->pool, to->dir, &dir);
	if (rc == 0)
		rc = fs_attr(&o->l->fs, ino, &attr);
	if (rc < 0)
		return rc;
	if (attr.generation != igen)
		return -PF_EAGAIN;
	if (attr.state != INODE_NAMED && !(o->file && o->file->nameless))
		return o->file ? err(PF_ENOFILE, "the file has been removed") : -PF_EAGAIN;
	if (attr.flags & (INODE_APPEND | INODE_IMMUTABLE))
		return err(PF_EPERM, "inode %u is append-only or immutable", ino);
	if ((attr.mode & S_IFMT) == S_IFDIR)
		return err(PF_EPERM, "%s: a directory has one name", o->to);
	if (to->ino == ino && o->flags & PF_LINK_REPLACE)
		return 0;
	if (to->ino)
		rc = check_replaced(o, &dir, to);
	return rc < 0 ? rc : fs_link(&o->l->fs, o->me, to->dir, to->name, to->length, ino, to->ino);
}

static int link_to(struct op *o, uint32_t ino, uint32_t igen)
{
	struct layout_set set = {3, {0}};
	struct path to;
	int rc = path_walk(o->pool, o->me, o->to_dir, o->to, PATH_AS_NAME, &to);

	if (rc < 0)
		return rc;
	if (to.last != PATH_NAME)
		return err(PF_EFILEEXISTS, "%s", o->to);
	if (to.ino && (to.slash || !(o->flags & PF_LINK_REPLACE)))
		return err(PF_EFILEEXISTS, "%s", o->to);
	if (to.slash)
		return err(PF_ENOFILE, "%s", o->to);
	set.ino[0] = to.dir;
	set.ino[1] = ino;
	set.ino[2] = to.ino;
	rc = layout_lock_set(o->me, o->l, &set);
	if (rc < 0)
		return rc;
	rc = link_locked(o, ino, igen, &to);
	if (rc == 0)
		return finish_removal(o, &set, to.ino != ino ? to.ino : 0);
	layout_unlock_set(o->me, o->l, &set);
	return rc;
}

static int link_once(struct op *o)
{
	struct path from;
	int rc = path_find(o->pool, o->me, o->from_dir, o->from, PATH_NOFOLLOW, &from);

	return rc < 0 ? rc : link_to(o, from.ino, from.igen);
}

int pf_link(pf_pool *pool, const char *from, const char *to)
{
	struct op o = {.pool = pool, .from = from, .to = to};

	return run(&o, link_once);
}

int pf_linkat(pf_file *from_dir, const char *from, pf_file *to_dir, const char *to)
{
	struct op o = {.pool = to_dir->pool,
		       .from_dir = from_dir,
		       .from = from,
		       .to_dir = to_dir,
		       .to = to};

	return from_dir->pool != to_dir->pool ? err(EXDEV, "%s", to) : run(&o, link_once);
}

static int link_file_once(struct op *o)
{
	return link_to(o, o->file->ino, o->file->igen);
}

static int link_file(pf_file *file, pf_file *dir, const char *to, unsigned flags)
{
	struct op o = {.pool = file->pool, .to_dir = dir, .to = to, .flags = flags, .file = file};
	int rc;

	if (dir && dir->pool != file->pool)
		return err(EXDEV, "%s", to);
	if (flags & ~PF_LINK_REPLACE)
		return err(PF_EFLAGS, "link: %x", flags);
	rc = run(&o, link_file_once);
	if (rc == 0)
		file->nameless = false; /* when it has lost this name, it gets no other */
	return rc;
}

int pf_link_file(pf_file *file, const char *to, unsigned flags)
{
	return link_file(file, NULL, to, flags);
}

int pf_link_fileat(pf_file *file, pf_file *dir, const char *to, unsigned flags)
{
	return link_file(file, dir, to, flags);
}

/* ---- renaming ---- */

struct rename {
	struct path from, to;
	struct inode_attr from_dir, to_dir;
	bool moves; /* a directory gets another parent */
};

/* `dir` is `ino`, or below it. Parents stay: directories move under the names lock only, and who got that lock has settled what dead movers left. */
static bool is_below(struct layout *l, uint32_t dir, uint32_t ino)
{
	while (dir && dir != ino && dir != ROOT_INO)
		dir = fs_parent(&l->fs, dir);
	return dir == ino;
}

/* What replaces must be like what is replaced. */
static int check_types(struct op *o, const struct rename *r)
{
	bool from = r->from.type == S_IFDIR, to = r->to.type == S_IFDIR;

	if (!r->to.ino || o->flags & PF_RENAME_EXCHANGE || from == to)
		return 0;
	return err(from ? PF_ENOTDIR : PF_EISDIR, "%s", o->to);
}

/* A directory that moves is changed itself: its parent. */
static int check_mover(struct op *o, uint32_t ino, uint32_t type)
{
	struct inode_attr attr;
	int rc = type == S_IFDIR ? fs_attr(&o->l->fs, ino, &attr) : 1;

	return rc ? MIN(rc, 0) : caller_check(o->pool, ino, &attr, W_OK);
}

/* Nothing goes below itself, and what something is in is not replaced by it. */
static int check_ancestors(struct op *o, const struct rename *r)
{
	if (r->from.dir == r->to.dir)
		return 0;
	if (r->from.type == S_IFDIR && is_below(o->l, r->to.dir, r->from.ino))
		return err(EINVAL, "%s into itself", o->from);
	if (r->to.ino && r->to.type == S_IFDIR && is_below(o->l, r->from.dir, r->to.ino))
		return o->flags & PF_RENAME_EXCHANGE ? err(EINVAL, "%s into itself", o->to)
						     : err(PF_ENOTEMPTY, "%s", o->to);
	return 0;
}

static int check_movers(struct op *o, const struct rename *r)
{
	bool exchange = o->flags & PF_RENAME_EXCHANGE;
	int rc = r->moves ? check_mover(o, r->from.ino, r->from.type) : 0;

	if (rc == 0 && r->moves && exchange)
		rc = check_mover(o, r->to.ino, r->to.type);
	if (rc == 0 && !exchange && r->to.ino && r->to.type == S_IFDIR &&
	    fs_size(&o->l->fs, r->to.ino))
		rc = err(PF_ENOTEMPTY, "%s", o->to);
	return rc;
}

/* All locks. 1: there is nothing to do. */
static int check_rename(struct op *o, struct rename *r)
{
	struct fs_place place;
	int rc = look_again(o->pool, &r->from, &r->from_dir, &place);

	if (rc == 0)
		rc = look_again(o->pool, &r->to, &r->to_dir, &place);
	if (rc == 0 && r->to.ino == r->from.ino)
		return 1; /* two names of one file stay both */
	if (rc == 0)
		rc = check_ancestors(o, r);
	if (rc == 0)
		rc = check_directory(o->pool, r->from.dir, &r->from_dir);
	if (rc == 0)
		rc = check_removal(o->pool, &r->from_dir, r->from.ino);
	if (rc == 0)
		rc = check_directory(o->pool, r->to.dir, &r->to_dir);
	if (rc == 0 && r->to.ino)
		rc = check_removal(o->pool, &r->to_dir, r->to.ino);
	if (rc == 0)
		rc = check_types(o, r);
	return rc < 0 ? rc : check_movers(o, r);
}

static int rename_locked(struct op *o, struct rename *r)
{
	struct fs_rename change = {.from_dir = r->from.dir,
				   .to_dir = r->to.dir,
				   .from = r->from.name,
				   .to = r->to.name,
				   .from_length = r->from.length,
				   .to_length = r->to.length,
				   .exchange = o->flags & PF_RENAME_EXCHANGE};
	struct layout_set set = {4, {r->from.dir, r->to.dir, r->from.ino, r->to.ino}};
	int rc = layout_lock_set(o->me, o->l, &set);
	uint32_t gone = r->to.ino != r->from.ino && !change.exchange ? r->to.ino : 0;

	if (rc < 0)
		return rc;
	rc = check_rename(o, r);
	if (rc == 0)
		rc = fs_rename(&o->l->fs, o->me, &change);
	if (rc == 0)
		return finish_removal(o, &set, gone);
	layout_unlock_set(o->me, o->l, &set);
	return MIN(rc, 0);
}

/* Of both paths, what the walk alone tells. */
static int check_ends(struct op *o, const struct rename *r)
{
	bool exchange = o->flags & PF_RENAME_EXCHANGE, directory = r->from.type == S_IFDIR;

	if (r->from.last != PATH_NAME)
		return err(EBUSY, "%s", o->from);
	if (r->to.last != PATH_NAME)
		return err(o->flags & PF_RENAME_NOREPLACE ? PF_EFILEEXISTS : EBUSY, "%s", o->to);
	if (!r->from.ino)
		return err(PF_ENOFILE, "%s", o->from);
	if (o->flags & PF_RENAME_NOREPLACE && r->to.ino)
		return err(PF_EFILEEXISTS, "%s", o->to);
	if (exchange && !r->to.ino)
		return err(PF_ENOFILE, "%s", o->to);
	if (exchange && r->to.slash && r->to.type != S_IFDIR)
		return err(PF_ENOTDIR, "%s", o->to);
	if (!directory && (r->from.slash || (r->to.slash && !exchange)))
		return err(PF_ENOTDIR, "%s", r->from.slash ? o->from : o->to);
	return 0;
}

static int rename_once(struct op *o)
{
	struct rename r;
	int rc = path_walk(o->pool, o->me, o->from_dir, o->from, PATH_AS_NAME, &r.from);

	if (rc == 0)
		rc = path_walk(o->pool, o->me, o->to_dir, o->to, PATH_AS_NAME, &r.to);
	if (rc == 0)
		rc = check_ends(o, &r);
	if (rc < 0)
		return rc;
	r.moves =
		r.from.dir != r.to.dir &&
		(r.from.type == S_IFDIR || (o->flags & PF_RENAME_EXCHANGE && r.to.type == S_IFDIR));
	if (!r.moves)
		return rename_locked(o, &r);
	rc = layout_lock_names(o->me, o->l);
	if (rc < 0)
		return rc;
	rc = rename_locked(o, &r);
	layout_unlock_names(o->me, o->l);
	return rc;
}

static int rename_path(struct op o, unsigned flags)
{
	o.flags = flags;
	if (flags & ~(PF_RENAME_NOREPLACE | PF_RENAME_EXCHANGE) ||
	    flags == (PF_RENAME_NOREPLACE | PF_RENAME_EXCHANGE))
		return err(PF_EFLAGS, "rename: %x", flags);
	return run(&o, rename_once);
}

int pf_rename(pf_pool *pool, const char *from, const char *to, unsigned flags)
{
	return rename_path((struct op){.pool = pool, .from = from, .to = to}, flags);
}

int pf_renameat(pf_file *from_dir, const char *from, pf_file *to_dir, const char *to,
		unsigned flags)
{
	struct op o = {.pool = to_dir->pool,
		       .from_dir = from_dir,
		       .from = from,
		       .to_dir = to_dir,
		       .to = to};

	return from_dir->pool != to_dir->pool ? err(EXDEV, "%s", to) : rename_path(o, flags);
}

/* ---- reading links ------------------------------------------------------------------------------------- */

/* What the path leads to; or, by an empty one, what is open. */
static int find_link(pf_pool *pool, struct rt_self *me, const pf_file *from, const char *name,
		     struct path *path)
{
	if (!from || !name || *name)
		return path_find(pool, me, from, name, PATH_NOFOLLOW, path);
	path->ino = from->ino;
	path->type = fs_type(&pool->layout.fs, from->ino);
	return 0;
}

static ssize_t read_link(pf_pool *pool, const pf_file *from, const char *name, char *target,
			 size_t size)
{
	struct rt_self *me = pool_self(pool);
	char text[PF_PATH_MAX + 1];
	struct path path;
	int rc = -PF_EAGAIN;

	if (!me)
		return rt_self_error();
	for (unsigned looks = 0; looks < PATH_LOOKS && rc == -PF_EAGAIN; looks++) {
		rc = find_link(pool, me, from, name, &path);
		if (rc == 0 && path.type != S_IFLNK)
			return err(EINVAL, "%s is no symbolic link", name);
		if (rc == 0)
			rc = fs_link_read(&pool->layout.fs, path.ino, text);
	}
	if (rc < 0)
		return rc;
	attr_set_atime(pool, me, path.ino);
	memcpy(target, text, MIN((size_t)rc, size));
	return (ssize_t)MIN((size_t)rc, size);
}

ssize_t pf_readlink(pf_pool *pool, const char *path, char *target, size_t size)
{
	return read_link(pool, NULL, path, target, size);
}

ssize_t pf_readlinkat(pf_file *dir, const char *path, char *target, size_t size)
{
	return read_link(dir->pool, dir, path, target, size);
}
