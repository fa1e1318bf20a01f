/* Copying the bytes of one file between places, in either direction. */
#ifndef CLI_COPY_H
#define CLI_COPY_H

#include "cli/cli.h"
#include "cli/place.h"

/* From now on SIGINT, SIGTERM and SIGHUP end the copying: what is half done is taken back. */
void catch_interruptions(void);
/* Interrupted, or a pool is full: no use going on. */
bool copying_ends(void);
/* The exit code of it all: `rc`, unless that is EXIT_FINE and there was an interruption, which is said. */
int copying_ended(int rc);
/* complain_at() of what could not be made in a pool, or on the host; may end the copying. */
int complain_target(const struct place *to, int error);
/* "'from' -> 'to': how", or without `how`. */
void tell_copied(const struct place *from, const struct place *to, const char *how);

/*
 * Copies the file `from` to `to`. In a pool it appears there whole and with its attributes, in one step; what it
 * replaces loses the name, and its mode and owner go on, as if it had been written. On the host `to` is written in place.
 * `replaced`: what is there now, NULL: nothing. Symbolic links at `to` must have been followed.
 */
int copy_file(const struct options *o, const struct place *from, const struct place *to,
	      const struct stat *replaced);

/* The extended attributes of users, as far as the other side takes them: what it does not take is left out, as cp(1) does. */
void copy_xattrs(const struct place *from, const struct place *to);

#endif
