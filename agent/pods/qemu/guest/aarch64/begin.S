// Where the machine begins: floating point, faults, stack, zeroed variables, and then C.

#define START_BLOCK 0x40200000

	.section .text.begin, "ax"
	.global _start
_start:
	mov	x0, #(3 << 20)
	msr	cpacr_el1, x0
	adr	x0, vectors
	msr	vbar_el1, x0
	isb
	ldr	x20, =START_BLOCK
	ldr	x0, [x20]		// the end of memory
	mov	sp, x0
	ldr	x0, =__bss_start
	ldr	x1, =__bss_end
1:	cmp	x0, x1
	b.hs	2f
	stp	xzr, xzr, [x0], #16
	b	1b
2:	mov	x0, x20
	mov	x29, xzr
	mov	x30, xzr
	bl	begin
	b	.

	// Every fault ends the machine: nothing returns from here.
	.balign 2048
vectors:
	.rept	16
	.balign	128
	ldr	x0, =fault_stack_end
	mov	sp, x0
	mrs	x0, esr_el1
	mrs	x1, elr_el1
	mrs	x2, far_el1
	b	fault
	.endr

	.bss
	.balign 16
	.skip	4096
fault_stack_end:
