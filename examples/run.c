/*
 * The demonstration behind "make run": a real tree in a pool, with its directories, symbolic links and modes; processes that map, pin, read
 * and compare its files while others truncate, replace, rename, link and delete them, move and remove whole directories, and one reads from
 * disk into pinned pages; one of them is killed again and again. At the end nothing may have leaked, no held byte may have changed, and the
 * tree is compared and put back whole.
 *
 *   run SOURCE SECONDS SCRATCH
 *
 * Files only ever get shorter by whole pages, are replaced whole, or deleted: so what a process holds is, to the byte, the beginning of the
 * source file, and has to stay that for as long as it is held. What a name says of that: see run_tree.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <pinfold.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "run_report.h"
#include "run_tree.h"

#define MIB      (1ul << 20)
#define WORKERS  5
#define IO_BYTES (32 * MIB) /* at most, see io_bytes */
#define IO_BLOCK (1 * MIB)
#define LEAST    (32 * MIB) /* of /dev/shm */
#define KILL_NS  120000000L

/* What the processes count together. */
struct counts {
	_Atomic unsigned long held, compared_bytes, read, truncated, replaced, deleted, renamed,
		linked, exchanged, moved, removed, changed, wrong, disk_bytes;
	_Atomic unsigned long registered, io_errors, errors;
	_Atomic int no_direct, no_ring, stop;
};

static struct tree tree;
static struct counts *counts;
static char pool_path[64];
static const char *scratch;
static size_t io_bytes; /* read from disk in a round */

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void die(const char *what, int pf)
{
	fprintf(stderr, "run: %s: %s\n", what, pf ? pf_message() : strerror(errno));
	if (pool_path[0])
		unlink(pool_path);
	unlink(scratch);
	exit(1);
}

/* ---- the source tree ------------------------------------------------------------------------------- */

/* What may be taken of /dev/shm. */
static size_t shared_memory(void)
{
	struct statvfs vfs;
	size_t room;

	if (statvfs("/dev/shm", &vfs) < 0)
		die("/dev/shm", 0);
	room = (size_t)vfs.f_bavail * vfs.f_frsize;
	if (room >= LEAST)
		return room;
	fprintf(stderr, "run: needs %s of room in /dev/shm, where %s are free\n", amount(LEAST),
		amount(room));
	exit(1);
}

/* A quarter of the room at most: files that are replaced are there twice, and what is read from disk several times, as long as the memory
 * of killed processes is in quarantine. */
static void read_tree(const char *root)
{
	size_t budget = shared_memory() / 4;

	io_bytes = budget / 8 / IO_BLOCK * IO_BLOCK;
	if (budget > 1024 * MIB)
		budget = 1024 * MIB;
	if (io_bytes > IO_BYTES)
		io_bytes = IO_BYTES;
	if (io_bytes < IO_BLOCK)
		io_bytes = IO_BLOCK;
	if (tree_read(&tree, root, budget) < 0)
		die(root, 0);
	if (tree.files)
		return;
	fprintf(stderr,
		"run: no files below %s, or none that fits into a quarter of the room in /dev/shm\n",
		root);
	exit(1);
}

/* ---- workers --------------------------------------------------------------------------------------- */

static pf_pool *open_pool(void)
{
	pf_pool *pool;

	if (pf_pool_open(pool_path, 0, &pool) < 0) {
		fprintf(stderr, "run: worker: %s\n", pf_message());
		atomic_fetch_add(&counts->errors, 1);
		exit(1);
	}
	return pool;
}

/* Held bytes are the beginning of the source, now and at every later look. */
static void watch(const struct pf_chunk *chunk, size_t chunks, const char *bytes)
{
	for (int look = 0; look < 4 && !atomic_load(&counts->stop); look++) {
		const char *expected = bytes;

		for (size_t i = 0; i < chunks; i++) {
			if (memcmp(chunk[i].address, expected, chunk[i].length))
				atomic_fetch_add(look ? &counts->changed : &counts->wrong, 1);
			expected += chunk[i].length;
			atomic_fetch_add(&counts->compared_bytes, chunk[i].length);
		}
		usleep(500u << look);
	}
	atomic_fetch_add(&counts->held, 1);
}

static void hold_by_map(pf_file *file, size_t size, const char *bytes)
{
	struct pf_chunk one = {.length = size};
	pf_map *map;

	if (pf_map_file(file, 0, size, PF_MAP_READ, &map) < 0)
		return;
	one.address = pf_map_address(map);
	watch(&one, 1, bytes);
	pf_unmap(map);
}

static void hold_by_pin(pf_file *file, size_t size, const char *bytes)
{
	const struct pf_chunk *chunk;
	size_t n;
	pf_pin *pin;

	if (pf_pin_file(file, 0, size, rand() % 2 ? PF_PIN_LONGTERM : 0, &pin) < 0)
		return;
	chunk = pf_pin_chunks(pin, &n);
	watch(chunk, n, bytes);
	pf_unpin(pin);
}

/* A read that no truncation went through is the source too. */
static void compare_read(pf_file *file, size_t size, const char *bytes)
{
	char *buffer = malloc(size);
	struct pf_stat before, after;
	ssize_t n;

	if (buffer && pf_stat(file, &before) == 0 && (n = pf_read(file, buffer, size, 0)) >= 0 &&
	    pf_stat(file, &after) == 0 && after.size == before.size && before.size >= (uint64_t)n) {
		if (memcmp(buffer, bytes, (size_t)n))
			atomic_fetch_add(&counts->wrong, 1);
		atomic_fetch_add(&counts->read, 1);
		atomic_fetch_add(&counts->compared_bytes, (unsigned long)n);
	}
	free(buffer);
}

static void use_file(pf_pool *pool, const struct entry *s)
{
	char *bytes = tree_bytes(&tree, s);
	struct pf_stat stat;
	pf_file *file;

	if (bytes && pf_open(pool, s->name, PF_O_RDONLY, 0, &file) == 0) {
		if (pf_stat(file, &stat) == 0 && stat.size && stat.size <= s->size) {
			switch (rand() % 3) {
			case 0:
				hold_by_map(file, stat.size, bytes);
				break;
			case 1:
				hold_by_pin(file, stat.size, bytes);
				break;
			default:
				compare_read(file, stat.size, bytes);
			}
		}
		pf_close(file);
	}
	free(bytes);
}

/* The largest files are used much more than the others, so that processes meet at them. */
static const struct entry *pick(void)
{
	size_t popular = tree.files < 50 ? tree.files : 50;

	return tree.by_size[(size_t)rand() % (rand() % 4 ? popular : tree.files)];
}

static void reader(pf_pool *pool)
{
	while (!atomic_load(&counts->stop))
		use_file(pool, pick());
}

static void shorten(pf_pool *pool, const struct entry *s)
{
	static const enum pf_policy policies[] = {PF_DETACH, PF_DETACH, PF_WAIT, PF_TRY};
	struct pf_stat stat;
	pf_file *file;

	if (pf_open(pool, s->name, PF_O_RDWR, 0, &file) < 0)
		return;
	if (pf_stat(file, &stat) == 0 && stat.size > 4096 &&
	    pf_truncate(file, (stat.size / 2) & ~4095ull, policies[rand() % 4], 2) == 0)
		atomic_fetch_add(&counts->truncated, 1);
	pf_close(file);
}

/* One of the other names that the entry may have. */
static void other_name(const struct entry *e, char name[PATH_BYTES])
{
	snprintf(name, PATH_BYTES, "%s~%d", e->name, rand() % 2);
}

static void count_if(int rc, _Atomic unsigned long *counter)
{
	if (rc == 0)
		atomic_fetch_add(counter, 1);
}

static void change_names(pf_pool *pool, const struct entry *s)
{
	char other[PATH_BYTES];

	other_name(s, other);
	switch (rand() % 5) {
	case 0:
		count_if(pf_rename(pool, s->name, other, 0), &counts->renamed);
		break;
	case 1:
		count_if(pf_rename(pool, other, s->name, 0), &counts->renamed);
		break;
	case 2:
		count_if(pf_rename(pool, s->name, other, PF_RENAME_EXCHANGE), &counts->exchanged);
		break;
	case 3:
		count_if(pf_link(pool, s->name, other), &counts->linked);
		break;
	default:
		count_if(pf_unlink(pool, other), &counts->deleted);
	}
}

/* Sometimes a symbolic link is made anew. */
static void change_link(pf_pool *pool)
{
	const struct entry *e = &tree.entry[(size_t)rand() % tree.count];

	if (S_ISLNK(e->mode) && pf_unlink(pool, e->name) == 0)
		count_if(tree_put(&tree, pool, e), &counts->linked);
}

/* A directory with all that is in it: moved away and made anew, changed for its other one, or removed. */
static void change_directory(pf_pool *pool)
{
	const struct entry *d;
	char other[PATH_BYTES];

	if (!tree.small_count)
		return;
	d = tree.small[(size_t)rand() % tree.small_count];
	other_name(d, other);
	switch (rand() % 3) {
	case 0:
		count_if(pf_rename(pool, d->name, other, 0), &counts->moved);
		break;
	case 1:
		count_if(pf_rename(pool, d->name, other, PF_RENAME_EXCHANGE), &counts->exchanged);
		break;
	default:
		tree_remove(pool, d->name);
		count_if(pf_mkdir(pool, d->name, d->mode & 0777), &counts->removed);
	}
	tree_put_below(&tree, pool, d);
	tree_remove(pool, other);
}

static void changer(pf_pool *pool)
{
	while (!atomic_load(&counts->stop)) {
		const struct entry *s = pick();

		switch (rand() % 16) {
		case 0:
		case 1:
		case 2:
			shorten(pool, s);
			break;
		case 3:
		case 4:
		case 5:
			count_if(pf_unlink(pool, s->name), &counts->deleted);
			break;
		case 6:
		case 7:
		case 8:
			change_names(pool, s);
			break;
		case 9:
			change_link(pool);
			break;
		case 10:
			change_directory(pool);
			break;
		default:
			count_if(tree_put(&tree, pool, s), &counts->replaced);
		}
	}
}

/* ---- from disk into pinned pages ---------------------------------------------------------------------- */

static char disk_byte(size_t at)
{
	return (char)((at / 4096 * 2654435761u >> 7) + at % 4096 * 31);
}

/* As blocks, so that part of it can be registered. */
static size_t split_pin(const struct pf_chunk *chunk, size_t chunks, struct iovec *iov)
{
	size_t n = 0;

	for (size_t i = 0; i < chunks; i++)
		for (size_t at = 0; at + IO_BLOCK <= chunk[i].length; at += IO_BLOCK)
			iov[n++] = (struct iovec){(char *)chunk[i].address + at, IO_BLOCK};
	return n;
}

/* As many of the blocks as may be locked, once; how many. */
static size_t register_blocks(struct io_uring *ring, const struct iovec *iov, size_t n)
{
	unsigned long before = atomic_load(&counts->registered);

	while (n && io_uring_register_buffers(ring, iov, (unsigned)n) < 0)
		n /= 2;
	while (before < n * IO_BLOCK &&
	       !atomic_compare_exchange_weak(&counts->registered, &before, n * IO_BLOCK))
		;
	return n;
}

/* What was read is what the file has, or a page of the pin has become somebody else's. */
static void compare_blocks(const struct iovec *iov, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t at = 0; at < IO_BLOCK; at += 511)
			if (((char *)iov[i].iov_base)[at] != disk_byte(i * IO_BLOCK + at))
				atomic_fetch_add(&counts->changed, 1);
}

/* All blocks from disk, those that are registered with fixed buffers. False: the host did not do it. */
static int read_round(struct io_uring *ring, int fd, const struct iovec *iov, size_t n,
		      size_t registered)
{
	int fine = 1;

	for (size_t i = 0; i < n; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
		uint64_t at = i * IO_BLOCK;

		if (i < registered)
			io_uring_prep_read_fixed(sqe, fd, iov[i].iov_base, IO_BLOCK, at, (int)i);
		else
			io_uring_prep_read(sqe, fd, iov[i].iov_base, IO_BLOCK, at);
	}
	if (io_uring_submit(ring) != (int)n)
		return 0;
	for (size_t i = 0; i < n; i++) {
		struct io_uring_cqe *cqe;

		if (io_uring_wait_cqe(ring, &cqe) < 0)
			return 0;
		fine &= cqe->res == (int)IO_BLOCK;
		io_uring_cqe_seen(ring, cqe);
	}
	if (fine)
		atomic_fetch_add(&counts->disk_bytes, n * IO_BLOCK);
	return fine;
}

static int open_scratch(void)
{
	int fd = open(scratch, O_RDONLY | O_DIRECT | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	atomic_store(&counts->no_direct, 1);
	return open(scratch, O_RDONLY | O_CLOEXEC);
}

/* Until it is told to stop. */
static void read_disk(struct io_uring *ring, int fd, const pf_pin *pin)
{
	struct iovec iov[IO_BYTES / IO_BLOCK];
	size_t chunks, n, registered;
	const struct pf_chunk *chunk = pf_pin_chunks(pin, &chunks);

	n = split_pin(chunk, chunks, iov);
	registered = register_blocks(ring, iov, n);
	while (!atomic_load(&counts->stop)) {
		if (!read_round(ring, fd, iov, n, registered)) {
			atomic_fetch_add(&counts->io_errors, 1);
			break;
		}
		compare_blocks(iov, n);
	}
}

/* The pages are of a file that never has a name. The io_uring ends before the pin, then no I/O is on its way. */
static void disk_reader(pf_pool *pool)
{
	struct io_uring ring;
	pf_file *file;
	pf_pin *pin;
	int fd = open_scratch();

	if (fd < 0 || io_uring_queue_init(64, &ring, 0) < 0) {
		atomic_store(&counts->no_ring, 1);
		reader(pool);
		return;
	}
	if (pf_open(pool, "/", PF_O_RDWR | PF_O_TMPFILE, 0600, &file) == 0) {
		if (pf_allocate(file, 0, io_bytes, 0) == 0 &&
		    pf_pin_file(file, 0, io_bytes, PF_PIN_WRITE | PF_PIN_LONGTERM, &pin) == 0) {
			read_disk(&ring, fd, pin);
			io_uring_queue_exit(&ring);
			pf_unpin(pin);
		}
		pf_close(file);
	}
	close(fd);
}

static pid_t start(unsigned which)
{
	static unsigned starts;
	pf_pool *pool;
	pid_t pid;

	starts++;
	fflush(NULL);
	pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	srand((unsigned)getpid() + starts);
	prctl(PR_SET_NAME, which < 2 ? "run-reader" : which < 4 ? "run-changer" : "run-disk");
	pool = open_pool();
	if (which < 2)
		reader(pool);
	else if (which < 4)
		changer(pool);
	else
		disk_reader(pool);
	pf_pool_close(pool);
	exit(0);
}

/* ---- the run --------------------------------------------------------------------------------------- */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
	(void)sig;
	interrupted = 1;
}

static void make_scratch(void)
{
	int fd = open(scratch, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	char *bytes = malloc(io_bytes);

	if (fd < 0 || !bytes)
		die(scratch, 0);
	for (size_t i = 0; i < io_bytes; i++)
		bytes[i] = disk_byte(i);
	if (write(fd, bytes, io_bytes) != (ssize_t)io_bytes || fsync(fd) < 0)
		die(scratch, 0);
	close(fd);
	free(bytes);
}

static void judge(int status)
{
	if (WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0)
		return;
	atomic_fetch_add(&counts->errors, 1);
	printf("a process ended with %s %d\n", WIFSIGNALED(status) ? "signal" : "status",
	       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

/* A worker ends because it was killed, or told to stop; otherwise something is wrong. */
static void collect(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) == pid && !interrupted)
		judge(status);
}

/* Stops a worker wherever it is. False: it has ended. */
static bool stop(pid_t pid)
{
	int status;

	kill(pid, SIGSTOP);
	if (waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status))
		return true;
	if (!interrupted)
		judge(status);
	return false;
}

/* Kills one of the workers, and starts another of its kind: whoever is alive then gives back what it held. */
static void kill_one(pf_pool *pool, pid_t *pid, unsigned which, double at, struct report *r)
{
	static struct moment moment;
	bool stopped = stop(*pid), seen = moment_look(&moment, pool, *pid, at) == 0;

	if (stopped) {
		kill(*pid, SIGKILL);
		collect(*pid);
	}
	*pid = start(which);
	if (seen)
		report_death(r, &moment, pool);
}

static void run_workers(pf_pool *pool, double duration, struct report *r)
{
	double begin = seconds();
	pid_t pid[WORKERS];

	for (unsigned i = 0; i < WORKERS; i++)
		pid[i] = start(i);
	while (seconds() < begin + duration && !interrupted) {
		unsigned victim = (unsigned)rand() % WORKERS;

		nanosleep(&(struct timespec){.tv_nsec = KILL_NS}, NULL);
		kill_one(pool, &pid[victim], victim, seconds() - begin, r);
	}
	/* Half are told to stop, half are killed with what they hold. */
	for (unsigned i = 0; i < WORKERS; i += 2)
		kill(pid[i], SIGKILL);
	atomic_store(&counts->stop, 1);
	for (unsigned i = 0; i < WORKERS; i++)
		collect(pid[i]);
}

static void print_violation(void *arg, const char *rule, const char *text)
{
	unsigned long *early = arg;

	printf("violation of %s: %s\n", rule, text);
	if (!strcmp(rule, "count") || !strcmp(rule, "member") || !strcmp(rule, "quarantine"))
		++*early;
}

static void report_disk(void)
{
	if (counts->no_ring) {
		puts("  from disk    nothing: io_uring is not to be had here");
		return;
	}
	printf("  from disk    %s into pinned memory%s: %s again and again, of which %s were registered with io_uring%s\n",
	       amount(counts->disk_bytes),
	       counts->no_direct ? " (through the page cache: no O_DIRECT on this file system)"
				 : "",
	       amount(io_bytes), amount(counts->registered),
	       counts->registered < io_bytes ? " (RLIMIT_MEMLOCK allows no more)" : "");
	if (counts->io_errors)
		printf("               %s times the host failed to read from disk\n",
		       number(counts->io_errors));
}

static void announce(const struct pf_mkfs_options *o, double work)
{
	printf("A copy of %s goes into a pool of shared memory: %s, %s\n\n", tree.root, pool_path,
	       amount(o->size));
	printf("For %.0f s, five processes use it at once:\n"
	       "  two (run-reader) map and pin its files, and compare what they hold with the original again and again,\n"
	       "  two (run-changer) truncate, replace, rename and delete the same files, and whole directories,\n"
	       "  one (run-disk) reads from disk straight into pinned memory.\n"
	       "Meanwhile one after the other is killed with kill -9, and a new one takes its place.\n\n",
	       work);
}

static void report(struct report *r)
{
	printf("  held         %s times a file was mapped or pinned, %s times read; %s compared\n",
	       number(counts->held), number(counts->read), amount(counts->compared_bytes));
	printf("  changed      %s times a file was cut short, %s replaced, %s deleted, %s renamed or linked;\n"
	       "               %s directories moved, %s removed with all that was in them, and made anew\n",
	       number(counts->truncated), number(counts->replaced), number(counts->deleted),
	       number(counts->renamed + counts->linked + counts->exchanged), number(counts->moved),
	       number(counts->removed));
	report_disk();
	report_kills(r);
	report_worst(r);
}

/* ---- the end --------------------------------------------------------------------------------------- */

/* What the processes have left is the tree, or parts of it; then the tree is put back whole, and compared again. How many names were wrong. */
static unsigned long compare_tree(pf_pool *pool)
{
	struct difference left, whole = {0};

	if (tree_compare(&tree, pool, 0, &left) < 0 || tree_remove_strays(pool, "") < 0)
		die("the tree", 1);
	for (size_t i = 0; i < tree.count; i++)
		if (tree_put(&tree, pool, &tree.entry[i]) < 0)
			die(tree.entry[i].name, 1);
	if (tree_compare(&tree, pool, 1, &whole) < 0)
		die("the tree", 1);
	printf("\nAt the end the %s names that were left were compared with %s; then all was put back, and its %s names compared.\n",
	       number(left.seen), tree.root, number(whole.seen));
	atomic_fetch_add(&counts->wrong, left.bytes + whole.bytes);
	return left.names + whole.names;
}

static void remove_all(pf_pool *pool)
{
	for (size_t i = 0; i < tree.count; i++)
		if (!strchr(tree.entry[i].name, '/'))
			tree_remove(pool, tree.entry[i].name);
}

/* Everything given back and removed: every page is free, or it leaked. */
static int verdict(pf_pool *pool)
{
	unsigned long early = counts->changed, names;
	struct pf_info info;
	int violations, again, reaped = pf_reap(pool);

	violations = pf_check(pool, print_violation, &early);
	names = interrupted ? 0 : compare_tree(pool);
	again = pf_check(pool, print_violation, &early);
	tree_remove_strays(pool, "");
	remove_all(pool);
	if (reaped < 0 || violations < 0 || again < 0 || pf_reap(pool) < 0 ||
	    pf_info(pool, &info) < 0)
		die("check", 1);
	if (interrupted)
		putchar('\n');
	puts("Every page was counted. What must not happen happened this often:\n");
	printf("rules violated: %d\n", violations + again);
	printf("bytes that differed from the source: %lu\n", counts->wrong);
	printf("leaked pages: %lu\n", (unsigned long)(info.pages_total - info.pages_free));
	printf("pages freed early: %lu\n", early);
	if (names)
		printf("names that differed from the source: %lu\n", names);
	if (info.inodes_free != info.inodes_total)
		printf("leaked inodes: %lu\n",
		       (unsigned long)(info.inodes_total - info.inodes_free));
	if (counts->errors)
		printf("processes that failed: %lu\n", counts->errors);
	return violations || again || counts->wrong || early || names || counts->errors ||
	       info.pages_free != info.pages_total || info.inodes_free != info.inodes_total;
}

/* The pool, with room for what the changes and the dead need besides the tree. */
static pf_pool *make_pool(double work)
{
	struct pf_mkfs_options o = {
		.size = 2 * tree.bytes + 6 * io_bytes + 16 * MIB,
		/* the metadata zone grows with them */
		.inodes = 2 * tree.count + 8 * tree.directories + 1000,
	};
	pf_pool *pool;

	snprintf(pool_path, sizeof pool_path, "/dev/shm/pinfold-run.%d", (int)getpid());
	announce(&o, work);
	if (pf_mkfs(pool_path, &o) < 0 || pf_pool_open(pool_path, 0, &pool) < 0)
		die("pool", 1);
	return pool;
}

static void copy_in(pf_pool *pool)
{
	double begin = seconds();

	for (size_t i = 0; i < tree.count && !interrupted; i++)
		if (tree_put(&tree, pool, &tree.entry[i]) < 0)
			die(tree.entry[i].name, 1);
	printf("  copied       %s files, %s directories, %s symbolic links: %s in %.1f s",
	       number(tree.files), number(tree.directories), number(tree.links), amount(tree.bytes),
	       seconds() - begin);
	if (tree.skipped)
		printf(" (%s left out: no room for them, or not to be read)", number(tree.skipped));
	putchar('\n');
}

int main(int argc, char **argv)
{
	static struct report r;
	pf_pool *pool;
	int failed;

	if (argc != 4) {
		fprintf(stderr, "usage: %s SOURCE SECONDS SCRATCH\n", argv[0]);
		return 2;
	}
	scratch = argv[3];
	setvbuf(stdout, NULL, _IOLBF, 0);
	read_tree(argv[1]);
	counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (counts == MAP_FAILED)
		die("mmap", 0);
	signal(SIGINT, on_interrupt);
	signal(SIGTERM, on_interrupt);
	make_scratch();
	pool = make_pool(atof(argv[2]));
	copy_in(pool);
	run_workers(pool, atof(argv[2]), &r);
	report(&r);
	failed = verdict(pool);
	pf_pool_close(pool);
	unlink(pool_path);
	unlink(scratch);
	puts(failed        ? "\nSomething is wrong."
	     : interrupted ? "\nInterrupted; nothing was wrong until then."
			   : "\nAll is well.");
	return failed || interrupted;
}
