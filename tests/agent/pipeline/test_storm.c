/* test_storm.c - what is said of events that were counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "agent/pipeline/storm.h"

enum { MAX = 512 << 10 };

static char *told(const char *data, int64_t repeated, int64_t kinds, size_t max)
{
    static char text[8192];
    struct tb_buf out;
    char copy[8192];
    snprintf(copy, sizeof(copy), "%s", data);
    const struct tb_storm storm = {.repeated = repeated,
                                   .kinds = kinds,
                                   .since_ns = 1700000000000000000,
                                   .until_ns = 1700000042000000000,
                                   .data = copy,
                                   .data_len = strlen(copy)};
    tb_buf_init(&out, MAX);
    assert_int_equal(tb_storm_tell(&storm, max, &out), 0);
    snprintf(text, sizeof(text), "%s", tb_buf_str(&out));
    tb_buf_done(&out);
    return text;
}

#define TOWBAR                                                                                     \
    "\"towbar\":{\"repeated\":7,\"since\":\"2023-11-14T22:13:20.000Z\","                           \
    "\"until\":\"2023-11-14T22:14:02.000Z\",\"note\":\"7 more like this between "                  \
    "2023-11-14T22:13:20.000Z and 2023-11-14T22:14:02.000Z were counted, not kept one by one\"}"
#define BODY "\"body\":{\"message\":{\"body\":\"m\"}}"

static void what_it_stands_for_is_put_beside_what_it_says(void **state)
{
    (void)state;
    assert_string_equal(told("{" BODY ",\"custom\":{\"big\":9007199254740993}}", 7, 0, MAX),
                        "{" BODY ",\"custom\":{\"big\":9007199254740993," TOWBAR "}}");
}

static void a_missing_or_empty_custom_becomes_one(void **state)
{
    (void)state;
    assert_string_equal(told("{" BODY "}", 7, 0, MAX), "{" BODY ",\"custom\":{" TOWBAR "}}");
    assert_string_equal(told("{\"custom\":[]," BODY "}", 7, 0, MAX),
                        "{\"custom\":{" TOWBAR "}," BODY "}");
}

static void somebody_s_custom_of_another_form_stays(void **state)
{
    (void)state;
    assert_string_equal(told("{\"custom\":\"text\"," BODY "}", 7, 0, MAX),
                        "{\"custom\":\"text\"," BODY "," TOWBAR "}");
}

static void what_the_sender_put_there_does_not_count(void **state)
{
    (void)state;
    assert_string_equal(told("{\"custom\":{\"towbar\":{\"repeated\":99}}," BODY "}", 7, 0, MAX),
                        "{\"custom\":{" TOWBAR "}," BODY "}");
}

static void alone_it_stays_as_it_is(void **state)
{
    (void)state;
    assert_string_equal(told("{" BODY "}", 0, 0, MAX), "");
}

static void it_stays_within_what_rollbar_takes(void **state)
{
    char data[4096];
    (void)state;
    int len = snprintf(data, sizeof(data), "{\"body\":{\"message\":{\"body\":\"%0*d\"}}}", 3000, 0);
    const char *text = told(data, 7, 0, (size_t)len + 10);
    assert_true(strlen(text) <= (size_t)len + 10);
    assert_non_null(strstr(text, "\"repeated\":7"));
}

static const struct tb_occurrence EVENT = {.uuid = "aaaaaaaa-0000-4000-8000-000000000001",
                                           .fingerprint = "f",
                                           .environment = "prod",
                                           .service = "feed\"d",
                                           .title = "t",
                                           .level = "error",
                                           .framework = "flask",
                                           .trace_id = "",
                                           .xray_trace_id = "",
                                           .span_id = "",
                                           .group_inputs = "{}",
                                           .occurred_ns = 1700000000000000000,
                                           .data = "{}",
                                           .data_len = 2};

static void a_service_s_message_says_how_many_of_how_many_kinds(void **state)
{
    struct tb_storm_notice notice;
    (void)state;
    assert_int_equal(tb_storm_notice(&EVENT, 0, "host-1", &notice), 0);
    assert_string_equal(notice.occurrence.uuid, EVENT.uuid);
    assert_string_equal(notice.occurrence.title, "service feed\"d: events too fast to keep");
    const char *text = told(notice.occurrence.data, 411, 37, MAX);
    assert_non_null(strstr(text, "\"message\":{\"body\":\"412 events of 37 kinds came faster than "
                                 "limits.service_per_minute between"));
    assert_non_null(strstr(text, "\"service\":\"feed\\\"d\",\"towbar\":{\"repeated\":411,"
                                 "\"kinds\":37,"));
    assert_non_null(strstr(text, "\"host\":\"host-1\""));
    tb_storm_notice_done(&notice);
}

static void services_are_items_apart_and_always_the_same(void **state)
{
    struct tb_storm_notice one;
    struct tb_storm_notice two;
    struct tb_occurrence other = EVENT;
    (void)state;
    assert_int_equal(tb_storm_notice(&EVENT, 0, "h", &one), 0);
    assert_int_equal(tb_storm_notice(&EVENT, 0, "other host", &two), 0);
    assert_string_equal(one.fingerprint, two.fingerprint);
    tb_storm_notice_done(&two);
    other.service = "other";
    assert_int_equal(tb_storm_notice(&other, 0, "h", &two), 0);
    assert_string_not_equal(one.fingerprint, two.fingerprint);
    tb_storm_notice_done(&two);
    tb_storm_notice_done(&one);
}

static void further_services_have_one_message_together(void **state)
{
    struct tb_storm_notice one;
    struct tb_storm_notice two;
    struct tb_occurrence other = EVENT;
    (void)state;
    other.service = "other";
    assert_int_equal(tb_storm_notice(&EVENT, 1, "h", &one), 0);
    assert_int_equal(tb_storm_notice(&other, 1, "h", &two), 0);
    assert_string_equal(one.fingerprint, two.fingerprint);
    assert_string_equal(one.occurrence.service, "");
    tb_storm_notice_done(&one);
    tb_storm_notice_done(&two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_stands_for_is_put_beside_what_it_says),
        cmocka_unit_test(a_missing_or_empty_custom_becomes_one),
        cmocka_unit_test(somebody_s_custom_of_another_form_stays),
        cmocka_unit_test(what_the_sender_put_there_does_not_count),
        cmocka_unit_test(alone_it_stays_as_it_is),
        cmocka_unit_test(it_stays_within_what_rollbar_takes),
        cmocka_unit_test(a_service_s_message_says_how_many_of_how_many_kinds),
        cmocka_unit_test(services_are_items_apart_and_always_the_same),
        cmocka_unit_test(further_services_have_one_message_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
