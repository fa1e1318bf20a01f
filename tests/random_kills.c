/* Busy processes are killed at random moments: no held byte changes, no rule is violated, nothing is left. */
/* test: suite=short timeout=120 */
#include "titled.h"
#include "test.h"

int main(void)
{
	titled_kills(4, 20000, 0.5 * test_seconds());
	return 0;
}
