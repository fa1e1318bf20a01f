/* Another process lists the windows of this one: addresses in order, what they permit and show, and how its page tables map them; without stopping it. */
/* test: suite=short timeout=60 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "pool.h"

#define MIB (1ul << 20)

static const char *path;
static pid_t parent;
static uint8_t *window[3];

struct listed {
	unsigned count;
	struct pf_window at[8];
	bool named[8];
};

static int each(void *arg, const struct pf_window *w)
{
	struct listed *l = arg;

	must(l->count < 8);
	must(!l->count || l->at[l->count - 1].address < w->address);
	l->named[l->count] = w->name && !strcmp(w->name, "a");
	l->at[l->count++] = *w;
	return 0;
}

static const struct pf_window *find(const struct listed *l, const void *address)
{
	for (unsigned i = 0; i < l->count; i++)
		if (l->at[i].address == (uintptr_t)address)
			return &l->at[i];
	test_fail(__FILE__, __LINE__, "no window at %p", address);
}

static int look(void *arg)
{
	pf_pool *pool = pool_open(path);
	struct listed l = {0};
	const struct pf_window *w;

	(void)arg;
	must_be(pf_windows(pool, getpid(), each, &l), 0);
	must_be(l.count, 0);
	must_be(pf_windows(pool, 1, each, &l), -ESRCH);
	OK(pf_windows(pool, parent, each, &l));
	must_be(l.count, 3);
	w = find(&l, window[0]);
	must_be(w->length, 4 * MIB);
	must_be(w->flags, PF_MAP_READ | PF_MAP_WRITE);
	must_be(w->resident, 4 * MIB);
	must_be(w->leaf[1], 2);
	must_be(w->leaf[0], 0);
	w = find(&l, window[1]);
	must_be(w->offset, PF_PAGE_SIZE);
	must_be(w->flags, PF_MAP_READ);
	must_be(w->leaf[0], 3);
	must(l.named[w - l.at]);
	/* Past the end of the file nothing is mapped. */
	w = find(&l, window[2]);
	must_be(w->length, 2 * PF_PAGE_SIZE);
	must_be(w->resident, PF_PAGE_SIZE);
	OK(pf_pool_close(pool));
	return 0;
}

int main(void)
{
	pf_file *file;
	pf_pool *pool;

	path = pool_make("p", 32);
	parent = getpid();
	pool = pool_open(path);
	pattern_file(pool, "a", 4 * MIB, 1);
	OK(pf_open(pool, "a", PF_O_RDWR, 0, &file));
	OK(pf_window_map(file, NULL, 4 * MIB, PF_MAP_READ | PF_MAP_WRITE, 0, (void **)&window[0]));
	OK(pf_window_map(file, NULL, 3 * PF_PAGE_SIZE, PF_MAP_READ, PF_PAGE_SIZE,
			 (void **)&window[1]));
	OK(pf_window_map(file, NULL, 2 * PF_PAGE_SIZE, PF_MAP_READ, 4 * MIB - PF_PAGE_SIZE,
			 (void **)&window[2]));
	must_be(test_in_child(look, NULL), 0);
	OK(pf_close(file));
	OK(pf_pool_close(pool));
	return 0;
}
