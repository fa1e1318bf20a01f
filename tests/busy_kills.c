/* Busy processes are killed at random moments: nothing is lost, leaked or seen by others, and the live check finds nothing. */
/* test: suite=short timeout=120 */
#include <stdio.h>

#include "busy.h"
#include "test.h"

int main(void)
{
	unsigned long kills;

	test_dir();
	kills = busy_kills(test_seconds(), 0);
	printf("%lu kills\n", kills);
	must(kills > 10);
	return 0;
}
