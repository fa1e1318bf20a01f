/*
 * Pins by address, while another process truncates the file, gives its pages to another one, and writes it anew: what is pinned was the file's at that place, and stays what it was. E3, K38: another thread unmaps
 * meanwhile and frees tables, and who waits for a page that only a loser had counted is woken.
 */
/* test: suite=short timeout=120 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/atomic.h"
#include "base/err.h"
#include "pool.h"

#define PAGE  PF_PAGE_SIZE
#define PAGES 24ul
#define RW    (PF_MAP_READ | PF_MAP_WRITE)

/* In every word of a page. */
struct stamp {
	uint32_t file;
	uint16_t page, unused;
	uint64_t generation;
};

static const char *path;
static _Atomic uint64_t pinned, lost, emptied, over;

static void stamp_file(pf_file *f, uint32_t id, uint64_t generation)
{
	static struct stamp bytes[PAGES * PAGE / sizeof(struct stamp)];

	for (size_t i = 0; i < PAGES * PAGE / sizeof *bytes; i++)
		bytes[i] = (struct stamp){id, (uint16_t)(i * sizeof *bytes / PAGE), 0, generation};
	must_be(pf_write(f, bytes, sizeof bytes, 0), sizeof bytes);
}

/* ---- who changes the files --------------------------------------------------------------------------- */

static int change(void *arg)
{
	pf_pool *pool = pool_open(path);
	struct test_random r = {test_seed() + 1};
	_Atomic uint64_t *stop = arg;
	pf_file *f, *g;

	OK(pf_open(pool, "f", PF_O_RDWR, 0, &f));
	OK(pf_open(pool, "g", PF_O_RDWR | PF_O_CREATE, 0600, &g));
	for (uint64_t n = 1; !load_acquire(stop); n++) {
		pf_file *cut = n % 2 ? f : g, *written = n % 2 ? g : f;
		enum pf_policy policy = test_below(&r, 2) ? PF_WAIT : PF_DETACH;
		int rc = pf_truncate(cut, 0, policy, 20);

		must(rc == 0 || rc == -PF_EHELDTIME);
		stamp_file(written, n % 2 ? 2 : 1, n);
		pf_truncate(written, test_below(&r, PAGES) * PAGE, PF_DETACH, 0);
		stamp_file(f, 1, n);
	}
	OK(pf_close(f));
	OK(pf_close(g));
	OK(pf_pool_close(pool));
	return 0;
}

/* ---- who pins ---------------------------------------------------------------------------------------- */

struct user {
	pf_pool *pool;
	uint8_t *window;
	uint64_t seed;
};

/* 0 is what a page has before it is written. */
static void must_be_of_f(const volatile struct stamp *s, uint64_t page)
{
	uint32_t file = s->file;

	if (file && (file != 1 || s->page != page))
		test_fail(__FILE__, __LINE__, "page %lu shows page %u of file %u", page, s->page,
			  file);
}

static void look_at(pf_pin *pin, uint64_t first)
{
	size_t count;
	const struct pf_chunk *c = pf_pin_chunks(pin, &count);

	for (unsigned look = 0; look < 3; look++)
		for (size_t i = 0, page = first; i < count; i++)
			for (uint64_t at = 0; at < c[i].length; at += PAGE, page++)
				must_be_of_f((void *)((uint8_t *)c[i].address + at), page);
}

static void *pin_some(void *arg)
{
	struct user *u = arg;
	struct test_random r = {u->seed};

	while (!load_acquire(&over)) {
		uint64_t first = test_below(&r, PAGES);
		uint64_t n = 1 + test_below(&r, PAGES - first);
		pf_pin *pin;
		int rc = pf_window_pin(u->pool, u->window + first * PAGE, n * PAGE,
				       test_below(&r, 2) ? PF_PIN_WRITE : 0, &pin);

		if (rc < 0) {
			must(rc == -EFAULT || rc == -PF_EHOLE || rc == -PF_EAGAIN);
			atomic_fetch_add(&lost, 1);
			continue;
		}
		look_at(pin, first);
		OK(pf_unpin(pin));
		atomic_fetch_add(&pinned, 1);
	}
	return NULL;
}

/* Tables of other places come and go. */
static void map_and_unmap(struct user *u, pf_file *f)
{
	void *at;

	while (!load_acquire(&over)) {
		OK(pf_window_map(f, u->window, PAGES * PAGE, RW | PF_MAP_FIXED, 0, &at));
		OK(pf_window_unmap(u->pool, u->window, PAGES / 2 * PAGE));
		emptied += 1;
		if (!test_time_left(0.8))
			store_release(&over, 1);
	}
}

int main(void)
{
	_Atomic uint64_t *stop =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct user u = {.seed = test_seed()};
	pthread_t thread;
	pf_file *f;
	pid_t child;

	path = pool_make("race", 64);
	u.pool = pool_open(path);
	OK(pf_open(u.pool, "f", PF_O_RDWR | PF_O_CREATE, 0600, &f));
	stamp_file(f, 1, 0);
	child = test_fork(change, stop);
	OK(pf_window_map(f, NULL, PAGES * PAGE, RW, 0, (void **)&u.window));
	must(pthread_create(&thread, NULL, pin_some, &u) == 0);
	map_and_unmap(&u, f);
	must(pthread_join(thread, NULL) == 0);
	store_release(stop, 1);
	must_be(test_wait(child, TEST_PATIENCE), 0);
	printf("%lu pins, %lu refused, %lu windows\n", (unsigned long)pinned, (unsigned long)lost,
	       (unsigned long)emptied);
	must(pinned > 100);
	OK(pf_close(f));
	OK(pf_window_unmap(u.pool, u.window, PAGES * PAGE));
	pool_check(u.pool, "afterwards");
	pool_empty(u.pool, "afterwards");
	OK(pf_pool_close(u.pool));
	return 0;
}
