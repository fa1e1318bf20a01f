/*
 * Stand-ins: for tests on machines without the hardware, files that behave towards the calls of sys.h as a
 * device does, and refuse what it refuses. Nothing else in the library knows about them. Without one, a call
 * costs one load more.
 */
#ifndef BASE_STAND_IN_H
#define BASE_STAND_IN_H

#include "base/bits.h"
#include "base/sys.h"

struct stand_in {
	dev_t device; /* the file system, */
	ino_t inode;  /* and the file on it; 0: every file there */
	/* Not 0: the file is a character device of this number, which only mmap works on. */
	dev_t rdev;
	uint64_t align; /* bytes; mmap wants addresses, offsets and lengths of multiples */
	/* The file is on a DAX file system: MAP_SYNC is granted. Mappings without it and punching holes
	 * would work on the real one, but are not to be used: refused. */
	bool dax;
};

/* From now on in this process and its children; NULL: none. The caller keeps the memory. */
void stand_in_set(const struct stand_in *stand_in);

/* Between the files of base/: each says what the device would. */
void stand_in_stat(struct stat *st);
/* 0, or the errno of a refusal: of read, write and ftruncate, */
int stand_in_refuses_io(int fd);
/* of fallocate, */
int stand_in_refuses_fallocate(int fd, int mode);
/* of mmap; *flags become those for the real file. */
int stand_in_refuses_mmap(int fd, const void *address, size_t length, off_t offset, int *flags);

#endif
