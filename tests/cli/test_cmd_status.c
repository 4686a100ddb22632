/* test_cmd_status.c - what is up, what waits, and the cure. */
#include "fake_agent.h"

#include <cjson/cJSON.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "spool/counts.h"

static const char reply[] =
    "{\"program\":\"towbard\",\"listen\":\"127.0.0.1:7171\",\"version\":\"9.9\","
    "\"page\":\"http://127.0.0.1:7171/\",\"page_login\":false}";
static const char shared_reply[] =
    "{\"program\":\"towbard\",\"listen\":\"0.0.0.0:7171\",\"version\":\"9.9\","
    "\"page\":\"https://errors.example:7171/\",\"page_login\":true}";

static cJSON *status_json(struct run *run, int code)
{
    assert_int_equal(run_here(run, "status", "--json"), code);
    assert_ptr_equal(strchr(run->out, '\n'), run->out + strlen(run->out) - 1);
    cJSON *json = cJSON_Parse(run->out);
    assert_true(cJSON_IsObject(json));
    return json;
}

static int number_of(const cJSON *json, const char *key)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, key);
    if (!cJSON_IsNumber(value))
        fail_msg("no number %s", key);
    return value->valueint;
}

static const char *text_of(const cJSON *json, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, key));
    return text != NULL ? text : "";
}

static void without_an_agent_it_says_how_to_start_one(void **state)
{
    struct run *run = *state;
    assert_int_equal(run_here(run, "status"), 1);
    run_has(run->out, "not running");
    run_has(run->out, "Start the agent: towbard");
    run_has(run->out, "nothing yet in");
    run_has(run->out, run->spool);
}

static void what_was_only_counted_is_told_with_its_item(void **state)
{
    struct run *run = *state;
    struct tb_store *store = NULL;
    char why[TB_STORE_WHY];
    run_fill(run);
    assert_int_equal(run_here(run, "status"), 1);
    run_has_not(run->out, "storms");
    assert_int_equal(tb_store_open(run->state, TB_STORE_WRITE, &store, why), 0);
    for (int i = 0; i < 4; i++) {
        char uuid[8];
        snprintf(uuid, sizeof(uuid), "storm%d", i);
        const struct tb_occurrence one = {.uuid = uuid,
                                          .fingerprint = "stormy",
                                          .environment = "test",
                                          .service = "feedd",
                                          .title = "SIGFPE in mean",
                                          .level = "error",
                                          .framework = "",
                                          .trace_id = "",
                                          .xray_trace_id = "",
                                          .span_id = "",
                                          .group_inputs = "{}",
                                          .occurred_ns = 1,
                                          .received_ns = 2,
                                          .data = "{}",
                                          .data_len = 2};
        assert_true(tb_store_collapse(store, &one, NULL, NULL, 0) >= 0);
    }
    tb_store_close(store);
    assert_int_equal(run_here(run, "status"), 1);
    run_has(run->out, "storms    3 events were counted");
    run_has(run->out, "item 3, SIGFPE in mean: 3, the last ");
    cJSON *json = status_json(run, 1);
    assert_int_equal(number_of(json, "collapsed"), 3);
    assert_int_equal(number_of(json, "collapsing_items"), 1);
    cJSON_Delete(json);
}

static void with_an_agent_all_is_well(void **state)
{
    struct run *run = *state;
    run_fill(run);
    pid_t agent = fake_start(run, reply, 0);
    int code = run_here(run, "status");
    fake_end(agent);
    assert_int_equal(code, 0);
    run_has(run->out, "up, listens on 127.0.0.1:7171");
    run_has(run->out, "page      http://127.0.0.1:7171/\n");
    run_has(run->out, "2 items, 3 occurrences");
    run_has(run->out, "for Rollbar received 1 = sent 0 + dropped 0 + quarantined 0 + queued 1");
    run_has_not(run->out, "Start the agent");
}

static const char losses[] =
    "{\"program\":\"towbard\",\"spool\":{\"path\":\"/s\",\"lifetime\":{\"evicted\":{\"crash\":0,"
    "\"error\":1,\"warning\":2,\"info\":3},\"evicted_files\":4,\"evicted_bytes\":5,"
    "\"evicted_foreign\":0,\"dropped\":{\"crash\":0,\"error\":0,\"warning\":0,\"info\":0},"
    "\"lost\":7,\"vanished\":0,\"damaged\":0}}}";

static void what_was_lost_is_said_by_class(void **state)
{
    struct run *run = *state;
    run_fill(run);
    pid_t agent = fake_start(run, losses, 0);
    (void)run_here(run, "status");
    fake_end(agent);
    assert_int_equal(unlink(run->socket), 0);
    run_has(run->out,
            "  evicted   1 error, 2 warnings, 3 of info went unread because the spool was");
    run_has(run->out, "7 lost by their writers");
    run_has_not(run->out, "dropped   ");
    agent = fake_start(run, losses, 0);
    cJSON *json = status_json(run, 0);
    fake_end(agent);
    const cJSON *lifetime = cJSON_GetObjectItemCaseSensitive(json, "spool_lifetime");
    const cJSON *evicted = cJSON_GetObjectItemCaseSensitive(lifetime, "evicted");
    assert_int_equal(number_of(evicted, "warning"), 2);
    assert_int_equal(number_of(lifetime, "lost"), 7);
    cJSON_Delete(json);
}

static const char *const tells_of_token[] = {
    "{\"program\":\"towbard\",\"delivery\":{\"has_token\":false}}",
    "{\"program\":\"towbard\",\"delivery\":{\"has_token\":true}}"};

/* The counts hold only what a token was there for. */
/* As after towbard --once from a timer. */
static void what_was_lost_is_known_without_an_agent(void **state)
{
    struct run *run = *state;
    struct tb_spool_totals totals = {.lost = 3, .vanished = 203};
    uint8_t bytes[TB_COUNTS_BYTES];
    char path[160];
    char why[TB_STORE_WHY];
    struct tb_store *store = NULL;
    totals.evicted[TB_CLASS_INFO] = 7;
    tb_counts_pack(&totals, bytes);
    (void)mkdir(run->spool, 0700);
    snprintf(path, sizeof(path), "%s/agent", run->spool);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/agent/counts", run->spool);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
    close(fd);
    assert_int_equal(tb_store_open(run->state, TB_STORE_WRITE, &store, why), 0);
    assert_int_equal(tb_store_begin(store), 0);
    assert_int_equal(tb_store_count(store, "dropped.eagain", 24), 0);
    assert_int_equal(tb_store_count(store, "vanished.reported", 2), 0);
    assert_int_equal(tb_store_count(store, "vanished.unreported", 1), 0);
    assert_int_equal(tb_store_count(store, "vanished.told_to_end", 100), 0); /* no losses */
    assert_int_equal(tb_store_count(store, "vanished.exec", 100), 0);
    assert_int_equal(tb_store_commit(store), 0);
    tb_store_close(store);
    assert_int_equal(run_here(run, "status"), 1);
    run_has(run->out, "evicted   7 of info");
    run_has(run->out, "losses    3 lost by their writers, 3 processes died unseen\n");
    run_has(run->out, "refused   24 eagain");
    cJSON *json = status_json(run, 1);
    const cJSON *told = cJSON_GetObjectItemCaseSensitive(json, "dropped_by_programs");
    assert_int_equal(number_of(told, "eagain"), 24);
    assert_int_equal(number_of(json, "died_unseen"), 3);
    const cJSON *lifetime = cJSON_GetObjectItemCaseSensitive(json, "spool_lifetime");
    assert_int_equal(number_of(lifetime, "lost"), 3);
    cJSON_Delete(json);
    assert_int_equal(truncate(path, 100), 0); /* not whole: no numbers are better than wrong ones */
    assert_int_equal(run_here(run, "status"), 1);
    run_has_not(run->out, "evicted");
}

static void without_a_token_it_says_that_nothing_is_queued(void **state)
{
    static const char SAID[] = "no Rollbar token: errors are kept here, nothing is queued";
    struct run *run = *state;
    run_fill(run);
    for (int has_token = 0; has_token < 2; has_token++) {
        pid_t agent = fake_start(run, tells_of_token[has_token], 0);
        (void)run_here(run, "status");
        fake_end(agent);
        assert_int_equal(unlink(run->socket), 0); /* for the next one */
        run_has(run->out, "kept here 2 items, 3 occurrences");
        run_has(run->out, "for Rollbar received 1 =");
        if (has_token)
            run_has_not(run->out, SAID);
        else
            run_has(run->out, SAID);
    }
}

static void for_a_shared_agent_it_prints_the_login_link_to_who_may_read_the_token(void **state)
{
    static const char token[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    struct run *run = *state;
    char path[512];
    pid_t agent = fake_start(run, shared_reply, 0);
    run_plain(run, "status", "--config", run->config, "--state-dir", run->state, "--spool",
              "/var/spool/towbar", "--socket", run->socket, NULL);
    run_has(run->out,
            "page      https://errors.example:7171/, with the login link that towbar prints");
    run_fill(run); /* makes the state folder */
    (void)snprintf(path, sizeof(path), "%s/page-token", run->state);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(token, file) >= 0);
    assert_int_equal(fclose(file), 0);
    run_plain(run, "status", "--config", run->config, "--state-dir", run->state, "--spool",
              "/var/spool/towbar", "--socket", run->socket, NULL);
    run_has(run->out, "page      https://errors.example:7171/login?token=");
    run_has(run->out, token);
    run_plain(run, "status", "--json", "--config", run->config, "--state-dir", run->state,
              "--spool", "/var/spool/towbar", "--socket", run->socket, NULL);
    fake_end(agent);
    run_has(run->out, "\"page\":\"https://errors.example:7171/\"");
    run_has_not(run->out, token);
}

static void the_agent_says_whether_its_page_asks_for_a_login(void **state)
{
    struct run *run = *state;
    pid_t agent = fake_start(run, reply, 0);
    run_plain(run, "status", "--config", run->config, "--state-dir", run->state, "--spool",
              "/var/spool/towbar", "--socket", run->socket, NULL);
    fake_end(agent);
    run_has(run->out, "page      http://127.0.0.1:7171/\n");
}

static void the_verbless_call_names_the_next_command(void **state)
{
    struct run *run = *state;
    pid_t agent = fake_start(run, reply, 0);
    int code = run_plain(run, "--config", run->config, "--state-dir", run->state, "--spool",
                         run->spool, "--socket", run->socket, NULL);
    assert_int_equal(code, 0);
    run_has(run->out, "Next: towbar demo");
    run_fill(run);
    code = run_plain(run, "--config", run->config, "--state-dir", run->state, "--spool", run->spool,
                     "--socket", run->socket, NULL);
    fake_end(agent);
    assert_int_equal(code, 0);
    run_has(run->out, "Next: towbar items");
}

static void json_holds_the_counts(void **state)
{
    struct run *run = *state;
    run_fill(run);
    cJSON *json = status_json(run, 1);
    assert_string_equal(text_of(json, "agent"), "down");
    assert_int_equal(number_of(json, "items"), 2);
    assert_int_equal(number_of(json, "occurrences"), 3);
    assert_int_equal(number_of(json, "received"), 1);
    assert_int_equal(number_of(json, "queued"), 1);
    assert_int_equal(number_of(json, "sent") + number_of(json, "dropped") +
                         number_of(json, "quarantined") + number_of(json, "parked"),
                     0);
    assert_string_equal(text_of(json, "state_dir"), run->state);
    cJSON_Delete(json);
}

static void json_says_where_the_agent_listens(void **state)
{
    struct run *run = *state;
    pid_t agent = fake_start(run, reply, 0);
    cJSON *json = status_json(run, 0);
    fake_end(agent);
    assert_string_equal(text_of(json, "agent"), "up");
    assert_string_equal(text_of(json, "listen"), "127.0.0.1:7171");
    assert_string_equal(text_of(json, "version"), "9.9");
    assert_int_equal(number_of(json, "occurrences"), 0);
    cJSON_Delete(json);
}

static void refuse_one(struct run *run, int parked)
{
    char why[TB_STORE_WHY];
    struct tb_store *store = NULL;
    assert_int_equal(tb_store_open(run->state, TB_STORE_WRITE, &store, why), 0);
    if (parked)
        assert_true(tb_store_park(store, "rollbar", "", 1, "HTTP 403: \x1b[31minvalid token") >= 0);
    struct tb_outbox_token token;
    struct tb_outbox_key key;
    assert_int_equal(tb_store_tokens(store, "rollbar", 0, INT64_MAX, &token, 1), parked ? 0 : 1);
    /* Any one. */
    for (int class_ = parked ? TB_STORE_N_CLASSES : 0; class_ < TB_STORE_N_CLASSES; class_++) {
        if (tb_store_due(store, token.id, class_, INT64_MAX, NULL, &key, 1) != 1)
            continue;
        struct tb_outbox_verdict verdict = {
            key.seq, TB_OUT_QUARANTINED, 0, 422, "HTTP 422: not \x1b[31mvalid", 1};
        assert_int_equal(tb_store_verdict(store, "rollbar", &verdict), 0);
        break;
    }
    tb_store_close(store);
}

static void parked_items_are_wrong_and_have_a_cure(void **state)
{
    struct run *run = *state;
    run_fill(run);
    refuse_one(run, 1);
    pid_t agent = fake_start(run, reply, 0);
    int code = run_here(run, "status");
    fake_end(agent);
    assert_int_equal(code, 1);
    run_has(run->out, "1 item is parked");
    run_has(run->out, "ROLLBAR_ACCESS_TOKEN");
    run_has(run->out, "reload towbard");
    run_has(run->out, "HTTP 403: ?[31minvalid token");
}

static void a_refused_token_is_wrong_while_it_is_tried_again_too(void **state)
{
    struct run *run = *state;
    run_fill(run); /* one item waits, and none is parked */
    pid_t agent = fake_start(
        run, "{\"program\":\"towbard\",\"delivery\":{\"has_token\":true,\"parked_tokens\":1}}", 0);
    int code = run_here(run, "status");
    fake_end(agent);
    assert_int_equal(code, 1);
    run_has(run->out, "Rollbar refuses the token, which is just tried again");
    run_has(run->out, "ROLLBAR_ACCESS_TOKEN");
}

/* An agent whose delivery says more, over a database in which one item waits. */
static void has_line(struct run *run, const char *delivery, const char *line)
{
    char told[256];
    (void)snprintf(told, sizeof(told),
                   "{\"program\":\"towbard\",\"delivery\":{\"has_token\":true,%s}}", delivery);
    run_fill(run);
    pid_t agent = fake_start(run, told, 0);
    assert_int_equal(run_here(run, "status"), 0);
    fake_end(agent);
    run_has(run->out, "waiting   the oldest came ");
    run_has(run->out, line);
}

static void an_outage_says_when_it_is_tried_again(void **state)
{
    has_line(*state, "\"retry_at_ms\":9000000000000", "all waits here until Rollbar answers\n");
}

static void a_rate_limit_says_when_it_is_over(void **state)
{
    has_line(*state, "\"paused_until_ms\":9000000000000", " s, as Rollbar's rate limit asks\n");
}

static void quarantined_items_are_wrong_and_have_a_reason(void **state)
{
    struct run *run = *state;
    run_fill(run);
    refuse_one(run, 0);
    pid_t agent = fake_start(run, reply, 0);
    int code = run_here(run, "status");
    fake_end(agent);
    assert_int_equal(code, 1);
    run_has(run->out, "quarantined 1 + queued 0");
    run_has(run->out, "1 item was refused");
    run_has(run->out, "HTTP 422: not ?[31mvalid");
}

static const char tells_more[] =
    "{\"program\":\"towbard\",\"listen\":\"127.0.0.1:7070\",\"http\":{\"received\":{\"unix\":2,"
    "\"http\":3},\"refused\":{\"invalid\":4,\"token\":0,\"rate\":1}},\"files\":{\"watched\":3,"
    "\"lines\":12,"
    "\"rejected\":1,\"trouble\":\"cannot "
    "\\u001b[31mread\"},\"delivery\":{\"has_token\":true,\"tokens\":["
    "{\"name\":\"ROLLBAR_ACCESS_TOKEN\",\"sent\":5},{\"name\":\"projects "
    "1\",\"sent\":0,\"refused\":2,"
    "\"parked\":true},{\"name\":\"own\",\"sent\":7}],\"retry_at_ms\":9000000000000},\"reload\":{"
    "\"taken\":1,\"refused\":1,\"last_ms\":1790000000000,"
    "\"last_error\":\"listen is no address\"}}";

static void what_the_agent_tells_more_is_shown(void **state)
{
    struct run *run = *state;
    pid_t agent = fake_start(run, tells_more, 0);
    (void)run_here(run, "status");
    run_has(run->out, "http      5 items taken since the start, 5 refused: 4 invalid, 1 rate\n");
    run_has(run->out, "files     3 watched, 12 items taken, 1 lines put aside; cannot ?[31mread");
    run_has(run->out, "token     ROLLBAR_ACCESS_TOKEN: sent 5\n");
    run_has(run->out, "token     projects 1: sent 0, 2 refused, parked: Rollbar does not take it");
    run_has(run->out, "token     the agent's: sent 7\n");
    run_has(run->out, "reload    refused, the former settings are in force,");
    run_has(run->out, "; listen is no address");
    (void)run_here(run, "status", "--json");
    fake_end(agent);
    cJSON *json = cJSON_Parse(run->out);
    assert_int_equal(cJSON_GetObjectItem(cJSON_GetObjectItem(json, "files"), "watched")->valueint,
                     3);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "tokens")), 3);
    assert_int_equal(cJSON_GetObjectItem(cJSON_GetObjectItem(json, "reload"), "refused")->valueint,
                     1);
    cJSON_Delete(json);
}

static const char tells_of_sinks[] =
    "{\"program\":\"towbard\",\"listen\":\"127.0.0.1:7070\",\"sinks\":["
    "{\"name\":\"rollbar\",\"state\":\"on\",\"sent\":1},"
    "{\"name\":\"otlp\",\"state\":\"on\",\"sent\":12,\"queued\":0,\"last_error\":\"HTTP 503\"},"
    "{\"name\":\"xray\",\"state\":\"no answer\",\"sent\":0,\"queued\":3,"
    "\"retry_at_ms\":9000000000000,\"last_error\":\"nobody listens at udp://h:1\"},"
    "{\"name\":\"cloudwatch\",\"state\":\"failed\",\"last_error\":\"cannot read it\"},"
    "{\"name\":\"otlp-spans\",\"state\":\"off\",\"sent\":4,\"queued\":5,\"parked\":2}]}";

static void each_sink_beside_rollbar_has_a_line(void **state)
{
    struct run *run = *state;
    pid_t agent = fake_start(run, tells_of_sinks, 0);
    (void)run_here(run, "status");
    run_has(run->out, "  otlp      sent 12\n");
    run_has(run->out, "  xray      sent 0, 3 wait, no answer, next try in ");
    run_has(run->out, "  otlp-spans sent 4, 5 wait, 2 of them parked, off\n");
    run_has(run->out, " s; nobody listens at udp://h:1\n");
    run_has(run->out, "  cloudwatch sent 0, failed; cannot read it\n");
    run_has_not(run->out, "  rollbar   sent");
    (void)run_here(run, "status", "--json");
    fake_end(agent);
    cJSON *json = cJSON_Parse(run->out);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "sinks")), 5);
    cJSON_Delete(json);
}

static void quiet_says_nothing_but_its_code(void **state)
{
    struct run *run = *state;
    assert_int_equal(run_here(run, "status", "-q"), 1);
    assert_string_equal(run->out, "");
    pid_t agent = fake_start(run, reply, 0);
    int code = run_here(run, "status", "--quiet");
    fake_end(agent);
    assert_int_equal(code, 0);
    assert_string_equal(run->out, "");
}

static void somebody_else_on_the_socket_is_no_agent(void **state)
{
    struct run *run = *state;
    pid_t agent = fake_start(run, "<html>hello</html>", 0);
    int code = run_here(run, "status");
    fake_end(agent);
    assert_int_equal(code, 1);
    run_has(run->out, "what answers there is not towbard");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, run_setup, run_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_an_agent_it_says_how_to_start_one),
        TEST(what_was_only_counted_is_told_with_its_item),
        TEST(with_an_agent_all_is_well),
        TEST(what_was_lost_is_said_by_class),
        TEST(what_was_lost_is_known_without_an_agent),
        TEST(without_a_token_it_says_that_nothing_is_queued),
        TEST(for_a_shared_agent_it_prints_the_login_link_to_who_may_read_the_token),
        TEST(the_agent_says_whether_its_page_asks_for_a_login),
        TEST(the_verbless_call_names_the_next_command),
        TEST(json_holds_the_counts),
        TEST(json_says_where_the_agent_listens),
        TEST(parked_items_are_wrong_and_have_a_cure),
        TEST(a_refused_token_is_wrong_while_it_is_tried_again_too),
        TEST(an_outage_says_when_it_is_tried_again),
        TEST(a_rate_limit_says_when_it_is_over),
        TEST(quarantined_items_are_wrong_and_have_a_reason),
        TEST(somebody_else_on_the_socket_is_no_agent),
        TEST(what_the_agent_tells_more_is_shown),
        TEST(each_sink_beside_rollbar_has_a_line),
        TEST(quiet_says_nothing_but_its_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
