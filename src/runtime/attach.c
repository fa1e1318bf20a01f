/*
 * Attach and detach. Joining a READY runtime takes no lock: claim a slot, full fence, look at the state again. The last one out, whose
 * slot is FREE by then, takes the media's lock, goes to CLOSING, full fence, and looks at the slots again: of a joiner and a closer one sees
 * the other. Making a runtime and ending it happen under the media's lock, which dies with its holder.
 *
 * A new runtime is a new file, never an old one emptied, as others may have that mapped. A clean use record with its nonce comes first,
 * then the file, then the record that says open, then the contents. So whatever a kill leaves has a name that the record knows: the
 * next maker removes it, or finds a runtime that was not finished and starts over.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/err.h"
#include "base/step.h"
#include "base/sys.h"
#include "format/use_format.h"
#include "runtime/local.h"

#define ARENA_BYTES (1ull << 30) /* address space; memory as needed */
#define JOIN_TRIES  1000

struct attach {
	struct rt *rt;
	const struct rt_plan *plan;
	struct use_format now; /* this machine and boot */
	int memfd;             /* of a memfd pool, else -1 */
	int dir;
	char dir_path[180];
};

/* ---- finding ---------------------------------------------------------------------------------------- */

static void file_name(const uint64_t nonce[2], char name[64])
{
	snprintf(name, 64, "pinfold-%016lx%016lx", (unsigned long)nonce[0],
		 (unsigned long)nonce[1]);
}

/* An open description of this attach alone: the liveness lock is on it. */
static int open_file(struct attach *a, const uint64_t nonce[2])
{
	char name[64];

	if (a->memfd >= 0) {
		snprintf(name, sizeof name, "/proc/self/fd/%d", a->memfd);
		a->rt->path[0] = 0;
		return sys_open(name, O_RDWR | O_CLOEXEC, 0);
	}
	file_name(nonce, name);
	snprintf(a->rt->path, sizeof a->rt->path, "%s/%s", a->dir_path, name);
	return sys_openat(a->dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0);
}

/* Into rt->fd. Under local_all: a child that is forked in between would have the descriptor and not close it. */
static int open_own(struct attach *a, const uint64_t nonce[2],
		    int (*open_it)(struct attach *a, const uint64_t nonce[2]))
{
	pthread_mutex_lock(&local_all);
	a->rt->fd = open_it(a, nonce);
	pthread_mutex_unlock(&local_all);
	return a->rt->fd;
}

/* The header as it is now, without mapping it: a file that is not whole yet must not be touched through a mapping. An enum rt_state,
 * or an error. */
static int peek(int fd, struct rt_header *h)
{
	ssize_t n = sys_pread(fd, h, sizeof *h, 0);

	if (n < 0)
		return err_errno("runtime: read");
	return n < (ssize_t)sizeof *h || h->magic != RT_MAGIC ? RT_NEW : (int)h->state;
}

static int map_file(struct rt *rt, uint64_t bytes)
{
	struct stat st;
	void *at;

	if (sys_fstat(rt->fd, &st) < 0)
		return err_errno("%s: fstat", rt->path);
	at = sys_mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, rt->fd, 0);
	if (at == MAP_FAILED)
		return err_errno("%s: mmap", rt->path);
	if (sys_madvise(at, bytes, MADV_DONTFORK) < 0) {
		int rc = err_errno("%s: madvise", rt->path);

		sys_munmap(at, bytes);
		return rc;
	}
	rt->device = st.st_dev;
	rt->inode = st.st_ino;
	rt->header = at;
	rt->base = at;
	rt->bytes = bytes;
	rt->slots = (struct rt_slot *)(rt->base + align_up(sizeof *rt->header, 128));
	return 0;
}

static void unmap_file(struct rt *rt)
{
	if (rt->header)
		sys_munmap(rt->base, rt->bytes);
	rt->header = NULL;
	pthread_mutex_lock(&local_all);
	if (rt->fd >= 0)
		sys_close(rt->fd);
	rt->fd = -1;
	pthread_mutex_unlock(&local_all);
}

static bool same_media(const struct rt *rt, const struct rt_header *h)
{
	return h->identity[0] == rt->dev->identity.device &&
	       h->identity[1] == rt->dev->identity.inode &&
	       h->identity[2] == rt->dev->identity.rdev;
}

/* ---- joining ---------------------------------------------------------------------------------------- */

static int join_mapped(struct rt *rt)
{
	int rc = slot_claim(rt);

	if (rc < 0)
		return rc;
	step("attach: slot claimed");
	memory_fence(memory_order_seq_cst); /* pairs with the last closer's */
	if (load_acquire(&rt->header->state) == RT_READY) {
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
	if (open_own(a, use.nonce, open_file) < 0)
		return errno == ENOENT ? -PF_EAGAIN : err_errno("%s", a->rt->path);
	rc = -PF_EAGAIN;
	if (peek(a->rt->fd, &h) == RT_READY && h.version == RT_VERSION &&
	    !memcmp(h.nonce, use.nonce, sizeof h.nonce) && same_media(a->rt, &h)) {
		rc = map_file(a->rt, h.bytes);
		step("attach: mapped");
		if (rc == 0)
			rc = join_mapped(a->rt);
	}
	if (rc < 0)
		unmap_file(a->rt);
	return rc;
}

/* False: a thread ended inside a call, and what it left must be settled by who reaps the slot. */
static bool release_rows(struct rt *rt)
{
	struct rt_self *me;
	bool clean = true;

	pthread_mutex_lock(&local_all); /* threads that end meanwhile */
	pthread_mutex_lock(&rt->local->mutex);
	while ((me = rt->local->selves)) {
		rt->local->selves = me->next;
		row_release(me);
		free(me);
	}
	pthread_mutex_unlock(&rt->local->mutex);
	pthread_mutex_unlock(&local_all);
	for (struct rt_chunk *c = rt_chunks(rt, rt->slot, RT_CHUNK_ROWS); c;
	     c = rt_chunk_next(rt, c))
		for (unsigned i = 0; i < RT_ROWS; i++)
			clean &= load_acquire(&c->rows[i].state) == RT_ROW_FREE;
	return clean;
}

/* ---- making ----------------------------------------------------------------------------------------- */

/* Where everything is; returns the file's size. */
static uint64_t lay_out(struct rt_header *h, const struct rt_plan *plan)
{
	uint64_t at =
		align_up(align_up(sizeof *h, 128) + RT_SLOTS * sizeof(struct rt_slot), PAGE_BYTES);

	for (unsigned r = 0; r < RT_REGIONS; r++) {
		h->start[r] = at;
		h->length[r] = plan->region[r].bytes;
		at = align_up(at + plan->region[r].bytes, PAGE_BYTES);
	}
	h->arena_start = at;
	h->arena_end = at + ARENA_BYTES;
	h->slots = RT_SLOTS;
	h->magic = RT_MAGIC;
	h->version = RT_VERSION;
	h->bytes = h->arena_end;
	return h->bytes;
}

/* Who may write to the media may join. */
static void share_file(struct attach *a, int fd)
{
	struct stat media;

	if (fstat(a->rt->dev->fd, &media) < 0)
		return;
	if (fchown(fd, media.st_uid, media.st_gid) < 0)
		(void)!fchown(fd, (uid_t)-1, media.st_gid);
	(void)!fchmod(fd, 0600 | (media.st_mode & 0066));
}

static int make_file(struct attach *a, const uint64_t nonce[2])
{
	char name[64];
	int fd;

	if (a->memfd >= 0)
		return open_file(a, nonce);
	file_name(nonce, name);
	snprintf(a->rt->path, sizeof a->rt->path, "%s/%s", a->dir_path, name);
	fd = sys_openat(a->dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0)
		share_file(a, fd);
	return fd;
}

/* Nobody uses this runtime, unless it is that of the media that ours is a copy of. */
static void drop_file(struct attach *a, const uint64_t nonce[2])
{
	struct rt_header h;
	char name[64];
	int fd, state;

	if (a->memfd >= 0)
		return;
	file_name(nonce, name);
	fd = openat(a->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	state = peek(fd, &h);
	if (state == RT_NEW || (state > RT_NEW && same_media(a->rt, &h)))
		unlinkat(a->dir, name, 0);
	close(fd);
}

/* A memfd is used again: what an unfinished or ended runtime left goes. */
static int size_file(struct attach *a, uint64_t bytes)
{
	struct rlimit limit;
	int fd = a->rt->fd;

	/* The system call would not fail but raise a signal. */
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < bytes)
		return err(PF_ERUNSPACE, "%s: %lu MiB are more than the limit for files",
			   a->rt->path, (unsigned long)(bytes >> 20));
	if (sys_ftruncate(fd, (off_t)bytes) < 0)
		return errno == EFBIG || errno == ENOSPC ? err(PF_ERUNSPACE, "%s", a->rt->path)
							 : err_errno("%s: ftruncate", a->rt->path);
	if (a->memfd >= 0 &&
	    sys_fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)bytes) < 0)
		return err_errno("memfd: punch");
	return 0;
}

static int fill_regions(struct rt *rt, const struct rt_plan *plan)
{
	int rc = 0;

	for (unsigned r = 0; r < RT_REGIONS && rc == 0; r++)
		if (plan->region[r].filled && plan->region[r].bytes)
			rc = rt_fill(rt, rt_region(rt, r), plan->region[r].bytes);
	return rc;
}

/* Header and slots first: their memory is reserved before the first store. */
static int fill_header(struct attach *a, const struct rt_header *h)
{
	struct rt *rt = a->rt;

	if (sys_fallocate(rt->fd, 0, 0, (off_t)h->start[0]) < 0)
		return err(PF_ERUNSPACE, "%s: %lu KiB", rt->path[0] ? rt->path : "memfd",
			   (unsigned long)(h->start[0] / 1024));
	memcpy(rt->header, h, sizeof *h);
	arena_init(rt->header);
	store_relaxed(&rt->header->builder, (uint64_t)getpid());
	store_release(&rt->header->state, RT_BUILDING);
	step("attach: building");
	return fill_regions(rt, a->plan);
}

static int build(struct attach *a)
{
	struct rt *rt = a->rt;
	struct rt_self *me;
	int rc = slot_claim(rt);

	if (rc < 0)
		return rc;
	record_adopt(rt);
	me = rt_self_get(rt);
	rc = me ? a->plan->build(a->plan->arg, rt, me) : rt_self_error();
	if (rc < 0) {
		release_rows(rt);
		slot_release(rt);
		return rc;
	}
	step("attach: built");
	store_release(&rt->header->state, RT_READY);
	return 0;
}

static void write_use(struct rt *rt, struct use_format use)
{
	use_write(rt->head, use);
	dev_persist(rt->dev, (uint8_t *)rt->head + USE_OFFSET, USE_END - USE_OFFSET);
	dev_drain(rt->dev);
}

/* The old runtime, if there was one, is nobody's. */
static void forget(struct attach *a, struct use_format old)
{
	if (old.state == USE_OPEN) {
		old.state = USE_CLEAN;
		write_use(a->rt, old);
		step("attach: forgotten");
	}
	drop_file(a, old.nonce);
}

static int fill(struct attach *a, const struct use_format *use)
{
	struct rt_header h = {0};
	uint64_t bytes = lay_out(&h, a->plan);
	int rc = size_file(a, bytes);

	memcpy(h.nonce, use->nonce, sizeof h.nonce);
	h.identity[0] = a->rt->dev->identity.device;
	h.identity[1] = a->rt->dev->identity.inode;
	h.identity[2] = a->rt->dev->identity.rdev;
	if (rc == 0)
		rc = map_file(a->rt, bytes);
	if (rc == 0)
		rc = fill_header(a, &h);
	return rc < 0 ? rc : build(a);
}

static int make_named(struct attach *a, struct use_format use)
{
	int rc;

	use.state = USE_CLEAN;
	write_use(a->rt, use);
	step("attach: named");
	if (open_own(a, use.nonce, make_file) < 0)
		return errno == ENOSPC ? err(PF_ERUNSPACE, "%s", a->rt->path)
				       : err_errno("%s", a->rt->path[0] ? a->rt->path : "memfd");
	step("attach: file made");
	use.state = USE_OPEN;
	write_use(a->rt, use);
	step("attach: use written");
	rc = fill(a, &use);
	if (rc < 0) {
		unmap_file(a->rt);
		use.state = USE_CLEAN;
		write_use(a->rt, use);
		drop_file(a, use.nonce);
	}
	return rc;
}

/* Media lock. */
static int make(struct attach *a)
{
	struct use_format use = a->now;
	const struct use_format *old;

	if (!a->rt->head)
		return err(PF_EREADONLY, "%s is not open; open it once for writing",
			   a->rt->dev->path);
	if (getrandom(use.nonce, sizeof use.nonce, 0) != sizeof use.nonce)
		return err_errno("getrandom");
	old = use_read(a->rt->head);
	if (old)
		forget(a, *old);
	return make_named(a, use);
}

/* ---- deciding --------------------------------------------------------------------------------------- */

/* A runtime that was begun, of another media or another program: 0 if it may be left alone and another one made. */
static int check_foreign(struct attach *a, const struct use_format *use, const struct rt_header *h)
{
	if (a->plan->force)
		return 0;
	if (h->version != RT_VERSION)
		return err(PF_EINUSE, "%s: by another version of pinfold", a->rt->dev->path);
	if (!same_media(a->rt, h))
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
	int state = peek(fd, &h), rc = 0;
	bool ours = state > RT_NEW && h.version == RT_VERSION && same_media(a->rt, &h) &&
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
	return make(a);
}

static int decide_open(struct attach *a, const struct use_format *use)
{
	bool same_boot = !memcmp(use->boot, a->now.boot, 16),
	     same_machine = !memcmp(use->machine, a->now.machine, 16);
	int fd, rc;

	if (!same_boot && !same_machine && !a->plan->force)
		return err(PF_EMACHINE, "%s", a->rt->dev->path);
	if (!same_boot)
		return make(a);
	fd = open_file(a, use->nonce);
	if (fd < 0 && errno != ENOENT)
		return err_errno("%s", a->rt->path);
	if (fd < 0)
		return a->plan->force ? make(a)
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
		return make(a);
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

int rt_attach(struct dev *dev, void *head, bool writable, int runtime_fd,
	      const struct rt_plan *plan, struct rt **out)
{
	struct attach a = {.plan = plan, .memfd = runtime_fd, .dir = -1};
	int rc = 0;

	a.rt = sys_calloc(1, sizeof *a.rt);
	if (!a.rt)
		return err(ENOMEM, "attach");
	*a.rt = (struct rt){.dev = dev,
			    .head = writable ? head : NULL,
			    .dev_head = head,
			    .fd = -1,
			    .lock_limit_ms = 1000};
	identity_now(&a.now);
	if (runtime_fd < 0 && dev->ops == &dev_memfd)
		rc = err(PF_EMEMFD, NULL);
	else if (runtime_fd < 0)
		rc = a.dir = identity_directory(a.dir_path, sizeof a.dir_path);
	if (rc >= 0)
		rc = local_open(a.rt);
	if (rc >= 0) {
		rc = attach(&a);
		if (rc < 0)
			local_close(a.rt);
	}
	if (a.dir >= 0)
		sys_close(a.dir);
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
	fd = open_file(&a, use->nonce);
	rc = fd >= 0 ? peek(fd, &h) : errno == ENOENT ? RT_NEW : err_errno("%s", rt.path);
	if (rc > RT_NEW)
		rc = same_media(&rt, &h) && sys_fcntl(fd, F_OFD_GETLK, &lock) == 0 &&
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

/* ---- detaching -------------------------------------------------------------------------------------- */

/* Media lock, CLOSING, and nobody else is in. */
static void end(struct rt *rt, int (*finish)(void *arg, struct rt_self *me), void *arg)
{
	const struct use_format *open = use_read(rt->head);
	struct rt_self *me = rt_self_get(rt);
	struct use_format use;

	if (!open || !me || finish(arg, me) != 0) {
		store_release(&rt->header->state, RT_READY);
		return;
	}
	step("detach: finished");
	use = *open;
	use.state = USE_CLEAN;
	write_use(rt, use);
	step("detach: clean");
	store_release(&rt->header->state, RT_GONE);
	if (rt->path[0])
		unlink(rt->path);
}

/* Our slot is FREE. Of two that leave at once the later one sees that nobody is in. */
static void end_if_last(struct rt *rt, int (*finish)(void *arg, struct rt_self *me), void *arg)
{
	uint64_t state = RT_READY;

	if (!slots_empty(rt) || dev_lock(rt->dev, rt->lock_limit_ms) < 0)
		return;
	step("detach: alone");
	if (cas(&rt->header->state, &state, RT_CLOSING)) {
		store_relaxed(&rt->header->builder, (uint64_t)getpid());
		memory_fence(memory_order_seq_cst); /* pairs with a joiner's */
		step("detach: closing");
		if (slots_empty(rt) && slot_claim(rt) == 0) {
			local_renew(rt);
			record_adopt(rt);
			end(rt, finish, arg);
			release_rows(rt);
			slot_release(rt);
		} else {
			store_release(&rt->header->state, RT_READY);
		}
	}
	dev_unlock(rt->dev);
}

void rt_detach(struct rt *rt, int (*finish)(void *arg, struct rt_self *me), void *arg)
{
	if (!local_forked(rt)) {
		if (release_rows(rt)) {
			slot_release(rt);
			step("detach: slot free");
			memory_fence(memory_order_seq_cst);
			if (rt->head)
				end_if_last(rt, finish, arg);
		}
		unmap_file(rt); /* and with it the liveness lock */
	}
	local_close(rt);
	free(rt);
}
