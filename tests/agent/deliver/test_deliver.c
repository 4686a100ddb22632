/* test_deliver.c - the delivery thread against a scripted server on loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "agent/deliver/sinks.h"
#include "base/clock.h"
#include "http_server.h"

enum { PATIENCE_MS = 20000 };

#define OK_BODY "{\"err\":0,\"result\":{\"id\":null,\"uuid\":\"u\"}}"

static const struct http_answer OK = {HTTP_ANSWER, 200, NULL, OK_BODY};
static const struct tb_outbox_to ROLLBAR[] = {{"rollbar", ""}};

/* One test's world: a state folder, a server with a script, an agent's delivery. */
struct world {
    char folder[64];
    char endpoint[96];
    struct tb_config config;
    struct tb_store *store; /* the pipeline's handle */
    struct http_server *server;
    struct tb_deliver *deliver;
    /* The script: answer n to request n, the last one for all that follow. */
    const struct http_answer *answers;
    int n_answers;
};

static struct http_answer by_number(void *arg, const struct http_request *request)
{
    const struct world *world = arg;
    int last = world->n_answers - 1;
    return world->answers[request->number < last ? request->number : last];
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static int make_world(void **state)
{
    static char token[] = "00112233445566778899aabbccddeeff";
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    (void)snprintf(world->folder, sizeof(world->folder), "/tmp/towbar-deliver-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    world->config.state_dir = world->folder;
    world->config.endpoint = world->endpoint;
    world->config.token = token;
    world->config.timeout_ms = 5000;
    world->config.retry_min_ms = 5;
    world->config.retry_max_ms = 40;
    world->config.connections = 4;
    char why[TB_STORE_WHY] = "";
    if (tb_store_open(world->folder, TB_STORE_WRITE, &world->store, why) < 0)
        fail_msg("%s", why);
    *state = world;
    return 0;
}

static int drop_world(void **state)
{
    struct world *world = *state;
    tb_deliver_stop(world->deliver, 0);
    tb_store_close(world->store);
    if (world->server)
        http_server_stop(world->server);
    http_server_free(world->server);
    (void)nftw(world->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(world);
    return 0;
}

static void serve(struct world *world,
                  struct http_answer (*answer)(void *arg, const struct http_request *request))
{
    world->server = http_server_start(0, answer, world);
    assert_non_null(world->server);
    (void)snprintf(world->endpoint, sizeof(world->endpoint), "http://127.0.0.1:%d/api/1/item/",
                   world->server->port);
}

static void script(struct world *world, const struct http_answer *answers, int n_answers)
{
    world->answers = answers;
    world->n_answers = n_answers;
    serve(world, by_number);
}

static int start_rollbar(const struct tb_config *config, struct tb_deliver **out,
                         char why[TB_STORE_WHY])
{
    struct tb_deliver_sink sink;
    tb_sinks_rollbar(config, &sink);
    return tb_deliver_start(config, &sink, out, why);
}

static int reload_rollbar(struct tb_deliver *deliver, const struct tb_config *config,
                          char why[TB_STORE_WHY])
{
    struct tb_deliver_sink sink;
    tb_sinks_rollbar(config, &sink);
    return tb_deliver_reload(deliver, config, &sink, why);
}

static void start(struct world *world)
{
    char why[TB_STORE_WHY] = "";
    if (start_rollbar(&world->config, &world->deliver, why) < 0)
        fail_msg("%s", why);
}

static void stop(struct world *world)
{
    tb_deliver_stop(world->deliver, PATIENCE_MS);
    world->deliver = NULL;
}

static void add_of(struct world *world, const char *uuid, int class_, const char *token,
                   const char *service)
{
    char data[160];
    int len = snprintf(data, sizeof(data),
                       "{\"uuid\":\"%s\",\"body\":{\"message\":{\"body\":\"m\"}}}", uuid);
    struct tb_occurrence one = {
        .uuid = uuid,
        .fingerprint = "f",
        .environment = "test",
        .service = service,
        .title = "t",
        .level = "error",
        .framework = "",
        .trace_id = "",
        .xray_trace_id = "",
        .span_id = "",
        .group_inputs = "{}",
        .class_ = class_,
        .occurred_ns = tb_clock_wall_ns(),
        .received_ns = tb_clock_wall_ns(),
        .data = data,
        .data_len = (size_t)len,
    };
    const struct tb_outbox_to to = {"rollbar", token};
    assert_int_equal(tb_store_add(world->store, &one, &to, 1), 0);
}

static void add_as(struct world *world, const char *uuid, int class_, const char *token)
{
    add_of(world, uuid, class_, token, "s");
}

static void add(struct world *world, const char *uuid)
{
    add_as(world, uuid, 1, "");
}

static struct tb_store_counts counts(struct world *world)
{
    struct tb_store_counts result;
    assert_int_equal(tb_store_counts(world->store, &result), 0);
    assert_int_equal(result.received,
                     result.sent + result.dropped + result.quarantined + result.queued);
    return result;
}

/* Waits until so many rows are sent, or fails. Looks at the database: that is what counts. */
static void wait_sent(struct world *world, int64_t n)
{
    uint64_t until = tb_clock_mono_ns() + (uint64_t)PATIENCE_MS * TB_NS_PER_MS;
    while (counts(world).sent < n) {
        if (tb_clock_mono_ns() > until)
            fail_msg("only %lld of %lld were sent: %s", (long long)counts(world).sent, (long long)n,
                     counts(world).last_reason);
        /* Each verdict wakes the waiters of the delivery; a lost race costs one short wait. */
        (void)tb_deliver_wait_idle(world->deliver, 10);
    }
}

static void idle(struct world *world)
{
    assert_true(tb_deliver_wait_idle(world->deliver, PATIENCE_MS));
}

static const char *body_of(struct world *world, int number)
{
    assert_true(http_server_wait(world->server, number + 1, PATIENCE_MS));
    return world->server->requests[number].body;
}

static void an_item_is_sent_as_rollbar_wants_it(void **state)
{
    struct world *world = *state;
    script(world, &OK, 1);
    start(world);
    add(world, "u1");
    tb_deliver_wake(world->deliver);
    idle(world);
    assert_int_equal(counts(world).sent, 1);
    assert_string_equal(body_of(world, 0),
                        "{\"data\":{\"uuid\":\"u1\",\"body\":{\"message\":{\"body\":\"m\"}}}}");
    const char *head = world->server->requests[0].head;
    assert_non_null(strstr(head, "POST /api/1/item/ HTTP/1.1\r\n"));
    assert_non_null(
        strstr(head, "\r\nX-Rollbar-Access-Token: 00112233445566778899aabbccddeeff\r\n"));
    assert_non_null(strstr(head, "\r\nContent-Type: application/json\r\n"));
    assert_null(strcasestr(head, "\r\nExpect:"));
    struct tb_deliver_status status;
    tb_deliver_status(world->deliver, &status);
    assert_int_equal(status.sent, 1);
    assert_true(status.last_sent_ms > 0);
    assert_int_equal(status.last_error_ms, 0);
}

static void an_item_s_own_token_wins(void **state)
{
    struct world *world = *state;
    script(world, &OK, 1);
    start(world);
    add_as(world, "u1", 1, "ffffffffffffffffffffffffffffffff");
    tb_deliver_wake(world->deliver);
    idle(world);
    assert_int_equal(counts(world).sent, 1);
    assert_non_null(strstr(world->server->requests[0].head,
                           "X-Rollbar-Access-Token: ffffffffffffffffffffffffffffffff"));
}

static void what_was_queued_before_the_start_is_sent(void **state)
{
    struct world *world = *state;
    script(world, &OK, 1);
    add(world, "u1");
    start(world);
    wait_sent(world, 1);
}

static void crashes_go_first(void **state)
{
    struct world *world = *state;
    script(world, &OK, 1);
    world->config.connections = 1;
    add_as(world, "chatter", 3, "");
    add_as(world, "error-1", 1, "");
    add_as(world, "warning", 2, "");
    add_as(world, "error-2", 1, "");
    add_as(world, "crash", 0, "");
    start(world);
    wait_sent(world, 5);
    static const char *const ORDER[] = {"crash", "error-1", "error-2", "warning", "chatter"};
    for (int i = 0; i < 5; i++) {
        if (!strstr(body_of(world, i), ORDER[i]))
            fail_msg("request %d is %s", i, body_of(world, i));
    }
}

/* More of a class than a look at the outbox takes. */
static void all_crashes_go_first_however_many_there_are(void **state)
{
    struct world *world = *state;
    enum { CRASHES = 150, N = 2 * CRASHES };
    char uuid[37];
    script(world, &OK, 1);
    world->config.connections = 1;
    for (int i = 0; i < N; i++) {
        (void)snprintf(uuid, sizeof(uuid), "%s-%d", i % 2 ? "crash" : "error", i);
        add_as(world, uuid, i % 2 ? 0 : 1, "");
    }
    start(world);
    wait_sent(world, N);
    for (int i = 0; i < N; i++) {
        if ((strstr(body_of(world, i), "crash") != NULL) != (i < CRASHES))
            fail_msg("request %d is %s", i, body_of(world, i));
    }
}

static void connections_are_kept_and_few(void **state)
{
    struct world *world = *state;
    script(world, &OK, 1);
    char uuid[37];
    for (int i = 0; i < 200; i++) {
        (void)snprintf(uuid, sizeof(uuid), "u%d", i);
        add(world, uuid);
    }
    start(world);
    wait_sent(world, 200);
    assert_int_equal(http_server_count(world->server), 200);
    assert_in_range(world->server->n_connections, 1, 4);
}

static void a_server_error_is_tried_again_with_the_same_uuid(void **state)
{
    struct world *world = *state;
    static const struct http_answer ANSWERS[] = {
        {HTTP_ANSWER, 500, NULL, "oops"},
        {HTTP_ANSWER, 502, NULL, NULL},
        {HTTP_ANSWER, 200, NULL, OK_BODY},
    };
    script(world, ANSWERS, 3);
    start(world);
    add(world, "u1");
    tb_deliver_wake(world->deliver);
    wait_sent(world, 1);
    assert_int_equal(http_server_count(world->server), 3);
    assert_string_equal(body_of(world, 0), body_of(world, 2));
    struct tb_deliver_status status;
    tb_deliver_status(world->deliver, &status);
    assert_int_equal(status.retried, 2);
    assert_int_equal(status.last_http_status, 502);
}

/* Replies that are none: each costs one more try, and the item goes through in the end. */
static void broken_replies_lose_nothing(void **state)
{
    struct world *world = *state;
    static const struct http_answer ANSWERS[] = {
        {HTTP_CUT, 200, NULL, OK_BODY},
        {HTTP_CLOSE, 0, NULL, NULL},
        {HTTP_RAW, 0, NULL, "SSH-2.0-OpenSSH_9.2\r\n"},
        {HTTP_RAW, 0, NULL, OK_BODY},
        {HTTP_ANSWER, 200, NULL, "<html>please log in</html>"},
        {HTTP_ANSWER, 301, "Location: http://127.0.0.1:1/\r\n", NULL},
        {HTTP_ENDLESS, 200, NULL, NULL},
        {HTTP_ANSWER, 200, NULL, OK_BODY},
    };
    script(world, ANSWERS, 8);
    start(world);
    add(world, "u1");
    tb_deliver_wake(world->deliver);
    wait_sent(world, 1);
    /* libcurl repeats a request by itself when a kept connection was closed unanswered. */
    assert_in_range(http_server_count(world->server), 8, 9);
    for (int i = 0; i < http_server_count(world->server); i++)
        assert_string_equal(body_of(world, i), body_of(world, 0));
}

static void a_refused_item_is_quarantined_with_the_reason(void **state)
{
    struct world *world = *state;
    static const struct http_answer ANSWERS[] = {
        {HTTP_ANSWER, 422, NULL,
         "{\"err\":1,\"message\":\"Invalid format. data.level should be string.\"}"},
        {HTTP_ANSWER, 200, NULL, OK_BODY},
    };
    script(world, ANSWERS, 2);
    world->config.connections = 1;
    start(world);
    add(world, "poison");
    add(world, "good");
    tb_deliver_wake(world->deliver);
    wait_sent(world, 1);
    struct tb_store_counts result = counts(world);
    assert_int_equal(result.quarantined, 1);
    assert_string_equal(result.last_reason,
                        "HTTP 422: Invalid format. data.level should be string.");
    idle(world);
    assert_int_equal(http_server_count(world->server), 2);
}

static void an_item_too_large_is_quarantined_without_a_request(void **state)
{
    struct world *world = *state;
    enum { LARGE = 600 << 10 };
    script(world, &OK, 1);
    char *data = malloc(LARGE);
    assert_non_null(data);
    memset(data, ' ', LARGE);
    data[0] = '{';
    data[LARGE - 1] = '}';
    struct tb_occurrence large = {.uuid = "large",
                                  .fingerprint = "f",
                                  .environment = "",
                                  .service = "",
                                  .title = "",
                                  .level = "",
                                  .framework = "",
                                  .trace_id = "",
                                  .xray_trace_id = "",
                                  .span_id = "",
                                  .group_inputs = "",
                                  .data = data,
                                  .data_len = LARGE};
    assert_int_equal(tb_store_add(world->store, &large, ROLLBAR, 1), 0);
    free(data);
    start(world);
    tb_deliver_wake(world->deliver);
    idle(world);
    assert_int_equal(counts(world).quarantined, 1);
    assert_string_equal(counts(world).last_reason, "the item is larger than 512 KiB");
    assert_int_equal(http_server_count(world->server), 0);
}

static void a_hostile_token_cannot_change_the_request(void **state)
{
    struct world *world = *state;
    script(world, &OK, 1);
    start(world);
    add_as(world, "u1", 1, "x\r\nX-Evil: 1");
    tb_deliver_wake(world->deliver);
    idle(world);
    assert_int_equal(counts(world).quarantined, 1);
    assert_int_equal(http_server_count(world->server), 0);
}

static struct http_answer slow_down(void *arg, const struct http_request *request)
{
    (void)arg;
    static const struct http_answer SLOW = {
        HTTP_ANSWER, 429, "X-Rate-Limit-Remaining: 0\r\nX-Rate-Limit-Remaining-Seconds: 1000\r\n",
        "{\"err\":1,\"message\":\"Rate limit\"}"};
    return strstr(request->head, "limited") ? SLOW : OK;
}

static void a_rate_limit_pauses_its_token_alone(void **state)
{
    struct world *world = *state;
    serve(world, slow_down);
    world->config.connections = 1;
    add_as(world, "l1", 0, "limited");
    add_as(world, "l2", 0, "limited");
    add_as(world, "other", 3, "free");
    start(world);
    wait_sent(world, 1);
    idle(world);
    /* One request of the limited token, none after it: the other row was passed over. */
    assert_int_equal(http_server_count(world->server), 2);
    assert_int_equal(counts(world).queued, 2);
    struct tb_deliver_status status;
    tb_deliver_status(world->deliver, &status);
    int64_t left_ms = status.paused_until_ms - (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS);
    /* And a little more, at random: not all agents come back in one instant. */
    assert_in_range(left_ms, 900 * 1000, 1005 * 1000);
    assert_string_equal(status.last_error, "HTTP 429: Rate limit");
    /* And after a restart too. */
    stop(world);
    start(world);
    idle(world);
    assert_int_equal(http_server_count(world->server), 2);
}

static void a_used_up_window_is_not_run_into(void **state)
{
    struct world *world = *state;
    static const struct http_answer LAST = {
        HTTP_ANSWER, 200, "x-rate-limit-remaining: 0\r\nx-rate-limit-remaining-seconds: 1000\r\n",
        OK_BODY};
    script(world, &LAST, 1);
    world->config.connections = 1;
    add(world, "u1");
    add(world, "u2");
    start(world);
    wait_sent(world, 1);
    idle(world);
    assert_int_equal(http_server_count(world->server), 1);
    assert_int_equal(counts(world).queued, 1);
}

static void a_pause_ends(void **state)
{
    struct world *world = *state;
    static const struct http_answer ANSWERS[] = {
        {HTTP_ANSWER, 429, "X-Rate-Limit-Remaining-Seconds: 1\r\n", ""},
        {HTTP_ANSWER, 200, NULL, OK_BODY},
    };
    script(world, ANSWERS, 2);
    add(world, "u1");
    start(world);
    uint64_t before = tb_clock_mono_ns();
    wait_sent(world, 1);
    assert_int_equal(http_server_count(world->server), 2);
    assert_true(tb_clock_mono_ns() - before > 900ULL * TB_NS_PER_MS);
}

static struct http_answer by_token(void *arg, const struct http_request *request)
{
    (void)arg;
    static const struct http_answer REFUSED = {
        HTTP_ANSWER, 403, NULL, "{\"err\":1,\"message\":\"access token not found: badbad\"}"};
    return strstr(request->head, "badbad") ? REFUSED : OK;
}

static void a_refused_token_parks_its_rows_alone(void **state)
{
    struct world *world = *state;
    serve(world, by_token);
    world->config.connections = 1;
    world->config.retry_max_ms = 1000 * 1000; /* no second try here */
    add_as(world, "b1", 0, "badbad");
    add_as(world, "b2", 0, "badbad");
    add_as(world, "g1", 3, "good");
    start(world);
    wait_sent(world, 1);
    idle(world);
    assert_int_equal(http_server_count(world->server), 2);
    struct tb_store_counts result = counts(world);
    assert_int_equal(result.parked, 2);
    assert_int_equal(result.queued, 2);
    assert_string_equal(result.last_reason, "HTTP 403: access token not found: (token)");
    /* What comes now is parked at once. */
    add_as(world, "b3", 0, "badbad");
    tb_deliver_wake(world->deliver);
    idle(world);
    assert_int_equal(counts(world).parked, 3);
    assert_int_equal(http_server_count(world->server), 2);
    struct tb_deliver_status status;
    tb_deliver_status(world->deliver, &status);
    assert_int_equal(status.parked_tokens, 1);
}

static void a_parked_token_is_tried_again_now_and_then(void **state)
{
    struct world *world = *state;
    static const struct http_answer ANSWERS[] = {
        {HTTP_ANSWER, 401, NULL, ""},
        {HTTP_ANSWER, 401, NULL, ""},
        {HTTP_ANSWER, 401, NULL, ""},
        {HTTP_ANSWER, 200, NULL, OK_BODY},
    };
    script(world, ANSWERS, 4);
    world->config.connections = 1;
    add(world, "u1");
    add(world, "u2");
    add(world, "u3");
    start(world);
    wait_sent(world, 3);
    idle(world);
    /* One row is enough to learn it each time; when it goes through the others follow. */
    assert_int_equal(http_server_count(world->server), 6);
    struct tb_deliver_status status;
    tb_deliver_status(world->deliver, &status);
    assert_int_equal(status.parked_tokens, 0);
}

static void a_restart_tries_parked_tokens_at_once(void **state)
{
    struct world *world = *state;
    static const struct http_answer ANSWERS[] = {
        {HTTP_ANSWER, 401, NULL, ""},
        {HTTP_ANSWER, 200, NULL, OK_BODY},
    };
    static char other[] = "ffffffffffffffffffffffffffffffff";
    script(world, ANSWERS, 2);
    world->config.retry_max_ms = 1000 * 1000;
    add(world, "u1");
    start(world);
    assert_true(http_server_wait(world->server, 1, PATIENCE_MS));
    idle(world);
    stop(world);
    assert_int_equal(counts(world).parked, 1);
    world->config.token = other;
    start(world);
    wait_sent(world, 1);
    assert_non_null(strstr(world->server->requests[1].head, other));
}

static void without_a_token_rows_wait_parked(void **state)
{
    struct world *world = *state;
    static char none[] = "";
    script(world, &OK, 1);
    world->config.token = none;
    world->config.retry_max_ms = 1000 * 1000;
    add(world, "u1");
    start(world);
    tb_deliver_wake(world->deliver);
    idle(world);
    assert_int_equal(counts(world).parked, 1);
    assert_string_equal(counts(world).last_reason, "there is no access token");
    assert_int_equal(http_server_count(world->server), 0);
}

static struct http_answer hang_for_one(void *arg, const struct http_request *request)
{
    (void)arg;
    static const struct http_answer HANG = {HTTP_HANG, 0, NULL, NULL};
    static const struct http_answer DRIP = {HTTP_DRIP, 200, NULL, OK_BODY};
    if (strstr(request->body, "hang"))
        return HANG;
    return strstr(request->body, "drip") ? DRIP : OK;
}

static void a_slow_reply_holds_up_nothing_else(void **state)
{
    struct world *world = *state;
    serve(world, hang_for_one);
    world->config.timeout_ms = 1000 * 1000;
    add_as(world, "hang", 0, "");
    add_as(world, "drip", 0, "");
    char uuid[37];
    for (int i = 0; i < 50; i++) {
        (void)snprintf(uuid, sizeof(uuid), "u%d", i);
        add(world, uuid);
    }
    start(world);
    wait_sent(world, 50);
    /* And a stop with a deadline ends it; the row stays. */
    uint64_t before = tb_clock_mono_ns();
    tb_deliver_stop(world->deliver, 50);
    world->deliver = NULL;
    assert_true(tb_clock_mono_ns() - before < 5ULL * TB_NS_PER_S);
    assert_true(counts(world).queued >= 1);
}

static void a_time_out_is_tried_again(void **state)
{
    struct world *world = *state;
    static const struct http_answer ANSWERS[] = {
        {HTTP_HANG, 0, NULL, NULL},
        {HTTP_ANSWER, 200, NULL, OK_BODY},
    };
    script(world, ANSWERS, 2);
    world->config.timeout_ms = 100;
    add(world, "u1");
    start(world);
    wait_sent(world, 1);
    assert_string_equal(body_of(world, 0), body_of(world, 1));
}

static void nobody_at_the_endpoint_loses_nothing(void **state)
{
    struct world *world = *state;
    script(world, &OK, 1);
    int port = world->server->port;
    http_server_stop(world->server);
    http_server_free(world->server);
    world->server = NULL;
    enum { N = 40 };
    char uuid[37];
    for (int i = 0; i < N; i++) {
        (void)snprintf(uuid, sizeof(uuid), "u%d", i);
        add(world, uuid);
    }
    start(world);
    tb_deliver_wake(world->deliver);
    idle(world);
    assert_int_equal(counts(world).queued, N);
    struct tb_deliver_status status;
    tb_deliver_status(world->deliver, &status);
    assert_true(status.retried >= 8);
    assert_non_null(strstr(status.last_error, "connect"));
    world->server = http_server_start(port, by_number, world);
    assert_non_null(world->server);
    wait_sent(world, N);
}

static void an_endpoint_that_answers_nobody_is_tried_one_at_a_time(void **state)
{
    struct world *world = *state;
    static const struct http_answer DOWN = {HTTP_ANSWER, 503, NULL, ""};
    script(world, &DOWN, 1);
    world->config.retry_min_ms = 1000 * 1000;
    world->config.retry_max_ms = 2000 * 1000;
    char uuid[37];
    for (int i = 0; i < 100; i++) {
        (void)snprintf(uuid, sizeof(uuid), "u%d", i);
        add(world, uuid);
    }
    start(world);
    tb_deliver_wake(world->deliver);
    idle(world);
    /* Two rounds of four, and at most what was under way when the second ended. */
    assert_in_range(http_server_count(world->server), 8, 11);
    assert_int_equal(counts(world).queued, 100);
    struct tb_deliver_status status;
    tb_deliver_status(world->deliver, &status);
    assert_true(status.retry_at_ms > 0);
}

static void back_off_goes_on_after_a_restart(void **state)
{
    struct world *world = *state;
    static const struct http_answer DOWN = {HTTP_ANSWER, 503, NULL, ""};
    script(world, &DOWN, 1);
    world->config.retry_min_ms = 1000 * 1000;
    world->config.retry_max_ms = 2000 * 1000;
    add(world, "u1");
    start(world);
    assert_true(http_server_wait(world->server, 1, PATIENCE_MS));
    idle(world);
    stop(world);
    int64_t now_ms = (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS);
    int64_t due_ms = tb_store_next_due(world->store, "rollbar", now_ms);
    assert_in_range(due_ms - now_ms, 900 * 1000, 2000 * 1000);
    start(world);
    tb_deliver_wake(world->deliver);
    idle(world);
    assert_int_equal(http_server_count(world->server), 1);
}

static void stopping_lets_what_is_under_way_end(void **state)
{
    struct world *world = *state;
    script(world, &OK, 1);
    char uuid[37];
    for (int i = 0; i < 20; i++) {
        (void)snprintf(uuid, sizeof(uuid), "u%d", i);
        add(world, uuid);
    }
    start(world);
    assert_true(http_server_wait(world->server, 1, PATIENCE_MS));
    stop(world);
    /* Every request that was answered has its verdict. */
    assert_int_equal(counts(world).sent, http_server_count(world->server));
}

static void idle_speaks_of_what_was_committed_before_the_wake(void **state)
{
    struct world *world = *state;
    script(world, &OK, 1);
    start(world);
    char uuid[37];
    for (int i = 0; i < 100; i++) {
        (void)snprintf(uuid, sizeof(uuid), "u%d", i);
        add(world, uuid);
        tb_deliver_wake(world->deliver);
        idle(world);
        assert_int_equal(counts(world).sent, i + 1);
    }
}

/* ---- tokens ---- */

static struct tb_config_project PROJECT;

static void use_project(struct world *world, char *service, char *token)
{
    static char any[] = "";
    PROJECT = (struct tb_config_project){.service = service, .environment = any, .token = token};
    world->config.projects = &PROJECT;
    world->config.n_projects = 1;
}

/* The token that the item with that uuid was sent with. */
static void sent_with(struct world *world, const char *uuid, const char *token)
{
    for (int i = 0; i < http_server_count(world->server); i++) {
        if (!strstr(body_of(world, i), uuid))
            continue;
        if (!strstr(world->server->requests[i].head, token))
            fail_msg("%s: %s", uuid, world->server->requests[i].head);
        return;
    }
    fail_msg("%s was not sent", uuid);
}

static void what_waits_goes_to_the_project_of_the_settings(void **state)
{
    struct world *world = *state;
    static char feedd[] = "feedd*";
    static char its[] = "aaaabbbbccccddddeeeeffff00001111";
    script(world, &OK, 1);
    add_of(world, "of-feedd", 1, "", "feedd-2");
    add_of(world, "of-web", 1, "", "web");
    add_of(world, "with-own", 1, "00000000000000000000000000000007", "feedd");
    use_project(world, feedd, its);
    start(world);
    wait_sent(world, 3);
    sent_with(world, "of-feedd", its);
    sent_with(world, "of-web", world->config.token);
    sent_with(world, "with-own", "00000000000000000000000000000007");
    struct tb_deliver_status status;
    idle(world);
    tb_deliver_status(world->deliver, &status);
    assert_int_equal(status.n_tokens, 3);
    for (size_t i = 0; i < status.n_tokens; i++) {
        assert_null(strstr(status.tokens[i].name, "00000000"));
        assert_int_equal(status.tokens[i].sent, 1);
    }
}

static void a_reload_changes_token_and_project_of_what_waits(void **state)
{
    struct world *world = *state;
    static char web[] = "web";
    static char right[] = "aaaabbbbccccddddeeeeffff00001111";
    static char good[] = "goodgoodgoodgoodgoodgoodgoodgood";
    static char bad[] = "badbadbadbadbadbadbadbadbadbadba";
    char why[TB_STORE_WHY];
    serve(world, by_token);
    world->config.token = bad;
    world->config.retry_max_ms = 1000 * 1000;
    add_of(world, "of-web", 1, "", "web");
    add_of(world, "of-feedd", 1, "", "feedd");
    start(world);
    idle(world);
    assert_int_equal(counts(world).parked, 2);
    world->config.token = good;
    use_project(world, web, right);
    assert_int_equal(reload_rollbar(world->deliver, &world->config, why), 0);
    wait_sent(world, 2);
    /* The last requests: before them each was refused with the old token. */
    int n = http_server_count(world->server);
    for (int i = n - 2; i < n; i++) {
        bool is_web = strstr(body_of(world, i), "of-web") != NULL;
        assert_non_null(strstr(world->server->requests[i].head, is_web ? right : good));
    }
}

static void a_bad_reload_changes_nothing(void **state)
{
    struct world *world = *state;
    static char nowhere[] = "/nowhere/ca.pem";
    char why[TB_STORE_WHY];
    script(world, &OK, 1);
    start(world);
    world->config.ca_file = nowhere;
    assert_int_equal(reload_rollbar(world->deliver, &world->config, why), -ENOENT);
    assert_non_null(strstr(why, nowhere));
    world->config.ca_file = NULL;
    add(world, "u1");
    tb_deliver_wake(world->deliver);
    wait_sent(world, 1);
}

static void a_reload_under_load_loses_and_repeats_nothing(void **state)
{
    struct world *world = *state;
    enum { N = 300 };
    char uuid[37];
    char why[TB_STORE_WHY];
    script(world, &OK, 1);
    for (int i = 0; i < N; i++) {
        (void)snprintf(uuid, sizeof(uuid), "uuid-%03d", i);
        add(world, uuid);
    }
    start(world);
    for (int i = 1; i <= 10; i++) {
        assert_true(http_server_wait(world->server, i * N / 12, PATIENCE_MS));
        world->config.connections = (unsigned)(1 + i % 4);
        assert_int_equal(reload_rollbar(world->deliver, &world->config, why), 0);
    }
    wait_sent(world, N);
    idle(world);
    assert_int_equal(http_server_count(world->server), N);
}

static struct http_answer hang_for_slow(void *arg, const struct http_request *request)
{
    (void)arg;
    static const struct http_answer HANG = {HTTP_HANG, 0, NULL, NULL};
    return strstr(request->head, "slowslow") ? HANG : OK;
}

static void a_token_whose_requests_hang_holds_up_no_other(void **state)
{
    struct world *world = *state;
    char uuid[37];
    serve(world, hang_for_slow);
    world->config.timeout_ms = 1000 * 1000;
    for (int i = 0; i < 20; i++) {
        (void)snprintf(uuid, sizeof(uuid), "slow-%d", i);
        add_as(world, uuid, 0, "slowslow");
    }
    start(world);
    assert_true(http_server_wait(world->server, 4, PATIENCE_MS)); /* all that there may be */
    for (int i = 0; i < 20; i++) {
        (void)snprintf(uuid, sizeof(uuid), "good-%d", i);
        add_as(world, uuid, 3, "good");
    }
    tb_deliver_wake(world->deliver);
    wait_sent(world, 20);
    tb_deliver_stop(world->deliver, 0);
    world->deliver = NULL;
    assert_int_equal(counts(world).queued, 20);
}

/* ---- refused, and mended ---- */

static struct http_answer refuse_null(void *arg, const struct http_request *request)
{
    (void)arg;
    static const struct http_answer REFUSED = {
        HTTP_ANSWER, 422, NULL,
        "{\"err\":1,\"message\":\"data.context object value found, but a null is required.\"}"};
    return strstr(request->body, "context") ? REFUSED : OK;
}

static void add_data(struct world *world, const char *uuid, const char *data, size_t len)
{
    struct tb_occurrence one = {.uuid = uuid,
                                .fingerprint = "f",
                                .environment = "",
                                .service = "",
                                .title = "",
                                .level = "",
                                .framework = "",
                                .trace_id = "",
                                .xray_trace_id = "",
                                .span_id = "",
                                .group_inputs = "",
                                .data = data,
                                .data_len = len};
    assert_int_equal(tb_store_add(world->store, &one, ROLLBAR, 1), 0);
}

static void a_refused_item_is_mended_and_sent_once_more(void **state)
{
    struct world *world = *state;
    static const char DATA[] = "{\"uuid\":\"u1\",\"context\":{},\"x\":1}";
    serve(world, refuse_null);
    add_data(world, "u1", DATA, sizeof(DATA) - 1);
    start(world);
    wait_sent(world, 1);
    assert_int_equal(http_server_count(world->server), 2);
    assert_string_equal(body_of(world, 1), "{\"data\":{\"uuid\":\"u1\",\"x\":1}}");
}

static void an_item_too_large_for_them_is_cut_once(void **state)
{
    struct world *world = *state;
    enum { LARGE = 300 << 10 };
    static const struct http_answer TOO_LARGE = {
        HTTP_ANSWER, 413, NULL, "{\"err\":1,\"message\":\"Request entity too large\"}"};
    script(world, &TOO_LARGE, 1);
    char *data = malloc(LARGE + 1);
    assert_non_null(data);
    memset(data, 'x', LARGE);
    data[LARGE] = '\0';
    memcpy(data, "{\"body\":{\"message\":{\"body\":\"", 28);
    memcpy(data + LARGE - 4, "\"}}}", 4);
    add_data(world, "large", data, LARGE);
    free(data);
    start(world);
    idle(world);
    assert_int_equal(counts(world).quarantined, 1);
    assert_string_equal(counts(world).last_reason, "HTTP 413: Request entity too large");
    assert_int_equal(http_server_count(world->server), 2);
    assert_in_range(strlen(body_of(world, 1)), 1000, 128 << 10);
}

/* Fails for one item, takes all others. */
static struct http_answer poison(void *arg, const struct http_request *request)
{
    (void)arg;
    static const struct http_answer BROKEN = {HTTP_ANSWER, 500, NULL, "boom"};
    return strstr(request->body, "poison") ? BROKEN : OK;
}

static void an_item_that_fails_for_ever_while_others_are_taken_is_given_up(void **state)
{
    struct world *world = *state;
    char uuid[37];
    serve(world, poison);
    world->config.retry_min_ms = 1;
    world->config.retry_max_ms = 2;
    add_as(world, "poison", 0, "");
    start(world);
    for (int i = 0; counts(world).quarantined == 0 && i < 2000; i++) {
        (void)snprintf(uuid, sizeof(uuid), "u%d", i);
        add(world, uuid);
        tb_deliver_wake(world->deliver);
        wait_sent(world, i + 1);
        /* Its next try is due long before that. */
        assert_true(http_server_wait(world->server, i + 2, PATIENCE_MS));
    }
    assert_int_equal(counts(world).quarantined, 1);
    assert_string_equal(counts(world).last_reason, "given up after 30 tries: HTTP 500");
}

/* ---- the endpoint ---- */

static void a_resting_endpoint_rests_after_a_restart_and_its_items_wait_in_order(void **state)
{
    struct world *world = *state;
    static const struct http_answer DOWN = {HTTP_ANSWER, 503, NULL, ""};
    static const struct http_answer UP = {HTTP_ANSWER, 200, NULL, OK_BODY};
    char uuid[37];
    char why[TB_STORE_WHY];
    script(world, &DOWN, 1);
    world->config.retry_min_ms = 1000 * 1000;
    world->config.retry_max_ms = 2000 * 1000;
    world->config.connections = 1;
    for (int i = 0; i < 20; i++) {
        (void)snprintf(uuid, sizeof(uuid), "error-%02d", i);
        add_as(world, uuid, 1, "");
    }
    start(world);
    idle(world);
    int n = http_server_count(world->server);
    assert_int_equal(n, 8);
    stop(world);
    add_as(world, "crash", 0, "");
    start(world);
    tb_deliver_wake(world->deliver);
    idle(world);
    assert_int_equal(http_server_count(world->server), n);
    struct tb_deliver_status status;
    tb_deliver_status(world->deliver, &status);
    assert_true(status.retry_at_ms > 0);
    assert_int_equal(status.limit, 1);
    /* A reload asks at once, and what waits its time out comes in the order of before. */
    world->answers = &UP;
    assert_int_equal(reload_rollbar(world->deliver, &world->config, why), 0);
    wait_sent(world, 21);
    assert_non_null(strstr(body_of(world, n), "crash"));
}

/* So slowly that each verdict is stored by itself: most before the endpoint rests. */
static struct http_answer slowly(void *arg, const struct http_request *request)
{
    (void)poll(NULL, 0, 50);
    return by_number(arg, request);
}

static void a_reload_asks_at_once_also_for_what_failed_before_the_endpoint_rested(void **state)
{
    struct world *world = *state;
    static const struct http_answer DOWN = {HTTP_ANSWER, 503, NULL, ""};
    static const struct http_answer UP = {HTTP_ANSWER, 200, NULL, OK_BODY};
    char uuid[37];
    char why[TB_STORE_WHY];
    script(world, &DOWN, 1);
    world->server->answer = slowly;
    world->config.retry_min_ms = 1000 * 1000;
    world->config.retry_max_ms = 2000 * 1000;
    world->config.connections = 1;
    for (int i = 0; i < 12; i++) {
        (void)snprintf(uuid, sizeof(uuid), "error-%02d", i);
        add_as(world, uuid, 1, "");
    }
    start(world);
    idle(world);
    assert_int_equal(http_server_count(world->server), 8);
    world->answers = &UP;
    assert_int_equal(reload_rollbar(world->deliver, &world->config, why), 0);
    wait_sent(world, 12);
}

static void a_handshake_that_fails_is_not_tried_hot(void **state)
{
    struct world *world = *state;
    char uuid[37];
    script(world, &OK, 1);
    /* A server that ends each handshake at its first byte stands for all that a handshake can end
     * with; the certificates are in tests/e2e/test_delivery.py. */
    (void)snprintf(world->endpoint, sizeof(world->endpoint), "https://127.0.0.1:%d/api/1/item/",
                   world->server->port);
    world->config.retry_min_ms = 1000 * 1000;
    world->config.retry_max_ms = 2000 * 1000;
    for (int i = 0; i < 100; i++) {
        (void)snprintf(uuid, sizeof(uuid), "u%d", i);
        add(world, uuid);
    }
    start(world);
    idle(world);
    struct tb_deliver_status status;
    tb_deliver_status(world->deliver, &status);
    assert_in_range(status.retried, 8, 12);
    assert_int_equal(counts(world).queued, 100);
}

static void many_tokens_are_all_served(void **state)
{
    struct world *world = *state;
    enum { TOKENS = 150 };
    char uuid[37];
    char token[33];
    script(world, &OK, 1);
    for (int i = 0; i < 2 * TOKENS; i++) {
        (void)snprintf(uuid, sizeof(uuid), "u%d", i);
        (void)snprintf(token, sizeof(token), "token-%d", i % TOKENS);
        add_as(world, uuid, i % 4, token);
    }
    start(world);
    wait_sent(world, (int64_t)2 * TOKENS);
    idle(world);
    assert_int_equal(http_server_count(world->server), 2 * TOKENS);
    struct tb_deliver_status status;
    tb_deliver_status(world->deliver, &status);
    assert_int_equal(status.n_tokens, TB_DELIVER_TOKENS);
}

static void a_local_pace_delays_and_loses_nothing(void **state)
{
    struct world *world = *state;
    char uuid[37];
    script(world, &OK, 1);
    world->config.token_per_minute = 60 * 20; /* one each 50 ms, 20 at once */
    for (int i = 0; i < 30; i++) {
        (void)snprintf(uuid, sizeof(uuid), "u%d", i);
        add(world, uuid);
    }
    start(world);
    uint64_t before = tb_clock_mono_ns();
    tb_deliver_wake(world->deliver);
    idle(world); /* which those that wait for the pace are not */
    assert_int_equal(counts(world).sent, 30);
    assert_true(tb_clock_mono_ns() - before > 400ULL * TB_NS_PER_MS);
}

/* This program again, as an agent that only delivers. It does not outlive the test. */
static pid_t start_agent(struct world *world)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child > 0)
        return child;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0)
        (void)execl("/proc/self/exe", "agent", world->folder, world->endpoint, (char *)NULL);
    _exit(1);
}

/* An agent dies at any moment: nothing is lost, and what is sent again has the same uuid. */
static void killed_at_any_moment_it_sends_all(void **state)
{
    struct world *world = *state;
    script(world, &OK, 1);
    /* Each agent has more to send than the test waits for, however late the kill comes. */
    enum { ROUNDS = 15, ROWS = 40, N = ROUNDS * ROWS };
    char uuid[37];
    for (int i = 0; i < ROUNDS; i++) {
        for (int j = 0; j < ROWS; j++) {
            (void)snprintf(uuid, sizeof(uuid), "uuid-%03d", i * ROWS + j);
            add(world, uuid);
        }
        int before = http_server_count(world->server);
        pid_t agent = start_agent(world);
        bool has_come = http_server_wait(world->server, before + 1 + i, PATIENCE_MS);
        assert_int_equal(kill(agent, SIGKILL), 0);
        assert_int_equal(waitpid(agent, NULL, 0), agent);
        if (!has_come)
            fail_msg("round %d: %d requests, %lld rows queued", i,
                     http_server_count(world->server) - before, (long long)counts(world).queued);
    }
    start(world);
    wait_sent(world, N);
    bool seen[N] = {false};
    for (int i = 0; i < http_server_count(world->server); i++) {
        const char *at = strstr(body_of(world, i), "uuid-");
        assert_non_null(at);
        seen[strtol(at + 5, NULL, 10)] = true;
    }
    for (int i = 0; i < N; i++)
        assert_true(seen[i]);
}

static void a_verdict_that_cannot_be_stored_is_no_reason_to_send_again(void **state)
{
    struct world *world = *state;
    script(world, &OK, 1);
    start(world);
    idle(world);
    add(world, "u1");
    assert_int_equal(tb_store_begin(world->store), 0); /* nobody else can write now */
    tb_deliver_wake(world->deliver);
    struct tb_deliver_status status = {0};
    uint64_t until = tb_clock_mono_ns() + (uint64_t)PATIENCE_MS * TB_NS_PER_MS;
    while (!status.store_error[0] && tb_clock_mono_ns() < until) {
        (void)poll(NULL, 0, 5); /* there is no event to wait for: SQLite waits inside */
        tb_deliver_status(world->deliver, &status);
    }
    assert_non_null(strstr(status.store_error, "locked"));
    assert_int_equal(http_server_count(world->server), 1);
    assert_int_equal(tb_store_commit(world->store), 0);
    wait_sent(world, 1);
    idle(world);
    tb_deliver_status(world->deliver, &status);
    assert_string_equal(status.store_error, "");
    assert_int_equal(http_server_count(world->server), 1);
}

/* The agent that is killed: this program again, with arguments. */
static int deliver_for_ever(char *folder, char *endpoint)
{
    static char token[] = "00112233445566778899aabbccddeeff";
    struct tb_config config = {.state_dir = folder,
                               .endpoint = endpoint,
                               .token = token,
                               .timeout_ms = 5000,
                               .retry_min_ms = 5,
                               .retry_max_ms = 40,
                               .connections = 4};
    struct tb_deliver *deliver = NULL;
    char why[TB_STORE_WHY] = "";
    if (start_rollbar(&config, &deliver, why) < 0) {
        (void)fprintf(stderr, "%s\n", why);
        return 1;
    }
    for (;;)
        (void)pause();
}

static void it_does_not_start_without_a_database(void **state)
{
    struct world *world = *state;
    static char file[] = "/dev/null/state";
    struct tb_deliver *deliver = NULL;
    char why[TB_STORE_WHY] = "";
    (void)snprintf(world->endpoint, sizeof(world->endpoint), "http://127.0.0.1:1/");
    world->config.state_dir = file;
    assert_int_equal(start_rollbar(&world->config, &deliver, why), -ENOTDIR);
    assert_null(deliver);
    assert_non_null(strstr(why, "--state-dir"));
    tb_deliver_stop(NULL, 0);
}

#define LIVED(name) cmocka_unit_test_setup_teardown(name, make_world, drop_world)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        LIVED(an_item_is_sent_as_rollbar_wants_it),
        LIVED(an_item_s_own_token_wins),
        LIVED(what_was_queued_before_the_start_is_sent),
        LIVED(crashes_go_first),
        LIVED(all_crashes_go_first_however_many_there_are),
        LIVED(connections_are_kept_and_few),
        LIVED(a_server_error_is_tried_again_with_the_same_uuid),
        LIVED(broken_replies_lose_nothing),
        LIVED(a_refused_item_is_quarantined_with_the_reason),
        LIVED(an_item_too_large_is_quarantined_without_a_request),
        LIVED(a_hostile_token_cannot_change_the_request),
        LIVED(a_rate_limit_pauses_its_token_alone),
        LIVED(a_used_up_window_is_not_run_into),
        LIVED(a_pause_ends),
        LIVED(a_refused_token_parks_its_rows_alone),
        LIVED(a_parked_token_is_tried_again_now_and_then),
        LIVED(a_restart_tries_parked_tokens_at_once),
        LIVED(without_a_token_rows_wait_parked),
        LIVED(a_slow_reply_holds_up_nothing_else),
        LIVED(a_time_out_is_tried_again),
        LIVED(nobody_at_the_endpoint_loses_nothing),
        LIVED(an_endpoint_that_answers_nobody_is_tried_one_at_a_time),
        LIVED(back_off_goes_on_after_a_restart),
        LIVED(stopping_lets_what_is_under_way_end),
        LIVED(idle_speaks_of_what_was_committed_before_the_wake),
        LIVED(what_waits_goes_to_the_project_of_the_settings),
        LIVED(a_reload_changes_token_and_project_of_what_waits),
        LIVED(a_bad_reload_changes_nothing),
        LIVED(a_reload_under_load_loses_and_repeats_nothing),
        LIVED(a_token_whose_requests_hang_holds_up_no_other),
        LIVED(a_refused_item_is_mended_and_sent_once_more),
        LIVED(an_item_too_large_for_them_is_cut_once),
        LIVED(an_item_that_fails_for_ever_while_others_are_taken_is_given_up),
        LIVED(a_resting_endpoint_rests_after_a_restart_and_its_items_wait_in_order),
        LIVED(a_reload_asks_at_once_also_for_what_failed_before_the_endpoint_rested),
        LIVED(a_handshake_that_fails_is_not_tried_hot),
        LIVED(many_tokens_are_all_served),
        LIVED(a_local_pace_delays_and_loses_nothing),
        LIVED(killed_at_any_moment_it_sends_all),
        LIVED(a_verdict_that_cannot_be_stored_is_no_reason_to_send_again),
        LIVED(it_does_not_start_without_a_database),
    };
    /* A proxy of the machine has no business with loopback. */
    (void)setenv("no_proxy", "127.0.0.1", 1);
    if (argc == 3)
        return deliver_for_ever(argv[1], argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
