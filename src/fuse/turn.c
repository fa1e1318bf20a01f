/*
 * Whose turn it is to read the next request. If all threads waited for one, the kernel would wake the one that has waited longest
 * for each; so one at a time reads, and as long as requests come within the time that falling asleep and being woken takes, it
 * does not sleep but asks again and again.
 *
 * It carries out what it has read itself, and then reads again: others need not be woken for what is over at once. One of
 * those that have no turn stands by: when a request takes longer, or more come than one thread gets done, it takes the turn. It
 * sleeps while nothing happens, and looks every few milliseconds while something does.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "fuse/mount.h"

enum {
	ASK_NS = 60000,    /* how long it asks before it sleeps */
	BUSY_NS = 200000,  /* of work without a pause, after which another one is called */
	LOOK_NS = 2000000, /* between two looks of who stands by */
	QUIET_LOOKS = 10,  /* at which nothing has happened: then it sleeps */
	DOUBLINGS = 7      /* of how often it does not ask, as it was in vain */
};

static atomic_bool reading;            /* somebody has the turn */
static atomic_bool standing_by;        /* somebody stands by */
static atomic_bool asleep;             /* and sleeps until a request is taken */
static atomic_bool called;             /* and is to take the turn */
static atomic_uint taken;              /* requests */
static atomic_uint on_bench;           /* those that neither read nor stand by */
static atomic_uint to_stand_by, bench; /* calls that nobody has heard yet: futexes */

/* Of who has the turn. */
static uint64_t busy_since_ns;
static unsigned in_vain, do_not_ask;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ---- those without the turn ------------------------------------------------------------------------ */

/* A system call that sleeps. libfuse cancels the thread there, as in the C library's own; ThreadSanitizer does not know of
 * this one: it would take a thread that was cancelled in one of those as if it were there still. */
static long sleep_in(long number, void *first, long second, long third, const void *fourth)
{
	long rc;
	int old;

	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
	rc = syscall(number, first, second, third, fourth, NULL, 0);
	pthread_setcanceltype(old, &old);
	return rc;
}

/* Until somebody calls, or has, or `ns` are over; 0: no limit. */
static void sleep_on(atomic_uint *calls, uint64_t ns)
{
	struct timespec limit = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};

	for (;;) {
		unsigned count = atomic_load(calls);

		if (count && atomic_compare_exchange_strong(calls, &count, count - 1))
			return;
		if (!count &&
		    sleep_in(SYS_futex, calls, FUTEX_WAIT_PRIVATE, 0, ns ? &limit : NULL) < 0 &&
		    errno == ETIMEDOUT)
			return;
	}
}

static void call(atomic_uint *calls)
{
	atomic_fetch_add(calls, 1);
	syscall(SYS_futex, calls, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Until the next request is taken; unless one has been, since `seen` of them were. */
static void sleep_long(unsigned seen)
{
	atomic_store(&asleep, true);
	if (atomic_load(&taken) == seen && atomic_load(&reading))
		sleep_on(&to_stand_by, 0);
	atomic_store(&asleep, false);
}

/* Returns when it is to try for the turn. */
static void stand_by(void)
{
	unsigned quiet = 0;

	for (;;) {
		unsigned seen = atomic_load(&taken);

		if (quiet < QUIET_LOOKS)
			sleep_on(&to_stand_by, LOOK_NS);
		else
			sleep_long(seen);
		if (atomic_exchange(&called, false))
			return;
		quiet = atomic_load(&taken) == seen ? quiet + 1 : 0;
		if (quiet && !atomic_load(&reading))
			return; /* whoever took the last request has it still */
	}
}

static void sit_on_bench(void)
{
	atomic_fetch_add(&on_bench, 1);
	if (atomic_load(&standing_by))
		sleep_on(&bench, 0);
	atomic_fetch_sub(&on_bench, 1);
}

static void get_turn(void)
{
	while (atomic_exchange(&reading, true)) {
		if (atomic_exchange(&standing_by, true)) {
			sit_on_bench();
			continue;
		}
		stand_by();
		atomic_store(&standing_by, false);
		if (atomic_load(&on_bench))
			call(&bench);
	}
}

/* A request was taken, or there is an error. Somebody else reads meanwhile if `to_another`; if not, who stands by sees to it. */
static void give_turn(bool to_another)
{
	atomic_fetch_add(&taken, 1);
	atomic_store(&reading, false);
	if (to_another && atomic_load(&standing_by) && !atomic_exchange(&called, true))
		call(&to_stand_by);
	else if (atomic_exchange(&asleep, false))
		call(&to_stand_by);
}

/* ---- the one with the turn ------------------------------------------------------------------------- */

static bool is_none(ssize_t n)
{
	return n < 0 && errno == EAGAIN;
}

/* Asks until there is one or it has taken too long. */
static ssize_t ask(int fd, void *buffer, size_t size)
{
	uint64_t begin = now_ns();
	ssize_t n;

	do
		n = read(fd, buffer, size);
	while (is_none(n) && now_ns() - begin < ASK_NS);
	if (is_none(n)) {
		in_vain += in_vain < DOUBLINGS;
		do_not_ask = 1u << in_vain;
	} else {
		in_vain = 0;
	}
	return n;
}

/* As a read() that waits. *busy: there was no pause before this request, for long. */
static ssize_t read_next(int fd, void *buffer, size_t size, bool *busy)
{
	ssize_t n = read(fd, buffer, size);

	*busy = false;
	if (!is_none(n)) {
		*busy = now_ns() - busy_since_ns > BUSY_NS;
		return n;
	}
	if (do_not_ask)
		do_not_ask--;
	else
		n = ask(fd, buffer, size);
	while (is_none(n)) {
		struct pollfd device = {.fd = fd, .events = POLLIN};

		if (sleep_in(SYS_ppoll, &device, 1, 0, NULL) < 0)
			return -1;
		n = read(fd, buffer, size);
	}
	busy_since_ns = now_ns();
	return n;
}

/* May take long by what it is. */
static bool is_long(const struct fuse_in_header *in)
{
	return in->opcode == FUSE_SETATTR || in->opcode == FUSE_FSYNC ||
	       in->opcode == FUSE_FALLOCATE || in->opcode == FUSE_COPY_FILE_RANGE;
}

/* The device that this thread reads does not make it wait. */
static int make_ready(int fd)
{
	static _Thread_local int ready = -1;
	int flags;

	if (fd == ready)
		return 0;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -1;
	ready = fd;
	return 0;
}

ssize_t turn_read(int fd, void *buffer, size_t size)
{
	bool busy;
	ssize_t n;

	if (make_ready(fd) < 0)
		return -1;
	get_turn();
	n = read_next(fd, buffer, size, &busy);
	give_turn(busy || (n >= (ssize_t)sizeof(struct fuse_in_header) && is_long(buffer)));
	return n;
}
