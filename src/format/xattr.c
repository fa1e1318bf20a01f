/* The page of extended attributes, see xattr_format.h. */
#include "format/xattr_format.h"

#include <string.h>

#include "base/crc.h"

static unsigned record_bytes(size_t name, size_t value)
{
	return (unsigned)(XATTR_RECORD + name + value);
}

void xattr_init(struct xattr_page *page, uint32_t ino, uint32_t igen)
{
	memset(page, 0, sizeof *page);
	page->ino = ino;
	page->igen = igen;
}

static struct xattr record_at(const struct xattr_page *page, unsigned at)
{
	const uint8_t *r = page->records + at;

	return (struct xattr){.name = (const char *)r + XATTR_RECORD,
			      .name_length = r[0],
			      .value_length = r[2] | (unsigned)r[3] << 8,
			      .value = r + XATTR_RECORD + r[0],
			      .at = at};
}

bool xattr_next(const struct xattr_page *page, struct xattr *x)
{
	unsigned at = x->name ? x->at + record_bytes(x->name_length, x->value_length) : 0;

	if (at >= page->used)
		return false;
	*x = record_at(page, at);
	return true;
}

bool xattr_find(const struct xattr_page *page, const char *name, struct xattr *x)
{
	size_t length = strlen(name);

	*x = (struct xattr){0};
	while (xattr_next(page, x))
		if (x->name_length == length && !memcmp(x->name, name, length))
			return true;
	return false;
}

void xattr_remove(struct xattr_page *page, const struct xattr *x)
{
	unsigned bytes = record_bytes(x->name_length, x->value_length), at = x->at;

	memmove(page->records + at, page->records + at + bytes, page->used - at - bytes);
	page->used = (uint16_t)(page->used - bytes);
	page->count--;
	memset(page->records + page->used, 0, bytes);
}

bool xattr_add(struct xattr_page *page, const char *name, const void *value, size_t length)
{
	size_t name_length = strlen(name);
	uint8_t *r = page->records + page->used;

	if (length > XATTR_BYTES ||
	    record_bytes(name_length, length) > XATTR_BYTES - (size_t)page->used)
		return false;
	r[0] = (uint8_t)name_length;
	r[1] = 0;
	r[2] = (uint8_t)length;
	r[3] = (uint8_t)(length >> 8);
	memcpy(r + XATTR_RECORD, name, name_length);
	if (length)
		memcpy(r + XATTR_RECORD + name_length, value, length);
	page->used = (uint16_t)(page->used + record_bytes(name_length, length));
	page->count++;
	return true;
}

static uint32_t crc_of(const struct xattr_page *page)
{
	return crc32c(0, &page->used, XATTR_HEADER - sizeof page->crc + page->used);
}

void xattr_seal(struct xattr_page *page)
{
	page->crc = crc_of(page);
}

bool xattr_is(const char *name, size_t length, const char *prefix)
{
	size_t n = strlen(prefix);

	return length > n && !memcmp(name, prefix, n);
}

/* The records from `at` on are whole: the name of each is one, and no other's. */
static const char *wrong_record(const struct xattr_page *page, unsigned at)
{
	unsigned left = page->used - at;
	struct xattr x, other = {0};

	if (left < XATTR_RECORD)
		return "a record is cut off";
	x = record_at(page, at);
	if (record_bytes(x.name_length, x.value_length) > left)
		return "a record is longer than the page";
	if (page->records[at + 1] || memchr(x.name, 0, x.name_length) ||
	    (!xattr_is(x.name, x.name_length, "user.") &&
	     !xattr_is(x.name, x.name_length, "security.")))
		return "a name is none";
	while (xattr_next(page, &other) && other.at < at)
		if (other.name_length == x.name_length &&
		    !memcmp(other.name, x.name, x.name_length))
			return "a name is there twice";
	return NULL;
}

const char *xattr_wrong(const struct xattr_page *page, uint32_t ino, uint32_t igen)
{
	const char *wrong = NULL;
	unsigned at = 0, count = 0;

	if (page->used > XATTR_BYTES)
		return "they are longer than the page";
	if (page->crc != crc_of(page))
		return "wrong checksum";
	if (page->ino != ino || page->igen != igen)
		return "they are another inode's";
	for (; at < page->used && !wrong; count++) {
		struct xattr x;

		wrong = wrong_record(page, at);
		x = record_at(page, wrong ? 0 : at);
		at += record_bytes(x.name_length, x.value_length);
	}
	return wrong || count == page->count ? wrong : "their number is wrong";
}
