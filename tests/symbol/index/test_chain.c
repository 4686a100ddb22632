/* test_chain.c - which functions were left by tail calls, from tables that are written by hand. */
#include "../support.h"
#include "symbol/index/index.h"

/* Offsets of the names in strings: a 1, b 3, c 5, d 7, e 9. */
static const char strings[] = "\0a\0b\0c\0d\0e";

enum { A = 1, B = 3, C = 5, D = 7, E = 9, UNKNOWN = 0 };

static size_t chain(const uint32_t *tails, uint32_t n, const char *from, const char *to,
                    struct tb_symbol_hop hops[TB_SYMBOL_HOPS_MAX])
{
    const struct tb_symbol_index index = {.base = 0x1000,
                                          .tails = (const uint8_t *)tails,
                                          .n_tails = n,
                                          .strings = strings,
                                          .strings_len = sizeof(strings)};
    return tb_symbol_index_chain(&index, from, to, hops);
}

static struct tb_symbol_hop hops[TB_SYMBOL_HOPS_MAX];

static void one_chain_is_told_innermost_first(void **state)
{
    static const uint32_t tails[] = {A, B, 0x10, B, C, 0x20, C, D, 0x30, D, E, 0x40};
    (void)state;
    assert_int_equal(chain(tails, 4, "a", "d", hops), 3);
    assert_int_equal(hops[0].at, 0x1030);
    assert_int_equal(hops[1].at, 0x1020);
    assert_int_equal(hops[2].at, 0x1010);
    assert_true(hops[0].is_only && hops[1].is_only && hops[2].is_only);
    assert_int_equal(chain(tails, 4, "c", "d", hops), 1);
    assert_int_equal(chain(tails, 4, "d", "a", hops), 0);
    assert_int_equal(chain(tails, 4, "b", "b", hops), 0);
    assert_int_equal(chain(tails, 4, "x", "d", hops), 0);
    assert_int_equal(chain(tails, 0, "a", "d", hops), 0);
}

static void several_jumps_to_the_same_function_are_one_chain(void **state)
{
    static const uint32_t tails[] = {A, B, 0x10, A, B, 0x18, B, C, 0x20};
    (void)state;
    assert_int_equal(chain(tails, 3, "a", "c", hops), 2);
    assert_true(hops[0].is_only);
    assert_false(hops[1].is_only);
}

static void function_that_leads_elsewhere_too_does_not_matter(void **state)
{
    static const uint32_t tails[] = {A, B, 0x10, A, E, 0x14, B, C, 0x20};
    (void)state;
    assert_int_equal(chain(tails, 3, "a", "c", hops), 2);
    assert_int_equal(chain(tails, 3, "a", "e", hops), 1);
}

static void second_chain_a_circle_and_the_unknown_are_doubt(void **state)
{
    static const uint32_t second[] = {A, B, 0x10, A, C, 0x14, B, C, 0x20};
    static const uint32_t circle[] = {A, B, 0x10, B, A, 0x20, B, C, 0x24};
    static const uint32_t unknown[] = {A, B, 0x10, B, C, 0x20, B, UNKNOWN, 0x24};
    static const uint32_t aside[] = {A, B, 0x10, A, C, 0x14, B, UNKNOWN, 0x24};
    (void)state;
    assert_int_equal(chain(second, 3, "a", "c", hops), 0);
    assert_int_equal(chain(circle, 3, "a", "c", hops), 0);
    assert_int_equal(chain(unknown, 3, "a", "c", hops), 0);
    assert_int_equal(chain(aside, 3, "a", "c", hops), 0);
}

/* What the target itself jumps to does not count. */
static void search_ends_at_the_target(void **state)
{
    static const uint32_t tails[] = {A, B, 0x10, B, UNKNOWN, 0x20};
    (void)state;
    assert_int_equal(chain(tails, 2, "a", "b", hops), 1);
}

static void chain_that_is_too_long_is_doubt(void **state)
{
    static char names[64] = "";
    static uint32_t tails[3 * (TB_SYMBOL_HOPS_MAX + 1)];
    (void)state;
    for (uint32_t i = 0; i <= TB_SYMBOL_HOPS_MAX + 1; i++)
        names[1 + 2 * i] = (char)('a' + i);
    for (uint32_t i = 0; i <= TB_SYMBOL_HOPS_MAX; i++) {
        tails[3 * i] = 1 + 2 * i;
        tails[3 * i + 1] = 3 + 2 * i;
        tails[3 * i + 2] = i;
    }
    const struct tb_symbol_index index = {.tails = (const uint8_t *)tails,
                                          .n_tails = TB_SYMBOL_HOPS_MAX + 1,
                                          .strings = names,
                                          .strings_len = sizeof(names)};
    assert_int_equal(tb_symbol_index_chain(&index, "b", "r", hops), TB_SYMBOL_HOPS_MAX);
    assert_int_equal(tb_symbol_index_chain(&index, "a", "r", hops), 0);
}

static void offsets_that_lead_nowhere_end_the_search(void **state)
{
    static const uint32_t tails[] = {A, UINT32_MAX, 0x10, UINT32_MAX, B, 0x20, B, 77, UINT32_MAX};
    (void)state;
    assert_int_equal(chain(tails, 3, "a", "b", hops), 0);
    assert_int_equal(chain(tails, 3, "b", "a", hops), 0);
}

/* Each function of many leads to all that come after it: there are 2^k chains. */
static void search_ends_soon(void **state)
{
    enum { N = 12 };
    static char names[2 * N + 2] = "";
    static uint32_t tails[3 * N * N];
    uint32_t n = 0;
    (void)state;
    for (uint32_t i = 0; i < N; i++) {
        names[1 + 2 * i] = (char)('a' + i);
        for (uint32_t k = i + 1; k < N; k++, n++) {
            tails[3 * n] = 1 + 2 * i;
            tails[3 * n + 1] = 1 + 2 * k;
        }
    }
    const struct tb_symbol_index index = {.tails = (const uint8_t *)tails,
                                          .n_tails = n,
                                          .strings = names,
                                          .strings_len = sizeof(names)};
    assert_int_equal(tb_symbol_index_chain(&index, "a", "z", hops), 0);
}

static void begin_of_a_way_is_told_as_far_as_it_is_certain(void **state)
{
    static const uint32_t tails[] = {A,    B, 0x10, B,    C, 0x20,    C,   D,
                                     0x30, C, E,    0x34, D, UNKNOWN, 0x40};
    const struct tb_symbol_index index = {.base = 0x1000,
                                          .tails = (const uint8_t *)tails,
                                          .n_tails = 5,
                                          .strings = strings,
                                          .strings_len = sizeof(strings)};
    (void)state;
    assert_int_equal(tb_symbol_index_begun(&index, "a", NULL, hops), 3);
    assert_int_equal(hops[0].at, 0x1030);
    assert_false(hops[0].is_only);
    assert_int_equal(hops[2].at, 0x1010);
    assert_true(hops[2].is_only);
    assert_int_equal(tb_symbol_index_begun(&index, "d", "b", hops), 1);
    assert_int_equal(tb_symbol_index_begun(&index, "a", "b", hops), 1);
    assert_int_equal(tb_symbol_index_begun(&index, "a", "a", hops), 0);
    assert_int_equal(tb_symbol_index_begun(&index, "e", "a", hops), 0);
}

static void begin_of_a_circle_is_told_once(void **state)
{
    static const uint32_t tails[] = {A, B, 0x10, B, A, 0x20};
    const struct tb_symbol_index index = {.tails = (const uint8_t *)tails,
                                          .n_tails = 2,
                                          .strings = strings,
                                          .strings_len = sizeof(strings)};
    (void)state;
    assert_int_equal(tb_symbol_index_begun(&index, "a", "c", hops), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_chain_is_told_innermost_first),
        cmocka_unit_test(several_jumps_to_the_same_function_are_one_chain),
        cmocka_unit_test(function_that_leads_elsewhere_too_does_not_matter),
        cmocka_unit_test(second_chain_a_circle_and_the_unknown_are_doubt),
        cmocka_unit_test(search_ends_at_the_target),
        cmocka_unit_test(chain_that_is_too_long_is_doubt),
        cmocka_unit_test(offsets_that_lead_nowhere_end_the_search),
        cmocka_unit_test(search_ends_soon),
        cmocka_unit_test(begin_of_a_way_is_told_as_far_as_it_is_certain),
        cmocka_unit_test(begin_of_a_circle_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
