/*
 * The power goes at any moment of any operation on metadata of a persistent device: what the device then has, every word that was not
 * yet written back being there or not, is a file system without a fault; and what was returned from is there.
 */
/* test: suite=short timeout=120 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "box.h"
#include "test.h"

#define FILES 6u

static struct box box;
static struct test_random chance;
static uint8_t *device, *copy; /* what a power cut leaves; the same with some more words */
static bool *pending;          /* lines that are being written back */
static unsigned long cuts;

static void complain(void *arg, const char *rule, const char *text)
{
	(void)arg;
	fprintf(stderr, "%s: %s\n", rule, text);
}

/* Any word of the processor's caches may have reached the device by itself. */
static void power_cut(void)
{
	struct report report = {.each = complain};
	uint64_t words = box.super.data_offset / 8, odds = 1 + test_below(&chance, 4);

	for (uint64_t line = 0; line < words / 8; line++) {
		if (!memcmp(device + line * 64, box.meta + line * 64, 64))
			continue;
		for (uint64_t w = line * 8; w < line * 8 + 8; w++)
			if (test_below(&chance, odds))
				memcpy(copy + w * 8, box.meta + w * 8, 8);
	}
	fs_check_media(copy, box.super.bytes, &report);
	must_be(report.violations, 0);
	for (uint64_t line = 0; line < words / 8; line++)
		if (memcmp(device + line * 64, copy + line * 64, 64))
			memcpy(copy + line * 64, device + line * 64, 64);
	cuts++;
}

static void persist(const void *address, size_t length)
{
	uint64_t offset = (uint64_t)((const uint8_t *)address - box.meta);

	for (uint64_t line = offset / 64; line <= (offset + length - 1) / 64; line++)
		pending[line] = true;
}

static void drain(void)
{
	power_cut();
	for (uint64_t line = 0; line < box.super.data_offset / 64; line++)
		if (pending[line]) {
			memcpy(device + line * 64, box.meta + line * 64, 64);
			memcpy(copy + line * 64, box.meta + line * 64, 64);
			pending[line] = false;
		}
}

/* ---- operations --------------------------------------------------------------------------------------- */

static uint32_t inos[FILES];
static uint64_t next_page;

static void change_map(uint32_t ino)
{
	static const uint64_t places[] = {0, 3, 20, 512, 1024, 1ul << 18};
	uint64_t index = places[test_below(&chance, ARRAY_SIZE(places))];
	unsigned order = index % 512 ? 0 : (unsigned)test_below(&chance, 2) * BLOCK_ORDER;
	uint64_t pages, end;

	if (order)
		order = fs_order_limit(&box.fs, ino, index);
	pages = 1ul << order;
	if (fs_hole(&box.fs, ino, index, pages) == pages) {
		next_page = align_up(next_page, pages);
		if (next_page + pages > box.super.data_pages)
			return;
		must_be(box_add(&box, ino, index, order, next_page), 0);
		next_page += pages;
		return;
	}
	index = fs_next_entry(&box.fs, ino, index, index + pages);
	end = fs_next_hole(&box.fs, ino, index, (index / 512 + 1) * 512);
	box_cut(&box, ino, index, test_below(&chance, 2) ? 1 : end - index);
}

static void rename_file(const char *from, const char *to)
{
	struct fs_rename r = {.from_dir = ROOT_INO,
			      .to_dir = ROOT_INO,
			      .from = from,
			      .to = to,
			      .from_length = strlen(from),
			      .to_length = strlen(to)};

	must_be(fs_rename(&box.fs, box.me, &r), 0);
}

static const char *name_of(uint32_t ino)
{
	static char path[2][PF_PATH_MAX + 1];
	static unsigned turn;

	turn ^= 1;
	must(fs_path(&box.fs, ino, fs_generation(&box.fs, ino), path[turn], sizeof path[turn]));
	return path[turn];
}

static void remove_file(unsigned n)
{
	uint64_t index = 0;

	while ((index = fs_next_entry(&box.fs, inos[n], index, FILE_PAGES_MAX)) < FILE_PAGES_MAX) {
		uint64_t end = fs_next_hole(&box.fs, inos[n], index, (index / 512 + 1) * 512);

		box_cut(&box, inos[n], index, end - index);
	}
	box_evict(&box, inos[n]);
	inos[n] = 0;
}

static void one_operation(void)
{
	unsigned n = (unsigned)test_below(&chance, FILES), other = (n + 1) % FILES;
	char name[32];

	snprintf(name, sizeof name, "%lu", (unsigned long)test_random(&chance));
	/* As other threads would: one transaction's lane is not the next one's. */
	store_relaxed(&box.me->row->lane, 1 + (uint32_t)test_below(&chance, box.super.lanes));
	if (!inos[n])
		inos[n] = box_create(&box, name);
	else if (test_below(&chance, 4))
		change_map(inos[n]);
	else if (test_below(&chance, 2))
		rename_file(name_of(inos[n]), name);
	else if (inos[other] && test_below(&chance, 2)) {
		rename_file(name_of(inos[n]), name_of(inos[other]));
		remove_file(other);
	} else
		remove_file(n);
}

/* All that a completed operation changed. */
static void is_there(void)
{
	uint64_t from = box.super.inodes_offset, to = box.super.data_offset;

	must(!memcmp(device + from, box.meta + from, to - from));
	must(!memcmp(device + COUNTERS_OFFSET, box.meta + COUNTERS_OFFSET, PAGE_BYTES));
	power_cut();
}

int main(void)
{
	test_dir();
	chance.state = test_seed();
	box_make(&box, 16 << 20, 1024, 0);
	box_open(&box);
	device = malloc(box.super.bytes);
	copy = malloc(box.super.bytes);
	pending = calloc(box.super.data_offset / 64, sizeof *pending);
	must(device && copy && pending);
	memcpy(device, box.meta, box.super.data_offset);
	memcpy(copy, box.meta, box.super.data_offset);
	box.dev->persist = persist;
	box.dev->drain = drain;
	do {
		for (unsigned i = 0; i < 20; i++) {
			one_operation();
			is_there();
		}
		if (next_page > box.super.data_pages / 2) {
			for (unsigned n = 0; n < FILES; n++)
				if (inos[n])
					remove_file(n);
			next_page = 0;
		}
	} while (test_time_left(1));
	printf("%lu power cuts\n", cuts);
	must(cuts > 100);
	box_check(&box);
	box.dev->persist = NULL;
	box.dev->drain = NULL;
	box_end(&box);
	free(device);
	free(copy);
	free(pending);
	return 0;
}
