/*
 * Random damage to the metadata, with checksums that fit or do not: fsck and opening end, crash on none of it, and agree; what
 * opening takes can be read and changed.
 */
/* test: suite=short timeout=120 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/err.h"
#include "image.h"
#include "test.h"

static struct image image;
static uint8_t *good;
static struct test_random chance;
static uint64_t bucket; /* of the root directory */
static unsigned long opened, refused;

/* ---- damage ----------------------------------------------------------------------------------------- */

/* Where there is something: an inode or node in use, a bucket, the counters, a lane. */
static uint64_t some_place(void)
{
	const struct super_format *s = &image.super;

	switch (test_below(&chance, 8)) {
	case 0:
		return test_below(&chance, HEAD_BYTES);
	case 1:
		return COUNTERS_OFFSET + test_below(&chance, 16);
	case 2:
		return s->lanes_offset + test_below(&chance, s->lanes * LANE_BYTES);
	case 3:
		return bucket + test_below(&chance, PAGE_BYTES);
	case 4:
	case 5:
		return s->nodes_offset + test_below(&chance, 16 * PAGE_BYTES);
	default:
		return s->inodes_offset + test_below(&chance, 10 * INODE_BYTES);
	}
}

static uint64_t some_value(void)
{
	switch (test_below(&chance, 6)) {
	case 0:
		return 0;
	case 1:
		return ~0ull;
	case 2:
		return number32((uint32_t)test_below(&chance, 600));
	case 3:
		return (image.super.data_offset / PAGE_BYTES + test_below(&chance, 2000)) << 8 | 1;
	case 4:
		return test_below(&chance, 300) << 8 | test_below(&chance, 5) << 2 | 2;
	default:
		return test_random(&chance);
	}
}

/* A transaction of random words, committed. */
static void write_lane(void)
{
	uint64_t count = 1 + test_below(&chance, 20), record[20][2];
	uint8_t *lane = image.bytes + image.super.lanes_offset +
			test_below(&chance, image.super.lanes) * LANE_BYTES;

	for (uint64_t i = 0; i < count; i++) {
		record[i][0] = test_below(&chance, 20) ? align_down(some_place(), 8)
						       : test_random(&chance);
		record[i][1] = some_value();
	}
	memcpy(lane + 64, record, count * 16);
	store_relaxed((_Atomic uint64_t *)lane,
		      (uint64_t)crc32c(0, record, count * 16) << 32 | count);
}

static void damage_inode(void)
{
	uint32_t ino = 1 + (uint32_t)test_below(&chance, 10);
	uint64_t word = test_below(&chance, INODE_BYTES / 8);

	memcpy((uint8_t *)image_inode(&image, ino) + word * 8, &(uint64_t){some_value()}, 8);
	image_seal_inode(&image, ino);
}

static void damage_entry(void)
{
	static const uint32_t *const inos[] = {&image.small, &image.tree, &image.leaf};
	uint32_t ino = *inos[test_below(&chance, 3)];
	struct inode_format *inode = image_inode(&image, ino);
	uint64_t i = test_below(&chance, INLINE_ENTRIES);
	_Atomic uint64_t *entry = &inode->inlined[i];

	if (test_below(&chance, 2)) {
		entry = &inode->root;
		i = 0;
	} else if (test_below(&chance, 2)) {
		uint64_t level = test_below(&chance, 3);

		i = test_below(&chance, 4);
		entry = &image_node(&image, 1 + test_below(&chance, 8))[i];
		i <<= 9 * level;
	}
	store_relaxed(entry, some_value());
	image_seal_entry(&image, ino, i, entry);
}

static void damage(void)
{
	uint64_t place = some_place();

	switch (test_below(&chance, 6)) {
	case 0:
		write_lane();
		break;
	case 1:
		damage_inode();
		break;
	case 2:
		damage_entry();
		break;
	case 3:
		image.bytes[place] ^= (uint8_t)(1 << test_below(&chance, 8));
		break;
	case 4:
		memcpy(image.bytes + align_down(place, 8), &(uint64_t){some_value()}, 8);
		break;
	default:
		memcpy(image.bytes + align_down(place, 8),
		       image.bytes + align_down(some_place(), 8), 8);
	}
}

/* ---- using what was opened --------------------------------------------------------------------------- */

static void look_at_file(struct box *box, uint32_t ino)
{
	uint64_t pfn, index = 0;

	for (unsigned i = 0; i < 1000 && index < FILE_PAGES_MAX; i++) {
		index = fs_next_entry(&box->fs, ino, index, FILE_PAGES_MAX);
		if (index < FILE_PAGES_MAX)
			must(fs_entry(&box->fs, ino, index, &pfn));
		index++;
	}
	fs_pages(&box->fs, ino);
}

/* Every name is found, and leads where reading said. */
static void look_at_directory(struct box *box, uint32_t dir)
{
	struct dir_name names[FS_DIR_READ];
	struct fs_place place;
	uint64_t key = 0;
	bool sure;

	while (key < 1ull << DIR_KEY_BITS) {
		unsigned n = fs_dir_read(&box->fs, dir, key, names, &key, &sure);

		must(sure);
		for (unsigned i = 0; i < n; i++) {
			must(fs_dir_find(&box->fs, dir, names[i].name, names[i].length, &place));
			must_be(place.name.ino, names[i].ino);
		}
	}
}

static void look(struct box *box, uint32_t ino)
{
	char text[PF_PATH_MAX + 1];
	struct inode_attr attr;

	must_be(fs_attr(&box->fs, ino, &attr), 0);
	fs_path(&box->fs, ino, attr.generation, text, sizeof text);
	if (attr.state == INODE_FREE)
		return;
	if (fs_is_directory(&box->fs, ino))
		look_at_directory(box, ino);
	else if (fs_is_file(&box->fs, ino))
		look_at_file(box, ino);
	else if (attr.state != INODE_EVICTING)
		must(fs_link_read(&box->fs, ino, text) > 0);
}

static void use(struct box *box)
{
	struct fs_rename r = {.from_dir = ROOT_INO,
			      .to_dir = ROOT_INO,
			      .from = "fuzz",
			      .to = "fuzzed",
			      .from_length = 4,
			      .to_length = 6};

	for (uint32_t ino = 1; ino < fs_inodes_high(&box->fs); ino++)
		look(box, ino);
	box_create(box, "fuzz");
	must_be(fs_rename(&box->fs, box->me, &r), 0);
	must(box_find(box, ROOT_INO, "fuzzed"));
	box_check(box);
}

/* Rules that opening does not need: it has a superblock. */
static void count_serious(void *arg, const char *rule, const char *text)
{
	unsigned *serious = arg;

	(void)text;
	*serious += strcmp(rule, "superblock") && strcmp(rule, "use");
}

static void check_open(void)
{
	unsigned serious = 0;
	struct report report = {.each = count_serious, .arg = &serious};
	struct box box;
	int rc;

	fs_check_media(image.bytes, image.length, &report);
	box_make(&box, image.length, 0, 0);
	box.super = image.super; /* names have keys by its uuid */
	memcpy(image.bytes, &box.super, sizeof box.super);
	memcpy(image.bytes + SUPER_COPY, &box.super, sizeof box.super);
	serious = 0;
	report.violations = 0;
	fs_check_media(image.bytes, image.length, &report);
	must(pwrite(box.media_fd, image.bytes, image.super.data_offset, 0) ==
	     (ssize_t)image.super.data_offset);
	rc = box_try_open(&box);
	must(rc == 0 || rc == -PF_ECORRUPT);
	if (!report.violations)
		must_be(rc, 0);
	if (serious)
		must_be(rc, -PF_ECORRUPT);
	if (rc == 0)
		use(&box);
	opened += rc == 0;
	refused += rc < 0;
	box_end(&box);
}

int main(void)
{
	test_dir();
	chance.state = test_seed();
	image_make(&image);
	bucket = (uint64_t)((uint8_t *)image_bucket(&image, ROOT_INO) - image.bytes);
	good = malloc(image.length);
	must(good);
	memcpy(good, image.bytes, image.length);
	do {
		memcpy(image.bytes, good, image.super.data_offset);
		for (uint64_t n = test_below(&chance, 4); n < 4; n++)
			damage();
		check_open();
	} while (test_time_left(1));
	printf("%lu images opened, %lu refused\n", opened, refused);
	must(refused);
	free(good);
	free(image.bytes);
	return 0;
}
