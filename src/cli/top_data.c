/* top_data.c - towbar top: what comes in, from the database and the agent. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/print.h"
#include "cli/top.h"
#include "store/recent.h"
#include "store/store.h"

enum { MINUTE_MS = TB_TOP_BUCKETS * TB_TOP_BUCKET_MS };

/* ---- items ---- */

static int take_item(void *arg, const struct tb_item_row *item)
{
    struct tb_top *top = arg;
    if (top->n == TB_TOP_ROWS)
        return 1;
    struct tb_top_row *row = &top->rows[top->n++];
    memset(row, 0, sizeof(*row));
    row->number = item->number;
    row->n_items = 1;
    row->total = item->total;
    row->last_ms = item->last_ms;
    (void)tb_print_clean(item->level, row->level, sizeof(row->level));
    (void)tb_print_clean(item->service, row->service, sizeof(row->service));
    (void)tb_print_clean(item->environment, row->environment, sizeof(row->environment));
    (void)tb_print_clean(item->title, row->title, sizeof(row->title));
    return 0;
}

static struct tb_top_row *row_of(struct tb_top *top, int64_t number)
{
    for (size_t i = 0; i < top->n; i++)
        if (top->rows[i].number == number)
            return &top->rows[i];
    return NULL;
}

/* The place of a moment among the buckets, -1 when it is not of this minute. */
static int bucket_of(const struct tb_top *top, int64_t at_ms)
{
    int64_t back = top->now_ms / TB_TOP_BUCKET_MS - at_ms / TB_TOP_BUCKET_MS;
    if (back < 0)
        back = 0; /* a clock that was set back */
    return back < TB_TOP_BUCKETS ? (int)(TB_TOP_BUCKETS - 1 - back) : -1;
}

/* Of items that are new to this program: what the database says of the minute before. */
static int take_recent(void *arg, int64_t item, int64_t received_ms)
{
    struct tb_top *top = arg;
    struct tb_top_row *row = row_of(top, item);
    int bucket = bucket_of(top, received_ms);
    for (size_t i = 0; i < top->n_seen; i++)
        if (top->seen[i].number == item)
            return 0;
    if (row != NULL && bucket >= 0)
        row->buckets[bucket]++;
    return 0;
}

/* Of those that were there the last time: what came since, by their totals. */
static void take_growth(struct tb_top *top)
{
    int64_t shift = top->now_ms / TB_TOP_BUCKET_MS - top->seen_bucket;
    for (size_t i = 0; i < top->n_seen; i++) {
        struct tb_top_row *row = row_of(top, top->seen[i].number);
        if (row == NULL)
            continue;
        for (int64_t b = 0; b < TB_TOP_BUCKETS; b++)
            row->buckets[b] =
                b + shift >= 0 && b + shift < TB_TOP_BUCKETS ? top->seen[i].buckets[b + shift] : 0;
        if (row->total > top->seen[i].total)
            row->buckets[TB_TOP_BUCKETS - 1] += row->total - top->seen[i].total;
    }
}

static void remember(struct tb_top *top)
{
    top->n_seen = top->n;
    top->seen_bucket = top->now_ms / TB_TOP_BUCKET_MS;
    for (size_t i = 0; i < top->n; i++) {
        struct tb_top_row *row = &top->rows[i];
        row->per_minute = 0;
        for (int b = 0; b < TB_TOP_BUCKETS; b++)
            row->per_minute += row->buckets[b];
        top->seen[i].number = row->number;
        top->seen[i].total = row->total;
        memcpy(top->seen[i].buckets, row->buckets, sizeof(row->buckets));
    }
}

static void look_at_items(struct tb_top *top, const struct tb_config *config)
{
    struct tb_store *store = NULL;
    top->n = 0;
    top->why[0] = '\0';
    int err = tb_store_open(config->state_dir, TB_STORE_READ, &store, top->why);
    if (err == 0)
        err = tb_store_items(store, TB_TOP_ROWS, take_item, top);
    if (err >= 0)
        err = tb_store_recent(store, top->now_ms - MINUTE_MS, TB_TOP_SEEN, take_recent, top);
    if (err < 0 && store != NULL)
        snprintf(top->why, sizeof(top->why), "%s", tb_store_error(store));
    tb_store_close(store);
    top->has_rows = err >= 0 || err == -ENOENT;
    if (err == -ENOENT)
        top->why[0] = '\0';
    if (err < 0)
        return;
    take_growth(top);
    remember(top);
}

/* ---- the agent ---- */

static int64_t number_at(const cJSON *json, const char *path)
{
    const cJSON *value = tb_json_at(json, path);
    return cJSON_IsNumber(value) ? (int64_t)value->valuedouble : 0;
}

static void say_state(const cJSON *json, int64_t now_ms, char *out, size_t cap)
{
    char reason[100];
    int64_t retry_ms = number_at(json, "delivery.retry_at_ms");
    int64_t paused_ms = number_at(json, "delivery.paused_until_ms");
    const char *trouble = tb_json_text(json, "trouble");
    (void)tb_print_clean(*trouble != '\0' ? trouble : tb_json_text(json, "delivery.last_error"),
                         reason, sizeof(reason));
    if (*trouble != '\0')
        snprintf(out, cap, "%s", reason);
    else if (cJSON_IsFalse(tb_json_at(json, "delivery.has_token")))
        snprintf(out, cap, "no Rollbar token: kept here");
    else if (number_at(json, "delivery.parked_tokens") > 0)
        snprintf(out, cap, "Rollbar refuses a token: %s", reason);
    else if (retry_ms > now_ms)
        snprintf(out, cap, "Rollbar does not take it, next try in %" PRId64 " s: %s",
                 (retry_ms - now_ms + 999) / 1000, reason);
    else if (paused_ms > now_ms)
        snprintf(out, cap, "Rollbar says slower, for %" PRId64 " s",
                 (paused_ms - now_ms + 999) / 1000);
    else
        snprintf(out, cap, "delivery well");
}

void tb_top_take_agent(struct tb_top *top, const cJSON *json)
{
    struct tb_top_agent *agent = &top->agent;
    memset(agent, 0, sizeof(*agent));
    agent->received_per_s = -1;
    agent->is_up = json != NULL;
    if (json == NULL) {
        top->seen_ms = 0;
        return;
    }
    (void)tb_print_clean(tb_json_text(json, "version"), agent->version, sizeof(agent->version));
    say_state(json, top->now_ms, agent->state, sizeof(agent->state));
    agent->has_counts = tb_json_at(json, "counts") != NULL;
    agent->received = number_at(json, "counts.occurrences");
    agent->queued = number_at(json, "counts.queued");
    agent->sent = number_at(json, "counts.sent");
    agent->dropped = number_at(json, "counts.dropped") + number_at(json, "counts.quarantined");
    if (top->seen_ms > 0 && top->now_ms > top->seen_ms && agent->received >= top->seen_received)
        agent->received_per_s = (double)(agent->received - top->seen_received) * 1000.0 /
                                (double)(top->now_ms - top->seen_ms);
    top->seen_received = agent->received;
    top->seen_ms = top->now_ms;
}

void tb_top_look(struct tb_top *top, const struct tb_config *config, int64_t now_ms)
{
    struct tb_agent_answer answer;
    top->now_ms = now_ms;
    look_at_items(top, config);
    tb_agent_ask(config, &answer);
    tb_top_take_agent(top, answer.is_up ? answer.json : NULL);
    tb_agent_answer_done(&answer);
}
