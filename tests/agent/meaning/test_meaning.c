/* One sentence and one title for each way to die that the kernel and the registers tell of. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "death.h"

#define SEGV(its_code, its_address, its_err)                                                       \
    .signo = SIGSEGV, .code = (its_code), .address = (its_address), .trap = PAGE, .err = (its_err)
#define BUS(its_code, its_address, its_err)                                                        \
    .signo = SIGBUS, .code = (its_code), .address = (its_address), .trap = PAGE, .err = (its_err)
#define PROTECTION .signo = SIGSEGV, .code = SI_KERNEL, .trap = GENERAL
#define TRAP(its_signo, its_code, its_address, its_trap)                                           \
    .signo = (its_signo), .code = (its_code), .address = (its_address), .trap = (its_trap)

static const struct death deaths[] = {
    /* ---- near NULL ---- */
    {"SIGSEGV in queue_push",
     "near-NULL read at 0x18: looks like a field at offset 0x18 of a NULL pointer",
     SEGV(SEGV_MAPERR, 0x18, READ)},
    {NULL, "near-NULL read at 0x18: like a field at offset 0x18 of the NULL pointer in rdi",
     SEGV(SEGV_MAPERR, 0x18, READ), .code_bytes = {0, 0, 0x48, 0x8b, 0x47, 0x18}},
    {NULL, "near-NULL write at 0x0: the NULL pointer in rax", SEGV(SEGV_MAPERR, 0, WRITE),
     .code_bytes = {0, 0, 0xc7, 0x00, 1}},
    {NULL, "near-NULL write at 0x0: a NULL pointer", SEGV(SEGV_MAPERR, 0, WRITE)},
    {NULL, "near-NULL read at 0x28 through rdi + 8 * rcx with rdi = 0x0, rcx = 0x5",
     SEGV(SEGV_MAPERR, 0x28, READ), .regs = {[TB_RCX] = 5},
     .code_bytes = {0, 0, 0x48, 0x8b, 0x04, 0xcf}},
    {NULL, "near-NULL write at 0x8: the stack pointer is 0x10", SEGV(SEGV_MAPERR, 8, WRITE),
     .regs = {[TB_RSP] = 0x10}},
    /* an instruction that does not use the address says nothing */
    {NULL, "near-NULL read at 0x18: looks like a field at offset 0x18 of a NULL pointer",
     SEGV(SEGV_MAPERR, 0x18, READ), .regs = {[TB_RDI] = 0x5000},
     .code_bytes = {0, 0, 0x48, 0x8b, 0x07}},
    /* ---- unmapped ---- */
    {NULL, "read of unmapped memory at 0x7f0000001000", SEGV(SEGV_MAPERR, 0x7f0000001000, READ)},
    {NULL,
     "read of unmapped memory at 0x41414010 through rax + 0x10 with rax = 0x41414000, between "
     "feedd and the heap",
     SEGV(SEGV_MAPERR, 0x41414010, READ), .regs = {[TB_RAX] = 0x41414000},
     .code_bytes = {0, 0, 0x8b, 0x40, 0x10},
     .mappings = {{0x400000, 0x500000, R | X, "/usr/bin/feedd"},
                  {0x60000000, 0x60021000, R | W, "[heap]"}}},
    {NULL, "write of unmapped memory at 0x60021008, 0x8 bytes behind the heap",
     SEGV(SEGV_MAPERR, 0x60021008, WRITE),
     .mappings = {{0x60000000, 0x60021000, R | W, "[heap]"},
                  {0x7f0000000000, 0x7f0000001000, R, "/lib/libc.so.6"}}},
    {NULL, "read of unmapped memory at 0x6fffff00, 0x100 bytes before anonymous memory",
     SEGV(SEGV_MAPERR, 0x6fffff00, READ),
     .mappings = {{0x400000, 0x500000, R | X, "/usr/bin/feedd"},
                  {0x70000000, 0x70001000, R | W, NULL}}},
    {NULL, "read at 0x259a0: like a field at offset 0x259a0 of the NULL pointer in rdi",
     SEGV(SEGV_MAPERR, 0x259a0, READ), .code_bytes = {0, 0, 0x8b, 0x87, 0xa0, 0x59, 0x02, 0x00}},
    {NULL, "read at 0xffffffffffffce10: like a field at offset -0x31f0 of the NULL pointer in rdi",
     SEGV(SEGV_MAPERR, 0xffffffffffffce10, READ),
     .code_bytes = {0, 0, 0x8b, 0x87, 0x10, 0xce, 0xff, 0xff}},
    {NULL, "read of unmapped memory at 0x49000000 through rdi + 0x49000000 with rdi = 0x0",
     SEGV(SEGV_MAPERR, 0x49000000, READ), .code_bytes = {0, 0, 0x8b, 0x87, 0, 0, 0, 0x49}},
    {NULL, "read of an address of the kernel, 0xffffffff81000000",
     SEGV(SEGV_MAPERR, 0xffffffff81000000, READ)},
    {NULL, "read of unmapped memory at 0x7f0000100010, in libplug.so, which was unloaded",
     SEGV(SEGV_MAPERR, 0x7f0000100010, READ),
     .unloaded = {0x7f0000100000, 0x7f0000200000, 0, "/opt/feed/libplug.so"}},
    /* ---- rights ---- */
    {NULL, "write to read-only memory at 0x402000", SEGV(SEGV_ACCERR, 0x402000, WRITE)},
    {"SIGSEGV in queue_push", "write to read-only memory at 0x402000, in feedd (r--)",
     SEGV(SEGV_ACCERR, 0x402000, WRITE), .mappings = {{0x402000, 0x403000, R, "/usr/bin/feedd"}}},
    {NULL,
     "read of memory without any rights at 0x70001000: looks like a guard page, next to anonymous "
     "memory",
     SEGV(SEGV_ACCERR, 0x70001000, READ),
     .mappings = {{0x70000000, 0x70001000, R | W, NULL}, {0x70001000, 0x70002000, 0, NULL}}},
    {NULL, "read of memory without any rights at 0x70001000", SEGV(SEGV_ACCERR, 0x70001000, READ),
     .mappings = {{0x70001000, 0x70002000, 0, NULL}}},
    {NULL,
     "read of protected memory at 0x70001000, in anonymous memory (rw-), forbidden by a "
     "protection key",
     SEGV(SEGV_PKUERR, 0x70001000, READ), .mappings = {{0x70001000, 0x70002000, R | W, NULL}}},
    /* ---- jumps ---- */
    {NULL, "jump to unmapped address 0x0: looks like a call of a NULL function pointer",
     SEGV(SEGV_MAPERR, 0, FETCH)},
    {NULL, "jump to unmapped address 0xdead0", SEGV(SEGV_MAPERR, 0xdead0, FETCH),
     .regs = {[TB_RIP] = 0xdead0}},
    {NULL, "jump to 0x602000, which is not executable", SEGV(SEGV_ACCERR, 0x602000, FETCH),
     .regs = {[TB_RIP] = 0x602000}},
    {"SIGSEGV in call_data", "jump to 0x602010, which is not executable: feedd (rw-)",
     SEGV(SEGV_ACCERR, 0x602010, FETCH), .regs = {[TB_RIP] = 0x602010},
     .mappings = {{0x602000, 0x603000, R | W, "/usr/bin/feedd"}},
     .functions = "__data_start call_data main", .culprit = "__data_start"},
    {"SIGSEGV in patched", "jump to 0x401010, which is not executable: feedd (---)",
     SEGV(SEGV_ACCERR, 0x401010, FETCH), .regs = {[TB_RIP] = 0x401010},
     .mappings = {{0x401000, 0x402000, 0, "/usr/bin/feedd"}}, .functions = "patched main",
     .culprit = "patched"},
    {NULL, "jump to 0x7ffc00001010, which is not executable: the stack (rw-)",
     SEGV(SEGV_ACCERR, 0x7ffc00001010, FETCH),
     .regs = {[TB_RIP] = 0x7ffc00001010, [TB_RSP] = 0x7ffc00001000},
     .mappings = {{0x7ffc00000000, 0x7ffc00021000, R | W, NULL}}},
    {NULL,
     "jump to 0x7ffc00001010, which is not executable, next to the stack pointer: looks like the "
     "stack",
     SEGV(SEGV_ACCERR, 0x7ffc00001010, FETCH),
     .regs = {[TB_RIP] = 0x7ffc00001010, [TB_RSP] = 0x7ffc00001000}},
    {"SIGSEGV in unloaded libplug.so", "jump to 0x7f0000100010 in libplug.so, which was unloaded",
     SEGV(SEGV_MAPERR, 0x7f0000100010, FETCH), .regs = {[TB_RIP] = 0x7f0000100010},
     .unloaded = {0x7f0000100000, 0x7f0000200000, 0, "/opt/feed/libplug.so"}},
    /* the store is in the page that it writes to */
    {NULL, "write to read-only memory at 0x401000", SEGV(SEGV_ACCERR, CODE_AT, 7)},
    /* ---- stack overflow ---- */
    {"stack overflow in queue_push",
     "stack overflow: write at 0x7ffc00000ff8, next to the stack pointer 0x7ffc00001000",
     SEGV(SEGV_MAPERR, 0x7ffc00000ff8, WRITE), .regs = {[TB_RSP] = 0x7ffc00001000}},
    {NULL,
     "stack overflow: write at 0x7f1000000ff0, next to the stack pointer 0x7f1000000ff8, in memory "
     "without rights (a guard page)",
     SEGV(SEGV_ACCERR, 0x7f1000000ff0, WRITE), .regs = {[TB_RSP] = 0x7f1000000ff8},
     .mappings = {{0x7f1000000000, 0x7f1000001000, 0, NULL},
                  {0x7f1000001000, 0x7f1000802000, R | W, NULL}}},
    {"stack overflow in walk_tree",
     "stack overflow: write at 0x7ffc00000ff8, next to the stack pointer 0x7ffc00001000, 0x8 bytes "
     "before the stack, 20156 frames deep, walk_tree calls itself",
     SEGV(SEGV_MAPERR, 0x7ffc00000ff8, WRITE), .regs = {[TB_RSP] = 0x7ffc00001000},
     .mappings = {{0x7ffc00001000, 0x7ffc00801000, R | W, "[stack]"}}, .depth = 20156,
     .functions = "memset walk_tree walk_tree walk_tree walk_tree walk_tree walk_tree walk_tree",
     .culprit = "compare"},
    {"stack overflow in apply",
     "stack overflow: write at 0x7ffc00000ff8, next to the stack pointer 0x7ffc00001000, 9 frames "
     "deep, apply and eval call each other",
     SEGV(SEGV_MAPERR, 0x7ffc00000ff8, WRITE), .regs = {[TB_RSP] = 0x7ffc00001000}, .depth = 9,
     .functions = "eval apply eval apply eval apply eval apply eval", .culprit = "eval"},
    {"SIGSEGV in queue_push", "write to read-only memory at 0x7ffc00000ff8, in the stack (r--)",
     SEGV(SEGV_ACCERR, 0x7ffc00000ff8, WRITE), .regs = {[TB_RSP] = 0x7ffc00001000},
     .mappings = {{0x7ffc00000000, 0x7ffc00021000, R, "[stack]"}}},
    {"SIGSEGV in queue_push", "write of unmapped memory at 0x7ffc00000000",
     SEGV(SEGV_MAPERR, 0x7ffc00000000, WRITE), .regs = {[TB_RSP] = 0x7ffc00020000}},
    /* ---- general protection ---- */
    {"SIGSEGV in queue_push",
     "read of a non-canonical address, 0x4141414141414149, through rax + 0x8 with rax = "
     "0x4141414141414141",
     PROTECTION, .regs = {[TB_RAX] = 0x4141414141414141},
     .code_bytes = {0, 0, 0x48, 0x8b, 0x40, 0x08}},
    {NULL, "call of a non-canonical address: rdx = 0x4141414141414141", PROTECTION,
     .regs = {[TB_RDX] = 0x4141414141414141}, .code_bytes = {0, 0, 0xff, 0xd2}},
    {NULL,
     "indirect call through the pointer at [rax + 0x8] with rax = 0x602000: it looks like a "
     "non-canonical address",
     PROTECTION, .regs = {[TB_RAX] = 0x602000}, .code_bytes = {0, 0, 0xff, 0x50, 0x08}},
    {NULL,
     "indirect jump through a pointer at a fixed place: it looks like a non-canonical address",
     PROTECTION, .code_bytes = {0, 0, 0xff, 0x25, 0x10, 0x20, 0x00, 0x00}},
    {NULL,
     "return to the non-canonical address 0x4141414141414141: looks like the return address on the "
     "stack was overwritten",
     PROTECTION, .regs = {[TB_RSP] = STACK_AT + 16 * 8}, .code_bytes = {0, 0, 0xc3},
     .stack = {[16] = 0x4141414141414141}},
    {NULL,
     "general protection fault, of which the kernel tells no address; looks like access to a "
     "non-canonical address: registers hold rax = 0x4141414141414141",
     PROTECTION, .regs = {[TB_RAX] = 0x4141414141414141}},
    {NULL, "general protection fault, of which the kernel tells no address", PROTECTION,
     .code_bytes = {0, 0, 0x8b, 0x07}},
    {"privileged instruction in queue_push", "privileged instruction: hlt", PROTECTION,
     .code_bytes = {0, 0, 0xf4}},
    {NULL,
     "privileged instruction: hlt, which abort() comes to when its signal did not end the "
     "process",
     PROTECTION, .code_bytes = {0, 0, 0xf4}, .functions = "__GI_abort main"},
    {NULL, "software interrupt that programs may not raise: int 0x29", PROTECTION,
     .code_bytes = {0, 0, 0xcd, 0x29}},
    {NULL, "rdtsc, which is forbidden here (by prctl PR_SET_TSC, or by the kernel)", PROTECTION,
     .code_bytes = {0, 0, 0x0f, 0x31}},
    {NULL, "misaligned read of 16 bytes at 0x1001: this vector instruction needs a multiple of 16",
     PROTECTION, .regs = {[TB_RAX] = 0x1001}, .code_bytes = {0, 0, 0x0f, 0x28, 0x00}},
    /* ---- SIGBUS ---- */
    {"SIGBUS in queue_push",
     "read beyond the end of a mapped file, or a disk error, at 0x7f0000002000",
     BUS(BUS_ADRERR, 0x7f0000002000, READ)},
    {NULL, "write beyond the end of queue.db, or a disk error, at 0x7f0000002000",
     BUS(BUS_ADRERR, 0x7f0000002000, WRITE),
     .mappings = {{0x7f0000002000, 0x7f0000003000, R | W, "/var/lib/feed/queue.db"}}},
    {NULL, "misaligned access at 0x1001, where the program asks for checks (AC flag)",
     TRAP(SIGBUS, BUS_ADRALN, 0x1001, 17)},
    {NULL,
     "access to a non-canonical address through the stack or frame pointer: rbp = "
     "0x4141414141414141",
     TRAP(SIGBUS, SI_KERNEL, 0, 12), .regs = {[TB_RBP] = 0x4141414141414141}},
    {NULL, "the memory at 0x7f0000002000 has a hardware fault",
     BUS(BUS_MCEERR_AR, 0x7f0000002000, READ)},
    /* ---- arithmetic ---- */
    {"SIGFPE in queue_push", "integer division by zero", TRAP(SIGFPE, FPE_INTDIV, CODE_AT, 0),
     .regs = {[TB_RAX] = 100}, .code_bytes = {0, 0, 0xf7, 0xf9}},
    {NULL, "integer division by zero", TRAP(SIGFPE, FPE_INTDIV, CODE_AT, 0),
     .regs = {[TB_RAX] = 100}, .code_bytes = {0, 0, 0xf7, 0x3d, 0x10, 0, 0, 0}},
    {NULL, "integer overflow: INT_MIN divided by -1", TRAP(SIGFPE, FPE_INTDIV, CODE_AT, 0),
     .regs = {[TB_RAX] = 0x80000000, [TB_RDX] = 0xffffffff, [TB_RCX] = 0xffffffff},
     .code_bytes = {0, 0, 0xf7, 0xf9}},
    {NULL, "integer division of INT_MIN, by zero or by -1", TRAP(SIGFPE, FPE_INTDIV, CODE_AT, 0),
     .regs = {[TB_RAX] = 0x80000000, [TB_RDX] = 0xffffffff},
     .code_bytes = {0, 0, 0xf7, 0x3d, 0x10, 0, 0, 0}},
    {NULL, "integer overflow: INT64_MIN divided by -1", TRAP(SIGFPE, FPE_INTDIV, CODE_AT, 0),
     .regs = {[TB_RAX] = 1ull << 63, [TB_RDX] = UINT64_MAX, [TB_RCX] = UINT64_MAX},
     .code_bytes = {0, 0, 0x48, 0xf7, 0xf9}},
    {NULL, "integer division whose quotient does not fit", TRAP(SIGFPE, FPE_INTDIV, CODE_AT, 0),
     .regs = {[TB_RAX] = 1, [TB_RDX] = 7, [TB_RCX] = 2}, .code_bytes = {0, 0, 0xf7, 0xf1}},
    {NULL, "integer division by zero, or a quotient that does not fit",
     TRAP(SIGFPE, FPE_INTDIV, CODE_AT, 0)},
    {NULL, "floating-point division by zero, which the program had made a trap",
     TRAP(SIGFPE, FPE_FLTDIV, 0, 0)},
    /* ---- instructions ---- */
    {"SIGILL in queue_push",
     "illegal instruction ud2 (0f 0b): compilers put it where code must not come, as for "
     "__builtin_trap",
     TRAP(SIGILL, ILL_ILLOPN, CODE_AT, 6), .code_bytes = {0, 0, 0x0f, 0x0b}},
    {NULL,
     "illegal instruction (bytes 62 f1 7c 48 10 00 90 90): looks like an AVX instruction that this "
     "processor or kernel does not have",
     TRAP(SIGILL, ILL_ILLOPN, CODE_AT, 6),
     .code_bytes = {0, 0, 0x62, 0xf1, 0x7c, 0x48, 0x10, 0x00, 0x90, 0x90}},
    {NULL, "illegal instruction (bytes 06 90 90 90 90 90 90 90)",
     TRAP(SIGILL, ILL_ILLOPN, CODE_AT, 6),
     .code_bytes = {0, 0, 0x06, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90}},
    {NULL, "illegal instruction", TRAP(SIGILL, ILL_ILLOPN, CODE_AT, 6)},
    {"SIGTRAP in queue_push", "breakpoint instruction int3, and no debugger",
     TRAP(SIGTRAP, SI_KERNEL, 0, 3), .code_bytes = {0x90, 0xcc, 0x90}},
    {NULL, "breakpoint instruction int1", TRAP(SIGTRAP, TRAP_BRKPT, 0, 1),
     .code_bytes = {0x90, 0xf1, 0x90}},
    {NULL, "breakpoint instruction", TRAP(SIGTRAP, SI_KERNEL, 0, 3)},
    {NULL, "trace trap: single step, the trap flag is set", TRAP(SIGTRAP, TRAP_TRACE, 0, 1),
     .regs = {[TB_EFL] = 0x100}},
    {NULL, "hardware breakpoint or watchpoint", TRAP(SIGTRAP, TRAP_HWBKPT, 0, 1)},
    {"signal 42 in queue_push", "signal 42 by the kernel, code 3", TRAP(42, 3, 0, 0)},
};

static void every_death_has_its_sentence_and_title(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(deaths) / sizeof(deaths[0]); i++) {
        struct scene scene;
        char meaning[TB_MEANING_BYTES];
        char title[TB_TITLE_BYTES];
        make_scene(&deaths[i], &scene);
        tb_why_meaning(&scene.why, meaning);
        tb_why_title(&scene.why, title);
        assert_string_equal(meaning, deaths[i].says);
        if (deaths[i].title != NULL)
            assert_string_equal(title, deaths[i].title);
    }
}

static void a_library_that_came_in_its_place_is_not_unloaded(void **state)
{
    const struct death death = {
        .signo = SIGSEGV,
        .code = SEGV_MAPERR,
        .address = 8,
        .trap = PAGE,
        .err = READ,
        .regs = {[TB_RIP] = 0x7f0000100010},
        .unloaded = {0x7f0000100000, 0x7f0000200000, 0, "/opt/feed/libold.so"}};
    struct tb_module module = {.lo = 0x7f0000100000, .hi = 0x7f0000200000, .path = "/l/libnew.so"};
    const struct tb_process process = {.modules = &module, .n_modules = 1};
    struct scene scene;
    char meaning[TB_MEANING_BYTES];
    (void)state;
    make_scene(&death, &scene);
    tb_why_meaning(&scene.why, meaning);
    assert_non_null(strstr(meaning, ", in code of libold.so, which was unloaded"));
    scene.why.process = &process;
    tb_why_meaning(&scene.why, meaning);
    assert_null(strstr(meaning, "libold.so"));
}

static void a_library_that_the_record_keeps_is_unloaded_still(void **state)
{
    const struct death death = {
        SEGV(SEGV_MAPERR, 0x7f0000100010, FETCH), .regs = {[TB_RIP] = 0x7f0000100010},
        .unloaded = {0x7f0000100000, 0x7f0000200000, 0, "/opt/feed/libplug.so"}};
    struct tb_module module = {
        .lo = 0x7f0000100000, .hi = 0x7f0000200000, .path = "/opt/feed/libplug.so"};
    const struct tb_process process = {.modules = &module, .n_modules = 1};
    struct scene scene;
    char meaning[TB_MEANING_BYTES];
    (void)state;
    make_scene(&death, &scene);
    scene.why.process = &process;
    tb_why_meaning(&scene.why, meaning);
    assert_string_equal(meaning, "jump to 0x7f0000100010 in libplug.so, which was unloaded");
}

static void callers_in_an_unloaded_library_are_told(void **state)
{
    const struct death death = {
        SEGV(SEGV_MAPERR, 0x18, READ),
        .unloaded = {0x7f0000100000, 0x7f0000200000, 0, "/opt/feed/libplug.so"}};
    struct tb_crash_frame frames[] = {{.ip = CODE_AT}, {.ip = 0x7f0000100010, .trust = 3}};
    struct scene scene;
    char meaning[TB_MEANING_BYTES];
    char title[TB_TITLE_BYTES];
    (void)state;
    make_scene(&death, &scene);
    scene.crash.frames = frames;
    scene.crash.n_frames = 2;
    tb_why_meaning(&scene.why, meaning);
    assert_null(strstr(meaning, "unloaded")); /* found by a scan: nobody knows */
    frames[1].trust = 1;
    tb_why_meaning(&scene.why, meaning);
    assert_non_null(strstr(meaning, "; it was called by code of libplug.so, which was unloaded"));
    tb_why_title(&scene.why, title);
    assert_string_equal(title, "SIGSEGV in queue_push");
}

static void titles_hold_no_address(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(deaths) / sizeof(deaths[0]); i++) {
        struct scene scene;
        char title[TB_TITLE_BYTES];
        make_scene(&deaths[i], &scene);
        tb_why_title(&scene.why, title);
        assert_null(strstr(title, "0x"));
    }
}

static void without_frames_there_is_a_title(void **state)
{
    const struct death death = {.signo = SIGSEGV, .code = SEGV_MAPERR, .address = 8, .trap = PAGE};
    struct scene scene;
    char title[TB_TITLE_BYTES];
    (void)state;
    make_scene(&death, &scene);
    scene.why.stack = NULL;
    scene.why.culprit = NULL;
    tb_why_title(&scene.why, title);
    assert_string_equal(title, "SIGSEGV");
}

/* Every signal, code and trap, with registers and places that make no sense. */
static void any_crash_has_a_sentence(void **state)
{
    static const uint64_t values[] = {0, 1, 8, 0x401000, 0x7ffc00001000, 1ull << 63, UINT64_MAX};
    unsigned x = 1;
    (void)state;
    for (int i = 0; i < 200000; i++) {
        struct death death = {.signo = i % 32 + 1, .code = i % 40 - 8, .culprit = "f"};
        struct scene scene;
        char meaning[TB_MEANING_BYTES];
        char title[TB_TITLE_BYTES];
        x = x * 1664525u + 1013904223u;
        for (size_t r = 0; r < TB_N_NAMED_REGS; r++)
            death.regs[r] = values[(x >> (r % 24)) % 7];
        memset(death.code_bytes, (int)(x >> 12), sizeof(death.code_bytes));
        death.address = values[(x >> 5) % 7];
        death.trap = (x >> 9) % 16;
        death.err = (x >> 13) % 32;
        death.mappings[0] =
            (struct place){death.address & ~4095ull, UINT64_MAX, (x >> 3) % 8, "/x/y"};
        make_scene(&death, &scene);
        tb_why_meaning(&scene.why, meaning);
        tb_why_title(&scene.why, title);
        assert_true(meaning[0] != '\0' && title[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_death_has_its_sentence_and_title),
        cmocka_unit_test(a_library_that_came_in_its_place_is_not_unloaded),
        cmocka_unit_test(a_library_that_the_record_keeps_is_unloaded_still),
        cmocka_unit_test(callers_in_an_unloaded_library_are_told),
        cmocka_unit_test(titles_hold_no_address),
        cmocka_unit_test(without_frames_there_is_a_title),
        cmocka_unit_test(any_crash_has_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
