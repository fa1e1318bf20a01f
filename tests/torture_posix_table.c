/* As posix_table: all of its cases on a mount, too. */
/* test: suite=torture timeout=600 */
#include "posix_table.h"

int main(void)
{
	return posix_table(1);
}
