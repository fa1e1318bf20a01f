#include "machines.h"

#include <string.h>

#include "base/bits.h"
#include "test.h"

static const struct {
	const char *name;
	const struct mmu_arch *arch;
} machines[] = {
	{"x86_64", &mmu_x86_64},
	{"kvm", &mmu_kvm},
	{"aarch64", &mmu_aarch64},
	{"riscv64", &mmu_riscv64},
};

int machines_each(const char *name,
		  bool (*each)(const struct mmu_arch *arch, const struct mmu_mode *mode))
{
	const struct mmu_arch *arch = NULL;
	unsigned had = 0;

	test_dir();
	for (unsigned i = 0; i < ARRAY_SIZE(machines); i++)
		if (strcmp(machines[i].name, name) == 0)
			arch = machines[i].arch;
	must(arch);
	for (const struct mmu_mode *mode = arch->modes; mode->name; mode++)
		had += each(arch, mode);
	return had ? 0 : 77;
}
