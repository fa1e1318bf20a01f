/* fsck names every kind of damage to a page of extended attributes, and opening refuses it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "box.h"
#include "format/xattr_format.h"
#include "test.h"

static struct box box;
static uint32_t ino;
static uint8_t *bytes; /* the media, mapped */

static struct inode_format *inode(void)
{
	return (struct inode_format *)(bytes + box.super.inodes_offset) + ino;
}

static struct xattr_page *page(void)
{
	return (struct xattr_page *)(bytes + box.super.nodes_offset +
				     entry_target(load_relaxed(&inode()->xattr)) * PAGE_BYTES);
}

static void checksum(void)
{
	page()->crc ^= 1;
}

static void used(void)
{
	page()->used = PAGE_BYTES;
}

static void cut_off(void)
{
	page()->used--;
	xattr_seal(page());
}

static void rest(void)
{
	page()->used = (uint16_t)(page()->used + 2);
	xattr_seal(page());
}

static void count(void)
{
	page()->count++;
	xattr_seal(page());
}

static void of_another(void)
{
	page()->ino++;
	xattr_seal(page());
}

static void of_an_older(void)
{
	page()->igen++;
	xattr_seal(page());
}

static void name(void)
{
	page()->records[XATTR_RECORD] = 'U';
	xattr_seal(page());
}

static void nul(void)
{
	page()->records[XATTR_RECORD + 5] = 0;
	xattr_seal(page());
}

static void second_byte(void)
{
	page()->records[1] = 1;
	xattr_seal(page());
}

static void twice(void)
{
	struct xattr x = {0};

	xattr_next(page(), &x);
	must(xattr_next(page(), &x));
	page()->records[x.at + XATTR_RECORD + 5] = 'a';
	xattr_seal(page());
}

static void value_byte(void)
{
	page()->records[XATTR_RECORD + 6] ^= 1;
}

static const struct {
	const char *what;
	void (*damage)(void);
} cases[] = {
#define CASE(damage)            \
	{                       \
#damage, damage \
	}
	CASE(checksum), CASE(used),        CASE(cut_off),     CASE(rest),
	CASE(count),    CASE(of_another),  CASE(of_an_older), CASE(name),
	CASE(nul),      CASE(second_byte), CASE(twice),       CASE(value_byte),
};

static void check_case(size_t i)
{
	struct xattr_page good = *page();
	char rule[32], text[256];

	cases[i].damage();
	if (box_fsck(bytes, box.super.bytes, rule, sizeof rule, text, sizeof text) != 1 ||
	    strcmp(rule, "xattr"))
		test_fail(__FILE__, __LINE__, "%s: fsck says %s: %s", cases[i].what, rule, text);
	must_be(box_try_open(&box), -PF_ECORRUPT);
	*page() = good;
	must_be(box_fsck(bytes, box.super.bytes, rule, sizeof rule, text, sizeof text), 0);
}

int main(void)
{
	struct xattr_page new;

	test_dir();
	box_make(&box, 16 << 20, 0, 0);
	box_open(&box);
	ino = box_create(&box, "file");
	xattr_init(&new, ino, fs_generation(&box.fs, ino));
	must(xattr_add(&new, "user.a", "12345", 5) && xattr_add(&new, "user.b", "", 0));
	must_be(fs_xattr_write(&box.fs, box.me, ino, &new, false), 0);
	box_check(&box);
	box_close(&box);
	bytes = mmap(NULL, box.super.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, box.media_fd, 0);
	must(bytes != MAP_FAILED);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_case(i);
	box_open(&box);
	must_be(fs_xattr_read(&box.fs, ino, &new), 0);
	must_be(new.count, 2);
	box_close(&box);
	box_end(&box);
	return 0;
}
