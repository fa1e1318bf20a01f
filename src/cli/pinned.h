/* Reading a file of the host straight into the pages of a file in a pool: io_uring fills pages that are pinned, and no buffer is between them. */
#ifndef CLI_PINNED_H
#define CLI_PINNED_H

#include <stdbool.h>
#include <stdint.h>

#include "pinfold.h"

/* The way that bytes take. */
enum way {
	WAY_COPY,   /* read into a buffer, then written */
	WAY_CACHED, /* from the host's page cache into pinned pages */
	WAY_DISK,   /* from the disk into pinned pages, past the page cache */
	WAY_AUTO,   /* wanted only: the fastest that the source allows */
	WAYS
};
extern const char *const way_names[WAYS];

/*
 * Fills the bytes from *at to `end` of `file`, whose size covers them, with those of the descriptor `fd`, opened from `path`; *at becomes the
 * first byte that was not filled: the caller copies the rest, which can be all of it and is the last part of a page at least. `wanted` is WAY_AUTO
 * or a way that is to be taken if it can be. `tell` is called with *at now and then, and ends the reading by returning false. *told becomes what is to be
 * said of the way, if a byte came by it.
 */
void read_pinned(int fd, const char *path, pf_pool *pool, pf_file *file, enum way wanted,
		 uint64_t *at, uint64_t end, bool (*tell)(uint64_t at), const char **told);

#endif
