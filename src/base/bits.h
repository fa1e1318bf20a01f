/* Small arithmetic, the page size, and the words every file uses. */
#ifndef BASE_BITS_H
#define BASE_BITS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SHIFT  12
#define PAGE_BYTES  4096ul
#define BLOCK_ORDER 9 /* 2 MiB: the largest folio in files, and the unit of the memmap's tables */
#define BLOCK_PAGES 512ul
#define BLOCK_BYTES (BLOCK_PAGES * PAGE_BYTES)

#define likely(x)     __builtin_expect(!!(x), 1)
#define unlikely(x)   __builtin_expect(!!(x), 0)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof *(a))
#define MIN(a, b)     ((a) < (b) ? (a) : (b))
#define MAX(a, b)     ((a) > (b) ? (a) : (b))

/* To a multiple of `unit`, a power of two. */
static inline uint64_t align_down(uint64_t n, uint64_t unit)
{
	return n & ~(unit - 1);
}

static inline uint64_t align_up(uint64_t n, uint64_t unit)
{
	return align_down(n + unit - 1, unit);
}

static inline uint64_t div_up(uint64_t n, uint64_t unit)
{
	return n / unit + (n % unit != 0);
}

/* log2 of a power of two; of anything else, rounded down. n > 0. */
static inline unsigned log2_down(uint64_t n)
{
	return 63u - (unsigned)__builtin_clzll(n);
}

#endif
