/*
 * The service thread of a process: settles this process's own dead threads, and in turn with those of the other processes reaps the dead and
 * lets quarantined pages go. It tells pins that somebody wants their pages, and makes windows what their files are, at once; for the rest it wakes five times a second and waits for nothing else; a process without it does the same in pf_reap().
 */
#ifndef FILE_SERVICE_H
#define FILE_SERVICE_H

#include "file/pool.h"

/* A pool works without it: a failure to start is none. */
void service_start(struct pf_pool *pool);
void service_stop(struct pf_pool *pool);
/* What mail is about: notices to pins, and windows that are stale. Then who waits for that is told. No locks held. */
void service_look(struct pf_pool *pool, struct rt_self *me);

#endif
