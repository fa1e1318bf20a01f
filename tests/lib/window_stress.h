/*
 * Processes with windows that are at each other's files: they map, touch, pin, unmap, protect and move, while they truncate, punch, write and
 * replace the same files, and are stopped and killed in between.
 *
 * Every page that is ever written says whose it is: the inode, its generation, its index. Whatever a window, a pin or a map shows is 0 or that of its own page, and touching raises
 * nothing else than SIGBUS, and SIGSEGV exactly where it is not allowed. After each round all are quiet: then every page of every window shows what pf_read() gives, and the
 * live check finds nothing.
 */
#ifndef TEST_WINDOW_STRESS_H
#define TEST_WINDOW_STRESS_H

struct window_stress {
	unsigned long rounds, kills, stops, touches, pins, changes;
};

/* Goes on for so many seconds, in rounds of `round` seconds. */
struct window_stress window_stress(double seconds, double round);

#endif
