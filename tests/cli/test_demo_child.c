/* test_demo_child.c - the processes of the demo: output, settings, end. */
#include "run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "cli/demo.h"

/* A demo that has a folder and settings but started nothing. */
static struct tb_demo demo_of(struct run *run)
{
    struct tb_demo demo = {.agent = {.name = "child", .output_fd = -1}};
    memcpy(demo.dir, run->dir, sizeof(run->dir));
    demo.config.spool = run->spool;
    demo.config.socket = run->socket;
    return demo;
}

static int start_shell(struct tb_demo *demo, const char *script)
{
    char *const argv[] = {(char[]){"/bin/sh"}, (char[]){"-c"}, strdup(script), NULL};
    int err = tb_demo_start(demo, &demo->agent, argv);
    free(argv[2]);
    return err;
}

static void lines_are_read_until_it_ends(void **state)
{
    struct tb_demo demo = demo_of(*state);
    char line[8];
    assert_int_equal(start_shell(&demo, "echo one; printf '\\nmore than fits'"), 0);
    assert_int_equal(tb_demo_read_line(&demo.agent, line, sizeof(line)), 0);
    assert_string_equal(line, "one");
    assert_int_equal(tb_demo_read_line(&demo.agent, line, sizeof(line)), 0);
    assert_string_equal(line, "");
    assert_int_equal(tb_demo_read_line(&demo.agent, line, sizeof(line)), 0);
    assert_string_equal(line, "more th");
    assert_int_equal(tb_demo_read_line(&demo.agent, line, sizeof(line)), 0);
    assert_string_equal(line, "an fits");
    assert_int_equal(tb_demo_read_line(&demo.agent, line, sizeof(line)), -EPIPE);
    tb_demo_stop(&demo.agent, 0);
    assert_true(WIFEXITED(demo.agent.status));
}

static void the_callers_settings_do_not_reach_it(void **state)
{
    struct run *run = *state;
    struct tb_demo demo = demo_of(run);
    char line[256];
    setenv("ROLLBAR_ACCESS_TOKEN", "secret", 1);
    setenv("TOWBAR_SPOOL", "/elsewhere", 1);
    setenv("TRACEPARENT", "00-1", 1);
    assert_int_equal(
        start_shell(&demo, "echo \"$ROLLBAR_ACCESS_TOKEN|$TRACEPARENT|$TOWBAR_SPOOL\""), 0);
    assert_int_equal(tb_demo_read_line(&demo.agent, line, sizeof(line)), 0);
    tb_demo_stop(&demo.agent, 0);
    assert_int_equal(strncmp(line, "||", 2), 0);
    assert_string_equal(line + 2, run->spool);
    demo.sends = 1;
    assert_int_equal(start_shell(&demo, "echo \"$ROLLBAR_ACCESS_TOKEN\""), 0);
    assert_int_equal(tb_demo_read_line(&demo.agent, line, sizeof(line)), 0);
    tb_demo_stop(&demo.agent, 0);
    assert_string_equal(line, "secret");
    unsetenv("ROLLBAR_ACCESS_TOKEN");
    unsetenv("TOWBAR_SPOOL");
    unsetenv("TRACEPARENT");
}

static void what_it_had_started_ends_with_it(void **state)
{
    struct tb_demo demo = demo_of(*state);
    char line[32];
    assert_int_equal(start_shell(&demo, "sleep 1000 & echo $!; wait"), 0);
    assert_int_equal(tb_demo_read_line(&demo.agent, line, sizeof(line)), 0);
    int kept = dup(demo.agent.output_fd);
    tb_demo_stop(&demo.agent, SIGKILL);
    assert_true(WIFSIGNALED(demo.agent.status));
    assert_int_equal(demo.agent.pid, 0);
    /* The pipe ends when the last one that could write to it is gone. */
    struct pollfd end = {.fd = kept, .events = POLLIN};
    assert_int_equal(poll(&end, 1, 10000), 1);
    assert_int_equal(read(kept, line, sizeof(line)), 0);
    close(kept);
}

static void a_program_that_is_not_there_ends_at_once(void **state)
{
    struct tb_demo demo = demo_of(*state);
    char line[32];
    char *const argv[] = {(char[]){"/nonexistent/towbard"}, NULL};
    assert_int_equal(tb_demo_start(&demo, &demo.agent, argv), 0);
    assert_int_equal(tb_demo_read_line(&demo.agent, line, sizeof(line)), -EPIPE);
    tb_demo_stop(&demo.agent, 0);
    assert_int_equal(WEXITSTATUS(demo.agent.status), 127);
}

static int n_asked;

static int ready_at_the_third(struct tb_demo *demo)
{
    (void)demo;
    return ++n_asked == 3;
}

static int broken(struct tb_demo *demo)
{
    (void)demo;
    return -ECHILD;
}

static void waiting_ends_when_it_is_so(void **state)
{
    struct tb_demo demo = demo_of(*state);
    n_asked = 0;
    assert_int_equal(tb_demo_wait(&demo, ready_at_the_third), 0);
    assert_int_equal(n_asked, 3);
    assert_int_equal(tb_demo_wait(&demo, broken), -ECHILD);
}

static void a_signal_ends_the_waiting(void **state)
{
    struct tb_demo demo = demo_of(*state);
    n_asked = 100;
    tb_demo_catch_signals();
    assert_false(tb_demo_is_over());
    assert_int_equal(raise(SIGTERM), 0);
    assert_true(tb_demo_is_over());
    assert_int_equal(tb_demo_wait(&demo, ready_at_the_third), -EINTR);
    tb_demo_wait_for_end();
    tb_demo_catch_signals(); /* forgets it */
    assert_false(tb_demo_is_over());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, run_setup, run_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lines_are_read_until_it_ends),     TEST(the_callers_settings_do_not_reach_it),
        TEST(what_it_had_started_ends_with_it), TEST(a_program_that_is_not_there_ends_at_once),
        TEST(waiting_ends_when_it_is_so),       TEST(a_signal_ends_the_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
