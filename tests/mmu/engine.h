/* What makes a machine run: an emulator, in a process of its own, or KVM, in this one. Between machine.c and the engines only. */
#ifndef MMU_ENGINE_H
#define MMU_ENGINE_H

#include "machine.h"

struct mmu_engine {
	/* A batch was requested: goes on until it may be done. Called again and again until it is. */
	void (*go_on)(struct mmu *m);
	/* The batch is done: until the next, nobody needs the machine. */
	void (*rest)(struct mmu *m);
	/* Ends and frees it. */
	void (*end)(struct mmu *m);
};

/* Sets m->engine and starts the stub, or returns why it cannot be had here. `path`: the file that is m->ram. */
const char *mmu_start_emulator(struct mmu *m, const char *path);
const char *mmu_start_kvm(struct mmu *m);
/* Fails the test: the machine's name, and then what is said. */
void mmu_fail(struct mmu *m, const char *format, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

#endif
