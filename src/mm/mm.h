/*
 * Spaces: the page tables of an attached process, in the runtime's arena, where every other process can walk them, also when their
 * owner is dead.
 *
 * The slot's `root` says where the tree is and what format it has. Tables have physical addresses from SPACE_TABLES on, by their offset in
 * the arena; pages of the pool from SPACE_MEDIA on.
 *
 * Only the owner changes its space, and after its death nobody: who reaps the slot takes all tables at once (space_reap()). Any process
 * reads any space, between space_enter() and space_leave(): no table that it finds there is used for something else before it has
 * left. A reader that is stopped there delays nothing: the tables it may be in stay allocated until it leaves or dies.
 */
#ifndef MM_MM_H
#define MM_MM_H

#include "dax/dax.h"
#include "host/host.h"
#include "page/page.h"
#include "pgtable/pgtable.h"

#define SPACE_TABLES (1ull << 30) /* not 0, which is no table where entries are bare addresses */
#define SPACE_MEDIA  (2ull << 30) /* physical address of pfn 0: above any arena */
#define SPACE_SETTLE_NS \
	10000000ull /* that an owner waits for readers before it lets unlinked tables be */

/* Ranges that do not overlap, in order: a tree, and a list. */
struct range {
	uint64_t start, end;
	struct range *next;
	struct range *left, *right;
	uint32_t priority;
};

struct ranges {
	struct range *root, *first;
	size_t count;
	uint64_t random;
};

struct space {
	struct pt pt;
	struct rt *rt;
	struct pages *pages;
	struct rt_walkers walkers;
	/* Of the windows. */
	pthread_mutex_t lock; /* the space's lock */
	struct fs *fs;
	struct host host;
	uint64_t granule;        /* bytes: of the device */
	struct ranges vmas;      /* by addresses */
	struct ranges pieces;    /* the same: what is there */
	struct ranges files;     /* struct vma_file, by inode number */
	struct vma_file *unused; /* files that had no window when they were listed */
	uint64_t warnings;       /* leaves of other pages met where there should be none */
};

/* The zero page: where a window that is only read shows a hole, pages of this block are mapped, which the pool does not have. Nobody counts them, and they have no
 * descriptors. A machine that runs on the tables is given zeros there, read-only. */
static inline uint64_t space_zero(const struct pages *pages)
{
	return align_up(pages->first + pages->count, BLOCK_PAGES);
}

/* Makes the space of this process, which has none: in the host's format, if `fmt` is NULL. One thread.
 * Errors: -ENOMEM, -PF_ERUNSPACE, -PF_EPTADDRESS, those of rt_lock(). */
int space_make(struct rt_self *me, struct pages *pages, const struct pt_fmt *fmt,
	       struct space **space);
/* Frees it with all its tables; `gather` is told of the leaves that are left. Waits for readers at most SPACE_SETTLE_NS; tables in which one is still
 * go back when the slot does. */
void space_end(struct rt_self *me, struct space *space, const struct pt_gather *gather);
/* Unlinked tables that no reader can be in are used again. How many have to wait. */
size_t space_settle(struct space *space);

/* Reads the space of a slot: `view` is for pt_lookup(), pt_translate() and pt_walk() without install and split, by this thread, until space_leave(). A
 * thread is in one space at a time. 1: it has one; 0: it has none, and nothing is to be left. -PF_EPAGETABLE: its root says nothing. */
int space_enter(struct rt_self *me, const struct pages *pages, unsigned slot, struct pt *view);
void space_leave(struct rt_self *me);

/* All tables of a dead slot become free. False: somebody is reading them; try again later. Reap lock. */
bool space_reap(struct rt_self *me, unsigned slot);
/* Tables that belong to no process. */
void space_check(struct rt *rt, struct report *report);

/* ---- windows ------------------------------------------------------------------------------------ */

/*
 * A window is a vma: a record in the slot (rt_vma), which everybody sees, and `struct vma`, which has what only the owner needs: the pieces that are mapped. A piece is
 * a hold record (kind PF_HOLD_WINDOW) of one run of pages, the leaves that map it, and the host's mapping. The record is the reference: it counts once on each folio that the piece touches, and is
 * found by whoever recounts, reaps, or asks who holds what. So a window's references are those of maps and pins, in one protocol.
 *
 * Order. Making a piece: hold record (count, look again, account), leaves, host. Taking one away: host, leaves, then the record is exchanged and counted down (dax_drop()). So
 * whoever finds a leaf finds its page held, or the leaf gone when it looks again.
 *
 * Nobody changes another process's windows. Who changes what a file has does so first, and then marks the vmas of that range as stale, under the inode's lock (mm_tell()); the owner
 * looks at the file again there (mm_sync()) and makes the window what the file is. Either the teller sees the vma, or the owner sees what the teller changed: the one publishes the
 * record, the other changes entries and size, then both have a full fence, then they look at the other's. What has left the file stays held until the owner has come to it, and is free then.
 * A part of a window may go from one record to another while somebody is telling (vmas are split and merged): the new record is published, or the one that grows has its pages; then
 * fs_inode.windows is counted up; then the old one is retired. So a teller who finds that count as it was when it began has met each part of each window in one of the records; otherwise it begins anew.
 *
 * Locks: the space's lock (of this process only) is taken after inode locks and before the tree's, sections, and the locks of allocator and arena. Under it nobody waits for a locked range,
 * allocates pages of files, or takes an inode's lock: mm_sync() says what is missing, and its caller does that without the lock and calls again.
 */

/* Flags of a window's record, beside PF_MAP_READ, PF_MAP_WRITE and PF_MAP_EXEC. */
#define MM_VMA_EVICT   0x100u /* its owner is to take all its pages away */
#define MM_VMA_EVICTED 0x200u /* that has been done */

/* Of a slot, in `lost`: of all its windows, whatever their records are when the owner looks, so that none is missed that is divided or moved meanwhile. */
#define MM_ALL_STALE 0x1u /* some may be stale that do not say so */
#define MM_ALL_EVICT 0x2u /* to be evicted */

/* A file that windows of this process show: open in the slot as long as one does. */
struct vma_file {
	struct range at; /* its number alone; first, so that a range is its file */
	struct vma_file *next_unused;
	bool listed; /* in space->unused */
	rt_handle *handle;
	uint32_t ino, igen;
	size_t users; /* vmas, and who is about to make one */
	uint64_t
		granule; /* bytes, of addresses and offsets: the device's, or more for device files */
};

/* The space has windows from now on; takes `host` over. */
void mm_begin(struct space *space, struct fs *fs, const struct host *host);
/* Ends all windows; the space has no lock and no host then. Files stay: their handles go with the slot's. One thread. */
void mm_end(struct rt_self *me, struct space *space);

/* Files. Inode lock, but for mm_file_put(). */

/* The file, with one user more; NULL: no window shows it. */
struct vma_file *mm_file_get(struct space *space, uint32_t ino);
/* A new one, with one user: `file` has handle, numbers and granule. */
void mm_file_add(struct space *space, struct vma_file *file);
void mm_file_put(struct space *space, struct vma_file *file);
/* The number of a file that no window shows any more, and is not returned again; 0: there is none. No lock needed. */
uint32_t mm_file_unused(struct space *space);
/* Takes it out; NULL: windows show it again. */
struct vma_file *mm_file_take(struct space *space, uint32_t ino);

/* What mm_sync() cannot do itself. */
struct mm_need {
	uint32_t ino, igen;
	uint64_t index,
		pages; /* -PF_EHOLE: to be allocated and written (io_fill()); -PF_EAGAIN: to be waited for (dax_wait_range()); -PF_EGRANULE: to become one folio */
};

/* Calls on windows. They take the space's lock. */

struct mm_place {
	struct vma_file *file; /* one of its users becomes the window's */
	uint64_t index, pages; /* in the file */
	uint64_t wish;         /* the address, or what is wished for; 0: none */
	unsigned flags;        /* PF_MAP_READ, PF_MAP_WRITE, PF_MAP_EXEC */
	bool fixed, replace;   /* as host_ops.reserve() */
	bool may_write;
};
/* A window that shows nothing yet: mm_sync() is next. Errors: -PF_EALIGN (of what it replaces), -PF_EMAPPED, -PF_EMAPCOUNT, -ENOMEM, -PF_ERUNSPACE, -PF_EHOLDS; nothing has changed. */
int mm_map(struct rt_self *me, struct space *space, const struct mm_place *place, uint64_t *va);
/* What may be done in [va, end) becomes `flags`. -ENOMEM (a part is in no window), -PF_EREADONLY, -PF_EALIGN, -PF_EMAPCOUNT, -PF_ERUNSPACE; -PF_EHOLE: `need` is to be filled first. What comes before that has
 * changed. */
int mm_protect(struct rt_self *me, struct space *space, uint64_t va, uint64_t end, unsigned flags,
	       struct mm_need *need);
/* All of a range is in windows; what was stored there is written back to a persistent device. -ENOMEM. */
int mm_persist(struct space *space, uint64_t va, uint64_t end);

struct mm_remap {
	uint64_t address, length, new_length; /* bytes */
	uint64_t to;                          /* if fixed */
	bool may_move, fixed;
};
/* The range, which is in one window, gets another length, or other addresses: *va. All or nothing, but for what was at a fixed address. -EFAULT, -ENOMEM, -PF_ERANGE, -PF_EALIGN, -PF_EMAPCOUNT, -PF_ERUNSPACE,
 * -PF_EHOLDS; needs as mm_sync(). */
int mm_remap(struct rt_self *me, struct space *space, const struct mm_remap *r,
	     struct mm_need *need, uint64_t *va);
/* Ends what windows there are in [va, end). -PF_EALIGN, -ENOMEM, -PF_ERUNSPACE, -PF_EMAPCOUNT, -PF_EHOLDS: what comes before has ended. */
int mm_unmap(struct rt_self *me, struct space *space, uint64_t va, uint64_t end);

/* Makes the windows of [va, va + pages * 4096) what their files are. 0: they are. -PF_EHOLE, -PF_EAGAIN, -PF_EGRANULE: `need` is missing, and what comes before it is done.
 * Other errors: -PF_EMAPCOUNT, -ENOMEM, -PF_EHOLDS, -PF_ERUNSPACE: from there on SIGBUS is raised. Takes the space's lock. */
int mm_sync(struct rt_self *me, struct space *space, uint64_t va, uint64_t pages,
	    struct mm_need *need);
/* What is to be done about pages that are missing. */
enum mm_lack {
	/* `need` says what: it is to be provided. */
	MM_LACK_TELL,
	/* SIGBUS for holes and what is too small, which stay stale, to be tried once more. */
	MM_LACK_KEEP,
	/* The same, until something changes there. */
	MM_LACK_GIVE_UP
};
/* The same for what others marked as stale since. What would be waited for stays as it is, and stale, unless it is to be told. 1: there was something; 0: nothing. */
int mm_sync_stale(struct rt_self *me, struct space *space, enum mm_lack lack, struct mm_need *need);

/* A leaf that maps a page. */
struct mm_mapping {
	unsigned slot;
	uint64_t va, bytes; /* of the page; of the leaf */
	unsigned flags;     /* PT_ */
};
/* Calls `each` for every leaf that maps page `pfn`, in the windows of all processes, without stopping anybody: what comes or goes meanwhile may be among them or not. Leaves of the zero page are
 * of no page. Returns its first non-zero result, or 0. -PF_EPAGETABLE: a leaf is larger than what it may map, or maps what nobody holds. Never waits. */
int mm_rmap(struct rt_self *me, const struct pages *p, uint64_t pfn,
	    int (*each)(void *arg, const struct mm_mapping *m), void *arg);

/* Pages [first, end) of an inode, or its size, have changed: windows there are stale, and their processes are told. Inode lock. Sets me->told if
 * there are any. Waits for nobody. */
void mm_tell(struct rt_self *me, struct fs *fs, uint32_t ino, uint64_t first, uint64_t end);
/* Waits, at most MM_TELL_NS in all, until the windows of other processes are up to date that were stale when it was called; not for processes that are stopped or dead, or that let an earlier wait
 * pass. No locks held. */
#define MM_TELL_NS 50000000ull
void mm_wait_told(struct rt_self *me);
/* Of who makes the windows of this process up to date, in this order: loads slot->mail, does it, and says so. Wakes who waits. Any thread. */
void mm_seen(struct rt_self *me, uint32_t mail);
/* What others want of all windows of this process is marked in each: a teller could not find all that it was to mark, because we made new records too fast; or they are to be evicted. Before they are
 * looked for, and before a new one comes, which is not meant; the space's lock. */
void mm_find_lost(struct rt_self *me);
/* All windows that a slot's process has now are to lose their pages, and to raise SIGBUS until they are unmapped: mail, and me->told, also when they are ours. Waits for nobody. */
void mm_evict(struct rt_self *me, unsigned slot);

/* Windows of all processes, beside them: what their leaves map is in a window, held for it, and in use; what is held for a window is mapped. Slots that nobody has are
 * empty. `own`: the space of this process; NULL: it has none. Waits MM_TELL_NS for a process in which something seems wrong. No locks. -ENOMEM. */
int mm_check(struct rt_self *me, struct fs *fs, const struct pages *pages, struct space *own,
	     struct report *report);

#endif
