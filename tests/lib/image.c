/* See image.h. */
#include "image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/crc.h"
#include "test.h"

/* Two names of one bucket. */
static void make_chain(struct box *box, struct image *image)
{
	uint64_t mask = box->super.names - 1, wanted = name_hash("chain", 5) & mask;
	char name[32];

	image->chained[0] = box_create(box, "chain");
	for (unsigned i = 0;; i++) {
		int n = snprintf(name, sizeof name, "link%u", i);

		if ((name_hash(name, (size_t)n) & mask) == wanted)
			break;
	}
	image->chained[1] = box_create(box, name);
}

void image_make(struct image *image)
{
	struct box box;
	void *media;

	box_make(&box, 16 << 20, 0, 0);
	box_open(&box);
	image->small = box_create(&box, "small");
	must_be(box_add(&box, image->small, 0, 2, 0), 0);
	must_be(box_add(&box, image->small, 7, 0, 9), 0);
	image->tree = box_create(&box, "tree");
	must_be(box_add(&box, image->tree, 0, 4, 16), 0);
	must_be(box_add(&box, image->tree, 512 * 512 + 3, 0, 40), 0);
	image->leaf = box_create(&box, "leaf");
	must_be(box_add(&box, image->leaf, 0, 9, 512), 0);
	make_chain(&box, image);
	image->unnamed = box_create(&box, "unnamed");
	fs_unlink(&box.fs, box.me, image->unnamed);
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

_Atomic uint64_t *image_bucket(const struct image *image, uint32_t ino)
{
	struct inode_attr attr;

	must_be(inode_read(image_inode(image, ino), &attr), 0);
	return (_Atomic uint64_t *)(image->bytes + image->super.names_offset) +
	       (name_hash(attr.name, attr.name_length) & (image->super.names - 1));
}

void image_seal_inode(const struct image *image, uint32_t ino)
{
	struct inode_format *inode = image_inode(image, ino);

	store_relaxed(&inode->crc, crc32c(0, (void *)&inode->size, 320));
}

void image_seal_entry(const struct image *image, uint32_t ino, uint64_t index,
		      _Atomic uint64_t *entry)
{
	entry_t e = load_relaxed(entry);
	uint32_t igen = load_relaxed(&image_inode(image, ino)->state) >> 32;

	store_relaxed(entry,
		      entry_make(ino, igen, index, entry_kind(e), entry_order(e), entry_target(e)));
}
