/*
 * Pages leave a file: punch, eviction, the end of a truncation. A punch and a truncation first say in the inode what is to go, and go on, whoever has to end
 * them, until the inode says no more. Nobody is waited for here: who holds a page keeps it, and the
 * last put frees it. docs/protocol.md section 6.
 */
#include <string.h>

#include "base/clock.h"
#include "base/broken.h"
#include "base/err.h"
#include "layout/inner.h"

#define SETTLES 1000u /* of a page without a folio: a split under way is over at the first */

/* What leaves in one step: pages of one folio, contiguous in the file. */
struct piece {
	uint64_t index, pfn, pages;
	uint64_t head, word;
};

static void set_record(struct rt_self *me, uint32_t ino, const struct piece *piece,
		       enum rt_record_kind kind)
{
	struct rt_record *r = &me->row->page;

	store_relaxed(&r->generation, word_generation(piece->word));
	store_relaxed(&r->head, piece->pfn);
	store_relaxed(&r->index, piece->index);
	store_relaxed(&r->ino, ino);
	store_relaxed(&r->pages, (uint32_t)piece->pages);
	store_release(&r->set, (uint32_t)kind);
	step("remove: record");
}

static void clear_record(struct rt_self *me)
{
	step("remove: done");
	store_release(&me->row->page.set, (uint32_t)RT_RECORD_NONE);
}

static int commit_removal(struct rt_self *me, struct layout *l, uint32_t ino,
			  const struct piece *piece)
{
	struct journal_tx tx;
	int rc;

	journal_begin(&tx, me);
	rc = fs_entry_remove(&l->fs, &tx, ino, piece->index, piece->pages);
	if (rc < 0)
		return rc;
	journal_commit(&l->fs.journal, &tx);
	fs_node_linked(me);
	step("remove: committed");
	return 0;
}

static int remove_whole(struct rt_self *me, struct layout *l, uint32_t ino,
			const struct piece *piece)
{
	int rc;

	set_record(me, ino, piece, RT_RECORD_RELEASE);
	rc = commit_removal(me, l, ino, piece);
	if (rc == 0) {
		rt_enter(me, piece->head, piece->pages);
		page_release(me, &l->pages, piece->head, word_generation(piece->word));
		rt_leave(me);
	}
	clear_record(me);
	return rc;
}

/* A hold of our own keeps the folio in one piece meanwhile; giving it back may be the last put, which splits it. */
static int remove_part(struct rt_self *me, struct layout *l, uint32_t ino, struct piece *piece)
{
	_Atomic uint64_t *account = &me->row->read_hold;
	struct dax_run run;
	int rc =
		dax_hold_any(me, &l->fs, &l->pages, ino, piece->index, piece->pages, account, &run);

#ifdef PF_BREAK_NO_HOLD
	dax_drop(me, &l->pages, account, false);
#endif
	if (rc < 0)
		return rc;
	rc = page_detail(&l->pages, piece->pfn);
	if (rc < 0) {
		dax_drop(me, &l->pages, account, false);
		return rc;
	}
	/* A last put of somebody else may have split the folio since it was looked up. What is held now is not split: the piece is what lies in it. */
	page_head(&l->pages, piece->pfn, BLOCK_ORDER, &piece->head, &piece->word);
	piece->pages = MIN(run.pages, piece->head + (1ull << word_order(piece->word)) - piece->pfn);
	set_record(me, ino, piece, RT_RECORD_PART);
	rc = commit_removal(me, l, ino, piece);
	if (rc == 0)
		page_release_part(&l->pages, piece->head, piece->pfn, piece->pages);
	clear_record(me);
	dax_drop(me, &l->pages, account, false);
	return rc;
}

/* The pages from piece->index on, before `end`, that are in one folio. An entry of order 9 speaks for all of its folio. */
static int find_piece(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t end,
		      struct piece *piece)
{
	entry_t e = fs_entry(&l->fs, ino, piece->index, &piece->pfn);
	uint64_t pfn;

	for (unsigned tries = 0;
	     !page_head(&l->pages, piece->pfn, entry_order(e), &piece->head, &piece->word);
	     tries++) {
		int rc = tries < SETTLES ? page_repair(me, &l->pages)
					 : err(PF_ERUNCORRUPT, "page %lu of inode %u is free",
					       (unsigned long)piece->pfn, ino);

		if (rc < 0)
			return rc;
	}
	end = MIN(end,
		  piece->index + (piece->head + (1ull << word_order(piece->word)) - piece->pfn));
	piece->pages = entry_order(e) == BLOCK_ORDER ? end - piece->index : 1;
	for (; piece->index + piece->pages < end; piece->pages++)
		if (!fs_entry(&l->fs, ino, piece->index + piece->pages, &pfn) ||
		    pfn != piece->pfn + piece->pages)
			break;
	return 0;
}

static int remove_from(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t first,
		       uint64_t end)
{
	struct piece piece = {.index = fs_next_entry(&l->fs, ino, first, end)};
	uint64_t block;

	while (piece.index < end) {
		int rc = find_piece(me, l, ino, end, &piece);
		bool whole = piece.pfn == piece.head &&
			     piece.pages == 1ull << word_order(piece.word) &&
			     !(piece.word & WORD_P);

		step("remove: found");
		if (rc == 0)
			rc = whole ? remove_whole(me, l, ino, &piece)
				   : remove_part(me, l, ino, &piece);
		if (rc < 0)
			return rc;
		block = piece.index / BLOCK_PAGES;
		piece.index = fs_next_entry(&l->fs, ino, piece.index + piece.pages, end);
		if (piece.index / BLOCK_PAGES != block || piece.index == end)
			rc = fs_prune(&l->fs, me, ino, block * BLOCK_PAGES);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Windows are not told. */
static int remove_pages(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t first,
			uint64_t end)
{
	if (fs_next_entry(&l->fs, ino, first, end) == end)
		return 0;
	/* Maps see that they are stale before the first page has gone. */
	atomic_fetch_add_explicit(&fs_state(&l->fs, ino)->layout, 1, memory_order_acq_rel);
	return remove_from(me, l, ino, first, end);
}

int layout_remove(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t first, uint64_t end)
{
	int rc = remove_pages(me, l, ino, first, end);

	/* Of those that went before an error, too. */
	mm_tell(me, &l->fs, ino, first, end);
	return rc;
}

/* A whole folio of the inode's pages, which nobody holds: layout_move() copied them. */
static void remove_inline(struct rt_self *me, struct layout *l, uint32_t ino,
			  const struct piece *piece)
{
	struct journal_tx tx;

	set_record(me, ino, piece, RT_RECORD_RELEASE);
	journal_begin(&tx, me);
	fs_inline_remove(&l->fs, &tx, ino, piece->index, piece->pages);
	journal_commit(&l->fs.journal, &tx);
	step("move: inline entries removed");
	rt_enter(me, piece->head, piece->pages);
	page_release(me, &l->pages, piece->head, word_generation(piece->word));
	rt_leave(me);
	clear_record(me);
}

int inner_finish_move(struct rt_self *me, struct layout *l, uint32_t ino)
{
	struct piece piece;

	while (fs_inline_left(&l->fs, ino, &piece.index, &piece.pfn)) {
		if (!page_head(&l->pages, piece.pfn, BLOCK_ORDER, &piece.head, &piece.word) ||
		    piece.head != piece.pfn)
			return err(PF_ERUNCORRUPT, "page %lu of inode %u is no folio",
				   (unsigned long)piece.pfn, ino);
		piece.pages = 1ull << word_order(piece.word);
		remove_inline(me, l, ino, &piece);
	}
	return 0;
}

/* Bytes [from, to) of one page, if the file has it and it was written. */
static void zero_in_page(struct layout *l, uint32_t ino, uint64_t from, uint64_t to)
{
	uint64_t pfn;
	uint8_t *page;

	if (from >= to || entry_kind(fs_entry(&l->fs, ino, from / PAGE_BYTES, &pfn)) != ENTRY_LEAF)
		return;
	page = page_address(&l->pages, pfn);
	media_zero(l->pages.dev, page + from % PAGE_BYTES, to - from);
	if (!broken(PF_BREAK_ZERO_FLUSH))
		dev_persist(l->pages.dev, page + from % PAGE_BYTES, to - from);
}

/* ---- truncation ------------------------------------------------------------------------------------- */

static void set_attr(struct rt_self *me, struct layout *l, uint32_t ino,
		     const struct inode_attr *attr)
{
	struct journal_tx tx;

	journal_begin(&tx, me);
	fs_attr_set(&l->fs, &tx, ino, attr);
	journal_commit(&l->fs.journal, &tx);
}

/* What lies behind the end in its page reads as zeros from now on, also to who maps it. Not where somebody holds the page: who does goes on seeing it, and whatever
 * makes the file longer zeroes it first. */
static void zero_tail(struct layout *l, uint32_t ino, uint64_t end)
{
	uint64_t index = end / PAGE_BYTES;

	if (end % PAGE_BYTES && !inner_busy(l, ino, index, index))
		zero_in_page(l, ino, end, align_up(end, PAGE_BYTES));
	dev_drain(l->pages.dev);
	step("truncate: tail");
}

static int finish_shrink(struct rt_self *me, struct layout *l, uint32_t ino,
			 struct inode_attr *attr)
{
	uint64_t to = attr->shrink_to;
	int rc;

	zero_tail(l, ino, to);
	rc = remove_pages(me, l, ino, div_up(to, PAGE_BYTES), FILE_PAGES_MAX);
	/* Also where there were no pages: the end is another. */
	mm_tell(me, &l->fs, ino, div_up(to, PAGE_BYTES), FILE_PAGES_MAX);
	/* The file begins anew, with large folios. */
	if (rc == 0 && to == 0)
		rc = fs_map_free(&l->fs, me, ino);
	if (rc < 0)
		return rc;
	attr->flags &= ~INODE_SHRINKING;
	set_attr(me, l, ino, attr);
	return 0;
}

/* Parts of pages are zeroed in place, whole ones leave. */
static int finish_punch(struct rt_self *me, struct layout *l, uint32_t ino, struct inode_attr *attr)
{
	uint64_t from = attr->shrink_to, to = attr->shrink_end, first = align_up(from, PAGE_BYTES),
		 last = align_down(to, PAGE_BYTES);
	int rc = 0;

	zero_in_page(l, ino, from, MIN(first, to));
	if (last >= first)
		zero_in_page(l, ino, last, to);
	dev_drain(l->pages.dev);
	if (last > first)
		rc = layout_remove(me, l, ino, first / PAGE_BYTES, last / PAGE_BYTES);
	if (rc < 0)
		return rc;
	attr->flags &= ~INODE_PUNCHING;
	set_attr(me, l, ino, attr);
	return 0;
}

static int finish_evict(struct rt_self *me, struct layout *l, uint32_t ino)
{
	int rc = fs_is_file(&l->fs, ino) ? layout_remove(me, l, ino, 0, FILE_PAGES_MAX) : 0;

	return rc < 0 ? rc : fs_evict(&l->fs, me, ino);
}

int layout_evict(struct rt_self *me, struct layout *l, uint32_t ino)
{
	struct inode_attr attr;
	int rc = fs_attr(&l->fs, ino, &attr);

	if (rc < 0)
		return rc;
	attr.state = INODE_EVICTING;
	set_attr(me, l, ino, &attr);
	step("evict: evicting");
	return finish_evict(me, l, ino);
}

int inner_finish(struct rt_self *me, struct layout *l, uint32_t ino)
{
	struct inode_attr attr;
	int rc = fs_attr(&l->fs, ino, &attr);

	if (rc < 0)
		return rc;
	if (attr.state == INODE_EVICTING)
		return finish_evict(me, l, ino);
	if (attr.state == INODE_UNNAMED && load_relaxed(&fs_state(&l->fs, ino)->opens) == 0)
		return layout_evict(me, l, ino);
	if (attr.state != INODE_FREE && attr.flags & INODE_PUNCHING)
		rc = finish_punch(me, l, ino, &attr);
	if (rc == 0 && attr.state != INODE_FREE && attr.flags & INODE_SHRINKING)
		rc = finish_shrink(me, l, ino, &attr);
	return rc;
}

/* Pages [first, end) are uninitialised where they are leaves, and are to be part of the file. */
static void zero_pages(struct layout *l, uint32_t ino, uint64_t first, uint64_t end)
{
	while ((first = fs_next_data(&l->fs, ino, first, end)) < end) {
		zero_in_page(l, ino, first * PAGE_BYTES, (first + 1) * PAGE_BYTES);
		first++;
	}
}

void layout_extend(struct layout *l, uint32_t ino, uint64_t size, uint64_t to)
{
	if (to <= size)
		return;
	zero_in_page(l, ino, size, MIN(to, align_up(size, PAGE_BYTES)));
	zero_pages(l, ino, div_up(size, PAGE_BYTES), div_up(to, PAGE_BYTES));
	dev_drain(l->pages.dev);
}

void layout_zero(struct layout *l, uint32_t ino, uint64_t offset, uint64_t length)
{
	uint64_t end = offset + length, first = align_up(offset, PAGE_BYTES),
		 last = align_down(end, PAGE_BYTES);

	zero_in_page(l, ino, offset, MIN(first, end));
	if (last >= first) {
		zero_pages(l, ino, first / PAGE_BYTES, last / PAGE_BYTES);
		zero_in_page(l, ino, last, end);
	}
	dev_drain(l->pages.dev);
}

static bool past_end(struct layout *l, uint32_t ino, uint64_t size)
{
	return fs_pages(&l->fs, ino) && fs_next_entry(&l->fs, ino, div_up(size, PAGE_BYTES),
						      FILE_PAGES_MAX) < FILE_PAGES_MAX;
}

/* The attributes of a file that bytes may be taken from. */
static int attr_to_cut(struct layout *l, uint32_t ino, struct inode_attr *attr)
{
	int rc = fs_attr(&l->fs, ino, attr);

	if (rc == 0 && attr->flags & (INODE_IMMUTABLE | INODE_APPEND))
		rc = err(PF_EPERM, "inode %u is immutable or append-only", ino);
	return rc;
}

/* What a file that shrinks, or stays as it is, has past its end goes; one that grows keeps it. */
static int set_size(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t size)
{
	struct inode_attr attr;
	int rc = attr_to_cut(l, ino, &attr);
	uint64_t was;

	if (rc == 0 && inode_device_align(attr.flags) && size != attr.size)
		rc = err(PF_EDEVICE, "inode %u", ino);
	if (rc < 0)
		return rc;
	was = attr.size;
	layout_extend(l, ino, was, size);
	if (size < attr.size || (size == attr.size && past_end(l, ino, size))) {
		attr.flags |= INODE_SHRINKING;
		attr.flags &= ~INODE_KEEPS;
		attr.shrink_to = size;
	}
	attr.size = size;
	attr.mtime = attr.ctime = clock_coarse();
	set_attr(me, l, ino, &attr);
	step("truncate: size");
	mm_tell(me, &l->fs, ino, div_up(was, PAGE_BYTES), div_up(size, PAGE_BYTES));
	return attr.flags & INODE_SHRINKING ? finish_shrink(me, l, ino, &attr) : 0;
}

int layout_truncate(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t size,
		    struct layout_break how)
{
	int rc = layout_lock(me, l, ino);

	if (rc == 0)
		rc = inner_break(me, l, ino, div_up(size, PAGE_BYTES), FILE_PAGES_MAX - 1, how);
	if (rc < 0)
		return rc;
	rc = set_size(me, l, ino, size);
	inner_unbreak(me, l, ino, how);
	layout_unlock(me, l, ino);
	return rc;
}

/* ---- punching --------------------------------------------------------------------------------------- */

static int punch(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t from, uint64_t to)
{
	struct inode_attr attr;
	int rc = attr_to_cut(l, ino, &attr);

	if (rc == 0 && inode_device_align(attr.flags))
		rc = err(PF_EDEVICE, "inode %u", ino);
	if (rc < 0)
		return rc;
	attr.flags |= INODE_PUNCHING;
	attr.shrink_to = from;
	attr.shrink_end = to;
	attr.mtime = attr.ctime = clock_coarse();
	set_attr(me, l, ino, &attr);
	step("punch: begun");
	return finish_punch(me, l, ino, &attr);
}

int layout_punch(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t offset,
		 uint64_t length, struct layout_break how)
{
	uint64_t first = div_up(offset, PAGE_BYTES), end = (offset + length) / PAGE_BYTES;
	int rc = layout_lock(me, l, ino);

	if (rc == 0 && first < end)
		rc = inner_break(me, l, ino, first, end - 1, how);
	if (rc < 0)
		return rc;
	rc = punch(me, l, ino, offset, offset + length);
	if (first < end)
		inner_unbreak(me, l, ino, how);
	layout_unlock(me, l, ino);
	return rc;
}

/* ---- what a file did not grow over -------------------------------------------------------------------- */

int layout_trim(struct rt_self *me, struct layout *l, uint32_t ino)
{
	uint64_t first = div_up(fs_size(&l->fs, ino), PAGE_BYTES);
	struct inode_attr attr;
	int rc;

	if (!past_end(l, ino, fs_size(&l->fs, ino)) ||
	    dax_range_locked(me, &l->fs, ino, first, FILE_PAGES_MAX - 1))
		return 0;
	rc = fs_attr(&l->fs, ino, &attr);
	if (rc < 0 || attr.flags & INODE_KEEPS)
		return rc;
	rc = remove_from(me, l, ino, first, FILE_PAGES_MAX);
	return rc == -PF_ENOMETA || rc == -PF_ERUNSPACE ? 0 : rc;
}

void layout_trim_all(struct rt_self *me, struct layout *l)
{
	for (uint32_t ino = 1; ino < fs_inodes_high(&l->fs); ino++) {
		if (!fs_is_file(&l->fs, ino) || !past_end(l, ino, fs_size(&l->fs, ino)) ||
		    layout_trylock(me, l, ino) < 0)
			continue;
		layout_trim(me, l, ino);
		layout_unlock(me, l, ino);
	}
}
