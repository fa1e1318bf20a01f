/*
 * Share a model file read-only between processes: one copy in memory, whoever has it mapped keeps the version that it opened, and a new version is published
 * in one step.
 *
 *   share_model POOL publish FILE    puts FILE into the pool as "models/current"
 *   share_model POOL serve           maps it, answers "requests" from it, takes a new version when there is one
 *   share_model POOL                 shows both at work: a publisher, three servers
 */
#include <pinfold.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MODEL "models/current"

struct model {
	pf_file *file;
	pf_map *map;
	const unsigned char *weights; /* into the pool: no copy */
	size_t bytes;
};

static void die(const char *what)
{
	fprintf(stderr, "share_model: %s: %s\n", what, pf_message());
	exit(1);
}

/* ---- the publisher ---- */

/* A file without a name, filled, then given the name in one step: nobody sees half of it, and who has the old one keeps it. */
static void publish(pf_pool *pool, const void *bytes, size_t length)
{
	pf_file *file;

	if (pf_mkdir(pool, "models", 0755) < 0 && pf_access(pool, "models", 0) < 0)
		die("models");
	if (pf_open(pool, "models", PF_O_RDWR | PF_O_TMPFILE, 0644, &file) < 0 ||
	    pf_allocate(file, 0, length, 0) < 0 ||
	    pf_write(file, bytes, length, 0) != (ssize_t)length ||
	    pf_link_file(file, MODEL, PF_LINK_REPLACE) < 0)
		die("publish");
	pf_close(file);
}

static void publish_file(pf_pool *pool, const char *path)
{
	FILE *f = fopen(path, "rb");
	long length;
	void *bytes;

	if (!f || fseek(f, 0, SEEK_END) < 0 || (length = ftell(f)) <= 0) {
		perror(path);
		exit(1);
	}
	rewind(f);
	bytes = malloc((size_t)length);
	if (!bytes || fread(bytes, 1, (size_t)length, f) != (size_t)length) {
		perror(path);
		exit(1);
	}
	fclose(f);
	publish(pool, bytes, (size_t)length);
	free(bytes);
	printf("published %ld bytes as %s\n", length, MODEL);
}

/* ---- a server ---- */

static void load(pf_pool *pool, struct model *m)
{
	struct pf_stat stat;

	if (pf_open(pool, MODEL, PF_O_RDONLY, 0, &m->file) < 0 || pf_stat(m->file, &stat) < 0 ||
	    pf_map_file(m->file, 0, stat.size, PF_MAP_READ, &m->map) < 0)
		die(MODEL);
	m->weights = pf_map_address(m->map);
	m->bytes = stat.size;
}

static void unload(struct model *m)
{
	pf_unmap(m->map);
	pf_close(m->file);
}

/* The name leads to another file than the one that is loaded. */
static int is_replaced(pf_pool *pool, const struct model *m)
{
	struct pf_stat mine, current;

	return pf_stat(m->file, &mine) == 0 && pf_stat_path(pool, MODEL, 0, &current) == 0 &&
	       (mine.inode != current.inode || mine.generation != current.generation);
}

/* All bytes of a model are the same here: a mixture of two would show. */
static unsigned answer(const struct model *m)
{
	for (size_t i = 1; i < m->bytes; i++)
		if (m->weights[i] != m->weights[0]) {
			fprintf(stderr, "share_model: a model changed while it was in use\n");
			exit(1);
		}
	return m->weights[0];
}

/* Until version `last` has been seen; 0: for ever. Returns how many versions there were. */
static unsigned serve(pf_pool *pool, unsigned last)
{
	unsigned versions = 0, version;
	struct model m;

	do {
		load(pool, &m);
		versions++;
		do
			version = answer(&m);
		while (version != last && !is_replaced(pool, &m));
		unload(&m);
	} while (version != last || !last);
	return versions;
}

/* ---- both ---- */

#define SERVERS  3
#define VERSIONS 20u
#define BYTES    (1u << 20)

static int demonstrate(pf_pool *pool, const char *path)
{
	static unsigned char bytes[BYTES];
	int status, failed = 0;

	memset(bytes, 1, sizeof bytes);
	publish(pool, bytes, sizeof bytes);
	fflush(NULL);
	for (int i = 0; i < SERVERS; i++)
		if (fork() == 0) {
			pf_pool *mine;

			/* A forked child opens the pool for itself. */
			if (pf_pool_open(path, 0, &mine) < 0)
				die(path);
			printf("server %d served %s versions\n", i,
			       serve(mine, VERSIONS) > 1 ? "several" : "one of the");
			exit(pf_pool_close(mine) < 0);
		}
	for (unsigned v = 2; v <= VERSIONS; v++) {
		memset(bytes, (int)v, sizeof bytes);
		publish(pool, bytes, sizeof bytes);
	}
	while (wait(&status) > 0)
		failed |= status;
	puts(failed ? "a server failed" : "no server saw half a model");
	return failed != 0;
}

int main(int argc, char **argv)
{
	pf_pool *pool;
	int rc = 0;

	if (argc < 2 || pf_pool_open(argv[1], 0, &pool) < 0) {
		fprintf(stderr, "%s\n",
			argc < 2 ? "usage: share_model POOL [publish FILE | serve]" : pf_message());
		return 1;
	}
	if (argc == 4 && !strcmp(argv[2], "publish"))
		publish_file(pool, argv[3]);
	else if (argc == 3 && !strcmp(argv[2], "serve"))
		serve(pool, 0);
	else
		rc = demonstrate(pool, argv[1]);
	return pf_pool_close(pool) < 0 || rc;
}
