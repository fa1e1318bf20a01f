/*
 * Where data is, and where holes are. What programs have stored into shared maps is in the kernel's pages, which it writes some time
 * later, and does not write for this question. So it is told to forget the pages from the offset on, and then writes them first.
 * Only a file that is open for reading and writing may be mapped so; others are answered at once.
 *
 * The kernel waits until it has answers to these writes. So a thread of its own tells it, and then answers; another one would be
 * missed among those that answer writes.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "fuse/mount.h"

struct asked {
	fuse_req_t req;
	struct handle *handle; /* stays until this is answered */
	uint64_t offset;
	enum pf_seek what;
	struct asked *next;
};

static struct asked *asked, **last = &asked;
static bool ending, running;
static pthread_t thread;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void answer(fuse_req_t req, struct handle *handle, uint64_t offset, enum pf_seek what)
{
	int64_t found = pf_seek(handle->file, offset, what);

	if (found < 0)
		answer_error(req, found);
	else
		fuse_reply_lseek(req, found);
}

/* Locked. NULL: there is none, and it ends. */
static struct asked *next_one(void)
{
	struct asked *a;

	while (!asked && !ending)
		pthread_cond_wait(&changed, &mutex);
	a = ending ? NULL : asked;
	if (a) {
		asked = a->next;
		if (!asked)
			last = &asked;
	}
	return a;
}

static void *answer_all(void *arg)
{
	struct asked *a;

	caller_as_server();
	pthread_mutex_lock(&mutex);
	while ((a = next_one())) {
		pthread_mutex_unlock(&mutex);
		fuse_lowlevel_notify_inval_inode(mount_self.session, a->handle->node->inode,
						 (off_t)a->offset, 0);
		answer(a->req, a->handle, a->offset, a->what);
		free(a);
		pthread_mutex_lock(&mutex);
	}
	pthread_mutex_unlock(&mutex);
	return arg;
}

static int put_off(fuse_req_t req, struct handle *handle, uint64_t offset, enum pf_seek what)
{
	struct asked *a = malloc(sizeof *a);

	if (!a)
		return -ENOMEM;
	*a = (struct asked){req, handle, offset, what, NULL};
	pthread_mutex_lock(&mutex);
	*last = a;
	last = &a->next;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&mutex);
	return 0;
}

void seek_find(fuse_req_t req, fuse_ino_t number, off_t offset, int whence,
	       struct fuse_file_info *fi)
{
	struct handle *handle = handle_of(fi);
	enum pf_seek what = whence == SEEK_DATA ? PF_SEEK_DATA : PF_SEEK_HOLE;
	int rc = 0;

	(void)number;
	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		rc = -EINVAL;
	else if (!atomic_load(&handle->node->mappable))
		answer(req, handle, (uint64_t)offset, what);
	else
		rc = put_off(req, handle, (uint64_t)offset, what);
	if (rc < 0)
		answer_error(req, rc);
}

int seek_start(void)
{
	int rc = pthread_create(&thread, NULL, answer_all, NULL);

	running = rc == 0;
	return -rc;
}

void seek_stop(void)
{
	if (!running)
		return;
	pthread_mutex_lock(&mutex);
	ending = true;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&mutex);
	pthread_join(thread, NULL);
	running = false;
	while (asked) {
		struct asked *next = asked->next;

		fuse_reply_err(asked->req, EINTR);
		free(asked);
		asked = next;
	}
}
