/* cp that is killed in the middle of a read or write, whose source shrinks, grows or cannot be read, or whose host refuses: whole or nothing in the pool, no page lost. */
/* test: suite=short timeout=60 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pool.h"
#include "watch.h"

enum { SIZE = 5000001, OLD = 100000, NEW_ID = 7, OLD_ID = 3, GROWN = 3000000, CUT = 3000001 };

static struct {
	char directory[4096], source[4200], target[4200], in_pool[4200];
	const char *program;
	pf_pool *pool;
	uint64_t free; /* pages, with the old file in the pool */
} t;

/* ---- files ------------------------------------------------------------------------------------------- */

static char buffer[SIZE + GROWN];

static void remove_directory(void)
{
	unlink(t.source);
	unlink(t.target);
	rmdir(t.directory);
}

/* Unless it is as it was. */
static void make_source(void)
{
	struct stat st;
	int fd;

	if (stat(t.source, &st) == 0 && st.st_size == SIZE)
		return;
	fd = open(t.source, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	pattern_fill(buffer, SIZE, NEW_ID, 0);
	must(fd >= 0 && write(fd, buffer, SIZE) == SIZE);
	close(fd);
}

static size_t read_host(const char *path, char *to, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, to, room);

	close(fd);
	return n < 0 ? 0 : (size_t)n;
}

/* The file in the pool has `id`'s pattern from the first byte to its last; how many bytes that are. */
static size_t whole_file(const char *name, uint64_t id, const char *what)
{
	pf_file *file;
	size_t n;

	OK(pf_open(t.pool, name, PF_O_RDONLY, 0, &file));
	n = (size_t)OK(pf_read(file, buffer, sizeof buffer, 0));
	pf_close(file);
	if (pattern_differs(buffer, n, id, 0) < n)
		test_fail(__FILE__, __LINE__, "%s: byte %zu of %zu", what,
			  pattern_differs(buffer, n, id, 0), n);
	return n;
}

/* Memory of a killed process waits until the host can no longer write to it. */
static void pages_return(const char *what)
{
	double begin = now();

	while (pool_info(t.pool).pages_free != t.free) {
		if (now() - begin > TEST_PATIENCE / 1000)
			test_fail(__FILE__, __LINE__, "%s: pages are lost", what);
		OK(pf_reap(t.pool));
	}
}

/* What was there before is there, and nothing else; no page is lost or held. */
static void nothing_happened(const char *what)
{
	pool_check(t.pool, what);
	must_be(whole_file("/file", OLD_ID, what), OLD);
	pages_return(what);
}

/* The pool as every case finds it. */
static void begin(void)
{
	pool_empty(t.pool, "between");
	pattern_file(t.pool, "/file", OLD, OLD_ID);
	t.free = pool_info(t.pool).pages_free;
	make_source();
	unlink(t.target);
}

/* ---- copies ------------------------------------------------------------------------------------------ */

struct way {
	const char *name;
	int call; /* by which its bytes come */
	const char *said;
};

static const struct way ways[] = {
	{"disk", SYS_io_uring_enter, ": read from disk into pinned pages\n"},
	{"cached", SYS_io_uring_enter, ": read from the page cache into pinned pages\n"},
	{"copy", SYS_read, ": copied\n"},
};

static int copy_in(const struct way *way, struct watch *watch)
{
	const char *argv[] = {t.program, "cp", "-v", "--way", way->name, t.source, t.in_pool, NULL};

	if (watch->call == SYS_read)
		watch->path = t.source;
	return watch_run(argv, watch);
}

static int copy_out(struct watch *watch)
{
	const char *argv[] = {t.program, "cp", t.in_pool, t.target, NULL};

	watch->path = t.target;
	return watch_run(argv, watch);
}

static void says(const char *file, const char *text)
{
	char all[8192] = "";

	all[read_host(test_path("%s", file), all, sizeof all - 1)] = 0;
	if (!strstr(all, text))
		test_fail(__FILE__, __LINE__, "'%s', without '%s'", all, text);
}

/* ---- cases ------------------------------------------------------------------------------------------- */

/* A whole copy, with nothing in its way. */
static void copied(const struct way *way)
{
	struct watch count = {.call = way->call};

	begin();
	must_be(copy_in(way, &count), 0);
	must_be(whole_file("/file", NEW_ID, way->name), SIZE);
	says("out", way->said);
	must(count.seen >= 3);
}

/* How often a ring is entered is not the same each time: until a copy was over before its nth call. */
static void ended_coming_in(const struct way *way, int signal, int wanted)
{
	for (long n = 1;; n++) {
		struct watch watch = {.call = way->call, .nth = n, .signal = signal};
		char what[64];
		int status;

		begin();
		snprintf(what, sizeof what, "--way %s, signal %d at call %ld", way->name, signal,
			 n);
		status = copy_in(way, &watch);
		if (watch.seen < n) {
			must_be(status, 0);
			return;
		}
		must_be(status, wanted);
		if (signal == SIGINT)
			says("err", "interrupted; '/file' was not copied\n");
		nothing_happened(what);
	}
}

static void killed_going_out(void)
{
	struct watch count = {.call = SYS_write};

	begin();
	pattern_file(t.pool, "/file", SIZE, NEW_ID);
	t.free = pool_info(t.pool).pages_free;
	must_be(copy_out(&count), 0);
	must_be(read_host(t.target, buffer, sizeof buffer), SIZE);
	must_be(pattern_differs(buffer, SIZE, NEW_ID, 0), SIZE);
	must(count.seen >= 2);
	for (long n = 1; n <= count.seen; n++) {
		struct watch watch = {.call = SYS_write, .nth = n, .signal = SIGKILL};

		must_be(copy_out(&watch), 256 + SIGKILL);
		pool_check(t.pool, "killed going out");
		must_be(whole_file("/file", NEW_ID, "the source"), SIZE);
		pages_return("killed going out");
	}
}

static int copy_within(void *arg)
{
	execl(t.program, t.program, "cp", t.in_pool, arg, (char *)NULL);
	return 1;
}

/* One try; false: the copy was quicker than the kill. */
static bool kill_within(char *to)
{
	struct pf_statfs fs;
	struct pf_stat st;
	pid_t pid = test_fork(copy_within, to);
	int status;

	do
		OK(pf_statfs(t.pool, &fs));
	while (fs.pages_free == t.free);
	kill(pid, SIGKILL);
	status = test_wait(pid, TEST_PATIENCE);
	must(status == 0 || status == 256 + SIGKILL);
	pool_check(t.pool, "killed within");
	if (pf_stat_path(t.pool, "/file-copy", 0, &st) == 0) {
		must_be(whole_file("/file-copy", NEW_ID, "killed within"), SIZE);
		OK(pf_unlink(t.pool, "/file-copy"));
	} else {
		must(status);
	}
	pages_return("killed within");
	return status;
}

/* It makes no system call while it copies: killed once its pages are there. */
static void killed_within(void)
{
	unsigned killed = 0;
	char to[4300];

	begin();
	pattern_file(t.pool, "/file", SIZE, NEW_ID);
	t.free = pool_info(t.pool).pages_free;
	snprintf(to, sizeof to, "%s-copy", t.in_pool);
	for (unsigned tries = 0; killed < 5; tries++) {
		must(tries < 200);
		killed += kill_within(to);
	}
}

static void cut_source(void *arg)
{
	(void)arg;
	must_be(truncate(t.source, CUT), 0);
}

static void grow_source(void *arg)
{
	int fd = open(t.source, O_WRONLY | O_APPEND | O_CLOEXEC);

	(void)arg;
	pattern_fill(buffer, GROWN, NEW_ID, SIZE);
	must(fd >= 0 && write(fd, buffer, GROWN) == GROWN);
	close(fd);
}

/* A copy has what was there at some time, from the first byte on, and no zeros behind it. */
static void source_is_cut(const struct way *way)
{
	struct watch watch = {.call = way->call, .first = cut_source};
	size_t length;

	do {
		watch.nth++;
		begin();
		must_be(copy_in(way, &watch), 0);
		length = whole_file("/file", NEW_ID, "the source is cut");
		must(length >= CUT && length <= SIZE);
		must(watch.nth > 1 || way->call != SYS_read || length == CUT);
		pool_check(t.pool, "the source is cut");
	} while (watch.seen >= watch.nth);
	must_be(length, SIZE);
}

static void source_grows(const struct way *way)
{
	struct watch watch = {.call = way->call, .first = grow_source};
	size_t length;

	do {
		watch.nth++;
		begin();
		must_be(copy_in(way, &watch), 0);
		length = whole_file("/file", NEW_ID, "the source grows");
		must_be(length, watch.seen < watch.nth ? SIZE : SIZE + GROWN);
		pool_check(t.pool, "the source grows");
	} while (watch.seen >= watch.nth);
}

/* What cannot be read into pinned pages is tried through the buffer, and then it is an error. */
static void source_fails(const struct way *way)
{
	for (long n = 1;; n++) {
		struct watch watch = {.call = SYS_read, .nth = n, .error = EIO};
		int status;

		begin();
		status = copy_in(way, &watch);
		if (watch.seen < n) {
			must_be(status, 0);
			must(n > 2);
			return;
		}
		must_be(status, 1);
		says("err", "/source: Input/output error\n");
		nothing_happened("the source fails");
	}
}

static void ring_is_refused(void)
{
	static const struct {
		int call, error;
	} refused[] = {{SYS_io_uring_setup, ENOSYS},
		       {SYS_io_uring_setup, ENOMEM},
		       {SYS_io_uring_enter, EPERM}};

	for (unsigned i = 0; i < sizeof refused / sizeof *refused; i++) {
		struct watch watch = {.call = refused[i].call, .nth = 1, .error = refused[i].error};

		begin();
		must_be(copy_in(&ways[0], &watch), 0);
		says("out", ": copied\n");
		must_be(whole_file("/file", NEW_ID, "without a ring"), SIZE);
	}
}

/* What passes: signals, a host short of memory. */
static void ring_hesitates(void)
{
	static const int errors[] = {EINTR, EAGAIN, EBUSY};
	struct watch watch = {.call = SYS_io_uring_enter};

	do {
		watch.error = errors[++watch.nth % 3];
		begin();
		must_be(copy_in(&ways[1], &watch), 0);
		must_be(whole_file("/file", NEW_ID, "the ring hesitates"), SIZE);
	} while (watch.seen >= watch.nth);
}

/* As cp(1): what has arrived stays, and it is said. */
static void host_is_full(void)
{
	struct watch watch = {.call = SYS_write, .nth = 2, .error = ENOSPC};

	begin();
	pattern_file(t.pool, "/file", SIZE, NEW_ID);
	must_be(copy_out(&watch), 1);
	says("err", "/target: No space left on device; what is there is not whole: make room");
	must(read_host(t.target, buffer, sizeof buffer) > 0);
	pool_check(t.pool, "the host is full");
}

/* Memory that was allocated and never written is a hole in the copy. */
static void unwritten_is_a_hole(void)
{
	char to[4300];
	struct pf_stat st;
	pf_file *file;

	begin();
	OK(pf_open(t.pool, "/file", PF_O_RDWR, 0, &file));
	OK(pf_truncate(file, 0, PF_DETACH, 0));
	OK(pf_allocate(file, 0, SIZE, 0));
	pf_close(file);
	snprintf(to, sizeof to, "%s-copy", t.in_pool);
	must_be(test_in_child(copy_within, to), 0);
	OK(pf_stat_path(t.pool, "/file-copy", 0, &st));
	must_be(st.size, SIZE);
	must_be(st.allocated, 0);
}

static int map_all(const char *name)
{
	pf_file *file;
	pf_map *map;
	int rc;

	OK(pf_open(t.pool, name, PF_O_RDONLY, 0, &file));
	rc = pf_map_file(file, 0, SIZE, PF_MAP_READ, &map);
	if (rc == 0)
		pf_unmap(map);
	pf_close(file);
	return rc;
}

/* The copy of a file that is in pieces is one piece. */
static void copy_is_one_piece(void)
{
	char to[4300];
	pf_file *file[2];

	begin();
	OK(pf_open(t.pool, "/file", PF_O_RDWR, 0, &file[0]));
	OK(pf_open(t.pool, "/other", PF_O_RDWR | PF_O_CREATE, 0644, &file[1]));
	pattern_fill(buffer, SIZE, NEW_ID, 0);
	for (size_t at = 0; at < SIZE; at += PF_PAGE_SIZE)
		for (int i = 0; i < 2; i++)
			OK(pf_write(file[i], buffer + at,
				    SIZE - at < PF_PAGE_SIZE ? SIZE - at : PF_PAGE_SIZE,
				    i ? SIZE - at
				      : at)); /* the other one backwards: not ahead of its end */
	pf_close(file[0]);
	pf_close(file[1]);
	must_be(map_all("/file"), -PF_ENOTCONTIG);
	snprintf(to, sizeof to, "%s-copy", t.in_pool);
	must_be(test_in_child(copy_within, to), 0);
	must_be(whole_file("/file-copy", NEW_ID, "one piece"), SIZE);
	must_be(map_all("/file-copy"), 0);
}

static bool reads_past_the_cache(void)
{
	struct watch watch = {.call = SYS_io_uring_enter};

	begin();
	must_be(copy_in(&ways[0], &watch), 0);
	return watch.seen > 0;
}

int main(void)
{
	const char *path;

	test_dir();
	t.program = getenv("PINFOLD");
	must(t.program && getcwd(t.directory, sizeof t.directory - 32));
	strcat(t.directory, "/cli_copy_faults.XXXXXX"); /* on a disk, if the build is */
	must(mkdtemp(t.directory));
	atexit(remove_directory);
	snprintf(t.source, sizeof t.source, "%s/source", t.directory);
	snprintf(t.target, sizeof t.target, "%s/target", t.directory);
	path = pool_make("pool", 64);
	snprintf(t.in_pool, sizeof t.in_pool, "%s:/file", path);
	t.pool = pool_open(path);
	for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
		if (i == 0 && !reads_past_the_cache()) {
			skip_part("files here cannot be read past the page cache");
			continue;
		}
		copied(&ways[i]);
		ended_coming_in(&ways[i], SIGKILL, 256 + SIGKILL);
		ended_coming_in(&ways[i], SIGINT, 1);
		source_is_cut(&ways[i]);
		source_grows(&ways[i]);
		source_fails(&ways[i]);
	}
	ring_hesitates();
	ring_is_refused();
	killed_going_out();
	killed_within();
	host_is_full();
	unwritten_is_a_hole();
	copy_is_one_piece();
	pool_empty(t.pool, "in the end");
	return 0;
}
