/* test_cmd_check.c - the list of what is ready and what is not. */
#include "fake_agent.h"

#include "cli/check.h"

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
    run_has(run->out, "  disk ");
    run_has(run->out, "  clock ");
    run_has(run->out, "core_pattern");
}

static void an_agent_that_does_not_run_is_said_and_is_no_failure(void **state)
{
    struct run *run = *state;
    assert_int_equal(run_here(run, "check"), 0);
    run_has(run->out, "warn  agent      towbard is not running");
    run_has(run->out, "Nothing to mend, but towbard is not running: start it.");
    run_has_not(run->out, "Ready.");
}

static void a_file_is_checked_as_the_settings(void **state)
{
    struct run *run = *state;
    char path[128];
    snprintf(path, sizeof(path), "%s/next.yaml", run->dir);
    FILE *next = fopen(path, "we");
    assert_non_null(next);
    fputs("listen: 127.0.0.1:0\nlog_format: xml\n", next);
    fclose(next);
    assert_int_equal(
        run_plain(run, "check", path, "--state-dir", run->state, "--spool", run->spool, NULL), 1);
    run_has(run->out, "FAIL  config     log_format");
    run_has(run->out, path);
    assert_int_equal(run_plain(run, "check", path, "--config", run->config, NULL), 2);
    run_has(run->err, "not both");
    assert_int_equal(run_plain(run, "check", "/no/such/file.yaml", NULL), 1);
    run_has(run->out, "/no/such/file.yaml");
}

/* Each line is an object, the last one is about all of it. */
static void json_is_an_object_a_line(void **state)
{
    struct run *run = *state;
    int n = 0;
    cJSON *last = NULL;
    assert_int_equal(run_here(run, "check", "--json", "--offline"), 0);
    for (char *line = run->out; *line != '\0'; n++) {
        char *end = strchr(line, '\n');
        assert_non_null(end);
        *end = '\0';
        cJSON_Delete(last);
        last = cJSON_Parse(line);
        assert_non_null(cJSON_GetStringValue(cJSON_GetObjectItem(last, "what")));
        assert_non_null(cJSON_GetStringValue(cJSON_GetObjectItem(last, "outcome")));
        line = end + 1;
    }
    assert_true(n > 10);
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(last, "what")), "all");
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(last, "agent")), "down");
    assert_int_equal(cJSON_GetObjectItem(last, "failed")->valueint, 0);
    cJSON_Delete(last);
}

static int listen_somewhere(char url[64])
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    snprintf(url, 64, "http://127.0.0.1:%u/api/1/item/", ntohs(address.sin_port));
    return fd;
}

static void the_way_to_rollbar_is_tried_and_nothing_is_sent(void **state)
{
    struct run *run = *state;
    char url[64];
    char byte;
    int fd = listen_somewhere(url);
    setenv("ROLLBAR_ENDPOINT", url, 1);
    setenv("ROLLBAR_ACCESS_TOKEN", token, 1);
    setenv("no_proxy", "127.0.0.1", 1);
    int code = run_here(run, "check");
    int peer = accept(fd, NULL, NULL);
    ssize_t got = recv(peer, &byte, 1, 0);
    close(peer);
    assert_int_equal(code, 0);
    assert_int_equal(got, 0); /* it hung up without a word */
    run_has(run->out, "ok    rollbar    http://127.0.0.1:");
    assert_int_equal(run_here(run, "check", "--offline"), 0);
    run_has(run->out, "-     rollbar    not asked");
    close(fd);
    code = run_here(run, "check");
    unsetenv("ROLLBAR_ENDPOINT");
    unsetenv("ROLLBAR_ACCESS_TOKEN");
    assert_int_equal(code, 1);
    run_has(run->out, "FAIL  rollbar");
    run_has(run->out, "cannot be connected to");
}

static void write_config(const struct run *run, const char *more)
{
    FILE *config = fopen(run->config, "we");
    assert_non_null(config);
    fprintf(config, "environment: test\nlisten: 127.0.0.1:0\n%s", more);
    fclose(config);
}

static void files_of_the_settings_are_looked_at(void **state)
{
    struct run *run = *state;
    char more[512];
    snprintf(more, sizeof(more),
             "rollbar_files:\n  paths: [\"%s/*.rollbar\"]\nlog_files:\n  - path: %s\n", run->dir,
             run->config);
    write_config(run, more);
    assert_int_equal(run_here(run, "check", "--offline"), 0);
    run_has(run->out, "-     files      rollbar_files: nothing is at");
    run_has(run->out, "ok    files      log_files:");
}

static void a_certificate_that_is_none_is_said(void **state)
{
    struct run *run = *state;
    struct tb_config config = {.tls_cert_file = run->config, .tls_key_file = run->config};
    struct tb_check check = {.config = &config, .is_json = 0};
    tb_check_tls(&check);
    assert_int_equal(check.n_failed, 1);
    config.tls_cert_file = (char[]){"/no/such/cert.pem"};
    tb_check_tls(&check);
    assert_int_equal(check.n_failed, 2);
    config.tls_cert_file = config.tls_key_file = (char[]){""};
    tb_check_tls(&check);
    assert_int_equal(check.n_failed, 2);
}

static void a_unit_that_hides_what_is_named_is_warned_of(void **state)
{
    struct run *run = *state;
    char *root = (char[]){"/home/build/src"};
    struct tb_config config = {.spool = (char[]){"/var/spool/towbar"},
                               .state_dir = (char[]){"/var/lib/towbar"},
                               .shared_spool = 1,
                               .source_roots = &root,
                               .n_source_roots = 1};
    struct tb_check check = {.config = &config, .is_json = 1};
    char path[128];
    snprintf(path, sizeof(path), "%s/towbard.service", run->dir);
    const char *const units[] = {"[Service]\nProtectHome=yes\n",
                                 "[Service]\nProtectHome=read-only\n"};
    for (size_t i = 0; i < 2; i++) {
        FILE *unit = fopen(path, "we");
        assert_non_null(unit);
        fputs(units[i], unit);
        fclose(unit);
        FILE *out = tmpfile();
        int kept = dup(STDOUT_FILENO);
        fflush(stdout);
        dup2(fileno(out), STDOUT_FILENO);
        tb_check_unit(&check, path);
        fflush(stdout);
        dup2(kept, STDOUT_FILENO);
        close(kept);
        run_take(out, run->out);
        run_has(run->out, i == 0 ? "ProtectHome of the unit hides /home/build/src"
                                 : "hides nothing that the settings name");
    }
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
    assert_int_equal(run_here(run, "check", "--offline"), 0);
    run_has(run->out, "ok    token      from ROLLBAR_ACCESS_TOKEN");
    run_has_not(run->out, token);
    setenv("ROLLBAR_ACCESS_TOKEN", "shortsecret", 1);
    assert_int_equal(run_here(run, "check", "--offline"), 1);
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
    run_has(run->out, "ok    agent");
    run_has(run->out, "Ready.");
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
    run_has(run->out, "Nothing to mend");
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
        TEST(a_fresh_host_is_ready),
        TEST(checking_changes_nothing),
        TEST(an_unknown_key_is_named),
        TEST(a_token_is_judged_by_its_shape_and_never_shown),
        TEST(a_port_in_use_is_named),
        TEST(a_port_held_by_our_agent_is_fine),
        TEST(a_spool_that_cannot_be_is_said),
        TEST(a_spool_in_memory_is_warned_of),
        TEST(a_database_that_is_none_is_said),
        TEST(an_agent_that_does_not_run_is_said_and_is_no_failure),
        TEST(a_file_is_checked_as_the_settings),
        TEST(json_is_an_object_a_line),
        TEST(the_way_to_rollbar_is_tried_and_nothing_is_sent),
        TEST(files_of_the_settings_are_looked_at),
        TEST(a_certificate_that_is_none_is_said),
        TEST(a_unit_that_hides_what_is_named_is_warned_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
