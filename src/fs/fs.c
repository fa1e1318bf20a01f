/* Making and opening: where the parts are, and what the runtime needs beside them. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/sys.h"
#include "fs/inner.h"

void fs_mkfs(struct dev *dev, void *meta, struct super_format *super)
{
	struct counters_format *counters =
		(struct counters_format *)((uint8_t *)meta + COUNTERS_OFFSET);

	store_relaxed(&counters->inodes_high, number32((uint32_t)MIN(FS_CHUNK, super->inodes)));
	super_seal(super);
	memcpy((uint8_t *)meta + SUPER_COPY, super, sizeof *super);
	dev_persist(dev, meta, HEAD_BYTES);
	dev_drain(dev);
	memcpy(meta, super, sizeof *super);
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
	fs->names = (_Atomic uint64_t *)(base + super->names_offset);
	fs->nodes = base + super->nodes_offset;
	fs->counters = (struct counters_format *)(base + COUNTERS_OFFSET);
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

static int alloc_walk(struct walk *w)
{
	w->nodes_seen = sys_calloc(div_up(w->super->nodes, 64), 8);
	w->pages_seen = sys_calloc(div_up(w->super->data_pages, 64), 8);
	w->inodes_named = sys_calloc(div_up(w->super->inodes, 64), 8);
	return w->nodes_seen && w->pages_seen && w->inodes_named
		       ? 0
		       : err(ENOMEM, "looking at the metadata");
}

static void free_walk(struct walk *w)
{
	free(w->nodes_seen);
	free(w->pages_seen);
	free(w->inodes_named);
}

static void set_bits(struct fs *fs, const struct walk *w)
{
	uint64_t used = 1;

	inner_set_bit(inner_node_bits(fs), 0);
	inner_set_bit(inner_inode_bits(fs), 0);
	for (uint64_t n = 1; n < fs->super.nodes; n++)
		if (w->nodes_seen[n / 64] >> n % 64 & 1) {
			inner_set_bit(inner_node_bits(fs), n);
			used++;
		}
	store_relaxed(&fs->shared->nodes_free, fs->super.nodes - used);
	for (uint32_t ino = 1; ino < fs_inodes_high(fs); ino++)
		if (load_relaxed(&fs->inodes[ino].state) & 0xff)
			inner_set_bit(inner_inode_bits(fs), ino);
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
	rt_lock_init(&fs->shared->names, RT_LOCK_NAMES, 0);
	rt_lock_init(&fs->shared->meta, RT_LOCK_META, 0);
	store_relaxed(&fs->shared->inode_cursor, 1);
	rc = alloc_walk(&w);
	if (rc == 0) {
		inner_walk(&w);
		rc = report.violations ? -PF_ECORRUPT : w.rc;
	}
	if (rc == 0)
		rc = inner_fill_states(fs, 0, fs_inodes_high(fs));
	if (rc == 0)
		set_bits(fs, &w);
	free_walk(&w);
	return rc;
}

uint32_t fs_next_unfinished(struct fs *fs, uint32_t ino)
{
	for (; ino < fs_inodes_high(fs); ino++) {
		uint64_t state = load_acquire(&fs->inodes[ino].state);

		if ((state & 0xff) == INODE_UNNAMED || (state & 0xff) == INODE_EVICTING ||
		    ((state & 0xff) && state >> 8 & INODE_SHRINKING))
			return ino;
	}
	return 0;
}

/* ---- offline check ----------------------------------------------------------------------------------- */

/* A crashed pool's lanes are replayed into a copy, so that what is checked is what opening would make of it. */
static const uint8_t *replayed(const struct super_format *s, const uint8_t *base,
			       uint64_t lanes_committed, uint8_t **copy)
{
	struct dev volatile_dev = {0};
	struct journal j = {.dev = &volatile_dev,
			    .meta_bytes = s->data_offset,
			    .lanes_offset = s->lanes_offset,
			    .lanes = (unsigned)s->lanes};

	*copy = NULL;
	if (!lanes_committed)
		return base;
	*copy = sys_malloc(s->data_offset);
	if (!*copy)
		return base;
	memcpy(*copy, base, s->data_offset);
	j.meta = *copy;
	return journal_recover(&j) < 0 ? base : *copy;
}

static uint64_t check_lanes(const struct super_format *s, const uint8_t *base,
			    struct report *report)
{
	uint64_t committed = 0;

	for (unsigned lane = 0; lane < s->lanes; lane++)
		committed += journal_inspect(base + s->lanes_offset + (uint64_t)lane * LANE_BYTES,
					     lane, s->data_offset,
					     s->lanes_offset + s->lanes * LANE_BYTES, report);
	return committed;
}

static bool check_supers(const void *base, uint64_t length, struct super_format *super,
			 struct report *report)
{
	const uint8_t *bytes = base;
	struct super_format copy;

	if (super_read(base, length, super) < 0) {
		report_violation(report, "superblock", "%s", pf_message());
		return false;
	}
	if (memcmp(bytes, super, sizeof *super))
		report_violation(report, "superblock",
				 "the first one is damaged, its copy is used");
	memcpy(&copy, bytes + SUPER_COPY, sizeof copy);
	if (memcmp(&copy, super, sizeof copy))
		report_violation(report, "superblock", "the copy differs from the first one");
	if (super->data_offset + super->data_pages * PAGE_BYTES > length) {
		report_violation(report, "superblock", "the device has %lu of %lu bytes",
				 (unsigned long)length, (unsigned long)super->bytes);
		return false;
	}
	return true;
}

void fs_check_media(const void *base, uint64_t length, struct report *report)
{
	struct super_format super;
	struct walk w = {.super = &super, .report = report};
	uint8_t *copy;

	if (!check_supers(base, length, &super, report))
		return;
	w.meta = replayed(&super, base, check_lanes(&super, base, report), &copy);
	if (alloc_walk(&w) == 0)
		inner_walk(&w);
	else
		report_violation(report, "check", "%s", pf_message());
	free_walk(&w);
	free(copy);
}
