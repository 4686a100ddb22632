/* The library as a file: what it needs, what it shows, what it does to its host's C++. */
#include "rig.h"

static char *path_of(const char *name)
{
    static char path[512];
    snprintf(path, sizeof(path), "%s/%s", TEST_BIN, name);
    return path;
}

static void need_tool(int status)
{
    if (status >= 0)
        return;
    print_message("the tool is not here: skipped\n");
    skip();
}

static void needs_the_c_library_alone(void **state)
{
    struct rig *rig = *state;
    const char *const argv[] = {"readelf", "-dW", path_of("lib/libtowbar.so"), NULL};
    need_tool(rig_tool(rig, argv));
    rig_assert_has(rig->out, "(NEEDED)             Shared library: [libc.so.6]");
    rig_assert_has(rig->out, "SONAME");
    rig_assert_has(rig->out, "[libtowbar.so.0]");
    if (strstr(rig->out, "libasan") || strstr(rig->out, "libubsan") ||
        strstr(rig->out, "libtsan")) {
        print_message("built with a sanitizer, whose runtime is needed too: skipped\n");
        skip();
    }
    const char *first = strstr(rig->out, "(NEEDED)");
    assert_null(strstr(first + 1, "(NEEDED)"));
    rig_assert_has(rig->out, "BIND_NOW");
    rig_assert_has(rig->out, "NODELETE");
    assert_null(strstr(rig->out, "TEXTREL"));
}

/* In front of the C library's, without a version: docs/design.md. */
static const char *const interposed[] = {"pthread_create", "thrd_create", "dlclose", "_exit",
                                         "_Exit",          "daemon",      "prctl"};
enum { N_INTERPOSED = sizeof(interposed) / sizeof(interposed[0]), N_IN_PROGRAM = 3 };

static int is_interposed(const char *name)
{
    for (size_t i = 0; i < N_INTERPOSED; i++) {
        if (strcmp(name, interposed[i]) == 0)
            return 1;
    }
    return 0;
}

/* The names in the version script, those that are interposed, and nothing else. */
static void shows_the_api_alone(void **state)
{
    struct rig *rig = *state;
    static char map[RIG_TEXT];
    char line[128];
    size_t n_seen = 0;
    size_t n_interposed = 0;
    size_t n_wanted = 0;
    const char *const argv[] = {"nm", "-D", "--defined-only", path_of("lib/libtowbar.so"), NULL};
    need_tool(rig_tool(rig, argv));
    rig_read_file(TEST_SOURCE "/src/capture/libtowbar.map", map);
    for (char *at = strtok(rig->out, "\n"); at; at = strtok(NULL, "\n")) {
        const char *name = strrchr(at, ' ') + 1;
        if (strncmp(name, "TOWBAR_0.1", 10) == 0)
            continue;
        if (is_interposed(name)) {
            n_interposed++;
            continue;
        }
        snprintf(line, sizeof(line), "    %.*s;\n", (int)strcspn(name, "@"), name);
        rig_assert_has(map, line);
        rig_assert_has(name, "@@TOWBAR_0.1");
        n_seen++;
    }
    for (const char *at = strchr(map, '{'); (at = strchr(at, ';')); at++)
        n_wanted++;
    assert_int_equal(n_seen, n_wanted - 1); /* the end of the block */
    assert_int_equal(n_interposed, N_INTERPOSED);
}

static void thread_context_is_among_the_dynamic_symbols(void **state)
{
    static const char *const files[] = {"lib/libtowbar.so", "tests/programs/victim_static"};
    struct rig *rig = *state;
    for (size_t i = 0; i < 2; i++) {
        const char *const argv[] = {"readelf", "--dyn-syms", "-W", path_of(files[i]), NULL};
        need_tool(rig_tool(rig, argv));
        const char *at = strstr(rig->out, "otel_thread_ctx_v1");
        assert_non_null(at);
        while (at > rig->out && at[-1] != '\n')
            at--;
        snprintf(rig->err, 128, "%.100s", at);
        rig_assert_has(rig->err, " TLS ");
        rig_assert_has(rig->err, " GLOBAL ");
        rig_assert_has(rig->err, " DEFAULT ");
    }
}

/* Whoever of the C++ side asked for symbol got libgcc's. (libunwind binds its own to itself.) */
static void assert_bound_to_libgcc(const char *bindings, const char *symbol)
{
    static const char *const askers[] = {"libstdc++.so.6 [0] to ", "thrower.so [0] to "};
    char text[96];
    char line[512];
    size_t n = 0;
    snprintf(text, sizeof(text), ": normal symbol `%s'", symbol);
    for (const char *at = bindings; *at; at += strcspn(at, "\n") + 1) {
        snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"), at);
        for (size_t i = 0; i < 2; i++) {
            if (!strstr(line, askers[i]) || !strstr(line, text))
                continue;
            if (!strstr(line, "/libasan.so")) /* which hands it on */
                rig_assert_has(line, "libgcc_s.so.1 [0]: normal");
            n++;
        }
    }
    assert_true(n > 0);
}

/* Runs argv with the loader's word on who was bound to whom, read into bindings. */
static int run_traced(struct rig *rig, const char *const argv[], char *bindings, size_t cap)
{
    char name[96];
    char spool[96];
    snprintf(spool, sizeof(spool), "%s/spool", rig->folder);
    setenv("TOWBAR_SPOOL", spool, 1);
    setenv("LD_DEBUG", "bindings", 1);
    setenv("LD_DEBUG_OUTPUT", "bindings", 1);
    setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
    int status = rig_tool(rig, argv);
    unsetenv("LD_DEBUG");
    unsetenv("LD_DEBUG_OUTPUT");
    unsetenv("TOWBAR_SPOOL");
    unsetenv("ASAN_OPTIONS");
    snprintf(name, sizeof(name), "%s/bindings.%d", rig->folder, (int)rig->pid);
    FILE *file = fopen(name, "r");
    assert_non_null(file);
    bindings[fread(bindings, 1, cap - 1, file)] = '\0';
    fclose(file);
    return status;
}

static char bindings[4 << 20];

/* Whatever version a caller asks for. */
static void callers_are_bound_to_the_interposed_names(void **state)
{
    struct rig *rig = *state;
    char text[192];
    if (TEST_SANITIZE[0]) {
        print_message("a sanitizer's own come first: skipped\n");
        skip();
    }
    const char *const argv[] = {path_of("tests/programs/interposed"), "stacks", NULL};
    int status = run_traced(rig, argv, bindings, sizeof(bindings));
    assert_int_equal(status, 0);
    for (size_t i = 0; i < N_IN_PROGRAM; i++) { /* the first of them are what it calls */
        int n = 0;
        snprintf(text, sizeof(text), "normal symbol `%s'", interposed[i]);
        for (char *at = bindings; (at = strstr(at, text)); at++) {
            char *line = at;
            while (line > bindings && line[-1] != '\n')
                line--;
            snprintf(rig->err, 512, "%.*s", (int)(at - line), line);
            /* The library's own question is for the next one. */
            if (!strstr(rig->err, "libtowbar.so.0 [0] to "))
                rig_assert_has(rig->err, "libtowbar.so.0 [0]: ");
            n++;
        }
        assert_true(n >= 2);
    }
}

/* libunwind exports _Unwind_RaiseException too; named as a dependency it would take over. */
static void exceptions_of_a_late_plugin_stay_with_libgcc(void **state)
{
    struct rig *rig = *state;
    const char *const build[] = {"c++",        "-shared",
                                 "-fPIC",      "-o",
                                 "thrower.so", TEST_SOURCE "/tests/capture/programs/thrower.cc",
                                 NULL};
    const char *const host[] = {path_of("tests/programs/plugin_host"), "./thrower.so", NULL};
    int status = rig_tool(rig, build);
    need_tool(status);
    assert_int_equal(status, 0);
    status = run_traced(rig, host, bindings, sizeof(bindings));
    if (status != 0)
        fail_msg("plugin_host: %d %s%s", status, rig->out, rig->err);
    rig_assert_has(rig->out, "answer 42");
    rig_assert_has(bindings, "libunwind"); /* it was there to be taken */
    assert_bound_to_libgcc(bindings, "_Unwind_RaiseException");
    assert_bound_to_libgcc(bindings, "_Unwind_Resume");
    assert_int_equal(rig_read(rig), 2);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE(needs_the_c_library_alone),
        CASE(shows_the_api_alone),
        CASE(thread_context_is_among_the_dynamic_symbols),
        CASE(callers_are_bound_to_the_interposed_names),
        CASE(exceptions_of_a_late_plugin_stay_with_libgcc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
