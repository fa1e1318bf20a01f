/* Damaged images, as many as the time goes. */
/* test: suite=fuzz timeout=1200 */
#include "fuzz.h"
#include "test.h"

int main(void)
{
	test_dir();
	fuzz_images(test_seconds());
	return 0;
}
