/*
 * Directories as the walk over the media sees them: each table, bucket and entry once, and what names say against what inodes say.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/progress.h"
#include "base/sys.h"
#include "fs/inner.h"

/* The directory that is looked at. */
struct at {
	struct walk *w;
	uint32_t ino;
	const struct inode_attr *attr;
	uint64_t entries, directories;
};

static void complain(struct at *at, const char *what, uint64_t key)
{
	report_violation(at->w->report, "directory", "directory %u, key %lx: %s", at->ino,
			 (unsigned long)key, what);
}

/* ---- entries --------------------------------------------------------------------------------------- */

/* A directory says itself which name it has. */
static void check_directory(struct at *at, const struct dir_name *name)
{
	struct inode_attr attr;

	at->directories++;
	if (inner_walk_read(at->w, name->ino, &attr) == 0 &&
	    (attr.parent != at->ino || attr.key != name->key))
		report_violation(at->w->report, "name",
				 "directory %s in directory %u is said to be key %lx in %u",
				 name->name, at->ino, (unsigned long)attr.key, attr.parent);
}

/* What the name leads to is there, and is that. */
static void walk_target(struct at *at, const struct dir_name *name)
{
	struct walk *w = at->w;
	struct walk_known *known;

	if (!name->ino || name->ino >= w->high || name->ino == ROOT_INO) {
		report_violation(w->report, "name", "%s in directory %u leads to inode %u",
				 name->name, at->ino, name->ino);
		return;
	}
	known = &w->known[name->ino];
	if (known->state == WALK_DAMAGED)
		return; /* told by walk_inode() */
	if (known->state != INODE_NAMED || known->generation != name->igen ||
	    known->type != name->type >> 12)
		report_violation(w->report, "name",
				 "%s in directory %u leads to inode %u, which is another one",
				 name->name, at->ino, name->ino);
	else if (name->type == S_IFDIR)
		check_directory(at, name);
	known->names++;
}

static void walk_name(struct at *at, const struct dir_name *name, uint64_t first, unsigned open)
{
	at->entries++;
	if (dir_hash(at->w->super->uuid, name->name, name->length) !=
	    (name->key & ~(DIR_TIES - 1ull)))
		complain(at, "the key is not that of its name", name->key);
	else if (open < DIR_KEY_BITS && name->key >> open != first >> open)
		complain(at, "the name is in the wrong bucket", name->key);
	if (!strcmp(name->name, ".") || !strcmp(name->name, ".."))
		complain(at, "a name that no file can have", name->key);
	walk_target(at, name);
}

/* Entries of a bucket, as far as they have been looked at. */
struct seen {
	const struct dir_page *page;
	unsigned count;
	uint64_t prints[4]; /* a bit for each fingerprint that there was */
	uint64_t key[DIR_GRANULES];
	unsigned granule[DIR_GRANULES];
};

/* Keys are unique; so are names, which have the same key but for what tells ties apart. */
static void check_unique(struct at *at, struct seen *seen, const struct dir_name *name,
			 unsigned granule)
{
	uint64_t hash = name->key & ~(DIR_TIES - 1ull);
	unsigned print = dir_print(name->key);
	bool maybe = seen->prints[print / 64] >> print % 64 & 1;
	struct dir_name other;

	seen->prints[print / 64] |= 1ull << print % 64;
	for (unsigned i = 0; maybe && i < seen->count; i++) {
		if ((seen->key[i] & ~(DIR_TIES - 1ull)) != hash)
			continue;
		if (seen->key[i] == name->key)
			complain(at, "two entries have one key", name->key);
		if (dir_read(seen->page, seen->granule[i], &other) &&
		    other.length == name->length && !memcmp(other.name, name->name, name->length))
			complain(at, "two entries have one name", name->key);
	}
	seen->key[seen->count] = name->key;
	seen->granule[seen->count++] = granule;
}

/* What its names lead to is elsewhere: asked for all at once. */
static void prefetch(const struct at *at, const struct dir_page *page)
{
	for (uint64_t heads = load_relaxed(&page->heads) & ~3ull; heads; heads &= heads - 1) {
		unsigned g = (unsigned)__builtin_ctzll(heads);
		uint32_t ino = (uint32_t)load_relaxed(&page->entry[g - DIR_FIRST].what);

		if (ino < at->w->high)
			__builtin_prefetch(&at->w->known[ino], 1);
	}
}

static void walk_bucket(struct at *at, uint64_t node, uint64_t first, unsigned open)
{
	_Alignas(64) uint64_t copy[NODE_ENTRIES];
	const struct dir_page *page = inner_walk_page(at->w, node, copy);
	uint64_t heads = load_relaxed(&page->heads), used = (1ull << DIR_FIRST) - 1;
	struct seen seen;
	struct dir_name name;

	if (load_relaxed(&page->owner) != (at->ino | (uint64_t)at->attr->generation << 32)) {
		complain(at, "the bucket is of another directory", first);
		return;
	}
	prefetch(at, page);
	seen.page = page;
	seen.count = 0;
	memset(seen.prints, 0, sizeof seen.prints);
	for (; heads; heads &= heads - 1) {
		unsigned g = (unsigned)__builtin_ctzll(heads);

		if (!dir_read(page, g, &name)) {
			complain(at, "an entry is damaged", first);
			continue;
		}
		/* Two that overlapped would not both be whole: no name has bytes that are an entry's. */
		used |= ((1ull << dir_granules(name.length)) - 1) << g;
		if ((load_relaxed(&page->prints[g / 8]) >> g % 8 * 8 & 0xff) != dir_print(name.key))
			complain(at, "the fingerprint is not that of the name", name.key);
		check_unique(at, &seen, &name, g);
		walk_name(at, &name, first, open);
	}
	for (unsigned g = 0; g < DIR_GRANULES; g++)
		if (!(load_relaxed(&page->heads) >> g & 1) &&
		    load_relaxed(&page->prints[g / 8]) >> g % 8 * 8 & 0xff)
			complain(at, "a fingerprint without an entry", first);
	if (used != load_relaxed(&page->used))
		complain(at, "the granules in use are not those of the entries", first);
}

/* ---- the trie -------------------------------------------------------------------------------------- */

static void walk_table(struct at *at, uint64_t node, uint64_t first, unsigned depth);

/* Returns how many neighbouring slots the entry is for; the others of them are looked at by the caller. */
static unsigned walk_slot(struct at *at, entry_t e, uint64_t first, unsigned depth)
{
	unsigned open = DIR_KEY_BITS;

	if (!entry_valid(at->ino, at->attr->generation, first, e)) {
		complain(at, "wrong check of a slot", first);
		return 1;
	}
	if (entry_kind(e) == ENTRY_TABLE && entry_order(e) == depth && depth < DIR_DEPTH_MAX) {
		if (inner_walk_node(at->w, at->ino, entry_target(e)))
			walk_table(at, entry_target(e), first, depth);
		return 1;
	}
	if (entry_kind(e) != ENTRY_LEAF || entry_order(e) > (depth ? DIR_BITS : 0)) {
		complain(at, "a slot of another kind", first);
		return 1;
	}
	if (depth)
		open = DIR_KEY_BITS - DIR_BITS * depth + DIR_BITS - entry_order(e);
	if (inner_walk_node(at->w, at->ino, entry_target(e)))
		walk_bucket(at, entry_target(e), first, open);
	return depth ? NODE_ENTRIES >> entry_order(e) : 1;
}

/* The slots of a table at this depth, each bucket at its first. While the directory is being freed some are empty. */
static void walk_table(struct at *at, uint64_t node, uint64_t first, unsigned depth)
{
	const _Atomic uint64_t *slot =
		(const _Atomic uint64_t *)(at->w->meta + at->w->super->nodes_offset +
					   node * PAGE_BYTES);
	unsigned n;

	progress("directories", at->ino, at->w->high);
	for (unsigned i = 0; i < NODE_ENTRIES; i += n) {
		entry_t e = inner_walk_word(at->w, &slot[i]);

		n = 1;
		if (!e && at->attr->state == INODE_EVICTING)
			continue;
		n = walk_slot(at, e, dir_first_key(first, depth, i), depth + 1);
		if (i % n) {
			complain(at, "a bucket begins in the middle of its slots", first);
			n = 1;
		}
		for (unsigned k = i + 1; k < i + n; k++) {
			entry_t other = inner_walk_word(at->w, &slot[k]);

			if (!entry_valid(at->ino, at->attr->generation,
					 dir_first_key(first, depth, k), other) ||
			    entry_target(other) != entry_target(e) ||
			    entry_kind(other) != entry_kind(e) ||
			    entry_order(other) != entry_order(e))
				complain(at, "slots of one bucket differ",
					 dir_first_key(first, depth, k));
		}
	}
}

/* Where a file has the first of its pages, a directory has nothing. */
static void check_no_pages(struct walk *w, uint32_t ino)
{
	const struct inode_format *inode = inner_walk_inode(w, ino);
	uint64_t any = inner_walk_word(w, &inode->pages);

	for (unsigned i = 0; i < INLINE_ENTRIES; i++)
		any |= inner_walk_word(w, &inode->inlined[i]);
	if (any)
		report_violation(w->report, "directory", "directory %u has pages", ino);
}

void inner_walk_dir(struct walk *w, uint32_t ino, const struct inode_attr *attr)
{
	struct at at = {.w = w, .ino = ino, .attr = attr};
	entry_t root = inner_walk_word(w, &inner_walk_inode(w, ino)->root);

	check_no_pages(w, ino);
	if (root)
		walk_slot(&at, root, 0, 0);
	if (at.entries != attr->size)
		report_violation(w->report, "directory", "directory %u has %lu entries, not %lu",
				 ino, (unsigned long)at.entries, (unsigned long)attr->size);
	if (attr->state != INODE_NAMED && at.entries)
		report_violation(w->report, "directory",
				 "directory %u was removed and is not empty", ino);
	if (attr->state == INODE_NAMED && attr->nlink != at.directories + 2)
		report_violation(w->report, "directory",
				 "directory %u has %lu directories, not %lu", ino,
				 (unsigned long)at.directories, (unsigned long)attr->nlink - 2);
}

/* ---- names and inodes -------------------------------------------------------------------------------- */

/* What is known of a directory. */
enum { UNKNOWN, ON_WAY, IN_TREE, OUTSIDE };

/* Follows parents up to a directory of which it is known, or that is on this way already: a ring. Then it is known of all on the way. */
static bool in_tree(struct walk *w, uint32_t ino)
{
	struct inode_attr attr;
	uint32_t at = ino;
	uint8_t known = OUTSIDE;

	while (w->known[at].way == UNKNOWN) {
		w->known[at].way = ON_WAY;
		if (w->known[at].type != S_IFDIR >> 12 || inner_walk_read(w, at, &attr) < 0 ||
		    attr.parent >= w->high)
			break;
		at = attr.parent;
	}
	if (w->known[at].way == IN_TREE)
		known = IN_TREE;
	for (at = ino; w->known[at].way == ON_WAY; at = attr.parent) {
		w->known[at].way = known;
		if (inner_walk_read(w, at, &attr) < 0 || attr.parent >= w->high)
			break;
	}
	return known == IN_TREE;
}

static void check_links(struct walk *w, uint32_t ino)
{
	const struct walk_known *known = &w->known[ino];
	bool directory = known->type == S_IFDIR >> 12;
	uint32_t wanted = known->state != INODE_NAMED ? 0 : directory ? 1 : known->nlink;

	if (known->state == INODE_FREE || known->state == WALK_DAMAGED || ino == ROOT_INO)
		return;
	if (known->names != wanted)
		report_violation(w->report, "name", "inode %u has %u names, not %u", ino,
				 known->names, wanted);
}

void inner_walk_links(struct walk *w)
{
	struct inode_attr attr;

	if (w->high <= ROOT_INO || inner_walk_read(w, ROOT_INO, &attr) < 0 ||
	    attr.state != INODE_NAMED || (attr.mode & S_IFMT) != S_IFDIR ||
	    attr.parent != ROOT_INO) {
		report_violation(w->report, "inode", "inode %u is not a root directory", ROOT_INO);
		return;
	}
	for (uint32_t ino = 1; ino < w->high; ino++)
		check_links(w, ino);
	w->known[ROOT_INO].way = IN_TREE;
	for (uint32_t ino = 1; ino < w->high; ino++)
		if (w->known[ino].state == INODE_NAMED && w->known[ino].type == S_IFDIR >> 12 &&
		    !in_tree(w, ino))
			report_violation(w->report, "name", "directory %u is not below the root",
					 ino);
}
