/*
 * The kinds of memory device for tests that run over all of them: the real thing where the machine has it
 * or root can mount it, otherwise a stand-in that behaves and refuses as the device does.
 */
#ifndef TEST_KINDS_H
#define TEST_KINDS_H

#include "dev/dev.h"

struct kind {
	const char *name;
	/* Makes it ready: true; or says with skip_part() why it is not to be had here. */
	bool (*start)(struct kind *kind);
	/* What the contract says of it. */
	const char *device;             /* dev->ops->name */
	enum dev_durability durability; /* DEV_VOLATILE unless it says more */
	bool discards, fixed_size;
	/* Set by start(). */
	char path[256];     /* where dev_make() makes one; empty: dev_make_memfd() */
	uint64_t granule;   /* bytes */
	bool volatile_ok;   /* it has to be asked for */
	unsigned huge_bits; /* for memfds of huge pages: their MFD_HUGE_... */
};

extern struct kind kinds[];
extern const unsigned kinds_count;

/* One of 4 granules, at least; and another open of the same media, by path or, without, by `fd`. Codes of dev_make, dev_open. */
int kind_make(const struct kind *kind, bool sparse, struct dev **dev);
int kind_open(const struct kind *kind, int fd, bool readonly, struct dev **other);
/* Bytes of the device, and bytes that the host has set aside for it. */
uint64_t kind_bytes(const struct kind *kind);
uint64_t kind_reserved(const struct dev *dev);
/* Removes what was made, so that the next can be. */
void kind_remove(const struct kind *kind);
/* After the last test of a kind. */
void kind_end(void);

/* A tmpfs of this process alone at test_path(name), mounted with `options`; false, after skip_part(), if
 * that cannot be done here. Moves the process into a mount namespace of its own: before threads. */
bool private_mount(const char *type, const char *name, const char *options);

#endif
