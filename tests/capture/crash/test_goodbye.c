/* Ends without exit handlers: which of them count as a death. */
#include "rig.h"

static void assert_ends(struct rig *rig, const char *way, uint64_t n_vanished)
{
    rig_run(rig, way);
    rig_read(rig);
    if (rig->stats.n_vanished != n_vanished)
        fail_msg("%s: %d vanished; %s%s", way, (int)rig->stats.n_vanished, rig->out, rig->err);
}

static void assert_status(const struct rig *rig)
{
    assert_true(WIFEXITED(rig->status));
    assert_int_equal(WEXITSTATUS(rig->status), 7);
}

static void end_by_exit_calls_is_no_death(void **state)
{
    static const char *const ways[] = {"_exit", "_Exit", "quick_exit", "children", "daemon"};
    struct rig *rig = *state;
    rig->program = "goodbye";
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        assert_ends(rig, ways[i], 0);
        assert_status(rig);
        assert_int_equal(rig->n_records, 0);
    }
}

static void kill_is_a_death_unseen(void **state)
{
    struct rig *rig = *state;
    rig->program = "goodbye";
    assert_ends(rig, "kill", 1);
    assert_int_equal(WTERMSIG(rig->status), SIGKILL);
}

static void raw_exit_says_no_goodbye(void **state)
{
    struct rig *rig = *state;
    rig->program = "goodbye";
    assert_ends(rig, "raw", 1);
    assert_status(rig);
}

static void child_that_exits_says_nothing_for_its_parent(void **state)
{
    struct rig *rig = *state;
    rig->program = "goodbye";
    assert_ends(rig, "fork", 1);
}

static void child_by_vfork_says_nothing_for_its_parent(void **state)
{
    struct rig *rig = *state;
    rig->program = "goodbye";
    assert_ends(rig, "vfork", 1);
}

static void handler_that_ends_a_crash_by__exit_died_of_it(void **state)
{
    struct rig *rig = *state;
    rig->program = "goodbye";
    rig_run(rig, "handler");
    assert_status(rig);
    struct tb_crash crash = rig_crash(rig);
    assert_int_equal(crash.fixed.signo, SIGSEGV);
    tb_crash_done(&crash);
}

/* By the archive nothing of libc's is taken over; quick_exit is watched all the same. */
static void archive_sees_quick_exit_alone(void **state)
{
    struct rig *rig = *state;
    rig->program = "goodbye_static";
    assert_ends(rig, "quick_exit", 0);
    assert_status(rig);
    assert_ends(rig, "_exit", 1);
    assert_status(rig);
}

static void program_binds_to_the_library_and_the_library_to_libc(void **state)
{
    struct rig *rig = *state;
    char command[1024];
    const char *const argv[] = {"sh", "-c", command, NULL};
    if (TEST_SANITIZE[0]) /* its runtime may stand before us, and between */
        skip();
    snprintf(command, sizeof(command),
             "TOWBAR_SPOOL=%s LD_DEBUG=bindings '%s/tests/programs/goodbye' _exit 2>&1 | "
             "grep \"symbol \\`_exit'\"",
             rig->spool, TEST_BIN);
    assert_int_equal(rig_tool(rig, argv), 0);
    rig_assert_has(rig->out, "/libtowbar.so.0 [0]: normal symbol `_exit'");
    rig_assert_has(rig->out, "/libc.so.6 [0]: normal symbol `_exit'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
        TEST(end_by_exit_calls_is_no_death),
        TEST(kill_is_a_death_unseen),
        TEST(raw_exit_says_no_goodbye),
        TEST(child_that_exits_says_nothing_for_its_parent),
        TEST(child_by_vfork_says_nothing_for_its_parent),
        TEST(handler_that_ends_a_crash_by__exit_died_of_it),
        TEST(archive_sees_quick_exit_alone),
        TEST(program_binds_to_the_library_and_the_library_to_libc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
