/*
 * Recovery after a power cut: what was committed whole is applied, all of it and in order; what is torn is not. A power cut at any
 * moment of journal_commit() leaves all words of the transaction or none.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/crc.h"
#include "base/err.h"
#include "format/super_format.h"
#include "journal/journal.h"
#include "test.h"

#define LANES_USED 4u
#define LANES_END  (HEAD_BYTES + LANES_USED * LANE_BYTES)
#define META       (LANES_END + 64 * PAGE_BYTES)
#define RECORDS_AT 64u /* in a lane */

static struct dev dev;
static struct journal_lanes owners;
static struct rt_row row;
static struct rt_self me = {.row = &row, .owner = 1};
static uint8_t *meta, *copy;
static struct test_random chance;
static struct journal_tx tx;

static struct journal journal_of(uint8_t *bytes)
{
	return (struct journal){.dev = &dev,
				.meta = bytes,
				.meta_bytes = META,
				.lanes_offset = HEAD_BYTES,
				.lanes = LANES_USED,
				.owners = &owners};
}

static uint8_t *lane_at(uint8_t *bytes, unsigned n)
{
	return bytes + HEAD_BYTES + n * LANE_BYTES;
}

static _Atomic uint64_t *word_at(uint64_t offset)
{
	return (_Atomic uint64_t *)(meta + offset);
}

/* Writes a committed transaction by the book: what journal.h says a lane is. */
static void put_lane(unsigned n, unsigned count, const uint64_t (*record)[2])
{
	uint64_t sequence = test_below(&chance, 32768);
	uint32_t crc = crc32c((uint32_t)sequence, record, count * 16ul);

	memcpy(lane_at(meta, n) + RECORDS_AT, record, count * 16ul);
	store_relaxed((_Atomic uint64_t *)lane_at(meta, n),
		      (uint64_t)crc << 32 | sequence << 16 | count);
}

static uint64_t random_place(void)
{
	return LANES_END + 8 * test_below(&chance, (META - LANES_END) / 8);
}

static uint64_t (*random_records(unsigned count))[2]
{
	static uint64_t record[JOURNAL_WORDS][2];

	for (unsigned i = 0; i < count; i++) {
		record[i][0] = random_place();
		record[i][1] = test_random(&chance);
	}
	return record;
}

static void fill_media(void)
{
	for (uint64_t o = LANES_END; o < META; o += 8)
		store_relaxed(word_at(o), test_random(&chance));
	memcpy(copy, meta, META);
}

static void applied_whole(struct journal *j)
{
	for (unsigned round = 0; round < 30; round++) {
		unsigned count = 1 + (unsigned)test_below(&chance, JOURNAL_WORDS);
		uint64_t(*record)[2] = random_records(count);

		fill_media();
		put_lane((unsigned)test_below(&chance, LANES_USED), count, record);
		must_be(journal_recover(j), 1);
		for (unsigned i = 0; i < count; i++)
			memcpy(copy + record[i][0], &record[i][1], 8);
		must(!memcmp(copy + LANES_END, meta + LANES_END, META - LANES_END));
		must_be(journal_recover(j), 0);
		must(!memcmp(copy + LANES_END, meta + LANES_END, META - LANES_END));
	}
}

/* One wrong bit in a lane: nothing is applied, and the lane is clear afterwards. */
static void torn(struct journal *j)
{
	for (unsigned round = 0; round < 500; round++) {
		unsigned count = 1 + (unsigned)test_below(&chance, 40);
		unsigned bit = (unsigned)test_below(&chance, 64 + count * 128);

		fill_media();
		put_lane(1, count, (const uint64_t(*)[2])random_records(count));
		if (bit >= 64)
			bit += 8 * RECORDS_AT - 64;
		lane_at(meta, 1)[bit / 8] ^= (uint8_t)(1 << bit % 8);
		must_be(journal_recover(j), 0);
		must(!memcmp(copy + LANES_END, meta + LANES_END, META - LANES_END));
		must(load_relaxed((_Atomic uint64_t *)lane_at(meta, 1)) == 0);
	}
}

/* Committed, but it names what is not metadata: refused, and nothing of it applied. */
static void bad_places(struct journal *j)
{
	static const uint64_t places[] = {0,
					  8,
					  4096,
					  COUNTERS_OFFSET - 8,
					  SUPER_COPY,
					  COUNTERS_OFFSET + PAGE_BYTES,
					  HEAD_BYTES,
					  LANES_END - 8,
					  META,
					  META + 8,
					  1ull << 40,
					  ~7ull,
					  LANES_END + 1,
					  COUNTERS_OFFSET + 4};
	struct report report = {0};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		uint64_t record[3][2] = {{LANES_END, 1}, {places[i], 2}, {LANES_END + 64, 3}};

		fill_media();
		put_lane(2, 3, (const uint64_t(*)[2])record);
		must(!journal_inspect(lane_at(meta, 2), 2, META, LANES_END, &report));
		must_be(report.violations, i + 1);
		must_be(journal_recover(j), -PF_ECORRUPT);
		must(!memcmp(copy + LANES_END, meta + LANES_END, META - LANES_END));
		store_relaxed((_Atomic uint64_t *)lane_at(meta, 2), 0);
	}
}

/* ---- power ------------------------------------------------------------------------------------------ */

/* The device has what was written back before a fence, and by chance any other line. */
static uint8_t *device, *old, *new;
static bool pending[META / 64];
static unsigned long cuts;

static void persist(const void *address, size_t length)
{
	uint64_t offset = (uint64_t)((const uint8_t *)address - meta);

	for (uint64_t line = offset / 64; line <= (offset + length - 1) / 64; line++)
		pending[line] = true;
}

static bool all_or_nothing(const uint8_t *media)
{
	return !memcmp(media + LANES_END, old + LANES_END, META - LANES_END) ||
	       !memcmp(media + LANES_END, new + LANES_END, META - LANES_END);
}

/* Each line is there or not; a line is 64 bytes written in any order of its words. */
static void cut(void)
{
	struct journal j = journal_of(copy);
	void (*keep)(const void *, size_t) = dev.persist;
	void (*keep_drain)(void) = dev.drain;

	memcpy(copy, device, META);
	for (uint64_t w = 0; w < META / 8; w++)
		if (memcmp(device + w * 8, meta + w * 8, 8) && test_below(&chance, 2))
			memcpy(copy + w * 8, meta + w * 8, 8);
	dev.persist = NULL;
	dev.drain = NULL;
	must(journal_recover(&j) >= 0);
	must(all_or_nothing(copy));
	cuts++;
	dev.persist = keep;
	dev.drain = keep_drain;
}

static void drain(void)
{
	for (unsigned i = 0; i < 3; i++)
		cut();
	for (uint64_t line = 0; line < META / 64; line++)
		if (pending[line])
			memcpy(device + line * 64, meta + line * 64, 64);
	memset(pending, 0, sizeof pending);
	cut();
}

/* As volatile devices have it: applied there, and refused where sums are written. */
static void without_sum(struct journal *j)
{
	uint64_t record[2][2] = {{LANES_END, 1}, {LANES_END + 64, 2}};

	for (unsigned persistent = 0; persistent < 2; persistent++) {
		fill_media();
		put_lane(3, 2, (const uint64_t(*)[2])record);
		store_relaxed((_Atomic uint64_t *)lane_at(meta, 3), 2 | 1ull << 31);
		dev.persist = persistent ? persist : NULL;
		must_be(journal_recover(j), persistent ? -PF_ECORRUPT : 1);
		must(load_relaxed(word_at(LANES_END)) == 1 || persistent);
		must(!persistent || !memcmp(copy + LANES_END, meta + LANES_END, META - LANES_END));
		store_relaxed((_Atomic uint64_t *)lane_at(meta, 3), 0);
	}
	dev.persist = NULL;
}

static void power_cuts(struct journal *j)
{
	dev.persist = persist;
	dev.drain = drain;
	for (unsigned round = 0; round < 40; round++) {
		unsigned count = 1 + (unsigned)test_below(&chance, 30);

		memcpy(device, meta, META);
		memcpy(old, meta, META);
		memcpy(new, meta, META);
		journal_begin(&tx, &me);
		for (unsigned i = 0; i < count; i++) {
			uint64_t place = random_place(), value = test_random(&chance);

			journal_word(j, &tx, word_at(place), value);
			must(journal_load(j, &tx, word_at(place)) == value);
			memcpy(new + place, &value, 8);
		}
		journal_commit(j, &tx);
		/* What was returned from stays, and its lane does not come back. */
		must(!memcmp(device + LANES_END, new + LANES_END, META - LANES_END));
		memcpy(old, new, META);
		cut();
		must_be(load_relaxed(&owners.owner[load_relaxed(&row.lane) - 1]), 0);
	}
	must(cuts > 40 * 4);
}

int main(void)
{
	struct journal j;

	chance.state = test_seed();
	meta = calloc(1, META);
	copy = calloc(1, META);
	device = calloc(1, META);
	old = calloc(1, META);
	new = calloc(1, META);
	must(meta && copy && device && old && new);
	j = journal_of(meta);
	applied_whole(&j);
	torn(&j);
	bad_places(&j);
	without_sum(&j);
	power_cuts(&j);
	free(meta);
	free(copy);
	free(device);
	free(old);
	free(new);
	return 0;
}
