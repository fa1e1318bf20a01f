/* Sleeping until a shared word changes, and waking who sleeps. Words that others change beside are 64 bits; their low half is what is slept for. */
#ifndef BASE_FUTEX_H
#define BASE_FUTEX_H

#include <errno.h>
#include <linux/futex.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the low half is the first");

/* Until somebody wakes this word, `ms` are over, a signal comes; or not at all if it is not `value`. Who calls looks again. 0, or an errno. */
static inline int futex_wait(void *word, uint32_t value, unsigned ms)
{
	struct timespec limit = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	return syscall(SYS_futex, (uint32_t *)word, FUTEX_WAIT, value, &limit, NULL, 0) < 0 ? errno
											    : 0;
}

static inline void futex_wake(void *word)
{
	syscall(SYS_futex, (uint32_t *)word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

#endif
