/* test_top.c - towbar top without a terminal: what is counted, how it is ordered and drawn. */
#include "fake_agent.h"

#include <sqlite3.h>

#include "cli/top.h"

static struct tb_top top;

static void add_row(int64_t number, const char *service, const char *level, int64_t per_minute,
                    int64_t total, const char *title)
{
    struct tb_top_row *row = &top.rows[top.n++];
    memset(row, 0, sizeof(*row));
    row->number = number;
    row->n_items = 1;
    row->per_minute = row->buckets[TB_TOP_BUCKETS - 1] = per_minute;
    row->total = total;
    row->last_ms = 1000 * number;
    snprintf(row->level, sizeof(row->level), "%s", level);
    snprintf(row->service, sizeof(row->service), "%s", service);
    snprintf(row->title, sizeof(row->title), "%s", title);
}

static void fill(void)
{
    memset(&top, 0, sizeof(top));
    top.now_ms = 1790000000000;
    top.has_rows = 1;
    add_row(1, "feedd", "critical", 1, 900, "SIGSEGV in queue_push");
    add_row(2, "api", "error", 30, 100, "FeedUnavailable");
    add_row(3, "feedd", "warning", 5, 5, "slow");
}

static const char *draw(const struct tb_top_form *form)
{
    static struct tb_buf picture;
    tb_buf_done(&picture);
    tb_buf_init(&picture, 1 << 20);
    tb_top_draw(&top, form, &picture);
    assert_int_equal(picture.err, 0);
    return tb_buf_str(&picture);
}

static void each_sort_has_its_first_row(void **state)
{
    static const int64_t firsts[TB_TOP_N_SORTS] = {2, 1, 3, 1, 2};
    static struct tb_top_row rows[TB_TOP_ROWS];
    (void)state;
    fill();
    for (int i = 0; i < TB_TOP_N_SORTS; i++) {
        const struct tb_top_form form = {.sort = (enum tb_top_sort)i};
        assert_int_equal(tb_top_arrange(&top, &form, rows), 3);
        assert_int_equal(rows[0].number, firsts[i]);
    }
}

static void a_service_is_the_sum_of_its_items(void **state)
{
    static struct tb_top_row rows[TB_TOP_ROWS];
    const struct tb_top_form form = {.sort = TB_TOP_BY_TOTAL, .by_service = 1};
    (void)state;
    fill();
    assert_int_equal(tb_top_arrange(&top, &form, rows), 2);
    assert_string_equal(rows[0].service, "feedd");
    assert_int_equal(rows[0].total, 905);
    assert_int_equal(rows[0].per_minute, 6);
    assert_string_equal(rows[0].level, "critical");
    assert_string_equal(rows[0].title, "2 items");
}

static void every_line_fits_the_terminal(void **state)
{
    (void)state;
    fill();
    snprintf(top.rows[0].title, sizeof(top.rows[0].title), "%0250d", 1);
    for (int columns = 80; columns < 200; columns += 7) {
        const struct tb_top_form form = {.columns = columns, .lines = 24, .is_live = 1};
        const char *text = draw(&form);
        int n = 0;
        for (; *text != '\0'; n++) {
            size_t len = strcspn(text, "\n");
            assert_in_range(len, 0, (size_t)columns);
            text += len + 1;
        }
        assert_in_range(n, 4, 24);
    }
}

static void no_more_lines_than_the_terminal_has(void **state)
{
    (void)state;
    memset(&top, 0, sizeof(top));
    top.has_rows = 1;
    for (int i = 1; i <= 100; i++)
        add_row(i, "s", "error", i, i, "t");
    for (int lines = 5; lines < 40; lines += 5) {
        const struct tb_top_form form = {.columns = 80, .lines = lines, .is_live = 1};
        int n = 0;
        for (const char *text = draw(&form); *text != '\0'; text++)
            n += *text == '\n';
        assert_int_equal(n, lines);
    }
}

static void the_state_of_the_delivery_is_said(void **state)
{
    static const struct {
        const char *json, *said;
    } cases[] = {
        {"{\"delivery\":{\"has_token\":false}}", "no Rollbar token: kept here"},
        {"{\"delivery\":{\"has_token\":true}}", "delivery well"},
        {"{\"trouble\":\"the disk \\u001b[31mis full\"}", "the disk ?[31mis full"},
        {"{\"delivery\":{\"has_token\":true,\"parked_tokens\":1,\"last_error\":\"HTTP 401\"}}",
         "Rollbar refuses a token: HTTP 401"},
        {"{\"delivery\":{\"retry_at_ms\":1790000012000,\"last_error\":\"HTTP 502\"}}",
         "Rollbar does not take it, next try in 12 s: HTTP 502"},
        {"{\"delivery\":{\"paused_until_ms\":1790000030000}}", "Rollbar says slower, for 30 s"},
        {"{}", "delivery well"}};
    (void)state;
    fill();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cJSON *json = cJSON_Parse(cases[i].json);
        assert_non_null(json);
        tb_top_take_agent(&top, json);
        cJSON_Delete(json);
        assert_string_equal(top.agent.state, cases[i].said);
    }
    const struct tb_top_form form = {.sort = TB_TOP_BY_RATE};
    tb_top_take_agent(&top, NULL);
    run_has(draw(&form), "towbard is not running");
}

static void the_agents_rate_is_what_came_between_two_looks(void **state)
{
    cJSON *first = cJSON_Parse("{\"counts\":{\"occurrences\":100,\"queued\":7}}");
    cJSON *second = cJSON_Parse("{\"counts\":{\"occurrences\":130,\"queued\":7}}");
    (void)state;
    fill();
    tb_top_take_agent(&top, first);
    assert_true(top.agent.received_per_s < 0);
    top.now_ms += 2000;
    tb_top_take_agent(&top, second);
    assert_true(top.agent.received_per_s > 14.9 && top.agent.received_per_s < 15.1);
    const struct tb_top_form form = {.sort = TB_TOP_BY_RATE};
    run_has(draw(&form), "in 130 (15.0/s), queued 7");
    cJSON_Delete(first);
    cJSON_Delete(second);
}

/* A storm is counted in the total alone: what a total grew by came in since. */
static void growth_of_totals_is_what_came_in(void **state)
{
    struct run *run = *state;
    char path[128];
    struct tb_config config = {.state_dir = run->state, .socket = run->socket};
    sqlite3 *db = NULL;
    run_fill(run);
    memset(&top, 0, sizeof(top));
    tb_top_look(&top, &config, 1790000002500); /* half a second after they came in */
    assert_true(top.has_rows);
    assert_int_equal(top.n, 2);
    assert_int_equal(top.rows[0].per_minute + top.rows[1].per_minute, 3);
    snprintf(path, sizeof(path), "%s/towbar.db", run->state);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "UPDATE items SET total = total + 500 WHERE number = 1", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    tb_top_look(&top, &config, 1790000012500);
    for (size_t i = 0; i < top.n; i++)
        if (top.rows[i].number == 1) {
            assert_int_equal(top.rows[i].per_minute, 501);
            assert_int_equal(top.rows[i].buckets[TB_TOP_BUCKETS - 1], 500);
        }
    /* A minute later all of it is gone. */
    tb_top_look(&top, &config, 1790000082500);
    assert_int_equal(top.rows[0].per_minute + top.rows[1].per_minute, 0);
}

static void a_pipe_gets_one_picture_or_one_object_a_time(void **state)
{
    struct run *run = *state;
    run_fill(run);
    assert_int_equal(run_here(run, "top"), 0);
    run_has(run->out, "SIGSEGV in queue_push");
    run_has(run->out, "towbard is not running");
    run_has(run->out, "ENOENT: ?[31mred");
    run_has_not(run->out, "\x1b");
    run_has_not(run->out, "q quit");
    assert_int_equal(run_here(run, "top", "--json", "--count", "2", "--interval", "1"), 0);
    char *end = strchr(run->out, '\n');
    assert_non_null(end);
    *end = '\0';
    cJSON *first = cJSON_Parse(run->out);
    cJSON *second = cJSON_Parse(end + 1);
    assert_non_null(first);
    assert_non_null(second);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(first, "rows")), 2);
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(first, "agent")), "down");
    cJSON_Delete(first);
    cJSON_Delete(second);
}

static void wrong_orders_are_guessed(void **state)
{
    struct run *run = *state;
    assert_int_equal(run_here(run, "top", "--sort", "totl"), 2);
    run_has(run->err, "did you mean 'total'?");
    assert_int_equal(run_here(run, "top", "--interval", "0"), 2);
    assert_int_equal(run_here(run, "top", "--interval", "90000"), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, run_setup, run_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_sort_has_its_first_row),
        TEST(a_service_is_the_sum_of_its_items),
        TEST(every_line_fits_the_terminal),
        TEST(no_more_lines_than_the_terminal_has),
        TEST(the_state_of_the_delivery_is_said),
        TEST(the_agents_rate_is_what_came_between_two_looks),
        TEST(growth_of_totals_is_what_came_in),
        TEST(a_pipe_gets_one_picture_or_one_object_a_time),
        TEST(wrong_orders_are_guessed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
