/*
 * Times follow what is done: writing, sizes and allocation change mtime and ctime; reading a file, a directory or a symbolic link changes atime if it is not
 * after the last change, or a day old, and never waits for that. Who writes takes set-uid and set-gid away.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "file/pool.h"
#include "pool.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define HOUR     3600000000000ull

static const struct pf_caller root = {0, 0, NULL, 0}, writer = {700, 800, NULL, 0};
static const char *path;
static pf_pool *pool;
static char buffer[8192];

static struct pf_stat stat_of(const char *name)
{
	struct pf_stat st;

	OK(pf_stat_path(pool, name, PF_O_NOFOLLOW, &st));
	return st;
}

/* As nothing public can: ctime too. */
static void set_times(const char *name, uint64_t atime, uint64_t mtime, uint64_t ctime)
{
	struct fs *fs = &pool->layout.fs;
	uint32_t ino = (uint32_t)stat_of(name).inode;
	struct rt_self *me = rt_self_get(pool->layout.rt);
	struct inode_attr attr;
	struct journal_tx tx;

	must(layout_lock(me, &pool->layout, ino) == 0 && fs_attr(fs, ino, &attr) == 0);
	attr.atime = atime;
	attr.mtime = mtime;
	attr.ctime = ctime;
	journal_begin(&tx, me);
	fs_attr_set(fs, &tx, ino, &attr);
	journal_commit(&fs->journal, &tx);
	layout_unlock(me, &pool->layout, ino);
}

/* ---- changes ------------------------------------------------------------------------------------------- */

static void write_some(pf_file *f)
{
	OK(pf_write(f, buffer, 100, 50));
}

static void append(pf_file *f)
{
	OK(pf_append(f, buffer, 100));
}

static void shorten(pf_file *f)
{
	OK(pf_truncate(f, 60, PF_DETACH, 0));
}

static void same_size(pf_file *f)
{
	OK(pf_truncate(f, stat_of("file").size, PF_DETACH, 0));
}

static void punch(pf_file *f)
{
	OK(pf_punch(f, 0, 4096, PF_DETACH, 0));
}

static void allocate(pf_file *f)
{
	OK(pf_allocate(f, 0, 20000, 0));
}

static void open_truncated(pf_file *f)
{
	pf_file *again;

	(void)f;
	OK(pf_open(pool, "file", PF_O_RDWR | PF_O_TRUNC, 0, &again));
	OK(pf_close(again));
}

static const struct {
	const char *what;
	void (*run)(pf_file *f);
} changes[] = {{"write", write_some},
	       {"append", append},
	       {"truncate", shorten},
	       {"truncate to its size", same_size},
	       {"punch", punch},
	       {"allocate", allocate},
	       {"open with TRUNC", open_truncated}};

static void check_changes(pf_file *f)
{
	for (size_t i = 0; i < COUNT(changes); i++) {
		struct pf_stat st;
		uint64_t before = clock_coarse();

		set_times("file", 1, 2, 3);
		changes[i].run(f);
		st = stat_of("file");
		if (st.atime_ns != 1 || st.mtime_ns < before || st.ctime_ns != st.mtime_ns)
			test_fail(__FILE__, __LINE__, "%s: atime %lu, mtime %lu, ctime %lu",
				  changes[i].what, st.atime_ns, st.mtime_ns, st.ctime_ns);
	}
	set_times("file", 1, 2, 3);
	OK(pf_write(f, buffer, 0, 0));
	must_be(stat_of("file").mtime_ns, 2);
}

static void check_modes(pf_file *f)
{
	static const struct {
		const struct pf_caller *by;
		uint32_t gid, before, after;
	} cases[] = {{&root, 0, 06777, 06777},
		     {&writer, 0, 06777, 0777},
		     {&writer, 800, 06777, 0777},
		     {&writer, 800, 06767, 02767}, /* not executable by its group */
		     {&writer, 0, 06767, 0767}};

	for (size_t k = 0; k < COUNT(cases); k++)
		for (size_t i = 0; i < COUNT(changes); i++) {
			struct pf_setattr set = {.set = PF_SET_GID, .gid = cases[k].gid};

			pf_act_as(&root);
			OK(pf_setattr(f, &set));
			set = (struct pf_setattr){.set = PF_SET_MODE, .mode = cases[k].before};
			OK(pf_setattr(f, &set));
			pf_act_as(cases[k].by);
			changes[i].run(f);
			pf_act_as(NULL);
			if (stat_of("file").mode != (S_IFREG | cases[k].after))
				test_fail(__FILE__, __LINE__, "%s by %u: mode %o, then %o",
					  changes[i].what, cases[k].by->uid, cases[k].before,
					  stat_of("file").mode);
		}
}

/* ---- reading ------------------------------------------------------------------------------------------- */

static pf_file *file, *directory;

static void read_file(void)
{
	must_be(pf_read(file, buffer, 10, 0), 10);
}

static void read_directory(void)
{
	struct pf_entry entry;

	must_be(pf_readdir(directory, 0, &entry), 1);
}

static void read_link(void)
{
	must_be(pf_readlink(pool, "link", buffer, sizeof buffer), 4);
}

static void follow_link(void)
{
	must_be(pf_access(pool, "link", 0), 0);
}

static const struct {
	const char *name;
	void (*run)(void);
} reads[] = {{"file", read_file},
	     {"directory", read_directory},
	     {"link", read_link},
	     {"link", follow_link}};

static void check_atime(size_t i, uint64_t atime, uint64_t mtime, uint64_t ctime, bool changes_it)
{
	uint64_t got;

	set_times(reads[i].name, atime, mtime, ctime);
	/* A day's end is seen within so many reads. */
	for (unsigned n = 0; n < 64; n++)
		reads[i].run();
	got = stat_of(reads[i].name).atime_ns;
	if (changes_it ? got <= atime : got != atime)
		test_fail(__FILE__, __LINE__, "read %zu: atime %lu, mtime %lu, ctime %lu: %lu", i,
			  atime, mtime, ctime, got);
}

static void check_reads(void)
{
	uint64_t now = clock_coarse();

	for (size_t i = 0; i < COUNT(reads); i++) {
		check_atime(i, now - HOUR, now - 2 * HOUR, now - 2 * HOUR, false);
		check_atime(i, now - HOUR, now - HOUR, now - 2 * HOUR, true);
		check_atime(i, now - HOUR, now - 2 * HOUR, now - HOUR, true);
		check_atime(i, now - 2 * HOUR, now - HOUR, now - 3 * HOUR, true);
		check_atime(i, now - 23 * HOUR, now - 30 * HOUR, now - 30 * HOUR, false);
		check_atime(i, now - 25 * HOUR, now - 30 * HOUR, now - 30 * HOUR, true);
	}
}

/* Somebody has the lock: reading does not wait, and leaves the time to another read. */
static void *read_meanwhile(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < COUNT(reads); i++)
		reads[i].run();
	return NULL;
}

static void check_contended(void)
{
	struct rt_self *me = rt_self_get(pool->layout.rt);
	struct layout_set set = {3, {0}};
	pthread_t other;

	for (size_t i = 0; i < 3; i++) {
		set_times(reads[i].name, 1, 2, 3);
		set.ino[i] = (uint32_t)stat_of(reads[i].name).inode;
	}
	OK(layout_lock_set(me, &pool->layout, &set));
	must(pthread_create(&other, NULL, read_meanwhile, NULL) == 0);
	must(pthread_join(other, NULL) == 0);
	layout_unlock_set(me, &pool->layout, &set);
	for (size_t i = 0; i < 3; i++)
		must_be(stat_of(reads[i].name).atime_ns, 1);
}

static void check_readonly(void)
{
	pf_pool *writable = pool;

	for (size_t i = 0; i < 3; i++)
		set_times(reads[i].name, 1, 2, 3);
	OK(pf_pool_open(path, PF_POOL_RDONLY | PF_POOL_NO_THREAD, &pool));
	OK(pf_close(file));
	OK(pf_close(directory));
	OK(pf_open(pool, "file", PF_O_RDONLY, 0, &file));
	OK(pf_open(pool, "directory", PF_O_DIRECTORY, 0, &directory));
	for (size_t i = 0; i < COUNT(reads); i++)
		reads[i].run();
	for (size_t i = 0; i < 3; i++)
		must_be(stat_of(reads[i].name).atime_ns, 1);
	OK(pf_close(file));
	OK(pf_close(directory));
	OK(pf_pool_close(pool));
	pool = writable;
}

int main(void)
{
	pf_file *f;

	test_dir();
	path = pool_make("pool", 16);
	pool = pool_open(path);
	OK(pf_open(pool, "file", PF_O_RDWR | PF_O_CREATE, 0666, &f));
	OK(pf_write(f, buffer, sizeof buffer, 0));
	check_changes(f);
	pf_act_as(&root);
	check_modes(f);
	pf_act_as(NULL);
	OK(pf_truncate(f, 100, PF_DETACH, 0));
	OK(pf_mkdir(pool, "directory", 0755));
	OK(pf_mkdir(pool, "directory/inner", 0755));
	OK(pf_symlink(pool, "file", "link"));
	OK(pf_open(pool, "file", PF_O_RDONLY, 0, &file));
	OK(pf_open(pool, "directory", PF_O_DIRECTORY, 0, &directory));
	check_reads();
	check_contended();
	check_readonly();
	OK(pf_close(f));
	pool_check(pool, "times");
	OK(pf_pool_close(pool));
	return 0;
}
