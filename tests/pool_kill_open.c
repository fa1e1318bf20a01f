/* The first opener killed at any step of rebuilding, the last closer at any step of closing: the next one opens a pool that is right. */
/* test: timeout=120 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "media.h"
#include "pool.h"

#define FILE_BYTES (3u << 20)

static const char *path;
static unsigned at;

static int open_and_close(void *arg)
{
	pf_pool *pool;

	(void)arg;
	media_signal_at("", at, SIGKILL);
	pool = pool_open(path);
	OK(pf_pool_close(pool));
	return 0;
}

/* Leaves the pool open, with a file that has no name and is held, and one that is half truncated by its kill. */
static int leave(void *arg)
{
	pf_pool *pool = pool_open(path);
	pf_file *gone;
	pf_pin *pin;

	(void)arg;
	pattern_file(pool, "gone", FILE_BYTES, 2);
	OK(pf_open(pool, "gone", PF_O_RDWR, 0, &gone));
	OK(pf_pin_file(gone, 0, FILE_BYTES, 0, &pin));
	OK(pf_unlink(pool, "gone"));
	raise(SIGKILL);
	return 0;
}

static void is_right(pf_pool *pool)
{
	static char bytes[FILE_BYTES];
	struct pf_info info;
	pf_file *f;

	OK(pf_reap(pool));
	OK(pf_open(pool, "kept", PF_O_RDONLY, 0, &f));
	must_be(pf_read(f, bytes, FILE_BYTES, 0), FILE_BYTES);
	must_be(pattern_differs(bytes, FILE_BYTES, 1, 0), FILE_BYTES);
	OK(pf_close(f));
	pool_check(pool, "a kill");
	info = pool_info(pool);
	must_be(info.pages_orphan + info.pages_quarantine, 0);
	must_be(info.pages_member, FILE_BYTES / PF_PAGE_SIZE);
	must_be(info.processes, 1);
}

/* True if there was such a step. */
static bool kill_at(unsigned step, bool left_open)
{
	pf_pool *pool;
	int status;

	if (left_open)
		must_be(test_in_child(leave, NULL), 256 + SIGKILL);
	at = step;
	status = test_in_child(open_and_close, NULL);
	must(status == 0 || status == 256 + SIGKILL);
	pool = pool_open(path);
	is_right(pool);
	OK(pf_pool_close(pool));
	must_be(media_files(test_dir()), 0);
	must_be(pf_fsck(path, NULL, NULL), 0);
	return status != 0;
}

static void after_a_close(void)
{
	unsigned step = 1;

	while (kill_at(step, false))
		step++;
	printf("killed at each of %u steps after a close\n", step - 1);
}

/* There are hundreds of steps: some, each pass others. */
static void after_a_kill(void)
{
	struct test_random r = {test_seed()};
	unsigned kills = 0, last = 0;

	do
		for (unsigned step = 1 + (unsigned)test_below(&r, 32); kill_at(step, true);
		     step += 1 + (unsigned)test_below(&r, 32)) {
			kills++;
			last = MAX(last, step);
		}
	while (test_time_left(0.5));
	printf("killed at %u of about %u steps after a kill\n", kills, last);
}

int main(void)
{
	pf_pool *pool;

	if (!media_has_steps())
		skip("a build without steps");
	path = pool_make("pool", 32);
	pool = pool_open(path);
	pattern_file(pool, "kept", FILE_BYTES, 1);
	OK(pf_pool_close(pool));
	test_time_left(0.5);
	after_a_close();
	after_a_kill();
	return 0;
}
