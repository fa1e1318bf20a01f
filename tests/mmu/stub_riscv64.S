/*
 * The program that runs on a judging RISC-V machine, in M-mode, which no page table concerns: so it needs no place in the tables under test.
 * Loads and stores are tried with MPRV, as the mode in MPP; a fetch is an mret to the address, and ends at the ebreak there, behind
 * an instruction that puts the number of the frame into t6. A load or store that goes well comes to an ecall: so each ends in a trap, which
 * makes MPP the M-mode, and MPRV harmless. A write to mstatus would do that too, but QEMU flushes all it has cached when one changes these fields.
 *
 * Control words: the MODE bits of satp; the bits of mstatus (SUM, MXR).
 */
#include "machine.h"

#define RAM  0x80000000
#define MPRV (1 << 17)
#define SUM  (1 << 18)
#define MXR  (1 << 19)
#define MPP  (3 << 11)
#define MPP_S (1 << 11)

#define MENVCFG 0x30a

#define CAUSE_EBREAK 3
#define CAUSE_ECALL  11 /* from M-mode */

/* s0 mail, s1 request, s2 space, s3 spaces left, s4 job, s5 jobs left, s6 result, s7 mstatus of this space, s8 of every space */

	.globl	_start
_start:
	lla	t0, 1f			/* hardware sets A and D, also where that has to be asked for (Svadu) */
	csrw	mtvec, t0
	li	t0, 1 << 61
	csrs	MENVCFG, t0
	.balign	4
1:	lla	t0, trap
	csrw	mtvec, t0
	li	t0, -1			/* all memory is everybody's */
	csrw	pmpaddr0, t0
	li	t0, 0x1f
	csrw	pmpcfg0, t0
	csrw	satp, zero
	csrr	s8, mstatus
	li	t0, MPRV | SUM | MXR | MPP
	not	t0, t0
	and	s8, s8, t0
	li	s0, RAM + MMU_MAIL
	li	s1, 0

wait:
	ld	t0, MMU_MAIL_REQUEST(s0)
	beq	t0, s1, wait
	mv	s1, t0
	fence
	li	s2, RAM + MMU_SPACES
	ld	s3, MMU_MAIL_COUNT(s0)

do_space:
	beqz	s3, batch_done
	ld	t0, MMU_SPACE_ROOT(s2)
	ld	t1, MMU_SPACE_CONTROL(s2)
	srli	t0, t0, 12
	or	t0, t0, t1
	csrw	satp, t0
	sfence.vma
	ld	s7, MMU_SPACE_CONTROL + 8(s2)
	or	s7, s7, s8
	ld	t0, MMU_SPACE_FIRST(s2)
	ld	s5, MMU_SPACE_COUNT(s2)
	slli	t0, t0, 5		/* both are 32 bytes */
	li	s4, RAM + MMU_JOBS
	add	s4, s4, t0
	li	s6, RAM + MMU_RESULTS
	add	s6, s6, t0

do_job:
	beqz	s5, space_done
	ld	a0, MMU_JOB_VA(s4)
	ld	a5, MMU_JOB_KIND(s4)
	ld	a1, MMU_JOB_VALUE(s4)
	mv	t0, s7
	andi	t1, a5, MMU_USER
	bnez	t1, 1f
	li	t1, MPP_S
	or	t0, t0, t1
1:	andi	a5, a5, MMU_KIND
	li	t1, MMU_FETCH
	beq	a5, t1, fetch
	li	t1, MPRV
	or	t0, t0, t1
	csrw	mstatus, t0		/* no memory but that under test from here to the trap */
	bnez	a5, store
	ld	a1, (a0)
	ecall
store:
	sd	a1, (a0)
	ecall
fetch:
	csrw	mstatus, t0
	csrw	mepc, a0
	mret

	.balign	4
trap:
	csrr	a2, mcause
	li	t0, CAUSE_ECALL
	beq	a2, t0, went_well
	csrr	a3, mtval
	csrr	a4, mepc
	li	t0, CAUSE_EBREAK
	bne	a2, t0, job_done
	srli	a1, t6, 12
	j	job_done
went_well:
	li	a2, 0
	li	a3, 0
	li	a4, 0
job_done:
	sd	a2, MMU_RESULT_CAUSE(s6)
	sd	a3, MMU_RESULT_ADDRESS(s6)
	sd	a1, MMU_RESULT_VALUE(s6)
	sd	a4, MMU_RESULT_PC(s6)
	addi	s4, s4, MMU_JOB_SIZE
	addi	s6, s6, MMU_RESULT_SIZE
	addi	s5, s5, -1
	j	do_job

space_done:
	csrw	satp, zero
	addi	s2, s2, MMU_SPACE_SIZE
	addi	s3, s3, -1
	j	do_space

batch_done:
	fence
	sd	s1, MMU_MAIL_DONE(s0)
	j	wait
