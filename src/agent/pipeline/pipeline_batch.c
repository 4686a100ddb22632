/* pipeline_batch.c - records become rows: a batch is taken, stored in one transaction, and only
 * then acknowledged; between batches the database and the spool are tidied. */
#include "agent/pipeline/pipeline_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/log.h"
#include "base/clock.h"

enum {
    BUSY_FAILING_MS = 20,
    THIN_TIMES = 4 /* at each settling */
};

static int quarantine(struct tb_pipeline *p, const struct tb_spool_record *record, const char *why)
{
    char uuid[TB_UUID_TEXT];
    tb_id_uuid_text(record->uuid, uuid);
    int err = tb_spool_quarantine(p->options.spool, record, why);
    if (err)
        tb_log(TB_LOG_ERROR,
               "record %s of uid %u is unusable (%s) and cannot be put in quarantine: "
               "%s",
               uuid, (unsigned)record->uid, why, strerror(-err));
    else
        tb_log(TB_LOG_WARNING, "record %s of uid %u went to quarantine: %s", uuid,
               (unsigned)record->uid, why);
    p->n_quarantined += err == 0;
    return err;
}

/* The next record for this batch, or nonzero when the batch is as it should be. One that may kill
 * the agent is alone in its batch. */
static int next_record(struct tb_pipeline *p)
{
    if (p->is_held) {
        p->is_held = 0;
        return 0;
    }
    if (p->n == 1 && p->last.deaths > 0)
        return -EAGAIN;
    int err = tb_aside_take(&p->aside, tb_clock_mono_ns(), &p->last);
    if (err)
        err = tb_spool_next(p->options.spool, &p->last);
    p->is_held = err == 0 && p->last.deaths > 0 && p->n > 0;
    return p->is_held ? -EAGAIN : err;
}

static int run_one(struct tb_pipeline *p, const struct tb_spool_record *record, struct entry *entry)
{
    int err = tb_stages_run(&p->tools, record, &entry->work);
    if (err || entry->work.drop_counter[0] != '\0')
        return err;
    err = tb_rows_decide(&p->rows_tools, &entry->work, tb_clock_wall_ns(), &entry->rows);
    if (err && entry->work.why[0] == '\0')
        snprintf(entry->work.why, sizeof(entry->work.why), "rows: %s", strerror(-err));
    return err;
}

/* Reads records and runs the stages until the batch is full or nothing more is there. Returns how
 * many went to quarantine, or -ENOMEM. */
static int fill(struct tb_pipeline *p)
{
    int n_refused = 0;
    size_t bytes = 0;
    size_t max = p->n_single > 0 ? 1 : TB_PIPELINE_BATCH;
    struct tb_spool_record *record = &p->last;
    for (size_t i = 0; i < max && bytes < TB_PIPELINE_BATCH_BYTES; i++) {
        if (next_record(p) != 0)
            break;
        tb_pipeline_turn(p);
        tb_spool_begin(p->options.spool, record);
        struct entry *entry = &p->batch[p->n];
        p->tools.may_wait = p->aside.n < TB_ASIDE_MAX;
        int err = run_one(p, record, entry);
        entry->class_ = record->class_;
        entry->file_id = record->file_id;
        entry->off8 = record->off8;
        if (!err) {
            bytes += entry->work.item.len;
            p->n++;
            continue;
        }
        char why[TB_STAGE_WHY];
        memcpy(why, entry->work.why, sizeof(why));
        tb_work_done(&entry->work);
        if (err == -EAGAIN && (err = tb_aside_put(&p->aside, record, tb_clock_mono_ns())) == 0)
            continue;
        if (err == -ENOMEM)
            return err;
        (void)quarantine(p, record, why); /* said there; the record stays and comes again */
        n_refused++;
    }
    return n_refused;
}

/* Read twice, after the agent died between the commit and the acknowledgement, it counts once. */
static int count_drops(struct tb_store *store, const struct tb_work *work)
{
    int err = tb_store_count_once(store, work->uuid, work->drop_counter, work->n_dropped);
    return err < 0 ? err : 0;
}

int tb_pipeline_count(struct tb_store *store, const struct entry *entry)
{
    int err = entry->work.counter[0] != '\0' ? tb_store_count(store, entry->work.counter, 1) : 0;
    for (size_t i = 0; i < entry->rows.n_counters && !err; i++)
        err = tb_store_count(store, entry->rows.counters[i], 1);
    return err;
}

static int store_one(struct tb_pipeline *p, struct entry *entry, uint64_t now_ns, int *n_outbox)
{
    struct tb_work *work = &entry->work;
    struct tb_store *store = p->options.store;
    const struct tb_rows *rows = &entry->rows;
    if (work->drop_counter[0] != '\0')
        return count_drops(store, work);
    struct tb_occurrence occurrence = {.uuid = work->uuid,
                                       .fingerprint = work->group.fingerprint,
                                       .environment = work->facts.environment,
                                       .service = work->service,
                                       .title = work->facts.title,
                                       .level = work->facts.level,
                                       .framework = work->facts.framework,
                                       .trace_id = work->ids.trace_id,
                                       .xray_trace_id = work->ids.xray_trace_id,
                                       .span_id = work->ids.span_id,
                                       .group_inputs = tb_buf_str(&work->group.inputs),
                                       .class_ = entry->class_,
                                       .occurred_ns = work->occurred_ns,
                                       .received_ns = now_ns,
                                       .data = tb_buf_str(&work->item),
                                       .data_len = work->item.len};
    if (work->limit.verdict != TB_LIMIT_KEEP)
        return tb_pipeline_collapse(p, entry, &occurrence);
    int err = tb_store_add(store, &occurrence, rows->to, rows->n);
    *n_outbox += err == 0 && rows->n > 0;
    if (err == 0)
        err = tb_pipeline_count(store, entry);
    else if (err > 0) /* known already, which the store has counted */
        tb_limit_give_back(p->limit, &work->limit);
    return err < 0 ? err : 0;
}

static int store_batch(struct tb_pipeline *p, int *n_outbox)
{
    struct tb_store *store = p->options.store;
    uint64_t now_ns = tb_clock_wall_ns();
    int err = tb_store_begin(store);
    for (size_t i = 0; i < p->n && !err; i++)
        err = store_one(p, &p->batch[i], now_ns, n_outbox);
    if (err) {
        tb_store_rollback(store);
        return err;
    }
    return tb_store_commit(store);
}

/* As tb_store_check; a new database is said. */
static int check_store(struct tb_pipeline *p)
{
    int err = tb_store_check(p->options.store);
    if (err > 0)
        tb_log(TB_LOG_WARNING, "%s", tb_store_error(p->options.store));
    return err;
}

/* 0 when all of the batch is in the database that is at its path. What was committed to one that
 * had been moved away is stored again in the next. */
static int commit(struct tb_pipeline *p, int *n_outbox)
{
    int err = check_store(p);
    if (err < 0 || (err = store_batch(p, n_outbox)) < 0)
        return err;
    err = check_store(p);
    return err > 0 ? -ESTALE : err;
}

static void acknowledge(struct tb_pipeline *p)
{
    for (size_t i = 0; i < p->n; i++)
        tb_spool_ack(p->options.spool, p->batch[i].file_id, p->batch[i].off8, TB_ACK_STORED);
}

static void flush(struct tb_pipeline *p)
{
    int err = tb_spool_flush(p->options.spool);
    /* They stay noted and are written with the next ones; records read twice are known by uuid. */
    if (err)
        tb_log(TB_LOG_ERROR, "cannot write the spool's acknowledgements: %s", strerror(-err));
}

static void tell_crashes(const struct tb_pipeline *p)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct tb_work *work = &p->batch[i].work;
        if (work->told[0] != '\0')
            tb_log(TB_LOG_INFO, "%s", work->told);
        if (p->batch[i].class_ == TB_CLASS_CRASH && work->drop_counter[0] == '\0' &&
            work->limit.verdict == TB_LIMIT_KEEP)
            tb_log(TB_LOG_INFO, "stored %s: %s (service %s, environment %s)", work->uuid,
                   work->facts.title, work->service[0] != '\0' ? work->service : "unknown",
                   work->facts.environment);
    }
}

static int fail(struct tb_pipeline *p, int err)
{
    const char *why = tb_store_error(p->options.store);
    char text[sizeof(p->snapshot.trouble)];
    snprintf(text, sizeof(text), "cannot store: %s",
             err == -ENOMEM ? "out of memory" : (why[0] != '\0' ? why : strerror(-err)));
    if (!p->is_failing)
        tb_log(TB_LOG_ERROR, "%s; trying again every %d ms", text, TB_PIPELINE_BACKOFF_MS);
    p->is_failing = 1;
    p->n_single = TB_PIPELINE_BATCH;
    tb_pipeline_trouble(p, text);
    for (size_t i = 0; i < p->n; i++)
        tb_limit_give_back(p->limit, &p->batch[i].work.limit);
    tb_pipeline_clear(p);
    p->is_held = 0;
    tb_aside_clear(&p->aside); /* they come again with the rest */
    tb_spool_rewind(p->options.spool);
    tb_store_busy(p->options.store, BUSY_FAILING_MS);
    /* What the database cannot make durable the spool does. */
    tb_upkeep_sync(&p->upkeep, TB_CLASS_ERROR);
    return err;
}

static void recover(struct tb_pipeline *p)
{
    if (p->is_failing) {
        tb_log(TB_LOG_INFO, "storing works again");
        tb_pipeline_trouble(p, "");
        tb_store_busy(p->options.store, TB_PIPELINE_BUSY_MS);
    }
    p->is_failing = 0;
    p->n_single -= p->n_single > 0;
}

/* What could not be stored may be gone, evicted say: then only this tells that the rest can be. */
static void probe(struct tb_pipeline *p)
{
    if (!p->is_failing || check_store(p) < 0 || tb_store_begin(p->options.store) < 0)
        return;
    tb_store_rollback(p->options.store);
    recover(p);
}

/* The database works and refuses this one record: alone in its batch it is known to be the cause.
 */
static int is_poison(const struct tb_pipeline *p, int err)
{
    return p->n_single > 0 && (err == -EINVAL || err == -EMSGSIZE);
}

static int sync_and_collect(struct tb_pipeline *p)
{
    int err = p->is_dirty ? tb_store_sync(p->options.store) : 0;
    if (err) {
        tb_log(TB_LOG_ERROR, "cannot sync the database: %s", tb_store_error(p->options.store));
        return err;
    }
    p->is_dirty = 0;
    /* Not before: the disk may keep the log and lose what the database has in memory only. */
    flush(p);
    (void)tb_spool_collect(p->options.spool);
    return 0;
}

/* Is there one in the batch that may not wait until it is settled? */
static int holds_crash(const struct tb_pipeline *p)
{
    for (size_t i = 0; i < p->n; i++) {
        if (p->batch[i].class_ == TB_CLASS_CRASH)
            return 1;
    }
    return 0;
}

int tb_pipeline_batch(struct tb_pipeline *p)
{
    int n_outbox = 0;
    if (!p->has_closed)
        p->has_closed = tb_pipeline_close_storms(p, 1) >= 0;
    int n_refused = fill(p);
    if (n_refused < 0)
        return fail(p, n_refused);
    int err = p->n > 0 ? commit(p, &n_outbox) : 0;
    if (err && !is_poison(p, err))
        return fail(p, err);
    if (err) {
        (void)quarantine(p, &p->last, tb_store_error(p->options.store));
        tb_pipeline_clear(p);
        n_refused++;
    }
    int n = (int)p->n;
    int is_urgent = holds_crash(p);
    if (n == 0 && n_refused == 0) {
        probe(p);
        return 0;
    }
    acknowledge(p);
    tell_crashes(p);
    tb_pipeline_clear(p);
    p->is_dirty = 1;
    recover(p);
    if (is_urgent)
        (void)sync_and_collect(p); /* said there; tried again when it is settled */
    tb_pipeline_publish(p, n, n_refused);
    if (n_outbox > 0 && p->options.stored != NULL)
        p->options.stored(p->options.arg);
    return n + n_refused;
}

/* What is written to the folder at the path is not read by an agent that holds another. */
static void check_place(struct tb_pipeline *p)
{
    const char *path = p->options.config->spool;
    char text[512]; /* cut where it is kept */
    int is_displaced = tb_spool_check_place(p->options.spool, path) < 0;
    if (is_displaced && !p->is_displaced) {
        snprintf(text, sizeof(text),
                 "the spool %.150s was moved or removed: put it back, or restart towbard so that "
                 "it reads the folder that is there now",
                 path);
        tb_pipeline_trouble(p, text);
        tb_log(TB_LOG_ERROR, "%s", text);
    } else if (p->is_displaced && !is_displaced) {
        tb_pipeline_trouble(p, "");
        tb_log(TB_LOG_INFO, "the spool is back in its place");
    }
    p->is_displaced = is_displaced;
}

/* A database that is over its bound gives up bodies, some at a time. */
static void thin(struct tb_pipeline *p)
{
    const struct tb_config *config = p->options.config;
    int was_helpless = p->thin.is_helpless;
    int was_on = p->thin.is_on;
    int n = 1;
    for (int i = 0; i < THIN_TIMES && n > 0; i++)
        n = tb_store_thin(p->options.store, &p->thin, config->store_max_bytes,
                          (int64_t)tb_clock_wall_ns());
    p->is_dirty |= p->thin.is_on;
    if (p->thin.is_on && !was_on)
        tb_log(
            TB_LOG_WARNING,
            "the database is over store.max_bytes: bodies of occurrences that were delivered are "
            "thinned, counts stay");
    if (p->thin.is_helpless && !was_helpless)
        tb_log(TB_LOG_WARNING, "the database is over store.max_bytes, and nothing in it may go: it "
                               "waits for delivery, or came just now");
}

int tb_pipeline_settle(struct tb_pipeline *p)
{
    int err = sync_and_collect(p);
    if (check_store(p) == 0) { /* when it fails the next batch says so */
        (void)tb_pipeline_close_storms(p, 0);
        thin(p);
    }
    check_place(p);
    if (!p->is_held) /* its data would be lost; the next look is soon */
        tb_upkeep_evict(&p->upkeep);
    tb_pipeline_publish(p, 0, 0);
    tb_log_flush(0);
    return err;
}
