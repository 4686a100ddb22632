/* cloudwatch_record.c - an item as one flat line of JSON, for Logs Insights and for people.
 *
 * 1. Every name can be asked for: none begins with "@", which is reserved, and all but one need no
 *    backquotes. The trace stands in three forms: trace_id, as OpenTelemetry has it; xray_trace_id,
 *    which the X-Ray console looks for in the text; and AWS-XRAY-TRACE-ID, as X-Ray's SDKs log it.
 * 2. It fits TB_CLOUDWATCH_RECORD_BYTES: each text has a share, the stack gets what is left, and
 *    what is cut is cut at a character and said in "truncated". */
#include "sink/cloudwatch.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/utf8.h"
#include "trace/trace.h"

enum {
    SHORT_BYTES = 1 << 10, /* of one text, as it stands in the record */
    URL_BYTES = 4 << 10,
    MESSAGE_BYTES = 64 << 10,
    TAIL_BYTES = 2 << 10, /* what is written behind the stack */
    STACK_BYTES = 256 << 10,
    DATE = 32
};

struct record {
    struct tb_json json;
    bool is_cut;
};

/* Bytes that the character at text becomes within a JSON string; *n: those that it has. */
static size_t written_len(const char *text, size_t left, size_t *n)
{
    unsigned char c = (unsigned char)*text;
    *n = tb_utf8_len(text, left);
    if (*n == 0) {
        *n = 1;
        return 3; /* U+FFFD */
    }
    if (c == '"' || c == '\\')
        return 2;
    if (c < ' ' || c == 0x7f || c == 0xc2)
        return 6;
    return *n;
}

/* How much of text can be written in room bytes. */
static size_t cut(const char *text, size_t len, size_t room)
{
    size_t at = 0;
    if (len <= room / 6)
        return len;
    while (at < len) {
        size_t n;
        size_t written = written_len(text + at, len - at, &n);
        if (written > room)
            break;
        room -= written;
        at += n;
    }
    return at;
}

/* Left out where empty. */
static void add_cut(struct record *r, const char *key, const char *text, size_t room)
{
    size_t len = strlen(text);
    if (len == 0)
        return;
    size_t n = cut(text, len, room);
    r->is_cut = r->is_cut || n < len;
    tb_json_key(&r->json, key);
    tb_json_strn(&r->json, text, n);
}

static void add(struct record *r, const char *key, const char *text)
{
    add_cut(r, key, text, SHORT_BYTES);
}

static void add_number(struct record *r, const char *key, int64_t value)
{
    if (value != 0)
        tb_json_kint(&r->json, key, value);
}

static void add_time(struct record *r, const char *key, int64_t ms)
{
    char text[DATE];
    struct tm tm;
    time_t s = (time_t)(ms / 1000);
    if (gmtime_r(&s, &tm) == NULL || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        return;
    size_t len = strlen(text);
    (void)snprintf(text + len, sizeof(text) - len, ".%03dZ", (int)(ms % 1000));
    tb_json_kstr(&r->json, key, text);
}

static void add_what(struct record *r, const struct tb_sink_facts *facts, const char *service,
                     const char *class)
{
    char level[16] = "";
    size_t n = 0;
    for (; n < sizeof(level) - 1 && facts->level_name[n] != '\0'; n++)
        level[n] = (char)toupper((unsigned char)facts->level_name[n]);
    level[n] = '\0';
    add(r, "level", level);
    add(r, "service", service);
    if (strcmp(service, facts->service) != 0)
        add(r, "service_full", facts->service);
    add(r, "version", facts->code_version);
    add(r, "environment", facts->environment);
    add_cut(r, "message", facts->message[0] != '\0' ? facts->message : facts->title, MESSAGE_BYTES);
    add(r, "error_class", class);
    if (strcmp(class, facts->error_class) != 0)
        add(r, "error_class_full", facts->error_class);
}

static void add_rollbar(struct record *r, const struct tb_sink_facts *facts)
{
    char url[128] = "";
    if (facts->uuid[0] == '\0')
        return;
    add(r, "rollbar_uuid", facts->uuid);
    add(r, "rollbar.occurrence.uuid", facts->uuid);
    (void)snprintf(url, sizeof(url), "https://rollbar.com/occurrence/uuid/?uuid=%.64s",
                   facts->uuid);
    add(r, "rollbar.occurrence_url", url);
}

/* X-Ray's own ID where it has another one, and the span that belongs to it. */
static void add_xray(struct record *r, const struct tb_sink_facts *facts)
{
    char id[64] = "";
    char both[96] = "";
    bool is_other =
        facts->xray_trace_id[0] != '\0' && strcmp(facts->xray_trace_id, facts->trace_id) != 0;
    const char *hex = is_other ? facts->xray_trace_id : facts->trace_id;
    const char *span = is_other ? facts->xray_parent_id : facts->span_id;
    if (span[0] == '\0' && !is_other)
        span = facts->xray_parent_id;
    if (strlen(hex) != 32)
        return;
    (void)snprintf(id, sizeof(id), "1-%.8s-%s", hex, hex + 8);
    (void)snprintf(both, sizeof(both), "%s%s%s", id, span[0] != '\0' ? "@" : "", span);
    add(r, "xray_trace_id", id);
    add(r, "AWS-XRAY-TRACE-ID", both);
}

static void add_trace(struct record *r, const struct tb_sink_facts *facts)
{
    char flags[8] = "";
    add(r, "trace_id", facts->trace_id);
    add(r, "span_id", facts->span_id);
    if (facts->trace_flags >= 0 && facts->trace_id[0] != '\0') {
        (void)snprintf(flags, sizeof(flags), "%02x", (unsigned)facts->trace_flags & 0xff);
        add(r, "trace_flags", flags);
    }
    add_xray(r, facts);
}

static void add_place(struct record *r, const struct tb_sink_facts *facts)
{
    add_number(r, "pid", facts->pid);
    add_number(r, "tid", facts->tid);
    add(r, "thread", facts->thread);
    add(r, "host", facts->host);
    if (facts->blamed != NULL) {
        add(r, "function", facts->blamed->function);
        add_cut(r, "file", facts->blamed->file, URL_BYTES);
        add_number(r, "line", facts->blamed->line);
    }
    add(r, "signal", facts->signal);
    add(r, "signal_code", facts->signal_code);
    add(r, "fault_address", facts->fault_address);
    add(r, "errno", facts->errno_name);
    add(r, "context", facts->context);
    add(r, "fingerprint", facts->fingerprint);
    add(r, "http_method", facts->method);
    add_cut(r, "http_url", facts->url, URL_BYTES);
    add_number(r, "http_status", facts->omit.request ? 0 : facts->http_status);
    add(r, "client_ip", facts->client_ip);
    add(r, "user_id", facts->person_id);
}

static int add_stack(struct record *r, const struct tb_sink_facts *facts)
{
    struct tb_buf text;
    size_t room = r->json.cap - r->json.len;
    tb_buf_init(&text, STACK_BYTES);
    tb_cloudwatch_stack(facts, &text);
    int err = text.err;
    /* What did not fit into that is cut as well; what it has is whole. */
    r->is_cut = r->is_cut || err != 0;
    if (text.len > 0 && room > TAIL_BYTES)
        add_cut(r, "stack", text.data, room - TAIL_BYTES);
    tb_buf_done(&text);
    return err == -ENOMEM ? err : 0;
}

/* Embedded Metric Format: a count by service and class, by service, and of all. */
static void add_metrics(struct record *r, int64_t at_ms)
{
    static const char DIRECTIVE[] =
        "[{\"Namespace\":\"Rollbar/Errors\","
        "\"Dimensions\":[[\"service\",\"error_class\"],[\"service\"],[]],"
        "\"Metrics\":[{\"Name\":\"ErrorCount\",\"Unit\":\"Count\"}]}]";
    tb_json_key(&r->json, "_aws");
    tb_json_object(&r->json);
    tb_json_kint(&r->json, "Timestamp", at_ms);
    tb_json_key(&r->json, "CloudWatchMetrics");
    tb_json_raw(&r->json, DIRECTIVE, sizeof(DIRECTIVE) - 1);
    tb_json_end(&r->json);
    tb_json_kint(&r->json, "ErrorCount", 1);
}

/* A dimension has 1 to 1024 characters of visible ASCII, and no colon in front. */
static void to_dimension(const char *text, const char *fallback, char out[TB_CLOUDWATCH_CLASS])
{
    size_t n = 0;
    for (; n < TB_CLOUDWATCH_CLASS - 1 && text[n] != '\0'; n++) {
        bool is_well = text[n] > ' ' && text[n] <= '~' && (n > 0 || text[n] != ':');
        out[n] = (char)(is_well ? text[n] : '_');
    }
    out[n] = '\0';
    if (n == 0)
        memcpy(out, fallback, strlen(fallback) + 1);
}

size_t tb_cloudwatch_record(const struct tb_sink_facts *facts,
                            const struct tb_sink_settings *settings, int64_t at_ms, char *mem)
{
    char service[TB_CLOUDWATCH_CLASS] = "";
    char class[TB_CLOUDWATCH_CLASS] = "";
    struct record r = {.is_cut = false};
    const char *shown_service = facts->service;
    const char *shown_class = facts->error_class;
    int64_t happened_ms = facts->time_ns / 1000000;
    if (settings->has_metrics) {
        to_dimension(facts->service, "unknown", service);
        to_dimension(facts->error_class, "none", class);
        shown_service = tb_cloudwatch_service(service);
        shown_class = tb_cloudwatch_class(shown_service, class);
    }
    tb_json_init(&r.json, mem, TB_CLOUDWATCH_RECORD_BYTES + 1);
    tb_json_object(&r.json);
    add_time(&r, "timestamp", happened_ms > 0 ? happened_ms : at_ms);
    if (happened_ms > 0 && happened_ms != at_ms)
        add_time(&r, "occurred_at", happened_ms);
    add_what(&r, facts, shown_service, shown_class);
    add_rollbar(&r, facts);
    add_trace(&r, facts);
    add_place(&r, facts);
    if (add_stack(&r, facts) < 0)
        return 0;
    if (r.is_cut)
        tb_json_kbool(&r.json, "truncated", true);
    if (settings->has_metrics)
        add_metrics(&r, at_ms);
    (void)tb_json_finish(&r.json);
    return r.json.len;
}
