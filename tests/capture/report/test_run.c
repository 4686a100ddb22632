/* Quick steps find what the callbacks find: the same stack is walked with both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "capture/modules/rowcache.h"
#include "capture/report/run.h"
#include "capture/threads/stack.h"
#include "unwind/rows.h"

enum { FRAMES_MAX = 64, DEPTH = 30, ROOM_WORDS = 64, GENERATION = 77 };

static struct tb_stack stack;

static int prepare(void **state)
{
    static const struct tb_process about = {.exe = "/proc/self/exe"};
    (void)state;
    tb_stack_setup();
    return tb_rows_load() != 0 || tb_modules_load(&about) != 0;
}

/* ---- a real stack ---- */

struct walk {
    struct tb_unwind_frame frames[FRAMES_MAX];
    size_t n, max;
    int cut;
};

struct walks {
    struct walk callbacks, run;
};

static void walk(struct walk *walk, struct tb_unwind_regs here)
{
    memset(walk->frames, 0x55, sizeof(walk->frames));
    walk->cut = 0;
    walk->n = tb_stack_walk(&stack, here, 0, walk->frames, walk->max, &walk->cut);
}

__attribute__((noinline)) static int walk_both(struct walks *walks)
{
    struct tb_unwind_regs here = tb_stack_caller();
    struct tb_modules *modules = tb_modules_take();
    tb_stack_reset(&stack, modules); /* nothing may be loaded: no quick step */
    walk(&walks->callbacks, here);
    tb_stack_begin(&stack, modules, here.sp);
    walk(&walks->run, here);
    tb_modules_give(modules);
    return (int)walks->run.n;
}

__attribute__((noinline)) static int deeper(int depth, struct walks *walks)
{
    volatile int keep = depth; /* keeps the frame: no tail call */
    int n = depth > 0 ? deeper(depth - 1, walks) : walk_both(walks);
    return n + (keep < 0);
}

static void assert_same(const struct walks *walks)
{
    assert_int_equal(walks->run.n, walks->callbacks.n);
    assert_int_equal(walks->run.cut, walks->callbacks.cut);
    for (size_t i = 0; i < walks->run.n; i++) {
        assert_int_equal(walks->run.frames[i].ip, walks->callbacks.frames[i].ip);
        assert_int_equal(walks->run.frames[i].sp, walks->callbacks.frames[i].sp);
        assert_int_equal(walks->run.frames[i].trust, walks->callbacks.frames[i].trust);
        assert_int_equal(walks->run.frames[i].is_signal, walks->callbacks.frames[i].is_signal);
    }
}

static void whole_stack_is_the_same_by_both(void **state)
{
    static struct walks walks = {.callbacks.max = FRAMES_MAX, .run.max = FRAMES_MAX};
    (void)state;
    int n = deeper(DEPTH, &walks);
    assert_true(n > DEPTH && n < FRAMES_MAX);
    assert_same(&walks);
}

static void cut_stack_is_the_same_by_both(void **state)
{
    static struct walks walks = {.callbacks.max = DEPTH / 2, .run.max = DEPTH / 2};
    (void)state;
    assert_int_equal(deeper(DEPTH, &walks), DEPTH / 2);
    assert_int_equal(walks.run.cut, 1);
    assert_same(&walks);
}

/* ---- a made-up one: one module, all of whose code is at low..high ---- */

static uint64_t words[ROOM_WORDS];
static struct tb_module module = {.lo = 0x10000, .hi = 0x20000};
static struct tb_code code = {.low = 0x10000, .high = 0x20000};
static struct tb_modules modules = {.process.generation = GENERATION};

static uint64_t at(size_t i)
{
    return (uint64_t)(uintptr_t)&words[i];
}

static void make_stack(uint64_t ip, const struct tb_unwind_row *row)
{
    stack.modules = &modules;
    stack.last = &module;
    stack.last_code = &code;
    stack.last_is_late = 0;
    stack.memory.low = at(0);
    stack.memory.high = at(ROOM_WORDS);
    memset(words, 0, sizeof(words));
    if (row)
        tb_rowcache_put(GENERATION, ip - 1, row);
}

static size_t run_from(struct tb_unwind_regs *regs)
{
    struct tb_unwind_frame frames[FRAMES_MAX];
    return tb_run_steps(&stack, regs, frames, FRAMES_MAX);
}

static void step_moves_by_stack_pointer(void **state)
{
    static const struct tb_unwind_row row = {TB_ROW_STD, 0, 32, 1, -24};
    struct tb_unwind_regs regs = {.ip = 0x10101, .sp = at(4), .bp = 5};
    (void)state;
    make_stack(0x10101, &row);
    words[7] = 0x10202; /* which has no row: one step */
    words[5] = 99;
    assert_int_equal(run_from(&regs), 1);
    assert_int_equal(regs.ip, 0x10202);
    assert_int_equal(regs.sp, at(8));
    assert_int_equal(regs.bp, 99);
}

static void step_moves_by_frame_pointer(void **state)
{
    static const struct tb_unwind_row row = {TB_ROW_STD, 1, 16, 1, -16};
    struct tb_unwind_regs regs = {.ip = 0x10303, .sp = at(4), .bp = at(9)};
    (void)state;
    make_stack(0x10303, &row);
    words[9] = at(20);
    words[10] = 0x10404;
    assert_int_equal(run_from(&regs), 1);
    assert_int_equal(regs.ip, 0x10404);
    assert_int_equal(regs.sp, at(11));
    assert_int_equal(regs.bp, at(20));
}

/* Where a step may not be taken, regs stay as they were, for the callbacks to judge. */
static void no_step_is_taken_outside_of_what_is_known(void **state)
{
    static const struct tb_unwind_row by_bp = {TB_ROW_STD, 1, 16, 1, -16};
    static const struct tb_unwind_row by_sp = {TB_ROW_STD, 0, 32, 0, 0};
    static const struct tb_unwind_row bp_far = {TB_ROW_STD, 0, 32, 1, 8000};
    static const struct tb_unwind_row signal = {TB_ROW_SIGNAL, 0, 0, 0, 0};
    const struct {
        const struct tb_unwind_row *row;
        struct tb_unwind_regs regs;
        uint64_t return_address; /* at words[7] and words[10] */
    } cases[] = {
        {NULL, {0x11001, at(4), at(9)}, 0x10404},                /* no row */
        {&signal, {0x11002, at(4), at(9)}, 0x10404},             /* another kind */
        {&by_bp, {0x11003, at(4), 8}, 0x10404},                  /* bp is nowhere */
        {&by_bp, {0x11004, at(4), UINT64_MAX - 7}, 0x10404},     /* bp wraps around */
        {&by_bp, {0x11005, at(4), at(2)}, 0x10404},              /* bp below sp */
        {&by_bp, {0x11006, at(4), at(9) + 1}, 0x10404},          /* crooked */
        {&by_bp, {0x11007, at(4), at(ROOM_WORDS - 1)}, 0x10404}, /* half outside */
        {&by_sp, {0x11008, at(ROOM_WORDS - 3), at(9)}, 0x10404}, /* ends above */
        {&bp_far, {0x11009, at(4), at(9)}, 0x10404},             /* saved bp is outside */
        {&by_sp, {0x1100a, at(4), at(9)}, 0x20001},              /* into another module */
        {&by_sp, {0x1100b, at(4), at(9)}, 0},                    /* the end */
        {&by_sp, {0x30001, at(4), at(9)}, 0x10404},              /* not of this module */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tb_unwind_regs regs = cases[i].regs;
        make_stack(regs.ip, cases[i].row);
        words[7] = words[10] = cases[i].return_address;
        assert_int_equal(run_from(&regs), 0);
        assert_memory_equal(&regs, &cases[i].regs, sizeof(regs));
    }
}

static void no_step_is_taken_in_late_modules(void **state)
{
    static const struct tb_unwind_row row = {TB_ROW_STD, 0, 32, 0, 0};
    struct tb_unwind_regs regs = {.ip = 0x12001, .sp = at(4)};
    (void)state;
    make_stack(0x12001, &row);
    words[7] = 0x10404;
    stack.last_is_late = 1;
    assert_int_equal(run_from(&regs), 0);
    stack.last_is_late = 0;
    assert_int_equal(run_from(&regs), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_stack_is_the_same_by_both),
        cmocka_unit_test(cut_stack_is_the_same_by_both),
        cmocka_unit_test(step_moves_by_stack_pointer),
        cmocka_unit_test(step_moves_by_frame_pointer),
        cmocka_unit_test(no_step_is_taken_outside_of_what_is_known),
        cmocka_unit_test(no_step_is_taken_in_late_modules),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}
