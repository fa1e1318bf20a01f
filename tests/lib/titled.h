/* Busy processes, killed at random moments, on files whose pages say what they are: a held byte that changes shows. */
#ifndef TITLED_H
#define TITLED_H

/* Until so many kills, or so many seconds are over. Fails at the first byte that is not what it was or violation of a rule. */
void titled_kills(unsigned workers, unsigned long kills, double seconds);

#endif
