/* 20,000 kills of busy processes at random moments, as far as the time goes. */
/* test: suite=torture timeout=1200 */
#include "titled.h"
#include "test.h"

int main(void)
{
	titled_kills(6, 20000, test_seconds());
	return 0;
}
