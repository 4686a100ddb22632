/* Secrets do not pass; what is no secret stays as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "agent/scrub.h"

static struct tb_scrub scrub;

static int set_up(void **state)
{
    static char iban[] = "iban";
    static char path[] = "Payment.Code";
    char *keys[] = {iban, path};
    (void)state;
    return tb_scrub_init(&scrub, keys, 2);
}

static int tear_down(void **state)
{
    (void)state;
    tb_scrub_done(&scrub);
    return 0;
}

static void keys_match_in_every_spelling(void **state)
{
    static const struct {
        const char *key;
        int secret;
    } cases[] = {
        {"password", 1},
        {"PASSWORD", 1},
        {"passwordConfirmation", 1},
        {"accessToken", 1},
        {"access-token", 1},
        {"X-Rollbar-Access-Token", 1},
        {"db_password", 1},
        {"userPassword", 1},
        {"secretKey", 1},
        {"api_key", 1},
        {"pw", 1},
        {"Authorization", 1},
        {"iban", 1},
        {"customer_iban", 1},
        {"session.csrf", 1},
        {"author", 0},
        {"passenger", 0},
        {"tokens_used", 0},
        {"trace_id", 0},
        {"compass", 0},
        {"key", 0},
        {"name", 0},
        {"", 0},
        {"csrf", 0},
        {"code", 0},
        {"payment.code", 1},
        {"x.payment.code", 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (tb_scrub_is_secret(&scrub, cases[i].key, strlen(cases[i].key)) != cases[i].secret)
            fail_msg("%s should %sbe a secret", cases[i].key, cases[i].secret ? "" : "not ");
}

static void a_key_of_any_length_is_judged_by_its_end(void **state)
{
    static char key[1000];
    (void)state;
    memset(key, 'a', sizeof(key));
    snprintf(key + 900, sizeof(key) - 900, "_password");
    assert_int_equal(tb_scrub_is_secret(&scrub, key, strlen(key)), 1);
}

static void texts_lose_their_secrets(void **state)
{
    static const char *const cases[][2] = {
        {"login password=hunter2 ok", "login password=******** ok"},
        {"password = hunter2", "password = ********"},
        {"password: hunter2", "password: ********"},
        {"https://h/p?user=a&access_token=abc&x=1", "https://h/p?user=a&access_token=********&x=1"},
        {"https://h/p?user%5Bpassword%5D=abc&x=1", "https://h/p?user%5Bpassword%5D=********&x=1"},
        {"user[password]=abc&x=1", "user[password]=********&x=1"},
        {"postgres://bob:s3cret@db/x", "postgres://bob:********@db/x"},
        {"http://h:80/x@y", "http://h:80/x@y"},
        {"{\"password\": \"a b\", \"n\": 1}", "{\"password\": \"********\", \"n\": 1}"},
        {"{'token': 'abc'}", "{'token': '********'}"},
        {"prog --password hunter2 --verbose", "prog --password ******** --verbose"},
        {"prog --api-key=abc", "prog --api-key=********"},
        {"Authorization: Bearer abc def", "Authorization: ********"},
        {"a\nCookie: sid=1; b=2\nHost: x", "a\nCookie: ********\nHost: x"},
        {"authorization=Bearer abc.def next", "authorization=Bearer ******** next"},
        {"password=", "password="},
        {"password", "password"},
        {"invalid token: eof expected", "invalid token: eof expected"},
        {"assertion failed: token == NULL", "assertion failed: token == NULL"},
        {"error in auth: refused", "error in auth: refused"},
        {"password::check failed", "password::check failed"},
        {"author=me", "author=me"},
        {"", ""},
        {"=&?:@//", "=&?:@//"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tb_buf out;
        tb_buf_init(&out, 10000);
        size_t n = tb_scrub_text(&scrub, cases[i][0], strlen(cases[i][0]), &out);
        assert_string_equal(tb_buf_str(&out), cases[i][1]);
        assert_int_equal(n > 0, strcmp(cases[i][0], cases[i][1]) != 0);
        tb_buf_done(&out);
    }
}

static const struct {
    const char *item, *expected;
} items[] = {
    {"{\"password\":\"x\",\"n\":9007199254740993}",
     "{\"password\":\"********\",\"n\":9007199254740993}"},
    {"{\"password\":{\"deep\":[1,2]},\"token\":null,\"secret\":12}",
     "{\"password\":\"********\",\"token\":null,\"secret\":\"********\"}"},
    {"{\"request\":{\"headers\":{\"Cookie\":\"a=b\",\"Host\":\"h\",\"Authorization\":\"x\"}}}",
     "{\"request\":{\"headers\":{\"Cookie\":\"********\",\"Host\":\"h\","
     "\"Authorization\":\"********\"}}}"},
    {"{\"cookie\":\"chocolate\"}", "{\"cookie\":\"chocolate\"}"},
    {"{\"request\":{\"url\":\"http://h/?token=abc\",\"GET\":{\"token\":[\"abc\"]}}}",
     "{\"request\":{\"url\":\"http://h/?token=********\",\"GET\":{\"token\":\"********\"}}}"},
    {"{\"server\":{\"argv\":[\"p\",\"--password\",\"x\",\"-v\"]}}",
     "{\"server\":{\"argv\":[\"p\",\"--password\",\"********\",\"-v\"]}}"},
    {"{\"body\":{\"trace\":{\"frames\":[{\"code\":\"password = f();\",\"context\":{\"pre\":"
     "[\"token = g();\"]},\"locals\":{\"password\":\"x\",\"q\":\"password=x\"}}]}}}",
     "{\"body\":{\"trace\":{\"frames\":[{\"code\":\"password = f();\",\"context\":{\"pre\":"
     "[\"token = g();\"]},\"locals\":{\"password\":\"********\",\"q\":\"password=********\"}}]}}}"},
    {"{\"session\":{\"csrf\":\"x\"},\"csrf\":\"y\"}",
     "{\"session\":{\"csrf\":\"********\"},\"csrf\":\"y\"}"},
    {"{\"a\":\"\\u00e9 password=x\\ny\"}", "{\"a\":\"\xc3\xa9 password=********\\ny\"}"},
    {"{\"attributes\":[{\"key\":\"session_id\",\"value\":\"abc\"}]}",
     "{\"attributes\":[{\"key\":\"session_id\",\"value\":\"abc\"}]}"},
    {"{}", "{}"},
};

static void items_lose_their_secrets_and_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
        struct tb_doc *doc = NULL;
        struct tb_buf out;
        char why[TB_DOC_WHY];
        size_t n = 0;
        tb_buf_init(&out, 10000);
        assert_int_equal(tb_doc_new(items[i].item, strlen(items[i].item), &doc, why), 0);
        assert_int_equal(tb_scrub_item(&scrub, doc, &n), 0);
        assert_int_equal(tb_doc_render(doc, &out), 0);
        assert_string_equal(tb_buf_str(&out), items[i].expected);
        assert_int_equal(n > 0, strcmp(items[i].item, items[i].expected) != 0);
        tb_buf_done(&out);
        tb_doc_free(doc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_match_in_every_spelling),
        cmocka_unit_test(a_key_of_any_length_is_judged_by_its_end),
        cmocka_unit_test(texts_lose_their_secrets),
        cmocka_unit_test(items_lose_their_secrets_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
