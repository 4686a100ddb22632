/* Quarantine keeps what came last and never more than its caps. */
#include "support.h"

#include "spool/quarantine.h"

static int open_agent(struct fixture *fixture)
{
    char path[96];
    open_spool(fixture);
    close_spool(fixture);
    (void)snprintf(path, sizeof(path), "%s/agent", fixture->path);
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void the_oldest_leave_when_the_folder_is_full(void **state)
{
    struct fixture *fixture = *state;
    enum { LEN = 4 << 20, N = 12 };
    int agent_fd = open_agent(fixture);
    uint8_t *data = malloc(LEN);
    memset(data, 0x55, LEN);
    for (int i = 0; i < N; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "thing-%02d", i);
        assert_int_equal(tb_quarantine_data(agent_fd, name, data, LEN, "a test"), 0);
        assert_int_equal(faccessat(agent_fd, "quarantine", F_OK, 0), 0);
        char kept[48];
        (void)snprintf(kept, sizeof(kept), "quarantine/%s", name);
        assert_int_equal(faccessat(agent_fd, kept, F_OK, 0), 0); /* the newest always stays */
    }
    int n = count_files(fixture, "agent/quarantine", "");
    assert_true(faccessat(agent_fd, "quarantine/thing-00", F_OK, 0) < 0);
    assert_in_range(n, 2, 2 * 8);
    free(data);
    close(agent_fd);
}

static void many_small_things_are_bounded_too(void **state)
{
    struct fixture *fixture = *state;
    int agent_fd = open_agent(fixture);
    assert_int_equal(mkdirat(agent_fd, "quarantine", 0700), 0);
    for (int i = 0; i < TB_QUARANTINE_FILES + 50; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "quarantine/old-%04d", i);
        close(openat(agent_fd, name, O_WRONLY | O_CREAT, 0600));
    }
    assert_int_equal(tb_quarantine_data(agent_fd, "newest", "x", 1, "a test"), 0);
    assert_int_equal(count_files(fixture, "agent/quarantine", ""), TB_QUARANTINE_FILES);
    assert_int_equal(faccessat(agent_fd, "quarantine/newest.why", F_OK, 0), 0);
    close(agent_fd);
}

static void what_cannot_be_moved_stays_and_is_said(void **state)
{
    struct fixture *fixture = *state;
    int agent_fd = open_agent(fixture);
    assert_int_equal(tb_quarantine_file(agent_fd, fixture->dirfd, "not there", "a test"), -ENOENT);
    assert_int_equal(unlinkat(agent_fd, "quarantine", AT_REMOVEDIR), 0);
    close(openat(agent_fd, "quarantine", O_WRONLY | O_CREAT, 0600));
    assert_true(tb_quarantine_data(agent_fd, "x", "x", 1, "a test") < 0);
    close(agent_fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_oldest_leave_when_the_folder_is_full, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(many_small_things_are_bounded_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_moved_stays_and_is_said, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
