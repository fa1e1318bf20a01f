/* fsck finds nothing on a good image, and names the rule that each kind of damage breaks; opening refuses the same. */
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

static void set(_Atomic uint64_t *word, uint64_t value)
{
	store_relaxed(word, value);
}

/* ---- damages ---------------------------------------------------------------------------------------- */

static void super_first(void)
{
	image.bytes[40]++;
}

static void super_second(void)
{
	image.bytes[SUPER_COPY + 40]++;
}

static void super_both(void)
{
	super_first();
	super_second();
}

static void use_records(void)
{
	image.bytes[4096]++;
	image.bytes[4096 + 2048]++;
}

static void counters(void)
{
	image.bytes[COUNTERS_OFFSET + 4]++;
}

static void counters_large(void)
{
	set((_Atomic uint64_t *)(image.bytes + COUNTERS_OFFSET),
	    number32((uint32_t)image.super.inodes + 1));
}

static void lane_place(void)
{
	uint64_t record[2] = {64, 1};
	uint8_t *lane = image.bytes + image.super.lanes_offset;

	memcpy(lane + 64, record, 16);
	set((_Atomic uint64_t *)lane, (uint64_t)crc32c(0, record, 16) << 32 | 1);
}

static void inode_size(void)
{
	image_inode(&image, image.small)->size++;
}

static void inode_state(void)
{
	image_inode(&image, image.small)->state |= 7;
	image_seal_inode(&image, image.small);
}

static void inode_flags(void)
{
	image_inode(&image, image.small)->state |= 0x8000;
	image_seal_inode(&image, image.small);
}

static void inode_too_large(void)
{
	image_inode(&image, image.small)->size = ~0ull;
	image_seal_inode(&image, image.small);
}

static void inode_shrink_to(void)
{
	image_inode(&image, image.small)->shrink_to = ~0ull;
	image_seal_inode(&image, image.small);
}

static void inode_free_with_pages(void)
{
	image_inode(&image, image.removed)->inlined[3] = 1;
}

static void inline_check(void)
{
	image_inode(&image, image.small)->inlined[0] ^= 1ull << 50;
}

static void inline_moved(void)
{
	struct inode_format *inode = image_inode(&image, image.small);

	set(&inode->inlined[10], load_relaxed(&inode->inlined[7]));
	set(&inode->inlined[7], 0);
}

static void inline_order(void)
{
	struct inode_format *inode = image_inode(&image, image.small);

	inode->inlined[0] |= 31 << 2;
	image_seal_entry(&image, image.small, 0, &inode->inlined[0]);
}

static void inline_outside(void)
{
	struct inode_format *inode = image_inode(&image, image.small);

	set(&inode->inlined[7], (image.super.bytes / PAGE_BYTES) << 8 | ENTRY_LEAF);
	image_seal_entry(&image, image.small, 7, &inode->inlined[7]);
}

static void inline_metadata(void)
{
	struct inode_format *inode = image_inode(&image, image.small);

	set(&inode->inlined[7], (image.super.data_offset / PAGE_BYTES - 1) << 8 | ENTRY_LEAF);
	image_seal_entry(&image, image.small, 7, &inode->inlined[7]);
}

static void inline_twice(void)
{
	struct inode_format *inode = image_inode(&image, image.small);

	set(&inode->inlined[7], load_relaxed(&inode->inlined[0]));
	image_seal_entry(&image, image.small, 7, &inode->inlined[7]);
}

/* A page of another file. */
static void inline_stolen(void)
{
	struct inode_format *inode = image_inode(&image, image.small);
	uint64_t pfn = entry_target(load_relaxed(image_bottom(&image, image.leaf))) + 511;

	set(&inode->inlined[7], pfn << 8 | ENTRY_LEAF);
	image_seal_entry(&image, image.small, 7, &inode->inlined[7]);
}

static void inline_table(void)
{
	struct inode_format *inode = image_inode(&image, image.small);

	set(&inode->inlined[7], 200 << 8 | ENTRY_TABLE);
	image_seal_entry(&image, image.small, 7, &inode->inlined[7]);
}

static void inline_beside_tree(void)
{
	struct inode_format *inode = image_inode(&image, image.tree);

	set(&inode->inlined[9], (image.super.data_offset / PAGE_BYTES + 99) << 8 | ENTRY_LEAF);
	image_seal_entry(&image, image.tree, 9, &inode->inlined[9]);
}

static void root_check(void)
{
	image_inode(&image, image.tree)->root ^= 1ull << 60;
}

static void root_deep(void)
{
	struct inode_format *inode = image_inode(&image, image.tree);

	inode->root |= 31 << 2;
	image_seal_entry(&image, image.tree, 0, &inode->root);
}

static void root_nowhere(void)
{
	struct inode_format *inode = image_inode(&image, image.tree);

	set(&inode->root, (load_relaxed(&inode->root) & 0xff) | image.super.nodes << 8);
	image_seal_entry(&image, image.tree, 0, &inode->root);
}

static void root_none(void)
{
	struct inode_format *inode = image_inode(&image, image.tree);

	set(&inode->root, load_relaxed(&inode->root) & 0xff);
	image_seal_entry(&image, image.tree, 0, &inode->root);
}

static void root_of_another(void)
{
	struct inode_format *inode = image_inode(&image, image.tree);

	set(&inode->root, load_relaxed(&image_inode(&image, image.leaf)->root));
	image_seal_entry(&image, image.tree, 0, &inode->root);
}

static void node_itself(void)
{
	entry_t root = load_relaxed(&image_inode(&image, image.tree)->root);
	_Atomic uint64_t *entry = &image_node(&image, entry_target(root))[5];

	set(entry, entry_target(root) << 8 | (entry_order(root) - 1) << 2 | ENTRY_TABLE);
	image_seal_entry(&image, image.tree, 5ull << 9 * entry_order(root), entry);
}

static void node_wrong_level(void)
{
	entry_t root = load_relaxed(&image_inode(&image, image.tree)->root);
	_Atomic uint64_t *entry = &image_node(&image, entry_target(root))[5];

	set(entry, 200 << 8 | entry_order(root) << 2 | ENTRY_TABLE);
	image_seal_entry(&image, image.tree, 5ull << 9 * entry_order(root), entry);
}

static void node_entry(void)
{
	image_bottom(&image, image.tree)[0] ^= 1ull << 9;
}

static void leaf_high(void)
{
	entry_t root = load_relaxed(&image_inode(&image, image.tree)->root);
	_Atomic uint64_t *entry = &image_node(&image, entry_target(root))[5];

	must(entry_order(root) == 2);
	set(entry, (image.super.data_offset / PAGE_BYTES) << 8 | 9 << 2 | ENTRY_LEAF);
	image_seal_entry(&image, image.tree, 5ull << 18, entry);
}

static void leaf_unaligned(void)
{
	_Atomic uint64_t *entry = image_bottom(&image, image.leaf);

	set(entry, load_relaxed(entry) - (1 << 8));
	image_seal_entry(&image, image.leaf, 0, entry);
}

static void leaf_small(void)
{
	_Atomic uint64_t *entry = image_bottom(&image, image.leaf);

	set(entry, (load_relaxed(entry) & ~(31ull << 2)) | 8 << 2);
	image_seal_entry(&image, image.leaf, 0, entry);
}

static void old_generation(void)
{
	image_inode(&image, image.small)->state += 1ull << 32;
	image_seal_inode(&image, image.small);
}

static const struct {
	const char *name;
	void (*damage)(void);
	const char *rule;
	bool opens; /* a runtime can be built all the same */
} cases[] = {
#define CASE(damage, rule, opens)            \
	{                                    \
#damage, damage, rule, opens \
	}
	CASE(super_first, "superblock", true),   CASE(super_second, "superblock", true),
	CASE(super_both, "superblock", true), /* the box has it already */
	CASE(use_records, "use", true),          CASE(counters, "counters", false),
	CASE(counters_large, "counters", false), CASE(lane_place, "journal", false),
	CASE(inode_size, "inode", false),        CASE(inode_state, "inode", false),
	CASE(inode_flags, "inode", false),       CASE(inode_too_large, "inode", false),
	CASE(inode_shrink_to, "inode", false),   CASE(inode_free_with_pages, "inode", false),
	CASE(inline_check, "map", false),        CASE(inline_moved, "map", false),
	CASE(inline_order, "extent", false),     CASE(inline_outside, "extent", false),
	CASE(inline_metadata, "extent", false),  CASE(inline_twice, "extent", false),
	CASE(inline_stolen, "extent", false),    CASE(inline_table, "map", false),
	CASE(inline_beside_tree, "map", false),  CASE(root_check, "map", false),
	CASE(root_deep, "map", false),           CASE(root_nowhere, "map", false),
	CASE(root_none, "map", false),           CASE(root_of_another, "map", false),
	CASE(node_itself, "map", false),         CASE(node_wrong_level, "map", false),
	CASE(node_entry, "map", false),          CASE(leaf_high, "extent", false),
	CASE(leaf_unaligned, "extent", false),   CASE(leaf_small, "extent", false),
	CASE(old_generation, "name", false),
};

/* ---- the test --------------------------------------------------------------------------------------- */

static void check_open(size_t i)
{
	struct box box;
	int rc;

	box_make(&box, image.length, 0, 0);
	box.super = image.super; /* names have keys by its uuid */
	must(pwrite(box.media_fd, image.bytes, image.super.data_offset, 0) ==
	     (ssize_t)image.super.data_offset);
	rc = box_try_open(&box);
	if (rc != (cases[i].opens ? 0 : -PF_ECORRUPT))
		test_fail(__FILE__, __LINE__, "%s: opening gives %d", cases[i].name, rc);
	if (rc < 0 && !strstr(pf_message(), cases[i].rule))
		test_fail(__FILE__, __LINE__, "%s: opening says %s", cases[i].name, pf_message());
	box_end(&box);
}

static void check_case(size_t i)
{
	char rule[32], text[256];

	memcpy(image.bytes, good, image.length);
	cases[i].damage();
	if (!box_fsck(image.bytes, image.length, rule, sizeof rule, text, sizeof text))
		test_fail(__FILE__, __LINE__, "%s: fsck finds nothing", cases[i].name);
	if (strcmp(rule, cases[i].rule))
		test_fail(__FILE__, __LINE__, "%s: fsck says %s: %s", cases[i].name, rule, text);
	check_open(i);
}

/* Committed and not yet applied: fsck reads what opening would make of it, and changes nothing. */
static void unfinished_transaction(void)
{
	struct inode_format *inode = image_inode(&image, image.small);
	uint8_t *lane = image.bytes + image.super.lanes_offset + 3 * LANE_BYTES;
	uint64_t record[2], *copy = malloc(image.length);
	char rule[32], text[256];

	memcpy(image.bytes, good, image.length);
	record[0] = (uint64_t)((uint8_t *)&inode->inlined[7] - image.bytes);
	record[1] = load_relaxed(&inode->inlined[7]);
	set(&inode->inlined[7], 0x123456789);
	must(box_fsck(image.bytes, image.length, rule, sizeof rule, text, sizeof text) > 0);
	memcpy(lane + 64, record, 16);
	set((_Atomic uint64_t *)lane, (uint64_t)crc32c(0, record, 16) << 32 | 1);
	memcpy(copy, image.bytes, image.length);
	must_be(box_fsck(image.bytes, image.length, rule, sizeof rule, text, sizeof text), 0);
	must(!memcmp(copy, image.bytes, image.length));
	free(copy);
}

static void short_images(void)
{
	char rule[32], text[256];

	memcpy(image.bytes, good, image.length);
	for (uint64_t n = 0; n < image.length; n += 1 + n / 2) {
		uint8_t *exact = malloc(n + 1);

		memcpy(exact, image.bytes, n);
		must(box_fsck(exact, n, rule, sizeof rule, text, sizeof text) > 0);
		must(!strcmp(rule, "superblock"));
		free(exact);
	}
}

int main(void)
{
	char rule[32], text[256];

	test_dir();
	image_make(&image);
	good = malloc(image.length);
	must(good);
	memcpy(good, image.bytes, image.length);
	must_be(box_fsck(good, image.length, rule, sizeof rule, text, sizeof text), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_case(i);
	unfinished_transaction();
	short_images();
	free(good);
	free(image.bytes);
	return 0;
}
