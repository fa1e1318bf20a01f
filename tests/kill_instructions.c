/* A process killed at any instruction of any public call leaves nothing wrong, lost or kept: a sample of instructions. */
/* test: suite=short timeout=120 */
#include "kill.h"

int main(void)
{
	kill_instructions(test_seconds() / 2, 1, false);
	kill_instructions(test_seconds() / 2, 1, true);
	return 0;
}
