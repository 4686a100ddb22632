/* What is sent over HTTP: in the spool before 200 is said, or refused in Rollbar's words. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "agent/serve/ingest.h"
#include "../support/folder.h"
#include "item/doc.h"
#include "spool/reader.h"

static struct tb_spool *spool;
static struct tb_ingest ingest;

static int begin(void **state)
{
    char why[TB_SPOOL_WHY];
    return make_test_folder(state) != 0 ||
           tb_spool_open(in_folder("spool"), TB_SPOOL_CREATE, &spool, why) != 0 ||
           tb_ingest_open(&ingest, in_folder("spool"), why) != 0;
}

static int end(void **state)
{
    tb_ingest_close(&ingest);
    tb_spool_close(spool);
    return remove_test_folder(state);
}

/* As post.c does it, without the thread. */
static int is_large;
static void take_bytes(const char *body, size_t len, const char *token,
                       struct tb_ingest_reply *reply)
{
    struct tb_ingest_item item;
    is_large = tb_ingest_prepare(body, len, token, 0, &item) == -E2BIG;
    if (is_large) {
        tb_ingest_done(&item);
        assert_int_equal(tb_ingest_prepare(body, len, token, 1, &item), 0);
    }
    if (item.reply.status == 0)
        tb_ingest_append(&ingest, &item);
    *reply = item.reply;
    tb_ingest_done(&item);
}

static void take(const char *body, const char *token, struct tb_ingest_reply *reply)
{
    take_bytes(body, strlen(body), token, reply);
}

static void what_is_said_to_be_taken_is_in_the_spool(void **state)
{
    static const char body[] =
        "{\"access_token\":\"own\",\"data\":{\"environment\":\"e\",\"level\":"
        "\"critical\",\"uuid\":\"0123456789abcdef0123456789abcdef\","
        "\"body\":{\"message\":{\"body\":\"hi\"}},\"n\":9007199254740993}}";
    struct tb_ingest_reply reply;
    struct tb_spool_record record;
    (void)state;
    take(body, NULL, &reply);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.uuid, "0123456789abcdef0123456789abcdef");
    assert_int_equal(tb_spool_next(spool, &record), 0);
    assert_int_equal(record.kind, TB_KIND_ITEM);
    assert_int_equal(record.class_, TB_CLASS_CRASH);
    assert_int_equal(record.len, strlen(body)); /* byte for byte */
    assert_memory_equal(record.data, body, record.len);
}

static void what_is_missing_is_added(void **state)
{
    struct tb_ingest_reply reply;
    struct tb_spool_record record;
    char expected[256];
    (void)state;
    take("{\"data\":{\"environment\":\"e\",\"body\":{\"message\":{\"body\":\"hi\"}}}}", "head",
         &reply);
    assert_int_equal(reply.status, 200);
    assert_int_equal(strlen(reply.uuid), 36);
    assert_int_equal(tb_spool_next(spool, &record), 0);
    snprintf(expected, sizeof(expected),
             "{\"data\":{\"environment\":\"e\",\"body\":{\"message\":{\"body\":\"hi\"}},\"uuid\":"
             "\"%s\"},\"access_token\":\"head\"}",
             reply.uuid);
    assert_int_equal(record.len, strlen(expected));
    assert_memory_equal(record.data, expected, record.len);
    assert_int_equal(record.class_, TB_CLASS_INFO); /* Rollbar's default for messages */
}

/* Rollbar counts characters, the database's column bytes. */
static void a_uuid_has_at_most_36_bytes(void **state)
{
    static const char *const uuids[][2] = {
        {"123456789012345678901234567890123456", NULL},
        {"1234567890123456789012345678901234\xc3\xa4", NULL}, /* 35 characters, 36 bytes */
        {"12345678901234567890123456789012345\xc3\xa4", "at most 36 bytes"},
        {"1234567890123456789012345678901234567", "at most 36 characters"}};
    struct tb_ingest_reply reply;
    char body[256];
    (void)state;
    for (size_t i = 0; i < sizeof(uuids) / sizeof(uuids[0]); i++) {
        snprintf(body, sizeof(body),
                 "{\"data\":{\"environment\":\"e\",\"uuid\":\"%s\",\"body\":{\"message\":{\"body\":"
                 "\"hi\"}}}}",
                 uuids[i][0]);
        take(body, NULL, &reply);
        assert_int_equal(reply.status, uuids[i][1] == NULL ? 200 : 422);
        if (uuids[i][1] == NULL)
            assert_string_equal(reply.uuid, uuids[i][0]);
        else
            assert_non_null(strstr(reply.message, uuids[i][1]));
    }
}

static void the_token_of_the_header_wins(void **state)
{
    struct tb_ingest_reply reply;
    struct tb_spool_record record;
    (void)state;
    take("{\"access_token\":\"body\",\"data\":{\"uuid\":\"u\",\"environment\":\"e\",\"body\":{"
         "\"message\":{\"body\":\"hi\"}}}}",
         "head", &reply);
    assert_int_equal(reply.status, 200);
    assert_int_equal(tb_spool_next(spool, &record), 0);
    assert_non_null(memmem(record.data, record.len, "\"access_token\":\"head\"", 21));
    assert_null(memmem(record.data, record.len, "\"access_token\":\"body\"", 21));
}

static void what_is_no_item_is_refused_and_costs_nothing(void **state)
{
    static const struct {
        const char *body, *token;
        int status;
        const char *says;
    } cases[] = {
        {"", NULL, 400, "not a Rollbar item"},
        {"not json", NULL, 400, "not a Rollbar item"},
        {"{\"data\":", NULL, 400, "not a Rollbar item"},
        {"\xff\xfe", NULL, 400, "not a Rollbar item"},
        {"[]", NULL, 400, "not an object"},
        {"{}", NULL, 422, "data is missing"},
        {"{\"body\":{\"message\":{\"body\":\"x\"}}}", NULL, 422, "data is missing"},
        {"{\"data\":{\"environment\":\"e\",\"body\":{}}}", NULL, 422, "data.body must have either"},
        {"{\"data\":{\"environment\":\"e\",\"uuid\":\"0123456789012345678901234567890123456789\","
         "\"body\":{\"message\":{\"body\":\"x\"}}}}",
         NULL, 422, "uuid"},
        {"{\"data\":{\"environment\":\"e\",\"uuid\":\"\\ud800\",\"body\":{\"message\":{\"body\":"
         "\"x\"}}}}",
         NULL, 422, "half a character"},
        {"{\"data\":{\"environment\":\"e\",\"uuid\":\"a\\u0000\",\"body\":{\"message\":{\"body\":"
         "\"x\"}}}}",
         NULL, 422, "control character"},
        {"{\"data\":{\"environment\":\"e\",\"uuid\":\"a\\n\",\"body\":{\"message\":{\"body\":"
         "\"x\"}}}}",
         NULL, 422, "control character"},
        {"{\"data\":{\"environment\":\"e\",\"uuid\":\"a\\u009b31m\",\"body\":{\"message\":{"
         "\"body\":"
         "\"x\"}}}}",
         NULL, 422, "control character"},
        {"{\"data\":{\"environment\":\"e\",\"body\":{\"message\":{\"body\":\"x\"}}}}", "two words",
         403, "access token"},
    };
    struct tb_spool_record record;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tb_ingest_reply reply;
        take(cases[i].body, cases[i].token, &reply);
        if (reply.status != cases[i].status || strstr(reply.message, cases[i].says) == NULL)
            fail_msg("%s: %d %s", cases[i].body, reply.status, reply.message);
    }
    assert_int_equal(tb_spool_next(spool, &record), -EAGAIN);
}

static void what_does_not_fit_one_record_is_truncated(void **state)
{
    enum { HUGE = (1 << 20) - 500 };
    static const char head[] = "{\"data\":{\"uuid\":\"u\",\"environment\":\"e\",\"level\":"
                               "\"critical\",\"body\":{\"message\":{\"body\":\"";
    char *body = malloc(sizeof(head) + HUGE + 20);
    struct tb_ingest_reply reply;
    struct tb_spool_record record;
    (void)state;
    assert_non_null(body);
    memcpy(body, head, sizeof(head));
    memset(body + sizeof(head) - 1, 'x', HUGE);
    memcpy(body + sizeof(head) - 1 + HUGE, "\"}}}}", 6);
    take(body, "head", &reply);
    free(body);
    assert_int_equal(reply.status, 200);
    assert_true(is_large);
    assert_string_equal(reply.uuid, "u");
    assert_int_equal(tb_spool_next(spool, &record), 0);
    assert_int_equal(record.class_, TB_CLASS_CRASH);
    assert_true(record.len < 2000);
    assert_non_null(memmem(record.data, record.len, "\"steps\":[\"strings1024\"]", 23));
    assert_non_null(memmem(record.data, record.len, "\"access_token\":\"head\"", 21));
}

/* n values behind a beginning that makes an item of them. */
static char *item_of_values(int n, size_t *len)
{
    static const char head[] = "{\"data\":{\"uuid\":\"u\",\"environment\":\"e\",\"body\":{"
                               "\"message\":{\"body\":\"m\"}},\"custom\":{\"z\":[0";
    char *body = malloc(sizeof(head) + 2 * (size_t)n + 20);
    assert_non_null(body);
    memcpy(body, head, sizeof(head));
    char *end = body + sizeof(head) - 1;
    for (int i = 0; i < n; i++) {
        *end++ = ',';
        *end++ = '0';
    }
    memcpy(end, "]}}}", 5);
    *len = (size_t)(end - body) + 4;
    return body;
}

static void very_many_values_are_truncated_or_refused_by_name(void **state)
{
    struct tb_ingest_reply reply;
    size_t len;
    (void)state;
    char *body = item_of_values(60000, &len);
    take_bytes(body, len, NULL, &reply);
    free(body);
    assert_int_equal(reply.status, 200);
    assert_true(is_large);
    body = item_of_values(1100000, &len);
    take_bytes(body, len, NULL, &reply);
    free(body);
    assert_int_equal(reply.status, 422);
    assert_non_null(strstr(reply.message, "more than 1000000 values"));
}

static void an_item_leaves_room_for_the_values_that_the_agent_adds(void **state)
{
    struct tb_ingest_reply reply;
    struct tb_spool_record record;
    struct tb_doc *doc = NULL;
    char why[TB_DOC_WHY];
    size_t len;
    (void)state;
    char *body = item_of_values(TB_DOC_NODES - 20, &len);
    take_bytes(body, len, NULL, &reply);
    free(body);
    assert_int_equal(reply.status, 200);
    assert_int_equal(tb_spool_next(spool, &record), 0);
    assert_int_equal(tb_doc_new((const char *)record.data, record.len, &doc, why), 0);
    assert_true(tb_doc_n_nodes(doc) <= TB_DOC_NODES - 20);
    tb_doc_free(doc);
}

static void what_rollbar_could_never_take_is_not_said_to_be_taken(void **state)
{
    enum { MUCH = 600 << 10 }; /* fits the spool; a fingerprint is never cut */
    static const char head[] = "{\"data\":{\"environment\":\"e\",\"body\":{\"message\":{\"body\":"
                               "\"x\"}},\"fingerprint\":\"";
    char *body = malloc(sizeof(head) + MUCH + 4);
    struct tb_ingest_reply reply;
    struct tb_spool_record record;
    (void)state;
    assert_non_null(body);
    memcpy(body, head, sizeof(head));
    memset(body + sizeof(head) - 1, 'f', MUCH);
    memcpy(body + sizeof(head) - 1 + MUCH, "\"}}", 4);
    take(body, NULL, &reply);
    free(body);
    assert_int_equal(reply.status, 422);
    assert_non_null(strstr(reply.message, "cannot be left out"));
    assert_int_equal(tb_spool_next(spool, &record), -EAGAIN);
}

static void what_cannot_be_truncated_is_refused_by_name(void **state)
{
    char deep[400] =
        "{\"data\":{\"environment\":\"e\",\"body\":{\"message\":{\"body\":\"x\",\"d\":";
    struct tb_ingest_reply reply;
    (void)state;
    size_t len = strlen(deep);
    memset(deep + len, '[', 70);
    memset(deep + len + 70, ']', 70);
    memcpy(deep + len + 140, "}}}}", 5);
    take(deep, NULL, &reply);
    assert_int_equal(reply.status, 422);
    assert_non_null(strstr(reply.message, "64 levels"));
}

static void much_garbage_is_refused_without_a_worker(void **state)
{
    enum { MUCH = 3 << 20 };
    struct tb_ingest_reply reply;
    char *body = malloc(MUCH);
    (void)state;
    assert_non_null(body);
    memset(body, '[', MUCH);
    take_bytes(body, MUCH, NULL, &reply);
    assert_int_equal(reply.status, 400);
    assert_false(is_large);
    take_bytes(body, 100, NULL, &reply);
    assert_int_equal(reply.status, 400);
    memcpy(body, "payload=", 8); /* a form of garbage has to be decoded first */
    take_bytes(body, MUCH, NULL, &reply);
    assert_int_equal(reply.status, 400);
    assert_true(is_large);
    free(body);
}

static void a_form_is_an_item_too(void **state)
{
    static const char *const forms[] = {
        "payload=%7B%22data%22%3A{\"environment\":\"a+b%2B%41%zz\",\"uuid\":\"u\",\"body\":{"
        "\"message\":{\"body\":\"x\"}}}}",
        "other=1&payload={\"data\":{\"environment\":\"a+b%2BA%zz\",\"uuid\":\"u\",\"body\":{"
        "\"message\":{\"body\":\"x\"}}}}&more=2"};
    static const char expected[] = "{\"data\":{\"environment\":\"a b+A%zz\",\"uuid\":\"u\","
                                   "\"body\":{\"message\":{\"body\":\"x\"}}}}";
    struct tb_ingest_reply reply;
    struct tb_spool_record record;
    (void)state;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        take(forms[i], NULL, &reply);
        assert_int_equal(reply.status, 200);
        assert_int_equal(tb_spool_next(spool, &record), 0);
        assert_int_equal(record.len, strlen(expected));
        assert_memory_equal(record.data, expected, record.len);
    }
}

static void what_json_allows_stays_as_it_is(void **state)
{
    static const char *const bodies[] = {
        " \n{\"data\":{\"environment\":\"e\",\"uuid\":\"u\",\"body\":{\"message\":{\"body\":"
        "\"\\ud83d \\u0000 \\/\"}}}}\r\n",
        "{\"data\":{\"environment\":\"e\",\"environment\":\"f\",\"uuid\":\"u\",\"body\":{"
        "\"message\":{\"body\":\"x\"}},\"k\":1,\"k\":2,\"n\":1e999}}",
        "{\"data\":{\"environment\":\"e\",\"uuid\":\"u\",\"custom\":[],\"body\":{\"message\":{"
        "\"body\":\"a&payload=b\"}}}}"};
    struct tb_ingest_reply reply;
    struct tb_spool_record record;
    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        take(bodies[i], NULL, &reply);
        assert_int_equal(reply.status, 200);
        assert_int_equal(tb_spool_next(spool, &record), 0);
        assert_int_equal(record.len, strlen(bodies[i]));
        assert_memory_equal(record.data, bodies[i], record.len);
    }
}

static void a_nul_byte_is_no_json(void **state)
{
    static const char in_a_text[] =
        "{\"data\":{\"environment\":\"e\",\"body\":{\"message\":{\"body\":\"a\0b\"}}}}";
    static const char behind[] =
        "{\"data\":{\"environment\":\"e\",\"body\":{\"message\":{\"body\":\"a\"}}}}\0";
    struct tb_ingest_reply reply;
    (void)state;
    take_bytes(in_a_text, sizeof(in_a_text) - 1, NULL, &reply);
    assert_int_equal(reply.status, 400);
    assert_non_null(strstr(reply.message, "control character"));
    take_bytes(behind, sizeof(behind) - 1, NULL, &reply);
    assert_int_equal(reply.status, 400);
    take_bytes("\0\0\0\0", 4, NULL, &reply);
    assert_int_equal(reply.status, 400);
}

static void a_spool_that_is_gone_is_said(void **state)
{
    struct tb_ingest_reply reply;
    (void)state;
    assert_int_equal(rename(in_folder("spool/in"), in_folder("spool/away")), 0);
    assert_int_equal(rmdir(in_folder("spool/away")), 0);
    take("{\"data\":{\"environment\":\"e\",\"body\":{\"message\":{\"body\":\"x\"}}}}", NULL,
         &reply);
    assert_int_equal(reply.status, 503);
    assert_non_null(strstr(reply.message, "cannot be kept"));
}

#define ITEM(token)                                                                                \
    "{" token "\"data\":{\"environment\":\"e\",\"body\":{\"message\":{\"body\":\"hi\"}}}}"

/* In a body the agent's own token stands for Rollbar's, and a stranger has to show it. */
static void the_ingest_token_is_shown_and_goes_no_further(void **state)
{
    static const struct {
        const char *body, *header;
        int must_show, status;
        const char *token; /* in the record; NULL: none, or an empty one */
    } cases[] = {
        {ITEM("\"access_token\":\"ours\","), NULL, 1, 0, NULL},
        {ITEM("\"access_token\":\"ours\","), NULL, 0, 0, NULL},
        {ITEM("\"access_token\":\"ours\","), "theirs", 0, 0, "theirs"},
        {ITEM("\"access_token\":\"theirs\","), NULL, 0, 0, "theirs"},
        {ITEM("\"access_token\":\"theirs\","), NULL, 1, 401, NULL},
        {ITEM("\"access_token\":\"our\","), NULL, 1, 401, NULL},
        {ITEM("\"access_token\":[\"ours\"],"), NULL, 1, 401, NULL},
        {ITEM("\"access_token\":null,"), NULL, 1, 401, NULL},
        {ITEM(""), NULL, 1, 401, NULL},
        {"{\"access_token\":\"theirs\"}", NULL, 1, 401, NULL}, /* before what else is wrong */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tb_ingest_item item;
        const struct tb_ingest_token token = {
            .header = cases[i].header, .ours = "ours", .must_show = cases[i].must_show};
        assert_int_equal(
            tb_ingest_prepare_as(cases[i].body, strlen(cases[i].body), &token, 0, &item), 0);
        assert_int_equal(item.reply.status, cases[i].status);
        const char *text = tb_buf_str(&item.text);
        if (strstr(text, "\"ours\"") != NULL ||
            (cases[i].token != NULL && strstr(text, cases[i].token) == NULL))
            fail_msg("%zu: %s", i, text);
        tb_ingest_done(&item);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_ingest_token_is_shown_and_goes_no_further),
        TEST(what_is_said_to_be_taken_is_in_the_spool),
        TEST(what_is_missing_is_added),
        TEST(a_uuid_has_at_most_36_bytes),
        TEST(the_token_of_the_header_wins),
        TEST(what_is_no_item_is_refused_and_costs_nothing),
        TEST(what_does_not_fit_one_record_is_truncated),
        TEST(very_many_values_are_truncated_or_refused_by_name),
        TEST(an_item_leaves_room_for_the_values_that_the_agent_adds),
        TEST(what_rollbar_could_never_take_is_not_said_to_be_taken),
        TEST(what_cannot_be_truncated_is_refused_by_name),
        TEST(much_garbage_is_refused_without_a_worker),
        TEST(a_form_is_an_item_too),
        TEST(what_json_allows_stays_as_it_is),
        TEST(a_nul_byte_is_no_json),
        TEST(a_spool_that_is_gone_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
