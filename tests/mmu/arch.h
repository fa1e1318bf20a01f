/* What the descriptions of the machines share. */
#ifndef MMU_ARCH_H
#define MMU_ARCH_H

#include "bits.h"
#include "machine.h"

/* x86-64 is the same stub under QEMU and KVM. */
#define MMU_X86_CR0    0x80010033u /* paging, WP, protected mode */
#define MMU_X86_PAE    0x20u       /* of CR4 */
#define MMU_X86_LA57   0x1000u
#define MMU_X86_STRICT 0x300000u /* SMEP, SMAP */
#define MMU_X86_EFER   0x900u    /* long mode, NX */
#define MMU_X86_4_LEVELS                                              \
	.name = "x86_64", .fmt = &pt_x86_64, .bits = mmu_bits_x86_64, \
	.control = {MMU_X86_CR0, MMU_X86_PAE, MMU_X86_EFER},          \
	.strict = {MMU_X86_CR0, MMU_X86_PAE | MMU_X86_STRICT, MMU_X86_EFER}
#define MMU_X86_5_LEVELS                                                        \
	.name = "x86_64-la57", .fmt = &pt_x86_64_la57, .bits = mmu_bits_x86_64, \
	.control = {MMU_X86_CR0, MMU_X86_PAE | MMU_X86_LA57, MMU_X86_EFER},     \
	.strict = {MMU_X86_CR0, MMU_X86_PAE | MMU_X86_LA57 | MMU_X86_STRICT, MMU_X86_EFER}
void mmu_x86_prepare(struct mmu *m);
uint64_t mmu_x86_frame(unsigned number);
struct mmu_verdict mmu_x86_verdict(const struct mmu_job *job, const struct mmu_result *result);

/* Of a KVM machine that rests: makes this its root table, for good. */
void mmu_kvm_use(struct mmu *m, uint64_t root);
/* KVM's own walk, without the processor. False: va has no translation. */
bool mmu_kvm_translate(struct mmu *m, uint64_t va, uint64_t *address);

#endif
