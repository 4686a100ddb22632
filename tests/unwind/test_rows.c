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

static void rows_of_a_whole_library_do_not_grow_memory(void **state)
{
    struct tb_unwind_row row;
    uint64_t from = (uint64_t)(uintptr_t)qsort;
    size_t n_std = 0;
    (void)state;
    for (uint64_t pc = from; pc < from + 20000; pc++)
        n_std += tb_rows_make(&live.source, pc, &row) == 0 && row.kind == TB_ROW_STD;
    assert_true(n_std > 15000);
    long before = live_resident_pages();
    for (int round = 0; round < 5; round++) {
        for (uint64_t pc = from; pc < from + 20000; pc++)
            (void)tb_rows_make(&live.source, pc, &row);
    }
    assert_true(live_resident_pages() - before < 64);
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
        cmocka_unit_test(step_agrees_with_the_row),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
