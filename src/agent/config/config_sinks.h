/* config_sinks.h - the settings of what stands beside Rollbar: OTLP (Honeycomb), X-Ray, CloudWatch
 * Logs, groups, links. docs/sinks.md and docs/config.md say the same at length.
 *
 * towbard.yaml, all keys optional; in brackets the variables of the environment that win over them,
 * the first that is there. Every key with one value also has its TOWBAR_ name, which wins over all.
 *   otlp:
 *     endpoint:          # the whole address of logs [OTEL_EXPORTER_OTLP_LOGS_ENDPOINT as it is;
 *                        # OTEL_EXPORTER_OTLP_ENDPOINT and HONEYCOMB_API_ENDPOINT with /v1/logs].
 *                        # With a Honeycomb key alone it is Honeycomb's. None: off
 *     traces_endpoint:   # of spans [OTEL_EXPORTER_OTLP_TRACES_ENDPOINT; the others with
 * /v1/traces] # default: endpoint with /v1/traces for /v1/logs headers: [ "name: value" ]   #
 * [OTEL_EXPORTER_OTLP_LOGS_HEADERS, OTEL_EXPORTER_OTLP_HEADERS: # k=v,k2=v2, percent-decoded, added
 * to these] honeycomb_key:     # [HONEYCOMB_API_KEY] the header x-honeycomb-team
 *     honeycomb_key_file:    # last the credential honeycomb_key of systemd
 *     dataset:           # [HONEYCOMB_DATASET] the header x-honeycomb-dataset
 *     honeycomb_team, honeycomb_environment    # for links: the names in Honeycomb's addresses
 *     form: log          # or "span", "both"
 *     compression: gzip  # or "none" [OTEL_EXPORTER_OTLP_LOGS_COMPRESSION, ..._OTLP_COMPRESSION]
 *     timeout_ms: 10000  # [OTEL_EXPORTER_OTLP_LOGS_TIMEOUT, OTEL_EXPORTER_OTLP_TIMEOUT]
 *     ca_file, client_cert_file, client_key_file   # [OTEL_EXPORTER_OTLP_[LOGS_]CERTIFICATE,
 *                        # ..._CLIENT_CERTIFICATE, ..._CLIENT_KEY]
 *     group: Cruddur     # only what this group matches
 *     omit: [source, request, person]
 *     OTEL_SDK_DISABLED=true turns it off; an OTEL_EXPORTER_OTLP_PROTOCOL other than http/json is
 *     said in a warning and http/json is spoken.
 *   xray:
 *     mode: daemon       # "off", "daemon", "api"; default: daemon where address is set, else off
 *     address: 127.0.0.1:2000   # [AWS_XRAY_DAEMON_ADDRESS], also "tcp:H:P udp:H:P"
 *     endpoint:          # of the API [AWS_ENDPOINT_URL_XRAY, AWS_ENDPOINT_URL]; default by region
 *     timeout_ms: 10000
 *     name:              # [AWS_XRAY_TRACING_NAME] the segment's name instead of the service's
 *     name_pattern:      # [AWS_XRAY_URL]
 *     origin:            # "AWS::ECS::Container" and the like
 *     unsampled: drop    # or "send"
 *     sampling_rules: /etc/towbar/sampling.json    # a file (docs/sampling.md)
 *     central_sampling: true    # ask the daemon for rules
 *     group, omit        # as above
 *     AWS_XRAY_SDK_ENABLED=false: mode is off
 *   cloudwatch:
 *     log_group: cruddur # none: off
 *     log_stream: "{host}/{service}"      # also {environment}, {version}, {pid}, {date}
 *     endpoint:          # [AWS_ENDPOINT_URL_CLOUDWATCH_LOGS, AWS_ENDPOINT_URL]; default by region
 *     timeout_ms: 10000
 *     retention_days: 0
 *     old: send          # or "drop": items of over 14 days
 *     metrics: false
 *     group, omit        # as above
 *   aws:
 *     region:            # [AWS_REGION, AWS_DEFAULT_REGION; then profile, then IMDS]
 *     profile:           # [AWS_PROFILE, AWS_DEFAULT_PROFILE]
 *   groups: [ { name: Cruddur, filter: 'service("backend-flask") {fault OR error}' } ] # at most 64
 *   links: [ { name: Grafana, url: "https://.../{trace_id}" } ]   # at most 16
 *   projects: [ { ..., group: NAME } ]   # in struct tb_config_project
 * None of these needs a restart. config_settings.c is the table of the keys with one value. */
#ifndef TB_AGENT_CONFIG_SINKS_H
#define TB_AGENT_CONFIG_SINKS_H

#include <stdbool.h>
#include <stddef.h>

#include "sink/sink.h"

enum { TB_CONFIG_GROUPS = 64, TB_CONFIG_LINKS = 16 };
enum tb_otlp_form { TB_OTLP_LOG, TB_OTLP_SPAN, TB_OTLP_BOTH };
enum tb_xray_mode { TB_XRAY_OFF, TB_XRAY_DAEMON, TB_XRAY_API };

/* All strings are owned, and "" where nothing was said. */
struct tb_config_otlp {
    char *endpoint, *traces_endpoint; /* full URLs; endpoint "": off */
    char **headers;                   /* "name: value", all of them, with key and dataset */
    size_t n_headers;
    char *key_from; /* where the Honeycomb key came from, for people; "" for none */
    char *honeycomb_team, *honeycomb_environment;
    enum tb_otlp_form form;
    bool is_plain; /* compression is none */
    unsigned timeout_ms;
    char *ca_file, *client_cert_file, *client_key_file;
    char *group;
    struct tb_sink_omit omit;
};
struct tb_config_xray {
    enum tb_xray_mode mode;
    char *udp_address, *tcp_address; /* "HOST:PORT" */
    char *endpoint;                  /* "": by region */
    unsigned timeout_ms;
    char *name, *name_pattern, *origin;
    bool sends_unsampled;
    char *sampling_rules; /* a path */
    bool asks_daemon;     /* for sampling rules */
    char *group;
    struct tb_sink_omit omit;
};
struct tb_config_cloudwatch {
    char *log_group, *log_stream; /* log_group "": off */
    char *endpoint;               /* "": by region */
    unsigned timeout_ms;
    unsigned retention_days;
    bool drops_old, has_metrics;
    char *group;
    struct tb_sink_omit omit;
};
struct tb_config_aws {
    char *region, *profile;
};
struct tb_config_group {
    char *name, *filter;
};
struct tb_config_link {
    char *name, *url;
};
struct tb_config_sinks {
    struct tb_config_otlp otlp;
    struct tb_config_xray xray;
    struct tb_config_cloudwatch cloudwatch;
    struct tb_config_aws aws;
    struct tb_config_group *groups;
    size_t n_groups;
    struct tb_config_link *links;
    size_t n_links;
};

/* Frees what is in it; zeroed and done ones are fine. */
void tb_config_sinks_done(struct tb_config_sinks *sinks);
/* A copy of its own. Out of memory ends the program. */
void tb_config_sinks_copy(const struct tb_config_sinks *from, struct tb_config_sinks *out);

#endif
