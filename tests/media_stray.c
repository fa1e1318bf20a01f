/*
 * With PINFOLD_STRAY=1 the metadata is read-only between transactions: a stray store to it ends the process, and everything works as before,
 * in several threads too.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file/pool.h"
#include "pool.h"

#define THREADS 4u

static pf_pool *pool;

static void write_and_cut(const char *path)
{
	static const char bytes[100000];
	pf_file *file;

	OK(pf_open(pool, path, PF_O_RDWR | PF_O_CREATE, 0644, &file));
	must_be(pf_write(file, bytes, sizeof bytes, 3), sizeof bytes);
	OK(pf_punch(file, 8192, 8192, PF_DETACH, 0));
	OK(pf_truncate(file, 10, PF_DETACH, 0));
	OK(pf_close(file));
}

static void *some_of_all(void *arg)
{
	unsigned n = (unsigned)(uintptr_t)arg;
	char dir[32], from[64], to[64], target[400];

	memset(target, 'x', sizeof target - 1);
	target[sizeof target - 1] = 0;
	snprintf(dir, sizeof dir, "dir%u", n);
	OK(pf_mkdir(pool, dir, 0755));
	for (unsigned i = 0; i < 80; i++) {
		snprintf(from, sizeof from, "%s/file %u", dir, i);
		snprintf(to, sizeof to, "%s/other %u", dir, i);
		write_and_cut(from);
		OK(pf_rename(pool, from, to, 0));
		OK(pf_link(pool, to, from));
		OK(pf_unlink(pool, from));
	}
	snprintf(to, sizeof to, "%s/link", dir);
	OK(pf_symlink(pool, target, to));
	return NULL;
}

static void in_threads(void)
{
	pthread_t threads[THREADS];

	for (uintptr_t n = 0; n < THREADS; n++)
		must(pthread_create(&threads[n], NULL, some_of_all, (void *)n) == 0);
	for (unsigned n = 0; n < THREADS; n++)
		must(pthread_join(threads[n], NULL) == 0);
}

/* As a wild pointer would. */
static int stray_store(void *arg)
{
	pool = pool_open(arg);
	write_and_cut("before");
	signal(SIGSEGV, SIG_DFL); /* a sanitizer would end the process in its own way */
	*(volatile uint64_t *)(pool->meta + pool->layout.fs.super.nodes_offset) = 1;
	return 0;
}

int main(void)
{
	const char *path = (test_dir(), pool_make("pool", 64));
	pid_t pid;
	int status;

	setenv("PINFOLD_STRAY", "1", 1);
	pid = test_fork(stray_store, (void *)path);
	must(waitpid(pid, &status, 0) == pid);
	must(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);

	pool = pool_open(path);
	in_threads();
	pool_check(pool, "threads");
	pool_empty(pool, "emptied");
	OK(pf_pool_close(pool));
	pool = pool_open(path);
	OK(pf_pool_close(pool));
	return 0;
}
