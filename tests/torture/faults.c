/* faults.c - faults of the processor: bad addresses, bad jumps, bad instructions. */
#include "torture.h"

#include <fenv.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096 };

static volatile uint64_t wild = 0x41414000;
static volatile uint64_t non_canonical = 0x4141414141414141;

static void *map(int protection)
{
    return mmap(NULL, PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

KEEP static void null_read(void)
{
    sink = *(volatile int *)(size_t)zero;
}

KEEP static void null_field(void)
{
    sink = *(volatile int *)(size_t)(zero + 4000);
}

KEEP static void null_call(void)
{
    ((void (*)(void))(size_t)zero)();
    sink++;
}

KEEP static void wild_read(void)
{
    sink = *(volatile int *)wild;
}

KEEP static void wild_call(void)
{
    ((void (*)(void))wild)();
    sink++;
}

/* By jmp: nobody pushed a return address into this function. */
KEEP static void wild_jump(void)
{
    __asm__ volatile("jmp *%0" ::"r"(wild));
}

KEEP static void non_canonical_read(void)
{
    sink = *(volatile int *)non_canonical;
}

KEEP static void non_canonical_call(void)
{
    ((void (*)(void))non_canonical)();
    sink++;
}

KEEP static void kernel_read(void)
{
    sink = *(volatile int *)0xffffffff81000000u;
}

KEEP static void write_constant(void)
{
    const char *volatile text = "constant";
    *(volatile char *)(uintptr_t)text = 1;
}

KEEP static void write_code(void)
{
    *(volatile char *)(uintptr_t)write_code = 1;
}

KEEP static void read_guard_page(void)
{
    char *page = map(PROT_NONE);
    sink = *(volatile char *)page;
}

KEEP static void after_free(void)
{
    char *page = map(PROT_READ | PROT_WRITE);
    munmap(page, PAGE);
    *(volatile char *)page = 1;
}

KEEP static void call_data(void)
{
    static unsigned char code[16] = {0xc3};
    unsigned char *volatile to = code;
    ((void (*)(void))(uintptr_t)to)();
    sink++;
}

KEEP static void call_stack(void)
{
    unsigned char code[16];
    unsigned char *volatile to = code;
    memset(to, 0xc3, sizeof(code));
    ((void (*)(void))(uintptr_t)to)();
    sink++;
}

KEEP static void call_heap(void)
{
    unsigned char *code = malloc(64);
    memset(code, 0xc3, 64);
    ((void (*)(void))(uintptr_t)code)();
    sink++;
}

KEEP static void divide(void)
{
    sink = 100 / zero;
}

KEEP static void divide_overflow(void)
{
    volatile int least = -2147483647 - 1;
    volatile int minus_one = -1;
    sink = least / minus_one;
}

KEEP static void divide_float(void)
{
    volatile double nothing = 0;
    feenableexcept(FE_DIVBYZERO);
    volatile double result = 1.0 / nothing;
    sink = result > 1;
}

KEEP static void run_ud2(void)
{
    __asm__ volatile("ud2");
    sink++;
}

KEEP static void builtin_trap(void)
{
    __builtin_trap();
}

KEEP static void run_int3(void)
{
    __asm__ volatile("int3");
    sink++;
}

KEEP static void run_icebp(void)
{
    __asm__ volatile(".byte 0xf1");
    sink++;
}

KEEP static void single_step(void)
{
    __asm__ volatile("pushfq\n orq $0x100, (%%rsp)\n popfq\n nop\n nop" ::: "memory", "cc");
    sink++;
}

KEEP static void run_hlt(void)
{
    __asm__ volatile("hlt");
    sink++;
}

KEEP static void run_int_n(void)
{
    __asm__ volatile("int $0x29");
    sink++;
}

KEEP static void read_counter(void)
{
    unsigned low;
    unsigned high;
    prctl(PR_SET_TSC, PR_TSC_SIGSEGV);
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    sink += (int)(low + high);
}

KEEP static void misaligned_vector(void)
{
    static char room[64] __attribute__((aligned(16)));
    __asm__ volatile("movaps (%0), %%xmm0" ::"r"(room + 1) : "xmm0");
    sink++;
}

KEEP static void misaligned_checked(void)
{
    static volatile char room[64] __attribute__((aligned(16)));
    __asm__ volatile("pushfq\n orq $0x40000, (%%rsp)\n popfq\n movl 1(%0), %%eax" ::"r"(room)
                     : "rax", "memory", "cc");
    sink++;
}

KEEP static void truncated_map(void)
{
    char name[] = "/tmp/torture.XXXXXX";
    int fd = mkstemp(name);
    unlink(name);
    if (fd < 0 || ftruncate(fd, PAGE) != 0)
        return;
    volatile char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (ftruncate(fd, 0) == 0)
        page[100] = 1;
}

/* As a log or a database has it, for reading. */
KEEP static void write_mapped_file(void)
{
    char path[] = "torture-mapped-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0 || ftruncate(fd, 3 * PAGE) != 0)
        return;
    volatile char *pages = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, PAGE);
    pages[100] = 1;
}

/* One byte behind what was asked for. */
KEEP static void write_behind(void)
{
    volatile char *pages =
        mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mprotect((void *)(pages + 2 * PAGE), PAGE, PROT_NONE) != 0)
        return;
    for (size_t i = 2 * PAGE - 8;; i++)
        pages[i] = 1;
}

KEEP static void truncated_named(void)
{
    char path[] = "torture-cut-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0 || ftruncate(fd, PAGE) != 0)
        return;
    volatile char *page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
    if (ftruncate(fd, 0) == 0)
        sink = page[100];
}

KEEP static void strlen_of_null(void)
{
    const char *volatile text = (const char *)(size_t)zero;
    sink = (int)strlen(text);
}

KEEP static void memcpy_to_null(void)
{
    void *volatile to = (void *)(size_t)zero;
    volatile size_t len = 100000;
    memcpy(to, "x", len);
    sink++;
}

KEEP static void printf_of_wild(void)
{
    char line[64];
    const char *volatile text = (const char *)wild;
    sink = snprintf(line, sizeof(line), "%s", text);
}

static int compare_wild(const void *a, const void *b)
{
    sink = *(volatile int *)wild;
    return *(const int *)a - *(const int *)b;
}

KEEP static void in_qsort(void)
{
    int numbers[40] = {3, 1, 2};
    qsort(numbers, 40, sizeof(numbers[0]), compare_wild);
    sink++;
}

KEEP static void in_vdso(void)
{
    struct timespec *volatile to = (struct timespec *)wild;
    sink = clock_gettime(CLOCK_MONOTONIC, to);
}

/* The kernel says EFAULT: nothing dies of that. */
KEEP static void bad_pointer_to_kernel(void)
{
    say("read %d\n", (int)syscall(SYS_read, 0, (void *)wild, 8));
}

static const struct mode modes[] = {
    MODE("null-write", "write through a null pointer",
         SAYS("near-NULL write at 0x", "SIGSEGV in null_write"), AT(null_write), .signal = SIGSEGV,
         .flags = SHORT),
    MODE("null-read", "read through a null pointer",
         SAYS("near-NULL read at 0x.*: the NULL pointer in r", "SIGSEGV in null_read"),
         AT(null_read), .signal = SIGSEGV),
    MODE("null-field", "field far from a null pointer",
         SAYS("near-NULL read at 0x", "SIGSEGV in null_field"), AT(null_field), .signal = SIGSEGV),
    MODE("null-call", "call of a null function pointer",
         SAYS("jump to unmapped address 0x.*: looks like a call of a NULL function pointer",
              "SIGSEGV in null_call"),
         .run = null_call, .frames = "? null_call" CHAIN, .signal = SIGSEGV, .flags = SHORT),
    MODE("wild-read", "read of an unmapped address",
         SAYS("read of unmapped memory at 0x.* through r", "SIGSEGV in wild_read"), AT(wild_read),
         .signal = SIGSEGV),
    MODE("wild-call", "call of an unmapped address",
         SAYS("jump to unmapped address 0x", "SIGSEGV in wild_call"), .run = wild_call,
         .frames = "? wild_call" CHAIN, .signal = SIGSEGV, .flags = SHORT),
    MODE("wild-jump", "jump, not call, to an unmapped address",
         SAYS("jump to unmapped address 0x", "SIGSEGV in chain_here"), .run = wild_jump,
         .frames = "? chain_here chain_middle chain_outer", .signal = SIGSEGV),
    MODE("non-canonical-read", "read of a non-canonical address",
         SAYS("read of a non-canonical address, 0x.*, through (r..) with \\1 = 0x",
              "SIGSEGV in non_canonical_read"),
         AT(non_canonical_read), .signal = SIGSEGV, .flags = SHORT),
    MODE("non-canonical-call", "call of a non-canonical address",
         SAYS("call of a non-canonical address: r.. = 0x", "SIGSEGV in non_canonical_call"),
         AT(non_canonical_call), .signal = SIGSEGV),
    MODE("kernel-read", "read of an address of the kernel",
         SAYS("read of an address of the kernel, 0x", "SIGSEGV in kernel_read"), AT(kernel_read),
         .signal = SIGSEGV),
    MODE("write-constant", "write to read-only data",
         SAYS("write to read-only memory at 0x.*, in torture .r--", "SIGSEGV in write_constant"),
         AT(write_constant), .signal = SIGSEGV),
    MODE("write-code", "write to code",
         SAYS("write to read-only memory at 0x.*, in torture .r-x", "SIGSEGV in write_code"),
         AT(write_code), .signal = SIGSEGV),
    MODE("guard-page", "read of a page that may not be read",
         SAYS("read of memory without any rights at 0x", "SIGSEGV in read_guard_page"),
         AT(read_guard_page), .signal = SIGSEGV),
    MODE("write-behind", "write behind memory with a guard page",
         SAYS("write of memory without any rights at 0x.*: looks like a guard page, next to",
              "SIGSEGV in write_behind"),
         AT(write_behind), .signal = SIGSEGV),
    MODE("write-file", "write to a file mapped for reading",
         SAYS("write to read-only memory at 0x.*, in torture-mapped-",
              "SIGSEGV in write_mapped_file"),
         AT(write_mapped_file), .signal = SIGSEGV),
    MODE("after-unmap", "write to memory given back",
         SAYS("write of unmapped memory at 0x", "SIGSEGV in after_free"), AT(after_free),
         .signal = SIGSEGV),
    MODE("exec-data", "call of data",
         SAYS("jump to 0x.*, which is not executable: torture .rw-", "SIGSEGV in call_data"),
         .run = call_data, .frames = "? call_data" CHAIN, .signal = SIGSEGV, .flags = SHORT),
    MODE("exec-stack", "call of the stack",
         SAYS("jump to 0x.*, which is not executable: the stack .rw-", "SIGSEGV in call_stack"),
         .run = call_stack, .frames = "? call_stack" CHAIN, .signal = SIGSEGV),
    MODE("exec-heap", "call of the heap",
         SAYS("jump to 0x.*, which is not executable: the heap .rw-", "SIGSEGV in call_heap"),
         .run = call_heap, .frames = "? call_heap" CHAIN, .signal = SIGSEGV),
    MODE("divide", "integer division by zero",
         SAYS("^integer division by zero$", "SIGFPE in divide"), AT(divide), .signal = SIGFPE,
         .flags = SHORT),
    MODE("divide-overflow", "INT_MIN / -1",
         SAYS("^integer overflow: INT_MIN divided by -1$", "SIGFPE in divide_overflow"),
         AT(divide_overflow), .signal = SIGFPE),
    MODE("divide-float", "trapped floating division by zero",
         SAYS("floating-point division by zero", "SIGFPE in divide_float"), AT(divide_float),
         .signal = SIGFPE),
    MODE("ud2", "illegal instruction", SAYS("illegal instruction ud2 .0f 0b", "SIGILL in run_ud2"),
         AT(run_ud2), .signal = SIGILL, .flags = SHORT),
    MODE("builtin-trap", "__builtin_trap",
         SAYS("illegal instruction ud2 .0f 0b.*__builtin_trap", "SIGILL in builtin_trap"),
         AT(builtin_trap), .signal = SIGILL),
    MODE("int3", "breakpoint instruction",
         SAYS("breakpoint instruction int3", "SIGTRAP in run_int3"), AT(run_int3),
         .signal = SIGTRAP, .flags = SHORT),
    MODE("icebp", "int1 instruction", SAYS("breakpoint instruction int1", "SIGTRAP in run_icebp"),
         AT(run_icebp), .signal = SIGTRAP),
    MODE("single-step", "trap flag set",
         SAYS("single step, the trap flag is set", "SIGTRAP in single_step"), AT(single_step),
         .signal = SIGTRAP),
    MODE("hlt", "privileged instruction",
         SAYS("^privileged instruction: hlt$", "privileged instruction in run_hlt"), AT(run_hlt),
         .signal = SIGSEGV),
    MODE("int-n", "software interrupt that is not allowed",
         SAYS("software interrupt that programs may not raise: int 0x", "SIGSEGV in run_int_n"),
         AT(run_int_n), .signal = SIGSEGV),
    MODE("rdtsc", "time stamp counter made forbidden",
         SAYS("rdtsc, which is forbidden here", "SIGSEGV in read_counter"), AT(read_counter),
         .signal = SIGSEGV),
    MODE("misaligned-vector", "misaligned movaps",
         SAYS("misaligned read of 16 bytes at 0x.* a multiple of 16",
              "SIGSEGV in misaligned_vector"),
         AT(misaligned_vector), .signal = SIGSEGV),
    MODE("misaligned-checked", "misaligned access with the AC flag set",
         SAYS("misaligned access at 0x.*AC flag", "SIGBUS in misaligned_checked"),
         AT(misaligned_checked), .signal = SIGBUS),
    MODE("truncated-map", "mapping of a file that was truncated",
         SAYS("write beyond the end of torture.*, or a disk error", "SIGBUS in truncated_map"),
         AT(truncated_map), .signal = SIGBUS, .flags = SHORT),
    MODE(
        "truncated-file", "read of a mapped file that was truncated",
        SAYS("read beyond the end of torture-cut-.*, or a disk error", "SIGBUS in truncated_named"),
        AT(truncated_named), .signal = SIGBUS),
    MODE("strlen-null", "strlen(NULL)",
         SAYS("near-NULL read at 0x.*NULL pointer", "SIGSEGV in strlen_of_null"),
         UNDER(strlen_of_null), .signal = SIGSEGV, .flags = SHORT),
    MODE("memcpy-null", "memcpy to NULL",
         SAYS("near-NULL write at 0x.*NULL pointer", "SIGSEGV in memcpy_to_null"),
         UNDER(memcpy_to_null), .signal = SIGSEGV),
    MODE("printf-wild", "snprintf of %s at a wild pointer",
         SAYS("read of unmapped memory at 0x", "SIGSEGV in printf_of_wild"), UNDER(printf_of_wild),
         .signal = SIGSEGV),
    MODE("qsort", "in a callback of qsort",
         SAYS("read of unmapped memory at 0x", "SIGSEGV in compare_wild"), .run = in_qsort,
         .frames = "compare_wild * in_qsort" CHAIN, .signal = SIGSEGV),
    MODE("vdso", "in the kernel's vdso: clock_gettime to a wild pointer",
         SAYS("write of unmapped memory at 0x", "SIGSEGV in in_vdso"), UNDER(in_vdso),
         .signal = SIGSEGV),
    MODE("efault", "bad pointer given to a system call: no death", .run = bad_pointer_to_kernel,
         .flags = NO_REPORT),
};

const struct family faults = {"faults", modes, sizeof(modes) / sizeof(modes[0])};
