/* Attach racing the last close: everybody gets in, and the last one out is alone. Then the same with processes killed at random. */
/* test: timeout=120 */
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "media.h"
#include "test.h"

#define WORKERS 4

static const char *path;
static bool may_die; /* workers are killed: counts of theirs are not exact */

static int alone(struct media *m)
{
	if (!may_die)
		must_be(load_acquire(&m->shared->users), 0);
	return 0;
}

/* Stays in for up to about a millisecond, so that all of joining, being alone and being told to wait are met. */
static void use(struct media *m, struct test_random *r)
{
	struct rt_self *me = media_self(m);

	atomic_fetch_add(&m->shared->users, 1);
	for (uint64_t n = test_below(r, 20000); n-- > 0;) {
		int rc = rt_lock(me, &m->shared->locks[0]);

		must(rc == 0 || (may_die && rc == RT_LOCK_REPAIR));
		store_relaxed(&m->shared->words[0], load_relaxed(&m->shared->words[0]) + 1);
		rt_unlock(me, &m->shared->locks[0]);
	}
	must(load_acquire(&m->rt->header->state) != RT_GONE);
	if (may_die)
		media_reap(m);
	atomic_fetch_sub(&m->shared->users, 1);
}

static int worker(void *arg)
{
	struct test_random r = {test_seed() + (uint64_t)getpid()};
	struct media m;
	int rounds = 0;

	(void)arg;
	do {
		must_be(media_attach(path, 0, &m), 0);
		use(&m, &r);
		media_detach(&m);
		rounds++;
	} while (test_time_left(0.2));
	printf("%d rounds, %u runtimes made\n", rounds, media_builds);
	return 0;
}

static int worker_for_ever(void *arg)
{
	struct test_random r = {test_seed() + (uint64_t)getpid()};
	struct media m;

	for (;;) {
		must_be(media_attach(path, 0, &m), 0);
		use(&m, &r);
		media_detach(&m);
	}
	return *(int *)arg;
}

static void undisturbed(void)
{
	pid_t pids[WORKERS];

	media_in_finish = alone;
	for (unsigned i = 0; i < WORKERS; i++)
		pids[i] = test_fork(worker, NULL);
	for (unsigned i = 0; i < WORKERS; i++)
		must_be(test_wait(pids[i], TEST_PATIENCE), 0);
	must_be(media_files(test_dir()), 0);
}

static void disturbed(void)
{
	struct test_random r = {test_seed()};
	struct media m;
	pid_t pids[WORKERS];
	unsigned kills = 0;

	may_die = true;
	for (unsigned i = 0; i < WORKERS; i++)
		pids[i] = test_fork(worker_for_ever, NULL);
	for (; test_time_left(0.5); kills++) {
		unsigned i = (unsigned)test_below(&r, WORKERS);
		struct timespec pause = {.tv_nsec = (long)test_below(&r, 2000000)};

		nanosleep(&pause, NULL);
		test_kill(pids[i]); /* fails if it ended by itself */
		pids[i] = test_fork(worker_for_ever, NULL);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		test_kill(pids[i]);
	must_be(media_attach(path, 0, &m), 0);
	media_reap(&m);
	media_detach(&m);
	must_be(media_files(test_dir()), 0);
	printf("%u kills\n", kills);
}

int main(void)
{
	path = media_make("pool");
	test_time_left(0.1);
	test_seed();
	undisturbed();
	disturbed();
	return 0;
}
