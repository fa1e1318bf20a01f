/*
 * The runtime of one open pool, as this process sees it: attach and detach, memory, threads, slots.
 *
 * Who may join is decided by the media's use record (format/use_format.h) and the runtime's file:
 *   clean record                             -> make a new runtime, build it; one it names is removed
 *   same boot, runtime found, same identity  -> join
 *   same boot, runtime found, other identity -> -PF_ECOPY
 *   same boot, no runtime                    -> -PF_EINUSE unless forced
 *   other boot, same machine                 -> make a new one (recovery)
 *   other machine                            -> -PF_EMACHINE unless forced
 * Joining takes no lock: claim a slot, then look at the state again. Making one, and the last detach, run
 * under the media's lock; a killed builder leaves BUILDING, and the next one starts over.
 * The directory is $PINFOLD_RUNTIME_DIR, else /dev/shm; opened without following links; its owner is this
 * user or root, and if others may write to it, it is sticky. A memfd pool's runtime is a memfd.
 *
 * Liveness is an OFD lock on a byte of the runtime's file, on an open description of this attach alone.
 * The kernel drops it after every thread has left the process's memory. A forked child closes its copy
 * of the descriptor; all mappings are excluded from fork; a page that is wiped in children tells
 * rt_self_get() that it runs in one, also after a raw clone(). A raw-cloned child keeps its parent's slot
 * alive until it calls us, executes a program, or ends.
 */
#ifndef RUNTIME_RUNTIME_H
#define RUNTIME_RUNTIME_H

#include "dev/dev.h"
#include "runtime/types.h"

struct rt {
	struct dev *dev;
	void *head;           /* the media's first USE_END bytes; NULL: not writable */
	const void *dev_head; /* the same, to read */
	struct rt_header *header;
	struct rt_slot *slots;
	uint8_t *base;          /* == header; offsets count from here */
	uint64_t bytes;         /* mapped */
	int fd;                 /* has the liveness lock */
	uint64_t device, inode; /* of its file */
	unsigned slot;          /* number of ours */
	uint32_t epoch;         /* of our slot */
	unsigned lock_limit_ms;
	uint64_t id;            /* of this attach, never used again in this process */
	char path[256];         /* of the runtime's file; empty for a memfd */
	uint32_t *alive;        /* 0 in a forked child */
	struct rt_local *local; /* threads and free records of this process */
};

/* One thread's view of one runtime; in every call below that changes something. */
struct rt_self {
	struct rt *rt;
	struct rt_row *row;
	rt_owner owner;
	struct rt_hold *free_hold; /* a cache of one, see rt_hold_get() */
	rt_handle *free_handle;    /* the same of handles */
	unsigned locks;            /* classes this thread has locked, a bit each */
	unsigned inode_locks;      /* how many of class RT_LOCK_INODE */
	bool told; /* this thread changed pages that windows show: it is to wait for these, without a lock */
	struct rt_self *next;
};

struct rt_plan {
	struct {
		uint64_t bytes;
		bool filled; /* reserved and touched at creation; otherwise rt_fill() as needed */
	} region[RT_REGIONS];
	bool force;
	unsigned limit_ms; /* for waiting on a builder or closer */
	/* Fills a new runtime; READY follows when it returns 0. May be run again after a kill. */
	int (*build)(void *arg, struct rt *rt, struct rt_self *me);
	void *arg;
};

/* `head`: the media's first USE_END bytes (format/use_format.h), mapped; not `writable`: never written to,
 * and only joining is possible (-PF_EREADONLY). runtime_fd: -1, or a memfd pool's runtime.
 * Errors: see pf_pool_open(). */
int rt_attach(struct dev *dev, void *head, bool writable, int runtime_fd,
	      const struct rt_plan *plan, struct rt **rt);
/* Whether a living process is attached: 1, 0, or an error. Attaches nothing, changes nothing; another runtime directory is not seen. */
int rt_in_use(struct dev *dev, const void *head);
/* Makes the runtime of a memfd pool, empty: the first attach builds it. */
int rt_make_memfd(int *runtime_fd);
/* The slot has no holds left. If it has handles, it is left to who reaps it. If it is the last one, `finish` runs under the media's lock:
 * 0 from it marks the media clean and removes the runtime; positive leaves both for the next attach. */
void rt_detach(struct rt *rt, int (*finish)(void *arg, struct rt_self *me), void *arg);

/* This thread's row, made at its first call. NULL: err() says why (-PF_EFORKED, -PF_ERUNSPACE, -ENOMEM,
 * -PF_ETOOMANY); rt_self_error() gives the code. */
struct rt_self *rt_self_get(struct rt *rt);
int rt_self_error(void);

/* This process is a forked child of the one that attached: nothing of the runtime or the media is mapped. */
static inline bool rt_forked(const struct rt *rt)
{
	return !*rt->alive;
}

static inline void *rt_region(struct rt *rt, enum rt_region region)
{
	return rt->base + rt->header->start[region];
}

/* Reserves the memory of [address, + bytes) in a region and touches it, so that no store there faults.
 * May be repeated. Errors: -PF_ERUNSPACE. Makes system calls. */
int rt_fill(struct rt *rt, void *address, size_t bytes);
/* Bytes of memory the runtime's file takes now. */
uint64_t rt_memory(struct rt *rt);

/* ---- slots and rows --------------------------------------------------------------------------- */

static inline struct rt_slot *rt_slot_at(struct rt *rt, unsigned number)
{
	return &rt->slots[number];
}

static inline enum rt_slot_state rt_slot_state(uint64_t word)
{
	return (enum rt_slot_state)(word & 0xffffffff);
}

static inline uint32_t rt_slot_epoch(uint64_t word)
{
	return word >> 32;
}

static inline uint64_t rt_slot_word(enum rt_slot_state state, uint32_t epoch)
{
	return (uint64_t)epoch << 32 | state;
}

/* Slots that were ever used are 0 .. this - 1. */
static inline unsigned rt_slots_used(struct rt *rt)
{
	return load_acquire(&rt->header->slots_used);
}

/* The slot's liveness lock is gone: proof that no thread of that process executes another instruction.
 * False for our own slot. One system call. */
bool rt_slot_dead(struct rt *rt, unsigned slot);
/* CAS LIVE -> DEAD for the epoch read before the probe. True if the slot is DEAD now (by whomever). */
bool rt_slot_bury(struct rt *rt, unsigned slot);
/* Reap lock: true when taken (nobody had it, or a dead reaper) and the slot is still DEAD with this epoch. */
bool rt_reap_lock(struct rt_self *me, unsigned slot, uint32_t epoch);
void rt_reap_unlock(struct rt_self *me, unsigned slot);
/* Everything of it has been given back: clears its rows, CAS DEAD -> FREE, epoch + 1. Under the reap lock. */
void rt_slot_free(struct rt_self *me, unsigned slot);
/* The owner's slot is not that process any more, or is DEAD, or its row has no living thread. */
bool rt_owner_dead(struct rt *rt, rt_owner owner);
/* A thread of a living process died having a lock: its row may be settled by others. */
void rt_row_bury(struct rt *rt, rt_owner owner);
/* Nothing more is done by this row: its process is dead, by the slot's word, or its thread. */
static inline bool rt_row_dead(const struct rt_row *row, uint64_t slot_word)
{
	return rt_slot_state(slot_word) == RT_SLOT_DEAD || load_acquire(&row->state) == RT_ROW_DEAD;
}

/* The row has been settled (record, node, lane, inodes and intent are clear). */
void rt_row_free(struct rt_row *row);
/* The same for a row whose thread died while its process, ours, lives: no other thread gets it. */
void rt_row_settle(struct rt_row *row);

/* Walks the chunks of one type of a slot: for (c = rt_chunks(..); c; c = rt_chunk_next(..)). Lock-free. */
static inline struct rt_chunk *rt_chunk_at(struct rt *rt, uint64_t offset)
{
	return offset ? (struct rt_chunk *)(rt->base + offset) : NULL;
}

static inline struct rt_chunk *rt_chunks(struct rt *rt, unsigned slot, enum rt_chunk_type type)
{
	return rt_chunk_at(rt, load_acquire(&rt->slots[slot].chunks[type]));
}

static inline struct rt_chunk *rt_chunk_next(struct rt *rt, struct rt_chunk *chunk)
{
	return rt_chunk_at(rt, load_acquire(&chunk->next));
}

/* Walks all rows of all slots that are not FREE. Zero the cursor, then call until NULL.
 *   struct rt_cursor c = {0};
 *   while ((row = rt_next_row(rt, &c))) ... c.slot, c.word
 */
struct rt_cursor {
	unsigned slot;
	uint64_t word; /* the slot's, as it was when its records were begun */
	struct rt_chunk *chunk;
	unsigned i;
	bool begun;
};
struct rt_row *rt_next_row(struct rt *rt, struct rt_cursor *c);
/* The same for hold records with range != 0 (which may be given back at any moment). */
struct rt_hold *rt_next_hold(struct rt *rt, struct rt_cursor *c);
/* The same for file locks. */
struct rt_flock *rt_next_flock(struct rt *rt, struct rt_cursor *c);
/* The same for windows. */
struct rt_vma *rt_next_vma(struct rt *rt, struct rt_cursor *c);

/* ---- records of this process -------------------------------------------------------------------- */

/* An unused hold record of this slot (range 0), or NULL with err() set and rt_self_error(). Local free list
 * first, a new chunk when it is empty. */
struct rt_hold *rt_hold_get(struct rt_self *me);
/* Back to the free list; range is 0. */
void rt_hold_put(struct rt_self *me, struct rt_hold *hold);
/* Its process is told that somebody wants the pages of this hold, if its pin has asked for that. One system call. */
void rt_hold_want(struct rt *rt, unsigned slot, struct rt_hold *hold);
/* Wakes the service thread of a slot's process. */
void rt_mail(struct rt *rt, unsigned slot);
rt_handle *rt_handle_get(struct rt_self *me);
void rt_handle_put(struct rt_self *me, rt_handle *handle);
struct rt_flock *rt_flock_get(struct rt_self *me);
void rt_flock_put(struct rt_self *me, struct rt_flock *flock);
struct rt_vma *rt_vma_get(struct rt_self *me);
void rt_vma_put(struct rt_self *me, struct rt_vma *vma);
/* Windows of a slot whose process is dead, or has left, are none any more. Reap lock, or its own. */
void rt_vmas_free(struct rt *rt, unsigned slot);

/* ---- page tables --------------------------------------------------------------------------------- */

/* A page of the arena for a page table of this process, all zero; *offset from the start of the arena. It is this slot's until it is put, or the slot is
 * reaped. Errors: -PF_ERUNSPACE, those of rt_lock(). */
int rt_table_get(struct rt_self *me, uint64_t *offset);
/* That page of the arena is a table of a slot. */
bool rt_table_is_of(struct rt *rt, unsigned slot, uint64_t offset);
/* Of another slot, or no table: does nothing. */
void rt_table_put(struct rt_self *me, uint64_t offset);
/* All tables of a slot whose process is dead, or has left: nobody is inside them. Reap lock, or its own. */
void rt_tables_free(struct rt *rt, unsigned slot);
/* How many tables a slot has. */
uint64_t rt_tables_of(struct rt *rt, unsigned slot);
/* How many are some slot's; and of these, of slots that nobody has. */
uint64_t rt_tables_used(struct rt *rt, uint64_t *lost);

static inline uint8_t *rt_arena(struct rt *rt)
{
	return rt->base + rt->header->arena_start;
}

static inline uint64_t rt_arena_bytes(struct rt *rt)
{
	return rt->header->arena_end - rt->header->arena_start;
}

/* This thread reads the tables of a slot until rt_walk_end(); it may not already. None of them is used for anything else meanwhile. Pairs with
 * the fence of rt_walkers_note(): either that sees the walk, or the walk sees what was unlinked before. */
static inline void rt_walk_begin(struct rt_self *me, unsigned slot)
{
	uint64_t walks = load_relaxed(&me->row->walks);

	store_fence(&me->row->walks, (walks & ~0xffffull) + 0x10000 + slot + 1);
}

static inline void rt_walk_end(struct rt_self *me)
{
	store_release(&me->row->walks, load_relaxed(&me->row->walks) & ~0xffffull);
}

/* Who was walking at some moment. All zero at first; free(at) at last. */
struct rt_walkers {
	struct rt_walker {
		struct rt_row *row;
		uint64_t walks;
		unsigned slot; /* of the row */
	} * at;
	size_t count, room;
};
/* Who is inside the tables of a slot now. -ENOMEM. */
int rt_walkers_note(struct rt *rt, unsigned slot, struct rt_walkers *walkers);
/* All of them have left, or are dead. */
bool rt_walkers_gone(struct rt *rt, struct rt_walkers *walkers);

#endif
