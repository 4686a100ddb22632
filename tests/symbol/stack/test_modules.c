/* test_modules.c - which files are taken for the modules that ran. */
#include "../support.h"

#include "base/clock.h"

enum { TICK_NS = 10000000 };

static struct tb_symbol_config config;

/* What is said of a program without a build ID that was written so long after its start. */
static void expect_symbols(struct subject *s, int64_t after_ns, const char *symbols)
{
    uint64_t written_ns = s->process.start_wall_ns + (uint64_t)after_ns;
    const struct timespec at = {.tv_sec = (time_t)(written_ns / TB_NS_PER_S),
                                .tv_nsec = (long)(written_ns % TB_NS_PER_S)};
    const struct timespec times[] = {at, at};
    assert_int_equal(utimensat(AT_FDCWD, s->path, times, 0), 0);
    cJSON *answer = ask(&config, s);
    assert_string_equal(symbols_of(answer, "nameless"), symbols);
    cJSON_Delete(answer);
}

static void file_without_build_id_may_be_written_in_the_tick_of_the_start(void **state)
{
    struct subject s;
    char path[512];
    char probe[512];
    (void)state;
    RUN(c_compiler(), "-c", PROBE_C, "-o", in_folder(probe, "probe.o"));
    RUN(c_compiler(), "-g", "-O2", "-Wl,--build-id=none", CHAIN_C, probe, "-o",
        in_folder(path, "nameless"));
    run_subject(path, &s);
    s.process.start_wall_ns = UINT64_C(1700000000990000000);
    expect_symbols(&s, -1, "debug");
    expect_symbols(&s, 0, "debug");
    expect_symbols(&s, TICK_NS - 1, "debug");
    expect_symbols(&s, TICK_NS, "changed");
    expect_symbols(&s, INT64_C(100) * TICK_NS, "changed");
}

static int set_up(void **state)
{
    static const char text[] = "source_root=" DATA "\n";
    return make_folder(state) == 0 ? tb_symbol_config_read(text, sizeof(text) - 1, &config) : -1;
}

static int tear_down(void **state)
{
    tb_symbol_config_done(&config);
    return remove_folder(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_without_build_id_may_be_written_in_the_tick_of_the_start),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
