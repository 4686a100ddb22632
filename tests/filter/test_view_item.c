/* test_view_item.c - what filter expressions see of our items, alone and several of one trace. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "filter/filter.h"
#include "filter/view_item.h"

/* Flask, with the X-Ray SDK: its own segment is open. */
#define FLASK                                                                                      \
    "{\"uuid\":\"u-flask\",\"level\":\"error\",\"timestamp\":1700000003,\"framework\":\"flask\","  \
    "\"body\":{\"trace_chain\":[{\"frames\":[{\"filename\":\"app.py\",\"method\":\"home\"}],"      \
    "\"exception\":{\"class\":\"UpstreamError\",\"message\":\"feedd closed\"}},"                   \
    "{\"frames\":[],\"exception\":{\"class\":\"OSError\",\"message\":\"reset\"}}]},"               \
    "\"request\":{\"url\":\"http://api.cruddur.com/api/home?x=1\",\"method\":\"GET\","             \
    "\"user_ip\":\"203.0.113.9\",\"headers\":{\"User-Agent\":\"curl/8\",\"Host\":"                 \
    "\"4567-ws.gitpod.io\"}},\"person\":{\"id\":42},\"custom\":{\"service\":\"backend-flask\","    \
    "\"span_id\":\"1111111111111111\",\"trace\":{\"xray_parent_id\":\"2222222222222222\","         \
    "\"xray_is_local\":true,\"started_at\":1700000001.5,\"source\":\"xray\"}}}"
/* A C daemon that it called. */
#define FEEDD                                                                                      \
    "{\"uuid\":\"u-feedd\",\"level\":\"critical\",\"timestamp\":1700000002,\"body\":{\"trace\":{"  \
    "\"frames\":[{\"filename\":\"main.c\",\"method\":\"main\"},{\"filename\":\"feed.c\","          \
    "\"method\":\"feed_deserialize\"}],\"exception\":{\"class\":\"SIGSEGV\",\"message\":"          \
    "\"invalid address\"}}},\"custom\":{\"service\":\"cruddur-feedd\",\"span_id\":"                \
    "\"3333333333333333\",\"trace\":{\"source\":\"traceparent\"},\"native\":{\"kind\":\"crash\","  \
    "\"signal\":\"SIGSEGV\",\"pid\":4242}}}"
#define MESSAGE(level, more)                                                                       \
    "{\"level\":\"" level "\",\"body\":{\"message\":{\"body\":\"disk full\"}}" more "}"

static struct tb_filter *parsed(const char *text)
{
    char why[TB_FILTER_WHY];
    struct tb_filter *filter = NULL;
    if (tb_filter_parse(text, strlen(text), &filter, why) != 0)
        fail_msg("%s: %s", text, why);
    return filter;
}

struct expected {
    const char *text;
    bool matches;
};

static void check(const char *const *data, size_t n, const struct tb_sink_settings *settings,
                  const struct expected *cases, size_t n_cases)
{
    struct tb_filter_item items[4];
    struct tb_filter_trace *trace = NULL;
    int n_wrong = 0;
    for (size_t i = 0; i < n; i++)
        items[i] = (struct tb_filter_item){.uuid = "u", .data = data[i], .len = strlen(data[i])};
    assert_int_equal(tb_filter_trace_new(items, n, settings, &trace), 0);
    for (size_t i = 0; i < n_cases; i++) {
        struct tb_filter *filter = parsed(cases[i].text);
        if (tb_filter_match(filter, NULL, 0, tb_filter_trace_view(trace)) != cases[i].matches) {
            print_error("%s: not %s\n", cases[i].text, cases[i].matches ? "true" : "false");
            n_wrong++;
        }
        tb_filter_free(filter);
    }
    tb_filter_trace_free(trace);
    assert_int_equal(n_wrong, 0);
}

#define CHECK(settings, cases, ...)                                                                \
    do {                                                                                           \
        const char *const data_[] = {__VA_ARGS__};                                                 \
        check(data_, sizeof(data_) / sizeof(data_[0]), settings, cases,                            \
              sizeof(cases) / sizeof((cases)[0]));                                                 \
    } while (0)

static void an_exception_of_flask_is_a_fault_of_its_service(void **state)
{
    static const struct expected CASES[] = {
        {"service(\"backend-flask\") {fault}", true},
        {"fault AND !ok AND !error", true},
        {"service() {root}", true},
        {"http.url ENDSWITH \"/api/home?x=1\" http.method = \"GET\"", true},
        {"service(\"backend-flask\") {http.url}", true},
        {"http.clientip = \"203.0.113.9\" http.useragent = \"curl/8\"", true},
        {"user = \"42\"", true},
        {"duration = 1.5 responsetime = 1.5", true},
        {"http.status", false},
        {"annotation.error_class = \"UpstreamError\"", true},
        {"annotation.service = \"backend-flask\" annotation.rollbar_uuid = \"u\"", true},
        {"annotation.crash", false},
        {"annotation.pid", false},
        {"rootcause.fault.exception {first name = \"UpstreamError\" message CONTAINS \"feedd\"}",
         true},
        {"rootcause.fault.exception {last index = 1 name = \"OSError\"}", true},
        {"rootcause.fault.service {name = \"backend-flask\" first last}", true},
        {"rootcause.fault.entity {last name = \"home\" remote = false}", true},
        {"rootcause.error.exception {first}", false},
        {"edge()", false},
        {"partial OR inferred", false},
        {"partial = false", true},
        {"availabilityzone", false},
    };
    (void)state;
    CHECK(NULL, CASES, FLASK);
}

static void a_crash_has_a_signal_and_a_parent(void **state)
{
    static const struct expected CASES[] = {
        {"service(\"cruddur-feedd\") {fault AND root = false}", true},
        {"annotation.crash annotation.signal = \"SIGSEGV\" annotation.pid = 4242", true},
        {"rootcause.fault.exception {name = \"SIGSEGV\"}", true},
        {"rootcause.fault.entity {last name = \"feed_deserialize\"}", true},
        {"duration", false},
        {"fault", true}, /* nobody else has told anything */
        {"http.url", false},
        {"user", false},
    };
    (void)state;
    CHECK(NULL, CASES, FEEDD);
}

static void a_span_of_any_header_is_the_callers(void **state)
{
    static const struct {
        const char *source, *root;
    } sources[] = {{"traceparent", "service() {!root}"}, {"xray", "service() {!root}"},
                   {"b3", "service() {!root}"},          {"b3multi", "service() {!root}"},
                   {"honeycomb", "service() {!root}"},   {"datadog", "service() {!root}"},
                   {"grpc", "service() {!root}"},        {"environment", "service() {!root}"},
                   {"api", "service() {root}"},          {"", "service() {root}"}};
    (void)state;
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        char data[256];
        const struct expected cases[] = {{sources[i].root, true}};
        (void)snprintf(
            data, sizeof(data),
            "{\"custom\":{\"span_id\":\"3333333333333333\",\"trace\":{\"source\":\"%s\"}}}",
            sources[i].source);
        CHECK(NULL, cases, data);
    }
}

static void together_they_are_one_trace(void **state)
{
    static const struct expected CASES[] = {
        {"service(\"backend-flask\") {fault} AND service(\"cruddur-feedd\") {fault}", true},
        {"service(\"cruddur-feedd\") {root}", false},
        {"edge(\"backend-flask\", \"cruddur-feedd\") {fault}", true},
        {"edge(\"cruddur-feedd\", \"backend-flask\")", false},
        {"rootcause.fault.service {first name = \"backend-flask\"}", true},
        {"rootcause.fault.service {last name = \"cruddur-feedd\"}", true},
        {"rootcause.fault.exception {last name = \"SIGSEGV\"}", true},
        {"annotation.error_class = \"SIGSEGV\"", true},
        {"annotation.error_class != \"SIGSEGV\"", false},
        {"duration = 1.5", true},
        {"http.method = \"GET\"", true},
    };
    (void)state;
    CHECK(NULL, CASES, FLASK, FEEDD);
    CHECK(NULL, CASES, FEEDD, FLASK);
    CHECK(NULL, CASES, FEEDD, "{broken", "[]", FLASK);
}

static void the_http_status_makes_it_an_error(void **state)
{
    static const struct expected MANY[] = {
        {"error AND throttle AND !fault AND !ok", true},
        {"http.status = 429", true},
        {"rootcause.error.exception {message = \"disk full\"}", true},
        {"rootcause.fault.exception {first}", false},
    };
    static const struct expected NOT_FOUND[] = {{"error AND !throttle AND !fault", true}};
    static const struct expected SERVER[] = {{"fault AND !error", true}};
    (void)state;
    CHECK(NULL, MANY, MESSAGE("error", ",\"custom\":{\"http_status\":429}"));
    CHECK(NULL, NOT_FOUND, MESSAGE("error", ",\"custom\":{\"http_status\":\"404\"}"));
    CHECK(NULL, SERVER, MESSAGE("error", ",\"custom\":{\"http_status\":503}"));
}

static void a_warning_is_ok(void **state)
{
    static const struct expected CASES[] = {
        {"ok AND !fault AND !error", true},
        {"rootcause.fault.service {first}", false},
    };
    static const struct expected ERROR[] = {{"fault AND !ok", true}};
    (void)state;
    CHECK(NULL, CASES, MESSAGE("warning", ""));
    CHECK(NULL, CASES, MESSAGE("info", ",\"custom\":{\"http_status\":500}"));
    CHECK(NULL, ERROR, MESSAGE("error", ""));
    CHECK(NULL, ERROR, MESSAGE("critical", ""));
}

/* As the segment's. */
static void the_settings_of_x_ray_name_the_service(void **state)
{
    static const struct expected RENAMED[] = {
        {"service(\"backend-flask\")", false},
        {"service(\"4567-ws.gitpod.io\")", true},
        {"service(id(type: \"AWS::ECS::Container\"))", true},
        {"annotation.service = \"backend-flask\"", true},
    };
    static const struct expected NAMED[] = {{"service(\"other\")", true}};
    const struct tb_sink_settings renamed = {
        .name = "", .name_pattern = "*4567-*", .origin = "AWS::ECS::Container"};
    const struct tb_sink_settings named = {.name = "other", .name_pattern = "", .origin = ""};
    (void)state;
    CHECK(&renamed, RENAMED, FLASK);
    CHECK(&named, NAMED, FLASK);
}

static void no_items_are_an_empty_trace(void **state)
{
    struct tb_filter_trace *trace = NULL;
    struct tb_filter *filter = parsed("service() OR ok OR user OR edge() OR duration >= 0");
    const struct tb_filter_item broken = {.uuid = "u", .data = "nix", .len = 3};
    (void)state;
    assert_int_equal(tb_filter_trace_new(NULL, 0, NULL, &trace), 0);
    assert_false(tb_filter_match(filter, NULL, 0, tb_filter_trace_view(trace)));
    tb_filter_trace_free(trace);
    assert_int_equal(tb_filter_trace_new(&broken, 1, NULL, &trace), 0);
    assert_false(tb_filter_match(filter, NULL, 0, tb_filter_trace_view(trace)));
    tb_filter_trace_free(trace);
    tb_filter_trace_free(NULL);
    tb_filter_free(filter);
}

static void a_hundred_items_are_looked_at(void **state)
{
    struct tb_filter_item items[TB_FILTER_ITEMS + 1];
    struct tb_filter_trace *trace = NULL;
    (void)state;
    for (size_t i = 0; i <= TB_FILTER_ITEMS; i++)
        items[i] = (struct tb_filter_item){.uuid = "u", .data = FEEDD, .len = strlen(FEEDD)};
    assert_int_equal(tb_filter_trace_new(items, TB_FILTER_ITEMS + 1, NULL, &trace), 0);
    assert_int_equal(tb_filter_trace_view(trace)->n_services, TB_FILTER_ITEMS);
    tb_filter_trace_free(trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_exception_of_flask_is_a_fault_of_its_service),
        cmocka_unit_test(a_crash_has_a_signal_and_a_parent),
        cmocka_unit_test(a_span_of_any_header_is_the_callers),
        cmocka_unit_test(together_they_are_one_trace),
        cmocka_unit_test(the_http_status_makes_it_an_error),
        cmocka_unit_test(a_warning_is_ok),
        cmocka_unit_test(the_settings_of_x_ray_name_the_service),
        cmocka_unit_test(no_items_are_an_empty_trace),
        cmocka_unit_test(a_hundred_items_are_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
