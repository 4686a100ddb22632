/* status.c - see status.h. */
#include "agent/serve/status.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/pipeline/scrub.h"
#include "agent/serve/page_url.h"

/* What stands before the last "@" of the host part is no host, and a query may hold a key. */
void tb_status_url(const char *url, char out[TB_STATUS_URL])
{
    const char *slashes = strstr(url, "//");
    const char *host = slashes != NULL ? slashes + 2 : url;
    const char *at = memrchr(host, '@', strcspn(host, "/?#"));
    const char *rest = at != NULL ? at : host;
    size_t len = strcspn(rest, "?");
    bool has_query = rest[len] == '?' && rest[len + 1] != '\0';
    (void)snprintf(out, TB_STATUS_URL, "%.*s%s%.*s%s", (int)(host - url), url,
                   at != NULL ? TB_SCRUB_MASK : "", (int)len, rest,
                   has_query ? "?" TB_SCRUB_MASK : rest + len);
}

static void write_counts(const struct tb_store_counts *c, struct tb_json *j)
{
    tb_json_object(j);
    tb_json_kint(j, "items", c->items);
    tb_json_kint(j, "occurrences", c->occurrences);
    tb_json_kint(j, "duplicates", c->duplicates);
    tb_json_kint(j, "received", c->received);
    tb_json_kint(j, "sent", c->sent);
    tb_json_kint(j, "dropped", c->dropped);
    tb_json_kint(j, "quarantined", c->quarantined);
    tb_json_kint(j, "queued", c->queued);
    tb_json_kint(j, "parked", c->parked);
    tb_json_kint(j, "oldest_queued_ms", c->oldest_queued_ms);
    tb_json_kint(j, "last_received_ms", c->last_received_ms);
    tb_json_kopt(j, "last_reason", c->last_reason);
    tb_json_end(j);
}

static void write_storms(const struct tb_store_storm_counts *c, struct tb_json *j)
{
    tb_json_object(j);
    tb_json_kint(j, "collapsed", c->collapsed);
    tb_json_kint(j, "open", c->open);
    tb_json_kint(j, "items", c->items);
    tb_json_end(j);
}

static void write_by_class(const char *key, const uint64_t n[TB_N_CLASSES], struct tb_json *j)
{
    static const char *const names[TB_N_CLASSES] = {"crash", "error", "warning", "info"};
    tb_json_key(j, key);
    tb_json_object(j);
    for (int c = 0; c < TB_N_CLASSES; c++)
        tb_json_kint(j, names[c], (int64_t)n[c]);
    tb_json_end(j);
}

void tb_status_write_totals(const struct tb_spool_totals *t, struct tb_json *j)
{
    tb_json_object(j);
    write_by_class("evicted", t->evicted, j);
    tb_json_kint(j, "evicted_files", (int64_t)t->evicted_files);
    tb_json_kint(j, "evicted_bytes", (int64_t)t->evicted_bytes);
    tb_json_kint(j, "evicted_foreign", (int64_t)t->evicted_foreign);
    write_by_class("dropped", t->drops, j);
    tb_json_kint(j, "lost", (int64_t)t->lost);
    tb_json_kint(j, "vanished", (int64_t)t->vanished);
    tb_json_kint(j, "damaged", (int64_t)t->damaged);
    tb_json_end(j);
}

static void write_spool(const struct tb_config *config, const struct tb_spool_stats *s,
                        struct tb_json *j)
{
    tb_json_object(j);
    tb_json_kstr(j, "path", config->spool);
    tb_json_kint(j, "files", (int64_t)s->n_files);
    tb_json_kint(j, "bytes", (int64_t)s->bytes);
    tb_json_kint(j, "pending", (int64_t)s->n_pending);
    tb_json_kint(j, "read", (int64_t)s->n_read);
    tb_json_kint(j, "damaged", (int64_t)s->n_damaged);
    tb_json_kint(j, "lost", (int64_t)s->n_lost);
    tb_json_kint(j, "vanished", (int64_t)s->n_vanished);
    tb_json_kint(j, "quarantined", (int64_t)s->n_quarantined);
    tb_json_kint(j, "refused", (int64_t)s->n_refused);
    tb_json_kint(j, "suspects", (int64_t)s->n_suspects);
    tb_json_key(j, "lifetime");
    tb_status_write_totals(&s->total, j);
    tb_json_end(j);
}

static void write_symbols(const struct tb_config *config, const struct tb_symbol_store_counts *c,
                          struct tb_json *j)
{
    tb_json_object(j);
    tb_json_kint(j, "files", c->files);
    tb_json_kint(j, "bytes", c->bytes);
    tb_json_kint(j, "max_bytes", (int64_t)config->cache_bytes);
    tb_json_end(j);
}

static void write_tokens(const struct tb_deliver_status *d, struct tb_json *j)
{
    tb_json_key(j, "tokens");
    tb_json_array(j);
    for (size_t i = 0; i < d->n_tokens; i++) {
        const struct tb_deliver_token *token = &d->tokens[i];
        tb_json_object(j);
        tb_json_kstr(j, "name", token->name);
        tb_json_kint(j, "sent", token->sent);
        tb_json_kint(j, "refused", token->refused);
        tb_json_kint(j, "in_flight", token->in_flight);
        tb_json_kint(j, "paused_until_ms", token->paused_until_ms);
        tb_json_kbool(j, "parked", token->is_parked);
        tb_json_end(j);
    }
    tb_json_end(j);
}

static void write_delivery(const struct tb_config *config, const struct tb_deliver_status *d,
                           struct tb_json *j)
{
    char endpoint[TB_STATUS_URL];
    tb_status_url(config->endpoint, endpoint);
    tb_json_object(j);
    tb_json_kbool(j, "has_token", config->token[0] != '\0');
    tb_json_kopt(j, "token_from", config->token_from);
    tb_json_kstr(j, "endpoint", endpoint);
    tb_json_kint(j, "sent", d->sent);
    tb_json_kint(j, "retried", d->retried);
    tb_json_kint(j, "quarantined", d->quarantined);
    tb_json_kint(j, "in_flight", d->in_flight);
    tb_json_kint(j, "limit", d->limit);
    tb_json_kint(j, "max", d->max);
    tb_json_kint(j, "parked_tokens", d->parked_tokens);
    tb_json_kint(j, "paused_until_ms", d->paused_until_ms);
    tb_json_kint(j, "retry_at_ms", d->retry_at_ms);
    tb_json_kint(j, "last_sent_ms", d->last_sent_ms);
    tb_json_kint(j, "last_error_ms", d->last_error_ms);
    tb_json_kint(j, "last_http_status", d->last_http_status);
    tb_json_kopt(j, "last_error", d->last_error);
    tb_json_kopt(j, "store_error", d->store_error);
    write_tokens(d, j);
    tb_json_end(j);
}

static void write_reload(const struct tb_reload_counts *r, struct tb_json *j)
{
    tb_json_object(j);
    tb_json_kint(j, "taken", r->taken);
    tb_json_kint(j, "refused", r->refused);
    tb_json_kint(j, "last_ms", r->last_ms);
    tb_json_kopt(j, "last_error", r->why);
    tb_json_end(j);
}

/* Nothing where no server is set. */
static void write_debuginfod(const struct tb_config *config, const struct tb_debuginfod_counts *d,
                             struct tb_json *j)
{
    char url[TB_STATUS_URL];
    if (config->n_debuginfod == 0)
        return;
    tb_json_key(j, "debuginfod");
    tb_json_object(j);
    tb_json_key(j, "servers");
    tb_json_array(j);
    for (size_t i = 0; i < config->n_debuginfod; i++) {
        tb_status_url(config->debuginfod[i], url);
        tb_json_str(j, url);
    }
    tb_json_end(j);
    tb_json_kint(j, "fetched", d->fetched);
    tb_json_kint(j, "not_found", d->not_found);
    tb_json_kint(j, "failed", d->failed);
    tb_json_kopt(j, "last_error", d->last_error);
    tb_json_end(j);
}

/* Nothing where the settings name none. */
static void write_files(const struct tb_config *config, const struct tb_files_counts *f,
                        struct tb_json *j)
{
    if (config->n_rollbar_files == 0 && config->n_logs == 0)
        return;
    tb_json_key(j, "files");
    tb_json_object(j);
    tb_json_kint(j, "watched", f->watched);
    tb_json_kint(j, "lines", f->lines);
    tb_json_kint(j, "messages", f->messages);
    tb_json_kint(j, "rejected", f->rejected);
    tb_json_kint(j, "too_long", f->too_long);
    tb_json_kint(j, "unmatched", f->unmatched);
    tb_json_kint(j, "behind_bytes", f->behind_bytes);
    tb_json_kint(j, "removed", f->removed);
    tb_json_kint(j, "unreadable", f->unreadable);
    tb_json_kopt(j, "trouble", f->trouble);
    tb_json_end(j);
}

/* Since the start, by the names of /metrics. */
static void write_http(const struct tb_ingest_counts *counts, struct tb_json *j)
{
    tb_json_object(j);
    tb_json_key(j, "received");
    tb_json_object(j);
    for (size_t i = 0; i < TB_N_INPUTS; i++)
        tb_json_kint(j, tb_input_name((enum tb_ingest_input)i), (int64_t)counts->received[i]);
    tb_json_end(j);
    tb_json_key(j, "refused");
    tb_json_object(j);
    for (size_t i = 0; i < TB_N_REFUSALS; i++)
        tb_json_kint(j, tb_refusal_name((enum tb_ingest_refusal)i), (int64_t)counts->refused[i]);
    tb_json_end(j);
    tb_json_end(j);
}

static void write_page(const struct tb_status *status, struct tb_json *j)
{
    char page[TB_PAGE_URL];
    if (status->listen[0] == '\0')
        return;
    tb_page_url(status->config, status->listen, page);
    tb_json_kstr(j, "page", page);
    tb_json_kbool(j, "page_login", tb_page_asks_login(status->config));
}

void tb_status_write(const struct tb_status *status, struct tb_json *j)
{
    const struct tb_config *config = status->config;
    tb_json_object(j);
    tb_json_kstr(j, "program", "towbard");
    tb_json_kstr(j, "version", TOWBAR_VERSION);
    tb_json_kint(j, "pid", getpid());
    tb_json_kint(j, "uptime_ms", status->now_ms - status->started_ms);
    tb_json_kopt(j, "listen", status->listen);
    write_page(status, j);
    tb_json_kstr(j, "socket", config->socket);
    tb_json_kstr(j, "state_dir", config->state_dir);
    tb_json_kstr(j, "config", config->file[0] != '\0' ? config->file : "defaults");
    tb_json_kstr(j, "environment", config->environment);
    tb_json_kopt(j, "trouble", status->pipeline.trouble);
    tb_json_kint(j, "as_of_ms", status->pipeline.at_ms);
    tb_json_key(j, "counts");
    write_counts(&status->pipeline.store, j);
    tb_json_key(j, "storms");
    write_storms(&status->pipeline.storms, j);
    tb_json_key(j, "pipeline");
    tb_json_object(j);
    tb_json_kint(j, "stored", status->pipeline.n_stored);
    tb_json_kint(j, "quarantined", status->pipeline.n_refused);
    tb_json_kint(j, "watched", status->pipeline.n_watched);
    tb_json_end(j);
    tb_json_key(j, "spool");
    write_spool(config, &status->pipeline.spool, j);
    tb_json_key(j, "symbols");
    write_symbols(config, &status->pipeline.symbols, j);
    write_debuginfod(config, &status->pipeline.debuginfod, j);
    write_files(config, &status->files, j);
    tb_json_key(j, "http");
    write_http(&status->ingest, j);
    tb_json_key(j, "delivery");
    write_delivery(config, &status->delivery, j);
    tb_json_key(j, "sinks");
    tb_status_write_sinks(status, j);
    tb_json_key(j, "reload");
    write_reload(&status->reload, j);
    tb_json_end(j);
}
