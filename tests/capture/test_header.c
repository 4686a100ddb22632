/* towbar.h as a user's compiler meets it: every standard of C and of C++, all warnings, none
 * given; and what a program made so leaves in the spool. */
#include "rig.h"

#define SOURCE TEST_SOURCE "/tests/capture/programs/header.c"

static const char include[] = "-I" TEST_SOURCE "/include";
static const char *const compilers[][2] = {{"gcc", "g++"}, {"clang", "clang++"}};

/* Compiles source as language and standard; 0, or what the compiler says, or -1 without one. */
static int compile(struct rig *rig, const char *compiler, const char *language,
                   const char *standard, const char *source)
{
    char std[32];
    const char *const argv[] = {
        compiler,       "-x",      language, std,  "-Wall", "-Wextra",  "-Wpedantic", "-Wshadow",
        "-Wconversion", "-Werror", include,  "-c", "-o",    "header.o", source,       NULL};
    snprintf(std, sizeof(std), "-std=%s", standard);
    return rig_tool(rig, argv);
}

/* A compiler that is not here, has no headers, or does not know the standard, is no fault of ours.
 */
static int is_usable(struct rig *rig, const char *compiler, const char *language,
                     const char *standard)
{
    char path[96];
    snprintf(path, sizeof(path), "%s/empty.c", rig->folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("#include <errno.h>\n#include <stdarg.h>\n#include <stdio.h>\n", file);
    fclose(file);
    if (compile(rig, compiler, language, standard, "empty.c") == 0)
        return 1;
    print_message("%s -std=%s is not here: skipped\n", compiler, standard);
    return 0;
}

static void compile_all(struct rig *rig, int is_cpp, const char *const *standards, size_t n)
{
    const char *language = is_cpp ? "c++" : "c";
    size_t n_compiled = 0;
    for (size_t i = 0; i < 2 * n; i++) {
        const char *compiler = compilers[i / n][is_cpp];
        const char *standard = standards[i % n];
        if (!is_usable(rig, compiler, language, standard))
            continue;
        if (compile(rig, compiler, language, standard, SOURCE) != 0)
            fail_msg("%s -std=%s: %s", compiler, standard, rig->err);
        n_compiled++;
    }
    if (n_compiled == 0)
        skip();
}

static void compiles_in_every_c_without_a_warning(void **state)
{
    static const char *const standards[] = {"c99", "c11", "c17", "c2x"};
    compile_all(*state, 0, standards, 4);
}

static void compiles_in_every_cpp_without_a_warning(void **state)
{
    static const char *const standards[] = {"c++11", "c++14", "c++17", "c++20"};
    compile_all(*state, 1, standards, 4);
}

/* ---- run ---- */

static void build(struct rig *rig, const char *compiler, const char *language, const char *standard)
{
    char std[32];
    const char *const argv[] = {compiler, "-x", language, std, include, "-o", "header", SOURCE,
                                "-x", "none", TEST_BIN "/lib/libtowbar.so",
                                "-Wl,-rpath," TEST_BIN "/lib",
                                /* the runtime that an instrumented library leaves to the program */
                                TEST_SANITIZE[0] ? "-fsanitize=" TEST_SANITIZE : NULL, NULL};
    snprintf(std, sizeof(std), "-std=%s", standard);
    if (rig_tool(rig, argv) != 0)
        fail_msg("%s -std=%s: %s", compiler, standard, rig->err);
}

static const char *find_record(const struct rig *rig, const char *text)
{
    for (size_t i = 0; i < rig->n_records; i++) {
        if (strstr(rig->records[i].data, text))
            return rig->records[i].data;
    }
    fail_msg("no report with %s", text);
    return NULL;
}

static void assert_reports(struct rig *rig)
{
    assert_int_equal(rig_read(rig), 5);
    const char *record = find_record(rig, "\"the header, as it is\"");
    rig_assert_has(record, "programs/header.c\"");
    rig_assert_has(record, "\"report\"");
    rig_assert_has(record, "0af7651916cd43dd8448eb211c80319c");
    rig_assert_has(record, "\"job\":\"plain\"");
    rig_assert_has(record, "\"number\":\"7\"");
    find_record(rig, "number 1, a warning");
    find_record(rig, "open /no/such: No such file or directory");
    find_record(rig, "through a macro of the host: 0");
    assert_string_equal(rig->records[0].process.service, "header");
    assert_string_equal(rig->records[0].process.version, "1.2");
}

static void run_as(struct rig *rig, const char *language, const char *standard)
{
#ifdef __clang__
    const char *compiler = compilers[1][strcmp(language, "c++") == 0];
#else
    const char *compiler = compilers[0][strcmp(language, "c++") == 0];
#endif
    const char *const argv[] = {"./header", NULL};
    if (!is_usable(rig, compiler, language, standard))
        skip();
    build(rig, compiler, language, standard);
    setenv("TOWBAR_SPOOL", rig->spool, 1);
    int status = rig_tool(rig, argv);
    unsetenv("TOWBAR_SPOOL");
    if (status != 0)
        fail_msg("%s program: %d %s%s", standard, status, rig->out, rig->err);
    assert_reports(rig);
}

static void c99_program_reports(void **state)
{
    run_as(*state, "c", "c99");
}

static void cpp11_program_reports(void **state)
{
    run_as(*state, "c++", "c++11");
}

static void cpp20_program_reports(void **state)
{
    run_as(*state, "c++", "c++20");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE(compiles_in_every_c_without_a_warning),
        CASE(compiles_in_every_cpp_without_a_warning),
        CASE(c99_program_reports),
        CASE(cpp11_program_reports),
        CASE(cpp20_program_reports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
