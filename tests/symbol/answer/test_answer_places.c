/* test_answer_places.c - single addresses of a file as it is now. */
#include "../support.h"

#include <errno.h>

#include "symbol/answer/answer_places.h"
#include "symbol/places.h"

static struct tb_symbol_config config;
static struct tb_symbol_cache cache;
static struct subject subject;
static struct tb_module module;
static struct tb_process process;

/* The answer, which the caller deletes; NULL for an error. */
static cJSON *ask_places(const struct tb_symbol_asked *asked, size_t n, int *err)
{
    static char reply[REPLY_BYTES];
    static uint8_t body[65536];
    struct tb_json json;
    size_t len = 0;
    for (size_t i = 0; i < n; i++)
        len += tb_symbol_asked_pack(&asked[i], body + len, sizeof(body) - len);
    tb_json_init(&json, reply, sizeof(reply));
    *err = tb_symbol_answer_places(&cache, &config, &process, body, len, &json);
    if (*err)
        return NULL;
    assert_int_equal(tb_json_finish(&json), 0);
    cJSON *answer = cJSON_Parse(reply);
    assert_non_null(answer);
    return answer;
}

static const cJSON *frames_of(const cJSON *answer, int i)
{
    return cJSON_GetObjectItem(cJSON_GetArrayItem(cJSON_GetObjectItem(answer, "places"), i),
                               "frames");
}

static void place_has_its_function_and_what_is_inlined_there(void **state)
{
    int err;
    (void)state;
    const struct tb_module *ran = tb_process_module(&subject.process, subject.addresses[0]);
    const struct tb_symbol_asked places[] = {
        {.address = subject.addresses[0] - ran->bias},
        {.address = subject.addresses[0] - ran->bias - 1, .flags = TB_SYMBOL_ASKED_EXACT},
        {.address = 1}};
    cJSON *answer = ask_places(places, 3, &err);
    assert_int_equal(err, 0);
    for (int i = 0; i < 2; i++) {
        const cJSON *frames = frames_of(answer, i);
        assert_int_equal(cJSON_GetArraySize(frames), 3);
        assert_string_equal(text_of(cJSON_GetArrayItem(frames, 0), "method"), "innermost");
        assert_int_equal(number_of(cJSON_GetArrayItem(frames, 0), "lineno"),
                         line_of("chain.c", "innermost"));
        assert_true(is_set(cJSON_GetArrayItem(frames, 1), "inlined"));
        assert_string_equal(text_of(cJSON_GetArrayItem(frames, 2), "method"), "exported_function");
    }
    const cJSON *unknown = frames_of(answer, 2);
    assert_int_equal(cJSON_GetArraySize(unknown), 1);
    assert_string_equal(text_of(cJSON_GetArrayItem(unknown, 0), "method"), "<unknown>");
    assert_string_equal(symbols_of(answer, "placed"), "debug");
    cJSON_Delete(answer);
}

static void offset_from_a_function_is_resolved(void **state)
{
    int err;
    const struct tb_symbol_asked asked[] = {
        {.address = 1, .name = "exported_function", .name_len = strlen("exported_function")},
        {.address = 1, .name = "exported_functio", .name_len = strlen("exported_functio")}};
    (void)state;
    cJSON *answer = ask_places(asked, 2, &err);
    assert_int_equal(err, 0);
    const cJSON *frames = frames_of(answer, 0);
    const cJSON *outermost = cJSON_GetArrayItem(frames, cJSON_GetArraySize(frames) - 1);
    assert_string_equal(text_of(outermost, "method"), "exported_function");
    assert_int_equal(cJSON_GetArraySize(frames_of(answer, 1)), 0);
    cJSON_Delete(answer);
}

static void what_starts_a_program_is_named_too(void **state)
{
    int err;
    const struct tb_symbol_asked asked = {
        .address = 1, .name = "_start", .name_len = strlen("_start")};
    (void)state;
    cJSON *answer = ask_places(&asked, 1, &err);
    assert_int_equal(err, 0);
    assert_string_equal(text_of(cJSON_GetArrayItem(frames_of(answer, 0), 0), "method"), "_start");
    cJSON_Delete(answer);
}

static void too_many_places_are_refused(void **state)
{
    static struct tb_symbol_asked asked[TB_SYMBOL_PLACES_ASKED_MAX + 1];
    int err;
    (void)state;
    assert_null(ask_places(asked, TB_SYMBOL_PLACES_ASKED_MAX + 1, &err));
    assert_int_equal(err, -EBADMSG);
    cJSON *answer = ask_places(asked, TB_SYMBOL_PLACES_ASKED_MAX, &err);
    assert_int_equal(err, 0);
    cJSON_Delete(answer);
}

static int set_up(void **state)
{
    char path[512];
    char probe[512];
    if (make_folder(state) != 0)
        return -1;
    RUN(c_compiler(), "-c", PROBE_C, "-o", in_folder(probe, "probe.o"));
    RUN(c_compiler(), "-g", "-O2", "-fPIE", "-pie", CHAIN_C, probe, "-o",
        in_folder(path, "placed"));
    run_subject(path, &subject);
    default_config(&config);
    tb_symbol_cache_init(&cache);
    /* No build ID is known of it: any file will do. */
    module = (struct tb_module){.hi = (uint64_t)1 << 48, .path = subject.path};
    process = subject.process;
    process.modules = &module;
    process.n_modules = 1;
    return 0;
}

static int end(void **state)
{
    tb_symbol_cache_done(&cache);
    tb_symbol_config_done(&config);
    return remove_folder(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(place_has_its_function_and_what_is_inlined_there),
        cmocka_unit_test(offset_from_a_function_is_resolved),
        cmocka_unit_test(what_starts_a_program_is_named_too),
        cmocka_unit_test(too_many_places_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, end);
}
