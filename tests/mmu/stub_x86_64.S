/*
 * The stub for x86-64 (machine.h says what it does). It begins in 32-bit mode, without paging, at MMU_STUB, and then runs in an alias: one
 * entry of its root, lent to each root it judges, maps these 2 MiB there, so that a change of the root is nothing to it.
 *
 * A touch that goes well falls through; one that traps comes to `fault`, which finds the loop's registers as they were, since nothing
 * that is touched changes them: r15 what to add to be in the alias, r14 space, r13 spaces left, r12 job, r10 jobs left, rbp result, r9 the root's entry, r11 what it was,
 * rbx 0.
 * Every trap has a stack of its own (IST), which is abandoned. Code in ring 3 has nothing but a trap to return by: hlt.
 */
#include "machine.h"
#include "stub_x86_64.h"

#define CONTROL(n) (8 * (n))

	.text
	.code32
	.globl _start
_start:
	cld
	mov	MMU_MAIL + MMU_MAIL_CONTROL + CONTROL(X86_CR4), %eax
	mov	%eax, %cr4
	mov	$X86_ROOT, %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx
	mov	MMU_MAIL + MMU_MAIL_CONTROL + CONTROL(X86_EFER), %eax
	xor	%edx, %edx
	wrmsr
	mov	MMU_MAIL + MMU_MAIL_CONTROL + CONTROL(X86_CR0), %eax
	mov	%eax, %cr0
	lgdt	X86_GDT_AT
	ljmp	$X86_CODE64, $long_mode

	.code64
long_mode:
	mov	X86_ALIAS, %r15
	lea	in_alias(%rip), %rax
	add	%r15, %rax
	jmp	*%rax
in_alias:
	lgdt	X86_GDT_AT(%r15)
	lidt	X86_IDT_AT(%r15)
	xor	%eax, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$X86_TASK, %eax
	ltr	%ax
	lea	X86_STACK_TOP(%r15), %rsp
	xor	%r8d, %r8d			/* the last request that was done */
	xor	%ebx, %ebx

wait:
	mov	MMU_MAIL + MMU_MAIL_REQUEST(%r15), %rax
	cmp	%rax, %r8
	jne	batch
	cmpq	$0, MMU_MAIL + MMU_MAIL_HALT(%r15)
	jne	1f
	pause
	jmp	wait
1:	hlt
	jmp	wait

batch:
	mov	%rax, %r8
	lea	MMU_SPACES(%r15), %r14
	mov	MMU_MAIL + MMU_MAIL_COUNT(%r15), %r13
each_space:
	test	%r13, %r13
	jz	batch_done
	call	set_control
	/* Of the root, an entry is borrowed. */
	mov	MMU_SPACE_ROOT(%r14), %rax
	mov	X86_SLOT(%r15), %rcx
	lea	(%rax, %rcx, 8), %r9		/* the stub's own tables have all memory where it is */
	mov	(%r9), %r11
	mov	X86_ROOT(%r15, %rcx, 8), %rcx
	mov	%rcx, (%r9)
	mov	%rax, %cr3

	mov	MMU_SPACE_FIRST(%r14), %rax
	mov	MMU_SPACE_COUNT(%r14), %r10
	shl	$5, %rax			/* a job and a result have 32 bytes */
	lea	MMU_JOBS(%r15, %rax), %r12
	lea	MMU_RESULTS(%r15, %rax), %rbp
each_job:
	test	%r10, %r10
	jz	space_done
	mov	MMU_JOB_VA(%r12), %rdi
	mov	MMU_JOB_VALUE(%r12), %rsi
	mov	MMU_JOB_KIND(%r12), %ecx
	xor	%eax, %eax
	lea	kinds(%rip), %rdx
	movslq	(%rdx, %rcx, 4), %rcx
	add	%rdx, %rcx
	jmp	*%rcx

load:
	mov	(%rdi), %rax
	jmp	well
store:
	mov	%rsi, (%rdi)
	jmp	well
fetch:
	jmp	*%rdi
load_user:
	lea	in_user_load(%rip), %rdx
	jmp	to_user
store_user:
	lea	in_user_store(%rip), %rdx
	jmp	to_user
fetch_user:
	mov	%rdi, %rdx
to_user:
	pushq	$X86_USER_DATA
	pushq	$0
	pushq	$2
	pushq	$X86_USER_CODE
	push	%rdx
	iretq

	/* On the stack: vector, error code, rip, cs, flags, rsp, ss. */
fault:
	mov	16(%rsp), %rdx
	lea	user_well(%rip), %rcx
	cmp	%rcx, %rdx
	je	well
	mov	(%rsp), %rcx
	mov	8(%rsp), %esi
	mov	%cr2, %rdi
	shl	$X86_VECTOR_SHIFT, %rcx
	or	%rsi, %rcx
	bts	$X86_TRAPPED_BIT, %rcx
	jmp	result
well:
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%edi, %edi
result:
	lea	X86_STACK_TOP(%r15), %rsp
	mov	%rcx, MMU_RESULT_CAUSE(%rbp)
	mov	%rdi, MMU_RESULT_ADDRESS(%rbp)
	mov	%rax, MMU_RESULT_VALUE(%rbp)
	mov	%rdx, MMU_RESULT_PC(%rbp)
	add	$MMU_JOB_SIZE, %r12
	add	$MMU_RESULT_SIZE, %rbp
	dec	%r10
	jmp	each_job

space_done:
	mov	$X86_ROOT, %eax
	mov	%rax, %cr3
	mov	%r11, (%r9)			/* given back */
	add	$MMU_SPACE_SIZE, %r14
	dec	%r13
	jmp	each_space
batch_done:
	mov	%r8, MMU_MAIL + MMU_MAIL_DONE(%r15)
	jmp	wait

	/* What does not change is not written: a virtual machine leaves for each of these. */
set_control:
	mov	MMU_SPACE_CONTROL + CONTROL(X86_CR4)(%r14), %rax
	mov	%cr4, %rcx
	cmp	%rax, %rcx
	je	1f
	mov	%rax, %cr4
1:	mov	MMU_SPACE_CONTROL + CONTROL(X86_CR0)(%r14), %rax
	mov	%cr0, %rcx
	cmp	%rax, %rcx
	je	1f
	mov	%rax, %cr0
1:	ret

	.balign	4
kinds:
	.long	load - kinds, store - kinds, fetch - kinds, 0
	.long	load_user - kinds, store_user - kinds, fetch_user - kinds, 0

	/* Vectors, X86_VECTORS and on: those without an error code get one. */
	.set	vector, 0
	.rept	32
	.org	X86_VECTORS - MMU_STUB + 16 * vector
	.if	!(0x60227d00 >> vector & 1)
	push	$0
	.endif
	push	$vector
	jmp	fault
	.set	vector, vector + 1
	.endr

	.org	X86_USER_PAGE - MMU_STUB
in_user_load:
	mov	(%rdi), %rax
	jmp	user_well
in_user_store:
	mov	%rsi, (%rdi)
user_well:
	hlt
