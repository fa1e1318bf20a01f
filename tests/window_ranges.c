/* Random calls on ranges of addresses: what each page shows and permits is what an array says that has a file, a page of it and permissions for each. */
/* test: suite=short timeout=120 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "file/pool.h"
#include "mm/inner.h"
#include "pool.h"

#define PAGES      1200u /* of addresses */
#define FILES      3u
#define FILE_PAGES 700u
#define PAST       40u /* that windows may reach past the end */

static struct file {
	pf_file *file;
	uint8_t byte[FILE_PAGES]; /* the first of each page */
	bool writable;
} files[FILES];

static struct shown {
	const struct file *file; /* NULL: no window */
	unsigned page, flags;
} shown[PAGES];

static pf_pool *pool;
static uint8_t *base;
static struct test_random r;
static int pipes[2];

static uint8_t *at(unsigned page)
{
	return base + (size_t)page * PF_PAGE_SIZE;
}

/* A byte of memory, looked at by the kernel, which says -EFAULT where we would be killed. */
static int peek(const void *address)
{
	uint8_t byte;

	if (write(pipes[1], address, 1) < 0)
		return -errno;
	must(read(pipes[0], &byte, 1) == 1);
	return byte;
}

static bool poke(void *address, uint8_t byte)
{
	uint8_t rest;

	must(write(pipes[1], &byte, 1) == 1);
	if (read(pipes[0], address, 1) == 1)
		return true;
	must(errno == EFAULT);
	must(read(pipes[0], &rest, 1) == 1);
	return false;
}

static bool there(const struct shown *s)
{
	return s->file && s->page < FILE_PAGES;
}

/* The leaf is that of the piece, and says what the vma does. */
static void check_leaf(unsigned page)
{
	const struct space *space = pool->layout.space;
	uint64_t va = (uintptr_t)at(page);
	const struct piece *p = piece_find(space, va);
	const struct vma *v = vma_find(space, va);
	struct pt_leaf leaf;
	int rc = pt_lookup(&space->pt, va, &leaf);
	unsigned said;

	if (!p || p->at.start > va || p->kind == PIECE_BUS) {
		must_be(rc, 0);
		return;
	}
	must_be(rc, 1);
	must(v && v->at.start <= va);
	said = space->pt.fmt->flags(leaf.level, leaf.entry);
	must_be(said & PT_PERMISSIONS, vma_permissions(v->flags));
	must_be(!!(said & PT_SPECIAL), p->kind == PIECE_ZEROS);
	if (p->kind == PIECE_PAGES)
		must_be(leaf.pfn, p->pfn + (va - p->at.start) / PF_PAGE_SIZE);
	else
		must(leaf.pfn >= space_zero(space->pages));
}

static void check(unsigned page)
{
	const struct shown *s = &shown[page];
	bool reads = there(s) && s->flags & PF_MAP_READ,
	     writes = there(s) && s->flags & PF_MAP_WRITE;

	must_be(peek(at(page)), reads ? s->file->byte[s->page] : -EFAULT);
	if (s->file)
		must_be(poke(at(page), reads ? s->file->byte[s->page] : 0), writes);
}

static void check_all(void)
{
	if (!pool->layout.space)
		return;
	for (unsigned i = 0; i < PAGES; i++) {
		check(i);
		check_leaf(i);
	}
}

/* Addresses without a window stay ours. */
static void keep(unsigned page, unsigned n)
{
	must(mmap(at(page), (size_t)n * PF_PAGE_SIZE, PROT_NONE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == at(page));
}

static void pick(unsigned *page, unsigned *n)
{
	unsigned most = test_below(&r, 4) ? 40 : PAGES;

	*page = (unsigned)test_below(&r, PAGES);
	*n = 1 + (unsigned)test_below(&r, MIN(most, PAGES - *page));
}

static unsigned pick_flags(const struct file *f)
{
	return PF_MAP_READ | (f->writable && test_below(&r, 2) ? PF_MAP_WRITE : 0);
}

static void map(void)
{
	struct file *f = &files[test_below(&r, FILES)];
	unsigned page, n, from = (unsigned)test_below(&r, FILE_PAGES), flags = pick_flags(f);
	void *got;

	pick(&page, &n);
	n = MIN(n, FILE_PAGES + PAST - from);
	OK(pf_window_map(f->file, at(page), (uint64_t)n * PF_PAGE_SIZE - test_below(&r, 2),
			 flags | PF_MAP_FIXED, (uint64_t)from * PF_PAGE_SIZE, &got));
	must(got == at(page));
	for (unsigned i = 0; i < n; i++)
		shown[page + i] = (struct shown){f, from + i, flags};
}

static void unmap(void)
{
	unsigned page, n;

	pick(&page, &n);
	OK(pf_window_unmap(pool, at(page), (uint64_t)n * PF_PAGE_SIZE));
	for (unsigned i = page; i < page + n; i++) {
		if (shown[i].file)
			keep(i, 1);
		shown[i].file = NULL;
	}
}

/* Page by page until one is in no window, or may not be written. */
static void protect(void)
{
	static const unsigned choices[] = {0, PF_MAP_READ, PF_MAP_READ | PF_MAP_WRITE};
	unsigned page, n, flags = choices[test_below(&r, 3)], i;
	int wanted = 0;

	pick(&page, &n);
	for (i = page; i < page + n && !wanted; i++) {
		if (!shown[i].file)
			wanted = -ENOMEM;
		else if (flags & PF_MAP_WRITE && !shown[i].file->writable)
			wanted = -PF_EREADONLY;
		else
			shown[i].flags = flags;
	}
	must_be(pf_window_protect(pool, at(page), (uint64_t)n * PF_PAGE_SIZE, flags), wanted);
}

static bool one_window(unsigned page, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!shown[page].file || shown[page + i].file != shown[page].file ||
		    shown[page + i].flags != shown[page].flags ||
		    shown[page + i].page != shown[page].page + i)
			return false;
	return true;
}

static void leave(unsigned page, unsigned n)
{
	for (unsigned i = page; i < page + n; i++) {
		keep(i, 1);
		shown[i].file = NULL;
	}
}

/* To a place where the two do not overlap, or shorter where it is. */
static void remap(void)
{
	unsigned page, n, to, length, flags = PF_REMAP_MAYMOVE;
	struct shown first;
	void *got;
	int rc;

	pick(&page, &n);
	while (n > 1 && !one_window(page, n))
		n /= 2;
	pick(&to, &length);
	first = shown[page];
	if (to < page + n && page < to + length) {
		to = page;
		length = MIN(length, n);
	} else {
		flags |= PF_REMAP_FIXED;
	}
	rc = pf_window_remap(pool, at(page), (uint64_t)n * PF_PAGE_SIZE,
			     (uint64_t)length * PF_PAGE_SIZE, flags, at(to), &got);
	if (!one_window(page, n)) {
		must_be(rc, -EFAULT);
		return;
	}
	must_be(rc, 0);
	must(got == at(to));
	leave(to == page ? page + length : page, to == page ? n - length : n);
	for (unsigned i = 0; i < length; i++)
		shown[to + i] = (struct shown){first.file, first.page + i, first.flags};
}

static void store(void)
{
	struct file *f = &files[test_below(&r, FILES)];
	unsigned page = (unsigned)test_below(&r, FILE_PAGES);
	uint8_t byte = (uint8_t)test_random(&r);

	for (unsigned i = 0; i < PAGES; i++)
		if (shown[i].file == f && shown[i].page == page && shown[i].flags & PF_MAP_WRITE) {
			*at(i) = byte;
			f->byte[page] = byte;
			return;
		}
}

static void make_file(unsigned i)
{
	struct file *f = &files[i];
	const char *name = test_path("%u", i) + strlen(test_dir()) + 1;
	pf_file *w;

	OK(pf_open(pool, name, PF_O_RDWR | PF_O_CREATE, 0600, &w));
	OK(pf_truncate(w, (uint64_t)FILE_PAGES * PF_PAGE_SIZE - 100, PF_DETACH, 0));
	for (unsigned p = 0; p < FILE_PAGES; p++)
		if (!i || p % 17 < 9) {
			f->byte[p] = (uint8_t)(1 + test_below(&r, 255));
			OK(pf_write(w, &f->byte[p], 1, (uint64_t)p * PF_PAGE_SIZE));
		}
	f->writable = i != 1;
	OK(pf_open(pool, name, f->writable ? PF_O_RDWR : 0, 0, &f->file));
	OK(pf_close(w));
}

int main(void)
{
	static void (*const calls[])(void) = {map,   map,   unmap,   protect,
					      remap, remap, protect, store};

	pool = pool_open(pool_make("p", 64));
	r.state = test_seed();
	must(pipe(pipes) == 0);
	base = mmap(NULL, (size_t)PAGES * PF_PAGE_SIZE, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	must(base != MAP_FAILED);
	for (unsigned i = 0; i < FILES; i++)
		make_file(i);
	for (unsigned n = 0; test_time_left(1); n++) {
		unsigned call = (unsigned)test_below(&r, 8);

		calls[call]();
		check_all();
		if (n % 64 == 0)
			pool_check(pool, "while there are windows");
	}
	OK(pf_window_unmap(pool, base, (uint64_t)PAGES * PF_PAGE_SIZE));
	for (unsigned i = 0; i < FILES; i++)
		OK(pf_close(files[i].file));
	pool_empty(pool, "all unmapped");
	OK(pf_pool_close(pool));
	return 0;
}
