/* The use record: the newer whole copy is read; a write torn anywhere leaves the older one; no bytes crash the reader. */
#include <string.h>

#include "base/crc.h"
#include "format/use_format.h"
#include "test.h"

static _Alignas(8) uint8_t head[USE_END];

static struct use_format record(uint32_t state, uint8_t mark)
{
	struct use_format use = {.state = state, .nonce = {mark, ~(uint64_t)mark}};

	memset(use.machine, mark, sizeof use.machine);
	memset(use.boot, mark + 1, sizeof use.boot);
	return use;
}

static void put(struct use_format use)
{
	void *at = use_seal(head, &use);

	memcpy(at, &use, sizeof use);
}

static void newest_wins(void)
{
	must(use_read(head) == NULL);
	for (uint8_t mark = 1; mark < 200; mark++) {
		const struct use_format *use;

		put(record(mark % 2, mark));
		use = use_read(head);
		must(use != NULL);
		must_be(use->state, mark % 2);
		must_be(use->sequence, mark);
		must_be(use->nonce[0], mark);
		must_be(use->machine[15], mark);
		must_be(use->boot[0], mark + 1);
	}
}

/* All but the first n bytes of a write happen, or only those. */
static void torn_writes(void)
{
	static _Alignas(8) uint8_t before[USE_END], after[USE_END];

	put(record(USE_CLEAN, 7));
	memcpy(before, head, sizeof head);
	put(record(USE_OPEN, 8));
	memcpy(after, head, sizeof head);
	for (size_t n = 0; n <= sizeof head; n++)
		for (unsigned which = 0; which < 2; which++) {
			const struct use_format *use;

			memcpy(head, which ? after : before, n);
			memcpy(head + n, (which ? before : after) + n, sizeof head - n);
			use = use_read(head);
			must(use != NULL);
			must(use->nonce[0] == 7 || use->nonce[0] == 8);
			must_be(use->state, use->nonce[0] == 7 ? USE_CLEAN : USE_OPEN);
		}
	memcpy(head, after, sizeof head);
}

static void each_bit_counts(void)
{
	for (unsigned bit = 0; bit < 8 * sizeof(struct use_format); bit++) {
		uint8_t *newest = (uint8_t *)(uintptr_t)use_read(head);

		newest[bit / 8] ^= (uint8_t)(1u << bit % 8);
		must(use_read(head) != (void *)newest);
		must_be(use_read(head)->nonce[0], 7);
		newest[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

/* Whole by its checksum, and yet none. */
static void unknown_state(void)
{
	struct use_format *newest = (struct use_format *)(uintptr_t)use_read(head);

	newest->state = USE_OPEN + 1;
	newest->crc = crc32c(0, (uint8_t *)newest + 4, sizeof *newest - 4);
	must_be(use_read(head)->nonce[0], 7);
}

static void noise(void)
{
	struct test_random r = {test_seed()};

	for (unsigned i = 0; i < 1000; i++) {
		for (size_t at = USE_OFFSET; at < USE_END; at++)
			head[at] = (uint8_t)test_random(&r);
		must(use_read(head) == NULL);
		put(record(USE_OPEN, 9));
		must_be(use_read(head)->sequence, 1);
	}
}

int main(void)
{
	newest_wins();
	torn_writes();
	each_bit_counts();
	unknown_state();
	noise();
	return 0;
}
