/* A number whose last file's removal was cut off by a kill is not used before that removal is settled, which would overwrite the new file. */
#include <signal.h>
#include <stdio.h>

#include "base/step.h"
#include "pool.h"

#ifdef PF_STEPS
#define FILES 15 /* all that the pool can have */

static const char *path;
static long steps_left;

static void count_down(const char *name)
{
	(void)name;
	if (--steps_left == 0)
		raise(SIGKILL);
}

static int remove_one(void *arg)
{
	pf_pool *pool = pool_open(path);

	steps_left = *(long *)arg;
	step_hook = count_down;
	OK(pf_unlink(pool, "file 7"));
	step_hook = NULL;
	OK(pf_pool_close(pool));
	return 0;
}

static void create(pf_pool *pool, const char *name)
{
	pf_file *file;

	OK(pf_open(pool, name, PF_O_RDWR | PF_O_CREATE, 0644, &file));
	must_be(pf_write(file, name, 6, 0), 6);
	OK(pf_close(file));
}

static void fill(pf_pool *pool)
{
	char name[16];

	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof name, "file %d", i);
		create(pool, name);
	}
}

/* Killed at the nth step; then, before anybody reaps, a file that can only get that number. False: there was no such step. */
static bool kill_at(long n)
{
	pf_pool *pool = pool_open(path);
	char what[64];
	pf_file *file;
	int status, rc;

	fill(pool);
	status = test_wait(test_fork(remove_one, &n), TEST_PATIENCE);
	snprintf(what, sizeof what, "a removal killed at step %ld", n);
	rc = pf_open(pool, "new", PF_O_RDWR | PF_O_CREATE, 0644, &file);
	must(rc == 0 || rc == -PF_ENOINODES);
	if (rc == 0) {
		must_be(pf_write(file, "new", 3, 0), 3);
		pool_check(pool, what);
		must_be(pf_close(file), 0);
		OK(pf_open(pool, "new", PF_O_RDONLY, 0, &file));
		must_be(pf_read(file, (char[4]){0}, 4, 0), 3);
		OK(pf_close(file));
	}
	pool_empty(pool, what);
	OK(pf_pool_close(pool));
	return status != 0;
}

int main(void)
{
	struct pf_mkfs_options o = {.size = 16ul << 20, .inodes = FILES};
	long n = 1;

	path = test_path("pool");
	OK(pf_mkfs(path, &o));
	while (kill_at(n))
		n++;
	printf("%ld steps\n", n - 1);
	return 0;
}
#else
int main(void)
{
	skip("this build has no steps; make test-debug has");
}
#endif
