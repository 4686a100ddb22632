/* config_apply.c - see config_apply.h. */
#include "agent/config/config_apply.h"

#include <stdlib.h>
#include <string.h>

#include "spool/frame.h"

void tb_config_set(char **field, const char *value)
{
    char *mem = strdup(value);
    if (mem == NULL)
        abort();
    free(*field);
    *field = mem;
}

void tb_config_set_if(char **field, const char *value)
{
    if (value != NULL && value[0] != '\0')
        tb_config_set(field, value);
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
        tb_config_set(&(*list)[*n], values[*n]);
}

static void text_or_empty(char **field, const char *value)
{
    tb_config_set(field, value != NULL ? value : "");
}

static void *zeroed(size_t n, size_t size)
{
    void *mem = calloc(n, size);
    if (mem == NULL)
        abort();
    return mem;
}

static void apply_spool_limits(struct tb_config *c, const struct tb_config_spool_limits *limits)
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

static void apply_rollbar(struct tb_config *c, const struct tb_config_rollbar *r)
{
    tb_config_set_if(&c->endpoint, r->endpoint);
    tb_config_set_if(&c->proxy, r->proxy);
    tb_config_set_if(&c->ca_file, r->ca_file);
    if (r->force_token != NULL)
        c->force_token = *r->force_token;
    set_number(&c->timeout_ms, r->timeout_ms);
    set_number(&c->retry_min_ms, r->retry_min_ms);
    set_number(&c->retry_max_ms, r->retry_max_ms);
    set_number(&c->connections, r->connections);
}

static void apply_symbols(struct tb_config *c, const struct tb_config_symbols *s)
{
    set_list(&c->source_roots, &c->n_source_roots, s->source_roots, s->source_roots_count);
    set_list(&c->debug_dirs, &c->n_debug_dirs, s->debug_dirs, s->debug_dirs_count);
    set_list(&c->debuginfod, &c->n_debuginfod, s->debuginfod, s->debuginfod_count);
    set_number(&c->debuginfod_timeout_ms, s->debuginfod_timeout_ms);
    set_number(&c->context_lines, s->context_lines);
    set_number(&c->user_budget_ms, s->user_budget_ms);
    if (s->cache_bytes != NULL)
        c->cache_bytes = *s->cache_bytes;
    set_list(&c->rules.in_app, &c->rules.n_in_app, s->in_app, s->in_app_count);
    set_list(&c->rules.library, &c->rules.n_library, s->library, s->library_count);
}

static void apply_limits(struct tb_config *c, const struct tb_config_limits *limits)
{
    set_number(&c->item_per_minute, limits->item_per_minute);
    set_number(&c->service_per_minute, limits->service_per_minute);
    set_number(&c->burst_minutes, limits->burst_minutes);
    set_number(&c->token_per_minute, limits->token_per_minute);
    set_number(&c->sender_per_minute, limits->sender_per_minute);
}

static void apply_rollbar_files(struct tb_config *c, const struct tb_config_rollbar_files *f)
{
    set_list(&c->rollbar_files, &c->n_rollbar_files, f->paths, f->paths_count);
    if (f->remove != NULL)
        c->removes_rollbar_files = *f->remove;
}

static void apply_log_files(struct tb_config *c, const struct tb_config_file *f)
{
    if (f->log_files_count == 0)
        return;
    c->logs = zeroed(f->log_files_count, sizeof(*c->logs));
    for (; c->n_logs < f->log_files_count; c->n_logs++) {
        const struct tb_config_log_file *from = &f->log_files[c->n_logs];
        struct tb_config_log *to = &c->logs[c->n_logs];
        text_or_empty(&to->path, from->path);
        text_or_empty(&to->pattern, from->pattern);
        text_or_empty(&to->level, from->level);
        text_or_empty(&to->service, from->service);
        text_or_empty(&to->environment, from->environment);
        text_or_empty(&to->framework, from->framework);
    }
}

static void apply_projects(struct tb_config *c, const struct tb_config_file *f)
{
    if (f->projects_count == 0)
        return;
    c->projects = zeroed(f->projects_count, sizeof(*c->projects));
    for (; c->n_projects < f->projects_count; c->n_projects++) {
        const struct tb_config_project_file *from = &f->projects[c->n_projects];
        struct tb_config_project *to = &c->projects[c->n_projects];
        text_or_empty(&to->service, from->service);
        text_or_empty(&to->environment, from->environment);
        text_or_empty(&to->token, from->access_token);
        text_or_empty(&to->group, from->group);
    }
}

void tb_config_apply_file(struct tb_config *c, const struct tb_config_file *f)
{
    tb_config_set_if(&c->environment, f->environment);
    tb_config_set_if(&c->spool, f->spool);
    tb_config_set_if(&c->state_dir, f->state_dir);
    tb_config_set_if(&c->socket, f->socket);
    tb_config_set_if(&c->listen, f->listen);
    tb_config_set_if(&c->vanished, f->vanished);
    tb_config_set_if(&c->log_format, f->log_format);
    c->counts_vanished = strcmp(c->vanished, "count") == 0;
    if (f->tls != NULL) {
        tb_config_set_if(&c->tls_cert_file, f->tls->cert_file);
        tb_config_set_if(&c->tls_key_file, f->tls->key_file);
    }
    if (f->rollbar != NULL)
        apply_rollbar(c, f->rollbar);
    if (f->limits != NULL)
        apply_limits(c, f->limits);
    if (f->store != NULL && f->store->max_bytes != NULL)
        c->store_max_bytes = *f->store->max_bytes;
    if (f->spool_limits != NULL)
        apply_spool_limits(c, f->spool_limits);
    if (f->scrub != NULL) {
        set_list(&c->scrub_keys, &c->n_scrub_keys, f->scrub->keys, f->scrub->keys_count);
        set_list(&c->scrub_patterns, &c->n_scrub_patterns, f->scrub->patterns,
                 f->scrub->patterns_count);
        if (f->scrub->builtin_patterns != NULL)
            c->lacks_builtin_patterns = !*f->scrub->builtin_patterns;
    }
    if (f->symbols != NULL)
        apply_symbols(c, f->symbols);
    if (f->rollbar_files != NULL)
        apply_rollbar_files(c, f->rollbar_files);
    apply_log_files(c, f);
    apply_projects(c, f);
}
