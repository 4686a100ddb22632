/* config_file.h - towbard.yaml as it is written: what is absent is NULL. */
#ifndef TB_AGENT_CONFIG_FILE_H
#define TB_AGENT_CONFIG_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/config/config.h"

struct tb_config_rollbar {
    char *access_token, *token_file, *endpoint, *proxy, *ca_file;
    bool *force_token;
    unsigned *timeout_ms, *retry_min_ms, *retry_max_ms, *connections;
};
struct tb_config_project_file {
    char *service, *environment, *access_token, *token_file, *group;
};
struct tb_config_log_file {
    char *path, *pattern, *level, *service, *environment, *framework;
};
struct tb_config_rollbar_files {
    char **paths;
    unsigned paths_count;
    bool *remove;
};
struct tb_config_tls {
    char *cert_file, *key_file;
};
struct tb_config_ingest {
    char *token_file;
};
struct tb_config_limits {
    unsigned *item_per_minute, *service_per_minute, *burst_minutes, *token_per_minute,
        *sender_per_minute;
};
struct tb_config_scrub {
    char **keys;
    unsigned keys_count;
    char **patterns;
    unsigned patterns_count;
    bool *builtin_patterns;
};
struct tb_config_symbols {
    char **source_roots;
    unsigned source_roots_count;
    char **debug_dirs;
    unsigned debug_dirs_count;
    char **debuginfod;
    unsigned debuginfod_count;
    unsigned *debuginfod_timeout_ms;
    unsigned *context_lines;
    unsigned *user_budget_ms;
    uint64_t *cache_bytes;
    char **in_app;
    unsigned in_app_count;
    char **library;
    unsigned library_count;
};
struct tb_config_ages {
    unsigned *crash, *error, *warning, *info;
};
struct tb_config_store {
    uint64_t *max_bytes;
};
struct tb_config_spool_limits {
    uint64_t *max_bytes;
    unsigned *max_percent, *keep_free_percent, *uid_percent;
    struct tb_config_ages *max_age_hours;
};
/* The sinks: every single value is a text. */
struct tb_config_otlp_file {
    char *endpoint, *traces_endpoint;
    char **headers;
    unsigned headers_count;
    char *honeycomb_key, *honeycomb_key_file, *dataset, *honeycomb_team, *honeycomb_environment;
    char *form, *compression, *timeout_ms, *ca_file, *client_cert_file, *client_key_file, *group;
    char **omit;
    unsigned omit_count;
};
struct tb_config_xray_file {
    char *mode, *address, *endpoint, *timeout_ms, *name, *name_pattern, *origin, *unsampled;
    char *sampling_rules, *central_sampling, *group;
    char **omit;
    unsigned omit_count;
};
struct tb_config_cloudwatch_file {
    char *log_group, *log_stream, *endpoint, *timeout_ms, *retention_days, *old, *metrics, *group;
    char **omit;
    unsigned omit_count;
};
struct tb_config_aws_file {
    char *region, *profile;
};
struct tb_config_group_file {
    char *name, *filter;
};
struct tb_config_link_file {
    char *name, *url;
};
struct tb_config_file {
    char *environment, *spool, *state_dir, *socket, *listen, *vanished, *log_format;
    struct tb_config_tls *tls;
    struct tb_config_ingest *ingest;
    struct tb_config_rollbar *rollbar;
    struct tb_config_project_file *projects;
    unsigned projects_count;
    struct tb_config_rollbar_files *rollbar_files;
    struct tb_config_log_file *log_files;
    unsigned log_files_count;
    struct tb_config_limits *limits;
    struct tb_config_scrub *scrub;
    struct tb_config_symbols *symbols;
    struct tb_config_spool_limits *spool_limits;
    struct tb_config_store *store;
    struct tb_config_otlp_file *otlp;
    struct tb_config_xray_file *xray;
    struct tb_config_cloudwatch_file *cloudwatch;
    struct tb_config_aws_file *aws;
    struct tb_config_group_file *groups;
    unsigned groups_count;
    struct tb_config_link_file *links;
    unsigned links_count;
};

/* Reads path. 0 with *out, which is NULL for a file without a word; -ENOENT; or another negative
 * errno. why names file, line, key and cure, and never holds a value of a secret key. */
int tb_config_file_read(const char *path, struct tb_config_file **out, char why[TB_CONFIG_WHY]);
/* The line of a key of a section in that file, "otlp" and "form", or of a section itself, with ""
 * for key; 0 when it is not found. */
unsigned tb_config_file_line(const char *path, const char *section, const char *key);
void tb_config_file_free(struct tb_config_file *file);

#endif
