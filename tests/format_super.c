/* Superblocks: every size and granule is laid out without overlap; every damaged field is refused, or the copy is used. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "format/super_format.h"
#include "test.h"

static uint8_t head[HEAD_BYTES];

static void put(const struct super_format *super)
{
	memset(head, 0, sizeof head);
	memcpy(head, super, sizeof *super);
	memcpy(head + SUPER_COPY, super, sizeof *super);
}

/* Where each zone ends is where the next may begin. */
static void check_layout(const struct super_format *s, uint64_t granule)
{
	must(s->bytes % granule == 0);
	must(s->lanes_offset >= HEAD_BYTES);
	must(s->inodes_offset >= s->lanes_offset + s->lanes * LANE_BYTES);
	must(s->nodes_offset >= s->inodes_offset + s->inodes * INODE_BYTES);
	must(s->data_offset >= s->nodes_offset + s->nodes * PAGE_BYTES);
	must(s->bytes >= s->data_offset + s->data_pages * PAGE_BYTES);
	must(s->data_offset % granule == 0 && s->data_offset % BLOCK_BYTES == 0);
	must(s->data_pages >= BLOCK_PAGES && s->data_pages % BLOCK_PAGES == 0);
	must(s->inodes_offset % PAGE_BYTES == 0);
	must(s->nodes_offset % PAGE_BYTES == 0 && s->lanes_offset % PAGE_BYTES == 0);
	/* What is left over is less than a block, or than a granule. */
	must(s->bytes - s->data_offset - s->data_pages * PAGE_BYTES < BLOCK_BYTES);
}

static void one_layout(uint64_t bytes, uint64_t granule, uint64_t inodes)
{
	struct super_format s, back;
	int rc = super_layout(&s, bytes, granule, inodes);

	if (rc < 0) {
		must_be(rc, -PF_EPOOLSIZE);
		must(granule > BLOCK_BYTES || inodes > 1024 || bytes < POOL_BYTES_MIN ||
		     bytes > POOL_BYTES_MAX);
		return;
	}
	check_layout(&s, granule);
	super_seal(&s);
	put(&s);
	must_be(super_read(head, sizeof head, &back), 0);
	must(!memcmp(&s, &back, sizeof s));
}

static void layouts(void)
{
	static const uint64_t granules[] = {4096, 16384, 65536, 2 << 20, 32 << 20, 1 << 30};
	static const uint64_t counts[] = {0, 1, 1000, 1024, 5000, 1 << 20, INODES_MAX};
	struct super_format s;

	for (unsigned shift = 20; shift <= 51; shift++)
		for (unsigned g = 0; g < 6; g++)
			for (unsigned i = 0; i < 7; i++) {
				one_layout(1ull << shift, granules[g], counts[i]);
				one_layout((1ull << shift) + 4096, granules[g], counts[i]);
				one_layout((3ull << shift) - 1, granules[g], counts[i]);
			}
	must_be(super_layout(&s, POOL_BYTES_MIN - 1, 4096, 0), -PF_EPOOLSIZE);
	must_be(super_layout(&s, POOL_BYTES_MIN, 4096, 0), 0);
	must_be(super_layout(&s, 1 << 30, 4096, INODES_MAX + 1ull), -PF_EPOOLSIZE);
	must_be(super_layout(&s, 16ull << 30, 4096, 0), 0);
	must(s.data_offset < (16ull << 30) * 2 / 100); /* metadata: below 2 % */
}

/* ---- damage ----------------------------------------------------------------------------------------- */

#define FIELD(name, value, code)                                            \
	{                                                                   \
#name, offsetof(struct super_format, name),                 \
			sizeof((struct super_format *)0)->name, value, code \
	}

/* Values that no mkfs writes, with a checksum that fits. */
static const struct {
	const char *name;
	size_t offset, size;
	uint64_t value;
	int code;
} bad_fields[] = {
	FIELD(magic, 1, PF_ENOTPOOL),
	FIELD(version, SUPER_VERSION + 1, PF_EVERSION),
	FIELD(version, 0, PF_EVERSION),
	FIELD(incompatible, 4, PF_EVERSION),
	FIELD(bytes, 0, PF_ECORRUPT),
	FIELD(bytes, 1ull << 20, PF_ECORRUPT),
	FIELD(bytes, ~0ull, PF_ECORRUPT),
	FIELD(granule, 0, PF_ECORRUPT),
	FIELD(granule, 512, PF_ECORRUPT),
	FIELD(granule, 12288, PF_ECORRUPT),
	FIELD(granule, 1ull << 63, PF_ECORRUPT),
	FIELD(lanes_offset, 0, PF_ECORRUPT),
	FIELD(lanes_offset, HEAD_BYTES + 8, PF_ECORRUPT),
	FIELD(lanes_offset, ~0xfffull, PF_ECORRUPT),
	FIELD(lanes, 0, PF_ECORRUPT),
	FIELD(lanes, 1ull << 60, PF_ECORRUPT),
	FIELD(lanes, 257, PF_ECORRUPT),
	FIELD(inodes_offset, 0, PF_ECORRUPT),
	FIELD(inodes_offset, ~0xfffull, PF_ECORRUPT),
	FIELD(inodes, 0, PF_ECORRUPT),
	FIELD(inodes, 1ull << 61, PF_ECORRUPT),
	FIELD(nodes_offset, 0, PF_ECORRUPT),
	FIELD(nodes_offset, ~0xfffull, PF_ECORRUPT),
	FIELD(nodes, 0, PF_ECORRUPT),
	FIELD(nodes, 1ull << 53, PF_ECORRUPT),
	FIELD(data_offset, 0, PF_ECORRUPT),
	FIELD(data_offset, 4096, PF_ECORRUPT),
	FIELD(data_offset, 1ull << 62, PF_ECORRUPT),
	FIELD(data_pages, 0, PF_ECORRUPT),
	FIELD(data_pages, 511, PF_ECORRUPT),
	FIELD(data_pages, 1ull << 54, PF_ECORRUPT),
};

static void damage(void)
{
	struct super_format good, s, back;

	must_be(super_layout(&good, 64 << 20, 4096, 0), 0);
	super_seal(&good);
	for (size_t i = 0; i < ARRAY_SIZE(bad_fields); i++) {
		s = good;
		memcpy((uint8_t *)&s + bad_fields[i].offset, &bad_fields[i].value,
		       bad_fields[i].size);
		super_seal(&s);
		put(&s);
		if (super_read(head, sizeof head, &back) != -bad_fields[i].code)
			test_fail(__FILE__, __LINE__, "%s = %lx was taken", bad_fields[i].name,
				  (unsigned long)bad_fields[i].value);
		/* One of them is good: it is used, whichever it is. */
		memcpy(head + SUPER_COPY, &good, sizeof good);
		must_be(super_read(head, sizeof head, &back), 0);
		must(!memcmp(&back, &good, sizeof good));
		memcpy(head, &good, sizeof good);
		memcpy(head + SUPER_COPY, &s, sizeof s);
		must_be(super_read(head, sizeof head, &back), 0);
		must(!memcmp(&back, &good, sizeof good));
	}
}

/* Any single byte, without a fitting checksum: the copy is used; in both: refused. */
static void torn(void)
{
	struct super_format good, back;

	must_be(super_layout(&good, 64 << 20, 4096, 0), 0);
	super_seal(&good);
	for (size_t i = 0; i < sizeof good; i++) {
		put(&good);
		head[i] ^= 0x40;
		must_be(super_read(head, sizeof head, &back), 0);
		must(!memcmp(&back, &good, sizeof good));
		if (i % 16)
			continue;
		head[SUPER_COPY + i] ^= 0x40;
		must(super_read(head, sizeof head, &back) < 0);
	}
}

static void short_heads(void)
{
	struct super_format good, back;

	must_be(super_layout(&good, 64 << 20, 4096, 0), 0);
	super_seal(&good);
	put(&good);
	for (size_t n = 0; n < HEAD_BYTES; n += 1024) {
		uint8_t *exact = malloc(n + 1);

		memcpy(exact, head, n);
		super_read(exact, n, &back); /* must not read past its end: for ASan */
		free(exact);
	}
	memset(head, 0, sizeof head);
	must_be(super_read(head, sizeof head, &back), -PF_ENOTPOOL);
	must_be(super_read(head, 0, &back), -PF_ENOTPOOL);
}

static void numbers(void)
{
	uint32_t n;

	must(number32(0) == 0 && number32_read(0, &n) && n == 0);
	for (uint32_t i = 1; i; i <<= 1) {
		must(number32_read(number32(i), &n) && n == i);
		for (unsigned bit = 0; bit < 64; bit++)
			must(!number32_read(number32(i) ^ 1ull << bit, &n));
	}
}

int main(void)
{
	layouts();
	damage();
	torn();
	short_heads();
	numbers();
	return 0;
}
