/* A file that is read, written, cut, punched, mapped and copied by 8 descriptors has the bytes of a model: on tmpfs, in a pool, on a mount. */
/* test: suite=short timeout=120 */
#include "fsx.h"

int main(void)
{
	return fsx_all(0.6);
}
