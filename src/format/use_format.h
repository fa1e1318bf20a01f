/*
 * Who uses the pool: written when it is opened and when it is closed, by the process that has the media's
 * lock. Two copies, newest whole one wins, so a torn write leaves the other.
 *
 * offset | bytes |
 *      0 |    4 | crc        CRC-32C of the rest
 *      4 |    4 | state      0 clean, 1 open
 *      8 |    8 | sequence   the higher one is newer
 *     16 |   16 | machine    /etc/machine-id (or zeros)
 *     32 |   16 | boot       boot id
 *     48 |   16 | nonce      of the runtime
 */
#ifndef FORMAT_USE_FORMAT_H
#define FORMAT_USE_FORMAT_H

#include <stdint.h>

#define USE_OFFSET 4096u /* of the first copy on the media */
#define USE_STRIDE 2048u /* to the second */
#define USE_END    8192u

enum use_state { USE_CLEAN, USE_OPEN };

struct use_format {
	uint32_t crc;
	uint32_t state;
	uint64_t sequence;
	uint8_t machine[16];
	uint8_t boot[16];
	uint64_t nonce[2];
};
_Static_assert(sizeof(struct use_format) == 64, "use record");

/* The newer of the two copies that is whole, from the media's first USE_END bytes; NULL: neither is. */
const struct use_format *use_read(const void *head);
/* Fills in sequence and crc of what is to be stored next; returns the place of the older copy, where it belongs. */
void *use_seal(void *head, struct use_format *use);

#endif
