/* What the descriptions of the machines share. */
#ifndef MMU_ARCH_H
#define MMU_ARCH_H

#include "machine.h"

/* x86-64 is the same stub under QEMU and KVM. */
extern const struct mmu_mode mmu_x86_modes[];
void mmu_x86_prepare(struct mmu *m);
uint64_t mmu_x86_frame(unsigned number);
struct mmu_verdict mmu_x86_verdict(const struct mmu_job *job, const struct mmu_result *result);

#endif
