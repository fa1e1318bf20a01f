/* Kills a process at an instruction of attach and detach, at random, again and again; whoever comes next gets in, and nothing is left. */
#ifndef TEST_MEDIA_KILL_H
#define TEST_MEDIA_KILL_H

/* Goes on for so many seconds; prints how many kills there were. */
void media_kill_instructions(double seconds);

#endif
