/* libcyaml's complaints in words for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "agent/config/config_words.h"

static void every_complaint_has_its_words(void **state)
{
    static const struct {
        const char *key, *said, *words;
    } cases[] = {
        {"a.b", "Invalid uint64_t value: 'abc'", "a.b: 'abc' is not a number"},
        {"a.b", "Invalid ENUM value: maybe", "a.b is 'maybe'; it must be true or false"},
        {"a.b", "Invalid UINT value: '1x'", "a.b: '1x' is not a number"},
        {"a.b", "Invalid UINT value: ''", "a.b: '' is not a number"},
        {"a.b", "Invalid UINT value: '-1'", "a.b: '-1' is below 0"},
        {"a.b", "Invalid UINT value: '-'", "a.b: '-' is not a number"},
        {"a.b", "Invalid UINT value: '4294967296'", "a.b: '4294967296' is too large a number"},
        {"a", "Expecting MAPPING, got event: SEQUENCE_START", "a wants keys under it, not a list"},
        {"", "Expecting MAPPING, got event: SCALAR",
         "the file wants keys under it, not a single value"},
        {"a", "Expecting SEQUENCE, got event: MAPPING_START",
         "a wants a list, like [one, two], not keys under it"},
        {"a", "Expecting NEWS, got event: OTHER", "a wants something else, not something else"},
        {"a", "Mapping field already seen: a", "a is there twice"},
        {"a", "Excessive entries (1000 max) in sequence.", "a has more than 1000 entries"},
        {"a", "STRING length > 4096: s3cret", "a is longer than 4096 bytes"},
        {"a", "Something new: s3cret", "bad value for a: Something new"},
        {"a", "libyaml: did not find expected key", "this is not YAML: did not find expected key"},
        {"a", "", "bad value for a: "},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[128];
        tb_config_words(cases[i].key, cases[i].said, out, sizeof(out));
        assert_string_equal(out, cases[i].words);
    }
}

static void what_is_too_long_is_cut(void **state)
{
    char out[8];
    (void)state;
    tb_config_words("key", "Invalid UINT value: 'abc'", out, sizeof(out));
    assert_string_equal(out, "key: 'a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_complaint_has_its_words),
        cmocka_unit_test(what_is_too_long_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
