/* metrics.c - see metrics.h. */
#include "agent/serve/metrics.h"

#include <inttypes.h>

#include "agent/serve/process_stats.h"

/* ---- the format ---- */

static void family(struct tb_buf *out, const char *name, const char *type, const char *help)
{
    tb_buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A family of one. */
static void gauge(struct tb_buf *out, const char *name, const char *help, int64_t value)
{
    family(out, name, "gauge", help);
    tb_buf_addf(out, "%s %" PRId64 "\n", name, value);
}

static void counter(struct tb_buf *out, const char *name, const char *help, int64_t value)
{
    family(out, name, "counter", help);
    tb_buf_addf(out, "%s %" PRId64 "\n", name, value);
}

/* One line of a family with a label. */
static void row(struct tb_buf *out, const char *name, const char *label, const char *value,
                int64_t n)
{
    tb_buf_addf(out, "%s{%s=\"%s\"} %" PRId64 "\n", name, label, value, n);
}

static void seconds(struct tb_buf *out, const char *name, const char *type, const char *help,
                    int64_t ms)
{
    family(out, name, type, help);
    tb_buf_addf(out, "%s %" PRId64 ".%03" PRId64 "\n", name, ms / 1000, ms % 1000);
}

/* ---- the parts ---- */

/* What came in by itself: programs with the library write to the spool, and are in the records. */
static void write_inputs(const struct tb_status *s, struct tb_buf *out)
{
    static const char received[] = "towbard_items_received_total";
    static const char refused[] = "towbard_items_refused_total";
    family(out, received, "counter", "Items that were taken, since start.");
    for (int i = 0; i < TB_N_INPUTS; i++)
        row(out, received, "input", tb_input_name((enum tb_ingest_input)i),
            (int64_t)s->ingest.received[i]);
    row(out, received, "input", "rollbar_files", s->files.lines);
    row(out, received, "input", "log_files", s->files.messages);
    family(out, refused, "counter", "Requests and lines that were not taken, since start.");
    for (int i = 0; i < TB_N_REFUSALS; i++)
        row(out, refused, "reason", tb_refusal_name((enum tb_ingest_refusal)i),
            (int64_t)s->ingest.refused[i]);
    row(out, refused, "reason", "file_line", s->files.rejected + s->files.too_long);
    gauge(out, "towbard_files_behind_bytes", "Bytes in files that are not read yet.",
          s->files.behind_bytes);
    gauge(out, "towbard_files_unreadable", "Files that cannot be read now.", s->files.unreadable);
}

static void write_items(const struct tb_status *s, struct tb_buf *out)
{
    const struct tb_store_counts *c = &s->pipeline.store;
    counter(out, "towbard_occurrences_total", "Errors that were stored, by the database.",
            c->occurrences);
    gauge(out, "towbard_items", "Different errors in the database.", c->items);
    counter(out, "towbard_duplicates_total", "Errors that were known by their uuid already.",
            c->duplicates);
    family(out, "towbard_records_total", "counter",
           "Records of the spool that were worked on since the start.");
    row(out, "towbard_records_total", "result", "stored", s->pipeline.n_stored);
    row(out, "towbard_records_total", "result", "quarantined", s->pipeline.n_refused);
    counter(out, "towbard_collapsed_total", "Errors of storms that were only counted.",
            s->pipeline.storms.collapsed);
    gauge(out, "towbard_processes_watched", "Processes whose end will be known.",
          s->pipeline.n_watched);
    gauge(out, "towbard_storing", "1 while the database and the spool work.",
          s->pipeline.trouble[0] == '\0');
}

/* In flight are rows that are queued, as the database has it; it may be told a moment later. */
static void write_queue(const struct tb_status *s, struct tb_buf *out)
{
    const struct tb_store_counts *c = &s->pipeline.store;
    int64_t rest = c->queued - c->parked;
    int64_t flying = s->delivery.in_flight < rest ? s->delivery.in_flight : rest;
    int64_t age_ms = c->oldest_queued_ms > 0 ? s->now_ms - c->oldest_queued_ms : 0;
    counter(out, "towbard_queue_added_total",
            "Items that were queued for Rollbar: sent + dropped + quarantined + waiting.",
            c->received);
    counter(out, "towbard_items_sent_total", "Items that Rollbar has taken.", c->sent);
    counter(out, "towbard_items_dropped_total", "Queued items that were given up.", c->dropped);
    counter(out, "towbard_items_quarantined_total", "Queued items that Rollbar refused for good.",
            c->quarantined);
    family(out, "towbard_queue_items", "gauge", "Items that wait for Rollbar.");
    row(out, "towbard_queue_items", "state", "waiting", rest - flying);
    row(out, "towbard_queue_items", "state", "in_flight", flying);
    row(out, "towbard_queue_items", "state", "parked", c->parked);
    seconds(out, "towbard_queue_oldest_age_seconds", "gauge",
            "How long the oldest queued item has waited.", age_ms > 0 ? age_ms : 0);
}

static void write_delivery(const struct tb_status *s, struct tb_buf *out)
{
    const struct tb_deliver_status *d = &s->delivery;
    int64_t pause_ms = d->paused_until_ms > s->now_ms ? d->paused_until_ms - s->now_ms : 0;
    gauge(out, "towbard_send_requests_max", "Requests that there may be at once now.", d->limit);
    counter(out, "towbard_send_retries_total", "Requests that have to be made again, since start.",
            d->retried);
    gauge(out, "towbard_send_parked_tokens", "Access tokens that Rollbar refuses.",
          d->parked_tokens);
    seconds(out, "towbard_send_pause_seconds", "gauge",
            "How long Rollbar's rate limits still hold items up.", pause_ms);
    seconds(out, "towbard_send_last_success_timestamp_seconds", "gauge",
            "When Rollbar last took an item; 0 for not since start.", d->last_sent_ms);
}

/* ---- by sink ---- */

/* One line of a family with the label sink, and another one. */
static void sink_row(struct tb_buf *out, const char *name, const char *sink, const char *label,
                     const char *value, int64_t n)
{
    tb_buf_addf(out, "%s{sink=\"%s\",%s=\"%s\"} %" PRId64 "\n", name, sink, label, value, n);
}

static void write_results(struct tb_buf *out, const char *name, const struct tb_store_sink *c)
{
    static const char items[] = "towbard_sink_items_total";
    sink_row(out, items, name, "result", "sent", c->sent);
    sink_row(out, items, name, "result", "dropped", c->dropped);
    sink_row(out, items, name, "result", "quarantined", c->quarantined);
}

static void write_left_out(struct tb_buf *out, const char *name, const struct tb_store_sink *c)
{
    static const char left_out[] = "towbard_sink_left_out_total";
    sink_row(out, left_out, name, "reason", "not_routed", c->not_routed);
    sink_row(out, left_out, name, "reason", "unsampled", c->unsampled);
}

static void write_waiting(struct tb_buf *out, const char *name, const struct tb_store_sink *c)
{
    static const char queue[] = "towbard_sink_queue_items";
    sink_row(out, queue, name, "state", "waiting", c->queued - c->parked);
    sink_row(out, queue, name, "state", "parked", c->parked);
}

/* Of each sink that is on, and of those that had something and are off now. */
static void for_each_sink(const struct tb_status *s, struct tb_buf *out,
                          void (*write)(struct tb_buf *out, const char *name,
                                        const struct tb_store_sink *c))
{
    for (size_t i = 0; i < s->n_sinks; i++)
        write(out, s->sinks[i].name, tb_status_sink_counts(s, s->sinks[i].name));
    for (size_t i = 0; i < s->pipeline.n_sinks; i++) {
        if (!tb_status_is_on(s, s->pipeline.sinks[i].name))
            write(out, s->pipeline.sinks[i].name, &s->pipeline.sinks[i]);
    }
}

static void write_sinks(const struct tb_status *s, struct tb_buf *out)
{
    static const char retries[] = "towbard_sink_retries_total";
    static const char answers[] = "towbard_sink_answers";
    static const char success[] = "towbard_sink_last_success_timestamp_seconds";
    family(out, "towbard_sink_items_total", "counter",
           "What became of items for a sink, by the database.");
    for_each_sink(s, out, write_results);
    family(out, "towbard_sink_left_out_total", "counter", "Items that were not meant for a sink.");
    for_each_sink(s, out, write_left_out);
    family(out, "towbard_sink_queue_items", "gauge", "Items that wait for a sink.");
    for_each_sink(s, out, write_waiting);
    family(out, retries, "counter", "Items that were not taken and have to be sent again.");
    for (size_t i = 0; i < s->n_sinks; i++)
        row(out, retries, "sink", s->sinks[i].name, s->sinks[i].status.retried);
    family(out, answers, "gauge", "0 while a sink that is on cannot be used or answers nobody.");
    for (size_t i = 0; i < s->n_sinks; i++)
        row(out, answers, "sink", s->sinks[i].name,
            s->sinks[i].why[0] == '\0' && s->sinks[i].status.retry_at_ms <= s->now_ms);
    family(out, success, "gauge", "When a sink last took an item; 0 for not since start.");
    for (size_t i = 0; i < s->n_sinks; i++)
        row(out, success, "sink", s->sinks[i].name, s->sinks[i].status.last_sent_ms / 1000);
}

static void write_by_class(const char *name, const uint64_t n[TB_N_CLASSES], struct tb_buf *out)
{
    static const char *const names[TB_N_CLASSES] = {"crash", "error", "warning", "info"};
    for (int c = 0; c < TB_N_CLASSES; c++)
        row(out, name, "class", names[c], (int64_t)n[c]);
}

static void write_spool(const struct tb_status *s, struct tb_buf *out)
{
    const struct tb_spool_stats *spool = &s->pipeline.spool;
    const struct tb_spool_totals *t = &spool->total;
    gauge(out, "towbard_spool_files", "Files in the spool.", (int64_t)spool->n_files);
    gauge(out, "towbard_spool_bytes", "Bytes in the spool.", (int64_t)spool->bytes);
    gauge(out, "towbard_spool_capacity_bytes", "spool_limits.max_bytes.",
          (int64_t)s->config->max_bytes);
    gauge(out, "towbard_spool_pending_records", "Records that were read and are not settled yet.",
          (int64_t)spool->n_pending);
    family(out, "towbard_spool_evicted_total", "counter",
           "Records that the spool's limits cost, over its lifetime.");
    write_by_class("towbard_spool_evicted_total", t->evicted, out);
    family(out, "towbard_spool_refused_total", "counter",
           "Records that processes could not write, as their slots say.");
    write_by_class("towbard_spool_refused_total", t->drops, out);
    counter(out, "towbard_spool_lost_total", "Records of which only the gap was found.",
            (int64_t)t->lost);
    counter(out, "towbard_spool_damaged_total", "Places in the spool that failed a check.",
            (int64_t)t->damaged);
    counter(out, "towbard_spool_quarantined_total", "Files and records put aside, since start.",
            (int64_t)spool->n_quarantined);
    counter(out, "towbard_processes_vanished_total", "Processes that died unseen.",
            (int64_t)t->vanished);
}

static void write_symbols(const struct tb_status *s, struct tb_buf *out)
{
    const struct tb_symbolizer_work *work = &s->pipeline.symbolizing;
    const struct tb_debuginfod_counts *d = &s->pipeline.debuginfod;
    family(out, "towbard_symbolize_total", "counter", "Questions to the symbolizer since start.");
    row(out, "towbard_symbolize_total", "result", "answered", work->answered);
    row(out, "towbard_symbolize_total", "result", "failed", work->failed);
    seconds(out, "towbard_symbolize_seconds_total", "counter", "How long they took together.",
            (int64_t)(work->answer_ns / 1000000));
    counter(out, "towbard_symbolizer_starts_total", "Starts of its process.", work->starts);
    gauge(out, "towbard_symbol_indexes", "Indexes of symbols that are kept.",
          s->pipeline.symbols.files);
    gauge(out, "towbard_symbol_indexes_bytes", "What they take.", s->pipeline.symbols.bytes);
    if (s->config->n_debuginfod == 0)
        return;
    family(out, "towbard_debuginfod_total", "counter", "Questions to servers of debug data.");
    row(out, "towbard_debuginfod_total", "result", "fetched", d->fetched);
    row(out, "towbard_debuginfod_total", "result", "not_found", d->not_found);
    row(out, "towbard_debuginfod_total", "result", "failed", d->failed);
}

static void write_agent(const struct tb_status *s, struct tb_buf *out)
{
    const struct tb_reload_counts *r = &s->reload;
    family(out, "towbard_build_info", "gauge", "The version; always 1.");
    row(out, "towbard_build_info", "version", TOWBAR_VERSION, 1);
    family(out, "towbard_config_reloads_total", "counter", "Reloads of the settings since start.");
    row(out, "towbard_config_reloads_total", "result", "taken", r->taken);
    row(out, "towbard_config_reloads_total", "result", "refused", r->refused);
    gauge(out, "towbard_config_last_reload_success", "1 unless the last reload was refused.",
          r->why[0] == '\0');
    seconds(out, "towbard_config_last_reload_timestamp_seconds", "gauge",
            "When that was; 0 for never.", r->last_ms);
}

static void write_process(struct tb_buf *out)
{
    struct tb_process_stats p;
    tb_process_stats(&p);
    seconds(out, "process_cpu_seconds_total", "counter", "CPU time, without the symbolizer's.",
            p.cpu_ms);
    seconds(out, "process_start_time_seconds", "gauge", "When it was started.", p.start_ms);
    gauge(out, "process_resident_memory_bytes", "Memory in use.", p.resident_bytes);
    gauge(out, "process_virtual_memory_bytes", "Address space in use.", p.virtual_bytes);
    gauge(out, "process_open_fds", "Open descriptors.", p.open_fds);
    gauge(out, "process_max_fds", "How many it may have.", p.max_fds);
    gauge(out, "process_threads", "Its threads.", p.threads);
}

void tb_metrics_write(const struct tb_status *status, struct tb_buf *out)
{
    write_inputs(status, out);
    write_items(status, out);
    write_queue(status, out);
    write_delivery(status, out);
    write_sinks(status, out);
    write_spool(status, out);
    write_symbols(status, out);
    write_agent(status, out);
    write_process(out);
}
