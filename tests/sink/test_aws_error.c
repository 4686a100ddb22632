/* test_aws_error.c - what the services of AWS say, in each of the forms in which they say it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sink/aws_error.h"

#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define SESSION "IQoJb3JpZ2luX2VjEXAMPLE"

/* Sun, 22 Nov 2026 09:27:41 GMT */
enum { NOW_S = 1795339661 };
static const struct tb_sink_credentials CREDENTIALS = {"AKIDEXAMPLE", SECRET, SESSION};
static const struct tb_sink_target TARGET = {.credentials = &CREDENTIALS,
                                             .now_ms = (int64_t)NOW_S * 1000};

static struct tb_aws_error error;
static struct tb_sink_judgement judgement;

static void judge(const struct tb_sink_reply *reply)
{
    memset(&error, 0xff, sizeof(error));
    memset(&judgement, 0xff, sizeof(judgement));
    tb_aws_error_read(&TARGET, reply, &error);
    tb_aws_error_judge(&TARGET, reply, "logs:PutLogEvents", &judgement);
}

static void says(int status, const char *type, const char *body)
{
    judge(&(struct tb_sink_reply){.status = status,
                                  .body = body,
                                  .body_len = strlen(body),
                                  .now_s = NOW_S,
                                  .error_type = type});
}

static void the_name_is_found_in_every_form(void **state)
{
    static const struct {
        const char *type, *body, *name, *said;
    } cases[] = {
        {NULL, "{\"__type\":\"ThrottlingException\",\"message\":\"Rate exceeded\"}",
         "ThrottlingException", "Rate exceeded"},
        {NULL, "{\"__type\":\"com.amazonaws.logs#ThrottlingException\",\"Message\":\"slow\"}",
         "ThrottlingException", "slow"},
        {NULL, "{\"__type\":\"a#b#ThrottlingException:http://internal#x\"}", "ThrottlingException",
         ""},
        {"ThrottledException:http://internal.amazon.com/coral/x/", "{\"message\":\"a\\nb\\u00e9\"}",
         "ThrottledException", "a b??"},
        {"ThrottledException", "", "ThrottledException", ""},
        {NULL, "{\"code\":\"SlowDown\",\"message\":7}", "SlowDown", ""},
        {NULL, "{\"Error\":{\"Code\":\"ExpiredToken\",\"Message\":\"ended\"}}", "ExpiredToken",
         "ended"},
        {NULL,
         "<ErrorResponse xmlns=\"x\"><Error><Type>Sender</Type><Code>ExpiredTokenException</Code>"
         "<Message>Token expired</Message></Error></ErrorResponse>",
         "ExpiredTokenException", "Token expired"},
        {NULL, "<Code>Early</Code><Error><Code>Late", "", ""},
        {NULL, "{\"__type\":\"Bad<script>\\u0001\"}", "Badscript", ""},
        {NULL, "{\"__type\":\"\",\"message\":\"m\"}", "", "m"},
        {NULL, "no json", "", ""}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        says(400, cases[i].type, cases[i].body);
        assert_string_equal(error.name, cases[i].name);
        assert_string_equal(error.said, cases[i].said);
    }
}

static void names_have_their_verdicts(void **state)
{
    static const struct {
        const char *name;
        enum tb_verdict verdict;
    } cases[] = {{"ThrottlingException", TB_VERDICT_SLOW},
                 {"Throttling", TB_VERDICT_SLOW},
                 {"ThrottledException", TB_VERDICT_SLOW},
                 {"RequestThrottled", TB_VERDICT_SLOW},
                 {"RequestThrottledException", TB_VERDICT_SLOW},
                 {"TooManyRequestsException", TB_VERDICT_SLOW},
                 {"RequestLimitExceeded", TB_VERDICT_SLOW},
                 {"LimitExceededException", TB_VERDICT_SLOW},
                 {"SlowDown", TB_VERDICT_SLOW},
                 {"ServiceUnavailableException", TB_VERDICT_RETRY},
                 {"RequestTimeout", TB_VERDICT_RETRY},
                 {"RequestTimeoutException", TB_VERDICT_RETRY},
                 {"OperationAbortedException", TB_VERDICT_RETRY},
                 {"OperationAborted", TB_VERDICT_RETRY},
                 {"InvalidSequenceTokenException", TB_VERDICT_RETRY},
                 {"ExpiredTokenException", TB_VERDICT_RENEW},
                 {"ExpiredToken", TB_VERDICT_RENEW},
                 {"RequestExpired", TB_VERDICT_RENEW},
                 {"UnrecognizedClientException", TB_VERDICT_RENEW},
                 {"InvalidClientTokenId", TB_VERDICT_RENEW},
                 {"ResourceNotFoundException", TB_VERDICT_CREATE},
                 {"ResourceAlreadyExistsException", TB_VERDICT_ACK},
                 {"DataAlreadyAcceptedException", TB_VERDICT_ACK},
                 {"InvalidParameterException", TB_VERDICT_DROP},
                 {"SerializationException", TB_VERDICT_DROP},
                 {"ValidationException", TB_VERDICT_DROP},
                 {"InvalidRequestException", TB_VERDICT_DROP},
                 {"NobodyKnowsThisException", TB_VERDICT_DROP},
                 {"AccessDeniedException", TB_VERDICT_PARK},
                 {"MissingAuthenticationToken", TB_VERDICT_PARK},
                 {"IncompleteSignature", TB_VERDICT_PARK},
                 {"InvalidSignatureException", TB_VERDICT_PARK}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        says(400, cases[i].name, "{}");
        assert_int_equal(judgement.verdict, cases[i].verdict);
        assert_int_equal(judgement.clock_ms, 0);
        assert_int_equal(judgement.may_repair, 0);
        assert_true(cases[i].verdict == TB_VERDICT_ACK || strstr(judgement.reason, cases[i].name));
        assert_int_equal(judgement.wait_ms > 0, cases[i].verdict == TB_VERDICT_SLOW);
    }
}

static void without_a_name_the_status_counts(void **state)
{
    static const int verdicts[][2] = {
        {500, TB_VERDICT_RETRY}, {502, TB_VERDICT_RETRY}, {503, TB_VERDICT_RETRY},
        {504, TB_VERDICT_RETRY}, {429, TB_VERDICT_SLOW},  {408, TB_VERDICT_RETRY},
        {401, TB_VERDICT_PARK},  {403, TB_VERDICT_PARK},  {413, TB_VERDICT_DROP},
        {400, TB_VERDICT_RETRY}, {404, TB_VERDICT_RETRY}, {302, TB_VERDICT_RETRY},
        {200, TB_VERDICT_RETRY}, {0, TB_VERDICT_RETRY}};
    (void)state;
    for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
        says(verdicts[i][0], NULL, "<html>");
        assert_int_equal(judgement.verdict, verdicts[i][1]);
    }
    says(503, "InvalidParameterException", "{}");
    assert_int_equal(judgement.verdict, TB_VERDICT_RETRY);
    says(403, "NobodyKnowsThisException", "{}");
    assert_int_equal(judgement.verdict, TB_VERDICT_PARK);
}

static void a_wrong_clock_is_told_from_a_wrong_key(void **state)
{
    static const struct {
        const char *name, *message, *date;
        enum tb_verdict verdict;
        int64_t clock_ms;
    } cases[] = {
        {"InvalidSignatureException", "no match", "Sun, 22 Nov 2026 10:27:41 GMT", TB_VERDICT_RENEW,
         3600000},
        {"InvalidSignatureException", "no match", "Sun, 22 Nov 2026 08:27:41 GMT", TB_VERDICT_RENEW,
         -3600000},
        {"SignatureDoesNotMatch", "", "Sun, 22 Nov 2026 10:27:41 GMT", TB_VERDICT_RENEW, 3600000},
        {"RequestExpired", "", "Sun, 22 Nov 2026 10:27:41 GMT", TB_VERDICT_RENEW, 3600000},
        {"RequestTimeTooSkewed", "", "Sun, 22 Nov 2026 10:27:41 GMT", TB_VERDICT_RENEW, 3600000},
        {"InvalidSignatureException", "no match", "Sun, 22 Nov 2026 09:28:41 GMT", TB_VERDICT_PARK,
         0},
        {"InvalidSignatureException", "Signature expired: a is now earlier than b",
         "Sun, 22 Nov 2026 09:30:41 GMT", TB_VERDICT_RENEW, 180000},
        {"InvalidSignatureException", "Signature expired: a is now earlier than b", NULL,
         TB_VERDICT_PARK, 0},
        {"InvalidSignatureException", "no match", "yesterday", TB_VERDICT_PARK, 0},
        {"InvalidSignatureException", "no match", "Fri, 31 Dec 9999 23:59:59 GMT", TB_VERDICT_PARK,
         0},
        {"InvalidSignatureException", "no match", "Thu, 01 Jan 1970 00:00:01 GMT", TB_VERDICT_PARK,
         0},
        {"AccessDeniedException", "no", "Sun, 22 Nov 2026 10:27:41 GMT", TB_VERDICT_PARK, 0},
        {"ExpiredTokenException", "ended", "Sun, 22 Nov 2026 10:27:41 GMT", TB_VERDICT_RENEW, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char body[256];
        int len = snprintf(body, sizeof(body), "{\"message\":\"%s\"}", cases[i].message);
        judge(&(struct tb_sink_reply){.status = 400,
                                      .body = body,
                                      .body_len = (size_t)len,
                                      .now_s = NOW_S,
                                      .date = cases[i].date,
                                      .error_type = cases[i].name});
        assert_int_equal(judgement.verdict, cases[i].verdict);
        assert_int_equal(judgement.clock_ms, cases[i].clock_ms);
    }
}

static void a_correction_that_was_wrong_is_taken_back(void **state)
{
    const struct tb_sink_target target = {.credentials = &CREDENTIALS,
                                          .now_ms = ((int64_t)NOW_S + 3600) * 1000};
    const struct tb_sink_reply reply = {.status = 400,
                                        .body = "{}",
                                        .body_len = 2,
                                        .now_s = NOW_S,
                                        .date = "Sun, 22 Nov 2026 09:27:41 GMT",
                                        .error_type = "InvalidSignatureException"};
    (void)state;
    tb_aws_error_judge(&target, &reply, "", &judgement);
    assert_int_equal(judgement.verdict, TB_VERDICT_RENEW);
    assert_int_equal(judgement.clock_ms, 1);
}

static void nothing_secret_is_repeated(void **state)
{
    (void)state;
    says(400, "InvalidSignatureException",
         "{\"message\":\"The signature does not match. The Canonical String for this request "
         "should have been 'POST x-amz-security-token:" SESSION "'\"}");
    assert_string_equal(error.said, "The signature does not match. ");
    says(400, "UnknownException", "{\"message\":\"" SECRET " and " SESSION " x\"}");
    assert_string_equal(error.said, "(secret) and (secret) x");
    assert_null(strstr(judgement.reason, "wJalrXUt"));
    assert_null(strstr(judgement.reason, "IQoJb3Jp"));
}

static void a_person_is_told_what_to_do(void **state)
{
    (void)state;
    says(400, "AccessDeniedException", "{\"Message\":\"User: arn:aws:iam::1:user/x is not\"}");
    assert_string_equal(judgement.reason, "HTTP 400 AccessDeniedException: the policy must allow "
                                          "logs:PutLogEvents: User: arn:aws:iam::1:user/x is not");
    says(400, "InvalidSignatureException", "{}");
    assert_non_null(strstr(judgement.reason, "AWS_SECRET_ACCESS_KEY"));
    says(200, NULL, "<html>");
    assert_string_equal(judgement.reason,
                        "HTTP 200 the answer is not AWS's: is the endpoint right?");
    says(0, NULL, "");
    assert_string_equal(judgement.reason, "no answer");
    char body[4096] = "{\"message\":\"";
    memset(body + strlen(body), 'x', 3000);
    memcpy(body + strlen(body), "\"}", 3);
    says(400, "AccessDeniedException", body);
    assert_int_equal(strlen(judgement.reason) < sizeof(judgement.reason), 1);
}

static void a_throttle_says_for_how_long(void **state)
{
    static const struct {
        const char *after;
        int64_t wait_ms;
    } cases[] = {{NULL, 1000}, {"7", 7000},        {"0", 1000},
                 {"-7", 1000}, {"7x", 1000},       {"99999999999999999999", 1000},
                 {"", 1000},   {"999999", 3600000}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        judge(&(struct tb_sink_reply){.status = 429, .retry_after = cases[i].after});
        assert_int_equal(judgement.verdict, TB_VERDICT_SLOW);
        assert_int_equal(judgement.wait_ms, cases[i].wait_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_name_is_found_in_every_form),
        cmocka_unit_test(names_have_their_verdicts),
        cmocka_unit_test(without_a_name_the_status_counts),
        cmocka_unit_test(a_wrong_clock_is_told_from_a_wrong_key),
        cmocka_unit_test(a_correction_that_was_wrong_is_taken_back),
        cmocka_unit_test(nothing_secret_is_repeated),
        cmocka_unit_test(a_person_is_told_what_to_do),
        cmocka_unit_test(a_throttle_says_for_how_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
