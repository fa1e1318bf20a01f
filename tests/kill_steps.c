/* A process killed at any step of any public call leaves nothing wrong, lost or kept, with a survivor attached and without. */
/* test: suite=short timeout=120 */
#include "kill.h"

int main(void)
{
	kill_steps(test_seconds() / 2, false);
	kill_steps(test_seconds() / 2, true);
	return 0;
}
