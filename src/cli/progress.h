/* How far a long copy has come: one line on standard error, written over and over. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

enum progress_when {
	PROGRESS_AUTO,   /* where standard error is a terminal, when it takes long */
	PROGRESS_ALWAYS, /* at once, and in lines one below the other where it is none */
	PROGRESS_NEVER,
	PROGRESS_WHENS
};
extern const char *const progress_names[PROGRESS_WHENS];

struct progress_sum {
	uint64_t files, bytes;
};

/*
 * A copy begins. `add_up` says how much it will be; it is called once, when the line is shown for the first time: a copy that is over sooner
 * is spared the counting. It returns false if it cannot tell, or has given up because progress_counting() was false.
 */
void progress_begin(enum progress_when when, bool (*add_up)(struct progress_sum *sum));
/* Whether adding up has taken so little time that it may go on. */
bool progress_counting(void);
/* Of the file that is being copied, what is before byte `at` is done. */
void progress_at(uint64_t at);
/* A file of that many bytes is behind us, copied or not. */
void progress_file(uint64_t bytes);
/* Takes the line away, if there is one: something else will be printed. */
void progress_hide(void);
/* From now on there is none: what is copied goes to a terminal itself. */
void progress_stop(void);
/* The copy is over. */
void progress_end(void);

#endif
