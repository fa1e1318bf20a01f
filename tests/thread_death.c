/*
 * Death is the process's, not a thread's: a thread ends inside an operation, whatever locks it has, while its siblings store through their
 * maps; nothing of theirs is given back, others use the files, and the check is clean.
 */
/* test: suite=short timeout=120 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/step.h"
#include "ops.h"

#ifdef PF_STEPS
#define SIBLINGS 2u
#define PAGE     PF_PAGE_SIZE

/* Shared with the process whose thread ends. */
struct death {
	const char *path;
	const struct op *op;
	long at;
	int dead, go_on; /* gates */
	_Atomic int ended_inside;
	char where[64];
};

static struct death *death;

/* ---- the process whose thread ends -------------------------------------------------------------------- */

static _Thread_local long steps_left; /* 0: this thread does not end */
static struct op_state state;
static pthread_barrier_t is_set_up, may_run;
static _Atomic int stop, storing;

/* The arena's steps are inside a mutex of the process, which a thread does not end in without its process. */
static void end_thread(const char *name)
{
	if (!steps_left || !strncmp(name, "arena", 5) || --steps_left)
		return;
	snprintf(death->where, sizeof death->where, "%s", name);
	atomic_store(&death->ended_inside, 1);
	syscall(SYS_exit, 0);
}

static void *dying(void *unused)
{
	(void)unused;
	ops_setup(death->op, death->path, &state);
	pthread_barrier_wait(&is_set_up);
	pthread_barrier_wait(&may_run);
	steps_left = death->at;
	death->op->run(&state);
	steps_left = 0;
	return NULL;
}

/* Stores, and finds what it stored, in a page that is its alone. */
static void *storing_sibling(void *number)
{
	uint64_t n = (uint64_t)(uintptr_t)number, v = n << 48;
	volatile uint64_t *word;
	pf_file *file;
	pf_map *map;

	OK(pf_open(state.pool, "sibling", PF_O_RDWR, 0, &file));
	OK(pf_map_file(file, n * PAGE, PAGE, PF_MAP_WRITE, &map));
	word = pf_map_address(map);
	do {
		v++;
		for (unsigned i = 0; i < PAGE / 8; i++)
			word[i] = v + i;
		atomic_fetch_add(&storing, v == (n << 48) + 1);
		for (unsigned i = 0; i < PAGE / 8; i++)
			must_be(word[i], v + i);
	} while (!atomic_load(&stop));
	return NULL;
}

static int process(void *unused)
{
	pthread_t thread, sibling[SIBLINGS];

	(void)unused;
	pthread_barrier_init(&is_set_up, NULL, 2);
	pthread_barrier_init(&may_run, NULL, 2);
	step_hook = end_thread;
	must(pthread_create(&thread, NULL, dying, NULL) == 0);
	pthread_barrier_wait(&is_set_up);
	for (uintptr_t i = 0; i < SIBLINGS; i++)
		must(pthread_create(&sibling[i], NULL, storing_sibling, (void *)i) == 0);
	while (atomic_load(&storing) < (int)SIBLINGS)
		sched_yield();
	pthread_barrier_wait(&may_run);
	must(pthread_join(thread, NULL) == 0);
	test_gate_open(death->dead);
	test_gate_wait(death->go_on);
	atomic_store(&stop, 1);
	for (unsigned i = 0; i < SIBLINGS; i++)
		must(pthread_join(sibling[i], NULL) == 0);
	OK(pf_reap(state.pool));
	if (death->at % 2)
		OK(pf_pool_close(state.pool));
	_exit(0);
}

/* ---- the others ------------------------------------------------------------------------------------- */

static int is_mine(void *arg, const struct pf_holder *holder)
{
	struct {
		pid_t pid;
		unsigned maps;
	} *count = arg;

	count->maps +=
		holder->pid == count->pid && holder->kind == PF_HOLD_MAP && holder->length == PAGE;
	return 0;
}

/* Every file is written, shortened and unlinked; the siblings hold what they held. */
static void use_files(pf_pool *pool, pid_t pid)
{
	static const char *const names[] = {"a", "b", "c", "d", "e", "new"};
	struct {
		pid_t pid;
		unsigned maps;
	} count = {pid, 0};

	for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
		pf_file *file;
		int rc = pf_open(pool, names[i], PF_O_RDWR | PF_O_CREATE, 0600, &file);

		if (rc == -PF_EISDIR)
			continue; /* an operation exchanged it with a directory */
		OK(rc);
		must_be(pf_write(file, "abc", 3, 70000), 3);
		OK(pf_truncate(file, 5000, PF_DETACH, 0));
		OK(pf_close(file));
		/* What the dead thread had committed is done by who takes the file's lock: then it is an exchange, too. */
		rc = pf_unlink(pool, names[i]);
		if (rc != -PF_EISDIR)
			OK(rc);
	}
	OK(pf_unlink(pool, "sibling"));
	OK(pf_holders(pool, is_mine, &count));
	must(count.maps >= SIBLINGS);
}

static void must_be_zeros(pf_file *file, uint64_t length)
{
	static const char zeros[PAGE];
	const struct pf_chunk *chunk;
	size_t chunks;
	pf_pin *pin;

	OK(pf_pin_file(file, 0, length, 0, &pin));
	chunk = pf_pin_chunks(pin, &chunks);
	for (size_t c = 0; c < chunks; c++)
		for (size_t i = 0; i < chunk[c].length; i += PAGE)
			must_be(memcmp((char *)chunk[c].address + i, zeros, PAGE), 0);
	OK(pf_unpin(pin));
}

/* True if the thread ended inside the operation. */
static bool one_death(pf_pool *pool, const struct op *op, long at)
{
	pid_t neighbour = ops_neighbour(death->path, op->neighbour), pid;
	uint64_t length;
	char what[200];
	pf_file *fill;

	death->op = op;
	death->at = at;
	atomic_store(&death->ended_inside, 0);
	pattern_file(pool, "sibling", SIBLINGS * PAGE, 3);
	pid = test_fork(process, NULL);
	test_gate_wait(death->dead);
	snprintf(what, sizeof what, "a thread's end in %s at step %ld, %s", op->name, at,
		 death->ended_inside ? death->where : "none");
	use_files(pool, pid);
	pool_check(pool, what);
	length = pool_info(pool).pages_free * PAGE;
	OK(pf_open(pool, "fill", PF_O_RDWR | PF_O_CREATE, 0600, &fill));
	OK(pf_allocate(fill, 0, length, 0));
	test_gate_open(death->go_on);
	if (test_wait(pid, TEST_PATIENCE))
		test_fail(__FILE__, __LINE__, "%s", what);
	must_be_zeros(fill, length);
	OK(pf_close(fill));
	if (neighbour)
		test_kill(neighbour);
	pool_empty(pool, what);
	ops_prepare(pool);
	return death->ended_inside;
}

/* Operations that have a lock of the process, not of the thread: its attaches, its windows, and the right to reap. */
static bool left_out(const struct op *op)
{
	return op->dead || strstr(op->name, "the pool") || strstr(op->name, "window") ||
	       strstr(op->name, "by address");
}

int main(void)
{
	long *most = calloc(ops_count, sizeof *most);
	struct test_random r;
	unsigned deaths = 0;
	pf_pool *pool;

	death = mmap(NULL, sizeof *death, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	must(death != MAP_FAILED && most);
	death->path = pool_make("pool", 16);
	death->dead = test_gate();
	death->go_on = test_gate();
	r.state = test_seed();
	pool = pool_open(death->path);
	ops_prepare(pool);
	for (unsigned i = 0; i < ops_count; i++)
		most[i] = 60;
	while (test_time_left(0.8)) {
		unsigned i = (unsigned)test_below(&r, ops_count);
		long at = 1 + (long)test_below(&r, (uint64_t)most[i]);

		if (left_out(&ops[i]))
			continue;
		if (one_death(pool, &ops[i], at))
			deaths++;
		else if (at < most[i])
			most[i] = at;
	}
	printf("%u threads ended inside an operation\n", deaths);
	must(deaths > 0);
	OK(pf_pool_close(pool));
	free(most);
	return 0;
}
#else
int main(void)
{
	skip("this build has no steps; make test-debug has");
}
#endif
