/*
 * Every record of the media, looked at once: when a new runtime is built, and by fsck. Ends on every input: each inode, node and page is
 * entered at most once, chains are as long as there are inodes at most.
 */
#include <string.h>

#include "fs/inner.h"

/* Where in which file the walk is. */
struct place {
	uint32_t ino, igen;
	uint64_t run_pfn, run_pages, run_index; /* pages that are contiguous in file and memory */
	unsigned run_order;
};

static const struct inode_format *inode_at(const struct walk *w, uint32_t ino)
{
	return (const struct inode_format *)(w->meta + w->super->inodes_offset) + ino;
}

/* False if it was set before. */
static bool first_time(uint64_t *bits, uint64_t n)
{
	bool was = bits[n / 64] >> n % 64 & 1;

	bits[n / 64] |= 1ull << n % 64;
	return !was;
}

/* ---- maps ------------------------------------------------------------------------------------------- */

static void end_run(struct walk *w, struct place *at)
{
	if (at->run_pages && w->used && w->rc == 0 && !w->report->violations)
		w->rc = w->used(w->arg, at->run_pfn, at->run_pages, at->run_order, at->ino,
				at->igen, at->run_index);
	at->run_pages = 0;
}

static void add_run(struct walk *w, struct place *at, uint64_t index, uint64_t pfn, uint64_t pages,
		    unsigned order)
{
	if (at->run_pages && (pfn != at->run_pfn + at->run_pages ||
			      index != at->run_index + at->run_pages || order != at->run_order))
		end_run(w, at);
	if (!at->run_pages) {
		at->run_pfn = pfn;
		at->run_index = index;
		at->run_order = order;
	}
	at->run_pages += pages;
}

static void walk_leaf(struct walk *w, struct place *at, uint64_t index, entry_t e, unsigned level)
{
	uint64_t first = w->super->data_offset / PAGE_BYTES, pfn = entry_target(e),
		 pages = inner_span(level);

	if (level > 1 || (level == 1) != (entry_order(e) == BLOCK_ORDER) ||
	    entry_order(e) > BLOCK_ORDER) {
		report_violation(w->report, "extent", "inode %u page %lu: order %u on level %u",
				 at->ino, (unsigned long)index, entry_order(e), level);
		return;
	}
	if (pfn < first || pfn - first > w->super->data_pages - pages ||
	    (level == 1 && pfn % BLOCK_PAGES)) {
		report_violation(w->report, "extent",
				 "inode %u page %lu: page %lu is not in the data zone", at->ino,
				 (unsigned long)index, (unsigned long)pfn);
		return;
	}
	for (uint64_t i = 0; i < pages; i++)
		if (!first_time(w->pages_seen, pfn - first + i)) {
			report_violation(w->report, "extent",
					 "inode %u page %lu: page %lu is in two places", at->ino,
					 (unsigned long)(index + i), (unsigned long)(pfn + i));
			return;
		}
	add_run(w, at, index, pfn, pages, entry_order(e));
}

static void walk_entry(struct walk *w, struct place *at, uint64_t index, entry_t e, unsigned level);

/* A node of `level`, whose first page index is given. */
static void walk_node(struct walk *w, struct place *at, uint64_t index, uint64_t node,
		      unsigned level)
{
	const _Atomic uint64_t *entry;

	if (!node || node >= w->super->nodes || !first_time(w->nodes_seen, node)) {
		report_violation(w->report, "map", "inode %u page %lu: node %lu is %s", at->ino,
				 (unsigned long)index, (unsigned long)node,
				 node && node < w->super->nodes ? "in two places" : "none");
		return;
	}
	entry = (const _Atomic uint64_t *)(w->meta + w->super->nodes_offset + node * PAGE_BYTES);
	for (unsigned i = 0; i < NODE_ENTRIES && w->rc == 0; i++)
		if (load_relaxed(&entry[i]))
			walk_entry(w, at, index + i * inner_span(level), load_relaxed(&entry[i]),
				   level);
}

/* An entry found in a node of `level`. */
static void walk_entry(struct walk *w, struct place *at, uint64_t index, entry_t e, unsigned level)
{
	if (!entry_valid(at->ino, at->igen, index, e)) {
		report_violation(w->report, "map", "inode %u page %lu: wrong check of its entry",
				 at->ino, (unsigned long)index);
	} else if (entry_kind(e) == ENTRY_LEAF) {
		walk_leaf(w, at, index, e, level);
	} else if (entry_kind(e) == ENTRY_TABLE && level && entry_order(e) == level - 1) {
		walk_node(w, at, index, entry_target(e), level - 1);
	} else {
		report_violation(w->report, "map",
				 "inode %u page %lu: an entry of kind %d on level %u", at->ino,
				 (unsigned long)index, (int)entry_kind(e), level);
	}
}

static void walk_map(struct walk *w, uint32_t ino, uint32_t igen)
{
	const struct inode_format *inode = inode_at(w, ino);
	entry_t root = load_relaxed(&inode->root);
	struct place at = {.ino = ino, .igen = igen};

	for (unsigned i = 0; i < INLINE_ENTRIES; i++)
		if (load_relaxed(&inode->inlined[i])) {
			if (root)
				report_violation(w->report, "map",
						 "inode %u has a tree and page %u beside it", ino,
						 i);
			else
				walk_entry(w, &at, i, load_relaxed(&inode->inlined[i]), 0);
		}
	if (root && entry_order(root) < MAP_LEVELS)
		walk_entry(w, &at, 0, root, entry_order(root) + 1);
	else if (root)
		report_violation(w->report, "map", "inode %u has a tree of %u levels", ino,
				 entry_order(root) + 1);
	end_run(w, &at);
}

/* ---- inodes and names -------------------------------------------------------------------------------- */

/* A free inode has no pages. */
static void walk_free(struct walk *w, uint32_t ino)
{
	const struct inode_format *inode = inode_at(w, ino);
	uint64_t any = load_relaxed(&inode->root);

	for (unsigned i = 0; i < INLINE_ENTRIES; i++)
		any |= load_relaxed(&inode->inlined[i]);
	if (any)
		report_violation(w->report, "inode", "free inode %u has pages", ino);
}

static void walk_inode(struct walk *w, uint32_t ino)
{
	struct inode_attr attr;

	if (inode_read(inode_at(w, ino), &attr) < 0) {
		report_violation(w->report, "inode", "inode %u: %s", ino, pf_message());
		return;
	}
	if (attr.state == INODE_FREE) {
		walk_free(w, ino);
		return;
	}
	if (attr.state == INODE_NAMED && !(w->inodes_named[ino / 64] >> ino % 64 & 1))
		report_violation(w->report, "name", "inode %u (%s) has a name that is not found",
				 ino, attr.name);
	walk_map(w, ino, attr.generation);
}

/* One inode of a chain; returns the next, 0 at the end. */
static uint32_t walk_link(struct walk *w, uint64_t bucket, uint64_t link, uint32_t high)
{
	struct inode_attr attr;
	uint32_t ino;

	if (!number32_read(link, &ino) || ino >= high) {
		report_violation(w->report, "name", "bucket %lu: a link to inode %u is damaged",
				 (unsigned long)bucket, ino);
		return 0;
	}
	if (!ino)
		return 0;
	if (!first_time(w->inodes_named, ino)) {
		report_violation(w->report, "name", "inode %u is in two chains, or twice in one",
				 ino);
		return 0;
	}
	if (inode_read(inode_at(w, ino), &attr) < 0)
		return 0; /* told by walk_inode() */
	if (attr.state != INODE_NAMED)
		report_violation(w->report, "name", "inode %u is in a chain but has no name", ino);
	else if ((name_hash(attr.name, attr.name_length) & (w->super->names - 1)) != bucket)
		report_violation(w->report, "name", "inode %u (%s) is in the wrong chain", ino,
				 attr.name);
	return ino;
}

static void walk_names(struct walk *w, uint32_t high)
{
	const _Atomic uint64_t *names =
		(const _Atomic uint64_t *)(w->meta + w->super->names_offset);

	for (uint64_t b = 0; b < w->super->names; b++) {
		uint64_t link = load_relaxed(&names[b]);
		uint32_t ino;

		while (link && (ino = walk_link(w, b, link, high)))
			link = load_relaxed(&inode_at(w, ino)->next);
	}
}

uint32_t inner_inodes_high(const struct super_format *super, const uint8_t *meta,
			   struct report *report)
{
	const struct counters_format *counters =
		(const struct counters_format *)(meta + COUNTERS_OFFSET);
	uint32_t high;

	if (!number32_read(load_relaxed(&counters->inodes_high), &high) || !high ||
	    high > super->inodes) {
		report_violation(report, "counters", "the number of inodes in use is damaged");
		return 0;
	}
	return high;
}

void inner_walk(struct walk *w)
{
	uint32_t high = inner_inodes_high(w->super, w->meta, w->report);

	walk_names(w, high);
	for (uint32_t ino = 1; ino < high && w->rc == 0; ino++)
		walk_inode(w, ino);
}
