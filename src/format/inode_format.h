/*
 * Inodes, names and the map of a file's pages.
 *
 * A name is found through buckets: names[hash(name) % count] is number32(inode) of the first of a chain,
 * inode.next the next. An inode in state NAMED is in exactly one chain.
 *
 * The map of a file is a page table over page indexes: nodes of 512 entries, level 0 maps single pages
 * (2 MiB in all), level 1 maps blocks of 2 MiB (1 GiB in all), and so on to level 4. An entry of a
 * level-1 node may be a leaf: an order-9 folio. inode.root is the entry that names the top node (its
 * level is in the entry); while it is empty, the first INLINE_ENTRIES pages are in inode.inlined[].
 *
 * An entry is one word, so a reader without a lock sees all of it or nothing:
 *   bits 0-1 kind | 2-6 order hint (leaf) or level (table) | 8-47 pfn or node number | 48-63 check
 * The check covers inode, generation, page index (first one the entry maps) and the low 48 bits, so an entry
 * that strayed to another place is seen. Empty is the word 0. The order is a hint: the page descriptor decides.
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

enum inode_state {
	INODE_FREE,
	INODE_NAMED,    /* has a name, nlink 1 */
	INODE_UNNAMED,  /* unlinked; goes when the last handle is closed */
	INODE_EVICTING, /* its pages and nodes are being freed; nobody has it open */
};

#define INODE_SHRINKING \
	0x1u /* pages at or past shrink_to (bytes) are still to be removed, and its tail zeroed */

/* crc covers the bytes from `size` to the end of `name`. What stands before `size` has checks of its own. */
struct inode_format {
	_Atomic uint64_t next;                    /* number32(): next in the name's chain */
	_Atomic uint64_t root;                    /* entry */
	_Atomic uint64_t inlined[INLINE_ENTRIES]; /* entries */
	_Atomic uint64_t crc;                     /* low half: CRC-32C; high half: 0 */
	_Atomic uint64_t size;                    /* bytes */
	_Atomic uint64_t state;               /* enum inode_state | flags << 8 | generation << 32 */
	_Atomic uint64_t shrink_to;           /* bytes */
	_Atomic uint64_t mtime, ctime, btime; /* ns since 1970 */
	_Atomic uint64_t mode_uid;            /* mode | uid << 32 */
	_Atomic uint64_t gid_name;            /* gid | length of the name << 32 */
	_Atomic uint64_t name[32];            /* 255 bytes at most, then zeros */
	uint8_t unused[40];
};
_Static_assert(sizeof(struct inode_format) == 512, "inode");
_Static_assert(offsetof(struct inode_format, size) == 152, "inode layout");

enum entry_kind { ENTRY_EMPTY, ENTRY_LEAF, ENTRY_TABLE };

typedef uint64_t entry_t;

static inline enum entry_kind entry_kind(entry_t entry)
{
	return (enum entry_kind)(entry & 3);
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

/* A file's attributes, read at once. */
struct inode_attr {
	uint64_t size, shrink_to, mtime, ctime, btime;
	uint32_t generation, flags, mode, uid, gid;
	enum inode_state state;
	unsigned name_length;
	char name[256]; /* with NUL */
};

/* Without a lock: copies until the crc fits. -PF_ECORRUPT if it does not fit after many tries or a field is
 * impossible. A record of zeros is a free inode. */
int inode_read(const struct inode_format *inode, struct inode_attr *attr);
/* The same when nobody changes it: looks once. */
int inode_read_at_rest(const struct inode_format *inode, struct inode_attr *attr);
/* The words from crc to the end of name that `attr` stands for, into `words` (INODE_WORDS of them). */
#define INODE_WORDS 41
void inode_words(const struct inode_attr *attr, uint64_t *words);
uint64_t name_hash(const char *name, size_t length);

#endif
