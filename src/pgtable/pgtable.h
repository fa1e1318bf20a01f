/*
 * Page tables in the formats that hardware walks (fmt.h), in memory that other processes read and a machine may run on.
 *
 * A tree of tables is `struct pt`, as this process sees it. Its tables are pages of an arena, known by their offset, so
 * that every process can walk them wherever it has the arena. An entry holds physical addresses: a table is at
 * table_base + offset, a page at media_base + pfn * 4096. The two bases are constants of the tree, chosen so that a
 * machine with arena and pool in its memory finds them there.
 *
 * Who may do what at the same time
 *   - One thread changes a tree at a time: functions that change it take `lock`. Only the process whose tree it is
 *     changes it, and after its death who reaps it.
 *   - Readers take no lock, in any process: pt_lookup(), pt_translate(), pt_walk() without `install` and `split`,
 *     pt_check(). Hardware is one more reader, and sets accessed and dirty bits: every change of an entry that was
 *     visible is one exchange or compare-exchange.
 *   - A reader may be inside a table that is being unlinked. So that is freed only when all who were walking have left
 *     (`struct pt_memory`: note() and gone()); until then pt_settle() keeps it. What a reader finds there is none.
 *   - pt_lookup() gives an entry that was in the tree at some moment after the call began: it loads it, and then looks
 *     whether the entry above still leads to that table. Who takes a reference by it looks again at both
 *     (pt_leaf_same()) afterwards, as GUP-fast does.
 *
 * Nothing is believed of what is in the arena: a table lies inside it, and no walk visits more tables than it has
 * pages, so that it ends also where a hostile process made a circle. -PF_EPAGETABLE says so. Who changes the tree writes only to pages that are
 * its tables (ours()): one bit that flipped in an entry does not make it write into what else is in the arena.
 *
 * What the tree does not know is whose the pages are: who maps and unmaps counts references, by the leaves that
 * `struct pt_gather` is told of.
 */
#ifndef PGTABLE_PGTABLE_H
#define PGTABLE_PGTABLE_H

#include <pthread.h>

#include "base/check.h"
#include "pgtable/fmt.h"

/* What the caller gives to who changes a tree. Functions return 0 or a negative error. */
struct pt_memory {
	/* A page of the arena, all zero. */
	int (*alloc)(void *arg, uint64_t *offset);
	/* A page of the arena that left the tree; where somebody damaged that, perhaps one that was not given, or is free. */
	void (*free)(void *arg, uint64_t offset);
	/* That page of the arena was given as a table of this tree, and not taken back. NULL: they all are. Only asked by who changes the tree: it
	 * writes to no other. */
	bool (*ours)(void *arg, uint64_t offset);
	/* Remembers who is walking now; forgets who was remembered. NULL: nobody but who changes the tree ever walks it. */
	int (*note)(void *arg);
	/* All that were remembered have left since, or are dead. */
	bool (*gone)(void *arg);
	/* The pages of a leaf at `level` > 0 that begins with pfn are all in one folio, or in a row of them that is one device. NULL: yes. */
	bool (*fits)(void *arg, uint64_t pfn, unsigned level);
};

/* Who counts references by leaves. Each may be NULL, is called with the tree's lock held, and gets the entry as it was (or is to be). */
struct pt_gather {
	/* It is in the tree no more. */
	void (*gone)(void *arg, uint64_t va, unsigned level, pt_entry leaf);
	/* It is about to become pt_entries() leaves one level down. Not 0: it does not, and that is the error. */
	int (*split)(void *arg, uint64_t va, unsigned level, pt_entry leaf);
	/* pt_entries() leaves one level down have become this one. */
	void (*collapsed)(void *arg, uint64_t va, unsigned level, pt_entry leaf);
	/* It is about to be made, by pt_copy(). Not 0: it is not, and that is the error. */
	int (*copy)(void *arg, uint64_t va, unsigned level, pt_entry leaf);
	void *arg;
};

struct pt {
	const struct pt_fmt *fmt;
	uint8_t *arena; /* offset 0 of it in this process */
	uint64_t arena_bytes;
	uint64_t table_base;   /* physical address of offset 0; a multiple of 4096 */
	uint64_t media_base;   /* physical address of pfn 0 */
	uint64_t pages;        /* pfns are below this */
	uint64_t root;         /* offset of the highest table */
	uint8_t physical_bits; /* of addresses of the machine; 0: as many as the format has */
	const struct pt_memory *memory; /* NULL: the tree is only read */
	void *arg;
	/* Of who changes it: */
	pthread_mutex_t lock;
	uint64_t tables; /* in the tree, with the root */
	struct pt_deferred {
		uint64_t *offset;
		size_t count, noted; /* the first `noted` wait for whom note() remembered */
		size_t room;
	} deferred;
};

/* ---- trees (tree.c) ---- */

/* Makes an empty tree. The caller has set fmt, arena, arena_bytes, table_base, media_base, pages, physical_bits, memory and arg.
 * Errors: -PF_EPTADDRESS (a base or the length of the arena is no multiple of 4096, memory lies above what format and machine can address, or a
 * table could be at address 0 where the format cannot say that), those of alloc(). */
int pt_make(struct pt *pt);
/* The same of a tree that is there, of this process or of a dead one; `root` is set, too. What is in it is not looked at. Frees nothing when it is
 * closed. Errors: -PF_EPTADDRESS; -PF_EPAGETABLE: the root is not in the arena. */
int pt_open(struct pt *pt);
/* Frees all tables of a tree that nobody walks any more, markers included. `gather`, as below, may be NULL.
 * Errors: -PF_EPAGETABLE: what could be reached is freed. */
int pt_destroy(struct pt *pt, const struct pt_gather *gather);
/* Gives back what belongs to this process only. */
void pt_close(struct pt *pt);
/* Frees unlinked tables in which nobody can be any more; waits for readers at most `limit_ns`. How many are left. Any thread of the
 * process that changes the tree. */
size_t pt_settle(struct pt *pt, uint64_t limit_ns);

/* ---- finding (lookup.c) ---- */

struct pt_leaf {
	pt_entry entry; /* a leaf; or, when nothing is mapped: none or a marker */
	unsigned level; /* of it */
	uint64_t pfn;   /* of the page at the address, not of the leaf's first */
	pt_slot *slot;  /* where the entry is */
	pt_slot *upper; /* what led to its table; NULL: the root */
	pt_entry upper_entry;
};

/* What maps the page at va. 1: leaf->entry is a leaf, which may permit nothing (protnone). 0: nothing is mapped.
 * Errors: -PF_ERANGE (no address of this format), -PF_EPAGETABLE. Never waits; takes no lock. */
int pt_lookup(const struct pt *pt, uint64_t va, struct pt_leaf *leaf);
/* Both entries are what they were, but for the bits that hardware sets. */
bool pt_leaf_same(const struct pt *pt, const struct pt_leaf *leaf);

/* The same, for who needs it to stay: as pt_lookup(), but 1 leaves the tree locked until pt_folio_walk_end(), so that the leaf stays what it
 * is. Leaves that permit nothing are found; special ones, which are of no folio, only with PT_WALK_SPECIAL. Waits for who changes the tree. */
#define PT_WALK_SPECIAL 0x1u
int pt_folio_walk_start(struct pt *pt, uint64_t va, unsigned how, struct pt_leaf *leaf);
void pt_folio_walk_end(struct pt *pt);

/* ---- translating (translate.c) ---- */

enum pt_outcome {
	PT_OK,
	PT_NOT_PRESENT,
	PT_FORBIDDEN,    /* also a store to a leaf that software is to make dirty first */
	PT_RESERVED_BIT, /* hardware refuses an entry, valid though it is */
	PT_NOT_ACCESSED, /* the leaf is not young, and the CPU leaves it to software to make it so */
	PT_BAD_ADDRESS   /* not one that the format translates */
};

struct pt_translation {
	enum pt_outcome outcome;
	unsigned level;   /* of the entry that decided; PT_BAD_ADDRESS: of the root */
	uint64_t address; /* PT_OK: the physical one */
	/* By level, down to that one: where the entries are, what they were, and what hardware makes of them: accessed and dirty bits, where it is PT_OK.
	 * The bits in which entry and after differ add up over several accesses. */
	pt_slot *slot[PT_LEVELS]; /* NULL: hardware did not come there */
	pt_entry entry[PT_LEVELS], after[PT_LEVELS];
};

/* What a CPU that runs on the tree makes of an access (fmt.h). Reads only; believes in no entry but its bits: hardware does not know whose a
 * table is, nor which pages there are. Errors: -PF_EPAGETABLE (a table is not in the arena). */
int pt_translate(const struct pt *pt, uint64_t va, unsigned access, struct pt_translation *t);

/* ---- mapping (map.c) ---- */

/* Maps `pages` pages from va on to those from pfn on, with the largest leaves up to `max_level` that the alignment of both
 * addresses and fits() allow. All or nothing.
 * Errors: -PF_ERANGE (va is no multiple of 4096, the range is empty or not all in one half of the addresses, or pfns
 * are past the end), -PF_EPTCAN (the format has no bit for one of the flags), -PF_EMAPPED (something is mapped in it), -PF_EGUARDED (a marker is in it), those of alloc(),
 * -PF_EPAGETABLE. */
int pt_map(struct pt *pt, uint64_t va, uint64_t pfn, uint64_t pages, unsigned flags,
	   unsigned max_level);
/* Maps one leaf of just this level. Errors: as pt_map(); -PF_EPTLEAF: the format has no such leaf, va or the pages are not aligned to it, or it would be
 * larger than its folio. */
int pt_insert(struct pt *pt, uint64_t va, unsigned level, uint64_t pfn, unsigned flags);

/* pt_unmap() leaves guards where they are, as all do that take pages away and not addresses. */
#define PT_KEEP_GUARDS 0x1u

/* Unmaps a range; large leaves that it cuts are split first. Tables without an entry leave the tree. `gather` may be
 * NULL. Errors: -PF_ERANGE, those of alloc() and of gather->split() (nothing was unmapped), -PF_EPAGETABLE. */
int pt_unmap(struct pt *pt, uint64_t va, uint64_t pages, unsigned how,
	     const struct pt_gather *gather);

/* ---- splitting and collapsing (split.c) ---- */

/* Makes leaves of at most `level` out of the one that maps va, if that is larger; they map the same pages with the same
 * flags. A reader finds the old leaf or the new ones, at any moment. `gather` may be NULL.
 * Errors: -PF_ERANGE, those of alloc() and of gather->split(), -PF_EPAGETABLE. */
int pt_split(struct pt *pt, uint64_t va, unsigned level, const struct pt_gather *gather);
/* Makes one leaf at `level` > 0 of the table there that maps va, if each of its entries is a leaf, they map one run of pages that such a
 * leaf can map (fits()), and say the same but for PT_YOUNG and PT_DIRTY, of which the new leaf has all. What is special or write-protected to be
 * tracked stays. A reader finds the old leaves or the new one. A CPU that runs on the tree, and may know the old table still, is flushed before: what it
 * sets in that afterwards is lost. `gather` may be NULL.
 * Errors: -PF_EPTLEAF (it cannot be one leaf, or is one), -PF_ERANGE, -PF_EPAGETABLE. */
int pt_collapse(struct pt *pt, uint64_t va, unsigned level, const struct pt_gather *gather);

/* ---- changing what leaves say (change.c) ---- */

struct pt_change {
	unsigned clear, set; /* flags: first those go, then these come */
	unsigned only;       /* leaves that have one of these; 0: all */
	bool whole;          /* a leaf that the range cuts is changed, not split */
	/* Told of each leaf that changed, as it was before; may be NULL. */
	void (*each)(void *arg, uint64_t va, unsigned level, pt_entry before);
	void *arg;
};

/* Changes the flags of all leaves in a range. Markers stay. Where PT_UFFD_WP is set or PT_READ is not, PT_WRITE is not, whatever is asked for. `gather`, which may be
 * NULL, is told of splits. Returns how many leaves changed.
 * Errors: -PF_EPTCAN (the format has no bit for one of the flags), -PF_ERANGE; those of alloc() and of gather->split(): nothing has changed;
 * -PF_EPAGETABLE. */
long pt_change(struct pt *pt, uint64_t va, uint64_t pages, const struct pt_change *change,
	       const struct pt_gather *gather);

/* PT_PERMISSIONS become `permissions`; 0: the leaves stay, and permit nothing. */
long pt_protect(struct pt *pt, uint64_t va, uint64_t pages, unsigned permissions,
		const struct pt_gather *gather);
/* Stores are to be learned of: PT_WRITE is taken away, PT_UFFD_WP set. The reverse, with PT_WRITE given if `write`. */
long pt_write_protect(struct pt *pt, uint64_t va, uint64_t pages, const struct pt_gather *gather);
long pt_write_unprotect(struct pt *pt, uint64_t va, uint64_t pages, bool write,
			const struct pt_gather *gather);
/* Soft-dirty goes, and PT_WRITE with it, so that the next store faults and who serves it sets both again. */
long pt_clear_soft_dirty(struct pt *pt, uint64_t va, uint64_t pages);
/* Tells `each` of the dirty leaves that have pages in the range, and makes them clean. */
long pt_collect_dirty(struct pt *pt, uint64_t va, uint64_t pages,
		      void (*each)(void *arg, uint64_t va, unsigned level, pt_entry before),
		      void *arg);
/* The same for those that were accessed. Tables that were not are skipped, where the format has that; tables that are in the range whole are cleared, too. */
long pt_clear_young(struct pt *pt, uint64_t va, uint64_t pages,
		    void (*each)(void *arg, uint64_t va, unsigned level, pt_entry before),
		    void *arg);

/* ---- markers (guard.c) ---- */

/* Makes each page of the range a guard. What is mapped there goes first: zap() is called, without the lock, and unmaps the pages from va on, with PT_KEEP_GUARDS, from
 * the tree and from wherever else they are mapped; when others populate the range again and again, a few times. Guards made until an error stay.
 * Errors: -PF_EAGAIN (somebody was always faster: start again), those of zap(), -PF_ERANGE, those of alloc(). */
int pt_guard_install(struct pt *pt, uint64_t va, uint64_t pages,
		     int (*zap)(void *arg, uint64_t va, uint64_t pages), void *arg);
/* Guards in the range go; nothing else changes. */
int pt_guard_remove(struct pt *pt, uint64_t va, uint64_t pages);
/* The page at va, which is not mapped, is lost: who touches it is told so. A guard there stays a guard.
 * Errors: -PF_EMAPPED, -PF_ERANGE, those of alloc(). */
int pt_poison(struct pt *pt, uint64_t va);

/* ---- moving and copying (move.c) ---- */

/* Moves what is at `from`, leaves and markers, to the same number of pages at `to`, where nothing is. Leaves for which `to` is not aligned
 * are split; whole tables move as they are. A reader may find a page at neither place meanwhile. All or nothing.
 * Errors: -PF_ERANGE (also if the ranges overlap), -PF_EMAPPED, -PF_EGUARDED, -PF_EPOISONED, those of alloc() and of gather->split(), -PF_EPAGETABLE. */
int pt_move(struct pt *pt, uint64_t from, uint64_t to, uint64_t pages,
	    const struct pt_gather *gather);

/* For private memory: what is writable becomes read-only in both trees. Without it, the copies are clean. */
#define PT_COPY_PRIVATE 0x1u

/* Copies leaves and markers of a range to the same addresses of another tree, which has the same format and bases, and nothing there. Copies are not young. `gather` is told
 * of each before it is made, and of splits, which are in `from`. All or nothing, but for splits, and for what became read-only.
 * Errors: as pt_move(), those of gather->copy(). */
int pt_copy(struct pt *to, struct pt *from, uint64_t va, uint64_t pages, unsigned how,
	    const struct pt_gather *gather);

/* ---- checking (check.c) ---- */

/* Reports all that is not as these functions leave it: entries that are bad, tables outside the arena, twice in the tree, or
 * empty, leaves whose pages are past the end, not aligned, or do not fit, wrong bits; and a wrong number of tables. Takes the lock. -ENOMEM. */
int pt_check(struct pt *pt, struct report *report);

/* ---- walking (walk.c) ---- */

/* What the walk does after a callback for an entry above level 0; a callback sets walk->action, which is PT_SUBTREE before. */
enum pt_action {
	PT_SUBTREE,  /* goes on below it, if there is a callback for that */
	PT_CONTINUE, /* goes on behind it */
	PT_AGAIN     /* loads the entry again, and looks what it is now */
};

struct pt_walk {
	struct pt *pt;
	const struct pt_walk_ops *ops;
	const struct pt_gather *gather;
	void *arg;
	enum pt_action action;
	uint64_t visits; /* tables that may still be entered */
	bool bare;       /* nothing was installed where that was asked for */
};

/*
 * Callbacks of a walk; each may be NULL. `va` to `last` is the part of the walk's range that the entry maps, `slot` where it is, `e` what it was
 * when it was loaded. 0: goes on. Negative: an error; positive: the caller's own reason to stop. Either ends the walk and is its result.
 *
 * pud, pmd: each entry there that is not none: a leaf or a table. For a leaf, the callback does what is to be done and
 *     says PT_CONTINUE; after PT_SUBTREE the leaf is split if `split` and there is a callback below; otherwise it is skipped.
 * pte: each entry of level 0. When installing only those that are not none.
 * hole: an entry above level 0 that is none, when not installing.
 * install: an entry of level 0 that is none: *e becomes what is stored there (0: nothing). Tables are made on the way.
 *     A leaf in the way is never split for that alone.
 *
 * With `install` or `split` the walk holds the tree's lock, and callbacks call nothing that takes it. Without, it takes none and waits for nobody.
 */
struct pt_walk_ops {
	int (*pud)(struct pt_walk *walk, uint64_t va, uint64_t last, pt_slot *slot, pt_entry e);
	int (*pmd)(struct pt_walk *walk, uint64_t va, uint64_t last, pt_slot *slot, pt_entry e);
	int (*pte)(struct pt_walk *walk, uint64_t va, pt_slot *slot, pt_entry e);
	int (*hole)(struct pt_walk *walk, uint64_t va, uint64_t last, unsigned level);
	int (*install)(struct pt_walk *walk, uint64_t va, pt_entry *e);
	bool split;
};

/* Walks a range in the order of addresses. `gather`, which may be NULL, is told of splits. 0, or what a callback ended it with.
 * Errors: -PF_ERANGE, -PF_EPAGETABLE; with install or split those of alloc() and of gather->split(). */
int pt_walk(struct pt *pt, uint64_t va, uint64_t pages, const struct pt_walk_ops *ops,
	    const struct pt_gather *gather, void *arg);

#endif
