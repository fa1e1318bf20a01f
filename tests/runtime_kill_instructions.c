/* A process killed at any instruction of attach and detach: whoever comes next gets in, and nothing is left behind. A sample. */
/* test: timeout=120 */
#include "media_kill.h"
#include "test.h"

int main(void)
{
	media_kill_instructions(test_seconds() * 0.6);
	return 0;
}
