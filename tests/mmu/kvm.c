/*
 * KVM as a machine: the processor's own MMU, or, where that cannot be had, what KVM makes of the tables in software. The stub runs in
 * this thread, and halts when a batch is done.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arch.h"
#include "engine.h"
#include "stub_x86_64.h"
#include "stub_x86_64_bytes.h"
#include "test.h"

/* KVM may itself run on page tables in software (PVM), with its host in the upper half: what ring 3 does there is not ours to judge. */
#define HIDDEN .hidden_first = 1ull << 63, .hidden_last = UINT64_MAX

static const struct mmu_mode modes[] = {
	{MMU_X86_4_LEVELS, HIDDEN},
	{MMU_X86_5_LEVELS, HIDDEN},
	{.name = NULL},
};

static const struct mmu_deviation deviations[] = {
	{.ours = MMU_OK | MMU_PERMISSION,
	 .level = 2,
	 .reason = "KVM may have no leaves of 1 GiB, and refuses them then"},
	{.reason = NULL},
};

const struct mmu_arch mmu_kvm = {
	.name = "KVM x86_64",
	.stub = stub_x86_64,
	.stub_size = stub_x86_64_size,
	.no_leaf_at = 2,
	.runs_users = true,
	.modes = modes,
	.deviations = deviations,
	.prepare = mmu_x86_prepare,
	.frame = mmu_x86_frame,
	.verdict = mmu_x86_verdict,
};

#if defined __x86_64__
struct kvm {
	struct mmu_engine engine;
	int system, vm, cpu;
	struct kvm_run *run;
	size_t run_size;
};

static struct kvm *kvm(struct mmu *m)
{
	return (struct kvm *)m->engine;
}

static int call(struct mmu *m, int fd, unsigned long request, const char *name, void *arg)
{
	int rc = ioctl(fd, request, arg);

	if (rc < 0)
		mmu_fail(m, "%s: %s", name, strerror(errno));
	return rc;
}
#define CALL(m, fd, request, arg) call(m, fd, request, #request, arg)

static void set_memory(struct mmu *m, uint64_t size)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = size,
		.userspace_addr = (uintptr_t)m->ram,
	};

	CALL(m, kvm(m)->vm, KVM_SET_USER_MEMORY_REGION, &region);
}

static bool is_done(struct mmu *m)
{
	return atomic_load_explicit(&m->mail->done, memory_order_relaxed) ==
	       atomic_load_explicit(&m->mail->request, memory_order_relaxed);
}

/* What KVM remembers of tables that this process has changed meanwhile goes with the memory. */
static void forget_tables(struct mmu *m)
{
	set_memory(m, 0);
	set_memory(m, MMU_RAM);
}

static void left(struct mmu *m)
{
	struct kvm *k = kvm(m);
	struct kvm_regs regs;

	CALL(m, k->cpu, KVM_GET_REGS, &regs);
	mmu_fail(m, "left with exit reason %u (%u) at %#llx", k->run->exit_reason,
		 k->run->internal.suberror, regs.rip);
}

static void go_on(struct mmu *m)
{
	struct kvm *k = kvm(m);

	if (is_done(m))
		return;
	forget_tables(m);
	while (!is_done(m)) {
		if (ioctl(k->cpu, KVM_RUN, NULL) < 0 && errno != EINTR)
			mmu_fail(m, "KVM_RUN: %s", strerror(errno));
		if (k->run->exit_reason != KVM_EXIT_HLT && k->run->exit_reason != KVM_EXIT_INTR)
			left(m);
	}
}

/* It runs in go_on() only. */
static void rest(struct mmu *m)
{
	(void)m;
}

static void end(struct mmu *m)
{
	struct kvm *k = kvm(m);

	munmap(k->run, k->run_size);
	close(k->cpu);
	close(k->vm);
	close(k->system);
	free(k);
}

/* Everything that it can: without this there is no long mode. True: with 5 levels. */
static bool set_features(struct mmu *m)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[200];
	} features = {.head.nent = 200};
	bool la57 = false;

	CALL(m, kvm(m)->system, KVM_GET_SUPPORTED_CPUID, &features);
	CALL(m, kvm(m)->cpu, KVM_SET_CPUID2, &features);
	for (unsigned i = 0; i < features.head.nent; i++) {
		const struct kvm_cpuid_entry2 *e = &features.entries[i];

		if (e->function == 7 && e->index == 0)
			la57 = e->ecx >> 16 & 1;
		if (e->function == 0x80000008)
			m->physical_bits = e->eax & 0xff;
	}
	return la57;
}

/* As the emulator's firmware does it: 32-bit mode without paging, everything flat, at the stub. */
static void set_registers(struct mmu *m)
{
	struct kvm_regs regs = {.rip = MMU_STUB, .rflags = 2};
	struct kvm_sregs sregs;
	struct kvm_segment data = {
		.limit = ~0u,
		.selector = X86_DATA,
		.type = 3,
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1,
	};

	CALL(m, kvm(m)->cpu, KVM_GET_SREGS, &sregs);
	sregs.ds = sregs.es = sregs.ss = sregs.cs = data;
	sregs.cs.selector = X86_CODE32;
	sregs.cs.type = 11;
	sregs.cr0 |= 1;
	CALL(m, kvm(m)->cpu, KVM_SET_SREGS, &sregs);
	CALL(m, kvm(m)->cpu, KVM_SET_REGS, &regs);
}

static void make_machine(struct mmu *m)
{
	struct kvm *k = kvm(m);

	k->vm = CALL(m, k->system, KVM_CREATE_VM, NULL);
	set_memory(m, MMU_RAM);
	k->cpu = CALL(m, k->vm, KVM_CREATE_VCPU, NULL);
	k->run_size = (size_t)CALL(m, k->system, KVM_GET_VCPU_MMAP_SIZE, NULL);
	k->run = mmap(NULL, k->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, k->cpu, 0);
	must(k->run != MAP_FAILED);
}

const char *mmu_start_kvm(struct mmu *m)
{
	struct kvm *k;
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	bool la57;

	if (fd < 0)
		return errno == ENOENT ? "there is no /dev/kvm" : "/dev/kvm may not be opened";
	k = calloc(1, sizeof *k);
	must(k);
	k->engine = (struct mmu_engine){go_on, rest, end};
	k->system = fd;
	m->engine = &k->engine;
	make_machine(m);
	la57 = set_features(m);
	if (!la57 && m->mode->control[X86_CR4] & MMU_X86_LA57) {
		end(m);
		return "KVM has no 5 levels here";
	}
	set_registers(m);
	m->mail->halt = 1;
	return NULL;
}

void mmu_kvm_use(struct mmu *m, uint64_t root)
{
	struct kvm_sregs sregs;

	CALL(m, kvm(m)->cpu, KVM_GET_SREGS, &sregs);
	sregs.cr3 = root;
	CALL(m, kvm(m)->cpu, KVM_SET_SREGS, &sregs);
}

bool mmu_kvm_translate(struct mmu *m, uint64_t va, uint64_t *address)
{
	struct kvm_translation t = {.linear_address = va};

	CALL(m, kvm(m)->cpu, KVM_TRANSLATE, &t);
	*address = t.physical_address;
	return t.valid;
}

#else
void mmu_kvm_use(struct mmu *m, uint64_t root)
{
	(void)m, (void)root;
}

bool mmu_kvm_translate(struct mmu *m, uint64_t va, uint64_t *address)
{
	(void)m, (void)va, (void)address;
	return false;
}

const char *mmu_start_kvm(struct mmu *m)
{
	(void)m;
	return "this is no x86-64";
}
#endif
