/* test_cmd_items.c - items, item N and occurrences, from an empty and from a filled state folder.
 */
#include "run.h"

#include <cjson/cJSON.h>

/* Line number n of a text as JSON; NULL when there is no such line. */
static cJSON *json_line(const char *text, int n)
{
    for (; n > 0; n--) {
        text = strchr(text, '\n');
        if (text == NULL)
            return NULL;
        text++;
    }
    size_t len = strcspn(text, "\n");
    if (len == 0)
        return NULL;
    cJSON *json = cJSON_ParseWithLength(text, len);
    if (!cJSON_IsObject(json))
        fail_msg("not one JSON object a line: %.*s", (int)len, text);
    return json;
}

static const char *text_of(const cJSON *json, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, key));
}

static int number_of(const cJSON *json, const char *key)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, key);
    assert_true(cJSON_IsNumber(value));
    return value->valueint;
}

static void an_empty_state_says_what_to_do(void **state)
{
    struct run *run = *state;
    assert_int_equal(run_here(run, "items"), 0);
    run_has(run->out, "No items yet");
    run_has(run->out, "towbar demo");
    run_has(run->out, "#include <towbar/towbar.h>");
    run_has(run->out, run->state);
    assert_string_equal(run->err, "");
    assert_int_equal(run_here(run, "occurrences"), 0);
    run_has(run->out, "No items yet");
    assert_int_equal(run_here(run, "item", "1"), 1);
}

static void an_empty_state_is_no_lines_of_json(void **state)
{
    struct run *run = *state;
    assert_int_equal(run_here(run, "items", "--json"), 0);
    assert_string_equal(run->out, "");
    assert_int_equal(run_here(run, "occurrences", "--json"), 0);
    assert_string_equal(run->out, "");
}

static void a_database_without_items_says_what_to_do(void **state)
{
    struct run *run = *state;
    char why[TB_STORE_WHY];
    struct tb_store *store = NULL;
    assert_int_equal(tb_store_open(run->state, TB_STORE_WRITE, &store, why), 0);
    tb_store_close(store);
    assert_int_equal(run_here(run, "items"), 0);
    run_has(run->out, "No items yet");
    assert_int_equal(run_here(run, "occurrences"), 0);
    run_has(run->out, "No occurrences yet");
}

static void items_are_listed_the_latest_first(void **state)
{
    struct run *run = *state;
    run_fill(run);
    assert_int_equal(run_here(run, "items"), 0);
    const char *crash = strstr(run->out, "SIGSEGV in queue_push");
    const char *error = strstr(run->out, "ENOENT");
    assert_non_null(crash);
    assert_non_null(error);
    assert_true(crash < error);
    run_has_not(run->out, "\x1b");
    assert_int_equal(run_here(run, "items", "--max", "1"), 0);
    run_has(run->out, "SIGSEGV");
    run_has_not(run->out, "ENOENT");
    run_has(run->out, "--max N shows more");
}

static void items_as_json_have_every_field(void **state)
{
    struct run *run = *state;
    run_fill(run);
    assert_int_equal(run_here(run, "items", "--json"), 0);
    cJSON *crash = json_line(run->out, 0);
    cJSON *error = json_line(run->out, 1);
    assert_non_null(crash);
    assert_non_null(error);
    assert_null(json_line(run->out, 2));
    assert_int_equal(number_of(crash, "number"), 1);
    assert_int_equal(number_of(crash, "total"), 1);
    assert_string_equal(text_of(crash, "title"), "SIGSEGV in queue_push");
    assert_string_equal(text_of(crash, "level"), "critical");
    assert_string_equal(text_of(crash, "environment"), "demo");
    assert_string_equal(text_of(crash, "service"), "feedd");
    assert_string_equal(text_of(crash, "status"), "active");
    assert_string_equal(text_of(crash, "fingerprint"), "f1f1");
    assert_int_equal(number_of(crash, "last"), 1790000001);
    assert_int_equal(number_of(error, "total"), 2);
    assert_int_equal(number_of(error, "first"), 1790000000);
    cJSON_Delete(crash);
    cJSON_Delete(error);
}

static void an_item_as_json_says_why_it_is_one_and_what_came_last(void **state)
{
    struct run *run = *state;
    run_fill(run);
    assert_int_equal(run_here(run, "item", "1", "--json"), 0);
    cJSON *item = json_line(run->out, 0);
    assert_non_null(item);
    assert_int_equal(number_of(item, "number"), 1);
    const cJSON *group = cJSON_GetObjectItem(item, "group");
    assert_string_equal(text_of(group, "by"), "functions");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(group, "functions")), 2);
    const cJSON *latest = cJSON_GetObjectItem(item, "latest");
    assert_string_equal(text_of(latest, "uuid"), CRASH_UUID);
    assert_string_equal(text_of(latest, "meaning"), "near-NULL read at 0x18");
    assert_int_equal(number_of(latest, "occurred_at"), 1790000001);
    cJSON_Delete(item);
}

static void add_titled(const struct run *run, const char *uuid, const char *fingerprint,
                       const char *title, const char *inputs)
{
    char why[TB_STORE_WHY] = "";
    struct tb_store *store = NULL;
    const struct tb_occurrence one = {.uuid = uuid,
                                      .fingerprint = fingerprint,
                                      .environment = "demo",
                                      .service = "feedd",
                                      .title = title,
                                      .level = "error",
                                      .framework = "",
                                      .trace_id = "",
                                      .xray_trace_id = "",
                                      .span_id = "",
                                      .group_inputs = inputs,
                                      .occurred_ns = 1790000001000000000,
                                      .received_ns = 1790000002000000000,
                                      .data = "{}",
                                      .data_len = 2};
    assert_int_equal(tb_store_open(run->state, TB_STORE_WRITE, &store, why), 0);
    assert_int_equal(tb_store_add(store, &one, NULL, 0), 0);
    tb_store_close(store);
}

static void titles_are_whole_in_a_pipe_and_equal_ones_have_a_caller(void **state)
{
    struct run *run = *state;
    char title[200];
    memset(title, 'x', sizeof(title) - 1);
    title[sizeof(title) - 1] = '\0';
    add_titled(run, CRASH_UUID, "a1", "SIGSEGV in pop", "{\"functions\":[\"pop\",\"users\"]}");
    add_titled(run, ERROR_UUID_1, "a2", "SIGSEGV in pop",
               "{\"functions\":[\"pop\",\"\\u001bposts\"]}");
    add_titled(run, ERROR_UUID_2, "a3", title, "{\"functions\":[\"pop\",\"other\"]}");
    assert_int_equal(run_here(run, "items"), 0);
    run_has(run->out, "SIGSEGV in pop < users ");
    run_has(run->out, "SIGSEGV in pop < ?posts ");
    run_has(run->out, title);
    run_has_not(run->out, "other");
    assert_int_equal(run_here(run, "occurrences"), 0);
    run_has(run->out, title);
}

static void an_item_shows_what_where_and_why(void **state)
{
    struct run *run = *state;
    static const char *const parts[] = {
        "critical  SIGSEGV in queue_push   item 1",
        "Seen        once, 2026-09-21 14:13:21 UTC",
        "service feedd, environment demo",
        "Grouped by  the same class SIGSEGV; in queue_push\n              fingerprint f1f1",
        "by: functions",
        "functions: queue_push < worker_loop",
        "SIGSEGV: near-NULL read at 0x18",
        "#0  queue_push        cruddur/queue.c:28   (here)",
        "       27      m->id = ++q->n_pushed;",
        "  >    28      m->next = q->tail->next;",
        "       29      q->tail->next = m;",
        "#1  worker_loop       cruddur/worker.c:71",
        "#2  start_thread      libc.so.6 +0x89044",
        (TRACE_ID "   in X-Ray's form " TRACE_XRAY),
        ("X-Ray's own: " OTHER_XRAY "   as 32 digits " OTHER_XRAY_ID),
        "user = andrew",
        "-500 ms  info     reading the feed",
        "towbar occurrences --json --item 1 --config /tmp/towbar-cli.",
    };
    run_fill(run);
    assert_int_equal(run_here(run, "item", "1"), 0);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        run_has(run->out, parts[i]);
}

static void hostile_text_cannot_steer_the_terminal(void **state)
{
    struct run *run = *state;
    run_fill(run);
    assert_int_equal(run_here(run, "item", "2"), 0);
    run_has(run->out, "cannot read ?]0;owned? file");
    run_has(run->out, "ENOENT: ?[31mred");
    run_has_not(run->out, "\x1b");
    run_has_not(run->out, "\a");
    assert_int_equal(run_here(run, "occurrences"), 0);
    run_has_not(run->out, "\x1b");
}

static void an_item_that_is_not_there_is_said(void **state)
{
    struct run *run = *state;
    run_fill(run);
    assert_int_equal(run_here(run, "item", "77"), 1);
    assert_string_equal(run->err, "towbar: there is no item 77; 'towbar items' lists them\n");
    assert_string_equal(run->out, "");
}

static void an_item_as_json_is_its_line(void **state)
{
    struct run *run = *state;
    run_fill(run);
    assert_int_equal(run_here(run, "item", "1", "--json"), 0);
    cJSON *item = json_line(run->out, 0);
    assert_int_equal(number_of(item, "number"), 1);
    assert_null(json_line(run->out, 1));
    cJSON_Delete(item);
}

static void occurrences_as_json_are_the_data_byte_for_byte(void **state)
{
    struct run *run = *state;
    run_fill(run);
    assert_int_equal(run_here(run, "occurrences", "--item", "1", "--json"), 0);
    size_t len = strlen(run_crash);
    assert_memory_equal(run->out, run_crash, len);
    assert_string_equal(run->out + len, "\n");
}

static void occurrences_with_newlines_are_one_line_each(void **state)
{
    struct run *run = *state;
    run_fill(run);
    assert_int_equal(run_here(run, "occurrences", "--json", "--item=2"), 0);
    for (int i = 0; i < 2; i++) {
        cJSON *data = json_line(run->out, i);
        assert_non_null(data);
        assert_string_equal(text_of(data, "level"), "error");
        assert_string_equal(text_of(data, "title"), "ENOENT: \x1b[31mred");
        cJSON_Delete(data);
    }
    assert_null(json_line(run->out, 2));
}

static void occurrences_of_a_trace_are_found_in_every_spelling(void **state)
{
    static const char *const spellings[] = {TRACE_ID, TRACE_XRAY,
                                            "4BF92F3577B34DA6A3CE929D0E0E4736"};
    struct run *run = *state;
    run_fill(run);
    for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
        assert_int_equal(run_here(run, "occurrences", "--trace", spellings[i]), 0);
        run_has(run->out, CRASH_UUID);
        run_has(run->out, ERROR_UUID_1);
        run_has_not(run->out, ERROR_UUID_2);
    }
    assert_int_equal(run_here(run, "occurrences", "--trace", OTHER_XRAY, "--json"), 0);
    run_has(run->out, CRASH_UUID);
    assert_null(json_line(run->out, 1));
    assert_int_equal(run_here(run, "occurrences", "--trace", "ffffffffffffffffffffffffffffffff"),
                     0);
    run_has(run->out, "No occurrences that match");
    assert_int_equal(run_here(run, "occurrences", "--trace", "12"), 2);
    run_has(run->err, "'12' is no trace id");
}

static void a_database_that_is_none_is_said(void **state)
{
    struct run *run = *state;
    char path[128];
    run_fill(run);
    snprintf(path, sizeof(path), "%s/towbar.db", run->state);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    for (int i = 0; i < 200; i++)
        fputs("this is no database, whatever it is called\n", file);
    fclose(file);
    assert_int_equal(run_here(run, "items"), 1);
    run_has(run->err, run->state);
    assert_string_equal(run->out, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, run_setup, run_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_state_says_what_to_do),
        TEST(an_empty_state_is_no_lines_of_json),
        TEST(a_database_without_items_says_what_to_do),
        TEST(items_are_listed_the_latest_first),
        TEST(items_as_json_have_every_field),
        TEST(an_item_as_json_says_why_it_is_one_and_what_came_last),
        TEST(titles_are_whole_in_a_pipe_and_equal_ones_have_a_caller),
        TEST(an_item_shows_what_where_and_why),
        TEST(hostile_text_cannot_steer_the_terminal),
        TEST(an_item_that_is_not_there_is_said),
        TEST(an_item_as_json_is_its_line),
        TEST(occurrences_as_json_are_the_data_byte_for_byte),
        TEST(occurrences_with_newlines_are_one_line_each),
        TEST(occurrences_of_a_trace_are_found_in_every_spelling),
        TEST(a_database_that_is_none_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
