/* 20,000 random kills of busy processes, or as many as the budget allows: says how many. */
/* test: suite=torture timeout=3600 parallel=no */
#include <stdio.h>

#include "busy.h"
#include "test.h"

int main(void)
{
	unsigned long kills;

	test_dir();
	kills = busy_kills(test_seconds(), 20000);
	printf("%lu of 20000 kills, 0 violations\n", kills);
	return 0;
}
