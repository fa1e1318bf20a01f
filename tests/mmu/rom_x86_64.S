/* The whole firmware of the x86-64 machine: 64 KiB that end with the reset vector, from real mode to 32-bit mode, to the stub. */
#include "machine.h"

	.text
	.code16
	.globl _start
_start:
	cli
	lgdtl	%cs:gdt_at
	mov	%cr0, %eax
	or	$1, %eax
	mov	%eax, %cr0
	mov	$0x10, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	ljmpl	$8, $MMU_STUB

	.balign	8
gdt:
	.quad	0
	.quad	0x00cf9b000000ffff	/* code, all of 4 GiB */
	.quad	0x00cf93000000ffff	/* data */
gdt_at:
	.word	23
	.long	0xffff0000 + gdt

	.org	0xfff0
	jmp	_start
	.org	0x10000
