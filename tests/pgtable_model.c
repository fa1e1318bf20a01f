/* Every operation on page tables, of each format, leaves what a flat array says: pages, flags, levels, references, and no table too many. */
#include "flat.h"

int main(void)
{
	flat_run(0.4);
	return 0;
}
