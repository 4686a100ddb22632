/* What is counted has a name, and each status that refuses an item counts as something. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "agent/serve/counts.h"

static void every_input_and_reason_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < TB_N_INPUTS; i++)
        for (int k = 0; k < i; k++)
            assert_string_not_equal(tb_input_name(i), tb_input_name(k));
    for (int i = 0; i < TB_N_REFUSALS; i++)
        for (int k = 0; k < i; k++)
            assert_string_not_equal(tb_refusal_name(i), tb_refusal_name(k));
}

static void what_refuses_an_item_counts_as_something(void **state)
{
    static const int refusals[] = {400, 401, 403, 408, 413, 415, 417, 422, 429, 431, 501, 503};
    static const int others[] = {200, 303, 404, 405, 500};
    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        assert_true(tb_refusal_of(refusals[i]) < TB_N_REFUSALS);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_int_equal(tb_refusal_of(others[i]), TB_N_REFUSALS);
    assert_string_equal(tb_refusal_name(tb_refusal_of(429)), "rate");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_input_and_reason_has_a_name_of_its_own),
        cmocka_unit_test(what_refuses_an_item_counts_as_something),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
