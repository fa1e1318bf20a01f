/* See power_tree.h. */
#include "power_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "format/xattr_format.h"
#include "pool.h"

/* ---- memory ------------------------------------------------------------------------------------------- */

static void **blocks;
static size_t block_count, block_room;

static void *keep(size_t bytes)
{
	void *block = calloc(1, bytes + 1);

	if (block_count == block_room) {
		block_room = block_room * 2 + 1024;
		blocks = realloc(blocks, block_room * sizeof *blocks);
	}
	must(block && blocks);
	blocks[block_count++] = block;
	return block;
}

static const char *keep_text(const char *text)
{
	size_t length = strlen(text);

	return memcpy(keep(length), text, length);
}

void tree_end(void)
{
	while (block_count)
		free(blocks[--block_count]);
	free(blocks);
	blocks = NULL;
	block_room = 0;
}

/* ---- names -------------------------------------------------------------------------------------------- */

static uint64_t hash_of(const char *name)
{
	uint64_t h = 14695981039346656037ull;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 1099511628211ull;
	return h;
}

static const struct tree_name *find(const struct tree *tree, unsigned dir, const char *name)
{
	uint64_t hash = hash_of(name);

	for (unsigned i = 0; i < tree->names; i++)
		if (tree->name[i].hash == hash && tree->name[i].dir == dir && tree->name[i].name &&
		    !strcmp(tree->name[i].name, name))
			return &tree->name[i];
	return NULL;
}

/* The directory that the path's last name is in, and that name. */
static unsigned parent_of(const struct tree *tree, const char *path, const char **name)
{
	unsigned dir = TREE_ROOT;
	const char *slash;

	while ((slash = strchr(path, '/'))) {
		char part[300];
		const struct tree_name *next;

		snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
		next = find(tree, dir, part);
		must(next != NULL);
		dir = next->node;
		path = slash + 1;
	}
	*name = path;
	return dir;
}

static struct tree_name *at_path(struct tree *tree, const char *path)
{
	const char *name;
	unsigned dir = parent_of(tree, path, &name);

	return (struct tree_name *)find(tree, dir, name);
}

static void add_name(struct tree *tree, const char *path, unsigned node)
{
	const char *name;
	unsigned dir = parent_of(tree, path, &name), i = 0;

	while (i < tree->names && tree->name[i].name)
		i++;
	must(i < TREE_NAMES);
	tree->name[i] = (struct tree_name){dir, node, hash_of(name), keep_text(name)};
	tree->names = MAX(tree->names, i + 1);
	if (tree->node[node].type == S_IFDIR)
		tree->node[dir].nlink++;
}

static void remove_name(struct tree *tree, struct tree_name *name)
{
	struct tree_node *node = &tree->node[name->node];

	if (node->type == S_IFDIR)
		tree->node[name->dir].nlink--;
	else
		node->nlink--;
	name->name = NULL;
	name->hash = 0;
}

static void forget_nameless(struct tree *tree, unsigned node)
{
	for (unsigned i = 0; i < tree->names; i++)
		if (tree->name[i].name && tree->name[i].node == node)
			return;
	tree->node[node] = (struct tree_node){0};
}

static unsigned new_node(struct tree *tree, uint32_t type, uint32_t mode)
{
	unsigned i = 1;

	while (i < tree->nodes && tree->node[i].type)
		i++;
	must(i < TREE_NODES);
	tree->nodes = MAX(tree->nodes, i + 1);
	tree->node[i] = (struct tree_node){.type = type,
					   .mode = mode,
					   .nlink = type == S_IFDIR ? 2 : 1,
					   .bytes = keep(0)};
	return i;
}

void tree_init(struct tree *tree)
{
	*tree = (struct tree){.nodes = 1};
	tree->node[TREE_ROOT] =
		(struct tree_node){.type = S_IFDIR, .mode = S_ISVTX | 0777, .nlink = 2};
}

/* ---- comparing ---------------------------------------------------------------------------------------- */

struct compare {
	const struct tree *tree;
	const struct power_image *image;
	uint32_t ino[TREE_NODES];
	unsigned names;
	char *why;
};

static bool no(struct compare *c, const char *path, const char *what, long is, long wanted)
{
	snprintf(c->why, 200, "%.80s: %s: %ld, not %ld", path, what, is, wanted);
	return false;
}

static bool page_is(const struct tree_node *node, const uint8_t *page, uint64_t from, uint64_t n)
{
	if (!memcmp(page, node->bytes + from, n))
		return true;
	for (uint64_t i = 0; node->or_else && i < n; i++)
		if (page[i] != node->bytes[from + i] && page[i] != node->or_else[from + i])
			return false;
	return node->or_else != NULL;
}

static bool bytes_are(struct compare *c, const char *path, uint32_t ino,
		      const struct tree_node *node)
{
	static const uint8_t zeros[PAGE_BYTES];

	for (uint64_t at = 0; at < node->size; at += PAGE_BYTES) {
		uint64_t pfn;
		entry_t e = fs_entry(c->image->fs, ino, at / PAGE_BYTES, &pfn);
		const uint8_t *page =
			entry_kind(e) == ENTRY_LEAF ? c->image->media + pfn * PAGE_BYTES : zeros;

		if (!page_is(node, page, at, MIN(PAGE_BYTES, node->size - at)))
			return no(c, path, "bytes differ in page", (long)(at / PAGE_BYTES), -1);
	}
	return true;
}

static bool link_is(struct compare *c, const char *path, uint32_t ino, const struct tree_node *node)
{
	char target[PF_PATH_MAX + 1];
	int n = fs_link_read(c->image->fs, ino, target);

	if (n != (int)node->size)
		return no(c, path, "length of the link", n, (long)node->size);
	return !memcmp(target, node->bytes, node->size) || no(c, path, "what it says", 0, 1);
}

static bool value_is(struct compare *c, const char *path, uint32_t ino,
		     const struct tree_node *node)
{
	struct xattr_page page;
	struct xattr x = {.name = NULL};
	int rc = fs_xattr_read(c->image->fs, ino, &page);
	bool there = rc == 0 && xattr_find(&page, "user.test", &x);

	if (rc < 0 || there != (node->value != NULL))
		return no(c, path, "attribute there", rc < 0 ? rc : there, node->value != NULL);
	return !there ||
	       (x.value_length == strlen(node->value) &&
		!memcmp(x.value, node->value, x.value_length)) ||
	       no(c, path, "the attribute's value", x.value_length, (long)strlen(node->value));
}

static bool dir_is(struct compare *c, const char *path, uint32_t ino, unsigned dir);

static bool node_is(struct compare *c, const char *path, uint32_t ino, unsigned n)
{
	const struct tree_node *node = &c->tree->node[n];
	struct inode_attr attr;
	int rc = fs_attr(c->image->fs, ino, &attr);

	if (rc < 0)
		return no(c, path, pf_message(), rc, 0);
	if (attr.state != INODE_NAMED)
		return no(c, path, "state", attr.state, INODE_NAMED);
	if (attr.mode != (node->type | node->mode))
		return no(c, path, "mode", attr.mode, node->type | node->mode);
	if (attr.nlink != node->nlink)
		return no(c, path, "links", attr.nlink, node->nlink);
	if (!value_is(c, path, ino, node))
		return false;
	if (node->type == S_IFDIR)
		return dir_is(c, path, ino, n);
	if (attr.size != node->size)
		return no(c, path, "size", (long)attr.size, (long)node->size);
	return node->type == S_IFLNK ? link_is(c, path, ino, node) : bytes_are(c, path, ino, node);
}

static bool entry_is(struct compare *c, const char *path, unsigned dir,
		     const struct dir_name *entry)
{
	char whole[PF_PATH_MAX + 1];
	const struct tree_name *name = find(c->tree, dir, entry->name);

	snprintf(whole, sizeof whole, "%s/%s", path, entry->name);
	if (!name)
		return no(c, whole, "there", 1, 0);
	c->names++;
	if (c->ino[name->node])
		return c->ino[name->node] == entry->ino ||
		       no(c, whole, "inode", entry->ino, c->ino[name->node]);
	for (unsigned i = 0; i < c->tree->nodes; i++)
		if (c->ino[i] == entry->ino)
			return no(c, whole, "is the same as another, inode", entry->ino, 0);
	c->ino[name->node] = entry->ino;
	return node_is(c, whole, entry->ino, name->node);
}

static bool dir_is(struct compare *c, const char *path, uint32_t ino, unsigned dir)
{
	struct dir_name *entries = malloc(FS_DIR_READ * sizeof *entries);
	uint64_t key = 0, next;
	bool good = true, sure;

	must(entries != NULL);
	while (good && key < 1ull << DIR_KEY_BITS) {
		unsigned n = fs_dir_read(c->image->fs, ino, key, entries, &next, &sure);

		if (!sure)
			good = no(c, path, "directory is changing", 1, 0);
		for (unsigned i = 0; i < n && good; i++)
			good = entry_is(c, path, dir, &entries[i]);
		key = next;
	}
	free(entries);
	return good;
}

bool tree_is(const struct tree *tree, const struct power_image *image, char why[200])
{
	struct compare c = {.tree = tree, .image = image, .why = why};
	unsigned names = 0;

	for (unsigned i = 0; i < tree->names; i++)
		names += tree->name[i].name != NULL;
	c.ino[TREE_ROOT] = ROOT_INO;
	if (!node_is(&c, "", ROOT_INO, TREE_ROOT))
		return false;
	return c.names == names || no(&c, "/", "names", c.names, names);
}

/* ---- operations --------------------------------------------------------------------------------------- */

static const char *const op_names[OP_KINDS] = {"create",        "mkdir",         "symlink",
					       "tmpfile",       "publish",       "link",
					       "unlink",        "rmdir",         "rename",
					       "exchange",      "write",         "append",
					       "truncate",      "punch",         "allocate",
					       "allocate keep", "allocate zero", "chmod",
					       "setxattr",      "removexattr",   "compact"};

void op_print(const struct op *op)
{
	fprintf(stderr, "%s \"%s\" \"%s\" %lu %lu\n", op_names[op->kind], op->path, op->to,
		(unsigned long)op->offset, (unsigned long)op->length);
}

static uint8_t *bytes_of(const struct op *op)
{
	uint8_t *bytes = keep(op->length);

	pattern_fill(bytes, op->length, op->fill, op->offset);
	return bytes;
}

/* Printable, with NUL. */
static char *text_of(const struct op *op)
{
	char *text = keep(op->length);

	for (uint64_t i = 0; i < op->length; i++)
		text[i] = (char)('a' + (op->fill + i) % 26);
	return text;
}

static void run_on_file(pf_file *file, const struct op *op)
{
	struct pf_setattr attr = {.set = PF_SET_MODE, .mode = (uint32_t)op->length};

	switch (op->kind) {
	case OP_TMPFILE:
	case OP_PUBLISH:
		must_be(pf_write(file, bytes_of(op), op->length, op->offset), op->length);
		OK(pf_link_file(file, op->to, op->kind == OP_PUBLISH ? PF_LINK_REPLACE : 0));
		break;
	case OP_WRITE:
		must_be(pf_write(file, bytes_of(op), op->length, op->offset), op->length);
		break;
	case OP_APPEND:
		must_be(pf_append(file, bytes_of(op), op->length), op->length);
		break;
	case OP_TRUNCATE:
		OK(pf_truncate(file, op->length, PF_DETACH, 0));
		break;
	case OP_PUNCH:
		OK(pf_punch(file, op->offset, op->length, PF_DETACH, 0));
		break;
	case OP_ALLOCATE:
		OK(pf_allocate(file, op->offset, op->length, 0));
		break;
	case OP_ALLOCATE_KEEP:
		OK(pf_allocate(file, op->offset, op->length, PF_ALLOC_KEEP_SIZE));
		break;
	case OP_ALLOCATE_ZERO:
		OK(pf_allocate(file, op->offset, op->length, PF_ALLOC_ZERO));
		break;
	case OP_CHMOD:
		OK(pf_setattr(file, &attr));
		break;
	case OP_SETXATTR:
		OK(pf_setxattr(file, "user.test", text_of(op), op->length, 0));
		break;
	case OP_REMOVEXATTR:
		OK(pf_removexattr(file, "user.test"));
		break;
	default:
		break;
	}
}

static void open_and_run(pf_pool *pool, const struct op *op, unsigned flags)
{
	pf_file *file;

	OK(pf_open(pool, op->path, flags, 0644, &file));
	run_on_file(file, op);
	OK(pf_close(file));
}

void op_run(pf_pool *pool, const struct op *op)
{
	struct pf_compacted compacted;

	switch (op->kind) {
	case OP_CREATE:
		open_and_run(pool, op, PF_O_RDWR | PF_O_CREATE | PF_O_EXCL);
		break;
	case OP_TMPFILE:
	case OP_PUBLISH:
		open_and_run(pool, op, PF_O_RDWR | PF_O_TMPFILE);
		break;
	case OP_MKDIR:
		OK(pf_mkdir(pool, op->path, 0755));
		break;
	case OP_SYMLINK:
		OK(pf_symlink(pool, text_of(op), op->path));
		break;
	case OP_LINK:
		OK(pf_link(pool, op->path, op->to));
		break;
	case OP_UNLINK:
		OK(pf_unlink(pool, op->path));
		break;
	case OP_RMDIR:
		OK(pf_rmdir(pool, op->path));
		break;
	case OP_RENAME:
		OK(pf_rename(pool, op->path, op->to, 0));
		break;
	case OP_EXCHANGE:
		OK(pf_rename(pool, op->path, op->to, PF_RENAME_EXCHANGE));
		break;
	case OP_COMPACT:
		OK(pf_compact(pool, UINT64_MAX, &compacted));
		break;
	default:
		open_and_run(pool, op, PF_O_RDWR);
	}
}

/* ---- what they do to a tree --------------------------------------------------------------------------- */

/* The same bytes, as far as the new size goes, then zeros; may be written to. */
static uint8_t *resized(struct tree_node *node, uint64_t size)
{
	uint8_t *bytes = keep(size);

	memcpy(bytes, node->bytes, MIN(size, node->size));
	node->bytes = bytes;
	node->size = size;
	return bytes;
}

/* `from` NULL: zeros. */
static void put(struct tree_node *node, const uint8_t *from, uint64_t offset, uint64_t length)
{
	uint8_t *bytes = resized(node, MAX(node->size, offset + length));

	if (from)
		memcpy(bytes + offset, from, length);
	else
		memset(bytes + offset, 0, length);
}

static void model_bytes(const struct op *op, struct tree_node *node)
{
	uint64_t size = node->size;

	switch (op->kind) {
	case OP_WRITE:
		put(node, bytes_of(op), op->offset, op->length);
		break;
	case OP_APPEND:
		put(node, bytes_of(op), size, op->length);
		break;
	case OP_TRUNCATE:
		resized(node, op->length);
		break;
	case OP_PUNCH:
		put(node, NULL, op->offset, op->length);
		resized(node, size);
		break;
	case OP_ALLOCATE:
		resized(node, MAX(size, op->offset + op->length));
		break;
	case OP_ALLOCATE_ZERO:
		put(node, NULL, op->offset, op->length);
		break;
	case OP_CHMOD:
		node->mode = (uint32_t)op->length;
		break;
	case OP_SETXATTR:
		node->value = text_of(op);
		break;
	case OP_REMOVEXATTR:
		node->value = NULL;
		break;
	default:
		break;
	}
}

static void model_remove(struct tree *tree, const char *path)
{
	struct tree_name *name = at_path(tree, path);
	unsigned node = name->node;

	remove_name(tree, name);
	forget_nameless(tree, node);
}

static void model_new(const struct op *op, struct tree *tree)
{
	uint32_t type = op->kind == OP_MKDIR ? S_IFDIR : op->kind == OP_SYMLINK ? S_IFLNK : S_IFREG;
	uint32_t mode = type == S_IFDIR ? 0755 : type == S_IFLNK ? 0777 : 0644;
	unsigned n = new_node(tree, type, mode);

	if (type == S_IFLNK) {
		tree->node[n].bytes = (const uint8_t *)text_of(op);
		tree->node[n].size = op->length;
	}
	if (op->kind == OP_PUBLISH)
		model_remove(tree, op->to);
	if (op->kind >= OP_TMPFILE)
		put(&tree->node[n], bytes_of(op), op->offset, op->length);
	add_name(tree, op->kind >= OP_TMPFILE ? op->to : op->path, n);
}

static void model_rename(const struct op *op, struct tree *tree)
{
	struct tree_name *from = at_path(tree, op->path), *to = at_path(tree, op->to);
	unsigned node = from->node, other = to ? to->node : 0;

	if (to && other == node && op->kind == OP_RENAME)
		return; /* two names of one file: nothing happens */
	/* A directory keeps its one link from its parent. */
	remove_name(tree, from);
	if (to)
		remove_name(tree, to);
	if (tree->node[node].type != S_IFDIR)
		tree->node[node].nlink++;
	add_name(tree, op->to, node);
	if (op->kind == OP_EXCHANGE) {
		if (tree->node[other].type != S_IFDIR)
			tree->node[other].nlink++;
		add_name(tree, op->path, other);
	} else if (to) {
		forget_nameless(tree, other);
	}
}

void op_model(const struct op *op, struct tree *tree, struct tree *middle)
{
	struct tree_name *name;
	struct tree_node *node;

	*middle = *tree;
	switch (op->kind) {
	case OP_CREATE:
	case OP_MKDIR:
	case OP_SYMLINK:
	case OP_TMPFILE:
	case OP_PUBLISH:
		model_new(op, tree);
		break;
	case OP_LINK:
		name = at_path(tree, op->path);
		tree->node[name->node].nlink++;
		add_name(tree, op->to, name->node);
		break;
	case OP_UNLINK:
	case OP_RMDIR:
		model_remove(tree, op->path);
		break;
	case OP_RENAME:
	case OP_EXCHANGE:
		model_rename(op, tree);
		break;
	case OP_COMPACT:
		break;
	default:
		name = at_path(tree, op->path);
		node = &tree->node[name->node];
		model_bytes(op, node);
		/* Bytes change one by one, the size in one step. */
		if (node->bytes != middle->node[name->node].bytes &&
		    node->size >= middle->node[name->node].size)
			middle->node[name->node].or_else = node->bytes;
	}
}

/* ---- by chance ---------------------------------------------------------------------------------------- */

static void path_of(const struct tree *tree, unsigned i, char *path)
{
	char tail[PF_PATH_MAX + 1];
	unsigned dir = tree->name[i].dir;

	snprintf(path, PF_PATH_MAX + 1, "%s", tree->name[i].name);
	while (dir != TREE_ROOT)
		for (i = 0; i < tree->names; i++)
			if (tree->name[i].name && tree->name[i].node == dir) {
				snprintf(tail, sizeof tail, "%s", path);
				must(strlen(tail) + strlen(tree->name[i].name) < PF_PATH_MAX - 1);
				sprintf(path, "%s/%s", tree->name[i].name, tail);
				dir = tree->name[i].dir;
				break;
			}
}

static bool has_names(const struct tree *tree, unsigned dir)
{
	for (unsigned i = 0; i < tree->names; i++)
		if (tree->name[i].name && tree->name[i].dir == dir)
			return true;
	return false;
}

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return !strncmp(path, dir, n) && (path[n] == '/' || !path[n]);
}

/* A name of this type (0: any but a directory), at random; -1: none. */
static int pick(const struct tree *tree, struct test_random *chance, uint32_t type)
{
	unsigned first = tree->names ? (unsigned)test_below(chance, tree->names) : 0;

	for (unsigned n = 0; n < tree->names; n++) {
		unsigned i = (first + n) % tree->names;
		const struct tree_name *name = &tree->name[i];
		uint32_t is = name->name ? tree->node[name->node].type : 0;

		if (is && (type ? is == type : is != S_IFDIR))
			return (int)i;
	}
	return -1;
}

static void new_path(const struct tree *tree, struct test_random *chance, char *path)
{
	int dir = test_below(chance, 3) ? -1 : pick(tree, chance, S_IFDIR);
	unsigned length = test_below(chance, 8) ? 0 : (unsigned)test_below(chance, 200);
	size_t at = 0;

	if (dir >= 0) {
		path_of(tree, (unsigned)dir, path);
		at = strlen(path);
		if (at > 600)
			at = 0;
		else
			path[at++] = '/';
	}
	sprintf(path + at, "%lx%.*s", (unsigned long)test_random(chance) >> 20, (int)length,
		"--------------------------------------------------------------------------------"
		"--------------------------------------------------------------------------------"
		"----------------------------------------");
}

static void random_bytes(struct op *op, uint64_t size, struct test_random *chance, uint64_t bytes)
{
	op->fill = 1 + test_below(chance, 1000);
	op->offset =
		test_below(chance, 3) ? test_below(chance, size + 1) : test_below(chance, bytes);
	op->length = 1 + test_below(chance, test_below(chance, 2) ? bytes / 16 : bytes);
	if (test_below(chance, 2)) {
		op->offset = align_down(op->offset, PAGE_BYTES);
		op->length = align_up(op->length, PAGE_BYTES);
	}
	op->offset = MIN(op->offset, bytes);
	op->length = MIN(op->length, bytes);
}

static bool fill_new(struct op *op, const struct tree *tree, struct test_random *chance,
		     uint64_t bytes)
{
	int other = pick(tree, chance, S_IFREG);

	if (op->kind <= OP_SYMLINK) {
		new_path(tree, chance, op->path);
		op->fill = test_below(chance, 26);
		op->length = 1 + test_below(chance, test_below(chance, 2) ? 120 : 1000);
		return true;
	}
	strcpy(op->path, "/");
	random_bytes(op, 0, chance, bytes);
	if (op->kind == OP_TMPFILE)
		new_path(tree, chance, op->to);
	else if (other >= 0)
		path_of(tree, (unsigned)other, op->to);
	return op->kind == OP_TMPFILE || other >= 0;
}

/* What has the path is of this type. */
static bool fill_names(struct op *op, struct tree *tree, struct test_random *chance, uint32_t type)
{
	int other = pick(tree, chance, type);
	const struct tree_name *to;

	new_path(tree, chance, op->to);
	if (op->kind == OP_EXCHANGE || (op->kind == OP_RENAME && test_below(chance, 2)))
		path_of(tree, (unsigned)other, op->to);
	to = at_path(tree, op->to);
	/* Not into itself, and over an empty directory only. */
	return !is_below(op->to, op->path) && !is_below(op->path, op->to) &&
	       (op->kind != OP_RENAME || type != S_IFDIR || !to || !has_names(tree, to->node));
}

static bool fill_bytes(struct op *op, const struct tree_node *node, struct test_random *chance,
		       uint64_t bytes)
{
	random_bytes(op, node->size, chance, bytes);
	switch (op->kind) {
	case OP_APPEND:
		op->offset = 0;
		return node->size + op->length <= 2 * bytes;
	case OP_TRUNCATE:
		op->length = test_below(chance, 3) ? test_below(chance, node->size + 1)
						   : test_below(chance, bytes);
		return true;
	case OP_CHMOD:
		op->length = 0600 | test_below(chance, 0200);
		return true;
	case OP_SETXATTR:
		op->length = 1 + test_below(chance, 1000);
		return true;
	case OP_REMOVEXATTR:
		return node->value != NULL;
	default:
		return true;
	}
}

/* False: nothing there to do it on. */
static bool fill_in(struct op *op, struct tree *tree, struct test_random *chance, uint64_t bytes)
{
	uint32_t type = op->kind == OP_RMDIR ? S_IFDIR : op->kind >= OP_WRITE ? S_IFREG : 0;
	int i;

	op->path[0] = op->to[0] = 0;
	if (op->kind == OP_COMPACT)
		return true;
	if (op->kind <= OP_PUBLISH)
		return fill_new(op, tree, chance, bytes);
	if (op->kind == OP_RENAME && test_below(chance, 3) == 0)
		type = S_IFDIR;
	i = pick(tree, chance, type);
	if (i < 0)
		return false;
	path_of(tree, (unsigned)i, op->path);
	if (op->kind == OP_RMDIR)
		return !has_names(tree, tree->name[i].node);
	if (op->kind == OP_UNLINK)
		return true;
	return op->kind < OP_WRITE ? fill_names(op, tree, chance, type)
				   : fill_bytes(op, &tree->node[tree->name[i].node], chance, bytes);
}

void op_random(struct op *op, struct tree *tree, struct test_random *chance, uint64_t bytes)
{
	do
		op->kind = (enum op_kind)test_below(chance, OP_KINDS);
	while (!fill_in(op, tree, chance, bytes));
}
