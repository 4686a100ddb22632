/* config.c - see config.h. */
#include "agent/config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/config/config_check.h"
#include "agent/config/config_file.h"
#include "agent/config/config_paths.h"
#include "base/buf.h"
#include "base/fd.h"
#include "spool/frame.h"

#define DEFAULT_LISTEN "127.0.0.1:7070"

enum { TOKEN_FILE_MAX = 4096 };

/* Out of memory at start: there is nothing to lose yet. */
static char *copy(const char *text)
{
    char *mem = strdup(text);
    if (mem == NULL)
        abort();
    return mem;
}

static void set(char **field, const char *value)
{
    char *mem = copy(value);
    free(*field);
    *field = mem;
}

static void set_if(char **field, const char *value)
{
    if (value != NULL && value[0] != '\0')
        set(field, value);
}

static void set_number(unsigned *field, const unsigned *value)
{
    if (value != NULL)
        *field = *value;
}

static void set_list(char ***list, size_t *n, char *const *values, size_t n_values)
{
    if (n_values == 0)
        return;
    *list = calloc(n_values, sizeof(**list));
    if (*list == NULL)
        abort();
    for (*n = 0; *n < n_values; (*n)++)
        (*list)[*n] = copy(values[*n]);
}

static void free_list(char **list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(list[i]);
    free((void *)list);
}

static void default_values(struct tb_config *c)
{
    char **const texts[] = {&c->environment, &c->spool,   &c->state_dir,  &c->socket,
                            &c->listen,      &c->token,   &c->token_from, &c->endpoint,
                            &c->file,        &c->warning, &c->vanished};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        set(texts[i], "");
    set(&c->environment, "production");
    set(&c->listen, DEFAULT_LISTEN);
    set(&c->vanished, "report");
    set(&c->endpoint, TB_CONFIG_ENDPOINT);
    c->timeout_ms = 15000;
    c->retry_min_ms = 1000;
    c->retry_max_ms = 300000;
    c->connections = 8;
    c->context_lines = 3;
    c->cache_bytes = UINT64_C(512) << 20;
    c->debuginfod_timeout_ms = 5000;
    c->user_budget_ms = 10000;
    c->max_bytes = UINT64_C(512) << 20;
    c->max_percent = 5;
    c->keep_free_percent = 5;
    c->uid_percent = 25;
    static const unsigned hours[TB_N_CLASSES] = {2160, 336, 72, 24};
    memcpy(c->max_age_hours, hours, sizeof(hours));
}

/* ---- the token ---- */

static int read_token_file(struct tb_config *c, const char *path, char why[TB_CONFIG_WHY])
{
    struct tb_buf text;
    tb_buf_init(&text, TOKEN_FILE_MAX);
    int err = tb_fd_slurp(AT_FDCWD, path, &text);
    struct stat st;
    if (err) {
        snprintf(why, TB_CONFIG_WHY,
                 "cannot read rollbar.token_file %s: %s; it must hold the token "
                 "in its first line, mode 0600, owned by the agent's user",
                 path, strerror(-err));
    } else {
        char *token = copy(tb_buf_str(&text));
        token[strcspn(token, " \t\r\n")] = '\0';
        set(&c->token, token);
        set(&c->token_from, path);
        free(token);
        if (c->token[0] == '\0') {
            snprintf(why, TB_CONFIG_WHY,
                     "rollbar.token_file %s is empty: put the project's "
                     "post_server_item token in its first line",
                     path);
            err = -EINVAL;
        }
    }
    if (!err && stat(path, &st) == 0 && (st.st_mode & S_IROTH) != 0) {
        char text_out[TB_CONFIG_PATH + 64];
        snprintf(text_out, sizeof(text_out),
                 "%s holds the token and can be read by every user: "
                 "chmod 600 %s",
                 path, path);
        set(&c->warning, text_out);
    }
    tb_buf_done(&text);
    return err;
}

static int check_token(const struct tb_config *c, char why[TB_CONFIG_WHY])
{
    int good = strlen(c->token) <= TB_CONFIG_TOKEN_MAX;
    for (const char *t = c->token; good && *t != '\0'; t++)
        good = *t > ' ' && *t < 0x7f;
    if (good)
        return 0;
    snprintf(why, TB_CONFIG_WHY,
             "the Rollbar token from %s is no token: at most %d printable "
             "characters, no spaces",
             c->token_from, TB_CONFIG_TOKEN_MAX);
    return -EINVAL;
}

static int take_token(struct tb_config *c, const struct tb_config_rollbar *r,
                      char why[TB_CONFIG_WHY])
{
    const char *env = getenv("ROLLBAR_ACCESS_TOKEN");
    int err = 0;
    if (env != NULL && env[0] != '\0') {
        set(&c->token, env);
        set(&c->token_from, "ROLLBAR_ACCESS_TOKEN");
    } else if (r != NULL && r->access_token != NULL && r->access_token[0] != '\0') {
        set(&c->token, r->access_token);
        set(&c->token_from, c->file);
    } else if (r != NULL && r->token_file != NULL) {
        err = read_token_file(c, r->token_file, why);
    }
    return err ? err : check_token(c, why);
}

/* ---- the layers ---- */

static void apply_limits(struct tb_config *c, const struct tb_config_spool_limits *limits)
{
    const struct tb_config_ages *ages = limits->max_age_hours;
    if (limits->max_bytes != NULL)
        c->max_bytes = *limits->max_bytes;
    set_number(&c->max_percent, limits->max_percent);
    set_number(&c->keep_free_percent, limits->keep_free_percent);
    set_number(&c->uid_percent, limits->uid_percent);
    if (ages == NULL)
        return;
    set_number(&c->max_age_hours[TB_CLASS_CRASH], ages->crash);
    set_number(&c->max_age_hours[TB_CLASS_ERROR], ages->error);
    set_number(&c->max_age_hours[TB_CLASS_WARNING], ages->warning);
    set_number(&c->max_age_hours[TB_CLASS_INFO], ages->info);
}

static void apply_file(struct tb_config *c, const struct tb_config_file *f)
{
    set_if(&c->environment, f->environment);
    set_if(&c->spool, f->spool);
    set_if(&c->state_dir, f->state_dir);
    set_if(&c->socket, f->socket);
    set_if(&c->listen, f->listen);
    set_if(&c->vanished, f->vanished);
    c->counts_vanished = strcmp(c->vanished, "count") == 0;
    if (f->rollbar != NULL) {
        set_if(&c->endpoint, f->rollbar->endpoint);
        set_number(&c->timeout_ms, f->rollbar->timeout_ms);
        set_number(&c->retry_min_ms, f->rollbar->retry_min_ms);
        set_number(&c->retry_max_ms, f->rollbar->retry_max_ms);
        set_number(&c->connections, f->rollbar->connections);
    }
    if (f->spool_limits != NULL)
        apply_limits(c, f->spool_limits);
    if (f->scrub != NULL)
        set_list(&c->scrub_keys, &c->n_scrub_keys, f->scrub->keys, f->scrub->keys_count);
    if (f->symbols != NULL) {
        set_list(&c->source_roots, &c->n_source_roots, f->symbols->source_roots,
                 f->symbols->source_roots_count);
        set_list(&c->debug_dirs, &c->n_debug_dirs, f->symbols->debug_dirs,
                 f->symbols->debug_dirs_count);
        set_list(&c->debuginfod, &c->n_debuginfod, f->symbols->debuginfod,
                 f->symbols->debuginfod_count);
        set_number(&c->debuginfod_timeout_ms, f->symbols->debuginfod_timeout_ms);
        set_number(&c->context_lines, f->symbols->context_lines);
        set_number(&c->user_budget_ms, f->symbols->user_budget_ms);
        if (f->symbols->cache_bytes != NULL)
            c->cache_bytes = *f->symbols->cache_bytes;
        set_list(&c->rules.in_app, &c->rules.n_in_app, f->symbols->in_app,
                 f->symbols->in_app_count);
        set_list(&c->rules.library, &c->rules.n_library, f->symbols->library,
                 f->symbols->library_count);
    }
}

static int apply_environment_and_flags(struct tb_config *c, const struct tb_config_flags *flags,
                                       char why[TB_CONFIG_WHY])
{
    const struct {
        const char *name;
        char **field;
        const char *value;
    } paths[] = {{"TOWBAR_SPOOL", &c->spool, getenv("TOWBAR_SPOOL")},
                 {"TOWBAR_SOCKET", &c->socket, getenv("TOWBAR_SOCKET")},
                 {"--spool", &c->spool, flags->spool},
                 {"--state-dir", &c->state_dir, flags->state_dir},
                 {"--socket", &c->socket, flags->socket}};
    char path[TB_CONFIG_PATH];
    set_if(&c->environment, getenv("ROLLBAR_ENVIRONMENT"));
    const char *endpoint = getenv("ROLLBAR_ENDPOINT");
    set_if(&c->endpoint, endpoint);
    c->endpoint_is_blank = endpoint != NULL && endpoint[0] == '\0';
    set_if(&c->listen, flags->listen);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        const char *value = paths[i].value;
        if (value == NULL || value[0] == '\0')
            continue;
        int err = tb_config_absolute(value, path);
        if (err) {
            snprintf(why, TB_CONFIG_WHY, "%s \"%.300s\": %s", paths[i].name, value,
                     err == -EINVAL ? tb_config_path_fault(value) : strerror(-err));
            return err;
        }
        set(paths[i].field, path);
    }
    return 0;
}

/* What nobody has said, last. */
static int apply_places(struct tb_config *c, const struct tb_config_places *places,
                        char why[TB_CONFIG_WHY])
{
    char path[TB_CONFIG_PATH];
    if (c->spool[0] == '\0')
        set(&c->spool, places->spool);
    if (c->state_dir[0] == '\0')
        set(&c->state_dir, places->state_dir);
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
        set(&c->socket, path);
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
        set(&c->file, path);
    return err;
}

static int layers(const struct tb_config_flags *flags, struct tb_config *c, char why[TB_CONFIG_WHY])
{
    struct tb_config_places places;
    struct tb_config_file *file = NULL;
    default_values(c);
    tb_config_default_places(&places);
    int err = read_file(flags, &places, c, &file, why);
    if (!err && file != NULL)
        apply_file(c, file);
    if (!err && !(err = apply_environment_and_flags(c, flags, why)) &&
        !(err = apply_places(c, &places, why))) {
        err = take_token(c, file != NULL ? file->rollbar : NULL, why);
        if (!err)
            err = tb_config_check(c, why);
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
    free(config->file);
    free(config->warning);
    free_list(config->scrub_keys, config->n_scrub_keys);
    free_list(config->source_roots, config->n_source_roots);
    free_list(config->debug_dirs, config->n_debug_dirs);
    free_list(config->debuginfod, config->n_debuginfod);
    free_list(config->rules.in_app, config->rules.n_in_app);
    free_list(config->rules.library, config->rules.n_library);
    memset(config, 0, sizeof(*config));
}
