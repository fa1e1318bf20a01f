/*
 * An image with something of everything: files without a node (one with extended attributes), with a tree of each of the first levels, with an order-9 leaf, directories of
 * one and of two buckets, symbolic links of both kinds, an unnamed and a removed file. And the means to damage it so that only a rule can notice, not a checksum.
 */
#ifndef TEST_IMAGE_H
#define TEST_IMAGE_H

#include "box.h"

struct image {
	uint8_t *bytes;
	uint64_t length; /* of the metadata and the data zone */
	struct super_format super;
	uint32_t small, tree, leaf, unnamed, removed; /* inode numbers */
	uint32_t directory, inner, link,
		long_link; /* "directory" with "inner"; links of both kinds */
	uint32_t wide;     /* a directory of two buckets */
};

/* The bytes are malloc'ed. */
void image_make(struct image *image);

struct inode_format *image_inode(const struct image *image, uint32_t ino);
_Atomic uint64_t *image_node(const struct image *image, uint64_t number);
/* The entry of the level-0 or level-1 node that `tree`'s or `leaf`'s root leads to, going through first entries. */
_Atomic uint64_t *image_bottom(const struct image *image, uint32_t ino);
/* The first bucket of a directory. */
struct dir_page *image_bucket(const struct image *image, uint32_t ino);
/* After the record's words were changed: its checksum fits again. */
void image_seal_inode(const struct image *image, uint32_t ino);
/* The entry's check fits this place in this file. */
void image_seal_entry(const struct image *image, uint32_t ino, uint64_t index,
		      _Atomic uint64_t *entry);

#endif
