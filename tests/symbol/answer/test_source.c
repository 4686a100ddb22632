/* test_source.c - which lines of which files are shown. */
#include "support.h"

#include <errno.h>

#include "symbol/files/file.h"
#include "symbol/answer/source.h"

static struct tb_symbol_config config;
static struct tb_process process;
static struct tb_symbol_sources sources;

static void write_file(const char *name, const char *text, size_t len, mode_t mode)
{
    char path[512];
    int fd = open(in_folder(path, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static int lines_at(const char *path, uint32_t line, size_t n_context, struct tb_symbol_lines *out)
{
    const struct tb_symbol_source_place place = {.path = path, .line = line};
    return tb_symbol_source_lines(&sources, &place, n_context, out);
}

/* Line 2 of a file below the folder, by a fresh reader. */
static int ask_line(const char *path, struct tb_symbol_lines *out)
{
    tb_symbol_sources_done(&sources);
    return lines_at(path, 2, 2, out);
}

static void expect_shown(const char *name)
{
    struct tb_symbol_lines lines;
    char path[512];
    assert_int_equal(ask_line(in_folder(path, name), &lines), 0);
    assert_int_equal(lines.line.len, 3);
    assert_memory_equal(lines.line.text, "two", 3);
}

static void expect_hidden(const char *name)
{
    struct tb_symbol_lines lines;
    char path[512];
    assert_int_equal(ask_line(in_folder(path, name), &lines), -EACCES);
}

static void lines_around_a_place_are_shown(void **state)
{
    struct tb_symbol_lines lines;
    char path[512];
    (void)state;
    write_file("five.c", "one\r\ntwo\nthree  \nfour\nfive", 26, 0644);
    assert_int_equal(lines_at(in_folder(path, "five.c"), 3, 2, &lines), 0);
    assert_int_equal(lines.n_before, 2);
    assert_int_equal(lines.n_after, 2);
    assert_int_equal(lines.before[0].len, 3); /* without the carriage return */
    assert_memory_equal(lines.line.text, "three", 5);
    assert_int_equal(lines.line.len, 5);
    assert_memory_equal(lines.after[1].text, "five", 4);
    assert_int_equal(lines_at(path, 1, 2, &lines), 0);
    assert_int_equal(lines.n_before, 0);
    assert_int_equal(lines_at(path, 5, 2, &lines), 0);
    assert_int_equal(lines.n_after, 0);
    assert_int_equal(lines.n_before, 2);
    assert_int_equal(lines_at(path, 6, 2, &lines), -ENOENT);
    assert_int_equal(lines_at(path, 0, 2, &lines), -ENOENT);
    assert_int_equal(lines_at(path, UINT32_MAX, 2, &lines), -ENOENT);
}

static void long_lines_are_cut_between_characters(void **state)
{
    struct tb_symbol_lines lines;
    char path[512];
    char text[1024] = "x";
    (void)state;
    for (size_t i = 1; i + 2 < sizeof(text); i += 2)
        (void)snprintf(text + i, 3, "\xc3\xa4");
    write_file("long.c", text, strlen(text), 0644);
    assert_int_equal(lines_at(in_folder(path, "long.c"), 1, 0, &lines), 0);
    assert_int_equal(lines.line.len, 199);
}

static void line_that_is_no_text_is_not_shown(void **state)
{
    struct tb_symbol_lines lines;
    char path[512];
    (void)state;
    write_file("nul.c", "one\nt\0o\nthree\n", 14, 0644);
    assert_int_equal(lines_at(in_folder(path, "nul.c"), 2, 1, &lines), -ENOENT);
    assert_int_equal(lines_at(path, 1, 1, &lines), 0);
    assert_int_equal(lines.after[0].len, 0);
}

static void file_of_the_process_is_shown_when_everyone_may_read_it(void **state)
{
    (void)state;
    write_file("open.c", "one\ntwo\n", 8, 0644);
    write_file("closed.c", "one\ntwo\n", 8, 0600);
    process.root = folder;
    expect_shown("open.c");
    expect_hidden("closed.c");
    process.root = "";
    expect_hidden("open.c");
}

static void relative_names_are_looked_up_below_the_root(void **state)
{
    struct tb_symbol_lines lines;
    (void)state;
    process.root = folder;
    write_file("open.c", "one\ntwo\n", 8, 0644);
    assert_int_equal(ask_line("open.c", &lines), 0);
    assert_int_equal(ask_line("../etc/passwd", &lines), -EACCES);
    process.root = "";
}

/* Asks for line 2 of a file that was changed at changed, of a program built at built. */
static int ask_aged(struct timespec changed, struct timespec built)
{
    struct tb_symbol_lines lines;
    char path[512];
    const struct timespec times[2] = {changed, changed};
    assert_int_equal(utimensat(AT_FDCWD, in_folder(path, "open.c"), times, 0), 0);
    tb_symbol_sources_done(&sources);
    const struct tb_symbol_source_place place = {.path = path, .line = 2, .built = built};
    return tb_symbol_source_lines(&sources, &place, 0, &lines);
}

static void file_newer_than_the_program_is_not_shown(void **state)
{
    const struct timespec at = {1700000000, 500};
    (void)state;
    write_file("open.c", "one\ntwo\n", 8, 0644);
    process.root = folder;
    assert_int_equal(ask_aged(at, at), 0);
    assert_int_equal(ask_aged(at, (struct timespec){1700000000, 600}), 0);
    assert_int_equal(ask_aged(at, (struct timespec){1700000000, 400}), -ESTALE);
    assert_int_equal(ask_aged(at, (struct timespec){1699999999, 999}), -ESTALE);
    assert_int_equal(ask_aged(at, (struct timespec){1700000001, 0}), 0);
    assert_int_equal(ask_aged(at, (struct timespec){1700000000, 0}), 0); /* whole seconds */
    assert_int_equal(ask_aged(at, (struct timespec){1, 0}), 0);          /* no time at all */
    assert_int_equal(ask_aged(at, (struct timespec){0}), 0);
    process.root = "";
}

static void tricks_with_the_root_show_nothing(void **state)
{
    char path[512];
    char below[512];
    struct tb_symbol_lines lines;
    (void)state;
    write_file("open.c", "one\ntwo\n", 8, 0644);
    assert_int_equal(mkdir(in_folder(path, "root"), 0755), 0);
    assert_int_equal(symlink("../open.c", in_folder(below, "root/link.c")), 0);
    assert_int_equal(symlink("/etc", in_folder(below, "root/etc")), 0);
    assert_int_equal(mkfifo(in_folder(below, "root/fifo.c"), 0644), 0);
    assert_int_equal(mkdir(in_folder(below, "root/folder.c"), 0755), 0);
    process.root = path;
    expect_hidden("root/link.c");
    expect_hidden("root/etc/passwd");
    assert_int_equal(ask_line(in_folder(below, "root/fifo.c"), &lines), -EACCES);
    expect_hidden("root/folder.c");
    expect_hidden("root/../open.c");
    expect_hidden("open.c");
    assert_int_equal(ask_line("/etc/passwd", &lines), -EACCES);
    assert_int_equal(ask_line("/dev/zero", &lines), -EACCES);
    assert_int_equal(ask_line("", &lines), -EACCES);
    process.root = "/dev/..";
    expect_hidden("open.c");
    process.root = "/proc/self/cwd";
    expect_hidden("open.c");
    process.root = "";
}

static void folder_of_another_user_is_no_root(void **state)
{
    (void)state;
    write_file("open.c", "one\ntwo\n", 8, 0644);
    process.root = folder;
    process.uid = geteuid() + 1;
    if (geteuid() != 0)
        expect_hidden("open.c"); /* of root it would do */
    process.uid = geteuid();
    expect_shown("open.c");
    process.root = "";
}

static void folder_that_the_reporter_cannot_search_hides_its_files(void **state)
{
    char path[512];
    (void)state;
    if (geteuid() != 0)
        skip(); /* takes two users */
    assert_int_equal(mkdir(in_folder(path, "private"), 0700), 0);
    write_file("private/open.c", "one\ntwo\n", 8, 0644);
    process.root = folder;
    process.uid = 65534;
    expect_hidden("private/open.c");
    assert_int_equal(chmod(path, 0711), 0);
    expect_shown("private/open.c");
    process.uid = geteuid();
    process.root = "";
}

static void source_roots_show_any_file_but_nothing_outside(void **state)
{
    struct tb_symbol_config with_root;
    struct tb_symbol_lines lines;
    char text[600];
    char path[512];
    (void)state;
    write_file("closed.c", "one\ntwo\n", 8, 0600);
    assert_int_equal(mkdir(in_folder(path, "sources"), 0700), 0);
    write_file("sources/x.c", "one\ntwo\n", 8, 0600);
    assert_int_equal(symlink("../closed.c", in_folder(path, "sources/out.c")), 0);
    assert_int_equal(symlink("x.c", in_folder(path, "sources/in.c")), 0);
    int n = snprintf(text, sizeof(text), "source_root=%s/sources", folder);
    assert_int_equal(tb_symbol_config_read(text, (size_t)n, &with_root), 0);
    sources.config = &with_root;
    expect_shown("sources/x.c");
    expect_shown("sources/in.c");
    expect_hidden("sources/out.c");
    expect_hidden("closed.c");
    assert_int_equal(ask_line("x.c", &lines), 0);
    tb_symbol_sources_done(&sources);
    sources.config = &config;
    tb_symbol_config_done(&with_root);
}

/* Everybody may read them; each reader sees what he may see. */
static void files_that_the_kernel_makes_up_are_not_shown(void **state)
{
    static const char *const names[] = {"/proc/kallsyms", "/proc/meminfo", "/proc/self/maps",
                                        "/sys/kernel/uevent_seqnum"};
    static const char *const settings[] = {"source_root=/proc\nsource_root=/sys\n",
                                           "source_root=/\n"};
    struct tb_symbol_config with_root;
    struct tb_symbol_lines lines;
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        process.root = i % 2 ? "/" : "/proc";
        tb_symbol_sources_done(&sources);
        assert_int_equal(lines_at(names[i], 1, 2, &lines), -EACCES);
        process.root = "";
        for (size_t k = 0; k < sizeof(settings) / sizeof(settings[0]); k++) {
            assert_int_equal(tb_symbol_config_read(settings[k], strlen(settings[k]), &with_root),
                             0);
            sources.config = &with_root;
            tb_symbol_sources_done(&sources);
            assert_int_equal(lines_at(names[i], 1, 2, &lines), -EACCES);
            tb_symbol_sources_done(&sources);
            sources.config = &config;
            tb_symbol_config_done(&with_root);
        }
        if (access(names[i], R_OK) == 0)
            assert_int_equal(tb_symbol_file_open(names[i], TB_SYMBOL_MODULE_BYTES_MAX), -ENXIO);
    }
    int fd = tb_symbol_file_open("/proc/self/exe", TB_SYMBOL_MODULE_BYTES_MAX);
    assert_true(fd >= 0); /* a link to a file that is no file of the kernel's */
    close(fd);
}

static void huge_file_is_not_shown(void **state)
{
    char path[512];
    (void)state;
    write_file("huge.c", "one\ntwo\n", 8, 0644);
    assert_int_equal(truncate(in_folder(path, "huge.c"), TB_SYMBOL_SOURCE_BYTES_MAX + 1), 0);
    process.root = folder;
    expect_hidden("huge.c");
    process.root = "";
}

/* All of it through a real program: debug data that name a secret file. */
static void line_directive_to_a_secret_file_shows_nothing(void **state)
{
    struct subject s;
    char path[512];
    char probe[512];
    char program[512];
    char text[1024];
    (void)state;
    write_file("secret", "one\ntwo\n", 8, 0600);
    int n = snprintf(text, sizeof(text),
                     "void probe(void);\nint main(void)\n{\n#line 2 \"%s/secret\"\nprobe();\n"
                     "#line 3 \"/etc/shadow\"\nreturn 0;}\n",
                     folder);
    write_file("evil.c", text, (size_t)n, 0644);
    RUN(c_compiler(), "-c", PROBE_C, "-o", in_folder(probe, "probe.o"));
    RUN(c_compiler(), "-g", in_folder(path, "evil.c"), probe, "-o", in_folder(program, "evil"));
    run_subject(program, &s);
    s.process.root = folder;
    cJSON *answer = ask(&config, &s);
    const cJSON *frame = frame_at(answer, 0);
    assert_string_equal(text_of(frame, "filename"), "secret");
    assert_int_equal(number_of(frame, "lineno"), 2);
    assert_null(cJSON_GetObjectItem(frame, "code"));
    assert_null(cJSON_GetObjectItem(frame, "context"));
    cJSON_Delete(answer);
    assert_int_equal(chmod(in_folder(path, "secret"), 0644), 0); /* else this would prove nothing */
    answer = ask(&config, &s);
    assert_string_equal(text_of(frame_at(answer, 0), "code"), "two");
    cJSON_Delete(answer);
}

static int set_up(void **state)
{
    if (make_folder(state) != 0 || tb_symbol_config_read(NULL, 0, &config) != 0)
        return -1;
    process = (struct tb_process){.uid = geteuid(), .root = ""};
    sources = (struct tb_symbol_sources){.config = &config, .process = &process};
    return 0;
}

static int set_up_root(void **state)
{
    (void)state;
    tb_symbol_sources_done(&sources);
    process.root = folder;
    return 0;
}

static int tear_down(void **state)
{
    tb_symbol_sources_done(&sources);
    tb_symbol_config_done(&config);
    return remove_folder(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(lines_around_a_place_are_shown, set_up_root),
        cmocka_unit_test_setup(long_lines_are_cut_between_characters, set_up_root),
        cmocka_unit_test_setup(line_that_is_no_text_is_not_shown, set_up_root),
        cmocka_unit_test(file_of_the_process_is_shown_when_everyone_may_read_it),
        cmocka_unit_test(relative_names_are_looked_up_below_the_root),
        cmocka_unit_test(file_newer_than_the_program_is_not_shown),
        cmocka_unit_test(tricks_with_the_root_show_nothing),
        cmocka_unit_test(folder_of_another_user_is_no_root),
        cmocka_unit_test(folder_that_the_reporter_cannot_search_hides_its_files),
        cmocka_unit_test(source_roots_show_any_file_but_nothing_outside),
        cmocka_unit_test(files_that_the_kernel_makes_up_are_not_shown),
        cmocka_unit_test(huge_file_is_not_shown),
        cmocka_unit_test(line_directive_to_a_secret_file_shows_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
