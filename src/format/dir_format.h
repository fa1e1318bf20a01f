/*
 * Directories: which names lead to which inodes.
 *
 * A name has a key, 63 bits: 59 from a hash of it (seeded by the pool's uuid), and 4 that tell apart names whose hashes are
 * equal. Keys are unique in a directory and stay with their entry, so "after this key" is a place that lasts: it is readdir's cursor.
 *
 * A directory is a trie over keys, whose pages are nodes. inode.root is an entry (inode_format.h):
 *   LEAF   the only bucket: all entries are in it
 *   TABLE  a node with 512 entries, chosen by the keys' 9 highest bits; below it, by the next 9, DIR_DEPTH_MAX times at most
 * An entry of such a node is empty, a TABLE one deeper (its order: the depth, 0 for the root), or a LEAF: a bucket with the names whose
 * keys have the next `order` bits in common, which therefore is in 2^(9 - order) neighbouring entries. The entries' index is the first key below them.
 *
 * A bucket is a page of 64 granules of 64 bytes. Granule 0 says which are in use, granule 1 has a byte of each name's key, so that one look at
 * two cache lines finds the few that may be the name. An entry has 24 bytes and its name, in one granule or, long names, in up to 5.
 */
#ifndef FORMAT_DIR_FORMAT_H
#define FORMAT_DIR_FORMAT_H

#include "format/inode_format.h"

#define DIR_GRANULE   64u
#define DIR_GRANULES  64u
#define DIR_FIRST     2u /* granule that an entry may be in */
#define DIR_DEPTH_MAX 6u /* tables above a bucket */
#define DIR_BITS      9u /* of a key, for one table */
#define DIR_KEY_BITS  63u
#define DIR_KEY_FIRST 16ull /* no key is less */
#define DIR_TIES      16u   /* names with one hash, in one directory */

struct dir_entry {
	_Atomic uint64_t what; /* inode 32 | length of the name 8 | type (mode >> 12) 4 */
	_Atomic uint64_t key;
	_Atomic uint64_t
		check; /* CRC-32C of inode, key, length, type and name | generation of the inode << 32 */
	_Atomic uint64_t name[5]; /* zeros after its end; goes on in the granules that follow */
};
_Static_assert(sizeof(struct dir_entry) == DIR_GRANULE, "directory entry");

struct dir_page {
	_Atomic uint64_t owner; /* inode | its generation << 32 */
	_Atomic uint64_t heads; /* a bit per granule: an entry begins there */
	_Atomic uint64_t used;  /* a bit per granule of an entry */
	uint64_t unused[5];
	_Atomic uint64_t prints
		[8]; /* a byte per granule: dir_print() of the key where an entry begins, else 0 */
	struct dir_entry entry[DIR_GRANULES - DIR_FIRST]; /* entry[granule - DIR_FIRST] */
};
_Static_assert(sizeof(struct dir_page) == PAGE_BYTES, "directory bucket");

/* What an entry says. */
struct dir_name {
	uint64_t key;
	uint32_t ino, igen;
	uint32_t type; /* S_IFREG, S_IFDIR, S_IFLNK */
	unsigned length;
	char name[256]; /* with NUL */
};

/* Granules that an entry with a name of this length takes. */
static inline unsigned dir_granules(unsigned length)
{
	return (24 + length + DIR_GRANULE - 1) / DIR_GRANULE;
}

static inline unsigned dir_print(uint64_t key)
{
	unsigned print = key >> 4 & 0xff;

	return print ? print : 1;
}

/* Slot for a key in a table at this depth. */
static inline unsigned dir_slot(uint64_t key, unsigned depth)
{
	return key >> (DIR_KEY_BITS - DIR_BITS * (depth + 1)) & (NODE_ENTRIES - 1);
}

/* First key of slot `slot` of the table at this depth on the way to `key`. */
static inline uint64_t dir_first_key(uint64_t key, unsigned depth, unsigned slot)
{
	unsigned below = DIR_KEY_BITS - DIR_BITS * depth;

	return (key & ((1ull << DIR_KEY_BITS) - 1)) >> below << below |
	       (uint64_t)slot << (below - DIR_BITS);
}

/* The key of a name, its lowest 4 bits 0. */
uint64_t dir_hash(const uint8_t seed[16], const char *name, size_t length);
/* The words of an entry, `dir_granules() * 8` of them. */
void dir_words(const struct dir_name *name, uint64_t *words);
/* Reads the entry at `granule` of a bucket that may be changing, or may be anything. False: it is none. */
bool dir_read(const struct dir_page *page, unsigned granule, struct dir_name *name);

#endif
