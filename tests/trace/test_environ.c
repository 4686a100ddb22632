/* trace_headers.json: every environment is read as it says, and IDs convert both ways. */
#include "trace/text.h"
#include "vectors.h"

enum { ENV = 32, ENV_BYTES = 1024 };

static void run_env(const cJSON *vector, int number)
{
    static char text[ENV][ENV_BYTES];
    char *env[ENV + 1] = {NULL};
    char id[32];
    int n = 0;
    struct tb_trace_propagators all;
    struct tb_trace_context got;
    const cJSON *variable;
    cJSON_ArrayForEach(variable, member(vector, "env"))
    {
        (void)snprintf(text[n], ENV_BYTES, "%s=%s", variable->string, variable->valuestring);
        env[n] = text[n];
        n++;
    }
    (void)snprintf(id, sizeof(id), "env case %d", number);
    tb_trace_propagators_default(&all);
    const cJSON *expect = member(vector, "expect");
    bool is_there = tb_trace_extract_env(env, &all, &got);
    if (is_there != cJSON_IsObject(expect))
        fail_msg("%s: found is %d", id, is_there);
    if (!is_there)
        return;
    same_bytes(id, expect, "trace_id", got.trace.trace_id, 16);
    same_bytes(id, expect, "span_id", got.trace.span_id, 8);
    same_bool(id, expect, "sampled", truth(got.sampled));
    assert_int_equal(got.trace.inherited, 1);
    assert_int_equal(got.source, TB_TRACE_FROM_ENVIRONMENT);
}

static void every_environment_is_read_as_it_says(void **state)
{
    (void)state;
    cJSON *root = read_vectors();
    int n = 0;
    const cJSON *vector;
    cJSON_ArrayForEach(vector, member(root, "env_cases"))
    {
        run_env(vector, n++);
    }
    assert_true(n > 0);
    cJSON_Delete(root);
}

static void ids_convert_both_ways_as_the_vectors_say(void **state)
{
    (void)state;
    cJSON *root = read_vectors();
    int n_run = 0;
    const cJSON *row;
    cJSON_ArrayForEach(row, member(root, "id_conversion"))
    {
        uint8_t id[16];
        uint8_t again[16];
        char text[TB_XRAY_ID_TEXT];
        char number[TB_DECIMAL_TEXT];
        const char *xray =
            text_of(row, "xray")[0] ? text_of(row, "xray") : text_of(row, "format_only");
        assert_int_equal(tb_trace_parse_id(text_of(row, "w3c_trace_id"), id), 0);
        tb_xray_id_text(id, text);
        assert_string_equal(text, xray);
        assert_int_equal(tb_trace_parse_id(text, again), 0);
        assert_memory_equal(id, again, sizeof(id));
        if (member(row, "datadog_trace_id")) {
            (void)tb_decimal_text(id + 8, number);
            assert_string_equal(number, text_of(row, "datadog_trace_id"));
            same_bytes("left half", row, "datadog_tid", id, 8);
        }
        if (member(row, "otlp_base64")) {
            const struct tb_slice base64 = {text_of(row, "otlp_base64"),
                                            strlen(text_of(row, "otlp_base64"))};
            assert_int_equal(tb_base64_parse(base64, again, sizeof(again)), sizeof(again));
            assert_memory_equal(id, again, sizeof(id));
        }
        const cJSON *epoch = member(row, "epoch");
        if (cJSON_IsNumber(epoch)) {
            int64_t seconds = (int64_t)epoch->valuedouble;
            assert_true(tb_xray_epoch_fits(id, seconds));
            assert_true(tb_xray_epoch_fits(id, seconds + 30 * 86400));
            assert_false(tb_xray_epoch_fits(id, seconds + 30 * 86400 + 1));
            assert_true(tb_xray_epoch_fits(id, seconds - 300));
            assert_false(tb_xray_epoch_fits(id, seconds - 301));
        }
        n_run++;
    }
    assert_true(n_run > 0);
    cJSON_Delete(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_environment_is_read_as_it_says),
        cmocka_unit_test(ids_convert_both_ways_as_the_vectors_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
