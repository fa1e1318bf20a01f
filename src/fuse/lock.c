/*
 * Locks, which hold among all that use the pool: the library's pf_lock() under the owners that the kernel has numbers for.
 *
 * A request that must wait is not answered until it has its lock or was interrupted, and no thread waits with it: it is put
 * on a list, which one thread tries again, at once when the mount itself takes a lock away, else every few milliseconds.
 *
 * The library finds owners that wait for each other (PF_LOCK_AGAIN), but only those that are processes, as on any file system:
 * of an open file that waits (F_OFD_SETLKW) another thread may give back what it has. The request does not say which one it is; what
 * the thread that made it waits in does (/proc/TID/syscall). Where the mount may not look, nobody is told.
 *
 * The kernel says when a process closes a file (flush), which takes its locks on bytes away; of those that belong to the open
 * file (F_OFD_SETLK) it says nothing, so a handle remembers whose locks went through it, and its end takes them away.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>

#include "fuse/mount.h"

enum { TRY_MS = 5 };

/* Whose a lock is that somebody waits for. */
enum whose { UNKNOWN, PROCESS, OPEN_FILE };

struct waiting {
	fuse_req_t req;
	enum whose whose;
	struct handle *handle;
	struct pf_lock lock;
	struct waiting *next;
};

static struct waiting *waiting;
static bool ending, running;
static pthread_t thread;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void poke(void)
{
	pthread_mutex_lock(&mutex);
	if (waiting)
		pthread_cond_signal(&changed);
	pthread_mutex_unlock(&mutex);
}

/* ---- those that wait ------------------------------------------------------------------------------- */

/* It waits in fcntl(fd, command): until it sleeps there this is not known. */
static enum whose whose(pid_t tid)
{
	enum { SETLKW = F_SETLKW, SETLKW64 = 14 /* of 32 bits */ };
	unsigned long fd, command;
	char path[64];
	FILE *file;
	long call;
	int n;

	snprintf(path, sizeof path, "/proc/%d/syscall", tid);
	file = fopen(path, "re");
	if (!file)
		return OPEN_FILE;
	n = fscanf(file, "%ld %lx %lx", &call, &fd, &command);
	fclose(file);
	if (n != 3 || call < 0)
		return UNKNOWN;
	return command == SETLKW || command == SETLKW64 ? PROCESS : OPEN_FILE;
}

/* True: it has been answered. */
static bool try(struct waiting *w)
{
	int rc;

	if (w->whose == UNKNOWN) {
		w->whose = whose(fuse_req_ctx(w->req)->pid);
		w->lock.flags |= w->whose == PROCESS ? PF_LOCK_AGAIN : 0;
	}
	rc = pf_lock(w->handle->file, &w->lock, 0);
	if (rc == -PF_ELOCKED && !fuse_req_interrupted(w->req))
		return false;
	if (rc == -PF_ELOCKED && w->whose == PROCESS)
		pf_lock_give_up(w->handle->file, &w->lock);
	answer_error(w->req, rc == -PF_ELOCKED ? -EINTR : rc);
	return true;
}

/* Locked. */
static void try_all(void)
{
	struct waiting **at = &waiting, *w;

	while ((w = *at)) {
		if (try(w)) {
			*at = w->next;
			free(w);
		} else {
			at = &w->next;
		}
	}
}

static void *keep_trying(void *arg)
{
	caller_as_server();
	pthread_mutex_lock(&mutex);
	while (!ending) {
		struct timespec until;

		if (!waiting) {
			pthread_cond_wait(&changed, &mutex);
			continue;
		}
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += TRY_MS * 1000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&changed, &mutex, &until);
		try_all();
	}
	pthread_mutex_unlock(&mutex);
	return arg;
}

static int wait_for(fuse_req_t req, struct handle *handle, const struct pf_lock *lock)
{
	struct waiting *w = malloc(sizeof *w);

	if (!w)
		return -ENOMEM;
	pthread_mutex_lock(&mutex);
	*w = (struct waiting){req, lock->flags & PF_LOCK_FLOCK ? OPEN_FILE : UNKNOWN, handle, *lock,
			      waiting};
	waiting = w;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&mutex);
	return 0;
}

int lock_start(void)
{
	int rc = pthread_create(&thread, NULL, keep_trying, NULL);

	running = rc == 0;
	return -rc;
}

/* Nobody answers after this: the mount's end does. */
void lock_stop(void)
{
	if (!running)
		return;
	pthread_mutex_lock(&mutex);
	ending = true;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&mutex);
	pthread_join(thread, NULL);
	running = false;
	while (waiting) {
		struct waiting *next = waiting->next;

		fuse_reply_err(waiting->req, EINTR);
		free(waiting);
		waiting = next;
	}
}

/* ---- owners ---------------------------------------------------------------------------------------- */

static uint64_t owner_of(uint64_t number)
{
	number &= INT64_MAX;
	return number ? number : 1;
}

/* Handle's mutex. False: no memory. */
static bool remember(struct handle *handle, uint64_t owner)
{
	uint64_t *more;

	for (unsigned i = 0; i < handle->owner_count; i++)
		if (handle->owners[i] == owner)
			return true;
	more = realloc(handle->owners, (handle->owner_count + 1) * sizeof *more);
	if (!more)
		return false;
	handle->owners = more;
	more[handle->owner_count++] = owner;
	return true;
}

static void unlock(struct handle *handle, uint64_t owner, unsigned flags)
{
	struct pf_lock lock = {.type = PF_LOCK_NONE, .flags = flags, .owner = owner};

	pf_lock(handle->file, &lock, 0);
}

void lock_drop(struct handle *handle)
{
	for (unsigned i = 0; i < handle->owner_count; i++)
		unlock(handle, handle->owners[i], 0);
	if (handle->owner_count)
		poke();
	free(handle->owners);
}

/* ---- operations ------------------------------------------------------------------------------------ */

static void set(fuse_req_t req, struct handle *handle, const struct pf_lock *lock, bool wait)
{
	int rc = pf_lock(handle->file, lock, 0);

	if (rc == -PF_ELOCKED && wait) {
		rc = wait_for(req, handle, lock);
		if (rc == 0)
			return; /* answered later */
	}
	answer_error(req, rc);
	if (lock->type == PF_LOCK_NONE)
		poke();
}

static struct pf_lock lock_of(const struct fuse_file_info *fi, const struct flock *from)
{
	struct pf_lock to = {.offset = (uint64_t)from->l_start,
			     .length = (uint64_t)from->l_len,
			     .owner = owner_of(fi->lock_owner),
			     .pid = from->l_pid};

	to.type = from->l_type == F_RDLCK   ? PF_LOCK_SHARED
		  : from->l_type == F_WRLCK ? PF_LOCK_EXCLUSIVE
					    : PF_LOCK_NONE;
	return to;
}

void lock_set(fuse_req_t req, fuse_ino_t number, struct fuse_file_info *fi, struct flock *lock,
	      int sleep)
{
	struct handle *handle = handle_of(fi);
	struct pf_lock wanted = lock_of(fi, lock);
	bool fine;

	(void)number;
	pthread_mutex_lock(&handle->mutex);
	fine = remember(handle, wanted.owner);
	pthread_mutex_unlock(&handle->mutex);
	if (!fine) {
		fuse_reply_err(req, ENOLCK);
		return;
	}
	atomic_store(&handle->node->locked, true);
	set(req, handle, &wanted, sleep);
}

void lock_get(fuse_req_t req, fuse_ino_t number, struct fuse_file_info *fi, struct flock *lock)
{
	struct pf_lock found = lock_of(fi, lock);
	int rc = pf_lock_test(handle_of(fi)->file, &found);

	(void)number;
	if (rc < 0) {
		answer_error(req, rc);
		return;
	}
	lock->l_type = found.type == PF_LOCK_NONE     ? F_UNLCK
		       : found.type == PF_LOCK_SHARED ? F_RDLCK
						      : F_WRLCK;
	lock->l_whence = SEEK_SET;
	lock->l_start = (off_t)found.offset;
	lock->l_len = (off_t)found.length;
	lock->l_pid = found.pid;
	fuse_reply_lock(req, lock);
}

void lock_flock(fuse_req_t req, fuse_ino_t number, struct fuse_file_info *fi, int how)
{
	struct pf_lock lock = {.flags = PF_LOCK_FLOCK, .owner = owner_of(fi->lock_owner)};

	(void)number;
	lock.pid = fuse_req_ctx(req)->pid;
	lock.type = how & LOCK_SH   ? PF_LOCK_SHARED
		    : how & LOCK_EX ? PF_LOCK_EXCLUSIVE
				    : PF_LOCK_NONE;
	set(req, handle_of(fi), &lock, !(how & LOCK_NB));
}

void lock_flush(fuse_req_t req, fuse_ino_t number, struct fuse_file_info *fi)
{
	struct handle *handle = handle_of(fi);

	(void)number;
	if (atomic_load(&handle->node->locked)) {
		unlock(handle, owner_of(fi->lock_owner), 0);
		poke();
	}
	fuse_reply_err(req, 0);
}

void lock_release(struct handle *handle, const struct fuse_file_info *fi)
{
	if (fi->flock_release) {
		unlock(handle, owner_of(fi->lock_owner), PF_LOCK_FLOCK);
		poke();
	}
}
