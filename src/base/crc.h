/* CRC-32C (Castagnoli) over bytes, as the media format uses it. */
#ifndef BASE_CRC_H
#define BASE_CRC_H

#include <stddef.h>
#include <stdint.h>

/* crc32c of "123456789" with seed 0 is 0xe3069283. `seed` is an earlier result, to go on from. */
uint32_t crc32c(uint32_t seed, const void *bytes, size_t length);
/* The same, for any CPU and slower than crc32c() on x86-64. */
uint32_t crc32c_by_table(uint32_t seed, const void *bytes, size_t length);

#endif
