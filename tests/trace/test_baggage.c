/* Baggage: what its values are, and what of it is passed on. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "trace/formats.h"

static struct tb_slice slice(const char *text)
{
    return (struct tb_slice){text, strlen(text)};
}

static void baggage_values_are_decoded_and_bad_bytes_replaced(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {{"DF%2028", "DF 28"},
                 {"Am%C3%A9lie", "Am\xc3\xa9lie"},
                 {"%C3", "\xef\xbf\xbd"},
                 {"%C3x", "\xef\xbf\xbdx"},
                 {"%ff%fe", "\xef\xbf\xbd\xef\xbf\xbd"},
                 {"%00", "\xef\xbf\xbd"},
                 {"100%", "100%"},
                 {"%zz%4", "%zz%4"},
                 {"%F0%9F%98%80", "\xf0\x9f\x98\x80"},
                 {"a=b==", "a=b=="}};
    char text[32];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(tb_baggage_value(slice(cases[i].in), text, sizeof(text)), 0);
        assert_string_equal(text, cases[i].out);
    }
    assert_int_equal(tb_baggage_value(slice("abc"), text, 3), -ENOSPC);
    assert_int_equal(tb_baggage_value(slice("abc"), text, 4), 0);
}

static void baggage_members_are_passed_on_whole_or_not_at_all(void **state)
{
    (void)state;
    static char out[TB_BAGGAGE_BYTES + 1];
    const struct tb_slice mixed[] = {slice("key1=value1;property1;property2, key2 = value2"),
                                     slice("a b=1,=v,k,k=\"v\",k=v w,k=v;=p,key3=v; pk=pv;")};
    assert_true(tb_baggage_text(mixed, 2, out, NULL) > 0);
    assert_string_equal(out, "key1=value1;property1;property2,key2 = value2,key3=v; pk=pv;");
}

static void baggage_beyond_its_limits_goes_by_whole_members(void **state)
{
    (void)state;
    static char in[TB_BAGGAGE_BYTES + 8];
    static char out[TB_BAGGAGE_BYTES + 1];
    size_t n_over;
    for (size_t i = 0; i < 65; i++)
        memcpy(in + 4 * i, "a=1,", 5);
    struct tb_slice header = slice(in);
    assert_int_equal(tb_baggage_text(&header, 1, out, &n_over), 64 * 4 - 1);
    assert_int_equal(n_over, 1);
    header.len = 64 * 4;
    assert_int_equal(tb_baggage_text(&header, 1, out, &n_over), 64 * 4 - 1);
    assert_int_equal(n_over, 0);
    memset(in, 'v', sizeof(in));
    memcpy(in, "k=", 2);
    const struct tb_slice fits[] = {{in, TB_BAGGAGE_BYTES}, slice("a=1")};
    assert_int_equal(tb_baggage_text(fits, 2, out, &n_over), TB_BAGGAGE_BYTES);
    assert_int_equal(n_over, 1);
    const struct tb_slice over[] = {{in, TB_BAGGAGE_BYTES + 1}, slice("a=1")};
    assert_int_equal(tb_baggage_text(over, 2, out, &n_over), 3);
    assert_string_equal(out, "a=1");
    assert_int_equal(n_over, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(baggage_values_are_decoded_and_bad_bytes_replaced),
        cmocka_unit_test(baggage_members_are_passed_on_whole_or_not_at_all),
        cmocka_unit_test(baggage_beyond_its_limits_goes_by_whole_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
