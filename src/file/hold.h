/*
 * Holds of this process on a range of a file: what a map and a pin have in common. The range is covered by hold records, one per piece
 * that is contiguous in memory and has at most RT_FOLIOS folios. Between the files of file/ only.
 */
#ifndef FILE_HOLD_H
#define FILE_HOLD_H

#include "file/pool.h"

struct hold_piece {
	struct rt_hold *record;
	uint64_t pfn, pages;
};

struct hold_set {
	size_t count, room;
	struct hold_piece *piece; /* `one`, or allocated */
	struct hold_piece one;
};

struct hold_request {
	struct pf_file *file;
	uint64_t offset, length; /* bytes */
	bool write;              /* holes are allocated first */
	enum pf_hold_kind kind;
};

/* All of the range, or nothing. Errors as pf_map_file(), without -PF_ENOTCONTIG. */
int hold_take(struct rt_self *me, const struct hold_request *request, struct hold_set *set);
void hold_give_back(struct rt_self *me, struct pf_pool *pool, struct hold_set *set);

#endif
