/* CRC-32C by ISA-L, which picks the machine's instructions. */
#include "base/crc.h"

#include <isa-l/crc.h>

uint32_t crc32c(uint32_t seed, const void *bytes, size_t length)
{
	/* ISA-L neither reads more than `length` bytes nor writes: its prototype only lacks const. */
	return ~crc32_iscsi((unsigned char *)bytes, (int)length, ~seed);
}
