/* test_threads.c - the other threads of a process: what their stacks are, and which are equal. */
#include "support.h"

#include "stopped.h"
#include "symbol/stack/threads.h"

static int line_here(const char *mark)
{
    char line[512];
    char text[64];
    int found = 0;
    FILE *file = fopen(TEST_SOURCE "/tests/symbol/stopped.h", "re");
    assert_non_null(file);
    (void)snprintf(text, sizeof(text), "/* mark: %s */", mark);
    for (int n = 1; fgets(line, sizeof(line), file); n++)
        found = strstr(line, text) ? n : found;
    fclose(file);
    return found;
}

static void threads_that_wait_in_one_place_are_one_group(void **state)
{
    (void)state;
    struct tb_crash crash = crash_with(captured, N_THREADS);
    cJSON *answer = ask_crash(&crash);
    assert_int_equal(cJSON_GetArraySize(threads_of(answer)), 3);
    const cJSON *group = cJSON_GetArrayItem(threads_of(answer), 0);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(group, "tids")), N_WORKERS);
    for (int k = 0; k < N_WORKERS; k++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "worker-%d", k);
        assert_int_equal(cJSON_GetArrayItem(cJSON_GetObjectItem(group, "tids"), k)->valueint,
                         (int)captured[k].tid);
        assert_string_equal(
            cJSON_GetStringValue(cJSON_GetArrayItem(cJSON_GetObjectItem(group, "names"), k)), name);
    }
    assert_false(is_set(group, "cut"));
    assert_int_equal(count_threads(answer), N_THREADS);
    assert_null(cJSON_GetObjectItem(answer, "threads_omitted"));
    cJSON_Delete(answer);
}

static void a_thread_is_named_from_where_it_waits_to_its_start(void **state)
{
    (void)state;
    struct tb_crash crash = crash_with(captured, N_THREADS);
    cJSON *answer = ask_crash(&crash);
    const cJSON *group = group_with(answer, captured[0].tid);
    const cJSON *waits = frame_of(group, "wait_for_work");
    assert_non_null(waits);
    assert_int_equal(number_of(waits, "lineno"), line_here("wait_for_work"));
    assert_string_equal(text_of(waits, "filename"), TEST_SOURCE "/tests/symbol/stopped.h");
    assert_string_equal(text_of(waits, "module"), "symbol_test_threads");
    assert_string_equal(text_of(waits, "trust"), "cfi");
    assert_true(is_set(waits, "in_app"));
    assert_int_not_equal(strlen(text_of(waits, "address")), 0);
    assert_int_not_equal(strlen(text_of(waits, "module_offset")), 0);
    assert_non_null(frame_of(group, "thread_main"));
    assert_null(frame_of(group, "start_thread"));
    assert_string_equal(text_of(group, "waits_in"), "read");
    const cJSON *innermost = frame_at(group, 0);
    assert_non_null(strstr(text_of(innermost, "method"), "read"));
    assert_string_equal(text_of(innermost, "trust"), "context");
    cJSON_Delete(answer);
}

static void a_thread_that_runs_is_named_where_it_is(void **state)
{
    (void)state;
    struct tb_crash crash = crash_with(captured, N_THREADS);
    cJSON *answer = ask_crash(&crash);
    const cJSON *group = group_with(answer, captured[SPINNER].tid);
    assert_string_equal(text_of(frame_at(group, 0), "method"), "spin");
    assert_string_equal(text_of(frame_at(group, 1), "method"), "thread_main");
    assert_int_equal(n_frames_of(group), 2);
    assert_null(cJSON_GetObjectItem(group, "waits_in"));
    cJSON_Delete(answer);
}

static void a_stack_that_was_cut_ends_there_and_says_so(void **state)
{
    (void)state;
    struct tb_crash_thread diver = captured[DIVER];
    struct tb_crash crash = crash_with(&diver, 1);
    cJSON *whole = ask_crash(&crash);
    const cJSON *group = group_with(whole, diver.tid);
    assert_false(is_set(group, "cut"));
    int n_dives = 0;
    for (int i = 0; i < n_frames_of(group); i++)
        n_dives += strcmp(text_of(frame_at(group, i), "method"), "dive") == 0;
    assert_int_equal(n_dives, DEPTH + 1);
    assert_string_equal(text_of(frame_at(group, n_frames_of(group) - 1), "method"), "thread_main");
    diver.stack_len /= 2;
    diver.flags = TB_CRASH_STACK_CUT;
    cJSON *cut = ask_crash(&crash);
    const cJSON *part = group_with(cut, diver.tid);
    assert_true(is_set(part, "cut"));
    assert_in_range(n_frames_of(part), 3, DEPTH);
    for (int i = 0; i < n_frames_of(part); i++)
        assert_string_equal(text_of(frame_at(part, i), "address"),
                            text_of(frame_at(group, i), "address"));
    cJSON_Delete(cut);
    cJSON_Delete(whole);
}

static void a_thread_without_a_stack_still_has_its_place(void **state)
{
    (void)state;
    struct tb_crash_thread thread = captured[SPINNER];
    struct tb_crash crash = crash_with(&thread, 1);
    thread.stack_len = 0;
    thread.flags = TB_CRASH_STACK_CUT;
    cJSON *answer = ask_crash(&crash);
    const cJSON *group = group_with(answer, thread.tid);
    assert_int_equal(n_frames_of(group), 1);
    assert_string_equal(text_of(frame_at(group, 0), "method"), "spin");
    assert_true(is_set(group, "cut"));
    cJSON_Delete(answer);
}

static void a_stack_that_ends_where_the_program_was_replaced_is_cut_and_says_why(void **state)
{
    (void)state;
    struct tb_crash_thread thread = captured[SPINNER];
    struct tb_crash crash = crash_with(&thread, 1);
    struct tb_module *program = process.modules;
    while (!(program->flags & TB_MODULE_MAIN))
        program++;
    thread.stack_len = 8; /* nothing is found by scan */
    for (int is_replaced = 0; is_replaced < 2; is_replaced++) {
        cJSON *answer = ask_crash(&crash);
        const cJSON *group = group_with(answer, thread.tid);
        assert_int_equal(n_frames_of(group), 1);
        assert_int_equal(is_set(group, "cut"), is_replaced);
        if (is_replaced)
            assert_non_null(strstr(text_of(group, "cut_note"), "is not the one that ran"));
        else
            assert_null(cJSON_GetObjectItem(group, "cut_note"));
        cJSON_Delete(answer);
        if (program->build_id_len == 0)
            program->build_id_len = 20; /* a linker that gives none */
        program->build_id[0] ^= 1;
    }
}

static void without_time_threads_are_counted_and_nothing_else(void **state)
{
    (void)state;
    struct tb_crash crash = crash_with(captured, N_THREADS);
    struct tb_symbol_cache cache;
    struct tb_symbol_modules opened;
    struct tb_symbol_threads threads;
    tb_symbol_cache_init(&cache);
    assert_int_equal(tb_symbol_modules_init(&cache, &config, &process, &opened), 0);
    assert_int_equal(tb_symbol_threads_make(&opened, &crash, 0, &threads), 0);
    assert_int_equal(threads.n, 0);
    assert_int_equal(threads.n_unwound, 0);
    tb_symbol_threads_done(&threads);
    tb_symbol_modules_done(&opened);
    tb_symbol_cache_done(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_that_wait_in_one_place_are_one_group),
        cmocka_unit_test(a_thread_is_named_from_where_it_waits_to_its_start),
        cmocka_unit_test(a_thread_that_runs_is_named_where_it_is),
        cmocka_unit_test(a_stack_that_was_cut_ends_there_and_says_so),
        cmocka_unit_test(a_thread_without_a_stack_still_has_its_place),
        cmocka_unit_test(a_stack_that_ends_where_the_program_was_replaced_is_cut_and_says_why),
        cmocka_unit_test(without_time_threads_are_counted_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, capture_all, tear_down);
}
