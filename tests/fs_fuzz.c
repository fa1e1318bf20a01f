/* Damaged images: fsck and opening end, crash on none of them, and agree; what opens can be used. */
/* test: suite=short timeout=120 */
#include "fuzz.h"
#include "test.h"

int main(void)
{
	test_dir();
	fuzz_images(test_seconds());
	return 0;
}
