/*
 * Redo transactions: the one way the metadata zone changes. A transaction is a list of (offset, word) in a
 * lane on the media:
 *
 *   lane: commit word {crc 32 | no crc 1 | sequence 15 | count 16}, and from byte 64 on records {offset 8, value 8}
 *
 * 1. records and commit word are written and written back; a fence: from here on the transaction will be applied. They may get to the device in any
 * order: the crc covers sequence and records, a torn or old lane is no transaction. 2. The words are stored in their places and written back; a fence. 3. The
 * commit word becomes 0, and is written back before the lane is given back, which comes before the locks are: an old transaction is never replayed over a newer one. The
 * fence for that is the locked instruction that gives the lane back. So a transaction waits for the device twice, whatever it changes. What it refers to (a filled
 * node, bytes of a file) must be on the device before it is committed: who wrote that has written it back, and drains.
 * On volatile devices nothing is written back and no crc is computed: what a killed process leaves is in order. The commit word says so, and a persistent device is not
 * opened with such a lane.
 * The same replay serves a power cut (journal_recover) and a dead row (journal_settle). A row borrows a lane
 * for a transaction; the inode locks that cover the words are held until it is given back, so no two live
 * lanes name the same bytes. docs/protocol.md section 8, models/lane.pml.
 */
#ifndef JOURNAL_JOURNAL_H
#define JOURNAL_JOURNAL_H

#include "base/check.h"
#include "dev/media.h"
#include "runtime/runtime.h"

#define JOURNAL_WORDS 1000u

/* In the runtime (start of region RT_NODES, see fs.h): who has which lane. */
struct journal_lanes {
	_Atomic rt_owner owner[256];
};

struct journal {
	struct dev *dev;
	struct rt *rt;
	uint8_t *meta; /* the metadata zone, from the media's start */
	uint64_t meta_bytes;
	uint64_t lanes_offset;
	unsigned lanes;
	struct journal_lanes *owners;
};

/* On the caller's stack, or in its thread's local memory: 16 KiB. */
struct journal_tx {
	struct rt_self *me;
	unsigned count;
	struct {
		uint64_t offset, value;
	} word[JOURNAL_WORDS];
};

static inline void journal_begin(struct journal_tx *tx, struct rt_self *me)
{
	tx->me = me;
	tx->count = 0;
}

/* `address` is in the metadata zone, aligned to 8. The last value for an address wins. No effect before commit. */
static inline void journal_word(struct journal *j, struct journal_tx *tx, _Atomic uint64_t *address,
				uint64_t value)
{
	CHECK(tx->count < JOURNAL_WORDS);
	tx->word[tx->count].offset = (uint64_t)((uint8_t *)address - j->meta);
	tx->word[tx->count++].value = value;
}

/* What `address` will have when `tx` has been committed. */
uint64_t journal_load(struct journal *j, const struct journal_tx *tx, _Atomic uint64_t *address);
/* All or nothing, also if killed. Never fails; waits for a lane if all are taken by the living. When it
 * returns the words are in place. An empty transaction does nothing. */
void journal_commit(struct journal *j, struct journal_tx *tx);

/* Lanes of dead rows: takes each over by CAS, replays what was committed, clears it. A lane that a living row
 * is replaying: waits for it (wait true: who has an inode lock), or leaves it (a reaper). False if one is left, also by who waited for the
 * lock limit: the replayer is stopped. */
bool journal_settle(struct journal *j, struct rt_self *me, bool wait);
/* Before a runtime is built: replays every lane of the media, checking offsets. Returns how many, or
 * -PF_ECORRUPT if a committed record names a place that is not metadata. Without a runtime (rt may be NULL). */
int journal_recover(struct journal *j);
/* For the live check: a lane that nobody has is empty. */
struct report;
void journal_check(struct journal *j, struct report *report);
/* For fsck: describes what is wrong with lane `n` in `report`; true if it has a committed transaction. */
bool journal_inspect(const void *lane, unsigned n, uint64_t meta_bytes, uint64_t lanes_end,
		     struct report *report);
/* What journal_inspect() found good: calls `each` for every word it writes, in order. */
void journal_words(const void *lane, void (*each)(void *arg, uint64_t offset, uint64_t value),
		   void *arg);

#endif
