/*
 * Attach. Joining a READY runtime takes no lock: claim a slot, full fence, look at the state again; detach.c is the other side. If there is
 * nothing to join, the media's lock decides what is to be done; it dies with its holder.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/step.h"
#include "base/sys.h"
#include "runtime/attach.h"

#define JOIN_TRIES 1000

/* ---- joining ---------------------------------------------------------------------------------------- */

static int join_mapped(struct rt *rt)
{
	int rc = slot_claim(rt);

	if (rc < 0)
		return rc;
	step("attach: slot claimed");
	memory_fence(memory_order_seq_cst); /* pairs with the last closer's */
	/* The slot's word: a memfd may have been emptied and built again since it was claimed. */
	if (load_acquire(&rt->header->state) == RT_READY && slot_ours(rt)) {
		record_adopt(rt);
		return 0;
	}
	slot_release(rt);
	return -PF_EAGAIN;
}

/* 0: joined. -PF_EAGAIN: there is nothing to join; the media's lock decides what is to be done. */
static int join(struct attach *a)
{
	const struct use_format *found = use_read(a->rt->dev_head);
	struct use_format use;
	struct rt_header h;
	int rc;

	if (!found)
		return -PF_EAGAIN;
	use = *found;
	if (use.state != USE_OPEN || memcmp(use.boot, a->now.boot, 16))
		return -PF_EAGAIN;
	if (attach_open(a, use.nonce, attach_open_file) < 0)
		return errno == ENOENT ? -PF_EAGAIN : err_errno("%s", a->rt->path);
	rc = -PF_EAGAIN;
	if (attach_peek(a->rt->fd, &h) == RT_READY && h.version == RT_VERSION &&
	    !memcmp(h.nonce, use.nonce, sizeof h.nonce) && attach_same_media(a->rt, &h)) {
		rc = attach_map(a->rt, h.bytes);
		step("attach: mapped");
		if (rc == 0)
			rc = join_mapped(a->rt);
	}
	if (rc < 0)
		attach_unmap(a->rt);
	return rc;
}

/* ---- deciding --------------------------------------------------------------------------------------- */

/* A runtime that was begun, of another media or another program: 0 if it may be left alone and another one made. */
static int check_foreign(struct attach *a, const struct use_format *use, const struct rt_header *h)
{
	if (a->plan->force)
		return 0;
	if (h->version != RT_VERSION)
		return err(PF_EINUSE, "%s: by another version of pinfold", a->rt->dev->path);
	if (!attach_same_media(a->rt, h))
		return err(PF_ECOPY, "%s", a->rt->dev->path);
	/* A memfd may still have the runtime that was to be replaced by the one the record names. */
	if (a->memfd < 0 && memcmp(h->nonce, use->nonce, sizeof h->nonce))
		return err(PF_ERUNCORRUPT, "%s", a->rt->path);
	return 0;
}

/* Media lock, and the runtime that the record names is there. CLOSING: its last user died while closing it, nothing is wrong. */
static int found_runtime(struct attach *a, const struct use_format *use, int fd)
{
	uint64_t ready = RT_READY;
	struct rt_header h;
	int state = attach_peek(fd, &h), rc = 0;
	bool ours = state > RT_NEW && h.version == RT_VERSION && attach_same_media(a->rt, &h) &&
		    !memcmp(h.nonce, use->nonce, sizeof h.nonce);

	if (state < 0)
		return state;
	if (state != RT_NEW && !ours)
		rc = check_foreign(a, use, &h);
	if (rc < 0)
		return rc;
	if (ours && state == RT_CLOSING &&
	    sys_pwrite(fd, &ready, sizeof ready, offsetof(struct rt_header, state)) != sizeof ready)
		return err_errno("%s", a->rt->path);
	if (ours && (state == RT_READY || state == RT_CLOSING))
		return -PF_EAGAIN; /* join it */
	return attach_make(a);
}

static int decide_open(struct attach *a, const struct use_format *use)
{
	bool same_boot = !memcmp(use->boot, a->now.boot, 16),
	     same_machine = !memcmp(use->machine, a->now.machine, 16);
	int fd, rc;

	if (!same_boot && !same_machine && !a->plan->force)
		return err(PF_EMACHINE, "%s", a->rt->dev->path);
	if (!same_boot)
		return attach_make(a);
	fd = attach_open_file(a, use->nonce);
	if (fd < 0 && errno != ENOENT)
		return err_errno("%s", a->rt->path);
	if (fd < 0)
		return a->plan->force ? attach_make(a)
				      : err(PF_EINUSE, "%s: no %s", a->rt->dev->path, a->rt->path);
	rc = found_runtime(a, use, fd);
	sys_close(fd);
	return rc;
}

static int decide(struct attach *a)
{
	const struct use_format *use = use_read(a->rt->dev_head);
	struct use_format copy;

	if (!use || use->state == USE_CLEAN)
		return attach_make(a);
	copy = *use;
	return decide_open(a, &copy);
}

static int attach(struct attach *a)
{
	int rc = -PF_EAGAIN;

	for (unsigned tries = 0; rc == -PF_EAGAIN && tries < JOIN_TRIES; tries++) {
		rc = join(a);
		if (rc != -PF_EAGAIN)
			return rc;
		rc = dev_lock(a->rt->dev, a->plan->limit_ms);
		if (rc < 0)
			return rc;
		rc = decide(a);
		dev_unlock(a->rt->dev);
	}
	return rc == -PF_EAGAIN ? err(PF_EBUILDING, "%s", a->rt->dev->path) : rc;
}

static int attach_in_directory(struct attach *a)
{
	int rc = 0;

	identity_now(&a->now);
	if (a->memfd < 0 && a->rt->dev->ops == &dev_memfd)
		rc = err(PF_EMEMFD, NULL);
	else if (a->memfd < 0)
		rc = a->dir = identity_directory(a->dir_path, sizeof a->dir_path);
	if (rc >= 0)
		rc = local_open(a->rt);
	if (rc >= 0) {
		rc = attach(a);
		if (rc < 0)
			local_close(a->rt);
	}
	if (a->dir >= 0)
		sys_close(a->dir);
	return rc;
}

/* Not to be cancelled: the media's lock would stay with the process. */
int rt_attach(struct dev *dev, void *head, bool writable, int runtime_fd,
	      const struct rt_plan *plan, struct rt **out)
{
	struct attach a = {.plan = plan, .memfd = runtime_fd, .dir = -1};
	int rc, cancel;

	a.rt = sys_calloc(1, sizeof *a.rt);
	if (!a.rt)
		return err(ENOMEM, "attach");
	*a.rt = (struct rt){.dev = dev,
			    .head = writable ? head : NULL,
			    .dev_head = head,
			    .fd = -1,
			    .lock_limit_ms = 1000};
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	rc = attach_in_directory(&a);
	pthread_setcancelstate(cancel, NULL);
	if (rc < 0) {
		free(a.rt);
		return rc;
	}
	*out = a.rt;
	return 0;
}

/* Every living process has a lock on its slot's byte. */
int rt_in_use(struct dev *dev, const void *head)
{
	const struct use_format *use = use_read(head);
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = RT_LIVENESS};
	struct rt rt = {.dev = dev};
	struct attach a = {.rt = &rt, .memfd = -1};
	struct rt_header h;
	int fd, rc;

	identity_now(&a.now);
	if (!use || use->state != USE_OPEN || memcmp(use->boot, a.now.boot, sizeof use->boot))
		return 0;
	a.dir = identity_directory(a.dir_path, sizeof a.dir_path);
	if (a.dir < 0)
		return a.dir;
	fd = attach_open_file(&a, use->nonce);
	rc = fd >= 0 ? attach_peek(fd, &h) : errno == ENOENT ? RT_NEW : err_errno("%s", rt.path);
	if (rc > RT_NEW)
		rc = attach_same_media(&rt, &h) && sys_fcntl(fd, F_OFD_GETLK, &lock) == 0 &&
		     lock.l_type != F_UNLCK;
	if (fd >= 0)
		sys_close(fd);
	sys_close(a.dir);
	return rc;
}

int rt_make_memfd(int *runtime_fd)
{
	*runtime_fd = sys_memfd_create("pinfold-runtime", MFD_CLOEXEC);
	return *runtime_fd < 0 ? err_errno("memfd_create") : 0;
}
