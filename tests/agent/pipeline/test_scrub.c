/* Secrets do not pass; what is no secret stays as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "agent/pipeline/scrub.h"

static struct tb_scrub scrub;

static int set_up(void **state)
{
    static char iban[] = "iban";
    static char path[] = "Payment.Code";
    char *keys[] = {iban, path};
    const struct tb_scrub_rules rules = {.keys = keys, .n_keys = 2};
    char why[TB_SCRUB_WHY];
    (void)state;
    return tb_scrub_init(&scrub, &rules, why);
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
        {"PGPASSWORD", 1},
        {"jwt", 1},
        {"SIGNING_KEY", 1},
        {"encryptionKey", 1},
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
    {"{\"custom\":{\"native\":{\"meaning\":\"uncaught E: \\\"login password=x\\\"\",\"exception\":{"
     "\"type\":\"E\",\"what\":\"login password=x\"}}}}",
     "{\"custom\":{\"native\":{\"meaning\":\"uncaught E: \\\"login password=********\\\"\","
     "\"exception\":{\"type\":\"E\",\"what\":\"login password=********\"}}}}"},
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

/* {"body":{},"AAAA..":{"AAAA..":{"0":1,"1":1,...}}} with keys of key_len bytes: the processor time
 * that scrubbing takes, in microseconds. */
static int64_t time_of(size_t key_len, int n_members)
{
    struct tb_buf text;
    struct tb_doc *doc = NULL;
    char why[TB_DOC_WHY];
    struct timespec before;
    struct timespec after;
    size_t n = 0;
    char *key = malloc(key_len + 1);
    assert_non_null(key);
    memset(key, 'A', key_len);
    key[key_len] = '\0';
    tb_buf_init(&text, TB_DOC_BYTES);
    tb_buf_adds(&text, "{\"");
    tb_buf_add(&text, key, key_len);
    tb_buf_adds(&text, "\":{\"");
    tb_buf_add(&text, key, key_len);
    tb_buf_adds(&text, "\":{\"password\":1");
    for (int i = 0; i < n_members; i++)
        tb_buf_addf(&text, ",\"%d\":\"password=x\"", i);
    tb_buf_adds(&text, "}}}");
    assert_int_equal(text.err, 0);
    assert_int_equal(tb_doc_new(text.data, text.len, &doc, why), 0);
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    assert_int_equal(tb_scrub_item(&scrub, doc, &n), 0);
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    assert_int_equal(n, n_members + 1);
    tb_doc_free(doc);
    tb_buf_done(&text);
    free(key);
    return (int64_t)(after.tv_sec - before.tv_sec) * 1000000 +
           (after.tv_nsec - before.tv_nsec) / 1000;
}

/* Decoding the long keys for each member would take hundreds of times as long. */
static void members_of_an_object_with_a_long_key_cost_no_more(void **state)
{
    (void)state;
    int64_t with_short = time_of(6, 40000);
    int64_t with_long = time_of(300000, 40000);
    if (with_long > 5 * with_short + 50000)
        fail_msg("%lld us with short keys, %lld us with long ones", (long long)with_short,
                 (long long)with_long);
}

static void the_end_of_a_long_key_still_counts(void **state)
{
    static const char expected[] = "_session\":{\"csrf\":\"********\"}}";
    char text[1024];
    char why[TB_DOC_WHY];
    struct tb_doc *doc = NULL;
    struct tb_buf out;
    size_t n = 0;
    (void)state;
    int len = snprintf(text, sizeof(text), "{\"%0500d_session\":{\"csrf\":1}}", 0);
    tb_buf_init(&out, sizeof(text) * 2);
    assert_int_equal(tb_doc_new(text, (size_t)len, &doc, why), 0);
    assert_int_equal(tb_scrub_item(&scrub, doc, &n), 0);
    assert_int_equal(tb_doc_render(doc, &out), 0);
    assert_non_null(strstr(tb_buf_str(&out), expected));
    tb_buf_done(&out);
    tb_doc_free(doc);
}

static void the_deepest_item_is_scrubbed_too(void **state)
{
    char text[TB_DOC_DEPTH * 8];
    char why[TB_DOC_WHY];
    struct tb_doc *doc = NULL;
    struct tb_buf out;
    size_t n = 0;
    size_t len = 0;
    (void)state;
    for (int i = 0; i < TB_DOC_DEPTH - 1; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "{\"a\":");
    len += (size_t)snprintf(text + len, sizeof(text) - len, "{\"pw\":1}");
    for (int i = 0; i < TB_DOC_DEPTH - 1; i++)
        text[len++] = '}';
    tb_buf_init(&out, sizeof(text) * 2);
    assert_int_equal(tb_doc_new(text, len, &doc, why), 0);
    assert_int_equal(tb_scrub_item(&scrub, doc, &n), 0);
    assert_int_equal(tb_doc_render(doc, &out), 0);
    assert_non_null(strstr(tb_buf_str(&out), "{\"pw\":\"********\"}"));
    tb_buf_done(&out);
    tb_doc_free(doc);
}

static void a_mask_makes_no_text_longer_than_rollbar_takes_it(void **state)
{
    static const char text[] =
        "{\"code_version\":\"\u00e9234567890123456789012345678901234?pw=a\",\"person\":{\"id\":"
        "\"1234567890123456789012345678901234?pw=a\"},\"custom\":{\"code_version\":"
        "\"1234567890123456789012345678901234?pw=a&b\"},\"body\":{\"code_version\":\"?pw=a\"}}";
    char why[TB_DOC_WHY];
    struct tb_doc *doc;
    struct tb_buf out;
    size_t n;
    (void)state;
    tb_buf_init(&out, 4096);
    assert_int_equal(tb_doc_new(text, sizeof(text) - 1, &doc, why), 0);
    assert_int_equal(tb_scrub_item(&scrub, doc, &n), 0);
    assert_int_equal(tb_doc_render(doc, &out), 0);
    assert_string_equal(
        tb_buf_str(&out),
        "{\"code_version\":\"\u00e9234567890123456789012345678901234?pw=**\",\"person\":{\"id\":"
        "\"1234567890123456789012345678901234?pw=**\"},\"custom\":{\"code_version\":"
        "\"1234567890123456789012345678901234?pw=********&b\"},\"body\":{\"code_version\":"
        "\"?pw=********\"}}");
    tb_buf_done(&out);
    tb_doc_free(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_match_in_every_spelling),
        cmocka_unit_test(a_key_of_any_length_is_judged_by_its_end),
        cmocka_unit_test(texts_lose_their_secrets),
        cmocka_unit_test(items_lose_their_secrets_and_nothing_else),
        cmocka_unit_test(members_of_an_object_with_a_long_key_cost_no_more),
        cmocka_unit_test(the_end_of_a_long_key_still_counts),
        cmocka_unit_test(the_deepest_item_is_scrubbed_too),
        cmocka_unit_test(a_mask_makes_no_text_longer_than_rollbar_takes_it),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
