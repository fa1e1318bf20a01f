/*
 * The program that runs on a judging AArch64 machine, at EL1. TTBR0 has the tables under test, TTBR1 the stub's own: all RAM as data at
 * DATA, and once more, not writable, at TEXT, where the stub runs. ldr and str try an address as EL1 does, ldtr and sttr as EL0; a fetch is an
 * eret to it, and ends at the brk there, whose number is that of the frame. Every exception comes to `trap`, at EL1 with the stack pointer
 * of EL1, whatever it interrupted; so it needs no return, it goes on with the next thing to do. Nothing is kept in memory but in what machine.h says.
 *
 * Control words: TCR_EL1; PSTATE.PAN (in its place, bit 22).
 */
#include "machine.h"

#define RAM   0x40000000
#define TEXT  0xffff000040000000 /* and MMU_STUB: the address that this is linked at */
#define DATA  0xffff000080000000
#define MAIR  0x4400ff           /* attribute 0: write-back memory, as all of RAM */
#define SCTLR 0x30d01985         /* MMU and caches on; SPAN: an exception leaves PAN as it is */

#define SPSR_EL1 0x3c5 /* all interrupts masked */
#define SPSR_EL0 0x3c0

mail	.req x19
request	.req x20
space	.req x21
spaces	.req x22
job	.req x23
jobs	.req x24
result	.req x25
next	.req x26 /* where a probe goes on, trapped or not */
nowhere	.req x27 /* a root table without entries */
pan	.req x28

	.globl	_start
_start:
	adr	nowhere, empty
	adr	x0, level0		/* as TTBR0, it has the stub where it is without MMU */
	msr	ttbr0_el1, x0
	msr	ttbr1_el1, x0
	ldr	x0, =MAIR
	msr	mair_el1, x0
	ldr	x0, =RAM + MMU_MAIL
	ldr	x0, [x0, #MMU_MAIL_CONTROL]
	msr	tcr_el1, x0
	tlbi	vmalle1
	dsb	sy
	isb
	ldr	x0, =SCTLR
	msr	sctlr_el1, x0
	isb
	ldr	x0, =high
	br	x0
high:
	adr	x0, vectors
	msr	vbar_el1, x0
	mov	x0, nowhere
	bl	switch
	ldr	mail, =DATA + MMU_MAIL
	mov	request, #0

wait:
	add	x0, mail, #MMU_MAIL_REQUEST
	ldar	x1, [x0]
	cmp	x1, request
	b.eq	wait
	mov	request, x1
	ldr	space, =DATA + MMU_SPACES
	ldr	spaces, [mail, #MMU_MAIL_COUNT]

do_space:
	cbz	spaces, batch_done
	ldr	x0, [space, #MMU_SPACE_CONTROL]
	msr	tcr_el1, x0
	ldr	pan, [space, #MMU_SPACE_CONTROL + 8]
	msr	s3_0_c4_c2_3, pan
	ldr	x0, [space, #MMU_SPACE_ROOT]
	bl	switch
	ldp	x0, jobs, [space, #MMU_SPACE_FIRST]
	mov	x1, #MMU_JOB_SIZE
	ldr	job, =DATA + MMU_JOBS
	madd	job, x0, x1, job
	mov	x1, #MMU_RESULT_SIZE
	ldr	result, =DATA + MMU_RESULTS
	madd	result, x0, x1, result

do_job:
	cbz	jobs, space_done
	ldp	x0, x5, [job, #MMU_JOB_VA]
	ldr	x1, [job, #MMU_JOB_VALUE]
	mov	x2, #0
	mov	x3, #0
	mov	x4, #0
	adr	next, job_done
	adr	x6, probes
	add	x6, x6, x5, lsl #4
	br	x6
job_done:
	stp	x2, x3, [result, #MMU_RESULT_CAUSE]
	stp	x1, x4, [result, #MMU_RESULT_VALUE]
	add	job, job, #MMU_JOB_SIZE
	add	result, result, #MMU_RESULT_SIZE
	sub	jobs, jobs, #1
	b	do_job

space_done:
	mov	x0, nowhere
	bl	switch
	add	space, space, #MMU_SPACE_SIZE
	sub	spaces, spaces, #1
	b	do_space

batch_done:
	add	x0, mail, #MMU_MAIL_DONE
	stlr	request, [x0]
	b	wait

/* To the root table at x0, with nothing cached of any other. */
switch:
	msr	ttbr0_el1, x0
	dsb	sy
	tlbi	vmalle1
	dsb	sy
	isb
	ret

/*
 * By mmu_job.kind, 16 bytes each: the address in x0, the value in x1. An error that the memory reports late (it is none
 * here) would be reported by the dsb.
 */
	.balign	16
probes:
	ldr	x1, [x0]
	dsb	sy
	br	next
	.balign	16
	str	x1, [x0]
	dsb	sy
	br	next
	.balign	16
	mov	x5, #SPSR_EL1
	b	fetch
	.balign	16
	brk	#0
	.balign	16
	ldtr	x1, [x0]
	dsb	sy
	br	next
	.balign	16
	sttr	x1, [x0]
	dsb	sy
	br	next
	.balign	16
	mov	x5, #SPSR_EL0
fetch:
	orr	x5, x5, pan
	msr	spsr_el1, x5
	msr	elr_el1, x0
	eret

	.ltorg

trap:
	mrs	x2, esr_el1
	mrs	x3, far_el1
	mrs	x4, elr_el1
	lsr	x5, x2, #26
	cmp	x5, #0x3c		/* brk: a fetch that arrived */
	b.ne	1f
	and	x1, x2, #0xffff
1:	br	next

	.balign	2048
vectors:
	.rept	16
	b	trap
	.balign	128
	.endr

	.balign	4096
empty:	.fill	512, 8, 0
level0:	.quad	RAM + MMU_STUB + level1 - _start + 3
	.fill	511, 8, 0
/* Blocks of 1 GiB, AF set, inner shareable: TEXT read-only and never user's, DATA not to be executed. */
level1:	.quad	0
	.quad	RAM | 0x0040000000000781
	.quad	RAM | 0x0060000000000701
	.fill	509, 8, 0
