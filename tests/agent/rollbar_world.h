/* rollbar_world.h - delivery to Rollbar against a scripted server on loopback, for the tests of
 * what it does with what comes back. */
#ifndef TB_TESTS_AGENT_ROLLBAR_WORLD_H
#define TB_TESTS_AGENT_ROLLBAR_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ftw.h>
#include <sys/stat.h>

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

static inline struct http_answer by_number(void *arg, const struct http_request *request)
{
    const struct world *world = arg;
    int last = world->n_answers - 1;
    return world->answers[request->number < last ? request->number : last];
}

static inline int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static inline int make_world(void **state)
{
    static char token[] = "00112233445566778899aabbccddeeff";
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    /* A proxy of the machine has no business with loopback. */
    (void)setenv("no_proxy", "127.0.0.1", 1);
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

static inline int drop_world(void **state)
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

static inline void serve(struct world *world,
                         struct http_answer (*answer)(void *arg,
                                                      const struct http_request *request))
{
    world->server = http_server_start(0, answer, world);
    assert_non_null(world->server);
    (void)snprintf(world->endpoint, sizeof(world->endpoint), "http://127.0.0.1:%d/api/1/item/",
                   world->server->port);
}

static inline void script(struct world *world, const struct http_answer *answers, int n_answers)
{
    world->answers = answers;
    world->n_answers = n_answers;
    serve(world, by_number);
}

static inline int start_rollbar(const struct tb_config *config, struct tb_deliver **out,
                                char why[TB_STORE_WHY])
{
    struct tb_deliver_sink sink;
    tb_sinks_rollbar(config, &sink);
    return tb_deliver_start(config, &sink, out, why);
}

static inline int reload_rollbar(struct tb_deliver *deliver, const struct tb_config *config,
                                 char why[TB_STORE_WHY])
{
    struct tb_deliver_sink sink;
    tb_sinks_rollbar(config, &sink);
    return tb_deliver_reload(deliver, config, &sink, why);
}

static inline void start(struct world *world)
{
    char why[TB_STORE_WHY] = "";
    if (start_rollbar(&world->config, &world->deliver, why) < 0)
        fail_msg("%s", why);
}

static inline void stop(struct world *world)
{
    tb_deliver_stop(world->deliver, PATIENCE_MS);
    world->deliver = NULL;
}

static inline void add_of(struct world *world, const char *uuid, int class_, const char *token,
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

static inline void add_as(struct world *world, const char *uuid, int class_, const char *token)
{
    add_of(world, uuid, class_, token, "s");
}

static inline void add(struct world *world, const char *uuid)
{
    add_as(world, uuid, 1, "");
}

static inline struct tb_store_counts counts(struct world *world)
{
    struct tb_store_counts result;
    assert_int_equal(tb_store_counts(world->store, &result), 0);
    assert_int_equal(result.received,
                     result.sent + result.dropped + result.quarantined + result.queued);
    return result;
}

/* Waits until so many rows are sent, or fails. Looks at the database: that is what counts. */
static inline void wait_sent(struct world *world, int64_t n)
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

static inline void idle(struct world *world)
{
    assert_true(tb_deliver_wait_idle(world->deliver, PATIENCE_MS));
}

static inline const char *body_of(struct world *world, int number)
{
    assert_true(http_server_wait(world->server, number + 1, PATIENCE_MS));
    return world->server->requests[number].body;
}

static inline struct http_answer by_token(void *arg, const struct http_request *request)
{
    (void)arg;
    static const struct http_answer REFUSED = {
        HTTP_ANSWER, 403, NULL, "{\"err\":1,\"message\":\"access token not found: badbad\"}"};
    return strstr(request->head, "badbad") ? REFUSED : OK;
}

#define LIVED(name) cmocka_unit_test_setup_teardown(name, make_world, drop_world)

#endif
