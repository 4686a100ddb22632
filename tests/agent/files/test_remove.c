/* Which .rollbar files are done with for good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/wait.h>

#include "../support/folder.h"
#include "agent/files/remove.h"
#include "base/clock.h"

static void names_of_writers_that_end_are_told_from_others(void **state)
{
    static const struct {
        const char *name;
        int pid; /* -1: none of them */
    } cases[] = {
        {"rollbar-relay.123.1700000000.1234.rollbar", 123},
        {"rollbar-relay.1.17.rollbar", 1},
        {"app_processed_1700000000.rollbar", 0},
        {"log.rollbar", -1},
        {"rollbar-relay.rollbar", -1},
        {"rollbar-relay.x.1.rollbar", -1},
        {"rollbar-relay.0.1.rollbar", -1},
        {"rollbar-relay.1.x.rollbar", -1},
        {"rollbar-relay.12345678901.1.rollbar", -1},
        {"rollbar-relay.1.1.rollbar.1", -1},
        {"_processed_1.rollbar", -1},
        {"app_processed_.rollbar", -1},
        {"app_processed_1x.rollbar", -1},
        {".rollbar", -1},
        {"", -1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int pid = -1;
        bool is_one = tb_remove_name(cases[i].name, &pid);
        if (is_one != (cases[i].pid >= 0) || (is_one && pid != cases[i].pid))
            fail_msg("%s", cases[i].name);
    }
}

static void a_process_that_lives_or_lived_then_is_not_gone(void **state)
{
    int64_t now_ns = (int64_t)tb_clock_wall_ns();
    int64_t day_ns = (int64_t)86400 * TB_NS_PER_S;
    (void)state;
    assert_false(tb_remove_is_gone(getpid(), now_ns));
    assert_true(tb_remove_is_gone(getpid(), now_ns - day_ns * 365)); /* its number was another's */
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(tb_remove_is_gone(child, now_ns));
}

static void a_file_that_is_open_for_writing_is_not_closed(void **state)
{
    const char *path = put_file("a", "x");
    int reader = open(path, O_RDONLY | O_CLOEXEC);
    int writer = open(path, O_WRONLY | O_CLOEXEC);
    (void)state;
    assert_true(reader >= 0 && writer >= 0);
    assert_false(tb_remove_is_closed(reader));
    close(writer);
    assert_true(tb_remove_is_closed(reader));
    writer = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC); /* the lease is given back */
    assert_true(writer >= 0);
    close(writer);
    close(reader);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_test_folder, remove_test_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_writers_that_end_are_told_from_others),
        cmocka_unit_test(a_process_that_lives_or_lived_then_is_not_gone),
        TEST(a_file_that_is_open_for_writing_is_not_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
