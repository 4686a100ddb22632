/* test_query.c - addresses, cookies and searches, as browsers and strangers send them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "web/query.h"

static void get(const char *query, const char *expected)
{
    char out[16];
    bool is_there = tb_query_get(query, "q", out, sizeof(out));
    assert_int_equal(is_there, expected != NULL);
    assert_string_equal(out, expected != NULL ? expected : "");
}

static void a_field_is_decoded(void **state)
{
    (void)state;
    get("q=a+b%20c", "a b c");
    get("x=1&q=y&q=z", "y");
    get("xq=1", NULL);
    get("q", NULL);
    get("q=", "");
    get("", NULL);
    get("&&&=&q=a", "a");
    get("q=%3Cb%3e", "<b>");
}

static void broken_codes_are_text_and_nul_is_nothing(void **state)
{
    (void)state;
    get("q=%", "%");
    get("q=%4", "%4");
    get("q=%zz", "%zz");
    get("q=a%00b", NULL);
    get("q=0123456789abcdefg", NULL); /* too long for its room */
    get("q=0123456789abcde", "0123456789abcde");
}

static void numbers_of_items_are_digits_alone(void **state)
{
    (void)state;
    assert_int_equal(tb_query_item("142", 3), 142);
    assert_int_equal(tb_query_item("9223372036854775799", 19), 9223372036854775799);
    static const char *const BAD[] = {
        "", "0", "-1", "+1", " 1", "1 ", "1x", "0x1", "99999999999999999999"};
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++)
        assert_int_equal(tb_query_item(BAD[i], strlen(BAD[i])), -1);
    assert_int_equal(tb_query_number("page=7", "page", 10, 1), 7);
    assert_int_equal(tb_query_number("page=11", "page", 10, 1), 1);
    assert_int_equal(tb_query_number("page=x", "page", 10, 1), 1);
}

static void a_cookie_is_found_among_others(void **state)
{
    (void)state;
    char out[8];
    assert_true(tb_query_cookie("a=1; b=22;c=3", "b", out, sizeof(out)));
    assert_string_equal(out, "22");
    assert_true(tb_query_cookie("c=", "c", out, sizeof(out)));
    assert_false(tb_query_cookie("ab=1", "b", out, sizeof(out)));
    assert_false(tb_query_cookie("b=123456789", "b", out, sizeof(out)));
    assert_false(tb_query_cookie("", "b", out, sizeof(out)));
    assert_false(tb_query_cookie(";;;  ;", "b", out, sizeof(out)));
    assert_string_equal(out, "");
}

static void a_search_is_split_into_words(void **state)
{
    (void)state;
    struct tb_store_filter filter = {.max = 1};
    char text[] = "  queue env:production,staging Service:api level: _push ,";
    tb_query_words(text, &filter);
    static const struct {
        enum tb_store_field field;
        const char *text;
    } expected[] = {{TB_FIELD_ANY, "queue"},           {TB_FIELD_ENVIRONMENT, "production"},
                    {TB_FIELD_ENVIRONMENT, "staging"}, {TB_FIELD_SERVICE, "api"},
                    {TB_FIELD_ANY, "_push"},           {TB_FIELD_ANY, ","}};
    assert_int_equal(filter.n_words, 6);
    for (size_t i = 0; i < filter.n_words; i++) {
        assert_int_equal(filter.words[i].field, expected[i].field);
        assert_string_equal(filter.words[i].text, expected[i].text);
    }
}

static void more_words_than_there_is_room_are_left_out(void **state)
{
    (void)state;
    struct tb_store_filter filter = {.max = 1};
    char text[128] = "";
    for (size_t i = 0; i < 2 * TB_STORE_WORDS; i++)
        strncat(text, "a ", sizeof(text) - strlen(text) - 1);
    tb_query_words(text, &filter);
    assert_int_equal(filter.n_words, TB_STORE_WORDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_field_is_decoded),
        cmocka_unit_test(broken_codes_are_text_and_nul_is_nothing),
        cmocka_unit_test(numbers_of_items_are_digits_alone),
        cmocka_unit_test(a_cookie_is_found_among_others),
        cmocka_unit_test(a_search_is_split_into_words),
        cmocka_unit_test(more_words_than_there_is_room_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
