/* test_trace.c - the page of one trace says what is known of order, and no more. */
#include "site.h"

#define ID "4bf92f3577b34da6a3ce929d0e0e4736"
#define XRAY "1-4bf92f35-77b34da6a3ce929d0e0e4736"

enum { MS = 1000 * 1000 };

/* An event at ms after a second that began just now; received soon after it. */
static void add(struct site *site, const char *uuid, const char *service, const char *level,
                const char *host, int64_t ms)
{
    char data[256];
    (void)snprintf(data, sizeof(data),
                   "{\"environment\":\"production\",\"server\":{\"host\":\"%s\"},\"request\":{"
                   "\"method\":\"GET\",\"url\":\"/api\"},\"body\":{}}",
                   host);
    struct tb_occurrence one = site_occurrence(uuid, data);
    one.service = service;
    one.level = level;
    one.title = uuid;
    one.trace_id = ID;
    one.span_id = "b7ad6b7169203331";
    one.occurred_ns = (uint64_t)(SITE_NOW_NS + ms * MS + 1);
    one.received_ns = one.occurred_ns + (uint64_t)(5 * MS);
    site_add(site, &one);
}

/* The same, of a request that is known to have begun at began_ms. */
static void add_request(struct site *site, const char *uuid, const char *service, int64_t ms,
                        const char *began)
{
    char data[256];
    (void)snprintf(data, sizeof(data),
                   "{\"server\":{\"host\":\"h\"},\"custom\":{\"trace\":{\"started_at\":%s}}}",
                   began);
    struct tb_occurrence one = site_occurrence(uuid, data);
    one.service = service;
    one.level = "error";
    one.title = uuid;
    one.trace_id = ID;
    one.occurred_ns = (uint64_t)(SITE_NOW_NS + ms * MS);
    one.received_ns = one.occurred_ns + (uint64_t)(5 * MS);
    site_add(site, &one);
}

static void requests_are_drawn_from_their_beginning(void **state)
{
    struct site *site = *state;
    char began[2][64];
    for (int i = 0; i < 2; i++)
        (void)snprintf(began[i], sizeof(began[i]), "%lld.%03d",
                       (long long)(SITE_NOW_NS / 1000000000), 100 + 100 * i);
    add_request(site, "crash", "feedd", 300, began[1]);
    add_request(site, "late", "api", 500, began[0]);
    add_request(site, "odd", "job", 500, "\"1e99\"");
    add_request(site, "old", "job", 500, "7");
    add_request(site, "far", "job", 500, "9999999999.5");
    const char *page = site_page(site, "/trace/" ID);
    site_has(page, "5 events \xc2\xb7 400 ms");
    site_has(page, "+200 ms</td>"); /* since the first request began */
    site_has(page, "<rect class=\"track\" x=\"26.0%\" y=\"15\" width=\"24.0%\"");
    site_has(page, "<rect class=\"track\" x=\"2.0%\" y=\"15\" width=\"96.0%\"");
    site_has(page, ">400 ms</text>");
    /* Who began first stands above, though its error came later. */
    const char *caller = strstr(page, "<div class=\"lane\"><div><b>api");
    const char *called = strstr(page, "<div class=\"lane\"><div><b>feedd");
    assert_non_null(caller);
    assert_true(called > caller);
}

/* As SDKs do that send whole seconds: it happened at ms, and says second 0. */
static void add_coarse(struct site *site, const char *uuid, int64_t received_ms)
{
    struct tb_occurrence one =
        site_occurrence(uuid, "{\"framework\":\"flask\",\"server\":{\"host\":\"h\"},\"body\":{}}");
    one.service = "api";
    one.level = "error";
    one.title = uuid;
    one.trace_id = ID;
    one.occurred_ns = SITE_NOW_NS;
    one.received_ns = (uint64_t)(SITE_NOW_NS + received_ms * MS);
    site_add(site, &one);
}

static void every_spelling_leads_to_one_address(void **state)
{
    struct site *site = *state;
    static const char *const SPELLINGS[] = {XRAY, "4BF92F3577B34DA6A3CE929D0E0E4736",
                                            "00-" ID "-00f067aa0ba902b7-01",
                                            "Root=" XRAY ";Parent=53995c3f42cd8ad8;Sampled=1"};
    char address[256];
    for (size_t i = 0; i < sizeof(SPELLINGS) / sizeof(SPELLINGS[0]); i++) {
        (void)snprintf(address, sizeof(address), "/trace/%s", SPELLINGS[i]);
        (void)site_visit(site, address);
        assert_int_equal(site->reply.status, 303);
        assert_string_equal(site->reply.location, "/trace/" ID);
    }
    (void)site_visit(site, "/trace/" ID);
    assert_int_equal(site->reply.status, 404);
    (void)site_visit(site, "/trace/00000000000000000000000000000000");
    assert_int_equal(site->reply.status, 404);
    (void)site_visit(site, "/trace/");
    assert_int_equal(site->reply.status, 404);
}

static void the_first_failure_is_named_on_one_host(void **state)
{
    struct site *site = *state;
    add(site, "late", "api", "error", "h", 404);
    add(site, "crash", "feedd", "critical", "h", 318);
    add(site, "warned", "feedd", "warning", "h", 0);
    const char *page = site_page(site, "/trace/" ID);
    site_has(page, XRAY);
    site_has(page, "2 services \xc2\xb7 3 events \xc2\xb7 404 ms \xc2\xb7 production");
    site_has(page,
             "First failure: <b>feedd</b> crash at +318 ms. Later events follow it (same host "
             "clock).");
    assert_true(strstr(page, "+0 ms</td>") < strstr(page, "+318 ms</td>"));
    assert_true(strstr(page, "+318 ms</td>") < strstr(page, "+404 ms</td>"));
    site_has(page, "crash</a> <span class=\"chip reg\">first failure</span>");
    site_has(page, "<circle class=\"at-critical\"");
    site_has(page, "GET /api");
}

static void several_hosts_are_not_compared(void **state)
{
    struct site *site = *state;
    add(site, "one", "api", "error", "h1", 0);
    add(site, "two", "feedd", "critical", "h2", 100);
    const char *page = site_page(site, "/trace/" ID);
    site_has(page, "clocks are not comparable");
    site_has_not(page, "First failure");
    site_has_not(page, "first failure</span>");
}

static void whole_seconds_are_placed_by_arrival_and_said(void **state)
{
    struct site *site = *state;
    add(site, "crash", "feedd", "critical", "h", 318);
    add_coarse(site, "reset", 404);
    const char *page = site_page(site, "/trace/" ID);
    site_has(page, "First failure: <b>feedd</b> crash at +0 ms, as far as is known: api (flask) "
                   "tells whole seconds only");
    site_has(page, "\xe2\x89\xa4 +86 ms");
    site_has(page, "this is when the agent received the event");
}

static void whole_seconds_after_the_failure_are_no_doubt(void **state)
{
    struct site *site = *state;
    add(site, "crash", "feedd", "critical", "h", -500);
    add_coarse(site, "reset", 404);
    site_has(site_page(site, "/trace/" ID), "Later events follow it (same host clock).");
}

static void an_event_that_came_late_keeps_its_second(void **state)
{
    struct site *site = *state;
    add(site, "crash", "feedd", "critical", "h", 318);
    add_coarse(site, "reset", 60000);
    const char *page = site_page(site, "/trace/" ID);
    site_has(page, "the order within that second is not known");
    site_has_not(page, "\xe2\x89\xa4");
}

static void the_list_and_the_item_lead_to_it(void **state)
{
    struct site *site = *state;
    add(site, "crash", "feedd", "critical", "h", 318);
    add(site, "reset", "api", "error", "h", 404);
    site_has(site_page(site, "/"), "<a class=\"u\" href=\"/trace/" ID "\">2 errors in trace</a>");
    const char *page = site_page(site, "/items/1");
    site_has(page, "href=\"/trace/" ID "\"");
    site_has(page, XRAY);
    site_has(page, "Also in this trace:");
    site_has(page,
             "<a href=\"/items/2?occurrence=reset\">reset</a> <span class=\"mute\">api, +86 ms");
    page = site_page(site, "/traces");
    site_has(page, "href=\"/trace/" ID "\"");
}

static void traces_with_several_errors_come_first(void **state)
{
    struct site *site = *state;
    add(site, "crash", "feedd", "critical", "h", 0);
    add(site, "reset", "api", "error", "h", 1);
    struct tb_occurrence alone = site_occurrence("alone", "{}");
    alone.trace_id = "00000000000000000000000000000abc";
    site_add(site, &alone);
    const char *page = site_page(site, "/traces");
    assert_true(strstr(page, "/trace/" ID) < strstr(page, alone.trace_id));
    site_has(page, "api, feedd");
}

static void an_xray_id_of_its_own_finds_the_events_too(void **state)
{
    struct site *site = *state;
    struct tb_occurrence one = site_occurrence("x", "{}");
    one.trace_id = "00000000000000000000000000000abc";
    one.xray_trace_id = ID;
    site_add(site, &one);
    site_has(site_page(site, "/trace/" ID),
             "also <a class=\"mono\" href=\"/trace/000000000000000000"
             "00000000000abc\">");
}

static void an_items_json_has_the_xray_id_as_x_ray_writes_it(void **state)
{
    struct site *site = *state;
    struct tb_occurrence one = site_occurrence("x", "{}");
    one.xray_trace_id = "5759e988bd862e3fe1be46a994272793";
    site_add(site, &one);
    site_has(site_visit(site, "/items/1.json"),
             "\"xray_trace_id\":\"1-5759e988-bd862e3fe1be46a994272793\"");
}

static void more_events_than_are_shown_are_counted_out(void **state)
{
    struct site *site = *state;
    char uuid[16];
    assert_int_equal(tb_store_begin(site->store), 0);
    for (int i = 0; i < 210; i++) {
        (void)snprintf(uuid, sizeof(uuid), "u%d", i);
        add(site, uuid, "feedd", "error", "h", i);
    }
    assert_int_equal(tb_store_commit(site->store), 0);
    const char *page = site_page(site, "/trace/" ID);
    site_has(page, "Only the first 200 events are shown.");
    site_has(page, ">u199<");
    site_has_not(page, ">u200<");
    site_has(site_page(site, "/"), "100 and more errors in trace");
}

#define WITH_SITE(test) cmocka_unit_test_setup_teardown(test, site_make, site_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SITE(every_spelling_leads_to_one_address),
        WITH_SITE(requests_are_drawn_from_their_beginning),
        WITH_SITE(the_first_failure_is_named_on_one_host),
        WITH_SITE(several_hosts_are_not_compared),
        WITH_SITE(whole_seconds_are_placed_by_arrival_and_said),
        WITH_SITE(whole_seconds_after_the_failure_are_no_doubt),
        WITH_SITE(an_event_that_came_late_keeps_its_second),
        WITH_SITE(the_list_and_the_item_lead_to_it),
        WITH_SITE(traces_with_several_errors_come_first),
        WITH_SITE(an_xray_id_of_its_own_finds_the_events_too),
        WITH_SITE(an_items_json_has_the_xray_id_as_x_ray_writes_it),
        WITH_SITE(more_events_than_are_shown_are_counted_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
