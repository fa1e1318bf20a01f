/* Entries of directories, see dir_format.h. */
#include "format/dir_format.h"

#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/crc.h"

#define WORDS_MAX (5 * DIR_GRANULE / 8)

uint64_t dir_hash(const uint8_t seed[16], const char *name, size_t length)
{
	uint64_t start, h;

	memcpy(&start, seed, sizeof start);
	h = XXH3_64bits_withSeed(name, length, start) >> 1 & ~(uint64_t)(DIR_TIES - 1);
	return h ? h : DIR_KEY_FIRST;
}

static uint32_t crc_of(const uint64_t *words, unsigned length)
{
	uint32_t crc = crc32c(0, words, 2 * sizeof *words);

	return crc32c(crc, words + 3, length);
}

void dir_words(const struct dir_name *name, uint64_t *words)
{
	words[0] = name->ino | (uint64_t)name->length << 32 | (uint64_t)(name->type >> 12) << 40;
	words[1] = name->key;
	memset(words + 3, 0, dir_granules(name->length) * DIR_GRANULE - 3 * sizeof *words);
	memcpy(words + 3, name->name, name->length);
	words[2] = crc_of(words, name->length) | (uint64_t)name->igen << 32;
}

static bool zeros(const uint8_t *from, const uint8_t *to)
{
	while (from < to)
		if (*from++)
			return false;
	return true;
}

bool dir_read(const struct dir_page *page, unsigned granule, struct dir_name *name)
{
	const _Atomic uint64_t *from = (const _Atomic uint64_t *)page + granule * 8u;
	uint64_t words[WORDS_MAX] = {load_acquire(&from[0])};
	unsigned length = words[0] >> 32 & 0xff, granules = dir_granules(length);

	if (!length || granule < DIR_FIRST || granule + granules > DIR_GRANULES || words[0] >> 44)
		return false;
	for (unsigned i = 1; i < granules * 8; i++)
		words[i] = load_acquire(&from[i]);
	if ((uint32_t)words[2] != crc_of(words, length) || memchr(words + 3, 0, length) ||
	    memchr(words + 3, '/', length) ||
	    !zeros((uint8_t *)(words + 3) + length, (uint8_t *)(words + granules * 8)))
		return false;
	name->ino = (uint32_t)words[0];
	name->type = (uint32_t)(words[0] >> 40 & 15) << 12;
	name->key = words[1];
	name->igen = words[2] >> 32;
	name->length = length;
	memcpy(name->name, words + 3, length);
	name->name[length] = 0;
	return true;
}
