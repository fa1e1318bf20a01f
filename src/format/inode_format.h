/*
 * Inodes, and the map of a file's pages. Number 0 is no inode, number 1 the root directory. Names are in directories (dir_format.h); an inode
 * says only in which directory it was given one last, so that its path can be told.
 *
 * The map of a file is a page table over page indexes: nodes of 512 entries, level 0 maps single pages
 * (2 MiB in all), level 1 maps blocks of 2 MiB (1 GiB in all), and so on to level 4. An entry of a
 * level-1 node may be a leaf: an order-9 folio. inode.root is the entry that names the top node (its
 * level is in the entry); while it is empty, the first INLINE_ENTRIES pages are in inode.inlined[].
 *
 * An entry is one word, so a reader without a lock sees all of it or nothing:
 *   bits 0-1 kind | 2-6 order hint (leaf) or level (table) | 7 0 | 8-47 pfn or node number | 48-63 check
 * The check covers inode, generation, page index (first one the entry maps) and the low 48 bits, so an entry
 * that strayed to another place is seen. Empty is the word 0. The order is a hint: the page descriptor decides.
 *
 * A directory's root leads to its trie (dir_format.h). A symbolic link that says at most LINK_INLINE bytes has them in inlined[]; a longer one in the node that its
 * root names as a leaf at index LINK_INDEX, and their CRC-32C in inlined[0]. inode.xattr names, as a leaf at index XATTR_INDEX, the node with extended attributes (xattr_format.h).
 *
 * An UNWRITTEN entry has pages like a leaf, whose memory says nothing: they read as zeros. It becomes a leaf when it is written, mapped or pinned.
 * Pages wholly past the end of the file say nothing either, whatever their entry is.
 */
#ifndef FORMAT_INODE_FORMAT_H
#define FORMAT_INODE_FORMAT_H

#include "base/atomic.h"
#include "base/bits.h"
#include "pinfold.h"

#define INLINE_ENTRIES 16u
#define NODE_ENTRIES   512u
#define MAP_LEVELS     5u
#define FILE_PAGES_MAX (1ull << 40) /* 4 PiB */

#define ROOT_INO 1u

#define LINK_INLINE (INLINE_ENTRIES * 8)
#define LINK_INDEX  (1ull << 62)
#define XATTR_INDEX (1ull << 62 | 1)
#define PAGES_INDEX (1ull << 62 | 2)

enum inode_state {
	INODE_FREE,
	INODE_NAMED,    /* nlink > 0 */
	INODE_UNNAMED,  /* nlink 0; goes when the last handle is closed */
	INODE_EVICTING, /* its pages and nodes are being freed; nobody has it open */
};

#define INODE_SHRINKING \
	0x1u /* pages at or past shrink_to (bytes) are still to be removed, and its tail zeroed */
#define INODE_IMMUTABLE    0x2u
#define INODE_APPEND       0x4u
#define INODE_KEEPS        0x8u  /* pages past the end were asked for, and stay */
#define INODE_PUNCHING     0x10u /* bytes from shrink_to to shrink_end are still to be made a hole */
#define INODE_DEVICE       0x60u /* 0; or n << INODE_DEVICE_SHIFT: a device, see inode_device_align() */
#define INODE_FLAGS        0x7fu
#define INODE_BUSY         (INODE_SHRINKING | INODE_PUNCHING) /* something of it is unfinished */
#define INODE_DEVICE_SHIFT 5u

/* Of a device: its alignment in bytes, 4 KiB, 2 MiB or 1 GiB. It is a file that is one piece of memory at a multiple of that, with pages for all of its size, which is such a multiple
 * too; neither ever changes. 0: any other file. */
static inline uint64_t inode_device_align(uint32_t flags)
{
	unsigned n = (flags & INODE_DEVICE) >> INODE_DEVICE_SHIFT;

	return n ? (uint64_t)PAGE_BYTES << 9 * (n - 1) : 0;
}

/* crc covers the words from `size` to `shrink_end`. What stands before it has checks of its own, but inlined[] of a symbolic link, which crc covers too. */
struct inode_format {
	_Atomic uint64_t root;                    /* entry */
	_Atomic uint64_t inlined[INLINE_ENTRIES]; /* entries */
	_Atomic uint64_t crc;                     /* low half: CRC-32C; high half: 0 */
	_Atomic uint64_t size;      /* bytes; of a directory: entries; of a symbolic link: bytes */
	_Atomic uint64_t state;     /* enum inode_state | flags << 8 | generation << 32 */
	_Atomic uint64_t shrink_to; /* bytes */
	_Atomic uint64_t atime, mtime, ctime, btime; /* ns since 1970 */
	_Atomic uint64_t mode_uid;                   /* mode, with type | uid << 32 */
	_Atomic uint64_t gid_nlink;                  /* gid | nlink << 32 */
	_Atomic uint64_t
		parent; /* directory with the last name it was given; of a directory: its parent */
	_Atomic uint64_t key;        /* of the entry there */
	_Atomic uint64_t xattr;      /* entry */
	_Atomic uint64_t shrink_end; /* bytes */
	_Atomic uint64_t
		pages; /* entry at PAGES_INDEX: as its target, how many pages the map has */
};
_Static_assert(sizeof(struct inode_format) == 256, "inode");
_Static_assert(offsetof(struct inode_format, size) == 144, "inode layout");
_Static_assert(offsetof(struct inode_format, shrink_end) == 240, "inode layout");

enum entry_kind { ENTRY_EMPTY, ENTRY_LEAF, ENTRY_TABLE, ENTRY_UNWRITTEN };

typedef uint64_t entry_t;

#define ENTRY_UNUSED 0x80u /* the bit that is 0 */

static inline enum entry_kind entry_kind(entry_t entry)
{
	return (enum entry_kind)(entry & 3);
}

/* It has pages: a leaf, written or not. */
static inline bool entry_has_pages(entry_t entry)
{
	return entry & 1;
}

/* Order hint of a leaf, level of a table. */
static inline unsigned entry_order(entry_t entry)
{
	return entry >> 2 & 31;
}

/* pfn of a leaf, number of a table's node. */
static inline uint64_t entry_target(entry_t entry)
{
	return entry >> 8 & ((1ull << 40) - 1);
}

entry_t entry_make(uint32_t ino, uint32_t igen, uint64_t index, enum entry_kind kind,
		   unsigned order, uint64_t target);
/* Empty, or its check is that of this place. */
bool entry_valid(uint32_t ino, uint32_t igen, uint64_t index, entry_t entry);

/* Attributes, read at once. */
struct inode_attr {
	uint64_t size, shrink_to, shrink_end, atime, mtime, ctime, btime, key;
	uint32_t generation, flags, mode, uid, gid, nlink, parent;
	enum inode_state state;
	entry_t xattr;
	uint32_t link_crc; /* of inlined[] of a symbolic link; else 0 */
};

/* Without a lock: copies until the crc fits. -PF_ECORRUPT if it does not fit after many tries or a field is
 * impossible. A record of zeros is a free inode. */
int inode_read(const struct inode_format *inode, struct inode_attr *attr);
/* The same when nobody changes it: looks once. */
int inode_read_at_rest(const struct inode_format *inode, struct inode_attr *attr);
/* The words from crc to shrink_end that `attr` stands for, into `words` (INODE_WORDS of them). */
#define INODE_WORDS 14
void inode_words(const struct inode_attr *attr, uint64_t *words);

#endif
