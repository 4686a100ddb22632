/* test_search.c - filter expressions in the search box of the list. */
#include "site.h"

#include "web/list_filter.h"

#define FLASK                                                                                      \
    "{\"uuid\":\"flask\",\"level\":\"error\",\"body\":{\"trace\":{\"frames\":[],\"exception\":{"   \
    "\"class\":\"UpstreamError\",\"message\":\"m\"}}},\"custom\":{\"service\":\"backend-flask\"}}"
#define FEEDD                                                                                      \
    "{\"uuid\":\"feedd\",\"level\":\"critical\",\"body\":{\"trace\":{\"frames\":[],\"exception\":" \
    "{\"class\":\"SIGSEGV\",\"message\":\"m\"}}},\"custom\":{\"service\":\"cruddur-feedd\"}}"
#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"

static void add(struct site *site, const char *uuid, const char *title, const char *trace_id,
                const char *data)
{
    struct tb_occurrence one = site_occurrence(uuid, data);
    one.title = title;
    one.trace_id = trace_id;
    site_add(site, &one);
}

static void fill(struct site *site)
{
    static const struct tb_web_group groups[] = {
        {"Cruddur", "service(\"backend-flask\") {fault OR error}"}, {"broken", "service("}};
    const struct tb_web_settings settings = {.groups = groups, .n_groups = 2};
    add(site, "flask", "UpstreamError: closed", TRACE, FLASK);
    add(site, "feedd", "SIGSEGV in parse", TRACE, FEEDD);
    add(site, "other", "SIGSEGV elsewhere", "", FEEDD);
    assert_int_equal(tb_web_set_search(site->web, &settings), 0);
}

static void which_searches_are_expressions_is_a_rule(void **state)
{
    static const struct {
        const char *q, *text;
    } CASES[] = {
        {"filter:fault", "fault"},
        {"Filter: fault", "fault"},
        {"  filter:fault", "fault"},
        {"filter:", ""},
        {"service(\"x\")", "service(\"x\")"},
        {"!Service(\"x\")", "!Service(\"x\")"},
        {"fault AND edge()", "fault AND edge()"},
        {"annotation.pid = 4", "annotation.pid = 4"},
        {"annotation[a]", "annotation[a]"},
        {"rootcause.fault.service {first}", "rootcause.fault.service {first}"},
        {"group.name = a", "group.name = a"},
        {"group.arn = a", "group.arn = a"},
        {"fault", NULL},
        {"service:feedd", NULL},
        {"SIGSEGV service feedd", NULL},
        {"my filter: x", NULL},
        {"text:annotation.c", NULL},
        {"text:filter:x", NULL},
        {"", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        const char *text = tb_list_filter_text(CASES[i].q);
        if (text == NULL || CASES[i].text == NULL ? text != CASES[i].text
                                                  : strcmp(text, CASES[i].text) != 0)
            fail_msg("%s", CASES[i].q);
    }
    assert_string_equal(tb_list_filter_words("text:annotation.c"), "annotation.c");
    assert_string_equal(tb_list_filter_words("annotation.c"), "annotation.c");
}

static void items_are_those_whose_trace_matches(void **state)
{
    struct site *site = *state;
    fill(site);
    const char *page = site_visit(site, "/?q=service(%22backend-flask%22)+%7Bfault%7D");
    site_has(page, "UpstreamError: closed");
    site_has(page, "SIGSEGV in parse"); /* the same trace */
    site_has_not(page, "SIGSEGV elsewhere");
    site_has(page, "Read as a filter expression");
    site_has(page, "value=\"service(&quot;backend-flask&quot;) {fault}\"");
    site_check_html(page);
    page = site_visit(site, "/?q=filter%3Athrottle");
    site_has(page, "No item matches.");
    site_has(page, "Read as a filter expression");
    site_check_html(page);
}

static void the_groups_of_the_settings_are_known(void **state)
{
    struct site *site = *state;
    fill(site);
    site_has(site_visit(site, "/?q=filter:Cruddur"), "UpstreamError: closed");
    site_has_not(site_visit(site, "/?q=filter:Cruddur"), "SIGSEGV elsewhere");
    site_has(site_visit(site, "/?q=!group.name+%3D+%22Cruddur%22"), "SIGSEGV elsewhere");
    /* One that does not parse is none. */
    site_has(site_visit(site, "/?q=group.name+%3D+broken"),
             "the settings have no group &quot;broken&quot;");
    /* Other settings count from the next page on. */
    static const struct tb_web_group groups[] = {{"Cruddur", "ok"}};
    const struct tb_web_settings settings = {.groups = groups, .n_groups = 1};
    assert_int_equal(tb_web_set_search(site->web, &settings), 0);
    assert_int_equal(tb_web_set_search(site->web, &settings), 0);
    site_has(site_visit(site, "/?q=filter:Cruddur"), "No item matches.");
}

static void words_that_could_be_an_expression_lead_to_it(void **state)
{
    struct site *site = *state;
    fill(site);
    const char *page = site_visit(site, "/?q=fault+OR+error");
    site_has(page, "No item matches.");
    site_has(page, "<a href=\"/?q=filter%3Afault%20OR%20error&amp;sort=");
    site_check_html(page);
    site_has(site_visit(site, "/?q=Cruddur"), "href=\"/?q=filter%3ACruddur&amp;");
    site_has_not(site_visit(site, "/?q=broken"), "filter%3A");
    site_has_not(site_visit(site, "/?q=text:fault"), "filter%3A");
    site_has_not(site_visit(site, "/?q=filter:throttle"), "filter%3Athrottle&amp;");
}

static void names_are_those_of_x_ray(void **state)
{
    struct site *site = *state;
    const struct tb_web_settings settings = {.xray_name = "renamed", .xray_origin = "T"};
    fill(site);
    assert_int_equal(tb_web_set_search(site->web, &settings), 0);
    site_has(site_visit(site, "/?q=service(id(name:%22renamed%22,type:%22T%22))"), "SIGSEGV");
    site_has(site_visit(site, "/?q=service(%22cruddur-feedd%22)"), "No item matches.");
}

static void a_mistake_is_shown_with_its_place_marked(void **state)
{
    struct site *site = *state;
    fill(site);
    const char *page = site_visit(site, "/?q=filter:user+%3D+%22%C3%A4%22+faults");
    site_has(page, "This is no filter expression: column 12: expected a keyword, not "
                   "&quot;faults&quot;; did you mean &quot;fault&quot;?");
    site_has(page, "user = &quot;\xc3\xa4&quot; <mark>f</mark>aults</pre>");
    site_has_not(page, "SIGSEGV");
    site_has_not(page, "No item matches");
    site_has(page, "href=\"/?q=text%3A");
    site_check_html(page);
    page = site_visit(site, "/?q=filter:fault+AND");
    site_has(page, "fault AND<mark> </mark></pre>");
    site_check_html(page);
    page = site_visit(site, "/?q=service(%3Cscript%3E)");
    site_has(page, "service(<mark>&lt;</mark>script&gt;)");
    site_check_html(page);
    page = site_visit(site, "/?q=filter:");
    site_has(page, "column 1: ");
    site_check_html(page);
}

static void words_are_searched_as_ever(void **state)
{
    struct site *site = *state;
    fill(site);
    add(site, "c", "assert in annotation.c", "", FEEDD);
    site_has(site_visit(site, "/?q=text%3Aannotation.c"), "assert in annotation.c");
    site_has_not(site_visit(site, "/?q=text%3Aannotation.c"), "SIGSEGV in parse");
    site_has(site_visit(site, "/?q=elsewhere"), "SIGSEGV elsewhere");
    site_has_not(site_visit(site, "/?q=elsewhere"), "filter expression");
}

static void pages_of_what_matches_follow_each_other(void **state)
{
    struct site *site = *state;
    char uuid[37];
    char title[32];
    fill(site);
    for (int i = 0; i < 120; i++) {
        snprintf(uuid, sizeof(uuid), "u%03d", i);
        snprintf(title, sizeof(title), "number %03d", i);
        add(site, uuid, title, "", i % 2 == 0 ? FLASK : FEEDD);
    }
    const char *page = site_visit(site, "/?q=service(%22backend-flask%22)");
    site_has(page, "number 118");
    site_has_not(page, "number 119");
    site_has(page, "Next page");
    site_has(page, "q=service%28%22backend-flask%22%29&amp;page=2");
    page = site_visit(site, "/?q=service(%22backend-flask%22)&page=2");
    site_has_not(page, "number 118");
    site_has(page, "number 000");
    site_has(page, "Previous page");
    site_has_not(page, "Next page");
    site_has_not(page, "not all");
}

static void a_search_looks_at_a_bounded_number_of_items(void **state)
{
    struct site *site = *state;
    char uuid[37];
    fill(site);
    assert_int_equal(tb_store_begin(site->store), 0);
    for (int i = 0; i < TB_STORE_RECENT; i++) {
        snprintf(uuid, sizeof(uuid), "u%04d", i);
        add(site, uuid, "many", "", FEEDD);
    }
    assert_int_equal(tb_store_commit(site->store), 0);
    const char *page = site_visit(site, "/?q=service(%22backend-flask%22)");
    site_has(page, "No item matches.");
    site_has(page, "The first 2,000 items in this order were looked at, not all.");
    site_check_html(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which_searches_are_expressions_is_a_rule),
        cmocka_unit_test_setup_teardown(items_are_those_whose_trace_matches, site_make, site_drop),
        cmocka_unit_test_setup_teardown(the_groups_of_the_settings_are_known, site_make, site_drop),
        cmocka_unit_test_setup_teardown(words_that_could_be_an_expression_lead_to_it, site_make,
                                        site_drop),
        cmocka_unit_test_setup_teardown(names_are_those_of_x_ray, site_make, site_drop),
        cmocka_unit_test_setup_teardown(a_mistake_is_shown_with_its_place_marked, site_make,
                                        site_drop),
        cmocka_unit_test_setup_teardown(words_are_searched_as_ever, site_make, site_drop),
        cmocka_unit_test_setup_teardown(pages_of_what_matches_follow_each_other, site_make,
                                        site_drop),
        cmocka_unit_test_setup_teardown(a_search_looks_at_a_bounded_number_of_items, site_make,
                                        site_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
