/* pipeline_storm.c - what the pipeline does with records over their limits: see docs/storms.md. */
#include <errno.h>
#include <string.h>

#include "agent/log.h"
#include "agent/pipeline/pipeline_internal.h"
#include "agent/pipeline/storm.h"
#include "base/clock.h"

enum {
    MINUTE_MS = 60 * 1000,
    CLOSED_AT_ONCE = 256,              /* so that many of them leave room for what comes */
    SENT_MAX_BYTES = (512 << 10) - 16, /* as in stages.c */
};

static void tell_storm(const struct tb_work *work)
{
    if (!work->limit.is_first)
        return;
    if (work->limit.verdict == TB_LIMIT_ITEM)
        tb_log(TB_LOG_WARNING,
               "%s (service %s) happens faster than limits.item_per_minute: it is counted, and one "
               "of each minute is kept",
               work->facts.title, work->service[0] != '\0' ? work->service : "unknown");
    else
        tb_log(TB_LOG_WARNING,
               "service %s sends faster than limits.service_per_minute: its errors are counted, "
               "and a message of each minute is kept",
               work->service[0] != '\0' ? work->service : "unknown");
}

int tb_pipeline_collapse(struct tb_pipeline *p, const struct entry *entry,
                         const struct tb_occurrence *event)
{
    const struct tb_work *work = &entry->work;
    const struct tb_rows *rows = &entry->rows;
    struct tb_store *store = p->options.store;
    struct tb_storm_notice notice;
    tell_storm(work);
    p->is_stormy = 1;
    int err;
    if (work->limit.verdict == TB_LIMIT_ITEM) {
        err = tb_store_collapse(store, event, NULL, rows->to, rows->n);
    } else {
        err = tb_storm_notice(event, work->limit.is_shared, p->host, &notice);
        if (!err)
            err = tb_store_collapse(store, event, &notice.occurrence, rows->to, rows->n);
        tb_storm_notice_done(&notice);
    }
    if (err == 0 || err == 2)
        err = tb_pipeline_count(store, entry);
    return err < 0 ? err : 0;
}

/* 0; -ENOENT when there is none. One that cannot be told goes as it is: its count is in the
 * database. */
static int close_one(struct tb_store *store, int64_t opened_to_ms, int64_t now_ms)
{
    struct tb_storm storm;
    struct tb_buf data;
    tb_buf_init(&data, SENT_MAX_BYTES);
    int err = tb_store_storm_due(store, opened_to_ms, now_ms, &storm);
    if (!err && tb_storm_tell(&storm, SENT_MAX_BYTES, &data) < 0) {
        tb_log(TB_LOG_ERROR, "the count of item %lld cannot be put into its occurrence",
               (long long)storm.item);
        tb_buf_reset(&data);
    }
    if (!err)
        err =
            tb_store_storm_close(store, &storm, data.len > 0 ? tb_buf_str(&data) : NULL, data.len);
    tb_buf_done(&data);
    tb_storm_done(&storm);
    return err;
}

int tb_pipeline_close_storms(struct tb_pipeline *p, int all)
{
    struct tb_store *store = p->options.store;
    int64_t now_ms = (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS);
    int64_t opened_to_ms = all ? INT64_MAX : now_ms - MINUTE_MS;
    int n = 0;
    int err = 0;
    while (!err && (all || n < CLOSED_AT_ONCE)) {
        err = close_one(store, opened_to_ms, now_ms);
        n += err == 0;
    }
    p->is_dirty |= n > 0;
    if (n > 0 && p->options.stored != NULL)
        p->options.stored(p->options.arg);
    return err == -ENOENT ? n : err;
}

int tb_pipeline_finish(struct tb_pipeline *p)
{
    int n = tb_pipeline_close_storms(p, 1);
    int err = tb_pipeline_settle(p);
    return n < 0 ? n : err;
}
