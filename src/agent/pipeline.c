/* pipeline.c - see pipeline.h. What happens to one record is in stages.c. */
#include "agent/pipeline.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/log.h"
#include "agent/stages.h"
#include "base/clock.h"

enum { SETTLE_MS = 1000, HOST_BYTES = 256 };

/* A record that is ready to be stored, and its place in the spool. */
struct entry {
    struct tb_work work;
    int class_;
    uint64_t file_id;
    uint32_t off8;
};

struct tb_pipeline {
    struct tb_pipeline_options options;
    struct tb_stage_tools tools;
    struct tb_scrub scrub;
    struct tb_patience patience;
    char host[HOST_BYTES];
    struct entry *batch; /* TB_PIPELINE_BATCH entries, n of them in use */
    size_t n;
    struct tb_spool_record last; /* of the spool; its data are there until it is asked again */
    int is_held;                 /* last is still to be worked on, alone: an agent died over it */
    unsigned n_single; /* batches of one left after a failure: a record that the database refuses
                          then stands alone */
    int is_dirty;      /* something was committed and not yet synced */
    int is_failing;    /* the last commit failed, and that was said */
    uint64_t n_quarantined; /* records since the last look; each was said */
    pthread_mutex_t lock;
    struct tb_pipeline_snapshot snapshot; /* under lock */
};

int tb_pipeline_new(const struct tb_pipeline_options *options, struct tb_pipeline **out)
{
    struct tb_pipeline *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return -ENOMEM;
    p->options = *options;
    p->batch = calloc(TB_PIPELINE_BATCH, sizeof(*p->batch));
    pthread_mutex_init(&p->lock, NULL);
    if (gethostname(p->host, sizeof(p->host) - 1) < 0)
        p->host[0] = '\0';
    p->tools = (struct tb_stage_tools){.config = options->config,
                                       .spool = options->spool,
                                       .symbolizer = options->symbolizer,
                                       .patience = &p->patience,
                                       .scrub = &p->scrub,
                                       .host = p->host};
    int err = tb_scrub_init(&p->scrub, options->config->scrub_keys, options->config->n_scrub_keys);
    if (err || p->batch == NULL) {
        tb_pipeline_free(p);
        return -ENOMEM;
    }
    /* The last agent died over a record. If that was while it committed a batch, any of the batch
     * may be the one: one at a time, the next death accuses the right one. */
    struct tb_spool_stats spool;
    tb_spool_stats(options->spool, &spool);
    if (spool.n_suspects > 0)
        p->n_single = TB_PIPELINE_BATCH;
    *out = p;
    return 0;
}

static void clear_batch(struct tb_pipeline *p)
{
    for (size_t i = 0; i < p->n; i++)
        tb_work_done(&p->batch[i].work);
    p->n = 0;
}

void tb_pipeline_free(struct tb_pipeline *p)
{
    if (p == NULL)
        return;
    clear_batch(p);
    free(p->batch);
    tb_scrub_done(&p->scrub);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* ---- the snapshot ---- */

/* What the reader met is said once, when it grows; n_said of the quarantined were said already. */
static void tell_damage(const struct tb_spool_stats *before, const struct tb_spool_stats *now,
                        uint64_t n_said)
{
    if (now->n_damaged > before->n_damaged)
        tb_log(TB_LOG_WARNING,
               "the spool is damaged: %llu frames or files failed their checksum and "
               "were passed over",
               (unsigned long long)(now->n_damaged - before->n_damaged));
    if (now->n_quarantined > before->n_quarantined + n_said)
        tb_log(TB_LOG_WARNING,
               "%llu files or records of the spool went to quarantine; they are kept "
               "in the spool's folder agent/quarantine, with the reason",
               (unsigned long long)(now->n_quarantined - before->n_quarantined - n_said));
    if (now->n_refused > before->n_refused)
        tb_log(TB_LOG_WARNING, "%llu foreign files lie in the spool and are left alone",
               (unsigned long long)(now->n_refused - before->n_refused));
    if (now->n_vanished > before->n_vanished)
        tb_log(TB_LOG_INFO, "%llu processes ended without a word: killed, or left by _exit",
               (unsigned long long)(now->n_vanished - before->n_vanished));
}

static void publish(struct tb_pipeline *p, int n_stored, int n_refused)
{
    struct tb_spool_stats spool;
    struct tb_store_counts store;
    tb_spool_stats(p->options.spool, &spool);
    tell_damage(&p->snapshot.spool, &spool, p->n_quarantined); /* only this thread writes it */
    p->n_quarantined = 0;
    int err = tb_store_counts(p->options.store, &store);
    pthread_mutex_lock(&p->lock);
    p->snapshot.spool = spool;
    if (!err)
        p->snapshot.store = store;
    p->snapshot.at_ms = (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS);
    p->snapshot.n_stored += n_stored;
    p->snapshot.n_refused += n_refused;
    pthread_mutex_unlock(&p->lock);
}

static void set_trouble(struct tb_pipeline *p, const char *text)
{
    pthread_mutex_lock(&p->lock);
    snprintf(p->snapshot.trouble, sizeof(p->snapshot.trouble), "%s", text);
    pthread_mutex_unlock(&p->lock);
}

void tb_pipeline_snapshot(struct tb_pipeline *p, struct tb_pipeline_snapshot *out)
{
    pthread_mutex_lock(&p->lock);
    *out = p->snapshot;
    pthread_mutex_unlock(&p->lock);
}

/* ---- one batch ---- */

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
    int err = tb_spool_next(p->options.spool, &p->last);
    p->is_held = err == 0 && p->last.deaths > 0 && p->n > 0;
    return p->is_held ? -EAGAIN : err;
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
        tb_spool_begin(p->options.spool, record);
        struct entry *entry = &p->batch[p->n];
        int err = tb_stages_run(&p->tools, record, &entry->work);
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
        if (err == -ENOMEM)
            return err;
        (void)quarantine(p, record, why); /* said there; the record stays and comes again */
        n_refused++;
    }
    return n_refused;
}

static int store_one(struct tb_pipeline *p, struct entry *entry, uint64_t now_ns, int *n_outbox)
{
    static const char *const sinks[] = {"rollbar"};
    struct tb_work *work = &entry->work;
    struct tb_store *store = p->options.store;
    if (work->drop_counter[0] != '\0')
        return tb_store_count(store, work->drop_counter, work->n_dropped);
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
                                       .data_len = work->item.len,
                                       .token = work->token};
    int can_send = work->token[0] != '\0' || p->options.config->token[0] != '\0';
    int err = tb_store_add(store, &occurrence, sinks, can_send ? 1 : 0);
    *n_outbox += err == 0 && can_send;
    return err < 0 ? err : 0; /* 1: known already, which the store has counted */
}

static int commit(struct tb_pipeline *p, int *n_outbox)
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
        if (p->batch[i].class_ == TB_CLASS_CRASH && work->drop_counter[0] == '\0')
            tb_log(TB_LOG_INFO, "stored %s: %s (service %s, environment %s)", work->uuid,
                   work->facts.title, work->service[0] != '\0' ? work->service : "unknown",
                   work->facts.environment);
    }
}

static int fail(struct tb_pipeline *p, int err)
{
    const char *why = tb_store_error(p->options.store);
    char text[256];
    snprintf(text, sizeof(text), "cannot store: %s",
             err == -ENOMEM ? "out of memory" : (why[0] != '\0' ? why : strerror(-err)));
    if (!p->is_failing)
        tb_log(TB_LOG_ERROR, "%s; trying again every %d ms", text, TB_PIPELINE_BACKOFF_MS);
    p->is_failing = 1;
    p->n_single = TB_PIPELINE_BATCH;
    set_trouble(p, text);
    clear_batch(p);
    p->is_held = 0;
    tb_spool_rewind(p->options.spool);
    return err;
}

static void recover(struct tb_pipeline *p)
{
    if (p->is_failing) {
        tb_log(TB_LOG_INFO, "storing works again");
        set_trouble(p, "");
    }
    p->is_failing = 0;
    p->n_single -= p->n_single > 0;
}

/* The database works and refuses this one record: alone in its batch it is known to be the cause.
 */
static int is_poison(const struct tb_pipeline *p, int err)
{
    return p->n_single > 0 && (err == -EINVAL || err == -EMSGSIZE);
}

int tb_pipeline_batch(struct tb_pipeline *p)
{
    int n_outbox = 0;
    int n_refused = fill(p);
    if (n_refused < 0)
        return fail(p, n_refused);
    int err = p->n > 0 ? commit(p, &n_outbox) : 0;
    if (err && !is_poison(p, err))
        return fail(p, err);
    if (err) {
        (void)quarantine(p, &p->last, tb_store_error(p->options.store));
        clear_batch(p);
        n_refused++;
    }
    int n = (int)p->n;
    if (n == 0 && n_refused == 0)
        return 0;
    acknowledge(p);
    tell_crashes(p);
    clear_batch(p);
    p->is_dirty = 1;
    recover(p);
    publish(p, n, n_refused);
    if (n_outbox > 0 && p->options.stored != NULL)
        p->options.stored(p->options.arg);
    return n + n_refused;
}

int tb_pipeline_settle(struct tb_pipeline *p)
{
    int err = p->is_dirty ? tb_store_sync(p->options.store) : 0;
    if (err) {
        tb_log(TB_LOG_ERROR, "cannot sync the database: %s", tb_store_error(p->options.store));
        return err;
    }
    p->is_dirty = 0;
    flush(p); /* not before: the disk may keep the log and lose what the database only has in memory
               */
    (void)tb_spool_collect(p->options.spool);
    publish(p, 0, 0);
    return 0;
}

/* ---- the thread ---- */

/* Waits until something may have changed; nonzero when it is time to stop. */
static int wait_for_work(struct tb_pipeline *p, int stop_fd, int use_spool, int wait_ms)
{
    struct pollfd fds[2] = {
        {.fd = stop_fd, .events = POLLIN},
        {.fd = use_spool ? tb_spool_wake_fd(p->options.spool) : -1, .events = POLLIN}};
    int n = poll(fds, 2, wait_ms);
    return n > 0 && fds[0].revents != 0;
}

void tb_pipeline_run(struct tb_pipeline *p, int stop_fd)
{
    uint64_t settled_ns = tb_clock_mono_ns();
    int stop = 0;
    publish(p, 0, 0);
    while (!stop) {
        int n = tb_pipeline_batch(p);
        uint64_t now_ns = tb_clock_mono_ns();
        if (n <= 0 || now_ns - settled_ns >= (uint64_t)SETTLE_MS * TB_NS_PER_MS) {
            (void)tb_pipeline_settle(p); /* said there; tried again at the next turn */
            settled_ns = now_ns;
        }
        if (n < 0)
            stop = wait_for_work(p, stop_fd, 0, TB_PIPELINE_BACKOFF_MS);
        else
            stop = wait_for_work(p, stop_fd, 1, n > 0 ? 0 : SETTLE_MS);
    }
    (void)tb_pipeline_settle(p);
}
