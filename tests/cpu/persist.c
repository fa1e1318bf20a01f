/* In place of src/dev/persist.c: libpmem2 has no package for cross compilers, so no device here is persistent. */
#include "dev/dev_common.h"

void common_persistent(struct dev *dev)
{
	dev->durability = DEV_VOLATILE;
	dev->persist = NULL;
	dev->drain = NULL;
}
