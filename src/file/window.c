/*
 * Windows: what module mm cannot do under the space's lock. A file that a window shows has a handle of its own; holes that can be written are filled under the inode's lock; a
 * range that somebody empties is waited for. docs/windows.md.
 */
#include "file/window.h"
#include "file/service.h"

#include <sched.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/sys.h"

#define TRIES 64u /* of bringing a stale window up to date, when others are always faster */

#define PERMISSIONS (PF_MAP_READ | PF_MAP_WRITE | PF_MAP_EXEC)
#define KNOWN       (PERMISSIONS | PF_MAP_FIXED | PF_MAP_NOREPLACE | PF_MAP_POPULATE)

/* ---- the space --------------------------------------------------------------------------------------- */

static int make_space(struct pf_pool *pool, struct rt_self *me, struct space **out)
{
	struct layout *l = &pool->layout;
	struct host host;
	int rc = host_mmu(pool->dev, &host);

	if (rc < 0)
		return rc;
	rc = space_make(me, &l->pages, NULL, out);
	if (rc < 0) {
		host_end(&host);
		return rc;
	}
	mm_begin(*out, &l->fs, &host);
	store_release(&l->space, *out);
	/* Who only reads has nothing else to be told. */
	if (pool->readonly && !pool->no_service)
		service_start(pool);
	return 0;
}

static int get_space(struct pf_pool *pool, struct rt_self *me, struct space **out)
{
	int rc = 0;

	*out = load_acquire(&pool->layout.space);
	if (likely(*out))
		return 0;
	pthread_mutex_lock(&pool->mutex);
	*out = load_relaxed(&pool->layout.space);
	if (!*out)
		rc = make_space(pool, me, out);
	pthread_mutex_unlock(&pool->mutex);
	return rc;
}

/* ---- what is missing --------------------------------------------------------------------------------- */

/* Inode lock: pages before the end of the file that a window shows and may be written. */
static int fill_locked(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t first,
		       uint64_t end)
{
	int rc;

	end = MIN(end, div_up(fs_size(&l->fs, ino), PAGE_BYTES));
	if (first >= end)
		return 0;
	rc = io_fill(me, l, ino, first, end);
	if (rc == 0)
		layout_written(me, l, ino, first, end, NULL);
	return rc;
}

/* -PF_EAGAIN: a part of it is being emptied. */
static int fill(struct rt_self *me, struct layout *l, const struct mm_need *n)
{
	int rc = layout_lock(me, l, n->ino);

	if (rc < 0)
		return rc;
	rc = fill_locked(me, l, n->ino, n->index, n->index + n->pages);
	layout_unlock(me, l, n->ino);
	return rc;
}

/* A file of a few pages can become one folio. */
static int join(struct rt_self *me, struct layout *l, const struct mm_need *n)
{
	uint64_t pfn;
	entry_t e;
	int rc = layout_lock(me, l, n->ino);

	if (rc < 0)
		return rc;
	rc = layout_move(me, l, n->ino);
	e = fs_entry(&l->fs, n->ino, n->index, &pfn);
	layout_unlock(me, l, n->ino);
	if (rc == 0 && (!e || entry_order(e) != BLOCK_ORDER))
		rc = err(PF_EGRANULE, "inode %u at byte %lu", n->ino,
			 (unsigned long)(n->index * PAGE_BYTES));
	return rc;
}

/* 0: it may be there now. -PF_EAGAIN: it is to be waited for. */
static int provide(struct rt_self *me, struct layout *l, int what, const struct mm_need *n)
{
	if (what == -PF_EHOLE)
		return fill(me, l, n);
	if (what == -PF_EGRANULE)
		return join(me, l, n);
	return dax_range_locked(me, &l->fs, n->ino, n->index, n->index + n->pages - 1)
		       ? -PF_EAGAIN
		       : page_repair(me, &l->pages);
}

static bool is_need(int rc)
{
	return rc == -PF_EHOLE || rc == -PF_EAGAIN || rc == -PF_EGRANULE;
}

/* The same, and waits for it: 1, or an error. */
static int wait_provide(struct pf_pool *pool, struct rt_self *me, int what, const struct mm_need *n)
{
	struct layout *l = &pool->layout;
	int rc = provide(me, l, what, n);

	if (rc == -PF_EAGAIN)
		rc = dax_wait_range(me, &l->fs, n->ino, n->index, n->index + n->pages - 1);
	return rc < 0 ? rc : 1;
}

int windows_bring(struct pf_pool *pool, struct rt_self *me, uint64_t va, uint64_t pages)
{
	struct space *s = load_acquire(&pool->layout.space);
	unsigned tries = 0;
	struct mm_need need;
	int rc;

	do {
		rc = mm_sync(me, s, va, pages, &need);
		if (is_need(rc))
			rc = wait_provide(pool, me, rc, &need);
	} while (rc > 0 || reap_helps(pool, me, rc, &tries));
	return space_full(pool, rc, pages * PAGE_BYTES);
}

/* ---- up to date -------------------------------------------------------------------------------------- */

int windows_sync(struct pf_pool *pool, struct rt_self *me)
{
	struct layout *l = &pool->layout;
	struct space *s = load_acquire(&l->space);
	struct mm_need need;
	enum mm_lack lack = MM_LACK_TELL, next = MM_LACK_KEEP;
	bool any = false;

	for (unsigned tries = 0; s; tries++) {
		int rc = mm_sync_stale(me, s, lack, &need);

		any |= rc != 0;
		/* Pages that were shown until then may be what was missing: once more. */
		if (lack == MM_LACK_KEEP) {
			lack = MM_LACK_TELL;
			next = MM_LACK_GIVE_UP;
			continue;
		}
		if (!is_need(rc))
			return any;
		rc = provide(me, l, rc, &need);
		if (rc == -PF_EAGAIN)
			sched_yield();
		if (tries >= TRIES || (rc < 0 && rc != -PF_EAGAIN))
			lack = next;
	}
	return 0;
}

/* Filling holes tells others again. */
void windows_settle(struct pf_pool *pool, struct rt_self *me)
{
	if (likely(!me->told))
		return;
	do {
		me->told = false;
		windows_sync(pool, me);
	} while (me->told);
	mm_wait_told(me);
}

/* ---- files ------------------------------------------------------------------------------------------- */

/* The handle that windows of a file have; inode lock. */
static int take_file(struct rt_self *me, struct space *s, const struct pf_file *file,
		     struct vma_file **out)
{
	struct vma_file *f = mm_file_get(s, file->ino);

	*out = f;
	if (f)
		return 0;
	f = sys_calloc(1, sizeof *f);
	if (!f)
		return err(ENOMEM, "window");
	f->handle = rt_handle_get(me);
	if (!f->handle) {
		free(f);
		return rt_self_error();
	}
	f->ino = file->ino;
	f->igen = file->igen;
	f->granule = MAX(s->granule, fs_device(s->fs, file->ino));
	handle_publish(&file->pool->layout, f->handle, f->ino, f->igen);
	mm_file_add(s, f);
	*out = f;
	return 0;
}

/* Files that no window shows any more are closed; one whose lock is not to be had, another time. */
static void close_files(struct pf_pool *pool, struct rt_self *me, struct space *s)
{
	struct layout *l = &pool->layout;
	uint32_t ino;

	while ((ino = mm_file_unused(s))) {
		int rc = layout_lock(me, l, ino);
		struct vma_file *f = rc < 0 ? mm_file_get(s, ino) : mm_file_take(s, ino);

		if (rc < 0) {
			if (f)
				mm_file_put(s, f);
			return;
		}
		if (f)
			handle_drop(me, l, f->handle);
		layout_unlock(me, l, ino);
		if (f)
			rt_handle_put(me, f->handle);
		free(f);
	}
}

/* ---- mapping ----------------------------------------------------------------------------------------- */

static int check_range(const struct pf_pool *pool, uint64_t address, uint64_t length)
{
	uint64_t granule = pool->dev->granule;

	if (address % granule)
		return err(PF_EALIGN, "address %#lx, granule %lu", (unsigned long)address,
			   (unsigned long)granule);
	if (!length || length > -granule - address)
		return err(PF_ERANGE, "%lu bytes at %#lx", (unsigned long)length,
			   (unsigned long)address);
	return 0;
}

/* A device is shown whole pieces of its alignment at a time. */
static int check_device(const pf_file *file, uint64_t address, uint64_t length, uint64_t offset)
{
	uint64_t align = fs_device(&file->pool->layout.fs, file->ino);

	return align && (address | length | offset) % align
		       ? err(PF_EALIGN, "%lu bytes at %lu of a device, at %#lx: multiples of %lu",
			     (unsigned long)length, (unsigned long)offset, (unsigned long)address,
			     (unsigned long)align)
		       : 0;
}

static int check_map(const pf_file *file, uint64_t address, uint64_t length, unsigned flags,
		     uint64_t offset)
{
	uint64_t granule = file->pool->dev->granule, max = FILE_PAGES_MAX * PAGE_BYTES;
	int rc;

	if (flags & ~KNOWN || !(flags & PF_MAP_READ) ||
	    (flags & PF_MAP_NOREPLACE && !(flags & PF_MAP_FIXED)))
		return err(PF_EFLAGS, "window flags %x", flags);
	if (!file->readable)
		return handle_no_data(file);
	if (flags & PF_MAP_WRITE && !file->writable)
		return err(PF_EREADONLY, "inode %u", file->ino);
	rc = check_range(file->pool, flags & PF_MAP_FIXED ? address : 0, length);
	if (rc < 0)
		return rc;
	if (offset % granule)
		return err(PF_EALIGN, "offset %lu, granule %lu", (unsigned long)offset,
			   (unsigned long)granule);
	if (length > max || offset > max - align_up(length, granule))
		return err(PF_ERANGE, "%lu bytes at %lu", (unsigned long)length,
			   (unsigned long)offset);
	rc = check_device(file, flags & PF_MAP_FIXED ? address : 0, align_up(length, granule),
			  offset);
	return rc < 0 ? rc : space_check_orphans(file->pool);
}

/* The file is kept, and has pages where the window can be written. */
static int open_window(struct rt_self *me, struct space *s, const pf_file *file, struct mm_place *m)
{
	struct layout *l = &file->pool->layout;
	int rc = layout_lock(me, l, file->ino);

	if (rc < 0)
		return rc;
	rc = take_file(me, s, file, &m->file);
	layout_unlock(me, l, file->ino);
	return rc;
}

static void populate(struct space *s, uint64_t va, uint64_t length, unsigned flags)
{
	s->host.ops->populate(&s->host, va, length, flags & PF_MAP_WRITE);
}

static int make_window(struct rt_self *me, struct space *s, pf_file *file, struct mm_place *m,
		       uint64_t *va)
{
	int rc = open_window(me, s, file, m);

	if (rc < 0)
		return rc;
	rc = mm_map(me, s, m, va);
	if (rc < 0) {
		mm_file_put(s, m->file);
		return rc;
	}
	rc = windows_bring(file->pool, me, *va, m->pages);
	if (rc < 0)
		mm_unmap(me, s, *va, *va + m->pages * PAGE_BYTES);
	return rc;
}

int pf_window_map(pf_file *file, void *address, uint64_t length, unsigned flags, uint64_t offset,
		  void **window)
{
	struct rt_self *me = pool_self(file->pool);
	uint64_t granule = file->pool->dev->granule, va;
	struct mm_place m = {.index = offset / PAGE_BYTES,
			     .wish = align_down((uintptr_t)address, granule),
			     .flags = flags & PERMISSIONS,
			     .fixed = flags & PF_MAP_FIXED,
			     .replace = !(flags & PF_MAP_NOREPLACE),
			     .may_write = file->writable};
	struct space *s;
	int rc = me ? check_map(file, (uintptr_t)address, length, flags, offset) : rt_self_error();

	if (rc == 0)
		rc = get_space(file->pool, me, &s);
	if (rc < 0)
		return rc;
	m.pages = align_up(length, granule) / PAGE_BYTES;
	rc = make_window(me, s, file, &m, &va);
	close_files(file->pool, me, s);
	windows_settle(file->pool, me);
	if (rc < 0)
		return rc;
	if (flags & PF_MAP_POPULATE)
		populate(s, va, m.pages * PAGE_BYTES, flags);
	*window = (void *)(uintptr_t)va; /* NOLINT(performance-no-int-to-ptr) */
	return 0;
}

/* ---- unmapping --------------------------------------------------------------------------------------- */

int pf_window_unmap(pf_pool *pool, void *address, uint64_t length)
{
	struct rt_self *me = pool_self(pool);
	uint64_t va = (uintptr_t)address;
	struct space *s = load_acquire(&pool->layout.space);
	int rc = me ? check_range(pool, va, length) : rt_self_error();

	if (rc < 0 || !s)
		return rc;
	rc = mm_unmap(me, s, va, va + align_up(length, pool->dev->granule));
	close_files(pool, me, s);
	return rc;
}

/* ---- protecting -------------------------------------------------------------------------------------- */

static int check_flags(unsigned flags)
{
	return flags & ~PERMISSIONS || (flags && !(flags & PF_MAP_READ))
		       ? err(PF_EFLAGS, "window flags %x", flags)
		       : 0;
}

static int protect(struct pf_pool *pool, struct rt_self *me, struct space *s, uint64_t va,
		   uint64_t end, unsigned flags)
{
	unsigned tries = 0;
	struct mm_need need;
	int rc;

	do {
		rc = mm_protect(me, s, va, end, flags, &need);
		if (rc == -PF_EHOLE)
			rc = wait_provide(pool, me, rc, &need);
	} while (rc > 0 || reap_helps(pool, me, rc, &tries));
	/* Also when it failed on the way: what came before may be written. */
	if (flags & PF_MAP_WRITE) {
		int brought = windows_bring(pool, me, va, (end - va) / PAGE_BYTES);

		rc = rc < 0 ? rc : brought;
	}
	return space_full(pool, rc, end - va);
}

int pf_window_protect(pf_pool *pool, void *address, uint64_t length, unsigned flags)
{
	struct rt_self *me = pool_self(pool);
	uint64_t va = (uintptr_t)address;
	struct space *s;
	int rc = me ? check_range(pool, va, length) : rt_self_error();

	if (rc == 0)
		rc = check_flags(flags);
	if (rc == 0)
		rc = get_space(pool, me, &s);
	if (rc < 0)
		return rc;
	rc = protect(pool, me, s, va, va + align_up(length, pool->dev->granule), flags);
	windows_settle(pool, me);
	return rc;
}

/* ---- moving, growing, shrinking ----------------------------------------------------------------------- */

static int check_remap(struct pf_pool *pool, const struct mm_remap *r, unsigned flags)
{
	int rc;

	if (flags & ~(PF_REMAP_MAYMOVE | PF_REMAP_FIXED) ||
	    (flags & PF_REMAP_FIXED && !(flags & PF_REMAP_MAYMOVE)))
		return err(PF_EFLAGS, "remap flags %x", flags);
	rc = check_range(pool, r->address, r->length);
	if (rc == 0)
		rc = check_range(pool, r->fixed ? r->to : 0, r->new_length);
	if (rc == 0 && r->fixed && r->to < r->address + r->length &&
	    r->address < r->to + r->new_length)
		rc = err(PF_ERANGE, "the ranges overlap");
	return rc < 0 ? rc : space_check_orphans(pool);
}

static int remap(struct pf_pool *pool, struct rt_self *me, struct space *s,
		 const struct mm_remap *r, uint64_t *va)
{
	struct mm_need need;
	unsigned tries = 0;
	int rc;

	do {
		rc = mm_remap(me, s, r, &need, va);
		if (is_need(rc))
			rc = wait_provide(pool, me, rc, &need);
	} while (rc > 0 || reap_helps(pool, me, rc, &tries));
	return space_full(pool, rc, r->new_length);
}

int pf_window_remap(pf_pool *pool, void *address, uint64_t length, uint64_t new_length,
		    unsigned flags, void *to, void **window)
{
	struct rt_self *me = pool_self(pool);
	struct mm_remap r = {(uintptr_t)address,
			     length,
			     new_length,
			     (uintptr_t)to,
			     flags & PF_REMAP_MAYMOVE,
			     flags & PF_REMAP_FIXED};
	struct space *s;
	uint64_t va;
	int rc = me ? check_remap(pool, &r, flags) : rt_self_error();

	if (rc == 0)
		rc = get_space(pool, me, &s);
	if (rc < 0)
		return rc;
	r.length = align_up(length, pool->dev->granule);
	r.new_length = align_up(new_length, pool->dev->granule);
	rc = remap(pool, me, s, &r, &va);
	close_files(pool, me, s);
	windows_settle(pool, me);
	if (rc == 0)
		*window = (void *)(uintptr_t)va; /* NOLINT(performance-no-int-to-ptr) */
	return rc;
}

/* ---- the rest ---------------------------------------------------------------------------------------- */

int pf_window_sync(pf_pool *pool, const void *address, uint64_t length)
{
	struct rt_self *me = pool_self(pool);
	uint64_t va = (uintptr_t)address;
	struct space *s;
	int rc = me ? check_range(pool, va, length) : rt_self_error();

	if (rc == 0)
		rc = get_space(pool, me, &s);
	return rc < 0 ? rc : mm_persist(s, va, va + align_up(length, pool->dev->granule));
}

void windows_end(struct pf_pool *pool, struct rt_self *me)
{
	struct space *s = load_acquire(&pool->layout.space);

	if (!s)
		return;
	mm_end(me, s);
	space_end(me, s, NULL);
	store_release(&pool->layout.space, NULL);
}
