/* Windows of a process that opened the pool for reading only follow the file, too, without its doing anything. */
/* test: suite=short timeout=60 */
#include <sys/wait.h>
#include <unistd.h>

#include "pool.h"

#define MIB (1ul << 20)

static const char *path;

static void reader(int ready, int go)
{
	volatile uint8_t *window;
	pf_pool *pool;
	pf_file *file;
	char byte = 0;

	OK(pf_pool_open(path, PF_POOL_RDONLY, &pool));
	OK(pf_open(pool, "f", PF_O_RDONLY, 0, &file));
	must_be(pf_window_map(file, NULL, MIB, PF_MAP_READ | PF_MAP_WRITE, 0, (void **)&window),
		-PF_EREADONLY);
	OK(pf_window_map(file, NULL, MIB, PF_MAP_READ, 0, (void **)&window));
	must(window[0] != 0 && window[PF_PAGE_SIZE] != 0);
	must(write(ready, &byte, 1) == 1 && read(go, &byte, 1) == 1);
	must_be(window[0], 0);
	must(window[PF_PAGE_SIZE] != 0);
	must(write(ready, &byte, 1) == 1 && read(go, &byte, 1) == 1);
	must_be(window[0], 'x');
	OK(pf_window_unmap(pool, (void *)window, MIB));
	OK(pf_close(file));
	OK(pf_pool_close(pool));
	_exit(0);
}

int main(void)
{
	int ready[2], go[2], status;
	pf_pool *pool;
	pf_file *file;
	pid_t child;
	char byte;

	path = pool_make("p", 32);
	must(pipe(ready) == 0 && pipe(go) == 0);
	pool = pool_open(path);
	pattern_file(pool, "f", MIB, 1);
	OK(pf_open(pool, "f", PF_O_RDWR, 0, &file));
	child = fork();
	if (child == 0)
		reader(ready[1], go[0]);
	must(read(ready[0], &byte, 1) == 1);
	OK(pf_punch(file, 0, PF_PAGE_SIZE, PF_DETACH, 0));
	must(write(go[1], &byte, 1) == 1 && read(ready[0], &byte, 1) == 1);
	must_be(pf_write(file, "x", 1, 0), 1);
	must(write(go[1], &byte, 1) == 1);
	must(waitpid(child, &status, 0) == child && status == 0);
	OK(pf_close(file));
	must_be(pf_check(pool, NULL, NULL), 0);
	OK(pf_pool_close(pool));
	return 0;
}
