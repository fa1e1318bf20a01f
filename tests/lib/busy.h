/*
 * Busy processes killed at random moments: each writes, reads, truncates, punches, renames, removes, maps and pins files that the
 * others use too. Every byte anybody sees is 0 or that of its file and offset; the live check finds nothing at any time.
 */
#ifndef TEST_BUSY_H
#define TEST_BUSY_H

/* Goes on for so many seconds, or until `kills` processes were killed (0: no limit); returns how many were. */
unsigned long busy_kills(double seconds, unsigned long kills);

#endif
