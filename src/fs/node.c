/*
 * Nodes: which are in use is a bitmap in the runtime, under the meta lock. A row's node record names the node it takes or gives back, so that a
 * kill between the bit and the transaction loses none: under the inode's lock it is seen whether the map refers to it.
 *
 * Where one node takes another's place (extended attributes) the record names both, the old one where others have the level: of the two, the
 * one that the inode does not name is given back.
 */
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/step.h"
#include "fs/inner.h"

/* Nodes that only removals may take, so that a full pool can be emptied: as many as there can be order-9 leaves. */
static uint64_t reserve_of(const struct fs *fs)
{
	return MIN(fs->super.data_pages / BLOCK_PAGES, fs->super.nodes / 2);
}

/* What the record's node takes the place of; 0: nothing. */
static uint64_t partner_of(const struct rt_record *r)
{
	return load_relaxed(&r->index) == XATTR_INDEX ? load_relaxed(&r->pages) : 0;
}

static void set_again(struct fs *fs, uint64_t node)
{
	if (node && node < fs->super.nodes)
		inner_set_bit(inner_node_bits(fs), node);
}

/* A dead row's record whose bit is not set: set it, so that the record owns the node. The bit is right for all others. */
static void repair(struct fs *fs)
{
	_Atomic uint64_t *bits = inner_node_bits(fs);
	struct rt_cursor c = {0};
	struct rt_row *row;
	uint64_t used = 0;

	while ((row = rt_next_row(fs->rt, &c))) {
		uint32_t set = load_acquire(&row->node.set);

		if (rt_row_dead(row, c.word) && set && !rt_record_moves(set)) {
			set_again(fs, load_relaxed(&row->node.head));
			set_again(fs, partner_of(&row->node));
		}
	}
	for (uint64_t i = 0; i < div_up(fs->super.nodes, 64); i++)
		used += (unsigned)__builtin_popcountll(load_relaxed(&bits[i]));
	store_relaxed(&fs->shared->nodes_free, fs->super.nodes - used);
}

int inner_lock_meta(struct fs *fs, struct rt_self *me)
{
	int rc = rt_lock(me, &fs->shared->meta);

#ifdef PF_BREAK_NODE_NO_REPAIR
	(void)repair;
#else
	if (rc == RT_LOCK_REPAIR)
		repair(fs);
#endif
	return rc < 0 ? rc : 0;
}

static void set_record(struct rt_self *me, uint32_t ino, uint64_t index, unsigned level,
		       uint64_t node, enum rt_record_kind kind)
{
	struct rt_record *r = &me->row->node;

	store_release(&r->set, (uint32_t)RT_RECORD_NONE);
	store_relaxed(&r->head, node);
	store_relaxed(&r->index, index);
	store_relaxed(&r->ino, ino);
	store_relaxed(&r->pages, level);
#ifdef PF_BREAK_NODE_NO_RECORD
	kind = RT_RECORD_NONE;
#endif
	store_release(&r->set, (uint32_t)kind);
}

void fs_node_linked(struct rt_self *me)
{
	store_release(&me->row->node.set, (uint32_t)RT_RECORD_NONE);
}

static uint64_t free_in_word(struct fs *fs, uint64_t i)
{
	uint64_t free = ~load_relaxed(&inner_node_bits(fs)[i]);
	uint64_t node = i * 64 + (free ? (unsigned)__builtin_ctzll(free) : 0);

	return free && node < fs->super.nodes ? node : 0;
}

/* The first one. Below the cursor there is none, but for what a kill left: then all are looked at. */
static uint64_t find_free(struct fs *fs)
{
	uint64_t words = div_up(fs->super.nodes, 64), node = 0;
	uint64_t cursor = load_relaxed(&fs->shared->node_cursor) / 64;

	for (uint64_t i = cursor; i < words && !node; i++)
		node = free_in_word(fs, i);
	for (uint64_t i = 0; i < MIN(cursor, words) && !node; i++)
		node = free_in_word(fs, i);
	if (node)
		store_relaxed(&fs->shared->node_cursor, node);
	return node;
}

/* Under the meta lock. 0: there is none. */
static uint64_t take(struct fs *fs, struct rt_self *me, uint32_t ino, uint64_t index,
		     unsigned level, bool reserve)
{
	uint64_t node = load_relaxed(&fs->shared->nodes_free) > (reserve ? 0 : reserve_of(fs))
				? find_free(fs)
				: 0;

	if (node) {
		set_record(me, ino, index, level, node, RT_RECORD_ALLOC);
		step("node: record");
		inner_set_bit(inner_node_bits(fs), node);
		store_relaxed(&fs->shared->nodes_free, load_relaxed(&fs->shared->nodes_free) - 1);
	}
	return node;
}

static int no_node(struct fs *fs)
{
	return err(PF_ENOMETA, "%lu nodes", (unsigned long)fs->super.nodes);
}

int64_t inner_node_take(struct fs *fs, struct rt_self *me, uint32_t ino, uint64_t index,
			unsigned level, bool reserve)
{
	uint64_t node;
	int rc = inner_lock_meta(fs, me);

	if (rc < 0)
		return rc;
	node = take(fs, me, ino, index, level, reserve);
	rt_unlock(me, &fs->shared->meta);
	if (!node)
		return no_node(fs);
	media_begin(fs->dev);
	media_zero(fs->dev, (void *)inner_node(fs, node), PAGE_BYTES);
	media_end(fs->dev);
	return (int64_t)node;
}

/* A node of the record is nobody's: the bit goes, then the record, both under the lock. */
static void give_back(struct fs *fs, struct rt_record *r, uint64_t node)
{
	inner_clear_bit(inner_node_bits(fs), node);
	store_relaxed(&fs->shared->nodes_free, load_relaxed(&fs->shared->nodes_free) + 1);
	store_relaxed(&fs->shared->node_cursor, MIN(load_relaxed(&fs->shared->node_cursor), node));
	step("node: bit cleared");
	store_release(&r->set, (uint32_t)RT_RECORD_NONE);
	step("node: record cleared");
}

int inner_node_release(struct fs *fs, struct rt_self *me, uint32_t ino, uint64_t index,
		       unsigned level, uint64_t node, struct journal_tx *tx)
{
	int rc = inner_lock_meta(fs, me);

	if (rc < 0)
		return rc;
	set_record(me, ino, index, level, node, RT_RECORD_RELEASE);
	step("node: record");
	journal_commit(&fs->journal, tx);
	step("node: unlinked");
	give_back(fs, &me->row->node, node);
	rt_unlock(me, &fs->shared->meta);
	return 0;
}

int64_t inner_node_replace(struct fs *fs, struct rt_self *me, uint32_t ino, uint64_t index,
			   uint64_t old, bool reserve)
{
	uint64_t node;
	int rc = inner_lock_meta(fs, me);

	if (rc < 0)
		return rc;
	node = take(fs, me, ino, index, (unsigned)old, reserve);
	if (node)
		return (int64_t)node;
	rt_unlock(me, &fs->shared->meta);
	return no_node(fs);
}

void inner_node_replaced(struct fs *fs, struct rt_self *me, struct journal_tx *tx)
{
	struct rt_record *r = &me->row->node;

	journal_commit(&fs->journal, tx);
	step("node: replaced");
	if (partner_of(r))
		give_back(fs, r, partner_of(r));
	else
		fs_node_linked(me);
	rt_unlock(me, &fs->shared->meta);
}

int inner_node_free(struct fs *fs, struct rt_self *me, uint32_t ino, uint64_t index,
		    _Atomic uint64_t *entry)
{
	entry_t e = load_relaxed(entry);
	struct journal_tx tx;

	journal_begin(&tx, me);
	journal_word(&fs->journal, &tx, entry, 0);
	return inner_node_release(fs, me, ino, index, entry_order(e), entry_target(e), &tx);
}

/* What the record's node is for names it. */
static bool is_linked(struct fs *fs, const struct rt_record *r)
{
	struct inode_format *inode = &fs->inodes[load_relaxed(&r->ino)];
	uint64_t index = load_relaxed(&r->index), node = load_relaxed(&r->head);
	uint32_t type = load_acquire(&inode->mode_uid) & S_IFMT;
	entry_t e;

	if (index == XATTR_INDEX || type == S_IFLNK) {
		e = load_acquire(index == XATTR_INDEX ? &inode->xattr : &inode->root);
		return entry_kind(e) == ENTRY_LEAF && entry_target(e) == node;
	}
	if (type == S_IFDIR)
		return inner_dir_refers(fs, load_relaxed(&r->ino), index, node);
	e = load_acquire(
		inner_table_entry(fs, load_relaxed(&r->ino), index, load_relaxed(&r->pages)));
	return entry_kind(e) == ENTRY_TABLE && entry_target(e) == node;
}

int fs_node_resolve(struct fs *fs, struct rt_self *me, struct rt_row *row)
{
	struct rt_record *r = &row->node;
	uint64_t gone = is_linked(fs, r) ? partner_of(r) : load_relaxed(&r->head);
	int rc;

	if (!gone) {
		store_release(&r->set, (uint32_t)RT_RECORD_NONE);
		return 0;
	}
	rc = inner_lock_meta(fs, me);
	if (rc < 0)
		return rc;
	give_back(fs, r, gone);
	rt_unlock(me, &fs->shared->meta);
	return 0;
}
