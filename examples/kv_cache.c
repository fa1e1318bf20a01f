/*
 * A cache of values that processes share: a value is published whole, read without a copy, evicted by removing its name. Readers may be killed at any time: what
 * they held comes back by itself, and what is evicted under a reader stays with it until it lets go.
 *
 *   kv_cache POOL [SECONDS]    one writer, four readers of which one is killed ten times a second; at the end all memory is free again
 */
#include <pinfold.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KEYS        200u
#define VALUE_BYTES (64u << 10)
#define READERS     4

static void die(const char *what)
{
	fprintf(stderr, "kv_cache: %s: %s\n", what, pf_message());
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- the cache ---- */

static void path_of(unsigned key, char path[32])
{
	snprintf(path, 32, "cache/%02x/%u", key % 256, key);
}

static int cache_put(pf_pool *pool, unsigned key, const void *value, size_t length)
{
	char path[32], dir[16];
	pf_file *file;
	int rc;

	snprintf(dir, sizeof dir, "cache/%02x", key % 256);
	rc = pf_mkdir(pool, dir, 0755);
	if (rc < 0 && rc != -PF_EFILEEXISTS)
		return rc;
	rc = pf_open(pool, dir, PF_O_RDWR | PF_O_TMPFILE, 0644, &file);
	if (rc < 0)
		return rc;
	rc = pf_write(file, value, length, 0) == (ssize_t)length ? 0 : -PF_ENOSPACE;
	path_of(key, path);
	if (rc == 0)
		rc = pf_link_file(file, path, PF_LINK_REPLACE);
	pf_close(file); /* without a name it is gone with this */
	return rc;
}

struct value {
	pf_map *map;
	const unsigned *words;
	size_t count;
};

/* 0: found; the value stays as it is until cache_release(). */
static int cache_get(pf_pool *pool, unsigned key, struct value *v)
{
	struct pf_stat stat;
	char path[32];
	pf_file *file;
	int rc;

	path_of(key, path);
	rc = pf_open(pool, path, PF_O_RDONLY, 0, &file);
	if (rc < 0)
		return rc;
	rc = pf_stat(file, &stat);
	if (rc == 0)
		rc = pf_map_file(file, 0, stat.size, PF_MAP_READ, &v->map);
	pf_close(file); /* the map stays */
	if (rc < 0)
		return rc;
	v->words = pf_map_address(v->map);
	v->count = stat.size / sizeof *v->words;
	return 0;
}

static void cache_release(struct value *v)
{
	pf_unmap(v->map);
}

static int cache_evict(pf_pool *pool, unsigned key)
{
	char path[32];

	path_of(key, path);
	return pf_unlink(pool, path);
}

/* ---- its users ---- */

/* Until somebody kills us, or `end`. */
static void reader(const char *path, double end)
{
	unsigned long hits = 0, misses = 0;
	pf_pool *pool;
	struct value v;

	if (pf_pool_open(path, 0, &pool) < 0)
		die(path);
	srand((unsigned)getpid());
	while (now() < end) {
		unsigned key = (unsigned)rand() % KEYS;
		int rc = cache_get(pool, key, &v);

		if (rc == -PF_ENOFILE) {
			misses++;
			continue;
		}
		if (rc < 0)
			die("get");
		/* Each word says whose it is and which version: one value never shows two. */
		for (size_t i = 0; i < v.count; i++)
			if (v.words[i] != v.words[0] || v.words[i] % KEYS != key) {
				fprintf(stderr, "kv_cache: a value that is not key %u's\n", key);
				_exit(2);
			}
		cache_release(&v);
		hits++;
	}
	printf("reader: %s, %s\n", hits ? "hits" : "no hit", misses ? "and misses" : "no miss");
	exit(pf_pool_close(pool) < 0);
}

static pid_t start_reader(const char *path, double end)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		reader(path, end);
	return pid;
}

static void write_some(pf_pool *pool, unsigned *version)
{
	static unsigned value[VALUE_BYTES / sizeof(unsigned)];

	for (unsigned i = 0; i < 20; i++) {
		unsigned key = (unsigned)rand() % KEYS;

		for (size_t w = 0; w < sizeof value / sizeof *value; w++)
			value[w] = *version * KEYS + key;
		++*version;
		if (cache_put(pool, key, value, sizeof value) < 0)
			die("put");
		cache_evict(pool, (unsigned)rand() % KEYS); /* it may not be there */
	}
}

int main(int argc, char **argv)
{
	double end = now() + (argc > 2 ? atof(argv[2]) : 2), next_kill = now() + 0.1;
	unsigned version = 1, killed = 0;
	pid_t readers[READERS];
	int status, failed = 0;
	struct pf_info info;
	pf_pool *pool;

	if (argc < 2 || pf_pool_open(argv[1], 0, &pool) < 0) {
		fprintf(stderr, "%s\n", argc < 2 ? "usage: kv_cache POOL [SECONDS]" : pf_message());
		return 1;
	}
	if (pf_mkdir(pool, "cache", 0755) == -PF_EACCESS)
		die("cache");
	for (int i = 0; i < READERS; i++)
		readers[i] = start_reader(argv[1], end);
	while (now() < end) {
		write_some(pool, &version);
		if (now() > next_kill) {
			kill(readers[0], SIGKILL);
			waitpid(readers[0], NULL, 0);
			readers[0] = start_reader(argv[1], end);
			next_kill += 0.1;
			killed++;
		}
	}
	while (wait(&status) > 0)
		failed |= status;
	for (unsigned key = 0; key < KEYS; key++)
		cache_evict(pool, key);
	pf_reap(pool);
	if (pf_wait_space(pool, 0, 0) < 0 || pf_info(pool, &info) < 0)
		die("info");
	printf("killed %s; %lu pages are left in no file; %s\n", killed ? "readers" : "nobody",
	       (unsigned long)info.pages_orphan,
	       failed ? "a reader failed" : "every value was whole");
	return pf_pool_close(pool) < 0 || failed || info.pages_orphan;
}
