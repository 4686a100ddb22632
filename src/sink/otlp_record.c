/* otlp_record.c - see otlp.h: an item as a log record, and as a span. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/id.h"
#include "sink/otlp.h"

#define NS_PER_MS INT64_C(1000000)

enum {
    SPAN_KIND_INTERNAL = 1,
    STATUS_ERROR = 2,
    HAS_IS_REMOTE = 0x100, /* of a span's flags: the next bit says so, and it is not set */
    KEY_BYTES = 128,
    STATE_BYTES = 512
};

static void add_number(struct tb_buf *out, const char *before, int64_t value)
{
    char number[32];
    (void)snprintf(number, sizeof(number), "%" PRId64, value);
    tb_buf_adds(out, before);
    tb_buf_adds(out, number);
}

/* Where the item does not say it is now: 0 would be 1970. */
static int64_t time_of(const struct tb_sink_facts *facts, int64_t now_ms)
{
    return facts->time_ns > 0 ? facts->time_ns : now_ms * NS_PER_MS;
}

/* The one that other spans of the request have; X-Ray's where there is no other. */
static const char *trace_of(const struct tb_sink_facts *facts)
{
    return facts->trace_id[0] != '\0' ? facts->trace_id : facts->xray_trace_id;
}

/* ---- a log record ---- */

static const struct severity {
    int number;
    const char *text;
} severities[] = {{5, "DEBUG"}, {9, "INFO"}, {13, "WARN"}, {17, "ERROR"}, {21, "FATAL"}};

static const struct severity *severity_of(const struct tb_sink_facts *facts)
{
    bool is_fatal = facts->level == TB_FACTS_CRITICAL && (facts->is_crash || facts->is_uncaught);
    return &severities[facts->level == TB_FACTS_CRITICAL && !is_fatal ? TB_FACTS_ERROR
                                                                      : facts->level];
}

void tb_otlp_log_record(const struct tb_sink_facts *facts, const char *uuid, int64_t now_ms,
                        struct tb_buf *out)
{
    struct tb_otlp_list list;
    const struct severity *severity = severity_of(facts);
    bool is_exception = tb_otlp_is_exception(facts);
    add_number(out, "{\"timeUnixNano\":\"", time_of(facts, now_ms));
    add_number(out, "\",\"observedTimeUnixNano\":\"", now_ms * NS_PER_MS);
    add_number(out, "\",\"severityNumber\":", severity->number);
    tb_buf_adds(out, ",\"severityText\":\"");
    tb_buf_adds(out, severity->text);
    tb_buf_adds(out, is_exception ? "\",\"eventName\":\"exception\"" : "\"");
    tb_buf_adds(out, ",\"body\":{\"stringValue\":");
    bool is_message = !is_exception && facts->message[0] != '\0';
    tb_otlp_string(out, is_message ? facts->message : facts->title, TB_OTLP_LONG_BYTES);
    tb_buf_adds(out, "},\"attributes\":");
    tb_otlp_list_open(&list, out);
    if (is_exception)
        tb_otlp_put_exception(&list, facts);
    tb_otlp_put(&list, "log.record.uid", uuid, KEY_BYTES);
    if (facts->is_crash)
        tb_otlp_put(&list, "app.crash.id", uuid, KEY_BYTES);
    /* Honeycomb's columns, which it does not make of logs by itself. */
    if (facts->level >= TB_FACTS_ERROR)
        tb_otlp_put_true(&list, "error");
    tb_otlp_put(&list, "name", is_exception ? "exception" : "message", KEY_BYTES);
    tb_otlp_put_rest(&list, facts, uuid);
    tb_otlp_list_close(&list);
    if (list.n_dropped > 0)
        add_number(out, ",\"droppedAttributesCount\":", (int64_t)list.n_dropped);
    if (facts->trace_flags > 0)
        add_number(out, ",\"flags\":", facts->trace_flags);
    if (trace_of(facts)[0] != '\0') {
        tb_buf_addf(out, ",\"traceId\":\"%s\"", trace_of(facts));
        if (facts->span_id[0] != '\0')
            tb_buf_addf(out, ",\"spanId\":\"%s\"", facts->span_id);
    }
    tb_buf_adds(out, "}");
}

/* ---- a span ---- */

/* Without OpenTelemetry's own member: it says of how many spans this is the one that was sampled,
 * and backends multiply by it, but errors are sent all. */
static void add_state(const char *state, struct tb_buf *out)
{
    char kept[STATE_BYTES + 1];
    size_t n = 0;
    if (strlen(state) > STATE_BYTES)
        return;
    while (*state != '\0') {
        const char *member = state + strspn(state, " \t");
        size_t len = strcspn(state, ",");
        if (strncmp(member, "ot=", 3) != 0) {
            memcpy(kept + n, state, len);
            n += len;
            kept[n++] = ',';
        }
        state += len + (state[len] == ',');
    }
    if (n == 0)
        return;
    kept[n - 1] = '\0';
    tb_buf_adds(out, ",\"traceState\":");
    tb_otlp_string(out, kept, STATE_BYTES);
}

/* An item outside of a trace begins one, always the same one. */
static void add_ids(const struct tb_sink_facts *facts, const char *uuid, struct tb_buf *out)
{
    uint8_t own[TB_FACTS_ID_BYTES];
    uint8_t trace[2 * TB_FACTS_ID_BYTES];
    char hex[2 * sizeof(trace) + 1];
    tb_buf_adds(out, "{\"traceId\":\"");
    if (trace_of(facts)[0] != '\0') {
        tb_buf_adds(out, trace_of(facts));
    } else {
        tb_sink_facts_id(uuid, "otlp trace high", trace);
        tb_sink_facts_id(uuid, "otlp trace low", trace + TB_FACTS_ID_BYTES);
        tb_hex(trace, sizeof(trace), hex);
        tb_buf_adds(out, hex);
    }
    tb_sink_facts_id(uuid, "otlp span", own);
    tb_hex(own, sizeof(own), hex);
    tb_buf_adds(out, "\",\"spanId\":\"");
    tb_buf_adds(out, hex);
    tb_buf_adds(out, "\"");
    if (trace_of(facts)[0] != '\0' && facts->span_id[0] != '\0')
        tb_buf_addf(out, ",\"parentSpanId\":\"%s\"", facts->span_id);
    add_state(facts->trace_state, out);
}

static void add_event(const struct tb_sink_facts *facts, int64_t time_ns, struct tb_buf *out)
{
    struct tb_otlp_list list;
    bool is_exception = tb_otlp_is_exception(facts);
    add_number(out, ",\"events\":[{\"timeUnixNano\":\"", time_ns);
    tb_buf_adds(out, is_exception ? "\",\"name\":\"exception\"" : "\",\"name\":\"message\"");
    tb_buf_adds(out, ",\"attributes\":");
    tb_otlp_list_open(&list, out);
    if (is_exception)
        tb_otlp_put_exception(&list, facts);
    else
        tb_otlp_put(&list, "message", facts->message, TB_OTLP_LONG_BYTES);
    tb_otlp_list_close(&list);
    tb_buf_adds(out, "}]");
}

static void add_name(const struct tb_sink_facts *facts, struct tb_buf *out)
{
    struct tb_otlp_text name;
    tb_buf_adds(out, ",\"name\":");
    tb_otlp_text_open(&name, out, KEY_BYTES);
    if (!tb_otlp_is_exception(facts)) {
        tb_otlp_text_add(&name, "message");
    } else {
        tb_otlp_text_add(&name, facts->is_crash ? "crash " : "exception ");
        tb_otlp_text_add(&name, tb_otlp_type(facts));
    }
    tb_otlp_text_close(&name);
}

void tb_otlp_span(const struct tb_sink_facts *facts, const char *uuid, int64_t now_ms,
                  struct tb_buf *out)
{
    struct tb_otlp_list list;
    int64_t time_ns = time_of(facts, now_ms);
    int flags = facts->trace_flags > 0 ? facts->trace_flags : 0;
    add_ids(facts, uuid, out);
    add_name(facts, out);
    add_number(out, ",\"kind\":", SPAN_KIND_INTERNAL);
    add_number(out, ",\"startTimeUnixNano\":\"", time_ns);
    add_number(out, "\",\"endTimeUnixNano\":\"", time_ns);
    tb_buf_adds(out, "\",\"attributes\":");
    tb_otlp_list_open(&list, out);
    tb_otlp_put_rest(&list, facts, uuid);
    tb_otlp_list_close(&list);
    if (list.n_dropped > 0)
        add_number(out, ",\"droppedAttributesCount\":", (int64_t)list.n_dropped);
    add_event(facts, time_ns, out);
    if (facts->level >= TB_FACTS_ERROR) {
        add_number(out, ",\"status\":{\"code\":", STATUS_ERROR);
        tb_buf_adds(out, ",\"message\":");
        tb_otlp_string(out, facts->title, TB_OTLP_TEXT_BYTES);
        tb_buf_adds(out, "}");
    }
    if (trace_of(facts)[0] != '\0')
        add_number(out, ",\"flags\":", HAS_IS_REMOTE | flags);
    tb_buf_adds(out, "}");
}
