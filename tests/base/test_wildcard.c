/* test_wildcard.c - what fits a pattern of X-Ray's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/wildcard.h"

static void patterns_fit_whole_texts_of_any_case(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool fits;
    } cases[] = {
        {"", "", true},
        {"", "a", false},
        {"a", "", false},
        {"*", "", true},
        {"*", "any thing", true},
        {"***", "", true},
        {"?", "", false},
        {"?", "a", true},
        {"?", "ab", false},
        {"Foo", "fOO", true},
        {"foo", "foobar", false},
        {"*bar", "foobarbar", true},
        {"*ba?", "foobarbaz", true},
        {"a*b*c", "aXbYbZc", true},
        {"a*b*c", "aXbYbZ", false},
        {"4567-*.gitpod.io*", "x4567-x-y.ws-us93.gitpod.io", false},
        {"*4567-*.gitpod.io*", "4567-x-y.ws.gitpod.io", true},
        {"[a]", "a", false},
        {"[a]", "[A]", true},
        {"\\*", "\\x", true},
        {"\xc3\xa4*", "\xc3\xa4x", true},
        {"caf?", "caf\xc3\xa9", true},
        {"caf??", "caf\xc3\xa9", false},
        {"*?x", "\xe2\x82\xacx", true},
        {"*??x", "\xe2\x82\xacx", false},
        {"?", "\xe2\x82", true}, /* what is left of one */
        {"@", "`", false},       /* differ in bit 5 alone, and are no letters */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(tb_wildcard_fits(cases[i].pattern, cases[i].text), cases[i].fits);
}

static void a_pattern_of_stars_ends_in_time(void **state)
{
    char pattern[257];
    char *text = malloc(100001);
    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < 256; i += 2)
        memcpy(pattern + i, "*a", 2);
    pattern[255] = 'b';
    pattern[256] = '\0';
    memset(text, 'a', 100000);
    text[100000] = '\0';
    assert_false(tb_wildcard_fits(pattern, text));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_fit_whole_texts_of_any_case),
        cmocka_unit_test(a_pattern_of_stars_ends_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
