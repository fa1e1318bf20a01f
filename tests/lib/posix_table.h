/*
 * The table of posix_rows.h, on the host's tmpfs, in a pool and on a mount of it, where one case of `every` so many is done, by chance.
 * Rows are scripts (posix.h). In a row with lists, $A, $B and $C are replaced by each word of these, so that one row is many cases;
 * what the host's tmpfs says is right. A case is run by root, and by user a if it does not say itself who does what.
 */
#ifndef TEST_POSIX_TABLE_H
#define TEST_POSIX_TABLE_H

/* For main() to return. PF_TEST_ROW=NAME: only rows with that in their name; PF_TEST_TRACE: says each case. */
int posix_table(unsigned every);

#endif
