/* test_deliver_batch.c - requests of several items: what goes together, halves, verdicts by row,
 * what is created first, new credentials. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>

#include "agent/aws/aws.h"
#include "deliver_world.h"

static const struct http_answer OK = {HTTP_ANSWER, 200, NULL, ""};

static void what_waits_together_goes_together(void **state)
{
    struct world *world = *state;
    script(world, &OK, 1);
    add_many(world, 40);
    start(world);
    idle(world);
    assert_int_equal(counts_of(world, "fake").sent, 40);
    assert_int_equal(http_server_count(world->server), 3);
    int n = 0;
    for (int i = 0; i < 3; i++)
        n += n_lines(body_of(world, i));
    assert_int_equal(n, 40);
}

static void one_that_is_alone_does_not_wait_for_others(void **state)
{
    struct world *world = *state;
    script(world, &OK, 1);
    add(world, "u1");
    start(world);
    idle(world);
    assert_string_equal(body_of(world, 0), "u1\n");
}

static void queues_are_not_mixed(void **state)
{
    static const char *const SINKS[] = {"fake"};
    struct world *world = *state;
    script(world, &OK, 1);
    add_to(world, "a1", 1, "A", SINKS, 1);
    add_to(world, "b1", 1, "B", SINKS, 1);
    add_to(world, "a2", 1, "A", SINKS, 1);
    start(world);
    idle(world);
    assert_int_equal(http_server_count(world->server), 2);
    for (int i = 0; i < 2; i++) {
        bool is_a = strstr(world->server->requests[i].head, "X-Queue: A ") != NULL;
        assert_string_equal(body_of(world, i), is_a ? "a1\na2\n" : "b1\n");
    }
}

static void crashes_are_first_in_a_batch_too(void **state)
{
    static const char *const SINKS[] = {"fake"};
    struct world *world = *state;
    script(world, &OK, 1);
    world->sink.connections = 1;
    add_to(world, "chatter", 3, "", SINKS, 1);
    add_to(world, "error", 1, "", SINKS, 1);
    add_to(world, "crash", 0, "", SINKS, 1);
    start(world);
    idle(world);
    assert_string_equal(body_of(world, 0), "crash\nerror\nchatter\n");
}

static void a_batch_keeps_to_its_bytes(void **state)
{
    static struct tb_sink_type small = FAKE_SINK("fake", false);
    struct world *world = *state;
    script(world, &OK, 1);
    small.max_bytes = 100; /* two items of 47 */
    world->sink.type = &small;
    add_many(world, 5);
    start(world);
    idle(world);
    assert_int_equal(counts_of(world, "fake").sent, 5);
    assert_int_equal(http_server_count(world->server), 3);
}

static void what_does_not_fit_a_request_is_the_next_one(void **state)
{
    struct world *world = *state;
    script(world, &OK, 1);
    world->sink.connections = 1;
    fake_most = 3;
    add_many(world, 8);
    start(world);
    idle(world);
    assert_int_equal(counts_of(world, "fake").sent, 8);
    assert_int_equal(http_server_count(world->server), 3);
    assert_string_equal(body_of(world, 0), "u00\nu01\nu02\n");
}

static void of_one_that_cannot_be_sent_only_that_is_quarantined(void **state)
{
    struct world *world = *state;
    script(world, &OK, 1);
    add(world, "u1");
    add(world, "bad1");
    add(world, "u2");
    add(world, "bad2");
    start(world);
    idle(world);
    assert_string_equal(body_of(world, 0), "u1\nu2\n");
    assert_int_equal(counts_of(world, "fake").sent, 2);
    assert_int_equal(counts_of(world, "fake").quarantined, 2);
    struct tb_store_outcome outcome;
    assert_int_equal(tb_store_outcome(world->store, "bad2", "fake", &outcome), 0);
    assert_string_equal(outcome.reason, "it is bad");
}

static void a_batch_of_nothing_makes_no_request(void **state)
{
    struct world *world = *state;
    script(world, &OK, 1);
    add(world, "bad1");
    add(world, "bad2");
    start(world);
    idle(world);
    assert_int_equal(counts_of(world, "fake").quarantined, 2);
    assert_int_equal(http_server_count(world->server), 0);
}

static void each_row_has_its_own_verdict(void **state)
{
    static const struct http_answer answers[] = {{HTTP_ANSWER, 200, NULL, "drop:u01 retry:u02 "},
                                                 {HTTP_ANSWER, 200, NULL, ""}};
    struct world *world = *state;
    script(world, answers, 2);
    add_many(world, 4);
    start(world);
    wait_sent(world, "fake", 3);
    assert_string_equal(body_of(world, 1), "u02\n");
    assert_int_equal(counts_of(world, "fake").quarantined, 1);
    struct tb_store_outcome outcome;
    assert_int_equal(tb_store_outcome(world->store, "u01", "fake", &outcome), 0);
    assert_int_equal(outcome.state, TB_OUT_QUARANTINED);
    assert_int_equal(tb_store_outcome(world->store, "u02", "fake", &outcome), 0);
    assert_int_equal(outcome.attempts, 2);
}

static struct http_answer refuse_poison(void *arg, const struct http_request *request)
{
    (void)arg;
    return strstr(request->body, "u11\n") ? (struct http_answer){HTTP_ANSWER, 400, NULL, "no"} : OK;
}

static void a_poison_item_costs_only_itself(void **state)
{
    struct world *world = *state;
    serve(world, refuse_poison);
    add_many(world, 32);
    start(world);
    idle(world);
    assert_int_equal(counts_of(world, "fake").sent, 31);
    assert_int_equal(counts_of(world, "fake").quarantined, 1);
    struct tb_store_outcome outcome;
    assert_int_equal(tb_store_outcome(world->store, "u11", "fake", &outcome), 0);
    assert_int_equal(outcome.state, TB_OUT_QUARANTINED);
    assert_int_equal(outcome.http_status, 400);
    /* 16, then 8 + 8, 4 + 4, 2 + 2, 1 + 1; and the other 16. */
    assert_int_equal(http_server_count(world->server), 10);
}

static void a_5xx_for_good_is_not_asked_twice(void **state)
{
    static const struct http_answer answers[] = {{HTTP_ANSWER, 501, NULL, "never"}};
    struct world *world = *state;
    script(world, answers, 1);
    add_many(world, 6);
    start(world);
    idle(world);
    assert_int_equal(counts_of(world, "fake").quarantined, 6);
    assert_int_equal(http_server_count(world->server), 1);
}

static void what_is_said_of_taken_rows_is_kept(void **state)
{
    static const struct http_answer answers[] = {{HTTP_ANSWER, 200, NULL, "note"}};
    struct world *world = *state;
    struct tb_store_outcome outcome;
    script(world, answers, 1);
    add_many(world, 2);
    start(world);
    idle(world);
    assert_int_equal(counts_of(world, "fake").sent, 2);
    assert_int_equal(tb_store_outcome(world->store, "u01", "fake", &outcome), 0);
    assert_int_equal(outcome.state, TB_OUT_SENT);
    assert_string_equal(outcome.reason, "HTTP 200 note");
}

static struct http_answer fail_poison(void *arg, const struct http_request *request)
{
    (void)arg;
    return strstr(request->body, "u03\n") ? (struct http_answer){HTTP_ANSWER, 500, NULL, ""} : OK;
}

static void one_that_makes_the_service_fail_goes_alone_in_the_end(void **state)
{
    struct world *world = *state;
    serve(world, fail_poison);
    add_many(world, 6);
    start(world);
    wait_sent(world, "fake", 5);
    struct tb_store_outcome outcome;
    assert_int_equal(tb_store_outcome(world->store, "u03", "fake", &outcome), 0);
    assert_int_equal(outcome.state, TB_OUT_QUEUED);
}

static void those_of_one_request_are_tried_together_again(void **state)
{
    static const struct http_answer answers[] = {{HTTP_ANSWER, 503, NULL, ""},
                                                 {HTTP_ANSWER, 200, NULL, ""}};
    struct world *world = *state;
    script(world, answers, 2);
    add_many(world, 5);
    start(world);
    wait_sent(world, "fake", 5);
    assert_int_equal(http_server_count(world->server), 2);
}

static void told_to_slow_down_the_whole_queue_waits(void **state)
{
    static const struct http_answer answers[] = {{HTTP_ANSWER, 429, NULL, ""},
                                                 {HTTP_ANSWER, 200, NULL, ""}};
    struct world *world = *state;
    script(world, answers, 2);
    add_many(world, 5);
    start(world);
    wait_sent(world, "fake", 5);
    struct tb_store_outcome outcome;
    assert_int_equal(tb_store_outcome(world->store, "u00", "fake", &outcome), 0);
    assert_int_equal(outcome.attempts, 1); /* to be told so is no attempt */
}

static void a_refused_queue_waits_and_a_reload_gives_it_another_chance(void **state)
{
    static const struct http_answer answers[] = {{HTTP_ANSWER, 401, NULL, ""},
                                                 {HTTP_ANSWER, 200, NULL, ""}};
    struct world *world = *state;
    char why[TB_STORE_WHY];
    script(world, answers, 2);
    world->config.retry_max_ms = 1000 * 1000;
    add_many(world, 5);
    start(world);
    idle(world);
    assert_int_equal(counts_of(world, "fake").parked, 5);
    assert_int_equal(tb_deliver_reload(world->deliver, &world->config, &world->sink, why), 0);
    wait_sent(world, "fake", 5);
}

/* ---- created first ---- */

static void what_is_missing_is_created_and_the_rows_go_again_at_once(void **state)
{
    static const struct http_answer answers[] = {{HTTP_ANSWER, 400, NULL, "create"},
                                                 {HTTP_ANSWER, 200, NULL, ""}};
    struct world *world = *state;
    script(world, answers, 2);
    world->config.retry_min_ms = world->config.retry_max_ms = 1000 * 1000;
    add_many(world, 3);
    start(world);
    idle(world);
    assert_int_equal(counts_of(world, "fake").sent, 3);
    assert_string_equal(body_of(world, 1), "group");
    assert_string_equal(body_of(world, 2), "stream");
    assert_string_equal(body_of(world, 3), "u00\nu01\nu02\n");
    struct tb_store_outcome outcome;
    assert_int_equal(tb_store_outcome(world->store, "u00", "fake", &outcome), 0);
    assert_int_equal(outcome.attempts, 1);
}

static struct http_answer always_missing(void *arg, const struct http_request *request)
{
    (void)arg;
    return request->body[0] == 'u' ? (struct http_answer){HTTP_ANSWER, 400, NULL, "create"} : OK;
}

static void what_is_missing_still_is_tried_later(void **state)
{
    struct world *world = *state;
    serve(world, always_missing);
    world->config.retry_min_ms = world->config.retry_max_ms = 1000 * 1000;
    add_many(world, 3);
    start(world);
    idle(world);
    assert_int_equal(counts_of(world, "fake").queued, 3);
    assert_int_equal(http_server_count(world->server), 4);
    struct tb_store_outcome outcome;
    assert_int_equal(tb_store_outcome(world->store, "u00", "fake", &outcome), 0);
    assert_int_equal(outcome.attempts, 1);
    assert_string_equal(outcome.reason, "HTTP 400 create");
}

static struct http_answer cannot_create(void *arg, const struct http_request *request)
{
    (void)arg;
    return (struct http_answer){HTTP_ANSWER, request->body[0] == 'u' ? 400 : 500, NULL,
                                request->body[0] == 'u' ? "create" : ""};
}

static void a_step_that_fails_is_the_verdict_of_the_rows(void **state)
{
    struct world *world = *state;
    serve(world, cannot_create);
    world->config.retry_min_ms = world->config.retry_max_ms = 1000 * 1000;
    add_many(world, 3);
    start(world);
    idle(world);
    assert_int_equal(http_server_count(world->server), 2);
    struct tb_store_outcome outcome;
    assert_int_equal(tb_store_outcome(world->store, "u02", "fake", &outcome), 0);
    assert_string_equal(outcome.reason, "step 0: HTTP 500");
}

/* ---- signed ---- */

static const struct tb_sink_type SIGNED = FAKE_SINK("fake", true);
static atomic_bool has_keys;
static atomic_int n_refused;

int __wrap_tb_aws_credentials(struct tb_aws *aws, bool is_refused, struct tb_sink_credentials *out,
                              char why[TB_AWS_WHY]);

/* Each refusal brings another key. */
int __wrap_tb_aws_credentials(struct tb_aws *aws, bool is_refused, struct tb_sink_credentials *out,
                              char why[TB_AWS_WHY])
{
    static const char *const KEYS[] = {"FIRST", "SECOND", "THIRD"};
    (void)aws;
    if (is_refused)
        atomic_fetch_add(&n_refused, 1);
    (void)snprintf(why, TB_AWS_WHY, "nobody gives any");
    *out = (struct tb_sink_credentials){KEYS[atomic_load(&n_refused) % 3], "secret", ""};
    return atomic_load(&has_keys) ? 0 : -ENOENT;
}

static void sign(struct world *world)
{
    static char region[] = "eu-west-1";
    world->config.sinks.aws.region = region;
    world->sink.type = &SIGNED;
    world->sink.service = "logs";
    atomic_store(&has_keys, true);
    atomic_store(&n_refused, 0);
}

static void a_request_is_signed_with_what_there_is(void **state)
{
    struct world *world = *state;
    script(world, &OK, 1);
    sign(world);
    add(world, "u1");
    start(world);
    idle(world);
    assert_int_equal(counts_of(world, "fake").sent, 1);
    assert_non_null(strstr(world->server->requests[0].head, "X-Key: FIRST\r\n"));
}

static void refused_credentials_are_asked_for_again_once(void **state)
{
    static const struct http_answer answers[] = {{HTTP_ANSWER, 403, NULL, "renew"},
                                                 {HTTP_ANSWER, 200, NULL, ""}};
    struct world *world = *state;
    script(world, answers, 2);
    sign(world);
    world->config.retry_min_ms = world->config.retry_max_ms = 1000 * 1000;
    add_many(world, 3);
    start(world);
    idle(world);
    assert_int_equal(counts_of(world, "fake").sent, 3);
    assert_int_equal(http_server_count(world->server), 2);
    assert_non_null(strstr(world->server->requests[1].head, "X-Key: SECOND\r\n"));
    assert_int_equal(atomic_load(&n_refused), 1);
}

static void credentials_that_stay_refused_make_the_rows_wait(void **state)
{
    static const struct http_answer answers[] = {{HTTP_ANSWER, 403, NULL, "renew"}};
    struct world *world = *state;
    script(world, answers, 1);
    sign(world);
    world->config.retry_min_ms = world->config.retry_max_ms = 1000 * 1000;
    add_many(world, 3);
    start(world);
    idle(world);
    assert_int_equal(counts_of(world, "fake").queued, 3);
    assert_int_equal(counts_of(world, "fake").parked, 0);
    assert_int_equal(http_server_count(world->server), 2);
}

static void the_service_s_clock_is_taken_over(void **state)
{
    static const struct http_answer answers[] = {
        {HTTP_ANSWER, 403, "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n", "renew"},
        {HTTP_ANSWER, 200, NULL, ""}};
    struct world *world = *state;
    script(world, answers, 2);
    sign(world);
    add(world, "u1");
    start(world);
    idle(world);
    assert_int_equal(counts_of(world, "fake").sent, 1);
    long long before = 0;
    long long after = 0;
    const char *text = strstr(world->server->requests[0].head, "X-Queue:  ");
    assert_non_null(text);
    assert_int_equal(sscanf(text, "X-Queue:  %lld", &before), 1);
    text = strstr(world->server->requests[1].head, "X-Queue:  ");
    assert_non_null(text);
    assert_int_equal(sscanf(text, "X-Queue:  %lld", &after), 1);
    assert_in_range(after - before, 2, 3); /* hours */
}

static void without_credentials_all_waits_and_says_why(void **state)
{
    struct world *world = *state;
    script(world, &OK, 1);
    sign(world);
    atomic_store(&has_keys, false);
    add_many(world, 3);
    start(world);
    idle(world);
    struct tb_deliver_status status;
    tb_deliver_status(world->deliver, &status);
    assert_string_equal(status.last_error, "nobody gives any");
    assert_int_equal(http_server_count(world->server), 0);
    struct tb_store_counts counts = counts_of(world, "fake");
    assert_int_equal(counts.queued, 3);
    assert_int_equal(counts.parked, 0);
    struct tb_store_outcome outcome;
    assert_int_equal(tb_store_outcome(world->store, "u00", "fake", &outcome), 0);
    assert_int_equal(outcome.attempts, 0);
    /* As soon as there are some it goes on. */
    atomic_store(&has_keys, true);
    wait_sent(world, "fake", 3);
}

/* A region, no endpoint, and a proxy that turns everybody away. */
static void sign_in(struct world *world, char *region, char proxy[64])
{
    static const struct http_answer away = {HTTP_ANSWER, 403, NULL, ""};
    script(world, &away, 1);
    sign(world);
    (void)snprintf(proxy, 64, "http://127.0.0.1:%d", world->server->port);
    world->config.sinks.aws.region = region;
    world->sink.proxy = proxy;
    world->sink.endpoint[0] = '\0';
    add(world, "u1");
    start(world);
}

static void the_address_is_that_of_the_region(void **state)
{
    struct world *world = *state;
    static char region[] = "eusc-de-east-1";
    static const char FIRST[] = "CONNECT logs.eusc-de-east-1.amazonaws.eu:443 ";
    char proxy[64];
    sign_in(world, region, proxy);
    assert_true(http_server_wait(world->server, 1, PATIENCE_MS));
    assert_memory_equal(world->server->requests[0].head, FIRST, sizeof(FIRST) - 1);
    stop(world);
}

static void what_is_no_region_gets_nothing(void **state)
{
    struct world *world = *state;
    static char region[] = "example.org/";
    char proxy[64];
    struct tb_deliver_status status;
    sign_in(world, region, proxy);
    idle(world);
    tb_deliver_status(world->deliver, &status);
    assert_string_equal(status.last_error,
                        "no region: \"example.org/\" is none; one is like ca-central-1");
    assert_int_equal(http_server_count(world->server), 0);
    assert_int_equal(counts_of(world, "fake").queued, 1);
}

/* ---- the end ---- */

static void what_was_under_way_at_the_end_stays_queued(void **state)
{
    static const struct http_answer answers[] = {{HTTP_HANG, 0, NULL, NULL}};
    struct world *world = *state;
    script(world, answers, 1);
    add_many(world, 20);
    start(world);
    assert_true(http_server_wait(world->server, 2, PATIENCE_MS));
    tb_deliver_stop(world->deliver, 0);
    world->deliver = NULL;
    assert_int_equal(counts_of(world, "fake").queued, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, make_world, drop_world)
        WORLD_TEST(what_waits_together_goes_together),
        WORLD_TEST(one_that_is_alone_does_not_wait_for_others),
        WORLD_TEST(queues_are_not_mixed),
        WORLD_TEST(crashes_are_first_in_a_batch_too),
        WORLD_TEST(a_batch_keeps_to_its_bytes),
        WORLD_TEST(what_does_not_fit_a_request_is_the_next_one),
        WORLD_TEST(of_one_that_cannot_be_sent_only_that_is_quarantined),
        WORLD_TEST(a_batch_of_nothing_makes_no_request),
        WORLD_TEST(each_row_has_its_own_verdict),
        WORLD_TEST(a_poison_item_costs_only_itself),
        WORLD_TEST(a_5xx_for_good_is_not_asked_twice),
        WORLD_TEST(what_is_said_of_taken_rows_is_kept),
        WORLD_TEST(one_that_makes_the_service_fail_goes_alone_in_the_end),
        WORLD_TEST(those_of_one_request_are_tried_together_again),
        WORLD_TEST(told_to_slow_down_the_whole_queue_waits),
        WORLD_TEST(a_refused_queue_waits_and_a_reload_gives_it_another_chance),
        WORLD_TEST(what_is_missing_is_created_and_the_rows_go_again_at_once),
        WORLD_TEST(what_is_missing_still_is_tried_later),
        WORLD_TEST(a_step_that_fails_is_the_verdict_of_the_rows),
        WORLD_TEST(a_request_is_signed_with_what_there_is),
        WORLD_TEST(refused_credentials_are_asked_for_again_once),
        WORLD_TEST(credentials_that_stay_refused_make_the_rows_wait),
        WORLD_TEST(the_service_s_clock_is_taken_over),
        WORLD_TEST(without_credentials_all_waits_and_says_why),
        WORLD_TEST(the_address_is_that_of_the_region),
        WORLD_TEST(what_is_no_region_gets_nothing),
        WORLD_TEST(what_was_under_way_at_the_end_stays_queued),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
