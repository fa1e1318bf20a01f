/*
 * A page-table format: which bits of a 64-bit entry mean what to the hardware that walks it, as masks, and the few
 * answers that need more than a mask as functions. All that is done with tables is written once, over this
 * (pgtable.h); a new CPU is one file with one `struct pt_fmt`, and its name in the list below.
 *
 * Levels count from the leaf: 0 is the PTE, 1 the PMD, 2 the PUD, 3 the P4D, 4 the PGD, whatever a CPU's manual calls
 * them. An entry is one of
 *   none     0
 *   leaf     maps pages: one at level 0, index_bits more of address for each level up. It is valid, and hardware uses
 *            it; or it has `protnone` instead, and is a leaf for us and nothing for hardware
 *   table    above level 0: leads to a table of the next lower level
 *   marker   at level 0: no page, and something to say (a guard, poison); nothing for hardware
 *   bad      anything else: nobody here wrote it
 * No bit says that memory is of a DAX device: a leaf is a leaf at any level, and its pages are ordinary.
 */
#ifndef PGTABLE_FMT_H
#define PGTABLE_FMT_H

#include "base/atomic.h"
#include "base/bits.h"

#define PT_LEVELS 5u

enum pt_level { PT_PTE, PT_PMD, PT_PUD, PT_P4D, PT_PGD };

typedef uint64_t pt_entry;        /* a value */
typedef _Atomic uint64_t pt_slot; /* where one is, in a table */

/* What a leaf says, whatever its format. */
#define PT_READ        0x001u
#define PT_WRITE       0x002u /* hardware lets stores through */
#define PT_EXEC        0x004u
#define PT_USER        0x008u /* for user mode; without it for the supervisor */
#define PT_YOUNG       0x010u /* accessed */
#define PT_DIRTY       0x020u /* written to, also where hardware is not to be told any more */
#define PT_SPECIAL     0x040u /* counts on no folio: the zero page */
#define PT_SOFT_DIRTY  0x080u /* written to since pt_clear_soft_dirty() */
#define PT_UFFD_WP     0x100u /* write-protected to learn of the next store */
#define PT_PERMISSIONS (PT_READ | PT_WRITE | PT_EXEC)

/* An access, for pt_translate() and pt_fmt.permits: one of PT_READ, PT_WRITE, PT_EXEC, with PT_USER if user mode does
 * it, and for the supervisor with PT_STRICT if the CPU is told to keep it from pages of users (x86: SMEP and SMAP;
 * AArch64: PAN; RISC-V: SUM clear). */
#define PT_STRICT 0x1000u

struct pt_fmt {
	const char *name;
	uint8_t levels;        /* the root is at level levels - 1 */
	uint8_t index_bits;    /* of the address for each level: 9, in tests fewer */
	uint8_t top_leaf;      /* the highest level at which hardware takes a leaf */
	bool sign;             /* addresses are extended by their highest bit; otherwise by zeros */
	uint8_t address_bits;  /* of physical addresses */
	uint8_t address_shift; /* (entry & address) << address_shift is the physical address */
	uint64_t address;

	uint64_t valid;    /* hardware takes the entry if this bit is set */
	uint64_t protnone; /* set instead of `valid`: a leaf that permits nothing */
	/* Above level 0: leads to a table. What is valid and does not is a leaf. */
	uint64_t table_mask, table_value;
	uint64_t table_bits; /* an entry that leads to a table: these and its address */

	/* Hardware faults on a valid entry with one of these; on a leaf above level 0 with those of `misaligned` that are below its size; and, if
	 * `width_faults`, on an address that the machine is too narrow for (pt.physical_bits). */
	uint64_t table_reserved, leaf_reserved, misaligned;
	bool width_faults;
	/* A leaf that hardware refuses for another reason than one bit. NULL: there is none. */
	bool (*malformed)(unsigned level, pt_entry leaf);

	/* Single bits; 0: the format has none. */
	uint64_t young;
	uint64_t table_young; /* hardware sets it in entries that lead to tables, too */
	uint64_t special, soft_dirty, uffd_wp;
	uint64_t foreign; /* in the root: the table is somebody else's, and left alone */
	uint64_t unused;  /* what the devmap bit was, where nothing took its place: never set */

	bool hardware_young; /* the CPU sets `young`; otherwise an access to a leaf without it faults */
	bool hardware_dirty; /* the CPU makes leaves dirty; otherwise a store to one that is not faults */

	/* The bits of a leaf without its address. */
	pt_entry (*leaf)(unsigned level, unsigned flags);
	/* What a leaf says: PT_READ ... PT_UFFD_WP. */
	unsigned (*flags)(unsigned level, pt_entry leaf);
	/* What entries on the way down take away: starts as no_limit, goes through each table entry. */
	uint64_t no_limit;
	uint64_t (*limit)(uint64_t limits, pt_entry table);
	bool (*permits)(pt_entry leaf, uint64_t limits, unsigned access);
	/* The leaf as hardware leaves it after an access that is permitted: accessed and dirty bits. */
	pt_entry (*touch)(pt_entry leaf, unsigned access);
};

/* All formats, each in a file of its own. */
#define PT_FORMATS(X)      \
	X(pt_x86_64)       \
	X(pt_x86_64_la57)  \
	X(pt_aarch64)      \
	X(pt_aarch64_soft) \
	X(pt_sv39)         \
	X(pt_sv48)         \
	X(pt_sv57)         \
	X(pt_loongarch)

#define PT_DECLARE(name) extern const struct pt_fmt name;
PT_FORMATS(PT_DECLARE)
#undef PT_DECLARE

/* ---- of any format ---------------------------------------------------------------------------- */

static inline unsigned pt_shift(const struct pt_fmt *f, unsigned level)
{
	return PAGE_SHIFT + level * f->index_bits;
}

/* Bytes that a leaf at `level` maps. */
static inline uint64_t pt_bytes(const struct pt_fmt *f, unsigned level)
{
	return 1ull << pt_shift(f, level);
}

/* The same in pages. */
static inline uint64_t pt_pages(const struct pt_fmt *f, unsigned level)
{
	return 1ull << level * f->index_bits;
}

static inline unsigned pt_entries(const struct pt_fmt *f)
{
	return 1u << f->index_bits;
}

static inline unsigned pt_index(const struct pt_fmt *f, uint64_t va, unsigned level)
{
	return (unsigned)(va >> pt_shift(f, level)) & (pt_entries(f) - 1);
}

/* The MMU has a translation for va, or could have: its upper bits are what they must be. */
static inline bool pt_canonical(const struct pt_fmt *f, uint64_t va)
{
	unsigned bits = pt_shift(f, f->levels);
	uint64_t above = va >> (f->sign ? bits - 1 : bits);

	return !above || (f->sign && above == UINT64_MAX >> (bits - 1));
}

/* `e` leads to a table, at a level above 0. */
static inline bool pt_is_table(const struct pt_fmt *f, pt_entry e)
{
	return (e & f->table_mask) == f->table_value && e;
}

/* `e` with the bit that hardware wants, if it is a leaf that permits nothing. */
static inline pt_entry pt_as_valid(const struct pt_fmt *f, pt_entry e)
{
	return !(e & f->valid) && (e & f->protnone) ? (e ^ f->protnone) | f->valid : e;
}

/* What hardware may still refuse of it, pt_translate() knows. */
static inline bool pt_is_leaf(const struct pt_fmt *f, pt_entry e, unsigned level)
{
	e = pt_as_valid(f, e);
	return (e & f->valid) && (!level || (level <= f->top_leaf && !pt_is_table(f, e)));
}

static inline uint64_t pt_address(const struct pt_fmt *f, pt_entry e)
{
	return (e & f->address) << f->address_shift;
}

static inline pt_entry pt_with_address(const struct pt_fmt *f, uint64_t address)
{
	return address >> f->address_shift & f->address;
}

/* Of a leaf: the part of pt_address() that counts at its level. */
static inline uint64_t pt_leaf_address(const struct pt_fmt *f, pt_entry e, unsigned level)
{
	return align_down(pt_address(f, e), pt_bytes(f, level));
}

/* ---- what a format can ------------------------------------------------------------------------ */

/* What a leaf of it can say. What needs another flag answers -PF_EPTCAN. The other capabilities are top_leaf, table_young,
 * hardware_young and hardware_dirty. */
static inline unsigned pt_can(const struct pt_fmt *f)
{
	return PT_PERMISSIONS | PT_USER | PT_YOUNG | PT_DIRTY | (f->special ? PT_SPECIAL : 0) |
	       (f->soft_dirty ? PT_SOFT_DIRTY : 0) | (f->uffd_wp ? PT_UFFD_WP : 0);
}

/* ---- markers ---------------------------------------------------------------------------------- */

/* Kinds, which may come together. The lower twelve bits are 0: in every format such an entry is invalid and not `protnone`. */
#define PT_GUARD   0x1000ull
#define PT_POISON  0x2000ull
#define PT_MARKERS (PT_GUARD | PT_POISON)

static inline bool pt_is_marker(pt_entry e)
{
	return e && !(e & ~PT_MARKERS);
}

#endif
