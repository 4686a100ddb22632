/* test_print.c - text that is safe for a terminal, ages, ids, JSON paths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/print.h"

static void control_characters_never_reach_the_terminal(void **state)
{
    char out[64];
    (void)state;
    assert_string_equal(tb_print_clean("a\x1b[31mb\n\tc\x7f", out, sizeof(out)), "a?[31mb??c?");
    /* U+009B is an escape of its own; U+00A0 and a euro sign are not. */
    assert_string_equal(tb_print_clean("\xc2\x9b"
                                       "1m\xc2\xa0\xe2\x82\xac",
                                       out, sizeof(out)),
                        "?1m\xc2\xa0\xe2\x82\xac");
    assert_string_equal(tb_print_clean(NULL, out, sizeof(out)), "");
}

static void long_text_is_cut_between_characters(void **state)
{
    char out[12];
    (void)state;
    assert_string_equal(tb_print_clean("0123456789a", out, sizeof(out)), "0123456789a");
    assert_string_equal(tb_print_clean("0123456789ab", out, sizeof(out)), "01234567...");
    assert_string_equal(tb_print_clean("0123456\xe2\x82\xac\xe2\x82\xac", out, sizeof(out)),
                        "0123456...");
    for (size_t cap = 1; cap < sizeof(out); cap++) {
        memset(out, '!', sizeof(out));
        assert_true(strlen(tb_print_clean("0123456789abcdef", out, cap)) < cap);
    }
}

static void ages_read_as_people_say_them(void **state)
{
    char out[TB_AGE_TEXT];
    (void)state;
    static const struct {
        int64_t s;
        const char *want;
    } cases[] = {{0, "now"},        {1, "1 s ago"},         {119, "119 s ago"}, {120, "2 min ago"},
                 {7200, "2 h ago"}, {172800, "2 days ago"}, {-60, "now"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(tb_print_age(1790000000000, 1790000000000 - cases[i].s * 1000, out),
                            cases[i].want);
    assert_string_equal(tb_print_age(1790000000000, 0, out), "never");
}

static void stamps_are_in_utc(void **state)
{
    char out[TB_STAMP_TEXT];
    (void)state;
    assert_string_equal(tb_print_stamp(1790000000000, out), "2026-09-21 14:13:20 UTC");
    assert_string_equal(tb_print_stamp(0, out), "unknown");
    assert_string_equal(tb_print_stamp(INT64_MAX, out), "unknown");
}

static void paths_find_values(void **state)
{
    (void)state;
    cJSON *json = cJSON_Parse("{\"a\":{\"b\":{\"c\":\"deep\"},\"n\":1}}");
    assert_string_equal(tb_json_text(json, "a.b.c"), "deep");
    assert_string_equal(tb_json_text(json, "a.n"), "");
    assert_string_equal(tb_json_text(json, "a.x.c"), "");
    assert_string_equal(tb_json_text(NULL, "a"), "");
    assert_null(tb_json_at(json, "b"));
    cJSON_Delete(json);
}

static void there_are_no_colours_without_a_terminal(void **state)
{
    (void)state;
    /* The test's output may be one: NO_COLOR decides then. */
    setenv("NO_COLOR", "1", 1);
    assert_string_equal(tb_ink(TB_INK_RED), "");
}

static void the_frame_of_the_program_is_blamed(void **state)
{
    (void)state;
    cJSON *frames = cJSON_Parse("[{\"method\":\"main\"},{\"method\":\"give_up\",\"in_app\":true},"
                                "{\"method\":\"abort\",\"in_app\":false}]");
    assert_string_equal(tb_json_text(tb_print_blamed(frames, ""), "method"), "give_up");
    cJSON_Delete(frames);
    frames = cJSON_Parse("[{\"method\":\"_start\",\"in_app\":false},"
                         "{\"method\":\"abort\",\"in_app\":false}]");
    assert_string_equal(tb_json_text(tb_print_blamed(frames, ""), "method"), "abort");
    cJSON_Delete(frames);
    assert_null(tb_print_blamed(NULL, ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_characters_never_reach_the_terminal),
        cmocka_unit_test(long_text_is_cut_between_characters),
        cmocka_unit_test(ages_read_as_people_say_them),
        cmocka_unit_test(stamps_are_in_utc),
        cmocka_unit_test(paths_find_values),
        cmocka_unit_test(there_are_no_colours_without_a_terminal),
        cmocka_unit_test(the_frame_of_the_program_is_blamed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
