/*
 * The host's MMU: what this process really has mapped where its windows are. The page tables of module mm say what should be there; here that is done.
 *
 * At each page of a window is one of: pages of the pool, zeros (a hole that is only read), SIGBUS (past the end of the file, or revoked), nothing (inaccessible). All
 * changes replace what was there in one step: a thread that touches the page finds the old or the new. An extent is one mmap(2): contiguous addresses that show contiguous
 * pages, zeros or SIGBUS. The host allows about 65,530 mappings in a process, and two isolated extents need four: the extents of all pools of this process are counted, and are at most three
 * quarters of what it allows (-PF_EMAPCOUNT says how many there are).
 *
 * `struct host` is the one or the other implementation: host_mmu() does it, host_null() writes down what it was asked to do, for tests. Calls for one range come from one thread at a
 * time (the space's lock). Nothing here waits for anybody.
 */
#ifndef HOST_HOST_H
#define HOST_HOST_H

#include "dev/dev.h"

struct host_ops;

struct host {
	const struct host_ops *ops;
	struct dev *dev;
	int bus;          /* an empty memfd, to raise SIGBUS; -1: not made yet */
	uint64_t extents; /* of this host; see host_extents() */
	void *arg;
};

/* prot: PROT_ bits of mmap(2). Addresses and lengths: multiples of the granule (zeros, SIGBUS, nothing: of 4096). Results: 0, -PF_EMAPCOUNT, -ENOMEM, -EPERM (PROT_EXEC on noexec). A call that
 * fails has changed nothing. */
struct host_ops {
	/* Addresses that nobody has, inaccessible, multiples of `align`, near `wish` if not 0. fixed: exactly there, replacing what is there, or -PF_EMAPPED if not `replace`. */
	int (*reserve)(struct host *h, uint64_t wish, uint64_t length, uint64_t align, bool fixed,
		       bool replace, uint64_t *address);
	/* They are the process's again, with nothing there. */
	int (*release)(struct host *h, uint64_t address, uint64_t length);
	/* Shows the pool from byte `offset` on. */
	int (*map)(struct host *h, uint64_t address, uint64_t length, uint64_t offset, int prot);
	int (*zeros)(struct host *h, uint64_t address, uint64_t length, int prot);
	int (*sigbus)(struct host *h, uint64_t address, uint64_t length);
	int (*nothing)(struct host *h, uint64_t address, uint64_t length);
	/* Fills the host's page tables, for stores if `write`. Only a help. */
	void (*populate)(struct host *h, uint64_t address, uint64_t length, bool write);
};

/* One for this process and pool; host_end() gives back what belongs to it, not what is mapped. -ENOMEM. */
int host_mmu(struct dev *dev, struct host *h);
void host_end(struct host *h);
/* Extents that this process has in all pools, and how many it may have. */
uint64_t host_extents(uint64_t *limit);

#endif
