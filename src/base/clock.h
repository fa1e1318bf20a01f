/* The two clocks: one for people and files, one for waiting. Nanoseconds. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Since 1970: for file times and "since". */
static inline uint64_t clock_now(void)
{
	return clock_ns(CLOCK_REALTIME);
}

/* The same, some milliseconds coarse but without reading a counter: for hot paths. */
static inline uint64_t clock_coarse(void)
{
	return clock_ns(CLOCK_REALTIME_COARSE);
}

/* Never goes back: for waiting and measuring. */
static inline uint64_t clock_mono(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

#endif
