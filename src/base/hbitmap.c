/* Hierarchical bitmaps, see hbitmap.h. */
#include "base/hbitmap.h"

static uint64_t words_of(uint64_t bits)
{
	return div_up(bits, 64);
}

size_t hbitmap_bytes(uint64_t bits)
{
	uint64_t words = 0;

	do {
		bits = words_of(bits);
		words += bits;
	} while (bits > 1);
	return words * 8;
}

void hbitmap_open(struct hbitmap *b, uint64_t bits, void *memory)
{
	_Atomic uint64_t *word = memory;
	uint64_t n = bits;

	b->bits = bits;
	b->levels = 0;
	do {
		b->level[b->levels++] = word;
		n = words_of(n);
		word += n;
	} while (n > 1);
}

void hbitmap_fill(struct hbitmap *b)
{
	uint64_t n = b->bits;

	for (unsigned l = 0; l < b->levels; l++) {
		uint64_t words = words_of(n);

		for (uint64_t w = 0; w < words; w++)
			store_relaxed(&b->level[l][w], ~0ull);
		if (n % 64)
			store_relaxed(&b->level[l][words - 1], (1ull << n % 64) - 1);
		n = words;
	}
}

bool hbitmap_test(const struct hbitmap *b, uint64_t i)
{
	return load_relaxed(&b->level[0][i / 64]) >> i % 64 & 1;
}

void hbitmap_set(struct hbitmap *b, uint64_t i)
{
	for (unsigned l = 0; l < b->levels; l++, i /= 64) {
		uint64_t old = load_relaxed(&b->level[l][i / 64]);

		store_release(&b->level[l][i / 64], old | 1ull << i % 64);
		if (old)
			return;
	}
}

void hbitmap_clear(struct hbitmap *b, uint64_t i)
{
	for (unsigned l = 0; l < b->levels; l++, i /= 64) {
		uint64_t left = load_relaxed(&b->level[l][i / 64]) & ~(1ull << i % 64);

		store_release(&b->level[l][i / 64], left);
		if (left)
			return;
	}
}

void hbitmap_repair(struct hbitmap *b, uint64_t i)
{
	for (unsigned l = 1; l < b->levels; l++) {
		uint64_t bit, old;

		i /= 64;
		bit = 1ull << i % 64;
		old = load_relaxed(&b->level[l][i / 64]);
		store_release(&b->level[l][i / 64],
			      load_relaxed(&b->level[l - 1][i]) ? old | bit : old & ~bit);
	}
}

uint64_t hbitmap_next(const struct hbitmap *b, uint64_t from)
{
	unsigned l = 0;
	uint64_t i = from;

	/* Up until a word has a set bit at or after i, then down along first set bits. */
	for (;;) {
		uint64_t rest;

		if (i / 64 >= words_of(div_up(b->bits, 1ull << 6 * l)))
			return b->bits;
		rest = load_acquire(&b->level[l][i / 64]) >> i % 64;
		if (rest) {
			i += (unsigned)__builtin_ctzll(rest);
			if (l == 0)
				return MIN(i, b->bits);
			l--;
			i *= 64;
		} else {
			if (l + 1 == b->levels)
				return b->bits;
			i = i / 64 + 1;
			l++;
		}
	}
}

uint64_t hbitmap_count(const struct hbitmap *b)
{
	uint64_t n = 0;

	for (uint64_t i = hbitmap_next(b, 0); i < b->bits; i = hbitmap_next(b, (i / 64 + 1) * 64))
		n += (unsigned)__builtin_popcountll(load_relaxed(&b->level[0][i / 64]));
	return n;
}

bool hbitmap_check(const struct hbitmap *b)
{
	uint64_t n = b->bits;

	for (unsigned l = 1; l < b->levels; l++) {
		n = words_of(n);
		for (uint64_t i = 0; i < n; i++) {
			bool below = load_relaxed(&b->level[l - 1][i]) != 0;

			if (below != (load_relaxed(&b->level[l][i / 64]) >> i % 64 & 1))
				return false;
		}
	}
	return true;
}
