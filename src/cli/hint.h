/*
 * Hints: what somebody who typed this probably meant, for the end of a message that says what went wrong. They look at what is there, on the
 * host and in the pool. Each is "; ..." or "", in one buffer; the library's last message is another one afterwards.
 */
#ifndef CLI_HINT_H
#define CLI_HINT_H

#include <stdbool.h>

#include "pinfold.h"

/* The path is no POOL:/path. */
const char *hint_operand(const char *operand);
/* The path could not be opened as a pool. */
const char *hint_pool(const char *path);
/* No pool could be made there. */
const char *hint_new_pool(const char *path);
/* A pool of the size that was wanted does not fit there. */
const char *hint_room(const char *path);
/* Where the runtimes of pools are there is hardly room for one: which directory that is; otherwise NULL. */
const char *hint_no_runtime(void);
/* The pool, opened as `pool_path`, has no such path. */
const char *hint_missing(pf_pool *pool, const char *pool_path, const char *path);
/* Whether somebody who typed this word may have meant the other. */
bool hint_similar(const char *typed, const char *word);

#endif
