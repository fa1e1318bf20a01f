/*
 * Names: create and close, rename, unlink, mkdir in a directory that has 10,000 entries. One process, two in one directory, two in a
 * directory each, two in a pool each; in a volatile pool, a persistent one, and tmpfs, in turns.
 *
 * Two workers are forked once and have everything open, so that no round pays for a new process. A job goes to them through a pipe; between its
 * parts they wait for each other, and a part has taken from the first one's begin to the last one's end.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/bits.h"
#include "bench.h"

#define PRESENT 10000
#define NAMES   500 /* in one round of one worker */
#define WORKERS 2

enum side { VOLATILE, PERSISTENT, TMPFS, SIDES };
enum part { CREATE, RENAME, UNLINK, MKDIR, RMDIR, PARTS };

static const char *const part_names[] = {"create", "rename", "unlink", "mkdir"};

/* A job of `workers`. Worker w works in directory 0 of pool 0, or in directory w, or in pool w. */
struct job {
	enum side side;
	unsigned workers;
	bool own_directory, own_pool;
};

/* One worker's. */
struct tree {
	pf_pool *pool; /* NULL: tmpfs, below `fd` */
	int fd;
	char from[NAMES][24], to[NAMES][24];
};

static struct shared {
	struct job job;
	_Atomic uint64_t arrived;
	uint64_t begin[WORKERS][PARTS], end[WORKERS][PARTS];
} * shared;

static struct {
	int go[2], done[2];
	pid_t pid;
} worker[WORKERS];

static char pool_path[2][WORKERS][128]; /* [persistent] */
static pf_pool *pool[2][WORKERS];
static int tmpfs_fd;

/* ---- one operation --------------------------------------------------------------------------------- */

static int create(struct tree *t, const char *name)
{
	pf_file *file;
	int fd;

	if (t->pool)
		return pf_open(t->pool, name, PF_O_RDWR | PF_O_CREATE | PF_O_EXCL, 0644, &file) < 0
			       ? -1
			       : pf_close(file);
	fd = openat(t->fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	return fd < 0 ? -1 : close(fd);
}

static int make_directory(struct tree *t, const char *name)
{
	return t->pool ? pf_mkdir(t->pool, name, 0755) : mkdirat(t->fd, name, 0755);
}

static int operate(struct tree *t, enum part part, unsigned i)
{
	switch (part) {
	case CREATE:
		return create(t, t->from[i]);
	case RENAME:
		return t->pool ? pf_rename(t->pool, t->from[i], t->to[i], 0)
			       : renameat(t->fd, t->from[i], t->fd, t->to[i]);
	case UNLINK:
		return t->pool ? pf_unlink(t->pool, t->to[i]) : unlinkat(t->fd, t->to[i], 0);
	case MKDIR:
		return make_directory(t, t->from[i]);
	default:
		return t->pool ? pf_rmdir(t->pool, t->from[i])
			       : unlinkat(t->fd, t->from[i], AT_REMOVEDIR);
	}
}

/* ---- workers --------------------------------------------------------------------------------------- */

static void meet(unsigned workers, unsigned part)
{
	atomic_fetch_add(&shared->arrived, 1);
	while (load_acquire(&shared->arrived) < workers * (part + 1))
		sched_yield();
}

static void work(unsigned w)
{
	static struct tree t;
	struct job *job = &shared->job;

	t.pool = job->side == TMPFS ? NULL : pool[job->side == PERSISTENT][job->own_pool ? w : 0];
	t.fd = tmpfs_fd;
	for (unsigned i = 0; i < NAMES; i++) {
		snprintf(t.from[i], sizeof t.from[i], "%c/new%u-%u",
			 job->own_directory && w ? 'b' : 'a', w, i);
		snprintf(t.to[i], sizeof t.to[i], "%c/renamed%u-%u",
			 job->own_directory && w ? 'b' : 'a', w, i);
	}
	for (unsigned part = 0; part < PARTS; part++) {
		meet(job->workers, part);
		shared->begin[w][part] = clock_mono();
		for (unsigned i = 0; i < NAMES; i++)
			if (operate(&t, (enum part)part, i) < 0)
				die(t.from[i]);
		shared->end[w][part] = clock_mono();
	}
}

/* On a CPU of its own, where there are two. */
static void settle(unsigned w)
{
	cpu_set_t have, mine;
	unsigned n = 0;

	if (sched_getaffinity(0, sizeof have, &have) < 0 || CPU_COUNT(&have) < WORKERS)
		return;
	CPU_ZERO(&mine);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &have) && n++ == w)
			CPU_SET(cpu, &mine);
	sched_setaffinity(0, sizeof mine, &mine);
}

static void run_worker(unsigned w)
{
	char c;

	settle(w);
	for (int p = 0; p < 2; p++)
		for (unsigned i = 0; i < WORKERS; i++)
			pool[p][i] = open_pool(pool_path[p][i], p, 0);
	while (read(worker[w].go[0], &c, 1) == 1) {
		work(w);
		if (write(worker[w].done[1], "x", 1) != 1)
			break;
	}
	for (int p = 0; p < 2; p++)
		for (unsigned i = 0; i < WORKERS; i++)
			pf_pool_close(pool[p][i]);
	_exit(0);
}

static void start_worker(unsigned w)
{
	if (pipe2(worker[w].go, O_CLOEXEC) < 0 || pipe2(worker[w].done, O_CLOEXEC) < 0)
		die("pipe");
	fflush(NULL);
	worker[w].pid = fork();
	if (worker[w].pid == 0) {
		for (unsigned i = 0; i <= w; i++)
			close(worker[i].go[1]);
		run_worker(w);
	}
	close(worker[w].done[1]);
}

static void stop_worker(unsigned w)
{
	close(worker[w].go[1]);
	waitpid(worker[w].pid, NULL, 0);
	close(worker[w].go[0]);
	close(worker[w].done[0]);
}

/* A round of a job: nanoseconds for one operation, of all workers together. */
static void run_job(void *arg, double *ns)
{
	const struct job *job = arg;
	char c;

	shared->job = *job;
	store_release(&shared->arrived, 0);
	for (unsigned w = 0; w < job->workers; w++)
		if (write(worker[w].go[1], "x", 1) != 1)
			die("worker");
	for (unsigned w = 0; w < job->workers; w++)
		if (read(worker[w].done[0], &c, 1) != 1)
			die("worker");
	for (unsigned part = 0; part < PARTS; part++) {
		uint64_t begin = shared->begin[0][part], end = shared->end[0][part];

		if (job->workers == 2) {
			begin = MIN(begin, shared->begin[1][part]);
			end = MAX(end, shared->end[1][part]);
		}
		ns[part] = (double)(end - begin) / (NAMES * job->workers);
	}
}

/* ---- rows ------------------------------------------------------------------------------------------ */

enum jobs { ONE, SAME, OWN, APART, JOBS };

static struct runner runners[JOBS][SIDES];
static struct job jobs[JOBS][SIDES];

static void part_row(enum part part, enum jobs what, enum side side, const char *name,
		     const char *peer, double peer_ns)
{
	char text[48];

	snprintf(text, sizeof text, "%s%s%s", part_names[part], name,
		 side == PERSISTENT ? "_persistent" : "");
	row(text, "ns", 1, runners[what][side].part[part], peer, peer_ns);
}

static void part_rows(enum part part)
{
	for (enum side s = VOLATILE; s <= PERSISTENT; s++)
		part_row(part, ONE, s, "", "tmpfs", runners[ONE][TMPFS].part[part].median);
	for (enum side s = VOLATILE; s <= PERSISTENT; s++)
		part_row(part, SAME, s, "_2", "tmpfs", runners[SAME][TMPFS].part[part].median);
	for (enum side s = VOLATILE; s <= PERSISTENT; s++) {
		part_row(part, OWN, s, "_2_dirs", "tmpfs", runners[OWN][TMPFS].part[part].median);
		part_row(part, OWN, s, "_2_dirs", "1 process", runners[ONE][s].part[part].median);
		part_row(part, OWN, s, "_2_dirs", "2 pools", runners[APART][s].part[part].median);
	}
}

static void fill(struct tree *t)
{
	char name[32];

	for (char d = 'a'; d <= 'b'; d++) {
		snprintf(name, sizeof name, "%c", d);
		if (make_directory(t, name) < 0)
			die(name);
		for (unsigned i = 0; i < PRESENT; i++) {
			snprintf(name, sizeof name, "%c/present%u", d, i);
			if (create(t, name) < 0)
				die(name);
		}
	}
}

static void make_trees(void)
{
	static struct tree t;
	char name[32], path[128];

	for (int p = 0; p < 2; p++)
		for (unsigned i = 0; i < WORKERS; i++) {
			snprintf(name, sizeof name, "tree%d%u", p, i);
			make_pool(name, 256 * MIB, 65536, false, pool_path[p][i]);
			t.pool = open_pool(pool_path[p][i], p, 0);
			fill(&t);
			pf_pool_close(t.pool);
		}
	snprintf(path, sizeof path, "%s/tree", dir);
	if (mkdir(path, 0755) < 0 || (tmpfs_fd = open(path, O_RDONLY | O_DIRECTORY)) < 0)
		die(path);
	t.pool = NULL;
	t.fd = tmpfs_fd;
	fill(&t);
}

static void remove_trees(void)
{
	char name[32], path[128];

	for (int p = 0; p < 2; p++)
		for (unsigned i = 0; i < WORKERS; i++)
			unlink(pool_path[p][i]);
	for (char d = 'a'; d <= 'b'; d++) {
		for (unsigned i = 0; i < PRESENT; i++) {
			snprintf(name, sizeof name, "%c/present%u", d, i);
			unlinkat(tmpfs_fd, name, 0);
		}
		snprintf(name, sizeof name, "%c", d);
		unlinkat(tmpfs_fd, name, AT_REMOVEDIR);
	}
	close(tmpfs_fd);
	snprintf(path, sizeof path, "%s/tree", dir);
	rmdir(path);
}

void bench_tree(void)
{
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		die("mmap");
	make_trees();
	for (unsigned w = 0; w < WORKERS; w++)
		start_worker(w);
	for (unsigned j = 0; j < JOBS; j++)
		for (unsigned s = 0; s < SIDES; s++) {
			jobs[j][s] = (struct job){(enum side)s, j == ONE ? 1 : 2, j >= OWN,
						  j == APART && s != TMPFS};
			runners[j][s].run = run_job;
			runners[j][s].arg = &jobs[j][s];
		}
	take_turns(&runners[0][0], JOBS * SIDES, PARTS, SHORT_ROUNDS);
	for (unsigned part = CREATE; part <= MKDIR; part++)
		part_rows((enum part)part);
	for (unsigned w = 0; w < WORKERS; w++)
		stop_worker(w);
	remove_trees();
	munmap(shared, sizeof *shared);
}
