/* test_deliver_clock.c - delivery while the wall clock is set by years. The clock is a fake one:
 * the real one, and what the test adds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdatomic.h>

#include "agent/deliver/sinks.h"
#include "base/clock.h"
#include "http_server.h"

enum { PATIENCE_MS = 20000 };
#define YEAR_NS (INT64_C(365) * 24 * 3600 * TB_NS_PER_S)
#define OK_BODY "{\"err\":0,\"result\":{\"id\":null,\"uuid\":\"u\"}}"

static atomic_int_fast64_t added_ns;

uint64_t __real_tb_clock_wall_ns(void);
uint64_t __wrap_tb_clock_wall_ns(void);
uint64_t __wrap_tb_clock_wall_ns(void)
{
    return __real_tb_clock_wall_ns() + (uint64_t)atomic_load(&added_ns);
}

static atomic_int n_down; /* so many requests are answered with 503 */

static struct http_answer reply(void *arg, const struct http_request *request)
{
    (void)arg;
    static const struct http_answer LIMITED = {HTTP_ANSWER, 429,
                                               "X-Rate-Limit-Remaining-Seconds: 3000\r\n", ""};
    static const struct http_answer DOWN = {HTTP_ANSWER, 503, NULL, ""};
    static const struct http_answer UP = {HTTP_ANSWER, 200, NULL, OK_BODY};
    if (strstr(request->head, "limited"))
        return LIMITED;
    return atomic_fetch_sub(&n_down, 1) > 0 ? DOWN : UP;
}

struct world {
    char folder[64];
    char endpoint[96];
    struct tb_config config;
    struct tb_store *store;
    struct http_server *server;
    struct tb_deliver *deliver;
};

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static int start_rollbar(const struct tb_config *config, struct tb_deliver **out,
                         char why[TB_STORE_WHY])
{
    struct tb_deliver_sink sink;
    tb_sinks_rollbar(config, &sink);
    return tb_deliver_start(config, &sink, out, why);
}

static int make_world(void **state)
{
    static char token[] = "00112233445566778899aabbccddeeff";
    struct world *world = calloc(1, sizeof(*world));
    char why[TB_STORE_WHY] = "";
    assert_non_null(world);
    atomic_store(&added_ns, 0);
    atomic_store(&n_down, 0);
    (void)snprintf(world->folder, sizeof(world->folder), "/tmp/towbar-clock-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    world->server = http_server_start(0, reply, NULL);
    assert_non_null(world->server);
    (void)snprintf(world->endpoint, sizeof(world->endpoint), "http://127.0.0.1:%d/api/1/item/",
                   world->server->port);
    world->config = (struct tb_config){.state_dir = world->folder,
                                       .endpoint = world->endpoint,
                                       .token = token,
                                       .timeout_ms = 5000,
                                       .retry_min_ms = 1000 * 1000,
                                       .retry_max_ms = 2000 * 1000,
                                       .connections = 2};
    assert_int_equal(tb_store_open(world->folder, TB_STORE_WRITE, &world->store, why), 0);
    assert_int_equal(start_rollbar(&world->config, &world->deliver, why), 0);
    *state = world;
    return 0;
}

static int drop_world(void **state)
{
    struct world *world = *state;
    tb_deliver_stop(world->deliver, 0);
    tb_store_close(world->store);
    http_server_stop(world->server);
    http_server_free(world->server);
    (void)nftw(world->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(world);
    return 0;
}

static void send_one(struct world *world, const char *uuid, const char *token)
{
    struct tb_occurrence one = {.uuid = uuid,
                                .fingerprint = "f",
                                .environment = "test",
                                .service = "s",
                                .title = "t",
                                .level = "error",
                                .framework = "",
                                .trace_id = "",
                                .xray_trace_id = "",
                                .span_id = "",
                                .group_inputs = "{}",
                                .class_ = 1,
                                .received_ns = tb_clock_wall_ns(),
                                .data = "{}",
                                .data_len = 2};
    const struct tb_outbox_to to = {"rollbar", token};
    assert_int_equal(tb_store_add(world->store, &one, &to, 1), 0);
    tb_deliver_wake(world->deliver);
    assert_true(tb_deliver_wait_idle(world->deliver, PATIENCE_MS));
}

static void step(struct world *world, int64_t by_ns)
{
    atomic_fetch_add(&added_ns, by_ns);
    tb_deliver_wake(world->deliver);
    assert_true(tb_deliver_wait_idle(world->deliver, PATIENCE_MS));
}

static int64_t sent(struct world *world)
{
    struct tb_store_counts counts;
    assert_int_equal(tb_store_counts(world->store, &counts), 0);
    assert_int_equal(counts.received, counts.sent + counts.queued);
    return counts.sent;
}

static void a_clock_set_back_by_a_year_stalls_nothing(void **state)
{
    struct world *world = *state;
    atomic_store(&n_down, 1);
    send_one(world, "retried", "");
    assert_int_equal(sent(world), 0);
    step(world, -YEAR_NS);
    assert_int_equal(sent(world), 1);
    send_one(world, "next", "");
    assert_int_equal(sent(world), 2);
}

static void a_clock_set_on_by_a_year_stalls_nothing(void **state)
{
    struct world *world = *state;
    atomic_store(&n_down, 1);
    send_one(world, "retried", "");
    step(world, YEAR_NS);
    assert_int_equal(sent(world), 1);
    send_one(world, "next", "");
    step(world, -YEAR_NS);
    send_one(world, "after", "");
    assert_int_equal(sent(world), 3);
}

static void a_pause_is_as_long_whatever_the_clock_does(void **state)
{
    struct world *world = *state;
    struct tb_deliver_status status;
    send_one(world, "l1", "limited");
    int n = http_server_count(world->server);
    for (int i = 0; i < 4; i++) {
        step(world, i % 2 == 0 ? YEAR_NS : -YEAR_NS);
        tb_deliver_status(world->deliver, &status);
        int64_t left_ms = status.paused_until_ms - (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS);
        assert_in_range(left_ms, 2900 * 1000, 3006 * 1000);
    }
    assert_int_equal(http_server_count(world->server), n);
}

#define LIVED(name) cmocka_unit_test_setup_teardown(name, make_world, drop_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVED(a_clock_set_back_by_a_year_stalls_nothing),
        LIVED(a_clock_set_on_by_a_year_stalls_nothing),
        LIVED(a_pause_is_as_long_whatever_the_clock_does),
    };
    (void)setenv("no_proxy", "127.0.0.1", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
