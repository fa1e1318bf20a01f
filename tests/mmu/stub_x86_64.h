/* Where the x86-64 stub's tables are: arch_x86_64.c writes them, stub_x86_64.S uses them. Addresses in the machine's memory, which begins at 0. */
#ifndef MMU_STUB_X86_64_H
#define MMU_STUB_X86_64_H

#define X86_VECTORS   0x200800 /* code: 16 bytes for each of the 32 vectors */
#define X86_USER_PAGE 0x201000 /* code: the page that runs in ring 3 */
#define X86_ROOT      0x210000 /* the stub's own tables: memory where it is, and the alias */
#define X86_LOW_P4    0x211000
#define X86_LOW_P3    0x212000
#define X86_LOW_P2    0x213000
#define X86_ALIAS_P4  0x214000
#define X86_ALIAS_P3  0x215000
#define X86_ALIAS_P2  0x216000
#define X86_ALIAS_P1  0x217000
#define X86_GDT       0x218000
#define X86_TSS       0x218100
#define X86_IDT       0x219000
#define X86_GDT_AT    0x21a000 /* operands of lgdt and lidt */
#define X86_IDT_AT    0x21a010
#define X86_ALIAS     0x21a020 /* what to add to an address to have it in the alias */
#define X86_SLOT      0x21a028 /* number of the root entry of the alias */
#define X86_FAULT_TOP 0x21d000 /* ends of the stacks */
#define X86_STACK_TOP 0x21f000

#define X86_CODE32    0x08 /* selectors */
#define X86_CODE64    0x10
#define X86_DATA      0x18
#define X86_USER_DATA 0x23
#define X86_USER_CODE 0x2b
#define X86_TASK      0x30

/* mmu_space.control */
#define X86_CR0  0
#define X86_CR4  1
#define X86_EFER 2

/* mmu_result.cause, if not 0 */
#define X86_TRAPPED_BIT  63
#define X86_VECTOR_SHIFT 32 /* below it: the error code */
#endif
