/* All machines, by the names that tests are called with. */
#ifndef MMU_MACHINES_H
#define MMU_MACHINES_H

#include "machine.h"

/* Calls `each` for every mode of a machine; it returns false for one that cannot be had here. What main() is to return: 0, or 77 if there was none. */
int machines_each(const char *name,
		  bool (*each)(const struct mmu_arch *arch, const struct mmu_mode *mode));

#endif
