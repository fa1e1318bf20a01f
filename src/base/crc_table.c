/*
 * CRC-32C by tables, eight bytes at a time, for CPUs that ISA-L is not used on. table[k][b] is what byte b with k bytes of zeros
 * behind it does to the CRC. It is linear in b: eight values, of the eight bits of b, give the other 248.
 */
#include <stdint.h>
#include <string.h>

#include "base/crc.h"

/* x with every choice of the bits' values, in order of b. */
#define BITS1(x, a)                   (x), (x) ^ (a)
#define BITS2(x, a, b)                BITS1(x, a), BITS1((x) ^ (b), a)
#define BITS3(x, a, b, c)             BITS2(x, a, b), BITS2((x) ^ (c), a, b)
#define BITS4(x, a, b, c, d)          BITS3(x, a, b, c), BITS3((x) ^ (d), a, b, c)
#define BITS5(x, a, b, c, d, e)       BITS4(x, a, b, c, d), BITS4((x) ^ (e), a, b, c, d)
#define BITS6(x, a, b, c, d, e, f)    BITS5(x, a, b, c, d, e), BITS5((x) ^ (f), a, b, c, d, e)
#define BITS7(x, a, b, c, d, e, f, g) BITS6(x, a, b, c, d, e, f), BITS6((x) ^ (g), a, b, c, d, e, f)
#define BITS8(a, b, c, d, e, f, g, h) \
	BITS7(0u, a, b, c, d, e, f, g), BITS7(0u ^ (h), a, b, c, d, e, f, g)

static const uint32_t table[8][256] = {
	{BITS8(0xf26b8303, 0xe13b70f7, 0xc79a971f, 0x8ad958cf, 0x105ec76f, 0x20bd8ede, 0x417b1dbc,
	       0x82f63b78)},
	{BITS8(0x13a29877, 0x274530ee, 0x4e8a61dc, 0x9d14c3b8, 0x3fc5f181, 0x7f8be302, 0xff17c604,
	       0xfbc3faf9)},
	{BITS8(0xa541927e, 0x4f6f520d, 0x9edea41a, 0x38513ec5, 0x70a27d8a, 0xe144fb14, 0xc76580d9,
	       0x8b277743)},
	{BITS8(0xdd45aab8, 0xbf672381, 0x7b2231f3, 0xf64463e6, 0xe964b13d, 0xd725148b, 0xaba65fe7,
	       0x52a0c93f)},
	{BITS8(0x38116fac, 0x7022df58, 0xe045beb0, 0xc5670b91, 0x8f2261d3, 0x1ba8b557, 0x37516aae,
	       0x6ea2d55c)},
	{BITS8(0xef306b19, 0xdb8ca0c3, 0xb2f53777, 0x6006181f, 0xc00c303e, 0x85f4168d, 0x0e045beb,
	       0x1c08b7d6)},
	{BITS8(0x68032cc8, 0xd0065990, 0xa5e0c5d1, 0x4e2dfd53, 0x9c5bfaa6, 0x3d5b83bd, 0x7ab7077a,
	       0xf56e0ef4)},
	{BITS8(0x493c7d27, 0x9278fa4e, 0x211d826d, 0x423b04da, 0x847609b4, 0x0d006599, 0x1a00cb32,
	       0x34019664)},
};

uint32_t crc32c_by_table(uint32_t seed, const void *bytes, size_t length)
{
	const uint8_t *at = bytes;
	uint32_t crc = ~seed;
	uint64_t word;

	/* Little-endian, asserted where the media format is. */
	for (; length >= 8; length -= 8, at += 8) {
		memcpy(&word, at, 8);
		word ^= crc;
		crc = 0;
		for (unsigned i = 0; i < 8; i++)
			crc ^= table[7 - i][word >> 8 * i & 0xff];
	}
	for (; length; length--, at++)
		crc = crc >> 8 ^ table[0][(crc ^ *at) & 0xff];
	return ~crc;
}
