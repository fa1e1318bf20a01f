/* What the kernel still reads or writes for a killed process does not reach the pages' next file: disk reads in flight, pages in a pipe. */
/* test: suite=short timeout=120 */
#include "outlive.h"

int main(void)
{
	outlive_reads(8, 0.5);
	outlive_pipe(4, 0.6);
	return 0;
}
