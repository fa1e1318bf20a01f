/* Laying out, sealing and reading superblocks, see super_format.h. */
#include "format/super_format.h"

#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/crc.h"
#include "base/err.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "the media is little-endian, and read in place");

#define SMALL_POOL (64ull << 20) /* below it, fewer lanes */

uint64_t number32(uint32_t number)
{
	return number ? (uint64_t)crc32c(0, &number, sizeof number) << 32 | number : 0;
}

bool number32_read(uint64_t word, uint32_t *number)
{
	*number = (uint32_t)word;
	return word == number32(*number);
}

/* ---- layout ---------------------------------------------------------------------------------------- */

static uint64_t pick_inodes(uint64_t bytes, uint64_t wanted)
{
	if (wanted)
		return wanted + 2; /* 0, and the root directory */
	return MIN(MAX(bytes >> 18, INODES_MIN), 1ull << 20);
}

/* A file of more than 64 KiB takes one or two, a directory one for some dozens of names. */
static uint64_t pick_nodes(uint64_t bytes, uint64_t inodes)
{
	uint64_t files = bytes >> 18;

	return files + (MAX(inodes, files) - files) / 4 + 64;
}

int super_layout(struct super_format *s, uint64_t bytes, uint64_t granule, uint64_t inodes)
{
	uint64_t data_align = MAX(granule, BLOCK_BYTES), at = HEAD_BYTES;

	if (bytes < POOL_BYTES_MIN || bytes > POOL_BYTES_MAX)
		return err(PF_EPOOLSIZE, "%lu bytes, of at least %lu MiB and at most %lu TiB",
			   (unsigned long)bytes, (unsigned long)(POOL_BYTES_MIN >> 20),
			   (unsigned long)(POOL_BYTES_MAX >> 40));
	if (inodes > INODES_MAX)
		return err(PF_EPOOLSIZE, "%lu inodes, of at most %u", (unsigned long)inodes,
			   INODES_MAX);
	*s = (struct super_format){.magic = SUPER_MAGIC,
				   .version = SUPER_VERSION,
				   .granule = granule};
	s->bytes = align_down(bytes, granule);
	s->lanes = bytes < SMALL_POOL ? LANES / 8 : LANES;
	s->lanes_offset = at;
	at += s->lanes * LANE_BYTES;
	s->inodes = pick_inodes(bytes, inodes);
	s->inodes_offset = at;
	at = align_up(at + s->inodes * INODE_BYTES, PAGE_BYTES);
	s->nodes = pick_nodes(bytes, s->inodes);
	s->nodes_offset = at;
	at = align_up(at + s->nodes * PAGE_BYTES, data_align);
	s->data_offset = at;
	if (at + BLOCK_BYTES > s->bytes)
		return err(PF_EPOOLSIZE, "%lu bytes leave nothing beside %lu bytes of metadata",
			   (unsigned long)bytes, (unsigned long)at);
	s->data_pages = align_down((s->bytes - at) / PAGE_BYTES, BLOCK_PAGES);
	s->created_ns = clock_now();
	(void)!getrandom(s->uuid, sizeof s->uuid, 0);
	return 0;
}

static uint32_t crc_of(const struct super_format *s)
{
	struct super_format copy = *s;

	copy.crc = 0;
	return crc32c(0, &copy, sizeof copy);
}

void super_seal(struct super_format *s)
{
	s->crc = crc_of(s);
}

/* ---- reading --------------------------------------------------------------------------------------- */

/* An area of `count` records begins where the one before ended, give or take alignment, and ends before the next. */
static bool in_order(uint64_t from, uint64_t offset, uint64_t count, uint64_t bytes, uint64_t end)
{
	return offset >= from && offset % PAGE_BYTES == 0 && count && offset <= end &&
	       count <= (end - offset) / bytes;
}

static bool plausible(const struct super_format *s)
{
	return s->bytes >= POOL_BYTES_MIN && s->bytes <= POOL_BYTES_MAX &&
	       s->granule >= PAGE_BYTES && !(s->granule & (s->granule - 1)) && s->lanes <= LANES &&
	       s->inodes <= INODES_MAX + 2ull &&
	       in_order(HEAD_BYTES, s->lanes_offset, s->lanes, LANE_BYTES, s->inodes_offset) &&
	       in_order(s->lanes_offset, s->inodes_offset, s->inodes, INODE_BYTES,
			s->nodes_offset) &&
	       in_order(s->inodes_offset, s->nodes_offset, s->nodes, PAGE_BYTES, s->data_offset) &&
	       s->data_offset % BLOCK_BYTES == 0 && s->data_offset % s->granule == 0 &&
	       s->data_pages % BLOCK_PAGES == 0 && s->data_pages && s->data_offset < s->bytes &&
	       s->data_pages <= (s->bytes - s->data_offset) / PAGE_BYTES;
}

static int read_one(const uint8_t *at, struct super_format *s)
{
	memcpy(s, at, sizeof *s);
	if (s->magic != SUPER_MAGIC)
		return err(PF_ENOTPOOL, "no superblock");
	if (s->version != SUPER_VERSION)
		return err(PF_EVERSION, "format %u, this is %u", s->version, SUPER_VERSION);
	if (s->crc != crc_of(s))
		return err(PF_ECORRUPT, "superblock: wrong checksum");
	if (s->incompatible)
		return err(PF_EVERSION, "features %lx", (unsigned long)s->incompatible);
	return plausible(s) ? 0 : err(PF_ECORRUPT, "superblock: impossible layout");
}

int super_read(const void *head, uint64_t length, struct super_format *super)
{
	struct super_format copy;
	int rc;

	if (length < HEAD_BYTES)
		return err(PF_ENOTPOOL, "%lu bytes", (unsigned long)length);
	if (read_one((const uint8_t *)head + SUPER_COPY, &copy) == 0 && read_one(head, super) < 0) {
		*super = copy;
		return 0;
	}
	rc = read_one(head, super);
	return rc;
}
