/* config.h - the agent's settings: defaults, file, environment, flags, in that order.
 *
 * towbard.yaml, all keys optional:
 *   environment: production          # for processes that name none
 *   spool: /var/spool/towbar
 *   state_dir: /var/lib/towbar
 *   socket: /run/towbar/towbard.sock
 *   listen: 127.0.0.1:7070           # port 0 takes a free one; "off"; others need tls and ingest
 *   vanished: report                 # or "count": processes that SIGKILL and the like ended
 *   log_format: text                 # or "json"
 *   tls: { cert_file: ..., key_file: ... }   # both; needed unless listen is loopback
 *   ingest: { token_file: ... }              # what senders from elsewhere must show
 *   rollbar: { access_token: ..., token_file: ..., endpoint: ..., timeout_ms: 15000,
 *              retry_min_ms: 1000, retry_max_ms: 300000, connections: 8, force_token: false,
 *              proxy: ..., ca_file: ... }
 *   projects: [ { service: "feedd*", environment: ..., access_token: ..., token_file: ... } ]
 *   rollbar_files: { paths: [..], remove: false }
 *   log_files: [ { path: ..., pattern: ..., level: warning, service: ..., environment: ...,
 *                  framework: ... } ]
 *   limits: { item_per_minute: 1000, service_per_minute: 6000, burst_minutes: 60,
 *             token_per_minute: 0, sender_per_minute: 600000 }   # 0: none
 *   scrub: { keys: [more, keys], patterns: [..], builtin_patterns: true }
 *   symbols: { source_roots: [..], debug_dirs: [..], context_lines: 3, debuginfod: [..],
 *              debuginfod_timeout_ms: 5000, cache_bytes: 536870912, user_budget_ms: 10000,
 *              in_app: [..], library: [..] }
 *   spool_limits: { max_bytes: 536870912, max_percent: 5, keep_free_percent: 5, uid_percent: 25,
 *                   max_age_hours: { info: 24, warning: 72, error: 336, crash: 2160 } }
 *   store: { max_bytes: 1073741824 }   # 0: no bound
 *   otlp, xray, cloudwatch, aws, groups, links: see config_sinks.h
 * Paths in the file are absolute; in flags and the environment they count from the current folder,
 * and here they are always absolute.
 * An unknown key, a bad value and an unreadable file are errors that name file, key, line and cure.
 * docs/config.md says the same at length. */
#ifndef TB_AGENT_CONFIG_H
#define TB_AGENT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/config/config_sinks.h"
#include "symbol/answer/inapp.h"

enum { TB_CONFIG_WHY = 512, TB_CONFIG_TOKEN_MAX = 127 };

#define TB_CONFIG_DEBUGINFOD_DIR "/symbols/debuginfod" /* below the state folder */
#define TB_CONFIG_SYSTEM_SPOOL "/var/spool/towbar"

/* Whose items go to a project of their own. */
struct tb_config_project {
    char *service;     /* a pattern with "*" and "?"; "" for any */
    char *environment; /* the same */
    char *token, *token_from;
    char *group; /* only what this group matches; "" for all */
};

/* Files of a program's log, of which lines become items. */
struct tb_config_log {
    char *path;    /* may hold "*" and "?" */
    char *pattern; /* PCRE2, with the groups level, message, time; "" for none */
    char *level;   /* the least that counts; "" for warning */
    char *service, *environment, *framework;
};

struct tb_config {
    char *environment;
    char *spool, *state_dir, *socket, *listen;
    char *token;      /* "" when there is none: nothing is sent, the agent's own page is it */
    char *token_from; /* where it came from, for people: "ROLLBAR_ACCESS_TOKEN"; "" for none */
    char *endpoint;
    int endpoint_is_blank; /* ROLLBAR_ENDPOINT is there without a value: a default was meant? */
    unsigned timeout_ms, retry_min_ms, retry_max_ms, connections;
    char *log_format;                   /* "text" or "json" */
    char *tls_cert_file, *tls_key_file; /* "" for none */
    char *ingest_token;                 /* "" for none */
    char *proxy, *ca_file;              /* "" for the environment's, for the system's */
    bool force_token;                   /* the agent's token wins over the item's own */
    struct tb_config_project *projects; /* the first that fits counts */
    size_t n_projects;
    char **rollbar_files; /* patterns of paths, or folders */
    size_t n_rollbar_files;
    bool removes_rollbar_files;
    struct tb_config_log *logs;
    size_t n_logs;
    char **scrub_patterns; /* PCRE2 */
    size_t n_scrub_patterns;
    bool lacks_builtin_patterns; /* scrub.builtin_patterns is false */
    unsigned item_per_minute, service_per_minute, token_per_minute, sender_per_minute;
    unsigned burst_minutes;
    char *vanished; /* "report" or "count": processes that died unseen */
    int counts_vanished;
    char **scrub_keys;
    size_t n_scrub_keys;
    char **source_roots;
    size_t n_source_roots;
    char **debug_dirs;
    size_t n_debug_dirs;
    char **debuginfod; /* URLs of servers; may hold a password */
    size_t n_debuginfod;
    unsigned debuginfod_timeout_ms;
    unsigned context_lines;
    unsigned user_budget_ms;     /* of the symbolizer's time, in a minute */
    struct tb_inapp_rules rules; /* symbols.in_app, symbols.library */
    uint64_t cache_bytes;        /* of indexes; 0: none are kept */
    uint64_t store_max_bytes;    /* of the database; 0: no bound */
    uint64_t max_bytes;          /* spool_limits */
    unsigned max_percent, keep_free_percent, uid_percent;
    unsigned max_age_hours[4];    /* by enum tb_spool_class */
    int shared_spool;             /* the spool serves every user of the host */
    int makes_socket_folder;      /* the socket is in a default place, whose folder may be made */
    struct tb_config_sinks sinks; /* what stands beside Rollbar */
    char *file;                   /* the file that was read, or "" */
    char *warning;    /* sentences for the log, or "": the token's file can be read by others */
    bool lacks_sinks; /* they were spared (below), with their groups and links: warning says why */
};

/* What the command line said; NULL means nothing was said. */
struct tb_config_flags {
    const char *file, *spool, *state_dir, *socket, *listen;
    /* What is wrong with the sinks' settings is a warning, and all of them are off: for who sends
     * nothing, and may not read their files. */
    bool spares_sinks;
};

/* Reads everything. 0, or a negative errno with why. Free with tb_config_done. */
int tb_config_load(const struct tb_config_flags *flags, struct tb_config *out,
                   char why[TB_CONFIG_WHY]);
void tb_config_done(struct tb_config *config);
/* What turned a sink on, for people: the variable, else the settings file, else what gave the key.
 * section is "otlp", "xray" or "cloudwatch"; "" for another. Reads the environment anew. */
const char *tb_config_sink_from(const struct tb_config *config, const char *section, char room[80]);
/* Can other hosts reach what it listens on? */
bool tb_config_listens_abroad(const struct tb_config *config);

#endif
