/* Kernel work that outlives a killed process, 50 times each: disk reads in flight, pages in a pipe. */
/* test: suite=torture timeout=600 */
#include "outlive.h"

int main(void)
{
	outlive_pipe(50, 1e6);
	outlive_reads(50, 1e6);
	return 0;
}
