/*
 * Pages: descriptors, folios, references, the allocator, quarantine. docs/protocol.md is its specification;
 * functions are named as its steps are.
 *
 * pages->block[n] describes 2 MiB of pages, and has the descriptor of the first of them; pages->map[] has those of the others. A block is filled (given memory) when it is
 * first taken, so an empty pool has nearly no runtime; it is detailed (and its part of the map given memory) before it has a folio of less than all its pages, or a page of such a
 * folio leaves its file. So large files need 128 bytes for 2 MiB.
 *
 * page_up, page_up_held, page_down, page_down_range and page_release are called in a section of the caller that covers the folio (runtime/
 * section.h); page_take, page_discard and page_recount make their own. None waits for a lock but the allocator's.
 */
#ifndef PAGE_PAGE_H
#define PAGE_PAGE_H

#include "base/check.h"
#include "base/hbitmap.h"
#include "page/word.h"
#include "runtime/lock.h"
#include "runtime/section.h"

#define PAGE_CLASSES 11u /* of a block: largest free order + 1; 0: nothing free; 10: all free */

/* `left`, `ino`, `igen`, `index` are labels of what the page is or was part of; left is part of the protocol. */
struct page {
	_Atomic uint64_t word;
	_Atomic uint64_t index; /* of this page in its file, for heads */
	_Atomic uint32_t ino;
	_Atomic uint32_t igen;
	_Atomic uint8_t left; /* this page has left its file while its folio is held */
	uint8_t unused[7];
};
_Static_assert(sizeof(struct page) == 32, "page descriptor");

/* Changed under the allocator lock. While the class is 10, `free` says nothing: all pages are free. */
struct block {
	_Atomic uint64_t free[8]; /* a bit per page */
	struct page page;         /* of its first page */
	_Atomic uint64_t
		detailed; /* 1: the others have descriptors in pages->map; else they are as descriptors of zeros say */
	_Atomic uint64_t
		quarantined; /* CLOCK_MONOTONIC ns when a page of it last went to quarantine */
	uint8_t unused[16];
};
_Static_assert(sizeof(struct block) == 128, "block descriptor");

enum page_pending {
	PENDING_NONE,
	PENDING_PUSH,
	PENDING_TAKE,
	PENDING_SPLIT,
	PENDING_CLEAR,
	PENDING_DISCARD
};

/* Start of region RT_ZONE; the classes (a byte per block) and the bitmaps follow. */
struct page_zone {
	struct rt_lock lock;    /* the allocator lock */
	struct rt_lock discard; /* who empties quarantine */
	_Atomic uint64_t kind;  /* enum page_pending; stored last */
	_Atomic uint64_t head;  /* of the pending operation */
	_Atomic uint64_t order, generation;
	uint8_t unused[64];
};

/* As this process sees it. */
struct pages {
	struct rt *rt;
	struct dev *dev;
	uint64_t first,
		count; /* pfns of the data zone; count is a multiple of BLOCK_PAGES, first too */
	uint64_t blocks;
	struct page *map;    /* region RT_MEMMAP; see page_at() */
	struct block *block; /* region RT_BLOCKS */
	struct page_zone *zone;
	_Atomic uint8_t *class; /* of each block */
	struct hbitmap by_class[PAGE_CLASSES];
	struct hbitmap filled;     /* blocks whose descriptors have memory */
	struct hbitmap quarantine; /* blocks that have quarantined pages */
	uint8_t *data; /* the data zone in this process, writable unless the pool is read-only */
	_Atomic uint64_t
		*touched;    /* a bit per block: this process's page table has it. NULL: not kept */
	struct page nothing; /* what is read of pages in blocks that are not detailed */
	uint64_t quarantine_ns; /* how long pages wait when the device cannot discard */
};

/* ---- opening --------------------------------------------------------------------------------------- */

/* Adds what `count` pages need to the regions RT_ZONE, RT_BLOCKS, RT_MEMMAP of a plan. */
void page_plan(uint64_t count, struct rt_plan *plan);
/* Fills in `p` for this process. */
void page_open(struct pages *p, struct rt *rt, struct dev *dev, uint64_t first, uint64_t count,
	       uint8_t *data);
/* A new runtime: every page is free. Then one call of page_build_used for each run of pages that a file has
 * (contiguous in both), which become folios as large as alignment and `order` allow; then page_build_end(). -PF_ERUNSPACE. */
void page_build(struct pages *p);
int page_build_used(struct pages *p, uint64_t pfn, uint64_t n, unsigned order, uint32_t ino,
		    uint32_t igen, uint64_t index);
void page_build_end(struct pages *p);

/* The page's descriptor; of a filled block. Changes of one that is not detailed are lost: they may only say what it says already. */
static inline struct page *page_at(const struct pages *p, uint64_t pfn)
{
	uint64_t n = pfn - p->first;
	struct block *block = &p->block[n / BLOCK_PAGES];

	if (n % BLOCK_PAGES == 0)
		return &block->page;
	return likely(load_acquire(&block->detailed)) ? &p->map[n] : (struct page *)&p->nothing;
}

static inline bool page_in_zone(const struct pages *p, uint64_t pfn)
{
	return pfn - p->first < p->count;
}

static inline uint64_t page_block(const struct pages *p, uint64_t pfn)
{
	return (pfn - p->first) / BLOCK_PAGES;
}

static inline void *page_address(const struct pages *p, uint64_t pfn)
{
	return p->data + (pfn - p->first) * PAGE_BYTES;
}

/* ---- references ------------------------------------------------------------------------------------ */

/* The folio in use that covers pfn: tries the order hint, then all orders. False: none (a split is under way, or free).
 * *word is what the head's word was. */
bool page_head_search(const struct pages *p, uint64_t pfn, uint64_t *head, uint64_t *word);

/* The page that would be the head of an order-`order` folio covering pfn is one: in use, and large enough. */
static inline bool page_head_at(const struct pages *p, uint64_t pfn, unsigned order, uint64_t *head,
				uint64_t *word)
{
	uint64_t h = align_down(pfn, 1ull << order), w = load_acquire(&page_at(p, h)->word);

	*head = h;
	*word = w;
	return word_state(w) != PAGE_FREE && pfn - h < 1ull << word_order(w);
}

static inline bool page_head(const struct pages *p, uint64_t pfn, unsigned hint, uint64_t *head,
			     uint64_t *word)
{
	return likely(page_head_at(p, pfn, MIN(hint, (unsigned)BLOCK_ORDER), head, word)) ||
	       page_head_search(p, pfn, head, word);
}
/* Count + 1 on the folio that covers pfn, which must be a member's: 0 and *head, *word (new). -PF_EAGAIN: look the
 * entry up again. -PF_EHOLDS: the count is at its maximum. Acquire. */
int page_up(struct pages *p, uint64_t pfn, unsigned hint, uint64_t *head, uint64_t *word);
/* The same on a folio that somebody holds, whatever its state. -PF_EAGAIN: nobody does. */
int page_up_held(struct pages *p, uint64_t pfn, unsigned hint, uint64_t *head, uint64_t *word);
/* Count - 1. The last one pushes or splits; wakes who waits. `dead`: the hold was a dead slot's, so Q is set. */
void page_down(struct rt_self *me, struct pages *p, uint64_t head, bool dead);
/* page_down for every folio that [pfn, pfn + n) touches; all of them are held by the caller. */
void page_down_range(struct rt_self *me, struct pages *p, uint64_t pfn, uint64_t n, bool dead);
/* Bytes of the folios that [pfn, pfn + n) touches. */
uint64_t page_folio_bytes(const struct pages *p, uint64_t pfn, uint64_t n);

/* ---- allocation and release --------------------------------------------------------------------------- */

/* Takes a folio of exactly `order` (at most BLOCK_ORDER) for page `index` of an inode, at `goal` if that is free (0: anywhere). The row's
 * page record says so before it is taken, and stays for the caller. Returns the pfn; -PF_ENOSPACE; errors of rt_lock, rt_fill. Inode lock. */
int64_t page_take(struct rt_self *me, struct pages *p, unsigned order, uint64_t goal, uint32_t ino,
		  uint32_t igen, uint64_t index);
/* The same in a block of which pages are used, other than block `avoid`: where folios move to. */
int64_t page_take_used(struct rt_self *me, struct pages *p, unsigned order, uint64_t avoid,
		       uint32_t ino, uint32_t igen, uint64_t index);
/* Blocks of which some pages are free and some are not, those with most free pages first, at most `max`: returns how many. Looks at some blocks from *cursor on, which moves on.
 * *free: pages that are free in all that it looked at. No lock: of each block what was so at some moment. */
#define PAGE_SPARSE_BLOCKS \
	8192u /* that one call looks at: 16 GiB of pages, some tens of microseconds */
struct page_sparse {
	uint64_t block; /* its number */
	unsigned free;  /* pages */
};
unsigned page_sparse(struct pages *p, _Atomic uint64_t *cursor, struct page_sparse *sparse,
		     unsigned max, uint64_t *free);
/* How many blocks are wholly free. No lock. */
uint64_t page_whole_blocks(const struct pages *p);
/* The first pfn of `n` free whole blocks in a row, or of the longest such run, and how many blocks it has: a goal. 0: no whole block is free. */
uint64_t page_find_run(struct pages *p, uint64_t n, uint64_t *length);
/* The first pfn of n free pages in a row at a multiple of `align`, either both less than a block or `align` 1 or whole blocks: a goal, without the lock. 0: there are none. */
uint64_t page_find_piece(struct pages *p, uint64_t n, uint64_t align);
/* Without the lock: the page begins a block that is wholly free. */
static inline bool page_whole_block(const struct pages *p, uint64_t pfn)
{
	return page_in_zone(p, pfn) && pfn % BLOCK_PAGES == 0 &&
	       load_relaxed(&p->class[page_block(p, pfn)]) == PAGE_CLASSES - 1;
}
/* A whole folio without P leaves its file: IN_FILE -> ORPHAN if the generation is still this one; pushes it if nobody holds it.
 * May be repeated. Section. */
void page_release(struct rt_self *me, struct pages *p, uint64_t head, uint32_t generation);
/* Before a part of a folio leaves: its pages have descriptors of their own when this returns. May be repeated. -PF_ERUNSPACE. */
int page_detail(struct pages *p, uint64_t pfn);
/* Pages [pfn, + n) of a folio that the caller holds leave the file; ORPHAN too if no page of it is a member any more. */
void page_release_part(struct pages *p, uint64_t head, uint64_t pfn, uint64_t n);
/* Pushes or splits `head` if it is due; anybody may call it at any time. Section. */
void page_finish(struct rt_self *me, struct pages *p, uint64_t head);
/* Allocator lock taken and given back: repairs after a dead owner, and pushes and splits what is in limbo. Also for who finds no folio
 * although an entry names the page: waits for, or repairs after, a split. No section. */
int page_repair(struct rt_self *me, struct pages *p);

/* For WAIT and TRY, entries locked: 0: nobody holds it. 1: held; W is set if `wait`. A read-modify-write, always. *low: futex value. */
int page_busy(struct pages *p, uint64_t head, bool wait, uint32_t *low);
/* Sleeps until the word's low half changes from `low`, at most `ms`. */
void page_wait(struct pages *p, uint64_t head, uint32_t low, unsigned ms);

/* ---- death ------------------------------------------------------------------------------------------------ */

/* Recounts the folios in a dead row's intent from the accounting of all slots; then clears it. 0: done. -PF_EAGAIN: deferred
 * (a living row is inside for more than 10 ms, or somebody else recounts). No section. */
int page_recount(struct rt_self *me, struct pages *p, struct rt_row *dead);
/* Lets quarantined pages go: replaces their memory if the device can and no living process registered the pool, otherwise those whose time is over
 * Returns how many pages became free, or an error of rt_lock. */
int64_t page_discard(struct rt_self *me, struct pages *p);

/* ---- numbers and checks ------------------------------------------------------------------------------------ */

struct page_stat {
	uint64_t free, member, orphan, quarantine; /* pages */
};
/* Without a lock: of one moment only if nobody changes anything. */
void page_stat(struct pages *p, struct page_stat *stat);
/* Pages of a folio in use that are in no file: all of an orphan, those that have left of another. */
uint64_t page_left(const struct pages *p, uint64_t head, uint64_t word);
uint64_t page_free_count(struct pages *p);
/* Calls `each` for every folio in use, or run of left pages of one: state, label. No lock. */
struct page_folio {
	uint64_t head;
	uint64_t word;
	uint64_t left; /* page_left() */
	uint32_t ino, igen;
};
int page_each_folio(struct pages *p, int (*each)(void *arg, const struct page_folio *folio),
		    void *arg);
/* The index against the words, the bitmaps against the classes, impossible states. Takes the allocator lock per block. */
void page_check(struct rt_self *me, struct pages *p, struct report *report);

#endif
