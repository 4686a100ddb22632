/* config_file.h - towbard.yaml as it is written: what is absent is NULL. */
#ifndef TB_AGENT_CONFIG_FILE_H
#define TB_AGENT_CONFIG_FILE_H

#include <stdint.h>

#include "agent/config/config.h"

struct tb_config_rollbar {
    char *access_token, *token_file, *endpoint;
    unsigned *timeout_ms, *retry_min_ms, *retry_max_ms, *connections;
};
struct tb_config_scrub {
    char **keys;
    unsigned keys_count;
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
struct tb_config_spool_limits {
    uint64_t *max_bytes;
    unsigned *max_percent, *keep_free_percent, *uid_percent;
    struct tb_config_ages *max_age_hours;
};
struct tb_config_file {
    char *environment, *spool, *state_dir, *socket, *listen, *vanished;
    struct tb_config_rollbar *rollbar;
    struct tb_config_scrub *scrub;
    struct tb_config_symbols *symbols;
    struct tb_config_spool_limits *spool_limits;
};

/* Reads path. 0 with *out, which is NULL for a file without a word; -ENOENT; or another negative
 * errno. why names file, line, key and cure, and never holds a value of a secret key. */
int tb_config_file_read(const char *path, struct tb_config_file **out, char why[TB_CONFIG_WHY]);
void tb_config_file_free(struct tb_config_file *file);

#endif
