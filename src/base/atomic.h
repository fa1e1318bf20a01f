/*
 * Shared words. Every store to memory that other processes see is atomic, so that a process killed
 * between two instructions has stored them in program order. The names say the weakest order that
 * docs/protocol.md section 10 asks for; each use names its partner.
 */
#ifndef BASE_ATOMIC_H
#define BASE_ATOMIC_H

#include <stdatomic.h>
#include <stdint.h>

#define load_relaxed(p)     atomic_load_explicit(p, memory_order_relaxed)
#define load_acquire(p)     atomic_load_explicit(p, memory_order_acquire)
#define store_relaxed(p, v) atomic_store_explicit(p, v, memory_order_relaxed)
#define store_release(p, v) atomic_store_explicit(p, v, memory_order_release)
#define swap(p, v)          atomic_exchange_explicit(p, v, memory_order_acq_rel)
/* *p == *expected: becomes v. Otherwise *expected gets what *p is. */
#define cas(p, expected, v)                                                           \
	atomic_compare_exchange_strong_explicit(p, expected, v, memory_order_acq_rel, \
						memory_order_acquire)

/* A fence of that order. ThreadSanitizer knows none: for it, a change of a word that means nothing. */
static inline void memory_fence(memory_order order)
{
#if defined __SANITIZE_THREAD__
	static _Atomic uint64_t word;

	(void)order;
	atomic_fetch_add_explicit(&word, 0, memory_order_seq_cst);
#else
	atomic_thread_fence(order);
#endif
}

/* A store, then a full fence: no later load is done before it. */
static inline void store_fence(_Atomic uint64_t *p, uint64_t v)
{
#if defined __x86_64__
	atomic_exchange_explicit(p, v, memory_order_seq_cst);
#else
	atomic_store_explicit(p, v, memory_order_relaxed);
	memory_fence(memory_order_seq_cst);
#endif
}

static inline void cpu_relax(void)
{
#if defined __x86_64__
	__builtin_ia32_pause();
#elif defined __aarch64__
	__asm__ volatile("yield" ::: "memory");
#else
	__asm__ volatile("" ::: "memory");
#endif
}

#endif
