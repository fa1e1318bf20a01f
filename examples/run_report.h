/*
 * What the supervisor of the demonstration sees, and what it tells.
 *
 * Just before it kills a process, which it has stopped, it looks at who holds what: so what a process dies with is known to the byte. Then it
 * waits until the others have given that back; it takes no part in that itself. The look with most memory that is held but in no file is the
 * worst moment.
 */
#ifndef RUN_REPORT_H
#define RUN_REPORT_H

#include <pinfold.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HOLDS_MAX 256
#define KILLS_MAX 4096

struct hold {
	pid_t pid;
	char command[17], kind[12], file[80];
	uint64_t inode, bytes;
};

/* A look: all holds, largest first. */
struct moment {
	struct hold hold[HOLDS_MAX];
	size_t holds;
	uint64_t bytes, orphan; /* held; held but in no file */
	double at;              /* seconds since the work began */
	pid_t victim; /* killed next, with this much in its hands; how long until that was given back */
	uint64_t victim_bytes;
	double back_ms;
};

struct report {
	struct moment worst;
	unsigned long kills, holding,
		holds; /* processes killed; those that held something, and how many holds */
	uint64_t bytes, quarantine; /* held by those; most that was in quarantine after a kill */
	double back_ms[KILLS_MAX];  /* of each that held something */
	unsigned long late;         /* not given back when nobody waited any longer */
};

/* What is held now. The victim is stopped. */
int moment_look(struct moment *m, pf_pool *pool, pid_t victim, double at);
/* The victim of that look is dead, another took its place: waits until what it held is given back, and counts it. */
void report_death(struct report *r, struct moment *m, pf_pool *pool);

/* Who held what at the worst moment, and what became of it. */
void report_worst(const struct report *r);
/* What was killed, and what came back. */
void report_kills(struct report *r);

/* "12,345", "1.2 MiB": each into one of eight buffers. */
const char *number(unsigned long n);
const char *amount(uint64_t bytes);

#endif
