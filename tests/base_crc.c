/* CRC-32C: known answers, going on from an earlier result, and bit by bit at every length and alignment. */
#include <stdint.h>
#include <string.h>

#include "base/crc.h"
#include "test.h"

static uint32_t slow(uint32_t crc, const uint8_t *bytes, size_t length)
{
	crc = ~crc;
	for (size_t i = 0; i < length; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

int main(void)
{
	static uint8_t bytes[512], zeros[32];
	struct test_random r = {test_seed()};

	must(crc32c(0, "123456789", 9) == 0xe3069283u);
	must(crc32c(0, zeros, sizeof zeros) == 0x8a9136aau); /* RFC 3720, B.4 */
	must(crc32c(0, "", 0) == 0);
	must(crc32c(crc32c(0, "1234", 4), "56789", 5) == 0xe3069283u);
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)test_random(&r);
	for (size_t start = 0; start < 17; start++) {
		for (size_t length = 0; length < sizeof bytes - 17; length++) {
			size_t cut = length ? test_below(&r, length) : 0;
			const uint8_t *at = bytes + start;
			uint32_t whole = slow(0, at, length);

			must(crc32c(0, at, length) == whole);
			must(crc32c(crc32c(0, at, cut), at + cut, length - cut) == whole);
		}
	}
	return 0;
}
