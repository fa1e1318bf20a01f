/* A process killed at any instruction of attach and detach: whoever comes next gets in, and nothing is left behind. */
/* test: suite=torture timeout=600 parallel=no */
#include "media_kill.h"
#include "test.h"

int main(void)
{
	media_kill_instructions(test_seconds());
	return 0;
}
