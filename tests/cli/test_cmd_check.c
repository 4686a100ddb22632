/* test_cmd_check.c - the list of what is ready and what is not. */
#include "fake_agent.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

static const char token[] = "0123456789abcdef0123456789abcdef";

static void a_fresh_host_is_ready(void **state)
{
    struct run *run = *state;
    assert_int_equal(run_here(run, "check"), 0);
    run_has(run->out, "ok    config");
    run_has(run->out, "-     spool");
    run_has(run->out, "-     state");
    run_has(run->out, "-     socket");
    run_has(run->out, "ok    port");
    run_has(run->out, "-     token");
    run_has(run->out, "ok    libunwind");
    run_has(run->out, "ok    libdw");
    run_has(run->out, "Ready.");
}

static void checking_changes_nothing(void **state)
{
    struct run *run = *state;
    assert_int_equal(run_here(run, "check"), 0);
    assert_int_equal(access(run->spool, F_OK), -1);
    assert_int_equal(access(run->state, F_OK), -1);
}

static void an_unknown_key_is_named(void **state)
{
    struct run *run = *state;
    FILE *config = fopen(run->config, "we");
    assert_non_null(config);
    fputs("enviroment: test\n", config);
    fclose(config);
    assert_int_equal(run_here(run, "check"), 1);
    run_has(run->out, "FAIL  config");
    run_has(run->out, "enviroment");
    run_has(run->out, "Nothing else can be checked");
}

static void a_token_is_judged_by_its_shape_and_never_shown(void **state)
{
    struct run *run = *state;
    setenv("ROLLBAR_ACCESS_TOKEN", token, 1);
    assert_int_equal(run_here(run, "check"), 0);
    run_has(run->out, "ok    token      from ROLLBAR_ACCESS_TOKEN");
    run_has_not(run->out, token);
    setenv("ROLLBAR_ACCESS_TOKEN", "shortsecret", 1);
    assert_int_equal(run_here(run, "check"), 1);
    run_has(run->out, "FAIL  token");
    run_has(run->out, "11 characters");
    run_has_not(run->out, "shortsecret");
    unsetenv("ROLLBAR_ACCESS_TOKEN");
}

static void a_port_in_use_is_named(void **state)
{
    struct run *run = *state;
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    char listen_at[32];
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    snprintf(listen_at, sizeof(listen_at), "127.0.0.1:%u", ntohs(address.sin_port));
    assert_int_equal(run_here(run, "check", "--listen", listen_at), 1);
    run_has(run->out, "FAIL  port");
    run_has(run->out, listen_at);
    run_has(run->out, "in use by another program");
    close(fd);
}

static void a_port_held_by_our_agent_is_fine(void **state)
{
    struct run *run = *state;
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    char reply[96];
    char listen_at[32];
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    snprintf(listen_at, sizeof(listen_at), "127.0.0.1:%u", ntohs(address.sin_port));
    snprintf(reply, sizeof(reply), "{\"program\":\"towbard\",\"listen\":\"%s\"}", listen_at);
    pid_t agent = fake_start(run, reply, 0);
    int code = run_here(run, "check", "--listen", listen_at);
    fake_end(agent);
    close(fd);
    assert_int_equal(code, 0);
    run_has(run->out, "held by towbard");
    run_has(run->out, "ok    socket");
}

static void a_spool_that_cannot_be_is_said(void **state)
{
    struct run *run = *state;
    assert_int_equal(run_plain(run, "check", "--config", run->config, "--state-dir", run->state,
                               "--socket", run->socket, "--spool", "/proc/none/spool", NULL),
                     1);
    run_has(run->out, "FAIL  spool");
    run_has(run->out, "/proc/none/spool");
    assert_int_equal(run_plain(run, "check", "--config", run->config, "--state-dir", run->state,
                               "--socket", run->socket, "--spool", run->config, NULL),
                     1);
    run_has(run->out, "FAIL  spool");
}

static void a_spool_in_memory_is_warned_of(void **state)
{
    struct run *run = *state;
    struct statfs fs;
    char path[64] = "/dev/shm/towbar-check-XXXXXX";
    char in[80];
    if (statfs("/dev/shm", &fs) != 0 || fs.f_type != TMPFS_MAGIC || !mkdtemp(path)) {
        print_message("no tmpfs at /dev/shm: skipped\n");
        skip();
    }
    snprintf(in, sizeof(in), "%s/in", path);
    assert_int_equal(mkdir(in, 0700), 0);
    assert_int_equal(run_plain(run, "check", "--config", run->config, "--state-dir", run->state,
                               "--socket", run->socket, "--spool", path, NULL),
                     0);
    rmdir(in);
    rmdir(path);
    run_has(run->out, "warn  spool");
    run_has(run->out, "is on tmpfs, which is memory");
    run_has(run->out, "Ready.");
}

static void a_database_that_is_none_is_said(void **state)
{
    struct run *run = *state;
    char path[128];
    run_fill(run);
    assert_int_equal(run_here(run, "check"), 0);
    run_has(run->out, "2 items, 3 occurrences");
    snprintf(path, sizeof(path), "%s/towbar.db", run->state);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    for (int i = 0; i < 200; i++)
        fputs("this is no database, whatever it is called\n", file);
    fclose(file);
    assert_int_equal(run_here(run, "check"), 1);
    run_has(run->out, "FAIL  state");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, run_setup, run_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_fresh_host_is_ready),           TEST(checking_changes_nothing),
        TEST(an_unknown_key_is_named),         TEST(a_token_is_judged_by_its_shape_and_never_shown),
        TEST(a_port_in_use_is_named),          TEST(a_port_held_by_our_agent_is_fine),
        TEST(a_spool_that_cannot_be_is_said),  TEST(a_spool_in_memory_is_warned_of),
        TEST(a_database_that_is_none_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
