/* test_deliver_reply.c - what replies, and none, mean for an item. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rollbar_world.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVED(a_server_error_is_tried_again_with_the_same_uuid),
        LIVED(broken_replies_lose_nothing),
        LIVED(a_refused_item_is_quarantined_with_the_reason),
        LIVED(a_time_out_is_tried_again),
        LIVED(an_item_that_fails_for_ever_while_others_are_taken_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
