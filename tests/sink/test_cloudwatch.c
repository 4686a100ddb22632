/* test_cloudwatch.c - what goes into one PutLogEvents, and what its answers mean. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "sink/sink.h"

#define S_OF_NOW 1795339700
#define DAY_S (24 * 3600)

static struct tb_sink_settings settings;
static struct tb_sink_target target;
static const struct tb_sink_credentials CREDENTIALS = {
    "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ""};
static struct tb_sink_item items[80];
static char data[80][512];
static struct tb_sink_request request;
static cJSON *body;

static int set_up(void **state)
{
    (void)state;
    settings = (struct tb_sink_settings){
        .host = "feed-1", .region = "ca-central-1", .log_group = "cruddur"};
    target = (struct tb_sink_target){.endpoint = "",
                                     .token = "feed-1/feedd",
                                     .settings = &settings,
                                     .credentials = &CREDENTIALS,
                                     .now_ms = (int64_t)S_OF_NOW * 1000};
    memset(items, 0, sizeof(items));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cJSON_Delete(body);
    body = NULL;
    tb_sink_request_done(&request);
    memset(&request, 0, sizeof(request));
    return 0;
}

/* Item i, of that second, with that message. */
static void put(size_t i, int64_t at_s, const char *message)
{
    int len = snprintf(data[i], sizeof(data[i]),
                       "{\"uuid\":\"u%zu\",\"timestamp\":%lld,\"level\":\"error\",\"body\":"
                       "{\"message\":{\"body\":\"%s\"}}}",
                       i, (long long)at_s, message);
    items[i] = (struct tb_sink_item){.uuid = "u", .data = data[i], .len = (size_t)len};
}

static int encode(size_t n)
{
    (void)tear_down(NULL);
    int settled = tb_sink_cloudwatch.encode(&target, items, n, &request);
    if (settled > 0 && request.body.len > 0) {
        body = cJSON_Parse(tb_buf_str(&request.body));
        assert_non_null(body);
    }
    return settled;
}

static const cJSON *events(void)
{
    return cJSON_GetObjectItemCaseSensitive(body, "logEvents");
}

static int64_t at_of(int i)
{
    const cJSON *event = cJSON_GetArrayItem(events(), i);
    return (int64_t)cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(event, "timestamp"));
}

static const char *message_of(int i)
{
    const cJSON *event = cJSON_GetArrayItem(events(), i);
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(event, "message"));
}

static cJSON *record_of(int i)
{
    cJSON *record = cJSON_Parse(message_of(i));
    assert_non_null(record);
    return record;
}

static const char *member(const cJSON *record, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(record, name));
    return text ? text : "";
}

static const char *header(const char *name)
{
    size_t len = strlen(name);
    for (const char *line = NULL; (line = tb_sink_next_header(&request, line)) != NULL;)
        if (strncmp(line, name, len) == 0 && line[len] == ':')
            return line + len + 2;
    return "";
}

static void one_request_is_put_log_events_signed(void **state)
{
    (void)state;
    put(0, S_OF_NOW - 5, "a");
    assert_int_equal(encode(1), 1);
    assert_string_equal(request.url, "https://logs.ca-central-1.amazonaws.com/");
    assert_null(request.method);
    assert_string_equal(header("Content-Type"), "application/x-amz-json-1.1");
    assert_string_equal(header("X-Amz-Target"), "Logs_20140328.PutLogEvents");
    assert_string_equal(header("X-Amz-Date"), "20261122T092820Z");
    assert_string_equal(header("x-amzn-logs-format"), "");
    assert_true(strncmp(header("Authorization"),
                        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261122/ca-central-1/logs/",
                        66) == 0);
    assert_string_equal(member(body, "logGroupName"), "cruddur");
    assert_string_equal(member(body, "logStreamName"), "feed-1/feedd");
    assert_int_equal(cJSON_GetArraySize(events()), 1);
    assert_int_equal(at_of(0), (int64_t)(S_OF_NOW - 5) * 1000);
}

static void an_endpoint_of_the_settings_is_used(void **state)
{
    (void)state;
    target.endpoint = "http://127.0.0.1:5000";
    put(0, S_OF_NOW, "a");
    assert_int_equal(encode(1), 1);
    assert_string_equal(request.url, "http://127.0.0.1:5000");
}

static void events_stand_in_the_order_of_their_times(void **state)
{
    (void)state;
    put(0, S_OF_NOW - 1, "c");
    put(1, S_OF_NOW - 3, "a");
    put(2, S_OF_NOW - 1, "d");
    put(3, S_OF_NOW - 2, "b");
    assert_int_equal(encode(4), 4);
    static const char *const order[] = {"a", "b", "c", "d"};
    static const size_t from[] = {1, 3, 0, 2};
    for (int i = 0; i < 4; i++) {
        cJSON *record = record_of(i);
        assert_string_equal(member(record, "message"), order[i]);
        cJSON_Delete(record);
        assert_ptr_equal(items[i].data, data[from[i]]);
    }
}

static void a_batch_spans_less_than_a_day(void **state)
{
    (void)state;
    put(0, S_OF_NOW - DAY_S - 10, "old");
    put(1, S_OF_NOW - 5, "new");
    put(2, S_OF_NOW - DAY_S - 20, "older");
    put(3, S_OF_NOW - 21, "a day less one second after the first");
    assert_int_equal(encode(4), 3);
    assert_int_equal(at_of(0), (int64_t)(S_OF_NOW - DAY_S - 20) * 1000);
    assert_int_equal(at_of(2) - at_of(0) < DAY_S * 1000, 1);
    assert_ptr_equal(items[3].data, data[1]);
    assert_null(items[3].why);
}

static void a_batch_has_at_most_one_mebibyte(void **state)
{
    (void)state;
    enum { N = 6, LEN = 240 << 10 };
    static char large[N][LEN];
    for (size_t i = 0; i < N; i++) {
        int n = snprintf(large[i], LEN,
                         "{\"timestamp\":%d,\"body\":{\"trace\":{\"exception\":{\"class\":\"E\"},"
                         "\"frames\":[",
                         S_OF_NOW);
        size_t at = (size_t)n;
        for (int f = 0; f < 200; f++)
            at += (size_t)snprintf(large[i] + at, LEN - at,
                                   "%s{\"method\":\"%01000d\",\"filename\":"
                                   "\"x\"}",
                                   f > 0 ? "," : "", f);
        memcpy(large[i] + at, "]}}}", 5);
        items[i] = (struct tb_sink_item){.uuid = "u", .data = large[i], .len = at + 4};
    }
    int settled = encode(N);
    assert_in_range(settled, 4, 5);
    size_t total = 0;
    for (int i = 0; i < settled; i++)
        total += strlen(message_of(i)) + 26;
    assert_true(total <= 1048576);
    assert_true(total > 700000);
}

static void no_more_than_64_are_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < 80; i++)
        put(i, S_OF_NOW, "x");
    assert_int_equal(encode(80), 64);
    assert_int_equal(cJSON_GetArraySize(events()), 64);
}

static void what_is_too_old_or_ahead_is_sent_with_the_time_now(void **state)
{
    (void)state;
    put(0, S_OF_NOW - 15 * DAY_S, "old");
    put(1, S_OF_NOW + 3 * 3600, "ahead");
    put(2, S_OF_NOW + 3600, "soon");
    assert_int_equal(encode(3), 3);
    assert_int_equal(at_of(0), target.now_ms);
    assert_int_equal(at_of(1), target.now_ms);
    assert_int_equal(at_of(2), target.now_ms + 3600 * 1000);
    cJSON *record = record_of(0);
    assert_string_equal(member(record, "message"), "old");
    assert_string_equal(member(record, "timestamp"), "2026-11-07T09:28:20.000Z");
    assert_string_equal(member(record, "occurred_at"), "2026-11-07T09:28:20.000Z");
    cJSON_Delete(record);
    record = record_of(2);
    assert_string_equal(member(record, "occurred_at"), "");
    cJSON_Delete(record);
}

static void what_the_group_does_not_keep_has_the_time_now(void **state)
{
    (void)state;
    settings.retention_days = 3;
    put(0, S_OF_NOW - 4 * DAY_S, "old");
    assert_int_equal(encode(1), 1);
    assert_int_equal(at_of(0), target.now_ms);
}

static void what_is_too_old_is_dropped_where_that_is_wanted(void **state)
{
    (void)state;
    settings.drops_old = true;
    put(0, S_OF_NOW - 15 * DAY_S, "old");
    put(1, S_OF_NOW, "new");
    assert_int_equal(encode(2), 2);
    assert_int_equal(cJSON_GetArraySize(events()), 1);
    assert_null(items[0].why);
    assert_ptr_equal(items[0].data, data[1]);
    assert_non_null(strstr(items[1].why, "older than"));
    put(0, S_OF_NOW - 15 * DAY_S, "old");
    assert_int_equal(encode(1), 1);
    assert_int_equal(request.body.len, 0);
    assert_non_null(items[0].why);
}

static void an_item_without_a_time_has_the_time_now(void **state)
{
    static const char TEXT[] = "{\"body\":{\"message\":{\"body\":\"x\"}}}";
    (void)state;
    items[0] = (struct tb_sink_item){.uuid = "u", .data = TEXT, .len = sizeof(TEXT) - 1};
    assert_int_equal(encode(1), 1);
    assert_int_equal(at_of(0), target.now_ms);
}

static void what_is_no_item_is_left_out(void **state)
{
    (void)state;
    items[0] = (struct tb_sink_item){.uuid = "u", .data = "[1]", .len = 3};
    put(1, S_OF_NOW, "x");
    items[2] = (struct tb_sink_item){.uuid = "u", .data = "{\"a\":", .len = 5};
    assert_int_equal(encode(3), 3);
    assert_int_equal(cJSON_GetArraySize(events()), 1);
    assert_ptr_equal(items[0].data, data[1]);
    assert_non_null(items[1].why);
    assert_non_null(items[2].why);
}

static void a_target_that_can_make_no_request_is_refused(void **state)
{
    (void)state;
    put(0, S_OF_NOW, "x");
    settings.log_group = "";
    assert_int_equal(encode(1), -EINVAL);
    settings.log_group = "with blank";
    assert_int_equal(encode(1), -EINVAL);
    settings.log_group = "/aws-like/group_1#a.b-c";
    assert_int_equal(encode(1), 1);
    target.credentials = NULL;
    assert_int_equal(encode(1), -EINVAL);
    target.credentials = &CREDENTIALS;
    settings.region = "";
    assert_int_equal(encode(1), -EINVAL);
    settings.region = "evil.example/";
    assert_int_equal(encode(1), -EINVAL);
    target.settings = NULL;
    assert_int_equal(encode(1), -EINVAL);
}

static void a_stream_has_a_name_that_is_taken(void **state)
{
    static char name[1100];
    (void)state;
    put(0, S_OF_NOW, "x");
    target.token = "a:b*c\"d\\e\x01";
    assert_int_equal(encode(1), 1);
    assert_string_equal(member(body, "logStreamName"), "a_b_c\"d\\e_");
    target.token = "";
    assert_int_equal(encode(1), 1);
    assert_string_equal(member(body, "logStreamName"), "towbar");
    for (size_t i = 0; i + 2 < sizeof(name); i += 2)
        memcpy(name + i, "\xc3\xa9", 2);
    target.token = name;
    assert_int_equal(encode(1), 1);
    assert_int_equal(strlen(member(body, "logStreamName")), 1024);
}

/* ---- judge ---- */

static struct tb_sink_judgement judged[4];

static void reply(int status, const char *text)
{
    const struct tb_sink_reply r = {
        .status = status, .body = text, .body_len = strlen(text), .now_s = S_OF_NOW};
    memset(judged, 0xff, sizeof(judged));
    tb_sink_cloudwatch.judge(&target, &r, items, 4, judged);
}

static void exactly_what_was_rejected_is_dropped(void **state)
{
    static const struct {
        const char *info;
        const char *verdicts; /* a taken, o too old, e expired, n too new */
    } cases[] = {{"", "aaaa"},
                 {"\"rejectedLogEventsInfo\":{}", "aaaa"},
                 {"\"nextSequenceToken\":\"x\"", "aaaa"},
                 {"\"rejectedLogEventsInfo\":{\"tooOldLogEventEndIndex\":1}", "oaaa"},
                 {"\"rejectedLogEventsInfo\":{\"tooOldLogEventEndIndex\":0}", "aaaa"},
                 {"\"rejectedLogEventsInfo\":{\"tooNewLogEventStartIndex\":3}", "aaan"},
                 {"\"rejectedLogEventsInfo\":{\"tooNewLogEventStartIndex\":0}", "nnnn"},
                 {"\"rejectedLogEventsInfo\":{\"tooNewLogEventStartIndex\":4}", "aaaa"},
                 {"\"rejectedLogEventsInfo\":{\"expiredLogEventEndIndex\":2}", "eeaa"},
                 {"\"rejectedLogEventsInfo\":{\"tooOldLogEventEndIndex\":1,"
                  "\"expiredLogEventEndIndex\":2,\"tooNewLogEventStartIndex\":3}",
                  "oean"},
                 {"\"rejectedLogEventsInfo\":{\"tooOldLogEventEndIndex\":1e300}", "oooo"},
                 {"\"rejectedLogEventsInfo\":{\"tooOldLogEventEndIndex\":-1}", "aaaa"},
                 {"\"rejectedLogEventsInfo\":{\"tooOldLogEventEndIndex\":\"1\"}", "aaaa"},
                 {"\"rejectedLogEventsInfo\":null", "aaaa"}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[256];
        (void)snprintf(text, sizeof(text), "{%s}", cases[i].info);
        reply(200, text);
        for (size_t k = 0; k < 4; k++) {
            static const char kinds[] = "oen";
            static const char *const words[] = {"14 days", "keeps", "ahead"};
            const char *kind = strchr(kinds, cases[i].verdicts[k]);
            assert_int_equal(judged[k].verdict, kind ? TB_VERDICT_DROP : TB_VERDICT_ACK);
            assert_int_equal(judged[k].may_repair, 0);
            if (kind != NULL)
                assert_non_null(strstr(judged[k].reason, words[kind - kinds]));
        }
    }
}

static void errors_are_the_verdict_of_all(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum tb_verdict verdict;
    } cases[] = {
        {400, "{\"__type\":\"ResourceNotFoundException\"}", TB_VERDICT_CREATE},
        {400, "{\"__type\":\"com.amazonaws.logs#InvalidParameterException\"}", TB_VERDICT_DROP},
        {400, "{\"__type\":\"AccessDeniedException\"}", TB_VERDICT_PARK},
        {400, "{\"__type\":\"ExpiredTokenException\"}", TB_VERDICT_RENEW},
        {400, "{\"__type\":\"DataAlreadyAcceptedException\"}", TB_VERDICT_ACK},
        {400, "{\"__type\":\"InvalidSequenceTokenException\"}", TB_VERDICT_RETRY},
        {400, "{\"__type\":\"ThrottlingException\"}", TB_VERDICT_SLOW},
        {503, "", TB_VERDICT_RETRY},
        {200, "<html>", TB_VERDICT_RETRY},
        {200, "[]", TB_VERDICT_RETRY},
        {204, "", TB_VERDICT_RETRY},
        {0, "", TB_VERDICT_RETRY}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        reply(cases[i].status, cases[i].body);
        for (size_t k = 0; k < 4; k++)
            assert_int_equal(judged[k].verdict, cases[i].verdict);
    }
    reply(400, "{\"__type\":\"AccessDeniedException\"}");
    assert_non_null(strstr(judged[0].reason, "logs:PutLogEvents"));
}

/* ---- prepare ---- */

static void what_is_missing_is_made_in_steps(void **state)
{
    static const char *const expected[][2] = {
        {"Logs_20140328.CreateLogGroup", "{\"logGroupName\":\"cruddur\"}"},
        {"Logs_20140328.CreateLogStream",
         "{\"logGroupName\":\"cruddur\",\"logStreamName\":\"feed-1/feedd\"}"},
        {"Logs_20140328.PutRetentionPolicy",
         "{\"logGroupName\":\"cruddur\",\"retentionInDays\":30}"}};
    (void)state;
    settings.retention_days = 30;
    for (unsigned step = 0; step < 3; step++) {
        tb_sink_request_done(&request);
        assert_int_equal(tb_sink_cloudwatch.prepare(&target, step, &request), 1);
        assert_string_equal(header("X-Amz-Target"), expected[step][0]);
        assert_string_equal(tb_buf_str(&request.body), expected[step][1]);
        assert_true(header("Authorization")[0] != '\0');
    }
    assert_int_equal(tb_sink_cloudwatch.prepare(&target, 3, &request), 0);
    settings.retention_days = 0;
    assert_int_equal(tb_sink_cloudwatch.prepare(&target, 2, &request), 0);
    target.credentials = NULL;
    tb_sink_request_done(&request);
    assert_int_equal(tb_sink_cloudwatch.prepare(&target, 0, &request), -EINVAL);
}

static void steps_have_their_verdicts(void **state)
{
    static const struct {
        unsigned step;
        int status;
        const char *type;
        enum tb_verdict verdict;
    } cases[] = {{0, 200, "", TB_VERDICT_ACK},
                 {0, 400, "ResourceAlreadyExistsException", TB_VERDICT_ACK},
                 {0, 400, "OperationAbortedException", TB_VERDICT_RETRY},
                 {0, 400, "LimitExceededException", TB_VERDICT_SLOW},
                 {0, 400, "AccessDeniedException", TB_VERDICT_ACK},
                 {0, 400, "InvalidParameterException", TB_VERDICT_DROP},
                 {0, 500, "", TB_VERDICT_RETRY},
                 {1, 200, "", TB_VERDICT_ACK},
                 {1, 400, "ResourceAlreadyExistsException", TB_VERDICT_ACK},
                 {1, 400, "ResourceNotFoundException", TB_VERDICT_RETRY},
                 {1, 400, "AccessDeniedException", TB_VERDICT_PARK},
                 {1, 400, "ExpiredTokenException", TB_VERDICT_RENEW},
                 {2, 200, "", TB_VERDICT_ACK},
                 {2, 400, "AccessDeniedException", TB_VERDICT_ACK},
                 {2, 400, "InvalidParameterException", TB_VERDICT_ACK},
                 {2, 400, "ThrottlingException", TB_VERDICT_SLOW}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct tb_sink_reply r = {
            .status = cases[i].status, .body = "{}", .body_len = 2, .error_type = cases[i].type};
        memset(judged, 0xff, sizeof(judged));
        tb_sink_cloudwatch.judge_step(&target, cases[i].step, &r, judged);
        assert_int_equal(judged[0].verdict, cases[i].verdict);
    }
    const struct tb_sink_reply r = {.status = 400, .error_type = "ResourceNotFoundException"};
    tb_sink_cloudwatch.judge_step(&target, 1, &r, judged);
    assert_non_null(strstr(judged[0].reason, "logs:CreateLogGroup"));
    assert_non_null(strstr(judged[0].reason, "cruddur"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(one_request_is_put_log_events_signed),
        TEST(an_endpoint_of_the_settings_is_used),
        TEST(events_stand_in_the_order_of_their_times),
        TEST(a_batch_spans_less_than_a_day),
        TEST(a_batch_has_at_most_one_mebibyte),
        TEST(no_more_than_64_are_taken),
        TEST(what_is_too_old_or_ahead_is_sent_with_the_time_now),
        TEST(what_the_group_does_not_keep_has_the_time_now),
        TEST(what_is_too_old_is_dropped_where_that_is_wanted),
        TEST(an_item_without_a_time_has_the_time_now),
        TEST(what_is_no_item_is_left_out),
        TEST(a_target_that_can_make_no_request_is_refused),
        TEST(a_stream_has_a_name_that_is_taken),
        TEST(exactly_what_was_rejected_is_dropped),
        TEST(errors_are_the_verdict_of_all),
        TEST(what_is_missing_is_made_in_steps),
        TEST(steps_have_their_verdicts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
