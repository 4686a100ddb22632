#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "capture/modules/rowcache.h"

static void row_comes_back_as_it_was_put(void **state)
{
    (void)state;
    static const struct tb_unwind_row rows[] = {{TB_ROW_STD, 0, 16, 0, 0},
                                                {TB_ROW_STD, 1, 16, 1, -16},
                                                {TB_ROW_STD, 0, 268435448, 1, -8388608},
                                                {TB_ROW_STD, 0, -16777208, 1, 8388607},
                                                {TB_ROW_SIGNAL, 0, 0, 0, 0},
                                                {TB_ROW_END, 0, 0, 0, 0},
                                                {TB_ROW_OTHER, 0, 0, 0, 0}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tb_unwind_row out;
        uint64_t pc = 0x7f0000001000 + i;
        memset(&out, 0x55, sizeof(out));
        assert_int_equal(tb_rowcache_get(1, pc, &out), -EAGAIN);
        tb_rowcache_put(1, pc, &rows[i]);
        assert_int_equal(tb_rowcache_get(1, pc, &out), 0);
        assert_memory_equal(&out, &rows[i], sizeof(out));
    }
}

static void missing_row_is_known_to_be_missing(void **state)
{
    (void)state;
    struct tb_unwind_row out;
    tb_rowcache_put(1, 0x7f0000002000, NULL);
    assert_int_equal(tb_rowcache_get(1, 0x7f0000002000, &out), -ENOENT);
}

static void row_of_another_generation_is_a_miss(void **state)
{
    (void)state;
    const struct tb_unwind_row row = {TB_ROW_STD, 0, 16, 0, 0};
    struct tb_unwind_row out;
    tb_rowcache_put(3, 0x7f0000003000, &row);
    assert_int_equal(tb_rowcache_get(2, 0x7f0000003000, &out), -EAGAIN);
    assert_int_equal(tb_rowcache_get(4, 0x7f0000003000, &out), -EAGAIN);
    assert_int_equal(tb_rowcache_get(3, 0x7f0000003000, &out), 0);
}

static void address_of_no_program_and_odd_row_are_not_kept(void **state)
{
    (void)state;
    const struct tb_unwind_row row = {TB_ROW_STD, 0, 16, 0, 0};
    const struct tb_unwind_row odd = {TB_ROW_STD, 0, 16, 1, 8388608};
    struct tb_unwind_row out;
    tb_rowcache_put(1, 0x4141414141414141, &row);
    assert_int_equal(tb_rowcache_get(1, 0x4141414141414141, &out), -EAGAIN);
    tb_rowcache_put(1, 0x7f0000004000, &odd);
    assert_int_equal(tb_rowcache_get(1, 0x7f0000004000, &out), -EAGAIN);
    assert_int_equal(tb_rowcache_get(0, 0, &out), -EAGAIN);
}

/* Addresses that have the same place in the cache. */
static void find_rivals(uint64_t *pcs, size_t n)
{
    uint64_t pc = 0x7e0000000000;
    unsigned home = tb_rowcache_home(pc);
    for (size_t i = 0; i < n; pc++) {
        if (tb_rowcache_home(pc) == home)
            pcs[i++] = pc;
    }
}

static size_t count_kept(uint64_t generation, const uint64_t *pcs, size_t n)
{
    size_t n_kept = 0;
    for (size_t i = 0; i < n; i++) {
        struct tb_unwind_row out;
        int is_kept = tb_rowcache_get(generation, pcs[i], &out) == 0;
        assert_true(!is_kept || out.cfa_offset == (int32_t)i);
        n_kept += (size_t)is_kept;
    }
    return n_kept;
}

static void four_rows_that_want_one_place_are_kept(void **state)
{
    enum { N = 12, KEPT = 4 };
    uint64_t pcs[N];
    (void)state;
    find_rivals(pcs, N);
    for (size_t i = 0; i < N; i++) {
        const struct tb_unwind_row row = {TB_ROW_STD, 0, (int32_t)i, 0, 0};
        tb_rowcache_put(21, pcs[i], &row);
        assert_int_equal(count_kept(21, pcs, i + 1), i < KEPT ? i + 1 : KEPT);
    }
    /* Rows of another generation make room first. */
    for (size_t i = 0; i < KEPT; i++) {
        const struct tb_unwind_row row = {TB_ROW_STD, 0, (int32_t)i, 0, 0};
        tb_rowcache_put(22, pcs[i], &row);
        assert_int_equal(count_kept(22, pcs, N), i + 1);
        assert_int_equal(count_kept(21, pcs, N), KEPT - 1 - i);
    }
}

/* Each pc has a row that follows from it; many of them share entries, and threads write them all
 * the time. */
static struct tb_unwind_row row_of(uint64_t pc)
{
    return (struct tb_unwind_row){TB_ROW_STD, (int)(pc & 1), (int32_t)(pc % 100000) * 8, 1,
                                  -(int32_t)(pc % 1000) * 8};
}

static void *hammer(void *arg)
{
    uint64_t *n_wrong = arg;
    for (uint64_t i = 0; i < 2000000; i++) {
        uint64_t pc = 0x560000000000 + i * 2654435761u % 20000;
        struct tb_unwind_row out;
        struct tb_unwind_row right = row_of(pc);
        if (tb_rowcache_get(9, pc, &out) == 0)
            *n_wrong += memcmp(&out, &right, sizeof(out)) != 0;
        else
            tb_rowcache_put(9, pc, &right);
    }
    return NULL;
}

static void threads_that_race_never_find_a_wrong_row(void **state)
{
    (void)state;
    pthread_t threads[3];
    uint64_t n_wrong[3] = {0};
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &n_wrong[i]), 0);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(n_wrong[i], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_comes_back_as_it_was_put),
        cmocka_unit_test(missing_row_is_known_to_be_missing),
        cmocka_unit_test(row_of_another_generation_is_a_miss),
        cmocka_unit_test(address_of_no_program_and_odd_row_are_not_kept),
        cmocka_unit_test(four_rows_that_want_one_place_are_kept),
        cmocka_unit_test(threads_that_race_never_find_a_wrong_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
