/* The same as window_stress for as long as the budget allows: says how long, and how much of what was done. */
/* test: suite=torture timeout=3600 parallel=no */
#include <stdio.h>

#include "test.h"
#include "window_stress.h"

int main(void)
{
	struct window_stress done;

	test_dir();
	done = window_stress(test_seconds(), 2);
	printf("%u s: %lu rounds, %lu kills, %lu stops, %lu touches, %lu pins, %lu changes of files, 0 violations\n",
	       test_seconds(), done.rounds, done.kills, done.stops, done.touches, done.pins,
	       done.changes);
	return 0;
}
