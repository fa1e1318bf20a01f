/* Of processes that wait for each other's locks exactly one is told EDEADLK, as by the host: by the library, on a mount and mixed; and nobody is who does not. */
/* test: suite=short timeout=120 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mounted.h"
#include "pool.h"

#define MOST 3

/* How somebody locks, one letter for each: h: system calls on tmpfs, l: the library, m: system calls on a mount. */
static struct shared {
	_Atomic unsigned refused, had;
} * shared;
static const char *pool_path, *mount_path;
static int ready, go;

/* ---- somebody who locks ---------------------------------------------------------------------------- */

static struct {
	char way;
	pf_pool *pool;
	pf_file *file[MOST];
	int fd[MOST];
} me;

static void begin(char way)
{
	me.way = way;
	me.pool = way == 'l' ? pool_open(pool_path) : NULL;
	for (int i = 0; i < MOST; i++) {
		char name[16];

		snprintf(name, sizeof name, "f%d", i);
		if (me.pool) {
			OK(pf_open(me.pool, name, PF_O_RDWR, 0, &me.file[i]));
			continue;
		}
		me.fd[i] = openat(AT_FDCWD,
				  way == 'h' ? test_path("%s", name)
					     : test_path("%s/%s", mount_path, name),
				  O_RDWR | O_CREAT | O_CLOEXEC, 0644);
		must(me.fd[i] >= 0);
	}
}

static void end(void)
{
	for (int i = 0; i < MOST; i++)
		if (me.pool)
			OK(pf_close(me.file[i]));
		else
			close(me.fd[i]);
	if (me.pool)
		OK(pf_pool_close(me.pool));
}

/* One byte; waits. 0, or an errno. */
static int lock(int file, enum pf_lock_type type, uint64_t at)
{
	static const short types[] = {F_UNLCK, F_RDLCK, F_WRLCK};
	struct pf_lock l = {.type = type, .offset = at, .length = 1, .owner = 1};
	struct flock f = {.l_type = types[type],
			  .l_whence = SEEK_SET,
			  .l_start = (off_t)at,
			  .l_len = 1};

	if (me.pool) {
		int rc = pf_lock(me.file[file], &l, (int)TEST_PATIENCE);

		return rc < 0 ? pf_errno(rc) : 0;
	}
	return fcntl(me.fd[file], F_SETLKW, &f) < 0 ? errno : 0;
}

/* ---- rings ----------------------------------------------------------------------------------------- */

/* Everybody has one, and then wants that of the next. */
enum kind { FILES, BYTES, UPGRADE };
static const char *const kinds[] = {"files", "bytes of one file", "a shared lock that both have"};
struct party {
	enum kind kind;
	char way;
	int number, of;
};

static int take(const struct party *p, int number, bool first)
{
	switch (p->kind) {
	case FILES:
		return lock(number, PF_LOCK_EXCLUSIVE, 0);
	case BYTES:
		return lock(0, PF_LOCK_EXCLUSIVE, (uint64_t)number);
	default:
		return lock(0, first ? PF_LOCK_SHARED : PF_LOCK_EXCLUSIVE, 5);
	}
}

static void give_all(void)
{
	for (int i = 0; i < MOST; i++)
		for (uint64_t at = 0; at < 6; at++)
			must_be(lock(i, PF_LOCK_NONE, at), 0);
}

static int in_ring(void *arg)
{
	const struct party *p = arg;
	int rc;

	begin(p->way);
	must_be(take(p, p->number, true), 0);
	test_gate_open(ready);
	test_gate_wait(go);
	rc = take(p, (p->number + 1) % p->of, false);
	if (rc == EDEADLK)
		shared->refused++;
	else
		must_be(rc, 0);
	give_all();
	end();
	return 0;
}

static void ring(enum kind kind, const char *ways)
{
	struct party parties[MOST];
	pid_t pid[MOST];
	int n = (int)strlen(ways);

	shared->refused = 0;
	for (int i = 0; i < n; i++) {
		parties[i] = (struct party){kind, ways[i], i, n};
		pid[i] = test_fork(in_ring, &parties[i]);
		test_gate_wait(ready);
	}
	for (int i = 0; i < n; i++)
		test_gate_open(go);
	for (int i = 0; i < n; i++)
		must_be(test_wait(pid[i], TEST_PATIENCE), 0);
	if (shared->refused != 1)
		test_fail(__FILE__, __LINE__, "%s, by %s: %u of %d were told", kinds[kind], ways,
			  shared->refused, n);
}

static void rings(const char *const ways[])
{
	for (int i = 0; ways[i]; i++) {
		ring(FILES, ways[i]);
		ring(BYTES, ways[i]);
		if (strlen(ways[i]) == 2)
			ring(UPGRADE, ways[i]);
	}
}

/* ---- what is none ---------------------------------------------------------------------------------- */

static pf_file *file[2];

static int lock_as(int i, uint64_t owner, unsigned flags, int timeout_ms)
{
	return pf_lock(file[i],
		       &(struct pf_lock){.type = PF_LOCK_EXCLUSIVE, .flags = flags, .owner = owner},
		       timeout_ms);
}

/* Has f1, and waits for f0. */
static int waits(void *arg)
{
	uint64_t owner = (uintptr_t)arg;
	pf_pool *pool = pool_open(pool_path);
	int rc;

	for (int i = 0; i < 2; i++)
		OK(pf_open(pool, i ? "f1" : "f0", PF_O_RDWR, 0, &file[i]));
	OK(lock_as(1, owner, 0, 0));
	test_gate_open(ready);
	test_gate_wait(go);
	do
		rc = lock_as(0, owner, 0, owner ? (int)TEST_PATIENCE : 200);
	while (rc == -PF_EDEADLOCK); /* the one who kills it began to wait before */
	must_be(rc, owner ? 0 : -PF_ELOCKED);
	OK(pf_close(file[0]));
	OK(pf_close(file[1]));
	OK(pf_pool_close(pool));
	return 0;
}

/* Waits with a limit, or as somebody who is the open file and not a process: nobody is told, and whose time is over is in nobody's way. */
static void no_rings(pf_pool *pool)
{
	pid_t pid;

	for (int i = 0; i < 2; i++)
		OK(pf_open(pool, i ? "f1" : "f0", PF_O_RDWR, 0, &file[i]));
	OK(lock_as(0, 0, 0, 0));
	pid = test_fork(waits, NULL);
	test_gate_wait(ready);
	test_gate_open(go);
	must_be(lock_as(1, 0, 0, 100), -PF_ELOCKED);
	must_be(test_wait(pid, TEST_PATIENCE), 0);

	/* of the whole file */
	OK(lock_as(0, 3, PF_LOCK_FLOCK, 0));
	OK(lock_as(1, 4, PF_LOCK_FLOCK, 0));
	must_be(lock_as(1, 3, PF_LOCK_FLOCK, 20), -PF_ELOCKED);
	must_be(lock_as(0, 4, PF_LOCK_FLOCK, 20), -PF_ELOCKED);

	/* who tries again itself waits until it gives up */
	OK(pf_lock(file[0], &(struct pf_lock){.type = PF_LOCK_NONE}, 0));
	OK(lock_as(0, 5, 0, 0));
	OK(lock_as(1, 6, 0, 0));
	must_be(lock_as(1, 5, PF_LOCK_AGAIN, 0), -PF_ELOCKED);
	must_be(lock_as(0, 6, 0, 20), -PF_EDEADLOCK);
	must_be(lock_as(1, 5, PF_LOCK_AGAIN, 0), -PF_ELOCKED);
	must_be(lock_as(0, 6, 0, 0), -PF_ELOCKED);
	OK(pf_lock_give_up(file[1], &(struct pf_lock){.type = PF_LOCK_EXCLUSIVE, .owner = 5}));

	/* one's time is over before the other one waits */
	must_be(lock_as(1, 5, 0, 20), -PF_ELOCKED);
	must_be(lock_as(0, 6, 0, 20), -PF_ELOCKED);
	OK(pf_lock(file[1], &(struct pf_lock){.type = PF_LOCK_NONE, .owner = 6}, 0));
	OK(lock_as(1, 5, 0, 0));
	OK(pf_lock(file[1], &(struct pf_lock){.type = PF_LOCK_NONE, .owner = 5}, 0));
}

/* Has f1 as well, for as long as the other one may take it for who waited. */
static int has_it_for_a_while(void *arg)
{
	pf_pool *pool = pool_open(pool_path);

	OK(pf_open(pool, "f1", PF_O_RDWR, 0, &file[1]));
	OK(lock_as(1, (uintptr_t)arg, 0, 0));
	test_gate_open(ready);
	test_gate_wait(go);
	OK(pf_close(file[1]));
	OK(pf_pool_close(pool));
	return 0;
}

/* Somebody is killed who waited for what we have; the next process has its slot, and the same number as an owner. */
static void killed(void)
{
	pid_t pid = test_fork(waits, (void *)5);

	test_gate_wait(ready);
	test_gate_open(go);
	while (lock_as(0, 5, 0, 0) != 0 || lock_as(1, 5, 0, 30) != -PF_EDEADLOCK)
		; /* until it waits */
	test_kill(pid);
	OK(lock_as(1, 5, 0, 0));
	OK(pf_lock(file[1], &(struct pf_lock){.type = PF_LOCK_NONE, .owner = 5}, 0));
	pid = test_fork(has_it_for_a_while, (void *)5);
	test_gate_wait(ready);
	must_be(lock_as(1, 5, 0, 300), -PF_ELOCKED);
	test_gate_open(go);
	must_be(test_wait(pid, TEST_PATIENCE), 0);
	OK(lock_as(1, 5, 0, 0));
}

static void on_alarm(int signal)
{
	(void)signal;
}

/* Bytes that open files have, each through one: nobody is told, and who is interrupted gives back what it has. */
static int of_open_file(void *arg)
{
	struct sigaction action = {.sa_handler = on_alarm};
	int i = *(int *)arg;
	struct flock f = {.l_type = F_WRLCK, .l_start = i, .l_len = 1};

	begin('m');
	must(fcntl(me.fd[0], F_OFD_SETLK, &f) == 0);
	test_gate_open(ready);
	test_gate_wait(go);
	must(sigaction(SIGALRM, &action, NULL) == 0);
	if (i == 0)
		ualarm(300000, 0);
	f.l_start = !i;
	must_be(fcntl(me.fd[0], F_OFD_SETLKW, &f) < 0 ? errno : 0, i == 0 ? EINTR : 0);
	end();
	return 0;
}

static void open_files(void)
{
	int number[2] = {0, 1};
	pid_t pid[2];

	for (int i = 0; i < 2; i++) {
		pid[i] = test_fork(of_open_file, &number[i]);
		test_gate_wait(ready);
	}
	for (int i = 0; i < 2; i++)
		test_gate_open(go);
	for (int i = 0; i < 2; i++)
		must_be(test_wait(pid[i], TEST_PATIENCE), 0);
}

static void on_mount(void)
{
	static const char *const ways[] = {"mm", "lm", "ml", "mmm", "lml", "llm", NULL};

	if (mounted_cannot()) {
		skip_part("%s", mounted_cannot());
		return;
	}
	mounted_at(pool_path, "mount", "");
	mount_path = "mount";
	rings(ways);
	open_files();
	mounted_end();
}

int main(void)
{
	static const char *const ways[] = {"hh", "hhh", "ll", "lll", NULL};
	pf_pool *pool;

	pool_path = strdup(pool_make("pool", 16));
	pool = pool_open(pool_path);
	for (int i = 0; i < MOST; i++) {
		char name[16];

		snprintf(name, sizeof name, "f%d", i);
		pattern_file(pool, name, 1, (unsigned)i);
	}
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	must(shared != MAP_FAILED);
	ready = test_gate();
	go = test_gate();
	for (unsigned i = 0; i < 4; i++)
		rings(ways);
	on_mount();
	no_rings(pool);
	killed();
	OK(pf_close(file[0]));
	OK(pf_close(file[1]));
	pool_check(pool, "waiters were killed");
	OK(pf_pool_close(pool));
	return 0;
}
