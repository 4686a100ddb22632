/* What is sent over HTTP: in the spool before 200 is said, or refused in Rollbar's words. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "agent/ingest.h"
#include "../support/folder.h"
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

static void take(const char *body, const char *token, struct tb_ingest_reply *reply)
{
    tb_ingest_take(&ingest, body, strlen(body), token, reply);
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

static void what_does_not_fit_one_record_gets_413(void **state)
{
    enum { HUGE = (1 << 20) + 100 };
    char *body = malloc(HUGE + 200);
    struct tb_ingest_reply reply;
    (void)state;
    assert_non_null(body);
    static const char head[] =
        "{\"data\":{\"environment\":\"e\",\"body\":{\"message\":{\"body\":\"";
    size_t len = sizeof(head) - 1 + HUGE;
    memset(body, 'x', HUGE + 200);
    memcpy(body, head, sizeof(head) - 1);
    snprintf(body + len, 200 - (sizeof(head) - 1), "\"}}}}");
    take(body, NULL, &reply);
    assert_int_equal(reply.status, 413);
    free(body);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_said_to_be_taken_is_in_the_spool),
        TEST(what_is_missing_is_added),
        TEST(the_token_of_the_header_wins),
        TEST(what_is_no_item_is_refused_and_costs_nothing),
        TEST(what_does_not_fit_one_record_gets_413),
        TEST(a_spool_that_is_gone_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
