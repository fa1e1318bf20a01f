/*
 * The power goes at any moment of any operation: at least 200,000 different images that a power cut can leave are recovered, checked and compared with a plain tree.
 */
/* test: suite=torture timeout=900 parallel=no */
#include <stdio.h>

#include "power_run.h"

#define IMAGES 200000u

/* As many as there must be, and for as long as there is time; in a build that is slow with sanitizers, what there is time for. */
static bool enough(void)
{
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
	return !test_time_left(1);
#else
	return power_counts.distinct >= IMAGES && !test_time_left(1);
#endif
}

int main(void)
{
	struct test_random chance;

	test_dir();
	chance.state = test_seed();
	power_each(&chance, 500, 300, true);
	power_pairs(&chance, 500, 300, enough);
	power_print();
	return 0;
}
