/* Page tables by chance, for as long as there is time: against a flat array, and damaged by somebody else. */
/* test: suite=torture timeout=1200 */
#include "flat.h"
#include "rogue.h"

int main(void)
{
	flat_run(0.6);
	rogue_run(1.0);
	return 0;
}
