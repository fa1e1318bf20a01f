/*
 * Images of file systems with random damage, whose checksums fit or do not: fsck and opening end, crash on none, and agree; a pool that can be
 * opened from one can be used, and is whole afterwards.
 */
#ifndef TEST_FUZZ_H
#define TEST_FUZZ_H

/* For so many seconds. Fails the test with the seed of the image: PF_TEST_SEED with it begins with that image. */
void fuzz_images(double seconds);

#endif
