/* Pools for tests, see pool.h. */
#include "pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/stat.h>
#include <time.h>

double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

const char *pool_make(const char *name, unsigned mib)
{
	struct pf_mkfs_options o = {.size = (uint64_t)mib << 20};
	const char *path = test_path("%s", name);

	OK(pf_mkfs(path, &o));
	return path;
}

pf_pool *pool_open(const char *path)
{
	pf_pool *pool;

	OK(pf_pool_open(path, PF_POOL_NO_THREAD, &pool));
	return pool;
}

struct pf_info pool_info(pf_pool *pool)
{
	struct pf_info info;

	OK(pf_info(pool, &info));
	return info;
}

static void print_violation(void *arg, const char *rule, const char *text)
{
	fprintf(stderr, "%s: %s: %s\n", (const char *)arg, rule, text);
}

void pool_check(pf_pool *pool, const char *what)
{
	OK(pf_reap(pool));
	if (OK(pf_check(pool, print_violation, (void *)(uintptr_t)what)))
		test_fail(__FILE__, __LINE__, "violations after %s", what);
}

struct emptied {
	pf_pool *pool;
	char path[PF_PATH_MAX + 1];
};

static void remove_flags(pf_pool *pool, const char *path)
{
	const struct pf_setattr none = {.set = PF_SET_FLAGS};
	pf_file *file;

	OK(pf_open(pool, path, PF_O_PATH | PF_O_NOFOLLOW, 0, &file));
	OK(pf_setattr(file, &none));
	OK(pf_close(file));
}

/* A directory after what is in it. */
static int remove_one(void *arg, const char *name, const struct pf_stat *stat)
{
	struct emptied *e = arg;
	size_t length = strlen(e->path);

	must(length + 1 + strlen(name) < sizeof e->path);
	sprintf(e->path + length, "/%s", name);
	if (stat->flags)
		remove_flags(e->pool, e->path);
	if (S_ISDIR(stat->mode)) {
		OK(pf_list(e->pool, e->path, remove_one, e));
		OK(pf_rmdir(e->pool, e->path));
	} else {
		OK(pf_unlink(e->pool, e->path));
	}
	e->path[length] = 0;
	return 0;
}

void pool_empty(pf_pool *pool, const char *what)
{
	static const struct pf_caller root;
	struct emptied e = {.pool = pool};
	struct pf_info info;
	struct pf_stat stat;

	pf_act_as(&root);
	OK(pf_stat_path(pool, "/", 0, &stat));
	if (stat.flags)
		remove_flags(pool, "/");
	OK(pf_list(pool, "/", remove_one, &e));
	pf_act_as(NULL);
	pool_check(pool, what);
	info = pool_info(pool);
	if (info.pages_free != info.pages_total)
		test_fail(__FILE__, __LINE__,
			  "%s: %lu of %lu pages are free (%lu member, %lu orphan, %lu quarantine)",
			  what, (unsigned long)info.pages_free, (unsigned long)info.pages_total,
			  (unsigned long)info.pages_member, (unsigned long)info.pages_orphan,
			  (unsigned long)info.pages_quarantine);
	if (info.inodes_free != info.inodes_total)
		test_fail(__FILE__, __LINE__, "%s: %lu of %lu inodes are free", what,
			  (unsigned long)info.inodes_free, (unsigned long)info.inodes_total);
}

static uint64_t word_at(uint64_t id, uint64_t offset)
{
	return (id + 1) * 0x9e3779b97f4a7c15ull ^ (offset / 8 + 1) * 0xbf58476d1ce4e5b9ull;
}

static uint8_t byte_at(uint64_t id, uint64_t offset)
{
	return (uint8_t)(word_at(id, offset) >> offset % 8 * 8);
}

/* Words where it can; the byte order is little-endian, as everywhere. */
void pattern_fill(void *to, size_t length, uint64_t id, uint64_t offset)
{
	uint8_t *at = to;

	for (size_t i = 0; i < length;) {
		uint64_t w = word_at(id, offset + i);

		if ((offset + i) % 8 == 0 && length - i >= 8) {
			memcpy(at + i, &w, 8);
			i += 8;
		} else {
			at[i] = byte_at(id, offset + i);
			i++;
		}
	}
}

size_t pattern_differs(const void *bytes, size_t length, uint64_t id, uint64_t offset)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < length;) {
		uint64_t w = word_at(id, offset + i);

		if ((offset + i) % 8 == 0 && length - i >= 8 && !memcmp(at + i, &w, 8))
			i += 8;
		else if (at[i] == byte_at(id, offset + i))
			i++;
		else
			return i;
	}
	return length;
}

void pattern_file(pf_pool *pool, const char *name, size_t length, uint64_t id)
{
	char *bytes = malloc(length);
	pf_file *f;

	must(bytes);
	pattern_fill(bytes, length, id, 0);
	OK(pf_open(pool, name, PF_O_RDWR | PF_O_CREATE | PF_O_TRUNC, 0644, &f));
	must_be(pf_write(f, bytes, length, 0), length);
	OK(pf_close(f));
	free(bytes);
}
