/* test_deliver_flight.c - what is sent: requests, connections, and items that are mended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rollbar_world.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVED(an_item_is_sent_as_rollbar_wants_it),
        LIVED(connections_are_kept_and_few),
        LIVED(an_item_too_large_is_quarantined_without_a_request),
        LIVED(a_hostile_token_cannot_change_the_request),
        LIVED(a_refused_item_is_mended_and_sent_once_more),
        LIVED(an_item_too_large_for_them_is_cut_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
