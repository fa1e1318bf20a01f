/* What a process keeps of a runtime for itself. Between the files of runtime/ only. */
#ifndef RUNTIME_LOCAL_H
#define RUNTIME_LOCAL_H

#include "runtime/lock.h"
#include "runtime/runtime.h"

#define RT_LIVENESS \
	(1ll << 40) /* byte of the runtime's file that slot 0 locks; slot n the n-th after it */

/* Free records of one type; pointers into chunks. `total`: free and used ones, room >= total. */
struct rt_free_list {
	void **at;
	size_t count, room, total;
};

struct rt_local {
	pthread_mutex_t mutex; /* for all of this */
	struct rt_self *selves;
	struct rt_free_list holds, handles, flocks, vmas;
	_Atomic uint64_t
		table_hint; /* no page of the arena below this is likely to be a free table */
	struct rt *next;    /* of all runtimes of the process, under local_all */
};

/* All attached runtimes of this process: for threads that end, and for forked children. */
extern pthread_mutex_t local_all;
extern struct rt *local_first;

/* local.c */
int local_open(struct rt *rt);
void local_close(struct rt *rt);
/* Another slot was claimed: threads forget the rows they had. */
void local_renew(struct rt *rt);
/* In a forked child: closes its copies of the descriptors that have the liveness lock and the media's lock. */
void local_leave(struct rt *rt);

/* arena.c: a new chunk for our slot, linked, zeroed. NULL: error in *rc. */
struct rt_chunk *arena_chunk(struct rt_self *me, unsigned slot, enum rt_chunk_type type, int *rc);
void arena_init(struct rt_header *h);
/* A batch of free tables more. */
int arena_tables(struct rt_self *me);

static inline rt_table_word *rt_table_words(struct rt *rt)
{
	return (rt_table_word *)(void *)(rt->base + rt->header->tables);
}

/* record.c: the unused records that earlier processes of our slot left. */
void record_adopt(struct rt *rt);
/* Local mutex: what the thread kept at hand goes back to the free lists. */
void record_keep(struct rt_self *me);

/* slot.c */
int slot_claim(struct rt *rt);
void slot_release(struct rt *rt);
/* It still has what slot_claim() stored. */
bool slot_ours(struct rt *rt);
/* No slot is LIVE or DEAD. */
bool slots_empty(struct rt *rt);

/* identity.c */
struct use_format;
/* This machine and this boot; sequence, crc and nonce 0. */
void identity_now(struct use_format *use);
/* The runtime directory, checked. A descriptor, or -PF_ERUNDIR. */
int identity_directory(char *path, size_t size);

/* row.c. For a thread that ends; local mutex. False: it ended inside a call, and the row is DEAD now. */
bool row_release(struct rt_self *me);
/* A new process has the slot, and with it all rows. */
void row_unspend(struct rt *rt);
/* Nothing of it is to be settled by others. */
bool row_clean(const struct rt_row *row);

/* The error that rt_self_error() gives. */
void self_fail(int code);
/* Rows of a slot are numbered from its oldest chunk on, which is the last in the chain. NULL: there is no such row. */
struct rt_row *local_row(struct rt *rt, unsigned slot, unsigned number);

#endif
