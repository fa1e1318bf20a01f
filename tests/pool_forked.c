/* Every public call in a forked child, and in a raw-cloned one, fails with -PF_EFORKED; the parent's files, maps and pins go on. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pool.h"

/* ThreadSanitizer allows no new threads in a forked child. */
#ifdef __SANITIZE_THREAD__
static const unsigned own_flags = PF_POOL_NO_THREAD;
#else
static const unsigned own_flags = 0;
#endif

static const char *path;
static pf_pool *pool;
static pf_file *file;
static pf_map *map;
static pf_pin *pin;

#define REFUSED(call) must_be(call, -PF_EFORKED)

static int each_file(void *arg, const char *name, const struct pf_stat *stat)
{
	(void)arg, (void)name, (void)stat;
	return 1;
}

static int each_holder(void *arg, const struct pf_holder *holder)
{
	(void)arg, (void)holder;
	return 1;
}

static int each_orphan(void *arg, const struct pf_orphan *orphan)
{
	(void)arg, (void)orphan;
	return 1;
}

static void files(void)
{
	static char bytes[4096];
	struct pf_stat st;
	pf_file *other;

	REFUSED(pf_open(pool, "a", PF_O_RDWR, 0, &other));
	REFUSED(pf_open(pool, "new", PF_O_RDWR | PF_O_CREATE, 0600, &other));
	REFUSED(pf_read(file, bytes, sizeof bytes, 0));
	REFUSED(pf_write(file, bytes, sizeof bytes, 0));
	REFUSED(pf_append(file, bytes, sizeof bytes));
	REFUSED(pf_truncate(file, 0, PF_DETACH, 0));
	REFUSED(pf_punch(file, 0, 4096, PF_DETACH, 0));
	REFUSED(pf_allocate(file, 0, 4096, 0));
	REFUSED(pf_stat(file, &st));
	REFUSED(pf_unlink(pool, "a"));
	REFUSED(pf_rename(pool, "a", "b", 0));
	REFUSED(pf_list(pool, "/", each_file, NULL));
}

static void holds(void)
{
	struct pf_region regions[4];
	pf_map *other_map;
	pf_pin *other_pin;

	REFUSED(pf_map_file(file, 0, 4096, PF_MAP_READ, &other_map));
	REFUSED(pf_pin_file(file, 0, 4096, 0, &other_pin));
	REFUSED(pf_map_stale(map));
	REFUSED(pf_regions(pool, regions, 4));
	REFUSED(pf_holders(pool, each_holder, NULL));
	REFUSED(pf_orphans(pool, each_orphan, NULL));
	REFUSED(pf_unmap(map));
	REFUSED(pf_unpin(pin));
}

static void the_rest(void)
{
	struct pf_info info;

	REFUSED(pf_info(pool, &info));
	REFUSED(pf_reap(pool));
	REFUSED(pf_wait_space(pool, 1, 0));
	REFUSED(pf_check(pool, NULL, NULL));
	REFUSED(pf_close(file));
	REFUSED(pf_pool_close(pool));
}

static int call_everything(void)
{
	pf_pool *own;

	files();
	holds();
	the_rest();
	must(strstr(pf_message(), pf_strerror(PF_EFORKED)) != NULL);
	/* A pool of its own is another matter. */
	OK(pf_pool_open(path, own_flags, &own));
	must_be(pool_info(own).processes, 2);
	pool_check(own, "a forked child's own pool");
	OK(pf_pool_close(own));
	return 0;
}

static void child(bool raw)
{
	pid_t pid = raw ? (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL) : fork();

	must(pid >= 0);
	if (pid == 0) {
		alarm(TEST_PATIENCE / 1000);
		_exit(call_everything());
	}
	must_be(test_wait(pid, TEST_PATIENCE), 0);
}

static void parent_goes_on(void)
{
	const struct pf_chunk *chunk;
	size_t count;

	must_be(pattern_differs(pf_map_address(map), 1 << 20, 1, 0), 1 << 20);
	chunk = pf_pin_chunks(pin, &count);
	must_be(pattern_differs(chunk->address, chunk->length, 1, 0), chunk->length);
	must_be(pf_map_stale(map), 0);
	must_be(pool_info(pool).processes, 1);
	pool_check(pool, "a child's calls");
}

int main(void)
{
	path = pool_make("pool", 32);
	OK(pf_pool_open(path, 0, &pool));
	pattern_file(pool, "a", 1 << 20, 1);
	OK(pf_open(pool, "a", PF_O_RDWR, 0, &file));
	OK(pf_map_file(file, 0, 1 << 20, PF_MAP_WRITE, &map));
	OK(pf_pin_file(file, 0, 1 << 20, PF_PIN_WRITE, &pin));
	for (int raw = 0; raw < 2; raw++) {
		child(raw);
		parent_goes_on();
	}
	OK(pf_unmap(map));
	OK(pf_unpin(pin));
	OK(pf_close(file));
	pool_empty(pool, "all");
	OK(pf_pool_close(pool));
	return 0;
}
