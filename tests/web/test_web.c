/* test_web.c - which address gives what: pages, twins, assets, and no database. */
#include "site.h"

#include <errno.h>

static const char CRASH[] =
    "{\"environment\":\"production\",\"code_version\":\"3f2c1e9\",\"server\":{\"host\":\"web-3\","
    "\"pid\":4242},\"custom\":{\"big\":9007199254740993,\"native\":{\"signal\":\"SIGSEGV\","
    "\"code\":"
    "\"SEGV_MAPERR\",\"address\":\"0x18\",\"meaning\":\"near-NULL read at 0x18\",\"registers\":"
    "{\"rax\":\"0x0\",\"rbx\":\"0x7f21c8000b60\"},\"thread\":{\"tid\":4251,\"name\":\"worker-2\"}}}"
    ","
    "\"body\":{\"trace\":{\"exception\":{\"class\":\"SIGSEGV\",\"message\":\"near-NULL read at "
    "0x18\"},\"frames\":[{\"method\":\"start_thread\",\"filename\":\"libc.so.6\",\"module\":"
    "\"libc.so.6\",\"in_app\":false,\"address\":\"0x7f00\"},{\"method\":\"worker_loop\","
    "\"filename\":\"src/worker.c\",\"lineno\":164,\"in_app\":true},{\"method\":\"queue_push\","
    "\"filename\":\"src/queue.c\",\"lineno\":214,\"in_app\":true,\"address\":\"0x55d0\",\"code\":"
    "\"m->next = q->tail->next;\",\"context\":{\"pre\":[\"{\"],\"post\":[\"}\"]}}]}}}";

static struct tb_occurrence crash(const char *uuid)
{
    return site_occurrence(uuid, CRASH);
}

/* ---- the list ---- */

static void the_empty_list_teaches(void **state)
{
    const char *page = site_page(*state, "/");
    site_has(page, "No items yet");
    site_has(page, "curl --unix-socket /run/t.sock http://localhost/api/1/item/");
    site_has(page, "towbar_init(NULL);");
    site_has(page, "http://127.0.0.1:7070/api/1/");
    site_has(page, "towbar demo");
    site_has_not(page, "<table");
}

static void the_empty_list_names_the_address_that_was_bound(void **state)
{
    struct site *site = *state;
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/listen", site->folder);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs("127.0.0.1:41234\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    site_has(site_page(site, "/"), "http://127.0.0.1:41234/api/1/");
}

static void a_row_says_what_where_and_how_often(void **state)
{
    struct site *site = *state;
    char uuid[16];
    for (int i = 0; i < 1234; i++) {
        (void)snprintf(uuid, sizeof(uuid), "u%d", i);
        struct tb_occurrence one = crash(uuid);
        one.fingerprint = "f";
        site_add(site, &one);
    }
    const char *page = site_page(site, "/");
    site_has(page, "<a class=\"t\" href=\"/items/1\">SIGSEGV in queue_push</a>");
    site_has(page, "<span class=\"lv critical\">critical</span>");
    site_has(page, "queue_push \xc2\xb7 src/queue.c:214");
    site_has(page, "aria-label=\"1,234 in the last 24 h\"");
    site_has(page, "<td class=\"n\">1,234</td>");
    site_has(page, ">1 min</time>");
    site_has(page, "<span class=\"chip new\">new</span>");
    site_has(page, "3f2c1e9");
    site_has(page, "Active 1</a>");
    site_has(page, "New today 1</a>");
    site_has_not(page, "errors in trace");
}

static void an_old_item_is_not_new(void **state)
{
    struct site *site = *state;
    struct tb_occurrence old = crash("old");
    old.occurred_ns -= UINT64_C(2) * 24 * 3600 * 1000000000;
    site_add(site, &old);
    site_has_not(site_page(site, "/"), "chip new");
    site_has(site_page(site, "/?show=new"), "No item matches");
}

static void the_list_is_searched_and_sorted(void **state)
{
    struct site *site = *state;
    struct tb_occurrence one = crash("a");
    one.title = "first thing";
    site_add(site, &one);
    one = crash("b");
    one.title = "second_thing 100%";
    one.environment = "staging";
    one.occurred_ns += 1000000000;
    site_add(site, &one);
    const char *page = site_page(site, "/");
    assert_true(strstr(page, "second_thing") < strstr(page, "first thing"));
    site_has_not(site_page(site, "/?q=second"), "first thing");
    site_has_not(site_page(site, "/?q=env:staging"), "first thing");
    site_has_not(site_page(site, "/?q=env:PRODUCTION"), "second_thing");
    page = site_page(site, "/?q=env:production,staging+thing");
    site_has(page, "first thing");
    site_has(page, "second_thing");
    site_has(page, "value=\"env:production,staging thing\"");
    site_has(site_page(site, "/?q=level:error"), "No item matches");
    /* The patterns of LIKE are text. */
    site_has(site_page(site, "/?q=100%25"), "second_thing");
    site_has(site_page(site, "/?q=s%25thing"), "No item matches");
    site_has_not(site_page(site, "/?q=d_thing"), "first thing");
}

static void more_items_than_a_page_holds_are_paged(void **state)
{
    struct site *site = *state;
    char uuid[16];
    for (int i = 0; i < 120; i++) {
        (void)snprintf(uuid, sizeof(uuid), "u%03d", i);
        struct tb_occurrence one = site_occurrence(uuid, "{}");
        one.title = uuid;
        one.occurred_ns += (uint64_t)i;
        site_add(site, &one);
    }
    const char *page = site_page(site, "/");
    site_has(page, ">u119<");
    site_has_not(page, ">u069<");
    site_has(page, "page=2\">Next page");
    site_has_not(page, "Previous page");
    page = site_page(site, "/?page=3");
    site_has(page, ">u019<");
    site_has(page, "page=2\">Previous page");
    site_has_not(page, "Next page");
}

/* ---- the item ---- */

static void an_item_is_told_in_order(void **state)
{
    struct site *site = *state;
    struct tb_occurrence one = crash("a");
    site_add(site, &one);
    const char *at = site_page(site, "/items/1");
    static const char FACTS[] = "SEGV_MAPERR at 0x18 \xc2\xb7 queue_push \xc2\xb7 pid 4242 "
                                "tid 4251 \xe2\x80\x9cworker-2\xe2\x80\x9d";
    static const char *const ORDER[] = {
        FACTS,
        "near-NULL read at 0x18.",
        "<code>rax</code>",
        "class=\"chart\"",
        "<details class=\"frame\" open>",
        "queue_push",
        "crashed here",
        "<span class=\"hit\"> 214  m-&gt;next = q-&gt;tail-&gt;next;",
        "worker_loop",
        "1 library frame \xc2\xb7 libc",
        "Registers",
        "Why grouped",
        "Raw JSON",
        "<aside>",
        "web-3"};
    for (size_t i = 0; i < sizeof(ORDER) / sizeof(ORDER[0]); i++) {
        site_has(at, ORDER[i]);
        at = strstr(at, ORDER[i]);
    }
}

/* Without a script: the frames that recur are there, behind a line that opens. */
static void a_recursion_of_two_is_shown_once_and_opens(void **state)
{
    static const char PAIR[] =
        ",{\"method\":\"list\",\"filename\":\"p.c\",\"lineno\":1,\"in_app\":true}"
        ",{\"method\":\"value\",\"filename\":\"p.c\",\"lineno\":2,\"in_app\":true}";
    static const char *const ORDER[] = {
        "#0</span> <b class=\"mono\">value</b>",
        "here</span>",
        "#1</span> <b class=\"mono\">list</b>",
        "<summary>\xc3\x97 3 \xc2\xb7 the 2 frames above, up to #5</summary>",
        "#5</span> <b class=\"mono\">list</b>",
        "</details>",
        "#6</span> <b class=\"mono\">main</b>"};
    struct site *site = *state;
    char data[2048];
    snprintf(data, sizeof(data),
             "{\"body\":{\"trace\":{\"exception\":{\"class\":\"E\",\"message\":\"m\"},\"frames\":["
             "{\"method\":\"main\",\"in_app\":true}%s%s%s]}}}",
             PAIR, PAIR, PAIR);
    struct tb_occurrence one = site_occurrence("u1", data);
    site_add(site, &one);
    const char *at = site_page(site, "/items/1");
    for (size_t i = 0; i < sizeof(ORDER) / sizeof(ORDER[0]); i++) {
        site_has(at, ORDER[i]);
        at = strstr(at, ORDER[i]);
    }
    site_has(site_visit(site, "/items/1.txt"),
             "#1  list (p.c:1)\n... \xc3\x97 3: the 2 frames above, "
             "up to #5\n#6  main");
}

static void an_item_says_why_it_is_one(void **state)
{
    struct site *site = *state;
    struct tb_occurrence one = crash("o1");
    one.group_inputs = "{\"by\":\"functions\",\"why\":\"the same class SIGSEGV; in a<b>\","
                       "\"functions\":[\"a<b>\"]}";
    site_add(site, &one);
    const char *page = site_page(site, "/items/1");
    site_has(page, "<p class=\"facts\">the same class SIGSEGV; in a&lt;b&gt;</p>");
    site_has_not(page, "<th scope=\"row\">why</th>");
    site_has(site_visit(site, "/items/1.txt"), "Grouped by the same class SIGSEGV; in a<b>\n");
}

static void occurrences_are_linked_by_age(void **state)
{
    struct site *site = *state;
    static const char *const UUIDS[] = {"o1", "o2", "o3"};
    for (size_t i = 0; i < 3; i++) {
        struct tb_occurrence one = crash(UUIDS[i]);
        one.fingerprint = "f";
        site_add(site, &one);
    }
    const char *page = site_page(site, "/items/1");
    site_has(page, "occurrence=o2\">Older");
    site_has_not(page, ">Newer<");
    page = site_page(site, "/items/1?occurrence=o2");
    site_has(page, "occurrence=o1\">Older");
    site_has(page, "occurrence=o3\">Newer");
    site_has(page, "An earlier occurrence");
    (void)site_visit(site, "/items/1?occurrence=elsewhere");
    assert_int_equal(site->reply.status, 404);
}

static void a_message_needs_no_stack(void **state)
{
    struct site *site = *state;
    struct tb_occurrence one =
        site_occurrence("m", "{\"body\":{\"message\":{\"body\":\"first line\\nsecond line\"}}}");
    one.title = "first line";
    site_add(site, &one);
    site_has(site_page(site, "/items/1"), "first line\nsecond line");
    site_has_not(site_page(site, "/items/1"), "<h2>Stack</h2>");
}

static void what_stands_for_a_storm_says_how_many(void **state)
{
    struct site *site = *state;
    struct tb_occurrence one =
        site_occurrence("m", "{\"body\":{\"message\":{\"body\":\"m\"}},\"custom\":{\"towbar\":{"
                             "\"repeated\":411,\"note\":\"411 more <like> this\"}}}");
    site_add(site, &one);
    site_has(site_page(site, "/items/1"), "+411 more &lt;like&gt; this");
    site_has(site_visit(site, "/items/1.txt"), "411 more <like> this");
    one = site_occurrence("n", "{\"body\":{\"message\":{\"body\":\"m\"}}}");
    one.fingerprint = "none";
    site_add(site, &one);
    site_has_not(site_page(site, "/items/2"), " more ");
}

static void shares_are_of_what_is_kept_also_in_a_storm(void **state)
{
    struct site *site = *state;
    struct tb_occurrence one = crash("a");
    one.data = "{\"environment\":\"production\",\"body\":{\"message\":{\"body\":\"m\"}}}";
    one.data_len = strlen(one.data);
    site_add(site, &one);
    static const char *const more[] = {"b", "c", "d"}; /* the first stands for the others */
    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
        one.uuid = more[i];
        assert_true(tb_store_collapse(site->store, &one, NULL, NULL, 0) >= 0);
    }
    const char *page = site_page(site, "/items/1");
    site_has(page, "<span>production</span><span class=\"mute\">100%</span>");
    site_has(page, "of the last 2 that are kept");
}

static void the_head_of_a_page_tells_that_nothing_goes_out(void **state)
{
    struct site *site = *state;
    const struct tb_outbox_to sinks[] = {{"rollbar", ""}};
    struct tb_occurrence one = crash("a");
    assert_int_equal(tb_store_add(site->store, &one, sinks, 1), 0);
    const char *page = site_page(site, "/");
    site_has(page, "<span class=\"dot\"></span>");
    site_has(page, "queue 1 \xc2\xb7");
    assert_true(tb_store_park(site->store, "rollbar", "", 1, "HTTP 403") >= 0);
    page = site_page(site, "/");
    site_has(page, "<span class=\"dot held\"></span>");
    site_has(page, "queue 1: Rollbar refuses a token \xc2\xb7");
}

static void an_item_without_a_host_has_no_empty_table(void **state)
{
    struct site *site = *state;
    struct tb_occurrence one = site_occurrence("m", "{\"body\":{\"message\":{\"body\":\"m\"}}}");
    site_add(site, &one);
    site_has_not(site_page(site, "/items/1"), "<h2>Environment</h2>");
}

static void causes_come_after_what_they_caused(void **state)
{
    struct site *site = *state;
    struct tb_occurrence one = site_occurrence(
        "c", "{\"body\":{\"trace_chain\":[{\"exception\":{\"class\":\"Outer\",\"message\":\"o\"},"
             "\"frames\":[{\"filename\":\"a.py\",\"lineno\":1,\"method\":\"a\"}]},{\"exception\":"
             "{\"class\":\"Inner\",\"message\":\"i\"},\"frames\":[]}]}}");
    site_add(site, &one);
    const char *page = site_page(site, "/items/1");
    assert_true(strstr(page, "Outer: o") < strstr(page, "Caused by"));
    assert_true(strstr(page, "Caused by") < strstr(page, "Inner: i"));
    const char *text = site_visit(site, "/items/1.txt");
    assert_true(strstr(text, "Raised: Outer: o") < strstr(text, "Caused by: Inner: i"));
}

static void a_body_that_is_no_json_is_said(void **state)
{
    struct site *site = *state;
    struct tb_occurrence one = site_occurrence("n", "not <json>");
    site_add(site, &one);
    site_has(site_page(site, "/items/1"), "cannot be shown");
    site_has(site_visit(site, "/items/1.json"), "\"data\":\"not <json>\"");
    (void)site_visit(site, "/items/1.txt");
    assert_int_equal(site->reply.status, 200);
}

static void what_is_left_out_of_a_deep_stack_is_told_between_its_ends(void **state)
{
    struct site *site = *state;
    struct tb_occurrence one = site_occurrence(
        "u1", "{\"custom\":{\"native\":{\"frames_omitted\":5000,\"frames_oldest\":2}},"
              "\"body\":{\"trace\":{\"frames\":[{\"method\":\"main\"},{\"method\":\"begin_it\"},"
              "{\"method\":\"deeper\"},{\"method\":\"deepest\"}]}}}");
    static const char *const order[] = {"deepest", "deeper", "5,000 frames are left out",
                                        "begin_it", "main"};
    site_add(site, &one);
    const char *at = strstr(site_page(site, "/items/1"), "<div data-framed>");
    for (size_t i = 0; at && i < sizeof(order) / sizeof(order[0]); i++)
        at = strstr(at, order[i]);
    assert_non_null(at);
    at = site_visit(site, "/items/1.txt");
    for (size_t i = 0; at && i < sizeof(order) / sizeof(order[0]); i++)
        at = strstr(at, order[i]);
    assert_non_null(at);
}

/* What costs most on a page: quotes, which become six bytes, shown as frames and as plain text. */
static void a_body_of_half_a_megabyte_fits_a_page(void **state)
{
    struct site *site = *state;
    struct tb_buf json;
    char text[300];
    memset(text, '\'', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    tb_buf_init(&json, 1 << 20);
    tb_buf_adds(&json, "{\"body\":{\"trace\":{\"frames\":[{}");
    while (json.len < (512 << 10) - 1000)
        tb_buf_addf(&json, ",{\"method\":\"%.100s\",\"filename\":\"%s\",\"in_app\":true}", text,
                    text);
    tb_buf_adds(&json, "]}}}");
    assert_int_equal(json.err, 0);
    struct tb_occurrence one = site_occurrence("big", tb_buf_str(&json));
    site_add(site, &one);
    site_has(site_page(site, "/items/1"), "frames are left out");
    (void)site_visit(site, "/items/1.txt");
    assert_int_equal(site->reply.status, 200);
    site_has(site_visit(site, "/items/1.json"), tb_buf_str(&json));
    (void)site_page(site, "/");
    tb_buf_done(&json);
}

/* ---- the twins ---- */

static void the_json_twin_has_the_body_byte_for_byte(void **state)
{
    struct site *site = *state;
    char whole[sizeof(CRASH) + 16];
    struct tb_occurrence one = crash("a");
    site_add(site, &one);
    const char *json = site_visit(site, "/items/1.json");
    assert_int_equal(site->reply.status, 200);
    assert_string_equal(site->reply.type, "application/json");
    (void)snprintf(whole, sizeof(whole), "\"data\":%s}\n", CRASH);
    site_has(json, whole);
    site_has(json, "{\"number\":1,\"title\":\"SIGSEGV in queue_push\"");
    site_has(json, "\"occurrence\":{\"uuid\":\"a\"");
}

static void the_text_twin_reads_like_gdb(void **state)
{
    struct site *site = *state;
    struct tb_occurrence one = crash("a");
    site_add(site, &one);
    const char *text = site_visit(site, "/items/1.txt");
    assert_string_equal(site->reply.type, "text/plain; charset=utf-8");
    site_has(text, "SIGSEGV in queue_push\n  near-NULL read at 0x18\n");
    site_has(text, "#0  0x55d0 in queue_push (src/queue.c:214)\n");
    site_has(text, "    > 214\tm->next = q->tail->next;\n");
    site_has(text, "#1  worker_loop (src/worker.c:164)\n");
    text = site_visit(site, "/items/1.md");
    assert_string_equal(site->reply.type, "text/markdown; charset=utf-8");
    site_has(text, "# SIGSEGV in queue\\_push\n");
    site_has(text, "```text\n#0  0x55d0 in queue_push");
}

static void what_is_not_there_is_404_in_every_form(void **state)
{
    struct site *site = *state;
    site_check_html(site_visit(site, "/items/7"));
    assert_int_equal(site->reply.status, 404);
    assert_string_equal(site_visit(site, "/items/7.json"),
                        "{\"err\":1,\"message\":\"There is no such item, or it has no such "
                        "occurrence.\"}\n");
    assert_int_equal(site->reply.status, 404);
    (void)site_visit(site, "/items/x.txt");
    assert_int_equal(site->reply.status, 404);
    assert_string_equal(site->reply.type, "text/plain; charset=utf-8");
    static const char *const NOWHERE[] = {"/nothing", "/itemsx", "/items.json", "/traces/x",
                                          "/app"};
    for (size_t i = 0; i < sizeof(NOWHERE) / sizeof(NOWHERE[0]); i++) {
        (void)site_visit(site, NOWHERE[i]);
        assert_int_equal(site->reply.status, 0); /* the agent's own 404 */
    }
}

/* ---- assets ---- */

static void assets_are_kept_by_their_content(void **state)
{
    struct site *site = *state;
    char etag[TB_PAGE_ETAG];
    site_has(site_visit(site, "/app.css"), "prefers-color-scheme: dark");
    assert_int_equal(site->reply.status, 200);
    memcpy(etag, site->reply.etag, sizeof(etag));
    assert_true(strlen(etag) > 2);
    site->etag = etag;
    assert_string_equal(site_visit(site, "/app.css"), "");
    assert_int_equal(site->reply.status, 304);
    site_has(site_visit(site, "/app.js"), "use strict");
    assert_int_equal(site->reply.status, 200);
    site->etag = "";
    site_has(site_visit(site, "/icon.svg"), "<svg");
    assert_string_equal(site->reply.type, "image/svg+xml");
}

/* ---- the database ---- */

static void without_a_database_the_page_says_so(void **state)
{
    struct site *site = *state;
    const char *page = site_visit(site, "/");
    assert_int_equal(site->reply.status, 503);
    site_check_html(page);
    site_has(page, "no database in");
    page = site_visit(site, "/items/1.json");
    assert_int_equal(site->reply.status, 503);
    assert_string_equal(site->reply.type, "application/json");
    site_has(page, "{\"err\":1,\"message\":\"no database in");
    page = site_visit(site, "/items/1.txt");
    assert_int_equal(site->reply.status, 503);
    assert_int_equal(strncmp(page, "no database in", strlen("no database in")), 0);
    (void)site_visit(site, "/app.css");
    assert_int_equal(site->reply.status, 200);
    site_open(site);
    (void)site_page(site, "/");
}

static void a_database_that_was_replaced_is_opened_anew(void **state)
{
    struct site *site = *state;
    struct tb_occurrence one = crash("a");
    site_add(site, &one);
    (void)site_page(site, "/items/1");
    tb_store_close(site->store);
    static const char *const FILES[] = {"towbar.db", "towbar.db-wal", "towbar.db-shm"};
    for (size_t i = 0; i < 3; i++) {
        char path[128];
        (void)snprintf(path, sizeof(path), "%s/%s", site->folder, FILES[i]);
        (void)unlink(path);
    }
    site_open(site);
    site_has(site_page(site, "/"), "No items yet");
}

#define WITH_SITE(test) cmocka_unit_test_setup_teardown(test, site_make, site_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SITE(what_is_left_out_of_a_deep_stack_is_told_between_its_ends),
        WITH_SITE(the_empty_list_teaches),
        WITH_SITE(the_empty_list_names_the_address_that_was_bound),
        WITH_SITE(a_row_says_what_where_and_how_often),
        WITH_SITE(an_old_item_is_not_new),
        WITH_SITE(the_list_is_searched_and_sorted),
        WITH_SITE(more_items_than_a_page_holds_are_paged),
        WITH_SITE(an_item_is_told_in_order),
        WITH_SITE(a_recursion_of_two_is_shown_once_and_opens),
        WITH_SITE(an_item_says_why_it_is_one),
        WITH_SITE(occurrences_are_linked_by_age),
        WITH_SITE(a_message_needs_no_stack),
        WITH_SITE(what_stands_for_a_storm_says_how_many),
        WITH_SITE(the_head_of_a_page_tells_that_nothing_goes_out),
        WITH_SITE(an_item_without_a_host_has_no_empty_table),
        WITH_SITE(shares_are_of_what_is_kept_also_in_a_storm),
        WITH_SITE(causes_come_after_what_they_caused),
        WITH_SITE(a_body_that_is_no_json_is_said),
        WITH_SITE(a_body_of_half_a_megabyte_fits_a_page),
        WITH_SITE(the_json_twin_has_the_body_byte_for_byte),
        WITH_SITE(the_text_twin_reads_like_gdb),
        WITH_SITE(what_is_not_there_is_404_in_every_form),
        WITH_SITE(assets_are_kept_by_their_content),
        cmocka_unit_test_setup_teardown(without_a_database_the_page_says_so, site_make_bare,
                                        site_drop),
        WITH_SITE(a_database_that_was_replaced_is_opened_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
