/*
 * Holds of this process on a range of a file: what a map and a pin have in common. The range is covered by hold records, one per piece
 * that is contiguous in memory and has at most RT_FOLIOS folios. And pins, which are made of holds by file or by address. Between the files of file/ only.
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
/* Room for one more piece, with an unused record; set->count is not changed: that and the piece's other fields are for who fills it. NULL: the error is in *rc. */
struct hold_piece *hold_add(struct rt_self *me, struct hold_set *set, int *rc);
/* Labels of a record that has no range yet: `index` is the page at which it begins, the bytes are those of its first and last page. */
void hold_label(struct rt_hold *record, uint32_t ino, uint32_t igen, uint64_t index,
		enum pf_hold_kind kind, uint32_t first_byte, uint32_t last_byte);

struct pf_pin {
	struct pf_pool *pool;
	struct hold_set set;
	size_t count;
	struct pf_chunk *chunks; /* `one`, or allocated */
	struct pf_chunk one;
	int notice;                  /* an eventfd, or -1 */
	struct pf_pin *next, **link; /* of pool->notified */
};

/* One that holds nothing. -PF_EFLAGS, -ENOMEM. */
int pin_new(struct pf_pool *pool, unsigned flags, struct pf_pin **pin);
/* Its set has been taken, or that gave the error `rc`: it becomes whole, of `length` bytes from byte `skip` of its first page on, or nothing is left of it. */
int pin_end(struct rt_self *me, struct pf_pin *pin, int rc, uint64_t skip, uint64_t length,
	    pf_pin **out);

#endif
