#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void sequences_have_the_length_of_rfc_3629(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len, want;
    } rows[] = {
        {"a", 1, 1},
        {"\0", 1, 1},
        {"\x7f", 1, 1},
        {"\xc2\x80", 2, 2},
        {"\xdf\xbf", 2, 2},
        {"\xe0\xa0\x80", 3, 3},
        {"\xed\x9f\xbf", 3, 3},
        {"\xee\x80\x80", 3, 3},
        {"\xf0\x90\x80\x80", 4, 4},
        {"\xf4\x8f\xbf\xbf", 4, 4},
        {"", 0, 0},
        {"\x80", 1, 0},             /* begins in the middle */
        {"\xc1\xbf", 2, 0},         /* overlong */
        {"\xe0\x9f\xbf", 3, 0},     /* overlong */
        {"\xf0\x8f\xbf\xbf", 4, 0}, /* overlong */
        {"\xed\xa0\x80", 3, 0},     /* a surrogate */
        {"\xf4\x90\x80\x80", 4, 0}, /* beyond the last character */
        {"\xf5\x80\x80\x80", 4, 0},
        {"\xc3", 1, 0},
        {"\xe2\x82", 2, 0},
        {"\xf0\x9f\x98", 3, 0},
        {"\xe2\x82\x41", 3, 0},
        {"\xff", 1, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(tb_utf8_len(rows[i].text, rows[i].len), rows[i].want);
}

static void a_cut_never_splits_a_character(void **state)
{
    (void)state;
    static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
    static const size_t want[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        assert_int_equal(tb_utf8_cut(text, strlen(text), i), want[i]);
}

static void what_is_no_text_is_cut_anywhere(void **state)
{
    (void)state;
    static const char text[] = "\x80\x80\x80\x80\x80\x80\xff\xff";
    for (size_t i = 0; i <= 8; i++)
        assert_int_equal(tb_utf8_cut(text, 8, i), i);
}

static void a_sequence_is_a_character(void **state)
{
    (void)state;
    assert_int_equal(tb_utf8_code("a", 1), 'a');
    assert_int_equal(tb_utf8_code("\xc3\xa9", 2), 0xe9);
    assert_int_equal(tb_utf8_code("\xe2\x82\xac", 3), 0x20ac);
    assert_int_equal(tb_utf8_code("\xf4\x8f\xbf\xbf", 4), 0x10ffff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequences_have_the_length_of_rfc_3629),
        cmocka_unit_test(a_cut_never_splits_a_character),
        cmocka_unit_test(what_is_no_text_is_cut_anywhere),
        cmocka_unit_test(a_sequence_is_a_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
