/*
 * pinfold: files in a pool of byte-addressable memory that many processes map and pin.
 *
 * A pool is one memory device (a file on tmpfs or hugetlbfs, a memfd, a file on a DAX file system, /dev/dax) and the
 * runtime beside it, the shared state of the processes that have it open. A hold is a direct map or a pin: an ordinary
 * reference on pages. A page is free when nobody holds it and no file contains it, and never before: truncate, punch,
 * unlink and the death of a process leave held pages to their holders.
 *
 * Results: 0 or positive is success, negative is the negative of a code of enum pf_error or of an errno. pf_strerror()
 * gives a code's sentence, pf_errno() the errno it stands for, pf_message() the last failure of this thread with its
 * particulars (path, pid, range). A call that fails has changed nothing, unless its comment says otherwise.
 *
 * Errors that are not repeated below: every function that is given a pool, file, map or pin may fail with -PF_EFORKED
 * (see Processes), and, in the first call of a thread or when its records are full, with -PF_ETOOMANY (32,768 threads),
 * -PF_ERUNSPACE or -ENOMEM. Every function that reads or changes files or names may fail with -PF_ECORRUPT (the media
 * is damaged) and -PF_ERUNCORRUPT (the runtime is); what waits for a lock, with -PF_ESTOPPED and -PF_ELOCKTIME.
 *
 * Blocking: functions that change a file, a directory or attributes wait for the locks of these inodes, which others
 * have for the time of one call. If a stopped process (SIGSTOP, a debugger) has one, they give up after the lock limit
 * (pf_pool_set_lock_limit()) with -PF_ESTOPPED; if one that runs has it for ten times that long, with -PF_ELOCKTIME.
 * pf_open() and pf_close() wait for the file's lock, too. pf_read(), pf_stat(), maps, pins and lookups wait only where
 * others are changing the same thing, or are emptying the same range by PF_WAIT or PF_TRY. What else a function may block on is
 * said there. No function waits for the host's storage: a pool's memory is memory.
 *
 * Threads: every function may be called from any thread, unless it says otherwise. A handle (pool, file, map, pin) may
 * be used by several threads at once but must not be closed while in use. Calls need up to 48 KiB of stack.
 *
 * Processes: handles belong to the process that opened them; another process opens the pool itself. In a forked child
 * a handle of the parent's is good for nothing: functions that are given one fail with -PF_EFORKED (those that only
 * return a pointer or a number do not look), the memory is not mapped there, and the parent is not affected. No
 * function may be called from a signal handler.
 */
#ifndef PINFOLD_H
#define PINFOLD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The library is built with hidden visibility; what this header declares is visible. */
#pragma GCC visibility push(default)

#define PF_PAGE_SIZE 4096u
#define PF_NAME_MAX  255u  /* bytes in one component of a path, without the terminating NUL */
#define PF_PATH_MAX  4095u /* bytes in a path, without the terminating NUL */

/* One code per kind of failure, its errno, its sentence. Also codes between 1 and 999: plain errno. */
#define PF_ERRORS(X)                                                                                        \
	X(PF_ENOTPOOL, EINVAL, "this is not a pinfold pool; make one with 'pinfold mkfs'")                  \
	X(PF_EVERSION, EPROTONOSUPPORT,                                                                     \
	  "the pool was made by a version of pinfold with another media format; copy its files "            \
	  "out with that version and make the pool anew")                                                   \
	X(PF_ECORRUPT, EUCLEAN, "the pool's media is damaged; 'pinfold fsck POOL' says where")              \
	X(PF_ESHORT, EIO, "the device is shorter than the pool on it; was the file truncated?")             \
	X(PF_EPOOLSIZE, EINVAL, "a pool of this size cannot be made")                                       \
	X(PF_EEXISTPOOL, EEXIST, "there is something at this path already; remove it first")                \
	X(PF_ENODEV, ENODEV, "pinfold cannot use this kind of device")                                      \
	X(PF_ECACHED, EOPNOTSUPP,                                                                           \
	  "the file is on a disk file system, whose page cache writes stores in any order; use tmpfs, "     \
	  "hugetlbfs, a DAX device, or 'mkfs --durability volatile', promising nothing after a power cut")  \
	X(PF_EINUSE, EBUSY,                                                                                 \
	  "the pool is in use through another runtime directory, or its runtime was deleted; "              \
	  "see PINFOLD_RUNTIME_DIR, or 'pinfold recover --force' when nobody uses it")                      \
	X(PF_EMACHINE, EBUSY,                                                                               \
	  "the pool was left open by another machine; 'pinfold recover --force' when it is off")            \
	X(PF_ECOPY, EBUSY,                                                                                  \
	  "the pool is a copy of one that is in use now; copy a closed pool, or "                           \
	  "'pinfold recover --force' the copy")                                                             \
	X(PF_EBUILDING, EBUSY, "another process is opening the pool and has not finished")                  \
	X(PF_ERUNDIR, EACCES,                                                                               \
	  "the runtime directory (PINFOLD_RUNTIME_DIR) cannot be used: not a directory, not yours, or "     \
	  "others may write to it")                                                                         \
	X(PF_ERUNSPACE, ENOSPC,                                                                             \
	  "no space for the runtime in its directory; enlarge that tmpfs or set "                           \
	  "PINFOLD_RUNTIME_DIR to a larger one")                                                            \
	X(PF_ERUNCORRUPT, EUCLEAN,                                                                          \
	  "the pool's runtime is damaged; close all users and open again")                                  \
	X(PF_EMEMFD, EINVAL, "a memfd pool is opened with its two descriptors, not by a path")              \
	X(PF_ETOOMANY, EUSERS, "too many processes have the pool open")                                     \
	X(PF_EFORKED, EPERM, "this is a forked child: open the pool again here")                            \
	X(PF_ESTOPPED, ETIMEDOUT,                                                                           \
	  "a stopped process has a lock that is needed; continue or kill it")                               \
	X(PF_ELOCKTIME, ETIMEDOUT, "a lock was not given back within the time limit")                       \
	X(PF_EREADONLY, EROFS, "the pool or the file was opened for reading only")                          \
	X(PF_ENAME, ENAMETOOLONG, "a name in a path has at most 255 bytes, a path at most 4095")            \
	X(PF_ENOFILE, ENOENT, "no such file or directory in the pool")                                      \
	X(PF_EFILEEXISTS, EEXIST, "the pool has a file of this name already")                               \
	X(PF_ENOTDIR, ENOTDIR, "a part of the path is not a directory")                                     \
	X(PF_EISDIR, EISDIR, "it is a directory")                                                           \
	X(PF_ENOTEMPTY, ENOTEMPTY, "the directory is not empty")                                            \
	X(PF_ELOOP, ELOOP, "too many symbolic links, or one where none is wanted")                          \
	X(PF_EACCESS, EACCES, "the modes of the file or of a directory on the way forbid it")               \
	X(PF_EPERM, EPERM, "only its owner or uid 0 may, or it is immutable or append-only")                \
	X(PF_ENOSPACE, ENOSPC, "the pool is full")                                                          \
	X(PF_ENOINODES, ENOSPC, "the pool has as many files as it can have ('mkfs --inodes')")              \
	X(PF_ENOMETA, ENOSPC,                                                                               \
	  "the pool's metadata zone is full ('mkfs --inodes' makes a larger one)")                          \
	X(PF_ERANGE, EINVAL, "the range is empty, not aligned to pages, or past the end")                   \
	X(PF_EFILESIZE, EFBIG, "a file cannot be this large")                                               \
	X(PF_EHOLE, ENXIO, "the range has a hole; map it writable, or allocate it")                         \
	X(PF_ENOTCONTIG, ENOTSUP, "the range is not in one piece in the pool's memory")                     \
	X(PF_EHELD, EBUSY, "the range is held")                                                             \
	X(PF_EHELDTIME, ETIMEDOUT, "the range was still held when the time was over")                       \
	X(PF_EORPHANS, EDQUOT,                                                                              \
	  "this process keeps as much memory that no file has as it may; give some back")                   \
	X(PF_EHOLDS, EOVERFLOW, "a folio has as many holds as can be counted")                              \
	X(PF_ELOCKED, EAGAIN, "somebody has a lock on these bytes")                                         \
	X(PF_EDEADLOCK, EDEADLK,                                                                            \
	  "who has a lock on these bytes waits, itself or by others, for what this owner has")              \
	X(PF_EFLAGS, EINVAL, "unknown or contradicting flags")                                              \
	X(PF_EALIGN, EINVAL,                                                                                \
	  "addresses, and offsets, of windows are multiples of the pool's granule")                         \
	X(PF_EMAPCOUNT, ENOMEM,                                                                             \
	  "too many mappings of the host for this process (sysctl vm.max_map_count)")                       \
	X(PF_EGRANULE, EBUSY,                                                                               \
	  "a part of the file is in smaller pieces than the device maps, and held, so that it stays there") \
	X(PF_EMAPPED, EEXIST, "something is mapped at this address already")                                \
	X(PF_EGUARDED, EFAULT, "the address is a guard")                                                    \
	X(PF_EPOISONED, EFAULT, "the page at this address is lost")                                         \
	X(PF_EPTLEAF, EINVAL, "no leaf of this size can be there")                                          \
	X(PF_EPTADDRESS, EOVERFLOW, "the page-table format cannot address this memory")                     \
	X(PF_EPTCAN, EOPNOTSUPP, "the page-table format has no bit for this")                               \
	X(PF_EPAGETABLE, EUCLEAN, "the page tables are damaged")                                            \
	X(PF_EDEVICE, EPERM, "a device's size and its pages never change")                                  \
	X(PF_ENOPIECE, ENOSPC,                                                                              \
	  "the pool has no free memory of this size and alignment in one piece")                            \
	X(PF_EREAP, EAGAIN, "internal: a dead process must be reaped first")                                \
	X(PF_EAGAIN, EAGAIN, "internal: try again")

enum pf_error {
	PF_ERROR_BASE = 1000, /* codes below are errnos */
#define PF_ERROR_CODE(name, err, text) name,
	PF_ERRORS(PF_ERROR_CODE)
#undef PF_ERROR_CODE
		PF_ERROR_END
};

/* The sentence for a code, negative or positive, also for an errno; 0 is "success". Never NULL, valid for ever. Any
 * process, also a forked child. */
const char *pf_strerror(int code);
/* The errno (positive) that a code, negative or positive, stands for; an errno stands for itself; 0 for 0. Any process,
 * also a forked child. */
int pf_errno(int code);
/* What the last failed call of this thread has to say, with particulars; "" if none has failed. Valid until this thread's
 * next call. Any process, also a forked child. */
const char *pf_message(void);

typedef struct pf_pool pf_pool; /* a pool opened by this process */
typedef struct pf_file pf_file; /* a file opened by this process */
typedef struct pf_map pf_map;   /* a direct map */
typedef struct pf_pin pf_pin;   /* a pin */

/* ---- making and opening a pool -------------------------------------------------------------- */

#define PF_MKFS_SPARSE \
	0x1u /* do not reserve the space: a store may meet SIGBUS when the host is full */
#define PF_MKFS_VOLATILE 0x2u /* allow a disk file, promising nothing after a power cut */

struct pf_mkfs_options {
	uint64_t size; /* bytes, of the whole pool; 0: the device's own size (devdax) */
	uint64_t
		inodes; /* how many files at most; 0: one per 256 KiB, at least 1,024, at most 1 Mi */
	unsigned flags; /* PF_MKFS_... */
};

/* Makes a pool at `path`: a new file on tmpfs, hugetlbfs or a DAX file system, or on a device-DAX node. Reserves the
 * space unless PF_MKFS_SPARSE. Its root directory belongs to the caller's effective ids, mode 01777. Nothing is left
 * behind when it fails.
 * Errors: -PF_EEXISTPOOL (something is at `path`), -PF_EPOOLSIZE (below 8 MiB, above 1 PiB, too many inodes, or no
 * room for data beside the metadata), -PF_ENODEV (a kind of file that cannot be a pool), -PF_ECACHED (on a disk file
 * system, without PF_MKFS_VOLATILE), -PF_EFLAGS, -ENOSPC (the host has less memory or space), -ENOMEM, and those of
 * open(2).
 * Blocks while the host reserves memory. */
int pf_mkfs(const char *path, const struct pf_mkfs_options *options);

/* Makes a pool in a new memfd. *media_fd and *runtime_fd, close-on-exec, are the pool: it lives as long as somebody has
 * them or has it open. Processes that are given both open it with pf_pool_open_fds(). On failure neither is set.
 * Errors: -PF_EPOOLSIZE, -PF_EFLAGS, -ENOSPC, -EMFILE, -ENOMEM.
 * Blocks while the host reserves memory. */
int pf_mkfs_memfd(const struct pf_mkfs_options *options, int *media_fd, int *runtime_fd);

#define PF_POOL_RDONLY \
	0x1u /* never map the media writable: change no file, settle nothing, make no runtime */
#define PF_POOL_NO_THREAD 0x2u /* no service thread in this process: call pf_reap() yourself */
#define PF_POOL_FORCE     0x4u /* open although it seems to be in use elsewhere ('recover --force') */

/* Opens (attaches to) a pool. The first process that does recovers it, checks its metadata and rebuilds its free space.
 * `flags`: a sum of PF_POOL_..., or 0. Unless PF_POOL_NO_THREAD a thread is started that gives back what killed processes
 * held and keeps windows up to date; with PF_POOL_RDONLY for the latter alone, at the first window. A process may open a
 * pool several times: each counts as a process.
 * Errors: -PF_ENOTPOOL, -PF_EVERSION (another media format), -PF_ECORRUPT (pf_message() says where), -PF_ESHORT,
 * -PF_ENODEV, -PF_ECACHED, -PF_EINUSE, -PF_EMACHINE and -PF_ECOPY (in use elsewhere: docs/recovery.md), -PF_EBUILDING
 * (another process has been opening it for 5 s), -PF_ERUNDIR, -PF_ERUNSPACE, -PF_ERUNCORRUPT, -PF_ETOOMANY (2,048
 * processes), -PF_EREADONLY (PF_POOL_RDONLY and nobody has it open), -PF_EMEMFD, -PF_EFLAGS, -ENOENT, -EACCES, -EMFILE,
 * -ENOMEM.
 * Blocks for the first one: as long as looking at all metadata takes; for the others until it is done, 5 s at most. */
int pf_pool_open(const char *path, unsigned flags, pf_pool **pool);
/* The same for a memfd pool; the descriptors stay the caller's and may be closed afterwards.
 * Errors: as pf_pool_open(); -PF_EMEMFD, -EBADF. */
int pf_pool_open_fds(int media_fd, int runtime_fd, unsigned flags, pf_pool **pool);

/* From now on `report` is told about ten times a second how far this process has come with the first opening of a pool:
 * `done` of `total` of `what` ("inodes", "directories", "what a kill left"; a text that stays valid). It is called by
 * the thread that opens and must not call the library. NULL: nobody is told, which is so at first. Not to be called
 * while another thread opens a pool. */
void pf_on_progress(void (*report)(void *arg, const char *what, uint64_t done, uint64_t total),
		    void *arg);

/* Whether a living process has the pool open: 1, 0, or an error. Opens nothing and changes nothing; who uses it through
 * another runtime directory is not seen.
 * Errors: -PF_ENOTPOOL, -PF_EVERSION, -PF_ECORRUPT, -PF_ENODEV, -PF_ERUNDIR, -ENOENT, -EACCES. */
int pf_in_use(const char *path);

/* Gives back all holds and handles of this process in the pool, and the pool. Files of the pool are closed with it;
 * its maps and pins must not be used afterwards (unmap and unpin first, or their handles' few bytes stay allocated).
 * Pointers into the pool become invalid. The last process to close marks the pool clean. No other thread may be using
 * the pool. Returns 0, also for NULL.
 * Errors: -PF_EFORKED. */
int pf_pool_close(pf_pool *pool);

/* Time limit in milliseconds for locks that a stopped process has (1000 at first), for all calls of this process in the
 * pool. */
void pf_pool_set_lock_limit(pf_pool *pool, unsigned milliseconds);
/* Memory in bytes that this process may keep although it has left its files (truncated, replaced, removed); 0: any,
 * which it is at first. Beyond it new maps and pins fail with -PF_EORPHANS until some are given back. With a limit each
 * map and pin looks through the holds that the process has. */
void pf_pool_set_orphan_limit(pf_pool *pool, uint64_t bytes);
/* How many seconds memory that killed processes held waits in quarantine where it cannot be replaced (30 at first; see
 * pf_regions()). This process's service thread and its pf_reap() go by it. */
void pf_pool_set_quarantine(pf_pool *pool, unsigned seconds);

/* ---- paths and callers ---------------------------------------------------------------------- */

/* A path has components of at most PF_NAME_MAX bytes, '/' between them, and begins at the pool's root directory, with
 * or without a leading '/'. "." and ".." and symbolic links mean what they mean elsewhere; at most 40 links are
 * followed, and ".." of the root is the root.
 * Every function with a path may fail with -PF_ENOFILE (a component is not there, or the path is empty), -PF_ENOTDIR (it
 * is no directory), -PF_ENAME (a component or the path is too long), -PF_ELOOP, -PF_EACCESS (a directory on the way may
 * not be searched); and if it changes a directory, with -PF_EREADONLY, -PF_EACCESS (it may not be written), -PF_EPERM
 * (immutable, append-only, or sticky and another's), -PF_ENOINODES and -PF_ENOMETA (no room for what is new). -PF_EAGAIN:
 * what it leads to was another thing at each of a thousand looks. */

/* Who asks: checked against owner, group and mode of files, and the owner of what is made. */
struct pf_caller {
	uid_t uid; /* 0 may do everything */
	gid_t gid;
	const gid_t *groups; /* supplementary ones */
	size_t group_count;
};
/* From now on calls of this thread, in all pools, are made for `caller`, which must stay where it is; NULL: for the
 * effective ids and groups that the process had when it opened the pool, which is so at first. It is a label for a
 * server that works for others: a process that may open the pool may also store into its memory. */
void pf_act_as(const struct pf_caller *caller);

/* ---- files ---------------------------------------------------------------------------------- */

#define PF_O_RDONLY    0x0u
#define PF_O_RDWR      0x1u
#define PF_O_CREATE    0x2u  /* create it if it is not there */
#define PF_O_EXCL      0x4u  /* with CREATE: fail if it is there, also as a symbolic link */
#define PF_O_TRUNC     0x8u  /* with RDWR: truncate to 0 */
#define PF_O_DIRECTORY 0x10u /* fail unless it is a directory */
#define PF_O_NOFOLLOW \
	0x20u /* the last component may not be a symbolic link (-PF_ELOOP), but see PF_O_PATH */
#define PF_O_PATH \
	0x40u /* only names it, whatever it is, needs no permission on it: for attributes; no reading or writing */
#define PF_O_TMPFILE \
	0x80u /* with RDWR: a new file without a name, in the directory that the path leads to; see pf_link_file(). With EXCL: it never gets one */
#define PF_O_APPEND 0x100u /* with RDWR: every pf_write() is a pf_append() */
#define PF_O_WRONLY \
	0x200u /* with RDWR: not to be read, mapped or pinned (-EBADF), and needs no permission for it */

/* Opens a file, or a directory (PF_O_RDONLY, PF_O_PATH). New files get the permissions in `mode` (no umask is applied),
 * the caller's uid, and the caller's gid or, in a setgid directory, the directory's; set-gid is taken away where the
 * caller may not give it. *file is to be given to pf_close().
 * Errors: those of paths, -PF_EFILEEXISTS (PF_O_EXCL), -PF_EISDIR (to write or create), -PF_ENOTDIR (PF_O_DIRECTORY),
 * -PF_ELOOP (PF_O_NOFOLLOW), -PF_EACCESS, -PF_EPERM (immutable, or append-only without PF_O_APPEND, to write),
 * -PF_EREADONLY (to write or create in a pool opened with PF_POOL_RDONLY), -PF_EFLAGS, -ENOMEM. If the truncation of
 * PF_O_TRUNC fails, the file may have been made. */
int pf_open(pf_pool *pool, const char *path, unsigned flags, mode_t mode, pf_file **file);
/* The same file once more, with other flags: by what `file`, which may be opened with PF_O_PATH, stands for, whatever
 * names it has now. Permissions are checked as by pf_open(). No PF_O_CREATE, no PF_O_TMPFILE.
 * Errors: as pf_open(), but for those of paths. */
int pf_reopen(pf_file *file, unsigned flags, pf_file **again);
/* Closes; maps and pins made through the file stay. A file without a name goes with its last handle. NULL: does
 * nothing. If it fails with -PF_ESTOPPED or -PF_ELOCKTIME the file is still open. */
int pf_close(pf_file *file);

/* Copies up to `length` bytes from byte `offset`; holes read as zeros. Returns the bytes copied, fewer only at the end
 * of the file; 0 past it. Takes no lock: beside a writer it may see some of its bytes.
 * Errors: -PF_EISDIR, -EBADF (opened with PF_O_PATH). */
ssize_t pf_read(pf_file *file, void *buffer, size_t length, uint64_t offset);
/* Copies into the file from byte `offset` on, allocating and extending as needed. Who maps or pins the range sees the
 * new bytes. Returns `length`, or fewer bytes if space ran out after some, or an error and nothing was written.
 * Errors: -PF_ENOSPACE, -PF_ENOMETA, -PF_EREADONLY (not opened with PF_O_RDWR), -PF_EFILESIZE (past 4 PiB), -PF_EPERM
 * (immutable; append-only and not at the end).
 * Blocks while others write to the file, or empty the range by PF_WAIT or PF_TRY. */
ssize_t pf_write(pf_file *file, const void *buffer, size_t length, uint64_t offset);
/* The same at the end of the file; whole with respect to other appends. Errors and blocking as pf_write(). */
ssize_t pf_append(pf_file *file, const void *buffer, size_t length);
/* On a persistent device, what was written to the file before is there after a power cut when this returns. (Bytes
 * stored through maps and pins are the caller's to write back.) */
int pf_sync(pf_file *file);

enum pf_seek { PF_SEEK_DATA, PF_SEEK_HOLE };
/* The first byte at or after `offset` that is data (or in a hole; the end of the file is one). What is allocated and was
 * never written is a hole.
 * Errors: -ENXIO (there is none before the end, or `offset` is past it), -PF_EFLAGS, -PF_EISDIR, -EBADF. */
int64_t pf_seek(pf_file *file, uint64_t offset, enum pf_seek what);

/* What to do about holds on pages that are to leave a file. */
enum pf_policy {
	PF_DETACH, /* never wait: held pages leave the file and are freed by the last holder */
	PF_WAIT,   /* wait until nobody holds them; -PF_EHELDTIME after the timeout */
	PF_TRY,    /* -PF_EHELD, naming the holders, if somebody holds them */
};

/* Sets the size in bytes. What is cut off leaves the file; what is added reads as zeros. Pages leave as they are, for
 * their holders; a page in which the file ended and now goes on stays, and the bytes added in it are zeroed in place.
 * `timeout_ms` is for PF_WAIT; negative: no limit.
 * Errors: -PF_EHELD (PF_TRY), -PF_EHELDTIME (PF_WAIT), -PF_EREADONLY, -PF_EFILESIZE (past 4 PiB), -PF_EPERM (immutable,
 * append-only), -PF_EFLAGS. -PF_ENOMETA: the size is set, and what was cut off goes later.
 * Blocks with PF_WAIT for holders; meanwhile new maps, pins, reads and writes of the range wait, too. */
int pf_truncate(pf_file *file, uint64_t size, enum pf_policy policy, int timeout_ms);
/* Makes a hole of `length` bytes at `offset`: they read as zeros afterwards. Whole pages leave the file; parts of pages
 * are zeroed in place. The size stays.
 * Errors: as pf_truncate(); -PF_ERANGE (length 0, or past 4 PiB). Blocks as pf_truncate(). */
int pf_punch(pf_file *file, uint64_t offset, uint64_t length, enum pf_policy policy,
	     int timeout_ms);
#define PF_ALLOC_KEEP_SIZE 0x1u /* do not extend the file: pages past its end wait for it to grow */
#define PF_ALLOC_ZERO      0x2u /* and the whole range reads as zeros afterwards, written or not */
/* Allocates pages for `length` bytes at `offset`, which read as zeros where there were none, and extends the size to
 * cover them. Tries to make it one piece. All or nothing. Takes time for the number of pages, not for their bytes:
 * memory is zeroed when it is first written, mapped or pinned.
 * Errors: -PF_ENOSPACE, -PF_ENOMETA, -PF_EREADONLY, -PF_EFILESIZE, -PF_EPERM (immutable, append-only), -PF_ERANGE
 * (length 0), -PF_EFLAGS, -ENOMEM.
 * Blocks as pf_write(). */
int pf_allocate(pf_file *file, uint64_t offset, uint64_t length, unsigned flags);

/* Makes a device at `path`: a file that is one piece of memory of `size` bytes at a multiple of `align` (4 KiB, 2 MiB or 1 GiB)
 * of the pool's bytes, all of it there, and zeros. Its size, and which pages it has, never change, and they never move:
 * what would is refused with -PF_EDEVICE (pf_truncate() to another size, pf_punch(), pf_allocate() and writing past its
 * end, PF_O_TRUNC). Windows on it are made at multiples of `align` only, with leaves as large as that. All else is as with
 * any file, also its removal. The name is there when the device is whole.
 * Errors: -PF_ERANGE (another alignment, one below the granule of the pool's device, or a size that is 0 or no multiple of
 * it), -PF_ENOPIECE, -PF_ENOMETA, those of pf_open() with PF_O_TMPFILE and of pf_link_file().
 * Blocks to zero its pages, and while it moves idle pages of other files out of the way. */
int pf_device_make(pf_pool *pool, const char *path, uint64_t size, uint64_t align, mode_t mode);

/* ---- attributes ----------------------------------------------------------------------------- */

#define PF_FLAG_IMMUTABLE \
	0x1u /* nothing of it changes: no bytes, attributes, names; only uid 0 sets or takes it away */
#define PF_FLAG_APPEND 0x2u /* it only grows, by appends; a directory: entries come and do not go */

struct pf_stat {
	uint64_t inode, generation;
	uint64_t
		size; /* bytes; of a directory: its entries; of a symbolic link: the length of what it says */
	uint64_t allocated;                              /* bytes of pages in the file */
	uint64_t atime_ns, mtime_ns, ctime_ns, btime_ns; /* since 1970 */
	uint32_t mode; /* type and permissions, as in stat(2): S_IFREG, S_IFDIR, S_IFLNK */
	uint32_t uid, gid, nlink;
	uint32_t flags;  /* PF_FLAG_... */
	uint64_t device; /* bytes: the alignment of a device (pf_device_make()); 0: it is none */
};
/* All attributes of an open file (also one opened with PF_O_PATH), as they were at one moment. No lock. */
int pf_stat(pf_file *file, struct pf_stat *stat);
/* The same of the file that the path leads to; flags: 0 or PF_O_NOFOLLOW (of a symbolic link itself).
 * Errors: those of paths, -PF_EFLAGS. */
int pf_stat_path(pf_pool *pool, const char *path, unsigned flags, struct pf_stat *stat);

#define PF_SET_MODE  0x1u
#define PF_SET_UID   0x2u
#define PF_SET_GID   0x4u
#define PF_SET_ATIME 0x8u
#define PF_SET_MTIME 0x10u
#define PF_SET_FLAGS 0x20u
#define PF_NOW       UINT64_MAX /* as a time: now */
struct pf_setattr {
	unsigned set; /* PF_SET_...: which of these */
	uint32_t mode, uid, gid, flags;
	uint64_t atime_ns, mtime_ns;
};
/* Changes attributes, all or none, by the rules of chmod(2), chown(2), utimensat(2).
 * Errors: -PF_EPERM (not the owner, immutable, append-only), -PF_EACCESS (both times to PF_NOW, and the file may not be
 * written), -PF_EREADONLY (the pool was opened with PF_POOL_RDONLY), -PF_EFLAGS, -EINVAL (uid or gid 2^32 - 1),
 * -EOPNOTSUPP (mode or flags of a symbolic link). */
int pf_setattr(pf_file *file, const struct pf_setattr *attr);
/* Whether this thread's caller may do this with the file: a sum of R_OK, W_OK, X_OK, or 0 for F_OK. 0: yes.
 * Errors: those of paths, -PF_EACCESS (no), -PF_EREADONLY, -PF_EPERM (to write what is immutable), -PF_EFLAGS. */
int pf_access(pf_pool *pool, const char *path, int mode);

/* Extended attributes: names begin with "user." (files and directories; needs permission to read or write the file) or
 * "security." (uid 0 changes them) and have 255 bytes at most; names and values of one file together 4,080 bytes, of
 * which each attribute takes 4 for itself. */
#define PF_XATTR_CREATE  0x1u /* -EEXIST if it is there */
#define PF_XATTR_REPLACE 0x2u /* -ENODATA if not */
/* Sets attribute `name` to `size` bytes of `value`, in one step.
 * Errors: -EEXIST, -ENODATA (see the flags), -EOPNOTSUPP (another prefix), -EINVAL (nothing behind the prefix), -ERANGE
 * (a name of 0 or more than 255 bytes), -E2BIG (no room), -PF_EACCESS, -PF_EPERM, -PF_EREADONLY, -PF_ENOMETA,
 * -PF_EFLAGS. */
int pf_setxattr(pf_file *file, const char *name, const void *value, size_t size, unsigned flags);
/* Copies the value into the `size` bytes at `value`; size 0 only asks. Returns the value's length.
 * Errors: -ENODATA (there is none), -ERANGE (`size` is too small), -EOPNOTSUPP, -EINVAL, -PF_EACCESS. */
ssize_t pf_getxattr(pf_file *file, const char *name, void *value, size_t size);
/* Copies the names, each with its NUL, into the `size` bytes at `names`; size 0 only asks. Returns their length.
 * Errors: -ERANGE (`size` is too small). */
ssize_t pf_listxattr(pf_file *file, char *names, size_t size);
/* Removes attribute `name`.
 * Errors: -ENODATA (there is none), -EOPNOTSUPP, -EINVAL, -ERANGE, -PF_EACCESS, -PF_EPERM, -PF_EREADONLY. */
int pf_removexattr(pf_file *file, const char *name);

/* ---- names ---------------------------------------------------------------------------------- */

/* Makes an empty directory; owner and group as pf_open(). Set-gid comes from its directory, never from `mode`, as with
 * mkdir(2).
 * Errors: those of paths, -PF_EFILEEXISTS. */
int pf_mkdir(pf_pool *pool, const char *path, mode_t mode);
/* Removes an empty directory.
 * Errors: those of paths, -PF_ENOTEMPTY, -PF_ENOTDIR, -EBUSY (the root), -EINVAL (a path that ends in "."). */
int pf_rmdir(pf_pool *pool, const char *path);
/* Removes the name, of a symbolic link itself. A file goes with its last name and handle; maps and pins go on.
 * Errors: those of paths, -PF_EISDIR. */
int pf_unlink(pf_pool *pool, const char *path);
/* Another name for the file `from` (no directory; a symbolic link is not followed).
 * Errors: those of paths, -PF_EFILEEXISTS, -PF_EPERM (a directory, immutable, append-only), -EMLINK (2^31 - 1 names). */
int pf_link(pf_pool *pool, const char *from, const char *to);
#define PF_LINK_REPLACE 0x1u
/* Gives a file that was opened with PF_O_TMPFILE, without PF_O_EXCL (or has a name already) the name `to`. With
 * PF_LINK_REPLACE a file that has this name loses it in the same step: what was written becomes visible whole.
 * Errors: those of paths, -PF_EFILEEXISTS, -PF_EISDIR, -PF_EPERM (as pf_link()), -PF_ENOFILE (all its names were
 * removed), -EMLINK, -PF_EFLAGS. */
int pf_link_file(pf_file *file, const char *to, unsigned flags);
/* Makes a symbolic link that says `target`, 1 to 4095 bytes.
 * Errors: those of paths, -PF_EFILEEXISTS, -PF_ENOFILE (`target` is empty), -PF_ENAME (it is too long). */
int pf_symlink(pf_pool *pool, const char *target, const char *path);
/* Up to `size` bytes of what the link says, without a NUL; returns how many.
 * Errors: those of paths, -EINVAL (it is no symbolic link). */
ssize_t pf_readlink(pf_pool *pool, const char *path, char *target, size_t size);

#define PF_RENAME_NOREPLACE 0x1u /* -PF_EFILEEXISTS if the new name is there */
#define PF_RENAME_EXCHANGE  0x2u /* both are there and change places */
/* Renames, in one step; what has the new name loses it, as by pf_unlink() or pf_rmdir(). Two names of one file: nothing
 * happens.
 * Errors: those of paths, and as rename(2): -PF_EISDIR, -PF_ENOTDIR, -PF_ENOTEMPTY, -EINVAL (a directory into itself),
 * -EBUSY (the root, or a path that ends in "." or ".."), -PF_EFILEEXISTS (PF_RENAME_NOREPLACE), -PF_EFLAGS. */
int pf_rename(pf_pool *pool, const char *from, const char *to, unsigned flags);

struct pf_entry {
	const char *name; /* valid until the next call with this handle */
	uint64_t inode;
	uint32_t type;   /* S_IFREG, S_IFDIR, S_IFLNK */
	uint64_t cursor; /* where to go on after it */
};
/* The first entry of a directory after `cursor`; 0: from the beginning. 1, or 0 at the end. "." and ".." are not among
 * them. An entry that is there all the time is seen once, whatever comes and goes meanwhile; cursors stay good, also for
 * another handle or after the directory has changed. The handle is used by one thread at a time.
 * Errors: -PF_ENOTDIR, -EBADF (opened with PF_O_PATH), -ENOMEM. */
int pf_readdir(pf_file *directory, uint64_t cursor, struct pf_entry *entry);
/* Waits until a name in the directory has come, gone, or leads elsewhere since *seen, and puts into *seen what to begin
 * with next time; 0 at first, which does not wait. So: watch, read the directory, and watch again; nothing is missed
 * that happens in between. *seen means nothing to another pf_file or after the pool was closed. What happens to the
 * bytes and attributes of files is no change of the directory; publish by pf_rename() or pf_link_file().
 * Returns 1, or 0 when `timeout_ms` are over (negative: no limit).
 * Errors: -PF_ENOFILE (the directory was removed), -PF_ENOTDIR, -EBADF (opened with PF_O_PATH), -EINTR (a signal came).
 * Blocks without using the CPU; who changes the directory wakes. */
int pf_watch(pf_file *directory, uint64_t *seen, int timeout_ms);
/* Calls `each` for every entry of the directory at `path`, in no order; stops when it returns non-zero and returns that.
 * The pointers are valid during the call. `each` may call the library.
 * Errors: those of paths, -PF_EACCESS, -ENOMEM. */
int pf_list(pf_pool *pool, const char *path,
	    int (*each)(void *arg, const char *name, const struct pf_stat *stat), void *arg);

/* ---- paths from a directory ------------------------------------------------------------------ */

/* Paths that begin at `dir`, a directory that is open (PF_O_RDONLY, PF_O_PATH); one with a leading '/' begins at the root
 * all the same. In a directory that was removed nothing is found and nothing made (-PF_ENOFILE).
 * Errors and blocking of the functions below: as those without "at"; -PF_ENOTDIR (`dir` is none); with two directories
 * -EXDEV (they are of different pools). */

/* As pf_open(), from a directory. */
int pf_openat(pf_file *dir, const char *path, unsigned flags, mode_t mode, pf_file **file);
/* As pf_stat_path(), from a directory. */
int pf_statat(pf_file *dir, const char *path, unsigned flags, struct pf_stat *stat);
/* As pf_mkdir(), in a directory. */
int pf_mkdirat(pf_file *dir, const char *path, mode_t mode);
#define PF_UNLINK_DIRECTORY 0x1u
/* As pf_unlink(), from a directory; with PF_UNLINK_DIRECTORY pf_rmdir(). */
int pf_unlinkat(pf_file *dir, const char *path, unsigned flags);
/* As pf_link(), from one directory to another, or the same. */
int pf_linkat(pf_file *from_dir, const char *from, pf_file *to_dir, const char *to);
/* As pf_link_file(), into a directory. */
int pf_link_fileat(pf_file *file, pf_file *dir, const char *to, unsigned flags);
/* As pf_symlink(), in a directory. */
int pf_symlinkat(const char *target, pf_file *dir, const char *path);
/* As pf_readlink(), from a directory. With an empty path, of `dir` itself: a symbolic link opened with PF_O_PATH and
 * PF_O_NOFOLLOW. */
ssize_t pf_readlinkat(pf_file *dir, const char *path, char *target, size_t size);
/* As pf_rename(), from one directory to another, or the same. */
int pf_renameat(pf_file *from_dir, const char *from, pf_file *to_dir, const char *to,
		unsigned flags);

/* ---- direct maps ---------------------------------------------------------------------------- */

#define PF_MAP_READ 0x1u
#define PF_MAP_WRITE \
	0x2u /* allocates holes first, all or none; they stay if the call fails later (-ENOMEM) */

/* Maps a range of a file, in bytes: a pointer into the pool, no copy, no system call, never revoked. `flags`: PF_MAP_READ,
 * PF_MAP_WRITE or both. The pages that contain the range are held, which must be one piece of memory; the last one may
 * reach past the end of the file. *map is to be given to pf_unmap(). With PF_MAP_READ alone the pointer is into a
 * read-only mapping.
 * Errors: -PF_ENOTCONTIG (pf_message() names the longest piece; see pf_allocate()), -PF_EHOLE (without PF_MAP_WRITE; what
 * is allocated is no hole), -PF_ERANGE (empty, or past the end), -PF_EREADONLY, -PF_ENOSPACE, -PF_ENOMETA, -PF_EHOLDS
 * (2^24 - 1 on one folio), -PF_EORPHANS (see pf_pool_set_orphan_limit()), -PF_EISDIR, -EBADF, -PF_EFLAGS, -ENOMEM.
 * Blocks to allocate or zero pages, and while others empty the range. */
int pf_map_file(pf_file *file, uint64_t offset, uint64_t length, unsigned flags, pf_map **map);
/* The address of the first byte asked for; valid until pf_unmap() or pf_pool_close(). */
void *pf_map_address(const pf_map *map);
/* The bytes that were asked for. */
uint64_t pf_map_length(const pf_map *map);
/* 1 when pages have left the file since the map was made (truncate, punch, unlink), so the map may show what the file no
 * longer has; else 0. A few loads; no lock.
 * Errors: -PF_EFORKED. */
int pf_map_stale(const pf_map *map);
/* Gives the map back; the pointer is invalid from now on. NULL: does nothing. Waits for no lock but, if memory becomes
 * free by it, the allocator's, and does not fail for that. */
int pf_unmap(pf_map *map);

/* ---- windows -------------------------------------------------------------------------------- */

/* A window is a mapping at addresses of its own, as mmap(2) makes them: it shows the file, and not the pages that the file had. What a truncation
 * removes raises SIGBUS in every process, a hole that is punched reads as zeros, what the file gets later is there.
 *
 * A window has its pages from the beginning: where the file has holes, one that may be written allocates them (also when they are punched later, or the file
 * grows over them; where there is no space, SIGBUS), one that may only be read shows zeros. It goes on when its pf_file is closed and when the file is removed.
 *
 * Other processes bring their windows up to date themselves: their service thread does, or with PF_POOL_NO_THREAD their own pf_pump(). A call that
 * changes what a file has returns when all have, waiting at most 50 ms, and not at all for a process that is stopped or let the last 50 ms pass; until
 * such a process has, its windows keep the old pages, which belong to no file any more.
 *
 * Addresses, lengths and offsets are multiples of the pool's granule (4096 bytes, or what the device's pages have: pf_info()); lengths are rounded up.
 * Those of windows on a device (pf_device_make()) are multiples of its alignment, lengths too, and such a window is cut nowhere else.
 * Errors of all functions on ranges: -PF_EALIGN (an address, offset or length is no such multiple). */
#define PF_MAP_EXEC 0x4u /* with READ: may be executed, if the host allows that of this memory */
#define PF_MAP_FIXED \
	0x8u /* at `address` exactly, replacing whatever this process has mapped there */
#define PF_MAP_NOREPLACE 0x10u /* with FIXED: -PF_EMAPPED if something is mapped there */
#define PF_MAP_POPULATE  0x20u /* and the host's page tables are filled, so that no touch faults */

/* Makes a window on `length` bytes of `file` at byte `offset`, which may reach past the end of the file. `flags`: PF_MAP_READ, alone or with others;
 * without PF_MAP_FIXED, `address` is a wish (NULL: none). *window gets the address.
 * Errors: -PF_ERANGE (empty, or past 4 PiB), -PF_EALIGN, -PF_EFLAGS, -PF_EMAPPED, -PF_EREADONLY (PF_MAP_WRITE, and the file was not opened with PF_O_RDWR),
 * -PF_ENOSPACE, -PF_ENOMETA, -PF_EMAPCOUNT (it would take too many of the host's mappings: the file is in too many pieces), -PF_EGRANULE (a part of the file is in
 * smaller pieces than the device can map, and is held, so that it cannot be moved), -PF_EHOLDS, -PF_EORPHANS, -PF_EISDIR, -EBADF, -EPERM (PF_MAP_EXEC: the host
 * mounted the pool with noexec), -ENOMEM.
 * Blocks to allocate and zero pages, for the file's lock, and while others empty the range. */
int pf_window_map(pf_file *file, void *address, uint64_t length, unsigned flags, uint64_t offset,
		  void **window);
/* Ends windows, or the parts of them, that are at [address, + length); what is at other addresses stays. Where there are none, nothing happens.
 * Errors: -PF_ERANGE (empty), -PF_EALIGN, -PF_EMAPCOUNT, -ENOMEM. */
int pf_window_unmap(pf_pool *pool, void *address, uint64_t length);
/* What may be done in the range becomes `flags`: a sum of PF_MAP_READ, PF_MAP_WRITE, PF_MAP_EXEC, or 0 for nothing.
 * Errors: -ENOMEM (a part of the range is in no window; what comes before it has changed), -PF_EREADONLY, -PF_ERANGE, -PF_EALIGN, -PF_EFLAGS,
 * -PF_ENOSPACE, -PF_ENOMETA, -PF_EMAPCOUNT. Blocks as pf_window_map(). */
int pf_window_protect(pf_pool *pool, void *address, uint64_t length, unsigned flags);
#define PF_REMAP_MAYMOVE 0x1u /* it may get other addresses */
#define PF_REMAP_FIXED   0x2u /* with MAYMOVE: it gets `to`, replacing what is there */
/* A window, or a part of one, at [address, + length) gets `new_length` bytes: what is more shows what comes next in the file. *window gets its address.
 * Errors: -EFAULT (the range is not all in one window), -ENOMEM (it cannot grow where it is, and may not move), -PF_ERANGE (a length of 0, or ranges that overlap), -PF_EALIGN,
 * -PF_EFLAGS, and as pf_window_map(). On failure all is as it was. */
int pf_window_remap(pf_pool *pool, void *address, uint64_t length, uint64_t new_length,
		    unsigned flags, void *to, void **window);
/* Writes what was stored in the range back to a persistent device; else does nothing.
 * Errors: -ENOMEM (a part of the range is in no window), -PF_ERANGE, -PF_EALIGN. */
int pf_window_sync(pf_pool *pool, const void *address, uint64_t length);
/* Pins `length` bytes at an address in windows of this process, any multiple of 1, as pf_pin_file() does. Without a system call and a lock where pages are there.
 * Errors: -EFAULT (a part is in no window, may not be read, or written with PF_PIN_WRITE; past the end of the file; evicted), -PF_EHOLE (only to be read, and a hole), -PF_ERANGE
 * (empty), -PF_EHOLDS, -PF_EORPHANS, -PF_EFLAGS, -PF_EAGAIN (others changed the file at each of several looks), -ENOMEM. */
int pf_window_pin(pf_pool *pool, const void *address, uint64_t length, unsigned flags,
		  pf_pin **pin);
/* Brings this process's windows up to date and gives notices (pf_pin_notice()), as the service thread does; first waits at most `timeout_ms` for something to do (negative: no limit).
 * For processes with PF_POOL_NO_THREAD, from a thread that does little else. Returns 1 if there was something, else 0.
 * Errors: -EINTR (a signal came). */
int pf_pump(pf_pool *pool, int timeout_ms);

struct pf_window {
	uint64_t address, length; /* bytes, in that process */
	unsigned flags;           /* PF_MAP_READ, PF_MAP_WRITE, PF_MAP_EXEC */
	uint64_t inode;
	const char *name;  /* of the file; NULL: it has none any more */
	uint64_t offset;   /* bytes in the file */
	uint64_t resident; /* bytes that its page tables map */
	uint64_t leaf[3];  /* how many leaves of 4 KiB, 2 MiB, 1 GiB these are */
	int stale;         /* it has still to be brought up to date */
	int evicted;       /* by pf_evict(): touching it raises SIGBUS */
};
/* Calls `each` for every window of process `pid` in the order of addresses, without stopping it. Returns its first non-zero result, or 0. The pointers are valid during the
 * call. Never waits for a lock.
 * Errors: -ESRCH (that process does not have the pool open), -ENOMEM. */
int pf_windows(pf_pool *pool, pid_t pid, int (*each)(void *arg, const struct pf_window *window),
	       void *arg);

/* ---- pins ----------------------------------------------------------------------------------- */

#define PF_PIN_WRITE    0x2u /* pages will be written: allocates holes first, as PF_MAP_WRITE */
#define PF_PIN_LONGTERM 0x4u /* says that it may last: shown to others, same rules */

struct pf_chunk {
	unsigned region; /* index into pf_regions() */
	uint64_t offset; /* bytes from the start of that region */
	void *address;   /* in this process */
	uint64_t length; /* bytes */
};

/* Pins a range of a file, in bytes, for I/O: like a map, but the memory may be in several pieces, which are writable
 * whatever the flags say, unless the pool was opened with PF_POOL_RDONLY. Keep the pin until the I/O is seen to be
 * complete. *pin is to be given to pf_unpin().
 * Errors and blocking as pf_map_file(), without -PF_ENOTCONTIG. */
int pf_pin_file(pf_file *file, uint64_t offset, uint64_t length, unsigned flags, pf_pin **pin);
/* The pieces in file order; *count gets their number, 1 or more. Valid until pf_unpin(). */
const struct pf_chunk *pf_pin_chunks(const pf_pin *pin, size_t *count);
/* From now on 1 is written to `eventfd` whenever somebody wants the pages of this pin back: a truncation or punch with
 * PF_WAIT that waits for it, or pf_evict(). What to do then is up to you; nothing is taken away. The descriptor is
 * duplicated; -1: no notices any more. The process's service thread writes it, or with PF_POOL_NO_THREAD your own
 * pf_reap().
 * Errors: -EBADF, -EMFILE. */
int pf_pin_notice(pf_pin *pin, int eventfd);
/* Gives the pin back, as pf_unmap(). NULL: does nothing. */
int pf_unpin(pf_pin *pin);

/* A piece of the pool's memory that chunks refer to, to be registered once with io_uring, RDMA, a GPU. */
struct pf_region {
	void *address;   /* in this process, readable, and writable unless PF_POOL_RDONLY */
	uint64_t length; /* bytes */
};
/* Fills at most `max` regions (there is one today), returns how many there are. From this call until this process closes
 * the pool, memory of killed processes waits for the quarantine time instead of being replaced at once, because a
 * registration of the whole pool would keep the old memory. So call it before you register.
 * Errors: -PF_ESTOPPED, -PF_ELOCKTIME: do not register then.
 * Blocks until who is replacing memory now is done. */
int pf_regions(pf_pool *pool, struct pf_region *regions, unsigned max);

/* ---- file locks ----------------------------------------------------------------------------- */

enum pf_lock_type { PF_LOCK_NONE, PF_LOCK_SHARED, PF_LOCK_EXCLUSIVE };
#define PF_LOCK_FLOCK \
	0x1u /* of the whole file, as flock(2); not in the way of locks on bytes, nor they of it */
#define PF_LOCK_AGAIN \
	0x2u /* with a timeout of 0: if it cannot be had, this owner waits, though this thread does not; see pf_lock_give_up() */
struct pf_lock {
	enum pf_lock_type type;
	unsigned flags;          /* a sum of these */
	uint64_t offset, length; /* bytes; length 0: to the end, wherever that is by then */
	/* Whose: locks of one owner of one process are not in each other's way. 0: the pf_file's, and they end with it, as
	 * fcntl(2)'s F_OFD locks. Another number: whatever this process means by it, below 2^63; these end when they are
	 * taken away, or with the process. */
	uint64_t owner;
	pid_t pid; /* a label, for who asks whose it is; 0: this process */
};
/* Locks bytes of a file, or with PF_LOCK_NONE takes locks away: what this owner has there becomes that, and the rest of
 * what it had stays. For programs to agree by; reading and writing do not look. A killed process has no locks.
 * Owners with numbers that wait for each other's locks on bytes, whatever their processes, would do so for ever: the one that began to wait
 * last is told. As on Linux, nobody is for locks that end with the pf_file (owner 0), nor for those of whole files: give a limit.
 * Errors: -PF_ELOCKED (somebody has a lock that is in the way, and `timeout_ms` are over: 0 does not wait, negative has no
 * limit), -PF_EDEADLOCK, -EINTR (a signal came), -PF_ERANGE (past 2^64), -PF_EFLAGS, -EBADF (opened with PF_O_PATH), -ENOMEM.
 * Blocks for locks of others. */
int pf_lock(pf_file *file, const struct pf_lock *lock, int timeout_ms);
/* For who tries again itself. An owner whose pf_lock() with PF_LOCK_AGAIN has failed with -PF_ELOCKED is taken to be waiting for that lock,
 * until the same call succeeds or fails otherwise, or this is called with the same arguments; by one thread at a time.
 * Errors: as pf_lock(). Blocks for nothing. */
int pf_lock_give_up(pf_file *file, const struct pf_lock *lock);
/* Whether such a lock could be had now: *lock becomes the one that is in the way, or its type PF_LOCK_NONE.
 * Errors: as pf_lock(). Blocks for the inode's lock. */
int pf_lock_test(pf_file *file, struct pf_lock *lock);

/* ---- who holds what ------------------------------------------------------------------------- */

enum pf_hold_kind { PF_HOLD_MAP, PF_HOLD_PIN, PF_HOLD_LONGTERM, PF_HOLD_READ, PF_HOLD_WINDOW };

struct pf_holder {
	pid_t pid;           /* in the holder's pid namespace */
	const char *command; /* name of its program */
	int alive;           /* 0: dead and not yet reaped */
	enum pf_hold_kind kind;
	const char *name; /* of the file when it was held; NULL: no longer known */
	uint64_t inode;
	uint64_t offset, length; /* bytes in the file */
	uint64_t bytes;          /* memory kept: whole folios */
	uint64_t
		address; /* of a window: where its process has the first of these pages; 0: it has not, or is about to change that */
	uint64_t leaf;   /* bytes of the leaf that maps it there: 4 KiB, 2 MiB or 1 GiB */
	uint64_t since_ns; /* since 1970 */
};
/* Calls `each` for every hold of every process, without stopping anybody: what comes or goes meanwhile may be among them
 * or not. Returns its first non-zero result, or 0. The pointers are valid during the call. Never waits for a lock. */
int pf_holders(pf_pool *pool, int (*each)(void *arg, const struct pf_holder *holder), void *arg);

/* Asks process `pid`, which may be this one, to give back its maps and pins: those of its pins that have asked for notices get one
 * (pf_pin_notice()). Its windows are taken away: touching them raises SIGBUS until they are unmapped, and what it maps later is there; one that is stopped, or
 * serves no mail (pf_pump()), does that when it runs. Then waits until it holds nothing, or `timeout_ms` are over (negative: no limit; for windows at least
 * 50 ms, unless it is stopped), and calls `each`
 * (may be NULL) for what it still holds. Returns how many holds those are, or the first non-zero result of `each`; 0:
 * nothing is left.
 * Errors: -ESRCH (that process does not have the pool open). */
int pf_evict(pf_pool *pool, pid_t pid, int timeout_ms,
	     int (*each)(void *arg, const struct pf_holder *holder), void *arg);
/* The same of all processes, before the pool or its device is removed. Windows that were mapped through `pool` are taken away, too; its maps and pins stay and do not count, those of all others and their reads do.
 * After one second `each` is called for what is held then, and for what is left at the end, `timeout_ms` after the beginning; so one holder that forgot a pin
 * does not keep others waiting without a name. Asks again each second, for what came since. A result of `each` that is not 0 ends it at once.
 * Returns as pf_evict(); 0: nobody else holds anything. */
int pf_evict_all(pf_pool *pool, int timeout_ms,
		 int (*each)(void *arg, const struct pf_holder *holder), void *arg);

struct pf_orphan {
	uint64_t bytes; /* held pages that have left the file */
	uint64_t inode;
	const char *name; /* of the file they were part of; NULL: no longer known */
};
/* Calls `each` for every file that has left pages to holders. As pf_holders().
 * Errors: -ENOMEM. */
int pf_orphans(pf_pool *pool, int (*each)(void *arg, const struct pf_orphan *orphan), void *arg);

struct pf_info {
	uint64_t size;                    /* bytes of the pool */
	uint64_t pages_total, pages_free; /* pages of 4 KiB in the data zone */
	uint64_t pages_member;            /* part of files */
	uint64_t pages_orphan, pages_quarantine;
	uint64_t inodes_total, inodes_free;
	uint64_t granule;        /* bytes, smallest the device maps */
	uint64_t host_page_size; /* bytes, what the host really gave */
	uint64_t runtime_bytes;  /* memory the runtime takes now */
	unsigned processes;      /* that have it open */
	const char *device;      /* "file", "memfd", "hugetlbfs", "devdax", "fsdax" */
	const char *durability;  /* "volatile", "persistent", "cached" */
	const char *huge_hint;   /* how to get huge pages here; NULL when they are there */
	char runtime_path[256];  /* empty for a memfd pool */
};
/* Fills in *info. Its strings are valid as long as the pool is open. Looks at every folio in use: for figures to ask for
 * often see pf_statfs(). No lock. */
int pf_info(pf_pool *pool, struct pf_info *info);

#define PF_STATFS_RDONLY 0x1u
/* What statvfs(3) tells. */
struct pf_statfs {
	uint64_t id;         /* the pool's, as it will be whenever it is opened */
	uint64_t block_size; /* bytes */
	uint64_t pages_total, pages_free;
	uint64_t pages_available; /* free ones that a file can have: all of them */
	uint64_t inodes_total, inodes_free;
	unsigned name_max; /* bytes */
	unsigned flags;    /* PF_STATFS_... */
};
/* Fills in *statfs. A few microseconds: it looks at bitmaps, not at files, and asks the host nothing. No lock. */
int pf_statfs(pf_pool *pool, struct pf_statfs *statfs);

/* Gives back all that dead processes held, and lets what can leave quarantine leave. Returns how many processes were
 * reaped; 0 in a pool opened with PF_POOL_RDONLY, which does not reap.
 * Blocks up to the lock limit: one that cannot be reaped because of a stopped process is left then. */
int pf_reap(pf_pool *pool);
/* Waits until at least `bytes` are free, and reaps meanwhile. They are not reserved. 0, or after `timeout_ms` (negative:
 * no limit) an error.
 * Errors: -PF_ENOSPACE, with what holds the memory in pf_message(). */
int pf_wait_space(pf_pool *pool, uint64_t bytes, int timeout_ms);

struct pf_compacted {
	uint64_t moved;        /* bytes */
	uint64_t whole_before; /* bytes of free memory in whole pieces of 2 MiB, aligned to that */
	uint64_t whole_after;  /* the same at the end; others may have used some meanwhile */
};
/* Brings free memory together: pages of files that nobody holds move to other places, until `bytes` of free memory are in
 * whole pieces of 2 MiB (UINT64_MAX: as many as can be). Nothing else about the files changes; what is held, of devices
 * (pf_device_make()) or of a file that somebody is changing stays where it is. An allocation that wants such a piece and
 * finds none does a little of this by itself, so nobody has to call it.
 * Errors: -PF_EREADONLY (the pool was opened with PF_POOL_RDONLY). *result is filled in unless the error is that one.
 * Blocks for none of the files, but while it copies; who wants a page that moves waits until it has. */
int pf_compact(pf_pool *pool, uint64_t bytes, struct pf_compacted *result);

/* ---- checking ------------------------------------------------------------------------------- */

/* Checks all rules of an open pool beside its users; works while they go on. `each` gets one sentence per violation and
 * the rule's name; both are valid during the call. Returns the number of violations; 0: clean.
 * Errors: -ENOMEM.
 * Blocks for each inode's lock in turn. */
int pf_check(pf_pool *pool, void (*each)(void *arg, const char *rule, const char *text), void *arg);
/* Checks the media offline: needs nothing else and changes nothing; never crashes on any image. Returns the number of
 * violations, as pf_check(). Of a pool that has users all along, the media is in motion: see pf_in_use(), pf_check().
 * Errors: -PF_ENOTPOOL (an empty file), -PF_ENODEV, -ENOENT, -EACCES, -ENOMEM, -EBUSY (somebody opened the pool
 * meanwhile, and what was said of it may be wrong for that reason). */
int pf_fsck(const char *path, void (*each)(void *arg, const char *rule, const char *text),
	    void *arg);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
#endif
