/*
 * Power cuts. Records every store, write-back and fence that operations of this process make on the media of a pool, and builds from that what a
 * power cut can leave: at any moment each cache line of the device has what it had at the last fence that its write-back came before, or that and any number of the stores made to it
 * since, in their order. Each such image is recovered, checked, and handed to a judge.
 *
 * Moments just before a fence, and the ends of operations, stand for all: what can be there at another moment can be there at the next of these.
 */
#ifndef TEST_POWER_H
#define TEST_POWER_H

#include "box.h"
#include "pinfold.h"
#include "test.h"

/* From now on this file, and no other, is on a DAX file system: persistent, with real write-backs. */
void power_device(const char *path);

/* What recovery made of an image, until the judge returns. */
struct power_image {
	struct fs *fs;
	const uint8_t *media; /* all of it */
};
/* Right for what was recovered after `marks` marks? Says what is not in `why`. */
typedef bool power_judge(void *arg, const struct power_image *image, unsigned marks, char why[200]);

/* The pool is at rest, and opened without a service thread; what is on its media now is on the device. One pool at a time. */
void power_begin(pf_pool *pool);
/* A point between operations, in the recording: counted from 1. */
void power_mark(void);
/* Stops recording. */
void power_end(void);
/* All states from what was recorded: of a moment that can leave at most `bound` states all, of others `samples`, by chance and some that stand out. Fails the test if the judge says no.
 * Then what was recorded is on the device, and power_record() goes on from there. */
void power_cuts(struct test_random *chance, unsigned bound, unsigned samples, power_judge *judge,
		void *arg);
void power_record(void);
/* What is recorded from now on is the end: closing the pool, which is not used afterwards. */
void power_closing(void);
/* Forgets the pool. */
void power_done(void);

struct power_counts {
	unsigned long moments;   /* looked at */
	unsigned long recovered; /* images */
	unsigned long distinct;  /* of them, by their bytes before recovery */
	unsigned long results;   /* different ones that recovery gave */
	unsigned long again;     /* recovered after a second power cut during recovery */
	unsigned long opened;    /* also opened as a pool */
};
extern struct power_counts power_counts;

#endif
