/* Links to other tools, on the pages of an item and of a trace and in their twins. */
#include "site.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define XRAY "7b02b58de0617ecba70ed68ac9552d48"
#define XRAY_FORM "1-7b02b58d-e0617ecba70ed68ac9552d48"

static void set_links(struct site *site, const char *name, const char *url)
{
    struct tb_links links;
    memset(&links, 0, sizeof(links));
    assert_int_equal(tb_links_add(&links, "X-Ray", "https://x.example/#{xray_trace_id}"), 0);
    assert_int_equal(tb_links_add(&links, "Logs", "https://l.example/{start_ms},{end_ms}"), 0);
    assert_int_equal(tb_links_add(&links, "Rollbar", "https://r.example/{uuid}?a=1&b=2"), 0);
    assert_int_equal(tb_links_add(&links, name, url), 0);
    assert_int_equal(tb_web_set_links(site->web, &links), 0);
    tb_links_done(&links);
}

static void add(struct site *site)
{
    struct tb_occurrence o =
        site_occurrence("u-1", "{\"server\":{\"host\":\"\\\"><script>\"},\"body\":{}}");
    o.trace_id = TRACE;
    o.xray_trace_id = XRAY;
    o.service = "a\"><b>/&";
    site_add(site, &o);
}

static void without_settings_there_are_none(void **state)
{
    struct site *site = *state;
    add(site);
    site_has_not(site_visit(site, "/items/1"), "Open in");
    site_has_not(site_visit(site, "/trace/" TRACE), "Open in");
    site_has_not(site_visit(site, "/items/1.txt"), "link");
    site_has_not(site_visit(site, "/items/1.json"), "\"links\"");
}

static void an_item_has_all_whose_values_are_known(void **state)
{
    struct site *site = *state;
    add(site);
    set_links(site, "Grafana", "https://g.example/{span_id}");
    const char *page = site_visit(site, "/items/1");
    site_has(page, "<a href=\"https://x.example/#" XRAY_FORM
                   "\" rel=\"noopener noreferrer\">Open in X-Ray</a> \xc2\xb7 <a href=\"https://"
                   "l.example/1795632239999,1795634039999\" rel=\"noopener noreferrer\">Logs</a>");
    site_has(page, "<a href=\"https://r.example/u-1?a=1&amp;b=2\" rel=\"noopener noreferrer\">Open "
                   "in Rollbar</a></p>");
    site_has_not(page, "Grafana");
    site_has(site_visit(site, "/items/1.txt"),
             "\n  link        X-Ray https://x.example/#" XRAY_FORM "\n");
    site_has(site_visit(site, "/items/1.md"),
             "\n- **X-Ray:** <https://x.example/#" XRAY_FORM ">\n");
    site_has(site_visit(site, "/items/1.json"),
             "\"links\":[{\"name\":\"X-Ray\",\"url\":\"https://x.example/#" XRAY_FORM "\"},");
}

static void a_trace_has_its_own_and_none_of_one_item(void **state)
{
    struct site *site = *state;
    add(site);
    set_links(site, "Tempo", "https://t.example/{trace_id}");
    const char *page = site_visit(site, "/trace/" XRAY);
    site_has(page, "\"https://x.example/#" XRAY_FORM "\"");
    site_has(page, "\"https://t.example/" TRACE "\" rel=\"noopener noreferrer\">Open in Tempo</a>");
    site_has_not(page, "Rollbar");
}

static void what_a_report_says_ends_no_attribute(void **state)
{
    struct site *site = *state;
    add(site);
    set_links(site, "A\"><i>", "https://t.example/?s={service}&h={host}");
    const char *page = site_visit(site, "/items/1");
    site_has(page, "\"https://t.example/?s=a%22%3E%3Cb%3E%2F%26&amp;h=%22%3E%3Cscript%3E\"");
    site_has_not(page, "<script>");
    site_has_not(page, "<i>");
    site_has_not(page, "a\"><b>/");
}

static void other_settings_count_from_the_next_page_on(void **state)
{
    struct site *site = *state;
    add(site);
    set_links(site, "One", "https://one.example/{uuid}");
    site_has(site_visit(site, "/items/1"), "Open in One");
    set_links(site, "Two", "https://two.example/{uuid}");
    set_links(site, "Three", "https://three.example/{uuid}");
    const char *page = site_visit(site, "/items/1");
    site_has_not(page, "Open in One");
    site_has_not(page, "Open in Two");
    site_has(page, "Open in Three");
}

static void either_id_stands_for_the_other(void **state)
{
    struct site *site = *state;
    struct tb_occurrence o = site_occurrence("u-2", "{}");
    o.trace_id = TRACE;
    site_add(site, &o);
    set_links(site, "Tempo", "https://t.example/{trace_id}");
    const char *page = site_visit(site, "/items/1");
    site_has(page, "https://x.example/#1-4bf92f35-77b34da6a3ce929d0e0e4736\"");
    site_has(page, "https://t.example/" TRACE "\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_settings_there_are_none, site_make, site_drop),
        cmocka_unit_test_setup_teardown(an_item_has_all_whose_values_are_known, site_make,
                                        site_drop),
        cmocka_unit_test_setup_teardown(a_trace_has_its_own_and_none_of_one_item, site_make,
                                        site_drop),
        cmocka_unit_test_setup_teardown(what_a_report_says_ends_no_attribute, site_make, site_drop),
        cmocka_unit_test_setup_teardown(other_settings_count_from_the_next_page_on, site_make,
                                        site_drop),
        cmocka_unit_test_setup_teardown(either_id_stands_for_the_other, site_make, site_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
