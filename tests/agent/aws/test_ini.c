/* test_ini.c - the files of the AWS CLI, as botocore reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/aws/ini.h"

static char value[64];

static const char *get(const char *text, enum tb_ini_form form, const char *profile,
                       const char *name)
{
    const struct tb_ini ini = {.text = text, .len = strlen(text), .form = form};
    memset(value, 'x', sizeof(value));
    return tb_ini_get(&ini, profile, name, value, sizeof(value)) ? value : NULL;
}

static void a_value_is_found_in_its_section(void **state)
{
    static const char TEXT[] = "a = outside\n"
                               "[default]\n"
                               "aws_access_key_id = one\n"
                               "[other]\n"
                               "aws_access_key_id=two\n"
                               "AWS_Secret_Access_Key :  three=3  \r\n";
    (void)state;
    assert_string_equal(get(TEXT, TB_INI_CREDENTIALS, "default", "aws_access_key_id"), "one");
    assert_string_equal(get(TEXT, TB_INI_CREDENTIALS, "other", "aws_access_key_id"), "two");
    assert_string_equal(get(TEXT, TB_INI_CREDENTIALS, "other", "aws_secret_access_key"), "three=3");
    assert_null(get(TEXT, TB_INI_CREDENTIALS, "other", "region"));
    assert_null(get(TEXT, TB_INI_CREDENTIALS, "Other", "aws_access_key_id"));
    assert_null(get(TEXT, TB_INI_CREDENTIALS, "", "a"));
    assert_string_equal(value[0] == '\0' ? "" : "kept", "");
}

static void a_profile_of_the_config_has_its_word(void **state)
{
    static const char TEXT[] = "[default]\nregion = r0\n"
                               "[profile one]\nregion = r1\n"
                               "[ profile \t \"two words\" ] # c\nregion = r2\n"
                               "[three]\nregion = r3\n"
                               "[profile]\nregion = r4\n"
                               "[profiles]\nregion = r5\n"
                               "[profile default]\nregion = r6\n";
    (void)state;
    assert_string_equal(get(TEXT, TB_INI_CONFIG, "one", "region"), "r1");
    assert_string_equal(get(TEXT, TB_INI_CONFIG, "two words", "region"), "r2");
    assert_null(get(TEXT, TB_INI_CONFIG, "three", "region"));
    assert_null(get(TEXT, TB_INI_CONFIG, "profile", "region"));
    assert_null(get(TEXT, TB_INI_CONFIG, "profile one", "region"));
    assert_string_equal(get(TEXT, TB_INI_CONFIG, "default", "region"), "r6");
    assert_string_equal(get(TEXT, TB_INI_CREDENTIALS, "three", "region"), "r3");
}

static void comments_and_nested_settings_are_passed_over(void **state)
{
    static const char TEXT[] = "\xef\xbb\xbf# first\n"
                               "[default]\n"
                               "; region = no\n"
                               "  region = yes # not a comment\n"
                               "s3 =\n"
                               "  region = nested\n"
                               "\n"
                               "    output = nested\n"
                               "output = json";
    (void)state;
    assert_string_equal(get(TEXT, TB_INI_CONFIG, "default", "region"), "yes # not a comment");
    assert_string_equal(get(TEXT, TB_INI_CONFIG, "default", "output"), "json");
    assert_string_equal(get(TEXT, TB_INI_CONFIG, "default", "s3"), "");
}

static void the_last_one_counts(void **state)
{
    static const char TEXT[] = "[a]\nx = 1\nx = 2\n[b]\nx = 3\n[a]\ny = 4\nx = 5\n";
    (void)state;
    assert_string_equal(get(TEXT, TB_INI_CREDENTIALS, "a", "x"), "5");
    assert_string_equal(get(TEXT, TB_INI_CREDENTIALS, "a", "y"), "4");
}

static void what_is_no_setting_is_passed_over(void **state)
{
    static const char TEXT[] = "[a\nx = 1\n[]\nx = 2\nno separator\n= no name\n[b]\n=\nx=\n";
    (void)state;
    assert_null(get(TEXT, TB_INI_CREDENTIALS, "a", "x"));
    assert_string_equal(get(TEXT, TB_INI_CREDENTIALS, "b", "x"), "");
    assert_null(get("", TB_INI_CREDENTIALS, "a", "x"));
    assert_null(get("[a]\nx = 0123456789012345678901234567890123456789012345678901234567890123",
                    TB_INI_CREDENTIALS, "a", "x"));
}

static void a_section_without_settings_is_there(void **state)
{
    static const char TEXT[] = "[a]\n[profile b]";
    const struct tb_ini credentials = {.text = TEXT, .len = sizeof(TEXT) - 1};
    const struct tb_ini config = {.text = TEXT, .len = sizeof(TEXT) - 1, .form = TB_INI_CONFIG};
    (void)state;
    assert_true(tb_ini_has(&credentials, "a"));
    assert_false(tb_ini_has(&config, "a"));
    assert_true(tb_ini_has(&config, "b"));
    assert_false(tb_ini_has(&config, "c"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_found_in_its_section),
        cmocka_unit_test(a_profile_of_the_config_has_its_word),
        cmocka_unit_test(comments_and_nested_settings_are_passed_over),
        cmocka_unit_test(the_last_one_counts),
        cmocka_unit_test(what_is_no_setting_is_passed_over),
        cmocka_unit_test(a_section_without_settings_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
