/* rows.c - see rows.h. */
#include "agent/pipeline/rows.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/deliver/route.h"
#include "agent/pipeline/rows_request.h"
#include "base/crc.h"

/* One item on its way to its rows. */
struct deciding {
    const struct tb_rows_tools *tools;
    struct tb_work *work;
    uint64_t now_ns;
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

static int ask_rules(const struct deciding *d, bool *out)
{
    struct tb_doc *doc;
    struct tb_rows_request request;
    int err = tb_work_doc(d->work, &doc);
    if (err)
        return err;
    tb_rows_request(&d->tools->config->sinks.xray, doc, d->work->service, &request);
    *out = d->tools->samples(d->tools->arg, &request.request);
    return 0;
}

/* What nobody upstream has decided is decided once for a trace. */
static int decide(const struct deciding *d, bool *out)
{
    const struct tb_trace_ids *ids = &d->work->ids;
    const char *of = is_set(ids->xray_trace_id) ? ids->xray_trace_id : ids->trace_id;
    if (!is_set(of))
        of = d->work->uuid;
    struct tb_rows_seen *seen = place_of(d, of);
    if (strcmp(seen->of, of) == 0) {
        *out = seen->is_sampled;
        return 0;
    }
    int err = ask_rules(d, out);
    if (err)
        return err;
    (void)snprintf(seen->of, sizeof(seen->of), "%s", of);
    seen->is_sampled = *out;
    return 0;
}

/* The flags of traceparent are OpenTelemetry's, and say nothing here. */
static int is_sampled(const struct deciding *d, bool *out)
{
    struct tb_doc *doc;
    char said[4];
    int err = tb_work_doc(d->work, &doc);
    if (err)
        return err;
    *out = true;
    (void)tb_doc_copy(doc, tb_doc_find(doc, 0, "custom.trace.xray_sampled"), said, sizeof(said));
    if (strcmp(said, "1") == 0)
        return 0;
    if (strcmp(said, "0") == 0)
        *out = false;
    else if (d->tools->samples != NULL)
        err = decide(d, out);
    return err;
}

/* ---- a sink each ---- */

static int to_rollbar(struct deciding *d)
{
    const struct tb_config *config = d->tools->config;
    struct tb_rows *out = d->out;
    tb_route_choose(config, d->work->token, d->work->service, d->work->facts.environment,
                    out->token);
    if (tb_route_token(config, out->token)[0] != '\0')
        add_row(out, "rollbar", out->token);
    return 0;
}

static int to_otlp(struct deciding *d)
{
    const struct tb_config_otlp *otlp = &d->tools->config->sinks.otlp;
    if (!is_set(otlp->endpoint))
        return 0;
    if (otlp->form != TB_OTLP_SPAN)
        add_row(d->out, "otlp", "");
    if (otlp->form != TB_OTLP_LOG)
        add_row(d->out, "otlp-spans", "");
    return 0;
}

static int to_xray(struct deciding *d)
{
    const struct tb_config_xray *xray = &d->tools->config->sinks.xray;
    bool goes = true;
    if (xray->mode == TB_XRAY_OFF)
        return 0;
    int err = xray->sends_unsampled ? 0 : is_sampled(d, &goes);
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
    const struct tb_item *facts = &d->work->facts;
    struct tb_doc *doc;
    if (!is_set(cloudwatch->log_group))
        return 0;
    int err = tb_work_doc(d->work, &doc);
    if (err)
        return err;
    const struct tb_rows_stream of = {
        .host = is_set(facts->host) ? facts->host : d->tools->host,
        .service = d->work->service,
        .environment = facts->environment,
        .version = facts->code_version,
        .pid = tb_doc_int(doc, tb_doc_find(doc, 0, "server.pid"),
                          tb_doc_int(doc, tb_doc_find(doc, 0, "custom.native.pid"), 0)),
        .now_ns = d->now_ns,
    };
    tb_rows_stream(cloudwatch->log_stream, &of, d->out->stream);
    add_row(d->out, "cloudwatch", d->out->stream);
    return 0;
}

int tb_rows_decide(const struct tb_rows_tools *tools, struct tb_work *work, uint64_t now_ns,
                   struct tb_rows *out)
{
    struct deciding d = {.tools = tools, .work = work, .now_ns = now_ns, .out = out};
    int err;
    memset(out, 0, sizeof(*out));
    if ((err = to_rollbar(&d)) || (err = to_otlp(&d)) || (err = to_xray(&d)) ||
        (err = to_cloudwatch(&d)))
        return err;
    tb_doc_free(work->doc); /* many of them are held at once */
    work->doc = NULL;
    return 0;
}
