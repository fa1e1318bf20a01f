/* Inode records, map entries and name hashes, see inode_format.h. */
#include "format/inode_format.h"

#include <string.h>

#include "base/crc.h"
#include "base/err.h"

#define READ_TRIES 10000 /* of a record that is being changed */

static uint64_t check_of(uint32_t ino, uint32_t igen, uint64_t index, uint64_t low)
{
	uint64_t all[3] = {(uint64_t)igen << 32 | ino, index, low};
	uint32_t crc = crc32c(0, all, sizeof all);

	return (crc ^ crc >> 16) & 0xffff;
}

entry_t entry_make(uint32_t ino, uint32_t igen, uint64_t index, enum entry_kind kind,
		   unsigned order, uint64_t target)
{
	uint64_t low = (uint64_t)kind | (uint64_t)order << 2 | target << 8;

	return low | check_of(ino, igen, index, low) << 48;
}

bool entry_valid(uint32_t ino, uint32_t igen, uint64_t index, entry_t entry)
{
	return !entry || entry >> 48 == check_of(ino, igen, index, entry & ((1ull << 48) - 1));
}

uint64_t name_hash(const char *name, size_t length)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < length; i++)
		h = (h ^ (uint8_t)name[i]) * 0x100000001b3ull;
	return h ^ h >> 29;
}

/* Word 0 is the checksum of the others. */
static uint64_t crc_of(const uint64_t *words)
{
	return crc32c(0, words + 1, (INODE_WORDS - 1) * sizeof *words);
}

void inode_words(const struct inode_attr *attr, uint64_t *words)
{
	words[1] = attr->size;
	words[2] = (uint64_t)attr->state | (uint64_t)attr->flags << 8 |
		   (uint64_t)attr->generation << 32;
	words[3] = attr->shrink_to;
	words[4] = attr->mtime;
	words[5] = attr->ctime;
	words[6] = attr->btime;
	words[7] = attr->mode | (uint64_t)attr->uid << 32;
	words[8] = attr->gid | (uint64_t)attr->name_length << 32;
	memset(words + 9, 0, 32 * sizeof *words);
	memcpy(words + 9, attr->name, attr->name_length);
	words[0] = crc_of(words);
}

static void from_words(const uint64_t *words, struct inode_attr *attr)
{
	attr->size = words[1];
	attr->state = (enum inode_state)(words[2] & 0xff);
	attr->flags = words[2] >> 8 & 0xffffff;
	attr->generation = words[2] >> 32;
	attr->shrink_to = words[3];
	attr->mtime = words[4];
	attr->ctime = words[5];
	attr->btime = words[6];
	attr->mode = (uint32_t)words[7];
	attr->uid = words[7] >> 32;
	attr->gid = (uint32_t)words[8];
	attr->name_length = words[8] >> 32;
	memcpy(attr->name, words + 9, 256);
}

static int check_attr(const struct inode_attr *a)
{
	if (a->state > INODE_EVICTING || a->flags & ~INODE_SHRINKING)
		return err(PF_ECORRUPT, "inode: state %d, flags %x", (int)a->state, a->flags);
	if (a->size > FILE_PAGES_MAX * PAGE_BYTES || a->shrink_to > FILE_PAGES_MAX * PAGE_BYTES)
		return err(PF_ECORRUPT, "inode: size %lu", (unsigned long)a->size);
	if (a->name_length > PF_NAME_MAX || a->name[a->name_length] ||
	    memchr(a->name, '/', a->name_length) || strlen(a->name) != a->name_length ||
	    (a->state != INODE_FREE && !a->name_length))
		return err(PF_ECORRUPT, "inode: name of %u bytes", a->name_length);
	return 0;
}

static int read_within(const struct inode_format *inode, struct inode_attr *attr, unsigned tries)
{
	const _Atomic uint64_t *from = &inode->crc;
	uint64_t words[INODE_WORDS], any;

	for (unsigned n = 0; n < tries; n++) {
		any = 0;
		for (unsigned i = 0; i < INODE_WORDS; i++)
			any |= words[i] = load_acquire(&from[i]);
		if (!any || words[0] == crc_of(words)) {
			from_words(words, attr);
			return any ? check_attr(attr) : 0;
		}
		cpu_relax();
	}
	return err(PF_ECORRUPT, "inode: wrong checksum");
}

int inode_read(const struct inode_format *inode, struct inode_attr *attr)
{
	return read_within(inode, attr, READ_TRIES);
}

int inode_read_at_rest(const struct inode_format *inode, struct inode_attr *attr)
{
	return read_within(inode, attr, 1);
}
