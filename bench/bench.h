/*
 * The figures: what pinfold costs beside what else there is, measured in the same run. One table for all; each bench_...() adds
 * its rows, one file for each subject.
 */
#ifndef BENCH_H
#define BENCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "pinfold.h"

#define MIB    (1ul << 20)
#define GIB    (1ul << 30)
#define ROUNDS 9
#define SHORT_ROUNDS \
	45 /* of rounds that take milliseconds: most of them fit between what else runs */
#define ROUNDS_MAX 64
#define PARTS_MAX  5

extern char dir[];      /* in /dev/shm: where runtimes and peers are made */
extern char pool_dir[]; /* where pools are made */

/* Ends the program with the library's message and errno's. */
__attribute__((noreturn)) void die(const char *what);

/* ---- measuring ------------------------------------------------------------------------------ */

struct figure {
	double median, spread; /* ns; (third quartile - first) / median, in percent */
};

/* `run(arg)` gives the nanoseconds of one round; the first round warms and does not count. */
struct figure measure(double (*run)(void *arg), void *arg, int rounds);

/* One of several that are measured in turns, so that what else happens on the machine meets all of them. */
struct runner {
	void (*run)(void *arg, double *ns); /* a round: the nanoseconds of each of its parts */
	void *arg;
	struct figure part[PARTS_MAX];
	double t[PARTS_MAX][ROUNDS_MAX];
};
/* The first round warms and does not count. */
void take_turns(struct runner *runners, unsigned count, unsigned parts, int rounds);

static inline double ns_since(uint64_t begin)
{
	return (double)(clock_mono() - begin);
}

/* Numbers without order, the same ones for the same seed. */
static inline uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* ---- the table ------------------------------------------------------------------------------ */

void begin_table(const char *pool_directory);
/* scale: ns in one `unit`. The ratio is how many times better than the peer. */
void row(const char *name, const char *unit, double scale, struct figure ours, const char *peer,
	 double peer_ns);
/* {schema, machine: {...}, rows: [{name, unit, ours, peer, peer_value, ratio, spread}]}, into a file or to a descriptor. ratio: how many times better
 * than the peer; spread: as in struct figure, of our rounds. */
void write_table(const char *path);
void write_table_to(int fd);

/* machine.c: an object of {date, cpu, cpus, ...}, and its lines above the table. */
json_t *describe_machine(const char *pool_directory);
void print_machine(json_t *machine);

/* ---- peers ---------------------------------------------------------------------------------- */

struct peer_range {
	int fd;
	size_t bytes;
};

/* Those that the machine does not have (huge tmpfs, hugetlbfs: root) are left out, and said. In a mount namespace of our own, so that nothing stays. */
void make_peers(void);
void remove_peers(void);
/* Before the process that makes peers is forked, and after it has ended: the machine's huge pages are as many as they were. */
void prepare_peers(void);
void restore_peers(void);
/* What a peer does with a struct peer_range: mmap, touch, munmap; */
double peer_map(void *arg);
/* registering the mapping with io_uring, which pins its pages, and giving it back; -1: not allowed (RLIMIT_MEMLOCK); */
double peer_register(void *arg);
/* truncating it. */
double peer_truncate(void *arg);
/* A row for each peer, which has `bytes` of memory meanwhile. */
void against_peers(const char *name, const char *unit, double scale, struct figure ours,
		   double (*peer)(void *), size_t bytes, int rounds);

/* For each peer: `run` gets its name, a directory of the same file system, in which a pool of `pool_bytes` may be made, and its file of `bytes`. */
void beside_peers(size_t bytes, size_t pool_bytes,
		  void (*run)(const char *peer, const char *directory, int fd));

/* ---- pools ---------------------------------------------------------------------------------- */

/* A pool `name` in `pool_dir`; inodes 0: as mkfs chooses. sparse: nothing is reserved. `path` gets where it is (128 bytes). */
void make_pool(const char *name, uint64_t size, uint64_t inodes, bool sparse, char *path);
/* Opens it in this process. persistent: as memory that needs cache lines written back, with the real instructions for it. */
pf_pool *open_pool(const char *path, bool persistent, unsigned flags);
pf_file *open_file(pf_pool *pool, const char *name, unsigned flags);
/* With `bytes` bytes, which may be all that the pool has: allocated, and zeroed. */
pf_file *make_file(pf_pool *pool, const char *name, uint64_t bytes);

/* A pool with room for one file of 1 GiB. */
struct bed {
	char path[128];
	pf_pool *pool;
	pf_file *file;
};

/* ---- subjects ------------------------------------------------------------------------------- */

void bench_references(struct bed *b);
void bench_truncation(struct bed *b);
void bench_death(struct bed *b);
void bench_attach(void);
void bench_memory(void);
/* Names: create, rename, unlink, mkdir; one process, and two. */
void bench_tree(void);
/* Files: open, stat, read, write, append. The rows' names end in `suffix`. */
void bench_files(bool persistent, const char *suffix);
void bench_lookup(void);
void bench_rebuild(void);
/* Windows: mapped, taken away from another process, and many. Needs the peers. */
void bench_windows(void);
/* Page tables: mapping, finding, walking. */
void bench_pgtable(void);

#endif
