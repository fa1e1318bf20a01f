/*
 * pinfold: files in a pool of byte-addressable memory that many processes map and pin.
 *
 * A pool is one memory device (a file on tmpfs or hugetlbfs, a memfd, /dev/dax) and the runtime
 * beside it, the shared state of the processes that have it open. A hold is a direct map or a pin:
 * an ordinary reference on pages. A page is free when nobody holds it and no file contains it, and
 * never before: truncate, punch, unlink and the death of a process leave held pages to their holders.
 *
 * Results: 0 or positive is success, negative is the negative of a code of enum pf_error or of an
 * errno. pf_strerror() gives a code's sentence, pf_errno() the errno it stands for, pf_message() the
 * last failure of this thread with its particulars (path, pid, range).
 *
 * Threads: every function may be called from any thread, unless it says otherwise. A handle (pool,
 * file, map, pin) may be used by several threads at once but must not be closed while in use. Calls
 * need up to 48 KiB of stack.
 * Processes: handles belong to the process that opened them. In a forked child every function but
 * pf_strerror, pf_errno and pf_message fails with -PF_EFORKED; the parent is not affected. No function
 * may be called from a signal handler.
 *
 * Blocking: functions that change a file wait for the file's lock. If a stopped process has it, they
 * give up after a time limit with -PF_ESTOPPED, having changed nothing. What else a function may block
 * on is said there.
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
#define PF_ERRORS(X)                                                                                       \
	X(PF_ENOTPOOL, EINVAL, "this is not a pinfold pool; make one with 'pinfold mkfs'")                 \
	X(PF_EVERSION, EPROTONOSUPPORT,                                                                    \
	  "the pool was made by a version of pinfold with another media format; copy its files "           \
	  "out with that version and make the pool anew")                                                  \
	X(PF_ECORRUPT, EUCLEAN, "the pool's media is damaged; 'pinfold fsck POOL' says where")             \
	X(PF_ESHORT, EIO, "the device is shorter than the pool on it; was the file truncated?")            \
	X(PF_EPOOLSIZE, EINVAL, "a pool of this size cannot be made")                                      \
	X(PF_EEXISTPOOL, EEXIST, "there is something at this path already; remove it first")               \
	X(PF_ENODEV, ENODEV, "pinfold cannot use this kind of device")                                     \
	X(PF_ECACHED, EOPNOTSUPP,                                                                          \
	  "the file is on a disk file system, whose page cache writes stores in any order; use tmpfs, "    \
	  "hugetlbfs, a DAX device, or 'mkfs --durability volatile', promising nothing after a power cut") \
	X(PF_EINUSE, EBUSY,                                                                                \
	  "the pool is in use through another runtime directory, or its runtime was deleted; "             \
	  "see PINFOLD_RUNTIME_DIR, or 'pinfold recover --force' when nobody uses it")                     \
	X(PF_EMACHINE, EBUSY,                                                                              \
	  "the pool was left open by another machine; 'pinfold recover --force' when it is off")           \
	X(PF_ECOPY, EBUSY,                                                                                 \
	  "the pool is a copy of one that is in use now; copy a closed pool, or "                          \
	  "'pinfold recover --force' the copy")                                                            \
	X(PF_EBUILDING, EBUSY, "another process is opening the pool and has not finished")                 \
	X(PF_ERUNDIR, EACCES,                                                                              \
	  "the runtime directory cannot be used: not a directory, or others "                              \
	  "may write to it")                                                                               \
	X(PF_ERUNSPACE, ENOSPC,                                                                            \
	  "no space for the runtime in its directory; enlarge that tmpfs or set "                          \
	  "PINFOLD_RUNTIME_DIR to a larger one")                                                           \
	X(PF_ERUNCORRUPT, EUCLEAN,                                                                         \
	  "the pool's runtime is damaged; close all users and open again")                                 \
	X(PF_EMEMFD, EINVAL, "a memfd pool is opened with its two descriptors, not by a path")             \
	X(PF_ETOOMANY, EUSERS, "too many processes have the pool open")                                    \
	X(PF_EFORKED, EPERM, "this is a forked child: open the pool again here")                           \
	X(PF_ESTOPPED, ETIMEDOUT,                                                                          \
	  "a stopped process has a lock that is needed; continue or kill it")                              \
	X(PF_ELOCKTIME, ETIMEDOUT, "a lock was not given back within the time limit")                      \
	X(PF_EREADONLY, EROFS, "the pool or the file was opened for reading only")                         \
	X(PF_ENAME, ENAMETOOLONG, "a name in a path has at most 255 bytes, a path at most 4095")           \
	X(PF_ENOFILE, ENOENT, "no such file or directory in the pool")                                     \
	X(PF_EFILEEXISTS, EEXIST, "the pool has a file of this name already")                              \
	X(PF_ENOTDIR, ENOTDIR, "a part of the path is not a directory")                                    \
	X(PF_EISDIR, EISDIR, "it is a directory")                                                          \
	X(PF_ENOTEMPTY, ENOTEMPTY, "the directory is not empty")                                           \
	X(PF_ELOOP, ELOOP, "too many symbolic links, or one where none is wanted")                         \
	X(PF_EACCESS, EACCES, "the modes of the file or of a directory on the way forbid it")              \
	X(PF_EPERM, EPERM, "only its owner or uid 0 may, or it is immutable or append-only")               \
	X(PF_ENOSPACE, ENOSPC, "the pool is full")                                                         \
	X(PF_ENOINODES, ENOSPC, "the pool has as many files as it can have ('mkfs --inodes')")             \
	X(PF_ENOMETA, ENOSPC, "the pool's metadata zone is full")                                          \
	X(PF_ERANGE, EINVAL, "the range is empty, not aligned to pages, or past the end")                  \
	X(PF_EFILESIZE, EFBIG, "a file cannot be this large")                                              \
	X(PF_EHOLE, ENXIO, "the range has a hole; map it writable, or allocate it")                        \
	X(PF_ENOTCONTIG, ENOTSUP, "the range is not in one piece in the pool's memory")                    \
	X(PF_EHELD, EBUSY, "the range is held")                                                            \
	X(PF_EHELDTIME, ETIMEDOUT, "the range was still held when the time was over")                      \
	X(PF_EORPHANS, EDQUOT,                                                                             \
	  "this process keeps as much memory that no file has as it may; give some back")                  \
	X(PF_EHOLDS, EOVERFLOW, "a folio has as many holds as can be counted")                             \
	X(PF_EFLAGS, EINVAL, "unknown or contradicting flags")                                             \
	X(PF_EREAP, EAGAIN, "internal: a dead process must be reaped first")                               \
	X(PF_EAGAIN, EAGAIN, "internal: try again")

enum pf_error {
	PF_ERROR_BASE = 1000, /* codes below are errnos */
#define PF_ERROR_CODE(name, err, text) name,
	PF_ERRORS(PF_ERROR_CODE)
#undef PF_ERROR_CODE
		PF_ERROR_END
};

/* The sentence for a code (negative or positive; 0 is "success"). Never NULL. */
const char *pf_strerror(int code);
/* The errno (positive) that a code stands for; 0 for 0. */
int pf_errno(int code);
/* What the last failed call of this thread has to say, with particulars; valid until the next call. */
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

/* Makes a pool at `path`: a new file on tmpfs, hugetlbfs or a DAX file system, or a device-DAX node.
 * Reserves the space unless PF_MKFS_SPARSE. Nothing is left behind when it fails.
 * Errors: -PF_EEXISTPOOL, -PF_EPOOLSIZE, -PF_ENODEV, -PF_ECACHED, -ENOSPC, -EACCES and others of open(2).
 * Blocks while the host reserves memory. */
int pf_mkfs(const char *path, const struct pf_mkfs_options *options);

/* Makes a pool in a new memfd. *media_fd and *runtime_fd (close-on-exec) are the pool: children that
 * are given both open it with pf_pool_open_fds(). Errors: -PF_EPOOLSIZE, -ENOSPC, -EMFILE, -ENOMEM. */
int pf_mkfs_memfd(const struct pf_mkfs_options *options, int *media_fd, int *runtime_fd);

#define PF_POOL_RDONLY \
	0x1u /* never map the media writable: change no file, settle nothing, make no runtime */
#define PF_POOL_NO_THREAD 0x2u /* no service thread in this process: call pf_reap() yourself */
#define PF_POOL_FORCE     0x4u /* open although it seems to be in use elsewhere ('recover --force') */

/* Opens (attaches to) a pool. The first one recovers it and rebuilds its free space.
 * Errors: -PF_ENOTPOOL, -PF_EVERSION, -PF_ECORRUPT, -PF_ESHORT, -PF_EINUSE, -PF_EMACHINE, -PF_ECOPY,
 * -PF_EBUILDING, -PF_ERUNDIR, -PF_ERUNSPACE, -PF_ETOOMANY, -ENOENT, -EACCES, -EMFILE, -ENOMEM.
 * May wait for another process that is opening or closing the pool, up to the time limit. */
int pf_pool_open(const char *path, unsigned flags, pf_pool **pool);
/* The same for a memfd pool; the descriptors stay the caller's and may be closed afterwards. */
int pf_pool_open_fds(int media_fd, int runtime_fd, unsigned flags, pf_pool **pool);

/* Whether a living process has the pool open: 1, 0, or an error. Opens nothing and changes nothing; who uses it through another
 * runtime directory is not seen. */
int pf_in_use(const char *path);

/* Gives back all holds and handles of this process in the pool, and the pool. Maps, pins and files of
 * the pool must not be used afterwards (unmap and unpin first, or their handles' few bytes stay
 * allocated). Pointers into the pool become invalid. The last process to close marks the pool clean.
 * Returns 0, also for NULL. */
int pf_pool_close(pf_pool *pool);

/* Time limit in milliseconds for locks that a stopped process has (default 1000). For this process. */
void pf_pool_set_lock_limit(pf_pool *pool, unsigned milliseconds);
/* Memory in bytes that this process may keep although it has left its files (truncated, replaced, removed); 0: any, the default.
 * Beyond it new maps and pins fail with -PF_EORPHANS until some are given back. With a limit each map and pin looks
 * through the holds that the process has. */
void pf_pool_set_orphan_limit(pf_pool *pool, uint64_t bytes);
/* How long memory of killed processes waits, where it cannot be replaced (default 30 s; see pf_regions()). For this process. */
void pf_pool_set_quarantine(pf_pool *pool, unsigned seconds);

/* ---- paths and callers ---------------------------------------------------------------------- */

/* A path has components of at most PF_NAME_MAX bytes, '/' between them, and begins at the pool's root directory, with or without a
 * leading '/'. "." and ".." and symbolic links mean what they mean elsewhere; at most 40 links are followed, and ".." of the root is
 * the root. Every function with a path may fail with -PF_ENOFILE (a component is not there), -PF_ENOTDIR (it is no directory),
 * -PF_ENAME (too long, or empty), -PF_ELOOP, -PF_EACCESS (a directory on the way may not be searched), and if it changes a
 * directory, with -PF_EREADONLY, -PF_EPERM (immutable, append-only, sticky, or not the owner), -PF_ENOINODES, -PF_ENOMETA. */

/* Who asks: checked against owner, group and mode of files, and the owner of what is made. */
struct pf_caller {
	uid_t uid; /* 0 may do everything */
	gid_t gid;
	const gid_t *groups; /* supplementary ones */
	size_t group_count;
};
/* From now on calls of this thread are made for `caller`, which must stay where it is; NULL: for the effective ids and groups that
 * the process had when it opened the pool, which is the default. */
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
	0x80u /* with RDWR: a new file without a name, in the directory that the path leads to; see pf_link_file() */
#define PF_O_APPEND 0x100u /* with RDWR: every pf_write() is a pf_append() */

/* Opens a file, or a directory (RDONLY). New files get `mode` without set-uid bits that the caller may not give, the caller's uid, and the caller's gid,
 * or the directory's if that is setgid. Errors: those of paths, -PF_EFILEEXISTS, -PF_EISDIR, -PF_EACCESS, -PF_EFLAGS, -ENOMEM. */
int pf_open(pf_pool *pool, const char *path, unsigned flags, mode_t mode, pf_file **file);
/* Closes; maps and pins made through the file stay. A file without a name goes with its last handle. */
int pf_close(pf_file *file);

/* Copies up to `length` bytes from byte `offset`; holes read as zeros. Returns the bytes copied, fewer
 * only at the end of the file. */
ssize_t pf_read(pf_file *file, void *buffer, size_t length, uint64_t offset);
/* Copies into the file, allocating and extending as needed. Returns `length`, or fewer bytes if space
 * ran out after some, or an error and nothing was written: -PF_ENOSPACE, -PF_ENOMETA, -PF_EREADONLY,
 * -PF_EFILESIZE, -PF_EPERM (immutable; append-only and not at the end). Who maps or pins the range sees the new bytes. */
ssize_t pf_write(pf_file *file, const void *buffer, size_t length, uint64_t offset);
/* The same at the end of the file; whole with respect to other appends. */
ssize_t pf_append(pf_file *file, const void *buffer, size_t length);
/* On a persistent device, what was written to the file before is there after a power cut when this returns. */
int pf_sync(pf_file *file);

enum pf_seek { PF_SEEK_DATA, PF_SEEK_HOLE };
/* The first byte at or after `offset` that is data (or in a hole; the end of the file is one). Allocated and never written is a hole.
 * -ENXIO: there is none before the end, or `offset` is past it. */
int64_t pf_seek(pf_file *file, uint64_t offset, enum pf_seek what);

/* What to do about holds on pages that are to leave a file. */
enum pf_policy {
	PF_DETACH, /* never wait: held pages leave the file and are freed by the last holder */
	PF_WAIT,   /* wait until nobody holds them; -PF_EHELDTIME after the timeout */
	PF_TRY,    /* -PF_EHELD, naming the holders, if somebody holds them */
};

/* Sets the size. What is cut off leaves the file; what is added reads as zeros. Pages leave as they are, for their holders; a page in which
 * the file ended and now goes on stays, and the bytes added in it are zeroed in place. `timeout_ms` is for
 * PF_WAIT; negative: no limit. Errors: -PF_EHELD, -PF_EHELDTIME, -PF_EREADONLY, -PF_EFILESIZE. */
int pf_truncate(pf_file *file, uint64_t size, enum pf_policy policy, int timeout_ms);
/* Makes a hole: the bytes read as zeros afterwards. Whole pages leave the file; parts of pages are zeroed in place. Errors as above. */
int pf_punch(pf_file *file, uint64_t offset, uint64_t length, enum pf_policy policy,
	     int timeout_ms);
#define PF_ALLOC_KEEP_SIZE 0x1u /* do not extend the file: pages past its end wait for it to grow */
#define PF_ALLOC_ZERO      0x2u /* and the whole range reads as zeros afterwards, written or not */
/* Allocates pages for the range, which read as zeros where there were none, and extends the size to cover it.
 * Tries to make it one piece. All or nothing. Takes time for their number, not for their bytes: memory is zeroed when it is first written, mapped or pinned.
 * Errors: -PF_ENOSPACE, -PF_ENOMETA, -PF_EFILESIZE, -PF_EFLAGS. */
int pf_allocate(pf_file *file, uint64_t offset, uint64_t length, unsigned flags);

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
	uint32_t flags; /* PF_FLAG_... */
};
int pf_stat(pf_file *file, struct pf_stat *stat);
/* Of the file that the path leads to; flags: 0 or PF_O_NOFOLLOW (of a symbolic link itself). */
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
/* Changes attributes, all or none, by the rules of chmod(2), chown(2), utimensat(2). Errors: -PF_EPERM, -PF_EREADONLY, -PF_EFLAGS. */
int pf_setattr(pf_file *file, const struct pf_setattr *attr);
/* Whether this thread's caller may do this with the file: a sum of R_OK, W_OK, X_OK. 0, or -PF_EACCESS. */
int pf_access(pf_pool *pool, const char *path, int mode);

/* Extended attributes: names begin with "user." (files and directories; needs permission to read or write the file) or "security."
 * (uid 0 changes them) and have 255 bytes at most; names and values of one file together 4,000 bytes. */
#define PF_XATTR_CREATE  0x1u /* -EEXIST if it is there */
#define PF_XATTR_REPLACE 0x2u /* -ENODATA if not */
/* Errors: -ENODATA, -EOPNOTSUPP (another prefix), -ERANGE (`size` is too small), -E2BIG (no room), -PF_EACCESS, -PF_EPERM. */
int pf_setxattr(pf_file *file, const char *name, const void *value, size_t size, unsigned flags);
/* Returns the value's length; size 0 asks for it. */
ssize_t pf_getxattr(pf_file *file, const char *name, void *value, size_t size);
/* The names, each with its NUL. Returns their length; size 0 asks for it. */
ssize_t pf_listxattr(pf_file *file, char *names, size_t size);
int pf_removexattr(pf_file *file, const char *name);

/* ---- names ---------------------------------------------------------------------------------- */

/* Makes an empty directory. Errors: those of paths, -PF_EFILEEXISTS. */
int pf_mkdir(pf_pool *pool, const char *path, mode_t mode);
/* Removes an empty directory. Errors: -PF_ENOTEMPTY, -PF_ENOTDIR, -EBUSY (the root), -EINVAL (a path that ends in "."). */
int pf_rmdir(pf_pool *pool, const char *path);
/* Removes the name. A file goes with its last name and handle; maps and pins go on. Errors: -PF_EISDIR. */
int pf_unlink(pf_pool *pool, const char *path);
/* Another name for the file `from` (no directory; a symbolic link is not followed). Errors: -PF_EFILEEXISTS, -PF_EPERM, -EMLINK. */
int pf_link(pf_pool *pool, const char *from, const char *to);
/* Gives a file that was opened with PF_O_TMPFILE (or has a name already) the name `to`. With PF_LINK_REPLACE a file that has this name loses it in
 * the same step: what was written becomes visible whole. */
#define PF_LINK_REPLACE 0x1u
int pf_link_file(pf_file *file, const char *to, unsigned flags);
/* Makes a symbolic link that says `target`, 1 to 4095 bytes. */
int pf_symlink(pf_pool *pool, const char *target, const char *path);
/* Up to `size` bytes of what the link says, without a NUL; returns how many. -EINVAL: it is no symbolic link. */
ssize_t pf_readlink(pf_pool *pool, const char *path, char *target, size_t size);

#define PF_RENAME_NOREPLACE 0x1u /* -PF_EFILEEXISTS if the new name is there */
#define PF_RENAME_EXCHANGE  0x2u /* both are there and change places */
/* Renames, in one step; what has the new name loses it, as by pf_unlink() or pf_rmdir(). Errors: as rename(2): -PF_EISDIR, -PF_ENOTDIR, -PF_ENOTEMPTY,
 * -EINVAL (a directory into itself), -PF_EFLAGS. */
int pf_rename(pf_pool *pool, const char *from, const char *to, unsigned flags);

struct pf_entry {
	const char *name; /* valid until the next call with this handle */
	uint64_t inode;
	uint32_t type;   /* S_IFREG, S_IFDIR, S_IFLNK */
	uint64_t cursor; /* where to go on after it */
};
/* The first entry of a directory after `cursor`; 0: from the beginning. 1, or 0 at the end. "." and ".." are not among them. An entry that is there all the time
 * is seen once, whatever comes and goes meanwhile; cursors stay good, also for another handle or after the directory has changed.
 * -PF_ENOTDIR. The handle is used by one thread at a time. */
int pf_readdir(pf_file *directory, uint64_t cursor, struct pf_entry *entry);
/* Calls `each` for every entry of the directory at `path`, in no order; stops when it returns non-zero and returns that. `each` may call the library. */
int pf_list(pf_pool *pool, const char *path,
	    int (*each)(void *arg, const char *name, const struct pf_stat *stat), void *arg);

/* ---- direct maps ---------------------------------------------------------------------------- */

#define PF_MAP_READ 0x1u
#define PF_MAP_WRITE \
	0x2u /* allocates holes first, all or none; they stay if the call fails later (-ENOMEM) */

/* Maps a range of a file: a pointer into the pool, no copy, no system call, never revoked. Offset and
 * length in bytes; the pages that contain them are held, which must be one piece of memory.
 * Errors: -PF_ENOTCONTIG (pf_message() names the longest piece), -PF_EHOLE, -PF_ERANGE (past the end),
 * -PF_EREADONLY, -PF_ENOSPACE, -PF_EHOLDS, -ENOMEM. Does not block but for allocation. */
int pf_map_file(pf_file *file, uint64_t offset, uint64_t length, unsigned flags, pf_map **map);
/* The address of the first byte asked for; valid until pf_unmap(). */
void *pf_map_address(const pf_map *map);
uint64_t pf_map_length(const pf_map *map); /* bytes, as asked for */
/* 1 when pages have left the file since the map was made (truncate, punch, unlink), so the map may
 * show what the file no longer has; else 0. A few loads. -PF_EFORKED. */
int pf_map_stale(const pf_map *map);
int pf_unmap(pf_map *map);

/* ---- pins ----------------------------------------------------------------------------------- */

#define PF_PIN_WRITE    0x2u /* pages will be written: allocates holes first, as PF_MAP_WRITE */
#define PF_PIN_LONGTERM 0x4u /* says that it may last: shown to others, same rules */

struct pf_chunk {
	unsigned region; /* index into pf_regions() */
	uint64_t offset; /* bytes from the start of that region */
	void *address;   /* in this process */
	uint64_t length; /* bytes */
};

/* Pins a range of a file for I/O: like a map, but the memory may be in several pieces. Keep the pin
 * until the I/O is seen to be complete. Errors as pf_map_file, without -PF_ENOTCONTIG. */
int pf_pin_file(pf_file *file, uint64_t offset, uint64_t length, unsigned flags, pf_pin **pin);
/* The pieces in file order; *count gets their number. Valid until pf_unpin(). */
const struct pf_chunk *pf_pin_chunks(const pf_pin *pin, size_t *count);
/* From now on 1 is written to `eventfd` whenever somebody wants the pages of this pin back: a truncation or punch with PF_WAIT that waits for it, or
 * pf_evict(). What to do then is up to you; nothing is taken away. The descriptor is duplicated; -1: no notices any more. The process's service thread writes
 * it, or with PF_POOL_NO_THREAD your own pf_reap(). Errors: -EBADF, -EMFILE. */
int pf_pin_notice(pf_pin *pin, int eventfd);
int pf_unpin(pf_pin *pin);

/* A piece of the pool's memory that chunks refer to, to be registered once with io_uring, RDMA, a GPU. */
struct pf_region {
	void *address;   /* in this process, readable, and writable unless PF_POOL_RDONLY */
	uint64_t length; /* bytes */
};
/* Fills at most `max` regions, returns how many there are. From this call until this process closes
 * the pool, memory of killed processes waits for the quarantine time instead of being replaced at
 * once, because a registration of the whole pool would keep the old memory. Waits for who is replacing
 * memory. Errors: -PF_ESTOPPED, -PF_ELOCKTIME: do not register then. */
int pf_regions(pf_pool *pool, struct pf_region *regions, unsigned max);

/* ---- who holds what ------------------------------------------------------------------------- */

enum pf_hold_kind { PF_HOLD_MAP, PF_HOLD_PIN, PF_HOLD_LONGTERM, PF_HOLD_READ };

struct pf_holder {
	pid_t pid;           /* in the holder's pid namespace */
	const char *command; /* name of its program */
	int alive;           /* 0: dead and not yet reaped */
	enum pf_hold_kind kind;
	const char *name; /* of the file when it was held; NULL: no longer known */
	uint64_t inode;
	uint64_t offset, length; /* bytes in the file */
	uint64_t bytes;          /* memory kept: whole folios */
	uint64_t since_ns;       /* since 1970 */
};
/* Calls `each` for every hold of every process, without stopping anybody. Returns its first non-zero
 * result, or 0. The pointers are valid during the call. Never waits for a lock. */
int pf_holders(pf_pool *pool, int (*each)(void *arg, const struct pf_holder *holder), void *arg);

/* Asks process `pid` to give back its maps and pins: those of its pins that have asked for notices get one (pf_pin_notice()). Then waits until it holds nothing, or
 * `timeout_ms` are over (negative: no limit), and calls `each` (may be NULL) for what it still holds. Returns how many holds those are, or the first
 * non-zero result of `each`; 0: nothing is left; -ESRCH: that process does not have the pool open. */
int pf_evict(pf_pool *pool, pid_t pid, int timeout_ms,
	     int (*each)(void *arg, const struct pf_holder *holder), void *arg);

struct pf_orphan {
	uint64_t bytes; /* held pages that have left the file */
	uint64_t inode;
	const char *name; /* of the file they were part of; NULL: no longer known */
};
/* Calls `each` for every file that has left pages to holders. As pf_holders(). */
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
/* A few microseconds: it looks at bitmaps, not at files, and asks the host nothing. No lock. */
int pf_statfs(pf_pool *pool, struct pf_statfs *statfs);

/* Gives back all that dead processes held, and lets what can leave quarantine leave. Returns how many
 * processes were reaped. One that cannot be reaped because of a stopped process is left after the time limit. */
int pf_reap(pf_pool *pool);
/* Waits until at least `bytes` are free: 0, or -PF_ENOSPACE with the reasons after `timeout_ms`
 * (negative: no limit). */
int pf_wait_space(pf_pool *pool, uint64_t bytes, int timeout_ms);

/* ---- checking ------------------------------------------------------------------------------- */

/* `each` gets one sentence per violation, beginning with the rule's name. Both return the number of
 * violations (0: clean) or an error. The live check works while others use the pool. */
int pf_check(pf_pool *pool, void (*each)(void *arg, const char *rule, const char *text), void *arg);
/* Offline: needs the media only and changes nothing; never crashes on any image. -EBUSY: somebody opened the pool meanwhile, and what was
 * said of it may be wrong for that reason. Of a pool that has users all along, the media is in motion: see pf_in_use(), pf_check(). */
int pf_fsck(const char *path, void (*each)(void *arg, const char *rule, const char *text),
	    void *arg);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
#endif
