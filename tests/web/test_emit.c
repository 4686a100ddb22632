/* test_emit.c - text into pages: nothing that came from a report can be more than text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "web/emit.h"

enum { OUT_MAX = 1 << 16 };

static void gives(char kind, const char *text, const char *expected)
{
    struct tb_buf out;
    char format[] = {'[', '%', kind, ']', '\0'};
    char whole[512];
    tb_buf_init(&out, OUT_MAX);
    tb_emit(&out, format, text);
    assert_int_equal(out.err, 0);
    (void)snprintf(whole, sizeof(whole), "[%s]", expected);
    assert_string_equal(tb_buf_str(&out), whole);
    tb_buf_done(&out);
}

static void markup_becomes_text(void **state)
{
    (void)state;
    gives('h', "<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;");
    gives('h', "a & b", "a &amp; b");
    gives('a', "\" onload='x'", "&quot; onload=&#39;x&#39;");
    gives('h', "plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80",
          "plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80");
    gives('h', NULL, "");
    gives('a', "", "");
}

static void control_characters_are_seen(void **state)
{
    (void)state;
    gives('h', "a\x1b[31mb", "a\xe2\x90\x9b[31mb");
    gives('h', "a\x7f", "a\xe2\x90\xa1");
    gives('h', "a\rb", "a b");
    gives('h', "a\n\tb", "a\n\tb");
    gives('a', "a\n\tb", "a&#10;&#9;b");
    gives('h', "\xc2\x9b", "\xef\xbf\xbd"); /* CSI as one character */
}

static void bytes_that_are_no_text_are_replaced(void **state)
{
    (void)state;
    gives('h', "\xff<", "\xef\xbf\xbd&lt;");
    gives('h', "\xc0\xbc", "\xef\xbf\xbd\xef\xbf\xbd"); /* an overlong '<' */
    gives('h', "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    gives('h', "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd");
}

static void marks_that_turn_text_are_spelled_out(void **state)
{
    (void)state;
    gives('h',
          "a\xe2\x80\xae"
          "b",
          "a[U+202E]b");
    gives('a', "\xe2\x81\xa6", "[U+2066]");
    gives('t', "\xe2\x80\x8b", "[U+200B]");
}

static void parts_of_urls_are_encoded(void **state)
{
    (void)state;
    gives('u', "a b/c?d&e\"<\xc3\xa4", "a%20b%2Fc%3Fd%26e%22%3C%C3%A4");
    gives('u', "AZaz09-._~", "AZaz09-._~");
    gives('u', "\n", "%0A");
}

static void a_line_of_text_stays_one_line(void **state)
{
    (void)state;
    gives('t', "a\nb\r\nc\td", "a b  c    d");
    gives('t', "\x1b]0;x\x07", "\xe2\x90\x9b]0;x\xe2\x90\x87");
    gives('t', "<b>", "<b>");
    gives('m', "<img src=x> [a](b) `c` *d* _e_\n# f",
          "\\<img src=x\\> \\[a\\](b) \\`c\\` \\*d\\* \\_e\\_ \\# f");
}

static void long_text_is_cut_between_characters(void **state)
{
    (void)state;
    struct tb_buf out;
    tb_buf_init(&out, OUT_MAX);
    tb_emit(&out, "%.4h|%.4h|%.9h", "abcdef", "abc\xc3\xa4xyz", "short");
    assert_string_equal(tb_buf_str(&out), "abcd\xe2\x80\xa6|abc\xe2\x80\xa6|short");
    tb_buf_done(&out);
}

static void numbers_are_written(void **state)
{
    (void)state;
    struct tb_buf out;
    tb_buf_init(&out, OUT_MAX);
    tb_emit(&out, "%d %l %n %n %n %n 100%% %r", -3, (int64_t)INT64_MAX, (int64_t)0, (int64_t)999,
            (int64_t)1234567, INT64_MIN, "<b>");
    assert_string_equal(tb_buf_str(&out), "-3 9223372036854775807 0 999 1,234,567 "
                                          "-9,223,372,036,854,775,808 100% <b>");
    tb_buf_done(&out);
}

static void an_unknown_directive_is_an_error(void **state)
{
    (void)state;
    struct tb_buf out;
    tb_buf_init(&out, OUT_MAX);
    tb_emit(&out, "%s", "x");
    assert_int_equal(out.err, -EINVAL);
    tb_buf_done(&out);
}

static void a_full_buffer_says_so_and_takes_no_more(void **state)
{
    (void)state;
    struct tb_buf out;
    tb_buf_init(&out, 8);
    tb_emit(&out, "%h%h", "<<<<<<", "more");
    assert_int_equal(out.err, -EMSGSIZE);
    assert_true(out.len <= 8);
    tb_buf_done(&out);
}

/* Every single byte and pair of bytes: what comes out has no markup of its own. */
static void no_two_bytes_make_markup(void **state)
{
    (void)state;
    struct tb_buf out;
    tb_buf_init(&out, OUT_MAX);
    for (unsigned a = 1; a < 256; a++)
        for (unsigned b = 0; b < 256; b++) {
            char text[] = {(char)a, (char)b, '\0'};
            tb_buf_reset(&out);
            tb_emit(&out, "%a", text);
            assert_null(strpbrk(tb_buf_str(&out), "<>\"'\n\r\t\x1b\x7f"));
        }
    tb_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(markup_becomes_text),
        cmocka_unit_test(control_characters_are_seen),
        cmocka_unit_test(bytes_that_are_no_text_are_replaced),
        cmocka_unit_test(marks_that_turn_text_are_spelled_out),
        cmocka_unit_test(parts_of_urls_are_encoded),
        cmocka_unit_test(a_line_of_text_stays_one_line),
        cmocka_unit_test(long_text_is_cut_between_characters),
        cmocka_unit_test(numbers_are_written),
        cmocka_unit_test(an_unknown_directive_is_an_error),
        cmocka_unit_test(a_full_buffer_says_so_and_takes_no_more),
        cmocka_unit_test(no_two_bytes_make_markup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
