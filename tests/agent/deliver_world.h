/* deliver_world.h - a sink whose requests can be read, for tests of what delivery does with any.
 *
 * A request's body is one line for each item, its uuid. What the reply's body says: "create" and
 * "renew" are those verdicts; a word "drop:UUID", "retry:UUID" or "slow:UUID" in a 200 is that of
 * one item, and "note" is said with an ACK. Of an item whose uuid begins with "bad" no request can
 * be made. */
#ifndef TB_TESTS_AGENT_DELIVER_WORLD_H
#define TB_TESTS_AGENT_DELIVER_WORLD_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ftw.h>

#include "agent/deliver/deliveries.h"
#include "base/clock.h"
#include "http_server.h"

enum { PATIENCE_MS = 20000, FAKE_BATCH = 16, FAKE_BYTES = 4096 };

static size_t fake_most = FAKE_BATCH; /* items that one request takes */

static inline int fake_encode(const struct tb_sink_target *target, struct tb_sink_item *items,
                              size_t n, struct tb_sink_request *out)
{
    int err = tb_sink_request_init(out, target->endpoint, 64 << 10);
    size_t n_in = 0;
    size_t i = 0;
    if (err == 0 && target->credentials)
        err = tb_sink_header(out, "X-Key: %s", target->credentials->key_id);
    if (err == 0)
        err = tb_sink_header(out, "X-Queue: %s %lld", target->token,
                             (long long)(target->now_ms / 3600000));
    for (; i < n && n_in < fake_most; i++) {
        if (strncmp(items[i].uuid, "bad", 3) == 0) {
            items[i].why = "it is bad";
            continue;
        }
        tb_buf_addf(&out->body, "%s\n", items[i].uuid);
        n_in++;
    }
    return err < 0 ? err : (int)i;
}

static inline enum tb_verdict fake_verdict(const struct tb_sink_reply *reply, const char *body)
{
    if (strcmp(body, "create") == 0)
        return TB_VERDICT_CREATE;
    if (strncmp(body, "renew", 5) == 0)
        return TB_VERDICT_RENEW;
    if (reply->status == 200)
        return TB_VERDICT_ACK;
    if (reply->status == 400 || reply->status == 413 || reply->status == 501)
        return TB_VERDICT_DROP;
    if (reply->status == 401)
        return TB_VERDICT_PARK;
    return reply->status == 429 ? TB_VERDICT_SLOW : TB_VERDICT_RETRY;
}

static inline void fake_judge(const struct tb_sink_target *target,
                              const struct tb_sink_reply *reply, const struct tb_sink_item *items,
                              size_t n, struct tb_sink_judgement *out)
{
    static const struct {
        const char *word;
        enum tb_verdict verdict;
    } WORDS[] = {{"drop", TB_VERDICT_DROP}, {"retry", TB_VERDICT_RETRY}};
    const char *body = reply->body ? reply->body : "";
    (void)target;
    for (size_t i = 0; i < n; i++) {
        char word[64];
        memset(&out[i], 0, sizeof(out[i]));
        out[i].verdict = fake_verdict(reply, body);
        if (out[i].verdict == TB_VERDICT_RENEW && reply->date)
            out[i].clock_ms = INT64_C(7200000);
        if (out[i].verdict != TB_VERDICT_ACK || strcmp(body, "note") == 0)
            (void)snprintf(out[i].reason, sizeof(out[i].reason), "HTTP %d %s", reply->status,
                           reply->error ? reply->error : body);
        for (size_t k = 0; k < 2; k++) {
            (void)snprintf(word, sizeof(word), "%s:%s ", WORDS[k].word, items[i].uuid);
            if (strstr(body, word))
                out[i].verdict = WORDS[k].verdict;
        }
    }
}

static inline int fake_prepare(const struct tb_sink_target *target, unsigned step,
                               struct tb_sink_request *out)
{
    static const char *const STEPS[] = {"group", "stream"};
    if (step >= 2)
        return 0;
    int err = tb_sink_request_init(out, target->endpoint, 1024);
    tb_buf_adds(&out->body, STEPS[step]);
    return err < 0 ? err : 1;
}

static inline void fake_judge_step(const struct tb_sink_target *target, unsigned step,
                                   const struct tb_sink_reply *reply, struct tb_sink_judgement *out)
{
    (void)target;
    memset(out, 0, sizeof(*out));
    out->verdict = reply->status == 200 ? TB_VERDICT_ACK : TB_VERDICT_RETRY;
    (void)snprintf(out->reason, sizeof(out->reason), "step %u: HTTP %d", step, reply->status);
}

#define FAKE_SINK(sink_name, is_signed_one)                                                        \
    {                                                                                              \
        .name = (sink_name), .batch = FAKE_BATCH, .max_bytes = FAKE_BYTES,                         \
        .is_signed = (is_signed_one), .encode = fake_encode, .judge = fake_judge,                  \
        .prepare = fake_prepare, .judge_step = fake_judge_step                                     \
    }

static const struct tb_sink_type FAKE = FAKE_SINK("fake", false);

/* ---- a state folder ---- */

struct world {
    char folder[64];
    struct tb_config config;
    struct tb_store *store; /* the pipeline's handle */
    struct http_server *server;
    struct tb_deliver_sink sink;
    struct tb_deliver *deliver;
    const struct http_answer *answers; /* number n to request n, the last one to all that follow */
    int n_answers;
};

static inline int world_remove_one(const char *path, const struct stat *st, int kind,
                                   struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static inline int make_world(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    char why[TB_STORE_WHY] = "";
    assert_non_null(world);
    (void)snprintf(world->folder, sizeof(world->folder), "/tmp/towbar-deliver-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    world->config.state_dir = world->folder;
    world->config.retry_min_ms = 5;
    world->config.retry_max_ms = 40;
    world->sink = (struct tb_deliver_sink){
        .type = &FAKE, .section = "fake", .timeout_ms = 5000, .connections = 4};
    if (tb_store_open(world->folder, TB_STORE_WRITE, &world->store, why) < 0)
        fail_msg("%s", why);
    fake_most = FAKE_BATCH;
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
    (void)nftw(world->folder, world_remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(world);
    return 0;
}

static inline void serve(struct world *world,
                         struct http_answer (*answer)(void *, const struct http_request *))
{
    world->server = http_server_start(0, answer, world);
    assert_non_null(world->server);
    (void)snprintf(world->sink.endpoint, sizeof(world->sink.endpoint), "http://127.0.0.1:%d/v1",
                   world->server->port);
}

static inline struct http_answer by_number(void *arg, const struct http_request *request)
{
    const struct world *world = arg;
    int last = world->n_answers - 1;
    return world->answers[request->number < last ? request->number : last];
}

static inline void script(struct world *world, const struct http_answer *answers, int n_answers)
{
    world->answers = answers;
    world->n_answers = n_answers;
    serve(world, by_number);
}

static inline void start(struct world *world)
{
    char why[TB_STORE_WHY] = "";
    if (tb_deliver_start(&world->config, &world->sink, &world->deliver, why) < 0)
        fail_msg("%s", why);
}

static inline void stop(struct world *world)
{
    tb_deliver_stop(world->deliver, PATIENCE_MS);
    world->deliver = NULL;
}

/* In one transaction with others where the caller began one. */
static inline void add_to(struct world *world, const char *uuid, int class_, const char *queue,
                          const char *const *sinks, size_t n_sinks)
{
    struct tb_outbox_to to[4];
    for (size_t i = 0; i < n_sinks; i++)
        to[i] = (struct tb_outbox_to){.sink = sinks[i], .token = queue};
    struct tb_occurrence one = {
        .uuid = uuid,
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
        .class_ = class_,
        .occurred_ns = tb_clock_wall_ns(),
        .received_ns = tb_clock_wall_ns(),
        .data = "{\"uuid\":\"00000000-0000-4000-8000-000000000000\"}",
    };
    one.data_len = strlen(one.data);
    assert_int_equal(tb_store_add(world->store, &one, to, n_sinks), 0);
}

static inline void add(struct world *world, const char *uuid)
{
    static const char *const SINKS[] = {"fake"};
    add_to(world, uuid, 1, "", SINKS, 1);
}

static inline void add_many(struct world *world, int n)
{
    char uuid[37];
    for (int i = 0; i < n; i++) {
        (void)snprintf(uuid, sizeof(uuid), "u%02d", i);
        add(world, uuid);
    }
}

static inline struct tb_store_counts counts_of(struct world *world, const char *sink)
{
    struct tb_store_counts result;
    assert_int_equal(tb_store_sink_counts(world->store, sink, &result), 0);
    assert_int_equal(result.received,
                     result.sent + result.dropped + result.quarantined + result.queued);
    return result;
}

static inline void idle(struct world *world)
{
    tb_deliver_wake(world->deliver);
    assert_true(tb_deliver_wait_idle(world->deliver, PATIENCE_MS));
}

/* Waits until that many of them are sent. */
static inline void wait_sent(struct world *world, const char *sink, int64_t n)
{
    uint64_t until = tb_clock_mono_ns() + (uint64_t)PATIENCE_MS * TB_NS_PER_MS;
    while (counts_of(world, sink).sent < n) {
        if (tb_clock_mono_ns() > until)
            fail_msg("only %lld of %lld were sent to %s: %s",
                     (long long)counts_of(world, sink).sent, (long long)n, sink,
                     counts_of(world, sink).last_reason);
        (void)poll(NULL, 0, 2);
    }
}

static inline const char *body_of(struct world *world, int number)
{
    assert_true(http_server_wait(world->server, number + 1, PATIENCE_MS));
    return world->server->requests[number].body;
}

static inline int n_lines(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

#endif
