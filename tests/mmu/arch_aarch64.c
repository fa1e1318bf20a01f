/*
 * AArch64 under QEMU's software emulation: stage 1, 4 KiB granule, 48 bits, EL1 and EL0; with accessed and dirty bits set by hardware, and without.
 *
 * ESR_EL1 says what the matter was and at which level (0 the root .. 3 the page). The architecture has no word for an entry that must not be like that:
 * what is no table and no block where it is, is invalid, and a translation fault.
 */
#include "arch.h"
#include "bits.h"
#include "stub_aarch64_bytes.h"

/* TCR_EL1: both halves 48 bits, 4 KiB granule, write-back; physical addresses of 40 bits, so that an entry can have too large a one. */
#define TCR 0x2b5103510u
#define HA  (1ull << 39) /* hardware sets AF */
#define HD  (1ull << 40) /* hardware sets dirty, where DBM allows */
#define PAN (1u << 22)   /* PSTATE: EL1 may not load from and store to pages of EL0 */

enum {
	FETCH_EL0 = 0x20, /* exception classes */
	FETCH_EL1 = 0x21,
	DATA_EL1 = 0x25, /* ldtr and sttr are instructions of EL1 too */
	BREAKPOINT = 0x3c,
};

/* Fault status codes: these, and the level in the lowest two bits. */
enum { ADDRESS_SIZE = 0, TRANSLATION = 4, ACCESS_FLAG = 8, PERMISSION = 12 };

/* Bit 6 of a data abort's syndrome: a store. */
#define WRITES 0x40u

#define EL0 (1ull << 6) /* of a leaf: AP[1] */
#define RO  (1ull << 7) /* AP[2] */
#define DBM (1ull << 51)
#define PXN (1ull << 53)

static const struct mmu_verdict nonsense = {0, -1};

/* brk #number */
static uint64_t frame(unsigned number)
{
	return (uint64_t)number << 32 | 0xd4200000 | number << 5;
}

static bool is_of_this_job(const struct mmu_job *job, const struct mmu_result *r, unsigned class)
{
	bool user = job->kind & MMU_USER;

	if (r->address != job->va)
		return false;
	switch (job->kind & MMU_KIND) {
	case MMU_FETCH:
		return class == (user ? FETCH_EL0 : FETCH_EL1);
	case MMU_STORE:
		return class == DATA_EL1 && (r->cause & WRITES);
	default:
		return class == DATA_EL1 && !(r->cause & WRITES);
	}
}

static struct mmu_verdict abort_verdict(const struct mmu_job *job, unsigned status)
{
	int level = 3 - (int)(status & 3);

	switch (status & ~3u) {
	case ADDRESS_SIZE:
		return (struct mmu_verdict){MMU_RESERVED, level};
	case TRANSLATION:
		if (job->va >> 48)
			return (struct mmu_verdict){MMU_BAD_ADDRESS, -1};
		return (struct mmu_verdict){MMU_NOT_PRESENT | MMU_RESERVED, level};
	case ACCESS_FLAG:
		return (struct mmu_verdict){MMU_ACCESS_FLAG, level};
	case PERMISSION:
		return (struct mmu_verdict){MMU_PERMISSION, level};
	default: /* the table or the frame is not in memory, for example */
		return nonsense;
	}
}

static struct mmu_verdict verdict(const struct mmu_job *job, const struct mmu_result *r)
{
	bool fetch = (job->kind & MMU_KIND) == MMU_FETCH;
	unsigned class = (unsigned)(r->cause >> 26) & 0x3f;

	if (!r->cause)
		return fetch ? nonsense : (struct mmu_verdict){MMU_OK, -1};
	if (class == BREAKPOINT)
		return fetch && r->pc == job->va ? (struct mmu_verdict){MMU_OK, -1} : nonsense;
	return is_of_this_job(job, r, class) ? abort_verdict(job, r->cause & 0x3f) : nonsense;
}

static const char *const command[] = {
	"qemu-system-aarch64",
	"-machine",
	"virt,memory-backend=ram",
	"-cpu",
	"max",
	"-device",
	"loader,addr=0x40200000,cpu-num=0",
	NULL,
};

static const struct mmu_mode modes[] = {
	{.name = "aarch64",
	 .fmt = &pt_aarch64,
	 .bits = mmu_bits_aarch64,
	 .control = {TCR | HA | HD},
	 .strict = {TCR | HA | HD, PAN}},
	{.name = "aarch64-software-af",
	 .fmt = &pt_aarch64_soft,
	 .bits = mmu_bits_aarch64_soft,
	 .control = {TCR},
	 .strict = {TCR, PAN}},
	{.name = NULL},
};

static bool el1_fetch_of_clean(uint64_t kind, uint64_t leaf)
{
	return kind == MMU_FETCH && (leaf & (EL0 | RO | DBM | PXN)) == (EL0 | RO | DBM);
}

static const struct mmu_deviation deviations[] = {
	{.ours = MMU_PERMISSION,
	 .level = -1,
	 .only = el1_fetch_of_clean,
	 .reason = "QEMU lets EL1 fetch what EL0 may write, as long as it is clean"},
	{.ours = MMU_RESERVED,
	 .level = 3,
	 .reason = "QEMU takes a block in the root table for a leaf, where there can be none"},
	{.reason = NULL},
};

const struct mmu_arch mmu_aarch64 = {
	.name = "QEMU aarch64",
	.command = command,
	.ram_base = 0x40000000,
	.physical_bits = 40,
	.stub = stub_aarch64,
	.stub_size = stub_aarch64_size,
	.modes = modes,
	.deviations = deviations,
	.frame = frame,
	.verdict = verdict,
};
