/* test_facts.c - what the sinks read of an item, of each kind of item that there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "sink/facts_impl.h"

static int read_with(const char *data, const struct tb_sink_settings *settings,
                     struct tb_sink_facts *out)
{
    struct tb_sink_item item = {.uuid = "", .data = data, .len = strlen(data)};
    return tb_sink_facts_read(&item, settings, out);
}

static void read_item(const char *data, struct tb_sink_facts *out)
{
    assert_int_equal(read_with(data, NULL, out), 0);
}

static const char CRASH[] =
    "{\"uuid\":\"d4c7acef-55bf-4c9e-a95e-4fe9428a8287\",\"timestamp\":1795339661,"
    "\"environment\":\"production\",\"level\":\"critical\",\"platform\":\"linux\","
    "\"code_version\":\"1.4.2\",\"server\":{\"host\":\"feed-1\",\"root\":\"/srv\",\"pid\":4242},"
    "\"notifier\":{\"name\":\"towbar\",\"version\":\"0.1.0\"},\"language\":\"c\","
    "\"title\":\"SIGSEGV in feed_deserialize\","
    "\"custom\":{\"trace_id\":\"6b02b58de0617ecba70ed68ac9552d48\","
    "\"span_id\":\"53995c3f42cd8ad8\","
    "\"xray_trace_id\":\"1-7b02b58d-e0617ecba70ed68ac9552d48\","
    "\"trace\":{\"flags\":\"01\",\"state\":\"a=b\",\"source\":\"xray\","
    "\"xray_parent_id\":\"53995C3F42CD8AD8\",\"xray_is_local\":true,\"xray_sampled\":\"1\","
    "\"xray_cause_id\":\"c9302595171d05ff\",\"xray_lineage\":\"a:1|b:2\","
    "\"started_at\":1795339660.25},"
    "\"occurred_at\":\"2026-11-22T09:27:41.123Z\",\"service\":\"cruddur-feedd\","
    "\"scope\":{\"user\":\"bob\"},"
    "\"native\":{\"kind\":\"crash\",\"signal\":\"SIGSEGV\",\"code\":\"SEGV_MAPERR\","
    "\"address\":\"0x10\",\"thread\":{\"tid\":4250,\"name\":\"feed-worker\"},\"pid\":4243,"
    "\"frames_omitted\":7,\"frames_oldest\":1,\"meaning\":\"read of 0x10\"}},"
    "\"body\":{\"trace\":{\"exception\":{\"class\":\"SIGSEGV\",\"message\":\"read of 0x10\"},"
    "\"frames\":[{\"filename\":\"src/main.c\",\"lineno\":58,\"method\":\"main\",\"in_app\":true},"
    "{\"filename\":\"src/feed.c\",\"lineno\":212,\"method\":\"feed_deserialize\",\"code\":\"a = "
    "b;\","
    "\"in_app\":true,\"address\":\"0x55\",\"module\":\"feedd\",\"module_offset\":\"0x15\","
    "\"build_id\":\"c89b\",\"trust\":\"cfi\"},"
    "{\"filename\":\"libc.so.6\",\"method\":\"memcpy\",\"in_app\":false}]}}}";

static void a_crash_is_read(void **state)
{
    struct tb_sink_facts facts;
    (void)state;
    read_item(CRASH, &facts);
    assert_string_equal(facts.uuid, "d4c7acef-55bf-4c9e-a95e-4fe9428a8287");
    assert_int_equal(facts.level, TB_FACTS_CRITICAL);
    assert_string_equal(facts.title, "SIGSEGV in feed_deserialize");
    assert_string_equal(facts.error_class, "SIGSEGV");
    assert_string_equal(facts.message, "read of 0x10");
    assert_true(facts.time_ns == 1795339661123000000);
    assert_string_equal(facts.service, "cruddur-feedd");
    assert_string_equal(facts.environment, "production");
    assert_string_equal(facts.host, "feed-1");
    assert_string_equal(facts.root, "/srv");
    assert_string_equal(facts.code_version, "1.4.2");
    assert_string_equal(facts.notifier_version, "0.1.0");
    assert_int_equal(facts.pid, 4243);
    assert_int_equal(facts.tid, 4250);
    assert_string_equal(facts.thread, "feed-worker");
    assert_string_equal(facts.native_kind, "crash");
    assert_true(facts.is_crash && facts.is_uncaught);
    assert_string_equal(facts.signal, "SIGSEGV");
    assert_int_equal(facts.signal_number, 11);
    assert_string_equal(facts.signal_code, "SEGV_MAPERR");
    assert_string_equal(facts.fault_address, "0x10");
    assert_true(facts.scope > 0 && facts.custom > 0);
    tb_sink_facts_done(&facts);
    assert_null(facts.doc);
}

static void its_trace_is_read(void **state)
{
    struct tb_sink_facts facts;
    (void)state;
    read_item(CRASH, &facts);
    assert_string_equal(facts.trace_id, "6b02b58de0617ecba70ed68ac9552d48");
    assert_string_equal(facts.span_id, "53995c3f42cd8ad8");
    assert_string_equal(facts.xray_trace_id, "7b02b58de0617ecba70ed68ac9552d48");
    assert_int_equal(facts.trace_flags, 1);
    assert_string_equal(facts.trace_state, "a=b");
    assert_string_equal(facts.trace_source, "xray");
    assert_string_equal(facts.xray_parent_id, "53995c3f42cd8ad8");
    assert_string_equal(facts.xray_sampled, "1");
    assert_string_equal(facts.xray_cause_id, "c9302595171d05ff");
    assert_string_equal(facts.xray_lineage, "a:1|b:2");
    assert_true(facts.is_xray_local);
    assert_true(facts.started_ns == 1795339660250000000);
    tb_sink_facts_done(&facts);
}

static void its_frames_come_innermost_first(void **state)
{
    struct tb_sink_facts facts;
    (void)state;
    read_item(CRASH, &facts);
    assert_int_equal(facts.n_exceptions, 1);
    const struct tb_sink_exception *exception = &facts.exceptions[0];
    assert_int_equal(exception->n_frames, 3);
    assert_int_equal(exception->n_omitted, 7);
    assert_string_equal(exception->frames[0].function, "memcpy");
    assert_true(exception->frames[0].is_library);
    assert_int_equal(exception->frames[0].line, 0);
    const struct tb_sink_frame *frame = &exception->frames[1];
    assert_string_equal(frame->function, "feed_deserialize");
    assert_string_equal(frame->file, "src/feed.c");
    assert_int_equal(frame->line, 212);
    assert_string_equal(frame->module, "feedd");
    assert_string_equal(frame->module_offset, "0x15");
    assert_string_equal(frame->address, "0x55");
    assert_string_equal(frame->build_id, "c89b");
    assert_string_equal(frame->trust, "cfi");
    assert_string_equal(frame->code, "a = b;");
    assert_ptr_equal(facts.blamed, frame);
    assert_string_equal(exception->frames[2].function, "main");
    tb_sink_facts_done(&facts);
}

static const char CHAIN[] =
    "{\"uuid\":\"u\",\"timestamp\":1.795679383447E9,\"level\":\"warning\","
    "\"request\":{\"url\":\"https://a/b?c=d\",\"method\":\"GET\",\"user_ip\":\"10.0.0.1\","
    "\"headers\":{\"HOST\":\"api.example.com\",\"User-Agent\":\"curl\"}},"
    "\"person\":{\"id\":17,\"username\":\"andrew\",\"email\":\"a@b\"},"
    "\"attributes\":[{\"key\":\"is_uncaught\",\"value\":\"true\"}],"
    "\"custom\":{\"http_status\":503},"
    "\"body\":{\"trace_chain\":[{\"exception\":{\"class\":\"A\",\"message\":\"a\"},\"frames\":[]},"
    "{\"exception\":{\"class\":\"B\",\"message\":\"b\"},"
    "\"frames\":[{\"filename\":\"/usr/lib/python3/dist-packages/"
    "x.py\",\"code\":\"secret()\"}]},7]}}";

static void a_chain_with_a_request_is_read(void **state)
{
    struct tb_sink_facts facts;
    (void)state;
    read_item(CHAIN, &facts);
    assert_int_equal(facts.level, TB_FACTS_WARNING);
    assert_true(facts.time_ns == 1795679383447000000);
    assert_int_equal(facts.n_exceptions, 3);
    assert_string_equal(facts.error_class, "A");
    assert_null(facts.blamed);
    assert_string_equal(facts.exceptions[1].type, "B");
    assert_string_equal(facts.exceptions[1].message, "b");
    assert_true(facts.exceptions[1].frames[0].is_library);
    assert_string_equal(facts.exceptions[1].frames[0].code, "secret()");
    assert_string_equal(facts.exceptions[2].type, "");
    assert_string_equal(facts.url, "https://a/b?c=d");
    assert_string_equal(facts.method, "GET");
    assert_string_equal(facts.client_ip, "10.0.0.1");
    assert_string_equal(facts.request_host, "api.example.com");
    assert_string_equal(facts.user_agent, "curl");
    assert_int_equal(facts.http_status, 503);
    assert_string_equal(facts.person_id, "17");
    assert_string_equal(facts.person_name, "andrew");
    assert_true(facts.is_uncaught && !facts.is_crash);
    assert_int_equal(facts.trace_flags, -1);
    tb_sink_facts_done(&facts);
}

static void what_is_omitted_is_not_there(void **state)
{
    struct tb_sink_facts facts;
    struct tb_sink_settings settings = {.host = "agent-1",
                                        .omit = {.source = true, .request = true, .person = true}};
    (void)state;
    assert_int_equal(read_with(CHAIN, &settings, &facts), 0);
    assert_string_equal(facts.exceptions[1].frames[0].code, "");
    assert_string_equal(facts.url, "");
    assert_string_equal(facts.method, "");
    assert_string_equal(facts.client_ip, "");
    assert_string_equal(facts.request_host, "");
    assert_string_equal(facts.user_agent, "");
    assert_string_equal(facts.person_id, "");
    assert_string_equal(facts.person_email, "");
    assert_string_equal(facts.host, "agent-1");
    tb_sink_facts_done(&facts);
}

static void messages_and_crash_reports_have_no_exceptions(void **state)
{
    struct tb_sink_facts facts;
    (void)state;
    read_item("{\"body\":{\"message\":{\"body\":\"disk is full\\nnearly\"}}}", &facts);
    assert_int_equal(facts.n_exceptions, 0);
    assert_string_equal(facts.message, "disk is full\nnearly");
    assert_string_equal(facts.title, "disk is full");
    assert_int_equal(facts.level, TB_FACTS_INFO);
    assert_false(facts.is_crash);
    tb_sink_facts_done(&facts);
    read_item("{\"body\":{\"crash_report\":{\"raw\":\"Incident\"}}}", &facts);
    assert_string_equal(facts.message, "Incident");
    assert_true(facts.is_crash);
    tb_sink_facts_done(&facts);
}

static void of_too_many_frames_the_innermost_stay(void **state)
{
    enum { N = 300 };
    char *data = malloc(64 * N);
    struct tb_sink_facts facts;
    (void)state;
    assert_non_null(data);
    size_t len = (size_t)snprintf(data, 64, "{\"body\":{\"trace\":{\"frames\":[");
    for (int i = 0; i < N; i++)
        len += (size_t)snprintf(data + len, 64, "%s{\"lineno\":%d}", i ? "," : "", i + 1);
    snprintf(data + len, 64, "]}}}");
    read_item(data, &facts);
    assert_int_equal(facts.exceptions[0].n_frames, TB_FACTS_FRAMES);
    assert_int_equal(facts.exceptions[0].n_omitted, N - TB_FACTS_FRAMES);
    assert_int_equal(facts.exceptions[0].frames[0].line, N);
    assert_int_equal(facts.exceptions[0].frames[TB_FACTS_FRAMES - 1].line, N - TB_FACTS_FRAMES + 1);
    tb_sink_facts_done(&facts);
    free(data);
}

static void members_of_any_type_are_borne(void **state)
{
    static const char *const ITEMS[] = {
        "{}",
        "{\"body\":7,\"custom\":[],\"attributes\":{},\"request\":\"x\",\"person\":null}",
        "{\"body\":{\"trace\":null},\"custom\":{\"trace\":7,\"native\":[]}}",
        "{\"body\":{\"trace\":{\"frames\":[1,null,[],\"x\",{}],\"exception\":[]}}}",
        "{\"body\":{\"trace_chain\":{}}}",
        "{\"body\":{\"trace_chain\":[null,1]},\"timestamp\":\"x\",\"request\":{\"headers\":{}}}",
        "{\"custom\":{\"trace\":{\"flags\":\"0x\",\"xray_parent_id\":\"zz\",\"started_at\":\"\"}}}",
        "{\"custom\":{\"occurred_at\":\"soon\",\"native\":{\"thread\":7,\"frames_omitted\":-3}}}",
        "{\"timestamp\":1e99,\"custom\":{\"http_status\":1000,\"occurred_at\":\"2026-13-01T\"}}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(ITEMS) / sizeof(ITEMS[0]); i++) {
        struct tb_sink_facts facts;
        read_item(ITEMS[i], &facts);
        assert_int_equal(facts.time_ns, 0);
        assert_int_equal(facts.http_status, 0);
        assert_int_equal(facts.trace_flags, -1);
        assert_string_equal(facts.xray_parent_id, "");
        tb_sink_facts_done(&facts);
    }
}

static void what_is_no_object_is_refused(void **state)
{
    static const char *const ITEMS[] = {"", "[]", "7", "{", "{} {}", "{\"a\":\"\xff\"}"};
    (void)state;
    for (size_t i = 0; i < sizeof(ITEMS) / sizeof(ITEMS[0]); i++) {
        struct tb_sink_facts facts;
        assert_int_equal(read_with(ITEMS[i], NULL, &facts), -EINVAL);
        tb_sink_facts_done(&facts);
    }
    tb_sink_facts_done(NULL);
}

static void times_are_read_to_the_nanosecond(void **state)
{
    (void)state;
    assert_true(tb_facts_seconds("1795339661") == 1795339661000000000);
    assert_true(tb_facts_seconds("1795339661.123456789") == 1795339661123456789);
    assert_true(tb_facts_seconds("1795339661.1234567891234567") == 1795339661123456789);
    assert_true(tb_facts_seconds("1.795679383447E9") == 1795679383447000000);
    assert_true(tb_facts_seconds("1795339661123") == 1795339661123000000);
    assert_true(tb_facts_seconds("17953396610e-1") == 1795339661000000000);
    assert_true(tb_facts_seconds("0.5") == 500000000);
    assert_int_equal(tb_facts_seconds("99999999999999999999"), 0);
    assert_int_equal(tb_facts_seconds("1e400"), 0);
    assert_int_equal(tb_facts_seconds("-1"), 0);
    assert_int_equal(tb_facts_seconds(""), 0);
    assert_int_equal(tb_facts_seconds("1x"), 0);
    assert_true(tb_facts_date("2026-11-22T09:27:41.123456789Z") == 1795339661123456789);
    assert_true(tb_facts_date("2026-11-22T09:27:41Z") == 1795339661000000000);
    assert_true(tb_facts_date("2026-11-22T04:27:41.5-05:00") == 1795339661500000000);
    assert_true(tb_facts_date("2024-02-29T00:00:00Z") == 1709164800000000000);
    assert_int_equal(tb_facts_date("2026-11-22T09:27:41"), 0);
    assert_int_equal(tb_facts_date("2026-11-22T09:27:41+5"), 0);
    assert_int_equal(tb_facts_date("2026-11-22"), 0);
}

static void an_identifier_is_always_the_same(void **state)
{
    uint8_t a[TB_FACTS_ID_BYTES];
    uint8_t b[TB_FACTS_ID_BYTES];
    (void)state;
    tb_sink_facts_id("d4c7acef-55bf-4c9e-a95e-4fe9428a8287", "segment", a);
    tb_sink_facts_id("d4c7acef-55bf-4c9e-a95e-4fe9428a8287", "segment", b);
    assert_memory_equal(a, b, sizeof(a));
    tb_sink_facts_id("d4c7acef-55bf-4c9e-a95e-4fe9428a8287", "span", b);
    assert_memory_not_equal(a, b, sizeof(a));
    tb_sink_facts_id("d4c7acef-55bf-4c9e-a95e-4fe9428a8286", "segment", b);
    assert_memory_not_equal(a, b, sizeof(a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_is_read),
        cmocka_unit_test(its_trace_is_read),
        cmocka_unit_test(its_frames_come_innermost_first),
        cmocka_unit_test(a_chain_with_a_request_is_read),
        cmocka_unit_test(what_is_omitted_is_not_there),
        cmocka_unit_test(messages_and_crash_reports_have_no_exceptions),
        cmocka_unit_test(of_too_many_frames_the_innermost_stay),
        cmocka_unit_test(members_of_any_type_are_borne),
        cmocka_unit_test(what_is_no_object_is_refused),
        cmocka_unit_test(times_are_read_to_the_nanosecond),
        cmocka_unit_test(an_identifier_is_always_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
