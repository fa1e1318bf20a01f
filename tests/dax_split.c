/*
 * A hold that is divided anywhere counts on each folio as its two halves do, whether the file has the pages still or not. Killed at any step, it leaves counts that the reaper
 * makes right; given back at the same time by another thread, all of it is.
 */
/* test: suite=short timeout=120 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "base/step.h"
#include "file/pool.h"
#include "pool.h"

#define PAGE  PF_PAGE_SIZE
#define PAGES 560ul /* a folio of 512 pages, and what is left in smaller ones */

static const char *path;

/* A process that has the pool open, and holds the file. */
struct user {
	pf_pool *pool;
	pf_file *file;
	struct rt_self *me;
	struct pages *pages;
	struct rt_hold *hold, *rest;
	struct dax_run run;
};

static void begin(struct user *u)
{
	u->pool = pool_open(path);
	OK(pf_open(u->pool, "f", PF_O_RDWR, 0, &u->file));
	u->me = pool_self(u->pool);
	u->pages = &u->pool->layout.pages;
}

/* Of pages [first, end) of the file, which are contiguous in memory. */
static void take(struct user *u, uint64_t first, uint64_t end)
{
	u->hold = rt_hold_get(u->me);
	u->rest = rt_hold_get(u->me);
	store_relaxed(&u->hold->ino, u->file->ino);
	store_relaxed(&u->hold->igen, u->file->igen);
	store_relaxed(&u->rest->ino, u->file->ino);
	store_relaxed(&u->rest->igen, u->file->igen);
	must_be(dax_try_hold(u->me, &u->pool->layout.fs, u->pages, u->file->ino, first, end - first,
			     &u->hold->range, &u->run),
		0);
	must_be(u->run.pages, end - first);
}

static int divide(struct user *u, uint64_t pages)
{
	return dax_split(u->me, u->pages, &u->hold->range, pages, &u->rest->range);
}

static void give_back(struct user *u)
{
	dax_drop(u->me, u->pages, &u->hold->range, false);
	dax_drop(u->me, u->pages, &u->rest->range, false);
	rt_hold_put(u->me, u->hold);
	rt_hold_put(u->me, u->rest);
}

static void end(struct user *u)
{
	OK(pf_close(u->file));
	OK(pf_pool_close(u->pool));
}

static unsigned count_of(struct user *u, uint64_t page)
{
	uint64_t head, word;

	must(page_head(u->pages, u->run.pfn + page, BLOCK_ORDER, &head, &word));
	return word_count(word);
}

static bool touches(uint64_t range, uint64_t head, uint64_t pages)
{
	return range && rt_range_pfn(range) < head + pages &&
	       rt_range_pfn(range) + rt_range_pages(range) > head;
}

/* Of each folio: how many of the two touch it. */
static void must_count_as_both(struct user *u)
{
	for (uint64_t i = 0; i < u->run.pages; i++) {
		uint64_t head, word;

		must(page_head(u->pages, u->run.pfn + i, BLOCK_ORDER, &head, &word));
		must_be(count_of(u, i),
			touches(u->hold->range, head, 1ull << word_order(word)) +
				touches(u->rest->range, head, 1ull << word_order(word)));
	}
}

/* ---- all cuts ---------------------------------------------------------------------------------------- */

static void cut_at(struct user *u, uint64_t first, uint64_t last, uint64_t cut)
{
	take(u, first, last);
	must_be(divide(u, cut - first), 0);
	must_be(rt_range_pages(u->hold->range), cut - first);
	must_be(rt_range_pages(u->rest->range), last - cut);
	must_be(rt_range_pfn(u->rest->range), u->run.pfn + cut - first);
	must_count_as_both(u);
	give_back(u);
	for (uint64_t i = 0; i < last - first; i++)
		must_be(count_of(u, i), 0);
}

static void every_cut(struct user *u)
{
	for (uint64_t cut = 1; cut < PAGES; cut++)
		cut_at(u, 0, PAGES, cut);
	for (uint64_t cut = 504; cut < 530; cut++)
		cut_at(u, 503, 530, cut);
	pool_check(u->pool, "cuts");
}

/* Its pages have left the file, and are free when both halves are given back. */
static void cut_orphan(struct user *u, uint64_t cut)
{
	uint64_t free = pool_info(u->pool).pages_free;

	pattern_file(u->pool, "g", PAGES * PAGE, 2);
	OK(pf_close(u->file));
	OK(pf_open(u->pool, "g", PF_O_RDWR, 0, &u->file));
	take(u, 0, PAGES);
	OK(pf_truncate(u->file, PAGE, PF_DETACH, 0));
	OK(pf_unlink(u->pool, "g"));
	must_be(divide(u, cut), 0);
	must_count_as_both(u);
	pool_check(u->pool, "orphans divided");
	dax_drop(u->me, u->pages, &u->hold->range, false);
	pool_check(u->pool, "the first half given back");
	give_back(u);
	OK(pf_close(u->file));
	OK(pf_open(u->pool, "f", PF_O_RDWR, 0, &u->file));
	pool_check(u->pool, "both given back");
	must_be(pool_info(u->pool).pages_free, free);
}

static void refuses(struct user *u)
{
	take(u, 0, PAGES);
	dax_drop(u->me, u->pages, &u->hold->range, false);
	must_be(divide(u, 5), -PF_EAGAIN);
	must_be(u->rest->range, 0);
	give_back(u);
}

/* ---- deaths ------------------------------------------------------------------------------------------ */

#ifdef PF_STEPS
static long steps_left;

static void die(const char *name)
{
	(void)name;
	if (--steps_left == 0)
		kill(getpid(), SIGKILL);
}

static int killed(void *arg)
{
	const long *at = arg;
	struct user u;

	begin(&u);
	take(&u, 0, PAGES);
	steps_left = at[0];
	step_hook = die;
	divide(&u, (uint64_t)at[1]);
	step_hook = NULL;
	return 0;
}

static void kill_everywhere(struct user *u, long cut)
{
	long at[] = {1, cut};

	while (test_in_child(killed, at) != 0) {
		pool_check(u->pool, "killed while it divided");
		take(u, 0, PAGES);
		for (uint64_t i = 0; i < PAGES; i++)
			must_be(count_of(u, i), 1);
		give_back(u);
		at[0]++;
	}
	printf("killed at %ld steps, cut at %ld\n", at[0] - 1, cut);
	must(at[0] > 5);
	pool_check(u->pool, "none was killed");
}
#endif

/* ---- at the same time -------------------------------------------------------------------------------- */

static pthread_barrier_t start;

static void *drop(void *arg)
{
	struct user *u = arg;
	struct rt_self *me = pool_self(u->pool);

	pthread_barrier_wait(&start);
	dax_drop(me, u->pages, &u->hold->range, false);
	return NULL;
}

static void race(struct user *u, unsigned rounds)
{
	unsigned divided = 0;

	pthread_barrier_init(&start, NULL, 2);
	for (unsigned i = 0; i < rounds; i++) {
		pthread_t thread;
		int rc;

		take(u, 0, PAGES);
		must(pthread_create(&thread, NULL, drop, u) == 0);
		pthread_barrier_wait(&start);
		rc = divide(u, 512 + i % 7);
		must(pthread_join(thread, NULL) == 0);
		must(rc == 0 || rc == -PF_EAGAIN);
		divided += rc == 0;
		must_be(u->hold->range, 0);
		must_be(u->rest->range != 0, rc == 0);
		must_count_as_both(u);
		give_back(u);
	}
	printf("divided in %u of %u rounds\n", divided, rounds);
	pool_check(u->pool, "races");
}

int main(void)
{
	struct user u;
	pf_pool *pool;

	path = pool_make("split", 32);
	pool = pool_open(path);
	pattern_file(pool, "f", PAGES * PAGE, 1);
	OK(pf_pool_close(pool));
	begin(&u);
	every_cut(&u);
	cut_orphan(&u, 100);
	cut_orphan(&u, 520);
	refuses(&u);
#ifdef PF_STEPS
	kill_everywhere(&u, 512);
	kill_everywhere(&u, 100);
	kill_everywhere(&u, 531);
#endif
	race(&u, 300);
	end(&u);
	return 0;
}
