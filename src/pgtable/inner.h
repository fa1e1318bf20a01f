/* Between the files of pgtable: tables by offset, the path to an entry, what is done with the lock held. */
#ifndef PGTABLE_INNER_H
#define PGTABLE_INNER_H

#include "base/check.h"
#include "base/err.h"
#include "pgtable/pgtable.h"

/* The slot for va in the table at `offset`, which is in the arena. */
static inline pt_slot *pt_slot_at(const struct pt *pt, uint64_t offset, uint64_t va, unsigned level)
{
	return (pt_slot *)(void *)(pt->arena + offset) + pt_index(pt->fmt, va, level);
}

/* Where a table entry leads: an offset, which is past the arena if that is not in it. */
static inline uint64_t pt_table_offset(const struct pt *pt, pt_entry table)
{
	return pt_address(pt->fmt, table) - pt->table_base;
}

static inline bool pt_in_arena(const struct pt *pt, uint64_t offset)
{
	return offset < pt->arena_bytes;
}

/* Of who changes the tree: what is there may be changed, too. The arena has more than tables. */
static inline bool pt_table_ours(const struct pt *pt, uint64_t offset)
{
	return pt_in_arena(pt, offset) &&
	       (!pt->memory || !pt->memory->ours || pt->memory->ours(pt->arg, offset));
}

static inline pt_entry pt_table_entry(const struct pt *pt, uint64_t offset)
{
	return pt->fmt->table_bits | pt_with_address(pt->fmt, pt->table_base + offset);
}

static inline pt_entry pt_leaf_entry(const struct pt *pt, unsigned level, uint64_t pfn,
				     unsigned flags)
{
	return pt->fmt->leaf(level, flags) |
	       pt_with_address(pt->fmt, pt->media_base + pfn * PAGE_BYTES);
}

static inline uint64_t pt_leaf_pfn(const struct pt *pt, pt_entry leaf, unsigned level)
{
	return (pt_leaf_address(pt->fmt, leaf, level) - pt->media_base) / PAGE_BYTES;
}

/* There are such pages. */
static inline bool pt_leaf_inside(const struct pt *pt, pt_entry leaf, unsigned level)
{
	uint64_t pfn = pt_leaf_pfn(pt, leaf, level);

	return pfn < pt->pages && pt_pages(pt->fmt, level) <= pt->pages - pfn;
}

/* An entry of the root that is somebody else's. */
static inline bool pt_foreign(const struct pt *pt, pt_entry e, unsigned level)
{
	return level == pt->fmt->levels - 1u && (e & pt->fmt->foreign) && pt_is_table(pt->fmt, e);
}

/* -PF_EPAGETABLE with the address and the entry. */
int pt_bad(const struct pt *pt, uint64_t va, unsigned level, pt_entry e);
/* 0 if [va, + pages) is pages, and in one half of the addresses. */
int pt_range_check(const struct pt *pt, uint64_t va, uint64_t pages);
/* 0 if leaves of the tree can say `flags`; -PF_EPTCAN. */
int pt_flags_check(const struct pt *pt, unsigned flags);

/* ---- with the lock held ---- */

/* A table for a slot that is none at `level` > 0, linked. */
int pt_link(struct pt *pt, pt_slot *slot, uint64_t *offset);
/* A table that is in no tree yet, and one that never was seen goes back. */
int pt_table_new(struct pt *pt, uint64_t *offset);
void pt_table_drop(struct pt *pt, uint64_t offset);
/* A table is in the tree no more. */
void pt_table_defer(struct pt *pt, uint64_t offset);

/* The slot for va at `level`, or higher where a leaf or, without `make`, none is met: *level says where. */
int pt_seek(struct pt *pt, uint64_t va, bool make, unsigned *level, pt_slot **slot);

/* pt_split(), pt_unmap(); `last` is the last byte of the range. */
int pt_split_locked(struct pt *pt, uint64_t va, unsigned level, const struct pt_gather *gather);
int pt_unmap_locked(struct pt *pt, uint64_t va, uint64_t last, unsigned how,
		    const struct pt_gather *gather);
/* So that no leaf is partly in the range. When it fails, one end may be cut. */
int pt_cut(struct pt *pt, uint64_t va, uint64_t last, const struct pt_gather *gather);
/* Tables without an entry leave the tree. */
void pt_prune(struct pt *pt, uint64_t va, uint64_t last);
/* Nothing is mapped in the range, no marker is in it, nor, afterwards, a table that is in it whole: 0; or what pt_map() says then. */
int pt_empty(struct pt *pt, uint64_t va, uint64_t last);
/* A leaf at `level` may map pages from pfn on at va. */
bool pt_leaf_fits(const struct pt *pt, uint64_t va, uint64_t pfn, unsigned level);
/* Changes what the leaf at a slot says; *before is what it was. False: it says that already. */
bool pt_change_slot(struct pt *pt, pt_slot *slot, unsigned level, unsigned clear, unsigned set,
		    pt_entry *before);
/* Who looks only where tables are young shall look at va. */
void pt_touch(struct pt *pt, uint64_t va);
/* pt_walk() with the lock held. */
int pt_walk_locked(struct pt *pt, uint64_t va, uint64_t last, const struct pt_walk_ops *ops,
		   const struct pt_gather *gather, void *arg);
/* The leaf at a slot, which maps va, becomes a table of leaves one level down. */
int pt_split_slot(struct pt *pt, uint64_t va, pt_slot *slot, unsigned level,
		  const struct pt_gather *gather);

static inline void pt_gone(const struct pt_gather *gather, uint64_t va, unsigned level, pt_entry e)
{
	if (gather && gather->gone)
		gather->gone(gather->arg, va, level, e);
}

#endif
