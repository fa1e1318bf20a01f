/*
 * Random calls on one file by up to 8 descriptors and 4 maps, against its bytes and size in memory. Each read, map and copy is
 * compared. Maps stay while other calls are made: a shared one shows what the file has and gives it what is stored; a private one
 * does so until a page of it is stored to, which is its own from then on and never reaches the file. A run depends on its seed alone:
 * PF_TEST_SEED does it again. When something differs, the last calls are printed.
 *
 * The library has no private maps and no copy_file_range(): these are for system calls alone, on tmpfs and on a mount.
 */
#ifndef TEST_FSX_H
#define TEST_FSX_H

#include <stdint.h>

#include "pinfold.h"

/* A file at `path`, through system calls, for so many calls. */
void fsx_host(const char *what, const char *path, uint64_t seed, unsigned long calls);
/* A file of a pool, through the library; direct maps for mmap. */
void fsx_pool(const char *what, pf_pool *pool, const char *path, uint64_t seed,
	      unsigned long calls);
/* Both, and on a mount if there can be one, for this share of test_seconds(). For main() to return. */
int fsx_all(double share);

#endif
