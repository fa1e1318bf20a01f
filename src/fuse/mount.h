/*
 * A pool as a file system of the kernel's, by libfuse's low-level interface: what the files of fuse/ share. Of the library
 * they use pinfold.h alone.
 *
 * The kernel knows a file by its node's number, which is its inode number. A node is there as long as the kernel knows of
 * it, and keeps the file open (PF_O_PATH), so that the number means this file and no other, named or not.
 *
 * What the kernel keeps of a file (attributes, pages, the name that led to it) is what the mount has told it. Others
 * change the same files: the library's users, other mounts. A node remembers how the file was when the kernel was told
 * last (its stamp); open() and a thread (watch.c) compare, and tell the kernel to forget.
 *
 * Each request is made as its caller (caller.c), so the library checks permissions; the kernel has checked them before,
 * on what it knows (default_permissions), because the way to a file it knows leads through directories of which it does not ask.
 */
#ifndef FUSE_MOUNT_H
#define FUSE_MOUNT_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "pinfold.h"

/* ---- what was asked for (options.c) ---------------------------------------------------------------- */

struct mount_options {
	char *pool;      /* absolute */
	char *directory; /* absolute */
	bool foreground, readonly, nonempty;
	bool has_uid, has_gid; /* everything belongs to these */
	uint32_t uid, gid;
	double entry_timeout, negative_timeout, attr_timeout; /* seconds */
	unsigned threads;
	unsigned max_open, max_open_user; /* files and directories: in all, of one user */
};

/* The mount of this process. */
struct mount {
	struct mount_options options;
	pf_pool *pool;
	struct fuse_session *session;
	struct node *root;
	int up; /* somebody waits here to hear that the mount is up; -1: nobody does */
};
extern struct mount mount_self;

/* 0, or the exit code for what was complained of. */
int options_parse(struct mount_options *o, struct fuse_args *args, int argc, char **argv);

/* main.c: "pinfold: mount: message" on standard error, or in the system's log once the mount is up in the background. */
void mount_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Nanoseconds of a clock that goes on and has ticks, of some milliseconds. */
uint64_t mount_now(void);
/* The mount is up. */
void mount_is_up(void);
/* Somebody has asked it to end; and ends it. Called by the watching thread until it has ended. */
bool mount_ends(void);
void mount_end(void);

/* ---- nodes (node.c) -------------------------------------------------------------------------------- */

/* How a file was. */
struct stamp {
	uint64_t ctime_ns, mtime_ns, size;
};

static inline struct stamp stamp_of(const struct pf_stat *stat)
{
	return (struct stamp){stat->ctime_ns, stat->mtime_ns, stat->size};
}

static inline bool stamp_same(const struct stamp *a, const struct stamp *b)
{
	return a->ctime_ns == b->ctime_ns && a->mtime_ns == b->mtime_ns && a->size == b->size;
}

/* Of a directory: names that the kernel may believe are not there, see absent.c. */
struct absents {
	struct absent *first, **last;
	unsigned count;
	bool listed;      /* the directory is on the list of those that have some */
	uint64_t turn;    /* counts how often they were taken away */
	struct stamp dir; /* how the directory was, but for what the mount itself changed since */
};

struct node {
	uint64_t inode, generation;
	pf_file *file;     /* opened with PF_O_PATH, or what O_TMPFILE made */
	struct node *next; /* T, in its bucket */
	uint64_t lookups; /* T, times that the kernel was told of it and has not forgotten it yet */
	uint32_t type;    /* S_IFMT bits */
	pthread_mutex_t mutex; /* N */
	struct stamp told;     /* N, when the kernel was told last */
	struct stamp pages;    /* N, when the pages that the kernel has were right */
	bool pages_settled; /* N, and that was some time after the last change, so one in the same tick of the clock would have been seen */
	bool stale_told;    /* N, an open of what has no name was refused once, see data.c */
	uint64_t parent;    /* N, the directory where the kernel found it last, 0: none known */
	char *name;         /* N, its name there */
	uint64_t listed_ns; /* N, of a directory: when it was read from its beginning last */
	struct absents absents; /* N */
	atomic_bool locked;     /* there was a lock on its bytes, through this mount */
	atomic_uint mappable;   /* handles by which programs may have shared maps to store into */
	atomic_bool
		plain; /* it was seen to have no capabilities (security.capability), and was not given any since */
};
/* T: the table's lock of that bucket. N: the node's mutex. */

/* 0, or an error: makes the table and the root's node. */
int node_table_make(void);
void node_table_drop(void);
/* A node that the kernel knows, so it is there. */
struct node *node_of(fuse_ino_t number);
/* Looks `name` up in a directory, as this thread's caller: one more lookup counted, and *stat is filled in. */
int node_lookup(struct node *dir, const char *name, struct node **node, struct pf_stat *stat);
/* The node for a file that was opened; `file` is the node's from now on, or closed. NULL: -ENOMEM. */
struct node *node_for(pf_file *file, const struct pf_stat *stat, struct node *dir,
		      const char *name);
/* The node of this very file, one more lookup counted; NULL: the kernel does not know it. */
struct node *node_known(const struct pf_stat *stat);
/* The same by its number, for as long as it is needed. */
struct node *node_keep(uint64_t inode);
/* The kernel has forgotten it so many times. */
void node_forget(fuse_ino_t number, uint64_t lookups);
/* Calls `each` for nodes of the table, some at a time: from bucket *cursor on, about `max` nodes, which stay while it runs. False: the table's end was reached. */
bool node_some(uint64_t *cursor, unsigned max, void (*each)(struct node *node));
/* Closes a file; one that a stopped process does not let close is closed later. */
void node_close(pf_file *file);
void node_close_left(void);
/* Where the kernel found it last. */
void node_found_at(struct node *node, const struct node *dir, const char *name);

/* ---- stamps (watch.c) ------------------------------------------------------------------------------ */

/* The kernel is being told these attributes. */
void watch_told(struct node *node, const struct pf_stat *stat);
/* Around a change that the mount makes itself, of which the kernel knows: true if nobody else had changed the file before. */
bool watch_before(struct node *node);
void watch_after(struct node *node, bool clean);
/* The same around a change of bytes, which may take set-uid and set-gid away: then the kernel is told to ask for the mode again,
 * before it gets the answer. Capabilities go before; the library may act as the server after it. */
struct watch_change {
	bool clean, special;
};
struct watch_change watch_before_bytes(struct node *node);
void watch_after_bytes(struct node *node, struct watch_change change);
/* A file or directory is opened, which is `stat`: true if the pages that the kernel has of it may stay. */
bool watch_open(struct node *node, const struct pf_stat *stat);
/* The kernel's idea of this file is wrong: tell it soon, from the watching thread. */
void watch_wrong(struct node *node);
/* The kernel is to ask for this name before it uses it again. From the watching thread alone. */
void watch_forget_name(uint64_t dir, const char *name);
/* Look now. Also from signal handlers. */
void watch_poke(void);
int watch_start(void);
void watch_stop(void);

/* ---- names that are not there (absent.c) ----------------------------------------------------------- */

enum { ABSENT_LOOK_NS = 10 * 1000000 }; /* between two looks at directories that have some */

/* A name is about to be told as not there: it is to be looked up after this, and answered with *turn. False: there are too
 * many, or there is no memory, so the kernel must not believe it. */
bool absent_note(struct node *dir, const char *name, uint64_t *turn);
/* It was not there after it was noted. */
void absent_answer(fuse_req_t req, struct node *dir, uint64_t turn);
/* With the node's mutex: the names that the kernel must not believe any more, if the directory is not as it was. NULL: none. */
struct absent *absent_take(struct node *dir, const struct stamp *now);
/* Without it: tells the kernel, and frees them. */
void absent_tell(uint64_t dir, struct absent *taken);
void absent_drop(struct node *dir);
/* Calls `each` for the directories that have some. False: there are none. */
bool absent_directories(void (*each)(struct node *dir));

/* ---- callers (caller.c) ---------------------------------------------------------------------------- */

/* Whoever made a request. The library acts as that one between caller_begin() and caller_end(). Groups are asked for only
 * when without them the answer is no, as they cost a look into /proc:
 *	caller_begin(&who, req);
 *	do
 *		rc = ...;
 *	while (caller_again(&who, rc));
 *	caller_end(&who);
 */
struct caller {
	fuse_req_t req;
	struct pf_caller label;
	gid_t some[32], *groups;
	bool asked;
};
void caller_begin(struct caller *who, fuse_req_t req);
bool caller_again(struct caller *who, int64_t rc);
void caller_end(struct caller *who);
/* Asks for the groups now: where a lack of them would not fail but change what happens (set-gid). */
void caller_groups(struct caller *who);
/* 0, or -PF_EACCESS: want is a sum of R_OK, W_OK, X_OK. */
int caller_may(const struct caller *who, const struct pf_stat *stat, int want);
/* From here to caller_as_self() the library acts as one that may do all; for what was checked by caller_may(). */
void caller_as_server(void);
void caller_as_self(struct caller *who);

/* ---- answers (look.c) ------------------------------------------------------------------------------ */

void answer_error(fuse_req_t req, int64_t rc);
void answer_stat(const struct pf_stat *from, struct stat *to);
void answer_entry(const struct node *node, const struct pf_stat *stat, struct fuse_entry_param *e);
/* With options uid and gid what is made belongs to these in the pool, too. */
void answer_own(pf_file *file, struct pf_stat *stat);

/* ---- open files (data.c) --------------------------------------------------------------------------- */

struct handle {
	pf_file *file;
	struct node *node;
	uid_t uid;             /* whose it is, of those that are counted */
	bool mappable;         /* counted in the node's */
	pthread_mutex_t mutex; /* of a directory: one reader at a time; of a file: for the owners */
	uint64_t *owners;      /* of locks on bytes that went through it */
	unsigned owner_count;
	struct handle *next, **link; /* of all that are open */
};
/* lock.c: the thread that tries locks again; what the end of a handle, and of what was opened by it, takes away. */
int lock_start(void);
void lock_stop(void);
void lock_drop(struct handle *handle);
void lock_release(struct handle *handle, const struct fuse_file_info *fi);
/* limit.c: counts one more open file of this user. -EMFILE, -ENFILE: there are too many. */
int limit_take(uid_t uid);
void limit_give(uid_t uid);
struct handle *handle_new(pf_file *file, struct node *node, uid_t uid);
void handle_drop(struct handle *handle);
/* When the mount has ended: those that were open then. */
void handle_drop_all(void);
static inline struct handle *handle_of(const struct fuse_file_info *fi)
{
	return (struct handle *)(uintptr_t)fi->fh;
}

/* ---- operations ------------------------------------------------------------------------------------ */

void look_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void look_forget(fuse_req_t req, fuse_ino_t number, uint64_t lookups);
void look_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets);
void look_getattr(fuse_req_t req, fuse_ino_t number, struct fuse_file_info *fi);
void look_readlink(fuse_req_t req, fuse_ino_t number);

void data_open(fuse_req_t req, fuse_ino_t number, struct fuse_file_info *fi);
void data_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		 struct fuse_file_info *fi);
void data_release(fuse_req_t req, fuse_ino_t number, struct fuse_file_info *fi);
void data_fsync(fuse_req_t req, fuse_ino_t number, int datasync, struct fuse_file_info *fi);

void io_read(fuse_req_t req, fuse_ino_t number, size_t size, off_t offset,
	     struct fuse_file_info *fi);
void io_write(fuse_req_t req, fuse_ino_t number, const char *bytes, size_t size, off_t offset,
	      struct fuse_file_info *fi);
void io_fallocate(fuse_req_t req, fuse_ino_t number, int mode, off_t offset, off_t length,
		  struct fuse_file_info *fi);
void io_copy(fuse_req_t req, fuse_ino_t from, off_t from_offset, struct fuse_file_info *from_fi,
	     fuse_ino_t to, off_t to_offset, struct fuse_file_info *to_fi, size_t length,
	     int flags);

/* seek.c: with a thread of its own. */
int seek_start(void);
void seek_stop(void);
void seek_find(fuse_req_t req, fuse_ino_t number, off_t offset, int whence,
	       struct fuse_file_info *fi);

void lock_get(fuse_req_t req, fuse_ino_t number, struct fuse_file_info *fi, struct flock *lock);
void lock_set(fuse_req_t req, fuse_ino_t number, struct fuse_file_info *fi, struct flock *lock,
	      int sleep);
void lock_flock(fuse_req_t req, fuse_ino_t number, struct fuse_file_info *fi, int how);
void lock_flush(fuse_req_t req, fuse_ino_t number, struct fuse_file_info *fi);

void names_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device);
void names_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void names_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void names_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void names_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name);
void names_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
		  const char *new_name, unsigned flags);
void names_link(fuse_req_t req, fuse_ino_t number, fuse_ino_t parent, const char *name);

void dir_open(fuse_req_t req, fuse_ino_t number, struct fuse_file_info *fi);
void dir_read(fuse_req_t req, fuse_ino_t number, size_t size, off_t offset,
	      struct fuse_file_info *fi);
void dir_read_plus(fuse_req_t req, fuse_ino_t number, size_t size, off_t offset,
		   struct fuse_file_info *fi);
void dir_release(fuse_req_t req, fuse_ino_t number, struct fuse_file_info *fi);
void dir_fsync(fuse_req_t req, fuse_ino_t number, int datasync, struct fuse_file_info *fi);

void attr_setattr(fuse_req_t req, fuse_ino_t number, struct stat *attr, int which,
		  struct fuse_file_info *fi);
void attr_statfs(fuse_req_t req, fuse_ino_t number);
void attr_access(fuse_req_t req, fuse_ino_t number, int mask);
void attr_setxattr(fuse_req_t req, fuse_ino_t number, const char *name, const char *value,
		   size_t size, int flags);
void attr_getxattr(fuse_req_t req, fuse_ino_t number, const char *name, size_t size);
void attr_listxattr(fuse_req_t req, fuse_ino_t number, size_t size);
void attr_removexattr(fuse_req_t req, fuse_ino_t number, const char *name);
void attr_ioctl(fuse_req_t req, fuse_ino_t number, unsigned command, void *argument,
		struct fuse_file_info *fi, unsigned flags, const void *in, size_t in_size,
		size_t out_size);

/* turn.c: as read() of the device, for the next request: threads that wait for one take turns. A point of cancellation. */
ssize_t turn_read(int fd, void *buffer, size_t size);
/* raw.c: what the kernel's protocol has and libfuse does not know yet. */
int raw_install(struct fuse_session *session);
/* Waits until all requests that there are have been answered, for some seconds at most. */
void raw_drain(struct fuse_session *session);

#endif
