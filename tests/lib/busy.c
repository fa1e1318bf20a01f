/* See busy.h. */
#include "busy.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "box.h"
#include "pool.h"

#define WORKERS 4u
#define FILES   12u
#define PIECE   (3u << 20)
#define HELD    4u

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

/* Two names for each content. */
static void name_of(char *name, unsigned id, bool second)
{
	snprintf(name, 16, "%c%u", second ? 'b' : 'a', id);
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

	switch (test_below(&w->chance, 5)) {
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
		ALLOW(pf_allocate(file, offset, length, 0));
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

static void use_file(struct worker *w, const char *name, unsigned id)
{
	pf_file *file;

	if (ALLOW(pf_open(w->pool, name, PF_O_RDWR | PF_O_CREATE, 0600, &file)) < 0)
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

static void one_thing(struct worker *w)
{
	unsigned id = (unsigned)test_below(&w->chance, FILES);
	char name[16], other[16];
	bool second = test_below(&w->chance, 2);

	name_of(name, id, second);
	name_of(other, id, !second);
	switch (test_below(&w->chance, 8)) {
	case 0:
		ALLOW(pf_rename(w->pool, name, other, 0));
		break;
	case 1:
		ALLOW(pf_unlink(w->pool, name));
		break;
	case 2:
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
