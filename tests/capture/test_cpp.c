/* C++ around the library: a trace as a value in lambdas and coroutines, and
 * towbar/opentelemetry.hpp with a stand-in of the API that it is for, and with the real one where
 * that is: installed, or in the folder that OPENTELEMETRY_CPP_API names. */
#include "rig.h"

static const char ours[] = "-I" TEST_SOURCE "/include";
static const char bridge[] = TEST_SOURCE "/tests/capture/programs/bridge.cc";
static const char jobs[] = TEST_SOURCE "/tests/capture/programs/jobs.cc";
static const char stand_in[] = TEST_SOURCE "/tests/capture/programs/otel";

static void build(struct rig *rig, const char *standard, const char *source, const char *api)
{
    char folder[512];
    const char *const argv[] = {"c++",
                                standard,
                                "-Wall",
                                "-Wextra",
                                "-Werror",
                                "-g",
                                "-pthread",
                                ours,
                                "-isystem",
                                folder,
                                "-o",
                                "program",
                                source,
                                TEST_BIN "/lib/libtowbar.so",
                                "-Wl,-rpath," TEST_BIN "/lib",
                                TEST_SANITIZE[0] ? "-fsanitize=" TEST_SANITIZE : NULL,
                                NULL};
    snprintf(folder, sizeof(folder), "%s", api);
    int status = rig_tool(rig, argv);
    if (status < 0) {
        print_message("there is no c++: skipped\n");
        skip();
    }
    if (status != 0)
        fail_msg("%s: %s", api, rig->err);
}

static void run(struct rig *rig, const char *api)
{
    const char *const argv[] = {"./program", NULL};
    build(rig, "-std=c++14", bridge, api);
    setenv("TOWBAR_SPOOL", rig->spool, 1);
    int status = rig_tool(rig, argv);
    unsetenv("TOWBAR_SPOOL");
    if (status != 0)
        fail_msg("%s: %d %s", api, status, rig->err);
    rig_assert_has(rig_only(rig, TB_KIND_NATIVE)->data,
                   "\"trace_id\":\"44444444444444444444444444444444\","
                   "\"span_id\":\"0606060606060606\"");
}

static void the_active_span_is_the_active_trace(void **state)
{
    run(*state, stand_in);
}

static void with_the_real_api_too(void **state)
{
    const char *api = getenv("OPENTELEMETRY_CPP_API");
    if (!api)
        api = "/usr/include";
    char header[512];
    snprintf(header, sizeof(header), "%s/opentelemetry/context/runtime_context.h", api);
    if (access(header, R_OK) != 0) {
        print_message("opentelemetry-cpp is not here: skipped\n");
        skip();
    }
    run(*state, api);
}

static void a_trace_is_a_value_for_lambdas_and_coroutines(void **state)
{
    static const char *const standards[] = {"-std=c++14", "-std=c++20"};
    struct rig *rig = *state;
    const char *const argv[] = {"./program", NULL};
    for (size_t i = 0; i < 2; i++) {
        build(rig, standards[i], jobs, stand_in);
        int status = rig_tool(rig, argv);
        if (status != 0)
            fail_msg("%s: %d %s", standards[i], status, rig->err);
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE(the_active_span_is_the_active_trace),
        CASE(with_the_real_api_too),
        CASE(a_trace_is_a_value_for_lambdas_and_coroutines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
