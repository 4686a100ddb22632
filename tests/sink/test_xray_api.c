/* test_xray_api.c - PutTraceSegments: what is sent, signed, and what its answers mean of each
 * document. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "vectors.h"
#include "xray_check.h"

static const struct tb_sink_credentials CREDENTIALS = {
    .key_id = "AKIDEXAMPLE", .secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", .session = ""};
static const struct tb_sink_settings SETTINGS = {.host = "h", .region = "ca-central-1"};
static const struct tb_sink_target TARGET = {.endpoint = "https://xray.ca-central-1.amazonaws.com",
                                             .token = "",
                                             .settings = &SETTINGS,
                                             .credentials = &CREDENTIALS,
                                             .now_ms = 1795339661000};

static struct tb_sink_item items[60];
static char uuids[60][37];

static void set_up_items(void)
{
    static const char DATA[] =
        "{\"timestamp\":1795339661,\"body\":{\"message\":{\"body\":\"a \\\"b\\\" \\\\ c\"}}}";
    for (size_t i = 0; i < 60; i++) {
        (void)snprintf(uuids[i], sizeof(uuids[i]), "d4c7acef-55bf-4c9e-a95e-4fe9428a82%02zu", i);
        items[i] = (struct tb_sink_item){.uuid = uuids[i], .data = DATA, .len = sizeof(DATA) - 1};
    }
}

static const char *header(const struct tb_sink_request *request, const char *name)
{
    const char *line = NULL;
    while ((line = tb_sink_next_header(request, line)) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0)
            return line + strlen(name);
    }
    return "";
}

static void fifty_documents_are_one_signed_request(void **state)
{
    struct tb_sink_request request;
    (void)state;
    set_up_items();
    assert_int_equal(tb_sink_xray_api.encode(&TARGET, items, 60, &request), 50);
    assert_string_equal(request.url, "https://xray.ca-central-1.amazonaws.com/TraceSegments");
    assert_string_equal(header(&request, "Content-Type: "), "application/json");
    assert_non_null(
        strstr(header(&request, "Authorization: "), "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"));
    assert_non_null(strstr(header(&request, "Authorization: "), "/ca-central-1/xray/aws4_request"));
    cJSON *json = cJSON_Parse(tb_buf_str(&request.body));
    const cJSON *list = cJSON_GetObjectItem(json, "TraceSegmentDocuments");
    assert_int_equal(cJSON_GetArraySize(list), 50);
    for (int i = 0; i < 50; i++) {
        const char *text = cJSON_GetStringValue(cJSON_GetArrayItem(list, i));
        char id[TB_XRAY_ID_HEX];
        tb_xray_document_id(uuids[i], id);
        assert_null(xray_fault(text, strlen(text)));
        assert_memory_equal(text + strlen("{\"id\":\""), id, 16);
        assert_non_null(strstr(text, "a \\\"b\\\" \\\\ c"));
    }
    cJSON_Delete(json);
    tb_sink_request_done(&request);
}

static void the_address_is_the_regions_or_the_settings(void **state)
{
    static const struct {
        const char *endpoint, *region, *url;
    } URLS[] = {
        {"", "eu-west-1", "https://xray.eu-west-1.amazonaws.com/TraceSegments"},
        {"", "cn-north-1", "https://xray.cn-north-1.amazonaws.com.cn/TraceSegments"},
        {"", "eusc-de-east-1", "https://xray.eusc-de-east-1.amazonaws.eu/TraceSegments"},
        {"", "us-iso-east-1", "https://xray.us-iso-east-1.c2s.ic.gov/TraceSegments"},
        {"http://127.0.0.1:5000/", "eu-west-1", "http://127.0.0.1:5000/TraceSegments"},
        {"http://127.0.0.1:5000/base", "eu-west-1", "http://127.0.0.1:5000/base/TraceSegments"},
        {"http://127.0.0.1:5000/TraceSegments", "eu-west-1", "http://127.0.0.1:5000/TraceSegments"},
    };
    (void)state;
    set_up_items();
    for (size_t i = 0; i < sizeof(URLS) / sizeof(URLS[0]); i++) {
        struct tb_sink_settings settings = {.host = "h", .region = URLS[i].region};
        struct tb_sink_target target = TARGET;
        struct tb_sink_request request;
        target.settings = &settings;
        target.endpoint = URLS[i].endpoint;
        assert_int_equal(tb_sink_xray_api.encode(&target, items, 1, &request), 1);
        assert_string_equal(request.url, URLS[i].url);
        tb_sink_request_done(&request);
    }
}

static void without_region_or_credentials_there_is_no_request(void **state)
{
    struct tb_sink_settings settings = {.host = "h", .region = ""};
    struct tb_sink_target target = TARGET;
    struct tb_sink_request request;
    (void)state;
    set_up_items();
    target.settings = &settings;
    assert_int_equal(tb_sink_xray_api.encode(&target, items, 1, &request), -EINVAL);
    tb_sink_request_done(&request);
    /* One that would choose the host. */
    settings.region = "x@elsewhere.example#";
    target.endpoint = "";
    assert_int_equal(tb_sink_xray_api.encode(&target, items, 1, &request), -EINVAL);
    tb_sink_request_done(&request);
    target = TARGET;
    target.credentials = NULL;
    assert_int_equal(tb_sink_xray_api.encode(&target, items, 1, &request), -EINVAL);
    tb_sink_request_done(&request);
}

static void what_is_no_item_is_left_out(void **state)
{
    struct tb_sink_request request;
    (void)state;
    set_up_items();
    items[0].data = "7";
    items[0].len = 1;
    assert_int_equal(tb_sink_xray_api.encode(&TARGET, items, 2, &request), 2);
    assert_non_null(items[0].why);
    assert_null(items[1].why);
    assert_memory_equal(tb_buf_str(&request.body), "{\"TraceSegmentDocuments\":[\"{", 28);
    tb_sink_request_done(&request);
    assert_int_equal(tb_sink_xray_api.encode(&TARGET, items, 1, &request), 1);
    assert_int_equal(request.body.len, 0);
    tb_sink_request_done(&request);
}

static void judge(int status, const char *body, size_t n, struct tb_sink_judgement *out)
{
    struct tb_sink_reply reply = {.status = status,
                                  .body = body,
                                  .body_len = body ? strlen(body) : 0,
                                  .now_s = 1795339661,
                                  .error = status ? NULL : "timed out"};
    set_up_items();
    memset(out, 0xff, n * sizeof(*out));
    tb_sink_xray_api.judge(&TARGET, &reply, items, n, out);
}

static void each_document_has_its_own_verdict(void **state)
{
    struct tb_sink_judgement out[3];
    char body[512];
    char id[TB_XRAY_ID_HEX];
    char last[TB_XRAY_ID_HEX];
    (void)state;
    tb_xray_document_id(uuids[1], id);
    tb_xray_document_id(uuids[2], last);
    (void)snprintf(body, sizeof(body),
                   "{\"UnprocessedTraceSegments\":[{\"Id\":\"%s\",\"ErrorCode\":\"InvalidTraceId\","
                   "\"Message\":\"Invalid segment.\\n\"},{\"Id\":\"0000000000000000\"},7,"
                   "{\"Id\":\"%s\",\"ErrorCode\":\"InternalFailure\"}]}",
                   id, last);
    judge(200, body, 3, out);
    assert_int_equal(out[0].verdict, TB_VERDICT_ACK);
    assert_int_equal(out[1].verdict, TB_VERDICT_DROP);
    assert_string_equal(out[1].reason, "InvalidTraceId: Invalid segment. ");
    assert_int_equal(out[2].verdict, TB_VERDICT_RETRY);
}

static void what_is_said_of_a_document_has_no_secret_in_it(void **state)
{
    static const struct tb_sink_credentials SECRETS = {
        .key_id = "ASIAEXAMPLE",
        .secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        .session = "IQoJb3JpZ2luX2VjEXAMPLE/session=="};
    struct tb_sink_target target = TARGET;
    struct tb_sink_judgement out;
    char id[TB_XRAY_ID_HEX];
    char body[512];
    (void)state;
    set_up_items();
    target.credentials = &SECRETS;
    tb_xray_document_id(uuids[0], id);
    int len = snprintf(body, sizeof(body),
                       "{\"UnprocessedTraceSegments\":[{\"Id\":\"%s\",\"ErrorCode\":\"E %s\","
                       "\"Message\":\"x-amz-security-token:%s and %s\"}]}",
                       id, SECRETS.session, SECRETS.session, SECRETS.secret);
    const struct tb_sink_reply reply = {.status = 200, .body = body, .body_len = (size_t)len};
    tb_sink_xray_api.judge(&target, &reply, items, 1, &out);
    assert_int_equal(out.verdict, TB_VERDICT_DROP);
    assert_string_equal(out.reason, "E (secret): x-amz-security-token:(secret) and (secret)");
}

/* A reply is 64 KiB: that many entries, each foreign, cost next to nothing. */
static void the_first_word_of_a_document_counts_and_foreign_ones_do_not(void **state)
{
    struct tb_sink_judgement out[2];
    char body[512];
    char id[TB_XRAY_ID_HEX];
    (void)state;
    set_up_items();
    tb_xray_document_id(uuids[1], id);
    (void)snprintf(body, sizeof(body),
                   "{\"UnprocessedTraceSegments\":[{\"Id\":\"ffffffffffffffff\"},{},"
                   "{\"Id\":\"%s\",\"ErrorCode\":\"InvalidTraceId\"},"
                   "{\"Id\":\"%s\",\"ErrorCode\":\"InternalFailure\"}]}",
                   id, id);
    judge(200, body, 2, out);
    assert_int_equal(out[0].verdict, TB_VERDICT_ACK);
    assert_int_equal(out[1].verdict, TB_VERDICT_DROP);
}

static void answers_mean_this_for_all(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum tb_verdict verdict;
    } ANSWERS[] = {
        {200, "{\"UnprocessedTraceSegments\":[]}", TB_VERDICT_ACK},
        {200, "{}", TB_VERDICT_ACK},
        {200, "{\"UnprocessedTraceSegments\":7}", TB_VERDICT_ACK},
        {200, "<html>", TB_VERDICT_RETRY},
        {200, "", TB_VERDICT_RETRY},
        {0, NULL, TB_VERDICT_RETRY},
        {500, "{\"message\":\"x\"}", TB_VERDICT_RETRY},
        {503, "", TB_VERDICT_RETRY},
        {400, "{\"__type\":\"InvalidRequestException\",\"message\":\"x\"}", TB_VERDICT_DROP},
        {429, "{\"__type\":\"ThrottledException\"}", TB_VERDICT_SLOW},
        {400, "{\"__type\":\"ThrottledException\"}", TB_VERDICT_SLOW},
        {403, "{\"__type\":\"ExpiredTokenException\"}", TB_VERDICT_RENEW},
        {403, "{\"__type\":\"AccessDeniedException\",\"message\":\"x\"}", TB_VERDICT_PARK},
        {404, "{\"__type\":\"ResourceNotFoundException\"}", TB_VERDICT_PARK},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(ANSWERS) / sizeof(ANSWERS[0]); i++) {
        struct tb_sink_judgement out[2];
        judge(ANSWERS[i].status, ANSWERS[i].body, 2, out);
        for (int k = 0; k < 2; k++) {
            assert_int_equal(out[k].verdict, ANSWERS[i].verdict);
            assert_int_equal(out[k].reason[0] == '\0', out[k].verdict == TB_VERDICT_ACK);
        }
    }
}

/* The answer of the vectors, to its two documents. */
static void the_vectors_answers_are_understood(void **state)
{
    struct tb_sink_judgement out;
    (void)state;
    cJSON *vector = vectors_json("payloads/xray_put_trace_segments.json");
    if (vector == NULL)
        skip();
    char *text = cJSON_PrintUnformatted(cJSON_GetObjectItem(vector, "success"));
    judge(200, text, 1, &out);
    assert_int_equal(out.verdict, TB_VERDICT_ACK);
    free(text);
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(vector, "path")),
                        "/TraceSegments");
    cJSON_Delete(vector);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fifty_documents_are_one_signed_request),
        cmocka_unit_test(the_address_is_the_regions_or_the_settings),
        cmocka_unit_test(without_region_or_credentials_there_is_no_request),
        cmocka_unit_test(what_is_no_item_is_left_out),
        cmocka_unit_test(each_document_has_its_own_verdict),
        cmocka_unit_test(what_is_said_of_a_document_has_no_secret_in_it),
        cmocka_unit_test(the_first_word_of_a_document_counts_and_foreign_ones_do_not),
        cmocka_unit_test(answers_mean_this_for_all),
        cmocka_unit_test(the_vectors_answers_are_understood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
