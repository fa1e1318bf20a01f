/*
 * Making a runtime, under the media's lock. It is a new file, never an old one emptied, as others may have that mapped. A clean use record
 * with its nonce comes first, then the file, then the record that says open, then the contents. So whatever a kill leaves has a name that
 * the record knows: the next maker removes it, or finds a runtime that was not finished and starts over.
 */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/err.h"
#include "base/step.h"
#include "base/sys.h"
#include "runtime/attach.h"

#define ARENA_BYTES (1ull << 30) /* address space; memory as needed */

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
	h->tables = at;
	at += ARENA_BYTES / PAGE_BYTES * sizeof(rt_table_word);
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
		return attach_open_file(a, nonce);
	attach_file_name(nonce, name);
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
	attach_file_name(nonce, name);
	fd = openat(a->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	state = attach_peek(fd, &h);
	if (state == RT_NEW || (state > RT_NEW && attach_same_media(a->rt, &h)))
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
		attach_release_rows(rt);
		slot_release(rt);
		return rc;
	}
	step("attach: built");
	store_release(&rt->header->state, RT_READY);
	return 0;
}

/* The old runtime, if there was one, is nobody's. */
static void forget(struct attach *a, struct use_format old)
{
	if (old.state == USE_OPEN) {
		old.state = USE_CLEAN;
		attach_write_use(a->rt, old);
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
		rc = attach_map(a->rt, bytes);
	if (rc == 0)
		rc = fill_header(a, &h);
	return rc < 0 ? rc : build(a);
}

static int make_named(struct attach *a, struct use_format use)
{
	int rc;

	use.state = USE_CLEAN;
	attach_write_use(a->rt, use);
	step("attach: named");
	if (attach_open(a, use.nonce, make_file) < 0)
		return errno == ENOSPC
			       ? err(PF_ERUNSPACE, "%s", a->rt->path)
			       : err_errno("%s: making the runtime, see PINFOLD_RUNTIME_DIR",
					   a->rt->path[0] ? a->rt->path : "memfd");
	step("attach: file made");
	use.state = USE_OPEN;
	attach_write_use(a->rt, use);
	step("attach: use written");
	rc = fill(a, &use);
	if (rc < 0) {
		attach_unmap(a->rt);
		use.state = USE_CLEAN;
		attach_write_use(a->rt, use);
		drop_file(a, use.nonce);
	}
	return rc;
}

int attach_make(struct attach *a)
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
