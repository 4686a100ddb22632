/* test_walk.c - the walk: over made-up memory, and out of real faults of this process. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <cmocka.h>

#include "live.h"

/* ---- made-up memory: 64 words of stack, and code that is all calls ---- */

enum { STACK_AT = 0x7000, STACK_WORDS = 64, CODE_AT = 0x100000, CODE_BYTES = 4096, FRAMES = 32 };

struct fake {
    uint64_t stack[STACK_WORDS];
    uint8_t code[CODE_BYTES];
    struct tb_unwind_row row; /* of all code; kind 0: none */
    size_t n_reads;
};

static int fake_read(void *arg, uint64_t address, void *out, size_t len)
{
    struct fake *f = arg;
    f->n_reads++;
    if (address >= STACK_AT && address + len <= STACK_AT + sizeof(f->stack)) {
        memcpy(out, (const char *)f->stack + (address - STACK_AT), len);
        return 0;
    }
    if (address >= CODE_AT && address + len <= CODE_AT + CODE_BYTES) {
        memcpy(out, f->code + (address - CODE_AT), len);
        return 0;
    }
    return -EFAULT;
}

static int fake_row(void *arg, uint64_t pc, struct tb_unwind_row *out)
{
    const struct fake *f = arg;
    (void)pc;
    *out = f->row;
    return f->row.kind ? 0 : -ENOENT;
}

static int fake_is_code(void *arg, uint64_t address)
{
    (void)arg;
    return address >= CODE_AT && address < CODE_AT + CODE_BYTES;
}

static size_t walk_fake(struct fake *f, struct tb_unwind_regs regs, struct tb_unwind_frame *frames,
                        size_t max, int *cut)
{
    const struct tb_unwind_ops ops = {f, fake_read, fake_row, NULL, fake_is_code, NULL, NULL};
    return tb_unwind_walk(&ops, regs, 1, frames, max, cut);
}

static uint64_t stack_address(size_t word)
{
    return STACK_AT + word * 8;
}

#if defined(__x86_64__)
/* A return address behind "call *%rax" at an offset into the code. */
static uint64_t call_at(struct fake *f, size_t offset)
{
    f->code[offset - 2] = 0xff;
    f->code[offset - 1] = 0xd0;
    return CODE_AT + offset;
}

static uint64_t direct_call_at(struct fake *f, size_t offset, size_t target)
{
    int32_t distance = (int32_t)target - (int32_t)offset;
    f->code[offset - 5] = 0xe8;
    memcpy(f->code + offset - 4, &distance, 4);
    return CODE_AT + offset;
}

static void frame_pointers_are_followed_where_there_are_no_rows(void **state)
{
    struct fake f = {0};
    struct tb_unwind_frame frames[FRAMES];
    int cut = 0;
    (void)state;
    f.stack[4] = stack_address(8);
    f.stack[5] = call_at(&f, 200);
    f.stack[8] = stack_address(20);
    f.stack[9] = call_at(&f, 300);
    f.stack[20] = 0;
    f.stack[21] = call_at(&f, 400);
    struct tb_unwind_regs regs = {CODE_AT + 100, stack_address(4), stack_address(4)};
    assert_int_equal(walk_fake(&f, regs, frames, FRAMES, &cut), 4);
    assert_int_equal(frames[0].trust, TB_TRUST_CONTEXT);
    assert_int_equal(frames[1].ip, CODE_AT + 200);
    assert_int_equal(frames[1].trust, TB_TRUST_FP);
    assert_int_equal(frames[1].sp, stack_address(6));
    assert_int_equal(frames[2].ip, CODE_AT + 300);
    assert_int_equal(frames[3].ip, CODE_AT + 400);
    assert_int_equal(cut, 0);
}

static void full_list_says_that_it_is_cut(void **state)
{
    struct fake f = {0};
    struct tb_unwind_frame frames[FRAMES];
    int cut = 0;
    (void)state;
    f.row = (struct tb_unwind_row){.kind = TB_ROW_STD, .cfa_offset = 8};
    for (size_t i = 0; i < STACK_WORDS; i++)
        f.stack[i] = call_at(&f, 500);
    struct tb_unwind_regs regs = {CODE_AT + 100, STACK_AT, 0};
    assert_int_equal(walk_fake(&f, regs, frames, 10, &cut), 10);
    assert_int_equal(cut, 1);
    assert_int_equal(frames[9].trust, TB_TRUST_CFI);
}

static void walk_that_was_cut_goes_on_where_it_ended(void **state)
{
    struct fake f = {0};
    const struct tb_unwind_ops ops = {&f, fake_read, fake_row, NULL, fake_is_code, NULL, NULL};
    struct tb_unwind_frame at_once[FRAMES];
    struct tb_unwind_frame frames[FRAMES];
    (void)state;
    f.row = (struct tb_unwind_row){.kind = TB_ROW_STD, .cfa_offset = 8};
    for (size_t i = 0; i < 12; i++)
        f.stack[i] = call_at(&f, 400 + 10 * (int)i);
    struct tb_unwind_regs regs = {CODE_AT + 100, STACK_AT, 0};
    assert_int_equal(walk_fake(&f, regs, at_once, FRAMES, NULL), 13);
    for (size_t lot = 1; lot < 14; lot++) {
        struct tb_unwind_place place = tb_unwind_start(regs, 1);
        size_t n = 0;
        int cut = 1;
        while (cut) {
            cut = 0;
            n += tb_unwind_walk_on(&ops, &place, frames + n, lot, &cut);
        }
        assert_int_equal(n, 13);
        assert_memory_equal(frames, at_once, n * sizeof(frames[0]));
    }
}

static int was_code_beside(void *arg, uint64_t address)
{
    (void)arg;
    return address >= CODE_AT + CODE_BYTES && address < CODE_AT + 2 * CODE_BYTES;
}

/* There are no rows for it any more: beyond it the frame pointer helps. */
static void frame_in_a_module_that_was_unloaded_is_kept(void **state)
{
    struct fake f = {0};
    struct tb_unwind_ops ops = {&f, fake_read, fake_row, NULL, fake_is_code, was_code_beside, NULL};
    struct tb_unwind_frame frames[FRAMES];
    (void)state;
    f.row = (struct tb_unwind_row){.kind = TB_ROW_STD, .cfa_offset = 8};
    f.stack[0] = CODE_AT + CODE_BYTES + 50;
    f.stack[4] = 0;
    f.stack[5] = call_at(&f, 200);
    const struct tb_unwind_regs regs = {CODE_AT + 100, STACK_AT, stack_address(4)};
    size_t n = tb_unwind_walk(&ops, regs, 1, frames, FRAMES, NULL);
    assert_true(n >= 2);
    assert_true(frames[1].ip == CODE_AT + CODE_BYTES + 50);
    assert_int_equal(frames[1].trust, TB_TRUST_CFI);
    ops.was_code = NULL;
    n = tb_unwind_walk(&ops, regs, 1, frames, FRAMES, NULL);
    assert_true(n >= 2);
    assert_true(frames[1].ip == CODE_AT + 200);
    assert_int_equal(frames[1].trust, TB_TRUST_FP);
}

static void walk_that_meets_its_end_with_the_last_slot_is_not_cut(void **state)
{
    struct fake f = {0};
    struct tb_unwind_frame frames[FRAMES];
    int cut = 0;
    (void)state;
    f.row = (struct tb_unwind_row){.kind = TB_ROW_STD, .cfa_offset = 8};
    f.stack[0] = call_at(&f, 500);
    f.stack[1] = 0; /* outermost */
    struct tb_unwind_regs regs = {CODE_AT + 100, STACK_AT, 0};
    assert_int_equal(walk_fake(&f, regs, frames, 2, &cut), 2);
    assert_int_equal(cut, 0);
}

static void frame_that_leads_to_itself_ends_the_walk(void **state)
{
    struct fake f = {0};
    struct tb_unwind_frame frames[FRAMES];
    (void)state;
    f.stack[8] = stack_address(8);
    f.stack[9] = call_at(&f, 200);
    struct tb_unwind_regs regs = {CODE_AT + 100, stack_address(8), stack_address(8)};
    assert_int_equal(walk_fake(&f, regs, frames, FRAMES, NULL), 2);
    f.row = (struct tb_unwind_row){.kind = TB_ROW_STD, .cfa_from_bp = 1, .cfa_offset = -8};
    size_t n = walk_fake(&f, regs, frames, FRAMES, NULL);
    assert_true(n <= 2);
    assert_true(f.n_reads < 5000);
}

static void scan_takes_a_call_that_led_here_before_what_is_left_over(void **state)
{
    struct fake f = {0};
    struct tb_unwind_frame frames[FRAMES];
    (void)state;
    f.stack[2] = direct_call_at(&f, 1000, 3000); /* called another function, long ago */
    f.stack[3] = CODE_AT + 700;                  /* in code, but behind no call */
    f.stack[5] = direct_call_at(&f, 2000, 90);
    struct tb_unwind_regs regs = {CODE_AT + 100, stack_address(0), stack_address(20)};
    assert_true(walk_fake(&f, regs, frames, FRAMES, NULL) >= 2);
    assert_int_equal(frames[1].ip, CODE_AT + 2000);
    assert_int_equal(frames[1].sp, stack_address(6));
    assert_int_equal(frames[1].trust, TB_TRUST_SCAN);
}

/* A stub of the linker, "jmp *(%rip)", can have led anywhere: so a call of one comes second. */
static void scan_takes_a_call_of_here_before_one_of_a_stub(void **state)
{
    struct fake f = {0};
    struct tb_unwind_frame frames[FRAMES];
    (void)state;
    f.code[900] = 0xff;
    f.code[901] = 0x25;
    f.stack[2] = direct_call_at(&f, 700, 900);
    f.stack[5] = direct_call_at(&f, 800, 80);
    struct tb_unwind_regs regs = {CODE_AT + 100, STACK_AT, 0};
    assert_true(walk_fake(&f, regs, frames, FRAMES, NULL) >= 2);
    assert_int_equal(frames[1].ip, CODE_AT + 800);
    f.stack[5] = 0;
    assert_true(walk_fake(&f, regs, frames, FRAMES, NULL) >= 2);
    assert_int_equal(frames[1].ip, CODE_AT + 700);
}

/* A direct call leads to code that the linker knew. */
static void scan_from_code_made_at_run_time_takes_an_indirect_call(void **state)
{
    struct fake f = {0};
    struct tb_unwind_frame frames[FRAMES];
    (void)state;
    f.stack[2] = direct_call_at(&f, 700, 80);
    f.stack[5] = call_at(&f, 800);
    struct tb_unwind_regs regs = {stack_address(60), STACK_AT, 0};
    assert_true(walk_fake(&f, regs, frames, FRAMES, NULL) >= 2);
    assert_int_equal(frames[1].ip, CODE_AT + 800);
}

static void every_form_of_call_is_known(void **state)
{
    static const struct {
        uint8_t bytes[7];
        size_t len;
        bool is_call;
    } forms[] = {
        {{0xff, 0xd0}, 2, true},                               /* call *%rax */
        {{0x41, 0xff, 0xd4}, 3, true},                         /* call *%r12 */
        {{0xff, 0x10}, 2, true},                               /* call *(%rax) */
        {{0xff, 0x50, 0x08}, 3, true},                         /* call *8(%rax) */
        {{0xff, 0x14, 0xc3}, 3, true},                         /* call *(%rbx,%rax,8) */
        {{0xff, 0x54, 0x24, 0x08}, 4, true},                   /* call *8(%rsp) */
        {{0xff, 0x15, 0x10, 0x20, 0x00, 0x00}, 6, true},       /* call *0x2010(%rip) */
        {{0xff, 0x90, 0x10, 0x20, 0x00, 0x00}, 6, true},       /* call *0x2010(%rax) */
        {{0xff, 0x94, 0xc3, 0x10, 0x20, 0x00, 0x00}, 7, true}, /* call *0x2010(%rbx,%rax,8) */
        {{0xff, 0xe0}, 2, false},                              /* jmp *%rax */
        {{0x48, 0x89, 0xe5}, 3, false},                        /* mov %rsp,%rbp */
        {{0xe8, 0x00, 0x00, 0x00, 0x40}, 5, false},            /* call of what is no code */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct fake f = {0};
        struct tb_unwind_frame frames[FRAMES];
        memcpy(f.code + 500 - forms[i].len, forms[i].bytes, forms[i].len);
        f.stack[0] = CODE_AT + 500;
        struct tb_unwind_regs regs = {CODE_AT + 100, STACK_AT, 0};
        assert_int_equal(walk_fake(&f, regs, frames, FRAMES, NULL), forms[i].is_call ? 2 : 1);
    }
}

/* ---- real faults ---- */

static struct live live;
static struct tb_unwind_frame found[FRAMES];
static size_t n_found;
static sigjmp_buf after_fault;
static void *truth[3]; /* return addresses of the three callers */
static volatile int sink;
static volatile uintptr_t zero;

static void on_fault(int signo, siginfo_t *info, void *context)
{
    (void)signo;
    (void)info;
    n_found = tb_unwind_walk(&live.ops, live_regs(context), 1, found, FRAMES, NULL);
    siglongjmp(after_fault, 1);
}

__attribute__((noinline)) static void caller_a(void (*fault)(void))
{
    truth[0] = __builtin_return_address(0);
    fault();
    sink = 1;
}

__attribute__((noinline)) static void caller_b(void (*fault)(void))
{
    truth[1] = __builtin_return_address(0);
    caller_a(fault);
    sink = 2;
}

__attribute__((noinline)) static void caller_c(void (*fault)(void))
{
    truth[2] = __builtin_return_address(0);
    caller_b(fault);
    sink = 3;
}

/* Calls fault three functions down and unwinds from what it does. */
static void unwind_from(void (*fault)(void))
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL};
    for (size_t i = 0; i < 3; i++)
        sigaction(signals[i], &action, NULL);
    n_found = 0;
    if (sigsetjmp(after_fault, 1) == 0)
        caller_c(fault);
    assert_true(n_found > 0);
    for (size_t i = 0; i < 3; i++)
        (void)signal(signals[i], SIG_DFL);
}

/* The three callers, and nothing between them. Returns the place of the first. */
static size_t expect_callers(void)
{
    size_t at = 0;
    while (at < n_found && found[at].ip != (uint64_t)(uintptr_t)truth[0])
        at++;
    assert_true(at > 0 && at + 3 < n_found);
    assert_int_equal(found[at + 1].ip, (uint64_t)(uintptr_t)truth[1]);
    assert_int_equal(found[at + 2].ip, (uint64_t)(uintptr_t)truth[2]);
    uint64_t in_a = found[at - 1].ip - (uint64_t)(uintptr_t)caller_a;
    assert_true(in_a > 0 && in_a < 256);
    return at - 1;
}

/* Functions whose frames are odd on purpose. */
void no_cfi_no_fp(void);
void no_cfi_with_fp(void);
void ruined_bp(void);
void overwritten_return(void);
void realigned(void);
__asm__(".text\n"
        ".globl no_cfi_no_fp, no_cfi_with_fp, ruined_bp, overwritten_return, realigned\n"
        "no_cfi_no_fp:\n"
        "  sub $40, %rsp\n"
        "  movl $0, 0\n"
        "no_cfi_with_fp:\n"
        "  push %rbp\n"
        "  mov %rsp, %rbp\n"
        "  sub $32, %rsp\n"
        "  movq $0, (%rsp)\n"
        "  movq $0, 8(%rsp)\n"
        "  movq $0, 16(%rsp)\n"
        "  movq $0, 24(%rsp)\n"
        "  movl $0, 0\n"
        "ruined_bp:\n"
        "  .cfi_startproc\n"
        "  push %rbp\n"
        "  .cfi_def_cfa_offset 16\n"
        "  .cfi_offset %rbp, -16\n"
        "  mov %rsp, %rbp\n"
        "  .cfi_def_cfa_register %rbp\n"
        "  movq $0x41414141, %rbp\n"
        "  movl $0, 0\n"
        "  .cfi_endproc\n"
        "overwritten_return:\n"
        "  .cfi_startproc\n"
        "  movabs $0x4141414141414141, %rax\n"
        "  mov %rax, (%rsp)\n"
        "  ret\n"
        "  .cfi_endproc\n"
        "realigned:\n" /* cfa is in memory, at -8(%rbp): no row can say that */
        "  .cfi_startproc\n"
        "  lea 8(%rsp), %r10\n"
        "  .cfi_def_cfa %r10, 0\n"
        "  and $-32, %rsp\n"
        "  push -8(%r10)\n"
        "  push %rbp\n"
        "  mov %rsp, %rbp\n"
        "  .cfi_escape 0x10, 0x6, 0x2, 0x76, 0\n"
        "  push %r10\n"
        "  .cfi_escape 0xf, 0x3, 0x76, 0x78, 0x6\n"
        "  movl $0, 0\n"
        "  .cfi_endproc\n");

static void call_null(void)
{
    void (*nothing)(void) = (void (*)(void))zero;
    nothing();
    sink = 4;
}

static void call_unmapped(void)
{
    void (*volatile nowhere)(void) = (void (*)(void))(uintptr_t)0x10000;
    nowhere();
    sink = 5;
}

static void write_null(void)
{
    __asm__ volatile("movl $1, 0" ::: "memory"); /* where no sanitizer looks */
}

static int set_up(void **state)
{
    (void)state;
    live_init(&live);
    return tb_rows_load();
}

static void fault_has_its_callers_by_unwind_data(void **state)
{
    (void)state;
    unwind_from(write_null);
    assert_int_equal(expect_callers(), 1);
    assert_int_equal(found[0].trust, TB_TRUST_CONTEXT);
    for (size_t i = 1; i < n_found; i++)
        assert_int_equal(found[i].trust, TB_TRUST_CFI);
}

static void call_of_null_keeps_the_caller(void **state)
{
    (void)state;
    unwind_from(call_null);
    assert_int_equal(found[0].ip, 0);
    assert_int_equal(expect_callers(), 2);
    unwind_from(call_unmapped);
    assert_int_equal(found[0].ip, 0x10000);
    assert_int_equal(expect_callers(), 2);
}

static void null_handed_to_a_caller_keeps_it(void **state)
{
    (void)state;
    unwind_from((void (*)(void))zero);
    assert_int_equal(expect_callers(), 1);
}

static void code_without_unwind_data_is_scanned_over(void **state)
{
    (void)state;
    unwind_from(no_cfi_no_fp);
    assert_int_equal(expect_callers(), 1);
    assert_int_equal(found[1].trust, TB_TRUST_SCAN);
    assert_int_equal(found[2].trust, TB_TRUST_CFI);
}

static void code_without_unwind_data_but_a_frame_pointer_is_left_by_it(void **state)
{
    (void)state;
    unwind_from(no_cfi_with_fp);
    assert_int_equal(expect_callers(), 1);
    assert_int_equal(found[1].trust, TB_TRUST_FP);
}

static void ruined_base_pointer_costs_no_caller(void **state)
{
    (void)state;
    unwind_from(ruined_bp);
    assert_int_equal(expect_callers(), 1);
    assert_int_equal(found[1].trust, TB_TRUST_SCAN);
}

static void overwritten_return_address_costs_one_caller(void **state)
{
    (void)state;
    unwind_from(overwritten_return);
    assert_true(n_found > 2);
    size_t at = 0;
    while (at < n_found && found[at].ip != (uint64_t)(uintptr_t)truth[1])
        at++;
    assert_true(at < n_found);
    for (size_t i = 0; i < n_found; i++)
        assert_true(found[i].ip != 0x4141414141414141);
}

static void frame_that_no_row_can_say_is_stepped_by_libunwind(void **state)
{
    struct tb_unwind_row row;
    (void)state;
    unwind_from(realigned);
    assert_int_equal(tb_rows_make(&live.source, found[0].ip, &row), 0);
    assert_int_equal(row.kind, TB_ROW_OTHER);
    assert_int_equal(expect_callers(), 1);
    assert_int_equal(found[1].trust, TB_TRUST_CFI);
}

static void code_made_at_run_time_is_scanned_over(void **state)
{
    static const uint8_t code[] = {
        0x48, 0x83, 0xec, 0x28,                                          /* sub $40, %rsp */
        0xc7, 0x04, 0x25, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00 /* movl $0, 0 */
    };
    void (*run)(void);
    (void)state;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(page != MAP_FAILED);
    memcpy(page, code, sizeof(code));
    assert_int_equal(mprotect(page, 4096, PROT_READ | PROT_EXEC), 0);
    memcpy(&run, &page, sizeof(run));
    unwind_from(run);
    assert_int_equal(expect_callers(), 1);
    assert_int_equal(found[1].trust, TB_TRUST_SCAN);
    munmap(page, 4096);
}

static void on_user_signal(int signo)
{
    (void)signo;
    write_null();
}

static void raise_and_fault(void)
{
    raise(SIGUSR1);
    sink = 6;
}

static void fault_in_a_signal_handler_reaches_what_was_interrupted(void **state)
{
    size_t n_signal = 0;
    static char stack[65536];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction action = {.sa_handler = on_user_signal, .sa_flags = SA_ONSTACK};
    (void)state;
    sigaltstack(&alternate, NULL);
    sigaction(SIGUSR1, &action, NULL);
    unwind_from(raise_and_fault);
    (void)expect_callers();
    for (size_t i = 1; i < n_found; i++) {
        n_signal += found[i].is_signal != 0;
        assert_int_equal(found[i].trust, found[i].is_signal ? TB_TRUST_CONTEXT : TB_TRUST_CFI);
    }
    assert_int_equal(n_signal, 1);
    alternate.ss_flags = SS_DISABLE;
    sigaltstack(&alternate, NULL);
}

static void walk_without_libunwind_ends_without_harm(void **state)
{
    (void)state;
    live.use_rows = 0;
    unwind_from(write_null);
    live.use_rows = 1;
    assert_true(n_found >= 2); /* a scan finds somebody at least */
    for (size_t i = 1; i < n_found; i++)
        assert_true(found[i].trust == TB_TRUST_FP || found[i].trust == TB_TRUST_SCAN);
}
#endif

int main(void)
{
#if defined(__x86_64__)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frame_pointers_are_followed_where_there_are_no_rows),
        cmocka_unit_test(full_list_says_that_it_is_cut),
        cmocka_unit_test(walk_that_was_cut_goes_on_where_it_ended),
        cmocka_unit_test(walk_that_meets_its_end_with_the_last_slot_is_not_cut),
        cmocka_unit_test(frame_in_a_module_that_was_unloaded_is_kept),
        cmocka_unit_test(frame_that_leads_to_itself_ends_the_walk),
        cmocka_unit_test(scan_takes_a_call_that_led_here_before_what_is_left_over),
        cmocka_unit_test(scan_takes_a_call_of_here_before_one_of_a_stub),
        cmocka_unit_test(scan_from_code_made_at_run_time_takes_an_indirect_call),
        cmocka_unit_test(every_form_of_call_is_known),
        cmocka_unit_test(fault_has_its_callers_by_unwind_data),
        cmocka_unit_test(call_of_null_keeps_the_caller),
        cmocka_unit_test(null_handed_to_a_caller_keeps_it),
        cmocka_unit_test(code_without_unwind_data_is_scanned_over),
        cmocka_unit_test(code_without_unwind_data_but_a_frame_pointer_is_left_by_it),
        cmocka_unit_test(ruined_base_pointer_costs_no_caller),
        cmocka_unit_test(overwritten_return_address_costs_one_caller),
        cmocka_unit_test(frame_that_no_row_can_say_is_stepped_by_libunwind),
        cmocka_unit_test(code_made_at_run_time_is_scanned_over),
        cmocka_unit_test(fault_in_a_signal_handler_reaches_what_was_interrupted),
        cmocka_unit_test(walk_without_libunwind_ends_without_harm),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
#else
    return 0;
#endif
}
