#include "item/write.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cJSON.h>
#include <cmocka.h>

#include "base/fd.h"
#include "item/doc.h"
#include "item/read.h"
#include "towbar/towbar.h"

enum { ROOM = 64 << 10 };

static const uint8_t uuid[16] = {0xde, 0xad, 0xbe, 0xef, 0x40, 0x00, 0x40, 0x00,
                                 0x80, 0x00, 1,    2,    3,    4,    5,    6};
static const uint64_t addresses[] = {0x401005, 0x401105, 0x7fffffffffff};
static const struct tb_trace_context trace = {.trace = {.trace_id = {0x57, 0x59},
                                                        .span_id = {0x53},
                                                        .flags = 1,
                                                        .xray_trace_id = {0x12, 0x34},
                                                        .xray_parent_id = {0x56},
                                                        .xray_sampled = TB_XRAY_YES,
                                                        .inherited = 1},
                                              .source = TB_TRACE_FROM_TRACEPARENT,
                                              .state = "congo=t61rcWkgMzE",
                                              .lineage = {"a87bd80c:1|68fd508a:5", 21},
                                              .other = {{"b3 of \"another\"", 15}},
                                              .n_others = 1};
static const struct tb_item_note notes[] = {
    {.wall_ns = 1699999999000000000, .level = TOWBAR_INFO, .text = "connected"},
    {.wall_ns = 1699999999500000000, .level = TOWBAR_WARNING, .text = "slow \"peer\"\n"},
};

static struct tb_item_facts sample(void)
{
    return (struct tb_item_facts){.uuid = uuid,
                                  .wall_ns = 1700000000123456789,
                                  .level = TOWBAR_ERROR,
                                  .class_ = "ENOENT",
                                  .message = "cannot open feed.db: No such file",
                                  .format = "cannot open %s",
                                  .file = "src/feed.c",
                                  .function = "open_feed",
                                  .line = 42,
                                  .error_number = ENOENT,
                                  .error_name = "ENOENT",
                                  .trace = &trace,
                                  .trace_started_ns = 1700000000000012999,
                                  .addresses = addresses,
                                  .n_addresses = 3,
                                  .scope = "user\0alice\0job\0"
                                           "17\0user\0bob",
                                  .scope_len = sizeof("user\0alice\0job\0"
                                                      "17\0user\0bob"),
                                  .notes = notes,
                                  .n_notes = 2,
                                  .generation = 0xffffffffffffffff,
                                  .pid = 4711,
                                  .tid = 4712,
                                  .thread = "worker-1",
                                  .n_suppressed = 3};
}

/* The item, which must be JSON that cJSON and our own index both take. */
static struct tb_doc *parse(const char *text, size_t len)
{
    struct tb_doc *doc = NULL;
    char why[TB_DOC_WHY];
    cJSON *json = cJSON_ParseWithLength(text, len);
    assert_non_null(json);
    cJSON_Delete(json);
    if (tb_doc_new(text, len, &doc, why) < 0)
        fail_msg("%s", why);
    return doc;
}

static void the_item_is_that_of_the_golden_file(void **state)
{
    (void)state;
    static char text[ROOM];
    size_t len = 0;
    struct tb_item_facts facts = sample();
    struct tb_buf golden;
    struct tb_buf want;
    tb_buf_init(&golden, ROOM);
    tb_buf_init(&want, ROOM);
    assert_int_equal(tb_fd_slurp(-1, TEST_DATA "/item/native.json", &golden), 0);
    char *version = strstr(golden.data, "@VERSION@");
    assert_non_null(version);
    tb_buf_add(&want, golden.data, (size_t)(version - golden.data));
    tb_buf_adds(&want, TOWBAR_VERSION);
    tb_buf_adds(&want, version + strlen("@VERSION@"));
    assert_int_equal(tb_item_write(&facts, text, sizeof(text), &len), 0);
    assert_int_equal(strlen(text), len);
    assert_int_equal(len + 1, want.len); /* the file ends with a line feed */
    assert_memory_equal(text, want.data, len);
    tb_buf_done(&want);
    tb_buf_done(&golden);
}

static void an_item_of_bare_facts_leaves_out_what_is_not_known(void **state)
{
    (void)state;
    static char text[ROOM];
    size_t len = 0;
    struct tb_item_facts facts = {.uuid = uuid, .level = TOWBAR_INFO};
    assert_int_equal(tb_item_write(&facts, text, sizeof(text), &len), 0);
    struct tb_doc *doc = parse(text, len);
    static const char *const absent[] = {"data.attributes",           "data.custom.trace_id",
                                         "data.custom.scope",         "data.body.telemetry",
                                         "data.custom.native.site",   "data.custom.native.errno",
                                         "data.custom.native.format", "data.custom.native.thread"};
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
        assert_int_equal(tb_doc_find(doc, 0, absent[i]), -1);
    assert_true(tb_doc_find(doc, 0, "data.body.trace.exception.message") > 0);
    assert_null(strstr(text, "null"));
    assert_non_null(strstr(text, "\"occurred_at\":\"1970-01-01T00:00:00.000000000Z\""));
    tb_doc_free(doc);
}

static void rollbar_would_take_it_once_the_agent_has_completed_it(void **state)
{
    (void)state;
    static char text[ROOM];
    size_t len = 0;
    struct tb_item_facts facts = sample();
    char problems[8][TB_ITEM_PROBLEM];
    assert_int_equal(tb_item_write(&facts, text, sizeof(text), &len), 0);
    struct tb_doc *doc = parse(text, len);
    /* The environment and the file names of three frames. */
    assert_int_equal(tb_item_problems(doc, tb_item_data(doc), problems, 8), 4);
    assert_string_equal(problems[0], "data.environment is missing and it is required.");
    assert_string_equal(problems[3],
                        "data.body.trace.frames.2.filename is missing and it is required.");
    tb_doc_free(doc);
}

static void every_size_of_memory_gives_json(void **state)
{
    (void)state;
    static char whole[ROOM];
    size_t whole_len = 0;
    struct tb_item_facts facts = sample();
    assert_int_equal(tb_item_write(&facts, whole, sizeof(whole), &whole_len), 0);
    for (size_t cap = 1; cap <= 2 * whole_len; cap++) {
        char *text = malloc(cap);
        size_t len = SIZE_MAX;
        assert_non_null(text);
        int err = tb_item_write(&facts, text, cap, &len);
        assert_true(len < cap);
        assert_int_equal(text[len], '\0');
        if (cap <= whole_len)
            assert_int_equal(err, -ENOSPC);
        if (err == 0)
            assert_string_equal(text, whole);
        if (len > 0)
            tb_doc_free(parse(text, len));
        free(text);
    }
}

/* Everything as long as a host may make it. */
static struct tb_item_facts endless(char *text, size_t len, struct tb_item_note *many, size_t n)
{
    static uint64_t frames[600];
    struct tb_item_facts facts = sample();
    memset(text, '\x01', len - 1);
    text[len - 1] = '\0';
    for (size_t i = 0; i < n; i++)
        many[i] = (struct tb_item_note){.wall_ns = i, .text = text};
    for (size_t i = 0; i < 600; i++)
        frames[i] = UINT64_MAX - i;
    facts.class_ = facts.message = facts.format = facts.file = facts.function = facts.thread =
        facts.error_name = text;
    facts.addresses = frames;
    facts.n_addresses = 600;
    facts.notes = many;
    facts.n_notes = n;
    return facts;
}

static void the_least_memory_keeps_an_item_worth_sending(void **state)
{
    (void)state;
    static char long_text[20000];
    static struct tb_item_note many[8];
    static char text[TB_ITEM_WRITE_LEAST];
    size_t len = 0;
    struct tb_item_facts facts = endless(long_text, sizeof(long_text), many, 8);
    struct tb_item item;
    assert_int_equal(tb_item_write(&facts, text, sizeof(text), &len), -ENOSPC);
    struct tb_doc *doc = parse(text, len);
    tb_item_read(doc, tb_item_data(doc), &item);
    assert_int_equal(item.body, TB_BODY_TRACE);
    assert_string_equal(item.trace_id, "57590000000000000000000000000000");
    assert_true(item.message[0] != '\0');
    assert_true(tb_doc_at(doc, item.frames_node)->n_members > 0);
    tb_doc_free(doc);
}

static void short_memory_keeps_the_innermost_frames_and_the_newest_notes(void **state)
{
    (void)state;
    static struct tb_item_note many[100];
    static uint64_t frames[600];
    static char text[16 << 10];
    char note[32];
    size_t len = 0;
    struct tb_item_facts facts = sample();
    for (size_t i = 0; i < 100; i++)
        many[i] = (struct tb_item_note){.wall_ns = i * 1000000, .text = "a note"};
    for (size_t i = 0; i < 600; i++)
        frames[i] = 0x1000 + i;
    facts.addresses = frames;
    facts.n_addresses = 200;
    facts.notes = many;
    facts.n_notes = 100;
    assert_int_equal(tb_item_write(&facts, text, sizeof(text), &len), -ENOSPC);
    assert_non_null(strstr(text, "{\"address\":\"0x1000\"}]},\"telemetry\""));
    assert_non_null(strstr(text, "\"timestamp_ms\":99,"));
    assert_null(strstr(text, "\"timestamp_ms\":0,"));
    facts.n_addresses = 600;
    assert_int_equal(tb_item_write(&facts, text, sizeof(text), &len), -ENOSPC);
    assert_non_null(strstr(text, "{\"address\":\"0x1000\"}]"));
    (void)snprintf(note, sizeof(note), "\"0x%x\"", 0x1000 + 599);
    assert_null(strstr(text, note));
}

static void bytes_that_are_no_text_become_text(void **state)
{
    (void)state;
    static char text[ROOM];
    size_t len = 0;
    struct tb_item_facts facts = sample();
    facts.message = "caf\xc3\xa9 \xff\xfe \xed\xa0\x80 \x7f\t";
    facts.scope = "no end";
    facts.scope_len = 6;
    assert_int_equal(tb_item_write(&facts, text, sizeof(text), &len), 0);
    tb_doc_free(parse(text, len));
    assert_non_null(strstr(text, "caf\xc3\xa9 \xef\xbf\xbd\xef\xbf\xbd "));
    assert_null(strstr(text, "scope"));
}

static void a_long_message_is_cut_between_characters(void **state)
{
    (void)state;
    static char message[TB_ITEM_WRITE_LEAST * 2];
    static char text[TB_ITEM_WRITE_LEAST];
    size_t len = 0;
    for (size_t i = 0; i + 2 < sizeof(message); i += 2) {
        message[i] = '\xc3';
        message[i + 1] = '\xa9';
    }
    struct tb_item_facts facts = sample();
    facts.message = message;
    assert_int_equal(tb_item_write(&facts, text, sizeof(text), &len), -ENOSPC);
    assert_null(strstr(text, "\xef\xbf\xbd"));
    tb_doc_free(parse(text, len));
}

static void the_time_is_right_in_every_kind_of_year(void **state)
{
    (void)state;
    static const struct {
        uint64_t seconds;
        const char *text;
    } rows[] = {{951782399, "2000-02-28T23:59:59"},  {951782400, "2000-02-29T00:00:00"},
                {951868800, "2000-03-01T00:00:00"},  {1709164800, "2024-02-29T00:00:00"},
                {1735689599, "2024-12-31T23:59:59"}, {1735689600, "2025-01-01T00:00:00"},
                {4107542399, "2100-02-28T23:59:59"}, {4107542400, "2100-03-01T00:00:00"},
                {18446744073, "2554-07-21T23:34:33"}};
    static char text[ROOM];
    struct tb_item_facts facts = sample();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t len;
        facts.wall_ns = rows[i].seconds * 1000000000;
        assert_int_equal(tb_item_write(&facts, text, sizeof(text), &len), 0);
        if (!strstr(text, rows[i].text))
            fail_msg("%s is not in %s", rows[i].text, text);
    }
}

static void levels_have_rollbars_names(void **state)
{
    (void)state;
    assert_string_equal(tb_level_name(TOWBAR_DEBUG), "debug");
    assert_string_equal(tb_level_name(TOWBAR_CRITICAL), "critical");
    assert_string_equal(tb_level_name(-1), "error");
    assert_string_equal(tb_level_name(5), "error");
}

static void a_count_stays_exact_for_readers_of_doubles(void **state)
{
    (void)state;
    static char text[ROOM];
    size_t len;
    struct tb_item_facts facts = sample();
    facts.n_suppressed = UINT64_MAX;
    assert_int_equal(tb_item_write(&facts, text, sizeof(text), &len), 0);
    assert_non_null(strstr(text, "\"suppressed\":9007199254740991"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_item_is_that_of_the_golden_file),
        cmocka_unit_test(an_item_of_bare_facts_leaves_out_what_is_not_known),
        cmocka_unit_test(rollbar_would_take_it_once_the_agent_has_completed_it),
        cmocka_unit_test(every_size_of_memory_gives_json),
        cmocka_unit_test(the_least_memory_keeps_an_item_worth_sending),
        cmocka_unit_test(short_memory_keeps_the_innermost_frames_and_the_newest_notes),
        cmocka_unit_test(bytes_that_are_no_text_become_text),
        cmocka_unit_test(a_long_message_is_cut_between_characters),
        cmocka_unit_test(the_time_is_right_in_every_kind_of_year),
        cmocka_unit_test(levels_have_rollbars_names),
        cmocka_unit_test(a_count_stays_exact_for_readers_of_doubles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
