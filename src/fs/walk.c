/*
 * Every record of the media, looked at once: when a new runtime is built, and by fsck. Ends on every input: each inode, node and page is
 * entered at most once, and of the way from a directory to the root each part.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/crc.h"
#include "base/err.h"
#include "base/progress.h"
#include "base/sys.h"
#include "format/xattr_format.h"
#include "fs/inner.h"

#define PROGRESS_INODES 1024u /* between looks at the time */

/* Where in which file the walk is. */
struct place {
	uint32_t ino, igen;
	uint64_t pages, end; /* so far: their number, and the index after the last */
	uint64_t run_pfn, run_pages, run_index; /* pages that are contiguous in file and memory */
	unsigned run_order;
	uint64_t base;  /* of a device: the page in memory at its page 0 */
	bool scattered; /* other pages are not where that would have them, or never written */
};

int inner_walk_begin(struct walk *w)
{
	w->nodes_seen = sys_calloc(div_up(w->super->nodes, 64), 8);
	w->pages_seen = sys_calloc(div_up(w->super->data_pages, 64), 8);
	w->known = sys_calloc(w->super->inodes, sizeof *w->known);
	return w->nodes_seen && w->pages_seen && w->known ? 0
							  : err(ENOMEM, "looking at the metadata");
}

void inner_walk_end(struct walk *w)
{
	free(w->nodes_seen);
	free(w->pages_seen);
	free(w->known);
	free(w->late);
}

/* ---- words ------------------------------------------------------------------------------------------ */

static int by_offset(const void *key, const void *element)
{
	const struct walk_late *a = key, *b = element;

	return a->offset < b->offset ? -1 : a->offset > b->offset;
}

uint64_t inner_walk_late(const struct walk *w, const _Atomic uint64_t *at)
{
	struct walk_late key = {.offset = (uint64_t)((const uint8_t *)at - w->meta)};
	const struct walk_late *found =
		bsearch(&key, w->late, w->late_count, sizeof key, by_offset);

	return found ? found->value : load_relaxed(at);
}

const void *inner_walk_page(const struct walk *w, uint64_t node, void *copy)
{
	const _Atomic uint64_t *from =
		(const _Atomic uint64_t *)(w->meta + w->super->nodes_offset + node * PAGE_BYTES);
	_Atomic uint64_t *to = copy;

	if (!w->late_count)
		return from;
	for (unsigned i = 0; i < NODE_ENTRIES; i++)
		store_relaxed(&to[i], inner_walk_word(w, &from[i]));
	return copy;
}

const struct inode_format *inner_walk_inode(const struct walk *w, uint32_t ino)
{
	return (const struct inode_format *)(w->meta + w->super->inodes_offset) + ino;
}

int inner_walk_read(const struct walk *w, uint32_t ino, struct inode_attr *attr)
{
	const struct inode_format *inode = inner_walk_inode(w, ino);
	const _Atomic uint64_t *from = (const _Atomic uint64_t *)inode;
	union {
		_Atomic uint64_t word[INODE_BYTES / 8];
		struct inode_format inode;
	} copy;

	if (!w->late_count)
		return inode_read_at_rest(inode, attr);
	for (unsigned i = 0; i < INODE_BYTES / 8; i++)
		store_relaxed(&copy.word[i], inner_walk_word(w, &from[i]));
	return inode_read_at_rest(&copy.inode, attr);
}

/* False if it was set before. */
static bool first_time(uint64_t *bits, uint64_t n)
{
	bool was = bits[n / 64] >> n % 64 & 1;

	bits[n / 64] |= 1ull << n % 64;
	return !was;
}

/* One bit, or an aligned 512 of them. False if any was set before. */
static bool first_time_all(uint64_t *bits, uint64_t first, uint64_t n)
{
	uint64_t any = 0;

	if (n == 1)
		return first_time(bits, first);
	for (uint64_t i = first / 64; i < (first + n) / 64; i++) {
		any |= bits[i];
		bits[i] = ~0ull;
	}
	return !any;
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
	if (!first_time_all(w->pages_seen, pfn - first, pages)) {
		report_violation(w->report, "extent",
				 "inode %u page %lu: page %lu is in two places", at->ino,
				 (unsigned long)index, (unsigned long)pfn);
		return;
	}
	if (!at->pages)
		at->base = pfn - index;
	at->scattered |= pfn - index != at->base || entry_kind(e) != ENTRY_LEAF;
	at->pages += pages;
	at->end = MAX(at->end, index + pages);
	add_run(w, at, index, pfn, pages, entry_order(e));
}

bool inner_walk_node(struct walk *w, uint32_t ino, uint64_t node)
{
	if (node && node < w->super->nodes && first_time(w->nodes_seen, node))
		return true;
	report_violation(w->report, "map", "inode %u: node %lu is %s", ino, (unsigned long)node,
			 node && node < w->super->nodes ? "in two places" : "none");
	return false;
}

static void walk_entry(struct walk *w, struct place *at, uint64_t index, entry_t e, unsigned level);

/* A node of `level`, whose first page index is given. */
static void walk_node(struct walk *w, struct place *at, uint64_t index, uint64_t node,
		      unsigned level)
{
	const _Atomic uint64_t *entry;

	if (!inner_walk_node(w, at->ino, node))
		return;
	if (level)
		progress("inodes", w->at, w->high);
	entry = (const _Atomic uint64_t *)(w->meta + w->super->nodes_offset + node * PAGE_BYTES);
	for (unsigned i = 0; i < NODE_ENTRIES && w->rc == 0; i++)
		if (inner_walk_word(w, &entry[i]))
			walk_entry(w, at, index + i * inner_span(level),
				   inner_walk_word(w, &entry[i]), level);
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
	} else if (entry_has_pages(e)) {
		walk_leaf(w, at, index, e, level);
	} else if (entry_kind(e) == ENTRY_TABLE && level && entry_order(e) == level - 1) {
		walk_node(w, at, index, entry_target(e), level - 1);
	} else {
		report_violation(w->report, "map",
				 "inode %u page %lu: an entry of kind %d on level %u", at->ino,
				 (unsigned long)index, (int)entry_kind(e), level);
	}
}

/* The tree is one that inline entries were copied into, which are there until they are removed. */
static bool is_moved(const struct walk *w, entry_t root)
{
	const uint8_t *node = w->meta + w->super->nodes_offset + entry_target(root) * PAGE_BYTES;
	entry_t first;

	if (entry_kind(root) != ENTRY_TABLE || entry_order(root) != 1 ||
	    entry_target(root) >= w->super->nodes)
		return false;
	first = inner_walk_word(w, (const _Atomic uint64_t *)node);
	return entry_kind(first) == ENTRY_LEAF && entry_order(first) == BLOCK_ORDER;
}

/* All of a device is one piece of memory, as aligned as it says. One that is being removed has what it still has. */
static void walk_device(struct walk *w, const struct place *at, const struct inode_attr *attr)
{
	uint64_t align = inode_device_align(attr->flags);

	if (align && attr->state != INODE_EVICTING &&
	    (at->scattered || at->pages != attr->size / PAGE_BYTES ||
	     at->end != attr->size / PAGE_BYTES || at->base * PAGE_BYTES % align))
		report_violation(w->report, "device",
				 "inode %u is no piece of %lu bytes at a multiple of %lu", at->ino,
				 (unsigned long)attr->size, (unsigned long)align);
}

static void walk_map(struct walk *w, uint32_t ino, const struct inode_attr *attr)
{
	uint32_t igen = attr->generation;
	const struct inode_format *inode = inner_walk_inode(w, ino);
	entry_t root = inner_walk_word(w, &inode->root), pages;
	struct place at = {.ino = ino, .igen = igen};

	for (unsigned i = 0; i < INLINE_ENTRIES; i++)
		if (inner_walk_word(w, &inode->inlined[i])) {
			w->moved |= root != 0;
			if (root && !is_moved(w, root))
				report_violation(w->report, "map",
						 "inode %u has a tree and page %u beside it", ino,
						 i);
			else
				walk_entry(w, &at, i, inner_walk_word(w, &inode->inlined[i]), 0);
		}
	if (root && entry_order(root) < MAP_LEVELS)
		walk_entry(w, &at, 0, root, entry_order(root) + 1);
	else if (root)
		report_violation(w->report, "map", "inode %u has a tree of %u levels", ino,
				 entry_order(root) + 1);
	end_run(w, &at);
	walk_device(w, &at, attr);
	w->past_end |= at.end > div_up(attr->size, PAGE_BYTES);
	pages = inner_walk_word(w, &inode->pages);
	if (pages != (at.pages ? entry_make(ino, igen, PAGES_INDEX, ENTRY_LEAF, 0, at.pages) : 0))
		report_violation(w->report, "map", "inode %u has %lu pages, not %lu", ino,
				 (unsigned long)at.pages, (unsigned long)entry_target(pages));
}

/* ---- inodes ---------------------------------------------------------------------------------------- */

/* A free inode has no pages. */
static void walk_free(struct walk *w, uint32_t ino)
{
	const struct inode_format *inode = inner_walk_inode(w, ino);
	uint64_t any = inner_walk_word(w, &inode->root) | inner_walk_word(w, &inode->xattr) |
		       inner_walk_word(w, &inode->pages);

	for (unsigned i = 0; i < INLINE_ENTRIES; i++)
		any |= inner_walk_word(w, &inode->inlined[i]);
	if (any)
		report_violation(w->report, "inode", "free inode %u has pages", ino);
}

/* A page of metadata that the inode alone names, as a leaf. NULL: reported. */
static const void *walk_single(struct walk *w, uint32_t ino, uint32_t igen, uint64_t index,
			       entry_t e, void *copy)
{
	if (!entry_valid(ino, igen, index, e) || entry_kind(e) != ENTRY_LEAF) {
		report_violation(w->report, index == LINK_INDEX ? "link" : "xattr",
				 "inode %u: wrong check of what names its page", ino);
		return NULL;
	}
	return inner_walk_node(w, ino, entry_target(e)) ? inner_walk_page(w, entry_target(e), copy)
							: NULL;
}

/* `length` bytes that a link can say, then zeros up to `room`. */
static bool is_target(const uint8_t *text, size_t length, size_t room)
{
	if (memchr(text, 0, length))
		return false;
	while (length < room)
		if (text[length++])
			return false;
	return true;
}

static void walk_short_link(struct walk *w, uint32_t ino, const struct inode_attr *attr)
{
	const struct inode_format *inode = inner_walk_inode(w, ino);
	uint64_t text[INLINE_ENTRIES];

	for (unsigned i = 0; i < INLINE_ENTRIES; i++)
		text[i] = inner_walk_word(w, &inode->inlined[i]);
	if (inner_walk_word(w, &inode->root))
		report_violation(w->report, "link", "inode %u: a short link has a node", ino);
	if (!is_target((const uint8_t *)text, attr->size, sizeof text))
		report_violation(w->report, "link", "inode %u says what no link can say", ino);
}

static void walk_link(struct walk *w, uint32_t ino, const struct inode_attr *attr)
{
	const struct inode_format *inode = inner_walk_inode(w, ino);
	entry_t root = inner_walk_word(w, &inode->root);
	uint64_t copy[NODE_ENTRIES], any = 0;
	const void *text;

	if (inner_walk_word(w, &inode->pages))
		report_violation(w->report, "link", "inode %u: a link has pages", ino);
	if (attr->size <= LINK_INLINE) {
		walk_short_link(w, ino, attr);
		return;
	}
	for (unsigned i = 1; i < INLINE_ENTRIES; i++)
		any |= inner_walk_word(w, &inode->inlined[i]);
	if (any)
		report_violation(w->report, "link",
				 "inode %u: a long link has bytes of a short one", ino);
	if (!root && attr->state == INODE_EVICTING)
		return;
	text = walk_single(w, ino, attr->generation, LINK_INDEX, root, copy);
	if (!text)
		return;
	if (crc32c(0, text, attr->size) != inner_walk_word(w, &inode->inlined[0]))
		report_violation(w->report, "link", "inode %u: wrong checksum of what it says",
				 ino);
	else if (!is_target(text, attr->size, PAGE_BYTES))
		report_violation(w->report, "link", "inode %u says what no link can say", ino);
}

static void walk_xattr(struct walk *w, uint32_t ino, const struct inode_attr *attr)
{
	uint64_t copy[NODE_ENTRIES];
	const char *wrong;
	const void *page = walk_single(w, ino, attr->generation, XATTR_INDEX, attr->xattr, copy);

	wrong = page ? xattr_wrong(page, ino, attr->generation) : NULL;
	if (wrong)
		report_violation(w->report, "xattr", "inode %u: its attributes: %s", ino, wrong);
}

static void note(struct walk *w, uint32_t ino, const struct inode_attr *attr)
{
	w->known[ino] = (struct walk_known){.generation = attr->generation,
					    .nlink = attr->nlink,
					    .state = (uint8_t)attr->state,
					    .type = (uint8_t)((attr->mode & S_IFMT) >> 12)};
	w->unfinished |= attr->state == INODE_UNNAMED || attr->state == INODE_EVICTING ||
			 attr->flags & INODE_BUSY;
}

/* But what is in a directory: that is looked at when all inodes are known. */
static void walk_inode(struct walk *w, uint32_t ino)
{
	struct inode_attr attr;

	if (inner_walk_read(w, ino, &attr) < 0) {
		report_violation(w->report, "inode", "inode %u: %s", ino, pf_message());
		w->known[ino].state = WALK_DAMAGED;
		return;
	}
	if (attr.state == INODE_FREE) {
		w->known[ino].generation = attr.generation;
		walk_free(w, ino);
		return;
	}
	note(w, ino, &attr);
	if (attr.xattr)
		walk_xattr(w, ino, &attr);
	if ((attr.mode & S_IFMT) == S_IFLNK)
		walk_link(w, ino, &attr);
	else if ((attr.mode & S_IFMT) != S_IFDIR)
		walk_map(w, ino, &attr);
}

static void walk_directory(struct walk *w, uint32_t ino)
{
	struct inode_attr attr;

	if (w->known[ino].type == S_IFDIR >> 12 && inner_walk_read(w, ino, &attr) == 0)
		inner_walk_dir(w, ino, &attr);
}

static void read_high(struct walk *w)
{
	const struct counters_format *counters =
		(const struct counters_format *)(w->meta + COUNTERS_OFFSET);

	if (number32_read(inner_walk_word(w, &counters->inodes_high), &w->high) && w->high &&
	    w->high <= w->super->inodes)
		return;
	report_violation(w->report, "counters", "the number of inodes in use is damaged");
	w->high = 0;
}

/* Numbers come into use by FS_CHUNK: if the counter were too low, some of the next ones were used. */
static void walk_unused(struct walk *w)
{
	uint64_t end = MIN((uint64_t)w->high + FS_CHUNK, w->super->inodes);

	for (uint64_t ino = w->high; w->high && ino < end; ino++) {
		const _Atomic uint64_t *word =
			(const _Atomic uint64_t *)inner_walk_inode(w, (uint32_t)ino);
		uint64_t any = 0;

		for (unsigned i = 0; i < INODE_BYTES / 8; i++)
			any |= inner_walk_word(w, &word[i]);
		if (!any)
			continue;
		report_violation(w->report, "counters",
				 "inode %lu has a record, but from %u on none was used",
				 (unsigned long)ino, w->high);
		return;
	}
}

void inner_walk(struct walk *w)
{
	read_high(w);
	walk_unused(w);
	for (uint32_t ino = 1; ino < w->high && w->rc == 0; ino++) {
		w->at = ino;
		if (ino % PROGRESS_INODES == 0)
			progress("inodes", ino, w->high);
		walk_inode(w, ino);
	}
	for (uint32_t ino = 1; ino < w->high && w->rc == 0; ino++) {
		if (ino % PROGRESS_INODES == 0)
			progress("directories", ino, w->high);
		walk_directory(w, ino);
	}
	if (w->rc == 0)
		inner_walk_links(w);
}
