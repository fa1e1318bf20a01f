/*
 * Compaction. As a pool ages, its free pages come to lie between pages of files, and no block is wholly free, so that no file gets an order-9 folio. Then folios
 * that nobody holds move from the least used blocks to free places of others, until whole blocks are free. docs/protocol.md section 6.
 *
 * A move is made under the lock of the file that the folio is part of, and with its range locked, so that nobody begins to hold it. Only the caller's own file is locked by waiting, and it is
 * before; other files' locks are tried. What is held, or busy in any way, stays where it is, and its block with it.
 */
#include "base/broken.h"
#include "base/err.h"
#include "layout/inner.h"

#define CANDIDATES 16u

struct move {
	uint32_t ino;
	uint64_t block; /* that is to become free */
	uint64_t head, index, pages;
	uint64_t word;
	uint64_t to;
};

/* ---- which ------------------------------------------------------------------------------------------ */

static bool is_movable(uint64_t w)
{
	return word_is_unheld(w, PAGE_IN_FILE) && !(w & (WORD_P | WORD_Q)) &&
	       word_order(w) < BLOCK_ORDER;
}

/* Nothing in the block is in the way, as it seems. */
static bool can_empty(struct layout *l, uint64_t block)
{
	uint64_t first = l->pages.first + block * BLOCK_PAGES;

	for (uint64_t i = 0; i < BLOCK_PAGES;) {
		struct page *page = page_at(&l->pages, first + i);
		uint64_t w = load_acquire(&page->word);
		uint32_t ino = load_relaxed(&page->ino);

		if (word_state(w) == PAGE_FREE) {
			i++;
			continue;
		}
		if (!is_movable(w) || ino >= fs_inodes_high(&l->fs) || fs_device(&l->fs, ino))
			return false;
		i += 1ull << word_order(w);
	}
	return true;
}

/* All of its pages are in the file, where its label says, and their entries stand together. Inode lock. */
static bool is_in_file(struct layout *l, const struct move *m)
{
	uint64_t index, pfn;

	if (fs_inline_left(&l->fs, m->ino, &index, &pfn) || fs_device(&l->fs, m->ino) ||
	    m->index % BLOCK_PAGES + m->pages > BLOCK_PAGES ||
	    (fs_is_inline(&l->fs, m->ino) && m->index + m->pages > INLINE_ENTRIES))
		return false;
	for (uint64_t i = 0; i < m->pages; i++) {
		entry_t e = fs_entry(&l->fs, m->ino, m->index + i, &pfn);

		if (!e || pfn != m->head + i || entry_order(e) == BLOCK_ORDER)
			return false;
	}
	return true;
}

/* ---- one folio -------------------------------------------------------------------------------------- */

/* What was never written has no bytes. */
static void copy(struct layout *l, const struct move *m)
{
	uint8_t *to = page_address(&l->pages, m->to);
	const uint8_t *from = page_address(&l->pages, m->head);

	for (uint64_t i = 0; i < m->pages; i++) {
		uint64_t pfn, at = i * PAGE_BYTES;

		if (entry_kind(fs_entry(&l->fs, m->ino, m->index + i, &pfn)) != ENTRY_LEAF)
			continue;
		media_bytes(l->pages.dev, to + at, from + at, PAGE_BYTES);
		if (!broken(PF_BREAK_COMPACT_FLUSH))
			dev_persist(l->pages.dev, to + at, PAGE_BYTES);
	}
	if (!broken(PF_BREAK_COMPACT_FENCE))
		dev_drain(l->pages.dev);
	step("compact: copied");
}

static void set_record(struct rt_self *me, const struct move *m, enum rt_record_kind kind)
{
	struct rt_record *r = &me->row->node;

	store_relaxed(&r->generation, word_generation(m->word));
	store_relaxed(&r->head, m->head);
	store_relaxed(&r->index, m->index);
	store_relaxed(&r->ino, m->ino);
	store_relaxed(&r->pages, (uint32_t)m->pages);
#ifdef PF_BREAK_COMPACT_NO_RECORD
	kind = RT_RECORD_NONE;
#endif
	store_release(&r->set, (uint32_t)kind);
	step("compact: record");
}

/* Both records are set. */
static void commit(struct rt_self *me, struct layout *l, const struct move *m)
{
	struct journal_tx tx;

	journal_begin(&tx, me);
	fs_entry_replace(&l->fs, &tx, m->ino, m->index, m->pages, m->to);
	journal_commit(&l->fs.journal, &tx);
	step("compact: committed");
}

static void clear_records(struct rt_self *me)
{
	step("compact: released");
	store_release(&me->row->node.set, (uint32_t)RT_RECORD_NONE);
	step("compact: old record cleared");
	store_release(&me->row->page.set, (uint32_t)RT_RECORD_NONE);
}

static void move_whole(struct rt_self *me, struct layout *l, const struct move *m)
{
	copy(l, m);
	set_record(me, m, RT_RECORD_MOVE);
	commit(me, l, m);
	rt_enter(me, m->head, m->pages);
	page_release(me, &l->pages, m->head, word_generation(m->word));
	rt_leave(me);
	clear_records(me);
}

/* The folio's first pages, for want of a place for all. A hold of our own keeps it in one piece meanwhile; giving that back divides it. */
static int move_part(struct rt_self *me, struct layout *l, const struct move *m)
{
	_Atomic uint64_t *account = &me->row->read_hold;
	struct dax_run run;
	uint64_t head, word;
	int rc = dax_hold_any(me, &l->fs, &l->pages, m->ino, m->index, m->pages, account, &run);

	if (rc < 0)
		return rc;
	if (run.pages != m->pages || !page_head(&l->pages, m->head, BLOCK_ORDER, &head, &word) ||
	    head != m->head || word_count(word) != 1) {
		dax_drop(me, &l->pages, account, false);
		return -PF_EAGAIN;
	}
	copy(l, m);
	set_record(me, m, RT_RECORD_MOVE_PART);
	commit(me, l, m);
	page_release_part(&l->pages, m->head, m->head, m->pages);
	clear_records(me);
	dax_drop(me, &l->pages, account, false);
	return 0;
}

/* The range is locked and nobody holds the folio. Sets m->pages to how many have moved. */
static int move_locked(struct rt_self *me, struct layout *l, struct move *m)
{
	unsigned order = word_order(m->word);
	int64_t to = -PF_ENOSPACE;
	int rc = 0;

	for (order++; order-- > 0 && to == -PF_ENOSPACE;) {
		m->pages = 1ull << order;
		to = page_take_used(me, &l->pages, order, m->block, m->ino,
				    fs_generation(&l->fs, m->ino), m->index);
	}
	if (to < 0)
		return (int)to;
	m->to = (uint64_t)to;
	if (m->pages == 1ull << word_order(m->word))
		move_whole(me, l, m);
	else
		rc = move_part(me, l, m);
	if (rc < 0)
		inner_give_back(me, l, m->to);
	return rc;
}

/* Inode lock. */
static int move_in_file(struct rt_self *me, struct layout *l, struct move *m)
{
	struct page *page = page_at(&l->pages, m->head);
	uint32_t low;
	int rc = -PF_EAGAIN;

	if (load_relaxed(&page->ino) != m->ino || load_relaxed(&page->index) != m->index ||
	    load_relaxed(&page->igen) != fs_generation(&l->fs, m->ino) || !is_in_file(l, m) ||
	    dax_lock_range(me, &l->fs, m->ino, m->index, m->index + m->pages - 1) < 0)
		return rc;
	if (!page_busy(&l->pages, m->head, false, &low) && load_acquire(&page->word) == m->word)
		rc = move_locked(me, l, m);
	dax_unlock_range(me, &l->fs, m->ino);
	return rc;
}

/* The folio at m->head, of another block's file `own`, which the caller has locked (0: none), or of any that can be locked at once. */
static int move_folio(struct rt_self *me, struct layout *l, uint32_t own, struct move *m)
{
	struct page *page = page_at(&l->pages, m->head);
	int rc = 0;

	m->ino = load_relaxed(&page->ino);
	m->index = load_relaxed(&page->index);
	m->pages = 1ull << word_order(m->word);
	if (!is_movable(m->word) || !m->ino || m->ino >= fs_inodes_high(&l->fs))
		return -PF_EAGAIN;
	if (m->ino != own)
		rc = inner_trylock_idle(me, l, m->ino);
	if (rc < 0)
		return rc;
	rc = move_in_file(me, l, m);
	if (m->ino != own)
		layout_unlock(me, l, m->ino);
	return rc;
}

/* ---- blocks ----------------------------------------------------------------------------------------- */

/* Moves all that is in a block, at most *budget pages. Returns whether it is free now, or an error. */
static int empty_block(struct rt_self *me, struct layout *l, uint32_t own, uint64_t block,
		       uint64_t *budget)
{
	uint64_t first = l->pages.first + block * BLOCK_PAGES;

	for (uint64_t i = 0; i < BLOCK_PAGES && *budget;) {
		struct move m = {.block = block, .head = first + i};
		int rc;

		m.word = load_acquire(&page_at(&l->pages, m.head)->word);
		if (word_state(m.word) == PAGE_FREE) {
			i++;
			continue;
		}
		rc = move_folio(me, l, own, &m);
		if (rc < 0)
			return rc;
		i += m.pages;
		*budget -= MIN(*budget, m.pages);
	}
	return page_whole_block(&l->pages, first);
}

/* Nothing of the kind that says that it is worth while to go on with another block. */
static bool is_final(int rc)
{
	return rc < 0 && rc != -PF_EAGAIN;
}

int64_t layout_compact(struct rt_self *me, struct layout *l, uint32_t own, uint64_t blocks,
		       uint64_t *budget)
{
	struct page_sparse sparse[CANDIDATES];
	uint64_t free;
	unsigned n = page_sparse(&l->pages, &l->sparse, sparse, CANDIDATES, &free);
	int64_t done = 0;
	int rc = 0;

	for (unsigned i = 0; i < n && (uint64_t)done < blocks && !is_final(rc); i++) {
		unsigned used = BLOCK_PAGES - sparse[i].free;

		if (used > *budget || used > free - sparse[i].free ||
		    !can_empty(l, sparse[i].block))
			continue;
		rc = empty_block(me, l, own, sparse[i].block, budget);
		if (rc > 0) {
			done++;
			free -= MIN(free, BLOCK_PAGES);
		}
	}
	return is_final(rc) && rc != -PF_ENOSPACE && !done ? rc : done;
}
