/*
 * RISC-V under QEMU's software emulation: Sv39, Sv48 and Sv57, S-mode and U-mode. A page fault carries no reason, only which kind of access it was.
 * QEMU sets the accessed and dirty bits itself, so the variant of the architecture in which that is software's work cannot be judged.
 */
#include "arch.h"
#include "bits.h"
#include "stub_riscv64_bytes.h"

#define SV39 (8ull << 60) /* of satp */
#define SV48 (9ull << 60)
#define SV57 (10ull << 60)
#define SUM  (1u << 18) /* of mstatus: S-mode may load from and store to pages of U-mode */

enum { BREAKPOINT = 3, FETCH_PAGE_FAULT = 12, LOAD_PAGE_FAULT = 13, STORE_PAGE_FAULT = 15 };

static const struct mmu_verdict nonsense = {0, -1};

/* lui t6, number; ebreak */
static uint64_t frame(unsigned number)
{
	return 0x0010007300000fb7u | number << 12;
}

static unsigned page_fault_of(const struct mmu_job *job)
{
	switch (job->kind & MMU_KIND) {
	case MMU_FETCH:
		return FETCH_PAGE_FAULT;
	case MMU_STORE:
		return STORE_PAGE_FAULT;
	default:
		return LOAD_PAGE_FAULT;
	}
}

static struct mmu_verdict verdict(const struct mmu_job *job, const struct mmu_result *r)
{
	bool fetch = (job->kind & MMU_KIND) == MMU_FETCH;

	if (!r->cause)
		return fetch ? nonsense : (struct mmu_verdict){MMU_OK, -1};
	if (r->cause == BREAKPOINT)
		return fetch && r->pc == job->va + 4 ? (struct mmu_verdict){MMU_OK, -1} : nonsense;
	if (r->cause != page_fault_of(job) || r->address != job->va)
		return nonsense; /* an access fault, for example: not in memory */
	return (struct mmu_verdict){MMU_NOT_PRESENT | MMU_PERMISSION | MMU_RESERVED |
					    MMU_BAD_ADDRESS,
				    -1};
}

static const char *const command[] = {
	"qemu-system-riscv64",
	"-machine",
	"virt,memory-backend=ram",
	"-cpu",
	"rv64",
	"-bios",
	"none",
	"-device",
	"loader,addr=0x80200000,cpu-num=0",
	NULL,
};

/*
 * QEMU keeps what it has translated for M-mode in one place, whether MPRV made it another mode or not. An instruction that M-mode fetches from where
 * the stub is lets the next access through there, and translations of addresses where the stub's memory is would mislead the stub.
 */
#define HIDDEN .hidden_first = 0x80000000, .hidden_last = 0xbfffffff

static const struct mmu_mode modes[] = {
	{.name = "sv39",
	 .fmt = &pt_sv39,
	 .bits = mmu_bits_riscv64,
	 .control = {SV39, SUM},
	 .strict = {SV39},
	 HIDDEN},
	{.name = "sv48",
	 .fmt = &pt_sv48,
	 .bits = mmu_bits_riscv64,
	 .control = {SV48, SUM},
	 .strict = {SV48},
	 HIDDEN},
	{.name = "sv57",
	 .fmt = &pt_sv57,
	 .bits = mmu_bits_riscv64,
	 .control = {SV57, SUM},
	 .strict = {SV57},
	 HIDDEN},
	{.name = NULL},
};

static const struct mmu_deviation deviations[] = {{.reason = NULL}};

const struct mmu_arch mmu_riscv64 = {
	.name = "QEMU riscv64",
	.command = command,
	.ram_base = 0x80000000,
	.stub = stub_riscv64,
	.stub_size = stub_riscv64_size,
	.modes = modes,
	.deviations = deviations,
	.frame = frame,
	.verdict = verdict,
};
