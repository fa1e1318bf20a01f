/* More processes than processors hammer directories, for longer. */
/* test: suite=long timeout=300 */
#include "hammer.h"
#include "test.h"

int main(void)
{
	test_dir();
	hammer(2, 20000, 2.0 * test_seconds());
	hammer(6, 5000, 2.0 * test_seconds());
	return 0;
}
