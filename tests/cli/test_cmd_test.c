/* test_cmd_test.c - towbar test: one item through spool, agent and database. */
#include "fake_agent.h"

#include <cjson/cJSON.h>
#include <dirent.h>

static const char reply[] = "{\"program\":\"towbard\"}";

static void without_an_agent_nothing_is_sent(void **state)
{
    struct run *run = *state;
    assert_int_equal(run_here(run, "test"), 1);
    run_has(run->err, "no agent answers at");
    run_has(run->err, "start it: towbard");
    assert_string_equal(run->out, "");
    assert_int_equal(access(run->spool, F_OK), -1);
}

static void an_unknown_level_is_wrong_use(void **state)
{
    struct run *run = *state;
    assert_int_equal(run_here(run, "test", "--level", "loud"), 2);
    run_has(run->err, "'loud'");
    run_has(run->err, "critical");
}

static void the_item_arrives_and_is_named(void **state)
{
    struct run *run = *state;
    pid_t agent = fake_start(run, reply, 1);
    int code = run_here(run, "test", "--level", "warning");
    fake_end(agent);
    if (code != 0)
        fail_msg("%s", run->err);
    run_has(run->out, "Stored as item 1 after");
    run_has(run->out, "Look at it: towbar item 1 --config ");
}

static void the_item_is_a_whole_rollbar_item(void **state)
{
    struct run *run = *state;
    pid_t agent = fake_start(run, reply, 1);
    int code = run_here(run, "test", "--json");
    fake_end(agent);
    assert_int_equal(code, 0);
    cJSON *said = cJSON_Parse(run->out);
    const cJSON *uuid = cJSON_GetObjectItemCaseSensitive(said, "uuid");
    assert_true(cJSON_IsString(uuid));
    assert_true(cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(said, "number")));
    /* The fake agent looks at the spool every 10 ms, the tool at the database every 50. */
    assert_true(cJSON_GetObjectItemCaseSensitive(said, "ms")->valueint >= 1);
    assert_int_equal(run_here(run, "occurrences", "--json"), 0);
    cJSON *item = cJSON_Parse(run->out);
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(item, "data");
    const char *const texts[] = {"environment", "level", "platform", "language", "title"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_true(cJSON_IsString(cJSON_GetObjectItemCaseSensitive(data, texts[i])));
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(data, "environment")),
                        "test");
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(data, "uuid")),
                        uuid->valuestring);
    cJSON_Delete(item);
    cJSON_Delete(said);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, run_setup, run_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_an_agent_nothing_is_sent),
        TEST(an_unknown_level_is_wrong_use),
        TEST(the_item_arrives_and_is_named),
        TEST(the_item_is_a_whole_rollbar_item),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
