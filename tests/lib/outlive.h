/*
 * The kernel outlives the process: a killed process's disk reads, and pages that it put into a pipe, are still under way when what it
 * held has been given back and its pages are other files'.
 */
#ifndef OUTLIVE_H
#define OUTLIVE_H

/* So many rounds of each, fewer if a share of test_seconds() is over before; at least one. Prints what was in flight. */
void outlive_reads(unsigned rounds, double share);
void outlive_pipe(unsigned rounds, double share);

#endif
