/*
 * Extended attributes: all of an inode's are in one page of metadata, which inode.xattr names. Changing one means writing another page, so
 * what a reader without a lock finds is whole or its checksum does not fit.
 *
 *   0  CRC-32C of the bytes from 4 on, as many as are used | 4 bytes of records, 16 bits | 6 their number, 16 bits | 8 inode | 12 its generation
 *   16 records, one behind the other: length of the name, 8 bits; 0; length of the value, 16 bits; name; value
 */
#ifndef FORMAT_XATTR_FORMAT_H
#define FORMAT_XATTR_FORMAT_H

#include <stddef.h>

#include "base/bits.h"
#include "pinfold.h"

#define XATTR_HEADER   16u
#define XATTR_RECORD   4u /* bytes of a record before its name */
#define XATTR_BYTES    (PF_PAGE_SIZE - XATTR_HEADER)
#define XATTR_NAME_MAX 255u

struct xattr_page {
	uint32_t crc;
	uint16_t used, count;
	uint32_t ino, igen;
	uint8_t records[XATTR_BYTES];
};
_Static_assert(sizeof(struct xattr_page) == PF_PAGE_SIZE, "attributes fill a page");
_Static_assert(offsetof(struct xattr_page, records) == XATTR_HEADER, "header of attributes");

/* One attribute, in the page. */
struct xattr {
	const char *name; /* without NUL */
	unsigned name_length, value_length;
	const uint8_t *value;
	unsigned at; /* where its record is, in records[] */
};

/* No attributes, for this inode. */
void xattr_init(struct xattr_page *page, uint32_t ino, uint32_t igen);
/* The first one (x->name NULL), or the next one after *x. Of a good page. */
bool xattr_next(const struct xattr_page *page, struct xattr *x);
bool xattr_find(const struct xattr_page *page, const char *name, struct xattr *x);
void xattr_remove(struct xattr_page *page, const struct xattr *x);
/* Adds one that is not there. False: no room. */
bool xattr_add(struct xattr_page *page, const char *name, const void *value, size_t length);
/* After changes. */
void xattr_seal(struct xattr_page *page);
/* NULL, or what is wrong with a page for this inode: checksum, lengths, a name that is none or is there twice. */
const char *xattr_wrong(const struct xattr_page *page, uint32_t ino, uint32_t igen);
/* The name has this prefix, "user." or "security.", and something behind it. */
bool xattr_is(const char *name, size_t length, const char *prefix);

#endif
