/* Two processes hammer one directory, and separate ones: what each owns is there, once, and what belongs to both is not lost. */
/* test: suite=short timeout=120 */
#include "hammer.h"
#include "test.h"

int main(void)
{
	test_dir();
	hammer(2, 1500, 0.8 * test_seconds());
	return 0;
}
