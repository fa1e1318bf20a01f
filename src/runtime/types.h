/*
 * What the living processes share, beside the media: one region of shared memory per open pool.
 * It survives kill -9 and is built anew after a power cut.
 *
 *   header, slots | regions of the modules above | arena: chunks of rows, holds, handles; page tables
 *
 * A slot is an attached process; it has one row per thread that calls us, hold records (its maps,
 * pins and pieces of windows), handle records (its open files), records of file locks and of windows, in chunks of 4 KiB. A chunk belongs to its slot's number
 * for ever, whatever process has the slot, and keeps its type, so anybody may read it at any time.
 *
 * Letters say what protects a field:
 *   [c] constant once the runtime is READY        [s] changed by CAS or exchange by anybody
 *   [o] stored by the slot's own process, or by who reaps it under the slot's reap lock
 *   [r] stored by the row's own thread, or by who settles it when it is dead
 *   [a] under the arena lock
 */
#ifndef RUNTIME_TYPES_H
#define RUNTIME_TYPES_H

#include <pthread.h>

#include "base/atomic.h"
#include "base/bits.h"

#define RT_MAGIC   0x31306e757264666eull
#define RT_VERSION 5u
#define RT_SLOTS   2048u
#define RT_CHUNK   4096u
#define RT_ROWS    31u /* per chunk, 128 bytes each */
#define RT_ROWS_MAX \
	32768u         /* of one slot: the highest bit of a row in an owner word is the journal's */
#define RT_HOLDS   63u /* per chunk, 64 bytes each */
#define RT_HANDLES 504u /* per chunk, 8 bytes each */
#define RT_FLOCKS  63u  /* per chunk, 64 bytes each */
#define RT_VMAS    63u  /* per chunk, 64 bytes each */
#define RT_FOLIOS  512u /* that one section, and one hold record, covers at most */

enum rt_state { RT_NEW, RT_BUILDING, RT_READY, RT_CLOSING, RT_GONE };

/* Regions of the modules above: the runtime only gives them memory. */
enum rt_region { RT_INODES, RT_NODES, RT_ZONE, RT_BLOCKS, RT_MEMMAP, RT_REGIONS };

/* Ranks: a thread takes locks in this order only (several inode locks: lower numbers first). */
enum rt_class {
	RT_LOCK_NAMES,
	RT_LOCK_INODE,
	RT_LOCK_META,
	RT_LOCK_DISCARD,
	RT_LOCK_ALLOC,
	RT_LOCK_ARENA
};

/* Who: {epoch 32 | row 16 | slot + 1 16}; 0 is nobody. */
typedef uint64_t rt_owner;

/* A robust lock. `owner` is for messages and for the layers above; the mutex decides. */
struct rt_lock {
	pthread_mutex_t mutex;
	_Atomic rt_owner owner;
	uint32_t rt_class; /* [c] */
	uint32_t number;   /* [c] which one of its class: the inode, for messages */
};

/* A row's record of what it moves between allocator and file, or takes from the node bitmap. `set` is
 * stored last and cleared first. Means something under the inode's lock only. */
enum rt_record_kind {
	RT_RECORD_NONE,
	RT_RECORD_ALLOC,
	RT_RECORD_RELEASE,
	RT_RECORD_PART,
	/* in the node's record, of pages that the page record's take the place of: as RELEASE, as PART */
	RT_RECORD_MOVE,
	RT_RECORD_MOVE_PART
};

/* The node's record is of pages. */
static inline bool rt_record_moves(uint32_t set)
{
	return set >= RT_RECORD_MOVE;
}

struct rt_record {
	_Atomic uint32_t set;        /* [r] enum rt_record_kind */
	_Atomic uint32_t generation; /* [r] of the folio's word */
	_Atomic uint64_t
		head; /* [r] pfn of the folio's head (PART: of the first page that leaves); or the node's number */
	_Atomic uint64_t index; /* [r] first page in the file; for a node: first page it maps */
	_Atomic uint32_t ino;   /* [r] */
	_Atomic uint32_t pages; /* [r] that move; for a node: its level */
};

/* Row states. A row whose thread died while its process lives is DEAD until somebody settled it. */
enum rt_row_state { RT_ROW_FREE, RT_ROW_LIVE, RT_ROW_DEAD };

struct rt_row {
	_Atomic uint64_t intent; /* [r] rt_intent(): pages whose counts may be changing; 0: none */
	_Atomic uint64_t
		read_hold; /* [r] rt_range(): a hold while bytes are copied or pages are marked */
	_Atomic uint32_t state; /* [s] enum rt_row_state */
	_Atomic uint32_t tid;   /* [o] label */
	_Atomic uint32_t lane;  /* [r] journal lane + 1 that this row may own; 0: none */
	_Atomic uint32_t
		inodes[4];      /* [r] inode numbers whose lock this row has or is about to take */
	struct rt_record page;  /* [r] */
	struct rt_record node;  /* [r] */
	_Atomic uint32_t reaps; /* [r] slot + 1 whose reap lock this row has or is about to take */
	uint32_t unused;
	/* [r] {how often it walked | slot + 1}: it is inside the page tables of that slot; slot + 1 is 0: of none */
	_Atomic uint64_t walks;
};
_Static_assert(sizeof(struct rt_row) == 128, "a row is two cache lines");

/* A direct map, a pin, a window, or a piece of one: at most RT_FOLIOS folios, contiguous in memory. It counts once
 * on every folio that `range` touches. `range` is stored last (account) and exchanged with 0 to give back. */
struct rt_hold {
	_Atomic uint64_t range; /* [s] rt_range(); 0: unused */
	_Atomic uint64_t index; /* [o] first page in the file */
	_Atomic uint64_t since; /* [o] ns since 1970 */
	_Atomic uint32_t ino;   /* [o] */
	_Atomic uint32_t igen;  /* [o] the inode's generation */
	_Atomic uint32_t kind;  /* [o] enum pf_hold_kind */
	_Atomic uint32_t first_byte,
		last_byte;       /* [o] of the range asked for, in its first and last page */
	_Atomic uint32_t wanted; /* [s] somebody wants the pages: its process is to give a notice */
	uint8_t unused[16];
};
_Static_assert(sizeof(struct rt_hold) == 64, "a hold is one cache line");

/* An open file of a slot: {igen 32 | ino 32}; 0: unused. Changed under the inode's lock. */
typedef _Atomic uint64_t rt_handle;

/* A lock on bytes of a file, for programs to agree by (fcntl(2), flock(2)); or that its owner waits for one. Changed by its own process under the
 * inode's lock, but that a wait may end without it; ended by who reaps that. */
struct rt_flock {
	_Atomic uint64_t file;  /* [s] {igen 32 | ino 32}; 0: unused. Stored last, cleared first */
	_Atomic uint64_t first; /* [o] byte */
	_Atomic uint64_t last;  /* [o] */
	_Atomic uint64_t owner; /* [o] within the process */
	_Atomic uint32_t kind;  /* [o] enum pf_lock_type, and flags */
	_Atomic uint32_t pid;   /* [o] label */
	_Atomic uint64_t
		wait; /* [o] the number of this wait, which no other has; 0: it is a lock */
	_Atomic uint64_t
		looked; /* [o] CLOCK_MONOTONIC ns when it was last looked whether it would ever end */
	uint8_t unused[8];
};
_Static_assert(sizeof(struct rt_flock) == 64, "a file lock is one cache line");

/* A window of a slot: addresses at which a file is mapped. Addresses, index and file are constant while `file` is not 0; when a part goes, or it moves, another
 * record takes its place. Only `pages` changes, by its own process. Anybody who changes the file's pages marks those as stale, under the inode's lock. */
struct rt_vma {
	_Atomic uint64_t file;  /* [o] {igen 32 | ino 32}; 0: unused. Stored last, cleared first */
	_Atomic uint64_t start; /* [o] address / 4096 */
	_Atomic uint64_t pages; /* [o] */
	_Atomic uint64_t index; /* [o] page of the file at its start */
	_Atomic uint64_t
		stale; /* [s] rt_stale(): blocks of the file to be looked at again; 0: none */
	_Atomic uint64_t since; /* [o] ns since 1970 */
	_Atomic uint32_t flags; /* [o] in the words of module mm */
	uint8_t unused[12];
};
_Static_assert(sizeof(struct rt_vma) == 64, "a window is one cache line");

enum rt_chunk_type {
	RT_CHUNK_ROWS,
	RT_CHUNK_HOLDS,
	RT_CHUNK_HANDLES,
	RT_CHUNK_FLOCKS,
	RT_CHUNK_VMAS,
	RT_CHUNK_TYPES
};

struct rt_chunk {
	_Atomic uint64_t next; /* [a] offset of the slot's next chunk of this type; 0: last */
	uint32_t type;         /* [c] */
	uint32_t slot;         /* [c] */
	uint8_t unused[48];
	union {
		struct rt_row rows[RT_ROWS];
		struct rt_hold holds[RT_HOLDS];
		rt_handle handles[RT_HANDLES];
		struct rt_flock flocks[RT_FLOCKS];
		struct rt_vma vmas[RT_VMAS];
	};
};
_Static_assert(sizeof(struct rt_chunk) == RT_CHUNK, "a chunk is a page");

/* Slot words: {epoch 32 | state 32}. */
enum rt_slot_state { RT_SLOT_FREE, RT_SLOT_LIVE, RT_SLOT_DEAD };

struct rt_slot {
	_Atomic uint64_t word;                   /* [s] */
	_Atomic rt_owner reaper;                 /* [s] the reap lock */
	_Atomic uint64_t chunks[RT_CHUNK_TYPES]; /* [a] offset of the newest chunk of each type */
	_Atomic uint64_t since;                  /* [o] ns since 1970 */
	_Atomic uint32_t pid;                    /* [o] label, in its pid namespace */
	_Atomic uint32_t registered; /* [o] it asked for regions: no discard while it lives */
	_Atomic uint64_t died;       /* [s] CLOCK_MONOTONIC ns when found dead */
	_Atomic uint64_t retry; /* [s] CLOCK_MONOTONIC ns before which a deferred reap is left */
	_Atomic uint64_t command[2]; /* [o] label, 16 bytes with NUL */
	_Atomic uint32_t mail;       /* [s] a futex: counts what its service thread is to look at */
	_Atomic uint32_t
		seen; /* [o] a futex: up to which mail its windows are what their files are */
	_Atomic uint64_t
		root; /* [o] of its page tables, in the words of module mm; 0: it has none */
	_Atomic uint32_t
		deaf; /* [s] somebody waited for this mail in vain: nobody does until it was seen */
	_Atomic uint32_t
		lost; /* [s] what is to be done to all windows of it, in the words of module mm */
};
_Static_assert(sizeof(struct rt_slot) == 128, "a slot is two cache lines");

struct rt_header {
	uint64_t magic;                  /* [c] */
	uint32_t version, slots;         /* [c] */
	uint64_t nonce[2];               /* [c] also in the media's use record */
	uint64_t identity[3];            /* [c] of the media: dev.identity */
	uint64_t bytes;                  /* [c] of the whole runtime */
	uint64_t start[RT_REGIONS];      /* [c] offset of each region */
	uint64_t length[RT_REGIONS];     /* [c] */
	uint64_t arena_start, arena_end; /* [c] offsets */
	uint64_t tables;        /* [c] offset of a word for each page of the arena: rt_table_word */
	_Atomic uint64_t state; /* [s] enum rt_state; BUILDING and CLOSING under the media's lock */
	_Atomic uint64_t arena_next;   /* [a] offset of the first chunk not given out */
	_Atomic uint64_t arena_filled; /* [a] offset up to which memory is reserved */
	/* [a] slot + 1 and type << 32 of a chunk being linked, or RT_PENDING_TABLES, pages << 48 and the offset of what becomes
	 * free tables; 0: none */
	_Atomic uint64_t arena_pending;
	_Atomic uint64_t slots_used; /* [s] no slot at or above this was ever used */
	_Atomic uint64_t
		recount; /* [s] the recount flag: {sequence 32 | epoch 16 | slot + 1 16}; 0: none */
	_Atomic uint64_t limbo;   /* [s] folios that are to be pushed or split by the next locker */
	_Atomic uint64_t builder; /* [s] pid of who builds or closes, a label */
	_Atomic uint64_t recounts; /* [s] recounts begun: the sequence in the flag */
	_Atomic uint64_t
		swept; /* [s] CLOCK_MONOTONIC ns when a service thread last looked for the dead */
	struct rt_lock arena_lock;
	_Atomic uint64_t waits; /* [s] waits for file locks begun */
	uint8_t unused[32];
};

/* Of a page of the arena. 0: it is a chunk, or was never used. Changed by CAS, so that at any moment a table is free or
 * somebody's: {RT_TABLE | slot + 1}, or RT_TABLE alone. */
typedef _Atomic uint32_t rt_table_word;
#define RT_TABLE          0x10000u
#define RT_TABLES_BATCH   16u /* pages that become tables at a time */
#define RT_PENDING_TABLES (1ull << 63)

/* Ranges of pages. A hold: {pages 24 | pfn 40}. An intent: {pages 23 | pfn 40 | 1}. */
static inline uint64_t rt_range(uint64_t pfn, uint64_t pages)
{
	return pages << 40 | pfn;
}

static inline uint64_t rt_range_pfn(uint64_t range)
{
	return range & ((1ull << 40) - 1);
}

static inline uint64_t rt_range_pages(uint64_t range)
{
	return range >> 40;
}

/* Blocks of a file, first to last, in one word: {last + 1 32 | first 32}. */
static inline uint64_t rt_stale(uint64_t first_page, uint64_t end_page)
{
	return div_up(end_page, BLOCK_PAGES) << 32 | first_page / BLOCK_PAGES;
}

static inline uint64_t rt_stale_first(uint64_t stale)
{
	return (stale & 0xffffffff) * BLOCK_PAGES;
}

static inline uint64_t rt_stale_end(uint64_t stale)
{
	return (stale >> 32) * BLOCK_PAGES;
}

/* What both are, and what lies between. */
static inline uint64_t rt_stale_hull(uint64_t a, uint64_t b)
{
	if (!a || !b)
		return a | b;
	return MAX(a >> 32, b >> 32) << 32 | MIN(a & 0xffffffff, b & 0xffffffff);
}

/* Widened to whole blocks, so that it covers the folios of all pages in the range. */
static inline uint64_t rt_intent(uint64_t pfn, uint64_t pages)
{
	uint64_t first = align_down(pfn, BLOCK_PAGES);

	return (align_up(pfn + pages, BLOCK_PAGES) - first) << 41 | first << 1 | 1;
}

static inline uint64_t rt_intent_pfn(uint64_t intent)
{
	return intent >> 1 & ((1ull << 40) - 1);
}

static inline uint64_t rt_intent_pages(uint64_t intent)
{
	return intent >> 41;
}

static inline rt_owner rt_owner_make(unsigned slot, unsigned row, uint32_t epoch)
{
	return (uint64_t)epoch << 32 | (uint64_t)row << 16 | (slot + 1);
}

static inline unsigned rt_owner_slot(rt_owner owner)
{
	return (owner & 0xffff) - 1;
}

static inline unsigned rt_owner_row(rt_owner owner)
{
	return owner >> 16 & 0xffff;
}

static inline uint32_t rt_owner_epoch(rt_owner owner)
{
	return owner >> 32;
}

#endif
