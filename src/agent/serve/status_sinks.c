/* status_sinks.c - what /status says of each sink. */
#include <string.h>

#include "agent/serve/status.h"

const struct tb_store_sink *tb_status_sink_counts(const struct tb_status *status, const char *name)
{
    static const struct tb_store_sink NONE;
    for (size_t i = 0; i < status->pipeline.n_sinks; i++) {
        if (strcmp(status->pipeline.sinks[i].name, name) == 0)
            return &status->pipeline.sinks[i];
    }
    return &NONE;
}

bool tb_status_is_on(const struct tb_status *status, const char *name)
{
    for (size_t i = 0; i < status->n_sinks; i++) {
        if (strcmp(status->sinks[i].name, name) == 0)
            return true;
    }
    return false;
}

/* One word: what is in the way, the worst first. */
static const char *state_of(const struct tb_status *status, const struct tb_delivery_state *sink)
{
    const struct tb_deliver_status *d = &sink->status;
    if (sink->why[0] != '\0')
        return "failed";
    if (strcmp(sink->name, "rollbar") == 0 && status->config->token[0] == '\0' && d->sent == 0)
        return "no token";
    if (d->store_error[0] != '\0')
        return "waits for the database";
    if (d->retry_at_ms > status->now_ms)
        return "no answer";
    if (d->parked_tokens > 0)
        return "refused";
    return d->paused_until_ms > status->now_ms ? "paused" : "on";
}

static void write_counts(const struct tb_store_sink *c, struct tb_json *j)
{
    tb_json_kint(j, "received", c->received);
    tb_json_kint(j, "sent", c->sent);
    tb_json_kint(j, "dropped", c->dropped);
    tb_json_kint(j, "quarantined", c->quarantined);
    tb_json_kint(j, "queued", c->queued);
    tb_json_kint(j, "parked", c->parked);
    tb_json_kint(j, "not_routed", c->not_routed);
    tb_json_kint(j, "unsampled", c->unsampled);
}

static void write_sink(const struct tb_status *status, const struct tb_delivery_state *sink,
                       struct tb_json *j)
{
    const struct tb_deliver_status *d = &sink->status;
    char endpoint[TB_STATUS_URL];
    tb_status_url(d->endpoint, endpoint);
    tb_json_object(j);
    tb_json_kstr(j, "name", sink->name);
    tb_json_kopt(j, "endpoint", endpoint);
    tb_json_kstr(j, "state", state_of(status, sink));
    write_counts(tb_status_sink_counts(status, sink->name), j);
    tb_json_kint(j, "retried", d->retried);
    tb_json_kint(j, "in_flight", d->in_flight);
    tb_json_kint(j, "retry_at_ms", d->retry_at_ms);
    tb_json_kint(j, "paused_until_ms", d->paused_until_ms);
    tb_json_kint(j, "last_sent_ms", d->last_sent_ms);
    tb_json_kint(j, "last_error_ms", d->last_error_ms);
    tb_json_kopt(j, "last_error", sink->why[0] != '\0' ? sink->why : d->last_error);
    tb_json_end(j);
}

void tb_status_write_sinks(const struct tb_status *status, struct tb_json *j)
{
    tb_json_array(j);
    for (size_t i = 0; i < status->n_sinks; i++)
        write_sink(status, &status->sinks[i], j);
    for (size_t i = 0; i < status->pipeline.n_sinks; i++) {
        const struct tb_store_sink *sink = &status->pipeline.sinks[i];
        if (sink->queued == 0 || tb_status_is_on(status, sink->name))
            continue;
        tb_json_object(j);
        tb_json_kstr(j, "name", sink->name);
        tb_json_kstr(j, "state", "off");
        write_counts(sink, j);
        tb_json_end(j);
    }
    tb_json_end(j);
}
