// A program without an operating system on QEMU's aarch64 "virt": memory, console, clock, end. The C library
// is picolibc, which asks for the functions at the end of this file.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <errno.h>
#include <sys/time.h>
#include <sys/times.h>

// What the edge puts at START_BLOCK (start-block.ts); its addresses are ours.
struct start_block {
	uint64_t memory_end;
	uint64_t argc;
	char **argv;
	char **environ;
};

#define GiB (1024ul * 1024 * 1024)
#define MiB (1024ul * 1024)
#define UART ((volatile uint32_t *)0x09000000)
#define CLOCK ((volatile uint32_t *)0x09010000)
#define RAM 0x40000000ul

extern char _end[], __tls_base[];
extern char **environ;
extern void __libc_init_array(void);
extern void _set_tls(void *tls);
extern int main(int argc, char **argv, char **envp);

_Noreturn void _exit(int code);

// Says how variables of threads are aligned, also where a program has none with a value.
static _Thread_local uint64_t first __attribute__((aligned(64), used)) = 1;

static char *heap = _end;
static char *heap_end;

// Memory can be cached, and so be read at any address, only when it is mapped. One block for each GiB; below it
// only the console's 2 MiB: whoever follows a null pointer faults.
static uint64_t gigabytes[512] __attribute__((aligned(4096)));
static uint64_t devices[512] __attribute__((aligned(4096)));

static void map_memory(uint64_t end)
{
	const uint64_t used = 1 << 10, block = 1, table = 3, shared = 3 << 8, normal = 1 << 2;
	devices[(uint64_t)UART >> 21] = ((uint64_t)UART & ~(2 * MiB - 1)) | used | block | 3ul << 53;
	gigabytes[0] = (uint64_t)devices | table;
	for (uint64_t at = RAM; at < end; at += GiB)
		gigabytes[at / GiB] = (at & ~(GiB - 1)) | used | shared | normal | block;
	const uint64_t attributes = 0xff00;
	// 39 bits of address, 4 KiB pages, cached tables, no upper half
	const uint64_t control = 25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23 | 2ul << 32;
	uint64_t system;
	__asm__ volatile("msr mair_el1, %0; msr tcr_el1, %1; msr ttbr0_el1, %2; dsb sy; isb"
			 ::"r"(attributes), "r"(control), "r"(gigabytes) : "memory");
	__asm__ volatile("mrs %0, sctlr_el1" : "=r"(system));
	// mapped, data and instructions cached; any alignment
	system = (system | 1 | 1 << 2 | 1 << 12) & ~2ul;
	__asm__ volatile("msr sctlr_el1, %0; isb" ::"r"(system) : "memory");
}

void begin(struct start_block *start)
{
	map_memory(start->memory_end);
	uint64_t memory = start->memory_end - RAM;
	uint64_t stack = memory / 8 < 8 * MiB ? memory / 8 : 8 * MiB;
	heap_end = (char *)(start->memory_end - stack);
	_set_tls(__tls_base);
	environ = start->environ;
	__libc_init_array();
	exit(main((int)start->argc, start->argv, start->environ));
}

static void put(char c)
{
	while (UART[0x18 / 4] & 1 << 5)
		;
	UART[0] = (unsigned char)c;
}

static void put_text(const char *text)
{
	while (*text)
		put(*text++);
}

static void put_hex(uint64_t value)
{
	put_text("0x");
	for (int shift = 60; shift >= 0; shift -= 4)
		put("0123456789abcdef"[value >> shift & 15]);
}

_Noreturn void fault(uint64_t cause, uint64_t at, uint64_t address)
{
	put_text("\nfault: ");
	put_text(cause >> 26 == 0x24 || cause >> 26 == 0x25 ? "data" : "instruction");
	put_text(" at ");
	put_hex(at);
	put_text(", address ");
	put_hex(address);
	put('\n');
	_exit(139);
}

static int put_stdio(char c, FILE *file)
{
	(void)file;
	put(c);
	return (unsigned char)c;
}

static int get_stdio(FILE *file)
{
	(void)file;
	return _FDEV_EOF;
}

static FILE console = FDEV_SETUP_STREAM(put_stdio, get_stdio, NULL, _FDEV_SETUP_RW);
FILE *const stdin = &console;
FILE *const stdout = &console;
FILE *const stderr = &console;

// The edge takes the last line for the exit code when nothing comes behind it.
_Noreturn void _exit(int code)
{
	char digits[4];
	int n = 0;
	code &= 255;
	do {
		digits[n++] = (char)('0' + code % 10);
		code /= 10;
	} while (code);
	put_text("\036exit ");
	while (n)
		put(digits[--n]);
	put('\n');
	// PSCI SYSTEM_OFF
	register uint64_t call __asm__("x0") = 0x84000008;
	__asm__ volatile("hvc #0" : "+r"(call)::"memory");
	for (;;)
		;
}

void *sbrk(ptrdiff_t size)
{
	if (size > heap_end - heap || heap + size < _end) {
		errno = ENOMEM;
		return (void *)-1;
	}
	char *before = heap;
	heap += size;
	return before;
}

static uint64_t microseconds(void)
{
	uint64_t ticks, frequency;
	__asm__ volatile("isb; mrs %0, cntvct_el0; mrs %1, cntfrq_el0" : "=r"(ticks), "=r"(frequency));
	return ticks / frequency * 1000000 + ticks % frequency * 1000000 / frequency;
}

int gettimeofday(struct timeval *now, void *zone)
{
	(void)zone;
	static uint64_t offset;
	if (!offset)
		offset = CLOCK[0] * 1000000ul - microseconds();
	uint64_t time = offset + microseconds();
	now->tv_sec = (time_t)(time / 1000000);
	now->tv_usec = (suseconds_t)(time % 1000000);
	return 0;
}

clock_t times(struct tms *used)
{
	clock_t now = (clock_t)(microseconds() / (1000000 / CLOCKS_PER_SEC));
	if (used)
		*used = (struct tms){ .tms_utime = now };
	return now;
}

ssize_t write(int fd, const void *data, size_t size)
{
	if (fd != 1 && fd != 2) {
		errno = EBADF;
		return -1;
	}
	for (size_t n = 0; n < size; n++)
		put(((const char *)data)[n]);
	return (ssize_t)size;
}

int kill(int process, int signal)
{
	(void)process;
	_exit(128 + signal);
}

int getpid(void)
{
	return 1;
}
