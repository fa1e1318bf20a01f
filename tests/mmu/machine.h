/*
 * Machines whose MMU judges page tables: an emulator or a virtual machine, whose memory is memory of this process. Each runs one small
 * program, the stub, which switches to the page tables it is told, touches the addresses it is told as it is told, and writes down what came of it.
 *
 * The machine's memory is MMU_RAM bytes, at `ram_base` for the machine and at `ram` for the test; both see each other's changes at once,
 * also the accessed and dirty bits that the MMU sets. What is where, by offset in it:
 *
 *   0          2M: left alone (what the machine's firmware would use)
 *   MMU_STUB   the stub's code, up to 64 KiB, and after it its own tables and stacks
 *   MMU_MAIL   struct mmu_mail: what there is to do
 *   MMU_SPACES struct mmu_space: one for each address space of this batch
 *   MMU_JOBS   struct mmu_job: the addresses to touch
 *   MMU_RESULTS struct mmu_result: of the job with the same number
 *   MMU_FREE   the test's: tables and frames
 *
 * One batch: the test fills spaces and jobs, sets `count` and then `request`, one more than before (mmu_run()). The stub takes each space,
 * sets the control words, makes `root` the page table, flushes what it has cached of the one before, does the jobs first .. first + count - 1 in their order,
 * goes back to its own tables, and at the end sets `done` to `request`. Spaces of one batch share no tables; between two batches any may change.
 *
 * A frame to be judged begins with arch->frame(number), which must not change while the machine runs. A load of those 8 bytes proves where the translation
 * leads; a fetch there ends in a trap that tells the number. Stores go to other bytes of the frame.
 */
#ifndef MMU_MACHINE_H
#define MMU_MACHINE_H

/* The offsets are for the stubs too, which are assembly. */
#define MMU_RAM     0x4000000
#define MMU_STUB    0x200000
#define MMU_MAIL    0x300000
#define MMU_SPACES  0x301000
#define MMU_JOBS    0x310000
#define MMU_RESULTS 0x350000
#define MMU_FREE    0x400000

#define MMU_MAX_SPACES 512
#define MMU_MAX_JOBS   8192

/* mmu_job.kind */
#define MMU_LOAD  0 /* 8 bytes */
#define MMU_STORE 1 /* 8 bytes: `value` */
#define MMU_FETCH 2
#define MMU_KIND  3 /* mask */
#define MMU_USER  4 /* else supervisor */

/* Offsets in the structures below. */
#define MMU_MAIL_REQUEST   0
#define MMU_MAIL_DONE      64
#define MMU_MAIL_COUNT     128
#define MMU_MAIL_HALT      136
#define MMU_MAIL_CONTROL   144
#define MMU_SPACE_ROOT     0
#define MMU_SPACE_FIRST    8
#define MMU_SPACE_COUNT    16
#define MMU_SPACE_CONTROL  24
#define MMU_SPACE_SIZE     64
#define MMU_JOB_VA         0
#define MMU_JOB_KIND       8
#define MMU_JOB_VALUE      16
#define MMU_JOB_SIZE       32
#define MMU_RESULT_CAUSE   0
#define MMU_RESULT_ADDRESS 8
#define MMU_RESULT_VALUE   16
#define MMU_RESULT_PC      24
#define MMU_RESULT_SIZE    32

#ifndef __ASSEMBLER__
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MMU_CONTROLS 4

struct mmu_mail {
	_Atomic uint64_t request; /* the test's */
	uint64_t unused0[7];
	_Atomic uint64_t done; /* the stub's */
	uint64_t unused1[7];
	uint64_t count;                 /* spaces of this batch */
	uint64_t halt;                  /* not 0: when done, halt until called again; else spin */
	uint64_t control[MMU_CONTROLS]; /* the mode's, for when the stub starts */
};

struct mmu_space {
	uint64_t root; /* address of the root table, as the machine sees it */
	uint64_t first, count;
	uint64_t control[MMU_CONTROLS]; /* mmu_run() fills in the mode's where all are 0 */
	uint64_t unused;
};

struct mmu_job {
	uint64_t va;
	uint64_t kind;
	uint64_t value;
	uint64_t unused;
};

struct mmu_result {
	uint64_t cause;   /* raw, for arch->verdict(); 0: a load or store that went well */
	uint64_t address; /* of the fault, as the machine reports it */
	uint64_t value;   /* what was loaded; the number of the frame in which a fetch arrived */
	uint64_t pc;      /* where the machine was when it trapped */
};

/* What may have been the matter. Some machines do not tell some of them from each other. */
enum mmu_outcome {
	MMU_OK = 1,
	MMU_NOT_PRESENT = 2,
	MMU_PERMISSION = 4,
	MMU_RESERVED = 8,     /* an entry that must not be like that */
	MMU_ACCESS_FLAG = 16, /* the young bit is clear, and software is to set it */
	MMU_BAD_ADDRESS = 32, /* not one that the format can translate */
};

struct mmu_verdict {
	unsigned outcomes; /* a set of enum mmu_outcome; none: something else went wrong */
	int level;         /* of the entry that was at fault, 0: last; -1: it does not say */
};

/* The machine is known to be wrong, or free to differ, where we say one of `ours` at `level` (-1: any): no job is to come there. Or, with `young`, it says as
 * we do, but the leaf at which that was found is accessed all the same. */
struct mmu_deviation {
	unsigned ours; /* a set of enum mmu_outcome */
	int level;
	bool young;
	/* Only of such accesses (job->kind), and of such an entry at which that was found. NULL: of all. */
	bool (*only)(uint64_t kind, uint64_t entry);
	const char *reason; /* NULL ends the list */
};

struct mmu;
struct mmu_bits;
struct pt_fmt;

struct mmu_mode {
	const char *name; /* "x86_64-la57", NULL ends the list */
	const struct pt_fmt *fmt;
	const struct mmu_bits *bits;    /* of the format: bits.h */
	uint64_t control[MMU_CONTROLS]; /* for the stub alone to understand */
	/* The same for a supervisor kept from pages of users (PT_STRICT). All 0: there is no such thing. */
	uint64_t strict[MMU_CONTROLS];
	/* Addresses that the stub needs for itself: nothing is mapped there, no job is there. Both 0: it needs none. */
	uint64_t hidden_first, hidden_last;
};

struct mmu_arch {
	const char *name; /* "QEMU x86_64" */
	/* The emulator and its options, without those about memory. NULL: KVM. */
	const char *const *command;
	uint64_t ram_base;
	uint8_t physical_bits; /* of addresses, where more are an error; 0: as the format has it */
	/* Put at MMU_STUB. Of no bytes: its compiler was missing when this was built. */
	const unsigned char *stub;
	size_t stub_size;
	const unsigned char *rom; /* of the emulator (-bios), or NULL */
	size_t rom_size;
	/* No leaves at this level and above, though the format has some. 0: as the format has it. */
	unsigned no_leaf_at;
	bool runs_users; /* the supervisor may execute pages of users, unless it is kept from them */
	const struct mmu_mode *modes;
	const struct mmu_deviation *deviations;
	/* Before the machine starts: writes what the stub needs at MMU_STUB + 64 KiB. NULL: nothing. */
	void (*prepare)(struct mmu *m);
	/* The first 8 bytes of a frame with this number (less than 16384). */
	uint64_t (*frame)(unsigned number);
	struct mmu_verdict (*verdict)(const struct mmu_job *job, const struct mmu_result *result);
};

/* Architectures, one file each: arch_x86_64.c ... */
extern const struct mmu_arch mmu_x86_64, mmu_kvm, mmu_aarch64, mmu_riscv64;

struct mmu {
	const struct mmu_arch *arch;
	const struct mmu_mode *mode;
	uint8_t physical_bits; /* arch->physical_bits, or what this processor has */
	uint8_t *ram;
	struct mmu_mail *mail;
	struct mmu_space *spaces;
	struct mmu_job *jobs;
	struct mmu_result *results;
	struct mmu_engine *engine;
};

/* NULL: it cannot be had here, and *why says why (for skip() or skip_part()). Whatever else goes wrong fails the test. */
struct mmu *mmu_start(const struct mmu_arch *arch, const struct mmu_mode *mode, const char **why);
/* Runs a batch of so many spaces, and waits for it. A machine that dies or hangs fails the test, with what it said. */
void mmu_run(struct mmu *m, unsigned spaces);
void mmu_stop(struct mmu *m);
#endif
#endif
