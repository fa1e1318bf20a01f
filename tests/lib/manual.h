/*
 * Entries of page tables as the CPUs' manuals have them: a second reader, slow and strict, that shares no mask and no function with
 * src/pgtable. Beyond what hardware does with an entry it knows what we use the bits for that hardware ignores, and
 * objects to every bit that nobody gave a meaning.
 */
#ifndef TEST_MANUAL_H
#define TEST_MANUAL_H

#include "pgtable/fmt.h"

enum manual_kind { MANUAL_NONE, MANUAL_TABLE, MANUAL_LEAF, MANUAL_MARKER, MANUAL_BAD };

struct manual {
	enum manual_kind kind;
	uint64_t address; /* of a table, or of a leaf's first page */
	unsigned flags;   /* of a leaf: PT_READ ...; of a table: PT_YOUNG; of a marker: its kinds */
	const char *bad;  /* what is wrong with it */
};

struct manual manual_read(const struct pt_fmt *f, unsigned level, pt_entry e);
/* Flags that a leaf of the format can say, beside permissions. */
unsigned manual_flags(const struct pt_fmt *f);

#endif
