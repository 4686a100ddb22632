/* config.c - see config.h. */
#include "agent/config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/config/config_apply.h"
#include "agent/config/config_check.h"
#include "agent/config/config_env.h"
#include "agent/config/config_file.h"
#include "agent/config/config_paths.h"
#include "agent/config/config_sinks_load.h"
#include "base/buf.h"
#include "base/fd.h"
#include "spool/frame.h"

#define DEFAULT_LISTEN "127.0.0.1:7070"

static void default_values(struct tb_config *c)
{
    char **const texts[] = {&c->environment, &c->spool,   &c->state_dir,     &c->socket,
                            &c->listen,      &c->token,   &c->token_from,    &c->endpoint,
                            &c->file,        &c->warning, &c->vanished,      &c->log_format,
                            &c->proxy,       &c->ca_file, &c->tls_cert_file, &c->tls_key_file,
                            &c->ingest_token};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        tb_config_set(texts[i], "");
    tb_config_set(&c->environment, "production");
    tb_config_set(&c->listen, DEFAULT_LISTEN);
    tb_config_set(&c->vanished, "report");
    tb_config_set(&c->log_format, "text");
    tb_config_set(&c->endpoint, TB_CONFIG_ENDPOINT);
    c->timeout_ms = 15000;
    c->retry_min_ms = 1000;
    c->retry_max_ms = 300000;
    c->connections = 8;
    c->item_per_minute = 1000;
    c->service_per_minute = 6000;
    c->burst_minutes = 60;
    c->sender_per_minute = 600000;
    c->context_lines = 3;
    c->cache_bytes = UINT64_C(512) << 20;
    c->debuginfod_timeout_ms = 5000;
    c->user_budget_ms = 10000;
    c->store_max_bytes = UINT64_C(1) << 30;
    c->max_bytes = UINT64_C(512) << 20;
    c->max_percent = 5;
    c->keep_free_percent = 5;
    c->uid_percent = 25;
    static const unsigned hours[TB_N_CLASSES] = {2160, 336, 72, 24};
    memcpy(c->max_age_hours, hours, sizeof(hours));
}

/* ---- the layers ---- */

static int apply_environment_and_flags(struct tb_config *c, const struct tb_config_flags *flags,
                                       char why[TB_CONFIG_WHY])
{
    const struct {
        const char *name;
        char **field;
        const char *value;
    } paths[] = {{"TOWBAR_SPOOL", &c->spool, getenv("TOWBAR_SPOOL")},
                 {"TOWBAR_SOCKET", &c->socket, getenv("TOWBAR_SOCKET")},
                 {"TOWBAR_STATE_DIR", &c->state_dir, getenv("TOWBAR_STATE_DIR")},
                 {"--spool", &c->spool, flags->spool},
                 {"--state-dir", &c->state_dir, flags->state_dir},
                 {"--socket", &c->socket, flags->socket}};
    char path[TB_CONFIG_PATH];
    int err = tb_config_env(c, why);
    if (err)
        return err;
    tb_config_set_if(&c->environment, getenv("ROLLBAR_ENVIRONMENT"));
    const char *endpoint = getenv("ROLLBAR_ENDPOINT");
    tb_config_set_if(&c->endpoint, endpoint);
    c->endpoint_is_blank = endpoint != NULL && endpoint[0] == '\0';
    tb_config_set_if(&c->listen, flags->listen);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        const char *value = paths[i].value;
        if (value == NULL || value[0] == '\0')
            continue;
        err = tb_config_absolute(value, path);
        if (err) {
            snprintf(why, TB_CONFIG_WHY, "%s \"%.300s\": %s", paths[i].name, value,
                     err == -EINVAL ? tb_config_path_fault(value) : strerror(-err));
            return err;
        }
        tb_config_set(paths[i].field, path);
    }
    return 0;
}

/* What nobody has said, last. */
static int apply_places(struct tb_config *c, const struct tb_config_places *places,
                        char why[TB_CONFIG_WHY])
{
    char path[TB_CONFIG_PATH];
    if (c->spool[0] == '\0')
        tb_config_set(&c->spool, places->spool);
    if (c->state_dir[0] == '\0')
        tb_config_set(&c->state_dir, places->state_dir);
    int no_spool = c->spool[0] == '\0';
    int no_state = c->state_dir[0] == '\0';
    if (no_spool || no_state) {
        snprintf(why, TB_CONFIG_WHY,
                 "neither XDG_STATE_HOME nor HOME is set: say where things are kept with%s%s%s",
                 no_spool ? " --spool DIR (or TOWBAR_SPOOL)" : "",
                 no_spool && no_state ? " and" : "", no_state ? " --state-dir DIR" : "");
        return -ENOENT;
    }
    if (c->socket[0] == '\0') {
        int state_was_set = strcmp(c->state_dir, places->state_dir) != 0;
        tb_config_default_socket(c->state_dir, state_was_set, path);
        tb_config_set(&c->socket, path);
    }
    c->makes_socket_folder = tb_config_may_make_folder(c->socket);
    c->shared_spool = strcmp(c->spool, TB_CONFIG_SYSTEM_SPOOL) == 0;
    return 0;
}

/* The bad value may stand there; which layer won is not known any more. */
static void name_file(const char *file, char why[TB_CONFIG_WHY])
{
    size_t len = strlen(why);
    if (strstr(why, file) == NULL)
        snprintf(why + len, TB_CONFIG_WHY - len, " (settings file: %s)", file);
}

/* 0 also when there is no file, as long as none was named. */
static int read_file(const struct tb_config_flags *flags, const struct tb_config_places *places,
                     struct tb_config *c, struct tb_config_file **file, char why[TB_CONFIG_WHY])
{
    const char *path = flags->file != NULL ? flags->file : places->file;
    if (flags->file == NULL && path[0] == '\0')
        return 0;
    int err = tb_config_file_read(path, file, why);
    if (err == -ENOENT && flags->file == NULL)
        return 0;
    if (!err)
        tb_config_set(&c->file, path);
    return err;
}

static int spare_sinks(struct tb_config *c, const char *why)
{
    tb_config_warn(c, "%s", why);
    tb_config_sinks_off(&c->sinks);
    c->lacks_sinks = true;
    return 0;
}

static int layers(const struct tb_config_flags *flags, struct tb_config *c, char why[TB_CONFIG_WHY])
{
    struct tb_config_places places;
    struct tb_config_file *file = NULL;
    default_values(c);
    tb_config_default_places(&places);
    int err = read_file(flags, &places, c, &file, why);
    if (!err && file != NULL)
        tb_config_apply_file(c, file);
    if (!err && !(err = apply_environment_and_flags(c, flags, why)) &&
        !(err = apply_places(c, &places, why))) {
        err = tb_config_take_tokens(c, file, why);
        if (!err)
            err = tb_config_check(c, why);
        if (!err)
            err = tb_config_sinks_load(c, file, why);
        if (err && c->sinks.otlp.endpoint != NULL && flags->spares_sinks)
            err = spare_sinks(c, why);
        if (err && c->file[0] != '\0')
            name_file(c->file, why);
    }
    tb_config_file_free(file);
    return err;
}

int tb_config_load(const struct tb_config_flags *flags, struct tb_config *out,
                   char why[TB_CONFIG_WHY])
{
    struct tb_config config;
    memset(&config, 0, sizeof(config));
    int err = layers(flags, &config, why);
    if (err) {
        tb_config_done(&config);
        return err;
    }
    *out = config;
    return 0;
}

static void free_list(char **list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(list[i]);
    free((void *)list);
}

static void free_entries(struct tb_config *c)
{
    for (size_t i = 0; i < c->n_projects; i++) {
        free(c->projects[i].service);
        free(c->projects[i].environment);
        free(c->projects[i].token);
        free(c->projects[i].token_from);
        free(c->projects[i].group);
    }
    for (size_t i = 0; i < c->n_logs; i++) {
        free(c->logs[i].path);
        free(c->logs[i].pattern);
        free(c->logs[i].level);
        free(c->logs[i].service);
        free(c->logs[i].environment);
        free(c->logs[i].framework);
    }
    free(c->projects);
    free(c->logs);
}

void tb_config_done(struct tb_config *config)
{
    if (config == NULL)
        return;
    free(config->environment);
    free(config->spool);
    free(config->state_dir);
    free(config->socket);
    free(config->listen);
    free(config->vanished);
    free(config->token);
    free(config->token_from);
    free(config->endpoint);
    free(config->log_format);
    free(config->proxy);
    free(config->ca_file);
    free(config->tls_cert_file);
    free(config->tls_key_file);
    free(config->ingest_token);
    free(config->file);
    free(config->warning);
    free_list(config->scrub_keys, config->n_scrub_keys);
    free_list(config->scrub_patterns, config->n_scrub_patterns);
    free_list(config->rollbar_files, config->n_rollbar_files);
    free_entries(config);
    free_list(config->source_roots, config->n_source_roots);
    free_list(config->debug_dirs, config->n_debug_dirs);
    free_list(config->debuginfod, config->n_debuginfod);
    free_list(config->rules.in_app, config->rules.n_in_app);
    free_list(config->rules.library, config->rules.n_library);
    tb_config_sinks_done(&config->sinks);
    memset(config, 0, sizeof(*config));
}
