/*
 * A hierarchical bitmap: level 0 has the bits, a bit of level n + 1 says that a word of level n is not 0.
 * Finding the next set bit reads a word or two per level. One writer at a time; readers may be wrong by a
 * change in progress. The memory may be shared: stores are atomic words, and hbitmap_repair() makes the levels
 * above one bit right again after a writer died at any store.
 */
#ifndef BASE_HBITMAP_H
#define BASE_HBITMAP_H

#include "base/atomic.h"
#include "base/bits.h"

#define HBITMAP_LEVELS 6u

struct hbitmap {
	uint64_t bits;
	unsigned levels;
	_Atomic uint64_t *level[HBITMAP_LEVELS];
};

/* Bytes of memory for `bits` bits. */
size_t hbitmap_bytes(uint64_t bits);
/* Describes the bitmap at `memory`, which stays as it is (zeros: all bits clear). */
void hbitmap_open(struct hbitmap *b, uint64_t bits, void *memory);
/* All bits set; only when nobody else looks. */
void hbitmap_fill(struct hbitmap *b);
bool hbitmap_test(const struct hbitmap *b, uint64_t i);
void hbitmap_set(struct hbitmap *b, uint64_t i);
void hbitmap_clear(struct hbitmap *b, uint64_t i);
/* What a writer that died while it changed bit i left: the bit stays, the levels above follow it. */
void hbitmap_repair(struct hbitmap *b, uint64_t i);
/* The first set bit at or after `from`; b->bits if none. */
uint64_t hbitmap_next(const struct hbitmap *b, uint64_t from);
uint64_t hbitmap_count(const struct hbitmap *b);
/* True if every level says what the level below has. */
bool hbitmap_check(const struct hbitmap *b);

#endif
