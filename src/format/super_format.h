/*
 * The superblock, and where everything is on the media. Little-endian, fixed width; written by mkfs, and a
 * second time at SUPER_COPY; never changed afterwards.
 *
 *   page 0        superblock
 *   page 1        use record, twice (use_format.h)
 *   page 2        counters (struct counters_format)
 *   page 16       superblock, the copy
 *   lanes         journal lanes: LANES, or an eighth of them in pools below 64 MiB
 *   inodes        inode table, INODE_BYTES each; number 0 is not used
 *   nodes         pages of metadata: of files' maps, directories, attributes; number 0 is not used
 *   data          data zone, at a multiple of 2 MiB and of the granule: pages of files
 *
 * All offsets are bytes from the start of the media and multiples of 4096. A pfn is an offset / 4096.
 */
#ifndef FORMAT_SUPER_FORMAT_H
#define FORMAT_SUPER_FORMAT_H

#include "base/bits.h"
#include "base/check.h"

#define SUPER_MAGIC     0x646c6f666e697000ull /* bytes: NUL "pinfold" */
#define SUPER_VERSION   2u
#define SUPER_COPY      (16 * PAGE_BYTES)
#define COUNTERS_OFFSET (2 * PAGE_BYTES)
#define HEAD_BYTES      (32 * PAGE_BYTES) /* what comes before the lanes */

#define SUPER_SPARSE   0x1u /* space was not reserved */
#define SUPER_VOLATILE 0x2u /* a cached device was accepted as volatile */

#define POOL_BYTES_MIN (8ull << 20)
#define POOL_BYTES_MAX (1ull << 50)
#define LANES          256u
#define LANE_BYTES     16384u
#define INODE_BYTES    256u
#define INODES_MIN     1024u
#define INODES_MAX     (1u << 24)

struct super_format {
	uint64_t magic;
	uint32_t version;
	uint32_t crc; /* CRC-32C of the page with this field 0 */
	uint8_t uuid[16];
	uint64_t incompatible; /* feature bits; an unknown one: refuse */
	uint64_t compatible;
	uint64_t bytes;   /* of the pool */
	uint64_t granule; /* of the device it was made on, bytes */
	uint64_t flags;   /* SUPER_... */
	uint64_t created_ns;
	uint64_t lanes_offset, lanes;   /* count */
	uint64_t inodes_offset, inodes; /* count, 0 and the root included */
	uint64_t nodes_offset, nodes;   /* count, 0 included */
	uint64_t data_offset, data_pages;
	uint8_t unused[3952];
};
_Static_assert(sizeof(struct super_format) == PAGE_BYTES, "superblock");
_Static_assert(offsetof(struct super_format, data_pages) == 136, "superblock layout");

/* Numbers that change, each with a check of its own so that one store changes it whole. */
struct counters_format {
	_Atomic uint64_t inodes_high; /* number32(): inodes from this number on were never used */
};

/* A 32-bit number with its CRC-32C in the high half; 0 only for "none" (number 0). */
uint64_t number32(uint32_t number);
/* False if the check is wrong. */
bool number32_read(uint64_t word, uint32_t *number);

/* Lays out a pool of `bytes` on a device with `granule`; inodes 0: by size. -PF_EPOOLSIZE if it does not fit. */
int super_layout(struct super_format *super, uint64_t bytes, uint64_t granule, uint64_t inodes);
void super_seal(struct super_format *super);
/* Looks at the media's first HEAD_BYTES, as many of them as `length` has: picks a whole superblock (the copy
 * if the first is damaged), checks every field against the others. -PF_ENOTPOOL, -PF_EVERSION, -PF_ECORRUPT. */
int super_read(const void *head, uint64_t length, struct super_format *super);

#endif
