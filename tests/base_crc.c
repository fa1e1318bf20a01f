/* CRC-32C: known answers, going on from an earlier result, bit by bit at every length and alignment; and by tables as ISA-L has it. */
#include <stdint.h>
#include <string.h>

#if defined __x86_64__
#include <isa-l/crc.h>
#endif

#include "base/crc.h"
#include "test.h"

typedef uint32_t crc_function(uint32_t seed, const void *bytes, size_t length);

static uint8_t bytes[4096 + 16];
static struct test_random r;

static uint32_t slow(uint32_t crc, const uint8_t *at, size_t length)
{
	crc = ~crc;
	for (size_t i = 0; i < length; i++) {
		crc ^= at[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

static void known_answers(crc_function *crc)
{
	static const uint8_t zeros[32];

	must(crc(0, "123456789", 9) == 0xe3069283u);
	must(crc(0, zeros, sizeof zeros) == 0x8a9136aau); /* RFC 3720, B.4 */
	must(crc(0, "", 0) == 0);
	must(crc(crc(0, "1234", 4), "56789", 5) == 0xe3069283u);
}

static void bit_by_bit(crc_function *crc)
{
	for (size_t start = 0; start < 17; start++) {
		for (size_t length = 0; length < 495; length++) {
			size_t cut = length ? test_below(&r, length) : 0;
			const uint8_t *at = bytes + start;
			uint32_t whole = slow(0, at, length);

			must(crc(0, at, length) == whole);
			must(crc(crc(0, at, cut), at + cut, length - cut) == whole);
		}
	}
}

#if defined __x86_64__
static void as_isal(crc_function *crc)
{
	for (size_t length = 0; length <= 4096; length++) {
		for (size_t start = 0; start < 16; start++) {
			uint32_t seed = (uint32_t)test_random(&r);
			uint8_t *at = bytes + start;

			must(crc(seed, at, length) == ~crc32_iscsi(at, (int)length, ~seed));
		}
	}
}
#else
static void as_isal(crc_function *crc)
{
	(void)crc; /* not used on this CPU */
}
#endif

int main(void)
{
	static crc_function *const functions[] = {crc32c, crc32c_by_table};

	r.state = test_seed();
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)test_random(&r);
	for (size_t i = 0; i < 2; i++) {
		known_answers(functions[i]);
		bit_by_bit(functions[i]);
		as_isal(functions[i]);
	}
	return 0;
}
