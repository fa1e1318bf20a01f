/* Windows of several processes on the same files, which change, while the processes are stopped and killed: each page shows its own bytes, and the live check finds nothing. */
/* test: suite=short timeout=120 */
#include <stdio.h>

#include "test.h"
#include "window_stress.h"

int main(void)
{
	struct window_stress done;

	test_dir();
	done = window_stress(test_seconds() * 0.8, 0.4);
	printf("%lu rounds, %lu kills, %lu stops, %lu touches, %lu pins, %lu changes of files\n",
	       done.rounds, done.kills, done.stops, done.touches, done.pins, done.changes);
	must(done.rounds > 1 && done.touches > 1000 && done.pins > 0);
	return 0;
}
