/* From pages to windows: who holds a file's pages is told with the address at which its process has them, and with the leaf that maps them there, in every process. */
/* test: suite=short timeout=60 */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pool.h"

#define MIB (1ul << 20)

static const char *path;

struct found {
	unsigned windows;
	struct pf_holder of[8];
};

static int note(void *arg, const struct pf_holder *h)
{
	struct found *f = arg;

	if (h->kind == PF_HOLD_WINDOW && f->windows < 8)
		f->of[f->windows++] = *h;
	return 0;
}

static const struct pf_holder *find(const struct found *f, pid_t pid, const void *address)
{
	for (unsigned i = 0; i < f->windows; i++)
		if (f->of[i].pid == pid && f->of[i].address == (uintptr_t)address)
			return &f->of[i];
	test_fail(__FILE__, __LINE__, "no window of process %d at %p", (int)pid, address);
}

static void *map(pf_pool *pool, uint64_t offset, uint64_t length)
{
	pf_file *file;
	void *window;

	OK(pf_open(pool, "f", PF_O_RDWR, 0, &file));
	OK(pf_window_map(file, NULL, length, PF_MAP_READ | PF_MAP_WRITE, offset, &window));
	OK(pf_close(file));
	return window;
}

/* Says where its window is; ends with the pipe. */
static void other(int to, int from)
{
	pf_pool *pool = pool_open(path);
	void *window = map(pool, 2 * MIB, 2 * MIB);
	char end;

	must(write(to, &window, sizeof window) == sizeof window);
	must(read(from, &end, 1) == 0);
	OK(pf_pool_close(pool));
	_exit(0);
}

int main(void)
{
	struct found f = {0};
	int to[2], from[2];
	void *theirs, *large, *page;
	pf_pool *pool;
	pid_t child;

	path = pool_make("p", 64);
	must(pipe(to) == 0 && pipe(from) == 0);
	pool = pool_open(path);
	pattern_file(pool, "f", 4 * MIB, 1);
	child = fork();
	if (child == 0) {
		close(from[1]);
		other(to[1], from[0]);
	}
	must(read(to[0], &theirs, sizeof theirs) == sizeof theirs);
	large = map(pool, 0, 2 * MIB);
	page = map(pool, 3 * MIB, PF_PAGE_SIZE);
	OK(pf_holders(pool, note, &f));
	must_be(f.windows, 3);
	must_be(find(&f, child, theirs)->leaf, 2 * MIB);
	must_be(find(&f, getpid(), large)->leaf, 2 * MIB);
	must_be(find(&f, getpid(), page)->leaf, PF_PAGE_SIZE);
	must_be(find(&f, getpid(), page)->offset, 3 * MIB);
	OK(pf_window_unmap(pool, large, 2 * MIB));
	close(from[1]);
	must(waitpid(child, NULL, 0) == child);
	memset(&f, 0, sizeof f);
	OK(pf_holders(pool, note, &f));
	must_be(f.windows, 1);
	must_be(find(&f, getpid(), page)->leaf, PF_PAGE_SIZE);
	OK(pf_window_unmap(pool, page, PF_PAGE_SIZE));
	OK(pf_pool_close(pool));
	return 0;
}
