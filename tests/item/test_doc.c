#include "item/doc.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

/* In memory of exactly that length, so that a sanitizer sees a byte read too much. */
static int try_parse(const char *text, size_t len, char why[TB_DOC_WHY])
{
    struct tb_doc *doc = NULL;
    char *memory = malloc(len > 0 ? len : 1);
    assert_non_null(memory);
    memcpy(memory, text, len);
    int err = tb_doc_new(memory, len, &doc, why);
    tb_doc_free(err == 0 ? doc : NULL);
    free(memory);
    return err;
}

static struct tb_doc *parse(const char *text)
{
    struct tb_doc *doc = NULL;
    char why[TB_DOC_WHY];
    if (tb_doc_new(text, strlen(text), &doc, why) < 0)
        fail_msg("%s: %s", text, why);
    return doc;
}

static void valid_json_gets_an_index(void **state)
{
    (void)state;
    static const char *const texts[] = {"{}",
                                        "[]",
                                        " [ ] ",
                                        "0",
                                        "-0",
                                        "-0.0e-0",
                                        "1E+400",
                                        "123456789012345678901234567890",
                                        "\"\"",
                                        "null",
                                        "true",
                                        "false",
                                        "\"\\ud800\"",
                                        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"",
                                        "\"caf\xc3\xa9 \xf0\x9f\x98\x80\x7f\"",
                                        "{\"\":{\"\":[[],{}]}}",
                                        "\t\r\n [1 , 2\n]\t"};
    char why[TB_DOC_WHY];
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (try_parse(texts[i], strlen(texts[i]), why) != 0)
            fail_msg("%s: %s", texts[i], why);
        assert_string_equal(why, "");
    }
}

static void what_is_no_json_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", "text ends where a value must come, at byte 0"},
        {"  ", "text ends where a value must come, at byte 2"},
        {"{", "text ends where a key in quotes must come, at byte 1"},
        {"[1", "text ends where ',' or ']' must come, at byte 2"},
        {"[1,]", "a value expected at byte 3"},
        {"{\"a\":1,}", "a key in quotes expected at byte 7"},
        {"{\"a\" 1}", "a colon expected at byte 5"},
        {"{\"a\":1 \"b\":2}", "',' or '}' expected at byte 7"},
        {"{a:1}", "a key in quotes expected at byte 1"},
        {"[1}", "',' or ']' expected at byte 2"},
        {"{\"a\":1]", "',' or '}' expected at byte 6"},
        {"[}", "a value expected at byte 1"},
        {"1 2", "more text behind the value at byte 2"},
        {"{}{}", "more text behind the value at byte 2"},
        {"]", "a value expected at byte 0"},
        {"NaN", "a value expected at byte 0"},
        {"[Infinity]", "a value expected at byte 1"},
        {"nul", "a value expected at byte 0"},
        {"tru", "a value expected at byte 0"},
        {"nulL", "a value expected at byte 0"},
        {"01", "more text behind the value at byte 1"},
        {"-", "text ends where a digit must come, at byte 1"},
        {"+1", "a value expected at byte 0"},
        {".5", "a value expected at byte 0"},
        {"1.", "text ends where a digit must come, at byte 2"},
        {"1.e5", "a digit expected at byte 2"},
        {"1e", "text ends where a digit must come, at byte 2"},
        {"1e+", "text ends where a digit must come, at byte 3"},
        {"0x10", "more text behind the value at byte 1"},
        {"\"", "text ends inside a string at byte 1"},
        {"\"\\\"", "text ends inside a string at byte 3"},
        {"\"\\", "text ends where an escape must come, at byte 2"},
        {"\"\\x41\"", "an escape expected at byte 2"},
        {"\"\\u12", "text ends where a hex digit must come, at byte 5"},
        {"\"\\u12g4\"", "a hex digit expected at byte 5"},
        {"\"\n\"", "control character in a string at byte 1"},
        {"\"\xff\"", "invalid UTF-8 at byte 1"},
        {"\"\xc3\"", "invalid UTF-8 at byte 1"},
        {"\"\xc0\x80\"", "invalid UTF-8 at byte 1"},
        {"\"\xed\xa0\x80\"", "invalid UTF-8 at byte 1"},
        {"\"\xf4\x90\x80\x80\"", "invalid UTF-8 at byte 1"},
        {"\xef\xbb\xbf{}", "a value expected at byte 0"},
        {"'a'", "a value expected at byte 0"},
        {"[1]//", "more text behind the value at byte 3"},
    };
    char why[TB_DOC_WHY];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(try_parse(rows[i].text, strlen(rows[i].text), why), -EBADMSG);
        assert_string_equal(why, rows[i].why);
    }
}

static void a_nul_byte_is_nowhere_valid(void **state)
{
    (void)state;
    char why[TB_DOC_WHY];
    assert_int_equal(try_parse("{}\0", 3, why), -EBADMSG);
    assert_int_equal(try_parse("\"a\0\"", 4, why), -EBADMSG);
    assert_int_equal(try_parse("[\0]", 3, why), -EBADMSG);
    assert_int_equal(try_parse("\"\\\0\"", 4, why), -EBADMSG);
}

static void every_prefix_of_a_document_is_refused(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":[1.5e3,true,null,\"\\u00e9\xc3\xa9\"],\"b\":{\"c\":-7}}";
    char why[TB_DOC_WHY];
    for (size_t len = 0; len < strlen(text); len++)
        assert_int_equal(try_parse(text, len, why), -EBADMSG);
    assert_int_equal(try_parse(text, strlen(text), why), 0);
}

static char *brackets(size_t depth)
{
    char *text = malloc(2 * depth + 1);
    assert_non_null(text);
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    text[2 * depth] = '\0';
    return text;
}

static void depth_64_is_taken_and_65_is_not(void **state)
{
    (void)state;
    char why[TB_DOC_WHY];
    char *deep = brackets(TB_DOC_DEPTH);
    assert_int_equal(try_parse(deep, strlen(deep), why), 0);
    free(deep);
    deep = brackets(TB_DOC_DEPTH + 1);
    assert_int_equal(try_parse(deep, strlen(deep), why), -EMSGSIZE);
    assert_string_equal(why, "nested deeper than 64 levels at byte 64");
    free(deep);
    deep = brackets(1000000);
    assert_int_equal(try_parse(deep, strlen(deep), why), -EMSGSIZE);
    free(deep);
}

/* An array of n - 1 zeros: n values. */
static int parse_values(size_t n, char why[TB_DOC_WHY])
{
    size_t len = 2 * n;
    char *text = malloc(len);
    assert_non_null(text);
    for (size_t i = 0; i < n; i++) {
        text[2 * i] = i == 0 ? ' ' : '0';
        text[2 * i + 1] = i == 0 ? '[' : ',';
    }
    text[len - 1] = ']';
    int err = try_parse(text, len, why);
    free(text);
    return err;
}

static void fifty_thousand_values_are_taken_and_one_more_is_not(void **state)
{
    (void)state;
    char why[TB_DOC_WHY];
    assert_int_equal(parse_values(TB_DOC_NODES, why), 0);
    assert_int_equal(parse_values(TB_DOC_NODES + 1, why), -EMSGSIZE);
    assert_non_null(strstr(why, "more than 50000 values"));
}

static void eight_mebibytes_are_taken_and_one_byte_more_is_not(void **state)
{
    (void)state;
    char why[TB_DOC_WHY];
    char *text = malloc(TB_DOC_BYTES + 1);
    assert_non_null(text);
    memset(text, 'x', TB_DOC_BYTES + 1);
    text[0] = text[TB_DOC_BYTES - 1] = '"';
    assert_int_equal(try_parse(text, TB_DOC_BYTES, why), 0);
    text[TB_DOC_BYTES] = ' ';
    assert_int_equal(try_parse(text, TB_DOC_BYTES + 1, why), -EMSGSIZE);
    assert_string_equal(why, "8388609 bytes, more than 8388608");
    free(text);
}

static void nodes_show_their_text_and_their_place(void **state)
{
    (void)state;
    static const char text[] = " {\"a\" : [ 10 ,{}], \"b\":\"x\"} ";
    struct tb_doc *doc = parse(text);
    static const struct {
        int type, parent, next, first, n_members;
        const char *key, *value;
    } rows[] = {{TB_DOC_OBJECT, -1, -1, 1, 2, "", "{\"a\" : [ 10 ,{}], \"b\":\"x\"}"},
                {TB_DOC_ARRAY, 0, 4, 2, 2, "a", "[ 10 ,{}]"},
                {TB_DOC_NUMBER, 1, 3, -1, 0, "", "10"},
                {TB_DOC_OBJECT, 1, -1, -1, 0, "", "{}"},
                {TB_DOC_STRING, 0, -1, -1, 0, "b", "\"x\""}};
    assert_int_equal(tb_doc_n_nodes(doc), 5);
    for (int i = 0; i < 5; i++) {
        const struct tb_doc_node *node = tb_doc_at(doc, i);
        assert_int_equal(node->type, rows[i].type);
        assert_int_equal(node->parent, rows[i].parent);
        assert_int_equal(node->next, rows[i].next);
        assert_int_equal(node->first, rows[i].first);
        assert_int_equal(node->n_members, rows[i].n_members);
        assert_int_equal(node->key_len, strlen(rows[i].key));
        assert_memory_equal(text + node->key_at, rows[i].key, node->key_len);
        assert_int_equal(node->len, strlen(rows[i].value));
        assert_memory_equal(text + node->at, rows[i].value, node->len);
    }
    assert_null(tb_doc_at(doc, -1));
    assert_null(tb_doc_at(doc, 5));
    tb_doc_free(doc);
}

static void members_are_found_by_path_and_the_last_of_a_name_counts(void **state)
{
    (void)state;
    struct tb_doc *doc = parse("{\"a\":{\"b\":[1,{\"c\":2}]},\"k\":1,\"k\":2,"
                               "\"\\u0061b\":3,\"\\ud83d\\ude00\":4,\"a.b\":5}");
    assert_int_equal(tb_doc_int(doc, tb_doc_find(doc, 0, "a.b.0"), -1), 1);
    assert_int_equal(tb_doc_int(doc, tb_doc_find(doc, 0, "a.b.1.c"), -1), 2);
    assert_int_equal(tb_doc_int(doc, tb_doc_find(doc, tb_doc_find(doc, 0, "a"), "b.0"), -1), 1);
    assert_int_equal(tb_doc_int(doc, tb_doc_member(doc, 0, "k"), -1), 2);
    assert_int_equal(tb_doc_int(doc, tb_doc_member(doc, 0, "ab"), -1), 3);
    assert_int_equal(tb_doc_int(doc, tb_doc_member(doc, 0, "\xf0\x9f\x98\x80"), -1), 4);
    assert_int_equal(tb_doc_int(doc, tb_doc_member(doc, 0, "a.b"), -1), 5);
    assert_int_equal(tb_doc_find(doc, 0, ""), 0);
    static const char *const absent[] = {"x",
                                         "a.x",
                                         "a.b.2",
                                         "a.b.-1",
                                         "a.b.x",
                                         "a.b.0.0",
                                         "k.k",
                                         "a.b.",
                                         "a..b",
                                         "abc",
                                         "a.b.99999999999999999999"};
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
        assert_int_equal(tb_doc_find(doc, 0, absent[i]), -1);
    assert_int_equal(tb_doc_find(doc, -1, "a"), -1);
    assert_int_equal(tb_doc_member(doc, tb_doc_find(doc, 0, "a.b"), "0"), -1);
    tb_doc_free(doc);
}

static void strings_are_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *json, *text;
    } rows[] = {
        {"\"\"", ""},
        {"\"plain\"", "plain"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"\\u0041\\u00e9\\u20AC\\ud83d\\uDE00\"", "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"\"x\\u0000yz\"", "x\xef\xbf\xbdyz"},
        {"\"\\ud800\"", "\xef\xbf\xbd"},
        {"\"\\udc00\\ud800\"", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\"\\ud800\\u0041\"", "\xef\xbf\xbd\x41"},
        {"\"\\ud800\\ud800\\udc00\"", "\xef\xbf\xbd\xf0\x90\x80\x80"},
        {"\"\\ud800\\n\"", "\xef\xbf\xbd\n"},
        {"\"\\uffff\"", "\xef\xbf\xbf"}};
    struct tb_buf out;
    tb_buf_init(&out, 1024);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tb_doc *doc = parse(rows[i].json);
        tb_buf_reset(&out);
        tb_doc_string(doc, 0, &out);
        assert_string_equal(tb_buf_str(&out), rows[i].text);
        tb_doc_free(doc);
    }
    struct tb_doc *doc = parse("{\"k\\n\":1}");
    tb_buf_reset(&out);
    tb_doc_key(doc, 1, &out);
    tb_doc_string(doc, 1, &out); /* no string: adds nothing */
    tb_doc_string(doc, -1, &out);
    assert_string_equal(tb_buf_str(&out), "k\n");
    tb_doc_free(doc);
    tb_buf_done(&out);
}

static void a_copy_is_cut_between_characters(void **state)
{
    (void)state;
    struct tb_doc *doc = parse("[\"a\xc3\xa9\\u20ac\\ud83d\\ude00z\",7]");
    static const char *const want[] = {
        "", "", "a", "a", "a\xc3\xa9", "a\xc3\xa9", "a\xc3\xa9", "a\xc3\xa9\xe2\x82\xac"};
    char out[16];
    for (size_t cap = 1; cap < sizeof(want) / sizeof(want[0]); cap++) {
        memset(out, '#', sizeof(out));
        assert_true(tb_doc_copy(doc, 1, out, cap));
        assert_string_equal(out, want[cap]);
        assert_int_equal(out[cap], '#');
    }
    assert_true(tb_doc_copy(doc, 1, out, sizeof(out)));
    assert_string_equal(out, "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z");
    assert_false(tb_doc_copy(doc, 2, out, sizeof(out)));
    assert_string_equal(out, "");
    assert_false(tb_doc_copy(doc, -1, out, sizeof(out)));
    assert_false(tb_doc_copy(doc, 1, out, 0));
    tb_doc_free(doc);
}

static void only_integers_that_fit_are_integers(void **state)
{
    (void)state;
    struct tb_doc *doc = parse("[0,-0,9007199254740993,9223372036854775807,-9223372036854775808,"
                               "9223372036854775808,-9223372036854775809,1.0,1e3,\"1\",null]");
    static const int64_t want[] = {0, 0, 9007199254740993, INT64_MAX, INT64_MIN, 5, 5, 5, 5, 5, 5};
    for (int i = 0; i < 11; i++)
        assert_true(tb_doc_int(doc, i + 1, 5) == want[i]);
    assert_true(tb_doc_int(doc, -1, 5) == 5);
    tb_doc_free(doc);
}

/* A quadratic reader takes minutes for this, a linear one milliseconds. */
static void a_document_that_is_all_keys_is_read_quickly(void **state)
{
    (void)state;
    enum { N = TB_DOC_NODES - 1, EACH = 12 };
    char *text = malloc((size_t)N * EACH + 2);
    char why[TB_DOC_WHY];
    assert_non_null(text);
    for (int i = 0; i < N; i++)
        (void)snprintf(text + (size_t)i * EACH, EACH + 1, "%c\"k%06d\":1", i == 0 ? '{' : ',', i);
    text[(size_t)N * EACH] = '}';
    uint64_t before = tb_clock_mono_ns();
    assert_int_equal(try_parse(text, (size_t)N * EACH + 1, why), 0);
    assert_true(tb_clock_mono_ns() - before < 5000000000);
    free(text);
}

/* A string ends, and is refused, at the right byte, wherever in a word of eight that lies. */
static void each_byte_of_a_string_is_seen_wherever_it_lies(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        int is_good;
    } cases[] = {{"\"", 1, 1},      {"\\n\"", 3, 1},         {"\x1f\"", 2, 0},
                 {"\0\"", 2, 0},    {"\x7f\"", 2, 1},        {"\xc3\xa4\"", 3, 1},
                 {"\x80\"", 2, 0},  {"\xff\"", 2, 0},        {"\x1f\x20\"", 3, 0},
                 {" !#[]\"", 6, 1}, {"\xe2\x82\xac\"", 4, 1}};
    (void)state;
    for (size_t before = 0; before < 20; before++)
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            char text[64] = "[\"";
            char why[TB_DOC_WHY];
            struct tb_doc *doc = NULL;
            size_t len = 2 + before;
            memset(text + 2, 'a', before);
            memcpy(text + len, cases[i].bytes, cases[i].len);
            len += cases[i].len;
            text[len++] = ']';
            assert_int_equal(tb_doc_new(text, len, &doc, why), cases[i].is_good ? 0 : -EBADMSG);
            if (!cases[i].is_good)
                continue;
            assert_int_equal(tb_doc_at(doc, 1)->len, len - 2);
            tb_doc_free(doc);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_byte_of_a_string_is_seen_wherever_it_lies),
        cmocka_unit_test(valid_json_gets_an_index),
        cmocka_unit_test(what_is_no_json_is_refused_with_its_place),
        cmocka_unit_test(a_nul_byte_is_nowhere_valid),
        cmocka_unit_test(every_prefix_of_a_document_is_refused),
        cmocka_unit_test(depth_64_is_taken_and_65_is_not),
        cmocka_unit_test(fifty_thousand_values_are_taken_and_one_more_is_not),
        cmocka_unit_test(eight_mebibytes_are_taken_and_one_byte_more_is_not),
        cmocka_unit_test(nodes_show_their_text_and_their_place),
        cmocka_unit_test(members_are_found_by_path_and_the_last_of_a_name_counts),
        cmocka_unit_test(strings_are_decoded),
        cmocka_unit_test(a_copy_is_cut_between_characters),
        cmocka_unit_test(only_integers_that_fit_are_integers),
        cmocka_unit_test(a_document_that_is_all_keys_is_read_quickly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
