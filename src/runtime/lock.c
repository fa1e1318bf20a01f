/* Ranked robust locks, see lock.h. */
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/step.h"
#include "runtime/local.h"

#define SPINS 100u /* looks at a lock before sleeping: a few microseconds */

void rt_lock_init(struct rt_lock *lock, enum rt_class rt_class, uint32_t number)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&lock->mutex, &attr);
	pthread_mutexattr_destroy(&attr);
	store_relaxed(&lock->owner, 0);
	lock->rt_class = rt_class;
	lock->number = number;
}

void rt_lock_name(const struct rt_lock *lock, char *text, size_t size)
{
	static const char *const names[] = {
		[RT_LOCK_NAMES] = "names lock",     [RT_LOCK_INODE] = "lock of inode",
		[RT_LOCK_META] = "node lock",       [RT_LOCK_DISCARD] = "discard lock",
		[RT_LOCK_ALLOC] = "allocator lock", [RT_LOCK_ARENA] = "arena lock",
	};

	if (lock->rt_class == RT_LOCK_INODE)
		snprintf(text, size, "%s %u", names[lock->rt_class], lock->number);
	else
		snprintf(text, size, "%s", names[lock->rt_class]);
}

/* Higher ranks only; two inode locks, and a third of a replaced file, in order of their numbers. */
static void check_rank(struct rt_self *me, const struct rt_lock *lock)
{
	CHECK(!(me->locks >> (lock->rt_class + (lock->rt_class == RT_LOCK_INODE))));
	(void)me;
	(void)lock;
}

/* The pid is a label: of another pid namespace it names nobody, or the wrong one, and the lock is only waited for longer. */
bool rt_pid_stopped(unsigned pid)
{
	char path[64], stat[512], *state;
	size_t n;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%u/stat", pid);
	f = fopen(path, "rce"); /* c: not a cancellation point */
	if (!f)
		return false;
	n = fread(stat, 1, sizeof stat - 1, f);
	fclose(f);
	stat[n] = 0;
	state = strrchr(stat, ')');
	return state && state[1] && (state[2] == 'T' || state[2] == 't');
}

/* Between taking the mutex and storing its name, the owner is known to the kernel's word of the mutex only, by thread. */
static unsigned owner_pid(struct rt_self *me, const struct rt_lock *lock)
{
	rt_owner owner = load_relaxed(&lock->owner);

	if (owner)
		return load_relaxed(&rt_slot_at(me->rt, rt_owner_slot(owner))->pid);
	return (unsigned)__atomic_load_n(&lock->mutex.__data.__lock, __ATOMIC_RELAXED) &
	       FUTEX_TID_MASK;
}

static int gave_up(struct rt_lock *lock, unsigned pid, int code)
{
	char name[64];

	rt_lock_name(lock, name, sizeof name);
	return err(code, "%s, which process %u has", name, pid);
}

#ifdef __SANITIZE_THREAD__
/* ThreadSanitizer of gcc 12 does not know pthread_mutex_clocklock(), nor that a timed lock may come from a dead owner. */
static int lock_within(pthread_mutex_t *mutex, uint64_t ns)
{
	uint64_t end = clock_mono() + ns;
	int rc;

	while ((rc = pthread_mutex_trylock(mutex)) == EBUSY && clock_mono() < end)
		sched_yield();
	return rc == EBUSY ? ETIMEDOUT : rc;
}
#else
static int lock_within(pthread_mutex_t *mutex, uint64_t ns)
{
	uint64_t end = clock_mono() + ns;
	struct timespec until = {.tv_sec = (time_t)(end / 1000000000),
				 .tv_nsec = (long)(end % 1000000000)};

	return pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &until);
}
#endif

/* Most sections are over in less time than a sleep and its end take. The mutex's word is looked at without taking its line from the owner. */
static int spin(pthread_mutex_t *mutex)
{
	int rc = EBUSY;

	for (unsigned i = 0; i < SPINS && rc == EBUSY; i++) {
		cpu_relax();
		if (!(__atomic_load_n(&mutex->__data.__lock, __ATOMIC_RELAXED) & FUTEX_TID_MASK))
			rc = pthread_mutex_trylock(mutex);
	}
	return rc;
}

/* In slices of the limit: a stopped owner ends the waiting at the first, another one after RT_PATIENCE of them. */
static int wait_for(struct rt_self *me, struct rt_lock *lock)
{
	uint64_t limit = MAX(me->rt->lock_limit_ms, 1u) * 1000000ull;
	unsigned pid = 0;
	int got = spin(&lock->mutex);

	if (got != EBUSY)
		return got;

	for (unsigned slice = 0; slice < RT_PATIENCE; slice++) {
		int rc = lock_within(&lock->mutex, limit);

		if (rc != ETIMEDOUT)
			return rc;
		pid = owner_pid(me, lock);
		if (pid && rt_pid_stopped(pid))
			return -gave_up(lock, pid, PF_ESTOPPED);
	}
	return -gave_up(lock, pid, PF_ELOCKTIME);
}

/* The dead owner's row is marked before our name takes the place of its name. */
static int got(struct rt_self *me, struct rt_lock *lock, int rc)
{
	if (unlikely(rc == EOWNERDEAD)) {
		rt_owner owner = load_acquire(&lock->owner);

		if (owner)
			rt_row_bury(me->rt, owner);
		pthread_mutex_consistent(&lock->mutex);
	}
	store_release(&lock->owner, me->owner);
	me->locks |= 1u << lock->rt_class;
	me->inode_locks += lock->rt_class == RT_LOCK_INODE;
	step("lock: taken");
	return rc == EOWNERDEAD ? RT_LOCK_REPAIR : 0;
}

int rt_lock(struct rt_self *me, struct rt_lock *lock)
{
	int rc;

	check_rank(me, lock);
	rc = pthread_mutex_trylock(&lock->mutex);
	if (unlikely(rc == EBUSY))
		rc = wait_for(me, lock);
	if (likely(rc == 0 || rc == EOWNERDEAD))
		return got(me, lock, rc);
	return rc > PF_ERROR_BASE ? -rc : err(PF_ERUNCORRUPT, "lock: %s", strerror(rc));
}

int rt_trylock(struct rt_self *me, struct rt_lock *lock)
{
	int rc = pthread_mutex_trylock(&lock->mutex);

	if (rc == EBUSY || rc == EDEADLK)
		return -PF_EAGAIN;
	if (rc == 0 || rc == EOWNERDEAD)
		return got(me, lock, rc);
	return err(PF_ERUNCORRUPT, "lock: %s", strerror(rc));
}

void rt_unlock(struct rt_self *me, struct rt_lock *lock)
{
	step("lock: before unlock");
	if (lock->rt_class != RT_LOCK_INODE || --me->inode_locks == 0)
		me->locks &= ~(1u << lock->rt_class);
	store_release(&lock->owner, 0);
	pthread_mutex_unlock(&lock->mutex);
}
