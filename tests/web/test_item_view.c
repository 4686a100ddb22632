/* test_item_view.c - what a person sees of a process that died unseen, and the notes of any item.
 */
#include "site.h"

static const char vanished[] =
    "{\"level\":\"critical\",\"server\":{\"host\":\"web-1\",\"pid\":77},\"body\":{\"trace\":{"
    "\"frames\":[],\"exception\":{\"class\":\"SIGKILL\",\"message\":\"pid 77 on web-1, killed\"}},"
    "\"telemetry\":[{\"type\":\"log\",\"level\":\"warning\",\"timestamp_ms\":1,\"body\":{"
    "\"message\":\"queue full\"}},{\"type\":\"log\",\"level\":\"info\",\"timestamp_ms\":1,\"body\":"
    "{\"message\":\"started\"}},{\"type\":\"network\",\"level\":\"error\",\"timestamp_ms\":1,"
    "\"body\":{\"url\":\"/feed\"}},{\"type\":\"dom\",\"timestamp_ms\":1,\"body\":{\"message\":"
    "\"click\"}}]},\"custom\":{\"native\":{\"kind\":\"vanished\",\"signal\":\"SIGKILL\","
    "\"meaning\":\"pid 77 on web-1, up 3 h 2 min, last sign at 2023-11-14T22:13:25.000Z, killed by "
    "SIGKILL\"}}}";

static struct site *visit(void **state)
{
    struct site *site = *state;
    struct tb_occurrence one = site_occurrence("55555555-5555-4555-8555-555555555555", vanished);
    one.title = "feedd vanished: killed by SIGKILL";
    site_add(site, &one);
    return site;
}

static void one_that_vanished_is_told_in_every_form(void **state)
{
    static const char *const pages[] = {"/items/1", "/items/1.txt", "/items/1.md"};
    struct site *site = visit(state);
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        const char *page = site_visit(site, pages[i]);
        site_has(page, "up 3 h 2 min, last sign at 2023");
        site_has(page, "No stack: no handler saw it.");
        site_has_not(page, "It came without frames");
        site_has_not(page, "(nothing)");
        site_has_not(page, "crashed");
        site_has_not(page, "Before the crash");
    }
}

static void notes_keep_their_level(void **state)
{
    struct site *site = visit(state);
    const char *page = site_visit(site, "/items/1");
    site_has(page, "<span class=\"lv warning\">warning</span></td><td class=\"mono\">queue full");
    site_has(page, "<span class=\"chip\">info</span></td><td class=\"mono\">started");
    site_has(page, "<span class=\"lv error\">network, error</span></td><td class=\"mono\"> /feed");
    site_has(page, "<span class=\"chip\">dom</span></td><td class=\"mono\">click");
    for (int i = 0; i < 2; i++) {
        page = site_visit(site, i == 0 ? "/items/1.txt" : "/items/1.md");
        site_has(page, "  warning  queue full\n");
        site_has(page, "  info  started\n");
        site_has(page, "  dom  click\n");
    }
}

static void what_is_known_of_the_trace_has_a_panel(void **state)
{
    struct site *site = *state;
    struct tb_occurrence one = site_occurrence(
        "55555555-5555-4555-8555-555555555555",
        "{\"level\":\"error\",\"body\":{\"message\":{\"body\":\"x\"}},\"custom\":{\"trace\":{"
        "\"source\":\"traceparent\",\"state\":\"congo=<b>\"}}}");
    site_add(site, &one);
    const char *page = site_visit(site, "/items/1");
    site_has(page, ">Trace<");
    site_has(page, "congo=&lt;b&gt;");
    site_has_not(page, ">Custom<");
}

static void a_trace_without_frames_that_a_handler_saw_is_no_vanished_one(void **state)
{
    struct site *site = *state;
    struct tb_occurrence one = site_occurrence(
        "55555555-5555-4555-8555-555555555555",
        "{\"body\":{\"trace\":{\"frames\":[],\"exception\":{\"class\":\"SIGSEGV\"}}},"
        "\"custom\":{\"native\":{\"signal\":\"SIGSEGV\"}}}");
    site_add(site, &one);
    site_has(site_visit(site, "/items/1"), "It came without frames.");
    site_has(site_visit(site, "/items/1.txt"), "It came without frames.");
}

static void frame_that_is_not_on_the_stack_says_why_it_is_shown(void **state)
{
    struct site *site = *state;
    struct tb_occurrence one = site_occurrence(
        "55555555-5555-4555-8555-555555555555",
        "{\"body\":{\"trace\":{\"frames\":[{\"method\":\"outer\",\"filename\":\"a.c\",\"lineno\":1,"
        "\"address\":\"0x10\",\"module\":\"feedd\",\"trust\":\"cfi\"},{\"method\":\"hop\","
        "\"filename\":\"a.c\",\"lineno\":2,\"address\":\"0x20\",\"module\":\"feedd\",\"trust\":"
        "\"tail\"}],\"exception\":{\"class\":\"SIGSEGV\"}}}}");
    site_add(site, &one);
    const char *page = site_visit(site, "/items/1");
    site_has(page, "0x10 in feedd \xc2\xb7 found by cfi</p>");
    site_has(page, "0x20 in feedd \xc2\xb7 left by a tail call</p>");
}

static void frame_without_its_source_says_why(void **state)
{
    struct site *site = *state;
    struct tb_occurrence one = site_occurrence(
        "55555555-5555-4555-8555-555555555555",
        "{\"body\":{\"trace\":{\"frames\":[{\"method\":\"f\",\"filename\":\"a.c\",\"lineno\":1,"
        "\"code_note\":\"a.c is newer than <d>\",\"address\":\"0x10\",\"module\":\"d\"}],"
        "\"exception\":{\"class\":\"SIGSEGV\"}}}}");
    site_add(site, &one);
    site_has(site_visit(site, "/items/1"),
             "<p class=\"mute facts\">a.c is newer than &lt;d&gt;</p>");
}

static void what_stood_in_the_way_of_a_modules_symbols_is_said(void **state)
{
    struct site *site = *state;
    struct tb_occurrence one = site_occurrence(
        "55555555-5555-4555-8555-555555555555",
        "{\"body\":{\"trace\":{\"frames\":[{\"method\":\"f\"}],\"exception\":{\"class\":"
        "\"SIGSEGV\"}}},\"custom\":{\"native\":{\"modules\":[{\"name\":\"a\",\"symbols\":"
        "\"symtab\",\"note\":\"needs the file dwz made\"},{\"name\":\"b\",\"symbols\":"
        "\"debug\"}]}}}");
    site_add(site, &one);
    site_has(site_visit(site, "/items/1"), "<td>symtab: needs the file dwz made</td>");
    site_has(site_visit(site, "/items/1"), "<td>debug</td>");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, site_make, site_drop)
    const struct CMUnitTest tests[] = {
        CASE(one_that_vanished_is_told_in_every_form),
        CASE(notes_keep_their_level),
        CASE(what_is_known_of_the_trace_has_a_panel),
        CASE(frame_that_is_not_on_the_stack_says_why_it_is_shown),
        CASE(a_trace_without_frames_that_a_handler_saw_is_no_vanished_one),
        CASE(frame_without_its_source_says_why),
        CASE(what_stood_in_the_way_of_a_modules_symbols_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
