/* The JSON writer: valid whatever happens, above all when the memory ends. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"

/* A plain second reader: does text hold exactly one JSON value? */
struct look {
    const char *at;
    int depth;
};

static int value(struct look *look);

static int literal(struct look *look, const char *word)
{
    size_t len = strlen(word);
    if (strncmp(look->at, word, len) != 0)
        return 0;
    look->at += len;
    return 1;
}

static int string(struct look *look)
{
    if (*look->at++ != '"')
        return 0;
    while (*look->at != '"') {
        if ((unsigned char)*look->at < 0x20)
            return 0;
        if (*look->at == '\\') {
            look->at++;
            if (*look->at == 'u') {
                if (strspn(look->at + 1, "0123456789abcdef") < 4)
                    return 0;
                look->at += 4;
            } else if (!*look->at || !strchr("\"\\/bfnrt", *look->at)) {
                return 0;
            }
        }
        look->at++;
    }
    look->at++;
    return 1;
}

static int members(struct look *look, char closing)
{
    look->at++;
    if (*look->at == closing)
        return literal(look, closing == '}' ? "}" : "]");
    for (;;) {
        if (closing == '}' && (!string(look) || *look->at++ != ':'))
            return 0;
        if (!value(look))
            return 0;
        if (*look->at == closing)
            return look->at++, 1;
        if (*look->at++ != ',')
            return 0;
    }
}

static int value(struct look *look)
{
    if (++look->depth > 200)
        return 0;
    int good = 0;
    if (*look->at == '{')
        good = members(look, '}');
    else if (*look->at == '[')
        good = members(look, ']');
    else if (*look->at == '"')
        good = string(look);
    else if (*look->at == '-' || (*look->at >= '0' && *look->at <= '9')) {
        look->at += *look->at == '-';
        size_t n_digits = strspn(look->at, "0123456789");
        look->at += n_digits;
        good = n_digits > 0;
    } else
        good = literal(look, "null") || literal(look, "true") || literal(look, "false");
    look->depth--;
    return good;
}

static int is_json(const char *text)
{
    struct look look = {text, 0};
    return value(&look) && *look.at == '\0';
}

static void write_sample(struct tb_json *j)
{
    tb_json_object(j);
    tb_json_kstr(j, "name", "a \"quoted\" line\n\twith \\ and \x01");
    tb_json_kint(j, "least", INT64_MIN);
    tb_json_kint(j, "most", INT64_MAX);
    tb_json_kbool(j, "yes", true);
    tb_json_khex(j, "address", UINT64_MAX);
    tb_json_kopt(j, "left out", "");
    tb_json_kopt(j, "left out", NULL);
    tb_json_kopt(j, "kept", "x");
    tb_json_key(j, "list");
    tb_json_array(j);
    tb_json_int(j, 0);
    tb_json_str(j, NULL);
    tb_json_hexstr(j, "\x01\xff", 2);
    tb_json_object(j);
    tb_json_end(j);
    tb_json_raw(j, "{\"r\":1}", 7);
    tb_json_bool(j, false);
    tb_json_end(j);
    tb_json_kstr(j, "last", "value");
    tb_json_end(j);
}

static const char SAMPLE[] =
    "{\"name\":\"a \\\"quoted\\\" line\\n\\twith \\\\ and \\u0001\","
    "\"least\":-9223372036854775808,\"most\":9223372036854775807,\"yes\":true,"
    "\"address\":\"0xffffffffffffffff\",\"kept\":\"x\","
    "\"list\":[0,null,\"01ff\",{},{\"r\":1},false],\"last\":\"value\"}";

static void values_come_out_as_text(void **state)
{
    (void)state;
    char mem[1000];
    struct tb_json j;
    tb_json_init(&j, mem, sizeof(mem));
    write_sample(&j);
    assert_int_equal(tb_json_finish(&j), 0);
    assert_string_equal(mem, SAMPLE);
    assert_true(is_json(mem));
}

static void every_size_of_memory_gives_valid_json(void **state)
{
    (void)state;
    struct tb_json j;
    for (size_t cap = 3; cap <= sizeof(SAMPLE) + 5; cap++) {
        char *mem = malloc(cap); /* so that a sanitizer sees one byte too many */
        tb_json_init(&j, mem, cap);
        write_sample(&j);
        int err = tb_json_finish(&j);
        assert_int_equal(err, cap < sizeof(SAMPLE) ? -ENOSPC : 0);
        assert_true(strlen(mem) < cap);
        if (!is_json(mem))
            fail_msg("with %zu bytes: %s", cap, mem);
        free(mem);
    }
}

static void a_document_cut_short_is_closed(void **state)
{
    (void)state;
    char mem[200];
    struct tb_json j;
    tb_json_init(&j, mem, sizeof(mem));
    tb_json_object(&j);
    tb_json_key(&j, "a");
    tb_json_array(&j);
    tb_json_int(&j, 1);
    assert_int_equal(tb_json_finish(&j), 0);
    assert_string_equal(mem, "{\"a\":[1]}");
}

static void bytes_that_are_no_utf8_become_the_replacement_character(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"\xc3\xa4", "\"\xc3\xa4\""},
        {"\xe2\x82\xac", "\"\xe2\x82\xac\""},
        {"\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\""},
        {"\xff", "\"\xef\xbf\xbd\""},
        {"a\xc3", "\"a\xef\xbf\xbd\""},                               /* cut */
        {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""},                 /* overlong */
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* a surrogate */
        {"\xf4\x90\x80\x80",
         "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* beyond U+10FFFF */
        {"\x7f", NULL},
        {"a\xc2\x9b"
         "1m\xc2\x80\xc2\xa0",
         "\"a\\u009b1m\\u0080\xc2\xa0\""}, /* C1: terminals obey them */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char mem[100];
        struct tb_json j;
        tb_json_init(&j, mem, sizeof(mem));
        tb_json_str(&j, rows[i].in);
        assert_int_equal(tb_json_finish(&j), 0);
        assert_true(is_json(mem));
        if (rows[i].out)
            assert_string_equal(mem, rows[i].out);
    }
}

static void nesting_beyond_the_limit_is_left_out(void **state)
{
    (void)state;
    char mem[500];
    struct tb_json j;
    tb_json_init(&j, mem, sizeof(mem));
    for (int i = 0; i < TB_JSON_DEPTH; i++)
        tb_json_array(&j);
    assert_int_equal(j.err, 0);
    tb_json_array(&j);
    assert_int_equal(tb_json_finish(&j), -ENOSPC);
    assert_true(is_json(mem));
    assert_int_equal(strlen(mem), 2 * TB_JSON_DEPTH);
}

static void an_end_without_a_beginning_is_an_error(void **state)
{
    (void)state;
    char mem[50];
    struct tb_json j;
    tb_json_init(&j, mem, sizeof(mem));
    tb_json_object(&j);
    tb_json_end(&j);
    tb_json_end(&j);
    assert_int_equal(tb_json_finish(&j), -EINVAL);
    assert_string_equal(mem, "{}");
    tb_json_init(&j, mem, 0);
    tb_json_object(&j);
    assert_int_equal(tb_json_finish(&j), -ENOSPC);
}

/* Text is looked at in pieces of eight bytes: what needs an escape is found in any place of one,
 * and nothing beside it is taken for it. */
static void every_byte_is_written_alike_wherever_it_stands(void **state)
{
    enum { LEN = 19 };
    (void)state;
    for (int c = 1; c < 0x100; c++) {
        char alone[16];
        struct tb_json j;
        tb_json_init(&j, alone, sizeof(alone));
        tb_json_strn(&j, (const char[]){(char)c}, 1);
        assert_int_equal(tb_json_finish(&j), 0);
        int len = (int)strlen(alone) - 2;
        for (int at = 0; at < LEN; at++) {
            char text[LEN];
            char out[64];
            char expected[64];
            memset(text, '~', sizeof(text));
            text[at] = (char)c;
            (void)snprintf(expected, sizeof(expected), "\"%.*s%.*s%.*s\"", at,
                           "~~~~~~~~~~~~~~~~~~~", len, alone + 1, LEN - 1 - at,
                           "~~~~~~~~~~~~~~~~~~~");
            tb_json_init(&j, out, sizeof(out));
            tb_json_strn(&j, text, sizeof(text));
            assert_int_equal(tb_json_finish(&j), 0);
            assert_string_equal(out, expected);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_out_as_text),
        cmocka_unit_test(every_size_of_memory_gives_valid_json),
        cmocka_unit_test(a_document_cut_short_is_closed),
        cmocka_unit_test(bytes_that_are_no_utf8_become_the_replacement_character),
        cmocka_unit_test(nesting_beyond_the_limit_is_left_out),
        cmocka_unit_test(an_end_without_a_beginning_is_an_error),
        cmocka_unit_test(every_byte_is_written_alike_wherever_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
