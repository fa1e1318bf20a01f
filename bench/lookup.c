/*
 * Looking names up in directories of 10 and of a million, in random order. The large directory does not fit into the caches: what it may cost more
 * is measured beside it, as dependent random loads over as much memory, of the same kind.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "file/path.h"
#include "file/pool.h"

#define MANY    1000000u
#define LOOKUPS 200000u /* in a round */

static pf_pool *pool;
static char (*names)[40];
static uint64_t random_state = 0x2545f4914f6cdd1d;

struct chase {
	uint32_t *next; /* each is the index of the one to go to */
	size_t count;
	size_t at;
};

static void run_lookup(void *arg, double *ns)
{
	const unsigned *many = arg;
	struct rt_self *me = pool_self(pool);
	struct path path;
	uint64_t begin;

	for (unsigned i = 0; i < LOOKUPS; i++)
		snprintf(names[i], sizeof *names, "%u/name%u", *many,
			 (unsigned)(next_random(&random_state) % *many));
	begin = clock_mono();
	for (unsigned i = 0; i < LOOKUPS; i++)
		if (path_walk(pool, me, NULL, names[i], PATH_NOFOLLOW, &path) < 0 || !path.ino)
			die(names[i]);
	*ns = ns_since(begin) / LOOKUPS;
}

/* Three loads, each at a place that the one before tells. */
static void run_chase(void *arg, double *ns)
{
	struct chase *c = arg;
	uint64_t begin = clock_mono();
	size_t at = c->at;

	for (unsigned i = 0; i < 3 * LOOKUPS; i++)
		at = c->next[at];
	c->at = at;
	*ns = ns_since(begin) / LOOKUPS;
}

static void fill(unsigned many)
{
	char name[40];

	snprintf(name, sizeof name, "%u", many);
	if (pf_mkdir(pool, name, 0755) < 0)
		die(name);
	for (unsigned i = 0; i < many; i++) {
		snprintf(name, sizeof name, "%u/name%u", many, i);
		pf_close(open_file(pool, name, PF_O_RDWR | PF_O_CREATE));
	}
}

/* What lookups in the large directory touch: inodes, and pages of the directory. */
static size_t touched(void)
{
	struct fs *fs = &pool->layout.fs;
	uint64_t nodes = fs->super.nodes - load_relaxed(&fs->shared->nodes_free);

	return MANY * sizeof(struct inode_format) + nodes * 4096;
}

/* One circle through all cache lines of the memory, in random order. */
static void make_chase(struct chase *c, size_t bytes)
{
	const size_t line = 64 / sizeof *c->next;
	char path[128];
	int fd;

	snprintf(path, sizeof path, "%s/chase", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	unlink(path);
	c->count = bytes / 64;
	c->next = fd < 0 || ftruncate(fd, (off_t)bytes) < 0
			  ? MAP_FAILED
			  : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (c->next == MAP_FAILED)
		die("chase");
	close(fd);
	for (size_t i = 0; i < c->count; i++)
		c->next[i * line] = (uint32_t)(i * line);
	for (size_t i = c->count - 1; i > 0; i--) {
		size_t k = next_random(&random_state) % i;
		uint32_t other = c->next[k * line];

		c->next[k * line] = c->next[i * line];
		c->next[i * line] = other;
	}
	c->at = 0;
}

void bench_lookup(void)
{
	unsigned few = 10, many = MANY;
	struct chase chase;
	struct runner r[] = {{.run = run_lookup, .arg = &few},
			     {.run = run_lookup, .arg = &many},
			     {.run = run_chase, .arg = &chase}};
	char path[128];
	size_t bytes;

	names = malloc(LOOKUPS * sizeof *names);
	if (!names)
		die("names");
	make_pool("lookup", 4 * GIB, 1100000, true, path);
	pool = open_pool(path, false, 0);
	fill(few);
	fill(many);
	bytes = touched();
	make_chase(&chase, bytes);
	take_turns(r, 3, 1, ROUNDS);
	row("lookup_10", "ns", 1, r[0].part[0], "3 loads", r[2].part[0].median);
	row("lookup_1m", "ns", 1, r[1].part[0], "limit",
	    r[0].part[0].median + 1.3 * r[2].part[0].median);
	munmap(chase.next, bytes);
	pf_pool_close(pool);
	unlink(path);
	free(names);
}
