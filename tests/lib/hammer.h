/*
 * Several processes hammer directories: one that all share, or some of their own. Each knows what it owns: its calls succeed, whatever the
 * others do beside them, and after each round the directories have what the owners say, each name once. Beside that some files and
 * directories belong to all, who move them about and change their places: none is lost or doubled, none is below itself.
 */
#ifndef TEST_HAMMER_H
#define TEST_HAMMER_H

/* Rounds of so many calls of each process; as many as fit into the seconds, at least one of each kind. Prints what was done. */
void hammer(unsigned processes, unsigned calls, double seconds);

#endif
