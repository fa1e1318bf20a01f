/*
 * Every record of the media, looked at once: when a new runtime is built, and by fsck. Ends on every input: each inode, node and page is
 * entered at most once, chains are as long as there are inodes at most.
 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/sys.h"
#include "fs/inner.h"

/* Where in which file the walk is. */
struct place {
	uint32_t ino, igen;
	uint64_t run_pfn, run_pages, run_index; /* pages that are contiguous in file and memory */
	unsigned run_order;
};

int inner_walk_begin(struct walk *w)
{
	w->nodes_seen = sys_calloc(div_up(w->super->nodes, 64), 8);
	w->pages_seen = sys_calloc(div_up(w->super->data_pages, 64), 8);
	w->inodes_named = sys_calloc(div_up(w->super->inodes, 64), 8);
	w->buckets_seen = sys_calloc(div_up(w->super->names, 64), 8);
	return w->nodes_seen && w->pages_seen && w->inodes_named && w->buckets_seen
		       ? 0
		       : err(ENOMEM, "looking at the metadata");
}

void inner_walk_end(struct walk *w)
{
	free(w->nodes_seen);
	free(w->pages_seen);
	free(w->inodes_named);
	free(w->buckets_seen);
	free(w->late);
}

/* ---- words ------------------------------------------------------------------------------------------ */

static int by_offset(const void *key, const void *element)
{
	const struct walk_late *a = key, *b = element;

	return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* As it will be when committed transactions have been replayed. */
static uint64_t word_at(const struct walk *w, const _Atomic uint64_t *at)
{
	struct walk_late key = {.offset = (uint64_t)((const uint8_t *)at - w->meta)};
	const struct walk_late *found =
		w->late_count ? bsearch(&key, w->late, w->late_count, sizeof key, by_offset) : NULL;

	return found ? found->value : load_relaxed(at);
}

static int read_inode(const struct walk *w, const struct inode_format *inode,
		      struct inode_attr *attr)
{
	const _Atomic uint64_t *from = (const _Atomic uint64_t *)inode;
	union {
		_Atomic uint64_t word[INODE_BYTES / 8];
		struct inode_format inode;
	} copy;

	if (!w->late_count)
		return inode_read_at_rest(inode, attr);
	for (unsigned i = 0; i < INODE_BYTES / 8; i++)
		store_relaxed(&copy.word[i], word_at(w, &from[i]));
	return inode_read_at_rest(&copy.inode, attr);
}

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
		if (word_at(w, &entry[i]))
			walk_entry(w, at, index + i * inner_span(level), word_at(w, &entry[i]),
				   level);
}

/* An entry found in a node of `level`. */
static void walk_entry(struct walk *w, struct place *at, uint64_t index, entry_t e, unsigned level)
{
	if (index >= FILE_PAGES_MAX) {
		report_violation(w->report, "map", "inode %u has something at page %lu", at->ino,
				 (unsigned long)index);
	} else if (!entry_valid(at->ino, at->igen, index, e)) {
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
	entry_t root = word_at(w, &inode->root);
	struct place at = {.ino = ino, .igen = igen};

	for (unsigned i = 0; i < INLINE_ENTRIES; i++)
		if (word_at(w, &inode->inlined[i])) {
			if (root)
				report_violation(w->report, "map",
						 "inode %u has a tree and page %u beside it", ino,
						 i);
			else
				walk_entry(w, &at, i, word_at(w, &inode->inlined[i]), 0);
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
	uint64_t any = word_at(w, &inode->root);

	for (unsigned i = 0; i < INLINE_ENTRIES; i++)
		any |= word_at(w, &inode->inlined[i]);
	if (any)
		report_violation(w->report, "inode", "free inode %u has pages", ino);
}

/* One inode of a chain; returns the next, 0 at the end. */
static uint32_t walk_link(struct walk *w, uint64_t bucket, uint64_t link)
{
	struct inode_attr attr;
	uint32_t ino;

	if (!number32_read(link, &ino) || ino >= w->high) {
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
	if (read_inode(w, inode_at(w, ino), &attr) < 0)
		return 0; /* told by walk_inode() */
	if (attr.state != INODE_NAMED)
		report_violation(w->report, "name", "inode %u is in a chain but has no name", ino);
	else if ((name_hash(attr.name, attr.name_length) & (w->super->names - 1)) != bucket)
		report_violation(w->report, "name", "inode %u (%s) is in the wrong chain", ino,
				 attr.name);
	return ino;
}

static void walk_chain(struct walk *w, uint64_t bucket)
{
	const _Atomic uint64_t *names =
		(const _Atomic uint64_t *)(w->meta + w->super->names_offset);
	uint64_t link;
	uint32_t ino;

	if (!first_time(w->buckets_seen, bucket))
		return;
	link = word_at(w, &names[bucket]);
	while (link && (ino = walk_link(w, bucket, link)))
		link = word_at(w, &inode_at(w, ino)->next);
}

static void walk_inode(struct walk *w, uint32_t ino)
{
	struct inode_attr attr;

	if (read_inode(w, inode_at(w, ino), &attr) < 0) {
		report_violation(w->report, "inode", "inode %u: %s", ino, pf_message());
		return;
	}
	if (attr.state == INODE_FREE) {
		walk_free(w, ino);
		return;
	}
	if (attr.state == INODE_NAMED)
		walk_chain(w, name_hash(attr.name, attr.name_length) & (w->super->names - 1));
	if (attr.state == INODE_NAMED && !(w->inodes_named[ino / 64] >> ino % 64 & 1))
		report_violation(w->report, "name", "inode %u (%s) has a name that is not found",
				 ino, attr.name);
	walk_map(w, ino, attr.generation);
}

static void read_high(struct walk *w)
{
	const struct counters_format *counters =
		(const struct counters_format *)(w->meta + COUNTERS_OFFSET);

	if (number32_read(word_at(w, &counters->inodes_high), &w->high) && w->high &&
	    w->high <= w->super->inodes)
		return;
	report_violation(w->report, "counters", "the number of inodes in use is damaged");
	w->high = 0;
}

/* Chains are entered through the names that are in them, so that a new runtime does not read a table of buckets that is nearly all
 * hole; fsck looks at the others too. */
void inner_walk(struct walk *w)
{
	read_high(w);
	for (uint32_t ino = 1; ino < w->high && w->rc == 0; ino++)
		walk_inode(w, ino);
	for (uint64_t b = 0; w->all_buckets && b < w->super->names; b++)
		walk_chain(w, b);
}
