/* sampler_poll.c - see sampler.h: what the X-Ray daemon is asked, as X-Ray's SDKs do it.
 *
 * Plain HTTP to the TCP port beside its UDP port, by no proxy; it signs and passes on. Rules come
 * in pages and count when all are there; quotas are asked for with a report of what was used. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/deliver/backoff.h"
#include "agent/log.h"
#include "agent/sampling/sampler_internal.h"
#include "agent/wait.h"
#include "base/clock.h"
#include "base/json.h"

enum {
    TIMEOUT_MS = 2000,
    RETRY_MIN_MS = 5000, /* after a failure, twice as long each time up to that of rules */
    JITTER_RULES_MS = 30 * 1000,
    JITTER_TARGETS_MS = 1000,
    TOKEN_BYTES = 8192,
    BODY_BYTES = 64 << 10,
    SAID_SHOWN = 200,
    MS_PER_S = 1000,
    RUN_MS = 60 * 1000 /* longer than anything takes */
};

/* The thread's own. */
struct poll {
    struct tb_sampler *sampler;
    struct tb_transport *transport;
    char address[TB_SAMPLER_ADDRESS];
    uint64_t rules_due_ns, targets_due_ns;
    unsigned n_failed; /* in a row */
    int64_t loaded_s;  /* wall clock: when the rules were asked for */
    char why[TB_SAMPLER_WHY];
};

static uint64_t after_ms(int64_t ms)
{
    return tb_clock_mono_ns() + (uint64_t)ms * TB_NS_PER_MS;
}

static bool is_stopping(struct tb_sampler *s)
{
    pthread_mutex_lock(&s->lock);
    bool stops = s->is_stopping;
    pthread_mutex_unlock(&s->lock);
    return stops;
}

/* ---- one question ---- */

static int make_request(struct poll *p, const char *operation, const struct tb_buf *body,
                        struct tb_sink_request *out)
{
    char url[TB_SAMPLER_ADDRESS + 64];
    (void)snprintf(url, sizeof(url), "http://%s/%s", p->address, operation);
    int err = tb_sink_request_init(out, url, BODY_BYTES);
    if (!err)
        err = tb_sink_header(out, "Content-Type: application/json");
    if (!err) {
        tb_buf_add(&out->body, body->data, body->len);
        err = out->body.err;
    }
    return err;
}

/* What a reply that is no success says. */
static int refuse(struct poll *p, const struct tb_sink_reply *reply)
{
    char said[SAID_SHOWN];
    size_t n = 0;
    for (size_t i = 0; reply->body && i < reply->body_len && n < sizeof(said) - 1; i++) {
        unsigned char c = (unsigned char)reply->body[i];
        said[n++] = (char)(c < ' ' || c > '~' ? ' ' : c);
    }
    said[n] = '\0';
    if (reply->status == 0)
        (void)snprintf(p->why, sizeof(p->why), "%.200s", reply->error ? reply->error : "no answer");
    else
        (void)snprintf(p->why, sizeof(p->why), "it answers %d%s%s", reply->status,
                       n > 0 ? ": " : "", said);
    return -EIO;
}

/* The body of a 200, borrowed from the transport; else a negative errno with p->why. */
static int ask(struct poll *p, const char *operation, const struct tb_buf *body,
               struct tb_sink_reply *reply)
{
    struct tb_sink_request request = {.head_len = 0};
    void *tag = NULL;
    int err = make_request(p, operation, body, &request);
    if (!err)
        err = tb_transport_send(p->transport, &request, p);
    bool is_sent = err == 0;
    *reply = (struct tb_sink_reply){.error = "it was given up"};
    while (!err && tb_transport_next(p->transport, &tag, reply) == 0) {
        if (is_stopping(p->sampler))
            err = -EINTR;
        else
            err = tb_transport_run(p->transport, RUN_MS);
    }
    if (err && is_sent) { /* it does not come back: the transport ends with it */
        tb_transport_free(p->transport);
        p->transport = NULL;
    }
    tb_sink_request_done(&request);
    if (err)
        (void)snprintf(p->why, sizeof(p->why), "%s", strerror(-err));
    else if (reply->status != 200 || reply->is_cut || reply->body == NULL)
        err = refuse(p, reply);
    return err;
}

/* ---- rules ---- */

static void write_token(struct tb_buf *body, const struct tb_buf *token)
{
    char mem[TOKEN_BYTES * 2];
    struct tb_json j;
    tb_json_init(&j, mem, sizeof(mem));
    tb_json_object(&j);
    tb_json_kopt(&j, "NextToken", tb_buf_str(token));
    tb_json_end(&j);
    (void)tb_json_finish(&j);
    tb_buf_reset(body);
    tb_buf_adds(body, mem);
}

static int take_page(struct poll *p, const struct tb_sink_reply *reply, bool is_first,
                     struct tb_buf *next)
{
    char why[TB_SAMPLING_WHY] = "";
    struct tb_sampler *s = p->sampler;
    pthread_mutex_lock(&s->lock);
    int err = tb_sampling_page(s->central, reply->body, reply->body_len, is_first, next, why);
    if (!err && next->len == 0)
        s->fresh_until_ns = after_ms((int64_t)TB_SAMPLER_FRESH_S * MS_PER_S);
    pthread_mutex_unlock(&s->lock);
    if (err)
        (void)snprintf(p->why, sizeof(p->why), "its answer makes no sense: %s",
                       why[0] ? why : strerror(-err));
    return err;
}

static int ask_rules(struct poll *p)
{
    struct tb_buf body, token;
    struct tb_sink_reply reply;
    int err = 0;
    tb_buf_init(&body, BODY_BYTES);
    tb_buf_init(&token, TOKEN_BYTES);
    int64_t asked_s = (int64_t)(tb_clock_wall_ns() / TB_NS_PER_S);
    for (int page = 0; page < TB_SAMPLER_PAGES && !err && (page == 0 || token.len > 0); page++) {
        write_token(&body, &token);
        err = ask(p, "GetSamplingRules", &body, &reply);
        if (!err)
            err = take_page(p, &reply, page == 0, &token);
    }
    if (!err && token.len > 0) {
        (void)snprintf(p->why, sizeof(p->why), "its rules have over %d pages", TB_SAMPLER_PAGES);
        err = -EMSGSIZE;
    }
    if (!err)
        p->loaded_s = asked_s;
    tb_buf_done(&body);
    tb_buf_done(&token);
    return err;
}

/* ---- quotas ---- */

static int take_targets(struct poll *p, const struct tb_sink_reply *reply)
{
    char why[TB_SAMPLING_WHY] = "";
    struct tb_sampler *s = p->sampler;
    int64_t changed_s = 0;
    pthread_mutex_lock(&s->lock);
    int err = tb_sampling_targets(s->central, reply->body, reply->body_len,
                                  (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS), &changed_s, why);
    pthread_mutex_unlock(&s->lock);
    if (err)
        (void)snprintf(p->why, sizeof(p->why), "its answer makes no sense: %s", why);
    else if (changed_s > p->loaded_s)
        p->rules_due_ns = 0;
    return err;
}

static int ask_targets(struct poll *p)
{
    struct tb_sampler *s = p->sampler;
    struct tb_buf body;
    struct tb_sink_reply reply;
    tb_buf_init(&body, BODY_BYTES);
    pthread_mutex_lock(&s->lock);
    int n = tb_sampling_statistics(s->central, s->client,
                                   (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS), &body);
    pthread_mutex_unlock(&s->lock);
    int err = n > 0 ? ask(p, "SamplingTargets", &body, &reply) : n;
    if (n > 0 && !err)
        err = take_targets(p, &reply);
    tb_buf_done(&body);
    return err;
}

/* ---- the thread ---- */

/* What decides meanwhile. */
static const char *meanwhile(const char *from)
{
    return strcmp(from, "service") == 0 ? "those that it gave before count"
           : strcmp(from, "file") == 0  ? "those of xray.sampling_rules count"
                                        : "one error a second is sent, then 5 %";
}

static void tell(struct poll *p, int err)
{
    struct tb_sampler *s = p->sampler;
    struct tb_sampler_state state;
    if (err == -EINTR)
        return;
    pthread_mutex_lock(&s->lock);
    bool is_first = s->trouble[0] == '\0' && err != 0;
    bool is_over = s->trouble[0] != '\0' && err == 0;
    (void)snprintf(s->trouble, sizeof(s->trouble), "%s", err ? p->why : "");
    pthread_mutex_unlock(&s->lock);
    tb_sampler_look(s, &state);
    if (is_first)
        tb_log(TB_LOG_WARNING,
               "no sampling rules from the X-Ray daemon at %s: %s; %s, where the request has not "
               "decided",
               p->address, p->why, meanwhile(state.from));
    else if (is_over)
        tb_log(TB_LOG_INFO, "the X-Ray daemon at %s has sampling rules again", p->address);
}

static void look(struct poll *p)
{
    int err = 0;
    if (tb_clock_mono_ns() >= p->rules_due_ns) {
        err = ask_rules(p);
        p->n_failed = err ? p->n_failed + 1 : 0;
        int64_t wait_ms =
            err ? tb_backoff_ms(RETRY_MIN_MS, TB_SAMPLER_RULES_S * MS_PER_S, p->n_failed)
                : tb_backoff_ms(TB_SAMPLER_RULES_S * MS_PER_S,
                                TB_SAMPLER_RULES_S * MS_PER_S + JITTER_RULES_MS, 1);
        p->rules_due_ns = after_ms(wait_ms);
        tell(p, err);
    }
    if (!err && p->transport && tb_clock_mono_ns() >= p->targets_due_ns) { /* if one was used */
        if (p->n_failed == 0 && p->loaded_s > 0 && ask_targets(p) < 0)
            tb_log(TB_LOG_DEBUG, "no quotas from the X-Ray daemon at %s: %s", p->address, p->why);
        p->targets_due_ns =
            after_ms(tb_backoff_ms(TB_SAMPLER_TARGETS_S * MS_PER_S,
                                   TB_SAMPLER_TARGETS_S * MS_PER_S + JITTER_TARGETS_MS, 1));
    }
}

static bool open_transport(struct poll *p)
{
    char why[TB_TRANSPORT_WHY];
    const struct tb_transport_limits limits = {.timeout_ms = TIMEOUT_MS,
                                               .connections = 1,
                                               .wake_fd = p->sampler->wake_fd,
                                               .is_direct = true};
    if (p->transport == NULL && tb_transport_new(&limits, &p->transport, why) != 0)
        p->rules_due_ns = p->targets_due_ns = after_ms(RUN_MS);
    return p->transport != NULL;
}

/* The lock is held. */
static void take_address(struct poll *p)
{
    struct tb_sampler *s = p->sampler;
    if (!s->is_changed)
        return;
    s->is_changed = false;
    memcpy(p->address, s->address, sizeof(p->address));
    p->rules_due_ns = p->targets_due_ns = 0;
    p->n_failed = 0;
    s->trouble[0] = '\0';
}

/* Until something is due, or changes. The lock is held. */
static void wait_for_work(struct poll *p)
{
    struct tb_sampler *s = p->sampler;
    bool has_report = tb_sampling_is_used(s->central);
    uint64_t due_ns =
        has_report && p->targets_due_ns < p->rules_due_ns ? p->targets_due_ns : p->rules_due_ns;
    if (s->is_stopping || s->is_changed)
        return;
    s->is_quiet = !has_report;
    if (p->address[0] == '\0')
        (void)pthread_cond_wait(&s->changed, &s->lock);
    else
        (void)tb_wait_until(&s->changed, &s->lock, due_ns);
    s->is_quiet = false;
}

void *tb_sampler_poll(void *arg)
{
    struct tb_sampler *s = arg;
    struct poll p = {.sampler = s};
    pthread_mutex_lock(&s->lock);
    s->is_changed = true;
    while (!s->is_stopping) {
        take_address(&p);
        pthread_mutex_unlock(&s->lock);
        if (p.address[0] != '\0' && open_transport(&p))
            look(&p);
        pthread_mutex_lock(&s->lock);
        wait_for_work(&p);
    }
    pthread_mutex_unlock(&s->lock);
    tb_transport_free(p.transport);
    return NULL;
}
