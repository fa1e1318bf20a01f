/* A hierarchical bitmap finds what a plain array of booleans has, at every size and after a repair. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hbitmap.h"

static void fail(const char *what, uint64_t bits, uint64_t i)
{
	fprintf(stderr, "%s: %lu bits, at %lu\n", what, (unsigned long)bits, (unsigned long)i);
	exit(1);
}

static uint64_t oracle_next(const bool *set, uint64_t bits, uint64_t from)
{
	while (from < bits && !set[from])
		from++;
	return from;
}

static void compare(const struct hbitmap *b, const bool *set, uint64_t bits)
{
	uint64_t count = 0;

	for (uint64_t i = 0; i < bits; i++) {
		count += set[i];
		if (hbitmap_test(b, i) != set[i])
			fail("test", bits, i);
	}
	for (uint64_t i = 0; i <= bits; i += 1 + (uint64_t)rand() % (bits / 50 + 1))
		if (hbitmap_next(b, i) != oracle_next(set, bits, i))
			fail("next", bits, i);
	if (hbitmap_count(b) != count)
		fail("count", bits, count);
	if (!hbitmap_check(b))
		fail("levels", bits, 0);
}

/* A writer that died after its store to level 0. */
static void half_change(struct hbitmap *b, bool *set, uint64_t i)
{
	_Atomic uint64_t *word = &b->level[0][i / 64];

	set[i] = !set[i];
	store_relaxed(word, load_relaxed(word) ^ 1ull << i % 64);
	hbitmap_repair(b, i);
}

static void one_size(uint64_t bits)
{
	void *memory = calloc(1, hbitmap_bytes(bits));
	bool *set = calloc(bits, 1);
	struct hbitmap b;

	hbitmap_open(&b, bits, memory);
	compare(&b, set, bits);
	hbitmap_fill(&b);
	memset(set, 1, bits);
	compare(&b, set, bits);
	for (int round = 0; round < 40; round++) {
		for (int n = 0; n < 200; n++) {
			uint64_t i = (uint64_t)rand() % bits;

			if (rand() % 8 == 0) {
				half_change(&b, set, i);
			} else if ((set[i] = round % 2 && rand() % 2)) {
				hbitmap_set(&b, i);
			} else {
				hbitmap_clear(&b, i);
			}
		}
		if (round % 5 == 0)
			for (uint64_t i = 0; i < bits; i++, set[i - 1] = false)
				hbitmap_clear(&b, i);
		compare(&b, set, bits);
	}
	free(memory);
	free(set);
}

int main(void)
{
	static const uint64_t sizes[] = {1,    2,    63,   64,   65,     127,
					 4095, 4096, 4097, 8192, 262143, 262145};

	srand(7);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		one_size(sizes[i]);
	return 0;
}
