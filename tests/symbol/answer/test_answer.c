/* test_answer.c - names, files, lines and inlined frames of programs that are compiled here. */
#include "support.h"

#include "base/buf.h"
#include "base/fd.h"

static struct tb_symbol_config config;

static void build_chain(const char *name, const char *option, const char *option2,
                        struct subject *out)
{
    char path[512];
    char probe[512];
    RUN(c_compiler(), "-c", PROBE_C, "-o", in_folder(probe, "probe.o"));
    RUN(c_compiler(), "-g", option, option2, CHAIN_C, probe, "-o", in_folder(path, name),
        "-Wl,--build-id=sha1");
    run_subject(path, out);
}

static void expect_frame(const cJSON *answer, int i, const char *method, int inlined)
{
    const cJSON *frame = frame_at(answer, i);
    assert_string_equal(text_of(frame, "method"), method);
    assert_string_equal(text_of(frame, "filename"), CHAIN_C);
    assert_int_equal(number_of(frame, "lineno"), line_of("chain.c", method));
    assert_int_equal(is_set(frame, "inlined"), inlined);
    assert_true(is_set(frame, "in_app"));
    assert_non_null(strstr(text_of(frame, "code"),
                           method[0] == 'm' && method[1] == 'a' ? "mark: main" : method));
}

static void expect_chain(const cJSON *answer)
{
    static const char *const methods[] = {"innermost", "middle", "exported_function",
                                          "hidden_function", "main"};
    for (int i = 0; i < 5; i++)
        expect_frame(answer, i, methods[i], i < 2);
    assert_int_equal(n_frames_of(answer), 5);
}

static void frames_have_function_file_and_line_at_every_level_of_optimisation(void **state)
{
    static const char *const options[][2] = {
        {"-O0", "-fPIE"}, {"-O2", "-fPIE"}, {"-O2", "-no-pie"}, {"-O2", "-gdwarf-4"},
        {"-O1", "-gz"},   {"-O2", "-g1"},   {"-O2", "-flto"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        struct subject s;
        build_chain("chain", options[i][0], options[i][1], &s);
        cJSON *answer = ask(&config, &s);
        expect_chain(answer);
        assert_string_equal(symbols_of(answer, "chain"), "debug");
        cJSON_Delete(answer);
    }
}

static void frames_tell_module_offset_and_build_id(void **state)
{
    struct subject s;
    char expected[64];
    (void)state;
    build_chain("chain", "-O2", "-fPIE", &s);
    cJSON *answer = ask(&config, &s);
    const cJSON *frame = frame_at(answer, 0);
    (void)snprintf(expected, sizeof(expected), "0x%llx", (unsigned long long)s.addresses[0]);
    assert_string_equal(text_of(frame, "address"), expected);
    const struct tb_module *module = tb_process_module(&s.process, s.addresses[0]);
    assert_non_null(module);
    (void)snprintf(expected, sizeof(expected), "0x%llx",
                   (unsigned long long)(s.addresses[0] - module->bias));
    assert_string_equal(text_of(frame, "module_offset"), expected);
    assert_string_equal(text_of(frame, "module"), "chain");
    assert_int_equal(strlen(text_of(frame, "build_id")), 40);
    assert_string_equal(text_of(answer, "unwound_by"), "process");
    assert_true(cJSON_IsFalse(cJSON_GetObjectItem(answer, "cut")));
    cJSON_Delete(answer);
}

static void root_of_the_process_is_cut_from_file_names(void **state)
{
    struct subject s;
    (void)state;
    build_chain("chain", "-O2", "-fPIE", &s);
    s.process.root = TEST_SOURCE "/tests/";
    cJSON *answer = ask(&config, &s);
    assert_string_equal(text_of(frame_at(answer, 0), "filename"), "symbol/data/chain.c");
    cJSON_Delete(answer);
}

/* As reproducible builds have them. */
static void names_without_a_folder_are_found_below_the_source_root(void **state)
{
    struct subject s;
    char here[512];
    char map[600];
    (void)state;
    assert_non_null(getcwd(here, sizeof(here)));
    (void)snprintf(map, sizeof(map), "-fdebug-prefix-map=%s=.", here);
    build_chain("mapped", map, "-fdebug-prefix-map=" DATA "=.", &s);
    cJSON *answer = ask(&config, &s);
    assert_int_equal(n_frames_of(answer), 5);
    for (int i = 0; i < 5; i++)
        assert_string_equal(text_of(frame_at(answer, i), "filename"), "chain.c");
    assert_non_null(strstr(text_of(frame_at(answer, 0), "code"), "mark: innermost"));
    cJSON_Delete(answer);
}

static void stripped_program_has_its_exported_names_only(void **state)
{
    struct subject s;
    char path[512];
    (void)state;
    build_chain("stripped", "-O2", "-rdynamic", &s);
    RUN("objcopy", "--strip-all", in_folder(path, "stripped"));
    cJSON *answer = ask(&config, &s);
    assert_string_equal(text_of(frame_at(answer, 0), "method"), "exported_function");
    assert_string_equal(text_of(frame_at(answer, 0), "filename"), "stripped");
    assert_null(cJSON_GetObjectItem(frame_at(answer, 0), "lineno"));
    assert_string_equal(text_of(frame_at(answer, 1), "method"), "<unknown>");
    assert_string_equal(text_of(frame_at(answer, 2), "method"), "main");
    assert_int_equal(n_frames_of(answer), 3);
    assert_string_equal(symbols_of(answer, "stripped"), "exported");
    cJSON_Delete(answer);
}

static void program_without_debug_data_has_its_symbol_table(void **state)
{
    struct subject s;
    char path[512];
    (void)state;
    build_chain("plain", "-O2", "-fPIE", &s);
    RUN("objcopy", "--strip-debug", in_folder(path, "plain"));
    cJSON *answer = ask(&config, &s);
    assert_string_equal(text_of(frame_at(answer, 0), "method"), "exported_function");
    assert_string_equal(text_of(frame_at(answer, 1), "method"), "hidden_function");
    assert_int_equal(n_frames_of(answer), 3);
    assert_string_equal(symbols_of(answer, "plain"), "symtab");
    cJSON_Delete(answer);
}

static void separate_debug_file_is_found_by_its_link(void **state)
{
    struct subject s;
    char path[512];
    char debug[512];
    char link[600];
    (void)state;
    build_chain("linked", "-O2", "-fPIE", &s);
    RUN("objcopy", "--only-keep-debug", in_folder(path, "linked"), in_folder(debug, "linked.dbg"));
    RUN("objcopy", "--strip-all", path);
    (void)snprintf(link, sizeof(link), "--add-gnu-debuglink=%s", debug);
    RUN("objcopy", link, path);
    cJSON *answer = ask(&config, &s);
    expect_chain(answer);
    cJSON_Delete(answer);
}

/* Without build ids the checksum in the link decides. */
static void debug_link_with_a_wrong_checksum_is_refused(void **state)
{
    struct subject s;
    char path[512];
    char debug[512];
    char probe[512];
    char link[600];
    (void)state;
    RUN(c_compiler(), "-c", PROBE_C, "-o", in_folder(probe, "probe.o"));
    RUN(c_compiler(), "-g", "-O2", CHAIN_C, probe, "-o", in_folder(path, "crc"),
        "-Wl,--build-id=none");
    RUN("objcopy", "--only-keep-debug", path, in_folder(debug, "crc.dbg"));
    RUN("objcopy", "--strip-all", path);
    (void)snprintf(link, sizeof(link), "--add-gnu-debuglink=%s", debug);
    RUN("objcopy", link, path);
    run_subject(path, &s);
    cJSON *answer = ask(&config, &s);
    expect_chain(answer);
    cJSON_Delete(answer);
    int fd = open(debug, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
    answer = ask(&config, &s);
    assert_string_equal(symbols_of(answer, "crc"), "none");
    cJSON_Delete(answer);
}

static void separate_debug_file_is_found_by_build_id(void **state)
{
    struct subject s;
    struct tb_symbol_config with_dir;
    char path[512];
    char dir[1024];
    char text[600];
    char id[64];
    (void)state;
    build_chain("byid", "-O2", "-fPIE", &s);
    const struct tb_module *module = tb_process_module(&s.process, s.addresses[0]);
    tb_hex(module->build_id, module->build_id_len, id);
    (void)snprintf(dir, sizeof(dir), "%s/debug/.build-id/%.2s", folder, id);
    RUN("mkdir", "-p", dir);
    (void)snprintf(dir, sizeof(dir), "%s/debug/.build-id/%.2s/%s.debug", folder, id, id + 2);
    RUN("objcopy", "--only-keep-debug", in_folder(path, "byid"), dir);
    RUN("objcopy", "--strip-all", path);
    int n = snprintf(text, sizeof(text), "source_root=%s\ndebug_dir=%s/debug\n", DATA, folder);
    assert_int_equal(tb_symbol_config_read(text, (size_t)n, &with_dir), 0);
    cJSON *answer = ask(&with_dir, &s);
    expect_chain(answer);
    cJSON_Delete(answer);
    tb_symbol_config_done(&with_dir);
}

static void what_zstd_has_compressed_is_read(void **state)
{
    struct subject s;
    char path[512];
    (void)state;
    build_chain("plain", "-O2", "-fPIE", &s);
    RUN("objcopy", "--compress-debug-sections=zstd", s.path, in_folder(path, "packed"));
    run_subject(path, &s);
    cJSON *answer = ask(&config, &s);
    assert_string_equal(symbols_of(answer, "packed"), "debug");
    expect_chain(answer);
    cJSON_Delete(answer);
}

/* Spoils the first of the streams of zstd in a file. */
static void spoil_zstd(const char *path)
{
    static const char magic[] = "\x28\xb5\x2f\xfd";
    struct tb_buf bytes;
    tb_buf_init(&bytes, 16 << 20);
    assert_int_equal(tb_fd_slurp(AT_FDCWD, path, &bytes), 0);
    char *at = memmem(bytes.data, bytes.len, magic, 4);
    assert_non_null(at);
    memset(at, 0, 4);
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(tb_fd_write_all(fd, bytes.data, bytes.len), 0);
    close(fd);
    tb_buf_done(&bytes);
}

static void what_zstd_has_compressed_and_cannot_be_read_is_said(void **state)
{
    struct subject s;
    char path[512];
    (void)state;
    build_chain("plain", "-O2", "-fPIE", &s);
    RUN("objcopy", "--compress-debug-sections=zstd", s.path, in_folder(path, "spoiled"));
    spoil_zstd(path);
    run_subject(path, &s);
    cJSON *answer = ask(&config, &s);
    const cJSON *module = cJSON_GetArrayItem(cJSON_GetObjectItem(answer, "modules"), 0);
    assert_string_equal(text_of(module, "name"), "spoiled");
    assert_string_equal(text_of(module, "symbols"), "symtab");
    assert_string_equal(text_of(module, "note"),
                        "the debug data are compressed with zstd, which cannot be read");
    assert_string_equal(text_of(frame_at(answer, 0), "method"), "exported_function");
    cJSON_Delete(answer);
}

static void program_that_was_replaced_gives_no_names(void **state)
{
    struct subject s;
    struct subject other;
    (void)state;
    build_chain("replaced", "-O2", "-fPIE", &s);
    build_chain("replaced", "-O0", "-fPIE", &other);
    cJSON *answer = ask(&config, &s);
    assert_string_equal(symbols_of(answer, "replaced"), "changed");
    for (int i = 0; i < n_frames_of(answer); i++)
        assert_string_equal(text_of(frame_at(answer, i), "method"), "<unknown>");
    cJSON_Delete(answer);
}

static void program_that_is_gone_gives_offsets(void **state)
{
    struct subject s;
    (void)state;
    build_chain("gone", "-O2", "-fPIE", &s);
    assert_int_equal(unlink(s.path), 0);
    cJSON *answer = ask(&config, &s);
    assert_string_equal(symbols_of(answer, "gone"), "unreadable");
    assert_string_equal(text_of(frame_at(answer, 0), "filename"), "gone");
    assert_string_equal(text_of(frame_at(answer, 0), "method"), "<unknown>");
    assert_int_not_equal(text_of(frame_at(answer, 0), "module_offset")[0], '\0');
    cJSON_Delete(answer);
}

static void cxx_names_are_readable(void **state)
{
    struct subject s;
    char path[512];
    char probe[512];
    (void)state;
    if (!is_installed("c++"))
        skip();
    RUN(c_compiler(), "-c", PROBE_C, "-o", in_folder(probe, "probe.o"));
    RUN("c++", "-g", "-O1", SHAPES_CC, probe, "-o", in_folder(path, "shapes"));
    for (int round = 0; round < 2; round++) {
        run_subject(path, &s);
        cJSON *answer = ask(&config, &s);
        assert_string_equal(text_of(frame_at(answer, 0), "method"), "shapes::Box<long>::open");
        assert_string_equal(text_of(frame_at(answer, 1), "method"),
                            "shapes::(anonymous namespace)::hidden");
        if (round == 0)
            assert_int_equal(number_of(frame_at(answer, 0), "lineno"),
                             line_of("shapes.cc", "open"));
        cJSON_Delete(answer);
        RUN("objcopy", "--strip-debug", path); /* then the symbol table must say the same */
    }
}

static void deep_stack_keeps_both_ends(void **state)
{
    struct subject s;
    static uint64_t many[2000];
    static char reply[REPLY_BYTES];
    struct tb_json json;
    (void)state;
    build_chain("deep", "-O0", "-fPIE", &s);
    many[0] = s.addresses[0];
    for (size_t i = 1; i < 1999; i++)
        many[i] = s.addresses[1];
    many[1999] = s.addresses[2];
    tb_json_init(&json, reply, sizeof(reply));
    assert_int_equal(tb_symbol_addresses(&config, &s.process, many, 2000, &json), 0);
    assert_int_equal(tb_json_finish(&json), 0);
    cJSON *answer = cJSON_Parse(reply);
    assert_int_equal(n_frames_of(answer), 256);
    assert_true(is_set(answer, "cut"));
    const cJSON *inner = frame_at(answer, 0);
    assert_string_not_equal(text_of(inner, "method"), text_of(frame_at(answer, 128), "method"));
    assert_string_not_equal(text_of(frame_at(answer, 255), "method"),
                            text_of(frame_at(answer, 128), "method"));
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
        cmocka_unit_test(frames_have_function_file_and_line_at_every_level_of_optimisation),
        cmocka_unit_test(frames_tell_module_offset_and_build_id),
        cmocka_unit_test(root_of_the_process_is_cut_from_file_names),
        cmocka_unit_test(names_without_a_folder_are_found_below_the_source_root),
        cmocka_unit_test(stripped_program_has_its_exported_names_only),
        cmocka_unit_test(program_without_debug_data_has_its_symbol_table),
        cmocka_unit_test(separate_debug_file_is_found_by_its_link),
        cmocka_unit_test(debug_link_with_a_wrong_checksum_is_refused),
        cmocka_unit_test(separate_debug_file_is_found_by_build_id),
        cmocka_unit_test(what_zstd_has_compressed_is_read),
        cmocka_unit_test(what_zstd_has_compressed_and_cannot_be_read_is_said),
        cmocka_unit_test(program_that_was_replaced_gives_no_names),
        cmocka_unit_test(program_that_is_gone_gives_offsets),
        cmocka_unit_test(cxx_names_are_readable),
        cmocka_unit_test(deep_stack_keeps_both_ends),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
