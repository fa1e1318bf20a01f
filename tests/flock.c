/* Locks on bytes of files are those of the host: random ones of several handles beside fcntl(2)'s on tmpfs; and who is killed, or closes, has none. */
/* test: suite=short timeout=120 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pool.h"

#define HANDLES 4
#define BYTES   24 /* so that locks meet, touch and are cut all the time */

static const char *path;
static pf_pool *pool;
static pf_file *file[HANDLES];
static int fd[HANDLES];

static void reopen(int i)
{
	if (file[i])
		OK(pf_close(file[i]));
	OK(pf_open(pool, "f", PF_O_RDWR, 0, &file[i]));
	if (fd[i] > 0)
		close(fd[i]);
	fd[i] = open(test_path("f"), O_RDWR);
	must(fd[i] >= 0);
}

static int host_lock(int i, const struct pf_lock *l, int command, struct flock *f)
{
	*f = (struct flock){.l_type = l->type == PF_LOCK_NONE     ? F_UNLCK
				      : l->type == PF_LOCK_SHARED ? F_RDLCK
								  : F_WRLCK,
			    .l_whence = SEEK_SET,
			    .l_start = (off_t)l->offset,
			    .l_len = (off_t)l->length};
	return fcntl(fd[i], command, f) < 0 ? errno : 0;
}

static void one(struct test_random *r)
{
	int i = (int)test_below(r, HANDLES), host, ours;
	struct pf_lock l = {.type = (enum pf_lock_type)test_below(r, 3),
			    .offset = test_below(r, BYTES),
			    .length = test_below(r, 8)};
	struct flock f;

	if (test_below(r, 40) == 0) {
		reopen(i);
		return;
	}
	if (l.type != PF_LOCK_NONE && test_below(r, 3) == 0) {
		host_lock(i, &l, F_OFD_GETLK, &f);
		OK(pf_lock_test(file[i], &l));
		must_be(l.type == PF_LOCK_NONE, f.l_type == F_UNLCK);
		return;
	}
	host = host_lock(i, &l, F_OFD_SETLK, &f);
	ours = -pf_lock(file[i], &l, 0);
	if (host != (ours ? pf_errno(ours) : 0))
		test_fail(__FILE__, __LINE__,
			  "handle %d, type %d, %lu bytes at %lu: %d, the host says %d", i, l.type,
			  (unsigned long)l.length, (unsigned long)l.offset, ours, host);
}

static void like_host(void)
{
	struct test_random random = {test_seed()};

	test_write_file(test_path("f"), "", 0);
	for (int i = 0; i < HANDLES; i++)
		reopen(i);
	for (unsigned n = 0; n < 20000 || test_time_left(0.2); n++)
		one(&random);
	for (int i = 0; i < HANDLES; i++) {
		OK(pf_close(file[i]));
		close(fd[i]);
	}
}

/* ---- owners, and the two kinds ---- */

static int lock(pf_file *f, enum pf_lock_type type, unsigned flags, uint64_t owner)
{
	return pf_lock(f, &(struct pf_lock){.type = type, .flags = flags, .owner = owner}, 0);
}

static void owners(void)
{
	struct pf_lock asked = {.type = PF_LOCK_EXCLUSIVE, .owner = 3};
	pf_file *a, *b;

	OK(pf_open(pool, "f", PF_O_RDWR, 0, &a));
	OK(pf_open(pool, "f", PF_O_RDWR, 0, &b));
	OK(pf_lock(a,
		   &(struct pf_lock){.type = PF_LOCK_EXCLUSIVE,
				     .offset = 5,
				     .length = 5,
				     .owner = 7,
				     .pid = 4321},
		   0));
	OK(lock(b, PF_LOCK_EXCLUSIVE, 0, 7)); /* the same owner, by another handle */
	OK(pf_lock(a, &(struct pf_lock){.type = PF_LOCK_NONE, .length = 5, .owner = 7}, 0));
	OK(pf_lock_test(b, &asked));
	must_be(asked.type, PF_LOCK_EXCLUSIVE);
	must_be((long)asked.offset, 5);
	must_be((long)asked.length, 0);
	OK(pf_close(b)); /* numbered owners keep theirs */
	must_be(lock(a, PF_LOCK_SHARED, 0, 0), -PF_ELOCKED);
	OK(lock(a, PF_LOCK_EXCLUSIVE, PF_LOCK_FLOCK, 0));
	must_be(lock(a, PF_LOCK_SHARED, PF_LOCK_FLOCK, 9), -PF_ELOCKED);
	OK(lock(a, PF_LOCK_SHARED, PF_LOCK_FLOCK, 0));
	OK(lock(a, PF_LOCK_SHARED, PF_LOCK_FLOCK, 9));
	OK(lock(a, PF_LOCK_NONE, PF_LOCK_FLOCK, 9));
	OK(lock(a, PF_LOCK_NONE, 0, 7));
	OK(lock(a, PF_LOCK_SHARED, 0, 0));
	must_be(pf_lock(a,
			&(struct pf_lock){.type = PF_LOCK_SHARED,
					  .offset = UINT64_MAX,
					  .length = 2},
			0),
		-PF_ERANGE);
	must_be(pf_lock(a, &(struct pf_lock){.type = (enum pf_lock_type)3}, 0), -PF_EFLAGS);
	must_be(pf_lock(a, &(struct pf_lock){.flags = 4}, 0), -PF_EFLAGS);
	must_be(pf_lock(a, &(struct pf_lock){.flags = PF_LOCK_AGAIN}, 1), -PF_EFLAGS);
	OK(pf_close(a));
}

/* ---- processes ---- */

static struct {
	_Atomic unsigned long inside, turns;
} * shared;
static int ready;

/* Adds to two counters that are equal whenever nobody has the lock. */
static int takes_turns(void *arg)
{
	struct test_random random = {(uintptr_t)arg};
	pf_file *f;

	pool = pool_open(path);
	OK(pf_open(pool, "f", PF_O_RDWR, 0, &f));
	for (int i = 0; i < 300; i++) {
		struct pf_lock l = {.type = PF_LOCK_EXCLUSIVE,
				    .offset = test_below(&random, 5),
				    .length = 6};

		OK(pf_lock(f, &l, -1));
		must_be((long)shared->inside++, 0);
		shared->turns++;
		if (i % 16 == 0)
			usleep(200);
		must_be((long)--shared->inside, 0);
		l.type = PF_LOCK_NONE;
		OK(pf_lock(f, &l, 0));
	}
	OK(pf_close(f));
	OK(pf_pool_close(pool));
	return 0;
}

static int dies_with_it(void *arg)
{
	pf_file *f;

	(void)arg;
	pool = pool_open(path);
	OK(pf_open(pool, "f", PF_O_RDWR, 0, &f));
	OK(lock(f, PF_LOCK_EXCLUSIVE, 0, 5));
	test_gate_open(ready);
	for (;;)
		pause();
}

static void processes(void)
{
	pid_t pid[4];
	pf_file *f;

	for (uintptr_t i = 0; i < 4; i++)
		pid[i] = test_fork(takes_turns, (void *)(i + 1));
	for (int i = 0; i < 4; i++)
		must_be(test_wait(pid[i], TEST_PATIENCE), 0);
	must_be((long)shared->turns, 4 * 300);

	pid[0] = test_fork(dies_with_it, NULL);
	test_gate_wait(ready);
	OK(pf_open(pool, "f", PF_O_RDWR, 0, &f));
	must_be(lock(f, PF_LOCK_SHARED, 0, 0), -PF_ELOCKED);
	must_be(pf_lock(f, &(struct pf_lock){.type = PF_LOCK_SHARED}, 30), -PF_ELOCKED);
	test_kill(pid[0]);
	OK(lock(f, PF_LOCK_SHARED, 0, 0)); /* not reaped yet */
	pool_check(pool, "a process with locks was killed");
	OK(lock(f, PF_LOCK_EXCLUSIVE, 0, 0));
	/* Unlinked and open: locks go with the handle, and the number is used again without them. */
	OK(pf_unlink(pool, "f"));
	OK(pf_close(f));
	pattern_file(pool, "f", 1, 1);
	OK(pf_open(pool, "f", PF_O_RDWR, 0, &f));
	OK(lock(f, PF_LOCK_EXCLUSIVE, 0, 0));
	OK(pf_close(f));
}

int main(void)
{
	path = strdup(pool_make("pool", 16));
	pool = pool_open(path);
	pattern_file(pool, "f", 100, 1);
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	must(shared != MAP_FAILED);
	ready = test_gate();
	like_host();
	owners();
	processes();
	pool_empty(pool, "locked");
	OK(pf_pool_close(pool));
	return 0;
}
