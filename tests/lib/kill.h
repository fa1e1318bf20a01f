/* Kills a process inside an operation, again and again, each time later; afterwards nothing is wrong, lost or kept. */
#ifndef KILL_H
#define KILL_H

#include "ops.h"

/* Single-steps the operation and kills at every n-th instruction, from wide strides to narrow ones. The survivor has the pool open (`alone` false), or opens it
 * afterwards. `stretch` multiplies the strides; seconds limits all together. Prints a line per operation. */
void kill_instructions(double seconds, unsigned stretch, bool alone);
/* Kills at every step (builds with steps only). */
void kill_steps(double seconds, bool alone);

#endif
