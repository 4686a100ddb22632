/* rows.c - see rows.h. */
#include "agent/pipeline/rows.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/deliver/route.h"
#include "agent/pipeline/rows_facts.h"
#include "base/crc.h"

/* One item on its way to its rows. */
struct deciding {
    const struct tb_rows_tools *tools;
    const struct tb_work *work;
    uint64_t now_ns;
    struct tb_rows_facts facts; /* read when they are asked for */
    struct tb_rows *out;
};

static bool is_set(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static void add_row(struct tb_rows *out, const char *sink, const char *token)
{
    out->to[out->n++] = (struct tb_outbox_to){.sink = sink, .token = token};
}

static void leave_out(struct tb_rows *out, const char *counter)
{
    out->counters[out->n_counters++] = counter;
}

/* ---- sampling ---- */

static struct tb_rows_seen *place_of(const struct deciding *d, const char *of)
{
    return &d->tools->seen[tb_crc32c(0, of, strlen(of)) % TB_ROWS_SEEN];
}

/* What nobody upstream has decided is decided once for a trace. */
static bool decide(struct deciding *d)
{
    const struct tb_trace_ids *ids = &d->work->ids;
    const char *of = ids->xray_trace_id[0] != '\0' ? ids->xray_trace_id : ids->trace_id;
    if (of[0] == '\0')
        of = d->work->uuid;
    struct tb_rows_seen *seen = place_of(d, of);
    if (strcmp(seen->of, of) != 0) {
        struct tb_sampling_request request;
        tb_rows_facts_request(&d->facts, &request);
        seen->is_sampled = d->tools->samples(d->tools->arg, &request);
        (void)snprintf(seen->of, sizeof(seen->of), "%s", of);
    }
    return seen->is_sampled;
}

/* The flags of traceparent are OpenTelemetry's, and say nothing here. */
static bool is_sampled(struct deciding *d)
{
    const char *said = d->facts.facts.xray_sampled;
    if (strcmp(said, "1") == 0)
        return true;
    return strcmp(said, "0") != 0 && (d->tools->samples == NULL || decide(d));
}

/* ---- groups ---- */

/* For tb_route_choose_in; without memory an item is in no project's group. */
static bool is_in_group(void *arg, const char *group)
{
    struct deciding *d = arg;
    bool is_in = false;
    int err = tb_rows_facts_in(&d->facts, d->tools->groups, group, &is_in);
    return !err && is_in;
}

/* Whether a sink gets it, of which a group may be all. */
static int is_routed(struct deciding *d, const char *group, const char *counter, bool *out)
{
    *out = true;
    int err = is_set(group) ? tb_rows_facts_in(&d->facts, d->tools->groups, group, out) : 0;
    if (!err && !*out)
        leave_out(d->out, counter);
    return err;
}

/* ---- a sink each ---- */

static int to_rollbar(struct deciding *d)
{
    const struct tb_config *config = d->tools->config;
    struct tb_rows *out = d->out;
    tb_route_choose_in(config, d->work->token, d->work->service, d->work->facts.environment,
                       is_in_group, d, out->token);
    if (tb_route_token(config, out->token)[0] != '\0')
        add_row(out, "rollbar", out->token);
    return 0;
}

static int to_otlp(struct deciding *d)
{
    const struct tb_config_otlp *otlp = &d->tools->config->sinks.otlp;
    bool goes;
    if (!is_set(otlp->endpoint))
        return 0;
    int err = is_routed(d, otlp->group, "not_routed.otlp", &goes);
    if (err || !goes)
        return err;
    if (otlp->form != TB_OTLP_SPAN)
        add_row(d->out, "otlp", "");
    if (otlp->form != TB_OTLP_LOG)
        add_row(d->out, "otlp-spans", "");
    return 0;
}

static int to_xray(struct deciding *d)
{
    const struct tb_config_xray *xray = &d->tools->config->sinks.xray;
    bool goes;
    if (xray->mode == TB_XRAY_OFF)
        return 0;
    int err = is_routed(d, xray->group, "not_routed.xray", &goes);
    if (err || !goes)
        return err;
    if (!xray->sends_unsampled) {
        err = tb_rows_facts_read(&d->facts);
        goes = !err && is_sampled(d);
    }
    if (err)
        return err;
    if (goes)
        add_row(d->out, "xray", "");
    else
        leave_out(d->out, "unsampled.xray");
    return 0;
}

static int to_cloudwatch(struct deciding *d)
{
    const struct tb_config_cloudwatch *cloudwatch = &d->tools->config->sinks.cloudwatch;
    bool goes;
    if (!is_set(cloudwatch->log_group))
        return 0;
    int err = is_routed(d, cloudwatch->group, "not_routed.cloudwatch", &goes);
    if (err || !goes || (err = tb_rows_facts_read(&d->facts)))
        return err;
    const struct tb_sink_facts *facts = &d->facts.facts;
    const struct tb_rows_stream of = {.host = facts->host,
                                      .service = facts->service,
                                      .environment = facts->environment,
                                      .version = facts->code_version,
                                      .pid = facts->pid,
                                      .now_ns = d->now_ns};
    tb_rows_stream(cloudwatch->log_stream, &of, d->out->stream);
    add_row(d->out, "cloudwatch", d->out->stream);
    return 0;
}

int tb_rows_decide(const struct tb_rows_tools *tools, const struct tb_work *work, uint64_t now_ns,
                   struct tb_rows *out)
{
    struct deciding d = {.tools = tools, .work = work, .now_ns = now_ns, .out = out};
    int err;
    memset(out, 0, sizeof(*out));
    tb_rows_facts_init(&d.facts, tools->config, tools->host, work);
    if (!(err = to_rollbar(&d)) && !(err = to_otlp(&d)) && !(err = to_xray(&d)))
        err = to_cloudwatch(&d);
    tb_rows_facts_done(&d.facts);
    return err;
}
