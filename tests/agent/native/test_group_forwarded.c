/* Items of other SDKs group as Rollbar documents it; a release, a date or a number forks none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "agent/native/group_forwarded.h"

enum { ITEM_BYTES = 8192 };

static void file_names_lose_what_a_release_changes(void **state)
{
    static const struct {
        const char *name, *root, *plain;
    } cases[] = {{"/srv/app/views.py", "/srv/app", "ROOT/views.py"},
                 {"/srv/app/views.py", "/srv/app/", "ROOT/views.py"},
                 {"/srv/application/views.py", "/srv/app", "/srv/application/views.py"},
                 {"/srv/releases/20240501/app.py", "", "/srv/releases//app.py"},
                 {"/srv/releases/20240501120000/app.py", "", "/srv/releases//app.py"},
                 {"/srv/releases/2024-05-01T120000/app.py", "", "/srv/releases//app.py"},
                 {"/srv/releases/202405/app.py", "", "/srv/releases/202405/app.py"},
                 {"/srv/1f2e3d4c5b6a/app.py", "", "/srv//app.py"},
                 {"/static/app.1f2e3d4.js", "", "/static/app..js"},
                 {"/srv/feedback/decade.py", "", "/srv/feedback/decade.py"},
                 {"/srv/r1/venv/lib/python3.11/site-packages/flask/app.py", "/srv/r1",
                  "site-packages/flask/app.py"},
                 {"/usr/lib/python3/dist-packages/flask/app.py", "", "dist-packages/flask/app.py"},
                 {"/a/node_modules/.pnpm/express@4.18.2/node_modules/express/index.js", "",
                  "node_modules/express/index.js"},
                 {"", "", ""}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tb_buf out;
        tb_buf_init(&out, ITEM_BYTES);
        tb_group_plain_file(cases[i].name, cases[i].root, &out);
        assert_string_equal(tb_buf_str(&out), cases[i].plain);
        tb_buf_done(&out);
    }
}

static void methods_lose_long_numbers(void **state)
{
    static const char *const cases[][2] = {
        {"run_1", "run_1"}, {"run_12", "run_"}, {"a123b4", "ab4"}, {"", ""}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tb_buf out;
        tb_buf_init(&out, ITEM_BYTES);
        tb_group_plain_method(cases[i][0], &out);
        assert_string_equal(tb_buf_str(&out), cases[i][1]);
        tb_buf_done(&out);
    }
}

static void messages_lose_times_and_numbers(void **state)
{
    static const char *const cases[][2] = {{"user 4711 gone", "user  gone"},
                                           {"user 7 gone", "user 7 gone"},
                                           {"at 2024-05-01T12:30:05.123Z it", "at  it"},
                                           {"at 2024-05-01 12:30:05+02:00 it", "at  it"},
                                           {"at 2024-05-01 it", "at  it"},
                                           {"at 12:30 it", "at  it"},
                                           {"took 1.5 s", "took  s"},
                                           {"at 0x7ffd12ab here", "at  here"},
                                           {"id 1f2e3d here", "id  here"},
                                           {"a deadbeef of words", "a deadbeef of words"},
                                           {"feed12ab", ""},
                                           {"xfeed1234", "xfeed"},
                                           {"12:3", ":3"},
                                           {"", ""}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tb_buf out;
        tb_buf_init(&out, ITEM_BYTES);
        tb_group_plain_message(cases[i][0], &out);
        assert_string_equal(tb_buf_str(&out), cases[i][1]);
        tb_buf_done(&out);
    }
}

static enum tb_group_by text_of(const char *json, char *text, size_t cap)
{
    struct tb_doc *doc = NULL;
    struct tb_buf out;
    char why[TB_DOC_WHY];
    assert_int_equal(tb_doc_new(json, strlen(json), &doc, why), 0);
    tb_buf_init(&out, ITEM_BYTES);
    enum tb_group_by by = tb_group_forwarded_text(doc, &out);
    snprintf(text, cap, "%s", tb_buf_str(&out));
    tb_buf_done(&out);
    tb_doc_free(doc);
    return by;
}

static void all_exceptions_of_a_chain_count(void **state)
{
    char text[ITEM_BYTES];
    (void)state;
    assert_int_equal(
        text_of("{\"server\":{\"root\":\"/srv/r7\"},\"body\":{\"trace_chain\":[{\"frames\":[{"
                "\"filename\":\"/srv/r7/a.py\",\"method\":\"f\",\"lineno\":3}],\"exception\":{"
                "\"class\":\"KeyError\",\"message\":\"'x'\"}},{\"frames\":[{\"filename\":\"b.py\","
                "\"method\":\"g22\"}],\"exception\":{\"class\":\"ValueError\"}}]}}",
                text, sizeof(text)),
        TB_GROUP_BY_CHAIN);
    assert_string_equal(text, "ROOT/a.pyfKeyErrorb.pygValueError");
}

static void a_message_and_a_crash_report_count_by_their_text(void **state)
{
    char text[ITEM_BYTES];
    (void)state;
    assert_int_equal(
        text_of("{\"body\":{\"message\":{\"body\":\"no room for 4711\"}}}", text, sizeof(text)),
        TB_GROUP_BY_MESSAGE);
    assert_string_equal(text, "no room for ");
    assert_int_equal(
        text_of("{\"body\":{\"crash_report\":{\"raw\":\"at 0xdeadbeef\"}}}", text, sizeof(text)),
        TB_GROUP_BY_MESSAGE);
    assert_string_equal(text, "at ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_names_lose_what_a_release_changes),
        cmocka_unit_test(methods_lose_long_numbers),
        cmocka_unit_test(messages_lose_times_and_numbers),
        cmocka_unit_test(all_exceptions_of_a_chain_count),
        cmocka_unit_test(a_message_and_a_crash_report_count_by_their_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
