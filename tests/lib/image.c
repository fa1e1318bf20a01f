/* See image.h. */
#include "image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/crc.h"
#include "format/xattr_format.h"
#include "test.h"

/* 300 bytes. */
static const char *long_target(void)
{
	static char target[301];

	memset(target, 'x', 300);
	return target;
}

static void add_attributes(struct box *box, uint32_t ino)
{
	struct xattr_page page;

	xattr_init(&page, ino, fs_generation(&box->fs, ino));
	must(xattr_add(&page, "user.first", "1", 1));
	must(xattr_add(&page, "security.second", "two", 3));
	must_be(fs_xattr_write(&box->fs, box->me, ino, &page, false), 0);
}

void image_make(struct image *image)
{
	struct box box;
	char name[32];
	void *media;

	box_make(&box, 16 << 20, 0, 0);
	box_open(&box);
	image->small = box_create(&box, "small");
	must_be(box_add(&box, image->small, 0, 2, 0), 0);
	must_be(box_add(&box, image->small, 7, 0, 9), 0);
	add_attributes(&box, image->small);
	image->tree = box_create(&box, "tree");
	must_be(box_add(&box, image->tree, 0, 4, 16), 0);
	must_be(box_add(&box, image->tree, 512 * 512 + 3, 0, 40), 0);
	image->leaf = box_create(&box, "leaf");
	must_be(box_add(&box, image->leaf, 0, 9, 512), 0);
	image->directory = box_make_inode(&box, ROOT_INO, "directory", S_IFDIR | 0755, NULL);
	image->inner = box_make_inode(&box, image->directory, "inner", S_IFREG | 0600, NULL);
	image->link = box_make_inode(&box, ROOT_INO, "link", S_IFLNK | 0777, "directory/inner");
	image->long_link = box_make_inode(&box, ROOT_INO, "long", S_IFLNK | 0777, long_target());
	image->wide = box_make_inode(&box, ROOT_INO, "wide", S_IFDIR | 0755, NULL);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(name, sizeof name, "file %u", i);
		box_make_inode(&box, image->wide, name, S_IFREG | 0644, NULL);
	}
	image->unnamed = box_create(&box, "unnamed");
	must_be(box_add(&box, image->unnamed, 0, 0, 12), 0); /* so it stays when its name goes */
	box_unlink(&box, ROOT_INO, "unnamed");
	image->removed = box_create(&box, "removed");
	box_evict(&box, image->removed);
	box_check(&box);
	image->super = box.super;
	image->length = box.super.bytes;
	box_close(&box);
	media = mmap(NULL, image->length, PROT_READ, MAP_SHARED, box.media_fd, 0);
	image->bytes = malloc(image->length);
	must(media != MAP_FAILED && image->bytes);
	memcpy(image->bytes, media, image->length);
	munmap(media, image->length);
	box_end(&box);
}

struct inode_format *image_inode(const struct image *image, uint32_t ino)
{
	return (struct inode_format *)(image->bytes + image->super.inodes_offset) + ino;
}

_Atomic uint64_t *image_node(const struct image *image, uint64_t number)
{
	return (_Atomic uint64_t *)(image->bytes + image->super.nodes_offset + number * PAGE_BYTES);
}

_Atomic uint64_t *image_bottom(const struct image *image, uint32_t ino)
{
	_Atomic uint64_t *entry = &image_inode(image, ino)->root;

	while (entry_kind(load_relaxed(entry)) == ENTRY_TABLE)
		entry = image_node(image, entry_target(load_relaxed(entry)));
	return entry;
}

struct dir_page *image_bucket(const struct image *image, uint32_t ino)
{
	_Atomic uint64_t *entry = image_bottom(image, ino);

	return (struct dir_page *)image_node(image, entry_target(load_relaxed(entry)));
}

void image_seal_inode(const struct image *image, uint32_t ino)
{
	struct inode_format *inode = image_inode(image, ino);
	uint32_t crc = 0;

	if ((load_relaxed(&inode->mode_uid) & S_IFMT) == S_IFLNK)
		crc = crc32c(0, (void *)inode->inlined, sizeof inode->inlined);
	store_relaxed(&inode->crc, crc32c(crc, (void *)&inode->size, (INODE_WORDS - 1) * 8));
}

void image_seal_entry(const struct image *image, uint32_t ino, uint64_t index,
		      _Atomic uint64_t *entry)
{
	entry_t e = load_relaxed(entry);
	uint32_t igen = load_relaxed(&image_inode(image, ino)->state) >> 32;

	store_relaxed(entry,
		      entry_make(ino, igen, index, entry_kind(e), e >> 2 & 63, entry_target(e)));
}
