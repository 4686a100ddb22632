/* xray_document.c - see xray.h: the segment, or subsegment, of an item.
 *
 * Source: AWS X-Ray developer guide, "X-Ray segment documents". A segment is a node of the service
 * map and is found by service("..."); a subsegment belongs to one that another sends. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/id.h"
#include "sink/xray.h"

enum {
    NS_PER_US = 1000,
    US_PER_S = 1000000,
    MS_NS = 1000000,
    LEAST_BYTES = 4096,
    TRACE_ID_BYTES = 16,
    TIME_TEXT = 40,
    ANNOTATION_BYTES = 1000, /* X-Ray's limit of a text that is indexed */
    URL_BYTES = 512
};

/* What is tried in turn until the document is short enough. */
static const struct tb_xray_size sizes[] = {
    {.frames = 50, .causes = 8, .message = 2000, .has_metadata = true},
    {.frames = 32, .causes = 4, .message = 2000, .has_metadata = true},
    {.frames = 20, .causes = 3, .message = 1500, .has_metadata = true},
    {.frames = 12, .causes = 2, .message = 1500, .has_metadata = true},
    {.frames = 12, .causes = 2, .message = 1500, .has_metadata = false},
    {.frames = 8, .causes = 1, .message = 500, .has_metadata = false},
    {.frames = 4, .causes = 1, .message = 100, .has_metadata = false},
};

struct writer {
    struct tb_json json;
    const struct tb_sink_facts *facts;
    const struct tb_sink_settings *settings; /* or NULL */
    const struct tb_sink_item *item;
    int64_t now_ms;
    bool is_subsegment;
};

void tb_xray_document_id(const char *uuid, char out[TB_XRAY_ID_HEX])
{
    uint8_t id[TB_FACTS_ID_BYTES];
    tb_sink_facts_id(uuid, "segment", id);
    tb_hex(id, sizeof(id), out);
}

static int64_t time_ns(const struct writer *w)
{
    return w->facts->time_ns > 0 ? w->facts->time_ns : w->now_ms * MS_NS;
}

/* An error of no request is a trace of its own: the second in which it happened, as X-Ray wants it,
 * and the rest from the uuid. */
static void make_trace_id(const struct writer *w, uint8_t out[TRACE_ID_BYTES])
{
    uint8_t more[TB_FACTS_ID_BYTES];
    uint32_t second = (uint32_t)(time_ns(w) / NS_PER_US / US_PER_S);
    for (size_t i = 0; i < 4; i++)
        out[i] = (uint8_t)(second >> (24 - 8 * i));
    tb_sink_facts_id(w->item->uuid, "trace", out + 4);
    tb_sink_facts_id(w->item->uuid, "trace, the rest", more);
    memcpy(out + 4 + TB_FACTS_ID_BYTES, more, TRACE_ID_BYTES - 4 - TB_FACTS_ID_BYTES);
}

static const char *trace_of(const struct tb_sink_facts *facts)
{
    return facts->xray_trace_id[0] != '\0' ? facts->xray_trace_id : facts->trace_id;
}

static void write_trace_id(struct writer *w)
{
    uint8_t id[TRACE_ID_BYTES];
    char text[TB_XRAY_ID_TEXT];
    if (tb_trace_parse_id(trace_of(w->facts), id) < 0)
        make_trace_id(w, id);
    tb_xray_id_text(id, text);
    tb_json_kstr(&w->json, "trace_id", text);
}

/* The span is X-Ray's own where both have one trace. */
static const char *parent_of(const struct tb_sink_facts *facts)
{
    if (facts->xray_parent_id[0] != '\0')
        return facts->xray_parent_id;
    return facts->trace_id[0] != '\0' && strcmp(trace_of(facts), facts->trace_id) == 0
               ? facts->span_id
               : "";
}

static void write_time(struct tb_json *j, const char *key, int64_t us)
{
    char text[TIME_TEXT];
    int len = snprintf(text, sizeof(text), "%" PRId64 ".%06" PRId64, us / US_PER_S, us % US_PER_S);
    tb_json_key(j, key);
    tb_json_raw(j, text, (size_t)len);
}

/* The error is the end of it; an instant is a microsecond long. */
static void write_times(struct writer *w)
{
    int64_t end_us = time_ns(w) / NS_PER_US;
    int64_t start_us = w->facts->started_ns / NS_PER_US;
    if (start_us <= 0 || start_us >= end_us)
        start_us = end_us++;
    write_time(&w->json, "start_time", start_us);
    write_time(&w->json, "end_time", end_us);
}

static void write_true(struct tb_json *j, const char *key, bool value)
{
    if (value)
        tb_json_kbool(j, key, true);
}

/* A subsegment is no node: it says what happened, and where. */
static void write_name(struct writer *w)
{
    const struct tb_sink_facts *facts = w->facts;
    char name[TB_XRAY_NAME_BYTES];
    char text[TB_XRAY_NAME_BYTES + TB_ITEM_TEXT];
    tb_xray_name(facts, w->settings, name);
    if (w->is_subsegment) {
        (void)snprintf(text, sizeof(text), "%s %s %.200s", name,
                       facts->is_crash ? "crash" : facts->level_name, facts->error_class);
        tb_xray_clean_name(text, name);
    }
    tb_json_kstr(&w->json, "name", name);
}

static void write_head(struct writer *w)
{
    struct tb_json *j = &w->json;
    char id[TB_XRAY_ID_HEX];
    tb_xray_document_id(w->item->uuid, id);
    tb_json_kstr(j, "id", id);
    write_trace_id(w);
    tb_json_kopt(j, "parent_id", parent_of(w->facts));
    if (w->is_subsegment)
        tb_json_kstr(j, "type", "subsegment");
    write_name(w);
    write_times(w);
    struct tb_xray_flags flags = tb_xray_flags_of(w->facts);
    write_true(j, "error", flags.error);
    write_true(j, "throttle", flags.throttle);
    write_true(j, "fault", flags.fault);
}

/* Without query, fragment and password, as X-Ray's own SDKs have it. */
static void write_url(struct tb_json *j, const char *url)
{
    char text[URL_BYTES];
    const char *scheme_end = strstr(url, "://");
    const char *host = scheme_end ? scheme_end + 3 : url;
    size_t host_len = strcspn(host, "/?#");
    const char *at = scheme_end ? memrchr(host, '@', host_len) : NULL;
    const char *from = at ? at + 1 : host;
    size_t len = strcspn(from, "?#");
    (void)snprintf(text, sizeof(text), "%.*s%.*s", (int)(host - url < 32 ? host - url : 32), url,
                   (int)(len < URL_BYTES ? len : URL_BYTES), from);
    tb_xray_put_text(j, "url", text, URL_BYTES);
}

static void write_http(struct writer *w)
{
    struct tb_json *j = &w->json;
    const struct tb_sink_facts *facts = w->facts;
    if (w->is_subsegment || (facts->url[0] == '\0' && facts->method[0] == '\0'))
        return;
    tb_json_key(j, "http");
    tb_json_object(j);
    tb_json_key(j, "request");
    tb_json_object(j);
    tb_xray_put_text(j, "method", facts->method, TB_XRAY_TEXT_BYTES);
    write_url(j, facts->url);
    tb_xray_put_text(j, "user_agent", facts->user_agent, TB_XRAY_TEXT_BYTES);
    tb_xray_put_text(j, "client_ip", facts->client_ip, TB_XRAY_TEXT_BYTES);
    tb_json_end(j);
    if (facts->http_status > 0) {
        tb_json_key(j, "response");
        tb_json_object(j);
        tb_json_kint(j, "status", facts->http_status);
        tb_json_end(j);
    }
    tb_json_end(j);
}

/* Few: a trace has 50 that are indexed, and the application has its own. */
static void write_annotations(struct writer *w)
{
    struct tb_json *j = &w->json;
    const struct tb_sink_facts *facts = w->facts;
    tb_json_key(j, "annotations");
    tb_json_object(j);
    tb_xray_put_text(j, "rollbar_uuid", w->item->uuid, TB_XRAY_TEXT_BYTES);
    tb_xray_put_text(j, "error_class", facts->error_class, TB_XRAY_TEXT_BYTES);
    tb_xray_put_text(j, "service", facts->service, TB_XRAY_TEXT_BYTES);
    tb_xray_put_text(j, "environment", facts->environment, TB_XRAY_TEXT_BYTES);
    tb_xray_put_text(j, "signal", facts->signal, TB_XRAY_TEXT_BYTES);
    write_true(j, "crash", facts->is_crash);
    if (facts->pid > 0)
        tb_json_kint(j, "pid", facts->pid);
    tb_json_end(j);
}

static void write_link(struct tb_json *j, const char *uuid)
{
    char url[128];
    if (uuid[0] == '\0')
        return;
    (void)snprintf(url, sizeof(url), "https://rollbar.com/occurrence/uuid/?uuid=%.40s", uuid);
    tb_json_kstr(j, "rollbar_url", url);
}

static void write_metadata(struct writer *w, const struct tb_xray_size *size)
{
    struct tb_json *j = &w->json;
    const struct tb_sink_facts *facts = w->facts;
    tb_json_key(j, "metadata");
    tb_json_object(j);
    tb_json_key(j, "towbar");
    tb_json_object(j);
    write_link(j, w->item->uuid);
    tb_json_kstr(j, "level", facts->level_name);
    if (size->has_metadata) {
        tb_xray_put_text(j, "title", facts->title, TB_ITEM_TEXT);
        tb_xray_put_text(j, "code_version", facts->code_version, TB_XRAY_TEXT_BYTES);
        tb_xray_put_text(j, "host", facts->host, TB_XRAY_TEXT_BYTES);
        tb_xray_put_text(j, "context", facts->context, TB_XRAY_TEXT_BYTES);
        tb_xray_put_text(j, "thread", facts->thread, TB_XRAY_TEXT_BYTES);
        tb_xray_put_text(j, "signal_code", facts->signal_code, TB_XRAY_TEXT_BYTES);
        tb_xray_put_text(j, "address", facts->fault_address, TB_XRAY_TEXT_BYTES);
        tb_xray_put_text(j, "abort_message", facts->abort_message, TB_XRAY_TEXT_BYTES);
        if (facts->blamed)
            tb_xray_put_text(j, "build_id", facts->blamed->build_id, TB_XRAY_TEXT_BYTES);
        tb_xray_put_text(j, "trace_id", facts->trace_id, TB_XRAY_TEXT_BYTES);
        tb_xray_put_text(j, "span_id", facts->span_id, TB_XRAY_TEXT_BYTES);
        tb_xray_put_text(j, "fingerprint", facts->fingerprint, TB_XRAY_TEXT_BYTES);
    }
    tb_json_end(j);
    tb_json_end(j);
}

/* Which log group the console looks into for the trace's id, and who wrote this. */
static void write_aws(struct writer *w)
{
    struct tb_json *j = &w->json;
    const char *log_group = w->settings && w->settings->log_group ? w->settings->log_group : "";
    tb_json_key(j, "aws");
    tb_json_object(j);
    if (log_group[0] != '\0') {
        tb_json_key(j, "cloudwatch_logs");
        tb_json_array(j);
        tb_json_object(j);
        tb_xray_put_text(j, "log_group", log_group, URL_BYTES);
        tb_json_end(j);
        tb_json_end(j);
    }
    tb_json_key(j, "xray");
    tb_json_object(j);
    tb_json_kstr(j, "sdk", "towbar");
    tb_json_kstr(j, "sdk_version", TOWBAR_VERSION);
    tb_json_end(j);
    tb_json_end(j);
}

/* What is of segments alone. */
static void write_service(struct writer *w)
{
    struct tb_json *j = &w->json;
    const struct tb_sink_facts *facts = w->facts;
    if (w->is_subsegment)
        return;
    tb_xray_put_text(j, "user", facts->person_id, TB_XRAY_TEXT_BYTES);
    if (w->settings && w->settings->origin)
        tb_xray_put_text(j, "origin", w->settings->origin, TB_XRAY_TEXT_BYTES);
    if (facts->code_version[0] != '\0') {
        tb_json_key(j, "service");
        tb_json_object(j);
        tb_xray_put_text(j, "version", facts->code_version, TB_XRAY_TEXT_BYTES);
        tb_json_end(j);
    }
    write_aws(w);
}

/* In order of value: what does not fit is left out from the end. */
static int write_all(struct writer *w, char *mem, size_t cap, const struct tb_xray_size *size)
{
    tb_json_init(&w->json, mem, cap);
    tb_json_object(&w->json);
    write_head(w);
    write_service(w);
    write_annotations(w);
    tb_xray_cause(&w->json, w->facts, w->item->uuid, size);
    write_metadata(w, size);
    write_http(w);
    tb_json_end(&w->json);
    return tb_json_finish(&w->json);
}

int tb_xray_document(const struct tb_sink_target *target, const struct tb_sink_item *item,
                     char *mem, size_t cap, size_t *len)
{
    struct tb_sink_facts facts;
    if (cap < LEAST_BYTES)
        return -ENOSPC;
    if (cap > TB_XRAY_DOCUMENT_BYTES + 1)
        cap = TB_XRAY_DOCUMENT_BYTES + 1;
    int err = tb_sink_facts_read(item, target->settings, &facts);
    if (err < 0) {
        tb_sink_facts_done(&facts);
        return err;
    }
    struct writer w = {.facts = &facts,
                       .settings = target->settings,
                       .item = item,
                       .now_ms = target->now_ms,
                       .is_subsegment = tb_xray_is_subsegment(&facts)};
    size_t n = sizeof(sizes) / sizeof(sizes[0]);
    for (size_t i = 0; i < n; i++) {
        int full = write_all(&w, mem, cap, &sizes[i]);
        if (full == 0 && w.json.len <= TB_XRAY_AIM_BYTES)
            break;
    }
    *len = w.json.len;
    tb_sink_facts_done(&facts);
    return 0;
}
