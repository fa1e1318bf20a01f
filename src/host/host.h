/*
 * The host's MMU: what this process really has mapped where its windows are. The page tables of module mm say what should be there; here that is done.
 *
 * At each page of a window is one of: pages of the pool, zeros (a hole that is only read), SIGBUS (past the end of the file, or revoked), nothing (inaccessible). All
 * changes replace what was there in one step: a thread that touches the page finds the old or the new. An extent is one mmap(2): contiguous addresses that show contiguous
 * pages, zeros, SIGBUS or nothing. The host allows about 65,530 mappings in a process, and an isolated extent needs another one for the addresses before it: those of windows of all pools of this process are
 * counted, and get at most three quarters of what it allows (-PF_EMAPCOUNT says how many there are). Making SIGBUS or nothing of a range is not refused: what was revoked must go.
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
	void *arg;        /* of the implementation; host_null(): its journal */
};

/* prot: PROT_ bits of mmap(2). Addresses and lengths: multiples of the granule (zeros, SIGBUS, nothing: of 4096). Results: 0, -PF_EMAPCOUNT, -ENOMEM, -EPERM (PROT_EXEC on noexec). A call that
 * fails has changed nothing; but after -ENOMEM the range may be inaccessible, where it is not what it was. Nothing that is mapped is inherited by forked children. */
struct host_ops {
	/* Addresses that nobody has, inaccessible, multiples of `align`, near `wish` if not 0. fixed: exactly there, replacing what is there, or -PF_EMAPPED if not `replace`. */
	int (*reserve)(struct host *h, uint64_t wish, uint64_t length, uint64_t align, bool fixed,
		       bool replace, uint64_t *address);
	/* They are the process's again, with nothing there. */
	int (*release)(struct host *h, uint64_t address, uint64_t length);
	/* Shows the pool from byte `offset` on. */
	int (*map)(struct host *h, uint64_t address, uint64_t length, uint64_t offset, int prot);
	/* PROT_WRITE is not given. */
	int (*zeros)(struct host *h, uint64_t address, uint64_t length, int prot);
	/* What prot does not permit raises SIGSEGV, as past the end of a file that mmap(2) shows. */
	int (*sigbus)(struct host *h, uint64_t address, uint64_t length, int prot);
	int (*nothing)(struct host *h, uint64_t address, uint64_t length);
	/* Fills the host's page tables, for stores if `write`. Only a help. */
	void (*populate)(struct host *h, uint64_t address, uint64_t length, bool write);
	void (*end)(struct host *h); /* of host_end() */
};

/* One for this process and pool; host_end() gives back what belongs to it, not what is mapped. -ENOMEM. */
int host_mmu(struct dev *dev, struct host *h);
void host_end(struct host *h);
/* Mappings that this process has for windows in all pools, and how many it may have. Never fewer than there are, if nobody but these functions changes them. */
uint64_t host_extents(uint64_t *limit);

/* ---- for tests ---- */

/* What host_null() was asked to do; calls that it refused are not among them. */
struct host_call {
	enum host_what {
		HOST_RESERVE,
		HOST_RELEASE,
		HOST_MAP,
		HOST_ZEROS,
		HOST_SIGBUS,
		HOST_NOTHING,
		HOST_POPULATE
	} what;
	uint64_t address, length;
	uint64_t offset; /* HOST_MAP */
	int prot;
	bool write; /* HOST_POPULATE */
};

struct host_journal {
	struct host_call *call;
	size_t count, room;
	long refuse_nth; /* this call from now on fails with -PF_EMAPCOUNT, and no other; 0: none */
	uint64_t next;   /* addresses that reserve() gives */
};

/* One that maps nothing; its journal is empty at first, and lives until host_end(). */
void host_null(struct dev *dev, struct host *h, struct host_journal *journal);
/* What an address shows by now: the last call but populate() that covers it, or NULL. */
const struct host_call *host_null_at(const struct host *h, uint64_t address);

#endif
