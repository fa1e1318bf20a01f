/*
 * fsck finds nothing on a good image, and names the rule that each kind of damage breaks, in every field of the media; opening refuses the
 * same. Damage by one bit is found by checksums and counts, damage with checksums that fit by what the fields say of one another.
 */
/* test: suite=short timeout=120 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/err.h"
#include "format/xattr_format.h"
#include "image.h"
#include "pool.h"
#include "test.h"

static struct image image;
static uint8_t *good;
static struct test_random chance;

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

/* ---- damages of directories --------------------------------------------------------------------------- */

/* An entry of a directory. */
struct spot {
	struct dir_page *page;
	unsigned granule;
	struct dir_name name;
};

static struct dir_page *bucket_at(entry_t e)
{
	return (struct dir_page *)image_node(&image, entry_target(e));
}

static bool spot_in(struct dir_page *page, const char *name, struct spot *spot)
{
	spot->page = page;
	for (spot->granule = DIR_FIRST; spot->granule < DIR_GRANULES; spot->granule++)
		if (load_relaxed(&page->heads) >> spot->granule & 1 &&
		    dir_read(page, spot->granule, &spot->name) && !strcmp(spot->name.name, name))
			return true;
	return false;
}

static struct spot spot_of(uint32_t dir, const char *name)
{
	entry_t root = load_relaxed(&image_inode(&image, dir)->root);
	struct spot spot;

	if (entry_kind(root) == ENTRY_LEAF && spot_in(bucket_at(root), name, &spot))
		return spot;
	for (unsigned i = 0; entry_kind(root) == ENTRY_TABLE && i < NODE_ENTRIES; i++)
		if (spot_in(bucket_at(load_relaxed(&image_node(&image, entry_target(root))[i])),
			    name, &spot))
			return spot;
	test_fail(__FILE__, __LINE__, "%s is not there", name);
}

/* The entry says what spot.name says, with a checksum that fits; its byte in prints[] too. */
static void put(const struct spot *spot)
{
	struct dir_page *page = spot->page;
	unsigned g = spot->granule, n = dir_granules(spot->name.length);
	uint64_t words[5 * 8], print = load_relaxed(&page->prints[g / 8]);

	dir_words(&spot->name, words);
	for (unsigned i = 0; i < n * 8; i++)
		set((_Atomic uint64_t *)&page->entry[g - DIR_FIRST] + i, words[i]);
	print &= ~(0xffull << g % 8 * 8);
	set(&page->prints[g / 8], print | (uint64_t)dir_print(spot->name.key) << g % 8 * 8);
	page->heads |= 1ull << g;
	page->used |= ((1ull << n) - 1) << g;
}

static uint64_t hash(const char *name)
{
	return dir_hash(image.super.uuid, name, strlen(name));
}

static void rename_spot(struct spot *spot, const char *name)
{
	spot->name.length = (unsigned)strlen(name);
	strcpy(spot->name.name, name);
	spot->name.key = hash(name);
}

static void name_byte(char to)
{
	struct spot spot = spot_of(ROOT_INO, "small");

	spot.name.name[2] = to;
	put(&spot);
}

static void entry_slash(void)
{
	name_byte('/');
}

static void entry_nul(void)
{
	name_byte(0);
}

static void entry_dot(void)
{
	struct spot spot = spot_of(ROOT_INO, "small");

	rename_spot(&spot, ".");
	put(&spot);
}

static void entry_dots(void)
{
	struct spot spot = spot_of(ROOT_INO, "small");

	rename_spot(&spot, "..");
	put(&spot);
}

static void entry_key(void)
{
	struct spot spot = spot_of(ROOT_INO, "small");

	spot.name.key += DIR_TIES;
	put(&spot);
}

/* One whose key is in the other half of the keys. */
static void entry_bucket(void)
{
	struct spot spot = spot_of(image.wide, "file 7");
	uint64_t half = spot.name.key >> (DIR_KEY_BITS - 1);
	char name[16];

	for (unsigned i = 0;; i++) {
		snprintf(name, sizeof name, "%u", i);
		if (hash(name) >> (DIR_KEY_BITS - 1) != half)
			break;
	}
	rename_spot(&spot, name);
	put(&spot);
}

static void copy_of_small(uint64_t key)
{
	struct spot spot = spot_of(ROOT_INO, "small");

	spot.granule = DIR_GRANULES - 1;
	spot.name.key += key;
	put(&spot);
}

static void entry_twice(void)
{
	copy_of_small(0);
}

static void entry_twice_tied(void)
{
	copy_of_small(1);
}

static void entry_overlaps(void)
{
	struct spot spot = spot_of(ROOT_INO, "small");

	must(load_relaxed(&spot.page->heads) >> (spot.granule + 1) & 1);
	rename_spot(&spot, "a name that does not fit into one granule, but takes two of them");
	put(&spot);
}

static void entry_past_end(void)
{
	struct spot spot = spot_of(ROOT_INO, "small");

	spot.page->heads &= ~(1ull << spot.granule);
	spot.page->used &= ~(1ull << spot.granule);
	spot.granule = DIR_GRANULES - 1;
	put(&spot);
	/* Its length says that it takes two granules. */
	spot.page->entry[DIR_GRANULES - 1 - DIR_FIRST].what |= 64ull << 32;
}

static void lead_to(uint32_t ino, uint32_t igen, uint32_t type)
{
	struct spot spot = spot_of(ROOT_INO, "small");

	spot.name.ino = ino;
	spot.name.igen = igen;
	spot.name.type = type;
	put(&spot);
}

static uint32_t generation(uint32_t ino)
{
	return load_relaxed(&image_inode(&image, ino)->state) >> 32;
}

static void name_to_none(void)
{
	lead_to(0, 1, S_IFREG);
}

static void name_past_end(void)
{
	lead_to(0xffffffff, 1, S_IFREG);
}

static void name_never_used(void)
{
	lead_to(1023, 0, S_IFREG);
}

static void name_to_root(void)
{
	lead_to(ROOT_INO, 1, S_IFDIR);
}

static void name_generation(void)
{
	lead_to(image.small, generation(image.small) + 1, S_IFREG);
}

static void name_type(void)
{
	lead_to(image.small, generation(image.small), S_IFLNK);
}

static void name_to_free(void)
{
	lead_to(image.removed, generation(image.removed), S_IFREG);
}

static void name_to_unnamed(void)
{
	lead_to(image.unnamed, generation(image.unnamed), S_IFREG);
}

static void name_second_of_directory(void)
{
	lead_to(image.directory, generation(image.directory), S_IFDIR);
}

static void name_to_another(void)
{
	lead_to(image.inner, generation(image.inner), S_IFREG);
}

/* ---- damages of inodes as directories see them -------------------------------------------------------- */

static void add_to(uint32_t ino, _Atomic uint64_t *word, uint64_t more)
{
	*word += more;
	image_seal_inode(&image, ino);
}

static void links_more(void)
{
	add_to(image.small, &image_inode(&image, image.small)->gid_nlink, 1ull << 32);
}

static void links_of_directory(void)
{
	add_to(image.directory, &image_inode(&image, image.directory)->gid_nlink, 1ull << 32);
}

static void links_none(void)
{
	set(&image_inode(&image, image.small)->gid_nlink, 0);
	image_seal_inode(&image, image.small);
}

static void directory_size(void)
{
	add_to(image.wide, &image_inode(&image, image.wide)->size, 1);
}

static void directory_parent(void)
{
	set(&image_inode(&image, image.directory)->parent, image.wide);
	image_seal_inode(&image, image.directory);
}

static void directory_key(void)
{
	add_to(image.directory, &image_inode(&image, image.directory)->key, DIR_TIES);
}

static void directory_pages(void)
{
	image_inode(&image, image.directory)->inlined[5] = 1;
}

static void parent_high(void)
{
	add_to(image.small, &image_inode(&image, image.small)->parent, 1ull << 40);
}

static void key_high(void)
{
	image_inode(&image, image.small)->key |= 1ull << 63;
	image_seal_inode(&image, image.small);
}

/* The root directory loses a subdirectory, and everything that counts says so. */
static void forget_directory(void)
{
	struct spot spot = spot_of(ROOT_INO, "directory");
	struct inode_format *root = image_inode(&image, ROOT_INO);

	spot.page->heads &= ~(1ull << spot.granule);
	spot.page->used &= ~(1ull << spot.granule);
	root->size--;
	root->gid_nlink -= 1ull << 32;
	image_seal_inode(&image, ROOT_INO);
}

static void directory_disconnected(void)
{
	forget_directory();
}

/* What is in it would have no way to it. */
static void directory_removed(void)
{
	struct inode_format *inode = image_inode(&image, image.directory);

	forget_directory();
	inode->state ^= INODE_NAMED ^ INODE_UNNAMED;
	inode->gid_nlink &= 0xffffffff;
	image_seal_inode(&image, image.directory);
}

/* It is in itself. */
static void directory_ring(void)
{
	struct inode_format *inode = image_inode(&image, image.directory);
	struct spot spot = spot_of(image.directory, "inner");

	forget_directory();
	spot.name.ino = image.directory;
	spot.name.igen = generation(image.directory);
	spot.name.type = S_IFDIR;
	put(&spot);
	set(&inode->parent, image.directory);
	set(&inode->key, spot.name.key);
	inode->gid_nlink += 1ull << 32;
	image_seal_inode(&image, image.directory);
}

static void root_is_file(void)
{
	struct inode_format *root = image_inode(&image, ROOT_INO);

	root->mode_uid ^= S_IFDIR ^ S_IFREG;
	image_seal_inode(&image, ROOT_INO);
}

static void root_is_free(void)
{
	struct inode_format *root = image_inode(&image, ROOT_INO);

	root->state &= ~0xffull;
	image_seal_inode(&image, ROOT_INO);
}

static void root_parent(void)
{
	set(&image_inode(&image, ROOT_INO)->parent, image.directory);
	image_seal_inode(&image, ROOT_INO);
}

static void counters_low(void)
{
	set((_Atomic uint64_t *)(image.bytes + COUNTERS_OFFSET), number32(image.small));
}

static void counters_root(void)
{
	set((_Atomic uint64_t *)(image.bytes + COUNTERS_OFFSET), number32(1));
}

/* ---- damages of tries ------------------------------------------------------------------------------- */

static void bucket_owner(void)
{
	image_bucket(&image, image.directory)->owner++;
}

static void bucket_owner_generation(void)
{
	image_bucket(&image, image.directory)->owner += 1ull << 32;
}

static void bucket_heads_low(void)
{
	image_bucket(&image, image.directory)->heads |= 1;
}

static void bucket_used_low(void)
{
	image_bucket(&image, image.directory)->used &= ~1ull;
}

static void bucket_of_another(void)
{
	_Atomic uint64_t *root = &image_inode(&image, image.directory)->root;

	set(root, load_relaxed(&image_inode(&image, ROOT_INO)->root));
	image_seal_entry(&image, image.directory, 0, root);
}

static void trie_root(entry_t low)
{
	_Atomic uint64_t *root = &image_inode(&image, image.directory)->root;

	set(root, low);
	image_seal_entry(&image, image.directory, 0, root);
}

static void trie_nowhere(void)
{
	trie_root(image.super.nodes << 8 | ENTRY_LEAF);
}

static void trie_zero(void)
{
	trie_root(ENTRY_LEAF);
}

static void trie_kind(void)
{
	trie_root(load_relaxed(&image_inode(&image, image.directory)->root) | ENTRY_UNWRITTEN);
}

static void trie_root_order(void)
{
	trie_root(load_relaxed(&image_inode(&image, image.directory)->root) | 3 << 2);
}

static void trie_bit(void)
{
	trie_root(load_relaxed(&image_inode(&image, image.directory)->root) | ENTRY_UNUSED);
}

static void trie_gone(void)
{
	trie_root(0);
	set(&image_inode(&image, image.directory)->root, 0);
}

/* Slot of the table of "wide", with a check that fits. */
static void slot_is(unsigned slot, entry_t low)
{
	entry_t root = load_relaxed(&image_inode(&image, image.wide)->root);
	_Atomic uint64_t *at = &image_node(&image, entry_target(root))[slot];

	set(at, low);
	if (low)
		image_seal_entry(&image, image.wide, dir_first_key(0, 0, slot), at);
}

static entry_t slot_of(unsigned slot)
{
	entry_t root = load_relaxed(&image_inode(&image, image.wide)->root);

	return load_relaxed(&image_node(&image, entry_target(root))[slot]);
}

static void slot_empty(void)
{
	slot_is(0, 0);
}

static void slot_empty_second(void)
{
	slot_is(1, 0);
}

static void slot_other_bucket(void)
{
	slot_is(3, slot_of(511));
}

static void slot_order(void)
{
	slot_is(0, (slot_of(0) & ~(31ull << 2)) | 9 << 2);
}

static void slot_order_large(void)
{
	slot_is(0, (slot_of(0) & ~(31ull << 2)) | 10 << 2);
}

static void slot_kind(void)
{
	slot_is(0, slot_of(0) | ENTRY_UNWRITTEN);
}

static void slot_depth(void)
{
	slot_is(0, (slot_of(0) & ~(31ull << 2 | 3)) | ENTRY_TABLE);
}

static void slot_itself(void)
{
	entry_t root = load_relaxed(&image_inode(&image, image.wide)->root);

	slot_is(0, entry_target(root) << 8 | 1 << 2 | ENTRY_TABLE);
}

/* ---- damages of symbolic links ------------------------------------------------------------------------ */

static void link_short(void)
{
	add_to(image.link, &image_inode(&image, image.link)->size, -1ull);
}

static void link_nul(void)
{
	image_inode(&image, image.link)->inlined[0] &= ~0xff00ull;
	image_seal_inode(&image, image.link);
}

static void link_with_node(void)
{
	set(&image_inode(&image, image.link)->root,
	    load_relaxed(&image_inode(&image, image.long_link)->root));
}

static void link_with_pages(void)
{
	image_inode(&image, image.long_link)->pages = 1;
}

static void link_empty(void)
{
	set(&image_inode(&image, image.link)->size, 0);
	image_seal_inode(&image, image.link);
}

static void link_too_long(void)
{
	set(&image_inode(&image, image.long_link)->size, PF_PATH_MAX + 1);
	image_seal_inode(&image, image.long_link);
}

static uint8_t *long_text(void)
{
	entry_t root = load_relaxed(&image_inode(&image, image.long_link)->root);

	return (uint8_t *)image_node(&image, entry_target(root));
}

static void seal_long(void)
{
	struct inode_format *inode = image_inode(&image, image.long_link);

	set(&inode->inlined[0], crc32c(0, long_text(), load_relaxed(&inode->size)));
	image_seal_inode(&image, image.long_link);
}

static void long_sum(void)
{
	long_text()[299]++;
}

static void long_nul(void)
{
	long_text()[100] = 0;
	seal_long();
}

static void long_tail(void)
{
	long_text()[300] = 'x';
}

static void long_both(void)
{
	set(&image_inode(&image, image.long_link)->inlined[3], 5);
	image_seal_inode(&image, image.long_link);
}

static void long_nowhere(void)
{
	_Atomic uint64_t *root = &image_inode(&image, image.long_link)->root;

	set(root, image.super.nodes << 8 | ENTRY_LEAF);
	image_seal_entry(&image, image.long_link, LINK_INDEX, root);
}

static void long_check(void)
{
	image_inode(&image, image.long_link)->root ^= 1ull << 50;
}

static void long_table(void)
{
	_Atomic uint64_t *root = &image_inode(&image, image.long_link)->root;

	*root ^= ENTRY_LEAF ^ ENTRY_TABLE;
	image_seal_entry(&image, image.long_link, LINK_INDEX, root);
}

static void long_gone(void)
{
	set(&image_inode(&image, image.long_link)->root, 0);
}

/* ---- damages of extended attributes -------------------------------------------------------------------- */

static struct xattr_page *attributes(void)
{
	entry_t e = load_relaxed(&image_inode(&image, image.small)->xattr);

	return (struct xattr_page *)(void *)image_node(&image, entry_target(e));
}

static void xattr_entry(entry_t low)
{
	struct inode_format *inode = image_inode(&image, image.small);

	set(&inode->xattr, low);
	image_seal_entry(&image, image.small, XATTR_INDEX, &inode->xattr);
	image_seal_inode(&image, image.small);
}

static void xattr_nowhere(void)
{
	xattr_entry(image.super.nodes << 8 | ENTRY_LEAF);
}

static void xattr_kind(void)
{
	xattr_entry(load_relaxed(&image_inode(&image, image.small)->xattr) ^ ENTRY_LEAF ^
		    ENTRY_TABLE);
}

static void xattr_check(void)
{
	image_inode(&image, image.small)->xattr ^= 1ull << 55;
	image_seal_inode(&image, image.small);
}

static void xattr_of_bucket(void)
{
	entry_t root = load_relaxed(&image_inode(&image, ROOT_INO)->root);

	xattr_entry((root & ~0xffull) | ENTRY_LEAF);
}

static void xattr_sum(void)
{
	attributes()->records[0]++;
}

static void xattr_owner(void)
{
	attributes()->ino++;
	xattr_seal(attributes());
}

static void xattr_generation(void)
{
	attributes()->igen++;
	xattr_seal(attributes());
}

static void xattr_used(void)
{
	attributes()->used = XATTR_BYTES + 1;
}

static void xattr_count(void)
{
	attributes()->count++;
	xattr_seal(attributes());
}

static void xattr_length(void)
{
	attributes()->records[2]++;
	xattr_seal(attributes());
}

static void xattr_name_length(void)
{
	attributes()->records[0] = 0;
	xattr_seal(attributes());
}

static void xattr_prefix(void)
{
	attributes()->records[XATTR_RECORD] = 'x';
	xattr_seal(attributes());
}

static void xattr_nul(void)
{
	attributes()->records[XATTR_RECORD + 6] = 0;
	xattr_seal(attributes());
}

static void xattr_twice(void)
{
	must(xattr_add(attributes(), "user.first", "2", 1));
	xattr_seal(attributes());
}

/* ---- damages of the count of pages, and of entries ----------------------------------------------------- */

static void pages_more(void)
{
	_Atomic uint64_t *pages = &image_inode(&image, image.small)->pages;

	*pages += 1 << 8;
	image_seal_entry(&image, image.small, PAGES_INDEX, pages);
}

static void pages_kind(void)
{
	_Atomic uint64_t *pages = &image_inode(&image, image.small)->pages;

	*pages |= 1 << 2;
	image_seal_entry(&image, image.small, PAGES_INDEX, pages);
}

static void inline_bit(void)
{
	_Atomic uint64_t *entry = &image_inode(&image, image.small)->inlined[0];

	*entry |= ENTRY_UNUSED;
	image_seal_entry(&image, image.small, 0, entry);
}

static void inode_mode(void)
{
	image_inode(&image, image.small)->mode_uid |= 1 << 20;
	image_seal_inode(&image, image.small);
}

static void flags_of_directory(void)
{
	image_inode(&image, image.directory)->state |= INODE_SHRINKING << 8;
	image_seal_inode(&image, image.directory);
}

static void flags_of_link(void)
{
	image_inode(&image, image.link)->state |= INODE_KEEPS << 8;
	image_seal_inode(&image, image.link);
}

static void flags_of_no_device(void)
{
	image_inode(&image, image.directory)->state |= 1ull << (8 + INODE_DEVICE_SHIFT);
	image_seal_inode(&image, image.directory);
}

static void make_device(uint32_t ino, uint64_t level, uint64_t size)
{
	struct inode_format *inode = image_inode(&image, ino);

	inode->state |= (level + 1) << (8 + INODE_DEVICE_SHIFT);
	set(&inode->size, size);
	image_seal_inode(&image, ino);
}

static void device_size(void)
{
	make_device(image.leaf, 1, BLOCK_BYTES + PAGE_BYTES);
}

static void device_empty(void)
{
	make_device(image.unnamed, 0, 0);
}

static void device_with_hole(void)
{
	make_device(image.leaf, 1, 2 * BLOCK_BYTES);
}

static void device_past_end(void)
{
	make_device(image.leaf, 0, BLOCK_BYTES - PAGE_BYTES);
}

static void device_scattered(void)
{
	make_device(image.small, 0, 5 * PAGE_BYTES);
}

static void device_unwritten(void)
{
	_Atomic uint64_t *entry = image_bottom(&image, image.leaf);

	make_device(image.leaf, 1, BLOCK_BYTES);
	set(entry, load_relaxed(entry) | ENTRY_UNWRITTEN);
	image_seal_entry(&image, image.leaf, 0, entry);
}

static void punch_backwards(void)
{
	struct inode_format *inode = image_inode(&image, image.small);

	inode->state |= INODE_PUNCHING << 8;
	set(&inode->shrink_to, 8192);
	set(&inode->shrink_end, 4096);
	image_seal_inode(&image, image.small);
}

static void shrink_end_large(void)
{
	set(&image_inode(&image, image.small)->shrink_end, ~0ull);
	image_seal_inode(&image, image.small);
}

static void inode_type(void)
{
	image_inode(&image, image.small)->mode_uid ^= S_IFREG ^ S_IFSOCK;
	image_seal_inode(&image, image.small);
}

static void unnamed_with_links(void)
{
	image_inode(&image, image.unnamed)->gid_nlink += 1ull << 32;
	image_seal_inode(&image, image.unnamed);
}

static void lane_unaligned(void)
{
	uint64_t record[2] = {image.super.inodes_offset + 257, 1};
	uint8_t *lane = image.bytes + image.super.lanes_offset;

	memcpy(lane + 64, record, 16);
	set((_Atomic uint64_t *)lane, (uint64_t)crc32c(0, record, 16) << 32 | 1);
}

static const struct {
	const char *name;
	void (*damage)(void);
	const char *rule, *text; /* text: what one violation of the rule says */
	bool opens;              /* a runtime can be built all the same */
} cases[] = {
#define CASE(damage, rule, text)                   \
	{                                          \
#damage, damage, rule, text, false \
	}
#define OPENS(damage, rule, text)                 \
	{                                         \
#damage, damage, rule, text, true \
	}
	OPENS(super_first, "superblock", "the first one is damaged"),
	OPENS(super_second, "superblock", "the copy differs"),
	OPENS(super_both, "superblock", "wrong checksum"), /* the box has it already */
	OPENS(use_records, "use", ""),
	CASE(counters, "counters", ""),
	CASE(counters_large, "counters", ""),
	CASE(counters_low, "counters", "none was used"),
	CASE(counters_root, "counters", "none was used"),
	CASE(lane_place, "journal", ""),
	CASE(lane_unaligned, "journal", ""),
	CASE(inode_size, "inode", "checksum"),
	CASE(inode_state, "inode", "state"),
	CASE(inode_flags, "inode", "flags"),
	CASE(inode_mode, "inode", "mode"),
	CASE(flags_of_directory, "inode", "flags"),
	CASE(flags_of_link, "inode", "flags"),
	CASE(punch_backwards, "inode", "size"),
	CASE(shrink_end_large, "inode", "size"),
	CASE(inode_type, "inode", "mode"),
	CASE(inode_too_large, "inode", "size"),
	CASE(inode_shrink_to, "inode", "size"),
	CASE(inode_free_with_pages, "inode", "free"),
	CASE(links_none, "inode", "names"),
	CASE(unnamed_with_links, "inode", "names"),
	CASE(parent_high, "inode", "name"),
	CASE(key_high, "inode", "name"),
	CASE(root_is_file, "inode", "not a root directory"),
	CASE(root_is_free, "inode", "not a root directory"),
	CASE(root_parent, "inode", "not a root directory"),
	CASE(entry_slash, "directory", "damaged"),
	CASE(entry_nul, "directory", "damaged"),
	CASE(entry_dot, "directory", "no file can have"),
	CASE(entry_dots, "directory", "no file can have"),
	CASE(entry_key, "directory", "key"),
	CASE(entry_bucket, "directory", "wrong bucket"),
	CASE(entry_twice, "directory", "one key"),
	CASE(entry_twice_tied, "directory", "one name"),
	CASE(entry_overlaps, "directory", "damaged"),
	CASE(entry_past_end, "directory", "damaged"),
	CASE(name_to_none, "name", "leads to inode 0"),
	CASE(name_past_end, "name", "leads to inode 4294967295"),
	CASE(name_never_used, "name", "leads to inode 1023"),
	CASE(name_to_root, "name", "leads to inode 1"),
	CASE(name_generation, "name", "another one"),
	CASE(name_type, "name", "another one"),
	CASE(name_to_free, "name", "another one"),
	CASE(name_to_unnamed, "name", "another one"),
	CASE(name_second_of_directory, "name", "has 2 names, not 1"),
	CASE(name_to_another, "name", "has 2 names, not 1"),
	CASE(links_more, "name", "has 1 names, not 2"),
	CASE(links_of_directory, "directory", "directories"),
	CASE(directory_size, "directory", "entries"),
	CASE(directory_parent, "name", "is said to be"),
	CASE(directory_key, "name", "is said to be"),
	CASE(directory_pages, "directory", "pages"),
	CASE(directory_disconnected, "name", "has 0 names, not 1"),
	CASE(directory_removed, "directory", "not empty"),
	CASE(directory_ring, "name", "not below the root"),
	CASE(old_generation, "name", "another one"),
	CASE(bucket_owner, "directory", "another directory"),
	CASE(bucket_owner_generation, "directory", "another directory"),
	CASE(bucket_heads_low, "directory", "damaged"),
	CASE(bucket_used_low, "directory", "granules"),
	CASE(bucket_of_another, "map", "two places"),
	CASE(trie_nowhere, "map", "none"),
	CASE(trie_zero, "map", "none"),
	CASE(trie_kind, "directory", "kind"),
	CASE(trie_root_order, "directory", "kind"),
	CASE(trie_bit, "directory", "check"),
	CASE(trie_gone, "directory", "entries"),
	CASE(slot_empty, "directory", "kind"),
	CASE(slot_empty_second, "directory", "slots"),
	CASE(slot_other_bucket, "directory", "slots"),
	CASE(slot_order, "directory", "middle"),
	CASE(slot_order_large, "directory", "kind"),
	CASE(slot_kind, "directory", "kind"),
	CASE(slot_depth, "directory", "kind"),
	CASE(slot_itself, "map", "two places"),
	CASE(link_short, "link", "no link can say"),
	CASE(link_nul, "link", "no link can say"),
	CASE(link_with_node, "link", "node"),
	CASE(link_with_pages, "link", "pages"),
	CASE(link_empty, "inode", "size"),
	CASE(link_too_long, "inode", "size"),
	CASE(long_sum, "link", "checksum"),
	CASE(long_nul, "link", "no link can say"),
	CASE(long_tail, "link", "no link can say"),
	CASE(long_both, "link", "short one"),
	CASE(long_nowhere, "map", "none"),
	CASE(long_check, "link", "check"),
	CASE(long_table, "link", "check"),
	CASE(long_gone, "link", "check"),
	CASE(xattr_nowhere, "map", "none"),
	CASE(xattr_kind, "xattr", "check"),
	CASE(xattr_check, "xattr", "check"),
	CASE(xattr_of_bucket, "map", "two places"),
	CASE(xattr_sum, "xattr", ""),
	CASE(xattr_owner, "xattr", ""),
	CASE(xattr_generation, "xattr", ""),
	CASE(xattr_used, "xattr", ""),
	CASE(xattr_count, "xattr", ""),
	CASE(xattr_length, "xattr", ""),
	CASE(xattr_name_length, "xattr", ""),
	CASE(xattr_prefix, "xattr", ""),
	CASE(xattr_nul, "xattr", ""),
	CASE(xattr_twice, "xattr", ""),
	CASE(flags_of_no_device, "inode", "flags"),
	CASE(device_size, "inode", "device"),
	CASE(device_empty, "inode", "device"),
	CASE(device_with_hole, "device", "piece"),
	CASE(device_past_end, "device", "piece"),
	CASE(device_scattered, "device", "piece"),
	CASE(device_unwritten, "device", "piece"),
	CASE(pages_more, "map", "pages"),
	CASE(pages_kind, "map", "pages"),
	CASE(inline_bit, "map", "check"),
	CASE(inline_check, "map", "check"),
	CASE(inline_moved, "map", "check"),
	CASE(inline_order, "extent", "order"),
	CASE(inline_outside, "extent", "data zone"),
	CASE(inline_metadata, "extent", "data zone"),
	CASE(inline_twice, "extent", "two places"),
	CASE(inline_stolen, "extent", "two places"),
	CASE(inline_table, "map", "kind"),
	CASE(inline_beside_tree, "map", "beside"),
	CASE(root_check, "map", "check"),
	CASE(root_deep, "map", "levels"),
	CASE(root_nowhere, "map", "none"),
	CASE(root_none, "map", "none"),
	CASE(root_of_another, "map", ""),
	CASE(node_itself, "map", "two places"),
	CASE(node_wrong_level, "map", "kind"),
	CASE(node_entry, "map", "check"),
	CASE(leaf_high, "extent", "order"),
	CASE(leaf_unaligned, "extent", "data zone"),
	CASE(leaf_small, "extent", "order"),
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
	box_end(&box);
}

/* What is looked for in a report. */
struct wanted {
	const char *rule, *text; /* rule NULL: any */
	unsigned found, all;
	char first[160];
};

static void look(void *arg, const char *rule, const char *text)
{
	struct wanted *w = arg;

	w->found += (!w->rule || !strcmp(rule, w->rule)) && strstr(text, w->text);
	if (!w->all++)
		snprintf(w->first, sizeof w->first, "%s: %s", rule, text);
}

static void must_say(const char *name, const char *rule, const char *text)
{
	struct wanted w = {.rule = rule, .text = text};
	struct report report = {.each = look, .arg = &w};

	fs_check_media(image.bytes, image.length, &report);
	if (!w.found)
		test_fail(__FILE__, __LINE__, "%s: fsck does not say %s ... %s, but %u times: %s",
			  name, rule ? rule : "anything", text, w.all, w.first);
}

static void check_case(size_t i)
{
	memcpy(image.bytes, good, image.super.data_offset);
	cases[i].damage();
	must_say(cases[i].name, cases[i].rule, cases[i].text);
	check_open(i);
}

/* ---- each bit --------------------------------------------------------------------------------------- */

/* Bits of a word that matter: each `step`th is turned over, and fsck says something. */
static void turn_bits(const char *name, uint8_t *at, unsigned step)
{
	for (unsigned bit = (unsigned)test_below(&chance, step); bit < 64; bit += step) {
		at[bit / 8] ^= (uint8_t)(1 << bit % 8);
		must_say(name, NULL, "");
		at[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void turn_words(const char *name, void *from, uint64_t bytes, unsigned step)
{
	for (uint64_t at = 0; at < bytes; at += 8)
		turn_bits(name, (uint8_t *)from + at, step);
}

/* Of records in use, and of one that was. */
static void each_bit_of_inodes(void)
{
	const uint32_t inos[] = {ROOT_INO,      image.small,   image.tree,     image.leaf,
				 image.unnamed, image.removed, image.wide,     image.directory,
				 image.inner,   image.link,    image.long_link};

	for (unsigned i = 0; i < ARRAY_SIZE(inos); i++)
		turn_words("inode", image_inode(&image, inos[i]), INODE_BYTES, 16);
}

static void each_bit_of_directories(void)
{
	struct dir_page *page = image_bucket(&image, image.directory);
	struct spot spot = spot_of(image.directory, "inner");
	entry_t root = load_relaxed(&image_inode(&image, image.wide)->root);

	turn_words("bucket", page, 24, 1);
	turn_words("directory entry", &page->entry[spot.granule - DIR_FIRST], DIR_GRANULE, 4);
	for (unsigned bit = 0; bit < 8; bit++) {
		_Atomic uint64_t *print = &page->prints[spot.granule / 8];
		uint64_t mask = 1ull << (spot.granule % 8 * 8 + bit);

		*print ^= mask;
		must_say("print", "directory", "fingerprint");
		*print ^= mask;
	}
	turn_words("table", (void *)image_node(&image, entry_target(root)), PAGE_BYTES, 64);
}

static void each_bit_of_others(void)
{
	entry_t root = load_relaxed(&image_inode(&image, image.tree)->root);

	turn_words("superblock", image.bytes, 144, 16);
	turn_words("superblock", image.bytes + SUPER_COPY, 144, 16);
	turn_words("counters", image.bytes + COUNTERS_OFFSET, 8, 1);
	turn_words("attributes", attributes(), align_down(XATTR_HEADER + attributes()->used, 8), 4);
	turn_words("long link", long_text(), PAGE_BYTES, 64);
	turn_words("node", (void *)image_node(&image, entry_target(root)), PAGE_BYTES, 64);
	turn_words("leaf", (void *)image_bottom(&image, image.leaf), 8, 1);
}

static void each_bit(void)
{
	memcpy(image.bytes, good, image.super.data_offset);
	each_bit_of_inodes();
	each_bit_of_directories();
	each_bit_of_others();
	must(!memcmp(image.bytes, good, image.super.data_offset));
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

/* Words of inodes, tables, buckets and counters that are still in lanes only: as if they were in their places. */
static void unfinished_words(void)
{
	uint64_t from = image.super.inodes_offset / 8, words = 16 * PAGE_BYTES / 8;
	char rule[32], text[256];

	memcpy(image.bytes, good, image.length);
	for (unsigned n = 0; n < 4; n++) {
		uint8_t *lane = image.bytes + image.super.lanes_offset + (5ul + n) * LANE_BYTES;
		uint64_t record[500][2];

		if (n == 2)
			from = image.super.nodes_offset / 8 + NODE_ENTRIES;
		for (unsigned i = 0; i < ARRAY_SIZE(record); i++) {
			uint64_t word = from + n % 2 * words + test_below(&chance, words);

			record[i][0] = word * 8;
			memcpy(&record[i][1], good + word * 8, 8);
			memcpy(image.bytes + word * 8, &(uint64_t){test_random(&chance)}, 8);
		}
		memcpy(lane + 64, record, sizeof record);
		set((_Atomic uint64_t *)lane,
		    (uint64_t)crc32c(0, record, sizeof record) << 32 | ARRAY_SIZE(record));
	}
	must_be(box_fsck(image.bytes, image.length, rule, sizeof rule, text, sizeof text), 0);
	set((_Atomic uint64_t *)(image.bytes + image.super.lanes_offset + 5 * LANE_BYTES), 0);
	must(box_fsck(image.bytes, image.length, rule, sizeof rule, text, sizeof text) > 0);
}

/* A lane that is torn has no transaction, whatever its records say. */
static void torn_lanes(void)
{
	uint8_t *lane = image.bytes + image.super.lanes_offset;
	char rule[32], text[256];

	memcpy(image.bytes, good, image.length);
	lane_place();
	must_say("lane", "journal", "");
	for (unsigned bit = 0; bit < 80 * 8; bit++) {
		if (bit == 64)
			bit = 64 * 8; /* the records */
		lane[bit / 8] ^= (uint8_t)(1 << bit % 8);
		must_be(box_fsck(image.bytes, image.length, rule, sizeof rule, text, sizeof text),
			0);
		lane[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

/* Opened by one superblock, whichever it is; what was in it is there. */
static void one_superblock(void)
{
	for (unsigned damaged = 0; damaged < 3; damaged++) {
		const char *path = test_path("image%u", damaged);
		struct pf_stat stat;
		pf_pool *pool;
		int rc;

		memcpy(image.bytes, good, image.length);
		if (damaged != 1)
			memset(image.bytes, 0x55, PAGE_BYTES);
		if (damaged != 0)
			memset(image.bytes + SUPER_COPY, 0xaa, PAGE_BYTES);
		test_write_file(path, image.bytes, image.length);
		must_be(pf_fsck(path, NULL, NULL), 1);
		rc = pf_pool_open(path, PF_POOL_NO_THREAD, &pool);
		must_be(rc, damaged == 2 ? -PF_ENOTPOOL : 0);
		if (rc < 0)
			continue;
		OK(pf_stat_path(pool, "/directory/inner", 0, &stat));
		must_be(stat.inode, image.inner);
		OK(pf_pool_close(pool));
		must_be(pf_fsck(path, NULL, NULL), 1);
	}
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
	chance.state = test_seed();
	image_make(&image);
	good = malloc(image.length);
	must(good);
	memcpy(good, image.bytes, image.length);
	must_be(box_fsck(good, image.length, rule, sizeof rule, text, sizeof text), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_case(i);
	each_bit();
	unfinished_transaction();
	for (unsigned i = 0; i < 20; i++)
		unfinished_words();
	torn_lanes();
	one_superblock();
	short_images();
	free(good);
	free(image.bytes);
	return 0;
}
