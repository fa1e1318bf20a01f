/*
 * The power goes at any moment of any operation on a persistent device: what the device then has recovers to a file system without a fault, with the tree
 * as it was before the operation or as it is after it; what had been returned from is there. Each operation alone, then pairs by chance.
 */
/* test: suite=short timeout=120 */
#include "power_run.h"

#define IMAGES 2000u

static bool enough(void)
{
	return power_counts.distinct >= IMAGES && !test_time_left(0.8);
}

int main(void)
{
	struct test_random chance;

	test_dir();
	chance.state = test_seed();
	power_each(&chance, 64, 60, test_seconds() > 5);
	power_pairs(&chance, 64, 60, enough);
	power_print();
	return 0;
}
