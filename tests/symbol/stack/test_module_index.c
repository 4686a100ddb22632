/* test_module_index.c - which index names a module: of the shelf, of the folder, of whose file. How
 * a build ends is decided here (see extra.cmake). */
#include "../support.h"
#include "kept.h"

/* ---- the folder ---- */

static void index_in_the_folder_spares_the_build(void **state)
{
    struct subject s;
    (void)state;
    build("kept", &s);
    expect_named(&s, geteuid(), "innermost");
    int n = shared->n_builds;
    assert_true(n > 0);
    assert_int_equal(keep_news(), n);
    restart();
    expect_named(&s, geteuid(), "innermost");
    assert_int_equal(shared->n_builds, n);
    assert_int_equal(keep_news(), 0);
}

static void module_that_is_gone_or_changed_has_the_names_of_its_index(void **state)
{
    struct subject s;
    char other[512];
    (void)state;
    build("gone", &s);
    expect_named(&s, geteuid(), "innermost");
    (void)keep_news();
    restart();
    assert_int_equal(unlink(s.path), 0);
    cJSON *answer = ask_kept(&s);
    assert_string_equal(symbols_of(answer, "gone"), "unreadable");
    assert_string_equal(text_of(frame_at(answer, 0), "method"), "innermost");
    assert_int_equal(number_of(frame_at(answer, 0), "lineno"), line_of("chain.c", "innermost"));
    cJSON_Delete(answer);
    RUN("cp", "/bin/true", in_folder(other, "gone"));
    restart();
    answer = ask_kept(&s);
    assert_string_equal(symbols_of(answer, "gone"), "changed");
    assert_string_equal(text_of(frame_at(answer, 0), "method"), "innermost");
    cJSON_Delete(answer);
}

static void module_that_is_gone_is_named_by_the_debug_file_of_its_build_id(void **state)
{
    struct subject s;
    struct tb_symbol_config with_dir;
    char path[512];
    char dir[1024];
    char text[600];
    char id[2 * TB_BUILD_ID_BYTES + 1];
    (void)state;
    build("dbg", &s);
    const struct tb_module *module = main_module(&s);
    tb_hex(module->build_id, module->build_id_len, id);
    (void)snprintf(dir, sizeof(dir), "%s/debug/.build-id/%.2s", folder, id);
    RUN("mkdir", "-p", dir);
    (void)snprintf(dir, sizeof(dir), "%s/debug/.build-id/%.2s/%s.debug", folder, id, id + 2);
    RUN("objcopy", "--only-keep-debug", in_folder(path, "dbg"), dir);
    assert_int_equal(unlink(path), 0);
    int n = snprintf(text, sizeof(text), "debug_dir=%s/debug\n", folder);
    assert_int_equal(tb_symbol_config_read(text, (size_t)n, &with_dir), 0);
    cJSON *answer = ask(&with_dir, &s);
    assert_string_equal(symbols_of(answer, "dbg"), "unreadable");
    assert_string_equal(text_of(frame_at(answer, 0), "method"), "innermost");
    cJSON_Delete(answer);
    tb_symbol_config_done(&with_dir);
}

static void index_of_another_debug_file_is_built_anew(void **state)
{
    struct subject s;
    char path[512];
    char debug[512];
    char link[600];
    const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    (void)state;
    build("linked", &s);
    RUN("objcopy", "--only-keep-debug", in_folder(path, "linked"), in_folder(debug, "linked.dbg"));
    RUN("objcopy", "--strip-all", path);
    (void)snprintf(link, sizeof(link), "--add-gnu-debuglink=%s", debug);
    RUN("objcopy", link, path);
    expect_named(&s, geteuid(), "innermost");
    (void)keep_news();
    restart();
    int n = shared->n_builds;
    expect_named(&s, geteuid(), "innermost");
    assert_int_equal(shared->n_builds, n);
    assert_int_equal(utimensat(AT_FDCWD, debug, times, 0), 0);
    expect_named(&s, geteuid(), "innermost");
    assert_int_equal(shared->n_builds, n + 1);
    assert_int_equal(keep_news(), 1);
    restart();
    expect_named(&s, geteuid(), "innermost");
    assert_int_equal(shared->n_builds, n + 1);
}

static void expect_symbols(const struct subject *s, const char *word)
{
    cJSON *answer = ask_kept(s);
    assert_string_equal(symbols_of(answer, "twin"), word);
    cJSON_Delete(answer);
}

/* A stripped copy shows the names of its twin, and takes none from it. */
static void stripped_twin_neither_lacks_nor_costs_names(void **state)
{
    struct subject s;
    char path[512];
    char twin[512];
    (void)state;
    build("twin", &s);
    RUN("cp", in_folder(path, "twin"), in_folder(twin, "whole"));
    RUN("strip", "-g", path);
    expect_symbols(&s, "symtab");
    assert_int_not_equal(keep_news(), 0);
    restart();
    RUN("cp", twin, path);
    expect_symbols(&s, "debug");
    assert_int_not_equal(keep_news(), 0);
    int n = shared->n_builds;
    restart();
    RUN("strip", path);
    expect_symbols(&s, "debug");
    assert_int_equal(shared->n_builds, n);
}

/* Whatever is there, the answer is the same: it is found out to be wrong, and built anew. */
static void hostile_files_of_the_folder_change_nothing(void **state)
{
    struct subject s;
    char path[1024];
    char other[1024];
    (void)state;
    build("hostile", &s);
    expect_named(&s, geteuid(), "innermost");
    (void)keep_news();
    index_path(&s, geteuid(), path);
    (void)snprintf(other, sizeof(other), "%s/other", folder);
    for (int kind = 0; kind < 7; kind++) {
        struct tb_buf text;
        tb_buf_init(&text, 1 << 24);
        assert_int_equal(tb_fd_slurp(AT_FDCWD, path, &text), 0);
        if (kind == 0)
            text.data[text.len / 2] ^= 1;
        else if (kind == 1)
            text.data[4] ^= 1; /* version */
        else if (kind == 2)
            text.data[32] ^= 1; /* build ID */
        else if (kind == 3)
            text.data[8] ^= 1; /* length */
        int fd = open(other, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_int_equal(tb_fd_write_all(fd, text.data, kind == 4 ? text.len / 2 : text.len), 0);
        close(fd);
        assert_int_equal(unlink(path), 0);
        if (kind == 5)
            assert_int_equal(symlink(other, path), 0);
        else if (kind == 6)
            assert_int_equal(link(other, path), 0); /* a second name */
        else
            assert_int_equal(rename(other, path), 0);
        restart();
        int n = shared->n_builds;
        expect_named(&s, geteuid(), "innermost");
        assert_int_equal(shared->n_builds, n + 1);
        assert_int_equal(unlink(path), 0);
        assert_true(keep_news() >= 1);
        (void)unlink(other);
        tb_buf_done(&text);
    }
}

static void file_of_another_user_is_no_index(void **state)
{
    struct subject s;
    char path[1024];
    (void)state;
    if (geteuid() != 0)
        skip();
    build("foreign", &s);
    expect_named(&s, 0, "innermost");
    (void)keep_news();
    index_path(&s, 0, path);
    assert_int_equal(chown(path, SOMEBODY, SOMEBODY), 0);
    restart();
    int n = shared->n_builds;
    expect_named(&s, 0, "innermost");
    assert_int_equal(shared->n_builds, n + 1);
}

/* ---- whose it is ---- */

static void forged_build_id_names_its_maker_alone(void **state)
{
    struct subject s;
    struct subject forged;
    (void)state;
    if (geteuid() != 0)
        skip();
    build_forged(&s, &forged);
    for (int round = 0; round < 2; round++) {
        /* The forger is first, when nothing is there yet. */
        expect_named(&forged, SOMEBODY, "forged_name");
        expect_named(&s, SOMEBODY, "innermost");
        expect_named(&s, ANOTHER, "innermost");
        expect_named(&s, 0, "innermost");
        expect_named(&forged, 0, "forged_name");
        (void)keep_news();
        restart();
    }
    assert_int_equal(unlink(s.path), 0);
    expect_named(&s, ANOTHER, "innermost"); /* of root's file, which is gone */
    expect_named(&s, SOMEBODY, "innermost");
}

static void forged_index_names_no_module_that_is_gone_but_its_makers(void **state)
{
    struct subject s;
    struct subject forged;
    (void)state;
    if (geteuid() != 0)
        skip();
    build_forged(&s, &forged);
    assert_int_equal(unlink(s.path), 0);
    expect_named(&forged, SOMEBODY, "forged_name");
    (void)keep_news();
    expect_named(&s, ANOTHER, "<unknown>");
    expect_named(&s, 0, "<unknown>");
    expect_named(&s, SOMEBODY, "forged_name");
}

static void names_of_a_private_file_are_for_its_owner_and_root(void **state)
{
    struct subject s;
    (void)state;
    if (geteuid() != 0)
        skip();
    build("private", &s);
    assert_int_equal(chown(s.path, SOMEBODY, SOMEBODY), 0);
    assert_int_equal(chmod(s.path, 0700), 0);
    expect_named(&s, SOMEBODY, "innermost");
    (void)keep_news();
    for (int round = 0; round < 2; round++) {
        expect_named(&s, ANOTHER, "<unknown>"); /* also by a record that names the build ID alone */
        expect_named(&s, SOMEBODY, "innermost");
        restart();
        (void)unlink(s.path);
    }
}

static void names_of_roots_private_file_are_for_root(void **state)
{
    struct subject s;
    (void)state;
    if (geteuid() != 0)
        skip();
    build("secret", &s);
    assert_int_equal(chmod(s.path, 0700), 0);
    expect_named(&s, 0, "innermost");
    (void)keep_news();
    restart();
    expect_named(&s, SOMEBODY, "<unknown>");
    (void)unlink(s.path);
    expect_named(&s, SOMEBODY, "<unknown>");
    expect_named(&s, 0, "innermost");
}

static void file_that_became_public_is_built_anew_and_for_all(void **state)
{
    struct subject s;
    (void)state;
    if (geteuid() != 0)
        skip();
    build("opened", &s);
    assert_int_equal(chmod(s.path, 0700), 0);
    expect_named(&s, 0, "innermost");
    assert_int_equal(chmod(s.path, 0755), 0);
    int n = shared->n_builds;
    expect_named(&s, SOMEBODY, "innermost");
    assert_int_equal(shared->n_builds, n + 1);
    expect_named(&s, ANOTHER, "innermost");
    assert_int_equal(shared->n_builds, n + 1);
}

static void file_of_root_that_others_may_write_is_not_kept(void **state)
{
    struct subject s;
    char path[1024];
    (void)state;
    if (geteuid() != 0)
        skip();
    build("writable", &s);
    assert_int_equal(chmod(s.path, 0777), 0);
    expect_named(&s, SOMEBODY, "innermost");
    (void)keep_news();
    index_path(&s, 0, path);
    assert_int_equal(access(path, F_OK), -1);
}

/* ---- builds that fail ---- */

static void child_that_crashes_costs_the_names_of_one_module(void **state)
{
    struct subject s;
    struct tb_symbol_modules modules;
    (void)state;
    build("crashing", &s);
    assert_int_equal(tb_symbol_modules_init(&cache, &config, &s.process, &modules), 0);
    struct tb_symbol_module *module = tb_symbol_modules_find(&modules, s.addresses[0]);
    shared->crashes = true;
    tb_symbol_module_load_index(&modules, module);
    shared->crashes = false;
    assert_null(module->index);
    assert_false(module->uses_table);
    assert_string_equal(module->note, "the debug data are damaged");
    for (size_t i = 0; i < s.process.n_modules; i++) {
        struct tb_symbol_module *other = tb_symbol_modules_find(&modules, s.modules[i].lo);
        tb_symbol_module_load_index(&modules, other);
        assert_true(other == module || other->index || !strchr(other->info->path, '/'));
    }
    tb_symbol_modules_done(&modules);
    int n = shared->n_builds;
    cJSON *answer = ask_kept(&s); /* which does not try again */
    assert_string_equal(text_of(frame_at(answer, 0), "method"), "<unknown>");
    assert_string_equal(symbols_of(answer, "crashing"), "none");
    const cJSON *first = cJSON_GetArrayItem(cJSON_GetObjectItem(answer, "modules"), 0);
    assert_string_equal(text_of(first, "note"), "the debug data are damaged");
    cJSON_Delete(answer);
    assert_int_equal(shared->n_builds, n);
}

/* As compressed sections may say: .debug_info has bytes when it is inflated. */
static void claim_debug_bytes(const char *path, uint64_t bytes)
{
    struct tb_symbol_elf elf;
    size_t len;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(tb_symbol_elf_open(dup(fd), &elf), 0);
    const uint8_t *section = tb_symbol_elf_section(elf.elf, ".debug_info", &len);
    assert_non_null(section);
    const Elf64_Chdr *how = (const void *)section;
    assert_int_equal(how->ch_type, ELFCOMPRESS_ZLIB);
    off_t at = section - elf.bytes + (off_t)offsetof(Elf64_Chdr, ch_size);
    assert_int_equal(pwrite(fd, &bytes, sizeof(bytes), at), sizeof(bytes));
    tb_symbol_elf_done(&elf);
    close(fd);
}

static void debug_data_over_1_gib_are_not_read(void **state)
{
    struct subject s;
    struct tb_symbol_modules modules;
    char path[512];
    char probe[512];
    (void)state;
    RUN(c_compiler(), "-c", PROBE_C, "-o", in_folder(probe, "probe.o"));
    RUN(c_compiler(), "-g", "-gz=zlib", "-O2", CHAIN_C, probe, "-o", in_folder(path, "large"));
    claim_debug_bytes(path, (UINT64_C(1) << 30) + 1);
    run_subject(path, &s);
    assert_int_equal(tb_symbol_modules_init(&cache, &config, &s.process, &modules), 0);
    struct tb_symbol_module *module = tb_symbol_modules_find(&modules, s.addresses[0]);
    tb_symbol_module_load_index(&modules, module);
    assert_int_equal(shared->n_builds, 0); /* no child either */
    assert_null(module->index);
    tb_symbol_modules_done(&modules);
    cJSON *answer = ask_kept(&s);
    assert_string_equal(text_of(frame_at(answer, 0), "method"), "exported_function");
    assert_null(cJSON_GetObjectItem(frame_at(answer, 0), "lineno"));
    assert_string_equal(symbols_of(answer, "large"), "symtab");
    const cJSON *first = cJSON_GetArrayItem(cJSON_GetObjectItem(answer, "modules"), 0);
    assert_string_equal(text_of(first, "note"), "debug data over 1 GiB are not read");
    cJSON_Delete(answer);
}

static void without_time_names_come_from_the_table(void **state)
{
    struct subject s;
    struct tb_symbol_modules modules;
    (void)state;
    build("late", &s);
    assert_int_equal(tb_symbol_modules_init(&cache, &config, &s.process, &modules), 0);
    modules.index_ns = UINT64_C(1000000) * TB_SYMBOL_INDEX_TOTAL_MS;
    struct tb_symbol_module *module = tb_symbol_modules_find(&modules, s.addresses[0]);
    tb_symbol_module_load_index(&modules, module);
    assert_null(module->index);
    assert_true(module->uses_table);
    assert_string_equal(module->note, "there was no time left for its debug data");
    tb_symbol_modules_done(&modules);
    expect_named(&s, geteuid(), "innermost"); /* the next question has time */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        INDEX_TEST(index_in_the_folder_spares_the_build),
        INDEX_TEST(module_that_is_gone_or_changed_has_the_names_of_its_index),
        INDEX_TEST(module_that_is_gone_is_named_by_the_debug_file_of_its_build_id),
        INDEX_TEST(index_of_another_debug_file_is_built_anew),
        INDEX_TEST(stripped_twin_neither_lacks_nor_costs_names),
        INDEX_TEST(hostile_files_of_the_folder_change_nothing),
        INDEX_TEST(file_of_another_user_is_no_index),
        INDEX_TEST(forged_build_id_names_its_maker_alone),
        INDEX_TEST(forged_index_names_no_module_that_is_gone_but_its_makers),
        INDEX_TEST(names_of_a_private_file_are_for_its_owner_and_root),
        INDEX_TEST(names_of_roots_private_file_are_for_root),
        INDEX_TEST(file_that_became_public_is_built_anew_and_for_all),
        INDEX_TEST(file_of_root_that_others_may_write_is_not_kept),
        INDEX_TEST(child_that_crashes_costs_the_names_of_one_module),
        INDEX_TEST(debug_data_over_1_gib_are_not_read),
        INDEX_TEST(without_time_names_come_from_the_table),
    };
    return cmocka_run_group_tests(tests, share_counts, NULL);
}
