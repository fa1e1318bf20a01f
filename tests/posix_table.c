/* What a file system call does, and with which errno it fails, is in a pool and on a mount what it is on the host's tmpfs. */
/* test: suite=long timeout=120 */
#include "posix_table.h"

int main(void)
{
	return posix_table(8);
}
