/* The live check finds nothing wrong while two processes make, move, change and end windows on one file, which becomes shorter and longer. */
/* test: suite=short timeout=60 */
#include <stdio.h>
#include <sys/wait.h>

#include "pool.h"

#define MIB  (1ul << 20)
#define PAGE ((uint64_t)PF_PAGE_SIZE)

static const char *path;

static bool maybe(struct test_random *r)
{
	return test_below(r, 2);
}

/* A window is made, changed while its file is, and ended in parts. */
static void change(pf_pool *pool, pf_file *file, struct test_random *r)
{
	uint64_t first = (test_below(r, 3) * 256 + test_below(r, 8)) * PAGE;
	uint64_t length = (8 + test_below(r, 600)) * PAGE;
	unsigned flags = maybe(r) ? PF_MAP_READ : PF_MAP_READ | PF_MAP_WRITE;
	void *window, *moved;

	OK(pf_window_map(file, NULL, length, flags, first, &window));
	if (maybe(r))
		OK(pf_window_protect(pool, (char *)window + PAGE, PAGE, PF_MAP_READ));
	if (maybe(r))
		OK(pf_truncate(file, test_below(r, 1024) * PAGE, PF_DETACH, 0));
	if (maybe(r)) {
		OK(pf_window_remap(pool, (char *)window + 4 * PAGE, 2 * PAGE, 3 * PAGE,
				   PF_REMAP_MAYMOVE, NULL, &moved));
		OK(pf_window_unmap(pool, moved, 3 * PAGE));
	}
	if (maybe(r))
		OK(pf_truncate(file, 4 * MIB, PF_DETACH, 0));
	OK(pf_window_unmap(pool, (char *)window + 2 * PAGE, PAGE));
	OK(pf_window_unmap(pool, window, length));
}

static int churn(void *arg)
{
	struct test_random *r = arg;
	unsigned rounds = 0;
	pf_pool *pool;
	pf_file *file;

	OK(pf_pool_open(path, 0, &pool));
	OK(pf_open(pool, "file", PF_O_RDWR, 0, &file));
	while (test_time_left(0.5)) {
		change(pool, file, r);
		rounds++;
	}
	printf("%u windows\n", rounds);
	OK(pf_close(file));
	OK(pf_pool_close(pool));
	return 0;
}

static void note(void *arg, const char *rule, const char *text)
{
	snprintf(arg, 200, "%s: %s", rule, text);
}

int main(void)
{
	struct test_random one = {test_seed()}, other = {test_seed() + 1};
	unsigned checks = 0, left = 2;
	char wrong[200] = "";
	pf_pool *pool;

	path = pool_make("check", 64);
	pool = pool_open(path);
	pattern_file(pool, "file", 4 * MIB, 1);
	test_fork(churn, &one);
	test_fork(churn, &other);
	while (left) {
		int status;

		if (OK(pf_check(pool, note, wrong)))
			test_fail(__FILE__, __LINE__, "%s", wrong);
		checks++;
		if (waitpid(-1, &status, WNOHANG) > 0) {
			must(WIFEXITED(status) && WEXITSTATUS(status) == 0);
			left--;
		}
	}
	printf("%u checks\n", checks);
	pool_empty(pool, "after windows");
	OK(pf_pool_close(pool));
	return 0;
}
