/* Every public operation with every one of its system calls and allocations failing: it says so, and the pool is as it was. */
/* test: suite=short timeout=120 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "pool.h"

#define MIB     (1ul << 20)
#define AT_MOST 400 /* calls that one operation makes */

struct state {
	const char *path;
	pf_pool *pool, *second;
	pf_file *file, *other;
	pf_map *map;
	pf_pin *pin;
	void *window; /* of the file, 4 MiB */
	int media_fd, runtime_fd;
	char *bytes; /* 4 MiB */
};

struct operation {
	const char *name;
	void (*setup)(struct state *s);
	long (*run)(struct state *s);
	void (*undo)(struct state *s); /* of a run that succeeded */
	bool partly; /* a failed one may have done some of it: reaped a process, filled holes with zeros */
};

/* So many long names that one more makes the bucket of the directory two. */
#define FULL_NAMES 12u

static const char *full_name(unsigned i)
{
	static char name[300];

	snprintf(name, sizeof name, "full/%0255u", i);
	return name;
}

/* ---- operations ------------------------------------------------------------------------------------- */

static void open_a(struct state *s)
{
	OK(pf_open(s->pool, "a", PF_O_RDWR, 0, &s->file));
}

static void open_sparse(struct state *s)
{
	OK(pf_open(s->pool, "sparse", PF_O_RDWR, 0, &s->file));
}

static void open_unlinked(struct state *s)
{
	open_a(s);
	OK(pf_unlink(s->pool, "a"));
}

static void close_other(struct state *s)
{
	OK(pf_close(s->other));
}

static long run_mkfs(struct state *s)
{
	struct pf_mkfs_options o = {.size = 8 * MIB};

	(void)s;
	return pf_mkfs(test_path("made"), &o);
}

static void undo_mkfs(struct state *s)
{
	(void)s;
	must(unlink(test_path("made")) == 0);
}

static long run_mkfs_memfd(struct state *s)
{
	struct pf_mkfs_options o = {.size = 8 * MIB};

	return pf_mkfs_memfd(&o, &s->media_fd, &s->runtime_fd);
}

static void undo_mkfs_memfd(struct state *s)
{
	close(s->media_fd);
	close(s->runtime_fd);
}

static void setup_fds(struct state *s)
{
	OK(run_mkfs_memfd(s));
}

static long run_open_fds(struct state *s)
{
	return pf_pool_open_fds(s->media_fd, s->runtime_fd, PF_POOL_NO_THREAD, &s->second);
}

static void close_second(struct state *s)
{
	OK(pf_pool_close(s->second));
}

static void close_fds(struct state *s)
{
	close_second(s);
	undo_mkfs_memfd(s);
}

static long run_pool_open(struct state *s)
{
	return pf_pool_open(s->path, PF_POOL_NO_THREAD, &s->second);
}

static long run_pool_open_thread(struct state *s)
{
	return pf_pool_open(s->path, 0, &s->second);
}

static void setup_new(struct state *s)
{
	OK(run_mkfs(s));
}

static long run_pool_open_first(struct state *s)
{
	(void)s;
	return pf_pool_open(test_path("made"), PF_POOL_NO_THREAD, &s->second);
}

static void close_new(struct state *s)
{
	close_second(s);
	undo_mkfs(s);
}

static void setup_second(struct state *s)
{
	OK(run_pool_open(s));
}

static long run_pool_close(struct state *s)
{
	return pf_pool_close(s->second);
}

static void setup_alone(struct state *s)
{
	setup_new(s);
	OK(run_pool_open_first(s));
}

static long run_open(struct state *s)
{
	return pf_open(s->pool, "a", PF_O_RDWR, 0, &s->other);
}

static long run_open_trunc(struct state *s)
{
	return pf_open(s->pool, "a", PF_O_RDWR | PF_O_TRUNC, 0, &s->other);
}

static long run_create(struct state *s)
{
	return pf_open(s->pool, "new", PF_O_RDWR | PF_O_CREATE | PF_O_EXCL, 0600, &s->other);
}

static long run_close(struct state *s)
{
	return pf_close(s->file);
}

static long run_read(struct state *s)
{
	return pf_read(s->file, s->bytes, MIB, 0);
}

static long run_write(struct state *s)
{
	return pf_write(s->file, s->bytes, 100, 100);
}

static long run_write_hole(struct state *s)
{
	return pf_write(s->file, s->bytes, 100000, 8192);
}

static long run_write_far(struct state *s)
{
	return pf_write(s->file, s->bytes, 5 * PF_PAGE_SIZE, 700 * MIB);
}

static long run_append(struct state *s)
{
	return pf_append(s->file, s->bytes, 3 * MIB);
}

static long run_truncate_to_0(struct state *s)
{
	return pf_truncate(s->file, 0, PF_DETACH, 0);
}

static long run_truncate_part(struct state *s)
{
	return pf_truncate(s->file, MIB + 10, PF_DETACH, 0);
}

static long run_truncate_up(struct state *s)
{
	return pf_truncate(s->file, 9 * MIB, PF_WAIT, -1);
}

static long run_try(struct state *s)
{
	return pf_truncate(s->file, 4096, PF_TRY, 0);
}

static long run_wait(struct state *s)
{
	return pf_truncate(s->file, 4096, PF_WAIT, 1);
}

static long run_punch(struct state *s)
{
	return pf_punch(s->file, 10000, MIB, PF_DETACH, 0);
}

static long run_allocate(struct state *s)
{
	return pf_allocate(s->file, 0, 7 * MIB, 0);
}

static long run_allocate_behind(struct state *s)
{
	return pf_allocate(s->file, 0, 5 * MIB, PF_ALLOC_KEEP_SIZE);
}

/* All that an inode can name. */
static void open_small(struct state *s)
{
	OK(pf_open(s->pool, "small", PF_O_RDWR | PF_O_CREATE, 0600, &s->file));
	OK(pf_append(s->file, s->bytes, 65536));
}

static long run_append_little(struct state *s)
{
	return pf_append(s->file, s->bytes, 5000);
}

static void open_full(struct state *s)
{
	open_small(s);
	OK(pf_append(s->file, s->bytes, 2 * MIB - 65536));
}

static void open_unwritten(struct state *s)
{
	OK(pf_open(s->pool, "small", PF_O_RDWR | PF_O_CREATE, 0600, &s->file));
	OK(pf_allocate(s->file, 0, 3 * MIB, 0));
}

static long run_write_unwritten(struct state *s)
{
	return pf_write(s->file, s->bytes, MIB, 3 * MIB / 2);
}

static long run_seek(struct state *s)
{
	return (long)pf_seek(s->file, 0, PF_SEEK_DATA);
}

static long run_sync(struct state *s)
{
	return pf_sync(s->file);
}

static long run_stat(struct state *s)
{
	struct pf_stat stat;

	return pf_stat(s->file, &stat);
}

static long run_unlink(struct state *s)
{
	return pf_unlink(s->pool, "a");
}

static long run_rename(struct state *s)
{
	return pf_rename(s->pool, "sparse", "a", 0);
}

static long run_mkdir(struct state *s)
{
	return pf_mkdir(s->pool, "dir/new", 0755);
}

static long run_rmdir(struct state *s)
{
	return pf_rmdir(s->pool, "dir/sub");
}

static long run_split(struct state *s)
{
	return pf_symlink(s->pool, "sparse", full_name(FULL_NAMES));
}

static long run_link(struct state *s)
{
	return pf_link(s->pool, "a", "dir/second");
}

static void setup_linked(struct state *s)
{
	OK(run_link(s));
}

static long run_unlink_second(struct state *s)
{
	return pf_unlink(s->pool, "dir/second");
}

static long run_symlink(struct state *s)
{
	return pf_symlink(s->pool, "../sparse", "dir/link");
}

static void setup_symlink(struct state *s)
{
	OK(run_symlink(s));
}

static long run_readlink(struct state *s)
{
	return pf_readlink(s->pool, "dir/link", s->bytes, 100);
}

static long run_unlink_symlink(struct state *s)
{
	return pf_unlink(s->pool, "dir/link");
}

static long run_stat_path(struct state *s)
{
	struct pf_stat stat;

	return pf_stat_path(s->pool, "dir/link", 0, &stat);
}

static long run_access(struct state *s)
{
	return pf_access(s->pool, "dir/link", R_OK);
}

static long run_exchange(struct state *s)
{
	return pf_rename(s->pool, "a", "dir", PF_RENAME_EXCHANGE);
}

static long run_move(struct state *s)
{
	return pf_rename(s->pool, "dir", "full/dir", 0);
}

static long run_move_over(struct state *s)
{
	return pf_rename(s->pool, "full", "dir/sub", 0);
}

static long run_tmpfile(struct state *s)
{
	return pf_open(s->pool, "dir", PF_O_RDWR | PF_O_TMPFILE, 0600, &s->other);
}

static void setup_tmpfile(struct state *s)
{
	OK(pf_open(s->pool, "dir", PF_O_RDWR | PF_O_TMPFILE, 0600, &s->file));
	OK(pf_write(s->file, s->bytes, MIB, 0));
}

static long run_publish(struct state *s)
{
	return pf_link_file(s->file, "dir/published", 0);
}

static long run_publish_over(struct state *s)
{
	return pf_link_file(s->file, "a", PF_LINK_REPLACE);
}

static long run_open_directory(struct state *s)
{
	return pf_open(s->pool, "full", PF_O_DIRECTORY, 0, &s->other);
}

static void open_directory(struct state *s)
{
	OK(pf_open(s->pool, "full", PF_O_DIRECTORY, 0, &s->file));
}

static long run_readdir(struct state *s)
{
	struct pf_entry entry = {.cursor = 0};
	long rc;

	while ((rc = pf_readdir(s->file, entry.cursor, &entry)) == 1)
		;
	return rc;
}

static long run_setattr(struct state *s)
{
	const struct pf_setattr set = {.set = PF_SET_MODE | PF_SET_MTIME, .mode = 0600};

	return pf_setattr(s->file, &set);
}

static long run_setxattr(struct state *s)
{
	return pf_setxattr(s->file, "user.a", s->bytes, 100, 0);
}

static void setup_xattr(struct state *s)
{
	open_a(s);
	OK(run_setxattr(s));
}

static long run_getxattr(struct state *s)
{
	return pf_getxattr(s->file, "user.a", s->bytes, 100);
}

static long run_listxattr(struct state *s)
{
	return pf_listxattr(s->file, s->bytes, 100);
}

static long run_removexattr(struct state *s)
{
	return pf_removexattr(s->file, "user.a");
}

static int one_file(void *arg, const char *name, const struct pf_stat *stat)
{
	(void)arg, (void)name, (void)stat;
	return 0;
}

static long run_list(struct state *s)
{
	return pf_list(s->pool, "/", one_file, NULL);
}

static long run_map(struct state *s)
{
	return pf_map_file(s->file, 0, 2 * MIB, PF_MAP_WRITE, &s->map);
}

static long run_map_read(struct state *s)
{
	return pf_map_file(s->file, 0, 2 * MIB, PF_MAP_READ, &s->map);
}

static void undo_map(struct state *s)
{
	OK(pf_unmap(s->map));
}

static long run_map_hole(struct state *s)
{
	return pf_map_file(s->file, 8192, 4096, PF_MAP_WRITE, &s->map);
}

static void setup_map(struct state *s)
{
	open_a(s);
	OK(run_map(s));
}

static long run_unmap(struct state *s)
{
	return pf_unmap(s->map);
}

static long run_pin(struct state *s)
{
	return pf_pin_file(s->file, 0, 3 * MIB, PF_PIN_LONGTERM, &s->pin);
}

static long run_pin_holes(struct state *s)
{
	return pf_pin_file(s->file, 0, 40 * PF_PAGE_SIZE, PF_PIN_WRITE, &s->pin);
}

static void undo_pin(struct state *s)
{
	OK(pf_unpin(s->pin));
	s->pin = NULL;
}

static void setup_pin(struct state *s)
{
	open_a(s);
	OK(run_pin(s));
}

/* Half of the pinned pages have left: the last put splits. */
static void setup_left(struct state *s)
{
	setup_pin(s);
	OK(run_truncate_part(s));
}

static long run_unpin(struct state *s)
{
	int rc = pf_unpin(s->pin);

	if (rc == 0)
		s->pin = NULL;
	return rc;
}

static long run_window(struct state *s)
{
	return pf_window_map(s->file, NULL, 4 * MIB, PF_MAP_READ | PF_MAP_WRITE, 0, &s->window);
}

static void undo_window(struct state *s)
{
	OK(pf_window_unmap(s->pool, s->window, 4 * MIB));
}

static void setup_window(struct state *s)
{
	open_a(s);
	OK(run_window(s));
}

/* The space, and the empty file for SIGBUS, stay from a first window on. */
static void setup_second_window(struct state *s)
{
	setup_window(s);
	undo_window(s);
}

static void setup_sparse_window(struct state *s)
{
	setup_second_window(s);
	OK(pf_close(s->file));
	open_sparse(s);
}

static long run_window_read(struct state *s)
{
	return pf_window_map(s->file, NULL, 4 * MIB, PF_MAP_READ, 0, &s->window);
}

static long run_window_unmap(struct state *s)
{
	return pf_window_unmap(s->pool, s->window, 4 * MIB);
}

static void *inside(const struct state *s)
{
	return (char *)s->window + MIB;
}

static long run_window_unmap_part(struct state *s)
{
	return pf_window_unmap(s->pool, inside(s), MIB);
}

static long run_window_protect(struct state *s)
{
	return pf_window_protect(s->pool, inside(s), MIB, PF_MAP_READ);
}

static long run_window_move(struct state *s)
{
	return pf_window_remap(s->pool, inside(s), MIB, 2 * MIB, PF_REMAP_MAYMOVE, NULL,
			       &s->window);
}

static long run_window_shrink(struct state *s)
{
	return pf_window_remap(s->pool, s->window, 4 * MIB, MIB, 0, NULL, &s->window);
}

static long run_window_pin(struct state *s)
{
	return pf_window_pin(s->pool, inside(s), MIB, PF_PIN_WRITE, &s->pin);
}

static long run_window_punch(struct state *s)
{
	return pf_punch(s->file, MIB, 2 * PF_PAGE_SIZE, PF_DETACH, 0);
}

static int one_holder(void *arg, const struct pf_holder *holder)
{
	(void)arg, (void)holder;
	return 0;
}

static long run_holders(struct state *s)
{
	return pf_holders(s->pool, one_holder, NULL);
}

static int one_orphan(void *arg, const struct pf_orphan *orphan)
{
	(void)arg, (void)orphan;
	return 0;
}

static long run_orphans(struct state *s)
{
	return pf_orphans(s->pool, one_orphan, NULL);
}

static long run_info(struct state *s)
{
	struct pf_info info;

	return pf_info(s->pool, &info);
}

static long run_regions(struct state *s)
{
	struct pf_region region;

	return pf_regions(s->pool, &region, 1);
}

static int hold_and_end(void *arg)
{
	struct state s = {.path = ((struct state *)arg)->path};

	s.pool = pool_open(s.path);
	setup_pin(&s);
	OK(pf_unlink(s.pool, "a"));
	kill(getpid(), SIGKILL);
	return 1;
}

static void setup_dead(struct state *s)
{
	must_be(test_in_child(hold_and_end, s), 256 + SIGKILL);
}

static long run_reap(struct state *s)
{
	return pf_reap(s->pool);
}

static long run_wait_space(struct state *s)
{
	return pf_wait_space(s->pool, MIB, 1);
}

static long run_check(struct state *s)
{
	return pf_check(s->pool, NULL, NULL);
}

static long run_fsck(struct state *s)
{
	return pf_fsck(s->path, NULL, NULL);
}

static const struct operation operations[] = {
	{"mkfs", NULL, run_mkfs, undo_mkfs, false},
	{"mkfs of a memfd", NULL, run_mkfs_memfd, undo_mkfs_memfd, false},
	{"pool_open", NULL, run_pool_open, close_second, false},
	{"pool_open with a service thread", NULL, run_pool_open_thread, close_second, false},
	{"pool_open, the first", setup_new, run_pool_open_first, close_new, false},
	{"pool_open_fds", setup_fds, run_open_fds, close_fds, false},
	{"pool_close", setup_second, run_pool_close, NULL, false},
	{"pool_close, the last", setup_alone, run_pool_close, undo_mkfs, false},
	{"open", NULL, run_open, close_other, false},
	{"open and truncate", NULL, run_open_trunc, close_other, false},
	{"create", NULL, run_create, close_other, false},
	{"close", open_a, run_close, NULL, false},
	{"close of an unlinked file", open_unlinked, run_close, NULL, false},
	{"read", open_a, run_read, NULL, false},
	{"write", open_a, run_write, NULL, false},
	{"write into holes", open_sparse, run_write_hole, NULL, false},
	{"write far out", open_sparse, run_write_far, NULL, false},
	{"append", open_sparse, run_append, NULL, false},
	{"truncate to 0", open_a, run_truncate_to_0, NULL, false},
	{"truncate", open_a, run_truncate_part, NULL, false},
	{"truncate up", open_a, run_truncate_up, NULL, false},
	{"truncate what is held", setup_pin, run_truncate_part, NULL, false},
	{"truncate what is held, trying", setup_pin, run_try, NULL, false},
	{"truncate what is held, waiting", setup_pin, run_wait, NULL, false},
	{"punch", open_a, run_punch, NULL, false},
	{"punch what is held", setup_pin, run_punch, NULL, false},
	{"allocate", open_sparse, run_allocate, NULL, false},
	{"allocate behind the end", open_small, run_allocate_behind, NULL, true},
	{"append that moves", open_small, run_append_little, NULL, true},
	{"append into the next folio", open_full, run_append_little, NULL, false},
	{"close that trims", open_small, run_close, NULL, false},
	{"write into unwritten pages", open_unwritten, run_write_unwritten, NULL, false},
	{"map unwritten pages", open_unwritten, run_map_read, undo_map, true},
	{"seek", open_a, run_seek, NULL, false},
	{"sync", open_a, run_sync, NULL, false},
	{"stat", open_a, run_stat, NULL, false},
	{"unlink", NULL, run_unlink, NULL, false},
	{"rename", NULL, run_rename, NULL, false},
	{"mkdir", NULL, run_mkdir, NULL, false},
	{"rmdir", NULL, run_rmdir, NULL, false},
	{"symlink in a full bucket", NULL, run_split, NULL, false},
	{"link", NULL, run_link, NULL, false},
	{"unlink one of two names", setup_linked, run_unlink_second, NULL, false},
	{"symlink", NULL, run_symlink, NULL, false},
	{"readlink", setup_symlink, run_readlink, NULL, false},
	{"unlink a symbolic link", setup_symlink, run_unlink_symlink, NULL, false},
	{"stat_path", setup_symlink, run_stat_path, NULL, false},
	{"access", setup_symlink, run_access, NULL, false},
	{"exchange", NULL, run_exchange, NULL, false},
	{"move a directory", NULL, run_move, NULL, false},
	{"move a directory over another", NULL, run_move_over, NULL, false},
	{"tmpfile", NULL, run_tmpfile, close_other, false},
	{"close of a tmpfile", setup_tmpfile, run_close, NULL, false},
	{"link_file", setup_tmpfile, run_publish, NULL, false},
	{"link_file over a file", setup_tmpfile, run_publish_over, NULL, false},
	{"open a directory", NULL, run_open_directory, close_other, false},
	{"readdir", open_directory, run_readdir, NULL, false},
	{"setattr", open_a, run_setattr, NULL, false},
	{"setxattr", open_a, run_setxattr, NULL, false},
	{"setxattr of what is there", setup_xattr, run_setxattr, NULL, false},
	{"getxattr", setup_xattr, run_getxattr, NULL, false},
	{"listxattr", setup_xattr, run_listxattr, NULL, false},
	{"removexattr", setup_xattr, run_removexattr, NULL, false},
	{"list", NULL, run_list, NULL, false},
	{"map", open_a, run_map, undo_map, false},
	{"map to read", open_a, run_map_read, undo_map, false},
	{"map a hole", open_sparse, run_map_hole, undo_map, true},
	{"unmap", setup_map, run_unmap, NULL, false},
	{"pin", open_a, run_pin, undo_pin, false},
	{"pin holes", open_sparse, run_pin_holes, undo_pin, true},
	{"unpin", setup_pin, run_unpin, NULL, false},
	{"unpin what has left", setup_left, run_unpin, NULL, false},
	{"window", setup_second_window, run_window, undo_window, false},
	{"window on holes", setup_sparse_window, run_window, undo_window, true},
	{"window on holes, to read", setup_sparse_window, run_window_read, undo_window, false},
	{"unmap a window", setup_window, run_window_unmap, NULL, false},
	{"unmap a part of a window", setup_window, run_window_unmap_part, NULL, false},
	{"protect a part of a window", setup_window, run_window_protect, NULL, false},
	{"move and grow a part of a window", setup_window, run_window_move, NULL, false},
	{"shrink a window", setup_window, run_window_shrink, NULL, false},
	{"pin by address", setup_window, run_window_pin, undo_pin, false},
	{"punch under a window", setup_window, run_window_punch, NULL, true},
	{"holders", setup_pin, run_holders, NULL, false},
	{"orphans", setup_left, run_orphans, NULL, false},
	{"info", NULL, run_info, NULL, false},
	{"regions", NULL, run_regions, NULL, false},
	{"reap", setup_dead, run_reap, NULL, true},
	{"wait for space", setup_dead, run_wait_space, NULL, true},
	{"check", NULL, run_check, NULL, false},
	{"fsck", NULL, run_fsck, NULL, false},
};

/* ---- one failure ------------------------------------------------------------------------------------ */

static void prepare(struct state *s)
{
	pf_file *f;

	pattern_file(s->pool, "a", 3 * MIB, 1);
	OK(pf_open(s->pool, "sparse", PF_O_RDWR | PF_O_CREATE, 0644, &f));
	for (unsigned i = 0; i < 40; i += 3)
		OK(pf_write(f, s->bytes, PF_PAGE_SIZE, i * PF_PAGE_SIZE));
	OK(pf_close(f));
	OK(pf_mkdir(s->pool, "dir", 0755));
	OK(pf_mkdir(s->pool, "dir/sub", 0755));
	OK(pf_mkdir(s->pool, "full", 0755));
	for (unsigned i = 0; i < FULL_NAMES; i++)
		OK(pf_mkdir(s->pool, full_name(i), 0755));
}

static void begin(struct state *s)
{
	struct pf_mkfs_options o = {.size = 16 * MIB, .flags = PF_MKFS_SPARSE};
	static char *bytes;

	if (!bytes)
		must((bytes = calloc(1, 4 * MIB)));
	*s = (struct state){.path = test_path("pool"), .bytes = bytes};
	OK(pf_mkfs(s->path, &o));
	s->pool = pool_open(s->path);
	prepare(s);
}

static void same(const struct operation *op, const struct pf_info *was, const struct pf_info *is)
{
	if (was->pages_free == is->pages_free && was->pages_member == is->pages_member &&
	    was->pages_orphan == is->pages_orphan && was->inodes_free == is->inodes_free &&
	    was->processes == is->processes)
		return;
	test_fail(
		__FILE__, __LINE__,
		"%s: free %lu, were %lu; member %lu, were %lu; orphan %lu, were %lu; inodes free %lu, were %lu; processes %u, were %u",
		op->name, (unsigned long)is->pages_free, (unsigned long)was->pages_free,
		(unsigned long)is->pages_member, (unsigned long)was->pages_member,
		(unsigned long)is->pages_orphan, (unsigned long)was->pages_orphan,
		(unsigned long)is->inodes_free, (unsigned long)was->inodes_free, is->processes,
		was->processes);
}

static int one_window(void *arg, const struct pf_window *w)
{
	*(uint64_t *)arg += w->length;
	return 0;
}

/* Bytes that the windows of this process have. */
static uint64_t windows(struct state *s)
{
	uint64_t bytes = 0;

	OK(pf_windows(s->pool, getpid(), one_window, &bytes));
	return bytes;
}

/* A failure that the operation does not need to mention is none: it succeeded. */
static void after_failure(const struct operation *op, struct state *s, const struct pf_info *was,
			  unsigned fds, long rc)
{
	struct pf_info is;

	must(pf_strerror((int)rc)[0] && pf_errno((int)rc) > 0 && pf_message()[0]);
	must_be(test_fds(), fds);
	is = pool_info(s->pool);
	if (!op->partly)
		same(op, was, &is);
	pool_check(s->pool, op->name);
}

/* False when the operation made fewer calls than that. */
static bool fail_at(const struct operation *op, long n, int error)
{
	struct pf_info was;
	struct state s;
	uint64_t shown;
	unsigned fds;
	bool failed;
	long rc;

	begin(&s);
	if (op->setup)
		op->setup(&s);
	was = pool_info(s.pool);
	fds = test_fds();
	shown = windows(&s);
	sys_fail_nth(n, error);
	rc = op->run(&s);
	failed = sys_calls() >= n;
	sys_fail_nth(0, 0);
	if (rc < 0) {
		after_failure(op, &s, &was, fds, rc);
		must_be(windows(&s), shown);
	} else if (op->undo) {
		op->undo(&s);
	}
	if (rc < 0 && !failed && op->run != run_try && op->run != run_wait)
		test_fail(__FILE__, __LINE__, "%s fails by itself: %ld", op->name, rc);
	pool_check(s.pool, op->name);
	OK(pf_unpin(s.pin));
	OK(pf_pool_close(s.pool));
	must_be(pf_fsck(s.path, NULL, NULL), 0);
	unlink(s.path);
	unlink(test_path("made"));
	return failed;
}

static const int errors[] = {ENOMEM, ENOSPC, EMFILE};

/* Each of its calls fails once, with one of the errors by turns. How many calls it makes. */
static long fail_all(const struct operation *op, unsigned turn)
{
	long n = 1;

	while (n < AT_MOST && fail_at(op, n, errors[(turn + (unsigned long)n) % 3]))
		n++;
	must(n < AT_MOST);
	return n - 1;
}

/* With time for it, every call fails with every error. */
int main(void)
{
	unsigned turns = test_seconds() < 15 ? 1 : 3;
	long failures = 0;

	test_dir();
	for (unsigned i = 0; i < sizeof operations / sizeof *operations; i++) {
		long calls = 0;

		for (unsigned turn = 0; turn < turns; turn++)
			failures += calls = fail_all(&operations[i], turn + i);
		printf("%-36s %3ld calls\n", operations[i].name, calls);
		fflush(stdout);
	}
	printf("%ld failures\n", failures);
	return 0;
}
