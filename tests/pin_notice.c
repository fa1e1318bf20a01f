/* A pin that asked for notices gets one when somebody waits for its pages, or asks its process for all it holds; who does not give back is named. */
/* test: suite=short timeout=60 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "pool.h"

#define PAGE 4096u

static const char *path;
static int ready;

static void wait_for_notice(int fd)
{
	struct pollfd p = {fd, POLLIN, 0};
	uint64_t n;

	must_be(poll(&p, 1, 10000), 1);
	must_be(read(fd, &n, sizeof n), sizeof n);
	must(n >= 1);
}

/* Pins "file" and gives it back when it is told to; then, if `stay`, keeps a map until it is killed. */
static int holder(void *arg)
{
	bool stay = *(bool *)arg;
	int fd = eventfd(0, EFD_CLOEXEC);
	pf_pool *pool;
	pf_file *file;
	pf_map *map;
	pf_pin *pin;

	OK(pf_pool_open(path, 0, &pool));
	OK(pf_open(pool, "file", PF_O_RDWR, 0, &file));
	OK(pf_pin_file(file, 0, 3 * PAGE, PF_PIN_LONGTERM, &pin));
	OK(pf_pin_notice(pin, fd));
	if (stay)
		OK(pf_map_file(file, PAGE, PAGE, PF_MAP_READ, &map));
	test_gate_open(ready);
	wait_for_notice(fd);
	OK(pf_unpin(pin));
	for (; stay; pause())
		;
	OK(pf_close(file));
	OK(pf_pool_close(pool));
	return 0;
}

static pid_t start(bool stay)
{
	pid_t pid;

	ready = test_gate();
	pid = test_fork(holder, &stay);
	test_gate_wait(ready);
	return pid;
}

static int count_map(void *arg, const struct pf_holder *holder)
{
	unsigned *maps = arg;

	must_be(holder->kind, PF_HOLD_MAP);
	must_be(holder->offset, PAGE);
	must(!strcmp(holder->name, "file"));
	++*maps;
	return 0;
}

static void own_notices(pf_pool *pool, pf_file *file)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	    other = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t n;
	pf_pin *pin;

	OK(pf_pin_file(file, 0, PAGE, 0, &pin));
	must_be(pf_pin_notice(pin, 1000000), -EBADF);
	OK(pf_pin_notice(pin, fd));
	OK(pf_pin_notice(pin, other));
	must_be(pf_evict(pool, getpid(), 0, NULL, NULL), 1);
	must(read(other, &n, sizeof n) < 0); /* nobody writes it but pf_reap() here */
	OK(pf_reap(pool));
	must_be(read(other, &n, sizeof n), sizeof n);
	must(read(fd, &n, sizeof n) < 0);
	OK(pf_pin_notice(pin, -1));
	must_be(pf_evict(pool, getpid(), 0, NULL, NULL), 1);
	OK(pf_reap(pool));
	must(read(other, &n, sizeof n) < 0);
	OK(pf_unpin(pin));
	must_be(pf_evict(pool, getpid(), 0, NULL, NULL), 0);
	close(fd);
	close(other);
}

int main(void)
{
	unsigned maps = 0;
	pf_pool *pool;
	pf_file *file;
	pid_t pid;

	test_dir();
	path = pool_make("pool", 32);
	pool = pool_open(path);
	pattern_file(pool, "file", 3 * PAGE, 1);
	OK(pf_open(pool, "file", PF_O_RDWR, 0, &file));
	own_notices(pool, file);

	pid = start(false);
	must_be(pf_evict(pool, pid, 10000, NULL, NULL), 0);
	must_be(test_wait(pid, TEST_PATIENCE), 0);

	pid = start(false);
	OK(pf_truncate(file, PAGE, PF_WAIT, 10000));
	must_be(test_wait(pid, TEST_PATIENCE), 0);
	must_be(pf_evict(pool, pid, 0, NULL, NULL), -ESRCH);
	OK(pf_truncate(file, 3 * PAGE, PF_DETACH, 0));
	OK(pf_allocate(file, 0, 3 * PAGE, 0));

	pid = start(true);
	must_be(pf_evict(pool, pid, 300, count_map, &maps), 1);
	must_be(maps, 1);
	test_kill(pid);
	must_be(pf_evict(pool, pid, 10000, count_map, &maps), 0);
	OK(pf_close(file));
	pool_empty(pool, "notices");
	OK(pf_pool_close(pool));
	return 0;
}
