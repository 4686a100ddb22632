/* test_deliver_rest.c - an endpoint that answers nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rollbar_world.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVED(nobody_at_the_endpoint_loses_nothing),
        LIVED(an_endpoint_that_answers_nobody_is_tried_one_at_a_time),
        LIVED(back_off_goes_on_after_a_restart),
        LIVED(a_resting_endpoint_rests_after_a_restart_and_its_items_wait_in_order),
        LIVED(a_reload_asks_at_once_also_for_what_failed_before_the_endpoint_rested),
        LIVED(a_handshake_that_fails_is_not_tried_hot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
