/*
 * The public calls as single operations that can be killed anywhere: `setup` brings the child to where `run` is one call. A helper
 * process (the "neighbour") holds pages that the operation touches, where that makes another path.
 */
#ifndef OPS_H
#define OPS_H

#include "pool.h"

struct op_state {
	const char *path;
	pf_pool *pool;
	pf_file *file, *other;
	pf_map *map;
	pf_pin *pin;
	char *window;
	char *buffer; /* 4 MiB */
};

/* Who is there beside: who holds page 300 and pages 0-1 of "a"; who has a window on all of it, and a service thread. */
enum ops_beside { OPS_NOBODY, OPS_HOLDER, OPS_WATCHER };

struct op {
	const char *name;
	void (*setup)(struct op_state *s);
	void (*run)(struct op_state *s);
	enum ops_beside neighbour;
	bool dead;       /* a dead holder is not yet reaped */
	unsigned stride; /* of instructions, for long operations; 1: every */
};

extern const struct op ops[];
extern const unsigned ops_count;

/* The pool as every run begins: "a" of 3 MiB, "b" of 20 KiB, "c" with single pages and holes, and some directories. */
void ops_prepare(pf_pool *pool);
/* One number for all names, what they lead to, and its mode, owner and count of names: equal exactly when these are. */
uint64_t ops_names(pf_pool *pool);
/* Such a process, until it is killed. 0: nobody. */
pid_t ops_neighbour(const char *path, enum ops_beside who);
/* Opens the pool and runs the setup. */
void ops_setup(const struct op *op, const char *path, struct op_state *s);

#endif
