/* CRC-32C: on x86-64 of a few words by the instruction for it, as most of what is checked has a few words, and of more by ISA-L, which picks the machine's
 * instructions. On other CPUs by tables. */
#include "base/crc.h"

#if defined __x86_64__
#include <isa-l/crc.h>
#include <nmmintrin.h>
#include <string.h>

#define SHORT 160u /* bytes; beyond it ISA-L is faster */

__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const uint8_t *at,
								 size_t length)
{
	uint64_t wide = crc, word;
	uint32_t half;

	for (; length >= 8; length -= 8, at += 8) {
		memcpy(&word, at, 8);
		wide = _mm_crc32_u64(wide, word);
	}
	crc = (uint32_t)wide;
	if (length >= 4) {
		memcpy(&half, at, 4);
		crc = _mm_crc32_u32(crc, half);
		length -= 4;
		at += 4;
	}
	while (length--)
		crc = _mm_crc32_u8(crc, *at++);
	return crc;
}

uint32_t crc32c(uint32_t seed, const void *bytes, size_t length)
{
	if (length <= SHORT && __builtin_cpu_supports("sse4.2"))
		return ~by_instruction(~seed, bytes, length);
	/* ISA-L neither reads more than `length` bytes nor writes: its prototype only lacks const. */
	return ~crc32_iscsi((unsigned char *)bytes, (int)length, ~seed);
}
#else
uint32_t crc32c(uint32_t seed, const void *bytes, size_t length)
{
	return crc32c_by_table(seed, bytes, length);
}
#endif
