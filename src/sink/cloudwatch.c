/* cloudwatch.c - PutLogEvents of CloudWatch Logs: what goes into one call, and what the answer
 * means for each of it.
 *
 * Sources: the API reference of CloudWatch Logs (PutLogEvents). A call has events of one stream in
 * the order of their times, of at most 24 hours, 1 MiB with 26 bytes for each; events of over 2
 * hours from now, of over 14 days, or older than the group keeps are left out of it by the service
 * while the others are taken. So an event has the time of the error where that will be taken, else
 * the time now, and the true one is in the record. */
#include "sink/cloudwatch.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sink/aws_error.h"
#include "sink/sigv4.h"

enum {
    BODY_BYTES = 4 << 20,      /* quotes and backslashes of the records are doubled in it */
    DATA_BYTES = 2 << 20,      /* of items; a record is smaller than its item */
    MARGIN_MS = 5 * 60 * 1000, /* clocks differ, and the request takes its time */
    HOUR_MS = 3600 * 1000,
    SPAN_MS = 24 * HOUR_MS,
    DAY_S = 24 * 3600,
    OLD_DAYS = 14,
    AHEAD_MS = 2 * HOUR_MS - MARGIN_MS
};

struct event {
    int64_t at_ms;
    size_t from, len; /* of its record in batch.records */
    struct tb_sink_item item;
    size_t place; /* as it came: qsort is not stable */
};

struct batch {
    struct event events[TB_SINK_BATCH];
    struct tb_sink_item rest[TB_SINK_BATCH]; /* goes with the next request */
    struct tb_sink_item bad[TB_SINK_BATCH];  /* has why */
    size_t n, n_rest, n_bad;
    int64_t first_ms, last_ms;
    size_t bytes; /* as the service counts them */
    struct tb_buf records;
    char record[TB_CLOUDWATCH_RECORD_BYTES + 1];
};

/* ---- what goes into it ---- */

static int64_t oldest_ms(const struct tb_sink_target *target)
{
    int64_t days = target->settings->retention_days;
    if (days == 0 || days > OLD_DAYS)
        days = OLD_DAYS;
    return target->now_ms - days * DAY_S * 1000 + MARGIN_MS;
}

/* The event's time; 0 where it is too old and such are dropped. */
static int64_t time_of(const struct tb_sink_target *target, const struct tb_sink_facts *facts)
{
    int64_t at_ms = facts->time_ns / 1000000;
    if (at_ms <= 0)
        return target->now_ms;
    if (at_ms < oldest_ms(target))
        return target->settings->drops_old ? 0 : target->now_ms;
    return at_ms > target->now_ms + AHEAD_MS ? target->now_ms : at_ms;
}

static bool fits(const struct batch *batch, int64_t at_ms, size_t len)
{
    if (batch->n == 0)
        return true;
    int64_t first_ms = at_ms < batch->first_ms ? at_ms : batch->first_ms;
    int64_t last_ms = at_ms > batch->last_ms ? at_ms : batch->last_ms;
    return last_ms - first_ms < SPAN_MS &&
           batch->bytes + len + TB_CLOUDWATCH_EXTRA <= TB_CLOUDWATCH_BATCH_BYTES;
}

static void take(struct batch *batch, const struct tb_sink_item *item, int64_t at_ms, size_t len)
{
    bool is_first = batch->n == 0;
    struct event *event = &batch->events[batch->n];
    event->at_ms = at_ms;
    event->from = batch->records.len;
    event->len = len;
    event->item = *item;
    event->place = batch->n++;
    tb_buf_add(&batch->records, batch->record, len);
    batch->bytes += len + TB_CLOUDWATCH_EXTRA;
    batch->first_ms = is_first || at_ms < batch->first_ms ? at_ms : batch->first_ms;
    batch->last_ms = is_first || at_ms > batch->last_ms ? at_ms : batch->last_ms;
}

static void put_aside(struct batch *batch, const struct tb_sink_item *item, const char *why)
{
    batch->bad[batch->n_bad] = *item;
    batch->bad[batch->n_bad++].why = why;
}

static int add_item(const struct tb_sink_target *target, const struct tb_sink_item *item,
                    struct batch *batch)
{
    struct tb_sink_facts facts;
    int err = tb_sink_facts_read(item, target->settings, &facts);
    if (err < 0) {
        tb_sink_facts_done(&facts);
        if (err == -EINVAL)
            put_aside(batch, item, "the item is no JSON object");
        return err == -EINVAL ? 0 : err;
    }
    int64_t at_ms = time_of(target, &facts);
    if (at_ms == 0) {
        put_aside(batch, item, "older than CloudWatch Logs takes, and cloudwatch.old is drop");
    } else {
        size_t len = tb_cloudwatch_record(&facts, target->settings, at_ms, batch->record);
        if (len == 0)
            err = -ENOMEM;
        else if (fits(batch, at_ms, len))
            take(batch, item, at_ms, len);
        else
            batch->rest[batch->n_rest++] = *item;
    }
    tb_sink_facts_done(&facts);
    return err < 0 ? err : batch->records.err;
}

static int compare_events(const void *left, const void *right)
{
    const struct event *a = left;
    const struct event *b = right;
    if (a->at_ms != b->at_ms)
        return a->at_ms < b->at_ms ? -1 : 1;
    return (a->place > b->place) - (a->place < b->place);
}

/* Those of the request first, in its order, then those that never go, then the rest. */
static void put_in_order(const struct batch *batch, struct tb_sink_item *items)
{
    size_t at = 0;
    for (size_t i = 0; i < batch->n; i++)
        items[at++] = batch->events[i].item;
    for (size_t i = 0; i < batch->n_bad; i++)
        items[at++] = batch->bad[i];
    for (size_t i = 0; i < batch->n_rest; i++)
        items[at++] = batch->rest[i];
}

static int write_request(const struct tb_sink_target *target, const struct batch *batch,
                         struct tb_sink_request *out)
{
    struct tb_buf *body = &out->body;
    tb_buf_adds(body, "{");
    tb_cloudwatch_place(target, true, body);
    tb_buf_adds(body, ",\"logEvents\":[");
    for (size_t i = 0; i < batch->n; i++) {
        const struct event *event = &batch->events[i];
        tb_buf_addf(body, "%s{\"timestamp\":%lld,\"message\":\"", i > 0 ? "," : "",
                    (long long)event->at_ms);
        tb_sink_escape(batch->records.data + event->from, event->len, body);
        tb_buf_adds(body, "\"}");
    }
    tb_buf_adds(body, "]}");
    if (body->err)
        return body->err;
    return tb_sigv4_sign(out, target, target->settings->region, "logs");
}

static int encode_batch(const struct tb_sink_target *target, struct tb_sink_item *items, size_t n,
                        struct batch *batch, struct tb_sink_request *out)
{
    int err = 0;
    for (size_t i = 0; i < n && err == 0; i++)
        err = add_item(target, &items[i], batch);
    if (err < 0)
        return err;
    qsort(batch->events, batch->n, sizeof(batch->events[0]), compare_events);
    put_in_order(batch, items);
    if (batch->n > 0 && (err = write_request(target, batch, out)) < 0)
        return err;
    return (int)(batch->n + batch->n_bad);
}

static int encode(const struct tb_sink_target *target, struct tb_sink_item *items, size_t n,
                  struct tb_sink_request *out)
{
    int err = tb_cloudwatch_begin(target, "PutLogEvents", BODY_BYTES, out);
    if (err < 0 || n == 0)
        return -EINVAL;
    if (target->settings->has_metrics &&
        (err = tb_sink_header(out, "x-amzn-logs-format: json/emf")) < 0)
        return err;
    struct batch *batch = malloc(sizeof(*batch));
    if (batch == NULL)
        return -ENOMEM;
    batch->n = batch->n_rest = batch->n_bad = batch->bytes = 0;
    tb_buf_init(&batch->records, TB_CLOUDWATCH_BATCH_BYTES);
    err = encode_batch(target, items, n < TB_SINK_BATCH ? n : TB_SINK_BATCH, batch, out);
    tb_buf_done(&batch->records);
    free(batch);
    if (err < 0)
        tb_buf_done(&out->body);
    return err;
}

/* ---- what the answer means ---- */

/* Where something begins or ends among n events; fallback where the answer does not say. */
static size_t index_of(const cJSON *info, const char *name, size_t n, size_t fallback)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(info, name);
    if (!cJSON_IsNumber(value) || !(value->valuedouble >= 0))
        return fallback;
    return value->valuedouble < (double)n ? (size_t)value->valuedouble : n;
}

static void judge_taken(const cJSON *json, size_t n, struct tb_sink_judgement *out)
{
    const cJSON *info = cJSON_GetObjectItemCaseSensitive(json, "rejectedLogEventsInfo");
    size_t too_new = index_of(info, "tooNewLogEventStartIndex", n, n); /* the first of them */
    size_t too_old = index_of(info, "tooOldLogEventEndIndex", n, 0);   /* the first that is not */
    size_t expired = index_of(info, "expiredLogEventEndIndex", n, 0);
    for (size_t i = 0; i < n; i++) {
        const char *why = NULL;
        if (i < too_old)
            why = "CloudWatch Logs took the others: over 14 days old by its clock";
        else if (i < expired)
            why = "CloudWatch Logs took the others: older than the log group keeps its events";
        else if (i >= too_new)
            why = "CloudWatch Logs took the others: over 2 hours ahead of its clock";
        memset(&out[i], 0, sizeof(out[i]));
        out[i].verdict = why ? TB_VERDICT_DROP : TB_VERDICT_ACK;
        if (why != NULL)
            memcpy(out[i].reason, why, strlen(why) + 1);
    }
}

static void judge(const struct tb_sink_target *target, const struct tb_sink_reply *reply,
                  const struct tb_sink_item *items, size_t n, struct tb_sink_judgement *out)
{
    (void)items;
    if (n == 0)
        return;
    cJSON *json = NULL;
    if (reply->status >= 200 && reply->status < 300 && reply->body != NULL && !reply->is_cut)
        json = cJSON_ParseWithLength(reply->body, reply->body_len);
    if (cJSON_IsObject(json)) {
        judge_taken(json, n, out);
    } else {
        tb_aws_error_judge(target, reply, "logs:PutLogEvents", &out[0]);
        for (size_t i = 1; i < n; i++)
            out[i] = out[0];
    }
    cJSON_Delete(json);
}

const struct tb_sink_type tb_sink_cloudwatch = {
    .name = "cloudwatch",
    .batch = TB_SINK_BATCH,
    .max_bytes = DATA_BYTES,
    .is_signed = true,
    .encode = encode,
    .judge = judge,
    .prepare = tb_cloudwatch_prepare,
    .judge_step = tb_cloudwatch_judge_step,
};
