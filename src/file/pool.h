/* A pool as this process has it open. Between the files of file/ only. */
#ifndef FILE_POOL_H
#define FILE_POOL_H

#include <pthread.h>

#include "layout/layout.h"

struct pf_pool {
	struct layout layout; /* rt, fs, pages */
	struct dev *dev;
	bool readonly;
	uint64_t orphan_limit; /* bytes; 0: none */
	uint8_t *meta;         /* the metadata zone, an alias of its own */
	uint64_t meta_bytes;
	uint8_t *
		data; /* the data zone, writable unless read-only, with inaccessible pages around it */
	uint8_t *data_read; /* the same, never writable; mapped on first use */
	uint64_t data_bytes;
	pthread_mutex_t mutex; /* data_read, the lists */
	struct pf_file *files;
	struct pf_pin *notified; /* pins that have asked for notices */
	struct pf_caller caller; /* this process, when it opened the pool */
	gid_t *groups;
	pthread_t service;
	bool has_service;
	bool no_service;          /* it was opened with PF_POOL_NO_THREAD */
	_Atomic uint32_t stop;    /* the service's futex */
	_Atomic uint32_t in_reap; /* one thread of this process at a time settles its dead rows */
};

struct pf_file {
	struct pf_pool *pool;
	rt_handle *handle;
	uint32_t ino, igen;
	bool data;     /* a file whose bytes can be used: no directory, not opened with PF_O_PATH */
	bool readable; /* and not with PF_O_WRONLY */
	bool directory; /* one that can be read */
	bool writable, append;
	bool nameless;            /* opened with PF_O_TMPFILE: it may get its first name */
	_Atomic bool locked;      /* it has, or had, file locks: they end with it */
	_Atomic uint32_t reads;   /* about how many there were, see attr.h */
	struct file_batch *batch; /* of a directory that is read, see list.c */
	struct pf_file *next, **link;
};

/* This thread in the pool, or NULL: the error is rt_self_error(). */
static inline struct rt_self *pool_self(struct pf_pool *pool)
{
	return rt_self_get(pool->layout.rt);
}

/* Inaccessible on both sides of the data zone. */
#define POOL_GAP BLOCK_BYTES

/* pool.c */
uint8_t *pool_data(struct pf_pool *pool, bool writable);

/* reap.c */
/* One pass: buries and reaps what is dead, settles dead rows of this process, discards. Returns slots reaped, or an error; *left (may be NULL): slots
 * that are dead and could not be reaped yet. */
int reap_pass(struct pf_pool *pool, struct rt_self *me, unsigned *left);
/* Settles the rows of threads of this process that died inside a call. Not in a read-only pool. */
void reap_threads(struct pf_pool *pool, struct rt_self *me);
/* Gives back every hold and handle of our own slot. */
int reap_own(struct pf_pool *pool, struct rt_self *me);
/* For an operation that came back with `rc`: true if it is worth doing once more, because dead processes were in its way (-PF_EREAP) or space was given
 * back (-PF_ENOSPACE). *tries counts, from 0. */
bool reap_helps(struct pf_pool *pool, struct rt_self *me, int rc, unsigned *tries);

/* handle.c */
/* The error for using the bytes of what has none. */
int handle_no_data(const struct pf_file *file);
/* A file without names that nobody has open goes. Inode lock. */
int handle_evict(struct rt_self *me, struct layout *l, uint32_t ino);
/* The handle names the file, which stays as long as it does. Inode lock. */
void handle_publish(struct layout *l, rt_handle *handle, uint32_t ino, uint32_t igen);
/* Gives the handle up; then the same. Inode lock. */
int handle_drop(struct rt_self *me, struct layout *l, rt_handle *handle);

/* flock.c */
/* File locks that the handle itself has end. Inode lock. */
void flock_close(pf_file *file);
/* Those of a slot whose process is dead, or ends. */
void flock_drop(struct layout *l, unsigned slot);

/* pin.c: writes to the eventfds of pins that somebody wants. */
void pin_notify(struct pf_pool *pool);

/* io.c: every page of [first, end) that the file lacks is allocated, zeroed, or none is. Inode lock. -PF_ENOSPACE, -PF_ENOMETA, -ENOMEM, errors of
 * locks; -PF_EAGAIN: part of it is locked by WAIT. */
int io_fill(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t first, uint64_t end);

/* space.c */
/* The error for a full pool, which says where the space is. */
int space_full(struct pf_pool *pool, int rc, uint64_t wanted);
/* -PF_EORPHANS if this process keeps more than it may. */
int space_check_orphans(struct pf_pool *pool);

#endif
