/*
 * A small media file with nothing on it but use records, and its runtime: for tests of the runtime alone.
 * The runtime's first region has words and locks for the test; `media_build` sets them up and counts.
 */
#ifndef TEST_MEDIA_H
#define TEST_MEDIA_H

#include "runtime/lock.h"
#include "runtime/runtime.h"

#define MEDIA_BUILT 0x6275696c74ull
#define MEDIA_LOCKS 8u

struct media_shared {
	_Atomic uint64_t built; /* MEDIA_BUILT */
	_Atomic uint64_t users; /* for the test */
	_Atomic uint64_t words[16];
	struct rt_lock locks[MEDIA_LOCKS]; /* inodes 0 .. */
};

struct media {
	struct dev *dev;
	void *head;
	struct rt *rt;
	struct media_shared *shared;
};

enum media_flags { MEDIA_FORCE = 1, MEDIA_RDONLY = 2 };

/* Options of the attaches that follow in this process. */
extern unsigned media_limit_ms;                     /* for builders, 5000 */
extern int (*media_in_build)(struct rt_self *me);   /* called at the end of build; NULL */
extern int (*media_in_finish)(struct media *media); /* called in finish; NULL: 0 */
extern unsigned media_builds;                       /* builds in this process */

/* A new file in test_dir(), and its path. */
const char *media_make(const char *name);
/* Attaches; on failure nothing stays open. */
int media_attach(const char *path, unsigned flags, struct media *media);
int media_attach_fds(int media_fd, int runtime_fd, struct media *media);
void media_detach(struct media *media);
/* This thread's row; fails the test if there is none. */
struct rt_self *media_self(struct media *media);
/* Runtimes in the directory. */
unsigned media_files(const char *dir);
/* Dead slots become free, as if by a reap of slots that hold nothing. How many. */
unsigned media_reap(struct media *media);
/* State of a slot. */
enum rt_slot_state media_slot(struct media *media, unsigned slot);

/* step_hook: the process ends by `signal` at the nth step from now on whose name begins with `prefix`
 * ("": any). Does nothing in builds without steps. */
void media_signal_at(const char *prefix, unsigned n, int signal);
/* This build has steps. */
bool media_has_steps(void);

#endif
