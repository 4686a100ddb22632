/* test_tables.c - what an index is made of while it is made: lists, maps, texts, and their order.
 */
#include "../support.h"
#include "symbol/index/sort.h"
#include "symbol/index/strings.h"

enum { N = 20000 };

static uint32_t at_of(const void *item)
{
    return ((const struct tb_symbol_call *)item)->at;
}

static uint32_t random_number(void)
{
    static uint64_t state = UINT64_C(88172645463325252);
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 16);
}

/* mask: which bits of the keys are used. */
static void expect_sorted(uint32_t mask)
{
    struct tb_symbol_list list = {0};
    uint64_t sum = 0;
    for (uint32_t i = 0; i < N; i++) {
        struct tb_symbol_call *call = tb_symbol_list_add(&list, sizeof(*call));
        assert_non_null(call);
        *call = (struct tb_symbol_call){.at = random_number() & mask, .name = i};
        sum += call->at;
    }
    assert_int_equal(tb_symbol_sort(&list, sizeof(struct tb_symbol_call), at_of), 0);
    assert_int_equal(list.n, N);
    const struct tb_symbol_call *calls = list.items;
    for (uint32_t i = 0; i < N; i++) {
        sum -= calls[i].at;
        if (i > 0 && calls[i - 1].at == calls[i].at)
            assert_true(calls[i - 1].name < calls[i].name); /* as they came */
        if (i > 0)
            assert_true(calls[i - 1].at <= calls[i].at);
    }
    assert_int_equal(sum, 0);
    free(list.items);
}

static void items_that_are_equal_keep_their_order(void **state)
{
    (void)state;
    expect_sorted(UINT32_MAX);
    expect_sorted(0xff);
    expect_sorted(0xffc00000);
    expect_sorted(0x80000001);
    expect_sorted(0);
}

static void each_text_is_kept_once(void **state)
{
    struct tb_symbol_strings strings = {0};
    static uint32_t offsets[N];
    uint32_t offset;
    char text[32];
    (void)state;
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < N; i++) {
            (void)snprintf(text, sizeof(text), "text %u", i);
            assert_int_equal(tb_symbol_strings_add(&strings, text, &offset), 0);
            assert_true(offset > 0);
            if (round > 0)
                assert_int_equal(offset, offsets[i]);
            offsets[i] = offset;
        }
    }
    for (uint32_t i = 0; i < N; i++) {
        (void)snprintf(text, sizeof(text), "text %u", i);
        assert_string_equal(strings.bytes + offsets[i], text);
    }
    assert_int_equal(tb_symbol_strings_add(&strings, "", &offset), 0);
    assert_int_equal(offset, 0);
    assert_int_equal(tb_symbol_strings_add(&strings, NULL, &offset), 0);
    assert_int_equal(offset, 0);
    assert_int_equal(strings.bytes[0], 0);
    tb_symbol_strings_done(&strings);
}

static void map_keeps_what_was_put_there(void **state)
{
    struct tb_symbol_map map = {0};
    (void)state;
    for (uint64_t i = 1; i <= N; i++) {
        uint32_t *value = tb_symbol_map_at(&map, i << 40 | 1);
        assert_non_null(value);
        assert_int_equal(*value, 0);
        *value = (uint32_t)i;
    }
    for (uint64_t i = 1; i <= N; i++)
        assert_int_equal(*tb_symbol_map_at(&map, i << 40 | 1), i);
    assert_int_equal(map.n, N);
    tb_symbol_map_done(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_that_are_equal_keep_their_order),
        cmocka_unit_test(each_text_is_kept_once),
        cmocka_unit_test(map_keeps_what_was_put_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
