/* As fsx, for as long as there is time. */
/* test: suite=torture timeout=120 */
#include "fsx.h"

int main(void)
{
	return fsx_all(1);
}
