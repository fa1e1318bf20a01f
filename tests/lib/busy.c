/* See busy.h. */
#include "busy.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "box.h"
#include "pool.h"

#define WORKERS 4u
#define FILES   12u
#define PIECE   (3u << 20)
#define HELD    4u
#define DIRS    4u

#define PATH_SIZE 32 /* of paths here */

static const char *path;

/* ---- a worker ----------------------------------------------------------------------------------------- */

struct worker {
	pf_pool *pool;
	struct test_random chance;
	uint8_t *bytes, *wanted;
	struct {
		pf_map *map;
		pf_pin *pin;
		unsigned id;
		uint64_t offset;
	} held[HELD];
};

/* What calls may fail with while others are at the same files, are killed, or the pool is full. */
static bool expected(long rc)
{
	return rc >= 0 || rc == -PF_ENOFILE || rc == -PF_ENOSPACE || rc == -PF_ENOMETA ||
	       rc == -PF_ERANGE || rc == -PF_EHOLE || rc == -PF_ENOTCONTIG || rc == -PF_EHELD ||
	       rc == -PF_EHELDTIME;
}

#define ALLOW(x)                                                                                 \
	__extension__({                                                                          \
		long allow_rc = (long)(x);                                                       \
		if (!expected(allow_rc))                                                         \
			test_fail(__FILE__, __LINE__, "%s: %ld %s", #x, allow_rc, pf_message()); \
		allow_rc;                                                                        \
	})

/* What changing names may fail with besides. */
static bool expected_of_names(long rc)
{
	return expected(rc) || rc == -PF_EFILEEXISTS || rc == -PF_ENOTDIR || rc == -PF_EISDIR ||
	       rc == -PF_ENOTEMPTY || rc == -PF_ELOOP || rc == -PF_ENOINODES || rc == -EINVAL;
}

#define ALLOW_NAMES(x)                                                                           \
	__extension__({                                                                          \
		long allow_rc = (long)(x);                                                       \
		if (!expected_of_names(allow_rc))                                                \
			test_fail(__FILE__, __LINE__, "%s: %ld %s", #x, allow_rc, pf_message()); \
		allow_rc;                                                                        \
	})

/* A directory that may be there or not, with a '/' after it: the root, one in it, one in that, or what a link leads to. */
static void some_directory(struct worker *w, char *name)
{
	unsigned first = (unsigned)test_below(&w->chance, DIRS);

	*name = 0;
	switch (test_below(&w->chance, 6)) {
	case 0:
		snprintf(name, 16, "d%u/d%u/", first, (unsigned)test_below(&w->chance, DIRS));
		break;
	case 1:
		snprintf(name, 16, "l%u/", first);
		break;
	case 2:
	case 3:
		snprintf(name, 16, "d%u/", first);
	}
}

/* Two names for each content, in some directories. */
static void name_of(struct worker *w, char *name, unsigned id, bool second)
{
	some_directory(w, name);
	snprintf(name + strlen(name), 16, "%c%u", second ? 'b' : 'a', id);
}

static void verify(struct worker *w, const uint8_t *bytes, size_t length, unsigned id,
		   uint64_t offset, const char *what)
{
	pattern_fill(w->wanted, length, id, offset);
	for (size_t i = 0; i < length; i++)
		if (bytes[i] && bytes[i] != w->wanted[i])
			test_fail(__FILE__, __LINE__, "%s of file %u: byte %lu is %02x, not %02x",
				  what, id, (unsigned long)(offset + i), bytes[i], w->wanted[i]);
}

static uint64_t some_length(struct worker *w)
{
	return 1 + test_below(&w->chance, test_below(&w->chance, 2) ? 20000 : PIECE);
}

static void change_file(struct worker *w, pf_file *file, unsigned id)
{
	uint64_t offset = test_below(&w->chance, 3u << 20), length = some_length(w);
	enum pf_policy policy = (enum pf_policy)test_below(&w->chance, 3);
	struct pf_stat stat;

	switch (test_below(&w->chance, 8)) {
	case 5:
	case 6:
	case 7: /* in order, so that it grows ahead of its end */
		if (pf_stat(file, &stat) == 0 && stat.size < 3u << 20)
			offset = stat.size;
		__attribute__((fallthrough));
	case 0:
	case 1:
		pattern_fill(w->bytes, length, id, offset);
		ALLOW(pf_write(file, w->bytes, length, offset));
		break;
	case 2:
		ALLOW(pf_truncate(file, offset, policy, 5));
		break;
	case 3:
		ALLOW(pf_punch(file, offset, length, policy, 5));
		break;
	default:
		ALLOW(pf_allocate(file, offset, length, (unsigned)test_below(&w->chance, 4)));
	}
}

static void read_file(struct worker *w, pf_file *file, unsigned id)
{
	uint64_t offset = test_below(&w->chance, 3u << 20);
	long n = ALLOW(pf_read(file, w->bytes, some_length(w), offset));

	verify(w, w->bytes, (size_t)n, id, offset, "read");
}

static void let_go(struct worker *w, unsigned slot)
{
	size_t count;

	if (w->held[slot].map)
		verify(w, pf_map_address(w->held[slot].map), pf_map_length(w->held[slot].map),
		       w->held[slot].id, w->held[slot].offset, "map");
	if (w->held[slot].pin) {
		const struct pf_chunk *chunk = pf_pin_chunks(w->held[slot].pin, &count);
		uint64_t offset = w->held[slot].offset;

		for (size_t i = 0; i < count; offset += chunk[i++].length)
			verify(w, chunk[i].address, chunk[i].length, w->held[slot].id, offset,
			       "pin");
	}
	ALLOW(pf_unmap(w->held[slot].map));
	ALLOW(pf_unpin(w->held[slot].pin));
	memset(&w->held[slot], 0, sizeof w->held[slot]);
}

static void hold_file(struct worker *w, pf_file *file, unsigned id)
{
	unsigned slot = (unsigned)test_below(&w->chance, HELD);
	uint64_t offset = test_below(&w->chance, 1u << 20), length = some_length(w);

	let_go(w, slot);
	w->held[slot].id = id;
	w->held[slot].offset = offset;
	if (test_below(&w->chance, 2))
		ALLOW(pf_map_file(file, offset, length, PF_MAP_READ, &w->held[slot].map));
	else
		ALLOW(pf_pin_file(file, offset, length,
				  test_below(&w->chance, 2) ? PF_PIN_LONGTERM : 0,
				  &w->held[slot].pin));
}

/* Written whole before anybody sees it. */
static void publish(struct worker *w, const char *name, unsigned id)
{
	uint64_t length = some_length(w);
	char dir[PATH_SIZE];
	pf_file *file;

	some_directory(w, dir);
	if (ALLOW_NAMES(pf_open(w->pool, *dir ? dir : "/", PF_O_RDWR | PF_O_TMPFILE, 0600, &file)) <
	    0)
		return;
	pattern_fill(w->bytes, length, id, 0);
	ALLOW(pf_write(file, w->bytes, length, 0));
	ALLOW_NAMES(pf_link_file(file, name, test_below(&w->chance, 2) ? PF_LINK_REPLACE : 0));
	ALLOW(pf_close(file));
}

static void change_files(struct worker *w, const char *name, const char *other, unsigned id)
{
	switch (test_below(&w->chance, 5)) {
	case 0:
		ALLOW_NAMES(pf_rename(w->pool, name, other, 0));
		break;
	case 1:
		ALLOW_NAMES(pf_rename(w->pool, name, other, PF_RENAME_EXCHANGE));
		break;
	case 2:
		ALLOW_NAMES(pf_link(w->pool, name, other));
		break;
	case 3:
		ALLOW_NAMES(pf_unlink(w->pool, name));
		break;
	default:
		publish(w, name, id);
	}
}

struct clearing {
	struct worker *worker;
	const char *dir;
};

static int clear_one(void *arg, const char *name, const struct pf_stat *stat)
{
	const struct clearing *in = arg;
	struct clearing below = {in->worker, NULL};
	pf_pool *pool = in->worker->pool;
	char inside[PF_PATH_MAX + 1];

	if (snprintf(inside, sizeof inside, "%s/%s", in->dir, name) >= (int)sizeof inside)
		return 0;
	below.dir = inside;
	if (S_ISDIR(stat->mode)) {
		ALLOW_NAMES(pf_list(pool, inside, clear_one, &below));
		ALLOW_NAMES(pf_rmdir(pool, inside));
	} else {
		ALLOW_NAMES(pf_unlink(pool, inside));
	}
	return 0;
}

/* Directories go into one another until none is in sight: all of them, when there are too many. */
static void clear_all(struct worker *w)
{
	struct clearing root = {w, ""};

	ALLOW_NAMES(pf_list(w->pool, "/", clear_one, &root));
}

static void use_file(struct worker *w, const char *name, unsigned id)
{
	pf_file *file;
	long rc = ALLOW_NAMES(pf_open(w->pool, name, PF_O_RDWR | PF_O_CREATE, 0600, &file));

	if (rc == -PF_ENOINODES)
		clear_all(w);
	if (rc < 0)
		return;
	for (unsigned n = (unsigned)test_below(&w->chance, 4) + 1; n > 0; n--)
		switch (test_below(&w->chance, 4)) {
		case 0:
			read_file(w, file, id);
			break;
		case 1:
			hold_file(w, file, id);
			break;
		default:
			change_file(w, file, id);
		}
	ALLOW(pf_close(file));
}

static void read_directory(struct worker *w, const char *name)
{
	struct pf_entry entry = {.cursor = 0};
	pf_file *file;

	if (ALLOW_NAMES(pf_open(w->pool, name, PF_O_DIRECTORY, 0, &file)) < 0)
		return;
	while (ALLOW_NAMES(pf_readdir(file, entry.cursor, &entry)) == 1)
		must(*entry.name && strlen(entry.name) < 4 && entry.inode);
	ALLOW(pf_close(file));
}

static void change_directories(struct worker *w)
{
	char name[PATH_SIZE], other[PATH_SIZE], target[PATH_SIZE];
	unsigned number = (unsigned)test_below(&w->chance, DIRS);

	some_directory(w, name);
	snprintf(name + strlen(name), 4, "d%u", number);
	some_directory(w, other);
	snprintf(other + strlen(other), 4, "d%u", (unsigned)test_below(&w->chance, DIRS));
	snprintf(target, sizeof target, "l%u", number);
	switch (test_below(&w->chance, 8)) {
	case 0:
	case 1:
		ALLOW_NAMES(pf_mkdir(w->pool, name, 0700));
		break;
	case 2:
		ALLOW_NAMES(pf_rmdir(w->pool, name));
		break;
	case 3:
		ALLOW_NAMES(pf_rename(w->pool, name, other, 0));
		break;
	case 4:
		ALLOW_NAMES(pf_rename(w->pool, name, other, PF_RENAME_EXCHANGE));
		break;
	case 5:
		ALLOW_NAMES(pf_symlink(w->pool, name, target));
		break;
	case 6:
		ALLOW_NAMES(pf_unlink(w->pool, target));
		break;
	default:
		read_directory(w, name);
	}
}

static void one_thing(struct worker *w)
{
	unsigned id = (unsigned)test_below(&w->chance, FILES);
	char name[PATH_SIZE], other[PATH_SIZE];
	bool second = test_below(&w->chance, 2);

	name_of(w, name, id, second);
	name_of(w, other, id, !second);
	switch (test_below(&w->chance, 9)) {
	case 0:
	case 1:
		change_files(w, name, other, id);
		break;
	case 2:
	case 3:
		change_directories(w);
		break;
	case 4:
		ALLOW(pf_reap(w->pool));
		break;
	default:
		use_file(w, name, id);
	}
}

static int work(void *arg)
{
	struct worker w = {.chance = {*(uint64_t *)arg}};

	w.bytes = malloc(PIECE);
	w.wanted = malloc(PIECE);
	must(w.bytes && w.wanted);
	OK(pf_pool_open(path, test_below(&w.chance, 2) ? PF_POOL_NO_THREAD : 0, &w.pool));
	/* With steps, some die of themselves in the middle of things, and stay unburied for a while. */
	if (test_below(&w.chance, 2))
		box_kill_at((long)test_below(&w.chance, 3000));
	for (;;)
		one_thing(&w);
}

/* ---- who kills ---------------------------------------------------------------------------------------- */

struct pack {
	pid_t pid[WORKERS];
	struct test_random chance;
};

static void start(struct pack *pack, unsigned n)
{
	uint64_t seed = test_random(&pack->chance);

	pack->pid[n] = test_fork(work, &seed);
}

static void kill_one(struct pack *pack)
{
	unsigned n = (unsigned)test_below(&pack->chance, WORKERS);
	int status;

	/* Not to wait for anything: so that it is somewhere. */
	usleep((useconds_t)test_below(&pack->chance, test_below(&pack->chance, 10) ? 3000 : 20000));
	kill(pack->pid[n], SIGKILL);
	status = test_wait(pack->pid[n], TEST_PATIENCE);
	if (status != 256 + SIGKILL)
		test_fail(__FILE__, __LINE__, "a worker ended by itself: %d", status);
	start(pack, n);
}

static void violation(void *arg, const char *rule, const char *text)
{
	(void)arg;
	fprintf(stderr, "%s: %s\n", rule, text);
}

unsigned long busy_kills(double seconds, unsigned long kills)
{
	struct pack pack = {.chance = {test_seed()}};
	double end = now() + seconds;
	unsigned long done = 0;
	pf_pool *pool;

	path = pool_make("busy", 48);
	pool = pool_open(path);
	for (unsigned n = 0; n < WORKERS; n++)
		start(&pack, n);
	while (now() < end && (!kills || done < kills)) {
		kill_one(&pack);
		if (++done % 20 == 0)
			must_be(pf_check(pool, violation, NULL), 0);
	}
	for (unsigned n = 0; n < WORKERS; n++)
		test_kill(pack.pid[n]);
	pool_check(pool, "after the last kill");
	pool_empty(pool, "emptied");
	OK(pf_pool_close(pool));
	must_be(pf_fsck(path, violation, NULL), 0);
	return done;
}
