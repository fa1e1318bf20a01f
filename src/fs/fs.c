/* Making and opening: where the parts are, and what the runtime needs beside them. */
#include <string.h>

#include "base/err.h"
#include "format/use_format.h"
#include "fs/inner.h"

void fs_mkfs(struct dev *dev, void *meta, struct super_format *super, uint32_t uid, uint32_t gid)
{
	struct counters_format *counters =
		(struct counters_format *)((uint8_t *)meta + COUNTERS_OFFSET);
	struct use_format use = {.state = USE_CLEAN};
	void *use_at;

	media_word(dev, &counters->inodes_high, number32((uint32_t)MIN(FS_CHUNK, super->inodes)));
	inner_make_root(dev, (struct inode_format *)((uint8_t *)meta + super->inodes_offset), uid,
			gid);
	use_at = use_seal(meta, &use);
	media_bytes(dev, use_at, &use, sizeof use);
	super_seal(super);
	media_bytes(dev, (uint8_t *)meta + SUPER_COPY, super, sizeof *super);
	dev_persist(dev, meta, HEAD_BYTES);
	dev_drain(dev);
	media_bytes(dev, meta, super, sizeof *super);
	dev_persist(dev, meta, sizeof *super);
	dev_drain(dev);
}

void fs_plan(const struct super_format *super, struct rt_plan *plan)
{
	plan->region[RT_INODES].bytes = super->inodes * sizeof(struct fs_inode);
	plan->region[RT_NODES].bytes = align_up(sizeof(struct fs_shared), 64) +
				       div_up(super->nodes, 64) * 8 + div_up(super->inodes, 64) * 8;
	plan->region[RT_NODES].filled = true;
}

void fs_open(struct fs *fs, struct dev *dev, struct rt *rt, void *meta,
	     const struct super_format *super)
{
	uint8_t *base = meta;

	*fs = (struct fs){.dev = dev, .rt = rt, .super = *super, .meta = base};
	fs->inodes = (struct inode_format *)(base + super->inodes_offset);
	fs->nodes = base + super->nodes_offset;
	fs->counters = (struct counters_format *)(base + COUNTERS_OFFSET);
	store_relaxed(&fs->cursor, (uint32_t)super->inodes); /* none yet */
	fs->shared = rt_region(rt, RT_NODES);
	fs->states = rt_region(rt, RT_INODES);
	fs->journal = (struct journal){.dev = dev,
				       .rt = rt,
				       .meta = base,
				       .meta_bytes = super->data_offset,
				       .lanes_offset = super->lanes_offset,
				       .lanes = (unsigned)super->lanes,
				       .owners = &fs->shared->lanes};
}

uint32_t fs_inodes_high(struct fs *fs)
{
	return (uint32_t)load_acquire(&fs->counters->inodes_high);
}

/* ---- building -------------------------------------------------------------------------------------- */

static void first_text(void *arg, const char *rule, const char *text)
{
	bool *told = arg;

	if (!*told)
		err(PF_ECORRUPT, "%s: %s", rule, text);
	*told = true;
}

/* A bit for each of 64 inodes; 0 is none, and counts as used. */
static uint64_t used_inodes(struct fs *fs, const struct walk *w, uint64_t first)
{
	uint64_t end = MIN(first + 64, (uint64_t)fs_inodes_high(fs)), bits = first == 0;

	for (uint64_t ino = first; ino < end; ino++)
		bits |= (uint64_t)(w->known[ino].state != INODE_FREE) << ino % 64;
	return bits;
}

static void set_bits(struct fs *fs, const struct walk *w)
{
	uint64_t used = 0;

	for (uint64_t i = 0; i < div_up(fs->super.nodes, 64); i++) {
		uint64_t seen = w->nodes_seen[i] | (i == 0); /* 0 is no node */

		store_relaxed(&inner_node_bits(fs)[i], seen);
		used += (unsigned)__builtin_popcountll(seen);
	}
	store_relaxed(&fs->shared->nodes_free, fs->super.nodes - used);
	store_relaxed(&fs->shared->node_cursor, 0);
	for (uint64_t ino = 0; ino < fs_inodes_high(fs); ino += 64)
		store_relaxed(&inner_inode_bits(fs)[ino / 64], used_inodes(fs, w, ino));
}

/* A builder may have been killed here before. */
static void reset_shared(struct fs *fs)
{
	struct fs_shared *s = fs->shared;

	rt_lock_init(&s->names, RT_LOCK_NAMES, 0);
	rt_lock_init(&s->meta, RT_LOCK_META, 0);
	store_relaxed(&s->names_unsettled, 0);
	store_relaxed(&s->inode_cursor, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(s->lanes.owner); i++)
		store_relaxed(&s->lanes.owner[i], 0);
	for (uint64_t i = 0; i < div_up(fs->super.inodes, 64); i++)
		store_relaxed(&inner_inode_bits(fs)[i], 0);
}

/* What a power cut left of a move out of an inode: who locks the inode ends it. */
static void note_moves(struct fs *fs)
{
	uint64_t index, pfn;

	for (uint32_t ino = 1; ino < fs_inodes_high(fs); ino++)
		if (unlikely(fs_inline_left(fs, ino, &index, &pfn)))
			store_relaxed(&fs_state(fs, ino)->unsettled, 1);
}

int fs_build(struct fs *fs, struct rt_self *me,
	     int (*used)(void *arg, uint64_t pfn, uint64_t pages, unsigned order, uint32_t ino,
			 uint32_t igen, uint64_t index),
	     void *arg)
{
	bool told = false;
	struct report report = {.each = first_text, .arg = &told};
	struct walk w = {.super = &fs->super,
			 .meta = fs->meta,
			 .report = &report,
			 .used = used,
			 .arg = arg};
	int rc = journal_recover(&fs->journal);

	(void)me;
	if (rc < 0)
		return rc;
	reset_shared(fs);
	rc = inner_walk_begin(&w);
	if (rc == 0) {
		inner_walk(&w);
		rc = report.violations ? -PF_ECORRUPT : w.rc;
	}
	if (rc == 0)
		rc = inner_fill_states(fs, 0, fs_inodes_high(fs));
	if (rc == 0) {
		set_bits(fs, &w);
		if (w.moved)
			note_moves(fs);
	}
	fs->left = (struct fs_left){.unfinished = w.unfinished || w.moved, .past_end = w.past_end};
	inner_walk_end(&w);
	return rc;
}

uint32_t fs_next_unfinished(struct fs *fs, uint32_t ino)
{
	for (; ino < fs_inodes_high(fs); ino++) {
		uint64_t state = load_acquire(&fs->inodes[ino].state);

		if ((state & 0xff) == INODE_UNNAMED || (state & 0xff) == INODE_EVICTING ||
		    ((state & 0xff) && state >> 8 & INODE_BUSY) ||
		    load_relaxed(&fs_state(fs, ino)->unsettled))
			return ino;
	}
	return 0;
}
