/*
 * Making, opening and closing pools: the device, its two zones in this process, the runtime, and what fills a new one.
 *
 * The metadata zone and the data zone are mapped apart. Pointers that users get are into the data zone only, which has inaccessible
 * gaps at both ends, so a stray store past a buffer at the edge meets no metadata.
 */
#include "file/pool.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/progress.h"
#include "base/sys.h"
#include "file/caller.h"
#include "file/service.h"
#include "file/window.h"

/* ---- making ----------------------------------------------------------------------------------------- */

static int make_media(struct dev *dev, const struct pf_mkfs_options *o)
{
	struct super_format super;
	void *meta;
	int rc = super_layout(&super, o->size ? o->size : dev->size, dev->granule, o->inodes);

	if (rc < 0)
		return rc;
	super.flags = (o->flags & PF_MKFS_SPARSE ? SUPER_SPARSE : 0) |
		      (o->flags & PF_MKFS_VOLATILE ? SUPER_VOLATILE : 0);
	rc = dev_map(dev, 0, super.data_offset, PROT_READ | PROT_WRITE, NULL, &meta);
	if (rc < 0)
		return rc;
	fs_mkfs(dev, meta, &super, geteuid(), getegid());
	sys_munmap(meta, super.data_offset);
	return 0;
}

/* Before a file is made: sizes that no device can change. */
static int check_options(const struct pf_mkfs_options *o)
{
	struct super_format super;

	if (o->flags & ~(PF_MKFS_SPARSE | PF_MKFS_VOLATILE))
		return err(PF_EFLAGS, "mkfs flags %x", o->flags);
	return o->size ? super_layout(&super, o->size, PAGE_BYTES, o->inodes) : 0;
}

int pf_mkfs(const char *path, const struct pf_mkfs_options *o)
{
	struct dev *dev;
	int rc = check_options(o);

	if (rc < 0)
		return rc;
	rc = dev_make(path, o->size, o->flags & PF_MKFS_SPARSE, o->flags & PF_MKFS_VOLATILE, &dev);
	if (rc < 0)
		return rc;
	rc = make_media(dev, o);
	if (rc < 0 && dev->ops->make)
		unlink(path);
	dev_close(dev);
	return rc;
}

int pf_mkfs_memfd(const struct pf_mkfs_options *o, int *media_fd, int *runtime_fd)
{
	struct dev *dev;
	int rc = check_options(o);

	if (rc == 0)
		rc = dev_make_memfd(o->size, o->flags & PF_MKFS_SPARSE, &dev);
	if (rc < 0)
		return rc;
	rc = make_media(dev, o);
	if (rc == 0)
		rc = rt_make_memfd(runtime_fd);
	if (rc == 0) {
		*media_fd = dev->fd;
		dev->fd = -1;
	}
	dev_close(dev);
	return rc;
}

/* ---- mapping the zones -------------------------------------------------------------------------------- */

static int map_zone(struct pf_pool *pool, int prot, uint8_t **at)
{
	uint64_t align = MAX(pool->dev->granule, BLOCK_BYTES);
	void *room, *mapped;
	int rc = dev_reserve_addresses(pool->data_bytes + 2 * align, align, &room);

	if (rc < 0)
		return rc;
	*at = (uint8_t *)room + align;
	rc = dev_map(pool->dev, pool->meta_bytes, pool->data_bytes, prot, *at, &mapped);
	if (rc < 0)
		sys_munmap(room, pool->data_bytes + 2 * align);
	return rc;
}

static void unmap_zone(struct pf_pool *pool, uint8_t *at)
{
	uint64_t align = MAX(pool->dev->granule, BLOCK_BYTES);

	if (at)
		sys_munmap(at - align, pool->data_bytes + 2 * align);
}

uint8_t *pool_data(struct pf_pool *pool, bool writable)
{
	uint8_t *at;

	if (writable || pool->readonly)
		return pool->data;
	pthread_mutex_lock(&pool->mutex);
	if (!pool->data_read && map_zone(pool, PROT_READ, &at) == 0)
		pool->data_read = at;
	at = pool->data_read;
	pthread_mutex_unlock(&pool->mutex);
	return at;
}

/* ---- opening ---------------------------------------------------------------------------------------- */

static int read_super(struct pf_pool *pool, struct super_format *super)
{
	uint64_t length = align_up(MIN(pool->dev->size, HEAD_BYTES), pool->dev->granule);
	void *head;
	int rc;

	if (pool->dev->size < HEAD_BYTES)
		return err(PF_ENOTPOOL, "%s has %lu bytes", pool->dev->path,
			   (unsigned long)pool->dev->size);
	rc = dev_map(pool->dev, 0, length, PROT_READ, NULL, &head);
	if (rc < 0)
		return rc;
	rc = super_read(head, HEAD_BYTES, super);
	sys_munmap(head, length);
	if (rc == 0 && super->data_offset + super->data_pages * PAGE_BYTES > pool->dev->size)
		return err(PF_ESHORT, "%s: %lu of %lu bytes", pool->dev->path,
			   (unsigned long)pool->dev->size, (unsigned long)super->bytes);
	return rc;
}

static int map_media(struct pf_pool *pool, const struct super_format *super)
{
	int prot = PROT_READ | (pool->readonly ? 0 : PROT_WRITE);
	void *meta;
	int rc;

	pool->meta_bytes = super->data_offset;
	pool->data_bytes = super->data_pages * PAGE_BYTES;
	rc = dev_map(pool->dev, 0, pool->meta_bytes, prot, NULL, &meta);
	if (rc < 0)
		return rc;
	pool->meta = meta;
	if (!pool->readonly)
		rc = media_guard(pool->dev, meta, pool->meta_bytes);
	return rc < 0 ? rc : map_zone(pool, prot, &pool->data);
}

static void open_layers(struct pf_pool *pool, struct rt *rt, const struct super_format *super)
{
	struct layout *l = &pool->layout;

	l->rt = rt;
	l->readonly = pool->readonly;
	fs_open(&l->fs, pool->dev, rt, pool->meta, super);
	page_open(&l->pages, rt, pool->dev, super->data_offset / PAGE_BYTES, super->data_pages,
		  pool->data);
}

static int page_is_used(void *arg, uint64_t pfn, uint64_t n, unsigned order, uint32_t ino,
			uint32_t igen, uint64_t index)
{
	return page_build_used(arg, pfn, n, order, ino, igen, index);
}

/* What a kill or power cut left half done: unnamed files that nobody has open, truncations. Nobody else is in yet. */
static int finish_leftovers(struct layout *l, struct rt_self *me)
{
	int rc = 0;

	for (uint32_t ino = fs_next_unfinished(&l->fs, 1); ino && rc == 0;
	     ino = fs_next_unfinished(&l->fs, ino + 1)) {
		progress("what a kill left", ino, fs_inodes_high(&l->fs));
		rc = layout_lock(me, l, ino); /* finishes it */
		if (rc == 0)
			layout_unlock(me, l, ino);
	}
	return rc;
}

struct build {
	struct pf_pool *pool;
	const struct super_format *super;
};

static int build(void *arg, struct rt *rt, struct rt_self *me)
{
	struct build *b = arg;
	struct layout *l = &b->pool->layout;
	int rc;

	if (b->pool->readonly)
		return err(PF_EREADONLY, "%s is not open; open it once for writing",
			   b->pool->dev->path);
	open_layers(b->pool, rt, b->super);
	page_build(&l->pages);
	rc = fs_build(&l->fs, me, page_is_used, &l->pages);
	page_build_end(&l->pages);
	if (rc == 0 && l->fs.left.unfinished)
		rc = finish_leftovers(l, me);
	if (rc == 0 && l->fs.left.past_end)
		layout_trim_all(me, l);
	return rc;
}

static int attach(struct pf_pool *pool, const struct super_format *super, int runtime_fd,
		  unsigned flags)
{
	struct build b = {pool, super};
	struct rt_plan plan = {.force = flags & PF_POOL_FORCE,
			       .limit_ms = 5000,
			       .build = build,
			       .arg = &b};
	struct rt *rt;
	int rc;

	fs_plan(super, &plan);
	page_plan(super->data_pages, &plan);
	rc = rt_attach(pool->dev, pool->meta, !pool->readonly, runtime_fd, &plan, &rt);
	if (rc == 0)
		open_layers(pool, rt, super);
	return rc;
}

static void free_pool(struct pf_pool *pool)
{
	unmap_zone(pool, pool->data);
	unmap_zone(pool, pool->data_read);
	if (pool->meta)
		sys_munmap(pool->meta, pool->meta_bytes);
	media_unguard(pool->dev);
	dev_close(pool->dev);
	pthread_mutex_destroy(&pool->mutex);
	free((void *)pool->layout.pages.touched);
	free(pool->groups);
	free(pool);
}

/* Takes the device over, also when it fails. */
static int open_device(struct dev *dev, int runtime_fd, unsigned flags, pf_pool **out)
{
	struct pf_pool *pool = sys_calloc(1, sizeof *pool);
	struct super_format super;
	int rc;

	if (!pool) {
		dev_close(dev);
		return err(ENOMEM, "pool");
	}
	pool->dev = dev;
	pool->readonly = flags & PF_POOL_RDONLY;
	pthread_mutex_init(&pool->mutex, NULL);
	rc = caller_load(pool);
	if (rc == 0)
		rc = read_super(pool, &super);
	if (rc == 0 && dev->page_cache && !(super.flags & SUPER_VOLATILE))
		rc = err(PF_ECACHED, "%s", dev->path);
	if (rc == 0)
		rc = map_media(pool, &super);
	if (rc == 0)
		rc = attach(pool, &super, runtime_fd, flags);
	if (rc < 0) {
		free_pool(pool);
		return rc;
	}
	/* Only a help: without memory for it, pages are touched one by one. */
	pool->layout.pages.touched = sys_calloc(div_up(pool->layout.pages.blocks, 64), 8);
	pool->no_service = flags & PF_POOL_NO_THREAD;
	if (!pool->no_service && !pool->readonly)
		service_start(pool);
	*out = pool;
	return 0;
}

static int check_flags(unsigned flags)
{
	return flags & ~(PF_POOL_RDONLY | PF_POOL_NO_THREAD | PF_POOL_FORCE)
		       ? err(PF_EFLAGS, "open flags %x", flags)
		       : 0;
}

int pf_pool_open(const char *path, unsigned flags, pf_pool **pool)
{
	struct dev *dev;
	int rc = check_flags(flags);

	if (rc == 0)
		rc = dev_open(path, flags & PF_POOL_RDONLY, true, &dev);
	return rc < 0 ? rc : open_device(dev, -1, flags, pool);
}

int pf_pool_open_fds(int media_fd, int runtime_fd, unsigned flags, pf_pool **pool)
{
	struct dev *dev;
	int rc = check_flags(flags);

	if (rc == 0)
		rc = dev_open_fd(media_fd, flags & PF_POOL_RDONLY, true, &dev);
	return rc < 0 ? rc : open_device(dev, runtime_fd, flags, pool);
}

int pf_in_use(const char *path)
{
	struct super_format super;
	struct dev *dev;
	uint64_t length;
	void *head;
	int rc = dev_open(path, true, true, &dev);

	if (rc < 0)
		return rc;
	length = align_up(MIN(dev->size, HEAD_BYTES), dev->granule);
	rc = dev->size < HEAD_BYTES
		     ? err(PF_ENOTPOOL, "%s has %lu bytes", path, (unsigned long)dev->size)
		     : dev_map(dev, 0, length, PROT_READ, NULL, &head);
	if (rc == 0) {
		rc = super_read(head, HEAD_BYTES, &super);
		if (rc == 0)
			rc = rt_in_use(dev, head);
		sys_munmap(head, length);
	}
	dev_close(dev);
	return rc;
}

void pf_pool_set_lock_limit(pf_pool *pool, unsigned milliseconds)
{
	pool->layout.rt->lock_limit_ms = milliseconds;
}

void pf_pool_set_orphan_limit(pf_pool *pool, uint64_t bytes)
{
	pool->orphan_limit = bytes;
}

void pf_pool_set_quarantine(pf_pool *pool, unsigned seconds)
{
	pool->layout.pages.quarantine_ns = seconds * 1000000000ull;
}

/* ---- closing ---------------------------------------------------------------------------------------- */

/* The last one out: nothing may be left that a new runtime would take for free although the kernel still writes to it. */
static int finish(void *arg, struct rt_self *me)
{
	struct pf_pool *pool = arg;
	struct page_stat stat;

	if (page_discard(me, &pool->layout.pages) < 0)
		return 1;
	page_stat(&pool->layout.pages, &stat);
	return stat.quarantine != 0;
}

int pf_pool_close(pf_pool *pool)
{
	struct rt_self *me;

	if (!pool)
		return 0;
	me = pool_self(pool);
	if (!me && rt_self_error() == -PF_EFORKED)
		return -PF_EFORKED;
	service_stop(pool);
	if (me) {
		windows_end(pool, me);
		reap_own(pool, me);
		reap_pass(pool, me, NULL);
	}
	while (pool->files) {
		struct pf_file *file = pool->files;

		pool->files = file->next;
		free(file->batch);
		free(file);
	}
	rt_detach(pool->layout.rt, finish, pool);
	free_pool(pool);
	return 0;
}
