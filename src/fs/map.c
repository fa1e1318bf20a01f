/*
 * The map of a file: from page index to pfn. Readers go down from the root without a lock. A node may be freed, and be another's, while they
 * look at it: so what they find counts only if they find it again, from the root, when they hold the page. A transaction's words appear in the order they were added: when the inline entries move into a tree, the
 * root appears first.
 */
#include "base/broken.h"
#include "base/err.h"
#include "base/step.h"
#include "fs/inner.h"

/* What is at an index: a leaf, written or not, or nothing; and up to which index that is so. */
struct spot {
	entry_t leaf;
	uint64_t pfn, end;
};

static struct spot find_inline(struct fs *fs, uint32_t ino, uint64_t index)
{
	struct spot s = {.end = FILE_PAGES_MAX};

	if (index < INLINE_ENTRIES) {
		s.leaf = load_acquire(&fs->inodes[ino].inlined[index]);
		s.pfn = entry_target(s.leaf);
		s.end = index + 1;
	}
	return s;
}

/* From the entry of a tree's top node down to the entry for the index, as far as there are nodes; *level gets the one that it is on; MAP_LEVELS + 1: the tree does not
 * reach that far. */
static inline entry_t descend(struct fs *fs, entry_t e, uint64_t index, unsigned *level)
{
	*level = entry_order(e) + 1;
	if (unlikely(*level > MAP_LEVELS || index >= inner_span(*level))) {
		*level = MAP_LEVELS + 1;
		return 0;
	}
	while (entry_kind(e) == ENTRY_TABLE && *level && entry_target(e) < fs->super.nodes) {
		--*level;
		e = load_acquire(&inner_node(fs, entry_target(e))[inner_slot(index, *level)]);
	}
	return e;
}

static struct spot find_in_tree(struct fs *fs, entry_t e, uint64_t index)
{
	unsigned level;
	uint64_t end;

	e = descend(fs, e, index, &level);
	if (level > MAP_LEVELS)
		return (struct spot){.end = FILE_PAGES_MAX};
	end = align_down(index, inner_span(level)) + inner_span(level);
	if (!entry_has_pages(e) || level > 1)
		return (struct spot){.end = end};
	return (struct spot){e, entry_target(e) + (index & (inner_span(level) - 1)), end};
}

static struct spot find(struct fs *fs, uint32_t ino, uint64_t index)
{
	entry_t root = load_acquire(&fs->inodes[ino].root);
	struct spot s;

	if (!root) {
		s = find_inline(fs, ino, index);
		if (s.leaf)
			return s;
		root = load_acquire(&fs->inodes[ino].root); /* they may have moved meanwhile */
		if (!root)
			return s;
	}
	return find_in_tree(fs, root, index);
}

/* The common case, and the hot one: a tree, with a leaf at the index. What is not that is left to find(). */
entry_t fs_entry(struct fs *fs, uint32_t ino, uint64_t index, uint64_t *pfn)
{
	entry_t e = load_acquire(&fs->inodes[ino].root);
	unsigned level;
	struct spot s;

	if (likely(e)) {
		e = descend(fs, e, index, &level);
		if (likely(entry_has_pages(e) && level <= 1)) {
			*pfn = entry_target(e) + (index & (inner_span(level) - 1));
			return e;
		}
	}
	s = find(fs, ino, index);
	*pfn = s.pfn;
	return s.leaf;
}

/* Kinds of what may be at an index: bits. */
#define HOLE      (1u << ENTRY_EMPTY)
#define WRITTEN   (1u << ENTRY_LEAF)
#define UNWRITTEN (1u << ENTRY_UNWRITTEN)

static uint64_t next_of(struct fs *fs, uint32_t ino, uint64_t index, uint64_t end, unsigned kinds)
{
	while (index < end) {
		struct spot s = find(fs, ino, index);

		if (kinds >> entry_kind(s.leaf) & 1)
			return index;
		index = s.end;
	}
	return end;
}

uint64_t fs_next_entry(struct fs *fs, uint32_t ino, uint64_t index, uint64_t end)
{
	return next_of(fs, ino, index, end, WRITTEN | UNWRITTEN);
}

uint64_t fs_next_hole(struct fs *fs, uint32_t ino, uint64_t index, uint64_t end)
{
	return next_of(fs, ino, index, end, HOLE);
}

uint64_t fs_next_data(struct fs *fs, uint32_t ino, uint64_t index, uint64_t end)
{
	return next_of(fs, ino, index, end, WRITTEN);
}

uint64_t fs_next_blank(struct fs *fs, uint32_t ino, uint64_t index, uint64_t end)
{
	return next_of(fs, ino, index, end, HOLE | UNWRITTEN);
}

uint64_t fs_hole(struct fs *fs, uint32_t ino, uint64_t index, uint64_t max)
{
	return fs_next_entry(fs, ino, index, index + max) - index;
}

uint64_t fs_pages(struct fs *fs, uint32_t ino)
{
	return entry_target(load_acquire(&fs->inodes[ino].pages));
}

/* ---- growing --------------------------------------------------------------------------------------- */

_Atomic uint64_t *inner_table_entry(struct fs *fs, uint32_t ino, uint64_t index, unsigned level)
{
	_Atomic uint64_t *at = &fs->inodes[ino].root;
	entry_t e = load_acquire(at);

	while (entry_kind(e) == ENTRY_TABLE && entry_order(e) > level &&
	       entry_target(e) < fs->super.nodes) {
		at = &inner_node(fs, entry_target(e))[inner_slot(index, entry_order(e))];
		e = load_acquire(at);
	}
	/* The entry for that level, or an empty or leaf one on the way to it. */
	return at;
}

static entry_t make(struct fs *fs, uint32_t ino, uint64_t index, enum entry_kind kind,
		    unsigned order, uint64_t target)
{
	return entry_make(ino, fs_generation(fs, ino), index, kind, order, target);
}

/* Kept by every transaction that adds entries or removes them. */
static void count_pages(struct fs *fs, struct journal_tx *tx, uint32_t ino, uint64_t more)
{
	_Atomic uint64_t *at = &fs->inodes[ino].pages;
	uint64_t n = entry_target(journal_load(&fs->journal, tx, at)) + more;

	journal_word(&fs->journal, tx, at, n ? make(fs, ino, PAGES_INDEX, ENTRY_LEAF, 0, n) : 0);
}

static void link_node(struct fs *fs, struct rt_self *me, struct journal_tx *tx)
{
	if (!broken(PF_BREAK_MAP_NODE_FENCE))
		dev_drain(fs->dev);
	journal_commit(&fs->journal, tx);
	fs_node_linked(me);
}

static bool has_inline(const struct inode_format *inode)
{
	for (unsigned i = 0; i < INLINE_ENTRIES; i++)
		if (load_relaxed(&inode->inlined[i]))
			return true;
	return false;
}

/* A root above what there is: a smaller tree, the inline entries, or nothing; then it is of `level` at once, as a level-0 node for the first
 * block would keep order-9 folios out of it. */
static int grow(struct fs *fs, struct rt_self *me, uint32_t ino, unsigned level)
{
	struct inode_format *inode = &fs->inodes[ino];
	entry_t root = load_relaxed(&inode->root);
	bool move = !root && has_inline(inode);
	_Atomic uint64_t *entry;
	struct journal_tx tx;
	int64_t node;

	if (root || move)
		level = root ? entry_order(root) + 1 : 0;
	node = inner_node_take(fs, me, ino, 0, level, false);
	if (node < 0)
		return (int)node;
	entry = inner_node(fs, (uint64_t)node);
	media_begin(fs->dev);
	if (root)
		media_word(fs->dev, &entry[0], root);
	for (unsigned i = 0; move && i < INLINE_ENTRIES; i++)
		media_word(fs->dev, &entry[i], load_relaxed(&inode->inlined[i]));
	media_end(fs->dev);
	if (!broken(PF_BREAK_MAP_ROOT_FLUSH))
		dev_persist(fs->dev, (void *)entry, PAGE_BYTES);
	step("map: node filled");
	journal_begin(&tx, me);
	journal_word(&fs->journal, &tx, &inode->root,
		     make(fs, ino, 0, ENTRY_TABLE, level, (uint64_t)node));
	for (unsigned i = 0; move && i < INLINE_ENTRIES; i++)
		if (load_relaxed(&inode->inlined[i]))
			journal_word(&fs->journal, &tx, &inode->inlined[i], 0);
	link_node(fs, me, &tx);
	return 0;
}

/* Another node under the root, for `index` on `level`. */
static int add_node(struct fs *fs, struct rt_self *me, uint32_t ino, uint64_t index, unsigned level,
		    _Atomic uint64_t *at)
{
	uint64_t first = align_down(index, inner_span(level + 1));
	int64_t node = inner_node_take(fs, me, ino, first, level, false);
	struct journal_tx tx;

	if (node < 0)
		return (int)node;
	if (!broken(PF_BREAK_MAP_NODE_FLUSH))
		dev_persist(fs->dev, (void *)inner_node(fs, (uint64_t)node), PAGE_BYTES);
	journal_begin(&tx, me);
	journal_word(&fs->journal, &tx, at,
		     make(fs, ino, first, ENTRY_TABLE, level, (uint64_t)node));
	link_node(fs, me, &tx);
	return 0;
}

/* The entries' place on `level` for `index`; the nodes above it are made. NULL: *rc. */
static _Atomic uint64_t *make_place(struct fs *fs, struct rt_self *me, uint32_t ino, uint64_t index,
				    unsigned level, int *rc)
{
	_Atomic uint64_t *root = &fs->inodes[ino].root, *at;
	unsigned wanted = level;
	entry_t e;

	*rc = 0;
	while (index >= inner_span(wanted + 1))
		wanted++;
	while (!load_relaxed(root) || entry_order(load_relaxed(root)) < level ||
	       index >= inner_span(entry_order(load_relaxed(root)) + 1)) {
		*rc = grow(fs, me, ino, wanted);
		if (*rc < 0)
			return NULL;
	}
	at = root;
	for (unsigned l = entry_order(load_relaxed(root)); l > level; l--) {
		at = &inner_node(fs, entry_target(load_relaxed(at)))[inner_slot(index, l)];
		e = load_relaxed(at);
		CHECK(!entry_has_pages(e));
		if (!e)
			*rc = add_node(fs, me, ino, index, l - 1, at);
		if (*rc < 0)
			return NULL;
	}
	return &inner_node(fs, entry_target(load_relaxed(at)))[inner_slot(index, level)];
}

unsigned fs_order_limit(struct fs *fs, uint32_t ino, uint64_t index)
{
	entry_t root = load_relaxed(&fs->inodes[ino].root), e;

	if (!root)
		return index < BLOCK_PAGES && has_inline(&fs->inodes[ino]) ? BLOCK_ORDER - 1
									   : BLOCK_ORDER;
	e = load_relaxed(inner_table_entry(fs, ino, index, 0));
	if (index >= inner_span(entry_order(root) + 1))
		return index < BLOCK_PAGES ? BLOCK_ORDER - 1 : BLOCK_ORDER;
	return entry_kind(e) == ENTRY_TABLE && entry_order(e) == 0 ? BLOCK_ORDER - 1 : BLOCK_ORDER;
}

int fs_entry_add(struct fs *fs, struct journal_tx *tx, uint32_t ino, uint64_t index, unsigned order,
		 enum entry_kind kind, uint64_t pfn)
{
	struct inode_format *inode = &fs->inodes[ino];
	unsigned level = order == BLOCK_ORDER;
	_Atomic uint64_t *at;
	int rc = 0;

	if (!load_relaxed(&inode->root) && index + (1ull << order) <= INLINE_ENTRIES)
		at = &inode->inlined[index];
	else
		at = make_place(fs, tx->me, ino, index, level, &rc);
	if (!at)
		return rc;
	for (uint64_t i = 0; i < (level ? 1ull : 1ull << order); i++)
		journal_word(&fs->journal, tx, &at[i],
			     make(fs, ino, index + i, kind, order, pfn + i));
	count_pages(fs, tx, ino, 1ull << order);
	return 0;
}

/* The words that hold the entries from `index` on: of an order-9 leaf one, else one a page. */
static _Atomic uint64_t *entries_at(struct fs *fs, uint32_t ino, uint64_t index)
{
	struct inode_format *inode = &fs->inodes[ino];
	_Atomic uint64_t *at;

	if (!load_relaxed(&inode->root))
		return &inode->inlined[index];
	at = inner_table_entry(fs, ino, index, 0);
	if (entry_has_pages(load_relaxed(at)))
		return at;
	CHECK(entry_kind(load_relaxed(at)) == ENTRY_TABLE && entry_order(load_relaxed(at)) == 0);
	return &inner_node(fs, entry_target(load_relaxed(at)))[inner_slot(index, 0)];
}

uint64_t fs_entry_written(struct fs *fs, struct journal_tx *tx, uint32_t ino, uint64_t index,
			  uint64_t pages)
{
	_Atomic uint64_t *at = entries_at(fs, ino, index);
	entry_t e = load_relaxed(at);
	uint64_t i = 0;

	if (entry_order(e) == BLOCK_ORDER) {
		index = align_down(index, BLOCK_PAGES);
		pages = 1;
	}
	for (; i < pages && entry_kind(e = load_relaxed(&at[i])) == ENTRY_UNWRITTEN; i++)
		journal_word(&fs->journal, tx, &at[i],
			     make(fs, ino, index + i, ENTRY_LEAF, entry_order(e), entry_target(e)));
	return i;
}

void fs_entry_replace(struct fs *fs, struct journal_tx *tx, uint32_t ino, uint64_t index,
		      uint64_t pages, uint64_t pfn)
{
	_Atomic uint64_t *at = entries_at(fs, ino, index);

	for (uint64_t i = 0; i < pages; i++) {
		entry_t e = load_relaxed(&at[i]);

		CHECK(entry_has_pages(e) && entry_order(e) < BLOCK_ORDER);
		journal_word(&fs->journal, tx, &at[i],
			     make(fs, ino, index + i, entry_kind(e), entry_order(e), pfn + i));
	}
}

/* ---- from the inode into a folio -------------------------------------------------------------------- */

bool fs_is_inline(struct fs *fs, uint32_t ino)
{
	return !load_relaxed(&fs->inodes[ino].root) && has_inline(&fs->inodes[ino]);
}

int fs_entry_move(struct fs *fs, struct journal_tx *tx, uint32_t ino, uint64_t pfn)
{
	int64_t node = inner_node_take(fs, tx->me, ino, 0, 1, false);
	_Atomic uint64_t *entry;

	if (node < 0)
		return (int)node;
	entry = inner_node(fs, (uint64_t)node);
	media_begin(fs->dev);
	media_word(fs->dev, &entry[0], make(fs, ino, 0, ENTRY_LEAF, BLOCK_ORDER, pfn));
	media_end(fs->dev);
	if (!broken(PF_BREAK_MAP_MOVE_FLUSH))
		dev_persist(fs->dev, (void *)entry, PAGE_BYTES);
	dev_drain(fs->dev);
	step("map: node filled");
	journal_word(&fs->journal, tx, &fs->inodes[ino].root,
		     make(fs, ino, 0, ENTRY_TABLE, 1, (uint64_t)node));
	count_pages(fs, tx, ino, BLOCK_PAGES);
	return 0;
}

bool fs_inline_left(struct fs *fs, uint32_t ino, uint64_t *index, uint64_t *pfn)
{
	struct inode_format *inode = &fs->inodes[ino];

	if (!fs_is_file(fs, ino))
		return false;
	for (*index = 0; load_relaxed(&inode->root) && *index < INLINE_ENTRIES; ++*index) {
		entry_t e = load_relaxed(&inode->inlined[*index]);

		*pfn = entry_target(e);
		if (e)
			return true;
	}
	return false;
}

void fs_inline_remove(struct fs *fs, struct journal_tx *tx, uint32_t ino, uint64_t index,
		      uint64_t pages)
{
	for (uint64_t i = 0; i < pages && index + i < INLINE_ENTRIES; i++)
		journal_word(&fs->journal, tx, &fs->inodes[ino].inlined[index + i], 0);
	count_pages(fs, tx, ino, -pages);
}

bool fs_has_page(struct fs *fs, uint32_t ino, uint64_t index, uint64_t pfn)
{
	entry_t e = index < INLINE_ENTRIES ? load_acquire(&fs->inodes[ino].inlined[index]) : 0;
	uint64_t found;

	if (e && entry_target(e) == pfn)
		return true;
	return fs_entry(fs, ino, index, &found) && found == pfn;
}

/* ---- removing -------------------------------------------------------------------------------------- */

/* The rest of an order-9 leaf becomes single entries, whose hint is not the folio's order any more. */
static int break_leaf(struct fs *fs, struct journal_tx *tx, uint32_t ino, uint64_t index,
		      uint64_t pages, _Atomic uint64_t *at)
{
	uint64_t first = align_down(index, BLOCK_PAGES), pfn = entry_target(load_relaxed(at));
	enum entry_kind kind = entry_kind(load_relaxed(at));
	int64_t node = inner_node_take(fs, tx->me, ino, first, 0, true);

	if (node < 0)
		return (int)node;
	media_begin(fs->dev);
	for (uint64_t i = first; i < first + BLOCK_PAGES; i++)
		if (i < index || i >= index + pages)
			media_word(fs->dev, &inner_node(fs, (uint64_t)node)[i - first],
				   make(fs, ino, i, kind, BLOCK_ORDER - 1, pfn + (i - first)));
	media_end(fs->dev);
	if (!broken(PF_BREAK_MAP_LEAF_FLUSH))
		dev_persist(fs->dev, (void *)inner_node(fs, (uint64_t)node), PAGE_BYTES);
	dev_drain(fs->dev);
	journal_word(&fs->journal, tx, at, make(fs, ino, first, ENTRY_TABLE, 0, (uint64_t)node));
	return 0;
}

int fs_entry_remove(struct fs *fs, struct journal_tx *tx, uint32_t ino, uint64_t index,
		    uint64_t pages)
{
	_Atomic uint64_t *at = entries_at(fs, ino, index);

	count_pages(fs, tx, ino, -pages);
	if (entry_order(load_relaxed(at)) == BLOCK_ORDER) {
		if (pages < BLOCK_PAGES)
			return break_leaf(fs, tx, ino, index, pages, at);
		pages = 1;
	}
	for (uint64_t i = 0; i < pages; i++)
		journal_word(&fs->journal, tx, &at[i], 0);
	return 0;
}

/* ---- evicting -------------------------------------------------------------------------------------- */

/* The node at *entry and all below it, from the bottom up. */
static int free_tree(struct fs *fs, struct rt_self *me, uint32_t ino, uint64_t index,
		     _Atomic uint64_t *entry)
{
	entry_t e = load_relaxed(entry);
	unsigned level = entry_order(e);
	int rc = 0;

	for (unsigned i = 0; level && i < NODE_ENTRIES && rc == 0; i++) {
		_Atomic uint64_t *below = &inner_node(fs, entry_target(e))[i];

		if (entry_kind(load_relaxed(below)) == ENTRY_TABLE)
			rc = free_tree(fs, me, ino, index + i * inner_span(level), below);
	}
	return rc < 0 ? rc : inner_node_free(fs, me, ino, index, entry);
}

int fs_prune(struct fs *fs, struct rt_self *me, uint32_t ino, uint64_t index)
{
	_Atomic uint64_t *at = inner_table_entry(fs, ino, index, 0);
	entry_t root = load_relaxed(&fs->inodes[ino].root), e = load_relaxed(at);

	if (entry_kind(e) != ENTRY_TABLE || entry_order(e) != 0 ||
	    index >= inner_span(entry_order(root) + 1))
		return 0;
	for (unsigned i = 0; i < NODE_ENTRIES; i++)
		if (load_relaxed(&inner_node(fs, entry_target(e))[i]))
			return 0;
	return inner_node_free(fs, me, ino, align_down(index, BLOCK_PAGES), at);
}

int fs_map_free(struct fs *fs, struct rt_self *me, uint32_t ino)
{
	_Atomic uint64_t *root = &fs->inodes[ino].root;

	return load_relaxed(root) ? free_tree(fs, me, ino, 0, root) : 0;
}
