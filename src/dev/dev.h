/*
 * Memory devices: where a pool's media comes from. One contract, one file per kind (dev_file.c,
 * dev_memfd.c, dev_hugetlbfs.c, dev_devdax.c, dev_fsdax.c), one contract test for all of them.
 *
 * kind       | granule          | space                     | discard | durability
 * file       | page size        | fallocate                 | punch   | volatile: tmpfs
 * file, disk | page size        | fallocate                 | waits   | refused, or volatile by request
 * memfd      | page size        | fallocate                 | punch   | volatile
 * hugetlbfs  | huge page size   | fallocate                 | punch   | volatile
 * devdax     | alignment, sysfs | the device; never changed | waits   | persistent on an nvdimm bus
 * fsdax      | page size        | fallocate                 | waits   | persistent: MAP_SYNC is granted
 *
 * A device is one open description, private to the process: close-on-exec, and closed in forked children,
 * so that a lock goes with the process that took it. Mappings are shared, are excluded from fork, and
 * outlive dev_close(). Any thread may call; nothing blocks but dev_lock() and the host's own allocation
 * of memory. All functions return 0 or a negative code and keep pf_message().
 */
#ifndef DEV_DEV_H
#define DEV_DEV_H

#include <sys/stat.h>
#include <sys/types.h>

#include "base/bits.h"
#include "pinfold.h"

enum dev_durability { DEV_VOLATILE, DEV_PERSISTENT, DEV_CACHED };

struct dev {
	const struct dev_ops *ops;
	int fd;
	bool readonly;
	uint64_t size;    /* bytes that can be mapped */
	uint64_t granule; /* bytes: unit of mapping, reserving and discarding */
	enum dev_durability durability;
	bool can_discard; /* dev_discard() works; otherwise quarantine waits */
	bool page_cache; /* a disk file, accepted as DEV_VOLATILE because the caller asked for it */
	bool fault_huge; /* huge pages come by faults in mappings that ask for them, not by fallocate */
	char path[256]; /* for messages; "memfd" for a memfd */
	struct {        /* what "the same media" means: two opens of it are equal in all three */
		uint64_t device, inode, rdev;
	} identity;
	void (*persist)(const void *address,
			size_t length); /* write cache lines back; NULL: nothing to do */
	void (*drain)(void);            /* fence after persists; NULL: nothing to do */
	struct media_guard *guard;      /* see media.h; NULL: none */
	struct dev *next, **link;       /* all devices of this process, for forked children */
};

/* What a kind of device implements. `probe` looks at an open descriptor and says whether it is that
 * kind (1, 0, or an error if that cannot be told now); the others are called on a device of that kind only. */
struct dev_ops {
	const char *name; /* as pf_info.device says */
	int (*probe)(int fd, const struct stat *st);
	/* Fills what geometry and promises the device has: size to drain, all 0 before. */
	int (*open)(struct dev *dev, const struct stat *st);
	/* Makes `bytes` at mkfs: sets the size, reserves unless sparse. NULL: the size is fixed. */
	int (*make)(struct dev *dev, uint64_t bytes, bool sparse);
	/* Gives the range other memory, which reads as zeros, and has it reserved again. NULL: cannot. */
	int (*discard)(struct dev *dev, uint64_t offset, uint64_t length);
	/* Extra flags for mmap (MAP_SYNC | MAP_SHARED_VALIDATE); 0: MAP_SHARED. */
	int map_flags;
	const char *(*huge_hint)(
		const struct dev *dev); /* how to get huge pages; NULL when they are there */
};

extern const struct dev_ops dev_file, dev_memfd, dev_hugetlbfs, dev_devdax, dev_fsdax;

/* Where sysfs is; tests set PINFOLD_SYSFS to a directory of their own. Never NULL. */
const char *dev_sysfs(void);

/* Opens an existing device by path. volatile_ok: a disk file is accepted, as DEV_VOLATILE.
 * Errors: -PF_ENODEV, -PF_ECACHED, errnos of open(2). */
int dev_open(const char *path, bool readonly, bool volatile_ok, struct dev **dev);
/* The same for a descriptor, which stays the caller's: the device has an open description of its own. */
int dev_open_fd(int fd, bool readonly, bool volatile_ok, struct dev **dev);
/* For mkfs: makes a file of `bytes` at `path` (which must not exist; -PF_EEXISTPOOL), or opens a devdax
 * node (bytes 0: all of it; more than there is: -PF_ESHORT). Removes the file again when it fails. */
int dev_make(const char *path, uint64_t bytes, bool sparse, bool volatile_ok, struct dev **dev);
/* The same in a new memfd. */
int dev_make_memfd(uint64_t bytes, bool sparse, struct dev **dev);
void dev_close(struct dev *dev);

/* Maps [offset, offset + length), multiples of the granule, shared, at `address` exactly (MAP_FIXED, into a
 * range the caller has reserved) or anywhere if NULL. prot as mmap. *mapped gets the address. */
int dev_map(struct dev *dev, uint64_t offset, uint64_t length, int prot, void *address,
	    void **mapped);
/* Reserves address space, inaccessible, aligned to `align` bytes; release with munmap. */
int dev_reserve_addresses(uint64_t length, uint64_t align, void **address);
/* See dev_ops.discard; the range is made of granules. -EOPNOTSUPP if the device cannot. */
int dev_discard(struct dev *dev, uint64_t offset, uint64_t length);
/* An exclusive lock on the media, dropped when the process dies; waits at most `ms`: -PF_EBUILDING. */
int dev_lock(struct dev *dev, unsigned ms);
void dev_unlock(struct dev *dev);
/* The page size in bytes that the host really uses at an address of a mapping, and for most of what this
 * process has touched in that mapping (from smaps). Touches the address by a read first. */
uint64_t dev_host_page_size(const void *address);
/* Maps the memory of a writable range into this process's page table at once, if the host can do that: it is about to be stored to. */
void dev_touch(void *address, size_t length);
const char *dev_durability_name(enum dev_durability d);

#endif
