/* pf_in_use(): true as long as a living process has the pool open; a killed one, a copy of the media, another file are not that. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "pool.h"

static const char *path;
static int gate;

static int user(void *arg)
{
	(void)arg;
	pool_open(path);
	test_gate_open(gate);
	pause();
	return 0;
}

static void copy(const char *from, const char *to)
{
	char buffer[65536];
	int in = (int)OK(open(from, O_RDONLY | O_CLOEXEC));
	int out = (int)OK(open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	ssize_t n;

	while ((n = OK(read(in, buffer, sizeof buffer))) > 0)
		must_be(write(out, buffer, (size_t)n), n);
	close(in);
	close(out);
}

int main(void)
{
	pf_pool *pool;
	unsigned fds;
	pid_t pid;

	test_dir();
	gate = test_gate();
	path = pool_make("p", 16);
	fds = test_fds();
	must_be(pf_in_use(path), 0);
	must_be(test_names(test_dir()), 1);

	pool = pool_open(path);
	must_be(pf_in_use(path), 1);
	copy(path, test_path("copy"));
	must_be(pf_in_use(test_path("copy")), 0);
	OK(pf_pool_close(pool));
	must_be(pf_in_use(path), 0);

	pid = test_fork(user, NULL);
	test_gate_wait(gate);
	must_be(pf_in_use(path), 1);
	test_kill(pid);
	must_be(pf_in_use(path), 0);
	must_be(test_names(test_dir()), 3); /* the pool, its copy, the runtime that nobody ended */

	test_write_file(test_path("other"), "no pool", 7);
	must_be(pf_in_use(test_path("other")), -PF_ENOTPOOL);
	must_be(pf_in_use(test_path("nothing")), -ENOENT);
	must_be(test_fds(), fds);
	pool = pool_open(path);
	pool_check(pool, "looking");
	OK(pf_pool_close(pool));
	return 0;
}
