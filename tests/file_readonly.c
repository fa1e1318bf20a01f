/* A read-only pool never maps the media writable: it changes no file, makes no runtime, and leaves to others what dead processes left. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pool.h"

static const char *path;
static int gate;

/* Killed while it has the last handle of an unnamed file: whoever reaps it removes the file from the media. */
static int writer(void *arg)
{
	pf_pool *pool = pool_open(path);
	pf_file *file;

	(void)arg;
	pattern_file(pool, "kept", 3 << 20, 1);
	OK(pf_open(pool, "removed", PF_O_RDWR | PF_O_CREATE, 0644, &file));
	OK(pf_allocate(file, 0, 1 << 20, 0));
	OK(pf_unlink(pool, "removed"));
	test_gate_open(gate);
	for (;;)
		pause();
}

/* The kernel is asked to store a byte: EFAULT if the page is not writable. */
static bool writable(void *address)
{
	int fd = (int)OK(open("/dev/zero", O_RDONLY | O_CLOEXEC));
	ssize_t n = read(fd, address, 1);

	close(fd);
	return n == 1;
}

static bool media_is_writable(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	bool found = false;
	char line[512];

	must(f);
	while (fgets(line, sizeof line, f))
		found |= strstr(line, path) && strstr(line, " rw");
	fclose(f);
	return found;
}

/* The last one to have an unnamed file open: it goes at the next pass of somebody else. */
static void close_unnamed(pf_pool *pool)
{
	pf_pool *other = pool_open(path);
	uint64_t member;
	pf_file *file;

	pattern_file(other, "unnamed", 1 << 20, 2);
	OK(pf_open(pool, "unnamed", PF_O_RDONLY, 0, &file));
	OK(pf_unlink(other, "unnamed"));
	member = pool_info(pool).pages_member;
	OK(pf_close(file));
	must_be(pool_info(pool).pages_member, member);
	must_be(pf_reap(other), 0);
	must_be(pool_info(pool).pages_member, member - 256);
	OK(pf_pool_close(other));
}

static void use(pf_pool *pool)
{
	const struct pf_chunk *chunk;
	struct pf_region region;
	pf_file *file;
	size_t chunks;
	pf_map *map;
	pf_pin *pin;

	must_be(pf_open(pool, "kept", PF_O_RDWR, 0, &file), -PF_EREADONLY);
	must_be(pf_open(pool, "new", PF_O_RDONLY | PF_O_CREATE, 0644, &file), -PF_EREADONLY);
	must_be(pf_unlink(pool, "kept"), -PF_EREADONLY);
	must_be(pf_rename(pool, "kept", "other", 0), -PF_EREADONLY);
	OK(pf_open(pool, "kept", PF_O_RDONLY, 0, &file));
	must_be(pf_write(file, "x", 1, 0), -PF_EREADONLY);
	must_be(pf_truncate(file, 0, PF_DETACH, 0), -PF_EREADONLY);
	must_be(pf_map_file(file, 0, 4096, PF_MAP_READ | PF_MAP_WRITE, &map), -PF_EREADONLY);
	OK(pf_map_file(file, 0, 1 << 20, PF_MAP_READ, &map));
	must_be(pattern_differs(pf_map_address(map), 1 << 20, 1, 0), 1 << 20);
	must(!writable(pf_map_address(map)));
	OK(pf_unmap(map));
	must_be(pf_pin_file(file, 0, 4096, PF_PIN_WRITE, &pin), -PF_EREADONLY);
	OK(pf_pin_file(file, 0, 4096, 0, &pin));
	chunk = pf_pin_chunks(pin, &chunks);
	must_be(pf_regions(pool, &region, 1), 1);
	must(chunk->address == (char *)region.address + chunk->offset);
	must(!writable(chunk->address));
	OK(pf_unpin(pin));
	OK(pf_close(file));
}

int main(void)
{
	pf_pool *pool;
	pid_t pid;

	test_dir();
	gate = test_gate();
	path = pool_make("media.pool", 32);
	must_be(pf_pool_open(path, PF_POOL_RDONLY, &pool), -PF_EREADONLY);
	pid = test_fork(writer, NULL);
	test_gate_wait(gate);
	OK(pf_pool_open(path, PF_POOL_RDONLY | PF_POOL_NO_THREAD, &pool));
	use(pool);
	must(!media_is_writable());
	close_unnamed(pool);
	test_kill(pid);
	must_be(pf_reap(pool), 0);
	OK(pf_pool_close(pool));

	pool = pool_open(path);
	pool_check(pool, "a read-only pool");
	pool_empty(pool, "a read-only pool");
	OK(pf_pool_close(pool));
	return 0;
}
