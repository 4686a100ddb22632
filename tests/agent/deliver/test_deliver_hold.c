/* test_deliver_hold.c - tokens that are paused or parked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rollbar_world.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVED(a_rate_limit_pauses_its_token_alone),
        LIVED(a_used_up_window_is_not_run_into),
        LIVED(a_pause_ends),
        LIVED(a_refused_token_parks_its_rows_alone),
        LIVED(a_parked_token_is_tried_again_now_and_then),
        LIVED(a_restart_tries_parked_tokens_at_once),
        LIVED(without_a_token_rows_wait_parked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
