/* Lines of logs: which begin a message, its level, its time, and the item it becomes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <time.h>

#include "agent/files/log_item.h"
#include "agent/files/log_rule.h"
#include "agent/files/log_time.h"
#include "item/doc.h"
#include "item/read.h"

static struct tb_log_rule *make(const char *pattern)
{
    char why[TB_LOG_WHY];
    struct tb_log_rule *rule = NULL;
    assert_int_equal(tb_log_rule_new(pattern, &rule, why), 0);
    return rule;
}

static struct tb_log_match match(struct tb_log_rule *rule, const char *line)
{
    struct tb_log_match out;
    tb_log_rule_match(rule, line, strlen(line), &out);
    return out;
}

static void times_are_read_as_they_are_written(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"2026-01-31T12:00:00Z", 1769860800000},
        {"2026-01-31T12:00:00.5Z", 1769860800500},
        {"2026-01-31T12:00:00.123456789Z", 1769860800123},
        {"2026-01-31T12:00:00+01:00", 1769857200000},
        {"2026-01-31 12:00:00 -0130", 1769866200000},
        {"2026-01-31 12:00:00,007 +00", 1769860800007},
        {"1969-12-31T23:59:59Z", -1},
        {"2026-13-31T12:00:00Z", -1},
        {"2026-01-31T24:00:00Z", -1},
        {"2026-01-31T12:00:00X", -1},
        {"2026-01-31T12:00:00.Z", -1},
        {"2026-01-31", -1},
        {"Jan 31 12:00:00 2026 x", -1},
        {"", -1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (tb_log_time(cases[i].text, strlen(cases[i].text)) != cases[i].ms)
            fail_msg("%s", cases[i].text);
    assert_int_equal(setenv("TZ", "Etc/GMT-2", 1), 0);
    tzset();
    assert_int_equal(tb_log_time("2026-01-31 12:00:00,250", 23), 1769853600250);
}

static void levels_are_known_by_all_their_names(void **state)
{
    (void)state;
    assert_int_equal(tb_log_severity("WaRn", 4), TB_SEVERITY_WARNING);
    assert_int_equal(tb_log_severity("ERR", 3), TB_SEVERITY_ERROR);
    assert_int_equal(tb_log_severity("Fatal", 5), TB_SEVERITY_CRITICAL);
    assert_int_equal(tb_log_severity("notice", 6), TB_SEVERITY_INFO);
    assert_int_equal(tb_log_severity("trace", 5), TB_SEVERITY_DEBUG);
    assert_int_equal(tb_log_severity("errors", 6), -1);
    assert_int_equal(tb_log_severity("", 0), -1);
}

static void the_groups_say_level_message_and_time(void **state)
{
    struct tb_log_rule *rule = make("^(?<time>\\S+)(?: (?<level>[A-Z]+))?: (?<message>.*)$");
    (void)state;
    struct tb_log_match m = match(rule, "2026-01-31T12:00:00Z ERROR: it broke\r");
    assert_true(m.begins);
    assert_int_equal(m.level, TB_SEVERITY_ERROR);
    assert_int_equal(m.message_len, strlen("it broke"));
    assert_memory_equal(m.message, "it broke", m.message_len);
    assert_int_equal(m.time_ms, 1769860800000);
    m = match(rule, "x AUDIT: y");
    assert_int_equal(m.level, TB_SEVERITY_WARNING); /* a name that nobody knows */
    assert_int_equal(m.time_ms, -1);
    m = match(rule, "x: y");
    assert_int_equal(m.level, TB_SEVERITY_INFO);
    assert_false(match(rule, "  at x").begins);
    tb_log_rule_free(rule);
    rule = make("^E");
    m = match(rule, "Ex");
    assert_int_equal(m.level, TB_SEVERITY_ERROR); /* the pattern chooses errors */
    assert_int_equal(m.message_len, 2);
    tb_log_rule_free(rule);
}

static void the_built_in_pattern_takes_the_first_level_in_upper_case(void **state)
{
    static const struct {
        const char *line;
        int level; /* -1: begins nothing */
    } cases[] = {
        {"2026-01-31 12:00:00,123 app WARNING disk", TB_SEVERITY_WARNING},
        {"2026-01-31T12:00:00.5Z ERROR DEBUG", TB_SEVERITY_ERROR},
        {"[2026-01-31 12:00:00 +0000] [7] [CRITICAL] W", TB_SEVERITY_CRITICAL},
        {"2026-01-31 12:00:00 GET /error", TB_SEVERITY_INFO},
        {"2026-01-31 12:00:00 TERRORS", TB_SEVERITY_INFO},
        {"  File \"a.py\"", -1},
        {"ERROR without a time", -1},
    };
    struct tb_log_rule *rule = make("");
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tb_log_match m = match(rule, cases[i].line);
        if ((m.begins ? (int)m.level : -1) != cases[i].level)
            fail_msg("%s", cases[i].line);
    }
    tb_log_rule_free(rule);
}

static void a_pattern_that_is_none_is_told_with_its_place(void **state)
{
    char why[TB_LOG_WHY];
    char big[8192];
    struct tb_log_rule *rule = NULL;
    (void)state;
    assert_int_equal(tb_log_rule_new("a(b", &rule, why), -EINVAL);
    assert_non_null(strstr(why, "at byte 3"));
    assert_non_null(strstr(why, "PCRE2"));
    memset(big, 'a', sizeof(big));
    big[sizeof(big) - 1] = '\0';
    assert_int_equal(tb_log_rule_new(big, &rule, why), -EINVAL);
}

static void a_pattern_that_explodes_gives_up(void **state)
{
    char line[4096];
    struct tb_log_rule *rule = make("^(a+)+$");
    struct tb_log_match m;
    (void)state;
    memset(line, 'a', sizeof(line));
    line[sizeof(line) - 1] = '!';
    tb_log_rule_match(rule, line, sizeof(line), &m);
    assert_false(m.begins);
    assert_true(m.gave_up);
    tb_log_rule_free(rule);
}

static void a_message_becomes_an_item_that_rollbar_takes(void **state)
{
    static const struct tb_log_origin origin = {
        .host = "h", .path = "/a\"\xff.log", .service = "s", .environment = "e", .framework = "f"};
    struct tb_log_message message;
    struct tb_doc *doc = NULL;
    char problems[1][TB_ITEM_PROBLEM];
    char why[TB_DOC_WHY];
    char text[256];
    size_t len;
    struct tb_log_match m = {
        .level = TB_SEVERITY_ERROR, .message = "one \xff", .message_len = 5, .time_ms = -1};
    (void)state;
    tb_log_message_init(&message);
    tb_log_message_begin(&message, 7, &m);
    assert_true(tb_log_message_add(&message, "  two\r", 6));
    char *json = tb_log_item(&message, &origin, 1769860800999, &len);
    assert_int_equal(tb_doc_new(json, len, &doc, why), 0);
    assert_int_equal(tb_item_problems(doc, tb_doc_member(doc, 0, "data"), problems, 1), 0);
    assert_true(
        tb_doc_copy(doc, tb_doc_find(doc, 0, "data.body.message.body"), text, sizeof(text)));
    assert_string_equal(text, "one \xef\xbf\xbd\n  two");
    assert_true(tb_doc_copy(doc, tb_doc_find(doc, 0, "data.title"), text, sizeof(text)));
    assert_string_equal(text, "one \xef\xbf\xbd");
    assert_int_equal(tb_doc_int(doc, tb_doc_find(doc, 0, "data.timestamp"), 0), 1769860800);
    tb_doc_free(doc);
    free(json);
    tb_log_message_done(&message);
}

static void a_message_has_so_many_lines_and_bytes(void **state)
{
    struct tb_log_message message;
    char big[TB_LOG_MESSAGE_BYTES];
    struct tb_log_match m = {.message = "x", .message_len = 1};
    int n = 1;
    (void)state;
    tb_log_message_init(&message);
    tb_log_message_begin(&message, 0, &m);
    while (tb_log_message_add(&message, "y", 1))
        n++;
    assert_int_equal(n, TB_LOG_MESSAGE_LINES);
    tb_log_message_begin(&message, 0, &m);
    memset(big, 'z', sizeof(big));
    assert_false(tb_log_message_add(&message, big, sizeof(big)));
    assert_true(tb_log_message_add(&message, big, sizeof(big) - 10));
    assert_false(tb_log_message_add(&message, big, 10));
    m = (struct tb_log_match){.message = big, .message_len = sizeof(big)};
    tb_log_message_begin(&message, 0, &m);
    assert_int_equal(message.text.err, 0);
    assert_int_equal(message.title_len, TB_LOG_TITLE_BYTES);
    tb_log_message_done(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read_as_they_are_written),
        cmocka_unit_test(levels_are_known_by_all_their_names),
        cmocka_unit_test(the_groups_say_level_message_and_time),
        cmocka_unit_test(the_built_in_pattern_takes_the_first_level_in_upper_case),
        cmocka_unit_test(a_pattern_that_is_none_is_told_with_its_place),
        cmocka_unit_test(a_pattern_that_explodes_gives_up),
        cmocka_unit_test(a_message_becomes_an_item_that_rollbar_takes),
        cmocka_unit_test(a_message_has_so_many_lines_and_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
