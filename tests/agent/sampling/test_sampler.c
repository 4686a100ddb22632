/* test_sampler.c - the agent's sampling rules: of the file, and of a scripted X-Ray daemon. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "../http_server.h"
#include "agent/sampling/sampler.h"
#include "base/fd.h"

#define RULE(name, rate)                                                                           \
    "{\"SamplingRule\":{\"RuleName\":\"" name "\",\"ResourceARN\":\"*\",\"Priority\":1,"           \
    "\"FixedRate\":" rate ",\"ReservoirSize\":0,\"ServiceName\":\"*\",\"ServiceType\":\"*\","      \
    "\"Host\":\"*\",\"HTTPMethod\":\"*\",\"URLPath\":\"*\",\"Version\":1}}"

enum { WAIT_S = 20, STEP_MS = 5, N_STEPS = WAIT_S * 1000 / STEP_MS, TEXT = 64 };

struct fixture {
    char folder[TEXT], rules[TEXT + 16], address[TEXT];
    struct tb_config config;
    struct http_server *server;
    struct tb_sampler *sampler;
    bool is_refusing; /* the daemon answers 403 */
};

static struct http_answer answer(void *arg, const struct http_request *request)
{
    struct fixture *f = arg;
    if (f->is_refusing)
        return (struct http_answer){.status = 403, .body = "{\"message\":\"no\\nright\"}"};
    if (strncmp(request->head, "POST /SamplingTargets ", 22) == 0)
        return (struct http_answer){
            .status = 200,
            .body = "{\"SamplingTargetDocuments\":[{\"RuleName\":\"second\",\"FixedRate\":0}],"
                    "\"LastRuleModification\":1}"};
    if (strncmp(request->head, "POST /GetSamplingRules ", 23) != 0)
        return (struct http_answer){.status = 404};
    if (strstr(request->body, "\"NextToken\":\"t1\"") != NULL)
        return (struct http_answer){.status = 200,
                                    .body = "{\"SamplingRuleRecords\":[" RULE("second", "1") "]}"};
    return (struct http_answer){
        .status = 200,
        .body = "{\"SamplingRuleRecords\":[" RULE("first", "1") "],\"NextToken\":\"t1\"}"};
}

static int set_up(void **state)
{
    static char none[] = "";
    struct fixture *f = calloc(1, sizeof(*f));
    if (f == NULL)
        return -1;
    (void)snprintf(f->folder, sizeof(f->folder), "/tmp/test_sampler.XXXXXX");
    if (mkdtemp(f->folder) == NULL)
        return -1;
    (void)snprintf(f->rules, sizeof(f->rules), "%s/rules.json", f->folder);
    f->config.sinks.xray.sampling_rules = none;
    f->config.sinks.xray.tcp_address = none;
    f->config.sinks.xray.mode = TB_XRAY_DAEMON;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    tb_sampler_free(f->sampler);
    if (f->server != NULL)
        http_server_stop(f->server);
    http_server_free(f->server);
    (void)unlink(f->rules);
    (void)rmdir(f->folder);
    free(f);
    return 0;
}

static void write_rules(struct fixture *f, const char *text)
{
    int dirfd = open(f->folder, O_RDONLY | O_DIRECTORY);
    assert_int_equal(tb_fd_replace(dirfd, "rules.json", text, strlen(text)), 0);
    close(dirfd);
    f->config.sinks.xray.sampling_rules = f->rules;
}

static void open_sampler(struct fixture *f)
{
    char why[TB_SAMPLER_WHY] = "";
    if (tb_sampler_new(&f->config, &f->sampler, why) != 0)
        fail_msg("%s", why);
}

static void listen_as_daemon(struct fixture *f)
{
    f->server = http_server_start(0, answer, f);
    assert_non_null(f->server);
    (void)snprintf(f->address, sizeof(f->address), "127.0.0.1:%d", f->server->port);
    f->config.sinks.xray.tcp_address = f->address;
    f->config.sinks.xray.asks_daemon = true;
}

static bool decide(struct fixture *f)
{
    static const struct tb_sampling_request any;
    return tb_sampler_decide(f->sampler, &any);
}

static const char *from(struct fixture *f, size_t *n, char trouble[TB_SAMPLER_WHY])
{
    struct tb_sampler_state state;
    tb_sampler_look(f->sampler, &state);
    if (n != NULL)
        *n = state.n_rules;
    if (trouble != NULL)
        memcpy(trouble, state.trouble, TB_SAMPLER_WHY);
    return state.from;
}

/* Looks until the rules come from there. */
static void wait_for(struct fixture *f, const char *expected)
{
    for (int i = 0; i < N_STEPS && strcmp(from(f, NULL, NULL), expected) != 0; i++)
        (void)poll(NULL, 0, STEP_MS); /* there is nothing to wait on but the state */
    assert_string_equal(from(f, NULL, NULL), expected);
}

static void without_a_file_the_default_decides(void **state)
{
    struct fixture *f = *state;
    size_t n = 7;
    open_sampler(f);
    assert_string_equal(from(f, &n, NULL), "default");
    assert_int_equal(n, 0);
    assert_true(decide(f)); /* one a second */
}

static void a_file_decides(void **state)
{
    struct fixture *f = *state;
    size_t n = 0;
    write_rules(f, RULE("never", "0"));
    open_sampler(f);
    assert_string_equal(from(f, &n, NULL), "file");
    assert_int_equal(n, 1);
    for (int i = 0; i < 20; i++)
        assert_false(decide(f));
}

static void a_wrong_file_is_refused_with_its_name(void **state)
{
    struct fixture *f = *state;
    char why[TB_SAMPLER_WHY] = "";
    char expected[TB_SAMPLER_WHY];
    write_rules(f, "{\"SamplingRule\":{\"RuleName\":\"Cruddur\",\"FixedRates\":1}}");
    assert_int_equal(tb_sampler_new(&f->config, &f->sampler, why), -EINVAL);
    (void)snprintf(expected, sizeof(expected),
                   "xray.sampling_rules %s: rule \"Cruddur\": there is no member \"FixedRates\": "
                   "did you mean \"FixedRate\"?",
                   f->rules);
    assert_string_equal(why, expected);
    (void)unlink(f->rules);
    assert_int_equal(tb_sampler_new(&f->config, &f->sampler, why), -ENOENT);
    assert_non_null(strstr(why, "No such file or directory"));
    /* Nobody asks it where X-Ray is off. */
    f->config.sinks.xray.mode = TB_XRAY_OFF;
    open_sampler(f);
}

static void other_settings_count_as_a_whole_or_not_at_all(void **state)
{
    struct fixture *f = *state;
    char why[TB_SAMPLER_WHY] = "";
    char none[] = "";
    write_rules(f, RULE("never", "0"));
    open_sampler(f);
    write_rules(f, "{}");
    assert_int_equal(tb_sampler_take(f->sampler, &f->config, why), -EINVAL);
    assert_false(decide(f));
    write_rules(f, RULE("always", "1"));
    assert_int_equal(tb_sampler_take(f->sampler, &f->config, why), 0);
    assert_true(decide(f));
    assert_string_equal(from(f, NULL, NULL), "file");
    f->config.sinks.xray.sampling_rules = none;
    assert_int_equal(tb_sampler_take(f->sampler, &f->config, why), 0);
    assert_string_equal(from(f, NULL, NULL), "default");
}

/* What goes on while the file is read: NULL for nothing. */
static struct fixture *decides_meanwhile;

int __real_tb_fd_slurp(int dirfd, const char *path, struct tb_buf *out);
int __wrap_tb_fd_slurp(int dirfd, const char *path, struct tb_buf *out);

int __wrap_tb_fd_slurp(int dirfd, const char *path, struct tb_buf *out)
{
    if (decides_meanwhile != NULL)
        assert_false(decide(decides_meanwhile)); /* a held lock would be for ever */
    return __real_tb_fd_slurp(dirfd, path, out);
}

static void a_file_that_is_slow_holds_up_no_decision(void **state)
{
    struct fixture *f = *state;
    char why[TB_SAMPLER_WHY] = "";
    write_rules(f, RULE("never", "0"));
    open_sampler(f);
    write_rules(f, RULE("always", "1"));
    decides_meanwhile = f;
    assert_int_equal(tb_sampler_take(f->sampler, &f->config, why), 0);
    decides_meanwhile = NULL;
    assert_true(decide(f));
}

static void the_daemons_rules_come_in_pages_and_win(void **state)
{
    struct fixture *f = *state;
    size_t n = 0;
    char trouble[TB_SAMPLER_WHY];
    write_rules(f, RULE("never", "0"));
    listen_as_daemon(f);
    open_sampler(f);
    assert_false(decide(f));
    tb_sampler_start(f->sampler);
    wait_for(f, "service");
    (void)from(f, &n, trouble);
    assert_int_equal(n, 2);
    assert_string_equal(trouble, "");
    assert_true(decide(f));
}

/* The proxy of the environment is for what is far away, and this one takes no connection. */
static void the_daemon_is_asked_by_no_proxy(void **state)
{
    struct fixture *f = *state;
    listen_as_daemon(f);
    (void)setenv("http_proxy", "http://127.0.0.1:1", 1);
    open_sampler(f);
    tb_sampler_start(f->sampler);
    wait_for(f, "service");
    (void)unsetenv("http_proxy");
}

static void used_rules_are_reported_and_get_quotas(void **state)
{
    struct fixture *f = *state;
    listen_as_daemon(f);
    open_sampler(f);
    tb_sampler_start(f->sampler);
    wait_for(f, "service");
    assert_true(decide(f));
    /* The next look at quotas is 10 s off: the same settings again make it look now. */
    char why[TB_SAMPLER_WHY];
    char *address = f->config.sinks.xray.tcp_address;
    char other[TEXT];
    (void)snprintf(other, sizeof(other), "localhost:%d", f->server->port);
    f->config.sinks.xray.tcp_address = other;
    assert_int_equal(tb_sampler_take(f->sampler, &f->config, why), 0);
    assert_true(
        http_server_wait(f->server, 5, WAIT_S * 1000)); /* two pages, twice, and the report */
    struct http_request *report = &f->server->requests[4];
    assert_memory_equal(report->head, "POST /SamplingTargets ", 22);
    assert_non_null(strstr(report->body, "\"RuleName\":\"first\""));
    assert_non_null(strstr(report->body, "\"RequestCount\":1,\"SampledCount\":1,"));
    f->config.sinks.xray.tcp_address = address;
}

static void where_all_are_sent_nobody_is_asked_for_rules(void **state)
{
    struct fixture *f = *state;
    char why[TB_SAMPLER_WHY];
    listen_as_daemon(f);
    f->config.sinks.xray.sends_unsampled = true;
    open_sampler(f);
    tb_sampler_start(f->sampler);
    assert_false(http_server_wait(f->server, 1, STEP_MS));
    f->config.sinks.xray.sends_unsampled = false;
    assert_int_equal(tb_sampler_take(f->sampler, &f->config, why), 0);
    wait_for(f, "service");
}

static void a_daemon_that_refuses_leaves_the_file(void **state)
{
    struct fixture *f = *state;
    char trouble[TB_SAMPLER_WHY] = "";
    write_rules(f, RULE("always", "1"));
    listen_as_daemon(f);
    f->is_refusing = true;
    open_sampler(f);
    tb_sampler_start(f->sampler);
    for (int i = 0; i < N_STEPS && trouble[0] == '\0'; i++) {
        (void)poll(NULL, 0, STEP_MS);
        assert_string_equal(from(f, NULL, trouble), "file");
    }
    assert_string_equal(trouble, "it answers 403: {\"message\":\"no\\nright\"}");
    assert_true(decide(f));
}

static void a_sampler_ends_while_the_daemon_is_silent(void **state)
{
    struct fixture *f = *state;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(at);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    (void)snprintf(f->address, sizeof(f->address), "127.0.0.1:%d", ntohs(at.sin_port));
    f->config.sinks.xray.tcp_address = f->address;
    f->config.sinks.xray.asks_daemon = true;
    open_sampler(f);
    tb_sampler_start(f->sampler);
    int peer = accept(fd, NULL, NULL); /* it is asking */
    assert_true(peer >= 0);
    tb_sampler_free(f->sampler);
    f->sampler = NULL;
    close(peer);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_a_file_the_default_decides, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_decides, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_wrong_file_is_refused_with_its_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_settings_count_as_a_whole_or_not_at_all, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_is_slow_holds_up_no_decision, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_daemons_rules_come_in_pages_and_win, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_daemon_is_asked_by_no_proxy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(used_rules_are_reported_and_get_quotas, set_up, tear_down),
        cmocka_unit_test_setup_teardown(where_all_are_sent_nobody_is_asked_for_rules, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_daemon_that_refuses_leaves_the_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_sampler_ends_while_the_daemon_is_silent, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
