/*
 * Reading, writing, sizes. A read takes no lock: it holds the pages it copies, in its row, for as long as it copies them. A write has the
 * inode's lock; new pages get their bytes before they become part of the file.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/broken.h"
#include "base/err.h"
#include "base/sys.h"
#include "file/attr.h"
#include "file/window.h"

/* ---- reading --------------------------------------------------------------------------------------- */

/* One run of present pages, or of missing ones; returns the bytes copied. */
static int64_t read_run(struct rt_self *me, struct pf_file *file, uint8_t *to, uint64_t length,
			uint64_t offset)
{
	struct layout *l = &file->pool->layout;
	uint64_t index = offset / PAGE_BYTES, last = (offset + length - 1) / PAGE_BYTES, n;
	struct dax_run run;
	int rc = dax_hold(me, &l->fs, &l->pages, file->ino, index, last - index + 1,
			  &me->row->read_hold, &run);

	if (rc == -PF_EHOLE) {
		n = fs_next_data(&l->fs, file->ino, index, last + 1) - index;
		n = MAX(n, 1) * PAGE_BYTES - offset % PAGE_BYTES;
		n = MIN(n, length);
		memset(to, 0, n);
		return (int64_t)n;
	}
	if (rc < 0)
		return rc;
	n = MIN(run.pages * PAGE_BYTES - offset % PAGE_BYTES, length);
	media_load(to, (uint8_t *)page_address(&l->pages, run.pfn) + offset % PAGE_BYTES, n);
	dax_drop(me, &l->pages, &me->row->read_hold, false);
	return (int64_t)n;
}

/* A page that was copied may have been past the end, where its bytes say nothing, if the file was cut and has grown since its size was read: then pages have left it, and
 * size and bytes are read once more. */
static ssize_t read_bytes(struct rt_self *me, struct pf_file *file, uint8_t *to, uint64_t length,
			  uint64_t offset)
{
	struct fs *fs = &file->pool->layout.fs;
	const _Atomic uint64_t *layout = &fs_state(fs, file->ino)->layout;
	uint64_t done = 0;

	while (done < length) {
		uint64_t then = load_acquire(layout), size = fs_size(fs, file->ino);
		int64_t n;

		if (offset + done >= size)
			break;
		length = MIN(length, size - offset);
		n = read_run(me, file, to + done, length - done, offset + done);
		if (n < 0)
			return done ? (ssize_t)done : (ssize_t)n;
		if (likely(load_acquire(layout) == then))
			done += (uint64_t)n;
	}
	return (ssize_t)done;
}

ssize_t pf_read(pf_file *file, void *buffer, size_t length, uint64_t offset)
{
	struct rt_self *me = pool_self(file->pool);

	if (!me)
		return rt_self_error();
	if (unlikely(!file->readable))
		return handle_no_data(file);
	if (length)
		attr_accessed(file, me);
	return read_bytes(me, file, buffer, length, offset);
}

/* ---- writing --------------------------------------------------------------------------------------- */

struct source {
	const struct dev *dev;
	const struct pf_caller *caller;
	const uint8_t *bytes;
	uint64_t offset, length; /* in the file */
};

static void store(const struct dev *dev, void *to, const void *from, uint64_t length, bool back)
{
	if (likely(back))
		media_copy(dev, to, from, length);
	else
		media_bytes(dev, to, from, length);
}

static void store_zeros(const struct dev *dev, void *to, uint64_t length, bool back)
{
	if (!length)
		return;
	media_zero(dev, to, length);
	if (likely(back))
		dev_persist(dev, to, length);
}

/* The bytes that belong to a new page; the rest of it is zeros. */
static void fill_page(void *arg, void *to, uint64_t index, uint64_t bytes)
{
	const struct source *s = arg;
	const struct dev *dev = s->dev;
	bool back = !broken(PF_BREAK_DATA_FLUSH);
	uint64_t start = index * PAGE_BYTES;
	uint64_t lo = MIN(MAX(s->offset, start), start + bytes),
		 hi = MAX(MIN(s->offset + s->length, start + bytes), lo);

	store_zeros(dev, to, lo - start, back);
	store(dev, (uint8_t *)to + (lo - start), s->bytes + (lo - s->offset), hi - lo, back);
	store_zeros(dev, (uint8_t *)to + (hi - start), start + bytes - hi, back);
}

/* How many pages from `index` on, at most `max`, are one piece of memory, from *pfn on; at least one. */
static uint64_t one_piece(struct fs *fs, uint32_t ino, uint64_t index, uint64_t max, uint64_t *pfn)
{
	uint64_t n = 0, next;
	entry_t e = fs_entry(fs, ino, index, pfn);

	do {
		next = *pfn + n;
		n += entry_order(e) == BLOCK_ORDER ? BLOCK_PAGES - (next & (BLOCK_PAGES - 1)) : 1;
	} while (n < max && (e = fs_entry(fs, ino, index + n, &next)) && next == *pfn + n);
	return MIN(n, max);
}

/* Into pages that are there. Those from `fresh` on were past the end, and what is not written of them is zeroed. */
static void copy_in(struct layout *l, uint32_t ino, const struct source *s, uint64_t from,
		    uint64_t to, uint64_t fresh)
{
	bool back = !broken(PF_BREAK_WRITE_FLUSH);

	while (from < to) {
		uint64_t index = from / PAGE_BYTES, pfn, n;
		uint8_t *at;

		n = one_piece(&l->fs, ino, index, div_up(to, PAGE_BYTES) - index, &pfn);
		n = MIN(n * PAGE_BYTES - from % PAGE_BYTES, to - from);
		at = (uint8_t *)page_address(&l->pages, pfn) + from % PAGE_BYTES;
		store(l->pages.dev, at, s->bytes + (from - s->offset), n, back);
		from += n;
		if (from == to && (from - 1) / PAGE_BYTES >= fresh)
			store_zeros(l->pages.dev, at + n, align_up(to, PAGE_BYTES) - to, back);
	}
}

struct write {
	struct source s;
	uint64_t
		fresh; /* pages from here on are past the end, but for what layout_extend() has made zeros */
	bool ahead; /* the file grows in order */
};

/* The pages from `at` on that are alike, up to `last`: missing (*hole), never written, or there. Those that are not there get their bytes; returns the end. */
static int write_run(struct rt_self *me, struct layout *l, uint32_t ino, struct write *w,
		     uint64_t at, uint64_t last, uint64_t *end)
{
	struct layout_fill fill = {fill_page, &w->s, false, w->ahead};
	uint64_t index = at / PAGE_BYTES, hole = fs_hole(&l->fs, ino, index, last - index), to,
		 done;
	int rc = 0;

	if (hole) {
		rc = layout_allocate(me, l, ino, index, hole, &fill, &done);
		*end = done;
		return rc;
	}
	to = fs_next_hole(&l->fs, ino, index, last);
	*end = fs_next_blank(&l->fs, ino, index, to);
	if (*end > index) {
		copy_in(l, ino, &w->s, at, MIN(*end * PAGE_BYTES, w->s.offset + w->s.length),
			w->fresh);
	} else {
		*end = fs_next_data(&l->fs, ino, index, to);
		layout_written(me, l, ino, index, *end, &fill);
	}
	return 0;
}

/* Runs of pages that are there are written in place, runs that are missing are allocated with their bytes. Returns the end. */
static int write_pages(struct rt_self *me, struct layout *l, uint32_t ino, struct write *w,
		       uint64_t *end)
{
	uint64_t stop = w->s.offset + w->s.length, last = div_up(stop, PAGE_BYTES), page;

	while (*end < stop) {
		int rc = write_run(me, l, ino, w, *end, last, &page);

		*end = MAX(*end, MIN(page * PAGE_BYTES, stop));
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void set_written(struct rt_self *me, struct layout *l, const struct pf_caller *caller,
			uint32_t ino, struct inode_attr *attr, uint64_t end)
{
	uint64_t was = attr->size;
	struct journal_tx tx;

	attr->size = MAX(attr->size, end);
	attr->mode = attr_written_mode(caller, attr);
	attr->mtime = attr->ctime = clock_coarse();
	if (!broken(PF_BREAK_WRITE_FENCE))
		dev_drain(l->pages.dev);
	journal_begin(&tx, me);
	fs_attr_set(&l->fs, &tx, ino, attr);
	journal_commit(&l->fs.journal, &tx);
	mm_tell(me, &l->fs, ino, div_up(was, PAGE_BYTES), div_up(end, PAGE_BYTES));
}

static int check_source(const struct source *s)
{
	if (s->offset > FILE_PAGES_MAX * PAGE_BYTES ||
	    s->length > FILE_PAGES_MAX * PAGE_BYTES - s->offset)
		return err(PF_EFILESIZE, "%lu bytes at %lu", (unsigned long)s->length,
			   (unsigned long)s->offset);
	return 0;
}

/* The first pages of a file that grows in order beyond what its inode can name move into a folio. Not if there are holes among them. */
static int move_first(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t size,
		      uint64_t from, uint64_t to)
{
	uint64_t pages = div_up(size, PAGE_BYTES);

	if (pages > INLINE_ENTRIES || to <= INLINE_ENTRIES * PAGE_BYTES ||
	    from > pages * PAGE_BYTES || fs_next_hole(&l->fs, ino, 0, pages) < pages)
		return 0;
	return layout_move(me, l, ino);
}

/* A device does not grow. */
static int check_end(uint32_t ino, const struct inode_attr *attr, uint64_t end)
{
	return inode_device_align(attr->flags) && end > attr->size
		       ? err(PF_EDEVICE, "inode %u has %lu bytes", ino, (unsigned long)attr->size)
		       : 0;
}

/* Inode lock. Returns bytes written, or an error if none were. */
static ssize_t write_locked(struct rt_self *me, struct layout *l, uint32_t ino, struct source *s,
			    bool append)
{
	struct inode_attr attr;
	struct write w;
	uint64_t end;
	int rc = fs_attr(&l->fs, ino, &attr);

	if (rc < 0)
		return rc;
	if (append)
		s->offset = attr.size;
	rc = check_source(s);
	if (rc == 0 &&
	    (attr.flags & INODE_IMMUTABLE || (attr.flags & INODE_APPEND && s->offset != attr.size)))
		rc = err(PF_EPERM, "inode %u is immutable or append-only", ino);
	end = s->offset + s->length;
	if (rc == 0)
		rc = check_end(ino, &attr, end);
	if (rc < 0)
		return rc;
	/* From the old end on, if the write is past it: what lies between is made zeros. */
	if (dax_range_locked(me, &l->fs, ino, MIN(s->offset, attr.size) / PAGE_BYTES,
			     (end - 1) / PAGE_BYTES))
		return -PF_EAGAIN;
	w = (struct write){*s, div_up(MAX(attr.size, s->offset), PAGE_BYTES),
			   s->offset <= attr.size && end > attr.size &&
				   end > INLINE_ENTRIES * PAGE_BYTES};
	if (w.ahead)
		rc = move_first(me, l, ino, attr.size, s->offset, end);
	if (rc < 0)
		return rc;
	layout_extend(l, ino, attr.size, s->offset);
	end = s->offset;
	rc = write_pages(me, l, ino, &w, &end);
	if (end > s->offset)
		set_written(me, l, s->caller, ino, &attr, end);
	return end > s->offset ? (ssize_t)(end - s->offset) : rc;
}

static int check_write(pf_file *file, struct rt_self **me)
{
	*me = pool_self(file->pool);
	if (!*me)
		return rt_self_error();
	return file->writable ? 0 : err(PF_EREADONLY, "inode %u", file->ino);
}

/* -PF_EAGAIN of a range that somebody waits for: waited for without the lock. */
static int wait_range(struct rt_self *me, struct pf_file *file)
{
	return dax_wait_range(me, &file->pool->layout.fs, file->ino, 0, ~0ull);
}

static ssize_t do_write(pf_file *file, const void *buffer, size_t length, uint64_t offset,
			bool append)
{
	struct source s = {file->pool->layout.pages.dev, caller_of(file->pool), buffer, offset,
			   length};
	struct rt_self *me;
	unsigned tries = 0;
	ssize_t n = check_write(file, &me);

	if (n < 0 || !length)
		return n;
	do {
		n = layout_lock(me, &file->pool->layout, file->ino);
		if (n < 0)
			return n;
		n = write_locked(me, &file->pool->layout, file->ino, &s, append);
		layout_unlock(me, &file->pool->layout, file->ino);
		if (n == -PF_EAGAIN && (n = wait_range(me, file)) == 0)
			n = -PF_EAGAIN;
	} while (n < 0 && reap_helps(file->pool, me, (int)n, &tries));
	windows_settle(file->pool, me);
	return n < 0 ? space_full(file->pool, (int)n, length) : n;
}

ssize_t pf_write(pf_file *file, const void *buffer, size_t length, uint64_t offset)
{
	return do_write(file, buffer, length, offset, file->append);
}

ssize_t pf_append(pf_file *file, const void *buffer, size_t length)
{
	return do_write(file, buffer, length, 0, true);
}

/* ---- sizes ----------------------------------------------------------------------------------------- */

static int begin_break(pf_file *file, enum pf_policy policy, int timeout_ms, struct rt_self **me,
		       struct layout_break *how)
{
	int rc = check_write(file, me);

	if (rc < 0)
		return rc;
	if (policy > PF_TRY)
		return err(PF_EFLAGS, "policy %d", (int)policy);
	rc = attr_strip(file, *me);
	if (rc < 0)
		return rc;
	how->policy = policy;
	how->deadline = timeout_ms < 0 ? ~0ull : clock_mono() + (uint64_t)timeout_ms * 1000000u;
	return 0;
}

/* A dead process that is in the way could not be reaped: somebody has what is needed for that. */
static int not_reaped(int rc, enum pf_policy policy)
{
	return rc != -PF_EREAP ? rc
			       : err(policy == PF_WAIT ? PF_EHELDTIME : PF_EHELD,
				     "by a dead process that cannot be reaped yet");
}

int pf_truncate(pf_file *file, uint64_t size, enum pf_policy policy, int timeout_ms)
{
	struct layout_break how;
	struct rt_self *me;
	unsigned tries = 0;
	int rc = begin_break(file, policy, timeout_ms, &me, &how);

	if (rc == 0 && size > FILE_PAGES_MAX * PAGE_BYTES)
		rc = err(PF_EFILESIZE, "%lu bytes", (unsigned long)size);
	if (rc < 0)
		return rc;
	do {
		rc = layout_truncate(me, &file->pool->layout, file->ino, size, how);
	} while (rc < 0 && reap_helps(file->pool, me, rc, &tries));
	windows_settle(file->pool, me);
	return not_reaped(rc, policy);
}

int pf_punch(pf_file *file, uint64_t offset, uint64_t length, enum pf_policy policy, int timeout_ms)
{
	uint64_t max = FILE_PAGES_MAX * PAGE_BYTES;
	struct layout_break how;
	struct rt_self *me;
	unsigned tries = 0;
	int rc = begin_break(file, policy, timeout_ms, &me, &how);

	if (rc == 0 && (!length || offset > max || length > max - offset))
		rc = err(PF_ERANGE, "%lu bytes at %lu", (unsigned long)length,
			 (unsigned long)offset);
	if (rc < 0)
		return rc;
	do {
		rc = layout_punch(me, &file->pool->layout, file->ino, offset, length, how);
	} while (rc < 0 && reap_helps(file->pool, me, rc, &tries));
	windows_settle(file->pool, me);
	return not_reaped(rc, policy);
}

/* ---- allocating ------------------------------------------------------------------------------------ */

/* The holes of a range, so that what an allocation filled can go again. */
struct holes {
	struct {
		uint64_t index, pages;
	} * at;
	size_t count, room;
	uint64_t pages;
};

static int note_hole(struct holes *holes, uint64_t index, uint64_t pages)
{
	if (holes->count == holes->room) {
		void *at = sys_grow(holes->at, &holes->room, sizeof *holes->at);

		if (!at)
			return err(ENOMEM, "allocate");
		holes->at = at;
	}
	holes->at[holes->count].index = index;
	holes->at[holes->count++].pages = pages;
	holes->pages += pages;
	return 0;
}

static int find_holes(struct layout *l, uint32_t ino, uint64_t index, uint64_t end,
		      struct holes *holes)
{
	int rc = 0;

	while (index < end && rc == 0) {
		uint64_t hole = fs_hole(&l->fs, ino, index, end - index);

		if (hole)
			rc = note_hole(holes, index, hole);
		index = fs_next_hole(&l->fs, ino, index + hole, end);
	}
	return rc;
}

/* Counting free pages takes time for the size of the pool: what is soon taken back again is rather tried. */
static bool surely_too_many(struct layout *l, uint64_t pages)
{
	return pages > BLOCK_PAGES && pages > page_free_count(&l->pages);
}

static int fill_holes(struct rt_self *me, struct layout *l, uint32_t ino, const struct holes *holes,
		      const struct layout_fill *fill)
{
	int rc = surely_too_many(l, holes->pages) ? -PF_ENOSPACE : 0;
	uint64_t done;
	size_t i;

	for (i = 0; i < holes->count && rc == 0; i++)
		rc = layout_allocate(me, l, ino, holes->at[i].index, holes->at[i].pages, fill,
				     &done);
	while (rc < 0 && i-- > 0)
		layout_remove(me, l, ino, holes->at[i].index,
			      holes->at[i].index + holes->at[i].pages);
	return rc;
}

/* All or none. */
static int fill_range(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t first,
		      uint64_t end, const struct layout_fill *fill)
{
	struct holes holes = {0};
	int rc = dax_range_locked(me, &l->fs, ino, first, end - 1) ? -PF_EAGAIN : 0;

	if (rc == 0)
		rc = find_holes(l, ino, first, end, &holes);
	if (rc == 0)
		rc = fill_holes(me, l, ino, &holes, fill);
	free(holes.at);
	return rc;
}

int io_fill(struct rt_self *me, struct layout *l, uint32_t ino, uint64_t first, uint64_t end)
{
	return fill_range(me, l, ino, first, end, NULL);
}

/* Inode lock. All or nothing. */
static int allocate_locked(struct rt_self *me, pf_file *file, uint64_t offset, uint64_t length,
			   unsigned flags)
{
	const struct layout_fill fill = {.unwritten = true};
	uint64_t first = offset / PAGE_BYTES, to = offset + length, end = div_up(to, PAGE_BYTES);
	struct layout *l = &file->pool->layout;
	uint32_t ino = file->ino;
	struct inode_attr attr;
	int rc = fs_attr(&l->fs, ino, &attr);

	if (rc == 0 && attr.flags & (INODE_IMMUTABLE | INODE_APPEND))
		rc = err(PF_EPERM, "inode %u is immutable or append-only", ino);
	if (rc == 0)
		rc = check_end(ino, &attr, to);
	if (rc == 0 &&
	    dax_range_locked(me, &l->fs, ino, MIN(first, attr.size / PAGE_BYTES), end - 1))
		rc = -PF_EAGAIN;
	if (rc == 0)
		rc = move_first(me, l, ino, attr.size, offset, to);
	if (rc == 0)
		rc = fill_range(me, l, ino, first, end, &fill);
	if (rc < 0)
		return rc;
	if (flags & PF_ALLOC_ZERO)
		layout_zero(l, ino, offset, MIN(to, MAX(attr.size, offset)) - offset);
	if (flags & PF_ALLOC_KEEP_SIZE)
		attr.flags |= to > attr.size ? INODE_KEEPS : 0;
	else
		layout_extend(l, ino, attr.size, to);
	set_written(me, l, caller_of(file->pool), ino, &attr, flags & PF_ALLOC_KEEP_SIZE ? 0 : to);
	return 0;
}

int pf_allocate(pf_file *file, uint64_t offset, uint64_t length, unsigned flags)
{
	uint64_t max = FILE_PAGES_MAX * PAGE_BYTES;
	struct layout *l = &file->pool->layout;
	struct rt_self *me;
	unsigned tries = 0;
	int rc = check_write(file, &me);

	if (rc == 0 && flags & ~(PF_ALLOC_KEEP_SIZE | PF_ALLOC_ZERO))
		rc = err(PF_EFLAGS, "allocate: %x", flags);
	if (rc == 0 && !length)
		rc = err(PF_ERANGE, "0 bytes");
	if (rc == 0 && (offset > max || length > max - offset))
		rc = err(PF_EFILESIZE, "%lu bytes at %lu", (unsigned long)length,
			 (unsigned long)offset);
	if (rc < 0)
		return rc;
	do {
		rc = layout_lock(me, l, file->ino);
		if (rc < 0)
			return rc;
		rc = allocate_locked(me, file, offset, length, flags);
		layout_unlock(me, l, file->ino);
		if (rc == -PF_EAGAIN && (rc = wait_range(me, file)) == 0)
			rc = -PF_EAGAIN;
	} while (rc < 0 && reap_helps(file->pool, me, rc, &tries));
	windows_settle(file->pool, me);
	return rc < 0 ? space_full(file->pool, rc, length) : 0;
}

/* ---- data, holes, and what is on the device ------------------------------------------------------------ */

int64_t pf_seek(pf_file *file, uint64_t offset, enum pf_seek what)
{
	struct fs *fs = &file->pool->layout.fs;
	uint64_t size, end, index = offset / PAGE_BYTES, found;

	if (!pool_self(file->pool))
		return rt_self_error();
	if (!file->data)
		return handle_no_data(file);
	if (what > PF_SEEK_HOLE)
		return err(PF_EFLAGS, "seek: %d", (int)what);
	size = fs_size(fs, file->ino);
	if (offset >= size)
		return err(ENXIO, "byte %lu of %lu", (unsigned long)offset, (unsigned long)size);
	end = div_up(size, PAGE_BYTES);
	found = what == PF_SEEK_DATA ? fs_next_data(fs, file->ino, index, end)
				     : fs_next_blank(fs, file->ino, index, end);
	if (found == end && what == PF_SEEK_DATA)
		return err(ENXIO, "no data from byte %lu on", (unsigned long)offset);
	return (int64_t)MIN(MAX(found * PAGE_BYTES, offset), size);
}

int pf_sync(pf_file *file)
{
	if (!pool_self(file->pool))
		return rt_self_error();
	/* Lines were written back as they were stored. */
	dev_drain(file->pool->layout.pages.dev);
	return 0;
}
