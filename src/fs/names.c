/*
 * Names come, go and move: what one operation changes (entries, the directories' and the inodes' attributes) is one transaction. The caller has all locks and
 * has checked that it may be done.
 *
 * An inode remembers directory and key of the name that it was given last (parent, key), so that a path can be told; a directory's parent is
 * what ".." means.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/step.h"
#include "fs/inner.h"

#define LINKS_MAX  0x7fffffffu
#define CHANGE_MAX 4u

/* One transaction, and the attributes that it changes: each inode's once. */
struct change {
	struct fs *fs;
	unsigned count;
	int rc;
	uint64_t now;
	struct {
		uint32_t ino;
		bool entries; /* a directory whose entries change */
		struct inode_attr attr;
	} of[CHANGE_MAX];
	struct journal_tx tx;
};

static void begin(struct change *c, struct fs *fs, struct rt_self *me)
{
	c->fs = fs;
	c->count = 0;
	c->rc = 0;
	c->now = clock_coarse();
	journal_begin(&c->tx, me);
}

/* What this inode's attributes will be. An error stays in c->rc. */
static struct inode_attr *attr_of(struct change *c, uint32_t ino)
{
	unsigned i;
	int rc;

	for (i = 0; i < c->count; i++)
		if (c->of[i].ino == ino)
			return &c->of[i].attr;
	CHECK(i < CHANGE_MAX);
	c->of[i].ino = ino;
	c->of[i].entries = false;
	c->count++;
	rc = fs_attr(c->fs, ino, &c->of[i].attr);
	if (rc < 0)
		c->rc = rc;
	return &c->of[i].attr;
}

static bool is_directory(const struct inode_attr *attr)
{
	return (attr->mode & S_IFMT) == S_IFDIR;
}

static int commit(struct change *c)
{
	for (unsigned i = 0; i < c->count && c->rc == 0; i++) {
		if (c->of[i].attr.state == INODE_FREE)
			inner_attr_free(&c->of[i].attr);
		fs_attr_set(c->fs, &c->tx, c->of[i].ino, &c->of[i].attr);
	}
	if (c->rc < 0)
		return c->rc;
	for (unsigned i = 0; i < c->count; i++)
		if (c->of[i].entries)
			fs_dir_begin(c->fs, c->of[i].ino);
	journal_commit(&c->fs->journal, &c->tx);
	step("names: changed");
	for (unsigned i = 0; i < c->count; i++)
		if (c->of[i].entries)
			fs_dir_end(c->fs, c->of[i].ino);
		else if (c->of[i].attr.state == INODE_FREE)
			fs_note_use(c->fs, c->of[i].ino);
	return 0;
}

/* The directory has an entry more or less, and subdirectories. */
static void count(struct change *c, uint32_t dir, int entries, int directories)
{
	struct inode_attr *attr = attr_of(c, dir);

	for (unsigned i = 0; i < c->count; i++)
		c->of[i].entries |= c->of[i].ino == dir;
	attr->size += (uint64_t)entries;
	attr->nlink += (unsigned)directories;
	attr->mtime = attr->ctime = c->now;
}

/* An entry for `ino`, for which there is room. */
static void add_entry(struct change *c, uint32_t dir, const char *name, size_t length, uint32_t ino)
{
	struct inode_attr *attr = attr_of(c, ino);
	struct dir_name entry = {.ino = ino,
				 .igen = attr->generation,
				 .type = attr->mode & S_IFMT,
				 .length = (unsigned)length};
	int rc;

	memcpy(entry.name, name, length);
	rc = fs_dir_add(c->fs, &c->tx, dir, &entry);
	if (rc < 0)
		c->rc = rc;
	attr->parent = dir;
	attr->key = entry.key;
	attr->ctime = c->now;
	count(c, dir, 1, is_directory(attr));
}

/* Nobody has it open, and there is nothing to give back: it can go with its last name. */
static bool is_empty(struct fs *fs, uint32_t ino)
{
	struct inode_format *inode = &fs->inodes[ino];

	return !load_relaxed(&fs_state(fs, ino)->opens) && !load_relaxed(&inode->root) &&
	       !load_relaxed(&inode->pages) && !load_relaxed(&inode->xattr) &&
	       fs_type(fs, ino) != S_IFLNK;
}

/* `ino` has a name less: the one with this key in `dir`. Of the last one it remembers where it was. */
static void lose_name(struct change *c, uint32_t dir, uint64_t key, uint32_t ino)
{
	struct inode_attr *attr = attr_of(c, ino);

	attr->nlink = is_directory(attr) ? 0 : attr->nlink - 1;
	attr->ctime = c->now;
	if (!attr->nlink)
		attr->state = is_empty(c->fs, ino) ? INODE_FREE : INODE_UNNAMED;
	else if (attr->parent == dir && attr->key == key)
		attr->parent = 0;
}

/* The place leads to `ino` from now on. */
static void set_entry(struct change *c, uint32_t dir, const struct fs_place *place, uint32_t ino)
{
	struct inode_attr *attr = attr_of(c, ino);

	fs_dir_set(c->fs, &c->tx, place, ino, attr->generation, attr->mode & S_IFMT);
	attr->parent = dir;
	attr->key = place->name.key;
	attr->ctime = c->now;
	count(c, dir, 0, is_directory(attr) - (place->name.type == S_IFDIR));
}

/* ---- making ---------------------------------------------------------------------------------------- */

static void new_attr(struct change *c, const struct fs_new *new)
{
	struct inode_attr *attr = attr_of(c, new->ino);

	*attr = (struct inode_attr){.state = new->dir ? INODE_NAMED : INODE_UNNAMED,
				    .generation = fs_generation(c->fs, new->ino) + 1,
				    .mode = new->mode,
				    .uid = new->uid,
				    .gid = new->gid};
	attr->nlink = !new->dir ? 0 : is_directory(attr) ? 2 : 1;
	attr->atime = attr->mtime = attr->ctime = attr->btime = c->now;
}

int fs_make(struct fs *fs, struct rt_self *me, const struct fs_new *new)
{
	struct change c;
	int rc = new->dir ? fs_dir_room(fs, me, new->dir, new->name, new->length) : 0;

	if (rc < 0)
		return rc;
	begin(&c, fs, me);
	c.of[0].ino = new->ino; /* its old attributes say nothing */
	c.of[0].entries = false;
	c.count = 1;
	new_attr(&c, new);
	if (new->target)
		c.rc = inner_link_write(fs, &c.tx, new->ino, attr_of(&c, new->ino), new->target);
	if (new->dir && c.rc == 0)
		add_entry(&c, new->dir, new->name, new->length, new->ino);
	rc = commit(&c);
	if (new->target)
		inner_link_done(fs, me, rc);
	return rc;
}

void inner_make_root(struct dev *dev, struct inode_format *inodes, uint32_t uid, uint32_t gid)
{
	struct inode_attr root = {.state = INODE_NAMED,
				  .generation = 1,
				  .mode = S_IFDIR | S_ISVTX | 0777,
				  .uid = uid,
				  .gid = gid,
				  .nlink = 2,
				  .parent = ROOT_INO};
	uint64_t words[INODE_WORDS];

	root.atime = root.mtime = root.ctime = root.btime = clock_coarse();
	inode_words(&root, words);
	for (unsigned i = 0; i < INODE_WORDS; i++)
		media_word(dev, &(&inodes[ROOT_INO].crc)[i], words[i]);
	dev_persist(dev, &inodes[ROOT_INO], sizeof *inodes);
}

/* ---- links ----------------------------------------------------------------------------------------- */

int fs_link(struct fs *fs, struct rt_self *me, uint32_t dir, const char *name, size_t length,
	    uint32_t ino, uint32_t replaced)
{
	struct inode_attr *attr;
	struct fs_place place;
	struct change c;
	int rc = replaced ? 0 : fs_dir_room(fs, me, dir, name, length);

	if (rc < 0)
		return rc;
	begin(&c, fs, me);
	attr = attr_of(&c, ino);
	if (attr->nlink == LINKS_MAX)
		return err(EMLINK, "%.*s", (int)length, name);
	attr->nlink++;
	attr->state = INODE_NAMED;
	if (replaced && fs_dir_find(fs, dir, name, length, &place)) {
		lose_name(&c, dir, place.name.key, replaced);
		set_entry(&c, dir, &place, ino);
	} else {
		add_entry(&c, dir, name, length, ino);
	}
	return commit(&c);
}

int fs_unlink(struct fs *fs, struct rt_self *me, uint32_t dir, const struct fs_place *place)
{
	struct change c;

	begin(&c, fs, me);
	fs_dir_remove(fs, &c.tx, place);
	lose_name(&c, dir, place->name.key, place->name.ino);
	count(&c, dir, -1, -(place->name.type == S_IFDIR));
	return commit(&c);
}

/* ---- renaming -------------------------------------------------------------------------------------- */

static int exchange(struct change *c, const struct fs_rename *r, const struct fs_place *from,
		    const struct fs_place *to)
{
	set_entry(c, r->from_dir, from, to->name.ino);
	set_entry(c, r->to_dir, to, from->name.ino);
	return commit(c);
}

int fs_rename(struct fs *fs, struct rt_self *me, const struct fs_rename *r)
{
	struct fs_place from, to;
	bool there = fs_dir_find(fs, r->to_dir, r->to, r->to_length, &to);
	struct change c;
	int rc = there ? 0 : fs_dir_room(fs, me, r->to_dir, r->to, r->to_length);

	if (rc < 0)
		return rc;
	begin(&c, fs, me);
	/* After the room was made: that may have moved it. */
	if (!fs_dir_find(fs, r->from_dir, r->from, r->from_length, &from))
		return err(PF_ECORRUPT, "%.*s is damaged", (int)r->from_length, r->from);
	if (r->exchange)
		return exchange(&c, r, &from, &to);
	fs_dir_remove(fs, &c.tx, &from);
	count(&c, r->from_dir, -1, -(from.name.type == S_IFDIR));
	if (there) {
		lose_name(&c, r->to_dir, to.name.key, to.name.ino);
		set_entry(&c, r->to_dir, &to, from.name.ino);
	} else {
		add_entry(&c, r->to_dir, r->to, r->to_length, from.name.ino);
	}
	return commit(&c);
}
