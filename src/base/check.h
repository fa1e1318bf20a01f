/*
 * Invariants. CHECK(x) is for debug builds and costs nothing in others; a failure is a bug of ours and
 * ends the process. A `report` collects what the live check and fsck find wrong on a pool.
 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#include "base/bits.h"

#ifdef PF_CHECKS
#define CHECK(x) ((x) ? (void)0 : check_failed(#x, __FILE__, __LINE__))
#else
#define CHECK(x) ((void)sizeof(!(x)))
#endif

void check_failed(const char *what, const char *file, int line) __attribute__((noreturn));

struct report {
	void (*each)(void *arg, const char *rule, const char *text); /* may be NULL */
	void *arg;
	unsigned long violations;
};

/* One violation of `rule`, in a sentence. */
void report_violation(struct report *report, const char *rule, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
