#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "capture/text.h"

/* What a compiler would warn of is tested too, so it may not look. */
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wmissing-format-attribute"

static size_t format(char *out, size_t cap, const char *text, ...)
{
    va_list args;
    va_start(args, text);
    size_t len = tb_text_format(out, cap, text, args);
    va_end(args);
    return len;
}

/* Every cut of a text with characters of 1 to 4 bytes. */
static void cut_never_splits_a_character(void **state)
{
    (void)state;
    static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
    static const size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
    for (size_t cap = 1; cap <= sizeof(text) + 1; cap++) {
        char out[32];
        memset(out, 'X', sizeof(out));
        assert_int_equal(format(out, cap, "%s", text), expected[cap - 1]);
        assert_int_equal(strlen(out), expected[cap - 1]);
        assert_memory_equal(out, text, expected[cap - 1]);
        assert_int_equal(out[cap], 'X');
        memset(out, 'X', sizeof(out));
        assert_int_equal(tb_text_copy(out, cap, text), expected[cap - 1]);
        assert_int_equal(strlen(out), expected[cap - 1]);
        assert_int_equal(out[cap], 'X');
    }
}

static void null_is_text(void **state)
{
    (void)state;
    char out[32];
    assert_int_equal(tb_text_copy(out, sizeof(out), NULL), 0);
    assert_string_equal(out, "");
    (void)format(out, sizeof(out), NULL);
    assert_string_equal(out, "(no message)");
}

static void format_that_cannot_be_carried_out_stays_as_it_is(void **state)
{
    (void)state;
    char out[32];
    (void)format(out, sizeof(out), "wide %ls", L"\x20ac"); /* EILSEQ in the C locale */
    assert_string_equal(out, "wide %ls");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_never_splits_a_character),
        cmocka_unit_test(null_is_text),
        cmocka_unit_test(format_that_cannot_be_carried_out_stays_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
