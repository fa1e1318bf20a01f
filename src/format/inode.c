/* Inode records and map entries, see inode_format.h. */
#include "format/inode_format.h"

#include <sys/stat.h>

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
	return !entry || (entry >> 48 == check_of(ino, igen, index, entry & ((1ull << 48) - 1)) &&
			  !(entry & ENTRY_UNUSED));
}

/* Word 0 is the checksum of the others, and of inlined[] of a symbolic link. */
static uint64_t crc_of(const uint64_t *words, uint32_t link_crc)
{
	return crc32c(link_crc, words + 1, (INODE_WORDS - 1) * sizeof *words);
}

void inode_words(const struct inode_attr *attr, uint64_t *words)
{
	words[1] = attr->size;
	words[2] = (uint64_t)attr->state | (uint64_t)attr->flags << 8 |
		   (uint64_t)attr->generation << 32;
	words[3] = attr->shrink_to;
	words[4] = attr->atime;
	words[5] = attr->mtime;
	words[6] = attr->ctime;
	words[7] = attr->btime;
	words[8] = attr->mode | (uint64_t)attr->uid << 32;
	words[9] = attr->gid | (uint64_t)attr->nlink << 32;
	words[10] = attr->parent;
	words[11] = attr->key;
	words[12] = attr->xattr;
	words[13] = attr->shrink_end;
	words[0] = crc_of(words, attr->link_crc);
}

static void from_words(const uint64_t *words, struct inode_attr *attr)
{
	*attr = (struct inode_attr){
		.size = words[1],
		.state = (enum inode_state)(words[2] & 0xff),
		.flags = words[2] >> 8 & 0xffffff,
		.generation = words[2] >> 32,
		.shrink_to = words[3],
		.atime = words[4],
		.mtime = words[5],
		.ctime = words[6],
		.btime = words[7],
		.mode = (uint32_t)words[8],
		.uid = words[8] >> 32,
		.gid = (uint32_t)words[9],
		.nlink = words[9] >> 32,
		.parent = (uint32_t)words[10],
		.key = words[11],
		.xattr = words[12],
		.shrink_end = words[13],
	};
}

/* One that is not a device is never wrong. */
static bool device_wrong(const struct inode_attr *a)
{
	uint64_t align = inode_device_align(a->flags);

	return align && (a->flags & (INODE_BUSY | INODE_KEEPS) || !a->size || a->size % align);
}

static int check_attr(const struct inode_attr *a, const uint64_t *words)
{
	uint32_t type = a->mode & S_IFMT;

	if (a->state > INODE_EVICTING || a->flags & ~INODE_FLAGS)
		return err(PF_ECORRUPT, "inode: state %d, flags %x", (int)a->state, a->flags);
	if (a->state == INODE_FREE)
		return 0;
	if (type != S_IFREG && a->flags & (INODE_BUSY | INODE_KEEPS | INODE_DEVICE))
		return err(PF_ECORRUPT, "inode: flags %x of no file", a->flags);
	if (device_wrong(a))
		return err(PF_ECORRUPT, "inode: a device of %lu bytes, flags %x",
			   (unsigned long)a->size, a->flags);
	if ((type != S_IFREG && type != S_IFDIR && type != S_IFLNK) || a->mode & ~(S_IFMT | 07777u))
		return err(PF_ECORRUPT, "inode: mode %o", a->mode);
	if (a->size > FILE_PAGES_MAX * PAGE_BYTES || a->shrink_to > FILE_PAGES_MAX * PAGE_BYTES ||
	    a->shrink_end > FILE_PAGES_MAX * PAGE_BYTES ||
	    (a->flags & INODE_PUNCHING && a->shrink_to > a->shrink_end) ||
	    (type == S_IFLNK && (!a->size || a->size > PF_PATH_MAX)))
		return err(PF_ECORRUPT, "inode: size %lu", (unsigned long)a->size);
	if (words[10] >> 32 || a->key >> 63)
		return err(PF_ECORRUPT, "inode: name %lx in directory %lx", (unsigned long)a->key,
			   (unsigned long)words[10]);
	if ((a->state == INODE_NAMED) != (a->nlink != 0))
		return err(PF_ECORRUPT, "inode: state %d with %u names", (int)a->state, a->nlink);
	return 0;
}

static bool is_link(const uint64_t *words)
{
	return (words[8] & S_IFMT) == S_IFLNK;
}

static uint32_t link_crc(const struct inode_format *inode)
{
	uint64_t copy[INLINE_ENTRIES];

	for (unsigned i = 0; i < INLINE_ENTRIES; i++)
		copy[i] = load_acquire(&inode->inlined[i]);
	return crc32c(0, copy, sizeof copy);
}

static int read_within(const struct inode_format *inode, struct inode_attr *attr, unsigned tries)
{
	const _Atomic uint64_t *from = &inode->crc;
	uint64_t words[INODE_WORDS], any;
	uint32_t crc;

	for (unsigned n = 0; n < tries; n++) {
		any = 0;
		for (unsigned i = 0; i < INODE_WORDS; i++)
			any |= words[i] = load_acquire(&from[i]);
		crc = any && is_link(words) ? link_crc(inode) : 0;
		if (!any || words[0] == crc_of(words, crc)) {
			from_words(words, attr);
			attr->link_crc = crc;
			return any ? check_attr(attr, words) : 0;
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
