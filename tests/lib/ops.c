/* The public calls as operations to be killed, see ops.h. */
#include "ops.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (1ul << 20)

/* So many that one more name makes the bucket of the directory two. */
#define FULL_NAMES 12u
#define LONG_NAME  255

static void make_empty(pf_pool *pool, const char *path)
{
	pf_file *f;

	OK(pf_open(pool, path, PF_O_RDWR | PF_O_CREATE, 0644, &f));
	OK(pf_close(f));
}

static const char *long_name(unsigned i)
{
	static char name[300];

	snprintf(name, sizeof name, "full/%0*u", LONG_NAME, i);
	return name;
}

/* "dir" with a file, a directory, and a second name of "b"; "other"; "full", whose bucket has no room; "link" to "a". */
static void prepare_names(pf_pool *pool)
{
	OK(pf_mkdir(pool, "dir", 0755));
	OK(pf_mkdir(pool, "dir/sub", 0755));
	OK(pf_mkdir(pool, "dir/sub/below", 0755));
	OK(pf_mkdir(pool, "dir/empty", 0755));
	OK(pf_mkdir(pool, "other", 0755));
	OK(pf_mkdir(pool, "other/empty", 0755));
	OK(pf_mkdir(pool, "full", 0755));
	make_empty(pool, "dir/f");
	make_empty(pool, "dir/sub/f");
	OK(pf_link(pool, "b", "dir/hard"));
	OK(pf_symlink(pool, "a", "link"));
	for (unsigned i = 0; i < FULL_NAMES; i++)
		make_empty(pool, long_name(i));
}

void ops_prepare(pf_pool *pool)
{
	static char bytes[3 * MIB];
	pf_file *f;

	pattern_fill(bytes, sizeof bytes, 1, 0);
	OK(pf_open(pool, "a", PF_O_RDWR | PF_O_CREATE | PF_O_TRUNC, 0644, &f));
	OK(pf_write(f, bytes, sizeof bytes, 0));
	OK(pf_close(f));
	OK(pf_open(pool, "b", PF_O_RDWR | PF_O_CREATE | PF_O_TRUNC, 0644, &f));
	OK(pf_write(f, bytes, 20480, 0));
	OK(pf_close(f));
	OK(pf_open(pool, "c", PF_O_RDWR | PF_O_CREATE | PF_O_TRUNC, 0644, &f));
	for (unsigned i = 0; i < 40; i += 3)
		OK(pf_write(f, bytes, 4096, i * 4096));
	OK(pf_close(f));
	prepare_names(pool);
}

/* ---- what the names are ------------------------------------------------------------------------------ */

struct fold {
	pf_pool *pool;
	const char *dir;
	uint64_t sum;
};

static uint64_t fold_bytes(uint64_t sum, const void *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		sum = (sum ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3ull;
	return sum;
}

static int fold_one(void *arg, const char *name, const struct pf_stat *stat)
{
	struct fold *fold = arg, below = {fold->pool, NULL, 0};
	uint32_t what[] = {stat->mode, stat->uid, stat->gid, stat->nlink, stat->flags};
	char path[2 * LONG_NAME], target[PF_PATH_MAX];
	uint64_t sum;

	snprintf(path, sizeof path, "%s/%s", fold->dir, name);
	sum = fold_bytes(0xcbf29ce484222325ull, path, strlen(path));
	sum = fold_bytes(sum, what, sizeof what);
	if (S_ISLNK(stat->mode))
		sum = fold_bytes(sum, target,
				 (size_t)OK(pf_readlink(fold->pool, path, target, sizeof target)));
	if (S_ISDIR(stat->mode)) {
		below.dir = path;
		OK(pf_list(fold->pool, path, fold_one, &below));
	}
	fold->sum += sum * 2 + below.sum;
	return 0;
}

uint64_t ops_names(pf_pool *pool)
{
	struct fold fold = {pool, "", 0};

	OK(pf_list(pool, "/", fold_one, &fold));
	return fold.sum;
}

/* ---- a neighbour -------------------------------------------------------------------------------------- */

struct neighbour {
	const char *path;
	enum ops_beside who;
	int ready; /* pipe */
};

static int hold_pages(void *arg)
{
	struct neighbour *n = arg;
	pf_pool *pool;
	pf_file *file;
	pf_pin *pin;
	pf_map *map;
	void *window;

	OK(pf_pool_open(n->path, n->who == OPS_WATCHER ? 0 : PF_POOL_NO_THREAD, &pool));
	OK(pf_open(pool, "a", PF_O_RDWR, 0, &file));
	if (n->who == OPS_WATCHER) {
		OK(pf_window_map(file, NULL, 3 * MIB, PF_MAP_READ, 0, &window));
	} else {
		OK(pf_pin_file(file, 300 * 4096, 4096, PF_PIN_LONGTERM, &pin));
		OK(pf_map_file(file, 0, 8192, PF_MAP_READ, &map));
	}
	must(write(n->ready, "x", 1) == 1);
	for (;;)
		pause();
}

pid_t ops_neighbour(const char *path, enum ops_beside who)
{
	int fd[2];
	struct neighbour n;
	pid_t pid;
	char c;

	if (who == OPS_NOBODY)
		return 0;
	must(pipe(fd) == 0);
	n = (struct neighbour){path, who, fd[1]};
	pid = test_fork(hold_pages, &n);
	close(fd[1]);
	must(read(fd[0], &c, 1) == 1);
	close(fd[0]);
	return pid;
}

void ops_setup(const struct op *op, const char *path, struct op_state *s)
{
	static char buffer[4 * MIB];

	s->path = path;
	s->buffer = buffer;
	s->pool = pool_open(path);
	if (op->setup)
		op->setup(s);
}

static void open_a(struct op_state *s)
{
	OK(pf_open(s->pool, "a", PF_O_RDWR, 0, &s->file));
}

static void open_c(struct op_state *s)
{
	OK(pf_open(s->pool, "c", PF_O_RDWR, 0, &s->file));
}

static void create(struct op_state *s)
{
	pf_open(s->pool, "new", PF_O_RDWR | PF_O_CREATE, 0644, &s->other);
}

static void open_existing(struct op_state *s)
{
	pf_open(s->pool, "a", PF_O_RDWR, 0, &s->other);
}

static void close_file(struct op_state *s)
{
	pf_close(s->file);
}

static void open_unlinked(struct op_state *s)
{
	open_c(s);
	OK(pf_unlink(s->pool, "c"));
}

static void write_in_place(struct op_state *s)
{
	pf_write(s->file, s->buffer, 5000, 1000);
}

static void write_hole(struct op_state *s)
{
	pf_write(s->file, s->buffer, 4096, 4096);
}

static void write_tree(struct op_state *s)
{
	pf_write(s->file, s->buffer, 20000, 600 * MIB);
}

static void open_new(struct op_state *s)
{
	OK(pf_open(s->pool, "d", PF_O_RDWR | PF_O_CREATE, 0644, &s->file));
}

static void write_inline_to_tree(struct op_state *s)
{
	pf_write(s->file, s->buffer, 30000, 50000);
}

static void setup_inline(struct op_state *s)
{
	open_new(s);
	OK(pf_write(s->file, s->buffer, 20000, 0));
}

static void append(struct op_state *s)
{
	pf_append(s->file, s->buffer, 6000);
}

static void read_some(struct op_state *s)
{
	pf_read(s->file, s->buffer, 100000, 500);
}

static void truncate_all(struct op_state *s)
{
	pf_truncate(s->file, 0, PF_DETACH, 0);
}

static void truncate_part(struct op_state *s)
{
	pf_truncate(s->file, MIB + 100, PF_DETACH, 0);
}

static void truncate_up(struct op_state *s)
{
	pf_truncate(s->file, 5 * MIB + 1, PF_DETACH, 0);
}

static void truncate_try(struct op_state *s)
{
	pf_truncate(s->file, MIB, PF_TRY, 0);
}

static void punch(struct op_state *s)
{
	pf_punch(s->file, 40000, MIB, PF_DETACH, 0);
}

static void punch_small(struct op_state *s)
{
	pf_punch(s->file, 0, 13000, PF_TRY, 0);
}

static void allocate(struct op_state *s)
{
	pf_allocate(s->file, 0, 200000, 0);
}

static void unlink_a(struct op_state *s)
{
	pf_unlink(s->pool, "a");
}

static void rename_new(struct op_state *s)
{
	pf_rename(s->pool, "b", "e", 0);
}

static void rename_over(struct op_state *s)
{
	pf_rename(s->pool, "b", "a", 0);
}

/* ---- directories, links, renames ---- */

static void make_directory(struct op_state *s)
{
	pf_mkdir(s->pool, "dir/new", 0755);
}

static void remove_directory(struct op_state *s)
{
	pf_rmdir(s->pool, "dir/empty");
}

static void make_link(struct op_state *s)
{
	pf_link(s->pool, "a", "dir/also");
}

static void unlink_second(struct op_state *s)
{
	pf_unlink(s->pool, "dir/hard");
}

static void make_symlink(struct op_state *s)
{
	pf_symlink(s->pool, "../somewhere/else", "dir/points");
}

static void unlink_symlink(struct op_state *s)
{
	pf_unlink(s->pool, "link");
}

static void create_and_split(struct op_state *s)
{
	pf_open(s->pool, long_name(FULL_NAMES), PF_O_RDWR | PF_O_CREATE, 0644, &s->other);
}

static void rename_and_split(struct op_state *s)
{
	pf_rename(s->pool, "dir/f", long_name(FULL_NAMES), 0);
}

/* There are several buckets now, and one more name may make one of them two again. */
static void setup_split_deep(struct op_state *s)
{
	for (unsigned i = 0; i < 40; i++)
		make_empty(s->pool, long_name(100 + i));
}

static void make_beside(struct op_state *s)
{
	pf_mkdir(s->pool, long_name(200), 0755);
}

static void rename_across(struct op_state *s)
{
	pf_rename(s->pool, "dir/f", "other/f", 0);
}

static void rename_over_across(struct op_state *s)
{
	pf_rename(s->pool, "dir/f", "a", 0);
}

static void rename_directory(struct op_state *s)
{
	pf_rename(s->pool, "dir/sub", "dir/called", 0);
}

static void move_directory(struct op_state *s)
{
	pf_rename(s->pool, "dir/sub", "other/sub", 0);
}

static void move_over_directory(struct op_state *s)
{
	pf_rename(s->pool, "dir/sub", "other/empty", 0);
}

static void exchange_files(struct op_state *s)
{
	pf_rename(s->pool, "a", "b", PF_RENAME_EXCHANGE);
}

static void exchange_directories(struct op_state *s)
{
	pf_rename(s->pool, "dir/sub", "other", PF_RENAME_EXCHANGE);
}

static void exchange_kinds(struct op_state *s)
{
	pf_rename(s->pool, "dir/sub", "a", PF_RENAME_EXCHANGE);
}

static void open_nameless(struct op_state *s)
{
	pf_open(s->pool, "dir", PF_O_RDWR | PF_O_TMPFILE, 0644, &s->other);
}

static void setup_nameless(struct op_state *s)
{
	OK(pf_open(s->pool, "dir", PF_O_RDWR | PF_O_TMPFILE, 0644, &s->file));
	OK(pf_write(s->file, s->buffer, 30000, 0));
}

static void publish(struct op_state *s)
{
	pf_link_file(s->file, "other/published", 0);
}

static void publish_over(struct op_state *s)
{
	pf_link_file(s->file, "a", PF_LINK_REPLACE);
}

static void read_directory(struct op_state *s)
{
	struct pf_entry entry = {.cursor = 0};

	while (pf_readdir(s->file, entry.cursor, &entry) == 1)
		;
}

static void open_directory(struct op_state *s)
{
	OK(pf_open(s->pool, "full", PF_O_DIRECTORY, 0, &s->file));
}

static void walk(struct op_state *s)
{
	struct pf_stat stat;

	pf_stat_path(s->pool, "dir/sub/below/../../../link", 0, &stat);
}

/* ---- holds ---- */

static void map(struct op_state *s)
{
	pf_map_file(s->file, 0, 2 * MIB, PF_MAP_READ, &s->map);
}

static void map_write_hole(struct op_state *s)
{
	pf_map_file(s->file, 4096, 4096, PF_MAP_WRITE, &s->map);
}

static void setup_map(struct op_state *s)
{
	open_a(s);
	OK(pf_map_file(s->file, 0, 3 * MIB, PF_MAP_WRITE, &s->map));
}

static void unmap(struct op_state *s)
{
	pf_unmap(s->map);
}

static void pin(struct op_state *s)
{
	pf_pin_file(s->file, 0, 160000, 0, &s->pin);
}

static void pin_sparse(struct op_state *s)
{
	pf_pin_file(s->file, 0, 160000, PF_PIN_WRITE, &s->pin);
}

static void setup_pin(struct op_state *s)
{
	open_a(s);
	OK(pf_pin_file(s->file, 1536 * 1024, 4096, PF_PIN_LONGTERM, &s->pin));
}

/* The last put splits: half of the folio has left. */
static void setup_split(struct op_state *s)
{
	setup_pin(s);
	OK(pf_truncate(s->file, MIB, PF_DETACH, 0));
}

static void setup_orphan(struct op_state *s)
{
	setup_pin(s);
	OK(pf_truncate(s->file, 0, PF_DETACH, 0));
}

static void unpin(struct op_state *s)
{
	pf_unpin(s->pin);
}

static void set_attributes(struct op_state *s)
{
	struct pf_setattr set = {.set = PF_SET_MODE | PF_SET_MTIME,
				 .mode = 04755,
				 .mtime_ns = 1234};

	pf_setattr(s->file, &set);
}

static void set_xattr(struct op_state *s)
{
	pf_setxattr(s->file, "user.a", s->buffer, 100, 0);
}

static void setup_xattr(struct op_state *s)
{
	open_a(s);
	OK(pf_setxattr(s->file, "user.a", s->buffer, 100, 0));
}

static void replace_xattr(struct op_state *s)
{
	pf_setxattr(s->file, "user.a", s->buffer, 200, 0);
}

static void remove_xattr(struct op_state *s)
{
	pf_removexattr(s->file, "user.a");
}

static void attach(struct op_state *s)
{
	pf_pool *second;

	if (pf_pool_open(s->path, PF_POOL_NO_THREAD, &second) == 0)
		pf_pool_close(second);
}

static void close_pool(struct op_state *s)
{
	pf_pool_close(s->pool);
}

static void reap(struct op_state *s)
{
	pf_reap(s->pool);
}

/* ---- windows ---- */

static void map_window(struct op_state *s)
{
	void *window;

	pf_window_map(s->file, NULL, 3 * MIB, PF_MAP_READ | PF_MAP_WRITE, 0, &window);
}

static void map_window_past_end(struct op_state *s)
{
	void *window;

	pf_window_map(s->file, NULL, MIB / 2, PF_MAP_READ, 8192, &window);
}

static void setup_window(struct op_state *s)
{
	void *window;

	open_a(s);
	OK(pf_window_map(s->file, NULL, 3 * MIB, PF_MAP_READ | PF_MAP_WRITE, 0, &window));
	s->window = window;
}

/* Of single pages and holes, so that the window has many pieces. */
static void setup_pieces(struct op_state *s)
{
	void *window;

	open_c(s);
	OK(pf_window_map(s->file, NULL, 160 * 1024, PF_MAP_READ, 0, &window));
	s->window = window;
}

static void unmap_window(struct op_state *s)
{
	pf_window_unmap(s->pool, s->window, 3 * MIB);
}

static void unmap_middle(struct op_state *s)
{
	pf_window_unmap(s->pool, s->window + 40960, 8192);
}

static void protect_window(struct op_state *s)
{
	pf_window_protect(s->pool, s->window + 40960, 8192, PF_MAP_READ);
}

static void protect_holes(struct op_state *s)
{
	pf_window_protect(s->pool, s->window, 160 * 1024, PF_MAP_READ | PF_MAP_WRITE);
}

static void move_window(struct op_state *s)
{
	void *window;

	pf_window_remap(s->pool, s->window, 3 * MIB, 4 * MIB, PF_REMAP_MAYMOVE, NULL, &window);
}

static void move_part(struct op_state *s)
{
	void *window;

	pf_window_remap(s->pool, s->window + 40960, 8192, 8192, PF_REMAP_MAYMOVE | PF_REMAP_FIXED,
			s->window + MIB, &window);
}

static void shrink_window(struct op_state *s)
{
	void *window;

	pf_window_remap(s->pool, s->window, 160 * 1024, 40960, 0, NULL, &window);
}

static void pin_window(struct op_state *s)
{
	pf_window_pin(s->pool, s->window + 4096, 160000, PF_PIN_WRITE, &s->pin);
}

static void setup_pinned_window(struct op_state *s)
{
	setup_window(s);
	OK(pf_window_pin(s->pool, s->window + 1536 * 1024, 4096, 0, &s->pin));
}

/* Another process has cut the file: this one brings its window up to date. */
static void setup_stale(struct op_state *s)
{
	pf_pool *second;
	pf_file *file;

	setup_window(s);
	OK(pf_pool_open(s->path, PF_POOL_NO_THREAD, &second));
	OK(pf_open(second, "a", PF_O_RDWR, 0, &file));
	OK(pf_truncate(file, MIB + 100, PF_DETACH, 0));
	OK(pf_pool_close(second));
}

static void pump(struct op_state *s)
{
	pf_pump(s->pool, 0);
}

/* ---- pages that were never written, and pages in advance ------------------------------------------------ */

static void setup_unwritten(struct op_state *s)
{
	OK(pf_open(s->pool, "d", PF_O_RDWR | PF_O_CREATE, 0644, &s->file));
	OK(pf_allocate(s->file, 0, 2 * MIB + 100000, 0));
}

static void allocate_folios(struct op_state *s)
{
	pf_allocate(s->file, 0, 4 * MIB + 70000, 0);
}

static void allocate_kept(struct op_state *s)
{
	pf_allocate(s->file, 100, 3 * MIB, PF_ALLOC_KEEP_SIZE);
}

static void allocate_zeros(struct op_state *s)
{
	pf_allocate(s->file, 5000, 100000, PF_ALLOC_ZERO);
}

static void write_unwritten(struct op_state *s)
{
	pf_write(s->file, s->buffer, 10000, MIB);
}

static void write_unwritten_pages(struct op_state *s)
{
	pf_write(s->file, s->buffer, 10000, 2 * MIB + 5000);
}

static void map_unwritten(struct op_state *s)
{
	pf_map_file(s->file, 2 * MIB - 8192, 8192, PF_MAP_READ, &s->map);
}

static void punch_unwritten(struct op_state *s)
{
	pf_punch(s->file, MIB, 40000, PF_DETACH, 0);
}

static void truncate_unwritten(struct op_state *s)
{
	pf_truncate(s->file, MIB + 1, PF_DETACH, 0);
}

/* In its inode, all of it. */
static void setup_full_inode(struct op_state *s)
{
	open_new(s);
	OK(pf_append(s->file, s->buffer, 65536));
}

static void setup_full_inode_pages(struct op_state *s)
{
	open_new(s);
	for (unsigned i = 0; i < 5; i++)
		OK(pf_append(s->file, s->buffer, 4000));
}

static void append_much(struct op_state *s)
{
	pf_append(s->file, s->buffer, 60000);
}

static void setup_full_folio(struct op_state *s)
{
	open_new(s);
	OK(pf_append(s->file, s->buffer, 2 * MIB - 100));
}

static void setup_advance(struct op_state *s)
{
	open_new(s);
	OK(pf_append(s->file, s->buffer, MIB));
}

/* ---- file locks ------------------------------------------------------------------------------------------ */

static int lock_for(pf_file *file, enum pf_lock_type type, unsigned flags, uint64_t owner,
		    int timeout_ms)
{
	return pf_lock(file,
		       &(struct pf_lock){.type = type,
					 .flags = flags,
					 .length = 100,
					 .owner = owner},
		       timeout_ms);
}

/* Two owners have one each, and the first waits for the second's. */
static void setup_circle(struct op_state *s)
{
	open_a(s);
	OK(pf_open(s->pool, "c", PF_O_RDWR, 0, &s->other));
	OK(lock_for(s->file, PF_LOCK_EXCLUSIVE, 0, 1, 0));
	OK(lock_for(s->other, PF_LOCK_EXCLUSIVE, 0, 2, 0));
	must_be(lock_for(s->other, PF_LOCK_EXCLUSIVE, PF_LOCK_AGAIN, 1, 0), -PF_ELOCKED);
}

static void close_circle(struct op_state *s)
{
	lock_for(s->file, PF_LOCK_EXCLUSIVE, 0, 2, 1000);
}

static void lock_pieces(struct op_state *s)
{
	pf_lock(s->file, &(struct pf_lock){.offset = 40, .length = 20, .owner = 1}, 0);
	lock_for(s->file, PF_LOCK_SHARED, 0, 1, 0);
}

/* Blocks that are partly used, by folios that fit into the holes of others and by some that have to be divided for that. */
static void setup_scattered(struct op_state *s)
{
	pf_file *files[8];
	char name[16];

	for (unsigned i = 0; i < 8; i++) {
		snprintf(name, sizeof name, "s%u", i);
		OK(pf_open(s->pool, name, PF_O_RDWR | PF_O_CREATE, 0644, &files[i]));
		OK(pf_allocate(files[i], 0, MIB, 0));
		OK(pf_write(files[i], s->buffer, 500000, 0));
	}
	for (unsigned i = 0; i < 8; i++) {
		for (unsigned page = i % 2; page < 256; page += 2)
			OK(pf_punch(files[i], page * 4096, 4096 * (1 + i % 2), PF_DETACH, 0));
		OK(pf_close(files[i]));
	}
}

static void compact(struct op_state *s)
{
	struct pf_compacted result;

	pf_compact(s->pool, UINT64_MAX, &result);
}

const struct op ops[] = {
	{"wait for who waits for us", setup_circle, close_circle, OPS_NOBODY, false, 3},
	{"lock, in pieces", setup_circle, lock_pieces, OPS_NOBODY, false, 3},
	{"create", NULL, create, OPS_NOBODY, false, 1},
	{"open", NULL, open_existing, OPS_NOBODY, false, 1},
	{"close", open_a, close_file, OPS_NOBODY, false, 1},
	{"close the last handle of an unlinked file", open_unlinked, close_file, OPS_NOBODY, false,
	 7},
	{"write in place", open_a, write_in_place, OPS_NOBODY, false, 1},
	{"write into a hole", open_c, write_hole, OPS_NOBODY, false, 1},
	{"write far out", open_c, write_tree, OPS_NOBODY, false, 7},
	{"write that makes a tree", setup_inline, write_inline_to_tree, OPS_NOBODY, false, 7},
	{"append", open_a, append, OPS_NOBODY, false, 3},
	{"read", open_c, read_some, OPS_NOBODY, false, 1},
	{"truncate to 0", open_a, truncate_all, OPS_NOBODY, false, 3},
	{"truncate single pages to 0", open_c, truncate_all, OPS_NOBODY, false, 7},
	{"truncate part", open_a, truncate_part, OPS_NOBODY, false, 7},
	{"truncate part while held", open_a, truncate_part, OPS_HOLDER, false, 7},
	{"truncate to 0 while held", open_a, truncate_all, OPS_HOLDER, false, 3},
	{"truncate up", open_a, truncate_up, OPS_NOBODY, false, 1},
	{"truncate, trying", open_a, truncate_try, OPS_HOLDER, false, 1},
	{"punch", open_a, punch, OPS_NOBODY, false, 7},
	{"punch while held", open_a, punch, OPS_HOLDER, false, 7},
	{"punch single pages", open_c, punch_small, OPS_NOBODY, false, 3},
	{"allocate", open_c, allocate, OPS_NOBODY, false, 7},
	{"allocate folios", open_new, allocate_folios, OPS_NOBODY, false, 7},
	{"allocate behind the end", setup_inline, allocate_kept, OPS_NOBODY, false, 7},
	{"allocate zeros", open_c, allocate_zeros, OPS_NOBODY, false, 7},
	{"write into an unwritten folio", setup_unwritten, write_unwritten, OPS_NOBODY, false, 7},
	{"write into unwritten pages", setup_unwritten, write_unwritten_pages, OPS_NOBODY, false,
	 3},
	{"map unwritten pages", setup_unwritten, map_unwritten, OPS_NOBODY, false, 7},
	{"punch unwritten pages", setup_unwritten, punch_unwritten, OPS_NOBODY, false, 7},
	{"truncate unwritten pages", setup_unwritten, truncate_unwritten, OPS_NOBODY, false, 7},
	{"append that moves a folio", setup_full_inode, append, OPS_NOBODY, false, 7},
	{"append that moves pages", setup_full_inode_pages, append_much, OPS_NOBODY, false, 7},
	{"append into the next folio", setup_full_folio, append, OPS_NOBODY, false, 3},
	{"close that trims", setup_advance, close_file, OPS_NOBODY, false, 7},
	{"unlink", NULL, unlink_a, OPS_NOBODY, false, 3},
	{"unlink while held", NULL, unlink_a, OPS_HOLDER, false, 3},
	{"rename", NULL, rename_new, OPS_NOBODY, false, 1},
	{"rename over", NULL, rename_over, OPS_NOBODY, false, 3},
	{"rename over what is held", NULL, rename_over, OPS_HOLDER, false, 3},
	{"mkdir", NULL, make_directory, OPS_NOBODY, false, 1},
	{"rmdir", NULL, remove_directory, OPS_NOBODY, false, 1},
	{"link", NULL, make_link, OPS_NOBODY, false, 1},
	{"unlink one of two names", NULL, unlink_second, OPS_NOBODY, false, 1},
	{"symlink", NULL, make_symlink, OPS_NOBODY, false, 1},
	{"unlink a symbolic link", NULL, unlink_symlink, OPS_NOBODY, false, 1},
	{"create in a full bucket", NULL, create_and_split, OPS_NOBODY, false, 3},
	{"rename into a full bucket", NULL, rename_and_split, OPS_NOBODY, false, 3},
	{"mkdir in a table of buckets", setup_split_deep, make_beside, OPS_NOBODY, false, 3},
	{"rename across", NULL, rename_across, OPS_NOBODY, false, 1},
	{"rename across, over", NULL, rename_over_across, OPS_NOBODY, false, 3},
	{"rename across, over what is held", NULL, rename_over_across, OPS_HOLDER, false, 3},
	{"rename a directory", NULL, rename_directory, OPS_NOBODY, false, 1},
	{"move a directory", NULL, move_directory, OPS_NOBODY, false, 1},
	{"move a directory over another", NULL, move_over_directory, OPS_NOBODY, false, 3},
	{"exchange files", NULL, exchange_files, OPS_NOBODY, false, 1},
	{"exchange directories", NULL, exchange_directories, OPS_NOBODY, false, 1},
	{"exchange a file and a directory", NULL, exchange_kinds, OPS_NOBODY, false, 1},
	{"tmpfile", NULL, open_nameless, OPS_NOBODY, false, 1},
	{"close a tmpfile", setup_nameless, close_file, OPS_NOBODY, false, 3},
	{"link a tmpfile", setup_nameless, publish, OPS_NOBODY, false, 1},
	{"link a tmpfile over a file", setup_nameless, publish_over, OPS_NOBODY, false, 3},
	{"link a tmpfile over what is held", setup_nameless, publish_over, OPS_HOLDER, false, 3},
	{"readdir", open_directory, read_directory, OPS_NOBODY, false, 1},
	{"walk a path", NULL, walk, OPS_NOBODY, false, 1},
	{"map", open_a, map, OPS_NOBODY, false, 1},
	{"map a hole", open_c, map_write_hole, OPS_NOBODY, false, 1},
	{"unmap", setup_map, unmap, OPS_NOBODY, false, 1},
	{"pin", open_a, pin, OPS_NOBODY, false, 1},
	{"pin holes", open_c, pin_sparse, OPS_NOBODY, false, 7},
	{"unpin", setup_pin, unpin, OPS_NOBODY, false, 1},
	{"unpin that splits", setup_split, unpin, OPS_NOBODY, false, 7},
	{"unpin that frees", setup_orphan, unpin, OPS_NOBODY, false, 1},
	{"map a window", open_a, map_window, OPS_NOBODY, false, 7},
	{"map a window on holes", open_c, map_window, OPS_NOBODY, false, 31},
	{"map a window past the end", open_c, map_window_past_end, OPS_NOBODY, false, 3},
	{"unmap a window", setup_window, unmap_window, OPS_NOBODY, false, 7},
	{"unmap a window of pieces", setup_pieces, unmap_window, OPS_NOBODY, false, 7},
	{"unmap the middle of a window", setup_window, unmap_middle, OPS_NOBODY, false, 7},
	{"protect a part of a window", setup_window, protect_window, OPS_NOBODY, false, 7},
	{"protect a window on holes", setup_pieces, protect_holes, OPS_NOBODY, false, 31},
	{"move a window", setup_window, move_window, OPS_NOBODY, false, 7},
	{"move a part of a window", setup_window, move_part, OPS_NOBODY, false, 7},
	{"shrink a window", setup_pieces, shrink_window, OPS_NOBODY, false, 7},
	{"pin by address", setup_window, pin_window, OPS_NOBODY, false, 1},
	{"unpin by address", setup_pinned_window, unpin, OPS_NOBODY, false, 1},
	{"bring a window up to date", setup_stale, pump, OPS_NOBODY, false, 7},
	{"truncate what a window shows", setup_window, truncate_all, OPS_NOBODY, false, 7},
	{"truncate part of what a window shows", setup_window, truncate_part, OPS_NOBODY, false, 7},
	{"truncate up what a window shows", setup_window, truncate_up, OPS_NOBODY, false, 7},
	{"punch what a window shows", setup_window, punch, OPS_NOBODY, false, 7},
	{"truncate what another's window shows", open_a, truncate_all, OPS_WATCHER, false, 7},
	{"punch what another's window shows", open_a, punch, OPS_WATCHER, false, 7},
	{"unlink what another's window shows", NULL, unlink_a, OPS_WATCHER, false, 7},
	{"close the pool with a window", setup_window, close_pool, OPS_NOBODY, false, 31},
	{"set attributes", open_a, set_attributes, OPS_NOBODY, false, 1},
	{"set an extended attribute", open_a, set_xattr, OPS_NOBODY, false, 7},
	{"replace an extended attribute", setup_xattr, replace_xattr, OPS_NOBODY, false, 7},
	{"remove an extended attribute", setup_xattr, remove_xattr, OPS_NOBODY, false, 7},
	{"open the pool", NULL, attach, OPS_NOBODY, false, 7},
	{"close the pool", setup_map, close_pool, OPS_NOBODY, false, 7},
	{"reap", NULL, reap, OPS_NOBODY, true, 7},
	{"compact", NULL, compact, OPS_NOBODY, false, 7},
	{"compact while held", NULL, compact, OPS_HOLDER, false, 7},
	{"compact much", setup_scattered, compact, OPS_NOBODY, false, 31},
};

const unsigned ops_count = sizeof ops / sizeof *ops;
