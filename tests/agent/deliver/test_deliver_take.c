/* test_deliver_take.c - which items are sent when: order, and who holds up whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rollbar_world.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVED(crashes_go_first),
        LIVED(all_crashes_go_first_however_many_there_are),
        LIVED(a_slow_reply_holds_up_nothing_else),
        LIVED(a_token_whose_requests_hang_holds_up_no_other),
        LIVED(many_tokens_are_all_served),
        LIVED(a_local_pace_delays_and_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
