/* Windows of a pool for scripts: with a service thread, with pf_pump(), and on huge pages. See window.h. */
#include "window.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "file/pool.h"
#include "pool.h"

#define PAGE 4096ul

_Static_assert(WINDOW_READ == PF_MAP_READ && WINDOW_WRITE == PF_MAP_WRITE &&
		       WINDOW_EXEC == PF_MAP_EXEC && WINDOW_FIXED == PF_MAP_FIXED &&
		       WINDOW_NOREPLACE == PF_MAP_NOREPLACE && WINDOW_POPULATE == PF_MAP_POPULATE &&
		       WINDOW_MAYMOVE == PF_REMAP_MAYMOVE && WINDOW_TO == PF_REMAP_FIXED,
	       "the words of scripts are the library's");

static const char *path;
static pf_pool *pool;
static pf_file *files[WINDOW_FILES];
static pf_pin *held_pin;

static int failed(long rc)
{
	return rc < 0 ? -pf_errno((int)rc) : (int)rc;
}

/* ---- files --------------------------------------------------------------------------------------------- */

static bool start(void)
{
	static unsigned made;

	path = pool_make(made++ ? "again" : "windows", 64);
	return true;
}

static bool start_huge(void)
{
	struct pf_mkfs_options options = {.size = 24ull << 20, .inodes = 1024};

	if (!window_huge_start())
		return false;
	path = test_path("huge/pool");
	OK(pf_mkfs(path, &options));
	return true;
}

static void enter_with_thread(void)
{
	OK(pf_pool_open(path, 0, &pool));
}

static void *pump(void *arg)
{
	for (;;)
		OK(pf_pump(arg, -1));
	return NULL;
}

static void enter_pumped(void)
{
	pthread_t thread;

	pool = pool_open(path);
	must(pthread_create(&thread, NULL, pump, pool) == 0);
}

static uint64_t get_unit(void)
{
	static uint64_t unit;

	if (!unit)
		unit = pool_info(pool).granule;
	return unit;
}

static const char *name_of(unsigned f)
{
	static char name[2][2];
	static unsigned next;
	char *to = name[next++ % 2];

	to[0] = (char)('a' + f);
	return to;
}

static int open_again(unsigned f, bool write)
{
	pf_file *file;
	int rc = pf_open(pool, name_of(f), write ? PF_O_RDWR : PF_O_RDONLY, 0, &file);

	if (rc < 0)
		return failed(rc);
	if (files[f])
		OK(pf_close(files[f]));
	files[f] = file;
	return 0;
}

static pf_file *file_of(unsigned f)
{
	if (!files[f])
		must_be(open_again(f, true), 0);
	return files[f];
}

static int make(unsigned f, uint64_t size)
{
	OK(pf_open(pool, name_of(f), PF_O_RDWR | PF_O_CREATE | PF_O_EXCL, 0600, &files[f]));
	return failed(pf_truncate(files[f], size, PF_DETACH, 0));
}

static int fill(unsigned f, uint64_t offset, const void *bytes, size_t length)
{
	must_be(pf_write(file_of(f), bytes, length, offset), length);
	return 0;
}

static int close_file(unsigned f)
{
	int rc = failed(pf_close(files[f]));

	files[f] = NULL;
	return rc;
}

static int unlink_file(unsigned f)
{
	return failed(pf_unlink(pool, name_of(f)));
}

static int replace(unsigned from, unsigned to)
{
	return failed(pf_rename(pool, name_of(from), name_of(to), 0));
}

static int64_t size(unsigned f)
{
	struct pf_stat stat;
	int rc = failed(pf_stat(file_of(f), &stat));

	return rc < 0 ? rc : (int64_t)stat.size;
}

static ssize_t read_file(unsigned f, void *to, size_t length, uint64_t offset)
{
	return failed(pf_read(file_of(f), to, length, offset));
}

static ssize_t write_file(unsigned f, const void *from, size_t length, uint64_t offset)
{
	return failed(pf_write(file_of(f), from, length, offset));
}

static int truncate_file(unsigned f, uint64_t bytes)
{
	return failed(pf_truncate(file_of(f), bytes, PF_DETACH, 0));
}

static int punch(unsigned f, uint64_t offset, uint64_t length)
{
	return failed(pf_punch(file_of(f), offset, length, PF_DETACH, 0));
}

static int allocate(unsigned f, uint64_t offset, uint64_t length)
{
	return failed(pf_allocate(file_of(f), offset, length, 0));
}

/* ---- windows ------------------------------------------------------------------------------------------- */

static int map(unsigned f, char *at, uint64_t length, unsigned flags, uint64_t offset, char **got)
{
	void *window = NULL;
	int rc = failed(pf_window_map(file_of(f), at, length, flags, offset, &window));

	*got = window;
	return rc;
}

static int unmap(char *at, uint64_t length)
{
	return failed(pf_window_unmap(pool, at, length));
}

static int protect(char *at, uint64_t length, unsigned flags)
{
	return failed(pf_window_protect(pool, at, length, flags));
}

static int remap(char *at, uint64_t length, uint64_t new_length, unsigned flags, char *to,
		 char **got)
{
	void *window = NULL;
	int rc = failed(pf_window_remap(pool, at, length, new_length, flags, to, &window));

	*got = window;
	return rc;
}

static int sync_range(char *at, uint64_t length)
{
	return failed(pf_window_sync(pool, at, length));
}

struct listing {
	char *from, *to;
	void (*each)(void *arg, char *at, uint64_t length, unsigned flags, unsigned f,
		     uint64_t offset);
	void *arg;
};

static unsigned number_of(uint64_t inode)
{
	struct pf_stat stat;

	for (unsigned f = 0; f < WINDOW_FILES; f++)
		if (files[f] && pf_stat(files[f], &stat) == 0 && stat.inode == inode)
			return f;
	return WINDOW_FILES;
}

static int list_one(void *arg, const struct pf_window *w)
{
	struct listing *l = arg;

	if (w->address >= (uintptr_t)l->from && w->address < (uintptr_t)l->to)
		l->each(l->arg, (char *)w->address, w->length, w->flags, number_of(w->inode),
			w->offset);
	return 0;
}

static int list(char *from, char *to,
		void (*each)(void *arg, char *at, uint64_t length, unsigned flags, unsigned f,
			     uint64_t offset),
		void *arg)
{
	struct listing l = {from, to, each, arg};

	return failed(pf_windows(pool, getpid(), list_one, &l));
}

/* ---- holds --------------------------------------------------------------------------------------------- */

static int hold(unsigned f, uint64_t offset)
{
	return failed(pf_pin_file(file_of(f), offset, PAGE, 0, &held_pin));
}

static int held(uint64_t *first, uint64_t *last)
{
	size_t count;
	const char *page = pf_pin_chunks(held_pin, &count)->address;

	memcpy(first, page, 8);
	memcpy(last, page + PAGE - 8, 8);
	return 0;
}

static int drop(void)
{
	int rc = failed(pf_unpin(held_pin));

	held_pin = NULL;
	return rc;
}

static int pin(char *at, bool write)
{
	pf_pin *got;
	int rc = pf_window_pin(pool, at, PAGE, write ? PF_PIN_WRITE : 0, &got);

	return failed(rc < 0 ? rc : pf_unpin(got));
}

struct counting {
	uint64_t inode, page;
	int count;
};

static int count_one(void *arg, const struct pf_holder *h)
{
	struct counting *c = arg;

	c->count += h->kind == PF_HOLD_WINDOW && h->inode == c->inode &&
		    h->offset / PAGE <= c->page && (h->offset + h->length - 1) / PAGE >= c->page;
	return 0;
}

struct finding {
	char *at;
	struct counting *counting;
};

static int find_one(void *arg, const struct pf_window *w)
{
	struct finding *f = arg;

	if ((uintptr_t)f->at < w->address || (uintptr_t)f->at >= w->address + w->length)
		return 0;
	f->counting->inode = w->inode;
	f->counting->page = (w->offset + ((uintptr_t)f->at - w->address)) / PAGE;
	return 1;
}

static int count(char *at)
{
	struct counting c = {0};
	struct finding f = {at, &c};

	if (!OK(pf_windows(pool, getpid(), find_one, &f)))
		return 0;
	OK(pf_holders(pool, count_one, &c));
	return c.count;
}

static void leave(void)
{
	if (held_pin)
		drop();
	for (unsigned f = 0; f < WINDOW_FILES; f++) {
		pf_unlink(pool, name_of(f));
		if (files[f])
			close_file(f);
	}
}

#define POOL(name_, start_, enter_)                                                                \
	{                                                                                          \
		.name = (name_), .start = (start_), .enter = (enter_), .unit = get_unit,           \
		.make = make, .fill = fill, .reopen = open_again, .close = close_file,             \
		.unlink = unlink_file, .replace = replace, .map = map, .unmap = unmap,             \
		.protect = protect, .remap = remap, .sync = sync_range, .size = size,              \
		.read = read_file, .write = write_file, .truncate = truncate_file, .punch = punch, \
		.allocate = allocate, .hold = hold, .held = held, .drop = drop, .pin = pin,        \
		.count = count, .list = list, .leave = leave                                       \
	}

const struct window_fs window_pool = POOL("pool", start, enter_with_thread);
const struct window_fs window_pumped = POOL("pumped", start, enter_pumped);
const struct window_fs window_huge_pool = POOL("huge pool", start_huge, enter_with_thread);
