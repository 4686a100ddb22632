/* test_rows.c - rows of libunwind over this very process, compared with its own stepping. */
#include <errno.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>
#include <execinfo.h>
#include <cmocka.h>

#include "live.h"
#include "unwind/rows.h"

static struct live live;

static int set_up(void **state)
{
    (void)state;
    live_init(&live);
    return tb_rows_load();
}

static void loading_leaves_errno_alone(void **state)
{
    (void)state;
    errno = 4711;
    assert_int_equal(tb_rows_load(), 0);
    assert_int_equal(errno, 4711);
}

static void address_without_module_has_no_row(void **state)
{
    struct tb_unwind_row row;
    (void)state;
    errno = 4711;
    assert_int_equal(tb_rows_make(&live.source, 16, &row), -ENOENT);
    assert_int_equal(tb_rows_make(&live.source, (uint64_t)(uintptr_t)&row, &row), -ENOENT);
    assert_int_equal(errno, 4711);
}

static void first_instruction_of_a_function_has_its_caller_at_sp(void **state)
{
    struct tb_unwind_row row;
    (void)state;
    assert_int_equal(tb_rows_make(&live.source, (uint64_t)(uintptr_t)qsort, &row), 0);
    assert_int_equal(row.kind, TB_ROW_STD);
    assert_false(row.cfa_from_bp);
    assert_int_equal(row.cfa_offset, 8);
    assert_false(row.bp_saved);
}

static struct tb_unwind_frame frames[64];
static size_t n_frames;
static void *peers[64];
static int n_peers;

/* Both stacks as seen from one place: the same callers, but for the first. */
static int compare(const void *a, const void *b)
{
    if (n_frames == 0) {
        ucontext_t here;
        getcontext(&here);
        n_frames = tb_unwind_walk(&live.ops, live_regs(&here), 1, frames, 64, NULL);
        n_peers = backtrace(peers, 64);
    }
    return *(const int *)a - *(const int *)b;
}

static void walk_agrees_with_the_backtrace_of_libc(void **state)
{
    int numbers[] = {3, 1, 2, 9, 4};
    (void)state;
    n_frames = 0;
    qsort(numbers, 5, sizeof(numbers[0]), compare);
    assert_true(n_frames > 6);
    /* From the outermost on: a sanitizer puts a frame of its own before the innermost. */
    for (size_t i = 1; i < n_frames; i++) {
        assert_int_equal(frames[n_frames - i].ip, (uint64_t)(uintptr_t)peers[n_peers - (int)i]);
        assert_int_equal(frames[n_frames - i].trust, TB_TRUST_CFI);
        assert_true(frames[n_frames - i].sp > frames[n_frames - i - 1].sp);
    }
    assert_true(n_peers - (int)n_frames <= 1);
}

enum { LIBRARY_BYTES = 40000, STRIDE = 37 }; /* a prime: all places in a function are met */

/* One row in STRIDE: each costs system calls of the test's own. What a row leaves behind is caught
 * from 32 bytes on. */
static size_t make_rows_of_library(void)
{
    struct tb_unwind_row row;
    uint64_t from = (uint64_t)(uintptr_t)qsort;
    size_t n_std = 0;
    for (uint64_t pc = from; pc < from + LIBRARY_BYTES; pc += STRIDE)
        n_std += tb_rows_make(&live.source, pc, &row) == 0 && row.kind == TB_ROW_STD;
    return n_std;
}

static void rows_of_a_whole_library_do_not_grow_memory(void **state)
{
    (void)state;
    assert_true(make_rows_of_library() > LIBRARY_BYTES / STRIDE * 3 / 4);
    long before = live_resident_pages();
    for (int round = 0; round < 8; round++)
        (void)make_rows_of_library();
    assert_true(live_resident_pages() - before < 64);
}

/* libunwind keeps what it has read of the function before, unless it is let go on. */
static void address_between_functions_leaves_nothing_behind(void **state)
{
    enum { TIMES = 4000 };
    struct tb_unwind_row row;
    uint64_t pc = (uint64_t)(uintptr_t)qsort;
    (void)state;
    while (tb_rows_make(&live.source, pc, &row) != -ENOENT)
        pc++;
    long before = live_resident_pages();
    for (int i = 0; i < TIMES; i++)
        assert_int_equal(tb_rows_make(&live.source, pc, &row), -ENOENT);
    assert_true(live_resident_pages() - before < 32);
}

/* Reads of module memory that a row may cost: a crash handler makes them in a broken process. */
static size_t n_module_reads;

static int count_read(void *arg, uint64_t address, void *out, size_t len)
{
    n_module_reads++;
    return live_read(arg, address, out, len);
}

static void a_row_costs_few_reads(void **state)
{
    const struct tb_rows_source counted = {&live, live_module, count_read};
    struct tb_unwind_row row;
    (void)state;
    n_module_reads = 0;
    assert_int_equal(tb_rows_make(&counted, (uint64_t)(uintptr_t)qsort, &row), 0);
    assert_in_range(n_module_reads, 1, 64);
}

static void step_agrees_with_the_row(void **state)
{
    ucontext_t here;
    struct tb_unwind_row row;
    (void)state;
    getcontext(&here);
    struct tb_unwind_regs regs = live_regs(&here);
    n_frames = tb_unwind_walk(&live.ops, regs, 1, frames, 64, NULL);
    assert_int_equal(tb_rows_make(&live.source, regs.ip, &row), 0);
    errno = 4711;
    assert_int_equal(tb_rows_step(&live.source, live_read, regs.ip, &regs), 0);
    assert_int_equal(errno, 4711);
    assert_int_equal(regs.ip, frames[1].ip);
    assert_int_equal(regs.sp, frames[1].sp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loading_leaves_errno_alone),
        cmocka_unit_test(address_without_module_has_no_row),
        cmocka_unit_test(first_instruction_of_a_function_has_its_caller_at_sp),
        cmocka_unit_test(walk_agrees_with_the_backtrace_of_libc),
        cmocka_unit_test(rows_of_a_whole_library_do_not_grow_memory),
        cmocka_unit_test(address_between_functions_leaves_nothing_behind),
        cmocka_unit_test(a_row_costs_few_reads),
        cmocka_unit_test(step_agrees_with_the_row),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
