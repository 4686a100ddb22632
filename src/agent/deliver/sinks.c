/* sinks.c - see sinks.h. */
#include "agent/deliver/sinks.h"

#include <stdio.h>
#include <string.h>

enum { CONNECTIONS = 4 };

#define DAEMON "127.0.0.1:2000" /* where Amazon's daemon listens */

static bool is_said(const char *text)
{
    return text && text[0];
}

static void set_endpoint(struct tb_deliver_sink *out, const char *before, const char *text)
{
    (void)snprintf(out->endpoint, sizeof(out->endpoint), "%s%s", before, text ? text : "");
}

void tb_sinks_rollbar(const struct tb_config *config, struct tb_deliver_sink *out)
{
    *out = (struct tb_deliver_sink){.type = &tb_sink_rollbar,
                                    .has_tokens = true,
                                    .section = "rollbar",
                                    .proxy = config->proxy,
                                    .ca_file = config->ca_file,
                                    .timeout_ms = config->timeout_ms,
                                    .connections = config->connections};
    set_endpoint(out, "", config->endpoint);
}

static bool serve_otlp(const struct tb_config *config, const char *endpoint,
                       struct tb_deliver_sink *out)
{
    const struct tb_config_otlp *otlp = &config->sinks.otlp;
    out->section = "otlp";
    out->ca_file = otlp->ca_file;
    out->cert_file = otlp->client_cert_file;
    out->key_file = otlp->client_key_file;
    out->timeout_ms = otlp->timeout_ms;
    out->settings.headers = (const char *const *)otlp->headers;
    out->settings.n_headers = otlp->n_headers;
    out->settings.is_plain = otlp->is_plain;
    out->settings.log_group = config->sinks.cloudwatch.log_group;
    out->settings.omit = otlp->omit;
    set_endpoint(out, "", endpoint);
    return is_said(endpoint);
}

static bool serve_logs(const struct tb_config *config, struct tb_deliver_sink *out)
{
    const struct tb_config_otlp *otlp = &config->sinks.otlp;
    return serve_otlp(config, otlp->endpoint, out) && otlp->form != TB_OTLP_SPAN;
}

static bool serve_spans(const struct tb_config *config, struct tb_deliver_sink *out)
{
    const struct tb_config_otlp *otlp = &config->sinks.otlp;
    return serve_otlp(config, otlp->traces_endpoint, out) && otlp->form != TB_OTLP_LOG;
}

static bool serve_xray(const struct tb_config *config, struct tb_deliver_sink *out)
{
    const struct tb_config_xray *xray = &config->sinks.xray;
    bool is_daemon = xray->mode == TB_XRAY_DAEMON;
    out->section = "xray";
    out->timeout_ms = xray->timeout_ms;
    out->settings.name_pattern = xray->name_pattern;
    out->settings.name = xray->name;
    out->settings.origin = xray->origin;
    out->settings.log_group = config->sinks.cloudwatch.log_group;
    out->settings.omit = xray->omit;
    if (is_daemon) {
        set_endpoint(out, "udp://", is_said(xray->udp_address) ? xray->udp_address : DAEMON);
        out->connections = 1;
    } else {
        out->type = &tb_sink_xray_api;
        set_endpoint(out, "", xray->endpoint);
        out->service = "xray";
    }
    return xray->mode != TB_XRAY_OFF;
}

static bool serve_cloudwatch(const struct tb_config *config, struct tb_deliver_sink *out)
{
    const struct tb_config_cloudwatch *cloudwatch = &config->sinks.cloudwatch;
    out->service = "logs";
    out->section = "cloudwatch";
    out->timeout_ms = cloudwatch->timeout_ms;
    out->settings.log_group = cloudwatch->log_group;
    out->settings.retention_days = cloudwatch->retention_days;
    out->settings.drops_old = cloudwatch->drops_old;
    out->settings.has_metrics = cloudwatch->has_metrics;
    out->settings.omit = cloudwatch->omit;
    set_endpoint(out, "", cloudwatch->endpoint);
    return is_said(cloudwatch->log_group);
}

size_t tb_sinks_on(const struct tb_config *config, struct tb_deliver_sink out[TB_SINKS])
{
    static const struct {
        const char *name;
        bool (*serve)(const struct tb_config *config, struct tb_deliver_sink *out);
    } TABLE[] = {{"otlp", serve_logs},
                 {"otlp-spans", serve_spans},
                 {"xray", serve_xray},
                 {"cloudwatch", serve_cloudwatch}};
    size_t n = 1;
    tb_sinks_rollbar(config, &out[0]);
    for (size_t i = 0; i < sizeof(TABLE) / sizeof(TABLE[0]); i++) {
        const struct tb_sink_type *type = tb_sink_find(TABLE[i].name);
        out[n] = (struct tb_deliver_sink){.type = type, .connections = CONNECTIONS};
        n += type && TABLE[i].serve(config, &out[n]);
    }
    size_t len = 0;
    for (size_t i = 0; i < n; i++)
        len += (size_t)snprintf(out[0].all + len, sizeof(out[0].all) - len, "%s%s",
                                i == 0 ? "" : " ", out[i].type->name);
    return n;
}
