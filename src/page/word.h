/*
 * The folio word: count, membership and state of a folio in one atomic word of its head's descriptor. Every
 * change is a compare-exchange of the whole word, so all changes of a folio have one order. docs/protocol.md
 * section 2.
 *
 *   0-23 count | 24 W, somebody waits for count 0 | 25-26 state | 27-31 order
 *   32 Q, a dead slot held it | 33 P, parts have left the file | 34-37 R, recount version | 38-63 generation
 *
 * The low half is the futex word. A page that is not the head of a folio in use has state FREE.
 */
#ifndef PAGE_WORD_H
#define PAGE_WORD_H

#include "base/bits.h"

enum page_state { PAGE_FREE, PAGE_IN_FILE, PAGE_ORPHAN, PAGE_QUARANTINE };

#define WORD_COUNT_MAX  0xffffffull
#define WORD_W          (1ull << 24)
#define WORD_Q          (1ull << 32)
#define WORD_P          (1ull << 33)
#define WORD_STATE      (3ull << 25)
#define WORD_ORDER      (31ull << 27)
#define WORD_R          (15ull << 34)
#define WORD_GENERATION (~0ull << 38)

static inline uint32_t word_count(uint64_t w)
{
	return w & WORD_COUNT_MAX;
}

static inline enum page_state word_state(uint64_t w)
{
	return (enum page_state)(w >> 25 & 3);
}

static inline unsigned word_order(uint64_t w)
{
	return w >> 27 & 31;
}

static inline uint32_t word_generation(uint64_t w)
{
	return w >> 38;
}

static inline uint64_t word_with_state(uint64_t w, enum page_state state)
{
	return (w & ~WORD_STATE) | (uint64_t)state << 25;
}

/* Count 0 and W 0 together, as W implies a count. */
static inline uint64_t word_with_count(uint64_t w, uint32_t count)
{
	w = (w & ~WORD_COUNT_MAX) | count;
	return count ? w : w & ~WORD_W;
}

static inline uint64_t word_next_recount(uint64_t w)
{
	return (w & ~WORD_R) | ((w + (1ull << 34)) & WORD_R);
}

/* A folio that begins: count 0, no marks but Q as given, R as it was, the next generation after `old`. */
static inline uint64_t word_begin(uint64_t old, enum page_state state, unsigned order, uint64_t q)
{
	return ((old & WORD_GENERATION) + (1ull << 38)) | (old & WORD_R) | (q & WORD_Q) |
	       (uint64_t)order << 27 | (uint64_t)state << 25;
}

/* Idle, held or orphaned by exactly nobody: what push and split look for. */
static inline bool word_is_unheld(uint64_t w, enum page_state state)
{
	return word_state(w) == state && word_count(w) == 0;
}

#endif
