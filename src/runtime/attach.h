/* Attach in parts: finding the runtime's file (find.c), joining it or deciding what else (attach.c), making one (make.c), leaving
 * (detach.c). Between the files of runtime/ only. */
#ifndef RUNTIME_ATTACH_H
#define RUNTIME_ATTACH_H

#include "format/use_format.h"
#include "runtime/local.h"

struct attach {
	struct rt *rt;
	const struct rt_plan *plan;
	struct use_format now; /* this machine and boot */
	int memfd;             /* of a memfd pool, else -1 */
	int dir;
	char dir_path[180];
};

/* find.c */
void attach_file_name(const uint64_t nonce[2], char name[64]);
/* An open description of this attach alone: the liveness lock is on it. A descriptor, or -1 and errno. */
int attach_open_file(struct attach *a, const uint64_t nonce[2]);
/* The same by open_it(), into rt->fd. */
int attach_open(struct attach *a, const uint64_t nonce[2],
		int (*open_it)(struct attach *a, const uint64_t nonce[2]));
/* The header as it is now, without mapping it: a file that is not whole yet must not be touched through a mapping. An enum rt_state,
 * or an error. */
int attach_peek(int fd, struct rt_header *h);
int attach_map(struct rt *rt, uint64_t bytes);
/* Closes the descriptor, too, and with both gone the liveness lock is. */
void attach_unmap(struct rt *rt);
bool attach_same_media(const struct rt *rt, const struct rt_header *h);
/* Media lock. */
void attach_write_use(struct rt *rt, struct use_format use);

/* make.c. Media lock: a new runtime, built and READY, in which we have a slot. The old one, if there was one, is nobody's. */
int attach_make(struct attach *a);

/* detach.c. False: a thread ended inside a call, or a handle could not be given back: that is for who reaps the slot. */
bool attach_release_rows(struct rt *rt);

#endif
