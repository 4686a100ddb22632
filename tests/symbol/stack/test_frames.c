/* test_frames.c - which frames of a stack are left out, and which belong to the program. */
#include "support.h"

#define REPORT_C (DATA "/report.c")
#define INLINED_CC (DATA "/inlined.cc")
#define REPORTER_C (DATA "/reporter.c")

static struct tb_symbol_config config;

/* The frames of the library inside and of the thread's start outside are gone. */
static void expect_only_the_work(struct subject *s)
{
    cJSON *answer = ask(&config, s);
    const cJSON *frame = frame_at(answer, 0);
    assert_int_equal(n_frames_of(answer), 1);
    assert_string_equal(text_of(frame, "method"), "work");
    assert_int_equal(number_of(frame, "lineno"), line_of("reporter.c", "work"));
    assert_true(is_set(frame, "in_app"));
    cJSON_Delete(answer);
}

static void library_linked_statically_leaves_no_frame(void **state)
{
    struct subject s;
    char path[512];
    (void)state;
    RUN(c_compiler(), "-g", "-O1", REPORTER_C, REPORT_C, PROBE_C, "-pthread", "-o",
        in_folder(path, "static"));
    run_subject(path, &s);
    assert_true(s.n_addresses >= 3);
    expect_only_the_work(&s);
}

static void shared_library_leaves_no_frame_with_or_without_names(void **state)
{
    struct subject s;
    char path[512];
    char library[512];
    (void)state;
    RUN(c_compiler(), "-g", "-O1", "-shared", "-fPIC", REPORT_C, PROBE_C, "-o",
        in_folder(library, "libtowbar.so.0"));
    RUN(c_compiler(), "-g", "-O1", REPORTER_C, library, "-pthread", "-o",
        in_folder(path, "shared"));
    run_subject(path, &s);
    expect_only_the_work(&s);
    assert_int_equal(unlink(library), 0);
    expect_only_the_work(&s);
}

static void frames_of_the_system_are_not_in_the_app(void **state)
{
    struct subject s;
    char path[512];
    (void)state;
    RUN(c_compiler(), "-g", "-O1", REPORTER_C, REPORT_C, PROBE_C, "-pthread", "-o",
        in_folder(path, "system"));
    run_subject(path, &s);
    /* The frame of libc's start_thread, not as the outermost one. */
    size_t n = s.n_addresses;
    uint64_t work = s.addresses[1];
    s.addresses[0] = s.addresses[2];
    s.addresses[1] = work;
    s.n_addresses = 2;
    assert_true(n > 2);
    cJSON *answer = ask(&config, &s);
    /* What work calls may be put in between. */
    int n_shown = n_frames_of(answer);
    assert_true(n_shown == 2 || n_shown == 3);
    assert_false(is_set(frame_at(answer, 0), "in_app"));
    assert_true(is_set(frame_at(answer, n_shown - 1), "in_app"));
    cJSON_Delete(answer);
}

/* A library opened by a name from the working directory: its file is not found, but the code is of
 * the program and not of the system. */
static void frames_of_a_module_with_a_relative_path_are_in_the_app(void **state)
{
    struct subject s;
    char path[512];
    (void)state;
    RUN(c_compiler(), "-g", "-O1", REPORTER_C, REPORT_C, PROBE_C, "-pthread", "-o",
        in_folder(path, "relative"));
    run_subject(path, &s);
    s.addresses[0] = s.addresses[1];
    s.n_addresses = 1;
    for (size_t i = 0; i < s.process.n_modules; i++) {
        s.process.modules[i].flags = 0;
        if (strcmp(s.process.modules[i].path, path) == 0)
            s.process.modules[i].path = "./relative";
    }
    cJSON *answer = ask(&config, &s);
    assert_string_equal(text_of(frame_at(answer, 0), "method"), "<unknown>");
    assert_true(is_set(frame_at(answer, 0), "in_app"));
    assert_string_equal(symbols_of(answer, "relative"), "unreadable");
    cJSON_Delete(answer);
}

static void addresses_of_nowhere_are_unknown_frames(void **state)
{
    struct subject s;
    char path[512];
    (void)state;
    RUN(c_compiler(), "-g", "-O1", REPORTER_C, REPORT_C, PROBE_C, "-pthread", "-o",
        in_folder(path, "nowhere"));
    run_subject(path, &s);
    s.addresses[0] = 0;
    s.addresses[1] = UINT64_MAX;
    s.n_addresses = 2;
    cJSON *answer = ask(&config, &s);
    assert_int_equal(n_frames_of(answer), 2);
    for (int i = 0; i < 2; i++) {
        assert_string_equal(text_of(frame_at(answer, i), "method"), "<unknown>");
        assert_string_equal(text_of(frame_at(answer, i), "filename"), "<unknown>");
        assert_false(is_set(frame_at(answer, i), "in_app"));
        assert_null(cJSON_GetObjectItem(frame_at(answer, i), "module"));
    }
    cJSON_Delete(answer);
}

static void what_is_inlined_from_the_cxx_library_is_not_the_function_s_own(void **state)
{
    struct subject s;
    char path[512];
    char probe[512];
    (void)state;
    if (!is_installed("c++"))
        skip();
    RUN(c_compiler(), "-c", PROBE_C, "-o", in_folder(probe, "probe.o"));
    RUN("c++", "-g", "-O1", INLINED_CC, probe, "-o", in_folder(path, "inlined"));
    run_subject(path, &s);
    cJSON *answer = ask(&config, &s);
    const cJSON *frame;
    int n_library = 0;
    int n_own = 0;
    cJSON_ArrayForEach(frame, cJSON_GetObjectItem(answer, "frames"))
    {
        bool is_library = strstr(text_of(frame, "filename"), "/c++/") != NULL;
        assert_int_equal(is_set(frame, "in_app"), !is_library);
        n_library += is_library;
        n_own += !is_library;
    }
    assert_true(n_library > 0);
    assert_int_equal(n_own, 3); /* the comparison, lowest, main */
    cJSON_Delete(answer);
}

/* The package was built elsewhere; its sources lie below a root. */
static void the_folder_of_the_build_is_not_shown_and_sources_are_found_without_it(void **state)
{
    struct subject s;
    char path[512];
    (void)state;
    RUN(c_compiler(), "-g", "-O1",
        "-ffile-prefix-map=" DATA "=/build/reproducible-path/reporter-1.2", REPORTER_C, REPORT_C,
        PROBE_C, "-pthread", "-o", in_folder(path, "package"));
    run_subject(path, &s);
    cJSON *answer = ask(&config, &s);
    const cJSON *frame = frame_at(answer, 0);
    assert_string_equal(text_of(frame, "filename"), "reporter.c");
    assert_string_equal(text_of(frame, "method"), "work");
    assert_non_null(strstr(text_of(frame, "code"), "mark: work"));
    cJSON_Delete(answer);
    /* Of a library the short name could be that of another file. */
    for (size_t i = 0; i < s.process.n_modules; i++) {
        if (strcmp(s.process.modules[i].path, path) == 0)
            s.process.modules[i].flags = 0;
    }
    char *library[] = {path};
    config.rules = (struct tb_inapp_rules){.library = library, .n_library = 1};
    answer = ask(&config, &s);
    config.rules = (struct tb_inapp_rules){0};
    assert_string_equal(text_of(frame_at(answer, 0), "filename"), "reporter.c");
    assert_false(is_set(frame_at(answer, 0), "in_app"));
    assert_null(cJSON_GetObjectItem(frame_at(answer, 0), "code"));
    cJSON_Delete(answer);
}

/* Source that blows up the answer is left out before frames are. */
static void answer_that_is_too_long_loses_its_source_first(void **state)
{
    struct subject s;
    struct tb_json json;
    static char memory[REPLY_BYTES];
    char path[512];
    (void)state;
    RUN(c_compiler(), "-g", "-O1", REPORTER_C, REPORT_C, PROBE_C, "-pthread", "-o",
        in_folder(path, "long"));
    run_subject(path, &s);
    tb_json_init(&json, memory, sizeof(memory));
    assert_int_equal(tb_symbol_addresses(&config, &s.process, s.addresses, s.n_addresses, &json),
                     0);
    assert_int_equal(tb_json_finish(&json), 0);
    assert_non_null(strstr(memory, "context"));
    size_t whole_len = json.len;
    tb_json_init(&json, memory, whole_len - 20);
    assert_int_equal(tb_symbol_addresses(&config, &s.process, s.addresses, s.n_addresses, &json),
                     0);
    assert_int_equal(tb_json_finish(&json), 0);
    cJSON *answer = cJSON_Parse(memory);
    assert_string_equal(text_of(frame_at(answer, 0), "method"), "work");
    assert_null(cJSON_GetObjectItem(frame_at(answer, 0), "context"));
    assert_string_equal(symbols_of(answer, "long"), "debug");
    cJSON_Delete(answer);
}

static int set_up(void **state)
{
    default_config(&config);
    return make_folder(state);
}

static int tear_down(void **state)
{
    tb_symbol_config_done(&config);
    return remove_folder(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(library_linked_statically_leaves_no_frame),
        cmocka_unit_test(shared_library_leaves_no_frame_with_or_without_names),
        cmocka_unit_test(frames_of_the_system_are_not_in_the_app),
        cmocka_unit_test(frames_of_a_module_with_a_relative_path_are_in_the_app),
        cmocka_unit_test(addresses_of_nowhere_are_unknown_frames),
        cmocka_unit_test(what_is_inlined_from_the_cxx_library_is_not_the_function_s_own),
        cmocka_unit_test(the_folder_of_the_build_is_not_shown_and_sources_are_found_without_it),
        cmocka_unit_test(answer_that_is_too_long_loses_its_source_first),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
