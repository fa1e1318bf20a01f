/* x86-64 under QEMU's software emulation, with 4 and 5 levels; and how to read what the stub says, for KVM too. */
#include <string.h>

#include "arch.h"
#include "bits.h"
#include "stub_x86_64.h"
#include "stub_x86_64_bytes.h"
#include "rom_x86_64_bytes.h"

#define PRESENT 0x63u /* and writable, accessed, dirty */
#define USER    0x04u
#define LARGE   0x80u

/* The root entry that the stub borrows: one in the upper half, where nothing is special. */
#define SLOT        300u
#define ALIAS(bits) (-(1ull << ((bits)-1)) + ((SLOT - 256ull) << ((bits)-9)))

enum { PF_P = 1, PF_RSVD = 8 }; /* of a page fault's error code */
enum { VECTOR_DIVISION = 0, VECTOR_PROTECTION = 13, VECTOR_PAGE_FAULT = 14 };

static uint64_t *words(struct mmu *m, uint32_t address)
{
	return (uint64_t *)(void *)(m->ram + address);
}

static bool five_levels(const struct mmu *m)
{
	return m->mode->control[X86_CR4] & MMU_X86_LA57;
}

/* Memory where it is, and MMU_STUB .. MMU_STUB + 2M in the alias, where ring 3 sees one page. */
static void write_tables(struct mmu *m)
{
	uint64_t *p1 = words(m, X86_ALIAS_P1), *p2 = words(m, X86_LOW_P2);
	bool five = five_levels(m);

	for (unsigned i = 0; i < MMU_RAM >> 21; i++)
		p2[i] = (uint64_t)i << 21 | LARGE | PRESENT;
	*words(m, X86_LOW_P3) = X86_LOW_P2 | PRESENT;
	*words(m, X86_LOW_P4) = X86_LOW_P3 | PRESENT;
	for (unsigned i = 0; i < 512; i++)
		p1[i] = (MMU_STUB + ((uint64_t)i << 12)) | PRESENT;
	p1[(X86_USER_PAGE - MMU_STUB) >> 12] |= USER;
	words(m, X86_ALIAS_P2)[MMU_STUB >> 21] = X86_ALIAS_P1 | PRESENT | USER;
	*words(m, X86_ALIAS_P3) = X86_ALIAS_P2 | PRESENT | USER;
	*words(m, X86_ALIAS_P4) = X86_ALIAS_P3 | PRESENT | USER;
	words(m, X86_ROOT)[0] = (five ? X86_LOW_P4 : X86_LOW_P3) | PRESENT;
	words(m, X86_ROOT)[SLOT] = (five ? X86_ALIAS_P4 : X86_ALIAS_P3) | PRESENT | USER;
}

static void write_gate(uint64_t *gate, uint64_t to)
{
	uint64_t type = 0xee01; /* interrupt gate, for ring 3 too, on stack 1 */

	gate[0] = (to & 0xffff) | X86_CODE64 << 16 | type << 32 | (to >> 16 & 0xffff) << 48;
	gate[1] = to >> 32;
}

static void write_segments(struct mmu *m, uint64_t alias)
{
	uint64_t *gdt = words(m, X86_GDT), tss = alias + X86_TSS;
	uint64_t stack = alias + X86_FAULT_TOP;

	gdt[X86_CODE32 / 8] = 0x00cf9b000000ffff;
	gdt[X86_CODE64 / 8] = 0x00af9b000000ffff;
	gdt[X86_DATA / 8] = 0x00cf93000000ffff;
	gdt[X86_USER_DATA / 8] = 0x00cff3000000ffff;
	gdt[X86_USER_CODE / 8] = 0x00affb000000ffff;
	gdt[X86_TASK / 8] =
		0x67 | (tss & 0xffffff) << 16 | 0x89ull << 40 | (tss >> 24 & 0xff) << 56;
	gdt[X86_TASK / 8 + 1] = tss >> 32;
	memcpy(m->ram + X86_TSS + 36, &stack, sizeof stack);
	for (unsigned i = 0; i < 32; i++)
		write_gate(words(m, X86_IDT) + 2 * (size_t)i, alias + X86_VECTORS + 16 * i);
}

static void write_table_operand(struct mmu *m, uint32_t at, uint16_t bytes, uint64_t address)
{
	uint16_t limit = (uint16_t)(bytes - 1);

	memcpy(m->ram + at, &limit, sizeof limit);
	memcpy(m->ram + at + 2, &address, sizeof address);
}

void mmu_x86_prepare(struct mmu *m)
{
	uint64_t alias = five_levels(m) ? ALIAS(57) : ALIAS(48);

	write_tables(m);
	write_segments(m, alias);
	/* The first lgdt, in 32-bit mode, takes the low half of the address, which is where the alias leads. */
	write_table_operand(m, X86_GDT_AT, X86_TASK + 16, alias + X86_GDT);
	write_table_operand(m, X86_IDT_AT, 32 * 16, alias + X86_IDT);
	*words(m, X86_ALIAS) = alias;
	*words(m, X86_SLOT) = SLOT;
}

/* mov $number, %eax; div %ebx, which the stub holds at 0; hlt, only because QEMU would translate all that follows a div. (Traps that KVM looks
 * at itself, int3 and ud2, it may give up on.) */
uint64_t mmu_x86_frame(unsigned number)
{
	return 0xf4f3f70000000000u | (uint64_t)number << 8 | 0xb8;
}

static struct mmu_verdict page_fault(const struct mmu_job *job, const struct mmu_result *r)
{
	unsigned code = (uint32_t)r->cause;

	if (r->address != job->va)
		return (struct mmu_verdict){0, -1};
	/* QEMU says 8, the processor 9: a reserved bit is found before the entry counts as present. */
	if (code & PF_RSVD)
		return (struct mmu_verdict){MMU_RESERVED, -1};
	return (struct mmu_verdict){code & PF_P ? MMU_PERMISSION : MMU_NOT_PRESENT, -1};
}

struct mmu_verdict mmu_x86_verdict(const struct mmu_job *job, const struct mmu_result *r)
{
	bool fetch = (job->kind & MMU_KIND) == MMU_FETCH;

	if (!r->cause)
		return (struct mmu_verdict){fetch ? 0 : MMU_OK, -1};
	switch ((uint32_t)(r->cause >> X86_VECTOR_SHIFT) & 0xff) {
	case VECTOR_DIVISION:
		return (struct mmu_verdict){fetch && r->pc == job->va + 5 ? MMU_OK : 0, -1};
	case VECTOR_PROTECTION:
		return (struct mmu_verdict){MMU_BAD_ADDRESS, -1};
	case VECTOR_PAGE_FAULT:
		return page_fault(job, r);
	default:
		return (struct mmu_verdict){0, -1};
	}
}

/* The root entry that the stub borrows. */
#define HIDDEN(bits) \
	.hidden_first = ALIAS(bits), .hidden_last = ALIAS(bits) + (1ull << ((bits)-9)) - 1

static const struct mmu_mode modes[] = {
	{MMU_X86_4_LEVELS, HIDDEN(48)},
	{MMU_X86_5_LEVELS, HIDDEN(57)},
	{.name = NULL},
};

static const char *const command[] = {
	"qemu-system-x86_64", "-machine", "microvm,memory-backend=ram", "-cpu", "max", NULL,
};

static const struct mmu_deviation deviations[] = {
	{.ours = MMU_PERMISSION | MMU_RESERVED,
	 .level = 2,
	 .young = true,
	 .reason =
		 "QEMU sets accessed in a 1G leaf before it looks whether that may be, and who may"},
	{.reason = NULL},
};

const struct mmu_arch mmu_x86_64 = {
	.name = "QEMU x86_64",
	.command = command,
	.ram_base = 0,
	.physical_bits = 40,
	.stub = stub_x86_64,
	.stub_size = stub_x86_64_size,
	.rom = rom_x86_64,
	.rom_size = rom_x86_64_size,
	.runs_users = true,
	.modes = modes,
	.deviations = deviations,
	.prepare = mmu_x86_prepare,
	.frame = mmu_x86_frame,
	.verdict = mmu_x86_verdict,
};
