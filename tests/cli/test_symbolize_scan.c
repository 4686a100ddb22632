/* test_symbolize_scan.c - what in a text may be an address of a module. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "cli/symbolize_scan.h"

/* "MODULE|FUNCTION|OFFSET|what is replaced;" for each place. */
static const char *scan_all(const char *text)
{
    static char out[1024];
    struct tb_symbolize_spot spot;
    size_t at = 0;
    size_t len = 0;
    out[0] = '\0';
    while (tb_symbolize_scan(text, &at, &spot)) {
        len += (size_t)snprintf(out + len, sizeof(out) - len, "%.*s|%.*s|%llx|%.*s;",
                                (int)spot.module_len, text + spot.from, (int)spot.function_len,
                                text + spot.function, (unsigned long long)spot.offset,
                                (int)(spot.to - spot.from), text + spot.from);
        assert_true(len < sizeof(out));
    }
    return out;
}

static void forms_of_backtraces_are_found(void **state)
{
    static const struct {
        const char *text, *found;
    } cases[] = {
        {"./prog(+0x1139) [0x55d0]", "./prog||1139|./prog(+0x1139);"},
        {"/lib/libc.so.6(abort+0xd3)[0x7f]", "/lib/libc.so.6|abort|d3|/lib/libc.so.6(abort+0xd3);"},
        {"#1 /usr/bin/x+0x1f at", "/usr/bin/x||1f|/usr/bin/x+0x1f;"},
        {"a(f+0x1) b+0x2, c(+0x3)", "a|f|1|a(f+0x1);b||2|b+0x2;c||3|c(+0x3);"},
        {"in(x+0xAb)", "in|x|ab|in(x+0xAb);"},
        {"libstdc++.so.6(_Z3foov+0x10)", "libstdc++.so.6|_Z3foov|10|libstdc++.so.6(_Z3foov+0x10);"},
        {"[x+0x1]", "x||1|x+0x1;"},
        {"#1  f  prog +0x14a0", "prog||14a0|prog +0x14a0;"}, /* as towbar item has it */
        {"a+0x1 +0x2 b +0x3", "a||1|a+0x1;b||3|b +0x3;"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(scan_all(cases[i].text), cases[i].found);
}

static void all_else_is_left_alone(void **state)
{
    static const char *const texts[] = {"",
                                        "+0x",
                                        "+0x10",
                                        "(+0x10)",
                                        "a  +0x1",
                                        "(a) +0x1",
                                        "a+0x",
                                        "a+0xg",
                                        "a+10",
                                        "a(+0x10",
                                        "in (x+0x10)",
                                        "a(b+0x10]",
                                        "a+0x10zz",
                                        "a+0x1234567890abc", /* more than 48 bits */
                                        "1+0x10+0x",
                                        "+0x+0x+0x"};
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_string_equal(scan_all(texts[i]), "");
}

static void places_never_overlap_nor_go_beyond_the_text(void **state)
{
    static const char parts[] = "a(+0x1)]f ";
    char text[24];
    unsigned seed = 7;
    (void)state;
    for (int round = 0; round < 100000; round++) {
        struct tb_symbolize_spot spot;
        size_t at = 0;
        size_t len = (size_t)round % sizeof(text);
        for (size_t i = 0; i < len; i++) {
            seed = seed * 1103515245 + 12345;
            text[i] = parts[(seed >> 16) % (sizeof(parts) - 1)];
        }
        text[len] = '\0';
        for (size_t before = 0; tb_symbolize_scan(text, &at, &spot); before = at) {
            assert_true(spot.from >= before && spot.to == at && at <= len);
            assert_true(spot.module_len > 0 && spot.from + spot.module_len < spot.to);
            assert_true(spot.function + spot.function_len < spot.to);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_of_backtraces_are_found),
        cmocka_unit_test(all_else_is_left_alone),
        cmocka_unit_test(places_never_overlap_nor_go_beyond_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
