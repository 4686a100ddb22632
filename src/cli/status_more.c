/* status_more.c - see status_more.h. */
#include "cli/status_more.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/print.h"

enum { SHORT_TEXT = 200 };

static int64_t number_at(const cJSON *json, const char *path)
{
    const cJSON *value = tb_json_at(json, path);
    return cJSON_IsNumber(value) ? (int64_t)value->valuedouble : 0;
}

void tb_agent_counts(const cJSON *agent, struct tb_store_counts *out)
{
    const cJSON *counts = tb_json_at(agent, "counts");
    const struct {
        const char *name;
        int64_t *to;
    } members[] = {{"items", &out->items},
                   {"occurrences", &out->occurrences},
                   {"duplicates", &out->duplicates},
                   {"received", &out->received},
                   {"sent", &out->sent},
                   {"dropped", &out->dropped},
                   {"quarantined", &out->quarantined},
                   {"queued", &out->queued},
                   {"parked", &out->parked},
                   {"oldest_queued_ms", &out->oldest_queued_ms},
                   {"last_received_ms", &out->last_received_ms}};
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        *members[i].to = number_at(counts, members[i].name);
    snprintf(out->last_reason, sizeof(out->last_reason), "%s", tb_json_text(counts, "last_reason"));
}

/* ---- JSON ---- */

static void put(const cJSON *agent, const char *path, const char *key, struct tb_json *j)
{
    const cJSON *value = tb_json_at(agent, path);
    char *text = value != NULL ? cJSON_PrintUnformatted(value) : NULL;
    if (text != NULL) {
        tb_json_key(j, key);
        tb_json_raw(j, text, strlen(text));
    }
    cJSON_free(text);
}

void tb_status_more_put(const cJSON *agent, struct tb_json *j)
{
    put(agent, "http", "http", j);
    put(agent, "files", "files", j);
    put(agent, "delivery.tokens", "tokens", j);
    put(agent, "sinks", "sinks", j);
    put(agent, "reload", "reload", j);
}

/* ---- lines ---- */

static void add(const cJSON *json, const char *path, const char *text)
{
    if (number_at(json, path) > 0)
        printf(", %" PRId64 " %s", number_at(json, path), text);
}

static void print_trouble(const char *text)
{
    char clean[SHORT_TEXT];
    if (*text != '\0')
        printf("; %s", tb_print_clean(text, clean, sizeof(clean)));
    printf("\n");
}

static void print_files(const cJSON *files)
{
    if (files == NULL)
        return;
    printf("  files     %" PRId64 " watched", number_at(files, "watched"));
    add(files, "lines", "items taken");
    add(files, "messages", "messages of logs taken");
    add(files, "rejected", "lines put aside");
    add(files, "too_long", "lines too long");
    add(files, "unreadable", "files that cannot be read");
    add(files, "behind_bytes", "bytes behind");
    print_trouble(tb_json_text(files, "trouble"));
}

static int64_t sum_of(const cJSON *counts)
{
    int64_t sum = 0;
    const cJSON *count;
    cJSON_ArrayForEach(count, counts) sum += (int64_t)cJSON_GetNumberValue(count);
    return sum;
}

/* What SDKs sent since the agent started. Who was refused lost his items. */
static void print_http(const cJSON *http)
{
    const cJSON *refused = tb_json_at(http, "refused");
    const cJSON *count;
    int64_t n_received = sum_of(tb_json_at(http, "received"));
    int64_t n_refused = sum_of(refused);
    const char *between = ": ";
    if (n_received + n_refused == 0)
        return;
    printf("  http      %" PRId64 " item%s taken since the start, %" PRId64 " refused", n_received,
           n_received == 1 ? "" : "s", n_refused);
    cJSON_ArrayForEach(count, refused)
    {
        if (!(cJSON_GetNumberValue(count) > 0))
            continue;
        printf("%s%" PRId64 " %s", between, (int64_t)count->valuedouble, count->string);
        between = ", ";
    }
    printf("\n");
}

/* Rollbar's has its own lines. What waits while nobody has to do anything is told in black. */
static void print_sink(const cJSON *sink, int64_t now_ms)
{
    char clean[SHORT_TEXT];
    const char *state = tb_json_text(sink, "state");
    const char *error = tb_json_text(sink, "last_error");
    int64_t retry_ms = number_at(sink, "retry_at_ms") - now_ms;
    bool is_bad = strcmp(state, "failed") == 0 || strcmp(state, "refused") == 0;
    printf("  %-9s sent %" PRId64, tb_print_clean(tb_json_text(sink, "name"), clean, sizeof(clean)),
           number_at(sink, "sent"));
    add(sink, "queued", "wait");
    add(sink, "parked", "of them parked");
    add(sink, "quarantined", "quarantined");
    add(sink, "dropped", "dropped");
    add(sink, "not_routed", "not in its group");
    add(sink, "unsampled", "not sampled");
    if (strcmp(state, "on") != 0)
        printf(", %s%s%s", is_bad ? tb_ink(TB_INK_RED) : "",
               tb_print_clean(state, clean, sizeof(clean)), is_bad ? tb_ink(TB_INK_NONE) : "");
    if (retry_ms > 0)
        printf(", next try in %" PRId64 " s", (retry_ms + 999) / 1000);
    if (number_at(sink, "queued") + number_at(sink, "quarantined") == 0 && !is_bad)
        error = ""; /* it is over */
    print_trouble(error);
}

static void print_sinks(const cJSON *sinks, int64_t now_ms)
{
    const cJSON *sink;
    cJSON_ArrayForEach(sink, sinks)
    {
        if (strcmp(tb_json_text(sink, "name"), "rollbar") != 0)
            print_sink(sink, now_ms);
    }
}

/* Of one token the delivery's own line tells all. */
static void print_tokens(const cJSON *tokens, int64_t now_ms)
{
    const cJSON *token;
    char name[SHORT_TEXT];
    if (cJSON_GetArraySize(tokens) < 2)
        return;
    cJSON_ArrayForEach(token, tokens)
    {
        int64_t paused_ms = number_at(token, "paused_until_ms");
        const char *told = tb_json_text(token, "name");
        printf("  token     %s: sent %" PRId64,
               strcmp(told, "own") == 0 ? "the agent's" : tb_print_clean(told, name, sizeof(name)),
               number_at(token, "sent"));
        add(token, "refused", "refused");
        add(token, "in_flight", "under way");
        if (cJSON_IsTrue(tb_json_at(token, "parked")))
            printf(", %sparked: Rollbar does not take it%s", tb_ink(TB_INK_RED),
                   tb_ink(TB_INK_NONE));
        else if (paused_ms > now_ms)
            printf(", paused for %" PRId64 " s", (paused_ms - now_ms + 999) / 1000);
        printf("\n");
    }
}

/* The settings that were given last are not in force when they were refused. */
static void print_reload(const cJSON *reload, int64_t now_ms)
{
    char age[TB_AGE_TEXT];
    const char *error = tb_json_text(reload, "last_error");
    if (number_at(reload, "taken") + number_at(reload, "refused") == 0)
        return;
    printf("  reload    %s %s",
           *error != '\0' ? "refused, the former settings are in force," : "taken",
           tb_print_age(now_ms, number_at(reload, "last_ms"), age));
    print_trouble(error);
}

void tb_status_more_print(const cJSON *agent, int64_t now_ms)
{
    print_http(tb_json_at(agent, "http"));
    print_files(tb_json_at(agent, "files"));
    print_tokens(tb_json_at(agent, "delivery.tokens"), now_ms);
    print_sinks(tb_json_at(agent, "sinks"), now_ms);
    print_reload(tb_json_at(agent, "reload"), now_ms);
}
